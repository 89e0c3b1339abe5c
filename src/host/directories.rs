//! Managed directories (RuntimeDirectory= and kin): which to make for a start, under which
//! names services are told of them, and what goes when a unit is dead.

use crate::exec::plan::PlannedDirectory;
use crate::unit::config::{DirectoryKind, ExecConfig};
use crate::unit::specifier::SystemFacts;
use std::collections::BTreeSet;
use std::fs;
use std::io;
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

/// All directories of a service, to be made before its first command. Configuration
/// directories stay with the manager's user (M13).
pub(super) fn planned(
    exec: &ExecConfig,
    system: &SystemFacts,
    owner: Option<(u32, u32)>,
) -> Vec<PlannedDirectory> {
    let mut planned = Vec::new();
    for kind in DirectoryKind::ALL {
        let Some(directories) = exec.directories.get(&kind) else {
            continue;
        };
        planned.extend(directories.paths.iter().map(|path| PlannedDirectory {
            path: format!("{}/{path}", base(kind, system)),
            mode: directories.mode,
            owner: owner.filter(|_| kind != DirectoryKind::Configuration),
            exit_status: exit_status(kind),
        }));
    }
    planned
}

/// The directories that stay writable in spite of other settings: all but those of the
/// configuration (systemd.exec(5), ProtectSystem=).
pub(super) fn writable(exec: &ExecConfig, system: &SystemFacts) -> Vec<String> {
    let kinds = DirectoryKind::ALL.into_iter();
    let kinds = kinds.filter(|kind| *kind != DirectoryKind::Configuration);
    kinds
        .filter_map(|kind| Some((kind, exec.directories.get(&kind)?)))
        .flat_map(|(kind, directories)| {
            let base = base(kind, system);
            directories
                .paths
                .iter()
                .map(move |path| format!("{base}/{path}"))
        })
        .collect()
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Removal {
    pid_file: Option<String>,
    directories: Vec<String>,
    /// Paths that stay, with the directories around them.
    kept: Arc<Vec<PathBuf>>,
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
        let paths = exec
            .directories
            .get(&DirectoryKind::Runtime)
            .filter(|_| runtime_directories)
            .map_or(&[][..], |directories| &directories.paths);
        let root = base(DirectoryKind::Runtime, system);
        Removal {
            pid_file: pid_file.map(str::to_owned),
            directories: paths.iter().map(|path| format!("{root}/{path}")).collect(),
            kept: kept.clone(),
        }
    }

    /// All directories of these kinds, for `clean`.
    pub(super) fn of_kinds(
        exec: &ExecConfig,
        system: &SystemFacts,
        kinds: &BTreeSet<DirectoryKind>,
        kept: &Arc<Vec<PathBuf>>,
    ) -> Removal {
        let paths = kinds.iter().flat_map(|kind| {
            let of_kind = exec.directories.get(kind);
            let paths = of_kind.map_or(&[][..], |directories| &directories.paths);
            let root = base(*kind, system);
            paths.iter().map(move |path| format!("{root}/{path}"))
        });
        Removal {
            pid_file: None,
            directories: paths.collect(),
            kept: kept.clone(),
        }
    }

    /// More directories that go.
    pub(super) fn add(&mut self, directories: Vec<String>) {
        self.directories.extend(directories);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pid_file.is_none() && self.directories.is_empty()
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
            exec.directories
                .insert(kind, Directories { paths, mode: 0o750 });
        }
        let system = SystemFacts {
            runtime_directory: run.to_str().unwrap().to_owned(),
            configuration_directory: "/etc".into(),
            ..SystemFacts::default()
        };
        (exec, system)
    }

    #[test]
    fn plans_and_names() {
        let (exec, system) = setup(Path::new("/run"));
        let planned = planned(&exec, &system, Some((7, 8)));
        assert_eq!(planned[1].path, "/run/b/c");
        assert_eq!(planned[1].owner, Some((7, 8)));
        assert_eq!((planned[1].mode, planned[1].exit_status), (0o750, 233));
        assert_eq!(planned[2].path, "/etc/d");
        assert_eq!(planned[2].owner, None);
        assert_eq!(
            variables(&exec, &system)[0],
            ("RUNTIME_DIRECTORY".into(), "/run/a:/run/b/c".into())
        );
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
