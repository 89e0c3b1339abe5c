//! What the fuzz targets share: the laws that hold for every input. A law that does not hold
//! panics, which is what libFuzzer looks for.

pub mod commands;
pub mod units;
pub mod values;

use procmgr::unit::value::ValueError;

/// An expansion that changes nothing, where specifiers are not what is looked at.
pub fn as_it_stands(word: &str) -> Result<String, ValueError> {
    Ok(word.to_owned())
}

/// A word in double quotes that is read as exactly this text by unit files.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}
