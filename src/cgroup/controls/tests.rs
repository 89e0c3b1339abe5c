//! Steps from plan to plan, and what carrying them out does to files.

use super::*;
use crate::cgroup::plan::{Ground, plan};
use crate::unit::config::{MemoryLimits, Phased, ResourceConfig};

fn memory(max: Option<u64>, swap: Option<u64>) -> ResourceConfig {
    let phased = |normal| Phased {
        normal,
        startup: None,
    };
    ResourceConfig {
        memory: MemoryLimits {
            max: phased(max),
            swap_max: phased(swap),
            ..MemoryLimits::default()
        },
        ..ResourceConfig::default()
    }
}

fn controls(root: &Path, controller: Controller, version: Version) -> Controls {
    let mut controls = Controls::none("a test");
    match version {
        Version::One => {
            controls.legacy.insert(controller, root.to_owned());
        }
        Version::Two => controls.unified = Some(root.to_owned()),
    }
    controls.versions.insert(controller, version);
    controls
}

fn planned(controls: &Controls, config: &ResourceConfig) -> Plan {
    let ground = Ground {
        versions: controls.versions(),
        absent: controls.absent(),
        startup: false,
        above: &[],
    };
    plan(config, &ground)
}

/// `file=value` for each value that is written.
fn written(change: &Change) -> Vec<String> {
    let steps = change.steps.iter().filter_map(|step| match step {
        Step::Write(_, write) => Some(format!("{}={}", write.file, write.value)),
        Step::Forget(_, file, value) => Some(format!("forget {file}={value}")),
        Step::Enable(..) | Step::Make(..) | Step::Gather(..) => None,
    });
    steps.collect()
}

const PATH: [&str; 2] = ["a.slice", "a.service"];

fn path() -> GroupPath {
    PATH.map(str::to_owned).to_vec()
}

#[test]
fn only_what_differs_is_written_and_what_is_gone_is_taken_back() {
    let directory = tempfile::tempdir().unwrap();
    let mut controls = controls(directory.path(), Controller::Memory, Version::Two);
    let mut change = |max, swap| {
        let plan = planned(&controls, &memory(max, swap));
        written(&controls.change(&path(), plan, false))
    };
    let first = change(Some(5), Some(0));
    assert_eq!(first, ["memory.max=5", "memory.swap.max=0"]);
    assert_eq!(change(Some(5), Some(0)), [""; 0]);
    assert_eq!(change(Some(6), Some(0)), ["memory.max=6"]);
    assert_eq!(
        change(None, None),
        ["memory.max=max", "memory.swap.max=max"]
    );
}

#[test]
fn what_an_earlier_daemon_may_have_left_is_taken_back() {
    let directory = tempfile::tempdir().unwrap();
    let mut controls = controls(directory.path(), Controller::Memory, Version::Two);
    let plan = planned(&controls, &memory(Some(5), None));
    let steps = written(&controls.change(&path(), plan, true));
    assert!(
        steps.contains(&"forget memory.high=max".to_owned()),
        "{steps:?}"
    );
    assert!(
        !steps.contains(&"forget memory.max=max".to_owned()),
        "{steps:?}"
    );
    assert_eq!(steps.last().unwrap(), "memory.max=5");
}

#[test]
fn memory_with_swap_never_has_less_than_memory() {
    let directory = tempfile::tempdir().unwrap();
    let mut controls = controls(directory.path(), Controller::Memory, Version::One);
    let mut change = |max, swap| {
        let plan = planned(&controls, &memory(max, swap));
        written(&controls.change(&path(), plan, false))
    };
    let (memory, both) = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes");
    assert_eq!(
        change(Some(5), Some(1)),
        [format!("{memory}=5"), format!("{both}=6")]
    );
    let lifted = [
        format!("{both}=-1"),
        format!("{memory}=9"),
        format!("{both}=10"),
    ];
    assert_eq!(change(Some(9), Some(1)), lifted);
    assert_eq!(
        change(None, None),
        [format!("{both}=-1"), format!("{memory}=-1")]
    );
}

#[test]
fn groups_of_version_1_are_made_joined_and_removed() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("ours");
    let mut controls = controls(&root, Controller::Memory, Version::One);
    let plan = planned(&controls, &memory(Some(5), None));
    let mut change = controls.change(&path(), plan, false);
    assert!(change.is_quick());
    change.make_room();
    let group = root.join(PATH[0]).join(PATH[1]);
    assert!(group.is_dir());
    std::fs::write(group.join("memory.limit_in_bytes"), "0").unwrap();
    assert_eq!(change.carry_out(), []);
    let limit = std::fs::read_to_string(group.join("memory.limit_in_bytes")).unwrap();
    assert_eq!(limit, "5");
    assert_eq!(
        controls.legacy_groups(&path()),
        [(group.clone(), "MemoryMax")]
    );
    assert_eq!(
        controls.legacy_group(&path(), Controller::Memory),
        Some(group.clone())
    );
    // The kernel's own files go with their directory.
    std::fs::remove_file(group.join("memory.limit_in_bytes")).unwrap();
    controls.forget(&path());
    assert!(!group.exists() && controls.legacy_groups(&path()).is_empty());
    controls.close();
    assert!(!root.exists());
}

#[test]
fn what_cannot_be_written_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let mut controls = controls(directory.path(), Controller::Memory, Version::Two);
    let plan = planned(&controls, &memory(Some(5), None));
    let findings = controls.change(&path(), plan, false).carry_out();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].reason, "this kernel has no memory.max");
    // What cannot be enabled takes all its values along.
    let mut change = Change {
        steps: vec![
            Step::Enable(directory.path().to_owned(), Controller::Memory),
            Step::Write(
                directory.path().to_owned(),
                planned(&controls, &memory(Some(5), None)).writes[0].clone(),
            ),
        ],
        findings: Vec::new(),
    };
    change.make_room();
    assert!(change.steps.is_empty() && change.findings[0].reason.contains("subtree_control"));
}
