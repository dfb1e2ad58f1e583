//! Many random numbers at a time, by the widest vectors that the machine has.

use super::{Key, normal};

/// Blocks whose words are drawn before they become numbers: two short loops overlap better than a long one.
const TILE: usize = 32;

/// A function compiled three times: for AVX-512, for AVX2 and for the baseline, with the choice made where it is called.
macro_rules! levels {
    ($(#[$doc:meta])* $name:ident = $body:ident($($argument:ident: $type:ty),*)) => {
        $(#[$doc])*
        #[allow(unsafe_code)]
        pub(super) fn $name($($argument: $type),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma,avx512f,avx512dq,avx512vl,avx512bw")]
                fn avx512($($argument: $type),*) {
                    $body($($argument),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($argument: $type),*) {
                    $body($($argument),*)
                }
                if has_avx512() {
                    // SAFETY: the machine has just said that it has all of these features.
                    return unsafe { avx512($($argument),*) };
                }
                if has_avx2() {
                    // SAFETY: the machine has just said that it has both of these features.
                    return unsafe { avx2($($argument),*) };
                }
            }
            $body($($argument),*)
        }
    };
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    has_avx2()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bw")
}

levels! {
    /// Standard normal numbers of the blocks from `first` on.
    normals = fill_normals(key: Key, first: u64, out: &mut [[f64; 4]])
}
levels! {
    /// The standard normal numbers of one block: fused products are slow functions at the baseline.
    block = fill_block(key: Key, number: u64, out: &mut [f64; 4])
}
levels! {
    /// Adds `scale` times the standard normal numbers of the blocks from `first` on.
    add_normals = sum_normals(key: Key, first: u64, scale: f64, out: &mut [[f64; 4]])
}
levels! {
    /// Numbers uniform in [0, 1) of the blocks from `first` on.
    uniforms = fill_uniforms(key: Key, first: u64, out: &mut [[f64; 2]])
}

#[inline(always)]
fn fill_block(key: Key, number: u64, out: &mut [f64; 4]) {
    *out = normal::four(key.words(number));
}

#[inline(always)]
pub(super) fn fill_normals(key: Key, first: u64, out: &mut [[f64; 4]]) {
    each_normal(key, first, out, |slot, z| *slot = z);
}

#[inline(always)]
fn sum_normals(key: Key, first: u64, scale: f64, out: &mut [[f64; 4]]) {
    each_normal(key, first, out, |slot, z| *slot += scale * z);
}

#[inline(always)]
fn each_normal(key: Key, first: u64, out: &mut [[f64; 4]], put: impl Fn(&mut f64, f64) + Copy) {
    let put = |slots: &mut [f64; 4], z: [f64; 4]| {
        for i in 0..4 {
            put(&mut slots[i], z[i]);
        }
    };
    let (tiles, rest) = out.as_chunks_mut::<TILE>();
    let mut block = first;
    let mut words = [[0; TILE]; 4];
    for tile in tiles {
        for i in 0..TILE {
            let drawn = key.words(block.wrapping_add(i as u64));
            for (words, drawn) in words.iter_mut().zip(drawn) {
                words[i] = drawn;
            }
        }
        for i in 0..TILE {
            put(&mut tile[i], normal::four([words[0][i], words[1][i], words[2][i], words[3][i]]));
        }
        block = block.wrapping_add(TILE as u64);
    }
    for (i, slots) in rest.iter_mut().enumerate() {
        put(slots, normal::four(key.words(block.wrapping_add(i as u64))));
    }
}

#[inline(always)]
fn fill_uniforms(key: Key, first: u64, out: &mut [[f64; 2]]) {
    for (i, slots) in out.iter_mut().enumerate() {
        let [a, b, c, d] = key.words(first.wrapping_add(i as u64));
        // 53 bits of a word of 64, which convert exactly.
        *slots = [a >> 11 | b << 21, c >> 11 | d << 21].map(|bits| bits as f64 * (0.5 / (1u64 << 52) as f64));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What this machine chooses equals the baseline to the bit, and so do remainders of all lengths.
    #[test]
    fn levels_agree() {
        let key = Key::new(3).named("levels");
        let same = |a: &[[f64; 4]], b: &[[f64; 4]]| {
            a.as_flattened().iter().zip(b.as_flattened()).all(|(a, b)| a.to_bits() == b.to_bits())
        };
        for len in (0..80).chain([1000]) {
            for first in [0, 5, u64::from(u32::MAX) - 3, u64::MAX - 2] {
                let mut found = vec![[1.0; 4]; len];
                let mut expected = found.clone();
                normals(key, first, &mut found);
                fill_normals(key, first, &mut expected);
                assert!(same(&found, &expected));
                add_normals(key, first, 0.3, &mut found);
                sum_normals(key, first, 0.3, &mut expected);
                assert!(same(&found, &expected));
                let (mut found, mut expected) = (vec![[0.0; 2]; len], vec![[0.0; 2]; len]);
                uniforms(key, first, &mut found);
                fill_uniforms(key, first, &mut expected);
                assert_eq!(found, expected);
            }
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code)]
    fn avx2_agrees_where_avx512_is_chosen() {
        #[target_feature(enable = "avx2,fma")]
        fn avx2(key: Key, first: u64, out: &mut [[f64; 4]]) {
            fill_normals(key, first, out);
        }
        if has_avx2() {
            let (mut found, mut expected) = (vec![[0.0; 4]; 1001], vec![[0.0; 4]; 1001]);
            // SAFETY: the machine has just said that it has both of these features.
            unsafe { avx2(Key::new(9), 7, &mut found) };
            normals(Key::new(9), 7, &mut expected);
            assert_eq!(found, expected);
        }
    }
}
