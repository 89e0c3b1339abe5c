//! Condition...= and Assert...= of \[Unit\] (systemd.unit(5), "CONDITIONS AND ASSERTS").

use super::UNIT;
use super::parse::absolute;
use super::read::{Reading, Trouble};
use super::row::{Kind, PropertyValue, Row};
use crate::unit::config::{Condition, ConditionKind, UnitConfig};

/// Whether the parameter is a path, which must be absolute.
fn takes_path(kind: ConditionKind) -> bool {
    let suffix = kind.suffix();
    suffix.starts_with("Path")
        || suffix.starts_with("File")
        || matches!(
            kind,
            ConditionKind::DirectoryNotEmpty | ConditionKind::NeedsUpdate
        )
}

/// Reads `[|][!]parameter`.
fn read(reading: &Reading<'_>, kind: ConditionKind, value: &str) -> Result<Condition, Trouble> {
    let (trigger, rest) = match value.strip_prefix('|') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, value),
    };
    let (negate, rest) = match rest.strip_prefix('!') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, rest),
    };
    let mut parameter = reading.expand(rest)?;
    if takes_path(kind) {
        parameter = absolute(&parameter)?;
    }
    Ok(Condition {
        kind,
        parameter,
        trigger,
        negate,
    })
}

fn kind_of(row: &Row, prefix: &str) -> Option<ConditionKind> {
    let suffix = row.name.strip_prefix(prefix)?;
    ConditionKind::ALL
        .into_iter()
        .find(|kind| kind.suffix() == suffix)
}

/// Adds a condition; an empty value drops those of every kind (U11).
fn condition(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    if value.is_empty() {
        reading.draft.config.unit.conditions.clear();
    } else if let Some(kind) = kind_of(reading.row, "Condition") {
        let condition = read(reading, kind, value)?;
        reading.draft.config.unit.conditions.push(condition);
    }
    Ok(())
}

/// Adds an assert; an empty value drops those of every kind (U11).
fn assert(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    if value.is_empty() {
        reading.draft.config.unit.asserts.clear();
    } else if let Some(kind) = kind_of(reading.row, "Assert") {
        let condition = read(reading, kind, value)?;
        reading.draft.config.unit.asserts.push(condition);
    }
    Ok(())
}

/// Conditions as `Conditions` and `Asserts` carry them; their last result, which only the
/// running unit knows, stands at 0, not looked at yet.
fn show(list: &[Condition], prefix: &str) -> PropertyValue {
    let entries = list.iter().map(|condition| {
        PropertyValue::Struct(vec![
            PropertyValue::String(format!("{prefix}{}", condition.kind.suffix())),
            PropertyValue::Bool(condition.trigger),
            PropertyValue::Bool(condition.negate),
            PropertyValue::String(condition.parameter.clone()),
            PropertyValue::I32(0),
        ])
    });
    PropertyValue::Array(entries.collect())
}

fn conditions(config: &UnitConfig) -> PropertyValue {
    show(&config.unit.conditions, "Condition")
}

fn asserts(config: &UnitConfig) -> PropertyValue {
    show(&config.unit.asserts, "Assert")
}

const fn start_if(name: &'static str, since: u16, doc: &'static str) -> Row {
    Row::new(UNIT, name, since, Kind::Condition, condition, doc)
}

const fn fail_unless(name: &'static str, since: u16) -> Row {
    Row::new(UNIT, name, since, Kind::Condition, assert, ASSERT)
}

const ASSERT: &str = "As the condition of the same name, but a start fails where it does not hold.";

pub(super) static ROWS: &[Row] = &[
    start_if("ConditionArchitecture", 210, "The machine has this processor architecture, or the one this program was built for (native).").show("Conditions", "a(sbbsi)", conditions),
    start_if("ConditionFirmware", 249, "The machine has firmware of this kind."),
    start_if("ConditionVirtualization", 33, "The system runs in a virtual machine or container, or in one of this kind."),
    start_if("ConditionHost", 189, "The host has this name or machine id."),
    start_if("ConditionKernelCommandLine", 33, "The kernel was booted with this word or assignment."),
    start_if("ConditionKernelVersion", 237, "The kernel's release matches this pattern or comparison."),
    start_if("ConditionCredential", 252, "A credential of this name was passed to the manager."),
    start_if("ConditionEnvironment", 247, "The manager's own environment holds this variable or assignment."),
    start_if("ConditionSecurity", 33, "This security technology is in force on the system."),
    start_if("ConditionCapability", 37, "The manager's bounding set holds this capability."),
    start_if("ConditionACPower", 197, "The machine is on mains power, or with false, on battery."),
    start_if("ConditionNeedsUpdate", 215, "/etc or /var is older than the operating system's files."),
    start_if("ConditionFirstBoot", 216, "The system boots for the first time."),
    start_if("ConditionPathExists", 33, "Something exists at this path."),
    start_if("ConditionPathExistsGlob", 33, "Something exists that this pattern matches."),
    start_if("ConditionPathIsDirectory", 33, "The path is a directory."),
    start_if("ConditionPathIsSymbolicLink", 36, "The path is a symbolic link."),
    start_if("ConditionPathIsMountPoint", 36, "Something is mounted at the path."),
    start_if("ConditionPathIsReadWrite", 183, "The file system at the path can be written to."),
    start_if("ConditionPathIsEncrypted", 247, "The file system at the path lies on an encrypted device."),
    start_if("ConditionDirectoryNotEmpty", 33, "The path is a directory with something in it."),
    start_if("ConditionFileNotEmpty", 196, "The path is a regular file with something in it."),
    start_if("ConditionFileIsExecutable", 33, "The path is a regular file that may be executed."),
    start_if("ConditionUser", 234, "The manager runs as this user."),
    start_if("ConditionGroup", 234, "The manager's user is in this group."),
    start_if("ConditionControlGroupController", 237, "These control group controllers are there to be used."),
    start_if("ConditionMemory", 247, "The machine has this much memory."),
    start_if("ConditionCPUs", 247, "The manager may run on this many processors."),
    start_if("ConditionCPUFeature", 251, "The processor has this feature."),
    start_if("ConditionOSRelease", 249, "A field of os-release has this value."),
    start_if("ConditionMemoryPressure", 250, "Memory pressure has been below this share of time."),
    start_if("ConditionCPUPressure", 250, "Processor pressure has been below this share of time."),
    start_if("ConditionIOPressure", 250, "Input/output pressure has been below this share of time."),
    start_if("ConditionVersion", 258, "The kernel's, systemd's or the C library's version matches."),
    start_if("ConditionKernelModuleLoaded", 258, "The kernel module is loaded or built in."),
];

pub(super) static ASSERT_ROWS: &[Row] = &[
    fail_unless("AssertArchitecture", 218).show("Asserts", "a(sbbsi)", asserts),
    fail_unless("AssertFirmware", 249),
    fail_unless("AssertVirtualization", 218),
    fail_unless("AssertHost", 218),
    fail_unless("AssertKernelCommandLine", 218),
    fail_unless("AssertKernelVersion", 237),
    fail_unless("AssertCredential", 252),
    fail_unless("AssertEnvironment", 247),
    fail_unless("AssertSecurity", 218),
    fail_unless("AssertCapability", 218),
    fail_unless("AssertACPower", 218),
    fail_unless("AssertNeedsUpdate", 218),
    fail_unless("AssertFirstBoot", 218),
    fail_unless("AssertPathExists", 218),
    fail_unless("AssertPathExistsGlob", 218),
    fail_unless("AssertPathIsDirectory", 218),
    fail_unless("AssertPathIsSymbolicLink", 218),
    fail_unless("AssertPathIsMountPoint", 218),
    fail_unless("AssertPathIsReadWrite", 218),
    fail_unless("AssertPathIsEncrypted", 247),
    fail_unless("AssertDirectoryNotEmpty", 218),
    fail_unless("AssertFileNotEmpty", 218),
    fail_unless("AssertFileIsExecutable", 218),
    fail_unless("AssertUser", 234),
    fail_unless("AssertGroup", 234),
    fail_unless("AssertControlGroupController", 237),
    fail_unless("AssertMemory", 247),
    fail_unless("AssertCPUs", 247),
    fail_unless("AssertCPUFeature", 251),
    fail_unless("AssertOSRelease", 249),
    fail_unless("AssertMemoryPressure", 250),
    fail_unless("AssertCPUPressure", 250),
    fail_unless("AssertIOPressure", 250),
    fail_unless("AssertVersion", 258),
    fail_unless("AssertKernelModuleLoaded", 258),
];
