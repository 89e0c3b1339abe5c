//! The cases.

use super::*;

const A: &str = "U/a.service: [Service]|ExecStart=/bin/true|[Install]|WantedBy=m.target|Alias=al.service|Also=b.service
    U/b.service: [Install]|RequiredBy=x.target
    U/s.service: [Service]|ExecStart=/bin/true
    U/m.target: [Unit]
    U/t@.service: [Install]|WantedBy=m.target|DefaultInstance=d|Alias=tal@.service
    U/u@.service: [Install]|WantedBy=m.target";

#[test]
fn enable_and_disable() {
    if !has_systemctl() {
        return;
    }
    play(
        A,
        &["enable a.service", "enable a.service", "disable a.service"],
    );
    play(
        A,
        &[
            "enable a.service",
            "enable --runtime a.service",
            "disable a.service",
        ],
    );
    play(
        A,
        &["enable --runtime a.service", "disable --runtime a.service"],
    );
    play(
        A,
        &["enable a.service b.service a.service", "reenable a.service"],
    );
    play(A, &["enable s.service", "disable s.service"]);
    play(A, &["enable nope.service"]);
    play(A, &["enable a.service", "enable al.service"]);
    play(A, &["enable a.service", "disable al.service"]);
    play(A, &["enable nope.service a.service"]);
    play(
        "U/o.service: [Install]|Also=p.service\nU/p.service: [Install]|WantedBy=q.target",
        &["enable o.service", "disable o.service"],
    );
    play(
        "U/o.service: [Install]|WantedBy=q.target|Also=nope.service",
        &["enable o.service", "disable o.service"],
    );
    play(
        "U/o.service: [Install]|WantedBy=q.target|Also=p.service\n
          U/p.service: [Install]|WantedBy=q.target|Also=o.service",
        &["enable o.service", "disable p.service"],
    );
    play(
        "U/o.service: [Install]|WantedBy=q.target|WantedBy=|RequiredBy=r.target z.target",
        &["enable o.service", "disable o.service"],
    );
    verdict();
}

#[test]
fn templates() {
    if !has_systemctl() {
        return;
    }
    play(
        A,
        &[
            "enable t@.service",
            "enable t@x.service",
            "disable t@x.service",
            "disable t@.service",
        ],
    );
    play(A, &["enable t@x.service", "disable t@.service"]);
    play(A, &["enable u@.service"]);
    play(
        A,
        &[
            "enable u@y.service",
            "enable u@z.service",
            "disable u@.service",
        ],
    );
    for target in [
        "a@.target",
        "a@b.target",
        "a@%i.target",
        "%p.target",
        "%n.target",
        "%N-%j.target",
        "%Z.target",
        "%i.target",
    ] {
        let files = format!(
            "U/e.service: [Install]|WantedBy={target}\nU/w@.service: [Install]|WantedBy={target}"
        );
        play(&files, &["enable w@.service"]);
        play(&files, &["enable w@q.service", "disable w@q.service"]);
        play(&files, &["enable e.service", "disable e.service"]);
    }
    play(
        "U/w@.service: [Install]|WantedBy=m.target|DefaultInstance=%p\nE/w@w.service -> /dev/null",
        &["enable w@.service"],
    );
    verdict();
}

#[test]
fn aliases() {
    if !has_systemctl() {
        return;
    }
    for alias in [
        "x.target",
        "bad/foo.service",
        "m.target.wants/other.service",
        "m.target.wants/e.service",
        "n@.service",
        "e.service",
        "e@a.service",
        "%p-more.service",
        "%Z.service",
        "x y.service",
        "f.service g.service",
    ] {
        let files = format!("U/e.service: [Install]|Alias={alias}");
        play(&files, &["enable e.service", "disable e.service"]);
        let files = format!("U/e@.service: [Install]|Alias={alias}");
        play(&files, &["enable e@.service", "disable e@.service"]);
        play(&files, &["enable e@i.service", "disable e@i.service"]);
    }
    play(
        "U/a.service: [Install]|WantedBy=m.target\nU/va.service -> a.service\nU/vb.service -> va.service",
        &[
            "enable va.service",
            "disable vb.service",
            "enable vb.service",
            "disable a.service",
        ],
    );
    play(
        "U/t@.service: [Install]|WantedBy=m.target\nU/v@.service -> t@.service",
        &["enable v@x.service", "disable v@x.service"],
    );
    play(
        "U/a.service: [Install]|Alias=b.service\nE/b.service -> /usr/lib/systemd/system/c.service\nU/c.service: [Unit]",
        &["enable a.service"],
    );
    play(
        "U/a.service: [Install]|Alias=b.service\nE/b.service -> /usr/lib/systemd/system/c.service\nU/c.service: [Unit]",
        &["enable --force a.service", "disable a.service"],
    );
    play(
        "U/a.service: [Install]|Alias=b.service\nE/b.service -> /usr/lib/systemd/system/gone.service",
        &["enable a.service", "disable a.service"],
    );
    play(
        "U/a.service: [Install]|Alias=b.service\nE/b.service: [Unit]",
        &["enable a.service"],
    );
    play(
        "U/a.service: [Install]|Alias=b.service\nE/b.service: [Unit]",
        &["enable --force a.service"],
    );
    play("U/a.slice: [Install]|Alias=b.slice", &["enable a.slice"]);
    play("E/dang.service -> gone.service", &["disable dang.service"]);
    play("E/dang.service -> gone.service", &["enable dang.service"]);
    play(
        "E/m.target.wants/gone.service -> /usr/lib/systemd/system/gone.service",
        &["disable gone.service"],
    );
    verdict();
}

#[test]
fn masks() {
    if !has_systemctl() {
        return;
    }
    play(
        A,
        &[
            "mask a.service",
            "mask a.service",
            "disable a.service",
            "unmask a.service",
            "unmask a.service",
        ],
    );
    play(A, &["mask a.service", "enable a.service"]);
    play(
        A,
        &[
            "mask --runtime b.service",
            "enable a.service",
            "disable a.service",
            "unmask b.service",
            "unmask --runtime b.service",
        ],
    );
    play(A, &["mask nope.service", "unmask nope.service"]);
    play("E/f.service: [Unit]", &["mask f.service"]);
    play("E/f.service: [Unit]", &["mask --force f.service"]);
    play("E/f.service:", &["enable f.service"]);
    play("E/f.service:", &["unmask f.service"]);
    play("U/f.service:", &["unmask f.service", "preset-all"]);
    play(
        "U/a.service: [Unit]\nE/a.service -> /opt/x.service\nopt/x.service: [Unit]",
        &["mask a.service"],
    );
    play(
        "U/a.service: [Unit]\nE/a.service -> /opt/x.service\nopt/x.service: [Unit]",
        &["mask --force a.service", "unmask a.service"],
    );
    verdict();
}

#[test]
fn links_from_elsewhere() {
    if !has_systemctl() {
        return;
    }
    let z = "opt/z.service: [Install]|WantedBy=m.target|Alias=zz.service\nU/m.target: [Unit]";
    play(
        z,
        &[
            "link /opt/z.service",
            "link /opt/z.service",
            "enable z.service",
            "reenable z.service",
            "disable z.service",
        ],
    );
    play(z, &["enable /opt/z.service", "disable z.service"]);
    play(z, &["link --runtime /opt/z.service", "enable z.service"]);
    play(z, &["link /opt/nope.service"]);
    play(
        &format!("{z}\nE/z.service: [Unit]"),
        &["link /opt/z.service"],
    );
    play(
        &format!("{z}\nE/z.service -> /opt/y.service"),
        &["link /opt/z.service"],
    );
    play(
        &format!("{z}\nE/z.service -> /opt/y.service"),
        &["link --force /opt/z.service"],
    );
    play(
        "opt/t@.service: [Install]|WantedBy=m.target",
        &[
            "link /opt/t@.service",
            "enable t@i.service",
            "disable t@.service",
        ],
    );
    verdict();
}

#[test]
fn presets() {
    if !has_systemctl() {
        return;
    }
    let p = format!(
        "{A}\nE/../system-preset/10-x.preset: disable a.service|enable t@.service x y|enable b*|disable *"
    );
    play(
        &p,
        &[
            "preset a.service",
            "preset t@.service",
            "preset b.service",
            "preset-all",
        ],
    );
    play(&p, &["enable a.service", "preset a.service"]);
    play(
        &p,
        &[
            "enable a.service",
            "preset --preset-mode=enable-only a.service",
            "preset-all --preset-mode=disable-only",
        ],
    );
    play(A, &["preset s.service", "preset a.service"]);
    play(A, &["preset u@.service", "preset-all"]);
    play(A, &["preset nope.service"]);
    play(
        "U/../system-preset/9.preset: disable b.service\nE/../system-preset/9.preset: enable *\nU/b.service: [Install]|WantedBy=x.target",
        &["preset-all"],
    );
    verdict();
}

#[test]
fn revert_and_more() {
    if !has_systemctl() {
        return;
    }
    play(
        "U/s.service: [Unit]\nE/s.service: [Unit]|#mine\nE/s.service.d/o.conf: [Unit]\nR/s.service.d/p.conf: [Unit]",
        &["revert s.service"],
    );
    play(
        "E/s.service: [Unit]|#mine\nE/s.service.d/o.conf: [Unit]",
        &["revert s.service"],
    );
    play(
        "U/s.service: [Install]|WantedBy=m.target\nE/s.service -> /dev/null",
        &["revert s.service"],
    );
    play(
        "U/s.service: [Unit]\nU/s.service.d/v.conf: [Unit]",
        &["revert s.service"],
    );
    play(A, &["add-wants m.target s.service", "disable s.service"]);
    play(A, &["add-requires m.target s.service a.service"]);
    play(A, &["add-wants m.target nope.service"]);
    play(A, &["add-wants nope.target s.service"]);
    play(A, &["add-wants m.target u@.service"]);
    play(A, &["set-default m.target", "set-default m.target"]);
    play(A, &["set-default nope.target"]);
    play(
        "G/g.service: [Install]|WantedBy=m.target\nT/tr.service: [Install]|WantedBy=m.target",
        &["disable g.service"],
    );
    play(
        "G/g.service: [Install]|WantedBy=m.target",
        &["enable g.service"],
    );
    play(
        "U/s.service: [Unit]\nE/s.service.d/x.conf: [Install]|WantedBy=d.target\nE/service.d/y.conf: [Install]|WantedBy=no.target",
        &["enable s.service", "disable s.service"],
    );
    play(
        "U/t@.service: [Install]|WantedBy=a.target\nE/t@.service.d/x.conf: [Install]|WantedBy=b.target\nE/t@i.service.d/x.conf: [Install]|WantedBy=c.target",
        &["enable t@i.service", "enable t@j.service"],
    );
    verdict();
}

#[test]
fn states() {
    if !has_systemctl() {
        return;
    }
    for files in [
        "U/a.service: [Install]|WantedBy=m.target\nE/m.target.wants/other.service -> /usr/lib/systemd/system/a.service",
        "U/a.service: [Install]|WantedBy=m.target\nE/m.target.wants/a.service -> /somewhere/else.service",
        "U/a.service: [Install]|WantedBy=m.target\nE/other.service -> /usr/lib/systemd/system/a.service",
        "U/a.service: [Install]|WantedBy=m.target\nU/m.target.wants/a.service -> ../a.service",
        "U/t@.service: [Install]|WantedBy=m.target\nU/m.target.wants/t@k.service -> ../t@.service\nU/t@l.service -> t@.service",
        "U/t@.service: [Install]|WantedBy=m.target\nE/t@y.service -> /usr/lib/systemd/system/t@.service",
        "U/dang.service -> gone.service\nE/far.service -> /opt/nowhere.service",
        "U/a.service: [Install]|WantedBy=m.target\nE/a.service: [Unit]\nR/a.service -> /dev/null",
        "R/r.service: [Install]|WantedBy=m.target\nR/m.target.wants/r.service -> ../r.service\nU/q.socket: [Install]|WantedBy=m.target",
        "G/g.service: [Install]|WantedBy=m.target\nT/tr.service: [Unit]\nG/m.target.wants/g.service -> ../g.service",
        "U/a.service: not a unit file\nU/b.service: [Install\nU/c.mount: [Install]|Alias=d.mount|WantedBy=x.target",
        "R/l.service -> /opt/l.service\nopt/l.service: [Unit]\nE/k.service -> /opt/l.service",
    ] {
        let (theirs, own) = (Root::new(files), Root::new(files).with_targets_inside());
        let same = std::panic::catch_unwind(|| same_states(&own, &theirs, files));
        if same.is_err() {
            FAILED.with(|failed| failed.borrow_mut().push(files.to_owned()));
        }
    }
    verdict();
}

#[test]
fn is_enabled_of_names_that_no_file_has() {
    if !has_systemctl() {
        return;
    }
    let files = format!(
        "{A}\nU/alt@.service -> t@.service\nE/m.target.wants/u@y.service -> /usr/lib/systemd/system/u@.service"
    );
    let (theirs, own) = (Root::new(&files), Root::new(&files).with_targets_inside());
    let settings = own.settings();
    let disk = DiskSource;
    let ours = UnitFiles::new(&settings, &disk);
    for name in [
        "t@q.service",
        "u@y.service",
        "u@z.service",
        "alt@x.service",
        "nope.service",
    ] {
        let (lines, _) = theirs.systemctl(&["is-enabled", name]);
        let own = match ours.state(&UnitName::parse(name).expect("a name")) {
            Ok(state) => state.to_string(),
            Err(error) => format!("Failed to get unit file state for {name}: {error}"),
        };
        assert_eq!(vec![own], lines, "{name}");
    }
    let links = links_of("u@y.service", false, &settings, &DiskSource).expect("there are");
    assert_eq!(links.len(), 1);
}
