//! systemd.resource-control(5). What limits resources is carried out where there are control
//! groups for it, and reported where there are none; what keeps the unit from devices, addresses
//! or ports is carried out or keeps it from starting.

use super::parse::text;
use super::read::{Reading, Trouble};
use super::row::{Kind, PropertyValue, Row, Support};
use super::shape;
use super::unit::dropped;
use super::{Parse, RESOURCE};
use crate::unit::config::UnitConfig;
use crate::unit::name::UnitType;

const FOREIGN: &str = "programs and tables of others are not attached, and a unit does not start \
                       without what it is to be filtered by";
const OF_SOCKETS: &str = "of socket units access to the network is neither restricted nor counted, only \
                          of the processes that a unit has";
const NO_OOMD: &str = "there is no systemd-oomd here that would act on it";
const NO_CORE_DUMPS: &str = "there is no systemd-coredump here that would act on it";

const fn resource(name: &'static str, since: u16, kind: Kind, doc: &'static str) -> Row {
    let parse: Parse = |r, v| r.of_group(v);
    Row::new(RESOURCE, name, since, kind, parse, doc).settable()
}

/// What only another program of systemd's acts on.
const fn for_oomd(name: &'static str, since: u16, kind: Kind, doc: &'static str) -> Row {
    let parse: Parse = |r, v| r.not_applied(v, NO_OOMD, false);
    resource(name, since, kind, doc).left_out(parse, Support::Accepted(NO_OOMD))
}

/// What is asked of the groups that processes are in, which the sockets of a socket unit are not.
fn of_processes(r: &mut Reading<'_>, value: &str, refuses: bool) -> Result<(), Trouble> {
    if r.unit_type() == UnitType::Socket {
        return r.not_applied(value, OF_SOCKETS, refuses);
    }
    r.of_group(value)
}

/// Access to the network.
const fn access(name: &'static str, since: u16, kind: Kind, doc: &'static str) -> Row {
    let parse: Parse = |r, v| of_processes(r, v, true);
    Row::new(RESOURCE, name, since, kind, parse, doc).settable()
}

/// What needs programs or tables that others have made.
const fn foreign(name: &'static str, since: u16, kind: Kind, doc: &'static str) -> Row {
    let parse: Parse = |r, v| r.not_applied(v, FOREIGN, true);
    Row::new(RESOURCE, name, since, kind, parse, doc)
        .support(Support::Refused(FOREIGN))
        .settable()
}

fn yes(_: &UnitConfig) -> PropertyValue {
    PropertyValue::Bool(true)
}

fn zero(_: &UnitConfig) -> PropertyValue {
    PropertyValue::U64(0)
}

fn empty(_: &UnitConfig) -> PropertyValue {
    PropertyValue::Array(Vec::new())
}

fn no_bytes(_: &UnitConfig) -> PropertyValue {
    PropertyValue::Bytes(Vec::new())
}

fn no_list(_: &UnitConfig) -> PropertyValue {
    PropertyValue::Strings(Vec::new())
}

/// An empty list that forbids what it names: `(bas)`.
fn no_filter(_: &UnitConfig) -> PropertyValue {
    PropertyValue::Struct(vec![
        PropertyValue::Bool(false),
        PropertyValue::Strings(Vec::new()),
    ])
}

pub(super) static ROWS: &[Row] = &[
    resource(
        "CPUAccounting",
        205,
        Kind::Boolean,
        "Whether processor time is counted.",
    )
    .show("CPUAccounting", "b", yes)
    .kept(shape::boolean),
    resource(
        "CPUWeight",
        232,
        Kind::Number,
        "The share of processor time against siblings.",
    )
    .unlimited("CPUWeight", shape::cpu_weight),
    resource(
        "StartupCPUWeight",
        232,
        Kind::Number,
        "CPUWeight= during start-up and shutdown.",
    )
    .unlimited("StartupCPUWeight", shape::cpu_weight),
    resource(
        "CPUShares",
        34,
        Kind::Number,
        "The share of processor time in control groups of old.",
    )
    .unlimited("CPUShares", shape::cpu_shares),
    resource(
        "StartupCPUShares",
        213,
        Kind::Number,
        "CPUShares= during start-up and shutdown.",
    )
    .unlimited("StartupCPUShares", shape::cpu_shares),
    resource(
        "CPUQuota",
        213,
        Kind::Text,
        "The most processor time, in percent of one processor.",
    )
    .unlimited("CPUQuotaPerSecUSec", shape::cpu_quota),
    resource(
        "CPUQuotaPeriodSec",
        242,
        Kind::Span,
        "The time over which CPUQuota= is counted.",
    )
    .unlimited("CPUQuotaPeriodUSec", shape::span),
    resource(
        "AllowedCPUs",
        244,
        Kind::Text,
        "The processors that the unit may use.",
    )
    .show("AllowedCPUs", "ay", no_bytes)
    .kept(shape::processors),
    resource(
        "StartupAllowedCPUs",
        250,
        Kind::Text,
        "AllowedCPUs= during start-up and shutdown.",
    )
    .show("StartupAllowedCPUs", "ay", no_bytes)
    .kept(shape::processors),
    resource(
        "AllowedMemoryNodes",
        244,
        Kind::Text,
        "The memory nodes that the unit may use.",
    )
    .show("AllowedMemoryNodes", "ay", no_bytes)
    .kept(shape::processors),
    resource(
        "StartupAllowedMemoryNodes",
        250,
        Kind::Text,
        "AllowedMemoryNodes= during start-up and shutdown.",
    )
    .show("StartupAllowedMemoryNodes", "ay", no_bytes)
    .kept(shape::processors),
    resource(
        "MemoryAccounting",
        205,
        Kind::Boolean,
        "Whether memory is counted.",
    )
    .show("MemoryAccounting", "b", yes)
    .kept(shape::boolean),
    resource(
        "MemoryMin",
        240,
        Kind::Text,
        "Memory that is never taken from the unit.",
    )
    .neutral(&["0"])
    .show("MemoryMin", "t", zero)
    .kept(shape::limit_bytes),
    resource(
        "MemoryLow",
        231,
        Kind::Text,
        "Memory that is taken from the unit last.",
    )
    .neutral(&["0"])
    .show("MemoryLow", "t", zero)
    .kept(shape::limit_bytes),
    resource(
        "StartupMemoryLow",
        254,
        Kind::Text,
        "MemoryLow= during start-up and shutdown.",
    )
    .reads("StartupMemoryLow", shape::limit_bytes),
    resource(
        "DefaultMemoryMin",
        243,
        Kind::Text,
        "MemoryMin= of the units below a slice.",
    )
    .show("DefaultMemoryMin", "t", zero)
    .kept(shape::limit_bytes),
    resource(
        "DefaultMemoryLow",
        243,
        Kind::Text,
        "MemoryLow= of the units below a slice.",
    )
    .show("DefaultMemoryLow", "t", zero)
    .kept(shape::limit_bytes),
    resource(
        "DefaultStartupMemoryLow",
        254,
        Kind::Text,
        "StartupMemoryLow= of the units below a slice.",
    )
    .reads("DefaultStartupMemoryLow", shape::limit_bytes),
    resource(
        "MemoryHigh",
        231,
        Kind::Text,
        "Memory above which the unit is slowed down.",
    )
    .neutral(&["infinity"])
    .unlimited("MemoryHigh", shape::some_bytes),
    resource(
        "StartupMemoryHigh",
        254,
        Kind::Text,
        "MemoryHigh= during start-up and shutdown.",
    )
    .reads("StartupMemoryHigh", shape::some_bytes)
    .neutral(&["infinity"]),
    resource(
        "MemoryMax",
        231,
        Kind::Text,
        "The most memory that the unit may use.",
    )
    .neutral(&["infinity"])
    .unlimited("MemoryMax", shape::some_bytes),
    resource(
        "StartupMemoryMax",
        254,
        Kind::Text,
        "MemoryMax= during start-up and shutdown.",
    )
    .reads("StartupMemoryMax", shape::some_bytes)
    .neutral(&["infinity"]),
    resource(
        "MemorySwapMax",
        232,
        Kind::Text,
        "The most swap that the unit may use.",
    )
    .neutral(&["infinity"])
    .unlimited("MemorySwapMax", shape::limit_bytes),
    resource(
        "StartupMemorySwapMax",
        254,
        Kind::Text,
        "MemorySwapMax= during start-up and shutdown.",
    )
    .reads("StartupMemorySwapMax", shape::limit_bytes)
    .neutral(&["infinity"]),
    resource(
        "MemoryZSwapMax",
        253,
        Kind::Text,
        "The most compressed swap that the unit may use.",
    )
    .reads("MemoryZSwapMax", shape::limit_bytes)
    .neutral(&["infinity"]),
    resource(
        "StartupMemoryZSwapMax",
        254,
        Kind::Text,
        "MemoryZSwapMax= during start-up and shutdown.",
    )
    .reads("StartupMemoryZSwapMax", shape::limit_bytes)
    .neutral(&["infinity"]),
    resource(
        "MemoryZSwapWriteback",
        256,
        Kind::Boolean,
        "Whether compressed swap may be written to disk.",
    )
    .reads("MemoryZSwapWriteback", shape::boolean)
    .neutral(&["yes"]),
    resource(
        "MemoryLimit",
        34,
        Kind::Text,
        "The most memory in control groups of old.",
    )
    .neutral(&["infinity"])
    .unlimited("MemoryLimit", shape::some_bytes),
    resource(
        "MemoryPressureWatch",
        254,
        Kind::Text,
        "Whether the service is told of memory pressure.",
    )
    .reads("MemoryPressureWatch", shape::pressure_watch),
    resource(
        "MemoryPressureThresholdSec",
        254,
        Kind::Span,
        "From which memory pressure on the service is told.",
    )
    .reads("MemoryPressureThresholdUSec", shape::span),
    resource(
        "TasksAccounting",
        227,
        Kind::Boolean,
        "Whether processes and threads are counted.",
    )
    .show("TasksAccounting", "b", yes)
    .kept(shape::boolean),
    resource(
        "TasksMax",
        227,
        Kind::Text,
        "The most processes and threads that the unit may have.",
    )
    .neutral(&["infinity"])
    .unlimited("TasksMax", shape::tasks),
    resource(
        "IOAccounting",
        230,
        Kind::Boolean,
        "Whether input and output are counted.",
    )
    .off(),
    resource(
        "IOWeight",
        230,
        Kind::Number,
        "The share of input and output against siblings.",
    )
    .unlimited("IOWeight", shape::weight),
    resource(
        "StartupIOWeight",
        230,
        Kind::Number,
        "IOWeight= during start-up and shutdown.",
    )
    .unlimited("StartupIOWeight", shape::weight),
    resource(
        "IODeviceWeight",
        230,
        Kind::List,
        "IOWeight= for single devices.",
    )
    .show("IODeviceWeight", "a(st)", empty)
    .kept(shape::device_weights),
    resource(
        "IOReadBandwidthMax",
        230,
        Kind::List,
        "The most bytes read from a device in a second.",
    )
    .show("IOReadBandwidthMax", "a(st)", empty)
    .kept(shape::device_bytes),
    resource(
        "IOWriteBandwidthMax",
        230,
        Kind::List,
        "The most bytes written to a device in a second.",
    )
    .show("IOWriteBandwidthMax", "a(st)", empty)
    .kept(shape::device_bytes),
    resource(
        "IOReadIOPSMax",
        230,
        Kind::List,
        "The most reads from a device in a second.",
    )
    .show("IOReadIOPSMax", "a(st)", empty)
    .kept(shape::device_bytes),
    resource(
        "IOWriteIOPSMax",
        230,
        Kind::List,
        "The most writes to a device in a second.",
    )
    .show("IOWriteIOPSMax", "a(st)", empty)
    .kept(shape::device_bytes),
    resource(
        "IODeviceLatencyTargetSec",
        240,
        Kind::List,
        "The wait for a device that others are slowed down for.",
    )
    .show("IODeviceLatencyTargetUSec", "a(st)", empty)
    .kept(shape::device_spans),
    resource(
        "BlockIOAccounting",
        205,
        Kind::Boolean,
        "Whether input and output are counted in control groups of old.",
    )
    .off(),
    resource(
        "BlockIOWeight",
        34,
        Kind::Number,
        "The share of input and output in control groups of old.",
    )
    .unlimited("BlockIOWeight", shape::block_weight),
    resource(
        "StartupBlockIOWeight",
        213,
        Kind::Number,
        "BlockIOWeight= during start-up and shutdown.",
    )
    .unlimited("StartupBlockIOWeight", shape::block_weight),
    resource(
        "BlockIODeviceWeight",
        206,
        Kind::List,
        "BlockIOWeight= for single devices.",
    )
    .show("BlockIODeviceWeight", "a(st)", empty)
    .kept(shape::block_device_weights),
    resource(
        "BlockIOReadBandwidth",
        34,
        Kind::List,
        "The most bytes read from a device in control groups of old.",
    )
    .show("BlockIOReadBandwidth", "a(st)", empty)
    .kept(shape::device_bytes),
    resource(
        "BlockIOWriteBandwidth",
        34,
        Kind::List,
        "The most bytes written to a device in control groups of old.",
    )
    .show("BlockIOWriteBandwidth", "a(st)", empty)
    .kept(shape::device_bytes),
    resource(
        "Slice",
        205,
        Kind::Text,
        "The slice that the unit belongs to.",
    )
    .neutral(&["system.slice"])
    .show("Slice", "s", |_| text("system.slice"))
    .kept(shape::slice)
    .fixed(),
    resource(
        "Delegate",
        218,
        Kind::Text,
        "Whether the unit manages the control groups below its own.",
    )
    .show("Delegate", "b", |_| PropertyValue::Bool(false))
    .kept(shape::controllers)
    .show("DelegateControllers", "as", no_list)
    .fixed(),
    resource(
        "DelegateSubgroup",
        254,
        Kind::Text,
        "The control group below the unit's own that its processes start in.",
    )
    .reads("DelegateSubgroup", shape::subgroup)
    .fixed(),
    resource(
        "DisableControllers",
        240,
        Kind::List,
        "Controllers that are kept away from the units below.",
    )
    .no_list(),
    for_oomd(
        "ManagedOOMSwap",
        247,
        Kind::Choice(&["auto", "kill"]),
        "Whether a watcher may kill the unit for swap use.",
    )
    .neutral(&["auto"])
    .show("ManagedOOMSwap", "s", |_| text("auto"))
    .kept(shape::word),
    for_oomd(
        "ManagedOOMMemoryPressure",
        247,
        Kind::Choice(&["auto", "kill"]),
        "Whether a watcher may kill the unit for memory pressure.",
    )
    .neutral(&["auto"])
    .show("ManagedOOMMemoryPressure", "s", |_| text("auto"))
    .kept(shape::word),
    for_oomd(
        "ManagedOOMMemoryPressureLimit",
        248,
        Kind::Text,
        "The memory pressure that a watcher kills at.",
    )
    .show("ManagedOOMMemoryPressureLimit", "u", |_| {
        PropertyValue::U32(0)
    }),
    for_oomd(
        "ManagedOOMMemoryPressureDurationSec",
        257,
        Kind::Span,
        "How long memory pressure may last before a watcher kills.",
    ),
    for_oomd(
        "ManagedOOMPreference",
        248,
        Kind::Choice(&["none", "avoid", "omit"]),
        "Whether a watcher spares the unit.",
    )
    .neutral(&["none"])
    .show("ManagedOOMPreference", "s", |_| text("none"))
    .kept(shape::word),
    resource(
        "IPAccounting",
        235,
        Kind::Boolean,
        "Whether network traffic is counted.",
    )
    .off()
    .left_out(|r, v| of_processes(r, v, false), Support::Full),
    resource(
        "CoredumpReceive",
        255,
        Kind::Boolean,
        "Whether the unit gets the core dumps of containers in it.",
    )
    .left_out(
        |r, v| r.not_applied(v, NO_CORE_DUMPS, false),
        Support::Accepted(NO_CORE_DUMPS),
    ),
    resource(
        "DeviceAllow",
        34,
        Kind::List,
        "The devices that the unit may use.",
    )
    .show("DeviceAllow", "a(ss)", empty)
    .kept(shape::devices),
    resource(
        "DevicePolicy",
        205,
        Kind::Choice(&["auto", "closed", "strict"]),
        "Whether devices that are not named may be used.",
    )
    .neutral(&["auto"])
    .show("DevicePolicy", "s", |_| text("auto"))
    .kept(shape::word),
    access(
        "IPAddressAllow",
        235,
        Kind::List,
        "The network addresses that the unit may talk to.",
    )
    .show("IPAddressAllow", "a(iayu)", empty)
    .kept(shape::addresses),
    access(
        "IPAddressDeny",
        235,
        Kind::List,
        "The network addresses that the unit may not talk to.",
    )
    .show("IPAddressDeny", "a(iayu)", empty)
    .kept(shape::addresses),
    foreign(
        "IPIngressFilterPath",
        243,
        Kind::List,
        "BPF programs that filter what comes in from the network.",
    )
    .no_list(),
    foreign(
        "IPEgressFilterPath",
        243,
        Kind::List,
        "BPF programs that filter what goes out to the network.",
    )
    .no_list(),
    foreign(
        "BPFProgram",
        249,
        Kind::List,
        "BPF programs that are attached to the unit's control group.",
    )
    .show("BPFProgram", "a(ss)", empty),
    access(
        "SocketBindAllow",
        249,
        Kind::List,
        "The ports that the unit may bind.",
    )
    .show("SocketBindAllow", "a(iiqq)", empty)
    .kept(shape::bind_rules),
    access(
        "SocketBindDeny",
        249,
        Kind::List,
        "The ports that the unit may not bind.",
    )
    .show("SocketBindDeny", "a(iiqq)", empty)
    .kept(shape::bind_rules),
    access(
        "RestrictNetworkInterfaces",
        250,
        Kind::List,
        "The network interfaces that the unit may use; with ~ may not.",
    )
    .show("RestrictNetworkInterfaces", "(bas)", no_filter)
    .kept(shape::name_filter),
    foreign(
        "NFTSet",
        255,
        Kind::List,
        "Sets of the packet filter that the unit's control group joins.",
    ),
    foreign(
        "BindNetworkInterface",
        260,
        Kind::Text,
        "The network interface that sockets of the unit are bound to.",
    ),
    dropped(RESOURCE, "NetClass", 227),
];
