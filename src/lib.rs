//! dd-procmgr: runs systemd unit files where systemd is not the one who runs them.
//!
//! Data flows one way: `unit` turns text into typed configuration, `engine` turns
//! configuration and events into effects, `host` turns effects into kernel calls and kernel
//! facts into events. `bus`, `http` and `cli` only send requests and read `engine::inspect`.
//!
//! Which module may use which is law and is checked by `tests/architecture.rs`.

#![deny(unsafe_op_in_unsafe_fn)]

pub mod bus;
pub mod cgroup;
pub mod cli;
pub mod daemon;
pub mod engine;
pub mod exec;
pub mod host;
pub mod http;
pub mod offline;
pub mod places;
#[allow(unsafe_code)]
pub mod sys;
pub mod unit;
