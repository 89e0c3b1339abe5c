//! Writes the seeds that follow from the table of directives, and a dictionary of its words:
//! `seeds DIRECTORY` makes `DIRECTORY/unit_files/*` and `DIRECTORY/dictionary`.

use dd_procmgr_fuzz::units::UNITS;
use procmgr::unit::directive::{Kind, Row, sections_of, table};
use procmgr::unit::name::UnitName;
use std::collections::BTreeSet;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let directory = env::args().nth(1).unwrap_or_else(|| "seeds".to_owned());
    let directory = Path::new(&directory);
    fs::create_dir_all(directory.join("unit_files"))?;
    for (at, (name, _)) in UNITS.iter().enumerate() {
        let name = UnitName::parse(name).map_err(io::Error::other)?;
        let selector = char::from(b'0' + at as u8);
        for section in sections_of(name.unit_type()) {
            write_section(directory, &name, selector, section)?;
        }
    }
    let words: BTreeSet<String> = table().flat_map(words).collect();
    fs::write(
        directory.join("dictionary"),
        words.into_iter().collect::<String>(),
    )
}

/// One file with every directive of the section, and one for each directive.
fn write_section(
    directory: &Path,
    name: &UnitName,
    selector: char,
    section: &str,
) -> io::Result<()> {
    let mut all = format!("{selector}[{section}]\n");
    for row in table().filter(|row| row.sections.contains(&section)) {
        let line = format!("{}={}\n", row.name, value(row));
        all.push_str(&line);
        // A second time, emptied and set in a drop-in.
        let one = format!(
            "{selector}[{section}]\n{line}\n----\n[{section}]\n{}=\n{line}",
            row.name
        );
        fs::write(
            directory.join(format!("unit_files/{name}-{section}-{}", row.name)),
            one,
        )?;
    }
    fs::write(directory.join(format!("unit_files/{name}-{section}")), all)
}

/// A value of the row's kind; that it may not suit the directive is the fuzzer's to find out.
fn value(row: &Row) -> &'static str {
    match row.kind {
        Kind::Boolean => "yes",
        Kind::Number => "7",
        Kind::Span => "1min 30s",
        Kind::Choice(words) => words.first().copied().unwrap_or("no"),
        Kind::Text => "/run/%n",
        Kind::List => "A=b /c:/d \"e f\"",
        Kind::Dependencies => "b.service c@%i.service",
        Kind::Commands => "-/bin/a 'b c' $D ${E} ; @/bin/f g",
        Kind::Condition => "|!/h",
    }
}

fn words(row: &'static Row) -> Vec<String> {
    let choices = match row.kind {
        Kind::Choice(words) => words,
        Kind::Boolean
        | Kind::Number
        | Kind::Span
        | Kind::Text
        | Kind::List
        | Kind::Dependencies
        | Kind::Commands
        | Kind::Condition => &[],
    };
    let sections = row
        .sections
        .iter()
        .map(|section| format!("\"[{section}]\"\n"));
    let choices = choices.iter().map(|word| format!("\"{word}\"\n"));
    let name = std::iter::once(format!("\"{}=\"\n", row.name));
    sections.chain(name).chain(choices).collect()
}
