use super::*;
use crate::testing::Random;

fn all_lanes() -> impl Iterator<Item = Lanes> {
    Level::available().flat_map(|level| {
        let wide = Lanes::wide(level);
        std::iter::once(wide).chain(wide.half())
    })
}

fn numbers<T: Real>(random: &mut Random, count: usize) -> Vec<T> {
    (0..count).map(|_| T::from_f64(random.signed())).collect()
}

fn agrees<T: Real + Tolerance>(taps: usize, columns: usize, outputs: usize, pooled: bool, start: Start) {
    let random = &mut Random((taps + 100 * columns + 10_000 * outputs) as u64);
    let mut number = |most: usize| (random.uniform() * most as f64) as usize;
    let taps: Vec<usize> = (0..taps).map(|_| number(30)).collect();
    let window = if pooled { 4 } else { 1 };
    let columns: Vec<_> = (0..columns * window).map(|column| (number(20), column / window)).collect();
    let step = columns.len() / window + 1;
    let mut shape = Contraction::new(taps.clone(), columns.clone(), outputs, step).relu();
    if pooled {
        shape = shape.pooled();
    }
    let weights: Vec<T> = numbers(random, shape.weights());
    for lanes in all_lanes() {
        let count = lanes.count::<T>();
        let (x, before): (Vec<T>, Vec<T>) = (numbers(random, 50 * count), numbers(random, outputs * step * count));
        let mut y = before.clone();
        shape.apply(lanes, &weights, &x, start, &mut y);
        for (o, lane) in (0..outputs).flat_map(|o| (0..count).map(move |lane| (o, lane))) {
            for pixels in columns.chunks(window) {
                let place = (pixels[0].1 + o * step) * count + lane;
                let sum = |column: usize| -> f64 {
                    let from = match start {
                        Start::Bias => weights[shape.at(o, None)],
                        Start::Y => before[place],
                    };
                    let product = |(t, tap): (usize, &usize)| {
                        weights[shape.at(o, Some(t))].to_f64() * x[(column + tap) * count + lane].to_f64()
                    };
                    from.to_f64() + taps.iter().enumerate().map(product).sum::<f64>()
                };
                let expected = pixels.iter().map(|pixel| sum(pixel.0)).fold(0.0, f64::max);
                let error = (y[place].to_f64() - expected).abs();
                assert!(error < T::tolerance(), "{o} {pixels:?} {lanes:?}: {:?} is not {expected}", y[place]);
            }
            assert_eq!(
                y[((o + 1) * step - 1) * count + lane],
                before[((o + 1) * step - 1) * count + lane],
                "no column's"
            );
        }
    }
}

trait Tolerance {
    fn tolerance() -> f64;
}

impl Tolerance for f32 {
    fn tolerance() -> f64 {
        1e-5
    }
}

impl Tolerance for f64 {
    fn tolerance() -> f64 {
        1e-13
    }
}

#[test]
fn contractions_are_sums() {
    for outputs in 1..20 {
        for columns in [1, 2, 3, 4, 5, 7, 11, 24, 31] {
            for pooled in [false, true] {
                agrees::<f64>(1 + outputs * columns % 9, columns, outputs, pooled, Start::Bias);
                agrees::<f32>(1 + outputs * columns % 9, columns, outputs, pooled, Start::Bias);
            }
        }
        agrees::<f64>(9, outputs, outputs, false, Start::Y);
    }
}

#[test]
fn every_weight_has_its_place() {
    for (taps, outputs) in [(1, 1), (3, 8), (4, 9), (2, 30)] {
        let shape = Contraction::new((0..taps).collect(), vec![(0, 0)], outputs, 1);
        let all = (0..outputs).flat_map(|o| (0..=taps).map(move |t| (o, t.checked_sub(1))));
        let mut places: Vec<_> = all.map(|(o, t)| shape.at(o, t)).collect();
        places.sort_unstable();
        assert_eq!(places, (0..shape.weights()).collect::<Vec<_>>());
    }
}

fn rows_come_back<T: Real>() {
    let random = &mut Random(5);
    for level in Level::available() {
        let mut packed = Packed::<T>::default();
        for (rows, inputs) in [(1, 3), (35, 7), (16, 1), (4, 5), (0, 2), (100, 2), (21, 50), (3, 33)] {
            let x: Vec<T> = numbers(random, rows * inputs);
            packed.set(level, &x, inputs);
            assert_eq!((packed.rows(), packed.inputs()), (rows, inputs));
            let mut y = Vec::new();
            for tile in 0..packed.tiles() {
                let (lanes, own, values) = packed.tile(tile);
                assert!(own.clone().all(|row| packed.tile_of(row) == tile));
                let mut part = vec![T::ZERO; own.len() * inputs];
                unpack(lanes, values, 0..own.len(), &mut part);
                y.extend(part);
            }
            assert_eq!(y, x);
        }
    }
}

#[test]
fn packing_and_unpacking() {
    rows_come_back::<f32>();
    rows_come_back::<f64>();
}
