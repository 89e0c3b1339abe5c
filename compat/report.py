"""The report: directives, counts per package and property, every difference, the cases, the tables, the clients."""
import collections
import re

import cases
import support
import verbs


def print_properties(shown, differences):
    if differences:
        for package, unit, name, theirs, ours in shown.differences:
            print("%s %s %s\n  systemd: %s\n  here:    %s" % (package, unit, name, flat(theirs), flat(ours)))
    print("%d units, %d values, %d equal: %.2f %%" % (
        sum(shown.units.values()), sum(shown.total.values()), sum(shown.equal.values()), shown.percent()))


def print_cases(played, everything):
    bad = cases.failed(played)
    if everything:
        for case, theirs, ours in played:
            if theirs == ours and not case.reason:
                print("EQUAL %s: %s\n%s" % (case.name, case.about, theirs))
    for case, theirs, ours in bad:
        print("NOT AS EXPECTED %s: %s\n- systemd:\n%s\n- here:\n%s" % (case.name, case.about, theirs, ours))
    print("%d cases, %d equal, %d different on purpose" % counts(played))


def counts(played):
    """How many cases there are, are equal, differ for a reason."""
    equal = [row for row in played if row[1] == row[2]]
    return len(played), len(equal), sum(bool(row[0].reason) for row in played if row[1] != row[2])


def flat(text, length=300):
    text = text.replace("\n", " \\n ").replace("|", "\\|")
    return text if len(text) <= length else text[:length] + " ..."


def text(known, shown, played, tables, driven, sessions):
    """All that was asked for; what was not is None."""
    lines = ["# systemd 252 and dd-procmgrd compared", "",
             "Written by `make compat` (compat/README.md); not to be edited.", ""]
    if known:
        lines += support.text(known)
    if shown:
        lines += properties_text(shown)
    if tables:
        lines += ["## Restarts and dependencies", "",
                  "Played on both sides with real processes. A cell that stands alone is what both did.", ""]
        for table in tables:
            lines += table_text(table)
    if played:
        inside = [row for row in played if getattr(row[0], "action", "") == "ask"]
        lines += inside_text(inside) + cases_text([row for row in played if row not in inside])
    if driven:
        lines += verbs_text(driven)
    if sessions:
        lines += sessions_text(sessions)
    lines += ["Reasons for differences: [differences.md](differences.md).", ""]
    return "\n".join(lines)


def properties_text(shown):
    total, equal = sum(shown.total.values()), sum(shown.equal.values())
    lines = ["## What is shown of Debian's unit files", "",
             "Loaded on both sides, never started; values as `systemctl show` prints them. Left out is what "
             "does not come from the files (`STATE` in compare.py).", "",
             "**%d of %d values equal: %.2f %%**" % (equal, total, shown.percent()), "",
             "| package | unit files from | units | values | equal | |", "|---|---|--:|--:|--:|--:|"]
    for package in shown.versions or sorted(shown.units):
        values, same = shown.total[package], shown.equal[package]
        lines.append("| %s | %s | %d | %d | %d | %.2f %% |" % (
            package, shown.versions.get(package, ""), shown.units[package], values, same,
            100.0 * same / max(1, values)))
    lines += ["", "### Properties that differ somewhere", "", "| property | values | differ |", "|---|--:|--:|"]
    for name, count in sorted(shown.by_property.items(), key=lambda item: (-item[1]["different"], item[0])):
        if count["different"]:
            lines.append("| %s | %d | %d |" % (name, count["total"], count["different"]))
    whole = sum(not count["different"] for count in shown.by_property.values())
    lines += ["", "%d further properties are equal everywhere." % whole, "",
              "### Every difference", "", "| unit | property | systemd | here |", "|---|---|---|---|"]
    for _, unit, name, theirs, ours in sorted(shown.differences, key=lambda d: (d[2], d[1])):
        theirs, ours = apart(name, theirs, ours)
        lines.append("| %s | %s | %s | %s |" % (unit, name, flat(theirs, 120), flat(ours, 120)))
    return lines + [""]


def table_text(table):
    pairs = table.pairs()
    equal = sum(theirs == ours for theirs, ours in pairs)
    lines = ["### " + table.title, "", "**%d cells, %d equal**" % (len(pairs), equal), "",
             "| | %s |" % " | ".join(table.columns), "|---|%s" % ("---|" * len(table.columns))]
    for row in table.rows:
        cells = []
        for column in table.columns:
            theirs, ours = table.cells[0][row, column], table.cells[1][row, column]
            cells.append(theirs if theirs == ours else "systemd: %s; **here: %s**" % (theirs, ours))
        lines.append("| %s | %s |" % (row, " | ".join(cells)))
    return lines + [""]


def inside_text(played):
    """What a process sees of itself and its surroundings under settings of its unit."""
    if not played:
        return []
    lines = ["## What a process sees under settings", "",
             "A program asks the kernel (identity, mounts, files, system calls ...) as a service with the settings; "
             "its answers on both sides are compared (`cases/inside.case`).", "",
             "**%d settings, %d with the same answers, %d different on purpose**" % counts(played), "",
             "| settings | questions | |", "|---|--:|---|"]
    for case, theirs, ours in played:
        lines.append("| %s | %d | %s |" % (case.name.removeprefix("Exec "), len(case.properties),
                                           cases.verdict(case, theirs, ours)))
    return lines + [""]


CLIENTS = re.compile(r"systemctl|busctl|systemd-[a-z]+")


def verbs_text(driven):
    """Debian's clients, by program and way."""
    counted = collections.OrderedDict()
    for where, theirs, ours in driven:
        # Some are called by a shell.
        found = CLIENTS.search(theirs.command)
        program = found[0] if found else "others"
        one = counted.setdefault((program, where.rpartition(", ")[2]), collections.Counter())
        one["all"] += 1
        if not theirs.counts:
            one["scene"] += 1
        elif theirs.reason:
            one["reason"] += 1
        else:
            one["equal" if theirs.result == ours.result else "different"] += 1
    lines = ["## Clients of Debian", "",
             "Commands played on both sides; exit status, output and complaints compared. By the facade clients "
             "find it where they look for systemd, by the bus through SYSTEMCTL_FORCE_BUS.", "",
             "| program | way | compared | equal | different on purpose | only set the scene |",
             "|---|---|--:|--:|--:|--:|"]
    for (program, way), one in sorted(counted.items()):
        lines.append("| %s | %s | %d | %d | %d | %d |" % (
            program, way, one["equal"] + one["different"], one["equal"], one["reason"], one["scene"]))
    reasons = sorted({(theirs.command, theirs.reason) for _, theirs, _ in driven if theirs.reason})
    if reasons:
        lines += ["", "| different on purpose | why |", "|---|---|"]
        lines += ["| `%s` | %s |" % (flat(command, 120), flat(reason)) for command, reason in reasons]
    return lines + ["", "%d commands compared, %d equal." % (
        len(verbs.counted(driven)), len(verbs.counted(driven)) - len(verbs.failed(driven))), ""]


def sessions_text(sessions):
    lines = ["## Other clients", "",
             "Sessions as their users have them, against a daemon that stands in systemd's place "
             "(`tests/clients.rs`).", "", "| session | |", "|---|---|"]
    lines += ["| %s | %s |" % (name.replace("::", ": ").replace("_", " "), result) for name, result in sessions]
    return lines + [""]


def apart(name, theirs, ours):
    """Of lists of units only what the other side does not have."""
    if name in ("After", "Before", "Requires", "RequiredBy", "Wants", "WantedBy", "Conflicts", "ConflictedBy"):
        a, b = theirs.split(), ours.split()
        return ("only there: " + " ".join(x for x in a if x not in b),
                "only here: " + " ".join(x for x in b if x not in a))
    return theirs, ours


def cases_text(played):
    lines = ["## Cases of the checklist", "", "**%d cases, %d equal, %d different on purpose**" % counts(played), "",
             "| case | | |", "|---|---|---|"]
    for case, theirs, ours in played:
        lines.append("| %s | %s | %s |" % (case.name, flat(case.about), cases.verdict(case, theirs, ours)))
    return lines + [""]
