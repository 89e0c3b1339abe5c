"""Loading and reloading thousands of units, beside systemd 252."""
import os
import re
import shutil
import subprocess
import sys

import control
import processes
import world

ROUNDS = processes.ROUNDS
UNITS, LOADED, SOCKETS = 5000, 10000, 16000
# Other places inside have too little room.
PATH = "/run/many"


def place_of(kind, daemon, files, tool=None, tools=None):
    """A world with these units, and tools that are executed inside."""
    files = {"%s/%s" % (PATH, name): text for name, text in files.items()}
    files["%s/%s" % (PATH, world.GOAL)] = "[Unit]\nDefaultDependencies=no\n"
    copies = {tool: processes.TOOL} if tool else {}
    tools = {processes.LOOK: processes.LOOKER, **(tools or {})}
    files.update(tools)
    path = "/etc/systemd/system:" + PATH
    return world.World(kind, files, executable=list(tools), daemon=daemon, facade=True, unit_path=path, copies=copies)


def keep(names):
    """A target that needs these units loaded, and nothing done."""
    return "[Unit]\nDefaultDependencies=no\nAfter=%s\n" % " ".join(names)


def some_units(count):
    names = ["w%05d.service" % number for number in range(count)]
    files = {"keep.target": keep(names)}
    for number, name in enumerate(names):
        files[name] = ("[Unit]\nDefaultDependencies=no\nDescription=Worker %d\nAfter=%s\n[Service]\n"
                       "ExecStart=/bin/sleep 100000\nEnvironment=A=1 B=2\nRestart=on-failure\nRestartSec=5\n"
                       "TimeoutStopSec=20\nLimitNOFILE=4096\n" % (number, names[number - 1] if number % 10 else ""))
        if number % 2:
            files[name + ".d/override.conf"] = "[Service]\nNice=5\nEnvironment=C=3\n"
    return files


def seconds(place, *words):
    """How long a systemctl takes inside, without what stands around it."""
    program = "import subprocess, sys, time; t = time.perf_counter(); r = subprocess.run(sys.argv[1:]).returncode; " \
        "print(time.perf_counter() - t); sys.exit(r)"
    return float(processes.run(place, sys.executable, "-S", "-c", program, "/usr/bin/systemctl", *words))


def loading(report, daemon):
    places = {}
    files = some_units(UNITS)
    try:
        for kind in world.KINDS:
            places[kind] = place_of(kind, daemon, files).__enter__()
        for _ in range(ROUNDS):
            for kind in reversed(world.KINDS):
                place = places[kind]
                report.add("load", "load of %d units with drop-ins" % UNITS, "ms",
                           {kind: [1000 * seconds(place, "start", "keep.target")]})
                report.add("reload", "daemon-reload of %d units, unchanged" % UNITS, "ms",
                           {kind: [1000 * seconds(place, "daemon-reload")]})
                processes.run(place, "systemctl", "stop", "keep.target")
    finally:
        for place in places.values():
            place.close()


def memory(report, daemon, tool):
    files = processes.unit_files()
    files = {os.path.basename(path): text for path, text in files.items() if os.path.basename(path)[0] == "w"
             or "start1000" in path}
    names = ["x%05d.service" % number for number in range(LOADED - processes.MANY)]
    files.update({name: "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/sleep 1000\n" for name in names})
    files["keep.target"] = keep(names)
    with place_of("dd-procmgrd", daemon, files, tool) as place:
        processes.run(place, "systemctl", "start", "keep.target")
        ours = processes.Manager(place)
        ours.begin("start", processes.MANY)
        used = ours.used()
        title = "resident memory, %d loaded, %d running" % (LOADED, processes.MANY)
        report.add("memory-loaded", title, "MB", {"dd-procmgrd": [used["rss"]]})


def sockets(report, daemon):
    names = ["s%05d.socket" % number for number in range(SOCKETS)]
    files = {name: "[Unit]\nDefaultDependencies=no\n[Socket]\nListenStream=/run/s/%s\nService=one.service\n" % name
             for name in names}
    files["one.service"] = "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/sleep 1000\n"
    files["sockets-all.target"] = "[Unit]\nDefaultDependencies=no\nWants={0}\nAfter={0}\n".format(" ".join(names))
    with place_of("dd-procmgrd", daemon, files) as place:
        title = "%d listening socket units" % SOCKETS
        report.add("sockets-load", title + ": load and listen", "s",
                   {"dd-procmgrd": [seconds(place, "start", "sockets-all.target")]})
        listening = processes.run(place, "sh", "-c", "ls /run/s | wc -l").strip()
        if int(listening) != SOCKETS:
            report.skip("socket units", "%s of %d listen" % (listening, SOCKETS))
        times = [seconds(place, "daemon-reload") for _ in range(ROUNDS)]
        report.add("sockets-reload", title + ": daemon-reload", "s", {"dd-procmgrd": times})


def storm(report, daemon, tool):
    place = place_of("dd-procmgrd", daemon, processes.storm_files(), tool, {control.TOOL: control.ASK})
    with place:
        processes.storm(report, place, int(os.environ.get("BENCH_STORM", "60")), control.ask_for)


def logs(report, daemon):
    """One service floods the log (logs.sh): processor time a line, and whether all are there."""
    environment = {**os.environ, "PROGRAMS": os.path.dirname(daemon), "SIZE": os.environ.get("SIZE", "256")}
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "logs.sh")
    for _ in range(2):
        done = subprocess.run([script], env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise world.Trouble("logs.sh: %s" % done.stderr)
        for who, nanoseconds in re.findall(r"^(\S+)[^:\n]*: \d+ lines in .* (\d+) ns of processor", done.stdout, re.M):
            report.add("logs-cpu", "processor time for a line of log", "ns", {who: [nanoseconds]})
        missing = 0 if "all lines are there" in done.stdout else 1
        report.add("logs-lost", "floods of log of which lines are missing", "", {"dd-procmgrd": [missing]})


def size(report, daemon):
    """The program as it is installed."""
    report.add("size", "stripped program", "MB", {"dd-procmgrd": [os.path.getsize(daemon) / 1e6]})
    client = os.path.join(os.path.dirname(daemon), "dd-procmgr")
    report.add("size", "stripped program", "MB", {"dd-procmgr": [os.path.getsize(client) / 1e6]})
    for name, program in (("systemd", world.SYSTEMD), ("supervisor", shutil.which("supervisord"))):
        if name == "systemd" and os.path.exists(program):
            shared = "/usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so"
            both = os.path.getsize(os.path.realpath(program)) + (os.path.getsize(shared) if os.path.exists(shared) else 0)
            report.add("size", "stripped program", "MB", {"systemd and its library": [both / 1e6]})
