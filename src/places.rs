//! Where things are by default: sockets, unit directories, run-time state (DESIGN, "Names and
//! places").
//!
//! Pure: the environment comes in as a lookup, so that the daemon and the command line agree
//! and tests need no process of their own.

use std::path::{Path, PathBuf};

/// The log on the disk, below the directory for what outlives a boot, or for run-time state.
pub const LOG_DIRECTORY: &str = "log";

/// Looks a variable of the environment up.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The default places of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Control socket.
    pub socket: PathBuf,
    /// Unit directories, highest priority first.
    pub unit_path: Vec<PathBuf>,
    /// Run-time state.
    pub runtime: PathBuf,
    /// What outlives a boot.
    pub state: PathBuf,
    /// The daemon's settings file.
    pub config: PathBuf,
}

impl Places {
    /// The defaults of root, or of another user by the XDG variables; DD_PM_SOCKET,
    /// DD_PM_SOCKET_DIR with the daemon's `name`, and DD_PM_UNIT_PATH override.
    pub fn of(root: bool, name: &str, env: Lookup<'_>) -> Places {
        let mut places = if root {
            Places::of_root()
        } else {
            Places::of_user(env)
        };
        if let Some(directory) = set(env, "DD_PM_SOCKET_DIR") {
            places.socket = Path::new(&directory).join(format!("{name}.sock"));
        }
        if let Some(socket) = set(env, "DD_PM_SOCKET") {
            places.socket = socket.into();
        }
        if let Some(path) = set(env, "DD_PM_UNIT_PATH") {
            places.unit_path = places.join_unit_path(&path);
        }
        places
    }

    /// A colon-separated unit path; a trailing `:` appends the directories of `self`.
    pub fn join_unit_path(&self, path: &str) -> Vec<PathBuf> {
        let mut directories: Vec<PathBuf> = path
            .split(':')
            .filter(|p| !p.is_empty())
            .map(PathBuf::from)
            .collect();
        if path.ends_with(':') {
            directories.extend(self.unit_path.iter().cloned());
        }
        directories
    }

    /// Directories where the log of a daemon of this name may be by default.
    pub fn logs(&self, name: &str) -> Vec<PathBuf> {
        let own = |directory: &Path| match name {
            "main" => directory.join(LOG_DIRECTORY),
            name => directory.join("daemons").join(name).join(LOG_DIRECTORY),
        };
        [&self.state, &self.runtime].map(|it| own(it)).into()
    }

    fn of_root() -> Places {
        Places {
            socket: "/run/datadog/process-manager.sock".into(),
            unit_path: vec![
                "/etc/datadog-agent/process-manager/units".into(),
                "/run/datadog/process-manager/units".into(),
                "/usr/lib/dd-procmgr/units".into(),
            ],
            runtime: "/run/datadog/process-manager".into(),
            state: "/var/lib/datadog/process-manager".into(),
            config: "/etc/datadog-agent/process-manager.conf".into(),
        }
    }

    fn of_user(env: Lookup<'_>) -> Places {
        let home = set(env, "HOME").unwrap_or_else(|| "/".to_owned());
        let below_home = |name: &str, default: &str| {
            set(env, name).map_or_else(|| Path::new(&home).join(default), PathBuf::from)
        };
        let config = below_home("XDG_CONFIG_HOME", ".config");
        let data = below_home("XDG_DATA_HOME", ".local/share");
        let state = below_home("XDG_STATE_HOME", ".local/state");
        let runtime = set(env, "XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        Places {
            socket: runtime.join("datadog/process-manager.sock"),
            unit_path: vec![
                config.join("datadog-agent/process-manager/units"),
                runtime.join("datadog/process-manager/units"),
                data.join("dd-procmgr/units"),
            ],
            runtime: runtime.join("datadog/process-manager"),
            state: state.join("datadog/process-manager"),
            config: config.join("datadog/process-manager.conf"),
        }
    }
}

fn set(env: Lookup<'_>, name: &str) -> Option<String> {
    env(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(root: bool, vars: &[(&str, &str)]) -> Places {
        Places::of(root, "main", &|name| {
            vars.iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| (*v).to_owned())
        })
    }

    #[test]
    fn defaults_and_overrides() {
        assert_eq!(
            places(true, &[]).socket,
            Path::new("/run/datadog/process-manager.sock")
        );
        let user = places(
            false,
            &[("XDG_RUNTIME_DIR", "/run/user/7"), ("HOME", "/home/x")],
        );
        assert_eq!(
            user.socket,
            Path::new("/run/user/7/datadog/process-manager.sock")
        );
        assert_eq!(
            user.config,
            Path::new("/home/x/.config/datadog/process-manager.conf")
        );
        let many = places(true, &[("DD_PM_SOCKET_DIR", "/run/datadog/pm")]);
        assert_eq!(many.socket, Path::new("/run/datadog/pm/main.sock"));
        assert_eq!(
            places(true, &[("DD_PM_UNIT_PATH", "/a:/b")])
                .unit_path
                .len(),
            2
        );
        assert_eq!(
            places(true, &[("DD_PM_UNIT_PATH", "/a:")]).unit_path.len(),
            4
        );
    }
}
