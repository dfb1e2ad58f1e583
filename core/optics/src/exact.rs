//! Exact derivatives of the device as it is programmed, without noise and converters.
//!
//! The function is the expectation of what is read at the values that the device holds: rounding and clipping count as the
//! identity, actuators as settled; gains, crosstalk, fabrication and what has drifted by the time of the call are in it. It
//! goes backwards through the whole chain once: read-out, matrix (or Fourier transforms), slots, crosstalk, actuators. Errors
//! drawn at every write, the noise of inputs, sources and detectors, and saturation are not in it.

use crate::{
    chain::encoder::Part,
    model::{Instant, Model},
    program::{Field, Program},
    query::Medium,
    transfer::{fold, transposed},
};
use blackbeam_kernels::{Level, Product};
use blackbeam_plugin::{Matrix, Result};
use num_complex::Complex64;

impl Model {
    /// Values of all slots at `applied` parameters, without noise.
    fn expected_slots(&self, applied: &[f64], instant: &Instant) -> Vec<f64> {
        let physical = self.set_points.physical(&self.set_points.effect(applied), instant.time_s);
        let mut slots = Vec::new();
        self.slots.fill(&physical, &instant.moved, &mut slots);
        slots
    }

    fn sent(&self, x: &[f64], part: Part) -> Vec<f64> {
        let (mut numbers, mut encoded) = (vec![0.0; self.encoder.width], vec![0.0; self.encoder.sent]);
        self.encoder.expect(x, part, &mut numbers, &mut encoded);
        encoded
    }

    /// dL/dx (written) and dL/dparameters (of all parameters) for cotangents `dy` at inputs `x`.
    ///
    /// # Errors
    /// `NONFINITE` where light has no steady state.
    pub fn vjp(
        &self,
        applied: &[f64],
        instant: &Instant,
        (x, dy): (&[f64], &[f64]),
        dx: &mut [f64],
    ) -> Result<Vec<f64>> {
        let slots = self.expected_slots(applied, instant);
        let medium = self.matrix_of(&slots, instant.matter.shift_um)?;
        let mut dslots = vec![0.0; slots.len()];
        dx.fill(0.0);
        match (&medium, &self.program) {
            (Medium::Matrix(transfer), Program::Linear(program)) => {
                let gradient = self.through_matrix(transfer, instant, (x, dy), dx);
                let shape = program.shape();
                let mut field = Field::sized(shape.0 * shape.1, program.complex());
                fold(&gradient, &mut field, shape, self.encoder.pairs, &self.detector);
                program.pull(&slots, instant.matter.shift_um, &field, &mut dslots)?;
            }
            (Medium::Bench(loaded), Program::Bench(bench)) => {
                let (mut room, mut gradient) = (loaded.workspace(), loaded.gradient());
                let mut dfields = vec![0.0; self.arriving()];
                let (_, inputs) = bench.shape();
                let mut dfield = vec![Complex64::ZERO; inputs];
                self.rows(x, dy, dx, |encoded, dy| {
                    let field = self.complex_field(encoded);
                    let mut fields = vec![0.0; dfields.len()];
                    bench.apply(loaded, &field, &mut fields, &mut room)?;
                    self.detector.pull(&fields, &instant.gain, instant.source, dy, &mut dfields);
                    bench.adjoint(loaded, (&field, &dfields), &mut room, &mut gradient, &mut dfield)?;
                    Ok(if self.encoder.pairs {
                        dfield.iter().flat_map(|d| [d.re, d.im]).collect()
                    } else {
                        dfield.iter().map(|d| d.re).collect()
                    })
                })?;
                bench.pull(&gradient, &mut dslots);
            }
            _ => unreachable!("what light meets is made by the program"),
        }
        let mut gradient = vec![0.0; applied.len()];
        self.slots.pull(&slots, &instant.moved, &mut dslots, &mut gradient);
        self.set_points.pull(applied, &mut gradient);
        Ok(gradient)
    }

    /// Through a matrix: dL/dx, and dL/dentry [inputs, outputs].
    fn through_matrix(
        &self,
        transfer: &Product<f64>,
        instant: &Instant,
        (x, dy): (&[f64], &[f64]),
        dx: &mut [f64],
    ) -> Vec<f64> {
        let (inputs, outputs) = (transfer.inputs(), transfer.outputs());
        let back = transposed(transfer);
        let mut gradient = vec![0.0; inputs * outputs];
        let (mut fields, mut dfields, mut dsent) = (vec![0.0; outputs], vec![0.0; outputs], vec![0.0; inputs]);
        let done = self.rows(x, dy, dx, |encoded, dy| {
            transfer.apply(Level::best(), encoded, &mut fields);
            self.detector.pull(&fields, &instant.gain, instant.source, dy, &mut dfields);
            back.apply(Level::best(), &dfields, &mut dsent);
            for (row, sent) in gradient.chunks_exact_mut(outputs).zip(encoded) {
                row.iter_mut().zip(&dfields).for_each(|(g, d)| *g += sent * d);
            }
            Ok(dsent.clone())
        });
        done.expect("a product of matrices cannot fail");
        gradient
    }

    /// Encodes each vector, lets `each` say what dL/dsent is, and goes back through the encoder.
    fn rows(
        &self,
        x: &[f64],
        dy: &[f64],
        dx: &mut [f64],
        mut each: impl FnMut(&[f64], &[f64]) -> Result<Vec<f64>>,
    ) -> Result<()> {
        let width = self.encoder.width;
        let rows = x.chunks_exact(width).zip(dy.chunks_exact(self.detector.width())).zip(dx.chunks_exact_mut(width));
        for ((x, dy), dx) in rows {
            for &part in self.encoder.parts() {
                let minus: Vec<f64>;
                let dy = if part == Part::Minus {
                    minus = dy.iter().map(|d| -d).collect();
                    &minus[..]
                } else {
                    dy
                };
                let encoded = self.sent(x, part);
                self.encoder.pull(x, part, &each(&encoded, dy)?, dx);
            }
        }
        Ok(())
    }

    /// The matrix from x to y, gains and the power of the source in it, for the matrix of fields (or powers).
    pub fn matrix(&self, field: &Field, instant: &Instant) -> Matrix {
        let (width, d_out) = (self.encoder.width, self.detector.width());
        let (_, columns) = self.program.shape();
        let mut matrix = Matrix::zeros(d_out, width);
        let factor = if self.detector.of_powers() { instant.source } else { instant.source.sqrt() };
        let each = (d_out / instant.gain.len().max(1)).max(1);
        let inputs: Vec<f64> = (0..width).map(self.encoder.gains()).collect();
        for output in 0..d_out {
            let row = matrix.row_mut(output);
            for (arriving, sign) in self.detector.sources(output) {
                let (port, imaginary) = self.detector.port_of(arriving);
                let re = &field.re[port * columns..(port + 1) * columns];
                let im = field.im.get(port * columns..(port + 1) * columns).unwrap_or(&[]);
                self.add_row(if imaginary { (im, re, 1.0) } else { (re, im, -1.0) }, sign, row);
            }
            let gain = instant.gain[output / each] * factor;
            row.iter_mut().zip(&inputs).for_each(|(entry, input)| *entry *= gain * input);
        }
        matrix
    }

    /// Adds a row of fields for real inputs, or for (re, im) pairs: what the second of a pair gives is `turned` times `sign_i`.
    fn add_row(&self, (straight, turned, sign_i): (&[f64], &[f64], f64), sign: f64, row: &mut [f64]) {
        let step = if self.encoder.pairs { 2 } else { 1 };
        row.iter_mut().step_by(step).zip(straight).for_each(|(entry, v)| *entry += sign * v);
        if self.encoder.pairs {
            row.iter_mut().skip(1).step_by(2).zip(turned).for_each(|(entry, v)| *entry += sign * sign_i * v);
        }
    }
}

#[cfg(test)]
impl Model {
    /// What is read without noise: [rows, d_out].
    ///
    /// # Errors
    /// `NONFINITE` where light has no steady state.
    pub fn expectation(&self, applied: &[f64], instant: &Instant, x: &[f64]) -> Result<Vec<f64>> {
        let slots = self.expected_slots(applied, instant);
        let medium = self.matrix_of(&slots, instant.matter.shift_um)?;
        let mut y = Vec::new();
        for x in x.chunks_exact(self.encoder.width) {
            let mut row = vec![0.0; self.detector.width()];
            for &part in self.encoder.parts() {
                let mut fields = self.arrive(&medium, &self.sent(x, part))?;
                let factor = if self.detector.of_powers() { instant.source } else { instant.source.sqrt() };
                fields.iter_mut().for_each(|f| *f *= factor);
                let mut one = vec![0.0; row.len()];
                self.detector.mean(&fields, &mut one);
                let each = row.len() / instant.gain.len();
                let sign = if part == Part::Minus { -1.0 } else { 1.0 };
                row.iter_mut().zip(one).enumerate().for_each(|(k, (r, v))| *r += sign * instant.gain[k / each] * v);
            }
            y.extend(row);
        }
        Ok(y)
    }

    /// What arrives at the detectors for one vector.
    fn arrive(&self, medium: &Medium<f64>, encoded: &[f64]) -> Result<Vec<f64>> {
        let mut fields = vec![0.0; self.arriving()];
        match (medium, &self.program) {
            (Medium::Matrix(transfer), _) => transfer.apply(Level::best(), encoded, &mut fields),
            (Medium::Bench(loaded), Program::Bench(bench)) => {
                bench.apply(loaded, &self.complex_field(encoded), &mut fields, &mut loaded.workspace())?;
            }
            (Medium::Layers(loaded), Program::Layers(layers)) => {
                let mut packed = blackbeam_forward::Packed::default();
                layers.pack(encoded, &mut packed);
                layers.run(loaded, &packed, &mut fields, &mut blackbeam_forward::Work::default());
            }
            _ => unreachable!("what light meets is made by the program"),
        }
        Ok(fields)
    }
}
