//! YAML with the place of every node; scalars stay the text they are written as.
//!
//! The only file that knows the parser.

use saphyr::{MarkedYaml, ScanError, YamlData, YamlLoader};
use saphyr_parser::{Parser, ScalarStyle, Span};

/// What may come of repeating anchors, in nodes: a definition of a process has some dozens.
const MOST_REPEATED: usize = 10_000;

/// Where a node is: line and column from 1, columns and length in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) length: usize,
}

impl Place {
    /// The beginning of the file.
    pub(super) const TOP: Place = Place {
        line: 1,
        column: 1,
        length: 0,
    };

    fn of(span: Span) -> Place {
        let same_line = span.start.line() == span.end.line();
        Place {
            line: u32::try_from(span.start.line()).unwrap_or(u32::MAX).max(1),
            column: u32::try_from(span.start.col() + 1).unwrap_or(u32::MAX),
            length: if same_line {
                span.end.col().saturating_sub(span.start.col())
            } else {
                0
            },
        }
    }
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// Nothing, `null` or `~`.
    Null,
    /// A scalar as it is written, quotes and escapes undone.
    Scalar(String),
    List(Vec<Node>),
    /// In the order of the file; keys are scalars.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Scalar(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// Reads a file of one document; `Null` if there is nothing in it.
///
/// # Errors
/// It is no YAML, holds several documents, or keys that are no scalars: where, and why.
pub(super) fn read(text: &str) -> Result<Node, (Place, String)> {
    let mut loader = YamlLoader::<MarkedYaml<'_>>::default();
    loader.early_parse(false);
    loader.alias_limit(MOST_REPEATED);
    let mut parser = Parser::new_from_str(text);
    parser
        .load(&mut loader, true)
        .map_err(|error| told(&error))?;
    if let Some(error) = loader.error() {
        return Err(told(error));
    }
    let mut documents = loader.into_documents().into_iter();
    let first = documents.next();
    if let Some(second) = documents.next() {
        let message = "the file holds more than one document".to_owned();
        return Err((Place::of(second.span), message));
    }
    match first {
        Some(document) => node(&document),
        None => Ok(Node {
            place: Place::TOP,
            value: Value::Null,
        }),
    }
}

fn told(error: &ScanError) -> (Place, String) {
    let place = Place {
        line: u32::try_from(error.marker().line())
            .unwrap_or(u32::MAX)
            .max(1),
        column: u32::try_from(error.marker().col() + 1).unwrap_or(u32::MAX),
        length: 0,
    };
    (place, format!("this is no YAML: {}", error.info()))
}

fn node(marked: &MarkedYaml<'_>) -> Result<Node, (Place, String)> {
    let place = Place::of(marked.span);
    let value = match &marked.data {
        YamlData::Representation(text, style, _) => scalar(text, *style),
        YamlData::Sequence(items) => Value::List(items.iter().map(node).collect::<Result<_, _>>()?),
        YamlData::Mapping(pairs) => {
            let pair = |(key, value): (&MarkedYaml<'_>, &MarkedYaml<'_>)| {
                let key = node(key)?;
                if !matches!(key.value, Value::Scalar(_)) {
                    let message = format!("a key is a word, not {}", key.kind());
                    return Err((key.place, message));
                }
                Ok((key, node(value)?))
            };
            Value::Map(pairs.iter().map(pair).collect::<Result<_, _>>()?)
        }
        YamlData::Tagged(_, inner) => node(inner)?.value,
        YamlData::Value(_) | YamlData::Alias(_) | YamlData::BadValue => {
            return Err((place, "this cannot be read".to_owned()));
        }
    };
    Ok(Node { place, value })
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    let is_null = matches!(text, "" | "~" | "null" | "Null" | "NULL");
    if style == ScalarStyle::Plain && is_null {
        return Value::Null;
    }
    Value::Scalar(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_stay_text_and_know_their_place() {
        let root = read("# first\nname: 007\nlist:\n  - a b\n  - \"c\\td\"\nnone: ~\n").unwrap();
        let Value::Map(pairs) = &root.value else {
            panic!("{root:?}");
        };
        assert_eq!(pairs[0].1.value, Value::Scalar("007".into()));
        let place = pairs[0].1.place;
        assert_eq!((place.line, place.column, place.length), (2, 7, 3));
        let Value::List(items) = &pairs[1].1.value else {
            panic!("{root:?}");
        };
        assert_eq!(items[1].value, Value::Scalar("c\td".into()));
        assert_eq!((items[0].place.line, items[0].place.column), (4, 5));
        assert_eq!(pairs[2].1.value, Value::Null);
    }

    #[test]
    fn what_is_no_single_document_is_refused_with_its_place() {
        assert_eq!(read("").unwrap().value, Value::Null);
        let (place, message) = read("a: b\n---\nc: d\n").unwrap_err();
        assert_eq!(place.line, 3);
        assert!(message.contains("more than one document"), "{message}");
        let (place, _) = read("a: [b\nc: d\n").unwrap_err();
        assert!(place.line >= 2, "{place:?}");
        assert!(read("a: b\na: c\n").unwrap_err().1.contains("no YAML"));
        assert!(
            read("{a: b}: c\n")
                .unwrap_err()
                .1
                .contains("a key is a word")
        );
    }

    #[test]
    fn anchors_cannot_grow_without_end() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..8 {
            let below = format!("*a{}, ", level - 1).repeat(10);
            text.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        assert!(read(&text).is_err());
    }
}
