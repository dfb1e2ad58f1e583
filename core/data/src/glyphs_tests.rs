use super::*;
use sha2::{Digest, Sha256};

fn pixels(split: &Split) -> &[u8] {
    let Samples::Pixels(pixels) = &split.samples else { panic!("no images") };
    pixels
}

fn classes(split: &Split) -> &[u8] {
    let Labels::Classes(classes) = &split.labels else { panic!("no classes") };
    classes
}

fn hash(split: &Split) -> String {
    let mut hasher = Sha256::new();
    hasher.update(classes(split));
    hasher.update(pixels(split));
    hasher.finalize().iter().take(8).map(|b| format!("{b:02x}")).collect()
}

#[test]
fn the_pixels_of_a_seed_never_change() {
    let (train, test) = generate(7, 300, 100);
    assert_eq!((hash(&train), hash(&test)), ("5048f36c5029ebcf".to_owned(), "ec893e02f8a3b14c".to_owned()));
}

#[test]
fn a_sample_depends_on_seed_part_and_index_only() {
    let (train, test) = generate(3, 40, 20);
    let (longer, same) = generate(3, 60, 20);
    assert_eq!(pixels(&longer)[..pixels(&train).len()], *pixels(&train));
    assert_eq!(test, same);
    assert_ne!(pixels(&train)[..pixels(&test).len()], *pixels(&test));
    assert_ne!(generate(4, 40, 20).0, train);
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(alone.install(|| generate(3, 40, 20)), (train, test));
}

#[test]
fn every_class_comes_about_equally_often() {
    let (train, _) = generate(1, 5000, 0);
    let mut counts = [0u32; 10];
    classes(&train).iter().for_each(|&l| counts[usize::from(l)] += 1);
    // 500 expected, deviation 21
    assert!(counts.iter().all(|c| (400..600).contains(c)), "{counts:?}");
}

#[test]
fn the_noise_has_unit_variance() {
    let z: Vec<f64> = (0..100_000).map(|i| nearly_normal(Key::new(2).word(i))).collect();
    let mean = z.iter().sum::<f64>() / z.len() as f64;
    let variance = z.iter().map(|z| z * z).sum::<f64>() / z.len() as f64;
    assert!(mean.abs() < 0.016 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
}

/// A network 784 - hidden - 10 with ReLU, or 784 - 10 with `hidden` 0, trained by plain gradient descent with
/// momentum; returns the accuracy on the test samples.
fn accuracy(hidden: usize, epochs: u64) -> f64 {
    use crate::{Limits, Normalise, Part, Set, load, permutation};
    let data = load(Set::Glyphs, None, Limits { train: Some(6000), test: Some(1000) }, Normalise::Standard, 1).unwrap();
    let n_in = data.width();
    let widths: Vec<usize> = if hidden == 0 { vec![n_in, 10] } else { vec![n_in, hidden, 10] };
    let mut layers: Vec<Vec<f32>> = Vec::new();
    for (l, w) in widths.windows(2).enumerate() {
        let key = Key::new(5).with(l as u64);
        let scale = 1.0 / (w[0] as f64).sqrt();
        layers.push((0..w[1] * (w[0] + 1)).map(|i| (scale * key.normal(i as u64)) as f32).collect());
    }
    let mut momenta: Vec<Vec<f32>> = layers.iter().map(|l| vec![0.0; l.len()]).collect();
    let forward = |layers: &[Vec<f32>], x: &[f32]| {
        let mut values = vec![x.to_vec()];
        for (l, weights) in layers.iter().enumerate() {
            let x = &values[l];
            let last = l + 1 == layers.len();
            let y = weights.chunks_exact(x.len() + 1).map(|row| {
                let (bias, row) = row.split_last().unwrap();
                let sum = bias + row.iter().zip(x).map(|(w, x)| w * x).sum::<f32>();
                if last { sum } else { sum.max(0.0) }
            });
            values.push(y.collect());
        }
        values
    };
    let mut x = vec![0f32; n_in];
    let batch = 32;
    for epoch in 0..epochs {
        let rate = 0.01 * (1.0 - epoch as f32 / epochs as f32);
        for indices in permutation(Key::new(8).with(epoch), data.train.len()).chunks(batch) {
            let mut gradients: Vec<Vec<f32>> = layers.iter().map(|l| vec![0.0; l.len()]).collect();
            for &i in indices {
                data.batch(Part::Train, &[i], &mut x);
                let values = forward(&layers, &x);
                let logits = values.last().unwrap();
                let top = logits.iter().fold(f32::MIN, |a, &b| a.max(b));
                let exp: Vec<f32> = logits.iter().map(|z| (z - top).exp()).collect();
                let sum: f32 = exp.iter().sum();
                let mut g: Vec<f32> = exp.iter().map(|e| e / sum / batch as f32).collect();
                g[usize::from(classes(&data.train)[i])] -= 1.0 / batch as f32;
                for l in (0..layers.len()).rev() {
                    let x = &values[l];
                    let mut before = vec![0.0; x.len()];
                    for (o, g) in g.iter().enumerate().filter(|(_, g)| **g != 0.0) {
                        let at = o * (x.len() + 1);
                        let row = &mut gradients[l][at..=at + x.len()];
                        row.iter_mut().zip(x).for_each(|(r, x)| *r += g * x);
                        row[x.len()] += g;
                        if l > 0 {
                            before.iter_mut().zip(&layers[l][at..]).for_each(|(b, w)| *b += g * w);
                        }
                    }
                    before.iter_mut().zip(x).for_each(|(b, x)| *b *= f32::from(*x > 0.0));
                    g = before;
                }
            }
            for ((layer, momentum), gradient) in layers.iter_mut().zip(&mut momenta).zip(&gradients) {
                for ((w, m), g) in layer.iter_mut().zip(momentum).zip(gradient) {
                    *m = 0.9 * *m + g;
                    *w -= rate * *m;
                }
            }
        }
    }
    let right = (0..data.test.len()).filter(|&i| {
        data.batch(Part::Test, &[i], &mut x);
        let values = forward(&layers, &x);
        let logits = values.last().unwrap();
        let best = (0..10).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
        best == usize::from(classes(&data.test)[i])
    });
    right.count() as f64 / data.test.len() as f64
}

#[test]
fn there_is_something_to_learn_beyond_a_linear_map() {
    let linear = accuracy(0, 10);
    let mlp = accuracy(64, 10);
    eprintln!("linear {linear}, with 64 hidden units {mlp}");
    assert!((0.8..0.93).contains(&linear), "{linear}");
    assert!(mlp > 0.94 && mlp > linear + 0.04, "{mlp} against {linear}");
}
