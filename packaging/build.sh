#!/usr/bin/env bash
# Builds the packages into target/packages:
#     build.sh [PROFILE [VERSION]]
# PROFILE is cargo's (release); VERSION that of the packages, if it is not the one of Cargo.toml. The
# two tools are installed from crates.io into target/tools, once.
set -euo pipefail
cd "$(dirname "$0")/.."
profile=${1:-release}
version=${2:-}

tools=$PWD/target/tools
for tool in cargo-deb@3.8.0 cargo-generate-rpm@0.21.1; do
    [ -x "$tools/bin/${tool%@*}" ] || cargo install --quiet --locked --root "$tools" "$tool"
done
PATH=$tools/bin:$PATH

cargo build --locked --profile "$profile" --bins
case $profile in
dev) programs=target/debug ;;
*) programs=target/$profile ;;
esac
out=target/packages
mkdir -p "$out"
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
packaging/stage.sh "$programs" "$out/root"

cargo deb --no-build --no-strip --quiet ${version:+--deb-version "$version"} --output "$out/"
# In rpm's versions a tilde sorts first, too.
cargo generate-rpm --output "$out/" --source-date "$SOURCE_DATE_EPOCH" \
    ${version:+--set-metadata "version = \"$version\""}
ls -l "$out"/*.deb "$out"/*.rpm
