//! `is-active` and `is-failed`: one word per unit and an exit status for scripts.

use super::client::Client;
use super::error::{FAILURE, NOT_ACTIVE, Problem, UNKNOWN};
use super::names;
use super::output::{Output, say};
use serde_json::{Map, Value as Json};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// Active or reloading?
    Active,
    /// Failed?
    Failed,
}

/// Prints the states; success if any unit is as asked.
pub(super) async fn run(
    client: &mut Client,
    output: &Output,
    question: Question,
    units: &[String],
    quiet: bool,
) -> Result<u8, Problem> {
    let units = names::expand(client, units).await?;
    let states = client.states(&units).await?;
    let states = of(units, states);
    if !quiet && output.is_text() {
        print(&states);
    } else if !quiet {
        let entries = states
            .iter()
            .map(|s| (s.unit.clone(), Json::from(s.active.as_str())));
        output.json(&entries.collect::<Map<String, Json>>());
    }
    Ok(exit_status(question, &states))
}

/// What was heard of a unit.
pub(super) struct State {
    unit: String,
    active: String,
    there: bool,
}

/// Units with their LoadState and ActiveState.
pub(super) fn of(units: Vec<String>, states: Vec<(String, String)>) -> Vec<State> {
    let state = |(unit, (load, active)): (String, (String, String))| State {
        unit,
        active,
        there: load != "not-found",
    };
    units.into_iter().zip(states).map(state).collect()
}

/// Prints a word each.
pub(super) fn print(states: &[State]) {
    let words: String = states.iter().map(|s| format!("{}\n", s.active)).collect();
    say(&words);
}

/// Success if any unit is as asked.
pub(super) fn exit_status(question: Question, states: &[State]) -> u8 {
    let is_so = |state: &State| match question {
        Question::Active => matches!(state.active.as_str(), "active" | "reloading"),
        Question::Failed => state.active == "failed",
    };
    if states.iter().any(is_so) {
        0
    } else if !states.iter().any(|state| state.there) {
        UNKNOWN
    } else {
        match question {
            Question::Active => NOT_ACTIVE,
            Question::Failed => FAILURE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(active: &str, there: bool) -> State {
        State {
            unit: "a.service".to_owned(),
            active: active.to_owned(),
            there,
        }
    }

    #[test]
    fn one_unit_that_is_so_is_enough() {
        let states = [state("inactive", true), state("active", true)];
        assert_eq!(exit_status(Question::Active, &states), 0);
        assert_eq!(exit_status(Question::Failed, &states), 1);
        assert_eq!(
            exit_status(Question::Active, &[state("activating", true)]),
            3
        );
        assert_eq!(exit_status(Question::Failed, &[state("failed", true)]), 0);
    }

    #[test]
    fn units_that_are_not_there_have_their_own_status() {
        let gone = [state("inactive", false)];
        assert_eq!(exit_status(Question::Active, &gone), 4);
        assert_eq!(exit_status(Question::Failed, &gone), 4);
        assert_eq!(exit_status(Question::Active, &[]), 4);
    }
}
