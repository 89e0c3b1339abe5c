//! The one loop: kernel facts become events, effects become system calls.
//!
//! Everything runs on one thread; what may block (name service, conditions on foreign file
//! systems, big reads) goes to a pool thread and comes back as an event. No lock is held
//! across a wait.

mod clock;
mod disk;
mod facts;
mod handle;
mod lines;
mod log;
mod notify;
mod process_table;

pub use disk::DiskSource;
pub use facts::gather as gather_facts;
pub use handle::{ControlError, Facts, Handle, Job, LogLine, ManagerFacts, News, Stream, View};
pub use log::UNIT_TARGET;
