"""Sessions of other programs and libraries that talk to systemd, which are tests (tests/clients.rs)."""
import os
import re
import shutil
import subprocess

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
LINE = re.compile(r"^test (\S+) \.\.\. (\w+)$", re.M)


def run():
    """[(test, ok, FAILED or skipped: why)], or nothing where they cannot be built."""
    if not shutil.which("cargo"):
        return []
    skips = os.path.join(ROOT, "target/compat-skips")
    open(skips, "w").close()
    command = ["cargo", "test", "--locked", "--test", "clients"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "DD_PM_SKIPS": skips})
    with open(skips, encoding="utf-8") as f:
        reasons = dict((line.split("\t")[1], line.strip().split("\t")[2]) for line in f if line.count("\t") >= 2)
    found = []
    for name, result in LINE.findall(done.stdout):
        reason = reasons.get(name) or reasons.get(name.rpartition("::")[2])
        found.append((name, "skipped: " + reason if reason else result))
    return sorted(found)


def failed(sessions):
    return [row for row in sessions if row[1] == "FAILED"]


def show(sessions):
    for name, result in failed(sessions):
        print("FAILED %s" % name)
    print("%d sessions of clients, %d failed" % (len(sessions), len(failed(sessions))))
