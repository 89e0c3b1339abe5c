//! The daemon as an ordinary user in a container: no capabilities, a read-only root, no control
//! groups. What units ask for is given as far as it can be, and the report tells the truth.

mod common;

use common::daemon::Place;
use common::inside::{self, ask};
use common::skip::{Missing, is_root, skip};
use common::{Daemon, wait_until};
use std::fs;
use std::os::unix::net::UnixStream;

/// Nobody whom the machine knows.
const USER: u32 = 43_210;

/// What an agent's unit may ask for, and the container cannot give.
const DEMANDING: &str = "User=root\nGroup=root\nSupplementaryGroups=root\nPrivateTmp=yes\n\
    ProtectSystem=strict\nProtectHome=yes\nPrivateDevices=yes\nNoNewPrivileges=yes\n\
    CapabilityBoundingSet=CAP_NET_RAW\nReadOnlyPaths=/nonexistent\nNice=-5\nOOMScoreAdjust=-500\n\
    LimitNOFILE=100:1048576\nLimitCORE=0\nUMask=0077\nRestrictRealtime=yes\nSystemCallFilter=~@swap\n\
    RuntimeDirectory=agent\nStateDirectory=agent\nRemainAfterExit=yes\nMemoryMax=64M\nTasksMax=50\n\
    CPUQuota=50%\nIPAccounting=yes\nIPAddressDeny=any";
const MAY_GO: &str = "User Group SupplementaryGroups PrivateTmp ProtectSystem ProtectHome \
    PrivateDevices CapabilityBoundingSet ReadOnlyPaths IPAddressDeny";

fn contained(allowed: &str) -> Option<Place> {
    if !is_root() {
        skip(Missing::Privilege, "a container takes root to set up");
        return None;
    }
    let place = inside::place().in_container(USER);
    let settings = place.file("settings.conf");
    fs::write(&settings, format!("[Manager]\nAllowDegraded={allowed}\n")).expect("it is ours");
    let argument = format!("--config={}", settings.display());
    Some(place.with_argument(&argument))
}

fn effective(daemon: &Daemon, unit: &str) -> Vec<String> {
    let text = daemon.ok(&["show", unit, "-p", "EffectiveSettings"]);
    let value = text.strip_prefix("EffectiveSettings=").unwrap_or(&text);
    // One line a setting, however they are set apart.
    let lines = value.split(['\n', ';']);
    lines.map(|line| line.trim().to_owned()).collect()
}

#[test]
fn what_may_go_goes_and_the_report_says_so() {
    let Some(place) = contained(MAY_GO) else {
        return;
    };
    let questions = [
        "status:Uid",
        "status:NoNewPrivs",
        "status:CapBnd",
        "status:Seccomp",
        "call:getpriority:0:0",
        "read:/proc/self/oom_score_adj",
        "read:/proc/self/limits",
        "env:RUNTIME_DIRECTORY",
        "write:/usr",
    ];
    let text = inside::unit(&place, "agent", DEMANDING, &questions);
    place.write_unit("agent.service", &text);
    let daemon = place.start();
    let before = effective(&daemon, "agent.service").join("\n");
    let inside = ask(&daemon, "agent");
    assert_eq!(inside.result, "success", "{}", daemon.log());
    let own = [
        USER.to_string(),
        USER.to_string(),
        USER.to_string(),
        USER.to_string(),
    ]
    .join(" ");
    inside.says(&[
        ("status:Uid", &own),
        ("status:NoNewPrivs", "1"),
        ("status:CapBnd", "0000000000000000"),
        ("status:Seccomp", "2"),
        ("call:getpriority:0:0", "20"),
        ("write:/usr", "E30"),
    ]);
    let score = fs::read_to_string(format!("/proc/{}/oom_score_adj", daemon.pid()));
    let score = score.expect("the daemon is there");
    assert_eq!(inside.answer("read:/proc/self/oom_score_adj"), score.trim());
    let limits = inside.answer("read:/proc/self/limits");
    let open = limits
        .split("\\n")
        .find(|line| line.starts_with("Max open files"));
    let numbers: Vec<&str> = open.expect("it is listed").split_whitespace().collect();
    let (soft, hard) = (numbers[3], numbers[4]);
    assert_eq!(soft, "100");
    let lines = effective(&daemon, "agent.service");
    let has = |start: &str| {
        assert!(
            lines.iter().any(|line| line.starts_with(start)),
            "{start}: {lines:#?}\n{}",
            daemon.log()
        );
    };
    for applied in [
        "UMask",
        "LimitCORE",
        "RestrictRealtime",
        "SystemCallFilter",
        "NoNewPrivileges",
        "RuntimeDirectory",
        "StateDirectory",
    ] {
        has(&format!("{applied}: applied"));
    }
    for left_out in [
        "User",
        "Group",
        "SupplementaryGroups",
        "PrivateTmp",
        "ProtectSystem",
        "ProtectHome",
        "PrivateDevices",
        "ReadOnlyPaths",
        "OOMScoreAdjust",
        "MemoryMax",
        "TasksMax",
        "CPUQuota",
        "IPAccounting",
        "IPAddressDeny",
    ] {
        has(&format!("{left_out}: not applied ("));
    }
    has("Nice: reduced (to 0");
    if hard != "1048576" {
        has(&format!("LimitNOFILE: reduced (to {hard}"));
    }
    // It was foreseen.
    for foreseen in [
        "User: not applied",
        "PrivateTmp: not applied",
        "Nice: reduced",
        "IPAddressDeny: not applied",
    ] {
        assert!(before.contains(foreseen), "{foreseen}: {before}");
    }
}

#[test]
fn what_may_not_go_ends_the_start_and_is_told_of_beforehand() {
    let Some(place) = contained("") else {
        return;
    };
    let cases = [
        ("user", "User=root", "216", "User="),
        ("view", "ProtectSystem=yes", "226", "ProtectSystem="),
        ("network", "PrivateNetwork=yes", "225", "PrivateNetwork="),
        ("bits", "SecureBits=noroot", "213", "SecureBits="),
        ("address", "IPAddressDeny=any", "219", "IPAddressDeny="),
        ("port", "SocketBindDeny=any", "219", "SocketBindDeny="),
    ];
    for (name, settings, ..) in cases {
        let text = inside::unit(&place, name, settings, &["status:Uid"]);
        place.write_unit(&format!("{name}.service"), &text);
    }
    let daemon = place.start();
    for (name, _, status, directive) in cases {
        let inside = ask(&daemon, name);
        assert_eq!(inside.status, status, "{name}: {}", daemon.log());
        let text = format!("{name}.service: {directive} cannot be carried out");
        assert!(daemon.log().contains(&text), "{text}: {}", daemon.log());
    }
}

#[test]
fn services_and_sockets_live_as_they_do_for_root() {
    let Some(place) = contained("") else {
        return;
    };
    let socket = place.file("activated.sock");
    place.write_unit(
        "activated.socket",
        &format!("[Socket]\nListenStream={}\nAccept=no\n", socket.display()),
    );
    place.write_unit(
        "activated.service",
        "[Service]\nType=notify\nExecStart=stand-in-agent --name activated --notify\n",
    );
    place.write_unit(
        "again.service",
        "[Service]\nRestart=always\nRestartSec=0\nExecStart=/bin/sleep 1000\nExecReload=/bin/true\n",
    );
    let daemon = place.start();
    daemon.ok(&["start", "activated.socket", "again.service"]);
    let _client = UnixStream::connect(&socket).expect("it is listened on");
    daemon.wait_state("activated.service", "active/running");
    let first = daemon.main_pid("again.service");
    daemon.ok(&["reload", "again.service"]);
    daemon.ok(&["kill", "--signal=KILL", "again.service"]);
    wait_until("another process", || {
        let pid = daemon.show("again.service", "MainPID");
        pid != "0" && pid != first.to_string()
    });
    daemon.ok(&[
        "stop",
        "again.service",
        "activated.socket",
        "activated.service",
    ]);
    daemon.wait_state("again.service", "inactive/dead");
}
