//! The device as a whole.

mod derivatives;
mod events;
mod networks;
mod noise;
mod simulator;
mod statistics;
