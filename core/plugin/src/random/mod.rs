//! Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
//!
//! Every random number of Blackbeam is a function of a [`Key`] (what it is for) and a counter (which element), so that
//! any element can be drawn alone, in any order, on any thread. A keyed [`ParameterSet`](crate::ParameterSet) is
//! regenerated from its key on either side of the plugin boundary; that is why the generator is part of the interface.

mod bulk;
mod normal;

use abi_stable::StableAbi;

const M0: u64 = 0xD251_1F53;
const M1: u64 = 0xCD9E_8D57;
const W0: u32 = 0x9E37_79B9;
const W1: u32 = 0xBB67_AE85;
const LOW: u64 = 0xFFFF_FFFF;

/// One block: 128 counter bits and 64 key bits to 128 random bits.
#[inline]
pub fn philox4x32(c: [u32; 4], k: [u32; 2]) -> [u32; 4] {
    philox(c.map(u64::from), k).map(|word| word as u32)
}

/// [`philox4x32`] on words of 64 bits. Upper halves of the counter are ignored, those of the result are 0: so written, a
/// loop over blocks becomes one over vector lanes with nothing but 32 x 32 bit products, shifts and exclusive ors in it.
#[inline(always)]
fn philox(mut c: [u64; 4], mut k: [u32; 2]) -> [u64; 4] {
    for _ in 0..10 {
        let p0 = M0 * (c[0] & LOW);
        let p1 = M1 * (c[2] & LOW);
        c = [(p1 >> 32) ^ c[1] ^ u64::from(k[0]), p1, (p0 >> 32) ^ c[3] ^ u64::from(k[1]), p0];
        k = [k[0].wrapping_add(W0), k[1].wrapping_add(W1)];
    }
    c.map(|word| word & LOW)
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
        self.words(block).map(|word| word as u32)
    }

    /// As [`block`](Key::block), each word in the lower half of 64 bits.
    #[inline(always)]
    fn words(self, block: u64) -> [u64; 4] {
        let Key { seed, stream } = self;
        philox([block, block >> 32, stream, stream >> 32], [seed as u32, (seed >> 32) as u32])
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
        self.four(index / 4)[(index % 4) as usize]
    }

    /// Standard normal numbers of one block.
    #[inline]
    fn four(self, block: u64) -> [f64; 4] {
        let mut z = [0.0; 4];
        bulk::block(self, block, &mut z);
        z
    }

    /// Fills `out` with the blocks of four standard normal numbers from number `first` on: elements from `4 first` on. As
    /// [`fill_normal`](Key::fill_normal), but a part of its caller, for a loop that is compiled for the vectors of the machine
    /// and uses the numbers while they are in its registers.
    #[inline(always)]
    pub fn fill_normal_blocks(self, first: u64, out: &mut [[f64; 4]]) {
        bulk::fill_normals(self, first, out);
    }

    /// Fills `out` with elements `first..` of the stream of numbers uniform in [0, 1).
    pub fn fill_uniform(self, first: u64, out: &mut [f64]) {
        let head = (first % 2).min(out.len() as u64) as usize;
        let (head, body) = out.split_at_mut(head);
        head.iter_mut().for_each(|slot| *slot = self.uniform(first));
        let start = first.div_ceil(2);
        let (pairs, last) = body.as_chunks_mut();
        bulk::uniforms(self, start, pairs);
        last.iter_mut()
            .for_each(|slot| *slot = self.uniform(2u64.wrapping_mul(start.wrapping_add(pairs.len() as u64))));
    }

    /// Fills `out` with elements `first..` of the stream of standard normal numbers: the same bits as
    /// [`normal`](Key::normal) one by one, whatever instructions the machine has, but many at a time.
    pub fn fill_normal(self, first: u64, out: &mut [f64]) {
        self.each_normal(first, out, |blocks, start| bulk::normals(self, start, blocks), |slot, z| *slot = z);
    }

    /// Adds `scale` times elements `first..` of the stream of standard normal numbers to `out`.
    pub fn add_normal(self, first: u64, scale: f64, out: &mut [f64]) {
        let add = |blocks: &mut [[f64; 4]], start| bulk::add_normals(self, start, scale, blocks);
        self.each_normal(first, out, add, |slot, z| *slot += scale * z);
    }

    /// Whole blocks of four go to `blocks` with the number of the first, what is cut off at both ends to `one`.
    #[inline]
    fn each_normal(
        self,
        first: u64,
        out: &mut [f64],
        blocks: impl FnOnce(&mut [[f64; 4]], u64),
        one: impl Fn(&mut f64, f64),
    ) {
        let head = ((4 - first % 4) % 4).min(out.len() as u64) as usize;
        let (head, body) = out.split_at_mut(head);
        let start = first.div_ceil(4);
        let (body, tail) = body.as_chunks_mut();
        let ends = [(start.wrapping_sub(1), first % 4, head), (start.wrapping_add(body.len() as u64), 0, tail)];
        if !body.is_empty() {
            blocks(body, start);
        }
        for (block, from, ends) in ends {
            if !ends.is_empty() {
                let z = self.four(block);
                ends.iter_mut().zip(&z[from as usize..]).for_each(|(slot, z)| one(slot, *z));
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

    /// Adds `scale` times elements `0..` of the stream of signs to `out`.
    pub fn add_sign(self, scale: f64, out: &mut [f64]) {
        for (block, out) in out.chunks_mut(128).enumerate() {
            for (word, out) in self.block(block as u64).into_iter().zip(out.chunks_mut(32)) {
                for (bit, slot) in out.iter_mut().enumerate() {
                    *slot += if word >> bit & 1 == 0 { scale } else { -scale };
                }
            }
        }
    }

    /// A source for the `rand` ecosystem that walks through this stream from its start.
    pub fn rng(self) -> PhiloxRng {
        PhiloxRng { key: self, next: 0 }
    }
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
mod tests;
