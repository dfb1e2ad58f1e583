//! Messages in the shared memory: arrays first, each where it can be used in place, then a text that says what they are.

use crate::{
    codec::{Reader, Wire, broken, put_all},
    memory::{Memory, bytes, bytes_mut},
    message::{ALIGNED, Place},
};
use blackbeam_plugin::{ArrayView, ArrayViewMut, Code, Dtype, PluginError, Result};
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

/// Copies an array that the other side has filled.
///
/// # Errors
/// `NONFINITE` for an answer that is no data, or not whole.
pub(crate) fn fetch(memory: &Memory, place: &Place, to: &mut ArrayViewMut<'_>) -> Result<()> {
    memory.read(place.at, bytes_mut(to)?).map_err(|error| broken(&error.to_string()))?;
    // Without a branch an element, which every answer would pay for.
    let whole = match place.dtype {
        Dtype::F64 => to.as_f64()?.iter().fold(true, |all, v| all & v.is_finite()),
        Dtype::F32 => to.as_f32()?.iter().fold(true, |all, v| all & v.is_finite()),
    };
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
    Ok(if bool::get(&mut reader)? { Ok(T::get(&mut reader)?) } else { Err(PluginError::get(&mut reader)?) })
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
