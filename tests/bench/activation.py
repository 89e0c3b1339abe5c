#!/usr/bin/env python3
"""What socket activation costs beside systemd 252 and beside the least that it could cost.

Usage: activation.py [DAEMON]. Both managers run at once, each in namespaces of its own (as in
compat/), and are asked in turn, so that what else the machine does meets them alike. Without root
or systemd 252 it says so and measures nothing.
"""
import os
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "../..")
sys.path.insert(0, os.path.join(ROOT, "compat"))
import world  # noqa: E402

TIMES = 100
ROUNDS = 5
STORM = 1000
TOOL = "/run/compat/activation"

FILES = {
    "one.socket": "[Socket]\nListenStream=/run/one\nTriggerLimitIntervalSec=0\n",
    "one.service": "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=%s one\n" % TOOL,
    "word.socket": "[Socket]\nListenStream=/run/word\nAccept=yes\nMaxConnections=500\n"
                   "TriggerLimitIntervalSec=0\n",
    "word@.service": "[Service]\nStandardInput=socket\nExecStart=%s word\n" % TOOL,
    "floor.service": "[Service]\nExecStart=%s floor /run/floor %s one\n" % (TOOL, TOOL),
    # what default dependencies are on
    **{name + ".target": "" for name in ("sysinit", "basic", "sockets", "shutdown")},
    world.GOAL: "",
}


def number(place, *words):
    code, out, err = place.run([TOOL, *words])
    if code != 0:
        raise world.Trouble("%s %s: %s" % (place.kind, " ".join(words), err))
    return float(out)


def start(kind, daemon, tool):
    files = {"%s/%s" % (world.UNITS, name): text or "[Unit]\nDefaultDependencies=no\n" for name, text in FILES.items()}
    place = world.World(kind, files, daemon=daemon)
    place.spec["copies"][tool] = TOOL
    place.__enter__()
    code, _, err = place.run(["systemctl", "start", "one.socket", "word.socket", "floor.service"])
    if code != 0:
        place.close()
        raise world.Trouble("%s: %s" % (kind, err))
    return place


def first_bytes(places):
    """Microseconds to the first byte, by who is asked; all are asked in turn."""
    asked = {kind: (place, "/run/one") for kind, place in places.items()}
    asked["floor"] = (places["dd-procmgrd"], "/run/floor")
    times = {who: [] for who in asked}
    for _ in range(TIMES):
        for who, (place, path) in asked.items():
            times[who].append(number(place, "first", path))
        # the services end, and their sockets listen again
        time.sleep(0.05)
    return times


def rates(places, clients):
    """Connections per second, by who is asked."""
    seen = {kind: [] for kind in places}
    for _ in range(ROUNDS):
        for kind, place in places.items():
            seen[kind].append(number(place, "storm", "/run/word", str(STORM), str(clients)))
    return seen


def measure(daemon, tool):
    places = {}
    try:
        for kind in world.KINDS:
            places[kind] = start(kind, daemon, tool)
        times = first_bytes(places)
        floor = statistics.median(times["floor"])
        print("| first byte after connect() | median | quarter below | quarter above | x floor |")
        print("|---|---:|---:|---:|---:|")
        for who in ("floor", *reversed(world.KINDS)):
            low, middle, high = statistics.quantiles(times[who], n=4)
            print("| %s | %.0f us | %.0f us | %.0f us | %.2f |" % (who, middle, low, high, middle / floor))
        print("\n| Accept=yes, connections per second | 1 client | 4 clients |\n|---|---:|---:|")
        seen = [rates(places, clients) for clients in (1, 4)]
        for kind in reversed(world.KINDS):
            print("| %s | %.0f | %.0f |" % (kind, *(statistics.median(rate[kind]) for rate in seen)))
    finally:
        for place in places.values():
            place.close()


def main():
    daemon = sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "target/release/dd-procmgrd")
    reason = world.missing()
    if reason:
        print("SKIP: %s" % reason)
        return
    with tempfile.TemporaryDirectory() as directory:
        tool = os.path.join(directory, "activation")
        subprocess.run(["cc", "-O2", "-o", tool, os.path.join(HERE, "activation.c")], check=True)
        measure(os.path.abspath(daemon), tool)


if __name__ == "__main__":
    try:
        main()
    except world.Trouble as trouble:
        sys.exit("bench: %s" % trouble)
