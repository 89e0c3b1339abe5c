//! What is waited for, on a terminal: one line that is written over and over, and gone at the
//! end.

use super::client::{Client, Properties, Signal};
use super::error::Problem;
use super::fields::Fields;
use super::output::Output;
use super::table::shorten;
use super::time;
use std::io::{IsTerminal, Write};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long a wait may take before anything is said, and how often it is said anew.
const PATIENCE: Duration = Duration::from_secs(1);

/// The line.
pub(super) struct Progress {
    /// Columns; `None` if nothing is to be said.
    width: Option<usize>,
    begun: Instant,
    next: Instant,
    drawn: bool,
}

impl Progress {
    /// Says something only on a terminal, and only to who wants it.
    pub(super) fn new(output: &Output) -> Progress {
        let wanted = !output.quiet && output.is_text() && std::io::stderr().is_terminal();
        let now = Instant::now();
        Progress {
            width: wanted.then_some(output.width.unwrap_or(80)),
            begun: now,
            next: now + PATIENCE,
            drawn: false,
        }
    }

    /// The next signal; meanwhile the line is kept up to date.
    ///
    /// # Errors
    /// The daemon went away.
    pub(super) async fn next_signal<'a>(
        &mut self,
        client: &mut Client,
        verb: &str,
        units: impl Iterator<Item = &'a str>,
    ) -> Result<Signal, Problem> {
        let Some(width) = self.width else {
            return client.next_signal().await;
        };
        let units: Vec<&str> = units.collect();
        loop {
            if let Ok(signal) = timeout_at(self.next, client.next_signal()).await {
                self.clear();
                return signal;
            }
            self.next += PATIENCE;
            let Some(unit) = units.first() else { continue };
            let properties = client.unit(unit).await?;
            let waited = self.begun.elapsed().as_micros();
            let waited = u64::try_from(waited).unwrap_or(u64::MAX);
            let text = line(verb, unit, units.len() - 1, waited, &properties);
            self.draw(&shorten(&text, width.saturating_sub(1)));
        }
    }

    fn draw(&mut self, text: &str) {
        // There is nowhere to say that standard error is closed.
        let _ = write!(std::io::stderr(), "\r\u{1b}[K{text}");
        self.drawn = true;
    }

    /// Takes the line away.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}

/// `waiting for start of a.service (start-pre): 12s of at most 1min 30s, and 2 more`.
fn line(verb: &str, unit: &str, others: usize, waited: u64, properties: &Properties) -> String {
    let limit = properties.number(match properties.text("ActiveState") {
        "deactivating" => "TimeoutStopUSec",
        _ => "TimeoutStartUSec",
    });
    let mut text = format!(
        "waiting for {verb} of {unit} ({}): {}",
        properties.text("SubState"),
        time::rough(waited)
    );
    match limit {
        0 | u64::MAX => text.push_str(", without a limit"),
        limit => text.push_str(&format!(" of at most {}", time::rough(limit))),
    }
    if others > 0 {
        text.push_str(&format!(", and {others} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_line_says_what_since_when_and_how_long_at_most() {
        let mut properties: Properties = vec![
            ("ActiveState".to_owned(), json!("activating")),
            ("SubState".to_owned(), json!("start-pre")),
            ("TimeoutStartUSec".to_owned(), json!(90_000_000)),
            ("TimeoutStopUSec".to_owned(), json!(u64::MAX)),
        ];
        assert_eq!(
            line("start", "a.service", 2, 12_000_000, &properties),
            "waiting for start of a.service (start-pre): 12s of at most 1min 30s, and 2 more"
        );
        properties[0].1 = json!("deactivating");
        let text = line("stop", "a.service", 0, 3_000_000, &properties);
        assert!(text.ends_with("3s, without a limit"), "{text}");
    }
}
