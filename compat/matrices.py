"""Two tables, played on both managers: which end of a service Restart= answers, and what becomes of a unit when
something happens to the one it depends on.

Every cell is a pair of units of its own; all of them are loaded at once.
"""
import os
import time

import world

MODES = ("no", "on-success", "on-failure", "on-abnormal", "on-watchdog", "on-abort", "always")
SLEEPS = "ExecStart=/bin/sleep infinity\n"
# What ends the service: lines of its [Service], and the signal that its main process gets.
CAUSES = {
    "exit status 0": ("ExecStart=/bin/true\n", None),
    "exit status 1": ("ExecStart=/bin/false\n", None),
    "a program that is not there": ("ExecStart=/nonexistent/program\n", None),
    "SIGTERM": (SLEEPS, "TERM"),
    "SIGHUP": (SLEEPS, "HUP"),
    "SIGINT": (SLEEPS, "INT"),
    "SIGPIPE": ("IgnoreSIGPIPE=no\n" + SLEEPS, "PIPE"),
    "SIGKILL": (SLEEPS, "KILL"),
    "SIGSEGV": (SLEEPS, "SEGV"),
    "TimeoutStartSec=": ("Type=notify\nTimeoutStartSec=400ms\n" + SLEEPS, None),
    "RuntimeMaxSec=": ("RuntimeMaxSec=400ms\n" + SLEEPS, None),
    "WatchdogSec=": ("WatchdogSec=400ms\n" + SLEEPS, None),
    "ExecCondition= exits 1": ("ExecCondition=/bin/sh -c 'exit 1'\n" + SLEEPS, None),
    "ExecCondition= exits 254": ("ExecCondition=/bin/sh -c 'exit 254'\n" + SLEEPS, None),
}
HEAD = "[Unit]\nDefaultDependencies=no\n"
KEEPER = "keeper.target"

# What the other unit is when the first one is started.
OTHERS = {
    "runs": "[Service]\n" + SLEEPS,
    "fails": "[Service]\nType=oneshot\nExecStart=/bin/false\n",
    "has run": "[Service]\nType=oneshot\nExecStart=/bin/true\n",
    "condition": "ConditionPathExists=/nonexistent\n[Service]\n" + SLEEPS,
    "assertion": "AssertPathExists=/nonexistent\n[Service]\n" + SLEEPS,
    "not there": None,
    "masked": "",
    "bad setting": "[Service]\nExecStart=bin/not absolute\n",
}
STARTS = ("Wants", "Requires", "Requisite", "BindsTo")
# What happens to it while both run.
EVENTS = ("stop", "restart", "SIGKILL", "SIGTERM")
ENDS = ("Wants", "Requires", "BindsTo", "PartOf", "Requires+PartOf")
RESTARTS = ("no", "on-failure")
PATIENCE = 30


class Matrix:
    """Names of rows and columns, and what each manager made of each cell."""

    def __init__(self, title, rows, columns):
        self.title, self.rows, self.columns = title, list(rows), list(columns)
        self.cells = [{}, {}]

    def pairs(self):
        return [(self.cells[0][row, column], self.cells[1][row, column])
                for row in self.rows for column in self.columns]

    def different(self):
        return [(row, column) for row in self.rows for column in self.columns
                if self.cells[0][row, column] != self.cells[1][row, column]]


def keeper(units):
    """Who is named by a unit that is active stays loaded, with its Result."""
    return {os.path.join(world.UNITS, KEEPER): HEAD + "After=%s\n" % " ".join(units)}


def settle(one, units, busy):
    """Shows the units once none of them is on its way."""
    deadline = time.monotonic() + PATIENCE
    while True:
        shown = one.show(units, ("ActiveState", "SubState", "Result", "InvocationID", "Job", "MainPID"))
        moving = [u for u in units if busy(shown[u]) or shown[u].get("Job", "0") not in ("", "0")]
        if not moving or time.monotonic() > deadline:
            return shown
        time.sleep(0.1)


def on_the_way(unit):
    return unit["SubState"] not in ("running", "dead", "failed", "exited", "auto-restart", "")


def restarts(kind, daemon):
    cells = {("r%02d-%s.service" % (number, mode)): (cause, mode)
             for number, cause in enumerate(CAUSES) for mode in MODES}
    files = {os.path.join(world.UNITS, unit): HEAD + "[Service]\nRestartSec=1h\nLimitCORE=0\nTimeoutStopSec=5\n"
             "Restart=%s\n%s" % (mode, CAUSES[cause][0]) for unit, (cause, mode) in cells.items()}
    files.update(keeper(cells))
    files[os.path.join(world.UNITS, world.GOAL)] = HEAD
    with world.World(kind, files, daemon=daemon) as one:
        one.run(["systemctl", "start", KEEPER])
        one.run(["systemctl", "start", "--no-block", *cells])
        killed = [unit for unit, (cause, _) in cells.items() if CAUSES[cause][1]]
        shown = settle(one, killed, lambda unit: unit["SubState"] != "running")
        for unit in killed:
            one.run(["kill", "-" + CAUSES[cells[unit][0]][1], shown[unit]["MainPID"]])
        shown = settle(one, list(cells), lambda unit: unit["ActiveState"] == "active" or on_the_way(unit))
    seen = {}
    for unit, cell in cells.items():
        # Whether there is a core is the machine's choice.
        result = shown[unit]["Result"].replace("core-dump", "signal")
        seen[cell] = "%s, %s" % ("yes" if shown[unit]["SubState"] == "auto-restart" else "no", result)
    return seen


def dependency(kind):
    return "".join("%s=@\n" % name for name in kind.split("+"))


def write(files, links, number, kind, other_text):
    """The two units of a cell."""
    unit, other = "d%03d-unit.service" % number, "d%03d-other.service" % number
    text = HEAD + dependency(kind).replace("@", other) + "After=%s\n[Service]\n%s" % (other, SLEEPS)
    files[os.path.join(world.UNITS, unit)] = text
    if other_text:
        files[os.path.join(world.UNITS, other)] = HEAD + other_text
    elif other_text == "":
        links[os.path.join(world.UNITS, other)] = "/dev/null"
    return unit, other


def dependencies(kind, daemon):
    """What a start comes to, and what an end leads to."""
    files, links, starts, ends = {os.path.join(world.UNITS, world.GOAL): HEAD}, {}, {}, {}
    for what, text in OTHERS.items():
        for name in STARTS:
            starts[what, name] = write(files, links, len(starts) + len(ends), name, text)
    for event in EVENTS:
        for mode in RESTARTS:
            text = "[Service]\nRestart=%s\n%s" % (mode, SLEEPS)
            for name in ENDS:
                row = "%s, Restart=%s" % (event, mode)
                ends[row, name] = write(files, links, len(starts) + len(ends), name, text)
    units = [unit for pair in (*starts.values(), *ends.values()) for unit in pair]
    files.update(keeper(units))
    with world.World(kind, files, links, daemon=daemon) as one:
        one.run(["systemctl", "start", KEEPER])
        for _, other in ends.values():
            one.run(["systemctl", "start", other])
        for unit, _ in ends.values():
            one.run(["systemctl", "start", unit])
        before = settle(one, units, on_the_way)
        codes = {cell: one.run(["systemctl", "start", unit])[0] for cell, (unit, _) in starts.items()}
        for (row, _), (_, other) in ends.items():
            event = row.split(",")[0]
            if event.startswith("SIG"):
                one.run(["kill", "-" + event[3:], before[other]["MainPID"]])
            else:
                one.run(["systemctl", event, other])
        time.sleep(0.5)
        after = settle(one, units, on_the_way)
    begun = {cell: "%d, %s" % (codes[cell], after[unit]["ActiveState"]) for cell, (unit, _) in starts.items()}
    ended = {}
    for cell, (unit, _) in ends.items():
        same = before[unit]["InvocationID"] == after[unit]["InvocationID"]
        state = after[unit]["ActiveState"]
        ended[cell] = state if state != "active" else "runs on" if same else "restarted"
    return begun, ended


def compare(daemon):
    """The three tables."""
    tables = [
        Matrix("Which end leads to an automatic restart", CAUSES, MODES),
        Matrix("A start, by what the unit needs: exit status of systemctl, state of the unit", OTHERS, STARTS),
        Matrix("What becomes of the unit when something happens to the other",
               ["%s, Restart=%s" % (event, mode) for event in EVENTS for mode in RESTARTS], ENDS),
    ]
    for side, kind in enumerate(world.KINDS):
        tables[0].cells[side] = restarts(kind, daemon)
        tables[1].cells[side], tables[2].cells[side] = dependencies(kind, daemon)
    return tables


def show(tables):
    for table in tables:
        bad = table.different()
        for row, column in bad:
            print("DIFFERENT %s: %s, %s: systemd %s, here %s" % (
                table.title, row, column, table.cells[0][row, column], table.cells[1][row, column]))
        count = len(table.pairs())
        print("%s: %d cells, %d equal" % (table.title, count, count - len(bad)))
