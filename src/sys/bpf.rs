//! Programs on control groups of version 2, and what they count: bpf(2),
//! BPF_PROG_TYPE_CGROUP_DEVICE, BPF_PROG_TYPE_CGROUP_SKB and BPF_PROG_TYPE_CGROUP_SOCK_ADDR.

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
    /// bind(2) of IPv4.
    Bind4,
    /// bind(2) of IPv6.
    Bind6,
}

impl Hook {
    /// BPF_PROG_TYPE_ number.
    fn program_type(self) -> u32 {
        match self {
            Hook::Device => 15,
            Hook::Ingress | Hook::Egress => 8,
            Hook::Bind4 | Hook::Bind6 => 18,
        }
    }

    /// BPF_CGROUP_ number.
    fn attach_type(self) -> u32 {
        match self {
            Hook::Ingress => 0,
            Hook::Egress => 1,
            Hook::Device => 6,
            Hook::Bind4 => 8,
            Hook::Bind6 => 9,
        }
    }

    /// What it is about, in words.
    pub fn what(self) -> &'static str {
        match self {
            Hook::Device => "devices",
            Hook::Ingress => "packets that come in",
            Hook::Egress => "packets that go out",
            Hook::Bind4 | Hook::Bind6 => "ports",
        }
    }
}

const MAP_CREATE: usize = 0;
const MAP_LOOKUP: usize = 1;
const PROG_LOAD: usize = 5;
const PROG_ATTACH: usize = 8;
const PROG_DETACH: usize = 9;
const PROG_GET_FD_BY_ID: usize = 13;
const MAP_GET_FD_BY_ID: usize = 14;
const GET_INFO: usize = 15;
const PROG_QUERY: usize = 16;
/// BPF_MAP_TYPE_ARRAY.
const ARRAY: u32 = 2;
/// What stands under which key in counters: packets and bytes that came in, packets and bytes that
/// went out.
pub const COUNTER_KEYS: [u32; 4] = [0, 1, 2, 3];
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

/// The same for BPF_MAP_CREATE.
#[repr(C)]
#[derive(Default)]
struct Create {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    most: u32,
    flags: u32,
}

/// The same for BPF_MAP_LOOKUP_ELEM.
#[repr(C)]
#[derive(Default)]
struct Lookup {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// The same for BPF_OBJ_GET_INFO_BY_FD.
#[repr(C)]
#[derive(Default)]
struct GetInfo {
    program: u32,
    length: u32,
    info: u64,
}

/// The beginning of `struct bpf_prog_info`, up to where it says what maps a program has.
#[repr(C)]
#[derive(Default)]
struct Info {
    program_type: u32,
    id: u32,
    tag: [u8; 8],
    jited_length: u32,
    translated_length: u32,
    jited: u64,
    translated: u64,
    load_time: u64,
    user: u32,
    map_count: u32,
    map_ids: u64,
}

/// Makes counters that a program can add to, all of them 0.
///
/// # Errors
/// The kernel refuses, or has no memory.
pub fn make_counters() -> io::Result<OwnedFd> {
    let attributes = Create {
        map_type: ARRAY,
        key_size: size_of::<u32>() as u32,
        value_size: size_of::<u64>() as u32,
        most: COUNTER_KEYS.len() as u32,
        flags: 0,
    };
    descriptor(bpf(MAP_CREATE, attributes)?)
}

/// The counters that the program on a group adds to, if there is one that does.
///
/// # Errors
/// The kernel refuses, or has no such programs.
pub fn counters_on(group: BorrowedFd<'_>, hook: Hook) -> io::Result<Option<OwnedFd>> {
    for id in attached(group, hook)? {
        let program = by_id(PROG_GET_FD_BY_ID, id)?;
        let mut map = 0u32;
        let mut info = Info {
            map_count: 1,
            map_ids: &raw mut map as u64,
            ..Info::default()
        };
        let attributes = GetInfo {
            program: program.as_raw_fd() as u32,
            length: size_of::<Info>() as u32,
            info: &raw mut info as u64,
        };
        bpf(GET_INFO, attributes)?;
        if info.map_count > 0 {
            return by_id(MAP_GET_FD_BY_ID, map).map(Some);
        }
    }
    Ok(None)
}

/// What counters stand at, in the order of [`COUNTER_KEYS`].
///
/// # Errors
/// The kernel refuses, or they are no counters of ours.
pub fn read_counters(counters: BorrowedFd<'_>) -> io::Result<[u64; 4]> {
    let mut values = [0u64; 4];
    for (key, value) in COUNTER_KEYS.iter().zip(&mut values) {
        let attributes = Lookup {
            map: counters.as_raw_fd() as u32,
            key: &raw const *key as u64,
            value: &raw mut *value as u64,
            ..Lookup::default()
        };
        bpf(MAP_LOOKUP, attributes)?;
    }
    Ok(values)
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
        let program = by_id(PROG_GET_FD_BY_ID, *id)?;
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

/// A program or map by its number.
fn by_id(command: usize, id: u32) -> io::Result<OwnedFd> {
    let attributes = ById {
        id,
        ..ById::default()
    };
    descriptor(bpf(command, attributes)?)
}

fn bpf<T>(command: usize, mut attributes: T) -> io::Result<usize> {
    let words = [command, &raw mut attributes as usize, size_of::<T>()];
    // SAFETY: the structure is the kernel's for the command, as long as it is told, and ours to
    // be written to; what it points to (instructions, licence, numbers, room for an answer) is alive in the caller.
    unsafe { call(libc::SYS_bpf, words) }.map_err(io::Error::from)
}

fn descriptor(number: usize) -> io::Result<OwnedFd> {
    let number = i32::try_from(number).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made it for us; it is close-on-exec as all of bpf(2).
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
