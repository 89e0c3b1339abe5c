//! `logs`: what units wrote, as `TIME unit[pid]: text`.
//!
//! Read from the disk, so that it needs no daemon and loses nothing that comes quickly; a daemon is
//! asked where that is and under which names it has the units. What is in its memory only, or in
//! files that may not be read, it is asked for.

use super::args::{Command, Common};
use super::client::{Client, Line, Signal};
use super::daemons;
use super::error::Problem;
use super::names;
use super::output::{FAINT, Output, complain, say};
use super::since;
use super::{table, time};
use crate::offline::{
    LogFilter, LogFollower, LogLine, last_lines, merged_name, message_of, object,
};
use glob::Pattern;
use serde_json::{Map, Value as Json};
use std::path::{Path, PathBuf};

/// Lines to begin with.
const LINES: u32 = 50;

/// How lines are printed.
struct Printer<'a> {
    output: &'a Output,
    merge: bool,
}

/// Prints the last lines, and with `follow` those that come.
pub(super) async fn run(
    common: &Common,
    output: &Output,
    command: &Command,
    socket: &Path,
) -> Result<u8, Problem> {
    let Command::Logs {
        units,
        follow,
        lines,
        since,
        merge_json,
        directory,
    } = command
    else {
        return Ok(1);
    };
    let printer = Printer {
        output,
        merge: *merge_json,
    };
    let begin = since
        .as_deref()
        .map_or(Ok(0), |text| since::parse(text, time::now()))?;
    let count = lines.unwrap_or(if since.is_some() { u32::MAX } else { LINES });
    if let Some(directory) = directory {
        let filter = filter(units, begin, output)?;
        return from_disk(&printer, directory, filter, count, *follow).await;
    }
    let mut client = match Client::connect(socket).await {
        Ok(client) => client,
        Err(problem) => {
            let Some(directory) = left_behind(common) else {
                return Err(problem);
            };
            if output.is_text() && !output.quiet {
                let place = directory.display();
                complain(&format!("no daemon answers; this is the log in {place}"));
            }
            let filter = filter(units, begin, output)?;
            return from_disk(&printer, &directory, filter, count, *follow).await;
        }
    };
    let asked = names::expand(&mut client, units).await?;
    if asked.is_empty() && !units.is_empty() {
        // No loaded unit matches; the disk may know more.
        if let (Some(directory), _) = client.log_files(&[]).await? {
            let filter = filter(units, begin, output)?;
            return from_disk(&printer, &directory, filter, count, *follow).await;
        }
    }
    let (directory, own) = client.log_files(&asked).await?;
    match directory.filter(|directory| std::fs::read_dir(directory).is_ok()) {
        Some(directory) => {
            let filter = filter(&own, begin, output)?;
            from_disk(&printer, &directory, filter, count, *follow).await
        }
        None => from_daemon(&printer, &mut client, &asked, (begin, count), *follow).await,
    }
}

/// The log of a daemon that is not there, where it is by default.
fn left_behind(common: &Common) -> Option<PathBuf> {
    if common.socket.is_some() {
        return None;
    }
    let directories = daemons::default_logs(common);
    directories.into_iter().find(|directory| directory.is_dir())
}

fn filter(units: &[String], since: u64, output: &Output) -> Result<LogFilter, Problem> {
    let pattern = |unit: &String| {
        let name = names::complete_pattern(unit);
        let name = match names::is_pattern(&name) {
            true => name,
            false => Pattern::escape(&names::complete(unit)),
        };
        Pattern::new(&name).map_err(|error| Problem::local(format!("{unit}: {error}")))
    };
    Ok(LogFilter {
        units: units.iter().map(pattern).collect::<Result<_, _>>()?,
        // For people it stands there in words.
        events: !output.is_text(),
        since,
    })
}

async fn from_disk(
    printer: &Printer<'_>,
    directory: &Path,
    filter: LogFilter,
    count: u32,
    follow: bool,
) -> Result<u8, Problem> {
    let failed = |error| {
        let place = directory.display();
        Problem::local(format!("cannot read the log in {place}: {error}"))
    };
    // Before the lines that are there: what comes in between comes twice, and is printed once.
    let follower = follow.then(|| LogFollower::new(directory, filter.clone()));
    let follower = follower.transpose().map_err(failed)?;
    let limit = usize::try_from(count).unwrap_or(usize::MAX);
    let lines = last_lines(directory, &filter, limit).map_err(failed)?;
    let mut newest = lines.last().map_or(0, |line| line.number);
    printer.begin(lines.into_iter().map(Line::from).collect(), follow);
    let Some(mut follower) = follower else {
        return Ok(0);
    };
    let mut first = true;
    // Ends by a signal, or when nobody reads.
    loop {
        let mut lines = follower.next().await.map_err(failed)?;
        if std::mem::take(&mut first) {
            lines.retain(|line| line.number > newest);
        }
        newest = lines.last().map_or(newest, |line| line.number);
        for line in lines {
            printer.line(&line.into());
        }
    }
}

async fn from_daemon(
    printer: &Printer<'_>,
    client: &mut Client,
    units: &[String],
    (since, count): (u64, u32),
    follow: bool,
) -> Result<u8, Problem> {
    let mut lines = client.log(units, count, follow).await?;
    lines.retain(|line| line.time >= since);
    printer.begin(lines, follow);
    if !follow {
        return Ok(0);
    }
    // Ends with the connection, or by a signal.
    loop {
        if let Signal::Logged(line) = client.next_signal().await? {
            printer.line(&line);
        }
    }
}

impl From<LogLine> for Line {
    fn from(line: LogLine) -> Line {
        Line {
            number: line.number,
            time: line.realtime,
            unit: line.unit.map_or_else(String::new, |unit| unit.to_string()),
            pid: line.pid,
            stream: line.stream.as_str().to_owned(),
            text: line.text,
            priority: line.priority,
            invocation: line.invocation,
            fields: line.fields,
        }
    }
}

impl Printer<'_> {
    /// The lines that are there.
    fn begin(&self, lines: Vec<Line>, follow: bool) {
        if self.output.is_text() || follow {
            // Of objects one a line, as nobody can close an array that never ends.
            return lines.iter().for_each(|line| self.line(line));
        }
        let objects: Vec<Json> = lines.iter().map(|line| self.object(line)).collect();
        self.output.json(&objects);
    }

    fn line(&self, line: &Line) {
        match self.output.is_text() {
            true => say(&text(line, self.output, None)),
            false => self.output.json(&self.object(line)),
        }
    }

    fn object(&self, line: &Line) -> Json {
        // Of texts and numbers there is always an object.
        let mut own: Map<String, Json> = match serde_json::to_value(line) {
            Ok(Json::Object(own)) => own,
            Ok(_) | Err(_) => Map::new(),
        };
        let Some(service) = object(&line.text).filter(|_| self.merge) else {
            return Json::Object(own);
        };
        if let Some(message) = message_of(&service) {
            own.insert("text".to_owned(), Json::from(message));
        }
        for (name, value) in service {
            let name = merged_name(&name, |name| own.contains_key(name));
            own.insert(name, value);
        }
        Json::Object(own)
    }
}

/// A line of log for people, with its line end; cut at `width` columns if that is given.
pub(super) fn text(line: &Line, output: &Output, width: Option<usize>) -> String {
    let time = time::stamp(line.time);
    let room = width.map_or(usize::MAX, |width| width.saturating_sub(time.len() + 1));
    let rest = table::shorten(&words(line), room);
    format!("{} {rest}\n", output.painted(&time, FAINT))
}

/// Who wrote it, and what.
fn words(line: &Line) -> String {
    let pid = match line.pid {
        0 => String::new(),
        pid => format!("[{pid}]"),
    };
    let (who, pid) = match (line.stream.as_str(), line.unit.as_str()) {
        // What the manager says of a unit is the manager's word, not the unit's.
        ("manager", "") | (_, "") => ("dd-procmgrd".to_owned(), String::new()),
        ("manager", unit) if line.text.starts_with(unit) => {
            ("dd-procmgrd".to_owned(), String::new())
        }
        ("manager", unit) => (format!("dd-procmgrd: {unit}"), String::new()),
        (_, unit) => (unit.to_owned(), pid),
    };
    format!("{who}{pid}: {}", clean(&line.text))
}

/// The text without control characters, which could play tricks on a terminal.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn output() -> Output {
        Output::plain()
    }

    fn line(unit: &str, pid: i32, stream: &str, text: &str) -> Line {
        Line {
            number: 1,
            time: 0,
            unit: unit.to_owned(),
            pid,
            stream: stream.to_owned(),
            text: text.to_owned(),
            priority: 6,
            invocation: String::new(),
            fields: BTreeMap::new(),
        }
    }

    #[test]
    fn objects_are_taken_in_if_asked() {
        let line = line("a.service", 7, "stdout", r#"{"msg":"hi","pid":"x","n":2}"#);
        let object = |merge| {
            let output = &output();
            Printer { output, merge }.object(&line)
        };
        assert_eq!(object(false)["text"], line.text);
        let merged = object(true);
        assert_eq!((&merged["text"], &merged["n"]), (&"hi".into(), &2.into()));
        assert_eq!(
            (&merged["pid"], &merged["json_pid"]),
            (&7.into(), &"x".into())
        );
    }

    #[test]
    fn lines_say_who_wrote_them() {
        let show = |line: &Line| text(line, &output(), None);
        assert_eq!(
            show(&line("a.service", 7, "stdout", "hi")),
            "- a.service[7]: hi\n"
        );
        assert_eq!(
            show(&line("a.service", 0, "stderr", "x\u{1b}[2Jy")),
            "- a.service: x\u{fffd}[2Jy\n"
        );
        assert_eq!(
            show(&line("a.service", 0, "manager", "a.service: failed")),
            "- dd-procmgrd: a.service: failed\n"
        );
        assert_eq!(
            show(&line("a.service", 0, "manager", "failed")),
            "- dd-procmgrd: a.service: failed\n"
        );
        assert_eq!(show(&line("", 0, "manager", "up")), "- dd-procmgrd: up\n");
        let long = line("a.service", 7, "stdout", "much to say");
        assert_eq!(text(&long, &output(), Some(17)), "- a.service[7]: …\n");
    }
}
