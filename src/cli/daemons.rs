//! Which daemon to talk to: one by its socket, or those whose sockets lie in DD_PM_SOCKET_DIR.

use super::args::Common;
use super::client::Client;
use super::error::Problem;
use super::fields::Fields;
use super::names;
use super::output::complain;
use crate::places::Places;
use std::fs;
use std::path::{Path, PathBuf};

/// A daemon by its name and socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Daemon {
    /// What its socket is called, without `.sock`.
    pub(super) name: String,
    /// The socket.
    pub(super) socket: PathBuf,
}

fn set(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// All daemons of the socket directory; nothing if one was chosen or there is no directory.
///
/// # Errors
/// The directory cannot be read.
pub(super) fn all(common: &Common) -> Result<Option<Vec<Daemon>>, Problem> {
    let chosen = common.socket.is_some()
        || common.daemon.is_some()
        || ["DD_PM_SOCKET", "DD_PM_NAME"]
            .iter()
            .any(|name| set(name).is_some());
    match set("DD_PM_SOCKET_DIR") {
        Some(directory) if !chosen => scan(Path::new(&directory)).map(Some),
        _ => Ok(None),
    }
}

/// The sockets of a directory, by name.
fn scan(directory: &Path) -> Result<Vec<Daemon>, Problem> {
    let entries = fs::read_dir(directory).map_err(|error| {
        Problem::local(format!(
            "cannot read the socket directory {}: {error}",
            directory.display()
        ))
    })?;
    let daemon = |path: PathBuf| {
        let name = path.file_name()?.to_str()?.strip_suffix(".sock")?;
        Some(Daemon {
            name: name.to_owned(),
            socket: path,
        })
    };
    let mut daemons: Vec<Daemon> = entries
        .filter_map(|entry| daemon(entry.ok()?.path()))
        .collect();
    daemons.sort_by(|a, b| a.name.cmp(&b.name));
    if daemons.is_empty() {
        return Err(Problem::local(format!(
            "no daemon has a socket in {}",
            directory.display()
        )));
    }
    Ok(daemons)
}

/// Connects to each; who does not answer is told of and left out.
pub(super) async fn connect(daemons: &[Daemon]) -> Vec<(Daemon, Client)> {
    let mut connected = Vec::new();
    for daemon in daemons {
        match Client::connect(&daemon.socket).await {
            Ok(client) => connected.push((daemon.clone(), client)),
            Err(problem) => {
                let first = problem.message.lines().next().unwrap_or_default();
                complain(&format!("daemon {}: {first}", daemon.name));
            }
        }
    }
    connected
}

/// The socket for a command that names these units: the option's, the environment's, or of
/// several daemons the one that has them.
///
/// # Errors
/// Several daemons have them, or none can be told from the others.
pub(super) async fn choose(common: &Common, units: &[String]) -> Result<PathBuf, Problem> {
    if let Some(socket) = &common.socket {
        return Ok(socket.clone());
    }
    if let (Some(name), Some(directory)) = (&common.daemon, set("DD_PM_SOCKET_DIR")) {
        let daemons = scan(Path::new(&directory))?;
        let found = daemons.iter().find(|daemon| daemon.name == *name);
        return found.map(|daemon| daemon.socket.clone()).ok_or_else(|| {
            Problem::local(format!("no daemon {name} has a socket in {directory}"))
        });
    }
    match all(common)? {
        Some(daemons) => among(daemons, units).await,
        None => Ok(default_socket(common.daemon.as_deref())),
    }
}

/// The socket of this daemon, or of the environment's.
pub(super) fn default_socket(daemon: Option<&str>) -> PathBuf {
    default_places(daemon).1.socket
}

/// Where the log of the daemon may be that is spoken to by default.
pub(super) fn default_logs(common: &Common) -> Vec<PathBuf> {
    let (name, places) = default_places(common.daemon.as_deref());
    places.logs(&name)
}

fn default_places(daemon: Option<&str>) -> (String, Places) {
    let env = |name: &str| std::env::var(name).ok();
    let named = daemon.map(str::to_owned).or_else(|| set("DD_PM_NAME"));
    let name = named.unwrap_or_else(|| "main".to_owned());
    let root = nix::unistd::geteuid().is_root();
    let places = Places::of(root, &name, &env);
    (name, places)
}

async fn among(daemons: Vec<Daemon>, units: &[String]) -> Result<PathBuf, Problem> {
    if let [only] = daemons.as_slice() {
        return Ok(only.socket.clone());
    }
    let mut living = connect(&daemons).await;
    match living.as_slice() {
        [] => return Err(Problem::local("none of the daemons answers")),
        [(only, _)] => return Ok(only.socket.clone()),
        _ => {}
    }
    let mut owner: Option<(String, Daemon)> = None;
    for unit in units {
        let mut having = Vec::new();
        for (daemon, client) in &mut living {
            if has(client, unit).await? {
                having.push(daemon.clone());
            }
        }
        match (having.as_slice(), &owner) {
            ([], _) => {}
            ([one], None) => owner = Some((unit.clone(), one.clone())),
            ([one], Some((_, known))) if one == known => {}
            ([one], Some((other, known))) => {
                return Err(Problem::local(format!(
                    "{other} is in daemon {}, {unit} in daemon {}; name one daemon with --daemon",
                    known.name, one.name
                )));
            }
            (several, _) => {
                let names: Vec<&str> = several.iter().map(|d| d.name.as_str()).collect();
                return Err(Problem::local(format!(
                    "{unit} is in several daemons ({}); name one with --daemon",
                    names.join(", ")
                )));
            }
        }
    }
    match owner {
        Some((_, daemon)) => Ok(daemon.socket),
        None => {
            let names: Vec<&str> = living.iter().map(|(d, _)| d.name.as_str()).collect();
            Err(Problem::local(format!(
                "there are several daemons ({}); name one with --daemon",
                names.join(", ")
            )))
        }
    }
}

/// Whether a daemon has a unit, or one that matches.
async fn has(client: &mut Client, unit: &str) -> Result<bool, Problem> {
    if names::is_pattern(unit) {
        return Ok(!names::expand(client, &[unit.to_owned()]).await?.is_empty());
    }
    let properties = client.unit(&names::complete(unit)).await?;
    Ok(properties.text("LoadState") != "not-found")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_have_names() {
        let dir = tempfile::tempdir().unwrap();
        assert!(scan(dir.path()).is_err());
        for name in ["b.sock", "a.sock", "a.sock.lock", "x"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let names: Vec<String> = scan(dir.path())
            .unwrap()
            .into_iter()
            .map(|d| d.name)
            .collect();
        assert_eq!(names, ["a", "b"]);
        assert!(scan(&dir.path().join("gone")).is_err());
    }
}
