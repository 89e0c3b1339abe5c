//! `--systemd-facade`: systemd's own paths lead to the control socket, so that an unchanged
//! systemctl works without any setting.
//!
//! Only where no systemd runs: one that answers at its private socket is never touched, nor is a
//! message bus that is there already. What was made goes again at the end.

use super::directories::MadeDirectories;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// Why there can be no facade.
#[derive(Debug, thiserror::Error)]
pub(super) enum FacadeError {
    /// A systemd is in charge of the paths.
    #[error("--systemd-facade is for machines without systemd, but one answers at {0}")]
    Booted(PathBuf),
    /// Something else is in the way.
    #[error("cannot make {0} for --systemd-facade: {1}")]
    Io(PathBuf, io::Error),
}

/// Where clients look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Paths {
    /// sd_booted(3): there is a systemd if this directory is there. Users have none.
    booted: Option<PathBuf>,
    /// The manager's own socket.
    private: PathBuf,
    /// The message bus.
    bus: PathBuf,
}

impl Paths {
    /// Those of the system's manager.
    pub(super) fn system() -> Paths {
        Paths::below(Path::new("/"))
    }

    fn below(root: &Path) -> Paths {
        Paths {
            booted: Some(root.join("run/systemd/system")),
            private: root.join("run/systemd/private"),
            bus: root.join("run/dbus/system_bus_socket"),
        }
    }

    /// Those of a user's manager, below $XDG_RUNTIME_DIR.
    pub(super) fn user(runtime: &Path) -> Paths {
        Paths {
            booted: None,
            private: runtime.join("systemd/private"),
            bus: runtime.join("bus"),
        }
    }
}

/// The links; removed when dropped.
#[derive(Debug)]
pub(super) struct Facade {
    links: Vec<PathBuf>,
    socket: PathBuf,
    _directories: MadeDirectories,
}

impl Facade {
    /// Makes links to the control socket. What is worth a warning is added to `warnings`.
    ///
    /// # Errors
    /// A systemd is there, or a link cannot be made.
    pub(super) fn make(
        paths: &Paths,
        socket: &Path,
        warnings: &mut Vec<String>,
    ) -> Result<Facade, FacadeError> {
        // A link of ours, from an earlier daemon whose socket lives on.
        let ours = |path: &Path| fs::read_link(path).is_ok_and(|target| target == socket);
        if !ours(&paths.private) && UnixStream::connect(&paths.private).is_ok() {
            return Err(FacadeError::Booted(paths.private.clone()));
        }
        let mut facade = Facade {
            links: Vec::new(),
            socket: socket.to_owned(),
            _directories: MadeDirectories::default(),
        };
        if let Some(booted) = &paths.booted {
            facade.directory(booted)?;
        }
        facade.link(&paths.private)?;
        if !ours(&paths.bus) && UnixStream::connect(&paths.bus).is_ok() {
            let bus = paths.bus.display();
            warnings.push(format!("a message bus answers at {bus}; it stays"));
        } else {
            facade.link(&paths.bus)?;
        }
        Ok(facade)
    }

    fn directory(&mut self, path: &Path) -> Result<(), FacadeError> {
        let made = self._directories.make(path);
        made.map_err(|error| FacadeError::Io(path.to_owned(), error))
    }

    /// A link in place of a dead one or a dead socket.
    fn link(&mut self, path: &Path) -> Result<(), FacadeError> {
        if let Some(parent) = path.parent() {
            self.directory(parent)?;
        }
        let fail = |error| FacadeError::Io(path.to_owned(), error);
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
            Ok(()) | Err(_) => {}
        }
        symlink(&self.socket, path).map_err(fail)?;
        self.links.push(path.to_owned());
        Ok(())
    }
}

impl Drop for Facade {
    fn drop(&mut self) {
        for link in &self.links {
            // Somebody else's by now is not ours to remove.
            if fs::read_link(link).is_ok_and(|target| target == self.socket) {
                let _ = fs::remove_file(link);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn links_lead_to_the_socket_and_go_again() {
        let root = tempfile::tempdir().unwrap();
        let socket = root.path().join("pm.sock");
        let _listener = UnixListener::bind(&socket).unwrap();
        let paths = Paths::below(root.path());
        for _ in 0..2 {
            let facade = Facade::make(&paths, &socket, &mut Vec::new()).unwrap();
            assert!(UnixStream::connect(&paths.private).is_ok());
            assert!(UnixStream::connect(&paths.bus).is_ok());
            assert!(root.path().join("run/systemd/system").is_dir());
            drop(facade);
            assert!(!root.path().join("run").exists());
            // What a daemon that was killed has left is replaced.
            fs::create_dir_all(root.path().join("run/systemd/system")).unwrap();
            symlink("/gone", &paths.private).unwrap();
            let facade = Facade::make(&paths, &socket, &mut Vec::new()).unwrap();
            drop(facade);
            fs::remove_dir_all(root.path().join("run")).unwrap();
        }
    }

    #[test]
    fn a_living_systemd_is_left_alone_and_so_is_a_bus() {
        let root = tempfile::tempdir().unwrap();
        let socket = root.path().join("pm.sock");
        let _ours = UnixListener::bind(&socket).unwrap();
        let paths = Paths::below(root.path());
        for path in [&paths.private, &paths.bus] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
        }
        let systemd = UnixListener::bind(&paths.private).unwrap();
        let error = Facade::make(&paths, &socket, &mut Vec::new()).unwrap_err();
        assert!(matches!(error, FacadeError::Booted(_)), "{error}");
        assert!(UnixStream::connect(&paths.private).is_ok());
        drop(systemd);
        let bus = UnixListener::bind(&paths.bus).unwrap();
        let mut warnings = Vec::new();
        let facade = Facade::make(&paths, &socket, &mut warnings).unwrap();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        drop(facade);
        assert!(UnixStream::connect(&paths.bus).is_ok());
        drop(bus);
    }

    #[test]
    fn users_have_their_own_places() {
        let paths = Paths::user(Path::new("/run/user/7"));
        assert_eq!(paths.booted, None);
        assert_eq!(paths.private, Path::new("/run/user/7/systemd/private"));
    }
}
