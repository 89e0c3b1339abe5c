//! The table against itself and against the lists of systemd's directives and properties.

use super::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A file that lies beside the sources on developers' machines only.
fn shared(name: &str) -> Option<PathBuf> {
    let mut at = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    at.find_map(|directory| {
        let path = directory.join("shared").join(name);
        path.exists().then_some(path)
    })
}

#[test]
fn no_directive_has_two_rows() {
    let mut seen = BTreeSet::new();
    for row in table() {
        for section in row.sections {
            assert!(
                seen.insert((*section, row.name)),
                "[{section}] {}",
                row.name
            );
        }
        for alias in row.aliases {
            assert!(seen.insert(*alias), "[{}] {}", alias.0, alias.1);
            assert!(known_sections().contains(&alias.0));
        }
    }
}

#[test]
fn every_row_is_documented_in_a_sentence() {
    for row in table() {
        assert!(row.doc.ends_with('.') && row.doc.len() > 15, "{}", row.name);
        let ours = row.sections == ["X-Procmgr"];
        assert!(ours || (33..=260).contains(&row.since), "{}", row.name);
        assert_eq!(
            row.support == Support::Full,
            row.support.reason().is_empty()
        );
        assert!(row.sections.iter().all(|s| known_sections().contains(s)));
    }
}

#[test]
fn no_property_is_shown_twice() {
    let all: [&[&Property]; 3] = [
        &unit_properties().collect::<Vec<_>>(),
        &type_properties(UnitType::Service).collect::<Vec<_>>(),
        &type_properties(UnitType::Socket).collect::<Vec<_>>(),
    ];
    for properties in all {
        let names: BTreeSet<_> = properties.iter().map(|p| p.name).collect();
        assert_eq!(names.len(), properties.len());
        assert!(names.len() > 15);
    }
}

/// Whether a value has the shape its signature says, as far as the value itself tells.
fn fits(value: &PropertyValue, signature: &str) -> bool {
    match value {
        PropertyValue::Bool(_) => signature == "b",
        PropertyValue::I32(_) => signature == "i",
        PropertyValue::U32(_) => signature == "u" || signature == "q",
        PropertyValue::I64(_) => signature == "x",
        PropertyValue::U64(_) => signature == "t",
        PropertyValue::String(_) => signature == "s",
        PropertyValue::Bytes(_) => signature == "ay",
        PropertyValue::Strings(_) => signature == "as",
        PropertyValue::Struct(_) => signature.starts_with('('),
        PropertyValue::Array(items) => {
            signature.starts_with('a') && items.iter().all(|item| fits(item, &signature[1..]))
        }
    }
}

#[test]
fn values_fit_their_signatures_for_units_of_every_state() {
    let text = "[Unit]\nConditionPathExists=|!/a\nAssertUser=root\n[Service]\n\
                Environment=A=b\nEnvironmentFile=-/e\nSuccessExitStatus=3 SIGUSR1\n";
    let units = [
        blank("a.service"),
        blank("a.socket"),
        blank("a.timer"),
        read("b.service", text),
        read("b.socket", "[Socket]\nListenStream=/run/a\n"),
    ];
    for draft in units {
        for property in unit_properties()
            .chain(type_properties(UnitType::Service))
            .chain(type_properties(UnitType::Socket))
        {
            let value = property.value(&draft.config);
            assert!(
                fits(&value, property.signature),
                "{}: {value:?}",
                property.name
            );
        }
    }
}

#[test]
fn properties_are_systemds_own() {
    let Some(file) = shared("reference/dbus-properties.tsv") else {
        println!("SKIP: the list of systemd's D-Bus properties is not here");
        return;
    };
    let text = std::fs::read_to_string(file).unwrap();
    let known: BTreeSet<(&str, &str, &str)> = text
        .lines()
        .filter_map(|line| {
            let mut fields = line.split('\t');
            let interface = fields.next()?.rsplit('.').next()?;
            (fields.next()? == "property").then_some(())?;
            let name = fields.next()?;
            Some((interface, name, fields.nth(1)?))
        })
        .collect();
    assert!(known.len() > 900);
    let check = |interface, property: &Property| {
        let key = (interface, property.name, property.signature);
        assert!(known.contains(&key), "{key:?}");
    };
    unit_properties().for_each(|p| check("Unit", p));
    type_properties(UnitType::Service).for_each(|p| check("Service", p));
    type_properties(UnitType::Socket).for_each(|p| check("Socket", p));
}

#[test]
fn every_directive_of_systemd_has_a_row() {
    let Some(file) = shared("reference/directives.tsv") else {
        println!("SKIP: the list of systemd's directives is not here");
        return;
    };
    let text = std::fs::read_to_string(file).unwrap();
    let mut count = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')).skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        for section in fields[0].split(',') {
            assert!(
                find(section, fields[2]).is_some(),
                "[{section}] {}",
                fields[2]
            );
            count += 1;
        }
        let since: u16 = fields[6].trim_start_matches("<=").parse().unwrap();
        let row = find(fields[0].split(',').next().unwrap(), fields[2]).unwrap();
        let own =
            row.name == fields[2] && row.sections.contains(&fields[0].split(',').next().unwrap());
        assert!(!own || row.since == since, "{} since {since}", fields[2]);
    }
    assert!(count > 1000);
}

#[test]
fn defaults_are_systemds() {
    let draft = blank("a.service");
    let show = |name: &str| {
        let mut all = unit_properties().chain(type_properties(UnitType::Service));
        (all.find(|p| p.name == name).unwrap().get)(&draft.config)
    };
    use PropertyValue as V;
    let word = |text: &str| V::String(text.to_owned());
    for (name, value) in [
        ("Type", word("simple")),
        ("Restart", word("no")),
        ("NotifyAccess", word("none")),
        ("RestartUSec", V::U64(100_000)),
        ("TimeoutStartUSec", V::U64(90_000_000)),
        ("TimeoutStopUSec", V::U64(90_000_000)),
        ("TimeoutAbortUSec", V::U64(90_000_000)),
        ("RuntimeMaxUSec", V::U64(u64::MAX)),
        ("WatchdogUSec", V::U64(u64::MAX)),
        ("GuessMainPID", V::Bool(true)),
        ("UMask", V::U32(0o022)),
        ("LimitNOFILE", V::U64(524_288)),
        ("LimitNOFILESoft", V::U64(1024)),
        ("LimitCORE", V::U64(u64::MAX)),
        ("LimitCORESoft", V::U64(0)),
        ("LimitNICE", V::U64(0)),
        ("LimitMEMLOCK", V::U64(8 << 20)),
        ("CapabilityBoundingSet", V::U64((1 << 41) - 1)),
        ("AmbientCapabilities", V::U64(0)),
        ("IgnoreSIGPIPE", V::Bool(true)),
        ("StandardOutput", word("journal")),
        ("StandardError", word("inherit")),
        ("RuntimeDirectoryMode", V::U32(0o755)),
        ("KillMode", word("control-group")),
        ("KillSignal", V::I32(15)),
        ("RestartKillSignal", V::I32(15)),
        ("FinalKillSignal", V::I32(9)),
        ("SendSIGKILL", V::Bool(true)),
        ("MemoryMax", V::U64(u64::MAX)),
        ("ProtectSystem", word("no")),
        ("StartLimitIntervalUSec", V::U64(10_000_000)),
        ("StartLimitBurst", V::U32(5)),
        ("OnFailureJobMode", word("replace")),
        ("OnSuccessJobMode", word("fail")),
        ("DefaultDependencies", V::Bool(true)),
        ("CollectMode", word("inactive")),
    ] {
        assert_eq!(show(name), value, "{name}");
    }
}
