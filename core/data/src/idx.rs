//! IDX files, the format of MNIST and Fashion-MNIST (<https://yann.lecun.com/exdb/mnist/>): a magic number (two zero
//! bytes, the element type, the number of axes), the axes as big-endian 32-bit numbers, then the elements.

use crate::{
    DataError, Labels, Result, Samples, Set, Split,
    files::{self, Contents, FileHash},
};
use std::path::Path;

/// Channels, height and width of the images.
pub(crate) const SHAPE: [usize; 3] = [1, 28, 28];
/// Number of classes.
pub(crate) const CLASSES: usize = 10;
/// Unsigned bytes, three axes: images.
const IMAGES: u32 = 0x0000_0803;
/// Unsigned bytes, one axis: labels.
const LABELS: u32 = 0x0000_0801;
/// No file of this kind of data set unpacks to more.
const MOST_BYTES: u64 = 1 << 31;

/// Reads images and labels that lie under `root` as `PREFIX-images-idx3-ubyte` and `PREFIX-labels-idx1-ubyte`, each
/// perhaps with `.gz`.
pub(crate) fn read(set: Set, root: &Path, prefix: &str) -> Result<(Split, Vec<FileHash>)> {
    let images = contents(set, root, &format!("{prefix}-images-idx3-ubyte"))?;
    let labels = contents(set, root, &format!("{prefix}-labels-idx1-ubyte"))?;
    let [_, height, width] = SHAPE;
    let (n, pixels) = elements(set, &images, IMAGES, "images", &[height, width])?;
    let (n_labels, values) = elements(set, &labels, LABELS, "labels", &[])?;
    if n != n_labels {
        return Err(broken(set, &labels, format!("it has {n_labels} labels for {n} images")));
    }
    if let Some(i) = values.iter().position(|&label| usize::from(label) >= CLASSES) {
        let problem = format!("label {i} is {}, expected 0 to {}", values[i], CLASSES - 1);
        return Err(broken(set, &labels, problem));
    }
    Ok((Split::new(n, Samples::Pixels(pixels), Labels::Classes(values)), vec![images.hash, labels.hash]))
}

fn contents(set: Set, root: &Path, name: &str) -> Result<Contents> {
    files::read(set, root, &[name.to_owned(), format!("{name}.gz")], MOST_BYTES)
}

/// Number and bytes of the elements of a file with this magic number and with these axes after the first.
fn elements(set: Set, file: &Contents, magic: u32, what: &str, axes: &[usize]) -> Result<(usize, Vec<u8>)> {
    let header = 4 * (2 + axes.len());
    let number = |i: usize| file.bytes.get(4 * i..4 * i + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    let cut = || broken(set, file, format!("it is cut off after {} bytes of a header of {header}", file.bytes.len()));
    let found = number(0).ok_or_else(cut)?;
    if found != magic {
        let problem = format!("it begins with 0x{found:08x}, expected 0x{magic:08x} (IDX, {what} of unsigned bytes)");
        return Err(broken(set, file, problem));
    }
    let n = number(1).ok_or_else(cut)? as usize;
    for (i, &axis) in axes.iter().enumerate() {
        let length = number(2 + i).ok_or_else(cut)? as usize;
        if length != axis {
            return Err(broken(
                set,
                file,
                format!("axis {} of its {what} has length {length}, expected {axis}", i + 1),
            ));
        }
    }
    let expected = header as u64 + n as u64 * axes.iter().product::<usize>() as u64;
    let length = file.bytes.len() as u64;
    if length != expected {
        let how = if length < expected { "it is cut off" } else { "something follows the data" };
        let problem = format!("{how}: {n} {what} take {expected} bytes, it has {length}");
        return Err(broken(set, file, problem));
    }
    Ok((n, file.bytes[header..].to_vec()))
}

fn broken(set: Set, file: &Contents, problem: String) -> DataError {
    DataError::Broken { set, path: file.path.clone(), problem }
}
