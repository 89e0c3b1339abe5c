#!/bin/bash
# dd-procmgrd as a service of systemd, by the units of packaging/systemd: started, looked at, killed,
# hung, reloaded, executed anew, stopped. A line for each statement; the exit status says whether all
# hold. For run.sh.
. /vm/places
. /vm/checks.sh
unit=datadog-agent.service
own=/sys/fs/cgroup/system.slice/$unit
quickstart=(quickstart-core quickstart-trace quickstart-process quickstart-sysprobe quickstart-security)
# The Datadog Agent's own units, unmodified, with stand-ins at the paths they name.
corpus=() programs=/opt/datadog-agent
if [ -d /vm/corpus ]; then
    corpus=(datadog-agent datadog-agent-{installer,trace,process,sysprobe,security,data-plane,action,ddot})
else
    echo "SKIP the set of the Datadog Agent: its units are not here"
fi
above() { systemctl show -P "$1" $unit; }
below() { dd-procmgr show -p "$2" --value "$1"; }
active() {
    local name
    for name; do dd-procmgr is-active "$name" >/dev/null || return; done
}
# The service is up, with another daemon than this one.
# Both are of one moment.
back() {
    local both
    both=$(systemctl show --value -p MainPID -p ActiveState $unit | sort | tr '\n' ' ')
    [[ $both =~ ^([1-9][0-9]*)\ active\ $ ]] && [ "${BASH_REMATCH[1]}" != "$1" ]
}
# Says whether a file has this text.
reads() { [ "$(cat "$1" 2>/dev/null)" = "$2" ]; }
group() { echo "/sys/fs/cgroup$(cut -d: -f3 "/proc/$(below "$1" MainPID)/cgroup")"; }
pids() {
    local name
    for name in "${quickstart[@]}" "${corpus[@]}" limited slow echoed; do
        echo "$name $(below "$name" MainPID)"
    done
}
# Lines of the journal in which a field has a value.
entries() { journalctl --sync && journalctl -q -o json "$1" | grep -q "$2"; }
in_limits() {
    local directory
    directory=$(group limited)
    reads "$directory/memory.max" 67108864 && reads "$directory/pids.max" 20 &&
        reads "$directory/cpu.max" "50000 100000"
}
# Puts the Datadog Agent's set on the machine: its user, its programs, its files.
install_corpus() {
    local program
    useradd --system --home-dir $programs --shell /usr/sbin/nologin dd-agent
    for program in bin/agent/agent ext/ddot/embedded/bin/otel-agent embedded/bin/{installer,trace-loader} \
        embedded/bin/{process-agent,system-probe-discovery,security-agent,agent-data-plane,privateactionrunner}; do
        mkdir -p "$programs/${program%/*}"
        ln -f /usr/bin/stand-in-agent "$programs/$program"
    done
    # What it does when it is told to crash, by SIGUSR1.
    echo 'crash-with 7' >$programs/embedded/bin/trace-loader.stand-in
    install -d -o dd-agent -g dd-agent $programs/run
    mkdir -p /etc/datadog-agent
    touch /etc/datadog-agent/{system-probe,security-agent}.yaml
    mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
    cp /vm/corpus/* /usr/lib/dd-procmgr/units/
    mkdir /usr/lib/dd-procmgr/units/datadog-agent-process.service.d
    printf '[Service]\nMemoryMax=48M\nTasksMax=12\n' >/usr/lib/dd-procmgr/units/datadog-agent-process.service.d/limits.conf
    ln -s ../datadog-agent.service /usr/lib/dd-procmgr/units/multi-user.target.wants/
}
corpus_in_limits() {
    local directory
    directory=$(group datadog-agent-process)
    reads "$directory/memory.max" 50331648 && reads "$directory/pids.max" 12
}
answers() { [ -n "$(dd-procmgr list 2>/dev/null)" ]; }
nothing_left() {
    [ ! -e "$own" ] && ! pgrep -x dd-procmgrd >/dev/null && ! pgrep -x stand-in-agent >/dev/null &&
        ! pgrep -f "^$programs/" >/dev/null
}
show_failure() {
    [ $wrong = 0 ] && return
    systemctl status --no-pager -l $unit
    journalctl -q --no-pager -n 40 -u $unit
    find "$own" -name cgroup.subtree_control -exec grep -H . {} +
}

mkdir -p /run/below /usr/lib/dd-procmgr/units
mkfifo /run/below/limited
# Open, so that who writes need not wait for a reader.
exec 9<>/run/below/limited
cp -r /vm/systemd/* /etc/systemd/system/
# What is for later versions is not installed with this one.
rm -r /etc/systemd/system/$unit.d
cp /vm/units/* /usr/lib/dd-procmgr/units/
systemctl daemon-reload
for name in quickstart-core limited slow; do
    mkdir -p /usr/lib/dd-procmgr/units/multi-user.target.wants
    ln -s ../$name.service /usr/lib/dd-procmgr/units/multi-user.target.wants/
done
[ ${#corpus[@]} = 0 ] || install_corpus
# The services that run: those, limited, slow and, once it is asked for, echoed.
text="Running $((${#quickstart[@]} + ${#corpus[@]} + 3)) services"
mkdir -p /usr/lib/dd-procmgr/units/sockets.target.wants
ln -s ../echoed.socket /usr/lib/dd-procmgr/units/sockets.target.wants/

echo "-- start"
check "systemctl start waits until it is ready" systemctl start $unit
equal "the service is up" "$(above ActiveState)/$(above SubState)" active/running
soon "the set is up" 60 active "${quickstart[@]}" limited slow echoed.socket
[ ${#corpus[@]} = 0 ] || soon "the Datadog Agent's set is up" 120 active "${corpus[@]}"
soon "a service with a socket is up" 60 dd-procmgr start echoed
soon "the status text says so" 10 eval '[ "$(above StatusText)" = "$text" ]'
systemctl status --no-pager -l $unit | tee /run/below/status
check "systemctl status shows the text" grep -q "Status: \"$text\"" /run/below/status
check "and the services in its tree" grep -q '─limited.service' /run/below/status

echo "-- groups and limits"
for name in "${quickstart[@]}" "${corpus[@]}" limited; do
    check "$name is in the delegated group" eval '[[ $(group '"$name"') == '"$own"'/dd-procmgr-main/*'"$name"'.service ]]'
done
check "the daemon is beside them" eval \
    'grep -q "/$unit/dd-procmgr-main-daemon$" /proc/$(above MainPID)/cgroup'
check "limits are in force" in_limits
if [ ${#corpus[@]} != 0 ]; then
    check "and on a service of the Datadog Agent" corpus_in_limits
    equal "which runs as its user" "$(stat -c %U "/proc/$(below datadog-agent MainPID)")" dd-agent
fi
dd-procmgr start hog
soon "a hog is killed for want of memory, which is told" 60 eval '[ "$(below hog Result)" = oom-kill ]'
equal "the service around it goes on" "$(above ActiveState)/$(above NRestarts)" active/0

echo "-- journal"
check "lines of the daemon" entries _SYSTEMD_UNIT=$unit '"SYSLOG_IDENTIFIER":"dd-procmgrd"'
soon "a line of a service stands under its name" 20 entries UNIT=limited.service '"MESSAGE":"limited says hello"'
for field in '"SYSLOG_IDENTIFIER":"limited-one"' '"BELOW":"yes"' '"PRIORITY":"6"' \
    "\"INVOCATION_ID\":\"$(below limited InvocationID)\"" "\"OBJECT_PID\":\"$(below limited MainPID)\"" \
    "\"_SYSTEMD_UNIT\":\"$unit\""; do
    check "with $field" entries UNIT=limited.service "$field"
done
journalctl -q -o json UNIT=limited.service | tail -n 1

echo "-- SIGKILL"
pids >/run/below/before
daemon=$(above MainPID)
kill -KILL "$daemon"
soon "systemd starts it again" 60 back "$daemon"
if [ $wrong != 0 ]; then
    # Nothing that follows could hold.
    show_failure
    exit 1
fi
soon "it answers" 30 answers
equal "restarts" "$(above NRestarts)" 1
pids >/run/below/after
check "all services are the same processes" diff /run/below/before /run/below/after
check "limits are in force again" in_limits
check "EffectiveSettings says so" eval 'below limited EffectiveSettings | grep -q "MemoryMax: applied"'
soon "the status text is as before" 20 eval '[[ $(above StatusText) == "$text"* ]]'
echo 7 >/run/below/limited
soon "the end of a service is seen" 30 eval '! active limited'
release=$(uname -r)
if [ "$(printf '%s\n' 6.15 "$release" | sort -V | head -n 1)" = 6.15 ]; then
    equal "with its exit code" "$(below limited ExecMainCode)/$(below limited ExecMainStatus)" 1/7
else
    # PIDFD_GET_INFO tells it from 6.15 on.
    check "that kernel $release tells no exit code is said" eval \
        'dd-procmgr status limited | grep -q "Main PID: .*exit status unknown"'
fi
dd-procmgr status limited
if [ ${#corpus[@]} != 0 ]; then
    check "limits of the Datadog Agent's service are in force again" corpus_in_limits
    main=$(below datadog-agent-trace MainPID)
    kill -USR1 "$main"
    soon "a service of the Datadog Agent that crashes is started anew" 30 eval \
        '[ "$(below datadog-agent-trace NRestarts)" = 1 ] && active datadog-agent-trace'
    dd-procmgr logs datadog-agent-trace | tail -n 4
fi
dd-procmgr start limited
echo 7 >/run/below/limited
soon "that of one started since comes with its code" 30 eval '[ "$(below limited ExecMainStatus)" = 7 ]'
dd-procmgr start limited

echo "-- reload"
pids >/run/below/before
printf '[Service]\nExecStart=/bin/sleep infinity\n' >/usr/lib/dd-procmgr/units/later.service
check "systemctl reload" systemctl reload $unit
soon "a new unit is known" 30 eval '[ "$(below later LoadState)" = loaded ]'
soon "the service is up" 10 eval '[ "$(above ActiveState)/$(above SubState)" = active/running ]'
daemon=$(above MainPID)
check "daemon-reexec" dd-procmgr daemon-reexec
soon "it answers" 30 answers
equal "the daemon is the same process" "$(above MainPID)" "$daemon"
pids >/run/below/after
check "all services are the same processes" diff /run/below/before /run/below/after
check "limits are in force" in_limits

echo "-- watchdog"
restarts=$(above NRestarts)
kill -STOP "$daemon"
soon "a daemon that hangs is started anew" 120 back "$daemon"
soon "it answers" 30 answers
equal "restarts" "$(above NRestarts)" $((restarts + 1))
check "because of the watchdog" entries UNIT=$unit "Watchdog timeout"
pids >/run/below/after
check "all services are the same processes" diff /run/below/before /run/below/after
check "limits are in force" in_limits

echo "-- stop"
began=$SECONDS
check "systemctl stop" systemctl stop $unit
equal "it was no failure" "$(above ActiveState)/$(above Result)" inactive/success
echo "     $((SECONDS - began)) s, TimeoutStopSec=$(above TimeoutStopUSec)"
check "it was given the time that a service took" [ $((SECONDS - began)) -ge 35 ]
soon "no process and no group is left" 10 nothing_left
check "no socket is left" eval '[ ! -e /run/datadog/process-manager.sock ]'

echo "-- socket unit"
rm /usr/lib/dd-procmgr/units/multi-user.target.wants/slow.service
check "the control socket is there before the daemon" systemctl start datadog-agent.socket
equal "which does not run" "$(above ActiveState)" inactive
soon "a client starts it" 60 active quickstart-core
equal "the service is up" "$(above ActiveState)" active
daemon=$(above MainPID)
check "it is restarted" systemctl restart $unit
check "by another process" back "$daemon"
check "and found at the same socket" answers

echo "-- experiment"
soon "the set is up" 60 active "${quickstart[@]}"
check "the version on trial starts" systemctl start datadog-agent-exp.service
equal "in place of the stable one" "$(above ActiveState)" inactive
equal "and of its socket" "$(systemctl show -P ActiveState datadog-agent.socket)" inactive
soon "it runs the set" 60 active "${quickstart[@]}"
check "it is stopped" systemctl stop datadog-agent-exp.service
soon "the stable one is back" 60 eval '[ "$(above ActiveState)" = active ]'
soon "and runs the set" 60 active "${quickstart[@]}"
systemctl stop datadog-agent.socket $unit
soon "no process and no group is left" 20 nothing_left

show_failure
echo "$((number - wrong)) of $number hold"
[ $wrong = 0 ]
