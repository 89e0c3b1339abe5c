//! What the stand-in is told to be.
//!
//! Three sources, the later ones win: variables `STAND_IN_<OPTION>`, the file `<program>.stand-in`
//! beside the program (a line an option: `stop-delay 2`), and the command line (`--stop-delay 2`,
//! `--stop-delay=2`). Called `stand-in-agent` it refuses options it does not know; under any
//! other name it takes the arguments of the agent it stands in for and heeds only those it knows.

use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// How a crash ends the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CrashWith {
    /// With this exit code.
    Code(u8),
    /// By this signal.
    Signal(Signal),
}

/// All of them; see `OPTIONS` for what they mean.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) name: String,
    pub(crate) ready_after: Duration,
    pub(crate) notify: bool,
    pub(crate) listen: Option<String>,
    pub(crate) http: Option<String>,
    pub(crate) stop_delay: Duration,
    pub(crate) ignore_term: bool,
    pub(crate) crash_after: Option<Duration>,
    pub(crate) crash_on: Option<PathBuf>,
    pub(crate) crash_with: CrashWith,
    pub(crate) run_for: Option<Duration>,
    pub(crate) exit_code: u8,
    pub(crate) fork: bool,
    pub(crate) children: u32,
    pub(crate) children_ignore_term: bool,
    pub(crate) print_env: Option<PathBuf>,
    pub(crate) record: Option<PathBuf>,
    pub(crate) pidfile: Option<PathBuf>,
    pub(crate) lines: u32,
    pub(crate) barrier: bool,
    pub(crate) bus_name: Option<String>,
    pub(crate) bus_release_on: Option<PathBuf>,
    pub(crate) store: Option<String>,
    pub(crate) passed_to: Option<PathBuf>,
    pub(crate) store_until_end: Option<String>,
}

type Setter = fn(&mut Options, &str) -> Result<(), String>;

/// One option: its names, the first being ours and the rest those of real agents, whether a
/// value follows, what it means, and how it is taken.
struct Row {
    names: &'static [&'static str],
    valued: bool,
    meaning: &'static str,
    set: Setter,
}

#[rustfmt::skip]
const OPTIONS: &[Row] = &[
    Row { names: &["--name"], valued: true, meaning: "what it calls itself",
        set: |o, v| { v.clone_into(&mut o.name); Ok(()) } },
    Row { names: &["--ready-after"], valued: true, meaning: "seconds until it is ready",
        set: |o, v| { o.ready_after = seconds(v)?; Ok(()) } },
    Row { names: &["--notify"], valued: false, meaning: "says READY=1 to NOTIFY_SOCKET",
        set: |o, v| { o.notify = switch(v)?; Ok(()) } },
    Row { names: &["--listen"], valued: true, meaning: "HOST:PORT, unix:PATH or passed: answers with its name and pid",
        set: |o, v| { o.listen = Some(v.to_owned()); Ok(()) } },
    Row { names: &["--http"], valued: true, meaning: "HOST:PORT, unix:PATH or passed: serves /live, /ready, /sick, /well, /crash",
        set: |o, v| { o.http = Some(v.to_owned()); Ok(()) } },
    Row { names: &["--stop-delay"], valued: true, meaning: "seconds between SIGTERM and its end",
        set: |o, v| { o.stop_delay = seconds(v)?; Ok(()) } },
    Row { names: &["--ignore-term"], valued: false, meaning: "only SIGKILL ends it",
        set: |o, v| { o.ignore_term = switch(v)?; Ok(()) } },
    Row { names: &["--crash-after"], valued: true, meaning: "seconds until it crashes (SIGUSR1 crashes it at once)",
        set: |o, v| { o.crash_after = Some(seconds(v)?); Ok(()) } },
    Row { names: &["--crash-on"], valued: true, meaning: "a file whose appearance crashes it",
        set: |o, v| { o.crash_on = Some(v.into()); Ok(()) } },
    Row { names: &["--crash-with"], valued: true, meaning: "exit code (1) or signal name of a crash",
        set: |o, v| { o.crash_with = crash_with(v)?; Ok(()) } },
    Row { names: &["--run-for"], valued: true, meaning: "seconds until it ends by itself",
        set: |o, v| { o.run_for = Some(seconds(v)?); Ok(()) } },
    Row { names: &["--exit-code"], valued: true, meaning: "exit code of an end that is no crash (0)",
        set: |o, v| { o.exit_code = number(v)?; Ok(()) } },
    Row { names: &["--fork"], valued: false, meaning: "forks twice into the background, the parent leaves when it is ready",
        set: |o, v| { o.fork = switch(v)?; Ok(()) } },
    Row { names: &["--children"], valued: true, meaning: "so many processes in sessions of their own, orphaned",
        set: |o, v| { o.children = number(v)?; Ok(()) } },
    Row { names: &["--children-ignore-term"], valued: false, meaning: "only SIGKILL ends these",
        set: |o, v| { o.children_ignore_term = switch(v)?; Ok(()) } },
    Row { names: &["--print-env"], valued: true, meaning: "a file for its environment",
        set: |o, v| { o.print_env = Some(v.into()); Ok(()) } },
    Row { names: &["--record"], valued: true, meaning: "a file that gets a line per event: MONOTONIC_USEC NAME EVENT PID",
        set: |o, v| { o.record = Some(v.into()); Ok(()) } },
    Row { names: &["--pidfile", "--pid", "-p"], valued: true, meaning: "a file for its pid, gone again after a clean end",
        set: |o, v| { o.pidfile = Some(v.into()); Ok(()) } },
    Row { names: &["--lines"], valued: true, meaning: "so many numbered lines on standard output at the start",
        set: |o, v| { o.lines = number(v)?; Ok(()) } },
    Row { names: &["--barrier"], valued: false, meaning: "once ready, waits until the manager has read all it said",
        set: |o, v| { o.barrier = switch(v)?; Ok(()) } },
    Row { names: &["--bus-name"], valued: true, meaning: "a name taken on the system bus when it is ready",
        set: |o, v| { o.bus_name = Some(v.to_owned()); Ok(()) } },
    Row { names: &["--bus-release-on"], valued: true, meaning: "a file whose appearance makes it give that name up",
        set: |o, v| { o.bus_release_on = Some(v.into()); Ok(()) } },
    Row { names: &["--store"], valued: true, meaning: "a name under which it gives the manager a descriptor to keep, at each start",
        set: |o, v| { o.store = Some(v.to_owned()); Ok(()) } },
    Row { names: &["--passed-to"], valued: true, meaning: "a file for what was passed to it, a line each: NAME WHERE | KIND | TYPE",
        set: |o, v| { o.passed_to = Some(v.into()); Ok(()) } },
    Row { names: &["--store-until-end"], valued: true, meaning: "as --store, with a descriptor that is hung up when it ends",
        set: |o, v| { o.store_until_end = Some(v.to_owned()); Ok(()) } },
];

impl Options {
    /// Puts the three sources together.
    pub(crate) fn gather() -> Result<Options, String> {
        let program = std::env::current_exe().map_err(|error| format!("who am I: {error}"))?;
        let name = program
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let mut options = Options::named(&name);
        options.take_variables(&|name| std::env::var(name).ok())?;
        options.take_file(&beside(&program))?;
        let words: Vec<String> = std::env::args().skip(1).collect();
        options.take_words(&words, name == "stand-in-agent")?;
        Ok(options)
    }

    fn named(name: &str) -> Options {
        Options {
            name: name.to_owned(),
            ready_after: Duration::ZERO,
            notify: false,
            listen: None,
            http: None,
            stop_delay: Duration::ZERO,
            ignore_term: false,
            crash_after: None,
            crash_on: None,
            crash_with: CrashWith::Code(1),
            run_for: None,
            exit_code: 0,
            fork: false,
            children: 0,
            children_ignore_term: false,
            print_env: None,
            record: None,
            pidfile: None,
            lines: 0,
            barrier: false,
            bus_name: None,
            bus_release_on: None,
            store: None,
            passed_to: None,
            store_until_end: None,
        }
    }

    fn take_variables(&mut self, lookup: &dyn Fn(&str) -> Option<String>) -> Result<(), String> {
        for row in OPTIONS {
            let stem = row.names[0].trim_start_matches('-').replace('-', "_");
            let variable = format!("STAND_IN_{}", stem.to_uppercase());
            if let Some(value) = lookup(&variable) {
                (row.set)(self, &value).map_err(|error| format!("{variable}: {error}"))?;
            }
        }
        Ok(())
    }

    fn take_file(&mut self, file: &Path) -> Result<(), String> {
        let Ok(text) = std::fs::read_to_string(file) else {
            return Ok(());
        };
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let (name, value) = line.trim().split_once(' ').unwrap_or((line.trim(), "yes"));
            let place = || format!("{}: {line}", file.display());
            let row = find(&format!("--{name}")).ok_or_else(|| format!("{}: unknown", place()))?;
            (row.set)(self, value.trim()).map_err(|error| format!("{}: {error}", place()))?;
        }
        Ok(())
    }

    /// `strict` refuses what it does not know.
    fn take_words(&mut self, words: &[String], strict: bool) -> Result<(), String> {
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let (name, attached) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            if strict && name == "--help" {
                return Err(help());
            }
            let Some(row) = find(name) else {
                if strict {
                    return Err(format!("unknown option {word}; --help lists all"));
                }
                continue;
            };
            let value = match (row.valued, attached) {
                (_, Some(value)) => value,
                (false, None) => "yes".to_owned(),
                (true, None) => words
                    .next()
                    .ok_or_else(|| format!("{name} needs a value"))?
                    .clone(),
            };
            (row.set)(self, &value).map_err(|error| format!("{word}: {error}"))?;
        }
        Ok(())
    }
}

fn find(name: &str) -> Option<&'static Row> {
    OPTIONS.iter().find(|row| row.names.contains(&name))
}

fn beside(program: &Path) -> PathBuf {
    let mut file = program.as_os_str().to_owned();
    file.push(".stand-in");
    file.into()
}

fn help() -> String {
    let lines: Vec<String> = OPTIONS
        .iter()
        .map(|row| {
            let value = if row.valued { " VALUE" } else { "" };
            format!(
                "  {:<28} {}",
                format!("{}{value}", row.names[0]),
                row.meaning
            )
        })
        .collect();
    format!("options:\n{}", lines.join("\n"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = number(text)?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn switch(text: &str) -> Result<bool, String> {
    match text {
        "yes" | "1" => Ok(true),
        "no" | "0" | "" => Ok(false),
        _ => Err("yes or no is wanted".to_owned()),
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

fn crash_with(text: &str) -> Result<CrashWith, String> {
    if let Ok(code) = text.parse() {
        return Ok(CrashWith::Code(code));
    }
    Signal::from_str(text)
        .map(CrashWith::Signal)
        .map_err(|_| format!("{text} is neither an exit code nor a signal"))
}
