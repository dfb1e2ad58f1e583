//! Names that Python, SAX and YAML take.

use std::collections::HashSet;

/// `m0.dc<0.1>` as an identifier, `m0__dc_0_1`.
pub(super) fn identifier(path: &str) -> String {
    let mut name = String::with_capacity(path.len() + 4);
    let mut in_index = false;
    for c in path.chars() {
        match c {
            '<' => {
                in_index = true;
                name.push('_');
            }
            '>' => in_index = false,
            '.' if !in_index => name.push_str("__"),
            c if c.is_ascii_alphanumeric() => name.push(c),
            _ => name.push('_'),
        }
    }
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}

/// Names that are taken.
#[derive(Default)]
pub(super) struct Names(HashSet<String>);

impl Names {
    /// The name, or the next one of `name_2`, `name_3`, .. that is free. `wl` is what SAX calls the wavelength.
    pub(super) fn unique(&mut self, name: String) -> String {
        let mut candidate = name.clone();
        let mut k = 2;
        while candidate == "wl" || !self.0.insert(candidate.clone()) {
            candidate = format!("{name}_{k}");
            k += 1;
        }
        candidate
    }
}
