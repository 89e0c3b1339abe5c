//! What reading all unit files again would change. Nothing is done; no job ever follows.

use super::engine::Engine;
use super::inspect::{Turned, UnitChange};
use crate::unit::compare;
use crate::unit::config::{LoadState, UnitConfig};
use std::sync::Arc;

impl Engine {
    /// What would change if these readings were taken in: those of all loaded units and of what
    /// they name.
    pub fn plan_reload(&self, units: &[Arc<UnitConfig>]) -> Vec<UnitChange> {
        let change = |unit: &Arc<UnitConfig>| self.change_of(unit);
        units.iter().filter_map(change).collect()
    }

    fn change_of(&self, after: &UnitConfig) -> Option<UnitChange> {
        let known = self.graph.find(after.name.as_str());
        let known = known.map(|id| self.graph.get(id));
        let turned = match known.map(|unit| unit.config.load) {
            // Built-in units and what the kernel has do not come by files.
            None if after.load == LoadState::NotFound || after.fragment.is_none() => return None,
            None => Turned::Appeared,
            Some(before) if before == after.load => Turned::Changed,
            Some(LoadState::NotFound) if after.load == LoadState::Loaded => Turned::Appeared,
            Some(_) => match after.load {
                LoadState::Loaded => Turned::Repaired,
                LoadState::NotFound => Turned::Vanished,
                LoadState::Masked => Turned::Masked,
                LoadState::BadSetting | LoadState::Error => Turned::Broken,
            },
        };
        let before = known.map(|unit| &unit.config);
        let compared = before
            .filter(|before| before.load == LoadState::Loaded && after.load == LoadState::Loaded);
        let settings = compared.map_or_else(Vec::new, |before| compare::differences(before, after));
        let files_differ = before.is_none_or(|before| {
            (&before.fragment, &before.drop_ins) != (&after.fragment, &after.drop_ins)
        });
        if turned == Turned::Changed && settings.is_empty() && !files_differ {
            return None;
        }
        Some(UnitChange {
            unit: after.name.clone(),
            turned,
            problem: after.load_error.clone(),
            fragment: after.fragment.clone(),
            drop_ins: after.drop_ins.clone(),
            up: known.is_some_and(|unit| !unit.active_state().is_inactive_or_failed()),
            settings,
        })
    }
}
