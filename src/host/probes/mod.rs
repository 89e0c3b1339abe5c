//! Makes the attempts of probes that need no process: HTTP requests and connections.
//!
//! Each attempt is a task of its own that the loop never waits for. What a stranger may make
//! large or long is bounded: the time of an attempt by its TimeoutSec=, the answer by
//! [`LARGEST_ANSWER`], the attempts at once by [`AT_ONCE`]; one that waits for its turn uses up
//! none of its time. Names are looked up on a pool thread.

mod http;
#[cfg(test)]
mod tests;

use super::run::{Fact, Host};
use crate::engine::{Event, ProbeOrder, ProbeResult, UnitId};
use crate::unit::config::{ProbeAction, ProbeAddress, ProbeConfig};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// Attempts under way at most.
const AT_ONCE: usize = 256;
/// Bytes of an answer's body that are read at most; more is no failure.
const LARGEST_ANSWER: usize = 10 * 1024;

/// The attempts under way.
#[derive(Debug)]
pub(super) struct Attempts {
    turns: Arc<Semaphore>,
    running: BTreeMap<u64, AbortHandle>,
}

impl Default for Attempts {
    fn default() -> Attempts {
        Attempts {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            running: BTreeMap::new(),
        }
    }
}

/// What an attempt came to.
#[derive(Debug)]
pub(super) struct Attempt {
    unit: UnitId,
    order: u64,
    took: Duration,
    result: ProbeResult,
}

impl Host {
    /// Makes an attempt; answered by `Probed`, unless it is called off.
    pub(super) fn run_probe(&mut self, order: ProbeOrder) {
        let (unit, number) = (order.unit, order.order);
        if self.freezers.contains_key(&unit) {
            let attempt = Attempt {
                unit,
                order: number,
                took: Duration::ZERO,
                result: ProbeResult::NotMade,
            };
            return self.probed(attempt);
        }
        let turns = self.attempts.turns.clone();
        let facts = self.facts.clone();
        let task = tokio::spawn(async move {
            // Fails only once the semaphore is closed, which it never is.
            let _turn = turns.acquire().await;
            let begun = Instant::now();
            let result = attempt(&order).await;
            let _ = facts.send(Fact::Probed(Attempt {
                unit,
                order: number,
                took: begun.elapsed(),
                result,
            }));
        });
        self.attempts.running.insert(number, task.abort_handle());
    }

    /// Calls an attempt off.
    pub(super) fn cancel_probe(&mut self, order: u64) {
        if let Some(task) = self.attempts.running.remove(&order) {
            task.abort();
        }
    }

    /// An attempt has come to an end.
    pub(super) fn probed(&mut self, attempt: Attempt) {
        let Attempt {
            unit,
            order,
            took,
            result,
        } = attempt;
        self.attempts.running.remove(&order);
        self.tell(Event::Probed {
            unit,
            order,
            took: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            result,
        });
    }
}

async fn attempt(order: &ProbeOrder) -> ProbeResult {
    let service = order.config.service();
    let probe = service.and_then(|service| service.probes.get(order.kind));
    let Some((probe, action)) = probe.and_then(|probe| Some((probe, probe.action()?))) else {
        return ProbeResult::NotMade;
    };
    let limit = Duration::from_micros(probe.timeout.as_micros());
    match timeout(limit, carry_out(probe, action)).await {
        Ok(Ok(())) => ProbeResult::Success,
        Ok(Err(reason)) => ProbeResult::Failure(reason),
        Err(_) => ProbeResult::Failure(format!("no answer within {}", probe.timeout)),
    }
}

async fn carry_out(probe: &ProbeConfig, action: ProbeAction<'_>) -> Result<(), String> {
    match action {
        ProbeAction::Http(target) => match &target.address {
            ProbeAddress::Tcp { host, port } => {
                let stream = connect(host, *port).await;
                let stream = stream.map_err(|error| no_connection(&target.address, &error))?;
                http::ask(stream, probe, target).await
            }
            ProbeAddress::Unix(path) => {
                let stream = UnixStream::connect(path).await;
                let stream = stream.map_err(|error| no_connection(&target.address, &error))?;
                http::ask(stream, probe, target).await
            }
        },
        ProbeAction::Tcp(address) => match address {
            ProbeAddress::Tcp { host, port } => connect(host, *port).await.map(drop),
            ProbeAddress::Unix(path) => UnixStream::connect(path).await.map(drop),
        }
        .map_err(|error| no_connection(address, &error)),
        // The engine has commands started as processes.
        ProbeAction::Exec(_) => Err("a command is no request".to_owned()),
    }
}

async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    // An address is its own name, and looked up without anybody being asked.
    for address in lookup_host((host, port)).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn no_connection(address: &ProbeAddress, error: &io::Error) -> String {
    format!("cannot connect to {address}: {error}")
}
