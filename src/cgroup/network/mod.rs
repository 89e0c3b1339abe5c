//! What the processes of a group may do in the network, and how much they do there
//! (systemd.resource-control(5): IPAddressAllow=, IPAddressDeny=, SocketBindAllow=,
//! SocketBindDeny=, RestrictNetworkInterfaces=, IPAccounting=), as programs on the group of
//! version 2, which hybrid machines have, too.
//!
//! The group of a unit holds what its slices forbid as well: so whoever starts a process there
//! knows whether it is in force. Groups of slices only count.
//!
//! Counters are held by the programs themselves and found again through the group: nothing has
//! to be handed on when the daemon goes and comes again.

mod program;

use crate::sys::bpf::{self, Hook, Instruction};
use crate::unit::config::{BindRule, Interfaces, Prefix, ResourceConfig};
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// What is asked for of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Addresses that may be talked to whatever `deny` says.
    allow: Vec<Prefix>,
    /// Those that may not.
    deny: Vec<Prefix>,
    /// Of each level, what may be bound whatever the second list says, and what may not.
    binds: Vec<(Vec<BindRule>, Vec<BindRule>)>,
    /// Of each level, which interfaces may be used.
    interfaces: Vec<Interfaces>,
    /// Traffic is counted.
    counts: bool,
}

/// What is not in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// The directives that are lost by it.
    pub directives: Vec<&'static str>,
    /// Why, in a sentence.
    pub reason: String,
}

/// The directive that only counts.
pub const ACCOUNTING: &str = "IPAccounting";

impl Access {
    /// What a unit is given by its own settings and those of the slices it is in.
    pub fn of_unit<'a>(
        own: &'a ResourceConfig,
        above: impl IntoIterator<Item = &'a ResourceConfig>,
    ) -> Access {
        let mut access = Access::of_slice(own);
        for config in std::iter::once(own).chain(above) {
            let network = &config.network;
            access.allow.extend(&network.allow);
            access.deny.extend(&network.deny);
            // What may be bound restricts nothing by itself.
            if !network.bind_deny.is_empty() {
                let level = (network.bind_allow.clone(), network.bind_deny.clone());
                access.binds.push(level);
            }
            access.interfaces.extend(network.interfaces.clone());
        }
        access.allow = reduced(std::mem::take(&mut access.allow));
        access.deny = reduced(std::mem::take(&mut access.deny));
        access
    }

    /// What the group of a slice itself is given.
    pub fn of_slice(own: &ResourceConfig) -> Access {
        Access {
            counts: own.accounting.counts_ip(),
            ..Access::default()
        }
    }

    /// Whether anything is asked for.
    pub fn is_any(&self) -> bool {
        self.counts || self.filters_packets() || !self.binds.is_empty()
    }

    fn filters_packets(&self) -> bool {
        !self.deny.is_empty() || !self.interfaces.is_empty()
    }

    /// The directives that packets are filtered for.
    fn packet_directives(&self) -> Vec<&'static str> {
        let denies = !self.deny.is_empty();
        let asked = [
            ("IPAddressDeny", denies),
            ("IPAddressAllow", denies && !self.allow.is_empty()),
            ("RestrictNetworkInterfaces", !self.interfaces.is_empty()),
            (ACCOUNTING, self.counts),
        ];
        let asked = asked.into_iter().filter(|(_, is_asked)| *is_asked);
        asked.map(|(directive, _)| directive).collect()
    }

    fn bind_directives(&self) -> Vec<&'static str> {
        let allows = self.binds.iter().any(|(allow, _)| !allow.is_empty());
        let directives = ["SocketBindDeny", "SocketBindAllow"].into_iter();
        directives.take(if allows { 2 } else { 1 }).collect()
    }
}

/// Without what another prefix holds already.
fn reduced(mut list: Vec<Prefix>) -> Vec<Prefix> {
    list.sort_by_key(|prefix| prefix.length);
    let mut kept: Vec<Prefix> = Vec::new();
    for prefix in list {
        if !kept.iter().any(|wider| program::holds(wider, &prefix)) {
            kept.push(prefix);
        }
    }
    kept
}

/// Puts everything into force on a group that is asked for, and takes off what is not; what does
/// not work is the answer. Counting begins anew if the group is `fresh`.
pub fn enforce(group: Option<BorrowedFd<'_>>, access: &Access, fresh: bool) -> Vec<Missed> {
    let Some(group) = group else {
        let mut missed = Vec::new();
        let mut miss = |directives| {
            missed.push(Missed {
                directives,
                reason: "there is no control group".to_owned(),
            });
        };
        if access.filters_packets() || access.counts {
            miss(access.packet_directives());
        }
        if !access.binds.is_empty() {
            miss(access.bind_directives());
        }
        return missed;
    };
    let packets = filter_packets(group, access, fresh);
    let binds = filter_binds(group, access);
    let miss = |result: Result<(), String>, directives: Vec<&'static str>| {
        let reason = result.err()?;
        Some(Missed { directives, reason })
    };
    let mut missed = Vec::new();
    missed.extend(miss(packets, access.packet_directives()));
    missed.extend(miss(binds, access.bind_directives()));
    missed
}

/// The same on a group that has processes.
///
/// # Errors
/// What is not in force, in a sentence.
pub fn enforce_running(group: &Path, access: &Access) -> Result<(), String> {
    let failed = |error: io::Error| format!("{}: {error}", group.display());
    let directory = fs::File::open(group).map_err(failed)?;
    let missed = enforce(Some(directory.as_fd()), access, false);
    match missed.into_iter().next() {
        Some(missed) => Err(format!(
            "{}: {}",
            missed.directives.join(", "),
            missed.reason
        )),
        None => Ok(()),
    }
}

fn filter_packets(group: BorrowedFd<'_>, access: &Access, fresh: bool) -> Result<(), String> {
    if !access.filters_packets() && !access.counts {
        return take_off(group, [Hook::Ingress, Hook::Egress]);
    }
    let failed = |error: io::Error| format!("the kernel takes no program for packets: {error}");
    let counters: Option<OwnedFd> = match access.counts {
        false => None,
        true => {
            let there = match fresh {
                true => None,
                // Of programs that cannot be looked at nothing is known.
                false => bpf::counters_on(group, Hook::Ingress).unwrap_or_default(),
            };
            Some(match there {
                Some(there) => there,
                None => bpf::make_counters().map_err(failed)?,
            })
        }
    };
    let counters = counters.as_ref().map(AsFd::as_fd);
    let interfaces: Vec<(bool, Vec<u32>)> = access.interfaces.iter().map(numbers).collect();
    for hook in [Hook::Ingress, Hook::Egress] {
        let program = program::packets(access, &interfaces, hook, counters);
        put_on(group, hook, program)?;
    }
    Ok(())
}

fn filter_binds(group: BorrowedFd<'_>, access: &Access) -> Result<(), String> {
    if access.binds.is_empty() {
        return take_off(group, [Hook::Bind4, Hook::Bind6]);
    }
    for hook in [Hook::Bind4, Hook::Bind6] {
        put_on(group, hook, program::binds(&access.binds))?;
    }
    Ok(())
}

fn put_on(
    group: BorrowedFd<'_>,
    hook: Hook,
    program: Option<Vec<Instruction>>,
) -> Result<(), String> {
    let program = program.ok_or("there are more addresses than a program can hold")?;
    bpf::replace(group, hook, &program)
        .map_err(|error| format!("the kernel takes no program for {}: {error}", hook.what()))
}

/// Where the kernel has no such programs there is nothing to take off.
fn take_off(group: BorrowedFd<'_>, hooks: [Hook; 2]) -> Result<(), String> {
    for hook in hooks {
        if let Err(error) = bpf::clear(group, hook)
            && bpf::counters_on(group, hook).is_ok()
        {
            let what = hook.what();
            return Err(format!(
                "the program for {what} cannot be taken off: {error}"
            ));
        }
    }
    Ok(())
}

/// The numbers of interfaces; one that is not there has none.
fn numbers(interfaces: &Interfaces) -> (bool, Vec<u32>) {
    let names = interfaces.names.iter();
    let numbers = names.filter_map(|name| nix::net::if_::if_nametoindex(name.as_str()).ok());
    (interfaces.permits, numbers.collect())
}

/// Traffic that was let through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets that came in.
    pub packets_in: u64,
    /// Their bytes, from the network header on.
    pub bytes_in: u64,
    /// Packets that went out.
    pub packets_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
}

/// What the programs on a group have counted, if any of them counts.
pub(super) fn traffic(group: &Path) -> Option<Traffic> {
    let directory = fs::File::open(group).ok()?;
    let counters = bpf::counters_on(directory.as_fd(), Hook::Ingress).ok()??;
    let [packets_in, bytes_in, packets_out, bytes_out] =
        bpf::read_counters(counters.as_fd()).ok()?;
    Some(Traffic {
        packets_in,
        bytes_in,
        packets_out,
        bytes_out,
    })
}
