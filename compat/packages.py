"""The unit files of Debian packages: downloaded through apt, unpacked into a cache, never installed."""
import glob
import os
import subprocess

# The package, and the one that holds its unit files where that is another.
PACKAGES = {
    "systemd": "systemd", "dbus": "dbus", "openssh-server": "openssh-server", "cron": "cron",
    "nginx": "nginx-common", "postgresql": "postgresql-common", "redis-server": "redis-server",
    "haproxy": "haproxy", "memcached": "memcached", "chrony": "chrony", "rsyslog": "rsyslog",
    "fail2ban": "fail2ban", "mariadb-server": "mariadb-server",
    "prometheus-node-exporter": "prometheus-node-exporter", "unbound": "unbound", "docker.io": "docker.io",
}
TYPES = (".service", ".socket", ".target", ".timer", ".path", ".slice", ".scope", ".mount", ".automount",
         ".swap", ".device")
# An instance whose name has to be unescaped somewhere.
INSTANCE = "compat\\x2done"


def default_cache():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "dd-procmgr-compat")


def fetch(package, cache):
    """The directory a package is unpacked in."""
    place = os.path.join(cache, package)
    if os.path.isdir(place):
        return place
    downloads = os.path.join(cache, "download", package)
    os.makedirs(downloads, exist_ok=True)
    command = ["apt-get", "download", "-q", package]
    if subprocess.run(command, cwd=downloads, capture_output=True).returncode != 0:
        subprocess.run(["apt-get", "update", "-q"], check=True, capture_output=True)
        subprocess.run(command, cwd=downloads, check=True, capture_output=True)
    archive, = glob.glob(os.path.join(downloads, "*.deb"))
    subprocess.run(["dpkg-deb", "-x", archive, place + ".new"], check=True)
    os.rename(place + ".new", place)
    return place


def version(package, cache):
    archive, = glob.glob(os.path.join(cache, "download", package, "*.deb"))
    return os.path.basename(archive).split("_")[1].replace("%3a", ":")


class Collection:
    """Unit files of several packages as one directory: files, links, and whose they are."""

    def __init__(self, root):
        self.root, self.files, self.links, self.owner = root, {}, {}, {}

    def add(self, package, place):
        for base in ("etc/systemd/system", "lib/systemd/system", "usr/lib/systemd/system"):
            top = os.path.join(place, base)
            for directory, inner, names in os.walk(top):
                for name in sorted(names + [d for d in inner if os.path.islink(os.path.join(directory, d))]):
                    self.add_one(package, top, os.path.join(directory, name))

    def add_one(self, package, top, path):
        relative = os.path.relpath(path, top)
        inside = os.path.join(self.root, relative)
        if inside in self.files or inside in self.links:
            return
        if os.path.islink(path):
            target = os.readlink(path)
            # links to another unit stay links within the directory
            self.links[inside] = target if target == "/dev/null" else self._within(relative, target)
        else:
            with open(path, "rb") as f:
                self.files[inside] = f.read().decode("latin-1")
        if "/" not in relative and relative.endswith(TYPES):
            self.owner[unit_name(relative)] = package

    @staticmethod
    def _within(relative, target):
        name = os.path.basename(target)
        return os.path.join("..", name) if "/" in relative else name


def unit_name(file):
    """The unit to ask for: the file's name, of a template an instance."""
    stem, kind = file.rsplit(".", 1)
    return "%s%s.%s" % (stem, INSTANCE, kind) if stem.endswith("@") else file
