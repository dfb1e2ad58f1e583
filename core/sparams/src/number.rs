//! Numbers in text files.

use crate::{Error, Result};

/// A finite number at line `line`.
pub(crate) fn number(token: &str, line: usize) -> Result<f64> {
    match token.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_) => Err(Error::new(format!("`{}` is not finite", clip(token))).at(line).expected("a finite number")),
        Err(_) => Err(Error::new(format!("`{}` is not a number", clip(token))).at(line).expected("a number")),
    }
}

/// At most 40 characters of `text`, for messages.
pub(crate) fn clip(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push_str("..");
    }
    short
}
