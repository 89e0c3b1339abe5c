//! Streams, passed descriptors, and that nothing else gets in or stays behind.

use super::*;
use crate::unit::config::{InputSource, OutputTarget};
use std::fs;
use std::path::PathBuf;

/// The descriptors of a process: number and what it is.
fn descriptors(pid: &str) -> Vec<(i32, PathBuf)> {
    let directory = PathBuf::from(format!("/proc/{pid}/fd"));
    let mut found: Vec<(i32, PathBuf)> = fs::read_dir(&directory)
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name();
            // The one for this listing is gone already.
            let target = fs::read_link(directory.join(&name)).ok()?;
            Some((name.to_str()?.parse().ok()?, target))
        })
        .collect();
    found.sort();
    found
}

#[test]
fn a_process_has_its_streams_and_no_more() {
    let (_reader, writer) = std::io::pipe().unwrap();
    // Not close-on-exec, and at a number in the way of the streams' copies.
    let stray = rustix::io::fcntl_dupfd_cloexec(&writer, 3).unwrap();
    rustix::io::fcntl_setfd(&stray, rustix::io::FdFlags::empty()).unwrap();

    let child = Try::new(&["/bin/sleep", "1000"]).spawn(&writer, &[]);
    let found = descriptors(&child.pid.to_string());
    end(&child);
    let numbers: Vec<i32> = found.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [0, 1, 2]);
    assert_eq!(found[0].1, PathBuf::from("/dev/null"));
    assert!(found[1].1.to_str().unwrap().starts_with("pipe:"));
    assert_eq!(found[1].1, found[2].1);
}

/// The kernel wakes us a moment before it shows the new environment.
fn environment_of(pid: i32) -> String {
    let start = std::time::Instant::now();
    loop {
        let text = fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
        if !text.is_empty() {
            return text;
        }
        assert!(start.elapsed().as_secs() < 10, "no environment is shown");
        std::thread::yield_now();
    }
}

#[test]
fn as_many_as_there_can_be_are_passed_in_order() {
    let (_reader, writer) = std::io::pipe().unwrap();
    let files: Vec<_> = (0..253).map(|_| tempfile::tempfile().unwrap()).collect();
    let passed: Vec<_> = files.iter().map(AsFd::as_fd).collect();
    let own = |file: &fs::File| {
        use std::os::fd::AsRawFd;
        fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap()
    };
    let expected: Vec<(i32, PathBuf)> = (3..).zip(files.iter().map(own)).collect();

    let mut service = Try::new(&["/bin/sleep", "1000"]);
    service.environment = vec![("LISTEN_FDS".into(), "9".into())];
    let child = service.spawn(&writer, &passed);
    let found = descriptors(&child.pid.to_string());
    let environment = environment_of(child.pid);
    end(&child);
    assert_eq!(child.failure, None);
    assert_eq!(found[3..], expected);
    let pid = child.pid;
    let variables = format!("LISTEN_FDS=253\0SYSTEMD_EXEC_PID={pid}\0LISTEN_PID={pid}\0");
    assert_eq!(
        environment.trim_end_matches('\0'),
        variables.trim_end_matches('\0')
    );
}

#[test]
fn two_hundred_spawns_leave_nothing_open() {
    const NAME: &str = "exec::spawn::tests::descriptors::two_hundred_spawns_leave_nothing_open";
    if !is_alone(NAME, None) {
        return;
    }
    // The first maps the stack.
    Try::new(&["/bin/true"]).run().success();
    let before = descriptors("self");
    for round in 0..200 {
        let program = if round % 2 == 0 {
            "/bin/true"
        } else {
            "/no/such"
        };
        Try::new(&[program]).run();
    }
    assert_eq!(descriptors("self").len(), before.len());
}

#[test]
fn files_as_streams() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("in"), "input").unwrap();
    for name in ["file", "append", "truncate"] {
        fs::write(path(name), "0123456789").unwrap();
    }
    let write = |target: OutputTarget| {
        Try::new(&["/bin/sh", "-c", "cat; echo err >&2"])
            .exec(|exec| {
                exec.standard_input = InputSource::File(path("in"));
                exec.standard_error = target.clone();
                exec.standard_output = target;
            })
            .run()
            .success()
    };
    write(OutputTarget::File(path("file")));
    write(OutputTarget::Append(path("append")));
    write(OutputTarget::Truncate(path("truncate")));
    write(OutputTarget::File(path("new")));
    let read = |name: &str| fs::read_to_string(path(name)).unwrap();
    assert_eq!(read("file"), "inputerr\n9");
    assert_eq!(read("append"), "0123456789inputerr\n");
    assert_eq!(read("truncate"), "inputerr\n");
    assert_eq!(read("new"), "inputerr\n");
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path("new")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
}

#[test]
fn one_file_for_input_and_output_is_opened_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("both").to_str().unwrap().to_owned();
    fs::write(&path, "head\n").unwrap();
    let both = Try::new(&["/bin/sh", "-c", "read first; echo got $first"]).exec(|exec| {
        exec.standard_input = InputSource::File(path.clone());
        exec.standard_output = OutputTarget::File(path.clone());
    });
    both.run().success();
    assert_eq!(fs::read_to_string(&path).unwrap(), "head\ngot head\n");
}

#[test]
fn streams_that_cannot_be_opened() {
    let none = || "/no/such/file".to_owned();
    let r#true = || Try::new(&["/bin/true"]);
    let message = r#true()
        .exec(|exec| exec.standard_input = InputSource::File(none()))
        .run()
        .failure(208);
    let expected = "open /no/such/file as descriptor 0: No such file or directory";
    assert_eq!(message, expected);
    r#true()
        .exec(|exec| exec.standard_output = OutputTarget::Append(none()))
        .run()
        .failure(209);
    r#true()
        .exec(|exec| exec.standard_error = OutputTarget::Truncate(none()))
        .run()
        .failure(222);
}

#[test]
fn streams_to_nowhere() {
    let mute = Try::new(&[
        "/bin/sh",
        "-c",
        "x=$(readlink /proc/$$/fd/1); echo $x >&2; echo lost",
    ])
    .exec(|exec| {
        exec.standard_output = OutputTarget::Null;
        exec.standard_error = OutputTarget::Log;
    });
    assert_eq!(mute.run().success(), "/dev/null\n");
}
