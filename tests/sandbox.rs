//! Scheduling, namespaces and mounts, seen from the inside.

mod common;

use common::daemon::Place;
use common::inside::{self, ask};
use common::namespace::{self, AGENT_UID};
use common::skip::is_root;
use common::{Daemon, Missing, skip, wait_until};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What units in the private namespace run: it is found wherever the unit's root is.
const PROBE: &str = "/opt/probe";

/// A place whose probe every user can execute, with a home directory to look at.
fn place() -> Place {
    namespace::install_probe(PROBE);
    for (path, mode) in [
        ("/opt/data", 0o777),
        ("/opt/data/deep", 0o777),
        ("/opt/other", 0o777),
    ] {
        fs::create_dir_all(path).expect("our /opt can be written");
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(path, mode).expect("it is ours");
    }
    fs::write("/opt/data/file", "content").expect("our /opt can be written");
    inside::place()
}

/// Cases as in [`inside::check`], in a private mount namespace.
fn check_privately(cases: &[(&str, &[(&str, &str)])]) {
    namespace::private(|| {
        let place = place();
        let cases: Vec<(String, &[(&str, &str)])> = cases
            .iter()
            .map(|(settings, expected)| (format!("ExecSearchPath={PROBE}\n{settings}"), *expected))
            .collect();
        let cases: Vec<(&str, &[(&str, &str)])> = cases
            .iter()
            .map(|(settings, expected)| (settings.as_str(), *expected))
            .collect();
        inside::check_in(place, &cases);
    });
}

#[test]
fn processes_are_scheduled_as_asked() {
    inside::check(&[
        (
            "IOSchedulingClass=idle",
            &[("call:ioprio_get:1:0", "24580")],
        ),
        (
            "IOSchedulingPriority=6",
            &[("call:ioprio_get:1:0", "16390")],
        ),
        (
            "CPUSchedulingPolicy=batch",
            &[("call:sched_getscheduler:0", "3")],
        ),
        (
            "CPUSchedulingPolicy=idle\nCPUSchedulingResetOnFork=yes",
            &[("call:sched_getscheduler:0", "1073741829")],
        ),
        ("CPUAffinity=0", &[("status:Cpus_allowed_list", "0")]),
        (
            "NUMAPolicy=bind\nNUMAMask=0",
            &[("call:get_mempolicy:0:0:0:0:0", "0")],
        ),
        ("TimerSlackNSec=1ms", &[("call:prctl:30", "1000000")]),
        ("TimerSlackNSec=70000", &[("call:prctl:30", "70000")]),
        (
            "CoredumpFilter=private-anonymous elf-headers",
            &[("read:/proc/self/coredump_filter", "00000011")],
        ),
        (
            "Nice=7\nOOMScoreAdjust=321",
            &[
                ("call:getpriority:0:0", "13"),
                ("read:/proc/self/oom_score_adj", "321"),
            ],
        ),
    ]);
}

#[test]
fn what_cannot_be_scheduled_ends_the_start() {
    let place = inside::place();
    for (name, settings) in [
        ("affinity", "CPUAffinity=4000"),
        ("memory", "NUMAPolicy=bind\nNUMAMask=63"),
    ] {
        let text = inside::unit(&place, name, settings, &["status:Name"]);
        place.write_unit(&format!("{name}.service"), &text);
    }
    let daemon = place.start();
    for (name, status) in [("affinity", "215"), ("memory", "242")] {
        let inside = ask(&daemon, name);
        assert_eq!(
            (inside.result.as_str(), inside.status.as_str()),
            ("exit-code", status),
            "{name}"
        );
    }
}

#[test]
fn keyrings_are_private_shared_or_the_daemons() {
    // KEYCTL_GET_KEYRING_ID of the session keyring.
    let question = "call:keyctl:0:-3:0";
    let place = inside::place();
    for mode in ["inherit", "private"] {
        for name in ["a", "b"] {
            let name = format!("{mode}-{name}");
            let text = inside::unit(&place, &name, &format!("KeyringMode={mode}"), &[question]);
            place.write_unit(&format!("{name}.service"), &text);
        }
    }
    let daemon = place.start();
    let ring = |name: &str| {
        let inside = ask(&daemon, name);
        if inside.status == "237" {
            return None;
        }
        Some(inside.answer(question).to_owned())
    };
    let (Some(one), Some(other)) = (ring("private-a"), ring("private-b")) else {
        return skip(Missing::Privilege, "keyrings cannot be made here");
    };
    assert_ne!(one, other);
    assert_eq!(ring("inherit-a"), ring("inherit-b"));
}

#[test]
fn paths_are_closed_kept_and_shown_as_asked() {
    check_privately(&[
        (
            "ReadOnlyPaths=/opt\nReadWritePaths=/opt/data/deep -/nonexistent",
            &[
                ("write:/opt/data", "E30"),
                ("write:/opt/data/deep", "yes"),
                ("write:/opt/other", "E30"),
                ("read:/opt/data/file", "content"),
                ("write:/run", "yes"),
            ],
        ),
        (
            "InaccessiblePaths=/opt/data/file /opt/other",
            &[
                ("stat:/opt/data/file", "file 0000 0 0"),
                ("stat:/opt/other", "directory 0000 0 0"),
                ("list:/opt/other", ""),
                ("write:/opt/other", "E30"),
                ("write:/opt/data", "yes"),
            ],
        ),
        (
            "NoExecPaths=/opt\nExecPaths=/opt/probe",
            &[("mount:/opt", "rw,nosuid,noexec,relatime tmpfs /")],
        ),
        (
            "BindPaths=/opt/data:/mnt\nBindReadOnlyPaths=/opt/data/file:/opt/new/name -/nonexistent",
            &[
                ("read:/mnt/file", "content"),
                ("write:/mnt", "yes"),
                ("read:/opt/new/name", "content"),
                ("write:/opt/new/name", "E30"),
            ],
        ),
        (
            "TemporaryFileSystem=/opt/data:ro,size=1M,mode=0700 /opt/other\nBindReadOnlyPaths=/opt/data/deep",
            &[
                ("list:/opt/data", "deep"),
                ("stat:/opt/data", "directory 0700 0 0"),
                ("write:/opt/data", "E30"),
                ("write:/opt/other", "yes"),
            ],
        ),
    ]);
}

#[test]
fn the_system_is_protected_as_far_as_asked() {
    check_privately(&[
        (
            "ProtectSystem=yes",
            &[
                ("write:/usr", "E30"),
                ("write:/etc", "yes"),
                ("write:/opt/data", "yes"),
            ],
        ),
        (
            "ProtectSystem=full",
            &[
                ("write:/usr", "E30"),
                ("write:/etc", "E30"),
                ("write:/opt/data", "yes"),
            ],
        ),
        (
            "ProtectSystem=strict\nRuntimeDirectory=kept\nReadWritePaths=/opt/data",
            &[
                ("write:/usr", "E30"),
                ("write:/run", "E30"),
                ("write:/opt/other", "E30"),
                ("write:/opt/data", "yes"),
                ("write:/run/kept", "yes"),
                ("write:/dev/null", "yes"),
            ],
        ),
        (
            "ProtectHome=yes",
            &[("stat:/root", "directory 0000 0 0"), ("list:/home", "")],
        ),
        ("ProtectHome=read-only", &[("write:/root", "E30")]),
        (
            "ProtectHome=tmpfs",
            &[("list:/root", ""), ("write:/root", "E30")],
        ),
        (
            "ProtectKernelTunables=yes",
            &[
                ("write:/proc/sys/kernel/domainname", "E30"),
                ("read:/proc/kallsyms", ""),
            ],
        ),
        (
            "ProtectControlGroups=yes",
            &[("write:/sys/fs/cgroup", "E30")],
        ),
        (
            "ProtectKernelLogs=yes",
            &[
                ("stat:/dev/kmsg", "file 0000 0 0"),
                ("call:syslog:10:0:0", "E1"),
            ],
        ),
        ("ProtectKernelModules=yes", &[("call:init_module", "E1")]),
        (
            "ProtectProc=invisible\nProcSubset=pid",
            &[
                ("stat:/proc/sys", "E2"),
                ("stat:/proc/self", "link 0777 0 0"),
            ],
        ),
        (
            "NoNewPrivileges=yes\nReadOnlyPaths=/opt/data",
            &[("mount:/opt/data", "ro,nosuid,relatime tmpfs /data")],
        ),
    ]);
}

#[test]
fn devices_network_names_and_queues_are_private() {
    check_privately(&[
        (
            "PrivateDevices=yes",
            &[
                (
                    "list:/dev",
                    "char fd full hugepages log mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero",
                ),
                ("write:/dev/null", "yes"),
                ("write:/dev", "E30"),
            ],
        ),
        (
            "PrivateNetwork=yes",
            &[
                ("list:/proc/self/net/dev_snmp6", "lo"),
                ("call:socket:2:1:0", "3"),
            ],
        ),
        ("ProtectHostname=yes", &[("call:sethostname:x:1", "E1")]),
        (
            "PrivateIPC=yes",
            &[(
                "mount:/dev/mqueue",
                "rw,nosuid,nodev,noexec,relatime mqueue /",
            )],
        ),
        (
            "PrivateUsers=yes",
            &[
                (
                    "read:/proc/self/uid_map",
                    "         0          0          1",
                ),
                ("read:/proc/self/setgroups", "deny"),
                ("status:Uid", "0 0 0 0"),
            ],
        ),
        (
            "PrivateUsers=yes\nUser=dd-agent",
            &[
                ("status:Uid", "64500 64500 64500 64500"),
                ("status:CapEff", "0000000000000000"),
            ],
        ),
    ]);
    assert_eq!(AGENT_UID, 64500);
}

#[test]
fn processes_of_a_unit_share_its_namespaces_and_its_tmp() {
    namespace::private(|| {
        let place = place();
        let output = place.file("shared.answers");
        let probe = |question: &str| {
            format!(
                "{PROBE}/sandbox-probe {question} link:/proc/self/ns/net link:/proc/self/ns/ipc"
            )
        };
        place.write_unit(
            "shared.service",
            &format!(
                "[Service]\nType=oneshot\nRemainAfterExit=yes\nPrivateTmp=yes\nPrivateNetwork=yes\n\
                 PrivateIPC=yes\nStandardOutput=append:{}\n\
                 ExecStartPre=/bin/sh -c 'echo here > /tmp/file'\nExecStart={}\nExecStart={}\n",
                output.display(),
                probe("read:/tmp/file"),
                probe("list:/var/tmp"),
            ),
        );
        let daemon = place.start();
        daemon.ok(&["start", "shared.service"]);
        let text = fs::read_to_string(&output).expect("it was written");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "read:/tmp/file=here");
        assert_eq!(lines[3], "list:/var/tmp=");
        assert_eq!(lines[1..3], lines[4..6], "the namespaces are the same");
        let ours = fs::read_link("/proc/self/ns/net").expect("it is there");
        assert_ne!(
            lines[1],
            format!("link:/proc/self/ns/net={}", ours.display())
        );
        assert!(!Path::new("/tmp/file").exists());
        assert_eq!(private_directories("shared").len(), 2);
        daemon.ok(&["stop", "shared.service"]);
        wait_until("the directories to go", || {
            private_directories("shared").is_empty()
        });
    });
}

/// Whichever of the two states it; what only one of them asks for is not shared.
#[test]
fn units_that_join_each_other_share_what_both_ask_for() {
    namespace::private(|| {
        let place = place();
        let output = place.file("joined.answers");
        let unit = |name: &str, head: &str, settings: &str, file: &str| {
            let text = format!(
                "[Unit]\n{head}\n[Service]\nType=oneshot\nRemainAfterExit=yes\n{settings}\n\
                 StandardOutput=append:{}\nExecStart=/bin/sh -c 'echo {name} >> {file}'\n\
                 ExecStart={PROBE}/sandbox-probe read:{file} link:/proc/self/ns/net\n",
                output.display(),
            );
            place.write_unit(&format!("{name}.service"), &text);
        };
        let both = "PrivateTmp=yes\nPrivateNetwork=yes";
        unit("host", "JoinsNamespaceOf=early.service", both, "/tmp/file");
        unit("early", "", both, "/tmp/file");
        let joins = "JoinsNamespaceOf=host.service";
        unit("late", joins, both, "/tmp/file");
        let half = place.file("half");
        unit(
            "half",
            joins,
            "PrivateNetwork=yes",
            &half.display().to_string(),
        );
        let daemon = place.start();
        for name in ["early", "host", "late", "half"] {
            daemon.ok(&["start", &format!("{name}.service")]);
        }
        let text = fs::read_to_string(&output).expect("it was written");
        let files = text.lines().filter(|line| line.starts_with("read:"));
        let [early, host, late, half] = files.collect::<Vec<_>>()[..] else {
            panic!("four files: {text}");
        };
        assert!(early.ends_with("=early"), "{text}");
        assert!(host.contains("early") && host.ends_with("host"), "{text}");
        assert!(late.contains("early") && late.ends_with("late"), "{text}");
        assert!(half.ends_with("=half"), "{text}");
        let networks: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("link:"))
            .collect();
        assert!(networks.iter().all(|it| *it == networks[0]), "{text}");
        daemon.ok(&["stop", "early.service", "host.service"]);
        assert_eq!(private_directories("early").len(), 2, "late has it still");
        daemon.ok(&["stop", "late.service", "half.service"]);
        wait_until("the directories to go", || {
            private_directories("early").is_empty()
        });
    });
}

fn private_directories(unit: &str) -> Vec<String> {
    let mark = format!("dd-procmgr-private-{unit}.service-");
    let list = |place: &str| {
        let entries = fs::read_dir(place).expect("it can be read");
        let names = entries.map(|entry| entry.expect("it can be read").file_name());
        let names = names.map(|name| name.to_string_lossy().into_owned());
        names
            .filter(|name| name.starts_with(&mark))
            .collect::<Vec<_>>()
    };
    [list("/tmp"), list("/var/tmp")].concat()
}

#[test]
fn another_root_holds_what_it_is_given() {
    namespace::private(|| {
        let place = place();
        fs::create_dir_all("/opt/root/bin").expect("our /opt can be written");
        fs::write("/opt/root/own", "own").expect("our /opt can be written");
        let text = inside::unit(
            &place,
            "rooted",
            &format!(
                "ExecSearchPath={PROBE}\nRootDirectory=/opt/root\nMountAPIVFS=yes\n\
                 BindReadOnlyPaths={PROBE} -/lib -/lib64 /usr\nReadOnlyPaths=+/bin"
            ),
            &[
                "read:/own",
                "list:/run",
                "stat:/opt/data",
                "write:/bin",
                "status:Name",
            ],
        );
        place.write_unit("rooted.service", &text);
        let daemon = place.start();
        ask(&daemon, "rooted").says(&[
            ("read:/own", "own"),
            ("stat:/opt/data", "E2"),
            ("write:/bin", "E30"),
            ("status:Name", "sandbox-probe"),
        ]);
        assert!(
            fs::read_dir("/opt/root/proc")
                .expect("made")
                .next()
                .is_none()
        );
    });
}

#[test]
fn what_cannot_be_had_ends_the_start_with_its_status() {
    namespace::private(|| {
        let place = place();
        let cases = [
            ("path", "ReadOnlyPaths=/nonexistent", "226"),
            ("bind", "BindPaths=/nonexistent:/opt/x", "226"),
            ("root", "RootDirectory=/nonexistent", "226"),
            ("net", "NetworkNamespacePath=/nonexistent", "225"),
            ("ipc", "IPCNamespacePath=/dev/null", "226"),
        ];
        for (name, settings, _) in cases {
            let settings = format!("ExecSearchPath={PROBE}\n{settings}");
            let text = inside::unit(&place, name, &settings, &["status:Name"]);
            place.write_unit(&format!("{name}.service"), &text);
        }
        let daemon = place.start();
        for (name, _, status) in cases {
            let inside = ask(&daemon, name);
            assert_eq!(inside.result, "exit-code", "{name}\n{}", daemon.log());
            assert_eq!(inside.status, status, "{name}\n{}", daemon.log());
        }
    });
}

#[test]
fn commands_with_full_privileges_are_outside() {
    namespace::private(|| {
        let place = place();
        let output = place.file("plus.answers");
        place.write_unit(
            "plus.service",
            &format!(
                "[Service]\nType=oneshot\nProtectSystem=strict\nLockPersonality=yes\nPrivateNetwork=yes\n\
                 StandardOutput=append:{}\n\
                 ExecStart=+{PROBE}/sandbox-probe write:/opt/data status:Seccomp\n",
                output.display()
            ),
        );
        let daemon = place.start();
        daemon.ok(&["start", "plus.service"]);
        let text = fs::read_to_string(&output).expect("it was written");
        assert_eq!(text, "write:/opt/data=yes\nstatus:Seccomp=0\n");
    });
}

#[test]
fn credentials_are_the_units_alone() {
    namespace::private(|| {
        let place = place();
        fs::write("/opt/secret", "loaded").expect("our /opt can be written");
        let settings = format!(
            "ExecSearchPath={PROBE}\nUser=dd-agent\nLoadCredential=one:/opt/secret\n\
             SetCredential=two:set\\nhere\nTemporaryFileSystem=/run\nEnvironment=PATH_OF=%d/one"
        );
        let questions = [
            "env:CREDENTIALS_DIRECTORY",
            "env:PATH_OF",
            "read:/run/credentials/secret.service/one",
            "read:/run/credentials/secret.service/two",
            "stat:/run/credentials/secret.service/one",
            "stat:/run/credentials/secret.service",
            "write:/run/credentials/secret.service",
        ];
        let text = inside::unit(&place, "secret", &settings, &questions);
        place.write_unit("secret.service", &text);
        let missing = format!("ExecSearchPath={PROBE}\nLoadCredential=one:/nonexistent");
        let text = inside::unit(&place, "missing", &missing, &["status:Name"]);
        place.write_unit("missing.service", &text);
        let daemon = place.start();
        let inside = ask(&daemon, "secret");
        inside.says(&[
            (questions[0], "/run/credentials/secret.service"),
            (questions[1], "/run/credentials/secret.service/one"),
            (questions[2], "loaded"),
            (questions[3], "set\\nhere"),
            (questions[4], "file 0400 64500 64500"),
            (questions[5], "directory 0500 64500 64500"),
            (questions[6], "E30"),
        ]);
        wait_until("them to go", || {
            !Path::new("/run/credentials/secret.service").exists()
        });
        assert_eq!(ask(&daemon, "missing").status, "243");
    });
}

/// Without privilege nothing of this can be had: the start fails, it does not go without.
#[test]
fn without_privilege_the_start_is_refused() {
    let daemon = if is_root() {
        return refused_as_agent();
    } else {
        let place = inside::place();
        write_refused(&place);
        place.start()
    };
    assert_refused(&daemon);
}

/// Unless the unit says that it may go without, which is told.
#[test]
fn what_may_be_left_out_is_left_out_and_told() {
    let mut place = inside::place();
    if is_root() {
        place = place.without_privilege();
    }
    let settings = "ProtectSystem=strict\nPrivateNetwork=yes\nLockPersonality=yes\nPrivatePIDs=yes\n\
                    OOMScoreAdjust=500\nRemainAfterExit=yes";
    let text = inside::unit(
        &place,
        "without",
        settings,
        &["status:Seccomp", "link:/proc/self/ns/mnt"],
    );
    let allowed = "[X-Procmgr]\nAllowDegraded=ProtectSystem PrivateNetwork PrivatePIDs\n";
    place.write_unit("without.service", &format!("{text}{allowed}"));
    let daemon = place.start();
    let inside = ask(&daemon, "without");
    let ours = fs::read_link("/proc/self/ns/mnt")
        .expect("it is there")
        .display()
        .to_string();
    inside.says(&[("status:Seccomp", "2"), ("link:/proc/self/ns/mnt", &ours)]);
    let shown = daemon.show("without.service", "EffectiveSettings");
    for (setting, applied) in [
        ("ProtectSystem", false),
        ("PrivateNetwork", false),
        ("PrivatePIDs", false),
        ("LockPersonality", true),
        ("OOMScoreAdjust", true),
    ] {
        let word = if applied { "applied" } else { "not applied (" };
        assert!(
            shown.contains(&format!("{setting}: {word}")),
            "{setting}: {shown}"
        );
    }
    let log = daemon.log();
    assert!(
        log.contains("ProtectSystem= is left out: make a namespace"),
        "{log}"
    );
}

const REFUSED: [(&str, &str, &str); 5] = [
    ("mounts", "ProtectSystem=strict", "226"),
    ("tmp", "PrivateTmp=yes", "226"),
    ("net", "PrivateNetwork=yes", "225"),
    ("uts", "ProtectHostname=yes", "226"),
    (
        "rt",
        "CPUSchedulingPolicy=fifo\nCPUSchedulingPriority=3",
        "214",
    ),
];

fn write_refused(place: &Place) {
    for (name, settings, _) in REFUSED {
        let text = inside::unit(place, name, settings, &["status:Name"]);
        place.write_unit(&format!("{name}.service"), &text);
    }
}

fn assert_refused(daemon: &Daemon) {
    for (name, _, status) in REFUSED {
        let inside = ask(daemon, name);
        assert_eq!(inside.result, "exit-code", "{name}\n{}", daemon.log());
        assert_eq!(inside.status, status, "{name}\n{}", daemon.log());
    }
}

/// The same, with a daemon that gave its privilege up.
fn refused_as_agent() {
    let place = inside::place().without_privilege();
    write_refused(&place);
    let daemon = place.start();
    assert_refused(&daemon);
}
