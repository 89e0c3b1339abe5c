//! What the crates that services are written with make of the descriptors a manager passes.

use crate::options::Options;
use libsystemd::activation::{self, FileDescriptor, IsType};
use listenfd::ListenFd;
use nix::sys::socket::{SockaddrStorage, getsockname};
use std::io;
use std::os::fd::{IntoRawFd, RawFd};
use std::os::unix::net::UnixListener;

/// Writes a line for each descriptor, if asked to: `NAME WHERE | KIND | TYPE`, the name and the
/// number by sd-notify, the kind by libsystemd, the type by listenfd. They stay open, and nobody
/// is answered on them.
///
/// # Errors
/// A crate finds fault with what was passed, or two of them see something else.
pub(crate) fn describe(options: &Options) -> io::Result<()> {
    let Some(file) = &options.passed_to else {
        return Ok(());
    };
    let named: Vec<(RawFd, String)> = sd_notify::listen_fds_with_names()?.collect();
    let kinds = activation::receive_descriptors_with_names(false).map_err(io::Error::other)?;
    let unnamed = activation::receive_descriptors(false).map_err(io::Error::other)?;
    // It takes the variables out of the environment, so it comes last.
    let mut types = ListenFd::from_env();
    if [kinds.len(), unnamed.len(), types.len()] != [named.len(); 3] {
        return Err(io::Error::other("not all crates see as many descriptors"));
    }
    let mut text = String::new();
    for (index, ((number, name), (kind, again))) in named.iter().zip(kinds).enumerate() {
        if *name != again {
            return Err(io::Error::other(format!("{name} is {again}, too")));
        }
        let (place, kind) = (place_of(*number)?, kind_of(&kind));
        let line = format!("{name} {place} | {kind} | {}\n", type_of(&mut types, index));
        text.push_str(&line);
    }
    // Whole or not at all, for whoever waits for it.
    let draft = file.with_extension("draft");
    std::fs::write(&draft, text)?;
    std::fs::rename(draft, file)
}

/// The address of a socket, the path of anything else.
fn place_of(number: RawFd) -> io::Result<String> {
    if let Ok(address) = getsockname::<SockaddrStorage>(number) {
        return Ok(address.to_string());
    }
    let path = std::fs::read_link(format!("/proc/self/fd/{number}"))?;
    Ok(path.display().to_string())
}

fn kind_of(descriptor: &FileDescriptor) -> &'static str {
    let kinds = [
        (descriptor.is_inet(), "inet"),
        (descriptor.is_unix(), "unix"),
        (descriptor.is_fifo(), "fifo"),
        (descriptor.is_special(), "special"),
        (descriptor.is_mq(), "queue"),
    ];
    let kind = kinds.iter().find(|(is, _)| *is);
    kind.map_or("unknown", |(_, kind)| kind)
}

fn type_of(passed: &mut ListenFd, index: usize) -> &'static str {
    // It refuses what is of another type, which then is there for the next.
    let packets = (libc::AF_UNIX, libc::SOCK_SEQPACKET);
    if kept(passed.take_tcp_listener(index)) {
        "tcp listener"
    } else if kept(passed.take_unix_listener(index)) {
        "unix listener"
    } else if kept(passed.take_udp_socket(index)) {
        "udp socket"
    } else if kept(passed.take_unix_datagram(index)) {
        "unix datagram"
    } else if kept(passed.take_custom::<UnixListener>(index, packets.0, packets.1, "packets")) {
        "unix packets"
    } else {
        "other"
    }
}

/// Whether it was given; it stays open until the end.
fn kept(taken: io::Result<Option<impl IntoRawFd>>) -> bool {
    match taken {
        Ok(Some(descriptor)) => {
            let _ = descriptor.into_raw_fd();
            true
        }
        Ok(None) | Err(_) => false,
    }
}
