//! Start limit, reset-failed, and restarts that cannot be carried out (checklist row M17).

use super::world::{SECOND, World};
use crate::engine::process::ProcessStatus::Exited;
use crate::engine::service::Service;
use crate::engine::state::ServiceResult as R;
use crate::engine::state::ServiceState as S;
use crate::unit::config::Restart;

fn queued_after(status: u8) -> World {
    let mut w = World::new(|s| s.restart = Restart::Always);
    w.start();
    w.end_main(Exited(status));
    w.pass(SECOND);
    assert_eq!(w.state(), S::AutoRestartQueued);
    w
}

#[test]
fn start_limit_keeps_the_earlier_failure() {
    let mut w = queued_after(1);
    w.call(Service::start_limit_hit);
    w.assert(S::Failed, R::ExitCode);

    let mut w = queued_after(0);
    w.call(Service::start_limit_hit);
    w.assert(S::Failed, R::StartLimitHit);

    let mut w = World::new(|_| ());
    w.call(Service::start_limit_hit);
    w.assert(S::Failed, R::StartLimitHit);
    assert_eq!(w.service.deadline(), None);
}

#[test]
fn reset_failed_forgets() {
    let mut w = queued_after(1);
    w.call(Service::start_limit_hit);
    w.call(Service::reset_failed);
    w.assert(S::Dead, R::Success);
    assert_eq!(w.service.view().restarts, 0);
}

#[test]
fn reset_failed_leaves_a_running_service_alone() {
    let mut w = World::new(|_| ());
    w.start();
    let states = w.states.clone();
    w.call(Service::reset_failed);
    assert_eq!(w.states, states);
}

#[test]
fn restart_that_cannot_be_carried_out() {
    let mut w = queued_after(0);
    w.call(|service, cx| service.give_up_restart(cx, R::Resources));
    w.assert(S::Failed, R::Resources);

    let mut w = queued_after(0);
    w.call(|service, cx| service.give_up_restart(cx, R::Success));
    w.assert(S::Dead, R::Success);

    let mut w = World::new(|_| ());
    w.start();
    w.call(|service, cx| service.give_up_restart(cx, R::Resources));
    w.assert(S::Running, R::Success);
}
