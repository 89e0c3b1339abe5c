//! What was observed on systemd: tables of experiments that are not part of the project. Lines
//! that begin with `#` say what was done, the first other line names the columns.

use super::data;
use std::collections::BTreeMap;

/// A row: column to value.
pub type Row = BTreeMap<String, String>;

/// The rows of a table, or a skip.
pub fn table(name: &str) -> Option<Vec<Row>> {
    let file = data::find("DD_PM_REFERENCE", "reference", name)?.join(name);
    let text = std::fs::read_to_string(&file).expect("a table can be read");
    Some(read(&text))
}

/// Reads the text of a table.
pub fn read(text: &str) -> Vec<Row> {
    let mut lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.split('\t'));
    let columns: Vec<&str> = lines.next().expect("a table has a head").collect();
    lines
        .map(|values| {
            let row: Row = columns
                .iter()
                .zip(values)
                .map(|(column, value)| ((*column).to_owned(), value.to_owned()))
                .collect();
            assert_eq!(row.len(), columns.len(), "{row:?}");
            row
        })
        .collect()
}
