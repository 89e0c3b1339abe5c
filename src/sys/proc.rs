//! /proc/PID: what can be known of a process by its number.
//!
//! A number may be reused between two readings: whoever needs to be sure holds a pidfd, reads,
//! and asks the pidfd whether the process is still there.

use std::fs;
use std::io::{self, Read};

/// A part of /proc/PID/stat (proc_pid_stat(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// `R`, `S`, `Z` for a zombie ...
    pub state: char,
    /// Parent.
    pub parent: i32,
    /// Process group.
    pub group: i32,
    /// Session.
    pub session: i32,
    /// When it started, in clock ticks since boot: tells two users of one number apart.
    pub start_time: u64,
    /// As wait(2) tells it, once the process has ended; 0 for who may not see it ([`is_shown`]).
    pub exit_code: i32,
}

/// Reads /proc/PID/stat.
///
/// # Errors
/// There is no such process, or the kernel's answer cannot be read.
pub fn stat(pid: i32) -> io::Result<Stat> {
    // More than it can be long, so that one read is enough: every start of a process asks for it.
    let mut buffer = [0; 2048];
    let count = fs::File::open(format!("/proc/{pid}/stat"))?.read(&mut buffer)?;
    parse_stat(&String::from_utf8_lossy(&buffer[..count]))
        .ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat is not as expected")))
}

/// Whether everything of a process is shown to us: where it is not, numbers that are nobody's
/// business are shown as 0 (proc(5), ptrace access mode). True of zombies, too.
pub fn is_shown(pid: i32) -> bool {
    match fs::read_link(format!("/proc/{pid}/exe")) {
        Ok(_) => true,
        // A zombie has no program any more; who may not look is told so before.
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// The command line, words joined by blanks; the name in brackets for a process without one,
/// such as a zombie.
///
/// # Errors
/// There is no such process.
pub fn command_line(pid: i32) -> io::Result<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline"))?;
    let text = String::from_utf8_lossy(&bytes);
    let line = text.trim_end_matches('\0').replace('\0', " ");
    if !line.is_empty() {
        return Ok(line);
    }
    let name = fs::read(format!("/proc/{pid}/comm"))?;
    Ok(format!("[{}]", String::from_utf8_lossy(&name).trim_end()))
}

/// The users that a process acts as: real, effective, saved, and for the file system.
///
/// # Errors
/// There is no such process, or the kernel's answer cannot be read.
pub fn users(pid: i32) -> io::Result<[u32; 4]> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Uid:"));
    let users = line.map(|line| line.split_whitespace().filter_map(|word| word.parse().ok()));
    let users: Vec<u32> = users.into_iter().flatten().collect();
    users
        .try_into()
        .map_err(|_| io::Error::other(format!("/proc/{pid}/status is not as expected")))
}

/// Whether it is a part of the kernel.
///
/// # Errors
/// There is no such process.
pub fn is_kernel_thread(pid: i32) -> io::Result<bool> {
    /// Of the flags in /proc/PID/stat (linux/sched.h, PF_KTHREAD).
    const KERNEL: u64 = 0x0020_0000;
    let text = fs::read(format!("/proc/{pid}/stat"))?;
    let text = String::from_utf8_lossy(&text);
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    // As in `parse_stat`: the flags are field 9.
    let flags = rest.split_whitespace().nth(9 - 3);
    Ok(flags.and_then(|flags| flags.parse().ok()).unwrap_or(0) & KERNEL != 0)
}

/// The v2 control group, as in `/system/x.service`; `None` without a v2 hierarchy.
///
/// # Errors
/// There is no such process.
pub fn control_group(pid: i32) -> io::Result<Option<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    Ok(unified_group(&text).map(str::to_owned))
}

/// The v2 entry of a /proc/PID/cgroup (cgroups(7)).
pub fn unified_group(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::"))
}

/// All processes there are.
///
/// # Errors
/// /proc cannot be read.
pub fn all() -> io::Result<Vec<i32>> {
    let mut pids = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        pids.extend(name.to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    Ok(pids)
}

/// The children of a process, whichever of its threads made them or got them. One that comes or goes
/// meanwhile may be missing, and so may another then.
///
/// # Errors
/// There is no such process, or the kernel does not tell (CONFIG_PROC_CHILDREN).
pub fn children(pid: i32) -> io::Result<Vec<i32>> {
    let mut pids = Vec::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let list = fs::read_to_string(thread?.path().join("children"))?;
        pids.extend(
            list.split_whitespace()
                .filter_map(|pid| pid.parse::<i32>().ok()),
        );
    }
    Ok(pids)
}

/// The name, second of the fields, may hold anything, also `) `; the last `)` ends it.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // The first field here is the third of the manual page.
    let number = |field: usize| fields.get(field - 3)?.parse::<i64>().ok();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: number(4)? as i32,
        group: number(5)? as i32,
        session: number(6)? as i32,
        start_time: number(22)? as u64,
        exit_code: number(52).unwrap_or(0) as i32,
    })
}

/// A path as mountinfo has it: blanks and their kin stand there as `\040`.
pub fn unescape_mount(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let octal = behind.get(..3).and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        });
        match octal.filter(|_| first == b'\\') {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[3..];
            }
            None => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    bytes
}

/// The same as text; bytes that are none are replaced.
pub fn unescape_mount_text(text: &str) -> String {
    String::from_utf8_lossy(&unescape_mount(text)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_look_like_the_end_of_a_name() {
        let text = "42 (a) S (b)) Z 7 8 9 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 123456 0 0\n";
        let expected = Stat {
            state: 'Z',
            parent: 7,
            group: 8,
            session: 9,
            start_time: 123_456,
            exit_code: 0,
        };
        assert_eq!(parse_stat(text), Some(expected));
        assert_eq!(parse_stat("42 (cut"), None);
        assert_eq!(parse_stat("42 (cut) S 1"), None);
    }

    #[test]
    fn of_ourselves() {
        let own = std::process::id() as i32;
        let stat = stat(own).unwrap();
        assert_eq!(stat.parent, nix::unistd::getppid().as_raw());
        assert!(all().unwrap().contains(&own));
        let words: Vec<String> = std::env::args().collect();
        assert_eq!(command_line(own).unwrap(), words.join(" "));
    }

    #[test]
    fn the_unified_line_is_found() {
        let hybrid = "3:cpuset:/x\n1:name=systemd:/y\n0::/z/a.service\n";
        assert_eq!(unified_group(hybrid), Some("/z/a.service"));
        assert_eq!(unified_group("3:cpuset:/x\n"), None);
    }
}
