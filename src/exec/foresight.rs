//! What a daemon without all privileges will not be able to give to a unit. Pure, but for
//! [`Standing::of_this_process`].
//!
//! Only what is certain: what is not named here may fail all the same when it is tried.

use super::identity::Identity;
use crate::unit::config::{ExecConfig, ResourceConfig};
use crate::unit::effective::{Extent, LeftOut};
use crate::unit::specifier::SystemFacts;
use crate::unit::value::LimitKind;
use std::collections::BTreeMap;

// Numbers of capabilities(7).
const SETGID: u32 = 6;
const SETUID: u32 = 7;
const SETPCAP: u32 = 8;
const NETWORK: u32 = 12;
const ADMINISTRATION: u32 = 21;
const NICE: u32 = 23;
const RESOURCE: u32 = 24;

/// Who the daemon is and what it may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its user, by number and name.
    pub user: (u32, String),
    /// Its group, by number and name.
    pub group: (u32, String),
    /// Bit n: it has capability n in effect.
    pub capabilities: u64,
    /// Bit n: its children may have capability n.
    pub bounding: u64,
    /// Its hard resource limits, where there are any.
    pub limits: BTreeMap<LimitKind, u64>,
    /// Its OOM score.
    pub oom_score_adjust: i32,
}

impl Standing {
    /// What the kernel says of this process.
    pub fn of_this_process(system: &SystemFacts) -> Standing {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let set = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let digits = line.unwrap_or_default().trim();
            u64::from_str_radix(digits, 16).unwrap_or(0)
        };
        let score = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
        Standing {
            user: (system.uid, system.user.clone()),
            group: (system.gid, system.group.clone()),
            capabilities: set("CapEff:"),
            bounding: set("CapBnd:"),
            limits: system
                .limits
                .iter()
                .map(|(kind, limit)| (*kind, limit.hard))
                .collect(),
            oom_score_adjust: score.trim().parse().unwrap_or(0),
        }
    }

    fn has(&self, capability: u32) -> bool {
        self.capabilities >> capability & 1 == 1
    }

    /// Whether a child of ours can become this.
    pub fn can_become(&self, identity: &Identity) -> bool {
        let user = identity.uid == self.user.0 || self.has(SETUID);
        let group = identity.gid == self.group.0 || self.has(SETGID);
        user && group
    }
}

/// Which directives ask for an identity.
pub fn accounts(exec: &ExecConfig) -> Vec<&'static str> {
    let all = [
        ("User", exec.user.is_some()),
        ("Group", exec.group.is_some()),
        ("SupplementaryGroups", !exec.supplementary_groups.is_empty()),
        ("DynamicUser", exec.dynamic_user),
    ];
    let set = all.into_iter().filter(|(_, set)| *set);
    set.map(|(name, _)| name).collect()
}

/// What has to be expected of a start.
pub fn foresee(exec: &ExecConfig, resource: &ResourceConfig, standing: &Standing) -> Vec<LeftOut> {
    let mut list = Foreseen::default();
    foresee_identity(&mut list, exec, standing);
    foresee_isolation(&mut list, exec, standing);
    foresee_capabilities(&mut list, exec, standing);
    foresee_scheduling(&mut list, exec, standing);
    foresee_access(&mut list, resource, standing);
    list.0
}

#[derive(Default)]
struct Foreseen(Vec<LeftOut>);

impl Foreseen {
    fn add(&mut self, directive: &str, extent: Extent, reason: &str) {
        self.0.push(LeftOut {
            directive: directive.to_owned(),
            reason: reason.to_owned(),
            extent,
        });
    }
}

fn foresee_identity(list: &mut Foreseen, exec: &ExecConfig, standing: &Standing) {
    let is = |asked: &Option<String>, (number, name): &(u32, String)| match asked {
        Some(asked) => asked == name || *asked == number.to_string(),
        None => true,
    };
    if !is(&exec.user, &standing.user) && !standing.has(SETUID) {
        list.add(
            "User",
            Extent::Nothing,
            "it takes CAP_SETUID to become another user",
        );
    }
    if !is(&exec.group, &standing.group) && !standing.has(SETGID) {
        list.add(
            "Group",
            Extent::Nothing,
            "it takes CAP_SETGID to become another group",
        );
    }
    if exec.dynamic_user && !standing.has(SETUID) {
        list.add(
            "DynamicUser",
            Extent::Nothing,
            "it takes CAP_SETUID to become another user",
        );
    }
}

fn foresee_isolation(list: &mut Foreseen, exec: &ExecConfig, standing: &Standing) {
    if standing.has(ADMINISTRATION) {
        return;
    }
    let isolation = &exec.isolation;
    let namespaces = [
        ("PrivateNetwork", isolation.private_network),
        ("NetworkNamespacePath", isolation.network_path.is_some()),
        ("ProtectHostname", isolation.protect_hostname),
    ];
    let namespaces = namespaces.into_iter().filter(|(_, set)| *set);
    let asked = isolation.mount_settings().into_iter();
    for directive in asked.chain(namespaces.map(|(name, _)| name)) {
        list.add(
            directive,
            Extent::Nothing,
            "it takes CAP_SYS_ADMIN to make namespaces",
        );
    }
}

fn foresee_capabilities(list: &mut Foreseen, exec: &ExecConfig, standing: &Standing) {
    let dropped = exec
        .capability_bounding_set
        .map(|keep| standing.bounding & !keep.0);
    if dropped.is_some_and(|dropped| dropped != 0) && !standing.has(SETPCAP) {
        let reason = "it takes CAP_SETPCAP to give capabilities up for good";
        list.add("CapabilityBoundingSet", Extent::Nothing, reason);
    }
    if exec.ambient_capabilities.0 & !standing.capabilities != 0 {
        let reason = "what the daemon itself may not do it cannot give";
        list.add("AmbientCapabilities", Extent::Nothing, reason);
    }
    if exec.secure_bits != 0 && !standing.has(SETPCAP) {
        list.add("SecureBits", Extent::Nothing, "it takes CAP_SETPCAP");
    }
}

fn foresee_scheduling(list: &mut Foreseen, exec: &ExecConfig, standing: &Standing) {
    // The kernel counts from 1 (nice 19) to 40 (nice -20).
    let ceiling = standing.limits.get(&LimitKind::Nice).copied().unwrap_or(0);
    let lowest = 20 - i64::try_from(ceiling.min(40)).unwrap_or(0);
    if exec
        .nice
        .is_some_and(|nice| i64::from(nice) < lowest.min(0))
        && !standing.has(NICE)
    {
        list.add(
            "Nice",
            Extent::Part,
            "it takes CAP_SYS_NICE to be before others",
        );
    }
    let real_time = exec
        .scheduling
        .processor
        .is_some_and(|policy| matches!(policy.policy, 1 | 2));
    if real_time && !standing.has(NICE) {
        let reason = "it takes CAP_SYS_NICE to be in real time";
        list.add("CPUSchedulingPolicy", Extent::Nothing, reason);
    }
    let lower = |score: i32| score < standing.oom_score_adjust;
    if exec.oom_score_adjust.is_some_and(lower) && !standing.has(RESOURCE) {
        list.add(
            "OOMScoreAdjust",
            Extent::Part,
            "it takes CAP_SYS_RESOURCE to lower it",
        );
    }
    for (kind, limit) in &exec.limits {
        let most = standing.limits.get(kind);
        if most.is_some_and(|most| limit.hard > *most) && !standing.has(RESOURCE) {
            let reason = "it takes CAP_SYS_RESOURCE to have more than the daemon may";
            list.add(kind.directive(), Extent::Part, reason);
        }
    }
}

fn foresee_access(list: &mut Foreseen, resource: &ResourceConfig, standing: &Standing) {
    if standing.has(NETWORK) || standing.has(ADMINISTRATION) {
        return;
    }
    let network = &resource.network;
    let asked = [
        ("IPAddressDeny", !network.deny.is_empty()),
        ("SocketBindDeny", !network.bind_deny.is_empty()),
        ("RestrictNetworkInterfaces", network.interfaces.is_some()),
    ];
    for (directive, _) in asked.into_iter().filter(|(_, set)| *set) {
        let reason = "it takes CAP_NET_ADMIN to filter what a control group does in the network";
        list.add(directive, Extent::Nothing, reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::config::Isolation;
    use crate::unit::value::{CapabilitySet, Limit};

    fn directives(exec: &ExecConfig, standing: &Standing) -> Vec<String> {
        let all = foresee(exec, &ResourceConfig::default(), standing).into_iter();
        all.map(|found| found.directive).collect()
    }

    fn demanding() -> ExecConfig {
        let mut exec = ExecConfig {
            user: Some("agent".into()),
            group: Some("70".into()),
            nice: Some(-5),
            oom_score_adjust: Some(-900),
            capability_bounding_set: Some(CapabilitySet::EMPTY),
            ambient_capabilities: CapabilitySet(1 << 10),
            isolation: Isolation {
                private_tmp: true,
                private_network: true,
                ..Isolation::default()
            }
            .into(),
            ..ExecConfig::default()
        };
        let limit = Limit {
            soft: 10,
            hard: 4096,
        };
        exec.limits.insert(LimitKind::Nofile, limit);
        exec
    }

    #[test]
    fn who_may_everything_foresees_nothing() {
        let root = Standing {
            capabilities: u64::MAX,
            bounding: u64::MAX,
            ..Standing::default()
        };
        assert_eq!(directives(&demanding(), &root), [] as [&str; 0]);
        let nothing = Standing::default();
        assert_eq!(
            directives(&ExecConfig::default(), &nothing),
            [] as [&str; 0]
        );
    }

    #[test]
    fn who_may_nothing_foresees_what_takes_privilege() {
        let nobody = Standing {
            user: (65_534, "nobody".into()),
            group: (65_534, "nogroup".into()),
            bounding: 1,
            limits: BTreeMap::from([(LimitKind::Nofile, 1024)]),
            ..Standing::default()
        };
        let expected = [
            "User",
            "Group",
            "PrivateTmp",
            "PrivateNetwork",
            "CapabilityBoundingSet",
            "AmbientCapabilities",
            "Nice",
            "OOMScoreAdjust",
            "LimitNOFILE",
        ];
        assert_eq!(directives(&demanding(), &nobody), expected);
        let mut own = demanding();
        own.user = Some("nobody".into());
        own.group = Some("65534".into());
        assert!(!directives(&own, &nobody).contains(&"User".to_owned()));
    }
}
