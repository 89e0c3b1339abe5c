//! Within AccuracySec=, timers elapse where other timers of the machine do.

const SECOND: u64 = 1_000_000;
/// What AccuracySec=0 stands for.
const FINEST: u64 = SECOND / 4;
/// The grids to choose from, coarsest first.
const GRIDS: [u64; 4] = [60 * SECOND, 10 * SECOND, SECOND, FINEST];

/// When a timer elapses that is due at `time` and may be late by `accuracy`, in microseconds:
/// on the coarsest grid that has a point in between. `perturbation` (below a minute) moves all
/// grids of a machine alike, so that not all machines wake up at once.
pub(super) fn coalesce(time: u64, accuracy: u64, perturbation: u64) -> u64 {
    let accuracy = if accuracy == 0 { FINEST } else { accuracy };
    let latest = time.saturating_add(accuracy);
    if time == 0 || latest <= time.saturating_add(1) {
        return time;
    }
    let on_grid = |grid: u64| {
        let point = (latest / grid * grid).saturating_add(perturbation % grid);
        let point = if point >= latest {
            point.checked_sub(grid)?
        } else {
            point
        };
        (point >= time).then_some(point)
    };
    GRIDS.into_iter().find_map(on_grid).unwrap_or(latest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coarsest_grid_within_the_accuracy_is_chosen() {
        let minute = 60 * SECOND;
        let at = |time: u64, accuracy: u64| coalesce(time, accuracy, 17 * SECOND + 300_000);
        assert_eq!(at(10 * minute, minute), 10 * minute + 17_300_000);
        assert_eq!(
            at(10 * minute + 18 * SECOND, minute),
            11 * minute + 17_300_000
        );
        // Every ten seconds: 7.3 s behind the full ten.
        assert_eq!(at(10 * minute, 15 * SECOND), 10 * minute + 7_300_000);
        assert_eq!(at(10 * minute, 2 * SECOND), 10 * minute + 1_300_000);
        assert_eq!(at(10 * minute, 300_000), 10 * minute + 50_000);
        assert_eq!(at(10 * minute + 60_000, 100_000), 10 * minute + 160_000);
        assert_eq!(at(10 * minute, 1), 10 * minute);
        assert_eq!(at(10 * minute, 0), 10 * minute + 50_000);
        assert_eq!(at(u64::MAX - 5, u64::MAX), u64::MAX);
    }
}
