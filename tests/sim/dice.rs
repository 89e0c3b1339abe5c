//! Chance that can be repeated: splitmix64.

/// A sequence of numbers that a seed decides.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// A sequence of its own for one matter, which does not move when others roll more or
    /// fewer times: what keeps a smaller scenario alike the one it was cut from.
    pub(crate) fn of(seed: u64, matter: &[u64]) -> Dice {
        let mut dice = Dice(seed);
        for part in matter {
            dice = Dice(dice.next() ^ part.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        }
        dice
    }

    /// Another sequence that begins here and does not move this one.
    pub(crate) fn aside(&self, matter: u64) -> Dice {
        Dice::of(self.0, &[matter])
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `sides`.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.next() % sides.max(1)
    }

    /// True once in `times`.
    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.roll(times) == 0
    }

    /// True in so many per cent.
    pub(crate) fn percent(&mut self, share: u64) -> bool {
        self.roll(100) < share
    }

    /// One of them.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len() as u64) as usize]
    }

    /// One of them by weight.
    pub(crate) fn weighted<T: Copy>(&mut self, from: &[(T, u64)]) -> T {
        let mut left = self.roll(from.iter().map(|(_, weight)| weight).sum());
        for (value, weight) in from {
            if left < *weight {
                return *value;
            }
            left -= weight;
        }
        from[0].0
    }
}
