//! Names for things that have no name of their own, and the time.

use serde::{Deserialize, Serialize};

/// A moment on both clocks, in microseconds, taken once per event by the host.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Timestamp {
    /// CLOCK_MONOTONIC: what deadlines are made of.
    pub monotonic: u64,
    /// CLOCK_REALTIME: only shown.
    pub realtime: u64,
}

/// A loaded unit; valid as long as the engine lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UnitId(pub u32);

/// A job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId(pub u32);

/// A process of ours, from the order to start it until its exit was handled. Never reused, so
/// nothing depends on a pid that the kernel may give to somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessId(pub u64);

/// A request from outside, numbered by the host; answered by one `Effect::Reply`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// A descriptor that the host holds for a unit: an accepted connection, or one out of a store.
/// Numbered by the host, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DescriptorId(pub u64);

/// Descriptors for standard input, output and error, as far as there are any.
pub type Streams = [Option<DescriptorId>; 3];

/// An order to look at conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CheckId(pub u64);
