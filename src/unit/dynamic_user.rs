//! Users that exist only while a unit uses them (systemd.exec(5), DynamicUser=): what they are
//! called and which number they get. Pure.
//!
//! The number follows from the name, as systemd 252 was seen to do it, so that a unit's
//! directories keep their owner from one run to the next, and between the two managers.

use std::ops::RangeInclusive;

/// The numbers that are for such users and groups (systemd's own, and nobody else's).
pub const NUMBERS: RangeInclusive<u32> = 61_184..=65_519;

/// Longest name that utmp(5) has room for.
const LONGEST_NAME: usize = 31;

/// What systemd hashes names with.
const KEY: [u64; 2] = [0xf548_cecf_317e_5337, 0x59ec_d98d_5739_bb8a];

/// Whether a name can be a user's: what every tool that reads passwd(5) takes.
pub fn is_name(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    let inner = |c: char| letter(c) || c.is_ascii_digit() || c == '-';
    name.starts_with(letter) && name.len() <= LONGEST_NAME && name.chars().all(inner)
}

/// The user of a unit that names none: called as the unit is without instance and type, or by a
/// hash of that where it cannot be a user's name.
pub fn name_of(prefix: &str) -> String {
    if is_name(prefix) {
        prefix.to_owned()
    } else {
        format!("_du{:016x}", hash(prefix))
    }
}

/// The numbers to try for a name: first those that `owners` of its directories have, then the
/// one that follows from the name, then those after it.
pub fn numbers(name: &str, owners: &[u32]) -> impl Iterator<Item = u32> {
    let (first, count) = (*NUMBERS.start(), NUMBERS.end() - NUMBERS.start() + 1);
    let from_name = hash(name) as u32 % count;
    let owners = owners.iter().copied();
    let owners = owners.filter(|id| NUMBERS.contains(id));
    owners.chain((0..count).map(move |step| first + (from_name + step) % count))
}

/// SipHash-2-4 of a text.
fn hash(text: &str) -> u64 {
    let mut state = Sip::new(KEY);
    let mut words = text.as_bytes().chunks_exact(8);
    for word in words.by_ref() {
        state.take(little_endian(word));
    }
    let last = little_endian(words.remainder());
    state.take(last | (text.len() as u64) << 56);
    state.finish()
}

fn little_endian(bytes: &[u8]) -> u64 {
    let bytes = bytes.iter().rev();
    bytes.fold(0, |word, byte| word << 8 | u64::from(*byte))
}

struct Sip([u64; 4]);

impl Sip {
    fn new([low, high]: [u64; 2]) -> Sip {
        // "somepseudorandomlygeneratedbytes".
        Sip([
            low ^ 0x736f_6d65_7073_6575,
            high ^ 0x646f_7261_6e64_6f6d,
            low ^ 0x6c79_6765_6e65_7261,
            high ^ 0x7465_6462_7974_6573,
        ])
    }

    fn round(&mut self) {
        let [a, b, c, d] = &mut self.0;
        *a = a.wrapping_add(*b);
        *c = c.wrapping_add(*d);
        *b = b.rotate_left(13) ^ *a;
        *d = d.rotate_left(16) ^ *c;
        *a = a.rotate_left(32);
        *c = c.wrapping_add(*b);
        *a = a.wrapping_add(*d);
        *b = b.rotate_left(17) ^ *c;
        *d = d.rotate_left(21) ^ *a;
        *c = c.rotate_left(32);
    }

    fn take(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.round();
        self.0[0] ^= word;
    }

    fn finish(mut self) -> u64 {
        self.0[2] ^= 0xff;
        for _ in 0..4 {
            self.round();
        }
        self.0.into_iter().fold(0, |all, word| all ^ word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        // The test vector of the paper: key 00 .. 0f, message 00 .. 0e.
        let mut state = Sip::new([0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908]);
        state.take(0x0706_0504_0302_0100);
        state.take(0x0f0e_0d0c_0b0a_0908);
        assert_eq!(state.finish(), 0xa129_ca61_49be_45e5);
    }

    #[test]
    fn numbers_are_those_that_systemd_gives() {
        let seen = [
            ("foo", 63_016),
            ("bla", 64_464),
            ("alpha", 63_309),
            ("beta", 62_296),
            ("foo5", 63_883),
        ];
        for (name, number) in seen {
            assert_eq!(numbers(name, &[]).next(), Some(number), "{name}");
        }
        let with_owners: Vec<u32> = numbers("foo", &[0, 61_200, 70_000]).take(2).collect();
        assert_eq!(with_owners, [61_200, 63_016]);
    }

    #[test]
    fn every_number_is_tried_once() {
        let all: std::collections::BTreeSet<u32> = numbers("x", &[]).collect();
        assert_eq!(all.len(), NUMBERS.count());
        assert!(all.iter().all(|id| NUMBERS.contains(id)));
    }

    #[test]
    fn names() {
        assert_eq!(name_of("trace-agent"), "trace-agent");
        for bad in ["", "7z", "a.b", "a b", "-x", &"x".repeat(32)] {
            let made = name_of(bad);
            assert!(is_name(&made) && made.len() == 19, "{bad}: {made}");
        }
    }
}
