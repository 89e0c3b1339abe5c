//! org.freedesktop.systemd1 on the control socket.
//!
//! Sends requests through `host::Handle` and reads `engine::inspect`; nothing else. zbus types
//! stay in here and in `cli::client`: zbus does the handshake and the framing, calls are
//! dispatched here over the raw messages, because its object server wants every object
//! registered and cannot load a unit that somebody looks at.
//!
//! A connection speaks peer to peer, as systemctl does on its private socket, until it calls
//! Hello; from then on it is treated as on a bus: names, match rules, destinations.
//!
//! Besides, as a client of a real bus: the same objects under a name of our own (`outside`), and who
//! has the names that services of Type=dbus take there (`watch`).
//!
//! Invariants: the reply to a call that makes a job goes out before the job's signals; a
//! client that does not read is dropped, never waited for.

mod access;
mod backlog;
mod callers;
mod connection;
mod dispatch;
mod dump;
mod encode;
mod environment;
mod failure;
mod header;
mod health;
mod hub;
mod introspect;
mod jobs;
mod list;
mod log_control;
mod manager;
mod member;
mod monitor;
mod names;
mod news;
mod offline;
mod outside;
mod own;
mod path;
mod plan;
mod properties;
mod rule;
mod scope;
mod secret;
mod socket;
mod table_members;
mod transient;
mod unit;
mod unit_files;
mod value;
mod watch;

#[cfg(test)]
mod tests;

pub use log_control::LogControl;
pub use offline::{encoded_properties, unit_properties};
pub use outside::{DEFAULT_NAME, Outside, Readers};
pub use watch::{BusAddress, watch_names};

use crate::host::{Handle, give_memory_back};
use hub::Hub;
use std::io;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

/// The unique name under which the manager answers; its own well-known names lead to it.
const MANAGER_UNIQUE_NAME: &str = ":1.0";

/// How long to wait after a failed accept (too many descriptors, mostly) before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves clients on the control socket, and on a message bus if one is given, until the loop
/// behind `handle` ends; `log` is the log that org.freedesktop.LogControl1 controls.
///
/// # Errors
/// The listener cannot be used.
pub async fn serve(
    listener: UnixListener,
    handle: Handle,
    log: Arc<dyn LogControl>,
    outside: Option<Outside>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::UnixListener::from_std(listener)?;
    let hub = Arc::new(Hub::new(handle.clone(), log));
    let mut connections = tokio::task::JoinSet::new();
    if let Some(outside) = outside {
        connections.spawn(outside::serve(hub.clone(), outside));
    }
    let mut news = tokio::spawn(news::pump(hub.clone(), handle.news()));
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection::serve(hub.clone(), stream));
                }
                Err(error) => {
                    tracing::warn!("cannot accept a connection on the control socket: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {
                if hub.is_rush_ebbing() {
                    give_memory_back();
                }
            }
            _ = &mut news => return Ok(()),
        }
    }
}
