//! Directives one by one.

use super::*;
use crate::unit::config::{LogSink, SystemAction, TerminalWay};

#[test]
fn start_limits_in_the_legacy_place() {
    let draft = service("StartLimitInterval=33\nStartLimitBurst=9\n");
    assert_eq!(
        draft.config.unit.start_limit_interval,
        TimeSpan::from_secs(33)
    );
    assert_eq!(draft.config.unit.start_limit_burst, 9);
    let draft = read(
        "a.service",
        "[Unit]\nStartLimitInterval=1min\nBindTo=b.service\n",
    );
    assert_eq!(
        draft.config.unit.start_limit_interval,
        TimeSpan::from_secs(60)
    );
    assert_eq!(
        draft.dependencies.keys().next().unwrap().0,
        DependencyKind::BindsTo
    );
}

#[test]
fn pid_files_lie_below_the_runtime_directory() {
    for (text, path) in [
        ("a.pid", Some("/run/a.pid")),
        ("/var/run/d/a.pid", Some("/run/d/a.pid")),
        ("/opt//a/./p", Some("/opt/a/p")),
        ("", None),
    ] {
        let draft = service(&format!("PIDFile=/x\nPIDFile={text}\n"));
        assert_eq!(config(&draft).pid_file.as_deref(), path, "{text}");
    }
    assert_eq!(messages(&service("PIDFile=../a\n")).len(), 1);
}

#[test]
fn accounts_that_cannot_be_make_the_unit_bad_setting() {
    for bad in ["a:b", "4294967295", "-x", "a/b", "%Z"] {
        let draft = service(&format!("User={bad}\n"));
        assert_eq!(draft.config.load, LoadState::BadSetting, "{bad}");
        assert!(config(&draft).exec.user.is_none(), "{bad}");
    }
    let draft = service("User=dd-agent\nGroup=1000\nSupplementaryGroups=a b\n");
    let exec = &config(&draft).exec;
    assert_eq!(exec.user.as_deref(), Some("dd-agent"));
    assert_eq!(exec.supplementary_groups, ["a", "b"]);
    assert!(draft.config.diagnostics.is_empty());
}

#[test]
fn data_for_standard_input_add_up() {
    let draft = service(
        "StandardInputText=gone\nStandardInputText=\nStandardInputText=\\ta \\\\ 'q'\n\
         StandardInputData=QUJD RA==\nStandardInputText=bad \\q\nStandardInputData=!\n",
    );
    assert_eq!(config(&draft).exec.input_data, b"\ta \\ 'q'\nABCD");
    let found = &draft.config.diagnostics;
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn paths_and_streams() {
    let draft = service(
        "WorkingDirectory=-/opt//a\nStandardOutput=append:/var/log/%p\nStandardError=null\n\
         StandardInput=file:/in\nEnvironmentFile=-/etc/default/%p\nUMask=0077\n",
    );
    let exec = &config(&draft).exec;
    let directory = exec.working_directory.as_ref().unwrap();
    assert!(directory.optional);
    assert_eq!(
        directory.place,
        WorkingDirectoryPlace::Path("/opt/a".to_owned())
    );
    assert_eq!(
        exec.standard_output,
        OutputTarget::Append("/var/log/a".to_owned())
    );
    assert_eq!(exec.standard_error, OutputTarget::Null);
    assert_eq!(exec.standard_input, InputSource::File("/in".to_owned()));
    assert_eq!(exec.environment_files[0].path, "/etc/default/a");
    assert!(exec.environment_files[0].optional);
    assert_eq!(exec.umask, 0o077);
    assert_eq!(
        service("WorkingDirectory=a\n").config.load,
        LoadState::BadSetting
    );
    assert_eq!(
        service("WorkingDirectory=-a\n").config.load,
        LoadState::Loaded
    );
    let draft = service("StandardInput=tty-fail\nStandardOutput=kmsg+console\nStandardError=fd\n");
    let exec = &config(&draft).exec;
    assert!(draft.config.not_applied.is_empty());
    assert_eq!(
        exec.standard_input,
        InputSource::Terminal(TerminalWay::Fail)
    );
    let kernel = OutputTarget::LogTo {
        sink: LogSink::Kernel,
        console: true,
    };
    assert_eq!(exec.standard_output, kernel);
    let error = OutputTarget::Descriptor("stderr".to_owned());
    assert_eq!(exec.standard_error, error);
    for bad in [
        "StandardInput=fd:",
        "StandardOutput=fd:a:b",
        "StandardError=tty-force",
    ] {
        assert_eq!(messages(&service(bad)).len(), 1, "{bad}");
    }
}

#[test]
fn patterns_of_lines() {
    let draft = service("LogFilterPatterns=a+\nLogFilterPatterns=~^b\nLogFilterPatterns=(\n");
    let patterns = &config(&draft).exec.logging.patterns;
    let seen: Vec<_> = patterns
        .iter()
        .map(|p| (p.denies, p.text.as_str()))
        .collect();
    assert_eq!(seen, [(false, "a+"), (true, "^b")]);
    assert_eq!(messages(&draft).len(), 1);
}

// M20
#[test]
fn managed_directories_stay_inside() {
    let draft = service(
        "RuntimeDirectory=b//c a ../d /e private/x a\nStateDirectory=s:link t:../u\n\
         ConfigurationDirectory=c:link\nRuntimeDirectoryMode=0750\n",
    );
    let directories = &config(&draft).exec.directories;
    assert_eq!(directories[&DirectoryKind::Runtime].paths, ["a", "b/c"]);
    assert_eq!(directories[&DirectoryKind::Runtime].mode, 0o750);
    assert_eq!(directories[&DirectoryKind::State].paths, ["s"]);
    let link = ("s".to_owned(), "link".to_owned());
    assert_eq!(directories[&DirectoryKind::State].links, [link]);
    assert!(!directories.contains_key(&DirectoryKind::Configuration));
    assert_eq!(messages(&draft).len(), 5);
}

#[test]
fn capabilities_merge() {
    let draft = service(
        "CapabilityBoundingSet=CAP_KILL\nCapabilityBoundingSet=CAP_CHOWN\n\
         AmbientCapabilities=CAP_NET_RAW CAP_NOSUCH\nNoNewPrivileges=yes\n",
    );
    let exec = &config(&draft).exec;
    assert_eq!(exec.capability_bounding_set.unwrap().0, 1 << 5 | 1);
    assert_eq!(exec.ambient_capabilities.0, 1 << 13);
    assert!(exec.no_new_privileges);
    assert_eq!(messages(&draft).len(), 1);
    let draft = service("CapabilityBoundingSet=~CAP_CHOWN\n");
    let set = config(&draft).exec.capability_bounding_set.unwrap().0;
    assert_eq!(set & 3, 2);
    let draft = service("CapabilityBoundingSet=\n");
    assert_eq!(config(&draft).exec.capability_bounding_set.unwrap().0, 0);
}

#[test]
fn kill_settings() {
    let draft = service(
        "KillMode=mixed\nKillSignal=SIGINT\nFinalKillSignal=QUIT\nRestartKillSignal=HUP\n\
         SendSIGKILL=no\nSendSIGHUP=yes\nWatchdogSignal=6\nKillMode=half\n",
    );
    let kill = &config(&draft).kill;
    assert_eq!(kill.mode, KillMode::Mixed);
    assert_eq!(
        (kill.signal, kill.final_signal),
        (Signal::INT, Signal::QUIT)
    );
    assert_eq!(kill.restart_signal, Some(Signal::HUP));
    assert!(!kill.send_sigkill && kill.send_sighup);
    assert_eq!(kill.watchdog_signal, Signal::ABRT);
    assert_eq!(messages(&draft).len(), 1);
}

#[test]
fn protections_that_are_asked_for_refuse_the_start_and_others_do_not() {
    let refuses = |text: &str| {
        let draft = service(text);
        let records = &draft.config.not_applied;
        (
            records.len(),
            records.iter().any(|record| record.refuses_start),
        )
    };
    for asked in [
        "LoadCredentialEncrypted=a:/b",
        "BPFProgram=egress:/sys/fs/bpf/a",
        "IPIngressFilterPath=/sys/fs/bpf/a",
        "RootImage=/srv/image",
        "PrivateTmp=disconnected",
        "ProtectControlGroups=strict",
        "PrivatePIDs=yes",
    ] {
        assert_eq!(refuses(asked), (1, true), "{asked}");
    }
    for nothing in [
        "PrivateNetwork=no",
        "ProtectSystem=false",
        "ProtectHome=",
        "SystemCallFilter=",
        "ProtectProc=default",
        "KeyringMode=private",
        "DevicePolicy=auto",
        "SystemCallFilter=a\nSystemCallFilter=",
        "PrivateTmp=yes\nPrivateTmp=no",
        "PrivateNetwork=nonsense",
        "MemoryMax=infinity",
        "SyslogLevelPrefix=yes",
        "IPAddressDeny=any",
        "IPAccounting=yes",
    ] {
        assert_eq!(refuses(nothing), (0, false), "{nothing}");
    }
    for limit in ["ManagedOOMSwap=kill", "CoredumpReceive=yes"] {
        assert_eq!(refuses(limit), (1, false), "{limit}");
    }
    let draft = service(
        "ExtensionDirectories=/a\nExtensionDirectories=/b\nManagedOOMPreference=avoid\nManagedOOMPreference=omit\n",
    );
    let values: Vec<_> = draft
        .config
        .not_applied
        .iter()
        .map(|n| n.value.as_str())
        .collect();
    assert_eq!(values, ["/a", "/b", "omit"]);
}

#[test]
fn limits_are_read_and_carried_out() {
    for limit in [
        "MemoryMax=1G",
        "CPUQuota=20%",
        "TasksMax=10",
        "DeviceAllow=/dev/null r",
    ] {
        let draft = service(limit);
        assert_eq!(
            (draft.config.not_applied.len(), messages(&draft).len()),
            (0, 0),
            "{limit}"
        );
    }
    for bad in [
        "CPUWeight=0",
        "CPUWeight=10001",
        "IOWeight=idle",
        "CPUShares=1",
        "BlockIOWeight=5",
        "MemoryMax=0",
        "MemoryHigh=-1",
        "TasksMax=0",
        "Slice=a.service",
        "Slice=a--b.slice",
        "DeviceAllow=/etc/passwd r",
        "DeviceAllow=/dev/null x",
        "DelegateSubgroup=../a",
        "MemoryPressureWatch=perhaps",
        "IODeviceLatencyTargetSec=/dev/sda soon",
    ] {
        let draft = service(bad);
        assert_eq!(messages(&draft).len(), 1, "{bad}: {:?}", messages(&draft));
        assert!(draft.config.written.is_empty(), "{bad}");
    }
    // Without memory to swap to it can be meant.
    assert!(messages(&service("MemorySwapMax=0")).is_empty());
    // A slice is where its name says.
    let messages_of =
        |slice: &str| messages(&read("a-b.slice", &format!("[Slice]\nSlice={slice}\n")));
    assert!(messages_of("a.slice").is_empty());
    assert_eq!(messages_of("c.slice").len(), 1);
}

#[test]
fn a_secret_in_a_unit_file_is_not_kept() {
    let draft = service("SetCredential=token:hunter2\n");
    let set = &config(&draft).exec.credentials.set;
    assert_eq!(set["token"].0, b"hunter2");
    assert!(!format!("{:?}", draft.config).contains("hunter2"));
}

#[test]
fn dependencies_on_templates_take_the_own_instance_or_prefix() {
    let targets = |name: &str| {
        let draft = read(name, "[Unit]\nWants=t@.service\n");
        draft.dependencies.into_keys().next().unwrap().1.to_string()
    };
    assert_eq!(targets("a@one.service"), "t@one.service");
    assert_eq!(targets("a.service"), "t@a.service");
    let draft = read(
        "a.service",
        "[Unit]\nAfter=a.service dev-x\\x2dy.device %p-b.service bad/name.service\n",
    );
    let names: Vec<String> = draft
        .dependencies
        .keys()
        .map(|(_, n)| n.to_string())
        .collect();
    assert_eq!(names, ["a-b.service", "dev-x\\x2dy.device"]);
    assert_eq!(messages(&draft).len(), 2);
}

#[test]
fn sockets() {
    let draft = read(
        "a.socket",
        "[Socket]\nListenStream=/var/run//a.sock\nListenDatagram=127.0.0.1:80\nSocketMode=0600\n\
         SocketUser=dd\nRemoveOnStop=yes\nService=b.service\nBacklog=5\nUser=x\nKillMode=mixed\n\
         ProtectHome=yes\nService=t@.service\n",
    );
    let UnitBody::Socket(socket) = &draft.config.body else {
        panic!("not a socket");
    };
    assert_eq!(socket.listen[0].address, "/run/a.sock");
    assert_eq!(socket.listen[1].kind, ListenKind::Datagram);
    assert_eq!((socket.mode, socket.remove_on_stop), (0o600, true));
    assert_eq!(socket.exec.user.as_deref(), Some("x"));
    assert_eq!(socket.kill.mode, KillMode::Mixed);
    assert_eq!(socket.service.as_ref().unwrap().as_str(), "b.service");
    let kept: Vec<_> = draft
        .config
        .not_applied
        .iter()
        .map(|n| n.directive)
        .collect();
    assert_eq!(kept, Vec::<&str>::new());
    assert_eq!(socket.options.backlog, 5);
    assert_eq!(messages(&draft).len(), 1);
}

#[test]
fn obsolete_directives_are_warned_about() {
    let draft = service("SysVStartPriority=3\nCapabilities=all\n");
    let messages = messages(&draft);
    assert_eq!(
        messages[0],
        "/u/a:2:19: warning: SysVStartPriority=: systemd no longer has this setting, ignored"
    );
    assert_eq!(messages.len(), 2);
}

#[test]
fn no_value_of_any_directive_brings_the_table_down() {
    let nasty = [
        "",
        "-",
        "~",
        "!",
        "|!",
        "+",
        "%",
        "%i",
        "%Z",
        "\"",
        "'a",
        "\\",
        ":",
        "=",
        "/",
        "//../x",
        "0",
        "-1",
        "99999999999999999999",
        "1:",
        "é\u{202e}",
        "infinity",
        "a b;c",
        "\\x",
        "@",
    ];
    for row in table() {
        for section in row.sections {
            let name = match *section {
                "Unit" | "Install" => "a@b.service".to_owned(),
                ours if ours.starts_with("X-") => "a@b.service".to_owned(),
                own => format!("a@b.{}", own.to_lowercase()),
            };
            let mut text = format!("[{section}]\n");
            for value in nasty {
                text.push_str(&format!("{}={value}\n", row.name));
            }
            let draft = read(&name, &text);
            let known = |finding: &str| !finding.contains("unknown key");
            assert!(messages(&draft).iter().all(|m| known(m)), "{}", row.name);
        }
    }
}

#[test]
fn actions_and_time_limits_of_jobs() {
    let draft = read(
        "a.service",
        "[Unit]\nFailureAction=exit-force\nFailureActionExitStatus=9\nSuccessAction=poweroff\n\
         JobTimeoutSec=5\n[Service]\nStartLimitAction=reboot\n",
    );
    let unit = &draft.config.unit;
    assert_eq!(unit.failure_action, SystemAction::ExitForce);
    assert_eq!(unit.failure_action_status, Some(9));
    assert_eq!(unit.success_action, SystemAction::Poweroff);
    assert_eq!(unit.start_limit_action, SystemAction::Reboot);
    assert_eq!(unit.job_timeout, TimeSpan::from_secs(5));
    assert_eq!(unit.job_running_timeout(), TimeSpan::from_secs(5));
    assert!(draft.config.not_applied.is_empty() && draft.config.diagnostics.is_empty());
    let draft = read(
        "a.service",
        "[Unit]\nJobTimeoutSec=5\nJobRunningTimeoutSec=0\nFailureAction=explode\n\
         SuccessActionExitStatus=3\nSuccessActionExitStatus=\nFailureActionExitStatus=256\n",
    );
    let unit = &draft.config.unit;
    assert!(unit.job_running_timeout().is_infinite(), "0 is no limit");
    assert_eq!(unit.failure_action, SystemAction::None);
    assert_eq!(unit.success_action_status, None);
    assert_eq!(unit.failure_action_status, None);
    assert_eq!(draft.config.diagnostics.len(), 2);
}

#[test]
fn the_words_of_actions_stand_in_the_order_of_their_values() {
    for (word, action) in SystemAction::WORDS {
        assert_eq!(action.as_str(), word);
    }
}
