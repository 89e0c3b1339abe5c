//! Sockets as the host keeps them: made, watched, closed, and what clients bring.

use super::descriptors::Purpose;
use super::world::{Happening, World};
use procmgr::engine::{Event, OpenFailure, UnitId, WatchManner};
use std::collections::BTreeMap;

/// The sockets of one unit.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    /// They were made; before that they are being made.
    pub(crate) made: bool,
    /// Who waits for traffic.
    pub(crate) watch: Option<(u64, WatchManner)>,
    /// How many clients, or messages, wait.
    pub(crate) waiting: u32,
}

/// All sockets by their unit, from the order to make them to that to close them.
pub(crate) type Sockets = BTreeMap<UnitId, Opened>;

impl World<'_> {
    pub(crate) fn open_sockets(&mut self, unit: UnitId, order: u64) {
        self.sockets.insert(unit, Opened::default());
        let trouble = if self.calm { 0 } else { self.scenario.trouble };
        let result = if !self.late_dice.percent(trouble / 2) {
            Ok(())
        } else if self.late_dice.one_in(2) {
            Err(OpenFailure::Resources("the address is in use".to_owned()))
        } else {
            Err(OpenFailure::Owner("no such user".to_owned()))
        };
        if let Some(opened) = self.sockets.get_mut(&unit) {
            opened.made = result.is_ok();
        }
        self.tell(
            None,
            Event::SocketsOpened {
                unit,
                order,
                result,
            },
        );
    }

    /// What they overtake is dropped.
    pub(crate) fn close_sockets(&mut self, unit: UnitId) {
        self.sockets.remove(&unit);
        self.keep_to_itself(|event| match event {
            Event::SocketsOpened { unit: of, .. } => *of == unit,
            _ => false,
        });
    }

    pub(crate) fn watch_sockets(&mut self, unit: UnitId, watch: u64, manner: WatchManner) {
        let trouble = if self.calm { 0 } else { self.scenario.trouble };
        if self.late_dice.percent(trouble / 8) {
            let reason = "too many files are open".to_owned();
            let failed = Event::WatchFailed {
                unit,
                watch,
                reason,
            };
            return self.tell(None, failed);
        }
        if let Some(opened) = self.sockets.get_mut(&unit) {
            opened.watch = Some((watch, manner));
        }
        self.tell_of_traffic(unit);
    }

    pub(crate) fn unwatch_sockets(&mut self, unit: UnitId) {
        if let Some(opened) = self.sockets.get_mut(&unit) {
            opened.watch = None;
        }
    }

    /// A client comes, if there is where to.
    pub(crate) fn bring_traffic(&mut self, unit: UnitId) {
        if let Some(opened) = self.sockets.get_mut(&unit).filter(|it| it.made) {
            opened.waiting += 1;
            self.note(|| format!("traffic at the sockets of {unit:?}"));
            self.tell_of_traffic(unit);
        }
    }

    /// Somebody has read what waits.
    pub(crate) fn take_traffic(&mut self, unit: UnitId) {
        if let Some(opened) = self.sockets.get_mut(&unit) {
            opened.waiting = 0;
        }
    }

    /// A service that has come up reads what waits at the sockets that it was passed.
    pub(crate) fn serve(&mut self, sockets: &[UnitId]) {
        for unit in sockets {
            self.plan(1000, Happening::TakeTraffic(*unit));
        }
    }

    /// Told once, but for connections that are taken.
    fn tell_of_traffic(&mut self, unit: UnitId) {
        while let Some(opened) = self.sockets.get_mut(&unit).filter(|it| it.waiting > 0)
            && let Some((watch, manner)) = opened.watch
        {
            let client = match manner {
                WatchManner::Any => None,
                WatchManner::Accept => {
                    opened.waiting -= 1;
                    self.take_connection(unit, watch);
                    continue;
                }
                WatchManner::NotEmpty => {
                    opened.waiting -= 1;
                    if self.new_dice.one_in(3) {
                        self.note(|| "the client leaves without a byte".to_owned());
                        continue;
                    }
                    Some((self.held.hold(Purpose::Client(unit)), 0))
                }
            };
            if let Some(opened) = self.sockets.get_mut(&unit) {
                opened.watch = None;
            }
            let traffic = Event::Traffic {
                unit,
                watch,
                client,
            };
            self.tell(None, traffic);
        }
    }
}
