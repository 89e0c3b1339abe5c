//! All the chance there is: numbers that follow from the seed.

/// The next number; `salt` tells apart what is drawn for different ends. splitmix64 over a
/// state of 128 bits.
pub(super) fn draw(state: &mut u128, salt: u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    let mut z = (*state as u64) ^ ((*state >> 64) as u64).rotate_left(23) ^ salt;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A number from 0 up to and including `most`.
pub(super) fn up_to(state: &mut u128, most: u64) -> u64 {
    match most.checked_add(1) {
        // The bias of so few out of 2^64 is far below anything that can be measured.
        Some(sides) => draw(state, 3) % sides,
        None => draw(state, 3),
    }
}

/// A number from 0 up to and including `most` that is always the same for a name on a machine;
/// `salt` tells apart what it is for.
pub(super) fn of_name(machine: u64, name: &str, salt: u64, most: u64) -> u64 {
    let mut state = u128::from(machine);
    for byte in name.bytes() {
        state = u128::from(draw(&mut state, u64::from(byte)));
    }
    state ^= u128::from(salt) << 64;
    up_to(&mut state, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_from_the_seed_and_stay_within_bounds() {
        let of = |seed: u128| {
            let mut state = seed;
            (0..1000).map(|_| up_to(&mut state, 9)).collect::<Vec<_>>()
        };
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
        let numbers = of(7);
        assert!((0..10).all(|number| numbers.contains(&number)));
        assert!(numbers.iter().all(|number| *number < 10));
        assert_eq!(up_to(&mut 1, 0), 0);
        up_to(&mut 1, u64::MAX);
    }
}
