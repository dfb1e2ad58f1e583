//! Messages in the shared memory: arrays first, each where it can be used in place, then a text that says what they are.

use crate::{
    memory::{Memory, PART, bytes, bytes_mut},
    message::{ALIGNED, Place, broken, take},
};
use blackbeam_plugin::{ArrayView, ArrayViewMut, Code, Dtype, PluginError, Result};
use blackbeam_wire::{Reader, Wire, put_all};
use std::{io, sync::atomic::Ordering};

/// A message that is being written.
pub(crate) struct Outgoing<'a> {
    memory: &'a mut Memory,
    /// Where the next array goes.
    at: usize,
    head: Vec<u8>,
}

impl<'a> Outgoing<'a> {
    /// A message at the beginning of the memory.
    pub fn new(memory: &'a mut Memory) -> Self {
        Outgoing { memory, at: 0, head: Vec::with_capacity(256) }
    }

    /// A message behind the one that it answers, whose arrays stay.
    pub fn behind(memory: &'a mut Memory) -> Self {
        let end = memory.header().end.load(Ordering::SeqCst) as usize;
        Outgoing { at: end.next_multiple_of(ALIGNED), memory, head: Vec::with_capacity(64) }
    }

    /// Says something.
    pub fn say(&mut self, value: &impl Wire) {
        value.put(&mut self.head);
    }

    /// Says a list.
    pub fn list<T: Wire>(&mut self, values: &[T]) {
        put_all(values, &mut self.head);
    }

    /// Says what is there already as bytes.
    pub fn append(&mut self, said: &[u8]) {
        self.head.extend_from_slice(said);
    }

    /// Sends an array, and says where it is.
    pub fn array(&mut self, view: &ArrayView<'_>) -> Result<()> {
        let sent = bytes(view)?;
        let place = self.room(view.dtype(), view.shape())?;
        self.memory.write(place.at, sent);
        Ok(())
    }

    /// Keeps room for an array that the other side fills, and says where it is.
    pub fn room(&mut self, dtype: Dtype, shape: &[usize]) -> Result<Place> {
        let place = Place::new(self.at, dtype, shape);
        let end = place.bytes().and_then(|n| self.at.checked_add(n)).ok_or_else(|| memory(&too_large()))?;
        self.memory.grow(end).map_err(|e| memory(&e))?;
        self.at = end.next_multiple_of(ALIGNED);
        self.say(&place);
        Ok(place)
    }

    /// Puts the text behind the arrays.
    pub fn finish(self) -> Result<()> {
        let end = self.at + self.head.len();
        self.memory.grow(end).map_err(|e| memory(&e))?;
        self.memory.write(self.at, &self.head);
        let header = self.memory.header();
        header.head.store(self.at as u64, Ordering::SeqCst);
        header.end.store(end as u64, Ordering::SeqCst);
        Ok(())
    }
}

/// The text of the message that the other side has left.
///
/// # Errors
/// `ABI_MISMATCH` if it does not lie in the memory.
pub(crate) fn text(memory: &mut Memory) -> Result<Vec<u8>> {
    memory.follow().map_err(|error| broken(&error.to_string()))?;
    let (head, end) = (memory.header().head.load(Ordering::SeqCst), memory.header().end.load(Ordering::SeqCst));
    let length = end.checked_sub(head).and_then(|n| usize::try_from(n).ok());
    let length = length.filter(|&n| n <= memory.room()).ok_or_else(|| broken("its text has no length"))?;
    let mut text = vec![0; length];
    memory.read(head as usize, &mut text).map_err(|error| broken(&error.to_string()))?;
    Ok(text)
}

/// Whether all numbers are. Without a branch an element, which every answer would pay for.
fn finite(dtype: Dtype, bytes: &[u8]) -> bool {
    // Exponents of ones only are infinities and NaN.
    match dtype {
        Dtype::F32 => bytes.as_chunks().0.iter().fold(true, |all, b| all & (u32::from_ne_bytes(*b) << 1 < 0xff00_0000)),
        Dtype::F64 => {
            bytes.as_chunks().0.iter().fold(true, |all, b| all & (u64::from_ne_bytes(*b) << 1 < 0xffe0_0000_0000_0000))
        }
    }
}

/// Copies an array that the other side has filled.
///
/// # Errors
/// `NONFINITE` for an answer that is no data, or not whole.
pub(crate) fn fetch(memory: &Memory, place: &Place, to: &mut ArrayViewMut<'_>) -> Result<()> {
    let mut whole = true;
    // In parts that are still at hand when they are looked at.
    for (part, to) in bytes_mut(to)?.chunks_mut(PART).enumerate() {
        memory.read(place.at + part * PART, to).map_err(|error| broken(&error.to_string()))?;
        whole &= finite(place.dtype, to);
    }
    if whole {
        return Ok(());
    }
    let message =
        format!("not all of the {} numbers are there and finite: a short or broken answer is not data", to.len());
    Err(PluginError::new(Code::NONFINITE, message))
}

/// Says an outcome: a value, or an error.
pub(crate) fn put_outcome<T: Wire>(outcome: &Result<T>, to: &mut Vec<u8>) {
    match outcome {
        Ok(value) => {
            true.put(to);
            value.put(to);
        }
        Err(error) => {
            false.put(to);
            error.put(to);
        }
    }
}

/// Takes an outcome. The outer error is a message that makes no sense.
pub(crate) fn get_outcome<T: Wire>(text: &[u8]) -> Result<Result<T>> {
    let mut reader = Reader(text);
    Ok(if take(&mut reader)? { Ok(take(&mut reader)?) } else { Err(take(&mut reader)?) })
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::OutOfMemory, "an array is too large")
}

pub(crate) fn memory(error: &io::Error) -> PluginError {
    let message = format!(
        "the memory that is shared with the device's process cannot be had ({error}): it lies in /dev/shm or in the folder of \
         temporary files, which may be full"
    );
    PluginError::new(Code::IO, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finite_is_found() {
        let of_f64 = |v: f64| finite(Dtype::F64, &v.to_ne_bytes());
        let of_f32 = |v: f32| finite(Dtype::F32, &v.to_ne_bytes());
        for v in [0.0, -0.0, 1.5, -2e-310, f64::MAX, f64::MIN] {
            assert!(of_f64(v), "{v}");
        }
        for v in [0.0, -1.5, 1e-42, f32::MAX, f32::MIN] {
            assert!(of_f32(v), "{v}");
        }
        for v in [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(!of_f64(v) && !of_f32(v as f32), "{v}");
        }
    }
}
