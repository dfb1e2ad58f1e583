//! The dense device as a device library: a driver in Rust behind the C interface.

blackbeam_driver::export_device!(blackbeam_device_dense::Dense);
