//! From rules about system calls to a program of the kernel's filter machine. Pure.
//!
//! A program finds the architecture of a call first, then by a tree of comparisons the number,
//! then compares arguments where a rule says so. Numbers that nothing is said of, and calls of
//! architectures without rules, get what the list of rules says for them.

use crate::sys::filter::{Instruction, MOST_INSTRUCTIONS};
use crate::unit::value::Architecture;
use std::collections::BTreeMap;

/// What becomes of a call: the kernel's SECCOMP_RET_ value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict(pub(super) u32);

impl Verdict {
    pub(super) const ALLOW: Verdict = Verdict(0x7fff_0000);
    pub(super) const LOG: Verdict = Verdict(0x7ffc_0000);
    pub(super) const KILL: Verdict = Verdict(0x8000_0000);

    pub(super) fn errno(number: i32) -> Verdict {
        Verdict(0x0005_0000 | (number as u32 & 0xffff))
    }
}

/// A comparison of the low half of an argument: `value & mask == wanted`. The arguments that
/// are compared are ints and flags, of which the kernel looks at no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) argument: u8,
    pub(super) mask: u32,
    pub(super) wanted: u32,
}

/// A way for a call to meet a verdict: all of the checks hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) checks: Vec<Check>,
    pub(super) verdict: Verdict,
}

/// What is said of one call: the first case that holds, else the verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) cases: Vec<Case>,
    pub(super) verdict: Verdict,
}

impl Rule {
    pub(super) fn always(verdict: Verdict) -> Rule {
        Rule {
            cases: Vec::new(),
            verdict,
        }
    }
}

/// The rules of one architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) architecture: Architecture,
    pub(super) rules: BTreeMap<u32, Rule>,
    /// What calls without a rule get.
    pub(super) otherwise: Verdict,
}

// linux/bpf_common.h and linux/seccomp.h.
const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const IF_EQUAL: u16 = 0x15;
const IF_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;
const NUMBER_AT: u32 = 0;
const ARCHITECTURE_AT: u32 = 4;
const ARGUMENTS_AT: u32 = 16;

/// Numbers from here on are those of x32.
const X32_FROM: u32 = 0x4000_0000;

/// The program; `None` if it would be longer than the kernel takes. Calls of architectures
/// that have no section get `foreign`.
pub(super) fn assemble(sections: &[Section], foreign: Verdict) -> Option<Vec<Instruction>> {
    let mut program = vec![load(ARCHITECTURE_AT)];
    for audit in audits(sections) {
        let body = body_of(audit, sections, foreign);
        program.push(branch(IF_EQUAL, audit, 1, 0));
        program.push(jump(body.len()));
        program.extend(body);
    }
    program.push(ret(foreign));
    (program.len() <= MOST_INSTRUCTIONS).then_some(program)
}

/// The kernel's numbers of the architectures, each once.
fn audits(sections: &[Section]) -> Vec<u32> {
    let mut audits: Vec<u32> = sections.iter().map(|s| s.architecture.audit()).collect();
    audits.sort_unstable();
    audits.dedup();
    audits
}

/// The part for one of the kernel's architectures: that of x86-64 divides x32 from its own.
fn body_of(audit: u32, sections: &[Section], foreign: Verdict) -> Vec<Instruction> {
    let own = |x32: bool| {
        let mut sections = sections.iter();
        sections.find(|section| {
            section.architecture.audit() == audit
                && (section.architecture == Architecture::X32) == x32
        })
    };
    let part = |section: Option<&Section>, from: u32| match section {
        Some(section) => tree(&ranges(section, from)),
        None => vec![ret(foreign)],
    };
    let mut body = vec![load(NUMBER_AT)];
    if audit == Architecture::X32.audit() {
        let plain = part(own(false), 0);
        body.push(branch(IF_AT_LEAST, X32_FROM, 0, 1));
        body.push(jump(plain.len()));
        body.extend(plain);
        body.extend(part(own(true), X32_FROM));
    } else {
        body.extend(part(own(false), 0));
    }
    body
}

/// The numbers from `from` on, as ranges by their first, each with what is said of it.
fn ranges(section: &Section, from: u32) -> Vec<(u32, Rule)> {
    let mut ranges: Vec<(u32, Rule)> = vec![(from, Rule::always(section.otherwise))];
    let mut add = |first: u32, rule: Rule| match ranges.last_mut() {
        Some((last, before)) if *last == first => *before = rule,
        Some((_, before)) if *before == rule => {}
        _ => ranges.push((first, rule)),
    };
    for (number, rule) in &section.rules {
        add(*number, rule.clone());
        add(number + 1, Rule::always(section.otherwise));
    }
    // A rule that took the place of a range may be what stands before it.
    ranges.dedup_by(|next, before| next.1 == before.1);
    ranges
}

/// Finds the range of a number by halves.
fn tree(ranges: &[(u32, Rule)]) -> Vec<Instruction> {
    if let [(_, rule)] = ranges {
        return outcome(rule);
    }
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let first_high = high.first().map_or(0, |(first, _)| *first);
    let (low, high) = (tree(low), tree(high));
    let mut code = match u8::try_from(low.len()) {
        Ok(length) => vec![branch(IF_AT_LEAST, first_high, length, 0)],
        Err(_) => vec![branch(IF_AT_LEAST, first_high, 0, 1), jump(low.len())],
    };
    code.extend(low);
    code.extend(high);
    code
}

/// Compares arguments, case by case, and returns.
fn outcome(rule: &Rule) -> Vec<Instruction> {
    let mut code = Vec::new();
    for case in &rule.cases {
        let mut length = 3 * case.checks.len() as u8 + 1;
        for check in &case.checks {
            length -= 3;
            code.push(load(ARGUMENTS_AT + 8 * u32::from(check.argument)));
            code.push(Instruction {
                operand: check.mask,
                ..plain(AND)
            });
            code.push(branch(IF_EQUAL, check.wanted, 0, length));
        }
        code.push(ret(case.verdict));
    }
    code.push(ret(rule.verdict));
    code
}

fn plain(code: u16) -> Instruction {
    Instruction {
        code,
        jump_true: 0,
        jump_false: 0,
        operand: 0,
    }
}

fn load(at: u32) -> Instruction {
    Instruction {
        operand: at,
        ..plain(LOAD)
    }
}

fn ret(verdict: Verdict) -> Instruction {
    Instruction {
        operand: verdict.0,
        ..plain(RETURN)
    }
}

/// Leaves so many instructions out.
fn jump(over: usize) -> Instruction {
    Instruction {
        operand: over as u32,
        ..plain(JUMP)
    }
}

fn branch(code: u16, operand: u32, jump_true: u8, jump_false: u8) -> Instruction {
    Instruction {
        code,
        jump_true,
        jump_false,
        operand,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What a program says of a call, as the kernel's machine runs it.
    pub(in crate::exec::filter) fn run(
        program: &[Instruction],
        audit: u32,
        number: u32,
        arguments: [u64; 6],
    ) -> Verdict {
        let word = |at: u32| match at {
            NUMBER_AT => number,
            ARCHITECTURE_AT => audit,
            at => arguments[(at - ARGUMENTS_AT) as usize / 8] as u32,
        };
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let step = program[at];
            at += 1;
            let by = |holds: bool| {
                usize::from(if holds {
                    step.jump_true
                } else {
                    step.jump_false
                })
            };
            match step.code {
                LOAD => accumulator = word(step.operand),
                AND => accumulator &= step.operand,
                JUMP => at += step.operand as usize,
                IF_EQUAL => at += by(accumulator == step.operand),
                IF_AT_LEAST => at += by(accumulator >= step.operand),
                RETURN => return Verdict(step.operand),
                other => panic!("no instruction {other:#x}"),
            }
        }
    }

    #[test]
    fn every_number_gets_its_own_rule() {
        let errno = Verdict::errno;
        let mut rules = BTreeMap::new();
        for number in (0..400).filter(|n| n % 3 == 0 || *n < 20) {
            rules.insert(number, Rule::always(errno(number as i32 % 7 + 1)));
        }
        let checks = vec![Check {
            argument: 1,
            mask: 0xff,
            wanted: 5,
        }];
        let case = Case {
            checks,
            verdict: Verdict::KILL,
        };
        rules.insert(
            1000,
            Rule {
                cases: vec![case],
                verdict: errno(9),
            },
        );
        let section = |architecture, rules| Section {
            architecture,
            rules,
            otherwise: Verdict::ALLOW,
        };
        let x32 = (0..600)
            .map(|n| (X32_FROM | n, Rule::always(errno(3))))
            .collect();
        let sections = [
            section(Architecture::X86_64, rules.clone()),
            section(Architecture::X32, x32),
        ];
        let program = assemble(&sections, Verdict::LOG).unwrap();
        let audit = Architecture::X86_64.audit();
        for number in 0..1100 {
            let seen = run(&program, audit, number, [0; 6]);
            let said = rules
                .get(&number)
                .map_or(Verdict::ALLOW, |rule| rule.verdict);
            assert_eq!(seen, said, "{number}");
        }
        let arguments = [0, 0x1105, 0, 0, 0, 0];
        assert_eq!(run(&program, audit, 1000, arguments), Verdict::KILL);
        assert_eq!(run(&program, audit, X32_FROM | 599, [0; 6]), errno(3));
        assert_eq!(run(&program, audit, X32_FROM | 600, [0; 6]), Verdict::ALLOW);
        assert_eq!(run(&program, 77, 0, [0; 6]), Verdict::LOG);
    }

    #[test]
    fn what_is_too_long_is_no_program() {
        let rules = (0..4000).step_by(2);
        let rules = rules.map(|n| (n, Rule::always(Verdict::errno(n as i32 % 9 + 1))));
        let section = Section {
            architecture: Architecture::Arm64,
            rules: rules.collect(),
            otherwise: Verdict::ALLOW,
        };
        assert_eq!(assemble(&[section], Verdict::ALLOW), None);
    }
}
