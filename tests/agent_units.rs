//! The set of units for the agent on a host: in order, silent under systemd, and alive: with
//! stand-ins in place of the agents it comes up, comes back, and gives way to a trial and back.

mod common;

use common::daemon::Place;
use common::namespace::{self, make_agent_directory};
use common::process::{command_line, send};
use common::{Daemon, unit_set, wait_for};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::TcpStream;

const SET: &str = "agent";
/// Who comes and goes with the core agent.
const MEMBERS: [&str; 5] = ["process", "sysprobe", "security", "ddot", "data-plane"];

fn unit(member: &str, trial: bool) -> String {
    let on_trial = if trial { "-exp" } else { "" };
    format!("datadog-agent-{member}{on_trial}.service")
}

#[test]
fn nothing_is_wrong_with_the_units_but_that_the_agents_are_not_here() {
    let missing = ["missing-program", "missing-user", "no-effect"];
    unit_set::assert_verified(SET, &missing);
}

#[test]
fn systemd_has_nothing_to_say_about_the_units() {
    unit_set::assert_silent_in_systemd(SET);
}

/// What a unit says, without what a trial has of its own.
fn settings(file: &std::path::Path) -> Vec<String> {
    let text = fs::read_to_string(file).expect("it can be read");
    let own = [
        "#",
        "Restart=",
        "RestartSec=",
        "RuntimeMaxSec=",
        "On",
        "Before=",
        "After=apm",
        "Description=",
    ];
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| !line.is_empty() && !own.iter().any(|it| line.starts_with(it)))
        .filter(|line| !line.starts_with("Environment=DD_CONFD_PATH"))
        .filter(|line| !["[Install]", "WantedBy=multi-user.target"].contains(line))
        // `Conflicts=` names the twin.
        .map(|line| line.replace("-exp", ""))
        .collect();
    lines.sort();
    lines
}

/// A change of one and not of the other is a slip.
#[test]
fn every_unit_has_a_twin_for_a_trial() {
    let files = unit_set::files(SET);
    let by_name: BTreeMap<String, _> = files
        .iter()
        .filter_map(|file| Some((file.file_name()?.to_str()?.to_owned(), file)))
        .collect();
    assert_eq!(files.len(), 16, "{files:?}");
    let stable = by_name.keys().filter(|name| !name.contains("-exp."));
    for name in stable {
        let (stem, kind) = name.rsplit_once('.').expect("it has a type");
        let twin = by_name[&format!("{stem}-exp.{kind}")];
        assert_eq!(settings(by_name[name]), settings(twin), "{name}");
    }
}

/// A host with the agents, their configuration and a daemon.
fn host() -> Daemon {
    unit_set::install_agents(SET);
    for place in ["/etc/datadog-agent", "/etc/datadog-agent-exp"] {
        make_agent_directory(place);
        for file in ["system-probe.yaml", "security-agent.yaml"] {
            fs::write(format!("{place}/{file}"), "").expect("our /etc can be written");
        }
    }
    let beside = |program: &str, text: &str| {
        fs::write(format!("/opt/datadog-agent/{program}.stand-in"), text)
            .expect("our /opt can be written");
    };
    beside("bin/agent/agent", "http 127.0.0.1:5555\n");
    let socket = "listen unix:/run/datadog-sysprobe/sysprobe.sock\n";
    beside("embedded/bin/system-probe", socket);
    beside(
        "ext/ddot/embedded/bin/otel-agent",
        "listen 127.0.0.1:4317\n",
    );
    Place::bare().with_units(&unit_set::directory(SET)).start()
}

fn wait_up(daemon: &Daemon, trial: bool) {
    let core = if trial {
        "datadog-agent-exp.service"
    } else {
        "datadog-agent.service"
    };
    daemon.wait_state(core, "active/running");
    for member in MEMBERS {
        daemon.wait_state(&unit(member, trial), "active/running");
    }
}

#[test]
fn the_set_comes_up_and_the_first_trace_starts_its_agent() {
    namespace::private_network(|| {
        let daemon = host();
        daemon.ok(&["start", "datadog-agent.service"]);
        wait_up(&daemon, false);
        let trace = unit("trace", false);
        daemon.wait_state("apm.socket", "active/listening");
        // A probe from outside, which says nothing, starts nothing; a trace does.
        drop(TcpStream::connect("127.0.0.1:8126").expect("somebody listens"));
        let mut client = TcpStream::connect("127.0.0.1:8126").expect("somebody listens");
        assert_eq!(daemon.state(&trace), "inactive/dead");
        client.write_all(b"a trace").expect("it is connected");
        daemon.wait_state(&trace, "active/running");
        let environ = fs::read(format!("/proc/{}/environ", daemon.main_pid(&trace)));
        let environ = String::from_utf8_lossy(&environ.expect("it runs")).into_owned();
        assert!(
            environ.contains("DD_APM_NET_RECEIVER_FD=3\0"),
            "{environ:?}"
        );
        assert!(environ.contains("DD_FLEET_POLICIES_DIR=/etc/datadog-agent/managed"));
        for probed in ["datadog-agent.service", &unit("ddot", false)] {
            wait_for("its readiness", || {
                let seen = daemon.run(&["health", probed]);
                if seen.code == 0 {
                    Ok(())
                } else {
                    Err(format!("{seen:?}"))
                }
            });
        }
    });
}

#[test]
fn what_was_up_with_the_core_agent_comes_back_with_it() {
    namespace::private_network(|| {
        let daemon = host();
        daemon.ok(&["start", "datadog-agent.service"]);
        wait_up(&daemon, false);
        let core = daemon.main_pid("datadog-agent.service");
        let process = daemon.main_pid(&unit("process", false));
        send(core, Signal::SIGKILL);
        wait_for("all to be other processes", || {
            let show = |unit: &str| daemon.show(unit, "MainPID").parse::<i32>();
            let seen = (show("datadog-agent.service"), show(&unit("process", false)));
            match &seen {
                (Ok(a), Ok(b)) if *a != 0 && *b != 0 && *a != core && *b != process => Ok(()),
                _ => Err(format!("{seen:?}\n{}", daemon.log())),
            }
        });
        wait_up(&daemon, false);
        assert_eq!(daemon.state("apm.socket"), "active/listening");
    });
}

#[test]
fn a_trial_takes_the_place_and_gives_it_back_when_it_fails() {
    namespace::private_network(|| {
        let daemon = host();
        daemon.ok(&["start", "datadog-agent.service"]);
        wait_up(&daemon, false);
        daemon.ok(&["start", "datadog-agent-exp.service"]);
        wait_up(&daemon, true);
        daemon.wait_state("datadog-agent.service", "inactive/dead");
        daemon.wait_state("apm.socket", "inactive/dead");
        daemon.wait_state("apm-exp.socket", "active/listening");
        for member in MEMBERS {
            assert_eq!(
                daemon.state(&unit(member, false)),
                "inactive/dead",
                "{member}"
            );
        }
        let trial = daemon.main_pid("datadog-agent-exp.service");
        assert!(command_line(trial).contains(&"--cfgpath=/etc/datadog-agent-exp".to_owned()));
        send(trial, Signal::SIGKILL);
        wait_up(&daemon, false);
        daemon.wait_state("datadog-agent-exp.service", "failed/failed");
        daemon.wait_state("apm.socket", "active/listening");
        for member in MEMBERS {
            daemon.wait_state(&unit(member, true), "inactive/dead");
        }
    });
}
