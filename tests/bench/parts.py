"""The parts of a restart, from the kernel's own trace (tracefs): the signal to the wake-up of the
supervisor, that to its clone, the clone to execve, that to main() of the new process.

The worker's own clock is that of the trace (CLOCK_MONOTONIC), so both can be put on one line.
"""
import os
import re
import subprocess
import time

import processes
import world

PLACE = "/sys/kernel/tracing"
CRASHES = 40
LINE = re.compile(r"^\s*(.+)-(\d+)\s+\[\d+\]\s+\S+\s+([\d.]+): (\w+)(?:\(|: | )(.*)$")
PARTS = [
    ("signal", "event", "restart: signal to the supervisor's wake-up"),
    ("event", "clone", "restart: wake-up to clone"),
    ("clone", "exec", "restart: clone to execve"),
    ("exec", "main", "restart: execve to main()"),
]


class Trace:
    """A trace of its own, for as long as this is open."""

    def __init__(self, pid):
        self.mounted = not os.path.exists(PLACE + "/instances")
        if self.mounted and subprocess.run(["mount", "-t", "tracefs", "none", PLACE], capture_output=True).returncode != 0:
            raise world.Trouble("tracefs cannot be mounted")
        self.place = "%s/instances/dd-procmgr-bench-%d" % (PLACE, os.getpid())
        os.mkdir(self.place)
        try:
            self.write("trace_clock", "mono")
            self.write("buffer_size_kb", "4096")
            for event, condition in (
                    ("signal/signal_generate", "sig==9"),
                    ("syscalls/sys_exit_epoll_wait", "common_pid==%d && ret>0" % pid),
                    ("sched/sched_process_fork", "parent_pid==%d" % pid),
                    ("sched/sched_process_exec", "")):
                if condition:
                    self.write("events/%s/filter" % event, condition)
                self.write("events/%s/enable" % event, "1")
        except OSError as trouble:
            self.close()
            raise world.Trouble("this kernel traces no such thing: %s" % trouble)

    def write(self, name, text):
        with open(os.path.join(self.place, name), "w") as f:
            f.write(text)

    def read(self):
        """[(microseconds, what, {field: value})] in order."""
        found = []
        with open(self.place + "/trace") as f:
            for line in f:
                match = LINE.match(line)
                if match:
                    fields = dict(re.findall(r"(\w+)=(\S+)", match[5]))
                    found.append((float(match[3]) * 1e6, match[4], fields))
        return sorted(found, key=lambda event: event[0])

    def close(self):
        self.write("tracing_on", "0")
        os.rmdir(self.place)
        if self.mounted:
            subprocess.run(["umount", PLACE], capture_output=True)


def split(events, totals):
    """The moments of each restart: `totals` are microseconds from the signal to main(), in order."""
    kills = [at for at, (_, what, _) in enumerate(events) if what == "signal_generate"]
    rows = []
    for at, total in zip(kills, totals):
        moments, child = {"signal": events[at][0]}, None
        for when, what, fields in events[at + 1:]:
            if what == "sys_epoll_wait":
                moments.setdefault("event", when)
            elif what == "sched_process_fork" and "event" in moments and "clone" not in moments:
                moments["clone"], child = when, fields.get("child_pid")
            elif what == "sched_process_exec" and child and fields.get("pid") == child:
                moments["exec"] = when
                break
        moments["main"] = moments["signal"] + total
        # Where a processor was not to be had, the next kill may come before the start is over.
        if "exec" in moments and moments["main"] >= moments["exec"]:
            rows.append(moments)
    return rows


def host_pid(place, inside):
    """The number of a process inside, as seen from here."""
    parents = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid) as f:
                parents.setdefault(int(f.read().rpartition(")")[2].split()[1]), []).append(int(pid))
        except OSError:
            pass
    pending = [place.process.pid]
    while pending:
        pid = pending.pop()
        with open("/proc/%d/status" % pid) as f:
            spaces = re.search(r"^NSpid:\s*(.*)$", f.read(), re.M)[1].split()
        if len(spaces) > 1 and int(spaces[-1]) == inside:
            return pid
        pending += parents.get(pid, [])
    raise world.Trouble("there is no process %d inside" % inside)


def measure(report, all):
    for name, who, _ in all:
        if name not in ("dd-procmgrd", "floor"):
            continue
        who.begin("crash", processes.CRASHING)
        time.sleep(1.1)
        trace = Trace(host_pid(who.place, int(who.pid)))
        try:
            out = processes.run(who.place, processes.TOOL, "crash", str(CRASHES), processes.OUT, "60")
            events = trace.read()
        finally:
            trace.close()
            who.end()
        rows = split(events, [float(text) for text in out.split()])
        if not rows:
            raise world.Trouble("nothing of %s was traced" % name)
        for begin, end, title in PARTS:
            times = [moments[end] - moments[begin] for moments in rows]
            report.add("restart-%s" % end, title, "us", {name: times})
