//! The \[Path\] section (systemd.path(5)).

use crate::unit::value::TimeSpan;

/// What of a path is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathKind {
    /// PathExists=: it is there.
    Exists,
    /// PathExistsGlob=: something matches it.
    ExistsGlob,
    /// PathChanged=: it has come, gone or changed, or was closed after it was written to.
    Changed,
    /// PathModified=: as Changed, and each time it is written to.
    Modified,
    /// DirectoryNotEmpty=: something is in it.
    DirectoryNotEmpty,
}

impl PathKind {
    /// Whether it is a state that is waited for, and not a change.
    pub fn is_lasting(self) -> bool {
        match self {
            PathKind::Exists | PathKind::ExistsGlob | PathKind::DirectoryNotEmpty => true,
            PathKind::Changed | PathKind::Modified => false,
        }
    }

    /// The directive's name.
    pub fn directive(self) -> &'static str {
        match self {
            PathKind::Exists => "PathExists",
            PathKind::ExistsGlob => "PathExistsGlob",
            PathKind::Changed => "PathChanged",
            PathKind::Modified => "PathModified",
            PathKind::DirectoryNotEmpty => "DirectoryNotEmpty",
        }
    }
}

/// One path that is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedPath {
    /// For what.
    pub kind: PathKind,
    /// Absolute and tidy.
    pub path: String,
}

/// \[Path\].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathConfig {
    /// What is watched, in order.
    pub paths: Vec<WatchedPath>,
    /// MakeDirectory=.
    pub make_directory: bool,
    /// DirectoryMode=.
    pub directory_mode: u32,
    /// TriggerLimitIntervalSec=; zero for no limit.
    pub trigger_limit_interval: TimeSpan,
    /// TriggerLimitBurst=; zero for no limit.
    pub trigger_limit_burst: u32,
}

impl Default for PathConfig {
    fn default() -> PathConfig {
        PathConfig {
            paths: Vec::new(),
            make_directory: false,
            directory_mode: 0o755,
            trigger_limit_interval: TimeSpan::from_secs(2),
            trigger_limit_burst: 200,
        }
    }
}
