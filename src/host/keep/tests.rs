//! Pictures and journals on the disk, and the keeper's messages; whole daemons are killed and
//! taken over in `tests/`.

use super::saved::{self, HostState, ReadError, Record, Saved};
use super::{custody::Custody, journal::Journal, keeper};
use crate::engine::{Engine, Event, ProcessId, Timestamp};
use std::collections::BTreeMap;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

fn picture() -> Saved {
    let host = HostState {
        machine: saved::machine(),
        begun: true,
        ..HostState::default()
    };
    Saved::new(host, Engine::new(1).snapshot())
}

fn exited(number: u64) -> Event {
    Event::SpawnFailed {
        process: ProcessId(number),
        reason: "none".to_owned(),
    }
}

fn number_of(record: &Record) -> u64 {
    match record {
        Record::Event(_, Event::SpawnFailed { process, .. }) => process.0,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_being_written_is_not_missed() {
    let dir = tempfile::tempdir().unwrap();
    let directory = dir.path().join(saved::DIRECTORY);
    assert!(saved::read(&directory).unwrap().is_none());
    let mut journal = Journal::begin(dir.path(), &picture()).unwrap();
    let write = |journal: &mut Journal, number| {
        let event = exited(number);
        journal.event(Timestamp::default(), &event).unwrap();
    };
    let read = || {
        let (_, records) = saved::read(&directory).unwrap().unwrap();
        records.iter().map(number_of).collect::<Vec<_>>()
    };
    write(&mut journal, 1);
    assert_eq!(read(), [1]);
    // The next picture is not there yet.
    let (place, number) = journal.turn_over().unwrap();
    write(&mut journal, 2);
    assert_eq!(read(), [1, 2]);
    super::journal::write_picture(&place, number, &picture()).unwrap();
    assert_eq!(read(), [2]);
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 2);
    // Killed in the middle of a line.
    let path = saved::journal(&directory, number);
    let mut text = fs::read(&path).unwrap();
    text.extend(b"{\"event\":[{\"mono");
    fs::write(&path, text).unwrap();
    assert_eq!(read(), [2]);
    journal.remove();
    assert!(!directory.exists());
}

#[tokio::test]
async fn what_is_not_known_is_refused_and_left() {
    let dir = tempfile::tempdir().unwrap();
    let directory = dir.path().join(saved::DIRECTORY);
    drop(Journal::begin(dir.path(), &picture()).unwrap());
    let path = saved::picture(&directory, 1);
    let good = fs::read_to_string(&path).unwrap();
    let refused = |text: &str, wanted: &str| {
        fs::write(&path, text).unwrap();
        let error = saved::read(&directory).unwrap_err();
        assert!(matches!(error, ReadError::Form(..)), "{error}");
        assert!(error.to_string().contains(wanted), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    };
    refused(&good.replace("\"version\":1", "\"version\":9"), "version 9");
    refused(&good.replace("\"version\":2", "\"version\":9"), "version 9");
    refused(&good.replace("\"begun\"", "\"begunn\""), "begunn");
    refused(&good.replace("\"finished\":false", "\"a\":false"), "field");
    refused(&good[..good.len() / 2], "");
    // Another boot, or another container: nothing of it can be there.
    let elsewhere = good.replace(&saved::machine(), "elsewhere");
    fs::write(&path, elsewhere).unwrap();
    assert!(saved::read(&directory).unwrap().is_none());
}

#[test]
fn the_keeper_gives_back_what_it_was_given() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keeper");
    let listener = keeper::listen(&path).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let served = std::thread::spawn(move || {
        let mut kept: BTreeMap<String, OwnedFd> = BTreeMap::new();
        let mut ends = Vec::new();
        for _ in 0..2 {
            let connection =
                rustix::net::accept_with(&listener, rustix::net::SocketFlags::CLOEXEC).unwrap();
            ends.push(keeper::serve(&connection, &mut kept));
        }
        (ends, kept.len())
    });
    let first = keeper::connect(&path).unwrap();
    for key in ["a", "b", "c"] {
        keeper::send(first.as_fd(), b'+', key, Some(writer.as_fd())).unwrap();
    }
    keeper::send(first.as_fd(), b'-', "b", None).unwrap();
    drop((first, writer));
    let second = keeper::connect(&path).unwrap();
    let all = keeper::ask_for_all(second.as_fd()).unwrap();
    assert_eq!(all.keys().collect::<Vec<_>>(), ["a", "c"]);
    rustix::io::write(&all["a"], b"x").unwrap();
    let mut byte = [0; 1];
    assert_eq!(rustix::io::read(&reader, &mut byte).unwrap(), 1);
    keeper::end(second.as_fd());
    assert_eq!(served.join().unwrap(), (vec![false, true], 2));
}

#[test]
fn the_last_words_of_a_daemon_count_though_it_did_not_listen() {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    let (daemon, own) = socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .unwrap();
    let (_reader, writer) = std::io::pipe().unwrap();
    // An answer that nobody reads.
    keeper::send(own.as_fd(), b'.', "", None).unwrap();
    keeper::send(daemon.as_fd(), b'+', "a", Some(writer.as_fd())).unwrap();
    drop(daemon);
    let mut kept = BTreeMap::new();
    assert!(!keeper::serve(&own, &mut kept));
    assert!(kept.contains_key("a"));
}

#[test]
fn what_is_given_up_is_in_custody_no_more() {
    let custody = Custody::nobody();
    let (reader, writer) = std::io::pipe().unwrap();
    let (reader, writer) = (
        Arc::new(OwnedFd::from(reader)),
        Arc::new(OwnedFd::from(writer)),
    );
    let first = custody.keep("a".to_owned(), &reader);
    let second = custody.keep("a".to_owned(), &writer);
    drop(first);
    assert!(custody.has("a"), "another one has come in its place");
    drop(second);
    assert!(!custody.has("a") && custody.all().is_empty());
}

#[test]
fn what_can_wait_is_told_of_with_the_next_thing() {
    let custody = Custody::nobody();
    let (reader, _writer) = std::io::pipe().unwrap();
    let reader = Arc::new(OwnedFd::from(reader));
    let keep = |key: &str| custody.keep(key.to_owned(), &reader);
    keep("pipe").give_up_later();
    assert!(!custody.has("pipe"), "it is not held here any more");
    assert_eq!(custody.waiting(), ["pipe"]);
    // What cannot wait does not.
    drop(keep("socket"));
    assert_eq!(custody.waiting(), ["pipe"]);
    custody.gather();
    drop(keep("process"));
    assert_eq!(custody.waiting(), ["pipe", "process"]);
    custody.pass_on();
    assert!(custody.waiting().is_empty());
}
