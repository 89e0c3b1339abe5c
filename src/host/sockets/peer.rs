//! Who has connected: the name of the instance that serves the connection, and what the
//! service is told (checklist K8).

use crate::engine::Peer;
use rustix::net::sockopt::socket_peercred;
use socket2::SockRef;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;

/// Looks at a connection. `None` if it has vanished.
pub(super) fn of(connection: BorrowedFd<'_>) -> Option<Peer> {
    let socket = SockRef::from(&connection);
    let (local, remote) = (socket.local_addr().ok()?, socket.peer_addr().ok()?);
    if let (Some(local), Some(remote)) = (local.as_socket(), remote.as_socket()) {
        return Some(of_ip(plain(local), plain(remote)));
    }
    if let (Some(local), Some(remote)) = (local.as_vsock_address(), remote.as_vsock_address()) {
        return Some(of_vsock(local, remote));
    }
    Some(of_unix(connection))
}

/// An IPv4 address that came in through IPv6 is one of IPv4.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn of_ip(local: SocketAddr, remote: SocketAddr) -> Peer {
    let (ip, port) = (remote.ip(), remote.port());
    Peer {
        instance: format!("{}:{}-{ip}:{port}", local.ip(), local.port()),
        source: Some(ip.to_string()),
        remote: Some((ip.to_string(), port.to_string())),
        description: match ip {
            IpAddr::V4(_) => format!("{ip}:{port}"),
            IpAddr::V6(_) => format!("[{ip}]:{port}"),
        },
    }
}

fn of_vsock(local: (u32, u32), remote: (u32, u32)) -> Peer {
    let (machine, port) = remote;
    Peer {
        instance: format!("{}:{}-{machine}:{port}", local.0, local.1),
        source: Some(format!("vsock:{machine}")),
        remote: Some((format!("vsock:{machine}"), port.to_string())),
        description: format!("vsock:{machine}:{port}"),
    }
}

fn of_unix(connection: BorrowedFd<'_>) -> Peer {
    let (instance, description) = match socket_peercred(connection) {
        Ok(who) => {
            let (pid, uid) = (who.pid.as_raw_nonzero(), who.uid.as_raw());
            (format!("{pid}-{uid}"), format!("PID {pid}/UID {uid}"))
        }
        Err(_) => ("unknown".to_owned(), "an unknown process".to_owned()),
    };
    Peer {
        instance,
        source: None,
        remote: None,
        description,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn k8_names_of_instances() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, remote) = listener.accept().unwrap();
        let peer = of(server.as_fd()).unwrap();
        let port = listener.local_addr().unwrap().port();
        let name = format!("127.0.0.1:{port}-127.0.0.1:{}", remote.port());
        assert_eq!(peer.instance, name);
        assert_eq!(peer.description, remote.to_string());
        assert_eq!(peer.source.as_deref(), Some("127.0.0.1"));
        drop(client);
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let peer = of(ours.as_fd()).unwrap();
        let (pid, uid) = (std::process::id(), nix::unistd::getuid());
        assert_eq!(peer.instance, format!("{pid}-{uid}"));
        assert_eq!(peer.description, format!("PID {pid}/UID {uid}"));
        assert_eq!((peer.source, peer.remote), (None, None));
    }

    #[test]
    fn k8_addresses_of_ipv4_within_ipv6_are_plain() {
        let address = |text: &str| plain(text.parse().unwrap());
        let peer = of_ip(
            address("[::ffff:127.0.0.1]:80"),
            address("[::ffff:1.2.3.4]:5"),
        );
        assert_eq!(peer.instance, "127.0.0.1:80-1.2.3.4:5");
        let peer = of_ip(address("[::1]:80"), address("[::1]:5"));
        assert_eq!(peer.instance, "::1:80-::1:5");
        assert_eq!(peer.description, "[::1]:5");
    }
}
