//! The properties of the unit types other than services, what each has of its own, in the
//! order systemd 252 sends them. Most values come from the directive table.

use super::row::Default::{Max, Text, Zero};
use super::row::Emits::{Change, Const, Invalidate, Never};
use super::row::{Row, row};

/// What a .socket has of its own.
pub(super) const SOCKET: &[Row] = &[
    row("BindIPv6Only", "s", Const, Zero),
    row("Backlog", "u", Const, Zero),
    row("TimeoutUSec", "t", Const, Zero),
    row("BindToDevice", "s", Const, Zero),
    row("SocketUser", "s", Const, Zero),
    row("SocketGroup", "s", Const, Zero),
    row("SocketMode", "u", Const, Zero),
    row("DirectoryMode", "u", Const, Zero),
    row("Accept", "b", Const, Zero),
    row("FlushPending", "b", Const, Zero),
    row("Writable", "b", Const, Zero),
    row("KeepAlive", "b", Const, Zero),
    row("KeepAliveTimeUSec", "t", Const, Zero),
    row("KeepAliveIntervalUSec", "t", Const, Zero),
    row("KeepAliveProbes", "u", Const, Zero),
    row("DeferAcceptUSec", "t", Const, Zero),
    row("NoDelay", "b", Const, Zero),
    row("Priority", "i", Const, Zero),
    row("ReceiveBuffer", "t", Const, Zero),
    row("SendBuffer", "t", Const, Zero),
    row("IPTOS", "i", Const, Zero),
    row("IPTTL", "i", Const, Zero),
    row("PipeSize", "t", Const, Zero),
    row("FreeBind", "b", Const, Zero),
    row("Transparent", "b", Const, Zero),
    row("Broadcast", "b", Const, Zero),
    row("PassCredentials", "b", Const, Zero),
    row("PassSecurity", "b", Const, Zero),
    row("PassPacketInfo", "b", Const, Zero),
    row("Timestamping", "s", Const, Zero),
    row("RemoveOnStop", "b", Const, Zero),
    row("Listen", "a(ss)", Const, Zero),
    row("Symlinks", "as", Const, Zero),
    row("Mark", "i", Const, Zero),
    row("MaxConnections", "u", Const, Zero),
    row("MaxConnectionsPerSource", "u", Const, Zero),
    row("MessageQueueMaxMessages", "x", Const, Zero),
    row("MessageQueueMessageSize", "x", Const, Zero),
    row("TCPCongestion", "s", Const, Zero),
    row("ReusePort", "b", Const, Zero),
    row("SmackLabel", "s", Const, Zero),
    row("SmackLabelIPIn", "s", Const, Zero),
    row("SmackLabelIPOut", "s", Const, Zero),
    row("ControlPID", "u", Change, Zero),
    row("Result", "s", Change, Text("success")),
    row("NConnections", "u", Never, Zero),
    row("NAccepted", "u", Never, Zero),
    row("NRefused", "u", Never, Zero),
    row("FileDescriptorName", "s", Never, Zero),
    row("SocketProtocol", "i", Const, Zero),
    row("TriggerLimitIntervalUSec", "t", Const, Zero),
    row("TriggerLimitBurst", "u", Const, Zero),
    row("UID", "u", Change, Max),
    row("GID", "u", Change, Max),
    row("ExecStartPre", "a(sasbttttuii)", Invalidate, Zero),
    row("ExecStartPost", "a(sasbttttuii)", Invalidate, Zero),
    row("ExecStopPre", "a(sasbttttuii)", Invalidate, Zero),
    row("ExecStopPost", "a(sasbttttuii)", Invalidate, Zero),
];

/// What a .timer has of its own.
pub(super) const TIMER: &[Row] = &[
    row("Unit", "s", Const, Zero),
    row("TimersMonotonic", "a(stt)", Invalidate, Zero),
    row("TimersCalendar", "a(sst)", Invalidate, Zero),
    row("OnClockChange", "b", Const, Zero),
    row("OnTimezoneChange", "b", Const, Zero),
    row("NextElapseUSecRealtime", "t", Change, Zero),
    row("NextElapseUSecMonotonic", "t", Change, Zero),
    row("LastTriggerUSec", "t", Change, Zero),
    row("LastTriggerUSecMonotonic", "t", Change, Zero),
    row("Result", "s", Change, Text("success")),
    row("AccuracyUSec", "t", Const, Zero),
    row("RandomizedDelayUSec", "t", Const, Zero),
    row("FixedRandomDelay", "b", Const, Zero),
    row("Persistent", "b", Const, Zero),
    row("WakeSystem", "b", Const, Zero),
    row("RemainAfterElapse", "b", Const, Zero),
];

/// What a .path has of its own.
pub(super) const PATH: &[Row] = &[
    row("Unit", "s", Const, Zero),
    row("Paths", "a(ss)", Const, Zero),
    row("MakeDirectory", "b", Const, Zero),
    row("DirectoryMode", "u", Const, Zero),
    row("Result", "s", Change, Text("success")),
    row("TriggerLimitIntervalUSec", "t", Const, Zero),
    row("TriggerLimitBurst", "u", Const, Zero),
];

/// What a .mount has of its own.
pub(super) const MOUNT: &[Row] = &[
    row("Where", "s", Const, Zero),
    row("What", "s", Change, Zero),
    row("Options", "s", Change, Zero),
    row("Type", "s", Change, Zero),
    row("TimeoutUSec", "t", Const, Zero),
    row("ControlPID", "u", Change, Zero),
    row("DirectoryMode", "u", Const, Zero),
    row("SloppyOptions", "b", Const, Zero),
    row("LazyUnmount", "b", Const, Zero),
    row("ForceUnmount", "b", Const, Zero),
    row("ReadWriteOnly", "b", Const, Zero),
    row("Result", "s", Change, Text("success")),
    row("UID", "u", Change, Max),
    row("GID", "u", Change, Max),
    row("ExecMount", "a(sasbttttuii)", Invalidate, Zero),
    row("ExecUnmount", "a(sasbttttuii)", Invalidate, Zero),
    row("ExecRemount", "a(sasbttttuii)", Invalidate, Zero),
];

/// What a .automount has of its own.
pub(super) const AUTOMOUNT: &[Row] = &[
    row("Where", "s", Const, Zero),
    row("ExtraOptions", "s", Const, Zero),
    row("DirectoryMode", "u", Const, Zero),
    row("Result", "s", Change, Text("success")),
    row("TimeoutIdleUSec", "t", Const, Zero),
];

/// What a .swap has of its own.
pub(super) const SWAP: &[Row] = &[
    row("What", "s", Change, Zero),
    row("Priority", "i", Change, Zero),
    row("Options", "s", Change, Zero),
    row("TimeoutUSec", "t", Const, Zero),
    row("ControlPID", "u", Change, Zero),
    row("Result", "s", Change, Text("success")),
    row("UID", "u", Change, Max),
    row("GID", "u", Change, Max),
    row("ExecActivate", "a(sasbttttuii)", Invalidate, Zero),
    row("ExecDeactivate", "a(sasbttttuii)", Invalidate, Zero),
];

/// What a .scope has of its own.
pub(super) const SCOPE: &[Row] = &[
    row("Controller", "s", Change, Zero),
    row("TimeoutStopUSec", "t", Const, Zero),
    row("Result", "s", Change, Text("success")),
    row("RuntimeMaxUSec", "t", Const, Zero),
    row("RuntimeRandomizedExtraUSec", "t", Const, Zero),
    row("OOMPolicy", "s", Const, Zero),
];

/// What a .device has of its own.
pub(super) const DEVICE: &[Row] = &[row("SysFSPath", "s", Change, Zero)];

/// What a job has.
pub(super) const JOB: &[Row] = &[
    row("Id", "u", Const, Zero),
    row("Unit", "(so)", Const, Zero),
    row("JobType", "s", Const, Zero),
    row("State", "s", Change, Zero),
    row("ActivationDetails", "a(ss)", Const, Zero),
];

/// What org.freedesktop.LogControl1 has.
pub(super) const LOG_CONTROL: &[Row] = &[
    row("LogLevel", "s", Never, Zero).writable(),
    row("LogTarget", "s", Never, Zero).writable(),
    row("SyslogIdentifier", "s", Never, Zero),
];
