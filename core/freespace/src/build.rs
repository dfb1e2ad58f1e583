//! From elements to operations: checks the geometry, plans the transforms, merges what only multiplies.

use crate::{
    element::{Camera, Element, MAX_PAD, Method, Shift, Slm},
    error::{Error, Note},
    fourier::{Convolution, Fourier, Line},
    grid::{Grid, LENGTHS_UM, MAX_PIXELS, Plane},
    kernel::{Kernel, MAX_MATRIX_PADDED, MAX_MATRIX_PIXELS},
    mask::Modulator,
    op::{Embedding, Op, multiply},
    transfer::{Transfer, turns},
};
use num_complex::Complex64;
use rustfft::FftPlanner;

/// Most numbers that a chain may hold: 1 GiB.
const MAX_STORED: usize = 4 * MAX_PIXELS;

/// A chain in the making.
pub(crate) struct Builder {
    wl_um: f64,
    /// Where the light is.
    pub plane: Plane,
    /// Operations before the first SLM, between SLMs, after the last.
    pub sections: Vec<Vec<Op>>,
    pub modulators: Vec<Modulator>,
    pub camera: Option<Camera>,
    pub notes: Vec<Note>,
    /// Largest field on the way, largest scratch space of a transform.
    pub field: usize,
    pub scratch: usize,
    stored: usize,
    planner: FftPlanner<f64>,
    /// The element before has displaced the field as the camera wants it.
    displaced: bool,
    /// The element being added.
    index: usize,
    name: &'static str,
}

impl Builder {
    pub fn new(source: Grid, wl_um: f64) -> Result<Self, Error> {
        source.check()?;
        if !LENGTHS_UM.contains(&wl_um) {
            return Err(Error::Setting(format!("a wavelength of {wl_um} um: expected a length of 1e-9 to 1e15 um")));
        }
        Ok(Builder {
            wl_um,
            plane: Plane { grid: source, transposed: false },
            sections: vec![Vec::new()],
            modulators: Vec::new(),
            camera: None,
            notes: Vec::new(),
            field: source.pixels(),
            scratch: 0,
            stored: 0,
            planner: FftPlanner::new(),
            displaced: false,
            index: 0,
            name: "",
        })
    }

    /// Adds the element at `index`; `next` is the one behind it.
    pub fn add(&mut self, index: usize, element: Element, next: Option<&Element>) -> Result<(), Error> {
        (self.index, self.name) = (index, element.name());
        if self.camera.is_some() {
            return self.fail("it stands behind the camera, which ends the chain: put the camera last");
        }
        // A displaced camera wants the field of displaced pixels, which the transform before it gives exactly.
        let shift = match next {
            Some(Element::Camera(camera)) => camera.misalign,
            _ => Shift::default(),
        };
        let displaced = matches!(element, Element::Propagate { .. } | Element::Lens { .. });
        match element {
            Element::Propagate { distance_um, method, pad } => self.propagate(distance_um, method, pad, shift),
            Element::Lens { focal_um, misalign } => self.lens(focal_um, misalign, shift),
            Element::Slm(slm) => self.slm(slm),
            Element::Screen { phase } => self.screen(&phase),
            Element::Camera(camera) => self.camera(camera),
        }?;
        self.displaced = displaced;
        Ok(())
    }

    /// An error of the element being added.
    fn error(&self, reason: impl Into<String>) -> Error {
        Error::Element { index: self.index, element: self.name, reason: reason.into() }
    }

    fn fail<T>(&self, reason: impl Into<String>) -> Result<T, Error> {
        Err(self.error(reason))
    }

    fn note(&mut self, message: String) {
        self.notes.push(Note { index: self.index, message });
    }

    /// Counts what an operation stores.
    fn store(&mut self, numbers: usize) -> Result<(), Error> {
        self.stored = self.stored.saturating_add(numbers);
        if self.stored > MAX_STORED {
            return self.fail(format!(
                "the chain would hold more than {MAX_STORED} complex numbers: take smaller planes, less padding or fewer elements"
            ));
        }
        Ok(())
    }

    fn push(&mut self, op: Op) {
        match self.sections.last_mut() {
            Some(section) => section.push(op),
            None => self.sections.push(vec![op]),
        }
    }

    /// Multiplies by a function of (row, column), together with what else multiplies in this plane.
    fn diagonal(&mut self, value: impl Fn(usize, usize) -> Complex64) -> Result<(), Error> {
        let diagonal = self.plane.fill(value);
        let section = self.sections.last_mut();
        match (section.and_then(|s| s.last_mut()), self.modulators.last_mut()) {
            (Some(Op::Diagonal(before)), _) => multiply(before, &diagonal),
            (None, Some(modulator)) => modulator.merge(&diagonal),
            _ => {
                self.store(diagonal.len())?;
                self.push(Op::Diagonal(diagonal));
            }
        }
        Ok(())
    }

    fn padded(&self, pad: usize) -> Result<Grid, Error> {
        if !(1..=MAX_PAD).contains(&pad) {
            return self
                .fail(format!("pad is {pad}: expected the factor by which the plane is enlarged, 1 to {MAX_PAD}"));
        }
        self.plane.grid.padded(pad).map_err(|e| self.error(e.to_string()))
    }

    /// A displacement must leave part of the image on the plane.
    fn check_shift(&self, shift: Shift, grid: Grid) -> Result<(), Error> {
        let (width, height) = grid.extent();
        for (axis, shift, size) in [("x", shift.x_um, width), ("y", shift.y_um, height)] {
            if !(shift.is_finite() && 2.0 * shift.abs() <= size) {
                return self.fail(format!(
                    "a misalignment of {shift} um along {axis}: expected at most half of the plane, which is {size} um wide there"
                ));
            }
        }
        Ok(())
    }

    fn propagate(&mut self, distance_um: f64, method: Method, pad: usize, shift: Shift) -> Result<(), Error> {
        let fraunhofer = method == Method::Fraunhofer;
        if !LENGTHS_UM.contains(&distance_um) && (fraunhofer || distance_um != 0.0) {
            let zero = if fraunhofer { "" } else { "0, or " };
            return self.fail(format!("a distance of {distance_um} um: expected {zero}a length of 1e-9 to 1e15 um"));
        }
        let grid = self.padded(pad)?;
        if fraunhofer {
            return self.fraunhofer(distance_um, grid, shift);
        }
        self.check_shift(shift, self.plane.grid)?;
        let transfer = Transfer::new(method, distance_um, self.wl_um, grid, shift);
        self.note_band_limit(&transfer, pad);
        if method == Method::Matrix { self.matrix(&transfer) } else { self.convolution(&transfer) }
    }

    fn note_band_limit(&mut self, transfer: &Transfer, pad: usize) {
        let (limits, nyquist) = transfer.angles();
        for ((axis, size), (limit, nyquist)) in
            [("x", self.plane.grid.cols), ("y", self.plane.grid.rows)].into_iter().zip(limits.into_iter().zip(nyquist))
        {
            if size > 1 && limit < nyquist {
                self.note(format!(
                    "waves steeper than {limit:.3e} (sine of the angle along {axis}; the pitch allows {nyquist:.3e}) are left out: \
                     they move sideways by more than half of the plane enlarged {pad} times"
                ));
            }
        }
    }

    fn convolution(&mut self, transfer: &Transfer) -> Result<(), Error> {
        let grid = transfer.grid;
        let [outer, inner] = self.plane.swap([grid.rows, grid.cols]);
        self.store(grid.pixels())?;
        let scale = 1.0 / grid.pixels() as f64;
        // Within the transform, the plane is transposed once more.
        let turned = Plane { grid, transposed: !self.plane.transposed };
        let transfer = turned.fill(|row, col| transfer.at(row, col) * scale);
        let padded = self.fourier(outer, inner);
        self.push(Op::Convolution(Convolution { shape: self.plane.stored(), padded, transfer }));
        Ok(())
    }

    fn fourier(&mut self, outer: usize, inner: usize) -> Fourier {
        let fourier =
            Fourier { outer: Line::new(outer, &mut self.planner), inner: Line::new(inner, &mut self.planner) };
        self.scratch = self.scratch.max(fourier.scratch());
        self.field = self.field.max(outer * inner);
        fourier
    }

    fn matrix(&mut self, transfer: &Transfer) -> Result<(), Error> {
        let (pixels, padded) = (self.plane.grid.pixels(), transfer.grid.pixels());
        if pixels > MAX_MATRIX_PIXELS || padded > MAX_MATRIX_PADDED {
            return self.fail(format!(
                "the matrix method on {pixels} pixels, {padded} with padding: it is a reference for at most {MAX_MATRIX_PIXELS} and \
                 {MAX_MATRIX_PADDED}; take angular_spectrum, which is the same operator"
            ));
        }
        self.store(4 * pixels)?;
        self.push(Op::Matrix(Kernel::new(self.plane, transfer)));
        Ok(())
    }

    fn fraunhofer(&mut self, z: f64, padded: Grid, shift: Shift) -> Result<(), Error> {
        let (wl, (width, height)) = (self.wl_um, self.plane.grid.extent());
        let fresnel = 0.25 * width.max(height).powi(2) / (wl * z);
        if fresnel > 0.1 {
            self.note(format!(
                "the Fresnel number of the plane is {fresnel:.2}: Fraunhofer's far field needs one well below 1, that is a distance \
                 far above {:.3e} um",
                fresnel * z
            ));
        }
        let phase = turns(z / wl) * -Complex64::I;
        self.far_field(wl * z, padded, shift, Shift::default(), |u, v| phase * turns(0.5 * (u * u + v * v) / (wl * z)))
    }

    fn lens(&mut self, focal_um: f64, misalign: Shift, shift: Shift) -> Result<(), Error> {
        if !LENGTHS_UM.contains(&focal_um) {
            return self.fail(format!("a focal length of {focal_um} um: expected a length of 1e-9 to 1e15 um"));
        }
        let (scale, Shift { x_um, y_um }) = (self.wl_um * focal_um, misalign);
        self.far_field(scale, self.plane.grid, shift, misalign, |u, v| {
            turns((x_um * (u - x_um) + y_um * (v - y_um)) / scale)
        })
    }

    /// The unitary transform with exp(-2 pi i (x u + y v) / scale), scale = wl z, of the plane enlarged to `padded`, displaced
    /// by `image`, seen on pixels displaced by `shift`, times a function of (u, v).
    fn far_field(
        &mut self,
        scale: f64,
        padded: Grid,
        shift: Shift,
        image: Shift,
        after: impl Fn(f64, f64) -> Complex64,
    ) -> Result<(), Error> {
        let Grid { rows, cols, pitch_um } = padded;
        let far =
            Grid { pitch_um: [scale / (rows as f64 * pitch_um[0]), scale / (cols as f64 * pitch_um[1])], ..padded };
        far.check().map_err(|e| self.error(format!("behind it, {e}")))?;
        self.check_shift(shift, far)?;
        self.check_shift(image, far)?;
        let (dx, dy) = (image.x_um - shift.x_um, image.y_um - shift.y_um);
        let near = self.plane.grid;
        let before = [rows / 2 - near.rows / 2, cols / 2 - near.cols / 2];
        self.diagonal(|row, col| {
            let (x, y) = near.position(row, col);
            centre(row + before[0], rows) * centre(col + before[1], cols) * turns((x * dx + y * dy) / scale)
        })?;
        if padded != near {
            let [from, to] = [self.plane.stored(), self.plane.swap([rows, cols])];
            self.push(Op::Embed(Embedding { from, to }));
        }
        let [outer, inner] = self.plane.swap([rows, cols]);
        let fourier = self.fourier(outer, inner);
        self.push(Op::Fourier(fourier));
        self.plane = Plane { grid: far, transposed: !self.plane.transposed };
        let constant = (centre(rows / 2, rows) * centre(cols / 2, cols)).conj() / (padded.pixels() as f64).sqrt();
        self.diagonal(|row, col| {
            let (u, v) = far.position(row, col);
            constant * centre(row, rows) * centre(col, cols) * after(u + shift.x_um, v + shift.y_um)
        })
    }

    fn slm(&mut self, slm: Slm) -> Result<(), Error> {
        let Slm { grid, kind, fill_factor, gap, zero_order, wavefront } = slm;
        self.check_slm_grid(grid)?;
        if !(fill_factor > 0.0 && fill_factor <= 1.0) {
            return self.fail(format!("a fill factor of {fill_factor}: expected more than 0 and at most 1"));
        }
        if !(0.0..=1.0).contains(&zero_order) {
            return self.fail(format!("a zero order of {zero_order}: expected a part of the amplitude, 0 to 1"));
        }
        if !(gap.re.is_finite() && gap.im.is_finite()) {
            return self.fail(format!("gaps that reflect {gap}: expected a finite amplitude"));
        }
        if !wavefront.is_empty() {
            self.check_pixels("a wavefront error", &wavefront)?;
        }
        self.store(2 * grid.pixels())?;
        let scale = Complex64::from((1.0 - zero_order) * fill_factor);
        let offset = gap * ((1.0 - zero_order) * (1.0 - fill_factor)) + zero_order;
        let pixels = grid.pixels();
        let mut modulator =
            Modulator { plane: self.plane, kind, scale: vec![scale; pixels], offset: vec![offset; pixels] };
        if !wavefront.is_empty() {
            modulator.merge(&self.plane.fill(|row, col| Complex64::cis(wavefront[row * grid.cols + col])));
        }
        // What multiplies just before the SLM commutes with it.
        if let Some(section) = self.sections.last_mut() {
            match section.pop() {
                Some(Op::Diagonal(before)) => modulator.merge(&before),
                Some(other) => section.push(other),
                None => {}
            }
        }
        self.modulators.push(modulator);
        self.sections.push(Vec::new());
        Ok(())
    }

    /// The SLM's pixels must be the samples of the plane, to a hundredth of a pixel at its edge.
    fn check_slm_grid(&self, grid: Grid) -> Result<(), Error> {
        let plane = self.plane.grid;
        grid.check().map_err(|e| self.error(e.to_string()))?;
        if [grid.rows, grid.cols] != [plane.rows, plane.cols] {
            return self.fail(format!(
                "it has {} x {} pixels, the light that reaches it {} x {} samples: give both the same shape",
                grid.rows, grid.cols, plane.rows, plane.cols
            ));
        }
        let off = |k: usize, n: usize| (grid.pitch_um[k] / plane.pitch_um[k] - 1.0).abs() * 0.5 * n as f64 > 0.01;
        if off(0, grid.rows) || off(1, grid.cols) {
            let [rows, cols] = plane.pitch_um;
            return self.fail(format!(
                "its pitch is {} um (rows) and {} um (columns), that of the light that reaches it {rows} um and {cols} um: they must \
                 agree; behind a lens the pitch is wl f / (N pitch)",
                grid.pitch_um[0], grid.pitch_um[1]
            ));
        }
        Ok(())
    }

    fn check_pixels(&self, what: &str, values: &[f64]) -> Result<(), Error> {
        let grid = self.plane.grid;
        if values.len() != grid.pixels() {
            return self.fail(format!(
                "{what} of {} numbers for a plane of {} x {} pixels",
                values.len(),
                grid.rows,
                grid.cols
            ));
        }
        match values.iter().find(|v| !v.is_finite()) {
            Some(value) => self.fail(format!("{what} holds {value}: expected finite numbers")),
            None => Ok(()),
        }
    }

    fn screen(&mut self, phase: &[f64]) -> Result<(), Error> {
        self.check_pixels("a phase screen", phase)?;
        let cols = self.plane.grid.cols;
        self.diagonal(|row, col| Complex64::cis(phase[row * cols + col]))
    }

    fn camera(&mut self, camera: Camera) -> Result<(), Error> {
        let Grid { rows, cols, .. } = self.plane.grid;
        let Camera { shape, bin, .. } = &camera;
        let fits = |k: usize, size: usize| shape[k].checked_mul(bin[k]).filter(|n| (1..=size).contains(n));
        let (Some(used_rows), Some(used_cols)) = (fits(0, rows), fits(1, cols)) else {
            return self.fail(format!(
                "{} x {} bins of {} x {} pixels on a plane of {rows} x {cols} pixels: expected at least one bin, and all of them on \
                 the plane",
                shape[0], shape[1], bin[0], bin[1]
            ));
        };
        let pixels = used_rows * used_cols;
        if !camera.gain.is_empty() && camera.gain.len() != pixels {
            return self
                .fail(format!("{} gains for {pixels} pixels in bins: expected one for each", camera.gain.len()));
        }
        if let Some(gain) = camera.gain.iter().find(|g| !g.is_finite()) {
            return self.fail(format!("a gain of {gain}: expected finite numbers"));
        }
        if (used_rows, used_cols) != (rows, cols) {
            self.note(format!(
                "the bins cover {used_rows} of {rows} rows and {used_cols} of {cols} columns, around the optical axis; the light on \
                 the other pixels is dropped"
            ));
        }
        if !self.displaced && camera.misalign != Shift::default() {
            self.check_shift(camera.misalign, self.plane.grid)?;
            let grid = self.padded(2)?;
            self.convolution(&Transfer::new(Method::AngularSpectrum, 0.0, self.wl_um, grid, camera.misalign))?;
        }
        self.camera = Some(camera);
        Ok(())
    }
}

/// exp(2 pi i (n/2) k / n): makes a discrete Fourier transform one with the axis at n/2.
fn centre(k: usize, n: usize) -> Complex64 {
    turns(((n / 2) * k % n) as f64 / n as f64)
}
