//! OOMPolicy=.

use super::world::{World, all_lists};
use crate::engine::process::ProcessStatus::Killed;
use crate::engine::service::Service;
use crate::engine::state::ServiceResult as R;
use crate::engine::state::ServiceState as S;
use crate::unit::config::{CommandKind as K, OomPolicy, Restart, ServiceType};
use crate::unit::value::Signal;

fn running(policy: OomPolicy) -> World {
    let mut w = World::new(|s| {
        all_lists(s);
        s.oom_policy = policy;
    });
    w.start();
    w.call(Service::on_out_of_memory);
    w
}

#[test]
fn what_becomes_of_a_service_that_runs() {
    let w = running(OomPolicy::Continue);
    w.assert(S::Running, R::Success);

    let w = running(OomPolicy::Stop);
    w.assert(S::Failed, R::OomKill);
    assert_eq!(w.count(K::Stop), 1, "it is stopped in order");
    assert_eq!(w.variable(K::StopPost, "SERVICE_RESULT"), Some("oom-kill"));

    let w = running(OomPolicy::Kill);
    w.assert(S::Failed, R::OomKill);
    assert_eq!(w.count(K::Stop), 0);
    assert_eq!(w.kills[0].signal, Signal::KILL);
}

#[test]
fn the_end_of_the_main_process_by_it_counts_as_that() {
    for policy in [OomPolicy::Stop, OomPolicy::Kill] {
        let mut w = World::new(|s| {
            s.oom_policy = policy;
            s.restart = Restart::OnAbnormal;
        });
        w.ignored.insert(Signal::TERM);
        w.ignored.insert(Signal::KILL);
        w.start();
        w.call(Service::on_out_of_memory);
        w.end_main(Killed(Signal::KILL));
        assert_eq!(w.result(), R::OomKill);
        assert_eq!(w.state(), S::AutoRestart);
    }
    // What is to go on is judged by the end of its main process alone.
    let mut w = World::new(|s| s.oom_policy = OomPolicy::Continue);
    w.start();
    w.call(Service::on_out_of_memory);
    w.end_main(Killed(Signal::KILL));
    w.assert(S::Failed, R::Signal);
}

#[test]
fn in_a_start() {
    for (policy, state) in [
        (OomPolicy::Stop, S::StopSigterm),
        (OomPolicy::Kill, S::FinalSigkill),
    ] {
        let mut w = World::new(|s| {
            s.service_type = ServiceType::Notify;
            s.oom_policy = policy;
        });
        w.start();
        w.call(Service::on_out_of_memory);
        assert_eq!(w.states[1], state);
        w.assert(S::Failed, R::OomKill);
    }
}

#[test]
fn a_stop_that_goes_on_is_hurried_up() {
    let mut w = World::new(|_| ());
    w.ignored.insert(Signal::TERM);
    w.start();
    w.stop();
    assert_eq!(w.state(), S::StopSigterm);
    w.call(Service::on_out_of_memory);
    w.assert(S::Failed, R::OomKill);
    assert!(w.states.contains(&S::StopSigkill));
}

#[test]
fn a_reload_ends_with_the_service() {
    for policy in [OomPolicy::Stop, OomPolicy::Kill] {
        let mut w = World::new(|s| {
            all_lists(s);
            s.oom_policy = policy;
        });
        w.lasting.insert((K::Reload, 0));
        w.start();
        w.reload();
        let control = w.service.view().control_pid;
        w.call(Service::on_out_of_memory);
        w.assert(S::Failed, R::OomKill);
        assert!(!w.lives(control));
    }
}

#[test]
fn what_is_down_does_not_care() {
    let mut w = World::new(|_| ());
    w.call(Service::on_out_of_memory);
    w.assert(S::Dead, R::Success);
}
