//! From requested parameters to physical phases.
//!
//! requested -> admitted into the range -> inverse nominal curve -> DAC code -> *applied* (the code mapped back by the
//! nominal curve) -> times the gain of its actuator -> crosstalk -> + static offset + fabrication error + phase noise of
//! the write. Drift comes after that, at the time of a query. Gain and crosstalk act on what the actuator does (heat,
//! voltage), static phases on top of it: phi = K (gain f(drive)) + phi0. A block without an actuator, or whose actuator
//! has no DAC, holds exactly what is asked. Settling is charged by the device clock, so a query sees settled phases.

use crate::{
    converter::Converter,
    crosstalk::Kernel,
    curve,
    fabrication::Fabrication,
    keys::{call_key, draw},
    program::{Place, Program},
};
use blackbeam_netlist::circuit::{Actuator, Circuit, Curve, ParameterKind, Quantity};
use blackbeam_plugin::{Call, Key, PluginError, Result};
use std::ops::Range;

/// One block of parameters of the circuit, with where its phases stand for the program.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub kind: ParameterKind,
    /// Phases of the block, in the program's order.
    pub phases: Range<usize>,
    /// Index into `Circuit::parameters`.
    pub index: usize,
}

/// What drives some blocks.
struct Drive {
    blocks: Vec<Range<usize>>,
    converter: Option<Converter>,
    curve: Curve,
    kernel: Option<Kernel>,
    phase_noise_std: f64,
}

/// The chain from set points to phases of one device.
pub(crate) struct SetPoints {
    drives: Vec<Drive>,
    gain: Vec<f64>,
    offset: Vec<f64>,
    rounding: Key,
    phase_noise: Key,
}

/// Finds the blocks that a program needs, in the order of the circuit.
///
/// # Errors
/// `SETTINGS` if one is missing, is there twice, or has the wrong length.
pub(crate) fn blocks(circuit: &Circuit, program: &dyn Program) -> Result<Vec<Block>> {
    let mut found = Vec::new();
    let mut start = 0;
    for need in program.needs() {
        let of_kind = |(_, b): &(usize, &blackbeam_netlist::circuit::ParameterBlock)| b.kind == need.kind;
        let mut matching = circuit.parameters.iter().enumerate().filter(of_kind);
        let Some((index, block)) = matching.next() else {
            return Err(PluginError::settings(format!("the circuit has no block of {:?} parameters", need.kind)));
        };
        if block.names.len() != need.count || matching.next().is_some() {
            return Err(PluginError::settings(format!(
                "a block of {} {:?} parameters, expected exactly one block of {}",
                block.names.len(),
                need.kind,
                need.count
            )));
        }
        found.push(Block { kind: need.kind, phases: start..start + need.count, index });
        start += need.count;
    }
    if found.len() != circuit.parameters.len() {
        return Err(PluginError::settings("the circuit has parameters that its component does not take"));
    }
    found.sort_by_key(|b| b.index);
    Ok(found)
}

impl SetPoints {
    pub fn new(
        circuit: &Circuit,
        program: &dyn Program,
        blocks: &[Block],
        fabrication: &Fabrication,
        seed: u64,
    ) -> Result<Self> {
        let count: usize = blocks.iter().map(|b| b.phases.len()).sum();
        let device = Key::new(seed).named("actuator");
        let mut gain = vec![1.0; count];
        let mut offset = fabrication.values(Quantity::Phase, &vec![0.0; count])?;
        let mut drives = Vec::with_capacity(circuit.actuators.len());
        let mut driven = vec![false; blocks.len()];
        for actuator in &circuit.actuators {
            let mut mine = Vec::with_capacity(actuator.drives.len());
            for &index in &actuator.drives {
                let fresh = driven.get_mut(index).is_some_and(|d| !std::mem::replace(d, true));
                if !fresh {
                    let message = format!("drives block {index}, which is not there or driven twice");
                    return Err(PluginError::settings(format!("actuator `{}` {message}", actuator.name)));
                }
                mine.push(&blocks[index]);
            }
            for block in &mine {
                let (gains, offsets) =
                    (device.named("gain").with(block.kind as u64), device.named("offset").with(block.kind as u64));
                for (i, phase) in block.phases.clone().enumerate() {
                    gain[phase] = draw(actuator.gain, gains, i as u64);
                    offset[phase] += draw(actuator.offset, offsets, i as u64);
                }
            }
            drives.push(Drive::new(actuator, program, &mine)?);
        }
        if gain.iter().chain(&offset).any(|v| !v.is_finite()) {
            return Err(PluginError::settings("a gain or an offset of an actuator is not finite"));
        }
        let root = Key::new(seed);
        Ok(SetPoints {
            drives,
            gain,
            offset,
            rounding: root.named("parameter rounding"),
            phase_noise: root.named("phase noise"),
        })
    }

    /// Replaces the admitted phases by those that the converters can hold.
    pub fn quantise(&self, phases: &mut [f64], call: &Call) {
        for drive in &self.drives {
            let Some(converter) = &drive.converter else { continue };
            let chance = converter.stochastic().then(|| call_key(self.rounding, call));
            for block in &drive.blocks {
                for i in block.clone() {
                    let chance = chance.map_or(0.0, |key| key.uniform(i as u64));
                    phases[i] = drive.hold(converter, phases[i], chance);
                }
            }
        }
    }

    /// From phases that are held to physical ones, without drift. `scratch` is of the same length.
    pub fn physical(&self, phases: &mut [f64], scratch: &mut [f64], call: &Call) {
        phases.iter_mut().zip(&self.gain).for_each(|(p, gain)| *p *= gain);
        for drive in &self.drives {
            if let Some(kernel) = &drive.kernel {
                drive.mix(kernel, phases, scratch);
            }
        }
        phases.iter_mut().zip(&self.offset).for_each(|(p, offset)| *p += offset);
        for drive in self.drives.iter().filter(|d| d.phase_noise_std > 0.0) {
            let key = call_key(self.phase_noise, call);
            for block in &drive.blocks {
                key.add_normal(block.start as u64, drive.phase_noise_std, &mut phases[block.clone()]);
            }
        }
    }

    /// The largest step, in radians, between neighbouring codes that hold phases of `range`; 0 without a converter.
    pub fn resolution(&self, block: &Block, range: (f64, f64)) -> f64 {
        let drive = self.drives.iter().find(|d| d.blocks.contains(&block.phases));
        drive.map_or(0.0, |d| d.resolution(range))
    }

    /// True if all phases are just what their parameters say, but for rounding and what is added to them.
    pub fn independent(&self) -> bool {
        self.drives.iter().all(|d| d.kernel.is_none()) && self.gain.iter().all(|&g| g == 1.0)
    }

    /// True if parameters only act on their own phase.
    pub fn local(&self) -> bool {
        self.drives.iter().all(|d| d.kernel.is_none())
    }
}

impl Drive {
    fn new(actuator: &Actuator, program: &dyn Program, blocks: &[&Block]) -> Result<Self> {
        let what = format!("actuator `{}`", actuator.name);
        let converter = actuator.dac.as_ref().map(|dac| Converter::new(&what, dac)).transpose()?;
        if let Some(c) = &converter {
            let (low, high) = (curve::phase(&actuator.curve, c.min), curve::phase(&actuator.curve, c.max));
            let falls = c.min < 0.0 && matches!(actuator.curve, Curve::Square { .. });
            if falls || !(low.is_finite() && high.is_finite() && low < high) {
                let message = format!("{what}: its curve does not increase all the way from {} to {}", c.min, c.max);
                return Err(PluginError::settings(message));
            }
        }
        let places: Vec<Place> =
            blocks.iter().flat_map(|b| (0..b.phases.len()).map(|i| program.place(b.kind, i))).collect();
        Ok(Drive {
            blocks: blocks.iter().map(|b| b.phases.clone()).collect(),
            converter,
            curve: actuator.curve.clone(),
            kernel: actuator.crosstalk.map(|c| Kernel::new(c, &places)).transpose()?,
            phase_noise_std: actuator.phase_noise_std,
        })
    }

    /// The phase that the converter holds when it is asked for `phase`.
    fn hold(&self, converter: &Converter, phase: f64, chance: f64) -> f64 {
        let drive = curve::drive(&self.curve, phase, (converter.min, converter.max));
        curve::phase(&self.curve, converter.convert(drive, chance))
    }

    fn resolution(&self, (low, high): (f64, f64)) -> f64 {
        let Some(c) = &self.converter else { return 0.0 };
        let code = |phase| c.code(curve::drive(&self.curve, phase, (c.min, c.max)), 0.0) as u32;
        let at = |code: u32| curve::phase(&self.curve, c.level(f64::from(code)));
        (code(low)..code(high)).map(|k| at(k + 1) - at(k)).fold(0.0, f64::max)
    }

    fn mix(&self, kernel: &Kernel, phases: &mut [f64], scratch: &mut [f64]) {
        let count: usize = self.blocks.iter().map(Range::len).sum();
        let (input, out) = scratch.split_at_mut(count);
        let mut start = 0;
        for block in &self.blocks {
            input[start..start + block.len()].copy_from_slice(&phases[block.clone()]);
            start += block.len();
        }
        kernel.apply(input, &mut out[..count]);
        start = 0;
        for block in &self.blocks {
            phases[block.clone()].copy_from_slice(&out[start..start + block.len()]);
            start += block.len();
        }
    }
}
