//! The loop itself: waits for what happens, tells the engine, carries out what it orders.

use super::above::Above;
use super::action::Ending;
use super::bells::{Bells, Ring};
use super::bus_names::{BusNameOrder, BusNames};
use super::client_units::ClientUnits;
use super::clock;
use super::conditions::Surroundings;
use super::decisive::{Decisive, Outcome};
use super::environment::Mode;
use super::groups::{Groups, Known};
use super::guests::Guest;
use super::handle::{Answer, Handle, JobEnds, Message, News, Startup};
use super::isolation::Isolations;
use super::keep;
use super::keep::custody::{Custody, Keep, Kept, Recovered};
use super::keep::journal::Journal;
use super::keep::resume::{self, Resumption};
use super::keep::saved::PipeOf;
use super::lifecycle::Life;
use super::limits::Limits;
use super::loading::Loaded;
use super::log::{Log, LogPlaces};
use super::main_process::Search;
use super::notifications::Early;
use super::notify::NotifySocket;
use super::operations::{Freezer, Froze};
use super::output::Capture;
use super::paths::{PathFact, PathWatches};
use super::pid_file::PidFile;
use super::probes::{Attempt, Attempts};
use super::processes::Processes;
use super::remembered::Remembered;
use super::requests::Requests;
use super::scopes::Moved;
use super::sockets::{Registry, SocketFact};
use super::spare_pipe::SparePipe;
use super::spawning::{Common, Started};
use super::stamps::{Stamp, Stamps};
use super::time_watch::{self, TimeNews, TimeWatch};
use super::vitals::Pulse;
use crate::cgroup::Tree;
use crate::cgroup::controls::Controls;
use crate::cgroup::plan::Finding;
use crate::cgroup::usage::Usage;
use crate::engine::{CheckId, Engine, Event, LogLevel, ProcessId, UnitId};
use crate::sys::subreaper;
use crate::unit::effective::LeftOut;
use crate::unit::load;
use crate::unit::name::UnitName;
use crate::unit::specifier::SystemFacts;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::broadcast;
use tokio::sync::mpsc::{self, Receiver, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;

/// Requests that may wait for the loop.
const REQUESTS: usize = 64;
/// Facts that are taken in one turn.
const FACTS: usize = 16;
/// News a slow listener may lag behind before it loses some.
const NEWS: usize = 4096;

/// How the loop is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// The daemon's name.
    pub name: String,
    /// Where it runs.
    pub mode: Mode,
    /// Whether sockets are opened and activate services.
    pub sockets: bool,
    /// For the loader: unit directories and the machine.
    pub load: Arc<load::Settings>,
    /// The machine.
    pub system: SystemFacts,
    /// What services' environments begin with.
    pub environment: Vec<(String, String)>,
    /// The daemon's own variables that services may see.
    pub own_environment: Vec<(String, String)>,
    /// The directory for run-time state, which exists and is locked: there the notify socket
    /// is made.
    pub runtime: PathBuf,
    /// This program, as a file that may be replaced.
    pub program: PathBuf,
    /// Who holds what services need while no daemon is there.
    pub keep: Keep,
    /// Descriptors of others in the daemon that go over execve, by key.
    pub carried: Vec<(String, Arc<OwnedFd>)>,
    /// Directories that the daemon has made and that go with it.
    pub directories: Vec<PathBuf>,
    /// The daemon's own files and directories (sockets, locks), absolute: they stay when a
    /// RuntimeDirectory= around them goes.
    pub own_files: Vec<PathBuf>,
    /// Where clients' own units and settings are; part of the loader's path, too.
    pub client_units: ClientUnits,
    /// The name of the subtree of control groups.
    pub cgroup_label: String,
    /// The unit that the daemon ends with.
    pub exit_with: Option<UnitName>,
    /// Where lines of log go.
    pub log: LogPlaces,
    /// Where what outlives the machine's boots is kept.
    pub state_directory: PathBuf,
    /// Where orders go to watch names on the bus.
    pub bus_names: UnboundedSender<BusNameOrder>,
}

/// What comes back from tasks and pool threads.
pub(super) enum Fact {
    Started(Box<Started>),
    Checked(CheckId, Vec<bool>),
    PidFile(ProcessId, Result<PidFile, String>),
    Loaded(Box<Loaded>),
    Froze(Box<Froze>),
    TakenIn(Box<Moved>),
    /// A process that was taken in by descent has ended.
    GuestEnded(UnitId, i32),
    Socket(SocketFact),
    Probed(Attempt),
    Pictured(io::Result<usize>),
    Stamp(Stamp),
    Path(PathFact),
    /// Limits of a unit were set.
    Limited(UnitName, Vec<Finding>),
}

/// What ended a wait.
enum Woken {
    Rang(Ring),
    Fact(Fact),
    Ended(ProcessId),
    Notification,
    GroupChanged,
    TimeChanged(TimeNews),
    ChildEnded,
    Message(Message),
    Deadline,
    /// Nothing is left to do at this moment.
    Idle,
    /// Nothing has happened for a while.
    Quiet,
    /// Something is to be said to the service manager above.
    Word,
}

impl Woken {
    fn is_an_end(&self) -> bool {
        match self {
            Woken::Rang(Ring::Process(_))
            | Woken::Ended(_)
            | Woken::ChildEnded
            | Woken::GroupChanged => true,
            Woken::Rang(Ring::Socket(..) | Ring::Client(_))
            | Woken::Fact(_)
            | Woken::Notification
            | Woken::TimeChanged(_)
            | Woken::Message(_)
            | Woken::Deadline
            | Woken::Idle
            | Woken::Quiet
            | Woken::Word => false,
        }
    }
}

/// The loop's state. Everything is owned here and changed by nobody else.
pub struct Host {
    pub(super) engine: Engine,
    pub(super) options: Options,
    pub(super) common: Arc<Common>,
    pub(super) surroundings: Surroundings,
    pub(super) news: broadcast::Sender<News>,
    pub(super) job_ends: JobEnds,
    pub(super) log: Arc<Log>,
    pub(super) processes: Processes,
    pub(super) groups: Groups,
    /// Processes for scopes that are about to be started.
    pub(super) handed_over: BTreeMap<UnitId, Vec<Guest>>,
    pub(super) isolations: Isolations,
    pub(super) limits: Limits,
    /// What the last start of a unit went without.
    pub(super) left_out: BTreeMap<UnitId, Vec<LeftOut>>,
    pub(super) notify: NotifySocket,
    pub(super) capture: Capture,
    pub(super) requests: Requests,
    pub(super) names: BTreeMap<UnitId, UnitName>,
    pub(super) searches: BTreeMap<ProcessId, Search>,
    pub(super) bus_names: BusNames,
    /// Attempts of probes under way.
    pub(super) attempts: Attempts,
    /// How the loop itself is.
    pub(super) pulse: Pulse,
    /// Removals under way; a start of the unit waits for them.
    pub(super) cleaning: BTreeMap<UnitName, JoinHandle<()>>,
    /// What was read of units' files.
    pub(super) remembered: Remembered,
    /// What was said of units' files since the last reload.
    pub(super) said: BTreeMap<UnitName, Vec<(LogLevel, String)>>,
    /// The clock on the wall and the zone.
    pub(super) time: TimeWatch,
    /// The paths of path units.
    pub(super) paths: PathWatches,
    /// When persistent timers last elapsed.
    pub(super) stamps: Stamps,
    /// Sockets and kept descriptors.
    pub(super) sockets: Registry,
    /// MAINPID= last said by a process of root.
    pub(super) told_by_root: BTreeMap<UnitId, i32>,
    /// What clients added to the environment of services.
    pub(super) client_environment: Vec<(String, String)>,
    /// Units that are frozen or on the way to or from it.
    pub(super) freezers: BTreeMap<UnitId, Freezer>,
    /// How units were when something happened to them last.
    pub(super) lives: BTreeMap<UnitId, Life>,
    /// What units had used when their group went.
    pub(super) last_usage: BTreeMap<UnitId, Usage>,
    /// The steps of coming up.
    pub(super) startup: Startup,
    /// Said by processes whose start is not told of yet.
    pub(super) early: Vec<Early>,
    /// Children are to be looked at again.
    pub(super) children_due: bool,
    pub(super) finished: bool,
    /// How an action of a unit ends the daemon, once one does.
    pub(super) ending: Ending,
    pub(super) decisive: Decisive,
    pub(super) facts: UnboundedSender<Fact>,
    pub(super) ended: UnboundedSender<ProcessId>,
    /// What rings when sockets have traffic and processes end.
    pub(super) bells: Bells,
    pub(super) above: Above,
    /// What outlives this process.
    pub(super) custody: Arc<Custody>,
    _kept: Vec<Kept>,
    /// What happens is written here, if anything is to outlive this process.
    pub(super) journal: Option<Journal>,
    /// Whose output each pipe in custody carries.
    pub(super) pipes: BTreeMap<u64, PipeOf>,
    pub(super) last_pipe: u64,
    /// What the next process writes to.
    pub(super) spare: SparePipe,
    /// When there are so many, those that nobody reads any more are forgotten.
    pub(super) most_pipes: usize,
    /// Something was asked for.
    pub(super) begun: bool,
    /// Who asked for the program to be executed anew.
    pub(super) reexecute: Option<Answer<()>>,
    inbox: Inbox,
}

/// What the loop waits on, apart from what it owns itself.
struct Inbox {
    messages: Receiver<Message>,
    facts: UnboundedReceiver<Fact>,
    ended: UnboundedReceiver<ProcessId>,
    children: Signal,
    /// How often was waited.
    waits: u32,
}

/// So often what the kernel says may come before what is due, and before what people ask for, that
/// has waited for a turn.
const PATIENCE: u32 = 16;

impl Inbox {
    fn new(
        messages: Receiver<Message>,
        facts: UnboundedReceiver<Fact>,
        ended: UnboundedReceiver<ProcessId>,
    ) -> io::Result<Inbox> {
        Ok(Inbox {
            messages,
            facts,
            ended,
            children: signal(SignalKind::child())?,
            waits: 0,
        })
    }

    /// Whose turn it is out of order: processes may end faster than is done with each, and then
    /// nobody would be answered any more, and nothing would time out.
    fn owed(&mut self, is_due: bool) -> Option<Woken> {
        self.waits = self.waits.wrapping_add(1);
        match self.waits % (2 * PATIENCE) {
            0 => is_due.then_some(Woken::Deadline),
            PATIENCE => self.messages.try_recv().ok().map(Woken::Message),
            _ => None,
        }
    }
}

impl Host {
    /// Sets the loop up; inside a current-thread tokio runtime. `seed` is the engine's
    /// randomness. With `recovered` it goes on where an earlier daemon was.
    ///
    /// # Errors
    /// The notify socket or a kernel facility cannot be had, or what was recovered contradicts
    /// itself.
    pub fn new(
        options: Options,
        seed: u128,
        recovered: Option<Recovered>,
    ) -> io::Result<(Host, Handle)> {
        // Before the first process: orphans must come to us.
        subreaper::become_subreaper()?;
        let place = time_watch::place(&options.system, &options.own_environment);
        let Some(mut recovered) = recovered else {
            let mut engine = Engine::new(seed);
            engine.began(clock::now());
            engine.set_time_place(place);
            if !options.sockets {
                engine.without_socket_activation();
            }
            let groups = groups(Tree::open(&options.cgroup_label), &options)?;
            let custody = Custody::new(options.keep.clone(), &options.runtime, None);
            let (mut host, handle) = Host::build(options, engine, groups, custody, None)?;
            host.begin_journal()?;
            return Ok((host, handle));
        };
        let groups = resume::groups(&recovered, &options)?;
        let keeper = recovered.keeper.take();
        let custody = Custody::new(options.keep.clone(), &options.runtime, keeper);
        let notify = recovered.take(keep::NOTIFY);
        let mut resumption = Resumption::new(recovered, &options.load, options.sockets, place)?;
        let engine = std::mem::replace(&mut resumption.engine, Engine::new(seed));
        let (mut host, handle) = Host::build(options, engine, groups, custody, notify)?;
        host.take_over(resumption)?;
        Ok((host, handle))
    }

    fn build(
        options: Options,
        engine: Engine,
        groups: Groups,
        custody: Arc<Custody>,
        notify: Option<OwnedFd>,
    ) -> io::Result<(Host, Handle)> {
        let (sender, messages) = mpsc::channel(REQUESTS);
        let (news, _) = broadcast::channel(NEWS);
        let (facts, facts_inbox) = mpsc::unbounded_channel();
        let (ended, ended_inbox) = mpsc::unbounded_channel();
        let path = options.runtime.join("notify");
        let notify = match notify {
            Some(socket) => NotifySocket::take_over(socket, &path),
            None => NotifySocket::bind(&path),
        };
        let notify = notify.map_err(|error| named(error, "make the notify socket", &path))?;
        let mut kept = vec![custody.keep(keep::NOTIFY.to_owned(), notify.socket())];
        let control = options.carried.iter();
        if let Some((key, control)) = control.clone().find(|(key, _)| key == keep::CONTROL) {
            kept.push(custody.keep(key.clone(), control));
        }
        let log = Arc::new(Log::new(&options.log)?);
        let system = Arc::new(options.system.clone());
        let common = Common::new(&options, notify.path(), &system);
        let time = TimeWatch::new(options.system.zones.clone())?;
        let surroundings = Surroundings {
            system,
            environment: Arc::new(options.own_environment.clone()),
        };
        let stamps = Stamps::new(&options.state_directory, log.clone(), facts.clone());
        let host = Host {
            engine,
            common: Arc::new(common),
            surroundings,
            groups,
            handed_over: BTreeMap::new(),
            isolations: Isolations::default(),
            limits: Limits::default(),
            left_out: BTreeMap::new(),
            news: news.clone(),
            job_ends: JobEnds::default(),
            capture: Capture::new(log.clone())?,
            log,
            processes: Processes::default(),
            notify,
            requests: Requests::default(),
            names: BTreeMap::new(),
            searches: BTreeMap::new(),
            attempts: Attempts::default(),
            pulse: Pulse::default(),
            bus_names: BusNames::new(options.bus_names.clone()),
            cleaning: BTreeMap::new(),
            remembered: Remembered::default(),
            said: BTreeMap::new(),
            time,
            stamps,
            paths: PathWatches::default(),
            sockets: Registry::new(custody.clone()),
            told_by_root: BTreeMap::new(),
            client_environment: Vec::new(),
            freezers: BTreeMap::new(),
            lives: BTreeMap::new(),
            last_usage: BTreeMap::new(),
            startup: Startup {
                begun: clock::now(),
                ..Startup::default()
            },
            early: Vec::new(),
            children_due: false,
            finished: false,
            ending: Ending::default(),
            decisive: Decisive::default(),
            facts,
            ended,
            bells: Bells::new()?,
            above: Above::new(),
            custody,
            _kept: kept,
            journal: None,
            pipes: BTreeMap::new(),
            last_pipe: 0,
            spare: SparePipe::default(),
            most_pipes: keep::state::MOST_PIPES,
            begun: false,
            reexecute: None,
            inbox: Inbox::new(messages, facts_inbox, ended_inbox)?,
            options,
        };
        let handle = Handle {
            sender,
            news: news.downgrade(),
            job_ends: host.job_ends.clone(),
            lines: host.log.lines(),
        };
        Ok((host, handle))
    }

    /// Runs until everything was stopped after a shutdown request, or an action of a unit ended
    /// the daemon at once; leaves no process and no control group behind.
    pub async fn run(mut self) -> Outcome {
        while !self.is_over() {
            let woken = self.wait().await;
            self.custody.gather();
            if woken.is_an_end() {
                // Last words first: the tasks that read pipes learn of them when the first
                // wait ends, and get their turn before the second one does.
                tokio::task::yield_now().await;
                tokio::task::yield_now().await;
            }
            self.turn(woken);
            if let Some(answer) = self.reexecute.take() {
                // Not on this function's stack.
                let error = Box::pin(self.reexecute()).await;
                let _ = answer.send(Err(error));
            }
            self.keep_up();
        }
        let outcome = self.outcome();
        self.wind_up().await;
        outcome
    }

    /// Takes one thing in and does what comes of it.
    fn turn(&mut self, woken: Woken) {
        let (begun, at) = (Instant::now(), clock::now().monotonic);
        self.log.gather();
        self.take(woken);
        self.settle();
        // What is to happen without a delay (RestartSec=0) does, and not after everything else
        // that waits; once, or what fails at once would keep the loop for ever. What was due before is
        // left until the kernel was asked for what has happened before.
        let due = self.engine.next_deadline();
        if !self.is_over() && due.is_some_and(|due| due >= at && due <= clock::now().monotonic) {
            self.tell(Event::Elapsed);
            self.settle();
        }
        self.log.pass_on();
        self.custody.pass_on();
        self.make_spare_pipe();
        self.pulse.turn(begun.elapsed());
    }

    pub(super) fn is_over(&self) -> bool {
        self.finished || self.ending.at_once
    }

    async fn wait(&mut self) -> Woken {
        let delay = self
            .engine
            .next_deadline()
            .map(|deadline| Duration::from_micros(deadline.saturating_sub(clock::now().monotonic)));
        if let Some(owed) = self.inbox.owed(delay == Some(Duration::ZERO)) {
            return owed;
        }
        let deadline = async move {
            match delay {
                // The runtime counts in whole milliseconds, rounded up: due is due.
                Some(Duration::ZERO) => {}
                Some(delay) => tokio::time::sleep(delay).await,
                None => std::future::pending().await,
            }
        };
        let (quiet, word) = (at(self.quiet()), at(self.next_word()));
        // Not while units are being read that count on those that are there.
        let collects = self.engine.has_candidates() && !self.requests.loading;
        // What the kernel says comes before what is due and before what people ask for.
        // But see `Inbox::owed`.
        tokio::select! {
            biased;
            ring = self.bells.next() => Woken::Rang(ring),
            Some(process) = self.inbox.ended.recv() => Woken::Ended(process),
            Some(fact) = self.inbox.facts.recv() => Woken::Fact(fact),
            () = self.notify.readable() => Woken::Notification,
            Some(()) = self.inbox.children.recv() => Woken::ChildEnded,
            () = self.groups.changed() => Woken::GroupChanged,
            news = self.time.changed() => Woken::TimeChanged(news),
            () = deadline => Woken::Deadline,
            Some(message) = self.inbox.messages.recv() => Woken::Message(message),
            // Last: whoever was just told of a unit has asked by then how it is.
            () = tokio::task::yield_now(), if collects => Woken::Idle,
            () = word => Woken::Word,
            () = quiet => Woken::Quiet,
        }
    }

    fn take(&mut self, woken: Woken) {
        match woken {
            Woken::Rang(Ring::Process(process)) | Woken::Ended(process) => {
                self.process_ended(process);
            }
            Woken::Rang(Ring::Socket(unit, index)) => self.socket_rang(unit, index),
            Woken::Rang(Ring::Client(unit)) => self.client_rang(unit),
            Woken::Notification => self.receive_notifications(),
            Woken::ChildEnded => self.reap_children(),
            Woken::GroupChanged => {
                self.groups.read_changes();
                self.tell_out_of_memory();
            }
            Woken::Message(message) => self.message(message),
            Woken::Deadline => self.tell(Event::Elapsed),
            Woken::Idle => self.tell(Event::Collect),
            Woken::Quiet => self.make_picture(),
            Woken::Word => self.speak(),
            Woken::TimeChanged(news) => self.time_changed(news),
            Woken::Fact(fact) => {
                self.take_fact(fact);
                self.take_some_facts();
            }
        }
    }

    /// Takes in what else has been found out, when it is much; not for long.
    fn take_some_facts(&mut self) {
        for _ in 1..FACTS {
            self.settle();
            if self.is_over() {
                return;
            }
            let Ok(fact) = self.inbox.facts.try_recv() else {
                return;
            };
            self.take_fact(fact);
        }
    }

    /// Takes in what a task or pool thread has found out.
    pub(super) fn take_fact(&mut self, fact: Fact) {
        match fact {
            Fact::Started(started) => {
                self.started(*started);
                self.look_at_early_notifications();
            }
            Fact::Loaded(loaded) => self.loaded(*loaded),
            Fact::Froze(froze) => self.froze(*froze),
            Fact::TakenIn(moved) => self.taken_in(*moved),
            Fact::GuestEnded(unit, pid) => self.groups.guest_ended(unit, pid),
            Fact::Socket(fact) => self.socket_fact(fact),
            Fact::Probed(attempt) => self.probed(attempt),
            Fact::PidFile(process, read) => self.pid_file_read(process, read),
            Fact::Checked(check, results) => self.tell(Event::Checked { check, results }),
            Fact::Pictured(written) => self.pictured(written),
            Fact::Stamp(stamp) => self.stamp_read(&stamp),
            Fact::Path(fact) => self.path_fact(fact),
            Fact::Limited(unit, findings) => self.limited(unit, findings),
        }
    }

    /// The next thing that a task or pool thread finds out.
    pub(super) async fn next_fact(&mut self) -> Option<Fact> {
        self.inbox.facts.recv().await
    }

    /// Takes in what other threads have found out by now.
    pub(super) fn take_facts(&mut self) {
        while let Ok(fact) = self.inbox.facts.try_recv() {
            self.take_fact(fact);
        }
    }

    /// Carries out what the engine orders until it has no orders left.
    pub(super) fn settle(&mut self) {
        loop {
            while let Some(effect) = self.engine.poll_effect() {
                self.carry_out(effect);
                if self.ending.at_once {
                    return;
                }
            }
            if self.children_due && !self.processes.any_starting() {
                self.reap_children();
                continue;
            }
            if !self.groups.has_suspects() {
                break;
            }
            self.tell_empty_groups();
        }
    }

    /// Tells the engine what happened, now.
    pub(super) fn tell(&mut self, event: Event) {
        let now = clock::now();
        self.note(now, &event);
        self.engine.handle(now, event);
    }

    /// The numbers of the processes the engine knows, with their units.
    pub(super) fn known(&self) -> Known {
        self.processes.known()
    }

    /// Those that count for a unit: with control groups none but its own, which are found without
    /// looking at all.
    pub(super) fn known_for(&self, unit: UnitId) -> Known {
        match self.groups.has_tree() {
            true => self.processes.known_of(unit),
            false => self.known(),
        }
    }
}

/// Waits for a moment, if it is to come.
async fn at(moment: Option<tokio::time::Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// The tree of control groups and what can be set in it. Limits are left to the container where
/// a pod says what it may use.
pub(super) fn groups(tree: Option<Tree>, options: &Options) -> io::Result<Groups> {
    let controls = match options.mode {
        Mode::Kubernetes => Controls::none("in kubernetes mode limits are the container's"),
        Mode::Host | Mode::Container => Controls::open(tree.as_ref(), &options.cgroup_label),
    };
    Groups::new(tree, controls)
}

pub(super) fn named(error: io::Error, attempt: &str, path: &std::path::Path) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("cannot {attempt} {}: {error}", path.display()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_behind_what_keeps_coming_has_a_turn() {
        let (sender, messages) = mpsc::channel(2);
        let (_, facts) = mpsc::unbounded_channel();
        let (_, ended) = mpsc::unbounded_channel();
        let mut inbox = Inbox::new(messages, facts, ended).unwrap();
        let look = || Message::Look(Box::new(|_| {}));
        assert!(sender.try_send(look()).is_ok() && sender.try_send(look()).is_ok());
        let owed: Vec<Option<Woken>> = (0..64).map(|_| inbox.owed(true)).collect();
        let at = |is: fn(&Woken) -> bool| {
            let places = owed.iter().enumerate();
            let places = places.filter(|(_, owed)| owed.as_ref().is_some_and(is));
            places.map(|(place, _)| place + 1).collect::<Vec<_>>()
        };
        assert_eq!(at(|it| matches!(it, Woken::Message(_))), [16, 48]);
        assert_eq!(at(|it| matches!(it, Woken::Deadline)), [32, 64]);
        assert!((0..64).all(|_| inbox.owed(false).is_none()));
    }
}
