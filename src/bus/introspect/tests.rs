//! Our introspection data against systemd's, where the reference lies beside the checkout.

use super::*;
use crate::bus::properties::log_control_rows;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Interfaces that we show: their names and a document each.
fn documents() -> Vec<(&'static str, String)> {
    let unit = |unit_type| (type_interface(unit_type), unit_document(unit_type));
    let mut documents: Vec<_> = UnitType::ALL.into_iter().map(unit).collect();
    documents.extend([
        (UNIT_INTERFACE, unit_document(UnitType::Service)),
        (MANAGER_INTERFACE, manager()),
        (JOB_INTERFACE, job()),
        (log_control::INTERFACE, log_control()),
    ]);
    documents
}

fn unit_document(unit_type: UnitType) -> String {
    super::unit(unit_type)
}

/// The table of members, in the directory that `DD_PM_REFERENCE` names or beside the checkout.
fn reference() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(1);
    let beside = beside.map(|above| above.join("shared/reference"));
    std::env::var_os("DD_PM_REFERENCE")
        .map(PathBuf::from)
        .into_iter()
        .chain(beside)
        .map(|directory| directory.join("dbus-properties.tsv"))
        .find(|file| file.is_file())
}

/// `kind name` to everything said of the member.
type Members = BTreeMap<String, String>;

/// The members of an interface in a document, as one line each.
fn members(document: &str, interface: &str) -> Members {
    let begin = format!("<interface name=\"{interface}\">");
    let (_, rest) = document.split_once(&begin).unwrap();
    let (body, _) = rest.split_once("</interface>").unwrap();
    let mut members = Members::new();
    let mut key = String::new();
    for line in body.lines().map(str::trim) {
        let attribute = |name: &str| {
            let (_, rest) = line.split_once(&format!(" {name}=\""))?;
            rest.split('"').next()
        };
        let kind = line
            .trim_start_matches('<')
            .split([' ', '>'])
            .next()
            .unwrap();
        let text = match kind {
            "method" | "signal" => {
                key = format!("{kind} {}", attribute("name").unwrap());
                String::new()
            }
            "property" => {
                key = format!("{kind} {}", attribute("name").unwrap());
                format!(
                    "{} {}",
                    attribute("type").unwrap(),
                    attribute("access").unwrap()
                )
            }
            "arg" => {
                let direction = attribute("direction").unwrap_or("out");
                let (of_type, name) = (attribute("type").unwrap(), attribute("name").unwrap());
                format!(" {direction} {of_type} {name}")
            }
            "annotation" => format!(" {}", attribute("value").unwrap()),
            _ => continue,
        };
        members.entry(key.clone()).or_default().push_str(&text);
    }
    members
}

/// A line of the table in the same words.
fn wanted(fields: &[&str]) -> String {
    let [_, kind, _, input, output, access, emits, ..] = fields else {
        panic!("a line of the table: {fields:?}");
    };
    let plain = |text: &str| {
        if text == "-" {
            String::new()
        } else {
            text.to_owned()
        }
    };
    if *kind == "property" {
        return format!("{output} {access} {emits}");
    }
    let mut text = String::new();
    for (types, names, direction) in [(input, fields[8], "in"), (output, fields[9], "out")] {
        let (types, names) = (plain(types), plain(names));
        for (one, name) in single_types(&types).into_iter().zip(names.split(',')) {
            text.push_str(&format!(" {direction} {one} {name}"));
        }
    }
    text
}

#[test]
fn every_interface_has_the_members_that_systemds_has() {
    let Some(table) = reference() else {
        eprintln!("skipped: no dbus-properties.tsv beside the checkout");
        return;
    };
    let table = std::fs::read_to_string(table).unwrap();
    let shown: BTreeMap<&str, Members> = documents()
        .iter()
        .map(|(interface, document)| (*interface, members(document, interface)))
        .collect();
    let mut compared = 0;
    let mut different = Vec::new();
    for line in table.lines().skip(1).filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        // Hidden members stand in nobody's introspection data.
        if fields[0] == "interface" || fields[7].contains("hidden") {
            continue;
        }
        let Some(members) = shown.get(fields[0]) else {
            different.push(format!("{}: not shown at all", fields[0]));
            continue;
        };
        let key = format!("{} {}", fields[1], fields[2]);
        let ours = members.get(&key);
        let wanted = wanted(&fields);
        compared += 1;
        if ours != Some(&wanted) {
            let interface = fields[0];
            different.push(format!(
                "{interface} {key}: {ours:?}, systemd has {wanted:?}"
            ));
        }
    }
    assert!(compared > 1500, "{compared}");
    assert_eq!(different, [] as [&str; 0]);
}

#[test]
fn what_is_refused_says_why() {
    let methods = [
        table_members::MANAGER,
        table_members::UNIT,
        table_members::SERVICE,
        table_members::GROUP,
        table_members::SCOPE,
        table_members::JOB,
    ];
    let refused = methods
        .into_iter()
        .flatten()
        .filter(|m| m.refusal.is_some());
    for method in refused {
        let reason = method.refusal.unwrap();
        println!("{}: {reason}", method.name);
        assert!(
            reason.len() > 10 && !reason.ends_with('.'),
            "{}",
            method.name
        );
    }
    assert_eq!(log_control_rows().len(), 3);
}
