//! Resource limits (LimitX=, systemd.exec(5) "PROCESS PROPERTIES"; checklist U17).

use super::ValueError;

/// Which limit; the discriminant is the kernel's RLIMIT_ number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum LimitKind {
    Cpu = 0,
    Fsize = 1,
    Data = 2,
    Stack = 3,
    Core = 4,
    Rss = 5,
    Nproc = 6,
    Nofile = 7,
    Memlock = 8,
    As = 9,
    Locks = 10,
    Sigpending = 11,
    Msgqueue = 12,
    Nice = 13,
    Rtprio = 14,
    Rttime = 15,
}

/// A soft and a hard limit; `u64::MAX` is infinity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// What the process meets first.
    pub soft: u64,
    /// How far the process may raise the soft one.
    pub hard: u64,
}

impl LimitKind {
    /// Reads a value of this limit: `soft:hard`, one for both, `infinity`; time for CPU,
    /// `+5`/`-5` for NICE.
    ///
    /// # Errors
    /// The text is no such value, or the soft limit is above the hard one.
    pub fn parse(self, text: &str) -> Result<Limit, ValueError> {
        Err(ValueError(format!("\"{text}\" is not a resource limit")))
    }
}
