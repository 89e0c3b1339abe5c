//! The programs that decide on packets and on bind(2). Pure.

use super::Access;
use crate::cgroup::assembly::{
    ADD, ADD_IN_MEMORY, ADDRESS, AND_32, Assembly, COPY_32, FRAME, FROM_NETWORK, JUMP_IF_ABOVE_32,
    JUMP_IF_BELOW_32, JUMP_IF_NUMBER, JUMP_IF_NUMBER_32, JUMP_UNLESS_NUMBER_32, Label, SET,
    STORE_NUMBER, by_number, call, copy, instruction, load,
};
use crate::sys::bpf::{COUNTER_KEYS, Hook, Instruction};
use crate::unit::config::{BindRule, Prefix};
// From core: a value that knows nothing of the network.
use core::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

/// bpf_map_lookup_elem of linux/bpf.h.
const LOOK_UP: u32 = 1;
/// bpf_skb_load_bytes.
const LOAD_BYTES: u32 = 26;
/// Where `struct __sk_buff` has its length, protocol and interface.
const LENGTH: i16 = 0;
const PROTOCOL: i16 = 16;
const INTERFACE: i16 = 40;
/// Where `struct bpf_sock_addr` has port, family and protocol.
const PORT: i16 = 24;
const FAMILY: i16 = 28;
const SOCKET_PROTOCOL: i16 = 36;
/// The register that keeps the context over calls.
const CONTEXT: u8 = 6;
/// The registers for words of an address, the first word in the first of them.
const WORDS: u8 = 2;
/// The register for a word without what is behind the prefix.
const PART: u8 = 7;

/// Which of two lists is looked at.
struct Lists<'a> {
    allow: &'a [Prefix],
    deny: &'a [Prefix],
}

/// One family of addresses in a packet.
struct Family {
    /// ETH_P_ number.
    protocol: u16,
    /// Where the header has the source and the destination.
    offsets: (u32, u32),
    /// Bytes of an address.
    length: u32,
}

const FAMILIES: [Family; 2] = [
    Family {
        protocol: 0x0800,
        offsets: (12, 16),
        length: 4,
    },
    Family {
        protocol: 0x86dd,
        offsets: (8, 24),
        length: 16,
    },
];

/// What is answered for packets of one direction: the other side's address and the interface
/// decide, and what is let through is counted. `None` if it gets too long.
pub(super) fn packets(
    access: &Access,
    interfaces: &[(bool, Vec<u32>)],
    hook: Hook,
    counters: Option<BorrowedFd<'_>>,
) -> Option<Vec<Instruction>> {
    let mut program = Assembly::new();
    let (granted, denied) = (program.label(), program.label());
    program.add([copy(CONTEXT, 1)]);
    for (permits, numbers) in interfaces {
        program.add([load(2, CONTEXT, INTERFACE)]);
        let next = program.label();
        let matching = if *permits { next } else { denied };
        for number in numbers {
            program.jump_if(JUMP_IF_NUMBER_32, 2, *number, matching);
        }
        if *permits {
            program.jump(denied);
        }
        program.here(next);
    }
    if !access.deny.is_empty() {
        let lists = Lists {
            allow: &access.allow,
            deny: &access.deny,
        };
        addresses(&mut program, &lists, hook, granted, denied);
    }
    program.here(granted);
    if let Some(counters) = counters {
        count(&mut program, hook, counters);
    }
    program.end(1);
    program.here(denied);
    program.end(0);
    program.finish()
}

/// Goes to `granted` or `denied` by the address of the other side; what is neither IPv4 nor IPv6
/// is granted.
fn addresses(program: &mut Assembly, lists: &Lists<'_>, hook: Hook, granted: Label, denied: Label) {
    for family in FAMILIES {
        let other = program.label();
        let offset = match hook {
            Hook::Ingress => family.offsets.0,
            _ => family.offsets.1,
        };
        program.add([load(2, CONTEXT, PROTOCOL)]);
        let protocol = u32::from(family.protocol.to_be());
        program.jump_if(JUMP_UNLESS_NUMBER_32, 2, protocol, other);
        let start = -(family.length as i32);
        program.add([
            copy(1, CONTEXT),
            by_number(SET, 2, offset),
            copy(3, FRAME),
            by_number(ADD, 3, start as u32),
            by_number(SET, 4, family.length),
            call(LOAD_BYTES),
        ]);
        // A packet too short to have an address.
        program.jump_if(JUMP_UNLESS_NUMBER_32, 0, 0, denied);
        for word in 0..family.length / 4 {
            let offset = start + 4 * word as i32;
            program.add([load(WORDS + word as u8, FRAME, offset as i16)]);
        }
        for (list, verdict) in [(lists.allow, granted), (lists.deny, denied)] {
            for prefix in list {
                let words = masked_words(prefix);
                if words.len() * 4 == family.length as usize {
                    compare(program, &words, verdict);
                }
            }
        }
        program.jump(granted);
        program.here(other);
    }
}

/// Goes to `verdict` if the address in the registers has all words.
fn compare(program: &mut Assembly, words: &[(u32, u32)], verdict: Label) {
    let next = program.label();
    for (register, (word, mask)) in (WORDS..).zip(words) {
        match *mask {
            0 => {}
            u32::MAX => program.jump_if(JUMP_UNLESS_NUMBER_32, register, *word, next),
            mask => {
                program.add([
                    instruction(COPY_32, PART, register, 0, 0),
                    by_number(AND_32, PART, mask),
                ]);
                program.jump_if(JUMP_UNLESS_NUMBER_32, PART, *word, next);
            }
        }
    }
    program.jump(verdict);
    program.here(next);
}

/// The words of an address as they lie in memory, each with its mask.
fn masked_words(prefix: &Prefix) -> Vec<(u32, u32)> {
    let bytes = match prefix.address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let words = bytes.chunks_exact(4).enumerate();
    words
        .map(|(index, bytes)| {
            let before = u8::try_from(index * 32).unwrap_or(u8::MAX);
            let kept = u32::from(prefix.length.saturating_sub(before)).min(32);
            let mask = u32::MAX.checked_shl(32 - kept).unwrap_or(0).to_be();
            let bytes = bytes.try_into().unwrap_or_default();
            (u32::from_ne_bytes(bytes) & mask, mask)
        })
        .collect()
}

/// Whether one prefix holds all that another one does.
pub(super) fn holds(wider: &Prefix, narrower: &Prefix) -> bool {
    let (wide, narrow) = (masked_words(wider), masked_words(narrower));
    wide.len() == narrow.len()
        && wider.length <= narrower.length
        && wide
            .iter()
            .zip(&narrow)
            .all(|((word, mask), (other, _))| other & mask == *word)
}

/// Adds the packet to the counters of its direction.
fn count(program: &mut Assembly, hook: Hook, counters: BorrowedFd<'_>) {
    let (packets, bytes) = match hook {
        Hook::Ingress => (COUNTER_KEYS[0], COUNTER_KEYS[1]),
        _ => (COUNTER_KEYS[2], COUNTER_KEYS[3]),
    };
    for (key, amount) in [
        (packets, by_number(SET, 1, 1)),
        (bytes, load(1, CONTEXT, LENGTH)),
    ] {
        let none = program.label();
        program.add([
            instruction(STORE_NUMBER, FRAME, 0, -4, key),
            copy(2, FRAME),
            by_number(ADD, 2, -4_i32 as u32),
            // By the number of its descriptor, in two steps.
            instruction(ADDRESS, 1, 1, 0, counters.as_raw_fd() as u32),
            instruction(0, 0, 0, 0, 0),
            call(LOOK_UP),
        ]);
        // An address, as a whole.
        program.jump_if(JUMP_IF_NUMBER, 0, 0, none);
        program.add([amount, instruction(ADD_IN_MEMORY, 0, 1, 0, 0)]);
        program.here(none);
    }
}

/// What is answered for bind(2): every level has to grant it.
pub(super) fn binds(levels: &[(Vec<BindRule>, Vec<BindRule>)]) -> Option<Vec<Instruction>> {
    let mut program = Assembly::new();
    let denied = program.label();
    program.add([
        load(2, 1, FAMILY),
        load(3, 1, SOCKET_PROTOCOL),
        load(4, 1, PORT),
        by_number(FROM_NETWORK, 4, 16),
    ]);
    for (allow, deny) in levels {
        let granted = program.label();
        for (list, verdict) in [(allow, granted), (deny, denied)] {
            for rule in list {
                bind(&mut program, rule, verdict);
            }
        }
        program.here(granted);
    }
    program.end(1);
    program.here(denied);
    program.end(0);
    program.finish()
}

fn bind(program: &mut Assembly, rule: &BindRule, verdict: Label) {
    let next = program.label();
    if let Some(family) = rule.family {
        program.jump_if(JUMP_UNLESS_NUMBER_32, 2, family.into(), next);
    }
    if let Some(protocol) = rule.protocol {
        program.jump_if(JUMP_UNLESS_NUMBER_32, 3, protocol.into(), next);
    }
    if let Some((first, last)) = rule.ports {
        program.jump_if(JUMP_IF_BELOW_32, 4, first.into(), next);
        program.jump_if(JUMP_IF_ABOVE_32, 4, last.into(), next);
    }
    program.jump(verdict);
    program.here(next);
}

#[cfg(test)]
mod tests;
