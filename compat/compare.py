"""Which properties count, and when two values are equal."""
import re

# What the unit is doing now, or what the machine and the namespaces look like: not from the files.
STATE = set("""
ActiveState SubState Result StatusText StatusErrno StatusBusError ConditionResult AssertResult ReloadResult
CleanResult MainPID ControlPID ExecMainPID ExecMainCode ExecMainStatus UID GID NRestarts NFileDescriptorStore
InvocationID ControlGroup ControlGroupId Job Refs ActivationDetails Markers FreezerState NeedDaemonReload
MemoryCurrent MemoryAvailable CPUUsageNSec TasksCurrent EffectiveCPUs EffectiveMemoryNodes IPIngressBytes
IPIngressPackets IPEgressBytes IPEgressPackets IOReadBytes IOReadOperations IOWriteBytes IOWriteOperations
NAccepted NConnections NRefused NextElapseUSecRealtime NextElapseUSecMonotonic SysFSPath
""".split())

# Lists without order.
UNORDERED = set("""
Names Requires Requisite Wants BindsTo PartOf Upholds RequiredBy RequisiteOf WantedBy BoundBy UpheldBy ConsistsOf
Conflicts ConflictedBy Before After OnFailure OnFailureOf OnSuccess OnSuccessOf Triggers TriggeredBy
PropagatesReloadTo ReloadPropagatedFrom PropagatesStopTo StopPropagatedFrom JoinsNamespaceOf SliceOf
RequiresMountsFor CapabilityBoundingSet AmbientCapabilities SystemCallFilter SystemCallLog
RestrictAddressFamilies RestrictFileSystems IPAddressAllow IPAddressDeny
""".split())

# What a command did when it ran, within the value of Exec...=.
RUN = re.compile(r" ; start_time=\[[^]]*\] ; stop_time=\[[^]]*\] ; pid=\d+ ; code=[^;]* ; status=[^;}]*(?= [;}])")
ELAPSE = re.compile(r" ; next_elapse=[^}]*(?= \})")


def counts(name):
    return name not in STATE and not re.search(r"Timestamp(Monotonic)?$|^LastTrigger", name)


def plain(name, value):
    if name in UNORDERED:
        inverted = "~" if value.startswith("~") else ""
        return inverted + " ".join(sorted(value.removeprefix("~").split()))
    if name.startswith("Exec"):
        return RUN.sub("", value)
    if name.startswith("Timers"):
        return ELAPSE.sub("", value)
    return value


def without(value, names):
    return " ".join(word for word in value.split() if word not in names)


def differences(left, right, foreign=()):
    """Properties of one unit: those that count, and (name, left, right) of those that differ.
    foreign: units that stand for what the machine happens to have mounted."""
    counted = [name for name in sorted(left) if counts(name)]
    different = []
    for name in counted:
        if foreign and name in UNORDERED:
            left = {**left, name: without(left[name], foreign)}
            right = {**right, name: without(right.get(name, ""), foreign)}
        ours = right.get(name)
        if ours is None or plain(name, left[name]) != plain(name, ours):
            different.append((name, left[name], "(not shown)" if ours is None else ours))
    return counted, different
