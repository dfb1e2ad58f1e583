//! The shipped surrogates as a loadable library.

blackbeam_plugin::export_plugins!(blackbeam_surrogates::plugins());
