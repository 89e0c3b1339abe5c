//! The only unsafe code: one kernel facility a file, safe functions, `OwnedFd` in and out.
//!
//! Must not know units, plans or policy. Every unsafe block says why it is sound.

pub mod background;
pub mod bpf;
mod call;
mod child;
mod clone;
pub mod cmsg;
pub mod filter;
pub mod inherited;
pub mod ipc;
pub mod libc_version;
pub mod local_time;
pub mod memory;
pub mod message_queue;
mod namespace;
pub mod numbers;
mod operation;
pub mod own_namespace;
pub mod personality;
pub mod pidfd;
pub mod proc;
pub mod program;
pub mod same_file;
mod scheduling;
pub mod sockopt;
pub mod start;
mod staying;
pub mod subreaper;
pub mod terminal;
