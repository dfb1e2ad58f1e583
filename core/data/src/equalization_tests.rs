use super::*;
use crate::{Dataset, Limits, Normalise, Part, Set, load};

const SMALL: Equalization = Equalization { size: 5, singular_values: [2.0, 6.0] };

fn numbers(split: &Split) -> (&[f64], &[f64]) {
    match (&split.samples, &split.labels) {
        (Samples::Numbers(x), Labels::Numbers(y)) => (x, y),
        _ => panic!("no numbers"),
    }
}

fn drawn(task: Equalization, train: usize, test: usize, seed: u64) -> Dataset {
    let limits = Limits { train: Some(train), test: Some(test) };
    load(Set::Equalization(task), None, limits, Normalise::default(), seed).unwrap()
}

/// Singular values in ascending order, by one-sided Jacobi: columns are turned until all are orthogonal.
fn singular_values(w: &[Complex], n: usize) -> Vec<f64> {
    let mut columns: Vec<Vec<Complex>> = (0..n).map(|j| (0..n).map(|i| w[i * n + j]).collect()).collect();
    let dot = |a: &[Complex], b: &[Complex]| {
        a.iter()
            .zip(b)
            .fold([0.0; 2], |sum, (a, b)| [sum[0] + a[0] * b[0] + a[1] * b[1], sum[1] + a[0] * b[1] - a[1] * b[0]])
    };
    for _ in 0..30 {
        for p in 0..n {
            for q in p + 1..n {
                let g = dot(&columns[p], &columns[q]);
                let size = g[0].hypot(g[1]);
                if size < 1e-300 {
                    continue;
                }
                let zeta = (dot(&columns[q], &columns[q])[0] - dot(&columns[p], &columns[p])[0]) / (2.0 * size);
                let t = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
                let (c, s) = (1.0 / t.hypot(1.0), t / t.hypot(1.0));
                let (re, im) = (g[0] / size, g[1] / size);
                let (before, behind) = columns.split_at_mut(q);
                for (x, y) in before[p].iter_mut().zip(&mut behind[0]) {
                    // y without the phase of the product
                    let (a, b) = (*x, [y[0] * re + y[1] * im, y[1] * re - y[0] * im]);
                    *x = [c * a[0] - s * b[0], c * a[1] - s * b[1]];
                    *y = [s * a[0] + c * b[0], s * a[1] + c * b[1]];
                }
            }
        }
    }
    let mut values: Vec<f64> = columns.iter().map(|c| dot(c, c)[0].sqrt()).collect();
    values.sort_by(f64::total_cmp);
    values
}

#[test]
fn inputs_are_circular_with_unit_mean_square() {
    let data = drawn(Equalization::default(), 4000, 1, 3);
    let (x, _) = numbers(&data.train);
    assert_eq!(x.len(), 4000 * 32);
    let mean = |f: &dyn Fn(f64, f64) -> f64| x.chunks_exact(2).map(|x| f(x[0], x[1])).sum::<f64>() / 64_000.0;
    // deviations of these means: .004, .003, .003, .002, .002
    for (found, expected) in [
        (mean(&|re, im| re * re + im * im), 1.0),
        (mean(&|re, _| re), 0.0),
        (mean(&|_, im| im), 0.0),
        (mean(&|re, im| re * im), 0.0),
        (mean(&|re, _| re * re), 0.5),
    ] {
        assert!((found - expected).abs() < 0.015, "{found} {expected}");
    }
}

#[test]
fn the_matrix_has_the_drawn_singular_values() {
    for (task, seed) in [(Equalization::default(), 0), (SMALL, 1), (Equalization { size: 1, ..SMALL }, 2)] {
        let n = task.size;
        let found = singular_values(&task.matrix(seed), n);
        let key = Key::new(seed).named("equalization").named("matrix").named("singular values");
        let mut drawn: Vec<f64> = (0..n as u64).map(|i| 2.0 + 4.0 * key.uniform(i)).collect();
        drawn.sort_by(f64::total_cmp);
        assert!(found.iter().zip(&drawn).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?} {drawn:?}");
    }
    // A range without a width: W is so many times a unitary matrix.
    let task = Equalization { size: 6, singular_values: [3.0, 3.0] };
    assert!(singular_values(&task.matrix(9), 6).iter().all(|s| (s - 3.0).abs() < 1e-12));
}

/// Of a matrix from the Haar measure: E |u|^2 = 1/n, E |u|^4 = 2/(n (n + 1)), E u = E u^2 = 0.
#[test]
fn its_singular_vectors_are_uniform() {
    let (n, draws) = (3, 4000);
    let mut sums = [0.0; 6];
    for seed in 0..draws {
        let u = unitary(Key::new(seed), n);
        for (a, b) in [(0, 0), (0, 1), (1, 2)] {
            let product = (0..n).fold([0.0; 2], |sum, j| add_conjugate_product(sum, u[a * n + j], u[b * n + j]));
            let expected = f64::from(a == b);
            assert!((product[0] - expected).abs() < 1e-14 && product[1].abs() < 1e-14, "{product:?}");
        }
        // an entry of the last row, which all others were taken from
        let [re, im] = u[2 * n + 1];
        let square = re * re + im * im;
        for (sum, value) in sums.iter_mut().zip([re, im, re * re - im * im, 2.0 * re * im, square, square * square]) {
            *sum += value / draws as f64;
        }
    }
    for (found, expected) in sums.iter().zip([0.0, 0.0, 0.0, 0.0, 1.0 / 3.0, 1.0 / 6.0]) {
        assert!((found - expected).abs() < 0.025, "{sums:?}");
    }
}

#[test]
fn targets_are_the_magnitudes_of_w_x() {
    let data = drawn(SMALL, 50, 20, 4);
    let w = SMALL.matrix(4);
    for part in [&data.train, &data.test] {
        let (x, y) = numbers(part);
        for (x, y) in x.chunks_exact(10).zip(y.chunks_exact(5)) {
            for (i, y) in y.iter().enumerate() {
                let re: f64 = (0..5).map(|j| w[i * 5 + j][0] * x[2 * j] - w[i * 5 + j][1] * x[2 * j + 1]).sum();
                let im: f64 = (0..5).map(|j| w[i * 5 + j][0] * x[2 * j + 1] + w[i * 5 + j][1] * x[2 * j]).sum();
                assert!((re.hypot(im) - y).abs() < 1e-13, "{y}");
            }
        }
    }
    let (mut x, mut y) = (vec![0.0f32; 20], vec![0.0f32; 10]);
    data.batch(Part::Test, &[7, 3], &mut x);
    data.numbers(Part::Test, &[7, 3], &mut y);
    let (all_x, all_y) = numbers(&data.test);
    assert!(x[..10].iter().zip(&all_x[70..]).all(|(a, b)| *a == *b as f32));
    assert!(y[5..].iter().zip(&all_y[15..]).all(|(a, b)| *a == *b as f32));
}

#[test]
fn a_sample_depends_on_seed_part_and_index_only() {
    let (train, test) = SMALL.generate(3, 40, 20);
    let (longer, same) = SMALL.generate(3, 60, 20);
    let ((x, y), (longer_x, longer_y)) = (numbers(&train), numbers(&longer));
    assert_eq!((&longer_x[..x.len()], &longer_y[..y.len()]), (x, y));
    assert_eq!(same, test);
    assert_ne!(numbers(&test).0, &x[..20 * 10]);
    assert_ne!(SMALL.generate(4, 40, 20).0, train);
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(alone.install(|| SMALL.generate(3, 40, 20)), (train, test));
    // W is the same for all of that, and another for another seed.
    assert_ne!(SMALL.matrix(3), SMALL.matrix(4));
    assert_eq!(drawn(SMALL, 40, 20, 3).train, SMALL.generate(3, 40, 20).0);
}

#[test]
fn the_numbers_of_a_seed_never_change() {
    use sha2::{Digest, Sha256};
    let (train, test) = Equalization::default().generate(7, 30, 10);
    let mut hasher = Sha256::new();
    for part in [&train, &test] {
        let (x, y) = numbers(part);
        x.iter().chain(y).for_each(|v| hasher.update(v.to_le_bytes()));
    }
    let hash: String = hasher.finalize().iter().take(8).map(|b| format!("{b:02x}")).collect();
    assert_eq!(hash, "5cc9be317c67f672");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    for (size, singular_values, words) in [
        (0, [2.0, 6.0], "size 0, expected 1 to 256"),
        (257, [2.0, 6.0], "size 257"),
        (4, [6.0, 2.0], "from 6 to 2"),
        (4, [-1.0, 2.0], "from -1 to 2"),
        (4, [0.0, 0.0], "from 0 to 0"),
        (4, [1.0, f64::NAN], "NaN"),
    ] {
        let set = Set::Equalization(Equalization { size, singular_values });
        let error = load(set, None, Limits::default(), Normalise::default(), 0).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("equalization"), "{error}");
    }
}
