//! The contract of a device: what it is asked.

use crate::{ArrayView, ArrayViewMut, Code, Descriptor, Matrix, ParameterSet, PluginError, Result};
use abi_stable::{
    StableAbi,
    std_types::{RString, RVec},
};
use std::{sync::Arc, time::Duration};

/// What a call is for. The ledger keeps its columns by purpose.
#[repr(u32)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Purpose {
    /// The forward pass of training.
    Forward = 0,
    /// A probe of an estimator.
    Probe = 1,
    /// A probe of a surrogate.
    Surrogate = 2,
    /// Evaluation on held-out data.
    Evaluation = 3,
    /// Noise and range estimates at the start of a run.
    Calibration = 4,
    /// What is measured for a person; never part of training, does not advance the device's clock.
    Diagnostic = 5,
}

impl Purpose {
    /// All purposes, in order.
    pub const ALL: [Purpose; 6] = [
        Purpose::Forward,
        Purpose::Probe,
        Purpose::Surrogate,
        Purpose::Evaluation,
        Purpose::Calibration,
        Purpose::Diagnostic,
    ];

    /// The name used in metrics and ledgers.
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Forward => "forward",
            Purpose::Probe => "probe",
            Purpose::Surrogate => "surrogate",
            Purpose::Evaluation => "evaluation",
            Purpose::Calibration => "calibration",
            Purpose::Diagnostic => "diagnostic",
        }
    }
}

/// Identity of a call. Simulators key their noise by it, so that a call that is retried, split or regrouped gives the
/// same bits; a real device may ignore it.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, PartialEq, Debug)]
pub struct Call {
    /// Names the run and the device instance.
    pub stream: u64,
    /// Training step.
    pub step: u64,
    /// What the call is for.
    pub purpose: Purpose,
    /// Round within the step (ask / tell), or use of the device within the network.
    pub round: u32,
    /// Parameter set within the round.
    pub set: u32,
    /// Row of the logical input batch that row 0 of this call is.
    pub first_row: u64,
    /// Device time at the start of the logical group (one configuration x one input batch), seconds.
    pub time_s: f64,
}

/// What a write did.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, PartialEq, Default)]
pub struct Applied {
    /// The parameters that the device holds now: clamped, rounded, mapped back by the nominal curve.
    pub values: RVec<f64>,
}

/// How a device is, as it says itself.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, PartialEq)]
pub struct Health {
    /// Writes and queries can be sent.
    pub ready: bool,
    /// The calibration in force is too old: [`Device::calibrate`] makes a new one.
    pub calibration_stale: bool,
    /// Another number after every power cycle; 0 if that cannot be told.
    pub boot_id: u64,
    /// Degrees Celsius; NaN if it is not measured.
    pub temperature_c: f64,
    /// For a person.
    pub note: RString,
}

impl Default for Health {
    /// Ready, and nothing else is known.
    fn default() -> Self {
        Health { ready: true, calibration_stale: false, boot_id: 0, temperature_c: f64::NAN, note: RString::new() }
    }
}

/// [`Device::safe_state`] for another thread, while a call of the device may be running.
pub type SafeState = Arc<dyn Fn() -> Result<()> + Send + Sync>;

/// A device: hardware behind a driver, or a simulator. One thread calls it at a time. The host checks the shapes it
/// sends and what comes back; a method that cannot do what it is asked returns an error and never a partial result.
pub trait Device: Send {
    /// What the device is. Called once after opening.
    fn descriptor(&self) -> Descriptor;

    /// Programs the parameters (length n_params, units of the descriptor; what is out of range is brought in by
    /// [`Parameter::admit`](crate::Parameter::admit)) and says what was really applied. Returns
    /// when they hold or when their settling can be charged by [`Timing`](crate::Timing).
    ///
    /// # Errors
    /// Any; `with_unknown_state` if the device may hold something else than before and than asked.
    fn write_params(&mut self, params: &[f64], call: &Call) -> Result<Applied>;

    /// Sends `x` [batch, d_in] through the device as it is programmed and fills `y` [batch, d_out].
    ///
    /// # Errors
    /// Any; a short or non-finite result is an error, never data.
    fn query(&mut self, x: ArrayView<'_>, y: ArrayViewMut<'_>, call: &Call) -> Result<()>;

    /// Answers several configurations in one call: for each of `sets` (with its identity in `calls`), as by
    /// `write_params` and `query`: `y` [sets, batch, d_out]. `bases` are the current and the previous parameters. Ends
    /// programmed with the last set. Returns the applied parameters of each set if `want_applied`, else an empty vector.
    ///
    /// # Errors
    /// `UNSUPPORTED` unless the descriptor has [`can::QUERY_SETS`](crate::can::QUERY_SETS); else as `query`.
    #[allow(clippy::too_many_arguments)]
    fn query_sets(
        &mut self,
        bases: [&[f64]; 2],
        sets: &[ParameterSet],
        calls: &[Call],
        x: ArrayView<'_>,
        y: ArrayViewMut<'_>,
        want_applied: bool,
    ) -> Result<Vec<Applied>> {
        let _ = (bases, sets, calls, x, y, want_applied);
        Err(unsupported("query_sets"))
    }

    /// As [`query_sets`](Device::query_sets), of each configuration only the sum over rows and outputs of answer times
    /// `cotangent` \[batch, d_out\]: one number a set in `scalars`. A device that knows its own structure may find all of them in far
    /// less time than the answers.
    ///
    /// # Errors
    /// `UNSUPPORTED` unless the descriptor has [`can::SCALARS`](crate::can::SCALARS); else as `query_sets`.
    #[allow(clippy::too_many_arguments)]
    fn query_scalars(
        &mut self,
        bases: [&[f64]; 2],
        sets: &[ParameterSet],
        calls: &[Call],
        x: ArrayView<'_>,
        cotangent: ArrayView<'_>,
        scalars: &mut [f64],
        want_applied: bool,
    ) -> Result<Vec<Applied>> {
        let _ = (bases, sets, calls, x, cotangent, scalars, want_applied);
        Err(unsupported("query_scalars"))
    }

    /// Sends light backwards: `y` [batch, d_out] in, `x` [batch, d_in] = y A out, with A the matrix of reals: for complex ports, re and
    /// im by turns, the conjugate transpose of the complex matrix.
    ///
    /// # Errors
    /// `UNSUPPORTED` unless the descriptor has [`can::BACKWARD`](crate::can::BACKWARD).
    fn query_backward(&mut self, y: ArrayView<'_>, x: ArrayViewMut<'_>, call: &Call) -> Result<()> {
        let _ = (y, x, call);
        Err(unsupported("query_backward"))
    }

    /// The matrix [d_out, d_in] at the programmed parameters, without noise: a diagnostic.
    ///
    /// # Errors
    /// `UNSUPPORTED` unless the descriptor has [`can::READ_MATRIX`](crate::can::READ_MATRIX).
    fn read_matrix(&mut self, call: &Call) -> Result<Matrix> {
        let _ = call;
        Err(unsupported("read_matrix"))
    }

    /// The exact derivatives of a simulated device as it is programmed: for the cotangents `dy` [batch, d_out] at the inputs
    /// `x` [batch, d_in] fills `dx` [batch, d_in] with dy . dy/dx and `dparams` (length n_params) with the same by the
    /// parameters, summed over the batch. Of the device without noise; rounding and clipping count as the identity. A
    /// diagnostic: what a person measures methods by, never part of one.
    ///
    /// # Errors
    /// `UNSUPPORTED` unless the descriptor has [`can::EXACT_VJP`](crate::can::EXACT_VJP).
    fn exact_vjp(
        &mut self,
        x: ArrayView<'_>,
        dy: ArrayView<'_>,
        dx: ArrayViewMut<'_>,
        dparams: &mut [f64],
        call: &Call,
    ) -> Result<()> {
        let _ = (x, dy, dx, dparams, call);
        Err(unsupported("exact_vjp"))
    }

    /// The parameters that the device holds.
    ///
    /// # Errors
    /// `UNSUPPORTED` unless the descriptor has [`can::READ_PARAMS`](crate::can::READ_PARAMS).
    fn read_params(&mut self) -> Result<Vec<f64>> {
        Err(unsupported("read_params"))
    }

    /// Sets the output value at which the read-out is full scale.
    ///
    /// # Errors
    /// `UNSUPPORTED` unless the descriptor has [`can::FULL_SCALE`](crate::can::FULL_SCALE).
    fn set_full_scale(&mut self, full_scale: f64) -> Result<()> {
        let _ = full_scale;
        Err(unsupported("set_full_scale"))
    }

    /// Puts the hardware in a state in which it can be left alone. Idempotent.
    ///
    /// # Errors
    /// If the hardware could not be reached.
    fn safe_state(&mut self) -> Result<()> {
        Ok(())
    }

    /// The same from any thread, at any time until the device is dropped; `None` if it cannot be called while another call is
    /// running.
    fn safe_state_anywhere(&self) -> Option<SafeState> {
        None
    }

    /// Time until the actuators have settled after the last write: the next query waits for it.
    fn settling(&self) -> Duration {
        Duration::ZERO
    }

    /// How the device is: asked between steps and after errors. It should take milliseconds and must change nothing.
    ///
    /// # Errors
    /// If it cannot be reached.
    fn health(&mut self) -> Result<Health> {
        Ok(Health::default())
    }

    /// Calibrates the device, which may take long. The parameters are written anew after it.
    ///
    /// # Errors
    /// `UNSUPPORTED` unless the descriptor has [`can::CALIBRATE`](crate::can::CALIBRATE).
    fn calibrate(&mut self) -> Result<()> {
        Err(unsupported("calibrate"))
    }

    /// State that a resumed run needs beside the parameters. Empty if there is none.
    ///
    /// # Errors
    /// If it cannot be read.
    fn save_state(&self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    /// Takes back what `save_state` gave.
    ///
    /// # Errors
    /// `BAD_STATE` if the bytes are not such a state.
    fn restore_state(&mut self, state: &[u8]) -> Result<()> {
        if state.is_empty() { Ok(()) } else { Err(PluginError::new(Code::BAD_STATE, "this device has no state")) }
    }
}

fn unsupported(what: &str) -> PluginError {
    PluginError::new(Code::UNSUPPORTED, format!("the device has no {what}"))
}
