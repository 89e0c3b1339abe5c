//! Which unit directory is for what. The one place that tells persistent and run-time
//! directories apart.
//!
//! - A directory below `/run`, or below the run-time directory that `%t` stands for, holds what
//!   is gone after a reboot; the others persist.
//! - Edits go to the first persistent directory of the load path, with `--runtime` to the first
//!   run-time one. By default these are
//!   `/etc/datadog-agent/process-manager/units` and `/run/datadog/process-manager/units`.
//! - Directories whose last name is `generator`, `generator.early` or `generator.late` hold
//!   what programs made; `transient`, `control` and those that end with `.control` what clients
//!   made; nobody enables that.
//! - Everything else belongs to vendors and is never changed.

use crate::unit::load::{Settings, normal};

/// What a unit directory is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Where the administrator's edits go.
    Persistent,
    /// Where edits go that a reboot forgets.
    Runtime,
    /// What programs generated.
    Generated,
    /// What clients made.
    Transient,
    /// What packages bring.
    Vendor,
}

/// The unit directories, sorted out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directories {
    /// The load path, highest priority first, tidied up.
    pub path: Vec<String>,
    /// Where edits go.
    pub persistent: Option<String>,
    /// Where `--runtime` edits go.
    pub runtime: Option<String>,
    runtime_roots: Vec<String>,
}

impl Directories {
    /// Sorts the load path out.
    pub fn of(settings: &Settings) -> Directories {
        let path: Vec<String> = settings.path.iter().map(|d| normal(d)).collect();
        let mut roots = vec!["/run".to_owned()];
        let own = settings.system.runtime_directory.as_str();
        if !own.is_empty() {
            roots.push(normal(own));
        }
        let mut directories = Directories {
            path: Vec::new(),
            persistent: None,
            runtime: None,
            runtime_roots: roots,
        };
        let ordinary = |d: &&String| made_by(d).is_none();
        let first = |runtime: bool| {
            let mut candidates = path.iter().filter(ordinary);
            candidates
                .find(|d| directories.is_runtime(d) == runtime)
                .cloned()
        };
        (directories.persistent, directories.runtime) = (first(false), first(true));
        directories.path = path;
        directories
    }

    /// Whether a path is among what a reboot forgets.
    pub fn is_runtime(&self, path: &str) -> bool {
        self.runtime_roots.iter().any(|root| is_below(path, root))
    }

    /// The role of a unit directory.
    pub fn role(&self, directory: &str) -> Role {
        let is = |known: &Option<String>| known.as_deref() == Some(directory);
        match made_by(directory) {
            Some(role) => role,
            None if is(&self.persistent) => Role::Persistent,
            None if is(&self.runtime) => Role::Runtime,
            None => Role::Vendor,
        }
    }

    /// Whether a path stands directly in a unit directory.
    pub fn holds(&self, path: &str) -> bool {
        self.path.iter().any(|d| d == parent(path))
    }

    /// Whether a path is anywhere below a unit directory.
    pub fn contains(&self, path: &str) -> bool {
        self.path.iter().any(|directory| is_below(path, directory))
    }
}

fn made_by(directory: &str) -> Option<Role> {
    match last(directory) {
        "generator" | "generator.early" | "generator.late" => Some(Role::Generated),
        "transient" | "control" => Some(Role::Transient),
        // Settings that clients changed stand beside the directory they are for.
        name if name.ends_with(".control") => Some(Role::Transient),
        _ => None,
    }
}

fn is_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory)
        .is_some_and(|rest| rest.starts_with('/'))
}

/// The directory that a path stands in.
pub(super) fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((directory, _)) => directory,
    }
}

/// The last component of a path.
pub(super) fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or("")
}
