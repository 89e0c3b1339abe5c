//! Users, groups, capabilities, and what is done before they are given up.

use super::*;
use crate::unit::config::OutputTarget;
use crate::unit::value::CapabilitySet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

const NOBODY: u32 = 65534;
const NET_BIND_SERVICE: u64 = 1 << 10;

fn as_nobody(exec: &mut ExecConfig) {
    exec.user = Some("nobody".into());
}

fn ids(status: &str, name: &str) -> Vec<u32> {
    let numbers = field(status, name).split_whitespace();
    numbers.map(|id| id.parse().unwrap()).collect()
}

fn capabilities(status: &str, name: &str) -> u64 {
    u64::from_str_radix(field(status, name), 16).unwrap()
}

#[test]
fn user_and_groups_are_taken() {
    if !is_root() {
        return;
    }
    let status = Try::status().exec(|exec| {
        as_nobody(exec);
        exec.group = Some("daemon".into());
        exec.supplementary_groups = vec!["adm".into()];
    });
    let text = status.run().success();
    let daemon = nix::unistd::Group::from_name("daemon").unwrap().unwrap();
    let adm = nix::unistd::Group::from_name("adm").unwrap().unwrap();
    assert_eq!(ids(&text, "Uid"), [NOBODY; 4]);
    assert_eq!(ids(&text, "Gid"), [daemon.gid.as_raw(); 4]);
    assert!(ids(&text, "Groups").contains(&adm.gid.as_raw()));
    assert!(!ids(&text, "Groups").contains(&0));
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(capabilities(&text, set), 0, "{set}");
    }
}

#[test]
fn a_group_alone_leaves_the_user() {
    if !is_root() {
        return;
    }
    let status = Try::status().exec(|exec| exec.group = Some("daemon".into()));
    let text = status.run().success();
    let daemon = nix::unistd::Group::from_name("daemon").unwrap().unwrap();
    assert_eq!(ids(&text, "Uid"), [0; 4]);
    assert_eq!(ids(&text, "Gid"), [daemon.gid.as_raw(); 4]);
}

#[test]
fn unknown_names_end_a_process_that_was_made() {
    let unknown = "no-such-name-here";
    let message = Try::new(&["/bin/true"])
        .exec(|exec| exec.user = Some(unknown.into()))
        .run()
        .failure(217);
    assert!(message.contains(unknown), "{message}");
    Try::new(&["/bin/true"])
        .exec(|exec| exec.group = Some(unknown.into()))
        .run()
        .failure(216);
}

#[test]
fn ambient_capabilities_survive_the_change_of_user() {
    if !is_root() {
        return;
    }
    let status = Try::status().exec(|exec| {
        as_nobody(exec);
        exec.ambient_capabilities = CapabilitySet(NET_BIND_SERVICE);
    });
    let text = status.run().success();
    assert_eq!(ids(&text, "Uid"), [NOBODY; 4]);
    for set in ["CapAmb", "CapPrm", "CapEff", "CapInh"] {
        assert_eq!(capabilities(&text, set), NET_BIND_SERVICE, "{set}");
    }
}

#[test]
fn the_bounding_set_shrinks() {
    if !is_root() {
        return;
    }
    let status = Try::status().exec(|exec| {
        exec.capability_bounding_set = Some(CapabilitySet(NET_BIND_SERVICE | 1));
        exec.no_new_privileges = true;
    });
    let text = status.run().success();
    assert_eq!(capabilities(&text, "CapBnd"), NET_BIND_SERVICE | 1);
    assert_eq!(capabilities(&text, "CapEff"), NET_BIND_SERVICE | 1);
    assert_eq!(field(&text, "NoNewPrivs"), "1");
}

#[test]
fn prefixes_decide_what_is_given_up() {
    if !is_root() {
        return;
    }
    let run = |privileges: Privileges| {
        let mut status = Try::status().exec(|exec| {
            as_nobody(exec);
            exec.no_new_privileges = true;
        });
        status.privileges = privileges;
        let text = status.run().success();
        (ids(&text, "Uid")[0], field(&text, "NoNewPrivs").to_owned())
    };
    assert_eq!(run(Privileges::Normal), (NOBODY, "1".to_owned()));
    assert_eq!(run(Privileges::Ambient), (NOBODY, "1".to_owned()));
    assert_eq!(run(Privileges::NoUser), (0, "1".to_owned()));
    assert_eq!(run(Privileges::Full), (0, "0".to_owned()));
}

#[test]
fn nice_and_oom_score() {
    let script = "cut -d' ' -f19 /proc/self/stat; cat /proc/self/oom_score_adj";
    let process = Try::new(&["/bin/sh", "-c", script]).exec(|exec| {
        exec.nice = Some(5);
        exec.oom_score_adjust = Some(300);
    });
    assert_eq!(process.run().success(), "5\n300\n");
}

#[test]
fn streams_are_opened_before_and_directories_entered_after() {
    if !is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let path = directory.path().to_str().unwrap().to_owned();
    let log = format!("{path}/log");
    let write = Try::new(&["/bin/echo", "line"]).exec(|exec| {
        as_nobody(exec);
        exec.standard_output = OutputTarget::Append(log.clone());
    });
    write.run().success();
    assert_eq!(fs::read_to_string(&log).unwrap(), "line\n");

    let enter = Try::new(&["/bin/true"]).exec(|exec| {
        as_nobody(exec);
        exec.working_directory = Some(crate::unit::config::WorkingDirectory {
            place: crate::unit::config::WorkingDirectoryPlace::Path(path.clone()),
            optional: false,
        });
    });
    assert!(enter.run().failure(200).ends_with("Permission denied"));
}

#[test]
fn an_unprivileged_manager_starts_what_needs_no_privilege() {
    const NAME: &str =
        "exec::spawn::tests::privileges::an_unprivileged_manager_starts_what_needs_no_privilege";
    if !(std::env::var_os(super::ALONE).is_some() || is_root()) || !is_alone(NAME, Some(NOBODY)) {
        return;
    }
    let status = Try::status().exec(|exec| {
        as_nobody(exec);
        exec.nice = Some(-5);
        exec.oom_score_adjust = Some(-900);
        exec.no_new_privileges = true;
    });
    let text = status.run().success();
    assert_eq!(ids(&text, "Uid"), [NOBODY; 4]);
    assert_eq!(field(&text, "NoNewPrivs"), "1");

    // The groups come first.
    let root = Try::new(&["/bin/true"]).exec(|exec| exec.user = Some("root".into()));
    let message = root.run().failure(216);
    assert_eq!(message, "become group 0: Operation not permitted");
    let ambient = Try::new(&["/bin/true"])
        .exec(|exec| exec.ambient_capabilities = CapabilitySet(NET_BIND_SERVICE));
    ambient.run().failure(218);
    let bounding = Try::new(&["/bin/true"])
        .exec(|exec| exec.capability_bounding_set = Some(CapabilitySet::EMPTY));
    bounding.run().failure(218);
}
