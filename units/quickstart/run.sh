#!/usr/bin/env bash
# Runs the quickstart set in the foreground, as any user, in a directory of its own:
#     run.sh [PROGRAMS]
# PROGRAMS is a directory with dd-procmgrd, dd-procmgr and stand-in-agent; without it they are
# built. Ctrl-C stops everything; nothing is left behind.
set -euo pipefail

# Ctrl-C asks the daemon to end, as soon as there is one.
pid='' stopping='' interrupted=''
stop() {
    [ -n "$stopping" ] || echo "run: stopping"
    stopping=yes interrupted=yes
    [ -z "$pid" ] || kill -TERM "$pid" 2>/dev/null
}
trap stop INT TERM HUP

units=$(cd "$(dirname "$0")" && pwd)
services=(quickstart-sysprobe quickstart-core quickstart-trace quickstart-process quickstart-security)

if [ $# -gt 0 ]; then
    daemon=$1/dd-procmgrd client=$1/dd-procmgr agents=$1
else
    (cd "$units/../.." && cargo build --locked --bins --example stand-in-agent)
    target=${CARGO_TARGET_DIR:-$units/../../target}
    target=$(cd "$target/debug" && pwd)
    daemon=$target/dd-procmgrd client=$target/dd-procmgr agents=$target/examples
fi

place=$(mktemp -d "${TMPDIR:-/tmp}/quickstart.XXXXXX")
trap 'rm -rf "$place"' EXIT
socket=$place/pm.sock
mkdir -m 700 "$place/run"
mkdir -p "$place/units/service.d"
cp "$units"/*.service "$place/units"
# Where the units' bare program names are looked up.
cat >"$place/units/service.d/10-quickstart.conf" <<END
[Service]
ExecSearchPath=$agents:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
END

[ -z "$stopping" ] || exit 130
# From here on Ctrl-C may end any command of ours, but the daemon is waited for in any case.
set +e

# A job of its own process group: Ctrl-C reaches this script only, which asks once.
set -m
XDG_RUNTIME_DIR=$place/run "$daemon" --socket "$socket" --unit-path "$place/units" \
    --runtime-dir "$place/state" quickstart-core.service &
pid=$!
set +m
# Asked before there was anybody to ask.
[ -z "$stopping" ] || stop

all_active() {
    local service
    for service in "${services[@]}"; do
        "$client" --socket "$socket" is-active "$service" >/dev/null 2>&1 || return 1
    done
}

up=
for _ in $(seq 100); do
    if [ -n "$stopping" ] || ! kill -0 "$pid" 2>/dev/null; then
        break
    fi
    if all_active; then
        up=yes
        break
    fi
    sleep 0.1
done

if [ -n "$up" ]; then
    shown=${client#"$PWD"/}
    table=$("$client" --socket "$socket" list)
    # Printed by the shell itself: a Ctrl-C from here on ends no helper of ours halfway.
    printf '%s\n' "" "$table" "" "Up. Try in another terminal:" \
        "    export DD_PM_SOCKET=$socket" \
        "    $shown status quickstart-core" \
        "    $shown kill -s SIGUSR1 quickstart-core" \
        "    $shown logs -f" \
        "The second one crashes the core agent: it comes back, and so do those bound to it." \
        "Ctrl-C stops everything."
elif [ -z "$stopping" ]; then
    echo "run: the set did not come up" >&2
    "$client" --socket "$socket" list >&2
    stop
fi

# A signal ends a wait early; the daemon's own status counts.
code=0
while :; do
    interrupted=
    wait "$pid" && status=0 || status=$?
    # 127: it was waited for already.
    [ "$status" = 127 ] || code=$status
    [ -n "$interrupted" ] || break
done
[ -n "$up" ] || code=1
echo "run: stopped"
exit "$code"
