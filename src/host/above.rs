//! The service manager above, if there is one that wants to hear (sd_notify(3)): what this daemon
//! is doing, in words; that it is alive, which only the loop itself may say; and that it needs
//! more time to stop what it runs.

use super::run::Host;
use crate::engine::ActiveState;
use crate::unit::name::UnitType;
use sd_notify::NotifyState;
use std::time::Duration;
use tokio::time::Instant;

/// The least time between two texts.
const PAUSE: Duration = Duration::from_secs(1);
/// How often more time is asked for while everything is being stopped, and how much: units have
/// limits of their own, which add up.
const ASK: Duration = Duration::from_secs(2);
const MORE_TIME: u32 = 20_000_000;

/// What is known of it.
#[derive(Debug)]
pub(super) struct Above {
    wanted: bool,
    /// How often it wants to hear that we are alive.
    watchdog: Option<Duration>,
    fed: Instant,
    /// Something has changed since the last text.
    changed: bool,
    said: String,
    spoke: Instant,
}

impl Above {
    /// As the environment says (NOTIFY_SOCKET, WATCHDOG_USEC).
    pub(super) fn new() -> Above {
        let wanted = std::env::var_os("NOTIFY_SOCKET").is_some();
        let watchdog = sd_notify::watchdog_enabled().filter(|_| wanted);
        let now = Instant::now();
        Above {
            wanted,
            // Three times in the time that may pass.
            watchdog: watchdog.map(|limit| limit / 3),
            fed: now,
            changed: wanted,
            said: String::new(),
            spoke: now,
        }
    }

    /// Something that can be told has changed.
    pub(super) fn note_change(&mut self) {
        self.changed = self.wanted;
    }

    fn tell(&self, states: &[NotifyState<'_>]) {
        if !self.wanted {
            return;
        }
        if let Err(error) = sd_notify::notify(states) {
            tracing::warn!("cannot notify the service manager: {error}");
        }
    }

    fn say(&mut self, text: String) {
        self.changed = false;
        self.spoke = Instant::now();
        if text != self.said {
            self.tell(&[NotifyState::Status(&text)]);
            self.said = text;
        }
    }
}

impl Host {
    /// When something is to be said if nothing happens until then.
    pub(super) fn next_word(&self) -> Option<Instant> {
        let above = &self.above;
        let alive = above.watchdog.map(|often| above.fed + often);
        let text = above.changed.then(|| above.spoke + PAUSE);
        let stopping = above.wanted && self.engine.is_shutting_down();
        let time = stopping.then(|| above.spoke + ASK);
        [alive, text, time].into_iter().flatten().min()
    }

    /// Says what is due.
    pub(super) fn speak(&mut self) {
        let now = Instant::now();
        if self
            .above
            .watchdog
            .is_some_and(|often| self.above.fed + often <= now)
        {
            self.above.fed = now;
            self.above.tell(&[NotifyState::Watchdog]);
        }
        if self.above.spoke + PAUSE > now {
            return;
        }
        if self.above.wanted && self.engine.is_shutting_down() {
            let more = NotifyState::ExtendTimeoutUsec(MORE_TIME);
            self.above.tell(&[more]);
            self.above.changed = true;
        }
        if self.above.changed {
            let text = self.status_text();
            self.above.say(text);
        }
    }

    /// Unit files are being read again, or the program is about to be executed anew.
    pub(super) fn tell_reloading(&mut self, text: &str) {
        if !self.above.wanted {
            return;
        }
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.above.tell(&[NotifyState::Reloading, now]),
            Err(error) => tracing::warn!("cannot read the clock: {error}"),
        }
        self.above.say(text.to_owned());
    }

    /// It is over.
    pub(super) fn tell_ready(&mut self) {
        self.above.tell(&[NotifyState::Ready]);
        self.above.note_change();
    }

    /// Everything is being stopped.
    pub(super) fn tell_stopping(&mut self) {
        self.above.tell(&[NotifyState::Stopping]);
        self.above.say("Stopping".to_owned());
        self.above.note_change();
    }

    fn status_text(&self) -> String {
        let (mut up, mut failed) = (0, 0);
        for unit in self.engine.listed_units() {
            let service = unit.config.name.unit_type() == UnitType::Service;
            up += usize::from(service && !unit.active.is_inactive_or_failed());
            failed += usize::from(unit.active == ActiveState::Failed);
        }
        let jobs = self.engine.job_count();
        text_of(self.engine.is_shutting_down(), up, failed, jobs)
    }
}

fn text_of(stopping: bool, up: usize, failed: usize, jobs: usize) -> String {
    let services = match up {
        1 => "1 service".to_owned(),
        many => format!("{many} services"),
    };
    if stopping {
        return format!("Stopping; {services} left");
    }
    let mut text = format!("Running {services}");
    if failed > 0 {
        text.push_str(&format!(", {failed} failed"));
    }
    match jobs {
        0 => {}
        1 => text.push_str("; 1 job is going on"),
        many => text.push_str(&format!("; {many} jobs are going on")),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        assert_eq!(text_of(false, 1, 0, 0), "Running 1 service");
        let text = "Running 7 services, 2 failed; 3 jobs are going on";
        assert_eq!(text_of(false, 7, 2, 3), text);
        assert_eq!(text_of(true, 4, 2, 4), "Stopping; 4 services left");
    }
}
