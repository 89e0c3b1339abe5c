#!/usr/bin/env bash
# Format, lints and documentation, each when its component is installed, and that the benchmark that is a
# package of its own still compiles.
set -euo pipefail
cd "$(dirname "$0")/../.."

if cargo fmt --version >/dev/null 2>&1; then
    cargo fmt --check
else
    echo "lint: rustfmt is not installed, formatting is not checked"
fi
if cargo clippy --version >/dev/null 2>&1; then
    cargo clippy --locked --all-targets -- -D warnings
    cargo clippy --locked --test sim -- -D warnings
else
    echo "lint: clippy is not installed, lints are not checked"
fi
# After clippy in the same place most crates are checked already.
cargo check --locked --quiet --benches --manifest-path tests/bench/pure/Cargo.toml --target-dir target
