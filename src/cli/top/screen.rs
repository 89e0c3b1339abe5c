//! From the state to what is drawn.

use super::state::{Row, State};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph, Row as TableRow, Table, TableState};

const KEYS: &str = "↑↓ select  s start  t stop  r restart  a all types  q quit";

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, state: &State) {
    let areas = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(5),
        Constraint::Percentage(35),
        Constraint::Length(1),
    ]);
    let [head, units, log, foot] = areas.areas(frame.area());
    frame.render_widget(Paragraph::new(state.manager.as_str()), head);
    let header = TableRow::new([
        "UNIT", "STATE", "HEALTH", "PID", "CPU", "MEMORY", "RESTARTS",
    ]);
    let widths = [
        Constraint::Min(20),
        Constraint::Length(10),
        Constraint::Length(9),
        Constraint::Length(8),
        Constraint::Length(7),
        Constraint::Length(9),
        Constraint::Length(8),
    ];
    let table = Table::new(state.rows.iter().map(row), widths)
        .header(header.style(Style::new().add_modifier(Modifier::BOLD)))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut selection = TableState::default().with_selected(Some(state.selected));
    frame.render_stateful_widget(table, units, &mut selection);
    let title = state.name().unwrap_or("no unit");
    let room = usize::from(log.height.saturating_sub(2));
    let skipped = state.log.len().saturating_sub(room);
    let lines: Vec<Line<'_>> = state.log[skipped..]
        .iter()
        .map(|line| Line::from(printable(&line.text)))
        .collect();
    let block = Block::bordered().title(title);
    frame.render_widget(Paragraph::new(lines).block(block), log);
    let foot_text = match state.message.as_str() {
        "" => KEYS.to_owned(),
        message => format!("{message}  ({KEYS})"),
    };
    frame.render_widget(Paragraph::new(foot_text), foot);
}

/// What a service writes must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn row(row: &Row) -> TableRow<'_> {
    let color = match row.state.as_str() {
        "running" if row.health == "unhealthy" => Color::Red,
        "running" => Color::Green,
        "failed" | "crashed" => Color::Red,
        "starting" | "stopping" => Color::Yellow,
        _ => Color::Reset,
    };
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let cells = [
        row.name.clone(),
        row.state.clone(),
        or_dash((!row.health.is_empty()).then(|| row.health.clone())),
        or_dash((row.pid > 0).then(|| row.pid.to_string())),
        or_dash(row.cpu.map(|cpu| format!("{cpu:.1}%"))),
        or_dash(row.memory.map(size)),
        row.restarts.to_string(),
    ];
    TableRow::new(cells).style(Style::new().fg(color))
}

/// Bytes as `4.0K`, `1.5M`.
fn size(bytes: u64) -> String {
    crate::cli::process::size(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    #[test]
    fn the_screen_has_units_log_and_keys() {
        let mut terminal = Terminal::new(TestBackend::new(90, 20)).unwrap();
        let state = State {
            manager: "main running: 2 units".to_owned(),
            rows: vec![Row {
                name: "trace.service".to_owned(),
                state: "running".to_owned(),
                health: "unhealthy".to_owned(),
                pid: 71,
                restarts: 2,
                cpu: Some(12.34),
                memory: Some(3 << 20),
            }],
            ..State::default()
        };
        terminal.draw(|frame| draw(frame, &state)).unwrap();
        let screen = terminal.backend().to_string();
        for text in [
            "main running",
            "trace.service",
            "unhealthy",
            "71",
            "12.3%",
            "3.0M",
            "q quit",
        ] {
            assert!(screen.contains(text), "{text}:\n{screen}");
        }
        assert_eq!(printable("a\u{1b}[31m"), "a [31m");
    }
}
