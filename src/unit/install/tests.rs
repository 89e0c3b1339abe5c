//! Each verb and state over files in memory. That they are systemd's is shown beside the real
//! systemctl in `tests/unit_files.rs`.

use super::*;
use crate::unit::load::MemorySource;
use crate::unit::name::UnitName;
use crate::unit::specifier::SystemFacts;

const A: &str = "[Install]\nWantedBy=m.target\nAlias=al.service\nAlso=b.service\n";
const B: &str = "[Install]\nRequiredBy=m.target\n";
const T: &str = "[Install]\nWantedBy=m.target\nDefaultInstance=d\n";

fn settings() -> Settings {
    Settings {
        path: ["/etc/u", "/run/u", "/usr/u"].map(str::to_owned).to_vec(),
        system: SystemFacts {
            runtime_directory: "/run".to_owned(),
            ..SystemFacts::default()
        },
        default_dependencies: true,
        ..Settings::default()
    }
}

fn source() -> MemorySource {
    MemorySource::new()
        .file("/usr/u/a.service", A)
        .file("/usr/u/b.service", B)
        .file("/usr/u/s.service", "[Unit]\n")
        .file("/usr/u/m.target", "[Unit]\n")
        .file("/usr/u/t@.service", T)
        .file(
            "/usr/u/u@.service",
            "[Install]\nWantedBy=m.target\nUpheldBy=%i-up@%j.target\n",
        )
}

/// The edits of a request: `+path > target`, `-path`.
#[track_caller]
fn edits(source: &MemorySource, request: &Request) -> Vec<String> {
    let plan = plan(request, &settings(), source);
    let plan = plan.unwrap_or_else(|troubles| panic!("{request:?}: {troubles:?}"));
    let edit = |edit: &Edit| match edit {
        Edit::Link { path, target } => format!("+{path} > {target}"),
        Edit::Remove { path, .. } => format!("-{path}"),
        Edit::RemoveTree { path } => format!("-{path}/"),
    };
    plan.edits.iter().map(edit).collect()
}

#[track_caller]
fn refused(source: &MemorySource, request: &Request) -> Vec<Trouble> {
    plan(request, &settings(), source).expect_err("it is refused")
}

fn ask(verb: Verb, names: &[&str]) -> Request {
    Request::new(verb, names)
}

fn forced(verb: Verb, names: &[&str]) -> Request {
    Request {
        force: true,
        ..ask(verb, names)
    }
}

fn at_run_time(verb: Verb, names: &[&str]) -> Request {
    Request {
        runtime: true,
        ..ask(verb, names)
    }
}

#[track_caller]
fn state(source: &MemorySource, name: &str) -> String {
    let settings = settings();
    let files = UnitFiles::new(&settings, source);
    match files.state(&UnitName::parse(name).unwrap()) {
        Ok(state) => state.to_string(),
        Err(error) => error.to_string(),
    }
}

/// `source` with what a request would do.
#[track_caller]
fn after(source: &MemorySource, request: &Request) -> MemorySource {
    let plan = plan(request, &settings(), source).unwrap();
    let mut source = source.clone();
    for edit in plan.edits {
        source = match edit {
            Edit::Link { path, target } => source.link(&path, &target),
            Edit::Remove { .. } | Edit::RemoveTree { .. } => panic!("{edit:?}"),
        };
    }
    source
}

#[test]
fn enable_makes_aliases_and_dependencies_and_follows_also() {
    let enabled = [
        "+/etc/u/al.service > /usr/u/a.service",
        "+/etc/u/m.target.wants/a.service > /usr/u/a.service",
        "+/etc/u/m.target.requires/b.service > /usr/u/b.service",
    ];
    let request = ask(Verb::Enable, &["a.service"]);
    assert_eq!(edits(&source(), &request), enabled);
    let runtime = at_run_time(Verb::Enable, &["a.service"]);
    let in_run = enabled.map(|edit| edit.replace("/etc/", "/run/"));
    assert_eq!(edits(&source(), &runtime), in_run);
    // What is there already is not made again.
    let done = after(&source(), &request);
    assert_eq!(edits(&done, &request), [] as [&str; 0]);
    let removed = edits(&done, &ask(Verb::Disable, &["a.service"]));
    assert_eq!(removed.len(), 3, "{removed:?}");
    // The same again in one request: what goes comes back.
    let again = edits(&done, &ask(Verb::Reenable, &["a.service"]));
    assert_eq!(again.len(), 6, "{again:?}");
}

#[test]
fn circles_of_also_end() {
    let source = MemorySource::new()
        .file(
            "/usr/u/x.service",
            "[Install]\nWantedBy=m.target\nAlso=y.service\n",
        )
        .file(
            "/usr/u/y.service",
            "[Install]\nWantedBy=m.target\nAlso=x.service gone.service\n",
        )
        .file("/usr/u/m.target", "[Unit]\n");
    let request = ask(Verb::Enable, &["x.service"]);
    assert_eq!(edits(&source, &request).len(), 2);
    let plan = plan(&request, &settings(), &source).unwrap();
    let missing = plan.changes.last().unwrap();
    assert_eq!(missing.kind, ChangeKind::AuxiliaryFailed);
    assert_eq!(missing.path, "gone.service");
}

#[test]
fn templates_need_an_instance_from_somewhere() {
    assert_eq!(
        edits(&source(), &ask(Verb::Enable, &["t@.service"])),
        ["+/etc/u/m.target.wants/t@d.service > /usr/u/t@.service"]
    );
    assert_eq!(
        edits(&source(), &ask(Verb::Enable, &["t@x.service"])),
        ["+/etc/u/m.target.wants/t@x.service > /usr/u/t@.service"]
    );
    let troubles = refused(&source(), &ask(Verb::Enable, &["u@.service"]));
    assert_eq!(
        troubles[0],
        Trouble::NonTemplate("m.target".into(), "u@.service".into())
    );
    assert_eq!(
        edits(&source(), &ask(Verb::Enable, &["u@q.service"])),
        [
            "+/etc/u/m.target.wants/u@q.service > /usr/u/u@.service",
            "+/etc/u/q-up@u.target.upholds/u@q.service > /usr/u/u@.service",
        ]
    );
    let done = after(&source(), &ask(Verb::Enable, &["u@q.service"]));
    assert_eq!(state(&done, "u@q.service"), "enabled");
    assert_eq!(state(&done, "u@r.service"), "disabled");
    assert_eq!(state(&done, "u@.service"), "indirect");
    assert_eq!(
        edits(&done, &ask(Verb::Reenable, &["u@q.service"])).len(),
        4
    );
}

#[test]
fn what_is_in_the_way_stays_unless_it_is_a_link_and_force_is_used() {
    let file = source().file("/etc/u/al.service", "[Unit]\n");
    let exists = Trouble::FileExists("/etc/u/al.service".into());
    let exists = [exists];
    assert_eq!(refused(&file, &ask(Verb::Enable, &["a.service"])), exists);
    assert_eq!(
        refused(&file, &forced(Verb::Enable, &["a.service"])),
        exists
    );
    let link = source().link("/etc/u/al.service", "/usr/u/s.service");
    let exists = Trouble::LinkExists("/etc/u/al.service".into(), "/usr/u/s.service".into());
    assert_eq!(exists.error_name(), "org.freedesktop.systemd1.UnitExists");
    assert_eq!(refused(&link, &ask(Verb::Enable, &["a.service"])), [exists]);
    let replaced = edits(&link, &forced(Verb::Enable, &["a.service"]));
    assert_eq!(replaced[0], "+/etc/u/al.service > /usr/u/a.service");
    let masked = source().file("/etc/u/s.service", "[Unit]\n#");
    let troubles = refused(&masked, &forced(Verb::Mask, &["s.service"]));
    assert_eq!(troubles, [Trouble::FileExists("/etc/u/s.service".into())]);
}

#[test]
fn masked_units_are_not_enabled() {
    let masked = after(&source(), &ask(Verb::Mask, &["b.service"]));
    let troubles = refused(&masked, &ask(Verb::Enable, &["b.service"]));
    assert_eq!(troubles, [Trouble::Masked("/etc/u/b.service".into())]);
    assert_eq!(state(&masked, "b.service"), "masked");
    // By Also= it is passed over.
    let plan = plan(&ask(Verb::Enable, &["a.service"]), &settings(), &masked).unwrap();
    assert!(plan.changes.iter().any(|c| c.kind == ChangeKind::Masked));
    assert_eq!(
        edits(&masked, &ask(Verb::Unmask, &["b.service", "s.service"])),
        ["-/etc/u/b.service"]
    );
    let masked = after(&source(), &at_run_time(Verb::Mask, &["b.service"]));
    assert_eq!(state(&masked, "b.service"), "masked-runtime");
    assert_eq!(
        edits(&masked, &ask(Verb::Unmask, &["b.service"])),
        [] as [&str; 0]
    );
    let empty = source().file("/etc/u/b.service", "");
    assert_eq!(state(&empty, "b.service"), "masked");
}

#[test]
fn files_from_elsewhere_are_linked() {
    let source = source().file("/opt/z.service", "[Install]\nWantedBy=m.target\n");
    let linked = ["+/etc/u/z.service > /opt/z.service"];
    assert_eq!(
        edits(&source, &ask(Verb::Link, &["/opt/z.service"])),
        linked
    );
    let enabled = [
        linked[0],
        "+/etc/u/m.target.wants/z.service > /opt/z.service",
    ];
    assert_eq!(
        edits(&source, &ask(Verb::Enable, &["/opt/z.service"])),
        enabled
    );
    let there = after(&source, &ask(Verb::Link, &["/opt/z.service"]));
    assert_eq!(state(&there, "z.service"), "linked");
    let there = after(&there, &ask(Verb::Enable, &["z.service"]));
    assert_eq!(state(&there, "z.service"), "enabled");
    assert_eq!(edits(&there, &ask(Verb::Reenable, &["z.service"])).len(), 4);
    assert_eq!(edits(&there, &ask(Verb::Disable, &["z.service"])).len(), 2);
    let there = after(&source, &at_run_time(Verb::Link, &["/opt/z.service"]));
    assert_eq!(state(&there, "z.service"), "linked-runtime");
    // A file of the load path needs no link; one that is not there gets none.
    let known = ask(Verb::Link, &["/usr/u/a.service"]);
    assert_eq!(edits(&source, &known), [] as [&str; 0]);
    let troubles = refused(&source, &ask(Verb::Link, &["/opt/y.service"]));
    assert_eq!(troubles, [Trouble::NotFound("/opt/y.service".into())]);
}

#[test]
fn states_of_all_kinds() {
    let mut settings = settings();
    settings
        .path
        .extend(["/run/generator".to_owned(), "/run/transient".to_owned()]);
    let source = source()
        .file("/run/generator/g.service", B)
        .file("/run/transient/tr.service", B)
        .file("/usr/u/also.service", "[Install]\nAlso=b.service\n")
        .file("/usr/u/broken.service", "[Install\n")
        .link("/usr/u/old.service", "a.service")
        .link("/usr/u/dangling.service", "gone.service")
        .link("/run/u/m.target.wants/b.service", "/usr/u/b.service");
    let files = UnitFiles::new(&settings, &source);
    let list = files.list(&[], &[]);
    let word = |name: &str| {
        let file = list.iter().find(|file| file.name() == name).unwrap();
        (file.state.as_str(), file.preset)
    };
    assert_eq!(word("a.service"), ("disabled", Some(true)));
    assert_eq!(word("b.service"), ("enabled-runtime", Some(true)));
    assert_eq!(word("s.service"), ("static", None));
    assert_eq!(word("old.service"), ("alias", None));
    assert_eq!(word("also.service"), ("indirect", Some(true)));
    assert_eq!(word("g.service"), ("generated", None));
    assert_eq!(word("tr.service"), ("transient", None));
    assert_eq!(word("broken.service"), ("bad", Some(true)));
    assert_eq!(word("dangling.service"), ("bad", Some(true)));
    // Types in order, names within them.
    assert_eq!(list.last().unwrap().name(), "m.target");
    let some = files.list(&["static".to_owned()], &["s*".to_owned()]);
    assert_eq!(some.len(), 1);
    let generated = ask(Verb::Enable, &["g.service"]);
    let troubles = plan(&generated, &settings, &source).unwrap_err();
    assert_eq!(
        troubles,
        [Trouble::Generated("/run/generator/g.service".into())]
    );
}

#[test]
fn presets_of_the_highest_directory_count() {
    let source = source()
        .file(
            "/etc/u-preset/10.preset",
            "disable b.service\nenable t@.service x y\n",
        )
        .file("/usr/u-preset/10.preset", "disable *\n")
        .file("/usr/u-preset/90.preset", "disable *\n");
    let all = ask(Verb::PresetAll(PresetMode::Full), &[]);
    assert_eq!(
        edits(&source, &all),
        [
            "+/etc/u/m.target.wants/t@x.service > /usr/u/t@.service",
            "+/etc/u/m.target.wants/t@y.service > /usr/u/t@.service",
        ]
    );
    let enabled = source
        .clone()
        .link("/etc/u/m.target.requires/b.service", "/usr/u/b.service");
    let one = ask(Verb::Preset(PresetMode::EnableOnly), &["b.service"]);
    assert_eq!(edits(&enabled, &one), [] as [&str; 0]);
    let one = ask(Verb::Preset(PresetMode::Full), &["b.service"]);
    assert_eq!(
        edits(&enabled, &one),
        ["-/etc/u/m.target.requires/b.service"]
    );
}

#[test]
fn revert_takes_only_what_the_administrator_made() {
    let source = source()
        .file("/etc/u/s.service", "[Unit]\n#mine\n")
        .file("/etc/u/s.service.d/a.conf", "[Unit]\n")
        .file("/run/u/s.service.d/b.conf", "[Unit]\n")
        .file("/usr/u/s.service.d/c.conf", "[Unit]\n")
        .file("/etc/u/own.service", "[Unit]\n");
    assert_eq!(
        edits(&source, &ask(Verb::Revert, &["s.service", "own.service"])),
        [
            "-/etc/u/s.service.d/",
            "-/run/u/s.service.d/",
            "-/etc/u/s.service"
        ]
    );
}

#[test]
fn dependencies_and_the_default_target() {
    let wants = Verb::AddWants("m.target".to_owned());
    assert_eq!(
        edits(&source(), &ask(wants, &["s.service", "a.service"])),
        [
            "+/etc/u/m.target.wants/s.service > /usr/u/s.service",
            "+/etc/u/m.target.wants/a.service > /usr/u/a.service",
        ]
    );
    // Built-in targets have no file.
    let requires = Verb::AddRequires("multi-user.target".to_owned());
    assert_eq!(
        edits(&source(), &ask(requires, &["s.service"])),
        ["+/etc/u/multi-user.target.requires/s.service > /usr/u/s.service"]
    );
    let default = |source: &MemorySource| UnitFiles::new(&settings(), source).default_target();
    assert_eq!(default(&source()).as_deref(), Ok("multi-user.target"));
    let chosen = after(&source(), &ask(Verb::SetDefault, &["m.target"]));
    assert_eq!(default(&chosen).as_deref(), Ok("m.target"));
    let chosen = after(&source(), &ask(Verb::SetDefault, &["rescue.target"]));
    assert_eq!(default(&chosen).as_deref(), Ok("rescue.target"));
    for name in ["a.service", "default.target", "gone.target"] {
        refused(&source(), &ask(Verb::SetDefault, &[name]));
    }
}

#[test]
fn directories_are_told_apart_by_where_they_are() {
    let mut settings = settings();
    settings.path = ["/home/x/.config/u/", "/run/user/7/u", "/usr/u"]
        .map(str::to_owned)
        .to_vec();
    let directories = Directories::of(&settings);
    assert_eq!(directories.persistent.as_deref(), Some("/home/x/.config/u"));
    assert_eq!(directories.runtime.as_deref(), Some("/run/user/7/u"));
    assert_eq!(directories.role("/usr/u"), Role::Vendor);
    settings.path = vec!["/etc/u".to_owned()];
    let request = at_run_time(Verb::Enable, &["a.service"]);
    let troubles = plan(&request, &settings, &source()).unwrap_err();
    assert!(
        troubles[0].to_string().contains("no run-time directory"),
        "{troubles:?}"
    );
}

#[test]
fn nothing_is_planned_for_names_that_are_none() {
    for verb in [
        Verb::Enable,
        Verb::Disable,
        Verb::Mask,
        Verb::Unmask,
        Verb::Revert,
    ] {
        for name in ["../etc/passwd", "a", "", "a b.service"] {
            refused(&source(), &ask(verb.clone(), &[name]));
        }
    }
    refused(&source(), &ask(Verb::Enable, &["gone.service"]));
    refused(&source(), &ask(Verb::Disable, &["gone.service"]));
    // Links of a unit that is gone are cleaned up all the same.
    let left = source().link("/etc/u/m.target.wants/gone.service", "/usr/u/gone.service");
    assert_eq!(
        edits(&left, &ask(Verb::Disable, &["gone.service"])),
        ["-/etc/u/m.target.wants/gone.service"]
    );
}

#[test]
fn links_in_circles_are_an_error_not_a_hang() {
    let source = MemorySource::new()
        .link("/usr/u/x.service", "y.service")
        .link("/usr/u/y.service", "x.service");
    refused(&source, &ask(Verb::Enable, &["x.service"]));
    assert_eq!(
        state(&source, "x.service"),
        "Too many levels of symbolic links"
    );
}
