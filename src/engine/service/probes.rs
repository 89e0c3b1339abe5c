//! The probes of a service: when they run, and what their verdicts mean to it.
//!
//! The startup probe runs first, and alone. A service of Type=simple, exec or idle is not up
//! before it succeeds: its start job waits in `start`, and TimeoutStartSec= applies. The other
//! types say themselves when they are up; the probe begins then. Liveness and readiness probes run
//! while the service is up. A failed startup or liveness probe ends the service as a stop would,
//! by KillMode=, with result `probe`; Restart= decides what follows. A readiness probe ends
//! nothing.

use super::Context;
use super::facts::KillStage;
use super::machine::{Service, changed, log, service_section, settings};
use crate::engine::effect::{Effect, KillOrder, LogLevel, ProbeOrder};
use crate::engine::ids::ProcessId;
use crate::engine::probe::{Asked, Probe, ProbeRecord, ProbeResult, Verdict, called_off};
use crate::engine::process::{ProcessStatus, Role};
use crate::engine::state::{ServiceResult, ServiceState};
use crate::unit::config::{
    CommandKind, ProbeAction, ProbeConfig, ProbeKind, ServiceConfig, ServiceType, UnitConfig,
};
use crate::unit::value::Signal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the probes of a service do.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Probing {
    probes: BTreeMap<ProbeKind, Probe>,
    /// When the program was started, monotonic microseconds.
    since: u64,
    /// The start waits for the startup probe.
    awaited: bool,
    /// The readiness probe was good once since the service is up.
    was_ready: bool,
}

impl Probing {
    /// When something is to be done, monotonic microseconds.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.probes.values().filter_map(Probe::deadline).min()
    }

    /// What is known of each probe that there was.
    pub(super) fn records(&self) -> BTreeMap<ProbeKind, ProbeRecord> {
        let records = self.probes.iter();
        let record = |(kind, probe): (&ProbeKind, &Probe)| (*kind, probe.record().clone());
        records.map(record).collect()
    }

    /// Whether a process is that of a probe's attempt.
    pub(super) fn knows(&self, process: ProcessId) -> bool {
        self.of_process(process).is_some()
    }

    fn of_process(&self, process: ProcessId) -> Option<ProbeKind> {
        self.find(|asked| asked.process == Some(process))
    }

    fn find(&self, is_it: impl Fn(Asked) -> bool) -> Option<ProbeKind> {
        let mut probes = self.probes.iter();
        let found = probes.find(|(_, probe)| probe.asked().is_some_and(&is_it));
        found.map(|(kind, _)| *kind)
    }

    fn verdict(&self, kind: ProbeKind) -> Verdict {
        let probe = self.probes.get(&kind);
        probe.map_or(Verdict::Unknown, |probe| probe.record().verdict)
    }
}

/// Whether a service is not up before its startup probe succeeds.
pub(super) fn holds_back(service: &ServiceConfig) -> bool {
    let type_has_no_say = match service.service_type {
        ServiceType::Simple | ServiceType::Exec | ServiceType::Idle => true,
        ServiceType::Forking
        | ServiceType::Oneshot
        | ServiceType::Dbus
        | ServiceType::Notify
        | ServiceType::NotifyReload => false,
    };
    type_has_no_say && service.probes.get(ProbeKind::Startup).is_some()
}

/// What the end of a probe's command says.
pub(super) fn of_exit(status: ProcessStatus) -> ProbeResult {
    match status {
        ProcessStatus::Exited(0) => ProbeResult::Success,
        ProcessStatus::Exited(_)
        | ProcessStatus::Killed(_)
        | ProcessStatus::Dumped(_)
        | ProcessStatus::Unknown => ProbeResult::Failure(super::result::describe(status)),
    }
}

impl Service {
    /// Whether those that wait for the readiness probe have to go on waiting.
    pub fn awaits_readiness(&self, config: &UnitConfig) -> bool {
        let probes = &service_section(config).probes;
        probes.get(ProbeKind::Readiness).is_some()
            && !self.probing.was_ready
            && !self.state.active_state().is_inactive_or_failed()
    }

    /// Whether the start waits for the startup probe.
    pub fn awaits_startup_probe(&self) -> bool {
        self.probing.awaited
    }

    /// The program is there: the service is up, unless its startup probe has to say so.
    pub(super) fn up_or_probed_first(&mut self, cx: &mut Context<'_>) {
        if !holds_back(settings(cx)) {
            return self.enter_start_post(cx);
        }
        self.probing.awaited = true;
        self.look_at_probes(cx);
        changed(cx);
    }

    /// The state has changed.
    pub(super) fn follow_with_probes(&mut self, cx: &mut Context<'_>, from: ServiceState) {
        if self.state == ServiceState::Start && from != ServiceState::Start {
            self.probing.since = cx.now.monotonic;
        }
        if self.state != ServiceState::Start {
            self.probing.awaited = false;
        }
        self.look_at_probes(cx);
    }

    /// The program that was held back (Type=idle) has been ordered, or another one took its place.
    pub(super) fn probe_what_was_held(&mut self, cx: &mut Context<'_>) {
        self.probing.since = cx.now.monotonic;
        self.look_at_probes(cx);
    }

    /// Begins and stops probes as state and configuration say.
    pub fn look_at_probes(&mut self, cx: &mut Context<'_>) {
        for kind in ProbeKind::ALL {
            let config = settings(cx).probes.get(kind);
            let there = self.probing.probes.get(&kind);
            let off = there.is_none_or(Probe::is_off);
            match config.filter(|_| self.is_probed(cx, kind, off)) {
                Some(config) if off => {
                    let probe = self.probing.probes.entry(kind).or_default();
                    probe.begin(cx.now.monotonic, self.probing.since, config);
                }
                Some(_) => {}
                None if off => {}
                None => self.stop_probe(cx, kind),
            }
        }
        let lost = self.awaits_startup_in_vain(cx);
        if lost {
            // A daemon-reload took the probe away that the start waits for.
            self.enter_start_post(cx);
        }
    }

    fn awaits_startup_in_vain(&self, cx: &Context<'_>) -> bool {
        self.probing.awaited && settings(cx).probes.get(ProbeKind::Startup).is_none()
    }

    fn is_probed(&self, cx: &Context<'_>, kind: ProbeKind, off: bool) -> bool {
        if self.held.is_some() {
            // Type=idle is up before its program runs, and there is nobody to be probed.
            return false;
        }
        let up = self.state.active_state().is_active_or_reloading();
        let started = settings(cx).probes.get(ProbeKind::Startup).is_none()
            || self.probing.verdict(ProbeKind::Startup) == Verdict::Good;
        match kind {
            // What it found out before ExecStartPost= stays.
            ProbeKind::Startup if self.state == ServiceState::StartPost => !off,
            ProbeKind::Startup => up || self.probing.awaited,
            ProbeKind::Liveness | ProbeKind::Readiness => up && started,
        }
    }

    fn stop_probe(&mut self, cx: &mut Context<'_>, kind: ProbeKind) {
        if kind == ProbeKind::Readiness {
            self.probing.was_ready = false;
        }
        let probe = self.probing.probes.get_mut(&kind);
        if let Some(asked) = probe.and_then(Probe::stop) {
            call_off(cx, asked);
        }
    }

    /// Makes the attempts that are due, and gives up those that take too long.
    pub(super) fn run_probes(&mut self, cx: &mut Context<'_>) {
        for kind in ProbeKind::ALL {
            let config = settings(cx).probes.get(kind);
            let (Some(config), Some(probe)) = (config, self.probing.probes.get_mut(&kind)) else {
                continue;
            };
            if let Some(asked) = probe.overdue(cx.now.monotonic) {
                call_off(cx, asked);
                if asked.process.is_some() {
                    let reason = format!("no answer within {}", config.timeout);
                    let result = ProbeResult::Failure(reason);
                    self.take_answer(cx, kind, config, None, result);
                    continue;
                }
                probe.repeat(cx.now.monotonic);
            }
            if probe.is_due(cx.now.monotonic) {
                self.ask(cx, kind, config);
            }
        }
    }

    fn ask(&mut self, cx: &mut Context<'_>, kind: ProbeKind, config: &ProbeConfig) {
        let order = cx.numbers.order();
        let process = match config.action() {
            Some(ProbeAction::Exec(_)) => Some(cx.numbers.process()),
            Some(ProbeAction::Http(_) | ProbeAction::Tcp(_)) | None => None,
        };
        let probe = self.probing.probes.entry(kind).or_default();
        probe.ask(cx.now.monotonic, order, process, config);
        match process {
            Some(process) => {
                let place = (CommandKind::StartPost, 0);
                self.order_process(cx, process, Role::Probe(kind), place, false);
            }
            None => cx.out.effects.push(Effect::RunProbe(Box::new(ProbeOrder {
                unit: cx.unit,
                order,
                kind,
                config: Arc::clone(cx.config),
            }))),
        }
    }

    /// Takes in the answer to an order of a probe.
    pub fn on_probed(&mut self, cx: &mut Context<'_>, order: u64, took: u64, result: ProbeResult) {
        if self.probed_beside(cx, order, took, &result) {
            return;
        }
        let asked = |asked: Asked| asked.process.is_none() && asked.order == order;
        if let Some(kind) = self.probing.find(asked) {
            self.take_answer_of(cx, kind, Some(took), result);
        }
    }

    /// The process of an attempt has ended, or could not be made.
    pub(super) fn probe_ended(
        &mut self,
        cx: &mut Context<'_>,
        process: ProcessId,
        result: ProbeResult,
    ) {
        if let Some(kind) = self.probing.of_process(process) {
            self.take_answer_of(cx, kind, None, result);
        }
    }

    /// The process of an attempt is not made, for no fault of the service's.
    pub fn probe_skipped(&mut self, cx: &mut Context<'_>, process: ProcessId) {
        self.coming = self.coming.saturating_sub(1);
        if self.probe_ended_beside(cx, process, ProbeResult::NotMade) {
            return;
        }
        self.probe_ended(cx, process, ProbeResult::NotMade);
    }

    fn take_answer_of(
        &mut self,
        cx: &mut Context<'_>,
        kind: ProbeKind,
        took: Option<u64>,
        result: ProbeResult,
    ) {
        match settings(cx).probes.get(kind) {
            Some(config) => self.take_answer(cx, kind, config, took, result),
            // A daemon-reload took it away.
            None => self.stop_probe(cx, kind),
        }
    }

    fn take_answer(
        &mut self,
        cx: &mut Context<'_>,
        kind: ProbeKind,
        config: &ProbeConfig,
        took: Option<u64>,
        result: ProbeResult,
    ) {
        let works = result == ProbeResult::Success && kind != ProbeKind::Startup;
        let probe = self.probing.probes.entry(kind).or_default();
        let turned = probe.answer(cx.now, took, result, config);
        if works {
            // It has come up well, so its next crash is the first of a new row.
            self.backoff = 0;
        }
        if let Some(verdict) = turned {
            self.tell_verdict(cx, kind, verdict);
            self.act_on_verdict(cx, kind, verdict);
        }
    }

    fn tell_verdict(&mut self, cx: &mut Context<'_>, kind: ProbeKind, verdict: Verdict) {
        let word = kind.as_str();
        let record = self.probing.probes.get(&kind).map(Probe::record);
        let (streak, failure) = record.map_or((0, ""), |it| (it.streak, it.failure.as_str()));
        let (level, text, reason) = match verdict {
            Verdict::Good | Verdict::Unknown => {
                let text = format!("the {word} probe is good");
                (LogLevel::Info, text, String::new())
            }
            Verdict::Bad => {
                let times = if streak == 1 { "once" } else { "in a row" };
                let count = if streak == 1 {
                    String::new()
                } else {
                    format!("{streak} times ")
                };
                let text = format!("the {word} probe failed {count}{times}: {failure}");
                (LogLevel::Warning, text, failure.to_owned())
            }
        };
        log(cx, level, text);
        cx.out.effects.push(Effect::ProbeTurned {
            unit: cx.unit,
            kind,
            verdict,
            reason,
        });
        changed(cx);
    }

    fn act_on_verdict(&mut self, cx: &mut Context<'_>, kind: ProbeKind, verdict: Verdict) {
        match (kind, verdict) {
            (ProbeKind::Startup, Verdict::Good) => {
                if let Some(probe) = self.probing.probes.get_mut(&kind) {
                    probe.finish();
                }
                if self.probing.awaited {
                    self.enter_start_post(cx);
                } else {
                    self.look_at_probes(cx);
                }
            }
            (ProbeKind::Startup | ProbeKind::Liveness, Verdict::Bad) => self.end_by_probe(cx),
            (ProbeKind::Readiness, Verdict::Good) => {
                self.probing.was_ready = true;
                cx.out.ready = true;
            }
            (ProbeKind::Readiness, Verdict::Bad)
            | (ProbeKind::Liveness, Verdict::Good)
            | (_, Verdict::Unknown) => {}
        }
    }

    /// Ends the service as a stop would.
    fn end_by_probe(&mut self, cx: &mut Context<'_>) {
        let result = ServiceResult::Probe;
        match self.state {
            ServiceState::Running | ServiceState::Exited => self.enter_stop(cx, result),
            // ExecStop= is for services that were up, and a reload is broken off.
            ServiceState::Start
            | ServiceState::Reload
            | ServiceState::ReloadSignal
            | ServiceState::ReloadNotify => {
                self.enter_signal(cx, KillStage::StopSigterm, result);
            }
            // No probe that can end it runs in these states.
            ServiceState::Dead
            | ServiceState::Condition
            | ServiceState::StartPre
            | ServiceState::StartPost
            | ServiceState::Stop
            | ServiceState::StopWatchdog
            | ServiceState::StopSigterm
            | ServiceState::StopSigkill
            | ServiceState::StopPost
            | ServiceState::FinalWatchdog
            | ServiceState::FinalSigterm
            | ServiceState::FinalSigkill
            | ServiceState::Failed
            | ServiceState::DeadBeforeAutoRestart
            | ServiceState::FailedBeforeAutoRestart
            | ServiceState::AutoRestart
            | ServiceState::AutoRestartQueued => {}
        }
    }
}

/// Ends an attempt: nobody waits for its answer any more.
pub(super) fn call_off(cx: &mut Context<'_>, asked: Asked) {
    cx.out.effects.extend(called_off(asked));
    if let Some(process) = asked.process {
        let order = cx.numbers.order();
        cx.out.effects.push(Effect::Kill(KillOrder {
            unit: cx.unit,
            order,
            processes: vec![process],
            signal: Signal::KILL,
            group_signal: None,
            generation: None,
            resume: false,
            hangup: false,
        }));
    }
}
