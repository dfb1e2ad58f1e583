//! From requested parameters to physical ones.
//!
//! requested -> admitted into the range -> slew limit -> inverse nominal curve -> DAC code -> *applied* (the code mapped
//! back by the nominal curve) -> what the code really gives (INL) -> times the gain of its actuator -> lag -> crosstalk ->
//! and then static offset, flicker and phase noise of the write are added. Errors of fabrication and drift belong to slots
//! and come after that. Gain and crosstalk act on what the actuator does (heat, voltage), static values on top of it:
//! phi = K (gain f(drive)), plus phi0; where a heater's curve is not linear in its power, phi = f(K (gain P)), plus phi0. A
//! block without an actuator, or whose actuator has no DAC, holds exactly what is asked.

use super::{
    converter::Converter,
    crosstalk::Kernel,
    curve,
    lag::{Configured, Settling},
    stairs::{Effect, Stairs, climb},
};
use crate::{
    keys::{Place, Places, Source, call_key, draw_all, runs},
    program::Spot,
    slots::targets,
};
use blackbeam_netlist::circuit::{Actuator, Circuit, Curve, Flicker};
use blackbeam_plugin::{Call, Key, PluginError, Result};
use std::{f64::consts::TAU, ops::Range};

/// What drives some parameters.
struct Drive {
    name: String,
    /// Its parameters: the blocks, one after the other.
    parameters: Vec<Range<usize>>,
    converter: Option<Converter>,
    curve: Curve,
    kernel: Option<Kernel>,
    /// Crosstalk mixes powers, not values.
    powers: bool,
    /// The power of a drive is its square.
    squared: bool,
    tau_s: f64,
    slew_per_s: f64,
    /// With its phase at time 0.
    flicker: Option<(Flicker, f64)>,
    phase_noise_std: f64,
    /// Neighbours among the places of its parameters: (first, number of them).
    runs: Vec<(usize, usize)>,
}

/// Buffers of one thread.
#[derive(Default)]
pub(crate) struct SetPointRoom {
    input: Vec<f64>,
    output: Vec<f64>,
}

/// The chain from set points to physical parameters of one device.
pub(crate) struct SetPoints {
    drives: Vec<Drive>,
    places: Vec<Place>,
    gain: Vec<f64>,
    offset: Vec<f64>,
    /// Not all gains are 1; not all offsets are 0.
    gained: bool,
    shifted: bool,
    rounding: Key,
    phase_noise: Key,
    pub settling: Settling,
}

/// Which parameters a block holds, counted over all blocks in the order of the circuit.
pub(crate) fn ranges(circuit: &Circuit) -> Vec<Range<usize>> {
    let mut first = 0;
    let range = |count: usize| {
        first += count;
        first - count..first
    };
    circuit.parameters.iter().map(|b| b.names.len()).map(range).collect()
}

/// The place of each parameter: that of the first slot that it sets.
pub(crate) fn parameter_places(circuit: &Circuit, places: &Places) -> Vec<Place> {
    let of = |block, k| targets(block, k).first().map_or(Place { path: 0, element: k as u64 }, |&s| places.of(s));
    circuit.parameters.iter().flat_map(|b| (0..b.names.len()).map(move |k| of(b, k))).collect()
}

impl SetPoints {
    /// `spots`: where each parameter stands.
    ///
    /// # Errors
    /// `SETTINGS` for actuators that cannot be.
    pub fn new(circuit: &Circuit, spots: &[Spot], places: &Places, seed: u64) -> Result<Self> {
        let root = Key::new(seed);
        let device = root.named("actuator");
        let ranges = ranges(circuit);
        let count = spots.len();
        let mut this = SetPoints {
            drives: Vec::with_capacity(circuit.actuators.len()),
            places: parameter_places(circuit, places),
            gain: vec![1.0; count],
            offset: vec![0.0; count],
            gained: false,
            shifted: false,
            rounding: root.named("parameter rounding"),
            phase_noise: root.named("phase noise"),
            settling: Settling { tau_s: Vec::new(), charged: (0.0, 0.0) },
        };
        let mut driven = vec![false; ranges.len()];
        for actuator in &circuit.actuators {
            for &index in &actuator.drives {
                let fresh = driven.get_mut(index).is_some_and(|d| !std::mem::replace(d, true));
                if !fresh {
                    let message = format!("drives block {index}, which is not there or driven twice");
                    return Err(PluginError::settings(format!("actuator `{}` {message}", actuator.name)));
                }
            }
            let mine: Vec<Range<usize>> = actuator.drives.iter().map(|&i| ranges[i].clone()).collect();
            for range in &mine {
                let places = &this.places[range.clone()];
                let (gains, offsets) = (&mut this.gain[range.clone()], &mut this.offset[range.clone()]);
                gains.copy_from_slice(&draw_all(actuator.gain, device.named("gain"), places));
                offsets.copy_from_slice(&draw_all(actuator.offset, device.named("offset"), places));
            }
            let mine_spots: Vec<Spot> = mine.iter().cloned().flatten().map(|i| spots[i]).collect();
            let ranked = actuator.drives.iter().any(|&i| circuit.parameters[i].grid.is_empty());
            let mut drive = Drive::new(actuator, mine, &mine_spots, ranked, device.named(&actuator.name))?;
            for range in &drive.parameters {
                let of_block = runs(&this.places[range.clone()]).into_iter();
                drive.runs.extend(of_block.map(|(first, len)| (range.start + first, len)));
            }
            this.drives.push(drive);
        }
        if this.gain.iter().chain(&this.offset).any(|v| !v.is_finite()) {
            return Err(PluginError::settings("a gain or an offset of an actuator is not finite"));
        }
        this.gained = this.gain.iter().any(|&g| g != 1.0);
        this.shifted = this.offset.iter().any(|&o| o != 0.0);
        if this.drives.iter().any(|d| d.tau_s > 0.0) {
            this.settling.tau_s = vec![0.0; count];
            for drive in &this.drives {
                drive.all().for_each(|i| this.settling.tau_s[i] = drive.tau_s);
            }
        }
        Ok(this)
    }

    /// True if what a write leaves depends on the one before it.
    pub fn remembers(&self) -> bool {
        self.drives.iter().any(|d| d.slew_per_s.is_finite())
    }

    /// What the converters hold and the actuators do when `next.applied` (admitted, of all parameters) is written after
    /// `last`. `stuck` parameters stay where they are.
    pub fn configure(&self, call: &Call, last: Option<&Configured>, stuck: &[usize], next: &mut Configured) {
        let Configured { applied: values, target, .. } = next;
        if let Some(last) = last {
            let dt = (call.time_s - last.call.time_s).max(0.0);
            for drive in self.drives.iter().filter(|d| d.slew_per_s.is_finite()) {
                let most = drive.slew_per_s * dt;
                drive.all().for_each(|i| values[i] = values[i].max(last.applied[i] - most).min(last.applied[i] + most));
            }
        }
        let converted = self.drives.iter().filter(|d| d.converter.is_some()).flat_map(|d| &d.parameters);
        if converted.map(Range::len).sum::<usize>() == values.len() {
            // All of them follow.
            target.resize(values.len(), 0.0);
        } else {
            target.clone_from(values);
        }
        for drive in &self.drives {
            match &drive.converter {
                None if !drive.powers => {}
                None => drive.all().for_each(|i| target[i] = drive.effect(values[i])),
                Some(converter) => self.convert(drive, converter, call, (values, target)),
            }
        }
        if self.gained {
            target.iter_mut().zip(&self.gain).for_each(|(t, gain)| *t *= gain);
        }
        for &i in stuck {
            if let (Some(last), Some(_)) = (last, values.get(i)) {
                (values[i], target[i]) = (last.applied[i], last.target[i]);
            }
        }
        next.from.clear();
        (next.change, next.call) = (0.0, *call);
    }

    /// From what is asked for to what the codes stand for, and what they bring about.
    fn convert(&self, drive: &Drive, converter: &Converter, call: &Call, (values, target): (&mut [f64], &mut [f64])) {
        let bent = converter.bent();
        if let Some(stairs) = drive.stairs(converter) {
            for range in &drive.parameters {
                climb(stairs, &mut values[range.clone()], &mut target[range.clone()]);
            }
            return;
        }
        let chance = converter.stochastic().then(|| call_key(self.rounding, call));
        let mut chances = chance.map(Source::new);
        for i in drive.all() {
            let Place { path, element } = self.places[i];
            let chance = chances.as_mut().map_or(0.0, |source| source.at(path).uniform(element));
            let wanted = curve::drive(&drive.curve, values[i], (converter.steps.min, converter.steps.max));
            let code = converter.code(wanted, chance);
            let nominal = converter.level(code);
            values[i] = curve::phase(&drive.curve, nominal);
            let real = if bent { converter.actual(converter.channel(self.places[i]), code) } else { nominal };
            target[i] = match (drive.powers, bent) {
                (true, _) => drive.power(real),
                (false, true) => curve::phase(&drive.curve, real),
                (false, false) => values[i],
            };
        }
    }

    /// What the actuators do without converters: for exact derivatives.
    pub fn effect(&self, applied: &[f64]) -> Vec<f64> {
        let mut target = applied.to_vec();
        self.drives.iter().for_each(|d| d.all().for_each(|i| target[i] = d.effect(applied[i])));
        target.iter_mut().zip(&self.gain).for_each(|(t, gain)| *t *= gain);
        target
    }

    /// Physical parameters of a configuration at a time, with the phase noise of its write.
    pub fn at(&self, configured: &Configured, time_s: f64, values: &mut Vec<f64>, room: &mut SetPointRoom) {
        self.settling.state(configured, time_s, values);
        self.bring(time_s, values, room);
        for drive in self.drives.iter().filter(|d| d.phase_noise_std > 0.0) {
            let mut source = Source::new(call_key(self.phase_noise, &configured.call));
            for &(first, len) in &drive.runs {
                let Place { path, element } = self.places[first];
                source.at(path).add_normal(element, drive.phase_noise_std, &mut values[first..first + len]);
            }
        }
    }

    /// From what the actuators do to physical parameters at a time, without noise.
    pub fn physical(&self, state: &[f64], time_s: f64) -> Vec<f64> {
        let mut values = state.to_vec();
        self.bring(time_s, &mut values, &mut SetPointRoom::default());
        values
    }

    /// Crosstalk, flicker and static offsets.
    fn bring(&self, time_s: f64, values: &mut [f64], room: &mut SetPointRoom) {
        for drive in &self.drives {
            if let Some(kernel) = &drive.kernel {
                drive.mix(values, room, |input, out| kernel.apply(input, out));
            }
            if drive.powers {
                drive.all().for_each(|i| values[i] = curve::phase(&drive.curve, drive.drive_of_power(values[i])));
            }
            if let Some((flicker, phase)) = &drive.flicker {
                let added = flicker.amplitude * (TAU * (flicker.frequency_hz * time_s).fract() + phase).sin();
                for range in &drive.parameters {
                    values[range.clone()].iter_mut().for_each(|v| *v += added);
                }
            }
        }
        if self.shifted {
            values.iter_mut().zip(&self.offset).for_each(|(v, offset)| *v += offset);
        }
    }

    /// The adjoint of [`effect`](SetPoints::effect) and [`physical`](SetPoints::physical): dL/dphysical in, dL/dapplied out.
    pub fn pull(&self, applied: &[f64], gradient: &mut [f64]) {
        let (effect, mut room) = (self.effect(applied), SetPointRoom::default());
        for drive in &self.drives {
            if drive.powers {
                let mut powers = effect.clone();
                if let Some(kernel) = &drive.kernel {
                    drive.mix(&mut powers, &mut room, |input, out| kernel.apply(input, out));
                }
                drive.all().for_each(|i| {
                    let v = drive.drive_of_power(powers[i]);
                    let slope = drive.power_slope(v);
                    gradient[i] *= if slope > 0.0 { curve::slope(&drive.curve, v) / slope } else { 0.0 };
                });
            }
            if let Some(kernel) = &drive.kernel {
                drive.mix(gradient, &mut room, |input, out| kernel.apply_transposed(input, out));
            }
            if drive.powers {
                drive.all().for_each(|i| {
                    let v = drive.drive(applied[i]);
                    let slope = curve::slope(&drive.curve, v);
                    gradient[i] *= if slope > 0.0 { drive.power_slope(v) / slope } else { 0.0 };
                });
            }
        }
        gradient.iter_mut().zip(&self.gain).for_each(|(g, gain)| *g *= gain);
    }

    /// The largest step between neighbouring codes that hold values of `range`, for the parameters of a block; 0 without a
    /// converter.
    pub fn resolution(&self, block: &Range<usize>, range: (f64, f64)) -> f64 {
        self.drives.iter().find(|d| d.parameters.contains(block)).map_or(0.0, |d| d.resolution(range))
    }

    /// True if all values are just what their parameters say, but for rounding and what is added to them.
    pub fn independent(&self) -> bool {
        self.local() && self.gain.iter().all(|&g| g == 1.0)
    }

    /// True if a write brings about nothing but what it asks: each parameter acts on its own value alone, whenever it is
    /// written.
    pub fn alone(&self) -> bool {
        let still = |d: &Drive| {
            let certain = d.converter.as_ref().is_none_or(|c| !c.stochastic());
            certain && d.flicker.is_none() && d.phase_noise_std == 0.0
        };
        self.local() && self.drives.iter().all(still)
    }

    /// True if parameters only act on their own value.
    pub fn local(&self) -> bool {
        self.drives.iter().all(|d| d.kernel.is_none())
    }

    /// What is in force, for people: one line an actuator.
    pub fn explain(&self) -> Vec<String> {
        self.drives.iter().filter_map(Drive::explain).collect()
    }

    /// The curve and the drive (volts, watts, ...) that hold a value of a parameter, where there is an actuator.
    pub fn drive_of(&self, parameter: usize, value: f64) -> Option<(&Curve, f64)> {
        let drive = self.drives.iter().find(|d| d.parameters.iter().any(|r| r.contains(&parameter)))?;
        Some((&drive.curve, drive.drive(value)))
    }
}

impl Drive {
    fn new(actuator: &Actuator, parameters: Vec<Range<usize>>, spots: &[Spot], ranked: bool, key: Key) -> Result<Self> {
        let what = format!("actuator `{}`", actuator.name);
        let converter = actuator.dac.as_ref().map(|dac| Converter::new(&what, dac, key)).transpose()?;
        if let Some(c) = &converter {
            let (low, high) = (curve::phase(&actuator.curve, c.steps.min), curve::phase(&actuator.curve, c.steps.max));
            let falls = c.steps.min < 0.0 && matches!(actuator.curve, Curve::Square { .. });
            if falls || !(low.is_finite() && high.is_finite() && low < high) {
                let message =
                    format!("{what}: its curve does not increase all the way from {} to {}", c.steps.min, c.steps.max);
                return Err(PluginError::settings(message));
            }
        }
        let times = [actuator.tau_s, actuator.phase_noise_std];
        if times.iter().any(|v| !(v.is_finite() && *v >= 0.0))
            || actuator.slew_per_s.is_nan()
            || actuator.slew_per_s < 0.0
        {
            return Err(PluginError::settings(format!("{what}: a time constant, slew rate or noise below 0")));
        }
        // Where the curve is linear in the power, mixing values and mixing powers are the same.
        let squared = actuator.drive_squared;
        let curved = match actuator.curve {
            Curve::Square { .. } => !squared,
            Curve::Direct | Curve::Linear { .. } => squared,
            Curve::Polynomial(_) | Curve::Table(_) => true,
        };
        let powers = actuator.crosstalk_in_power && actuator.crosstalk.is_some() && curved;
        if powers && converter.as_ref().is_none_or(|c| c.steps.min < 0.0) {
            let message = "crosstalk of powers needs a `dac` whose range starts at 0 or above";
            return Err(PluginError::settings(format!("{what}: {message}")));
        }
        Ok(Drive {
            name: actuator.name.clone(),
            parameters,
            converter,
            curve: actuator.curve.clone(),
            kernel: actuator.crosstalk.as_ref().map(|c| Kernel::new(c, spots, ranked)).transpose()?,
            powers,
            squared,
            tau_s: if actuator.lags { actuator.tau_s } else { 0.0 },
            slew_per_s: actuator.slew_per_s,
            flicker: actuator.flicker.map(|f| (f, TAU * key.named("flicker").uniform(0))),
            phase_noise_std: actuator.phase_noise_std,
            runs: Vec::new(),
        })
    }

    fn all(&self) -> impl Iterator<Item = usize> + use<> {
        self.parameters.clone().into_iter().flatten()
    }

    /// The drive for a value by the nominal curve.
    fn drive(&self, value: f64) -> f64 {
        let range = self.converter.as_ref().map_or((f64::NEG_INFINITY, f64::INFINITY), |c| (c.steps.min, c.steps.max));
        if self.converter.is_none() && matches!(self.curve, Curve::Polynomial(_)) {
            // No range to search in; nothing needs it.
            return f64::NAN;
        }
        curve::drive(&self.curve, value, range)
    }

    /// What the actuator does for a value: the value itself, or its power.
    fn effect(&self, value: f64) -> f64 {
        if self.powers { self.power(self.drive(value)) } else { value }
    }

    fn power(&self, drive: f64) -> f64 {
        if self.squared { drive * drive } else { drive }
    }

    fn drive_of_power(&self, power: f64) -> f64 {
        if self.squared { power.max(0.0).sqrt() } else { power }
    }

    /// dpower/ddrive.
    fn power_slope(&self, drive: f64) -> f64 {
        if self.squared { 2.0 * drive } else { 1.0 }
    }

    fn resolution(&self, (low, high): (f64, f64)) -> f64 {
        let Some(c) = &self.converter else { return 0.0 };
        let code = |phase| c.code(curve::drive(&self.curve, phase, (c.steps.min, c.steps.max)), 0.0) as u32;
        let at = |code: u32| curve::phase(&self.curve, c.level(f64::from(code)));
        (code(low)..code(high)).map(|k| at(k + 1) - at(k)).fold(0.0, f64::max)
    }

    fn mix(&self, values: &mut [f64], room: &mut SetPointRoom, apply: impl Fn(&[f64], &mut [f64])) {
        let SetPointRoom { input, output } = room;
        input.clear();
        if let ([first, ..], [.., last]) = (&self.parameters[..], &self.parameters[..])
            && self.parameters.is_sorted_by(|a, b| a.end == b.start)
        {
            let mine = &mut values[first.start..last.end];
            input.extend_from_slice(mine);
            return apply(input, mine);
        }
        self.parameters.iter().for_each(|range| input.extend_from_slice(&values[range.clone()]));
        output.resize(input.len(), 0.0);
        apply(input, output);
        let mut rest = &output[..];
        for range in &self.parameters {
            let (mine, others) = rest.split_at(range.len());
            values[range.clone()].copy_from_slice(mine);
            rest = others;
        }
    }

    /// The way through the converter as a closed form, where there is one.
    fn stairs(&self, converter: &Converter) -> Option<Stairs> {
        let effect = match (self.powers, self.squared) {
            (false, _) => Effect::Value,
            (true, false) => Effect::Drive,
            (true, true) => Effect::DriveSquared,
        };
        Stairs::new(converter, &self.curve, effect)
    }

    /// What is wrong with it; None if nothing is.
    fn explain(&self) -> Option<String> {
        let mut parts: Vec<String> = Vec::new();
        if let Some(c) = &self.converter {
            parts.push(format!("DAC of {} levels from {} to {}", c.steps.top + 1.0, c.steps.min, c.steps.max));
            if c.bent() {
                parts.push("integral non-linearity".into());
            }
        }
        if self.kernel.is_some() {
            parts.push(format!("crosstalk of {}", if self.powers { "powers" } else { "values" }));
        }
        if self.tau_s > 0.0 {
            parts.push(format!("lag of {:e} s", self.tau_s));
        }
        if self.slew_per_s.is_finite() {
            parts.push(format!("at most {:e} per second", self.slew_per_s));
        }
        if let Some((flicker, _)) = &self.flicker {
            parts.push(format!("flicker of {} at {} Hz", flicker.amplitude, flicker.frequency_hz));
        }
        if self.phase_noise_std > 0.0 {
            parts.push(format!("error of {} at every write", self.phase_noise_std));
        }
        (!parts.is_empty()).then(|| format!("actuator `{}`: {}", self.name, parts.join(", ")))
    }
}
