#!/usr/bin/env bash
# Lays the root of the container image out: the programs, the libraries they are linked to, and the places they
# use, nothing else. Units and agents are added by whoever builds on it.
#     image.sh PROGRAMS ROOT
set -euo pipefail
programs=$1
root=$2

rm -rf "$root"
mkdir -p "$root"/{proc,sys,dev,run,tmp,usr/bin,usr/lib/dd-procmgr/units,etc/datadog-agent/process-manager/units}
chmod 1777 "$root/tmp"
for program in dd-procmgrd dd-procmgr; do
    install -m 755 "$programs/$program" "$root/usr/bin/$program"
    strip "$root/usr/bin/$program"
    # Of a static program ldd names nothing.
    { ldd "$programs/$program" || true; } | grep -o '/[^ ]*' | while read -r library; do
        [ -e "$root$library" ] || install -D -m 755 "$library" "$root$library"
    done
done
printf 'root:x:0:0::/:/bin/false\ndd-agent:x:1000:1000::/tmp:/bin/false\n' >"$root/etc/passwd"
printf 'root:x:0:\ndd-agent:x:1000:\n' >"$root/etc/group"
