"""Cases of the checklist: small units played on both managers, by what their process or `show` says.

A file of cases holds blocks

    == NAME: what it is about
    run                     or:  show PROPERTY PROPERTY ...
    [Service]
    ...

or `ask QUESTION QUESTION ...`, below which stand settings of [Service]: the probe (tests/probe) is run
under them, and its answers are compared.

In the text of a unit @PRINT@ stands for a program that records its arguments and environment, @FILE@
for a file beside the unit whose lines stand below a line `-- file`. A `run` unit is started, then the
record and Result are compared; of a `show` unit the properties named. Cases of several units and
steps (`play`, `play alone`) are described in scenes.py.
"""
import glob
import json
import os

import compare as values
import scenes
import world

PRINT = "/run/compat/print"
OUTPUT = "/run/compat/out"
PROBE = "/run/compat/probe"
ANSWERS = "/run/compat/answers"
PROGRAM = """#!/usr/bin/python3 -S
import json, os, sys
unit = os.environb.pop(b"COMPAT_UNIT", b"unknown").decode()
for name in (b"INVOCATION_ID", b"JOURNAL_STREAM", b"SYSTEMD_EXEC_PID", b"LC_CTYPE"):
    os.environb.pop(name, None)
# Debian's systemd names /sbin and /bin even where they are links to the others (differences.md).
if os.path.islink("/bin"):
    os.environ["PATH"] = os.environ["PATH"].removesuffix(":/sbin:/bin")
record = {"argv": [os.fsencode(a).decode("latin-1") for a in sys.argv[1:]],
          "env": sorted((k + b"=" + v).decode("latin-1") for k, v in os.environb.items())}
os.makedirs("%s", exist_ok=True)
with open("%s/" + unit, "a") as f:
    f.write(json.dumps(record, sort_keys=True) + "\\n")
""" % (OUTPUT, OUTPUT)
# Part of every manager's environment, so that a unit can pass it on.
MANAGER = {"COMPAT_PASSED": "from the manager", "COMPAT_OTHER": "hidden"}


class Case:
    # A single unit always has to give the same.
    reason = ""

    def __init__(self, header, lines):
        self.name, _, self.about = header.partition(":")
        self.name, self.about = self.name.strip(), self.about.strip()
        self.action, *self.properties = lines[0].split()
        text = "\n".join(lines[1:]) + "\n"
        self.unit_text, _, self.extra = text.partition("-- file\n")

    def unit(self, number):
        return "case%03d.service" % number

    def files(self, number):
        unit = self.unit(number)
        extra = "/run/compat/extra/%s" % unit
        if self.action == "ask":
            questions = " ".join('"%s"' % question for question in self.properties)
            text = ("[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nExecStart=%s %s\n"
                    "StandardOutput=truncate:%s/%s\nStandardError=null\n%s" % (
                        PROBE, questions.replace("@UNIT@", unit), ANSWERS, unit, self.unit_text))
            return {os.path.join(world.UNITS, unit): text, extra: self.extra, ANSWERS + "/none": ""}
        text = self.unit_text.replace("@PRINT@", PRINT).replace("@FILE@", extra)
        if self.action == "run":
            text += "\n[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nEnvironment=COMPAT_UNIT=%s\n" % unit
        return {os.path.join(world.UNITS, unit): text, extra: self.extra}


def read(directory):
    found = []
    for path in sorted(glob.glob(os.path.join(directory, "*.case"))):
        header, lines = None, []
        with open(path, encoding="latin-1") as f:
            for line in f.read().split("\n"):
                if line.startswith("== "):
                    if header:
                        found.append(case(header, lines))
                    header, lines = line[3:], []
                elif header:
                    lines.append(line)
        if header:
            found.append(case(header, lines))
    return found


def case(header, lines):
    return scenes.Scene(header, lines) if lines[0].startswith("play") else Case(header, lines)


def play(kind, all_cases, daemon):
    """What one manager makes of each case."""
    files = {PRINT: PROGRAM, os.path.join(world.UNITS, world.GOAL): "[Unit]\nDefaultDependencies=no\n"}
    for number, case in enumerate(all_cases):
        files.update(case.files(number))
    files.update(scenes.FILES)
    programs = [PRINT, *scenes.FILES]
    copies = {}
    for name, place in (("stand-in-agent", scenes.STAND_IN), ("sandbox-probe", PROBE)):
        program = os.path.join(os.path.dirname(daemon), "examples", name)
        if not os.path.exists(program):
            raise SystemExit("compat: %s is not built" % program)
        copies[program] = place
    with world.World(kind, files, executable=programs, daemon=daemon, env=MANAGER, copies=copies) as one:
        plain = [play_one(one, case, case.unit(number)) if isinstance(case, Case) else None
                 for number, case in enumerate(all_cases)]
        return scenes.play(one, all_cases, plain)


def play_one(one, case, unit):
    if case.action == "run":
        code = one.run(["systemctl", "start", unit])[0]
        properties = ("LoadState", "Result", "ExecMainStatus")
        record = one.run(["cat", OUTPUT + "/" + unit])[1]
        state = one.show([unit], properties)[unit]
        return {"start": "ok" if code == 0 else "failed", **state, "record": record.strip()}
    if case.action == "ask":
        one.run(["systemctl", "start", unit])
        state = one.show([unit], ("Result", "ExecMainStatus"))[unit]
        return {**state, "answers": one.run(["cat", ANSWERS + "/" + unit])[1].strip()}
    state = one.show([unit], case.properties)[unit]
    return {name: values.plain(name, value) for name, value in state.items()}


def compare(directory, daemon, only=None):
    """[(case, what systemd did, what we did)]; only: of those whose name and title hold the text."""
    all_cases = [case for case in read(directory) if not only or only in case.name + ": " + case.about]
    played = both(all_cases, daemon)
    # Many at a time make a machine slow, and steps that wait for a while miss what they wait for: what
    # differs counts if it differs once more, among few.
    again = [row[0] for row in failed(played) if isinstance(row[0], scenes.Scene)]
    if again:
        print("played once more: %s" % ", ".join("%s: %s" % (case.name, case.about) for case in again))
        second = {id(row[0]): row for row in both(again, daemon)}
        played = [second.get(id(row[0]), row) for row in played]
    return played


def both(all_cases, daemon):
    seen = [play(kind, all_cases, daemon) for kind in world.KINDS]
    return list(zip(all_cases, *seen))


def failed(played):
    """Those that differ without a reason, or have a reason and do not differ."""
    return [row for row in played if (row[1] == row[2]) == bool(row[0].reason)]


def verdict(case, theirs, ours):
    if theirs != ours:
        return "different: " + case.reason if case.reason else "**different**"
    return "**equal**, though said to differ" if case.reason else "equal"
