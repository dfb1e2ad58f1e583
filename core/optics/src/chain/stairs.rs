//! Set points through converters: many at a time, where each is a closed form of its value.

use super::{
    converter::{Converter, Steps},
    levels::levels,
};
use blackbeam_netlist::circuit::{Curve, Rounding};
use std::f64::consts::{FRAC_1_PI, PI};

/// From a value to the nearest code and back, without chance and errors.
#[derive(Clone, Copy)]
pub(super) struct Stairs {
    steps: Steps,
    curve: Bend,
    effect: Effect,
}

/// A nominal curve that has an inverse in closed form.
#[derive(Clone, Copy)]
enum Bend {
    /// phase = drive
    Direct,
    /// phase = pi (drive / drive of pi)
    Linear { pi: f64 },
    /// phase = pi (drive / drive of pi)^2
    Square { pi: f64 },
}

/// What an actuator does.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Effect {
    Value,
    Drive,
    DriveSquared,
}

impl Stairs {
    /// None where codes depend on chance, err, or follow from a curve whose inverse is searched for.
    pub fn new(converter: &Converter, curve: &Curve, effect: Effect) -> Option<Self> {
        let curve = match *curve {
            Curve::Direct => Bend::Direct,
            Curve::Linear { pi } => Bend::Linear { pi },
            Curve::Square { pi } => Bend::Square { pi },
            Curve::Polynomial(_) | Curve::Table(_) => return None,
        };
        let nearest = converter.rounding() == Rounding::Nearest && !converter.bent();
        nearest.then_some(Stairs { steps: converter.steps, curve, effect })
    }
}

levels! {
    /// Values become what their codes stand for; `target` what those bring about.
    pub fn climb(stairs: Stairs, values: &mut [f64], target: &mut [f64]) = each_climbed;
}

#[inline(always)]
fn each_climbed(stairs: Stairs, values: &mut [f64], target: &mut [f64]) {
    let Stairs { steps, curve, effect } = stairs;
    let nominal = |drive: f64| steps.level(steps.nearest(drive));
    // One short loop after the other: each becomes vectors.
    match curve {
        Bend::Direct => {
            for (value, target) in values.iter_mut().zip(&mut *target) {
                *target = nominal(*value);
                *value = *target;
            }
        }
        Bend::Linear { pi } => {
            for (value, target) in values.iter_mut().zip(&mut *target) {
                *target = nominal(*value * (pi * FRAC_1_PI));
                *value = PI * (*target / pi);
            }
        }
        Bend::Square { pi } => {
            for (value, target) in values.iter_mut().zip(&mut *target) {
                let positive = if *value > 0.0 { *value } else { 0.0 };
                *target = nominal(pi * (positive * FRAC_1_PI).sqrt());
                let ratio = *target / pi;
                *value = PI * (ratio * ratio);
            }
        }
    }
    match effect {
        Effect::Value => target.copy_from_slice(values),
        Effect::Drive => {}
        Effect::DriveSquared => target.iter_mut().for_each(|drive| *drive *= *drive),
    }
}
