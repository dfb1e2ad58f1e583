//! What can be wrong with a chain, and what is worth knowing about it.

use thiserror::Error;

/// Why a chain cannot be built or asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// An element is impossible, or does not fit to what stands before it.
    #[error("element {index} ({element}): {reason}")]
    Element {
        /// Position in the list of elements, from 0.
        index: usize,
        /// Kind of element.
        element: &'static str,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The source plane, the wavelength or the argument of a function is impossible.
    #[error("{0}")]
    Setting(String),
    /// An array has the wrong length.
    #[error("{what}: {found} numbers given, {expected} expected")]
    Length {
        /// Which array.
        what: &'static str,
        /// How many numbers there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// A mask holds a number that is not finite.
    #[error("the {what} of pixel {index} of SLM {slm} is {value}: masks need finite numbers")]
    NotFinite {
        /// Phase or amplitude.
        what: &'static str,
        /// Which SLM, from 0.
        slm: usize,
        /// Which pixel, row-major.
        index: usize,
        /// The number.
        value: String,
    },
    /// The adjoint was asked for without the fields that it needs.
    #[error("the adjoint needs the fields of a forward pass: call `record` with this workspace first")]
    NotRecorded,
    /// An output was asked for that is not there.
    #[error("the workspace holds no output: call `forward`, `finish` or `record` with it first")]
    NoOutput,
    /// Masks, a gradient or a workspace of another chain.
    #[error("the {0} belongs to another chain: make it by a method of this one")]
    OtherChain(&'static str),
}

/// Something about an element that its user should know, and that is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Position in the list of elements, from 0.
    pub index: usize,
    /// A sentence.
    pub message: String,
}

/// Checks the length of an array.
pub(crate) fn check_length(what: &'static str, found: usize, expected: usize) -> Result<(), Error> {
    if found == expected { Ok(()) } else { Err(Error::Length { what, found, expected }) }
}
