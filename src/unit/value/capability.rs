//! Sets of Linux capabilities by name (capabilities(7)).

use super::ValueError;
use super::scalar::{BLANKS, parse_integer};

/// A set of capabilities, bit n for capability number n.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CapabilitySet(pub u64);

/// Names in the order of their numbers, from 0.
const NAMES: [&str; 41] = [
    "cap_chown",
    "cap_dac_override",
    "cap_dac_read_search",
    "cap_fowner",
    "cap_fsetid",
    "cap_kill",
    "cap_setgid",
    "cap_setuid",
    "cap_setpcap",
    "cap_linux_immutable",
    "cap_net_bind_service",
    "cap_net_broadcast",
    "cap_net_admin",
    "cap_net_raw",
    "cap_ipc_lock",
    "cap_ipc_owner",
    "cap_sys_module",
    "cap_sys_rawio",
    "cap_sys_chroot",
    "cap_sys_ptrace",
    "cap_sys_pacct",
    "cap_sys_admin",
    "cap_sys_boot",
    "cap_sys_nice",
    "cap_sys_resource",
    "cap_sys_time",
    "cap_sys_tty_config",
    "cap_mknod",
    "cap_lease",
    "cap_audit_write",
    "cap_audit_control",
    "cap_setfcap",
    "cap_mac_override",
    "cap_mac_admin",
    "cap_syslog",
    "cap_wake_alarm",
    "cap_block_suspend",
    "cap_audit_read",
    "cap_perfmon",
    "cap_bpf",
    "cap_checkpoint_restore",
];

/// Highest number the kernel's interface has room for.
const LAST: i64 = 62;

impl CapabilitySet {
    /// No capability.
    pub const EMPTY: CapabilitySet = CapabilitySet(0);

    /// Every capability, also those that later kernels will have.
    pub const ALL: CapabilitySet = CapabilitySet(u64::MAX);

    /// Every capability there is a name for.
    pub const KNOWN: CapabilitySet = CapabilitySet((1 << NAMES.len()) - 1);

    /// Reads blank-separated `CAP_...` names in any case, or numbers; a leading `~` inverts
    /// the set.
    ///
    /// # Errors
    /// A name is not a capability.
    pub fn parse(text: &str) -> Result<CapabilitySet, ValueError> {
        let (inverted, set, unknown) = read(text);
        if !unknown.is_empty() {
            return Err(unknown_error(&unknown));
        }
        Ok(if inverted { CapabilitySet(!set.0) } else { set })
    }

    /// Merges one assignment into the set as CapabilityBoundingSet= and AmbientCapabilities=
    /// do: names are added, names behind `~` removed; a set that is still as it was `unset`
    /// is replaced, and so is any set by an empty list.
    ///
    /// # Errors
    /// Names the words that are no capability; the others count all the same, so that a
    /// misspelt name does not lift the restriction the others stand for.
    pub fn merge(&mut self, text: &str, unset: CapabilitySet) -> Result<(), ValueError> {
        let (inverted, set, unknown) = read(text);
        let replace = set == CapabilitySet::EMPTY || *self == unset;
        self.0 = match (replace, inverted) {
            (true, false) => set.0,
            (true, true) => !set.0,
            (false, false) => self.0 | set.0,
            (false, true) => self.0 & !set.0,
        };
        if unknown.is_empty() {
            Ok(())
        } else {
            Err(unknown_error(&unknown))
        }
    }

    /// The names, lower case, in the order of their numbers.
    pub fn names(self) -> Vec<&'static str> {
        let named = NAMES.iter().enumerate();
        named
            .filter(|(number, _)| self.0 & (1 << number) != 0)
            .map(|(_, name)| *name)
            .collect()
    }
}

/// Whether the text begins with `~`, the capabilities it names, and the words that name none.
fn read(text: &str) -> (bool, CapabilitySet, Vec<&str>) {
    let (inverted, list) = match text.strip_prefix('~') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut set = CapabilitySet::EMPTY;
    let mut unknown = Vec::new();
    for word in list.split(BLANKS) {
        let name = word.trim_matches(['"', '\'']);
        if name.is_empty() {
            continue;
        }
        match number_of(name) {
            Some(number) => set.0 |= 1 << number,
            None => unknown.push(name),
        }
    }
    (inverted, set, unknown)
}

/// A capability's number by its name or the number itself.
fn number_of(name: &str) -> Option<usize> {
    if let Ok(number) = parse_integer(name, 0, LAST) {
        return usize::try_from(number).ok();
    }
    NAMES.iter().position(|n| n.eq_ignore_ascii_case(name))
}

fn unknown_error(words: &[&str]) -> ValueError {
    let words: Vec<String> = words.iter().map(|w| format!("\"{w}\"")).collect();
    ValueError(format!("not a capability: {}", words.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADMIN: u64 = 1 << 12;
    const RAW: u64 = 1 << 13;

    #[test]
    fn names_and_numbers() {
        let set = CapabilitySet::parse("CAP_NET_ADMIN cap_net_raw\t40").unwrap();
        assert_eq!(set.0, ADMIN | RAW | 1 << 40);
        assert_eq!(
            set.names(),
            ["cap_net_admin", "cap_net_raw", "cap_checkpoint_restore"]
        );
        assert_eq!(CapabilitySet::parse("CAP_CHOWN").unwrap().0, 1);
        assert_eq!(CapabilitySet::parse("").unwrap(), CapabilitySet::EMPTY);
        assert_eq!(CapabilitySet::parse("~").unwrap(), CapabilitySet::ALL);
        assert_eq!(CapabilitySet::parse("~CAP_CHOWN").unwrap().0, !1);
        assert_eq!(CapabilitySet::ALL.names().len(), 41);
        for text in [
            "CAP_FOO",
            "NET_ADMIN",
            "63",
            "-1",
            "CAP_NET_ADMIN,CAP_CHOWN",
        ] {
            assert!(CapabilitySet::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_name_is_read_back() {
        for (number, name) in NAMES.iter().enumerate() {
            let set = CapabilitySet(1 << number);
            assert_eq!(set.names(), [*name]);
            assert_eq!(CapabilitySet::parse(&name.to_uppercase()), Ok(set));
        }
    }

    #[test]
    fn lines_merge() {
        let merged = |lines: &[&str], unset: CapabilitySet| {
            let mut set = unset;
            for line in lines {
                set.merge(line, unset).unwrap();
            }
            set.0
        };
        let bounding = |lines: &[&str]| merged(lines, CapabilitySet::ALL);
        assert_eq!(bounding(&["CAP_NET_ADMIN", "CAP_NET_RAW"]), ADMIN | RAW);
        assert_eq!(bounding(&["~CAP_NET_ADMIN"]), !ADMIN);
        assert_eq!(
            bounding(&["~CAP_NET_ADMIN", "~CAP_NET_RAW"]),
            !(ADMIN | RAW)
        );
        assert_eq!(bounding(&["CAP_NET_ADMIN", ""]), 0);
        assert_eq!(bounding(&["CAP_NET_ADMIN", "~"]), u64::MAX);
        let ambient = |lines: &[&str]| merged(lines, CapabilitySet::EMPTY);
        assert_eq!(ambient(&["CAP_NET_ADMIN", "CAP_NET_RAW"]), ADMIN | RAW);
        assert_eq!(
            ambient(&["CAP_NET_ADMIN CAP_NET_RAW", "~CAP_NET_RAW"]),
            ADMIN
        );
        assert_eq!(ambient(&["~CAP_NET_RAW"]), !RAW);
    }

    #[test]
    fn a_misspelt_name_does_not_lift_the_rest() {
        let mut set = CapabilitySet::ALL;
        let error = set.merge("CAP_NET_ADMIN CAP_NET_RWA", CapabilitySet::ALL);
        assert_eq!(error.unwrap_err().0, "not a capability: \"CAP_NET_RWA\"");
        assert_eq!(set.0, ADMIN);
    }
}
