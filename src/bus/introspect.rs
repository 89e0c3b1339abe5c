//! Introspection data: XML made from the property tables and the lists of methods here.

use super::dispatch::{INTROSPECTABLE, PEER, PROPERTIES};
use super::member::{Method, Signal, look, signal, single_types, type_methods, type_signals};
use super::properties::row::Row;
use super::properties::{
    JOB_INTERFACE, MANAGER_INTERFACE, NEWER_USAGE, UNIT_INTERFACE, job_rows, log_control_rows,
    manager_rows, own_rows, type_interface, type_rows, unit_rows,
};
use super::value::{Body, Value};
use super::{log_control, monitor, names, own, table_members};
use crate::unit::name::UnitType;
use std::fmt::Write as _;

const DOCTYPE: &str = "<!DOCTYPE node PUBLIC \
    \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n \
    \"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n";

/// The reply to Introspect.
pub(super) fn body(xml: String) -> Body {
    Body::one("s", Value::String(xml))
}

/// A node that only has children.
pub(super) fn node(children: &[String]) -> String {
    document(|xml| {
        standard(xml);
        for child in children {
            let _ = writeln!(xml, " <node name=\"{child}\"/>");
        }
    })
}

/// The bus itself, with what is below the object that was asked for.
pub(super) fn bus(children: &[String]) -> String {
    document(|xml| {
        standard(xml);
        interface(
            xml,
            names::BUS,
            table_members::BUS,
            table_members::BUS_SIGNALS,
            &[],
        );
        interface(xml, monitor::INTERFACE, table_members::MONITORING, &[], &[]);
        for child in children {
            let _ = writeln!(xml, " <node name=\"{child}\"/>");
        }
    })
}

/// The manager object.
pub(super) fn manager() -> String {
    document(|xml| {
        standard(xml);
        interface(
            xml,
            MANAGER_INTERFACE,
            table_members::MANAGER,
            table_members::MANAGER_SIGNALS,
            manager_rows(),
        );
        interface(xml, own::INTERFACE, own::METHODS, own::SIGNALS, &[]);
        xml.push_str(" <node name=\"unit\"/>\n <node name=\"job\"/>\n");
    })
}

/// The log object.
pub(super) fn log_control() -> String {
    document(|xml| {
        standard(xml);
        interface(xml, log_control::INTERFACE, &[], &[], log_control_rows());
    })
}

/// A unit object.
pub(super) fn unit(unit_type: UnitType) -> String {
    document(|xml| {
        standard(xml);
        interface(xml, UNIT_INTERFACE, table_members::UNIT, &[], unit_rows());
        interface(
            xml,
            type_interface(unit_type),
            type_methods(unit_type),
            type_signals(unit_type),
            type_rows(unit_type),
        );
        interface(xml, own::INTERFACE, &[], &[], &own_rows());
        own_properties(xml);
    })
}

fn own_properties(xml: &mut String) {
    let _ = writeln!(xml, " <interface name=\"{}\">", own::UNIT_INTERFACE);
    let usage = NEWER_USAGE.iter().map(|name| (*name, "t"));
    for (name, signature) in [(own::EFFECTIVE_SETTINGS, "as"), (own::PROBES, "as")]
        .into_iter()
        .chain(usage)
    {
        let _ = writeln!(
            xml,
            "  <property name=\"{name}\" type=\"{signature}\" access=\"read\"/>"
        );
    }
    let _ = writeln!(xml, " </interface>");
}

/// A job object.
pub(super) fn job() -> String {
    document(|xml| {
        standard(xml);
        interface(xml, JOB_INTERFACE, table_members::JOB, &[], job_rows());
    })
}

// Writing to a String cannot fail, so the results below are dropped.

fn document(content: impl FnOnce(&mut String)) -> String {
    let mut xml = format!("{DOCTYPE}<node>\n");
    content(&mut xml);
    xml.push_str("</node>\n");
    xml
}

const PEER_METHODS: &[Method] = &[
    look("Ping", "", "", "", ""),
    look("GetMachineId", "", "", "s", "machine_uuid"),
];

const INTROSPECTABLE_METHODS: &[Method] = &[look("Introspect", "", "", "s", "xml_data")];

const PROPERTIES_METHODS: &[Method] = &[
    look("Get", "ss", "interface_name,property_name", "v", "value"),
    look("GetAll", "s", "interface_name", "a{sv}", "props"),
    look("Set", "ssv", "interface_name,property_name,value", "", ""),
];

const PROPERTIES_SIGNALS: &[Signal] = &[signal(
    "PropertiesChanged",
    "sa{sv}as",
    "interface_name,changed_properties,invalidated_properties",
)];

/// The interfaces that every object has.
fn standard(xml: &mut String) {
    interface(xml, PEER, PEER_METHODS, &[], &[]);
    interface(xml, INTROSPECTABLE, INTROSPECTABLE_METHODS, &[], &[]);
    interface(xml, PROPERTIES, PROPERTIES_METHODS, PROPERTIES_SIGNALS, &[]);
}

fn interface(xml: &mut String, name: &str, methods: &[Method], signals: &[Signal], rows: &[Row]) {
    let _ = writeln!(xml, " <interface name=\"{name}\">");
    for method in methods {
        let _ = writeln!(xml, "  <method name=\"{}\">", method.name);
        arguments(xml, method.input, method.input_names, " direction=\"in\"");
        arguments(
            xml,
            method.output,
            method.output_names,
            " direction=\"out\"",
        );
        xml.push_str("  </method>\n");
    }
    for row in rows {
        let access = if row.writable { "readwrite" } else { "read" };
        let _ = writeln!(
            xml,
            "  <property name=\"{}\" type=\"{}\" access=\"{access}\">\n   \
             <annotation name=\"org.freedesktop.DBus.Property.EmitsChangedSignal\" \
             value=\"{}\"/>\n  </property>",
            row.name,
            row.signature,
            row.emits.as_str()
        );
    }
    for signal in signals {
        let _ = writeln!(xml, "  <signal name=\"{}\">", signal.name);
        arguments(xml, signal.types, signal.names, "");
        xml.push_str("  </signal>\n");
    }
    xml.push_str(" </interface>\n");
}

fn arguments(xml: &mut String, types: &str, names: &str, direction: &str) {
    for (one, name) in single_types(types).into_iter().zip(names.split(',')) {
        let _ = writeln!(xml, "   <arg type=\"{one}\" name=\"{name}\"{direction}/>");
    }
}

#[cfg(test)]
mod tests;
