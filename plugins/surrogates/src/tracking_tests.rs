//! How well the surrogates follow a device over hundreds of updates, against figures measured independently.

use crate::{
    IPsi, Residual,
    linalg::{product, sum, transposed},
    low_rank::LowRank,
    test_host::{Host, make, matrix_of, normal, relative_error},
};
use blackbeam_plugin::{Key, Matrix, Surrogate, SurrogatePlugin};

const N: usize = 64;
const RANK: usize = 8;
const STEPS: u64 = 300;

/// What happens to the device of [`error_after`].
#[derive(Clone, Copy, Default)]
struct Case {
    /// Deviation of the noise relative to the rms output of a query.
    noise: f64,
    /// Size of an update of the matrix relative to itself.
    update: f64,
    /// Deviation of the relative change of each output's gain in a step.
    drift: f64,
    /// Size of the part of full rank.
    tail: f64,
}

/// |U S V^T - A|_F / |A|_F after 300 steps on a 64 x 64 map of rank 8 (and a tail), mean of 3 seeds.
fn error_after(plugin: &dyn SurrogatePlugin, samples: usize, case: Case) -> f64 {
    let seeds = 3;
    let one = |seed: u64| {
        let key = Key::new(31).with(seed);
        let scale = 1.0 / ((N * RANK) as f64).sqrt();
        let left = normal(key.named("left"), N, RANK, 1.0);
        let factor = |key: Key, size: f64| product(&left, &normal(key, RANK, N, size * scale));
        let tail = normal(key.named("tail"), N, N, case.tail / (N as f64).sqrt());
        let mut map = sum(&factor(key.named("right"), 1.0), 1.0, &tail);
        let mut gains = vec![1.0; N];
        let seen = |map: &Matrix, gains: &[f64]| {
            let mut out = map.clone();
            gains.iter().enumerate().for_each(|(i, g)| out.row_mut(i).iter_mut().for_each(|a| *a *= g));
            out
        };
        let mut host = Host::new(map.clone(), key);
        (host.noise, host.split) = (0.0, RANK);
        let settings = format!(r#"{{"rank": {RANK}, "samples": {samples}}}"#);
        let mut surrogate = make(plugin, &settings, &host.descriptor).unwrap();
        host.step(surrogate.as_mut(), 0, true);
        host.noise = case.noise;
        for step in 0..STEPS {
            let before = map.clone();
            map = sum(&map, 1.0, &factor(key.named("update").with(step), case.update));
            let drift = key.named("drift").with(step);
            gains.iter_mut().enumerate().for_each(|(i, g)| *g *= 1.0 + case.drift * drift.normal(i as u64));
            // drift is not undone by writing the old parameters again
            (host.old, host.new) = (seen(&before, &gains), seen(&map, &gains));
            host.step(surrogate.as_mut(), step, false);
        }
        relative_error(&matrix_of(&surrogate.factors()), &host.new)
    };
    (0..seeds).map(one).sum::<f64>() / seeds as f64
}

#[test]
fn i_psi_adds_up_noise_and_residual_forgets_it() {
    let frozen = Case { noise: 0.01, ..Case::default() };
    let drifting = Case { drift: 0.005, ..Case::default() };
    let moving = Case { noise: 0.01, update: 0.01, ..Case::default() };
    let everything = Case { drift: 0.005, tail: 0.1, ..moving };
    for (samples, case, i_psi, residual) in [
        (16, frozen, 0.287, 0.006),
        (16, drifting, 0.091, 0.005),
        (16, moving, 0.438, 0.021),
        (16, everything, 0.447, 0.089),
    ] {
        let found = (error_after(&IPsi, samples, case), error_after(&Residual, samples, case));
        assert!((found.0 / i_psi - 1.0).abs() < 0.1, "i_psi: {}, expected {i_psi}", found.0);
        assert!((found.1 - residual).abs() < 0.002, "residual: {}, expected {residual}", found.1);
    }
}

#[test]
fn more_probes_help_i_psi_little() {
    let found = error_after(&IPsi, 256, Case { noise: 0.01, ..Case::default() });
    assert!((found / 0.236 - 1.0).abs() < 0.1, "{found}");
}

/// The whole of an update against the equations as they stand in the paper.
#[test]
fn i_psi_is_the_papers() {
    let (d_out, d_in, rank, samples) = (9, 12, 3, 5);
    let mut host = Host::new(normal(Key::new(1), d_out, d_in, 1.0), Key::new(2));
    let mut surrogate = make(&IPsi, r#"{"rank": 3, "samples": 5}"#, &host.descriptor).unwrap();
    host.step(surrogate.as_mut(), 0, true);
    let map = LowRank::of_responses(&transposed(&host.new), rank).unwrap();
    let change = normal(Key::new(3), d_out, d_in, 0.2);
    host.update(sum(&host.new, 1.0, &change));
    host.step(surrogate.as_mut(), 0, false);
    let z = normal(host.context(0, false).key.named("probes"), samples, d_in, 1.0);
    let expected = map
        .split_step(&product(&change, &map.factors.v), |u1| {
            let mut p2 = Matrix::zeros(d_in, rank);
            for m in 0..samples {
                let row = Matrix::new(1, d_in, z.row(m).to_vec());
                let answer = product(&product(&row, &transposed(&change)), u1);
                p2 = sum(&p2, 1.0 / samples as f64, &product(&transposed(&row), &answer));
            }
            p2
        })
        .unwrap();
    assert!(relative_error(&matrix_of(&surrogate.factors()), &matrix_of(&expected.factors)) < 1e-12);
}

#[test]
fn i_psi_of_full_column_rank_follows_exactly() {
    let mut host = Host::new(normal(Key::new(4), 20, 12, 1.0), Key::new(5));
    let mut surrogate: Box<dyn Surrogate> = make(&IPsi, r#"{"rank": 12}"#, &host.descriptor).unwrap();
    host.step(surrogate.as_mut(), 0, true);
    for step in 0..20 {
        host.update(sum(&host.new, 1.0, &normal(Key::new(6).with(step), 20, 12, 0.1)));
        host.step(surrogate.as_mut(), step, false);
        assert!(relative_error(&matrix_of(&surrogate.factors()), &host.new) < 1e-13);
    }
}

#[test]
fn residual_converges_without_help_from_the_past() {
    let key = Key::new(7);
    let a = product(&normal(key.with(0), 10, 3, 1.0), &normal(key.with(1), 3, 14, 1.0));
    let mut host = Host::new(normal(key.with(2), 10, 14, 1.0), key);
    let mut surrogate = make(&Residual, r#"{"rank": 3, "samples": 6}"#, &host.descriptor).unwrap();
    host.step(surrogate.as_mut(), 0, true);
    host.update(a);
    for step in 0..400 {
        host.step(surrogate.as_mut(), step, false);
    }
    assert!(relative_error(&matrix_of(&surrogate.factors()), &host.new) < 1e-9);
}
