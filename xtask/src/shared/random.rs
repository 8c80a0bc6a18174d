//! Random choices that a seed repeats: SplitMix64, which needs no crate.

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The stream of one thread.
    pub fn new(seed: u64, process: u32, thread: u32) -> Self {
        let place = (u64::from(process) << 32) | u64::from(thread);
        let mut random = Self(seed ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        // Seeds that are close together would begin with numbers that are.
        random.next();
        random
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to but not including `end`, which is at least 1.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// True in so many of a hundred cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of these, or none where there is none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let index = self.below(from.len() as u64);
        from.get(usize::try_from(index).ok()?)
    }

    /// A number from 0 to 1 with all its 53 bits.
    pub fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_choices_and_threads_have_their_own() {
        let stream = |seed, process, thread| {
            let mut random = Random::new(seed, process, thread);
            [random.next(), random.next()]
        };
        assert_eq!(stream(1, 1, 1), stream(1, 1, 1));
        assert_ne!(stream(1, 1, 1), stream(1, 1, 2));
        assert_ne!(stream(1, 1, 1), stream(1, 2, 1));
        assert_ne!(stream(1, 1, 1), stream(2, 1, 1));
        let mut random = Random::new(7, 1, 1);
        assert!((0..1000).all(|_| (0.0..1.0).contains(&random.fraction())));
        assert_eq!(random.pick::<u8>(&[]), None);
    }
}
