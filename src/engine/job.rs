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
    /// TRIGGER_... of the timer or path that queued it.
    pub(super) details: Vec<(String, String)>,
    /// When it has taken too long, monotonic microseconds (JobTimeoutSec= and kin).
    pub(super) deadline: Option<u64>,
    /// The unit whose job was in the way when it was last looked; where the next look begins.
    #[serde(skip)]
    pub(super) blocked_by: Option<UnitId>,
}

/// What two jobs for the same unit become, if they go together.
pub(super) fn merge(a: JobKind, b: JobKind, state: ActiveState) -> Option<JobKind> {
    use JobKind::{Nop, Overlap, Reload, Restart, Start, Stop, VerifyActive};
    match (a, b) {
        (Nop, Nop) => Some(Nop),
        (Nop, _) | (_, Nop) => None,
        (Stop, Stop) => Some(Stop),
        (Stop, _) | (_, Stop) => None,
        (Restart, _) | (_, Restart) => Some(Restart),
        // It becomes a restart where there is nothing to be beside of.
        (Overlap, _) | (_, Overlap) => Some(Overlap),
        (Start, Reload) | (Reload, Start) => Some(reload_or_start(state)),
        (Start, Start | VerifyActive) | (VerifyActive, Start) => Some(Start),
        (Reload, Reload | VerifyActive) | (VerifyActive, Reload) => Some(Reload),
        (VerifyActive, VerifyActive) => Some(VerifyActive),
    }
}

/// Whether a running job does what another one is asked for, so that it may go on as it is. A
/// reload that is asked for has to come after what was changed before; a start that meets a
/// reload is settled only when the job runs again.
pub(super) fn covers(running: JobKind, new: JobKind) -> bool {
    use JobKind::{Nop, Overlap, Reload, Restart, Start, Stop, VerifyActive};
    match (running, new) {
        (_, Reload) => false,
        (Start, Start | VerifyActive) => true,
        (Start, Stop | Restart | Overlap | Nop) => false,
        (VerifyActive, VerifyActive) => true,
        (VerifyActive, Start | Stop | Restart | Overlap | Nop) => false,
        (Stop, Stop) => true,
        (Stop, Start | VerifyActive | Restart | Overlap | Nop) => false,
        (Reload, VerifyActive) => true,
        (Reload, Start | Stop | Restart | Overlap | Nop) => false,
        (Restart, Start | VerifyActive | Restart | Overlap) => true,
        (Overlap, Start | VerifyActive | Overlap) => true,
        (Overlap, Stop | Restart | Nop) => false,
        (Restart, Stop | Nop) => false,
        (Nop, Nop) => true,
        (Nop, Start | VerifyActive | Stop | Restart | Overlap) => false,
    }
}

/// Whether two jobs for one unit exclude each other.
pub(super) fn conflicts(a: JobKind, b: JobKind) -> bool {
    a != JobKind::Nop && b != JobKind::Nop && merge(a, b, ActiveState::Active).is_none()
}

/// reload-or-start, settled by what the unit is doing.
pub(super) fn reload_or_start(state: ActiveState) -> JobKind {
    if state.is_active_or_reloading() {
        JobKind::Reload
    } else {
        JobKind::Start
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
        // Also where the unit is on its way up: what it was restarted for may be behind it.
        JobKind::Restart | JobKind::Overlap => false,
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

    const KINDS: [JobKind; 7] = [
        JobKind::Start,
        JobKind::VerifyActive,
        JobKind::Stop,
        JobKind::Reload,
        JobKind::Restart,
        JobKind::Overlap,
        JobKind::Nop,
    ];
    const STATES: [ActiveState; 7] = [
        ActiveState::Active,
        ActiveState::Reloading,
        ActiveState::Inactive,
        ActiveState::Failed,
        ActiveState::Activating,
        ActiveState::Deactivating,
        ActiveState::Maintenance,
    ];

    fn for_all(mut law: impl FnMut(JobKind, JobKind, ActiveState)) {
        for state in STATES {
            for a in KINDS {
                for b in KINDS {
                    law(a, b, state);
                }
            }
        }
    }

    #[test]
    fn j6_merging_is_commutative_and_idempotent() {
        for_all(|a, b, state| {
            assert_eq!(merge(a, b, state), merge(b, a, state), "{a:?} {b:?}");
            assert_eq!(merge(a, a, state), Some(a));
            if let Some(merged) = merge(a, b, state) {
                assert_eq!(merge(merged, a, state), Some(merged), "{a:?} {b:?}");
                assert_eq!(merge(merged, b, state), Some(merged), "{a:?} {b:?}");
            }
        });
    }

    #[test]
    fn j6_merging_is_associative() {
        for_all(|a, b, state| {
            for c in KINDS {
                let left = merge(a, b, state).and_then(|ab| merge(ab, c, state));
                let right = merge(b, c, state).and_then(|bc| merge(a, bc, state));
                assert_eq!(left, right, "{a:?} {b:?} {c:?} {state:?}");
            }
        });
    }

    #[test]
    fn j6_conflict_is_symmetric_and_only_with_stop() {
        for_all(|a, b, state| {
            assert_eq!(conflicts(a, b), conflicts(b, a));
            let nop = a == JobKind::Nop || b == JobKind::Nop;
            let stop = (a == JobKind::Stop) != (b == JobKind::Stop);
            assert_eq!(conflicts(a, b), stop && !nop, "{a:?} {b:?}");
            if !nop {
                assert_eq!(conflicts(a, b), merge(a, b, state).is_none());
            }
        });
    }

    #[test]
    fn j6_what_merges_with_one_of_two_merges_with_both() {
        for_all(|a, b, _| {
            for c in KINDS {
                let nop = [a, b, c].contains(&JobKind::Nop);
                if !nop && !conflicts(a, b) && conflicts(a, c) {
                    assert!(conflicts(b, c), "{a:?} {b:?} {c:?}");
                }
            }
        });
    }

    #[test]
    fn j6_kinds_that_depend_on_the_state_are_settled_by_it() {
        for state in STATES {
            let up = matches!(state, ActiveState::Active | ActiveState::Reloading);
            let reload = [JobKind::Start, JobKind::Reload][usize::from(up)];
            assert_eq!(reload_or_start(state), reload, "{state:?}");
            assert_eq!(
                merge(JobKind::Start, JobKind::Reload, state),
                Some(reload_or_start(state))
            );
            let down = state.is_inactive_or_deactivating();
            let restart = [JobKind::Restart, JobKind::Nop][usize::from(down)];
            assert_eq!(try_restart(state), restart, "{state:?}");
        }
    }

    #[test]
    fn j6_what_covers_another_is_what_they_merge_into() {
        for_all(|a, b, state| {
            let merged = merge(a, b, state) == Some(a);
            assert!(merged || !covers(a, b), "{a:?} {b:?} {state:?}");
            // A reload begins anew for whoever asks later, also by way of reload-or-start.
            let anew = b == JobKind::Reload || (a == JobKind::Reload && b == JobKind::Start);
            if merged && !anew {
                assert!(covers(a, b), "{a:?} {b:?} {state:?}");
            }
        });
    }

    #[test]
    fn j6_two_jobs_without_effect_merge_into_one_without() {
        for_all(|a, b, state| {
            if let Some(merged) = merge(a, b, state) {
                let both = is_redundant(a, state) && is_redundant(b, state);
                assert!(
                    !both || is_redundant(merged, state),
                    "{a:?} {b:?} {state:?}"
                );
            }
        });
    }

    #[test]
    fn a_job_without_effect_would_find_its_unit_where_it_leads_it() {
        for state in STATES {
            let up = state.is_active_or_reloading();
            assert_eq!(is_redundant(JobKind::Start, state), up);
            assert_eq!(is_redundant(JobKind::VerifyActive, state), up);
            assert_eq!(
                is_redundant(JobKind::Stop, state),
                state.is_inactive_or_failed()
            );
            assert!(!is_redundant(JobKind::Restart, state));
            assert!(is_redundant(JobKind::Nop, state));
        }
    }

    #[test]
    fn j5_one_of_two_ordered_jobs_waits() {
        for_all(|a, b, _| {
            let [x, y] = [a, b].map(|kind| Ordered {
                kind,
                ignore_order: false,
            });
            let first = must_wait(x, y, Edge::After);
            let second = must_wait(y, x, Edge::Before);
            if a == JobKind::Nop || b == JobKind::Nop {
                assert!(!first && !second, "{a:?} {b:?}: nothing to wait for");
            } else {
                assert!(first != second, "{a:?} after {b:?}: exactly one waits");
            }
        });
    }

    #[test]
    fn j5_stops_go_first_and_in_reverse() {
        let [start, stop] = [JobKind::Start, JobKind::Stop].map(|kind| Ordered {
            kind,
            ignore_order: false,
        });
        assert!(must_wait(start, stop, Edge::Before) && must_wait(start, stop, Edge::After));
        assert!(must_wait(stop, stop, Edge::Before) && !must_wait(stop, stop, Edge::After));
        let free = Ordered {
            ignore_order: true,
            ..start
        };
        assert!(!must_wait(free, stop, Edge::After) && !must_wait(start, free, Edge::After));
    }
}
