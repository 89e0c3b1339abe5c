//! Resource limits (LimitX=, systemd.exec(5) "PROCESS PROPERTIES"; checklist U17).

use super::scalar::parse_unsigned;
use super::{TimeSpan, ValueError, parse_size};

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
    /// What a service gets where its unit says nothing, `None` where it keeps the manager's
    /// (checklist E11; DefaultLimitNOFILE= in systemd-system.conf(5)).
    pub const fn default_limit(self) -> Option<Limit> {
        match self {
            LimitKind::Nofile => Some(Limit {
                soft: 1024,
                hard: 524_288,
            }),
            LimitKind::Cpu
            | LimitKind::Fsize
            | LimitKind::Data
            | LimitKind::Stack
            | LimitKind::Core
            | LimitKind::Rss
            | LimitKind::Nproc
            | LimitKind::Memlock
            | LimitKind::As
            | LimitKind::Locks
            | LimitKind::Sigpending
            | LimitKind::Msgqueue
            | LimitKind::Nice
            | LimitKind::Rtprio
            | LimitKind::Rttime => None,
        }
    }

    /// Every limit, in the order of the kernel's numbers.
    pub const ALL: [LimitKind; 16] = [
        LimitKind::Cpu,
        LimitKind::Fsize,
        LimitKind::Data,
        LimitKind::Stack,
        LimitKind::Core,
        LimitKind::Rss,
        LimitKind::Nproc,
        LimitKind::Nofile,
        LimitKind::Memlock,
        LimitKind::As,
        LimitKind::Locks,
        LimitKind::Sigpending,
        LimitKind::Msgqueue,
        LimitKind::Nice,
        LimitKind::Rtprio,
        LimitKind::Rttime,
    ];

    /// The directive that sets this limit, `LimitNOFILE` and so on; also its D-Bus property.
    pub fn directive(self) -> &'static str {
        match self {
            LimitKind::Cpu => "LimitCPU",
            LimitKind::Fsize => "LimitFSIZE",
            LimitKind::Data => "LimitDATA",
            LimitKind::Stack => "LimitSTACK",
            LimitKind::Core => "LimitCORE",
            LimitKind::Rss => "LimitRSS",
            LimitKind::Nproc => "LimitNPROC",
            LimitKind::Nofile => "LimitNOFILE",
            LimitKind::Memlock => "LimitMEMLOCK",
            LimitKind::As => "LimitAS",
            LimitKind::Locks => "LimitLOCKS",
            LimitKind::Sigpending => "LimitSIGPENDING",
            LimitKind::Msgqueue => "LimitMSGQUEUE",
            LimitKind::Nice => "LimitNICE",
            LimitKind::Rtprio => "LimitRTPRIO",
            LimitKind::Rttime => "LimitRTTIME",
        }
    }

    /// Reads a value of this limit: `soft:hard`, one for both, `infinity`; time for CPU and
    /// RTTIME, sizes with suffix for what is bytes, `+5`/`-5` or 0-40 for NICE, plain numbers
    /// for the others.
    ///
    /// # Errors
    /// The text is no such value, or the soft limit is above the hard one.
    pub fn parse(self, text: &str) -> Result<Limit, ValueError> {
        let (soft, hard) = text.split_once(':').unwrap_or((text, text));
        let limit = Limit {
            soft: self.parse_one(soft)?,
            hard: self.parse_one(hard)?,
        };
        if limit.soft > limit.hard {
            return Err(ValueError(format!(
                "the soft limit \"{soft}\" is above the hard limit \"{hard}\""
            )));
        }
        Ok(limit)
    }

    /// Reads the soft or the hard half.
    fn parse_one(self, text: &str) -> Result<u64, ValueError> {
        let text = text.trim();
        if text == "infinity" {
            return Ok(u64::MAX);
        }
        let value = match self {
            LimitKind::Cpu => {
                let span = TimeSpan::parse(text)?;
                // The kernel counts seconds; less than one would be no time at all.
                return Ok(span.as_micros().div_ceil(1_000_000));
            }
            LimitKind::Rttime => TimeSpan::parse_unit(text, 1)?.as_micros(),
            LimitKind::Nice => return parse_nice(text),
            LimitKind::Fsize
            | LimitKind::Data
            | LimitKind::Stack
            | LimitKind::Core
            | LimitKind::Rss
            | LimitKind::Memlock
            | LimitKind::As
            | LimitKind::Msgqueue => parse_size(text)?,
            LimitKind::Nproc
            | LimitKind::Nofile
            | LimitKind::Locks
            | LimitKind::Sigpending
            | LimitKind::Rtprio => parse_unsigned(text.strip_prefix('+').unwrap_or(text))
                .ok_or_else(|| ValueError(format!("\"{text}\" is not a number or infinity")))?,
        };
        if value == u64::MAX {
            return Err(ValueError(format!("\"{text}\" is too large for a limit")));
        }
        Ok(value)
    }
}

/// The kernel's 1-40 stand for nice levels 19 to -20; a sign says that a level is meant.
fn parse_nice(text: &str) -> Result<u64, ValueError> {
    let raw = if let Some(level) = text.strip_prefix('+') {
        parse_unsigned(level).filter(|n| *n < 20).map(|n| 20 - n)
    } else if let Some(level) = text.strip_prefix('-') {
        parse_unsigned(level).filter(|n| *n <= 20).map(|n| 20 + n)
    } else {
        parse_unsigned(text).filter(|n| *n <= 40)
    };
    raw.ok_or_else(|| {
        ValueError(format!(
            "\"{text}\" is not a nice level (+19 to -20) or a raw limit (0 to 40)"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(value: u64) -> Result<Limit, ValueError> {
        Ok(Limit {
            soft: value,
            hard: value,
        })
    }

    #[test]
    fn u17_soft_and_hard() {
        let nofile = LimitKind::Nofile;
        assert_eq!(nofile.parse("1024"), both(1024));
        assert_eq!(
            nofile.parse("1024:infinity"),
            Ok(Limit {
                soft: 1024,
                hard: u64::MAX
            })
        );
        assert_eq!(nofile.parse("infinity"), both(u64::MAX));
        assert_eq!(nofile.parse("0x10"), both(16));
        for text in [
            "",
            ":",
            "5:",
            ":5",
            "2:1",
            "infinity:5",
            "1:2:3",
            "1K",
            "-1",
            "Infinity",
            "1s",
            "18446744073709551615",
        ] {
            assert!(nofile.parse(text).is_err(), "{text}");
        }
        let error = nofile.parse("2:1").unwrap_err();
        assert_eq!(
            error.0,
            "the soft limit \"2\" is above the hard limit \"1\""
        );
    }

    #[test]
    fn u17_sizes() {
        assert_eq!(LimitKind::Memlock.parse("64M"), both(64 << 20));
        assert_eq!(LimitKind::Fsize.parse("1G 5M"), both((1 << 30) + (5 << 20)));
        assert_eq!(
            LimitKind::Core.parse("1 : 2K"),
            Ok(Limit {
                soft: 1,
                hard: 2048
            })
        );
        assert!(LimitKind::Fsize.parse("5M 1G").is_err());
        assert!(LimitKind::As.parse("1k").is_err());
    }

    #[test]
    fn u17_times() {
        assert_eq!(LimitKind::Cpu.parse("90"), both(90));
        assert_eq!(LimitKind::Cpu.parse("1min"), both(60));
        assert_eq!(LimitKind::Cpu.parse("1500ms"), both(2));
        assert_eq!(LimitKind::Cpu.parse("1us"), both(1));
        assert_eq!(LimitKind::Cpu.parse("infinity"), both(u64::MAX));
        assert_eq!(LimitKind::Rttime.parse("5"), both(5));
        assert_eq!(LimitKind::Rttime.parse("5ms"), both(5_000));
    }

    #[test]
    fn u17_nice() {
        let nice = LimitKind::Nice;
        for (text, raw) in [
            ("+5", 15),
            ("-5", 25),
            ("-20", 40),
            ("+19", 1),
            ("+0", 20),
            ("0", 0),
            ("40", 40),
        ] {
            assert_eq!(nice.parse(text), both(raw), "{text}");
        }
        for text in ["+20", "-21", "41", "", "+", "+-1"] {
            assert!(nice.parse(text).is_err(), "{text}");
        }
        assert_eq!(nice.parse("+5:-5"), Ok(Limit { soft: 15, hard: 25 }));
    }

    #[test]
    fn limits_stand_at_their_kernel_number() {
        for (number, kind) in LimitKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
            assert!(kind.directive().starts_with("Limit"));
        }
        assert_eq!(LimitKind::Nofile.directive(), "LimitNOFILE");
    }
}
