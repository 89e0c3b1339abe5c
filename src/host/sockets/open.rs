//! Makes the sockets of a unit: may block, so only on a pool thread.

use super::node;
use super::options;
use crate::engine::OpenFailure;
use crate::sys::message_queue;
use crate::unit::config::{BindIpv6Only, Listen, ListenKind, Place, SocketConfig, SocketOptions};
use crate::unit::value::SocketAddress;
use core::net::IpAddr;
use rustix::event::epoll;
use rustix::fs::{Mode, OFlags};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::ffi::CString;
use std::fmt::Display;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::time::Duration;

/// So long an address that is in use may take to become free, and how often it is asked for meanwhile.
const RELEASE: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_millis(5);

/// What was made.
#[derive(Debug)]
pub(in crate::host) struct Opened {
    /// A descriptor for each Listen...=, in order.
    pub(super) sockets: Vec<OwnedFd>,
    /// Options that the kernel did not take: they are told of, and the socket goes without.
    pub(super) warnings: Vec<String>,
}

/// Makes all sockets of a unit; if one cannot be made, none is.
///
/// # Errors
/// The first that failed.
pub(super) fn open(config: &SocketConfig) -> Result<Opened, OpenFailure> {
    let mut opened = Opened {
        sockets: Vec::new(),
        warnings: Vec::new(),
    };
    if let Err(failure) = open_all(config, &mut opened) {
        // What was made until then goes as it would with a stop.
        if config.remove_on_stop {
            let (made, _) = config.listen.split_at(opened.sockets.len());
            // The failure is what is told of.
            let _ = node::remove_nodes(made);
        }
        return Err(failure);
    }
    opened.warnings.extend(node::make_links(config));
    Ok(opened)
}

fn open_all(config: &SocketConfig, opened: &mut Opened) -> Result<(), OpenFailure> {
    for listen in &config.listen {
        let made = open_one(config, listen, &mut opened.warnings).map_err(|error| {
            let kind = listen.kind.word();
            OpenFailure::Resources(format!("Listen{kind}={}: {error}", listen.address))
        })?;
        opened.sockets.push(made);
    }
    node::give_to_owner(config).map_err(OpenFailure::Owner)
}

/// Something that was tried and did not work.
fn failed(attempt: impl Display) -> impl FnOnce(io::Error) -> String {
    move |error| format!("cannot {attempt}: {}", reason(&error))
}

/// What the kernel says, without the number.
pub(super) fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => nix::errno::Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}

fn open_one(
    config: &SocketConfig,
    listen: &Listen,
    warnings: &mut Vec<String>,
) -> Result<OwnedFd, String> {
    match &listen.place {
        Place::Address(address) => {
            let socket = open_address(config, listen.kind, address, warnings)?;
            Ok(OwnedFd::from(socket))
        }
        Place::Path(path) => match listen.kind {
            ListenKind::Special => open_special(path, config.writable),
            ListenKind::Fifo
            | ListenKind::Stream
            | ListenKind::Datagram
            | ListenKind::SequentialPacket
            | ListenKind::Netlink
            | ListenKind::MessageQueue
            | ListenKind::UsbFunction => open_fifo(config, path, warnings),
        },
        Place::Queue(name) => open_queue(config, name),
        Place::Netlink { family, group } => open_netlink(config, *family, *group, warnings),
    }
}

fn open_address(
    config: &SocketConfig,
    kind: ListenKind,
    address: &SocketAddress,
    warnings: &mut Vec<String>,
) -> Result<Socket, String> {
    let target = target_of(address)?;
    let kind = match kind {
        ListenKind::Datagram => Type::DGRAM,
        ListenKind::SequentialPacket => Type::SEQPACKET,
        ListenKind::Stream
        | ListenKind::Fifo
        | ListenKind::Special
        | ListenKind::Netlink
        | ListenKind::MessageQueue
        | ListenKind::UsbFunction => Type::STREAM,
    };
    let protocol = config.options.protocol;
    let protocol = protocol.map(|protocol| Protocol::from(protocol.number()));
    let (socket, target) = make(kind, protocol, target)?;
    before_bind(&socket, &target, &config.options, warnings)?;
    if let Some(path) = address.path() {
        node::make_parents(path, config.directory_mode)?;
        node::clear_way_for_socket(path, kind)?;
    }
    bind(&socket, &target).map_err(failed("bind the socket"))?;
    if let Some(path) = address.path() {
        node::set_mode(path, config.mode)?;
    }
    if kind != Type::DGRAM {
        let backlog = i32::try_from(config.options.backlog).unwrap_or(i32::MAX);
        socket.listen(backlog).map_err(failed("listen"))?;
    }
    warnings.extend(options::apply(
        socket.as_fd(),
        &target,
        kind,
        &config.options,
    ));
    Ok(socket)
}

/// The socket; where there is no IPv6, a port alone is one of IPv4 (systemd.socket(5)).
fn make(
    kind: Type,
    protocol: Option<Protocol>,
    target: Target,
) -> Result<(Socket, SockAddr), String> {
    let (address, instead) = match target {
        Target::Address(address) => (address, None),
        Target::Port(port) => (
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)).into(),
            Some(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into()),
        ),
    };
    let new = |address: &SockAddr| {
        let socket = Socket::new(address.domain(), kind, protocol)?;
        socket.set_nonblocking(true)?;
        Ok::<Socket, io::Error>(socket)
    };
    let made = match (new(&address), instead) {
        (Err(error), Some(instead)) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
            new(&instead).map(|socket| (socket, instead))
        }
        (made, _) => made.map(|socket| (socket, address)),
    };
    made.map_err(failed("make a socket"))
}

enum Target {
    Address(SockAddr),
    Port(u16),
}

fn target_of(address: &SocketAddress) -> Result<Target, String> {
    let unix = |name: &str| SockAddr::unix(name).map_err(failed("use that name"));
    Ok(Target::Address(match address {
        SocketAddress::Path(path) => unix(path)?,
        SocketAddress::Abstract(name) => unix(&format!("\0{name}"))?,
        SocketAddress::Port(port) => return Ok(Target::Port(*port)),
        SocketAddress::Vsock { machine, port } => SockAddr::vsock(*machine, *port),
        SocketAddress::Ip {
            address,
            port,
            interface,
        } => match address {
            IpAddr::V4(address) => SocketAddr::from((*address, *port)).into(),
            IpAddr::V6(address) => {
                let scope = interface.as_deref().map_or(Ok(0), interface_number)?;
                SocketAddrV6::new(*address, *port, 0, scope).into()
            }
        },
    }))
}

fn interface_number(interface: &str) -> Result<u32, String> {
    if let Ok(number) = interface.parse() {
        return Ok(number);
    }
    nix::net::if_::if_nametoindex(interface).map_err(|error| {
        format!(
            "there is no network interface {interface}: {}",
            error.desc()
        )
    })
}

/// bind(2); an address that is in use gets a moment to become free: a process that is being started
/// holds what the daemon had open until its program is executed, even of a unit that has stopped.
fn bind(socket: &Socket, target: &SockAddr) -> io::Result<()> {
    let mut patience = RELEASE;
    loop {
        match socket.bind(target) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && !patience.is_zero() => {
                std::thread::sleep(PAUSE);
                patience = patience.saturating_sub(PAUSE);
            }
            result => return result,
        }
    }
}

/// What has to be set before the address is taken.
fn before_bind(
    socket: &Socket,
    target: &SockAddr,
    options: &SocketOptions,
    warnings: &mut Vec<String>,
) -> Result<(), String> {
    let v6 = target.domain() == Domain::IPV6;
    let ip = v6 || target.domain() == Domain::IPV4;
    match options.bind_ipv6_only {
        BindIpv6Only::Both if v6 => {
            socket
                .set_only_v6(false)
                .map_err(failed("take IPv4, too"))?;
        }
        BindIpv6Only::Ipv6Only if v6 => {
            socket.set_only_v6(true).map_err(failed("keep to IPv6"))?;
        }
        BindIpv6Only::Default | BindIpv6Only::Both | BindIpv6Only::Ipv6Only => {}
    }
    if !ip {
        return Ok(());
    }
    if let Some(device) = &options.bind_to_device {
        socket
            .bind_device(Some(device.as_bytes()))
            .map_err(failed(format!("bind to device {device}")))?;
    }
    let mut warn = |what: &str, result: io::Result<()>| {
        if let Err(error) = result {
            warnings.push(format!("{what}: {}", reason(&error)));
        }
    };
    if options.reuse_port {
        warn("ReusePort= was not set", socket.set_reuse_port(true));
    }
    if options.free_bind {
        let result = if v6 {
            socket.set_freebind_v6(true)
        } else {
            socket.set_freebind_v4(true)
        };
        warn("FreeBind= was not set", result);
    }
    if options.transparent {
        let result = options::set_transparent(socket.as_fd(), v6);
        warn("Transparent= was not set", result);
    }
    socket
        .set_reuse_address(true)
        .map_err(failed("set SO_REUSEADDR"))
}

fn open_fifo(
    config: &SocketConfig,
    path: &str,
    warnings: &mut Vec<String>,
) -> Result<OwnedFd, String> {
    node::make_parents(path, config.directory_mode)?;
    let made = match nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU) {
        Ok(()) => true,
        Err(nix::errno::Errno::EEXIST) => false,
        Err(error) => return Err(format!("cannot make the FIFO: {}", error.desc())),
    };
    // For reading and writing, so that it stays open when the last writer goes.
    let flags =
        OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let fifo = rustix::fs::open(path, flags, Mode::empty())
        .map_err(|error| failed("open the FIFO")(error.into()))?;
    let status = rustix::fs::fstat(&fifo).map_err(|error| failed("look at it")(error.into()))?;
    if rustix::fs::FileType::from_raw_mode(status.st_mode) != rustix::fs::FileType::Fifo {
        return Err("something that is no FIFO is there".to_owned());
    }
    if made {
        node::set_mode(path, config.mode)?;
    }
    let size = config.options.pipe_size;
    if size > 0
        && let Err(error) =
            rustix::pipe::fcntl_setpipe_size(&fifo, usize::try_from(size).unwrap_or(usize::MAX))
    {
        warnings.push(format!("PipeSize= was not set: {}", reason(&error.into())));
    }
    Ok(fifo)
}

fn open_special(path: &str, writable: bool) -> Result<OwnedFd, String> {
    let mode = if writable {
        OFlags::RDWR
    } else {
        OFlags::RDONLY
    };
    let flags = mode | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let file = rustix::fs::open(path, flags, Mode::empty())
        .map_err(|error| failed("open it")(error.into()))?;
    let file = std::fs::File::from(file);
    let kind = file.metadata().map_err(failed("look at it"))?.file_type();
    if !kind.is_file() && !kind.is_char_device() {
        return Err("it is neither a character device nor a file of the kernel".to_owned());
    }
    can_be_waited_on(&file)?;
    Ok(file.into())
}

/// Files of the kernel tell when there is something to read; a file on a disk does not
/// (epoll_ctl(2), EPERM). That is better known before the unit counts as listening.
fn can_be_waited_on(file: &std::fs::File) -> Result<(), String> {
    let trial = epoll::create(epoll::CreateFlags::CLOEXEC)
        .map_err(|error| failed("wait for traffic")(error.into()))?;
    let data = epoll::EventData::new_u64(0);
    epoll::add(&trial, file, data, epoll::EventFlags::IN)
        .map_err(|error| failed("wait for traffic")(error.into()))
}

fn open_queue(config: &SocketConfig, name: &str) -> Result<OwnedFd, String> {
    let options = &config.options;
    let size = (options.queue_messages > 0)
        .then_some((options.queue_messages, options.queue_message_size));
    let c_name = CString::new(name).map_err(|_| "the name holds a NUL byte".to_owned())?;
    let queue = message_queue::open(&c_name, config.mode, size)
        .map_err(failed("open the message queue"))?;
    rustix::fs::fchmod(&queue, Mode::from_raw_mode(config.mode))
        .map_err(|error| failed("set its mode")(error.into()))?;
    Ok(queue)
}

fn open_netlink(
    config: &SocketConfig,
    family: i32,
    group: u32,
    warnings: &mut Vec<String>,
) -> Result<OwnedFd, String> {
    use rustix::net::netlink::SocketAddrNetlink;
    let protocol = Some(Protocol::from(family));
    let socket = Socket::new(
        Domain::from(libc::AF_NETLINK),
        Type::from(libc::SOCK_RAW),
        protocol,
    )
    .map_err(failed("make a netlink socket"))?;
    socket
        .set_nonblocking(true)
        .map_err(failed("make a netlink socket"))?;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, group))
        .map_err(|error| failed("bind the netlink socket")(error.into()))?;
    warnings.extend(options::apply_netlink(socket.as_fd(), &config.options));
    Ok(socket.into())
}
