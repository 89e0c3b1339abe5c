//! Operations of the child on its namespaces and mounts.
//!
//! As `child`: raw system calls on prepared memory, nothing else.

use super::call::{Errno, call};
use super::operation::{Done, change_directory, close, make_directory, open, plain, write};
use libc::AT_FDCWD;
use std::ffi::{CStr, CString};

const BIND: u64 = libc::MS_BIND;
const RECURSIVE: u64 = libc::MS_REC;

/// mount(2); an address of 0 is no string.
fn mount_call(from: usize, to: &CStr, kind: usize, flags: u64, options: usize) -> Done {
    let words = [from, to.as_ptr() as usize, kind, flags as usize, options];
    // SAFETY: all strings come from callers here and live as long as the call, or are null.
    unsafe { call(libc::SYS_mount, words) }.map(|_| ())
}

pub(super) fn propagate(flags: u64) -> Done {
    mount_call(0, c"/", 0, flags | RECURSIVE, 0)
}

pub(super) fn bind(from: &CStr, to: &CStr, recursive: bool) -> Done {
    let flags = if recursive { BIND | RECURSIVE } else { BIND };
    mount_call(from.as_ptr() as usize, to, 0, flags, 0)
}

pub(super) fn mount(kind: &CStr, options: &CStr, flags: u64, to: &CStr) -> Done {
    let kind = kind.as_ptr() as usize;
    mount_call(kind, to, kind, flags, options.as_ptr() as usize)
}

pub(super) fn remount(path: &CStr, flags: u64) -> Done {
    match mount_call(0, path, 0, libc::MS_REMOUNT | BIND | flags, 0) {
        // No longer there, or no longer a mount point.
        Err(Errno(libc::ENOENT | libc::EINVAL)) => Ok(()),
        result => result,
    }
}

pub(super) fn make_point(parents: &[CString], path: &CStr, directory: bool) -> Done {
    for parent in parents {
        make_directory(parent, 0o755)?;
    }
    if directory {
        return make_directory(path, 0o755);
    }
    make_file(path)
}

/// Does not open what is there already: it may be a device or a pipe.
fn make_file(path: &CStr) -> Done {
    let mode = libc::S_IFREG | 0o644;
    let words = [AT_FDCWD as usize, path.as_ptr() as usize, mode as usize, 0];
    // SAFETY: the path is a valid string.
    match unsafe { call(libc::SYS_mknodat, words) } {
        Ok(_) | Err(Errno(libc::EEXIST)) => Ok(()),
        Err(errno) => Err(errno),
    }
}

pub(super) fn make_device(from: &CStr, path: &CStr, major: u32, minor: u32) -> Done {
    let mode = (libc::S_IFCHR | 0o666) as usize;
    // The numbers used here are small: the kernel's old form of device numbers.
    let number = (major << 8 | minor) as usize;
    let words = [AT_FDCWD as usize, path.as_ptr() as usize, mode, number];
    // SAFETY: the path is a valid string.
    match unsafe { call(libc::SYS_mknodat, words) } {
        Err(Errno(libc::EPERM)) => {}
        result => return result.map(|_| ()),
    }
    make_file(path)?;
    bind(from, path, false)
}

pub(super) fn link(target: &CStr, path: &CStr) -> Done {
    let words = [
        target.as_ptr() as usize,
        AT_FDCWD as usize,
        path.as_ptr() as usize,
    ];
    // SAFETY: both are valid strings.
    match unsafe { call(libc::SYS_symlinkat, words) } {
        Ok(_) | Err(Errno(libc::EEXIST)) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// pivot_root(2), "pivot_root(".", ".")": the old root lies over the new one until it is
/// detached. Where the root cannot be changed, because it is the kernel's first one, the new
/// one is moved over it.
pub(super) fn pivot(path: &CStr) -> Done {
    change_directory(path)?;
    let here = c".".as_ptr() as usize;
    // SAFETY: both are valid strings.
    match unsafe { call(libc::SYS_pivot_root, [here, here]) } {
        Ok(_) => {
            let words = [here, libc::MNT_DETACH as usize];
            // SAFETY: the path is a valid string.
            unsafe { call(libc::SYS_umount2, words) }?;
        }
        Err(Errno(libc::EINVAL)) => {
            mount_call(here, c"/", 0, libc::MS_MOVE, 0)?;
            // SAFETY: the path is a valid string.
            unsafe { call(libc::SYS_chroot, [here]) }?;
        }
        Err(errno) => return Err(errno),
    }
    change_directory(c"/")
}

/// Only a process outside of the new namespace, with privilege, may map others than itself: a
/// child of ours, with a copy of our memory, which waits until the namespace is there.
pub(super) fn make_users(users: &str, groups: &str) -> Done {
    let mut pipe = [0i32; 2];
    let words = [pipe.as_mut_ptr() as usize, libc::O_CLOEXEC as usize];
    // SAFETY: the array is valid for the call.
    unsafe { call(libc::SYS_pipe2, words) }?;
    let [reader, writer] = pipe;
    // SAFETY: getpid(2) takes no arguments.
    let us = unsafe { call(libc::SYS_getpid, []) }?;
    // SAFETY: without CLONE_VM and a stack both go on from here, each on memory of its own.
    let helper = unsafe { call(libc::SYS_clone, [libc::SIGCHLD as usize, 0, 0, 0, 0]) }?;
    if helper == 0 {
        close(writer);
        let status = match map_users(us, reader, users, groups) {
            Ok(()) => 0,
            Err(Errno(number)) => number,
        };
        loop {
            // SAFETY: ends the helper.
            let _ = unsafe { call(libc::SYS_exit_group, [status as usize]) };
        }
    }
    close(reader);
    let made = plain(libc::SYS_unshare, [libc::CLONE_NEWUSER as usize]);
    if made.is_ok() {
        // Closes it, too; without a byte the helper does nothing.
        write(writer, b"1")?;
    } else {
        close(writer);
    }
    let mapped = wait_for(helper);
    made.and(mapped)
}

fn wait_for(helper: usize) -> Done {
    let mut status = 0i32;
    loop {
        let words = [helper, &raw mut status as usize, 0, 0];
        // SAFETY: the status is valid for the call.
        match unsafe { call(libc::SYS_wait4, words) } {
            Err(Errno(libc::EINTR)) => {}
            Err(errno) => return Err(errno),
            Ok(_) => break,
        }
    }
    match status {
        0 => Ok(()),
        // It left with the errno.
        status if status & 0x7f == 0 => Err(Errno(status >> 8 & 0xff)),
        _ => Err(Errno(libc::EIO)),
    }
}

/// Room for `/proc/PID/setgroups` with the largest pid.
const NAME_SIZE: usize = 32;

/// The helper's part.
fn map_users(process: usize, reader: i32, users: &str, groups: &str) -> Done {
    let mut byte = 0u8;
    let words = [reader as usize, &raw mut byte as usize, 1];
    // SAFETY: the byte is valid for the call.
    if unsafe { call(libc::SYS_read, words) }? == 0 {
        return Ok(());
    }
    for (name, text) in [
        ("/setgroups", "deny"),
        ("/gid_map", groups),
        ("/uid_map", users),
    ] {
        let path = in_proc(process, name);
        let path = CStr::from_bytes_until_nul(&path).map_err(|_| Errno(libc::ENAMETOOLONG))?;
        let file = open(path, libc::O_WRONLY | libc::O_CLOEXEC, 0)?;
        write(file, text.as_bytes())?;
    }
    Ok(())
}

/// `/proc/PID` and a name behind it.
fn in_proc(process: usize, name: &str) -> [u8; NAME_SIZE] {
    let mut path = [0u8; NAME_SIZE];
    let digit = |place: u32| b'0' + (process / 10usize.pow(place) % 10) as u8;
    let count = process.checked_ilog10().unwrap_or(0) + 1;
    let digits = (0..count).rev().map(digit);
    let text = b"/proc/".iter().copied().chain(digits).chain(name.bytes());
    // The last byte stays the end of the string.
    for (cell, byte) in path.iter_mut().take(NAME_SIZE - 1).zip(text) {
        *cell = byte;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_proc() {
        for (process, name) in [(1, "/proc/1/uid_map"), (4_194_304, "/proc/4194304/uid_map")] {
            let path = in_proc(process, "/uid_map");
            let text = CStr::from_bytes_until_nul(&path).unwrap();
            assert_eq!(text.to_str().unwrap(), name);
        }
    }
}
