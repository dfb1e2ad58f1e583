//! What was compiled, why, and what is in force: for people.

use crate::{
    Optics, Simulator,
    chain::{events::Events, setpoint::ranges},
    fabrication::Fabrication,
    keys::Places,
    model::Model,
    program::{Choice, Field, Network, Program, Wave},
    slots::{Moved, Slots},
};
use blackbeam_netlist::circuit::{Circuit, Drift, DriftModel};
use blackbeam_plugin::Result;

/// What a circuit compiles to.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Name of the program.
    pub program: String,
    /// Why it was chosen.
    pub why: String,
    /// What it consists of, line by line.
    pub parts: Vec<String>,
    /// Floating-point operations of one configuration (its matrix, all wavelengths), roughly.
    pub flops_per_configuration: f64,
    /// Floating-point operations of one vector, roughly.
    pub flops_per_vector: f64,
    /// Loss from an input to all outputs that are read, dB of power: mean and largest over the inputs, at the initial values
    /// of the parameters and the first wavelength. None where y is not linear in fields.
    pub insertion_loss_db: Option<(f64, f64)>,
    /// Optical power of the source, watts; None without an `encoding`.
    pub source_power_w: Option<f64>,
    /// By actuator: its name and the sum of its drives at the initial values, in units of the drive. Watts, where the drive is a
    /// power.
    pub drives: Vec<(String, f64)>,
    /// Non-idealities in force, line by line.
    pub nonidealities: Vec<String>,
}

impl Explanation {
    /// Explains a circuit, which need not say how it is driven, as device `seed` of its kind.
    ///
    /// # Errors
    /// `SETTINGS` for a circuit that contradicts itself.
    pub fn new(circuit: &Circuit, seed: u64) -> Result<Self> {
        if circuit.encoding.is_some() {
            Simulator::open(circuit, seed, 1)?.explain(circuit)
        } else {
            Self::of_optics(circuit, seed)
        }
    }

    pub(crate) fn of_device(circuit: &Circuit, model: &Model, events: &Events) -> Result<Self> {
        let initial: Vec<f64> = model.parameters.iter().map(|p| p.initial).collect();
        let mut explanation = Self::start(circuit, &model.choice);
        explanation.insertion_loss_db = loss(model, &initial)?;
        explanation.nonidealities.extend(model.set_points.explain());
        explanation.nonidealities.extend(model.detector.explain());
        explanation.nonidealities.extend(events.explain());
        for (actuator, ranges) in circuit.actuators.iter().map(|a| (a, ranges(circuit))) {
            let all = actuator.drives.iter().flat_map(|&b| ranges[b].clone());
            let drives = all.filter_map(|i| model.set_points.drive_of(i, initial[i])).map(|(_, drive)| drive);
            explanation.drives.push((actuator.name.clone(), drives.sum()));
        }
        Ok(explanation)
    }

    fn of_optics(circuit: &Circuit, seed: u64) -> Result<Self> {
        let optics = Optics::new(circuit, seed)?;
        let fabrication = Fabrication::new(circuit, seed);
        let slots = Slots::new(circuit, &fabrication, &Places::new(circuit), seed)?;
        let ports: Vec<_> = circuit.ports.iter().map(|p| p.port).collect();
        let rows: Vec<_> = ports.iter().copied().map(Wave::Leaving).collect();
        let choice = Network::between(circuit, &fabrication, &slots, &ports, &rows)?.choice(circuit);
        let mut explanation = Self::start(circuit, &choice);
        let spectrum = optics.spectrum()?;
        let losses = (0..ports.len()).map(|i| {
            let power: f64 = (0..ports.len()).filter(|&o| o != i).map(|o| spectrum.get(0, i, o).norm_sqr()).sum();
            -10.0 * power.log10()
        });
        explanation.insertion_loss_db = summary(losses);
        Ok(explanation)
    }

    fn start(circuit: &Circuit, choice: &Choice) -> Self {
        let mut nonidealities = Vec::new();
        for rule in &circuit.nonideal {
            let count = rule.elements.len() + rule.slots.len();
            let relative = if rule.relative { " (relative)" } else { "" };
            nonidealities.push(format!("{:?} of {count} places: {:?}{relative}", rule.quantity, rule.value));
        }
        nonidealities.extend(circuit.drift.iter().map(drift));
        Explanation {
            program: choice.name.into(),
            why: choice.why.clone(),
            parts: choice.parts.clone(),
            flops_per_configuration: choice.flops.0,
            flops_per_vector: choice.flops.1,
            insertion_loss_db: None,
            source_power_w: circuit.encoding.as_ref().map(|e| e.source.power_w),
            drives: Vec::new(),
            nonidealities,
        }
    }
}

fn drift(drift: &Drift) -> String {
    let what = match drift.model {
        DriftModel::Ou { sigma, tau_s } => format!("Ornstein-Uhlenbeck, sigma {sigma:e}, tau {tau_s} s"),
        DriftModel::Wiener { sigma } => format!("random walk, {sigma:e} per square root of a second"),
        DriftModel::Linear { rate } => format!("linear, {rate:?} per second"),
        DriftModel::Log { amplitude, t0_s } => format!("logarithmic, {amplitude:?}, t0 {t0_s} s"),
        DriftModel::Power { nu, t0_s } => format!("power law, exponent {nu:?}, t0 {t0_s} s"),
        DriftModel::Sinusoid { amplitude, frequency_hz } => format!("sine, {amplitude:?}, {frequency_hz} Hz"),
    };
    format!("drift: {what}{}", if drift.common { ", in common" } else { "" })
}

/// Loss of a matrix of fields.
fn loss(model: &Model, initial: &[f64]) -> Result<Option<(f64, f64)>> {
    let Program::Linear(program) = &model.program else { return Ok(None) };
    if program.incoherent() || program.photocurrents() {
        return Ok(None);
    }
    let physical = model.set_points.physical(&model.set_points.effect(initial), 0.0);
    let mut slots = Vec::new();
    model.slots.fill(&physical, &Moved::default(), &mut slots);
    let (outputs, inputs) = program.shape();
    let mut field = Field::sized(outputs * inputs, true);
    program.fill(&slots, 0.0, &mut field)?;
    let power = |i: usize| -> f64 {
        (0..outputs).map(|o| o * inputs + i).map(|k| field.re[k].powi(2) + field.im[k].powi(2)).sum()
    };
    Ok(summary((0..inputs).map(|i| -10.0 * power(i).log10())))
}

/// Mean and largest.
fn summary(losses: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let losses: Vec<f64> = losses.map(|l| l + 0.0).collect();
    let most = losses.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (!losses.is_empty()).then(|| (losses.iter().sum::<f64>() / losses.len() as f64, most))
}
