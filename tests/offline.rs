//! `show --offline`: the same as a daemon shows of units that were never started.

mod common;

use common::Daemon;
use std::process::Command;

const CLIENT: &str = env!("CARGO_BIN_EXE_dd-procmgr");

/// What a daemon knows and files do not say.
const RUN_TIME: [&str; 2] = ["ControlGroup", "CanFreeze"];

const UNITS: [(&str, &str); 6] = [
    (
        "plain.service",
        "[Unit]\nDescription=Plain\nAfter=other.service\nWants=other.service\n\
         ConditionPathExists=|!/x\n\
         [Service]\nExecStart=stand-in-agent --name plain\nRestart=on-failure\nRestartSec=3\n",
    ),
    (
        "rich.service",
        "[Unit]\nDocumentation=man:x(1)\nStartLimitBurst=7\nOnFailure=plain.service\n\
         [Service]\nType=notify\nUser=root\nEnvironment=\"A=x y\" DD_API_KEY=secret\n\
         EnvironmentFile=-/no/such\nExecStartPre=-+/bin/true a b\nExecStart=@/bin/sh sh -c :\n\
         ExecReload=/bin/kill -HUP $MAINPID\nLimitNOFILE=100:200\nTimeoutStopSec=7\n\
         SuccessExitStatus=3 SIGUSR1\nRuntimeDirectory=x\nUMask=0077\nMemoryMax=1G\n\
         [Install]\nWantedBy=multi-user.target\n",
    ),
    (
        "other.service",
        "[Service]\nType=oneshot\nExecStart=/bin/true\n",
    ),
    ("bad.service", "[Service]\nExecStart=/bin/true \"open\n"),
    (
        "group.target",
        "[Unit]\nDescription=Group\nRequires=plain.service\n",
    ),
    ("tpl@.service", "[Service]\nExecStart=/bin/echo %i\n"),
];

fn offline(daemon: &Daemon, arguments: &[&str]) -> String {
    let output = Command::new(CLIENT)
        .args(["show", "--offline", "--unit-path"])
        .arg(daemon.file("units"))
        .args(arguments)
        // Nothing is to be asked.
        .env("DD_PM_SOCKET", "/no/such/socket")
        .output()
        .expect("the program is built");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("it is text")
}

#[test]
fn the_properties_are_those_that_a_daemon_shows() {
    for unit in [
        "plain.service",
        "rich.service",
        "other.service",
        "bad.service",
        "group.target",
        "tpl@x.service",
        "missing.service",
    ] {
        // One that was not asked for anything else: units that it loaded before would be among
        // the inverse dependencies.
        let daemon = Daemon::with(&UNITS);
        for options in [&[][..], &["--all"]] {
            let arguments: Vec<&str> = ["show", unit].into_iter().chain(options.to_vec()).collect();
            let theirs = daemon.ok(&arguments);
            let ours = offline(&daemon, &[&[unit], options].concat());
            let lines = |text: &str| -> Vec<String> {
                let lines = text.lines().filter(|line| {
                    let name = line.split('=').next().unwrap_or("");
                    !RUN_TIME.contains(&name)
                });
                lines.map(str::to_owned).collect()
            };
            let (theirs, ours) = (lines(&theirs), lines(&ours));
            for (theirs, ours) in theirs.iter().zip(&ours) {
                assert_eq!(ours, theirs, "{unit}");
            }
            assert_eq!(ours.len(), theirs.len(), "{unit}");
            assert!(ours.len() > 20, "{unit}");
        }
    }
}

#[test]
fn properties_are_selected_as_with_a_daemon() {
    let daemon = Daemon::with(&UNITS);
    let text = offline(&daemon, &["plain", "-p", "Restart,RestartUSec"]);
    assert_eq!(text, "Restart=on-failure\nRestartUSec=3s\n");
    for values in [&["-p", "Type", "--value"][..], &["-P", "Type"]] {
        let arguments = [&["plain"], values].concat();
        assert_eq!(offline(&daemon, &arguments), "simple\n", "{values:?}");
    }
    let json: serde_json::Value = serde_json::from_str(&offline(
        &daemon,
        &["plain", "-o", "json", "-p", "Id,MainPID"],
    ))
    .expect("it is JSON");
    assert_eq!(
        json,
        serde_json::json!({"Id": "plain.service", "MainPID": 0})
    );
}
