//! The binary version of CIFAR-10 (<https://www.cs.toronto.edu/~kriz/cifar.html>): records of one label byte and 3 x 32 x
//! 32 pixel bytes (red, green, blue; row by row), nothing else.

use crate::{
    DataError, Labels, Result, Samples, Set, Split,
    files::{self, FileHash},
};
use std::path::Path;

/// Channels, height and width of the images.
pub(crate) const SHAPE: [usize; 3] = [3, 32, 32];
/// Number of classes.
pub(crate) const CLASSES: usize = 10;
const MOST_BYTES: u64 = 1 << 31;

/// Reads the batch files `names` (without `.bin`) one after the other.
pub(crate) fn read(set: Set, root: &Path, names: &[&str]) -> Result<(Split, Vec<FileHash>)> {
    let pixels = SHAPE.iter().product::<usize>();
    let record = 1 + pixels;
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    let mut hashes = Vec::new();
    for name in names {
        let file = files::read(set, root, &[format!("{name}.bin")], MOST_BYTES)?;
        let broken = |problem| DataError::Broken { set, path: file.path.clone(), problem };
        if file.bytes.is_empty() || file.bytes.len() % record != 0 {
            let problem = format!("it has {} bytes, expected a multiple of {record} (one record)", file.bytes.len());
            return Err(broken(problem));
        }
        for (i, record) in file.bytes.chunks_exact(record).enumerate() {
            let (label, image) = (record[0], &record[1..]);
            if usize::from(label) >= CLASSES {
                let last = CLASSES - 1;
                return Err(broken(format!("the label of record {i} is {label}, expected 0 to {last}")));
            }
            labels.push(label);
            images.extend_from_slice(image);
        }
        hashes.push(file.hash);
    }
    Ok((Split::new(labels.len(), Samples::Pixels(images), Labels::Classes(labels)), hashes))
}
