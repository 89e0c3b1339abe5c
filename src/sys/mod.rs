//! The only unsafe code: one kernel facility a file, safe functions, `OwnedFd` in and out.
//!
//! Must not know units, plans or policy. Every unsafe block says why it is sound.

pub mod local_time;
