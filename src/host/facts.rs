//! What specifiers and conditions need to know of the machine, gathered once at start.

use super::zones::MachineZones;
use crate::unit::specifier::SystemFacts;
use crate::unit::value::{Limit, LimitKind, Zones};
use nix::unistd::{Group, Uid, User, getegid, geteuid};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Looks a variable of the environment up.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Gathers the facts; `env` is the daemon's environment. Asks the user database: only before
/// the loop runs.
pub fn gather(env: Lookup<'_>) -> SystemFacts {
    let uname = rustix::system::uname();
    let uid = geteuid();
    let gid = getegid();
    let user = User::from_uid(uid).ok().flatten();
    let group = Group::from_gid(gid).ok().flatten();
    let home = home(uid, user.as_ref(), env);
    let mut facts = SystemFacts {
        home: home.clone(),
        user: user
            .as_ref()
            .map_or_else(|| uid.to_string(), |u| u.name.clone()),
        uid: uid.as_raw(),
        group: group.map_or_else(|| gid.to_string(), |g| g.name),
        gid: gid.as_raw(),
        shell: user.map_or_else(
            || "/bin/sh".to_owned(),
            |u| u.shell.to_string_lossy().into_owned(),
        ),
        hostname: uname.nodename().to_string_lossy().into_owned(),
        pretty_hostname: pretty_hostname(),
        machine_id: first_line("/etc/machine-id"),
        boot_id: first_line("/proc/sys/kernel/random/boot_id").replace('-', ""),
        kernel_release: uname.release().to_string_lossy().into_owned(),
        architecture: architecture(&uname.machine().to_string_lossy()).to_owned(),
        os_release: os_release(),
        limits: limits(),
        tasks: tasks(),
        memory: memory(),
        zones: Zones::new(Arc::new(MachineZones::of(env))),
        ..SystemFacts::default()
    };
    if facts.pretty_hostname.is_empty() {
        facts.pretty_hostname = facts.hostname.clone();
    }
    directories(&mut facts, uid.is_root(), &home, env);
    facts
}

/// The limits that this process itself has.
fn limits() -> BTreeMap<LimitKind, Limit> {
    let text = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let number = |text: &str| match text {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    };
    let mut limits = BTreeMap::new();
    for (name, kind) in LIMITS {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let mut fields = line.into_iter().flat_map(str::split_whitespace);
        if let (Some(soft), Some(hard)) = (
            fields.next().and_then(number),
            fields.next().and_then(number),
        ) {
            limits.insert(kind, Limit { soft, hard });
        }
    }
    limits
}

/// The names of /proc/self/limits.
const LIMITS: [(&str, LimitKind); 16] = [
    ("Max cpu time", LimitKind::Cpu),
    ("Max file size", LimitKind::Fsize),
    ("Max data size", LimitKind::Data),
    ("Max stack size", LimitKind::Stack),
    ("Max core file size", LimitKind::Core),
    ("Max resident set", LimitKind::Rss),
    ("Max processes", LimitKind::Nproc),
    ("Max open files", LimitKind::Nofile),
    ("Max locked memory", LimitKind::Memlock),
    ("Max address space", LimitKind::As),
    ("Max file locks", LimitKind::Locks),
    ("Max pending signals", LimitKind::Sigpending),
    ("Max msgqueue size", LimitKind::Msgqueue),
    ("Max nice priority", LimitKind::Nice),
    ("Max realtime priority", LimitKind::Rtprio),
    ("Max realtime timeout", LimitKind::Rttime),
];

/// How many tasks the kernel, or the control group this runs in, has room for.
fn tasks() -> u64 {
    let places = [
        "/proc/sys/kernel/pid_max",
        "/proc/sys/kernel/threads-max",
        "/sys/fs/cgroup/pids.max",
        "/sys/fs/cgroup/pids/pids.max",
    ];
    let numbers = places
        .iter()
        .filter_map(|path| first_line(path).parse().ok());
    numbers.min().unwrap_or(0)
}

/// MemTotal, in bytes.
fn memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    kib.map_or(0, |kib: u64| kib.saturating_mul(1024))
}

/// %t, %S, %C, %L, %E, %T and %V (systemd.unit(5), "SPECIFIERS"; file-hierarchy(7)).
fn directories(facts: &mut SystemFacts, root: bool, home: &str, env: Lookup<'_>) {
    let or = |name: &str, default: String| set(env, name).unwrap_or(default);
    if root {
        facts.runtime_directory = "/run".to_owned();
        facts.state_directory = "/var/lib".to_owned();
        facts.cache_directory = "/var/cache".to_owned();
        facts.logs_directory = "/var/log".to_owned();
        facts.configuration_directory = "/etc".to_owned();
    } else {
        facts.configuration_directory = or("XDG_CONFIG_HOME", format!("{home}/.config"));
        facts.state_directory = or("XDG_STATE_HOME", format!("{home}/.local/state"));
        facts.cache_directory = or("XDG_CACHE_HOME", format!("{home}/.cache"));
        facts.logs_directory = format!("{}/log", facts.state_directory);
        facts.runtime_directory = or(
            "XDG_RUNTIME_DIR",
            std::env::temp_dir().to_string_lossy().into_owned(),
        );
    }
    let temporary = ["TMPDIR", "TEMP", "TMP"]
        .into_iter()
        .find_map(|name| set(env, name).filter(|path| path.starts_with('/')));
    facts.tmp_directory = temporary.clone().unwrap_or_else(|| "/tmp".to_owned());
    facts.var_tmp_directory = temporary.unwrap_or_else(|| "/var/tmp".to_owned());
}

fn home(uid: Uid, user: Option<&User>, env: Lookup<'_>) -> String {
    if uid.is_root() {
        return "/root".to_owned();
    }
    set(env, "HOME").unwrap_or_else(|| {
        user.map_or_else(
            || "/".to_owned(),
            |user| user.dir.to_string_lossy().into_owned(),
        )
    })
}

fn set(env: Lookup<'_>, name: &str) -> Option<String> {
    env(name).filter(|value| !value.is_empty())
}

fn first_line(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or_default().trim().to_owned()
}

fn pretty_hostname() -> String {
    read_assignments(Path::new("/etc/machine-info"))
        .remove("PRETTY_HOSTNAME")
        .unwrap_or_default()
}

fn os_release() -> BTreeMap<String, String> {
    let found = read_assignments(Path::new("/etc/os-release"));
    if found.is_empty() {
        read_assignments(Path::new("/usr/lib/os-release"))
    } else {
        found
    }
}

/// The assignments of a file such as os-release(5), unquoted; empty if there is none.
pub(super) fn read_assignments(path: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim().to_owned(), unquote(value.trim())))
        .collect()
}

fn unquote(value: &str) -> String {
    for quote in ['"', '\''] {
        if let Some(inner) = value
            .strip_prefix(quote)
            .and_then(|value| value.strip_suffix(quote))
        {
            return inner.replace("\\\"", "\"").replace("\\$", "$");
        }
    }
    value.to_owned()
}

/// systemd's name for what uname(2) calls the machine.
fn architecture(machine: &str) -> &str {
    match machine {
        "x86_64" => "x86-64",
        "aarch64" => "arm64",
        "aarch64_be" => "arm64-be",
        "i386" | "i486" | "i586" | "i686" => "x86",
        "ppc64le" => "ppc64-le",
        "ppcle" => "ppc-le",
        "loongarch64" => "loongarch64",
        arm if arm.starts_with("armv") && arm.ends_with('b') => "arm-be",
        arm if arm.starts_with("armv") => "arm",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine() {
        let facts = gather(&|name| std::env::var(name).ok());
        assert!(!facts.hostname.is_empty());
        assert!(!facts.kernel_release.is_empty());
        assert_eq!(facts.boot_id.len(), 32);
        assert!(facts.runtime_directory.starts_with('/'));
    }

    #[test]
    fn places_of_a_user() {
        let mut facts = SystemFacts::default();
        directories(&mut facts, false, "/home/x", &|name| {
            (name == "XDG_CACHE_HOME").then(|| "/c".to_owned())
        });
        assert_eq!(facts.cache_directory, "/c");
        assert_eq!(facts.logs_directory, "/home/x/.local/state/log");
        assert_eq!(facts.tmp_directory, "/tmp");
    }

    #[test]
    fn assignments_and_names() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "# c\nID=debian\nNAME=\"a \\\"b\\\"\"\nX='y'\n").unwrap();
        let map = read_assignments(file.path());
        assert_eq!(map["ID"], "debian");
        assert_eq!(map["NAME"], "a \"b\"");
        assert_eq!(map["X"], "y");
        assert_eq!(architecture("armv7l"), "arm");
        assert_eq!(architecture("riscv64"), "riscv64");
    }
}
