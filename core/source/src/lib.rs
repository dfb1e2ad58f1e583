//! YAML with positions, and diagnostics that point at them
