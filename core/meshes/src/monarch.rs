//! Monarch matrices (Dao et al., ICML 2022): two layers of small dense blocks with a stride permutation between them.

use crate::{Error, MAX_MODES, Result};
use std::ops::Range;

/// Structure of a monarch matrix of n = block * count modes, realised with meshes as its blocks:
/// M = unstride * second * stride * first.
///
/// ```text
///         first   stride  second
/// in0 ───┌──────┐────────┌──────┐─── out0
/// in1 ───└──────┘──╲  ╱──└──────┘─── out2     n = 4, block = 2: modes 1 and 2 cross,
///                   ╳                         and so do the numbers of the outputs
/// in2 ───┌──────┐──╱  ╲──┌──────┐─── out1
/// in3 ───└──────┘────────└──────┘─── out3
/// ```
///
/// Mode i * block + j, the j-th of the i-th mesh, goes on at position j * count + i, the i-th of the j-th mesh behind: every
/// input reaches every output over exactly one path between meshes. With R_i the matrix of the i-th mesh of `first` and L_j
/// that of the j-th of `second`, M\[i' block + j, i block + k\] = L_j\[i', i\] R_i\[j, k\]. The usual choice is n = block^2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monarch {
    /// `count` meshes of `block` neighbouring modes.
    pub first: Vec<Range<usize>>,
    /// The mode at position k behind `first` is at position `stride[k]` before `second`.
    pub stride: Vec<usize>,
    /// `block` meshes of `count` neighbouring modes.
    pub second: Vec<Range<usize>>,
    /// The mode at position k behind `second` is output `unstride[k]`: the inverse of `stride`. It takes no crossings: it only
    /// says which output has which number.
    pub unstride: Vec<usize>,
}

/// Structure of a monarch matrix of n modes with first blocks of `block` modes.
///
/// # Errors
/// n is 0 or above [`MAX_MODES`], or `block` does not divide it.
pub fn monarch(n: usize, block: usize) -> Result<Monarch> {
    if n == 0 || n > MAX_MODES {
        return Err(Error::Layout(format!("a monarch matrix has 1 to {MAX_MODES} modes, not {n}")));
    }
    if block == 0 || !n.is_multiple_of(block) {
        let root = (1..=n.isqrt()).rev().find(|d| n.is_multiple_of(*d)).unwrap_or(1);
        return Err(Error::Layout(format!(
            "a monarch matrix of {n} modes cannot have blocks of {block}: the size of a block divides n; {} is closest to \
             its root",
            n / root
        )));
    }
    let count = n / block;
    let blocks = |size: usize| (0..n).step_by(size).map(|start| start..start + size).collect();
    let stride = |size: usize| (0..n).map(|k| k % size * (n / size) + k / size).collect();
    Ok(Monarch { first: blocks(block), stride: stride(block), second: blocks(count), unstride: stride(count) })
}

/// A permutation of neighbouring waveguides as layers of crossings (odd-even transposition sort): each layer lists the upper
/// mode m of its crossings (m, m + 1). What enters at k leaves at `permutation[k]`. The fewest crossings that are possible, in
/// at most n layers.
///
/// # Errors
/// `permutation` is not a permutation, or has more than [`MAX_MODES`] entries.
pub fn crossing_layers(permutation: &[usize]) -> Result<Vec<Vec<usize>>> {
    let n = permutation.len();
    let mut seen = vec![false; n.min(MAX_MODES)];
    if n > MAX_MODES || permutation.iter().any(|&k| k >= n || std::mem::replace(&mut seen[k], true)) {
        return Err(Error::Layout(format!("not a permutation of 0 .. {n}, of at most {MAX_MODES} modes")));
    }
    let mut targets = permutation.to_vec();
    let mut layers = vec![];
    for parity in 0..n {
        let crossings: Vec<usize> =
            (parity % 2..n.saturating_sub(1)).step_by(2).filter(|&m| targets[m] > targets[m + 1]).collect();
        crossings.iter().for_each(|&m| targets.swap(m, m + 1));
        if !crossings.is_empty() {
            layers.push(crossings);
        }
    }
    Ok(layers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Random, distance};
    use num_complex::Complex64;

    #[test]
    fn small_cases() {
        let four = monarch(4, 2).unwrap();
        assert_eq!((four.first.as_slice(), four.second.as_slice()), ([0..2, 2..4].as_slice(), [0..2, 2..4].as_slice()));
        assert_eq!(
            (four.stride.as_slice(), four.unstride.as_slice()),
            ([0, 2, 1, 3].as_slice(), [0, 2, 1, 3].as_slice())
        );
        let six = monarch(6, 3).unwrap();
        assert_eq!((six.first.len(), six.second.len()), (2, 3));
        assert_eq!(six.stride, [0, 2, 4, 1, 3, 5]);
        assert!((0..6).all(|k| six.unstride[six.stride[k]] == k));
        assert!(monarch(12, 5).unwrap_err().to_string().contains("4 is closest"));
        assert!(monarch(0, 1).is_err() && monarch(4, 0).is_err() && monarch(1 << 40, 1 << 20).is_err());
    }

    /// Sending light through the structure gives the closed form.
    #[test]
    fn closed_form() {
        let (n, block, count) = (12, 3, 4);
        let structure = monarch(n, block).unwrap();
        let mut random = Random(6);
        let r: Vec<_> = (0..count).map(|_| random.unitary(block)).collect();
        let l: Vec<_> = (0..block).map(|_| random.unitary(count)).collect();
        let blocks = |ranges: &[Range<usize>], meshes: &[Vec<Complex64>], x: &[Complex64]| -> Vec<Complex64> {
            let apply = |(range, mesh): (&Range<usize>, &Vec<Complex64>)| -> Vec<Complex64> {
                let x = &x[range.clone()];
                mesh.chunks(x.len()).map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum()).collect()
            };
            ranges.iter().zip(meshes).flat_map(apply).collect()
        };
        let permuted = |to: &[usize], x: &[Complex64]| -> Vec<Complex64> {
            let mut y = x.to_vec();
            to.iter().zip(x).for_each(|(&k, &v)| y[k] = v);
            y
        };
        for column in 0..n {
            let mut x = vec![Complex64::ZERO; n];
            x[column] = Complex64::ONE;
            let x = permuted(&structure.stride, &blocks(&structure.first, &r, &x));
            let x = permuted(&structure.unstride, &blocks(&structure.second, &l, &x));
            let (i, k) = (column / block, column % block);
            let expected: Vec<Complex64> =
                (0..n).map(|row| l[row % block][row / block * count + i] * r[i][row % block * block + k]).collect();
            assert!(distance(&x, &expected) < 1e-15);
        }
    }

    #[test]
    fn crossings() {
        for permutation in [monarch(12, 3).unwrap().stride, vec![4, 3, 2, 1, 0], vec![0, 1], vec![], vec![1, 2, 3, 0]] {
            let n = permutation.len();
            let inversions = (0..n).map(|i| (0..i).filter(|&j| permutation[j] > permutation[i]).count()).sum::<usize>();
            let layers = crossing_layers(&permutation).unwrap();
            let mut light: Vec<usize> = (0..n).collect();
            layers.iter().flatten().for_each(|&m| light.swap(m, m + 1));
            assert!((0..n).all(|k| light[permutation[k]] == k));
            assert!(layers.len() <= n && layers.iter().flatten().count() == inversions);
        }
        assert!(crossing_layers(&[0, 0]).is_err() && crossing_layers(&[0, 2]).is_err());
    }
}
