//! What a service sees of itself: runs the probe as one, under given settings.

use super::daemon::{Daemon, Place};
use super::{programs, wait_until};
use std::collections::BTreeMap;
use std::fs;

/// What became of a run.
pub struct Inside {
    /// Result= of the unit.
    pub result: String,
    /// Exit status, or signal, of its process.
    pub status: String,
    /// Answers by question.
    answers: BTreeMap<String, String>,
}

impl Inside {
    #[track_caller]
    pub fn answer(&self, question: &str) -> &str {
        match self.answers.get(question) {
            Some(answer) => answer,
            None => panic!(
                "no answer to {question}: {} {:?}",
                self.result, self.answers
            ),
        }
    }

    /// Every question with its answer.
    #[track_caller]
    pub fn says(&self, expected: &[(&str, &str)]) {
        for (question, answer) in expected {
            assert_eq!(self.answer(question), *answer, "{question}");
        }
    }
}

/// A place whose units can run the probe by its name.
pub fn place() -> Place {
    Place::new()
}

/// The text of a unit that asks these questions under these settings.
pub fn unit(place: &Place, name: &str, settings: &str, questions: &[&str]) -> String {
    let output = place.file(&format!("{name}.answers"));
    format!(
        "[Service]\nType=oneshot\nStandardOutput=truncate:{}\n{settings}\nExecStart=sandbox-probe {}\n",
        output.display(),
        questions.join(" ")
    )
}

/// Starts it and reads the answers.
#[track_caller]
pub fn ask(daemon: &Daemon, name: &str) -> Inside {
    let unit = format!("{name}.service");
    daemon.run(&["start", &unit]);
    wait_until("the probe to end", || {
        !matches!(
            daemon.show(&unit, "ActiveState").as_str(),
            "activating" | "deactivating"
        )
    });
    let text = fs::read_to_string(daemon.file(&format!("{name}.answers"))).unwrap_or_default();
    let answers = text.lines().filter_map(|line| line.split_once('='));
    Inside {
        result: daemon.show(&unit, "Result"),
        status: daemon.show(&unit, "ExecMainStatus"),
        answers: answers.map(|(q, a)| (q.to_owned(), a.to_owned())).collect(),
    }
}

/// One daemon, many cases: settings and what the probe answers under them.
#[track_caller]
pub fn check(cases: &[(&str, &[(&str, &str)])]) {
    check_in(place(), cases);
}

/// The same, in a place that was made ready.
#[track_caller]
pub fn check_in(place: Place, cases: &[(&str, &[(&str, &str)])]) {
    let name = |at: usize| format!("case-{at}");
    for (at, (settings, expected)) in cases.iter().enumerate() {
        let questions: Vec<&str> = expected.iter().map(|(question, _)| *question).collect();
        let text = unit(&place, &name(at), settings, &questions);
        place.write_unit(&format!("{}.service", name(at)), &text);
    }
    // Built, and to be executed by any user.
    let _ = programs::stand_in_directory();
    let daemon = place.start();
    for (at, (settings, expected)) in cases.iter().enumerate() {
        let inside = ask(&daemon, &name(at));
        for (question, answer) in *expected {
            let seen = inside.answer(question);
            assert_eq!(seen, *answer, "{settings:?}: {question}\n{}", daemon.log());
        }
    }
}
