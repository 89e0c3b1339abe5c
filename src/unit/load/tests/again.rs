//! Units that are loaded again: as if for the first time, and without reading what is as it was.

use super::*;
use proptest::prelude::*;
use proptest::sample::select;
use std::cell::RefCell;

/// Counts who is read.
struct Watched<'a>(&'a MemorySource, RefCell<Vec<String>>);

impl Source for Watched<'_> {
    fn list(&self, directory: &str) -> io::Result<Vec<Entry>> {
        self.1.borrow_mut().push(directory.to_owned());
        self.0.list(directory)
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.0.read(path)
    }

    fn read_stamped(&self, path: &str) -> io::Result<(Vec<u8>, Option<Stamp>)> {
        self.1.borrow_mut().push(path.to_owned());
        self.0.read_stamped(path)
    }

    fn stamp(&self, path: &str) -> Option<Stamp> {
        self.0.stamp(path)
    }

    fn holds(&self, name: &UnitName) -> bool {
        self.0.holds(name)
    }
}

/// Loads again; the units, and what was read but for the load path itself.
fn again(
    source: &MemorySource,
    names: &[&str],
    readings: &mut Readings,
) -> (BTreeMap<UnitName, Arc<UnitConfig>>, Vec<String>) {
    let names = names.iter().map(|text| name(text)).collect();
    let watched = Watched(source, RefCell::default());
    let units = load_again(&names, &BTreeSet::new(), &settings(), &watched, readings).units;
    let mut read = watched.1.into_inner();
    read.retain(|path| !PATH.contains(&path.as_str()));
    (units, read)
}

#[test]
fn what_is_as_it_was_is_not_read() {
    let source = MemorySource::new()
        .file("/etc/u/a.service", described("a"))
        .file("/etc/u/a.service.d/x.conf", "[Service]\nNice=1\n")
        .file("/usr/u/service.d/all.conf", "[Service]\nNice=2\n")
        .file("/etc/u/b.service", described("b"))
        .link("/etc/u/a.service.wants/b.service", "/x")
        .file("/etc/u/c.target", "[Unit]\nDefaultDependencies=no\n");
    let names = ["a.service", "b.service", "c.target"];
    let mut readings = Readings::default();
    let (first, read) = again(&source, &names, &mut readings);
    assert_eq!(read.len(), 9, "{read:?}");
    let (second, read) = again(&source, &names, &mut readings);
    assert_eq!(read, [] as [&str; 0]);
    assert!(
        names
            .iter()
            .all(|it| Arc::ptr_eq(&first[&name(it)], &second[&name(it)]))
    );
    // One file is another one: only its unit is read.
    let source = source.file("/etc/u/a.service.d/x.conf", "[Service]\nNice=3\n");
    let (third, read) = again(&source, &names, &mut readings);
    assert_eq!(
        read,
        [
            "/etc/u/a.service",
            "/usr/u/service.d/all.conf",
            "/etc/u/a.service.d/x.conf"
        ]
    );
    assert!(!Arc::ptr_eq(
        &second[&name("a.service")],
        &third[&name("a.service")]
    ));
    assert!(Arc::ptr_eq(
        &second[&name("b.service")],
        &third[&name("b.service")]
    ));
    // What nobody has any more is read again.
    drop((first, second, third));
    assert_eq!(again(&source, &names, &mut readings).1.len(), 6);
}

#[test]
fn what_has_no_stamp_is_read_again() {
    let source = MemorySource::new()
        .file("/etc/u/a.service", described("a"))
        .unreadable("/etc/u/a.service.d/x.conf")
        .file("/etc/u/b.service", described("b"))
        .unreadable_directory("/etc/u/b.service.d")
        .file("/etc/u/b.service.d/x.conf", "");
    let names = ["a.service", "b.service"];
    let mut readings = Readings::default();
    let (first, _) = again(&source, &names, &mut readings);
    let (second, read) = again(&source, &names, &mut readings);
    assert_eq!(first, second);
    assert_eq!(
        read,
        [
            "/etc/u/a.service",
            "/etc/u/a.service.d",
            "/etc/u/a.service.d/x.conf",
            "/etc/u/b.service",
            "/etc/u/b.service.d"
        ]
    );
}

#[test]
fn an_instance_is_taken_from_another_one() {
    let text = "[Unit]\nAfter=b.service\n[Service]\nExecStart=/bin/a %p\n";
    let source = MemorySource::new()
        .file("/etc/u/a@.service", text)
        .file("/etc/u/a@.service.d/x.conf", "[Service]\nNice=1\n")
        .file("/etc/u/own@.service", described("%i"))
        .file("/etc/u/b.service", described("b"));
    let mut readings = Readings::default();
    let mut load = |source: &MemorySource, text: &str| {
        let (units, mut read) = again(source, &[text], &mut readings);
        read.retain(|path| path.contains('@'));
        let fresh = super::load(source, &[text], &settings());
        assert_eq!(units, fresh);
        // Only what is kept for others is kept.
        read.len()
    };
    assert_eq!(load(&source, "a@1.service"), 3);
    assert_eq!(load(&source, "a@2.service"), 0);
    assert_eq!(load(&source, "a@3.service"), 0);
    // What says something of its own instance is read for each.
    assert_eq!(load(&source, "own@1.service"), 1);
    assert_eq!(load(&source, "own@2.service"), 1);
    // One that has a drop-in of its own is read, and is no example for others.
    let source = source.file("/run/u/a@4.service.d/y.conf", "[Service]\nNice=2\n");
    assert_eq!(load(&source, "a@4.service"), 4);
    assert_eq!(load(&source, "a@5.service"), 2);
    assert_eq!(load(&source, "a@6.service"), 0);
    // Another drop-in, another file: that counts at once.
    let source = source.file("/etc/u/a@.service.d/x.conf", "[Service]\nNice=3\n");
    assert_eq!(load(&source, "a@7.service"), 2);
    let source = source.file("/etc/u/a@.service", "[Service]\nExecStart=/bin/b\n");
    assert_eq!(load(&source, "a@8.service"), 2);
    assert_eq!(load(&source, "a@9.service"), 0);
}

#[test]
fn whatever_a_directive_makes_of_an_instance_is_its_own() {
    use crate::unit::directive::table;
    const VALUES: [&str; 4] = ["%i", "/run/%N", "x@.service", "A=%d"];
    for row in table() {
        for value in VALUES {
            let text = format!(
                "[{}]\n{}={value}\n[Service]\nExecStart=/bin/a\n",
                row.sections[0], row.name
            );
            let source = MemorySource::new().file("/etc/u/a@.service", text);
            let mut readings = Readings::default();
            let names = ["a@1.service", "a@2.service"];
            let first = again(&source, &names[..1], &mut readings);
            let second = again(&source, &names[1..], &mut readings);
            let fresh = super::load(&source, &names, &settings());
            for (units, name) in [(first.0, name(names[0])), (second.0, name(names[1]))] {
                assert_eq!(units[&name], fresh[&name], "{}={value}", row.name);
            }
        }
    }
}

/// What may be at a path at some time.
#[derive(Debug, Clone)]
enum Thing {
    File(String),
    Link(&'static str),
    Unreadable,
}

/// Files, links and directories of which each time some are there.
fn things() -> impl Strategy<Value = Vec<(&'static str, Thing)>> {
    const PATHS: [&str; 22] = [
        "/etc/u/a.service",
        "/usr/u/a.service",
        "/usr/u/a@.service",
        "/etc/u/a@1.service",
        "/etc/u/a.service.d/10.conf",
        "/run/u/a.service.d/10.conf",
        "/run/u/a.service.d/20.conf",
        "/usr/u/a@.service.d/10.conf",
        "/etc/u/a@2.service.d/10.conf",
        "/etc/u/a@.service.wants/b@.service",
        "/etc/u/b@.service",
        "/usr/u/c@.timer",
        "/etc/u/service.d/10.conf",
        "/etc/u/b.service",
        "/etc/u/b.service.d/10.conf",
        "/etc/u/c.target",
        "/usr/u/c.target",
        "/etc/u/c.target.wants/a.service",
        "/usr/u/c.target.requires/a@1.service",
        "/etc/u/s.socket",
        "/etc/u/run.mount",
        "/etc/u/a-b.service",
    ];
    const TEXTS: [&str; 13] = [
        "",
        "[Service]\nExecStart=/bin/a\n",
        "[Service]\nExecStart=/bin/b\nNice=5\nNoSuch=1\n",
        "[Unit]\nDescription=one\nRequiresMountsFor=/run/x\n[Service]\nExecStart=/bin/a\n",
        "[Unit]\nAfter=c.target b.service\n",
        "[Unit]\nWants=a.service a@1.service b.service\nDefaultDependencies=no\n",
        "[Unit]\nWants=a.service b.service s.socket\n",
        "[Unit]\nAfter=b@.service a@2.service\n[Service]\nExecStart=/bin/a\n",
        "[Unit]\nDescription=\n[Service]\nExecStart=/bin/a %i\n",
        "[Service]\nExecStart=/bin/a %p %%i %t\nDynamicUser=yes\nPrivateTmp=yes\n",
        "[Timer]\nOnActiveSec=1\n",
        "[Socket]\nListenStream=/run/s\nService=a.service\n",
        "no unit file",
    ];
    const LINKS: [&str; 5] = [
        "a.service",
        "b.service",
        "/dev/null",
        "/usr/u/a.service",
        "/no",
    ];
    let thing = prop_oneof![
        4 => select(&TEXTS[..]).prop_map(|text| Thing::File(text.to_owned())),
        2 => select(&LINKS[..]).prop_map(Thing::Link),
        1 => Just(Thing::Unreadable),
    ];
    proptest::collection::vec((select(&PATHS[..]), thing), 0..14)
}

fn source_of(things: &[(&'static str, Thing)]) -> MemorySource {
    let by_path: BTreeMap<&str, &Thing> = things.iter().map(|(path, it)| (*path, it)).collect();
    let all = by_path.into_iter();
    all.fold(MemorySource::new(), |source, (path, thing)| match thing {
        Thing::File(text) => source.file(path, text),
        Thing::Link(target) => source.link(path, target),
        Thing::Unreadable => source.unreadable(path),
    })
}

proptest! {
    #[test]
    fn a_load_is_as_the_first_whatever_came_before(
        begin in things(),
        changes in proptest::collection::vec((things(), any::<bool>()), 1..5),
    ) {
        const ALL: [&str; 13] = [
            "a.service", "b.service", "a@1.service", "a@2.service", "a@3.service", "b@1.service",
            "c@1.timer", "c@2.timer", "c.target", "s.socket", "run.mount", "a-b.service", "none.service",
        ];
        let names: BTreeSet<UnitName> = ALL.iter().map(|text| name(text)).collect();
        let (mut readings, mut things, mut alive) = (Readings::default(), begin, Vec::new());
        for (more, forgotten) in [(Vec::new(), false)].into_iter().chain(changes) {
            // Later ones take the place of earlier ones.
            things.extend(more.into_iter().take(3));
            let source = source_of(&things);
            let none = BTreeSet::new();
            let fresh = super::super::load(&names, &none, &settings(), &source);
            let again = load_again(&names, &none, &settings(), &source, &mut readings);
            prop_assert_eq!(&again.units, &fresh.units);
            prop_assert_eq!(&again.unreadable, &fresh.unreadable);
            if forgotten {
                alive.clear();
            }
            alive.push(again.units);
        }
    }
}
