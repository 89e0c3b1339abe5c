//! The control socket and the locks that keep two daemons apart.
//!
//! A living daemon's socket is never unlinked: who wants to bind it holds the lock beside it
//! first, and a socket that still answers belongs to somebody even without a lock.

use rustix::fs::{FlockOperation, flock};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with,
};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a lock that is held is asked for again. A daemon that was killed may have left a child
/// that has not executed its program yet, and holds a copy of the descriptor until it does.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why a socket or lock cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum SocketError {
    /// Another daemon has it.
    #[error("another dd-procmgrd is using {0}")]
    Taken(PathBuf),
    /// Something that is no socket is there.
    #[error("cannot make the control socket {0}: a file that is no socket is there")]
    NoSocket(PathBuf),
    /// The kernel refuses.
    #[error("cannot {0} {1}: {2}")]
    Io(&'static str, PathBuf, io::Error),
}

/// A lock file that is held; removed when dropped.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// The lock that an earlier program of this process holds.
    pub(super) fn take_over(descriptor: OwnedFd, path: &Path) -> Lock {
        Lock {
            file: descriptor.into(),
            path: path.to_owned(),
        }
    }

    /// Another descriptor of the same lock, for a program that takes it over.
    ///
    /// # Errors
    /// No descriptor is left.
    pub(super) fn copy(&self) -> io::Result<OwnedFd> {
        Ok(self.file.try_clone()?.into())
    }

    /// Takes the lock; `subject` is what it protects. Blocks for a while where another holds it.
    ///
    /// # Errors
    /// Another process goes on holding it, or it cannot be made.
    pub(super) fn take(path: &Path, subject: &Path) -> Result<Lock, SocketError> {
        let fail = |error| SocketError::Io("make the lock file", path.to_owned(), error);
        let end = Instant::now() + PATIENCE;
        loop {
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(libc::O_NOFOLLOW)
                .open(path)
                .map_err(fail)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < end => {
                    std::thread::sleep(Duration::from_millis(20));
                    continue;
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    return Err(SocketError::Taken(subject.to_owned()));
                }
                Err(error) => return Err(fail(error.into())),
            }
            // Its last holder may have removed it between our open and our lock: then others
            // would not see this one.
            let ours = file.metadata().map_err(fail)?;
            if fs::symlink_metadata(path).is_ok_and(|there| there.ino() == ours.ino()) {
                let path = path.to_owned();
                return Ok(Lock { file, path });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Before it is released by closing, so that nobody loses a lock taken meanwhile.
        let _ = fs::remove_file(&self.path);
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

/// The bound control socket; unlinked when dropped, before its lock is released, unless it is
/// somebody else's.
#[derive(Debug)]
pub(super) struct ControlSocket {
    path: PathBuf,
    lock: Lock,
    /// Whoever has bound it for us passes it to our next process, too, and removes it.
    given: bool,
}

impl ControlSocket {
    /// Where the lock of a socket is.
    pub(super) fn lock_path(path: &Path) -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        name.into()
    }

    /// The socket that an earlier daemon has bound, or, if it is `given`, somebody for us.
    ///
    /// # Errors
    /// Another daemon has it.
    pub(super) fn take_over(
        path: &Path,
        lock: Option<OwnedFd>,
        given: bool,
    ) -> Result<ControlSocket, SocketError> {
        let lock_path = ControlSocket::lock_path(path);
        let lock = match lock {
            Some(lock) => Lock::take_over(lock, &lock_path),
            None => Lock::take(&lock_path, path)?,
        };
        let path = path.to_owned();
        Ok(ControlSocket { path, lock, given })
    }

    /// Whether somebody else has bound it.
    pub(super) fn is_given(&self) -> bool {
        self.given
    }

    /// The lock beside it.
    pub(super) fn lock(&self) -> &Lock {
        &self.lock
    }

    /// Binds the socket with this mode.
    ///
    /// # Errors
    /// Another daemon has it, or it cannot be bound.
    pub(super) fn bind(
        path: &Path,
        mode: u32,
    ) -> Result<(ControlSocket, UnixListener), SocketError> {
        let lock = Lock::take(&ControlSocket::lock_path(path), path)?;
        clear_way(path)?;
        let listener = listen_at(path, mode)
            .map_err(|e| SocketError::Io("make the control socket", path.to_owned(), e))?;
        let socket = ControlSocket {
            path: path.to_owned(),
            lock,
            given: false,
        };
        Ok((socket, listener))
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if !self.given {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Clients that may wait to be accepted.
const BACKLOG: i32 = 128;

/// A listening socket of this mode. The mode is set on the socket before it has a name, so that
/// the name never allows more, whatever the umask, and set again for what the umask took away.
fn listen_at(path: &Path, mode: u32) -> io::Result<UnixListener> {
    let mode = rustix::fs::Mode::from_raw_mode(mode);
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::fs::fchmod(&socket, mode)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::fs::chmod(path, mode)?;
    listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// Removes what a daemon that died has left.
fn clear_way(path: &Path) -> Result<(), SocketError> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(SocketError::Io("look at", path.to_owned(), error)),
    };
    if !metadata.file_type().is_socket() {
        return Err(SocketError::NoSocket(path.to_owned()));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path)
            .map_err(|e| SocketError::Io("remove the socket left at", path.to_owned(), e)),
        // It answers, or it is not for us to try.
        Ok(_) | Err(_) => Err(SocketError::Taken(path.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn one_daemon_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pm.sock");
        let (socket, listener) = ControlSocket::bind(&path, 0o660).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        let error = ControlSocket::bind(&path, 0o660).unwrap_err();
        assert!(matches!(error, SocketError::Taken(_)), "{error}");
        assert!(UnixStream::connect(&path).is_ok());
        drop((listener, socket));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn dead_sockets_are_replaced_and_living_ones_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pm.sock");
        let stranger = UnixListener::bind(&path).unwrap();
        let error = ControlSocket::bind(&path, 0o660).unwrap_err();
        assert!(matches!(error, SocketError::Taken(_)), "{error}");
        assert!(UnixStream::connect(&path).is_ok());
        drop(stranger);
        assert!(path.exists());
        drop(ControlSocket::bind(&path, 0o660).unwrap());
        fs::write(&path, "data").unwrap();
        let error = ControlSocket::bind(&path, 0o660).unwrap_err();
        assert!(matches!(error, SocketError::NoSocket(_)), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"data");
    }

    #[test]
    fn a_lock_outlives_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let lock = Lock::take(&path, dir.path()).unwrap();
        assert!(Lock::take(&path, dir.path()).is_err());
        drop(lock);
        assert!(!path.exists());
        assert!(Lock::take(&path, dir.path()).is_ok());
    }
}
