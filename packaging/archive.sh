#!/usr/bin/env bash
# The installed files as one archive, the same bytes for the same sources and compiler:
#     archive.sh [PROFILE]
# Writes target/packages/dd-procmgr-VERSION-ARCH.tar.gz, its sum, and what it is made of (a list of all crates with
# versions and sums, sbom.json).
set -euo pipefail
cd "$(dirname "$0")/.."
profile=${1:-release}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
# No path of this machine in the programs.
export RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$PWD=. --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo"
CARGO_TARGET_DIR=target/archive cargo build --locked --profile "$profile" --bins
programs=target/archive/$profile
[ "$profile" != dev ] || programs=target/archive/debug

out=target/packages
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | sed -n 1p)
name=dd-procmgr-$version-$(uname -m)
mkdir -p "$out"
packaging/stage.sh "$programs" "$out/$name"
packaging/sbom.py Cargo.lock "$version" >"$out/$name/usr/share/doc/dd-procmgr/sbom.json"
touch -d "@$SOURCE_DATE_EPOCH" "$out/$name/usr/share/doc/dd-procmgr" "$out/$name/usr/share/doc/dd-procmgr/sbom.json"
tar -C "$out" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf - "$name" |
    gzip -9n >"$out/$name.tar.gz"
(cd "$out" && sha256sum "$name.tar.gz" | tee "$name.tar.gz.sha256")
