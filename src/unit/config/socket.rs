//! The [Socket] section: loaded and shown; listening comes with socket activation.

use super::{ExecConfig, KillConfig};
use crate::unit::name::UnitName;

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

/// One address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Which directive.
    pub kind: ListenKind,
    /// The address as written, specifiers expanded.
    pub address: String,
}

/// What a socket unit says, as far as it is read now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketConfig {
    /// Listen...= in order.
    pub listen: Vec<Listen>,
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
    /// The execution environment of its commands.
    pub exec: ExecConfig,
    /// How they are ended.
    pub kill: KillConfig,
}

impl Default for SocketConfig {
    fn default() -> SocketConfig {
        SocketConfig {
            listen: Vec::new(),
            service: None,
            accept: false,
            user: None,
            group: None,
            mode: 0o666,
            directory_mode: 0o755,
            remove_on_stop: false,
            exec: ExecConfig::default(),
            kill: KillConfig::default(),
        }
    }
}
