//! Generators: components that are more than one entry of the catalogue.

pub use blackbeam_meshes::{Arrangement, Cell, Convention};

/// `mesh`.
#[derive(Clone, Debug, PartialEq)]
pub struct Mesh {
    /// Number of modes.
    pub n: usize,
    /// Order of the cells: `blackbeam_meshes::layout`.
    pub arrangement: Arrangement,
    /// Layers of a redundant mesh.
    pub layers: Option<usize>,
    /// What theta and phi of a cell mean.
    pub convention: Convention,
    /// The 2x2 cell.
    pub cell: Cell,
    /// n output phases gamma.
    pub output_phases: bool,
}

impl Mesh {
    /// Where the cells stand, in the order of their phases.
    ///
    /// # Panics
    /// If there is no such mesh; the reader makes none.
    pub fn sites(&self) -> Vec<blackbeam_meshes::Site> {
        blackbeam_meshes::layout(self.arrangement, self.n, self.layers).expect("the reader checked the layout")
    }

    /// Number of cells.
    ///
    /// # Panics
    /// If there is no such mesh; the reader makes none.
    pub fn cell_count(&self) -> usize {
        let size = blackbeam_meshes::size(self.arrangement, self.n, self.layers);
        size.expect("the reader checked the layout").cells
    }
}

/// Speed of light, um GHz.
const LIGHT_UM_GHZ: f64 = 299_792_458.0 * 1e-3;

/// `mrr_bank`: weights, y = W x. Rings with buses of their own: w_ij = f(phi_ij).
#[derive(Clone, Debug, PartialEq)]
pub struct MrrBank {
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub columns: usize,
    /// Round-trip amplitude transmission a.
    pub a: f64,
    /// Self-coupling r (of the bus coupler; add-drop: r1).
    pub r: f64,
    /// Second coupler's self-coupling r2 (add-drop only).
    pub r2: f64,
    /// How a weight is read from a ring.
    pub weight: RingWeight,
    /// Factor on every weight.
    pub scale: f64,
    /// The rings of a row share their bus (add-drop only). None: each ring has a bus of its own.
    pub shared: Option<SharedBus>,
}

/// A bus with rings in series, a WDM channel for each: ring j is counted from resonance with channel j, and every
/// channel passes every ring.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SharedBus {
    /// Circumference of the rings, um.
    pub length_um: f64,
    /// Group index of the rings.
    pub ng: f64,
}

impl SharedBus {
    /// Turns of phase that a round trip has at a wavelength more than at the `reference`, both um. With an effective index
    /// linear in wavelength it is ng length (1/wl - 1/reference), whatever the effective index is.
    pub fn turns(&self, reference_um: f64, wl_um: f64) -> f64 {
        self.ng * self.length_um * (reference_um - wl_um) / (reference_um * wl_um)
    }

    /// From one resonance of a ring to the next, GHz.
    pub fn free_spectral_range_ghz(&self) -> f64 {
        LIGHT_UM_GHZ / (self.ng * self.length_um)
    }
}

/// How a weight is read from a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingWeight {
    /// w = 2 T - 1, all-pass power transmission (torchonn).
    AllPassPower,
    /// w = 2 sqrt(T) - 1 (astralora).
    AllPassAmplitude,
    /// w = T - drop, balanced detection of an add-drop ring.
    AddDrop,
}

/// `slm_matvec`: y_i = scale sum_j cos(phase_ij) x_j.
#[derive(Clone, Debug, PartialEq)]
pub struct SlmMatvec {
    /// Inputs.
    pub n_in: usize,
    /// Outputs.
    pub n_out: usize,
    /// Factor on the sum; `rsqrt_in` is 1/sqrt(n_in).
    pub scale: f64,
    /// Part of a pixel that modulates.
    pub fill_factor: f64,
}

/// Light in free space: a chain of planes and what lies between them.
#[derive(Clone, Debug, PartialEq)]
pub enum FreeSpace {
    /// `plane`: the source plane; pixels (rows, columns) of a pitch in um.
    Plane {
        /// Rows, columns.
        shape: [usize; 2],
        /// um.
        pitch_um: f64,
    },
    /// `free_space`: propagation.
    Propagate {
        /// um.
        distance_um: f64,
        /// How.
        method: Propagation,
        /// Factor by which the plane is enlarged.
        pad: usize,
    },
    /// `slm`: slots are phases (and, `complex`: amplitudes after them; `amplitude`: amplitudes), row-major.
    Slm {
        /// Rows, columns.
        shape: [usize; 2],
        /// um.
        pitch_um: f64,
        /// Part of a pixel that modulates.
        fill_factor: f64,
        /// What a pixel sets.
        kind: SlmKind,
    },
    /// `lens_2f`: Fourier transform from the front to the back focal plane.
    Lens2f {
        /// um.
        focal_um: f64,
    },
    /// `diffuser`: a random phase screen, drawn per device.
    Diffuser {
        /// Standard deviation of the phase, rad.
        sigma_rad: f64,
        /// Correlation length, um; 0: each pixel by itself.
        correlation_um: f64,
    },
    /// `camera`: bins of pixels are summed in power; pixels outside whole bins are dropped.
    Camera {
        /// Rows, columns of bins.
        shape: [usize; 2],
        /// Pixels of a bin: rows, columns.
        bin: [usize; 2],
    },
}

/// How light propagates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// Exact scalar propagation of the sampled field.
    AngularSpectrum,
    /// Paraxial, transfer function.
    Fresnel,
    /// Far field, one Fourier transform; the pitch changes.
    Fraunhofer,
    /// The angular spectrum without FFT, as a matrix (small planes; a reference).
    Matrix,
}

/// What a pixel of an SLM sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlmKind {
    /// Phase.
    Phase,
    /// Amplitude, 0 to 1.
    Amplitude,
    /// Both.
    Complex,
}
