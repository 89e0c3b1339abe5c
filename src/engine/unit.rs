//! One unit in the graph: its configuration, its machine, and what the engine keeps of it.

use super::edges::Edges;
use super::ids::{CheckId, DescriptorId, JobId, Streams, UnitId};
use super::inspect::{CheckView, StateTimes};
use super::path::Path;
use super::scope::Scope;
use super::service::{Rested, Service};
use super::socket::{Connection, Socket};
use super::state::ActiveState;
use super::timer::Timer;
use super::window::Window;
use crate::unit::config::{LoadState, UnitBody, UnitConfig, UnitSection};
use crate::unit::name::UnitName;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a unit does when it is started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Machine {
    /// Processes.
    Service(Rested),
    /// Sockets, whose traffic starts a service.
    Socket(Box<Socket>),
    /// Processes that others have started.
    Scope(Box<Scope>),
    /// Times at which another unit is started.
    Timer(Box<Timer>),
    /// Paths whose changes start another unit.
    Path(Box<Path>),
    /// A synchronisation point: active or not.
    Target {
        /// Whether it was started.
        active: bool,
    },
    /// Active by itself; no job changes that.
    Fact,
    /// Loaded but not run by this build, or not loaded at all.
    Inert,
}

impl Machine {
    /// The machine a freshly loaded configuration asks for.
    pub(super) fn of(config: &UnitConfig) -> Machine {
        match (&config.load, &config.body) {
            (LoadState::Loaded, UnitBody::Service(_)) => Machine::Service(Rested::default()),
            (LoadState::Loaded, UnitBody::Socket(_)) => Machine::Socket(Box::default()),
            (LoadState::Loaded, UnitBody::Scope(_)) => Machine::Scope(Box::default()),
            (LoadState::Loaded, UnitBody::Timer(_)) => Machine::Timer(Box::default()),
            (LoadState::Loaded, UnitBody::Path(_)) => Machine::Path(Box::default()),
            (LoadState::Loaded, UnitBody::Target) => Machine::Target { active: false },
            (LoadState::Loaded, UnitBody::Fact) => Machine::Fact,
            (_, _) => Machine::Inert,
        }
    }

    /// That of a service; none of any other kind of unit.
    pub(super) fn service(&self) -> Option<&Service> {
        match self {
            Machine::Service(service) => Some(service),
            Machine::Socket(_)
            | Machine::Scope(_)
            | Machine::Timer(_)
            | Machine::Path(_)
            | Machine::Target { .. }
            | Machine::Fact
            | Machine::Inert => None,
        }
    }

    /// Whether it is a service that has done nothing yet.
    pub(super) fn is_rested(&self) -> bool {
        matches!(self, Machine::Service(service) if service.is_rested())
    }

    /// What the unit is doing.
    pub(super) fn active_state(&self) -> ActiveState {
        match self {
            Machine::Service(service) => service.state().active_state(),
            Machine::Socket(socket) => socket.state().active_state(),
            Machine::Scope(scope) => scope.state().active_state(),
            Machine::Timer(timer) => timer.state().active_state(),
            Machine::Path(path) => path.state().active_state(),
            Machine::Target { active: true } | Machine::Fact => ActiveState::Active,
            Machine::Target { active: false } | Machine::Inert => ActiveState::Inactive,
        }
    }

    /// systemd's SubState word.
    pub(super) fn sub_state(&self) -> &'static str {
        match self {
            Machine::Service(service) => service.state().as_str(),
            Machine::Socket(socket) => socket.state().as_str(),
            Machine::Scope(scope) => scope.state().as_str(),
            Machine::Timer(timer) => timer.state().as_str(),
            Machine::Path(path) => path.state().as_str(),
            Machine::Target { active: true } | Machine::Fact => "active",
            Machine::Target { active: false } | Machine::Inert => "dead",
        }
    }
}

/// The limit of starts and stops that nobody asked for: 16 in 10 seconds, as in systemd 252.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OwnAccord(Window);

impl OwnAccord {
    const LENGTH: u64 = 10_000_000;
    const MOST: u32 = 16;

    /// Counts one at `now` (monotonic µs) and tells whether it is still allowed.
    pub(super) fn allow(&mut self, now: u64) -> bool {
        self.0.count(now, OwnAccord::LENGTH) <= OwnAccord::MOST
    }

    /// Whether the last one was too many.
    pub(super) fn is_exceeded(&self) -> bool {
        self.0.reached() > OwnAccord::MOST
    }
}

/// Counts starts within a window that opens with the first one (checklist M17).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StartLimit(Window);

impl StartLimit {
    /// Counts a start at `now` (monotonic µs) and tells whether it is still allowed.
    pub(super) fn allow(&mut self, section: &UnitSection, now: u64) -> bool {
        self.0
            .allow(now, section.start_limit_interval, section.start_limit_burst)
    }

    /// Forgets all starts.
    pub(super) fn clear(&mut self) {
        *self = StartLimit::default();
    }
}

/// A loaded unit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Unit {
    /// Its index in the graph.
    pub(super) id: UnitId,
    /// What its files say, as read last. A snapshot has the name only.
    #[serde(rename = "name", with = "super::snapshot::name_only")]
    pub(super) config: Arc<UnitConfig>,
    /// Every name that was ever its own or an alias, sorted.
    pub(super) names: Vec<UnitName>,
    /// The daemon was told to run it: it stays loaded as long as it has a file.
    pub(super) kept: bool,
    /// Clients that want it to stay loaded, and how often each said so. They do not outlive the
    /// daemon's process.
    #[serde(skip)]
    pub(super) holders: BTreeMap<u64, u32>,
    /// What it does.
    pub(super) machine: Machine,
    /// Dependencies in both directions. The files say them again after a snapshot.
    #[serde(skip)]
    pub(super) edges: Edges,
    /// How often names had come to lead elsewhere when the edges were stated by what the files
    /// say; none if there are others among them, or if they are not complete.
    #[serde(skip)]
    pub(super) stated: Option<u64>,
    /// The installed job.
    pub(super) job: Option<JobId>,
    /// When it changed state.
    pub(super) times: StateTimes,
    /// ConditionResult.
    pub(super) condition: CheckView,
    /// AssertResult.
    pub(super) assert: CheckView,
    /// The look at conditions that the running start job waits for.
    pub(super) check: Option<CheckId>,
    /// The ID of the current or last run; 0 before the first.
    #[serde(with = "super::snapshot::hexadecimal")]
    pub(super) invocation: u128,
    /// Starts within the limit's window.
    pub(super) start_limit: StartLimit,
    /// Starts and stops of the engine's own accord.
    pub(super) own_accord: OwnAccord,
    /// The last start was refused by the limit.
    pub(super) start_limit_hit: bool,
    /// What it needs and whose failure took it down, or kept it down; it comes back with them
    /// (RestartWithDependency=).
    pub(super) lost: BTreeSet<UnitId>,
    /// MONITOR_... of the unit that triggered the current run (E9).
    pub(super) monitor: Vec<(String, String)>,
    /// TRIGGER_... of the timer or path that started the current run.
    pub(super) details: Vec<(String, String)>,
    /// The timer that is registered with the engine.
    pub(super) deadline: Option<u64>,
    /// The connection that a service was started for (Accept=yes).
    pub(super) connection: Option<Connection>,
    /// The descriptors that a service has given into keeping, oldest first, with their names.
    pub(super) store: Vec<(DescriptorId, String)>,
    /// What a client gave for the standard streams of a service that it made.
    #[serde(default)]
    pub(super) streams: Streams,
}

impl Unit {
    /// A unit that has done nothing yet.
    pub(super) fn new(id: UnitId, config: Arc<UnitConfig>) -> Unit {
        Unit {
            id,
            machine: Machine::of(&config),
            names: vec![config.name.clone()],
            kept: false,
            holders: BTreeMap::new(),
            config,
            edges: Edges::default(),
            stated: None,
            job: None,
            times: StateTimes::default(),
            condition: CheckView::default(),
            assert: CheckView::default(),
            check: None,
            invocation: 0,
            start_limit: StartLimit::default(),
            own_accord: OwnAccord::default(),
            start_limit_hit: false,
            lost: BTreeSet::new(),
            monitor: Vec::new(),
            details: Vec::new(),
            deadline: None,
            connection: None,
            store: Vec::new(),
            streams: Streams::default(),
        }
    }

    /// It answers to this name, too.
    pub(super) fn add_name(&mut self, name: &UnitName) {
        if let Err(at) = self.names.binary_search(name) {
            self.names.reserve_exact(1);
            self.names.insert(at, name.clone());
        }
    }

    /// What it is doing.
    pub(super) fn active_state(&self) -> ActiveState {
        self.machine.active_state()
    }

    /// Its name, for messages.
    pub(super) fn name(&self) -> &str {
        self.config.name.as_str()
    }

    /// Takes a new reading of its files. What runs goes on; a machine of another kind takes
    /// over only where nothing runs. A unit whose file has gone keeps its machine, and with it
    /// its state, as in systemd: that it is not loaded already keeps it from being started.
    /// Whether another machine took over.
    pub(super) fn reconfigure(&mut self, config: Arc<UnitConfig>) -> bool {
        let fresh = Machine::of(&config);
        let same_kind = std::mem::discriminant(&self.machine) == std::mem::discriminant(&fresh);
        let may_change = match self.machine {
            Machine::Fact => true,
            Machine::Service(_)
            | Machine::Socket(_)
            | Machine::Scope(_)
            | Machine::Timer(_)
            | Machine::Path(_)
            | Machine::Target { .. }
            | Machine::Inert => {
                config.load == LoadState::Loaded && self.active_state().is_inactive_or_failed()
            }
        };
        if same_kind {
            match &mut self.machine {
                Machine::Service(service) => service.config_changed(&config),
                Machine::Socket(socket) => socket.config_changed(&config),
                // It reads its settings whenever it needs them.
                Machine::Scope(_) => {}
                // Looked at anew once all units are read.
                Machine::Timer(_)
                | Machine::Path(_)
                | Machine::Target { .. }
                | Machine::Fact
                | Machine::Inert => {}
            }
        }
        let changes = !same_kind && may_change;
        if changes {
            self.machine = fresh;
        }
        self.config = config;
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::value::TimeSpan;

    #[test]
    fn m17_start_limit_window() {
        let section = UnitSection::default();
        let mut limit = StartLimit::default();
        for second in 0..5 {
            assert!(limit.allow(&section, second * 1_000_000));
        }
        assert!(!limit.allow(&section, 5_000_000));
        assert!(!limit.allow(&section, 10_000_000));
        assert!(limit.allow(&section, 10_000_001));
        limit.clear();
        assert_eq!(limit, StartLimit::default());
    }

    #[test]
    fn m17_zero_disables_the_limit() {
        for section in [
            UnitSection {
                start_limit_burst: 0,
                ..UnitSection::default()
            },
            UnitSection {
                start_limit_interval: TimeSpan::ZERO,
                ..UnitSection::default()
            },
        ] {
            let mut limit = StartLimit::default();
            assert!((0..100).all(|_| limit.allow(&section, 1)));
        }
    }
}
