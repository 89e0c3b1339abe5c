//! prometheus-node-exporter with its collector for systemd: over the bus, and over the private
//! socket.

use super::{Session, there, with};
use crate::common::wait_for;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

const PROGRAM: &str = "prometheus-node-exporter";

/// Ends with the test.
struct Exporter(Child);

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The page, once it is served.
fn scrape(port: u16) -> Result<String, String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(|e| e.to_string())?;
    let mut page = String::new();
    stream
        .write_all(b"GET /metrics HTTP/1.0\r\n\r\n")
        .and_then(|()| stream.read_to_string(&mut page))
        .map_err(|error| error.to_string())?;
    Ok(page)
}

/// The value of a metric; its labels as they are written.
#[track_caller]
fn value(page: &str, metric: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(metric));
    let number = line.and_then(|rest| rest.trim().parse().ok());
    number.unwrap_or_else(|| panic!("no {metric} in\n{page}"))
}

#[test]
fn node_exporter_scrapes_units() {
    if !there(&[PROGRAM]) {
        return;
    }
    with(Session::Network, |daemon| {
        daemon.ok(&["start", "work.service"]);
        assert_eq!(daemon.run(&["start", "fails.service"]).code, 1);
        for (port, more) in [
            (9101, &[][..]),
            (9102, &["--collector.systemd.private"][..]),
        ] {
            let child = Command::new(PROGRAM)
                .args(["--collector.disable-defaults", "--collector.systemd"])
                .args(["--collector.systemd.enable-task-metrics"])
                .args(["--collector.systemd.enable-restarts-metrics"])
                .args(["--collector.systemd.enable-start-time-metrics"])
                .args([r"--collector.systemd.unit-exclude=.+\.slice"])
                .arg(format!("--web.listen-address=127.0.0.1:{port}"))
                .args(more)
                .stderr(Stdio::null())
                .spawn()
                .expect("it is on PATH");
            let _exporter = Exporter(child);
            let page = wait_for("the page", || scrape(port));
            check(&page);
        }
    });
}

#[track_caller]
fn check(page: &str) {
    let success = "node_scrape_collector_success{collector=\"systemd\"}";
    assert_eq!(value(page, success), 1.0, "{page}");
    let state = |name: &str, kind: &str, state: &str| {
        let metric = "node_systemd_unit_state";
        value(
            page,
            &format!("{metric}{{name=\"{name}\",state=\"{state}\",type=\"{kind}\"}}"),
        )
    };
    assert_eq!(state("work.service", "simple", "active"), 1.0);
    assert_eq!(state("work.service", "simple", "failed"), 0.0);
    assert_eq!(state("fails.service", "oneshot", "failed"), 1.0);
    assert_eq!(state("keep.target", "", "active"), 1.0);
    assert_eq!(value(page, "node_systemd_system_running"), 0.0, "degraded");
    assert!(value(page, "node_systemd_units{state=\"active\"}") >= 4.0);
    assert_eq!(value(page, "node_systemd_units{state=\"failed\"}"), 1.0);
    let of_work = |metric: &str| value(page, &format!("{metric}{{name=\"work.service\"}}"));
    assert_eq!(of_work("node_systemd_service_restart_total"), 0.0);
    assert!(of_work("node_systemd_unit_start_time_seconds") > 1e9);
    let of_door = |metric: &str| value(page, &format!("{metric}{{name=\"door.socket\"}}"));
    assert_eq!(
        of_door("node_systemd_socket_accepted_connections_total"),
        0.0
    );
    assert_eq!(of_door("node_systemd_socket_current_connections"), 0.0);
    assert!(page.contains("node_systemd_version{"), "{page}");
}
