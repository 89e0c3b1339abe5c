//! Which devices the processes of a group may use (systemd.resource-control(5), DevicePolicy=
//! and DeviceAllow=): as a program on the group of version 2, or with the controller `devices` of
//! version 1 where the kernel has no such programs.
//!
//! A list of rules permits; what no rule permits is forbidden. Rules are made from what the
//! machine has now: a device or a group of devices that is not there adds none.

use super::assembly::{
    AND, JUMP_UNLESS_NUMBER, JUMP_UNLESS_SAME, SHIFT_RIGHT, answer, by_number, copy, instruction,
    load,
};
use super::controls::Controls;
use super::{make_directory, own};
use crate::sys::bpf::{self, Hook, Instruction};
use crate::unit::config::{DevicePolicy, ResourceConfig};
use std::fmt;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Block or character device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Block,
    Character,
}

/// Bits of what may be done, as the kernel's programs get them.
const MAKE: u8 = 1;
const READ: u8 = 2;
const WRITE: u8 = 4;

/// What is permitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    kind: Kind,
    /// `None` is any.
    major: Option<u32>,
    minor: Option<u32>,
    access: u8,
}

impl fmt::Display for Rule {
    /// As devices.allow of version 1 takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |number: Option<u32>| number.map_or("*".to_owned(), |n| n.to_string());
        let kind = match self.kind {
            Kind::Block => 'b',
            Kind::Character => 'c',
        };
        let (major, minor) = (number(self.major), number(self.minor));
        write!(f, "{kind} {major}:{minor} ")?;
        for (bit, letter) in [(READ, 'r'), (WRITE, 'w'), (MAKE, 'm')] {
            if self.access & bit != 0 {
                write!(f, "{letter}")?;
            }
        }
        Ok(())
    }
}

/// Pseudo devices that DevicePolicy=closed leaves, by number: null, zero, full, random, urandom,
/// tty, ptmx.
const PSEUDO: [(u32, u32); 7] = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2)];

/// The machine's devices, as far as rules need them.
pub trait Machine {
    /// Kind and number of a device node.
    fn node(&self, path: &str) -> Option<Rule>;
    /// The text of /proc/devices.
    fn groups(&self) -> String;
}

/// The machine itself.
#[derive(Debug, Clone, Copy)]
pub struct ThisMachine;

impl Machine for ThisMachine {
    fn node(&self, path: &str) -> Option<Rule> {
        let status = fs::metadata(path).ok()?;
        let kind = match status.file_type() {
            kind if kind.is_block_device() => Kind::Block,
            kind if kind.is_char_device() => Kind::Character,
            _ => return None,
        };
        Some(Rule {
            kind,
            major: Some(rustix::fs::major(status.rdev())),
            minor: Some(rustix::fs::minor(status.rdev())),
            access: 0,
        })
    }

    fn groups(&self) -> String {
        fs::read_to_string("/proc/devices").unwrap_or_default()
    }
}

/// What a unit permits; `None` is everything.
pub fn rules(config: &ResourceConfig, machine: &dyn Machine) -> Option<Vec<Rule>> {
    if !config.restricts_devices() {
        return None;
    }
    let mut rules = Vec::new();
    if config.device_policy != DevicePolicy::Strict {
        let pseudo = PSEUDO.iter().map(|(major, minor)| Rule {
            kind: Kind::Character,
            major: Some(*major),
            minor: Some(*minor),
            access: READ | WRITE | MAKE,
        });
        rules.extend(pseudo);
        add_group(&mut rules, Kind::Character, "pts", READ | WRITE, machine);
    }
    for (device, letters) in &config.device_allow {
        let access = letters.chars().fold(0, |access, letter| {
            access
                | match letter {
                    'r' => READ,
                    'w' => WRITE,
                    'm' => MAKE,
                    _ => 0,
                }
        });
        match (device.strip_prefix("char-"), device.strip_prefix("block-")) {
            (Some(group), _) => add_group(&mut rules, Kind::Character, group, access, machine),
            (_, Some(group)) => add_group(&mut rules, Kind::Block, group, access, machine),
            (None, None) => {
                let node = machine.node(device).map(|rule| Rule { access, ..rule });
                rules.extend(node);
            }
        }
    }
    Some(rules)
}

/// Every group of devices whose name matches a pattern.
fn add_group(rules: &mut Vec<Rule>, kind: Kind, pattern: &str, access: u8, machine: &dyn Machine) {
    let rule = |major| Rule {
        kind,
        major,
        minor: None,
        access,
    };
    if pattern == "*" {
        return rules.push(rule(None));
    }
    let Ok(pattern) = glob::Pattern::new(pattern) else {
        return;
    };
    let heading = match kind {
        Kind::Block => "Block devices:",
        Kind::Character => "Character devices:",
    };
    let text = machine.groups();
    let lines = text.lines().skip_while(|line| *line != heading).skip(1);
    for line in lines.take_while(|line| !line.is_empty()) {
        if let Some((number, name)) = line.trim().split_once(' ')
            && let Ok(number) = number.parse::<u32>()
            && pattern.matches(name)
        {
            rules.push(rule(Some(number)));
        }
    }
}

/// How the group of a unit is restricted.
#[derive(Debug, Clone, Default)]
pub struct Fallback {
    /// The root of our subtree for the controller `devices` of version 1, if there is one.
    pub root: Option<PathBuf>,
    /// The group below.
    pub path: Vec<String>,
}

impl Controls {
    /// Where the controller `devices` of version 1 can be used for a group.
    pub fn devices(&self, path: &[String]) -> Fallback {
        Fallback {
            root: self.legacy_root(super::controller::Controller::Devices),
            path: path.to_vec(),
        }
    }
}

/// Restricts a group of version 2, or where that is not possible one of version 1, which
/// processes have to join then: its directory is the answer.
///
/// # Errors
/// Neither can be done; in a sentence.
pub fn restrict(
    group: Option<BorrowedFd<'_>>,
    fallback: &Fallback,
    rules: &[Rule],
) -> Result<Option<PathBuf>, String> {
    let reason = match group {
        Some(group) => match bpf::replace(group, Hook::Device, &program(rules)) {
            Ok(()) => return Ok(None),
            Err(error) => format!("the kernel takes no program for devices: {error}"),
        },
        None => "there is no control group".to_owned(),
    };
    let Some(root) = &fallback.root else {
        return Err(reason);
    };
    match restrict_legacy(root, &fallback.path, rules) {
        Ok(directory) => Ok(Some(directory)),
        Err(error) => Err(format!("{reason}; {}: {error}", root.display())),
    }
}

/// Restricts the processes that are in a group, or lets them use every device again.
///
/// # Errors
/// As [`restrict`].
pub fn restrict_running(
    group: &Path,
    fallback: &Fallback,
    config: &ResourceConfig,
) -> Result<(), String> {
    let failed = |error: io::Error| format!("{}: {error}", group.display());
    let directory = fs::File::open(group).map_err(failed)?;
    match rules(config, &ThisMachine) {
        None => release(directory.as_fd()).map_err(failed),
        Some(rules) => match restrict(Some(directory.as_fd()), fallback, &rules)? {
            None => Ok(()),
            Some(legacy) => super::controls::gather(group, &legacy).map_err(failed),
        },
    }
}

/// Lets a group of version 2 use every device again.
///
/// # Errors
/// The kernel refuses.
pub fn release(group: BorrowedFd<'_>) -> io::Result<()> {
    bpf::clear(group, Hook::Device)
}

fn restrict_legacy(root: &Path, path: &[String], rules: &[Rule]) -> io::Result<PathBuf> {
    let mut directory = root.to_owned();
    make_directory(&directory)?;
    for part in path {
        directory.push(part);
        make_directory(&directory)?;
    }
    own::write(&directory.join("devices.deny"), "a")?;
    for rule in rules {
        own::write(&directory.join("devices.allow"), &rule.to_string())?;
    }
    Ok(directory)
}

/// `struct bpf_cgroup_dev_ctx` in registers: 2 kind, 3 access, 4 major, 5 minor.
fn program(rules: &[Rule]) -> Vec<Instruction> {
    let mut program = vec![
        load(2, 1, 0),
        copy(3, 2),
        by_number(AND, 2, 0xffff),
        by_number(SHIFT_RIGHT, 3, 16),
        load(4, 1, 4),
        load(5, 1, 8),
    ];
    for rule in rules {
        let mut tests = vec![(2, kind_number(rule.kind))];
        tests.extend(rule.major.map(|major| (4, major)));
        tests.extend(rule.minor.map(|minor| (5, minor)));
        // Behind these come the three for the access, and the two that permit.
        let count = tests.len();
        for (index, (register, number)) in tests.into_iter().enumerate() {
            program.push(skip_unless(register, number, count - index - 1 + 5));
        }
        program.push(copy(6, 3));
        program.push(by_number(AND, 6, u32::from(rule.access)));
        program.push(skip_unless_same(6, 3, 2));
        program.extend(answer(1));
    }
    program.extend(answer(0));
    program
}

/// BPF_DEVCG_DEV_ number.
fn kind_number(kind: Kind) -> u32 {
    match kind {
        Kind::Block => 1,
        Kind::Character => 2,
    }
}

fn skip_unless(register: u8, number: u32, count: usize) -> Instruction {
    instruction(JUMP_UNLESS_NUMBER, register, 0, count as i16, number)
}

fn skip_unless_same(a: u8, b: u8, count: usize) -> Instruction {
    instruction(JUMP_UNLESS_SAME, a, b, count as i16, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Made;

    impl Machine for Made {
        fn node(&self, path: &str) -> Option<Rule> {
            (path == "/dev/sda").then_some(Rule {
                kind: Kind::Block,
                major: Some(8),
                minor: Some(0),
                access: 0,
            })
        }

        fn groups(&self) -> String {
            "Character devices:\n  1 mem\n136 pts\n 10 misc\n203 cpu/cpuid\n\n\
             Block devices:\n  8 sd\n254 mdp\n"
                .to_owned()
        }
    }

    fn made(policy: DevicePolicy, allow: &[(&str, &str)]) -> Option<Vec<Rule>> {
        let allow = allow
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
        let config = ResourceConfig {
            device_policy: policy,
            device_allow: allow.collect(),
            ..ResourceConfig::default()
        };
        rules(&config, &Made)
    }

    fn texts(policy: DevicePolicy, allow: &[(&str, &str)]) -> Vec<String> {
        let rules = made(policy, allow).unwrap();
        rules.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn rules_of_every_policy() {
        assert_eq!(made(DevicePolicy::Auto, &[]), None);
        assert_eq!(texts(DevicePolicy::Strict, &[]), [""; 0]);
        let strict = texts(
            DevicePolicy::Strict,
            &[
                ("/dev/sda", "rw"),
                ("/dev/none", "r"),
                ("char-cpu/*", "r"),
                ("block-*", "m"),
                ("char-m*", "w"),
            ],
        );
        let wanted = ["b 8:0 rw", "c 203:* r", "b *:* m", "c 1:* w", "c 10:* w"];
        assert_eq!(strict, wanted);
        let closed = texts(DevicePolicy::Auto, &[("/dev/sda", "r")]);
        assert_eq!(closed.len(), 9);
        assert_eq!(
            (closed[0].as_str(), closed[7].as_str()),
            ("c 1:3 rwm", "c 136:* rw")
        );
        assert_eq!(texts(DevicePolicy::Closed, &[]), closed[..8]);
    }

    /// What the kernel would answer.
    fn run(program: &[Instruction], kind: u32, access: u32, major: u32, minor: u32) -> u32 {
        let context = vec![access << 16 | kind, major, minor];
        let mut machine = super::super::assembly::machine::Machine {
            context,
            ..Default::default()
        };
        machine.run(program)
    }

    #[test]
    fn programs_permit_what_rules_say_and_nothing_else() {
        let rules = made(
            DevicePolicy::Strict,
            &[("/dev/sda", "rw"), ("char-pts", "r")],
        );
        let program = program(&rules.unwrap());
        let (block, character) = (1, 2);
        let (read, write) = (u32::from(READ), u32::from(WRITE));
        assert_eq!(run(&program, block, read, 8, 0), 1);
        assert_eq!(run(&program, block, read | write, 8, 0), 1);
        assert_eq!(run(&program, block, u32::from(MAKE), 8, 0), 0);
        assert_eq!(run(&program, block, read, 8, 1), 0);
        assert_eq!(run(&program, character, read, 8, 0), 0);
        assert_eq!(run(&program, character, read, 136, 77), 1);
        assert_eq!(run(&program, character, read | write, 136, 77), 0);
        assert_eq!(run(&super::program(&[]), character, read, 1, 3), 0);
    }
}
