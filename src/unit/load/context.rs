//! What some settings bring with them for others (systemd.exec(5), DynamicUser=,
//! PrivateDevices= and their kin), the defaults that come from the machine, and the slice.
//!
//! What is implied is changed where it is shown; `sandbox` makes of that what is carried out.

use super::Settings;
use crate::unit::config::{
    Accounting, ExecConfig, InputSource, LoadState, OutputTarget, SharedValues, UnitConfig,
};
use crate::unit::directive::PropertyValue;
use crate::unit::dynamic_user;
use crate::unit::escape::{escape, unescape_path};
use crate::unit::name::{UnitName, UnitType};
use crate::unit::specifier::SystemFacts;
use crate::unit::value::{CapabilitySet, LimitKind};

/// The share of the machine's tasks that a unit may have unless TasksMax= says otherwise
/// (systemd-system.conf(5), DefaultTasksMax=).
const TASKS_PERCENT: u64 = 15;

/// What all units have from the machine unless their files say otherwise.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Units that run processes.
    running: SharedValues,
    /// Those that only hold some.
    tasks: SharedValues,
}

impl Shared {
    /// What this machine gives.
    pub(super) fn of(system: &SystemFacts) -> Shared {
        let tasks = PropertyValue::U64(system.tasks * TASKS_PERCENT / 100);
        let tasks = (system.tasks > 0).then_some(("TasksMax", tasks));
        let limits = INHERITED.iter().flat_map(|(kind, hard, soft)| {
            let limit = system.limits.get(kind).into_iter();
            limit.flat_map(|limit| {
                let hard = (*hard, PropertyValue::U64(limit.hard));
                [hard, (*soft, PropertyValue::U64(limit.soft))]
            })
        });
        Shared {
            running: limits.chain(tasks.clone()).collect(),
            tasks: tasks.into_iter().collect(),
        }
    }
}

/// Fills in what follows from the unit's settings and from the machine.
pub(super) fn settle(config: &mut UnitConfig, settings: &Settings, shared: &Shared) {
    isolate(config);
    if config.load != LoadState::Loaded || !has_group(config.name.unit_type()) {
        return;
    }
    if let Some(slice) = default_slice(config) {
        let slice = PropertyValue::String(slice);
        config.written.insert_default("Slice", slice);
    }
    if config.name.unit_type() == UnitType::Scope {
        config.written.share(shared.tasks.clone());
    }
    count(config, settings.accounting);
    if runs_processes(config.name.unit_type()) {
        inherit_limits(config, shared);
        imply(config);
        super::sandbox::settle(config);
    }
    super::resource::settle(config);
}

/// What is counted where the unit does not say.
fn count(config: &mut UnitConfig, accounting: Accounting) {
    for (property, switch) in [
        ("CPUAccounting", accounting.cpu),
        ("MemoryAccounting", accounting.memory),
        ("TasksAccounting", accounting.tasks),
        ("IOAccounting", accounting.io),
        ("IPAccounting", accounting.ip),
    ] {
        if let Some(switch) = switch {
            let switch = PropertyValue::Bool(switch);
            config.written.insert_default(property, switch);
        }
    }
}

/// Whether units of a type have a control group.
pub(super) fn has_group(unit_type: UnitType) -> bool {
    match unit_type {
        UnitType::Slice | UnitType::Scope => true,
        other => runs_processes(other),
    }
}

/// Whether units of a type have an execution environment.
pub(super) fn runs_processes(unit_type: UnitType) -> bool {
    match unit_type {
        UnitType::Service | UnitType::Socket | UnitType::Mount | UnitType::Swap => true,
        UnitType::Target
        | UnitType::Timer
        | UnitType::Path
        | UnitType::Slice
        | UnitType::Scope
        | UnitType::Automount
        | UnitType::Device => false,
    }
}

/// Whether a switch is on.
pub(super) fn is_on(config: &UnitConfig, property: &str) -> bool {
    config.written.get(property) == Some(&PropertyValue::Bool(true))
}

/// The slice of a unit that names none: the one that its own name stands for below, a slice
/// for all instances of its template, else system.slice (systemd.slice(5)).
fn default_slice(config: &UnitConfig) -> Option<String> {
    let name = &config.name;
    if name.unit_type() == UnitType::Mount && is_api_mount(name) {
        return Some("-.slice".to_owned());
    }
    if name.unit_type() == UnitType::Slice {
        let stem = name.stem();
        return match stem.rfind('-') {
            _ if stem == "-" => None,
            Some(at) => Some(format!("{}.slice", &stem[..at])),
            None => Some("-.slice".to_owned()),
        };
    }
    Some(match name.instance() {
        Some(_) => format!("system-{}.slice", escape(name.prefix())),
        None => "system.slice".to_owned(),
    })
}

/// Whether a mount or automount is for one of the kernel's own file systems.
fn is_api_mount(name: &UnitName) -> bool {
    let path = unescape_path(name.stem()).unwrap_or_default();
    ["/dev/", "/proc/", "/sys/"]
        .iter()
        .any(|top| path.starts_with(top))
}

/// What stays when another unit is isolated, unless its file says otherwise.
fn isolate(config: &mut UnitConfig) {
    let stays = match config.name.unit_type() {
        UnitType::Slice | UnitType::Scope | UnitType::Device => true,
        UnitType::Mount | UnitType::Automount => is_api_mount(&config.name),
        UnitType::Service
        | UnitType::Socket
        | UnitType::Target
        | UnitType::Timer
        | UnitType::Path
        | UnitType::Swap => false,
    };
    config.unit.ignore_on_isolate.get_or_insert(stays);
}

/// What is shown of a unit without usable files: settings that depend on others were never
/// decided, the machine's limits stand.
pub(super) fn unusable(config: &mut UnitConfig, shared: &Shared) {
    if !runs_processes(config.name.unit_type()) {
        return;
    }
    inherit_limits(config, shared);
    let written = &mut config.written;
    written.insert("Slice", word(""));
    written.insert("StandardOutput", word("inherit"));
    if config.name.unit_type() == UnitType::Service {
        written.insert("Type", word(""));
        written.insert("OOMPolicy", word(""));
    }
}

/// Names of the two properties of each limit that a unit may keep from the manager. CORE and
/// MEMLOCK are not among them: systemd sets its own when it starts.
const INHERITED: [(LimitKind, &str, &str); 13] = [
    (LimitKind::Cpu, "LimitCPU", "LimitCPUSoft"),
    (LimitKind::Fsize, "LimitFSIZE", "LimitFSIZESoft"),
    (LimitKind::Data, "LimitDATA", "LimitDATASoft"),
    (LimitKind::Stack, "LimitSTACK", "LimitSTACKSoft"),
    (LimitKind::Rss, "LimitRSS", "LimitRSSSoft"),
    (LimitKind::As, "LimitAS", "LimitASSoft"),
    (LimitKind::Nproc, "LimitNPROC", "LimitNPROCSoft"),
    (LimitKind::Locks, "LimitLOCKS", "LimitLOCKSSoft"),
    (
        LimitKind::Sigpending,
        "LimitSIGPENDING",
        "LimitSIGPENDINGSoft",
    ),
    (LimitKind::Msgqueue, "LimitMSGQUEUE", "LimitMSGQUEUESoft"),
    (LimitKind::Nice, "LimitNICE", "LimitNICESoft"),
    (LimitKind::Rtprio, "LimitRTPRIO", "LimitRTPRIOSoft"),
    (LimitKind::Rttime, "LimitRTTIME", "LimitRTTIMESoft"),
];

/// Limits that the unit does not set are the manager's.
fn inherit_limits(config: &mut UnitConfig, shared: &Shared) {
    let set = config.exec().map(|exec| &exec.limits);
    let own = INHERITED
        .iter()
        .filter(|(kind, ..)| set.is_some_and(|set| set.contains_key(kind)))
        .flat_map(|(_, hard, soft)| [*hard, *soft]);
    let own: Vec<&str> = own.collect();
    config.written.share(shared.running.without(&own));
}

/// What is implied by PrivateDevices=, ProtectClock=, ProtectKernelModules=,
/// ProtectKernelLogs= and DynamicUser=.
fn imply(config: &mut UnitConfig) {
    if matches!(config.name.unit_type(), UnitType::Mount | UnitType::Swap) {
        config
            .written
            .insert("SameProcessGroup", PropertyValue::Bool(true));
    }
    imply_input(config);
    imply_output(config);
    imply_capabilities(config);
    if is_on(config, "DynamicUser") {
        imply_dynamic_user(config);
    }
    let closed = config.written.get("DevicePolicy");
    let auto = closed.is_none_or(|policy| *policy == word("auto"));
    if is_on(config, "PrivateDevices") && auto {
        config.written.insert("DevicePolicy", word("closed"));
    }
    let limits_devices = config.written.contains_key("DeviceAllow")
        || config
            .written
            .get("DevicePolicy")
            .is_some_and(|policy| *policy != word("auto"));
    if is_on(config, "ProtectClock") && limits_devices {
        let clock = PropertyValue::Struct(vec![word("char-rtc"), word("r")]);
        match config.written.get_mut("DeviceAllow") {
            Some(PropertyValue::Array(list)) => list.insert(0, clock),
            _ => {
                let list = PropertyValue::Array(vec![clock]);
                config.written.insert("DeviceAllow", list);
            }
        }
    }
}

/// Data for standard input are read unless it comes from elsewhere; `null` counts as unsaid.
fn imply_input(config: &mut UnitConfig) {
    if let Some(exec) = config.exec_mut()
        && exec.standard_input == InputSource::Null
        && !exec.input_data.is_empty()
    {
        exec.standard_input = InputSource::Data;
    }
}

/// Output goes where input comes from, if that is a terminal, a socket or a descriptor and
/// nothing else is said; where it is anything else, `inherit` means nothing but the default.
fn imply_output(config: &mut UnitConfig) {
    let Some(exec) = config.exec() else {
        return;
    };
    let follows = match &exec.standard_input {
        InputSource::Socket | InputSource::Terminal(_) | InputSource::Descriptor(_) => true,
        InputSource::Null | InputSource::File(_) | InputSource::Data => false,
    };
    let unset = exec.standard_output == OutputTarget::Log;
    if !follows && exec.standard_output == OutputTarget::Inherit {
        if let Some(exec) = config.exec_mut() {
            exec.standard_output = OutputTarget::Log;
        }
    } else if follows && unset {
        config.written.insert("StandardOutput", word("inherit"));
        if let Some(exec) = config.exec_mut() {
            exec.standard_output = OutputTarget::Inherit;
        }
    }
}

/// Whether output or error goes to the log.
pub(super) fn logs(config: &UnitConfig, exec: &ExecConfig) -> bool {
    let inherits = config.written.get("StandardOutput") == Some(&word("inherit"));
    let output = exec.standard_output.is_captured() && !inherits;
    output || exec.standard_error.is_captured()
}

/// The capabilities that a switch takes away.
const TAKEN: [(&str, &str); 4] = [
    ("PrivateDevices", "CAP_MKNOD CAP_SYS_RAWIO"),
    ("ProtectKernelModules", "CAP_SYS_MODULE"),
    ("ProtectKernelLogs", "CAP_SYSLOG"),
    ("ProtectClock", "CAP_SYS_TIME CAP_WAKE_ALARM"),
];

fn imply_capabilities(config: &mut UnitConfig) {
    let mut taken = CapabilitySet::EMPTY;
    for (switch, names) in TAKEN {
        if is_on(config, switch) {
            taken.0 |= CapabilitySet::parse(names).unwrap_or_default().0;
        }
    }
    if taken != CapabilitySet::EMPTY {
        let set = config.exec().and_then(|exec| exec.capability_bounding_set);
        let left = set.unwrap_or(CapabilitySet::ALL).0 & !taken.0 & CapabilitySet::KNOWN.0;
        let left = PropertyValue::U64(left);
        config.written.insert("CapabilityBoundingSet", left);
    }
}

/// An account that comes and goes with the unit leaves nothing behind.
fn imply_dynamic_user(config: &mut UnitConfig) {
    let user = config.exec().and_then(|exec| exec.user.clone());
    let group = config.exec().and_then(|exec| exec.group.clone());
    // systemd.exec(5), DynamicUser=: called as the unit, or by a hash of that.
    let name = user
        .clone()
        .unwrap_or_else(|| dynamic_user::name_of(config.name.prefix()));
    let written = &mut config.written;
    if group.is_none() {
        written.insert("Group", PropertyValue::String(name.clone()));
    }
    if user.is_none() {
        written.insert("User", PropertyValue::String(name));
    }
    for switch in [
        "PrivateTmp",
        "RemoveIPC",
        "NoNewPrivileges",
        "RestrictSUIDSGID",
    ] {
        written.insert(switch, PropertyValue::Bool(true));
    }
    written.insert("ProtectSystem", word("strict"));
    let home = written.get("ProtectHome");
    if home.is_none_or(|home| *home == word("no")) {
        written.insert("ProtectHome", word("read-only"));
    }
}

fn word(text: &str) -> PropertyValue {
    PropertyValue::String(text.to_owned())
}
