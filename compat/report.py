"""The report: counts per package and property, every difference, the cases."""
import cases


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


def text(shown, played, reasons):
    lines = ["# systemd 252 and dd-procmgrd compared", "",
             "Written by `make compat` (compat/README.md); not to be edited.", ""]
    if shown:
        lines += properties_text(shown)
    if played:
        lines += cases_text(played)
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
