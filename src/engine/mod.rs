//! The engine: units, jobs and services as a pure state machine.
//!
//! Pure and deterministic: no clock, file, environment, thread, channel or randomness; the
//! same events give the same effects in the same order. Time is an argument; effects are
//! pulled from a queue; propagation goes through a queue, never by recursion. A request or a
//! kernel fact comes in as an [`Event`], what is to be done leaves as an [`Effect`], and every
//! effect that says so is answered by exactly one event.
//!
//! Invariants: one installed job per unit; a service has at most one main process; every
//! dependency of a loaded unit names a unit that is in the graph (if only as not found); the
//! number of a unit is never given to another one.

#![forbid(unsafe_code)]

mod action;
mod activation;
mod awaited;
mod cancel;
mod collect;
mod deadlock;
mod edges;
mod effect;
#[allow(clippy::module_inception)]
mod engine;
mod event;
mod graph;
mod health;
mod ids;
pub mod inspect;
mod job;
mod ledger;
mod numbered;
pub mod path;
mod preview;
mod preview_reload;
mod probe;
mod process;
mod propagate;
mod queue;
mod random;
mod requests;
mod returning;
pub mod scope;
mod scopes;
pub mod service;
mod shutdown;
mod snapshot;
pub mod socket;
mod sockets;
mod start;
mod state;
mod steady;
#[cfg(test)]
mod tests;
pub mod timer;
mod transaction;
mod turn;
mod unit;
mod views;
mod window;

pub use effect::{
    Effect, KillOrder, LogLevel, MainSource, Outcome, Passed, PassedSource, ProbeOrder, Refusal,
    Spawn, WatchManner,
};
pub use engine::Engine;
pub use event::{Event, KillWhom, Notification, OpenFailure, Peer, Verb};
pub use ids::{CheckId, DescriptorId, JobId, ProcessId, RequestId, Streams, Timestamp, UnitId};
pub use ledger::{Ledger, LedgerProcess};
pub use probe::{ProbeRecord, ProbeResult, Verdict};
pub use process::{ExitCode, ProcessStatus, Role};
pub use snapshot::{RestoreError, Snapshot};
pub use state::{
    ActiveState, JobKind, JobResult, PathResult, PathState, ScopeResult, ScopeState, ServiceResult,
    ServiceState, SocketResult, SocketState, TimerResult, TimerState,
};
pub use timer::TimePlace;
