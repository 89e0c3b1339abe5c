"""What both managers show of the same unit files, of which nothing is started."""
import collections
import os

import compare as values
import packages
import world


class Shown:
    """Counts per package and property, and every difference."""

    def __init__(self):
        self.versions = {}
        self.units = collections.Counter()
        self.total = collections.Counter()
        self.equal = collections.Counter()
        self.by_property = collections.defaultdict(collections.Counter)
        self.differences = []

    def percent(self):
        return 100.0 * sum(self.equal.values()) / max(1, sum(self.total.values()))

    def add(self, package, unit, left, right, foreign):
        counted, different = values.differences(left, right, foreign)
        self.units[package] += 1
        self.total[package] += len(counted)
        self.equal[package] += len(counted) - len(different)
        for name in counted:
            self.by_property[name]["total"] += 1
        for name, theirs, ours in different:
            self.by_property[name]["different"] += 1
            self.differences.append((package, unit, name, theirs, ours))


def collect(options):
    collection = packages.Collection(world.UNITS)
    versions = {}
    if options.units:
        for directory in options.units:
            directory = os.path.abspath(directory)
            add_directory(collection, directory)
        return collection, versions
    wanted = options.packages.split(",") if options.packages else list(packages.PACKAGES)
    for package in wanted:
        holder = packages.PACKAGES[package]
        collection.add(package, packages.fetch(holder, options.cache))
        versions[package] = "%s %s" % (holder, packages.version(holder, options.cache))
    return collection, versions


def add_directory(collection, directory):
    for place, inner, names in os.walk(directory):
        links = [name for name in inner if os.path.islink(os.path.join(place, name))]
        for name in sorted(names + links):
            collection.add_one(directory, directory, os.path.join(place, name))


def machine_mounts(one, collection):
    """Names of mount units for what is mounted in the namespaces besides / and without a file."""
    paths = [line.split(" ")[4] for line in one.run(["cat", "/proc/self/mountinfo"])[1].splitlines()]
    names = one.run(["systemd-escape", "--path", "--suffix=mount", *sorted(set(paths) - {"/"})])[1].split()
    return {name for name in names if name not in collection.owner}


def compare(options):
    """Load everything on both sides, held by one target, and compare what is shown."""
    collection, versions = collect(options)
    units = sorted(collection.owner)
    goal = "[Unit]\nDefaultDependencies=no\n" + "".join("After=%s\n" % unit for unit in units)
    files = {**collection.files, os.path.join(world.UNITS, world.GOAL): goal}
    seen, foreign = [], set()
    for kind in world.KINDS:
        with world.World(kind, files, collection.links, daemon=options.daemon) as one:
            one.show(units, ("LoadState",))
            seen.append(one.show(units))
            foreign |= machine_mounts(one, collection)
    shown = Shown()
    shown.versions = versions
    for unit in units:
        shown.add(collection.owner[unit], unit, seen[0][unit], seen[1][unit], foreign)
    return shown
