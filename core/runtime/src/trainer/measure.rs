//! Measurements for a person: never part of training, in the ledger as diagnostic.

use super::{TrainError, rounds::stack, slot::Slot};
use crate::session::Round;
use blackbeam_plugin::{Matrix, Probe, Purpose, can, structure};

/// Held-out probes of a measurement.
pub(super) const PROBES: usize = 16;

/// True where [`surrogate_error`] has something to measure: a surrogate, and a device that one linear map can stand for.
pub(super) fn can_measure(slot: &Slot) -> bool {
    slot.surrogate.is_some() && slot.descriptor.has(structure::LINEAR_IN_X)
}

/// |A^ X - f(X)|_F / |f(X)|_F on 16 held-out Gaussian probes, A^ being what the surrogate's backward pass multiplies by.
/// `None` where there is nothing to measure.
pub(super) fn surrogate_error(slot: &mut Slot, step: u64) -> Result<Option<f64>, TrainError> {
    let (d_in, d_out) = (slot.descriptor.input.width, slot.descriptor.output.width);
    let Some(surrogate) = slot.surrogate.as_ref().filter(|_| can_measure(slot)) else { return Ok(None) };
    let mut x = Matrix::zeros(PROBES, d_in);
    slot.key.named("surrogate_error").with(step).fill_normal(0, &mut x.data);
    if slot.descriptor.input.min >= 0.0 {
        x.data.iter_mut().for_each(|v| *v = v.abs());
    }
    // Row o of A^ is the gradient for the cotangent e_o.
    let mut one = Matrix::zeros(d_out, d_out);
    (0..d_out).for_each(|o| one[(o, o)] = 1.0);
    let mut a = Matrix::zeros(d_out, d_in);
    let at = Matrix::zeros(d_out, d_in);
    surrogate
        .method
        .backward(at.view(), one.view(), a.view_mut())
        .map_err(|e| TrainError::method("surrogate", &surrogate.manifest, &slot.name, e))?;
    let none = Matrix::default();
    let round = Round { step, purpose: Purpose::Diagnostic, round: 0, x: &none, cotangent: &none };
    let answers = slot.session.probes(&[Probe::now(x.clone())], round)?;
    slot.session.take_observations();
    let y = &answers[0].outputs;
    let (mut error, mut norm) = (0.0, 0.0);
    for p in 0..PROBES {
        for o in 0..d_out {
            let predicted: f64 = a.row(o).iter().zip(x.row(p)).map(|(a, x)| a * x).sum();
            error += (predicted - y[(p, o)]).powi(2);
            norm += y[(p, o)].powi(2);
        }
    }
    Ok(Some((error / norm).sqrt()).filter(|e| e.is_finite()))
}

/// The exact gradient of the step's loss with respect to the parameters of a simulated device; `None` if the device has
/// none to tell, or was not used.
pub(super) fn exact_gradient(
    slot: &mut Slot,
    step: u64,
    cotangents: &[Matrix],
) -> Result<Option<Vec<f64>>, TrainError> {
    if !slot.descriptor.can(can::EXACT_VJP) || slot.seen.is_empty() {
        return Ok(None);
    }
    let arrays = stack(slot, cotangents, 0.0, f64::INFINITY);
    Ok(Some(slot.session.exact_vjp(&arrays.x, &arrays.cotangent, step)?.1))
}

/// Cosine of the angle between two vectors; `None` if one of them is zero.
pub(super) fn cosine(a: &[f64], b: &[f64]) -> Option<f64> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    Some(dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()).filter(|c| c.is_finite())
}
