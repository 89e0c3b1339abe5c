//! How the loop itself is: how long its turns and the starts of processes take, and what the
//! daemon's own process holds.

use super::clock;
use super::handle::Vitals;
use super::run::Host;
use std::time::Duration;

/// Upper bounds of the buckets for turns of the loop, in seconds.
const TURNS: &[f64] = &[0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1.0];
/// The same for starts of processes.
const SPAWNS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0,
];

/// How often something took how long.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    /// Upper bound of each bucket in seconds, and how many fell into it and no lower one; the
    /// last one has no bound.
    pub buckets: Vec<(f64, u64)>,
    /// All together, in seconds.
    pub sum: f64,
}

impl Histogram {
    fn new(bounds: &[f64]) -> Histogram {
        let bounds = bounds.iter().copied().chain([f64::INFINITY]);
        Histogram {
            buckets: bounds.map(|bound| (bound, 0)).collect(),
            sum: 0.0,
        }
    }

    fn observe(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        self.sum += seconds;
        let bucket = self.buckets.iter_mut().find(|(bound, _)| seconds <= *bound);
        if let Some((_, count)) = bucket {
            *count += 1;
        }
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }
}

/// What the loop remembers of itself.
#[derive(Debug)]
pub(super) struct Pulse {
    turns: Histogram,
    spawns: Histogram,
}

impl Default for Pulse {
    fn default() -> Pulse {
        Pulse {
            turns: Histogram::new(TURNS),
            spawns: Histogram::new(SPAWNS),
        }
    }
}

impl Pulse {
    /// A turn of the loop is over: nobody else was heard meanwhile.
    pub(super) fn turn(&mut self, took: Duration) {
        self.turns.observe(took);
    }

    /// A process was started, from the order to the answer.
    pub(super) fn spawn(&mut self, took: Duration) {
        self.spawns.observe(took);
    }
}

impl Host {
    /// What is shown of it.
    pub(super) fn vitals(&self) -> Vitals {
        Vitals {
            now: clock::now(),
            turns: self.pulse.turns.clone(),
            spawns: self.pulse.spawns.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_falls_into_one_bucket() {
        let mut histogram = Histogram::new(&[0.001, 0.01]);
        for millis in [0, 1, 5, 10, 11, 5000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let counts: Vec<u64> = histogram.buckets.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [2, 2, 2]);
        assert_eq!(histogram.count(), 6);
        assert!((histogram.sum - 5.027).abs() < 1e-9);
    }
}
