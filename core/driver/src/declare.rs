//! Declares the C types once, for Rust and for the header: the types themselves, and beside them a list of what they are
//! called, in which order their fields stand and what their documentation says.

/// One thing that the header declares.
pub enum Item {
    /// A heading.
    Section(&'static str),
    /// Constants of one type.
    Constants {
        /// Type in Rust.
        ty: &'static str,
        /// Documentation of the whole, line by line.
        docs: &'static [&'static str],
        /// The constants: name, value, documentation.
        members: &'static [(&'static str, u64, &'static [&'static str])],
    },
    /// Another name of a number.
    Alias {
        /// Name in C.
        name: &'static str,
        /// Type in Rust.
        ty: &'static str,
        /// Documentation, line by line.
        docs: &'static [&'static str],
    },
    /// A type that is only pointed to.
    Opaque {
        /// Name in C.
        name: &'static str,
        /// Documentation, line by line.
        docs: &'static [&'static str],
    },
    /// A struct.
    Struct {
        /// Name in C.
        name: &'static str,
        /// Documentation, line by line.
        docs: &'static [&'static str],
        /// Size, bytes.
        size: usize,
        /// Its fields.
        fields: &'static [Field],
    },
}

/// A field of a struct.
pub struct Field {
    /// Name.
    pub name: &'static str,
    /// Type in Rust.
    pub ty: &'static str,
    /// Offset, bytes.
    pub offset: usize,
    /// Documentation, line by line.
    pub docs: &'static [&'static str],
}

/// Declares types and constants, `ITEMS` (a slice of [`Item`], in the order of the source) and `NAMES` (the names of types
/// in Rust and in C).
macro_rules! interface {
    (@next [$($item:expr,)*] [$($names:expr,)*]) => {
        /// Everything that the header declares, in order.
        pub static ITEMS: &[$crate::declare::Item] = &[$($item,)*];
        /// Names of types: in Rust, in C.
        pub static NAMES: &[(&str, &str)] = &[$($names,)*];
    };

    (@next [$($item:expr,)*] [$($names:expr,)*] section $title:literal; $($rest:tt)*) => {
        interface! { @next [$($item,)* $crate::declare::Item::Section($title),] [$($names,)*] $($rest)* }
    };

    (@next [$($item:expr,)*] [$($names:expr,)*]
        $(#[doc = $doc:literal])* constants $ty:ident { $($(#[doc = $d:literal])* $name:ident = $value:expr,)* }
        $($rest:tt)*
    ) => {
        $($(#[doc = $d])* pub const $name: $ty = $value;)*
        interface! { @next [$($item,)* $crate::declare::Item::Constants {
            ty: stringify!($ty),
            docs: &[$($doc,)*],
            members: &[$((stringify!($name), $name as u64, &[$($d,)*]),)*],
        },] [$($names,)*] $($rest)* }
    };

    (@next [$($item:expr,)*] [$($names:expr,)*]
        $(#[doc = $doc:literal])* alias $name:ident($c:ident) = $ty:ty; $($rest:tt)*
    ) => {
        $(#[doc = $doc])*
        pub type $name = $ty;
        interface! { @next [$($item,)* $crate::declare::Item::Alias {
            name: stringify!($c), ty: stringify!($ty), docs: &[$($doc,)*],
        },] [$($names,)* (stringify!($name), stringify!($c)),] $($rest)* }
    };

    (@next [$($item:expr,)*] [$($names:expr,)*]
        $(#[doc = $doc:literal])* opaque $name:ident($c:ident); $($rest:tt)*
    ) => {
        $(#[doc = $doc])*
        #[repr(C)]
        pub struct $name { _opaque: [u8; 0] }
        interface! { @next [$($item,)* $crate::declare::Item::Opaque {
            name: stringify!($c), docs: &[$($doc,)*],
        },] [$($names,)* (stringify!($name), stringify!($c)),] $($rest)* }
    };

    (@next [$($item:expr,)*] [$($names:expr,)*]
        $(#[doc = $doc:literal])* struct $name:ident($c:ident) {
            $($(#[doc = $d:literal])* $field:ident: $ty:ty,)*
        } $($rest:tt)*
    ) => {
        $(#[doc = $doc])*
        #[repr(C)]
        #[derive(Clone, Copy)]
        pub struct $name { $($(#[doc = $d])* pub $field: $ty,)* }
        interface! { @next [$($item,)* $crate::declare::Item::Struct {
            name: stringify!($c),
            docs: &[$($doc,)*],
            size: size_of::<$name>(),
            fields: &[$($crate::declare::Field {
                name: stringify!($field),
                ty: stringify!($ty),
                offset: std::mem::offset_of!($name, $field),
                docs: &[$($d,)*],
            },)*],
        },] [$($names,)* (stringify!($name), stringify!($c)),] $($rest)* }
    };

    ($($all:tt)*) => { interface! { @next [] [] $($all)* } };
}
pub(crate) use interface;
