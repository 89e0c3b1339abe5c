//! Error replies: systemd's names and sentences (dbus-errors.tsv of the reference).

use crate::engine::Refusal;
use crate::host::{ControlError, Trouble};

/// An error reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// The full error name.
    pub(super) name: &'static str,
    /// What people read.
    pub(super) message: String,
}

/// The names in use.
pub(super) mod names {
    pub(in crate::bus) const NO_SUCH_UNIT: &str = "org.freedesktop.systemd1.NoSuchUnit";
    pub(in crate::bus) const NO_UNIT_FOR_PID: &str = "org.freedesktop.systemd1.NoUnitForPID";
    pub(in crate::bus) const NO_UNIT_FOR_INVOCATION: &str =
        "org.freedesktop.systemd1.NoUnitForInvocationID";
    pub(in crate::bus) const NO_DYNAMIC_USER: &str = "org.freedesktop.systemd1.NoSuchDynamicUser";
    pub(in crate::bus) const NOT_REFERENCED: &str = "org.freedesktop.systemd1.NotReferenced";
    pub(in crate::bus) const SUBSCRIBED: &str = "org.freedesktop.systemd1.AlreadySubscribed";
    pub(in crate::bus) const NOT_SUBSCRIBED: &str = "org.freedesktop.systemd1.NotSubscribed";
    pub(in crate::bus) const UNIT_EXISTS: &str = "org.freedesktop.systemd1.UnitExists";
    pub(in crate::bus) const UNIT_BUSY: &str = "org.freedesktop.systemd1.UnitBusy";
    pub(in crate::bus) const UNIT_INACTIVE: &str = "org.freedesktop.systemd1.UnitInactive";
    pub(in crate::bus) const NOTHING_TO_CLEAN: &str = "org.freedesktop.systemd1.NothingToClean";
    pub(in crate::bus) const NO_SUCH_JOB: &str = "org.freedesktop.systemd1.NoSuchJob";
    pub(in crate::bus) const NO_SUCH_PROCESS: &str = "org.freedesktop.systemd1.NoSuchProcess";
    pub(in crate::bus) const SCOPE_NOT_RUNNING: &str = "org.freedesktop.systemd1.ScopeNotRunning";
    pub(in crate::bus) const MASKED: &str = "org.freedesktop.systemd1.UnitMasked";
    pub(in crate::bus) const BAD_SETTING: &str = "org.freedesktop.systemd1.BadUnitSetting";
    pub(in crate::bus) const LOAD_FAILED: &str = "org.freedesktop.systemd1.LoadFailed";
    pub(in crate::bus) const NOT_APPLICABLE: &str = "org.freedesktop.systemd1.JobTypeNotApplicable";
    pub(in crate::bus) const ONLY_BY_DEPENDENCY: &str = "org.freedesktop.systemd1.OnlyByDependency";
    pub(in crate::bus) const NO_ISOLATION: &str = "org.freedesktop.systemd1.NoIsolation";
    pub(in crate::bus) const DESTRUCTIVE: &str =
        "org.freedesktop.systemd1.TransactionIsDestructive";
    pub(in crate::bus) const CONFLICTING: &str =
        "org.freedesktop.systemd1.TransactionJobsConflicting";
    pub(in crate::bus) const CYCLIC: &str = "org.freedesktop.systemd1.TransactionOrderIsCyclic";
    pub(in crate::bus) const SHUTTING_DOWN: &str = "org.freedesktop.systemd1.ShuttingDown";
    pub(in crate::bus) const NOT_SUPPORTED: &str = "org.freedesktop.DBus.Error.NotSupported";
    pub(in crate::bus) const INVALID_ARGS: &str = "org.freedesktop.DBus.Error.InvalidArgs";
    pub(in crate::bus) const ACCESS_DENIED: &str = "org.freedesktop.DBus.Error.AccessDenied";
    pub(in crate::bus) const UNKNOWN_METHOD: &str = "org.freedesktop.DBus.Error.UnknownMethod";
    pub(in crate::bus) const UNKNOWN_OBJECT: &str = "org.freedesktop.DBus.Error.UnknownObject";
    pub(in crate::bus) const UNKNOWN_INTERFACE: &str =
        "org.freedesktop.DBus.Error.UnknownInterface";
    pub(in crate::bus) const UNKNOWN_PROPERTY: &str = "org.freedesktop.DBus.Error.UnknownProperty";
    pub(in crate::bus) const READ_ONLY: &str = "org.freedesktop.DBus.Error.PropertyReadOnly";
    pub(in crate::bus) const FILE_NOT_FOUND: &str = "org.freedesktop.DBus.Error.FileNotFound";
    pub(in crate::bus) const FAILED: &str = "org.freedesktop.DBus.Error.Failed";
    pub(in crate::bus) const PROCESS_UNKNOWN: &str =
        "org.freedesktop.DBus.Error.UnixProcessIdUnknown";
    pub(in crate::bus) const SERVICE_UNKNOWN: &str = "org.freedesktop.DBus.Error.ServiceUnknown";
    pub(in crate::bus) const NO_OWNER: &str = "org.freedesktop.DBus.Error.NameHasNoOwner";
    pub(in crate::bus) const RULE_INVALID: &str = "org.freedesktop.DBus.Error.MatchRuleInvalid";
    pub(in crate::bus) const RULE_NOT_FOUND: &str = "org.freedesktop.DBus.Error.MatchRuleNotFound";
    pub(in crate::bus) const LIMITS: &str = "org.freedesktop.DBus.Error.LimitsExceeded";
}

impl Failure {
    /// An error of this name.
    pub(super) fn new(name: &'static str, message: impl Into<String>) -> Failure {
        Failure {
            name,
            message: message.into(),
        }
    }

    /// The arguments are not what the method takes.
    pub(super) fn invalid(message: impl Into<String>) -> Failure {
        Failure::new(names::INVALID_ARGS, message)
    }

    /// A unit that is not loaded, for the methods that don't load.
    pub(super) fn not_loaded(unit: &str) -> Failure {
        Failure::new(names::NO_SUCH_UNIT, format!("Unit {unit} not loaded."))
    }

    /// The caller may not change anything.
    pub(super) fn denied() -> Failure {
        Failure::new(names::ACCESS_DENIED, "Access denied")
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Failure {
        let message = error.to_string();
        match error {
            ControlError::Refused(refusal) => Failure::new(refusal_name(&refusal), message),
            ControlError::BadName(_) => Failure::invalid(message),
            ControlError::Trouble(trouble, _) => Failure::new(trouble_name(trouble), message),
            ControlError::Gone => Failure::new(names::SHUTTING_DOWN, message),
        }
    }
}

fn trouble_name(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Busy => names::UNIT_BUSY,
        Trouble::Inactive => names::UNIT_INACTIVE,
        Trouble::NothingToClean => names::NOTHING_TO_CLEAN,
        Trouble::Invalid => names::INVALID_ARGS,
        Trouble::NotSupported => names::NOT_SUPPORTED,
        Trouble::Failed => names::FAILED,
    }
}

/// The error name of a refusal.
pub(super) fn refusal_name(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NotFound(_) | Refusal::NotLoaded(_) => names::NO_SUCH_UNIT,
        Refusal::Masked(_) => names::MASKED,
        Refusal::BadSetting(_) => names::BAD_SETTING,
        Refusal::LoadFailed(_, _) => names::LOAD_FAILED,
        Refusal::NotApplicable(_, _) => names::NOT_APPLICABLE,
        Refusal::OnlyByDependency(_) => names::ONLY_BY_DEPENDENCY,
        Refusal::Destructive(_) => names::DESTRUCTIVE,
        Refusal::Conflicting(_) => names::CONFLICTING,
        Refusal::Cyclic(_) => names::CYCLIC,
        Refusal::ShuttingDown => names::SHUTTING_DOWN,
        Refusal::NotIsolatable => names::NO_ISOLATION,
        Refusal::NoSuchJob(_) => names::NO_SUCH_JOB,
        Refusal::ScopeNotRunning(_) => names::SCOPE_NOT_RUNNING,
        Refusal::Invalid(_) => names::INVALID_ARGS,
        Refusal::NoProcess(_) => names::NO_SUCH_PROCESS,
        Refusal::NotHeld => names::NOT_REFERENCED,
        Refusal::NotSupported(_) => names::NOT_SUPPORTED,
    }
}
