//! What happens to numbers between the host and the light, on both sides.

pub(crate) mod admission;
pub(crate) mod converter;
pub(crate) mod crosstalk;
pub(crate) mod curve;
pub(crate) mod detector;
pub(crate) mod drift;
pub(crate) mod encoder;
pub(crate) mod events;
pub(crate) mod lag;
pub(crate) mod levels;
pub(crate) mod setpoint;
mod stairs;
