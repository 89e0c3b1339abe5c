//! Settings that this build does not carry out, each with the reason.

use super::places::Places;
use crate::unit::config::UnitConfig;
use crate::unit::diagnostic::{Diagnostic, Rule};
use crate::unit::directive::NOT_RUN;
use std::collections::BTreeSet;

/// What of the unit is without effect, or keeps it from starting.
pub(super) fn check(unit: &UnitConfig, places: &mut Places<'_>) -> Vec<Diagnostic> {
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for record in &unit.not_applied {
        // Said once of a unit whose whole type is not run.
        let once = if record.reason == NOT_RUN {
            ""
        } else {
            record.value.as_str()
        };
        let name = if record.reason == NOT_RUN {
            ""
        } else {
            record.directive
        };
        if !seen.insert((name, once)) {
            continue;
        }
        let place = places.of_key(unit, record.directive, &record.value);
        let (directive, reason) = (record.directive, record.reason);
        findings.push(if record.refuses_start {
            let message = format!("{directive}= keeps the unit from starting here: {reason}");
            place.warning(Rule::Refused, message)
        } else {
            let message = format!("{directive}= has no effect here: {reason}");
            place.warning(Rule::NoEffect, message)
        });
    }
    findings
}
