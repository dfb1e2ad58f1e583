//! After an error that leaves it unknown what the device holds: the full scale is sent again, the parameters are written
//! again, and what was answered last is asked once more. Only a device that gives the same answer as before goes on.

use super::{
    clock::query_cost,
    driver::{Configuration, Driver},
    retry::Failure,
    send::{finite, send},
};
use blackbeam_plugin::{Call, Code, PluginError, Purpose, can, structure};

/// Most vectors that are kept to be sent again.
const KEPT_ROWS: usize = 4;
/// Standard deviations of the noise, and the part of full scale where that is not known, by which an answer may differ.
const SIGMAS: f64 = 6.0;
const PART: f64 = 0.05;

/// The last call that was answered, as far as it is kept.
pub(super) struct Kept {
    configuration: Configuration,
    call: Call,
    backward: bool,
    x: Vec<f64>,
    y: Vec<f64>,
}

/// Tallies of one process: what a person is told in the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Tally {
    /// Attempts beyond the first of each call.
    pub retries: u64,
    /// Calls that were mended after the device's state had become unknown.
    pub failures: u64,
    /// Changes of the boot id that were seen.
    pub boots: u64,
    /// Calibrations during the run.
    pub calibrations: u64,
    /// Their time, seconds.
    pub calibrate_s: f64,
}

impl Tally {
    /// True if nothing happened.
    pub fn is_empty(&self) -> bool {
        *self == Tally::default()
    }
}

impl Driver {
    /// Nothing is known any more of what the device holds.
    pub(super) fn lose(&mut self) {
        self.held = None;
        self.unsure = true;
    }

    /// Takes note of the first rows of an answer, to be asked for again if the device fails.
    pub(super) fn keep(
        &mut self,
        (x, d_in): (&[f64], usize),
        (y, d_out): (&[f64], usize),
        call: &Call,
        backward: bool,
    ) {
        if call.purpose == Purpose::Diagnostic {
            return;
        }
        let Some(configuration) = self.held.clone() else { return };
        let rows = KEPT_ROWS.min(x.len() / d_in.max(1));
        let kept = self.kept.get_or_insert_with(|| Kept {
            configuration: configuration.clone(),
            call: *call,
            backward,
            x: Vec::new(),
            y: Vec::new(),
        });
        (kept.configuration, kept.call, kept.backward) = (configuration, *call, backward);
        for (to, from) in [(&mut kept.x, &x[..rows * d_in]), (&mut kept.y, &y[..rows * d_out])] {
            to.clear();
            to.extend_from_slice(from);
        }
    }

    /// Brings a device of which nothing is known back to what it held, and sees whether it is the same. Costs are charged to
    /// the physical column only.
    pub(super) fn recover(&mut self, step: u64) -> Result<(), Failure> {
        if !self.unsure {
            return Ok(());
        }
        self.held = None;
        if self.range_sent {
            let sent = self.device.set_full_scale(self.full_scale);
            sent.map_err(|e| Failure::from(e).within(|| format!("setting the full scale again (step {step})")))?;
        }
        if let Some(kept) = self.kept.take() {
            let outcome = self.replay(&kept);
            self.kept = Some(kept);
            outcome?;
        }
        // Devices may remember more than the last write: the sequence of writes ends as it did.
        if let Some(last) = self.written.clone() {
            self.rewrite(&last)?;
        }
        self.unsure = false;
        Ok(())
    }

    /// Writes a configuration that was held before, unless writes wear the device and it still says that it holds it.
    fn rewrite(&mut self, configuration: &Configuration) -> Result<(), Failure> {
        let known = |of: &Configuration| of.call == configuration.call && of.params == configuration.params;
        let spares = self.descriptor.limits.writes > 0 && self.descriptor.can(can::READ_PARAMS);
        if spares && !self.held_applied.is_empty() && self.last.as_ref().is_some_and(known) {
            let read = self.device.read_params().map_err(|e| Failure::from(e).within(|| "a read-back".into()))?;
            if self.reads_as(&read, &self.held_applied) {
                self.held = Some(configuration.clone());
                return Ok(());
            }
        }
        self.hold(configuration, configuration.call.purpose)
    }

    pub(super) fn reads_as(&self, read: &[f64], applied: &[f64]) -> bool {
        let near = |((read, applied), p): ((&f64, &f64), &blackbeam_plugin::Parameter)| {
            p.distance(*read, *applied) <= p.resolution.max(1e-9 * applied.abs())
        };
        read.len() == applied.len() && read.iter().zip(applied).zip(self.descriptor.parameters.iter()).all(near)
    }

    /// Asks once more what was answered last.
    fn replay(&mut self, kept: &Kept) -> Result<(), Failure> {
        let (d_in, d_out) = (self.descriptor.input.width, self.descriptor.output.width);
        let (from, to) = if kept.backward { (d_out, d_in) } else { (d_in, d_out) };
        self.rewrite(&kept.configuration)?;
        let rows = kept.x.len() / from.max(1);
        let cost = query_cost(&self.descriptor, self.vectors(rows));
        self.spend(kept.call.purpose, kept.call.step, &cost)?;
        let mut y = vec![f64::NAN; kept.y.len()];
        let what = || format!("seeing whether it answers as before (step {})", kept.call.step);
        send(&mut *self.device, self.descriptor.dtype, (&kept.x, from), (&mut y, to), &kept.call, kept.backward)
            .and_then(|()| finite(&y))
            .map_err(|e| Failure::from(e).within(what))?;
        self.same(&kept.y, &y).map_err(|e| Failure::from(e).within(what))?;
        tracing::info!("device `{}` answers as before the failure: {rows} vectors were sent again", self.name);
        Ok(())
    }

    /// Whether an answer is that of before: to the bit for a deterministic device, else but for noise.
    fn same(&self, before: &[f64], now: &[f64]) -> Result<(), PluginError> {
        let off = before.iter().zip(now).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let largest = before.iter().map(|v| v.abs()).fold(self.noise.full_scale, f64::max);
        let bound = if self.descriptor.has(structure::DETERMINISTIC) {
            0.0
        } else if self.noise.std > 0.0 {
            SIGMAS * self.noise.std
        } else {
            PART * largest
        };
        if off <= bound {
            return Ok(());
        }
        let expected = if bound == 0.0 {
            "the same bits, as it says that it is deterministic".into()
        } else {
            format!("at most {bound:.3e}")
        };
        let message = format!(
            "after a failure it answers vectors that it has answered before differently, by up to {off:.3e} where the largest \
             output is {largest:.3e} (expected {expected}): is it another device, has it lost its calibration, or is it still \
             warming up? Put it in order and go on from the last checkpoint"
        );
        // It may still be on its way there.
        Err(PluginError::retryable(Code::STATE_LOST, message).with_unknown_state())
    }
}
