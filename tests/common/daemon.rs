//! A daemon of the test's own: its directories, its socket, its command line, its end.

use super::process::{self, Holdings};
use super::records::Records;
use super::{programs, wait_for, wait_until};
use nix::sys::signal::Signal;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Every process that a unit starts has this variable, with the test's directory.
pub const MARK: &str = "DD_PM_TEST_MARK";

/// What a run of the command line gave.
#[derive(Debug, Clone)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A place for a daemon, before it runs.
pub struct Place {
    directory: TempDir,
    more_units: Vec<PathBuf>,
    more_arguments: Vec<String>,
    variables: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    socket: PathBuf,
    unprivileged: bool,
    contained: Option<u32>,
    program: PathBuf,
}

/// A running daemon; dropped, it is ended and so is what it left.
pub struct Daemon {
    place: Place,
    child: Child,
    ended: Option<ExitStatus>,
}

impl Place {
    /// Directories of its own, below the system's one for temporary files, open for all to
    /// read. Units get the mark, the record, and the stand-in on their search path.
    pub fn new() -> Place {
        let place = Place::bare();
        place.write_unit(
            "service.d/00-test.conf",
            &format!(
                "[Service]\nEnvironment={MARK}={}\nEnvironment=STAND_IN_RECORD={}\n\
                 ExecSearchPath={}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n",
                place.path().display(),
                place.file("record").display(),
                programs::stand_in_directory().display(),
            ),
        );
        place
    }

    /// The same without the drop-in: units run exactly as they are written.
    pub fn bare() -> Place {
        let directory = tempfile::Builder::new()
            .prefix("ddpm-")
            .tempdir()
            .expect("a directory can be made");
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))
            .expect("it is ours");
        for name in ["units", "xdg"] {
            fs::create_dir(directory.path().join(name)).expect("a directory can be made");
        }
        fs::set_permissions(
            directory.path().join("xdg"),
            fs::Permissions::from_mode(0o700),
        )
        .expect("it is ours");
        Records::create(&directory.path().join("record"));
        Place {
            socket: directory.path().join("pm.sock"),
            directory,
            more_units: Vec::new(),
            more_arguments: Vec::new(),
            variables: Vec::new(),
            environment: Vec::new(),
            unprivileged: false,
            contained: None,
            program: programs::DAEMON.into(),
        }
    }

    /// Runs this program instead, which stands for the daemon's.
    pub fn with_program(mut self, program: &Path) -> Place {
        self.program = program.to_owned();
        self
    }

    /// Reads units from there too, below our own.
    pub fn with_units(mut self, directory: &Path) -> Place {
        self.more_units.push(directory.to_owned());
        self
    }

    /// One more argument for the daemon.
    pub fn with_argument(mut self, argument: &str) -> Place {
        self.more_arguments.push(argument.to_owned());
        self
    }

    /// The daemon is an ordinary user of this number in a container: no capabilities, nothing but
    /// this place can be written. Takes root to set up.
    pub fn in_container(mut self, user: u32) -> Place {
        self.contained = Some(user);
        self
    }

    /// One more variable of the daemon's own environment.
    pub fn with_environment(mut self, name: &str, value: &str) -> Place {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A variable of the daemon's environment.
    pub fn with_variable(mut self, name: &str, value: &str) -> Place {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The daemon gives all capabilities up before it starts; it stays who it is.
    pub fn without_privilege(mut self) -> Place {
        self.unprivileged = true;
        self
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A path in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Listens somewhere else.
    pub fn with_socket(mut self, socket: &Path) -> Place {
        self.socket = socket.to_owned();
        self
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    pub fn records(&self) -> Records {
        Records::existing(&self.file("record"))
    }

    /// Writes a unit file or, with a `/` in the name, a drop-in.
    pub fn write_unit(&self, name: &str, text: &str) {
        let file = self.file("units").join(name);
        let directory = file.parent().expect("it has a directory");
        fs::create_dir_all(directory).expect("a directory can be made");
        fs::write(&file, text).expect("a unit can be written");
    }

    /// Starts the daemon and waits until it answers.
    #[track_caller]
    pub fn start(self) -> Daemon {
        let mut daemon = self.begin();
        daemon.wait_answer();
        daemon
    }

    /// The same without waiting.
    pub fn begin(self) -> Daemon {
        let child = self.spawn();
        Daemon {
            place: self,
            child,
            ended: None,
        }
    }

    fn spawn(&self) -> Child {
        let mut unit_path = self.file("units").into_os_string();
        for more in &self.more_units {
            unit_path.push(":");
            unit_path.push(more);
        }
        let log = File::create(self.file("daemon.log")).expect("a log can be made");
        let mut command = if let Some(user) = self.contained {
            self.container(user)
        } else if self.unprivileged {
            let mut command = Command::new("setpriv");
            command.args(["--bounding-set=-all", "--inh-caps=-all", "--"]);
            command.arg(&self.program);
            command
        } else if let Some(group) = group_for_daemons() {
            let mut command = Command::new("/bin/sh");
            let script = "echo $$ > \"$0/cgroup.procs\" && exec \"$@\"";
            command
                .args(["-c", script])
                .arg(group)
                .arg(programs::DAEMON);
            command
        } else {
            Command::new(&self.program)
        };
        self.without_settings(&mut command)
            .arg("--socket")
            .arg(self.socket())
            .arg("--unit-path")
            .arg(unit_path)
            .arg("--runtime-dir")
            .arg(self.file("state"))
            .arg("--state-dir")
            .arg(self.file("lasting"))
            .args(&self.more_arguments)
            .envs(self.variables.iter().cloned())
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor can be copied"))
            .stderr(log)
            .spawn()
            .expect("the daemon is built")
    }

    fn container(&self, user: u32) -> Command {
        const SETUP: &str = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro / && \
            chown -R \"$2:$2\" \"$1\" && shift && id=$1 && shift && exec setpriv --reuid \"$id\" \
            --regid \"$id\" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all -- \"$@\"";
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            SETUP,
            "sh",
        ]);
        command.arg(self.path()).arg(user.to_string());
        command.arg(programs::DAEMON).env("HOME", self.path());
        command
    }

    /// None of the caller's own settings reach what we start.
    fn without_settings<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("DD_PM_") || name.starts_with("STAND_IN_") {
                command.env_remove(name);
            }
        }
        command.env("XDG_RUNTIME_DIR", self.file("xdg"))
    }
}

/// A new control group for a daemon to be alone in, below the one that DD_PM_TEST_GROUP names;
/// handed over as systemd does it. Whoever sets the variable removes what is left.
fn group_for_daemons() -> Option<PathBuf> {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let above = PathBuf::from(std::env::var_os("DD_PM_TEST_GROUP")?);
    let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let group = above.join(format!("daemon-{}-{number}", std::process::id()));
    // A test may have made it read-only to itself.
    fs::create_dir(&group).ok()?;
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(&group, "trusted.delegate", b"1", flags).expect("it can be marked");
    Some(group)
}

impl Daemon {
    /// A daemon with these units: name and text.
    #[track_caller]
    pub fn with(units: &[(&str, &str)]) -> Daemon {
        let place = Place::new();
        for (name, text) in units {
            place.write_unit(name, text);
        }
        place.start()
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("pids fit")
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.place.file(name)
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.file("daemon.log")).unwrap_or_default()
    }

    pub fn records(&self) -> Records {
        Records::existing(&self.file("record"))
    }

    /// The command line on this daemon's socket, not yet started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(programs::CLIENT);
        self.place
            .without_settings(&mut command)
            .arg("--socket")
            .arg(self.place.socket())
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    /// Runs the command line to its end.
    pub fn run(&self, arguments: &[&str]) -> Run {
        let output = self
            .command(arguments)
            .output()
            .expect("the command line is built");
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The same; anything but exit status 0 fails the test. Returns standard output.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> String {
        let run = self.run(arguments);
        assert_eq!(run.code, 0, "{arguments:?}: {run:?}\n{}", self.log());
        run.stdout
    }

    /// Runs with `-o json` and reads what comes.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let mut all = vec!["-o", "json"];
        all.extend(arguments);
        let run = self.run(&all);
        serde_json::from_str(&run.stdout)
            .unwrap_or_else(|error| panic!("{arguments:?} gave no JSON: {error}\n{run:?}"))
    }

    /// A property of a unit.
    #[track_caller]
    pub fn show(&self, unit: &str, property: &str) -> String {
        let text = self.ok(&["show", unit, "-p", property]);
        text.lines()
            .find_map(|line| line.strip_prefix(property)?.strip_prefix('='))
            .unwrap_or_else(|| panic!("{unit} has no {property}: {text:?}"))
            .to_owned()
    }

    /// `ActiveState/SubState`.
    #[track_caller]
    pub fn state(&self, unit: &str) -> String {
        let text = self.ok(&["show", unit, "-p", "ActiveState", "-p", "SubState"]);
        let value = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap_or_else(|| panic!("no {name} in {text:?}"))
        };
        format!("{}/{}", value("ActiveState="), value("SubState="))
    }

    /// MainPID, which must be there.
    #[track_caller]
    pub fn main_pid(&self, unit: &str) -> i32 {
        let pid = self.show(unit, "MainPID");
        let pid = pid.parse().expect("MainPID is a number");
        assert_ne!(pid, 0, "{unit} has no main process\n{}", self.log());
        pid
    }

    #[track_caller]
    pub fn wait_state(&self, unit: &str, wanted: &str) {
        wait_for(&format!("{unit} to be {wanted}"), || {
            let state = self.state(unit);
            if state == wanted {
                Ok(())
            } else {
                Err(format!("{state}\n{}", self.log()))
            }
        });
    }

    /// Waits until the unit's stand-in has recorded this event so many times.
    #[track_caller]
    pub fn wait_recorded(&self, name: &str, event: &str, times: usize) {
        let records = self.records();
        wait_for(&format!("{times} x {event} of {name}"), || {
            let seen = records.of(name, event).len();
            if seen >= times {
                Ok(())
            } else {
                Err(format!("{seen} times\n{}", self.log()))
            }
        });
    }

    /// The row of `list`: NAME PID STATE RUNS COMMAND.
    #[track_caller]
    pub fn list_row(&self, unit: &str) -> Vec<String> {
        let stem = unit.strip_suffix(".service").unwrap_or(unit);
        let text = self.ok(&["list"]);
        text.lines()
            .map(|line| line.split_whitespace().map(str::to_owned).collect())
            .find(|row: &Vec<String>| row.first().is_some_and(|name| name == unit || name == stem))
            .unwrap_or_else(|| panic!("{unit} is not listed:\n{text}"))
    }

    /// Waits until nobody is connected to its control socket any more: a client that has ended is
    /// known to have left only when the daemon has read so.
    #[track_caller]
    pub fn wait_alone(&self) {
        let socket = self.place.socket().display().to_string();
        wait_until("the last client to be gone", || {
            let table = fs::read_to_string("/proc/net/unix").expect("it can be read");
            // The listener itself.
            table.lines().filter(|line| line.ends_with(&socket)).count() == 1
        });
    }

    /// What it holds of the kernel now.
    pub fn holdings(&self) -> Holdings {
        process::holdings(self.pid())
    }

    /// Living processes that its units started, whoever their parent is.
    pub fn survivors(&self) -> Vec<i32> {
        process::marked(MARK, &self.place.path().to_string_lossy())
    }

    /// Asks it to end, as a service manager would, and waits.
    #[track_caller]
    pub fn terminate(&mut self) -> ExitStatus {
        process::send(self.pid(), Signal::SIGTERM);
        self.wait_end()
    }

    #[track_caller]
    pub fn wait_end(&mut self) -> ExitStatus {
        wait_until("the daemon to end", || self.poll_end().is_some());
        self.ended.expect("it just ended")
    }

    /// Kills it, as a crash or the kernel would, and waits.
    #[track_caller]
    pub fn kill(&mut self) {
        process::send(self.pid(), Signal::SIGKILL);
        self.wait_end();
    }

    /// The logs of all daemons that were started in the place, one behind the other.
    pub fn whole_log(&self) -> String {
        let mut text = String::new();
        for number in 0.. {
            match fs::read_to_string(self.file(&format!("daemon.log.{number}"))) {
                Ok(old) => text.push_str(&old),
                Err(_) => break,
            }
        }
        text + &self.log()
    }

    /// Starts it once more after its end, in the same place, with a log of its own.
    #[track_caller]
    pub fn start_again(&mut self) {
        self.spawn_again();
        self.wait_answer();
    }

    /// The same without waiting until it answers.
    #[track_caller]
    pub fn spawn_again(&mut self) {
        assert!(self.poll_end().is_some(), "it runs");
        let old = (0..).map(|number| self.file(&format!("daemon.log.{number}")));
        let old = old.into_iter().find(|path| !path.exists());
        let old = old.expect("numbers do not end");
        fs::rename(self.file("daemon.log"), old).expect("a log can be moved");
        self.child = self.place.spawn();
        self.ended = None;
    }

    #[track_caller]
    pub fn wait_answer(&mut self) {
        wait_for("the daemon to answer", || {
            if let Some(status) = self.poll_end() {
                panic!("the daemon ended: {status}\n{}", self.log());
            }
            let run = self.run(&["list"]);
            if run.code == 0 {
                Ok(())
            } else {
                Err(format!("{run:?}"))
            }
        });
    }

    fn poll_end(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("it is our child");
        }
        self.ended
    }

    fn end_by_force(&mut self) {
        process::send(self.pid(), Signal::SIGTERM);
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end && self.poll_end().is_none() {
            std::thread::sleep(Duration::from_millis(10));
        }
        if self.poll_end().is_none() {
            // Nothing but a failing test comes here.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.poll_end().is_none() {
            self.end_by_force();
        }
        for pid in self.survivors() {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL);
        }
        if std::thread::panicking() {
            eprintln!("--- log of the daemon ---\n{}", self.log());
        }
    }
}
