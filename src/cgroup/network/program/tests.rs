//! Programs are run by a model of the kernel's machine.

use super::super::{Access, reduced};
use super::*;
use crate::cgroup::assembly::machine::Machine;
use crate::unit::config::{Interfaces, NetworkAccess, ResourceConfig};
use std::fs::File;
use std::os::fd::AsFd;

fn prefix(text: &str) -> Prefix {
    let (address, length) = text.split_once('/').unwrap();
    Prefix {
        address: address.parse().unwrap(),
        length: length.parse().unwrap(),
    }
}

fn prefixes(text: &str) -> Vec<Prefix> {
    text.split_whitespace().map(prefix).collect()
}

/// A packet from one address to another.
fn packet(from: &str, to: &str) -> Machine {
    let (from, to): (IpAddr, IpAddr) = (from.parse().unwrap(), to.parse().unwrap());
    let mut packet = vec![0; 60];
    let protocol: u16 = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            packet[12..16].copy_from_slice(&from.octets());
            packet[16..20].copy_from_slice(&to.octets());
            0x0800
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            packet[8..24].copy_from_slice(&from.octets());
            packet[24..40].copy_from_slice(&to.octets());
            0x86dd
        }
        _ => panic!("two families"),
    };
    let mut context = vec![0; 12];
    context[0] = 60;
    context[4] = u32::from(protocol.to_be());
    context[10] = 3;
    Machine {
        context,
        packet,
        ..Machine::default()
    }
}

/// The answers for what comes from an address, and what goes there.
fn answers(access: &Access, interfaces: &[(bool, Vec<u32>)], address: &str) -> (u32, u32) {
    let here = if address.contains(':') {
        "::9"
    } else {
        "9.9.9.9"
    };
    let run = |hook, from, to| {
        let program = packets(access, interfaces, hook, None).unwrap();
        packet(from, to).run(&program)
    };
    (
        run(Hook::Ingress, address, here),
        run(Hook::Egress, here, address),
    )
}

fn access(allow: &str, deny: &str) -> Access {
    Access {
        allow: prefixes(allow),
        deny: prefixes(deny),
        ..Access::default()
    }
}

#[test]
fn an_address_that_is_allowed_is_never_denied() {
    let access = access(
        "10.1.0.0/17 192.168.1.1/32 fe80::/64 2001:db8::1/128",
        "0.0.0.0/0 ::/0",
    );
    for granted in [
        "10.1.127.255",
        "10.1.0.0",
        "192.168.1.1",
        "fe80::ffff",
        "2001:db8::1",
    ] {
        assert_eq!(answers(&access, &[], granted), (1, 1), "{granted}");
    }
    for denied in [
        "10.1.128.0",
        "11.1.0.0",
        "192.168.1.2",
        "fe80:0:0:1::",
        "2001:db8::2",
    ] {
        assert_eq!(answers(&access, &[], denied), (0, 0), "{denied}");
    }
}

#[test]
fn what_nothing_is_said_of_is_granted() {
    let access = access("", "10.0.0.0/8 ff00::/8 200.255.255.254/31");
    for (address, answer) in [
        ("10.255.0.1", 0),
        ("200.255.255.255", 0),
        ("200.255.255.253", 1),
        ("127.0.0.1", 1),
        ("ff02::1", 0),
        ("::1", 1),
    ] {
        assert_eq!(
            answers(&access, &[], address),
            (answer, answer),
            "{address}"
        );
    }
    let program = packets(&access, &[], Hook::Egress, None).unwrap();
    // Another protocol, and a packet that ends too early.
    let mut other = packet("1.1.1.1", "10.0.0.1");
    other.context[4] = u32::from(0x0806_u16.to_be());
    assert_eq!(other.run(&program), 1);
    let mut short = packet("1.1.1.1", "127.0.0.1");
    short.packet.truncate(10);
    assert_eq!(short.run(&program), 0);
}

#[test]
fn interfaces_of_every_level_have_their_say() {
    let any = Access::default();
    let ask = |levels: &[(bool, Vec<u32>)]| answers(&any, levels, "1.2.3.4").0;
    assert_eq!(ask(&[(true, vec![1, 3])]), 1);
    assert_eq!(ask(&[(true, vec![1, 2])]), 0);
    assert_eq!(ask(&[(true, vec![])]), 0);
    assert_eq!(ask(&[(false, vec![3])]), 0);
    assert_eq!(ask(&[(false, vec![2])]), 1);
    assert_eq!(ask(&[(true, vec![3]), (false, vec![3])]), 0);
    // The address is looked at all the same.
    let access = access("", "1.0.0.0/8");
    assert_eq!(answers(&access, &[(true, vec![3])], "1.2.3.4"), (0, 0));
    assert_eq!(answers(&access, &[(true, vec![3])], "2.2.3.4"), (1, 1));
}

#[test]
fn what_is_let_through_is_counted_by_direction() {
    let access = access("", "10.0.0.0/8");
    let file = File::open("/dev/null").unwrap();
    let run = |hook, address| {
        let program = packets(&access, &[], hook, Some(file.as_fd())).unwrap();
        let mut machine = packet(address, address);
        machine.run(&program);
        machine.counters
    };
    assert_eq!(run(Hook::Ingress, "1.1.1.1"), [1, 60, 0, 0]);
    assert_eq!(run(Hook::Egress, "1.1.1.1"), [0, 0, 1, 60]);
    assert_eq!(run(Hook::Egress, "10.1.1.1"), [0; 4]);
}

#[test]
fn what_cannot_be_reached_is_left_out() {
    // The two answers that are left, and what leads there.
    let any = access("0.0.0.0/0 ::/0", "0.0.0.0/0 ::/0");
    assert_eq!(answers(&any, &[], "1.2.3.4"), (1, 1));
    let nothing = packets(&Access::default(), &[], Hook::Egress, None).unwrap();
    assert_eq!(nothing.len(), 3);
    let closed = binds(&[(Vec::new(), vec![rule(0, 0, (0, 0))])]).unwrap();
    let open = binds(&[(vec![rule(0, 0, (0, 0))], vec![rule(0, 0, (0, 0))])]).unwrap();
    assert_eq!((closed.len(), open.len()), (7, 7));
}

#[test]
fn prefixes_within_others_go() {
    let kept = reduced(prefixes(
        "10.1.0.0/16 10.0.0.0/8 ::/0 fe80::/64 11.0.0.0/8 10.0.0.0/8",
    ));
    assert_eq!(kept, prefixes("::/0 10.0.0.0/8 11.0.0.0/8"));
    let many = (0..20_000u32).map(|n| Prefix {
        address: IpAddr::V4(n.to_be().into()),
        length: 32,
    });
    let access = Access {
        deny: many.collect(),
        ..Access::default()
    };
    assert_eq!(packets(&access, &[], Hook::Egress, None), None);
}

fn rule(family: u8, protocol: u8, ports: (u16, u16)) -> BindRule {
    BindRule {
        family: Some(family).filter(|it| *it != 0),
        protocol: Some(protocol).filter(|it| *it != 0),
        ports: Some(ports).filter(|it| it.0 != 0),
    }
}

#[test]
fn ports_are_bound_as_rules_say() {
    let ask = |levels: &[(Vec<BindRule>, Vec<BindRule>)], family: u32, protocol: u32, port: u16| {
        let program = binds(levels).unwrap();
        let mut context = vec![0; 10];
        context[6] = u32::from(port.to_be());
        context[7] = family;
        context[9] = protocol;
        let mut machine = Machine {
            context,
            ..Machine::default()
        };
        machine.run(&program)
    };
    let (v4, v6, tcp, udp) = (2, 10, 6, 17);
    let any = rule(0, 0, (0, 0));
    let level = (
        vec![rule(2, 6, (1000, 2000)), rule(10, 0, (7, 7))],
        vec![any],
    );
    let levels = [level.clone()];
    assert_eq!(ask(&levels, v4, tcp, 1000), 1);
    assert_eq!(ask(&levels, v4, tcp, 2000), 1);
    assert_eq!(ask(&levels, v4, tcp, 999), 0);
    assert_eq!(ask(&levels, v4, tcp, 2001), 0);
    assert_eq!(ask(&levels, v4, udp, 1500), 0);
    assert_eq!(ask(&levels, v6, tcp, 1500), 0);
    assert_eq!(ask(&levels, v6, udp, 7), 1);
    assert_eq!(ask(&levels, v4, udp, 0), 0);
    let below = (Vec::new(), vec![rule(0, 6, (1500, 65535))]);
    let both = [level, below];
    assert_eq!(ask(&both, v4, tcp, 1499), 1);
    assert_eq!(ask(&both, v4, tcp, 1500), 0);
    assert_eq!(ask(&both[1..], v4, udp, 1500), 1);
}

#[test]
fn slices_add_to_what_their_units_ask_for() {
    let config = |allow: &str, deny: &str, name: &str| ResourceConfig {
        network: NetworkAccess {
            allow: prefixes(allow),
            deny: prefixes(deny),
            bind_allow: vec![rule(2, 0, (0, 0))],
            interfaces: Some(Interfaces {
                permits: true,
                names: vec![name.to_owned()],
            }),
            ..NetworkAccess::default()
        },
        ..ResourceConfig::default()
    };
    let (unit, slice) = (config("10.1.1.1/32", "", "a"), config("", "0.0.0.0/0", "b"));
    let access = Access::of_unit(&unit, [&slice]);
    assert_eq!(access.allow, prefixes("10.1.1.1/32"));
    assert_eq!(access.deny, prefixes("0.0.0.0/0"));
    assert_eq!(access.interfaces.len(), 2);
    // Nothing is forbidden to be bound.
    assert!(access.binds.is_empty());
    assert!(!Access::of_slice(&slice).is_any());
    assert!(!Access::of_unit(&ResourceConfig::default(), []).is_any());
}
