//! The engine is written down, forgotten, and read again, and life goes on.

use super::checks::{self, Finding};
use super::world::World;
use procmgr::engine::{Engine, Snapshot};
use procmgr::unit::config::UnitConfig;
use std::sync::Arc;

/// How often that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restores {
    Never,
    /// Behind one event of so many, by chance.
    OneIn(u64),
}

impl World<'_> {
    /// Behind an event: takes the engine down and up again, if chance will have it. With the
    /// same files there is nothing to do for the one that was restored.
    pub(crate) fn perhaps_restore(&mut self) -> Result<(), Finding> {
        let Restores::OneIn(times) = self.restores else {
            return Ok(());
        };
        if !self.restore_dice.one_in(times) {
            return Ok(());
        }
        self.seen.insert("restored");
        let mut engine = self.restored().map_err(finding)?;
        let effects: Vec<String> = std::iter::from_fn(|| engine.poll_effect())
            .map(|effect| checks::words_of_effect(&effect))
            .collect();
        if !effects.is_empty() {
            let effects = effects.join("; ");
            return Err(finding(format!(
                "the restored engine begins with {effects}"
            )));
        }
        if engine.next_deadline() != self.engine.next_deadline() {
            return Err(finding(
                "the restored engine has another deadline".to_owned(),
            ));
        }
        self.engine = engine;
        Ok(())
    }

    fn restored(&self) -> Result<Engine, String> {
        let bytes = serde_json::to_vec(&self.engine.snapshot())
            .map_err(|error| format!("the snapshot cannot be written: {error}"))?;
        let snapshot: Snapshot = serde_json::from_slice(&bytes)
            .map_err(|error| format!("the snapshot cannot be read: {error}"))?;
        let units = self.picture.units.iter();
        let configs: Vec<Arc<UnitConfig>> = units.map(|unit| unit.config.clone()).collect();
        Engine::restore(snapshot, configs).map_err(|error| error.to_string())
    }
}

fn finding(text: String) -> Finding {
    let check = "snapshot and restore";
    Finding { check, text }
}
