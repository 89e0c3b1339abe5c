//! Command lines of Exec...= (systemd.service(5), "COMMAND LINES"; checklist X1-X10).
//!
//! Words are split and unescaped first, then specifiers are expanded word by word (X4);
//! environment variables wait until the command is started (`expand`). Whether a bare program
//! name leads anywhere is found out at the start too (X10).

use super::config::{Command, Privileges};
use super::diagnostic::Position;
use super::escape::simplify_path;
use super::syntax::Assignment;
use super::value::ValueError;
use super::words::{self, Escapes, Word};

/// Longest absolute path of a program, in bytes; the kernel's PATH_MAX counts the final NUL.
const LONGEST_PATH: usize = 4095;
/// Longest file name, in bytes.
const LONGEST_NAME: usize = 255;

/// Expands the specifiers of one word.
pub type Expand<'a> = &'a dyn Fn(&str) -> Result<String, ValueError>;

/// What became of one Exec...= value.
#[derive(Debug, Default)]
pub struct ParsedCommands {
    /// The commands, usually one; more with a bare `;` (X3). None for a value that is empty
    /// (which resets the list) or whose first word has an open quote (which is ignored).
    pub commands: Vec<Command>,
    /// Byte offset in the value where each command starts.
    pub offsets: Vec<usize>,
    /// Byte offset in the value and text of each thing worth a warning.
    pub warnings: Vec<(usize, String)>,
}

/// A command line that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CommandError {
    /// Byte offset in the value.
    pub offset: usize,
    /// What is wrong.
    pub message: String,
    /// The prefix held `-`.
    pub ignorable: bool,
}

/// Parses one value; `position` is where the value starts, and what every command gets.
///
/// # Errors
/// The offset and what is wrong. The caller drops the line if its prefix held `-`
/// (`ignorable`), and makes the unit bad-setting otherwise (U9).
pub fn parse(
    value: &str,
    position: &Position,
    expand: Expand<'_>,
) -> Result<ParsedCommands, CommandError> {
    let mut line = Line {
        value,
        at: 0,
        position,
        expand,
        parsed: ParsedCommands::default(),
    };
    loop {
        match line.read_command() {
            Ok(Next::Command) => {}
            Ok(Next::End) => return Ok(line.parsed),
            // The commands before the `;` stay, as in systemd; this one ends the line.
            Err(error) if error.ignorable && !line.parsed.commands.is_empty() => {
                line.warn(error.offset, error.message);
                return Ok(line.parsed);
            }
            Err(error) => return Err(error),
        }
    }
}

/// As [`parse`], each command with its own position, also inside a continued value.
///
/// # Errors
/// As [`parse`].
pub fn parse_assignment(
    assignment: &Assignment,
    expand: Expand<'_>,
) -> Result<ParsedCommands, CommandError> {
    let start = assignment.position_at(0);
    let mut parsed = parse(&assignment.value, &start, expand)?;
    let mut last = (0, start);
    for (command, offset) in parsed.commands.iter_mut().zip(&parsed.offsets) {
        last = (*offset, assignment.position_from(Some(&last), *offset));
        command.position = last.1.clone();
    }
    Ok(parsed)
}

/// What follows in the line.
enum Next {
    Command,
    End,
}

struct Line<'a> {
    value: &'a str,
    at: usize,
    position: &'a Position,
    expand: Expand<'a>,
    parsed: ParsedCommands,
}

impl Line<'_> {
    /// Reads one command up to the end of the line or a bare `;`.
    fn read_command(&mut self) -> Result<Next, CommandError> {
        let first = match self.next_word() {
            Ok(Some(word)) => word,
            Ok(None) => return Ok(Next::End),
            Err((offset, ValueError(message))) => {
                self.warn(offset, format!("{message}; ignoring the command"));
                return Ok(Next::End);
            }
        };
        if first.text == ";" {
            return Ok(Next::Command);
        }
        let prefix = Prefix::read(&first.text);
        let error = |offset: usize, message: String| CommandError {
            offset,
            message,
            ignorable: prefix.ignore_failure,
        };
        let path = (self.expand)(prefix.rest).map_err(|e| error(first.offset, e.0))?;
        check_program(&path).map_err(|e| error(first.offset, e.0))?;
        let program = simplify_path(&path);
        let mut argv = Vec::new();
        if !prefix.separate_argv0 {
            argv.push(path);
        }
        let next = self.read_arguments(&mut argv, &error)?;
        if argv.is_empty() {
            let message = "\"@\" needs a word for argv[0] behind the program";
            return Err(error(first.offset, message.to_owned()));
        }
        self.parsed.offsets.push(first.offset);
        self.parsed.commands.push(Command {
            program,
            argv,
            ignore_failure: prefix.ignore_failure,
            no_expand: prefix.no_expand,
            privileges: prefix.privileges,
            position: self.position.clone(),
        });
        Ok(next)
    }

    /// Reads the words behind the program.
    fn read_arguments(
        &mut self,
        argv: &mut Vec<String>,
        error: &dyn Fn(usize, String) -> CommandError,
    ) -> Result<Next, CommandError> {
        loop {
            // Both only as written: neither `";"` nor `\\;` separates or means a semicolon.
            if self.take_bare(";") {
                return Ok(Next::Command);
            }
            if self.take_bare("\\;") {
                argv.push(";".to_owned());
                continue;
            }
            let word = self.next_word().map_err(|(at, e)| error(at, e.0))?;
            let Some(word) = word else {
                return Ok(Next::End);
            };
            argv.push((self.expand)(&word.text).map_err(|e| error(word.offset, e.0))?);
        }
    }

    /// Takes the next word, with a warning for each of its unknown escapes.
    fn next_word(&mut self) -> Result<Option<Word>, (usize, ValueError)> {
        let Some((word, behind)) = words::next_word(self.value, self.at, Escapes::Decode)? else {
            self.at = self.value.len();
            return Ok(None);
        };
        self.at = behind;
        for offset in &word.unknown_escapes {
            let escape: String = self.value[*offset..].chars().take(2).collect();
            self.warn(
                *offset,
                format!("unknown escape \"{escape}\" kept as it is"),
            );
        }
        Ok(Some(word))
    }

    /// Takes a word if it stands here without quotes.
    fn take_bare(&mut self, word: &str) -> bool {
        let Some(behind) = self.value[self.at..].strip_prefix(word) else {
            return false;
        };
        let ends = behind.bytes().next().is_none_or(words::is_blank);
        if ends {
            self.at = words::skip_blanks(self.value, self.at + word.len());
        }
        ends
    }

    fn warn(&mut self, offset: usize, message: String) {
        self.parsed.warnings.push((offset, message));
    }
}

/// What stands before the program (X9).
struct Prefix<'a> {
    ignore_failure: bool,
    separate_argv0: bool,
    no_expand: bool,
    privileges: Privileges,
    rest: &'a str,
}

impl Prefix<'_> {
    /// Takes prefixes in any order; one that is there already belongs to the path.
    fn read(word: &str) -> Prefix<'_> {
        let mut prefix = Prefix {
            ignore_failure: false,
            separate_argv0: false,
            no_expand: false,
            privileges: Privileges::Normal,
            rest: word,
        };
        while let Some(first) = prefix.rest.bytes().next() {
            match (first, prefix.privileges) {
                (b'-', _) if !prefix.ignore_failure => prefix.ignore_failure = true,
                (b'@', _) if !prefix.separate_argv0 => prefix.separate_argv0 = true,
                (b':', _) if !prefix.no_expand => prefix.no_expand = true,
                (b'+', Privileges::Normal) => prefix.privileges = Privileges::Full,
                (b'!', Privileges::Normal) => prefix.privileges = Privileges::NoUser,
                (b'!', Privileges::NoUser) => prefix.privileges = Privileges::Ambient,
                _ => break,
            }
            prefix.rest = &prefix.rest[1..];
        }
        prefix
    }
}

/// Whether a program, specifiers expanded, can be one.
fn check_program(path: &str) -> Result<(), ValueError> {
    let bad = |what: &str| Err(ValueError(format!("\"{path}\" {what}")));
    if path.is_empty() {
        return Err(ValueError("there is no program".to_owned()));
    }
    if path.contains(|c: char| c.is_ascii_control() || "'\"\\".contains(c)) {
        return bad("holds characters that the name of a program cannot have");
    }
    if path.ends_with('/') {
        return bad("is a directory, not a program");
    }
    let long = path.split('/').any(|name| name.len() > LONGEST_NAME);
    if long || path.len() > LONGEST_PATH {
        return bad("is too long for a path");
    }
    if !path.starts_with('/') && (path.contains('/') || matches!(path, "." | "..")) {
        return bad("is neither an absolute path nor the bare name of a program");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
