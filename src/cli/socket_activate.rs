//! `socket-activate`: one command for some sockets, without a unit or a daemon.

use super::args::Activation;
use super::error::Problem;
use super::output::complain;
use crate::offline::activation;
use crate::unit::config::ListenKind;

/// Variables that the command gets without being asked for, as with systemd-socket-activate.
const PASSED: [&str; 5] = ["PATH", "HOME", "USER", "LOGNAME", "TERM"];

/// Listens and runs the command; its exit status.
pub(super) async fn run(arguments: &Activation) -> Result<u8, Problem> {
    let directory = std::env::current_dir()
        .map_err(|error| Problem::local(format!("cannot find the working directory: {error}")))?;
    let names = arguments.fdname.as_deref().unwrap_or_default();
    let path = std::env::var("PATH").unwrap_or_default();
    let activation = activation::Activation {
        listen: arguments.listen.clone(),
        kind: if arguments.datagram {
            ListenKind::Datagram
        } else if arguments.seqpacket {
            ListenKind::SequentialPacket
        } else {
            ListenKind::Stream
        },
        accept: arguments.accept,
        inetd: arguments.inetd,
        names: names
            .split(':')
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
        environment: environment(&arguments.environment),
        command: arguments.command.clone(),
        directory: directory.to_string_lossy().into_owned(),
        search_path: path
            .split(':')
            .filter(|part| part.starts_with('/'))
            .map(str::to_owned)
            .collect(),
    };
    activation::run(&activation, &complain)
        .await
        .map_err(Problem::local)
}

/// The usual variables, and what `-E` asks for.
fn environment(asked: &[String]) -> Vec<(String, String)> {
    let own = |name: &str| Some((name.to_owned(), std::env::var(name).ok()?));
    let mut variables: Vec<(String, String)> = PASSED.into_iter().filter_map(own).collect();
    for word in asked {
        let variable = match word.split_once('=') {
            Some((name, value)) => Some((name.to_owned(), value.to_owned())),
            None => own(word),
        };
        if let Some((name, value)) = variable {
            variables.retain(|(known, _)| *known != name);
            variables.push((name, value));
        }
    }
    variables
}
