#!/bin/bash
# A service that writes SIZE megabytes of log (2048 if it is not given) as fast as it can: whether all
# lines arrive, time and processor time for it, how the daemon's memory grows, and what a restart of
# another service costs meanwhile; the same lines through svlogd, where that is installed. PROGRAMS is
# where the programs are. Takes three times the size on the disk.
set -eu
programs=${PROGRAMS:-target/release}
size=${SIZE:-2048}
place=$(mktemp -d -p "${PLACE:-/tmp}")
trap 'rm -rf "$place"' EXIT
mkdir "$place/units"
# 32 MB of numbered lines of 100 bytes, over and over.
awk 'BEGIN { for (n = 0; n < 335544; n++) printf "%09d %s\n", n, "a line of log as services write them, with some words in it, a number and a reason for it all" }' |
	cut -c1-99 >"$place/lines"
rounds=$((size / 32))
printf '#!/bin/sh\nfor n in $(seq %d); do cat %s; done\n' "$rounds" "$place/lines" >"$place/flood"
chmod +x "$place/flood"
printf '[Service]\nType=oneshot\nExecStart=%s\n' "$place/flood" >"$place/units/flood.service"
printf '[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sleep infinity\n' >"$place/units/other.service"
client() { "$programs/dd-procmgr" --socket "$place/socket" "$@"; }
used() { awk '{print ($14 + $15) * 10}' "/proc/$1/stat"; }
# Median and longest of 60 restarts, in milliseconds.
restarts() {
	for _ in $(seq 60); do
		local begin end
		begin=$(date +%s%N)
		client restart other.service
		end=$(date +%s%N)
		echo $(((end - begin) / 10000))
	done | sort -n | awk '{ all[NR] = $1 } END { printf "%.2f ms median, %.2f ms longest", all[int((NR + 1) / 2)] / 100, all[NR] / 100 }'
}
lines=$((rounds * 335544))
# What the writer needs alone.
begin=$(date +%s%N)
"$place/flood" | cat >"$place/copy"
echo "into a file through a pipe: $((($(date +%s%N) - begin) / 1000000)) ms"
wanted=$(cksum <"$place/copy")
rm "$place/copy"
"$programs/dd-procmgrd" --keep-services "${KEEP:-no}" --socket "$place/socket" --unit-path "$place/units" \
	--runtime-dir "$place/state" --state-dir "$place/lasting" other.service 2>"$place/log" &
daemon=$!
until client is-active --quiet other.service 2>/dev/null; do sleep 0.2; done
client start other.service
echo "restart of another service, quiet: $(restarts)"
memory=$(awk '/VmRSS/ {print $2}' "/proc/$daemon/status")
cpu=$(used $daemon) begin=$(date +%s%N)
client start flood.service
time=$((($(date +%s%N) - begin) / 1000000)) cpu=$(($(used $daemon) - cpu))
most=$(awk '/VmHWM/ {print $2}' "/proc/$daemon/status")
echo "dd-procmgrd: $lines lines in $time ms, $((lines / time)) lines a ms," \
	"$((cpu * 1000000 / lines)) ns of processor time a line, memory +$((most - memory)) kB"
got=$(sed -n 's/^[^ ]* info  flood\.service\[[0-9]*\]: //p' "$place/log" | cksum)
if [ "$got" = "$wanted" ]; then echo "all lines are there, in order"; else echo "LINES ARE MISSING: $got, not $wanted"; fi
du -sm "$place/lasting/log" | awk '{print "the log on the disk: " $1 " MB"}'
: >"$place/log"
client start --no-block flood.service
echo "restart of another service beside the flood: $(restarts)"
client is-active flood.service || true
kill $daemon
wait $daemon || true
if command -v svlogd >/dev/null; then
	mkdir "$place/svlogd"
	printf 's100000000\nn100\n' >"$place/svlogd/config"
	mkfifo "$place/pipe"
	svlogd -tt "$place/svlogd" <"$place/pipe" 2>/dev/null &
	other=$!
	begin=$(date +%s%N)
	{ "$place/flood"; used $other >"$place/used"; } >"$place/pipe"
	time=$((($(date +%s%N) - begin) / 1000000))
	wait $other || true
	echo "svlogd -tt: $lines lines in $time ms, $((lines / time)) lines a ms," \
		"$(($(cat "$place/used") * 1000000 / lines)) ns of processor time a line"
fi
journald=/lib/systemd/systemd-journald
if [ -x $journald ] && [ "$(id -u)" = 0 ]; then
	mkdir -p "$place/journald/journal"
	printf '[Journal]\nStorage=persistent\nRateLimitIntervalSec=0\nReadKMsg=no\nAudit=no\nForwardToSyslog=no\nForwardToWall=no\n' \
		>"$place/journald.conf"
	# shellcheck disable=SC2016
	unshare --mount --pid --fork --mount-proc --kill-child sh -eu -c '
		place=$1 journald=$2 lines=335544
		mount -t tmpfs none /run
		mkdir -p /run/systemd/journal
		mount --bind "$place/journald" /var/log
		mount --bind "$place/journald.conf" /etc/systemd/journald.conf
		$journald &
		until [ -S /run/systemd/journal/stdout ]; do sleep 0.1; done
		journalctl --flush
		begin=$(date +%s%N)
		systemd-cat -t flood cat "$place/lines"
		journalctl --sync
		time=$((($(date +%s%N) - begin) / 1000000))
		cpu=$(awk "{print (\$14 + \$15) * 10}" /proc/$!/stat)
		got=$(journalctl -D /var/log/journal -t flood -o cat | wc -l)
		[ "$got" = $lines ] || { echo "journald has $got lines of $lines"; exit 1; }
		echo "journald: $lines lines in $time ms, $((lines / time)) lines a ms," \
			"$((cpu * 1000000 / lines)) ns of processor time a line"' sh "$place" $journald
fi
