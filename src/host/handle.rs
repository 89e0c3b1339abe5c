//! How `bus` and `http` reach the loop: requests go in through a channel and are answered;
//! reads run on the loop between two events, over a [`View`].

use super::bus_names::BusNameNews;
use super::client_units::ClientUnits;
use super::lifecycle::Happening;
use super::operations::{Operation, Trouble};
use super::vitals::Histogram;
use crate::cgroup::usage::{Places, Usage};
use crate::engine::{
    Engine, JobId, JobKind, JobResult, KillWhom, Refusal, Timestamp, Verb, Verdict,
};
use crate::unit::config::{JobMode, ProbeKind, UnitConfig};
use crate::unit::load::Settings;
use crate::unit::name::UnitName;
use crate::unit::value::Signal;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// What a reader may look at.
pub struct View<'a> {
    /// The engine; only its reading methods.
    pub engine: &'a Engine,
    /// What the host alone knows.
    pub facts: &'a dyn Facts,
}

/// What the host alone knows of units.
pub trait Facts {
    /// The control group of a unit as /proc/PID/cgroup names it, empty if it has none.
    fn control_group(&self, unit: &UnitName) -> String;
    /// What a unit's control group has used so far.
    fn usage(&self, _unit: &UnitName) -> Usage {
        Usage::default()
    }
    /// Number and name of the users that exist only for units (DynamicUser=).
    fn dynamic_users(&self) -> Vec<(u32, String)> {
        Vec::new()
    }
    /// What became of the settings of a unit that are about its processes, a line each.
    fn effective_settings(&self, _unit: &UnitName) -> Vec<String> {
        Vec::new()
    }
    /// Whether a unit file is that of a transient unit.
    fn is_transient(&self, _fragment: &str) -> bool {
        false
    }
    /// FreezerState of a unit that can be frozen; `None` if it cannot.
    fn freezer(&self, _unit: &UnitName) -> Option<&'static str> {
        None
    }
    /// All processes of a unit: pid and command line.
    fn processes(&self, unit: &UnitName) -> Vec<(i32, String)>;
    /// The last `count` lines that a unit wrote, or all units if `None`, oldest first.
    fn log(&self, unit: Option<&UnitName>, count: usize) -> Vec<Arc<LogLine>>;
    /// The lines with a number above `after` that a unit wrote, or all units if `None`, oldest
    /// first; those that were dropped meanwhile are missing.
    fn log_after(&self, unit: Option<&UnitName>, after: u64) -> Vec<Arc<LogLine>>;
    /// The directory of the log on the disk, if there is one, and word of when all that was logged
    /// so far is there.
    fn log_files(&self) -> Option<(PathBuf, oneshot::Receiver<()>)> {
        None
    }
    /// How many lines there were of each unit and about it, since the daemon was started.
    fn log_counts(&self) -> BTreeMap<UnitName, u64> {
        BTreeMap::new()
    }
    /// What is kept of a unit that the kernel is asked about.
    fn held(&self, _unit: &UnitName) -> Held {
        Held::default()
    }
    /// How the loop itself is.
    fn vitals(&self) -> Vitals {
        Vitals::default()
    }
    /// The manager's version, started-at and settings worth showing, by property name.
    fn manager(&self) -> ManagerFacts;
}

/// What is kept of a unit that the kernel is asked about.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// The directory of its control group, while it has one.
    pub group: Option<PathBuf>,
    /// Where it is in every hierarchy.
    pub places: Places,
    /// Nanoseconds of CPU that it had used when its group went.
    pub cpu: Option<u64>,
    /// Lines of log, as [`Facts::log_counts`] says.
    pub lines: u64,
    /// Lines that were left out by LogRateLimitBurst= or LogBackpressure=drop.
    pub lost_lines: u64,
}

/// How the loop itself is.
#[derive(Debug, Clone, Default)]
pub struct Vitals {
    /// The time.
    pub now: Timestamp,
    /// How long its turns took, in which nobody else was heard.
    pub turns: Histogram,
    /// From the order to start a process until it was there.
    pub spawns: Histogram,
}

/// What is shown of the manager itself.
#[derive(Debug, Clone, Default)]
pub struct ManagerFacts {
    /// The name of this daemon (`--name`).
    pub name: String,
    /// host, container or kubernetes.
    pub mode: String,
    /// DD_POD_NAME and DD_CONTAINER_NAME, empty outside of pods.
    pub pod: String,
    /// See `pod`.
    pub container: String,
    /// Unit directories, highest first.
    pub unit_path: Vec<String>,
    /// The environment services get to begin with.
    pub environment: Vec<(String, String)>,
    /// The root of the units' control groups, empty if there are none.
    pub control_group: String,
    /// What the loader is told.
    pub load: Arc<Settings>,
    /// Where clients' own units and settings are.
    pub client_units: ClientUnits,
    /// When the manager began, and when the first jobs were done; zero if they are not.
    pub startup: Startup,
}

/// The steps of coming up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Startup {
    /// The manager began.
    pub begun: Timestamp,
    /// It began to read unit files the first time.
    pub loading: Timestamp,
    /// They were read.
    pub loaded: Timestamp,
    /// The first jobs had all ended.
    pub finished: Timestamp,
}

/// Which stream of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Stream {
    Stdout,
    Stderr,
    /// A line of the manager about the unit.
    Manager,
}

impl Stream {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
            Stream::Manager => "manager",
        }
    }
}

/// One line of log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Counts all lines of the daemon, from 1.
    pub number: u64,
    /// When, CLOCK_REALTIME in microseconds.
    pub realtime: u64,
    /// Whose; `None`: the manager's own.
    pub unit: Option<UnitName>,
    /// Written by which process; 0 if unknown.
    pub pid: i32,
    /// From where.
    pub stream: Stream,
    /// The text without its line end, invalid UTF-8 replaced.
    pub text: String,
    /// Its level, a number of syslog(3).
    pub priority: u8,
    /// INVOCATION_ID= of the run that wrote it; empty if there is none.
    pub invocation: String,
    /// More that is known of it: `identifier` (SyslogIdentifier=), `line_break` (`line-max`: it
    /// was too long and goes on in the next line), `event` with the fields of that.
    pub fields: BTreeMap<String, String>,
}

impl Default for LogLine {
    fn default() -> LogLine {
        LogLine {
            number: 0,
            realtime: 0,
            unit: None,
            pid: 0,
            stream: Stream::Stdout,
            text: String::new(),
            priority: 6,
            invocation: String::new(),
            fields: BTreeMap::new(),
        }
    }
}

/// What everybody may want to hear of.
#[derive(Debug, Clone)]
pub enum News {
    /// A unit was loaded.
    UnitNew(UnitName),
    /// A unit is no longer loaded.
    UnitRemoved(UnitName),
    /// Something of a unit changed.
    Changed(UnitName),
    /// A job was queued.
    JobNew(JobId, UnitName, JobKind),
    /// A job ended.
    JobRemoved(JobId, UnitName, JobKind, JobResult),
    /// The verdict of a probe has changed, and why if it is bad.
    Probe(UnitName, ProbeKind, Verdict, String),
    /// Something happened to a unit.
    Happened(Arc<Happening>),
    /// The first jobs have all ended, this long after the manager began, in microseconds.
    StartupFinished(u64),
    /// A client that looks after a scope, by its name on the bus, is asked to stop it.
    RequestStop(UnitName, String),
    /// daemon-reload begins (true) or ended (false).
    Reloading(bool),
}

/// A job that was queued for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job(pub JobId);

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// The engine refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The name is no unit name.
    #[error("{0}")]
    BadName(String),
    /// What needs no job cannot be done.
    #[error("{1}")]
    Trouble(Trouble, String),
    /// The loop is gone.
    #[error("the manager is shutting down")]
    Gone,
}

pub(super) type Look = Box<dyn FnOnce(&View<'_>) + Send>;
/// A look at units as their files are now, which the engine has not taken in.
pub(super) type Compare = Box<dyn FnOnce(&View<'_>, &[Arc<UnitConfig>]) + Send>;
pub(super) type Answer<T> = oneshot::Sender<Result<T, ControlError>>;

impl ControlError {
    /// Whether there is no such unit.
    pub fn is_not_found(&self) -> bool {
        matches!(self, ControlError::Refused(Refusal::NotFound(_)))
    }
}

/// What goes through the channel; only the loop reads it.
pub(super) enum Message {
    Job {
        unit: UnitName,
        verb: Verb,
        mode: JobMode,
        reset: bool,
        /// The daemon itself was told to run it: it stays loaded as long as it has a file.
        stays: bool,
        answer: Answer<Job>,
    },
    /// Loads units that are not, and looks before anything else happens.
    Load {
        units: BTreeSet<UnitName>,
        look: Look,
    },
    Compare(Compare),
    Hold {
        unit: UnitName,
        holder: u64,
        answer: Answer<()>,
    },
    Release {
        unit: UnitName,
        holder: u64,
        answer: Answer<()>,
    },
    HolderGone(u64),
    Kill {
        unit: UnitName,
        whom: KillWhom,
        signal: Signal,
        answer: Answer<()>,
    },
    ResetFailed {
        unit: Option<UnitName>,
        answer: Answer<()>,
    },
    Cancel {
        job: Option<JobId>,
        answer: Answer<()>,
    },
    Abandon {
        unit: UnitName,
        answer: Answer<()>,
    },
    Reload {
        answer: Answer<()>,
    },
    Operation(Operation),
    Reexecute {
        answer: Answer<()>,
    },
    Shutdown,
    BusName(u64, BusNameNews),
    Look(Look),
}

/// Where the ends of all jobs are told, once somebody listens. [`News`] get lost for a listener that
/// lags behind; whoever waits for a job must hear of its end.
#[derive(Debug, Clone, Default)]
pub(super) struct JobEnds(Arc<Mutex<Option<mpsc::UnboundedSender<News>>>>);

impl JobEnds {
    /// Tells of one, if it is one.
    pub(super) fn tell(&self, news: &News) {
        if matches!(news, News::JobRemoved(..))
            && let Some(listener) = self.listener().as_ref()
        {
            let _ = listener.send(news.clone());
        }
    }

    fn listener(&self) -> MutexGuard<'_, Option<mpsc::UnboundedSender<News>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The loop's door; cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(super) sender: mpsc::Sender<Message>,
    /// Weak, so that listeners learn of the loop's end.
    pub(super) news: broadcast::WeakSender<News>,
    pub(super) job_ends: JobEnds,
    pub(super) lines: watch::Receiver<u64>,
}

impl Handle {
    /// Asks for a job; loads the unit first. `reset`: forget a start limit that was hit
    /// beforehand, as `dd-procmgr start` does. The job's end comes as [`News::JobRemoved`]:
    /// subscribe before asking.
    ///
    /// # Errors
    /// The name is bad, or the engine refuses.
    pub async fn job(
        &self,
        unit: &str,
        verb: Verb,
        mode: JobMode,
        reset: bool,
    ) -> Result<Job, ControlError> {
        let unit = parse(unit)?;
        self.ask(|answer| Message::Job {
            unit,
            verb,
            mode,
            reset,
            stays: false,
            answer,
        })
        .await
    }

    /// As [`Handle::look`], with these units loaded first (if only as not found); one that
    /// nobody needs may be gone right afterwards.
    ///
    /// # Errors
    /// A name is bad, or the loop is gone.
    pub async fn look_at<T, F>(&self, units: &[String], reading: F) -> Result<T, ControlError>
    where
        T: Send + 'static,
        F: FnOnce(&View<'_>) -> T + Send + 'static,
    {
        let units = units.iter().map(|unit| parse(unit));
        let units = units.collect::<Result<BTreeSet<_>, _>>()?;
        self.answered(|sender| {
            let look: Look = Box::new(move |view| {
                // The asker may have gone away meanwhile; then nobody misses the value.
                let _ = sender.send(reading(view));
            });
            Message::Load { units, look }
        })
        .await
    }

    /// Reads the files of all loaded units and what they name, and shows them to `reading`
    /// without taking them in.
    ///
    /// # Errors
    /// The loop is gone.
    pub async fn compare<T, F>(&self, reading: F) -> Result<T, ControlError>
    where
        T: Send + 'static,
        F: FnOnce(&View<'_>, &[Arc<UnitConfig>]) -> T + Send + 'static,
    {
        self.answered(|sender| {
            Message::Compare(Box::new(move |view, units| {
                // As above.
                let _ = sender.send(reading(view, units));
            }))
        })
        .await
    }

    /// Asks for the start of a unit that the daemon was told to run: once, also over the lives of
    /// several daemons that took over from each other. It stays loaded as long as it has a file.
    ///
    /// # Errors
    /// As [`Handle::job`].
    pub async fn start_once(&self, unit: &str) -> Result<(), ControlError> {
        let name = parse(unit)?;
        let known = name.clone();
        let reading = move |view: &View<'_>| view.engine.is_kept(known.as_str());
        if self.look(reading).await? {
            return Ok(());
        }
        let job = self.ask(|answer| Message::Job {
            unit: name,
            verb: Verb::Start,
            mode: JobMode::Replace,
            reset: false,
            stays: true,
            answer,
        });
        job.await.map(|_| ())
    }

    /// Loads a unit and keeps it so for a client, until as many [`Handle::release`] or
    /// [`Handle::holder_gone`].
    ///
    /// # Errors
    /// The name is bad.
    pub async fn hold(&self, unit: &str, holder: u64) -> Result<(), ControlError> {
        let unit = parse(unit)?;
        self.ask(|answer| Message::Hold {
            unit,
            holder,
            answer,
        })
        .await
    }

    /// Takes one [`Handle::hold`] back.
    ///
    /// # Errors
    /// The client holds no such unit.
    pub async fn release(&self, unit: &str, holder: u64) -> Result<(), ControlError> {
        let unit = parse(unit)?;
        self.ask(|answer| Message::Release {
            unit,
            holder,
            answer,
        })
        .await
    }

    /// The client has gone and holds nothing any more.
    pub async fn holder_gone(&self, holder: u64) {
        // If the loop is gone, so is what was held.
        let _ = self.sender.send(Message::HolderGone(holder)).await;
    }

    /// Sends a signal to a unit's processes.
    ///
    /// # Errors
    /// The name is bad, or there is nothing to signal.
    pub async fn kill(
        &self,
        unit: &str,
        whom: KillWhom,
        signal: Signal,
    ) -> Result<(), ControlError> {
        let unit = parse(unit)?;
        self.ask(|answer| Message::Kill {
            unit,
            whom,
            signal,
            answer,
        })
        .await
    }

    /// Forgets failed states and start counters of a unit, or of all.
    ///
    /// # Errors
    /// The name is bad or not loaded.
    pub async fn reset_failed(&self, unit: Option<&str>) -> Result<(), ControlError> {
        let unit = unit.map(parse).transpose()?;
        self.ask(|answer| Message::ResetFailed { unit, answer })
            .await
    }

    /// Ends a queued job, or all of them, with result `canceled`; what units do goes on.
    ///
    /// # Errors
    /// There is no such job, or everything is being stopped.
    pub async fn cancel(&self, job: Option<JobId>) -> Result<(), ControlError> {
        self.ask(|answer| Message::Cancel { job, answer }).await
    }

    /// Reads all unit files again; answered when it is done.
    ///
    /// # Errors
    /// The loop is gone.
    pub async fn reload(&self) -> Result<(), ControlError> {
        self.ask(|answer| Message::Reload { answer }).await
    }

    /// Has the program executed anew, from its file as it is now. Where that is possible there is
    /// no answer: this program is gone.
    ///
    /// # Errors
    /// It is not possible; everything goes on as before.
    pub async fn reexecute(&self) -> Result<(), ControlError> {
        self.ask(|answer| Message::Reexecute { answer }).await
    }

    /// Tells what was seen of a watched name on the bus.
    ///
    /// # Errors
    /// The loop is gone.
    pub async fn bus_name(&self, watch: u64, news: BusNameNews) -> Result<(), ControlError> {
        self.sender
            .send(Message::BusName(watch, news))
            .await
            .map_err(|_| ControlError::Gone)
    }

    /// Asks the loop to stop every unit and to end. It ends by itself then; asking again
    /// changes nothing.
    ///
    /// # Errors
    /// The loop is gone.
    pub async fn shutdown(&self) -> Result<(), ControlError> {
        self.sender
            .send(Message::Shutdown)
            .await
            .map_err(|_| ControlError::Gone)
    }

    /// Runs a reading on the loop and returns what it made.
    ///
    /// # Errors
    /// The loop is gone.
    pub async fn look<T, F>(&self, reading: F) -> Result<T, ControlError>
    where
        T: Send + 'static,
        F: FnOnce(&View<'_>) -> T + Send + 'static,
    {
        self.answered(|sender| {
            Message::Look(Box::new(move |view| {
                // As above.
                let _ = sender.send(reading(view));
            }))
        })
        .await
    }

    /// Everything that happens from now on; closed when the loop is gone.
    pub fn news(&self) -> broadcast::Receiver<News> {
        match self.news.upgrade() {
            Some(news) => news.subscribe(),
            None => broadcast::channel(1).1,
        }
    }

    /// Every [`News::JobRemoved`] from now on, in the order of the news, and none is lost. For one
    /// listener: the last one to ask.
    pub fn job_ends(&self) -> mpsc::UnboundedReceiver<News> {
        let (sender, ends) = mpsc::unbounded_channel();
        *self.job_ends.listener() = Some(sender);
        ends
    }

    /// The number of the last line of log, to wait for the next ones. They are no [`News`]:
    /// services may write faster than anybody listens, and nothing else must get lost by that.
    pub fn lines(&self) -> watch::Receiver<u64> {
        self.lines.clone()
    }

    pub(super) async fn ask<T>(
        &self,
        message: impl FnOnce(Answer<T>) -> Message,
    ) -> Result<T, ControlError> {
        self.answered(message).await?
    }

    async fn answered<T>(
        &self,
        message: impl FnOnce(oneshot::Sender<T>) -> Message,
    ) -> Result<T, ControlError> {
        let (sender, receiver) = oneshot::channel();
        self.sender
            .send(message(sender))
            .await
            .map_err(|_| ControlError::Gone)?;
        receiver.await.map_err(|_| ControlError::Gone)
    }
}

/// A name that can be a unit's; a template is none before it has an instance.
pub(super) fn parse(unit: &str) -> Result<UnitName, ControlError> {
    let name = UnitName::parse(unit).map_err(|error| ControlError::BadName(error.to_string()))?;
    if name.is_template() {
        let reason = format!("Unit name {name} is missing the instance name.");
        return Err(ControlError::BadName(reason));
    }
    Ok(name)
}
