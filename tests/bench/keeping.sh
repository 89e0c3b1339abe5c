#!/bin/bash
# What it costs that the daemon can be taken over: processor time of the daemon for each restart of
# a service that ends at once, beside 300 services that rest, with and without a keeper in turn; and
# how long the loop is held up by a picture of it all. PROGRAMS is where the programs are.
set -eu
programs=${PROGRAMS:-target/release}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
mkdir "$place/units"
printf '[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/true\nRestart=always\nRestartSec=1ms\n' \
	>"$place/units/ends.service"
wants="ends.service"
for number in $(seq 300); do
	printf '[Service]\nExecStart=/bin/sleep infinity\n' >"$place/units/rests$number.service"
	wants="$wants rests$number.service"
done
printf '[Unit]\nWants=%s\n' "$wants" >"$place/units/all.target"
client() { "$programs/dd-procmgr" --socket "$place/socket" "$@"; }
used() { awk '{print $14 + $15}' "/proc/$1/stat"; }
restarts() { client show ends.service -p NRestarts | cut -d= -f2; }
for keep in no keeper no keeper no keeper; do
	"$programs/dd-procmgrd" --log-level trace --keep-services "$keep" --socket "$place/socket" \
		--unit-path "$place/units" --runtime-dir "$place/state" all.target >"$place/log" 2>&1 &
	daemon=$!
	until client is-active --quiet all.target 2>/dev/null; do sleep 0.2; done
	sleep 2
	time=$(used $daemon) count=$(restarts)
	sleep 10
	time=$(($(used $daemon) - time)) count=$(($(restarts) - count))
	echo "$keep: $count restarts, $((time * 10000 / count)) us of the daemon's time each," \
		"$(awk '/VmRSS/ {print $2}' "/proc/$daemon/status") kB resident"
	if [ "$keep" = keeper ]; then
		client stop ends.service
		sleep 2
		grep -o 'a picture was made.*' "$place/log" | tail -n 3
		du -b "$place"/state/saved/state-*.json
	fi
	kill $daemon
	wait $daemon
done
