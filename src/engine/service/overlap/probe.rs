//! What a new generation of a service that does not speak for itself is asked by: its startup
//! probe, or else its readiness probe.
//!
//! A failure here only removes the new generation; the probes of the service itself go on with
//! the old one.

use super::super::Context;
use super::super::machine::{Service, log, settings};
use super::super::probes::call_off;
use crate::engine::effect::{Effect, LogLevel, ProbeOrder};
use crate::engine::ids::ProcessId;
use crate::engine::probe::{Asked, Probe, ProbeResult, Verdict};
use crate::engine::process::Role;
use crate::engine::state::ServiceResult;
use crate::unit::config::{CommandKind, ProbeAction, ProbeConfig, ProbeKind};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The probe, and which it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Asking {
    kind: ProbeKind,
    probe: Probe,
}

impl Asking {
    /// When something is to be done, monotonic microseconds.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.probe.deadline()
    }

    /// Whether a process is that of an attempt.
    pub(super) fn knows(&self, process: ProcessId) -> bool {
        self.is_asked(|asked| asked.process == Some(process))
    }

    fn is_asked(&self, is_it: impl Fn(Asked) -> bool) -> bool {
        self.probe.asked().is_some_and(is_it)
    }
}

/// The probe that says whether a new generation is ready.
fn chosen<'a>(cx: &Context<'a>) -> Option<(ProbeKind, &'a ProbeConfig)> {
    let probes = &settings(cx).probes;
    let kinds = [ProbeKind::Startup, ProbeKind::Readiness];
    let mut found = kinds.into_iter().map(|kind| (kind, probes.get(kind)));
    found.find_map(|(kind, config)| Some((kind, config?)))
}

impl Service {
    /// Begins to ask; whether there is a probe.
    pub(super) fn begin_probe_beside(&mut self, cx: &mut Context<'_>) -> bool {
        let (Some((kind, config)), Some(overlap)) = (chosen(cx), &mut self.overlap) else {
            return false;
        };
        let mut probe = Probe::default();
        probe.begin(cx.now.monotonic, cx.now.monotonic, config);
        overlap.probe = Some(Asking { kind, probe });
        self.run_probe_beside(cx);
        true
    }

    /// Makes the attempt that is due, and gives up the one that takes too long.
    pub(super) fn run_probe_beside(&mut self, cx: &mut Context<'_>) {
        let Some(asking) = self.overlap.as_mut().and_then(|it| it.probe.as_mut()) else {
            return;
        };
        let Some(config) = settings(cx).probes.get(asking.kind) else {
            // A daemon-reload took it away.
            return self.ready_beside(cx);
        };
        if let Some(asked) = asking.probe.overdue(cx.now.monotonic) {
            call_off(cx, asked);
            if asked.process.is_some() {
                let reason = format!("no answer within {}", config.timeout);
                return self.answered_beside(cx, None, ProbeResult::Failure(reason));
            }
            asking.probe.repeat(cx.now.monotonic);
        }
        if !asking.probe.is_due(cx.now.monotonic) {
            return;
        }
        let kind = asking.kind;
        let order = cx.numbers.order();
        let process = match config.action() {
            Some(ProbeAction::Exec(_)) => Some(cx.numbers.process()),
            Some(ProbeAction::Http(_) | ProbeAction::Tcp(_)) | None => None,
        };
        asking.probe.ask(cx.now.monotonic, order, process, config);
        match process {
            Some(process) => {
                let place = (CommandKind::StartPost, 0);
                self.order_beside(cx, process, Role::Probe(kind), place);
            }
            None => cx.out.effects.push(Effect::RunProbe(Box::new(ProbeOrder {
                unit: cx.unit,
                order,
                kind,
                config: Arc::clone(cx.config),
            }))),
        }
    }

    /// The process of an attempt ended, or could not be made; whether it was one.
    pub(in crate::engine::service) fn probe_ended_beside(
        &mut self,
        cx: &mut Context<'_>,
        process: ProcessId,
        result: ProbeResult,
    ) -> bool {
        let asking = self.overlap.as_ref().and_then(|it| it.probe.as_ref());
        if !asking.is_some_and(|it| it.knows(process)) {
            return false;
        }
        self.answered_beside(cx, None, result);
        true
    }

    /// The answer to a probe without a process; whether it was one of the new generation's.
    pub(in crate::engine::service) fn probed_beside(
        &mut self,
        cx: &mut Context<'_>,
        order: u64,
        took: u64,
        result: &ProbeResult,
    ) -> bool {
        let asking = self.overlap.as_ref().and_then(|it| it.probe.as_ref());
        let is_it = |asked: Asked| asked.process.is_none() && asked.order == order;
        if !asking.is_some_and(|it| it.is_asked(is_it)) {
            return false;
        }
        self.answered_beside(cx, Some(took), result.clone());
        true
    }

    fn answered_beside(&mut self, cx: &mut Context<'_>, took: Option<u64>, result: ProbeResult) {
        let Some(asking) = self.overlap.as_mut().and_then(|it| it.probe.as_mut()) else {
            return;
        };
        let Some(config) = settings(cx).probes.get(asking.kind) else {
            return self.ready_beside(cx);
        };
        let word = asking.kind.as_str();
        let turned = asking.probe.answer(cx.now, took, result, config);
        let failure = asking.probe.record().failure.clone();
        match turned {
            Some(Verdict::Good) => {
                let text = format!("the {word} probe is good for the new generation");
                log(cx, LogLevel::Info, text);
                self.ready_beside(cx);
            }
            // A readiness probe may be bad for a while; the start has its timeout.
            Some(Verdict::Bad) if word == ProbeKind::Startup.as_str() => {
                let text = format!("its startup probe failed: {failure}");
                self.fail_beside(cx, &text, ServiceResult::Probe);
            }
            Some(Verdict::Bad | Verdict::Unknown) | None => {}
        }
    }

    /// Nobody has to say anything any more.
    pub(super) fn end_probe_beside(&mut self, cx: &mut Context<'_>) {
        let asking = self.overlap.as_mut().and_then(|it| it.probe.take());
        if let Some(asked) = asking.and_then(|mut it| it.probe.stop()) {
            call_off(cx, asked);
        }
    }
}
