//! How a process begins and ends.

use super::*;
use crate::unit::config::{WorkingDirectory, WorkingDirectoryPlace};
use crate::unit::value::{Limit, LimitKind};

#[test]
fn true_is_executed() {
    Try::new(&["/bin/true"]).run().success();
}

#[test]
fn output_is_captured_and_the_status_is_kept() {
    let outcome = Try::new(&["/bin/sh", "-c", "echo out; echo err >&2; exit 7"]).run();
    assert_eq!(outcome.output, "out\nerr\n");
    assert_eq!((outcome.ended.how, outcome.ended.status), (How::Exited, 7));
    assert_eq!(outcome.ended.pid, outcome.pid);
}

#[test]
fn a_missing_program_is_203() {
    let message = Try::new(&["/no/such/program"]).run().failure(203);
    let expected = "execute /no/such/program: No such file or directory";
    assert_eq!(message, expected);
    let message = Try::new(&["/etc/passwd"]).run().failure(203);
    assert_eq!(message, "execute /etc/passwd: Permission denied");
    let message = Try::new(&["no-such-name"]).run().failure(203);
    assert_eq!(message, "execute no-such-name: No such file or directory");
}

#[test]
fn a_missing_program_that_does_not_matter_is_no_failure() {
    let status = |program: &str| {
        let mut missing = Try::new(&[program]);
        missing.ignore_failure = true;
        let outcome = missing.run();
        let failure = outcome.failure.expect("it was executed");
        assert_eq!(outcome.ended.how, How::Exited);
        assert_eq!(outcome.ended.status, i32::from(failure.exit_status));
        (failure.exit_status, failure.message)
    };
    let (found, message) = status("/no/such/program");
    assert_eq!(found, 0);
    assert_eq!(message, "find /no/such/program: No such file or directory");
    assert_eq!(status("no-such-name").0, 0);
    for other in ["/etc/passwd", "/etc"] {
        assert_eq!(status(other).0, 0, "{other}");
    }
    // It is there, but what is to interpret it is not.
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("script");
    std::fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, executable).unwrap();
    assert_eq!(status(script.to_str().unwrap()).0, 203);
}

#[test]
fn a_bare_name_is_looked_up_in_fixed_directories() {
    // Not in PATH of its own environment (X10).
    let mut bare = Try::new(&["sh", "-c", "echo $0"]);
    bare.environment = vec![("PATH".into(), "/nowhere".into())];
    assert_eq!(bare.run().success(), "sh\n");

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap().to_owned();
    std::os::unix::fs::symlink("/bin/true", directory.path().join("own-name")).unwrap();
    let search = |exec: &mut ExecConfig| exec.search_path = vec!["/nowhere".into(), path];
    Try::new(&["own-name"]).exec(search).run().success();
    let only = |exec: &mut ExecConfig| exec.search_path = vec!["/nowhere".into()];
    Try::new(&["sh"]).exec(only).run().failure(203);
}

#[test]
fn the_environment_is_as_planned() {
    let mut env = Try::new(&["/usr/bin/env"]);
    env.environment = vec![("A".into(), "1 2".into()), ("B".into(), String::new())];
    let outcome = env.run();
    let expected = format!("A=1 2\nB=\nSYSTEMD_EXEC_PID={}\n", outcome.pid);
    assert_eq!(outcome.success(), expected);

    env.environment = vec![
        ("SYSTEMD_EXEC_PID".into(), "1".into()),
        ("WATCHDOG_USEC".into(), "3000000".into()),
    ];
    let outcome = env.run();
    let pid = outcome.pid;
    let expected = format!("WATCHDOG_USEC=3000000\nSYSTEMD_EXEC_PID={pid}\nWATCHDOG_PID={pid}\n");
    assert_eq!(outcome.success(), expected);

    let unset = |exec: &mut ExecConfig| exec.unset_environment = vec!["SYSTEMD_EXEC_PID".into()];
    env.environment = vec![("A".into(), "1".into())];
    assert_eq!(env.exec(unset).run().success(), "A=1\n");
}

#[test]
fn working_directories() {
    let at = |place: WorkingDirectoryPlace, optional: bool| {
        Try::new(&["/bin/pwd"]).exec(|exec| {
            exec.working_directory = Some(WorkingDirectory { place, optional });
        })
    };
    let path = |path: &str| WorkingDirectoryPlace::Path(path.to_owned());
    assert_eq!(Try::new(&["/bin/pwd"]).run().success(), "/\n");
    assert_eq!(at(path("/etc"), false).run().success(), "/etc\n");
    let message = at(path("/no/such"), false).run().failure(200);
    let expected = "change to directory /no/such: No such file or directory";
    assert_eq!(message, expected);
    assert_eq!(at(path("/no/such"), true).run().ended.status, 0);

    let mut home = at(WorkingDirectoryPlace::Home, false);
    assert!(home.run().failure(200).contains("no home directory"));
    home.environment = vec![("HOME".into(), "/usr".into())];
    assert_eq!(home.run().success(), "/usr\n");
}

#[test]
fn session_umask_signals_and_limits() {
    let status = Try::status();
    let outcome = status.run();
    let pid = outcome.pid.to_string();
    let text = outcome.success();
    assert_eq!(field(&text, "NSsid"), pid);
    assert_eq!(field(&text, "NSpgid"), pid);
    assert_eq!(field(&text, "Umask"), "0022");
    assert_eq!(field(&text, "SigBlk"), "0000000000000000");
    assert_eq!(field(&text, "SigIgn"), "0000000000001000", "SIGPIPE alone");

    let status = status.exec(|exec| {
        exec.umask = 0o077;
        exec.ignore_sigpipe = false;
    });
    let text = status.run().success();
    assert_eq!(field(&text, "Umask"), "0077");
    assert_eq!(field(&text, "SigIgn"), "0000000000000000");

    let limits = Try::new(&["/bin/sh", "-c", "ulimit -Sn; ulimit -Hn; ulimit -Sc"]);
    let limits = limits.exec(|exec| {
        let some = |soft, hard| Limit { soft, hard };
        exec.limits.insert(LimitKind::Nofile, some(100, 200));
        exec.limits.insert(LimitKind::Core, some(0, u64::MAX));
    });
    assert_eq!(limits.run().success(), "100\n200\n0\n");

    let unset = Try::new(&["/bin/sh", "-c", "ulimit -Sn"]);
    assert_eq!(unset.run().success(), "1024\n", "checklist E11");
}

#[test]
fn the_end_by_a_real_time_signal_is_seen() {
    let outcome = Try::new(&["/bin/sh", "-c", "kill -37 $$"]).run();
    assert_eq!((outcome.ended.how, outcome.ended.status), (How::Killed, 37));

    let child = Try::new(&["/bin/sleep", "1000"]).spawn(&std::io::stderr(), &[]);
    assert_eq!(pidfd::reap(child.pidfd.as_fd()).unwrap(), None);
    pidfd::send_signal(child.pidfd.as_fd(), 64).unwrap();
    assert_eq!((wait(&child).how, child.failure), (How::Killed, None));
    assert!(pidfd::send_signal(child.pidfd.as_fd(), 0).is_err());
}

#[test]
fn an_end_can_be_seen_before_it_is_taken() {
    if !is_alone(
        "exec::spawn::tests::process::an_end_can_be_seen_before_it_is_taken",
        None,
    ) {
        return;
    }
    assert_eq!(pidfd::peek_any().unwrap(), None);
    let child = Try::new(&["/bin/sh", "-c", "exit 3"]).spawn(&std::io::stderr(), &[]);
    let mut watched = [PollFd::new(&child.pidfd, PollFlags::IN)];
    poll(&mut watched, None).unwrap();
    let seen = pidfd::peek_any().unwrap().unwrap();
    assert_eq!(
        (seen.pid, seen.how, seen.status),
        (child.pid, How::Exited, 3)
    );
    assert_eq!(pidfd::peek(child.pidfd.as_fd()).unwrap(), Some(seen));
    assert_eq!(crate::sys::proc::stat(child.pid).unwrap().state, 'Z');
    assert_eq!(pidfd::reap_child(child.pid).unwrap(), Some(seen));
    assert_eq!(pidfd::peek_any().unwrap(), None);
    assert!(pidfd::reap(child.pidfd.as_fd()).is_err());
}

#[test]
fn threads_spawn_at_the_same_time() {
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for round in 0..25 {
                    let word = format!("{thread}-{round}");
                    let outcome = Try::new(&["/bin/echo", &word]).run();
                    assert_eq!(outcome.success(), format!("{word}\n"));
                }
            });
        }
    });
}
