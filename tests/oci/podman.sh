#!/bin/sh
# Builds the image of packaging/Containerfile with podman from local layers only, and runs it. In private
# mounts, with all of podman's state below PLACE:
#     podman.sh CONTAINERFILE ROOT PLACE
# ROOT is what packaging/image.sh laid out; PLACE/units and PLACE/shared are mounted. Prints what
# tests/oci.rs compares; exits with 77 where containers cannot be run.
set -eu
file=$1 root=$2 place=$3
if [ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ]; then
    mount --bind /sys/fs/cgroup/unified /sys/fs/cgroup 2>/dev/null || mount -t cgroup2 none /sys/fs/cgroup || exit 77
fi
mount -t tmpfs none /run
mkdir -p "$place/tmp" /run/lock
export TMPDIR="$place/tmp"
with_podman() {
    podman --root "$place/storage" --runroot /run/podman --storage-driver vfs --cgroup-manager cgroupfs \
        --events-backend none --runtime crun "$@"
}
with_podman build --quiet --isolation chroot -f "$file" -t dd-procmgr "$root" >/dev/null

# Podman would raise the limits, which not everybody may.
run() {
    with_podman run --network none --cgroups disabled --ulimit nofile=1024:1024 --ulimit nproc=1000:1000 \
        --read-only --cap-drop all -v "$place/units:/etc/datadog-agent/process-manager/units:ro" \
        -v "$place/shared:/shared" -e DD_PM_SOCKET=/shared/pm.sock "$@"
}
version=$(run --rm dd-procmgr --version 2>&1) || { echo "$version"; exit 77; }
echo "version: $version"

status=0
run --rm dd-procmgr --exit-with=ends >/dev/null 2>&1 || status=$?
echo "the decisive unit: $status"

run -d --log-driver k8s-file --name one dd-procmgr stays.service >/dev/null
tries=0
until [ -e "$place/shared/up" ]; do
    tries=$((tries + 1))
    [ $tries -lt 600 ] || { with_podman logs one; exit 1; }
    sleep 0.05
done
with_podman stop -t 20 one >/dev/null
echo "stopped: $(with_podman inspect --format '{{.State.ExitCode}}' one)"
with_podman logs one 2>&1
