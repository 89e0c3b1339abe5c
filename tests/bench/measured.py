"""Samples of who did what in how much, set against budgets: as a table, as JSON, in RESULTS.md."""
import json
import os
import statistics
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
RESULTS = os.path.join(HERE, "RESULTS.md")
BUDGETS = os.path.join(HERE, "budgets.json")
# Why a budget is missed, what was tried, what comes next: a section for each key of a row.
NOTES = os.path.join(HERE, "notes.md")
BEGIN, END = "<!-- what make bench wrote begins -->", "<!-- what make bench wrote ends -->"
US = "dd-procmgrd"


class Report:
    """What was measured: {key: {"title", "unit", "samples": {who: [number]}}}, and what was not."""

    def __init__(self):
        self.rows, self.skipped, self.begun = {}, [], time.time()
        with open(BUDGETS) as f:
            self.budgets = json.load(f)
        self.machine = machine()

    def add(self, key, title, unit, samples):
        """samples: {who: [number]}; more rounds of the same key are added to those before."""
        row = self.rows.setdefault(key, {"title": title, "unit": unit, "samples": {}})
        for who, numbers in samples.items():
            row["samples"].setdefault(who, []).extend(float(number) for number in numbers)

    def skip(self, what, why):
        """Notes what could not be measured."""
        self.skipped.append("%s: %s" % (what, why))

    def judged(self, key):
        """For each budget of a row what was measured and whether it was kept; None without who it needs."""
        samples = self.rows[key]["samples"]
        for budget in self.budgets.get(key, []):
            ours = samples.get(budget.get("who", US))
            base = samples.get(budget.get("against"))
            if not ours or ("against" in budget and not base):
                yield None
                continue
            measured = figure(ours, budget.get("of", "median"))
            if base:
                measured /= figure(base, budget.get("base", "median"))
            bound = budget.get("at_most", budget.get("at_least"))
            yield measured, measured <= bound if "at_most" in budget else measured >= bound

    def verdicts(self, key):
        """Each budget of a row that can be judged: its text, what was measured, whether it was kept."""
        budgets = zip(self.budgets.get(key, []), self.judged(key))
        return [(describe(budget, self.rows[key]["unit"]), *verdict) for budget, verdict in budgets if verdict]

    def table(self):
        """All rows as Markdown."""
        lines = ["| what | who | min | median | p99 | max | n | x dd-procmgrd |", "|---|---|---:|---:|---:|---:|---:|---:|"]
        for key, row in self.rows.items():
            ours = row["samples"].get(US)
            for who, numbers in row["samples"].items():
                ratio = "%.2f" % (statistics.median(numbers) / statistics.median(ours)) if ours and any(ours) else ""
                shown = [number(figure(numbers, what)) for what in ("min", "median", "p99", "max")]
                lines.append("| %s, %s | %s | %s | %d | %s |" % (
                    row["title"], row["unit"], who, " | ".join(shown), len(numbers), ratio))
        return "\n".join(lines)

    def kept(self):
        """Every budget with what was measured, the peers beside it, and what is to be said of misses."""
        lines = ["| what | budget | measured | | medians beside it |", "|---|---|---:|---|---|"]
        notes, missed = read_notes(), []
        for key, budgets in self.budgets.items():
            row = self.rows.get(key)
            if not row:
                lines.append("| %s | | | not measured | |" % key)
                continue
            others = {who: numbers for who, numbers in row["samples"].items() if who != US}
            beside = ", ".join("%s %s" % (who, number(figure(numbers, "median"))) for who, numbers in others.items())
            for budget, verdict in zip(budgets, self.judged(key)):
                text = describe(budget, row["unit"])
                if verdict is None:
                    lines.append("| %s | %s | | not there | %s |" % (row["title"], text, beside))
                    continue
                value, fine = verdict
                lines.append("| %s | %s | %s | %s | %s |" % (
                    row["title"], text, number(value), "kept" if fine else "MISSED", beside))
                if not fine and (key, row["title"]) not in missed:
                    missed.append((key, row["title"]))
        if missed:
            lines += ["", "### Why a budget is missed", ""]
            lines += ["- **%s**: %s" % (title, notes.get(key, "not looked into.")) for key, title in missed]
        if self.skipped:
            lines += ["", "Not measured here:", ""] + ["- " + text for text in self.skipped]
        return "\n".join(lines)

    def write(self, path, results):
        """JSON to `path`, and, if they are wanted, the tables into RESULTS.md."""
        verdicts = {key: [{"budget": text, "measured": measured, "kept": kept}
                          for text, measured, kept in self.verdicts(key)] for key in self.rows}
        with open(path, "w") as f:
            json.dump({"machine": self.machine, "rows": self.rows, "budgets": verdicts, "skipped": self.skipped,
                       "begun": self.begun, "seconds": time.time() - self.begun}, f, indent=1)
        if not results:
            return
        with open(RESULTS) as f:
            text = f.read()
        before, _, rest = text.partition(BEGIN)
        behind = rest.partition(END)[2]
        day = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.begun))
        part = "%s\n## %s\n\n%s\n\n%s\n\n### All that was measured\n\n%s\n%s" % (
            BEGIN, day, self.machine, self.kept(), self.table(), END)
        with open(RESULTS, "w") as f:
            f.write(before + part + behind)


def read_notes():
    """{key: text} of notes.md."""
    notes = {}
    with open(NOTES) as f:
        for section in f.read().split("\n## ")[1:]:
            keys, _, text = section.partition("\n")
            notes.update({key.strip(): " ".join(text.split()) for key in keys.split(",")})
    return notes


def figure(numbers, what):
    """One number for many."""
    if what == "min":
        return min(numbers)
    if what == "max":
        return max(numbers)
    if what == "p99":
        return sorted(numbers)[max(0, -(-len(numbers) * 99 // 100) - 1)]
    return statistics.median(numbers)


def number(value):
    """Three digits that matter."""
    return "%.0f" % value if abs(value) >= 100 else "%.3g" % value


def describe(budget, unit):
    bound, sign = (budget["at_most"], "<=") if "at_most" in budget else (budget["at_least"], ">=")
    of = "p99 " if budget.get("of") == "p99" else ""
    if "against" not in budget:
        return "%s%s %s %s" % (of, sign, bound, unit)
    base = "median" if budget["against"] == US else budget["against"]
    return "%s%s %s x %s" % (of, sign, bound, base)


def machine():
    """Where this was measured."""
    model = ""
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    with open("/proc/meminfo") as f:
        memory = int(f.readline().split()[1]) // 1048576
    with open("/proc/loadavg") as f:
        load = f.readline().split()[0]
    name = " ".join(os.uname()[i] for i in (0, 2))
    return "%s, %d x %s, %d GiB, load %s at the beginning; %s." % (
        name, os.cpu_count(), model or os.uname()[4], memory, load, revision())


def revision():
    done = subprocess.run(["git", "-C", HERE, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return "revision " + done.stdout.strip() if done.returncode == 0 else "no revision known"
