//! What becomes of the daemon when a unit's FailureAction= or its kin is due (systemd.unit(5)).
//!
//! The daemon can leave, in order or at once. Rebooting, powering off and halting are about a
//! machine that is not ours: as PID 1 of a container they mean to leave, elsewhere they are
//! refused with a line in the log, and the unit ends as it would have anyway.

use super::environment::Mode;
use super::run::Host;
use crate::engine::{Event, LogLevel, UnitId};
use crate::unit::config::SystemAction;

/// How an action ends the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Ending {
    /// One is under way.
    begun: bool,
    /// Whatever runs is killed, without its stop commands.
    pub(super) at_once: bool,
    /// The daemon's exit status, if one was named.
    pub(super) status: Option<u8>,
    /// The exit status that a client has asked for.
    pub(super) asked: Option<u8>,
    /// Why the daemon ends.
    pub(super) reason: Option<String>,
}

impl Ending {
    /// Whether one is under way.
    pub(super) fn is_begun(&self) -> bool {
        self.begun
    }

    /// One is under way from here on, with this exit status.
    pub(super) fn begin(&mut self, status: Option<u8>) {
        self.begun = true;
        self.status = status;
    }
}

/// What an action comes to here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// Stop everything and leave.
    Leave,
    /// Kill everything and leave.
    LeaveAtOnce,
    /// Nothing, for this reason.
    Refused(&'static str),
}

const NO_CONTAINER: &str =
    "it is about a whole machine, and this daemon is not PID 1 of a container";
const NO_MACHINE: &str = "a container has no kernel or root file system of its own to start anew";

impl Meaning {
    /// `container` says whether the daemon is PID 1 of one.
    fn of(action: SystemAction, container: bool) -> Option<Meaning> {
        let machine = |meaning| {
            if container {
                meaning
            } else {
                Meaning::Refused(NO_CONTAINER)
            }
        };
        Some(match action {
            SystemAction::None => return None,
            SystemAction::Exit => Meaning::Leave,
            SystemAction::ExitForce => Meaning::LeaveAtOnce,
            SystemAction::Reboot | SystemAction::Poweroff | SystemAction::Halt => {
                machine(Meaning::Leave)
            }
            SystemAction::RebootForce
            | SystemAction::RebootImmediate
            | SystemAction::PoweroffForce
            | SystemAction::PoweroffImmediate
            | SystemAction::HaltForce
            | SystemAction::HaltImmediate => machine(Meaning::LeaveAtOnce),
            SystemAction::SoftReboot
            | SystemAction::SoftRebootForce
            | SystemAction::Kexec
            | SystemAction::KexecForce => machine(Meaning::Refused(NO_MACHINE)),
        })
    }
}

impl Host {
    /// Carries an action out. The first that ends the daemon decides its exit status; only one
    /// that ends it at once still counts after that.
    pub(super) fn act(
        &mut self,
        unit: UnitId,
        action: SystemAction,
        status: Option<u8>,
        reason: &str,
    ) {
        let container = std::process::id() == 1 && self.options.mode != Mode::Host;
        let Some(meaning) = Meaning::of(action, container) else {
            return;
        };
        let name = self.name(unit);
        let log = self.log.clone();
        let say = |level, text: &str| {
            let text = format!("{reason}: the action {} {text}", action.as_str());
            log.manager(level, name.as_ref(), &text);
        };
        match meaning {
            Meaning::Refused(why) => {
                say(LogLevel::Error, &format!("is not carried out, {why}"));
            }
            Meaning::Leave if self.ending.begun || self.engine.is_shutting_down() => {
                say(
                    LogLevel::Info,
                    "changes nothing, everything is being stopped",
                );
            }
            Meaning::Leave => {
                say(LogLevel::Notice, "stops everything and ends the daemon");
                self.ending.begin(status);
                self.leave_for(unit, action, reason);
                self.tell_stopping();
                self.tell(Event::Shutdown);
            }
            Meaning::LeaveAtOnce => {
                say(LogLevel::Notice, "kills everything and ends the daemon");
                let status = status.or(self.ending.status);
                self.ending.begin(status);
                self.ending.at_once = true;
                self.leave_for(unit, action, reason);
            }
        }
    }

    fn leave_for(&mut self, unit: UnitId, action: SystemAction, reason: &str) {
        let name = self
            .name(unit)
            .map_or_else(String::new, |it| it.to_string());
        let reason = format!("{name}: {reason}: {}", action.as_str());
        self.leave_because(&reason, Some(unit));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exit_acts_outside_a_container() {
        for (word, action) in SystemAction::WORDS {
            assert_eq!(word, action.as_str());
            let meaning = Meaning::of(action, false);
            match word {
                "none" => assert_eq!(meaning, None),
                "exit" => assert_eq!(meaning, Some(Meaning::Leave)),
                "exit-force" => assert_eq!(meaning, Some(Meaning::LeaveAtOnce)),
                _ => assert_eq!(meaning, Some(Meaning::Refused(NO_CONTAINER)), "{word}"),
            }
        }
    }

    #[test]
    fn a_container_ends_for_poweroff_reboot_and_halt() {
        for (word, action) in SystemAction::WORDS {
            let meaning = Meaning::of(action, true);
            match word {
                "none" => assert_eq!(meaning, None),
                "exit" | "poweroff" | "reboot" | "halt" => {
                    assert_eq!(meaning, Some(Meaning::Leave), "{word}");
                }
                "kexec" | "kexec-force" | "soft-reboot" | "soft-reboot-force" => {
                    assert_eq!(meaning, Some(Meaning::Refused(NO_MACHINE)), "{word}");
                }
                _ => assert_eq!(meaning, Some(Meaning::LeaveAtOnce), "{word}"),
            }
        }
    }
}
