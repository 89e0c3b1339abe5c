//! `logs`: what units wrote, as `TIME unit[pid]: text`.

use super::client::{Client, Line, Signal};
use super::error::Problem;
use super::names;
use super::output::{FAINT, Output, say};
use super::{table, time};

/// Prints the last lines, and with `follow` those that come.
pub(super) async fn run(
    client: &mut Client,
    output: &Output,
    units: &[String],
    count: u32,
    follow: bool,
) -> Result<u8, Problem> {
    let units = names::expand(client, units).await?;
    let lines = client.log(&units, count, follow).await?;
    if output.is_text() {
        say(&lines
            .iter()
            .map(|l| text(l, output, None))
            .collect::<String>());
    } else if follow {
        // One object a line, as nobody can close an array that never ends.
        lines.iter().for_each(|line| output.json(line));
    } else {
        output.json(&lines);
    }
    if !follow {
        return Ok(0);
    }
    // Ends with the connection, or by a signal.
    loop {
        if let Signal::Logged(line) = client.next_signal().await? {
            if output.is_text() {
                say(&text(&line, output, None));
            } else {
                output.json(&line);
            }
        }
    }
}

/// A line of log for people, with its line end; cut at `width` columns if that is given.
pub(super) fn text(line: &Line, output: &Output, width: Option<usize>) -> String {
    let time = time::stamp(line.time);
    let room = width.map_or(usize::MAX, |width| width.saturating_sub(time.len() + 1));
    let rest = table::shorten(&words(line), room);
    format!("{} {rest}\n", output.painted(&time, FAINT))
}

/// Who wrote it, and what.
fn words(line: &Line) -> String {
    let pid = match line.pid {
        0 => String::new(),
        pid => format!("[{pid}]"),
    };
    let (who, pid) = match (line.stream.as_str(), line.unit.as_str()) {
        // What the manager says of a unit is the manager's word, not the unit's.
        ("manager", "") | (_, "") => ("dd-procmgrd".to_owned(), String::new()),
        ("manager", unit) if line.text.starts_with(unit) => {
            ("dd-procmgrd".to_owned(), String::new())
        }
        ("manager", unit) => (format!("dd-procmgrd: {unit}"), String::new()),
        (_, unit) => (unit.to_owned(), pid),
    };
    format!("{who}{pid}: {}", clean(&line.text))
}

/// The text without control characters, which could play tricks on a terminal.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output() -> Output {
        Output::plain()
    }

    fn line(unit: &str, pid: i32, stream: &str, text: &str) -> Line {
        Line {
            number: 1,
            time: 0,
            unit: unit.to_owned(),
            pid,
            stream: stream.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn lines_say_who_wrote_them() {
        let show = |line: &Line| text(line, &output(), None);
        assert_eq!(
            show(&line("a.service", 7, "stdout", "hi")),
            "- a.service[7]: hi\n"
        );
        assert_eq!(
            show(&line("a.service", 0, "stderr", "x\u{1b}[2Jy")),
            "- a.service: x\u{fffd}[2Jy\n"
        );
        assert_eq!(
            show(&line("a.service", 0, "manager", "a.service: failed")),
            "- dd-procmgrd: a.service: failed\n"
        );
        assert_eq!(
            show(&line("a.service", 0, "manager", "failed")),
            "- dd-procmgrd: a.service: failed\n"
        );
        assert_eq!(show(&line("", 0, "manager", "up")), "- dd-procmgrd: up\n");
        let long = line("a.service", 7, "stdout", "much to say");
        assert_eq!(text(&long, &output(), Some(17)), "- a.service[7]: …\n");
    }
}
