//! `-o`: how results are printed, or, for `import`, where they go.

use super::Format;
use clap::ValueEnum;
use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use std::ffi::OsStr;
use std::path::PathBuf;

/// What `-o` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Destination {
    /// A format's name.
    Format(Format),
    /// Anything else; only `import` takes it.
    Directory(PathBuf),
}

impl Destination {
    /// The format to print in.
    pub(in crate::cli) fn format(&self) -> Format {
        match self {
            Destination::Format(format) => *format,
            Destination::Directory(_) => Format::Text,
        }
    }
}

/// Reads a [`Destination`]; completions offer the formats.
#[derive(Debug, Clone, Copy)]
pub(super) struct DestinationParser;

impl TypedValueParser for DestinationParser {
    type Value = Destination;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Destination, clap::Error> {
        let text = StringValueParser::new().parse_ref(command, argument, value)?;
        Ok(match Format::from_str(&text, false) {
            Ok(format) => Destination::Format(format),
            Err(_) => Destination::Directory(PathBuf::from(text)),
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let formats = Format::value_variants().iter();
        Some(Box::new(formats.filter_map(ValueEnum::to_possible_value)))
    }
}
