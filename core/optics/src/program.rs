//! What a component compiles to: from physical phases to the matrix that light meets.

use crate::{fabrication::Fabrication, mesh, ring, slm};
use blackbeam_netlist::circuit::{Circuit, EncodingMode, Generator, ParameterKind, ReadoutMode};
use blackbeam_plugin::Result;

/// A matrix [outputs, inputs] of complex numbers, row-major, real and imaginary parts apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Field {
    pub re: Vec<f64>,
    /// Stays empty where the program is real.
    pub im: Vec<f64>,
}

/// Place of a parameter on the chip: what crosstalk measures distances by, and what the descriptor reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Layer of a mesh, row (output) of a bank or SLM.
    pub row: u32,
    /// Row within the layer of a mesh, column (input) of a bank or SLM.
    pub column: u32,
    /// Where along the chip the actuator stands. Meshes interleave the columns of phi, theta and gamma.
    pub along: u32,
    /// Where across the chip.
    pub across: u32,
}

/// One block of parameters that a component needs.
pub(crate) struct Need {
    pub kind: ParameterKind,
    pub count: usize,
}

/// A compiled component. The phases it takes are all its blocks, one after the other, in the order of
/// [`needs`](Program::needs).
pub(crate) trait Program: Send + Sync {
    /// Blocks of parameters.
    fn needs(&self) -> Vec<Need>;

    /// Place of parameter `index` of a block.
    fn place(&self, kind: ParameterKind, index: usize) -> Place;

    /// (outputs, inputs) of the matrix.
    fn shape(&self) -> (usize, usize);

    /// The matrix has an imaginary part.
    fn complex(&self) -> bool;

    /// The matrix acts on powers rather than fields where x is sent as power.
    fn incoherent(&self) -> bool {
        false
    }

    /// Bits of [`blackbeam_plugin::structure`] that hold where each phase is just what its parameter says.
    fn structure(&self) -> u64;

    /// Fills `matrix` (of the right size, any content) from the physical phases.
    fn fill(&self, phases: &[f64], matrix: &mut Field);

    /// Why the component cannot be driven or read in these ways, if it cannot.
    fn refuses(&self, encoding: EncodingMode, readout: ReadoutMode) -> Option<&'static str>;
}

/// Compiles the generator of a circuit with the imperfections of one device.
pub(crate) fn compile(circuit: &Circuit, fabrication: &Fabrication) -> Result<Box<dyn Program>> {
    Ok(match &circuit.generator {
        Generator::Mesh(mesh) => Box::new(mesh::MeshProgram::new(mesh, fabrication)?),
        Generator::MrrBank(bank) => Box::new(ring::RingProgram::new(bank, circuit.encoding.mode, fabrication)?),
        Generator::SlmMatvec(slm) => Box::new(slm::SlmProgram::new(slm, fabrication)?),
    })
}

impl Field {
    /// Room for a matrix of `entries` numbers.
    pub fn sized(entries: usize, complex: bool) -> Self {
        Field { re: vec![0.0; entries], im: if complex { vec![0.0; entries] } else { Vec::new() } }
    }
}
