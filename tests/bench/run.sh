#!/usr/bin/env bash
# Measures with the programs as they are released; builds them first. Results, with the machine
# they are from, are kept in RESULTS.md beside this.
set -euo pipefail
cd "$(dirname "$0")/../.."
model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)
echo "$(uname -sr), $(nproc) x ${model:-$(uname -m)}, load $(cut -d' ' -f1 /proc/loadavg)"
cargo build --locked --quiet --release --bins
cargo bench --locked --quiet --bench loading
echo
cargo bench --locked --quiet --bench slow_stops
echo
cargo bench --locked --quiet --bench probe_storm
echo
tests/bench/keeping.sh
echo
tests/bench/activation.py
echo
tests/bench/control.py
echo
tests/bench/logs.sh
