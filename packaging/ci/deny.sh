#!/usr/bin/env bash
# Licences, doubles, sources and advisories of every crate (deny.toml). The tool is installed from crates.io
# into target/tools, once; the advisories come from github.com/RustSec:
#     deny.sh [CHECK...]
set -euo pipefail
cd "$(dirname "$0")/../.."
tools=$PWD/target/tools
[ -x "$tools/bin/cargo-deny" ] || cargo install --quiet --locked --root "$tools" cargo-deny@0.20.2
"$tools/bin/cargo-deny" check "$@"
