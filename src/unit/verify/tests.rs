//! Findings beyond the language; those with their places and words are tried through the
//! program, in `tests/verify.rs`.

use super::*;
use crate::unit::directive::{Kind, Support, table};
use crate::unit::load::MemorySource;

/// A machine that has what is named, and root.
struct Has(&'static [&'static str]);

impl Machine for Has {
    fn program(&self, path: &str) -> Program {
        match path {
            path if self.0.contains(&path) => Program::Executable,
            "/plain" => Program::NotExecutable,
            _ => Program::Missing,
        }
    }

    fn finds_program(&self, name: &str, directories: &[String]) -> bool {
        let mut directories = directories.iter();
        directories.any(|directory| self.0.contains(&format!("{directory}/{name}").as_str()))
    }

    fn has_file(&self, pattern: &str) -> bool {
        self.0.contains(&pattern)
    }

    fn has_directory(&self, path: &str) -> bool {
        self.0.contains(&path)
    }

    fn has_user(&self, name: &str) -> bool {
        name == "root"
    }

    fn has_group(&self, name: &str) -> bool {
        name == "root"
    }
}

fn settings() -> Settings {
    Settings {
        path: vec!["/u".to_owned()],
        ..Settings::default()
    }
}

fn look(source: &MemorySource, names: &[&str]) -> Vec<String> {
    let names = names.iter().map(|name| UnitName::parse(name).unwrap());
    let found = verify(
        &names.collect(),
        &settings(),
        source,
        &Has(&["/x", "/bin/y", "/w"]),
    );
    found.iter().map(ToString::to_string).collect()
}

fn look_at(text: &str) -> Vec<String> {
    look(
        &MemorySource::new().file("/u/a.service", text),
        &["a.service"],
    )
}

#[test]
fn a_good_unit_has_no_findings() {
    let text = "[Service]\nUser=root\nWorkingDirectory=/w\nExecSearchPath=/bin\nExecStart=y\n\
                ExecStartPre=/x\n[Install]\nWantedBy=multi-user.target\n";
    assert_eq!(look_at(text), Vec::<String>::new());
}

#[test]
fn every_setting_without_effect_or_that_refuses_is_named_where_it_is_set() {
    let mut seen = 0;
    for row in table().filter(|row| row.sections.contains(&"Service")) {
        let refuses = matches!(row.support, Support::Refused(_));
        let value = match row.kind {
            Kind::Boolean if row.neutral.contains(&"yes") => "no",
            Kind::Boolean => "yes",
            Kind::Number => "1",
            _ => continue,
        };
        if row.support == Support::Full {
            continue;
        }
        let text = format!("[Service]\nExecStart=/x\n{}={value}\n", row.name);
        let found = look_at(&text);
        // Some take other values than their kind says, and say so.
        let said = found.iter().any(|f| {
            f.contains(&format!("{}= ", row.name)) && f.starts_with("/u/a.service:3:1: warning: ")
        });
        let value_refused = found.iter().any(|f| f.contains("ignored"));
        assert!(said || value_refused, "{} ({refuses}): {found:?}", row.name);
        seen += usize::from(said);
    }
    assert!(seen >= 9, "{seen}");
}

#[test]
fn what_is_in_another_root_is_not_looked_for() {
    let found = look_at("[Service]\nRootDirectory=/r\nExecStart=/no\nUser=nobody-here\n");
    assert!(
        !found
            .iter()
            .any(|f| f.contains("/no") || f.contains("nobody")),
        "{found:?}"
    );
}

#[test]
fn directories_and_files_that_cannot_be_read_are_findings() {
    let source = MemorySource::new()
        .unreadable_directory("/u/a.service.d")
        .file("/u/a.service.d/x.conf", "[Unit]\n")
        .file("/u/a.service", "[Service]\nExecStart=/x\n")
        .unreadable("/u/b.service");
    assert_eq!(
        look(&source, &["a.service", "b.service"]),
        [
            "/u/a.service.d:1:1: warning: the directory cannot be read and counts as empty: \
             permission denied",
            "/u/b.service:1:1: error: the unit file cannot be read: permission denied",
        ]
    );
    let source = MemorySource::new().unreadable_directory("/u");
    let found = look(&source, &["a.service"]);
    assert!(
        found[0].starts_with("/u:1:1: warning: the directory cannot be read"),
        "{found:?}"
    );
}

#[test]
fn a_file_that_many_units_lead_to_is_reported_once() {
    let mut source = MemorySource::new().file("/u/b.service", "[Service]\nExecStart=/x\nNo=1\n");
    let names: Vec<String> = (0..20).map(|n| format!("a{n}.service")).collect();
    for name in &names {
        source = source.file(
            &format!("/u/{name}"),
            "[Unit]\nWants=b.service\nAfter=b.service\n[Service]\nExecStart=/x\n",
        );
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(look(&source, &names).len(), 1);
}

#[test]
fn long_circles_and_long_chains_do_not_take_long() {
    let mut source = MemorySource::new();
    let count = 3000;
    for n in 0..count {
        let text = format!(
            "[Unit]\nRequires=u{next}.service\nAfter=u{next}.service\n[Service]\nExecStart=/x\n",
            next = (n + 1) % count
        );
        source = source.file(&format!("/u/u{n}.service"), text);
    }
    let found = look(&source, &["u0.service"]);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].contains("u0.service waits for u1.service, which"),
        "{}",
        found[0]
    );
}

#[test]
fn an_empty_message_is_never_shown() {
    for rule in Rule::ALL {
        assert!(!rule.id().is_empty() && rule.describe().ends_with('.'));
    }
    let ids: BTreeSet<&str> = Rule::ALL.iter().map(|rule| rule.id()).collect();
    assert_eq!(ids.len(), Rule::ALL.len());
}
