//! Which processors belong to which memory node (systemd.exec(5), CPUAffinity=numa).

use crate::unit::config::Scheduling;
use std::fs;
use std::ops::RangeInclusive;

/// The processors of all nodes of NUMAMask=, bit n for processor n; nothing where they are not
/// asked for.
///
/// # Errors
/// A node is not there, or none is named.
pub(super) fn processors(scheduling: &Scheduling) -> Result<Vec<u8>, String> {
    if !scheduling.processors_of_nodes {
        return Ok(Vec::new());
    }
    let nodes = scheduling
        .memory
        .as_ref()
        .map_or(&[][..], |(_, nodes)| nodes);
    let mut set = Vec::new();
    for node in (0..nodes.len() * 8).filter(|node| nodes[node / 8] >> (node % 8) & 1 == 1) {
        let path = format!("/sys/devices/system/node/node{node}/cpulist");
        let list = fs::read_to_string(&path).map_err(|error| format!("read {path}: {error}"))?;
        for range in ranges(&list) {
            mark(&mut set, range);
        }
    }
    if set.is_empty() {
        return Err("CPUAffinity=numa is set, but NUMAMask= names no node with processors".into());
    }
    Ok(set)
}

/// `0-3,8` and the like.
fn ranges(list: &str) -> impl Iterator<Item = RangeInclusive<usize>> {
    list.trim().split(',').filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    })
}

fn mark(set: &mut Vec<u8>, range: RangeInclusive<usize>) {
    for processor in range {
        let byte = processor / 8;
        if set.len() <= byte {
            set.resize(byte + 1, 0);
        }
        set[byte] |= 1 << (processor % 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_become_bits() {
        let bits = |list| {
            let mut set = Vec::new();
            ranges(list).for_each(|range| mark(&mut set, range));
            set
        };
        assert_eq!(bits("0-3,8,10-11\n"), [0x0f, 0x0d]);
        assert_eq!(bits("\n"), [] as [u8; 0]);
    }

    #[test]
    fn nodes_are_looked_up() {
        let asked = |nodes: Vec<u8>| {
            processors(&Scheduling {
                processors_of_nodes: true,
                memory: Some((2, nodes)),
                ..Scheduling::default()
            })
        };
        assert!(asked(Vec::new()).unwrap_err().contains("names no node"));
        assert!(
            asked(vec![0, 0, 0, 0, 0, 0, 0, 0x80])
                .unwrap_err()
                .contains("node63")
        );
        if fs::exists("/sys/devices/system/node/node0/cpulist").unwrap() {
            assert_eq!(asked(vec![1]).unwrap()[0] & 1, 1);
        }
    }
}
