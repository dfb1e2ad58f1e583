//! The shipped estimators as a loadable library.

blackbeam_plugin::export_plugins!(blackbeam_estimators::plugins());
