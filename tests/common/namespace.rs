//! A world of one's own for tests that need paths such as /opt and users such as dd-agent:
//! private mounts over them, seen by this test and its processes only. Nothing of the machine
//! is changed, and it all vanishes with the last process.

use super::programs;
use super::skip::{Missing, is_root, skip};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// The user agents run as in there.
pub const AGENT_USER: &str = "dd-agent";
/// Its number.
pub const AGENT_UID: u32 = 64500;

/// Runs `body` in a private mount namespace, or skips. In it are writable and private: /etc (a
/// copy), /opt, /run and /sys/kernel/debug (empty, but mounted), and the user dd-agent.
pub fn private(body: impl FnOnce() + Send) {
    run(enter, body);
}

/// The same with a network of its own, where nothing but the loopback interface is up.
pub fn private_network(body: impl FnOnce() + Send) {
    let enter = || {
        enter()?;
        unshare(CloneFlags::CLONE_NEWNET)
            .map_err(|error| format!("no network namespace of our own: {error}"))?;
        let up = Command::new("ip")
            .args(["link", "set", "lo", "up"])
            .status();
        match up {
            Ok(status) if status.success() => Ok(()),
            other => Err(format!("the loopback interface is not up: {other:?}")),
        }
    };
    run(enter, body);
}

fn run(enter: impl FnOnce() -> Result<(), String> + Send, body: impl FnOnce() + Send) {
    if !is_root() {
        skip(Missing::Privilege, "private mounts need root");
        return;
    }
    // A thread of its own: its namespace ends with it and no other test is drawn in.
    let name = std::thread::current()
        .name()
        .unwrap_or("private")
        .to_owned();
    std::thread::scope(|scope| {
        let inside = std::thread::Builder::new()
            .name(name)
            .spawn_scoped(scope, || match enter() {
                Ok(()) => body(),
                Err(reason) => skip(Missing::Privilege, &reason),
            })
            .expect("a thread can be made");
        if let Err(panic) = inside.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

fn enter() -> Result<(), String> {
    unshare(CloneFlags::CLONE_NEWNS)
        .map_err(|error| format!("no mount namespace of our own: {error}"))?;
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
        .map_err(|error| format!("mounts cannot be made private: {error}"))?;
    private_etc()?;
    for place in ["/opt", "/run", "/sys/kernel/debug"] {
        tmpfs(Path::new(place))?;
    }
    add_agent_user();
    Ok(())
}

/// Mounts an empty place over a directory.
///
/// # Errors
/// It is not there, or mounting is not allowed.
pub fn tmpfs(place: &Path) -> Result<(), String> {
    mount(
        Some("tmpfs"),
        place,
        Some("tmpfs"),
        MsFlags::MS_NOSUID,
        Some("mode=755"),
    )
    .map_err(|error| format!("cannot mount over {}: {error}", place.display()))
}

/// A copy of /etc over /etc: directories can be made in it.
fn private_etc() -> Result<(), String> {
    let aside = tempfile::tempdir().map_err(|error| error.to_string())?;
    tmpfs(aside.path())?;
    let copied = Command::new("cp")
        .args(["-a", "/etc/."])
        .arg(aside.path())
        .status()
        .map_err(|error| format!("cp: {error}"))?;
    if !copied.success() {
        return Err("cannot copy /etc".to_owned());
    }
    mount(
        Some(aside.path()),
        "/etc",
        None::<&str>,
        MsFlags::MS_MOVE,
        None::<&str>,
    )
    .map_err(|error| format!("cannot mount over /etc: {error}"))
}

fn add_agent_user() {
    let add = |file: &str, line: String| {
        let mut text = fs::read_to_string(file).expect("our copy can be read");
        text.push_str(&line);
        fs::write(file, text).expect("our copy can be written");
    };
    add(
        "/etc/passwd",
        format!("{AGENT_USER}:x:{AGENT_UID}:{AGENT_UID}::/opt/datadog-agent:/usr/sbin/nologin\n"),
    );
    add("/etc/group", format!("{AGENT_USER}:x:{AGENT_UID}:\n"));
    // Another member, to see supplementary groups by.
    add(
        "/etc/group",
        format!("dd-extra:x:{}:{AGENT_USER}\n", AGENT_UID + 1),
    );
}

/// Puts the stand-in at a path; its directory is made. Everybody may run it.
pub fn install_stand_in(path: &str) {
    install(&programs::stand_in(), Path::new(path));
}

/// Puts the probe into a directory, which is made. Everybody may run it.
pub fn install_probe(directory: &str) {
    let name = "sandbox-probe";
    let probe = programs::stand_in_directory().join(name);
    install(&probe, &Path::new(directory).join(name));
}

fn install(program: &Path, path: &Path) {
    let directory = path.parent().expect("the path is a file's");
    fs::create_dir_all(directory).expect("the private place can be written");
    fs::copy(program, path).expect("the program can be copied");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

/// Gives a directory to the agent's user.
pub fn make_agent_directory(path: &str) {
    fs::create_dir_all(path).expect("the private place can be written");
    nix::unistd::chown(path, Some(AGENT_UID.into()), Some(AGENT_UID.into()))
        .expect("root may give it away");
}
