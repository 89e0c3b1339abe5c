//! Conditions on the manager's user, group and capabilities, and on security modules.

use crate::unit::specifier::SystemFacts;
use crate::unit::value::CapabilitySet;
use std::fs;
use std::path::Path;

/// Highest number of a system user or group (login.defs: SYS_UID_MAX).
const SYSTEM_MAX: u32 = 999;

/// A user's name or number, or `@system`.
pub(super) fn user(value: &str, system: &SystemFacts) -> Option<bool> {
    if value == "@system" {
        return Some(system.uid <= SYSTEM_MAX || system.uid == 65534);
    }
    Some(value == system.user || value.parse() == Ok(system.uid))
}

/// A group's name or number, among all groups of the manager.
pub(super) fn group(value: &str, system: &SystemFacts) -> Option<bool> {
    let wanted = match value.parse() {
        Ok(number) => number,
        Err(_) if value == system.group => return Some(true),
        Err(_) => match nix::unistd::Group::from_name(value) {
            Ok(Some(group)) => group.gid.as_raw(),
            Ok(None) => return Some(false),
            Err(_) => return None,
        },
    };
    let others = rustix::process::getgroups().unwrap_or_default();
    Some(wanted == system.gid || others.iter().any(|gid| gid.as_raw() == wanted))
}

/// Whether the manager's bounding set holds a capability.
pub(super) fn capability(value: &str) -> Option<bool> {
    let wanted = CapabilitySet::parse(value).ok()?;
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("CapBnd:"))?;
    let bounding = u64::from_str_radix(line.trim(), 16).ok()?;
    Some(bounding & wanted.0 == wanted.0)
}

/// Whether a security technology is in use.
pub(super) fn module(value: &str) -> Option<bool> {
    match value {
        "selinux" => Some(Path::new("/sys/fs/selinux/enforce").exists()),
        "apparmor" => {
            let enabled = fs::read_to_string("/sys/module/apparmor/parameters/enabled");
            Some(enabled.is_ok_and(|text| text.trim() == "Y"))
        }
        "tomoyo" => Some(Path::new("/sys/kernel/security/tomoyo/version").exists()),
        "smack" => Some(Path::new("/sys/fs/smackfs").exists()),
        "ima" => Some(Path::new("/sys/kernel/security/ima").exists()),
        "tpm2" => {
            Some(fs::read_dir("/sys/class/tpmrm").is_ok_and(|mut entries| entries.next().is_some()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups() {
        let system = SystemFacts {
            uid: 1000,
            gid: 1000,
            user: "me".into(),
            group: "us".into(),
            ..SystemFacts::default()
        };
        assert_eq!(user("me", &system), Some(true));
        assert_eq!(user("1000", &system), Some(true));
        assert_eq!(user("root", &system), Some(false));
        assert_eq!(user("@system", &system), Some(false));
        assert_eq!(group("us", &system), Some(true));
        assert_eq!(group("1000", &system), Some(true));
        assert_eq!(group("no-such-group-here", &system), Some(false));
    }

    #[test]
    fn unknown_modules_cannot_be_told() {
        assert_eq!(module("fortress"), None);
        assert!(module("selinux").is_some());
    }
}
