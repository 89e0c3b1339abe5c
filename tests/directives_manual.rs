//! dd-procmgr.directives(7) is made of the table of directives, and dd-procmgr.unit(5) tells about each
//! of our own. `make manuals` writes the first one anew.

use procmgr::unit::directive::{Row, Support, table};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const HEAD: &str = ".Dd November 25, 2026\n.Dt DD-PROCMGR.DIRECTIVES 7\n.Os\n.Sh NAME\n\
.Nm dd-procmgr.directives\n.Nd every directive of unit files that dd-procmgrd knows\n.Sh DESCRIPTION\n";
const TAIL: &str =
    ".Sh SEE ALSO\n.Xr dd-procmgr.unit 5 ,\n.Xr systemd.directives 7 ,\n.Xr dd-procmgrd 8\n";

fn page(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("man").join(name)
}

/// Text as mdoc takes it, one line no longer than 80 bytes after the other.
fn text(words: &str) -> String {
    let mut lines = String::new();
    let mut line = String::new();
    for word in words.replace('\\', "\\e").split_whitespace() {
        if !line.is_empty() && line.len() + 1 + word.len() > 78 {
            let _ = writeln!(lines, "{line}");
            line.clear();
        }
        if line.is_empty() && word.starts_with(['.', '\'']) {
            line.push_str("\\&");
        } else if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        // A sentence ends its line.
        if word.ends_with('.') {
            let _ = writeln!(lines, "{line}");
            line.clear();
        }
    }
    if !line.is_empty() {
        let _ = writeln!(lines, "{line}");
    }
    lines
}

fn support(row: &Row) -> String {
    match row.support {
        Support::Full => String::new(),
        Support::Accepted(why) => format!("Accepted, without effect: {why}."),
        Support::Planned(what) => format!("Not carried out yet: {what}."),
        Support::Refused(why) => format!("A unit that asks for it does not start: {why}."),
    }
}

fn since(row: &Row) -> String {
    match (row.sections[0].starts_with("X-"), row.since) {
        (true, _) => "ours".to_owned(),
        (false, 33) => "systemd 33 or older".to_owned(),
        (false, version) => format!("systemd {version}"),
    }
}

fn entry(row: &Row) -> String {
    let mut out = format!(".It Va {}=\n", row.name);
    out.push_str(&text(row.doc));
    let more = support(row);
    if !more.is_empty() {
        out.push_str(&text(&more));
    }
    let old: Vec<String> = row
        .aliases
        .iter()
        .map(|(section, name)| format!("{name}= of [{section}]"))
        .collect();
    if !old.is_empty() {
        out.push_str(&text(&format!("Also spelled {}.", old.join(", "))));
    }
    let settable = if row.settable {
        ", changed while the unit runs"
    } else {
        ""
    };
    out.push_str(&text(&format!("({}{settable})", since(row))));
    out
}

/// The page, by sections in the order of the table.
fn generated() -> String {
    let rows: Vec<&Row> = table().collect();
    let count =
        |wanted: fn(&Support) -> bool| rows.iter().filter(|row| wanted(&row.support)).count();
    let full = count(|it| matches!(it, Support::Full));
    let accepted = count(|it| matches!(it, Support::Accepted(_)));
    let planned = count(|it| matches!(it, Support::Planned(_)));
    let refused = count(|it| matches!(it, Support::Refused(_)));
    let mut out = HEAD.to_owned();
    out.push_str(&text(&format!(
        "Of {} directives {full} are carried out, {accepted} are accepted without effect, {planned} are \
         not carried out yet, and {refused} keep a unit that asks for them from starting. \
         Behind each stands the version of systemd that it came with. Those without a word about it are \
         carried out. This page is made of the table that the daemon reads unit files by.",
        rows.len()
    )));
    let mut groups: Vec<&[&str]> = Vec::new();
    for row in &rows {
        if !groups.contains(&row.sections) {
            groups.push(row.sections);
        }
    }
    for group in groups {
        let _ = write!(out, ".Sh [{}]\n.Bl -tag -width Ds\n", group.join("] ["));
        for row in rows.iter().filter(|row| row.sections == group) {
            out.push_str(&entry(row));
        }
        out.push_str(".El\n");
    }
    out + TAIL
}

#[test]
fn the_page_of_directives_is_what_the_table_says() {
    let place = page("dd-procmgr.directives.7");
    let wanted = generated();
    if std::env::var_os("DD_PM_WRITE_MANUALS").is_some() {
        fs::write(&place, &wanted).expect("it can be written");
    }
    let found = fs::read_to_string(&place).expect("it is here");
    let first = found.lines().zip(wanted.lines()).find(|(a, b)| a != b);
    assert!(
        found == wanted,
        "`make manuals` writes it anew; first: {first:?}"
    );
    let names: BTreeSet<&str> = table().map(|row| row.name).collect();
    assert!(
        names
            .iter()
            .all(|name| found.contains(&format!(".It Va {name}=\n")))
    );
}

#[test]
fn the_page_of_units_tells_about_all_that_is_ours() {
    let found = fs::read_to_string(page("dd-procmgr.unit.5")).expect("it is here");
    let ours: Vec<&Row> = table()
        .filter(|row| row.sections[0].starts_with("X-"))
        .collect();
    assert!(ours.len() > 10, "{}", ours.len());
    for row in ours {
        let said = format!("Va {}=", row.name);
        assert!(found.contains(&said), "{}", row.name);
        for section in row.sections {
            let named = [format!("Bq {section}\n"), format!("Bq {section} :")];
            assert!(named.iter().any(|it| found.contains(it)), "{section}");
        }
    }
}

/// What stands between `.Bd -literal` and `.Ed`.
fn examples(page: &str) -> Vec<String> {
    page.split(".Bd -literal -offset indent\n")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(".Ed\n")?.0.to_owned()))
        .collect()
}

/// Units of the manual are units: nothing is said about them here.
#[test]
fn the_examples_of_the_page_of_units_are_in_order() {
    let found = fs::read_to_string(page("dd-procmgr.unit.5")).expect("it is here");
    let examples = examples(&found);
    assert_eq!(examples.len(), 2);
    let verify = |name: &str, text: &str| {
        let place = tempfile::tempdir().expect("a directory can be made");
        let units = [
            (name, text),
            ("database.service", "[Service]\nExecStart=/bin/true\n"),
        ];
        for (name, text) in units {
            fs::write(place.path().join(name), text).expect("it can be written");
        }
        // The service of the socket.
        if name.ends_with(".socket") {
            let service = place.path().join("example.service");
            fs::write(service, "[Service]\nExecStart=/bin/true\n").expect("it can be written");
        }
        let output = Command::new(env!("CARGO_BIN_EXE_dd-procmgr"))
            .args(["verify", "-o", "short", "--unit-path"])
            .arg(place.path())
            .arg(name)
            .output()
            .expect("it is built");
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    };
    for (name, text) in [
        ("example.service", &examples[0]),
        ("example.socket", &examples[1]),
    ] {
        let (good, said) = verify(name, text);
        assert!(good && said.is_empty(), "{name}: {said}");
    }
    let wrong = examples[0].replace("PeriodSec", "PeriodicSec");
    assert!(
        !verify("example.service", &wrong).1.is_empty(),
        "it can fail"
    );
}
