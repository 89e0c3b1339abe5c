//! Jobs and their algebra: which merge into what, which is pointless, who goes first
//! (checklist J5, J6; laws tested over all combinations).

use super::graph::Edge;
use super::ids::{JobId, UnitId};
use super::state::{ActiveState, JobKind};
use serde::{Deserialize, Serialize};

/// An installed job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Job {
    /// Its number.
    pub(super) id: JobId,
    /// Whose.
    pub(super) unit: UnitId,
    /// What it does; a restart turns into a start when its stop half is done.
    pub(super) kind: JobKind,
    /// Running, or waiting for its turn.
    pub(super) running: bool,
    /// Only a later shutdown may replace it.
    pub(super) irreversible: bool,
    /// Runs without regard to After= and Before=.
    pub(super) ignore_order: bool,
    /// MONITOR_... of the unit whose end queued it; empty if none or several did (E9).
    pub(super) monitor: Vec<(String, String)>,
}

/// What two jobs for the same unit become, if they go together.
pub(super) fn merge(a: JobKind, b: JobKind, state: ActiveState) -> Option<JobKind> {
    use JobKind::{Nop, Reload, Restart, Start, Stop, VerifyActive};
    match (a, b) {
        (Nop, Nop) => Some(Nop),
        (Nop, _) | (_, Nop) => None,
        (Stop, Stop) => Some(Stop),
        (Stop, _) | (_, Stop) => None,
        (Restart, _) | (_, Restart) => Some(Restart),
        (Start, Reload) | (Reload, Start) => Some(reload_or_start(state)),
        (Start, Start | VerifyActive) | (VerifyActive, Start) => Some(Start),
        (Reload, Reload | VerifyActive) | (VerifyActive, Reload) => Some(Reload),
        (VerifyActive, VerifyActive) => Some(VerifyActive),
    }
}

/// Whether two jobs for one unit exclude each other.
pub(super) fn conflicts(a: JobKind, b: JobKind) -> bool {
    a != JobKind::Nop && b != JobKind::Nop && merge(a, b, ActiveState::Active).is_none()
}

/// reload-or-start, settled by what the unit is doing.
pub(super) fn reload_or_start(state: ActiveState) -> JobKind {
    if state.is_inactive_or_deactivating() {
        JobKind::Start
    } else {
        JobKind::Reload
    }
}

/// try-restart, settled by what the unit is doing.
pub(super) fn try_restart(state: ActiveState) -> JobKind {
    if state.is_inactive_or_deactivating() {
        JobKind::Nop
    } else {
        JobKind::Restart
    }
}

/// Whether the job would find nothing to do.
pub(super) fn is_redundant(kind: JobKind, state: ActiveState) -> bool {
    match kind {
        JobKind::Start | JobKind::VerifyActive => state.is_active_or_reloading(),
        JobKind::Stop => state.is_inactive_or_failed(),
        JobKind::Reload => state == ActiveState::Reloading,
        // A unit on its way up will be fresh anyway.
        JobKind::Restart => state == ActiveState::Activating,
        JobKind::Nop => true,
    }
}

/// What ordering asks of a job.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ordered {
    /// What it does.
    pub(super) kind: JobKind,
    /// Whether ordering is ignored for it.
    pub(super) ignore_order: bool,
}

/// Whether `other` has to end before `job` may run, where `edge` (After or Before) leads from
/// the unit of `job` to that of `other` (J5): a stop goes first whatever the direction, a
/// restart counts as a stop until its stop half is done, two stops go in reverse.
pub(super) fn must_wait(job: Ordered, other: Ordered, edge: Edge) -> bool {
    if job.ignore_order || other.ignore_order {
        return false;
    }
    if job.kind == JobKind::Nop || other.kind == JobKind::Nop {
        return false;
    }
    let stops = |kind| matches!(kind, JobKind::Stop | JobKind::Restart);
    if edge == Edge::After {
        // Ours is the later unit: we wait unless we are the one that stops.
        !stops(job.kind)
    } else {
        stops(other.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [JobKind; 5] = [
        JobKind::Start,
        JobKind::VerifyActive,
        JobKind::Stop,
        JobKind::Reload,
        JobKind::Restart,
    ];
    const STATES: [ActiveState; 6] = [
        ActiveState::Active,
        ActiveState::Reloading,
        ActiveState::Inactive,
        ActiveState::Failed,
        ActiveState::Activating,
        ActiveState::Deactivating,
    ];

    #[test]
    fn j6_merging_is_commutative_and_associative() {
        for state in STATES {
            for a in KINDS {
                assert_eq!(merge(a, a, state), Some(a));
                for b in KINDS {
                    assert_eq!(merge(a, b, state), merge(b, a, state));
                    for c in KINDS {
                        let left = merge(a, b, state).and_then(|ab| merge(ab, c, state));
                        let right = merge(b, c, state).and_then(|bc| merge(a, bc, state));
                        assert_eq!(left, right, "{a:?} {b:?} {c:?} {state:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn j6_what_merges_with_one_of_two_merges_with_both() {
        for a in KINDS {
            for b in KINDS {
                for c in KINDS {
                    if !conflicts(a, b) && conflicts(a, c) {
                        assert!(conflicts(b, c), "{a:?} {b:?} {c:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn j5_one_of_two_ordered_jobs_waits() {
        for a in KINDS {
            for b in KINDS {
                let [x, y] = [a, b].map(|kind| Ordered {
                    kind,
                    ignore_order: false,
                });
                let first = must_wait(x, y, Edge::After);
                let second = must_wait(y, x, Edge::Before);
                assert!(first != second, "{a:?} after {b:?}: exactly one waits");
            }
        }
        let [start, stop] = [JobKind::Start, JobKind::Stop].map(|kind| Ordered {
            kind,
            ignore_order: false,
        });
        assert!(must_wait(start, stop, Edge::Before) && must_wait(start, stop, Edge::After));
        assert!(must_wait(stop, stop, Edge::Before) && !must_wait(stop, stop, Edge::After));
    }
}
