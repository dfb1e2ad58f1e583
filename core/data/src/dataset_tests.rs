use super::*;
use crate::{Augment, permutation};
use blackbeam_plugin::Key;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

const IDX_FILES: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];
const CIFAR_FILES: [&str; 6] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
    "test_batch.bin",
];

fn pixels(split: &Split) -> &[u8] {
    let Samples::Pixels(pixels) = &split.samples else { panic!("no images") };
    pixels
}

fn classes(split: &Split) -> &[u8] {
    let Labels::Classes(classes) = &split.labels else { panic!("no classes") };
    classes
}

fn idx(magic: u32, axes: &[u32], data: &[u8]) -> Vec<u8> {
    let numbers = std::iter::once(&magic).chain(axes).flat_map(|n| n.to_be_bytes());
    numbers.chain(data.iter().copied()).collect()
}

/// Six training and three test images, pixel p of image i being i + p mod 251.
fn idx_folder() -> (TempDir, PathBuf) {
    let root = TempDir::new().unwrap();
    let folder = root.path().join("mnist");
    fs::create_dir(&folder).unwrap();
    for (files, n) in [(&IDX_FILES[..2], 6u32), (&IDX_FILES[2..], 3)] {
        let pixels: Vec<u8> = (0..n).flat_map(|i| (0..784).map(move |p| ((i + p) % 251) as u8)).collect();
        let labels: Vec<u8> = (0..n as u8).map(|i| (i * 3) % 10).collect();
        fs::write(folder.join(files[0]), idx(0x803, &[n, 28, 28], &pixels)).unwrap();
        fs::write(folder.join(files[1]), idx(0x801, &[n], &labels)).unwrap();
    }
    (root, folder)
}

fn cifar_folder() -> (TempDir, PathBuf) {
    let root = TempDir::new().unwrap();
    let folder = root.path().join("cifar-10-batches-bin");
    fs::create_dir(&folder).unwrap();
    for (k, name) in CIFAR_FILES.iter().enumerate() {
        let record = |i: usize| std::iter::once((k + i) as u8).chain((0..3072).map(move |p| (p / 1024 * 50 + i) as u8));
        fs::write(folder.join(name), (0..2).flat_map(record).collect::<Vec<u8>>()).unwrap();
    }
    (root, folder)
}

fn open(set: Set, root: &Path) -> Result<Dataset> {
    load(set, Some(root), Limits::default(), Normalise::Unit, 0)
}

/// The error after `spoil` has changed the bytes of a file.
fn error(set: Set, (root, folder): &(TempDir, PathBuf), file: &str, spoil: impl FnOnce(&mut Vec<u8>)) -> String {
    let path = folder.join(file);
    let good = fs::read(&path).unwrap();
    let mut bytes = good.clone();
    spoil(&mut bytes);
    fs::write(&path, bytes).unwrap();
    let message = open(set, root.path()).unwrap_err().to_string();
    fs::write(&path, good).unwrap();
    assert!(message.contains(file), "{message}");
    message
}

#[test]
fn idx_files_are_read_plain_and_packed_alike() {
    let (root, folder) = idx_folder();
    let plain = open(Set::Mnist, root.path()).unwrap();
    assert_eq!((plain.train.len(), plain.test.len()), (6, 3));
    assert_eq!(classes(&plain.train), [0, 3, 6, 9, 2, 5]);
    assert_eq!(pixels(&plain.train)[2 * 784 + 5], 7);
    assert_eq!(plain.files.len(), 4);
    assert_eq!(plain.files[3].name, "mnist/t10k-labels-idx1-ubyte");
    // made with sha256sum from the eleven bytes of that file
    assert_eq!(plain.files[3].sha256, "a6c59000e3722406d671650fec9bf784d65c370ff8dcbf98e0e4a2c921199992");
    for name in IDX_FILES {
        let bytes = fs::read(folder.join(name)).unwrap();
        fs::remove_file(folder.join(name)).unwrap();
        let file = fs::File::create(folder.join(format!("{name}.gz"))).unwrap();
        let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        packed.write_all(&bytes).unwrap();
        packed.finish().unwrap();
    }
    let packed = open(Set::Mnist, root.path()).unwrap();
    assert_eq!((&packed.train, &packed.test), (&plain.train, &plain.test));
    assert_ne!(packed.files, plain.files, "hashes are those of the files as they lie there");
}

#[test]
fn each_corruption_of_an_idx_file_has_its_error() {
    let folder = idx_folder();
    let error = |file, spoil: &dyn Fn(&mut Vec<u8>)| error(Set::Mnist, &folder, file, spoil);
    let images = IDX_FILES[0];
    let labels = IDX_FILES[1];
    for (message, words) in [
        (error(images, &|b| b[3] = 1), "begins with 0x00000801, expected 0x00000803"),
        (error(images, &|b| b.truncate(10)), "cut off after 10 bytes of a header of 16"),
        (error(images, &|b| b.clear()), "cut off after 0 bytes"),
        (error(images, &|b| b.truncate(4000)), "it is cut off: 6 images take 4720 bytes, it has 4000"),
        (error(images, &|b| b.push(0)), "something follows the data: 6 images take 4720 bytes, it has 4721"),
        (error(images, &|b| b[4] = 255), "it is cut off"),
        (error(images, &|b| b[11] = 29), "axis 1 of its images has length 29, expected 28"),
        (error(labels, &|b| b[10] = 10), "label 2 is 10, expected 0 to 9"),
        (error(labels, &|b| (b[7], _) = (5, b.pop())), "5 labels for 6 images"),
    ] {
        assert!(message.contains(words), "{message}");
    }
    let packed = folder.1.join(format!("{images}.gz"));
    fs::rename(folder.1.join(images), &packed).unwrap();
    let message = open(Set::Mnist, folder.0.path()).unwrap_err().to_string();
    assert!(message.contains("cannot be unpacked by gzip"), "{message}");
}

#[test]
fn a_missing_file_is_named_with_the_variable_and_its_home() {
    let (root, folder) = idx_folder();
    fs::remove_file(folder.join(IDX_FILES[2])).unwrap();
    let message = open(Set::Mnist, root.path()).unwrap_err().to_string();
    for words in ["t10k-images-idx3-ubyte or t10k-images-idx3-ubyte.gz", "BLACKBEAM_DATA", "mnist/", "https://"] {
        assert!(message.contains(words), "{message}");
    }
    for (set, words) in [
        (Set::FashionMnist, "github.com/zalandoresearch/fashion-mnist"),
        (Set::Cifar10, "cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"),
    ] {
        assert!(open(set, root.path()).unwrap_err().to_string().contains(words));
        let message = load(set, None, Limits::default(), Normalise::Unit, 0).unwrap_err().to_string();
        assert!(message.contains("BLACKBEAM_DATA is not set") && message.contains(words), "{message}");
    }
}

#[test]
fn cifar_batches_follow_each_other_and_each_corruption_has_its_error() {
    let folder = cifar_folder();
    let data = open(Set::Cifar10, folder.0.path()).unwrap();
    assert_eq!(classes(&data.train), [0, 1, 1, 2, 2, 3, 3, 4, 4, 5]);
    assert_eq!(classes(&data.test), [5, 6]);
    assert_eq!(pixels(&data.train)[3072 + 1024], 51);
    assert_eq!(data.files.len(), 6);
    let error = |file, spoil: &dyn Fn(&mut Vec<u8>)| error(Set::Cifar10, &folder, file, spoil);
    for (message, words) in [
        (error("data_batch_3.bin", &|b| b.truncate(6000)), "6000 bytes, expected a multiple of 3073"),
        (error("test_batch.bin", &|b| b.push(1)), "6147 bytes"),
        (error("data_batch_1.bin", &|b| b.clear()), "0 bytes"),
        (error("data_batch_2.bin", &|b| b[3073] = 17), "label of record 1 is 17, expected 0 to 9"),
    ] {
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn limits_take_the_first_samples() {
    let (root, _folder) = idx_folder();
    let some = |train, test| {
        load(Set::Mnist, Some(root.path()), Limits { train: Some(train), test: Some(test) }, Normalise::Unit, 0)
    };
    let data = some(2, 3).unwrap();
    assert_eq!((classes(&data.train), pixels(&data.train).len(), data.train.len()), (&[0, 3][..], 2 * 784, 2));
    assert!(some(7, 1).unwrap_err().to_string().contains("7 training samples of mnist are asked for, and it has 6"));
    assert!(some(1, 0).unwrap_err().to_string().contains("no test samples"));
}

#[test]
fn standard_normalisation_gives_mean_zero_and_variance_one_per_channel() {
    let data = load(Set::Cifar10, Some(cifar_folder().0.path()), Limits::default(), Normalise::Standard, 0).unwrap();
    let all: Vec<usize> = (0..data.train.len()).collect();
    let mut x = vec![0.0f64; all.len() * data.width()];
    data.batch(Part::Train, &all, &mut x);
    for channel in 0..3 {
        let values: Vec<f64> = x.chunks_exact(1024).skip(channel).step_by(3).flatten().copied().collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64;
        assert!(mean.abs() < 1e-12 && (variance - 1.0).abs() < 1e-9, "{mean} {variance}");
    }
    let mut y = vec![0.0f32; 2 * data.width()];
    data.batch(Part::Train, &[3, 1], &mut y);
    assert!(y[..3072].iter().zip(&x[3 * 3072..]).all(|(a, b)| *a == *b as f32));
}

#[test]
fn augmentation_is_a_shifted_mirror_image_and_depends_on_sample_and_epoch_only() {
    let (root, _folder) = idx_folder();
    let data = open(Set::Mnist, root.path()).unwrap();
    let augment = Augment { flip: true, crop: 3 };
    let change = |indices: &[usize], epoch: u64| {
        let mut out = vec![0.0f64; indices.len() * 784];
        data.augmented(indices, &augment, Key::new(1).with(epoch), &mut out);
        out
    };
    assert_eq!(change(&[4, 2, 5], 0)[784..1568], change(&[2], 0));
    assert_ne!(change(&[2], 0), change(&[2], 1));
    // Every change is one of the 2 x 7 x 7 possible ones, and many of them come.
    let pixel = |i: usize, row: isize, column: isize| {
        let inside = (0..28).contains(&row) && (0..28).contains(&column);
        if inside { f64::from(pixels(&data.train)[i * 784 + (row * 28 + column) as usize]) / 255.0 } else { 0.0 }
    };
    let mut seen = std::collections::BTreeSet::new();
    for epoch in 0..200 {
        let out = change(&[2], epoch);
        let found = (0..98).find(|n| {
            let (flip, down, right) = (n % 2 == 1, n / 2 / 7 - 3, n / 2 % 7 - 3);
            (0..784).all(|at| {
                let (row, column) = (at / 28, at % 28);
                let column = if flip { 27 - column } else { column };
                out[at as usize] == pixel(2, row + down, column + right)
            })
        });
        seen.insert(found.expect("a mirrored or shifted image"));
    }
    assert!(seen.len() > 70, "{}", seen.len());
    let mut plain = vec![0.0f64; 784];
    data.batch(Part::Train, &[2], &mut plain);
    let mut same = vec![0.0f64; 784];
    data.augmented(&[2], &Augment::default(), Key::new(1), &mut same);
    assert_eq!(plain, same);
}

#[test]
fn labels_follow_the_indices() {
    let (root, _folder) = idx_folder();
    let data = open(Set::Mnist, root.path()).unwrap();
    let order = permutation(Key::new(2), 6);
    let mut labels = vec![0; 6];
    data.classes(Part::Train, &order, &mut labels);
    assert!(order.iter().zip(&labels).all(|(&i, &l)| l as usize == (3 * i) % 10));
}

/// The published sizes and, of Fashion-MNIST, the published mean and deviation of the training pixels.
#[test]
#[ignore = "needs BLACKBEAM_DATA"]
fn the_real_files_are_read() {
    let root = std::env::var_os(FOLDER_VARIABLE).map(PathBuf::from).expect("BLACKBEAM_DATA is set");
    for (set, train, mean, deviation) in [
        (Set::Mnist, 60_000, [0.1307, 0.1307, 0.1307], [0.3081; 3]),
        (Set::FashionMnist, 60_000, [0.2860; 3], [0.3530; 3]),
        (Set::Cifar10, 50_000, [0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]),
    ] {
        let data = load(set, Some(&root), Limits::default(), Normalise::Standard, 0).unwrap();
        assert_eq!((data.train.len(), data.test.len()), (train, 10_000));
        for class in 0..10 {
            assert_eq!(classes(&data.test).iter().filter(|&&l| l == class).count() == 1000, set != Set::Mnist);
        }
        for c in 0..data.shape()[0] {
            assert!((data.normalisation.mean[c] - mean[c]).abs() < 1e-4, "{:?}", data.normalisation);
            assert!((data.normalisation.deviation[c] - deviation[c]).abs() < 1e-4, "{:?}", data.normalisation);
        }
    }
}
