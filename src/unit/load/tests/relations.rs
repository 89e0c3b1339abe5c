//! Which units a unit is tied to: links, implicit and default dependencies, built-in units.

use super::*;

const START: &str = "[Service]\nExecStart=/bin/a\n";

fn origin(unit: &UnitConfig, kind: DependencyKind, target: &str) -> Option<DependencyOrigin> {
    let mut edges = unit.dependencies.iter();
    edges
        .find(|d| d.kind == kind && d.target.as_str() == target)
        .map(|d| d.origin)
}

#[test]
fn l8_links_are_dependencies_by_their_own_names() {
    let source = MemorySource::new()
        .file("/usr/u/a@.service", START)
        .link("/etc/u/a@x.service.wants/w.service", "/usr/u/other.service")
        .link("/usr/u/a@.service.wants/t.service", "../t.service")
        .link("/usr/u/a@.service.wants/i@.service", "../i@.service")
        .link("/usr/u/a@x.service.requires/r.socket", "../r.socket")
        .link("/usr/u/a@x.service.upholds/u.service", "../u.service")
        .link("/usr/u/a@x.service.wants/no.service", "../no.service")
        .link("/etc/u/a@x.service.wants/no.service", "/dev/null")
        .file("/usr/u/a@x.service.wants/plain.service", START)
        .link("/usr/u/a@x.service.wants/nonsense", "../w.service");
    let unit = one(&source, "a@x.service");
    assert_eq!(
        targets(&unit, DependencyKind::Wants),
        ["i@x.service", "t.service", "w.service"]
    );
    assert_eq!(targets(&unit, DependencyKind::Requires), ["r.socket"]);
    assert_eq!(targets(&unit, DependencyKind::Upholds), ["u.service"]);
    assert_eq!(
        origin(&unit, DependencyKind::Wants, "w.service"),
        Some(DependencyOrigin::Link)
    );
    assert_eq!(unit.diagnostics.len(), 2);
}

#[test]
fn what_a_file_says_counts_before_what_a_link_says() {
    let source = MemorySource::new()
        .file(
            "/usr/u/a.service",
            "[Unit]\nWants=b.service\n[Service]\nExecStart=/bin/a\n",
        )
        .link("/usr/u/a.service.wants/b.service", "../b.service");
    let unit = one(&source, "a.service");
    assert_eq!(unit.dependencies.len(), 1);
    assert_eq!(unit.dependencies[0].origin, DependencyOrigin::File);
}

#[test]
fn services_depend_on_the_basic_system_unless_they_say_no() {
    let source = MemorySource::new().file("/usr/u/a.service", START).file(
        "/usr/u/b.service",
        "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/a\n",
    );
    let units = load(&source, &["a.service", "b.service"], &settings());
    let unit = &units["a.service"];
    let default = |kind| -> Vec<&str> {
        let edges = unit.dependencies.iter();
        edges
            .filter(|d| d.kind == kind && d.origin == DependencyOrigin::Default)
            .map(|d| d.target.as_str())
            .collect()
    };
    assert_eq!(default(DependencyKind::Requires), ["sysinit.target"]);
    assert_eq!(
        default(DependencyKind::After),
        ["basic.target", "sysinit.target"]
    );
    assert_eq!(
        targets(unit, DependencyKind::Conflicts),
        ["shutdown.target"]
    );
    assert_eq!(targets(unit, DependencyKind::Before), ["shutdown.target"]);
    // Those without default dependencies still need their slice and follow the log.
    let rest = &units["b.service"];
    let implicit = |d: &Dependency| d.origin == DependencyOrigin::Implicit;
    assert!(rest.dependencies.iter().all(implicit));
    assert_eq!(targets(rest, DependencyKind::Requires), ["system.slice"]);
    assert_eq!(
        targets(rest, DependencyKind::After),
        ["system.slice", "systemd-journald.socket"]
    );
    assert_eq!(units["sysinit.target"].body, UnitBody::Fact);
    assert_eq!(units["shutdown.target"].body, UnitBody::Target);
    assert_eq!(units["basic.target"].body, UnitBody::Target);
    assert!(units.values().all(|unit| unit.load == LoadState::Loaded));
}

#[test]
fn sockets_paths_and_timers_come_before_what_they_activate() {
    let source = MemorySource::new()
        .file("/usr/u/a.socket", "[Socket]\nListenStream=1\n")
        .file(
            "/usr/u/b.socket",
            "[Socket]\nListenStream=1\nService=x.service\n",
        )
        .file("/usr/u/c.socket", "[Socket]\nListenStream=1\nAccept=yes\n")
        .file("/usr/u/d.path", "[Path]\nPathExists=/x\n")
        .file(
            "/usr/u/e.timer",
            "[Timer]\nOnCalendar=daily\nUnit=y.service\n",
        )
        .file(
            "/usr/u/s.service",
            format!("{START}Sockets=a.socket bad.service\n"),
        );
    let names = [
        "a.socket",
        "b.socket",
        "c.socket",
        "d.path",
        "e.timer",
        "s.service",
    ];
    let units = load(&source, &names, &settings());
    let triggers = |text: &str| targets(&units[text], DependencyKind::Triggers);
    assert_eq!(triggers("a.socket"), ["a.service"]);
    assert_eq!(triggers("b.socket"), ["x.service"]);
    assert!(triggers("c.socket").is_empty());
    assert_eq!(triggers("d.path"), ["d.service"]);
    assert_eq!(triggers("e.timer"), ["y.service"]);
    assert_eq!(
        targets(&units["a.socket"], DependencyKind::Before),
        ["a.service", "shutdown.target", "sockets.target"]
    );
    let timer = &units["e.timer"];
    assert_eq!(
        targets(timer, DependencyKind::After),
        ["sysinit.target", "time-set.target", "time-sync.target"]
    );
    assert_eq!(
        targets(&units["s.service"], DependencyKind::Wants),
        ["a.socket"]
    );
    assert!(units["d.path"].path().is_some());
    assert_eq!(units["d.service"].load, LoadState::NotFound);
}

#[test]
fn mounts_devices_and_slices_hold_if_the_kernel_has_them() {
    let source = MemorySource::new()
        .file(
            "/usr/u/a.service",
            "[Unit]\nRequires=sys-kernel-debug.mount gone.mount\nAfter=dev-sda.device my.slice\n\
             RequiresMountsFor=/data/db/x\n[Service]\nExecStart=/bin/a\n",
        )
        .hold("sys-kernel-debug.mount")
        .hold("data-db.mount");
    let units = bare(&source, &["a.service"]);
    let state = |text: &str| (units[text].load, units[text].body.clone());
    assert_eq!(
        state("sys-kernel-debug.mount"),
        (LoadState::Loaded, UnitBody::Fact)
    );
    assert_eq!(state("my.slice"), (LoadState::Loaded, UnitBody::Fact));
    assert_eq!(units["gone.mount"].load, LoadState::NotFound);
    assert_eq!(units["dev-sda.device"].load, LoadState::NotFound);
    let unit = &units["a.service"];
    assert_eq!(
        targets(unit, DependencyKind::Requires),
        ["gone.mount", "sys-kernel-debug.mount"]
    );
    assert_eq!(
        origin(unit, DependencyKind::After, "data-db.mount"),
        Some(DependencyOrigin::Implicit)
    );
}

#[test]
fn well_known_targets_are_there_without_files() {
    let names = [
        "default.target",
        "multi-user.target",
        "graphical.target",
        "network.target",
        "network-online.target",
        "network-pre.target",
        "nss-lookup.target",
        "nss-user-lookup.target",
        "time-sync.target",
        "time-set.target",
        "local-fs.target",
        "remote-fs.target",
        "sockets.target",
        "timers.target",
        "paths.target",
        "slices.target",
        "umount.target",
        "final.target",
        "exit.target",
        "-.slice",
        "system.slice",
        "init.scope",
    ];
    let units = load(&MemorySource::new(), &names, &settings());
    assert!(units.values().all(|unit| unit.load == LoadState::Loaded));
    let goal = &units["multi-user.target"];
    assert!(goal.aliases.contains("default.target"));
    assert_eq!(targets(goal, DependencyKind::Requires), ["basic.target"]);
    assert!(targets(goal, DependencyKind::After).contains(&"basic.target"));
    let basic = &units["basic.target"];
    assert_eq!(
        targets(basic, DependencyKind::Wants),
        [
            "paths.target",
            "slices.target",
            "sockets.target",
            "timers.target"
        ]
    );
    // The basic system does not wait for timers.
    assert_eq!(
        targets(basic, DependencyKind::After),
        [
            "paths.target",
            "slices.target",
            "sockets.target",
            "sysinit.target"
        ]
    );
    for text in [
        "shutdown.target",
        "umount.target",
        "final.target",
        "exit.target",
    ] {
        assert_eq!(units[text].body, UnitBody::Target, "{text}");
        assert!(units[text].dependencies.is_empty(), "{text}");
    }
    for text in ["network.target", "-.slice", "system.slice", "init.scope"] {
        assert_eq!(units[text].body, UnitBody::Fact, "{text}");
    }
    assert!(units["graphical.target"].fragment.is_none());
}

#[test]
fn files_take_the_place_of_built_in_units() {
    let source = MemorySource::new()
        .file("/etc/u/default.target", "[Unit]\nWants=a.service\n")
        .file("/etc/u/network.target", "[Unit]\nDescription=mine\n");
    let units = load(
        &source,
        &["default.target", "network.target", "multi-user.target"],
        &settings(),
    );
    assert_eq!(
        targets(&units["default.target"], DependencyKind::Wants),
        ["a.service"]
    );
    assert!(units["multi-user.target"].aliases.is_empty());
    assert_eq!(units["network.target"].body, UnitBody::Target);
    let linked = MemorySource::new()
        .file("/usr/u/agent.target", "[Unit]\nDescription=agents\n")
        .link("/etc/u/default.target", "/usr/u/agent.target");
    let units = load(&linked, &["default.target"], &settings());
    assert!(units["agent.target"].aliases.contains("default.target"));
}

#[test]
fn enabled_units_hang_on_built_in_targets_and_come_before_them() {
    let source = MemorySource::new()
        .file("/usr/u/a.service", START)
        .file(
            "/usr/u/late.service",
            "[Unit]\nAfter=multi-user.target\n[Service]\nExecStart=/bin/a\n",
        )
        .file(
            "/usr/u/bare.service",
            "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/a\n",
        )
        .link(
            "/etc/u/multi-user.target.wants/a.service",
            "/usr/u/a.service",
        )
        .link(
            "/etc/u/default.target.wants/late.service",
            "/usr/u/late.service",
        )
        .link(
            "/etc/u/multi-user.target.wants/bare.service",
            "/usr/u/bare.service",
        )
        .link(
            "/etc/u/multi-user.target.wants/gone.service",
            "/usr/u/gone.service",
        )
        .link(
            "/etc/u/network-online.target.wants/wait.service",
            "/usr/u/wait.service",
        );
    let units = load(
        &source,
        &["default.target", "network-online.target"],
        &settings(),
    );
    let goal = &units["multi-user.target"];
    assert_eq!(
        targets(goal, DependencyKind::Wants),
        ["a.service", "bare.service", "gone.service", "late.service"]
    );
    let after = targets(goal, DependencyKind::After);
    assert!(after.contains(&"a.service"));
    for text in ["late.service", "bare.service", "gone.service"] {
        assert!(!after.contains(&text), "{text}");
    }
    assert_eq!(
        origin(goal, DependencyKind::After, "a.service"),
        Some(DependencyOrigin::Default)
    );
    assert_eq!(units["network-online.target"].body, UnitBody::Target);
}

#[test]
fn units_that_are_loaded_already_are_not_read_again() {
    let source = MemorySource::new()
        .file(
            "/usr/u/a.service",
            "[Unit]\nWants=b.service c.service\n[Service]\nExecStart=/bin/a\n",
        )
        .file("/usr/u/b.service", START)
        .link("/usr/u/alias.service", "b.service")
        .file("/usr/u/t.target", "[Unit]\nWants=b.service\n");
    let loaded = BTreeSet::from([name("b.service"), name("sysinit.target")]);
    let wanted = BTreeSet::from([name("a.service"), name("alias.service"), name("t.target")]);
    let units = load_closure(&wanted, &loaded, &settings(), &source);
    assert!(!units.contains_key("b.service") && !units.contains_key("sysinit.target"));
    assert!(units.contains_key("c.service") && units.contains_key("basic.target"));
    assert!(targets(&units["t.target"], DependencyKind::After).contains(&"b.service"));
}

#[test]
fn thousands_of_units_load_in_one_go() {
    let mut source = MemorySource::new();
    for at in 0..2000 {
        let text = format!("[Unit]\nAfter=u{}.service\n{START}", at + 1);
        source = source.file(&format!("/usr/u/u{at}.service"), text);
    }
    let units = load(&source, &["u0.service"], &settings());
    assert!(units.len() > 2000);
    assert_eq!(units["u2000.service"].load, LoadState::NotFound);
}
