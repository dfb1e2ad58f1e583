//! A dense matrix with 8-bit inputs: the smallest complete device plugin
