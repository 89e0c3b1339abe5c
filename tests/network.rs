//! Access to the network: what a process is kept from and what is counted, seen from inside it.
//! On machines whose kernel takes no programs on control groups they are skipped.

mod common;

use common::daemon::{Daemon, Place};
use common::inside::{self, Inside};
use common::{Missing, skip, wait_until};
use std::net::UdpSocket;

/// What is asked in a place of its own; nothing where the kernel takes no such programs.
struct Asked {
    place: Place,
    names: Vec<String>,
}

impl Asked {
    fn new() -> Asked {
        Asked {
            place: inside::place(),
            names: Vec::new(),
        }
    }

    fn unit(mut self, name: &str, settings: &str, questions: &[&str]) -> Asked {
        let text = inside::unit(&self.place, name, settings, questions);
        self.place.write_unit(&format!("{name}.service"), &text);
        self.names.push(name.to_owned());
        self
    }

    fn file(self, name: &str, text: &str) -> Asked {
        self.place.write_unit(name, text);
        self
    }

    /// All of them started, with the daemon.
    fn start(self) -> Option<(Daemon, Vec<Inside>)> {
        let daemon = self.place.start();
        let mut all = Vec::new();
        for name in &self.names {
            let inside = inside::ask(&daemon, name);
            if inside.status == "219" {
                let log = daemon.log();
                assert!(
                    log.contains("cannot restrict access to the network"),
                    "{log}"
                );
                skip(
                    Missing::Privilege,
                    "the kernel takes no programs for the network",
                );
                return None;
            }
            all.push(inside);
        }
        Some((daemon, all))
    }
}

#[test]
fn addresses_that_are_denied_cannot_be_reached() {
    // Not connections: what opens one is sent again and again.
    let questions = ["send:127.0.0.1:9", "send:127.0.0.2:9"];
    let asked = Asked::new()
        .file("closed.slice", "[Slice]\nIPAddressDeny=any\n")
        .unit("all", "", &questions)
        .unit("none", "IPAddressDeny=any", &questions)
        .unit(
            "one",
            "IPAddressDeny=any\nIPAddressAllow=127.0.0.1",
            &questions,
        )
        .unit("other", "IPAddressDeny=127.0.0.2 ::/0", &questions)
        .unit("sliced", "Slice=closed.slice", &questions)
        .unit(
            "opened",
            "Slice=closed.slice\nIPAddressAllow=localhost",
            &questions,
        );
    let Some((daemon, answers)) = asked.start() else {
        return;
    };
    let (both, neither) = (["done", "done"], ["E1", "E1"]);
    let expected = [both, neither, ["done", "E1"], ["done", "E1"], neither, both];
    for (inside, expected) in answers.iter().zip(expected) {
        let found = questions.map(|question| inside.answer(question));
        assert_eq!(found, expected);
    }
    let effective = daemon.show("one.service", "EffectiveSettings");
    for directive in ["IPAddressDeny", "IPAddressAllow"] {
        assert!(
            effective.contains(&format!("{directive}: applied")),
            "{effective}"
        );
    }
}

#[test]
fn interfaces_that_are_not_allowed_cannot_be_used() {
    let question = ["send:127.0.0.1:9"];
    let asked = Asked::new()
        .unit("lo", "RestrictNetworkInterfaces=lo", &question)
        .unit("not-lo", "RestrictNetworkInterfaces=~lo", &question)
        .unit("none", "RestrictNetworkInterfaces=no-such-0", &question);
    let Some((_daemon, answers)) = asked.start() else {
        return;
    };
    let found: Vec<&str> = answers.iter().map(|it| it.answer(question[0])).collect();
    assert_eq!(found, ["done", "E1", "E1"]);
}

#[test]
fn ports_that_are_denied_cannot_be_bound() {
    let questions = [
        "bind:tcp:127.0.0.1:0",
        "bind:tcp:127.0.0.3:47111",
        "bind:udp:127.0.0.3:47111",
    ];
    let asked = Asked::new()
        .unit("none", "SocketBindDeny=any", &questions)
        .unit(
            "some",
            "SocketBindDeny=any\nSocketBindAllow=ipv4:tcp:47000-47200",
            &questions,
        )
        .unit("udp", "SocketBindDeny=udp", &questions);
    let Some((_daemon, answers)) = asked.start() else {
        return;
    };
    let found: Vec<_> = answers
        .iter()
        .map(|inside| questions.map(|question| inside.answer(question)))
        .collect();
    assert_eq!(found[0], ["E1", "E1", "E1"]);
    assert_eq!(found[1], ["E1", "done", "E1"]);
    assert_eq!(found[2], ["done", "done", "E1"]);
}

#[test]
fn traffic_is_counted_and_still_known_when_no_process_is_left() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let send = format!("send:{}", socket.local_addr().expect("an address"));
    let asked = Asked::new()
        .unit(
            "counted",
            "IPAccounting=yes\nRemainAfterExit=yes",
            &[&send, &send],
        )
        .unit("not", "", &[&send]);
    let Some((daemon, _)) = asked.start() else {
        return;
    };
    let effective = daemon.show("counted.service", "EffectiveSettings");
    if !effective.contains("IPAccounting: applied") {
        return skip(
            Missing::Privilege,
            "the kernel takes no programs for the network",
        );
    }
    let shown = |unit, property| daemon.show(unit, property);
    assert_eq!(shown("counted.service", "IPEgressPackets"), "2");
    // Headers of IP and UDP with five bytes.
    assert_eq!(shown("counted.service", "IPEgressBytes"), "66");
    assert_eq!(shown("counted.service", "IPIngressPackets"), "0");
    assert_eq!(shown("not.service", "IPEgressPackets"), "[no data]");
}

#[test]
fn what_is_counted_by_default_is_a_setting() {
    let text = "[Service]\nExecStart=/bin/sleep infinity\n";
    let place = Place::new()
        .with_argument("--default-ip-accounting=yes")
        .with_argument("--default-memory-accounting=no");
    place.write_unit("a.service", text);
    place.write_unit("b.service", &format!("{text}IPAccounting=no\n"));
    let daemon = place.start();
    let shown = |unit: &str, property| daemon.show(&format!("{unit}.service"), property);
    assert_eq!(shown("a", "IPAccounting"), "yes");
    assert_eq!(shown("b", "IPAccounting"), "no");
    assert_eq!(shown("a", "MemoryAccounting"), "no");
    assert_eq!(shown("a", "TasksAccounting"), "yes");
}

#[test]
fn access_is_changed_while_it_runs() {
    let script = "while :; do if (echo 1 >/dev/udp/127.0.0.1/9) 2>/dev/null; then echo may; \
                  else echo may not; fi; sleep 0.1; done";
    let text = format!("[Service]\nExecStart=/bin/bash -c '{script}'\n");
    let daemon = Daemon::with(&[("a.service", &text)]);
    daemon.ok(&["start", "a.service"]);
    let last = || daemon.ok(&["logs", "-n", "1", "a.service"]);
    wait_until("it to send", || last().trim_end().ends_with(" may"));
    let set = |assignment: &str| {
        daemon.ok(&["set-property", "--runtime", "a.service", assignment]);
    };
    set("IPAddressDeny=localhost");
    wait_until("it to be kept away, or that to fail", || {
        last().trim_end().ends_with("may not") || daemon.log().contains("not restricted anew")
    });
    if daemon.log().contains("not restricted anew") {
        return skip(
            Missing::Privilege,
            "the kernel takes no programs for the network",
        );
    }
    set("IPAddressAllow=127.0.0.1");
    wait_until("it to be let again", || last().trim_end().ends_with(" may"));
}

#[test]
fn sockets_of_a_socket_unit_are_not_left_without_what_they_ask_for() {
    let daemon = Daemon::with(&[
        (
            "a.socket",
            "[Socket]\nListenStream=127.0.0.1:0\nIPAddressDeny=any\n",
        ),
        ("a.service", "[Service]\nExecStart=/bin/cat\n"),
    ]);
    let started = daemon.run(&["start", "a.socket"]);
    assert_ne!(started.code, 0, "{}", started.stdout);
    let effective = daemon.show("a.socket", "EffectiveSettings");
    assert!(
        effective.contains("IPAddressDeny: not applied"),
        "{effective}"
    );
}
