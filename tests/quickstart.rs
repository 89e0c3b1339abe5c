//! `make run`, as a user without rights: the set comes up, is shown, and Ctrl-C leaves nothing.

mod common;

use common::daemon::Place;
use common::skip::{has_program, is_root};
use common::{Missing, programs, skip, wait_until};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

const SERVICES: [&str; 5] = ["core", "trace", "process", "sysprobe", "security"];
/// Whom `make run` runs as when the tests run as root: nobody.
const NOBODY: u32 = 65534;

/// A running `make run`, with copies of all it needs where anybody may read them.
struct Quickstart {
    place: Place,
    make: Child,
    lines: Receiver<String>,
    seen: String,
}

impl Quickstart {
    fn start() -> Quickstart {
        let place = Place::bare();
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        copy(&source.join("Makefile"), &place.file("Makefile"), 0o644);
        let units = place.file("units/quickstart");
        fs::create_dir_all(&units).expect("a directory can be made");
        for entry in fs::read_dir(source.join("units/quickstart")).expect("they are there") {
            let from = entry.expect("an entry can be read").path();
            let name = from.file_name().expect("a file has a name");
            copy(&from, &units.join(name), 0o755);
        }
        let built = place.file("programs");
        fs::create_dir(&built).expect("a directory can be made");
        for program in [
            programs::DAEMON.into(),
            programs::CLIENT.into(),
            programs::stand_in(),
        ] {
            let program: PathBuf = program;
            let name = program.file_name().expect("a file has a name");
            copy(&program, &built.join(name), 0o755);
        }
        let scratch = place.file("scratch");
        fs::create_dir(&scratch).expect("a directory can be made");
        fs::set_permissions(&scratch, fs::Permissions::from_mode(0o777)).expect("it is ours");

        let mut make = Command::new("make");
        make.current_dir(place.path())
            .arg("run")
            .arg(format!("PROGRAMS={}", built.display()))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TMPDIR", &scratch)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0);
        if is_root() {
            make.uid(NOBODY).gid(NOBODY);
        }
        let mut make = make.spawn().expect("make is there");
        let stdout = make.stdout.take().expect("it is piped");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // The test may have seen enough.
                let _ = sender.send(line);
            }
        });
        Quickstart {
            place,
            make,
            lines,
            seen: String::new(),
        }
    }

    /// Reads on until a line holds this.
    #[track_caller]
    fn wait_line(&mut self, part: &str) {
        loop {
            let line = self
                .lines
                .recv_timeout(common::DEADLINE)
                .unwrap_or_else(|error| panic!("no `{part}`: {error}\n{}", self.seen));
            self.seen.push_str(&line);
            self.seen.push('\n');
            if line.contains(part) {
                return;
            }
        }
    }

    /// What Ctrl-C sends, to whom the terminal sends it.
    fn interrupt(&self) {
        let group = i32::try_from(self.make.id()).expect("pids fit");
        killpg(Pid::from_raw(group), Signal::SIGINT).expect("it runs");
    }

    /// Living processes that run our copies of the programs.
    fn processes(&self) -> Vec<i32> {
        let programs = self.place.file("programs");
        common::process::all()
            .iter()
            .filter(|seen| {
                fs::read_link(format!("/proc/{}/exe", seen.pid))
                    .is_ok_and(|exe| exe.starts_with(&programs))
            })
            .map(|seen| seen.pid)
            .collect()
    }
}

impl Drop for Quickstart {
    fn drop(&mut self) {
        for pid in self.processes() {
            let _ = nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        let _ = self.make.kill();
        let _ = self.make.wait();
    }
}

fn copy(from: &Path, to: &Path, mode: u32) {
    fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    fs::set_permissions(to, fs::Permissions::from_mode(mode)).expect("it is ours");
}

#[test]
fn make_run_comes_up_shows_itself_and_leaves_nothing() {
    let mut quickstart = Quickstart::start();
    quickstart.wait_line("Ctrl-C stops everything");
    let seen = quickstart.seen.clone();
    for name in SERVICES {
        let row = seen
            .lines()
            .find(|line| line.starts_with(&format!("quickstart-{name}")))
            .unwrap_or_else(|| panic!("{name} is not listed in\n{seen}"));
        assert!(row.contains("running"), "{row}");
    }
    assert!(seen.contains("NAME") && seen.contains("COMMAND"), "{seen}");
    let tries = seen
        .lines()
        .filter(|line| line.starts_with("    ") && line.contains("dd-procmgr "));
    assert_eq!(tries.count(), 3, "three commands to try in\n{seen}");
    // The daemon, its keeper, five agents, and the child that the system probe left behind.
    assert_eq!(quickstart.processes().len(), 8);

    quickstart.interrupt();
    quickstart.wait_line("run: stopped");
    wait_until("make to end", || {
        quickstart
            .make
            .try_wait()
            .is_ok_and(|status| status.is_some())
    });
    assert_eq!(quickstart.processes(), Vec::<i32>::new());
    let left: Vec<_> = fs::read_dir(quickstart.place.file("scratch"))
        .expect("it is there")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    assert!(
        left.is_empty(),
        "left behind: {left:?}\n{}",
        quickstart.seen
    );
}

#[test]
fn the_real_systemd_has_nothing_to_say_on_the_units() {
    if !has_program("systemd-analyze") {
        skip(Missing::Package, "systemd-analyze is not installed");
        return;
    }
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("units/quickstart");
    for name in SERVICES {
        let output = Command::new("systemd-analyze")
            .arg("verify")
            .arg(units.join(format!("quickstart-{name}.service")))
            .env("SYSTEMD_UNIT_PATH", format!("{}:", units.display()))
            .output()
            .expect("it is installed");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let other: Vec<&str> = said
            .lines()
            .filter(|line| line.contains("quickstart"))
            .filter(|line| !line.contains("Command stand-in-agent is not executable"))
            .collect();
        assert!(other.is_empty(), "{name}: {other:?}");
    }
}
