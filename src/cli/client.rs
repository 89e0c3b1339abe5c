//! The connection to the daemon: peer to peer, so without Hello. The only place of the command
//! line that knows zbus; values leave it as JSON.
//!
//! Replies and signals are read from one stream in their order; signals that come while a reply
//! is awaited are kept.

pub(super) mod brief;
mod more;
mod unit_files;

pub(super) use more::UnitRow;
pub(super) use unit_files::row;

use super::error::Problem;
use futures_util::StreamExt;
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value as Json;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zbus::connection::Builder;
use zbus::message::Type as MessageType;
use zbus::wire::{DynamicDeserialize, DynamicType, Signature, Type};
use zbus::{Connection, Message, MessageStream, OwnedObjectPath, Variant};

const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const OWN: &str = "com.datadoghq.ProcessManager1";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// Properties in the order they came.
pub(super) type Properties = Vec<(String, Json)>;

/// A queued job: number, unit, type, state.
pub(super) type QueuedJob = (u32, String, String, String);

const NO_SUCH_JOB: &str = "org.freedesktop.systemd1.NoSuchJob";

/// A line of log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    /// Counts the daemon's lines.
    pub(super) number: u64,
    /// CLOCK_REALTIME, microseconds.
    pub(super) time: u64,
    /// Whose; empty: the manager's own.
    pub(super) unit: String,
    /// Written by which process; 0 if unknown.
    pub(super) pid: i32,
    /// stdout, stderr or manager.
    pub(super) stream: String,
    /// The text.
    pub(super) text: String,
    /// Level of syslog(3).
    pub(super) priority: u8,
    /// The run that wrote it; empty if unknown.
    pub(super) invocation: String,
    /// What else is known of it.
    #[serde(flatten)]
    pub(super) fields: BTreeMap<String, String>,
}

type RawLine = (
    u64,
    u64,
    String,
    i32,
    String,
    String,
    u8,
    String,
    BTreeMap<String, String>,
);

impl From<RawLine> for Line {
    fn from(raw: RawLine) -> Line {
        let (number, time, unit, pid, stream, text, priority, invocation, fields) = raw;
        Line {
            number,
            time,
            unit,
            pid,
            stream,
            text,
            priority,
            invocation,
            fields,
        }
    }
}

/// What the daemon tells unasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Signal {
    /// A job ended.
    JobRemoved {
        /// Its path.
        job: String,
        /// How it ended.
        result: String,
    },
    /// A line was logged.
    Logged(Line),
    /// Properties of an object changed.
    Changed {
        /// Its path.
        path: String,
    },
    /// The first jobs have all ended.
    StartupFinished,
}

/// A connection.
pub(super) struct Client {
    connection: Connection,
    stream: MessageStream,
    signals: VecDeque<Signal>,
    socket: PathBuf,
    /// The daemon has closed the connection.
    lost: bool,
}

/// How long a daemon that was executed anew, or took over, may take to answer.
const COMING_BACK: Duration = Duration::from_secs(30);

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// Says which socket was tried and what to do.
    pub(super) async fn connect(socket: &Path) -> Result<Client, Problem> {
        let stream = UnixStream::connect(socket).map_err(|e| unreachable(socket, &e))?;
        let stream = Builder::unix_stream(stream)
            .p2p()
            .build_message_stream()
            .await
            .map_err(|e| Problem::local(format!("handshake on {}: {e}", socket.display())))?;
        Ok(Client {
            connection: Connection::from(&stream),
            stream,
            signals: VecDeque::new(),
            socket: socket.to_owned(),
            lost: false,
        })
    }

    /// Connects once more if the daemon has closed the connection, for the one that took over:
    /// its socket is there all the time.
    ///
    /// # Errors
    /// The connection is not lost, or nobody took over.
    pub(super) async fn reconnect(&mut self) -> Result<(), Problem> {
        if !self.lost {
            return Err(gone());
        }
        let again = tokio::time::timeout(COMING_BACK, Client::connect(&self.socket)).await;
        *self = again.map_err(|_| gone())?.map_err(|_| gone())?;
        Ok(())
    }

    /// Has the daemon execute its program anew, and waits until it answers again.
    ///
    /// # Errors
    /// It cannot, or it does not come back.
    pub(super) async fn reexecute(&mut self) -> Result<(), Problem> {
        match self.manager("Reexecute", &()).await {
            Err(_) if self.lost => {
                self.reconnect().await?;
                self.status().await.map(|_| ())
            }
            answer => answer.map(|_| ()),
        }
    }

    /// All loaded units that match, a row of properties each.
    pub(super) async fn list(
        &mut self,
        patterns: &[String],
    ) -> Result<Vec<(String, Properties)>, Problem> {
        let reply = self.own("List", &patterns).await?;
        let rows: Vec<(String, Map)> = decode(&reply)?;
        Ok(rows.into_iter().map(|(name, map)| (name, map.0)).collect())
    }

    /// The manager in short.
    pub(super) async fn status(&mut self) -> Result<Properties, Problem> {
        let reply = self.own("GetStatus", &()).await?;
        decode::<Map>(&reply).map(|map| map.0)
    }

    /// All properties of a unit, which is loaded if need be.
    pub(super) async fn unit(&mut self, name: &str) -> Result<Properties, Problem> {
        let path = self.manager("LoadUnit", &name).await?;
        let path: OwnedObjectPath = decode(&path)?;
        self.properties(path.as_str()).await
    }

    /// LoadState and ActiveState of units, which are loaded if need be, in one question: what
    /// scripts ask most.
    pub(super) async fn states(
        &mut self,
        units: &[String],
    ) -> Result<Vec<(String, String)>, Problem> {
        type Row = (
            String,
            String,
            String,
            String,
            String,
            String,
            OwnedObjectPath,
            u32,
            String,
            OwnedObjectPath,
        );
        let reply = self.manager("ListUnitsByNames", &units).await?;
        let rows: Vec<Row> = decode(&reply)?;
        if rows.len() != units.len() {
            return Err(Problem::local(
                "the daemon does not know all of these units",
            ));
        }
        Ok(rows.into_iter().map(|row| (row.2, row.3)).collect())
    }

    /// Our own settings of a unit, which are no properties of systemd's.
    pub(super) async fn own_settings(&mut self, name: &str) -> Result<Properties, Problem> {
        let path = self.manager("LoadUnit", &name).await?;
        let path: OwnedObjectPath = decode(&path)?;
        let reply = self.call(path.as_str(), PROPERTIES, "GetAll", &OWN).await?;
        decode::<Map>(&reply).map(|map| map.0)
    }

    /// What a unit has that systemd's units have not.
    pub(super) async fn own_unit(&mut self, name: &str) -> Result<Properties, Problem> {
        let path = self.manager("LoadUnit", &name).await?;
        let path: OwnedObjectPath = decode(&path)?;
        let interface = format!("{OWN}.Unit");
        let reply = self
            .call(path.as_str(), PROPERTIES, "GetAll", &interface.as_str())
            .await?;
        decode::<Map>(&reply).map(|map| map.0)
    }

    /// All properties of the manager.
    pub(super) async fn manager_properties(&mut self) -> Result<Properties, Problem> {
        self.properties(MANAGER_PATH).await
    }

    /// Queues a job by one of the manager's methods (`StopUnit` ...); returns its path.
    pub(super) async fn job(
        &mut self,
        method: &str,
        unit: &str,
        mode: &str,
    ) -> Result<String, Problem> {
        let reply = self.manager(method, &(unit, mode)).await?;
        decode::<OwnedObjectPath>(&reply).map(|path| path.as_str().to_owned())
    }

    /// Queues a start; returns the job's path and whether a start limit was reset.
    pub(super) async fn start(
        &mut self,
        unit: &str,
        mode: &str,
    ) -> Result<(String, bool), Problem> {
        let reply = self.own("StartUnit", &(unit, mode)).await?;
        let (path, reset): (OwnedObjectPath, bool) = decode(&reply)?;
        Ok((path.as_str().to_owned(), reset))
    }

    /// Queues a restart with an overlap; returns the job's path.
    pub(super) async fn restart_overlapping(
        &mut self,
        unit: &str,
        mode: &str,
    ) -> Result<String, Problem> {
        let reply = self.own("RestartUnitOverlapping", &(unit, mode)).await?;
        decode::<OwnedObjectPath>(&reply).map(|path| path.as_str().to_owned())
    }

    /// The queued jobs.
    pub(super) async fn jobs(&mut self) -> Result<Vec<QueuedJob>, Problem> {
        queued(&self.manager("ListJobs", &()).await?)
    }

    /// The units whose jobs have to end before this job can run; nothing once it is gone.
    pub(super) async fn waits_for(&mut self, job: u32) -> Result<Vec<String>, Problem> {
        match self.manager("GetJobBefore", &job).await {
            Ok(reply) => Ok(queued(&reply)?.into_iter().map(|job| job.1).collect()),
            Err(problem) if problem.name == NO_SUCH_JOB => Ok(Vec::new()),
            Err(problem) => Err(problem),
        }
    }

    /// Cancels a job, or all of them.
    pub(super) async fn cancel(&mut self, job: Option<u32>) -> Result<(), Problem> {
        match job {
            Some(job) => self.manager("CancelJob", &job).await?,
            None => self.manager("ClearJobs", &()).await?,
        };
        Ok(())
    }

    /// Signals processes of a unit.
    pub(super) async fn kill(
        &mut self,
        unit: &str,
        whom: &str,
        signal: i32,
    ) -> Result<(), Problem> {
        self.manager("KillUnit", &(unit, whom, signal)).await?;
        Ok(())
    }

    /// Forgets failures, of all units without a name.
    pub(super) async fn reset_failed(&mut self, unit: Option<&str>) -> Result<(), Problem> {
        match unit {
            Some(unit) => self.manager("ResetFailedUnit", &unit).await?,
            None => self.manager("ResetFailed", &()).await?,
        };
        Ok(())
    }

    /// Reads all unit files again.
    pub(super) async fn reload(&mut self) -> Result<(), Problem> {
        self.manager("Reload", &()).await?;
        Ok(())
    }

    /// What a command would do.
    pub(super) async fn plan(
        &mut self,
        verb: &str,
        units: &[String],
        mode: &str,
    ) -> Result<Properties, Problem> {
        let reply = self.own("Plan", &(verb, units, mode)).await?;
        decode::<Map>(&reply).map(|map| map.0)
    }

    /// Pids and command lines of a unit.
    pub(super) async fn processes(&mut self, unit: &str) -> Result<Vec<(u32, String)>, Problem> {
        let reply = self.manager("GetUnitProcesses", &unit).await?;
        let rows: Vec<(String, u32, String)> = decode(&reply)?;
        Ok(rows.into_iter().map(|(_, pid, text)| (pid, text)).collect())
    }

    /// The last lines of units, of all without names; with `follow`, new ones come as signals.
    pub(super) async fn log(
        &mut self,
        units: &[String],
        count: u32,
        follow: bool,
    ) -> Result<Vec<Line>, Problem> {
        let method = if follow { "FollowLog" } else { "ReadLog" };
        let reply = self.own(method, &(units, count)).await?;
        let lines: Vec<RawLine> = decode(&reply)?;
        Ok(lines.into_iter().map(Line::from).collect())
    }

    /// Where the log is on the disk, with everything so far; `None` if it is in memory only. And
    /// the units under their own names.
    pub(super) async fn log_files(
        &mut self,
        units: &[String],
    ) -> Result<(Option<PathBuf>, Vec<String>), Problem> {
        let reply = self.own("LogFiles", &units).await?;
        let (directory, units): (String, Vec<String>) = decode(&reply)?;
        let directory = Some(directory).filter(|path| !path.is_empty());
        Ok((directory.map(PathBuf::from), units))
    }

    /// The next signal.
    ///
    /// # Errors
    /// The daemon went away.
    pub(super) async fn next_signal(&mut self) -> Result<Signal, Problem> {
        loop {
            if let Some(signal) = self.signals.pop_front() {
                return Ok(signal);
            }
            let message = self.next_message().await?;
            self.signals.extend(read_signal(&message));
        }
    }

    async fn properties(&mut self, path: &str) -> Result<Properties, Problem> {
        let reply = self.call(path, PROPERTIES, "GetAll", &"").await?;
        decode::<Map>(&reply).map(|map| map.0)
    }

    async fn manager<B>(&mut self, member: &str, body: &B) -> Result<Message, Problem>
    where
        B: Serialize + DynamicType,
    {
        self.call(MANAGER_PATH, MANAGER, member, body).await
    }

    async fn own<B>(&mut self, member: &str, body: &B) -> Result<Message, Problem>
    where
        B: Serialize + DynamicType,
    {
        self.call(MANAGER_PATH, OWN, member, body).await
    }

    async fn call<B>(
        &mut self,
        path: &str,
        interface: &str,
        member: &str,
        body: &B,
    ) -> Result<Message, Problem>
    where
        B: Serialize + DynamicType,
    {
        let call = Message::method_call(path, member)
            .interface(interface)
            .build(body)
            .map_err(|e| Problem::local(format!("cannot call {member}: {e}")))?;
        let serial = call.primary_header().serial_num();
        if self.connection.send(&call).await.is_err() {
            self.lost = true;
            return Err(gone());
        }
        loop {
            let message = self.next_message().await?;
            if message.header().reply_serial() == Some(serial) {
                return read_reply(message);
            }
            self.signals.extend(read_signal(&message));
        }
    }

    async fn next_message(&mut self) -> Result<Message, Problem> {
        match self.stream.next().await {
            Some(Ok(message)) => Ok(message),
            Some(Err(_)) | None => {
                self.lost = true;
                Err(gone())
            }
        }
    }
}

fn unreachable(socket: &Path, error: &io::Error) -> Problem {
    let advice = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "The socket is for its owner and group only; try as root, or as the daemon's user."
        }
        _ => "Is dd-procmgrd running? Name another socket with --socket or DD_PM_SOCKET.",
    };
    Problem::local(format!(
        "Cannot reach the process manager at {}: {error}\n{advice}",
        socket.display()
    ))
}

fn gone() -> Problem {
    Problem::local("the process manager closed the connection")
}

fn read_reply(reply: Message) -> Result<Message, Problem> {
    if reply.message_type() != MessageType::Error {
        return Ok(reply);
    }
    let name = reply.header().error_name().map(|n| n.as_str().to_owned());
    let message = reply.body().deserialize::<String>().unwrap_or_default();
    Err(Problem {
        name: name.unwrap_or_default(),
        message,
    })
}

/// The signals that anybody here waits for.
fn queued(reply: &Message) -> Result<Vec<QueuedJob>, Problem> {
    type Row = (
        u32,
        String,
        String,
        String,
        OwnedObjectPath,
        OwnedObjectPath,
    );
    let rows: Vec<Row> = decode(reply)?;
    let rows = rows.into_iter();
    Ok(rows
        .map(|(id, unit, kind, state, _, _)| (id, unit, kind, state))
        .collect())
}

fn read_signal(message: &Message) -> Option<Signal> {
    if message.message_type() != MessageType::Signal {
        return None;
    }
    let header = message.header();
    match header.member()?.as_str() {
        "JobRemoved" => {
            let (_, job, _, result): (u32, OwnedObjectPath, String, String) =
                decode(message).ok()?;
            Some(Signal::JobRemoved {
                job: job.as_str().to_owned(),
                result,
            })
        }
        "StartupFinished" => Some(Signal::StartupFinished),
        "PropertiesChanged" => Some(Signal::Changed {
            path: header.path()?.as_str().to_owned(),
        }),
        "Logged" => decode::<RawLine>(message)
            .ok()
            .map(|line| Signal::Logged(line.into())),
        _ => None,
    }
}

fn decode<T>(message: &Message) -> Result<T, Problem>
where
    T: for<'d> DynamicDeserialize<'d>,
{
    message
        .body()
        .deserialize()
        .map_err(|error| Problem::local(format!("cannot read the daemon's answer: {error}")))
}

/// `a{sv}` in the order it came; zbus's own dictionaries sort.
struct Map(Properties);

impl Type for Map {
    const SIGNATURE: &'static Signature =
        <std::collections::BTreeMap<String, Variant<'static>>>::SIGNATURE;
}

impl<'de> Deserialize<'de> for Map {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Map, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Map;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a dictionary of variants")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Map, A::Error> {
                let mut entries = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Variant<'de>>()? {
                    entries.push((name, json(&value)));
                }
                Ok(Map(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// A value as JSON: structs become arrays.
fn json(value: &Variant<'_>) -> Json {
    match value {
        Variant::U8(value) => Json::from(*value),
        Variant::Bool(value) => Json::from(*value),
        Variant::I16(value) => Json::from(*value),
        Variant::U16(value) => Json::from(*value),
        Variant::I32(value) => Json::from(*value),
        Variant::U32(value) => Json::from(*value),
        Variant::I64(value) => Json::from(*value),
        Variant::U64(value) => Json::from(*value),
        Variant::F64(value) => Json::from(*value),
        Variant::Str(value) => Json::from(value.as_str()),
        Variant::Signature(value) => Json::from(value.to_string()),
        Variant::ObjectPath(value) => Json::from(value.as_str()),
        Variant::Variant(value) => json(value),
        Variant::Array(array) => array.inner().iter().map(json).collect(),
        Variant::Structure(structure) => structure.fields().iter().map(json).collect(),
        Variant::Dict(dict) => {
            let entry = |(key, value)| {
                let key = json(key);
                let key = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
                (key, json(value))
            };
            Json::Object(dict.iter().map(entry).collect())
        }
        Variant::Fd(_) => Json::Null,
    }
}
