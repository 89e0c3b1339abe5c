//! What holds for all unit files, tried on random ones.

use super::*;
use crate::unit::directive::{PropertyValue, type_properties, unit_properties};
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};

/// Lines by their sections; several of some, so that order and addition count.
const LINES: [(&str, &str); 22] = [
    ("Unit", "Description=one"),
    ("Unit", "Description=two"),
    ("Unit", "Description="),
    ("Unit", "After=b.service c.target"),
    ("Unit", "Wants=c.target"),
    ("Unit", "Requires=b.service"),
    ("Unit", "ConditionPathExists=|/a"),
    ("Unit", "ConditionPathExists=!/b"),
    ("Unit", "ConditionPathExists="),
    ("Unit", "StartLimitBurst=7"),
    ("Service", "Type=oneshot"),
    ("Service", "ExecStart=/bin/a b 'c d'"),
    ("Service", "ExecStart=-/bin/e $F"),
    ("Service", "ExecStart="),
    ("Service", "ExecStop=/bin/g"),
    ("Service", "Environment=A=1 B=2"),
    ("Service", "Environment=B=3"),
    ("Service", "Environment="),
    ("Service", "RestartSec=5min 20s"),
    ("Service", "NoSuchThing=1"),
    ("Service", "LimitNOFILE=10:20"),
    ("Install", "WantedBy=c.target d.target"),
];

/// What a file makes of a unit, without the places where it says so.
fn meaning(config: &UnitConfig) -> (Vec<(&'static str, PropertyValue)>, UnitConfig) {
    let all = unit_properties().chain(type_properties(config.name.unit_type()));
    let properties = all.map(|p| (p.name, (p.get)(config))).collect();
    let mut rest = config.clone();
    rest.diagnostics.clear();
    rest.not_applied.clear();
    rest.load_error = rest.load_error.map(|_| String::new());
    if let UnitBody::Service(service) = &mut rest.body {
        let nowhere = crate::unit::diagnostic::Position {
            file: "".into(),
            line: 1,
            column: 1,
        };
        for kind in CommandKind::ALL {
            for command in service.commands.get_mut(kind) {
                command.position = nowhere.clone();
            }
        }
    }
    (properties, rest)
}

fn loaded(text: &str) -> (Vec<(&'static str, PropertyValue)>, UnitConfig) {
    // An empty file would be a mask.
    let text = format!("# A unit.\n{text}");
    let source = MemorySource::new().file("/etc/u/a.service", text);
    meaning(&one(&source, "a.service"))
}

/// The lines of each section in one piece.
fn grouped(lines: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for section in ["Install", "Service", "Unit"] {
        text.push_str(&format!("[{section}]\n"));
        let own = lines.iter().filter(|(of, _)| *of == section);
        text.extend(own.map(|(_, line)| format!("{line}\n")));
    }
    text
}

/// A list whose entries listed in another order are listed by.
struct Shuffled<'a>(&'a MemorySource, usize);

impl Source for Shuffled<'_> {
    fn list(&self, directory: &str) -> io::Result<Vec<Entry>> {
        let mut entries = self.0.list(directory)?;
        entries.reverse();
        let by = self.1 % entries.len().max(1);
        entries.rotate_left(by);
        Ok(entries)
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.0.read(path)
    }

    fn holds(&self, name: &UnitName) -> bool {
        self.0.holds(name)
    }
}

/// Units that name each other, aliases and units that are not there among them.
fn graph() -> impl Strategy<Value = MemorySource> {
    const NAMES: [&str; 8] = [
        "a.service",
        "b.service",
        "c.target",
        "d@x.service",
        "e.socket",
        "f.timer",
        "g.service",
        "missing.service",
    ];
    const KINDS: [&str; 8] = [
        "Requires",
        "Wants",
        "BindsTo",
        "Upholds",
        "After",
        "Before",
        "Conflicts",
        "OnFailure",
    ];
    let edge = (0..7_usize, select(&KINDS[..]), select(&NAMES[..]));
    let edges = proptest::collection::vec(edge, 0..24);
    let links = proptest::collection::vec((0..7_usize, select(&NAMES[..])), 0..6);
    (edges, links).prop_map(|(edges, links)| {
        let files = [
            "a.service",
            "b.service",
            "c.target",
            "d@.service",
            "e.socket",
            "f.timer",
        ];
        let mut source = MemorySource::new().link("/etc/u/g.service", "a.service");
        for (at, file) in files.iter().enumerate() {
            let own = edges.iter().filter(|(from, _, _)| *from == at);
            let mut text = "[Unit]\n".to_owned();
            text.extend(own.map(|(_, kind, to)| format!("{kind}={to}\n")));
            text.push_str("[Service]\nExecStart=/bin/a\n[Socket]\nListenStream=/run/e\n");
            source = source.file(&format!("/etc/u/{file}"), text);
        }
        for (from, to) in links {
            source = source.link(&format!("/etc/u/{}.wants/{to}", NAMES[from]), "/none");
        }
        source
    })
}

proptest! {
    #[test]
    fn how_sections_are_cut_does_not_matter(
        lines in subsequence(LINES.to_vec(), 0..LINES.len()).prop_shuffle(),
    ) {
        let cut: String = lines.iter().map(|(section, line)| format!("[{section}]\n{line}\n")).collect();
        prop_assert!(loaded(&cut) == loaded(&grouped(&lines)), "{cut}");
    }

    #[test]
    fn comments_blank_lines_and_continuations_do_not_matter(
        lines in subsequence(LINES.to_vec(), 0..LINES.len()).prop_shuffle(),
        noise in proptest::collection::vec(
            select(vec!["", "\n", "# c\n", "  ; d \\\n", "\t\n\r\n", "# h [X] \\\n"]),
            LINES.len(),
        ),
        broken in any::<bool>(),
    ) {
        let mut noisy = String::new();
        for ((section, line), noise) in lines.iter().zip(noise) {
            // A blank in a value is as good as a continued line, with a comment behind it.
            let line = if broken && !line.contains('\'') {
                line.replace(' ', " \\\n# g\n")
            } else {
                (*line).to_owned()
            };
            noisy.push_str(&format!("{noise}[{section}]\n{noise}{line}\n{noise}"));
        }
        let cut: String = lines.iter().map(|(s, line)| format!("[{s}]\n{line}\n")).collect();
        prop_assert!(loaded(&noisy) == loaded(&cut), "{noisy}");
    }

    #[test]
    fn the_order_of_listings_does_not_matter(
        source in graph(),
        names in subsequence(vec!["05-a", "10-b", "10-c", "20-d", "z"], 0..5).prop_shuffle(),
        by in 0..9_usize,
    ) {
        let mut source = source;
        for (at, name) in names.iter().enumerate() {
            let directory = ["/etc/u/a.service.d", "/usr/u/a.service.d", "/etc/u/service.d"][at % 3];
            let text = format!("[Service]\nEnvironment=LAST={name} N{at}=1\n");
            source = source.file(&format!("{directory}/{name}.conf"), text);
        }
        let names = BTreeSet::from([name("a.service"), name("c.target")]);
        let none = BTreeSet::new();
        let sorted = load_closure(&names, &none, &settings(), &source);
        let shuffled = load_closure(&names, &none, &settings(), &Shuffled(&source, by));
        prop_assert_eq!(shuffled, sorted);
    }

    #[test]
    fn what_is_loaded_is_closed_and_stays_so(source in graph(), first in any::<Index>()) {
        let some = ["a.service", "c.target", "d@x.service", "f.timer", "g.service"];
        let names = BTreeSet::from([name(some[first.index(some.len())])]);
        let none = BTreeSet::new();
        let units = load_closure(&names, &none, &settings(), &source);
        assert_closed(&units);
        let all: BTreeSet<UnitName> = units.keys().cloned().collect();
        prop_assert_eq!(&load_closure(&all, &none, &settings(), &source), &units);
        prop_assert!(load_closure(&all, &all, &settings(), &source).is_empty());
    }
}
