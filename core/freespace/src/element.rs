//! What light meets, in plain data.

use crate::grid::Grid;
use num_complex::Complex64;

/// Largest factor by which a plane may be enlarged.
pub const MAX_PAD: usize = 16;

/// One element of a chain.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Element {
    /// Propagation over a distance.
    Propagate {
        /// um; 0 is nowhere further (not for Fraunhofer).
        distance_um: f64,
        /// How.
        method: Method,
        /// Factor by which the plane is enlarged with dark pixels, so that light which leaves at one edge does not come in at
        /// the opposite one; 2 keeps them apart. All methods but Fraunhofer cut the plane back to its size.
        pad: usize,
    },
    /// Lens, from its front to its back focal plane: the unitary Fourier transform
    /// E(u) = sum E(x) exp(-2 pi i x u / (wl f)) / sqrt(number of pixels), output pitch wl f / (N pitch). The constant phase of
    /// the light, -i exp(2 i k f), is left out.
    Lens {
        /// Focal length, um, above 0.
        focal_um: f64,
        /// The lens stands beside the axis by this much; the image moves with it, and gets a phase ramp.
        misalign: Shift,
    },
    /// Spatial light modulator.
    Slm(Slm),
    /// A phase screen: a diffuser (see [`diffuser`](crate::diffuser())), or anything else that is fixed.
    Screen {
        /// rad, one a pixel, row-major.
        phase: Vec<f64>,
    },
    /// Camera; the last element. Without one, each pixel of the last plane is read.
    Camera(Camera),
}

/// How light propagates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// H = exp(2 pi i z sqrt(1/wl^2 - u^2 - v^2)); evanescent waves decay. Waves that move sideways by more than half of the
    /// (padded) plane, where H is undersampled and would bring them back in at the other edge, are left out: the band limit of
    /// Matsushima and Shimobaba, Opt. Express 17, 19662 (2009). All else keeps its power.
    AngularSpectrum,
    /// H = exp(i k z) exp(-i pi wl z (u^2 + v^2)), the paraxial form, with the same band limit.
    Fresnel,
    /// The far field, one Fourier transform: E(u) = -i exp(i k z) exp(i pi u^2 / (wl z)) sum E(x) exp(-2 pi i x u / (wl z)) /
    /// sqrt(number of pixels). The output has `pad` N pixels of pitch wl z / (pad N pitch). Unitary.
    Fraunhofer,
    /// The angular spectrum as a matrix, without FFT: a reference for planes of up to
    /// [`MAX_MATRIX_PIXELS`](crate::MAX_MATRIX_PIXELS) pixels.
    Matrix,
}

/// A sideways displacement, um.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shift {
    /// Towards higher columns.
    pub x_um: f64,
    /// Towards higher rows.
    pub y_um: f64,
}

/// Spatial light modulator, one sample a pixel. A pixel multiplies the field by
/// [(1 - z) (FF m + (1 - FF) r0) + z] exp(i W): m = exp(i phase), amplitude, or amplitude exp(i phase).
///
/// z, the amplitude of the zero order, is light that the modulator does not touch. It interferes with the modulated light, so
/// that power is not kept pixel by pixel: for |m| = 1 and FF = 1 between (1 - 2z)^2 and 1 passes, and (1 - z)^2 + z^2 on average
/// over even phases. Nothing is amplified for |m|, |r0| <= 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Slm {
    /// Pixels; must be those of the plane it stands in.
    pub grid: Grid,
    /// What a pixel sets.
    pub kind: SlmKind,
    /// FF: part of a pixel's area that modulates, above 0, at most 1.
    pub fill_factor: f64,
    /// r0: reflection (or transmission) of the gaps, amplitude.
    pub gap: Complex64,
    /// z: part of the amplitude that is not modulated, 0 to 1.
    pub zero_order: f64,
    /// Wavefront error W: rad, one a pixel, row-major (see [`wavefront`](crate::wavefront)); empty: none.
    pub wavefront: Vec<f64>,
}

impl Slm {
    /// A perfect phase modulator.
    pub fn phase(grid: Grid) -> Self {
        Slm {
            grid,
            kind: SlmKind::Phase,
            fill_factor: 1.0,
            gap: Complex64::ZERO,
            zero_order: 0.0,
            wavefront: Vec::new(),
        }
    }
}

/// What a pixel of an SLM sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlmKind {
    /// Phase.
    Phase,
    /// Amplitude.
    Amplitude,
    /// Both.
    Complex,
}

/// Camera: y_k = sum of gain |E|^2 over bin k. Its bins lie around the optical axis; pixels of the plane outside of them are
/// dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct Camera {
    /// Rows, columns of bins.
    pub shape: [usize; 2],
    /// Pixels of a bin: rows, columns.
    pub bin: [usize; 2],
    /// The camera stands beside the axis by this much; the image on it moves the other way. Exact (by Fourier interpolation)
    /// also between pixels.
    pub misalign: Shift,
    /// Gain of each pixel in the bins, row-major over shape * bin; empty: 1.
    pub gain: Vec<f64>,
}

impl Camera {
    /// A camera in its place, with the same gain everywhere.
    pub fn new(shape: [usize; 2], bin: [usize; 2]) -> Self {
        Camera { shape, bin, misalign: Shift::default(), gain: Vec::new() }
    }
}

impl Element {
    /// Name for messages.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Element::Propagate { .. } => "free_space",
            Element::Lens { .. } => "lens_2f",
            Element::Slm(_) => "slm",
            Element::Screen { .. } => "diffuser",
            Element::Camera(_) => "camera",
        }
    }
}
