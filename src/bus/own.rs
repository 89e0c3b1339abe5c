//! com.datadoghq.ProcessManager1: what systemd's interface has no place for.

use super::MANAGER_UNIQUE_NAME;
use super::connection::Client;
use super::dispatch::Call;
use super::failure::{Failure, names};
use super::health;
use super::list::{Patterns, all_units};
use super::manager::{job_mode, job_path};
use super::member::{Method, Signal, change, look, signal};
use super::names::Follow;
use super::path;
use super::plan;
use super::properties::{ManagerSnapshot, NEWER_USAGE, Shown, UnitSnapshot, newer_usage};
use super::value::{Body, Value};
use super::{transient, unit_files};
use crate::engine::inspect::UnitView;
use crate::engine::{ServiceResult, Verb};
use crate::host::{Happening, LogLine, View};
use crate::unit::config::CommandKind;
use crate::unit::name::UnitName;
use std::collections::BTreeMap;
use std::sync::Arc;
use zbus::Message;

/// The interface, and the name under which it is offered.
pub(super) const INTERFACE: &str = "com.datadoghq.ProcessManager1";

/// What unit objects have of ours. Not among the properties of all interfaces together: those
/// are systemd's.
pub(super) const UNIT_INTERFACE: &str = "com.datadoghq.ProcessManager1.Unit";

/// Its property, `as`: what became of each setting that is about processes.
pub(super) const EFFECTIVE_SETTINGS: &str = "EffectiveSettings";

/// The properties of that interface: EffectiveSettings, and what newer versions of systemd tell
/// of a unit's memory.
pub(super) async fn unit_properties(
    call: &Call<'_>,
    unit: &UnitSnapshot,
) -> Result<Vec<Shown>, Failure> {
    let name = unit.view.name().clone();
    let look = move |view: &View<'_>| {
        let facts = view.facts;
        (facts.effective_settings(&name), facts.usage(&name))
    };
    let (lines, usage) = call.client.hub.handle.look(look).await?;
    let lines = Value::strings(lines.iter().map(String::as_str));
    let probes = health::lines(call, unit).await?;
    let mut shown = vec![(EFFECTIVE_SETTINGS, "as", lines), (PROBES, "as", probes)];
    let usage = |name| (name, "t", newer_usage(&usage, name));
    shown.extend(NEWER_USAGE.into_iter().map(usage));
    Ok(shown)
}

/// Whether a property is one of that interface.
pub(super) fn is_of_unit(name: &str) -> bool {
    [EFFECTIVE_SETTINGS, PROBES].contains(&name) || NEWER_USAGE.contains(&name)
}

/// Another one, `as`: how each probe of the unit is.
pub(super) const PROBES: &str = "Probes";

/// Lines of log: number, CLOCK_REALTIME in microseconds, unit, pid, stream, text, level of
/// syslog(3), invocation ID, more fields.
pub(super) const LINES: &str = "a(ttsissysa{ss})";

/// What happened to a unit: its name, the unit, a sentence, and fields.
const HAPPENED: &str = "sssa{ss}";

/// One of them.
const LINE: &str = "ttsissysa{ss}";

/// Unit files: path, state, preset.
pub(super) const UNIT_FILES: &str = "a(sss)";

/// The methods.
pub(super) const METHODS: &[Method] = &[
    look("List", "as", "patterns", "a(sa{sv})", "units"),
    look("GetStatus", "", "", "a{sv}", "status"),
    look("Health", "as", "patterns", "a(sa{sv})", "units"),
    look("ReadLog", "asu", "units,count", LINES, "lines"),
    look("FollowLog", "asu", "units,count", LINES, "lines"),
    look("LogFiles", "as", "units", "sas", "directory,units"),
    change("StartUnit", "ss", "name,mode", "ob", "job,reset"),
    change("RestartUnitOverlapping", "ss", "name,mode", "o", "job"),
    change(
        "SetUnitSettings",
        "sbas",
        "name,runtime,assignments",
        "",
        "",
    ),
    change(
        "StartTransientUnits",
        "sa(sas)ah",
        "mode,units,streams",
        "o",
        "job",
    ),
    look(
        "ListUnitFiles",
        "asas",
        "states,patterns",
        UNIT_FILES,
        "files",
    ),
    look("Plan", "sass", "verb,units,mode", "a{sv}", "plan"),
];

/// The signals.
pub(super) const SIGNALS: &[Signal] = &[
    signal(
        "Logged",
        LINE,
        "number,time,unit,pid,stream,text,priority,invocation,fields",
    ),
    signal("Happened", HAPPENED, "event,unit,text,fields"),
    signal("ProbeChanged", "ssss", "unit,probe,verdict,reason"),
];

/// How long a client waits for lines that are on their way to the disk.
const SYNC: std::time::Duration = std::time::Duration::from_secs(1);
/// Lines one call may ask for.
const MAX_LINES: u32 = 100_000;

/// Answers a method.
pub(super) async fn call(call: &Call<'_>) -> Result<Body, Failure> {
    match call.member {
        "List" => list(call).await,
        "GetStatus" => status(call).await,
        "Health" => health::call(call).await,
        "ReadLog" => {
            let (units, count): (Vec<String>, u32) = call.arguments()?;
            let lines = read_log(call, unit_names(&units)?, count).await?;
            Ok(lines_body(&lines))
        }
        "FollowLog" => follow_log(call).await,
        "LogFiles" => log_files(call).await,
        "StartUnit" => start_unit(call).await,
        "RestartUnitOverlapping" => restart_overlapping(call).await,
        "SetUnitSettings" => {
            let (name, runtime, texts): (String, bool, Vec<String>) = call.arguments()?;
            transient::set_written(call, &name, runtime, &texts).await
        }
        "StartTransientUnits" => {
            type Units = Vec<(String, Vec<String>)>;
            let (mode, units, streams): (String, Units, Vec<zbus::OwnedFd>) = call.arguments()?;
            transient::start_written(call, &mode, &units, streams).await
        }
        "Plan" => plan::call(call).await,
        "ListUnitFiles" => unit_files::list_with_presets(call).await,
        _ => Err(call.unknown_method()),
    }
}

/// `List(as patterns) -> a(sa{sv})`: a row per loaded unit.
async fn list(call: &Call<'_>) -> Result<Body, Failure> {
    let patterns = Patterns::new(&call.arguments::<Vec<String>>()?)?;
    let units = call.client.hub.handle.look(all_units).await?;
    let rows = units
        .iter()
        .filter(|unit| patterns.match_unit(unit))
        .map(|unit| Value::Struct(vec![Value::from(unit.name().as_str()), row(unit)]))
        .collect();
    Ok(Body::one("a(sa{sv})", Value::Array(rows)))
}

fn row(unit: &UnitView) -> Value {
    let service = unit.service.as_ref();
    let pid = service.map_or(0, |s| s.main_pid);
    // Unlike the property of systemd's interface, which keeps the failure before (M17).
    let result = if unit.start_limit_hit {
        ServiceResult::StartLimitHit
    } else {
        service.map_or(ServiceResult::Success, |s| s.result)
    };
    Value::properties([
        ("MainPID", "u", Value::U32(pid.try_into().unwrap_or(0))),
        ("State", "s", Value::from(unit.list_state)),
        ("Runs", "t", Value::U64(service.map_or(0, |s| s.runs))),
        (
            "Restarts",
            "u",
            Value::U32(service.map_or(0, |s| s.restarts)),
        ),
        ("Command", "s", Value::String(command(unit))),
        (
            "Description",
            "s",
            Value::from(unit.config.unit.description.as_str()),
        ),
        ("LoadState", "s", Value::from(unit.load().as_str())),
        ("ActiveState", "s", Value::from(unit.active.as_str())),
        ("SubState", "s", Value::from(unit.sub)),
        ("Result", "s", Value::from(result.as_str())),
        (
            "ActiveEnterTimestamp",
            "t",
            Value::U64(unit.times.active_enter.realtime),
        ),
    ])
}

/// The first ExecStart= as one line, words with blanks quoted.
fn command(unit: &UnitView) -> String {
    let Some(command) = unit
        .config
        .service()
        .and_then(|s| s.commands.get(CommandKind::Start).first())
    else {
        return String::new();
    };
    let quote = |word: &String| match word.is_empty() || word.contains(char::is_whitespace) {
        true => format!("{word:?}"),
        false => word.clone(),
    };
    let program = std::iter::once(quote(&command.program));
    let words: Vec<String> = program
        .chain(command.argv.iter().skip(1).map(quote))
        .collect();
    words.join(" ")
}

/// `GetStatus() -> a{sv}`: the manager itself.
async fn status(call: &Call<'_>) -> Result<Body, Failure> {
    let take = |view: &View<'_>| ManagerSnapshot::take(view);
    let manager = call.client.hub.handle.look(take).await?;
    let facts = &manager.facts;
    let entries = [
        ("Name", "s", Value::from(facts.name.as_str())),
        ("Version", "s", Value::from(env!("CARGO_PKG_VERSION"))),
        ("PID", "u", Value::U32(std::process::id())),
        ("Mode", "s", Value::from(facts.mode.as_str())),
        ("State", "s", Value::from(manager.state())),
        ("Pod", "s", Value::from(facts.pod.as_str())),
        ("Container", "s", Value::from(facts.container.as_str())),
        ("Units", "u", Value::U32(manager.units)),
        ("FailedUnits", "u", Value::U32(manager.failed)),
        ("Jobs", "u", Value::U32(manager.jobs)),
        (
            "UnitPath",
            "as",
            Value::strings(facts.unit_path.iter().map(String::as_str)),
        ),
        (
            "ControlGroup",
            "s",
            Value::from(facts.control_group.as_str()),
        ),
    ];
    Ok(Body::one("a{sv}", Value::properties(entries)))
}

fn unit_names(units: &[String]) -> Result<Vec<UnitName>, Failure> {
    let name =
        |unit: &String| UnitName::parse(unit).map_err(|error| Failure::invalid(error.to_string()));
    units.iter().map(name).collect()
}

/// The last lines of units, or of all if none is named, oldest first.
async fn read_log(
    call: &Call<'_>,
    units: Vec<UnitName>,
    count: u32,
) -> Result<Vec<Arc<LogLine>>, Failure> {
    let count = usize::try_from(count.min(MAX_LINES)).unwrap_or(usize::MAX);
    let look = move |view: &View<'_>| {
        let mut lines = of_units(&units, |unit| view.facts.log(unit, count));
        let surplus = lines.len().saturating_sub(count);
        lines.split_off(surplus)
    };
    Ok(call.client.hub.handle.look(look).await?)
}

/// What `read` finds for each unit, or for all at once if none is named, in order.
fn of_units(
    units: &[UnitName],
    read: impl Fn(Option<&UnitName>) -> Vec<Arc<LogLine>>,
) -> Vec<Arc<LogLine>> {
    if units.is_empty() {
        return read(None);
    }
    let mut lines: Vec<_> = units.iter().flat_map(|unit| read(Some(unit))).collect();
    lines.sort_by_key(|line| line.number);
    lines.dedup_by_key(|line| line.number);
    lines
}

/// `LogFiles(as units) -> (s directory, as units)`: where the log is on the disk, empty if it is in
/// memory only, and the units under their own names. All that was logged before is there then.
async fn log_files(call: &Call<'_>) -> Result<Body, Failure> {
    let units: Vec<String> = call.arguments()?;
    let look = move |view: &View<'_>| {
        let own = |name: String| match view.engine.unit(&name) {
            Some(unit) => unit.name().as_str().to_owned(),
            None => name,
        };
        let units: Vec<String> = units.into_iter().map(own).collect();
        (view.facts.log_files(), units)
    };
    let (files, units) = call.client.hub.handle.look(look).await?;
    let directory = match files {
        Some((directory, written)) => {
            // A disk that hangs must not keep the client for ever.
            let _ = tokio::time::timeout(SYNC, written).await;
            directory.to_string_lossy().into_owned()
        }
        None => String::new(),
    };
    let units = Value::strings(units.iter().map(String::as_str));
    Ok(Body::of("sas", vec![Value::String(directory), units]))
}

/// `FollowLog(as units, u count)`: as ReadLog, and from then on `Logged` signals.
async fn follow_log(call: &Call<'_>) -> Result<Body, Failure> {
    let (units, count): (Vec<String>, u32) = call.arguments()?;
    if call.client.outside {
        let text = "lines are told on the control socket only; there is ReadLog";
        return Err(Failure::new(names::NOT_SUPPORTED, text));
    }
    let units = unit_names(&units)?;
    // One line at least, to know from where on lines are new.
    let read = read_log(call, units.clone(), count.max(1)).await?;
    call.client.session.follow(Follow {
        units,
        after: read.last().map_or(0, |line| line.number),
    });
    let wanted = if count == 0 { &[][..] } else { &read[..] };
    Ok(lines_body(wanted))
}

/// At most `limit` `Logged` signals for a client that follows, since the last time, and whether
/// there are more.
pub(super) async fn new_lines(client: &Client, limit: usize) -> (Vec<Message>, bool) {
    let Some(follow) = client.session.following() else {
        return (Vec::new(), false);
    };
    let Follow { units, after } = follow.clone();
    let look = move |view: &View<'_>| of_units(&units, |unit| view.facts.log_after(unit, after));
    // If the loop is gone, there is nothing new.
    let mut lines = client.hub.handle.look(look).await.unwrap_or_default();
    let more = lines.len() > limit;
    lines.truncate(limit);
    client.session.follow(Follow {
        after: lines.last().map_or(after, |line| line.number),
        ..follow
    });
    let signals = lines.iter().filter_map(|line| logged(line, client));
    (signals.collect(), more)
}

/// `StartUnit(s name, s mode) -> (o job, b reset)`: starts a unit and forgets a start limit that
/// was hit; `reset` says whether one was.
async fn start_unit(call: &Call<'_>) -> Result<Body, Failure> {
    let (name, mode): (String, String) = call.arguments()?;
    let mode = job_mode(&mode)?;
    let handle = &call.client.hub.handle;
    let wanted = name.clone();
    let limited = handle
        .look(move |view| view.engine.unit(&wanted).is_some_and(|u| u.start_limit_hit))
        .await?;
    let job = handle.job(&name, Verb::Start, mode, true).await?;
    let job = Value::String(job_path(call, &name, job));
    Ok(Body::of("ob", vec![job, Value::Bool(limited)]))
}

/// The body of a `Happened` signal.
pub(super) fn happened(happening: &Happening) -> Body {
    let words = [
        happening.what.as_str(),
        happening.unit.as_str(),
        &happening.text,
    ];
    let mut values = words.map(Value::from).to_vec();
    values.push(texts(&happening.fields));
    Body::of(HAPPENED, values)
}

/// `a{ss}`.
fn texts(fields: &BTreeMap<String, String>) -> Value {
    let pair = |(name, value): (&String, &String)| {
        (Value::from(name.as_str()), Value::from(value.as_str()))
    };
    Value::Map(fields.iter().map(pair).collect())
}

/// `RestartUnitOverlapping(s name, s mode) -> o job`: a restart in which the new process of a service
/// is ready before the old one is told to stop.
async fn restart_overlapping(call: &Call<'_>) -> Result<Body, Failure> {
    let (name, mode): (String, String) = call.arguments()?;
    let mode = job_mode(&mode)?;
    let handle = &call.client.hub.handle;
    let job = handle.job(&name, Verb::RestartOverlap, mode, true).await?;
    Ok(Body::one("o", Value::String(job_path(call, &name, job))))
}

fn line_values(line: &LogLine) -> Vec<Value> {
    vec![
        Value::U64(line.number),
        Value::U64(line.realtime),
        Value::from(line.unit.as_ref().map_or("", UnitName::as_str)),
        Value::I32(line.pid),
        Value::Word(line.stream.as_str()),
        Value::from(line.text.as_str()),
        Value::Byte(line.priority),
        Value::from(line.invocation.as_str()),
        texts(&line.fields),
    ]
}

fn lines_body(lines: &[Arc<LogLine>]) -> Body {
    let rows = lines.iter().map(|l| Value::Struct(line_values(l)));
    Body::one(LINES, Value::Array(rows.collect()))
}

/// The `Logged` signal of a line, for one client.
fn logged(line: &LogLine, client: &Client) -> Option<Message> {
    let builder = Message::signal(path::MANAGER, INTERFACE, "Logged").sender(MANAGER_UNIQUE_NAME);
    client
        .address(builder)
        .build(&Body::of(LINE, line_values(line)))
        .inspect_err(|error| tracing::error!("cannot build a signal: {error}"))
        .ok()
}
