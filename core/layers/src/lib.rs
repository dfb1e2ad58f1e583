//! Descriptions of network layers as plain data
