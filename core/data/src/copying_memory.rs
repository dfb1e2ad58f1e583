//! Copying memory: symbols are to be repeated after a long wait. Arjovsky et al. 2016, section 5.1, in the layout of
//! Lezcano-Casado and Martinez-Rubio 2019, section 5.1, with the lengths of Sawada, ICML 2025, section 5.1: 10 symbols out of 8, a
//! delay of 100.
//!
//! With K = `length`, L = `delay` and S = `symbols` a sequence has 2 K + L positions. Classes are 0: blank (`-`), 1 to S: the
//! symbols, S + 1: start (`:`).
//!
//! | positions, from 0 | input | target |
//! |---|---|---|
//! | 0 to K - 1 | symbols, independent and uniform | blank |
//! | K to K + L - 1 | blank | blank |
//! | K + L | start | the first symbol |
//! | K + L + 1 to 2 K + L - 1 | blank | the second to the last symbol |
//!
//! ```text
//! input   38612----------:----
//! target  ---------------38612
//! ```
//!
//! (for K = 5, L = 10). The answer begins at the position of the start marker itself. Arjovsky et al. have as many positions
//! and the same targets, but the marker one position earlier. An answer that is always blank is right at (K + L) / (2 K + L)
//! of the positions: .917 with the lengths above.

use crate::{Labels, Samples, Split, order::Words};
use blackbeam_plugin::Key;
use rayon::prelude::*;

/// The class of what is neither a symbol nor the start marker.
const BLANK: u8 = 0;

/// Settings of the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyingMemory {
    /// How many different symbols there are, 1 to 254. The classes are these, blank and start.
    pub symbols: usize,
    /// How many symbols are to be remembered, 1 to 10000.
    pub length: usize,
    /// How many blanks stand between them and the start marker, at most 100000.
    pub delay: usize,
}

/// As in Sawada 2025.
impl Default for CopyingMemory {
    fn default() -> Self {
        CopyingMemory { symbols: 8, length: 10, delay: 100 }
    }
}

impl CopyingMemory {
    /// Most symbols: a class is kept in a byte.
    pub const MOST_SYMBOLS: usize = 254;
    /// Largest length.
    pub const MOST_LENGTH: usize = 10_000;
    /// Longest delay.
    pub const MOST_DELAY: usize = 100_000;

    pub(crate) fn check(self) -> Result<(), (&'static str, String)> {
        for (key, value, least, most) in [
            ("symbols", self.symbols, 1, Self::MOST_SYMBOLS),
            ("length", self.length, 1, Self::MOST_LENGTH),
            ("delay", self.delay, 0, Self::MOST_DELAY),
        ] {
            if !(least..=most).contains(&value) {
                return Err((key, format!("`{key}` is {value}, expected {least} to {most}")));
            }
        }
        Ok(())
    }

    /// Positions of a sequence: 2 `length` + `delay`.
    pub fn positions(self) -> usize {
        2 * self.length + self.delay
    }

    /// Classes: the symbols, blank and start.
    pub fn classes(self) -> usize {
        self.symbols + 2
    }

    /// Training and test samples of `seed`. A sample depends on the seed, its part and its index only.
    pub fn generate(self, seed: u64, train: usize, test: usize) -> (Split, Split) {
        let key = Key::new(seed).named("copying_memory");
        (self.split(key.named("train"), train), self.split(key.named("test"), test))
    }

    fn split(self, key: Key, count: usize) -> Split {
        let positions = self.positions();
        let mut inputs = vec![BLANK; count * positions];
        let mut targets = inputs.clone();
        inputs.par_chunks_exact_mut(positions).zip(targets.par_chunks_exact_mut(positions)).enumerate().for_each(
            |(i, (input, target))| {
                let mut words = Words::new(key.with(i as u64));
                for symbol in &mut input[..self.length] {
                    *symbol = 1 + words.below(self.symbols as u64) as u8;
                }
                let start = self.length + self.delay;
                target[start..].copy_from_slice(&input[..self.length]);
                input[start] = self.symbols as u8 + 1;
            },
        );
        Split::new(count, Samples::OneHot { symbols: inputs, classes: self.classes() }, Labels::Classes(targets))
    }
}

#[cfg(test)]
#[path = "copying_memory_tests.rs"]
mod tests;
