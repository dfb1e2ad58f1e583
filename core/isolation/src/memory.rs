//! A file that both processes have mapped into their memory.

#![allow(unsafe_code)]

use crate::message::{ALIGNED, Place, broken};
use blackbeam_plugin::{ArrayView, ArrayViewMut, Dtype, Result};
use memmap2::{MmapOptions, MmapRaw};
use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

/// Where the messages begin: the page before it holds the [`Header`].
const BODY: usize = 4096;
/// Messages grow by whole steps of this size, bytes.
const STEP: usize = 1 << 16;
/// Largest message, bytes.
const MOST: usize = 1 << 36;

/// Most bytes that are copied at once. Long copies are made by an instruction that waits for every cache line of another core.
pub(crate) const PART: usize = 4096;

/// What both sides read and write at any time.
#[repr(C)]
pub(crate) struct Header {
    /// Whose turn it is: even numbers are the parent's, odd ones the child's. Who has the turn owns all that follows.
    pub turn: AtomicU32,
    /// Not 0: the parent sleeps at its pipe and has to be woken.
    pub parent_sleeps: AtomicU32,
    /// The same of the child.
    pub child_sleeps: AtomicU32,
    /// Bytes that the file has for messages.
    pub capacity: AtomicU64,
    /// Where the message's own text begins in the body; what lies before it are its arrays.
    pub head: AtomicU64,
    /// Where it ends.
    pub end: AtomicU64,
}

/// The file, mapped.
pub(crate) struct Memory {
    file: File,
    map: MmapRaw,
}

impl Memory {
    /// Maps a new file.
    ///
    /// # Errors
    /// The system's, such as too little space.
    pub fn create(path: &Path) -> io::Result<Self> {
        Self::map(path, Some(STEP))
    }

    /// Maps the file of the other side.
    ///
    /// # Errors
    /// The system's.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::map(path, None)
    }

    fn map(path: &Path, room: Option<usize>) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        if let Some(room) = room {
            reserve(&file, BODY + room)?;
        }
        let map = mapped(&file)?;
        let memory = Memory { file, map };
        if let Some(room) = room {
            memory.header().capacity.store(room as u64, Ordering::SeqCst);
        }
        Ok(memory)
    }

    /// The header.
    pub fn header(&self) -> &Header {
        // SAFETY: the map begins at a page, is longer than a header, and consists of zeros or of what the atomics of the other side
        // have written; atomics may be shared.
        unsafe { &*self.map.as_ptr().cast::<Header>() }
    }

    /// Makes room for messages of `bytes`. Only who has the turn may do so.
    ///
    /// # Errors
    /// `OutOfMemory` beyond what is believed; the system's.
    pub fn grow(&mut self, bytes: usize) -> io::Result<()> {
        if bytes <= self.room() {
            return Ok(());
        }
        if bytes > MOST {
            return Err(io::Error::new(io::ErrorKind::OutOfMemory, format!("a message of {bytes} bytes")));
        }
        let room = bytes.div_ceil(STEP).saturating_mul(STEP);
        reserve(&self.file, BODY + room)?;
        self.map = mapped(&self.file)?;
        self.header().capacity.store(room as u64, Ordering::SeqCst);
        Ok(())
    }

    /// Maps what the other side has grown.
    ///
    /// # Errors
    /// `InvalidData` if the file is shorter than it is said to be; the system's.
    pub fn follow(&mut self) -> io::Result<()> {
        let said = self.header().capacity.load(Ordering::SeqCst);
        if said as usize == self.room() {
            return Ok(());
        }
        self.map = mapped(&self.file)?;
        if said as usize > self.room() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the shared memory is shorter than it is said to be",
            ));
        }
        Ok(())
    }

    /// Bytes of the body.
    pub fn room(&self) -> usize {
        self.map.len() - BODY
    }

    /// Copies into the body.
    ///
    /// # Panics
    /// If it does not fit: [`grow`](Self::grow) first.
    pub fn write(&mut self, at: usize, bytes: &[u8]) {
        assert!(at.checked_add(bytes.len()).is_some_and(|end| end <= self.room()), "written past the shared memory");
        for (part, bytes) in bytes.chunks(PART).enumerate() {
            // SAFETY: the place lies within the map, and this side has the turn, so that nobody else reads or writes it.
            unsafe {
                let to = self.map.as_mut_ptr().add(BODY + at + part * PART);
                std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
            }
        }
    }

    /// Copies out of the body.
    ///
    /// # Errors
    /// `InvalidData` if the place does not lie in it, which the other side may have said.
    pub fn read(&self, at: usize, to: &mut [u8]) -> io::Result<()> {
        let from = self.place(at, to.len())?;
        // SAFETY: the place lies within the map. This side has the turn; a broken child that writes nevertheless makes the bytes
        // wrong, and nothing refers to the memory beyond this copy.
        unsafe { std::ptr::copy_nonoverlapping(from, to.as_mut_ptr(), to.len()) }
        Ok(())
    }

    /// An array of the other side's, where it lies. For the child, whose parent lays out arrays beside one another and leaves them
    /// alone during the child's turn.
    ///
    /// # Errors
    /// `ABI_MISMATCH` if it does not lie in the memory.
    pub fn view(&self, place: &Place) -> Result<ArrayView<'_>> {
        let at = self.array(place)?;
        let n = place.elements().unwrap_or(0);
        // SAFETY: within the map and aligned (both checked above); the map outlives the view; nobody writes meanwhile.
        Ok(unsafe {
            match place.dtype {
                Dtype::F64 => ArrayView::new(std::slice::from_raw_parts(at.cast(), n), place.dims()),
                Dtype::F32 => ArrayView::new_f32(std::slice::from_raw_parts(at.cast(), n), place.dims()),
            }
        })
    }

    /// The same to be filled. Of one place there may be one such view at a time.
    ///
    /// # Errors
    /// As [`view`](Self::view).
    #[allow(clippy::mut_from_ref)]
    pub fn view_mut(&self, place: &Place) -> Result<ArrayViewMut<'_>> {
        let at = self.array(place)?;
        let n = place.elements().unwrap_or(0);
        // SAFETY: as in `view`; the caller makes one view of a place, and places do not overlap.
        Ok(unsafe {
            match place.dtype {
                Dtype::F64 => ArrayViewMut::new(std::slice::from_raw_parts_mut(at.cast(), n), place.dims()),
                Dtype::F32 => ArrayViewMut::new_f32(std::slice::from_raw_parts_mut(at.cast(), n), place.dims()),
            }
        })
    }

    fn array(&self, place: &Place) -> Result<*mut u8> {
        let length = place.bytes().ok_or_else(|| broken("an array is too large"))?;
        let at = self.place(place.at, length).map_err(|error| broken(&error.to_string()))?;
        if !(at as usize).is_multiple_of(ALIGNED) {
            return Err(broken("an array is out of place"));
        }
        Ok(at)
    }

    /// Where `length` bytes at `at` lie, until the map grows.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn place(&self, at: usize, length: usize) -> io::Result<*mut u8> {
        if at.checked_add(length).is_none_or(|end| end > self.room()) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message that lies outside of the shared memory"));
        }
        // SAFETY: within the map.
        Ok(unsafe { self.map.as_mut_ptr().add(BODY + at) })
    }
}

/// The bytes of an array.
///
/// # Errors
/// Never for the element types that there are.
pub(crate) fn bytes<'a>(view: &ArrayView<'a>) -> Result<&'a [u8]> {
    Ok(match view.dtype() {
        Dtype::F64 => bytemuck::cast_slice(view.as_f64()?),
        Dtype::F32 => bytemuck::cast_slice(view.as_f32()?),
    })
}

/// The same, writable.
pub(crate) fn bytes_mut<'a>(view: &'a mut ArrayViewMut<'_>) -> Result<&'a mut [u8]> {
    Ok(match view.dtype() {
        Dtype::F64 => bytemuck::cast_slice_mut(view.as_f64()?),
        Dtype::F32 => bytemuck::cast_slice_mut(view.as_f32()?),
    })
}

fn mapped(file: &File) -> io::Result<MmapRaw> {
    let map = MmapOptions::new().map_raw(file)?;
    if map.len() < BODY {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the shared memory has no header"));
    }
    Ok(map)
}

/// Takes the space now: a file that cannot be filled would be a bus error later.
fn reserve(file: &File, length: usize) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, length as u64)?;
    #[cfg(not(target_os = "linux"))]
    file.set_len(length as u64)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_see_what_the_other_has_written() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut parent = Memory::create(file.path()).unwrap();
        let mut child = Memory::open(file.path()).unwrap();
        parent.write(7, b"light");
        let mut seen = [0; 5];
        child.read(7, &mut seen).unwrap();
        assert_eq!(&seen, b"light");
        child.grow(3 * STEP + 1).unwrap();
        child.write(3 * STEP, b"s");
        assert!(parent.read(3 * STEP, &mut seen[..1]).is_err());
        parent.follow().unwrap();
        parent.read(3 * STEP, &mut seen[..1]).unwrap();
        assert_eq!(seen[0], b's');
        assert!(parent.read(usize::MAX, &mut seen).is_err());
        assert!(parent.grow(MOST + 1).is_err());
        parent.header().capacity.store(1 << 40, Ordering::SeqCst);
        assert!(child.follow().is_err());
    }
}
