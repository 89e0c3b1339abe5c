//! Values on their way to the wire.
//!
//! zbus's own dictionaries sort their keys, but clients print properties in the order they
//! come; so bodies are made of these and serialised by their signature.

use super::member::length_of_first;
use crate::unit::directive::PropertyValue;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, SerializeStruct, Serializer};
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::str::FromStr;
use std::sync::Arc;
use zbus::{DynamicType, Signature};

/// A value of any D-Bus type that the manager sends.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// `y`.
    Byte(u8),
    /// `b`.
    Bool(bool),
    /// `q`.
    U16(u16),
    /// `i`.
    I32(i32),
    /// `u`.
    U32(u32),
    /// `x`.
    I64(i64),
    /// `t`.
    U64(u64),
    /// `d`.
    F64(f64),
    /// `s`, `o` or `g`: the signature tells.
    String(String),
    /// The same, of the program's own.
    Word(&'static str),
    /// `ay`.
    Bytes(Vec<u8>),
    /// Any other array.
    Array(Vec<Value>),
    /// `(...)`.
    Struct(Vec<Value>),
    /// `a{..}`, in this order.
    Map(Vec<(Value, Value)>),
    /// `v`: a value with its signature.
    Variant(&'static str, Box<Value>),
    /// `h`.
    Descriptor(Descriptor),
    /// Any value that is the only one of its body, as the bytes that [`super::encode`] makes of it;
    /// for bodies that are not shown to others.
    Encoded(Vec<u8>),
}

/// A descriptor that goes along with a reply.
#[derive(Debug, Clone)]
pub(super) struct Descriptor(Arc<OwnedFd>);

impl PartialEq for Descriptor {
    /// Whether it is the very same.
    fn eq(&self, other: &Descriptor) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl From<OwnedFd> for Value {
    fn from(descriptor: OwnedFd) -> Value {
        Value::Descriptor(Descriptor(Arc::new(descriptor)))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::String(text)
    }
}

impl Value {
    /// A variant.
    pub(super) fn variant(signature: &'static str, value: Value) -> Value {
        Value::Variant(signature, Box::new(value))
    }

    /// An array of strings.
    pub(super) fn strings<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Value {
        Value::Array(texts.into_iter().map(|t| Value::String(t.into())).collect())
    }

    /// `a{sv}`, from names, signatures and values.
    pub(super) fn properties(
        entries: impl IntoIterator<Item = (&'static str, &'static str, Value)>,
    ) -> Value {
        Value::Map(
            entries
                .into_iter()
                .map(|(name, signature, value)| {
                    (Value::Word(name), Value::variant(signature, value))
                })
                .collect(),
        )
    }

    /// Zero, false or empty of a single complete type.
    pub(super) fn zero(signature: &str) -> Value {
        match signature.as_bytes() {
            [b'y', ..] => Value::Byte(0),
            [b'b', ..] => Value::Bool(false),
            [b'q', ..] => Value::U16(0),
            [b'i', ..] => Value::I32(0),
            [b'u', ..] => Value::U32(0),
            [b'x', ..] => Value::I64(0),
            [b't', ..] => Value::U64(0),
            [b'd', ..] => Value::F64(0.0),
            [b'o', ..] => Value::Word("/"),
            [b'a', b'y', ..] => Value::Bytes(Vec::new()),
            [b'a', b'{', ..] => Value::Map(Vec::new()),
            [b'a', ..] => Value::Array(Vec::new()),
            [b'(', ..] => Value::Struct(fields(signature).map(Value::zero).collect()),
            _ => Value::Word(""),
        }
    }

    /// A number of an integer type; `None` if the type is none or too small.
    pub(super) fn number(signature: &str, number: i64) -> Option<Value> {
        Some(match signature {
            "y" => Value::Byte(number.try_into().ok()?),
            "q" => Value::U16(number.try_into().ok()?),
            "i" => Value::I32(number.try_into().ok()?),
            "u" => Value::U32(number.try_into().ok()?),
            "x" => Value::I64(number),
            "t" => Value::U64(number.try_into().ok()?),
            _ => return None,
        })
    }

    /// A directive's value as a value of this type; `None` if it is of another.
    pub(super) fn from_property(value: PropertyValue, signature: &str) -> Option<Value> {
        from_property(value, signature)
    }
}

/// The types of a struct's fields.
fn fields(types: &str) -> impl Iterator<Item = &str> {
    let mut rest = inside(types);
    std::iter::from_fn(move || {
        let (one, behind) = rest.split_at(length_of_first(rest));
        rest = behind;
        (!one.is_empty()).then_some(one)
    })
}

/// What is between the braces of a struct or dictionary entry.
pub(super) fn inside(types: &str) -> &str {
    types.get(1..types.len().saturating_sub(1)).unwrap_or("")
}

fn from_property(value: PropertyValue, types: &str) -> Option<Value> {
    Some(match (value, types) {
        (PropertyValue::Bool(value), "b") => Value::Bool(value),
        (PropertyValue::I32(value), "i") => Value::I32(value),
        (PropertyValue::U32(value), "u") => Value::U32(value),
        (PropertyValue::U32(value), "q") => Value::U16(value.try_into().ok()?),
        (PropertyValue::I64(value), "x") => Value::I64(value),
        (PropertyValue::U64(value), "t") => Value::U64(value),
        (PropertyValue::String(value), "s" | "o") => Value::String(value),
        (PropertyValue::Bytes(value), "ay") => Value::Bytes(value),
        (PropertyValue::Strings(values), "as") => Value::strings(values),
        (PropertyValue::Array(values), _) => {
            let element = types.strip_prefix('a')?;
            let convert = |value| from_property(value, element);
            Value::Array(values.into_iter().map(convert).collect::<Option<_>>()?)
        }
        (PropertyValue::Struct(values), _) if types.starts_with('(') => {
            if fields(types).count() != values.len() {
                return None;
            }
            let pairs = values.into_iter().zip(fields(types));
            let convert = |(value, one)| from_property(value, one);
            Value::Struct(pairs.map(convert).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

impl fmt::Display for Value {
    /// For people: lists with blanks between, structs in braces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, values: &[Value]| {
            for (index, value) in values.iter().enumerate() {
                let gap = if index == 0 { "" } else { " " };
                write!(f, "{gap}{value}")?;
            }
            Ok(())
        };
        match self {
            Value::Byte(value) => value.fmt(f),
            Value::Bool(value) => f.write_str(if *value { "yes" } else { "no" }),
            Value::U16(value) => value.fmt(f),
            Value::I32(value) => value.fmt(f),
            Value::U32(value) => value.fmt(f),
            Value::I64(value) => value.fmt(f),
            Value::U64(u64::MAX) => f.write_str("infinity"),
            Value::U64(value) => value.fmt(f),
            Value::F64(value) => value.fmt(f),
            Value::String(value) => f.write_str(value),
            Value::Word(value) => f.write_str(value),
            Value::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Value::Array(values) => list(f, values),
            Value::Struct(fields) => {
                f.write_str("{ ")?;
                list(f, fields)?;
                f.write_str(" }")
            }
            Value::Map(entries) => entries
                .iter()
                .try_for_each(|(key, value)| write!(f, "{key}={value} ")),
            Value::Variant(_, value) => value.fmt(f),
            Value::Descriptor(descriptor) => descriptor.0.as_raw_fd().fmt(f),
            Value::Encoded(bytes) => write!(f, "{} bytes", bytes.len()),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Byte(value) => serializer.serialize_u8(*value),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::U16(value) => serializer.serialize_u16(*value),
            Value::I32(value) => serializer.serialize_i32(*value),
            Value::U32(value) => serializer.serialize_u32(*value),
            Value::I64(value) => serializer.serialize_i64(*value),
            Value::U64(value) => serializer.serialize_u64(*value),
            Value::F64(value) => serializer.serialize_f64(*value),
            Value::String(value) => serializer.serialize_str(value),
            Value::Word(value) => serializer.serialize_str(value),
            Value::Bytes(bytes) => sequence(serializer, bytes),
            Value::Array(values) => sequence(serializer, values),
            Value::Struct(fields) => structure(serializer, fields),
            Value::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
            Value::Variant(signature, value) => {
                let mut variant = serializer.serialize_struct("Variant", 2)?;
                variant.serialize_field("signature", signature)?;
                variant.serialize_field("value", value.as_ref())?;
                variant.end()
            }
            Value::Descriptor(descriptor) => {
                zbus::Fd::from(descriptor.0.as_fd()).serialize(serializer)
            }
            Value::Encoded(_) => Err(serde::ser::Error::custom("it is encoded already")),
        }
    }
}

fn sequence<S: Serializer, T: Serialize>(serializer: S, values: &[T]) -> Result<S::Ok, S::Error> {
    let mut sequence = serializer.serialize_seq(Some(values.len()))?;
    for value in values {
        sequence.serialize_element(value)?;
    }
    sequence.end()
}

fn structure<S: Serializer>(serializer: S, fields: &[Value]) -> Result<S::Ok, S::Error> {
    let mut structure = serializer.serialize_struct("Struct", fields.len())?;
    for field in fields {
        structure.serialize_field("field", field)?;
    }
    structure.end()
}

/// The arguments of a reply or signal.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Body {
    /// All arguments' types in a row; empty for none.
    signature: &'static str,
    arguments: Vec<Value>,
}

impl Body {
    /// No arguments.
    pub(super) const EMPTY: Body = Body {
        signature: "",
        arguments: Vec::new(),
    };

    /// One argument.
    pub(super) fn one(signature: &'static str, value: Value) -> Body {
        Body {
            signature,
            arguments: vec![value],
        }
    }

    /// Arguments of these types.
    pub(super) fn of(signature: &'static str, arguments: Vec<Value>) -> Body {
        Body {
            signature,
            arguments,
        }
    }

    /// All arguments' types in a row.
    pub(super) fn signature(&self) -> &'static str {
        self.signature
    }

    /// The arguments.
    pub(super) fn arguments(&self) -> &[Value] {
        &self.arguments
    }

    /// Whether a descriptor goes along; only as an argument of its own.
    pub(super) fn has_descriptor(&self) -> bool {
        let mut arguments = self.arguments.iter();
        arguments.any(|argument| matches!(argument, Value::Descriptor(_)))
    }

    /// Whether it is encoded already.
    pub(super) fn is_encoded(&self) -> bool {
        matches!(self.arguments.as_slice(), [Value::Encoded(_)])
    }

    /// One object path.
    pub(super) fn path(path: String) -> Body {
        Body::one("o", Value::String(path))
    }
}

impl DynamicType for Body {
    fn signature(&self) -> Signature {
        // Every signature here is a literal of this module's users, tried by their tests.
        Signature::from_str(self.signature).unwrap_or(Signature::Unit)
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.arguments.as_slice() {
            [] => serializer.serialize_unit(),
            [argument] => argument.serialize(serializer),
            arguments => structure(serializer, arguments),
        }
    }
}
