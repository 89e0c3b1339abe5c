//! Carries the operations of a [`super::program::Program`] out, in the child.
//!
//! As `child`: raw system calls on prepared memory, nothing else.

use super::call::{Errno, call};
use super::child::set_signal_action;
use super::filter::{self, Instruction};
use super::namespace;
use super::program::Operation;
use super::scheduling;
use libc::{AT_FDCWD, c_long};
use std::ffi::{CStr, CString};
use std::os::fd::AsRawFd;

pub(super) type Done = Result<(), Errno>;

// The kernel's numbers; C libraries disagree on their type.
const RLIMIT_NOFILE: u32 = 7;
const RLIMIT_NICE: u32 = 13;

/// How far an operation got that may do with less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// All that was asked for.
    Whole,
    /// The nearest to it that is permitted.
    To(i64),
    /// Nothing changed.
    AsItWas,
}

/// Does one operation.
pub(super) fn perform(operation: &Operation<'_>) -> Result<Extent, Errno> {
    let done = match operation {
        Operation::Refuse(_) => Err(Errno(libc::EPERM)),
        Operation::NewSession => plain(libc::SYS_setsid, []),
        Operation::Join(tasks) => {
            open(tasks, libc::O_WRONLY | libc::O_CLOEXEC, 0).and_then(|file| write(file, b"0"))
        }
        Operation::Stash { from, onto } => duplicate(from.as_raw_fd(), *onto, libc::O_CLOEXEC),
        Operation::Pass { from, onto } => duplicate(*from, *onto, 0),
        Operation::Open {
            path,
            flags,
            mode,
            onto,
        } => open_onto(path, *flags, *mode, *onto),
        Operation::Terminal { path, force, onto } => take_terminal(path, *force, *onto),
        Operation::OwnTerminal { number, user } => own_terminal(*number, *user),
        Operation::AdoptTerminal(number) => adopt_terminal(*number),
        Operation::CloseFrom(first) => close_from(*first),
        Operation::OomScoreAdjust(value) => {
            return write_if_permitted(c"/proc/self/oom_score_adj", value);
        }
        Operation::Nice(value) => return set_nice(*value),
        Operation::Schedule { policy, priority } => scheduling::schedule(*policy, *priority),
        Operation::Processors(set) => scheduling::run_on(set),
        Operation::MemoryPolicy { mode, nodes } => scheduling::memory_policy(*mode, nodes),
        Operation::IoPriority(value) => scheduling::io_priority(*value),
        Operation::TimerSlack(value) => {
            prctl(libc::PR_SET_TIMERSLACK, *value as usize, 0).map(|_| ())
        }
        Operation::CoreDumpFilter(value) => {
            return write_if_permitted(c"/proc/self/coredump_filter", value);
        }
        Operation::Keyring { shared, owner } => scheduling::keyring(*shared, *owner),
        Operation::Unshare(flags) => plain(libc::SYS_unshare, [*flags as usize]),
        Operation::Enter { namespace, kind } => plain(
            libc::SYS_setns,
            [namespace.as_raw_fd() as usize, *kind as usize],
        ),
        Operation::UserNamespace { users, groups } => namespace::make_users(users, groups),
        Operation::Propagation(flags) => namespace::propagate(*flags),
        Operation::MountPoint {
            parents,
            path,
            directory,
        } => namespace::make_point(parents, path, *directory),
        Operation::Bind {
            from,
            to,
            recursive,
        } => namespace::bind(from, to, *recursive),
        Operation::Mount {
            kind,
            options,
            flags,
            to,
        } => namespace::mount(kind, options, *flags, to),
        Operation::Remount { path, flags } => namespace::remount(path, *flags),
        Operation::Device {
            from,
            path,
            major,
            minor,
        } => namespace::make_device(from, path, *major, *minor),
        Operation::SymbolicLink { target, path } => namespace::link(target, path),
        Operation::PivotRoot(path) => namespace::pivot(path),
        Operation::Umask(mask) => plain(libc::SYS_umask, [*mask as usize]),
        Operation::Limit {
            resource,
            soft,
            hard,
        } => return set_limit(*resource, *soft, *hard),
        Operation::Groups(groups) => set_groups(groups),
        Operation::Group(id) => plain(libc::SYS_setresgid, [*id as usize; 3]),
        Operation::User(id) => plain(libc::SYS_setresuid, [*id as usize; 3]),
        Operation::KeepBounding(set) => keep_bounding(*set),
        Operation::PrepareAmbient(set) => prepare_ambient(*set),
        Operation::SetAmbient(set) => set_ambient(*set),
        Operation::NoNewPrivileges => no_new_privileges(),
        Operation::ImplyNoNewPrivileges => imply_no_new_privileges(),
        Operation::Attribute { paths, value } => write_attribute(paths, value),
        Operation::SecureBits(bits) => set_secure_bits(*bits),
        Operation::Personality(value) => plain(libc::SYS_personality, [*value as usize]),
        Operation::Filter(instructions) => install_filter(instructions),
        Operation::ChangeDirectory { path, optional } => match change_directory(path) {
            Err(_) if *optional => Ok(()),
            result => result,
        },
        Operation::IgnoreSignal(signal) => {
            set_signal_action(*signal, libc::SIG_IGN);
            Ok(())
        }
    };
    done.map(|()| Extent::Whole)
}

/// A call whose arguments are numbers, whatever they are worth to the kernel.
pub(super) fn plain<const N: usize>(number: c_long, arguments: [usize; N]) -> Done {
    // SAFETY: none of the calls made through here takes an address.
    unsafe { call(number, arguments) }.map(|_| ())
}

fn prctl(option: i32, argument: usize, second: usize) -> Result<usize, Errno> {
    // SAFETY: none of the options used here takes an address.
    unsafe { call(libc::SYS_prctl, [option as usize, argument, second, 0, 0]) }
}

fn duplicate(from: i32, onto: i32, flags: i32) -> Done {
    plain(
        libc::SYS_dup3,
        [from as usize, onto as usize, flags as usize],
    )
}

pub(super) fn open(path: &CStr, flags: i32, mode: u32) -> Result<i32, Errno> {
    let words = [
        AT_FDCWD as usize,
        path.as_ptr() as usize,
        flags as usize,
        mode as usize,
    ];
    // SAFETY: the path is a valid string.
    unsafe { call(libc::SYS_openat, words) }.map(|number| number as i32)
}

pub(super) fn close(number: i32) {
    // Nothing is done about an error: the number is free in any case.
    let _ = plain(libc::SYS_close, [number as usize]);
}

fn open_onto(path: &CStr, flags: i32, mode: u32, onto: i32) -> Done {
    let number = open(path, flags, mode)?;
    if number == onto {
        return Ok(());
    }
    let result = duplicate(number, onto, 0);
    close(number);
    result
}

/// Of terminals in use: their user, and whoever writes to users.
const TERMINAL_MODE: usize = 0o620;

fn take_terminal(path: &CStr, force: bool, onto: i32) -> Done {
    open_onto(path, libc::O_RDWR | libc::O_NOCTTY, 0, onto)?;
    let words = [onto as usize, libc::TIOCSCTTY as usize, usize::from(force)];
    // TIOCSCTTY takes a number.
    plain(libc::SYS_ioctl, words)
}

fn own_terminal(number: i32, user: u32) -> Done {
    let unchanged = u32::MAX as usize;
    let words = [number as usize, user as usize, unchanged];
    let _ = plain(libc::SYS_fchown, words);
    let _ = plain(libc::SYS_fchmod, [number as usize, TERMINAL_MODE]);
    Ok(())
}

/// As in systemd: whatever the kernel says to it.
fn adopt_terminal(number: i32) -> Done {
    // TIOCSCTTY takes a number.
    let words = [number as usize, libc::TIOCSCTTY as usize, 0];
    let _ = plain(libc::SYS_ioctl, words);
    Ok(())
}

fn close_from(first: i32) -> Done {
    match plain(
        libc::SYS_close_range,
        [first as usize, u32::MAX as usize, 0],
    ) {
        // Before Linux 5.9, or behind a filter.
        Err(Errno(libc::ENOSYS | libc::EPERM)) => {}
        result => return result,
    }
    let end = limit(RLIMIT_NOFILE)?.rlim_cur.min(i32::MAX as u64) as i32;
    for number in first..end {
        close(number);
    }
    Ok(())
}

/// Without the privilege the file stays as it is.
fn write_if_permitted(path: &CStr, value: &str) -> Result<Extent, Errno> {
    let file = open(path, libc::O_WRONLY | libc::O_CLOEXEC, 0);
    match file.and_then(|file| write(file, value.as_bytes())) {
        Err(Errno(libc::EPERM | libc::EACCES)) => Ok(Extent::AsItWas),
        result => result.map(|()| Extent::Whole),
    }
}

pub(super) fn write(file: i32, bytes: &[u8]) -> Done {
    let words = [file as usize, bytes.as_ptr() as usize, bytes.len()];
    // SAFETY: the buffer is valid for the call.
    let result = unsafe { call(libc::SYS_write, words) };
    close(file);
    result.map(|_| ())
}

fn write_attribute(paths: &[CString], value: &str) -> Done {
    let mut reason = Errno(libc::ENOENT);
    for path in paths {
        match open(path, libc::O_WRONLY | libc::O_CLOEXEC, 0) {
            Ok(file) => return write(file, value.as_bytes()),
            Err(Errno(libc::ENOENT)) => {}
            Err(errno) => reason = errno,
        }
    }
    Err(reason)
}

fn set_nice(value: i32) -> Result<Extent, Errno> {
    match set_priority(value) {
        Err(Errno(libc::EPERM | libc::EACCES)) => {}
        result => return result.map(|()| Extent::Whole),
    }
    // The kernel counts RLIMIT_NICE from 1 (nice 19) to 40 (nice -20), getpriority the same.
    let allowed = 20 - limit(RLIMIT_NICE)?.rlim_cur.clamp(1, 40) as i32;
    // SAFETY: getpriority(2) takes no address.
    let now = 20 - unsafe { call(libc::SYS_getpriority, [libc::PRIO_PROCESS as usize, 0]) }? as i32;
    let nearest = value.max(allowed).min(now);
    if nearest < now {
        set_priority(nearest)?;
    }
    Ok(Extent::To(nearest.into()))
}

fn set_priority(value: i32) -> Done {
    plain(
        libc::SYS_setpriority,
        [libc::PRIO_PROCESS as usize, 0, value as usize],
    )
}

pub(super) fn make_directory(path: &CStr, mode: u32) -> Done {
    let words = [AT_FDCWD as usize, path.as_ptr() as usize, mode as usize];
    // SAFETY: the path is a valid string.
    match unsafe { call(libc::SYS_mkdirat, words) } {
        Ok(_) | Err(Errno(libc::EEXIST)) => Ok(()),
        Err(errno) => Err(errno),
    }
}

pub(super) fn change_directory(path: &CStr) -> Done {
    // SAFETY: the path is a valid string.
    unsafe { call(libc::SYS_chdir, [path.as_ptr() as usize]) }.map(|_| ())
}

/// prlimit64(2) on ourselves: sets if there is something to set, returns what was before.
fn change_limit(resource: u32, new: Option<&libc::rlimit64>) -> Result<libc::rlimit64, Errno> {
    let mut before = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    let new = new.map_or(0, |limit| std::ptr::from_ref(limit) as usize);
    let words = [0, resource as usize, new, &raw mut before as usize];
    // SAFETY: both structures are valid for the call, or null.
    unsafe { call(libc::SYS_prlimit64, words) }?;
    Ok(before)
}

fn limit(resource: u32) -> Result<libc::rlimit64, Errno> {
    change_limit(resource, None)
}

fn set_limit(resource: u32, soft: u64, hard: u64) -> Result<Extent, Errno> {
    let wanted = libc::rlimit64 {
        rlim_cur: soft,
        rlim_max: hard,
    };
    match change_limit(resource, Some(&wanted)) {
        Err(Errno(libc::EPERM)) => {}
        result => return result.map(|_| Extent::Whole),
    }
    let most = change_limit(resource, None)?.rlim_max;
    let nearest = libc::rlimit64 {
        rlim_cur: soft.min(most),
        rlim_max: hard.min(most),
    };
    change_limit(resource, Some(&nearest))?;
    Ok(Extent::To(most.min(i64::MAX as u64) as i64))
}

fn set_groups(groups: &[u32]) -> Done {
    let words = [groups.len(), groups.as_ptr() as usize];
    // SAFETY: the array is as long as the call is told.
    match unsafe { call(libc::SYS_setgroups, words) } {
        Err(Errno(libc::EPERM)) if in_all(groups) => Ok(()),
        result => result.map(|_| ()),
    }
}

/// The most groups compared on the child's small stack; who is in more needs the privilege.
const GROUPS_COMPARED: usize = 1024;

/// Whether we are in all these groups. Others that we are in cannot be left without the
/// privilege, but nor can the user be changed: the child then stays who the daemon is.
fn in_all(groups: &[u32]) -> bool {
    let mut own = [0u32; GROUPS_COMPARED];
    let words = [own.len(), own.as_mut_ptr() as usize];
    // SAFETY: the array is as long as the call is told.
    let Ok(count) = (unsafe { call(libc::SYS_getgroups, words) }) else {
        return false;
    };
    // SAFETY: getegid(2) takes no arguments.
    let primary = unsafe { call(libc::SYS_getegid, []) }.unwrap_or(0) as u32;
    let own = own.get(..count).unwrap_or(&[]);
    groups.iter().all(|id| *id == primary || own.contains(id))
}

/// `struct __user_cap_header_struct`, for this process.
#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: i32,
}

/// Two `struct __user_cap_data_struct`: the low and the high 32 capabilities.
#[repr(C)]
#[derive(Default)]
struct CapabilityData {
    words: [CapabilityWords; 2],
}

#[repr(C)]
#[derive(Default)]
struct CapabilityWords {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// _LINUX_CAPABILITY_VERSION_3.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

/// CAP_SYS_ADMIN.
const ADMINISTRATION: usize = 21;

fn no_new_privileges() -> Done {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0).map(|_| ())
}

fn imply_no_new_privileges() -> Done {
    let (_, data) = capabilities()?;
    if data.words[0].effective >> ADMINISTRATION & 1 == 1 {
        return Ok(());
    }
    no_new_privileges()
}

/// Only if they differ: whoever may not set them may still have them.
fn set_secure_bits(bits: u32) -> Done {
    if prctl(libc::PR_GET_SECUREBITS, 0, 0)? == bits as usize {
        return Ok(());
    }
    prctl(libc::PR_SET_SECUREBITS, bits as usize, 0).map(|_| ())
}

/// SECCOMP_SET_MODE_FILTER of seccomp(2).
const SET_MODE_FILTER: usize = 1;

fn install_filter(instructions: &[Instruction]) -> Done {
    let program = filter::Program {
        length: instructions.len() as u16,
        instructions: instructions.as_ptr(),
    };
    let words = [SET_MODE_FILTER, 0, &raw const program as usize];
    // SAFETY: the program and its instructions are valid for the call.
    unsafe { call(libc::SYS_seccomp, words) }.map(|_| ())
}

fn capabilities() -> Result<(CapabilityHeader, CapabilityData), Errno> {
    let mut header = CapabilityHeader {
        version: CAPABILITY_VERSION,
        pid: 0,
    };
    let mut data = CapabilityData::default();
    let words = [&raw mut header as usize, &raw mut data as usize];
    // SAFETY: header and data are as version 3 has them and valid for the call.
    unsafe { call(libc::SYS_capget, words) }?;
    Ok((header, data))
}

fn change_inheritable(change: impl Fn(u64) -> u64) -> Done {
    let (mut header, mut data) = capabilities()?;
    let [low, high] = &mut data.words;
    let before = u64::from(low.inheritable) | u64::from(high.inheritable) << 32;
    let after = change(before);
    if after == before {
        return Ok(());
    }
    low.inheritable = after as u32;
    high.inheritable = (after >> 32) as u32;
    let words = [&raw mut header as usize, &raw mut data as usize];
    // SAFETY: as above.
    unsafe { call(libc::SYS_capset, words) }.map(|_| ())
}

fn keep_bounding(keep: u64) -> Done {
    for capability in 0..64usize {
        if keep >> capability & 1 == 1 {
            continue;
        }
        match prctl(libc::PR_CAPBSET_READ, capability, 0) {
            // Numbers beyond the kernel's last capability.
            Err(Errno(libc::EINVAL)) => break,
            Err(errno) => return Err(errno),
            Ok(0) => {}
            Ok(_) => drop_bounding(capability)?,
        }
    }
    change_inheritable(|set| set & keep)
}

fn drop_bounding(capability: usize) -> Done {
    prctl(libc::PR_CAPBSET_DROP, capability, 0).map(|_| ())
}

fn prepare_ambient(set: u64) -> Done {
    change_inheritable(|inheritable| inheritable | set)?;
    prctl(libc::PR_SET_KEEPCAPS, 1, 0).map(|_| ())
}

fn set_ambient(set: u64) -> Done {
    prctl(
        libc::PR_CAP_AMBIENT,
        libc::PR_CAP_AMBIENT_CLEAR_ALL as usize,
        0,
    )?;
    for capability in (0..64usize).filter(|c| set >> c & 1 == 1) {
        prctl(
            libc::PR_CAP_AMBIENT,
            libc::PR_CAP_AMBIENT_RAISE as usize,
            capability,
        )?;
    }
    Ok(())
}
