//! From configuration to a running process.
//!
//! `identity` asks the name service (it may block: off the loop). `environment` and `plan` are
//! pure: configuration, identity and descriptors in, a complete [`ExecPlan`] out. `spawn` runs
//! the plan in a clone that shares our memory until execve: between the two, only raw system
//! calls on memory prepared before. A setting is applied or the start is refused; nothing is
//! skipped in silence.

pub mod environment;
pub mod exit_status;
pub mod filter;
pub mod foresight;
pub mod identity;
pub mod mounts;
pub mod plan;
pub mod spawn;

pub use identity::{Identity, IdentityError};
pub use plan::{ExecPlan, Output, PlanError, PlanInput};
pub use spawn::{Child, SpawnError, StepFailure};

#[cfg(test)]
mod tests;
