#!/bin/bash
# The same settings under systemd and under dd-procmgrd: what a process reads in the files of its
# own control group. A line for each setting; the exit status says whether all are the same.
. /vm/places
export PATH=$root/target/debug:$PATH
disk=/dev/vda

# Not in /run, where nothing may be executed.
cat >/vm/observe <<'SH'
#!/bin/bash
cd "/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)"
for file in cgroup.controllers cpu.idle cpu.max cpu.weight cpuset.cpus cpuset.mems io.latency \
    io.max io.weight memory.high memory.low memory.max memory.min memory.oom.group \
    memory.swap.max memory.zswap.max pids.max; do
    [ -e $file ] && echo "$file: $(tr '\n' ' ' <$file)"
done
grep -H . ../memory.max ../memory.high ../pids.max ../cpu.max 2>/dev/null
env | grep ^MEMORY_PRESSURE
for node in null full kmsg mem; do
    (: </dev/$node) 2>/dev/null && echo "opens $node"
done
for address in 127.0.0.1 127.0.0.2; do
    (echo x >/dev/udp/$address/9) 2>/dev/null && echo "sends to $address"
done
exit 0
SH
chmod +x /vm/observe

# A daemon in a group of its own, which is the root of all groups to it, as in a container.
group=$DD_PM_TEST_GROUP/same
mkdir -p "$group" /run/same/units
(echo $BASHPID >"$group/cgroup.procs" &&
    exec unshare --cgroup --mount /bin/sh -c 'umount -l /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup &&
        exec "$@"' sh \
        dd-procmgrd --mode host --socket /run/same/socket --runtime-dir /run/same/state \
        --unit-path /run/same/units >/run/same/log 2>&1) &
daemon=$!
client() { dd-procmgr --socket /run/same/socket "$@"; }
until client list >/dev/null 2>&1; do
    if [ $SECONDS -ge 60 ]; then
        echo "FAIL the daemon does not answer:"
        client list
        cat /run/same/log
        cat "/proc/$daemon/status"
        exit 1
    fi
    sleep 0.1
done

printf '[Slice]\nMemoryMax=200M\nTasksMax=500\n' >/run/same/units/limited.slice
printf '[Slice]\nDisableControllers=pids io\nDefaultMemoryMin=1M\nDefaultMemoryLow=2M\n' \
    >/run/same/units/lesser.slice
printf '[Slice]\nIPAddressDeny=any\n' >/run/same/units/closed.slice
mkdir -p /run/systemd/system
cp /run/same/units/*.slice /run/systemd/system/

number=0 wrong=0
compare() {
    number=$((number + 1))
    local unit=same$number.service text
    # A slice of their own: which controllers a group has is also a matter of its neighbours.
    text="[Service]
Slice=same.slice
Type=oneshot
StandardOutput=file:/run/same/OUT
$(printf '%s\n' "$@")
ExecStart=/vm/observe"
    : >/run/same/out.systemd >/run/same/out.ours
    echo "${text/OUT/out.systemd}" >/run/systemd/system/$unit
    echo "${text/OUT/out.ours}" >/run/same/units/$unit
    systemctl daemon-reload && systemctl start $unit
    client daemon-reload && client start $unit 2>&1 | cat
    if [ ! -s /run/same/out.systemd ]; then
        echo "FAIL     $*: nothing was observed under systemd"
        wrong=$((wrong + 1))
    elif diff /run/same/out.systemd /run/same/out.ours >/run/same/difference; then
        echo "same     $*"
    else
        echo "DIFFERS  $*"
        sed 's/^/         /' /run/same/difference
        wrong=$((wrong + 1))
    fi
}

compare CPUWeight=50
compare CPUWeight=idle
compare CPUShares=512
compare CPUQuota=20%
compare CPUQuota=150% CPUQuotaPeriodSec=10ms
# Less than the kernel takes; not so little that an emulated processor is busy for minutes.
compare CPUQuota=40% CPUQuotaPeriodSec=1ms
compare CPUQuota=20% CPUQuotaPeriodSec=5s
compare AllowedCPUs=0
compare "AllowedCPUs=0-1" AllowedMemoryNodes=0
# Not StartupCPUWeight=: the systemd of the machine is still starting, the daemon is not.
compare MemoryMin=1M MemoryLow=2M
compare MemoryHigh=30M MemoryMax=40M
compare MemoryMax=10% MemorySwapMax=0
compare MemoryMax=infinity
compare MemoryLimit=50M
compare MemoryLimit=50M MemoryHigh=60M
compare TasksMax=30
compare TasksMax=10%
compare TasksMax=infinity
compare TasksAccounting=no MemoryAccounting=no TasksMax=infinity
compare IOAccounting=yes
compare IOWeight=50
compare "IOReadBandwidthMax=$disk 5M" "IOWriteBandwidthMax=$disk 2M"
# In two units: of two lines that mean one device by different paths systemd keeps the last.
compare "IOReadIOPSMax=$disk 100"
compare "IOWriteIOPSMax=/ 50"
compare "IODeviceLatencyTargetSec=$disk 25ms"
compare "BlockIOReadBandwidth=$disk 3M"
compare "IODeviceWeight=$disk 60"
compare "BlockIOWriteBandwidth=$disk 3M" BlockIOAccounting=yes
compare BlockIOWeight=60
compare "BlockIODeviceWeight=$disk 70"
compare CPUAccounting=yes
compare CPUAccounting=no
compare AllowedMemoryNodes=0
compare OOMPolicy=kill
compare OOMPolicy=continue
compare Delegate=yes
compare "Delegate=cpu memory"
compare Slice=limited.slice
compare Slice=limited.slice MemoryMax=10M
compare Slice=lesser.slice MemoryMax=30M
compare Slice=lesser.slice MemoryMin=3M MemoryLow=4M
compare Slice=closed.slice
compare Slice=closed.slice IPAddressAllow=127.0.0.2
compare IPAddressDeny=any
compare IPAddressDeny=127.0.0.0/8 IPAddressAllow=127.0.0.1
compare IPAccounting=yes
compare DevicePolicy=closed
compare DevicePolicy=strict "DeviceAllow=/dev/null rw"
compare "DeviceAllow=/dev/kmsg r"
compare "DeviceAllow=char-mem r"
compare PrivateDevices=yes

# What was counted of a service that is over: three datagrams, one of them denied.
cat >/vm/talk <<'SH'
#!/bin/bash
for address in 127.0.0.1 127.0.0.2 127.0.0.3; do
    (echo 1234 >/dev/udp/$address/9) 2>/dev/null
done
exit 0
SH
chmod +x /vm/talk
text='[Service]
Type=oneshot
RemainAfterExit=yes
IPAccounting=yes
IPAddressDeny=127.0.0.2
ExecStart=/vm/talk'
echo "$text" | tee /run/systemd/system/talk.service >/run/same/units/talk.service
systemctl daemon-reload && systemctl start talk.service
client daemon-reload && client start talk.service
counted=IPIngressBytes,IPIngressPackets,IPEgressBytes,IPEgressPackets
report() { # WHAT, with what both sides say in out.systemd and out.ours
    number=$((number + 1))
    if [ -s /run/same/out.systemd ] && diff /run/same/out.systemd /run/same/out.ours >/run/same/difference; then
        echo "same     $1: $(tr '\n' ' ' </run/same/out.ours)"
    else
        echo "DIFFERS  $1"
        cat /run/same/out.systemd
        sed 's/^/         /' /run/same/difference
        wrong=$((wrong + 1))
    fi
}
systemctl show -p $counted talk.service | sort >/run/same/out.systemd
client show -p $counted talk.service | sort >/run/same/out.ours
report "traffic that was counted"

# A socket of virtual machines, asked from within: what the service hears, and knows of who asks.
modprobe vsock_loopback
cat >/vm/ask-vsock <<'PL'
use strict;
my ($port) = @ARGV;
socket(my $peer, 40, 1, 0) or die "socket: $!\n";
connect($peer, pack("S S L L x4", 40, 0, $port, 1)) or die "connect: $!\n";
syswrite($peer, "a word\n");
print while <$peer>;
PL
cat >/vm/answer-vsock <<'SH'
#!/bin/bash
read -r line
echo "heard $line, from $REMOTE_ADDR, $(env | grep -c ^REMOTE_PORT) port"
SH
chmod +x /vm/answer-vsock
vsock() { # DIRECTORY PORT
    printf '[Socket]\nListenStream=vsock::%s\nAccept=yes\n' "$2" >"$1/virtual.socket"
    printf '[Service]\nStandardInput=socket\nExecStart=/vm/answer-vsock\n' >"$1/virtual@.service"
}
vsock /run/systemd/system 7001
vsock /run/same/units 7002
systemctl daemon-reload && systemctl start virtual.socket
client daemon-reload && client start virtual.socket
perl /vm/ask-vsock 7001 >/run/same/out.systemd 2>&1
perl /vm/ask-vsock 7002 >/run/same/out.ours 2>&1
report "a client of ListenStream=vsock::PORT"
systemctl show -p Listen,ActiveState,NAccepted virtual.socket | sed s/7001/PORT/ | sort >/run/same/out.systemd
client show -p Listen,ActiveState,NAccepted virtual.socket | sed s/7002/PORT/ | sort >/run/same/out.ours
report "virtual.socket"

cat /run/same/log | grep -v ' info ' | tail -n 5
kill $daemon
wait $daemon
echo "$((number - wrong)) of $number the same"
[ $wrong = 0 ]
