//! Addresses of sockets as ListenStream= and its kin write them (systemd.socket(5);
//! checklist K1).

use super::{ValueError, parse_integer};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::fmt;

/// The longest path or abstract name of a unix socket in bytes: sun_path without its NUL.
const LONGEST_UNIX: usize = 107;

/// Where a socket is bound.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SocketAddress {
    /// A node in the file system.
    Path(String),
    /// A unix socket without a node, the name without its `@`.
    Abstract(String),
    /// IPv4 or IPv6.
    Ip {
        /// The address.
        address: IpAddr,
        /// The port, never 0.
        port: u16,
        /// The interface of a link-local address.
        interface: Option<String>,
    },
    /// A port of IPv6 that takes IPv4 too, or of IPv4 alone where there is no IPv6.
    Port(u16),
    /// A port between a virtual machine and its host.
    Vsock {
        /// Which machine; `u32::MAX` is any.
        machine: u32,
        /// The port.
        port: u32,
    },
}

impl SocketAddress {
    /// Reads an address.
    ///
    /// # Errors
    /// None of the forms, a port that is none, a name that is too long.
    pub fn parse(text: &str) -> Result<SocketAddress, ValueError> {
        if text.starts_with('/') {
            return unix_name(text, text).map(|path| SocketAddress::Path(path.to_owned()));
        }
        if let Some(name) = text.strip_prefix('@') {
            return unix_name(text, name).map(|name| SocketAddress::Abstract(name.to_owned()));
        }
        if let Some(rest) = text.strip_prefix("vsock:") {
            return vsock(text, rest);
        }
        if let Some(rest) = text.strip_prefix('[') {
            return ipv6(text, rest);
        }
        if let Some((host, port)) = text.split_once(':') {
            let address: Ipv4Addr = host.parse().map_err(|_| not_one(text))?;
            return Ok(SocketAddress::Ip {
                address: address.into(),
                port: parse_port(port)?,
                interface: None,
            });
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
            return parse_port(text).map(SocketAddress::Port);
        }
        Err(not_one(text))
    }

    /// The node in the file system, if there is one.
    pub fn path(&self) -> Option<&str> {
        match self {
            SocketAddress::Path(path) => Some(path),
            SocketAddress::Abstract(_)
            | SocketAddress::Ip { .. }
            | SocketAddress::Port(_)
            | SocketAddress::Vsock { .. } => None,
        }
    }
}

impl fmt::Display for SocketAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SocketAddress::Path(path) => f.write_str(path),
            SocketAddress::Abstract(name) => write!(f, "@{name}"),
            SocketAddress::Port(port) => write!(f, "[::]:{port}"),
            SocketAddress::Ip {
                address,
                port,
                interface,
            } => {
                match address {
                    IpAddr::V4(address) => write!(f, "{address}:{port}")?,
                    IpAddr::V6(address) => write!(f, "[{address}]:{port}")?,
                }
                match interface {
                    Some(interface) => write!(f, "%{interface}"),
                    None => Ok(()),
                }
            }
            SocketAddress::Vsock { machine, port } if *machine == u32::MAX => {
                write!(f, "vsock::{port}")
            }
            SocketAddress::Vsock { machine, port } => write!(f, "vsock:{machine}:{port}"),
        }
    }
}

fn not_one(text: &str) -> ValueError {
    ValueError(format!(
        "\"{text}\" is not an address (a port, a.b.c.d:port, [v6]:port, /path, @name or \
         vsock:cid:port)"
    ))
}

fn unix_name<'a>(text: &str, name: &'a str) -> Result<&'a str, ValueError> {
    if name.len() > LONGEST_UNIX {
        return Err(ValueError(format!(
            "\"{text}\" is longer than the {LONGEST_UNIX} bytes that the name of a unix socket \
             may have"
        )));
    }
    if name.is_empty() || name.contains('\0') {
        return Err(not_one(text));
    }
    Ok(name)
}

fn parse_port(text: &str) -> Result<u16, ValueError> {
    let wrong = || ValueError(format!("\"{text}\" is not a port (1 to 65535)"));
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        Ok(_) | Err(_) => Err(wrong()),
    }
}

/// `ADDRESS]:PORT` or `ADDRESS]:PORT%INTERFACE`.
fn ipv6(text: &str, rest: &str) -> Result<SocketAddress, ValueError> {
    let (address, port) = rest.split_once("]:").ok_or_else(|| not_one(text))?;
    let address: Ipv6Addr = address.parse().map_err(|_| not_one(text))?;
    let (port, interface) = match port.split_once('%') {
        Some((port, interface)) if !interface.is_empty() => (port, Some(interface.to_owned())),
        Some(_) => return Err(not_one(text)),
        None => (port, None),
    };
    Ok(SocketAddress::Ip {
        address: address.into(),
        port: parse_port(port)?,
        interface,
    })
}

/// `CID:PORT`, the CID empty for any.
fn vsock(text: &str, rest: &str) -> Result<SocketAddress, ValueError> {
    let (machine, port) = rest.split_once(':').ok_or_else(|| not_one(text))?;
    let number = |text: &str| {
        let number = parse_integer(text, 0, i64::from(u32::MAX))?;
        Ok::<u32, ValueError>(u32::try_from(number).unwrap_or(u32::MAX))
    };
    Ok(SocketAddress::Vsock {
        machine: if machine.is_empty() {
            u32::MAX
        } else {
            number(machine)?
        },
        port: number(port)?,
    })
}

/// The families of netlink(7) by the names that ListenNetlink= takes.
const NETLINK_FAMILIES: [(&str, i32); 17] = [
    ("route", 0),
    ("nflog", 5),
    ("xfrm", 6),
    ("selinux", 7),
    ("iscsi", 8),
    ("audit", 9),
    ("fib-lookup", 10),
    ("connector", 11),
    ("netfilter", 12),
    ("ip6-fw", 13),
    ("dnrtmsg", 14),
    ("kobject-uevent", 15),
    ("generic", 16),
    ("scsitransport", 18),
    ("ecryptfs", 19),
    ("rdma", 20),
    ("crypto", 21),
];

/// Reads what ListenNetlink= takes: a family, by name or number, and perhaps a group.
///
/// # Errors
/// No such family, or a group that is no number.
pub fn parse_netlink(text: &str) -> Result<(i32, u32), ValueError> {
    let mut words = text.split_whitespace();
    let family = words.next().unwrap_or_default();
    let number = NETLINK_FAMILIES
        .iter()
        .find(|(name, _)| *name == family)
        .map(|(_, number)| *number);
    let number = match number {
        Some(number) => number,
        None => {
            let number = parse_integer(family, 0, 31).map_err(|_| {
                ValueError(format!(
                    "\"{family}\" is not a netlink family, such as kobject-uevent or audit"
                ))
            })?;
            i32::try_from(number).unwrap_or(0)
        }
    };
    let group = match words.next() {
        Some(group) => u32::try_from(parse_integer(group, 0, i64::from(u32::MAX))?).unwrap_or(0),
        None => 0,
    };
    match words.next() {
        Some(_) => Err(ValueError(format!(
            "\"{text}\" is more than a netlink family and a group"
        ))),
        None => Ok((number, group)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k1_every_form_reads_and_prints_as_systemd_shows_it() {
        for (text, shown) in [
            ("80", "[::]:80"),
            ("127.0.0.1:7101", "127.0.0.1:7101"),
            ("[::1]:7102", "[::1]:7102"),
            ("[fe80::1]:1%eth0", "[fe80::1]:1%eth0"),
            ("/run/x", "/run/x"),
            ("@abstract", "@abstract"),
            ("vsock:2:1234", "vsock:2:1234"),
            ("vsock::1234", "vsock::1234"),
        ] {
            let address = SocketAddress::parse(text).unwrap();
            assert_eq!(address.to_string(), shown, "{text}");
        }
        assert_eq!(SocketAddress::parse("80"), Ok(SocketAddress::Port(80)));
        assert_eq!(SocketAddress::parse("/a").unwrap().path(), Some("/a"));
    }

    #[test]
    fn k1_what_is_no_address_says_why() {
        for text in [
            "",
            "host",
            "host:1",
            "1.2.3:4",
            "[::1]",
            "[::1]:1%",
            "[x]:1",
            "vsock:1",
            "vsock:x:1",
            "relative/path",
            "@",
            "1.2.3.4",
        ] {
            assert!(SocketAddress::parse(text).is_err(), "{text}");
        }
        for text in ["65536", "0", "127.0.0.1:99999", "[::1]:0", "1.2.3.4:+1"] {
            let error = SocketAddress::parse(text).unwrap_err().0;
            assert!(error.ends_with("is not a port (1 to 65535)"), "{error}");
        }
        let long = format!("/{}", "x".repeat(LONGEST_UNIX));
        let error = SocketAddress::parse(&long).unwrap_err().0;
        assert!(error.contains("107 bytes"), "{error}");
        assert!(SocketAddress::parse(&long[..LONGEST_UNIX]).is_ok());
    }

    #[test]
    fn netlink_families() {
        assert_eq!(parse_netlink("kobject-uevent 1"), Ok((15, 1)));
        assert_eq!(parse_netlink("audit"), Ok((9, 0)));
        assert_eq!(parse_netlink("16"), Ok((16, 0)));
        for text in ["", "nonsense", "route x", "route 1 2"] {
            assert!(parse_netlink(text).is_err(), "{text}");
        }
    }
}
