//! Programs on control groups of version 2: bpf(2), BPF_PROG_TYPE_CGROUP_DEVICE and
//! BPF_PROG_TYPE_CGROUP_SKB.

use super::call::call;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// One instruction, `struct bpf_insn`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// What is done.
    pub code: u8,
    /// Destination in the low half, source in the high half.
    pub registers: u8,
    /// Of a jump or an address.
    pub offset: i16,
    /// A number.
    pub immediate: i32,
}

/// What a program decides on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// Access to devices.
    Device,
    /// Packets that come in.
    Ingress,
    /// Packets that go out.
    Egress,
}

impl Hook {
    /// BPF_PROG_TYPE_ number.
    fn program_type(self) -> u32 {
        match self {
            Hook::Device => 15,
            Hook::Ingress | Hook::Egress => 8,
        }
    }

    /// BPF_CGROUP_ number.
    fn attach_type(self) -> u32 {
        match self {
            Hook::Ingress => 0,
            Hook::Egress => 1,
            Hook::Device => 6,
        }
    }
}

const PROG_LOAD: usize = 5;
const PROG_ATTACH: usize = 8;
const PROG_DETACH: usize = 9;
const PROG_GET_FD_BY_ID: usize = 13;
const PROG_QUERY: usize = 16;
/// BPF_F_ALLOW_MULTI: programs of groups above and below all have their say.
const ALLOW_MULTI: u32 = 2;
/// As many programs as are looked for on one group.
const MOST: usize = 64;

/// The part of `union bpf_attr` for BPF_PROG_LOAD, up to what all kernels with these programs
/// know.
#[repr(C)]
#[derive(Default)]
struct Load {
    program_type: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buffer: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    attach_type: u32,
}

/// The same for BPF_PROG_ATTACH and BPF_PROG_DETACH.
#[repr(C)]
#[derive(Default)]
struct Attach {
    target: u32,
    program: u32,
    attach_type: u32,
    flags: u32,
}

/// The same for BPF_PROG_QUERY.
#[repr(C)]
#[derive(Default)]
struct Query {
    target: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    padding: u32,
}

/// The same for BPF_PROG_GET_FD_BY_ID.
#[repr(C)]
#[derive(Default)]
struct ById {
    id: u32,
    next: u32,
    flags: u32,
}

/// Makes a program the only one of ours on a group, in one step for whoever is in it: the new one
/// has its say before the old ones lose theirs.
///
/// # Errors
/// The kernel refuses, or cannot do it.
pub fn replace(group: BorrowedFd<'_>, hook: Hook, instructions: &[Instruction]) -> io::Result<()> {
    let program = load(hook, instructions)?;
    let before = attached(group, hook)?;
    attach(group, hook, &program)?;
    detach_all(group, hook, &before)
}

/// Takes every program off a group.
///
/// # Errors
/// The kernel refuses.
pub fn clear(group: BorrowedFd<'_>, hook: Hook) -> io::Result<()> {
    let before = attached(group, hook)?;
    detach_all(group, hook, &before)
}

fn load(hook: Hook, instructions: &[Instruction]) -> io::Result<OwnedFd> {
    let license = c"GPL";
    let attributes = Load {
        program_type: hook.program_type(),
        count: u32::try_from(instructions.len()).unwrap_or(u32::MAX),
        instructions: instructions.as_ptr() as u64,
        license: license.as_ptr() as u64,
        attach_type: hook.attach_type(),
        ..Load::default()
    };
    descriptor(bpf(PROG_LOAD, attributes)?)
}

fn attach(group: BorrowedFd<'_>, hook: Hook, program: &OwnedFd) -> io::Result<()> {
    let attributes = Attach {
        target: group.as_raw_fd() as u32,
        program: program.as_raw_fd() as u32,
        attach_type: hook.attach_type(),
        flags: ALLOW_MULTI,
    };
    bpf(PROG_ATTACH, attributes).map(|_| ())
}

/// The numbers of the programs on a group itself.
fn attached(group: BorrowedFd<'_>, hook: Hook) -> io::Result<Vec<u32>> {
    let mut ids = [0u32; MOST];
    let attributes = Query {
        target: group.as_raw_fd() as u32,
        attach_type: hook.attach_type(),
        ids: ids.as_mut_ptr() as u64,
        count: MOST as u32,
        ..Query::default()
    };
    bpf(PROG_QUERY, attributes)?;
    Ok(ids.into_iter().filter(|id| *id != 0).collect())
}

fn detach_all(group: BorrowedFd<'_>, hook: Hook, ids: &[u32]) -> io::Result<()> {
    for id in ids {
        let attributes = ById {
            id: *id,
            ..ById::default()
        };
        let program = descriptor(bpf(PROG_GET_FD_BY_ID, attributes)?)?;
        let attributes = Attach {
            target: group.as_raw_fd() as u32,
            program: program.as_raw_fd() as u32,
            attach_type: hook.attach_type(),
            flags: 0,
        };
        bpf(PROG_DETACH, attributes)?;
    }
    Ok(())
}

fn bpf<T>(command: usize, mut attributes: T) -> io::Result<usize> {
    let words = [command, &raw mut attributes as usize, size_of::<T>()];
    // SAFETY: the structure is the kernel's for the command, as long as it is told, and ours to
    // be written to; what it points to (instructions, licence, numbers) is alive in the caller.
    unsafe { call(libc::SYS_bpf, words) }.map_err(io::Error::from)
}

fn descriptor(number: usize) -> io::Result<OwnedFd> {
    let number = i32::try_from(number).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made it for us; it is close-on-exec as all of bpf(2).
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
