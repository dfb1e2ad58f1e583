//! What SLMs show, and its gradient.

use crate::{
    element::SlmKind,
    error::{Error, check_length},
    grid::Plane,
};
use num_complex::Complex64;
use std::sync::Arc;

/// An SLM in a chain: it multiplies by scale m + offset, in which all that is fixed around it has been merged.
pub(crate) struct Modulator {
    pub plane: Plane,
    pub kind: SlmKind,
    /// In stored order, as all here.
    pub scale: Vec<Complex64>,
    pub offset: Vec<Complex64>,
}

impl Modulator {
    /// Merges a multiplication in the same plane.
    pub fn merge(&mut self, diagonal: &[Complex64]) {
        for ((scale, offset), d) in self.scale.iter_mut().zip(&mut self.offset).zip(diagonal) {
            *scale *= d;
            *offset *= d;
        }
    }
}

/// What one SLM is to show, row-major. The physical values: crosstalk of pixels, converters and drift are up to the caller.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mask<'a> {
    /// rad; empty for an SLM of amplitudes.
    pub phase: &'a [f64],
    /// Empty for an SLM of phases.
    pub amplitude: &'a [f64],
}

impl<'a> Mask<'a> {
    /// A mask of phases.
    pub fn phase(phase: &'a [f64]) -> Self {
        Mask { phase, amplitude: &[] }
    }

    /// A mask of amplitudes.
    pub fn amplitude(amplitude: &'a [f64]) -> Self {
        Mask { phase: &[], amplitude }
    }
}

/// The masks of all SLMs of a chain, as transmissions: computed once, used for many fields. New ones are flat (phase 0,
/// amplitude 1).
#[derive(Clone)]
pub struct Masks {
    pub(crate) modulators: Arc<Vec<Modulator>>,
    loaded: Vec<Loaded>,
}

#[derive(Clone)]
struct Loaded {
    /// scale m + offset.
    transmission: Vec<Complex64>,
    /// scale exp(i phase): what the amplitude multiplies.
    slope: Vec<Complex64>,
    /// Empty for an SLM of phases.
    amplitude: Vec<f64>,
}

impl Masks {
    pub(crate) fn new(modulators: Arc<Vec<Modulator>>) -> Self {
        let flat = |m: &Modulator| Loaded {
            transmission: m.scale.iter().zip(&m.offset).map(|(s, o)| s + o).collect(),
            slope: m.scale.clone(),
            amplitude: if m.kind == SlmKind::Phase { Vec::new() } else { vec![1.0; m.scale.len()] },
        };
        let loaded = modulators.iter().map(flat).collect();
        Masks { modulators, loaded }
    }

    /// Shows masks, one for each SLM in the order of the light. On an error the masks are undefined until the next success.
    ///
    /// # Errors
    /// A wrong number of masks or pixels, numbers that are not finite.
    pub fn load(&mut self, masks: &[Mask]) -> Result<(), Error> {
        check_length("masks", masks.len(), self.modulators.len())?;
        for (slm, ((mask, modulator), loaded)) in
            masks.iter().zip(self.modulators.iter()).zip(&mut self.loaded).enumerate()
        {
            loaded.load(slm, mask, modulator)?;
        }
        Ok(())
    }

    /// The transmission of an SLM.
    pub(crate) fn transmission(&self, slm: usize) -> &[Complex64] {
        &self.loaded[slm].transmission
    }

    /// Back through an SLM: adds the gradient of its mask, from the field that came in, and makes the cotangent g of its
    /// output that of its input.
    pub(crate) fn adjoint(&self, slm: usize, field: &[Complex64], g: &mut [Complex64], gradient: &mut MaskGradient) {
        let (modulator, loaded) = (&self.modulators[slm], &self.loaded[slm]);
        let (phase, amplitude) = (&mut gradient.phase[slm], &mut gradient.amplitude[slm]);
        modulator.plane.each(|k, pixel| {
            // conj(g) dE with dE = slope E d(amplitude) + i slope amplitude E d(phase).
            let along = g[k].conj() * loaded.slope[k] * field[k];
            match modulator.kind {
                SlmKind::Phase => phase[pixel] -= along.im,
                SlmKind::Amplitude => amplitude[pixel] += along.re,
                SlmKind::Complex => {
                    phase[pixel] -= loaded.amplitude[k] * along.im;
                    amplitude[pixel] += along.re;
                }
            }
            g[k] *= loaded.transmission[k].conj();
        });
    }
}

impl Loaded {
    fn load(&mut self, slm: usize, mask: &Mask, modulator: &Modulator) -> Result<(), Error> {
        let pixels = modulator.scale.len();
        let (phases, amplitudes) = match modulator.kind {
            SlmKind::Phase => (pixels, 0),
            SlmKind::Amplitude => (0, pixels),
            SlmKind::Complex => (pixels, pixels),
        };
        for (name, what, values, expected) in [
            ("phases of a mask", "phase", mask.phase, phases),
            ("amplitudes of a mask", "amplitude", mask.amplitude, amplitudes),
        ] {
            check_length(name, values.len(), expected)?;
            if let Some(index) = values.iter().position(|v| !v.is_finite()) {
                return Err(Error::NotFinite { what, slm, index, value: values[index].to_string() });
            }
        }
        if phases > 0 {
            modulator.plane.each(|k, pixel| self.slope[k] = modulator.scale[k] * Complex64::cis(mask.phase[pixel]));
        }
        if amplitudes > 0 {
            modulator.plane.each(|k, pixel| self.amplitude[k] = mask.amplitude[pixel]);
        }
        for (k, transmission) in self.transmission.iter_mut().enumerate() {
            let amplitude = self.amplitude.get(k).copied().unwrap_or(1.0);
            *transmission = self.slope[k] * amplitude + modulator.offset[k];
        }
        Ok(())
    }
}

/// Gradients with respect to all masks, row-major; [`Chain::adjoint`](crate::Chain::adjoint) adds to them, so that those of a
/// batch sum up.
#[derive(Clone, Debug, PartialEq)]
pub struct MaskGradient {
    /// For each SLM: with respect to the phases; empty for an SLM of amplitudes.
    pub phase: Vec<Vec<f64>>,
    /// For each SLM: with respect to the amplitudes; empty for an SLM of phases.
    pub amplitude: Vec<Vec<f64>>,
}

impl MaskGradient {
    pub(crate) fn new(modulators: &[Modulator]) -> Self {
        let zeros = |without: SlmKind| {
            let len = |m: &Modulator| if m.kind == without { 0 } else { m.scale.len() };
            modulators.iter().map(|m| vec![0.0; len(m)]).collect()
        };
        MaskGradient { phase: zeros(SlmKind::Amplitude), amplitude: zeros(SlmKind::Phase) }
    }

    /// Sets all to zero.
    pub fn clear(&mut self) {
        self.phase.iter_mut().chain(&mut self.amplitude).for_each(|g| g.fill(0.0));
    }

    pub(crate) fn fits(&self, modulators: &[Modulator]) -> bool {
        let fits = |g: &[Vec<f64>], without: SlmKind| {
            let len = |m: &Modulator| if m.kind == without { 0 } else { m.scale.len() };
            g.len() == modulators.len() && g.iter().zip(modulators).all(|(g, m)| g.len() == len(m))
        };
        fits(&self.phase, SlmKind::Amplitude) && fits(&self.amplitude, SlmKind::Phase)
    }
}
