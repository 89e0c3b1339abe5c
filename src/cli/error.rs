//! What goes wrong on this side or the daemon's, and the exit status it leads to (systemctl's).

use std::fmt;

/// Anything but success.
pub(super) const FAILURE: u8 = 1;
/// A unit is not active, or cannot do what was asked.
pub(super) const NOT_ACTIVE: u8 = 3;
/// A unit is not there, or the manager does not let the caller.
pub(super) const UNKNOWN: u8 = 4;
/// A unit to act on is not there.
pub(super) const NO_SUCH_UNIT: u8 = 5;
/// A unit could not be loaded.
pub(super) const LOAD_FAILED: u8 = 6;

/// An error reply, or no reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// D-Bus error name; empty if there was no reply.
    pub(super) name: String,
    /// What to print.
    pub(super) message: String,
}

impl Problem {
    /// A problem on this side.
    pub(super) fn local(message: impl Into<String>) -> Problem {
        Problem {
            name: String::new(),
            message: message.into(),
        }
    }

    /// The same problem, saying what was attempted.
    pub(super) fn during(self, attempt: &str) -> Problem {
        Problem {
            message: format!("{attempt}: {}", self.message),
            ..self
        }
    }

    /// The exit status after a failed start, stop or the like.
    pub(super) fn job_status(&self) -> u8 {
        match self.name.as_str() {
            "org.freedesktop.systemd1.NoSuchUnit" => NO_SUCH_UNIT,
            "org.freedesktop.DBus.Error.AccessDenied"
            | "org.freedesktop.systemd1.OnlyByDependency"
            | "org.freedesktop.systemd1.NoIsolation"
            | "org.freedesktop.systemd1.TransactionIsDestructive" => UNKNOWN,
            "org.freedesktop.systemd1.JobTypeNotApplicable"
            | "org.freedesktop.DBus.Error.NotSupported" => NOT_ACTIVE,
            "org.freedesktop.systemd1.LoadFailed" => LOAD_FAILED,
            _ => FAILURE,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_statuses_are_those_of_systemctl() {
        let status = |name: &str| {
            Problem {
                name: name.to_owned(),
                message: String::new(),
            }
            .job_status()
        };
        assert_eq!(status("org.freedesktop.systemd1.NoSuchUnit"), 5);
        assert_eq!(status("org.freedesktop.DBus.Error.AccessDenied"), 4);
        assert_eq!(status("org.freedesktop.systemd1.OnlyByDependency"), 4);
        assert_eq!(status("org.freedesktop.systemd1.JobTypeNotApplicable"), 3);
        assert_eq!(status("org.freedesktop.systemd1.UnitMasked"), 1);
        assert_eq!(status(""), 1);
    }
}
