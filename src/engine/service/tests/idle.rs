//! Type=idle (checklist row M1).

use super::world::{SECOND, World, add};
use crate::engine::state::ServiceResult as R;
use crate::engine::state::ServiceState as S;
use crate::unit::config::{CommandKind as K, Restart, ServiceType};

fn idle() -> World {
    let mut w = World::new(|s| {
        s.service_type = ServiceType::Idle;
        add(s, K::StartPost, &["post"]);
        s.restart = Restart::Always;
    });
    w.start();
    w
}

#[test]
fn it_is_up_at_once_and_runs_when_all_is_quiet() {
    let mut w = idle();
    w.assert(S::Running, R::Success);
    assert!(w.held);
    assert_eq!(w.ran(), ["ExecStartPost0"]);
    assert_eq!(w.service.view().main_pid, 0);
    assert_eq!(w.service.main_process(), None, "there is nothing to signal");
    w.release();
    assert_eq!(w.ran(), ["ExecStartPost0", "ExecStart0"]);
    assert_ne!(w.service.view().main_pid, 0);
    w.release();
    assert_eq!(w.count(K::Start), 1, "once");
    w.pass(10 * SECOND);
    assert_eq!(w.count(K::Start), 1);
    w.stop();
    w.assert(S::Dead, R::Success);
}

#[test]
fn it_waits_no_longer_than_five_seconds() {
    let mut w = idle();
    w.pass(5 * SECOND - 1);
    assert_eq!(w.count(K::Start), 0);
    w.pass(1);
    assert_eq!(w.count(K::Start), 1);
    w.assert(S::Running, R::Success);
}

#[test]
fn a_stop_while_it_waits_starts_nothing() {
    let mut w = idle();
    w.stop();
    w.assert(S::Dead, R::Success);
    w.release();
    w.pass(10 * SECOND);
    assert_eq!(w.count(K::Start), 0);
    assert_eq!(w.service.deadline(), None);
}

#[test]
fn a_process_that_cannot_be_made_fails_it_late() {
    let mut w = World::new(|s| s.service_type = ServiceType::Idle);
    w.unspawnable.insert((K::Start, 0));
    w.start();
    w.assert(S::Running, R::Success);
    w.release();
    w.assert(S::Failed, R::Resources);
}

#[test]
fn a_command_that_a_reload_takes_away_fails_it() {
    let mut w = idle();
    w.config = super::world::config(|s| {
        s.service_type = ServiceType::Idle;
        s.commands.get_mut(K::Start).clear();
    });
    let config = w.config.clone();
    w.call(|service, _| service.config_changed(&config));
    w.release();
    w.assert(S::Failed, R::Resources);
}

#[test]
fn while_it_waits_its_group_counts_as_occupied() {
    let mut w = World::new(|s| {
        s.service_type = ServiceType::Idle;
        add(s, K::StartPost, &["post"]);
        s.pid_file = Some("/run/test.pid".to_owned());
    });
    w.start();
    // The command of ExecStartPost= has come and gone, and there is no PID file.
    assert_eq!(w.state(), S::StartPost);
    w.pass(5 * SECOND);
    assert_eq!(w.count(K::Start), 1);
    let main = w.service.view().main_pid;
    w.write_pid_file(main);
    w.assert(S::Running, R::Success);
}
