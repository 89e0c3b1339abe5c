//! One row per property: its name, type, how changes are announced, and what it is when
//! nothing is known of it.

use crate::bus::value::Value;
use crate::unit::directive::Property;

/// The EmitsChangedSignal annotation of a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bus) enum Emits {
    /// Fixed as long as the unit is loaded.
    Const,
    /// Sent with every PropertiesChanged.
    Change,
    /// Named in every PropertiesChanged, to be asked for.
    Invalidate,
    /// Changes without notice.
    Never,
}

impl Emits {
    /// The word of the annotation in introspection data.
    pub(in crate::bus) fn as_str(self) -> &'static str {
        match self {
            Emits::Const => "const",
            Emits::Change => "true",
            Emits::Invalidate => "invalidates",
            Emits::Never => "false",
        }
    }
}

/// What a property is when neither the unit's state nor its configuration says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::bus) enum Default {
    /// Not shown at all: there is no value that would not be a claim.
    Omit,
    /// Zero, false or empty, whatever the type has.
    Zero,
    /// systemd's "unset" and "infinity": all bits set.
    Max,
    /// `true`.
    True,
    /// This number.
    Number(i64),
    /// This text.
    Text(&'static str),
}

/// One property.
#[derive(Debug, Clone, Copy)]
pub(in crate::bus) struct Row {
    /// Name as systemd spells it.
    pub(in crate::bus) name: &'static str,
    /// D-Bus type.
    pub(in crate::bus) signature: &'static str,
    /// How changes are announced.
    pub(in crate::bus) emits: Emits,
    /// The value when nothing else gives one.
    pub(in crate::bus) default: Default,
    /// Whether it can be set through org.freedesktop.DBus.Properties.
    pub(in crate::bus) writable: bool,
    /// Whether a unit's state may have a value for it; else only its files are asked.
    pub(in crate::bus) live: bool,
    /// The directive behind it, if one is; not in the tables themselves.
    pub(in crate::bus) directive: Option<&'static Property>,
}

/// A row, in the order of its columns.
pub(super) const fn row(
    name: &'static str,
    signature: &'static str,
    emits: Emits,
    default: Default,
) -> Row {
    Row {
        name,
        signature,
        emits,
        default,
        writable: false,
        live: true,
        directive: None,
    }
}

/// Rows of settings, of which no state has a value.
pub(super) const fn settings<const N: usize>(mut rows: [Row; N]) -> [Row; N] {
    let mut at = 0;
    while at < N {
        rows[at].live = false;
        at += 1;
    }
    rows
}

impl Row {
    /// The row as one that can be set.
    pub(super) const fn writable(mut self) -> Row {
        self.writable = true;
        self
    }

    /// The default as a value of the row's type; `None` for [`Default::Omit`].
    pub(in crate::bus) fn default_value(&self) -> Option<Value> {
        match self.default {
            Default::Omit => None,
            Default::Zero => Some(Value::zero(self.signature)),
            Default::Max => Some(match self.signature {
                "u" => Value::U32(u32::MAX),
                _ => Value::U64(u64::MAX),
            }),
            Default::True => Some(Value::Bool(true)),
            Default::Number(number) => Value::number(self.signature, number),
            Default::Text(text) => Some(Value::from(text)),
        }
    }
}
