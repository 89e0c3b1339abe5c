//! Which filters of system calls a unit's settings come to. Pure.
//!
//! One program a setting, all of them installed: the kernel takes the strictest verdict. Each
//! program has a section for every architecture of calls that the kernel serves, so that none
//! of them is a way round; calls of other architectures are the business of
//! SystemCallArchitectures= alone. What a setting forbids, and with which error, is what
//! systemd 252 was seen to do (systemd.exec(5), "SANDBOXING", "SYSTEM CALL FILTERING").
//!
//! Calls whose argument is a structure in memory cannot be looked into: clone3 and openat2 do
//! not exist for processes under a filter that would have to (ENOSYS: the C library falls back
//! to the older call), sched_setattr is forbidden under RestrictRealtime=.

mod assembler;
mod rules;

use crate::sys::filter::Instruction;
use crate::unit::config::{CallAction, CallList, FamilyList, Filters};
use crate::unit::value::{Architecture, syscall_numbers};
use assembler::{Case, Check, Rule, Section, Verdict, assemble};
use libc::{EAFNOSUPPORT, EPERM};
use std::collections::BTreeMap;

/// A filter, and the directive it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The directive.
    pub setting: &'static str,
    /// For the kernel; `None`: longer than the kernel takes.
    pub program: Option<Vec<Instruction>>,
}

/// The filters, in the order they are installed: SystemCallFilter=, which may forbid the very
/// call that installs them, last.
pub fn filters(asked: &Filters, personality: u32) -> Vec<Filter> {
    let native = Architecture::native();
    let mut list = Vec::new();
    let mut add = |setting, program| list.push(Filter { setting, program });
    if let Some(families) = &asked.families {
        add(
            "RestrictAddressFamilies",
            address_families(families, native),
        );
    }
    for (setting, on, rule) in rules::TABLE {
        if on(asked) {
            add(setting, rules::program(*rule, native));
        }
    }
    if let Some(kept) = asked
        .namespaces
        .filter(|kept| *kept != rules::ALL_NAMESPACES)
    {
        let rule = |name: &str| rules::namespaces(name, kept);
        add("RestrictNamespaces", rules::program_of(rule, native));
    }
    if !asked.architectures.is_empty() {
        add(
            "SystemCallArchitectures",
            architectures(&asked.architectures, native),
        );
    }
    if asked.lock_personality {
        let rule = |name: &str| rules::personality(name, personality);
        add("LockPersonality", rules::program_of(rule, native));
    }
    if let Some(list) = &asked.call_log {
        let (named, otherwise) = if list.permits {
            (Verdict::LOG, Verdict::ALLOW)
        } else {
            (Verdict::ALLOW, Verdict::LOG)
        };
        add("SystemCallLog", calls(list, |_| named, otherwise, native));
    }
    if let Some(list) = &asked.calls {
        add(
            "SystemCallFilter",
            call_filter(list, asked.call_error, native),
        );
    }
    list
}

fn verdict(action: CallAction) -> Verdict {
    match action {
        CallAction::Kill => Verdict::KILL,
        CallAction::Errno(number) => Verdict::errno(number),
    }
}

fn call_filter(
    list: &CallList,
    error: Option<i32>,
    native: Architecture,
) -> Option<Vec<Instruction>> {
    let filtered = error.map_or(Verdict::KILL, Verdict::errno);
    let (named, otherwise) = if list.permits {
        (Verdict::ALLOW, filtered)
    } else {
        (filtered, Verdict::ALLOW)
    };
    let of = |action: Option<CallAction>| action.map_or(named, verdict);
    calls(list, of, otherwise, native)
}

fn calls(
    list: &CallList,
    of: impl Fn(Option<CallAction>) -> Verdict,
    otherwise: Verdict,
    native: Architecture,
) -> Option<Vec<Instruction>> {
    let sections = native.family().iter().map(|architecture| {
        let mut rules = BTreeMap::new();
        for (name, action) in &list.calls {
            for number in syscall_numbers(*architecture, name) {
                rules.insert(number, Rule::always(of(*action)));
            }
        }
        Section {
            architecture: *architecture,
            rules,
            otherwise,
        }
    });
    assemble(&sections.collect::<Vec<_>>(), Verdict::ALLOW)
}

/// Only the call socket: sockets that are handed over, and pairs, stay. Of 32-bit x86 the
/// older socketcall cannot be looked into, as in systemd (systemd.exec(5),
/// RestrictAddressFamilies=).
fn address_families(list: &FamilyList, native: Architecture) -> Option<Vec<Instruction>> {
    let refused = Verdict::errno(EAFNOSUPPORT);
    let (named, otherwise) = if list.permits {
        (Verdict::ALLOW, refused)
    } else {
        (refused, Verdict::ALLOW)
    };
    let cases = list.families.iter().map(|family| Case {
        checks: vec![Check {
            argument: 0,
            mask: u32::MAX,
            wanted: *family,
        }],
        verdict: named,
    });
    let rule = Rule {
        cases: cases.collect(),
        verdict: otherwise,
    };
    rules::program_of(|name| (name == "socket").then(|| rule.clone()), native)
}

/// Calls of architectures that are not named kill the process. The native one always stays.
fn architectures(names: &[String], native: Architecture) -> Option<Vec<Instruction>> {
    let permitted = |architecture: &&Architecture| {
        **architecture == native || names.iter().any(|name| name == architecture.name())
    };
    let sections = native.family().iter().filter(permitted);
    let sections = sections.map(|architecture| Section {
        architecture: *architecture,
        rules: BTreeMap::new(),
        otherwise: Verdict::ALLOW,
    });
    assemble(&sections.collect::<Vec<_>>(), Verdict::KILL)
}

/// The error of what is simply not permitted.
fn refused() -> Verdict {
    Verdict::errno(EPERM)
}

#[cfg(test)]
mod tests;
