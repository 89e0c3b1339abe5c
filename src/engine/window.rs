//! Limits of how often something may happen within a time.

use crate::unit::value::TimeSpan;
use serde::{Deserialize, Serialize};

/// Counts what happens within a window of time that opens with the first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Window {
    began: Option<u64>,
    count: u32,
}

impl Window {
    /// Counts one more at `now` and tells how many there are, times in µs.
    pub(super) fn count(&mut self, now: u64, length: u64) -> u32 {
        match self.began {
            Some(began) if now.saturating_sub(began) <= length => {
                self.count = self.count.saturating_add(1);
            }
            Some(_) | None => {
                self.began = Some(now);
                self.count = 1;
            }
        }
        self.count
    }

    /// Counts one more and tells whether it is within a limit; one of zero is none.
    pub(super) fn allow(&mut self, now: u64, interval: TimeSpan, burst: u32) -> bool {
        let length = interval.as_micros();
        length == 0 || burst == 0 || self.count(now, length) <= burst
    }

    /// How many there were when it was counted last.
    pub(super) fn reached(&self) -> u32 {
        self.count
    }

    /// The first moment at which the window that is open will have closed.
    pub(super) fn end(&self, interval: TimeSpan) -> Option<u64> {
        self.began?
            .checked_add(interval.as_micros())?
            .checked_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_its_end_a_window_has_closed() {
        let interval = TimeSpan::from_secs(1);
        let mut window = Window::default();
        assert!(window.allow(5, interval, 1));
        assert!(!window.allow(5, interval, 1));
        let end = window.end(interval).expect("it is open");
        assert!(!window.clone().allow(end - 1, interval, 1));
        assert!(window.allow(end, interval, 1));
    }
}
