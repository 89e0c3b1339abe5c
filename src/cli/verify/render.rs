//! Findings for people: with the line and the place marked, or one line each.

use crate::cli::output::Output;
use crate::offline;
use crate::unit::diagnostic::{Diagnostic, Position, Rule, Severity};
use crate::unit::syntax;
use annotate_snippets::renderer::DEFAULT_TERM_WIDTH;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer as Style, Snippet};
use std::ops::Range;
use std::sync::Arc;

/// How much of a line behind the place is shown, in characters: a line may be a mebibyte.
const SHOWN: usize = 200;

/// The last column that is shown with what stands before it; of places behind it only the
/// numbers are. Thousands of findings in one line would show it from its start each time.
const LAST_COLUMN: u32 = 1000;

/// Prints findings; remembers the last file, since they come file by file.
pub(super) struct Renderer {
    style: Style,
    file: Arc<str>,
    lines: Vec<String>,
}

impl Renderer {
    /// In the terminal's colours and width, if there is one that wants them.
    pub(super) fn new(output: &Output) -> Renderer {
        let style = if output.is_colored() {
            Style::styled()
        } else {
            Style::plain()
        };
        Renderer {
            style: style.term_width(output.width.unwrap_or(DEFAULT_TERM_WIDTH)),
            file: "".into(),
            lines: Vec::new(),
        }
    }

    /// A finding with its line, and an empty line behind it.
    pub(super) fn render(&mut self, finding: &Diagnostic) -> String {
        let level = match finding.severity {
            Severity::Warning => Level::WARNING,
            Severity::Error => Level::ERROR,
        };
        let message = printable(&finding.message);
        let title = level.primary_title(message).id(finding.rule.id());
        let position = &finding.position;
        self.open(&position.file);
        let number = (position.line as usize).checked_sub(1);
        let line = number
            .and_then(|at| self.lines.get(at))
            .map_or("", String::as_str);
        let mut group = match marked(finding, line) {
            Some((text, span)) => title.element(
                Snippet::source(text)
                    .line_start(position.line as usize)
                    .path(position.file.to_string())
                    .annotation(AnnotationKind::Primary.span(span)),
            ),
            None => title.element(origin(position)),
        };
        if let Some(hint) = &finding.hint {
            group = group.element(Level::HELP.message(printable(hint)));
        }
        let report: [Group<'_>; 1] = [group];
        self.style.render(&report) + "\n\n"
    }

    /// Splits the file unless it is the last one; one that cannot be read has no lines.
    fn open(&mut self, file: &Arc<str>) {
        if self.file != *file {
            self.file = file.clone();
            self.lines = syntax::texts(&offline::read(file));
        }
    }
}

/// Where a finding is whose line is not shown; one far behind in its line with its numbers.
fn origin(position: &Position) -> Origin<'static> {
    let origin = Origin::path(position.file.to_string());
    if position.column <= LAST_COLUMN {
        return origin;
    }
    let (line, column) = (position.line as usize, position.column as usize);
    origin.line(line).char_column(column)
}

/// What is shown of the line and which bytes of that are marked; nothing if the finding is
/// about no place in it.
fn marked(finding: &Diagnostic, line: &str) -> Option<(String, Range<usize>)> {
    let start = (finding.position.column as usize).saturating_sub(1);
    let length = match (finding.length, finding.rule) {
        // From where it went wrong to the end.
        (0, Rule::Syntax) => line.chars().skip(start).take(SHOWN).count(),
        (length, _) => length as usize,
    };
    if line.is_empty() || length == 0 || finding.position.column > LAST_COLUMN {
        return None;
    }
    let text: String = line.chars().take(start + SHOWN).collect();
    let text = printable(&text);
    let byte = |characters: usize| {
        let mut places = text.char_indices().map(|(at, _)| at);
        places.nth(characters).unwrap_or(text.len())
    };
    let span = byte(start)..byte(start.saturating_add(length));
    Some((text, span))
}

/// Text that does nothing to a terminal.
fn printable(text: &str) -> String {
    let shown = |c: char| {
        if c.is_control() && c != '\t' {
            '\u{fffd}'
        } else {
            c
        }
    };
    text.chars().map(shown).collect()
}

/// One line each: `file:line:column: warning: message; hint`.
pub(super) fn short(findings: &[Diagnostic]) -> String {
    let lines = findings.iter().map(|f| printable(&f.to_string()) + "\n");
    lines.collect()
}
