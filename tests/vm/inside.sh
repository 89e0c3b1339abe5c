#!/bin/bash
# In the machine of run.sh, as a service of systemd with a control group of its own: the parts that
# were asked for.
. /vm/places
own=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)
echo "TESTS BEGIN $(uname -r), $(systemctl --version | head -1)"
swapon /swap
# A group with processes cannot have controllers below it.
mkdir "$own/harness"
echo $$ >"$own/harness/cgroup.procs"
echo "controllers: $(cat "$own/cgroup.controllers")"
for controller in $(cat "$own/cgroup.controllers"); do
    echo "+$controller" >"$own/cgroup.subtree_control" || echo "no $controller"
done
export DD_PM_TEST_SLOWNESS=5 DD_PM_TEST_GROUP=$own CARGO_MANIFEST_DIR=$root
mkdir -p "$root"
cd "$root" || exit 1
status=0
for part in "${parts[@]}"; do
    echo "PART $part"
    case $part in
    limits) "$tests" --test-threads 2 ;;
    same | below | packages) bash "/vm/$part.sh" ;;
    *) echo "there is no part $part" && false ;;
    esac || status=1
done
echo "TESTS END $status"
sync
