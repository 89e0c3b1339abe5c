//! clone3(2) of a child that shares our memory until it executes something.
//!
//! CLONE_VM|CLONE_VFORK copies no page tables, so the cost does not grow with the daemon, and
//! suspends this thread until the child has executed or left. The child needs a stack of its
//! own, which is why a few lines of assembly are here: it must not return through the frames
//! of the thread that waits for it.

use super::call::{Errno, call};
use super::staying::Stay;
use std::cell::RefCell;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

/// Bytes of a child's stack; what is never touched costs no memory.
const STACK_SIZE: usize = 128 * 1024;

/// Bytes that nothing may touch below it: the largest page there is.
const GUARD_SIZE: usize = 64 * 1024;

/// linux/sched.h; the libc crate's constants do not fit their own type.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Signals that are handled here have their default action in the child; ignored ones stay so.
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;

/// Runs in the child and never returns.
pub(super) type Entry<T> = extern "C" fn(&Call<'_, T>) -> !;

/// What the child is handed.
pub(super) struct Call<'a, T> {
    /// The caller's own.
    pub(super) argument: &'a T,
    /// cgroup.procs the child must write itself to, or -1 where it is in its group already.
    pub(super) join: RawFd,
    /// Whether it begins without our signal handlers.
    pub(super) handlers_cleared: bool,
    /// Where it begins, to be ended by the child.
    pub(super) stay: Option<&'a Stay>,
}

/// What a child does about our descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    /// It has a table of its own, with all of them.
    Copied,
    /// It shares ours, and takes what it needs before it changes anything in it.
    Shared,
}

impl Table {
    fn flag(self) -> i32 {
        match self {
            Table::Copied => 0,
            Table::Shared => libc::CLONE_FILES,
        }
    }
}

/// The kernel's `struct clone_args` of 5.7 (with `cgroup`).
#[repr(C, align(8))]
#[derive(Default)]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Makes a child that runs `entry` with `argument`; returns when it has executed or left.
///
/// # Safety
/// `entry` runs in our memory, on a small stack, as this suspended thread: it may make raw
/// system calls and touch what `argument` holds, but must not allocate, lock, unwind or change
/// anything else this thread or another could look at. With a shared table it may open and close
/// nothing before it has one of its own.
pub(super) unsafe fn clone<T>(
    entry: Entry<T>,
    argument: &T,
    cgroup: Option<BorrowedFd<'_>>,
    table: Table,
) -> io::Result<(i32, OwnedFd)> {
    let stack = Stack::take()?;
    // SAFETY: as our own contract.
    let result = unsafe { clone_on(&stack, entry, argument, cgroup, table) };
    stack.give_back();
    result
}

/// # Safety
/// As [`clone`].
unsafe fn clone_on<T>(
    stack: &Stack,
    entry: Entry<T>,
    argument: &T,
    cgroup: Option<BorrowedFd<'_>>,
    table: Table,
) -> io::Result<(i32, OwnedFd)> {
    let stay = Stay::here();
    let stay = stay.as_ref();
    let into = Call {
        argument,
        join: -1,
        handlers_cleared: true,
        stay,
    };
    // SAFETY: as our own contract.
    match unsafe { clone3(stack, entry, &into, cgroup, table) } {
        // Sandboxes of containers that know only clone(2) answer so, and kernels before 5.7
        // that do not know all of its flags.
        Err(Errno(libc::ENOSYS | libc::EPERM | libc::EINVAL)) => {}
        result => return Ok(result?),
    }
    let procs = cgroup.map(open_procs).transpose()?;
    let join = procs.as_ref().map_or(-1, AsRawFd::as_raw_fd);
    let joining = Call {
        argument,
        join,
        handlers_cleared: false,
        stay,
    };
    // SAFETY: as our own contract.
    Ok(unsafe { clone_plain(stack, entry, &joining) }?)
}

fn open_procs(cgroup: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    use rustix::fs::{Mode, OFlags, openat};
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    Ok(openat(cgroup, "cgroup.procs", flags, Mode::empty())?)
}

/// # Safety
/// As [`clone`].
unsafe fn clone3<T>(
    stack: &Stack,
    entry: Entry<T>,
    handed: &Call<'_, T>,
    cgroup: Option<BorrowedFd<'_>>,
    table: Table,
) -> Result<(i32, OwnedFd), Errno> {
    let mut pidfd: RawFd = -1;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | table.flag();
    let mut arguments = CloneArguments {
        flags: flags as u64 | CLONE_CLEAR_SIGHAND,
        pidfd: &raw mut pidfd as u64,
        exit_signal: libc::SIGCHLD as u64,
        stack: stack.lowest() as u64,
        stack_size: stack.usable() as u64,
        ..CloneArguments::default()
    };
    if let Some(cgroup) = cgroup {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = cgroup.as_raw_fd() as u64;
    }
    let words = [
        &raw const arguments as usize,
        size_of::<CloneArguments>(),
        0,
    ];
    let pid = {
        let _blocked = BlockedSignals::new()?;
        // SAFETY: the structure is valid for the call and names a stack that nothing else
        // uses; the rest is our own contract.
        unsafe { enter(libc::SYS_clone3, words, entry, handed) }?
    };
    // SAFETY: the kernel has just made this descriptor for us.
    Ok((pid, unsafe { OwnedFd::from_raw_fd(pidfd) }))
}

/// clone(2), which takes no cgroup. The child has a copy of the table of descriptors: who knows no
/// clone3 may know no close_range that unshares either, nor does valgrind take such flags.
///
/// # Safety
/// As [`clone`].
unsafe fn clone_plain<T>(
    stack: &Stack,
    entry: Entry<T>,
    handed: &Call<'_, T>,
) -> Result<(i32, OwnedFd), Errno> {
    let mut pidfd: RawFd = -1;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    let top = stack.lowest() as usize + stack.usable();
    let words = [flags as usize, top, &raw mut pidfd as usize];
    let pid = {
        let _blocked = BlockedSignals::new()?;
        // SAFETY: `top` is the end of a stack that nothing else uses, `pidfd` is valid for the
        // call; the rest is our own contract.
        unsafe { enter(libc::SYS_clone, words, entry, handed) }?
    };
    // SAFETY: the kernel has just made this descriptor for us.
    Ok((pid, unsafe { OwnedFd::from_raw_fd(pidfd) }))
}

/// Makes the call; in the child, calls `entry` on the new stack instead of returning.
///
/// # Safety
/// `words` are valid arguments of a clone call with a stack of its own, and as [`clone`].
#[cfg(target_arch = "x86_64")]
unsafe fn enter<T>(
    number: libc::c_long,
    words: [usize; 3],
    entry: Entry<T>,
    handed: &Call<'_, T>,
) -> Result<i32, Errno> {
    let result: isize;
    // SAFETY: the kernel preserves all registers but rax, rcx and r11 for both processes, so
    // r12 and r13 still hold entry and argument in the child; it never leaves this block, and
    // in the parent the block is an ordinary system call. The end of the stack is page
    // aligned, so `call` finds it aligned as the ABI wants it.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r13",
            "call r12",
            "ud2",
            "2:",
            inlateout("rax") number as isize => result,
            in("rdi") words[0],
            in("rsi") words[1],
            in("rdx") words[2],
            in("r10") 0,
            in("r8") 0,
            in("r12") entry as usize,
            in("r13") ptr::from_ref(handed),
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    outcome(result)
}

/// Makes the call; in the child, calls `entry` on the new stack instead of returning.
///
/// # Safety
/// `words` are valid arguments of a clone call with a stack of its own, and as [`clone`].
#[cfg(target_arch = "aarch64")]
unsafe fn enter<T>(
    number: libc::c_long,
    words: [usize; 3],
    entry: Entry<T>,
    handed: &Call<'_, T>,
) -> Result<i32, Errno> {
    let result: isize;
    // SAFETY: the kernel preserves all registers but x0 for both processes, so x9 and x10 still
    // hold entry and argument in the child; it never leaves this block, and in the parent the
    // block is an ordinary system call. The end of the stack is page aligned.
    unsafe {
        std::arch::asm!(
            "svc #0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x30, xzr",
            "mov x0, x10",
            "blr x9",
            "brk #1",
            "2:",
            in("x8") number,
            inlateout("x0") words[0] => result,
            in("x1") words[1],
            in("x2") words[2],
            in("x3") 0,
            in("x4") 0,
            in("x9") entry as usize,
            in("x10") ptr::from_ref(handed),
            lateout("x30") _,
        );
    }
    outcome(result)
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("clone with a stack of its own is written for x86_64 and aarch64 only");

/// The kernel returns errors as -4095..=-1.
fn outcome(result: isize) -> Result<i32, Errno> {
    let number = i32::try_from(result).map_err(|_| Errno(libc::EOVERFLOW))?;
    if number < 0 {
        return Err(Errno(-number));
    }
    Ok(number)
}

/// Every signal blocked, including those the C library keeps from its own wrappers: a handler
/// of ours must not run in the child, on the same memory.
struct BlockedSignals {
    before: u64,
}

impl BlockedSignals {
    fn new() -> Result<BlockedSignals, Errno> {
        Ok(BlockedSignals {
            before: set_signal_mask(u64::MAX)?,
        })
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // It cannot fail: the arguments are those of the call that succeeded before.
        let _ = set_signal_mask(self.before);
    }
}

/// Sets this thread's signal mask, returns the one before.
pub(super) fn set_signal_mask(mask: u64) -> Result<u64, Errno> {
    let mut before = 0u64;
    let words = [
        libc::SIG_SETMASK as usize,
        &raw const mask as usize,
        &raw mut before as usize,
        size_of::<u64>(),
    ];
    // SAFETY: both masks are valid for the call and as large as it is told.
    unsafe { call(libc::SYS_rt_sigprocmask, words) }?;
    Ok(before)
}

/// A mapping whose lower end is a guard.
struct Stack {
    mapping: *mut libc::c_void,
}

thread_local! {
    /// The stack of the last child of this thread, which is suspended while one runs on it.
    static SPARE: RefCell<Option<Stack>> = const { RefCell::new(None) };
}

impl Stack {
    fn take() -> io::Result<Stack> {
        SPARE.take().map_or_else(Stack::map, Ok)
    }

    fn give_back(self) {
        SPARE.set(Some(self));
    }

    fn map() -> io::Result<Stack> {
        // SAFETY: a fresh private mapping at an address of the kernel's choice.
        let mapping = unsafe {
            libc::mmap(
                ptr::null_mut(),
                STACK_SIZE + GUARD_SIZE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if mapping == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let stack = Stack { mapping };
        // SAFETY: the lower end of the mapping just made; nothing points into it.
        if unsafe { libc::mprotect(mapping, GUARD_SIZE, libc::PROT_NONE) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(stack)
    }

    fn lowest(&self) -> *mut u8 {
        self.mapping.cast::<u8>().wrapping_add(GUARD_SIZE)
    }

    fn usable(&self) -> usize {
        STACK_SIZE
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: our own mapping; no child runs on it, as this thread waited for it.
        unsafe { libc::munmap(self.mapping, STACK_SIZE + GUARD_SIZE) };
    }
}

#[cfg(test)]
mod tests {
    use super::super::child::{Prepared, run};
    use super::super::numbers::up;
    use super::super::pidfd;
    use super::super::program::{Image, Program};
    use super::*;
    use crate::cgroup::Tree;
    use std::os::fd::AsFd;

    fn shell(script: &str) -> Program<'static> {
        let words = ["/bin/sh", "-c", script];
        let words = words.map(|word| std::ffi::CString::new(word).unwrap());
        Program {
            steps: vec![],
            sealed_from: 0,
            image: Image {
                candidates: vec![words[0].clone()],
                name: "/bin/sh".into(),
                arguments: words.to_vec(),
                environment: vec![],
                pid_variables: vec![],
                exit_status: 203,
                missing_status: 203,
            },
        }
    }

    fn wait(pidfd: &OwnedFd) -> pidfd::Ended {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let deadline = Timespec {
            tv_sec: 10,
            tv_nsec: 0,
        };
        poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&deadline)).unwrap();
        pidfd::reap(pidfd.as_fd()).unwrap().unwrap()
    }

    #[test]
    fn clone_does_where_clone3_is_forbidden() {
        let program = shell("exit 9");
        let prepared = Prepared::new(&program, None);
        let stack = Stack::take().unwrap();
        let handed = Call {
            argument: &prepared,
            join: -1,
            handlers_cleared: false,
            stay: None,
        };
        // SAFETY: as in `start`.
        let (pid, pidfd) = unsafe { clone_plain(&stack, run, &handed) }
            .map_err(io::Error::from)
            .unwrap();
        let ended = wait(&pidfd);
        assert_eq!((ended.pid, ended.status), (pid, 9));
        assert_eq!(prepared.report.failure(), None);
    }

    #[test]
    fn a_child_takes_what_lies_below_and_leaves_ours_alone() {
        use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
        let (reader, _writer) = io::pipe().unwrap();
        let high = up(OwnedFd::from(reader));
        // It would survive execve.
        fcntl_setfd(&high, FdFlags::empty()).unwrap();
        let number = high.as_raw_fd();
        let program = shell(&format!("test -e /proc/self/fd/{number}"));
        for (cut, table, expected) in [
            (Some(number), Table::Shared, 1),
            (Some(number + 1), Table::Shared, 0),
            (None, Table::Copied, 0),
        ] {
            let prepared = Prepared::new(&program, cut);
            // SAFETY: as in `start`.
            let (_, pidfd) = unsafe { clone(run, &prepared, None, table) }.unwrap();
            assert_eq!(wait(&pidfd).status, expected, "{cut:?}");
            assert_eq!(prepared.report.failure(), None);
            assert_eq!(
                fcntl_getfd(&high),
                Ok(FdFlags::empty()),
                "ours is as it was"
            );
        }
    }

    #[test]
    fn a_child_of_clone_joins_its_group_by_itself() {
        let Some(tree) = Tree::open(&format!("test-{}-join", std::process::id())) else {
            println!("SKIP: no v2 hierarchy can be written");
            return;
        };
        let group = tree.group(&["join.service".to_owned()]).unwrap();
        let script = format!("grep -q '^0::{}$' /proc/self/cgroup", group.name());
        let program = shell(&script);
        let prepared = Prepared::new(&program, None);
        let procs = open_procs(group.directory()).unwrap();
        let handed = Call {
            argument: &prepared,
            join: procs.as_raw_fd(),
            handlers_cleared: false,
            stay: None,
        };
        let stack = Stack::take().unwrap();
        // SAFETY: as in `start`.
        let (_, pidfd) = unsafe { clone_plain(&stack, run, &handed) }
            .map_err(io::Error::from)
            .unwrap();
        assert_eq!(wait(&pidfd).status, 0);
        let start = std::time::Instant::now();
        while group.populated().unwrap() {
            assert!(
                start.elapsed().as_secs() < 10,
                "the group did not become empty"
            );
            std::thread::yield_now();
        }
        group.remove().unwrap();
        tree.remove().unwrap();
    }

    #[test]
    fn the_signal_mask_is_as_before() {
        let before = set_signal_mask(1 << 9).unwrap();
        drop(BlockedSignals::new().unwrap());
        assert_eq!(set_signal_mask(before).unwrap(), 1 << 9);
    }
}
