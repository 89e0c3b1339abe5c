#!/usr/bin/env bash
# What the daemon touches from its last look at the kernel to the clone of a service that a socket starts:
# instructions, and cache lines and pages of code and data, which is what a start costs after a rest, when
# none of it is in a cache any more. Then the functions with the most lines of code. By valgrind, so the
# same on a busy machine.
#
# PROGRAMS is where the programs are; dd-procmgrd needs its symbols (CARGO_PROFILE_RELEASE_STRIP=false).
set -euo pipefail
cd "$(dirname "$0")"
programs=$(realpath "${PROGRAMS:-../../target/release}")
place=$(mktemp -d)
daemon=
trap 'kill -9 $daemon 2>/dev/null || true; rm -rf "$place"' EXIT
cc -O2 -o "$place/lines" lines.c
cc -O2 -static -o "$place/activation" activation.c
mkdir "$place/units"
for target in sysinit basic sockets shutdown; do
	printf '[Unit]\nDefaultDependencies=no\n' >"$place/units/$target.target"
done
printf '[Socket]\nListenStream=%s\nTriggerLimitIntervalSec=0\n' "$place/one" >"$place/units/one.socket"
printf '[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=%s one\n' "$place/activation" >"$place/units/one.service"
# Where valgrind puts a program that may lie anywhere.
base=0x108000
symbols=$(nm -C "$programs/dd-procmgrd" | sort)
at() {
	local found
	found=$(awk -v name="$1" 'substr($0, 20) == name {print $1; exit}' <<<"$symbols")
	[ -n "$found" ] || { echo "$programs/dd-procmgrd has no symbol $1" >&2; exit 1; }
	printf '%x' $((0x$found + base))
}
from=$(at tokio::runtime::io::driver::Driver::turn) to=$(at procmgr::sys::start::start_with)
socket=$place/socket
env -i PATH="$PATH" LANG=C setarch -R valgrind -q --tool=lackey --trace-mem=yes --log-fd=9 "$programs/dd-procmgrd" \
	--socket "$socket" --unit-path "$place/units" --runtime-dir "$place/state" --state-dir "$place/lasting" \
	--mode container --keep-services no one.socket >"$place/log" 2>&1 \
	9> >("$place/lines" "$from" "$to" 3 "$place/touched" >"$place/counts") &
daemon=$!
ask() { "$programs/dd-procmgr" --socket "$socket" is-active --quiet "$1" 2>/dev/null; }
until ask one.socket; do sleep 0.5; done
for _ in 1 2 3 4; do
	"$place/activation" first "$place/one" >/dev/null
	while ask one.service; do sleep 0.5; done
done
until [ "$(wc -l <"$place/counts")" -ge 2 ]; do sleep 0.5; done
tail -n 1 "$place/counts"
python3 - "$place/touched" "$base" 3<<<"$symbols" <<'PYTHON'
import bisect, collections, os, sys
base = int(sys.argv[2], 16)
symbols = [line.split(" ", 2) for line in os.fdopen(3)]
symbols = [(int(at, 16) + base, name.strip()) for at, kind, name in symbols if at and kind in "tTwW"]
begins = [at for at, _ in symbols]
lines = collections.Counter()
for line in open(sys.argv[1]):
    kind, _, by = line.split()
    if kind == "0":
        place = bisect.bisect_right(begins, int(by, 16)) - 1
        known = place >= 0 and int(by, 16) < begins[-1] + 4096
        lines[symbols[place][1] if known else "libraries"] += 1
for name, count in lines.most_common(30):
    print("%5d %s" % (count, name[:110]))
PYTHON
