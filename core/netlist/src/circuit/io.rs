//! Inputs, outputs and the clock.

use super::Dac;

/// `encoding`.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoding {
    /// The outer ports that x goes into, in order; indices into `Circuit::ports`. A `plane` takes all its pixels.
    pub ports: Vec<usize>,
    /// `per: channel`: one port, x_k on WDM channel k.
    pub per_channel: bool,
    /// How x becomes light.
    pub mode: EncodingMode,
    /// A signed x on unsigned inputs is sent as two vectors, x+ and x-, both counted.
    pub differential: bool,
    /// Field (or power) for x = 1 is that of the source times this.
    pub scale: f64,
    /// Input DAC (in units of x), if there is one.
    pub dac: Option<Dac>,
    /// Standard deviation of the noise on an encoded input, relative to its full scale.
    pub noise_std: f64,
    /// Light source.
    pub source: Source,
}

/// `encoding.source`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Source {
    /// Watts, for x = 1 on one input; a source plane is lit as a whole, and each of its pixels has its part.
    pub power_w: f64,
    /// Relative intensity noise, dB/Hz; -inf: none.
    pub rin_db_hz: f64,
    /// Linewidth, Hz: phase noise between source and local oscillator.
    pub linewidth_hz: f64,
}

/// `encoding.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodingMode {
    /// Real signed field amplitudes.
    Amplitude,
    /// Powers, not negative.
    Intensity,
    /// Unit fields e^{i x}.
    Phase,
    /// Complex fields from (re, im) pairs.
    Complex,
    /// Two ports for each x: the field x+ into the first, x- into the second of a pair of neighbours in `ports`.
    Differential,
    /// Complex fields from (re, im) pairs by an IQ modulator: each quadrature is sin(pi/2 v), v = x by the nominal inverse
    /// arcsine, so that converter steps are steps of the drive.
    Iq,
}

/// `readout`.
#[derive(Clone, Debug, PartialEq)]
pub struct Readout {
    /// Outer ports in the order of y; indices into `Circuit::ports`. A `camera` gives all its bins.
    pub ports: Vec<usize>,
    /// `pairs`: y_k = power at the first minus power at the second, of outer ports; empty if there are none.
    pub pairs: Vec<[usize; 2]>,
    /// What is read.
    pub mode: ReadoutMode,
    /// Power of the local oscillator, watts (coherent modes).
    pub lo_power_w: f64,
    /// Detector; None: an ideal one.
    pub detector: Option<Detector>,
    /// Transimpedance, ohm; None: the detector's load.
    pub tia_ohm: Option<f64>,
    /// Standard deviation of additive noise, relative to full scale or absolute (units of y).
    pub noise_std: f64,
    /// `relative_to: full_scale` (true) or `absolute`.
    pub noise_relative: bool,
    /// Levels of the ADC, if there is one.
    pub adc_levels: Option<u32>,
    /// Its full scale.
    pub adc_range: AdcRange,
}

/// Full scale of an ADC.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AdcRange {
    /// Follows the signal slowly.
    Auto,
    /// Units of y.
    Output(f64),
    /// Volts at its input (with a detector).
    Volts(f64),
    /// The full well of the camera.
    FullWell,
}

/// `readout.detector`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detector {
    /// A/W; from the quantum efficiency and the wavelength if that is given.
    pub responsivity: f64,
    /// Hertz.
    pub bandwidth_hz: f64,
    /// Ampere.
    pub dark_current_a: f64,
    /// Ohm.
    pub load_ohm: f64,
    /// Kelvin.
    pub temperature_k: f64,
    /// Shot noise.
    pub shot: bool,
    /// Thermal noise 4 k T B / R.
    pub thermal: bool,
    /// Relative intensity noise of the source.
    pub rin: bool,
    /// A camera (EMVA 1288), which counts electrons over an exposure.
    pub camera: Option<Camera>,
}

/// What a camera has beside a photodiode.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Camera {
    /// Electrons per photon.
    pub quantum_efficiency: f64,
    /// Seconds.
    pub exposure_s: f64,
    /// Standard deviation, electrons, per pixel.
    pub read_noise_e: f64,
    /// Electrons per pixel at which it saturates.
    pub full_well_e: f64,
    /// Electrons per pixel without light.
    pub dark_e: f64,
}

/// `readout.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadoutMode {
    /// Real part of the field.
    CoherentReal,
    /// Imaginary part of the field.
    CoherentImag,
    /// Complex field as (re, im) pairs.
    Coherent,
    /// |field|.
    Amplitude,
    /// |field|^2.
    Intensity,
    /// Difference of two photocurrents: the natural read-out of weight banks and the SLM, linear in x; of `pairs` elsewhere.
    Differential,
}

/// `timing`, seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// Each write.
    pub write_fixed_s: f64,
    /// Each changed parameter.
    pub write_each_s: f64,
    /// Each logical query.
    pub trigger_s: f64,
    /// Each frame.
    pub frame_s: f64,
    /// Vectors per frame.
    pub frame_vectors: u32,
    /// Readings averaged per vector.
    pub averages: u32,
    /// Host time charged per training step.
    pub host_step_s: f64,
}
