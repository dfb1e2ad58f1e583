//! Memory that begins on a cache line.

use crate::Real;
use std::marker::PhantomData;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u64; 8]);

/// Numbers that begin on a cache line, so that no vector straddles two. Grows, never shrinks.
#[derive(Clone, Default)]
pub struct Buffer<T> {
    lines: Vec<Line>,
    len: usize,
    kind: PhantomData<T>,
}

impl<T: Real> Buffer<T> {
    /// Sets the length. New numbers are 0, old ones stay.
    pub fn resize(&mut self, len: usize) {
        let lines = (len * size_of::<T>()).div_ceil(size_of::<Line>());
        if lines > self.lines.len() {
            self.lines.resize(lines, Line([0; 8]));
        }
        self.len = len;
    }

    /// The numbers.
    #[allow(unsafe_code)]
    pub fn as_slice(&self) -> &[T] {
        // SAFETY: `resize` has made the lines hold at least `len` numbers; `Real` is f32 or f64, for which any bits are
        // a value and whose alignment is below that of a line.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }

    /// The numbers.
    #[allow(unsafe_code)]
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        // SAFETY: as above; the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}
