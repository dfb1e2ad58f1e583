//! A chain of planes in free space: Fourier transforms, applied to every field. Its answers are powers of camera bins, or
//! amplitudes of pixels where the read-out is coherent.

use super::{
    Choice,
    bench_build::{self, Modulator},
};
use crate::fabrication::Fabrication;
use blackbeam_freespace::{Chain, Cotangent, Element, Grid, Light, Mask, MaskGradient, Masks, Workspace};
use blackbeam_kernels::Real;
use blackbeam_netlist::circuit::{Circuit, Port, ReadoutMode, SlmKind};
use blackbeam_plugin::{PluginError, Result};
use num_complex::Complex64;
use std::sync::{Arc, Mutex};

/// A compiled chain.
pub(crate) struct Bench {
    source: Grid,
    elements: Vec<Element>,
    modulators: Vec<Modulator>,
    wl_um: f64,
    chain: Arc<Chain>,
    /// The chain at another wavelength, for a laser that has hopped there.
    hopped: Mutex<Option<(u64, Arc<Chain>)>>,
    /// The read-out sees powers.
    powers: bool,
    /// Camera pixels of a bin; 0 without a camera.
    pub camera_pixels: usize,
}

/// A chain with what its SLMs show.
#[derive(Clone)]
pub(crate) struct Loaded {
    chain: Arc<Chain>,
    masks: Masks,
}

/// Memory of one thread for fields on their way.
#[derive(Default)]
pub(crate) struct BenchRoom {
    work: Option<Workspace>,
}

impl BenchRoom {
    /// The workspace: made anew if it is of another chain.
    fn of(&mut self, chain: &Chain) -> &mut Workspace {
        let work = self.work.take().filter(|work| chain.owns(work));
        self.work.insert(work.unwrap_or_else(|| chain.workspace()))
    }
}

fn failed(error: blackbeam_freespace::Error) -> PluginError {
    PluginError::settings(format!("free space: {error}"))
}

impl Bench {
    /// # Errors
    /// `SETTINGS` for a circuit that is no chain, or is driven or read where it cannot be.
    pub fn new(circuit: &Circuit, fabrication: &Fabrication<'_>) -> Result<(Self, Choice)> {
        let [wl_um] = circuit.environment.wavelengths_um[..] else {
            return Err(PluginError::settings("free space: the light has one wavelength"));
        };
        let order = bench_build::order(circuit)?;
        let built = bench_build::elements(circuit, &order, fabrication, fabrication.root())?;
        let (first, last) = (order[0], order[order.len() - 1]);
        let ends_at =
            |ports: &[usize], port: Port| matches!(ports, [p] if circuit.ports.get(*p).is_some_and(|o| o.port == port));
        let encoding = circuit.encoding.as_ref();
        if encoding.is_some_and(|e| !ends_at(&e.ports, Port { instance: first, port: 0 })) {
            return Err(PluginError::settings("free space: x goes into the input of the `plane`"));
        }
        if !ends_at(&circuit.readout.ports, Port { instance: last, port: circuit.instances[last].inputs }) {
            return Err(PluginError::settings("free space: y is read at the output of the last element"));
        }
        let mode = circuit.readout.mode;
        if mode == ReadoutMode::Differential {
            return Err(PluginError::settings("free space: there are no pairs of outputs for `differential`"));
        }
        let chain = Arc::new(Chain::new(built.source, built.elements.clone(), wl_um).map_err(failed)?);
        let pixels = built.transformed.max(1.0);
        let mut parts: Vec<String> = vec![format!("{} elements", built.elements.len())];
        parts.extend(chain.notes().iter().map(|n| n.message.clone()));
        let choice = Choice {
            name: "free space by Fourier transforms",
            why: "the circuit is a chain of planes".into(),
            parts,
            flops: (30.0 * chain.source().pixels() as f64, 5.0 * pixels * pixels.log2()),
        };
        let bench = Bench {
            source: built.source,
            elements: built.elements,
            modulators: built.modulators,
            wl_um,
            chain,
            hopped: Mutex::new(None),
            powers: matches!(mode, ReadoutMode::Intensity | ReadoutMode::Amplitude),
            camera_pixels: built.camera_pixels,
        };
        Ok((bench, choice))
    }

    /// (outputs, inputs): bins or pixels.
    pub fn shape(&self) -> (usize, usize) {
        (self.chain.outputs(), self.source.pixels())
    }

    /// The read-out sees powers rather than fields.
    pub fn powers(&self) -> bool {
        self.powers
    }

    fn chain(&self, shift_um: f64) -> Result<Arc<Chain>> {
        if shift_um == 0.0 {
            return Ok(Arc::clone(&self.chain));
        }
        let mut hopped = self.hopped.lock().unwrap_or_else(|e| e.into_inner());
        match &*hopped {
            Some((shift, chain)) if *shift == shift_um.to_bits() => Ok(Arc::clone(chain)),
            _ => {
                let chain = Chain::new(self.source, self.elements.clone(), self.wl_um + shift_um).map_err(failed)?;
                Ok(Arc::clone(&hopped.insert((shift_um.to_bits(), Arc::new(chain))).1))
            }
        }
    }

    /// Shows the values of all slots.
    ///
    /// # Errors
    /// Values that are not finite.
    pub fn load(&self, slots: &[f64], shift_um: f64) -> Result<Loaded> {
        let chain = self.chain(shift_um)?;
        let mut loaded = Loaded { masks: chain.masks(), chain };
        self.show(slots, &mut loaded.masks)?;
        Ok(loaded)
    }

    /// As [`load`](Bench::load), in the memory of `loaded`.
    ///
    /// # Errors
    /// As [`load`](Bench::load); `loaded` is then undefined.
    pub fn reload(&self, slots: &[f64], shift_um: f64, loaded: &mut Loaded) -> Result<()> {
        let chain = self.chain(shift_um)?;
        if !Arc::ptr_eq(&chain, &loaded.chain) {
            *loaded = Loaded { masks: chain.masks(), chain };
        }
        self.show(slots, &mut loaded.masks)
    }

    fn show(&self, slots: &[f64], masks: &mut Masks) -> Result<()> {
        let mask = |m: &Modulator| {
            let slots = &slots[m.slots.clone()];
            match m.kind {
                SlmKind::Phase => Mask::phase(slots),
                SlmKind::Amplitude => Mask::amplitude(slots),
                SlmKind::Complex => Mask { phase: &slots[..m.pixels], amplitude: &slots[m.pixels..] },
            }
        };
        masks.load(&self.modulators.iter().map(mask).collect::<Vec<_>>()).map_err(failed)
    }

    /// Sends the rows of a batch: `inputs` [rows, pixels] reals, or (re, im) `pairs`; `out` [rows, outputs] takes powers, or
    /// (re, im) pairs. Nothing is allocated once `room` has been used.
    ///
    /// # Errors
    /// Slices of a wrong length.
    pub fn apply_rows<T: Real>(
        &self,
        loaded: &Loaded,
        (inputs, pairs): (&[T], bool),
        out: &mut [T],
        room: &mut BenchRoom,
    ) -> Result<()> {
        let (outputs, pixels) = self.shape();
        let width = if pairs { 2 * pixels } else { pixels };
        let height = if self.powers { outputs } else { 2 * outputs };
        let work = room.of(&loaded.chain);
        for (row, out) in inputs.chunks_exact(width).zip(out.chunks_exact_mut(height)) {
            let light = if pairs { Light::Complex(row) } else { Light::Real(row) };
            loaded.chain.forward_of(light, &loaded.masks, work).map_err(failed)?;
            self.read(loaded, out, work)?;
        }
        Ok(())
    }

    /// Reads what has come through the chain.
    fn read<T: Real>(&self, loaded: &Loaded, out: &mut [T], work: &Workspace) -> Result<()> {
        let done = if self.powers { loaded.chain.powers(work, out) } else { loaded.chain.amplitude_pairs(work, out) };
        done.map_err(failed)
    }

    /// Sends one field; `out` takes powers, or (re, im) pairs.
    ///
    /// # Errors
    /// Fields that are not finite.
    pub fn apply(&self, loaded: &Loaded, field: &[Complex64], out: &mut [f64], work: &mut Workspace) -> Result<()> {
        loaded.chain.forward(field, &loaded.masks, work).map_err(failed)?;
        self.read(loaded, out, work)
    }

    /// The adjoint of [`apply`](Bench::apply): from dL/dout to dL/dfield (written) and the gradient of the masks (added).
    ///
    /// # Errors
    /// As [`apply`](Bench::apply).
    pub fn adjoint(
        &self,
        loaded: &Loaded,
        (field, dout): (&[Complex64], &[f64]),
        work: &mut Workspace,
        gradient: &mut MaskGradient,
        dfield: &mut [Complex64],
    ) -> Result<()> {
        let chain = &loaded.chain;
        let mut state = vec![Complex64::ZERO; chain.state_len()];
        chain.prepare(field, &mut state, work).map_err(failed)?;
        chain.record(&state, &loaded.masks, work).map_err(failed)?;
        let amplitudes: Vec<Complex64>;
        let cotangent = if self.powers {
            Cotangent::Powers(dout)
        } else {
            amplitudes = dout.chunks_exact(2).map(|g| Complex64::new(g[0], g[1])).collect();
            Cotangent::Amplitudes(&amplitudes)
        };
        chain.adjoint(cotangent, &loaded.masks, work, gradient, Some(dfield)).map_err(failed)
    }

    /// Adds the gradient of the masks to that of the slots.
    pub fn pull(&self, gradient: &MaskGradient, dslots: &mut [f64]) {
        for (k, m) in self.modulators.iter().enumerate() {
            let parts: [&[f64]; 2] = match m.kind {
                SlmKind::Phase => [&gradient.phase[k], &[]],
                SlmKind::Amplitude => [&gradient.amplitude[k], &[]],
                SlmKind::Complex => [&gradient.phase[k], &gradient.amplitude[k]],
            };
            let target = &mut dslots[m.slots.clone()];
            target.iter_mut().zip(parts.into_iter().flatten()).for_each(|(d, g)| *d += g);
        }
    }
}

impl Loaded {
    /// Room for the passes of one thread.
    pub fn workspace(&self) -> Workspace {
        self.chain.workspace()
    }

    /// A gradient of zeros.
    pub fn gradient(&self) -> MaskGradient {
        self.chain.mask_gradient()
    }
}
