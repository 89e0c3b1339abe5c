//! Sets of exit statuses and signals (SuccessExitStatus= and kin; checklist U18).

use super::scalar::{BLANKS, parse_unsigned};
use super::{Signal, ValueError};
use std::collections::BTreeSet;

/// Exit codes and terminating signals that a directive names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExitStatusSet {
    /// Exit codes 0-255.
    pub codes: BTreeSet<u8>,
    /// Terminating signals.
    pub signals: BTreeSet<Signal>,
}

/// Names of exit codes (systemd.exec(5), "PROCESS EXIT CODES"), ordered by code.
const NAMES: [(u8, &str); 67] = [
    (0, "SUCCESS"),
    (1, "FAILURE"),
    (2, "INVALIDARGUMENT"),
    (3, "NOTIMPLEMENTED"),
    (4, "NOPERMISSION"),
    (5, "NOTINSTALLED"),
    (6, "NOTCONFIGURED"),
    (7, "NOTRUNNING"),
    (64, "USAGE"),
    (65, "DATAERR"),
    (66, "NOINPUT"),
    (67, "NOUSER"),
    (68, "NOHOST"),
    (69, "UNAVAILABLE"),
    (70, "SOFTWARE"),
    (71, "OSERR"),
    (72, "OSFILE"),
    (73, "CANTCREAT"),
    (74, "IOERR"),
    (75, "TEMPFAIL"),
    (76, "PROTOCOL"),
    (77, "NOPERM"),
    (78, "CONFIG"),
    (200, "CHDIR"),
    (201, "NICE"),
    (202, "FDS"),
    (203, "EXEC"),
    (204, "MEMORY"),
    (205, "LIMITS"),
    (206, "OOM_ADJUST"),
    (207, "SIGNAL_MASK"),
    (208, "STDIN"),
    (209, "STDOUT"),
    (210, "CHROOT"),
    (211, "IOPRIO"),
    (212, "TIMERSLACK"),
    (213, "SECUREBITS"),
    (214, "SETSCHEDULER"),
    (215, "CPUAFFINITY"),
    (216, "GROUP"),
    (217, "USER"),
    (218, "CAPABILITIES"),
    (219, "CGROUP"),
    (220, "SETSID"),
    (221, "CONFIRM"),
    (222, "STDERR"),
    (224, "PAM"),
    (225, "NETWORK"),
    (226, "NAMESPACE"),
    (227, "NO_NEW_PRIVILEGES"),
    (228, "SECCOMP"),
    (229, "SELINUX_CONTEXT"),
    (230, "PERSONALITY"),
    (231, "APPARMOR"),
    (232, "ADDRESS_FAMILIES"),
    (233, "RUNTIME_DIRECTORY"),
    (235, "CHOWN"),
    (236, "SMACK_PROCESS_LABEL"),
    (237, "KEYRING"),
    (238, "STATE_DIRECTORY"),
    (239, "CACHE_DIRECTORY"),
    (240, "LOGS_DIRECTORY"),
    (241, "CONFIGURATION_DIRECTORY"),
    (242, "NUMA_POLICY"),
    (243, "CREDENTIALS"),
    (244, "BPF"),
    (255, "EXCEPTION"),
];

/// The name of an exit code, if it has one: `TEMPFAIL` for 75.
pub fn exit_status_name(code: u8) -> Option<&'static str> {
    let index = NAMES.binary_search_by_key(&code, |(c, _)| *c).ok()?;
    Some(NAMES[index].1)
}

impl ExitStatusSet {
    /// Adds the words of one assignment: numbers, names such as `TEMPFAIL`, signals. A number
    /// is always an exit code.
    ///
    /// # Errors
    /// Names the words that are none of these; the others are added all the same.
    pub fn extend(&mut self, text: &str) -> Result<(), ValueError> {
        let mut unknown = Vec::new();
        for word in text.split(BLANKS).filter(|w| !w.is_empty()) {
            if let Some(code) = parse_code(word) {
                self.codes.insert(code);
            } else if let Ok(signal) = Signal::parse(word) {
                self.signals.insert(signal);
            } else {
                unknown.push(format!("\"{word}\""));
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        Err(ValueError(format!(
            "not an exit code from 0 to 255, a name of one or a signal: {}",
            unknown.join(", ")
        )))
    }

    /// Whether nothing is named.
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty() && self.signals.is_empty()
    }
}

/// An exit code by name or number.
fn parse_code(word: &str) -> Option<u8> {
    match NAMES.iter().find(|(_, name)| *name == word) {
        Some((code, _)) => Some(*code),
        None => parse_unsigned(word.strip_prefix('+').unwrap_or(word))
            .and_then(|n| u8::try_from(n).ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u18_exit_statuses() {
        let mut set = ExitStatusSet::default();
        assert!(set.is_empty());
        set.extend("TEMPFAIL 250  SIGKILL\tHUP 0 9").unwrap();
        set.extend("EXCEPTION").unwrap();
        assert_eq!(set.codes, BTreeSet::from([0, 9, 75, 250, 255]));
        assert_eq!(set.signals, BTreeSet::from([Signal::HUP, Signal::KILL]));
        assert!(!set.is_empty());
    }

    #[test]
    fn words_that_mean_nothing_are_named_and_skipped() {
        let mut set = ExitStatusSet::default();
        let error = set.extend("FOO 12 300 -4 tempfail").unwrap_err();
        assert_eq!(set.codes, BTreeSet::from([12]));
        assert!(set.signals.is_empty());
        assert!(
            error.0.ends_with("\"FOO\", \"300\", \"-4\", \"tempfail\""),
            "{error}"
        );
    }

    #[test]
    fn names_are_ordered_and_found_both_ways() {
        assert!(NAMES.windows(2).all(|w| w[0].0 < w[1].0));
        for (code, name) in NAMES {
            assert_eq!(exit_status_name(code), Some(name));
            assert_eq!(parse_code(name), Some(code));
        }
        assert_eq!(exit_status_name(223), None);
        assert_eq!(exit_status_name(100), None);
    }
}
