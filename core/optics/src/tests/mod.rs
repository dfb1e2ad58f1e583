//! The device as a whole.

mod cells;
mod derivatives;
mod events;
mod networks;
mod noise;
mod rows;
mod simulator;
mod statistics;
