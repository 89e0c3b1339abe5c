"""The half of the runner that is PID 1 of the namespaces; started by world.py only.

Reads what to set up as one line of JSON from the socket on descriptor 3, arranges a small private
world (mounts, cgroup, files), forks a helper that runs commands for the other half over the same
socket, and becomes the service manager. It refuses to do anything unless it is PID 1 and no
process of the host can be seen in its control group.
"""
import ctypes
import json
import os
import socket
import subprocess
import sys

CLONE_NEWCGROUP = 0x02000000
MS_RDONLY, MS_REMOUNT, MS_BIND = 1, 32, 4096
PR_CAPBSET_DROP = 24
# time, boot, modules, raw devices: what namespaces do not keep apart
DROPPED = (16, 17, 22, 25)
CGROUPS = "/sys/fs/cgroup"
LIBC = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, "%s: %s" % (what, os.strerror(number)))


def mount(source, target, kind, flags=0, data=""):
    check(LIBC.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags),
                     data.encode()), "mount on " + target)


def enter_group(group):
    """Move into the group that was made for us, and make it the root of what can be seen."""
    with open(os.path.join(group, "cgroup.procs"), "w") as f:
        f.write("0")
    check(LIBC.unshare(CLONE_NEWCGROUP), "unshare the cgroup namespace")


def mounts():
    mount("tmpfs", "/run", "tmpfs", 0, "mode=755,size=256m")
    os.mkdir("/run/dev")
    mount("tmpfs", "/run/dev", "tmpfs", 0, "mode=755,size=8m")
    for node in ("null", "zero", "full", "random", "urandom", "tty"):
        if os.path.exists("/dev/" + node):
            open("/run/dev/" + node, "w").close()
            mount("/dev/" + node, "/run/dev/" + node, "", MS_BIND)
    open("/run/dev/console", "w").close()
    mount("/dev/null", "/run/dev/console", "", MS_BIND)
    os.symlink("/proc/self/fd", "/run/dev/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        os.symlink("/proc/self/fd/%d" % number, "/run/dev/" + name)
    os.mkdir("/run/dev/shm")
    subprocess.run(["mount", "--move", "/run/dev", "/dev"], check=True)
    os.rmdir("/run/dev")
    mount("tmpfs", "/var", "tmpfs", 0, "mode=755,size=64m")
    for directory in ("/var/tmp", "/var/log", "/var/lib", "/run/systemd/system", "/run/dbus"):
        os.makedirs(directory, exist_ok=True)
    # what the machine has enabled is not of interest
    mount("tmpfs", "/etc/systemd/system", "tmpfs", 0, "mode=755,size=8m")
    mount("sysfs", "/sys", "sysfs", MS_RDONLY)
    mount("cgroup2", CGROUPS, "cgroup2")
    mount("/proc/sys", "/proc/sys", "", MS_BIND)
    mount("", "/proc/sys", "", MS_BIND | MS_REMOUNT | MS_RDONLY)
    mount("", "/", "", MS_BIND | MS_REMOUNT | MS_RDONLY)


def guard():
    """Every process in the visible root group must be one of this namespace."""
    with open(CGROUPS + "/cgroup.procs") as f:
        pids = f.read().split()
    if "0" in pids or not pids:
        raise SystemExit("compat: a process of the host is in our control group, refusing")


def write_files(spec):
    for path, text in spec["files"].items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(text.encode("latin-1"))
        os.chmod(path, 0o755 if path in spec["executable"] else 0o644)
    for path, target in spec["links"].items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink(target, path)
    for source, target in spec["copies"].items():
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(source, "rb") as a, open(target, "wb") as b:
            b.write(a.read())
        os.chmod(target, 0o755)


def serve(channel):
    """Run commands one by one until the other half hangs up."""
    with channel.makefile("rwb") as stream:
        for line in stream:
            request = json.loads(line)
            try:
                done = subprocess.run(request["argv"], capture_output=True, timeout=request["timeout"],
                                      env=request["env"], stdin=subprocess.DEVNULL, cwd="/")
                answer = [done.returncode, done.stdout.decode("latin-1"), done.stderr.decode("latin-1")]
            except subprocess.TimeoutExpired:
                answer = [124, "", "timed out"]
            except OSError as error:
                answer = [127, "", str(error)]
            stream.write(json.dumps(answer).encode() + b"\n")
            stream.flush()


def read_line(channel):
    data = b""
    while not data.endswith(b"\n"):
        part = channel.recv(1 << 16)
        if not part:
            raise SystemExit("compat: the runner is gone")
        data += part
    return data


def main():
    if os.getpid() != 1:
        raise SystemExit("compat: not PID 1, refusing")
    channel = socket.socket(fileno=3)
    spec = json.loads(read_line(channel))
    enter_group(spec["group"])
    mounts()
    guard()
    socket.sethostname("compat")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=False)
    write_files(spec)
    for capability in DROPPED:
        LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    if os.fork() == 0:
        channel.sendall(b'"ready"\n')
        serve(channel)
        os._exit(0)
    channel.close()
    log = os.open("/run/manager.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    null = os.open("/dev/null", os.O_RDONLY)
    for number, source in enumerate((null, log, log)):
        os.dup2(source, number)
    os.closerange(3, 256)
    os.chdir("/")
    os.umask(0o022)
    os.execve(spec["argv"][0], spec["argv"], spec["env"])


if __name__ == "__main__":
    sys.exit(main())
