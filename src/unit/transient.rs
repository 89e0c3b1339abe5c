//! From properties, as clients send them for transient units and for changes at run time, to the
//! text of a unit file. Pure; the opposite way of what the directive table shows.
//!
//! Text is what everything else reads: the loader checks the values, daemon-reload keeps them,
//! and people can see what a unit was made of.

mod format;
#[cfg(test)]
mod tests;

use super::directive::{self, Kind, PropertyValue, Row};
use super::name::UnitType;
use std::collections::BTreeMap;

/// One assignment: section, directive, value as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The section.
    pub section: &'static str,
    /// The directive.
    pub directive: &'static str,
    /// The value behind `=`.
    pub value: String,
}

/// Why a property cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// No such property, or it cannot be set now.
    #[error("Cannot set property {0}, or unknown property.")]
    Unknown(String),
    /// It is of another type.
    #[error("Property {0} is of another type")]
    Type(String),
    /// It has no form in a unit file.
    #[error("Invalid value of property {0}: {1}")]
    Value(String, &'static str),
}

/// When a property is to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The unit is being made.
    Creation,
    /// It is there and may run: only what the table says can be set then.
    RunTime,
}

/// Assignments that set properties of a unit of this type, in the order given.
///
/// # Errors
/// See [`Trouble`]; the first one is told.
pub fn assignments(
    unit_type: UnitType,
    properties: &[(String, PropertyValue)],
    when: When,
) -> Result<Vec<Assignment>, Trouble> {
    let mut list: Vec<Assignment> = Vec::new();
    let mut soft: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in properties {
        if let Some(activations) = activations(unit_type, name, value)? {
            list.extend(activations);
            continue;
        }
        let (section, row) = find(unit_type, name)
            .filter(|(_, row)| when == When::Creation || row.settable)
            .ok_or_else(|| Trouble::Unknown(name.clone()))?;
        let directive = row.name;
        if let Some(limit) = name.strip_suffix("Soft").filter(|_| is_limit(row)) {
            soft.insert(limit, format::number(name, value)?);
            continue;
        }
        for value in format::values(row, name, value)? {
            list.push(Assignment {
                section,
                directive,
                value,
            });
        }
    }
    for assignment in &mut list {
        // LimitX=soft:hard comes as two properties.
        if let Some(soft) = soft.remove(assignment.directive) {
            assignment.value = format!("{soft}:{}", assignment.value);
        }
    }
    Ok(list)
}

/// Assignments for the lists of a timer or a path that hold a directive in each element:
/// `TimersMonotonic`, `TimersCalendar` and `Paths`. Nothing for other properties.
fn activations(
    unit_type: UnitType,
    name: &str,
    value: &PropertyValue,
) -> Result<Option<Vec<Assignment>>, Trouble> {
    let section = match (unit_type, name) {
        (UnitType::Timer, "TimersMonotonic" | "TimersCalendar") => "Timer",
        (UnitType::Path, "Paths") => "Path",
        (_, _) => return Ok(None),
    };
    let wrong = || Trouble::Type(name.to_owned());
    let PropertyValue::Array(items) = value else {
        return Err(wrong());
    };
    let one = |item: &PropertyValue| {
        let PropertyValue::Struct(fields) = item else {
            return Err(wrong());
        };
        let (word, value) = match fields.as_slice() {
            [PropertyValue::String(word), PropertyValue::U64(span)] => (word, format!("{span}us")),
            [PropertyValue::String(word), PropertyValue::String(text)] => {
                (word, format::plain(name, text)?)
            }
            _ => return Err(wrong()),
        };
        // `OnActiveUSec` is how the property shows OnActiveSec=.
        let word = word.replace("USec", "Sec");
        let row = directive::find(section, &word)
            .filter(|row| row.kind == Kind::List)
            .ok_or(Trouble::Value(name.to_owned(), "a kind of it is not known"))?;
        Ok(Assignment {
            section,
            directive: row.name,
            value,
        })
    };
    items.iter().map(one).collect::<Result<_, _>>().map(Some)
}

/// Assignments as people write them, `Name=value`, for a unit of this type. The value is taken as
/// it would be in a file.
///
/// # Errors
/// See [`Trouble`]; the first one is told.
pub fn written(
    unit_type: UnitType,
    texts: &[String],
    when: When,
) -> Result<Vec<Assignment>, Trouble> {
    let read = |text: &String| {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| Trouble::Value(text.clone(), "it is no assignment NAME=VALUE"))?;
        let sections = directive::sections_of(unit_type);
        let sections = sections.iter().filter(|section| **section != "Install");
        let (section, row) = sections
            .filter_map(|section| Some((*section, directive::find(section, name)?)))
            .next()
            .filter(|(_, row)| when == When::Creation || row.settable)
            .ok_or_else(|| Trouble::Unknown(name.to_owned()))?;
        if value.chars().any(|c| c.is_control() && c != '\t') {
            return Err(Trouble::Value(
                name.to_owned(),
                "it holds control characters",
            ));
        }
        Ok(Assignment {
            section,
            directive: row.name,
            value: value.to_owned(),
        })
    };
    texts.iter().map(read).collect()
}

/// A command line of these words, as ExecStart= takes it; nothing in it is expanded.
pub fn command_line(words: &[String]) -> String {
    let quote = |word: &String| match word.as_str() {
        ";" => "\\;".to_owned(),
        word => format::quoted(word),
    };
    let words: Vec<String> = words.iter().map(quote).collect();
    format!(":{}", words.join(" "))
}

/// A word as lists of words take it: quoted where it needs that, specifiers escaped.
pub fn word(text: &str) -> String {
    format::quoted(text)
}

fn is_limit(row: &Row) -> bool {
    row.name.starts_with("Limit")
}

/// The directive behind a property, and the section it stands in for units of a type.
fn find(unit_type: UnitType, property: &str) -> Option<(&'static str, &'static Row)> {
    let sections = directive::sections_of(unit_type);
    // What [Install] says is for enabling only.
    let sections = sections.iter().filter(|section| **section != "Install");
    // `MemoryMaxScale` is a part of all memory, for MemoryMax=.
    let plain = property.strip_suffix("Scale").unwrap_or(property);
    let is_shown = |row: &Row, name: &str| row.properties.iter().flatten().any(|p| p.name == name);
    for section in sections {
        let mut rows = directive::table().filter(|row| row.sections.contains(section));
        let found = rows.find(|row| {
            let names = [property, plain];
            names
                .iter()
                .any(|name| row.name == *name || is_shown(row, name))
        });
        if let Some(row) = found {
            return Some((section, row));
        }
    }
    None
}

/// Assignments as the text of a file, a header for each run of one section.
pub fn text(assignments: &[Assignment]) -> String {
    let mut text = String::new();
    let mut section = "";
    for assignment in assignments {
        if assignment.section != section {
            section = assignment.section;
            text.push_str(&format!("[{section}]\n"));
        }
        text.push_str(&format!("{}={}\n", assignment.directive, assignment.value));
    }
    text
}
