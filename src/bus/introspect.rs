//! Introspection data: XML made from the property tables and the lists of methods here.

use super::dispatch::{INTROSPECTABLE, PEER, PROPERTIES};
use super::own;
use super::properties::row::Row;
use super::properties::{
    JOB_INTERFACE, MANAGER_INTERFACE, UNIT_INTERFACE, manager_rows, own_rows, type_interface,
    type_rows, unit_rows,
};
use super::value::{Body, Value};
use crate::unit::name::UnitType;
use std::fmt::Write as _;

const DOCTYPE: &str = "<!DOCTYPE node PUBLIC \
    \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n \
    \"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n";

/// A method or signal: name, types in, types out.
type Member = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

const UNIT_METHODS: &[Member] = &[
    ("Start", &["s"], &["o"]),
    ("Stop", &["s"], &["o"]),
    ("Reload", &["s"], &["o"]),
    ("Restart", &["s"], &["o"]),
    ("TryRestart", &["s"], &["o"]),
    ("ReloadOrRestart", &["s"], &["o"]),
    ("ReloadOrTryRestart", &["s"], &["o"]),
    ("Kill", &["s", "i"], &[]),
    ("ResetFailed", &[], &[]),
    ("Ref", &[], &[]),
    ("Unref", &[], &[]),
];

const TYPE_METHODS: &[Member] = &[("GetProcesses", &[], &["a(sus)"])];

const UNITS: &str = "a(ssssssouso)";

const MANAGER_METHODS: &[Member] = &[
    ("GetUnit", &["s"], &["o"]),
    ("GetUnitByPID", &["u"], &["o"]),
    ("LoadUnit", &["s"], &["o"]),
    ("StartUnit", &["s", "s"], &["o"]),
    ("StopUnit", &["s", "s"], &["o"]),
    ("ReloadUnit", &["s", "s"], &["o"]),
    ("RestartUnit", &["s", "s"], &["o"]),
    ("TryRestartUnit", &["s", "s"], &["o"]),
    ("ReloadOrRestartUnit", &["s", "s"], &["o"]),
    ("ReloadOrTryRestartUnit", &["s", "s"], &["o"]),
    ("KillUnit", &["s", "s", "i"], &[]),
    ("ResetFailedUnit", &["s"], &[]),
    ("GetUnitProcesses", &["s"], &["a(sus)"]),
    ("GetJob", &["u"], &["o"]),
    ("RefUnit", &["s"], &[]),
    ("UnrefUnit", &["s"], &[]),
    ("ResetFailed", &[], &[]),
    ("ListUnits", &[], &[UNITS]),
    ("ListUnitsFiltered", &["as"], &[UNITS]),
    ("ListUnitsByPatterns", &["as", "as"], &[UNITS]),
    ("ListUnitsByNames", &["as"], &[UNITS]),
    ("ListJobs", &[], &["a(usssoo)"]),
    ("Subscribe", &[], &[]),
    ("Unsubscribe", &[], &[]),
    ("Reload", &[], &[]),
    ("GetUnitFileState", &["s"], &["s"]),
    ("GetUnitFileLinks", &["s", "b"], &["as"]),
    ("ListUnitFiles", &[], &["a(ss)"]),
    ("ListUnitFilesByPatterns", &["as", "as"], &["a(ss)"]),
    ("GetDefaultTarget", &[], &["s"]),
    ("SetDefaultTarget", &["s", "b"], &[CHANGES]),
    ("EnableUnitFiles", &["as", "b", "b"], &["b", CHANGES]),
    ("EnableUnitFilesWithFlags", &["as", "t"], &["b", CHANGES]),
    ("DisableUnitFiles", &["as", "b"], &[CHANGES]),
    ("DisableUnitFilesWithFlags", &["as", "t"], &[CHANGES]),
    (
        "DisableUnitFilesWithFlagsAndInstallInfo",
        &["as", "t"],
        &["b", CHANGES],
    ),
    ("ReenableUnitFiles", &["as", "b", "b"], &["b", CHANGES]),
    ("LinkUnitFiles", &["as", "b", "b"], &[CHANGES]),
    ("MaskUnitFiles", &["as", "b", "b"], &[CHANGES]),
    ("UnmaskUnitFiles", &["as", "b"], &[CHANGES]),
    ("PresetUnitFiles", &["as", "b", "b"], &["b", CHANGES]),
    (
        "PresetUnitFilesWithMode",
        &["as", "s", "b", "b"],
        &["b", CHANGES],
    ),
    ("PresetAllUnitFiles", &["s", "b", "b"], &[CHANGES]),
    ("RevertUnitFiles", &["as"], &[CHANGES]),
    (
        "AddDependencyUnitFiles",
        &["as", "s", "s", "b", "b"],
        &[CHANGES],
    ),
];

/// Changes of unit files: type, path, source.
const CHANGES: &str = "a(sss)";

const MANAGER_SIGNALS: &[Member] = &[
    ("UnitNew", &[], &["s", "o"]),
    ("UnitRemoved", &[], &["s", "o"]),
    ("JobNew", &[], &["u", "o", "s"]),
    ("JobRemoved", &[], &["u", "o", "s", "s"]),
    ("Reloading", &[], &["b"]),
    ("UnitFilesChanged", &[], &[]),
];

const OWN_METHODS: &[Member] = &[
    ("List", &["as"], &["a(sa{sv})"]),
    ("GetStatus", &[], &["a{sv}"]),
    ("ReadLog", &["as", "u"], &[own::LINES]),
    ("FollowLog", &["as", "u"], &[own::LINES]),
    ("StartUnit", &["s", "s"], &["o", "b"]),
    ("ListUnitFiles", &["as", "as"], &[own::UNIT_FILES]),
    ("Plan", &["s", "as", "s"], &["a{sv}"]),
];

const OWN_SIGNALS: &[Member] = &[("Logged", &[], &["t", "t", "s", "i", "s", "s"])];

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

/// The manager object.
pub(super) fn manager() -> String {
    document(|xml| {
        standard(xml);
        interface(
            xml,
            MANAGER_INTERFACE,
            MANAGER_METHODS,
            MANAGER_SIGNALS,
            manager_rows(),
        );
        interface(xml, own::INTERFACE, OWN_METHODS, OWN_SIGNALS, &[]);
        xml.push_str(" <node name=\"unit\"/>\n <node name=\"job\"/>\n");
    })
}

/// A unit object.
pub(super) fn unit(unit_type: UnitType) -> String {
    document(|xml| {
        standard(xml);
        interface(xml, UNIT_INTERFACE, UNIT_METHODS, &[], unit_rows());
        let rows = type_rows(unit_type);
        interface(xml, type_interface(unit_type), TYPE_METHODS, &[], rows);
        interface(xml, own::INTERFACE, &[], &[], &own_rows());
    })
}

/// A job object.
pub(super) fn job() -> String {
    document(|xml| {
        standard(xml);
        let property = |name, signature| {
            format!("  <property name=\"{name}\" type=\"{signature}\" access=\"read\"/>\n")
        };
        let _ = writeln!(xml, " <interface name=\"{JOB_INTERFACE}\">");
        for (name, signature) in [
            ("Id", "u"),
            ("Unit", "(so)"),
            ("JobType", "s"),
            ("State", "s"),
        ] {
            xml.push_str(&property(name, signature));
        }
        xml.push_str(" </interface>\n");
    })
}

// Writing to a String cannot fail, so the results below are dropped.

fn document(content: impl FnOnce(&mut String)) -> String {
    let mut xml = format!("{DOCTYPE}<node>\n");
    content(&mut xml);
    xml.push_str("</node>\n");
    xml
}

/// The interfaces that every object has.
fn standard(xml: &mut String) {
    let peer: &[Member] = &[("Ping", &[], &[]), ("GetMachineId", &[], &["s"])];
    let introspectable: &[Member] = &[("Introspect", &[], &["s"])];
    let properties: &[Member] = &[
        ("Get", &["s", "s"], &["v"]),
        ("GetAll", &["s"], &["a{sv}"]),
        ("Set", &["s", "s", "v"], &[]),
    ];
    let changed: &[Member] = &[("PropertiesChanged", &[], &["s", "a{sv}", "as"])];
    interface(xml, PEER, peer, &[], &[]);
    interface(xml, INTROSPECTABLE, introspectable, &[], &[]);
    interface(xml, PROPERTIES, properties, changed, &[]);
}

fn interface(xml: &mut String, name: &str, methods: &[Member], signals: &[Member], rows: &[Row]) {
    let _ = writeln!(xml, " <interface name=\"{name}\">");
    for (method, input, output) in methods {
        let _ = writeln!(xml, "  <method name=\"{method}\">");
        for (types, direction) in [(input, "in"), (output, "out")] {
            for signature in *types {
                let _ = writeln!(
                    xml,
                    "   <arg type=\"{signature}\" direction=\"{direction}\"/>"
                );
            }
        }
        xml.push_str("  </method>\n");
    }
    for row in rows {
        let _ = writeln!(
            xml,
            "  <property name=\"{}\" type=\"{}\" access=\"read\">\n   \
             <annotation name=\"org.freedesktop.DBus.Property.EmitsChangedSignal\" \
             value=\"{}\"/>\n  </property>",
            row.name,
            row.signature,
            row.emits.as_str()
        );
    }
    for (signal, _, output) in signals {
        let _ = writeln!(xml, "  <signal name=\"{signal}\">");
        for signature in *output {
            let _ = writeln!(xml, "   <arg type=\"{signature}\"/>");
        }
        xml.push_str("  </signal>\n");
    }
    xml.push_str(" </interface>\n");
}
