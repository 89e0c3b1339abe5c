//! The daemon's own log: lines for people on standard error, JSON on standard output, or entries of
//! the journal.

use crate::bus::LogControl;
use crate::host::{Console, JournalEntry, LogForm, UNIT_TARGET};
use std::fmt::{self, Write};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, reload};

/// Reads a level: syslog's words as in systemd, and tracing's.
///
/// # Errors
/// It is no level.
pub(super) fn parse_level(text: &str) -> Result<LevelFilter, String> {
    match text.to_ascii_lowercase().as_str() {
        "emerg" | "alert" | "crit" | "err" | "error" | "0" | "1" | "2" | "3" => {
            Ok(LevelFilter::ERROR)
        }
        "warning" | "warn" | "4" => Ok(LevelFilter::WARN),
        "notice" | "info" | "5" | "6" => Ok(LevelFilter::INFO),
        "debug" | "7" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        "off" | "null" => Ok(LevelFilter::OFF),
        _ => Err(format!(
            "\"{text}\" is not a log level (error, warning, info, debug, trace)"
        )),
    }
}

/// Starts logging, once in the life of the process. What units write is shown whatever the
/// level, as there is no other place it goes to. Returns what changes the level later.
pub(super) fn start(level: LevelFilter, console: Arc<Console>) -> Control {
    let (targets, handle) = reload::Layer::new(targets(level));
    let registry = tracing_subscriber::registry().with(targets);
    // Fails only if a test has set another one.
    let form = console.form();
    let entries = Entries(console.clone());
    let writer = move || Writing(console.clone());
    let _ = match form {
        LogForm::Text { color } => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .with_ansi(color)
                    .event_format(Lines)
                    .with_writer(writer),
            )
            .try_init(),
        LogForm::Json { .. } => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .json()
                    .flatten_event(true)
                    .with_current_span(false)
                    .with_span_list(false)
                    .with_writer(writer),
            )
            .try_init(),
        LogForm::Journal => registry.with(entries).try_init(),
    };
    Control {
        handle,
        level: Mutex::new(level),
        target: match form {
            LogForm::Text { .. } | LogForm::Json { .. } => "console",
            LogForm::Journal => "journal",
        },
    }
}

/// A line on its way to the daemon's standard streams: nothing waits for it.
struct Writing(Arc<Console>);

impl io::Write for Writing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_now(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn targets(level: LevelFilter) -> Targets {
    Targets::new()
        .with_default(level)
        .with_target("zbus", level.min(LevelFilter::WARN))
        .with_target(UNIT_TARGET, LevelFilter::TRACE)
}

/// The log's level, to be changed by clients.
pub(super) struct Control {
    handle: reload::Handle<Targets, Registry>,
    level: Mutex<LevelFilter>,
    target: &'static str,
}

impl LogControl for Control {
    fn level(&self) -> String {
        let level = *self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let word = match level.into_level() {
            Some(Level::ERROR) => "err",
            Some(Level::WARN) => "warning",
            Some(Level::INFO) => "info",
            Some(Level::DEBUG | Level::TRACE) => "debug",
            None => "null",
        };
        word.to_owned()
    }

    fn set_level(&self, level: &str) -> Result<(), String> {
        let level = parse_level(level)?;
        self.handle
            .reload(targets(level))
            .map_err(|error| error.to_string())?;
        *self.level.lock().unwrap_or_else(PoisonError::into_inner) = level;
        Ok(())
    }

    fn target(&self) -> String {
        self.target.to_owned()
    }
}

/// The daemon's lines as entries of the journal, with the fields that systemd gives its own.
struct Entries(Arc<Console>);

impl<S: Subscriber> Layer<S> for Entries {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        let mut parts = Parts::default();
        event.record(&mut parts);
        let mut entry = JournalEntry::of_manager(priority, &parts.to_string());
        if let Some(unit) = &parts.unit {
            entry.about(unit, &parts.invocation);
        }
        self.0.write_entry(&entry);
    }
}

/// `time level unit[pid]: text key=value`.
struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        SystemTime.format_time(&mut writer)?;
        let (word, colour) = level_word(*event.metadata().level());
        if writer.has_ansi_escapes() {
            write!(writer, " \x1b[{colour}m{word}\x1b[0m ")?;
        } else {
            write!(writer, " {word} ")?;
        }
        let mut parts = Parts::default();
        event.record(&mut parts);
        writeln!(writer, "{parts}")
    }
}

fn level_word(level: Level) -> (&'static str, &'static str) {
    match level {
        Level::ERROR => ("error", "31"),
        Level::WARN => ("warn ", "33"),
        Level::INFO => ("info ", "32"),
        Level::DEBUG => ("debug", "34"),
        Level::TRACE => ("trace", "35"),
    }
}

/// The fields of one event.
#[derive(Debug, Default)]
struct Parts {
    unit: Option<String>,
    pid: Option<i64>,
    /// Not shown to people.
    invocation: String,
    message: String,
    others: String,
}

impl Visit for Parts {
    fn record_i64(&mut self, field: &Field, value: i64) {
        if field.name() == "pid" {
            self.pid = Some(value);
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "unit" => self.unit = Some(format!("{value:?}")),
            "message" => self.message = format!("{value:?}"),
            "invocation" => self.invocation = format!("{value:?}"),
            // Writing to a String cannot fail.
            name => drop(write!(self.others, " {name}={value:?}")),
        }
    }
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.unit, self.pid) {
            (Some(unit), Some(pid)) => write!(f, "{unit}[{pid}]: ")?,
            (Some(unit), None) => write!(f, "{unit}: ")?,
            (None, Some(pid)) => write!(f, "[{pid}]: ")?,
            (None, None) => {}
        }
        // What a service writes must not steer the terminal of who reads it.
        for character in self.message.chars() {
            if character.is_control() && character != '\t' {
                write!(f, "{}", character.escape_default())?;
            } else {
                f.write_char(character)?;
            }
        }
        f.write_str(&self.others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_name_unit_and_process() {
        let sink = Sink::default();
        let writer = sink.clone();
        let subscriber = tracing_subscriber::registry().with(
            tracing_subscriber::fmt::layer()
                .with_ansi(false)
                .event_format(Lines)
                .with_writer(move || writer.clone()),
        );
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "unit", unit = %"a.service", pid = 7, "red \x1b[31m");
            tracing::warn!(count = 3, invocation = Some("0123"), "plain");
        });
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].ends_with("Z info  a.service[7]: red \\u{1b}[31m"),
            "{text}"
        );
        assert!(lines[1].ends_with("Z warn  plain count=3"), "{text}");
    }

    #[test]
    fn levels() {
        assert_eq!(parse_level("Warning"), Ok(LevelFilter::WARN));
        assert_eq!(parse_level("7"), Ok(LevelFilter::DEBUG));
        assert!(parse_level("loud").is_err());
    }
}
