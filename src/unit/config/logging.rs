//! What becomes of the lines that processes write (systemd.exec(5), "LOGGING AND STANDARD
//! INPUT/OUTPUT").

/// A log beside our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogSink {
    /// The journal, where there is one.
    Journal,
    /// The kernel's ring buffer.
    Kernel,
}

/// LogBackpressure= in [X-Procmgr]: what happens to lines that the log does not take in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backpressure {
    /// Who writes them waits.
    #[default]
    Block,
    /// They are thrown away and counted.
    Drop,
}

/// One LogFilterPatterns=.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPattern {
    /// `~`: lines that match are left out; otherwise only lines that match are logged.
    pub denies: bool,
    /// A regular expression.
    pub text: String,
}

/// Settings of the lines of a unit. Levels and facilities are numbers of syslog(3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    /// SyslogIdentifier=; unset it is the program's name.
    pub identifier: Option<String>,
    /// SyslogFacility=.
    pub facility: u8,
    /// SyslogLevel=: of lines without a level of their own.
    pub level: u8,
    /// SyslogLevelPrefix=: whether `<3>` before a line is its level.
    pub level_prefix: bool,
    /// LogLevelMax=: less important lines are left out.
    pub level_max: Option<u8>,
    /// LogRateLimitIntervalSec=, in microseconds; 0 is no limit.
    pub rate_interval: u64,
    /// LogRateLimitBurst=: lines within the interval; 0 is no limit.
    pub rate_burst: u32,
    /// LogExtraFields=: `NAME=value` for the journal.
    pub extra_fields: Vec<Vec<u8>>,
    /// LogFilterPatterns=.
    pub patterns: Vec<LogPattern>,
    /// LogBackpressure=.
    pub backpressure: Backpressure,
}

impl Default for Logging {
    fn default() -> Logging {
        Logging {
            identifier: None,
            facility: 3,
            level: 6,
            level_prefix: true,
            level_max: None,
            rate_interval: 0,
            rate_burst: 0,
            extra_fields: Vec::new(),
            patterns: Vec::new(),
            backpressure: Backpressure::default(),
        }
    }
}
