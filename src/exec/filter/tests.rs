//! What the filters say of calls, run as the kernel runs them.

use super::assembler::tests::run;
use super::*;

const X86_64: Architecture = Architecture::X86_64;

/// What the filters of a unit say of a call together, the strictest first.
fn verdicts(asked: &Filters, architecture: Architecture, name: &str, arguments: &[u64]) -> u32 {
    let mut words = [0; 6];
    words[..arguments.len()].copy_from_slice(arguments);
    let number = *syscall_numbers(architecture, name).first().unwrap();
    let programs = filters(asked, 0);
    let verdicts = programs.iter().map(|filter| {
        let program = filter.program.as_ref().unwrap();
        run(program, architecture.audit(), number, words).0
    });
    // Kill is the highest number, else the lowest is the strictest.
    verdicts
        .min_by_key(|v| if *v == Verdict::KILL.0 { 0 } else { *v })
        .unwrap()
}

#[track_caller]
fn says(asked: &Filters, name: &str, arguments: &[u64], verdict: Verdict) {
    for architecture in Architecture::native().family() {
        if syscall_numbers(*architecture, name).is_empty() {
            continue;
        }
        let said = verdicts(asked, *architecture, name, arguments);
        assert_eq!(said, verdict.0, "{name}{arguments:?} on {architecture:?}");
    }
}

fn list(permits: bool, calls: &[(&str, Option<CallAction>)]) -> Option<CallList> {
    let calls = calls
        .iter()
        .map(|(name, action)| ((*name).to_owned(), *action));
    Some(CallList {
        permits,
        calls: calls.collect(),
    })
}

#[test]
fn nothing_asked_is_no_filter() {
    assert!(filters(&Filters::default(), 0).is_empty());
    assert!(!Filters::default().any());
}

#[test]
fn lists_permit_or_forbid_with_an_error_each() {
    let mut asked = Filters {
        calls: list(
            true,
            &[("read", None), ("kill", Some(CallAction::Errno(13)))],
        ),
        ..Filters::default()
    };
    says(&asked, "read", &[], Verdict::ALLOW);
    says(&asked, "kill", &[], Verdict::errno(13));
    says(&asked, "write", &[], Verdict::KILL);
    asked.call_error = Some(1);
    says(&asked, "write", &[], Verdict::errno(1));
    asked.calls = list(false, &[("read", None), ("kill", Some(CallAction::Kill))]);
    says(&asked, "read", &[], Verdict::errno(1));
    says(&asked, "kill", &[], Verdict::KILL);
    says(&asked, "write", &[], Verdict::ALLOW);
    asked.call_log = list(true, &[("write", None)]);
    says(&asked, "write", &[], Verdict::LOG);
}

#[test]
fn switches_look_at_arguments() {
    let asked = Filters {
        restrict_realtime: true,
        restrict_set_id: true,
        memory_deny_write_execute: true,
        lock_personality: true,
        ..Filters::default()
    };
    let no = refused();
    for (name, arguments, verdict) in [
        ("sched_setscheduler", &[0, 1][..], no),
        ("sched_setscheduler", &[0, 3], Verdict::ALLOW),
        ("sched_setattr", &[], no),
        ("fchmod", &[3, 0o4755], no),
        ("fchmod", &[3, 0o755], Verdict::ALLOW),
        ("openat", &[0, 0, 0o100, 0o2755], no),
        ("openat", &[0, 0, 0, 0o2755], Verdict::ALLOW),
        ("openat2", &[], Verdict::errno(libc::ENOSYS)),
        ("mprotect", &[0, 0, 4], no),
        ("mprotect", &[0, 0, 3], Verdict::ALLOW),
        ("personality", &[0], Verdict::ALLOW),
        ("personality", &[8], no),
        // The high half of an int says nothing.
        ("fchmod", &[3, 0xffff_ffff_0000_0000 | 0o4755], no),
    ] {
        says(&asked, name, arguments, verdict);
    }
    assert_eq!(verdicts(&asked, X86_64, "mmap", &[0, 0, 6]), no.0);
    assert_eq!(
        verdicts(&asked, X86_64, "mmap", &[0, 0, 5]),
        Verdict::ALLOW.0
    );
    assert_eq!(verdicts(&asked, Architecture::X86, "mmap", &[]), no.0);
}

#[test]
fn namespaces_by_kind() {
    let none = Filters {
        namespaces: Some(0),
        ..Filters::default()
    };
    let (user, uts, no) = (0x1000_0000, 0x0400_0000, refused());
    says(&none, "unshare", &[user], no);
    says(&none, "unshare", &[0], Verdict::ALLOW);
    says(&none, "setns", &[3, user], no);
    says(&none, "clone", &[uts | 17], no);
    says(&none, "clone", &[17], Verdict::ALLOW);
    says(&none, "clone3", &[], Verdict::errno(libc::ENOSYS));
    let some = Filters {
        namespaces: Some(uts),
        ..Filters::default()
    };
    says(&some, "unshare", &[uts], Verdict::ALLOW);
    says(&some, "unshare", &[uts | user], no);
    says(&some, "setns", &[3, uts], Verdict::ALLOW);
    says(&some, "setns", &[3, 0], no);
    let all = Filters {
        namespaces: Some(rules::ALL_NAMESPACES),
        ..Filters::default()
    };
    assert!(filters(&all, 0).is_empty());
}

#[test]
fn families_and_architectures() {
    let families = |permits, families: &[u32]| Filters {
        families: Some(FamilyList {
            permits,
            families: families.to_vec(),
        }),
        ..Filters::default()
    };
    let no = Verdict::errno(EAFNOSUPPORT);
    says(&families(true, &[1, 16]), "socket", &[16], Verdict::ALLOW);
    says(&families(true, &[1, 16]), "socket", &[2], no);
    says(&families(true, &[]), "socket", &[1], no);
    says(&families(false, &[1]), "socket", &[1], no);
    says(&families(false, &[1]), "socket", &[2], Verdict::ALLOW);
    let asked = |name: &str| Filters {
        architectures: vec![name.to_owned()],
        ..Filters::default()
    };
    if Architecture::native() == X86_64 {
        let native = asked("native");
        assert_eq!(verdicts(&native, X86_64, "read", &[]), Verdict::ALLOW.0);
        for other in [Architecture::X86, Architecture::X32] {
            assert_eq!(verdicts(&native, other, "read", &[]), Verdict::KILL.0);
        }
        let both = asked("x86");
        assert_eq!(
            verdicts(&both, Architecture::X86, "read", &[]),
            Verdict::ALLOW.0
        );
        assert_eq!(
            verdicts(&both, Architecture::X32, "read", &[]),
            Verdict::KILL.0
        );
    }
}
