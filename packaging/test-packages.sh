#!/usr/bin/env bash
# The packages in a fresh Debian 12, in namespaces of its own without a network: installed, run, upgraded with
# services that do not notice, removed, purged with nothing left. The .rpm is put there by rpm from outside,
# which knows nothing of what is there. Root, mmdebstrap, rpm.
#     test-packages.sh [PROFILE [KIND...]]
# PROFILE is cargo's (dev); the kinds are deb and rpm. The Debian is kept in target/packages/debian.tar;
# DD_PM_BUILT=1 takes the packages that are there.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "${1:-}" = --inside ]; then
    inside=yes
else
    inside=
fi

say() { echo "test-packages: $*"; }
fail() { echo "test-packages: FAILED: $*" >&2; exit 1; }

# --- Outside: two versions of the package, and a Debian to put them into.
if [ -z "$inside" ]; then
    [ "$(id -u)" = 0 ] || fail "only root can make a Debian"
    profile=${1:-dev}
    [ $# -eq 0 ] || shift
    out=$PWD/target/packages
    if [ -z "${DD_PM_BUILT:-}" ]; then
        rm -f "$out"/*.deb "$out"/*.rpm
        packaging/build.sh "$profile" 0.1.0~1 >/dev/null
        packaging/build.sh "$profile" 0.1.0 >/dev/null
    fi
    [ -e "$out/debian.tar" ] || mmdebstrap --quiet --variant=minbase bookworm "$out/debian.tar"
    for kind in "${@:-deb rpm}"; do
        for one in $kind; do
            place=$(mktemp -d /tmp/test-packages.XXXXXX)
            trap 'rm -rf --one-file-system "$place"' EXIT
            say "the .$one"
            unshare --mount --pid --fork --kill-child --net --uts --ipc --propagation private \
                "$0" --inside "$place" "$out" "$one"
            rm -rf --one-file-system "$place"
        done
    done
    say "all is as it should be"
    exit
fi

# --- Inside: this is process 1 of its own namespaces.
place=$2 out=$3 kind=$4
root=$place/root
mkdir "$root"
mount -t tmpfs none "$root"
tar -C "$root" -xf "$out/debian.tar"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount --rbind /dev "$root/dev"
cp "$out"/dd-procmgr[_-]*."$kind" "$root/tmp"
arch=$(uname -m)
case $kind in
deb) old=dd-procmgr_0.1.0~1_$(dpkg --print-architecture).deb new=dd-procmgr_0.1.0_$(dpkg --print-architecture).deb ;;
rpm) old=dd-procmgr-0.1.0~1-1.$arch.rpm new=dd-procmgr-0.1.0-1.$arch.rpm ;;
esac

here() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive "$@"; }
# rpm has no record of what Debian has installed.
with_rpm() { rpm --root "$root" --dbpath /var/lib/rpm --nodeps "$@"; }
tried() { "$@" >"$place/apt.log" 2>&1 || { cat "$place/apt.log"; fail "$*"; }; }
install() {
    case $kind in
    deb) tried here apt-get -qq install -y --no-install-recommends "/tmp/$1" ;;
    rpm) tried with_rpm -U "$root/tmp/$1" ;;
    esac
}
remove() {
    case $kind in
    deb) tried here apt-get -qq remove -y dd-procmgr ;;
    rpm) tried with_rpm -e dd-procmgr ;;
    esac
}
# An .rpm leaves its user, as is usual there, what was changed and made by hand, and the log. Directories of
# others it makes where they are not there, as they would be on a system of that kind.
purge() {
    case $kind in
    deb) tried here apt-get -qq purge -y dd-procmgr ;;
    rpm)
        rm "$root/etc/datadog-agent/process-manager.conf.rpmsave"
        rm -r "$root/etc/datadog-agent/process-manager" "$root/var/lib/datadog/process-manager"
        rmdir "$root/etc/datadog-agent" "$root/var/lib/datadog"
        (cd "$root/usr" && rmdir -p lib/sysusers.d share/dbus-1/system.d share/fish/vendor_completions.d \
            share/zsh/vendor-completions lib/systemd/system lib/tmpfiles.d 2>/dev/null || true)
        here userdel dd-agent
        ;;
    esac
}
# Everything but what apt and dpkg keep for themselves; users with what is known of them.
picture() {
    (cd "$root" && find . -xdev \( -path ./tmp -o -path ./proc -o -path ./var/log -o -path ./var/cache \
        -o -path ./var/lib/apt -o -path ./var/lib/dpkg -o -path ./var/lib/rpm -o -name '*-' -path './etc/*' \) -prune -o -print | sort)
    cat "$root/etc/passwd" "$root/etc/group"
}
# Until a command succeeds, for ten seconds.
until_ok() {
    local end=$((SECONDS + 10))
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || fail "waited in vain for: $*"
        sleep 0.05
    done
}
pid_of() { here dd-procmgr show -p MainPID --value "$1"; }
running() { [ "$(here dd-procmgr is-active "$1")" = active ]; }
# By what they execute; the small process that holds descriptors has an argument.
daemons() {
    local process
    for process in "$root"/proc/[0-9]*; do
        case $(tr '\0' ' ' <"$process/cmdline" 2>/dev/null || true) in
        dd-procmgrd\ * | /usr/bin/dd-procmgrd\ *) echo "${process##*/}" ;;
        esac
    done
}

picture >"$place/before"

say "install: $arch, nothing is started"
install "$old"
[ -z "$(daemons)" ] || fail "the installation started a daemon"
here getent passwd dd-agent >/dev/null || fail "there is no user dd-agent"
here dd-procmgrd --version
here test -s /usr/share/man/man8/dd-procmgrd.8.gz || fail "there is no manual"
here bash -n /usr/share/bash-completion/completions/dd-procmgr || fail "completions"
here dd-procmgr verify datadog-agent.service apm.socket 2>&1 | grep -qv error || fail "verify"

say "run: two services of one's own, one of them enabled"
units=$root/etc/datadog-agent/process-manager/units
mkdir -p "$units"
printf '[Service]\nUser=dd-agent\nExecStart=/bin/sleep 1000\nRestart=always\nRestartSec=0\n[Install]\nWantedBy=multi-user.target\n' >"$units/first.service"
printf '[Service]\nType=exec\nExecStart=/bin/sh -c "while :; do sleep 1000; done"\n' >"$units/second.service"
here dd-procmgr -q enable first.service
here dd-procmgrd >"$place/daemon.log" 2>&1 &
until_ok running first.service
here dd-procmgr start second.service
first=$(pid_of first.service) second=$(pid_of second.service) daemon=$(daemons | sed -n 1p)
[ "$(here stat -c %U "/proc/$first")" = dd-agent ] || fail "not as dd-agent"
echo "LogLevel=debug" >>"$root/etc/datadog-agent/process-manager.conf"

say "upgrade with services running"
install "$new"
grep 'runs the new program' "$place/apt.log" || fail "it was not executed anew: $(cat "$place/apt.log")"
[ "$(pid_of first.service) $(pid_of second.service)" = "$first $second" ] || fail "services have other processes"
[ -e "/proc/$daemon/exe" ] || [ -e "$root/proc/$daemon/exe" ] || fail "the daemon is gone"
here test "/proc/$daemon/exe" -ef /usr/bin/dd-procmgrd || fail "the daemon runs the old program"
tail -1 "$root/etc/datadog-agent/process-manager.conf" | grep -q LogLevel=debug || fail "changed settings are gone"
kill -KILL "$first"
until_ok sh -c "[ -n \"\$(chroot '$root' dd-procmgr show -p NRestarts first | grep =1)\" ]"
until_ok running first.service
first=$(pid_of first.service)

say "remove"
remove
[ ! -e "$root/usr/bin/dd-procmgrd" ] || fail "the program is there"
[ -z "$(daemons)" ] || fail "a daemon is left"
for pid in $first $second; do
    [ ! -e "$root/proc/$pid" ] || fail "a service is left"
done
[ -e "$units/first.service" ] || fail "units of one's own went with the package"

say "purge"
purge
picture >"$place/after"
diff "$place/before" "$place/after" || fail "this is left, or missing"

say "install and purge with the user there before"
here useradd --system dd-agent
install "$new"
case $kind in
deb) purge ;;
rpm) remove ;;
esac
here getent passwd dd-agent >/dev/null || fail "the user was not ours to remove"
