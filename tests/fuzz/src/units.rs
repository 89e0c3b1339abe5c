//! Laws of the loader.
//!
//! An input is a byte that says which unit it is, then its file, then its drop-ins, with a line
//! `----` between them.

use procmgr::unit::config::{LoadState, UnitConfig};
use procmgr::unit::diagnostic::{Diagnostic, Position};
use procmgr::unit::directive::{PropertyValue, type_properties, unit_properties};
use procmgr::unit::load::{MemorySource, Settings, load_closure};
use procmgr::unit::name::{UnitName, UnitType};
use procmgr::unit::syntax::{self, Document};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The units and their files. The first byte of an input, `0` for the first of them, chooses.
pub const UNITS: [(&str, &str); 12] = [
    ("a.service", "a.service"),
    ("a-b@c-d.service", "a-b@.service"),
    ("a.socket", "a.socket"),
    ("a.target", "a.target"),
    ("a.timer", "a.timer"),
    ("a.path", "a.path"),
    ("a.slice", "a.slice"),
    ("a.scope", "a.scope"),
    ("a.mount", "a.mount"),
    ("a.automount", "a.automount"),
    ("a.swap", "a.swap"),
    ("a.device", "a.device"),
];

/// What stands between the files of an input.
pub const SEPARATOR: &[u8] = b"\n----\n";

/// A byte of the input may become so many of the configuration: `%n` is up to 255.
const GROWTH: usize = 256;
/// What the properties of a unit take that says nothing.
const EMPTY: usize = 64 * 1024;

type Units = BTreeMap<UnitName, Arc<UnitConfig>>;

/// Loads an input and checks everything.
pub fn check(input: &[u8]) {
    let Some((selector, content)) = input.split_first() else {
        return;
    };
    let (name, file) = UNITS[usize::from(*selector) % UNITS.len()];
    let files = files(name, file, content);
    let mut source = MemorySource::new()
        .file("/usr/u/b.service", "[Service]\nExecStart=/bin/b\n")
        .link(&format!("/etc/u/{name}.wants/b.service"), "../b.service")
        .hold("var.mount");
    for (path, content) in &files {
        source = source.file(path, content);
    }
    let settings = Settings {
        path: ["/etc/u", "/usr/u"].map(str::to_owned).to_vec(),
        default_dependencies: selector & 0x40 != 0,
        ..Settings::default()
        ..Settings::default()
    };
    let name = UnitName::parse(name).expect("a name");
    let wanted = BTreeSet::from([name.clone()]);
    let units = load_closure(&wanted, &BTreeSet::new(), &settings, &source);
    check_closed(&units);
    let unit = &units[&name];
    check_places(unit, &files);
    check_size(unit, input.len());
    for (path, content) in &files {
        check_syntax(path, content);
    }
}

/// The paths and contents of an input.
fn files<'a>(name: &str, file: &str, content: &'a [u8]) -> BTreeMap<String, &'a [u8]> {
    let mut files = BTreeMap::new();
    let mut rest = Some(content);
    while let Some(content) = rest {
        let end = content
            .windows(SEPARATOR.len())
            .position(|w| w == SEPARATOR);
        let path = match files.len() {
            0 => format!("/usr/u/{file}"),
            n => format!("/etc/u/{name}.d/{n:03}.conf"),
        };
        files.insert(path, &content[..end.unwrap_or(content.len())]);
        rest = end.map(|at| &content[at + SEPARATOR.len()..]);
    }
    files
}

/// Every dependency leads to a unit of the set, and stands there once.
fn check_closed(units: &Units) {
    let known: BTreeSet<&UnitName> = units
        .values()
        .flat_map(|unit| unit.aliases.iter().chain([&unit.name]))
        .collect();
    for unit in units.values() {
        let edges = unit.dependencies.iter();
        let distinct: BTreeSet<_> = edges.map(|d| (d.kind, &d.target)).collect();
        assert_eq!(distinct.len(), unit.dependencies.len());
        assert!(distinct.iter().all(|(_, target)| known.contains(target)));
    }
}

/// What is found stands in a file that is there, and a unit that does not load says why.
fn check_places(unit: &UnitConfig, files: &BTreeMap<String, &[u8]>) {
    for Diagnostic {
        position, message, ..
    } in &unit.diagnostics
    {
        assert!(!message.is_empty());
        // Links are places too, at their first line.
        if let Some(content) = files.get(&*position.file) {
            check_place(content, position);
        }
    }
    let fine = unit.load == LoadState::Loaded;
    assert_eq!(fine, unit.load_error.is_none(), "{:?}", unit.load_error);
}

/// The line and the column are there; one column more is the end of the line.
fn check_place(content: &[u8], position: &Position) {
    let lines = 1 + content
        .iter()
        .filter(|b| matches!(b, b'\n' | b'\r' | 0))
        .count();
    assert!(
        (1..=lines).contains(&(position.line as usize)),
        "{position}"
    );
    assert!(
        (1..=content.len() + 1).contains(&(position.column as usize)),
        "{position}"
    );
}

/// Every property can be read, and all of them are no larger than the files account for.
fn check_size(unit: &UnitConfig, input: usize) {
    let all = unit_properties()
        .chain(type_properties(UnitType::Service))
        .chain(type_properties(UnitType::Socket))
        .chain(type_properties(unit.name.unit_type()));
    let properties: usize = all.map(|property| size(&(property.get)(unit))).sum();
    assert!(
        properties <= EMPTY + GROWTH * input,
        "{properties} bytes of {input}"
    );
    assert!(unit.dependencies.len() <= 64 + 4 * input);
    assert!(unit.diagnostics.len() <= 16 + 4 * input);
    let messages: usize = unit.diagnostics.iter().map(|d| d.message.len()).sum();
    assert!(
        messages <= EMPTY + GROWTH * input,
        "{messages} bytes of {input}"
    );
}

fn size(value: &PropertyValue) -> usize {
    match value {
        PropertyValue::Bool(_) | PropertyValue::I32(_) | PropertyValue::U32(_) => 4,
        PropertyValue::I64(_) | PropertyValue::U64(_) => 8,
        PropertyValue::String(text) => 4 + text.len(),
        PropertyValue::Bytes(bytes) => 4 + bytes.len(),
        PropertyValue::Strings(texts) => texts.iter().map(|text| 4 + text.len()).sum(),
        PropertyValue::Struct(fields) => fields.iter().map(size).sum(),
        PropertyValue::Array(items) => items.iter().map(size).sum(),
    }
}

/// Every byte of a value has a place inside the file, and assignments written out again are
/// read as themselves.
fn check_syntax(path: &str, content: &[u8]) {
    let path: Arc<str> = path.into();
    let document = syntax::parse(&path, content);
    for (_, position) in &document.sections {
        check_place(content, position);
    }
    for assignment in &document.assignments {
        check_place(content, &assignment.key_position);
        for offset in [0, assignment.value.len() / 2, assignment.value.len()] {
            check_place(content, &assignment.position_at(offset));
        }
    }
    let printed = print(&document);
    let read = syntax::parse(&path, printed.as_bytes());
    assert!(read.diagnostics.is_empty(), "{:?}", read.diagnostics);
    assert_eq!(triples(&read), triples(&document));
}

/// The assignments, each under its own header; a blank at the end of the line keeps a final
/// backslash from continuing it.
fn print(document: &Document) -> String {
    let lines = document.assignments.iter();
    lines
        .map(|a| format!("[{}]\n{}={} \n", a.section, a.key, a.value))
        .collect()
}

fn triples(document: &Document) -> Vec<[&str; 3]> {
    let all = document.assignments.iter();
    all.map(|a| [&*a.section, &*a.key, &*a.value]).collect()
}
