//! Nodes of sockets in the file system: the directories around them, what is in their way,
//! mode and owner, links to them, their removal (checklist K3).

use super::open::reason;
use crate::exec::identity;
use crate::sys::message_queue;
use crate::unit::config::{Listen, ListenKind, Place, SocketConfig};
use socket2::{Domain, SockAddr, Socket, Type};
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt, lchown, symlink};
use std::path::Path;

/// Makes the directories that are missing on the way to a node.
///
/// # Errors
/// One cannot be made.
pub(super) fn make_parents(path: &str, mode: u32) -> Result<(), String> {
    let Some(parent) = Path::new(path).parent() else {
        return Ok(());
    };
    let missing = parent.ancestors().take_while(|it| !it.exists());
    let mut missing: Vec<&Path> = missing.collect();
    missing.reverse();
    for directory in missing {
        let made = fs::DirBuilder::new().mode(mode).create(directory);
        let result = match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            // The umask took some of it away.
            Ok(()) => fs::set_permissions(directory, fs::Permissions::from_mode(mode)),
            Err(error) => Err(error),
        };
        result.map_err(|error| {
            let directory = directory.display();
            format!("cannot make the directory {directory}: {}", reason(&error))
        })?;
    }
    Ok(())
}

/// Removes a socket that nobody listens to any more. Anything else stays: somebody may miss it.
///
/// # Errors
/// Something that is not ours to remove is there.
pub(super) fn clear_way_for_socket(path: &str, kind: Type) -> Result<(), String> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("cannot look at it: {}", reason(&error))),
    };
    let type_of_file = found.file_type();
    if !type_of_file.is_socket() {
        let what = if type_of_file.is_dir() {
            "a directory"
        } else if type_of_file.is_symlink() {
            "a symbolic link"
        } else if type_of_file.is_file() {
            "a regular file"
        } else {
            "something that is no socket"
        };
        return Err(format!("{what} is there already"));
    }
    if is_served(path, kind) {
        return Err("somebody listens there already (address in use)".to_owned());
    }
    fs::remove_file(path).map_err(|error| {
        format!(
            "cannot remove the socket that was left there: {}",
            reason(&error)
        )
    })
}

/// Whether somebody has the socket open still.
fn is_served(path: &str, kind: Type) -> bool {
    let Ok(address) = SockAddr::unix(path) else {
        return false;
    };
    let Ok(socket) = Socket::new(Domain::UNIX, kind, None) else {
        return false;
    };
    if socket.set_nonblocking(true).is_err() {
        return false;
    }
    match socket.connect(&address) {
        Ok(()) => true,
        // Nobody: what is left of one that died.
        Err(error) => !matches!(
            error.kind(),
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound
        ),
    }
}

/// Sets the access mode exactly; the umask took some of it away when the node was made.
///
/// # Errors
/// It cannot be set.
pub(super) fn set_mode(path: &str, mode: u32) -> Result<(), String> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(|error| format!("cannot set the mode of {path}: {}", reason(&error)))
}

/// SocketUser= and SocketGroup=. Asks the name service.
///
/// # Errors
/// Who is named is unknown, or a node cannot be given away.
pub(super) fn give_to_owner(config: &SocketConfig) -> Result<(), String> {
    if config.user.is_none() && config.group.is_none() {
        return Ok(());
    }
    let (user, group) = identity::owner(config.user.as_deref(), config.group.as_deref())?;
    for path in nodes(&config.listen) {
        lchown(path, user, group)
            .map_err(|error| format!("cannot give {path} away: {}", reason(&error)))?;
    }
    Ok(())
}

/// The nodes among these that the unit makes.
fn nodes(listen: &[Listen]) -> impl Iterator<Item = &str> {
    let made = listen.iter().filter(|listen| match listen.kind {
        ListenKind::Special | ListenKind::UsbFunction => false,
        ListenKind::Stream
        | ListenKind::Datagram
        | ListenKind::SequentialPacket
        | ListenKind::Fifo
        | ListenKind::Netlink
        | ListenKind::MessageQueue => true,
    });
    made.filter_map(|listen| listen.path())
}

/// Symlinks=: one that cannot be made is told of.
pub(super) fn make_links(config: &SocketConfig) -> Vec<String> {
    let Some(target) = nodes(&config.listen).next() else {
        return Vec::new();
    };
    let links = config.symlinks.iter().filter_map(|link| {
        let made = make_parents(link, config.directory_mode)
            .and_then(|()| make_link(target, link).map_err(|error| reason(&error)));
        let error = made.err()?;
        Some(format!("Symlinks={link} was not made: {error}"))
    });
    links.collect()
}

/// A link that leads elsewhere is replaced, as systemd does.
fn make_link(target: &str, link: &str) -> io::Result<()> {
    match fs::read_link(link) {
        Ok(old) if old == Path::new(target) => return Ok(()),
        Ok(_) => fs::remove_file(link)?,
        Err(_) => {}
    }
    symlink(target, link)
}

/// RemoveOnStop=: what cannot be removed is told of.
pub(super) fn remove(config: &SocketConfig) -> Vec<String> {
    let mut failures = remove_nodes(&config.listen);
    let links = config.symlinks.iter();
    failures.extend(links.filter_map(|link| not_removed(link, fs::remove_file(link))));
    failures
}

/// Removes the nodes and queues of these; what cannot be removed is told of.
pub(super) fn remove_nodes(made: &[Listen]) -> Vec<String> {
    let paths = nodes(made).map(|path| (path, fs::remove_file(path)));
    let queues = made.iter().filter_map(|listen| match &listen.place {
        Place::Queue(name) => {
            let c_name = CString::new(name.as_str()).ok()?;
            Some((name.as_str(), message_queue::remove(&c_name)))
        }
        Place::Address(_) | Place::Path(_) | Place::Netlink { .. } => None,
    });
    let removed = paths.chain(queues);
    removed
        .filter_map(|(what, result)| not_removed(what, result))
        .collect()
}

fn not_removed(what: &str, result: io::Result<()>) -> Option<String> {
    let error = result.err()?;
    let gone = error.kind() == io::ErrorKind::NotFound;
    (!gone).then(|| format!("cannot remove {what}: {}", reason(&error)))
}
