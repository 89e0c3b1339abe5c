//! The server against good, bad and slow clients, and what its pages say.

use super::address::{HttpAddress, Listening};
use super::health::{Manner, Question, answer};
use super::server::serve;
use crate::engine::ActiveState;
use crate::engine::inspect::{Health, UnitHealth};
use crate::host::small_loop_tests::small_loop;
use crate::unit::config::UnitConfig;
use crate::unit::name::UnitName;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

struct Server {
    path: PathBuf,
    _directory: TempDir,
}

impl Server {
    fn start() -> Server {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("http");
        let listening: Listening = HttpAddress::Unix(path.clone()).bind().unwrap();
        tokio::spawn(serve(listening, small_loop(Vec::new(), Vec::new()), true));
        Server {
            path,
            _directory: directory,
        }
    }

    /// What is answered to these bytes, until the server closes.
    async fn ask(&self, request: &str) -> String {
        let mut stream = UnixStream::connect(&self.path).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"))
            .await
    }
}

#[tokio::test]
async fn pages_and_methods() {
    let server = Server::start();
    for path in ["/healthz/live", "/livez", "/healthz"] {
        let answer = server.get(path).await;
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n"),
            "{path}: {answer}"
        );
        assert!(answer.ends_with("\r\n\r\nok\n"), "{path}: {answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
    // The small loop has never come up.
    for path in ["/startupz", "/healthz/startup", "/readyz", "/healthz/ready"] {
        let answer = server.get(path).await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{path}: {answer}");
        assert!(answer.contains("[-]jobs failed"), "{answer}");
    }
    assert!(server.get("/nothing").await.starts_with("HTTP/1.1 404 "));
    let head = server.ask("HEAD /livez HTTP/1.0\r\n\r\n").await;
    assert!(
        head.starts_with("HTTP/1.0 200 ") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        let text = format!("{method} /livez HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
        let answer = server.ask(&text).await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{method}: {answer}");
        assert!(answer.contains("allow: GET, HEAD\r\n"), "{answer}");
    }
    let metrics = server.get("/metrics").await;
    assert!(
        metrics.contains("content-type: text/plain; version=0.0.4"),
        "{metrics}"
    );
    assert!(
        metrics.contains("\nprocess_manager_uptime_seconds "),
        "{metrics}"
    );
    assert!(
        metrics.contains("\nnode_systemd_system_running 0"),
        "{metrics}"
    );
    let open = "GET /metrics HTTP/1.1\r\nHost: h\r\n\
                Accept: application/openmetrics-text;version=1.0.0,*/*;q=0.1\r\n\r\n";
    let open = server.ask(open).await;
    assert!(
        open.contains("content-type: application/openmetrics-text"),
        "{open}"
    );
    assert!(open.ends_with("# EOF\n"), "{open}");
}

#[tokio::test]
async fn what_is_too_large_or_no_request_is_refused() {
    let server = Server::start();
    let large = format!("GET /livez HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(20_000));
    let mut stream = UnixStream::connect(&server.path).await.unwrap();
    // The server may close while we still write.
    let _ = stream.write_all(large.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431 "),
        "{answer}"
    );
    let many = format!("GET /livez HTTP/1.1\r\n{}\r\n", "X: a\r\n".repeat(65));
    assert!(server.ask(&many).await.starts_with("HTTP/1.1 431 "));
    assert!(
        server
            .ask("\0\0\0 what\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 400 ")
    );
    assert!(server.get("/livez").await.ends_with("ok\n"), "it goes on");
}

#[tokio::test]
async fn who_is_slow_is_dropped_and_holds_nobody_up() {
    let server = Server::start();
    let begun = Instant::now();
    // One more than may be served at once.
    let mut slow = Vec::new();
    for _ in 0..65 {
        let mut stream = UnixStream::connect(&server.path).await.unwrap();
        stream.write_all(b"GET /live").await.unwrap();
        slow.push(stream);
    }
    let answer = tokio::time::timeout(Duration::from_secs(20), server.get("/livez")).await;
    assert!(answer.unwrap().ends_with("ok\n"));
    for mut stream in slow {
        let mut rest = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest));
        // Closed, or reset with our bytes unread.
        let _ = end.await.expect("it is dropped");
        assert!(rest.is_empty(), "nothing was answered");
    }
    assert!(
        begun.elapsed() >= Duration::from_millis(400),
        "they had their time"
    );
}

fn unit(name: &str, health: Health, live: bool, reason: &str) -> UnitHealth {
    let name = UnitName::parse(name).unwrap();
    UnitHealth {
        config: Arc::new(UnitConfig::not_found(name.clone())),
        unit: name,
        active: ActiveState::Active,
        sub: "running",
        wanted: true,
        health,
        live,
        reason: reason.to_owned(),
        probes: Default::default(),
    }
}

#[test]
fn what_live_and_ready_mean() {
    let units = [
        unit("a.service", Health::Healthy, true, ""),
        unit("b.service", Health::Done, true, "it ended well"),
        unit("c.service", Health::Starting, true, "it waits"),
    ];
    let plain = Manner::default();
    assert_eq!(
        answer(Question::Live, &plain, &units, true),
        (true, "ok\n".to_owned())
    );
    let (well, page) = answer(Question::Ready, &plain, &units, true);
    assert!(!well);
    assert_eq!(page, "[-]c.service failed: it waits\nready check failed\n");
    let verbose = Manner::of_query("verbose");
    assert_eq!(
        answer(Question::Ready, &verbose, &units, true).1,
        "[+]jobs ok\n[+]a.service ok\n[+]b.service ok: it ended well\n[-]c.service failed: it waits\n\
         ready check failed\n"
    );
    for exclude in [
        "exclude=c.service",
        "exclude=c",
        "verbose=0&exclude=x&exclude=%63.service",
    ] {
        let manner = Manner::of_query(exclude);
        assert!(
            answer(Question::Ready, &manner, &units, true).0,
            "{exclude}"
        );
    }
    let failed = [unit(
        "a.service",
        Health::Unhealthy,
        false,
        "failed with result 'signal'",
    )];
    let (well, page) = answer(Question::Live, &plain, &failed, true);
    assert!(
        !well && page.starts_with("[-]a.service failed: failed with"),
        "{page}"
    );
    let mut unwanted = failed;
    unwanted[0].wanted = false;
    assert!(answer(Question::Live, &plain, &unwanted, true).0);
    assert!(answer(Question::Startup, &plain, &units, true).0);
    assert!(!answer(Question::Startup, &plain, &units, false).0);
    assert!(
        !answer(Question::Ready, &plain, &[], false).0,
        "nothing was loaded yet"
    );
    assert!(answer(Question::Live, &plain, &[], false).0);
}
