//! Access to the network (systemd.resource-control(5)): addresses, ports and interfaces.

// From core: values that know nothing of the network.
use core::net::IpAddr;

/// Addresses that begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix {
    /// The bits behind the prefix are 0.
    pub address: IpAddr,
    /// 0 to 32, or to 128.
    pub length: u8,
}

/// Sockets that may, or may not, be bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindRule {
    /// AF_INET or AF_INET6; both unless it is said.
    pub family: Option<u8>,
    /// IPPROTO_TCP or IPPROTO_UDP; all unless it is said.
    pub protocol: Option<u8>,
    /// The first and the last port; all, and 0, unless it is said.
    pub ports: Option<(u16, u16)>,
}

/// RestrictNetworkInterfaces=.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interfaces {
    /// Those that are named may be used, and no others; else the other way round.
    pub permits: bool,
    /// Their names.
    pub names: Vec<String>,
}

/// Everything about access to the network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkAccess {
    /// IPAddressAllow=.
    pub allow: Vec<Prefix>,
    /// IPAddressDeny=.
    pub deny: Vec<Prefix>,
    /// SocketBindAllow=.
    pub bind_allow: Vec<BindRule>,
    /// SocketBindDeny=.
    pub bind_deny: Vec<BindRule>,
    /// RestrictNetworkInterfaces=.
    pub interfaces: Option<Interfaces>,
}
