//! Managed directories (RuntimeDirectory= and kin): which to make for a start, under which
//! names services are told of them, and what goes when a unit is dead.

use super::ipc::{self, Owner};
use super::isolation::{Accounts, Left};
use super::terminal;
use crate::unit::config::{DirectoryKind, ExecConfig, Terminal};
use crate::unit::specifier::SystemFacts;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the directories of a kind are.
fn base(kind: DirectoryKind, system: &SystemFacts) -> &str {
    match kind {
        DirectoryKind::Runtime => &system.runtime_directory,
        DirectoryKind::State => &system.state_directory,
        DirectoryKind::Cache => &system.cache_directory,
        DirectoryKind::Logs => &system.logs_directory,
        DirectoryKind::Configuration => &system.configuration_directory,
    }
}

/// The exit status of a start whose directory cannot be made (M19).
fn exit_status(kind: DirectoryKind) -> u8 {
    match kind {
        DirectoryKind::Runtime => 233,
        DirectoryKind::State => 238,
        DirectoryKind::Cache => 239,
        DirectoryKind::Logs => 240,
        DirectoryKind::Configuration => 241,
    }
}

/// The variable that names the directories of a kind (E10).
fn variable(kind: DirectoryKind) -> &'static str {
    match kind {
        DirectoryKind::Runtime => "RUNTIME_DIRECTORY",
        DirectoryKind::State => "STATE_DIRECTORY",
        DirectoryKind::Cache => "CACHE_DIRECTORY",
        DirectoryKind::Logs => "LOGS_DIRECTORY",
        DirectoryKind::Configuration => "CONFIGURATION_DIRECTORY",
    }
}

/// One managed directory that a unit wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Where those of its kind are, absolute.
    pub(super) base: String,
    /// Its path below.
    pub(super) name: String,
    /// Whether it lies behind `private`, with a link to it in its place.
    pub(super) private: bool,
    /// More links to it, below the base.
    pub(super) links: Vec<String>,
    pub(super) mode: u32,
    /// The exit status of a start that cannot have it (M19).
    pub(super) exit_status: u8,
    /// It is the administrator's: mode and owner stay as they are.
    pub(super) configuration: bool,
}

impl Wanted {
    /// Where everybody looks for it.
    pub(super) fn public(&self) -> PathBuf {
        Path::new(&self.base).join(&self.name)
    }

    /// What only root can enter.
    pub(super) fn private_root(&self) -> PathBuf {
        Path::new(&self.base).join("private")
    }

    /// Where it lies if it is a dynamic user's.
    pub(super) fn hidden(&self) -> PathBuf {
        self.private_root().join(&self.name)
    }

    /// Where it lies.
    fn place(&self) -> PathBuf {
        if self.private {
            self.hidden()
        } else {
            self.public()
        }
    }

    /// What goes with it: links, and wherever it may lie.
    fn all_places(&self) -> Vec<String> {
        let links = self.links.iter();
        let links = links.map(|link| Path::new(&self.base).join(link));
        let hidden = self.private.then(|| self.hidden());
        let places = links.chain([self.public()]).chain(hidden);
        places.map(|path| path.display().to_string()).collect()
    }
}

/// All directories of a unit.
pub(super) fn wanted(exec: &ExecConfig, system: &SystemFacts) -> Vec<Wanted> {
    let kinds = DirectoryKind::ALL.into_iter();
    kinds
        .flat_map(|kind| wanted_of(exec, system, kind))
        .collect()
}

fn wanted_of(exec: &ExecConfig, system: &SystemFacts, kind: DirectoryKind) -> Vec<Wanted> {
    let Some(directories) = exec.directories.get(&kind) else {
        return Vec::new();
    };
    let wanted = |name: &String| {
        let links = directories.links.iter().filter(|(of, _)| of == name);
        Wanted {
            base: base(kind, system).to_owned(),
            name: name.clone(),
            private: exec.is_private(kind),
            links: links.map(|(_, link)| link.clone()).collect(),
            mode: directories.mode,
            exit_status: exit_status(kind),
            configuration: kind == DirectoryKind::Configuration,
        }
    };
    directories.paths.iter().map(wanted).collect()
}

/// The directories that stay writable in spite of other settings: all but those of the
/// configuration (systemd.exec(5), ProtectSystem=).
pub(super) fn writable(exec: &ExecConfig, system: &SystemFacts) -> Vec<String> {
    let all = wanted(exec, system).into_iter();
    let open = all.filter(|wanted| !wanted.configuration && !wanted.private);
    open.map(|wanted| wanted.public().display().to_string())
        .collect()
}

/// Those behind `private`, which the unit gets to see there alone: the place all of a kind are
/// in, and each.
pub(super) fn private(exec: &ExecConfig, system: &SystemFacts) -> Vec<(String, String)> {
    let all = wanted(exec, system).into_iter();
    all.filter(|wanted| wanted.private)
        .map(|wanted| {
            let root = wanted.private_root().display().to_string();
            (root, wanted.hidden().display().to_string())
        })
        .collect()
}

/// The owners of what there is already: a dynamic user gets the number that it had before.
pub(super) fn owners(exec: &ExecConfig, system: &SystemFacts) -> Vec<u32> {
    let all = wanted(exec, system).into_iter();
    let all = all.filter(|wanted| !wanted.configuration);
    let found = all.filter_map(|wanted| fs::symlink_metadata(wanted.place()).ok());
    found.map(|found| found.uid()).collect()
}

/// RUNTIME_DIRECTORY= and kin.
pub(super) fn variables(exec: &ExecConfig, system: &SystemFacts) -> Vec<(String, String)> {
    DirectoryKind::ALL
        .into_iter()
        .filter_map(|kind| {
            let directories = exec.directories.get(&kind)?;
            let paths: Vec<String> = directories
                .paths
                .iter()
                .map(|path| format!("{}/{path}", base(kind, system)))
                .collect();
            (!paths.is_empty()).then(|| (variable(kind).to_owned(), paths.join(":")))
        })
        .collect()
}

/// What is left to remove of a dead unit; made on the loop, carried out off it.
#[derive(Debug, Default)]
pub(super) struct Removal {
    pid_file: Option<String>,
    directories: Vec<String>,
    /// Paths that stay, with the directories around them.
    kept: Arc<Vec<PathBuf>>,
    /// Whose IPC objects go.
    ipc: Option<Owner>,
    /// The terminal that is made ready for the next who has it.
    terminal: Option<Terminal>,
    /// Held until everything is gone: nobody gets a number that still owns something.
    _accounts: Option<Arc<Accounts>>,
}

impl Removal {
    /// The PID file, and the runtime directories if they are to go. `kept` are the daemon's
    /// own files: RuntimeDirectory=datadog of the agent lies around the default control socket.
    pub(super) fn new(
        pid_file: Option<&str>,
        exec: &ExecConfig,
        system: &SystemFacts,
        runtime_directories: bool,
        kept: &Arc<Vec<PathBuf>>,
    ) -> Removal {
        let of_runtime = wanted_of(exec, system, DirectoryKind::Runtime);
        let going = of_runtime.iter().filter(|_| runtime_directories);
        Removal {
            pid_file: pid_file.map(str::to_owned),
            directories: going.flat_map(Wanted::all_places).collect(),
            kept: kept.clone(),
            terminal: exec
                .terminal
                .is_reverted()
                .then(|| Terminal::clone(&exec.terminal)),
            ..Removal::default()
        }
    }

    /// All directories of these kinds, for `clean`.
    pub(super) fn of_kinds(
        exec: &ExecConfig,
        system: &SystemFacts,
        kinds: &BTreeSet<DirectoryKind>,
        kept: &Arc<Vec<PathBuf>>,
    ) -> Removal {
        let all = kinds.iter().flat_map(|kind| wanted_of(exec, system, *kind));
        Removal {
            directories: all.flat_map(|wanted| wanted.all_places()).collect(),
            kept: kept.clone(),
            ..Removal::default()
        }
    }

    /// What the unit's processes shared goes, too.
    pub(super) fn add(&mut self, left: Left) {
        self.directories.extend(left.directories);
        self.ipc = left.ipc;
        self._accounts = left.accounts;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pid_file.is_none()
            && self.directories.is_empty()
            && self.ipc.is_none()
            && self.terminal.is_none()
    }

    /// Removes it all; only the innermost directory of `a/b` goes (M13). Returns what could
    /// not be removed. May block.
    pub(super) fn carry_out(&self) -> Vec<String> {
        let mut failures = Vec::new();
        let mut note = |path: &str, result: io::Result<()>| match result {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                failures.push(format!("cannot remove {path}: {error}"));
            }
            Ok(()) | Err(_) => {}
        };
        if let Some(path) = &self.pid_file {
            note(path, fs::remove_file(path));
        }
        for path in &self.directories {
            note(path, remove_tree(Path::new(path), &self.kept));
        }
        failures.extend(self.ipc.into_iter().flat_map(ipc::clean));
        failures.extend(self.terminal.iter().flat_map(terminal::revert));
        failures
    }
}

/// Removes a directory and all below it but what is kept and leads there. A link in place of
/// the directory is not followed.
fn remove_tree(path: &Path, kept: &[PathBuf]) -> io::Result<()> {
    if kept.iter().any(|keep| path.starts_with(keep)) {
        return Ok(());
    }
    if !path.symlink_metadata()?.is_dir() {
        return fs::remove_file(path);
    }
    if !kept.iter().any(|keep| keep.starts_with(path)) {
        return fs::remove_dir_all(path);
    }
    for entry in fs::read_dir(path)? {
        remove_tree(&entry?.path(), kept)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::config::Directories;

    fn setup(run: &Path) -> (ExecConfig, SystemFacts) {
        let mut exec = ExecConfig::default();
        for (kind, paths) in [
            (
                DirectoryKind::Runtime,
                vec!["a".to_owned(), "b/c".to_owned()],
            ),
            (DirectoryKind::Configuration, vec!["d".to_owned()]),
        ] {
            exec.directories.insert(
                kind,
                Directories {
                    paths,
                    mode: 0o750,
                    ..Directories::default()
                },
            );
        }
        let system = SystemFacts {
            runtime_directory: run.to_str().unwrap().to_owned(),
            configuration_directory: "/etc".into(),
            ..SystemFacts::default()
        };
        (exec, system)
    }

    #[test]
    fn wanted_and_named() {
        let (exec, system) = setup(Path::new("/run"));
        let all = wanted(&exec, &system);
        assert_eq!(all[1].public(), Path::new("/run/b/c"));
        assert_eq!((all[1].mode, all[1].exit_status), (0o750, 233));
        assert!(all[2].configuration && all[2].public() == Path::new("/etc/d"));
        assert_eq!(
            variables(&exec, &system)[0],
            ("RUNTIME_DIRECTORY".into(), "/run/a:/run/b/c".into())
        );
        assert_eq!(writable(&exec, &system), ["/run/a", "/run/b/c"]);
    }

    #[test]
    fn links_and_hidden_directories_go_with_the_others() {
        let run = tempfile::tempdir().unwrap();
        let (mut exec, system) = setup(run.path());
        exec.dynamic_user = true;
        exec.runtime_directory_preserve = crate::unit::config::PreserveMode::Restart;
        let directories = exec.directories.get_mut(&DirectoryKind::Runtime).unwrap();
        directories.links = vec![("a".into(), "link".into())];
        fs::create_dir_all(run.path().join("private/a/deep")).unwrap();
        std::os::unix::fs::symlink("private/a", run.path().join("a")).unwrap();
        std::os::unix::fs::symlink("a", run.path().join("link")).unwrap();
        assert_eq!(writable(&exec, &system), [] as [&str; 0]);
        let place = |name: &str| run.path().join(name).display().to_string();
        assert_eq!(
            private(&exec, &system)[0],
            (place("private"), place("private/a"))
        );
        let removal = Removal::new(None, &exec, &system, true, &none());
        assert_eq!(removal.carry_out(), [] as [&str; 0]);
        for name in ["a", "link", "private/a"] {
            assert!(run.path().join(name).symlink_metadata().is_err(), "{name}");
        }
    }

    #[test]
    fn removes_innermost_only() {
        let run = tempfile::tempdir().unwrap();
        let (exec, system) = setup(run.path());
        fs::create_dir_all(run.path().join("a/deep")).unwrap();
        fs::create_dir_all(run.path().join("b/c")).unwrap();
        let pid_file = run.path().join("x.pid");
        fs::write(&pid_file, "1").unwrap();
        let pid_file = pid_file.to_str();
        assert!(Removal::new(None, &exec, &system, false, &none()).is_empty());
        let removal = Removal::new(pid_file, &exec, &system, true, &none());
        assert_eq!(removal.carry_out(), [] as [&str; 0]);
        assert!(!run.path().join("a").exists() && !run.path().join("b/c").exists());
        assert!(run.path().join("b").exists() && !run.path().join("x.pid").exists());
        assert!(removal.carry_out().is_empty());
    }

    fn none() -> Arc<Vec<PathBuf>> {
        Arc::default()
    }

    #[test]
    fn the_daemons_own_files_stay() {
        let run = tempfile::tempdir().unwrap();
        let (exec, system) = setup(run.path());
        fs::create_dir_all(run.path().join("a/state/deep")).unwrap();
        fs::create_dir_all(run.path().join("a/other")).unwrap();
        for name in ["a/pm.sock", "a/x", "a/state/lock", "a/other/y"] {
            fs::write(run.path().join(name), "").unwrap();
        }
        let kept = Arc::new(vec![
            run.path().join("a/pm.sock"),
            run.path().join("a/state"),
        ]);
        let removal = Removal::new(None, &exec, &system, true, &kept);
        assert_eq!(removal.carry_out(), [] as [&str; 0]);
        for (name, stays) in [
            ("a/pm.sock", true),
            ("a/state/lock", true),
            ("a/state/deep", true),
            ("a/x", false),
            ("a/other", false),
        ] {
            assert_eq!(run.path().join(name).exists(), stays, "{name}");
        }
    }

    #[test]
    fn a_link_is_not_followed() {
        let run = tempfile::tempdir().unwrap();
        let (exec, system) = setup(run.path());
        let target = tempfile::tempdir().unwrap();
        fs::write(target.path().join("precious"), "").unwrap();
        std::os::unix::fs::symlink(target.path(), run.path().join("a")).unwrap();
        Removal::new(None, &exec, &system, true, &none()).carry_out();
        assert!(target.path().join("precious").exists());
        assert!(!run.path().join("a").is_symlink());
    }
}
