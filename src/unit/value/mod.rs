//! The value types of directives, one file each: parse, print, and the unset value.
//!
//! Must not know directives or sections. Every `parse` says in its error what was expected;
//! the directive table adds file, line and column.

mod address;
mod base64;
mod calendar;
mod capability;
mod errno;
mod exit_status;
mod family;
mod limit;
mod mode;
mod scalar;
mod signal;
mod size;
mod span;
mod syscall;
mod zone;

pub use address::{SocketAddress, parse_netlink};
pub use base64::{encode_base64, parse_base64};
pub use calendar::Calendar;
pub use capability::CapabilitySet;
pub use errno::parse_errno;
pub use exit_status::{ExitStatusSet, exit_status_name};
pub use family::address_family;
pub use limit::{Limit, LimitKind};
pub use mode::parse_mode;
pub use scalar::{parse_boolean, parse_integer};
pub use signal::Signal;
pub use size::{ByteSize, parse_size};
pub use span::TimeSpan;
pub use syscall::{Architecture, is_syscall, syscall_numbers};
pub use zone::{WallTime, Zone, ZoneSource, Zones, is_zone_name};

/// Why a value cannot be read: a sentence such as `"2" is not a boolean (yes, no, ...)`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(pub String);
