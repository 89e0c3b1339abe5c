//! On the machine's own v2 hierarchy, in a subtree of each test's own; skipped where there is
//! none to be written.

use super::watch::Watcher;
use super::*;
use crate::sys::pidfd;
use crate::sys::program::{Image, Program};
use crate::sys::start::{Started, start};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::ffi::CString;
use std::os::fd::AsFd;

fn tree(test: &str) -> Option<Tree> {
    let tree = Tree::open(&format!("test-{}-{test}", std::process::id()));
    if tree.is_none() {
        println!("SKIP: no v2 hierarchy can be written");
    }
    tree
}

fn shell(script: &str, group: &Group) -> Started {
    let words = ["/bin/sh", "-c", script];
    let words = words.map(|word| CString::new(word).unwrap());
    let program = Program {
        steps: vec![],
        sealed_from: 0,
        image: Image {
            candidates: vec![words[0].clone()],
            name: "/bin/sh".into(),
            arguments: words.to_vec(),
            environment: vec![],
            pid_variables: vec![],
            exit_status: 203,
            missing_status: 203,
        },
    };
    start(&program, Some(group.directory())).unwrap()
}

fn wait_readable(what: impl AsFd, expected: &str) {
    let mut watched = [PollFd::new(&what, PollFlags::IN)];
    let deadline = Timespec {
        tv_sec: 10,
        tv_nsec: 0,
    };
    let ready = poll(&mut watched, Some(&deadline)).unwrap();
    assert_eq!(ready, 1, "{expected} did not happen");
}

fn wait_empty(watcher: &Watcher, id: watch::WatchId, group: &Group) {
    while group.populated().unwrap() {
        wait_readable(watcher, "the end of the last process");
        assert!(watcher.changed().unwrap().groups.contains(&id));
    }
}

#[test]
fn a_process_is_born_in_its_group_and_leaves_it_empty() {
    let Some(tree) = tree("born") else { return };
    let group = tree.group(&["a.service".to_owned()]).unwrap();
    let watcher = Watcher::new().unwrap();
    let id = watcher.add(&group).unwrap();
    assert!(!group.populated().unwrap());

    let started = shell("read x", &group);
    assert_eq!(started.failure, None);
    // Standard input is the test's own here and may be closed: the process may be over.
    pidfd::send_signal(started.pidfd.as_fd(), libc::SIGKILL).unwrap();
    wait_readable(&started.pidfd, "the end of the process");
    let ended = pidfd::reap(started.pidfd.as_fd()).unwrap().unwrap();
    assert_eq!(ended.pid, started.pid);
    wait_empty(&watcher, id, &group);
    assert_eq!(group.processes().unwrap(), Vec::<i32>::new());

    let path = tree.root().to_owned();
    group.remove().unwrap();
    tree.remove().unwrap();
    assert!(!path.exists());
}

#[test]
fn processes_below_are_found_and_hold_the_group() {
    let Some(tree) = tree("below") else { return };
    let group = tree.group(&["b.service".to_owned()]).unwrap();
    let watcher = Watcher::new().unwrap();
    let id = watcher.add(&group).unwrap();
    let inner = group.path().join("inner");
    fs::create_dir(&inner).unwrap();

    let started = shell("exec sleep 1000", &group);
    let name = crate::sys::proc::control_group(started.pid)
        .unwrap()
        .unwrap();
    assert_eq!(name, group.name());
    assert!(group.contains(&name) && group.contains(&format!("{name}/inner")));
    assert!(!group.contains(tree.name()) && !group.contains(&format!("{name}2")));
    fs::write(inner.join("cgroup.procs"), started.pid.to_string()).unwrap();
    assert_eq!(group.processes().unwrap(), [started.pid]);
    assert!(group.populated().unwrap());
    let again = tree.group(&["b.service".to_owned()]).unwrap();
    assert!(
        again.remove().is_err(),
        "a group with a process was removed"
    );

    pidfd::send_signal(started.pidfd.as_fd(), libc::SIGKILL).unwrap();
    wait_readable(&started.pidfd, "the end of the process");
    pidfd::reap(started.pidfd.as_fd()).unwrap().unwrap();
    wait_empty(&watcher, id, &group);
    group.remove().unwrap();
    tree.remove().unwrap();
}

#[test]
fn a_label_finds_its_tree_again() {
    let Some(tree) = tree("again") else { return };
    let again = Tree::open(&format!("test-{}-again", std::process::id())).unwrap();
    assert_eq!(again.root(), tree.root());
    assert!(tree.name().ends_with("-again"));
    again.remove().unwrap();
    assert!(!tree.root().exists());
}

#[test]
fn names_the_kernel_uses_are_escaped() {
    let escaped = |unit: &str| escape(unit).unwrap();
    assert_eq!(escaped("agent.service"), "agent.service");
    assert_eq!(escaped("cgroup.service"), "_cgroup.service");
    assert_eq!(escaped("memory.service"), "_memory.service");
    assert_eq!(escaped("_x.service"), "__x.service");
    assert_eq!(escaped(".x.service"), "_.x.service");
    assert!(escape("a/b.service").is_err());
}
