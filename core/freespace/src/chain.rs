//! A compiled chain of elements.

use crate::{
    bins::Bins,
    build::Builder,
    element::{Camera, Element},
    error::{Error, Note, check_length},
    fourier::Buffers,
    grid::{Grid, Plane},
    mask::{MaskGradient, Masks, Modulator},
    op::{Op, multiply, product},
};
use blackbeam_kernels::{Arch, Level, Real, Task};
use num_complex::Complex64;
use std::sync::Arc;

/// Elements in the order of the light, compiled for one wavelength. It is not changed by use and may be shared by threads;
/// each thread has a [`Workspace`] of its own.
///
/// The cost of a field is that of its Fourier transforms, each O(n log n) for n pixels with padding: one for a lens or
/// Fraunhofer, two for other propagations. Nothing is allocated once a workspace has been used.
pub struct Chain {
    source: Grid,
    /// The last plane.
    plane: Plane,
    /// Operations before the first SLM, between SLMs, after the last: one more than SLMs.
    sections: Vec<Vec<Op>>,
    modulators: Arc<Vec<Modulator>>,
    bins: Bins,
    notes: Vec<Note>,
    /// Length of the buffers, of the scratch space.
    buffers: [usize; 2],
}

/// Room for one field on its way through a chain, and for what the adjoint needs.
#[derive(Clone)]
pub struct Workspace {
    /// Which chain it belongs to.
    modulators: Arc<Vec<Modulator>>,
    buffers: Buffers,
    /// The fields that came to each SLM, then the output.
    tape: Vec<Vec<Complex64>>,
    content: Content,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Nothing,
    Output,
    /// An output with its tape; the buffers may have been used since.
    Recorded,
}

/// What a cotangent is of.
#[derive(Clone, Copy, Debug)]
pub enum Cotangent<'a> {
    /// Of [`Chain::powers`]: dL / dy.
    Powers(&'a [f64]),
    /// Of [`Chain::amplitudes`].
    Amplitudes(&'a [Complex64]),
    /// Of [`Chain::field`], row-major.
    Field(&'a [Complex64]),
}

/// A field that enters, row-major on the source plane.
#[derive(Clone, Copy, Debug)]
pub enum Light<'a, T> {
    /// Real amplitudes.
    Real(&'a [T]),
    /// (re, im) pairs.
    Complex(&'a [T]),
}

/// Takes a field in, through the transmission of an SLM.
struct Enter<'a, T> {
    input: Light<'a, T>,
    through: Option<&'a [Complex64]>,
    to: &'a mut [Complex64],
}

impl<T: Real> Enter<'_, T> {
    #[inline(always)]
    fn each(to: &mut [Complex64], through: Option<&[Complex64]>, light: impl Iterator<Item = Complex64>) {
        match through {
            Some(through) => {
                for ((to, e), t) in to.iter_mut().zip(light).zip(through) {
                    *to = product(e, *t);
                }
            }
            None => {
                for (to, e) in to.iter_mut().zip(light) {
                    *to = e;
                }
            }
        }
    }
}

impl<T: Real> Task for Enter<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        match self.input {
            Light::Real(e) => Self::each(self.to, self.through, e.iter().map(|e| Complex64::from(e.to_f64()))),
            Light::Complex(e) => {
                let (pairs, _) = e.as_chunks::<2>();
                let pairs = pairs.iter().map(|[re, im]| Complex64::new(re.to_f64(), im.to_f64()));
                Self::each(self.to, self.through, pairs);
            }
        }
    }
}

impl Chain {
    /// Checks the geometry, plans the transforms and computes all that is fixed. `wl_um` is the wavelength in the medium.
    ///
    /// # Errors
    /// Elements that are impossible or do not fit to each other; sizes out of bounds.
    pub fn new(source: Grid, elements: Vec<Element>, wl_um: f64) -> Result<Chain, Error> {
        let mut builder = Builder::new(source, wl_um)?;
        let mut elements = elements.into_iter().enumerate().peekable();
        while let Some((index, element)) = elements.next() {
            builder.add(index, element, elements.peek().map(|(_, next)| next))?;
        }
        let Builder { plane, sections, modulators, camera, notes, field, scratch, .. } = builder;
        let camera = camera.unwrap_or_else(|| Camera::new([plane.grid.rows, plane.grid.cols], [1, 1]));
        let bins = Bins::new(&camera, plane);
        Ok(Chain { source, plane, sections, modulators: Arc::new(modulators), bins, notes, buffers: [field, scratch] })
    }

    /// The plane of the input.
    pub fn source(&self) -> Grid {
        self.source
    }

    /// The last plane, of which the camera takes a part.
    pub fn output(&self) -> Grid {
        self.plane.grid
    }

    /// Number of camera bins; of pixels of the last plane, without a camera.
    pub fn outputs(&self) -> usize {
        self.bins.outputs()
    }

    /// Length of the state of [`prepare`](Chain::prepare).
    pub fn state_len(&self) -> usize {
        self.modulators.first().map_or(self.plane.grid.pixels(), |m| m.scale.len())
    }

    /// What users should know: light that is dropped, methods out of their range.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Room for the passes of one thread.
    pub fn workspace(&self) -> Workspace {
        let buffers = Buffers::new(self.buffers[0], self.buffers[1]);
        Workspace { modulators: self.modulators.clone(), buffers, tape: Vec::new(), content: Content::Nothing }
    }

    /// Whether a workspace is one of this chain.
    pub fn owns(&self, work: &Workspace) -> bool {
        Arc::ptr_eq(&work.modulators, &self.modulators)
    }

    /// Flat masks, to be loaded.
    pub fn masks(&self) -> Masks {
        Masks::new(self.modulators.clone())
    }

    /// A gradient of zeros.
    pub fn mask_gradient(&self) -> MaskGradient {
        MaskGradient::new(&self.modulators)
    }

    /// From an input (row-major on the source plane) to the output in `work`: [`prepare`](Chain::prepare) and
    /// [`finish`](Chain::finish) in one, with the same bits. Inputs that are not finite give outputs that are not.
    ///
    /// # Errors
    /// Wrong lengths, masks or a workspace of another chain.
    pub fn forward(&self, input: &[Complex64], masks: &Masks, work: &mut Workspace) -> Result<(), Error> {
        self.check_masks(masks)?;
        self.enter(input, work)?;
        if !self.modulators.is_empty() {
            multiply(&mut work.buffers.a, masks.transmission(0));
            self.leave(masks, work, false);
        }
        work.content = Content::Output;
        Ok(())
    }

    /// As [`forward`](Chain::forward), with the same bits, from numbers of any precision.
    ///
    /// # Errors
    /// As [`forward`](Chain::forward).
    pub fn forward_of<T: Real>(&self, input: Light<T>, masks: &Masks, work: &mut Workspace) -> Result<(), Error> {
        self.check_masks(masks)?;
        self.check_workspace(work)?;
        let found = match input {
            Light::Real(e) => e.len(),
            Light::Complex(pairs) => pairs.len() / 2,
        };
        check_length("input field", found, self.source.pixels())?;
        work.content = Content::Nothing;
        let through = match (self.modulators.is_empty(), self.sections[0].is_empty()) {
            (false, true) => Some(masks.transmission(0)),
            _ => None,
        };
        Level::best().run(Enter { input, through, to: &mut work.buffers.a });
        if through.is_none() {
            self.sections[0].iter().for_each(|op| op.apply(&mut work.buffers));
            if !self.modulators.is_empty() {
                multiply(&mut work.buffers.a, masks.transmission(0));
            }
        }
        self.leave(masks, work, false);
        work.content = Content::Output;
        Ok(())
    }

    /// All that happens to an input before the first SLM: the state that [`finish`](Chain::finish) sends through masks.
    ///
    /// # Errors
    /// Wrong lengths, a workspace of another chain.
    pub fn prepare(&self, input: &[Complex64], state: &mut [Complex64], work: &mut Workspace) -> Result<(), Error> {
        check_length("prepared state", state.len(), self.state_len())?;
        self.enter(input, work)?;
        state.copy_from_slice(&work.buffers.a[..state.len()]);
        Ok(())
    }

    /// From the state before the first SLM to the output in `work`.
    ///
    /// # Errors
    /// As [`forward`](Chain::forward).
    pub fn finish(&self, state: &[Complex64], masks: &Masks, work: &mut Workspace) -> Result<(), Error> {
        self.start(state, masks, work)?;
        self.leave(masks, work, false);
        work.content = Content::Output;
        Ok(())
    }

    /// As [`finish`](Chain::finish); `work` then also holds what [`adjoint`](Chain::adjoint) needs.
    ///
    /// # Errors
    /// As [`forward`](Chain::forward).
    pub fn record(&self, state: &[Complex64], masks: &Masks, work: &mut Workspace) -> Result<(), Error> {
        self.start(state, masks, work)?;
        work.tape.resize(self.modulators.len() + 1, Vec::new());
        if !self.modulators.is_empty() {
            copy(state, &mut work.tape[0]);
        }
        self.leave(masks, work, true);
        work.content = Content::Recorded;
        Ok(())
    }

    /// Powers of the bins, sum of gain |E|^2, row-major.
    ///
    /// # Errors
    /// No output in `work`, wrong lengths.
    pub fn powers<T: Real>(&self, work: &Workspace, y: &mut [T]) -> Result<(), Error> {
        let field = self.output_of(work)?;
        check_length("powers", y.len(), self.outputs())?;
        self.bins.powers(field, y);
        Ok(())
    }

    /// Amplitudes of the bins as a coherent receiver sees them, whose local oscillator is even over each bin and has unit
    /// power there: sum of gain E / sqrt(pixels of a bin). |y|^2 is the power of an even field, and less for others.
    ///
    /// # Errors
    /// No output in `work`, wrong lengths.
    pub fn amplitudes(&self, work: &Workspace, y: &mut [Complex64]) -> Result<(), Error> {
        let field = self.output_of(work)?;
        check_length("amplitudes", y.len(), self.outputs())?;
        self.bins.amplitudes(field, y, |e| e);
        Ok(())
    }

    /// [`amplitudes`](Chain::amplitudes) as (re, im) pairs.
    ///
    /// # Errors
    /// As [`amplitudes`](Chain::amplitudes).
    pub fn amplitude_pairs<T: Real>(&self, work: &Workspace, y: &mut [T]) -> Result<(), Error> {
        let field = self.output_of(work)?;
        check_length("amplitudes", y.len(), 2 * self.outputs())?;
        let (pairs, _) = y.as_chunks_mut::<2>();
        self.bins.amplitudes(field, pairs, |e| [T::from_f64(e.re), T::from_f64(e.im)]);
        Ok(())
    }

    /// The field on the whole last plane, row-major, without gains.
    ///
    /// # Errors
    /// No output in `work`, wrong lengths.
    pub fn field(&self, work: &Workspace, field: &mut [Complex64]) -> Result<(), Error> {
        let output = self.output_of(work)?;
        check_length("output field", field.len(), self.plane.grid.pixels())?;
        self.plane.each(|k, pixel| field[pixel] = output[k]);
        Ok(())
    }

    /// Back through the pass that was recorded last with `work` and the same masks: adds the gradient of the masks, and writes
    /// the cotangent of the input where it is wanted. May be called again with other cotangents.
    ///
    /// # Errors
    /// Nothing recorded, wrong lengths, parts of another chain.
    pub fn adjoint(
        &self,
        cotangent: Cotangent,
        masks: &Masks,
        work: &mut Workspace,
        gradient: &mut MaskGradient,
        input: Option<&mut [Complex64]>,
    ) -> Result<(), Error> {
        self.check_masks(masks)?;
        self.check_workspace(work)?;
        if work.content != Content::Recorded {
            return Err(Error::NotRecorded);
        }
        if !gradient.fits(&self.modulators) {
            return Err(Error::OtherChain("gradient"));
        }
        if let Some(input) = &input {
            check_length("cotangent of the input", input.len(), self.source.pixels())?;
        }
        self.enter_back(cotangent, work)?;
        for (slm, section) in self.sections.iter().skip(1).enumerate().rev() {
            section.iter().rev().for_each(|op| op.adjoint(&mut work.buffers));
            masks.adjoint(slm, &work.tape[slm], &mut work.buffers.a, gradient);
        }
        if let Some(input) = input {
            self.sections[0].iter().rev().for_each(|op| op.adjoint(&mut work.buffers));
            input.copy_from_slice(&work.buffers.a[..input.len()]);
        }
        Ok(())
    }

    /// Runs an input up to the first SLM.
    fn enter(&self, input: &[Complex64], work: &mut Workspace) -> Result<(), Error> {
        self.check_workspace(work)?;
        check_length("input field", input.len(), self.source.pixels())?;
        work.content = Content::Nothing;
        work.buffers.a[..input.len()].copy_from_slice(input);
        self.sections[0].iter().for_each(|op| op.apply(&mut work.buffers));
        Ok(())
    }

    /// Puts a state, times the transmission of the first SLM, into the buffer.
    fn start(&self, state: &[Complex64], masks: &Masks, work: &mut Workspace) -> Result<(), Error> {
        self.check_masks(masks)?;
        self.check_workspace(work)?;
        check_length("prepared state", state.len(), self.state_len())?;
        work.content = Content::Nothing;
        let a = &mut work.buffers.a;
        if self.modulators.is_empty() {
            a[..state.len()].copy_from_slice(state);
        } else {
            let products = state.iter().zip(masks.transmission(0));
            a.iter_mut().zip(products).for_each(|(e, (s, t))| *e = s * t);
        }
        Ok(())
    }

    /// Runs what left the first SLM to the output.
    fn leave(&self, masks: &Masks, work: &mut Workspace, record: bool) {
        for (slm, section) in self.sections.iter().skip(1).enumerate() {
            if slm > 0 {
                if record {
                    copy(&work.buffers.a[..self.modulators[slm].scale.len()], &mut work.tape[slm]);
                }
                multiply(&mut work.buffers.a, masks.transmission(slm));
            }
            section.iter().for_each(|op| op.apply(&mut work.buffers));
        }
        if record {
            copy(&work.buffers.a[..self.plane.grid.pixels()], &mut work.tape[self.modulators.len()]);
        }
    }

    /// Puts the cotangent of the output field into the buffer.
    fn enter_back(&self, cotangent: Cotangent, work: &mut Workspace) -> Result<(), Error> {
        let pixels = self.plane.grid.pixels();
        let g = &mut work.buffers.a[..pixels];
        match cotangent {
            Cotangent::Powers(y) => {
                check_length("cotangent of the powers", y.len(), self.outputs())?;
                self.bins.powers_adjoint(&work.tape[self.modulators.len()], y, g);
            }
            Cotangent::Amplitudes(y) => {
                check_length("cotangent of the amplitudes", y.len(), self.outputs())?;
                self.bins.amplitudes_adjoint(y, g);
            }
            Cotangent::Field(field) => {
                check_length("cotangent of the field", field.len(), pixels)?;
                self.plane.each(|k, pixel| g[k] = field[pixel]);
            }
        }
        Ok(())
    }

    fn output_of<'a>(&self, work: &'a Workspace) -> Result<&'a [Complex64], Error> {
        self.check_workspace(work)?;
        match work.content {
            Content::Output => Ok(&work.buffers.a[..self.plane.grid.pixels()]),
            Content::Recorded => Ok(&work.tape[self.modulators.len()]),
            Content::Nothing => Err(Error::NoOutput),
        }
    }

    fn check_workspace(&self, work: &Workspace) -> Result<(), Error> {
        if self.owns(work) { Ok(()) } else { Err(Error::OtherChain("workspace")) }
    }

    fn check_masks(&self, masks: &Masks) -> Result<(), Error> {
        if Arc::ptr_eq(&masks.modulators, &self.modulators) { Ok(()) } else { Err(Error::OtherChain("masks")) }
    }
}

fn copy(from: &[Complex64], to: &mut Vec<Complex64>) {
    to.clear();
    to.extend_from_slice(from);
}
