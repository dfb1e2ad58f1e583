//! The order of the samples in an epoch.

use blackbeam_plugin::Key;

/// A uniformly random order of `0..n` that depends on `key` alone (Fisher-Yates). For epoch e of a run use
/// `key.with(e)`.
pub fn permutation(key: Key, n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    let mut words = Words { key, next: 0 };
    for i in (1..n).rev() {
        order.swap(i, words.below(i as u64 + 1) as usize);
    }
    order
}

/// Walks through the words of a key.
pub(crate) struct Words {
    key: Key,
    next: u64,
}

impl Words {
    pub(crate) fn new(key: Key) -> Self {
        Words { key, next: 0 }
    }

    /// 64 random bits.
    pub(crate) fn word(&mut self) -> u64 {
        self.next += 1;
        self.key.word(self.next - 1)
    }

    /// A number uniform in 0..bound, exactly: the words above the largest multiple of `bound` are drawn again.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let excess = (u64::MAX % bound + 1) % bound;
        loop {
            let word = self.word();
            if word <= u64::MAX - excess {
                return word % bound;
            }
        }
    }

    /// A number uniform in [low, high).
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * ((self.word() >> 11) as f64 * 2f64.powi(-53))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_comes_once_and_the_key_decides_the_order() {
        for n in [0, 1, 2, 7, 1000] {
            let mut order = permutation(Key::new(4).with(n as u64), n);
            order.sort_unstable();
            assert_eq!(order, (0..n).collect::<Vec<_>>());
        }
        let key = Key::new(4);
        assert_eq!(permutation(key, 100), permutation(key, 100));
        assert_ne!(permutation(key.with(0), 100), permutation(key.with(1), 100));
        assert_ne!(permutation(key, 100), permutation(Key::new(5), 100));
    }

    #[test]
    fn all_orders_of_four_are_equally_likely() {
        let mut counts = std::collections::BTreeMap::new();
        let draws = 24_000;
        for i in 0..draws {
            *counts.entry(permutation(Key::new(9).with(i), 4)).or_insert(0u32) += 1;
        }
        assert_eq!(counts.len(), 24);
        // chi squared with 23 degrees of freedom: 49.7 is its 99.9 % point
        let expected = f64::from(draws as u32) / 24.0;
        let chi2: f64 = counts.values().map(|&c| (f64::from(c) - expected).powi(2) / expected).sum();
        assert!(chi2 < 49.7, "{chi2}");
    }
}
