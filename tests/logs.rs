//! The log: what is kept of a line, where it goes, and that none is lost.

mod common;

use common::daemon::Place;
use common::{Daemon, process, wait_for, wait_until};
use nix::sys::signal::Signal;
use rustix::fs::{Mode, OFlags};
use serde_json::Value as Json;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

fn lines(json: &str) -> Vec<Json> {
    serde_json::from_str(json).expect("it is an array")
}

fn texts(lines: &[Json]) -> Vec<&str> {
    let texts = lines.iter().filter(|line| line["stream"] == "stdout");
    texts
        .map(|line| line["text"].as_str().expect("a text"))
        .collect()
}

#[test]
fn a_line_is_kept_with_all_that_is_known_of_it() {
    let place = Place::new();
    place.write_unit(
        "talks.service",
        "[Service]\nType=oneshot\nStandardError=journal\nSyslogIdentifier=talk\nExecStart=/bin/sh -c 'echo \"<4>one\"; \
         echo \"{\\\\\"msg\\\\\":\\\\\"two\\\\\",\\\\\"count\\\\\":2}\"; echo three >&2; \
         head -c 60000 /dev/zero | tr \"\\\\\\\\0\" x; echo; printf last; exit 1'\n",
    );
    let daemon = place.start();
    let run = daemon.run(&["start", "talks.service"]);
    assert_ne!(run.code, 0);
    let all = || lines(&daemon.ok(&["logs", "-o", "json", "talks.service"]));
    wait_until("the last line", || {
        all().iter().any(|line| line["text"] == "last")
    });
    let all = all();
    let of = |text: &str| {
        let found = all
            .iter()
            .find(|line| line["text"].as_str().is_some_and(|it| it.starts_with(text)));
        found.unwrap_or_else(|| panic!("no {text}: {all:?}"))
    };
    assert_eq!(
        (&of("one")["priority"], &of("one")["stream"]),
        (&4.into(), &"stdout".into())
    );
    assert_eq!(
        (&of("three")["priority"], &of("three")["stream"]),
        (&6.into(), &"stderr".into())
    );
    assert!(of("one")["pid"].as_i64() > Some(0));
    assert_eq!(of("one")["identifier"], "talk");
    let invocation = of("last")["invocation"].as_str().expect("a text");
    assert_eq!(invocation.len(), 32, "{invocation}");
    // 60,000 bytes are cut at 48 KiB, and nothing is lost.
    let long: Vec<&Json> = all
        .iter()
        .filter(|line| {
            line["text"]
                .as_str()
                .is_some_and(|it| it.starts_with("xxx"))
        })
        .collect();
    let lengths: Vec<usize> = long
        .iter()
        .map(|line| line["text"].as_str().expect("a text").len())
        .collect();
    assert_eq!(lengths, [48 * 1024, 60_000 - 48 * 1024]);
    assert_eq!(
        (&long[0]["line_break"], long[1].get("line_break")),
        (&"line-max".into(), None)
    );
    assert!(daemon.log().contains("x…\n"));
    let merged = lines(&daemon.ok(&["logs", "-o", "json", "--merge-json", "talks.service"]));
    let two = merged
        .iter()
        .find(|line| line["text"] == "two")
        .expect("it is taken in");
    assert_eq!(
        (&two["count"], &two["unit"]),
        (&2.into(), &"talks.service".into())
    );
}

#[test]
fn the_log_outlives_the_daemon() {
    let place = Place::new();
    place.write_unit(
        "a.service",
        "[Service]\nType=oneshot\nExecStart=echo first\n",
    );
    place.write_unit(
        "b.service",
        "[Service]\nType=oneshot\nExecStart=echo second\n",
    );
    let mut daemon = place.start();
    daemon.ok(&["start", "a.service"]);
    daemon.terminate();
    let directory = daemon.file("lasting/log");
    let mode = fs::metadata(&directory)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o007, 0, "{mode:o}");
    let place = directory.display().to_string();
    // Without a daemon, by directory.
    let dead = daemon.ok(&["logs", "-D", &place, "-o", "json", "a.service"]);
    assert_eq!(texts(&lines(&dead)), ["first"]);
    daemon.start_again();
    daemon.ok(&["start", "b.service"]);
    wait_until("the second line", || {
        daemon.ok(&["logs", "b"]).contains("second")
    });
    let both = lines(&daemon.ok(&["logs", "-o", "json", "a.service", "b.service"]));
    assert_eq!(texts(&both), ["first", "second"]);
    let by_pattern = lines(&daemon.ok(&["logs", "-D", &place, "-o", "json", "[ab].service"]));
    assert_eq!(texts(&by_pattern), ["first", "second"]);
    let last = lines(&daemon.ok(&["logs", "-o", "json", "-n", "1"]));
    assert_eq!(last.len(), 1);
    // By time.
    let all = lines(&daemon.ok(&["logs", "-o", "json", "--since", "1h ago"]));
    assert!(all.len() > 2);
    let none = daemon.ok(&["logs", "-o", "json", "--since", "+1h"]);
    assert_eq!(lines(&none), [] as [Json; 0]);
    assert_eq!(daemon.run(&["logs", "--since", "soon"]).code, 1);
}

#[test]
fn a_log_that_can_be_nowhere_is_kept_in_memory() {
    let place = Place::new().with_argument("--log-max-use=0");
    place.write_unit(
        "a.service",
        "[Service]\nType=oneshot\nExecStart=echo hello\n",
    );
    let daemon = place.start();
    daemon.ok(&["start", "a.service"]);
    wait_until("the line", || {
        daemon.ok(&["logs", "a.service"]).contains("hello")
    });
    assert!(!daemon.file("lasting/log").exists());
    let wrong = Place::new().with_argument("--log-max-use=much");
    assert!(!daemon.file("state/log").exists());
    drop(wrong);
}

#[test]
fn following_goes_on_with_the_next_daemon() {
    let place = Place::new();
    place.write_unit(
        "a.service",
        "[Service]\nType=oneshot\nExecStart=echo hello\n",
    );
    let mut daemon = place.start();
    let mut follower = daemon
        .command(&["logs", "-f", "-n", "0", "-o", "json", "a.service"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it is built");
    let mut out = BufReader::new(follower.stdout.take().expect("a pipe"));
    let mut next = || loop {
        let mut line = String::new();
        assert_ne!(out.read_line(&mut line).expect("it can be read"), 0);
        let line: Json = serde_json::from_str(&line).expect("an object a line");
        if line["stream"] == "stdout" {
            return line["number"].as_u64().expect("a number");
        }
    };
    // It has said nothing yet, so that nothing tells when it is there: until it says something.
    let running = std::sync::atomic::AtomicBool::new(true);
    let first = std::thread::scope(|scope| {
        scope.spawn(|| {
            while running.load(std::sync::atomic::Ordering::Relaxed) {
                daemon.ok(&["start", "a.service"]);
            }
        });
        let first = next();
        running.store(false, std::sync::atomic::Ordering::Relaxed);
        first
    });
    daemon.terminate();
    daemon.start_again();
    let before = process::see(i32::try_from(follower.id()).expect("pids fit"));
    assert!(before.is_some());
    daemon.ok(&["start", "a.service"]);
    let newest = || {
        let all = lines(&daemon.ok(&["logs", "-o", "json", "a.service"]));
        let stdout = all.iter().filter(|line| line["stream"] == "stdout");
        stdout.filter_map(|line| line["number"].as_u64()).max()
    };
    wait_until("the last line", || newest() > Some(first));
    let newest = newest().expect("there are some");
    while next() < newest {}
    follower.kill().expect("it runs");
    follower.wait().expect("it is ours");
}

/// Writes numbered lines, so many bytes in all, and what they add up to at the end.
fn flood(bytes: u64) -> String {
    format!(
        "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=exec\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'seq -f \"%%015.0f some \
         text that makes the line as long as lines are, which is a hundred bytes or so, no\" 1 {}; \
         echo end of the flood'\n",
        bytes / 96
    )
}

#[test]
fn a_flood_is_written_whole_in_little_memory() {
    const BYTES: u64 = 32 << 20;
    let place = Place::new();
    place.write_unit("flood.service", &flood(BYTES));
    place.write_unit(
        "other.service",
        "[Service]\nExecStart=/bin/sleep infinity\n",
    );
    let daemon = place.start();
    daemon.ok(&["start", "other.service"]);
    let before = process::kilobytes(daemon.pid(), "VmRSS");
    daemon.ok(&["start", "flood.service"]);
    daemon.ok(&["restart", "other.service"]);
    let log = daemon.file("daemon.log");
    wait_end_of_flood(&log);
    let most = process::kilobytes(daemon.pid(), "VmHWM");
    assert!(
        most < before + 8192,
        "{before} kB before, {most} kB at most"
    );
    // Every line is there once, in order.
    let mut next = 1u64;
    for line in BufReader::new(File::open(&log).expect("it is there")).lines() {
        let line = line.expect("it is text");
        let Some((_, text)) = line.split_once(" flood.service[") else {
            continue;
        };
        let (_, text) = text.split_once("]: ").expect("a text");
        let Some((number, rest)) = text.split_once(" some text ") else {
            continue;
        };
        assert_eq!(number.parse(), Ok(next), "{line}");
        assert!(rest.ends_with("or so, no"), "{line}");
        next += 1;
    }
    assert_eq!(next - 1, BYTES / 96);
    // The log on the disk has its bound.
    let files = fs::read_dir(daemon.file("lasting/log")).expect("it is there");
    let size: u64 = files
        .map(|file| file.expect("a file").metadata().map_or(0, |it| it.len()))
        .sum();
    assert!(size <= 64 << 20, "{size}");
}

/// Waits as long as there are new lines.
#[track_caller]
fn wait_end_of_flood(log: &Path) {
    let mut size = 0;
    while !ends_with(log, "end of the flood") {
        let length = || fs::metadata(log).map_or(0, |it| it.len());
        wait_until("more lines", || {
            length() > size || ends_with(log, "end of the flood")
        });
        size = length();
    }
}

fn ends_with(path: &Path, text: &str) -> bool {
    let mut file = File::open(path).expect("it is there");
    let size = file.metadata().expect("it is open").len();
    let begin = SeekFrom::Start(size.saturating_sub(4096));
    file.seek(begin).expect("it is a file");
    let mut tail = Vec::new();
    file.read_to_end(&mut tail).expect("it can be read");
    String::from_utf8_lossy(&tail).contains(text)
}

/// A daemon whose standard error goes into a pipe that only the test can read.
fn with_deaf_log(place: Place) -> (Daemon, File) {
    let fifo = place.file("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("it can be made");
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let reader = rustix::fs::open(&fifo, flags, Mode::empty()).expect("it is there");
    let program = place.file("daemon.sh");
    let script = format!(
        "#!/bin/sh\nexec {} \"$@\" 2>{}\n",
        common::programs::DAEMON,
        fifo.display()
    );
    fs::write(&program, script).expect("it can be written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it is ours");
    (place.with_program(&program).start(), File::from(reader))
}

#[test]
fn who_is_not_read_holds_up_only_whom_it_may() {
    let place = Place::new();
    place.write_unit("waits.service", &flood(1 << 20));
    let drops = format!("{}[X-Procmgr]\nLogBackpressure=drop\n", flood(8 << 20));
    place.write_unit("drops.service", &drops);
    place.write_unit(
        "other.service",
        "[Service]\nExecStart=/bin/sleep infinity\n",
    );
    let (daemon, mut reader) = with_deaf_log(place);
    daemon.ok(&["start", "waits.service"]);
    let writer = |unit: &str| daemon.main_pid(unit);
    daemon.ok(&["start", "drops.service"]);
    // It gets rid of its lines, and the manager is there for others.
    daemon.wait_state("drops.service", "active/exited");
    assert!(writer("waits.service") > 0);
    daemon.ok(&["start", "other.service"]);
    daemon.ok(&["restart", "other.service"]);
    assert_eq!(daemon.state("waits.service"), "active/running");
    // Read, everything comes: all lines of who waited, and how many of the other are missing.
    let (mut all, mut chunk) = (Vec::new(), vec![0; 1 << 16]);
    wait_for("the lines", || {
        while let Ok(count) = reader.read(&mut chunk) {
            all.extend_from_slice(&chunk[..count]);
        }
        let text = String::from_utf8_lossy(&all);
        let of = |unit: &str| {
            let lines = text.lines().filter(move |line| line.contains(unit));
            lines.filter(|line| line.contains(" some text ")).count() as u64
        };
        let waited = of(" waits.service[");
        match waited == (1 << 20) / 96 && text.contains("end of the flood") {
            true => Ok(()),
            false => Err(format!("{waited} lines of who waits")),
        }
    });
    daemon.wait_state("waits.service", "active/exited");
    daemon.ok(&["restart", "drops.service"]);
    wait_for("word of what was dropped", || {
        while let Ok(count) = reader.read(&mut chunk) {
            all.extend_from_slice(&chunk[..count]);
        }
        let log = daemon.ok(&["logs", "-n", "100000", "drops.service"]);
        match log.contains("lines were dropped") {
            true => Ok(()),
            false => Err(String::from("nothing is said")),
        }
    });
}

#[test]
fn json_on_standard_output_takes_objects_in() {
    let place = Place::new()
        .with_argument("--log-format=json")
        .with_argument("--merge-json");
    place.write_unit(
        "a.service",
        "[Service]\nType=oneshot\nExecStart=echo '{\"msg\":\"hi\",\"trace\":7}'\n",
    );
    let daemon = place.start();
    daemon.ok(&["start", "a.service"]);
    let found = wait_for("the line", || {
        let log = daemon.log();
        let objects = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Json>(line).ok());
        let mut objects = objects.filter(|line| line["unit"] == "a.service" && line["trace"] == 7);
        objects.next().ok_or(log)
    });
    assert_eq!(
        (&found["message"], &found["stream"]),
        (&"hi".into(), &"stdout".into())
    );
    assert_eq!(found["level"], "INFO");
}

#[test]
fn a_daemon_that_is_killed_loses_no_line() {
    let place = Place::new().with_argument("--keep-services=keeper");
    place.write_unit("flood.service", &flood(8 << 20));
    let mut daemon = place.start();
    daemon.ok(&["start", "flood.service"]);
    let log = daemon.file("daemon.log");
    wait_until("some lines", || {
        fs::metadata(&log).is_ok_and(|it| it.len() > 1 << 20)
    });
    process::send(daemon.pid(), Signal::SIGKILL);
    daemon.kill();
    daemon.start_again();
    wait_end_of_flood(&log);
    let whole = daemon.whole_log();
    let mut seen = vec![false; (8 << 20) / 96 + 1];
    for line in whole
        .lines()
        .filter(|line| line.contains(" flood.service["))
    {
        let number = line
            .split_once("]: ")
            .and_then(|(_, text)| text.split(' ').next());
        if let Some(number) = number.and_then(|number| number.parse::<usize>().ok()) {
            seen[number] = true;
        }
    }
    let missing = seen.iter().skip(1).filter(|seen| !**seen).count();
    assert_eq!(missing, 0);
}

#[test]
fn what_is_typed_wrong_is_told() {
    let output = Command::new(common::programs::DAEMON)
        .args(["--log-max-use=much"])
        .output()
        .expect("it is built");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && text.contains("LogMaxUse=much"),
        "{text}"
    );
}

#[test]
fn what_happens_to_units_is_recorded_under_names_that_stay() {
    let place = Place::new();
    place.write_unit(
        "a.service",
        "[Service]\nType=exec\nRestart=on-failure\nRestartSec=50ms\nExecStart=/bin/sh -c 'test -e \
         $STAND_IN_RECORD.ran && exec sleep infinity; touch $STAND_IN_RECORD.ran; exit 3'\n",
    );
    let daemon = place.start();
    daemon.ok(&["start", "a.service"]);
    wait_until("the second run", || {
        daemon.show("a.service", "NRestarts") == "1"
    });
    daemon.wait_state("a.service", "active/running");
    daemon.ok(&["stop", "a.service"]);
    let records = || {
        let all = lines(&daemon.ok(&["logs", "-o", "json", "a.service"]));
        let mut all: Vec<Json> = all
            .into_iter()
            .filter(|line| line.get("event").is_some())
            .collect();
        all.retain(|line| line["unit"] == "a.service");
        all
    };
    let names = |records: &[Json]| -> Vec<String> {
        let names = records.iter().filter_map(|line| line["event"].as_str());
        names.map(str::to_owned).collect()
    };
    let wanted = [
        "unit.started",
        "unit.failed",
        "unit.restarted",
        "unit.started",
        "unit.stopped",
    ];
    let records = wait_for("the records", || {
        let records = records();
        match names(&records) == wanted {
            true => Ok(records),
            false => Err(format!("{records:?}")),
        }
    });
    let failed = &records[1];
    assert_eq!(
        (&failed["result"], &failed["status"]),
        (&"exit-code".into(), &"3".into())
    );
    assert_eq!(
        (&failed["priority"], &records[2]["restarts"]),
        (&4.into(), &"1".into())
    );
    assert_ne!(records[0]["invocation"], records[3]["invocation"]);
    // For people it is said in words, once.
    assert!(!daemon.ok(&["logs", "a.service"]).contains("unit.failed"));
}
