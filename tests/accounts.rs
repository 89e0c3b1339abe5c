//! Users that exist only while a unit runs, and what a user leaves behind.

mod common;

use common::inside::{self, ask};
use common::namespace::{self, AGENT_UID, AGENT_USER};
use common::wait_until;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What units in the private namespace run: everybody can get at it.
const PROBE: &str = "/opt/probe";
/// The number that systemd 252 gives to a user called foo.
const NUMBER_OF_FOO: &str = "63016";

/// A place in a private mount namespace with a /var of its own.
fn privately(body: impl FnOnce(common::daemon::Place) + Send) {
    namespace::private(|| {
        for place in ["/var/lib", "/var/cache", "/var/tmp"] {
            namespace::tmpfs(Path::new(place)).expect("it can be mounted over, as /opt can");
        }
        namespace::install_probe(PROBE);
        body(inside::place());
    });
}

fn settings(text: &str) -> String {
    format!("ExecSearchPath={PROBE}\n{text}")
}

#[test]
fn a_dynamic_user_is_made_for_the_unit_and_goes_with_it() {
    privately(|place| {
        let lines = "DynamicUser=yes\nStateDirectory=foo:link deep/er\nCacheDirectory=foo\n\
                     RuntimeDirectory=foo\nExecStartPre=/bin/sh -c 'ls /run/systemd/dynamic-uid > /run/foo/users'\n\
                     RuntimeDirectoryPreserve=yes";
        let four = [NUMBER_OF_FOO; 4].join(" ");
        let expected = [
            ("status:Uid", four.as_str()),
            ("status:Gid", &four),
            ("status:Groups", NUMBER_OF_FOO),
            ("status:NoNewPrivs", "1"),
            ("env:USER", "foo"),
            ("env:LOGNAME", "foo"),
            ("env:HOME", "unset"),
            ("env:SHELL", "unset"),
            ("env:STATE_DIRECTORY", "/var/lib/deep/er:/var/lib/foo"),
            ("link:/var/lib/foo", "private/foo"),
            ("link:/var/lib/deep/er", "../private/deep/er"),
            ("link:/var/lib/link", "foo"),
            ("stat:/var/lib/private", "directory 0755 0 0"),
            ("list:/var/lib/private", "deep foo"),
            ("write:/var/lib/private/", "E30"),
            ("write:/var/lib/link/", "yes"),
            ("write:/var/lib/deep/er/", "yes"),
            ("write:/var/cache/foo/", "yes"),
            ("write:/run/foo/", "yes"),
            ("write:/var/lib", "E30"),
            ("write:/usr", "E30"),
            ("write:/etc", "E30"),
            ("write:/tmp", "yes"),
        ];
        let questions: Vec<&str> = expected.iter().map(|(question, _)| *question).collect();
        let text = inside::unit(&place, "foo", &settings(lines), &questions);
        place.write_unit("foo.service", &text);
        let daemon = place.start();
        ask(&daemon, "foo").says(&expected);
        let names: Vec<String> = fs::read_to_string("/run/private/foo/users")
            .expect("the command before wrote it")
            .lines()
            .map(str::to_owned)
            .collect();
        let direct = format!("direct:{NUMBER_OF_FOO}");
        assert_eq!(names, [NUMBER_OF_FOO, &direct, "direct:foo"]);
        wait_until("the number to be free", || {
            fs::read_dir("/run/systemd/dynamic-uid").is_ok_and(|entries| entries.count() == 0)
        });
        let hidden = fs::metadata("/var/lib/private").expect("it was made");
        assert_eq!((hidden.mode() & 0o7777, hidden.uid()), (0o700, 0));
    });
}

#[test]
fn user_and_group_have_numbers_of_their_own_unless_the_machine_knows_them() {
    privately(|place| {
        let two = "DynamicUser=yes\nUser=alpha\nGroup=beta\nSupplementaryGroups=dd-extra";
        let known = format!("DynamicUser=yes\nUser={AGENT_USER}");
        let half = "DynamicUser=yes\nUser=dd-extra";
        let extra = AGENT_UID + 1;
        let agent = AGENT_UID.to_string();
        let agent = [agent.as_str(); 4].join(" ");
        let alpha = ["63309"; 4].join(" ");
        let beta = ["62296"; 4].join(" ");
        let groups = format!("62296 {extra}");
        for (name, lines) in [("two", two), ("known", &known), ("half", half)] {
            let questions = ["status:Uid", "status:Gid", "status:Groups", "env:USER"];
            let text = inside::unit(&place, name, &settings(lines), &questions);
            place.write_unit(&format!("{name}.service"), &text);
        }
        let daemon = place.start();
        ask(&daemon, "two").says(&[
            ("status:Uid", &alpha),
            ("status:Gid", &beta),
            ("status:Groups", &groups),
            ("env:USER", "alpha"),
        ]);
        ask(&daemon, "known").says(&[("status:Uid", &agent), ("env:USER", AGENT_USER)]);
        let inside = ask(&daemon, "half");
        assert_eq!(inside.status, "217", "{}", daemon.log());
    });
}

#[test]
fn what_a_user_leaves_in_memory_goes_with_the_unit() {
    privately(|place| {
        let kept = format!("/dev/shm/dd-procmgr-test-kept-{}", std::process::id());
        let gone = format!("/dev/shm/dd-procmgr-test-gone-{}", std::process::id());
        let unit = |remove: &str, file: &str| {
            format!(
                "[Service]\nType=oneshot\nUser={AGENT_USER}\nRemoveIPC={remove}\n\
                 ExecStart=/bin/sh -c 'mkdir {file} && touch {file}/a && ipcmk -Q'\n"
            )
        };
        place.write_unit("kept.service", &unit("no", &kept));
        place.write_unit("gone.service", &unit("yes", &gone));
        let daemon = place.start();
        daemon.ok(&["start", "kept.service"]);
        assert!(Path::new(&kept).exists());
        let queues = || fs::read_to_string("/proc/sysvipc/msg").unwrap_or_default();
        let left = || queues().contains(&format!(" {AGENT_UID} "));
        assert!(left(), "{}", queues());
        daemon.ok(&["start", "gone.service"]);
        wait_until("the objects to go", || {
            !Path::new(&gone).exists() && !left()
        });
        // Whose they are counts, not which unit made them.
        wait_until("the others to go, too", || !Path::new(&kept).exists());
    });
}
