//! The socket itself: what it remembers, and the one way in which its state changes.

use super::facts;
use super::{Context, Transition};
use crate::engine::effect::{Effect, WatchManner};
use crate::engine::ids::{DescriptorId, UnitId};
use crate::engine::inspect::CommandView;
use crate::engine::service::process::Process;
use crate::engine::state::{SocketResult, SocketState};
use crate::engine::window::Window;
use crate::unit::config::UnitConfig;
use crate::unit::value::TimeSpan;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The state machine of one socket unit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Socket {
    pub(super) state: SocketState,
    /// Why it ended or is ending; the first failure stays.
    pub(super) result: SocketResult,
    pub(super) control: Option<Process>,
    /// The order whose answer the state waits for: to open, or to kill.
    pub(super) order: Option<u64>,
    /// The wait for traffic that is going on.
    pub(super) watch: Option<u64>,
    /// When the present state has lasted too long, or a pause ends; monotonic microseconds.
    pub(super) timer: Option<u64>,
    /// The next command is the first of its start.
    pub(super) fresh: bool,
    /// Whether a process has been in the unit's group since that was last known to be empty.
    pub(super) populated: bool,
    /// Ordered processes of which it is not known yet whether they came to be.
    pub(super) coming: u32,
    /// Whether the host was told to make the sockets.
    pub(super) open: bool,
    /// Whether the sockets are there.
    pub(super) made: bool,
    /// It is up without sockets: its service was started at once (kubernetes mode).
    pub(super) passive: bool,
    pub(super) triggers: Window,
    pub(super) polls: Window,
    /// NAccepted.
    pub(super) accepted: u32,
    /// NRefused.
    pub(super) refused: u32,
    /// Connections whose instance is being read, with their sources.
    pub(super) announced: BTreeMap<DescriptorId, super::traffic::Coming>,
    /// Instances that serve a connection, with their sources.
    pub(super) connections: BTreeMap<UnitId, Option<String>>,
    /// A connection that was taken to look at it and that waits for the service.
    pub(super) client: Option<(DescriptorId, usize)>,
    /// The last run of each command.
    pub(super) commands: Vec<CommandView>,
}

impl Default for Socket {
    fn default() -> Socket {
        Socket {
            state: SocketState::Dead,
            result: SocketResult::Success,
            control: None,
            order: None,
            watch: None,
            timer: None,
            fresh: false,
            populated: false,
            coming: 0,
            open: false,
            made: false,
            passive: false,
            triggers: Window::default(),
            polls: Window::default(),
            accepted: 0,
            refused: 0,
            announced: BTreeMap::new(),
            connections: BTreeMap::new(),
            client: None,
            commands: Vec::new(),
        }
    }
}

impl Socket {
    /// Takes note of new unit files (daemon-reload): sockets that are open stay as they are.
    pub fn config_changed(&mut self, config: &UnitConfig) {
        let lists = config.commands();
        let list = |kind| lists.map_or(&[][..], |lists| lists.get(kind));
        if let Some(process) = &mut self.control {
            process.relocate(list(process.kind));
        }
        self.commands
            .retain(|view| view.index < list(view.kind).len());
    }

    /// The one way to another state.
    ///
    /// Lets go of what the new state cannot have: timer, command, traffic, sockets.
    pub(super) fn set_state(&mut self, cx: &mut Context<'_>, to: SocketState) {
        let from = self.state;
        if !facts::takes_time(to) {
            self.timer = None;
            self.control = None;
        }
        self.order = None;
        if to != SocketState::Listening && self.watch.take().is_some() {
            let unit = cx.unit;
            cx.out.effects.push(Effect::UnwatchSockets { unit });
        }
        if !facts::keeps_sockets(to) {
            self.close(cx);
        }
        self.state = to;
        cx.out.transitions.push(Transition { from, to });
        cx.changed();
    }

    fn close(&mut self, cx: &mut Context<'_>) {
        self.made = false;
        self.passive = false;
        self.drop_client(cx);
        if std::mem::take(&mut self.open) {
            cx.out.effects.push(Effect::CloseSockets {
                unit: cx.unit,
                remove: cx.settings().remove_on_stop,
            });
        }
    }

    /// Closes a connection that no service has taken.
    pub(super) fn drop_client(&mut self, cx: &mut Context<'_>) {
        if let Some((descriptor, _)) = self.client.take() {
            cx.out.effects.push(Effect::CloseDescriptor { descriptor });
        }
    }

    /// Waits for traffic.
    pub(super) fn watch(&mut self, cx: &mut Context<'_>) {
        let watch = cx.numbers.order();
        self.watch = Some(watch);
        let settings = cx.settings();
        let manner = if settings.accept {
            WatchManner::Accept
        } else if settings.ignore_empty_connections && cx.service.takes_client {
            WatchManner::NotEmpty
        } else {
            WatchManner::Any
        };
        cx.out.effects.push(Effect::WatchSockets {
            unit: cx.unit,
            watch,
            manner,
        });
    }

    /// Records why it ends, unless that is known already.
    pub(super) fn note_result(&mut self, result: SocketResult) {
        if self.result == SocketResult::Success {
            self.result = result;
        }
    }

    /// Arms the timer of the present state.
    pub(super) fn arm(&mut self, cx: &Context<'_>, span: TimeSpan) {
        self.timer = crate::engine::service::deadline_after(cx.now.monotonic, span);
    }
}
