//! Filters of system calls: programs of the kernel's classic BPF that see each call's number,
//! architecture and arguments (seccomp(2)). Only the form; what they say is made elsewhere.

/// One instruction, as the kernel's `struct sock_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// What is done.
    pub code: u16,
    /// How many instructions are left out if a comparison holds.
    pub jump_true: u8,
    /// How many if it does not.
    pub jump_false: u8,
    /// The operand.
    pub operand: u32,
}

/// The kernel's `struct sock_fprog`.
#[repr(C)]
pub(super) struct Program {
    pub(super) length: u16,
    pub(super) instructions: *const Instruction,
}

/// The most instructions that the kernel takes in one filter.
pub const MOST_INSTRUCTIONS: usize = 4096;
