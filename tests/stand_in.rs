//! The stand-in and the harness themselves: what the other tests rely on.

mod common;

use common::daemon::Place;
use common::{namespace, process, programs, wait_for, wait_until};
use nix::sys::signal::Signal;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A stand-in that ends with the test.
struct Agent(Child);

impl Agent {
    fn start(arguments: &[&str]) -> Agent {
        let child = Command::new(programs::stand_in())
            .args(arguments)
            .stdout(Stdio::null())
            .spawn()
            .expect("the stand-in is built");
        Agent(child)
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).expect("pids fit")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn get(socket: &Path, page: &str) -> Result<String, String> {
    let mut stream = UnixStream::connect(socket).map_err(|error| error.to_string())?;
    let mut answer = String::new();
    stream
        .write_all(format!("GET {page} HTTP/1.0\r\n\r\n").as_bytes())
        .and_then(|()| stream.read_to_string(&mut answer))
        .map_err(|error| error.to_string())?;
    Ok(answer)
}

#[test]
fn it_serves_its_health_and_crashes_on_demand() {
    let place = Place::bare();
    let socket = place.file("http");
    let address = format!("unix:{}", socket.display());
    let mut agent = Agent::start(&[
        "--http",
        &address,
        "--ready-after",
        "0.3",
        "--crash-with",
        "7",
    ]);
    wait_for("it to live", || {
        let answer = get(&socket, "/live")?;
        answer.contains("200 OK").then_some(()).ok_or(answer)
    });
    assert!(get(&socket, "/ready").is_ok_and(|answer| answer.contains("503")));
    wait_until("it to be ready", || {
        get(&socket, "/ready").is_ok_and(|answer| answer.contains("200 OK"))
    });
    get(&socket, "/sick").expect("it answers");
    assert!(get(&socket, "/live").is_ok_and(|answer| answer.contains("503")));
    get(&socket, "/crash").expect("it answers before it goes");
    let status = agent.0.wait().expect("it is our child");
    assert_eq!(status.code(), Some(7));
}

#[test]
fn it_records_a_slow_stop() {
    let place = Place::bare();
    let records = place.records();
    let record = records.path().to_string_lossy().into_owned();
    let mut agent = Agent::start(&["--record", &record, "--stop-delay", "0.2"]);
    wait_until("it to be ready", || {
        !records.of("stand-in-agent", "ready").is_empty()
    });
    process::send(agent.pid(), Signal::SIGTERM);
    assert!(agent.0.wait().expect("it is our child").success());
    let took =
        records.last("stand-in-agent", "stop").usec - records.last("stand-in-agent", "term").usec;
    assert!(took >= 200_000, "{took} us");
}

#[test]
fn it_refuses_options_it_does_not_know_under_its_own_name_only() {
    let run = Command::new(programs::stand_in())
        .arg("--flying")
        .output()
        .expect("the stand-in is built");
    assert_eq!(run.status.code(), Some(2));
    let place = Place::bare();
    let disguised = place.file("trace-agent");
    fs::copy(programs::stand_in(), &disguised).expect("it can be copied");
    fs::write(
        place.file("trace-agent.stand-in"),
        "run-for 0\nexit-code 5\n",
    )
    .expect("it can be written");
    let run = Command::new(&disguised)
        .args(["run", "--config", "/etc/agent.yaml", "--flying"])
        .output()
        .expect("the copy runs");
    assert_eq!(run.status.code(), Some(5), "{run:?}");
}

#[test]
fn private_mounts_are_private() {
    namespace::private(|| {
        fs::create_dir("/etc/datadog-agent-of-a-test").expect("our /etc can be written");
        fs::write("/opt/of-a-test", "").expect("our /opt can be written");
        let passwd = fs::read_to_string("/etc/passwd").expect("it is there");
        assert!(passwd.contains(namespace::AGENT_USER));
        let mounts = fs::read_to_string("/proc/thread-self/mountinfo").expect("it is there");
        assert!(mounts.contains(" /sys/kernel/debug "), "{mounts}");
        let seen = Command::new("cat")
            .arg("/etc/passwd")
            .output()
            .expect("cat runs");
        assert_eq!(seen.stdout, passwd.as_bytes(), "children see the same");
    });
    assert!(!Path::new("/etc/datadog-agent-of-a-test").exists());
    assert!(!Path::new("/opt/of-a-test").exists());
}
