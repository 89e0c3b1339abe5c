//! What the tests of this part have in common.

use crate::unit::config::{Command, Privileges};
use crate::unit::diagnostic::Position;

/// A command of these words, taken as they are.
pub(super) fn command(words: &[&str]) -> Command {
    Command {
        program: words[0].to_owned(),
        argv: words.iter().map(|word| (*word).to_owned()).collect(),
        ignore_failure: false,
        no_expand: true,
        privileges: Privileges::Normal,
        position: Position {
            file: "test.service".into(),
            line: 1,
            column: 1,
        },
    }
}
