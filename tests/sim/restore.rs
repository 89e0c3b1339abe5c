//! The engine is written down, forgotten, and read again, and life goes on.

use super::checks::{self, Finding};
use super::scenario::changed_units;
use super::world::World;
use procmgr::engine::{Engine, Event, RequestId, Snapshot, Timestamp};
use procmgr::unit::config::{LoadState, UnitConfig};
use procmgr::unit::name::UnitName;
use std::sync::Arc;

/// A picture, and what was told since, as a daemon has them on the disk.
pub(crate) struct Journal {
    picture: Vec<u8>,
    configs: Vec<Arc<UnitConfig>>,
    holds: Vec<(UnitName, u64)>,
    events: Vec<Vec<u8>>,
}

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
                self.restore_dice.one_in(300),
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

    /// Before the engine hears of an event.
    pub(crate) fn write_down(&mut self, at: Timestamp, event: &Event) -> Result<(), Finding> {
        if let Some(journal) = &mut self.journal {
            let line = serde_json::to_vec(&(at, event));
            journal
                .events
                .push(line.map_err(|error| finding(error.to_string()))?);
        }
        Ok(())
    }

    /// Begins a journal.
    pub(crate) fn make_picture(&mut self) -> Result<(), Finding> {
        // Behind every event there is nothing to be played; and it takes its time.
        if self.restores != Restores::Seldom || !self.scenario.seed.is_multiple_of(30) {
            return Ok(());
        }
        let picture = serde_json::to_vec(&self.engine.snapshot());
        self.journal = Some(Journal {
            picture: picture.map_err(|error| finding(error.to_string()))?,
            configs: self.configs(),
            holds: self.holds.clone(),
            events: Vec::new(),
        });
        Ok(())
    }

    /// The last picture and what was told since make the engine that it is now.
    fn play_journal(&mut self) -> Result<(), Finding> {
        let Some(journal) = self.journal.take() else {
            return Ok(());
        };
        let snapshot: Snapshot = serde_json::from_slice(&journal.picture)
            .map_err(|error| finding(format!("the picture cannot be read: {error}")))?;
        let mut engine = Engine::restore(snapshot, journal.configs)
            .map_err(|error| finding(error.to_string()))?;
        let holds = std::mem::replace(&mut self.holds, journal.holds);
        let now = self.timestamp();
        hold_again(&mut engine, &self.holds, now);
        self.holds = holds;
        while engine.poll_effect().is_some() {}
        for line in journal.events {
            let (at, event): (Timestamp, Event) = serde_json::from_slice(&line)
                .map_err(|error| finding(format!("an event cannot be read: {error}")))?;
            engine.handle(at, event);
            while engine.poll_effect().is_some() {}
        }
        let text = |engine: &Engine| {
            serde_json::to_string(&engine.snapshot()).map_err(|error| finding(error.to_string()))
        };
        let (played, now) = (text(&engine)?, text(&self.engine)?);
        if played != now {
            let differs = played.bytes().zip(now.bytes()).position(|(a, b)| a != b);
            let from = differs.unwrap_or(0).saturating_sub(200);
            let part = |text: &str| {
                text.get(from..)
                    .map_or_else(String::new, |it| it.chars().take(400).collect())
            };
            let (played, now) = (part(&played), part(&now));
            let text = format!("the journal, played, makes\n{played}\nwhich is\n{now}");
            return Err(finding(text));
        }
        self.seen.insert("a journal was played");
        Ok(())
    }

    /// With the same files there is nothing to do for the engine that was restored.
    fn restore_as_it_was(&mut self) -> Result<(), Finding> {
        self.play_journal()?;
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
        self.make_picture()
    }

    /// Holds are those of clients, who do not outlive the daemon; these here come back at once.
    fn hold_again(&mut self) {
        let now = self.timestamp();
        hold_again(&mut self.engine, &self.holds, now);
    }

    /// Some files have changed and some have gone: the engine may have to act on that.
    fn restore_with_other_files(&mut self) -> Result<(), Finding> {
        let names: Vec<UnitName> = self.scenario.names().cloned().collect();
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
        self.make_picture()?;
        self.check(|check, sight| check.after(sight, false))
    }

    /// What becomes of the engine with the files as the picture has them. Of those that are
    /// gone nothing is given.
    fn restored(&self) -> Result<Engine, String> {
        let bytes = serde_json::to_vec(&self.engine.snapshot())
            .map_err(|error| format!("the snapshot cannot be written: {error}"))?;
        let snapshot: Snapshot = serde_json::from_slice(&bytes)
            .map_err(|error| format!("the snapshot cannot be read: {error}"))?;
        Engine::restore(snapshot, self.configs()).map_err(|error| error.to_string())
    }

    fn configs(&self) -> Vec<Arc<UnitConfig>> {
        let loaded = || self.picture.units.values().map(|unit| unit.config.clone());
        let named = loaded().flat_map(|unit| unit.dependencies.clone());
        let missing = self.picture.missing(named.map(|edge| edge.target));
        loaded()
            .filter(|config| config.load != LoadState::NotFound)
            .chain(missing)
            .collect()
    }
}

fn hold_again(engine: &mut Engine, holds: &[(UnitName, u64)], now: Timestamp) {
    for (unit, holder) in holds.iter().cloned() {
        let hold = Event::Hold {
            request: RequestId(0),
            unit,
            holder,
        };
        engine.handle(now, hold);
        // The answer.
        engine.poll_effect();
    }
}

fn finding(text: String) -> Finding {
    let check = "snapshot and restore";
    Finding { check, text }
}
