//! Laws of command lines.

use crate::{as_it_stands, quoted};
use procmgr::unit::command::{self, CommandError, ParsedCommands};
use procmgr::unit::config::{Command, Privileges};
use procmgr::unit::diagnostic::Position;
use procmgr::unit::expand::expand_argv;
use procmgr::unit::name::UnitName;
use procmgr::unit::specifier::{self, SpecifierContext, SystemFacts};

/// Longest thing that two bytes of a value can stand for: `%n`, a unit name; and what a
/// variable of the test holds.
const LONGEST_EXPANSION: usize = 256;

/// Checks one value of Exec...=.
pub fn check(value: &str) {
    let position = Position {
        file: "/u/a.service".into(),
        line: 1,
        column: 1,
    };
    let plain = command::parse(value, &position, &as_it_stands);
    check_places(value, &plain);
    if let Ok(parsed) = &plain {
        parsed
            .commands
            .iter()
            .for_each(|c| check_print(c, &position));
        parsed.commands.iter().for_each(check_expansion);
        let words: usize = parsed.commands.iter().map(|c| c.argv.len()).sum();
        let bytes: usize = parsed
            .commands
            .iter()
            .flat_map(|c| &c.argv)
            .map(String::len)
            .sum();
        assert!(words <= value.len() && bytes <= value.len());
    }
    let unit = UnitName::parse("a-b@c-d.service").expect("a name");
    let context = SpecifierContext {
        unit: &unit,
        fragment: Some("/u/a-b@.service"),
        system: &SystemFacts::default(),
    };
    let expanded = command::parse(value, &position, &|word| specifier::expand(word, &context));
    check_places(value, &expanded);
}

/// Every place is the start of a character of the value.
fn check_places(value: &str, parsed: &Result<ParsedCommands, CommandError>) {
    match parsed {
        Ok(parsed) => {
            assert_eq!(parsed.commands.len(), parsed.offsets.len());
            for offset in parsed
                .offsets
                .iter()
                .chain(parsed.warnings.iter().map(|(at, _)| at))
            {
                assert!(*offset < value.len() && value.is_char_boundary(*offset));
            }
            assert!(parsed.offsets.is_sorted());
        }
        Err(error) => {
            assert!(error.offset <= value.len() && value.is_char_boundary(error.offset));
            assert!(!error.message.is_empty());
        }
    }
}

/// A command that is written out again is read as itself.
fn check_print(command: &Command, position: &Position) {
    // Nothing that can be written: `/.`, which systemd takes as well.
    if command.program == "/" {
        return;
    }
    let printed = print(command);
    let read = command::parse(&printed, position, &as_it_stands).expect("what was printed");
    assert!(read.warnings.is_empty(), "{printed}");
    assert_eq!(read.commands, [command.clone()], "{printed}");
}

fn print(command: &Command) -> String {
    let mut first = String::from("@");
    first.push_str(if command.ignore_failure { "-" } else { "" });
    first.push_str(if command.no_expand { ":" } else { "" });
    first.push_str(match command.privileges {
        Privileges::Normal => "",
        Privileges::Full => "+",
        Privileges::NoUser => "!",
        Privileges::Ambient => "!!",
    });
    first.push_str(&command.program);
    let words = std::iter::once(&first).chain(&command.argv);
    words.map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// Variables are expanded without loss, and nothing grows out of proportion.
fn check_expansion(command: &Command) {
    let lookup = |name: &str| match name {
        "A" => Some("one 'two three' \\ four $A ${A}".to_owned()),
        "E" => Some(String::new()),
        _ => None,
    };
    let (words, unset) = expand_argv(&command.argv, &lookup);
    let before: usize = command.argv.iter().map(String::len).sum();
    let after: usize = words.iter().map(String::len).sum();
    assert!(after <= LONGEST_EXPANSION * before);
    assert!(!words.is_empty());
    assert!(unset.len() <= before && unset.iter().all(|name| lookup(name).is_none()));
    let dollars = command.argv.iter().any(|word| word.contains('$'));
    assert!(dollars || words == command.argv);
}
