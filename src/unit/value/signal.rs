//! Signals as plain numbers: real-time signals have no name in most libraries.

use super::ValueError;
use super::scalar::parse_integer;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A signal number, 1 to 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Signal(pub i32);

#[allow(missing_docs)]
impl Signal {
    pub const HUP: Signal = Signal(1);
    pub const INT: Signal = Signal(2);
    pub const QUIT: Signal = Signal(3);
    pub const ABRT: Signal = Signal(6);
    pub const KILL: Signal = Signal(9);
    pub const USR1: Signal = Signal(10);
    pub const USR2: Signal = Signal(12);
    pub const PIPE: Signal = Signal(13);
    pub const TERM: Signal = Signal(15);
    pub const CHLD: Signal = Signal(17);
    pub const CONT: Signal = Signal(18);
}

/// Names of signals 1 to 31 in order (signal(7), the numbers of x86 and ARM).
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// The first real-time signal programs may use: the C libraries keep the ones below.
const RTMIN: i32 = 34;
/// The last signal.
const RTMAX: i32 = 64;

impl Signal {
    /// Reads `SIGTERM`, `TERM`, `RTMIN+3`, `SIGRTMAX-1` or a number (checklist U18).
    ///
    /// # Errors
    /// The text names no signal.
    pub fn parse(text: &str) -> Result<Signal, ValueError> {
        let name = text.strip_prefix("SIG").unwrap_or(text);
        let known = if let Ok(number) = parse_integer(text, 1, i64::from(RTMAX)) {
            Some(number as i32)
        } else if let Some(index) = NAMES.iter().position(|n| *n == name) {
            Some(index as i32 + 1)
        } else if let Some(rest) = name.strip_prefix("RTMIN") {
            distance(rest, '+').map(|n| RTMIN + n)
        } else if let Some(rest) = name.strip_prefix("RTMAX") {
            distance(rest, '-').map(|n| RTMAX - n)
        } else {
            None
        };
        known
            .map(Signal)
            .ok_or_else(|| ValueError(format!("\"{text}\" is not a signal (SIGTERM, TERM, 15)")))
    }

    /// The name without `SIG` (`TERM`, `RTMIN+3`), as EXIT_STATUS carries it; the number for
    /// signals without name.
    pub fn name(self) -> String {
        let index = usize::try_from(self.0).unwrap_or(0).wrapping_sub(1);
        match NAMES.get(index) {
            Some(name) => (*name).to_owned(),
            None if (RTMIN..=RTMAX).contains(&self.0) => format!("RTMIN+{}", self.0 - RTMIN),
            None => self.0.to_string(),
        }
    }
}

/// How far from RTMIN or RTMAX: nothing, or the sign and a number within the range.
fn distance(text: &str, sign: char) -> Option<i32> {
    if text.is_empty() {
        return Some(0);
    }
    let number = parse_integer(text.strip_prefix(sign)?, 0, i64::from(RTMAX - RTMIN));
    number.ok().map(|n| n as i32)
}

impl fmt::Display for Signal {
    /// `SIGTERM`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIG{}", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u18_signals() {
        for (text, number) in [
            ("SIGTERM", 15),
            ("TERM", 15),
            ("15", 15),
            ("SIGHUP", 1),
            ("SYS", 31),
            ("IO", 29),
            ("32", 32),
            ("64", 64),
            ("RTMIN", 34),
            ("SIGRTMIN+1", 35),
            ("RTMIN+30", 64),
            ("RTMAX", 64),
            ("SIGRTMAX-0", 64),
            ("RTMAX-30", 34),
        ] {
            assert_eq!(Signal::parse(text), Ok(Signal(number)), "{text}");
        }
        for text in [
            "",
            "SIG",
            "term",
            "SIGterm",
            "SIGSIGTERM",
            "0",
            "65",
            "-1",
            "SIG9",
            "POLL",
            "RTMIN+31",
            "RTMIN+-1",
            "RTMIN-1",
            "RTMAX+1",
            "RTMAX-31",
            "RTMIN+",
            "TERM ",
        ] {
            assert!(Signal::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_signal_is_read_back_from_its_name() {
        for number in 1..=RTMAX {
            let signal = Signal(number);
            assert_eq!(Signal::parse(&signal.name()), Ok(signal));
            // 32 and 33 belong to the C library and have no name to put SIG before.
            if number != 32 && number != 33 {
                assert_eq!(Signal::parse(&signal.to_string()), Ok(signal));
            }
        }
        assert_eq!(Signal::TERM.to_string(), "SIGTERM");
        assert_eq!(Signal(37).name(), "RTMIN+3");
        assert_eq!(Signal(0).name(), "0");
        assert_eq!(Signal(-5).name(), "-5");
    }

    #[test]
    fn constants_carry_their_names() {
        for (signal, name) in [
            (Signal::HUP, "HUP"),
            (Signal::INT, "INT"),
            (Signal::QUIT, "QUIT"),
            (Signal::ABRT, "ABRT"),
            (Signal::KILL, "KILL"),
            (Signal::USR1, "USR1"),
            (Signal::USR2, "USR2"),
            (Signal::PIPE, "PIPE"),
            (Signal::TERM, "TERM"),
            (Signal::CHLD, "CHLD"),
            (Signal::CONT, "CONT"),
        ] {
            assert_eq!(signal.name(), name);
        }
    }
}
