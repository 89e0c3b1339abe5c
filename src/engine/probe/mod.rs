//! Probes: when one is due, what its answers add up to, and what is known of it.
//!
//! One [`Probe`] is the machine of one probe in one run of a service. It knows nothing of the
//! service and orders nothing: the service (`engine::service::probes`) turns it on and off, hands
//! it answers, and acts on what they come to. Terms are Kubernetes's: a verdict changes with as
//! many equal answers in a row as its threshold says.
//!
//! Invariants: an answer counts only under the number that was asked for last; a probe that is
//! off has no verdict and no deadline.

#[cfg(test)]
mod tests;

use super::effect::Effect;
use super::ids::{ProcessId, Timestamp};
use crate::unit::config::ProbeConfig;
use crate::unit::value::TimeSpan;
use serde::{Deserialize, Serialize};

/// How much longer than TimeoutSec= an answer of the host is waited for. One that never comes
/// (its task went with an earlier process of the daemon) is no answer of the service's: it is
/// asked again.
const LOST: TimeSpan = TimeSpan::from_secs(10);
/// The most of a failure's text that is kept, in bytes.
const LONGEST_TEXT: usize = 300;

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProbeResult {
    /// As it should.
    Success,
    /// Not so; for this reason.
    Failure(String),
    /// It says nothing about the service, which was frozen, say.
    NotMade,
}

/// What the answers so far come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Not enough answers in this run.
    #[default]
    Unknown,
    /// As many successes in a row as it takes.
    Good,
    /// As many failures in a row.
    Bad,
}

impl Verdict {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Unknown => "unknown",
            Verdict::Good => "good",
            Verdict::Bad => "bad",
        }
    }
}

/// What a probe is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
enum Phase {
    /// Nothing.
    #[default]
    Off,
    /// It waits for its time, monotonic microseconds.
    Waiting(u64),
    /// It was asked for.
    Asked(Asked),
    /// It has said what it is for (a startup probe).
    Done,
}

/// An attempt under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    /// The number that the answer comes under.
    pub(super) order: u64,
    /// The process of an Exec= probe.
    pub(super) process: Option<ProcessId>,
    /// When it was asked for, monotonic microseconds.
    begun: u64,
    /// When it is given up.
    until: u64,
}

/// What is known of a probe; kept when it is off.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeRecord {
    /// What the answers of this run come to.
    pub verdict: Verdict,
    /// How many answers like the last one there were in a row.
    pub streak: u32,
    /// Whether the last answer was a success; `None` before the first of this run.
    pub last_success: Option<bool>,
    /// When the last answer came; zero if never.
    pub last: Timestamp,
    /// How long it took, microseconds.
    pub last_took: u64,
    /// Why the last failure was one; empty if there was none.
    pub failure: String,
    /// When the last failure was; zero if never.
    pub failed: Timestamp,
    /// Successes since the unit was loaded.
    pub successes: u64,
    /// Failures since the unit was loaded.
    pub failures: u64,
}

/// The machine of one probe.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Probe {
    phase: Phase,
    record: ProbeRecord,
}

impl Probe {
    /// What is known of it.
    pub(super) fn record(&self) -> &ProbeRecord {
        &self.record
    }

    /// Whether it is off: not begun, or stopped.
    pub(super) fn is_off(&self) -> bool {
        self.phase == Phase::Off
    }

    /// Begins; the program was started at `since`.
    pub(super) fn begin(&mut self, now: u64, since: u64, config: &ProbeConfig) {
        let first = since.saturating_add(config.initial_delay.as_micros());
        self.phase = Phase::Waiting(first.max(now));
    }

    /// Stops, and forgets what was found out of this run. The attempt under way, if any, is to
    /// be called off.
    pub(super) fn stop(&mut self) -> Option<Asked> {
        let asked = self.asked();
        self.phase = Phase::Off;
        self.record.verdict = Verdict::Unknown;
        self.record.streak = 0;
        self.record.last_success = None;
        asked
    }

    /// Makes no more attempts and keeps its verdict.
    pub(super) fn finish(&mut self) {
        self.phase = Phase::Done;
    }

    /// The attempt under way.
    pub(super) fn asked(&self) -> Option<Asked> {
        match self.phase {
            Phase::Asked(asked) => Some(asked),
            Phase::Off | Phase::Waiting(_) | Phase::Done => None,
        }
    }

    /// When something is to be done, monotonic microseconds.
    pub(super) fn deadline(&self) -> Option<u64> {
        match self.phase {
            Phase::Waiting(due) => Some(due),
            Phase::Asked(asked) => Some(asked.until),
            Phase::Off | Phase::Done => None,
        }
    }

    /// Whether an attempt is to be made now.
    pub(super) fn is_due(&self, now: u64) -> bool {
        matches!(self.phase, Phase::Waiting(due) if due <= now)
    }

    /// The attempt under way, if it was to be answered by now.
    pub(super) fn overdue(&self, now: u64) -> Option<Asked> {
        self.asked().filter(|asked| asked.until <= now)
    }

    /// An attempt was asked for. That of a process ends by TimeoutSec= here; any other is the
    /// host's to end.
    pub(super) fn ask(
        &mut self,
        now: u64,
        order: u64,
        process: Option<ProcessId>,
        config: &ProbeConfig,
    ) {
        let patience = match process {
            Some(_) => config.timeout,
            None => config.timeout.saturating_add(LOST),
        };
        self.phase = Phase::Asked(Asked {
            order,
            process,
            begun: now,
            until: now.saturating_add(patience.as_micros()),
        });
    }

    /// The attempt came to nothing and is made again at once.
    pub(super) fn repeat(&mut self, now: u64) {
        if self.asked().is_some() {
            self.phase = Phase::Waiting(now);
        }
    }

    /// Takes the answer to the attempt under way; `took` is in microseconds, `None` if it is to
    /// be told from when it was asked for. Returns the verdict if this changed it.
    pub(super) fn answer(
        &mut self,
        now: Timestamp,
        took: Option<u64>,
        result: ProbeResult,
        config: &ProbeConfig,
    ) -> Option<Verdict> {
        let asked = self.asked()?;
        let next = asked.begun.saturating_add(config.period.as_micros());
        self.phase = Phase::Waiting(next.max(now.monotonic));
        let success = match &result {
            ProbeResult::NotMade => return None,
            ProbeResult::Success => true,
            ProbeResult::Failure(_) => false,
        };
        let record = &mut self.record;
        record.streak = match record.last_success == Some(success) {
            true => record.streak.saturating_add(1),
            false => 1,
        };
        record.last_success = Some(success);
        record.last = now;
        record.last_took = took.unwrap_or(now.monotonic.saturating_sub(asked.begun));
        let (threshold, verdict) = if let ProbeResult::Failure(text) = result {
            record.failures += 1;
            record.failed = now;
            record.failure = shortened(text);
            (config.failure_threshold, Verdict::Bad)
        } else {
            record.successes += 1;
            (config.success_threshold, Verdict::Good)
        };
        if record.streak < threshold || record.verdict == verdict {
            return None;
        }
        record.verdict = verdict;
        Some(verdict)
    }
}

/// What is to be done to call an attempt off that the host makes.
pub(super) fn called_off(asked: Asked) -> Option<Effect> {
    let order = asked.order;
    asked
        .process
        .is_none()
        .then_some(Effect::CancelProbe { order })
}

/// The beginning of a text that a stranger may have written.
fn shortened(mut text: String) -> String {
    if text.len() > LONGEST_TEXT {
        let mut end = LONGEST_TEXT;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}
