//! What definitions become, and what is said about them.

use super::*;

fn none(_: &str) -> Option<String> {
    None
}

fn set(name: &str) -> Option<String> {
    let known = [("DIR", "/opt/with space"), ("PERCENT", "50%")];
    let mut found = known.iter().filter(|(known, _)| *known == name);
    found.next().map(|(_, value)| (*value).to_owned())
}

/// The only file that comes of a definition without errors.
fn unit(file: &str, text: &str) -> String {
    let imported = convert(file, text, &set);
    assert!(!imported.has_errors(), "{:?}", imported.findings);
    imported.files[0].1.clone()
}

fn messages(imported: &Imported) -> Vec<String> {
    imported.findings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_process_becomes_a_service() {
    let text = unit(
        "/x/agent.yaml",
        "description: 100% ours\ncommand: ${DIR}/bin/agent\nargs: [run, \"--cfg\", \"${DIR}/a.yaml\", \"$HOME\", '%n']\n\
         condition_path_exists: ${DIR}/bin/agent\nrestart: on-failure\nrestart_sec: 2\n\
         start_limit_interval_sec: 10\nstart_limit_burst: 5\nenvironment_file: -/etc/agent/env\n\
         env:\n  A: b c\n  P: ${PERCENT}\n  GONE: -${NOT_SET}\nstdout: inherit\nstderr: /var/log/x\nstop_timeout: 180\n",
    );
    let expected = "[Unit]\nDescription=100%% ours\nConditionPathExists=/opt/with space/bin/agent\n\
                    StartLimitIntervalSec=10\nStartLimitBurst=5\n\n[Service]\nRestart=on-failure\n\
                    RestartSec=2\nEnvironmentFile=-/etc/agent/env\nEnvironment=\"A=b c\"\n\
                    Environment=\"P=50%%\"\nStandardError=append:/var/log/x\nTimeoutStopSec=180\n\
                    ExecStart=:\"/opt/with space/bin/agent\" run --cfg \"/opt/with space/a.yaml\" \"$HOME\" %%n\n\n\
                    [Install]\nWantedBy=multi-user.target\n";
    // Whether a word is quoted does not matter to its reader.
    assert_eq!(text.replace("\"%%n\"", "%%n"), expected);
}

#[test]
fn what_starts_by_itself_is_linked_and_what_does_not_is_not() {
    let yes = convert("a.yaml", "command: /bin/true\n", &none);
    let link = ("multi-user.target.wants/a.service", "../a.service");
    assert_eq!(yes.links, [(link.0.to_owned(), link.1.to_owned())]);
    let no = convert("a.yaml", "command: /bin/true\nauto_start: false\n", &none);
    assert_eq!(no.links, []);
    assert!(!no.files[0].1.contains("[Install]"));
}

#[test]
fn what_has_no_equivalent_is_told_with_its_place() {
    let text =
        "command: /bin/true\nenv:\n  A: -${NOT_SET}\nmoon_phase: full\ninherit_environment: true\n";
    let imported = convert("a.yaml", text, &none);
    let found = messages(&imported);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with("a.yaml:3:6: warning: A is left out: NOT_SET is not set"));
    assert!(found[1].starts_with("a.yaml:4:1: warning: moon_phase has no equivalent"));
    assert!(found[2].starts_with("a.yaml:5:22: warning: inherit_environment"));
    assert_eq!(imported.files.len(), 1);
}

#[test]
fn an_error_leaves_nothing_of_the_file() {
    let wrong = [
        ("", "not a mapping"),
        ("- a\n", "not a mapping"),
        ("args: [a]\n", "command: it is needed"),
        ("command: [a, b]\n", "a single value is needed"),
        ("command: ''\n", "it is empty"),
        ("command: /bin/true\nargs: a: b\n", "no YAML"),
        ("command: ${NOWHERE}/x\n", "the variable NOWHERE is not set"),
        ("command: ${x\n", "is not closed"),
        (
            "command: /bin/true\nrestart: sometimes\n",
            "no time for a restart",
        ),
        ("command: /bin/true\nrestart_sec: soon\n", "no time span"),
        (
            "command: /bin/true\nauto_start: maybe\n",
            "neither true nor false",
        ),
        (
            "command: /bin/true\nstdout: somewhere\n",
            "no place for output",
        ),
        (
            "command: /bin/true\ndescription: \"a\\nUser=root\"\n",
            "one line",
        ),
        (
            "command: /bin/true\ntype: sometimes\n",
            "what comes of it is no unit: Type=sometimes",
        ),
        ("command: /bin/true\nafter: ['a b']\n", "a b"),
        (
            "command: /bin/true\nkill_signal: SIGWHAT\n",
            "KillSignal=SIGWHAT",
        ),
    ];
    for (text, reason) in wrong {
        let imported = convert("a.yaml", text, &none);
        assert!(imported.has_errors(), "{text}");
        assert_eq!((imported.files.len(), imported.links.len()), (0, 0));
        let found = messages(&imported).join("\n");
        assert!(found.contains(reason), "{text}: {found}");
    }
    assert!(convert("a b.yaml", "command: /bin/true\n", &none).has_errors());
}

#[test]
fn limits_are_those_of_a_control_group() {
    let text = "command: /bin/true\nresources:\n  limits: {cpu: 500m, memory: 512Mi, pids: 64}\n  \
                requests: {cpu: '2', memory: 1G}\n";
    let imported = convert("a.yaml", text, &none);
    let unit = &imported.files[0].1;
    for line in [
        "CPUQuota=50%",
        "MemoryMax=536870912",
        "TasksMax=64",
        "CPUWeight=200",
        "MemoryLow=1000000000",
    ] {
        assert!(unit.contains(&format!("{line}\n")), "{line}: {unit}");
    }
    assert_eq!(imported.findings.len(), 1, "a request is not a weight");
    for wrong in ["cpu: much", "memory: 5 apples", "memory: -1", "cpu: 0"] {
        let text = format!("command: /bin/true\nresources:\n  limits: {{{wrong}}}\n");
        assert!(convert("a.yaml", &text, &none).has_errors(), "{wrong}");
    }
}

#[test]
fn a_check_becomes_probes_for_both_of_its_thresholds() {
    let text = "command: /bin/true\nhealth_check:\n  type: http\n  endpoint: http://127.0.0.1:5555/live\n  \
                method: head\n  expected_status: 204\n  interval: 10\n  timeout: 2\n  retries: 3\n  \
                start_period: 5\n  restart_after: 6\n  colour: green\n";
    let imported = convert("a.yaml", text, &none);
    let unit = &imported.files[0].1;
    let check = "HTTPGet=http://127.0.0.1:5555/live\nHTTPMethod=HEAD\nHTTPStatus=204\n\
                 InitialDelaySec=5\nPeriodSec=10\nTimeoutSec=2\nFailureThreshold=";
    assert!(
        unit.contains(&format!("[X-ReadinessProbe]\n{check}3\n")),
        "{unit}"
    );
    assert!(
        unit.contains(&format!("[X-LivenessProbe]\n{check}6\n")),
        "{unit}"
    );
    let found = messages(&imported);
    assert!(found[0].contains("colour has no equivalent"), "{found:?}");

    let others = [
        ("{type: tcp, port: 80}", "TCPSocket=127.0.0.1:80\n"),
        ("{type: tcp, host: '::1', port: 80}", "TCPSocket=[::1]:80\n"),
        ("{type: exec, command: /bin/true -x}", "Exec=/bin/true -x\n"),
        (
            "{type: exec, command: /bin/a, args: [b c]}",
            "Exec=/bin/a \"b c\"\n",
        ),
    ];
    for (check, line) in others {
        let text = format!("command: /bin/true\nhealth_check: {check}\n");
        let imported = convert("a.yaml", &text, &none);
        assert!(imported.files[0].1.contains(line), "{check}: {imported:?}");
        assert!(
            !imported.files[0].1.contains("Liveness"),
            "nothing may be killed"
        );
    }
    for wrong in ["{type: psychic}", "{type: tcp}", "{type: http}", "[]", "{}"] {
        let text = format!("command: /bin/true\nhealth_check: {wrong}\n");
        assert!(convert("a.yaml", &text, &none).has_errors(), "{wrong}");
    }
}

#[test]
fn a_socket_tells_its_service_where_its_descriptor_is() {
    let text = "description: Traces\nlisten_stream: 127.0.0.1:8126\nservice: trace\n\
                fd_env_var: DD_APM_NET_RECEIVER_FD\nsocket_mode: '0660'\naccept: false\n";
    let imported = convert("/d/apm.socket.yaml", text, &none);
    assert!(imported.findings.is_empty(), "{:?}", imported.findings);
    let [(name, socket), (path, drop_in)] = &imported.files[..] else {
        panic!("{:?}", imported.files);
    };
    assert_eq!(name, "apm.socket");
    assert_eq!(
        socket,
        "[Unit]\nDescription=Traces\n\n[Socket]\nListenStream=127.0.0.1:8126\nSocketMode=0660\n\
         Accept=no\nService=trace.service\nFileDescriptorName=apm\n\n[Install]\n\
         WantedBy=sockets.target\n"
    );
    assert_eq!(path, "trace.service.d/50-apm-socket.conf");
    let expected = "[X-Procmgr]\nFileDescriptorEnvironment=apm:DD_APM_NET_RECEIVER_FD\n";
    assert_eq!(drop_in, expected);
    assert_eq!(imported.links[0].0, "sockets.target.wants/apm.socket");
    let nothing = convert("x.socket.yaml", "description: deaf\n", &none);
    assert!(nothing.has_errors(), "a socket without an address");
}

#[test]
fn what_is_written_is_whole_or_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let imported = convert("a.yaml", "command: /bin/true\n", &none);
    let target = Target {
        directory: &directory.path().join("units"),
        replace: false,
    };
    assert_eq!(store(&imported, &target).unwrap().len(), 2);
    let link = target.directory.join("multi-user.target.wants/a.service");
    assert!(
        std::fs::read_to_string(&link)
            .unwrap()
            .contains("ExecStart=/bin/true\n")
    );
    // The link is in the way: the file of the same import is not made either.
    std::fs::remove_file(target.directory.join("a.service")).unwrap();
    let refused = store(&imported, &target).unwrap_err();
    assert!(refused.contains("is there already"), "{refused}");
    let left: Vec<_> = std::fs::read_dir(target.directory).unwrap().collect();
    assert_eq!(left.len(), 1, "only the directory of links: {left:?}");
    let replacing = Target {
        replace: true,
        ..target
    };
    assert_eq!(store(&imported, &replacing).unwrap().len(), 2);
}
