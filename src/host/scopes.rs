//! Scopes: takes processes in that clients have started, and lets go of them (systemd.scope(5)).
//!
//! Moving a process into another group makes the kernel wait for some milliseconds, so it is
//! done off the loop. A number is written only while the process is held by its descriptor, and
//! what was moved counts only if the process was there still afterwards.

use super::guests::Guest;
use super::handle::{Answer, ControlError, Handle, Message, News, parse};
use super::limits;
use super::operations::{Operation, Trouble, trouble};
use super::run::{Fact, Host};
use super::spawning::invocation_id;
use crate::cgroup::Group;
use crate::engine::scope::Controller;
use crate::engine::{Event, LogLevel, Refusal, UnitId};
use crate::unit::config::{OomPolicy, UnitConfig};
use crate::unit::directive::PropertyValue;
use crate::unit::name::UnitName;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Processes after an attempt to move them into a scope's group.
pub(super) struct Moved {
    unit: UnitId,
    order: u64,
    config: Arc<UnitConfig>,
    /// Those that are in it.
    inside: usize,
    /// Those that are there, but elsewhere.
    outside: Vec<Guest>,
    /// Why.
    error: Option<io::Error>,
}

impl Handle {
    /// Hands processes over to a scope that is loaded and about to be started, with the client
    /// that looks after it.
    ///
    /// # Errors
    /// The name is bad, or the loop is gone.
    pub async fn hand_over(
        &self,
        unit: &str,
        guests: Vec<Guest>,
        controller: Option<Controller>,
    ) -> Result<(), ControlError> {
        let unit = parse(unit)?;
        self.ask(|answer| {
            Message::Operation(Operation::HandOver {
                unit,
                guests,
                controller,
                answer,
            })
        })
        .await
    }

    /// Takes the client away that looks after a scope; from here on only its processes keep it.
    ///
    /// # Errors
    /// The unit is not loaded, is no scope, or is not up.
    pub async fn abandon(&self, unit: &str) -> Result<(), ControlError> {
        let unit = parse(unit)?;
        self.ask(|answer| Message::Abandon { unit, answer }).await
    }

    /// Moves processes into the group of a unit that is up and whose groups are left to itself
    /// (Delegate=), or into a group below that: a path, which is there, or empty.
    ///
    /// # Errors
    /// The unit is not loaded, not up or not delegated, or the kernel refuses.
    pub async fn attach(
        &self,
        unit: &str,
        below: &str,
        guests: Vec<Guest>,
    ) -> Result<(), ControlError> {
        let unit = parse(unit)?;
        let below = below.to_owned();
        self.ask(|answer| {
            Message::Operation(Operation::Attach {
                unit,
                below,
                guests,
                answer,
            })
        })
        .await
    }
}

impl Host {
    /// Keeps processes until their scope is started.
    pub(super) fn hand_over(
        &mut self,
        unit: UnitName,
        guests: Vec<Guest>,
        controller: Option<Controller>,
    ) {
        if let Some(view) = self.engine.unit(unit.as_str()) {
            self.handed_over.insert(view.id, guests);
        }
        self.tell(Event::Control { unit, controller });
    }

    /// Carries the engine's order out; answered by `TakenIn`.
    pub(super) fn take_in(
        &mut self,
        unit: UnitId,
        order: u64,
        config: Arc<UnitConfig>,
        invocation: u128,
    ) {
        let guests = self.handed_over.remove(&unit).unwrap_or_default();
        let prepared = limits::path_of(&config)
            .and_then(|path| {
                let invocation = invocation_id(invocation);
                self.groups.prepare(unit, &config.name, path, &invocation)
            })
            .and_then(|group| {
                let found = group.as_ref().is_some_and(|group| group.was_found());
                self.limit(unit, &config, found);
                self.restrict_scope(unit, &config);
                let policy = config.scope().map(|scope| scope.oom_policy);
                let together = policy == Some(OomPolicy::Kill);
                self.groups.kill_together(unit, together)?;
                Ok(group)
            });
        let group = match prepared {
            Ok(group) => group,
            Err(error) => {
                let result = Err(format!("cannot make the control group: {error}"));
                return self.tell(Event::TakenIn {
                    unit,
                    order,
                    result,
                });
            }
        };
        let facts = self.facts.clone();
        tokio::task::spawn_blocking(move || {
            let moved = move_in(guests, group.as_deref());
            let _ = facts.send(Fact::TakenIn(Box::new(Moved {
                unit,
                order,
                config,
                inside: moved.0,
                outside: moved.1,
                error: moved.2,
            })));
        });
    }

    /// The kernel has moved processes, or not.
    pub(super) fn taken_in(&mut self, moved: Moved) {
        let Moved {
            unit,
            order,
            config,
            inside,
            outside,
            error,
        } = moved;
        if self.engine.unit_by_id(unit).is_none() {
            return;
        }
        let result = match error {
            Some(error) if limits_processes(&config) => Err(format!(
                "cannot move processes into the control group, which its settings need: {error}"
            )),
            _ if inside == 0 && outside.is_empty() => {
                Err("no process is left that could be taken in".to_owned())
            }
            error => {
                if let Some(error) = error {
                    let text = format!(
                        "cannot move processes into the control group ({error}); they are known \
                         by descent"
                    );
                    self.log
                        .manager(LogLevel::Notice, Some(&config.name), &text);
                }
                // Those that are in the group join what limits it elsewhere.
                self.look_at_joined(unit, 0);
                let watched = self.groups.welcome(unit, outside, &self.facts);
                watched.map_err(|error| format!("cannot watch a process: {error}"))
            }
        };
        self.tell(Event::TakenIn {
            unit,
            order,
            result,
        });
        // All of them may have gone meanwhile.
        self.groups.suspect(unit);
    }

    /// Asks who looks after a scope to stop it.
    pub(super) fn request_stop(&mut self, unit: UnitId, controller: String) {
        if let Some(name) = self.name(unit) {
            // Fails only if nobody listens; then the time to stop ends the scope.
            let _ = self.news.send(News::RequestStop(name, controller));
        }
    }

    /// Moves processes into a unit that runs.
    pub(super) fn attach(
        &mut self,
        unit: &UnitName,
        below: &str,
        guests: Vec<Guest>,
        answer: Answer<()>,
    ) {
        let directory = match self.may_attach(unit) {
            Ok(directory) => directory.join(below.trim_start_matches('/')),
            Err(error) => {
                let _ = answer.send(Err(error));
                return;
            }
        };
        tokio::task::spawn_blocking(move || {
            let moved = guests.iter().try_for_each(|guest| {
                crate::cgroup::attach(&directory, guest.pid())?;
                Ok::<(), io::Error>(())
            });
            let result = moved.or_else(|error| {
                let text = format!("Failed to attach processes to control group: {error}");
                trouble(Trouble::Failed, text)
            });
            let _ = answer.send(result);
        });
    }

    fn may_attach(&self, unit: &UnitName) -> Result<PathBuf, ControlError> {
        let view = self.engine.unit(unit.as_str());
        let view = view.ok_or_else(|| Refusal::NotLoaded(unit.to_string()))?;
        if view.config.written.get("Delegate") != Some(&PropertyValue::Bool(true)) {
            let text = "Process migration not available on non-delegated units.";
            return trouble(Trouble::Invalid, text);
        }
        if view.active.is_inactive_or_failed() {
            return trouble(Trouble::Invalid, "Unit is not active, refusing.");
        }
        match self.groups.directory_of(view.id) {
            Some(directory) => Ok(directory),
            None => trouble(Trouble::NotSupported, "There are no control groups here."),
        }
    }
}

/// Whether settings of the unit are about the group as a whole, so that it must hold its
/// processes.
fn limits_processes(config: &UnitConfig) -> bool {
    let mut requested = config.requested.iter();
    requested.any(|name| !matches!(*name, "Slice" | "Delegate") && !name.ends_with("Accounting"))
}

/// How many processes are in the group, which are there but not in it, and why.
fn move_in(guests: Vec<Guest>, group: Option<&Group>) -> (usize, Vec<Guest>, Option<io::Error>) {
    let (mut inside, mut outside, mut failure) = (0, Vec::new(), None);
    for guest in guests {
        if !guest.is_alive() {
            continue;
        }
        let Some(group) = group else {
            outside.push(guest);
            continue;
        };
        match crate::cgroup::attach(group.path(), guest.pid()) {
            Ok(()) if guest.is_alive() => inside += 1,
            Ok(()) => {}
            // It has ended meanwhile.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
            Err(error) => {
                failure = Some(error);
                outside.push(guest);
            }
        }
    }
    (inside, outside, failure)
}
