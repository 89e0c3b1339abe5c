//! Brings the daemon up, keeps it running until it is told to stop, and takes it down.

use super::directories::MadeDirectories;
use super::facade::Facade;
use super::inherited::{GIVEN, Inherited};
use super::logging;
use super::setup::{Setup, StartError};
use super::signals::Signals;
use super::socket::{ControlSocket, Lock};
use super::termination;
use crate::bus::{self, LogControl};
use crate::host::{
    self, BusNameOrder, CONTROL, ControlError, Handle, Host, Options, Outcome, Recovered,
};
use crate::http::Listening;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sd_notify::NotifyState;
use std::collections::BTreeMap;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::time::timeout;

/// What is started when no unit is named, and what if there is no such unit.
const DEFAULT_UNITS: [&str; 2] = ["default.target", "multi-user.target"];
/// Why it leaves if nothing can be started.
const NOTHING: &str = "nothing could be started";
/// Time for clients to be told of the last changes.
const FAREWELL: Duration = Duration::from_millis(500);
/// Threads for what may block, made when needed. What hangs in a file system that is gone holds
/// one each, and nothing that works may wait for it: more than a host has services.
const POOL: usize = 4096;
/// How long such a thread stays without work.
const IDLE: Duration = Duration::from_secs(2);

/// Runs until everything was stopped; returns the daemon's exit status.
///
/// # Errors
/// The daemon cannot start: nothing was started then, and nothing is left behind.
pub(super) fn run(setup: Setup, mut inherited: Inherited) -> Result<ExitCode, StartError> {
    let log = Arc::new(logging::start(setup.log_level, setup.log.console.clone()));
    for warning in &setup.warnings {
        tracing::warn!("{warning}");
    }
    // An earlier daemon may have had more than the limit that this one was given.
    raise_open_files();
    host::make_room_for_descriptors();
    let passed = inherited.passed(&setup.socket);
    let mut ground = Ground::prepare(&setup, inherited.carried, passed)?;
    let mut warnings = Vec::new();
    let _facade = match &setup.facade {
        Some(paths) => Some(Facade::make(paths, &setup.socket, &mut warnings)?),
        None => None,
    };
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let web = setup.serving.bind()?;
    let client_units = setup.client_units.clone();
    let earlier = ground.recovered.take();
    if earlier.is_none() {
        client_units.clear();
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(POOL)
        .thread_keep_alive(IDLE)
        .build()?;
    let console = setup.log.console.clone();
    let result = runtime.block_on(serve(setup, &ground, earlier, web, log));
    // A pool thread may hang in a dead file system; it must not keep us.
    runtime.shutdown_timeout(FAREWELL);
    console.drain(FAREWELL);
    client_units.clear();
    result
}

/// What the daemon stands on. Dropped in the reverse of this order: sockets, locks, directories.
struct Ground {
    recovered: Option<Recovered>,
    listener: Arc<OwnedFd>,
    socket: ControlSocket,
    lock: Lock,
    directories: MadeDirectories,
}

/// The keys of the locks, over execve.
const LOCK: &str = "lock";
const SOCKET_LOCK: &str = "socket-lock";

impl Ground {
    /// Makes directories, locks and the control socket, or takes them over.
    fn prepare(
        setup: &Setup,
        carried: Option<Recovered>,
        mut passed: BTreeMap<String, OwnedFd>,
    ) -> Result<Ground, StartError> {
        let mut recovered = carried;
        let earlier = recovered.as_ref().map(Recovered::directories);
        let mut directories = MadeDirectories::take_over(earlier.unwrap_or_default());
        directories.make(&setup.runtime)?;
        if let Some(parent) = setup.socket.parent() {
            directories.make(parent)?;
        }
        let lock_path = setup.runtime.join("lock");
        let lock = match recovered.as_mut().and_then(|it| it.take(LOCK)) {
            Some(lock) => Lock::take_over(lock, &lock_path),
            None => Lock::take(&lock_path, &setup.runtime)?,
        };
        let mut given = passed.remove(GIVEN);
        let stored = passed.remove(CONTROL);
        if recovered.is_none() {
            recovered = host::recover(&setup.runtime, &setup.keep, passed)?;
            if let Some(recovered) = &recovered {
                directories = MadeDirectories::take_over(recovered.directories());
            }
        }
        let mut earlier = |key| recovered.as_mut().and_then(|it| it.take(key));
        given = given.or_else(|| earlier(GIVEN));
        let stored = earlier(CONTROL).or(stored);
        let socket_lock = earlier(SOCKET_LOCK);
        let is_given = given.is_some();
        let (socket, listener) = match given.or(stored) {
            Some(listener) => {
                let socket = ControlSocket::take_over(&setup.socket, socket_lock, is_given)?;
                (socket, listener)
            }
            None => {
                let mode = setup.read_access.mode();
                let (socket, listener) = ControlSocket::bind(&setup.socket, mode)?;
                (socket, listener.into())
            }
        };
        Ok(Ground {
            recovered,
            listener: Arc::new(listener),
            socket,
            lock,
            directories,
        })
    }

    /// What goes over execve.
    fn carried(&self) -> std::io::Result<Vec<(String, Arc<OwnedFd>)>> {
        let lock = self.lock.copy()?;
        let socket_lock = self.socket.lock().copy()?;
        let mut carried = vec![
            (CONTROL.to_owned(), self.listener.clone()),
            (LOCK.to_owned(), Arc::new(lock)),
            (SOCKET_LOCK.to_owned(), Arc::new(socket_lock)),
        ];
        if self.socket.is_given() {
            let again = self.listener.try_clone()?;
            carried.push((GIVEN.to_owned(), Arc::new(again)));
        }
        Ok(carried)
    }
}

async fn serve(
    setup: Setup,
    ground: &Ground,
    recovered: Option<Recovered>,
    web: Option<Listening>,
    log: Arc<dyn LogControl>,
) -> Result<ExitCode, StartError> {
    let units = setup.units.clone();
    let socket = setup.socket.clone();
    let bus_address = setup.bus.clone();
    let beside = setup.serving.clone();
    let exit_with = setup.exit_with.as_ref().map(ToString::to_string);
    let termination_log = setup.termination_log.clone();
    let outside = setup.outside.clone();
    let (bus_names, orders) = mpsc::unbounded_channel();
    // Before any other thread is there.
    let signals = Signals::new()?;
    host::let_signals_through()?;
    let has_begun = recovered.as_ref().is_some_and(Recovered::has_begun);
    let options = options(setup, ground, bus_names)?;
    let (host, handle) = Host::new(options, seed()?, recovered)?;
    let listener = UnixListener::from(ground.listener.try_clone()?);
    let mut serving = tokio::spawn(bus::serve(listener, handle.clone(), log, outside));
    tokio::spawn(signals.watch(handle.clone(), exit_with.clone()));
    tokio::spawn(bus::watch_names(bus_address, orders, handle.clone()));
    beside.begin(web, &handle);
    let starting = tokio::spawn(start(units, exit_with, socket, handle, has_begun));
    // Kept off this function's stack.
    let running = tokio::spawn(Box::pin(host.run()));
    let Outcome { status, reason } = match running.await {
        Ok(outcome) => outcome,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    };
    // The loop is gone: what serves it ends by itself.
    match timeout(FAREWELL, &mut serving).await {
        Ok(Ok(Err(error))) => tracing::error!("the control socket failed: {error}"),
        Ok(Err(error)) => tracing::error!("the control socket failed: {error}"),
        Ok(Ok(Ok(()))) => {}
        Err(_) => serving.abort(),
    }
    let started = timeout(FAREWELL, starting).await;
    tracing::info!("stopped");
    let nothing = matches!(started, Ok(Ok(false)));
    let reason = reason.or_else(|| nothing.then(|| NOTHING.to_owned()));
    if let (Some(path), Some(reason)) = (termination_log, reason) {
        termination::write(&path, &reason);
    }
    Ok(match status {
        0 if nothing => ExitCode::FAILURE,
        status => ExitCode::from(status),
    })
}

fn options(
    setup: Setup,
    ground: &Ground,
    bus_names: UnboundedSender<BusNameOrder>,
) -> std::io::Result<Options> {
    Ok(Options {
        name: setup.name,
        mode: setup.mode,
        sockets: setup.sockets,
        load: Arc::new(setup.load),
        system: setup.system,
        environment: setup.environment,
        own_environment: setup.own_environment,
        runtime: setup.runtime.clone(),
        program: setup.program,
        keep: setup.keep,
        carried: ground.carried()?,
        directories: ground.directories.all(),
        own_files: vec![
            ControlSocket::lock_path(&setup.socket),
            setup.socket,
            setup.runtime,
        ],
        log: setup.log,
        state_directory: setup.state,
        client_units: setup.client_units,
        exit_with: setup.exit_with,
        cgroup_label: setup.cgroup_label,
        bus_names,
    })
}

/// Lets the daemon open as many files as the kernel knows for one process, or, where that is not
/// permitted, as it was given: it holds a few for every process. Services get their own limit
/// (LimitNOFILE=, or systemd's default).
fn raise_open_files() {
    let before = getrlimit(Resource::Nofile);
    let known = std::fs::read_to_string("/proc/sys/fs/nr_open").ok();
    let most = known.and_then(|text| text.trim().parse().ok());
    let set = |most: Option<u64>| {
        let raised = Rlimit {
            current: most,
            maximum: most,
        };
        setrlimit(Resource::Nofile, raised)
    };
    if most.is_some() && set(most.max(before.maximum)).is_ok() {
        return;
    }
    if let Err(error) = set(before.maximum) {
        tracing::warn!("cannot raise the limit of open files: {error}");
    }
}

/// The randomness of this run: invocation IDs follow from it.
fn seed() -> std::io::Result<u128> {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u128::from_ne_bytes(bytes))
}

/// Asks for the first units, as far as an earlier daemon (`has_begun`) has not done so already;
/// whether there is anything to run for.
async fn start(
    units: Vec<String>,
    exit_with: Option<String>,
    socket: PathBuf,
    handle: Handle,
    has_begun: bool,
) -> bool {
    if has_begun {
        tracing::info!("took over from an earlier daemon");
    }
    let mut queued = has_begun;
    if units.is_empty() {
        queued |= start_default(&handle).await;
    }
    for unit in &units {
        queued |= report(unit, handle.start_once(unit).await);
    }
    if let Some(unit) = exit_with {
        // Without it the daemon would never end.
        queued = report(&unit, handle.start_once(&unit).await);
    }
    if queued {
        announce_ready(&socket);
    } else {
        tracing::error!("{NOTHING}");
        // Fails only if it is going down already.
        let _ = handle.shutdown().await;
    }
    queued
}

async fn start_default(handle: &Handle) -> bool {
    let [first, second] = DEFAULT_UNITS;
    match handle.start_once(first).await {
        Err(error) if error.is_not_found() => report(second, handle.start_once(second).await),
        result => report(first, result),
    }
}

fn report(unit: &str, result: Result<(), ControlError>) -> bool {
    match result {
        Ok(()) => true,
        Err(error) => {
            tracing::error!("cannot start {unit}: {error}");
            false
        }
    }
}

fn announce_ready(socket: &Path) {
    tracing::info!("ready on {}", socket.display());
    tell_manager(&[NotifyState::Ready]);
}

/// Speaks to whoever runs us, if they want to hear.
fn tell_manager(states: &[NotifyState<'_>]) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("cannot notify the service manager: {error}");
    }
}

/// Reads unit files again, and tells whoever runs us.
pub(super) async fn reload(handle: Handle) {
    if let Err(error) = handle.reload().await {
        tracing::error!("cannot read unit files again: {error}");
    }
}
