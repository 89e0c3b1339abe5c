//! Conditions on the machine: host, kernel, processors, memory, system release.

use super::compare::{Operator, versions};
use crate::sys::libc_version;
use crate::unit::specifier::SystemFacts;
use crate::unit::value::{parse_boolean, parse_size};
use glob::Pattern;
use std::fs;
use std::path::Path;

/// A host name pattern or a machine ID.
pub(super) fn host(value: &str, system: &SystemFacts) -> Option<bool> {
    if value.replace('-', "") == system.machine_id {
        return Some(true);
    }
    let pattern = Pattern::new(&value.to_lowercase()).ok()?;
    Some(pattern.matches(&system.hostname.to_lowercase()))
}

/// `native` is what this program was built for.
pub(super) fn architecture(value: &str, system: &SystemFacts) -> bool {
    value == system.architecture || value == "native"
}

/// As ConditionKernelVersion=, for what the first word names: `kernel`, which is meant without
/// one, `systemd` or `glibc`.
pub(super) fn version(value: &str, system: &SystemFacts) -> Option<bool> {
    let (component, rest) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
    match component {
        "kernel" => kernel_version(rest, system),
        "systemd" => version_of(SYSTEMD, rest),
        "glibc" => match libc_version::glibc() {
            Some(actual) => version_of(&actual, rest),
            None => Some(false),
        },
        _ => kernel_version(value, system),
    }
}

/// The version of systemd that the manager behaves as.
const SYSTEMD: &str = "252";

/// Loaded, or built in; one that is on its way in or out is not.
pub(super) fn kernel_module(value: &str) -> Option<bool> {
    let name = value.replace('-', "_");
    if name.is_empty() || name.contains(['/', '.']) {
        return None;
    }
    let place = Path::new("/sys/module").join(name);
    Some(match fs::read_to_string(place.join("initstate")) {
        Ok(state) => state.trim() == "live",
        // What is built in has no such file.
        Err(_) => place.is_dir(),
    })
}

/// All words must hold; a word is a comparison of versions or a pattern.
pub(super) fn kernel_version(value: &str, system: &SystemFacts) -> Option<bool> {
    version_of(&system.kernel_release, value)
}

fn version_of(release: &str, value: &str) -> Option<bool> {
    let mut words = value.split_whitespace();
    while let Some(word) = words.next() {
        let holds = match Operator::split(word) {
            (Some(operator), "") => operator.holds(versions(release, words.next()?)),
            (Some(operator), wanted) => operator.holds(versions(release, wanted)),
            (None, pattern) => Pattern::new(pattern).ok()?.matches(release),
        };
        if !holds {
            return Some(false);
        }
    }
    Some(true)
}

/// A word, or a key with any value; with `=`, exactly that.
pub(super) fn kernel_command_line(value: &str) -> Option<bool> {
    let line = fs::read_to_string("/proc/cmdline").ok()?;
    Some(line.split_whitespace().any(|word| {
        word == value
            || (!value.contains('=')
                && word
                    .strip_prefix(value)
                    .is_some_and(|rest| rest.starts_with('=')))
    }))
}

/// Physical memory; no operator means at least.
pub(super) fn memory(value: &str) -> Option<bool> {
    let table = fs::read_to_string("/proc/meminfo").ok()?;
    let line = table.lines().find_map(|l| l.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    let (operator, size) = Operator::split(value);
    let wanted = parse_size(size).ok()?;
    let ordering = (kibibytes * 1024).cmp(&wanted);
    Some(operator.unwrap_or(Operator::GreaterOrEqual).holds(ordering))
}

/// Processors this process may use; no operator means at least.
pub(super) fn cpus(value: &str) -> Option<bool> {
    let set = rustix::thread::sched_getaffinity(None).ok()?;
    let (operator, number) = Operator::split(value);
    let wanted: u32 = number.parse().ok()?;
    let ordering = set.count().cmp(&wanted);
    Some(operator.unwrap_or(Operator::GreaterOrEqual).holds(ordering))
}

/// A flag of the processor as /proc/cpuinfo names it.
pub(super) fn cpu_feature(value: &str) -> Option<bool> {
    let table = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = table
        .lines()
        .find(|line| line.starts_with("flags") || line.starts_with("Features"))?;
    let wanted = value.to_lowercase();
    Some(line.split_whitespace().any(|flag| flag == wanted))
}

/// Words `KEY=value`, `KEY>=version` ...: all must hold.
pub(super) fn os_release(value: &str, system: &SystemFacts) -> Option<bool> {
    for word in value.split_whitespace() {
        let split = word.find(['<', '>', '=', '!', '$'])?;
        let (key, rest) = word.split_at(split);
        let (operator, wanted) = Operator::split(rest);
        let wanted = wanted.trim_matches('"');
        let actual = system.os_release.get(key).map_or("", String::as_str);
        let holds = match operator? {
            Operator::Equal if !rest.starts_with("==") => actual == wanted,
            Operator::NotEqual if rest.starts_with("!=") => actual != wanted,
            operator => operator.holds(versions(actual, wanted)),
        };
        if !holds {
            return Some(false);
        }
    }
    Some(true)
}

/// `v1`, `v2`, or controllers that must all be there.
pub(super) fn controllers(value: &str) -> Option<bool> {
    let unified = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").ok();
    match (value, &unified) {
        ("v2", _) => return Some(unified.is_some()),
        ("v1", _) => return Some(unified.is_none()),
        _ => {}
    }
    let available: Vec<String> = match unified {
        Some(list) => list.split_whitespace().map(str::to_owned).collect(),
        None => {
            let table = fs::read_to_string("/proc/cgroups").ok()?;
            let rows = table.lines().filter(|line| !line.starts_with('#'));
            rows.filter(|row| row.split_whitespace().nth(3) == Some("1"))
                .filter_map(|row| row.split_whitespace().next().map(str::to_owned))
                .collect()
        }
    };
    // v1 calls the controller cpu,cpuacct; asking for either is fine.
    Some(
        value
            .split_whitespace()
            .all(|wanted| available.iter().any(|name| name == wanted)),
    )
}

/// Whether the machine runs on mains; one without batteries does.
pub(super) fn ac_power(value: &str) -> Option<bool> {
    let wanted = parse_boolean(value).ok()?;
    let mut adapters = 0;
    let mut online = false;
    for entry in fs::read_dir("/sys/class/power_supply")
        .into_iter()
        .flatten()
        .flatten()
    {
        let read = |name: &str| fs::read_to_string(entry.path().join(name)).unwrap_or_default();
        if read("type").trim() == "Mains" {
            adapters += 1;
            online |= read("online").trim() == "1";
        }
    }
    Some((adapters == 0 || online) == wanted)
}

/// Whether systemd marked this boot as the first one.
pub(super) fn first_boot(value: &str) -> Option<bool> {
    let wanted = parse_boolean(value).ok()?;
    Some(Path::new("/run/systemd/first-boot").exists() == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system() -> SystemFacts {
        SystemFacts {
            hostname: "Web-1".into(),
            machine_id: "0123456789abcdef0123456789abcdef".into(),
            kernel_release: "6.1.0-13-amd64".into(),
            architecture: "x86-64".into(),
            os_release: [
                ("ID".to_owned(), "debian".to_owned()),
                ("VERSION_ID".into(), "12".into()),
            ]
            .into(),
            ..SystemFacts::default()
        }
    }

    #[test]
    fn hosts() {
        assert_eq!(host("web-*", &system()), Some(true));
        assert_eq!(host("db-*", &system()), Some(false));
        assert_eq!(
            host("01234567-89ab-cdef-0123-456789abcdef", &system()),
            Some(true)
        );
    }

    #[test]
    fn kernels() {
        for (value, wanted) in [
            (">=5.10", true),
            (">= 5.10 <6.2", true),
            ("<6.1", false),
            ("6.1.*", true),
            ("5.*", false),
        ] {
            assert_eq!(kernel_version(value, &system()), Some(wanted), "{value}");
        }
    }

    #[test]
    fn versions_of_components() {
        for (value, wanted) in [
            (">=6.1", true),
            ("kernel >=6.1 <6.2", true),
            ("kernel <6.1", false),
            ("systemd >=250", true),
            ("systemd >252", false),
            ("glibc <1", false),
        ] {
            assert_eq!(version(value, &system()), Some(wanted), "{value}");
        }
    }

    #[test]
    fn modules_of_the_kernel() {
        assert_eq!(kernel_module("surely-not-there"), Some(false));
        // Built in everywhere, and never a module.
        assert_eq!(kernel_module("kernel"), Some(true));
        assert_eq!(kernel_module("../module"), None);
    }

    #[test]
    fn releases_and_architectures() {
        assert_eq!(
            os_release("ID=debian VERSION_ID>=11", &system()),
            Some(true)
        );
        assert_eq!(os_release("ID!=debian", &system()), Some(false));
        assert_eq!(os_release("VERSION_ID<9", &system()), Some(false));
        assert_eq!(os_release("ID", &system()), None);
        assert!(architecture("native", &system()));
        assert!(!architecture("arm64", &system()));
    }

    #[test]
    fn this_machine_has_a_processor() {
        assert_eq!(cpus(">=1"), Some(true));
        assert_eq!(cpus("<1"), Some(false));
        assert_eq!(cpus("many"), None);
        assert_eq!(kernel_command_line("surely-not-there"), Some(false));
    }
}
