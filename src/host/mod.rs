//! The one loop: kernel facts become events, effects become system calls.
//!
//! Everything runs on one thread; what may block (name service, conditions on foreign file
//! systems, big reads) goes to a pool thread and comes back as an event. No lock is held
//! across a wait.

mod handle;

pub use handle::{ControlError, Facts, Handle, Job, LogLine, ManagerFacts, News, Stream, View};
