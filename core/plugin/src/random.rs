//! Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
//!
//! Every random number of Blackbeam is a function of a [`Key`] (what it is for) and a counter (which element), so that
//! any element can be drawn alone, in any order, on any thread. A keyed [`ParameterSet`](crate::ParameterSet) is
//! regenerated from its key on either side of the plugin boundary; that is why the generator is part of the interface.

use abi_stable::StableAbi;

const M0: u64 = 0xD251_1F53;
const M1: u64 = 0xCD9E_8D57;
const W0: u32 = 0x9E37_79B9;
const W1: u32 = 0xBB67_AE85;

/// One block: 128 counter bits and 64 key bits to 128 random bits.
#[inline]
pub fn philox4x32(mut c: [u32; 4], mut k: [u32; 2]) -> [u32; 4] {
    for round in 0..10 {
        if round > 0 {
            k[0] = k[0].wrapping_add(W0);
            k[1] = k[1].wrapping_add(W1);
        }
        let p0 = M0 * u64::from(c[0]);
        let p1 = M1 * u64::from(c[2]);
        c = [(p1 >> 32) as u32 ^ c[1] ^ k[0], p1 as u32, (p0 >> 32) as u32 ^ c[3] ^ k[1], p0 as u32];
    }
    c
}

/// Names a stream of random numbers: 64 key bits and 64 counter bits; the other 64 counter bits count elements.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Key {
    /// Key of the generator.
    pub seed: u64,
    /// Upper half of the counter.
    pub stream: u64,
}

impl Key {
    /// The root of all keys of one seed.
    pub fn new(seed: u64) -> Self {
        Key { seed, stream: 0 }
    }

    /// A key that depends on this one and on a number; different numbers give independent streams.
    pub fn with(self, number: u64) -> Self {
        let key = [self.seed as u32, (self.seed >> 32) as u32];
        let a = philox4x32([number as u32, (number >> 32) as u32, self.stream as u32, (self.stream >> 32) as u32], key);
        Key { seed: u64::from(a[0]) | u64::from(a[1]) << 32, stream: u64::from(a[2]) | u64::from(a[3]) << 32 }
    }

    /// A key that depends on this one and on a name (FNV-1a of its bytes).
    pub fn named(self, name: &str) -> Self {
        let hash =
            name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01B3));
        self.with(hash)
    }

    /// Block `block` of this stream: four random words.
    #[inline]
    pub fn block(self, block: u64) -> [u32; 4] {
        philox4x32(
            [block as u32, (block >> 32) as u32, self.stream as u32, (self.stream >> 32) as u32],
            [self.seed as u32, (self.seed >> 32) as u32],
        )
    }

    /// Element `index` of the stream of 64-bit words.
    #[inline]
    pub fn word(self, index: u64) -> u64 {
        let b = self.block(index / 2);
        let i = 2 * (index % 2) as usize;
        u64::from(b[i]) | u64::from(b[i + 1]) << 32
    }

    /// Element `index` of the stream of numbers uniform in [0, 1).
    #[inline]
    pub fn uniform(self, index: u64) -> f64 {
        (self.word(index) >> 11) as f64 * 2f64.powi(-53)
    }

    /// Element `index` of the stream of standard normal numbers.
    #[inline]
    pub fn normal(self, index: u64) -> f64 {
        normals_of(self.block(index / 4))[(index % 4) as usize]
    }

    /// Fills `out` with elements `first..` of the stream of standard normal numbers.
    pub fn fill_normal(self, first: u64, out: &mut [f64]) {
        self.for_each_normal(first, out, |slot, z| *slot = z);
    }

    /// Adds `scale` times elements `first..` of the stream of standard normal numbers to `out`.
    pub fn add_normal(self, first: u64, scale: f64, out: &mut [f64]) {
        self.for_each_normal(first, out, |slot, z| *slot += scale * z);
    }

    #[inline]
    fn for_each_normal(self, first: u64, out: &mut [f64], mut put: impl FnMut(&mut f64, f64)) {
        let head = ((4 - first % 4) % 4).min(out.len() as u64) as usize;
        let (head, body) = out.split_at_mut(head);
        for (i, slot) in head.iter_mut().enumerate() {
            put(slot, self.normal(first + i as u64));
        }
        let start = (first + head.len() as u64) / 4;
        for (i, chunk) in body.chunks_mut(4).enumerate() {
            let z = normals_of(self.block(start + i as u64));
            for (slot, z) in chunk.iter_mut().zip(z) {
                put(slot, z);
            }
        }
    }

    /// Element `index` of the stream of signs, +1 or -1.
    #[inline]
    pub fn sign(self, index: u64) -> f64 {
        let b = self.block(index / 128);
        let bit = (index % 128) as usize;
        if b[bit / 32] >> (bit % 32) & 1 == 0 { 1.0 } else { -1.0 }
    }

    /// A source for the `rand` ecosystem that walks through this stream from its start.
    pub fn rng(self) -> PhiloxRng {
        PhiloxRng { key: self, next: 0 }
    }
}

/// Four standard normal numbers from one block, by Box-Muller: r = sqrt(-2 ln u), u in (0, 1]; not ziggurat, so that the
/// number of words an element takes never depends on their values.
#[inline]
fn normals_of(b: [u32; 4]) -> [f64; 4] {
    const SCALE: f64 = 1.0 / 4_294_967_296.0;
    let pair = |a: u32, b: u32| {
        let r = (-2.0 * ((f64::from(a) + 0.5) * SCALE).ln()).sqrt();
        let (s, c) = (std::f64::consts::TAU * (f64::from(b) * SCALE)).sin_cos();
        (r * c, r * s)
    };
    let (z0, z1) = pair(b[0], b[1]);
    let (z2, z3) = pair(b[2], b[3]);
    [z0, z1, z2, z3]
}

/// Walks through the words of one [`Key`], as a source for `rand` and `rand_distr`.
#[derive(Clone, Debug)]
pub struct PhiloxRng {
    key: Key,
    next: u64,
}

impl rand_core::TryRng for PhiloxRng {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(self.try_next_u64()? as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let word = self.key.word(self.next);
        self.next += 1;
        Ok(word)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        for chunk in bytes.chunks_mut(8) {
            let word = self.try_next_u64()?.to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers published with Random123 1.14 (`kat_vectors`, philox4x32, 10 rounds).
    #[test]
    fn known_answers() {
        assert_eq!(philox4x32([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox4x32([!0; 4], [!0; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox4x32([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn any_element_alone_equals_the_filled_array() {
        let key = Key::new(3).named("test");
        let mut whole = vec![0.0; 37];
        key.fill_normal(5, &mut whole);
        for (i, z) in whole.iter().enumerate() {
            assert_eq!(*z, key.normal(5 + i as u64));
        }
        for cut in 0..12 {
            let mut part = vec![0.0; 20];
            key.fill_normal(cut, &mut part);
            assert_eq!(part[7], key.normal(cut + 7));
        }
    }

    #[test]
    fn moments_of_the_normal_stream() {
        let n = 400_000;
        let mut z = vec![0.0; n];
        Key::new(1).fill_normal(0, &mut z);
        let mean = z.iter().sum::<f64>() / n as f64;
        let variance = z.iter().map(|z| z * z).sum::<f64>() / n as f64;
        let fourth = z.iter().map(|z| z.powi(4)).sum::<f64>() / n as f64;
        // five standard errors each: 1, sqrt 2 and sqrt 96 over sqrt n
        let e = 5.0 / (n as f64).sqrt();
        assert!(mean.abs() < e, "{mean}");
        assert!((variance - 1.0).abs() < 1.42 * e, "{variance}");
        assert!((fourth - 3.0).abs() < 9.8 * e, "{fourth}");
    }

    #[test]
    fn derived_keys_differ() {
        let root = Key::new(7);
        assert_ne!(root.named("a"), root.named("b"));
        assert_ne!(root.with(0), root.with(1));
        assert_ne!(root.with(0).with(1), root.with(1).with(0));
    }
}
