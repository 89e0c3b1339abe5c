//! [X-LivenessProbe] and its kin.

use super::*;

fn probe(text: &str) -> (ProbeConfig, Vec<String>) {
    let draft = read("a.service", &format!("[X-LivenessProbe]\n{text}"));
    let probes = &config(&draft).probes;
    let probe = probes.section(ProbeKind::Liveness).cloned();
    let nothing = || ProbeConfig::new(crate::unit::diagnostic::Position::top("/u/a"));
    (probe.unwrap_or_else(nothing), messages(&draft))
}

#[track_caller]
fn good(text: &str) -> ProbeConfig {
    let (probe, messages) = probe(text);
    assert_eq!(messages, Vec::<String>::new(), "{text}");
    probe
}

#[track_caller]
fn bad(text: &str, why: &str) -> ProbeConfig {
    let (probe, messages) = probe(text);
    assert_eq!(messages.len(), 1, "{text}: {messages:?}");
    assert!(messages[0].contains(why), "{messages:?} does not say {why}");
    assert!(messages[0].ends_with(", ignored"), "{messages:?}");
    probe
}

#[test]
fn defaults_are_those_of_kubernetes() {
    let probe = good("TCPSocket=127.0.0.1:8125\n");
    assert_eq!(probe.initial_delay, TimeSpan::ZERO);
    assert_eq!(probe.period, TimeSpan::from_secs(10));
    assert_eq!(probe.timeout, TimeSpan::from_secs(1));
    assert_eq!((probe.success_threshold, probe.failure_threshold), (1, 3));
    assert_eq!(probe.method, "GET");
    assert!(probe.expects(200) && probe.expects(399));
    assert!(!probe.expects(199) && !probe.expects(400) && !probe.expects(500));
}

#[test]
fn each_section_is_a_probe_of_its_own() {
    let draft = read(
        "a.service",
        "[Service]\nTimeoutSec=7\n[X-LivenessProbe]\nTCPSocket=1\nTimeoutSec=2\n\
         [X-ReadinessProbe]\nHTTPGet=http://h/\nSuccessThreshold=2\n\
         [X-StartupProbe]\nExec=/bin/check %n\nFailureThreshold=30\n",
    );
    assert_eq!(messages(&draft), Vec::<String>::new());
    let service = config(&draft);
    let get = |kind| service.probes.get(kind).unwrap();
    assert_eq!(get(ProbeKind::Liveness).timeout, TimeSpan::from_secs(2));
    assert_eq!(get(ProbeKind::Readiness).success_threshold, 2);
    assert_eq!(get(ProbeKind::Startup).failure_threshold, 30);
    let command = service.probes.command(ProbeKind::Startup).unwrap();
    assert_eq!(command.argv, ["/bin/check", "a.service"]);
    // What is called like a setting of [Service] is not taken for one.
    assert_eq!(service.timeout_start, TimeSpan::from_secs(7));
    assert!(draft.set.contains_key("TimeoutSec") && !draft.set.contains_key("Exec"));
    let other = read("a.service", "[X-LivenessProbe]\nTimeoutSec=2\n");
    assert!(!other.set.contains_key("TimeoutSec"));
}

#[test]
fn where_requests_go() {
    for (text, shown) in [
        ("http://127.0.0.1:5555/live", "http://127.0.0.1:5555/live"),
        ("http://localhost", "http://localhost:80/"),
        ("http://h:1?a=b#c", "http://h:1/?a=b"),
        ("http://[::1]:80/x", "http://[::1]:80/x"),
        ("unix:/var/run/a.sock", "unix:/run/a.sock:/"),
        ("unix:/run/a:/live?full=1", "unix:/run/a:/live?full=1"),
        ("unix:%t/a:/x", "unix:/run/a:/x"),
    ] {
        let probe = good(&format!("HTTPGet={text}\n"));
        assert_eq!(probe.http.unwrap().to_string(), shown, "{text}");
    }
    for (text, shown) in [
        ("8125", "127.0.0.1:8125"),
        ("agent.local:1", "agent.local:1"),
        ("[fe80::1]:2", "[fe80::1]:2"),
        ("unix:/run//a", "unix:/run/a"),
    ] {
        let probe = good(&format!("TCPSocket={text}\n"));
        assert_eq!(probe.tcp.unwrap().to_string(), shown, "{text}");
    }
    bad("HTTPGet=https://h/\n", "plain http only");
    bad("HTTPGet=h/x\n", "is not http://HOST:PORT/PATH");
    bad("HTTPGet=http://h:0/\n", "is not HOST:PORT");
    bad("HTTPGet=http://h:99999/\n", "is not HOST:PORT");
    bad("HTTPGet=http://user@h/\n", "is not HOST:PORT");
    bad("HTTPGet=http://h/a b\n", "is not http://");
    bad("HTTPGet=unix:a.sock\n", "not an absolute path");
    bad(&format!("HTTPGet=unix:/{}\n", "a".repeat(107)), "longer");
    bad("TCPSocket=h\n", "is not HOST:PORT");
    bad("TCPSocket=[::1\n", "is not HOST:PORT");
    bad("TCPSocket=:1\n", "is not HOST:PORT");
    assert!(good("HTTPGet=http://h/\nHTTPGet=\n").http.is_none());
}

#[test]
fn what_is_asked_and_expected() {
    let probe = good(
        "HTTPGet=http://h/\nHTTPMethod=HEAD\nHTTPStatus=200 204\nHTTPStatus=301-399\n\
         HTTPHeader=X-Token: a: b \nHTTPHeader=Accept:text/plain\n",
    );
    assert!(probe.expects(200) && probe.expects(204) && probe.expects(350));
    assert!(!probe.expects(201) && !probe.expects(300));
    let headers: Vec<String> = probe
        .headers
        .iter()
        .map(|(n, v)| format!("{n}={v}"))
        .collect();
    assert_eq!(headers, ["X-Token=a: b", "Accept=text/plain"]);
    let shown = probe.to_string();
    assert!(shown.starts_with("HEAD http://h:80/ status=200 status=204 status=301-399"));
    assert!(
        shown.contains("header=X-Token") && !shown.contains("a: b"),
        "{shown}"
    );
    let reset =
        good("HTTPGet=http://h/\nHTTPStatus=500\nHTTPStatus=\nHTTPHeader=A: b\nHTTPHeader=\n");
    assert!(reset.statuses.is_empty() && reset.headers.is_empty());
    bad("HTTPMethod=get\n", "not a method");
    bad("HTTPStatus=99\n", "not a status");
    bad("HTTPStatus=300-200\n", "not a status");
    bad("HTTPHeader=A b: c\n", "cannot be a header");
    bad("HTTPHeader=A\n", "a name, a colon and a value");
}

#[test]
fn times_and_thresholds_have_bounds() {
    good("InitialDelaySec=0\nPeriodSec=100ms\nTimeoutSec=100ms\n");
    bad("PeriodSec=50ms\n", "it is 100ms at least");
    bad("TimeoutSec=0\n", "it is 100ms at least");
    bad("PeriodSec=infinity\n", "not for ever");
    bad("InitialDelaySec=infinity\n", "cannot be for ever");
    bad("FailureThreshold=0\n", "it is 1 at least");
    bad("SuccessThreshold=x\n", "");
    let probe = bad("PeriodSec=3\nPeriodSec=soon\n", "");
    assert_eq!(probe.period, TimeSpan::from_secs(3));
}

#[test]
fn commands() {
    assert_eq!(
        good("Exec=/bin/a 'b c'\n").exec.unwrap().argv,
        ["/bin/a", "b c"]
    );
    assert!(good("Exec=/bin/a\nExec=\n").exec.is_none());
    bad("Exec=/bin/a ; /bin/b\n", "one command");
    let (probe, messages) = probe("Exec=a/b\n");
    assert!(probe.exec.is_none() && messages.len() == 1, "{messages:?}");
}

#[test]
fn ready_when() {
    let draft = read("a.service", "[X-Procmgr]\nReadyWhen=probe\n");
    assert_eq!(draft.config.procmgr.ready_when, ReadyWhen::Probe);
    let draft = read("a.service", "[X-Procmgr]\nReadyWhen=soon\n");
    assert_eq!(draft.config.procmgr.ready_when, ReadyWhen::Active);
    assert_eq!(messages(&draft).len(), 1);
}
