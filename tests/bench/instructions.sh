#!/bin/bash
# Instructions of the daemon for one request and for one restart of a service that was killed, and of a
# whole is-active, by callgrind: they are the same on a busy machine. PROGRAMS is where the programs are,
# UNITS how many services are loaded.
set -eu
cd "$(dirname "$0")/../.."
programs=${PROGRAMS:-target/release} units=${UNITS:-2000}
place=$(mktemp -d)
trap 'kill -9 "$daemon" 2>/dev/null || true; rm -rf "$place"' EXIT
mkdir "$place/units"
names=
for number in $(seq -f %05g 0 $((units - 1))); do
	printf '[Unit]\nDefaultDependencies=no\nDescription=Worker %s\n[Service]\nExecStart=/bin/sleep 100000\n' \
		"$number" >"$place/units/w$number.service"
	names="$names w$number.service"
done
printf '[Unit]\nDefaultDependencies=no\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sleep 100001\nRestart=always\nRestartSec=0\n' \
	>"$place/units/crash.service"
printf '[Unit]\nDefaultDependencies=no\nAfter=%s\n' "$names" >"$place/units/keep.target"
python3 -c "import sys; sys.path[:0] = ['tests/bench', 'compat']; import control; print(control.ASK, end='')" >"$place/ask"
socket=$place/socket
valgrind -q --tool=callgrind --callgrind-out-file="$place/out" "$programs/dd-procmgrd" --socket "$socket" \
	--unit-path "$place/units" --runtime-dir "$place/state" --state-dir "$place/lasting" --mode container --keep-services no keep.target crash.service \
	>"$place/log" 2>&1 &
daemon=$!
until "$programs/dd-procmgr" --socket "$socket" is-active --quiet keep.target 2>/dev/null; do sleep 0.2; done
number=0
for what in "get 500" "getall 100" "list 4"; do
	count=${what#* }
	python3 -S "$place/ask" "${what% *}" 20 "$socket" >/dev/null
	callgrind_control -z "$daemon" >/dev/null 2>&1
	# shellcheck disable=SC2086
	python3 -S "$place/ask" $what "$socket" >/dev/null
	callgrind_control -d "$daemon" >/dev/null 2>&1
	number=$((number + 1))
	echo "${what% *}: $(($(awk '/^summary/ {print $2}' "$place/out.$number") / count))"
done
# Whose main process it is, without asking the daemon.
crashing() { pgrep -P "$daemon" -f '^/bin/sleep 100001$' || true; }
restarts=50
until [ -n "$(crashing)" ]; do sleep 0.1; done
callgrind_control -z "$daemon" >/dev/null 2>&1
for _ in $(seq $restarts); do
	before=$(crashing)
	kill -9 "$before"
	until now=$(crashing) && [ -n "$now" ] && [ "$now" != "$before" ]; do sleep 0.02; done
done
sleep 0.3
callgrind_control -d "$daemon" >/dev/null 2>&1
number=$((number + 1))
echo "restart: $(($(awk '/^summary/ {print $2}' "$place/out.$number") / restarts))"
valgrind --tool=callgrind --callgrind-out-file="$place/client" "$programs/dd-procmgr" --socket "$socket" \
	is-active keep.target 2>&1 | awk '/Collected/ {print "is-active, whole process:", $4}'
