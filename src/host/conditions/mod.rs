//! Evaluates Condition...= and Assert...= (systemd.unit(5), "CONDITIONS AND ASSERTS").
//!
//! May block (paths on foreign file systems): runs on a pool thread, never on the loop. What
//! cannot be looked at, or makes no sense, fails closed: neither it nor its negation holds.

mod compare;
mod encryption;
mod firmware;
mod machine;
mod path;
mod pressure;
mod security;
mod update;
mod virtualization;

use crate::unit::config::{Condition, ConditionKind};
use crate::unit::specifier::SystemFacts;
use std::path::Path;
use std::sync::Arc;

/// What conditions are looked at with.
#[derive(Debug, Clone, Default)]
pub(super) struct Surroundings {
    /// The machine and the manager's user.
    pub(super) system: Arc<SystemFacts>,
    /// The manager's environment.
    pub(super) environment: Arc<Vec<(String, String)>>,
}

impl Surroundings {
    fn variable(&self, name: &str) -> Option<&str> {
        self.environment
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }
}

pub(super) use path::{exists, exists_glob};

/// Whether this runs in a container.
pub(super) fn in_container(around: &Surroundings) -> bool {
    virtualization::container(around).is_some()
}

/// Whether each condition holds by itself, before `!` and `|`.
pub(super) fn evaluate(conditions: &[Condition], around: &Surroundings) -> Vec<bool> {
    conditions
        .iter()
        .map(|condition| {
            look(condition, around).unwrap_or_else(|| {
                tracing::warn!(
                    "the condition {}={} cannot be looked at and counts as not met",
                    condition.kind.suffix(),
                    condition.parameter
                );
                condition.negate
            })
        })
        .collect()
}

/// `None`: cannot be told.
fn look(condition: &Condition, around: &Surroundings) -> Option<bool> {
    let value = condition.parameter.as_str();
    match condition.kind {
        ConditionKind::PathExists => Some(path::exists(value)),
        ConditionKind::PathExistsGlob => Some(path::exists_glob(value)),
        ConditionKind::PathIsDirectory => Some(path::is_directory(value)),
        ConditionKind::PathIsSymbolicLink => Some(path::is_link(value)),
        ConditionKind::PathIsMountPoint => Some(path::is_mount_point(value)),
        ConditionKind::PathIsReadWrite => Some(path::is_read_write(value)),
        ConditionKind::DirectoryNotEmpty => Some(path::directory_not_empty(value)),
        ConditionKind::FileNotEmpty => Some(path::file_not_empty(value)),
        ConditionKind::FileIsExecutable => Some(path::file_is_executable(value)),
        ConditionKind::Host => machine::host(value, &around.system),
        ConditionKind::Architecture => Some(machine::architecture(value, &around.system)),
        ConditionKind::KernelVersion => machine::kernel_version(value, &around.system),
        ConditionKind::KernelCommandLine => machine::kernel_command_line(value),
        ConditionKind::Memory => machine::memory(value),
        ConditionKind::Cpus => machine::cpus(value),
        ConditionKind::CpuFeature => machine::cpu_feature(value),
        ConditionKind::OsRelease => machine::os_release(value, &around.system),
        ConditionKind::ControlGroupController => machine::controllers(value),
        ConditionKind::AcPower => machine::ac_power(value),
        ConditionKind::FirstBoot => machine::first_boot(value),
        ConditionKind::Environment => Some(environment(value, around)),
        ConditionKind::User => security::user(value, &around.system),
        ConditionKind::Group => security::group(value, &around.system),
        ConditionKind::Capability => security::capability(value),
        ConditionKind::Security => security::module(value),
        ConditionKind::Virtualization => virtualization::is(value, around),
        ConditionKind::PathIsEncrypted => Some(encryption::is_encrypted(value)),
        ConditionKind::Firmware => firmware::is(value, Path::new("/")),
        ConditionKind::Credential => credential(value, around),
        ConditionKind::NeedsUpdate => update::is_needed(value),
        ConditionKind::MemoryPressure => pressure::is_below("memory", value),
        ConditionKind::CpuPressure => pressure::is_below("cpu", value),
        ConditionKind::IoPressure => pressure::is_below("io", value),
        ConditionKind::Version => machine::version(value, &around.system),
        ConditionKind::KernelModuleLoaded => machine::kernel_module(value),
    }
}

/// `NAME`: set; `NAME=value`: set to exactly that; in the manager's environment.
fn environment(value: &str, around: &Surroundings) -> bool {
    match value.split_once('=') {
        Some((name, wanted)) => around.variable(name) == Some(wanted),
        None => around.variable(value).is_some(),
    }
}

/// Passed to the manager itself, encrypted or not.
fn credential(name: &str, around: &Surroundings) -> Option<bool> {
    if name.is_empty() || name.contains('/') || [".", ".."].contains(&name) {
        return None;
    }
    let directories = ["CREDENTIALS_DIRECTORY", "ENCRYPTED_CREDENTIALS_DIRECTORY"];
    let mut places = directories.into_iter().filter_map(|it| around.variable(it));
    Some(places.any(|directory| Path::new(directory).join(name).exists()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(kind: ConditionKind, parameter: &str, negate: bool) -> bool {
        let around = Surroundings {
            environment: Arc::new(vec![("A".into(), "1".into())]),
            ..Surroundings::default()
        };
        let condition = Condition {
            kind,
            parameter: parameter.into(),
            trigger: false,
            negate,
        };
        evaluate(&[condition], &around)[0]
    }

    #[test]
    fn environment_words() {
        assert!(holds(ConditionKind::Environment, "A", false));
        assert!(holds(ConditionKind::Environment, "A=1", false));
        assert!(!holds(ConditionKind::Environment, "A=2", false));
        assert!(!holds(ConditionKind::Environment, "B", false));
    }

    #[test]
    fn credentials_of_the_manager() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("token"), "x").unwrap();
        let place = directory.path().display().to_string();
        let around = Surroundings {
            environment: Arc::new(vec![("CREDENTIALS_DIRECTORY".into(), place)]),
            ..Surroundings::default()
        };
        assert_eq!(credential("token", &around), Some(true));
        assert_eq!(credential("other", &around), Some(false));
        assert_eq!(credential("../token", &around), None);
        let bare = Surroundings::default();
        assert_eq!(credential("token", &bare), Some(false));
    }

    #[test]
    fn the_unknown_is_never_met() {
        // The engine negates what is given for `!`: both forms come out as not met.
        assert!(!holds(ConditionKind::Memory, "much", false));
        assert!(holds(ConditionKind::Memory, "much", true));
    }
}
