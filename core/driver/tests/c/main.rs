//! The C interface as compilers and libraries see it. What needs a compiler is left out, loudly, where there is none.

#![allow(clippy::unwrap_used, unsafe_code)]

mod compiler;
mod faults;
mod header;
mod round_trip;
mod versions;
