//! Meshes against the plain product of their cells.

mod angles;

use super::*;
use crate::{Buffer, Level, Real, testing::Random};

pub(super) type C = (f64, f64);

pub(super) fn times(a: C, b: C) -> C {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}

pub(super) fn plus(a: C, b: C) -> C {
    (a.0 + b.0, a.1 + b.1)
}

pub(super) fn cis(phase: f64) -> C {
    (phase.cos(), phase.sin())
}

/// Brickwork from `layers` layers.
pub(super) fn clements(n: usize, layers: usize) -> Vec<(usize, usize)> {
    (0..layers).flat_map(|l| (l % 2..n.saturating_sub(1)).step_by(2).map(|m| (m, m + 1))).collect()
}

pub(super) fn arrangements() -> Vec<(usize, Vec<(usize, usize)>)> {
    let mut all: Vec<_> = [0, 1, 2, 3, 4, 5, 7, 8, 16, 17, 33].into_iter().map(|n| (n, clements(n, n))).collect();
    all.extend([(2, clements(2, 9)), (6, clements(6, 11)), (9, clements(9, 31)), (20, clements(20, 3))]);
    // Triangles from either side, diagonal by diagonal.
    for n in [3, 8, 13] {
        all.push((n, (0..n).flat_map(|d| (0..n - 1 - d).rev().map(|m| (m, m + 1))).collect()));
        all.push((n, (0..n).flat_map(|d| (d..n - 1).map(|m| (m, m + 1))).collect()));
    }
    let strides = |n: usize| std::iter::successors(Some(n / 2), |s| Some(s / 2)).take_while(|s| *s > 0);
    for n in [2, 8, 32] {
        all.push((n, strides(n).flat_map(|s| (0..n).filter(move |m| m & s == 0).map(move |m| (m, m + s))).collect()));
    }
    let mut random = Random(5);
    for n in [4, 11] {
        let cell = |_| {
            let a = random.bits() as usize % n;
            (a, (a + 1 + random.bits() as usize % (n - 1)) % n)
        };
        all.push((n, (0..60).map(cell).collect()));
    }
    all
}

/// What cells are like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Like {
    Unitary,
    /// All of them cross, bar, or one of both, exactly.
    Crossed,
    Barred,
    Either,
    /// Any matrices.
    Lossy,
    /// Splitting ratios over hundreds of orders of magnitude.
    Wild,
}

pub(super) const LIKES: [Like; 6] = [Like::Unitary, Like::Crossed, Like::Barred, Like::Either, Like::Lossy, Like::Wild];

pub(super) fn random_blocks(like: Like, cells: usize, random: &mut Random) -> Blocks {
    let mut blocks = Blocks::default();
    blocks.resize(cells);
    for cell in 0..cells {
        let (c, s) = match like {
            Like::Crossed => (0.0, 1.0),
            Like::Barred => (1.0, 0.0),
            Like::Either => *[(0.0, 1.0), (1.0, 0.0)].get(random.bits() as usize % 2).unwrap(),
            Like::Wild => {
                let x = 10f64.powf(-100.0 * random.uniform());
                if random.uniform() < 0.5 { (x, 1.0) } else { (1.0, x) }
            }
            _ => {
                let angle = 7.0 * random.signed();
                (angle.cos(), angle.sin())
            }
        };
        let (p, q, r) = (cis(7.0 * random.signed()), cis(7.0 * random.signed()), cis(7.0 * random.signed()));
        let mut t =
            [times(times(p, r), (c, 0.0)), times(times(q, r), (s, 0.0)), times(p, (-s, 0.0)), times(q, (c, 0.0))];
        if like == Like::Lossy {
            t = t.map(|v| times(v, (0.5 * random.uniform() + 0.5, 0.3 * random.signed())));
        }
        blocks.set(cell, t);
    }
    blocks
}

pub(super) fn random_factors(n: usize, random: &mut Random) -> Factors {
    let mut draw = || (0..n).map(|_| random.signed()).collect();
    Factors { re: draw(), im: draw() }
}

/// [rows, n] through the cells, one after the other.
pub(super) fn plain(
    cells: &[(usize, usize)],
    blocks: &Blocks,
    (input, output): (&Factors, &Factors),
    x: &[C],
) -> Vec<C> {
    let n = input.re.len();
    let mut y = x.to_vec();
    for row in y.chunks_exact_mut(n.max(1)) {
        (0..n).for_each(|m| row[m] = times(row[m], (input.re[m], input.im[m])));
        for (cell, &(a, b)) in cells.iter().enumerate() {
            let t = blocks.get(cell);
            let (u, v) = (row[a], row[b]);
            row[a] = plus(times(t[0], u), times(t[1], v));
            row[b] = plus(times(t[2], u), times(t[3], v));
        }
        (0..n).for_each(|m| row[m] = times(row[m], (output.re[m], output.im[m])));
    }
    y
}

pub(super) fn work(blocks: &Blocks, (input, output): (&Factors, &Factors)) -> Work {
    let mut work = Work::default();
    (work.blocks, work.input, work.output) = (blocks.clone(), input.clone(), output.clone());
    work
}

fn vectors<T: Real>(count: usize, random: &mut Random) -> Vec<T> {
    (0..count).map(|_| T::from_f64(random.signed())).collect()
}

fn check<T: Real>(seed: u64, tolerance: f64) {
    let mut random = Random(seed);
    for (n, cells) in arrangements() {
        let mesh = Mesh::new(n, &cells).unwrap();
        for like in LIKES {
            let blocks = random_blocks(like, cells.len(), &mut random);
            let mut input = random_factors(n, &mut random);
            if let Some(first) = input.re.first_mut() {
                (*first, input.im[0]) = (0.0, 0.0);
            }
            let factors = (&input, &random_factors(n, &mut random));
            let rows = 1 + random.bits() as usize % 40;
            let x: Vec<T> = vectors(2 * rows * n, &mut random);
            let complex: Vec<C> = x.chunks_exact(2).map(|v| (v[0].to_f64(), v[1].to_f64())).collect();
            let expected = plain(&cells, &blocks, factors, &complex);
            for level in Level::available() {
                let what = format!("{n} modes, {} cells, {like:?}, {rows} rows, {level:?}", cells.len());
                let (mut loaded, mut tile) = (Loaded::<T>::default(), Buffer::default());
                loaded.load(level, &mesh, &mut work(&blocks, factors));
                let mut y = vec![T::ZERO; 2 * rows * n];
                loaded.apply(level, &mesh, Input::Complex(&x), (Part::Complex, &mut y), &mut tile);
                for (found, expected) in y.chunks_exact(2).zip(&expected) {
                    let (re, im) = (found[0].to_f64() - expected.0, found[1].to_f64() - expected.1);
                    assert!(re.abs().max(im.abs()) <= tolerance, "{what}: {found:?} {expected:?}");
                }
                parts(level, &mesh, &loaded, (&x, &y), &mut tile);
                matrix(level, &mesh, &loaded, tolerance, &mut tile, &what);
            }
        }
    }
}

/// The same bits for rows alone, for real input, and for one part.
fn parts<T: Real>(level: Level, mesh: &Mesh, loaded: &Loaded<T>, (x, y): (&[T], &[T]), tile: &mut Buffer<T>) {
    let n = mesh.modes();
    if n == 0 {
        return;
    }
    let middle = x.len() / (2 * n) / 3 * 2 * n;
    for range in [0..middle, middle..x.len(), 0..2 * n] {
        let mut some = vec![T::ZERO; range.len()];
        loaded.apply(level, mesh, Input::Complex(&x[range.clone()]), (Part::Complex, &mut some), tile);
        assert!(some == y[range], "the same bits");
    }
    let real: Vec<T> = x.iter().step_by(2).copied().collect();
    let complex: Vec<T> = real.iter().flat_map(|&re| [re, T::ZERO]).collect();
    let mut expected = vec![T::ZERO; x.len()];
    loaded.apply(level, mesh, Input::Complex(&complex), (Part::Complex, &mut expected), tile);
    let mut found = expected.clone();
    loaded.apply(level, mesh, Input::Real(&real), (Part::Complex, &mut found), tile);
    assert!(found == expected);
    for (k, part) in [Part::Re, Part::Im].into_iter().enumerate() {
        let mut found = vec![T::ONE; x.len() / 2];
        loaded.apply(level, mesh, Input::Real(&real), (part, &mut found), tile);
        assert!(found.iter().eq(expected[k..].iter().step_by(2)));
    }
}

/// The matrix against unit vectors.
fn matrix<T: Real>(level: Level, mesh: &Mesh, loaded: &Loaded<T>, tolerance: f64, tile: &mut Buffer<T>, what: &str) {
    let n = mesh.modes();
    let (mut re, mut im) = (vec![T::ONE; n * n], vec![T::ONE; n * n]);
    loaded.matrix(level, mesh, (&mut re, &mut im), tile);
    let identity: Vec<T> = (0..n * n).map(|k| if k / n == k % n { T::ONE } else { T::ZERO }).collect();
    let mut y = vec![T::ZERO; 2 * n * n];
    loaded.apply(level, mesh, Input::Real(&identity), (Part::Complex, &mut y), tile);
    for (k, found) in y.chunks_exact(2).enumerate() {
        let at = k % n * n + k / n;
        let (dre, dim) = (found[0].to_f64() - re[at].to_f64(), found[1].to_f64() - im[at].to_f64());
        assert!(dre.abs().max(dim.abs()) <= tolerance, "{what}: matrix {at}");
    }
}

#[test]
fn the_product_of_the_cells_f64() {
    check::<f64>(1, 1e-13);
}

#[test]
fn the_product_of_the_cells_f32() {
    check::<f32>(2, 1e-5);
}

/// Deep meshes, whose wires' factors run out of range.
#[test]
fn deep() {
    let (n, layers) = (10, 3000);
    let cells = clements(n, layers);
    let mesh = Mesh::new(n, &cells).unwrap();
    let mut random = Random(3);
    let blocks = random_blocks(Like::Unitary, cells.len(), &mut random);
    let ones = Factors::ones(n);
    let x: Vec<f64> = vectors(2 * n, &mut random);
    let complex: Vec<C> = x.chunks_exact(2).map(|v| (v[0], v[1])).collect();
    let expected = plain(&cells, &blocks, (&ones, &ones), &complex);
    for level in Level::available() {
        let mut loaded = Loaded::<f64>::default();
        loaded.load(level, &mesh, &mut work(&blocks, (&ones, &ones)));
        let scaled = loaded.steps.iter().filter(|s| s.scales.is_some()).count();
        assert!((1..30).contains(&scaled), "some are scaled, but few: {scaled}");
        assert!(loaded.steps.iter().all(|s| s.kind != load::Kind::Full), "none needs all of its matrices");
        let mut y = vec![0.0; 2 * n];
        loaded.apply(level, &mesh, Input::Complex(&x), (Part::Complex, &mut y), &mut Buffer::default());
        for (found, expected) in y.chunks_exact(2).zip(&expected) {
            assert!((found[0] - expected.0).abs().max((found[1] - expected.1).abs()) < 1e-12);
        }
    }
}

#[test]
fn what_is_refused() {
    assert_eq!(Mesh::new(3, &[(0, 1), (1, 3)]).unwrap_err(), Error::Cell { cell: 1, modes: (1, 3), n: 3 });
    assert!(Mesh::new(3, &[(2, 2)]).unwrap_err().to_string().contains("two different modes"));
    let nan = {
        let mut blocks = random_blocks(Like::Unitary, 3, &mut Random(1));
        blocks.re[2][1] = f64::NAN;
        blocks
    };
    let mesh = Mesh::new(3, &clements(3, 3)).unwrap();
    let ones = Factors::ones(3);
    let mut loaded = Loaded::<f64>::default();
    loaded.load(Level::best(), &mesh, &mut work(&nan, (&ones, &ones)));
    let mut y = [0.0; 6];
    loaded.apply(Level::best(), &mesh, Input::Real(&[1.0; 3]), (Part::Complex, &mut y), &mut Buffer::default());
    assert!(y.iter().any(|v| v.is_nan()), "no silent number: {y:?}");
}

/// Changes of single cells and outputs against the long way, however large they are.
fn check_changes<T: Real>(seed: u64, tolerance: f64) {
    let mut random = Random(seed);
    for (n, cells) in arrangements().into_iter().filter(|(n, _)| *n > 0) {
        let mesh = Mesh::new(n, &cells).unwrap();
        let blocks = random_blocks(Like::Lossy, cells.len(), &mut random);
        let (input, output) = (random_factors(n, &mut random), random_factors(n, &mut random));
        let rows = 1 + random.bits() as usize % 40;
        let x: Vec<T> = vectors(2 * rows * n, &mut random);
        let complex: Vec<C> = x.chunks_exact(2).map(|v| (v[0].to_f64(), v[1].to_f64())).collect();
        let cotangent: Vec<T> = vectors(2 * rows * n, &mut random);
        for level in Level::available() {
            let (mut fields, mut suffix) = (structured::Fields::<T>::default(), structured::Suffix::default());
            fields.load(level, &mesh, (&blocks, &input, &output), Input::Complex(&x));
            suffix.load(level, &mesh, &blocks, &output);
            let mut gradient = structured::Gradient::default();
            let given = (&mut gradient, &mut Buffer::default());
            fields.contract(level, &mesh, (&blocks, &output), &cotangent, given);
            let base = plain(&cells, &blocks, (&input, &output), &complex);
            let close = |found: &[T], expected: &[C]| {
                for (found, expected) in found.chunks_exact(2).zip(expected) {
                    let (re, im) = (found[0].to_f64() - expected.0, found[1].to_f64() - expected.1);
                    assert!(re.abs().max(im.abs()) <= tolerance, "{n} modes, {level:?}: {found:?} {expected:?}");
                }
            };
            close(fields.outputs(), &base);
            for probe in 0..6 {
                let (mut other, mut factors) = (blocks.clone(), output.clone());
                let change = if probe < 4 && !cells.is_empty() {
                    let cell = random.bits() as usize % cells.len();
                    other.set(cell, random_blocks(Like::Unitary, 1, &mut random).get(0));
                    structured::Change::Cell(cell, other.get(cell))
                } else {
                    let mode = random.bits() as usize % n;
                    (factors.re[mode], factors.im[mode]) = (random.signed(), random.signed());
                    structured::Change::Output(mode, (factors.re[mode], factors.im[mode]))
                };
                let expected = plain(&cells, &other, (&input, &factors), &complex);
                let mut y = Buffer::<T>::default();
                y.resize(2 * rows * n);
                let (given, y) = ((&suffix, &blocks, &output), y.as_mut_slice());
                let mut memory = structured::Probe::default();
                if probe % 3 == 0 {
                    // Another one of the same place before it.
                    let before = match change {
                        structured::Change::Cell(cell, _) => structured::Change::Cell(cell, [(0.3, -0.7); 4]),
                        structured::Change::Output(mode, _) => structured::Change::Output(mode, (0.3, -0.7)),
                    };
                    fields.changed(level, given, (&before, false), (&mut *y, false), &mut memory);
                }
                fields.changed(level, given, (&change, probe % 3 == 0), (&mut *y, probe % 2 == 0), &mut memory);
                close(y, &expected);
                let sum = |y: &[C]| -> f64 {
                    let pairs = y.iter().zip(cotangent.chunks_exact(2));
                    pairs.map(|(y, g)| y.0 * g[0].to_f64() + y.1 * g[1].to_f64()).sum()
                };
                let linear = |new: &[f64], old: &[f64], slope: &[f64]| -> f64 {
                    new.iter().zip(old).zip(slope).map(|((new, old), slope)| (new - old) * slope).sum()
                };
                let mut found = linear(&factors.re, &output.re, &gradient.output.re);
                found += linear(&factors.im, &output.im, &gradient.output.im);
                for k in 0..4 {
                    found += linear(&other.re[k], &blocks.re[k], &gradient.blocks.re[k]);
                    found += linear(&other.im[k], &blocks.im[k], &gradient.blocks.im[k]);
                }
                let expected = sum(&expected) - sum(&base);
                assert!((found - expected).abs() <= 100.0 * tolerance, "{n} {level:?}: {found} {expected}");
            }
        }
    }
}

#[test]
fn changes_f64() {
    check_changes::<f64>(11, 1e-12);
}

#[test]
fn changes_f32() {
    check_changes::<f32>(12, 2e-5);
}
