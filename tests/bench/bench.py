#!/usr/bin/env python3
"""All that issues budgets for: measured beside the floor and the peers that are installed, as tables.

Usage: bench.py [--daemon PROGRAM] [--json FILE] [--no-results] [PART...]. Each part interleaves whom it
compares, at least five rounds. A budget (budgets.json) that is missed is shown and fails nothing. Without
root or systemd 252 it says so and measures nothing.
"""
import argparse
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "../..")
sys.path.insert(0, os.path.join(ROOT, "compat"))
import activation  # noqa: E402
import control  # noqa: E402
import processes  # noqa: E402
import measured  # noqa: E402
import scale  # noqa: E402
import world  # noqa: E402


def build(name, directory, *options):
    program = os.path.join(directory, name)
    subprocess.run(["cc", "-O2", *options, "-o", program, os.path.join(HERE, name + ".c")], check=True)
    return program


def parts(report, daemon, directory):
    client = os.path.join(os.path.dirname(daemon), "dd-procmgr")
    tool = build("floor", directory, "-static")
    visitor = build("activation", directory)
    return {
        "size": lambda: scale.size(report, daemon),
        "processes": lambda: processes.measure(report, daemon, tool),
        "memory": lambda: scale.memory(report, daemon, tool),
        "loading": lambda: scale.loading(report, daemon),
        "sockets": lambda: scale.sockets(report, daemon),
        "activation": lambda: activation.measure(report, daemon, visitor),
        "control": lambda: control.measure(report, daemon, client),
        "logs": lambda: scale.logs(report, daemon),
        "storm": lambda: scale.storm(report, daemon, tool),
    }


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--daemon", default=os.path.join(ROOT, "target/release/dd-procmgrd"))
    options.add_argument("--json", default=os.path.join(ROOT, "target/bench.json"))
    options.add_argument("--no-results", action="store_true")
    options.add_argument("parts", nargs="*")
    given = options.parse_args()
    reason = world.missing()
    if reason:
        print("SKIP: %s" % reason)
        return
    report = measured.Report()
    print(report.machine)
    with tempfile.TemporaryDirectory() as directory:
        known = parts(report, os.path.abspath(given.daemon), directory)
        for name in given.parts or known:
            begun = time.monotonic()
            try:
                known[name]()
            except (world.Trouble, OSError, ValueError) as trouble:
                report.skip(name, "%s" % trouble)
            print("%s: %.0f s" % (name, time.monotonic() - begun), file=sys.stderr, flush=True)
    print(report.table())
    print()
    print(report.kept())
    report.write(given.json, not given.no_results)


if __name__ == "__main__":
    main()
