//! The daemon is killed at many points and started again: no service is lost or there twice, no
//! connection is refused, no line of log is lost, and counters go on. Printed as a table.

mod common;

use common::daemon::Place;
use common::process::{self, lives, send};
use common::{Daemon, wait_for, wait_until};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// One point at which the daemon is killed.
struct Point {
    what: &'static str,
    /// The unit that is at the point; `@NAME@` is its name, `@DIR@` the test's directory.
    text: &'static str,
    /// How it gets there: arguments of the command line, and the state to wait for.
    reach: &'static [(&'static [&'static str], &'static str)],
    /// While nobody is there.
    down: fn(&Daemon, &str),
    /// Where it is in the end.
    last: &'static str,
    /// How often its main process was started in the end.
    starts: usize,
}

const NOTHING: fn(&Daemon, &str) = |_, _| {};
const START: &[&str] = &["start", "--no-block", "@NAME@.service"];
const STOP: &[&str] = &["stop", "--no-block", "@NAME@.service"];
const RELOAD: &[&str] = &["reload", "--no-block", "@NAME@.service"];
const RESTART: &[&str] = &["restart", "--no-block", "@NAME@.service"];
const RUNNING: &str = "active/running";

fn kill_main(daemon: &Daemon, name: &str) {
    let pid = daemon.records().last(name, "start").pid;
    send(pid, Signal::SIGKILL);
    wait_until("it to be gone", || !lives(pid));
}

/// States have to be seen by clients of a busy machine, and last some seconds; this is how long
/// nobody is there where they end meanwhile.
const MEANWHILE: Duration = Duration::from_millis(2200);

#[rustfmt::skip]
const POINTS: &[Point] = &[
    Point { what: "running", text: "ExecStart=stand-in-agent --name @NAME@\n",
        reach: &[(START, RUNNING)], down: NOTHING, last: RUNNING, starts: 1 },
    Point { what: "start-pre", text: "ExecStartPre=/bin/sleep 2\nExecStart=stand-in-agent --name @NAME@\n",
        reach: &[(START, "activating/start-pre")], down: NOTHING, last: RUNNING, starts: 1 },
    Point { what: "start-pre ends meanwhile", text: "ExecStartPre=/bin/sleep 2\nExecStart=stand-in-agent --name @NAME@\n",
        reach: &[(START, "activating/start-pre")], down: |_, _| thread::sleep(MEANWHILE), last: RUNNING, starts: 1 },
    Point { what: "condition", text: "ExecCondition=/bin/sleep 2\nExecStart=stand-in-agent --name @NAME@\n",
        reach: &[(START, "activating/condition")], down: NOTHING, last: RUNNING, starts: 1 },
    Point { what: "start of Type=notify", text: "Type=notify\nExecStart=stand-in-agent --name @NAME@ --notify --ready-after 2\n",
        reach: &[(START, "activating/start")], down: NOTHING, last: RUNNING, starts: 1 },
    Point { what: "READY=1 said meanwhile", text: "Type=notify\nExecStart=stand-in-agent --name @NAME@ --notify --ready-after 2\n",
        reach: &[(START, "activating/start")], down: |_, _| thread::sleep(MEANWHILE), last: RUNNING, starts: 1 },
    Point { what: "start of Type=forking", text: "Type=forking\nPIDFile=@DIR@/@NAME@.pid\nExecStart=stand-in-agent --name @NAME@ --fork --ready-after 2 --pidfile @DIR@/@NAME@.pid\n",
        reach: &[(START, "activating/start")], down: NOTHING, last: RUNNING, starts: 1 },
    Point { what: "forked main process", text: "Type=forking\nPIDFile=@DIR@/@NAME@.pid\nExecStart=stand-in-agent --name @NAME@ --fork --pidfile @DIR@/@NAME@.pid\n",
        reach: &[(START, RUNNING)], down: NOTHING, last: RUNNING, starts: 1 },
    Point { what: "start of Type=oneshot", text: "Type=oneshot\nRemainAfterExit=yes\nExecStart=stand-in-agent --name @NAME@ --run-for 2\n",
        reach: &[(START, "activating/start")], down: NOTHING, last: "active/exited", starts: 1 },
    Point { what: "exited", text: "Type=oneshot\nRemainAfterExit=yes\nExecStart=stand-in-agent --name @NAME@ --run-for 0.1\n",
        reach: &[(START, "active/exited")], down: NOTHING, last: "active/exited", starts: 1 },
    Point { what: "start-post", text: "ExecStart=stand-in-agent --name @NAME@\nExecStartPost=/bin/sleep 2\n",
        reach: &[(START, "activating/start-post")], down: NOTHING, last: RUNNING, starts: 1 },
    Point { what: "reload", text: "ExecStart=stand-in-agent --name @NAME@\nExecReload=/bin/sleep 2\n",
        reach: &[(START, RUNNING), (RELOAD, "reloading/reload")], down: NOTHING, last: RUNNING, starts: 1 },
    Point { what: "ExecStop=", text: "ExecStart=stand-in-agent --name @NAME@\nExecStop=/bin/sleep 2\n",
        reach: &[(START, RUNNING), (STOP, "deactivating/stop")], down: NOTHING, last: "inactive/dead", starts: 1 },
    Point { what: "stop-sigterm", text: "ExecStart=stand-in-agent --name @NAME@ --stop-delay 2\n",
        reach: &[(START, RUNNING), (STOP, "deactivating/stop-sigterm")], down: NOTHING, last: "inactive/dead", starts: 1 },
    Point { what: "stopped meanwhile", text: "ExecStart=stand-in-agent --name @NAME@ --stop-delay 2\n",
        reach: &[(START, RUNNING), (STOP, "deactivating/stop-sigterm")], down: |_, _| thread::sleep(MEANWHILE), last: "inactive/dead", starts: 1 },
    Point { what: "stop that needs SIGKILL", text: "TimeoutStopSec=3\nExecStart=stand-in-agent --name @NAME@ --ignore-term\n",
        reach: &[(START, RUNNING), (STOP, "deactivating/stop-sigterm")], down: NOTHING, last: "failed/failed", starts: 1 },
    Point { what: "stop-post", text: "ExecStart=stand-in-agent --name @NAME@\nExecStopPost=/bin/sleep 2\n",
        reach: &[(START, RUNNING), (STOP, "deactivating/stop-post")], down: NOTHING, last: "inactive/dead", starts: 1 },
    Point { what: "restart, on the way down", text: "ExecStart=stand-in-agent --name @NAME@ --stop-delay 2\n",
        reach: &[(START, RUNNING), (RESTART, "deactivating/stop-sigterm")], down: NOTHING, last: RUNNING, starts: 2 },
    Point { what: "auto-restart", text: "Restart=on-failure\nRestartSec=2\nExecStart=/bin/sh -c 'exec stand-in-agent --name @NAME@ $(mkdir @DIR@/@NAME@.once 2>/dev/null && echo --crash-after 0.1)'\n",
        reach: &[(START, "activating/auto-restart")], down: NOTHING, last: RUNNING, starts: 2 },
    Point { what: "auto-restart over meanwhile", text: "Restart=on-failure\nRestartSec=2\nExecStart=/bin/sh -c 'exec stand-in-agent --name @NAME@ $(mkdir @DIR@/@NAME@.once 2>/dev/null && echo --crash-after 0.1)'\n",
        reach: &[(START, "activating/auto-restart")], down: |_, _| thread::sleep(MEANWHILE), last: RUNNING, starts: 2 },
    Point { what: "start limit hit", text: "Restart=always\nRestartSec=10ms\nExecStart=stand-in-agent --name @NAME@ --crash-after 0\n[Unit]\nStartLimitBurst=3\nStartLimitIntervalSec=1h\n",
        reach: &[(START, "failed/failed")], down: NOTHING, last: "failed/failed", starts: 3 },
    Point { what: "killed meanwhile", text: "Restart=on-failure\nRestartSec=10ms\nExecStart=stand-in-agent --name @NAME@\n",
        reach: &[(START, RUNNING)], down: kill_main, last: RUNNING, starts: 2 },
    Point { what: "killed meanwhile, Restart=no", text: "ExecStart=stand-in-agent --name @NAME@\n",
        reach: &[(START, RUNNING)], down: kill_main, last: "failed/failed", starts: 1 },
    Point { what: "ends well meanwhile", text: "Restart=on-failure\nExecStart=stand-in-agent --name @NAME@ --run-for 2\n",
        reach: &[(START, RUNNING)], down: |_, _| thread::sleep(MEANWHILE), last: "inactive/dead", starts: 1 },
    Point { what: "fails meanwhile", text: "Restart=on-abnormal\nExecStart=stand-in-agent --name @NAME@ --crash-after 2 --crash-with 7\n",
        reach: &[(START, RUNNING)], down: |_, _| thread::sleep(MEANWHILE), last: "failed/failed", starts: 1 },
    Point { what: "stop-post after a failure meanwhile", text: "ExecStart=stand-in-agent --name @NAME@\nExecStopPost=/bin/sh -c 'echo $$SERVICE_RESULT $$EXIT_STATUS >@DIR@/@NAME@.result'\n",
        reach: &[(START, RUNNING)], down: kill_main, last: "failed/failed", starts: 1 },
    Point { what: "held back for Type=idle", text: "Type=idle\nExecStart=stand-in-agent --name @NAME@\n",
        reach: &[(&["start", "--no-block", "waits.service"], "activating/start"), (START, RUNNING)], down: NOTHING, last: RUNNING, starts: 1 },
    Point { what: "job that waits for another", text: "ExecStart=stand-in-agent --name @NAME@\n[Unit]\nAfter=waits.service\nWants=waits.service\n",
        reach: &[(START, "inactive/dead")], down: NOTHING, last: RUNNING, starts: 1 },
    Point { what: "left behind by KillMode=process", text: "KillMode=process\nExecStart=stand-in-agent --name @NAME@ --children 1\n",
        reach: &[(START, RUNNING), (STOP, "inactive/dead")], down: NOTHING, last: "inactive/dead", starts: 1 },
    Point { what: "with children of its own", text: "ExecStart=stand-in-agent --name @NAME@ --children 3\n",
        reach: &[(START, RUNNING)], down: NOTHING, last: RUNNING, starts: 1 },
];

const TICKS: &str = "[Service]\nExecStart=/bin/sh -c 'i=0; while :; do i=$((i+1)); \
                     echo tick $i.; echo err $i. >&2; sleep 0.01; done'\nStandardError=log\n";
const COUNTED: &str = "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=always\n\
                       RestartSec=100ms\nExecStart=stand-in-agent --name counted --crash-after 1.2\n";

/// Who asks a service all the time, and what came of it.
struct Caller {
    over: Arc<AtomicBool>,
    good: Arc<AtomicU32>,
    bad: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Caller {
    fn start(socket: PathBuf) -> Caller {
        let caller = Caller {
            over: Arc::default(),
            good: Arc::default(),
            bad: Arc::default(),
            thread: None,
        };
        let (over, good, bad) = (caller.over.clone(), caller.good.clone(), caller.bad.clone());
        let thread = thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                match ask(&socket) {
                    Ok(()) => drop(good.fetch_add(1, Ordering::Relaxed)),
                    Err(error) => bad.lock().expect("nobody panics").push(error),
                }
                thread::sleep(Duration::from_millis(2));
            }
        });
        Caller {
            thread: Some(thread),
            ..caller
        }
    }

    fn failures(&self) -> Vec<String> {
        std::mem::take(&mut *self.bad.lock().expect("nobody panics"))
    }

    fn end(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("it only asks");
        }
    }
}

fn connect(socket: &Path) -> Result<UnixStream, String> {
    let stream = UnixStream::connect(socket).map_err(|error| format!("connect: {error}"))?;
    let patience = Some(Duration::from_secs(20));
    stream.set_read_timeout(patience).expect("it is a socket");
    Ok(stream)
}

fn ask(socket: &Path) -> Result<(), String> {
    let mut text = String::new();
    match connect(socket)?.read_to_string(&mut text) {
        Ok(0) => Err("no answer".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("read: {error}")),
    }
}

/// The numbers of `word N.` in a log that are missing below the highest.
fn missing(log: &str, word: &str) -> Vec<u32> {
    let numbers: BTreeSet<u32> = log
        .lines()
        .filter_map(|line| line.split_once(&format!("]: {word} "))?.1.strip_suffix('.'))
        .filter_map(|number| number.parse().ok())
        .collect();
    let last = numbers.last().copied().unwrap_or(0);
    (1..=last)
        .filter(|number| !numbers.contains(number))
        .collect()
}

/// How many processes of this name of the stand-in there are.
fn count_of(daemon: &Daemon, name: &str) -> usize {
    let all = daemon.survivors().into_iter();
    let is_it = |words: &[String]| words.iter().any(|word| word == name);
    all.filter(|pid| is_it(&process::command_line(*pid)))
        .count()
}

fn with_names(daemon: &Daemon, text: &str, name: &str) -> String {
    let directory = daemon.place().path().display().to_string();
    text.replace("@NAME@", name).replace("@DIR@", &directory)
}

/// The daemon and what runs beside every point.
struct World {
    daemon: Daemon,
    caller: Caller,
    mains: [i32; 2],
    rows: Vec<String>,
    bad: Vec<String>,
}

const BYSTANDERS: [&str; 2] = ["keeps.service", "ticks.service"];

impl World {
    fn new() -> World {
        let place = Place::new();
        let socket = place.file("keeps");
        place.write_unit(
            "keeps.socket",
            &format!("[Socket]\nListenStream={}\n", socket.display()),
        );
        place.write_unit(
            "keeps.service",
            "[Service]\nExecStart=stand-in-agent --name keeps --listen passed\n",
        );
        place.write_unit("ticks.service", TICKS);
        place.write_unit("counted.service", COUNTED);
        place.write_unit(
            "waits.service",
            "[Service]\nType=oneshot\nExecStart=/bin/sleep 4\n",
        );
        let daemon = place.start();
        daemon.ok(&["start", "keeps.socket", "ticks.service", "counted.service"]);
        ask(&socket).expect("it is activated");
        World {
            mains: BYSTANDERS.map(|unit| daemon.main_pid(unit)),
            caller: Caller::start(socket),
            daemon,
            rows: Vec::new(),
            bad: Vec::new(),
        }
    }

    /// Kills the daemon and starts it again; `down` happens in between.
    fn kill(&mut self, down: impl FnOnce(&Daemon)) {
        self.daemon.kill();
        down(&self.daemon);
        self.daemon.start_again();
    }

    /// Looks at everything and writes a row.
    fn judge(&mut self, what: &str, name: &str, lost: Option<String>) {
        let daemon = &self.daemon;
        let mut lost: Vec<String> = lost.into_iter().collect();
        for (unit, before) in BYSTANDERS.iter().zip(self.mains) {
            let now: i32 = daemon.show(unit, "MainPID").parse().expect("a number");
            if now != before {
                lost.push(format!("{unit} was {before}, is {now}"));
            }
        }
        let names = [name, "keeps", "counted"];
        let doubled: Vec<String> = names
            .iter()
            .filter(|name| count_of(daemon, name) > 1)
            .filter(|name| !what.contains("children") || **name == "keeps")
            .map(|name| format!("{} x {name}", count_of(daemon, name)))
            .collect();
        let refused = self.caller.failures();
        let log = daemon.whole_log();
        let mut gone = missing(&log, "tick");
        gone.extend(missing(&log, "err"));
        let counter = wait_counter(daemon);
        let columns = [
            lost.join("; "),
            doubled.join("; "),
            refused.join("; "),
            format!("{gone:?}").replace("[]", ""),
            counter.err().unwrap_or_default(),
        ];
        let cells = columns
            .iter()
            .map(|it| if it.is_empty() { "-" } else { it });
        let row = format!("| {what} | {} |", cells.collect::<Vec<_>>().join(" | "));
        if columns.iter().any(|column| !column.is_empty()) {
            self.bad.push(row.clone());
        }
        self.rows.push(row);
    }

    fn end(mut self) {
        self.caller.end();
        println!("| killed at | lost | doubled | refused | lines lost | counters |");
        println!("|---|---|---|---|---|---|");
        for row in &self.rows {
            println!("{row}");
        }
        let good = self.caller.good.load(Ordering::Relaxed);
        println!("{} points, {good} connections", self.rows.len());
        assert!(
            self.bad.is_empty(),
            "{:#?}\n{}",
            self.bad,
            self.daemon.whole_log()
        );
    }
}

/// NRestarts of a service that crashes again and again is the number of its starts, less one.
fn wait_counter(daemon: &Daemon) -> Result<(), String> {
    let mut seen = String::new();
    for _ in 0..100 {
        let restarts: usize = daemon
            .show("counted.service", "NRestarts")
            .parse()
            .expect("a number");
        let starts = daemon.records().of("counted", "start").len();
        if restarts + 1 == starts {
            return Ok(());
        }
        seen = format!("{starts} starts, NRestarts={restarts}");
        thread::sleep(Duration::from_millis(20));
    }
    Err(seen)
}

/// Waits until a unit is there and its main process was started so often.
fn settled(daemon: &Daemon, name: &str, last: &str, starts: usize) -> Option<String> {
    let unit = format!("{name}.service");
    let mut seen = String::new();
    for _ in 0..500 {
        let state = daemon.state(&unit);
        let count = daemon.records().of(name, "start").len();
        if state == last && count == starts {
            return None;
        }
        seen = format!("{state}, {count} starts");
        thread::sleep(Duration::from_millis(20));
    }
    Some(format!("{seen} instead of {last}, {starts}"))
}

#[test]
fn at_every_point_of_the_life_of_a_service() {
    let mut world = World::new();
    for (number, point) in POINTS.iter().enumerate() {
        let name = format!("p{number}");
        let text = with_names(&world.daemon, point.text, &name);
        let unit = format!("{name}.service");
        let text = format!("[Service]\n{text}");
        world.daemon.place().write_unit(&unit, &text);
        for (arguments, state) in point.reach {
            let arguments: Vec<String> = arguments
                .iter()
                .map(|it| it.replace("@NAME@", &name))
                .collect();
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            world.daemon.ok(&arguments);
            let of = arguments.last().expect("a unit is named");
            world.daemon.wait_state(of, state);
        }
        let runs = point
            .reach
            .last()
            .is_some_and(|(_, state)| *state == RUNNING);
        // A service of Type=idle is up before its process is there.
        if runs && !point.text.contains("Type=idle") {
            world.daemon.wait_recorded(&name, "start", 1);
        }
        world.kill(|daemon| (point.down)(daemon, &name));
        let lost = settled(&world.daemon, &name, point.last, point.starts);
        world.judge(point.what, &name, lost);
    }
    let result = std::fs::read_dir(world.daemon.place().path())
        .expect("it is there")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|it| it == "result"));
    let result = result.map(|path| std::fs::read_to_string(path).expect("it can be read"));
    assert_eq!(result.as_deref(), Some("signal KILL\n"));
    world.end();
}

/// Runs a command and kills the daemon while it is at it.
fn kill_during(world: &mut World, arguments: &[&str], delay: Duration) -> Child {
    let child = world
        .daemon
        .command(arguments)
        .spawn()
        .expect("it is built");
    thread::sleep(delay);
    world.kill(|_| {});
    child
}

#[test]
fn while_the_daemon_is_at_something() {
    let mut world = World::new();
    for number in 0..20 {
        world.daemon.place().write_unit(
            &format!("many{number}.service"),
            &format!(
                "[Unit]\nStartLimitIntervalSec=0\n\
                 [Service]\nExecStart=stand-in-agent --name many{number}\n"
            ),
        );
    }
    let many: Vec<String> = (0..20).map(|it| format!("many{it}.service")).collect();
    let mut restart = vec!["restart"];
    restart.extend(many.iter().map(String::as_str));
    for milliseconds in [0, 3, 6, 10, 15, 25, 40] {
        let delay = Duration::from_millis(milliseconds);
        let mut client = kill_during(&mut world, &restart, delay);
        client.wait().expect("it is our child");
        world.daemon.ok(&restart);
        let mut lost = Vec::new();
        for (number, unit) in many.iter().enumerate() {
            let count = count_of(&world.daemon, &format!("many{number}"));
            if count != 1 || world.daemon.state(unit) != RUNNING {
                lost.push(format!("{count} x {unit}"));
            }
        }
        let lost = (!lost.is_empty()).then(|| lost.join(" "));
        world.judge(&format!("{milliseconds} ms into restarts"), "many0", lost);
    }
    for milliseconds in [0, 2, 5, 10] {
        let delay = Duration::from_millis(milliseconds);
        let mut client = kill_during(&mut world, &["daemon-reload"], delay);
        client.wait().expect("it is our child");
        world.judge(
            &format!("{milliseconds} ms into daemon-reload"),
            "many0",
            None,
        );
    }
    for milliseconds in [5, 15, 30, 60] {
        let delay = Duration::from_millis(milliseconds);
        let mut client = kill_during(&mut world, &["daemon-reexec"], delay);
        client.wait().expect("it is our child");
        world.judge(
            &format!("{milliseconds} ms into daemon-reexec"),
            "many0",
            None,
        );
    }
    for milliseconds in [5, 15, 30, 60] {
        // Killed while it is taking over.
        world.daemon.kill();
        world.daemon.spawn_again();
        thread::sleep(Duration::from_millis(milliseconds));
        world.kill(|_| {});
        world.judge(
            &format!("{milliseconds} ms into a take-over"),
            "many0",
            None,
        );
    }
    world.end();
}

#[test]
fn with_connections_and_descriptors() {
    let mut world = World::new();
    let place = world.daemon.place();
    let path = |name: &str| place.file(name).display().to_string();
    place.write_unit(
        "pends.socket",
        &format!("[Socket]\nListenStream={}\n", path("pends")),
    );
    place.write_unit(
        "pends.service",
        "[Service]\nExecStartPre=/bin/sleep 1\n\
         ExecStart=stand-in-agent --name pends --listen passed\n",
    );
    place.write_unit(
        "echoes.socket",
        &format!("[Socket]\nListenStream={}\nAccept=yes\n", path("echoes")),
    );
    place.write_unit(
        "echoes@.service",
        "[Service]\nExecStart=/bin/cat\nStandardInput=socket\nStandardOutput=socket\n",
    );
    place.write_unit(
        "stores.service",
        &format!(
            "[Service]\nType=notify\nFileDescriptorStoreMax=5\n\
             ExecStart=stand-in-agent --name stores --notify --store mine --passed-to {}\n",
            path("passed")
        ),
    );
    let daemon = &world.daemon;
    daemon.ok(&["start", "pends.socket", "echoes.socket", "stores.service"]);
    wait_for("a descriptor in the store", || {
        match daemon
            .show("stores.service", "NFileDescriptorStore")
            .as_str()
        {
            "1" => Ok(()),
            other => Err(other.to_owned()),
        }
    });
    // One waits while its service is on the way, one is served.
    let pends = daemon.file("pends");
    let waiting = thread::spawn(move || ask(&pends));
    daemon.wait_state("pends.service", "activating/start-pre");
    let mut served = connect(&daemon.file("echoes")).expect("it listens");
    let echo = |served: &mut UnixStream, text: &str| {
        served.write_all(text.as_bytes()).expect("it reads");
        let mut back = vec![0; text.len()];
        served.read_exact(&mut back).expect("it answers");
        assert_eq!(back, text.as_bytes());
    };
    echo(&mut served, "before");
    let more = daemon.file("echoes");
    world.kill(|_| {
        // Nobody takes this one for now.
        let mut late = connect(&more).expect("it listens still");
        late.write_all(b"x").expect("it waits");
        std::mem::forget(late);
    });
    echo(&mut served, "after");
    echo(
        &mut connect(&world.daemon.file("echoes")).expect("it listens"),
        "again",
    );
    let lost = waiting.join().expect("it only asks").err();
    world.judge("connections waiting and served", "pends", lost);
    world.daemon.ok(&["restart", "stores.service"]);
    let passed = wait_for("what was passed", || {
        let text = std::fs::read_to_string(world.daemon.file("passed")).unwrap_or_default();
        if text.contains("mine") {
            Ok(text)
        } else {
            Err(text)
        }
    });
    assert!(passed.contains("mine"), "{passed}");
    world.judge("a descriptor in the store", "stores", None);
    // The keeper dies first, then the daemon: another keeper has taken its place.
    let keeper = process::all().into_iter().find(|seen| {
        seen.parent == world.daemon.pid()
            && process::command_line(seen.pid).contains(&"--keeper".to_owned())
    });
    let keeper = keeper.map(|seen| seen.pid);
    if let Some(keeper) = keeper {
        send(keeper, Signal::SIGKILL);
        world.daemon.ok(&["restart", "stores.service"]);
    }
    world.kill(|_| {});
    echo(&mut served, "once more");
    world.judge("the keeper killed before", "keeps", None);
    // Both at once: sockets are made anew, processes are taken over all the same.
    let keepers: Vec<i32> = process::all()
        .into_iter()
        .filter(|seen| process::command_line(seen.pid).contains(&"--keeper".to_owned()))
        .filter(|seen| is_keeper_of(seen.pid, &world.daemon))
        .map(|seen| seen.pid)
        .collect();
    assert_eq!(keepers.len(), 1, "{keepers:?}");
    world.caller.end();
    send(keepers[0], Signal::SIGKILL);
    world.kill(|_| {});
    assert_eq!(world.daemon.main_pid("keeps.service"), world.mains[0]);
    assert!(world.daemon.log().contains("they are made anew"));
    world.end();
}

/// Whether a keeper's socket is in the daemon's directory.
fn is_keeper_of(pid: i32, daemon: &Daemon) -> bool {
    let table = std::fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let path = daemon.file("state/keeper").display().to_string();
    let link = std::fs::read_link(format!("/proc/{pid}/fd/0")).unwrap_or_default();
    let link = link.to_string_lossy().into_owned();
    // The connections to it are of the same name.
    let named = table.lines().filter(|line| line.ends_with(&path));
    let mut inodes = named.filter_map(|line| line.split_whitespace().nth(6));
    inodes.any(|inode| link == format!("socket:[{inode}]"))
}

#[test]
fn nothing_is_left_when_it_ends_afterwards() {
    let mut daemon = Daemon::with(&[(
        "stays.service",
        "[Service]\nExecStart=stand-in-agent --name stays --children 2\n",
    )]);
    daemon.ok(&["start", "stays.service"]);
    daemon.kill();
    daemon.start_again();
    let status = daemon.terminate();
    assert!(status.success(), "{status}\n{}", daemon.log());
    assert!(daemon.survivors().is_empty(), "{:?}", daemon.survivors());
    assert!(!daemon.file("state").exists());
}

#[test]
fn a_state_that_is_not_understood_is_left_alone() {
    let mut daemon = Daemon::with(&[(
        "stays.service",
        "[Service]\nExecStart=stand-in-agent --name stays\n",
    )]);
    daemon.ok(&["start", "stays.service"]);
    let main = daemon.main_pid("stays.service");
    daemon.kill();
    let saved = daemon.file("state/saved");
    let picture = std::fs::read_dir(&saved)
        .expect("it is there")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|it| it == "json"))
        .expect("there is a picture");
    let good = std::fs::read_to_string(&picture).expect("it can be read");
    std::fs::write(&picture, good.replace("\"version\":1", "\"version\":7")).expect("it is ours");
    daemon.spawn_again();
    assert!(!daemon.wait_end().success());
    let log = daemon.log();
    assert!(
        log.contains("version 7") && log.contains("cannot take them over"),
        "{log}"
    );
    assert!(lives(main));
    // Put right, nothing is lost.
    std::fs::write(&picture, good).expect("it is ours");
    daemon.start_again();
    assert_eq!(daemon.main_pid("stays.service"), main);
}
