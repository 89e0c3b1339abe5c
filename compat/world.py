"""A service manager in namespaces of its own, and commands beside it.

Never starts a manager in any other way: systemd in the host's control group would move the host's
processes. Everything is gone when the World is closed: the namespaces end with their PID 1, and
the control group is removed.
"""
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
UNITS = "/var/lib/compat/units"
SYSTEMD = "/lib/systemd/systemd"
# Where links of enable would be, then the unit files.
UNIT_PATH = "/etc/systemd/system:" + UNITS
CLIENT = {"PATH": PATH, "LANG": "C.UTF-8", "HOME": "/root", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0",
          "SYSTEMD_URLIFY": "0", "TZ": "UTC", "SYSTEMD_UNIT_PATH": UNIT_PATH}
GOAL = "compat.target"
KINDS = ("systemd", "dd-procmgrd")


class Trouble(Exception):
    """The world could not be set up, or went away."""


def missing():
    """Why no world can be made here, or nothing."""
    if os.geteuid() != 0:
        return "needs root for namespaces"
    for program in ("unshare", "systemctl", SYSTEMD):
        if not (os.path.exists(program) or shutil.which(program)):
            return "%s is not installed" % program
    version = subprocess.run([SYSTEMD, "--version"], capture_output=True, text=True).stdout
    if not version.startswith("systemd 252"):
        return "needs systemd 252, has %s" % version.split("\n")[0]
    probe = ["unshare", "--pid", "--mount", "--uts", "--ipc", "--net", "--cgroup", "--fork", "true"]
    if subprocess.run(probe, capture_output=True).returncode != 0:
        return "namespaces cannot be made"
    if cgroup_root() is None:
        return "no writable cgroup2 file system is mounted"
    return ""


def cgroup_root():
    """Where a cgroup2 file system is mounted that groups can be made in."""
    with open("/proc/self/mounts") as f:
        for line in f:
            _, place, kind = line.split(" ")[:3]
            if kind == "cgroup2" and os.access(place, os.W_OK):
                return place
    return None


class World:
    """`with World("systemd", files, links) as world: world.run(["systemctl", ...])`."""

    def __init__(self, kind, files, links=None, executable=(), daemon=None, env=None, facade=False,
                 copies=None, unit_path=UNIT_PATH):
        """files: path inside to text; links: path inside to target; daemon: dd-procmgrd; copies: path of a
        program to path inside."""
        self.kind, self.daemon, self.facade, self.unit_path = kind, daemon, facade, unit_path
        self.spec = {"files": files, "links": dict(links or {}), "executable": list(executable),
                     "copies": dict(copies or {})}
        self.environment = dict(env or {})
        self.process = self.channel = self.group = self.stream = None

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def _manager(self):
        env = {"PATH": PATH, "LANG": "C.UTF-8", "HOME": "/root", "TZ": "UTC", **self.environment}
        if self.kind == "systemd":
            nowhere = "/nonexistent"
            env.update(container="compat", SYSTEMD_UNIT_PATH=self.unit_path, SYSTEMD_GENERATOR_PATH=nowhere,
                       SYSTEMD_ENVIRONMENT_GENERATOR_PATH=nowhere)
            return [SYSTEMD, "--system", "--unit=" + GOAL, "--log-target=console", "--show-status=no"], env
        inside, place = "/run/compat/dd-procmgrd", "/run/compat/control.sock"
        self.spec["copies"][self.daemon] = inside
        if not self.facade:
            self.spec["links"]["/run/systemd/private"] = place
        env.update(DD_PM_SOCKET=place, container="compat")
        return [inside, "--unit-path", self.unit_path, "--socket", place, "--runtime-dir", "/run/compat/state",
                "--mode", "host", *(["--systemd-facade"] if self.facade else []), GOAL], env

    def _start(self):
        self.spec["argv"], self.spec["env"] = self._manager()
        self.group = os.path.join(cgroup_root(), os.path.basename(tempfile.mktemp(prefix="compat-")))
        os.mkdir(self.group)
        self.spec["group"] = self.group
        self.channel, theirs = socket.socketpair()
        command = ["unshare", "--pid", "--mount", "--uts", "--ipc", "--net", "--fork", "--kill-child",
                   "--propagation", "private", "--mount-proc", os.path.realpath(sys.executable), "-S",
                   os.path.join(HERE, "inside.py")]
        number = theirs.fileno()
        # the other half expects its end as descriptor 3
        shell = ["sh", "-c", 'exec 3<&%d %s "$@"' % (number, "%d<&-" % number if number != 3 else ""), "sh"]
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(shell + command, pass_fds=[number], stdin=subprocess.DEVNULL,
                                        stdout=self.errors, stderr=self.errors, start_new_session=True)
        theirs.close()
        self.channel.sendall(json.dumps(self.spec).encode() + b"\n")
        self.stream = self.channel.makefile("rb")
        self._answer(30)
        self._wait_ready()

    def _answer(self, seconds):
        ready, _, _ = select.select([self.channel], [], [], seconds)
        line = self.stream.readline() if ready else b""
        if not line:
            self.errors.seek(0)
            raise Trouble("%s: no answer from inside: %s" % (self.kind, self.errors.read().decode()[-2000:]))
        return json.loads(line)

    def _wait_ready(self):
        deadline = time.monotonic() + 30
        while True:
            code, out, err = self.run(["systemctl", "is-active", GOAL])
            if out.strip() == "active":
                return
            if time.monotonic() > deadline:
                log = self.run(["tail", "-n", "20", "/run/manager.log"])[1]
                raise Trouble("%s is not up: %s %s\n%s" % (self.kind, out.strip(), err.strip(), log))
            time.sleep(0.05)

    def run(self, argv, timeout=60):
        """Run a command inside: exit status, output, error output."""
        request = {"argv": list(argv), "timeout": timeout,
                   "env": {**CLIENT, "SYSTEMD_UNIT_PATH": self.unit_path}}
        self.channel.sendall(json.dumps(request).encode() + b"\n")
        return self._answer(timeout + 10)

    def show(self, names, properties=()):
        """{unit: {property: value}} as `systemctl show` prints them."""
        option = ["-p", ",".join(properties)] if properties else ["--all"]
        result = {}
        for start in range(0, len(names), 40):
            part = names[start:start + 40]
            _, out, err = self.run(["systemctl", "--no-pager", "show", *option, "--", *part])
            blocks = read_blocks(out)
            if len(blocks) != len(part):
                raise Trouble("%s showed %d units instead of %d: %s" % (self.kind, len(blocks), len(part), err))
            result.update(zip(part, blocks))
        return result

    def close(self):
        if self.channel is not None:
            self.channel.close()
        if self.process is not None:
            self.process.kill()  # unshare, which takes the namespaces with it (--kill-child)
            self.process.wait()
        if self.group is not None:
            remove_group(self.group)
        self.process = self.channel = self.group = None


def remove_group(group):
    deadline = time.monotonic() + 10
    while os.path.isdir(group):
        for place, _, _ in os.walk(group, topdown=False):
            try:
                os.rmdir(place)
            except OSError:
                pass
        if time.monotonic() > deadline:
            sys.stderr.write("compat: %s cannot be removed\n" % group)
            return
        time.sleep(0.02)


def read_blocks(text):
    """Properties per unit: Name=value lines, units apart by an empty line; a name that comes again
    (several commands) adds a line to its value."""
    blocks, current, last = [], {}, None
    for line in text.split("\n"):
        name, equals, value = line.partition("=")
        if equals and name.isalnum() and name[:1].isupper():
            current[name] = current[name] + "\n" + value if name in current else value
            last = name
        elif line and last:
            current[last] += "\n" + line
        elif not line and current:
            blocks.append(current)
            current, last = {}, None
    if current:
        blocks.append(current)
    return blocks
