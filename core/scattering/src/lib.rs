//! Scattering solve of circuits of blocks, with exact derivatives.
//!
//! A block has ports and a scattering matrix; ports are joined in pairs. With `S` the block-diagonal matrix of all
//! blocks, `C` the symmetric 0/1 matrix of joined ports and `E` the columns of the outer ports, the light that leaves
//! is
//!
//! ```text
//! S_outer = E^T S (1 - C S)^-1 E
//! ```
//!
//! (Filipsson 1981, "A new general computer algorithm for S-matrix calculation of interconnected multiports").
//! `S[to][from]` is the amplitude out of `to` for a unit amplitude into `from`.
//!
//! A [`Plan`] is made once from the [`Structure`] of a circuit and then evaluated for many wavelengths and
//! parameter sets:
//!
//! 1. Each direction of each link is a wave. Those that no input reaches, or no output needs, are left out: a
//!    feed-forward mesh never pays for its backward waves.
//! 2. The others are ordered such that light flows forward (strongly connected components, Tarjan 1972). Waves outside
//!    loops are computed one after the other.
//! 3. The waves of a loop are eliminated one by one in an order that keeps fill small, compiled into a list of
//!    operations: a chain of rings costs a constant per ring. Loops that would fill in take a sparse or dense LU.
//! 4. Derivatives come from one sweep backwards with the same factors.
//!
//! Results do not depend on how wavelengths are grouped. There is no randomness and no thread in here.
//!
//! ```
//! use blackbeam_scattering::{Entry, Method, Output, Plan, Port, Structure, Workspace};
//! use num_complex::Complex64;
//!
//! // A ring: a coupler with ports 0, 1 (left) and 2, 3 (right), its port 3 joined to its port 1 by a waveguide.
//! let port = |block, port| Port { block, port };
//! let entry = |block, from, to| Entry { block, from, to };
//! let ring = Structure {
//!     blocks: vec![4, 2],
//!     entries: vec![entry(0, 0, 2), entry(0, 0, 3), entry(0, 1, 2), entry(0, 1, 3), entry(1, 0, 1)],
//!     links: vec![[port(0, 3), port(1, 0)], [port(1, 1), port(0, 1)]],
//!     inputs: vec![port(0, 0)],
//!     outputs: vec![Output::leaving(port(0, 2))],
//! };
//! let plan = Plan::new(&ring, Method::Auto)?;
//! let (t, k) = (Complex64::from(0.8), Complex64::new(0.0, 0.6));
//! let round = Complex64::from_polar(0.9, 0.3);
//! let mut out = [Complex64::ZERO];
//! plan.solve(&[t, k, k, t, round], 1, &mut out, &mut Workspace::new())?;
//! assert!((out[0] - (t - round) / (1.0 - t * round)).norm() < 1e-15);
//! # Ok::<(), blackbeam_scattering::Error>(())
//! ```

mod elimination;
mod graph;
mod lu;
mod pack;
mod parts;
mod plan;
mod reciprocal;
mod run;
mod solve;
mod structure;
#[cfg(test)]
mod tests;

pub use parts::{Loop, Parts, Solver};
pub use plan::{Method, Plan};
pub use solve::{Values, Workspace};
pub use structure::{Direction, Entry, Error, MAX_ENTRIES, MAX_PORTS, Output, Port, Structure};
