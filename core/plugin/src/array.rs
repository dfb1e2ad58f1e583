//! Array views as they cross the boundary, and one owned matrix.

use crate::{Code, PluginError, Result};
use abi_stable::{StableAbi, std_types::RVec};
use std::marker::PhantomData;

/// Element type of an array.
#[repr(u8)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Dtype {
    /// 32-bit IEEE float.
    F32 = 0,
    /// 64-bit IEEE float.
    #[default]
    F64 = 1,
}

/// Largest number of axes of an array.
pub const MAX_AXES: usize = 4;

/// A borrowed, row-major, read-only array. Complex arrays are interleaved (re, im) along the last axis; the
/// [`Descriptor`](crate::Descriptor) says which of a device's arrays are.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct ArrayView<'a> {
    data: *const u8,
    dtype: Dtype,
    axes: u32,
    shape: [usize; MAX_AXES],
    _lifetime: PhantomData<&'a u8>,
}

/// A borrowed, row-major, writable array: the caller owns the buffer, the plugin fills it.
#[repr(C)]
#[derive(StableAbi)]
pub struct ArrayViewMut<'a> {
    data: *mut u8,
    dtype: Dtype,
    axes: u32,
    shape: [usize; MAX_AXES],
    _lifetime: PhantomData<&'a mut u8>,
}

fn pack(shape: &[usize], len: usize) -> [usize; MAX_AXES] {
    assert!(shape.len() <= MAX_AXES, "at most {MAX_AXES} axes");
    assert_eq!(shape.iter().product::<usize>(), len, "the shape {shape:?} does not hold {len} elements");
    let mut packed = [1; MAX_AXES];
    packed[..shape.len()].copy_from_slice(shape);
    packed
}

fn wrong_dtype(expected: Dtype, found: Dtype) -> PluginError {
    PluginError::new(Code::UNSUPPORTED, format!("expected an array of {expected:?}, found {found:?}"))
}

#[allow(unsafe_code)]
impl<'a> ArrayView<'a> {
    /// A view of `data` with `shape` (at most [`MAX_AXES`] axes).
    ///
    /// # Panics
    /// If the shape does not hold exactly `data.len()` elements.
    pub fn new(data: &'a [f64], shape: &[usize]) -> Self {
        ArrayView {
            data: data.as_ptr().cast(),
            dtype: Dtype::F64,
            axes: shape.len() as u32,
            shape: pack(shape, data.len()),
            _lifetime: PhantomData,
        }
    }

    /// The same for 32-bit elements.
    ///
    /// # Panics
    /// If the shape does not hold exactly `data.len()` elements.
    pub fn new_f32(data: &'a [f32], shape: &[usize]) -> Self {
        ArrayView {
            data: data.as_ptr().cast(),
            dtype: Dtype::F32,
            axes: shape.len() as u32,
            shape: pack(shape, data.len()),
            _lifetime: PhantomData,
        }
    }

    /// An array of shape `[0]`: what stands where a context holds nothing.
    pub fn empty() -> ArrayView<'static> {
        ArrayView::new(&[], &[0])
    }

    /// Lengths of the axes.
    pub fn shape(&self) -> &[usize] {
        &self.shape[..self.axes as usize]
    }

    /// Element type.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape().iter().product()
    }

    /// True if there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Length of axis `axis`, 0 where there is no such axis.
    pub fn dim(&self, axis: usize) -> usize {
        self.shape().get(axis).copied().unwrap_or(0)
    }

    /// The elements, if they are 64-bit.
    ///
    /// # Errors
    /// `UNSUPPORTED` for another element type.
    pub fn as_f64(&self) -> Result<&'a [f64]> {
        if self.dtype != Dtype::F64 {
            return Err(wrong_dtype(Dtype::F64, self.dtype));
        }
        // SAFETY: the constructors are the only way to make a view; they take the pointer from a slice of exactly
        // this type and length, borrowed for 'a.
        Ok(unsafe { std::slice::from_raw_parts(self.data.cast(), self.len()) })
    }

    /// The elements, if they are 32-bit.
    ///
    /// # Errors
    /// `UNSUPPORTED` for another element type.
    pub fn as_f32(&self) -> Result<&'a [f32]> {
        if self.dtype != Dtype::F32 {
            return Err(wrong_dtype(Dtype::F32, self.dtype));
        }
        // SAFETY: as in `as_f64`.
        Ok(unsafe { std::slice::from_raw_parts(self.data.cast(), self.len()) })
    }
}

#[allow(unsafe_code)]
impl<'a> ArrayViewMut<'a> {
    /// A writable view of `data` with `shape`.
    ///
    /// # Panics
    /// If the shape does not hold exactly `data.len()` elements.
    pub fn new(data: &'a mut [f64], shape: &[usize]) -> Self {
        ArrayViewMut {
            axes: shape.len() as u32,
            shape: pack(shape, data.len()),
            dtype: Dtype::F64,
            data: data.as_mut_ptr().cast(),
            _lifetime: PhantomData,
        }
    }

    /// The same for 32-bit elements.
    ///
    /// # Panics
    /// If the shape does not hold exactly `data.len()` elements.
    pub fn new_f32(data: &'a mut [f32], shape: &[usize]) -> Self {
        ArrayViewMut {
            axes: shape.len() as u32,
            shape: pack(shape, data.len()),
            dtype: Dtype::F32,
            data: data.as_mut_ptr().cast(),
            _lifetime: PhantomData,
        }
    }

    /// Lengths of the axes.
    pub fn shape(&self) -> &[usize] {
        &self.shape[..self.axes as usize]
    }

    /// Element type.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape().iter().product()
    }

    /// True if there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Length of axis `axis`, 0 where there is no such axis.
    pub fn dim(&self, axis: usize) -> usize {
        self.shape().get(axis).copied().unwrap_or(0)
    }

    /// The elements, if they are 64-bit.
    ///
    /// # Errors
    /// `UNSUPPORTED` for another element type.
    pub fn as_f64(&mut self) -> Result<&mut [f64]> {
        if self.dtype != Dtype::F64 {
            return Err(wrong_dtype(Dtype::F64, self.dtype));
        }
        // SAFETY: the constructors take the pointer from a mutable slice of exactly this type and length, borrowed
        // for 'a; the returned slice borrows self mutably, so that there is one at a time.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.data.cast(), self.len()) })
    }

    /// The elements, if they are 32-bit.
    ///
    /// # Errors
    /// `UNSUPPORTED` for another element type.
    pub fn as_f32(&mut self) -> Result<&mut [f32]> {
        if self.dtype != Dtype::F32 {
            return Err(wrong_dtype(Dtype::F32, self.dtype));
        }
        // SAFETY: as in `as_f64`.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.data.cast(), self.len()) })
    }
}

/// An owned, row-major matrix of 64-bit floats.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, PartialEq, Default)]
pub struct Matrix {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
    /// `rows * columns` elements, row by row.
    pub data: RVec<f64>,
}

impl Matrix {
    /// A matrix of zeros.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Matrix { rows, columns, data: vec![0.0; rows * columns].into() }
    }

    /// A matrix from its elements, row by row.
    ///
    /// # Panics
    /// If there are not exactly `rows * columns` of them.
    pub fn new(rows: usize, columns: usize, data: Vec<f64>) -> Self {
        assert_eq!(data.len(), rows * columns, "{rows} x {columns} elements expected");
        Matrix { rows, columns, data: data.into() }
    }

    /// True if there is no element.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Row `row`.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.data[row * self.columns..(row + 1) * self.columns]
    }

    /// Row `row`, writable.
    pub fn row_mut(&mut self, row: usize) -> &mut [f64] {
        &mut self.data[row * self.columns..(row + 1) * self.columns]
    }

    /// A view of the whole.
    pub fn view(&self) -> ArrayView<'_> {
        ArrayView::new(&self.data, &[self.rows, self.columns])
    }

    /// A writable view of the whole.
    pub fn view_mut(&mut self) -> ArrayViewMut<'_> {
        ArrayViewMut::new(&mut self.data, &[self.rows, self.columns])
    }
}

impl std::ops::Index<(usize, usize)> for Matrix {
    type Output = f64;
    fn index(&self, (row, column): (usize, usize)) -> &f64 {
        &self.data[row * self.columns + column]
    }
}

impl std::ops::IndexMut<(usize, usize)> for Matrix {
    fn index_mut(&mut self, (row, column): (usize, usize)) -> &mut f64 {
        &mut self.data[row * self.columns + column]
    }
}
