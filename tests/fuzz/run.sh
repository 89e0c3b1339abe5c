#!/usr/bin/env bash
# Runs the fuzz targets one after the other, 600 seconds each, and stops at the first finding:
# the input that shows it then lies in $DD_PM_FUZZ_DIR/artifacts.
#   tests/fuzz/run.sh [TARGET ...]
# DD_PM_FUZZ_SECONDS=n  how long each runs
# DD_PM_FUZZ_DIR=DIR    what is built and found, kept from run to run; outside the sources
set -euo pipefail
cd "$(dirname "$0")"

seconds=${DD_PM_FUZZ_SECONDS:-600}
work=${DD_PM_FUZZ_DIR:-${TMPDIR:-/tmp}/dd-procmgr-fuzz}
targets=("$@")
[ $# -gt 0 ] || targets=(unit_files command_lines values)

cargo fuzz --version >/dev/null 2>&1 || {
    echo "fuzz: cargo-fuzz is not installed: cargo install --locked cargo-fuzz" >&2
    exit 2
}

# No sanitizer: what is fuzzed has no unsafe code. So a stable toolchain will do, and more is tried
# in the same time.
export CARGO_TARGET_DIR="$work/target"
cargo fuzz build --fuzz-dir . --sanitizer none
cargo run --quiet --example seeds -- "$work/seeds"

host=$(rustc -vV | sed -n 's/^host: //p')
for target in "${targets[@]}"; do
    mkdir -p "$work/corpus/$target" "$work/artifacts/$target" "$work/seeds/$target"
    echo "fuzz: $target for $seconds s"
    # Much slower than linear shows as a timeout, much larger as a lack of memory.
    "$work/target/$host/release/$target" \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=16384 \
        -dict="$work/seeds/dictionary" -artifact_prefix="$work/artifacts/$target/" \
        -print_final_stats=1 -verbosity=0 \
        "$work/corpus/$target" "$work/seeds/$target" "seeds/$target"
    echo "fuzz: $target found nothing in $seconds s"
done
