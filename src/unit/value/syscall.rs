//! System calls by name: their numbers on the architectures we run on, and on those that the
//! same kernels serve besides.

use syscalls::{aarch64, arm, x86, x86_64};

/// An architecture of system calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Architecture {
    X86_64,
    X86,
    X32,
    Arm64,
    Arm,
}

/// Set in the numbers of x32, whose calls are otherwise those of x86-64.
const X32_BIT: u32 = 0x4000_0000;

/// Calls that x32 has a number of its own for, from 512 on. The kernel takes the number of
/// x86-64 for them, too.
const X32_OWN: [&str; 36] = [
    "rt_sigaction",
    "rt_sigreturn",
    "ioctl",
    "readv",
    "writev",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "execve",
    "ptrace",
    "rt_sigpending",
    "rt_sigtimedwait",
    "rt_sigqueueinfo",
    "sigaltstack",
    "timer_create",
    "mq_notify",
    "kexec_load",
    "waitid",
    "set_robust_list",
    "get_robust_list",
    "vmsplice",
    "move_pages",
    "preadv",
    "pwritev",
    "rt_tgsigqueueinfo",
    "recvmmsg",
    "sendmmsg",
    "process_vm_readv",
    "process_vm_writev",
    "setsockopt",
    "getsockopt",
    "io_setup",
    "io_submit",
    "execveat",
    "preadv2",
    "pwritev2",
];

/// The first of them.
const X32_FIRST: u32 = 512;

impl Architecture {
    /// All of them.
    pub const ALL: [Architecture; 5] = [
        Architecture::X86_64,
        Architecture::X86,
        Architecture::X32,
        Architecture::Arm64,
        Architecture::Arm,
    ];

    /// The name that SystemCallArchitectures= has for it.
    pub fn name(self) -> &'static str {
        match self {
            Architecture::X86_64 => "x86-64",
            Architecture::X86 => "x86",
            Architecture::X32 => "x32",
            Architecture::Arm64 => "arm64",
            Architecture::Arm => "arm",
        }
    }

    /// The architecture that this program was built for.
    pub fn native() -> Architecture {
        if cfg!(target_arch = "aarch64") {
            Architecture::Arm64
        } else {
            Architecture::X86_64
        }
    }

    /// Those that one kernel serves together with this one, itself first.
    pub fn family(self) -> &'static [Architecture] {
        match self {
            Architecture::X86_64 | Architecture::X86 | Architecture::X32 => {
                &[Architecture::X86_64, Architecture::X86, Architecture::X32]
            }
            Architecture::Arm64 | Architecture::Arm => &[Architecture::Arm64, Architecture::Arm],
        }
    }

    /// What the kernel's `seccomp_data.arch` holds (linux/audit.h); x32 says x86-64.
    pub fn audit(self) -> u32 {
        match self {
            Architecture::X86_64 | Architecture::X32 => 0xc000_003e,
            Architecture::X86 => 0x4000_0003,
            Architecture::Arm64 => 0xc000_00b7,
            Architecture::Arm => 0x4000_0028,
        }
    }
}

/// The numbers of a call: none if the architecture does not have it, two for some of x32.
pub fn syscall_numbers(architecture: Architecture, name: &str) -> Vec<u32> {
    // A word of the language that the table is written in.
    let name = if name == "break" { "r#break" } else { name };
    let number = match architecture {
        Architecture::X86_64 | Architecture::X32 => {
            name.parse::<x86_64::Sysno>().map(|call| call.id())
        }
        Architecture::X86 => name.parse::<x86::Sysno>().map(|call| call.id()),
        Architecture::Arm64 => name.parse::<aarch64::Sysno>().map(|call| call.id()),
        Architecture::Arm => name.parse::<arm::Sysno>().map(|call| call.id()),
    };
    let number = number.ok().and_then(|number| u32::try_from(number).ok());
    if architecture != Architecture::X32 {
        return number.into_iter().collect();
    }
    let own = X32_OWN.iter().position(|own| *own == name);
    let own = own.and_then(|at| u32::try_from(at).ok());
    let own = own.map(|at| X32_FIRST + at);
    own.into_iter()
        .chain(number)
        .map(|number| number | X32_BIT)
        .collect()
}

/// Whether any architecture has a call of this name.
pub fn is_syscall(name: &str) -> bool {
    let mut all = Architecture::ALL.into_iter();
    all.any(|architecture| !syscall_numbers(architecture, name).is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_differ_by_architecture() {
        use Architecture::{Arm64, X32, X86, X86_64};
        for (architecture, name, numbers) in [
            (X86_64, "execve", vec![59]),
            (X86, "execve", vec![11]),
            (X32, "execve", vec![0x4000_0000 + 520, 0x4000_0000 + 59]),
            (X32, "getpid", vec![0x4000_0000 + 39]),
            (Arm64, "execve", vec![221]),
            (Arm64, "open", vec![]),
            (X86, "mmap2", vec![192]),
            (X86_64, "mmap2", vec![]),
        ] {
            assert_eq!(syscall_numbers(architecture, name), numbers, "{name}");
        }
        assert!(is_syscall("socketcall") && is_syscall("setgid32"));
        assert!(!is_syscall("no_such_call"));
    }

    /// The kernel's own headers, where they are installed.
    #[test]
    fn numbers_are_the_kernels() {
        for (architecture, file) in [
            (Architecture::X86_64, "unistd_64.h"),
            (Architecture::X86, "unistd_32.h"),
            (Architecture::X32, "unistd_x32.h"),
        ] {
            let path = format!("/usr/include/x86_64-linux-gnu/asm/{file}");
            let Ok(text) = std::fs::read_to_string(&path) else {
                println!("SKIP: {path} is not here");
                continue;
            };
            let mut seen = 0;
            for line in text.lines() {
                let words: Vec<&str> = line.split_whitespace().collect();
                let (Some(name), Some(number)) = (
                    words.get(1).and_then(|word| word.strip_prefix("__NR_")),
                    words.last(),
                ) else {
                    continue;
                };
                let number: u32 = number.trim_end_matches(')').parse().unwrap();
                let bit = if architecture == Architecture::X32 {
                    X32_BIT
                } else {
                    0
                };
                let ours = syscall_numbers(architecture, name);
                assert_eq!(ours.first(), Some(&(number | bit)), "{file}: {name}");
                seen += 1;
            }
            assert!(seen > 300, "{file}: {seen}");
        }
    }
}
