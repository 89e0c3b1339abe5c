//! What a service sees of itself: its user, limits, directories, environment and streams.

mod common;

use common::daemon::Place;
use common::namespace::{self, AGENT_UID};
use common::process::{limit, status};
use common::wait_until;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What the stand-in wrote with `--print-env`.
fn environment(file: &Path) -> BTreeMap<String, String> {
    wait_until("the environment to be written", || {
        fs::metadata(file).is_ok_and(|file| file.len() > 0)
    });
    let text = fs::read_to_string(file).expect("it is there");
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn identity_limits_and_directories_are_applied() {
    namespace::private(|| {
        let place = Place::new();
        // Installed: the agent's user need not see the build directory.
        namespace::install_stand_in("/opt/stand-in/stand-in-agent");
        namespace::make_agent_directory("/opt/stand-in/home");
        place.write_unit(
            "inside.service",
            "[Service]\nUser=dd-agent\nWorkingDirectory=/opt/stand-in/home\nUMask=0027\n\
             LimitNOFILE=1000:2000\nLimitCORE=0\nAmbientCapabilities=CAP_NET_RAW\n\
             RuntimeDirectory=inside\nRuntimeDirectoryMode=0750\n\
             ExecStart=/opt/stand-in/stand-in-agent --print-env /opt/stand-in/home/env\n",
        );
        let daemon = place.start();
        daemon.ok(&["start", "inside.service"]);
        let env = environment(Path::new("/opt/stand-in/home/env"));
        let pid = daemon.main_pid("inside.service");
        let facts = status(pid);
        let id = AGENT_UID.to_string();
        assert_eq!(facts["Uid"].split_whitespace().next(), Some(id.as_str()));
        assert_eq!(facts["Gid"].split_whitespace().next(), Some(id.as_str()));
        let mut groups: Vec<&str> = facts["Groups"].split_whitespace().collect();
        groups.sort_unstable();
        assert_eq!(groups, [id.as_str(), &(AGENT_UID + 1).to_string()]);
        assert_eq!(facts["Umask"], "0027");
        assert_eq!(facts["CapAmb"], format!("{:016x}", 1_u64 << 13));
        assert_eq!(limit(pid, "Max open files"), ("1000".into(), "2000".into()));
        assert_eq!(limit(pid, "Max core file size"), ("0".into(), "0".into()));
        let cwd = fs::read_link(format!("/proc/{pid}/cwd")).expect("root may look");
        assert_eq!(cwd, Path::new("/opt/stand-in/home"));
        assert_eq!(env["USER"], "dd-agent");
        assert_eq!(env["LOGNAME"], "dd-agent");
        assert_eq!(env["HOME"], "/opt/datadog-agent");
        assert!(!env.contains_key("SHELL"), "nologin is no shell");
        assert_eq!(env["RUNTIME_DIRECTORY"], "/run/inside");
        let made = fs::metadata("/run/inside").expect("it is made");
        assert_eq!((made.uid(), made.mode() & 0o7777), (AGENT_UID, 0o750));
        daemon.ok(&["stop", "inside.service"]);
        // Behind the end of the job, off the daemon's loop.
        wait_until("it to be removed", || !Path::new("/run/inside").exists());
    });
}

#[test]
fn a_service_is_leader_of_its_own_session_and_in_its_own_group() {
    let daemon = common::Daemon::with(&[(
        "alone.service",
        "[Service]\nExecStart=stand-in-agent --name alone\n",
    )]);
    daemon.ok(&["start", "alone.service"]);
    let pid = daemon.main_pid("alone.service");
    let session = nix::unistd::getsid(Some(nix::unistd::Pid::from_raw(pid))).expect("it runs");
    assert_eq!(session.as_raw(), pid);
    let shown = daemon.show("alone.service", "ControlGroup");
    if !shown.is_empty() {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("it runs");
        let v2 = groups.lines().find_map(|line| line.strip_prefix("0::"));
        assert_eq!(v2, Some(shown.as_str()));
        assert!(shown.ends_with("/alone.service"), "{shown}");
    }
}

#[test]
fn the_environment_is_clean_and_put_together_as_written() {
    let place = Place::new();
    let file = place.file("environment");
    let written = place.file("env");
    fs::write(
        &file,
        "# a comment\nFROM_FILE=\"file value\"\nBOTH=file\nexport NOT=this\n",
    )
    .expect("it can be written");
    place.write_unit(
        "told.service",
        &format!(
            "[Service]\nEnvironment=\"PLAIN=a b\" BOTH=unit WHO=%p\nEnvironmentFile={}\n\
             EnvironmentFile=-/nonexistent/environment\n\
             ExecStart=stand-in-agent --name ${{PLAIN}} --print-env {}\n",
            file.display(),
            written.display()
        ),
    );
    let daemon = place.start();
    daemon.ok(&["start", "told.service"]);
    let env = environment(&written);
    assert_eq!(env["PLAIN"], "a b");
    assert_eq!(env["BOTH"], "file", "the file wins");
    assert_eq!(env["FROM_FILE"], "file value");
    assert_eq!(env["WHO"], "told");
    assert_eq!(env["INVOCATION_ID"].len(), 32);
    assert_eq!(
        env["INVOCATION_ID"],
        daemon.show("told.service", "InvocationID")
    );
    // ExecSearchPath= is the service's PATH too.
    let programs = common::programs::stand_in_directory().display().to_string();
    assert!(env["PATH"].starts_with(&programs), "{}", env["PATH"]);
    assert!(!env.contains_key("NOT"));
    assert!(
        !env.contains_key("CARGO_MANIFEST_DIR"),
        "ours is not inherited"
    );
    assert!(
        env.keys()
            .all(|name| !name.starts_with("DD_PM_") || name == common::daemon::MARK)
    );
}

#[test]
fn streams_go_where_they_are_told() {
    let place = Place::new();
    let path = |name: &str| place.file(name).display().to_string();
    for (name, to) in [
        ("file", format!("file:{}", path("file.out"))),
        ("append", format!("append:{}", path("append.out"))),
        ("truncate", format!("truncate:{}", path("truncate.out"))),
        ("null", "null".to_owned()),
        ("inherit", "inherit".to_owned()),
        ("journal", "journal".to_owned()),
    ] {
        place.write_unit(
            &format!("{name}.service"),
            &format!(
                "[Service]\nStandardOutput={to}\nExecStart=stand-in-agent --name out-{name}\n"
            ),
        );
    }
    place.write_unit(
        "error.service",
        &format!(
            "[Service]\nStandardOutput=append:{}\nStandardError=inherit\n\
             ExecStart=stand-in-agent --name out-error --crash-after 0.05\n",
            path("error.out")
        ),
    );
    for name in ["append.out", "truncate.out"] {
        fs::write(place.file(name), "before\n").expect("it can be written");
    }
    let daemon = place.start();
    for name in ["file", "append", "truncate", "null", "inherit", "journal"] {
        daemon.ok(&["start", &format!("{name}.service")]);
        daemon.wait_recorded(&format!("out-{name}"), "ready", 1);
    }
    daemon.ok(&["start", "error.service"]);
    daemon.wait_state("error.service", "failed/failed");
    let read = |name: &str| fs::read_to_string(daemon.file(name)).expect("it is there");
    wait_until("the lines to be written", || {
        ["file.out", "append.out", "truncate.out"]
            .iter()
            .all(|name| read(name).ends_with("ready\n"))
    });
    assert!(read("file.out").starts_with("out-file: started"));
    assert!(read("append.out").starts_with("before\nout-append: started"));
    assert!(read("truncate.out").starts_with("out-truncate: started"));
    assert!(
        read("error.out").contains("out-error: crashing"),
        "error goes where output goes"
    );
    // Where input is nothing that can be written to, inherit is the default as on systemd.
    for name in ["journal", "inherit"] {
        let unit = format!("{name}.service");
        let from = daemon.main_pid(&unit).to_string();
        let said = format!("out-{name}: ready");
        wait_until("our log to have the rest", || {
            let log = daemon.log();
            let mut lines = log.lines().filter(|line| line.contains(&said));
            lines.any(|line| line.contains(&unit) && line.contains(&from))
        });
    }
    for name in ["null", "file", "append", "truncate", "error"] {
        let log = daemon.log();
        assert!(
            !log.contains(&format!("out-{name}: ready")),
            "{name}:\n{log}"
        );
    }
}
