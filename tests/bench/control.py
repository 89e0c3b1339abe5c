"""What a question costs: beside systemd 252, over D-Bus and as a whole command.

Both managers run at once, each in namespaces of its own (as in compat/) with the same units loaded, and
are asked in turn, so that what else the machine does meets them alike.
"""
import world

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
    ask = {"watch": (manager, properties, "Get", "org.freedesktop.systemd1.Manager", "NNames"),
           "get": (unit, properties, "Get", "org.freedesktop.systemd1.Unit", "ActiveState"),
           "getall": (unit, properties, "GetAll", "org.freedesktop.systemd1.Service"),
           "list": (manager, "org.freedesktop.systemd1.Manager", "ListUnits")}[what]
    stream = socket.socket(socket.AF_UNIX)
    stream.connect(sys.argv[3])
    stream.sendall(b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n")
    reader = stream.makefile("rb", 1 << 20)
    for _ in range(3):
        reader.readline()
    last = time.perf_counter_ns() + count * 10**7
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
        if what == "watch":
            # As long as that takes if each is answered at once: who answers late is asked less often.
            if time.perf_counter_ns() > last:
                break
            time.sleep(0.01)
if what == "watch":
    print(" ".join("%.1f" % (one / 1000) for one in times))
else:
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
    ("get", "Get of one property", ("get", "500")),
    ("getall", "GetAll of a service", ("getall", "50")),
    ("list-units", "ListUnits of %d" % UNITS, ("list", "5")),
]
COMMANDS = [
    ("is-active", "is-active, whole process", "30", ["is-active", "w00001.service"], ["is-active", "w00001.service"]),
    ("list-2000", "list of 2000, whole process", "3", ["list", "w00*", "w01*"],
     ["list-units", "--all", "w00*", "w01*"]),
    ("list-5000", "list-units of %d, whole process" % UNITS, "3", ["list-units", "--all"], ["list-units", "--all"]),
]


def interleaved(asked):
    """Medians of the rounds, by who is asked."""
    times = {who: [] for who in asked}
    for _ in range(ROUNDS):
        for who, (place, words) in asked.items():
            times[who].append(number(place, *words))
    return times


def measure(report, daemon, client):
    places = {}
    try:
        for kind in world.KINDS:
            places[kind] = start(kind, daemon, client)
        ours, theirs = places["dd-procmgrd"], places["systemd"]
        for key, title, words in ROWS:
            asked = {"dd-procmgrd": (ours, (*words, SOCKET)), "systemd": (theirs, (*words, SOCKET))}
            report.add(key, title, "us", interleaved(asked))
        for key, title, count, words, other in COMMANDS:
            asked = {"dd-procmgrd": (ours, ("run", count, CLIENT, "--socket", SOCKET, *words))}
            asked["systemctl"] = (ours, ("run", count, "/usr/bin/systemctl", *other))
            asked["systemctl on systemd"] = (theirs, ("run", count, "/usr/bin/systemctl", *other))
            report.add(key, title, "us", interleaved(asked))
    finally:
        for place in places.values():
            place.close()


def ask_for(place, seconds):
    """Microseconds of a Get every ten milliseconds for so long."""
    code, out, err = place.run([TOOL, "watch", str(int(seconds * 100)), SOCKET], timeout=seconds + 60)
    if code != 0:
        raise world.Trouble("%s: %s" % (place.kind, err))
    return [float(text) for text in out.split()]
