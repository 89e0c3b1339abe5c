#!/usr/bin/env bash
# All tests. What a test needs and does not find is installed (root, Debian); what cannot be
# had makes single tests skip, each with its reason, counted at the end.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Command and package; the checks by the real systemd are run where it is, and in CI.
needs=("kill procps" "setpriv util-linux" "dbus-daemon dbus")
# Modules of Debian's Python and their packages.
modules=()
if [ "${CI:-}" = true ]; then
    needs+=("systemd-analyze systemd" "python3 python3" "ip iproute2" "mandoc mandoc" "crun crun"
        "podman podman")
    # What tests/socket_clients.rs puts behind sockets.
    needs+=("cupsd cups-daemon" "sshd openssh-server" "rpcbind rpcbind" "pcscd pcscd"
        "gunicorn gunicorn" "haproxy haproxy" "pg_createcluster postgresql")
    # What tests/clients.rs lets talk to us.
    # What judges the pages of /metrics.
    needs+=("promtool prometheus")
    modules+=("prometheus_client python3-prometheus-client")
    needs+=("ansible-playbook ansible-core" "prometheus-node-exporter prometheus-node-exporter")
    modules+=("ensurepip python3-venv" "dbus python3-dbus" "gi python3-gi" "dasbus python3-dasbus" "pystemd python3-pystemd")
fi

missing=()
for module in "${modules[@]}"; do
    /usr/bin/python3 -c "import ${module% *}" 2>/dev/null || missing+=("${module#* }")
done
for need in "${needs[@]}"; do
    command -v "${need% *}" >/dev/null || missing+=("${need#* }")
done
if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "test: installing ${missing[*]}"
        apt-get -qq update
        # Installing a daemon must not start it.
        policy=/usr/sbin/policy-rc.d
        if [ ! -e "$policy" ]; then
            printf '#!/bin/sh\nexit 101\n' >"$policy"
            chmod 755 "$policy"
            trap 'rm -f "$policy"' EXIT
        fi
        DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}"
        if [ -n "$(trap -p EXIT)" ]; then
            rm -f "$policy"
            trap - EXIT
        fi
    else
        echo "test: not installed and not installable here: ${missing[*]}"
    fi
fi

# The schemas of Kubernetes, for tests/kubernetes.rs: from PyPI, into a place of its own.
validator=target/kubernetes
if [ "${CI:-}" = true ] && [ ! -x "$validator/bin/kubernetes-validate" ]; then
    python3 -m venv "$validator" && "$validator/bin/pip" -q install kubernetes-validate==1.37.* ||
        echo "test: kubernetes-validate cannot be installed here"
fi

packaging/ci/lint.sh

DD_PM_SKIPS=$(mktemp)
export DD_PM_SKIPS
trap 'rm -f "$DD_PM_SKIPS"' EXIT
cargo test --locked
cargo test --locked --profile sim --test sim

count=$(wc -l <"$DD_PM_SKIPS")
echo
echo "skipped: $count"
if [ "$count" -gt 0 ]; then
    sort "$DD_PM_SKIPS" | while IFS=$'\t' read -r kind name reason; do
        echo "  $name ($kind): $reason"
    done
fi
