//! What a process sees and may do, from the inside: each argument is a question, each answer a
//! line `QUESTION=ANSWER`. What the tests of the sandbox run as a service.
//!
//! `status:NAME` a line of /proc/self/status · `call:NAME:ARGUMENT...` what a system call
//! returns, or `E` and the errno · `read:PATH` · `write:PATH` whether it opens for writing, or
//! if it is a directory whether a file can be made there · `list:PATH` · `stat:PATH` type,
//! mode, owner, group · `link:PATH` · `mount:PATH` options, type and root of the topmost mount
//! there · `env:NAME` · `stdin` · `foreign` what a call of 32-bit x86 or x32 does · `field:N` of
//! /proc/self/stat · `send:ADDRESS` a datagram · `bind:tcp:ADDRESS`, `bind:udp:ADDRESS`.

#![allow(unsafe_code, missing_docs, clippy::unwrap_used)]

use std::ffi::CString;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

const CALLS: &[(&str, libc::c_long)] = &[
    ("adjtimex", libc::SYS_adjtimex),
    ("clone3", libc::SYS_clone3),
    ("fchmodat", libc::SYS_fchmodat),
    ("get_mempolicy", libc::SYS_get_mempolicy),
    ("getpriority", libc::SYS_getpriority),
    ("init_module", libc::SYS_init_module),
    ("ioprio_get", libc::SYS_ioprio_get),
    ("keyctl", libc::SYS_keyctl),
    ("kill", libc::SYS_kill),
    ("mkdirat", libc::SYS_mkdirat),
    ("mmap", libc::SYS_mmap),
    ("mprotect", libc::SYS_mprotect),
    ("mount", libc::SYS_mount),
    ("openat2", libc::SYS_openat2),
    ("personality", libc::SYS_personality),
    ("prctl", libc::SYS_prctl),
    ("reboot", libc::SYS_reboot),
    ("sched_getscheduler", libc::SYS_sched_getscheduler),
    ("sched_setattr", libc::SYS_sched_setattr),
    ("sched_setscheduler", libc::SYS_sched_setscheduler),
    ("sethostname", libc::SYS_sethostname),
    ("setns", libc::SYS_setns),
    ("socket", libc::SYS_socket),
    ("swapoff", libc::SYS_swapoff),
    ("syslog", libc::SYS_syslog),
    ("unshare", libc::SYS_unshare),
];

fn main() {
    for question in std::env::args().skip(1) {
        let (kind, rest) = question.split_once(':').unwrap_or((&question, ""));
        let answer = match kind {
            "status" => status(rest),
            "call" => call(rest),
            "read" => or_error(read(rest)),
            "write" => or_error(write(rest)),
            "list" => or_error(list(rest)),
            "stat" => or_error(stat(rest)),
            "link" => or_error(fs::read_link(rest).map(|p| p.display().to_string())),
            "mount" => mount(rest),
            "env" => std::env::var(rest).unwrap_or_else(|_| "unset".to_owned()),
            "stdin" => or_error(io::read_to_string(io::stdin())),
            "foreign" => foreign(),
            "field" => field(rest),
            "send" => done(send(rest)),
            "bind" => match rest.split_once(':') {
                Some(("tcp", address)) => done(TcpListener::bind(address)),
                Some(("udp", address)) => done(UdpSocket::bind(address)),
                _ => "not a question".to_owned(),
            },
            _ => "not a question".to_owned(),
        };
        let line = format!("{question}={}\n", answer.replace('\n', "\\n"));
        // One write: a later question may end us.
        io::stdout().write_all(line.as_bytes()).unwrap();
    }
}

fn or_error(result: io::Result<String>) -> String {
    result.unwrap_or_else(|error| format!("E{}", error.raw_os_error().unwrap_or(0)))
}

fn done<T>(result: io::Result<T>) -> String {
    or_error(result.map(|_| "done".to_owned()))
}

/// Counted as proc(5) does.
fn field(number: &str) -> String {
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    let (_, behind) = text.rsplit_once(')').unwrap();
    let number: usize = number.parse().unwrap();
    behind
        .split_whitespace()
        .nth(number - 3)
        .unwrap_or("none")
        .to_owned()
}

fn send(address: &str) -> io::Result<usize> {
    let any = if address.starts_with('[') {
        "[::]:0"
    } else {
        "0.0.0.0:0"
    };
    UdpSocket::bind(any)?.send_to(b"probe", address)
}

/// Signals 32 and 33, which the C library keeps for itself: whether they are ignored depends on who
/// started the manager.
const LIBRARYS: u64 = 0b11 << 31;

fn status(name: &str) -> String {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.unwrap_or(":none")[1..].trim().replace('\t', " ");
    match u64::from_str_radix(&value, 16) {
        Ok(signals) if name == "SigIgn" => format!("{:016x}", signals & !LIBRARYS),
        _ => value,
    }
}

fn call(text: &str) -> String {
    let mut words = text.split(':');
    let name = words.next().unwrap();
    let (_, number) = CALLS.iter().find(|(known, _)| *known == name).unwrap();
    let words: Vec<&str> = words.collect();
    let paths: Vec<CString> = words.iter().map(|w| CString::new(*w).unwrap()).collect();
    let arguments: Vec<libc::c_long> = words
        .iter()
        .zip(&paths)
        .map(|(word, path)| argument(word, path))
        .collect();
    let at = |index: usize| arguments.get(index).copied().unwrap_or(0);
    // SAFETY: addresses among the arguments are those of strings that live until the end of
    // this function; a call that wants another kind of address gets 0.
    let result = unsafe { libc::syscall(*number, at(0), at(1), at(2), at(3), at(4), at(5)) };
    match result {
        -1 => format!("E{}", io::Error::last_os_error().raw_os_error().unwrap()),
        result => result.to_string(),
    }
}

fn argument(word: &str, path: &CString) -> libc::c_long {
    let number = match word.split_at_checked(2) {
        Some(("0x", digits)) => u64::from_str_radix(digits, 16).ok(),
        Some(("0o", digits)) => u64::from_str_radix(digits, 8).ok(),
        _ => word.parse::<i64>().ok().map(|number| number as u64),
    };
    number.map_or(path.as_ptr() as libc::c_long, |n| n as libc::c_long)
}

fn read(path: &str) -> io::Result<String> {
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(64 * 1024)
        .read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

fn write(path: &str) -> io::Result<String> {
    if fs::metadata(path)?.is_dir() {
        let file = format!("{path}/.probe-{}", std::process::id());
        fs::File::create(&file)?;
        fs::remove_file(&file)?;
    } else {
        fs::OpenOptions::new().write(true).open(path)?;
    }
    Ok("yes".to_owned())
}

fn list(path: &str) -> io::Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names.join(" "))
}

fn stat(path: &str) -> io::Result<String> {
    let found = fs::symlink_metadata(path)?;
    let kind = found.file_type();
    let kind = if kind.is_dir() {
        "directory"
    } else if kind.is_symlink() {
        "link"
    } else if kind.is_char_device() {
        "device"
    } else {
        "file"
    };
    let mode = found.mode() & 0o7777;
    Ok(format!("{kind} {mode:04o} {} {}", found.uid(), found.gid()))
}

fn mount(path: &str) -> String {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let found = text.lines().rev().find_map(|line| {
        let (own, file_system) = line.split_once(" - ")?;
        let words: Vec<&str> = own.split(' ').collect();
        let kind = file_system.split(' ').next()?;
        (words[4] == path).then(|| format!("{} {kind} {}", words[5], words[3]))
    });
    found.unwrap_or_else(|| "none".to_owned())
}

/// getpid as x32 has it: a kernel without x32 says that there is no such call.
#[cfg(target_arch = "x86_64")]
fn foreign() -> String {
    // SAFETY: the call takes no arguments.
    match unsafe { libc::syscall(0x4000_0000 + libc::SYS_getpid) } {
        -1 => format!("E{}", io::Error::last_os_error().raw_os_error().unwrap()),
        _ => "done".to_owned(),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn foreign() -> String {
    "none".to_owned()
}
