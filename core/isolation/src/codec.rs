//! Values as bytes. Both sides are of the same program on the same machine: numbers are as the machine has them.

use crate::memory::{plain, plain_mut};
use blackbeam_plugin::{Code, PluginError, RString, RVec, Result};

/// What a message may hold.
pub(crate) trait Wire: Sized {
    /// Appends this value.
    fn put(&self, to: &mut Vec<u8>);
    /// Takes a value.
    ///
    /// # Errors
    /// `ABI_MISMATCH` for bytes that are no such value.
    fn get(from: &mut Reader<'_>) -> Result<Self>;

    /// Appends values one after the other.
    fn put_each(values: &[Self], to: &mut Vec<u8>) {
        values.iter().for_each(|value| value.put(to));
    }

    /// Takes so many values.
    ///
    /// # Errors
    /// As `get`.
    fn get_each(from: &mut Reader<'_>, count: usize) -> Result<Vec<Self>> {
        (0..count).map(|_| Self::get(from)).collect()
    }
}

/// Bytes that are taken from the front.
pub(crate) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn bytes(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(|| broken("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    /// A length of elements that take at least `size` bytes each, so that no more is allocated than was sent.
    pub fn length(&mut self, size: usize) -> Result<usize> {
        let length = usize::get(self)?;
        if length > self.0.len() / size.max(1) {
            return Err(broken("a list is longer than the message"));
        }
        Ok(length)
    }
}

pub(crate) fn broken(what: &str) -> PluginError {
    PluginError::new(Code::ABI_MISMATCH, format!("the device's process sent a message that makes no sense: {what}"))
        .with_unknown_state()
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Wire for $number {
            fn put(&self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_ne_bytes());
            }

            fn get(from: &mut Reader<'_>) -> Result<Self> {
                let mut bytes = [0; size_of::<$number>()];
                bytes.copy_from_slice(from.bytes(size_of::<$number>())?);
                Ok(<$number>::from_ne_bytes(bytes))
            }

            fn put_each(values: &[Self], to: &mut Vec<u8>) {
                to.extend_from_slice(plain(values));
            }

            fn get_each(from: &mut Reader<'_>, count: usize) -> Result<Vec<Self>> {
                let size = count.checked_mul(size_of::<$number>()).ok_or_else(|| broken("a list is too long"))?;
                let bytes = from.bytes(size)?;
                let mut values = vec![<$number>::default(); count];
                plain_mut(&mut values).copy_from_slice(bytes);
                Ok(values)
            }
        }
    )*};
}
numbers!(u8, u32, u64, usize, f64);

impl Wire for bool {
    fn put(&self, to: &mut Vec<u8>) {
        u8::from(*self).put(to);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self> {
        Ok(u8::get(from)? != 0)
    }
}

impl Wire for String {
    fn put(&self, to: &mut Vec<u8>) {
        self.len().put(to);
        to.extend_from_slice(self.as_bytes());
    }

    fn get(from: &mut Reader<'_>) -> Result<Self> {
        let length = from.length(1)?;
        let text = from.bytes(length)?.to_vec();
        String::from_utf8(text).map_err(|_| broken("a text is not UTF-8"))
    }
}

impl Wire for RString {
    fn put(&self, to: &mut Vec<u8>) {
        self.len().put(to);
        to.extend_from_slice(self.as_bytes());
    }

    fn get(from: &mut Reader<'_>) -> Result<Self> {
        String::get(from).map(RString::from)
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, to: &mut Vec<u8>) {
        self.is_some().put(to);
        if let Some(value) = self {
            value.put(to);
        }
    }

    fn get(from: &mut Reader<'_>) -> Result<Self> {
        Ok(if bool::get(from)? { Some(T::get(from)?) } else { None })
    }
}

/// Writes a list.
pub(crate) fn put_all<T: Wire>(values: &[T], to: &mut Vec<u8>) {
    values.len().put(to);
    T::put_each(values, to);
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, to: &mut Vec<u8>) {
        put_all(self, to);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self> {
        let length = from.length(1)?;
        T::get_each(from, length)
    }
}

impl<T: Wire> Wire for RVec<T> {
    fn put(&self, to: &mut Vec<u8>) {
        put_all(self, to);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self> {
        Vec::get(from).map(RVec::from)
    }
}

impl Wire for () {
    fn put(&self, _: &mut Vec<u8>) {}

    fn get(_: &mut Reader<'_>) -> Result<Self> {
        Ok(())
    }
}

/// A struct is its fields, one after the other.
macro_rules! wire_struct {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl Wire for $name {
            fn put(&self, to: &mut Vec<u8>) {
                $(self.$field.put(to);)*
            }

            fn get(from: &mut Reader<'_>) -> Result<Self> {
                Ok($name { $($field: Wire::get(from)?),* })
            }
        }
    };
}
pub(crate) use wire_struct;

/// An enum without fields is its number in a list.
macro_rules! wire_enum {
    ($name:ident { $($variant:ident),* $(,)? }) => {
        impl Wire for $name {
            fn put(&self, to: &mut Vec<u8>) {
                (*self as u32).put(to);
            }

            fn get(from: &mut Reader<'_>) -> Result<Self> {
                let number = u32::get(from)?;
                $(if number == $name::$variant as u32 {
                    return Ok($name::$variant);
                })*
                Err(broken(concat!("no ", stringify!($name), " has the number sent")))
            }
        }
    };
}
pub(crate) use wire_enum;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back() {
        let mut bytes = Vec::new();
        let sent = (vec![1.5, f64::INFINITY], Some(String::from("µ")), 7u32);
        sent.0.put(&mut bytes);
        sent.1.put(&mut bytes);
        sent.2.put(&mut bytes);
        let mut reader = Reader(&bytes);
        let back = (Vec::get(&mut reader).unwrap(), Option::get(&mut reader).unwrap(), u32::get(&mut reader).unwrap());
        assert_eq!(sent, back);
        assert!(reader.0.is_empty());
        assert!(u8::get(&mut reader).is_err());
    }

    #[test]
    fn a_list_that_cannot_be_is_refused_before_anything_is_allocated() {
        let mut bytes = Vec::new();
        usize::MAX.put(&mut bytes);
        assert!(Vec::<f64>::get(&mut Reader(&bytes)).is_err());
        assert!(String::get(&mut Reader(&bytes)).is_err());
    }
}
