//! From command line, environment and settings file to what the daemon runs with.

use super::arguments::{Arguments, KeepServices, LogFormat, ModeArgument, Switch};
use super::facade;
use super::logging;
use super::serving::Serving;
use super::settings::{self, LogTarget, ReadAccess, SettingsError};
use super::termination;
use crate::bus::{self, BusAddress, Outside, Readers};
use crate::host::{self, ClientUnits, Console, Keep, KeepError, LogForm, LogPlaces, Mode};
use crate::places::{LOG_DIRECTORY, Places};
use crate::unit::config::Accounting;
use crate::unit::load;
use crate::unit::name::UnitName;
use crate::unit::specifier::SystemFacts;
use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tracing_subscriber::filter::LevelFilter;

/// LogMaxUse= if it is not set, in bytes.
const LOG_MAX_USE: u64 = 64 << 20;

/// Why the daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    /// The settings file.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A value of the command line or environment.
    #[error("{0}")]
    Value(String),
    /// Sockets and locks.
    #[error(transparent)]
    Socket(#[from] super::socket::SocketError),
    /// The HTTP address.
    #[error(transparent)]
    Http(#[from] crate::http::BindError),
    /// systemd's own paths.
    #[error(transparent)]
    Facade(#[from] facade::FacadeError),
    /// What an earlier daemon has left.
    #[error(transparent)]
    Keep(#[from] KeepError),
    /// Anything the kernel refuses.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Everything settled before anything is touched.
#[derive(Debug)]
pub(super) struct Setup {
    /// Units to start.
    pub(super) units: Vec<String>,
    /// Name among several daemons.
    pub(super) name: String,
    /// Where it runs.
    pub(super) mode: Mode,
    /// Whether sockets are activated.
    pub(super) sockets: bool,
    /// Control socket, absolute.
    pub(super) socket: PathBuf,
    /// Which of systemd's paths are to lead to the socket.
    pub(super) facade: Option<facade::Paths>,
    /// Who may use the socket.
    pub(super) read_access: ReadAccess,
    /// Directory for run-time state, absolute.
    pub(super) runtime: PathBuf,
    /// Directory for what outlives a boot, absolute.
    pub(super) state: PathBuf,
    /// Below which name its control groups are.
    pub(super) cgroup_label: String,
    /// Where clients' own units and settings are.
    pub(super) client_units: ClientUnits,
    /// For the loader.
    pub(super) load: load::Settings,
    /// The machine.
    pub(super) system: SystemFacts,
    /// What services' environments begin with.
    pub(super) environment: Vec<(String, String)>,
    /// What of the own environment services may see.
    pub(super) own_environment: Vec<(String, String)>,
    /// Where services of Type=dbus take their names.
    pub(super) bus: BusAddress,
    /// The unit that the daemon ends with.
    pub(super) exit_with: Option<UnitName>,
    /// Where the reason for ending goes.
    pub(super) termination_log: Option<PathBuf>,
    /// What is served and sent beside the control socket.
    pub(super) serving: Serving,
    /// Where else than on the control socket the manager is served.
    pub(super) outside: Option<Outside>,
    /// Level of the log.
    pub(super) log_level: LevelFilter,
    /// Where lines of log go.
    pub(super) log: LogPlaces,
    /// This program.
    pub(super) program: PathBuf,
    /// Who holds what services need while no daemon is there.
    pub(super) keep: Keep,
    /// To be logged once that works.
    pub(super) warnings: Vec<String>,
}

impl Setup {
    /// Puts everything together; the command line beats the environment, which beats the
    /// settings file.
    ///
    /// # Errors
    /// A value cannot be used, or the settings file cannot be read.
    pub(super) fn resolve(
        arguments: Arguments,
        own: Vec<(String, String)>,
    ) -> Result<Setup, StartError> {
        check_name(&arguments.name)?;
        let lookup = |name: &str| variable(&own, name);
        let root = rustix::process::geteuid().is_root();
        let places = Places::of(root, &arguments.name, &lookup);
        let mut settings = settings::read(
            arguments.config.as_deref().unwrap_or(&places.config),
            arguments.config.is_some(),
        )?
        .overridden(&arguments, &lookup)
        .map_err(StartError::Value)?;
        let mode = mode(&arguments, &lookup);
        let serving = Serving::resolve(&settings, mode).map_err(StartError::Value)?;
        let log_level = settings
            .log_level
            .as_deref()
            .map_or(Ok(LevelFilter::INFO), |level| {
                logging::parse_level(level).map_err(StartError::Value)
            })?;
        let log_format = arguments.log_format.unwrap_or(match mode {
            Mode::Kubernetes => LogFormat::Json,
            Mode::Host | Mode::Container => LogFormat::Text,
        });
        let log_form = log_form(log_format, settings.merge_json);
        let console = match wants_journal(settings.log_target, log_form, &lookup) {
            true => Console::journal().unwrap_or_else(|error| {
                let warning = format!("there is no journal ({error}); the log goes to the console");
                settings.warnings.push(warning);
                Console::new(log_form)
            }),
            false => Console::new(log_form),
        };
        let max_use = settings.log_max_use.unwrap_or(LOG_MAX_USE);
        let system = host::gather_facts(&lookup);
        let runtime = directory(arguments.runtime_dir, &places.runtime, &arguments.name)?;
        let state = directory(arguments.state_dir, &places.state, &arguments.name)?;
        let program = std::env::current_exe()?;
        let mut environment = host::base_environment(mode, &own, &system);
        environment.extend(settings.environment);
        let mut path = unit_path(arguments.unit_path, &places)?;
        let in_run = |directory: &&String| !Path::new(directory).starts_with("/run");
        let client_units = ClientUnits::new(&runtime, path.iter().find(in_run).map(String::as_str));
        path.splice(0..0, client_units.path());
        let facade = arguments.systemd_facade.then(|| match root {
            true => Ok(facade::Paths::system()),
            false => user_facade(&lookup),
        });
        let readers = settings.read_access.readers();
        Ok(Setup {
            facade: facade.transpose()?,
            read_access: settings.read_access,
            sockets: match (arguments.sockets, mode) {
                (Some(switch), _) => switch == Switch::On,
                (None, Mode::Kubernetes) => false,
                (None, Mode::Host | Mode::Container) => true,
            },
            termination_log: termination::place(arguments.termination_log, mode),
            exit_with: arguments.exit_with.as_deref().map(unit_name).transpose()?,
            units: arguments.units,
            socket: std::path::absolute(arguments.socket.unwrap_or(places.socket.clone()))?,
            cgroup_label: cgroup_label(&arguments.name, &runtime, &places),
            log: LogPlaces {
                console: Arc::new(console),
                directories: log_directories(max_use, &state, &runtime),
            },
            runtime,
            load: load_settings(
                path,
                &system,
                (settings.allow_degraded, settings.accounting),
                &client_units,
            ),
            state,
            client_units,
            name: arguments.name,
            mode,
            system,
            environment,
            own_environment: host::inheritable_environment(&own),
            keep: keep(settings.keep, mode, &lookup, &program),
            program,
            serving,
            outside: outside(arguments.bus.as_deref(), arguments.bus_name, readers, root)?,
            bus: BusAddress::parse(arguments.bus.as_deref(), root).map_err(StartError::Value)?,
            log_level,
            warnings: settings.warnings,
        })
    }
}

/// By itself where what is written to standard error would go there without its fields, which
/// JOURNAL_STREAM= tells (systemd.exec(5)).
fn wants_journal(
    target: LogTarget,
    form: LogForm,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> bool {
    match (target, form) {
        (LogTarget::Journal, _) => true,
        (LogTarget::Console, _) => false,
        (LogTarget::Auto, LogForm::Text { .. }) => {
            let is_the_same = |stream: String| {
                let error = rustix::fs::fstat(rustix::stdio::stderr()).ok()?;
                let (device, inode) = stream.split_once(':')?;
                let (device, inode) = (device.parse().ok()?, inode.parse().ok()?);
                Some((error.st_dev, error.st_ino) == (device, inode))
            };
            lookup("JOURNAL_STREAM").and_then(is_the_same) == Some(true)
        }
        (LogTarget::Auto, LogForm::Json { .. } | LogForm::Journal) => false,
    }
}

fn log_form(format: LogFormat, merge: bool) -> LogForm {
    match format {
        LogFormat::Text => LogForm::Text {
            color: std::io::stderr().is_terminal(),
        },
        LogFormat::Json => LogForm::Json { merge },
    }
}

/// Where the log may be on the disk, and how large: with what outlives a boot, else with what does
/// not, which is often memory.
fn log_directories(limit: u64, state: &Path, runtime: &Path) -> Vec<(PathBuf, u64)> {
    let directory = |above: &Path| above.join(LOG_DIRECTORY);
    match limit {
        0 => Vec::new(),
        _ => vec![
            (directory(state), limit),
            (directory(runtime), limit.min(LOG_MAX_USE / 4)),
        ],
    }
}

/// A container ends with its first process, and so do its services: there is nothing to keep.
fn keep(
    wanted: KeepServices,
    mode: Mode,
    lookup: &dyn Fn(&str) -> Option<String>,
    program: &Path,
) -> Keep {
    let keeper = || Keep::Keeper(program.to_owned());
    match (wanted, mode) {
        (KeepServices::No, _) => Keep::Nobody,
        (KeepServices::Keeper, _) => keeper(),
        (KeepServices::Manager, _) => Keep::Manager,
        (KeepServices::Auto, Mode::Container | Mode::Kubernetes) => Keep::Nobody,
        // The manager says so from systemd 254 on.
        (KeepServices::Auto, Mode::Host) => match lookup("FDSTORE") {
            Some(size) if size != "0" => Keep::Manager,
            Some(_) | None => keeper(),
        },
    }
}

/// The bus to be served on, if one was named, and the names there.
fn outside(
    bus: Option<&str>,
    names: Vec<String>,
    readers: Readers,
    root: bool,
) -> Result<Option<Outside>, StartError> {
    let Some(bus) = bus.filter(|bus| !bus.is_empty()) else {
        return Ok(None);
    };
    let names = match names.is_empty() {
        true => vec![bus::DEFAULT_NAME.to_owned()],
        false => names,
    };
    Outside::check_names(&names).map_err(StartError::Value)?;
    let address = BusAddress::parse(Some(bus), root).map_err(StartError::Value)?;
    Ok(Some(Outside {
        address,
        names,
        readers,
    }))
}

fn user_facade(lookup: &dyn Fn(&str) -> Option<String>) -> Result<facade::Paths, StartError> {
    match lookup("XDG_RUNTIME_DIR").filter(|path| !path.is_empty()) {
        Some(path) => Ok(facade::Paths::user(Path::new(&path))),
        None => Err(StartError::Value(
            "--systemd-facade of a user needs XDG_RUNTIME_DIR".to_owned(),
        )),
    }
}

/// A name without a type is a service.
fn unit_name(name: &str) -> Result<UnitName, StartError> {
    let complete = match UnitName::parse(name) {
        Ok(name) => return Ok(name),
        Err(_) => format!("{name}.service"),
    };
    UnitName::parse(&complete)
        .map_err(|error| StartError::Value(format!("--exit-with {name}: {error}")))
}

fn variable(own: &[(String, String)], name: &str) -> Option<String> {
    own.iter()
        .find(|(n, _)| n == name)
        .map(|(_, value)| value.clone())
}

/// The name becomes a file name.
fn check_name(name: &str) -> Result<(), StartError> {
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.chars().all(good) {
        return Err(StartError::Value(format!(
            "\"{name}\" cannot be the name of a daemon: up to 64 letters, digits, - _ ."
        )));
    }
    Ok(())
}

fn mode(arguments: &Arguments, lookup: &dyn Fn(&str) -> Option<String>) -> Mode {
    let set = |name: &str| lookup(name).is_some_and(|value| !value.is_empty());
    match arguments.mode {
        Some(ModeArgument::Host) => Mode::Host,
        Some(ModeArgument::Container) => Mode::Container,
        Some(ModeArgument::Kubernetes) => Mode::Kubernetes,
        None if set("KUBERNETES_SERVICE_HOST") => Mode::Kubernetes,
        None if set("container") || std::process::id() == 1 => Mode::Container,
        None => Mode::Host,
    }
}

/// Several daemons of one user must not share their state.
fn directory(given: Option<PathBuf>, usual: &Path, name: &str) -> std::io::Result<PathBuf> {
    let path = match given {
        Some(path) => path,
        None if name == "main" => usual.to_owned(),
        None => usual.join("daemons").join(name),
    };
    std::path::absolute(path)
}

/// The same for the same daemon started again, another for one with other run-time state.
fn cgroup_label(name: &str, runtime: &Path, places: &Places) -> String {
    let usual = [
        places.runtime.clone(),
        places.runtime.join("daemons").join(name),
    ];
    if usual.iter().any(|path| path == runtime) {
        return name.to_owned();
    }
    format!("{name}-{:08x}", fnv(runtime.as_os_str().as_encoded_bytes()))
}

/// A hash that is the same in every build (FNV-1a).
fn fnv(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

fn unit_path(given: Option<String>, places: &Places) -> Result<Vec<String>, StartError> {
    let directories = match given {
        Some(path) => places.join_unit_path(&path),
        None => places.unit_path.clone(),
    };
    directories
        .into_iter()
        .map(|directory| {
            let directory = std::path::absolute(directory)?;
            directory.into_os_string().into_string().map_err(|name| {
                StartError::Value(format!("the unit directory {name:?} is not UTF-8"))
            })
        })
        .collect()
}

fn load_settings(
    path: Vec<String>,
    system: &SystemFacts,
    (allow_degraded, accounting): (BTreeSet<String>, Accounting),
    client_units: &ClientUnits,
) -> load::Settings {
    load::Settings {
        path,
        system: system.clone(),
        default_dependencies: true,
        allow_degraded,
        accounting,
        transient: client_units.transient.to_str().map(str::to_owned),
    }
}
