//! Instructions for programs on control groups (the kernel's Documentation/bpf/standardization),
//! and a program in the making, whose jumps go to places that come later.

use crate::sys::bpf::Instruction;

// Operation codes. Those with 32 see the lower half of registers, so that a number is compared
// as it is and not with its sign extended.
pub(super) const LOAD_WORD: u8 = 0x61;
pub(super) const COPY: u8 = 0xbf;
pub(super) const COPY_32: u8 = 0xbc;
pub(super) const SET: u8 = 0xb7;
pub(super) const ADD: u8 = 0x07;
pub(super) const AND: u8 = 0x57;
pub(super) const AND_32: u8 = 0x54;
pub(super) const SHIFT_RIGHT: u8 = 0x77;
/// Swaps a number in the order of the network, of 16 bits.
pub(super) const FROM_NETWORK: u8 = 0xdc;
pub(super) const STORE_NUMBER: u8 = 0x62;
/// Adds to a number of 64 bits in memory, in one step.
pub(super) const ADD_IN_MEMORY: u8 = 0xdb;
pub(super) const ADDRESS: u8 = 0x18;
pub(super) const JUMP: u8 = 0x05;
pub(super) const JUMP_IF_NUMBER: u8 = 0x15;
pub(super) const JUMP_IF_NUMBER_32: u8 = 0x16;
pub(super) const JUMP_UNLESS_NUMBER: u8 = 0x55;
pub(super) const JUMP_UNLESS_NUMBER_32: u8 = 0x56;
pub(super) const JUMP_UNLESS_SAME: u8 = 0x5d;
pub(super) const JUMP_IF_ABOVE_32: u8 = 0x26;
pub(super) const JUMP_IF_BELOW_32: u8 = 0xa6;
pub(super) const CALL: u8 = 0x85;
pub(super) const EXIT: u8 = 0x95;

/// The register that points behind the program's own memory.
pub(super) const FRAME: u8 = 10;

pub(super) fn instruction(code: u8, to: u8, from: u8, offset: i16, immediate: u32) -> Instruction {
    Instruction {
        code,
        registers: from << 4 | to,
        offset,
        immediate: immediate as i32,
    }
}

/// A word of what a register points to.
pub(super) fn load(to: u8, from: u8, offset: i16) -> Instruction {
    instruction(LOAD_WORD, to, from, offset, 0)
}

pub(super) fn copy(to: u8, from: u8) -> Instruction {
    instruction(COPY, to, from, 0, 0)
}

pub(super) fn by_number(code: u8, register: u8, number: u32) -> Instruction {
    instruction(code, register, 0, 0, number)
}

pub(super) fn call(function: u32) -> Instruction {
    instruction(CALL, 0, 0, 0, function)
}

pub(super) fn answer(value: u32) -> [Instruction; 2] {
    [by_number(SET, 0, value), instruction(EXIT, 0, 0, 0, 0)]
}

/// A place in a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(usize);

/// A program in the making. What nothing leads to is left out: the kernel takes no such program.
#[derive(Debug)]
pub(super) struct Assembly {
    list: Vec<Instruction>,
    /// Where each label is, and whether anything jumps there.
    labels: Vec<(Option<usize>, bool)>,
    /// Jumps, and where they go.
    jumps: Vec<(usize, Label)>,
    /// What comes next is led to.
    open: bool,
}

impl Assembly {
    pub(super) fn new() -> Assembly {
        Assembly {
            list: Vec::new(),
            labels: Vec::new(),
            jumps: Vec::new(),
            open: true,
        }
    }

    pub(super) fn add(&mut self, instructions: impl IntoIterator<Item = Instruction>) {
        if self.open {
            self.list.extend(instructions);
        }
    }

    /// A place that is set later.
    pub(super) fn label(&mut self) -> Label {
        self.labels.push((None, false));
        Label(self.labels.len() - 1)
    }

    /// The label is here.
    pub(super) fn here(&mut self, label: Label) {
        let (place, wanted) = &mut self.labels[label.0];
        *place = Some(self.list.len());
        self.open |= *wanted;
    }

    pub(super) fn jump(&mut self, to: Label) {
        self.jump_if(JUMP, 0, 0, to);
        self.open = false;
    }

    /// Jumps by what a register holds, compared with a number as `code` says.
    pub(super) fn jump_if(&mut self, code: u8, register: u8, number: u32, to: Label) {
        if self.open {
            self.labels[to.0].1 = true;
            self.jumps.push((self.list.len(), to));
            self.list.push(by_number(code, register, number));
        }
    }

    /// The end, with an answer.
    pub(super) fn end(&mut self, value: u32) {
        self.add(answer(value));
        self.open = false;
    }

    /// The program; `None` if it is longer than a jump can go, or one goes nowhere.
    pub(super) fn finish(mut self) -> Option<Vec<Instruction>> {
        for (at, label) in self.jumps {
            let place = self.labels[label.0].0?;
            self.list[at].offset = i16::try_from(place - at - 1).ok()?;
        }
        Some(self.list)
    }
}

#[cfg(test)]
pub(super) mod machine {
    //! What the kernel would make of a program, as far as programs here go.

    use super::*;

    /// Where the context, the memory of a program and its counters seem to lie.
    const CONTEXT: u64 = 1 << 40;
    const MEMORY: u64 = 2 << 40;
    const COUNTERS: u64 = 3 << 40;

    /// What a program sees.
    #[derive(Debug, Default)]
    pub(in crate::cgroup) struct Machine {
        /// The words of the context.
        pub(in crate::cgroup) context: Vec<u32>,
        /// The packet, from its network header on.
        pub(in crate::cgroup) packet: Vec<u8>,
        /// What has been counted.
        pub(in crate::cgroup) counters: [u64; 4],
    }

    impl Machine {
        /// Runs a program to its answer.
        pub(in crate::cgroup) fn run(&mut self, program: &[Instruction]) -> u32 {
            let mut registers = [0u64; 11];
            registers[1] = CONTEXT;
            registers[10] = MEMORY + 512;
            let mut memory = [0u8; 512];
            let mut at = 0;
            loop {
                let step = program[at];
                let (to, from) = (usize::from(step.registers & 15), step.registers >> 4);
                let from = usize::from(from);
                let number = step.immediate as i64 as u64;
                let low = step.immediate as u32;
                let mut jump = false;
                at += 1;
                match step.code {
                    LOAD_WORD => {
                        let address = registers[from].wrapping_add_signed(step.offset.into());
                        registers[to] = if address >= MEMORY {
                            let at = (address - MEMORY) as usize;
                            u32::from_ne_bytes(memory[at..at + 4].try_into().unwrap()).into()
                        } else {
                            self.context[(address - CONTEXT) as usize / 4].into()
                        };
                    }
                    COPY => registers[to] = registers[from],
                    COPY_32 => registers[to] = u64::from(registers[from] as u32),
                    SET => registers[to] = number,
                    ADD => registers[to] = registers[to].wrapping_add(number),
                    AND => registers[to] &= number,
                    AND_32 => registers[to] = u64::from(registers[to] as u32 & low),
                    SHIFT_RIGHT => registers[to] >>= number,
                    FROM_NETWORK => registers[to] = u16::from_be(registers[to] as u16).into(),
                    STORE_NUMBER => {
                        let address = registers[to].wrapping_add_signed(step.offset.into());
                        let at = (address - MEMORY) as usize;
                        memory[at..at + 4].copy_from_slice(&low.to_ne_bytes());
                    }
                    ADD_IN_MEMORY => {
                        let at = (registers[to] - COUNTERS) as usize;
                        self.counters[at] += registers[from];
                    }
                    ADDRESS => {
                        registers[to] = number;
                        at += 1;
                    }
                    CALL => registers[0] = self.call(low, &registers, &mut memory),
                    JUMP => jump = true,
                    JUMP_IF_NUMBER => jump = registers[to] == number,
                    JUMP_IF_NUMBER_32 => jump = registers[to] as u32 == low,
                    JUMP_UNLESS_NUMBER => jump = registers[to] != number,
                    JUMP_UNLESS_NUMBER_32 => jump = registers[to] as u32 != low,
                    JUMP_UNLESS_SAME => jump = registers[to] != registers[from],
                    JUMP_IF_ABOVE_32 => jump = registers[to] as u32 > low,
                    JUMP_IF_BELOW_32 => jump = (registers[to] as u32) < low,
                    EXIT => return registers[0] as u32,
                    code => panic!("{code:#x} is no instruction here"),
                }
                if jump {
                    at = at.wrapping_add_signed(step.offset.into());
                }
            }
        }

        fn call(&self, function: u32, registers: &[u64; 11], memory: &mut [u8]) -> u64 {
            let place = |address: u64| (address - MEMORY) as usize;
            match function {
                // bpf_map_lookup_elem
                1 => {
                    let at = place(registers[2]);
                    let key = u32::from_ne_bytes(memory[at..at + 4].try_into().unwrap());
                    COUNTERS + u64::from(key)
                }
                // bpf_skb_load_bytes
                26 => {
                    let (from, length) = (registers[2] as usize, registers[4] as usize);
                    let Some(bytes) = self.packet.get(from..from + length) else {
                        return -14_i64 as u64;
                    };
                    let at = place(registers[3]);
                    memory[at..at + length].copy_from_slice(bytes);
                    0
                }
                other => panic!("no function {other}"),
            }
        }
    }
}
