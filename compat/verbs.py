"""Debian's own clients on both managers: each command's exit status, output and complaints.

A file of verbs holds units and commands:

    == unit NAME            a unit file; its lines follow
    == file PATH            any other file
    == play NAME            commands, one a line, played one after the other

In a command line `?` at the beginning keeps its output out of the comparison (it sets the scene, or waits),
`~ REASON |` in front of a command says why it may differ: it is played and not counted.

systemd has its private socket and a message bus; dd-procmgrd is played twice, with the facade (clients find
it where they look for systemd) and by its bus personality alone (SYSTEMCTL_FORCE_BUS).
"""
import glob
import os
import re
import shlex

import world

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/>
<allow send_type="signal"/><allow send_requested_reply="true" send_type="method_return"/>
<allow send_requested_reply="true" send_type="error"/><allow receive_type="method_call"/>
<allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/>
</policy></busconfig>
"""
# systemd connects to a bus when the units of one are active.
BUS = {
    "/run/compat/bus.conf": BUS_CONFIG,
    "/dbus.socket": "[Unit]\nDefaultDependencies=no\nIgnoreOnIsolate=yes\n"
                    "[Socket]\nListenStream=/run/dbus/system_bus_socket\n",
    "/dbus.service": "[Unit]\nDefaultDependencies=no\nIgnoreOnIsolate=yes\nRequires=dbus.socket\n"
                     "After=dbus.socket\n[Service]\nType=notify\nNotifyAccess=main\n"
                     "ExecStart=/usr/bin/dbus-daemon --config-file=/run/compat/bus.conf --systemd-activation "
                     "--nofork --nopidfile\n",
}
MODES = ("facade", "bus")
# Files on both sides: systemd has none of its own in the unit path here, and ours give way to files.
TARGETS = """sysinit basic shutdown umount local-fs remote-fs network-pre network network-online nss-lookup
nss-user-lookup time-set time-sync sockets timers paths slices swap cryptsetup multi-user""".split()


class Script:
    def __init__(self, path):
        self.name = os.path.basename(path).rpartition(".")[0]
        self.files, self.plays = {}, []
        target = None
        with open(path, encoding="latin-1") as f:
            for line in f.read().split("\n"):
                if line.startswith("== "):
                    kind, _, name = line[3:].partition(" ")
                    if kind == "play":
                        target = []
                        self.plays.append((name, target))
                    else:
                        target = name if kind == "file" else os.path.join(world.UNITS, name)
                        self.files[target] = ""
                elif isinstance(target, list):
                    if line.strip() and not line.startswith("#"):
                        target.append(line.strip())
                elif target:
                    self.files[target] += line + "\n"


class Step:
    """One command and what it gave."""

    def __init__(self, play, line):
        self.play, self.line, self.reason = play, line, ""
        self.counts = not line.startswith("?")
        line = line.lstrip("? ")
        if line.startswith("~"):
            self.reason, _, line = (part.strip() for part in line[1:].partition("|"))
        self.command = line
        self.result = None


def run(one, steps, environment):
    prefix = ["env", *("%s=%s" % item for item in environment.items())] if environment else []
    for step in steps:
        code, out, err = one.run(prefix + ["sh", "-c", step.command] if any(c in step.command for c in "|;&$<>'\"")
                                 else prefix + shlex.split(step.command))
        step.result = (code, plain(out), plain(err))


def steps(script):
    return [Step(play, line) for play, lines in script.plays for line in lines]


PLAIN = [
    (re.compile(r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"), "TIME"),
    (re.compile(r"; [^;\n]* ago"), "; AGE ago"),
    (re.compile(r"(PID: |PID=|├─|└─|Process: |pid=)\d+"), r"\1PID"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "ID"),
    (re.compile(r"(Memory|CPU|Tasks): .*"), r"\1: X"),
    (re.compile(r"\bjob \d+\b"), "job N"),
    (re.compile(r"(/org/freedesktop/systemd1/job/)\d+"), r"\1N"),
    (re.compile(r"/(?=dd-procmgr-|system\.slice/)(dd-procmgr-[^/\s]*/)?(system\.slice/)?(system-[^/\s]*\.slice/)?"), "/GROUP/"),
    # Counted where there is a controller for it: not for systemd in its namespaces.
    (re.compile(r"^ *Tasks: X\n", re.M), ""),
    (re.compile(r"[ \t]+$", re.M), ""),
]


def plain(text):
    text = text.encode("latin-1").decode("utf-8", "replace")
    for pattern, by in PLAIN:
        text = pattern.sub(by, text)
    # Lists of units come in the order of systemd's hash tables.
    return LISTS.sub(lambda line: line[1] + " ".join(sorted(line[2].split())), text)


LISTS = re.compile(r"^((?:Wants|WantedBy|Requires|After|Before)=)(.*)$", re.M)


def play(kind, script, daemon, mode):
    files = {os.path.join(world.UNITS, world.GOAL): "[Unit]\nDefaultDependencies=no\nWants=dbus.service\n"}
    files.update({"%s/%s.target" % (world.UNITS, name): "[Unit]\nDefaultDependencies=no\n" for name in TARGETS})
    files.update(script.files)
    if kind == "systemd":
        files.update({(world.UNITS if path.count("/") == 1 else "") + path: text for path, text in BUS.items()})
    all_steps = steps(script)
    environment = {"SYSTEMCTL_FORCE_BUS": "1"} if mode == "bus" else {}
    with world.World(kind, files, daemon=daemon, facade=True) as one:
        run(one, all_steps, environment)
    return all_steps


def compare(directory, daemon, only=None):
    """[(script and mode, step there, step here)]."""
    rows = []
    for path in sorted(glob.glob(os.path.join(directory, "*.verbs"))):
        script = Script(path)
        if only and only not in script.name:
            continue
        theirs = play("systemd", script, daemon, "facade")
        for mode in MODES:
            ours = play("dd-procmgrd", script, daemon, mode)
            rows += [("%s, %s" % (script.name, mode), a, b) for a, b in zip(theirs, ours)]
    return rows


def counted(rows):
    return [row for row in rows if row[1].counts and not row[1].reason]


def failed(rows):
    return [row for row in counted(rows) if row[1].result != row[2].result]


def show(rows):
    for where, theirs, ours in failed(rows):
        print("DIFFERENT %s: %s: %s" % (where, theirs.play, theirs.command))
        for name, step in (("systemd", theirs), ("here", ours)):
            code, out, err = step.result
            print("  %s: %d" % (name, code))
            for mark, text in (("  | ", out), ("  ! ", err)):
                for line in text.rstrip("\n").split("\n") if text else []:
                    print("  " + mark + line)
    print("%d commands, %d equal" % (len(counted(rows)), len(counted(rows)) - len(failed(rows))))
