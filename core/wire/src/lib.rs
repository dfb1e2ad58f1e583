//! Data of the plugin interface as bytes: what processes say to each other, and what lies in logs. Little endian; lengths and sizes
//! are 64 bits, flags and most enums one byte. A log holds these bytes: what changes here needs another version of its format.

mod types;

use blackbeam_plugin::{RString, RVec};

/// The bytes are not what they should be: what is wrong with them.
pub type Result<T = ()> = std::result::Result<T, String>;

/// What can be written as bytes and read back.
pub trait Wire: Sized {
    /// Appends this value.
    fn put(&self, to: &mut Vec<u8>);
    /// Takes a value.
    ///
    /// # Errors
    /// Bytes that are no such value.
    fn get(from: &mut Reader<'_>) -> Result<Self>;

    /// Appends values one after the other.
    fn put_each(values: &[Self], to: &mut Vec<u8>) {
        values.iter().for_each(|value| value.put(to));
    }

    /// Takes so many values.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    fn get_each(from: &mut Reader<'_>, count: usize) -> Result<Vec<Self>> {
        (0..count).map(|_| Self::get(from)).collect()
    }
}

/// Bytes that are taken from the front.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// The next `length` bytes.
    ///
    /// # Errors
    /// If there are not so many.
    pub fn bytes(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or("it ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    /// A length of things that take at least a byte each, so that no more is made room for than was sent.
    ///
    /// # Errors
    /// A length beyond what is there.
    pub fn length(&mut self) -> Result<usize> {
        let length = usize::get(self)?;
        if length > self.0.len() {
            return Err("a list is longer than the message".into());
        }
        Ok(length)
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// If something is.
    pub fn end(&self) -> Result {
        if self.0.is_empty() { Ok(()) } else { Err(format!("{} bytes too many", self.0.len())) }
    }
}

/// The one value that these bytes are.
///
/// # Errors
/// Bytes that are no such value, or more than that.
pub fn whole<T: Wire>(bytes: &[u8]) -> Result<T> {
    let mut from = Reader(bytes);
    let value = T::get(&mut from)?;
    from.end().map(|()| value)
}

/// Writes a list: its length, then its values.
pub fn put_all<T: Wire>(values: &[T], to: &mut Vec<u8>) {
    values.len().put(to);
    T::put_each(values, to);
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Wire for $number {
            fn put(&self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }

            fn get(from: &mut Reader<'_>) -> Result<Self> {
                let mut bytes = [0; size_of::<$number>()];
                bytes.copy_from_slice(from.bytes(size_of::<$number>())?);
                Ok(<$number>::from_le_bytes(bytes))
            }

            // As a whole, which is a copy: parameters of large devices are most of a message.
            #[cfg(target_endian = "little")]
            fn put_each(values: &[Self], to: &mut Vec<u8>) {
                to.extend_from_slice(bytemuck::cast_slice(values));
            }

            #[cfg(target_endian = "little")]
            fn get_each(from: &mut Reader<'_>, count: usize) -> Result<Vec<Self>> {
                let size = count.checked_mul(size_of::<$number>()).ok_or("a list is too long")?;
                let bytes = from.bytes(size)?;
                let mut values = vec![<$number>::default(); count];
                bytemuck::cast_slice_mut(&mut values).copy_from_slice(bytes);
                Ok(values)
            }
        }
    )*};
}
numbers!(u8, u32, u64, f32, f64);

impl Wire for usize {
    fn put(&self, to: &mut Vec<u8>) {
        (*self as u64).put(to);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self> {
        let wide = u64::get(from)?;
        usize::try_from(wide).map_err(|_| format!("a size of {wide}"))
    }
}

impl Wire for bool {
    fn put(&self, to: &mut Vec<u8>) {
        u8::from(*self).put(to);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self> {
        match u8::get(from)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(format!("a flag of {other}")),
        }
    }
}

impl Wire for String {
    fn put(&self, to: &mut Vec<u8>) {
        put_all(self.as_bytes(), to);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self> {
        let text = Vec::get(from)?;
        String::from_utf8(text).map_err(|_| "a text that is not UTF-8".into())
    }
}

impl Wire for RString {
    fn put(&self, to: &mut Vec<u8>) {
        put_all(self.as_bytes(), to);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self> {
        String::get(from).map(RString::from)
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, to: &mut Vec<u8>) {
        put_all(self, to);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self> {
        let length = from.length()?;
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
#[macro_export]
macro_rules! wire_struct {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl $crate::Wire for $name {
            fn put(&self, to: &mut Vec<u8>) {
                $($crate::Wire::put(&self.$field, to);)*
            }

            fn get(from: &mut $crate::Reader<'_>) -> $crate::Result<Self> {
                Ok($name { $($field: $crate::Wire::get(from)?),* })
            }
        }
    };
}

/// An enum without fields is its number.
#[macro_export]
macro_rules! wire_enum {
    ($name:ident as $number:ty { $($variant:ident),* $(,)? }) => {
        impl $crate::Wire for $name {
            fn put(&self, to: &mut Vec<u8>) {
                $crate::Wire::put(&(*self as $number), to);
            }

            fn get(from: &mut $crate::Reader<'_>) -> $crate::Result<Self> {
                let number = <$number as $crate::Wire>::get(from)?;
                $(if number == $name::$variant as $number {
                    return Ok($name::$variant);
                })*
                Err(format!(concat!("a ", stringify!($name), " of number {}"), number))
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back() {
        let mut bytes = Vec::new();
        let sent = (vec![1.5, f64::INFINITY], String::from("µ"), 7u32, true);
        sent.0.put(&mut bytes);
        sent.1.put(&mut bytes);
        sent.2.put(&mut bytes);
        sent.3.put(&mut bytes);
        assert_eq!(bytes[..9], [2, 0, 0, 0, 0, 0, 0, 0, 0], "little endian, 64 bits a length");
        let mut from = Reader(&bytes);
        let back: (Vec<f64>, String, u32, bool) = (
            Wire::get(&mut from).unwrap(),
            Wire::get(&mut from).unwrap(),
            Wire::get(&mut from).unwrap(),
            Wire::get(&mut from).unwrap(),
        );
        assert_eq!(sent, back);
        from.end().unwrap();
        assert!(u8::get(&mut from).is_err());
        assert!(Reader(&bytes).end().is_err());
    }

    #[test]
    fn a_list_that_cannot_be_is_refused_before_anything_is_allocated() {
        let mut bytes = Vec::new();
        usize::MAX.put(&mut bytes);
        assert!(Vec::<f64>::get(&mut Reader(&bytes)).is_err());
        assert!(String::get(&mut Reader(&bytes)).is_err());
    }
}
