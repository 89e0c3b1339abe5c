//! Where to listen.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// An address to listen at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpAddress {
    /// An address of this machine.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

impl HttpAddress {
    /// Reads `ADDRESS:PORT`, `:PORT` (all addresses), `PORT` (this machine only), `unix:PATH`, or
    /// `off`, which is none.
    ///
    /// # Errors
    /// It is none of these.
    pub fn parse(text: &str) -> Result<Option<HttpAddress>, String> {
        let wrong = || format!("\"{text}\" is not ADDRESS:PORT, :PORT, PORT, unix:/PATH or off");
        if text == "off" {
            return Ok(None);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.starts_with('/') {
                true => Ok(Some(HttpAddress::Unix(path.into()))),
                false => Err(wrong()),
            };
        }
        let port = |text: &str| text.parse::<u16>().map_err(|_| wrong());
        let at = |address: Ipv4Addr, port| SocketAddr::new(IpAddr::V4(address), port);
        let address = if let Some(rest) = text.strip_prefix(':') {
            at(Ipv4Addr::UNSPECIFIED, port(rest)?)
        } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
            at(Ipv4Addr::LOCALHOST, port(text)?)
        } else {
            text.parse().map_err(|_| wrong())?
        };
        Ok(Some(HttpAddress::Tcp(address)))
    }

    /// Begins to listen.
    ///
    /// # Errors
    /// Names what was attempted.
    pub fn bind(&self) -> Result<Listening, BindError> {
        match self {
            HttpAddress::Tcp(address) => {
                let listener = TcpListener::bind(address).and_then(|listener| {
                    listener.set_nonblocking(true)?;
                    Ok(listener)
                });
                listener
                    .map(Listening::Tcp)
                    .map_err(|error| BindError(address.to_string(), error))
            }
            HttpAddress::Unix(path) => bind_unix(path)
                .map(|listener| Listening::Unix(listener, Node(path.clone())))
                .map_err(|error| BindError(path.display().to_string(), error)),
        }
    }
}

/// Nobody can listen there.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve HTTP at {0}: {1}")]
pub struct BindError(String, io::Error);

/// A socket that listens.
#[derive(Debug)]
pub enum Listening {
    /// At an address of this machine.
    Tcp(TcpListener),
    /// At a node in the file system.
    Unix(UnixListener, Node),
}

/// The node of a unix socket, removed with it.
#[derive(Debug)]
pub struct Node(PathBuf);

impl Drop for Node {
    fn drop(&mut self) {
        // Somebody may have removed it already.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Binds a unix socket that everybody may read from, as from a TCP port. What an earlier daemon
/// left there is replaced; a living one's socket, or anything else, is not.
fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    if let Ok(there) = path.symlink_metadata() {
        if !there.file_type().is_socket() {
            return Err(io::Error::other("there is something that is no socket"));
        }
        if UnixStream::connect(path).is_ok() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o666))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let parse = |text: &str| HttpAddress::parse(text).unwrap();
        let tcp = |text: &str| Some(HttpAddress::Tcp(text.parse().unwrap()));
        assert_eq!(parse("10.0.0.1:80"), tcp("10.0.0.1:80"));
        assert_eq!(parse("[::]:5550"), tcp("[::]:5550"));
        assert_eq!(parse(":5550"), tcp("0.0.0.0:5550"));
        assert_eq!(parse("5550"), tcp("127.0.0.1:5550"));
        assert_eq!(parse("unix:/a"), Some(HttpAddress::Unix("/a".into())));
        assert_eq!(parse("off"), None);
        for text in ["", "localhost:80", "unix:a", "1:2:3", ":99999"] {
            assert!(HttpAddress::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nodes_are_replaced_if_nobody_listens_and_go_with_their_socket() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("http");
        let address = HttpAddress::Unix(path.clone());
        let first = address.bind().unwrap();
        let refused = address.bind().unwrap_err().to_string();
        assert!(refused.contains("in use"), "{refused}");
        drop(first);
        assert!(!path.exists());
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "left by somebody who is gone");
        drop(address.bind().unwrap());
        std::fs::write(&path, "mine").unwrap();
        assert!(address.bind().is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    }
}
