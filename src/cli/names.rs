//! From what was typed to unit names.

use super::client::Client;
use super::error::Problem;
use crate::unit::name::UnitType;

/// A name with its type: `.service` where none was given.
pub(super) fn complete(name: &str) -> String {
    complete_as(name, "service")
}

/// A name with its type, this one where none was given.
pub(super) fn complete_as(name: &str, unit_type: &str) -> String {
    let has_type = name
        .rsplit_once('.')
        .is_some_and(|(_, suffix)| UnitType::from_suffix(suffix).is_some());
    if has_type {
        name.to_owned()
    } else {
        format!("{name}.{unit_type}")
    }
}

/// The name with this type in place of its own.
pub(super) fn with_type(name: &str, unit_type: &str) -> String {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    format!("{stem}.{unit_type}")
}

/// Patterns for the units of one type, all of them if none is given.
pub(super) fn patterns_as(typed: &[String], unit_type: &str) -> Vec<String> {
    if typed.is_empty() {
        return vec![format!("*.{unit_type}")];
    }
    let typed = typed.iter();
    typed.map(|text| pattern_as(text, unit_type)).collect()
}

/// Patterns as they are, names with their types: `.service` where none was given.
pub(super) fn patterns(typed: &[String]) -> Vec<String> {
    let typed = typed.iter();
    typed.map(|text| pattern_as(text, "service")).collect()
}

fn pattern_as(text: &str, unit_type: &str) -> String {
    match is_pattern(text) {
        true => text.to_owned(),
        false => complete_as(text, unit_type),
    }
}

/// Whether this is a pattern, not a name.
pub(super) fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

/// Names as they are, patterns as the loaded units that match; nothing twice.
///
/// # Errors
/// The daemon cannot be asked.
pub(super) async fn expand(client: &mut Client, typed: &[String]) -> Result<Vec<String>, Problem> {
    let mut units: Vec<String> = Vec::new();
    let add = |units: &mut Vec<String>, name: String| {
        if !units.contains(&name) {
            units.push(name);
        }
    };
    for text in typed {
        if is_pattern(text) {
            for (name, _) in client.list(&[complete_pattern(text)]).await? {
                add(&mut units, name);
            }
        } else {
            add(&mut units, complete(text));
        }
    }
    Ok(units)
}

/// A pattern with a type: as names, unless it may already match one.
pub(super) fn complete_pattern(pattern: &str) -> String {
    if pattern.ends_with('*') || pattern.contains('.') {
        pattern.to_owned()
    } else {
        complete(pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_names_are_services() {
        assert_eq!(complete("datadog-agent"), "datadog-agent.service");
        assert_eq!(complete("a.b"), "a.b.service");
        assert_eq!(complete("multi-user.target"), "multi-user.target");
        assert_eq!(complete("x@1.2"), "x@1.2.service");
    }

    #[test]
    fn patterns() {
        assert!(is_pattern("datadog-*") && !is_pattern("datadog"));
        assert_eq!(complete_pattern("datadog-*"), "datadog-*");
        assert_eq!(complete_pattern("agent-[ab]"), "agent-[ab].service");
        assert_eq!(complete_pattern("*.socket"), "*.socket");
    }
}
