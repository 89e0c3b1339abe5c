//! The service itself: what it remembers, and the one way in which its state changes.

use super::bus::Bus;
use super::facts;
use super::find::Search;
use super::notify::Announced;
use super::overlap::Overlap;
use super::probes::Probing;
use super::process::{Main, MainRecord, Process};
use super::{Context, Transition};
use crate::engine::effect::{Effect, LogLevel};
use crate::engine::ids::{ProcessId, Timestamp, UnitId};
use crate::engine::inspect::CommandView;
use crate::engine::state::{ServiceResult, ServiceState};
use crate::unit::config::{CommandKind, NotifyAccess, ServiceConfig, ServiceType, UnitConfig};
use crate::unit::value::TimeSpan;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// The state machine of one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    pub(super) state: ServiceState,
    /// Why the run ended or is ending; the first failure stays.
    pub(super) result: ServiceResult,
    pub(super) reload_result: ServiceResult,
    pub(super) main: Main,
    pub(super) control: Option<Process>,
    /// The look-out for a main process that the state waits for.
    pub(super) search: Option<Search>,
    /// A MAINPID= message that is being verified.
    pub(super) told: Option<ProcessId>,
    /// The look-out for a successor of a main process that has ended.
    pub(super) successor: Option<ProcessId>,
    /// The main process of Type=idle is not ordered yet: until when that may wait, monotonic
    /// microseconds.
    pub(super) held: Option<u64>,
    /// What is known of BusName=, from the moment a Type=dbus service needs it.
    pub(super) bus: Bus,
    /// The kill order whose answer the state waits for.
    pub(super) order: Option<u64>,
    /// Whether a process has been in the unit's group since that was last known to be empty.
    pub(super) populated: bool,
    /// Ordered processes of which it is not known yet whether they came to be.
    pub(super) coming: u32,
    /// When the present state has lasted too long, monotonic microseconds.
    pub(super) timer: Option<u64>,
    /// When the service has been silent too long.
    pub(super) watchdog: Option<u64>,
    /// WATCHDOG_USEC= told by the service, until it ends.
    pub(super) watchdog_told: Option<TimeSpan>,
    /// When it last showed that it lives.
    pub(super) watchdog_fed: Timestamp,
    /// NOTIFYACCESS= told by the service, until it ends.
    pub(super) access_told: Option<NotifyAccess>,
    /// The next command is the first of its start.
    pub(super) fresh: bool,
    /// Somebody asked for the stop that is going on.
    pub(super) forbid_restart: bool,
    /// NRestarts.
    pub(super) restarts: u32,
    /// The next start begins to count anew.
    pub(super) flush_restarts: bool,
    /// Automatic restarts since the service last ran for a while (our doubling delay).
    pub(super) backoff: u32,
    /// The run was begun by an automatic restart that wants to know more (RestartMode=debug).
    pub(super) debugging: bool,
    /// When the run became active, monotonic microseconds.
    pub(super) active_since: Option<u64>,
    /// What chance adds to RuntimeMaxSec= in this run.
    pub(super) runtime_extra: TimeSpan,
    /// What it last said of its own state.
    pub(super) announced: Announced,
    /// When the reload began, monotonic microseconds (checklist row M10).
    pub(super) reload_begin: u64,
    pub(super) status_text: String,
    pub(super) status_errno: i32,
    pub(super) status_bus_error: String,
    pub(super) status_varlink_error: String,
    pub(super) main_record: MainRecord,
    /// How often ExecStart= was begun.
    pub(super) runs: u64,
    /// The last run of each command.
    pub(super) commands: Vec<CommandView>,
    /// What its probes do.
    #[serde(default)]
    pub(super) probing: Probing,
    /// How often runs ended with each result.
    #[serde(default)]
    pub(super) ends: BTreeMap<ServiceResult, u64>,
    /// Which generation of main processes the service has: 0, or one that has taken over.
    #[serde(default)]
    pub(super) generation: u32,
    /// The last number that was given to one.
    #[serde(default)]
    pub(super) last_generation: u32,
    /// Another generation beside it.
    #[serde(default)]
    pub(super) overlap: Option<Box<Overlap>>,
}

/// Whether a reload job applies: there is an ExecReload=, or the type has a reload of its own.
pub fn can_reload(config: &UnitConfig) -> bool {
    config.service().is_some_and(|service| {
        !service.commands.get(CommandKind::Reload).is_empty()
            || service.service_type == ServiceType::NotifyReload
    })
}

/// The service section; the defaults if a daemon-reload took the unit's file away from under
/// a running service, so that it can still be stopped.
pub(super) fn service_section(config: &UnitConfig) -> &ServiceConfig {
    static NOTHING: OnceLock<ServiceConfig> = OnceLock::new();
    config
        .service()
        .unwrap_or_else(|| NOTHING.get_or_init(ServiceConfig::default))
}

/// The service section of a call's unit; outlives the borrow of the context.
pub(super) fn settings<'a>(cx: &Context<'a>) -> &'a ServiceConfig {
    service_section(cx.config)
}

impl Default for Service {
    /// A service that was never started: dead. Nothing of its configuration is kept: it may change
    /// at any time, and every call brings the present one.
    fn default() -> Service {
        Service {
            state: ServiceState::Dead,
            result: ServiceResult::Success,
            reload_result: ServiceResult::Success,
            main: Main::Unknown,
            control: None,
            search: None,
            told: None,
            successor: None,
            held: None,
            bus: Bus::NotNeeded,
            order: None,
            populated: false,
            coming: 0,
            timer: None,
            watchdog: None,
            watchdog_told: None,
            watchdog_fed: Timestamp::default(),
            access_told: None,
            fresh: false,
            forbid_restart: false,
            restarts: 0,
            flush_restarts: false,
            backoff: 0,
            debugging: false,
            active_since: None,
            runtime_extra: TimeSpan::ZERO,
            announced: Announced::Nothing,
            reload_begin: 0,
            status_text: String::new(),
            status_errno: 0,
            status_bus_error: String::new(),
            status_varlink_error: String::new(),
            main_record: MainRecord::default(),
            runs: 0,
            commands: Vec::new(),
            probing: Probing::default(),
            ends: BTreeMap::new(),
            generation: 0,
            last_generation: 0,
            overlap: None,
        }
    }
}

impl Service {
    /// Takes note of new unit files (daemon-reload). What runs goes on; a list of commands is
    /// gone on with behind the running command, if that still stands in it, else not at all.
    pub fn config_changed(&mut self, config: &UnitConfig) {
        let service = service_section(config);
        let running = self.main.process_mut().into_iter().chain(&mut self.control);
        for process in running {
            process.relocate(service.commands.get(process.kind));
        }
        self.relocate_beside(service);
        self.commands
            .retain(|view| view.index < service.commands.get(view.kind).len());
    }

    /// The one way to another state.
    ///
    /// Lets go of what the new state cannot have: timer, watchdog, processes, searches, and the
    /// kill order of the state that is left.
    pub(super) fn set_state(&mut self, cx: &mut Context<'_>, to: ServiceState) {
        let from = self.state;
        if !facts::keeps_timer(to) {
            self.timer = None;
        }
        if !facts::is_up(to) {
            self.watchdog = None;
        }
        self.order = None;
        self.forget_search(cx);
        if !facts::keeps_main(to) {
            self.forget_told(cx);
            self.forget_successor(cx);
            self.forget_main(cx);
        }
        if !facts::keeps_control(to) {
            self.control = None;
        }
        self.overlap_follows(cx, to);
        if to.active_state().is_active_or_reloading()
            && !from.active_state().is_active_or_reloading()
        {
            self.active_since = Some(cx.now.monotonic);
            self.runtime_extra = super::timeout::random_extra(cx);
        }
        let reload_ended = facts::is_reloading(from) && !facts::is_reloading(to);
        self.state = to;
        cx.out.transitions.push(Transition {
            from,
            to,
            told: self.told_of(cx, from),
            reload_failed: reload_ended && self.reload_result != ServiceResult::Success,
        });
        self.follow_with_probes(cx, from);
        changed(cx);
    }

    /// Records why the run ends, unless it is known already.
    pub(super) fn note_result(&mut self, result: ServiceResult) {
        if self.result == ServiceResult::Success {
            self.result = result;
        }
    }

    /// Arms the timer of the present state.
    pub(super) fn arm(&mut self, cx: &Context<'_>, span: TimeSpan) {
        self.timer = deadline_after(cx.now.monotonic, span);
    }
}

/// The moment a span from now, `None` if it never comes.
pub(in crate::engine) fn deadline_after(now: u64, span: TimeSpan) -> Option<u64> {
    if span.is_infinite() {
        return None;
    }
    now.checked_add(span.as_micros())
        .filter(|&deadline| deadline != u64::MAX)
}

/// Says that something that can be shown has changed.
pub(super) fn changed(cx: &mut Context<'_>) {
    let unit: UnitId = cx.unit;
    let told =
        matches!(cx.out.effects.last(), Some(Effect::Changed { unit: last }) if *last == unit);
    if !told {
        cx.out.effects.push(Effect::Changed { unit });
    }
}

/// Writes a line about the unit.
pub(super) fn log(cx: &mut Context<'_>, level: LogLevel, message: impl Into<String>) {
    cx.out.effects.push(Effect::Log {
        level,
        unit: Some(cx.unit),
        message: message.into(),
    });
}
