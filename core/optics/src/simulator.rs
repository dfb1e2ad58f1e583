//! A simulated device.

use crate::{engine::Engine, explain::Explanation};
use blackbeam_netlist::circuit::{Circuit, Precision};
use blackbeam_plugin::{Applied, ArrayView, ArrayViewMut, Call, Descriptor, Device, Matrix, ParameterSet, Result};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// What a simulator has really done, counted by itself.
#[derive(Debug, Default)]
pub struct Counters {
    pub(crate) vectors: AtomicU64,
    pub(crate) configurations: AtomicU64,
}

impl Counters {
    /// Vectors of light sent: rows of queries, twice where a row takes two vectors, and d_in for each reading of the
    /// matrix.
    pub fn vectors(&self) -> u64 {
        self.vectors.load(Ordering::Relaxed)
    }

    /// Configurations programmed, the initial one not among them.
    pub fn configurations(&self) -> u64 {
        self.configurations.load(Ordering::Relaxed)
    }
}

/// A simulated device: pure functions of (circuit, seed, parameters written, identity of the call, time), with the same
/// bits for any number of threads and any splitting of batches.
///
/// It computes in the precision that the circuit asks for; f32 and f64 differ by rounding.
pub struct Simulator(Numbers);

enum Numbers {
    F64(Box<Engine<f64>>),
    F32(Box<Engine<f32>>),
}

/// The same of the engine, whichever it is.
macro_rules! engine {
    ($this:expr, $engine:ident => $what:expr) => {
        match $this {
            Numbers::F64($engine) => $what,
            Numbers::F32($engine) => $what,
        }
    };
}

impl Simulator {
    /// Compiles a circuit and programs its initial values. `seed` decides all that is random; `threads` (0 counts as 1)
    /// answer at the same time.
    ///
    /// # Errors
    /// `SETTINGS` for a circuit that contradicts itself or has no `encoding`; `IO` if threads cannot be started.
    pub fn open(circuit: &Circuit, seed: u64, threads: usize) -> Result<Self> {
        Ok(Simulator(match circuit.precision {
            Precision::F64 => Numbers::F64(Box::new(Engine::open(circuit, seed, threads)?)),
            Precision::F32 => Numbers::F32(Box::new(Engine::open(circuit, seed, threads)?)),
        }))
    }

    /// What was compiled and what is in force, `circuit` being what this was opened with.
    ///
    /// # Errors
    /// `NONFINITE` where light has no steady state.
    pub fn explain(&self, circuit: &Circuit) -> Result<Explanation> {
        engine!(&self.0, engine => Explanation::of_device(circuit, &engine.model, &engine.events))
    }

    /// What this simulator counts, readable while a session owns it.
    pub fn counters(&self) -> Arc<Counters> {
        engine!(&self.0, engine => Arc::clone(&engine.counters))
    }
}

impl Device for Simulator {
    fn descriptor(&self) -> Descriptor {
        engine!(&self.0, engine => engine.descriptor())
    }

    fn write_params(&mut self, params: &[f64], call: &Call) -> Result<Applied> {
        engine!(&mut self.0, engine => engine.write_params(params, call))
    }

    fn query(&mut self, x: ArrayView<'_>, y: ArrayViewMut<'_>, call: &Call) -> Result<()> {
        engine!(&mut self.0, engine => engine.query(x, y, call))
    }

    fn query_sets(
        &mut self,
        bases: [&[f64]; 2],
        sets: &[ParameterSet],
        calls: &[Call],
        x: ArrayView<'_>,
        y: ArrayViewMut<'_>,
        want_applied: bool,
    ) -> Result<Vec<Applied>> {
        engine!(&mut self.0, engine => engine.query_sets(bases, sets, calls, x, y, want_applied))
    }

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
        engine!(&mut self.0, engine => engine.query_scalars(bases, sets, calls, x, cotangent, scalars, want_applied))
    }

    fn query_backward(&mut self, y: ArrayView<'_>, x: ArrayViewMut<'_>, call: &Call) -> Result<()> {
        engine!(&mut self.0, engine => engine.query_backward(y, x, call))
    }

    fn read_matrix(&mut self, call: &Call) -> Result<Matrix> {
        engine!(&mut self.0, engine => engine.read_matrix(call))
    }

    fn exact_vjp(
        &mut self,
        x: ArrayView<'_>,
        dy: ArrayView<'_>,
        dx: ArrayViewMut<'_>,
        dparams: &mut [f64],
        call: &Call,
    ) -> Result<()> {
        engine!(&mut self.0, engine => engine.exact_vjp(x, dy, dx, dparams, call))
    }

    fn save_state(&self) -> Result<Vec<u8>> {
        engine!(&self.0, engine => engine.save_state())
    }

    fn restore_state(&mut self, state: &[u8]) -> Result<()> {
        engine!(&mut self.0, engine => engine.restore_state(state))
    }

    fn read_params(&mut self) -> Result<Vec<f64>> {
        engine!(&mut self.0, engine => engine.read_params())
    }

    fn set_full_scale(&mut self, full_scale: f64) -> Result<()> {
        engine!(&mut self.0, engine => engine.set_full_scale(full_scale))
    }
}
