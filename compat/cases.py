"""Cases of the checklist: small units played on both managers, by what their process or `show` says.

A file of cases holds blocks

    == NAME: what it is about
    run                     or:  show PROPERTY PROPERTY ...
    [Service]
    ...

In the text of a unit @PRINT@ stands for a program that records its arguments and environment, @FILE@
for a file beside the unit whose lines stand below a line `-- file`. A `run` unit is started, then the
record and Result are compared; of a `show` unit the properties named.
"""
import glob
import json
import os

import compare as values
import world

PRINT = "/run/compat/print"
OUTPUT = "/run/compat/out"
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
                        found.append(Case(header, lines))
                    header, lines = line[3:], []
                elif header:
                    lines.append(line)
        if header:
            found.append(Case(header, lines))
    return found


def play(kind, all_cases, daemon):
    """What one manager makes of each case."""
    files = {PRINT: PROGRAM, os.path.join(world.UNITS, world.GOAL): "[Unit]\nDefaultDependencies=no\n"}
    for number, case in enumerate(all_cases):
        files.update(case.files(number))
    results = []
    with world.World(kind, files, executable=[PRINT], daemon=daemon, env=MANAGER) as one:
        for number, case in enumerate(all_cases):
            unit = case.unit(number)
            if case.action == "run":
                code = one.run(["systemctl", "start", unit])[0]
                properties = ("LoadState", "Result", "ExecMainStatus")
                record = one.run(["cat", OUTPUT + "/" + unit])[1]
                state = one.show([unit], properties)[unit]
                results.append({"start": "ok" if code == 0 else "failed", **state, "record": record.strip()})
            else:
                state = one.show([unit], case.properties)[unit]
                results.append({name: values.plain(name, value) for name, value in state.items()})
    return results


def compare(directory, daemon):
    """[(case, what systemd did, what we did)]."""
    all_cases = read(directory)
    seen = [play(kind, all_cases, daemon) for kind in world.KINDS]
    return list(zip(all_cases, *seen))


def failed(played):
    return [row for row in played if row[1] != row[2]]
