//! Compiled simulators of photonic devices with their non-idealities
