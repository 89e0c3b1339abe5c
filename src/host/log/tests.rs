use super::super::handle::Stream;
use super::*;

fn name(text: &str) -> UnitName {
    UnitName::parse(text).unwrap()
}

fn write(log: &Log, unit: &UnitName, texts: &[&str]) {
    let rules = log.rules(unit, None, "a", "0123");
    let from = From::new(unit, 7, Stream::Stdout, &rules);
    let mut batch = Batch::new(from.origin.clone(), 1);
    for text in texts {
        batch.add(4, text, false);
    }
    drop(log.take(&from, batch));
}

#[test]
fn rings_are_bounded_and_apart() {
    let log = Log::in_memory();
    let heard = log.lines();
    let loud = name("loud.service");
    let quiet = name("quiet.service");
    write(&log, &quiet, &["hello"]);
    for _ in 0..50 {
        write(&log, &loud, &[&"x".repeat(10_000), &"y".repeat(10_000)]);
    }
    log.manager(LogLevel::Info, Some(&quiet), "stopped");
    let lines = log.last(Some(&quiet), 10);
    let first = &lines[0];
    assert_eq!((first.text.as_str(), first.priority), ("hello", 4));
    assert_eq!(first.invocation, "0123");
    assert_eq!(lines[1].stream, Stream::Manager);
    let kept = log.last(Some(&loud), 1000);
    assert!(kept.iter().map(|l| l.text.len()).sum::<usize>() <= RING_BYTES);
    assert_eq!(kept.last().unwrap().number, 101);
    assert_eq!(log.last(Some(&loud), 3).len(), 3);
    let all = log.last(None, 3);
    assert_eq!(all.len(), 3);
    assert_eq!(all[2].number, 102);
    assert_eq!(*heard.borrow(), 102);
    let after = |unit, number| log.after(unit, number).len();
    assert_eq!(after(Some(&quiet), 1), 1);
    assert_eq!(after(Some(&quiet), 102), 0);
    assert_eq!(after(None, 100), 2);
    assert_eq!(log.counts()[&loud], 100);
}

#[test]
fn what_was_logged_is_there_for_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let places = LogPlaces {
        console: Arc::new(Console::nowhere()),
        directories: vec![(dir.path().join("log"), 1 << 20)],
    };
    let log = Log::new(&places).unwrap();
    write(&log, &name("a.service"), &["one", "two"]);
    log.wait_written(Duration::from_secs(10));
    drop(log);
    let log = Log::new(&places).unwrap();
    assert_eq!(*log.lines().borrow(), 2);
    write(&log, &name("b.service"), &["three"]);
    log.wait_written(Duration::from_secs(10));
    let filter = super::super::store::Filter::default();
    let lines = super::super::store::last(log.directory().unwrap(), &filter, 9).unwrap();
    let texts: Vec<_> = lines
        .iter()
        .map(|it| (it.number, it.text.as_str()))
        .collect();
    assert_eq!(texts, [(1, "one"), (2, "two"), (3, "three")]);
    // What an earlier daemon kept in memory is taken over.
    let other = Log::in_memory();
    other.take_over(lines, 3);
    assert_eq!(other.last(None, 9).len(), 3);
}

#[test]
fn what_the_manager_says_in_a_turn_waits_for_its_end_but_keeps_its_place() {
    let log = Log::in_memory();
    let unit = name("a.service");
    let number = || *log.lines().borrow();
    log.gather();
    log.manager(LogLevel::Info, Some(&unit), "first");
    assert_eq!(number(), 0);
    // A line of a unit comes behind what was said before it.
    write(&log, &unit, &["second"]);
    log.manager(LogLevel::Info, Some(&unit), "third");
    assert_eq!(number(), 2);
    // Who asks gets everything.
    let lines = log.last(Some(&unit), 9);
    let texts: Vec<_> = lines.iter().map(|it| it.text.as_str()).collect();
    assert_eq!(texts, ["first", "second", "third"]);
    log.manager(LogLevel::Info, None, "fourth");
    log.pass_on();
    assert_eq!(number(), 4);
    log.manager(LogLevel::Info, None, "at once");
    assert_eq!(number(), 5);
}
