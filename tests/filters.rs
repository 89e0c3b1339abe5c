//! Filters of system calls, seen from the inside. Without privilege they need no_new_privs,
//! which is implied then, so all of this holds for every user.

mod common;

use common::inside::{self, ask, check};
use common::skip::is_root;

const NO: &str = "E1";

#[test]
fn calls_are_filtered_as_asked() {
    check(&[
        ("", &[("status:Seccomp", "0"), ("call:personality:0", "0")]),
        (
            "SystemCallFilter=@system-service\nSystemCallErrorNumber=EPERM",
            &[
                ("status:Seccomp", "2"),
                ("call:reboot:0:0:0:0", NO),
                ("call:personality:0", "0"),
                ("call:kill:0:0", "0"),
            ],
        ),
        (
            "SystemCallFilter=~@reboot:EACCES personality:ENOSYS @swap",
            &[
                ("call:reboot:0:0:0:0", "E13"),
                ("call:personality:0", "E38"),
                ("call:kill:0:0", "0"),
            ],
        ),
        (
            "SystemCallFilter=~@reboot @swap\nSystemCallFilter=@swap\nSystemCallErrorNumber=ENODEV",
            &[
                ("call:reboot:0:0:0:0", "E19"),
                ("call:swapoff:/nonexistent", swapoff()),
            ],
        ),
        (
            "SystemCallLog=@swap",
            &[("status:Seccomp", "2"), ("call:kill:0:0", "0")],
        ),
        (
            "LockPersonality=yes",
            &[("call:personality:0", "0"), ("call:personality:8", NO)],
        ),
        (
            "Personality=x86\nLockPersonality=yes",
            &[("call:personality:8", "8"), ("call:personality:0", NO)],
        ),
        (
            "RestrictRealtime=yes",
            &[
                ("call:sched_setscheduler:0:1:0", NO),
                ("call:sched_setattr", NO),
            ],
        ),
        (
            "RestrictNamespaces=yes",
            &[
                ("call:unshare:0x10000000", NO),
                ("call:setns:-1:0", NO),
                ("call:clone3", "E38"),
            ],
        ),
        (
            "RestrictNamespaces=~user",
            &[
                ("call:unshare:0x10000000", NO),
                ("call:setns:-1:0x04000000", "E9"),
            ],
        ),
        (
            "MemoryDenyWriteExecute=yes",
            &[
                ("call:mmap:0:4096:7:0x22:-1:0", NO),
                ("call:mprotect:0:0:4", NO),
                ("call:mprotect:0:0:1", "0"),
            ],
        ),
        (
            "RestrictSUIDSGID=yes",
            &[
                ("call:fchmodat:-100:/nonexistent:0o4755", NO),
                ("call:fchmodat:-100:/nonexistent:0o755", "E2"),
                ("call:mkdirat:-100:/nonexistent/x:0o2755", NO),
                ("call:openat2", "E38"),
            ],
        ),
        (
            "RestrictAddressFamilies=AF_UNIX AF_INET",
            &[("call:socket:16:3:0", "E97"), ("call:socket:2:1:0", "3")],
        ),
        (
            "RestrictAddressFamilies=~AF_INET",
            &[("call:socket:2:1:0", "E97")],
        ),
        (
            "RestrictAddressFamilies=none",
            &[("call:socket:1:1:0", "E97")],
        ),
        ("ProtectClock=yes", &[("call:adjtimex", NO)]),
        ("SystemCallArchitectures=native", &[("call:kill:0:0", "0")]),
    ]);
}

/// What swapoff gives without a filter.
fn swapoff() -> &'static str {
    if is_root() { "E2" } else { NO }
}

#[test]
fn what_is_forbidden_kills_unless_an_error_is_given() {
    let place = inside::place();
    for (name, settings, question) in [
        (
            "call",
            "SystemCallFilter=@system-service",
            "call:reboot:0:0:0:0",
        ),
        (
            "kill",
            "SystemCallFilter=~@reboot:kill\nSystemCallErrorNumber=EPERM",
            "call:reboot:0:0:0:0",
        ),
        ("foreign", "SystemCallArchitectures=native", "foreign"),
    ] {
        let text = inside::unit(&place, name, settings, &["call:kill:0:0", question]);
        place.write_unit(&format!("{name}.service"), &text);
    }
    let daemon = place.start();
    let foreign: &[&str] = if cfg!(target_arch = "x86_64") {
        &["foreign"]
    } else {
        &[]
    };
    for name in ["call", "kill"].iter().chain(foreign) {
        let inside = ask(&daemon, name);
        assert_eq!(inside.result, "signal", "{name}");
        assert_eq!(inside.status, "31", "{name}");
        assert_eq!(inside.answer("call:kill:0:0"), "0");
    }
}

#[test]
fn new_privileges_end_with_a_filter_that_an_ordinary_user_has() {
    if !is_root() {
        check(&[("LockPersonality=yes", &[("status:NoNewPrivs", "1")])]);
        return;
    }
    check(&[
        ("LockPersonality=yes", &[("status:NoNewPrivs", "0")]),
        (
            "NoNewPrivileges=yes",
            &[("status:NoNewPrivs", "1"), ("status:Seccomp", "0")],
        ),
        (
            "SecureBits=noroot",
            &[
                ("call:prctl:27", "1"),
                ("status:CapEff", "0000000000000000"),
            ],
        ),
        (
            "SecureBits=keep-caps\nSecureBits=no-setuid-fixup",
            &[("call:prctl:27", "4")],
        ),
    ]);
    common::namespace::private(|| {
        let place = inside::place();
        let text = inside::unit(
            &place,
            "user",
            "User=dd-agent\nExecSearchPath=/opt/probe\nLockPersonality=yes",
            &["status:NoNewPrivs"],
        );
        common::namespace::install_probe("/opt/probe");
        place.write_unit("user.service", &text);
        let daemon = place.start();
        ask(&daemon, "user").says(&[("status:NoNewPrivs", "1")]);
    });
}

#[test]
fn capabilities_go_with_what_protects_from_their_use() {
    if !is_root() {
        return common::skip(common::Missing::Privilege, "the bounding set is root's");
    }
    let place = inside::place();
    for (name, settings) in [("none", ""), ("all", "ProtectClock=yes")] {
        let text = inside::unit(&place, name, settings, &["status:CapBnd"]);
        place.write_unit(&format!("{name}.service"), &text);
    }
    let daemon = place.start();
    let set = |name: &str| {
        let inside = ask(&daemon, name);
        u64::from_str_radix(inside.answer("status:CapBnd"), 16).expect("a number")
    };
    // CAP_SYS_TIME and CAP_WAKE_ALARM.
    let gone = 1_u64 << 25 | 1 << 35;
    assert_eq!(set("all"), set("none") & !gone);
}
