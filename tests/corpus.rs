//! The Datadog Agent's own units, unmodified, with stand-ins at the paths they name: the set
//! comes up in order, is supervised, gives way to the experiment and comes back.

mod common;

use common::daemon::{MARK, Place};
use common::namespace::{self, AGENT_UID, install_stand_in, make_agent_directory};
use common::process::{lives, made_before, see, send, status};
use common::records::Records;
use common::{Daemon, corpus, wait_for, wait_until};
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

const AGENT: &str = "datadog-agent.service";
const EXPERIMENT: &str = "datadog-agent-exp.service";
const AGENT_PROGRAM: &str = "/opt/datadog-agent/bin/agent/agent";

/// What the core agent wants: unit and the program it runs. System-probe is ordered before the
/// agent, the others after it.
const WANTED: &[(&str, &str)] = &[
    (
        "datadog-agent-sysprobe",
        "embedded/bin/system-probe-discovery",
    ),
    ("datadog-agent-installer", "embedded/bin/installer"),
    ("datadog-agent-trace", "embedded/bin/trace-loader"),
    ("datadog-agent-process", "embedded/bin/process-agent"),
    ("datadog-agent-security", "embedded/bin/security-agent"),
    ("datadog-agent-data-plane", "embedded/bin/agent-data-plane"),
    ("datadog-agent-action", "embedded/bin/privateactionrunner"),
    ("datadog-agent-ddot", "ext/ddot/embedded/bin/otel-agent"),
];

fn stable(stem: &str) -> String {
    format!("{stem}.service")
}

fn experimental(stem: &str) -> String {
    format!("{stem}-exp.service")
}

fn program_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

/// A machine with the agent installed and a daemon that reads its units.
struct Machine {
    daemon: Daemon,
    stable: Records,
    experiment: Records,
}

impl Machine {
    /// In a private mount namespace only.
    fn install(units: &Path) -> Machine {
        let place = Place::bare().with_units(units);
        install_stand_in(AGENT_PROGRAM);
        for (_, program) in WANTED {
            install_stand_in(&format!("/opt/datadog-agent/{program}"));
        }
        // What the experiment runs instead of the wrapper.
        install_stand_in("/opt/datadog-agent/embedded/bin/system-probe");
        make_agent_directory("/opt/datadog-agent/run");
        let stable = Records::create(&place.file("record-stable"));
        let experiment = Records::create(&place.file("record-experiment"));
        for (directory, record) in [
            ("/etc/datadog-agent", &stable),
            ("/etc/datadog-agent-exp", &experiment),
        ] {
            fs::create_dir_all(directory).expect("our /etc can be written");
            let environment = format!(
                "STAND_IN_RECORD={}\n{MARK}={}\n",
                record.path().display(),
                place.path().display()
            );
            for (name, text) in [
                ("environment", environment.as_str()),
                ("system-probe.yaml", ""),
                ("security-agent.yaml", ""),
            ] {
                fs::write(Path::new(directory).join(name), text).expect("it can be written");
            }
        }
        Machine {
            daemon: place.start(),
            stable,
            experiment,
        }
    }

    fn wait_stable_set(&self) {
        self.daemon.wait_state(AGENT, "active/running");
        for (stem, program) in WANTED {
            self.daemon.wait_state(&stable(stem), "active/running");
            wait_until("its stand-in to be ready", || {
                let pid = self.daemon.main_pid(&stable(stem));
                let ready = self.stable.of(program_name(program), "ready");
                ready.iter().any(|entry| entry.pid == pid)
            });
        }
        wait_until("the agent to be ready", || {
            let pid = self.daemon.main_pid(AGENT);
            let ready = self.stable.of("agent", "ready");
            ready.iter().any(|entry| entry.pid == pid)
        });
    }

    /// What the agent's program does from now on, in words of the stand-in's options.
    fn behave(&self, program: &str, options: &str) {
        fs::write(format!("{program}.stand-in"), options).expect("our /opt can be written");
    }
}

/// Runs `body` on a machine with the agent installed, or skips.
fn on_a_machine(body: impl FnOnce(Machine) + Send) {
    let Some(units) = corpus::debrpm() else {
        return;
    };
    namespace::private(|| body(Machine::install(&units)));
}

#[test]
fn the_stable_set_comes_up_in_order() {
    on_a_machine(|machine| {
        let daemon = &machine.daemon;
        daemon.ok(&["start", AGENT]);
        machine.wait_stable_set();
        let main_of = |unit: &str| see(daemon.main_pid(unit)).expect("it runs");
        let agent = main_of(AGENT);
        for (stem, _) in WANTED {
            let other = main_of(&stable(stem));
            let (first, second) = if *stem == "datadog-agent-sysprobe" {
                (&other, &agent)
            } else {
                (&agent, &other)
            };
            assert!(
                made_before(first, second),
                "{stem}: {other:?}, agent: {agent:?}"
            );
        }
        let row = daemon.list_row(AGENT);
        assert_eq!(
            row[1..4],
            [agent.pid.to_string(), "running".into(), "1".into()]
        );
        let log = daemon.log();
        assert!(!log.contains("nknown"), "a directive is not known:\n{log}");
    });
}

#[test]
fn identity_capabilities_and_runtime_directory_are_as_the_units_say() {
    on_a_machine(|machine| {
        let daemon = &machine.daemon;
        daemon.ok(&["start", AGENT]);
        machine.wait_stable_set();
        const NET_BIND_SERVICE: u64 = 1 << 10;
        const NET_RAW: u64 = 1 << 13;
        for (unit, uid, ambient) in [
            (AGENT, AGENT_UID, NET_BIND_SERVICE),
            (
                "datadog-agent-action.service",
                AGENT_UID,
                NET_BIND_SERVICE | NET_RAW,
            ),
            ("datadog-agent-ddot.service", AGENT_UID, 0),
            ("datadog-agent-installer.service", 0, 0),
        ] {
            let status = status(daemon.main_pid(unit));
            let ids: Vec<&str> = status["Uid"].split_whitespace().collect();
            assert!(
                ids.iter().all(|id| *id == uid.to_string()),
                "{unit}: {ids:?}"
            );
            let has = u64::from_str_radix(&status["CapAmb"], 16).expect("it is a mask");
            assert_eq!(has, ambient, "{unit}");
        }
        use std::os::unix::fs::MetadataExt;
        let made = fs::metadata("/run/datadog").expect("RuntimeDirectory= is made");
        assert_eq!((made.uid(), made.mode() & 0o7777), (AGENT_UID, 0o755));
        daemon.ok(&["stop", AGENT]);
        daemon.wait_state("datadog-agent-sysprobe.service", "inactive/dead");
        wait_until("it to be removed", || !Path::new("/run/datadog").exists());
    });
}

#[test]
fn a_stop_of_the_agent_stops_what_is_bound_to_it_first() {
    on_a_machine(|machine| {
        machine.behave(
            "/opt/datadog-agent/embedded/bin/trace-loader",
            "stop-delay 0.4\n",
        );
        machine.behave(AGENT_PROGRAM, "stop-delay 0.2\n");
        let daemon = &machine.daemon;
        daemon.ok(&["start", AGENT]);
        machine.wait_stable_set();
        daemon.ok(&["stop", AGENT]);
        for (stem, program) in WANTED {
            daemon.wait_state(&stable(stem), "inactive/dead");
            let name = program_name(program);
            if *stem == "datadog-agent-sysprobe" {
                machine
                    .stable
                    .assert_before(("agent", "stop"), (name, "term"));
            } else {
                machine
                    .stable
                    .assert_before((name, "stop"), ("agent", "term"));
            }
        }
        assert_eq!(daemon.state(AGENT), "inactive/dead");
        assert_eq!(daemon.survivors(), Vec::<i32>::new());
    });
}

#[test]
fn conditions_keep_units_away_without_failing_anything() {
    on_a_machine(|machine| {
        fs::remove_file("/etc/datadog-agent/security-agent.yaml").expect("it is there");
        fs::remove_file("/opt/datadog-agent/ext/ddot/embedded/bin/otel-agent")
            .expect("it is there");
        let daemon = &machine.daemon;
        daemon.ok(&["start", AGENT]);
        daemon.wait_state("datadog-agent-trace.service", "active/running");
        for unit in [
            "datadog-agent-security.service",
            "datadog-agent-ddot.service",
        ] {
            wait_until("its condition to be looked at", || {
                daemon.show(unit, "ConditionTimestampMonotonic") != "0"
            });
            assert_eq!(daemon.show(unit, "ConditionResult"), "no", "{unit}");
            assert_eq!(daemon.state(unit), "inactive/dead", "{unit}");
        }
        assert_eq!(daemon.state(AGENT), "active/running");
    });
}

#[test]
fn a_killed_agent_comes_back_after_restart_sec_and_takes_the_bound_ones_along() {
    on_a_machine(|machine| {
        machine.behave(
            "/opt/datadog-agent/embedded/bin/trace-loader",
            "stop-delay 0.5\n",
        );
        let daemon = &machine.daemon;
        daemon.ok(&["start", AGENT]);
        machine.wait_stable_set();
        let agent = daemon.main_pid(AGENT);
        let bound: Vec<i32> = WANTED
            .iter()
            .map(|(stem, _)| daemon.main_pid(&stable(stem)))
            .collect();
        let killed = common::monotonic_usec();
        send(agent, Signal::SIGKILL);
        wait_until("the agent to be back", || {
            machine.stable.of("agent", "start").len() == 2
        });
        machine.wait_stable_set();
        let back = machine.stable.last("agent", "start");
        // RestartSec= is 100 ms where nothing is said.
        assert!(
            back.usec - killed >= 100_000,
            "after {} us",
            back.usec - killed
        );
        assert_eq!(daemon.show(AGENT, "NRestarts"), "1");
        assert_eq!(daemon.main_pid(AGENT), back.pid);
        for (pid, (stem, program)) in bound.iter().zip(WANTED) {
            assert!(!lives(*pid), "{stem} was not stopped");
            let name = program_name(program);
            let stopped = machine.stable.of(name, "stop");
            assert_eq!(stopped.len(), 1, "{stem} was not stopped cleanly");
            assert!(stopped[0].usec > killed);
            let started = machine.stable.of(name, "start");
            assert_eq!(started.len(), 2, "{stem} did not come back");
            assert!(
                stopped[0].usec < started[1].usec,
                "{stem} was there twice: {started:?}"
            );
        }
    });
}

#[test]
fn restart_sec_of_two_seconds_is_waited_for() {
    on_a_machine(|machine| {
        let daemon = &machine.daemon;
        daemon.ok(&["start", AGENT]);
        machine.wait_stable_set();
        let killed = common::monotonic_usec();
        send(
            daemon.main_pid("datadog-agent-ddot.service"),
            Signal::SIGKILL,
        );
        daemon.wait_state("datadog-agent-ddot.service", "activating/auto-restart");
        daemon.wait_state("datadog-agent-ddot.service", "active/running");
        wait_until("its second start", || {
            machine.stable.of("otel-agent", "start").len() == 2
        });
        let waited = machine.stable.last("otel-agent", "start").usec - killed;
        assert!((2_000_000..5_000_000).contains(&waited), "{waited} us");
        assert_eq!(daemon.show(AGENT, "NRestarts"), "0", "nobody else restarts");
    });
}

#[test]
fn five_quick_crashes_end_in_crashed_and_a_start_by_hand_resets_that() {
    on_a_machine(|machine| {
        machine.behave(AGENT_PROGRAM, "crash-after 0.05\n");
        let daemon = &machine.daemon;
        daemon.ok(&["start", AGENT]);
        daemon.wait_state(AGENT, "failed/failed");
        assert_eq!(machine.stable.of("agent", "start").len(), 5);
        assert_eq!(machine.stable.of("agent", "crash").len(), 5);
        assert_eq!(daemon.list_row(AGENT)[2], "crashed");
        // As in systemd 252 the Result keeps what the last crash was; our own words say more.
        assert_eq!(daemon.show(AGENT, "Result"), "exit-code");
        let status = daemon.run(&["status", AGENT]);
        let both = "failed (Result: exit-code, start-limit-hit)";
        assert!(status.stdout.contains(both), "{status:?}");
        let log = daemon.log();
        assert!(
            log.contains("start-limit-hit"),
            "no reason in the log:\n{log}"
        );
        for (stem, _) in WANTED {
            let unit = stable(stem);
            if *stem == "datadog-agent-sysprobe" {
                // Ordered before the agent, so it met its own start limit first.
                daemon.wait_state(&unit, "failed/failed");
                assert_eq!(daemon.show(&unit, "Result"), "start-limit-hit");
            } else {
                daemon.wait_state(&unit, "inactive/dead");
            }
        }
        machine.behave(AGENT_PROGRAM, "");
        let run = daemon.run(&["start", AGENT]);
        assert_eq!(run.code, 0, "{run:?}");
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(
            said.contains("start limit"),
            "it does not say what it reset: {run:?}"
        );
        daemon.wait_state(AGENT, "active/running");
        assert_eq!(daemon.list_row(AGENT)[2], "running");
    });
}

#[test]
fn the_experiment_stops_the_stable_set_first_and_its_stop_brings_it_back() {
    on_a_machine(|machine| {
        machine.behave(
            "/opt/datadog-agent/embedded/bin/process-agent",
            "stop-delay 0.4\n",
        );
        let daemon = &machine.daemon;
        daemon.ok(&["start", AGENT]);
        machine.wait_stable_set();

        daemon.ok(&["start", EXPERIMENT]);
        daemon.wait_state(EXPERIMENT, "active/running");
        let started = wait_for("the experiment's agent", || {
            let first = machine.experiment.of("agent", "start").pop();
            first.ok_or_else(|| daemon.log())
        });
        daemon.wait_state(AGENT, "inactive/dead");
        for (stem, program) in WANTED {
            daemon.wait_state(&stable(stem), "inactive/dead");
            let stopped = machine.stable.last(program_name(program), "stop");
            assert!(stopped.usec < started.usec, "{stem} was to be gone before");
            daemon.wait_state(&experimental(stem), "active/running");
        }
        assert!(machine.stable.last("agent", "stop").usec < started.usec);
        wait_until("the experiment to be ready", || {
            !machine.experiment.of("agent", "ready").is_empty()
        });

        daemon.ok(&["stop", EXPERIMENT]);
        assert_eq!(daemon.state(EXPERIMENT), "failed/failed");
        assert_eq!(daemon.show(EXPERIMENT, "Result"), "exit-code");
        assert_eq!(
            machine.experiment.of("agent", "stop").len(),
            1,
            "it ended cleanly"
        );
        machine.wait_stable_set();
        let back = machine.stable.last("agent", "start");
        for (stem, _) in WANTED {
            daemon.wait_state(&experimental(stem), "inactive/dead");
        }
        for entry in machine.experiment.all() {
            assert!(
                entry.usec < back.usec,
                "{entry:?} is after the stable agent's start"
            );
        }
    });
}

#[test]
fn the_end_of_the_daemon_ends_the_whole_set_in_order() {
    on_a_machine(|mut machine| {
        machine.daemon.ok(&["start", AGENT]);
        machine.wait_stable_set();
        assert!(machine.daemon.terminate().success());
        for (stem, program) in WANTED {
            let name = program_name(program);
            if *stem == "datadog-agent-sysprobe" {
                machine
                    .stable
                    .assert_before(("agent", "stop"), (name, "term"));
            } else {
                machine
                    .stable
                    .assert_before((name, "stop"), ("agent", "term"));
            }
        }
        assert_eq!(machine.daemon.survivors(), Vec::<i32>::new());
        let left: Vec<_> = fs::read_dir("/opt/datadog-agent/run")
            .expect("it is there")
            .filter_map(|entry| Some(entry.ok()?.file_name()))
            .collect();
        assert!(left.is_empty(), "PID files are left: {left:?}");
    });
}

#[test]
fn the_socket_outlives_a_runtime_directory_that_it_lies_in() {
    on_a_machine(|mut machine| {
        let units = corpus::debrpm().expect("it was there before");
        machine.daemon.terminate();
        // The default place of root's control socket is below RuntimeDirectory=datadog.
        let socket = Path::new("/run/datadog/process-manager.sock");
        let place = Place::bare().with_units(&units).with_socket(socket);
        let daemon = place.start();
        daemon.ok(&["start", AGENT]);
        daemon.wait_state(AGENT, "active/running");
        daemon.ok(&["stop", AGENT]);
        assert_eq!(daemon.state(AGENT), "inactive/dead");
    });
}

#[test]
fn the_privileged_helper_runs_in_its_sandbox() {
    on_a_machine(|machine| {
        const HELPER: &str = "datadog-agent-rshell-privileged.service";
        const SOCKET: &str = "datadog-agent-rshell-privileged.socket";
        install_stand_in("/opt/datadog-agent/embedded/bin/rshell");
        let daemon = &machine.daemon;
        daemon.ok(&["start", AGENT]);
        machine.wait_stable_set();
        daemon.ok(&["start", SOCKET]);
        let socket = Path::new("/run/datadog/rshell-privileged.sock");
        let mode = fs::metadata(socket)
            .expect("it listens")
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o600);
        assert_eq!(daemon.state(HELPER), "inactive/dead");
        let _client = UnixStream::connect(socket).expect("it is listened on");
        daemon.wait_state(HELPER, "active/running");
        let pid = daemon.main_pid(HELPER);
        let facts = status(pid);
        assert_eq!(facts["Seccomp"], "2");
        // CAP_SYS_MODULE is gone, CAP_SYS_ADMIN is not.
        let bounding = u64::from_str_radix(&facts["CapBnd"], 16).expect("a number");
        assert_eq!(bounding >> 16 & 1, 0);
        assert_eq!(bounding >> 21 & 1, 1);
        assert_eq!(facts["Umask"], "0077");
        let agent = daemon.main_pid(AGENT);
        let namespace = |pid: i32, kind: &str| {
            fs::read_link(format!("/proc/{pid}/ns/{kind}")).expect("root may look")
        };
        assert_ne!(namespace(pid, "net"), namespace(agent, "net"));
        assert_ne!(namespace(pid, "mnt"), namespace(agent, "mnt"));
        let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).expect("it runs");
        let read_only = |path: &str| {
            let mut lines = mounts.lines().rev();
            let line = lines.find(|line| line.split(' ').nth(4) == Some(path));
            line.is_some_and(|line| line.split(' ').nth(5).is_some_and(|o| o.starts_with("ro")))
        };
        for path in ["/sys", "/sys/fs/cgroup", "/proc/sys", "/usr/lib/modules"] {
            let there = Path::new(path).exists();
            assert!(!there || read_only(path), "{path}:\n{mounts}");
        }
        assert!(!read_only("/"), "{mounts}");
        daemon.ok(&["stop", SOCKET, HELPER]);
        assert!(!socket.exists(), "RemoveOnStop=");
    });
}
