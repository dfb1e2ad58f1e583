//! The digital layers of a hybrid network, on burn
