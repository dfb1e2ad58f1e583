use super::*;
use crate::{Limits, Normalise, Part, Set, Target, load};

const SMALL: CopyingMemory = CopyingMemory { symbols: 8, length: 5, delay: 10 };

fn classes(split: &Split) -> (&[u8], &[u8]) {
    match (&split.samples, &split.labels) {
        (Samples::OneHot { symbols, .. }, Labels::Classes(classes)) => (symbols, classes),
        _ => panic!("no classes"),
    }
}

/// As in the papers: `-` is blank, `:` is start.
fn text(classes: &[u8]) -> String {
    classes.iter().map(|&c| if c == 0 { '-' } else { (b'0' + c) as char }).collect::<String>().replace('9', ":")
}

#[test]
fn the_layout_by_hand() {
    let (train, _) = SMALL.generate(1, 3, 0);
    let (inputs, targets) = classes(&train);
    for (input, target) in inputs.chunks_exact(20).zip(targets.chunks_exact(20)) {
        let (input, target) = (text(input), text(target));
        let data = &input[..5];
        assert!(data.bytes().all(|c| (b'1'..=b'8').contains(&c)), "{input}");
        assert_eq!(input, format!("{data}----------:----"));
        assert_eq!(target, format!("---------------{data}"));
    }
}

#[test]
fn the_symbols_of_a_seed_never_change() {
    let (train, test) = SMALL.generate(7, 2, 1);
    let found = [&train, &test].map(|part| text(classes(part).0));
    assert_eq!(found, ["32327----------:----35145----------:----", "21357----------:----"]);
}

#[test]
fn the_papers_lengths_and_one_hot_inputs() {
    let set = Set::CopyingMemory(CopyingMemory::default());
    assert_eq!(set.shape(), [120, 10]);
    assert_eq!(set.target(), Target::ClassPerPosition { positions: 120, classes: 10 });
    assert_eq!(set.default_samples(), Some((60_000, 10_000)));
    let data = load(set, None, Limits { train: Some(30), test: Some(4) }, Normalise::default(), 5).unwrap();
    let (inputs, targets) = classes(&data.train);
    assert_eq!(inputs.iter().filter(|&&c| c == 9).count(), 30);
    assert!(inputs.chunks_exact(120).all(|input| input[110] == 9));
    assert!(
        targets.chunks_exact(120).all(|target| target[..110].iter().all(|&c| c == 0) && !target[110..].contains(&0))
    );
    let chosen = [29, 2];
    let (mut x, mut y) = (vec![7.0f32; 2 * 1200], vec![0; 240]);
    data.batch(Part::Train, &chosen, &mut x);
    data.classes(Part::Train, &chosen, &mut y);
    for (k, &index) in chosen.iter().enumerate() {
        for position in 0..120 {
            let one_hot = &x[k * 1200 + position * 10..][..10];
            let class = usize::from(inputs[index * 120 + position]);
            assert!(one_hot.iter().enumerate().all(|(c, v)| *v == f32::from(u8::from(c == class))), "{one_hot:?}");
            assert_eq!(y[k * 120 + position], u32::from(targets[index * 120 + position]));
        }
    }
}

#[test]
fn symbols_are_uniform_and_independent() {
    let (train, _) = SMALL.generate(2, 4000, 0);
    let (inputs, _) = classes(&train);
    let mut pairs = [0u32; 64];
    for input in inputs.chunks_exact(20) {
        pairs[usize::from(input[0] - 1) * 8 + usize::from(input[4] - 1)] += 1;
    }
    // chi squared with 63 degrees of freedom: 103.4 is its 99.9 % point
    let chi2: f64 = pairs.iter().map(|&n| (f64::from(n) - 62.5).powi(2) / 62.5).sum();
    assert!(chi2 < 103.4, "{chi2}");
}

#[test]
fn a_sample_depends_on_seed_part_and_index_only() {
    let (train, test) = SMALL.generate(3, 40, 20);
    let (longer, same) = SMALL.generate(3, 60, 20);
    assert_eq!(&classes(&longer).0[..40 * 20], classes(&train).0);
    assert_eq!(same, test);
    assert_ne!(classes(&test).0, &classes(&train).0[..20 * 20]);
    assert_ne!(SMALL.generate(4, 40, 20).0, train);
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(alone.install(|| SMALL.generate(3, 40, 20)), (train, test));
}

#[test]
fn the_start_may_follow_at_once_and_settings_are_checked() {
    let task = CopyingMemory { symbols: 2, length: 1, delay: 0 };
    let (train, _) = task.generate(0, 1, 0);
    let (input, target) = classes(&train);
    assert_eq!((input[1], target), (3, &[0, input[0]][..]));
    for (task, words) in [
        (CopyingMemory { symbols: 255, ..SMALL }, "`symbols` is 255, expected 1 to 254"),
        (CopyingMemory { length: 0, ..SMALL }, "`length` is 0, expected 1 to 10000"),
        (CopyingMemory { delay: 100_001, ..SMALL }, "`delay` is 100001"),
    ] {
        let error = load(Set::CopyingMemory(task), None, Limits::default(), Normalise::default(), 0).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}
