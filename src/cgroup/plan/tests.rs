//! What is written for which settings, in both versions.

use super::*;
use crate::unit::load::{MemorySource, Settings, load};
use crate::unit::name::UnitName;

/// The configuration of a unit with these lines in its own section.
fn config(name: &str, lines: &str) -> ResourceConfig {
    let section = if name.ends_with(".slice") {
        "Slice"
    } else {
        "Service"
    };
    let text = format!("[{section}]\n{lines}\n");
    let source = MemorySource::new().file(&format!("/u/{name}"), text);
    let mut settings = Settings {
        path: vec!["/u".into()],
        ..Settings::default()
    };
    settings.system.memory = 1 << 30;
    settings.system.tasks = 1000;
    let name = UnitName::parse(name).unwrap();
    let names = BTreeSet::from([name.clone()]);
    let loaded = load(&names, &BTreeSet::new(), &settings, &source);
    let unit = &loaded.units[&name];
    let complaints: Vec<_> = unit.diagnostics.iter().map(ToString::to_string).collect();
    assert!(
        complaints.iter().all(|c| c.contains("ExecStart")),
        "{complaints:?}"
    );
    ResourceConfig::clone(&unit.resource)
}

fn service(lines: &str) -> ResourceConfig {
    config("a.service", &format!("ExecStart=/bin/a\n{lines}"))
}

fn all(version: Version) -> BTreeMap<Controller, Version> {
    let all = Controller::ALL.into_iter();
    let has = |c: &Controller| version == Version::One || c.unified_name().is_some();
    all.filter(has).map(|c| (c, version)).collect()
}

fn made(
    config: &ResourceConfig,
    version: Version,
    startup: bool,
    above: &[&ResourceConfig],
) -> Plan {
    let versions = all(version);
    let ground = Ground {
        versions: &versions,
        absent: "not here",
        startup,
        above,
    };
    plan(config, &ground)
}

/// `file=value`, behind the path of the device if there is one.
fn written(plan: &Plan) -> Vec<String> {
    let text = |write: &Write| match &write.device {
        Some(device) => format!("{}={device} {}", write.file, write.value),
        None => format!("{}={}", write.file, write.value),
    };
    let writes = plan.writes.iter().filter(|w| w.directive != "TasksMax");
    writes.map(text).collect()
}

fn found(plan: &Plan) -> Vec<String> {
    let text = |finding: &Finding| {
        let how = if finding.reduced { "reduced" } else { "missed" };
        format!("{} {how}: {}", finding.directive, finding.reason)
    };
    plan.findings.iter().map(text).collect()
}

#[track_caller]
fn check(lines: &str, unified: &[&str], legacy: &[&str]) {
    let config = service(lines);
    let made = |version| made(&config, version, false, &[]);
    assert_eq!(
        written(&made(Version::Two)),
        unified,
        "{lines} in version 2"
    );
    assert_eq!(written(&made(Version::One)), legacy, "{lines} in version 1");
}

#[test]
fn nothing_is_written_that_nobody_asks_for_but_the_share_of_tasks() {
    check("", &[], &[]);
    let config = service("");
    let unified = made(&config, Version::Two, false, &[]);
    assert_eq!(unified.writes.len(), 1);
    assert_eq!(unified.writes[0].value, "150");
    assert_eq!(
        unified.needed,
        [Controller::Memory, Controller::Tasks].into()
    );
    let legacy = made(&config, Version::One, false, &[]);
    assert_eq!(legacy, Plan::default(), "no process is moved for it");
}

#[test]
fn processor_time() {
    check("CPUWeight=200", &["cpu.weight=200"], &["cpu.shares=2048"]);
    check("CPUWeight=idle", &["cpu.idle=1"], &["cpu.shares=2"]);
    check("CPUShares=512", &["cpu.weight=50"], &["cpu.shares=512"]);
    check(
        "CPUShares=512\nCPUWeight=100",
        &["cpu.weight=100"],
        &["cpu.shares=1024"],
    );
    check(
        "CPUQuota=20%",
        &["cpu.max=20000 100000"],
        &["cpu.cfs_period_us=100000", "cpu.cfs_quota_us=20000"],
    );
    check(
        "CPUQuota=150%\nCPUQuotaPeriodSec=10ms",
        &["cpu.max=15000 10000"],
        &["cpu.cfs_period_us=10000", "cpu.cfs_quota_us=15000"],
    );
}

#[test]
fn quotas_and_periods_are_what_the_kernel_takes() {
    let percent = |percent: u64, period| quota(percent * 10_000, period);
    assert_eq!(percent(20, None), (20_000, 100_000));
    assert_eq!(percent(20, Some(500)), (1000, 5000));
    assert_eq!(percent(100, Some(500)), (1000, 1000));
    assert_eq!(percent(20, Some(9_000_000)), (200_000, 1_000_000));
    // A hundredth of a percent: a second is not long enough for a millisecond.
    assert_eq!(quota(100, None), (1000, 1_000_000));
    let plan = made(
        &service("CPUQuota=20%\nCPUQuotaPeriodSec=500us"),
        Version::Two,
        false,
        &[],
    );
    let wanted = "CPUQuotaPeriodSec reduced: to 5000 us, the nearest that the kernel takes";
    assert_eq!(found(&plan), [wanted]);
}

#[test]
fn processors_and_nodes() {
    check(
        "AllowedCPUs=0-2 5",
        &["cpuset.cpus=0-2,5"],
        &["cpuset.cpus=0-2,5"],
    );
    check(
        "AllowedMemoryNodes=0",
        &["cpuset.mems=0"],
        &["cpuset.mems=0"],
    );
    assert_eq!(set_bits("0-2,5\n"), [0, 1, 2, 5].into());
    assert_eq!(set_text(&[0b10_0111, 0, 1]), "0-2,5,16");
}

#[test]
fn memory() {
    check(
        "MemoryMin=1M\nMemoryLow=2M\nMemoryHigh=3M\nMemoryMax=50%\nMemorySwapMax=0",
        &[
            "memory.min=1048576",
            "memory.low=2097152",
            "memory.high=3145728",
            "memory.max=536870912",
            "memory.swap.max=0",
        ],
        &[
            "memory.limit_in_bytes=536870912",
            "memory.memsw.limit_in_bytes=536870912",
        ],
    );
    check("MemoryMax=infinity", &["memory.max=max"], &[]);
    check(
        "MemoryLimit=1M",
        &["memory.max=1048576"],
        &["memory.limit_in_bytes=1048576"],
    );
    check(
        "MemoryZSwapMax=4K\nMemoryZSwapWriteback=no",
        &["memory.zswap.max=4096", "memory.zswap.writeback=0"],
        &[],
    );
    let config = service("MemoryHigh=1M\nMemorySwapMax=1M");
    let wanted = [
        "MemoryHigh missed: cgroup v1 has no such limit",
        "MemorySwapMax missed: cgroup v1 limits swap only together with memory, and MemoryMax= \
         is not set",
    ];
    assert_eq!(found(&made(&config, Version::One, false, &[])), wanted);
    let config = service("MemoryLimit=1M\nMemoryHigh=2M");
    let plan = made(&config, Version::Two, false, &[]);
    assert_eq!(written(&plan), ["memory.high=2097152"]);
    assert_eq!(
        found(&plan),
        ["MemoryLimit missed: MemoryMax= or its kin are set, too"]
    );
}

#[test]
fn tasks() {
    let value = |lines, version| {
        let plan = made(&service(lines), version, false, &[]);
        plan.writes.first().map(|write| write.value.clone())
    };
    assert_eq!(value("TasksMax=7", Version::Two).unwrap(), "7");
    assert_eq!(value("TasksMax=10%", Version::Two).unwrap(), "100");
    assert_eq!(value("TasksMax=infinity", Version::Two), None);
    assert_eq!(value("TasksMax=7", Version::One).unwrap(), "7");
}

#[test]
fn block_devices() {
    check(
        "IOWeight=50",
        &["io.weight=default 50"],
        &["blkio.weight=250"],
    );
    check(
        "IODeviceWeight=/dev/a 200\nIODeviceWeight=/dev/a 300",
        &["io.weight=/dev/a 300"],
        &["blkio.weight_device=/dev/a 1000"],
    );
    check(
        "IOReadBandwidthMax=/dev/a 5M\nIOWriteIOPSMax=/dev/a 1K\nIOWriteBandwidthMax=/b infinity",
        &[
            "io.max=/dev/a rbps=5000000",
            "io.max=/b wbps=max",
            "io.max=/dev/a wiops=1000",
        ],
        &[
            "blkio.throttle.read_bps_device=/dev/a 5000000",
            "blkio.throttle.write_bps_device=/b 0",
            "blkio.throttle.write_iops_device=/dev/a 1000",
        ],
    );
    check(
        "IODeviceLatencyTargetSec=/dev/a 25ms",
        &["io.latency=/dev/a target=25000"],
        &[],
    );
    check(
        "BlockIOWeight=500\nBlockIOReadBandwidth=/dev/a 1K",
        &["io.weight=default 100", "io.max=/dev/a rbps=1000"],
        &[
            "blkio.weight=500",
            "blkio.throttle.read_bps_device=/dev/a 1000",
        ],
    );
    let plan = made(
        &service("IOWeight=100\nBlockIOWeight=500"),
        Version::Two,
        false,
        &[],
    );
    assert_eq!(written(&plan), ["io.weight=default 100"]);
    assert_eq!(
        found(&plan),
        ["BlockIOWeight missed: IOWeight= or its kin are set, too"]
    );
}

#[test]
fn startup_has_values_of_its_own() {
    let config = service("CPUWeight=100\nStartupCPUWeight=900\nStartupMemoryMax=1M");
    assert!(config.has_phases() && !service("CPUWeight=100").has_phases());
    let startup = made(&config, Version::Two, true, &[]);
    assert_eq!(written(&startup), ["cpu.weight=900", "memory.max=1048576"]);
    assert_eq!(startup.writes[0].directive, "StartupCPUWeight");
    let later = made(&config, Version::Two, false, &[]);
    assert_eq!(written(&later), ["cpu.weight=100"]);
}

#[test]
fn slices_say_what_units_without_a_value_have() {
    let inner = config("a-b.slice", "DefaultMemoryLow=3M");
    let outer = config("a.slice", "DefaultMemoryLow=1M\nDefaultMemoryMin=2M");
    let above = [&inner, &outer];
    let plan = made(&service(""), Version::Two, false, &above);
    assert_eq!(written(&plan), ["memory.min=2097152", "memory.low=3145728"]);
    let plan = made(&service("MemoryMin=0"), Version::Two, false, &above);
    assert_eq!(written(&plan), ["memory.min=0", "memory.low=3145728"]);
    // It is nothing to the slice itself.
    assert_eq!(written(&made(&outer, Version::Two, false, &[])), [""; 0]);
}

#[test]
fn a_limit_of_a_slice_of_version_1_takes_the_units_along() {
    let slice = config("a.slice", "MemoryMax=1M");
    let plan = made(&service(""), Version::One, false, &[&slice]);
    assert_eq!(plan.needed, [Controller::Memory].into());
    assert!(plan.writes.is_empty());
}

#[test]
fn what_is_not_there_or_kept_away_is_told() {
    let config = service("MemoryMax=1M\nTasksMax=5\nCPUAccounting=yes\nMemoryAccounting=yes");
    let nothing = BTreeMap::new();
    let ground = Ground {
        versions: &nothing,
        absent: "not here",
        startup: false,
        above: &[],
    };
    let wanted = [
        "MemoryAccounting missed: controller memory: not here",
        "MemoryMax missed: controller memory: not here",
        "TasksMax missed: controller pids: not here",
    ];
    assert_eq!(found(&plan(&config, &ground)), wanted);
    let slice = self::config("a.slice", "DisableControllers=memory cpu");
    let plan = made(&config, Version::Two, false, &[&slice]);
    let wanted = [
        "MemoryAccounting missed: controller memory: DisableControllers= of its slice",
        "MemoryMax missed: controller memory: DisableControllers= of its slice",
    ];
    assert_eq!(found(&plan), wanted);
    assert_eq!(plan.needed, [Controller::Tasks].into());
}

#[test]
fn what_is_counted_or_handed_over_needs_its_controller() {
    let needed = |lines, version| made(&service(lines), version, false, &[]).needed;
    let off = "MemoryAccounting=no\nTasksAccounting=no\nTasksMax=infinity\n";
    assert_eq!(needed(off, Version::Two), [].into());
    assert_eq!(
        needed("IOAccounting=yes", Version::One),
        [Controller::Io].into()
    );
    let delegated = format!("{off}Delegate=cpu pids");
    let wanted = [Controller::Cpu, Controller::Tasks];
    assert_eq!(needed(&delegated, Version::Two), wanted.into());
    assert_eq!(needed(&delegated, Version::One), [].into());
}
