//! Values as bytes on the wire, and messages around them.
//!
//! zbus would do it from the same values through serde; this does it without asking every text and
//! every variant for its type again, which makes lists of thousands of units and objects with
//! hundreds of properties several times cheaper. Only answers go this way: signals are compared
//! with match rules, and are built by zbus.
//!
//! Invariant: a body is begun at a multiple of eight, so places in it are its own offsets.

use super::member::length_of_first;
use super::value::{Body, Value, inside};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

/// The codes of header fields.
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SENDER: u8 = 7;
const SIGNATURE: u8 = 8;

const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;
const NO_REPLY_EXPECTED: u8 = 1;
const VERSION: u8 = 1;

/// A value is not of the type that its place has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a value of type {0} has another type in the reply")]
pub(super) struct Mismatch(String);

/// Who is answered, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Envelope<'a> {
    /// The call.
    pub(super) answers: NonZeroU32,
    /// On a bus, the client.
    pub(super) destination: Option<&'a str>,
    /// Who answers.
    pub(super) sender: &'a str,
    /// The error's name, if it is one.
    pub(super) error: Option<&'a str>,
}

/// A whole message.
///
/// # Errors
/// A value is not of its type.
pub(super) fn reply(envelope: &Envelope<'_>, body: &Body) -> Result<Vec<u8>, Mismatch> {
    let room = match body.arguments() {
        [Value::Encoded(content)] => content.len(),
        _ => 0,
    };
    let mut bytes = Vec::with_capacity(256 + room);
    let kind = match envelope.error {
        Some(_) => ERROR,
        None => METHOD_RETURN,
    };
    bytes.extend([b'l', kind, NO_REPLY_EXPECTED, VERSION]);
    // The length of the body, known at the end.
    bytes.extend([0; 4]);
    bytes.extend(next_serial().to_le_bytes());
    bytes.extend([0; 4]);
    let fields = bytes.len();
    bytes.extend([REPLY_SERIAL, 1, b'u', 0]);
    bytes.extend(envelope.answers.get().to_le_bytes());
    for (code, text) in [
        (ERROR_NAME, envelope.error),
        (DESTINATION, envelope.destination),
        (SENDER, Some(envelope.sender)),
    ] {
        if let Some(text) = text {
            pad(&mut bytes, 8);
            bytes.extend([code, 1, b's', 0]);
            string(&mut bytes, text);
        }
    }
    if !body.signature().is_empty() {
        pad(&mut bytes, 8);
        bytes.extend([SIGNATURE, 1, b'g', 0]);
        signature(&mut bytes, body.signature());
    }
    put_length(&mut bytes, fields - 4, fields);
    pad(&mut bytes, 8);
    let begin = bytes.len();
    let mut types = body.signature();
    for argument in body.arguments() {
        let (one, behind) = types.split_at(length_of_first(types));
        value(&mut bytes, one, argument)?;
        types = behind;
    }
    put_length(&mut bytes, 4, begin);
    Ok(bytes)
}

/// Numbers of messages: nobody answers an answer, so they need not differ from zbus's.
fn next_serial() -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1).max(1)
}

/// Writes what came since `begin` as a length into the four bytes at `place`.
fn put_length(bytes: &mut [u8], place: usize, begin: usize) {
    // Messages are no longer than 128 MiB; what is longer is refused by whoever reads it.
    let length = u32::try_from(bytes.len() - begin).unwrap_or(u32::MAX);
    bytes[place..place + 4].copy_from_slice(&length.to_le_bytes());
}

fn pad(bytes: &mut Vec<u8>, to: usize) {
    const ZEROS: [u8; 8] = [0; 8];
    let missing = bytes.len().next_multiple_of(to) - bytes.len();
    if missing > 0 {
        bytes.extend_from_slice(&ZEROS[..missing]);
    }
}

fn fixed<const N: usize>(bytes: &mut Vec<u8>, number: [u8; N]) {
    pad(bytes, N);
    bytes.extend_from_slice(&number);
}

fn string(bytes: &mut Vec<u8>, text: &str) {
    pad(bytes, 4);
    // A zero byte would end the text early for those who read it.
    let text = match text.as_bytes().contains(&0) {
        true => text.split_once('\0').map_or(text, |(before, _)| before),
        false => text,
    };
    bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(0);
}

fn signature(bytes: &mut Vec<u8>, types: &str) {
    bytes.push(u8::try_from(types.len()).unwrap_or(u8::MAX));
    bytes.extend_from_slice(types.as_bytes());
    bytes.push(0);
}

/// What a type is aligned to.
fn alignment(types: &str) -> usize {
    match types.as_bytes().first() {
        Some(b'y' | b'g' | b'v') => 1,
        Some(b'n' | b'q') => 2,
        Some(b'x' | b't' | b'd' | b'(' | b'{') => 8,
        _ => 4,
    }
}

/// One value of a single complete type.
fn value(bytes: &mut Vec<u8>, types: &str, of: &Value) -> Result<(), Mismatch> {
    match (types.as_bytes().first(), of) {
        (Some(b'y'), Value::Byte(byte)) => bytes.push(*byte),
        (Some(b'b'), Value::Bool(is)) => fixed(bytes, u32::from(*is).to_le_bytes()),
        (Some(b'q'), Value::U16(number)) => fixed(bytes, number.to_le_bytes()),
        (Some(b'i'), Value::I32(number)) => fixed(bytes, number.to_le_bytes()),
        (Some(b'u'), Value::U32(number)) => fixed(bytes, number.to_le_bytes()),
        (Some(b'x'), Value::I64(number)) => fixed(bytes, number.to_le_bytes()),
        (Some(b't'), Value::U64(number)) => fixed(bytes, number.to_le_bytes()),
        (Some(b'd'), Value::F64(number)) => fixed(bytes, number.to_le_bytes()),
        (Some(b's' | b'o'), Value::String(text)) => string(bytes, text),
        (Some(b's' | b'o'), Value::Word(text)) => string(bytes, text),
        (Some(b'g'), Value::String(text)) => signature(bytes, text),
        (Some(b'v'), Value::Variant(types, inner)) => {
            signature(bytes, types);
            value(bytes, types, inner)?;
        }
        (_, Value::Encoded(content)) => bytes.extend_from_slice(content),
        (Some(b'a'), _) => array(bytes, &types[1..], of)?,
        (Some(b'('), Value::Struct(fields)) => {
            pad(bytes, 8);
            structure(bytes, inside(types), fields)?;
        }
        _ => return Err(Mismatch(types.to_owned())),
    }
    Ok(())
}

fn structure(bytes: &mut Vec<u8>, types: &str, fields: &[Value]) -> Result<(), Mismatch> {
    let mut rest = types;
    for field in fields {
        let (one, behind) = rest.split_at(length_of_first(rest));
        value(bytes, one, field)?;
        rest = behind;
    }
    match rest {
        "" => Ok(()),
        _ => Err(Mismatch(types.to_owned())),
    }
}

/// The elements, of one type, behind their length.
fn array(bytes: &mut Vec<u8>, types: &str, of: &Value) -> Result<(), Mismatch> {
    pad(bytes, 4);
    let place = bytes.len();
    bytes.extend([0; 4]);
    pad(bytes, alignment(types));
    let begin = bytes.len();
    match of {
        Value::Bytes(content) if types == "y" => bytes.extend_from_slice(content),
        Value::Array(values) => {
            for element in values {
                value(bytes, types, element)?;
            }
        }
        Value::Map(entries) if types.starts_with('{') => {
            let key_and_value = inside(types);
            let (key_type, value_type) = key_and_value.split_at(length_of_first(key_and_value));
            for (key, of_key) in entries {
                pad(bytes, 8);
                value(bytes, key_type, key)?;
                value(bytes, value_type, of_key)?;
            }
        }
        _ => return Err(Mismatch(format!("a{types}"))),
    }
    put_length(bytes, place, begin);
    Ok(())
}

/// An array of structs that is the whole of a body, written field by field: for lists of thousands,
/// of which no values are made.
pub(super) struct Rows(Vec<u8>);

impl Rows {
    /// None yet, and room for this many bytes.
    pub(super) fn with_room(bytes: usize) -> Rows {
        let mut rows = Vec::with_capacity(bytes);
        // The length, and what structs are aligned to.
        rows.extend([0; 8]);
        Rows(rows)
    }

    /// Begins the next row.
    pub(super) fn begin(&mut self) {
        pad(&mut self.0, 8);
    }

    /// `s` or `o`.
    pub(super) fn text(&mut self, text: &str) {
        string(&mut self.0, text);
    }

    /// `u`.
    pub(super) fn number(&mut self, number: u32) {
        fixed(&mut self.0, number.to_le_bytes());
    }

    /// The array.
    pub(super) fn finish(mut self) -> Value {
        put_length(&mut self.0, 0, 8);
        Value::Encoded(self.0)
    }
}

/// `a{sv}` that is the whole of a body, written entry by entry.
pub(super) struct Entries(Vec<u8>);

impl Entries {
    /// None yet, and room for this many bytes.
    pub(super) fn with_room(bytes: usize) -> Entries {
        let mut entries = Vec::with_capacity(bytes);
        // The length, and what entries are aligned to.
        entries.extend([0; 8]);
        Entries(entries)
    }

    /// Writes the next one.
    ///
    /// # Errors
    /// The value is not of this type.
    pub(super) fn add(&mut self, name: &str, types: &str, of: &Value) -> Result<(), Mismatch> {
        pad(&mut self.0, 8);
        string(&mut self.0, name);
        signature(&mut self.0, types);
        value(&mut self.0, types, of)
    }

    /// All of them.
    pub(super) fn finish(mut self) -> Value {
        put_length(&mut self.0, 0, 8);
        Value::Encoded(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbus::Message;

    fn envelope() -> Envelope<'static> {
        Envelope {
            answers: NonZeroU32::new(7).unwrap(),
            destination: Some(":1.5"),
            sender: ":1.0",
            error: None,
        }
    }

    /// Bytes of the body as zbus makes them.
    fn by_zbus(body: &Body) -> Vec<u8> {
        let call = Message::method_call("/", "A").build(&()).unwrap();
        let message = Message::method_return(&call.header()).build(body).unwrap();
        message.body().data().bytes().to_vec()
    }

    fn text(text: &str) -> Value {
        Value::from(text)
    }

    #[test]
    fn bodies_are_as_zbus_makes_them() {
        let all = Value::Struct(vec![
            Value::Byte(1),
            Value::Bool(true),
            Value::U16(2),
            Value::I32(-3),
            Value::U32(4),
            Value::I64(-5),
            Value::U64(6),
            Value::F64(7.5),
            text("text"),
            Value::Word("word"),
            text("/path"),
        ]);
        let bodies = [
            Body::EMPTY,
            Body::one("s", text("a")),
            Body::one("(ybqiuxtdsso)", all.clone()),
            Body::one("a(ybqiuxtdsso)", Value::Array(vec![all.clone(), all])),
            Body::one("a(st)", Value::Array(Vec::new())),
            Body::one("ay", Value::Bytes(vec![1, 2, 3])),
            Body::one(
                "aas",
                Value::Array(vec![Value::strings(["a", ""]), Value::strings(["b"])]),
            ),
            Body::one(
                "a{sv}",
                Value::properties([
                    ("A", "t", Value::U64(1)),
                    (
                        "BB",
                        "a(sb)",
                        Value::Array(vec![Value::Struct(vec![text("x"), Value::Bool(false)])]),
                    ),
                    ("C", "ay", Value::Bytes(Vec::new())),
                ]),
            ),
            Body::of("yob", vec![Value::Byte(1), text("/a"), Value::Bool(true)]),
        ];
        for body in bodies {
            let whole = reply(&envelope(), &body).unwrap();
            let theirs = by_zbus(&body);
            assert_eq!(whole[whole.len() - theirs.len()..], theirs, "{body:?}");
        }
    }

    #[test]
    fn rows_are_as_values_of_them() {
        let texts = ["", "a", "four", "a longer one"];
        let mut rows = Rows::with_room(0);
        let mut values = Vec::new();
        for (number, content) in (0_u32..).zip(texts) {
            rows.begin();
            rows.text(content);
            rows.number(number);
            rows.text("/");
            let fields = vec![text(content), Value::U32(number), text("/")];
            values.push(Value::Struct(fields));
        }
        let types = "a(suo)";
        let theirs = by_zbus(&Body::one(types, Value::Array(values)));
        for (rows, theirs) in [
            (rows, theirs),
            (
                Rows::with_room(9),
                by_zbus(&Body::one(types, Value::Array(Vec::new()))),
            ),
        ] {
            let whole = reply(&envelope(), &Body::one(types, rows.finish())).unwrap();
            assert_eq!(whole[whole.len() - theirs.len()..], theirs);
        }
    }

    #[test]
    fn entries_are_as_values_of_them() {
        let shown = [
            ("A", "t", Value::U64(1)),
            ("BB", "as", Value::strings(["a", "bc"])),
            (
                "CCC",
                "(sb)",
                Value::Struct(vec![text("x"), Value::Bool(true)]),
            ),
            ("DDDD", "y", Value::Byte(3)),
        ];
        for count in 0..=shown.len() {
            let mut entries = Entries::with_room(0);
            for (name, types, value) in &shown[..count] {
                entries.add(name, types, value).unwrap();
            }
            let theirs = Value::properties(shown[..count].iter().cloned());
            let theirs = by_zbus(&Body::one("a{sv}", theirs));
            let whole = reply(&envelope(), &Body::one("a{sv}", entries.finish())).unwrap();
            assert_eq!(whole[whole.len() - theirs.len()..], theirs);
        }
        let mut entries = Entries::with_room(0);
        assert!(entries.add("A", "t", &Value::Byte(1)).is_err());
    }

    #[test]
    fn what_is_of_another_type_is_no_message() {
        for (types, value) in [
            ("s", Value::Bool(true)),
            ("(ss)", Value::Struct(vec![text("one")])),
            ("as", Value::Array(vec![Value::U32(1)])),
            ("a{sv}", Value::strings(["a"])),
            ("t", Value::U32(1)),
        ] {
            assert!(
                reply(&envelope(), &Body::one(types, value)).is_err(),
                "{types}"
            );
        }
    }

    #[test]
    fn a_zero_byte_ends_a_text() {
        let zero = Body::one("s", text("a\0b"));
        let whole = reply(&envelope(), &zero).unwrap();
        assert!(whole.ends_with(b"\x01\0\0\0a\0"));
    }
}
