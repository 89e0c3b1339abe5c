//! What this process was executed with: the state of an earlier program of its own, or
//! descriptors from the service manager (sd_listen_fds(3)).

use super::setup::StartError;
use crate::host::{CONTROL, Carried, Recovered, inherited_descriptor};
use rustix::net::SocketAddrUnix;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// The first descriptor that a service manager passes.
const FIRST: i32 = 3;
/// The key of a control socket that somebody else has bound, and removes.
pub(super) const GIVEN: &str = "control-given";

/// What came over execve.
#[derive(Debug, Default)]
pub(super) struct Inherited {
    /// From an earlier program in this process.
    pub(super) carried: Option<Recovered>,
    /// From the service manager, with their names: out of its store, or the sockets of a unit,
    /// which all have the same name if it says nothing else.
    passed: Vec<(String, OwnedFd)>,
}

impl Inherited {
    /// Takes it. To be called once, before anything else opens a descriptor.
    ///
    /// # Errors
    /// What was left cannot be read.
    pub(super) fn take(environment: &[(String, String)]) -> Result<Inherited, StartError> {
        let variable = |name: &str| {
            let mut all = environment.iter();
            all.find(|(n, _)| n == name).map(|(_, value)| value.clone())
        };
        let carried = Carried::take(variable).map_err(|error| {
            let text = format!("cannot take the state of the earlier program over: {error}");
            StartError::Value(text)
        })?;
        if carried.is_some() {
            return Ok(Inherited {
                carried,
                passed: Vec::new(),
            });
        }
        Ok(Inherited {
            carried,
            passed: passed(variable)?,
        })
    }

    /// What the service manager passed, by name; a socket that is bound to our own path and was not
    /// stored by us is the control socket, under [`GIVEN`].
    pub(super) fn passed(&mut self, socket: &Path) -> BTreeMap<String, OwnedFd> {
        let passed = std::mem::take(&mut self.passed).into_iter();
        passed
            .map(
                |(name, descriptor)| match name != CONTROL && is_bound_to(&descriptor, socket) {
                    true => (GIVEN.to_owned(), descriptor),
                    false => (name, descriptor),
                },
            )
            .collect()
    }
}

fn is_bound_to(descriptor: &OwnedFd, path: &Path) -> bool {
    let Ok(address) = rustix::net::getsockname(descriptor) else {
        return false;
    };
    let address = SocketAddrUnix::try_from(address);
    address.is_ok_and(|address| address.path_bytes() == Some(path.as_os_str().as_encoded_bytes()))
}

/// LISTEN_FDS, if it is meant for this process.
fn passed(variable: impl Fn(&str) -> Option<String>) -> io::Result<Vec<(String, OwnedFd)>> {
    let number = |name: &str| variable(name)?.parse::<u32>().ok();
    if number("LISTEN_PID") != Some(std::process::id()) {
        return Ok(Vec::new());
    }
    let count = number("LISTEN_FDS").unwrap_or(0);
    let names = variable("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut all = Vec::new();
    for index in 0..count {
        let name = names.next().filter(|name| !name.is_empty());
        let name = name.map_or_else(|| format!("unnamed-{index}"), str::to_owned);
        let descriptor = FIRST + i32::try_from(index).unwrap_or(i32::MAX);
        all.push((name, inherited_descriptor(descriptor)?));
    }
    Ok(all)
}
