//! When services of each type are up, how they end when they take too long, and what others see
//! of their restarts, with real processes and a real bus.

mod common;

use common::bus::Bus;
use common::daemon::Place;
use common::{Daemon, Missing, process, skip, wait_until};
use nix::sys::signal::Signal;
use std::fs;

const NAME: &str = "com.example.StandIn";

/// A place whose daemon watches the bus of this place, with a service that takes a name on it;
/// `None` where there is no bus to be had.
fn place_with_holder(settings: &str) -> Option<Place> {
    if !skip::has_program("dbus-daemon") {
        skip(Missing::Package, "no dbus-daemon (package dbus)");
        return None;
    }
    let place = Place::new();
    let address = Bus::address(place.path());
    let place = place.with_argument("--bus").with_argument(&address);
    place.write_unit(
        "holder.service",
        &format!(
            "[Service]\nType=dbus\nBusName={NAME}\n{settings}\n\
             Environment=DBUS_SYSTEM_BUS_ADDRESS={address}\n\
             ExecStart=stand-in-agent --name holder --ready-after 0.3 --bus-name {NAME} \
             --bus-release-on {}\n",
            place.file("release").display()
        ),
    );
    Some(place)
}

#[test]
fn a_dbus_service_is_up_while_it_has_its_name() {
    let Some(place) = place_with_holder("") else {
        return;
    };
    let _bus = Bus::start(place.path());
    let daemon = place.start();
    let starting = daemon
        .command(&["start", "holder.service"])
        .spawn()
        .expect("the command line is built");
    daemon.wait_recorded("holder", "start", 1);
    let ended = starting.wait_with_output().expect("it is our child");
    assert!(ended.status.success(), "{}", daemon.log());
    // It says so once it has the name, of which the daemon may hear before.
    daemon.wait_recorded("holder", "ready", 1);
    assert_eq!(daemon.state("holder.service"), "active/running");
    assert_eq!(daemon.show("holder.service", "BusName"), NAME);
    fs::write(daemon.file("release"), "").expect("it can be written");
    daemon.wait_state("holder.service", "inactive/dead");
    assert_eq!(daemon.show("holder.service", "Result"), "success");
    assert_eq!(daemon.records().of("holder", "term").len(), 1);
}

#[test]
fn a_dbus_service_waits_for_the_bus_and_is_stopped_when_it_comes_back_without_the_name() {
    let Some(place) = place_with_holder("") else {
        return;
    };
    let daemon = place.start();
    let starting = daemon
        .command(&["start", "holder.service"])
        .spawn()
        .expect("the command line is built");
    wait_until("the daemon to say what it waits for", || {
        let log = daemon.log();
        log.contains("holder.service: waiting for the bus at unix:path=") && log.contains(NAME)
    });
    assert_eq!(daemon.state("holder.service"), "activating/start");
    assert!(daemon.records().of("holder", "start").is_empty());
    let bus = Bus::start(daemon.place().path());
    let ended = starting.wait_with_output().expect("it is our child");
    assert!(ended.status.success(), "{}", daemon.log());
    assert_eq!(daemon.state("holder.service"), "active/running");
    drop(bus);
    wait_until("the daemon to notice", || daemon.log().contains("was lost"));
    assert_eq!(daemon.state("holder.service"), "active/running");
    let _bus = Bus::start(daemon.place().path());
    daemon.wait_state("holder.service", "inactive/dead");
}

#[test]
fn without_a_bus_the_start_of_a_dbus_service_times_out() {
    let Some(place) = place_with_holder("TimeoutStartSec=300ms") else {
        return;
    };
    let daemon = place.start();
    assert_eq!(daemon.run(&["start", "holder.service"]).code, 1);
    assert_eq!(daemon.show("holder.service", "Result"), "timeout");
    assert!(daemon.records().of("holder", "start").is_empty());
}

#[test]
fn an_idle_service_is_up_at_once_and_runs_when_the_other_jobs_are_done() {
    let place = Place::new();
    let go = place.file("go");
    place.write_unit(
        "slow.service",
        &format!(
            "[Service]\nType=oneshot\nRemainAfterExit=yes\n\
             ExecStart=/bin/sh -c 'until test -e {}; do sleep 0.02; done'\n\
             ExecStart=stand-in-agent --name slow --run-for 0\n",
            go.display()
        ),
    );
    place.write_unit(
        "idle.service",
        "[Service]\nType=idle\nExecStart=stand-in-agent --name idle\n",
    );
    let daemon = place.start();
    let starting = daemon
        .command(&["start", "slow.service"])
        .spawn()
        .expect("the command line is built");
    daemon.wait_state("slow.service", "activating/start");
    daemon.ok(&["start", "idle.service"]);
    assert_eq!(daemon.state("idle.service"), "active/running");
    assert_eq!(daemon.show("idle.service", "MainPID"), "0");
    fs::write(&go, "").expect("it can be written");
    assert!(starting.wait_with_output().expect("ours").status.success());
    daemon.wait_recorded("idle", "start", 1);
    let records = daemon.records();
    assert!(records.last("slow", "stop").usec < records.last("idle", "start").usec);
    daemon.main_pid("idle.service");
}

#[test]
fn an_idle_service_that_is_stopped_before_it_ran_never_runs() {
    let place = Place::new();
    place.write_unit(
        "slow.service",
        "[Service]\nType=oneshot\nExecStart=/bin/sleep 3600\n",
    );
    place.write_unit(
        "idle.service",
        "[Service]\nType=idle\nExecStart=stand-in-agent --name idle\n",
    );
    let daemon = place.start();
    daemon.ok(&["start", "--no-block", "slow.service"]);
    daemon.wait_state("slow.service", "activating/start");
    daemon.ok(&["start", "idle.service"]);
    daemon.ok(&["stop", "idle.service"]);
    daemon.ok(&["stop", "slow.service"]);
    assert_eq!(daemon.state("idle.service"), "inactive/dead");
    assert!(daemon.records().of("idle", "start").is_empty());
}

#[test]
fn a_start_that_takes_too_long_is_ended_as_its_mode_says() {
    for (mode, signal) in [("terminate", "0"), ("abort", "6"), ("kill", "9")] {
        let unit = format!(
            "[Service]\nType=notify\nTimeoutStartSec=300ms\nTimeoutStartFailureMode={mode}\n\
             LimitCORE=0\nExecStart=stand-in-agent --name silent\n"
        );
        let daemon = Daemon::with(&[("silent.service", &unit)]);
        assert_eq!(daemon.run(&["start", "silent.service"]).code, 1);
        assert_eq!(daemon.show("silent.service", "Result"), "timeout");
        assert_eq!(
            daemon.show("silent.service", "ExecMainStatus"),
            signal,
            "{mode}"
        );
        let asked = daemon.records().of("silent", "term").len();
        assert_eq!(asked, usize::from(mode == "terminate"), "{mode}");
    }
}

#[test]
fn a_deaf_service_is_aborted_before_it_is_killed() {
    let daemon = Daemon::with(&[(
        "deaf.service",
        "[Service]\nTimeoutStopSec=200ms\nTimeoutStopFailureMode=abort\nTimeoutAbortSec=10\n\
         LimitCORE=0\nExecStart=stand-in-agent --name deaf --ignore-term\n",
    )]);
    daemon.ok(&["start", "deaf.service"]);
    daemon.wait_recorded("deaf", "ready", 1);
    daemon.ok(&["stop", "deaf.service"]);
    assert_eq!(daemon.show("deaf.service", "Result"), "timeout");
    assert_eq!(daemon.show("deaf.service", "ExecMainStatus"), "6");
    assert_eq!(daemon.records().of("deaf", "ignored").len(), 1);
}

#[test]
fn the_reload_signal_is_sent() {
    let daemon = Daemon::with(&[(
        "reloader.service",
        // What crashes the stand-in shows which signal it got.
        "[Service]\nType=notify-reload\nReloadSignal=SIGUSR1\n\
         ExecStart=stand-in-agent --name reloader --notify\n",
    )]);
    daemon.ok(&["start", "reloader.service"]);
    assert_ne!(daemon.run(&["reload", "reloader.service"]).code, 0);
    daemon.wait_recorded("reloader", "crash", 1);
}

#[test]
fn exit_type_cgroup_goes_on_without_the_main_process() {
    let daemon = Daemon::with(&[(
        "family.service",
        "[Service]\nExitType=cgroup\n\
         ExecStart=stand-in-agent --name family --children 1 --run-for 0.1\n",
    )]);
    daemon.ok(&["start", "family.service"]);
    daemon.wait_recorded("family", "stop", 1);
    wait_until("the main process to be gone", || {
        daemon.show("family.service", "MainPID") == "0"
    });
    assert_eq!(daemon.state("family.service"), "active/running");
    daemon.ok(&["kill", "-s", "SIGKILL", "family.service"]);
    daemon.wait_state("family.service", "inactive/dead");
    assert_eq!(daemon.show("family.service", "Result"), "success");
}

#[test]
fn restart_mode_direct_leaves_dependents_alone() {
    let daemon = Daemon::with(&[
        (
            "core.service",
            "[Unit]\nOnFailure=alarm.service\n\
             [Service]\nRestart=on-failure\nRestartSec=100ms\nRestartMode=direct\n\
             ExecStart=stand-in-agent --name core\nExecStopPost=/bin/sleep 0.1\n",
        ),
        (
            "bound.service",
            "[Unit]\nBindsTo=core.service\nAfter=core.service\n\
             [Service]\nExecStart=stand-in-agent --name bound\n",
        ),
        (
            "alarm.service",
            "[Service]\nType=oneshot\nExecStart=stand-in-agent --name alarm --run-for 0\n",
        ),
    ]);
    daemon.ok(&["start", "bound.service"]);
    let bound = daemon.main_pid("bound.service");
    daemon.wait_recorded("core", "ready", 1);
    process::send(daemon.main_pid("core.service"), Signal::SIGUSR1);
    daemon.wait_recorded("core", "ready", 2);
    daemon.wait_state("core.service", "active/running");
    assert_eq!(daemon.main_pid("bound.service"), bound);
    assert_eq!(daemon.show("core.service", "NRestarts"), "1");
    assert!(daemon.records().of("alarm", "start").is_empty());
}

#[test]
fn a_start_in_restart_mode_direct_waits_for_the_restart_that_succeeds() {
    let place = Place::new();
    let seen = place.file("seen");
    place.write_unit(
        "second.service",
        &format!(
            "[Service]\nType=notify\nRestart=on-failure\nRestartSec=50ms\nRestartMode=direct\n\
             ExecStart=/bin/sh -c 'if test -e {0}; then exec stand-in-agent --name second --notify; \
             fi; touch {0}; exit 1'\n",
            seen.display()
        ),
    );
    let daemon = place.start();
    daemon.ok(&["start", "second.service"]);
    assert_eq!(daemon.state("second.service"), "active/running");
    assert_eq!(daemon.show("second.service", "NRestarts"), "1");
}

#[test]
fn restart_mode_debug_tells_the_service() {
    let place = Place::new();
    let written = place.file("env");
    place.write_unit(
        "chatty.service",
        &format!(
            "[Service]\nRestart=on-failure\nRestartSec=50ms\nRestartMode=debug\n\
             ExecStart=stand-in-agent --name chatty --print-env {}\n",
            written.display()
        ),
    );
    let daemon = place.start();
    daemon.ok(&["start", "chatty.service"]);
    daemon.wait_recorded("chatty", "ready", 1);
    let told = || {
        let text = fs::read_to_string(&written).unwrap_or_default();
        text.lines().any(|line| line == "DEBUG_INVOCATION=1")
    };
    assert!(!told());
    process::send(daemon.main_pid("chatty.service"), Signal::SIGUSR1);
    daemon.wait_recorded("chatty", "ready", 2);
    assert!(told());
}

#[test]
fn a_barrier_is_passed_when_all_before_it_was_heard() {
    let daemon = Daemon::with(&[(
        "careful.service",
        "[Service]\nType=notify\nExecStart=stand-in-agent --name careful --notify --barrier\n",
    )]);
    daemon.ok(&["start", "careful.service"]);
    daemon.wait_recorded("careful", "second-barrier", 1);
    assert_eq!(daemon.records().of("careful", "barrier").len(), 1);
    assert_eq!(
        daemon.show("careful.service", "StatusText"),
        "careful is ready"
    );
}
