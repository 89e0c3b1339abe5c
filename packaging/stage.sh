#!/usr/bin/env bash
# Lays what is installed out below a directory, as packaging/files/list says:
#     stage.sh PROGRAMS ROOT
# PROGRAMS is where dd-procmgrd and dd-procmgr were built; ROOT is made anew. All times are that of
# the last commit (or SOURCE_DATE_EPOCH), so that the same sources give the same files.
set -euo pipefail
programs=$(cd "$1" && pwd)
root=$2
cd "$(dirname "$0")/.."

epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
generated=$(mktemp -d)
trap 'rm -rf "$generated"' EXIT
"$programs/dd-procmgr" completions bash >"$generated/dd-procmgr.bash"
"$programs/dd-procmgr" completions zsh >"$generated/_dd-procmgr"
"$programs/dd-procmgr" completions fish >"$generated/dd-procmgr.fish"

rm -rf "$root"
grep -v '^#' packaging/files/list | while read -r source target mode; do
    source=${source/#@/$programs}
    source=${source/#%/$generated}
    # Patterns are meant to be expanded.
    for file in $source; do
        [ -e "$file" ] || { echo "stage: there is no $file" >&2; exit 1; }
        case $target in
        */) place=$root/$target$(basename "$file") ;;
        *) place=$root/$target ;;
        esac
        install -D -m "$mode" "$file" "$place"
        case $target in
        usr/bin/*) strip "$place" ;;
        usr/share/man/*) gzip -9n "$place" ;;
        esac
    done
done
find "$root" -exec touch -h -d "@$epoch" {} +
