//! The engine in a simulated world, over many seeds (see `sim/mod.rs`).
//!
//! `SIM_SEEDS` and `SIM_FROM` choose the seeds; `SIM_SEED=n cargo test --profile sim --test sim
//! replay -- --nocapture` replays one, cut down to what its finding needs.

#[path = "sim/mod.rs"]
mod sim;

use sim::checks::Finding;
use sim::restore::Restores;
use sim::run::{run, shrink};
use sim::scenario::Scenario;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What every test run goes through.
const SEEDS: u64 = 20_000;

/// Events, states and results of jobs that many seeds together must come by.
const SEEN: [&str; 85] = [
    "Abandon",
    "BusNameOwned",
    "BusNameWatched",
    "Cancel",
    "Checked",
    "ClockJumped",
    "Collect",
    "Connected",
    "DescriptorGone",
    "Elapsed",
    "Exited",
    "GroupEmpty",
    "Hold",
    "HolderGone",
    "InstanceLoaded",
    "Keep",
    "Kill",
    "Killed",
    "Load",
    "MainFound",
    "MainNotFound",
    "Notified",
    "OutOfMemory",
    "PathTouched",
    "PathsSeen",
    "Release",
    "Request",
    "ResetFailed",
    "Shutdown",
    "SocketsOpened",
    "SpawnFailed",
    "Spawned",
    "Spawned, not executed",
    "StampRead",
    "TakenIn",
    "Traffic",
    "WatchFailed",
    "ZoneChanged",
    "a journal was played",
    "abandoned",
    "assert",
    "auto-restart",
    "auto-restart-queued",
    "canceled",
    "condition",
    "dead",
    "dependency",
    "done",
    "elapsed",
    "exited",
    "failed",
    "final-sigkill",
    "final-sigterm",
    "invalid",
    "listening",
    "loaded again",
    "new generation",
    "new generation removed",
    "new generation took over",
    "no generation left",
    "reload",
    "reload-notify",
    "reload-signal",
    "restored",
    "restored with other files",
    "running",
    "skipped",
    "start",
    "start-chown",
    "start-post",
    "start-pre",
    "started with its dependency",
    "stop",
    "stop-post",
    "stop-pre",
    "stop-pre-sigkill",
    "stop-pre-sigterm",
    "stop-sigkill",
    "stop-sigterm",
    "stop-watchdog",
    "stored",
    "timeout",
    "unloaded",
    "unsupported",
    "waiting",
];

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number")),
    )
}

/// What all seeds together came to.
#[derive(Default)]
struct Sum {
    findings: Vec<(u64, Finding)>,
    seen: BTreeSet<&'static str>,
    steps: usize,
}

/// Runs seeds on all processors until enough is found.
fn run_all(from: u64, seeds: u64) -> Sum {
    let next = AtomicU64::new(from);
    let sum = Mutex::new(Sum::default());
    let over = AtomicBool::new(false);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let at_work: Vec<AtomicU64> = (0..threads).map(|_| AtomicU64::new(u64::MAX)).collect();
    std::thread::scope(|scope| {
        let workers: Vec<_> = at_work
            .iter()
            .map(|at_work| scope.spawn(|| work(&next, from + seeds, &sum, at_work)))
            .collect();
        scope.spawn(|| watch(&at_work, &over));
        for worker in workers {
            worker.join().expect("panics are findings");
        }
        over.store(true, Ordering::Relaxed);
    });
    sum.into_inner().expect("no worker panicked")
}

fn work(next: &AtomicU64, end: u64, sum: &Mutex<Sum>, at_work: &AtomicU64) {
    let mut seen = BTreeSet::new();
    let mut steps = 0;
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end || sum.lock().expect("no panic").findings.len() > 20 {
            break;
        }
        at_work.store(seed, Ordering::Relaxed);
        let report = run(&Scenario::new(seed), Restores::Seldom, false);
        seen.extend(report.seen);
        steps += report.steps;
        if let Some(finding) = report.finding {
            let mut sum = sum.lock().expect("no panic");
            sum.findings.push((seed, finding));
        }
    }
    at_work.store(u64::MAX, Ordering::Relaxed);
    let mut sum = sum.lock().expect("no panic");
    sum.seen.extend(seen);
    sum.steps += steps;
}

/// An engine that never comes back cannot be stopped, but named.
fn watch(at_work: &[AtomicU64], over: &AtomicBool) {
    let mut before: Vec<(u64, u32)> = vec![(u64::MAX, 0); at_work.len()];
    while !over.load(Ordering::Relaxed) {
        std::thread::sleep(std::time::Duration::from_millis(100));
        for (place, seed) in at_work.iter().enumerate() {
            let seed = seed.load(Ordering::Relaxed);
            let times = if before[place].0 == seed {
                before[place].1 + 1
            } else {
                0
            };
            before[place] = (seed, times);
            if seed != u64::MAX && times == 20 {
                eprintln!("seed {seed} takes long");
            }
            if seed != u64::MAX && times > 600 {
                eprintln!("seed {seed} does not come back: the engine hangs in one event");
                std::process::exit(101);
            }
        }
    }
}

/// What a failing seed says, with the way to replay it.
fn tell(findings: &[(u64, Finding)]) -> String {
    let mut lines = vec![format!("{} seeds fail:", findings.len())];
    for (seed, finding) in findings {
        lines.push(format!(
            "  seed {seed}: {}: {}",
            finding.check, finding.text
        ));
    }
    if let Some((seed, _)) = findings.first() {
        lines.push(format!(
            "replay with: SIM_SEED={seed} cargo test --profile sim --test sim replay -- --nocapture"
        ));
    }
    lines.join("\n")
}

/// Runs a seed again, cut down if it fails; the trace, and the finding.
fn replayed(seed: u64) -> (Vec<String>, Option<Finding>) {
    let whole = Scenario::new(seed);
    let Some(finding) = run(&whole, Restores::Seldom, false).finding else {
        return (run(&whole, Restores::Seldom, true).trace, None);
    };
    let small = whole.without(&shrink(&whole, finding.check));
    let mut lines: Vec<String> = Vec::new();
    for (number, unit) in small.units.iter().enumerate() {
        lines.push(format!("{number}: {}", describe(unit)));
    }
    let report = run(&small, Restores::Seldom, true);
    lines.extend(report.trace);
    (lines, report.finding)
}

fn describe(unit: &procmgr::unit::config::UnitConfig) -> String {
    let edges: Vec<String> = unit
        .dependencies
        .iter()
        .map(|edge| format!("{:?}={}", edge.kind, edge.target))
        .collect();
    let service = unit.service().map_or_else(String::new, |service| {
        use procmgr::unit::config::CommandKind;
        let commands: Vec<String> = CommandKind::ALL
            .iter()
            .map(|kind| (kind, service.commands.get(*kind).len()))
            .filter(|(_, count)| *count > 0)
            .map(|(kind, count)| format!("{}*{count}", kind.directive()))
            .collect();
        format!(
            "{:?} {:?} Restart={:?} RemainAfterExit={} {:?} PIDFile={} {:?} {:?}",
            service.service_type,
            commands,
            service.restart,
            service.remain_after_exit,
            service.kill.mode,
            service.pid_file.is_some(),
            service.timeout_start,
            service.timeout_stop,
        )
    });
    format!(
        "{} {} {edges:?}\n     {service}",
        unit.name,
        unit.load.as_str()
    )
}

#[test]
fn what_must_hold_holds_for_every_seed() {
    let from = number("SIM_FROM").unwrap_or(1);
    let seeds = number("SIM_SEEDS").unwrap_or(SEEDS);
    let began = std::time::Instant::now();
    let sum = run_all(from, seeds);
    println!(
        "{seeds} seeds from {from}, {} steps, {:.1} s",
        sum.steps,
        began.elapsed().as_secs_f64()
    );
    println!("seen: {:?}", sum.seen);
    assert!(sum.findings.is_empty(), "{}", tell(&sum.findings));
    // No life is dull: what the world can do to the engine, and the engine to services, was
    // all seen.
    if seeds >= SEEDS {
        let missing: Vec<_> = SEEN.iter().filter(|it| !sum.seen.contains(*it)).collect();
        assert!(missing.is_empty(), "never seen: {missing:?}");
    }
}

#[test]
fn replay() {
    let Some(seed) = number("SIM_SEED") else {
        return;
    };
    let (trace, finding) = replayed(seed);
    println!("{}", trace.join("\n"));
    if let Some(finding) = finding {
        panic!("seed {seed}: {}: {}", finding.check, finding.text);
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 1..200 {
        let [first, second] = [(); 2].map(|()| run(&Scenario::new(seed), Restores::Seldom, true));
        assert!(!first.trace.is_empty());
        assert_eq!(first.trace, second.trace, "seed {seed}");
    }
}

#[test]
fn an_engine_that_is_restored_behind_every_event_lives_the_same_life() {
    for seed in 1..400 {
        let scenario = Scenario::new(seed);
        let [first, second] =
            [Restores::Never, Restores::Always].map(|often| run(&scenario, often, true));
        assert_eq!(first.finding, second.finding, "seed {seed}");
        let mut lines = first.trace.iter().zip(&second.trace);
        let place = lines.position(|(one, other)| one != other);
        let place = place.unwrap_or(first.trace.len().min(second.trace.len()));
        let [one, other] = [&first, &second].map(|it| it.trace.get(place));
        assert_eq!(one, other, "seed {seed}, line {place}");
    }
}
