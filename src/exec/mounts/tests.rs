//! Which mounts come of which settings.

use super::*;
use crate::unit::config::{Bind, PathRule, ProtectHome, ProtectSystem, Temporary};

/// A machine where every path is a directory, unless it is named here.
#[derive(Debug, Default)]
struct Machine {
    missing: Vec<&'static str>,
    files: Vec<&'static str>,
    links: Vec<(&'static str, &'static str)>,
}

impl Files for Machine {
    fn find(&self, _root: &str, path: &str) -> (String, Found) {
        let link = self.links.iter().find(|(from, _)| *from == path);
        let path = link.map_or(path, |(_, to)| to);
        let found = if self.missing.contains(&path) {
            Found::Missing
        } else if self.files.contains(&path) {
            Found::File
        } else {
            Found::Directory
        };
        (path.to_owned(), found)
    }
}

const TABLE: &str = "\
1 0 8:1 / / rw,relatime - ext4 a rw
2 1 8:1 / /proc rw,nosuid,nodev,noexec - proc a rw
3 1 8:1 / /sys ro - sysfs a rw
4 3 8:1 / /sys/fs/cgroup rw - cgroup2 a rw
5 1 8:1 / /dev rw - tmpfs a rw
6 1 8:1 / /usr/share rw - tmpfs a rw
";

/// The operations as text, with /new for where the root is put together.
fn operations(
    machine: &Machine,
    change: impl FnOnce(&mut ExecConfig),
) -> Result<Vec<String>, MountError> {
    let mut exec = ExecConfig::default();
    change(&mut exec);
    let input = MountInput {
        table: &MountTable::parse(TABLE),
        files: machine,
        sources: &Sources {
            private_tmp: exec
                .isolation
                .private_tmp
                .then(|| ("/t/1".into(), "/t/2".into())),
            writable: vec!["/run/made".into()],
            private: Vec::new(),
            notify_socket: Some("/run/pm/notify".into()),
            credentials: None,
        },
        place: "/place",
    };
    let steps = mounts(&exec, &input)?;
    let text = |step: &MountStep| step.operation.to_string().replace("/place/root", "/new");
    Ok(steps.iter().map(text).collect())
}

/// What comes between the usual beginning and end.
fn between(machine: &Machine, change: impl FnOnce(&mut ExecConfig)) -> Vec<String> {
    let all = operations(machine, change).unwrap();
    let [first, second, inner @ .., pivot, last] = all.as_slice() else {
        panic!("{all:?}");
    };
    assert!(first.contains("propagation") && last.contains("propagation"));
    assert_eq!(second, "show / with all below at /new");
    assert_eq!(pivot, "make /new the root");
    inner.to_vec()
}

fn rules(paths: &[&str]) -> Vec<PathRule> {
    let rule = |path: &&str| PathRule {
        path: path.trim_start_matches('-').to_owned(),
        optional: path.starts_with('-'),
        in_root: false,
    };
    paths.iter().map(rule).collect()
}

#[test]
fn a_rule_holds_below_but_for_other_rules() {
    let made = between(&Machine::default(), |exec| {
        exec.isolation.read_only = rules(&["/usr"]);
        exec.isolation.read_write = rules(&["/usr/local"]);
        exec.isolation.not_executable = rules(&["/usr/lib"]);
    });
    let expected = [
        "show /new/usr with all below at /new/usr",
        "show /new/usr/lib with all below at /new/usr/lib",
        "show /new/usr/local with all below at /new/usr/local",
        "mount /new/usr with flags 0x200001",
        "mount /new/usr/lib with flags 0x200009",
        "mount /new/usr/share with flags 0x1",
    ];
    assert_eq!(made, expected);
}

#[test]
fn mount_points_need_no_bind_and_repetitions_nothing() {
    let made = between(&Machine::default(), |exec| {
        exec.isolation.protect_system = ProtectSystem::Strict;
        exec.isolation.protect_home = ProtectHome::ReadOnly;
        exec.isolation.read_only = rules(&["/usr", "/usr/share", "-/none"]);
    });
    let expected = [
        "show /new/run/made with all below at /new/run/made",
        "show /new/run/user with all below at /new/run/user",
    ];
    // /home and /root are read-only as everything is; /run/user, too, is the same again.
    assert_eq!(made[..1], expected[..1]);
    assert!(
        made.contains(&"mount /new with flags 0x200001".to_owned()),
        "{made:?}"
    );
    assert!(!made.iter().any(|step| step.contains("/new/home")));
    assert!(!made.iter().any(|step| step.contains("/new/proc")));
}

#[test]
fn what_is_shown_elsewhere_comes_from_the_machine() {
    let machine = Machine {
        files: vec!["/etc/passwd"],
        missing: vec!["/none", "/mnt/c"],
        ..Machine::default()
    };
    let bind = |from: &str, to: &str, read_only| Bind {
        from: from.into(),
        to: to.into(),
        optional: from == "/none",
        recursive: true,
        read_only,
    };
    let made = between(&machine, |exec| {
        exec.isolation.temporary = vec![Temporary {
            path: "/usr".into(),
            options: "ro,size=1M".into(),
        }];
        exec.isolation.binds = vec![
            bind("/usr", "/usr/real", true),
            bind("/etc/passwd", "/mnt/c", false),
            bind("/none", "/none", false),
        ];
    });
    let expected = [
        "make /new/mnt/c to mount on",
        "show /etc/passwd with all below at /new/mnt/c",
        "make /new/usr to mount on",
        "mount tmpfs (mode=0755,size=10%,nr_inodes=400k,size=1M) on /new/usr",
        "make /new/usr/real to mount on",
        "show /usr with all below at /new/usr/real",
        "mount /new/usr with flags 0x1000005",
        "mount /new/usr/real with flags 0x200001",
        "mount /new/usr/real/share with flags 0x1",
    ];
    assert_eq!(made, expected);
}

#[test]
fn what_is_closed_hides_what_is_below() {
    let machine = Machine {
        files: vec!["/etc/shadow"],
        links: vec![("/lib/modules", "/usr/lib/modules")],
        ..Machine::default()
    };
    let made = between(&machine, |exec| {
        exec.isolation.inaccessible = rules(&["/etc/shadow"]);
        exec.isolation.protect_modules = true;
        exec.isolation.read_only = rules(&["/usr/lib/modules/x"]);
    });
    let expected = [
        "show /place/inaccessible-file at /new/etc/shadow",
        "show /place/inaccessible at /new/usr/lib/modules",
        "mount /new/etc/shadow with flags 0x20000f",
        "mount /new/usr/lib/modules with flags 0x20000f",
    ];
    assert_eq!(made, expected);
}

#[test]
fn a_missing_path_is_an_error_unless_it_may_be() {
    let machine = Machine {
        missing: vec!["/none"],
        ..Machine::default()
    };
    let error = operations(&machine, |exec| {
        exec.isolation.read_only = rules(&["/none"])
    });
    assert_eq!(
        error.unwrap_err(),
        MountError::Missing("ReadOnlyPaths", "/none".into())
    );
    assert!(
        between(&machine, |exec| exec.isolation.read_only =
            rules(&["-/none"]))
        .is_empty()
    );
}

#[test]
fn hidden_sockets_stay_reachable() {
    let made = between(&Machine::default(), |exec| {
        exec.isolation.temporary = vec![Temporary {
            path: "/run".into(),
            options: String::new(),
        }];
    });
    assert!(
        made.contains(&"show /run/pm/notify at /new/run/pm/notify".to_owned()),
        "{made:?}"
    );
}

#[test]
fn flags_of_privilege_go_with_no_new_privileges() {
    let made = between(&Machine::default(), |exec| {
        exec.no_new_privileges = true;
        exec.isolation.private_tmp = true;
    });
    assert!(
        made.contains(&"mount /new/tmp with flags 0x200002".to_owned()),
        "{made:?}"
    );
    assert!(
        made.contains(&"mount /new/var/tmp with flags 0x200002".to_owned()),
        "{made:?}"
    );
}
