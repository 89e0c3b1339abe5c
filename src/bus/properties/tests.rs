//! The tables against themselves and against the directive table.

use super::row::{Default, Emits, Row};
use super::{
    ManagerSnapshot, UnitSnapshot, manager_rows, service, socket, type_rows, unit_rows, usage,
};
use crate::bus::offline::NoHost;
use crate::bus::value::Value;
use crate::engine::inspect::DEPENDENCY_PROPERTIES;
use crate::engine::{Engine, Event, Timestamp};
use crate::host::{Io, Traffic, Usage, View};
use crate::unit::directive::{PropertyValue, type_properties, unit_properties};
use crate::unit::load::{MemorySource, Settings, load_closure};
use crate::unit::name::{UnitName, UnitType};
use std::collections::BTreeSet;

fn tables() -> Vec<(&'static str, &'static [Row])> {
    vec![
        ("Manager", manager_rows()),
        ("Unit", unit_rows()),
        ("Service", type_rows(UnitType::Service)),
        ("Socket", type_rows(UnitType::Socket)),
    ]
}

#[test]
fn every_row_is_there_once_and_its_default_fits_its_type() {
    for (table, rows) in tables() {
        let mut names = BTreeSet::new();
        for row in rows {
            assert!(names.insert(row.name), "{table}.{} twice", row.name);
            let default = row.default_value();
            assert_eq!(
                default.is_none(),
                row.default == Default::Omit,
                "{table}.{}",
                row.name
            );
        }
    }
}

#[test]
fn the_tables_begin_as_systemds_do() {
    assert_eq!(manager_rows()[0].name, "Version");
    assert_eq!(unit_rows()[0].name, "Id");
    assert_eq!(type_rows(UnitType::Service)[0].name, "Type");
    assert!(type_rows(UnitType::Service).len() >= 297);
    assert!(type_rows(UnitType::Target).len() < 5);
}

#[test]
fn the_directive_table_and_the_rows_agree_on_types() {
    let signature = |rows: &'static [Row], name: &str| {
        let row = rows.iter().find(|row| row.name == name);
        row.map(|row| row.signature)
    };
    for property in unit_properties() {
        let wanted = signature(unit_rows(), property.name);
        assert_eq!(wanted, Some(property.signature), "{}", property.name);
    }
    for property in type_properties(UnitType::Service) {
        let wanted = signature(type_rows(UnitType::Service), property.name);
        assert_eq!(wanted, Some(property.signature), "{}", property.name);
    }
}

#[test]
fn directive_values_are_converted_by_signature() {
    let convert = Value::from_property;
    assert_eq!(convert(PropertyValue::U64(7), "t"), Some(Value::U64(7)));
    assert_eq!(convert(PropertyValue::U64(7), "u"), None);
    assert_eq!(convert(PropertyValue::U32(7), "q"), Some(Value::U16(7)));
    let file = PropertyValue::Struct(vec![
        PropertyValue::String("/e".to_owned()),
        PropertyValue::Bool(true),
    ]);
    assert_eq!(
        convert(PropertyValue::Array(vec![file.clone()]), "a(sb)"),
        Some(Value::Array(vec![Value::Struct(vec![
            Value::from("/e"),
            Value::Bool(true)
        ])]))
    );
    assert_eq!(convert(PropertyValue::Array(vec![file]), "a(sbb)"), None);
    assert_eq!(
        convert(PropertyValue::Bytes(vec![1]), "ay"),
        Some(Value::Bytes(vec![1]))
    );
    assert_eq!(
        convert(PropertyValue::Strings(Vec::new()), "as"),
        Some(Value::Array(Vec::new()))
    );
}

#[test]
fn zero_has_the_shape_of_its_type() {
    assert_eq!(Value::zero("t"), Value::U64(0));
    assert_eq!(Value::zero("ay"), Value::Bytes(Vec::new()));
    assert_eq!(
        Value::zero("(bas)"),
        Value::Struct(vec![Value::Bool(false), Value::Array(Vec::new())])
    );
    assert_eq!(
        Value::zero("(uo)"),
        Value::Struct(vec![Value::U32(0), Value::Word("/")])
    );
}

/// A service and a socket, loaded.
fn engine() -> Engine {
    let source = MemorySource::new()
        .file("/u/a.service", "[Service]\nExecStart=/bin/a\n")
        .file("/u/a.socket", "[Socket]\nListenStream=/a\n");
    let settings = Settings {
        path: vec!["/u".to_owned()],
        ..Settings::default()
    };
    let names = ["a.service", "a.socket"].map(|name| UnitName::parse(name).unwrap());
    let units = load_closure(&names.into(), &BTreeSet::new(), &settings, &source);
    let mut engine = Engine::new(1);
    let units = units.into_values().collect();
    engine.handle(Timestamp::default(), Event::Load { units });
    engine
}

#[test]
fn one_property_of_the_manager_is_as_among_all() {
    let engine = engine();
    let view = View {
        engine: &engine,
        facts: &NoHost,
    };
    let all = ManagerSnapshot::take(&view);
    assert!(all.units >= 2 && all.names >= all.units);
    for row in manager_rows() {
        let one = ManagerSnapshot::take_for(&view, Some(row.name));
        assert_eq!(one.value(row), all.value(row), "{}", row.name);
    }
}

#[test]
fn no_state_has_a_value_for_what_only_files_say() {
    let engine = engine();
    let view = View {
        engine: &engine,
        facts: &NoHost,
    };
    let used = Usage {
        io: Some(Io::default()),
        traffic: Some(Traffic::default()),
        ..Usage::default()
    };
    let service = UnitSnapshot::take(&view, "a.service").unwrap();
    let socket = UnitSnapshot::take(&view, "a.socket").unwrap();
    let (mut live, mut written) = (0, 0);
    for (unit_type, state) in [(UnitType::Service, &service), (UnitType::Socket, &socket)] {
        for row in type_rows(unit_type) {
            let value = match unit_type {
                UnitType::Service => service::live(state, row.name),
                _ => socket::live(state, row.name),
            };
            let value = value.or_else(|| usage::live(&used, row.name));
            match row.live {
                true => live += usize::from(value.is_some()),
                false => {
                    written += 1;
                    assert_eq!(value, None, "{}", row.name);
                }
            }
        }
    }
    assert!(live > 20 && written > 300, "{live} {written}");
}

#[test]
fn what_is_told_of_a_change_needs_nothing_that_is_not_looked_for() {
    let looked_for = |name: &str| {
        DEPENDENCY_PROPERTIES.contains(&name)
            || [
                "SliceOf",
                "ControlGroup",
                "Transient",
                "UnitFileState",
                "UnitFilePreset",
            ]
            .contains(&name)
            || usage::is_usage(name)
    };
    let of_types = UnitType::ALL
        .into_iter()
        .flat_map(|it| type_rows(it).iter());
    let mut told = of_types
        .chain(unit_rows())
        .filter(|row| row.emits == Emits::Change);
    assert_eq!(
        told.find(|row| looked_for(row.name)).map(|row| row.name),
        None
    );
}
