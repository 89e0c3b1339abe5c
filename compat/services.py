"""Services of Debian packages, started for real on both managers: started, ready, answers, stopped.

The packages are installed into a directory of their own (mmdebstrap, no package of the host changes),
which is the root of both worlds, each with changes of its own that are gone afterwards. Both managers
get the unit files of that root as they are, with the drop-ins below, and are driven by its systemctl.
"""
import json
import os
import re
import shutil
import subprocess
import time

import world

# Longest time for a start or a stop, in seconds: what waits for what never comes here is told by that.
PATIENCE = 40
# Longest time for an answer.
ANSWER = 10
# Installed into the root: the packages whose services are started, and programs to ask them with.
PACKAGES = ("systemd", "systemd-sysv", "systemd-resolved", "dbus", "openssh-server", "cron", "nginx", "postgresql",
            "redis-server", "haproxy", "memcached", "chrony", "rsyslog", "fail2ban", "mariadb-server",
            "prometheus-node-exporter", "unbound", "docker.io", "php-fpm", "prometheus", "tor")
CLIENTS = ("openssh-client", "curl", "python3", "iproute2", "procps", "bind9-dnsutils", "netcat-openbsd",
           "libfcgi-bin", "dns-root-data")
# Those of them that hold unit files, or hold them for others.
HOLDERS = PACKAGES + ("nginx-common", "postgresql-common", "containerd", "php8.2-fpm")
# Unit files of the root are read from where they are installed; what enable made is of interest, too.
UNIT_PATH = "/etc/systemd/system:/run/systemd/system:/lib/systemd/system"

# What the packages leave to the administrator, or what wants a machine: the same on both sides.
FILES = {
    "/etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "/etc/hostname": "compat\n",
    "/etc/hosts": "127.0.0.1 localhost compat\n::1 localhost\n",
    "/etc/resolv.conf": "nameserver 127.0.0.1\n",
    "/etc/systemd/system/" + world.GOAL: "[Unit]\nDefaultDependencies=no\n",
    # No clock of its own, and no network to set it by.
    "/etc/default/chrony": 'DAEMON_OPTS="-x -F 1"\n',
    # Its log files are written by services that are not up all the time.
    "/etc/fail2ban/jail.d/defaults-debian.conf": "[sshd]\nenabled = false\n",
    "/srv/index.php": "<?php echo 6 * 7;",
    # Nothing to forward packets to, and no file system below but an overlay.
    "/etc/docker/daemon.json": '{"iptables": false, "ip6tables": false, "ip-forward": false, "bridge": "none", '
                               '"storage-driver": "vfs"}\n',
}

# A question to a service, and what its answer must hold.
QUESTIONS = {
    "chrony.service": ("chronyc -n tracking", "Leap status"),
    "dbus.service": ("busctl --system call org.freedesktop.DBus / org.freedesktop.DBus ListNames", "org.freedesktop.DBus"),
    "docker.service": ("docker version --format {{.Server.Version}}", r"^\d+\."),
    "containerd.service": ("ctr version", "Server:"),
    "fail2ban.service": ("fail2ban-client ping", "pong"),
    "haproxy.service": ("echo show info | nc -U -w 2 /run/haproxy/admin.sock", "Name: HAProxy"),
    "mariadb.service": ("mariadb --batch --skip-column-names -e 'select 6*7'", "^42"),
    "memcached.service": ("printf 'version\\r\\nquit\\r\\n' | nc -w 2 127.0.0.1 11211", "^VERSION"),
    "nginx.service": ("curl -s http://127.0.0.1/", "Welcome to nginx"),
    "php8.2-fpm.service": ("SCRIPT_FILENAME=/srv/index.php REQUEST_METHOD=GET cgi-fcgi -bind -connect "
                           "/run/php/php8.2-fpm.sock", "42"),
    "postgresql@15-main.service": ("runuser -u postgres -- psql -Atc 'select 6*7'", "^42"),
    "prometheus.service": ("curl -s http://127.0.0.1:9090/-/healthy", "Healthy"),
    # Without the collector that asks for org.freedesktop.systemd1, which here nobody has on the bus.
    "prometheus-node-exporter.service": ("curl -s 'http://127.0.0.1:9100/metrics?collect[]=loadavg' -g", "node_load1 "),
    "redis-server.service": ("redis-cli ping", "^PONG"),
    "rsyslog.service": ("logger compat-was-here; for i in 1 2 3 4 5 6 7 8 9; do grep -h compat-was-here "
                        "/var/log/syslog && break; sleep 0.3; done", "compat-was-here"),
    "ssh.service": ("ssh-keyscan -T 5 127.0.0.1 2>/dev/null", "ssh-ed25519"),
    "systemd-hostnamed.service": ("hostnamectl --static", "^compat"),
    "systemd-journald.service": ("logger compat-journal; journalctl --sync; journalctl -q -n 200 -o cat",
                                 "compat-journal"),
    "systemd-localed.service": ("localectl", "System Locale"),
    "systemd-logind.service": ("loginctl --no-legend list-seats; echo $?", "0"),
    "systemd-resolved.service": ("dig +short +timeout=2 @127.0.0.53 localhost", r"127\.0\.0\.1"),
    "systemd-timedated.service": ("timedatectl show -p Timezone", "Timezone="),
    "tor@default.service": ("printf '\\005\\001\\000' | nc -w 2 127.0.0.1 9050 | od -An -tx1", "05 00"),
    "unbound.service": ("dig +short +timeout=2 @127.0.0.1 localhost", r"127\.0\.0\.1"),
}

# Services of templates that are started as an instance.
INSTANCES = {
    "postgresql@.service": "postgresql@15-main.service", "tor@.service": "tor@default.service",
    "redis-server@.service": "", "ssh@.service": "", "php-fpm@.service": "",
}

# Their sockets get messages all the time, also about their stop.
WOKEN = ("rsyslog.service", "systemd-journald.service")

# What would end the world it is in, or wait for somebody at a terminal.
NOT_PLAYED = {
    "systemd-poweroff.service": "ends the machine", "systemd-reboot.service": "ends the machine",
    "systemd-halt.service": "ends the machine", "systemd-kexec.service": "ends the machine",
    "systemd-exit.service": "ends the manager", "systemd-suspend.service": "ends the machine",
    "systemd-hibernate.service": "ends the machine", "systemd-hybrid-sleep.service": "ends the machine",
    "systemd-suspend-then-hibernate.service": "ends the machine",
    "initrd-cleanup.service": "of the initial file system", "initrd-parse-etc.service": "of the initial file system",
    "initrd-switch-root.service": "of the initial file system",
    "initrd-udevadm-cleanup-db.service": "of the initial file system",
    "emergency.service": "a shell at the console", "rescue.service": "a shell at the console",
    "debug-shell.service": "a shell at the console", "console-getty.service": "a login at the console",
    "container-getty@.service": "a login at a terminal", "getty@.service": "a login at a terminal",
    "serial-getty@.service": "a login at a terminal",
}
# Started where the clock could be set; none of them is told a time to set it to.
CLOCK = ("chrony.service", "chrony-wait.service")
CAP_SYS_TIME = 25
STATES = ("ActiveState", "SubState", "Result", "ExecMainStatus", "ConditionResult", "LoadState", "ControlGroup")


def image(cache):
    """The root with everything installed, made once."""
    root = os.path.join(cache, "services-root")
    if os.path.isdir(root):
        return root
    if not shutil.which("mmdebstrap"):
        raise world.Trouble("mmdebstrap is not installed")
    new = root + ".new"
    shutil.rmtree(new, ignore_errors=True)
    command = ["mmdebstrap", "--mode=root", "--variant=apt", '--aptopt=APT::Install-Recommends "false"',
               "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
               "--dpkgopt=path-exclude=/usr/share/locale/*", "--include=" + ",".join(PACKAGES + CLIENTS),
               "bookworm", new]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    os.rename(new, root)
    return root


def owners(root):
    """{unit: package} of every .service file of the packages and of what came along with them."""
    found = {}
    lists = os.path.join(root, "var/lib/dpkg/info")
    for name in sorted(os.listdir(lists)):
        if not name.endswith(".list"):
            continue
        package = name[:-5].split(":")[0]
        if package not in HOLDERS:
            continue
        with open(os.path.join(lists, name)) as f:
            for line in f:
                match = re.fullmatch(r"(?:/usr)?/lib/systemd/system/([^/]+\.service)", line.strip())
                if match and not masked(root, match.group(1)):
                    found[match.group(1)] = package
    return found


def masked(root, unit):
    return os.path.realpath(os.path.join(root, "lib/systemd/system", unit)).endswith("/dev/null")


def to_play(root, only=None):
    """[(unit, package)] in the order of packages, and those left out with the reason."""
    played, left_out = [], []
    for unit, package in sorted(owners(root).items(), key=lambda item: (item[1], item[0])):
        if only and only not in unit:
            continue
        if unit in NOT_PLAYED:
            left_out.append((unit, package, NOT_PLAYED[unit]))
            continue
        if "@." in unit:
            unit = INSTANCES.get(unit, "")
        if unit and (unit, package) not in played:
            played.append((unit, package))
    return played, left_out


def state(one, unit):
    return one.show([unit], STATES)[unit]


def play_one(one, unit):
    """What became of one service, in words that both sides can be compared by."""
    one.run(["systemctl", "reset-failed", unit])
    code, _, err = one.run(["systemctl", "start", unit], timeout=PATIENCE)
    after = settled(one, unit)
    group = after["ControlGroup"]
    result = {"started": word(code, after), "ready": "%s/%s" % (after["ActiveState"], after["SubState"]),
              "detail": err.strip().split("\n")[0] if code else ""}
    if unit in QUESTIONS:
        question, wanted = QUESTIONS[unit]
        deadline = time.monotonic() + ANSWER
        while True:
            code, out, err = one.run(["sh", "-c", question], timeout=ANSWER)
            if re.search(wanted, out, re.M) or time.monotonic() > deadline:
                break
            one.run(["sleep", "0.5"])
        answered = bool(re.search(wanted, out, re.M))
        result["answers"] = "yes" if answered else "no"
        if not answered:
            result["detail"] += " answer: %r" % (out + err)[-300:]
    else:
        result["answers"] = "-"
    code = one.run(["systemctl", "stop", unit], timeout=PATIENCE)[0]
    end = state(one, unit)
    if unit in WOKEN:
        result["stopped"] = "yes, and woken again by its socket" if code == 0 else "exit %d" % code
        return result
    result["stopped"] = "%s%s/%s %s%s" % ("" if code == 0 else "exit %d, " % code, end["ActiveState"],
                                          end["SubState"], end.get("Result", ""), left_behind(one, group))
    return result


def settled(one, unit):
    """The state of a unit once it has been the same for a while: some fail soon after they were started."""
    seen, since, deadline = None, 0, time.monotonic() + 10
    while True:
        now = state(one, unit)
        if now != seen:
            seen, since = now, time.monotonic()
        if time.monotonic() - since > 1.5 or time.monotonic() > deadline:
            return seen
        one.run(["sleep", "0.2"])


def left_behind(one, group):
    """The names of processes that are still in the control group of a unit that was stopped."""
    if not group:
        return ""
    script = "for p in $(cat /sys/fs/cgroup%s/cgroup.procs 2>/dev/null); do cat /proc/$p/comm; done" % group
    names = one.run(["sh", "-c", script])[1].split()
    return ", left: " + " ".join(names) if names else ""


def word(code, after):
    if after["LoadState"] != "loaded":
        return after["LoadState"]
    if after.get("ConditionResult") == "no":
        return "condition"
    if code == 124:
        return "waits"
    if code:
        return "failed %s %s" % (after.get("Result", ""), after.get("ExecMainStatus", ""))
    return "yes"


class Root(world.World):
    """A world whose root is an image instead of the machine's."""

    def __init__(self, kind, root, daemon, clock=False):
        super().__init__(kind, dict(FILES), daemon=daemon, unit_path=UNIT_PATH)
        self.spec["root"] = root
        if clock:
            self.spec["keep"] = [CAP_SYS_TIME]


def play(kind, root, units, daemon, log=None):
    seen = {}
    for clock in (False, True):
        some = [unit for unit, _ in units if (unit in CLOCK) == clock]
        if some:
            play_some(kind, root, some, daemon, clock, seen, log)
    return seen


def play_some(kind, root, units, daemon, clock, seen, log):
    with Root(kind, root, daemon, clock) as one:
        for unit in units:
            seen[unit] = play_one(one, unit)
            print("%s %s %s" % (kind, unit, json.dumps(seen[unit])), flush=True)
        if log:
            with open("%s.%s" % (log, kind), "a") as f:
                f.write(one.run(["cat", "/run/manager.log"])[1])


def compare(cache, daemon, only=None, log=None):
    """[(unit, package, systemd, here)] and what was left out."""
    root = image(cache)
    units, left_out = to_play(root, only)
    theirs, ours = [play(kind, root, units, daemon, log) for kind in world.KINDS]
    return [(unit, package, theirs[unit], ours[unit]) for unit, package in units], left_out


def show(started, everything):
    rows, left_out = started
    for unit, package, theirs, ours in rows:
        row = (unit, package, theirs, ours)
        if everything or not is_fine(row):
            print("%s %s (%s)\n- systemd: %s\n- here:    %s" % (
                "equal" if same(row) else "DIFFERENT", unit, package, theirs, ours))
    print("%d services, %d equal, %d different on purpose, %d not played" % (
        len(rows), sum(map(same, rows)), sum(unit in REASONS for unit, *_ in rows), len(left_out)))


def is_fine(row):
    """Equal, or different for a reason that is known."""
    return same(row) != (row[0] in REASONS)


def text(rows, left_out):
    lines = ["# Services of Debian packages, started for real", "",
             "Written by `make services` (compat/README.md); not to be edited.", "",
             "Each service is started, asked something and stopped by Debian's `systemctl`, once under systemd 252 "
             "and once under dd-procmgrd, in the same kind of namespaces, with all its dependencies and its own "
             "unit files. What one side alone does stands as systemd's → ours.", "",
             "**%d services, %d equal**" % (len(rows), sum(map(same, rows))), "",
             "| service | package | started | ready | answers a request | stopped | |", "|---|---|---|---|---|---|---|"]
    for unit, package, theirs, ours in rows:
        cells = [theirs[name] if theirs[name] == ours[name] else "%s → %s" % (theirs[name], ours[name])
                 for name in COLUMNS]
        lines.append("| %s | %s | %s | %s |" % (unit, package, " | ".join(cells), REASONS.get(unit, "")))
    lines += ["", "`condition`: a condition of the unit does not hold there. `waits`: for something that never comes "
              "there, within %d s. `-`: there is nothing to ask." % PATIENCE, "", "Not played: " + "; ".join(
                  "%s (%s)" % (unit, reason) for unit, _, reason in left_out) + ".", ""]
    return "\n".join(lines)


# Why a service fares otherwise here.
REASONS = {
    "systemd-boot-check-no-failures.service": "asks for org.freedesktop.systemd1, which only systemd takes on a bus",
    "unbound-resolvconf.service": "asks for a service that the bus has org.freedesktop.systemd1 start",
    "systemd-timedated.service": "asks for org.freedesktop.systemd1, which only systemd takes on a bus",
}
COLUMNS = ("started", "ready", "answers", "stopped")


def same(row):
    return all(row[2][name] == row[3][name] for name in COLUMNS)
