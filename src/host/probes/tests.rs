//! Attempts against servers that are good, bad and hostile.

use super::*;
use crate::unit::config::{HttpTarget, ProbeKind};
use crate::unit::diagnostic::Position;
use crate::unit::value::TimeSpan;
use std::future::Future;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn probe(target: HttpTarget) -> ProbeConfig {
    let mut probe = ProbeConfig::new(Position::top("/a.service"));
    probe.http = Some(target);
    probe.timeout = TimeSpan::from_millis(400);
    probe
}

/// A server for one connection; what it does with it.
async fn server<F, R>(serve: F) -> HttpTarget
where
    F: FnOnce(TcpStream) -> R + Send + 'static,
    R: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        serve(stream).await;
    });
    let host = "127.0.0.1".to_owned();
    HttpTarget {
        address: ProbeAddress::Tcp { host, port },
        path: "/live?a=b".to_owned(),
    }
}

async fn answering(answer: &'static str) -> HttpTarget {
    server(move |mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await
}

async fn result(probe: ProbeConfig) -> ProbeResult {
    use crate::unit::config::{LoadState, ServiceConfig, UnitBody, UnitConfig};
    use crate::unit::name::UnitName;
    let mut service = ServiceConfig::default();
    let position = probe.position.clone();
    *service.probes.section_mut(ProbeKind::Liveness, &position) = probe;
    let mut unit = UnitConfig::not_found(UnitName::parse("a.service").unwrap());
    unit.load = LoadState::Loaded;
    unit.body = UnitBody::Service(Box::new(service));
    let order = ProbeOrder {
        unit: UnitId(1),
        order: 1,
        kind: ProbeKind::Liveness,
        config: Arc::new(unit),
    };
    attempt(&order).await
}

#[track_caller]
fn failure(result: ProbeResult) -> String {
    match result {
        ProbeResult::Failure(reason) => reason,
        other => panic!("{other:?} is no failure"),
    }
}

#[tokio::test]
async fn what_is_asked_and_what_is_a_good_answer() {
    let (sender, asked) = tokio::sync::oneshot::channel();
    let target = server(move |mut stream| async move {
        let mut bytes = [0; 4096];
        let length = stream.read(&mut bytes).await.unwrap();
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        sender.send(text).unwrap();
        let _ = stream.write_all(b"HTTP/1.1 204 Fine\r\n\r\n").await;
    })
    .await;
    let mut wanted = probe(target);
    wanted.headers = vec![
        ("X-Token".to_owned(), "a b".to_owned()),
        ("host".to_owned(), "agent".to_owned()),
    ];
    assert_eq!(result(wanted).await, ProbeResult::Success);
    let asked = asked.await.unwrap().to_lowercase();
    assert!(asked.starts_with("get /live?a=b http/1.1\r\n"), "{asked}");
    assert!(asked.contains("x-token: a b\r\n"), "{asked}");
    assert!(asked.contains("host: agent\r\n") && !asked.contains("127.0.0.1"));
    assert!(asked.contains("connection: close\r\n"), "{asked}");
}

#[tokio::test]
async fn other_statuses_are_failures_that_say_why() {
    let text = "HTTP/1.1 503 Busy\r\nContent-Length: 24\r\n\r\n\nforwarder: \u{1b}queue full\n";
    let bad = failure(result(probe(answering(text).await)).await);
    assert_eq!(bad, "HTTP status 503: forwarder: queue full");
    let mut wanted = probe(answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await);
    wanted.statuses = vec![(201, 299), (503, 503)];
    assert_eq!(failure(result(wanted).await), "HTTP status 200");
    let mut wanted = probe(answering("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n").await);
    wanted.statuses = vec![(503, 503)];
    assert_eq!(result(wanted).await, ProbeResult::Success);
}

#[tokio::test]
async fn hostile_servers_cost_their_time_and_no_more() {
    let hanging = server(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    assert_eq!(
        failure(result(probe(hanging)).await),
        "no answer within 400ms"
    );
    let endless = server(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'x'; 8192]).await.is_ok() {}
    })
    .await;
    assert_eq!(result(probe(endless)).await, ProbeResult::Success);
    let headers = server(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(b"X-More: of the same\r\n").await.is_ok() {}
    })
    .await;
    assert!(failure(result(probe(headers)).await).starts_with("no HTTP answer: "));
    let noise = answering("\0\u{1}\u{2} what?\r\n\r\n").await;
    assert!(failure(result(probe(noise)).await).starts_with("no HTTP answer: "));
    let cut = answering("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").await;
    assert!(failure(result(probe(cut)).await).starts_with("the answer breaks off: "));
    let silent = server(|stream| async move { drop(stream) }).await;
    assert!(failure(result(probe(silent)).await).starts_with("no HTTP answer: "));
}

#[tokio::test]
async fn unix_sockets_and_plain_connections() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent").display().to_string();
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                .await;
        }
    });
    let address = ProbeAddress::Unix(path);
    let target = HttpTarget {
        address: address.clone(),
        path: "/".to_owned(),
    };
    assert_eq!(result(probe(target)).await, ProbeResult::Success);
    let connecting = |address: ProbeAddress| {
        let mut probe = ProbeConfig::new(Position::top("/a.service"));
        probe.tcp = Some(address);
        result(probe)
    };
    assert_eq!(connecting(address).await, ProbeResult::Success);
    let nobody = ProbeAddress::Unix(dir.path().join("nobody").display().to_string());
    let reason = failure(connecting(nobody).await);
    assert!(reason.starts_with("cannot connect to unix:"), "{reason}");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let host = "localhost".to_owned();
    let address = ProbeAddress::Tcp { host, port };
    assert_eq!(connecting(address.clone()).await, ProbeResult::Success);
    drop(listener);
    let reason = failure(connecting(address).await);
    assert!(reason.contains("refused"), "{reason}");
}
