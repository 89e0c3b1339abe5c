//! Match rules of the bus: which messages a client wants to have.
//!
//! zbus reads and compares them, but for well-known names: which of the few there are here leads
//! where, is known here only.

use super::MANAGER_UNIQUE_NAME;
use super::failure::{Failure, names};
use super::names::{BUS, MANAGER_NAMES};
use zbus::names::BusName;
use zbus::{MatchRule, Message};

/// Bytes of a rule: they come from strangers.
const MAX_LENGTH: usize = 1024;

/// How a rule names where a message goes to.
const DESTINATION: &str = "destination='";

/// A match rule.
#[derive(Debug)]
pub(super) struct Rule {
    rule: MatchRule<'static>,
    /// Where the message has to go to, if that was said by a well-known name.
    destination: Option<String>,
}

impl Rule {
    /// Reads a rule.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn new(text: &str) -> Result<Rule, Failure> {
        if text.len() > MAX_LENGTH {
            return Err(Failure::new(names::RULE_INVALID, "Match rule is too long"));
        }
        let (text, destination) = without_well_known(text);
        let rule = MatchRule::try_from(text.as_str())
            .map_err(|error| Failure::new(names::RULE_INVALID, error.to_string()))?;
        Ok(Rule {
            rule: rule.to_owned(),
            destination,
        })
    }

    /// Whether it is about what others are told, too.
    pub(super) fn eavesdrops(&self) -> bool {
        self.rule.eavesdrop()
    }

    /// Whether a message is as the rule says.
    pub(super) fn fits(&self, message: &Message) -> bool {
        let header = message.header();
        let sender = header.sender().map(|name| name.as_str());
        let from = match self.rule.sender() {
            Some(BusName::WellKnown(name)) => sender.is_some_and(|s| is_owner(s, name)),
            Some(BusName::Unique(_)) | None => true,
        };
        let to = self.destination.as_ref().is_none_or(|name| {
            let destination = header.destination().map(|name| name.as_str());
            destination.is_some_and(|there| there == name || is_owner(there, name))
        });
        from && to && self.rule.matches(message).unwrap_or(false)
    }
}

/// Whether this unique name, or the bus, has a well-known name.
fn is_owner(unique: &str, name: &str) -> bool {
    match name {
        BUS => unique == BUS,
        _ => unique == MANAGER_UNIQUE_NAME && MANAGER_NAMES.contains(&name),
    }
}

/// A rule without a destination that is a well-known name, and that name.
fn without_well_known(text: &str) -> (String, Option<String>) {
    let begin = text
        .match_indices(DESTINATION)
        .map(|(at, _)| at)
        .find(|at| *at == 0 || text[..*at].trim_end().ends_with(','));
    let Some(begin) = begin else {
        return (text.to_owned(), None);
    };
    let value = &text[begin + DESTINATION.len()..];
    let Some(end) = value.find('\'') else {
        return (text.to_owned(), None);
    };
    let (name, behind) = (&value[..end], &value[end + 1..]);
    if name.starts_with(':') {
        return (text.to_owned(), None);
    }
    let before = text[..begin].trim_end().trim_end_matches(',');
    let behind = behind.trim_start().trim_start_matches(',');
    let gap = if before.is_empty() || behind.is_empty() {
        ""
    } else {
        ","
    };
    (format!("{before}{gap}{behind}"), Some(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(rule: &str, message: &Message) -> bool {
        Rule::new(rule).unwrap().fits(message)
    }

    #[test]
    fn names_are_compared_with_who_has_them() {
        let signal = Message::signal("/a", "org.example.A", "B")
            .sender(MANAGER_UNIQUE_NAME)
            .build(&())
            .unwrap();
        assert!(fits("", &signal));
        assert!(fits("sender='org.freedesktop.systemd1'", &signal));
        assert!(fits("sender=':1.0',member='B'", &signal));
        assert!(!fits("sender='org.freedesktop.login1'", &signal));
        assert!(!fits("sender='org.freedesktop.DBus'", &signal));
        assert!(!fits("destination='org.freedesktop.systemd1'", &signal));
        let call = Message::method_call("/a", "B")
            .destination("org.freedesktop.systemd1")
            .build(&())
            .unwrap();
        assert!(fits("destination='org.freedesktop.systemd1'", &call));
        assert!(fits(
            "type='method_call', destination='org.freedesktop.systemd1', member='B'",
            &call
        ));
        assert!(!fits(
            "destination='org.freedesktop.systemd1',member='C'",
            &call
        ));
        assert!(!fits("destination='org.freedesktop.DBus'", &call));
        assert!(!fits("sender='org.freedesktop.systemd1'", &call));
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for text in ["novel", "destination='org.a", "type='novel'"] {
            assert!(Rule::new(text).is_err(), "{text}");
        }
        assert!(Rule::new(&"a".repeat(MAX_LENGTH + 1)).is_err());
        assert!(Rule::new("eavesdrop='true'").unwrap().eavesdrops());
    }
}
