//! What a circuit compiles to: from the values of its slots to what light meets.
//!
//! A circuit of one generator becomes a `Single`: its matrix by a fast loop of its own. A chain of planes becomes a `Bench`:
//! Fourier transforms, applied to each field. A network is a `Layered`. Everything else becomes a `Network`: a scattering solve, of which generators
//! are blocks.

mod bench;
mod bench_build;
mod blocks;
mod bus;
mod layered;
mod mesh;
mod network;
mod ring;
mod single;
mod slm;

pub(crate) use bench::{Bench, BenchRoom, Loaded};
pub(crate) use layered::{Layered, LoadedLayers};
pub(crate) use mesh::MeshProgram;
pub(crate) use network::{Network, Wave};
pub(crate) use single::Single;

use crate::{fabrication::Fabrication, slots::Slots};
use blackbeam_netlist::circuit::{Circuit, EncodingMode, Instance, Kind, Mesh, ReadoutMode};
use blackbeam_plugin::{Key, PluginError, Result};
use std::ops::Range;

/// A matrix [outputs, inputs] of complex numbers, row-major, real and imaginary parts apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Field {
    pub re: Vec<f64>,
    /// Stays empty where the program is real.
    pub im: Vec<f64>,
}

impl Field {
    /// Room for a matrix of `entries` numbers.
    pub fn sized(entries: usize, complex: bool) -> Self {
        Field { re: vec![0.0; entries], im: if complex { vec![0.0; entries] } else { Vec::new() } }
    }

    /// Makes room for a matrix of `entries` numbers; what is in it stays.
    pub fn resize(&mut self, entries: usize, complex: bool) {
        self.re.resize(entries, 0.0);
        self.im.resize(if complex { entries } else { 0 }, 0.0);
    }
}

/// Where a parameter stands: what crosstalk measures distances by, and what the descriptor reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    /// Layer of a mesh, row (output) of a bank or SLM.
    pub row: u32,
    /// Row within the layer of a mesh, column (input) of a bank or SLM.
    pub column: u32,
    /// Where along the chip the actuator stands. Meshes interleave the columns of phi, theta and gamma.
    pub along: u32,
    /// Where across the chip.
    pub across: u32,
}

/// Place `index` of a rectangular grid.
pub(crate) fn bank_spot(index: usize, columns: usize) -> Spot {
    let (row, column) = ((index / columns) as u32, (index % columns) as u32);
    Spot { row, column, along: column, across: row }
}

/// A generator: a matrix from the slots of its instance.
pub(crate) trait Generator: Send + Sync {
    /// (outputs, inputs) of the matrix.
    fn shape(&self) -> (usize, usize);

    /// The matrix has an imaginary part.
    fn complex(&self) -> bool;

    /// The matrix acts on powers rather than fields.
    fn incoherent(&self) -> bool {
        false
    }

    /// Bits of [`blackbeam_plugin::structure`] that hold where each phase is just what its parameter says.
    fn structure(&self) -> u64;

    /// Fills `matrix` (of the right size, any content) from the values of the instance's slots.
    fn fill(&self, slots: &[f64], matrix: &mut Field);

    /// The adjoint of `fill`: adds dL/dslots, given dL/dRe and dL/dIm of the matrix.
    fn pull(&self, slots: &[f64], gradient: &Field, dslots: &mut [f64]);

    /// As `fill`, all wavelengths being shifted, for what depends on them.
    fn fill_shifted(&self, slots: &[f64], _shift_um: f64, matrix: &mut Field) {
        self.fill(slots, matrix);
    }

    /// As `pull`, all wavelengths being shifted, for what depends on them.
    fn pull_shifted(&self, slots: &[f64], _shift_um: f64, gradient: &Field, dslots: &mut [f64]) {
        self.pull(slots, gradient, dslots);
    }

    /// What it consists of, for people.
    fn parts(&self) -> Vec<String> {
        Vec::new()
    }

    /// Why the component cannot be driven or read in these ways, if it cannot.
    fn refuses(&self, encoding: EncodingMode, readout: ReadoutMode) -> Option<&'static str>;

    /// Floating-point operations of `fill`, roughly.
    fn operations(&self) -> f64;

    /// The mesh, if it is one.
    fn mesh(&self) -> Option<&MeshProgram> {
        None
    }
}

/// A program whose answers are linear in fields or in powers.
pub(crate) trait Linear: Send + Sync {
    /// (outputs, inputs): fields (or powers) that are read and sent.
    fn shape(&self) -> (usize, usize);

    /// The matrix has an imaginary part.
    fn complex(&self) -> bool;

    /// The matrix acts on powers rather than fields.
    fn incoherent(&self) -> bool;

    /// What arrives are differences of photocurrents, whose sign counts.
    fn photocurrents(&self) -> bool {
        false
    }

    /// Bits of [`blackbeam_plugin::structure`].
    fn structure(&self) -> u64;

    /// Fills `matrix` from the values of all slots, all wavelengths being shifted by `shift_um`.
    ///
    /// # Errors
    /// `NONFINITE` where light has no steady state.
    fn fill(&self, slots: &[f64], shift_um: f64, matrix: &mut Field) -> Result<()>;

    /// The adjoint of `fill`: adds dL/dslots.
    ///
    /// # Errors
    /// As `fill`.
    fn pull(&self, slots: &[f64], shift_um: f64, gradient: &Field, dslots: &mut [f64]) -> Result<()>;

    /// The mesh with its slots, where all of the program is one mesh.
    fn mesh(&self) -> Option<(&MeshProgram, Range<usize>)> {
        None
    }
}

/// A compiled circuit.
pub(crate) enum Program {
    Linear(Box<dyn Linear>),
    Bench(Box<Bench>),
    Layers(Box<Layered>),
}

/// What a program was chosen for, for people.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choice {
    pub name: &'static str,
    pub why: String,
    pub parts: Vec<String>,
    /// Floating-point operations: of one configuration, of one vector.
    pub flops: (f64, f64),
}

/// The generator of an instance with the imperfections of one device; None for what is none.
pub(crate) fn generator(
    circuit: &Circuit,
    instance: usize,
    fabrication: &Fabrication<'_>,
) -> Result<Option<Box<dyn Generator>>> {
    let encoding = circuit.encoding.as_ref().map_or(EncodingMode::Amplitude, |e| e.mode);
    let generator: Box<dyn Generator> = match &circuit.instances[instance].kind {
        Kind::Mesh(mesh) => Box::new(MeshProgram::new(mesh, instance, fabrication)?),
        Kind::MrrBank(bank) => ring::program(bank, &circuit.environment, encoding, instance, fabrication)?,
        Kind::SlmMatvec(slm) => {
            let readout = &circuit.readout;
            let differences = readout.mode == ReadoutMode::Differential && readout.pairs.is_empty();
            let real = differences && circuit.instances.len() == 1 && circuit.links.is_empty();
            Box::new(slm::SlmProgram::new(slm, real, instance, fabrication)?)
        }
        _ => return Ok(None),
    };
    let (outputs, inputs) = generator.shape();
    let Instance { path, inputs: i, outputs: o, .. } = &circuit.instances[instance];
    if (*o, *i) != (outputs, inputs) {
        let message = format!("`{path}` has {i} inputs and {o} outputs, its settings say {inputs} and {outputs}");
        return Err(PluginError::settings(message));
    }
    Ok(Some(generator))
}

/// Compiles a circuit that is to be driven and read.
pub(crate) fn compile(circuit: &Circuit, fabrication: &Fabrication<'_>, slots: &Slots) -> Result<(Program, Choice)> {
    if let Some(network) = &circuit.network {
        let (layers, choice) = Layered::new(circuit, network, fabrication)?;
        return Ok((Program::Layers(Box::new(layers)), choice));
    }
    let is_bench = |i: &Instance| matches!(i.kind, Kind::FreeSpace(_));
    if circuit.instances.iter().any(is_bench) {
        let (bench, choice) = Bench::new(circuit, fabrication)?;
        return Ok((Program::Bench(Box::new(bench)), choice));
    }
    if let Some((single, choice)) = Single::new(circuit, fabrication)? {
        return Ok((Program::Linear(Box::new(single)), choice));
    }
    let (network, choice) = Network::device(circuit, fabrication, slots)?;
    Ok((Program::Linear(Box::new(network)), choice))
}

/// Distance of what has no crosstalk.
const APART: u32 = 1 << 16;

/// Where the parameters of all blocks stand.
pub(crate) fn spots(circuit: &Circuit) -> Result<Vec<Spot>> {
    let mut spots = Vec::new();
    for block in &circuit.parameters {
        if !block.grid.is_empty() && block.grid.len() != block.names.len() {
            let message = format!("{} places for {} parameters", block.grid.len(), block.names.len());
            return Err(PluginError::settings(message));
        }
        let mut sites = Sites::default();
        for k in 0..block.names.len() {
            spots.push(match (block.grid.get(k), crate::slots::targets(block, k).first()) {
                (Some(&[row, column]), _) => {
                    let across = if block.rows_apart { row.saturating_mul(APART) } else { row };
                    Spot { row, column, along: column, across }
                }
                (None, Some(&slot)) => sites.spot(circuit, slot, k),
                (None, None) => bank_spot(k, usize::MAX),
            });
        }
    }
    Ok(spots)
}

/// Haar-random (theta, phi) of every cell of a mesh.
pub(crate) fn haar_cells(mesh: &Mesh, key: Key) -> Result<Vec<(f64, f64)>> {
    let scheme = mesh::scheme(mesh)?;
    let (power, angle) = (key.named("bar power"), key.named("external phase"));
    let draw = |(i, alpha): (usize, u32)| {
        blackbeam_meshes::haar_cell(&scheme, alpha, [power.uniform(i as u64), angle.uniform(i as u64)])
    };
    Ok(mesh::haar_alpha(mesh)?.into_iter().enumerate().map(draw).collect())
}

/// The instance whose slots were asked for last, with the cells of its mesh.
#[derive(Default)]
struct Sites {
    instance: usize,
    cells: Vec<blackbeam_meshes::Site>,
}

impl Sites {
    fn spot(&mut self, circuit: &Circuit, slot: usize, k: usize) -> Spot {
        let known = circuit.instances.get(self.instance).is_some_and(|i| i.slots.contains(&slot));
        if !known {
            let found = circuit.instances.iter().position(|i| i.slots.contains(&slot));
            let Some(found) = found else { return bank_spot(k, usize::MAX) };
            *self = Sites { instance: found, cells: Vec::new() };
        }
        let instance = &circuit.instances[self.instance];
        let index = slot - instance.slots.start;
        let mut spot = match &instance.kind {
            Kind::Mesh(mesh) => {
                if self.cells.is_empty() {
                    self.cells = mesh::sites(mesh).unwrap_or_default();
                }
                mesh::spot(mesh, &self.cells, index)
            }
            Kind::MrrBank(bank) => bank_spot(index, bank.columns.max(1)),
            Kind::SlmMatvec(slm) => bank_spot(index, slm.n_in.max(1)),
            Kind::FreeSpace(blackbeam_netlist::circuit::FreeSpace::Slm { shape, .. }) => {
                bank_spot(index % (shape[0] * shape[1]).max(1), shape[1].max(1))
            }
            _ => bank_spot(k, usize::MAX),
        };
        // No crosstalk from one chip to another.
        spot.across = spot.across.saturating_add((self.instance as u32).saturating_mul(APART));
        spot
    }
}
