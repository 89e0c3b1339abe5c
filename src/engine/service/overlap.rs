//! Overlap restart: a new generation of the main process is started beside the old one, on the
//! same descriptors. When it is ready it is the main process, and the old one is told to stop and
//! waited for. If it does not become ready, it is removed, and the old one goes on.
//!
//! The unit stays up all the time, and its own state machine goes on with whoever is the main
//! process; this one looks after the process beside it: the new one until it has taken over, the
//! old one from then on. If the service itself goes down meanwhile, both go with it.
//!
//! Invariants: at most one process is beside the main process, of another generation; each
//! generation has a number of its own, and no order given here reaches the other one; every stage
//! but `Abandoned` ends by its own timer.
//!
//! `begin` starts the new generation, `notify` and `probe` hear whether it is ready, `turn` puts it
//! into the place of the old one or gives it up, `end` ends who is beside.

use super::facts::KillStage;
use super::machine::{Service, changed, deadline_after, log, settings};
use super::process::Process;
use super::{Context, NotNow};
use crate::engine::effect::{Effect, LogLevel};
use crate::engine::event::Notification;
use crate::engine::ids::{ProcessId, Timestamp};
use crate::engine::state::{ServicePhase as Phase, ServiceResult, ServiceState};
use crate::unit::config::{
    CommandKind, ExitType, KillMode, ServiceConfig, ServiceType, UnitConfig,
};
use serde::{Deserialize, Serialize};

mod begin;
mod end;
mod notify;
mod probe;
mod turn;

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    /// ExecStartPre= for the new generation.
    Pre,
    /// It was ordered and has to become ready.
    Start,
    /// ExecStartPost= for it.
    Post,
    /// ExecStop= for the old one.
    Stop,
    /// The one beside was told to end.
    Term,
    /// It was made to end.
    Kill,
    /// Its main process has ended; others of its generation were told to.
    Rest,
    /// The service itself goes down, and looks after all.
    Abandoned,
}

/// A generation beside that of the main process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Overlap {
    stage: Stage,
    /// The number of that generation.
    generation: u32,
    /// Its main process.
    process: Option<Process>,
    /// When that was made.
    since: Timestamp,
    /// The command that runs for it.
    control: Option<Process>,
    /// The kill order whose answer matters.
    order: Option<u64>,
    /// When the stage has lasted too long, monotonic microseconds.
    timer: Option<u64>,
    /// When to look again.
    look: Option<u64>,
    /// What has to say that it is ready.
    probe: Option<probe::Asking>,
    /// What the new one has said of itself; taken in when it has taken over.
    said: Notification,
    /// The old main process has ended: the new one is the main process though it is not ready.
    succeeded: bool,
    /// SIGKILL was sent to those who did not listen.
    killed: bool,
    /// Why the new one is removed.
    failure: Option<String>,
}

/// Why a service of this configuration cannot be restarted like that; `None` if it can.
pub fn overlap_refusal(config: &UnitConfig) -> Option<&'static str> {
    let service = config.service()?;
    match service.service_type {
        ServiceType::Oneshot => return Some("it is of Type=oneshot and ends by itself"),
        ServiceType::Forking => {
            return Some("its main process is not known beforehand (Type=forking)");
        }
        ServiceType::Dbus => return Some("its name on the bus can have but one owner (Type=dbus)"),
        ServiceType::Simple
        | ServiceType::Exec
        | ServiceType::Notify
        | ServiceType::NotifyReload
        | ServiceType::Idle => {}
    }
    if service.pid_file.is_some() {
        return Some("PIDFile= can name but one main process");
    }
    if service.exit_type == ExitType::Cgroup {
        return Some("with ExitType=cgroup no process stands for a generation");
    }
    if config.resource.delegate.is_some() {
        return Some("it manages its control groups itself (Delegate=)");
    }
    if service.kill.mode == KillMode::None {
        return Some("nothing would end the old generation (KillMode=none)");
    }
    None
}

impl Service {
    /// Starts a new generation beside the running one. How it ends is left in
    /// [`super::Outbox::overlapped`].
    ///
    /// # Errors
    /// [`NotNow::Again`] while another one goes on, or a reload.
    pub fn overlap(&mut self, cx: &mut Context<'_>) -> Result<(), NotNow> {
        if self.overlap.is_some() || !self.can_overlap_now() {
            return Err(NotNow::Again);
        }
        self.last_generation += 1;
        self.overlap = Some(Box::new(Overlap {
            stage: Stage::Pre,
            generation: self.last_generation,
            process: None,
            since: Timestamp::default(),
            control: None,
            order: None,
            timer: deadline_after(cx.now.monotonic, settings(cx).timeout_start),
            look: None,
            probe: None,
            said: Notification { fields: Vec::new() },
            succeeded: false,
            killed: false,
            failure: None,
        }));
        log(
            cx,
            LogLevel::Info,
            "starting a new generation beside this one",
        );
        if !self.run_beside(cx, CommandKind::StartPre, 0) {
            self.start_beside(cx);
        }
        Ok(())
    }

    /// Whether there is somebody to be beside of; a process of Type=idle that is held back, or is
    /// only about to be there, is nobody yet. While one overlap goes on, another one can wait.
    pub fn can_overlap_now(&self) -> bool {
        let is_there = self.main.running().is_some_and(|main| main.spawned);
        self.state == ServiceState::Running && (is_there || self.overlap.is_some())
    }

    /// Whether a restart with an overlap goes on.
    pub fn is_overlapping(&self) -> bool {
        self.overlap.is_some()
    }

    /// The main process that is beside the one of the service, if there is one.
    pub fn process_beside(&self) -> Option<ProcessId> {
        self.overlap.as_ref()?.process.as_ref().map(|it| it.id)
    }

    /// All processes of the other generation that are on the books.
    pub(super) fn processes_beside(&self) -> impl Iterator<Item = ProcessId> {
        let overlap = self.overlap.iter();
        overlap.flat_map(|it| {
            it.process
                .iter()
                .chain(&it.control)
                .map(|process| process.id)
        })
    }

    pub(super) fn nobody_beside(&self) -> bool {
        self.processes_beside().next().is_none()
    }

    /// When something is to be done, monotonic microseconds.
    pub(super) fn overlap_deadline(&self) -> Option<u64> {
        let overlap = self.overlap.as_ref()?;
        let probe = overlap.probe.as_ref().and_then(probe::Asking::deadline);
        [overlap.timer, overlap.look, probe]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether a new generation is on its way.
    pub(super) fn is_being_replaced(&self) -> bool {
        self.overlap.as_ref().is_some_and(|it| it.is_coming())
    }

    /// Whether the main process is still the one that a new one is to replace.
    pub(super) fn is_the_old_one(&self) -> bool {
        let overlap = self.overlap.as_ref();
        overlap.is_some_and(|it| it.is_coming() && !it.succeeded)
    }

    /// Unit files were read again: the lists that are gone through beside.
    pub(super) fn relocate_beside(&mut self, service: &ServiceConfig) {
        let Some(overlap) = &mut self.overlap else {
            return;
        };
        for process in overlap.process.iter_mut().chain(&mut overlap.control) {
            process.relocate(service.commands.get(process.kind));
        }
    }

    /// Time has passed.
    pub(super) fn overlap_elapsed(&mut self, cx: &mut Context<'_>) {
        self.run_probe_beside(cx);
        let Some(overlap) = &mut self.overlap else {
            return;
        };
        let due = |at: Option<u64>| at.is_some_and(|at| at <= cx.now.monotonic);
        if due(overlap.timer) {
            overlap.timer = None;
            self.timed_out_beside(cx);
        } else if due(overlap.look) {
            overlap.look = None;
            self.look_at_rest(cx);
        }
    }

    fn timed_out_beside(&mut self, cx: &mut Context<'_>) {
        let Some(overlap) = &self.overlap else { return };
        let kill = &settings(cx).kill;
        match overlap.stage {
            Stage::Pre | Stage::Start | Stage::Post => {
                let text = "it was not ready within TimeoutStartSec=";
                self.fail_beside(cx, text, ServiceResult::Timeout);
            }
            Stage::Stop => self.end_beside(cx),
            Stage::Term | Stage::Rest if kill.send_sigkill && !overlap.killed => {
                let signal = kill.final_signal;
                self.signal_beside(cx, Stage::Kill, signal, KillStage::StopSigkill);
            }
            Stage::Term | Stage::Kill | Stage::Rest => {
                let text =
                    "processes of the other generation are still there; not waiting any longer";
                log(cx, LogLevel::Error, text);
                self.overlap_over(cx);
            }
            Stage::Abandoned => {}
        }
    }

    /// Nothing is left of the generation beside.
    fn overlap_over(&mut self, cx: &mut Context<'_>) {
        let Some(overlap) = self.overlap.take() else {
            return;
        };
        forget_found(cx, overlap.process.as_ref());
        cx.out.overlapped = Some(match overlap.failure {
            Some(reason) => Err(reason),
            None => Ok(()),
        });
        changed(cx);
    }

    /// The service goes to another state: down, and both generations with it.
    pub(super) fn overlap_follows(&mut self, cx: &mut Context<'_>, to: ServiceState) {
        match to.phase() {
            Phase::Up | Phase::Reload => return,
            Phase::Rest
            | Phase::Prepare
            | Phase::Start
            | Phase::Stop
            | Phase::Final
            | Phase::Pause => {}
        }
        self.end_probe_beside(cx);
        let Some(overlap) = &mut self.overlap else {
            return;
        };
        if overlap.stage != Stage::Abandoned {
            overlap.stage = Stage::Abandoned;
            (overlap.timer, overlap.look, overlap.order) = (None, None, None);
            let reason = "the service went down meanwhile";
            cx.out.overlapped = Some(Err(reason.to_owned()));
        }
        if !super::facts::keeps_main(to) {
            let overlap = self.overlap.take();
            forget_found(cx, overlap.and_then(|it| it.process).as_ref());
        }
    }
}

impl Overlap {
    /// Whether the new one has the place of the old one though it is not ready.
    fn is_in_place(&self) -> bool {
        self.is_coming() && self.succeeded
    }

    fn is_coming(&self) -> bool {
        match self.stage {
            Stage::Pre | Stage::Start | Stage::Post => self.failure.is_none(),
            Stage::Stop | Stage::Term | Stage::Kill | Stage::Rest | Stage::Abandoned => false,
        }
    }
}

/// A process that was found is not looked at any more.
fn forget_found(cx: &mut Context<'_>, process: Option<&Process>) {
    if let Some(process) = process.filter(|it| it.is_found() && it.ended.is_none()) {
        cx.out.effects.push(Effect::ForgetMain {
            process: process.id,
        });
    }
}
