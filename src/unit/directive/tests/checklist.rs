//! The rules for values that hold for all directives: checklist rows U6 to U15 and E1.

use super::*;

// U6
#[test]
fn unknown_keys_and_sections_are_warned_about_with_their_place_and_a_hint() {
    let draft = read(
        "a.service",
        "[Unit]\nExecStart=/bin/a\nAftr=b.service\n[Socket]\nAccept=yes\n[Colors]\nA=1\n\
         [Service]\n  ExecStrat=/bin/a\nNonsense=1\nX-Own=2\n[X-Own]\nAnything=3\n",
    );
    assert_eq!(
        messages(&draft),
        [
            "/u/a:2:1: warning: unknown key ExecStart= in section [Unit], ignored; it belongs \
             in [Service]",
            "/u/a:3:1: warning: unknown key Aftr= in section [Unit], ignored; did you mean \
             After=?",
            "/u/a:4:1: warning: section [Socket] does not belong in a .service unit, ignored",
            "/u/a:6:1: warning: unknown section [Colors], ignored",
            "/u/a:9:3: warning: unknown key ExecStrat= in section [Service], ignored; did you \
             mean ExecStart=?",
            "/u/a:10:1: warning: unknown key Nonsense= in section [Service], ignored",
        ]
    );
    assert_eq!(draft.config.load, LoadState::Loaded);
}

// U8
#[test]
fn an_invalid_value_leaves_the_previous_one() {
    let draft = service(
        "Restart=always\nRestart=sometimes\nRestartSec=5\nRestartSec=later\n\
         RemainAfterExit=yes\nRemainAfterExit=perhaps\nLimitNOFILE=10\nLimitNOFILE=x\n",
    );
    let service = config(&draft);
    assert_eq!(service.restart, Restart::Always);
    assert_eq!(service.restart_sec, TimeSpan::from_secs(5));
    assert!(service.remain_after_exit);
    assert_eq!(service.exec.limits.len(), 1);
    let messages = messages(&draft);
    assert_eq!(messages.len(), 4);
    assert_eq!(
        messages[0],
        "/u/a:3:9: warning: Restart=: \"sometimes\" is none of no, on-success, on-failure, \
         on-abnormal, on-watchdog, on-abort, always, ignored"
    );
    assert_eq!(draft.config.load, LoadState::Loaded);
}

// U9
#[test]
fn a_bad_command_line_is_bad_setting_unless_its_failure_is_ignored() {
    for bad in ["/bin/a \"b", "/bin/a %Z", "bin/a", "+"] {
        let draft = service(&format!("ExecStart=/bin/ok\nExecStop={bad}\n"));
        assert_eq!(draft.config.load, LoadState::BadSetting, "{bad}");
    }
    let draft = service("ExecStart=/bin/ok\nExecStop=bin/a\n");
    let error = draft.config.load_error.as_deref().unwrap();
    assert!(error.starts_with("/u/a:3:10: ExecStop=: "), "{error}");
    assert_eq!(draft.config.diagnostics[0].severity, Severity::Error);
    let draft = service("ExecStart=/bin/ok\nExecStop=-bin/a\n");
    assert_eq!(draft.config.load, LoadState::Loaded);
    assert_eq!(draft.config.diagnostics[0].severity, Severity::Warning);
    assert!(config(&draft).commands.get(CommandKind::Stop).is_empty());
    assert_eq!(config(&draft).commands.get(CommandKind::Start).len(), 1);
}

// U10
#[test]
fn an_empty_assignment_resets_lists_but_not_dependencies() {
    let draft = read(
        "a.service",
        "[Unit]\nAfter=b.service\nAfter=\nWants=c.service\nWants=\nDocumentation=man:a(1)\n\
         Documentation=\n[Service]\nExecStart=/bin/a\nExecStart=\nExecStart=/bin/b\n\
         Environment=A=1\nEnvironment=\nEnvironment=B=2\nEnvironmentFile=/e\n\
         EnvironmentFile=\nPassEnvironment=A\nPassEnvironment=\nUnsetEnvironment=A\n\
         UnsetEnvironment=\nSuccessExitStatus=3\nSuccessExitStatus=\nAmbientCapabilities=CAP_KILL\n\
         AmbientCapabilities=\nRuntimeDirectory=a\nRuntimeDirectory=\nSupplementaryGroups=a\n\
         SupplementaryGroups=\nReadOnlyPaths=/a\nReadOnlyPaths=\nExecSearchPath=/a\n\
         ExecSearchPath=\n",
    );
    assert_eq!(messages(&draft), Vec::<String>::new());
    let service = config(&draft);
    assert_eq!(
        service.commands.get(CommandKind::Start)[0].program,
        "/bin/b"
    );
    assert_eq!(service.commands.get(CommandKind::Start).len(), 1);
    let exec = &service.exec;
    assert_eq!(exec.environment, [("B".to_owned(), "2".to_owned())]);
    assert!(exec.environment_files.is_empty() && exec.pass_environment.is_empty());
    assert!(exec.unset_environment.is_empty() && exec.supplementary_groups.is_empty());
    assert!(exec.search_path.is_empty());
    assert_eq!(exec.ambient_capabilities.0, 0);
    assert!(exec.directories[&DirectoryKind::Runtime].paths.is_empty());
    assert!(service.success_exit_status.is_empty());
    assert!(draft.config.not_applied.is_empty());
    assert!(draft.config.unit.documentation.is_empty());
    let kinds: Vec<_> = draft.dependencies.keys().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [DependencyKind::Wants, DependencyKind::After]);
}

// U11
#[test]
fn an_empty_condition_drops_those_of_every_kind_and_an_empty_assert_the_asserts() {
    let draft = read(
        "a.service",
        "[Unit]\nConditionPathExists=/a\nConditionUser=root\nAssertHost=x\n\
         ConditionHost=\nConditionPathExists=|!/b//c\n",
    );
    let unit = &draft.config.unit;
    assert_eq!(unit.asserts.len(), 1);
    assert_eq!(
        unit.conditions,
        [Condition {
            kind: ConditionKind::PathExists,
            parameter: "/b/c".to_owned(),
            trigger: true,
            negate: true,
        }]
    );
    let draft = read("a.service", "[Unit]\nAssertHost=x\nAssertUser=\n");
    assert!(draft.config.unit.asserts.is_empty());
    let draft = read("a.service", "[Unit]\nConditionPathExists=relative\n");
    assert!(draft.config.unit.conditions.is_empty());
    assert_eq!(messages(&draft).len(), 1);
}

#[test]
fn every_condition_kind_can_be_set_both_ways() {
    for kind in ConditionKind::ALL {
        let suffix = kind.suffix();
        let text = format!("[Unit]\nCondition{suffix}=/x\nAssert{suffix}=!/x\n");
        let draft = read("a.service", &text);
        assert_eq!(draft.config.unit.conditions[0].kind, kind);
        assert_eq!(draft.config.unit.asserts[0].kind, kind);
        assert!(draft.config.unit.asserts[0].negate);
    }
}

// U12
#[test]
fn install_is_kept_and_changes_nothing_else() {
    let draft = read(
        "a@.service",
        "[Install]\nWantedBy=multi-user.target x@%i.target\nRequiredBy=r.target\nAlias=b@.service\n\
         Also=c.socket\nDefaultInstance=one\nUpheldBy=u.target\n",
    );
    let install = &draft.config.install;
    assert_eq!(install.wanted_by, ["multi-user.target", "x@%i.target"]);
    assert_eq!(install.required_by, ["r.target"]);
    assert_eq!(install.upheld_by, ["u.target"]);
    assert_eq!(install.alias, ["b@.service"]);
    assert_eq!(install.also, ["c.socket"]);
    assert_eq!(install.default_instance.as_deref(), Some("one"));
    assert!(draft.dependencies.is_empty() && draft.config.diagnostics.is_empty());
}

// U13
#[test]
fn booleans_are_systemds_own() {
    for (word, value) in [
        ("1", true),
        ("YES", true),
        ("t", true),
        ("off", false),
        ("N", false),
    ] {
        let draft = service(&format!(
            "RemainAfterExit={}\nRemainAfterExit={word}\n",
            !value
        ));
        assert_eq!(config(&draft).remain_after_exit, value, "{word}");
        assert!(draft.config.diagnostics.is_empty());
    }
    for word in ["enabled", "2", ""] {
        let draft = service(&format!("RemainAfterExit=yes\nRemainAfterExit={word}\n"));
        assert!(config(&draft).remain_after_exit, "{word}");
        assert_eq!(messages(&draft).len(), 1, "{word}");
    }
}

// U15
#[test]
fn zero_is_for_ever_for_timeouts_alone() {
    let draft = read(
        "a.service",
        "[Unit]\nStartLimitIntervalSec=0\n[Service]\nTimeoutStartSec=0\nTimeoutStopSec=0\n\
         RestartSec=0\nWatchdogSec=0\n",
    );
    let service = config(&draft);
    assert!(service.timeout_start.is_infinite() && service.timeout_stop.is_infinite());
    assert_eq!(service.restart_sec, TimeSpan::ZERO);
    assert_eq!(service.watchdog, TimeSpan::ZERO);
    assert_eq!(draft.config.unit.start_limit_interval, TimeSpan::ZERO);
    let draft = service_with_timeout();
    assert_eq!(config(&draft).timeout_start, TimeSpan::from_secs(7));
    assert_eq!(config(&draft).timeout_stop, TimeSpan::from_secs(7));
}

fn service_with_timeout() -> Draft {
    service("TimeoutSec=7\n")
}

// E1
#[test]
fn environment_words() {
    let draft = service(
        "Environment=A=1 \"B=two words\" C='x' BAD-X=1 1X=2 noequals %n=1\n\
         Environment=A=$HOME\n",
    );
    let environment = &config(&draft).exec.environment;
    let shown: Vec<String> = environment
        .iter()
        .map(|(n, v)| format!("{n}={v}"))
        .collect();
    assert_eq!(shown, ["A=$HOME", "B=two words", "C=x"]);
    assert_eq!(messages(&draft).len(), 4);
    assert_eq!(draft.config.load, LoadState::Loaded);
}
