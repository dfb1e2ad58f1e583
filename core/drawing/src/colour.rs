//! Colours of numbers.

use std::f64::consts::TAU;

/// Colour of a phase: once around the circle, equal ends. Neutral lightness, so that black text stays readable on it.
pub(crate) fn of_phase(phase: f64) -> String {
    let turn = (phase / TAU).rem_euclid(1.0);
    let channel = |shift: f64| {
        let wave = 0.5 + 0.5 * (TAU * (turn - shift)).cos();
        (70.0 + 175.0 * wave).round() as u8
    };
    hex(channel(0.0), channel(1.0 / 3.0), channel(2.0 / 3.0))
}

/// Colour of a level between 0 (white) and 1 (dark blue).
pub(crate) fn of_level(level: f64) -> String {
    let level = if level.is_finite() { level.clamp(0.0, 1.0) } else { 0.0 };
    let mix = |from: f64, to: f64| (from + level * (to - from)).round() as u8;
    hex(mix(255.0, 20.0), mix(255.0, 60.0), mix(255.0, 140.0))
}

fn hex(r: u8, g: u8, b: u8) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_periodic_and_differ() {
        assert_eq!(of_phase(0.0), of_phase(TAU));
        assert_eq!(of_phase(-1.0), of_phase(TAU - 1.0));
        let all: Vec<String> = (0..12).map(|k| of_phase(f64::from(k) * TAU / 12.0)).collect();
        assert!((0..12).all(|i| (0..i).all(|j| all[i] != all[j])));
        assert_eq!(of_level(0.0), "#ffffff");
        assert_eq!(of_level(f64::NAN), "#ffffff");
    }
}
