"""Scenes: cases of several units and of steps, played on both managers and compared by what the steps print.

    == NAME: what it is about
    play                    or:  play alone     (after all others, by itself)
    -- a
    [Service]
    ...
    -- b.target
    [Unit]
    After=@a@
    -- a.socket
    [Socket]
    ListenStream=@DIR@/a
    -- do
    ctl start @b@
    states @a@ @b@ @a.socket@

Each part is a unit, a service unless it has another type; `do` is a shell script; a part `differs` says why
the two do not print the same, and then must not. @a@ is the unit's full name, which no other case has (of
several parts of one name the first has it; the others are named with their type); a name without a part is a
unit that is not there. @CASE@ is what all these names begin with. @SAY@ is a program that adds its arguments as
a line to the log of the case, @ACT@ one that does what its arguments say (ACT below), @TALK@ one that says
something to a socket (TALK below), @STAND_IN@ the stand-in of the tests (tests/stand-in-agent), @LOG@ the log
itself, @DIR@ a directory; @PORT@ and @PORT2@ are ports. All units get DefaultDependencies=no; a target of the
case's own names them, so that none is forgotten when it ends. The functions of the steps are those of STEPS
below.
"""
import os
import re

import world

PLACE = "/run/compat/play"
SAY = "/run/compat/say"
ACT = "/run/compat/act"
TALK = "/run/compat/talk"
STAND_IN = "/run/compat/stand-in-agent"
STEPS = "/run/compat/steps"
# Scenes at a time; most of the time is waiting.
TOGETHER = 12
# Seconds for one.
LIMIT = 60

FILES = {
    SAY: """#!/bin/sh
log=$1
shift
echo "$*" >>"$log"
""",
    # notify TEXT: to NOTIFY_SOCKET, '|' for a new line; say TEXT; log it when SIGNAL comes: on SIGNAL TEXT;
    # ignore SIGNAL; sleep SECONDS; wait: for ever; exit STATUS; child SECONDS: a process more.
    # With descriptors: passed, log what they are; serve TEXT: for ever, to whom connects to any;
    # answer TEXT: to one of these; take: what came to the first, as a line of the log; peer: who is there.
    ACT: """#!/usr/bin/python3 -S
import fcntl, os, select, signal, socket, stat, sys, time
log, *words = sys.argv[1:]
def say(text):
    with open(log, "a") as f:
        f.write(text + "\\n")
def notify(text):
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return say("no NOTIFY_SOCKET")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        text = text.replace("|", "\\n").replace("@MAINPID@", str(os.getpid()))
        text = text.replace("@NOW@", str(time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000))
        s.sendto(text.encode(), "\\0" + address[1:] if address[0] == "@" else address)
def on(name, text):
    def handler(*_):
        for part in text.split(";"):
            verb, _, rest = part.partition(":")
            {"say": say, "notify": notify, "exit": lambda code: os._exit(int(code))}[verb](rest)
    signal.signal(getattr(signal, "SIG" + name), handler)
def kind(number):
    mode = os.fstat(number).st_mode
    if not stat.S_ISSOCK(mode):
        where = os.readlink("/proc/self/fd/%d" % number).rpartition("/")[2]
        return ("fifo " if stat.S_ISFIFO(mode) else "device " if stat.S_ISCHR(mode) else "file ") + where
    with socket.socket(fileno=os.dup(number)) as s:
        name = s.getsockname()
        name = name.decode().replace("\\0", "@") if isinstance(name, bytes) else name
        name = name.rpartition("/")[2] if isinstance(name, str) else str(name[:2]) if s.family != 16 else ""
        listens = s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        return "%s %s %s%s" % (s.family.name, s.type.name, "listens " if listens else "", name)
def passed():
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    count = int(os.environ.get("LISTEN_FDS", "0"))
    say("%d passed, %s" % (count, "mine" if os.environ.get("LISTEN_PID") == str(os.getpid()) else "not mine"))
    lines = []
    for number in range(3, 3 + count):
        flags = fcntl.fcntl(number, fcntl.F_GETFL), fcntl.fcntl(number, fcntl.F_GETFD)
        lines.append("%s: %s%s%s" % (names[number - 3], kind(number), " nonblocking" * bool(flags[0] & os.O_NONBLOCK),
                                     " cloexec" * bool(flags[1] & 1)))
    for line in lines:
        say(line)
def answer(text):
    passed = range(3, 3 + int(os.environ["LISTEN_FDS"]))
    with socket.socket(fileno=os.dup(select.select(passed, [], [])[0][0])) as s:
        with s.accept()[0] as client:
            client.sendall((text + "\\n").encode())
def take():
    os.set_blocking(3, True)
    say("got " + os.read(3, 8192).decode().strip())
def peer():
    e = os.environ
    say("peer %s, %s" % (e.get("REMOTE_ADDR", "without an address"), "a port" if "REMOTE_PORT" in e else "no port"))
def child(seconds):
    if os.fork() == 0:
        time.sleep(float(seconds))
        os._exit(0)
while words:
    verb = words.pop(0)
    if verb == "wait":
        while True:
            time.sleep(3600)
    elif verb == "on":
        name, text = words.pop(0), words.pop(0)
        on(name, text)
    elif verb in ("passed", "take", "peer"):
        {"passed": passed, "take": take, "peer": peer}[verb]()
    elif verb == "serve":
        text = words.pop(0)
        while True:
            answer(text)
    elif verb == "ignore":
        signal.signal(getattr(signal, "SIG" + words.pop(0)), signal.SIG_IGN)
    else:
        {"say": say, "notify": notify, "answer": answer, "child": child, "sleep": lambda s: time.sleep(float(s)),
         "exit": lambda code: os._exit(int(code))}[verb](words.pop(0))
""",
    # stream|packet|datagram ADDRESS TEXT...: says that and prints the answer; "hold" as TEXT: only connects, and
    # stays until the file ADDRESS.let-go is there (HOST:PORT: in the directory $DIR).
    TALK: """#!/usr/bin/python3 -S
import os, socket, sys, time
how, address, *text = sys.argv[1:]
text = " ".join(text)
mark = address if address[0] in "/" else os.environ["DIR"] + "/" + address
host, _, port = address.rpartition(":")
family = socket.AF_UNIX if address[0] in "/@" else socket.AF_INET6 if address[0] == "[" else socket.AF_INET
place = "\\0" + address[1:] if address[0] == "@" else address if address[0] == "/" else (host.strip("[]"), int(port))
kinds = {"stream": socket.SOCK_STREAM, "packet": socket.SOCK_SEQPACKET, "datagram": socket.SOCK_DGRAM}
try:
    with socket.socket(family, kinds[how]) as s:
        s.settimeout(20)
        s.connect(place)
        if text == "hold":
            while not os.path.exists(mark + ".let-go"):
                time.sleep(0.02)
            sys.exit()
        if text:
            s.send((text + "\\n").encode())
        if how != "datagram":
            if how == "stream":
                s.shutdown(socket.SHUT_WR)
            answer = b""
            while part := s.recv(4096):
                answer += part
            print("answer:", answer.decode().strip() or "none")
except socket.timeout:
    print("no answer in time")
except OSError as error:
    print("no answer" if isinstance(error, ConnectionResetError) else "cannot: " + error.strerror)
""",
    STEPS: """
# A request with its exit status; what is printed for people differs.
ctl() { systemctl "$@" >/dev/null 2>&1; echo "$1: $?"; }
# A request that goes on behind; its exit status comes with `answers`.
behind() { { systemctl "$@" >/dev/null 2>&1; echo "behind $1: $?" >>"$DIR/answers"; } & }
answers() { wait; sort "$DIR/answers"; rm "$DIR/answers"; }
shown() { systemctl show -p "$2" --value "$1"; }
state() { systemctl show -p ActiveState -p SubState --value "$1" | paste -sd/; }
states() { for u; do echo "$(brief "$u"): $(state "$u") $(shown "$u" Result)"; done; }
brief() { echo "$1" | sed 's/^case[0-9]*-//'; }
props() { u=$1; shift; for p; do echo "$(brief "$u"): $p=$(shown "$u" "$p")"; done; }
# Until a unit is in this state, the log has this line, a command succeeds: at most ten seconds.
until_state() { wanted=$2 unit=$1; try is_state || echo "$(brief $1): $(state $1), never $2"; }
is_state() { [ "$(state "$unit")" = "$wanted" ]; }
until_log() { wanted=$*; try has_line || echo "never in the log: $*"; }
has_line() { grep -qxF -- "$wanted" "$LOG"; }
try() { n=0; while [ $n -lt 200 ]; do "$@" && return 0; sleep 0.05; n=$((n + 1)); done; return 1; }
no_job() { [ -z "$(shown "$unit" Job)" ] || [ "$(shown "$unit" Job)" = 0 ]; }
until_quiet() { for u; do unit=$u; try no_job || echo "$(brief $u): still a job"; done; }
jobs_of() { for u; do systemctl list-jobs --no-legend --plain "$u" | awk '{print $2, $3, $4}' | sed 's/^case[0-9]*-//'; done; }
log() { cat "$LOG"; }
same() { [ "$1" = "$2" ] && echo "$3: same" || echo "$3: other"; }
""",
}


class Scene:
    def __init__(self, header, lines):
        self.name, _, self.about = header.partition(":")
        self.name, self.about = self.name.strip(), self.about.strip()
        self.alone = lines[0] == "play alone"
        self.parts, self.steps, self.reason = {}, "", ""
        for part in re.split(r"(?m)^-- ", "\n".join(lines[1:]))[1:]:
            name, _, text = part.partition("\n")
            if name == "do":
                self.steps = text
            elif name == "differs":
                self.reason = " ".join(text.split())
            else:
                self.parts[name] = text
        if not self.steps.strip():
            raise SystemExit("compat: %s has no steps" % header)

    def files(self, number):
        case = "case%03d" % number
        names = {}
        for name in self.parts:
            full = "%s-%s" % (case, name if "." in name else name + ".service")
            names[name] = full
            names.setdefault(name.partition(".")[0], full)
        log, directory = "%s/%s.log" % (PLACE, case), "%s/%s.dir" % (PLACE, case)

        def fill(text):
            for macro, value in (("SAY", SAY + " " + log), ("ACT", ACT + " " + log), ("LOG", log),
                                 ("DIR", directory), ("UNITS", world.UNITS), ("TALK", TALK),
                                 ("STAND_IN", STAND_IN), ("CASE", case),
                                 ("PORT", str(20000 + number)), ("PORT2", str(30000 + number))):
                text = text.replace("@%s@" % macro, value)
            return re.sub(r"@([a-z][a-z0-9_]*(?:\.[a-z]+)?)@",
                          lambda m: names.get(m[1], "%s-%s%s" % (case, m[1], "" if "." in m[1] else ".service")), text)

        files = {os.path.join(world.UNITS, names[name]):
                 fill(text) + "\n[Unit]\nDefaultDependencies=no\n" for name, text in self.parts.items()}
        keep = "%s-keep.target" % case
        files[os.path.join(world.UNITS, keep)] = "[Unit]\nDefaultDependencies=no\nAfter=%s\n" % " ".join(
            sorted(set(name for name in names.values() if "@." not in name)))
        files[log] = ""
        files[directory + "/.keep"] = ""
        files["%s/%s.%s" % (PLACE, case, "alone" if self.alone else "sh")] = (
            ". %s\nLOG=%s DIR=%s\nexport DIR\ntouch $DIR/answers\nsystemctl start %s\n%s" % (
                STEPS, log, directory, keep, fill(self.steps)))
        return files


def play(one, all_cases, results):
    """Fills in what each scene printed."""
    command = "cd %s; ls *.%s 2>/dev/null | xargs -P %d -I@ sh -c 'timeout %d sh @ >@.out 2>&1 || echo status $? >>@.out'"
    for kind, together in (("sh", TOGETHER), ("alone", 1)):
        one.run(["sh", "-c", command % (PLACE, kind, together, LIMIT)], timeout=600)
    for number, case in enumerate(all_cases):
        if isinstance(case, Scene):
            name = "%s/case%03d.%s.out" % (PLACE, number, "alone" if case.alone else "sh")
            results[number] = one.run(["cat", name])[1]
    return results
