//! Which file is a unit's: search order, drop-ins, masks, aliases, links, errors.

use super::*;

const START: &str = "[Service]\nExecStart=/bin/a\n";

#[test]
fn l1_the_first_directory_wins_with_the_whole_file() {
    let source = MemorySource::new()
        .file("/usr/u/a.service", described("usr"))
        .file("/run/u/a.service", START)
        .file("/usr/u/b.service", described("usr"));
    let unit = one(&source, "a.service");
    assert_eq!(unit.fragment.as_deref(), Some("/run/u/a.service"));
    assert_eq!(unit.unit.description, "a.service");
    assert_eq!(one(&source, "b.service").unit.description, "usr");
    assert_eq!(one(&source, "c.service").load, LoadState::NotFound);
    assert_eq!(
        one(&source, "c.service").load_error.as_deref(),
        Some("Unit c.service not found.")
    );
}

#[test]
fn l2_drop_ins_are_applied_in_the_order_of_their_file_names() {
    let source = MemorySource::new()
        .file("/usr/u/a.service", START)
        .file(
            "/etc/u/a.service.d/60-y.conf",
            "[Unit]\nDescription=60\n[Service]\nNice=6\n",
        )
        .file(
            "/usr/u/service.d/50-x.conf",
            "[Unit]\nDescription=50\n[Service]\nNice=5\n",
        )
        .file("/usr/u/a.service.d/70-z.txt", "[Unit]\nDescription=70\n");
    let unit = one(&source, "a.service");
    assert_eq!(unit.unit.description, "60");
    assert_eq!(unit.service().unwrap().exec.nice, Some(6));
    assert_eq!(
        unit.drop_ins,
        ["/usr/u/service.d/50-x.conf", "/etc/u/a.service.d/60-y.conf"]
    );
}

#[test]
fn l3_the_more_specific_directory_wins_then_the_search_order() {
    let drop_in = |text: &str| format!("[Unit]\nDescription={text}\n");
    let mut source = MemorySource::new().file("/usr/u/foo-bar-baz.service", START);
    let steps = [
        ("/usr/u/service.d/10.conf", "usr type"),
        ("/etc/u/service.d/10.conf", "etc type"),
        ("/usr/u/foo-.service.d/10.conf", "usr foo"),
        ("/usr/u/foo-bar-.service.d/10.conf", "usr foo-bar"),
        ("/etc/u/foo-bar-.service.d/10.conf", "etc foo-bar"),
        ("/usr/u/foo-bar-baz.service.d/10.conf", "usr own"),
        ("/run/u/foo-bar-baz.service.d/10.conf", "run own"),
    ];
    // Each is more specific, or earlier in the search, than those before it.
    for (path, text) in steps {
        source = source.file(path, drop_in(text));
        let unit = one(&source, "foo-bar-baz.service");
        assert_eq!(unit.unit.description, text);
        assert_eq!(unit.drop_ins, [path]);
    }
}

#[test]
fn l4_instances_use_their_own_and_their_templates_drop_ins() {
    let source = MemorySource::new()
        .file("/usr/u/foo-x@.service", START)
        .file(
            "/etc/u/foo-x@.service.d/10.conf",
            "[Unit]\nDescription=template\n",
        )
        .file(
            "/usr/u/foo-x@in-st.service.d/10.conf",
            "[Unit]\nDescription=instance\n",
        )
        .file("/usr/u/foo-x@.service.d/20.conf", "[Service]\nNice=2\n")
        .file("/usr/u/foo-@.service.d/30.conf", "[Service]\nUMask=0027\n")
        .file("/usr/u/foo-x@in-.service.d/40.conf", "[Service]\nNice=9\n");
    let unit = one(&source, "foo-x@in-st.service");
    assert_eq!(unit.unit.description, "instance");
    let exec = &unit.service().unwrap().exec;
    assert_eq!((exec.nice, exec.umask), (Some(2), 0o027));
    assert_eq!(one(&source, "foo-x@b.service").unit.description, "template");
}

#[test]
fn l4_from_the_instance_to_the_type() {
    // As observed on systemd 252, most specific first.
    let directories = [
        "a-b-c@in", "a-b-c@", "a-b-", "a-", "a-b-@in", "a-b-@", "a-@in", "a-@",
    ];
    let mut source = MemorySource::new()
        .file("/usr/u/a-b-c@.service", START)
        .file("/etc/u/service.d/1.conf", "[Unit]\nDescription=type\n");
    for directory in directories.iter().rev() {
        let path = format!("/usr/u/{directory}.service.d/1.conf");
        source = source.file(&path, format!("[Unit]\nDescription={directory}\n"));
        let unit = one(&source, "a-b-c@in.service");
        assert_eq!(unit.unit.description, *directory);
    }
}

#[test]
fn l5_an_empty_or_null_drop_in_masks_those_of_its_name() {
    let source = MemorySource::new()
        .file("/usr/u/a.service", START)
        .file("/usr/u/a.service.d/10.conf", "[Service]\nNice=1\n")
        .link("/etc/u/a.service.d/10.conf", "/dev/null")
        .file("/usr/u/a.service.d/20.conf", "[Service]\nUMask=0077\n")
        .file("/run/u/a.service.d/20.conf", "");
    let unit = one(&source, "a.service");
    assert!(unit.drop_ins.is_empty());
    let exec = &unit.service().unwrap().exec;
    assert_eq!((exec.nice, exec.umask), (None, 0o022));
}

#[test]
fn l6_an_empty_or_null_fragment_is_masked() {
    let source = MemorySource::new()
        .link("/etc/u/a.service", "/dev/null")
        .file("/usr/u/a.service", START)
        .file("/etc/u/b.service", "")
        .link("/etc/u/c.service", "../../dev/null")
        .file(
            "/etc/u/a.service.d/10.conf",
            "[Service]\nExecStart=/bin/b\n",
        );
    for text in ["a.service", "b.service", "c.service"] {
        let unit = one(&source, text);
        assert_eq!(unit.load, LoadState::Masked, "{text}");
        let wanted = format!("Unit {text} is masked.");
        assert_eq!(unit.load_error.as_deref(), Some(wanted.as_str()));
        assert!(unit.dependencies.is_empty() && unit.drop_ins.is_empty());
    }
    let empty = MemorySource::new().file("/etc/u/d.service.d/empty.txt", "");
    assert_eq!(one(&empty, "d.service").load, LoadState::NotFound);
}

#[test]
fn l7_a_link_within_the_path_is_an_alias_and_brings_its_drop_ins_and_wants() {
    let source = MemorySource::new()
        .file("/usr/u/b.service", START)
        .link("/etc/u/a.service", "/usr/u/b.service")
        .link("/usr/u/c.service", "a.service")
        .file("/etc/u/a.service.d/10.conf", "[Service]\nNice=3\n")
        .link("/etc/u/c.service.wants/w.service", "../w.service");
    for text in ["a.service", "b.service", "c.service"] {
        let units = bare(&source, &[text]);
        let unit = &units["b.service"];
        let aliases: Vec<&str> = unit.aliases.iter().map(UnitName::as_str).collect();
        assert_eq!(aliases, ["a.service", "c.service"]);
        assert_eq!(unit.service().unwrap().exec.nice, Some(3));
        assert_eq!(targets(unit, DependencyKind::Wants), ["w.service"]);
        assert!(!units.contains_key("a.service"));
    }
    assert_eq!(all_names(&settings(), &source).len(), 3);
}

#[test]
fn l7_suffixes_must_match_and_circles_lead_nowhere() {
    let source = MemorySource::new()
        .file("/usr/u/b.service", START)
        .link("/etc/u/a.socket", "/usr/u/b.service")
        .link("/etc/u/x.service", "y.service")
        .link("/etc/u/y.service", "x.service")
        .link("/etc/u/gone.service", "/usr/u/nowhere.service");
    for text in ["a.socket", "x.service"] {
        assert_eq!(one(&source, text).load, LoadState::NotFound, "{text}");
    }
    let units = bare(&source, &["gone.service"]);
    assert_eq!(units["nowhere.service"].load, LoadState::NotFound);
}

#[test]
fn l7_a_name_that_leads_nowhere_is_known_by_it() {
    let source = MemorySource::new().link("/etc/u/gone.service", "/usr/u/nowhere.service");
    assert!(
        one(&source, "gone.service")
            .aliases
            .contains("gone.service")
    );
}

#[test]
fn l7_template_aliases_and_pinned_instances() {
    let source = MemorySource::new()
        .file(
            "/usr/u/t@.service",
            "[Unit]\nDescription=%i of %p\n[Service]\nExecStart=/bin/a\n",
        )
        .link("/etc/u/ta@.service", "/usr/u/t@.service")
        .link("/etc/u/t@foo.service", "/usr/u/t@.service")
        .link("/etc/u/x@bar.service", "/usr/u/t@.service");
    let units = bare(
        &source,
        &["ta@one.service", "t@foo.service", "x@bar.service"],
    );
    let one = &units["t@one.service"];
    assert!(one.aliases.contains("ta@one.service"));
    assert_eq!(one.unit.description, "one of t");
    assert_eq!(units["t@foo.service"].unit.description, "foo of t");
    let bar = &units["t@bar.service"];
    assert!(bar.aliases.contains("x@bar.service"));
    assert!(bar.aliases.contains("ta@bar.service"));
}

#[test]
fn l9_a_link_out_of_the_path_loads_under_its_own_name() {
    let source = MemorySource::new()
        .file("/opt/x/other.service", described("linked"))
        .link("/etc/u/a.service", "/opt/x/other.service");
    let unit = one(&source, "a.service");
    assert_eq!(unit.unit.description, "linked");
    assert_eq!(unit.fragment.as_deref(), Some("/etc/u/a.service"));
    assert!(unit.aliases.is_empty());
}

#[test]
fn u5_a_file_that_is_no_text_is_an_error_and_in_a_drop_in_costs_the_rest_of_it() {
    let source = MemorySource::new()
        .file(
            "/usr/u/a.service",
            b"[Service]\nExecStart=/bin/a\nNice=\xff\n",
        )
        .file("/usr/u/b.service", "[Unit\nDescription=x\n")
        .file("/usr/u/c.service", START)
        .file(
            "/usr/u/c.service.d/1.conf",
            b"[Service]\nNice=1\nUMask=\xff\nUMask=0077\n",
        )
        .unreadable("/usr/u/d.service");
    for text in ["a.service", "b.service", "d.service"] {
        let unit = one(&source, text);
        assert_eq!(unit.load, LoadState::Error, "{text}");
        assert!(unit.load_error.is_some());
    }
    assert!(
        one(&source, "b.service")
            .load_error
            .unwrap()
            .starts_with("/usr/u/b.service:1:")
    );
    let unit = one(&source, "c.service");
    assert_eq!(unit.load, LoadState::Loaded);
    let exec = &unit.service().unwrap().exec;
    assert_eq!((exec.nice, exec.umask), (Some(1), 0o022));
    assert_eq!(unit.diagnostics.len(), 1);
}

#[test]
fn u4_a_line_too_long_is_an_error() {
    let text = format!("{START}#{}\n", "x".repeat(1024 * 1024));
    let source = MemorySource::new().file("/usr/u/a.service", text);
    assert_eq!(one(&source, "a.service").load, LoadState::Error);
}

#[test]
fn u19_a_template_by_itself_is_no_unit() {
    let source = MemorySource::new().file("/usr/u/t@.service", START);
    let unit = one(&source, "t@.service");
    assert_eq!(unit.load, LoadState::Error);
    let reason = unit.load_error.unwrap();
    assert!(reason.contains("missing the instance name"), "{reason}");
}

#[test]
fn bad_settings_say_where() {
    let source = MemorySource::new().file(
        "/usr/u/a.service",
        "[Service]\nType=simple\nExecStart=/bin/a\nExecStart=/bin/b\n",
    );
    let unit = one(&source, "a.service");
    assert_eq!(unit.load, LoadState::BadSetting);
    let reason = unit.load_error.unwrap();
    assert!(
        reason.starts_with("/usr/u/a.service:4:1: ExecStart=: "),
        "{reason}"
    );
}

#[test]
fn x11_x12_services_that_cannot_be() {
    let state = |text: &str| {
        let source = MemorySource::new().file("/usr/u/a.service", format!("[Service]\n{text}"));
        one(&source, "a.service").load
    };
    let start = "ExecStart=/bin/a\n";
    let stop = "ExecStop=/bin/a\n";
    for bad in [
        "Type=simple\n".to_owned(),
        String::from("RemainAfterExit=yes\n"),
        stop.to_owned(),
        format!("Type=simple\n{stop}RemainAfterExit=yes\n"),
        format!("{start}{start}"),
        format!("Type=oneshot\n{start}Restart=always\n"),
        format!("Type=oneshot\n{start}Restart=on-success\n"),
        format!("Type=dbus\n{start}"),
    ] {
        assert_eq!(state(&bad), LoadState::BadSetting, "{bad}");
    }
    for good in [
        start.to_owned(),
        format!("Type=oneshot\n{start}{start}"),
        format!("{stop}RemainAfterExit=yes\n"),
        format!("Type=oneshot\n{start}Restart=on-failure\n"),
        format!("Type=oneshot\n{start}RestartForceExitStatus=3\n"),
        format!("BusName=a.b\n{start}"),
    ] {
        assert_eq!(state(&good), LoadState::Loaded, "{good}");
    }
    let action = MemorySource::new().file(
        "/usr/u/a.service",
        "[Unit]\nSuccessAction=exit\n[Service]\nType=oneshot\n",
    );
    assert_eq!(one(&action, "a.service").load, LoadState::Loaded);
    let isolating = |units: &str| {
        let text =
            format!("[Unit]\nOnFailure={units}\nOnFailureJobMode=isolate\n[Service]\n{start}");
        let source = MemorySource::new().file("/usr/u/a.service", text);
        one(&source, "a.service").load
    };
    assert_eq!(isolating("b.service"), LoadState::Loaded);
    assert_eq!(isolating("b.service c.service"), LoadState::BadSetting);
    let socket = |text: &str| {
        let source = MemorySource::new().file("/usr/u/a.socket", format!("[Socket]\n{text}"));
        one(&source, "a.socket").load
    };
    assert_eq!(socket("Accept=no\n"), LoadState::BadSetting);
    assert_eq!(
        socket("ListenStream=1\nAccept=yes\nService=b.service\n"),
        LoadState::BadSetting
    );
    assert_eq!(socket("ListenStream=1\nAccept=yes\n"), LoadState::Loaded);
}

#[test]
fn defaults_that_depend_on_other_settings() {
    let service = |text: &str| {
        let source = MemorySource::new().file("/usr/u/a.service", format!("[Service]\n{text}"));
        one(&source, "a.service").service().unwrap().clone()
    };
    let start = "ExecStart=/bin/a\n";
    assert_eq!(service(start).service_type, ServiceType::Simple);
    let stop_only = service("ExecStop=/bin/a\nRemainAfterExit=yes\n");
    assert_eq!(stop_only.service_type, ServiceType::Oneshot);
    let bus = service(&format!("{start}BusName=a.b\n"));
    assert_eq!(bus.service_type, ServiceType::Dbus);
    let oneshot = service(&format!("Type=oneshot\n{start}"));
    assert!(oneshot.timeout_start.is_infinite());
    assert!(!oneshot.timeout_stop.is_infinite());
    for limit in ["TimeoutStartSec=5", "TimeoutSec=5"] {
        let oneshot = service(&format!("Type=oneshot\n{start}{limit}\n"));
        assert_eq!(oneshot.timeout_start.as_micros(), 5_000_000);
    }
    for (text, access) in [
        ("Type=simple", NotifyAccess::None),
        ("Type=notify", NotifyAccess::Main),
        ("Type=notify\nNotifyAccess=none", NotifyAccess::Main),
        ("Type=notify\nNotifyAccess=all", NotifyAccess::All),
        ("WatchdogSec=5", NotifyAccess::Main),
        ("FileDescriptorStoreMax=3", NotifyAccess::Main),
    ] {
        let service = service(&format!("{start}{text}\n"));
        assert_eq!(service.notify_access, access, "{text}");
    }
    let lifted = service(&format!(
        "{start}ExecStartPre=/bin/b\nPermissionsStartOnly=yes\n"
    ));
    let privileges = |kind| lifted.commands.get(kind)[0].privileges;
    assert_eq!(privileges(CommandKind::StartPre), Privileges::Full);
    assert_eq!(privileges(CommandKind::Start), Privileges::Normal);
}
