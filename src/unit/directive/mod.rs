//! The table of directives: one row each, the single place that knows a directive's name,
//! section, spelling of old, value, D-Bus property and level of support.
//!
//! The loader, `show`, the D-Bus properties and the manuals are derived from it. A row's
//! parser only records the value in the configuration; acting on it is the engine's and the
//! exec plan's part.

use super::config::UnitConfig;
use super::name::UnitType;

/// A value as D-Bus carries it, without knowing D-Bus.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum PropertyValue {
    Bool(bool),
    I32(i32),
    U32(u32),
    I64(i64),
    U64(u64),
    String(String),
    /// `ay`.
    Bytes(Vec<u8>),
    /// `as`.
    Strings(Vec<String>),
    /// A struct, field by field.
    Struct(Vec<PropertyValue>),
    /// An array; the element signature stands in the property's own.
    Array(Vec<PropertyValue>),
}

/// A D-Bus property that a directive is shown as.
#[derive(Debug, Clone, Copy)]
pub struct Property {
    /// The property's name, as systemd 252 has it.
    pub name: &'static str,
    /// Its D-Bus signature.
    pub signature: &'static str,
    /// Reads it from a configuration.
    pub get: fn(&UnitConfig) -> PropertyValue,
}

/// How far this build carries a directive out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// As in systemd.
    Full,
    /// Parsed and shown; without effect here, for the reason given.
    Accepted(&'static str),
    /// Parsed and kept; the part named is still to come.
    Planned(&'static str),
    /// A unit that sets it does not start, for the reason given.
    Refused(&'static str),
}

/// The D-Bus properties of [Unit], in the table's order.
pub fn unit_properties() -> impl Iterator<Item = &'static Property> {
    std::iter::empty()
}

/// The D-Bus properties of a type's own section, in the table's order.
pub fn type_properties(unit_type: UnitType) -> impl Iterator<Item = &'static Property> {
    let _ = unit_type;
    std::iter::empty()
}
