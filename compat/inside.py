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
import stat
import subprocess
import sys

CLONE_NEWCGROUP = 0x02000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_SHARED = 1, 32, 4096, 16384, 1 << 20
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
    devices("/run/dev")
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
    mount("tmpfs", "/tmp", "tmpfs", 0, "mode=1777,size=256m")
    mount("", "/", "", MS_BIND | MS_REMOUNT | MS_RDONLY)


def own_root(image):
    """An image in place of the machine's root: what is changed in it is gone with the world."""
    top = "/run/compat-root"
    mount("tmpfs", "/run", "tmpfs", 0, "mode=755,size=4g")
    for directory in ("", "/upper", "/work", "/root"):
        os.mkdir(top + directory)
    root = top + "/root"
    mount("overlay", root, "overlay", 0, "lowerdir=%s,upperdir=%s/upper,workdir=%s/work" % (image, top, top))
    mount("tmpfs", root + "/run", "tmpfs", 0, "mode=755,size=256m")
    mount("tmpfs", root + "/tmp", "tmpfs", 0, "mode=1777,size=256m")
    mount("proc", root + "/proc", "proc")
    mount("sysfs", root + "/sys", "sysfs", MS_RDONLY)
    mount("cgroup2", root + CGROUPS, "cgroup2")
    devices(root + "/dev")
    mount("/proc/sys", root + "/proc/sys", "", MS_BIND)
    mount("", root + "/proc/sys", "", MS_BIND | MS_REMOUNT | MS_RDONLY)
    os.makedirs(root + "/run/systemd/system")
    os.chdir(root)
    # stacked on the old one, which goes
    check(LIBC.pivot_root(b".", b"."), "pivot_root")
    check(LIBC.umount2(b".", 2), "umount the old root")
    os.chdir("/")


# Harmless devices, made anew: what a manager does to a terminal's owner and mode must not reach the
# machine's own. The console is one that nothing comes from.
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0),
           "console": (1, 3)}


def devices(place):
    mount("tmpfs", place, "tmpfs", 0, "mode=755,size=8m")
    for name, numbers in DEVICES.items():
        path = "%s/%s" % (place, name)
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(*numbers))
        os.chmod(path, 0o666)
    os.symlink("/proc/self/fd", place + "/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        os.symlink("/proc/self/fd/%d" % number, "%s/%s" % (place, name))
    os.mkdir(place + "/shm")
    mount("tmpfs", place + "/shm", "tmpfs", 0, "mode=1777,size=256m")
    os.mkdir(place + "/pts")
    mount("devpts", place + "/pts", "devpts", 0, "newinstance,ptmxmode=0666,mode=0620,gid=5")
    os.symlink("pts/ptmx", place + "/ptmx")


def guard():
    """Every process in the visible root group must be one of this namespace."""
    with open(CGROUPS + "/cgroup.procs") as f:
        pids = f.read().split()
    if "0" in pids or not pids:
        raise SystemExit("compat: a process of the host is in our control group, refusing")


def write_files(spec, copies):
    for path, text in spec["files"].items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.islink(path):
            os.unlink(path)
        with open(path, "wb") as f:
            f.write(text.encode("latin-1"))
        os.chmod(path, 0o755 if path in spec["executable"] else 0o644)
    for path, target in spec["links"].items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink(target, path)
    for target, data in copies.items():
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as f:
            f.write(data)
        os.chmod(target, 0o755)


def contents(path):
    with open(path, "rb") as f:
        return f.read()


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
    copies = {target: contents(source) for source, target in spec["copies"].items()}
    if "root" in spec:
        own_root(spec["root"])
    else:
        mounts()
    # as on every machine that systemd booted
    mount("", "/", "", MS_REC | MS_SHARED)
    guard()
    socket.sethostname("compat")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=False)
    write_files(spec, copies)
    for capability in set(DROPPED) - set(spec.get("keep", ())):
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
