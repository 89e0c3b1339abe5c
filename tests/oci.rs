//! The image in real containers (crun), made of what packaging/Containerfile copies and says: the daemon as
//! process 1, read-only, as an ordinary user, without capabilities and network. And the Containerfile itself,
//! built and run by podman.

mod common;

use common::process::{command_line, lives, send, status};
use common::skip::{has_program, is_root};
use common::{Missing, programs, skip, wait_for};
use nix::sys::signal::Signal;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// crun looks for one hierarchy of control groups; hybrid machines have it below.
const CRUN: &str = "if [ \"$(stat -f -c %T /sys/fs/cgroup)\" != cgroup2fs ]; then \
    mount --bind /sys/fs/cgroup/unified /sys/fs/cgroup 2>/dev/null || \
    mount -t cgroup2 none /sys/fs/cgroup || exit 125; fi; \
    exec crun --cgroup-manager=disabled \"$@\"";

fn repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The value of an instruction of the Containerfile, the last one of its kind.
fn instruction(name: &str) -> String {
    let text = fs::read_to_string(repository("packaging/Containerfile")).expect("it is here");
    let line = text.lines().rev().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name}"))
        .trim()
        .to_owned()
}

/// Lays the image out, with the stand-in in it.
fn lay_out(place: &Path) -> PathBuf {
    let root = place.join("rootfs");
    let programs = Path::new(programs::DAEMON).parent();
    let made = Command::new(repository("packaging/image.sh"))
        .arg(programs.expect("it has a directory"))
        .arg(&root)
        .output()
        .expect("it is a script");
    assert!(made.status.success(), "{made:?}");
    let agent = root.join("usr/bin/stand-in-agent");
    fs::copy(programs::stand_in(), agent).expect("it can be copied");
    fs::create_dir(root.join("shared")).expect("it can be made");
    root
}

/// An image laid out, what several containers share, and the state of crun.
struct Image {
    place: tempfile::TempDir,
}

/// One container of it.
struct Container {
    name: String,
    state: PathBuf,
    shared: PathBuf,
    child: Child,
}

impl Image {
    /// None where containers cannot be made.
    fn new() -> Option<Image> {
        if !is_root() {
            skip(
                Missing::Privilege,
                "a container without a user namespace needs root",
            );
            return None;
        }
        if !has_program("crun") {
            skip(Missing::Package, "crun is of crun");
            return None;
        }
        let place = tempfile::tempdir().expect("a directory can be made");
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        let root = lay_out(place.path());
        for entry in fs::read_dir(repository("units/quickstart")).expect("it is here") {
            let from = entry.expect("it can be read").path();
            if from.extension().is_some_and(|it| it == "service") {
                let name = from.file_name().expect("a file has a name");
                fs::copy(
                    &from,
                    root.join("etc/datadog-agent/process-manager/units")
                        .join(name),
                )
                .expect("it can be copied");
            }
        }
        let drop_in = root
            .join("etc/datadog-agent/process-manager/units")
            .join("quickstart-trace.service.d");
        fs::create_dir(&drop_in).expect("it can be made");
        fs::write(
            drop_in.join("at-once.conf"),
            "[Service]\nRestartSec=0\nStartLimitInterval=0\n",
        )
        .expect("it can be written");
        let shared = place.path().join("shared");
        fs::create_dir(&shared).expect("it can be made");
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o777)).expect("it is ours");
        let image = Image { place };
        let version = image.crun(&["--version"]);
        let tried = image.start("tried", "dd-procmgrd", &["--version"], &[]);
        let (code, said) = tried.end();
        if code != Some(0) {
            let reason = format!(
                "crun {}: {said}",
                version.lines().next().unwrap_or_default()
            );
            skip(Missing::Privilege, &reason);
            return None;
        }
        assert!(said.starts_with("dd-procmgrd "), "{said}");
        Some(image)
    }

    fn command(&self) -> Command {
        crun(&self.place.path().join("state"))
    }

    fn crun(&self, arguments: &[&str]) -> String {
        let output = self
            .command()
            .args(arguments)
            .output()
            .expect("unshare is there");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs the entry point with these arguments, with the environment of the image and more.
    fn start(
        &self,
        name: &str,
        program: &str,
        arguments: &[&str],
        more: &[(&str, &str)],
    ) -> Container {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("dd-procmgr-{}-{number}-{name}", std::process::id());
        let entry: Vec<String> =
            serde_json::from_str(&instruction("ENTRYPOINT")).expect("it is a list");
        assert!(entry[0].ends_with(program), "{entry:?}");
        let mut words = entry;
        words.extend(arguments.iter().map(|it| (*it).to_owned()));
        let user: u32 = instruction("USER")
            .split(':')
            .next()
            .and_then(|it| it.parse().ok())
            .expect("it is a number");
        let mut environment = vec!["PATH=/usr/bin".to_owned(), instruction("ENV")];
        environment.extend(more.iter().map(|(name, value)| format!("{name}={value}")));
        let mount = |place: &str, kind: &str, options: &[&str]| serde_json::json!({"destination": place, "type": kind, "source": kind, "options": options});
        let shared = self.place.path().join("shared");
        let none: [&str; 0] = [];
        let config = serde_json::json!({
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": user, "gid": user},
                "args": words, "env": environment, "cwd": "/",
                "capabilities": {"bounding": none, "effective": none, "permitted": none,
                    "inheritable": none, "ambient": none},
                "noNewPrivileges": true,
            },
            "root": {"path": self.place.path().join("rootfs"), "readonly": true},
            "mounts": [
                mount("/proc", "proc", &[]),
                mount("/dev", "tmpfs", &["nosuid", "mode=755"]),
                mount("/run", "tmpfs", &["mode=777"]),
                mount("/tmp", "tmpfs", &["mode=1777"]),
                {"destination": "/shared", "type": "bind", "source": shared, "options": ["bind", "rw"]},
            ],
            "linux": {"namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"},
                {"type": "uts"}, {"type": "mount"}]},
        });
        let bundle = self.place.path().join(&name);
        fs::create_dir(&bundle).expect("it can be made");
        fs::write(bundle.join("config.json"), config.to_string()).expect("it can be written");
        let log = fs::File::create(bundle.join("log")).expect("it can be made");
        let child = self
            .command()
            .arg("run")
            .arg("-b")
            .arg(&bundle)
            .arg(&name)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("it can be copied"))
            .stderr(log)
            .spawn()
            .expect("unshare is there");
        Container {
            name,
            state: self.place.path().to_owned(),
            shared,
            child,
        }
    }

    /// The first process of a container, as this machine knows it.
    fn first(&self, container: &Container) -> i32 {
        let state = self.crun(&["state", &container.name]);
        let state: serde_json::Value = serde_json::from_str(&state).expect("crun tells JSON");
        state["pid"]
            .as_i64()
            .and_then(|pid| i32::try_from(pid).ok())
            .expect("it has a pid")
    }
}

impl Container {
    fn log(&self) -> String {
        fs::read_to_string(self.state.join(&self.name).join("log")).unwrap_or_default()
    }

    /// Exit status of the container and all it said.
    fn end(mut self) -> (Option<i32>, String) {
        let mut ended = None;
        wait_for("the container to end", || {
            ended = self.child.try_wait().expect("it is our child");
            ended.map(|_| ()).ok_or_else(|| self.log())
        });
        (ended.and_then(|status| status.code()), self.log())
    }

    /// The command line, from outside.
    fn ask(&self, variable: &str, value: &Path, arguments: &[&str]) -> String {
        let output = Command::new(programs::CLIENT)
            .args(arguments)
            .env_remove("DD_PM_SOCKET_DIR")
            .env(variable, value)
            .output()
            .expect("it is built");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn list(&self) -> String {
        self.ask("DD_PM_SOCKET", &self.shared.join("pm.sock"), &["list"])
    }
}

/// crun in private mounts, with what it keeps of containers in this directory.
fn crun(state: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        CRUN,
        "crun",
        "--root",
    ]);
    command.arg(state);
    command
}

fn row<'a>(list: &'a str, unit: &str) -> Vec<&'a str> {
    let mut rows = list.lines().map(|line| line.split_whitespace().collect());
    rows.find(|row: &Vec<&str>| row.first() == Some(&unit))
        .unwrap_or_default()
}

/// A container that a test has left is ended with it.
impl Drop for Container {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let mut kill = crun(&self.state.join("state"));
            kill.args(["kill", &self.name, "KILL"]);
            let _ = kill.stdout(Stdio::null()).stderr(Stdio::null()).status();
            let _ = self.child.wait();
        }
    }
}

const SET: [&str; 5] = ["core", "trace", "process", "sysprobe", "security"];

/// Status line of an answer over a unix socket.
fn get(socket: &Path, path: &str) -> Result<String, String> {
    let mut stream = UnixStream::connect(socket).map_err(|error| error.to_string())?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .map_err(|error| error.to_string())?;
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .map_err(|error| error.to_string())?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

/// How often a time is taken.
const KILLS: usize = 9;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// A process from its beginning to its end, in a session of its own: on a busy machine that is what
/// lets it wait for its turn.
fn time_of_a_process() -> Duration {
    let begin = Instant::now();
    let status = Command::new("setsid").arg("/bin/true").status();
    assert!(status.is_ok_and(|status| status.success()));
    begin.elapsed()
}

/// The child of a daemon, as this machine knows it, that runs the stand-in of this name.
fn agent(daemon: i32, name: &str) -> Option<i32> {
    let threads = fs::read_dir(format!("/proc/{daemon}/task")).ok()?;
    let children =
        threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok());
    let children: Vec<i32> = children
        .flat_map(|list| {
            let pids = list.split_whitespace().filter_map(|pid| pid.parse().ok());
            pids.collect::<Vec<i32>>()
        })
        .collect();
    let runs = |pid: &&i32| {
        let words = command_line(**pid);
        words.windows(2).any(|pair| pair == ["--name", name])
    };
    children.iter().find(runs).copied()
}

/// From the SIGKILL of an agent until the next one has been executed.
fn time_of_return(daemon: i32, name: &str) -> Duration {
    let first = wait_for("the agent", || agent(daemon, name).ok_or(String::new()));
    let begin = Instant::now();
    send(first, Signal::SIGKILL);
    loop {
        match agent(daemon, name) {
            Some(next) if next != first => return begin.elapsed(),
            _ => std::thread::sleep(Duration::from_micros(200)),
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "it is gone");
    }
}

#[test]
fn the_containerfile_builds_with_podman_and_the_image_runs() {
    if !is_root() {
        return skip(
            Missing::Privilege,
            "storage of images of its own needs root",
        );
    }
    for program in ["podman", "crun"] {
        if !has_program(program) {
            return skip(Missing::Package, "podman is of podman, crun of crun");
        }
    }
    let place = tempfile::tempdir().expect("a directory can be made");
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let root = lay_out(place.path());
    let [units, shared] = ["units", "shared"].map(|name| place.path().join(name));
    for directory in [&units, &shared] {
        fs::create_dir(directory).expect("it can be made");
        fs::set_permissions(directory, fs::Permissions::from_mode(0o777)).expect("it is ours");
    }
    let agent = "/usr/bin/stand-in-agent --name";
    for (name, text) in [
        (
            "ends",
            format!("ExecStart={agent} ends --run-for 0.2 --exit-code 7\n"),
        ),
        (
            "stays",
            format!("ExecStart={agent} stays --listen unix:/shared/up\n"),
        ),
    ] {
        let file = units.join(format!("{name}.service"));
        fs::write(file, format!("[Service]\n{text}")).expect("it can be written");
    }
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .arg(repository("tests/oci/podman.sh"))
        .arg(repository("packaging/Containerfile"))
        .arg(&root)
        .arg(place.path())
        .stdin(Stdio::null())
        .output()
        .expect("unshare is there");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.code() == Some(77) {
        return skip(Missing::Privilege, &format!("podman: {}", said.trim()));
    }
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}\n{complaints}");
    for line in [
        "version: dd-procmgrd ",
        "the decisive unit: 7",
        "stopped: 0",
        "SIGTERM: stopping",
        "stays.service: stopped",
    ] {
        assert!(
            said.contains(line),
            "{line:?} is not in {said}\n{complaints}"
        );
    }
}

#[test]
fn the_set_lives_in_a_container_that_may_do_nothing() {
    let Some(image) = Image::new() else { return };
    let environment = [
        ("DD_PM_SOCKET", "/shared/pm.sock"),
        ("DD_PM_HTTP", "unix:/shared/http"),
    ];
    let container = image.start(
        "alone",
        "dd-procmgrd",
        &["quickstart-core.service"],
        &environment,
    );
    let up = |runs: &str, unit: &str| {
        wait_for(&format!("run {runs} of {unit}"), || {
            let list = container.list();
            let row = row(&list, unit);
            if row.get(2) == Some(&"running") && row.get(3) == Some(&runs) {
                Ok(row[1].to_owned())
            } else {
                Err(format!("{list}\n{}", container.log()))
            }
        })
    };
    for name in SET {
        up("1", &format!("quickstart-{name}.service"));
    }
    // Process 1, an ordinary user, nothing allowed.
    let first = image.first(&container);
    let seen = status(first);
    assert_eq!(seen["Uid"].split_whitespace().next(), Some("1000"));
    assert_eq!(seen["NSpid"].split_whitespace().last(), Some("1"));
    for set in ["CapEff", "CapPrm", "CapBnd"] {
        assert_eq!(u64::from_str_radix(&seen[set], 16), Ok(0), "{set}");
    }
    let http = container.shared.join("http");
    wait_for("it to be ready", || match get(&http, "/healthz/ready") {
        Ok(line) if line.contains(" 200 ") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    // One agent dies, again and again; the container stays.
    let mut floors = Vec::new();
    let mut returns = Vec::new();
    for _ in 0..KILLS {
        returns.push(time_of_return(first, "trace"));
        floors.push(time_of_a_process());
    }
    up(&(KILLS + 1).to_string(), "quickstart-trace.service");
    let (returned, floor) = (median(returns), median(floors));
    println!("back within {returned:?} (RestartSec=0); any process takes {floor:?}");
    assert!(
        returned < Duration::from_millis(20) + 5 * floor,
        "{returned:?}, any process: {floor:?}"
    );
    assert_eq!(
        row(&container.list(), "quickstart-core.service").get(3),
        Some(&"1")
    );
    assert_eq!(image.first(&container), first);
    // What a runtime sends to stop it.
    image.crun(&["kill", &container.name, &instruction("STOPSIGNAL")]);
    let (code, log) = container.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(!lives(first));
    let stopped = |name: &str| {
        let line = format!("quickstart-{name}.service: stopped");
        log.rfind(&line).unwrap_or_else(|| panic!("{line}: {log}"))
    };
    for bound in ["trace", "process", "security"] {
        assert!(stopped(bound) < stopped("core"), "{bound}: {log}");
    }
    assert!(stopped("core") < stopped("sysprobe"), "{log}");
}

#[test]
fn the_container_ends_with_its_unit_and_its_status() {
    let Some(image) = Image::new() else { return };
    let place = image
        .place
        .path()
        .join("rootfs/etc/datadog-agent/process-manager/units");
    let text =
        "[Service]\nExecStart=/usr/bin/stand-in-agent --name main --run-for 0.2 --exit-code 7\n";
    fs::write(place.join("main.service"), text).expect("it can be written");
    let container = image.start("ends", "dd-procmgrd", &["--exit-with=main"], &[]);
    let (code, log) = container.end();
    assert_eq!(code, Some(7), "{log}");
}

#[test]
fn two_containers_with_one_directory_of_sockets_are_one_list() {
    let Some(image) = Image::new() else { return };
    let start = |name: &str, unit: &str| {
        let environment = [
            ("DD_PM_SOCKET_DIR", "/shared"),
            ("DD_PM_NAME", name),
            ("DD_POD_NAME", "agent-5x8"),
            ("DD_CONTAINER_NAME", name),
        ];
        image.start(name, "dd-procmgrd", &[unit], &environment)
    };
    let one = start("agent", "quickstart-core.service");
    let two = start("probe", "quickstart-sysprobe.service");
    wait_for("one list of both", || {
        let list = one.ask("DD_PM_SOCKET_DIR", &one.shared, &["list"]);
        let titles = ["DAEMON", "POD", "CONTAINER"];
        let header = list.lines().next().unwrap_or_default();
        let of = |daemon: &str| {
            let mut lines = list.lines().skip(1).map(|line| line.split_whitespace());
            lines.any(|words| {
                let words: Vec<&str> = words.collect();
                let named = words.iter().filter(|word| **word == daemon).count();
                named == 2 && words.contains(&"agent-5x8") && words.contains(&"running")
            })
        };
        if titles.iter().all(|title| header.contains(title)) && of("agent") && of("probe") {
            Ok(())
        } else {
            Err(format!("{list}\n{}\n{}", one.log(), two.log()))
        }
    });
}
