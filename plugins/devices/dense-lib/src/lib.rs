//! The dense device as a loadable library
