"""What socket activation costs beside systemd 252 and beside the least that it could cost.

Both managers run at once, each in namespaces of its own (as in compat/), and are asked in turn, so
that what else the machine does meets them alike.
"""
import shutil
import time

import world

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


def rates(places, clients, server):
    """Connections per second, by who is asked."""
    asked = {kind: (place, "/run/word") for kind, place in places.items()}
    if server:
        asked["s6-ipcserver"] = (places["dd-procmgrd"], "/run/s6")
    seen = {who: [] for who in asked}
    for _ in range(ROUNDS):
        for who, (place, path) in asked.items():
            seen[who].append(number(place, "storm", path, str(STORM), str(clients)))
    return seen


def measure(report, daemon, tool):
    places = {}
    try:
        for kind in world.KINDS:
            places[kind] = start(kind, daemon, tool)
        report.add("first-byte", "socket activation, connect() to the first byte", "us", first_bytes(places))
        server = shutil.which("s6-ipcserver")
        if server:
            code, _, err = places["dd-procmgrd"].run(
                ["sh", "-c", "%s -c 500 -C 500 /run/s6 %s word </dev/null >/dev/null 2>&1 & sleep 0.5" % (server, TOOL)])
            if code != 0:
                raise world.Trouble("s6-ipcserver: %s" % err)
        for clients in (1, 4):
            title = "Accept=yes, %d client%s" % (clients, "s" if clients > 1 else "")
            report.add("accept-%d" % clients, title, "connections/s", rates(places, clients, server))
    finally:
        for place in places.values():
            place.close()
