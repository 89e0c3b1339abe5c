//! The environment services start from, and what environment files add.

use super::bounded;
use super::facts::read_assignments;
use crate::unit::config::EnvironmentFile;
use crate::unit::environment::parse_file;
use crate::unit::specifier::SystemFacts;
use std::io;
use std::path::{Path, PathBuf};

/// Largest environment file, in bytes: as in systemd 252.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// Where the daemon runs (DESIGN, "Names and places").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// On a host, beside or below another manager.
    Host,
    /// As PID 1 or entrypoint of a container.
    Container,
    /// In a container of a pod.
    Kubernetes,
}

impl Mode {
    /// `host`, `container` or `kubernetes`.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Host => "host",
            Mode::Container => "container",
            Mode::Kubernetes => "kubernetes",
        }
    }
}

/// What every service gets to begin with: a clean environment in host mode, the daemon's own
/// in a container, without what is meant for the daemon itself.
pub fn base(mode: Mode, own: &[(String, String)], system: &SystemFacts) -> Vec<(String, String)> {
    match mode {
        Mode::Host => clean(own, system),
        Mode::Container | Mode::Kubernetes => {
            let mut variables: Vec<_> = inheritable(own);
            if !variables.iter().any(|(name, _)| name == "PATH") {
                variables.push(("PATH".to_owned(), default_path()));
            }
            variables
        }
    }
}

/// The daemon's own variables that a service may see at all.
pub fn inheritable(own: &[(String, String)]) -> Vec<(String, String)> {
    own.iter()
        .filter(|(name, _)| !is_ours(name))
        .cloned()
        .collect()
}

/// Whether a variable speaks to the daemon itself.
fn is_ours(name: &str) -> bool {
    const PREFIXES: [&str; 3] = ["DD_PM_", "LISTEN_", "WATCHDOG_"];
    const NAMES: [&str; 8] = [
        "NOTIFY_SOCKET",
        "INVOCATION_ID",
        "JOURNAL_STREAM",
        "MAINPID",
        "MANAGERPID",
        "SYSTEMD_EXEC_PID",
        "FDSTORE",
        "CREDENTIALS_DIRECTORY",
    ];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.contains(&name)
}

/// PATH and the locale; for a manager that is not root also who it is (systemd.exec(5),
/// "ENVIRONMENT VARIABLES IN SPAWNED PROCESSES").
fn clean(own: &[(String, String)], system: &SystemFacts) -> Vec<(String, String)> {
    let mut variables = vec![("PATH".to_owned(), default_path())];
    variables.extend(locale());
    if system.uid != 0 {
        for (name, value) in [
            ("USER", &system.user),
            ("LOGNAME", &system.user),
            ("HOME", &system.home),
            ("SHELL", &system.shell),
        ] {
            variables.push((name.to_owned(), value.clone()));
        }
        variables.extend(own.iter().filter(|(n, _)| n == "XDG_RUNTIME_DIR").cloned());
    }
    variables
}

/// The PATH of systemd.exec(5); the last two only where they are not links to the others.
fn default_path() -> String {
    let mut path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin".to_owned();
    if !Path::new("/bin").is_symlink() {
        path.push_str(":/sbin:/bin");
    }
    path
}

/// The machine's locale settings, or LANG=C.UTF-8.
fn locale() -> Vec<(String, String)> {
    let found = ["/etc/locale.conf", "/etc/default/locale"]
        .into_iter()
        .map(|path| read_assignments(Path::new(path)))
        .find(|settings| !settings.is_empty())
        .unwrap_or_default();
    let variables: Vec<_> = found
        .into_iter()
        .filter(|(name, value)| {
            (name == "LANG" || name == "LANGUAGE" || name.starts_with("LC_")) && !value.is_empty()
        })
        .collect();
    if variables.is_empty() {
        return vec![("LANG".to_owned(), "C.UTF-8".to_owned())];
    }
    variables
}

/// Why an environment file stops the start (E2, E4).
#[derive(Debug, thiserror::Error)]
pub(super) enum EnvironmentFileError {
    /// It cannot be read.
    #[error("cannot read the environment file {0}: {1}")]
    Read(String, io::Error),
    /// It holds what no variable can be.
    #[error("the environment file {0} cannot be used: {1}")]
    Parse(String, String),
}

/// Reads all environment files in order; later ones win. May block.
///
/// # Errors
/// One that is not optional is missing, or one cannot be understood.
pub(super) fn read_files(
    files: &[EnvironmentFile],
) -> Result<Vec<(String, String)>, EnvironmentFileError> {
    let mut variables = Vec::new();
    for file in files {
        let paths = matches(file)?;
        for path in paths {
            let shown = path.display().to_string();
            let content = match read(&path) {
                Ok(content) => content,
                Err(_) if file.optional => continue,
                Err(error) => return Err(EnvironmentFileError::Read(shown, error)),
            };
            let found = parse_file(&content)
                .map_err(|error| EnvironmentFileError::Parse(shown, error.to_string()))?;
            variables.extend(found);
        }
    }
    Ok(variables)
}

/// Devices, too: /dev/null is a way to say none.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    bounded::read_to_end(bounded::open(path)?, MAX_FILE)
}

/// The files a path or pattern names, sorted. A pattern without match is a missing file.
fn matches(file: &EnvironmentFile) -> Result<Vec<PathBuf>, EnvironmentFileError> {
    if !file.path.contains(['*', '?', '[']) {
        return Ok(vec![PathBuf::from(&file.path)]);
    }
    let paths = glob::glob(&file.path)
        .map_err(|error| EnvironmentFileError::Parse(file.path.clone(), error.to_string()))?;
    let found: Vec<PathBuf> = paths.filter_map(Result::ok).collect();
    if found.is_empty() && !file.optional {
        let error = io::Error::from(io::ErrorKind::NotFound);
        return Err(EnvironmentFileError::Read(file.path.clone(), error));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Vec<(String, String)> {
        [
            ("DD_API_KEY", "k"),
            ("DD_PM_SOCKET", "/x"),
            ("NOTIFY_SOCKET", "/n"),
            ("LISTEN_FDS", "1"),
            ("WATCHDOG_USEC", "1"),
            ("PATH", "/p"),
        ]
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .into()
    }

    #[test]
    fn containers_inherit_but_for_our_own() {
        let variables = base(Mode::Container, &own(), &SystemFacts::default());
        let names: Vec<_> = variables.iter().map(|(n, _)| n.as_str()).collect();
        assert_eq!(names, ["DD_API_KEY", "PATH"]);
    }

    #[test]
    fn hosts_are_clean() {
        let variables = base(Mode::Host, &own(), &SystemFacts::default());
        assert!(variables.iter().all(|(n, _)| n != "DD_API_KEY"));
        assert!(
            variables
                .iter()
                .any(|(n, v)| n == "PATH" && v.contains("/usr/bin"))
        );
        assert!(variables.iter().any(|(n, _)| n == "LANG"));
        assert!(variables.iter().all(|(n, _)| n != "HOME"));
        let user = SystemFacts {
            uid: 1000,
            home: "/home/x".into(),
            ..SystemFacts::default()
        };
        let variables = base(Mode::Host, &own(), &user);
        assert!(variables.contains(&("HOME".into(), "/home/x".into())));
    }

    #[test]
    fn missing_files_matter_unless_optional() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, optional| EnvironmentFile {
            path: dir.path().join(name).to_str().unwrap().to_owned(),
            optional,
        };
        assert!(read_files(&[file("none", true), file("*.env", true)]).is_ok());
        let error = read_files(&[file("none", false)]).unwrap_err().to_string();
        assert!(error.contains("none: No such file"), "{error}");
        assert!(read_files(&[file("*.env", false)]).is_err());
        use std::fs;
        fs::write(dir.path().join("b.env"), "A=2\n").unwrap();
        fs::write(dir.path().join("a.env"), "A=1\n").unwrap();
        let paths = matches(&file("*.env", false)).unwrap();
        assert!(paths[0].ends_with("a.env") && paths[1].ends_with("b.env"));
    }

    #[test]
    fn what_never_ends_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let read = |path: &Path, optional| {
            let path = path.to_str().unwrap().to_owned();
            read_files(&[EnvironmentFile { path, optional }])
        };
        let error = read(&fifo, false).unwrap_err().to_string();
        assert!(error.ends_with("fifo: not a regular file"), "{error}");
        assert!(read(&fifo, true).is_ok());
        let error = read(Path::new("/dev/zero"), false).unwrap_err().to_string();
        assert!(error.ends_with("larger than 64 MiB"), "{error}");
        assert!(read(Path::new("/dev/null"), false).unwrap().is_empty());
    }
}
