//! Health and metrics for machines: `/healthz/...` and `/metrics` over HTTP, and DogStatsD.
//!
//! Reads [`crate::engine::inspect`] through the loop's door, as `bus` does, and asks for nothing
//! to be changed. What reads files of the kernel for many units does so on a pool thread. Must not
//! trust its clients: no body is read, requests and connections are bounded, and who is slow is
//! dropped.

mod address;
mod health;
mod metrics;
mod negotiate;
mod picture;
mod server;
mod statsd;
#[cfg(test)]
mod tests;

pub use address::{BindError, HttpAddress, Listening};
pub use server::serve;
pub use statsd::{Target, run as run_statsd};
