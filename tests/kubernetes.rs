//! The set for Kubernetes: manifests that the schemas know, units that are in order, and the parts
//! that depend on the pod, run as the manifests say with stand-ins in place of the agents.

mod common;

use common::daemon::Place;
use common::namespace;
use common::process::{command_line, lives, status};
use common::skip::has_program;
use common::{Daemon, Missing, programs, skip, unit_set, wait_for};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What `packaging/ci/test.sh` installs the validator into.
const VALIDATOR: &str = "target/kubernetes/bin/kubernetes-validate";
const TOKEN: &str = "the token of the host";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn manifests() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("packaging/kubernetes")).expect("they are here");
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|it| it == "yaml"))
        .collect();
    files.sort();
    files
}

fn units() -> PathBuf {
    unit_set::directory("kubernetes")
}

#[test]
fn the_manifests_are_what_the_schemas_know() {
    let own = root().join(VALIDATOR);
    let validator = if own.is_file() {
        own
    } else if has_program("kubernetes-validate") {
        "kubernetes-validate".into()
    } else {
        return skip(Missing::Package, "kubernetes-validate is of PyPI");
    };
    let files = manifests();
    assert_eq!(files.len(), 5, "{files:?}");
    let run = |file: &Path| {
        let output = Command::new(&validator).arg("--strict").arg(file).output();
        let output = output.expect("it is there");
        let text = String::from_utf8_lossy(&output.stderr).into_owned()
            + &String::from_utf8_lossy(&output.stdout);
        (output.status.success(), text)
    };
    for file in &files {
        let (good, text) = run(file);
        assert!(good, "{}: {text}", file.display());
    }
    // It can fail: a container without a name, and a field that nobody knows.
    let place = tempfile::tempdir().expect("a directory can be made");
    let text = fs::read_to_string(&files[1]).expect("it can be read");
    for (good, bad) in [
        ("- name: cluster-agent\n          image", "- image"),
        ("terminationGracePeriodSeconds", "terminationGracePeriod"),
        ("- name: agent\n          image", "- image"),
    ] {
        let wrong = text.replace(good, bad);
        if wrong == text {
            continue;
        }
        let file = place.path().join("wrong.yaml");
        fs::write(&file, wrong).expect("it can be written");
        assert!(!run(&file).0, "{bad} was not seen");
    }
}

/// What a manifest starts must be among the units.
#[test]
fn every_unit_that_a_manifest_names_is_there() {
    let mut named = 0;
    for file in manifests() {
        let text = fs::read_to_string(&file).expect("it can be read");
        for word in text
            .split_whitespace()
            .filter(|it| it.ends_with(".service"))
        {
            let unit = word.rsplit('=').next().unwrap_or(word);
            assert!(units().join(unit).is_file(), "{}: {unit}", file.display());
            named += 1;
        }
    }
    assert!(named >= 8, "{named}");
}

#[test]
fn nothing_is_wrong_with_the_units_but_that_the_agents_are_not_here() {
    unit_set::assert_verified("kubernetes", &["missing-program", "no-effect"]);
}

#[test]
fn systemd_has_nothing_to_say_about_the_units() {
    unit_set::assert_silent_in_systemd("kubernetes");
}

fn install_agents() {
    unit_set::install_agents("kubernetes");
}

/// Where the probes of units look.
const SERVES: [(&str, &str); 3] = [
    ("datadog-agent.service", "STAND_IN_HTTP=127.0.0.1:5555"),
    (
        "datadog-agent-trace.service",
        "STAND_IN_LISTEN=127.0.0.1:8126",
    ),
    (
        "datadog-cluster-agent.service",
        "STAND_IN_HTTP=127.0.0.1:5556",
    ),
];

/// A container's daemon: its arguments and environment, nothing else.
fn container(place: Place, arguments: &[&str], environment: &[(&str, &str)]) -> Daemon {
    for (unit, variable) in SERVES {
        let text = format!("[Service]\nEnvironment={variable}\n");
        place.write_unit(&format!("{unit}.d/serves.conf"), &text);
    }
    let http = format!("unix:{}", place.file("http").display());
    let mut place = place
        .with_units(&units())
        .with_argument("--mode=kubernetes")
        .with_environment("DD_PM_HTTP", &http);
    for argument in arguments {
        place = place.with_argument(argument);
    }
    for (name, value) in environment {
        place = place.with_environment(name, value);
    }
    place.start()
}

fn environment_of(pid: i32) -> BTreeMap<String, String> {
    let bytes = fs::read(format!("/proc/{pid}/environ")).expect("it runs");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let pairs = text.split('\0').filter_map(|entry| entry.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_profiler_holds_its_capability_and_tells_its_node() {
    const SYS_ADMIN: u64 = 1 << 21;
    namespace::private_network(|| {
        install_agents();
        let unit = "datadog-host-profiler.service";
        let environment = [
            ("KUBERNETES_NODE_NAME", "node-7"),
            ("DD_API_KEY", "0123456789abcdef"),
            ("DD_SITE", "datadoghq.eu"),
            ("DD_POD_NAME", "profiler-x"),
        ];
        let daemon = container(Place::bare(), &[unit], &environment);
        daemon.wait_state(unit, "active/running");
        let pid = daemon.main_pid(unit);
        assert_eq!(command_line(pid)[1..3], ["--tags", "service:node-7"]);
        let status = status(pid);
        for set in ["CapEff", "CapPrm", "CapAmb", "CapBnd"] {
            let held = u64::from_str_radix(&status[set], 16).expect("it is a mask");
            assert_eq!(held, SYS_ADMIN, "{set}");
        }
        let seen = environment_of(pid);
        for (name, value) in environment {
            assert_eq!(seen.get(name).map(String::as_str), Some(value), "{name}");
        }
    });
}

#[test]
fn the_token_of_the_host_is_there_before_the_check_starts() {
    namespace::private_network(|| {
        install_agents();
        let place = Place::bare();
        let token = place.file("kubelet-token");
        fs::write(&token, TOKEN).expect("it can be written");
        let token = token.display().to_string();
        let record = place.file("record").display().to_string();
        let environment = [
            ("HOST_TOKEN_PATH", token.as_str()),
            ("DD_API_KEY", "0123456789abcdef"),
            ("STAND_IN_RECORD", record.as_str()),
        ];
        let daemon = container(place, &["datadog-agent.service"], &environment);
        let check = "datadog-kubelet-check.service";
        daemon.wait_state(check, "active/running");
        daemon.wait_state("datadog-agent-trace.service", "active/running");
        let seen = environment_of(daemon.main_pid(check));
        let path = seen
            .get("DD_KUBELET_AUTH_TOKEN_PATH")
            .expect("the check is told");
        assert_eq!(fs::read_to_string(path).expect("it is there"), TOKEN);
        use std::os::unix::fs::MetadataExt;
        assert_eq!(
            fs::metadata(path).expect("it is there").mode() & 0o777,
            0o600
        );
        assert_eq!(daemon.state("datadog-host-token.service"), "active/exited");
        let put = daemon.show(
            "datadog-host-token.service",
            "ActiveEnterTimestampMonotonic",
        );
        let began = daemon.show(check, "ExecMainStartTimestampMonotonic");
        let number = |text: &str| text.parse::<u64>().expect("it is a number");
        assert!(number(&put) <= number(&began), "{put} {began}");
    });
}

#[test]
fn without_a_token_the_check_does_not_start_and_the_agent_does() {
    namespace::private_network(|| {
        install_agents();
        let environment = [("HOST_TOKEN_PATH", "/no/such/token")];
        let daemon = container(Place::bare(), &["datadog-agent.service"], &environment);
        daemon.wait_state("datadog-agent.service", "active/running");
        daemon.wait_state("datadog-host-token.service", "failed/failed");
        daemon.wait_state("datadog-kubelet-check.service", "inactive/dead");
    });
}

#[test]
fn the_cluster_agent_is_what_its_container_ends_with() {
    namespace::private_network(|| {
        install_agents();
        let unit = "datadog-cluster-agent.service";
        let exit_with = format!("--exit-with={unit}");
        let environment = [("DD_CLUSTER_AGENT_AUTH_TOKEN", "secret")];
        let mut daemon = container(Place::bare(), &[&exit_with, unit], &environment);
        daemon.wait_state(unit, "active/running");
        let pid = daemon.main_pid(unit);
        let seen = environment_of(pid);
        assert_eq!(seen["DD_CLUSTER_AGENT_AUTH_TOKEN"], "secret");
        assert!(daemon.terminate().success(), "{}", daemon.log());
        assert!(!lives(pid));
    });
}

/// Two daemons as the split pod has them: one list, with where each unit runs.
#[test]
fn two_containers_of_a_pod_are_one_list() {
    namespace::private_network(|| {
        install_agents();
        // Where the agent's probes look; its check, the same program, has no token and does not run.
        fs::write(
            "/opt/datadog-agent/bin/agent/agent.stand-in",
            "http 127.0.0.1:5555\n",
        )
        .expect("our /opt can be written");
        let shared = tempfile::tempdir().expect("a directory can be made");
        let start = |name: &str, unit: &str, container: &str| {
            let place = tempfile::tempdir().expect("a directory can be made");
            let child = Command::new(programs::DAEMON)
                .args(["--mode=kubernetes", unit, "--unit-path"])
                .arg(units())
                .arg("--runtime-dir")
                .arg(place.path())
                .env("DD_PM_SOCKET_DIR", shared.path())
                .env("DD_PM_NAME", name)
                .env(
                    "DD_PM_HTTP",
                    format!("unix:{}/http", place.path().display()),
                )
                .env("DD_POD_NAME", "agent-5x8")
                .env("DD_CONTAINER_NAME", container)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("it is built");
            Ended(child, place)
        };
        let _agents = start("agent", "datadog-agent-process.service", "agent");
        let _probe = start(
            "system-probe",
            "datadog-agent-sysprobe.service",
            "system-probe",
        );
        let list = || {
            let output = Command::new(programs::CLIENT)
                .arg("list")
                .env("DD_PM_SOCKET_DIR", shared.path())
                .output()
                .expect("it is built");
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        wait_for("one list of both", || {
            let text = list();
            let row = |unit: &str, daemon: &str| {
                let mut lines = text.lines();
                lines.any(|line| {
                    let words: Vec<&str> = line.split_whitespace().collect();
                    words.contains(&unit)
                        && words.contains(&"running")
                        && words.contains(&"agent-5x8")
                        && words.iter().filter(|word| **word == daemon).count() == 2
                })
            };
            let header = text.lines().next().unwrap_or_default().to_owned();
            let titles = ["DAEMON", "POD", "CONTAINER"];
            if row("datadog-agent.service", "agent")
                && row("datadog-agent-sysprobe.service", "system-probe")
                && titles.iter().all(|title| header.contains(title))
            {
                Ok(())
            } else {
                Err(text)
            }
        });
    });
}

/// A daemon that is ended with the test, in order.
struct Ended(
    Child,
    #[expect(dead_code, reason = "its files go with it")] tempfile::TempDir,
);

impl Drop for Ended {
    fn drop(&mut self) {
        common::process::send_number(self.0.id() as i32, 15);
        let _ = self.0.wait();
    }
}
