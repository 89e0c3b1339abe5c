//! Operations of the child on how it is scheduled, and on its keyring.
//!
//! As `child`: raw system calls on prepared memory, nothing else.

use super::call::{Errno, call};
use super::operation::{Done, plain};

pub(super) fn schedule(policy: u32, priority: i32) -> Done {
    let words = [0, policy as usize, &raw const priority as usize];
    // SAFETY: `struct sched_param` is one int, valid for the call.
    unsafe { call(libc::SYS_sched_setscheduler, words) }.map(|_| ())
}

pub(super) fn run_on(set: &[u64]) -> Done {
    let words = [0, size_of_val(set), set.as_ptr() as usize];
    // SAFETY: the set is as long as the call is told.
    unsafe { call(libc::SYS_sched_setaffinity, words) }.map(|_| ())
}

pub(super) fn memory_policy(mode: i32, nodes: &[u64]) -> Done {
    // The kernel takes one bit less than it is told.
    let (bits, address) = match nodes {
        [] => (0, 0),
        nodes => (size_of_val(nodes) * 8 + 1, nodes.as_ptr() as usize),
    };
    // SAFETY: the set is as long as the call is told.
    match unsafe { call(libc::SYS_set_mempolicy, [mode as usize, address, bits]) } {
        Err(Errno(libc::ENOSYS)) => Ok(()),
        result => result.map(|_| ()),
    }
}

/// IOPRIO_WHO_PROCESS.
const WHO_PROCESS: usize = 1;

pub(super) fn io_priority(value: u32) -> Done {
    plain(libc::SYS_ioprio_set, [WHO_PROCESS, 0, value as usize])
}

// linux/keyctl.h.
const JOIN_SESSION_KEYRING: usize = 1;
const LINK: usize = 8;
const SESSION_KEYRING: i32 = -3;
const USER_KEYRING: i32 = -4;

/// A keyring belongs to whoever makes it: for a moment that is the owner.
pub(super) fn keyring(shared: bool, owner: Option<(u32, u32)>) -> Done {
    let Some((user, group)) = owner else {
        return make_keyring(shared);
    };
    const SAME: usize = usize::MAX;
    let become_group = |id: usize| plain(libc::SYS_setresgid, [SAME, id, SAME]);
    let become_user = |id: usize| plain(libc::SYS_setresuid, [SAME, id, SAME]);
    // SAFETY: neither call takes an argument.
    let group_now = unsafe { call(libc::SYS_getegid, []) }?;
    // SAFETY: as above.
    let user_now = unsafe { call(libc::SYS_geteuid, []) }?;
    become_group(group as usize)?;
    become_user(user as usize)?;
    let result = make_keyring(shared);
    become_user(user_now)?;
    become_group(group_now)?;
    result
}

fn make_keyring(shared: bool) -> Done {
    plain(libc::SYS_keyctl, [JOIN_SESSION_KEYRING, 0])?;
    if !shared {
        return Ok(());
    }
    let words = [LINK, USER_KEYRING as usize, SESSION_KEYRING as usize];
    plain(libc::SYS_keyctl, words)
}
