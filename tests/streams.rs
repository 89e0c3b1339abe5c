//! Standard streams that lead to terminals, passed descriptors and logs.

mod common;

use common::daemon::Place;
use common::{Daemon, namespace, wait_for, wait_until};
use nix::mount::{MsFlags, mount};
use nix::unistd::ttyname;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

/// Reads from a terminal's other side until it has said all this.
#[track_caller]
fn wait_said(side: &mut (impl Read + std::os::fd::AsFd), wanted: &[&str]) {
    let mut said = String::new();
    let flags = rustix::fs::fcntl_getfl(&*side).expect("it is open");
    rustix::fs::fcntl_setfl(&*side, flags | rustix::fs::OFlags::NONBLOCK).expect("it is open");
    wait_for("the terminal", || {
        let mut buffer = [0; 4096];
        if let Ok(count) = side.read(&mut buffer) {
            said.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        match wanted.iter().find(|text| !said.contains(**text)) {
            None => Ok(()),
            Some(text) => Err(format!("no {text:?} in {said:?}")),
        }
    });
}

#[test]
fn a_terminal_is_the_processs_own() {
    let pty = nix::pty::openpty(None, None).expect("a terminal can be had");
    let path = ttyname(&pty.slave).expect("it has a name");
    let place = Place::new();
    let unit = format!(
        "[Service]\nStandardInput=tty-fail\nTTYPath={}\nTTYReset=yes\nTTYRows=17\nTTYColumns=71\n\
         ExecStart=/bin/sh -c 'stty size; echo term=$$TERM; echo own >/dev/tty; read word; echo got $$word'\n",
        path.display()
    );
    place.write_unit("terminal.service", &unit);
    let second = format!(
        "[Service]\nStandardInput=tty-fail\nTTYPath={}\nExecStart=/bin/true\n",
        path.display()
    );
    place.write_unit("second.service", &second);
    let daemon = place.start();
    daemon.ok(&["start", "terminal.service"]);
    let mut side = fs::File::from(pty.master);
    wait_said(&mut side, &["17 71", "term=vt220", "own"]);
    // It is taken: one fails at once.
    daemon.ok(&["start", "second.service"]);
    daemon.wait_state("second.service", "failed/failed");
    assert_eq!(daemon.show("second.service", "ExecMainStatus"), "208");
    side.write_all(b"word\n").expect("it is open");
    wait_said(&mut side, &["got word"]);
    daemon.wait_state("terminal.service", "inactive/dead");
}

#[test]
fn who_waits_for_a_terminal_gets_it_when_it_is_free() {
    let pty = nix::pty::openpty(None, None).expect("a terminal can be had");
    let path = ttyname(&pty.slave).expect("it has a name");
    let place = Place::new();
    for (name, way) in [("first", "tty"), ("second", "tty"), ("third", "tty-force")] {
        let unit = format!(
            "[Service]\nStandardInput={way}\nTTYPath={}\nExecStart=/bin/sh -c 'echo {name}; read word'\n",
            path.display()
        );
        place.write_unit(&format!("{name}.service"), &unit);
    }
    let daemon = place.start();
    let mut side = fs::File::from(pty.master);
    daemon.ok(&["start", "first.service"]);
    wait_said(&mut side, &["first"]);
    daemon.ok(&["start", "--no-block", "second.service"]);
    assert_eq!(daemon.show("second.service", "ActiveState"), "activating");
    daemon.ok(&["stop", "first.service"]);
    wait_said(&mut side, &["second"]);
    if common::skip::is_root() {
        daemon.ok(&["start", "third.service"]);
        wait_said(&mut side, &["third"]);
    }
}

#[test]
fn streams_are_passed_descriptors_by_their_names() {
    let place = Place::new();
    let fifo = place.file("in");
    let output = place.file("out");
    place.write_unit(
        "named.socket",
        &format!(
            "[Socket]\nListenFIFO={}\nFileDescriptorName=input\n",
            fifo.display()
        ),
    );
    place.write_unit(
        "named.service",
        &format!(
            "[Service]\nStandardInput=fd:input\nStandardOutput=truncate:{}\n\
             ExecStart=/bin/sh -c 'read line; echo got $$line as $$LISTEN_FDNAMES'\n",
            output.display()
        ),
    );
    place.write_unit(
        "missing.service",
        "[Service]\nStandardInput=fd\nExecStart=/bin/true\n",
    );
    let daemon = place.start();
    daemon.ok(&["start", "named.socket"]);
    fs::write(&fifo, "hello\n").expect("it is listened on");
    wait_until("the service to answer", || {
        fs::read_to_string(&output).is_ok_and(|text| text == "got hello as input\n")
    });
    let run = daemon.run(&["start", "missing.service"]);
    assert_eq!(daemon.show("missing.service", "Result"), "resources");
    assert!(
        daemon.log().contains("no descriptor of that name"),
        "{run:?}"
    );
}

/// A unit that writes these lines, under these settings.
fn writer(settings: &str, lines: &[&str]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| format!("\"{line}\"")).collect();
    format!(
        "[Service]\nType=oneshot\n{settings}\nExecStart=printf %%s\\\\n {}\n",
        lines.join(" ")
    )
}

fn said(daemon: &Daemon, unit: &str) -> Vec<String> {
    let end = format!("end of {unit}");
    wait_until("the last line", || daemon.log().contains(&end));
    let log = daemon.log();
    let lines = log.lines().filter(|line| line.contains("LINE"));
    lines.map(str::to_owned).collect()
}

#[test]
fn lines_are_left_out_and_called_as_asked() {
    let cases: [(&str, &str, &[&str], &[&str]); 5] = [
        (
            "levels",
            "LogLevelMax=warning\nSyslogLevel=err",
            &["<6>LINE a", "<4>LINE b", "LINE c", "<3>end of levels"],
            &["warn  levels.service[", "error levels.service["],
        ),
        (
            "prefix",
            "SyslogLevelPrefix=no",
            &["<6>LINE a", "end of prefix"],
            &["]: <6>LINE a"],
        ),
        (
            "name",
            "SyslogIdentifier=called",
            &["LINE a", "end of name"],
            &["called["],
        ),
        (
            "patterns",
            "LogFilterPatterns=LINE [a-c]|end\nLogFilterPatterns=~b$$",
            &["LINE a", "LINE b", "LINE c", "LINE d", "end of patterns"],
            &["LINE a", "LINE c"],
        ),
        (
            "limit",
            "LogRateLimitIntervalSec=1h\nLogRateLimitBurst=3",
            &["LINE a", "LINE b", "end of limit", "LINE c", "LINE d"],
            &["LINE a", "LINE b"],
        ),
    ];
    for (name, settings, lines, expected) in cases {
        let unit = format!("{name}.service");
        let daemon = Daemon::with(&[(&unit, &writer(settings, lines))]);
        daemon.run(&["start", &unit]);
        let said = said(&daemon, name);
        assert_eq!(said.len(), expected.len(), "{name}: {said:?}");
        for (line, wanted) in said.iter().zip(expected) {
            assert!(line.contains(wanted), "{name}: {line}");
        }
    }
}

#[test]
fn the_journal_and_the_kernels_log_get_what_is_meant_for_them() {
    namespace::private(|| {
        fs::create_dir_all("/run/systemd/journal").expect("our /run can be written");
        let journal = UnixDatagram::bind("/run/systemd/journal/socket").expect("it is free");
        journal
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a time can be set");
        let place = Place::new();
        let kernel = instead_of("/dev/kmsg", &place);
        let console = instead_of("/dev/console", &place);
        place.write_unit(
            "journal.service",
            &writer(
                "StandardOutput=journal\nSyslogFacility=local1\nLogExtraFields=TEAM=agents",
                &["<4>hello"],
            ),
        );
        place.write_unit(
            "kernel.service",
            &writer(
                "StandardOutput=kmsg+console\nSyslogIdentifier=k",
                &["hello"],
            ),
        );
        let daemon = place.start();
        daemon.ok(&["start", "journal.service", "kernel.service"]);
        let mut entry = [0; 4096];
        let count = journal.recv(&mut entry).expect("an entry comes");
        let entry = String::from_utf8_lossy(&entry[..count]);
        for field in [
            "MESSAGE=hello\n",
            "PRIORITY=4\n",
            "SYSLOG_FACILITY=17\n",
            "SYSLOG_IDENTIFIER=printf\n",
            "UNIT=journal.service\n",
            "INVOCATION_ID=",
            "TEAM=agents\n",
        ] {
            assert!(entry.contains(field), "{field:?} {entry:?}");
        }
        wait_until("the other logs", || {
            let starts = |path: &Path, start: &str| {
                fs::read_to_string(path).is_ok_and(|text| text.starts_with(start))
            };
            starts(&kernel, "<30>k[") && starts(&console, "k[")
        });
        let log = daemon.log();
        let passed_on = log.lines().filter(|line| line.contains("hello"));
        assert_eq!(passed_on.count(), 0, "{log}");
        // It is remembered all the same.
        assert!(daemon.ok(&["logs", "journal.service"]).contains("hello"));
    });
}

/// The next entry that has this in it.
#[track_caller]
fn wait_entry(journal: &UnixDatagram, wanted: &str) -> String {
    let mut entry = vec![0; 1 << 16];
    wait_for("an entry of the journal", || {
        let count = journal
            .recv(&mut entry)
            .map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&entry[..count]).into_owned();
        match text.contains(wanted) {
            true => Ok(text),
            false => Err(format!("{wanted:?} is not in {text:?}")),
        }
    })
}

#[test]
fn where_standard_error_is_a_journals_the_log_goes_there_with_fields() {
    namespace::private(|| {
        fs::create_dir_all("/run/systemd/journal").expect("our /run can be written");
        let journal = UnixDatagram::bind("/run/systemd/journal/socket").expect("it is free");
        let patience = Some(Duration::from_secs(30));
        journal.set_read_timeout(patience).expect("it is a time");
        let place = Place::new();
        place.write_unit(
            "talk.service",
            "[Service]\nSyslogLevel=notice\nLogExtraFields=TEAM=agents\n\
             ExecStart=/bin/sh -c 'echo \"<3>bad\"; echo good; exec sleep infinity'\n",
        );
        // The file that will be standard error.
        let log = place.file("daemon.log");
        fs::write(&log, "").expect("it can be made");
        let file = fs::metadata(&log).expect("it is there");
        let stream = format!("{}:{}", file.dev(), file.ino());
        let daemon = place.with_environment("JOURNAL_STREAM", &stream).start();
        let ready = wait_entry(&journal, "MESSAGE=ready on ");
        let own = "\nPRIORITY=6\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=dd-procmgrd\n";
        assert!(ready.contains(own), "{ready:?}");
        daemon.ok(&["start", "talk.service"]);
        let id = daemon.show("talk.service", "InvocationID");
        let (unit, run) = match common::skip::is_root() {
            true => ("\nUNIT=talk.service\n", format!("\nINVOCATION_ID={id}\n")),
            false => (
                "\nUSER_UNIT=talk.service\n",
                format!("\nUSER_INVOCATION_ID={id}\n"),
            ),
        };
        let entries = [
            wait_entry(&journal, "MESSAGE=talk.service: started"),
            wait_entry(&journal, "MESSAGE=bad\nPRIORITY=3\n"),
            wait_entry(&journal, "MESSAGE=good\nPRIORITY=5\n"),
        ];
        for entry in &entries {
            assert!(entry.contains(unit) && entry.contains(&run), "{entry:?}");
        }
        let pid = format!("\nOBJECT_PID={}\n", daemon.main_pid("talk.service"));
        for entry in &entries[1..] {
            for field in ["\nSYSLOG_IDENTIFIER=sh\n", "\nTEAM=agents\n", &pid] {
                assert!(entry.contains(field), "{field:?} {entry:?}");
            }
        }
        assert_eq!(daemon.log(), "", "nothing twice");
        assert!(daemon.ok(&["logs", "talk.service"]).contains("good"));
    });
}

#[test]
fn a_journal_that_is_not_there_is_told_and_the_log_goes_to_standard_error() {
    namespace::private(|| {
        let daemon = Place::new().with_argument("--log-target=journal").start();
        wait_until("word of it", || {
            let log = daemon.log();
            log.contains("there is no journal") && log.contains("ready on ")
        });
    });
}

/// Puts a file in the place of a device, in our own namespace.
fn instead_of(device: &str, place: &Place) -> std::path::PathBuf {
    let name = device.rsplit('/').next().expect("it has a name");
    let file = place.file(name);
    fs::write(&file, "").expect("it can be made");
    let kind = MsFlags::MS_BIND;
    mount(Some(&file), device, None::<&str>, kind, None::<&str>).expect("mounts are ours");
    file
}
