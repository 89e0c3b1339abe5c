#!/usr/bin/env python3
"""What a question costs: beside systemd 252, over D-Bus and as a whole command.

Usage: control.py [DAEMON [CLIENT]]. Both managers run at once, each in namespaces of its own (as in
compat/) with the same units loaded, and are asked in turn, so that what else the machine does meets them
alike. Without root or systemd 252 it says so and measures nothing.
"""
import os
import statistics
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "../..")
sys.path.insert(0, os.path.join(ROOT, "compat"))
import world  # noqa: E402

ROUNDS = 9
UNITS = 5000
TOOL = "/run/compat/ask"
CLIENT = "/run/compat/dd-procmgr"
SOCKET = "/run/systemd/private"

# Runs a command, or asks over a socket, several times; prints the median of the microseconds.
ASK = r'''#!/usr/bin/python3 -S
import os, socket, struct, sys, time
def padded(data, to):
    return data + b"\0" * (-len(data) % to)
def string(text):
    return struct.pack("<I", len(text)) + text.encode() + b"\0"
def call(serial, path, interface, member, *arguments):
    fields = b""
    for code, kind, text in ((1, b"o", path), (2, b"s", interface), (3, b"s", member),
                             (6, b"s", "org.freedesktop.systemd1")):
        fields = padded(fields, 8) + bytes([code, 1]) + kind + b"\0" + string(text)
    if arguments:
        fields = padded(fields, 8) + bytes([8, 1]) + b"g\0" + bytes([len(arguments)]) + b"s" * len(arguments) + b"\0"
    body = b""
    for argument in arguments:
        body = padded(body, 4) + string(argument)
    head = b"l\1\0\1" + struct.pack("<III", len(body), serial, len(fields)) + fields
    return padded(head, 8) + body
def median(times):
    times.sort()
    print("%.1f" % (times[len(times) // 2] / 1000))
what, count = sys.argv[1], int(sys.argv[2])
times = []
if what == "run":
    null = os.open("/dev/null", os.O_WRONLY)
    for _ in range(count):
        begin = time.perf_counter_ns()
        pid = os.posix_spawn(sys.argv[3], sys.argv[3:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, null, 1)])
        status = os.waitpid(pid, 0)[1]
        times.append(time.perf_counter_ns() - begin)
        assert status == 0, status
else:
    manager = "/org/freedesktop/systemd1"
    unit = manager + "/unit/w00001_2eservice"
    properties = "org.freedesktop.DBus.Properties"
    ask = {"get": (unit, properties, "Get", "org.freedesktop.systemd1.Unit", "ActiveState"),
           "getall": (unit, properties, "GetAll", "org.freedesktop.systemd1.Service"),
           "list": (manager, "org.freedesktop.systemd1.Manager", "ListUnits")}[what]
    stream = socket.socket(socket.AF_UNIX)
    stream.connect(sys.argv[3])
    stream.sendall(b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n")
    reader = stream.makefile("rb", 1 << 20)
    for _ in range(3):
        reader.readline()
    for serial in range(1, count + 1):
        message = call(serial, *ask)
        begin = time.perf_counter_ns()
        stream.sendall(message)
        while True:
            head = reader.read(16)
            body, _, fields = struct.unpack("<III", head[4:])
            reader.read(fields + -fields % 8 + body)
            if head[1] != 4:
                break
        times.append(time.perf_counter_ns() - begin)
        assert head[1] == 2, head
median(times)
'''


def number(place, *words):
    code, out, err = place.run([TOOL, *words])
    if code != 0:
        raise world.Trouble("%s %s: %s" % (place.kind, " ".join(words), err))
    return float(out)


def start(kind, daemon, client):
    names = ["w%05d.service" % number for number in range(UNITS)]
    files = {"%s/%s" % (world.UNITS, name): "[Unit]\nDefaultDependencies=no\nDescription=Worker %s\n"
             "[Service]\nExecStart=/bin/sleep 100000\n" % name for name in names}
    files["%s/keep.target" % world.UNITS] = "[Unit]\nDefaultDependencies=no\nAfter=%s\n" % " ".join(names)
    files["%s/%s" % (world.UNITS, world.GOAL)] = "[Unit]\nDefaultDependencies=no\nWants=keep.target\n"
    files[TOOL] = ASK
    place = world.World(kind, files, executable=[TOOL], daemon=daemon, facade=True, copies={client: CLIENT})
    place.__enter__()
    place.run(["systemctl", "start", names[1]])
    return place


ROWS = [
    ("Get of one property", ("get", "200"), ("get", "200")),
    ("GetAll of a service", ("getall", "50"), ("getall", "50")),
    ("ListUnits of %d" % UNITS, ("list", "3"), ("list", "3")),
]
COMMANDS = [
    ("is-active, whole process", ["is-active", "w00001.service"]),
    ("list-units of %d, whole process" % UNITS, ["list-units", "--all"]),
]


def interleaved(asked):
    """Medians of the rounds, by who is asked."""
    times = {who: [] for who in asked}
    for _ in range(ROUNDS):
        for who, (place, words) in asked.items():
            times[who].append(number(place, *words))
    return {who: (statistics.median(seen), min(seen)) for who, seen in times.items()}


def show(name, seen, base):
    for who, (middle, least) in seen.items():
        print("| %s | %s | %.0f us | %.0f us | %.2f |" % (name, who, middle, least, middle / seen[base][0]))


def measure(daemon, client):
    places = {}
    try:
        for kind in world.KINDS:
            places[kind] = start(kind, daemon, client)
        ours, theirs = places["dd-procmgrd"], places["systemd"]
        print("| what | who | median | least | x systemd |\n|---|---|---:|---:|---:|")
        for name, here, there in ROWS:
            asked = {"dd-procmgrd": (ours, (*here, SOCKET)), "systemd": (theirs, (*there, SOCKET))}
            show(name, interleaved(asked), "systemd")
        print("\n| what | who | median | least | x systemctl on the same daemon |\n|---|---|---:|---:|---:|")
        for name, words in COMMANDS:
            count = "20" if words[0] == "is-active" else "3"
            asked = {
                "dd-procmgr": (ours, ("run", count, CLIENT, "--socket", SOCKET, *words)),
                "systemctl": (ours, ("run", count, "/usr/bin/systemctl", *words)),
                "systemctl on systemd": (theirs, ("run", count, "/usr/bin/systemctl", *words)),
            }
            show(name, interleaved(asked), "systemctl")
    finally:
        for place in places.values():
            place.close()


def main():
    given = sys.argv[1:] + [None, None]
    daemon = given[0] or os.path.join(ROOT, "target/release/dd-procmgrd")
    client = given[1] or os.path.join(os.path.dirname(daemon), "dd-procmgr")
    reason = world.missing()
    if reason:
        print("SKIP: %s" % reason)
        return
    measure(os.path.abspath(daemon), os.path.abspath(client))


if __name__ == "__main__":
    try:
        main()
    except world.Trouble as trouble:
        sys.exit("bench: %s" % trouble)
