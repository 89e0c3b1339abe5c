//! Paths as the host keeps them: which are there, and who watches.

use super::world::{Happening, World};
use procmgr::engine::{Event, UnitId};
use procmgr::unit::config::UnitConfig;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A watch of the paths of one unit.
#[derive(Debug)]
pub(crate) struct PathWatch {
    order: u64,
    config: Arc<UnitConfig>,
    /// No news of it arrives before this.
    news_until: u64,
}

/// What there is, and who wants to know.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    there: BTreeSet<String>,
    pub(crate) watches: BTreeMap<UnitId, PathWatch>,
}

impl Paths {
    /// Whether it exists, or has something in it.
    pub(crate) fn is_there(&self, path: &str) -> bool {
        self.there.contains(path)
    }
}

impl World<'_> {
    pub(crate) fn watch_paths(&mut self, unit: UnitId, order: u64, config: Arc<UnitConfig>) {
        let trouble = if self.calm { 0 } else { self.scenario.trouble };
        let watched = config.path().map_or(&[][..], |it| &it.paths);
        let seen = watched.iter().map(|it| self.paths.is_there(&it.path));
        let seen: Vec<bool> = seen.collect();
        let failed = self.last_dice.percent(trouble / 8);
        let result = match failed {
            true => Err("too many watches".to_owned()),
            false => Ok(seen),
        };
        self.paths.watches.insert(
            unit,
            PathWatch {
                order,
                config,
                news_until: 0,
            },
        );
        self.tell_of_path(
            unit,
            Event::PathsSeen {
                unit,
                order,
                result,
            },
        );
    }

    /// What is on its way may arrive all the same.
    pub(crate) fn unwatch_paths(&mut self, unit: UnitId) {
        self.paths.watches.remove(&unit);
    }

    /// A path comes or goes, or changes.
    pub(crate) fn touch_path(&mut self, path: &str, there: Option<bool>) {
        let before = self.paths.is_there(path);
        match there {
            Some(true) => self.paths.there.insert(path.to_owned()),
            Some(false) => self.paths.there.remove(path),
            None => false,
        };
        let after = self.paths.is_there(path);
        if before == after && !after {
            return;
        }
        self.note(|| format!("{path} is touched; it was there: {before}, is: {after}"));
        let mut news = Vec::new();
        for (unit, watch) in &self.paths.watches {
            let watched = watch.config.path().map_or(&[][..], |it| &it.paths);
            for (index, it) in watched.iter().enumerate() {
                let lasting = it.kind.is_lasting();
                if it.path == path && !(lasting && before == after) {
                    let changed = !lasting && before == after;
                    let touched = Event::PathTouched {
                        unit: *unit,
                        watch: watch.order,
                        index,
                        changed,
                    };
                    news.push((*unit, touched));
                }
            }
        }
        for (unit, event) in news {
            self.tell_of_path(unit, event);
        }
    }

    /// News of one watch arrive in order.
    fn tell_of_path(&mut self, unit: UnitId, event: Event) {
        let at = self.now + self.delay();
        if let Some(watch) = self.paths.watches.get_mut(&unit) {
            watch.news_until = at.max(watch.news_until);
            let after = watch.news_until - self.now;
            self.plan(after, Happening::Tell(event));
        }
    }
}
