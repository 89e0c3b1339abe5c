//! Limits of control groups: what is set, seen from the kernel's side, and what it does to
//! processes that want more. On machines without the controllers they are skipped.

mod common;

use common::daemon::{Daemon, Place};
use common::groups::{Groups, has_controller};
use common::{Missing, skip, wait_for, wait_until};
use std::fs;
use std::time::{Duration, Instant};

/// Skips unless all these controllers can be used: names in version 2 and version 1.
fn lacks(controllers: &[(&str, &str)]) -> bool {
    let missing = controllers.iter().find(|(v2, v1)| !has_controller(v2, v1));
    if let Some((name, _)) = missing {
        let reason = format!("controller {name} cannot be used here");
        skip(Missing::Privilege, &reason);
    }
    missing.is_some()
}

const CPU: (&str, &str) = ("cpu", "cpu");
const CPUSET: (&str, &str) = ("cpuset", "cpuset");
const MEMORY: (&str, &str) = ("memory", "memory");
const PIDS: (&str, &str) = ("pids", "pids");
const IO: (&str, &str) = ("io", "blkio");

const SLEEPER: &str = "ExecStart=/bin/sleep infinity\n";

fn service(settings: &str) -> String {
    format!("[Service]\n{settings}\n{SLEEPER}")
}

fn groups(daemon: &Daemon, unit: &str) -> Groups {
    Groups::of(daemon.main_pid(unit))
}

/// A service with a setting, started, and the value of a file of its group.
#[track_caller]
fn value(daemon: &Daemon, unit: &str, unified: &str, legacy: (&str, &str)) -> String {
    let groups = groups(daemon, unit);
    groups
        .read(unified, legacy)
        .unwrap_or_else(|| panic!("neither {unified} nor {legacy:?} in {groups:?}"))
}

/// What a process may have open: soft and hard.
fn open_files(pid: i32) -> [u64; 2] {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("limits");
    let line = limits.lines().find(|it| it.starts_with("Max open files"));
    let words: Vec<&str> = line.expect("the line").split_whitespace().collect();
    [words[3], words[4]].map(|word| word.parse().expect("a number"))
}

/// As many files as one process can have open here: what the kernel knows, if we may raise limits.
fn most_open_files() -> u64 {
    let own = open_files(std::process::id().cast_signed())[1];
    let known = fs::read_to_string("/proc/sys/fs/nr_open").expect("nr_open");
    let known: u64 = known.trim().parse().expect("a number");
    let status = fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find_map(|it| it.strip_prefix("CapEff:\t"));
    let capabilities = u64::from_str_radix(line.expect("the line"), 16).expect("a number");
    // CAP_SYS_RESOURCE.
    match capabilities >> 24 & 1 {
        1 => own.max(known),
        _ => own,
    }
}

#[test]
fn the_daemon_may_open_all_files_that_it_can_and_a_service_what_it_should() {
    let most = most_open_files();
    let units = [
        ("a.service", &service("") as &str),
        ("b.service", &service("LimitNOFILE=100:1000")),
    ];
    let daemon = Daemon::with(&units);
    daemon.ok(&["start", "a.service", "b.service"]);
    assert_eq!(open_files(daemon.pid()), [most, most]);
    let usual = [1024, 524_288.min(most)];
    assert_eq!(open_files(daemon.main_pid("a.service")), usual);
    assert_eq!(open_files(daemon.main_pid("b.service")), [100, 1000]);
}

#[test]
fn limits_are_in_the_group_of_the_process() {
    if lacks(&[CPU, MEMORY, PIDS]) {
        return;
    }
    let settings = "CPUWeight=50\nCPUQuota=30%\nCPUQuotaPeriodSec=50ms\nMemoryMax=64M\nTasksMax=17";
    let daemon = Daemon::with(&[("a.service", &service(settings))]);
    daemon.ok(&["start", "a.service"]);
    let read = |unified, legacy| value(&daemon, "a.service", unified, legacy);
    let weight = read("cpu.weight", ("cpu", "cpu.shares"));
    assert!(["50", "512"].contains(&weight.as_str()), "{weight}");
    let quota = read("cpu.max", ("cpu", "cpu.cfs_quota_us"));
    assert!(
        ["15000 50000", "15000"].contains(&quota.as_str()),
        "{quota}"
    );
    let memory = read("memory.max", ("memory", "memory.limit_in_bytes"));
    assert_eq!(memory, "67108864");
    assert_eq!(read("pids.max", ("pids", "pids.max")), "17");
    let effective = daemon.show("a.service", "EffectiveSettings");
    for directive in ["CPUWeight", "CPUQuota", "MemoryMax", "TasksMax"] {
        assert!(
            effective.contains(&format!("{directive}: applied")),
            "{effective}"
        );
    }
    assert_eq!(daemon.show("a.service", "TasksCurrent"), "1");
    assert_ne!(daemon.show("a.service", "MemoryCurrent"), "[not set]");
    let memory: u64 = daemon
        .show("a.service", "MemoryAvailable")
        .parse()
        .expect("a number");
    assert!(memory <= 67_108_864, "{memory}");
}

#[test]
fn processors_are_kept_to() {
    if lacks(&[CPUSET]) {
        return;
    }
    let daemon = Daemon::with(&[
        ("first.service", &service("AllowedCPUs=0")),
        ("more.service", &service("AllowedCPUs=0 500-510")),
    ]);
    daemon.ok(&["start", "first.service", "more.service"]);
    for unit in ["first.service", "more.service"] {
        let pid = daemon.main_pid(unit);
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let allowed = status
            .lines()
            .find_map(|l| l.strip_prefix("Cpus_allowed_list:"));
        assert_eq!(allowed.map(str::trim), Some("0"), "{unit}");
    }
    let effective = daemon.show("more.service", "EffectiveSettings");
    assert!(
        effective.contains("AllowedCPUs: reduced (to 0, of what is there)"),
        "{effective}"
    );
    let effective = daemon.show("first.service", "EffectiveSettings");
    assert!(effective.contains("AllowedCPUs: applied"), "{effective}");
}

#[test]
fn block_devices_are_limited() {
    if lacks(&[IO]) {
        return;
    }
    let Some(device) = some_disk() else {
        return skip(Missing::Privilege, "there is no disk");
    };
    let settings = format!(
        "IOReadBandwidthMax=/dev/{device} 5M\nIOWriteIOPSMax=/dev/{device} 100\n\
         IOReadBandwidthMax=/proc/self/status 1M\nIOAccounting=yes"
    );
    let daemon = Daemon::with(&[("a.service", &service(&settings))]);
    daemon.ok(&["start", "a.service"]);
    let read = |legacy| value(&daemon, "a.service", "io.max", ("blkio", legacy));
    let bytes = read("blkio.throttle.read_bps_device");
    assert!(
        bytes.contains("rbps=5000000") || bytes.ends_with(" 5000000"),
        "{bytes}"
    );
    let operations = read("blkio.throttle.write_iops_device");
    assert!(
        operations.contains("wiops=100") || operations.ends_with(" 100"),
        "{operations}"
    );
    let effective = daemon.show("a.service", "EffectiveSettings");
    let reason = "IOReadBandwidthMax: not applied (/proc/self/status lies on no block device)";
    assert!(effective.contains(reason), "{effective}");
    assert_ne!(daemon.show("a.service", "IOReadBytes"), "[not set]");
}

/// A whole disk that is no loop device.
fn some_disk() -> Option<String> {
    let entries = fs::read_dir("/sys/block").ok()?.flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| {
            ["vd", "sd", "nvme", "xvd"]
                .iter()
                .any(|kind| name.starts_with(kind))
        })
        .collect();
    names.sort();
    names.into_iter().next()
}

#[test]
fn a_fork_bomb_is_contained_and_others_go_on() {
    if lacks(&[PIDS]) {
        return;
    }
    // Tries again for ever; each child stays.
    let bomb = "[Service]\nTasksMax=20\nExecStart=/bin/sh -c 'while :; do sleep 1000 & done'\n\
                Restart=no\n";
    let again = "[Service]\nTasksMax=20\n\
                 ExecStart=/bin/sh -c 'for i in 1 2 3 4 5; do sleep 1000 & done; wait'\n";
    let daemon = Daemon::with(&[("bomb.service", bomb), ("again.service", again)]);
    daemon.run(&["start", "bomb.service"]);
    // The shell gives up at the first fork that fails.
    daemon.wait_state("bomb.service", "failed/failed");
    let log = daemon.ok(&["logs", "bomb.service"]);
    assert!(log.contains("fork"), "{log}");
    daemon.ok(&["start", "again.service"]);
    wait_until("the other one to have all its processes", || {
        daemon.show("again.service", "TasksCurrent") == "6"
    });
    // Fewer than it has now: they stay, but there are no more.
    daemon.ok(&["set-property", "--runtime", "again.service", "TasksMax=3"]);
    assert_eq!(
        value(&daemon, "again.service", "pids.max", ("pids", "pids.max")),
        "3"
    );
    assert_eq!(daemon.state("again.service"), "active/running");
}

#[test]
fn a_memory_hog_is_killed_and_the_reason_is_told() {
    if lacks(&[MEMORY]) {
        return;
    }
    let hog = "[Service]\nMemoryMax=20M\nMemorySwapMax=0\nExecStart=/usr/bin/tail /dev/zero\n";
    let daemon = Daemon::with(&[("hog.service", hog), ("other.service", &service(""))]);
    daemon.ok(&["start", "other.service"]);
    daemon.run(&["start", "hog.service"]);
    daemon.wait_state("hog.service", "failed/failed");
    assert_eq!(daemon.show("hog.service", "Result"), "oom-kill");
    assert_eq!(daemon.state("other.service"), "active/running");
}

#[test]
fn a_spinner_gets_its_share_of_time() {
    if lacks(&[CPU]) {
        return;
    }
    let spinner = "[Service]\nCPUQuota=20%\nCPUAccounting=yes\n\
                   ExecStart=/bin/sh -c 'while :; do :; done'\n";
    let daemon = Daemon::with(&[("spin.service", spinner)]);
    daemon.ok(&["start", "spin.service"]);
    let used = || -> u64 {
        let text = daemon.show("spin.service", "CPUUsageNSec");
        text.parse()
            .unwrap_or_else(|_| panic!("CPUUsageNSec={text}"))
    };
    let throttled = || -> u64 {
        let text = value(&daemon, "spin.service", "cpu.stat", ("cpu", "cpu.stat"));
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("nr_throttled "));
        line.map_or(0, |count| count.trim().parse().expect("a number"))
    };
    let (begin, before) = (Instant::now(), used());
    wait_until("it to be held up", || throttled() >= 10);
    let share = (used() - before) as f64 / begin.elapsed().as_nanos() as f64;
    assert!(share < 0.3, "{share}");
    // Without the quota it is held up no more.
    daemon.ok(&["set-property", "--runtime", "spin.service", "CPUQuota="]);
    let before = throttled();
    let until = used() + 300_000_000;
    wait_until("it to use as much as it likes", || used() > until);
    assert!(throttled() <= before + 1);
}

#[test]
fn settings_are_changed_while_it_runs() {
    if lacks(&[CPU, MEMORY, PIDS]) {
        return;
    }
    let daemon = Daemon::with(&[("a.service", &service(""))]);
    daemon.ok(&["start", "a.service"]);
    let pid = daemon.main_pid("a.service");
    let set = |assignment: &str| daemon.ok(&["set-property", "a.service", assignment]);
    let memory = || {
        value(
            &daemon,
            "a.service",
            "memory.max",
            ("memory", "memory.limit_in_bytes"),
        )
    };
    set("MemoryMax=64M");
    assert_eq!(memory(), "67108864");
    set("CPUWeight=20");
    let weight = value(&daemon, "a.service", "cpu.weight", ("cpu", "cpu.shares"));
    assert!(["20", "204"].contains(&weight.as_str()), "{weight}");
    set("MemoryMax=32M");
    assert_eq!(memory(), "33554432");
    assert_eq!(daemon.show("a.service", "MemoryMax"), "33554432");
    set("TasksMax=9");
    assert_eq!(
        value(&daemon, "a.service", "pids.max", ("pids", "pids.max")),
        "9"
    );
    set("MemoryMax=infinity");
    assert!(memory() == "max" || memory().len() > 15, "{}", memory());
    // What a file says now counts after daemon-reload.
    daemon
        .place()
        .write_unit("a.service.d/more.conf", "[Service]\nMemoryMax=48M\n");
    daemon.ok(&["revert", "a.service"]);
    daemon
        .place()
        .write_unit("a.service.d/more.conf", "[Service]\nMemoryMax=48M\n");
    daemon.ok(&["daemon-reload"]);
    wait_for("the file to count", || match memory().as_str() {
        "50331648" => Ok(()),
        other => Err(other.to_owned()),
    });
    assert_eq!(daemon.main_pid("a.service"), pid);
}

#[test]
fn slices_lie_in_each_other_and_limit_all_that_is_in_them() {
    if lacks(&[MEMORY, PIDS]) {
        return;
    }
    let place = Place::new();
    place.write_unit("big.slice", "[Slice]\nMemoryMax=256M\nTasksMax=100\n");
    place.write_unit("big-small.slice", "[Slice]\nMemoryMax=128M\n");
    place.write_unit(
        "in.service",
        &service("Slice=big-small.slice\nMemoryMax=64M"),
    );
    place.write_unit("beside.service", &service("Slice=big.slice"));
    place.write_unit("at@.service", &service(""));
    let daemon = place.start();
    daemon.ok(&["start", "in.service", "beside.service", "at@one.service"]);
    let group = daemon.show("in.service", "ControlGroup");
    assert!(
        group.ends_with("/big.slice/big-small.slice/in.service"),
        "{group}"
    );
    let template = daemon.show("at@one.service", "ControlGroup");
    assert!(
        template.ends_with("/system.slice/system-at.slice/at@one.service"),
        "{template}"
    );
    // The files of a group and of those above it.
    let limits = |unit: &str| -> Vec<String> {
        let groups = groups(&daemon, unit);
        let (path, file) = match groups
            .unified
            .as_ref()
            .filter(|p| p.join("memory.max").exists())
        {
            Some(path) => (path.clone(), "memory.max"),
            None => {
                let path = groups.legacy("memory").expect("it has one");
                (path.to_owned(), "memory.limit_in_bytes")
            }
        };
        let levels = path.ancestors().take(3);
        levels
            .map(|level| {
                fs::read_to_string(level.join(file))
                    .unwrap_or_default()
                    .trim()
                    .to_owned()
            })
            .collect()
    };
    assert_eq!(limits("in.service"), ["67108864", "134217728", "268435456"]);
    let beside = limits("beside.service");
    assert_eq!(beside[1], "268435456", "{beside:?}");
    // A slice is changed as a unit is.
    daemon.ok(&["set-property", "--runtime", "big.slice", "MemoryMax=200M"]);
    wait_until("the slice to have its limit", || {
        limits("beside.service")[1] == "209715200"
    });
    assert_eq!(daemon.show("big.slice", "MemoryMax"), "209715200");
    let slice = daemon.show("big.slice", "ControlGroup");
    assert!(slice.ends_with("/big.slice"), "{slice}");
    assert_eq!(daemon.show("big.slice", "TasksCurrent"), "2");
    daemon.ok(&["stop", "in.service", "beside.service"]);
    wait_until("the empty slices to go", || {
        daemon.show("big.slice", "ControlGroup").is_empty()
    });
}

#[test]
fn what_cannot_be_limited_is_told_and_runs() {
    let place = Place::new().with_argument("--mode=kubernetes");
    place.write_unit("a.service", &service("MemoryMax=64M\nNice=1"));
    let daemon = place.start();
    daemon.ok(&["start", "a.service"]);
    let effective = daemon.show("a.service", "EffectiveSettings");
    assert!(effective.contains("Nice: applied"), "{effective}");
    let reason = "MemoryMax: not applied (controller memory: in kubernetes mode limits are the \
                  container's)";
    assert!(effective.contains(reason), "{effective}");
    let log = daemon.ok(&["logs", "a.service"]);
    assert!(log.contains("MemoryMax= is not applied"), "{log}");
}

#[test]
fn what_is_not_to_be_counted_is_not_told() {
    if lacks(&[MEMORY, PIDS]) {
        return;
    }
    let settings = "MemoryAccounting=no\nTasksAccounting=no\nMemoryMax=64M\nTasksMax=5";
    let ends = "[Service]\nExecStart=/bin/sh -c 'exit 3'\n";
    let daemon = Daemon::with(&[("a.service", &service(settings)), ("ends.service", ends)]);
    daemon.ok(&["start", "a.service"]);
    assert_eq!(daemon.show("a.service", "MemoryCurrent"), "[not set]");
    assert_eq!(daemon.show("a.service", "TasksCurrent"), "[not set]");
    assert_eq!(daemon.show("a.service", "IOReadBytes"), "[not set]");
    wait_until("it to have used some time", || {
        daemon.show("a.service", "CPUUsageNSec") != "[not set]"
    });
    daemon.run(&["start", "ends.service"]);
    daemon.wait_state("ends.service", "failed/failed");
    let used = daemon.show("ends.service", "CPUUsageNSec");
    assert!(
        used.parse::<u64>().is_ok(),
        "what it used stays known: {used}"
    );
}

#[test]
fn a_group_that_is_handed_over_belongs_to_the_user_and_to_its_own_processes() {
    let place = Place::new();
    place.write_unit(
        "a.service",
        "[Service]\nDelegate=yes\nDelegateSubgroup=main\nUser=nobody\n\
         ExecStart=/bin/sleep infinity\nExecStartPost=/bin/sh -c 'cat /proc/self/cgroup'\n",
    );
    if !common::skip::is_root() {
        return skip(Missing::Privilege, "only root becomes somebody else");
    }
    let daemon = place.start();
    daemon.ok(&["start", "a.service"]);
    let Some(group) = groups(&daemon, "a.service")
        .unified
        .filter(|_| !daemon.show("a.service", "ControlGroup").is_empty())
    else {
        return skip(Missing::Privilege, "units have no control groups");
    };
    assert!(group.ends_with("a.service/main"), "{}", group.display());
    let nobody = nix::unistd::User::from_name("nobody")
        .expect("it is read")
        .expect("it is there");
    let owner = |path: &std::path::Path| {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(path).expect("it is there").uid()
    };
    let unit = group.parent().expect("it lies in the unit's");
    assert_eq!(owner(unit), nobody.uid.as_raw());
    assert_eq!(owner(&unit.join("cgroup.procs")), nobody.uid.as_raw());
    wait_until("the command to have said where it is", || {
        daemon
            .ok(&["logs", "a.service"])
            .contains("a.service/.control")
    });
    daemon.ok(&["stop", "a.service"]);
    assert!(!unit.exists());
}

#[test]
fn a_service_is_told_where_to_watch_the_pressure() {
    let place = Place::new();
    let shell = "ExecStart=/bin/sh -c 'echo watch=$MEMORY_PRESSURE_WATCH \
                 write=$MEMORY_PRESSURE_WRITE'\n";
    for (name, setting) in [("on", "yes"), ("off", "no"), ("unsaid", "")] {
        let text = format!("[Service]\nType=oneshot\nMemoryPressureWatch={setting}\n{shell}");
        place.write_unit(&format!("{name}.service"), &text);
    }
    let daemon = place.start();
    daemon.ok(&["start", "on.service", "off.service", "unsaid.service"]);
    let said = |unit: &str| {
        let log = daemon.ok(&["logs", unit]);
        let line = log
            .lines()
            .find_map(|line| Some(line.split_once("watch=")?.1.to_owned()));
        line.unwrap_or_else(|| panic!("{log}"))
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    while said("on.service").is_empty() && Instant::now() < deadline {}
    assert!(
        said("off.service").starts_with("/dev/null"),
        "{}",
        said("off.service")
    );
    assert!(
        said("unsaid.service").starts_with(" write="),
        "{}",
        said("unsaid.service")
    );
    let on = said("on.service");
    // "some 200000 2000000" and a NUL.
    let grouped = on.contains("/on.service/memory.pressure write=c29tZSAyMDAwMDAgMjAwMDAwMAA=");
    assert!(grouped || on.starts_with(" write="), "{on}");
}

/// What a service finds when it opens devices for reading.
fn opened(daemon: &Daemon, unit: &str) -> String {
    daemon.run(&["start", unit]);
    wait_until("the service to end", || {
        ["inactive/dead", "failed/failed"].contains(&daemon.state(unit).as_str())
    });
    wait_for("what it says", || {
        let log = daemon.ok(&["logs", unit]);
        let line = log
            .lines()
            .find_map(|line| Some(line.split_once("opened:")?.1.to_owned()));
        line.ok_or(log)
    })
}

#[test]
fn devices_are_kept_away() {
    if !common::skip::is_root() || !std::path::Path::new("/dev/kmsg").exists() {
        return skip(Missing::Privilege, "only root opens /dev/kmsg");
    }
    let script = "for device in null zero kmsg urandom; do \
                  if (: < /dev/$device) 2>/dev/null; then said=\"$said $device\"; fi; done; \
                  echo opened:$said";
    let place = Place::new();
    for (name, settings) in [
        ("all", ""),
        ("closed", "DevicePolicy=closed"),
        ("more", "DeviceAllow=/dev/kmsg r"),
        ("write", "DeviceAllow=/dev/kmsg w"),
        ("strict", "DevicePolicy=strict\nDeviceAllow=char-mem rw"),
        ("strictest", "DevicePolicy=strict\nDeviceAllow=/dev/null rw"),
    ] {
        let text =
            format!("[Service]\nType=oneshot\n{settings}\nExecStart=/bin/sh -c '{script}'\n");
        place.write_unit(&format!("{name}.service"), &text);
    }
    let daemon = place.start();
    let open = |name: &str| opened(&daemon, &format!("{name}.service"));
    assert_eq!(open("all"), " null zero kmsg urandom");
    if daemon.show("closed.service", "LoadState") != "loaded" {
        panic!("{}", daemon.log());
    }
    let closed = daemon.run(&["start", "closed.service"]);
    if closed.code != 0 {
        assert_eq!(
            daemon.show("closed.service", "ExecMainStatus"),
            "219",
            "{}",
            daemon.log()
        );
        return skip(
            Missing::Privilege,
            "the kernel takes no programs for devices",
        );
    }
    assert_eq!(open("closed"), " null zero urandom");
    assert_eq!(open("more"), " null zero kmsg urandom");
    assert_eq!(open("write"), " null zero urandom");
    // /dev/kmsg is of the group `mem`, too.
    assert_eq!(open("strict"), " null zero kmsg urandom");
    assert_eq!(open("strictest"), " null");
}

#[test]
fn access_to_devices_is_changed_while_it_runs() {
    if !common::skip::is_root() || !std::path::Path::new("/dev/kmsg").exists() {
        return skip(Missing::Privilege, "only root opens /dev/kmsg");
    }
    let script = "while :; do if (: < /dev/kmsg) 2>/dev/null; then echo may; \
                  else echo may not; fi; sleep 0.1; done";
    let text = format!("[Service]\nExecStart=/bin/sh -c '{script}'\n");
    let daemon = Daemon::with(&[("a.service", &text)]);
    daemon.ok(&["start", "a.service"]);
    let last = || daemon.ok(&["logs", "-n", "1", "a.service"]);
    wait_until("it to open the device", || {
        last().trim_end().ends_with(" may")
    });
    daemon.ok(&[
        "set-property",
        "--runtime",
        "a.service",
        "DevicePolicy=closed",
    ]);
    if daemon.log().contains("not restricted anew") {
        return skip(
            Missing::Privilege,
            "the kernel takes no programs for devices",
        );
    }
    wait_until("it to be kept away", || {
        last().trim_end().ends_with("may not")
    });
    daemon.ok(&[
        "set-property",
        "--runtime",
        "a.service",
        "DevicePolicy=auto",
    ]);
    wait_until("it to be let again", || last().trim_end().ends_with(" may"));
}

#[test]
fn where_no_group_can_be_written_limits_are_told_and_units_run() {
    common::namespace::private(|| {
        // As in a restricted container: every hierarchy is there to be read.
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("it can be read");
        for line in mounts.lines() {
            let (before, after) = line.split_once(" - ").expect("a line of mountinfo");
            let point = before.split(' ').nth(4).expect("it has a mount point");
            if after.starts_with("cgroup") {
                let flags = nix::mount::MsFlags::MS_REMOUNT
                    | nix::mount::MsFlags::MS_BIND
                    | nix::mount::MsFlags::MS_RDONLY;
                nix::mount::mount(None::<&str>, point, None::<&str>, flags, None::<&str>)
                    .expect("our own mounts can be made read-only");
            }
        }
        let place = Place::new();
        place.write_unit(
            "a.service",
            &service("MemoryMax=64M\nCPUQuota=10%\nTasksMax=5\nIOWeight=50\nAllowedCPUs=0\nNice=1"),
        );
        place.write_unit(
            "closed.service",
            &service("DevicePolicy=closed\nMemoryMax=1G"),
        );
        place.write_unit(
            "degraded.service",
            &format!(
                "{}[X-Procmgr]\nAllowDegraded=DevicePolicy\n",
                service("DevicePolicy=closed")
            ),
        );
        let daemon = place.start();
        daemon.ok(&["start", "a.service"]);
        assert_eq!(daemon.show("a.service", "ControlGroup"), "");
        let effective = daemon.show("a.service", "EffectiveSettings");
        for (directive, controller) in [
            ("MemoryMax", "memory"),
            ("CPUQuota", "cpu"),
            ("TasksMax", "pids"),
            ("IOWeight", "io"),
            ("AllowedCPUs", "cpuset"),
        ] {
            let line = format!(
                "{directive}: not applied (controller {controller}: no control group can be written)"
            );
            assert!(effective.contains(&line), "{line} in {effective}");
        }
        assert!(effective.contains("Nice: applied"), "{effective}");
        assert_eq!(daemon.show("a.service", "MemoryCurrent"), "[not set]");
        // A protection is refused, unless the unit may go without.
        daemon.run(&["start", "closed.service"]);
        daemon.wait_state("closed.service", "failed/failed");
        assert_eq!(daemon.show("closed.service", "ExecMainStatus"), "219");
        daemon.ok(&["start", "degraded.service"]);
        assert_eq!(daemon.state("degraded.service"), "active/running");
        let effective = daemon.show("degraded.service", "EffectiveSettings");
        assert!(
            effective.contains("DevicePolicy: not applied (cannot restrict"),
            "{effective}"
        );
    });
}

#[test]
fn limits_are_known_to_the_daemon_that_takes_over() {
    if lacks(&[MEMORY, PIDS]) {
        return;
    }
    let text = service("Slice=kept.slice\nMemoryMax=64M\nTasksMax=9");
    let mut daemon = Daemon::with(&[("a.service", &text)]);
    daemon.ok(&["start", "a.service"]);
    let pid = daemon.main_pid("a.service");
    common::process::send(daemon.pid(), nix::sys::signal::Signal::SIGKILL);
    daemon.wait_end();
    // What is on the group is taken back where no file says so any more.
    let unit = service("Slice=kept.slice\nMemoryMax=32M");
    daemon.place().write_unit("a.service", &unit);
    daemon.start_again();
    assert_eq!(daemon.main_pid("a.service"), pid);
    daemon.ok(&["daemon-reload"]);
    let memory = || {
        let legacy = ("memory", "memory.limit_in_bytes");
        value(&daemon, "a.service", "memory.max", legacy)
    };
    wait_until("the new limit to count", || memory() == "33554432");
    daemon.ok(&["set-property", "--runtime", "a.service", "MemoryMax=48M"]);
    assert_eq!(memory(), "50331648");
    let group = daemon.show("a.service", "ControlGroup");
    assert!(group.ends_with("/kept.slice/a.service"), "{group}");
    let tasks = value(&daemon, "a.service", "pids.max", ("pids", "pids.max"));
    assert_ne!(tasks, "9");
}
