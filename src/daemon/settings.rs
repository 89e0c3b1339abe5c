//! The settings file: INI with one section \[Manager\], keys named as in systemd-system.conf(5).
//! A key given twice counts with its last value.

mod table;

use super::arguments::KeepServices;
use crate::bus::Readers;
use crate::unit::config::Accounting;
use crate::unit::directive;
use crate::unit::environment::is_valid_name;
use crate::unit::words;
use configparser::ini::{Ini, IniDefault};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Settings {
    /// LogLevel=.
    pub(super) log_level: Option<String>,
    /// LogTarget=.
    pub(super) log_target: LogTarget,
    /// LogMaxUse=, in bytes.
    pub(super) log_max_use: Option<u64>,
    /// MergeJSON=.
    pub(super) merge_json: bool,
    /// DefaultEnvironment=.
    pub(super) environment: Vec<(String, String)>,
    /// ReadAccess=.
    pub(super) read_access: ReadAccess,
    /// AllowDegraded=.
    pub(super) allow_degraded: BTreeSet<String>,
    /// DefaultCPUAccounting= and its kin.
    pub(super) accounting: Accounting,
    /// KeepServices=.
    pub(super) keep: KeepServices,
    /// HTTP=.
    pub(super) http: Option<String>,
    /// NodeMetrics=.
    pub(super) node_metrics: bool,
    /// DogStatsD=.
    pub(super) dogstatsd: Option<String>,
    /// What is worth a warning, each naming the file.
    pub(super) warnings: Vec<String>,
}

/// Where the log goes besides the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum LogTarget {
    /// To the journal if standard error leads there, else as [`LogTarget::Console`].
    #[default]
    Auto,
    /// To the standard streams.
    Console,
    /// To the journal.
    Journal,
}

impl LogTarget {
    fn parse(word: &str) -> Result<LogTarget, String> {
        match word {
            "auto" => Ok(LogTarget::Auto),
            "console" => Ok(LogTarget::Console),
            "journal" => Ok(LogTarget::Journal),
            _ => Err(format!(
                "LogTarget={word} is none of auto, console, journal"
            )),
        }
    }
}

/// Who besides root and the daemon's user may connect, to read only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum ReadAccess {
    /// Nobody.
    Nobody,
    /// The group of the socket.
    #[default]
    Group,
    /// Everybody.
    All,
}

impl ReadAccess {
    fn parse(word: &str) -> Result<ReadAccess, String> {
        match word {
            "none" => Ok(ReadAccess::Nobody),
            "group" => Ok(ReadAccess::Group),
            "all" => Ok(ReadAccess::All),
            _ => Err(format!("ReadAccess={word} is none of none, group, all")),
        }
    }

    /// The mode of the control socket.
    pub(super) fn mode(self) -> u32 {
        match self {
            ReadAccess::Nobody => 0o600,
            ReadAccess::Group => 0o660,
            ReadAccess::All => 0o666,
        }
    }

    /// The same for callers on a message bus.
    pub(super) fn readers(self) -> Readers {
        match self {
            ReadAccess::Nobody => Readers::Nobody,
            ReadAccess::Group => Readers::Group(nix::unistd::getegid().as_raw()),
            ReadAccess::All => Readers::All,
        }
    }
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum SettingsError {
    /// It cannot be read.
    #[error("cannot read the settings file {0}: {1}")]
    Read(PathBuf, io::Error),
    /// It is no INI file.
    #[error("cannot understand the settings file {0}: {1}")]
    Syntax(PathBuf, String),
}

/// Reads the file. Unless it was asked for, a missing one says nothing and one that may not be
/// read only earns a warning: a container often runs with somebody else's HOME.
///
/// # Errors
/// See [`SettingsError`].
pub(super) fn read(path: &Path, must_exist: bool) -> Result<Settings, SettingsError> {
    judge(path, std::fs::read_to_string(path), must_exist)
}

fn judge(
    path: &Path,
    content: io::Result<String>,
    must_exist: bool,
) -> Result<Settings, SettingsError> {
    match content {
        Ok(text) => parse(path, text),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => {
            Ok(Settings::default())
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !must_exist => {
            let warning = SettingsError::Read(path.to_owned(), error).to_string();
            Ok(Settings {
                warnings: vec![warning],
                ..Settings::default()
            })
        }
        Err(error) => Err(SettingsError::Read(path.to_owned(), error)),
    }
}

fn parse(path: &Path, text: String) -> Result<Settings, SettingsError> {
    let mut defaults = IniDefault::default();
    defaults.case_sensitive = true;
    defaults.delimiters = vec!['='];
    defaults.comment_symbols = vec![';', '#'];
    defaults.enable_inline_comments = false;
    let mut ini = Ini::new_from_defaults(defaults);
    let sections = ini
        .read(text)
        .map_err(|error| SettingsError::Syntax(path.to_owned(), error))?;
    let mut settings = Settings::default();
    // The parser's map has no order; ours must have one.
    let sections: std::collections::BTreeMap<_, _> = sections.into_iter().collect();
    for (section, keys) in sections {
        let keys: std::collections::BTreeMap<_, _> = keys.into_iter().collect();
        for (key, value) in keys {
            let warning = settings.set(&section, &key, value.as_deref().unwrap_or_default());
            if let Err(warning) = warning {
                let warning = format!("{}: {warning}", path.display());
                settings.warnings.push(warning);
            }
        }
    }
    Ok(settings)
}

impl Settings {
    fn set(&mut self, section: &str, key: &str, value: &str) -> Result<(), String> {
        let set = match (section, table::find(key)) {
            ("Manager", Some(setting)) => (setting.set)(self, value),
            ("Manager", None) => Err(format!("unknown setting {key}=")),
            ("default", _) => Err(format!("{key}= stands before any section")),
            (section, _) => Err(format!("unknown setting [{section}] {key}=")),
        };
        set.map_err(|error| format!("{error}; ignored"))
    }
}

fn directives(value: &str) -> Result<BTreeSet<String>, String> {
    let words = words::split(value).map_err(|(_, error)| error.to_string())?;
    let names = words.into_iter().map(|word| word.text);
    names
        .map(
            |name| match directive::table().any(|row| row.name == name) {
                true => Ok(name),
                false => Err(format!(
                    "AllowDegraded= holds \"{name}\", which is no directive"
                )),
            },
        )
        .collect()
}

fn assignments(value: &str) -> Result<Vec<(String, String)>, String> {
    let words = words::split(value).map_err(|(_, error)| error.to_string())?;
    words
        .into_iter()
        .map(|word| match word.text.split_once('=') {
            Some((name, value)) if is_valid_name(name) => Ok((name.to_owned(), value.to_owned())),
            _ => Err(format!(
                "DefaultEnvironment= holds \"{}\", which is no assignment",
                word.text
            )),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        parse(Path::new("/x.conf"), text.to_owned()).unwrap()
    }

    #[test]
    fn known_keys() {
        let settings =
            settings("# comment\n[Manager]\nLogLevel=debug\nDefaultEnvironment=A=/a;b \"B=x y\"\n");
        assert_eq!(settings.log_level.as_deref(), Some("debug"));
        assert_eq!(
            settings.environment,
            [("A".into(), "/a;b".into()), ("B".into(), "x y".into())]
        );
        assert_eq!(settings.warnings, [] as [&str; 0]);
        assert_eq!(settings.read_access.mode(), 0o660);
    }

    #[test]
    fn who_may_read() {
        let mode = |word: &str| {
            let settings = settings(&format!("[Manager]\nReadAccess={word}\n"));
            (settings.read_access.mode(), settings.warnings.len())
        };
        assert_eq!(mode("none"), (0o600, 0));
        assert_eq!(mode("all"), (0o666, 0));
        assert_eq!(mode("some"), (0o660, 1));
    }

    #[test]
    fn what_is_served() {
        let settings = settings("[Manager]\nHTTP=:80\nNodeMetrics=on\nDogStatsD=unix:/s\n");
        assert_eq!(settings.http.as_deref(), Some(":80"));
        assert_eq!(settings.dogstatsd.as_deref(), Some("unix:/s"));
        assert!(settings.node_metrics && settings.warnings.is_empty());
        let wrong = parse(
            Path::new("/x"),
            "[Manager]\nNodeMetrics=perhaps\n".to_owned(),
        )
        .unwrap();
        assert!(!wrong.node_metrics && wrong.warnings.len() == 1);
    }

    #[test]
    fn what_is_unknown_is_told() {
        let settings = settings("Stray=1\n[Manager]\nloglevel=debug\n[Other]\nA=b\n");
        assert_eq!(settings.log_level, None);
        assert_eq!(settings.warnings.len(), 3);
        assert!(settings.warnings.iter().all(|w| w.starts_with("/x.conf: ")));
    }

    #[test]
    fn missing_files() {
        let missing = Path::new("/no/such/file.conf");
        assert_eq!(read(missing, false).unwrap(), Settings::default());
        assert!(read(missing, true).is_err());
        assert!(parse(missing, "[Manager\n".to_owned()).is_err());
        let denied = || Err(io::ErrorKind::PermissionDenied.into());
        assert_eq!(judge(missing, denied(), false).unwrap().warnings.len(), 1);
        assert!(judge(missing, denied(), true).is_err());
    }
}
