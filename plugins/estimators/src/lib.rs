//! Zeroth-order estimators shipped with Blackbeam
