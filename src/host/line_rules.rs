//! What becomes of the lines that processes of a unit write: their level, which of them are
//! left out, and what they are called elsewhere (systemd.exec(5), SyslogLevel=, LogLevelMax=,
//! LogRateLimitIntervalSec=, LogFilterPatterns= and their kin).

use super::handle::Stream;
use super::lines::split_level;
use crate::unit::config::{Backpressure, Cold, ExecConfig, LogSink, Logging, OutputTarget};
use crate::unit::name::UnitName;
use regex_lite::Regex;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Settings, and what is counted. One for each process; the count goes on from one to the next.
#[derive(Debug)]
pub(super) struct LineRules {
    pub(super) settings: Settings,
    denied: Vec<Regex>,
    allowed: Vec<Regex>,
    counts: Arc<Counts>,
}

/// What is counted of the lines of a unit. It stays when its processes are gone, and nothing else does.
#[derive(Debug, Default)]
pub(super) struct Counts {
    window: Mutex<Window>,
    dropped: Mutex<Dropped>,
}

impl Counts {
    fn dropped(&self) -> MutexGuard<'_, Dropped> {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many lines of the unit were left out: thrown away, or too many by LogRateLimitBurst=.
    pub(super) fn lost(&self) -> u64 {
        self.dropped().all + self.window().suppressed_all
    }
}

/// Lines that were thrown away since nobody took them.
#[derive(Debug, Clone, Copy, Default)]
struct Dropped {
    all: u64,
    /// Of them, those that nothing was said of yet.
    untold: u64,
}

/// What does not change while a process runs.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) logging: Cold<Logging>,
    /// What the lines are called in a journal where the unit says nothing: the program.
    program: String,
    /// INVOCATION_ID=.
    pub(super) invocation: String,
    unit: Option<UnitName>,
    output: Route,
    error: Route,
}

/// Where the lines of a stream go besides our own log.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Route {
    pub(super) sink: Option<LogSink>,
    pub(super) console: bool,
}

impl Route {
    fn of(target: &OutputTarget) -> Route {
        match target {
            OutputTarget::LogTo { sink, console } => Route {
                sink: Some(*sink),
                console: *console,
            },
            OutputTarget::Log
            | OutputTarget::Inherit
            | OutputTarget::Null
            | OutputTarget::File(_)
            | OutputTarget::Append(_)
            | OutputTarget::Truncate(_)
            | OutputTarget::Socket
            | OutputTarget::Terminal
            | OutputTarget::Descriptor(_) => Route::default(),
        }
    }
}

/// How many lines there were in the interval that runs.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    begun: Option<u64>,
    passed: u32,
    suppressed: u32,
    /// In all intervals.
    suppressed_all: u64,
}

/// What becomes of a line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Judged<'a> {
    /// Level and text, unless the line is left out.
    pub(super) line: Option<(u8, &'a str)>,
    /// What is to be said about earlier ones.
    pub(super) notice: Option<String>,
}

impl Settings {
    /// The settings of a process that runs `program`, a path.
    pub(super) fn new(
        unit: &UnitName,
        exec: Option<&ExecConfig>,
        program: &str,
        invocation: &str,
    ) -> Settings {
        let name = program.rsplit('/').next().unwrap_or(program);
        Settings {
            logging: exec.map(|exec| exec.logging.clone()).unwrap_or_default(),
            program: name.to_owned(),
            invocation: invocation.to_owned(),
            unit: Some(unit.clone()),
            output: exec.map_or_else(Route::default, |exec| Route::of(&exec.standard_output)),
            error: exec.map_or_else(Route::default, |exec| Route::of(&exec.standard_error)),
        }
    }
}

/// Whether LogLevelMax= lets a level pass.
pub(super) fn is_within(level: u8, most: Option<u8>) -> bool {
    most.is_none_or(|most| level <= most)
}

impl LineRules {
    /// The rules; what was counted so far counts on.
    pub(super) fn new(settings: Settings, counts: Arc<Counts>) -> LineRules {
        let patterns = settings.logging.patterns.iter();
        // Each was tried when the unit was read.
        let regex = |denies| {
            let some = patterns.clone().filter(move |it| it.denies == denies);
            some.filter_map(|it| Regex::new(&it.text).ok()).collect()
        };
        LineRules {
            denied: regex(true),
            allowed: regex(false),
            settings,
            counts,
        }
    }

    /// LogBackpressure=drop: lines that the log does not take in time are thrown away.
    pub(super) fn drops(&self) -> bool {
        self.settings.logging.backpressure == Backpressure::Drop
    }

    /// Some were.
    pub(super) fn add_dropped(&self, lines: u64) {
        let mut dropped = self.counts.dropped();
        dropped.all += lines;
        dropped.untold += lines;
    }

    /// How many were since this was asked last, if any.
    pub(super) fn take_dropped(&self) -> Option<u64> {
        let untold = std::mem::take(&mut self.counts.dropped().untold);
        (untold > 0).then_some(untold)
    }

    /// SyslogIdentifier=.
    pub(super) fn identifier(&self) -> Option<&str> {
        self.settings.logging.identifier.as_deref()
    }

    /// What the lines are called in a log that has no units.
    pub(super) fn name(&self) -> &str {
        self.identifier().unwrap_or(&self.settings.program)
    }

    /// Where else a stream's lines go.
    pub(super) fn route(&self, stream: Stream) -> Route {
        match stream {
            Stream::Stdout => self.settings.output,
            Stream::Stderr => self.settings.error,
            Stream::Manager => Route::default(),
        }
    }

    /// Whether lines of a level are logged.
    pub(super) fn is_wanted(&self, level: u8) -> bool {
        is_within(level, self.settings.logging.level_max)
    }

    /// Judges a line that comes at `now`, in microseconds of a clock that never goes back.
    pub(super) fn judge<'a>(&self, line: &'a str, now: u64) -> Judged<'a> {
        let logging = &self.settings.logging;
        let (own, text) = match logging.level_prefix {
            true => split_level(line),
            false => (None, line),
        };
        let level = own.unwrap_or(logging.level);
        let matches = |list: &[Regex]| list.iter().any(|pattern| pattern.is_match(text));
        let left_out = !self.is_wanted(level)
            || matches(&self.denied)
            || !(self.allowed.is_empty() || matches(&self.allowed));
        if left_out {
            return Judged::default();
        }
        let (passes, suppressed) = self.count(now);
        let notice = |count| format!("{count} lines were left out by LogRateLimitBurst=");
        Judged {
            line: passes.then_some((level, text)),
            notice: suppressed.map(notice),
        }
    }

    /// Whether one more line is within the limit, and how many were not, once that is over.
    fn count(&self, now: u64) -> (bool, Option<u32>) {
        let logging = &self.settings.logging;
        let (interval, burst) = (logging.rate_interval, logging.rate_burst);
        if interval == 0 || burst == 0 {
            return (true, None);
        }
        let mut window = self.counts.window();
        let runs = window
            .begun
            .is_some_and(|begun| now.saturating_sub(begun) < interval);
        if !runs {
            let suppressed = Some(window.suppressed).filter(|count| *count > 0);
            *window = Window {
                begun: Some(now),
                passed: 1,
                suppressed: 0,
                suppressed_all: window.suppressed_all,
            };
            return (true, suppressed);
        }
        if window.passed < burst {
            window.passed += 1;
            return (true, None);
        }
        window.suppressed += 1;
        window.suppressed_all += 1;
        (false, None)
    }

    /// The unit's name.
    pub(super) fn unit(&self) -> &str {
        self.settings.unit.as_ref().map_or("", UnitName::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::config::LogPattern;

    fn rules(change: impl FnOnce(&mut Logging)) -> LineRules {
        let mut settings = Settings::default();
        change(&mut settings.logging);
        LineRules::new(settings, Arc::default())
    }

    fn line(rules: &LineRules, text: &str) -> Option<(u8, String)> {
        let judged = rules.judge(text, 0).line;
        judged.map(|(level, text)| (level, text.to_owned()))
    }

    #[test]
    fn levels_come_from_the_line_or_the_unit() {
        let plain = rules(|_| {});
        assert_eq!(line(&plain, "<3>bad"), Some((3, "bad".into())));
        assert_eq!(line(&plain, "text"), Some((6, "text".into())));
        let other = rules(|logging| {
            logging.level = 4;
            logging.level_prefix = false;
        });
        assert_eq!(line(&other, "<3>bad"), Some((4, "<3>bad".into())));
        let quiet = rules(|logging| logging.level_max = Some(4));
        assert_eq!(line(&quiet, "text"), None);
        assert_eq!(line(&quiet, "<4>text"), Some((4, "text".into())));
        assert!(quiet.is_wanted(3) && !quiet.is_wanted(5));
    }

    #[test]
    fn denied_patterns_come_before_allowed_ones() {
        let pattern = |denies, text: &str| LogPattern {
            denies,
            text: text.to_owned(),
        };
        let denying = rules(|logging| logging.patterns = vec![pattern(true, "^secret")]);
        assert_eq!(line(&denying, "<6>secret x"), None);
        assert!(line(&denying, "no secret").is_some());
        let both = rules(|logging| {
            logging.patterns = vec![
                pattern(false, "a+b"),
                pattern(true, "c"),
                pattern(false, "x"),
            ];
        });
        assert!(line(&both, "aab").is_some() && line(&both, "x").is_some());
        assert!(line(&both, "aabc").is_none() && line(&both, "y").is_none());
    }

    #[test]
    fn a_burst_is_cut_off_and_told_of_later() {
        let rules = rules(|logging| {
            logging.rate_interval = 100;
            logging.rate_burst = 2;
        });
        let passes = |rules: &LineRules, now| rules.judge("x", now).line.is_some();
        assert_eq!(
            [0, 10, 20, 99].map(|now| passes(&rules, now)),
            [true, true, false, false]
        );
        let mut settings = Settings::default();
        settings.logging = rules.settings.logging.clone();
        let next = LineRules::new(settings, rules.counts.clone());
        assert!(!passes(&next, 99));
        let judged = next.judge("x", 100);
        let notice = "3 lines were left out by LogRateLimitBurst=";
        assert_eq!(judged.notice.as_deref(), Some(notice));
        assert!(judged.line.is_some());
        assert_eq!(next.judge("x", 101).notice, None);
        assert_eq!(next.counts.lost(), 3);
    }

    #[test]
    fn what_is_dropped_is_counted_and_told_once() {
        let rules = rules(|logging| logging.backpressure = Backpressure::Drop);
        assert!(rules.drops());
        rules.add_dropped(2);
        rules.add_dropped(3);
        let next = LineRules::new(Settings::default(), rules.counts.clone());
        assert_eq!((next.take_dropped(), next.take_dropped()), (Some(5), None));
        assert!(next.counts.lost() == 5 && !next.drops());
    }
}
