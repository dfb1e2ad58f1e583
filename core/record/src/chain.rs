//! The hash chain of a log.

use sha2::{Digest, Sha256};

/// Bytes before an entry's own: its length and the check of it.
pub(crate) const FRONT: usize = 16;
/// Bytes of a hash.
pub(crate) const HASH: usize = 32;

/// SHA-256 of some bytes.
pub(crate) fn hash(bytes: &[u8]) -> [u8; HASH] {
    Sha256::digest(bytes).into()
}

/// The hash of all that stands before the next entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Chain(pub [u8; HASH]);

impl Chain {
    /// What stands before an entry of `length` bytes.
    pub fn front(&self, length: u64) -> [u8; FRONT] {
        let mut front = [0; FRONT];
        front[..8].copy_from_slice(&length.to_le_bytes());
        let check = Sha256::new().chain_update(self.0).chain_update(length.to_le_bytes()).finalize();
        front[8..].copy_from_slice(&check[..8]);
        front
    }

    /// The length in the front of an entry, if it is the one that was written.
    pub fn length(&self, front: &[u8; FRONT]) -> Option<u64> {
        let mut length = [0; 8];
        length.copy_from_slice(&front[..8]);
        let length = u64::from_le_bytes(length);
        (self.front(length) == *front).then_some(length)
    }

    /// The chain after an entry of these bytes; its hash stands behind them.
    pub fn after(&self, bytes: &[u8]) -> Chain {
        let length = (bytes.len() as u64).to_le_bytes();
        Chain(Sha256::new().chain_update(self.0).chain_update(length).chain_update(bytes).finalize().into())
    }
}
