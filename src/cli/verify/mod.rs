//! `verify`: what is wrong with unit files, read from the disk without a daemon.
//!
//! Exit status 0 if nothing is, 1 if there is an error, or a warning that counts.

mod machine_readable;
mod render;
mod targets;

pub(super) use targets::settings;

use super::args::Format;
use super::error::{FAILURE, Problem};
use super::output::{Output, say};
use crate::unit::diagnostic::{Diagnostic, Severity};

/// Checks what was named, or everything in the unit path.
///
/// # Errors
/// The unit path cannot be used.
pub(super) fn run(
    output: &Output,
    named: &[String],
    unit_path: Option<&str>,
    strict: bool,
) -> Result<u8, Problem> {
    let findings = targets::verify(named, unit_path)?;
    show(output, &findings);
    let counts = |d: &Diagnostic| strict || d.severity == Severity::Error;
    Ok(if findings.iter().any(counts) {
        FAILURE
    } else {
        0
    })
}

/// Prints findings.
pub(super) fn show(output: &Output, findings: &[Diagnostic]) {
    match output.format {
        Format::Text => print_text(output, findings),
        Format::Short => say(&render::short(findings)),
        Format::Sarif => output.json(&machine_readable::sarif(findings)),
        // verify is refused with dot before.
        Format::Json | Format::JsonPretty | Format::Dot => {
            output.json(&machine_readable::json(findings));
        }
    }
}

/// Each finding with its line, then how many there are; nothing if there are none.
fn print_text(output: &Output, findings: &[Diagnostic]) {
    let mut renderer = render::Renderer::new(output);
    for finding in findings {
        say(&renderer.render(finding));
    }
    if !findings.is_empty() {
        say(&format!("{}\n", summary(findings)));
    }
}

fn summary(findings: &[Diagnostic]) -> String {
    let errors = findings.iter().filter(|d| d.severity == Severity::Error);
    let errors = errors.count();
    let count = |number: usize, word: &str| match number {
        1 => format!("1 {word}"),
        number => format!("{number} {word}s"),
    };
    let warnings = count(findings.len() - errors, "warning");
    format!("{}, {warnings}", count(errors, "error"))
}
