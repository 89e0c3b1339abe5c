#!/bin/bash
# A throw-away machine with systemd and all controllers on pure cgroup v2, for `make vm`:
#     run.sh [PART...]
# Parts, all of them if none is named:
#   limits  tests/limits.rs
#   same    what systemd and dd-procmgrd make of the same settings (same.sh)
#   below   dd-procmgrd as a service of the machine's systemd, killed, stopped, and so on (below.sh)
#   packages  the .deb: installed, started, upgraded, removed, purged (packages.sh)
# Needs root, and from apt: qemu-system-x86 mmdebstrap e2fsprogs. The processor is emulated, which
# takes about twenty minutes; DD_PM_VM_ACCEL=kvm is faster where it works.
#
#   DD_PM_VM_DIR   where image and kernel are kept (default /tmp/dd-procmgr-vm)
#   DD_PM_VM_QEMU  the emulator (default qemu-system-x86_64; may have arguments)
#   DD_PM_VM_LIMIT seconds until it is ended (default 3600)
#   DD_PM_CORPUS   the Datadog Agent's own units, for the part `below` (looked for beside the checkout)
#   DD_PM_BUILT    if set, the packages that were built last are taken
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
directory=${DD_PM_VM_DIR:-/tmp/dd-procmgr-vm}
read -ra qemu <<<"${DD_PM_VM_QEMU:-qemu-system-x86_64}"
limit=${DD_PM_VM_LIMIT:-3600}
parts=("$@")
[ $# -gt 0 ] || parts=(limits same below packages)
mkdir -p "$directory"

for program in "${qemu[0]}" mke2fs python3; do
    command -v "$program" >/dev/null || { echo "$0: $program is not installed" >&2; exit 2; }
done

make_image() {
    command -v mmdebstrap >/dev/null || { echo "$0: mmdebstrap is not installed" >&2; exit 2; }
    rm -rf "$directory/tree"
    # The kernel of clouds has the drivers of emulated machines.
    mmdebstrap --mode=root --variant=minbase --aptopt='APT::Install-Recommends "false"' \
        --include=systemd,systemd-sysv,dbus,procps,linux-image-cloud-amd64,initramfs-tools \
        bookworm "$directory/tree"
    cp -L "$directory"/tree/vmlinuz "$directory/kernel"
    cp -L "$directory"/tree/initrd.img "$directory/initrd"
    rm -rf "$directory"/tree/boot/* "$directory"/tree/usr/share/{doc,man,locale}
    cat >"$directory/tree/etc/systemd/system/tests.service" <<'UNIT'
[Unit]
After=basic.target dbus.socket
[Service]
Type=oneshot
Delegate=yes
StandardOutput=file:/dev/ttyS0
StandardError=inherit
TimeoutStartSec=infinity
ExecStart=/bin/bash -c 'tar xf /dev/vdb -C / && exec bash /vm/inside.sh'
ExecStopPost=/bin/systemctl poweroff --force --force
UNIT
    printf '[Unit]\nWants=tests.service dbus.socket\nAfter=tests.service\n' \
        >"$directory/tree/etc/systemd/system/tests.target"
    echo vm >"$directory/tree/etc/hostname"
    : >"$directory/tree/etc/fstab"
    # So that swap can be limited; not of zeros, which the image would have as a hole.
    dd if=/dev/urandom of="$directory/tree/swap" bs=1M count=64 status=none
    chmod 600 "$directory/tree/swap"
    mkswap -q "$directory/tree/swap"
    mke2fs -q -t ext4 -O ^has_journal -d "$directory/tree" "$directory/image.new" 1500M
    rm -rf "$directory/tree"
    mv "$directory/image.new" "$directory/image"
}
[ -e "$directory/image" ] || make_image

# The programs at the places where the tests look for them.
cd "$root"
cargo build --locked --bins --examples
tests=$(cargo test --locked --no-run --test limits --message-format=json 2>/dev/null |
    python3 -c 'import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable") and message["target"]["name"] == "limits":
        print(message["executable"])')
load=$directory/load
rm -rf "$load"
mkdir -p "$load/vm"
put() { # FILE PLACE
    install -D -m 755 "$(realpath "$1")" "$load$2"
    strip --strip-debug "$load$2"
}
for program in "$tests" target/debug/dd-procmgrd target/debug/dd-procmgr \
    target/debug/examples/stand-in-agent target/debug/examples/sandbox-probe; do
    put "$program" "$(realpath "$program")"
done
# As on a host, for the part `below`.
for program in dd-procmgrd dd-procmgr examples/stand-in-agent; do
    put "target/debug/$program" "/usr/bin/${program##*/}"
done
put target/debug/dd-procmgrd /opt/datadog-packages/datadog-agent/experiment/bin/dd-procmgrd
mkdir -p "$load/vm/systemd" "$load/vm/units"
cp -r packaging/systemd/datadog-agent* "$load/vm/systemd/"
cp units/quickstart/*.service "$here"/units/* "$load/vm/units/"
# The Datadog Agent's own units are not part of the project: where they are beside the checkout.
for corpus in ${DD_PM_CORPUS:+"$DD_PM_CORPUS"} "$root"/../*/corpus/datadog "$root"/../../*/corpus/datadog; do
    if [ -d "$corpus/sd-debrpm" ]; then
        mkdir "$load/vm/corpus"
        cp "$corpus"/sd-debrpm/datadog-agent*.{service,socket} "$load/vm/corpus/"
        break
    fi
done
cp "$here"/{inside,checks,same,below,packages}.sh "$load/vm/"
if [[ " ${parts[*]} " == *" packages "* ]]; then
    if [ -z "${DD_PM_BUILT:-}" ]; then
        rm -f target/packages/*.deb
        for version in 0.1.0~1 0.1.0; do packaging/build.sh dev $version >/dev/null; done
    fi
    mkdir "$load/vm/packages"
    cp target/packages/*.deb "$load/vm/packages/"
fi
printf 'root=%q\ntests=%q\nparts=(%s)\n' "$(pwd -P)" "$tests" "${parts[*]}" >"$load/vm/places"
tar cf "$directory/load.tar" -C "$load" .
truncate -s %512 "$directory/load.tar"

accel=${DD_PM_VM_ACCEL:-tcg}
console=$directory/console
rm -f "$console"
timeout "$limit" "${qemu[@]}" -M "q35,accel=$accel" -cpu max -smp 2 -m 1024 \
    -nodefaults -no-user-config -nographic -no-reboot \
    -kernel "$directory/kernel" -initrd "$directory/initrd" \
    -append "root=/dev/vda rw console=ttyS0 quiet panic=-1 systemd.unit=tests.target mitigations=off" \
    -drive "file=$directory/image,format=raw,if=virtio,snapshot=on" \
    -drive "file=$directory/load.tar,format=raw,if=virtio,readonly=on" \
    -serial "file:$console" </dev/null || true
tr -d '\r' <"$console" | sed -n '/^TESTS BEGIN/,/^TESTS END/p'
tr -d '\r' <"$console" | grep -q '^TESTS END 0$'
