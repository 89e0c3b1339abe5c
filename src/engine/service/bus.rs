//! Type=dbus: up is who has the name (systemd.service(5), "Type=").
//!
//! ExecStart= is only run once the name is watched: what happens to it from then on is the
//! service's doing, and who had it before does not matter. While there is no bus the start
//! waits, as long as TimeoutStartSec= lets it.

use super::Context;
use super::machine::{Service, log, settings};
use crate::engine::effect::{Effect, LogLevel};
use crate::engine::state::{ServiceResult, ServiceState};
use crate::unit::config::ServiceType;
use serde::{Deserialize, Serialize};

/// What is known of the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Bus {
    /// It is no matter for this run.
    NotNeeded,
    /// Nothing yet: the watch was ordered.
    Ordered,
    /// Somebody has it, or nobody.
    Watched {
        /// Whether somebody has it.
        owned: bool,
    },
}

impl Service {
    /// Has the name watched; whether ExecStart= has to wait for that.
    pub(super) fn wait_for_bus(&mut self, cx: &mut Context<'_>) -> bool {
        let config = settings(cx);
        let Some(name) = config.bus_name.clone() else {
            return false;
        };
        if config.service_type != ServiceType::Dbus {
            return false;
        }
        self.bus = Bus::Ordered;
        cx.out.effects.push(Effect::WatchBusName {
            unit: cx.unit,
            name,
        });
        self.arm(cx, config.timeout_start);
        true
    }

    /// The run is over, or the name does not matter any more.
    pub(super) fn forget_bus(&mut self, cx: &mut Context<'_>) {
        if self.bus != Bus::NotNeeded {
            self.bus = Bus::NotNeeded;
            let unit = cx.unit;
            cx.out.effects.push(Effect::ForgetBusName { unit });
        }
    }

    /// Takes in that the name is watched.
    pub fn on_bus_name_watched(&mut self, cx: &mut Context<'_>) {
        if self.bus != Bus::Ordered {
            return;
        }
        self.bus = Bus::Watched { owned: false };
        if self.state == ServiceState::Start {
            self.run_start(cx);
        }
    }

    /// Takes in that the name has got an owner, or lost it.
    pub fn on_bus_name_owned(&mut self, cx: &mut Context<'_>, owned: bool) {
        if !matches!(self.bus, Bus::Watched { .. }) {
            return;
        }
        self.bus = Bus::Watched { owned };
        let text = if owned {
            "its name on the bus is taken"
        } else {
            "its name on the bus is free"
        };
        log(cx, LogLevel::Debug, text);
        if settings(cx).service_type != ServiceType::Dbus {
            // A daemon-reload made another type of it.
            return;
        }
        if self.state == ServiceState::Start && owned {
            self.enter_start_post(cx);
        } else if self.state == ServiceState::Running {
            self.enter_running(cx, ServiceResult::Success);
        }
    }

    /// Whether the service is without the name that makes it be up.
    pub(super) fn lacks_bus_name(&self, cx: &Context<'_>) -> bool {
        settings(cx).service_type == ServiceType::Dbus && self.bus == Bus::Watched { owned: false }
    }
}
