//! The shipped estimators as a loadable library
