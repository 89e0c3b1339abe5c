//! What each switch says of single calls.

use super::assembler::{Case, Check, Rule, Section, Verdict, assemble};
use super::refused;
use crate::sys::filter::Instruction;
use crate::unit::config::Filters;
use crate::unit::value::{Architecture, syscall_numbers};
use std::collections::BTreeMap;

/// What is said of a call by its name, if anything.
type Say = fn(&str) -> Option<Rule>;

/// Whether a switch is on.
type IsOn = fn(&Filters) -> bool;

/// The switches: directive, whether it is on, what it says.
pub(super) const TABLE: &[(&str, IsOn, Say)] = &[
    (
        "MemoryDenyWriteExecute",
        |f| f.memory_deny_write_execute,
        memory,
    ),
    ("RestrictRealtime", |f| f.restrict_realtime, realtime),
    ("RestrictSUIDSGID", |f| f.restrict_set_id, set_id),
    ("ProtectKernelTunables", |f| f.protect_tunables, tunables),
    ("ProtectKernelModules", |f| f.protect_modules, modules),
    ("ProtectKernelLogs", |f| f.protect_logs, logs),
    ("ProtectClock", |f| f.protect_clock, clock),
    ("PrivateDevices", |f| f.private_devices, raw_access),
    ("ProtectHostname", |f| f.protect_hostname, host_name),
];

/// Every call that one of the rules here knows.
const CALLS: &[&str] = &[
    "_sysctl",
    "adjtimex",
    "chmod",
    "clock_adjtime",
    "clock_adjtime64",
    "clock_settime",
    "clock_settime64",
    "clone",
    "clone3",
    "creat",
    "delete_module",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "finit_module",
    "init_module",
    "ioperm",
    "iopl",
    "mkdir",
    "mkdirat",
    "mknod",
    "mknodat",
    "mmap",
    "mmap2",
    "mprotect",
    "open",
    "openat",
    "openat2",
    "pciconfig_iobase",
    "pciconfig_read",
    "pciconfig_write",
    "personality",
    "pkey_mprotect",
    "sched_setattr",
    "sched_setscheduler",
    "setdomainname",
    "sethostname",
    "setns",
    "settimeofday",
    "shmat",
    "socket",
    "stime",
    "syslog",
    "unshare",
];

/// A program that is made from what is said of each call.
pub(super) fn program(say: Say, native: Architecture) -> Option<Vec<Instruction>> {
    program_of(say, native)
}

/// The same, for rules that depend on more than the call.
pub(super) fn program_of(
    say: impl Fn(&str) -> Option<Rule>,
    native: Architecture,
) -> Option<Vec<Instruction>> {
    let sections = native.family().iter().map(|architecture| {
        let mut rules = BTreeMap::new();
        for name in CALLS {
            let Some(rule) = say(name) else { continue };
            // There its argument is a structure in memory; the call itself is mmap2.
            let old = *architecture == Architecture::X86 && *name == "mmap";
            let rule = if old { Rule::always(refused()) } else { rule };
            for number in syscall_numbers(*architecture, name) {
                rules.insert(number, rule.clone());
            }
        }
        Section {
            architecture: *architecture,
            rules,
            otherwise: Verdict::ALLOW,
        }
    });
    assemble(&sections.collect::<Vec<_>>(), Verdict::ALLOW)
}

fn is_set(argument: u8, bits: u32) -> Check {
    Check {
        argument,
        mask: bits,
        wanted: bits,
    }
}

fn equals(argument: u8, wanted: u32) -> Check {
    Check {
        argument,
        mask: u32::MAX,
        wanted,
    }
}

/// Refused in each of these cases, allowed else.
fn refused_if<const N: usize, const M: usize>(cases: [[Check; N]; M]) -> Option<Rule> {
    let cases = cases.map(|checks| Case {
        checks: checks.to_vec(),
        verdict: refused(),
    });
    Some(Rule {
        cases: cases.to_vec(),
        verdict: Verdict::ALLOW,
    })
}

/// Allowed in each of these cases, refused else.
fn allowed_if(checks: &[Check]) -> Option<Rule> {
    let cases = checks.iter().map(|check| Case {
        checks: vec![*check],
        verdict: Verdict::ALLOW,
    });
    Some(Rule {
        cases: cases.collect(),
        verdict: refused(),
    })
}

fn never() -> Option<Rule> {
    Some(Rule::always(refused()))
}

/// As if the kernel did not have it.
fn unknown() -> Option<Rule> {
    Some(Rule::always(Verdict::errno(libc::ENOSYS)))
}

fn memory(name: &str) -> Option<Rule> {
    const EXECUTE: u32 = libc::PROT_EXEC as u32;
    const BOTH: u32 = EXECUTE | libc::PROT_WRITE as u32;
    match name {
        "mmap" | "mmap2" => refused_if([[is_set(2, BOTH)]]),
        "mprotect" | "pkey_mprotect" => refused_if([[is_set(2, EXECUTE)]]),
        "shmat" => refused_if([[is_set(2, libc::SHM_EXEC as u32)]]),
        _ => None,
    }
}

/// The policies that are left: SCHED_OTHER, SCHED_BATCH, SCHED_IDLE.
fn realtime(name: &str) -> Option<Rule> {
    match name {
        "sched_setscheduler" => allowed_if(&[0, 3, 5].map(|policy| equals(1, policy))),
        "sched_setattr" => never(),
        _ => None,
    }
}

fn set_id(name: &str) -> Option<Rule> {
    const USER: u32 = libc::S_ISUID;
    const GROUP: u32 = libc::S_ISGID;
    let mode = |at: u8| refused_if([[is_set(at, USER)], [is_set(at, GROUP)]]);
    let opened = |flags: u8| {
        let (create, nameless) = (libc::O_CREAT as u32, libc::O_TMPFILE as u32);
        let at = flags + 1;
        refused_if([
            [is_set(flags, create), is_set(at, USER)],
            [is_set(flags, create), is_set(at, GROUP)],
            [is_set(flags, nameless), is_set(at, USER)],
            [is_set(flags, nameless), is_set(at, GROUP)],
        ])
    };
    match name {
        "chmod" | "fchmod" | "creat" | "mkdir" | "mknod" => mode(1),
        "fchmodat" | "fchmodat2" | "mkdirat" | "mknodat" => mode(2),
        "open" => opened(1),
        "openat" => opened(2),
        "openat2" => unknown(),
        _ => None,
    }
}

fn tunables(name: &str) -> Option<Rule> {
    (name == "_sysctl").then(never).flatten()
}

fn modules(name: &str) -> Option<Rule> {
    matches!(name, "delete_module" | "finit_module" | "init_module")
        .then(never)
        .flatten()
}

fn logs(name: &str) -> Option<Rule> {
    (name == "syslog").then(never).flatten()
}

fn clock(name: &str) -> Option<Rule> {
    match name {
        "adjtimex" | "clock_adjtime" | "clock_adjtime64" | "clock_settime" | "clock_settime64"
        | "settimeofday" | "stime" => never(),
        _ => None,
    }
}

fn raw_access(name: &str) -> Option<Rule> {
    match name {
        "ioperm" | "iopl" | "pciconfig_iobase" | "pciconfig_read" | "pciconfig_write" => never(),
        _ => None,
    }
}

fn host_name(name: &str) -> Option<Rule> {
    matches!(name, "sethostname" | "setdomainname")
        .then(never)
        .flatten()
}

/// Only what it is now can be set. As in systemd asking for it is refused, too.
pub(super) fn personality(name: &str, now: u32) -> Option<Rule> {
    (name == "personality")
        .then(|| allowed_if(&[equals(0, now)]))
        .flatten()
}

/// CLONE_NEW... of mount, cgroup, uts, ipc, user, pid and network namespaces.
const NAMESPACES: [u32; 7] = [
    0x0002_0000,
    0x0200_0000,
    0x0400_0000,
    0x0800_0000,
    0x1000_0000,
    0x2000_0000,
    0x4000_0000,
];

/// All of them.
pub(super) const ALL_NAMESPACES: u64 = 0x7e02_0000;

/// CLONE_NEWTIME; clone has no such flag.
const TIME: u32 = 0x80;

/// Every kind but those whose bits are `kept` is refused.
pub(super) fn namespaces(name: &str, kept: u64) -> Option<Rule> {
    let taken = NAMESPACES
        .into_iter()
        .filter(|bit| u64::from(*bit) & kept == 0);
    let refused_for = |argument: u8, first: &[Check], bits: Vec<u32>| {
        let checks = first.iter().copied();
        let checks = checks.chain(bits.into_iter().map(|bit| is_set(argument, bit)));
        let cases = checks.map(|check| Case {
            checks: vec![check],
            verdict: refused(),
        });
        Some(Rule {
            cases: cases.collect(),
            verdict: Verdict::ALLOW,
        })
    };
    match name {
        "clone" => refused_for(0, &[], taken.collect()),
        "clone3" => unknown(),
        "unshare" => refused_for(0, &[is_set(0, TIME)], taken.collect()),
        // 0 stands for whatever kind the descriptor is of.
        "setns" if kept & ALL_NAMESPACES == 0 => never(),
        "setns" => refused_for(1, &[equals(1, 0)], taken.collect()),
        _ => None,
    }
}
