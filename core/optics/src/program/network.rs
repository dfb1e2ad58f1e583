//! Everything that is not one generator or free space: a scattering solve of the whole circuit.
//!
//! Instances are blocks of a scattering plan; generators among them keep their own fast loops. Extra losses and phases are
//! factors on a block; reflections are mirrors between a port and what it is joined to. Wavelengths are lanes of one solve.

use super::{
    Choice, Field, Linear,
    blocks::{Blocks, Numbers, What},
    single::read_ports,
};
use crate::{fabrication::Fabrication, slots::Slots};
use blackbeam_netlist::circuit::{Circuit, DriftTarget, EncodingMode, EventKind, Port, Quantity, Solver};
use blackbeam_plugin::{Code, PluginError, Result, structure};
use blackbeam_scattering::{self as scattering, Direction, Method, Output, Plan, Structure};
use num_complex::Complex64;
use std::sync::Mutex;

/// Most complex numbers that a solve holds: 2 GiB.
const MAX_VALUES: usize = 1 << 27;

/// Which wave at a port of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wave {
    /// The one that leaves the instance.
    Leaving(Port),
    /// The one that enters it.
    Entering(Port),
}

/// A compiled circuit.
pub(crate) struct Network {
    plan: Plan,
    blocks: Blocks,
    paths: Vec<String>,
    wavelengths: Vec<f64>,
    /// One input, whose channels carry the numbers.
    per_channel: bool,
    passive: bool,
    reciprocal: bool,
    room: Mutex<Vec<Room>>,
}

/// Buffers of one thread.
#[derive(Default)]
struct Room {
    work: scattering::Workspace,
    wavelengths: Vec<f64>,
    numbers: Numbers,
    values: Vec<Complex64>,
    out: Vec<Complex64>,
}

/// Slots that can change while a device is open.
pub(crate) fn moving(circuit: &Circuit, slots: &Slots) -> Vec<bool> {
    let driven = circuit.parameters.iter().flat_map(|b| &b.slots);
    let drifting = circuit.drift.iter().flat_map(|d| match &d.target {
        DriftTarget::Slots { slots, .. } => slots.as_slice(),
        _ => &[],
    });
    let jumping = circuit.events.iter().flat_map(|e| match &e.what {
        EventKind::Relock { slots, .. } => slots.as_slice(),
        _ => &[],
    });
    slots.with_computed(driven.chain(drifting).chain(jumping).copied())
}

impl Network {
    /// The program between the ports that are lit and those that are read.
    ///
    /// # Errors
    /// `SETTINGS` for a circuit that cannot be solved or cannot be driven as it says.
    pub fn device(circuit: &Circuit, fabrication: &Fabrication<'_>, slots: &Slots) -> Result<(Self, Choice)> {
        let port = |&p: &usize| {
            let missing = || PluginError::settings("the encoding or the readout names a port that is not there");
            circuit.ports.get(p).map(|o| o.port).ok_or_else(missing)
        };
        let encoding = circuit.encoding.as_ref();
        let inputs: Vec<Port> = encoding.map_or(&[][..], |e| &e.ports).iter().map(port).collect::<Result<_>>()?;
        let outputs: Vec<Port> = read_ports(circuit).iter().map(port).collect::<Result<_>>()?;
        let per_channel = encoding.is_some_and(|e| e.per_channel);
        let count = circuit.environment.wavelengths_um.len();
        let wrong = if per_channel && inputs.len() != 1 {
            Some("`per: channel` sends all numbers into one port, one on each WDM channel".into())
        } else if circuit.environment.channels && !per_channel {
            Some("WDM channels carry one number each: say `per: channel` in the encoding".into())
        } else if !per_channel && count != 1 {
            Some(format!("a device that is queried has one wavelength or WDM channels, not a sweep of {count}"))
        } else if per_channel && encoding.is_some_and(|e| e.mode != EncodingMode::Intensity) {
            Some("WDM channels carry powers: `mode: intensity`".into())
        } else {
            None
        };
        if let Some(wrong) = wrong {
            return Err(PluginError::settings(wrong));
        }
        let rows = outputs.into_iter().map(Wave::Leaving).collect::<Vec<_>>();
        let mut network = Self::between(circuit, fabrication, slots, &inputs, &rows)?;
        network.per_channel = per_channel;
        let choice = network.choice(circuit);
        Ok((network, choice))
    }

    /// The program from inputs to waves, at all wavelengths of the circuit.
    ///
    /// # Errors
    /// As [`device`](Network::device).
    pub fn between(
        circuit: &Circuit,
        fabrication: &Fabrication<'_>,
        slots: &Slots,
        inputs: &[Port],
        rows: &[Wave],
    ) -> Result<Self> {
        let wavelengths = circuit.environment.wavelengths_um.clone();
        if wavelengths.is_empty() || wavelengths.iter().any(|wl| !(wl.is_finite() && *wl > 0.0)) {
            return Err(PluginError::settings("the circuit has no wavelength"));
        }
        held(inputs.len().saturating_mul(rows.len()), wavelengths.len(), "pairs of ports")?;
        let moving = moving(circuit, slots);
        let values = slots.at_start(circuit);
        let mut blocks = Blocks::default();
        let mut paths = Vec::new();
        for (index, instance) in circuit.instances.iter().enumerate() {
            blocks.add(circuit, index, fabrication, (&values, &moving), &wavelengths)?;
            held(blocks.entries.len(), wavelengths.len(), "numbers inside of the components")?;
            paths.push(instance.path.clone());
        }
        let (faces, links) = faces(circuit, fabrication, &mut blocks, &mut paths)?;
        let outer = |port: &Port| {
            let face = faces.get(port.instance).and_then(|f| f.get(port.port));
            face.copied().ok_or_else(|| PluginError::settings("a link or a port names a port that is not there"))
        };
        let inner = |port: &Port| scattering::Port { block: port.instance, port: port.port };
        let mut structure = Structure {
            blocks: blocks.all.iter().map(|b| b.inputs + b.outputs).collect(),
            entries: blocks.entries.clone(),
            links,
            inputs: inputs.iter().map(outer).collect::<Result<_>>()?,
            outputs: Vec::with_capacity(rows.len()),
        };
        for [a, b] in &circuit.links {
            structure.links.push([outer(a)?, outer(b)?]);
        }
        let joined = |port: &Port| circuit.links.iter().any(|[a, b]| a == port || b == port);
        for row in rows {
            structure.outputs.push(match row {
                // Inside, waves are those of the instance itself; outside, those behind its mirrors.
                Wave::Leaving(port) if joined(port) => Output::leaving(inner(port)),
                Wave::Leaving(port) => Output::leaving(outer(port)?),
                Wave::Entering(port) => Output { port: inner(port), wave: Direction::Incoming },
            });
        }
        let method = match circuit.solver {
            Solver::Auto => Method::Auto,
            Solver::Feedforward => Method::Feedforward,
            Solver::Cascade => Method::Cascade,
            Solver::Sparse => Method::Sparse,
            Solver::Dense => Method::Dense,
        };
        blocks.lay_out(wavelengths.len());
        let passive = blocks.all.iter().all(|b| b.passive());
        let reciprocal = blocks.all.iter().all(|b| b.reciprocal());
        let plan = if reciprocal { Plan::reciprocal(&structure, method) } else { Plan::new(&structure, method) };
        let plan = plan.map_err(|e| PluginError::settings(named(&e, &paths)))?;
        let room = Mutex::new(Vec::new());
        Ok(Network { plan, blocks, paths, wavelengths, per_channel: false, passive, reciprocal, room })
    }

    /// `out[(lane * outputs + output) * inputs + input]` for the values of all slots.
    ///
    /// # Errors
    /// `NONFINITE` where light has no steady state.
    pub fn solve(&self, slots: &[f64], shift_um: f64, out: &mut Vec<Complex64>) -> Result<()> {
        self.with_room(|room| self.solve_in(slots, shift_um, room, out))
    }

    fn solve_in(&self, slots: &[f64], shift_um: f64, room: &mut Room, out: &mut Vec<Complex64>) -> Result<()> {
        self.compute(slots, shift_um, room)?;
        let lanes = self.wavelengths.len();
        // All of it is written.
        out.resize(self.plan.inputs() * self.plan.outputs() * lanes, Complex64::ZERO);
        let values = self.blocks.values(&room.numbers);
        self.plan.solve_apart(values, lanes, out, &mut room.work).map_err(|e| self.failed(&e))
    }

    /// The instances that light has met when it comes to some of the waves.
    pub fn met(&self, rows: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let mut blocks: Vec<usize> =
            self.plan.dependencies(rows).into_iter().map(|entry| self.blocks.entries[entry].block).collect();
        blocks.sort_unstable();
        blocks.dedup();
        blocks
    }

    /// The values of all entries of the blocks.
    fn compute(&self, slots: &[f64], shift_um: f64, room: &mut Room) -> Result<()> {
        room.wavelengths.clear();
        room.wavelengths.extend(self.wavelengths.iter().map(|wl| wl + shift_um));
        self.blocks.compute(slots, &room.wavelengths, &mut room.numbers)
    }

    /// The adjoint of a solve: adds dL/dslots. `cotangent[(output * inputs + input) * lanes + lane]`
    ///
    /// # Errors
    /// As [`solve`](Network::solve).
    pub fn solve_adjoint(
        &self,
        slots: &[f64],
        shift_um: f64,
        cotangent: &[Complex64],
        dslots: &mut [f64],
    ) -> Result<()> {
        self.with_room(|room| {
            self.compute(slots, shift_um, room)?;
            self.blocks.together(&room.numbers, &mut room.values);
            room.out.resize(room.values.len(), Complex64::ZERO);
            let lanes = self.wavelengths.len();
            let done = self.plan.adjoint(&room.values, lanes, cotangent, &mut room.out, &mut room.work);
            done.map_err(|e| self.failed(&e))?;
            self.blocks.pull(slots, &room.wavelengths, &room.out, dslots);
            Ok(())
        })
    }

    fn with_room<T>(&self, work: impl FnOnce(&mut Room) -> Result<T>) -> Result<T> {
        let taken = self.room.lock().unwrap_or_else(|e| e.into_inner()).pop();
        let mut room = taken.unwrap_or_default();
        let done = work(&mut room);
        self.room.lock().unwrap_or_else(|e| e.into_inner()).push(room);
        done
    }

    fn failed(&self, error: &scattering::Error) -> PluginError {
        PluginError::new(Code::NONFINITE, named(error, &self.paths))
    }

    /// What was chosen, for people.
    pub fn choice(&self, circuit: &Circuit) -> Choice {
        let parts = self.plan.parts();
        let names = |blocks: &[usize]| {
            let first: Vec<&str> = blocks.iter().take(4).map(|&b| self.paths[b].as_str()).collect();
            format!("{}{}", first.join(", "), if blocks.len() > 4 { ", .." } else { "" })
        };
        let mut lines = vec![format!(
            "{} of {} waves are needed, {} of them swept along the light",
            parts.needed, parts.waves, parts.swept
        )];
        for l in parts.loops.iter().take(8) {
            lines.push(format!("{} waves of {}: {} ({})", l.waves, names(&l.blocks), l.solver, l.why));
        }
        if parts.loops.len() > 8 {
            lines.push(format!("{} more loops", parts.loops.len() - 8));
        }
        let generators = self.blocks.all.iter().filter(|b| matches!(b.what, What::Generator(..))).count();
        if generators > 0 {
            lines.push(format!("{generators} generators as blocks with programs of their own"));
        }
        let columns = self.plan.inputs() as f64;
        let loops: f64 = parts.loops.iter().map(|l| loop_operations(l, columns)).sum();
        let swept = 8.0 * self.plan.entries() as f64 * columns;
        let lanes = self.wavelengths.len() as f64;
        Choice {
            name: "scattering solve",
            why: match (circuit.instances.len(), parts.loops.len()) {
                (1, 0) => "the circuit is one component".into(),
                (n, 0) => format!("the circuit joins {n} components without feedback"),
                (n, loops) => format!("the circuit joins {n} components with feedback or reflections ({loops} loops)"),
            },
            parts: lines,
            flops: (
                lanes * (self.blocks.operations() + swept + loops),
                8.0 * self.plan.inputs() as f64 * self.plan.outputs() as f64,
            ),
        }
    }
}

/// An error if `n` complex numbers at each of the wavelengths are more than can be held.
fn held(n: usize, wavelengths: usize, what: &str) -> Result<()> {
    if n.saturating_mul(wavelengths) <= MAX_VALUES {
        return Ok(());
    }
    let message = format!(
        "{wavelengths} wavelengths of {n} {what} are too many: at most {MAX_VALUES} complex numbers in all are held; \
         ask for fewer wavelengths at a time"
    );
    Err(PluginError::settings(message))
}

fn loop_operations(l: &scattering::Loop, columns: f64) -> f64 {
    let waves = l.waves as f64;
    match l.solver {
        scattering::Solver::Elimination { operations, .. } => 8.0 * operations as f64,
        scattering::Solver::Sparse => 8.0 * 10.0 * l.couplings as f64 * (1.0 + columns),
        scattering::Solver::Dense => 8.0 * waves * waves * (waves / 3.0 + columns),
    }
}

/// Ports as they are seen from outside of an instance and its mirrors, and the links to its mirrors.
#[allow(clippy::type_complexity)]
fn faces(
    circuit: &Circuit,
    fabrication: &Fabrication<'_>,
    blocks: &mut Blocks,
    paths: &mut Vec<String>,
) -> Result<(Vec<Vec<scattering::Port>>, Vec<[scattering::Port; 2]>)> {
    let (mut faces, mut links) = (Vec::with_capacity(circuit.instances.len()), Vec::new());
    for (index, instance) in circuit.instances.iter().enumerate() {
        let power = fabrication.value(Quantity::Reflection, index, f64::NEG_INFINITY)?;
        let everywhere = 10f64.powf(power / 20.0);
        let first = fabrication.value(Quantity::Backscatter, index, 0.0)?;
        if !(0.0..=1.0).contains(&everywhere) || !(-1.0..=1.0).contains(&first) {
            let message = format!("`{}` reflects more than all light", instance.path);
            return Err(PluginError::settings(message));
        }
        let mut mine = Vec::with_capacity(instance.inputs + instance.outputs);
        for port in 0..instance.inputs + instance.outputs {
            let mut face = scattering::Port { block: index, port };
            for r in [if port == 0 { first } else { 0.0 }, everywhere] {
                if r != 0.0 {
                    let mirror = blocks.mirror(r);
                    paths.push(format!("{} (reflection)", instance.path));
                    links.push([face, scattering::Port { block: mirror, port: 0 }]);
                    face = scattering::Port { block: mirror, port: 1 };
                }
            }
            mine.push(face);
        }
        faces.push(mine);
    }
    Ok((faces, links))
}

/// A message about blocks, with their names.
fn named(error: &scattering::Error, paths: &[String]) -> String {
    let names = |blocks: &[usize]| {
        let names: Vec<&str> = blocks.iter().filter_map(|&b| paths.get(b).map(String::as_str)).collect();
        names.join(", ")
    };
    match error {
        scattering::Error::Feedback { blocks } => {
            format!("light goes round through {}; `solver: {{method: feedforward}}` cannot do that", names(blocks))
        }
        scattering::Error::Singular { blocks, .. } => format!(
            "no steady state: light goes round through {} without loss, in resonance; give the loop some loss, or move \
             the wavelength off the resonance",
            names(blocks)
        ),
        other => other.to_string(),
    }
}

impl Linear for Network {
    fn shape(&self) -> (usize, usize) {
        (self.plan.outputs(), if self.per_channel { self.wavelengths.len() } else { self.plan.inputs() })
    }

    fn complex(&self) -> bool {
        !self.per_channel
    }

    fn incoherent(&self) -> bool {
        self.per_channel
    }

    fn structure(&self) -> u64 {
        let passive = if self.passive && !self.per_channel { structure::PASSIVE } else { 0 };
        passive | if self.reciprocal { structure::RECIPROCAL } else { 0 }
    }

    fn fill(&self, slots: &[f64], shift_um: f64, matrix: &mut Field) -> Result<()> {
        self.with_room(|room| {
            let mut out = std::mem::take(&mut room.out);
            let done = self.solve_in(slots, shift_um, room, &mut out);
            if done.is_ok() && self.per_channel {
                let channels = self.wavelengths.len();
                for (at, w) in matrix.re.iter_mut().enumerate() {
                    *w = out[at % channels * self.plan.outputs() + at / channels].norm_sqr();
                }
            } else if done.is_ok() {
                for ((re, im), s) in matrix.re.iter_mut().zip(&mut matrix.im).zip(&out) {
                    (*re, *im) = (s.re, s.im);
                }
            }
            room.out = out;
            done
        })
    }

    fn pull(&self, slots: &[f64], shift_um: f64, gradient: &Field, dslots: &mut [f64]) -> Result<()> {
        let cotangent: Vec<Complex64> = if self.per_channel {
            let mut out = Vec::new();
            self.solve(slots, shift_um, &mut out)?;
            let channels = self.wavelengths.len();
            let at = |k: usize| out[k % channels * self.plan.outputs() + k / channels];
            gradient.re.iter().enumerate().map(|(k, g)| 2.0 * g * at(k)).collect()
        } else {
            gradient.re.iter().zip(&gradient.im).map(|(&re, &im)| Complex64::new(re, im)).collect()
        };
        self.solve_adjoint(slots, shift_um, &cotangent, dslots)
    }
}
