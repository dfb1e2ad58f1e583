//! The shipped surrogates as a loadable library
