//! The \[Socket\] section (systemd.socket(5)).

use super::{Cold, Commands, ExecConfig, KillConfig};
use crate::unit::name::UnitName;
use crate::unit::value::{SocketAddress, TimeSpan};

/// Which Listen...= directive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ListenKind {
    Stream,
    Datagram,
    SequentialPacket,
    Fifo,
    Special,
    Netlink,
    MessageQueue,
    UsbFunction,
}

/// Where something is listened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A socket's address.
    Address(SocketAddress),
    /// A FIFO, a special file, or a mount of USB functions: an absolute path.
    Path(String),
    /// A message queue: `/` and a name.
    Queue(String),
    /// A netlink family and a multicast group.
    Netlink {
        /// The protocol number of the family.
        family: i32,
        /// The group, 0 for none.
        group: u32,
    },
}

/// One address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Which directive.
    pub kind: ListenKind,
    /// The address as written, specifiers expanded.
    pub address: String,
    /// What it stands for.
    pub place: Place,
}

impl Listen {
    /// The node in the file system that it makes or opens, if it does.
    pub fn path(&self) -> Option<&str> {
        match &self.place {
            Place::Address(address) => address.path(),
            Place::Path(path) => Some(path),
            Place::Queue(_) | Place::Netlink { .. } => None,
        }
    }

    /// Whether connections are taken at it, so that Accept= means something.
    pub fn takes_connections(&self) -> bool {
        match self.kind {
            ListenKind::Stream | ListenKind::SequentialPacket => true,
            ListenKind::Datagram
            | ListenKind::Fifo
            | ListenKind::Special
            | ListenKind::Netlink
            | ListenKind::MessageQueue
            | ListenKind::UsbFunction => false,
        }
    }
}

/// BindIPv6Only=.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub enum BindIpv6Only {
    #[default]
    Default,
    Both,
    Ipv6Only,
}

/// Timestamping=.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub enum Timestamping {
    #[default]
    Off,
    Microseconds,
    Nanoseconds,
}

/// SocketProtocol=.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum SocketProtocol {
    UdpLite,
    Sctp,
}

impl SocketProtocol {
    /// The protocol's number (netinet/in.h).
    pub fn number(self) -> i32 {
        match self {
            SocketProtocol::UdpLite => 136,
            SocketProtocol::Sctp => 132,
        }
    }
}

/// What is set on each socket; what is `None`, zero or off is left as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketOptions {
    /// SocketProtocol=.
    pub protocol: Option<SocketProtocol>,
    /// BindIPv6Only=.
    pub bind_ipv6_only: BindIpv6Only,
    /// Backlog=, as much as listen(2) takes by default.
    pub backlog: u32,
    /// BindToDevice=.
    pub bind_to_device: Option<String>,
    /// ReusePort=.
    pub reuse_port: bool,
    /// FreeBind=.
    pub free_bind: bool,
    /// Transparent=.
    pub transparent: bool,
    /// Broadcast=.
    pub broadcast: bool,
    /// PassCredentials=.
    pub pass_credentials: bool,
    /// PassSecurity=.
    pub pass_security: bool,
    /// PassPacketInfo=.
    pub pass_packet_info: bool,
    /// Timestamping=.
    pub timestamping: Timestamping,
    /// KeepAlive=.
    pub keep_alive: bool,
    /// KeepAliveTimeSec=.
    pub keep_alive_time: TimeSpan,
    /// KeepAliveIntervalSec=.
    pub keep_alive_interval: TimeSpan,
    /// KeepAliveProbes=.
    pub keep_alive_probes: u32,
    /// DeferAcceptSec=.
    pub defer_accept: TimeSpan,
    /// NoDelay=.
    pub no_delay: bool,
    /// Priority=.
    pub priority: Option<i32>,
    /// ReceiveBuffer= in bytes.
    pub receive_buffer: u64,
    /// SendBuffer= in bytes.
    pub send_buffer: u64,
    /// IPTOS=.
    pub ip_tos: Option<i32>,
    /// IPTTL=.
    pub ip_ttl: Option<i32>,
    /// Mark=.
    pub mark: Option<i32>,
    /// TCPCongestion=.
    pub tcp_congestion: Option<String>,
    /// PipeSize= in bytes.
    pub pipe_size: u64,
    /// MessageQueueMaxMessages=.
    pub queue_messages: i64,
    /// MessageQueueMessageSize=.
    pub queue_message_size: i64,
}

impl Default for SocketOptions {
    fn default() -> SocketOptions {
        SocketOptions {
            protocol: None,
            bind_ipv6_only: BindIpv6Only::Default,
            backlog: i32::MAX.unsigned_abs(),
            bind_to_device: None,
            reuse_port: false,
            free_bind: false,
            transparent: false,
            broadcast: false,
            pass_credentials: false,
            pass_security: false,
            pass_packet_info: false,
            timestamping: Timestamping::Off,
            keep_alive: false,
            keep_alive_time: TimeSpan::ZERO,
            keep_alive_interval: TimeSpan::ZERO,
            keep_alive_probes: 0,
            defer_accept: TimeSpan::ZERO,
            no_delay: false,
            priority: None,
            receive_buffer: 0,
            send_buffer: 0,
            ip_tos: None,
            ip_ttl: None,
            mark: None,
            tcp_congestion: None,
            pipe_size: 0,
            queue_messages: 0,
            queue_message_size: 0,
        }
    }
}

/// So many within so long; off if either is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// The length of the window.
    pub interval: TimeSpan,
    /// How many it allows; `None` is the default, which depends on Accept=.
    pub burst: Option<u32>,
}

/// Everything \[Socket\] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketConfig {
    /// Listen...= in order.
    pub listen: Vec<Listen>,
    /// What is set on the sockets.
    pub options: SocketOptions,
    /// Service=.
    pub service: Option<UnitName>,
    /// Accept=.
    pub accept: bool,
    /// SocketUser=.
    pub user: Option<String>,
    /// SocketGroup=.
    pub group: Option<String>,
    /// SocketMode=, 0666.
    pub mode: u32,
    /// DirectoryMode=, 0755.
    pub directory_mode: u32,
    /// RemoveOnStop=.
    pub remove_on_stop: bool,
    /// Symlinks=.
    pub symlinks: Vec<String>,
    /// Writable=.
    pub writable: bool,
    /// FlushPending=.
    pub flush_pending: bool,
    /// MaxConnections=.
    pub max_connections: u32,
    /// MaxConnectionsPerSource=; 0 is off.
    pub max_connections_per_source: u32,
    /// FileDescriptorName=; the unit's name if unset.
    pub descriptor_name: Option<String>,
    /// TriggerLimitIntervalSec= and TriggerLimitBurst=.
    pub trigger_limit: RateLimit,
    /// PollLimitIntervalSec= and PollLimitBurst= (255); off unless set.
    pub poll_limit: RateLimit,
    /// ExecStartPre=, ExecStartPost=, ExecStopPre=, ExecStopPost=.
    pub commands: Commands,
    /// TimeoutSec= of each command; 0 was made infinite (U15).
    pub timeout: TimeSpan,
    /// IgnoreEmptyConnections= in [X-Procmgr].
    pub ignore_empty_connections: bool,
    /// PauseSec= in [X-Procmgr]: how long a socket stays failed when its service cannot be
    /// started; for ever if infinite.
    pub pause: TimeSpan,
    /// The execution environment of its commands.
    pub exec: Cold<ExecConfig>,
    /// How they are ended.
    pub kill: KillConfig,
}

impl SocketConfig {
    /// How many activations TriggerLimitIntervalSec= allows.
    pub fn trigger_burst(&self) -> u32 {
        let usual = if self.accept { 200 } else { 20 };
        self.trigger_limit.burst.unwrap_or(usual)
    }

    /// How many wake-ups PollLimitIntervalSec= allows.
    pub fn poll_burst(&self) -> u32 {
        let usual = if self.accept { 150 } else { 15 };
        self.poll_limit.burst.unwrap_or(usual)
    }
}

impl Default for SocketConfig {
    fn default() -> SocketConfig {
        SocketConfig {
            listen: Vec::new(),
            options: SocketOptions::default(),
            service: None,
            accept: false,
            user: None,
            group: None,
            mode: 0o666,
            directory_mode: 0o755,
            remove_on_stop: false,
            symlinks: Vec::new(),
            writable: false,
            flush_pending: false,
            max_connections: 64,
            max_connections_per_source: 0,
            descriptor_name: None,
            trigger_limit: RateLimit {
                interval: TimeSpan::from_secs(2),
                burst: None,
            },
            poll_limit: RateLimit {
                interval: TimeSpan::ZERO,
                burst: None,
            },
            commands: Commands::default(),
            timeout: TimeSpan::from_secs(90),
            ignore_empty_connections: false,
            pause: TimeSpan::INFINITY,
            exec: Cold::default(),
            kill: KillConfig::default(),
        }
    }
}
