//! What a process gets of descriptors, and what its environment says of them (checklist K2,
//! K8, K10; sd_listen_fds(3)).

use super::Registry;
use crate::engine::{Passed, PassedSource, Spawn};
use crate::unit::config::{OpenFile, ServiceConfig, UnitConfig};
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// The first number of passed descriptors.
const FIRST: usize = 3;

/// All descriptors of one process, in order, with their names.
#[derive(Debug, Default)]
pub(in crate::host) struct Parcel {
    /// LISTEN_FDS and LISTEN_FDNAMES.
    listened: Vec<(String, Arc<OwnedFd>)>,
    /// A first connection, and the variable that tells of it.
    client: Option<(String, Arc<OwnedFd>)>,
    /// The one socket for the standard streams; then nothing else is passed.
    stream: Option<Arc<OwnedFd>>,
    /// What a client gave for standard input, output and error.
    given: [Option<Arc<OwnedFd>>; 3],
}

impl Registry {
    /// Gathers what a process was ordered with.
    ///
    /// # Errors
    /// A standard stream is to be a socket, and there is not exactly one.
    pub(in crate::host) fn parcel(&mut self, order: &Spawn) -> Result<Parcel, String> {
        let given = order.streams.map(|id| self.held.get(id?));
        let mut parcel = Parcel {
            given,
            ..Parcel::default()
        };
        let service = order.config.service();
        let blocks = service.is_none_or(|service| !service.non_blocking);
        // Who comes beside another process leaves it as that one has set it, or a thread of it
        // would wait in accept(2) for a client that somebody else has taken.
        let shares = order.generation > 0;
        for Passed { source, name } in &order.passed {
            let (descriptor, is_socket) = match source {
                PassedSource::Socket { unit, index } => {
                    let sockets = self.open.get(unit);
                    let found = sockets.and_then(|sockets| sockets.descriptors.get(*index));
                    (found.cloned(), true)
                }
                PassedSource::Connection(id) => (self.held.get(*id), true),
                PassedSource::Stored(id) => (self.held.get(*id), false),
            };
            let Some(descriptor) = descriptor else {
                continue;
            };
            if is_socket && !shares {
                // One open file for all who have it: the last word is that of the service.
                let _ = rustix::io::ioctl_fionbio(&descriptor, !blocks);
            }
            parcel.listened.push((name.clone(), descriptor));
        }
        if let Some((id, variable)) = &order.client {
            let client = self.held.get(*id);
            self.held.close(*id);
            if let Some(client) = &client {
                let _ = rustix::io::ioctl_fionbio(client, !blocks);
            }
            parcel.client = client.map(|client| (variable.clone(), client));
        }
        if service.is_some_and(|service| service.exec.uses_socket()) {
            parcel.keep_to_the_stream()?;
        }
        Ok(parcel)
    }
}

impl Parcel {
    fn keep_to_the_stream(&mut self) -> Result<(), String> {
        let mut sockets = std::mem::take(&mut self.listened).into_iter();
        self.stream = sockets.next().map(|(_, socket)| socket);
        match (&self.stream, sockets.next()) {
            (Some(_), None) => Ok(()),
            (Some(_), Some(_)) => {
                Err("a standard stream is to be the socket, but there are several".to_owned())
            }
            (None, _) => Err("a standard stream is to be the socket, but there is none".to_owned()),
        }
    }

    /// Opens OpenFile= with the rights of the manager. May block.
    ///
    /// # Errors
    /// A file that is not `graceful` cannot be opened.
    pub(in crate::host) fn open_files(&mut self, service: &ServiceConfig) -> Result<(), String> {
        if self.stream.is_some() {
            return Ok(());
        }
        for file in &service.open_files {
            match open(file) {
                Ok(opened) => self.listened.push((file.name.clone(), Arc::new(opened))),
                Err(_) if file.graceful => {}
                Err(error) => {
                    return Err(format!("OpenFile={} cannot be opened: {error}", file.path));
                }
            }
        }
        Ok(())
    }

    /// What is passed from 3 on.
    pub(in crate::host) fn passed(&self) -> Vec<BorrowedFd<'_>> {
        let client = self.client.iter().map(|(_, client)| client.as_fd());
        let listened = self.listened.iter().map(|(_, socket)| socket.as_fd());
        listened.chain(client).collect()
    }

    /// What they are called, as far as LISTEN_FDNAMES tells.
    pub(in crate::host) fn names(&self) -> Vec<&str> {
        self.listened
            .iter()
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// How many of them LISTEN_FDS tells of.
    pub(in crate::host) fn listened(&self) -> usize {
        self.listened.len()
    }

    /// The socket for the standard streams.
    pub(in crate::host) fn stream(&self) -> Option<BorrowedFd<'_>> {
        self.stream.as_ref().map(AsFd::as_fd)
    }

    /// What a client gave for standard input, output and error.
    pub(in crate::host) fn given(&self) -> [Option<BorrowedFd<'_>>; 3] {
        self.given.each_ref().map(|it| it.as_ref().map(AsFd::as_fd))
    }

    /// LISTEN_FDNAMES, and the variables of FileDescriptorEnvironment=.
    pub(in crate::host) fn environment(&self, config: &UnitConfig) -> Vec<(String, String)> {
        let mut variables = Vec::new();
        if !self.listened.is_empty() {
            let names: Vec<&str> = self
                .listened
                .iter()
                .map(|(name, _)| name.as_str())
                .collect();
            variables.push(("LISTEN_FDNAMES".to_owned(), names.join(":")));
        }
        let wanted = config
            .service()
            .map(|service| &service.descriptor_variables);
        for wish in wanted.into_iter().flatten() {
            let place = self
                .listened
                .iter()
                .position(|(name, _)| *name == wish.name);
            if let Some(place) = place {
                variables.push((wish.variable.clone(), (FIRST + place).to_string()));
            }
        }
        if let Some((variable, _)) = &self.client {
            let number = FIRST + self.listened.len();
            variables.push((variable.clone(), number.to_string()));
        }
        variables
    }
}

/// Opens a file, or connects to a socket (systemd.service(5), OpenFile=).
fn open(file: &OpenFile) -> std::io::Result<OwnedFd> {
    let is_socket = std::fs::metadata(&file.path).is_ok_and(|it| it.file_type().is_socket());
    if is_socket {
        return Ok(UnixStream::connect(&file.path)?.into());
    }
    let mut flags = OFlags::CLOEXEC | OFlags::NOCTTY;
    flags |= if file.read_only {
        OFlags::RDONLY
    } else {
        OFlags::RDWR
    };
    if file.append {
        flags |= OFlags::APPEND;
    }
    if file.truncate {
        flags |= OFlags::TRUNC;
    }
    Ok(rustix::fs::open(&file.path, flags, Mode::empty())?)
}
