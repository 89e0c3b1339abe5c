//! What can be asked of units and the manager that needs no job: freezing, cleaning, the
//! environment that services begin with.

use super::directories;
use super::guests::Guest;
use super::handle::{Answer, ControlError, Handle, Message, News, parse};
use super::run::{Fact, Host};
use crate::cgroup;
use crate::engine::inspect::UnitView;
use crate::engine::scope::Controller;
use crate::engine::{ActiveState, Event, KillWhom, LogLevel, Refusal, UnitId};
use crate::unit::config::DirectoryKind;
use crate::unit::name::UnitName;
use crate::unit::value::Signal;
use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long the kernel may take to freeze or thaw a group; clients give up after 25 s.
const FREEZE_TIMEOUT: Duration = Duration::from_secs(20);
/// How often it is asked whether it has.
const FREEZE_POLL: Duration = Duration::from_millis(5);

/// What is asked.
pub(super) enum Operation {
    /// Variables are taken out of the environment of services to come, then others put in.
    Environment {
        unset: Vec<String>,
        set: Vec<(String, String)>,
        answer: Answer<()>,
    },
    /// All processes of a unit are frozen, or go on.
    Freeze {
        unit: UnitName,
        freeze: bool,
        answer: Answer<()>,
    },
    /// A unit's files are read again.
    Refresh { unit: UnitName, answer: Answer<()> },
    /// Processes for a scope that is about to be started.
    HandOver {
        unit: UnitName,
        guests: Vec<Guest>,
        controller: Option<Controller>,
        answer: Answer<()>,
    },
    /// Descriptors for the standard streams of a service that is about to be started.
    Streams {
        unit: UnitName,
        streams: [Option<OwnedFd>; 3],
        answer: Answer<()>,
    },
    /// Processes are moved into a unit's group.
    Attach {
        unit: UnitName,
        below: String,
        guests: Vec<Guest>,
        answer: Answer<()>,
    },
    /// The daemon's exit status, unless an action of a unit gives another.
    ExitCode { code: u8, answer: Answer<()> },
    /// A signal with a value is sent to processes of a unit.
    QueueSignal {
        unit: UnitName,
        whom: KillWhom,
        signal: Signal,
        value: i32,
        answer: Answer<()>,
    },
    /// Managed directories of a unit are removed.
    /// Managed directories of a unit, or a timer's stamp, are removed.
    Clean {
        unit: UnitName,
        kinds: BTreeSet<DirectoryKind>,
        answer: Answer<()>,
    },
}

/// Why such a request failed; each kind is one D-Bus error (dbus-errors.tsv).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The unit has a job, or is not down.
    Busy,
    /// The unit is not up.
    Inactive,
    /// There is nothing of the kind.
    NothingToClean,
    /// Units of this type, or this machine, cannot do it.
    NotSupported,
    /// It cannot be asked of such a unit.
    Invalid,
    /// The kernel refused.
    Failed,
}

/// What is removed.
enum Cleaning {
    Directories(directories::Removal),
    /// When a timer last elapsed.
    Stamp,
}

/// What the kernel last was asked of a unit's group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freezer {
    Freezing,
    Frozen,
    Thawing,
}

impl Freezer {
    /// The word of FreezerState.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Freezer::Freezing => "freezing",
            Freezer::Frozen => "frozen",
            Freezer::Thawing => "thawing",
        }
    }
}

/// The end of a freeze or thaw.
#[derive(Debug)]
pub(super) struct Froze {
    unit: UnitId,
    name: UnitName,
    freeze: bool,
    result: Result<(), String>,
    answer: Answer<()>,
}

impl Handle {
    /// Changes the environment that services begin with: takes names out, then puts
    /// assignments in. What the settings gave cannot be taken out.
    ///
    /// # Errors
    /// The loop is gone.
    pub async fn change_environment(
        &self,
        unset: Vec<String>,
        set: Vec<(String, String)>,
    ) -> Result<(), ControlError> {
        self.ask(|answer| Message::Operation(Operation::Environment { unset, set, answer }))
            .await
    }

    /// Freezes all processes of a unit, or lets them go on; answered when the kernel has done
    /// it.
    ///
    /// # Errors
    /// The unit is not loaded, not active or has a job, or there are no control groups.
    pub async fn freeze(&self, unit: &str, freeze: bool) -> Result<(), ControlError> {
        let unit = parse(unit)?;
        self.ask(|answer| {
            Message::Operation(Operation::Freeze {
                unit,
                freeze,
                answer,
            })
        })
        .await
    }

    /// Sets the daemon's exit status for its end; an action of a unit may give another.
    ///
    /// # Errors
    /// The loop is gone.
    pub async fn set_exit_code(&self, code: u8) -> Result<(), ControlError> {
        self.ask(|answer| Message::Operation(Operation::ExitCode { code, answer }))
            .await
    }

    /// Sends a signal with a value (sigqueue(3)) to processes of a unit.
    ///
    /// # Errors
    /// The unit is not loaded, or there is nobody to signal.
    pub async fn queue_signal(
        &self,
        unit: &str,
        whom: KillWhom,
        signal: Signal,
        value: i32,
    ) -> Result<(), ControlError> {
        let unit = parse(unit)?;
        self.ask(|answer| {
            Message::Operation(Operation::QueueSignal {
                unit,
                whom,
                signal,
                value,
                answer,
            })
        })
        .await
    }

    /// Gives descriptors for standard input, output and error to a service that is loaded and
    /// about to be started. They are closed when it is down.
    ///
    /// # Errors
    /// The name is bad, or the loop is gone.
    pub async fn give_streams(
        &self,
        unit: &str,
        streams: [Option<OwnedFd>; 3],
    ) -> Result<(), ControlError> {
        let unit = parse(unit)?;
        self.ask(|answer| {
            Message::Operation(Operation::Streams {
                unit,
                streams,
                answer,
            })
        })
        .await
    }

    /// Removes managed directories of a unit that is down; answered when they are gone.
    ///
    /// # Errors
    /// The unit is not loaded or busy, has no such directories, or they cannot be removed.
    pub async fn clean(
        &self,
        unit: &str,
        kinds: BTreeSet<DirectoryKind>,
    ) -> Result<(), ControlError> {
        let unit = parse(unit)?;
        self.ask(|answer| {
            Message::Operation(Operation::Clean {
                unit,
                kinds,
                answer,
            })
        })
        .await
    }
}

pub(super) fn trouble<T>(kind: Trouble, text: impl Into<String>) -> Result<T, ControlError> {
    Err(ControlError::Trouble(kind, text.into()))
}

impl Host {
    /// Carries an operation out, or begins to.
    pub(super) fn operate(&mut self, operation: Operation) {
        match operation {
            Operation::Environment { unset, set, answer } => {
                self.change_environment(&unset, set);
                let _ = answer.send(Ok(()));
            }
            Operation::Freeze {
                unit,
                freeze,
                answer,
            } => match self.may_freeze(&unit) {
                Ok((id, name, directory)) => {
                    self.begin_to_freeze((id, name), directory, freeze, answer);
                }
                Err(error) => {
                    let _ = answer.send(Err(error));
                }
            },
            Operation::Refresh { unit, answer } => self.refresh(unit, answer),
            Operation::HandOver {
                unit,
                guests,
                controller,
                answer,
            } => {
                self.hand_over(unit, guests, controller);
                let _ = answer.send(Ok(()));
            }
            Operation::ExitCode { code, answer } => {
                self.ending.asked = Some(code);
                let _ = answer.send(Ok(()));
            }
            Operation::QueueSignal {
                unit,
                whom,
                signal,
                value,
                answer,
            } => {
                let _ = answer.send(self.queue_signal(&unit, whom, signal, value));
            }
            Operation::Streams {
                unit,
                streams,
                answer,
            } => {
                let streams = streams.map(|stream| Some(self.sockets.hold(stream?)));
                self.tell(Event::Streams { unit, streams });
                let _ = answer.send(Ok(()));
            }
            Operation::Attach {
                unit,
                below,
                guests,
                answer,
            } => self.attach(&unit, &below, guests, answer),
            Operation::Clean {
                unit,
                kinds,
                answer,
            } => match self.what_to_clean(&unit, &kinds) {
                Ok((name, Cleaning::Directories(removal))) => self.clean(name, removal, answer),
                Ok((name, Cleaning::Stamp)) => self.clean_stamp(name, answer),
                Err(error) => {
                    let _ = answer.send(Err(error));
                }
            },
        }
    }

    fn change_environment(&mut self, unset: &[String], set: Vec<(String, String)>) {
        self.client_environment
            .retain(|(name, _)| !unset.contains(name));
        for (name, value) in set {
            assign(&mut self.client_environment, name, value);
        }
        // As systemd shows it.
        self.client_environment.sort();
        self.renew_environment();
        self.picture_is_due();
    }

    /// What services to come begin with.
    pub(super) fn renew_environment(&mut self) {
        let mut common = (*self.common).clone();
        common.base = self.options.environment.clone();
        for (name, value) in &self.client_environment {
            assign(&mut common.base, name.clone(), value.clone());
        }
        self.common = std::sync::Arc::new(common);
    }

    pub(super) fn loaded_unit(&self, unit: &UnitName) -> Result<UnitView, ControlError> {
        let view = self.engine.unit(unit.as_str());
        view.ok_or_else(|| ControlError::Refused(Refusal::NotLoaded(unit.to_string())))
    }

    fn may_freeze(&self, unit: &UnitName) -> Result<(UnitId, UnitName, PathBuf), ControlError> {
        let view = self.loaded_unit(unit)?;
        let name = view.name().clone();
        if view.service.is_none() && view.scope.is_none() {
            let text = format!("Unit '{name}' does not support freezing.");
            return trouble(Trouble::NotSupported, text);
        }
        if view.active != ActiveState::Active {
            return trouble(Trouble::Inactive, "Unit is inactive.");
        }
        if view.job.is_some() {
            return trouble(Trouble::Busy, "Unit has a pending job.");
        }
        if let Some(Freezer::Freezing | Freezer::Thawing) = self.freezers.get(&view.id) {
            let text = format!(
                "Previously requested freezer operation for unit '{name}' is still in progress"
            );
            return trouble(Trouble::Failed, text);
        }
        match self.groups.directory_of(view.id) {
            Some(directory) => Ok((view.id, name, directory)),
            None => {
                let text = format!("Unit '{name}' does not support freezing: no control group");
                trouble(Trouble::NotSupported, text)
            }
        }
    }

    fn begin_to_freeze(
        &mut self,
        (unit, name): (UnitId, UnitName),
        directory: PathBuf,
        freeze: bool,
        answer: Answer<()>,
    ) {
        let state = if freeze {
            Freezer::Freezing
        } else {
            Freezer::Thawing
        };
        self.freezers.insert(unit, state);
        let _ = self.news.send(News::Changed(name.clone()));
        let facts = self.facts.clone();
        tokio::spawn(async move {
            let result = freeze_group(directory, freeze).await;
            let _ = facts.send(Fact::Froze(Box::new(Froze {
                unit,
                name,
                freeze,
                result,
                answer,
            })));
        });
    }

    /// The kernel has frozen or thawed a group, or not.
    pub(super) fn froze(&mut self, froze: Froze) {
        let frozen = froze.freeze == froze.result.is_ok();
        if frozen {
            self.freezers.insert(froze.unit, Freezer::Frozen);
        } else {
            self.freezers.remove(&froze.unit);
        }
        let _ = self.news.send(News::Changed(froze.name));
        let result = froze.result.or_else(|text| trouble(Trouble::Failed, text));
        let _ = froze.answer.send(result);
    }

    /// A unit whose processes are to end must be able to hear of it.
    pub(super) fn thaw_for_signals(&mut self, unit: UnitId) {
        if self.freezers.remove(&unit).is_none() {
            return;
        }
        let thawed = self
            .groups
            .directory_of(unit)
            .map(|directory| cgroup::freeze(&directory, false));
        if let Some(Err(error)) = thawed {
            let name = self.name(unit);
            let text = format!("cannot thaw the unit to stop it: {error}");
            self.log.manager(LogLevel::Warning, name.as_ref(), &text);
        }
    }

    fn what_to_clean(
        &self,
        unit: &UnitName,
        kinds: &BTreeSet<DirectoryKind>,
    ) -> Result<(UnitName, Cleaning), ControlError> {
        let view = self.loaded_unit(unit)?;
        let name = view.name();
        let (service, timer) = (view.config.service(), view.config.timer());
        if service.is_none() && timer.is_none() {
            let text = format!("Unit '{name}' does not support cleaning.");
            return trouble(Trouble::NotSupported, text);
        }
        if view.active != ActiveState::Inactive || view.job.is_some() {
            let text = "Unit is not inactive or has pending job.";
            return trouble(Trouble::Busy, text);
        }
        let is_persistent = timer.is_some_and(|timer| timer.persistent);
        if is_persistent && kinds.contains(&DirectoryKind::State) {
            return Ok((name.clone(), Cleaning::Stamp));
        }
        let (system, kept) = (&self.common.system, &self.common.kept);
        let removal = service
            .map(|service| directories::Removal::of_kinds(&service.exec, system, kinds, kept));
        match removal.filter(|removal| !removal.is_empty()) {
            Some(removal) => Ok((name.clone(), Cleaning::Directories(removal))),
            None => trouble(Trouble::NothingToClean, "No matching resources found."),
        }
    }

    fn clean_stamp(&self, unit: UnitName, answer: Answer<()>) {
        let removed = self.stamps.remove(unit);
        tokio::spawn(async move {
            let result = match removed.await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => trouble(Trouble::Failed, format!("cannot remove it: {error}")),
                Err(_) => Err(ControlError::Gone),
            };
            let _ = answer.send(result);
        });
    }

    fn clean(&mut self, unit: UnitName, removal: directories::Removal, answer: Answer<()>) {
        let before = self.cleaning.remove(&unit);
        let task = tokio::spawn(async move {
            if let Some(before) = before {
                let _ = before.await;
            }
            let failures = tokio::task::spawn_blocking(move || removal.carry_out()).await;
            let result = match failures.unwrap_or_default().as_slice() {
                [] => Ok(()),
                failures => trouble(Trouble::Failed, failures.join("; ")),
            };
            let _ = answer.send(result);
        });
        self.cleaning.insert(unit, task);
    }
}

fn assign(environment: &mut Vec<(String, String)>, name: String, value: String) {
    match environment.iter_mut().find(|(n, _)| *n == name) {
        Some((_, old)) => *old = value,
        None => environment.push((name, value)),
    }
}

async fn freeze_group(directory: PathBuf, freeze: bool) -> Result<(), String> {
    let attempt = if freeze { "freeze" } else { "thaw" };
    let failed = |error: &dyn std::fmt::Display| {
        format!("cannot {attempt} {}: {error}", directory.display())
    };
    cgroup::freeze(&directory, freeze).map_err(|error| failed(&error))?;
    let deadline = Instant::now() + FREEZE_TIMEOUT;
    loop {
        match cgroup::is_frozen(&directory) {
            Ok(frozen) if frozen == freeze => return Ok(()),
            Ok(_) if Instant::now() < deadline => sleep(FREEZE_POLL).await,
            Ok(_) => return Err(failed(&"the kernel takes too long")),
            Err(error) => return Err(failed(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_replace_and_keep_their_place() {
        let mut environment = vec![
            ("A".to_owned(), "1".to_owned()),
            ("B".to_owned(), "2".to_owned()),
        ];
        assign(&mut environment, "A".to_owned(), "3".to_owned());
        assign(&mut environment, "C".to_owned(), "4".to_owned());
        let text: Vec<String> = environment
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        assert_eq!(text, ["A=3", "B=2", "C=4"]);
    }
}
