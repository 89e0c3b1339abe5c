//! Names on a bus that Type=dbus services are waiting for. The bus itself is watched by somebody
//! else, who gets orders through a channel and tells what he sees through the [`Handle`].
//!
//! [`Handle`]: super::Handle

use super::run::Host;
use crate::engine::{Event, LogLevel, UnitId};
use crate::unit::name::UnitName;
use std::collections::BTreeMap;
use tokio::sync::mpsc::UnboundedSender;

/// An order to whoever watches the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusNameOrder {
    /// Watch for owners of a name; answered by [`BusNameNews::Watched`] once it is watched,
    /// however long that takes, and by [`BusNameNews::Owned`] from then on.
    Watch {
        /// Under this number, which is used once.
        watch: u64,
        /// The name.
        name: String,
        /// Who needs it, for messages.
        unit: UnitName,
    },
    /// Watch no longer.
    Forget {
        /// The number.
        watch: u64,
    },
}

/// What is seen of a watched name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BusNameNews {
    /// It is watched from here on; who has it now is not told.
    Watched,
    /// It has got an owner or lost it, or the bus is back and this is how it is now.
    Owned(bool),
}

/// What is being watched.
#[derive(Debug)]
pub(super) struct BusNames {
    orders: UnboundedSender<BusNameOrder>,
    last: u64,
    watches: BTreeMap<UnitId, u64>,
}

impl BusNames {
    pub(super) fn new(orders: UnboundedSender<BusNameOrder>) -> BusNames {
        BusNames {
            orders,
            last: 0,
            watches: BTreeMap::new(),
        }
    }

    fn watch(&mut self, id: UnitId, name: String, unit: UnitName) -> bool {
        self.forget(id);
        self.last += 1;
        let watch = self.last;
        self.watches.insert(id, watch);
        let order = BusNameOrder::Watch { watch, name, unit };
        self.orders.send(order).is_ok()
    }

    fn forget(&mut self, id: UnitId) {
        if let Some(watch) = self.watches.remove(&id) {
            // Fails only if nobody watches any more.
            let _ = self.orders.send(BusNameOrder::Forget { watch });
        }
    }
}

impl Host {
    /// Has a name watched for a unit.
    pub(super) fn watch_bus_name(&mut self, unit: UnitId, name: String) {
        let Some(unit_name) = self.name(unit) else {
            return;
        };
        if !self.bus_names.watch(unit, name, unit_name.clone()) {
            let text = "no bus is watched any more: its BusName= will not be seen";
            self.log.manager(LogLevel::Error, Some(&unit_name), text);
        }
    }

    /// Ends that.
    pub(super) fn forget_bus_name(&mut self, unit: UnitId) {
        self.bus_names.forget(unit);
    }

    /// Something was seen; what is told of a watch that was given up is old.
    pub(super) fn bus_name_news(&mut self, watch: u64, news: BusNameNews) {
        let mut watches = self.bus_names.watches.iter();
        let Some((unit, _)) = watches.find(|(_, number)| **number == watch) else {
            return;
        };
        let unit = *unit;
        self.tell(match news {
            BusNameNews::Watched => Event::BusNameWatched { unit },
            BusNameNews::Owned(owned) => Event::BusNameOwned { unit, owned },
        });
    }
}
