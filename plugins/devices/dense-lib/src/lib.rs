//! The dense device as a loadable library.

blackbeam_plugin::export_plugins!(blackbeam_device_dense::plugins());
