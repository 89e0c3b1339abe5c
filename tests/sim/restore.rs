//! The engine is written down, forgotten, and read again, and life goes on.

use super::checks::{self, Finding};
use super::scenario::changed_units;
use super::world::{REALTIME, World};
use procmgr::engine::{Engine, Event, RequestId, Snapshot, Timestamp};
use procmgr::unit::config::{LoadState, UnitConfig};
use procmgr::unit::name::UnitName;
use std::sync::Arc;

/// How often that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restores {
    Never,
    /// Now and then, by chance; sometimes the files have changed meanwhile.
    Seldom,
    /// Behind every event, with the same files.
    Always,
}

impl World<'_> {
    /// Behind an event: takes the engine down and up again, if chance will have it.
    pub(crate) fn perhaps_restore(&mut self) -> Result<(), Finding> {
        let (due, changed) = match self.restores {
            Restores::Never => (false, false),
            Restores::Seldom => (
                self.restore_dice.one_in(100),
                !self.calm && self.restore_dice.one_in(10),
            ),
            Restores::Always => (true, false),
        };
        if !due {
            return Ok(());
        }
        self.seen.insert("restored");
        if changed {
            self.restore_with_other_files()
        } else {
            self.restore_as_it_was()
        }
    }

    /// With the same files there is nothing to do for the engine that was restored.
    fn restore_as_it_was(&mut self) -> Result<(), Finding> {
        let mut engine = self.restored().map_err(finding)?;
        let effects: Vec<String> = std::iter::from_fn(|| engine.poll_effect())
            .map(|effect| checks::words_of_effect(&effect))
            .collect();
        if !effects.is_empty() {
            let effects = effects.join("; ");
            let text = format!("the restored engine begins with {effects}");
            return Err(finding(text));
        }
        if engine.next_deadline() != self.engine.next_deadline() {
            let text = "the restored engine has another deadline";
            return Err(finding(text.to_owned()));
        }
        self.engine = engine;
        self.hold_again();
        Ok(())
    }

    /// Holds are those of clients, who do not outlive the daemon; these here come back at once.
    fn hold_again(&mut self) {
        let (monotonic, realtime) = (self.now, REALTIME + self.now);
        for (unit, holder) in self.holds.clone() {
            let hold = Event::Hold {
                request: RequestId(0),
                unit,
                holder,
            };
            let now = Timestamp {
                monotonic,
                realtime,
            };
            self.engine.handle(now, hold);
            // The answer.
            self.engine.poll_effect();
        }
    }

    /// Some files have changed and some have gone: the engine may have to act on that.
    fn restore_with_other_files(&mut self) -> Result<(), Finding> {
        let units = self.scenario.units.iter();
        let units = units.filter(|unit| unit.socket().is_none());
        let names: Vec<UnitName> = units.map(|unit| unit.name.clone()).collect();
        let changed = changed_units(&mut self.restore_dice, &names);
        let mut dice = self.restore_dice.aside(1);
        let changed = self.scenario.with_late_settings(&mut dice, changed);
        self.note(|| {
            let names: Vec<&str> = changed.iter().map(|unit| unit.name.as_str()).collect();
            format!("restored with other files of {}", names.join(" "))
        });
        self.picture.write(&changed);
        self.picture.read_again(&changed);
        self.engine = self.restored().map_err(finding)?;
        self.seen.insert("restored with other files");
        self.take_effects(None)?;
        self.hold_again();
        self.check(|check, sight| check.after(sight, false))
    }

    /// What becomes of the engine with the files as the picture has them. Of those that are
    /// gone nothing is given.
    fn restored(&self) -> Result<Engine, String> {
        let bytes = serde_json::to_vec(&self.engine.snapshot())
            .map_err(|error| format!("the snapshot cannot be written: {error}"))?;
        let snapshot: Snapshot = serde_json::from_slice(&bytes)
            .map_err(|error| format!("the snapshot cannot be read: {error}"))?;
        let loaded = || self.picture.units.values().map(|unit| unit.config.clone());
        let named = loaded().flat_map(|unit| unit.dependencies.clone());
        let missing = self.picture.missing(named.map(|edge| edge.target));
        let configs: Vec<Arc<UnitConfig>> = loaded()
            .filter(|config| config.load != LoadState::NotFound)
            .chain(missing)
            .collect();
        Engine::restore(snapshot, configs).map_err(|error| error.to_string())
    }
}

fn finding(text: String) -> Finding {
    let check = "snapshot and restore";
    Finding { check, text }
}
