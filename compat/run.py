#!/usr/bin/env python3
"""Plays the same on systemd 252 and on dd-procmgrd and compares; see README.md beside this file."""
import argparse
import os
import sys

import cases
import clients
import matrices
import packages
import properties
import report
import services
import support
import verbs
import world

HERE = os.path.dirname(os.path.abspath(__file__))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("properties", "cases", "matrices", "verbs", "clients", "services",
                                         "all"))
    parser.add_argument("--daemon", default=os.path.join(HERE, "../target/debug/dd-procmgrd"))
    parser.add_argument("--cache", default=packages.default_cache(), help="where packages are unpacked")
    parser.add_argument("--packages", help="only these, separated by commas")
    parser.add_argument("--units", action="append", default=[], help="a directory of unit files instead of packages")
    parser.add_argument("--only", help="only the cases, and files of verbs, whose name or title holds this text")
    parser.add_argument("--report", help="write the report to this file")
    parser.add_argument("--differences", action="store_true", help="print each difference, and what equal cases gave")
    parser.add_argument("--at-least", type=float, default=99.0, help="per cent of equal values that is enough")
    return parser.parse_args()


def main():
    options = arguments()
    options.daemon = os.path.abspath(options.daemon)
    reason = world.missing()
    if not reason and not os.path.exists(options.daemon):
        reason = "%s is not built" % options.daemon
    if reason:
        print("SKIP: %s" % reason)
        return 77
    shown = played = tables = sessions = None
    if options.what in ("properties", "all"):
        shown = properties.compare(options)
        report.print_properties(shown, options.differences)
    if options.what in ("cases", "all"):
        played = cases.compare(os.path.join(HERE, "cases"), options.daemon, options.only)
        report.print_cases(played, options.differences)
    if options.what == "services":
        # Not among `all`: it takes a gigabyte of packages and some minutes.
        started = services.compare(options.cache, options.daemon, options.only)
        services.show(started, options.differences)
        if options.report:
            with open(options.report, "w") as f:
                f.write(services.text(*started))
        return 0 if all(services.is_fine(row) for row in started[0]) else 1
    if options.what in ("matrices", "all"):
        tables = matrices.compare(options.daemon)
        matrices.show(tables)
    driven = None
    if options.what in ("verbs", "all"):
        driven = verbs.compare(os.path.join(HERE, "verbs"), options.daemon, options.only)
        verbs.show(driven)
    if options.what in ("clients", "all"):
        sessions = clients.run()
        clients.show(sessions)
    if options.report:
        with open(options.report, "w") as f:
            known = support.of(properties.collect(options)[0].files) if shown else None
            f.write(report.text(known, shown, played, tables, driven, sessions))
    enough = shown is None or shown.percent() >= options.at_least
    same = (played is None or not cases.failed(played)) and (driven is None or not verbs.failed(driven))
    same = same and not any(table.different() for table in tables or ()) and not clients.failed(sessions or ())
    return 0 if enough and same else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except world.Trouble as trouble:
        sys.exit("compat: %s" % trouble)
