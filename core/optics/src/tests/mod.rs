//! The device as a whole.

mod buses;
mod cells;
mod derivatives;
mod events;
mod layers;
mod networks;
mod noise;
mod rows;
mod simulator;
mod statistics;
