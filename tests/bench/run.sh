#!/usr/bin/env bash
# `make bench`: measures with the programs as they are released, all that there are budgets for; builds
# them first. Tables go into RESULTS.md beside this, numbers into target/bench.json. With `parts`: what
# has no budget instead (loading alone, slow stops, probes without an answer, keeping). With `pure`: the
# pure code alone, by criterion, which needs no root.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ "${1-}" = pure ]; then
	shift
	export CRITERION_HOME=$PWD/target/criterion
	exec cargo bench --locked --quiet --manifest-path tests/bench/pure/Cargo.toml --target-dir target/pure "$@"
fi
cargo build --locked --quiet --release --bins
if [ "${1-}" = parts ]; then
	for bench in loading slow_stops probe_storm; do
		cargo bench --locked --quiet --bench "$bench"
		echo
	done
	exec tests/bench/keeping.sh
fi
exec tests/bench/bench.py "$@"
