//! Columns of text, padded by what they take on a terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Blanks between columns.
const GAP: usize = 2;

/// A cell: its text and how it is coloured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    /// The text.
    pub(super) text: String,
    /// SGR parameters around it, empty for none.
    pub(super) color: &'static str,
}

impl Cell {
    /// A cell without colour.
    pub(super) fn plain(text: impl Into<String>) -> Cell {
        Cell {
            text: text.into(),
            color: "",
        }
    }
}

/// Puts rows together: every column as wide as its widest cell, two blanks between, the last one
/// cut at `width` if that is given.
pub(super) fn render(rows: &[Vec<Cell>], width: Option<usize>) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.text.width()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        text.push_str(&line(row, &widths, width));
        text.push('\n');
    }
    text
}

fn line(row: &[Cell], widths: &[usize], limit: Option<usize>) -> String {
    let mut line = String::new();
    let mut used = 0;
    for (index, (cell, column)) in row.iter().zip(widths).enumerate() {
        if index + 1 == row.len() {
            let room = limit.map_or(usize::MAX, |limit| limit.saturating_sub(used));
            line.push_str(&paint(&shorten(&cell.text, room), cell.color));
        } else {
            line.push_str(&paint(&cell.text, cell.color));
            line.push_str(&" ".repeat(column - cell.text.width() + GAP));
            used += column + GAP;
        }
    }
    line.trim_end().to_owned()
}

/// The text in a colour given as SGR parameters; as it is if there are none.
pub(super) fn paint(text: &str, color: &str) -> String {
    if color.is_empty() {
        text.to_owned()
    } else {
        format!("\u{1b}[{color}m{text}\u{1b}[0m")
    }
}

/// The beginning of a text that fits, with an ellipsis if something is missing.
pub(super) fn shorten(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        short.push(c);
    }
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<Cell> {
        cells.iter().map(|c| Cell::plain(*c)).collect()
    }

    #[test]
    fn columns_line_up_by_display_width() {
        let rows = [
            row(&["NAME", "PID", "X"]),
            row(&["日本", "7", "y z"]),
            row(&["a", "", ""]),
        ];
        assert_eq!(render(&rows, None), "NAME  PID  X\n日本  7    y z\na\n");
    }

    #[test]
    fn the_last_column_is_cut_and_colour_has_no_width() {
        let mut cells = row(&["ab", "a long command"]);
        cells[0].color = "32";
        assert_eq!(
            render(&[cells], Some(10)),
            "\u{1b}[32mab\u{1b}[0m  a lon…\n"
        );
        assert_eq!(shorten("short", 5), "short");
        assert_eq!(shorten("日本語", 5), "日本…");
    }
}
