//! A library file that was cut off is found before it is loaded: the loader of the system maps what the file's header names,
//! and a process that touches a page behind the end of the file is killed.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

/// What is wrong with the length of a file in the ELF format (64 bits, little-endian); None for any other file, and for one
/// that cannot be read, of which the loader says more.
pub(super) fn cut_off(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let mut header = [0; 64];
    file.read_exact(&mut header).ok()?;
    if !header.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    // e_phoff, e_phentsize, e_phnum
    let (at, size, count) = (number(&header[32..40]), number(&header[54..56]), number(&header[56..58]));
    let table = size.checked_mul(count).filter(|bytes| at.checked_add(*bytes).is_some_and(|end| end <= length));
    let Some(bytes) = table.filter(|_| count == 0 || size >= 56) else { return Some(said(length)) };
    let mut table = vec![0; bytes as usize];
    file.seek(SeekFrom::Start(at)).ok()?;
    file.read_exact(&mut table).ok()?;
    // p_offset and p_filesz of each part that is mapped
    let missing = |part: &[u8]| number(&part[8..16]).checked_add(number(&part[32..40])).is_none_or(|end| end > length);
    table.chunks_exact(size.max(1) as usize).any(missing).then(|| said(length))
}

fn said(length: u64) -> String {
    format!("the file ends after {length} bytes, before the parts that its header names: it was cut off")
}

/// Bytes as a little-endian number.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte))
}
