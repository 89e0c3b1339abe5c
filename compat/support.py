"""Which directives there are and what is done about them (from the manual page that is made of the daemon's own
table), and how often the unit files of the packages use them."""
import collections
import os
import re

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../man/dd-procmgr.directives.7")
FULL, ACCEPTED, OPEN, REFUSED = "carried out", "accepted", "not yet", "refused"
WORDS = (("Accepted, without effect", ACCEPTED), ("Not carried out yet", OPEN), ("A unit that asks for it", REFUSED))
# Sections whose settings stand in those of the unit's own type.
SHARED = ("Service", "Socket", "Slice", "Scope", "Mount", "Swap")


class Directive:
    def __init__(self, section, name):
        self.section, self.name, self.level, self.spellings = section, name, FULL, [(section, name)]


def read(path=PAGE):
    """All directives of the page, in its order."""
    found, section = [], None
    with open(path, encoding="utf-8") as f:
        for line in f.read().split("\n"):
            if line.startswith(".Sh ["):
                section = line[4:]
            elif line.startswith(".Sh "):
                section = None
            elif line.startswith(".It Va ") and section:
                found.append(Directive(section, line[7:].rstrip("=")))
            elif found and section:
                for words, level in WORDS:
                    if line.startswith(words):
                        found[-1].level = level
                if line.startswith("Also spelled"):
                    found[-1].spellings += [(s, n) for n, s in re.findall(r"(\w+)= of (\[[\w-]+\])", line)]
    return found


def assignments(text):
    """Section and name of every assignment of a unit file."""
    section, goes_on = None, False
    for line in text.split("\n"):
        line = line.strip()
        if goes_on:
            goes_on = line.endswith("\\") or line.startswith(("#", ";"))
        elif line.startswith("["):
            section = line
        elif line and not line.startswith(("#", ";")) and "=" in line:
            goes_on = line.endswith("\\")
            yield section, line.split("=")[0].strip()


class Support:
    """Counts by section, and of what the files use."""

    def __init__(self, directives, texts):
        by_name = {}
        for directive in directives:
            for section, name in directive.spellings:
                by_name.setdefault((section, name), directive)
                by_name.setdefault(name, directive)
        self.sections = collections.OrderedDict()
        for directive in directives:
            self.sections.setdefault(directive.section, collections.Counter())[directive.level] += 1
        self.files, self.lines, self.unknown = len(texts), collections.Counter(), collections.Counter()
        self.used, self.whole = collections.Counter(), 0
        for text in texts:
            names = set(assignments(text))
            levels = []
            for section, name in names:
                if section.startswith("[X-") or name.startswith("X-"):
                    continue
                directive = by_name.get((section, name)) or by_name.get(name)
                if directive is None:
                    self.unknown[section + " " + name] += 1
                    continue
                levels.append(directive.level)
                self.lines[directive.level] += 1
                self.used[directive.section, directive.name, directive.level] += 1
            self.whole += all(level in (FULL, ACCEPTED) for level in levels)

    def total(self):
        return sum(self.lines.values())


def of(files):
    """Of the unit files of a collection; those of types that are only looked up are left out."""
    types = (".service", ".socket", ".target", ".timer", ".path", ".slice")
    texts = [text for path, text in files.items() if path.endswith(types)]
    return Support(read(), texts)


def text(support):
    lines = ["## Directives", "",
             "Of the table that the daemon reads unit files by ([dd-procmgr.directives(7)](../man/dd-procmgr."
             "directives.7) has each with its meaning).", "",
             "| section | directives | %s | %s, without effect | %s |" % (FULL, ACCEPTED, OPEN + " or " + REFUSED),
             "|---|--:|--:|--:|--:|"]
    total = collections.Counter()
    for section, count in support.sections.items():
        total.update(count)
        lines.append(row(section, count))
    lines += [row("all", total), "",
              "What the unit files of the packages below use (%d services, sockets, targets, timers, paths and "
              "slices; a directive counts once in a file): **%s of %d uses are carried out, %s are accepted, %s "
              "are neither**; %s of the files use nothing else than the first two." % (
                  support.files, share(support.lines[FULL], support.total()), support.total(),
                  share(support.lines[ACCEPTED], support.total()),
                  share(support.lines[OPEN] + support.lines[REFUSED], support.total()),
                  share(support.whole, support.files)), ""]
    rest = [(count, *key) for key, count in support.used.items() if key[2] != FULL]
    if rest:
        lines += ["| used, and not carried out | files | |", "|---|--:|---|"]
        for count, section, name, level in sorted(rest, key=lambda r: (-r[0], r[1], r[2])):
            lines.append("| %s %s= | %d | %s |" % (section, name, count, level))
        lines.append("")
    if support.unknown:
        lines += ["Names that systemd 252 does not know either, in these files: %s." % ", ".join(
            "%s= (%d)" % item for item in sorted(support.unknown.items())), ""]
    return lines


def row(section, count):
    return "| %s | %d | %d | %d | %d |" % (
        section, sum(count.values()), count[FULL], count[ACCEPTED], count[OPEN] + count[REFUSED])


def share(part, whole):
    return "%.1f %%" % (100.0 * part / max(1, whole))
