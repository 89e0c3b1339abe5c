"""Starting, crashing and resting: the daemon, systemd and other supervisors, beside a bare floor.

Both managers run at once, each in namespaces of its own (as in compat/); the floor and the other
supervisors run beside the daemon, in its namespaces. All do the same work in turn, in every round.
"""
import json
import os
import re
import resource
import shutil
import sys
import time

import world

TOOL = "/run/compat/bench"
LOOK = "/run/compat/look"
OUT = "/run/out"
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
FEW, MANY, CRASHING = 200, 1000, 20
UNITS = world.UNITS

# Processes below one that are no workers: processor time, memory, descriptors; or the end of them all.
LOOKER = r'''#!/usr/bin/python3 -S
import json, os, signal, sys
def read(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError:
        return b""
parents, names = {}, {}
for pid in filter(str.isdigit, os.listdir("/proc")):
    stat = read("/proc/%s/stat" % pid)
    if stat:
        parents[int(pid)] = int(stat.rpartition(b")")[2].split()[1])
        names[int(pid)] = read("/proc/%s/cmdline" % pid).split(b"\0")
def below(pid):
    found, at = [pid], 0
    while at < len(found):
        found += [one for one, parent in parents.items() if parent == found[at]]
        at += 1
    return found
what, root = sys.argv[1], int(sys.argv[2])
if what == "end":
    for pid in below(root):
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
    sys.exit()
# Below PID 1 is everything; only itself is looked at.
those = [root] if root == 1 else [pid for pid in below(root) if names[pid][1:2] != [b"worker"]]
total = {"cpu": 0.0, "rss": 0.0, "pss": 0.0, "fds": 0, "switches": 0}
for pid in those:
    fields = read("/proc/%d/stat" % pid).rpartition(b")")[2].split()
    total["cpu"] += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    for line in read("/proc/%d/smaps_rollup" % pid).decode().splitlines():
        for key in ("Rss", "Pss"):
            if line.startswith(key + ":"):
                total[key.lower()] += int(line.split()[1]) / 1024
    try:
        total["fds"] += len(os.listdir("/proc/%d/fd" % pid))
        for task in os.listdir("/proc/%d/task" % pid):
            for line in read("/proc/%d/task/%s/status" % (pid, task)).decode().splitlines():
                if "ctxt_switches" in line:
                    total["switches"] += int(line.split()[1])
    except OSError:
        pass
print(json.dumps(total))
'''


def service(name, more="", unit=""):
    return ("[Unit]\nDefaultDependencies=no\nStartLimitIntervalSec=0\n%s[Service]\nExecStart=%s worker %s %s\n%s"
            % (unit, TOOL, OUT, name, more))


def target(names):
    return "[Unit]\nDefaultDependencies=no\nWants=%s\n" % " ".join(names)


def unit_files():
    files = {}
    for number in range(MANY):
        files["w%d.service" % number] = service("w%d" % number)
        before = "Requires=c{0}.service\nAfter=c{0}.service\n".format(number - 1) if number else ""
        files["c%d.service" % number] = service("c%d" % number, "Type=notify\n", before)
    for number in range(CRASHING):
        files["k%d.service" % number] = service("k%d" % number, "Restart=always\nRestartSec=0\n")
    for count in (FEW, MANY):
        files["start%d.target" % count] = target("w%d.service" % number for number in range(count))
    files["crash.target"] = target("k%d.service" % number for number in range(CRASHING))
    files[world.GOAL] = "[Unit]\nDefaultDependencies=no\n"
    return {"%s/%s" % (UNITS, name): text for name, text in files.items()}


def start(kind, daemon, tool):
    files = {**unit_files(), LOOK: LOOKER}
    place = world.World(kind, files, executable=[LOOK], daemon=daemon, facade=True, copies={tool: TOOL})
    place.__enter__()
    return place


def run(place, *words, timeout=150):
    code, out, err = place.run(list(words), timeout=timeout)
    if code != 0:
        raise world.Trouble("%s: %s: %s" % (place.kind, " ".join(words), err or out))
    return out


def look(place, pid):
    return json.loads(run(place, LOOK, "look", str(pid)))


class Manager:
    """A manager that is PID 1 of its world."""

    def __init__(self, place):
        self.place, self.pid = place, 1

    def begin(self, what, count):
        goal, self.all = {
            "chain": ("c%d.service" % (count - 1), ["c0.service"]),
            "crash": ("crash.target", ["crash.target", "k*.service"]),
            "start": ("start%d.target" % count, ["start%d.target" % count, "w*.service"]),
        }[what]
        self.before = look(self.place, 1)
        out = run(self.place, TOOL, "begin", str(count), OUT, "/usr/bin/systemctl", "start", "--no-block", goal)
        return float(out.split()[0])

    def used(self):
        """What it uses more than before, except memory: that is in all."""
        now = look(self.place, 1)
        now.update(cpu=now["cpu"] - self.before["cpu"], fds=now["fds"] - self.before["fds"])
        return now

    def end(self):
        run(self.place, "/usr/bin/systemctl", "stop", *self.all)


class Beside:
    """A supervisor that is started for each piece of work."""

    def __init__(self, place, name, command, prepare=None):
        self.place, self.name, self.command, self.prepare = place, name, command, prepare

    def begin(self, what, count):
        if self.prepare:
            self.prepare(self.place, count)
        out = run(self.place, TOOL, "begin", str(count), OUT, *self.command(what, count))
        took, self.pid = out.split()
        return float(took)

    def used(self):
        return look(self.place, int(self.pid))

    def end(self):
        run(self.place, LOOK, "end", self.pid)
        # who was adopted meanwhile, and what is left of the floor
        run(self.place, "sh", "-c", "awk '{print $2}' %s | xargs -r kill -9 2>/dev/null; sleep 0.3; rm -rf /tmp/peer; "
            "find /sys/fs/cgroup/floor -mindepth 1 -depth -type d -exec rmdir {} + 2>/dev/null; true" % OUT)


def scripts(place, lines):
    """Makes the directories of services in a shell: `lines` once for each, in its directory."""
    run(place, "sh", "-c", "rm -rf /tmp/peer; mkdir -p /tmp/peer; cd /tmp/peer; %s" % lines)


RUN = ("for n in $(seq 0 $((%d - 1))); do mkdir w$n; printf '#!/bin/sh\\nexec %s worker %s %%s\\n' w$n >w$n/run; "
       "chmod 755 w$n/run; done")


def directories(place, count):
    scripts(place, RUN % (count, TOOL, OUT))


def supervisor_settings(place, count):
    programs = ("printf '[program:w%%d]\\ncommand=%s worker %s w%%d\\nautorestart=true\\nstartsecs=0\\n"
                "stdout_logfile=NONE\\nstderr_logfile=NONE\\n' $n $n" % (TOOL, OUT))
    scripts(place, "(printf '[supervisord]\\nnodaemon=true\\nminfds=8192\\nlogfile=/dev/null\\nlogfile_maxbytes=0\\n"
            "pidfile=/tmp/peer/pid\\nuser=root\\n'; for n in $(seq 0 $((%d - 1))); do %s; done) >conf" % (count, programs))


def peers(place):
    """Who else is there, and how many services it is given at most: those that take long take few."""
    floor = Beside(place, "floor", lambda what, count: [TOOL, "floor", str(count), OUT, "/sys/fs/cgroup/floor",
                                                        *(["chain"] if what == "chain" else [])])
    found = [(floor, MANY)]
    known = [("runit", "runsvdir", ["-P", "/tmp/peer"], directories, MANY),
             ("s6", "s6-svscan", ["-c", "2000", "/tmp/peer"], directories, MANY),
             ("daemontools", "svscan", ["/tmp/peer"], directories, FEW),
             ("supervisor", "supervisord", ["-n", "-c", "/tmp/peer/conf"], supervisor_settings, FEW)]
    missing = ["dinit"] if not shutil.which("dinit") else []
    for name, program, words, prepare, most in known:
        path = shutil.which(program)
        if path:
            found.append((Beside(place, name, lambda *_, all=[path, *words]: all, prepare), most))
        else:
            missing.append(name)
    return found, missing


def work(who, what, count):
    """One piece of work from nothing to nothing: microseconds, and what was used."""
    took = who.begin(what, count)
    used = who.used()
    who.end()
    return took, used


def starting(report, all):
    for count in (FEW, MANY):
        for _ in range(ROUNDS):
            for name, who, most in all:
                if count > most:
                    continue
                took, used = work(who, "start", count)
                key = "start-%d" % count
                report.add(key, "start of %d services" % count, "ms", {name: [took / 1000]})
                if count == MANY:
                    report.add("start-cpu", "manager CPU for %d starts" % count, "s", {name: [used["cpu"]]})
                    report.add("memory", "resident memory, %d running" % count, "MB", {name: [used["rss"]]})
                    report.add("memory-pss", "proportional memory, %d running" % count, "MB", {name: [used["pss"]]})
                    report.add("fds", "descriptors per running service", "", {name: [round(used["fds"] / count, 2)]})


def chain(report, all):
    for _ in range(ROUNDS):
        for name, who, _ in all:
            if name in ("floor", "systemd", "dd-procmgrd"):
                took, _ = work(who, "chain", MANY)
                report.add("chain", "start of a chain of %d" % MANY, "ms", {name: [took / 1000]})


def crashing(report, all):
    # Some wait a second between starts, always or if it ended early: these are killed less often.
    for _ in range(ROUNDS):
        for name, who, _ in all:
            slow = name in ("s6", "supervisor")
            who.begin("crash", CRASHING)
            time.sleep(1.1)
            times = run(who.place, TOOL, "crash", "4" if slow else str(2 * CRASHING), OUT, "60").split()
            who.end()
            report.add("crash", "SIGKILL to main() of the next", "us", {name: map(float, times)})


def idle(report, ours, seconds):
    ours.begin("start", MANY)
    time.sleep(5)
    before = look(ours.place, 1)
    time.sleep(seconds)
    after = look(ours.place, 1)
    ours.end()
    what = "%d running, %d s" % (MANY, seconds)
    report.add("idle-wakeups", "wakeups of the daemon, " + what, "", {"dd-procmgrd": [after["switches"] - before["switches"]]})
    report.add("idle-cpu", "CPU of the daemon, " + what, "s", {"dd-procmgrd": [after["cpu"] - before["cpu"]]})


def storm_count():
    """10,000, or as many as the daemon may have open files for here, three each."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with open("/proc/self/status") as status:
        capabilities = int(re.search(r"^CapEff:\s*(\w+)", status.read(), re.M).group(1), 16)
    may_raise = capabilities >> 24 & 1  # CAP_SYS_RESOURCE
    return 10000 if may_raise else min(10000, (hard - 500) // 3)


def storm(report, place, seconds, ask):
    """So many run, 500 of them crash every second; `ask` says how long a question takes meanwhile."""
    count = storm_count()
    run(place, TOOL, "begin", str(count), OUT, "/usr/bin/systemctl", "start", "--no-block", "storm.target")
    place.run(["sh", "-c", "(%s storm %d %s 500 >/run/counting 2>&1; mv /run/counting /run/storm) &" % (TOOL, seconds, OUT)])
    times = ask(place, seconds)
    until = time.monotonic() + seconds + 60
    while place.run(["test", "-e", "/run/storm"])[0] != 0 and time.monotonic() < until:
        time.sleep(0.5)
    killed, began = map(int, run(place, "cat", "/run/storm").split())
    title = "%d running, 500 crashes a second for %d s" % (count, seconds)
    report.add("storm-lost", title + ": crashes that were not followed by a start", "", {"dd-procmgrd": [killed - began]})
    report.add("storm-get", title + ": a Get meanwhile", "us", {"dd-procmgrd": times})


def storm_files():
    names = ["s%d" % number for number in range(storm_count())]
    files = {"%s.service" % name: service(name, "Restart=always\nRestartSec=0\n") for name in names}
    files["storm.target"] = target(name + ".service" for name in names)
    files[world.GOAL] = "[Unit]\nDefaultDependencies=no\n"
    return files


def cold(report, place):
    """The daemon's program is executed, and its first service begins."""
    text = service("cold").replace("\\", "\\\\").replace("\n", "\\n")
    run(place, "sh", "-c", "mkdir -p /run/cold/units; printf '%s' >/run/cold/units/cold.service" % text)
    for _ in range(4 * ROUNDS):
        out = run(place, TOOL, "begin", "1", OUT, "/run/compat/dd-procmgrd", "--unit-path", "/run/cold/units", "--socket",
                  "/run/cold/socket", "--runtime-dir", "/run/cold/state", "--mode", "container", "cold.service")
        began, pid = out.split()
        report.add("cold", "program executed to main() of its first service", "ms", {"dd-procmgrd": [float(began) / 1000]})
        run(place, "sh", "-c", "kill %s; while kill -0 %s 2>/dev/null; do sleep 0.02; done" % (pid, pid))


def measure(report, daemon, tool):
    import parts  # which uses what stands here
    places = {}
    try:
        for kind in world.KINDS:
            places[kind] = start(kind, daemon, tool)
        beside, missing = peers(places["dd-procmgrd"])
        for name in missing:
            report.skip(name, "not installed")
        ours = Manager(places["dd-procmgrd"])
        all = [("dd-procmgrd", ours, MANY), ("systemd", Manager(places["systemd"]), MANY)]
        all = [(who.name, who, most) for who, most in beside[:1]] + all + [(who.name, who, most) for who, most in beside[1:]]
        for part in (crashing, starting, chain):
            begun = time.monotonic()
            part(report, all)
            print("  %s: %.0f s" % (part.__name__, time.monotonic() - begun), file=sys.stderr, flush=True)
        try:
            parts.measure(report, all)
        except (world.Trouble, OSError) as trouble:
            report.skip("the parts of a restart", "%s" % trouble)
        cold(report, places["dd-procmgrd"])
        places.pop("systemd").close()
        idle(report, ours, int(os.environ.get("BENCH_IDLE", "60")))
    finally:
        for place in places.values():
            place.close()
