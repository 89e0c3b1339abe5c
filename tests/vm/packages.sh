#!/bin/bash
# The Debian package on a machine that systemd runs: installed, started by the unit it brings, upgraded with
# services running, removed, purged. A line for each statement; the exit status says whether all hold. For
# run.sh.
. /vm/checks.sh
unit=datadog-agent.service
own=/sys/fs/cgroup/system.slice/$unit
units=/etc/datadog-agent/process-manager/units
above() { systemctl show -P "$1" $unit; }
below() { dd-procmgr show -p "$2" --value "$1"; }
active() { dd-procmgr is-active "$1" >/dev/null; }
pids() { echo "$(below first MainPID) $(below second MainPID)"; }
quietly() { "$@" >/run/quietly.log 2>&1 || { cat /run/quietly.log && false; }; }
# Files, and users with what is known of them.
picture() {
    find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /vm -o -path "$root" \
        -o -path /var/log -o -path /var/cache -o -path /var/lib/dpkg -o -path /var/lib/systemd \
        -o -name '*-' -o -name .pwd.lock \) -prune -o -print | sort
    cat /etc/passwd /etc/group
}
gone() { [ ! -e "$own" ] && ! pgrep -x dd-procmgrd >/dev/null && ! pgrep -f '^/bin/sleep 4711' >/dev/null; }
restarted() { [ "$(below first NRestarts)" = 1 ] && active first; }
answered() { [ "$(echo hello | timeout 20 dd-procmgr run --quiet --pipe --wait /bin/cat)" = hello ]; }

. /vm/places
# What other parts have put there.
systemctl stop datadog-agent.service datadog-agent.socket 2>/dev/null
rm -rf /etc/systemd/system/datadog-agent* /usr/lib/dd-procmgr /usr/bin/dd-procmgr{,d} /run/datadog \
    /etc/datadog-agent /var/lib/datadog
systemctl daemon-reload
old=$(echo /vm/packages/*~1_*.deb) new=$(ls /vm/packages/*.deb | grep -v '~1_')
picture >/run/picture.before

echo "-- installed"
check "the package" quietly dpkg -i "$old"
equal "nothing is started" "$(systemctl is-active $unit)" inactive
equal "nothing is enabled" "$(systemctl is-enabled $unit)" disabled
check "there is the user dd-agent" quietly getent passwd dd-agent
check "systemd has nothing to say about its units" systemd-analyze verify --man=no $unit datadog-agent.socket

echo "-- started by its unit"
mkdir -p $units
printf '[Service]\nUser=dd-agent\nMemoryMax=64M\nExecStart=/bin/sleep 4711\nRestart=always\nRestartSec=0\n[Install]\nWantedBy=multi-user.target\n' >$units/first.service
printf '[Service]\nType=exec\nExecStart=/bin/sleep 4711.5\n' >$units/second.service
check "a unit of one's own is enabled" dd-procmgr -q enable first.service
check "systemctl enable --now" systemctl -q enable --now $unit
soon "the service that is enabled runs" 60 active first
check "another one is started" dd-procmgr start second
daemon=$(above MainPID)
before=$(pids)
echo "LogLevel=debug" >>/etc/datadog-agent/process-manager.conf

echo "-- upgraded"
check "the newer package" eval 'dpkg --force-confold -i "$new" >/run/upgrade.log 2>&1'
check "the daemon executes the new program" grep 'runs the new program' /run/upgrade.log
check "it is what is installed" [ "/proc/$daemon/exe" -ef /usr/bin/dd-procmgrd ]
equal "it is the same process, and systemd has started none" "$(above MainPID)/$(above NRestarts)/$(above ActiveState)" \
    "$daemon/0/active"
equal "the processes of the services are the same" "$(pids)" "$before"
kill -KILL "$(below first MainPID)"
soon "a service that is killed comes back" 60 restarted
check "new ones can be started" answered
check "changed settings are kept" grep -q LogLevel=debug /etc/datadog-agent/process-manager.conf
[ $wrong = 0 ] || { cat /run/upgrade.log; journalctl -q --no-pager -n 40 -u $unit; }

echo "-- removed"
check "the package" quietly dpkg -r dd-procmgr
soon "no daemon, no service, no control group is left" 60 gone
equal "systemd does not know it any more" "$(systemctl show -P LoadState $unit)" not-found
check "units of one's own stay" [ -e $units/first.service ]

echo "-- purged"
check "the package" quietly dpkg -P dd-procmgr
picture >/run/picture.after
check "nothing is left" diff /run/picture.before /run/picture.after
check "nothing is left of what runs either" [ ! -e /run/datadog ]
systemctl daemon-reload
equal "no unit has failed" "$(systemctl list-units --failed --no-legend 'datadog*' | wc -l)" 0

echo "$number statements, $wrong wrong"
[ $wrong = 0 ]
