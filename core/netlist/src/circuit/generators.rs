//! Generators: components that are more than one entry of the catalogue.

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
        blackbeam_meshes::layout(self.arrangement.into(), self.n, self.layers).expect("the reader checked the layout")
    }

    /// Number of cells.
    ///
    /// # Panics
    /// If there is no such mesh; the reader makes none.
    pub fn cell_count(&self) -> usize {
        let size = blackbeam_meshes::size(self.arrangement.into(), self.n, self.layers);
        size.expect("the reader checked the layout").cells
    }
}

/// Order of a mesh's cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrangement {
    /// Rectangular (Clements et al. 2016).
    Clements,
    /// Triangular (Reck et al. 1994).
    Reck,
    /// Triangular, light entering on the other side: the mirror image of Reck.
    Triangular,
    /// log2(n) layers, strides n/2 .. 1 (FFT-like).
    Butterfly,
    /// Rectangular with more layers than n.
    Redundant,
}

/// What theta and phi of a cell mean: the cell's matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convention {
    /// B P(theta) B P(phi).
    Bpbp,
    /// Its transpose, P(phi) B P(theta) B (neurophox).
    BpbpT,
    /// Bloch: theta and phi as rotation angles about two axes of the sphere.
    Bloch,
    /// Rx(theta) H Ry(phi) (perceval).
    RxHRy,
    /// Clements et al. 2016: [[e^{i phi} cos theta, -sin theta], [e^{i phi} sin theta, cos theta]].
    Clements2016,
}

/// A mesh's 2x2 cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// T = B P(theta) B P(phi).
    Mzi,
    /// T = B P(theta + pi/2) B P(phi - pi/2) B (arXiv 2109.05367; the MZI3 of astralora).
    Mzi3,
    /// [[e^{i phi} sin theta, e^{i phi} cos theta], [cos theta, -sin theta]] = -i e^{-i theta} P(phi) B P(2 theta) B: the
    /// classical block of astralora, theta being half an internal phase.
    MziClassical,
    /// Tunable directional coupler: angle theta, then phase: C(theta) P(phi), C = [[cos, i sin], [i sin, cos]].
    Tdc,
}

impl Cell {
    /// Number of couplers in a cell.
    pub fn couplers(self) -> usize {
        match self {
            Cell::Mzi3 => 3,
            Cell::Tdc => 1,
            _ => 2,
        }
    }
}

/// `mrr_bank`: weights w_ij = f(phi_ij), y = W x.
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

impl From<Arrangement> for blackbeam_meshes::Arrangement {
    fn from(arrangement: Arrangement) -> Self {
        match arrangement {
            Arrangement::Clements => Self::Clements,
            Arrangement::Reck => Self::Reck,
            Arrangement::Triangular => Self::Triangular,
            Arrangement::Butterfly => Self::Butterfly,
            Arrangement::Redundant => Self::Redundant,
        }
    }
}

impl From<Convention> for blackbeam_meshes::Convention {
    fn from(convention: Convention) -> Self {
        match convention {
            Convention::Bpbp => Self::Bpbp,
            Convention::BpbpT => Self::BpbpT,
            Convention::Bloch => Self::Bloch,
            Convention::RxHRy => Self::RxHRy,
            Convention::Clements2016 => Self::Clements2016,
        }
    }
}

impl From<Cell> for blackbeam_meshes::Cell {
    fn from(cell: Cell) -> Self {
        match cell {
            Cell::Mzi => Self::Mzi,
            Cell::Mzi3 => Self::Mzi3,
            Cell::MziClassical => Self::MziClassical,
            Cell::Tdc => Self::Tdc,
        }
    }
}
