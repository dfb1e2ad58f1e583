//! Rows of a batch through the whole chain: encoded, sent through what light meets, read.

use crate::{
    chain::{
        detector::{Detection, DetectorRoom},
        encoder::{EncoderKeys, EncoderRoom, Part},
        lag::Configured,
        setpoint::SetPointRoom,
    },
    model::{Instant, Model},
    program::{BenchRoom, Field, Loaded, LoadedLayers, Program},
    slots::Moved,
    transfer::assemble,
};
use blackbeam_forward::{Packed, Work};
use blackbeam_kernels::{Buffer, Level, Product, Real, mesh};
use blackbeam_plugin::{ArrayView, ArrayViewMut, Code, PluginError, Result};
use num_complex::Complex64;
use std::sync::Mutex;

/// Most vectors that go through the chain together, and numbers that are read of them: those stay in the second cache.
const CHUNK: usize = 128;
const CHUNK_READ: usize = 1 << 16;

/// Numbers of a device's precision, as they cross the interface.
pub(crate) trait Element: Real {
    /// The numbers of an array.
    fn view<'a>(array: &ArrayView<'a>) -> Result<&'a [Self]>;
    /// The numbers of an array.
    fn view_mut<'a>(array: &'a mut ArrayViewMut<'_>) -> Result<&'a mut [Self]>;
    /// As doubles; `room` is used where they are not.
    fn wide<'a>(numbers: &'a [Self], room: &'a mut Vec<f64>) -> &'a [f64];
}

impl Element for f64 {
    fn view<'a>(array: &ArrayView<'a>) -> Result<&'a [f64]> {
        array.as_f64()
    }

    fn view_mut<'a>(array: &'a mut ArrayViewMut<'_>) -> Result<&'a mut [f64]> {
        array.as_f64()
    }

    fn wide<'a>(numbers: &'a [f64], _: &'a mut Vec<f64>) -> &'a [f64] {
        numbers
    }
}

impl Element for f32 {
    fn view<'a>(array: &ArrayView<'a>) -> Result<&'a [f32]> {
        array.as_f32()
    }

    fn view_mut<'a>(array: &'a mut ArrayViewMut<'_>) -> Result<&'a mut [f32]> {
        array.as_f32()
    }

    fn wide<'a>(numbers: &'a [f32], room: &'a mut Vec<f64>) -> &'a [f64] {
        room.clear();
        room.extend(numbers.iter().map(|&v| f64::from(v)));
        room
    }
}

/// What light meets in one configuration.
#[derive(Clone)]
pub(crate) enum Medium<T: Real> {
    /// A matrix of reals.
    Matrix(Product<T>),
    /// A mesh, cell by cell: where that takes less than its matrix and a product.
    Mesh(Box<mesh::Loaded<T>>),
    /// Free space.
    Bench(Box<Loaded>),
    /// The layers of a network.
    Layers(Box<LoadedLayers<T>>),
}

impl<T: Real> Default for Medium<T> {
    fn default() -> Self {
        Medium::Matrix(Product::default())
    }
}

/// Memory of one thread.
#[derive(Default)]
pub(crate) struct Room<T> {
    pub field: Field,
    physical: Vec<f64>,
    set_points: SetPointRoom,
    slots: Vec<f64>,
    mesh: mesh::Work,
    way: Way<T>,
    encoder: EncoderRoom,
    detector: DetectorRoom,
    wide: Vec<f64>,
    encoded: Vec<T>,
    fields: Vec<T>,
    second: Vec<T>,
}

/// Memory for light on its way.
#[derive(Default)]
struct Way<T> {
    tile: Buffer<T>,
    bench: BenchRoom,
    packed: Packed<T>,
    layers: Work<T>,
}

/// Memory for threads: as many pieces as were ever used at the same time.
#[derive(Default)]
pub(crate) struct Rooms<R>(Mutex<Vec<Box<R>>>);

impl<R: Default> Rooms<R> {
    /// Lends a piece.
    pub fn with<O>(&self, work: impl FnOnce(&mut R) -> O) -> O {
        let mut room = self.0.lock().unwrap_or_else(|e| e.into_inner()).pop().unwrap_or_default();
        let done = work(&mut room);
        self.0.lock().unwrap_or_else(|e| e.into_inner()).push(room);
        done
    }
}

/// One call on one configuration.
pub(crate) struct Query<'a, T: Real> {
    pub medium: &'a Medium<T>,
    pub detection: Detection<'a>,
    pub keys: EncoderKeys,
    /// Light is sent backwards.
    pub backward: bool,
}

/// Vectors that are sent.
#[derive(Clone, Copy)]
pub(crate) enum Rows<'a, T> {
    /// As they were asked, [rows, inputs].
    Asked(&'a [T]),
    /// Encoded already, [rows, sent]: where that is the same for every call.
    Encoded(&'a [T]),
    /// Encoded already, as the kernels of a network take them.
    Packed(&'a Packed<T>),
}

impl Model {
    /// What light meets in a configuration.
    ///
    /// # Errors
    /// `NONFINITE` where light has no steady state.
    pub fn medium<T: Element>(
        &self,
        configured: &Configured,
        instant: &Instant,
        medium: &mut Medium<T>,
        room: &mut Room<T>,
    ) -> Result<()> {
        self.set_points.at(configured, instant.time_s, &mut room.physical, &mut room.set_points);
        self.slots.fill(&room.physical, &instant.moved, &mut room.slots);
        self.load(self.direct, instant.matter.shift_um, medium, room)
    }

    /// The values of all slots in a configuration.
    pub fn slots_of(&self, configured: &Configured, instant: &Instant) -> Vec<f64> {
        let (mut physical, mut slots) = (Vec::new(), Vec::new());
        self.set_points.at(configured, instant.time_s, &mut physical, &mut SetPointRoom::default());
        self.slots.fill(&physical, &instant.moved, &mut slots);
        slots
    }

    /// The matrix of fields in a configuration, in `room.field`.
    ///
    /// # Errors
    /// `NONFINITE` where light has no steady state; `UNSUPPORTED` for free space.
    pub fn fill_field<T>(&self, configured: &Configured, instant: &Instant, room: &mut Room<T>) -> Result<()> {
        let Program::Linear(program) = &self.program else {
            return Err(PluginError::new(Code::UNSUPPORTED, "free space has no matrix of a size that can be held"));
        };
        self.set_points.at(configured, instant.time_s, &mut room.physical, &mut room.set_points);
        self.slots.fill(&room.physical, &instant.moved, &mut room.slots);
        let (outputs, inputs) = program.shape();
        room.field.resize(outputs * inputs, program.complex());
        program.fill(&room.slots, instant.matter.shift_um, &mut room.field)
    }

    /// As [`slots_of`](Model::slots_of) for a device of which no slot drifts.
    pub fn slots_at<'r, T>(&self, configured: &Configured, time_s: f64, room: &'r mut Room<T>) -> &'r [f64] {
        self.set_points.at(configured, time_s, &mut room.physical, &mut room.set_points);
        self.slots.fill(&room.physical, &Moved::default(), &mut room.slots);
        &room.slots
    }

    /// What light meets for the values of all slots, as a matrix wherever there is one.
    ///
    /// # Errors
    /// `NONFINITE` where light has no steady state.
    pub fn matrix_of(&self, slots: &[f64], shift_um: f64) -> Result<Medium<f64>> {
        let (mut medium, mut room) = (Medium::default(), Room { slots: slots.to_vec(), ..Room::default() });
        self.load(false, shift_um, &mut medium, &mut room)?;
        Ok(medium)
    }

    fn load<T: Element>(&self, direct: bool, shift_um: f64, medium: &mut Medium<T>, room: &mut Room<T>) -> Result<()> {
        let Room { slots, field, mesh, .. } = room;
        let program = match &self.program {
            Program::Linear(program) => program,
            Program::Bench(bench) => {
                if let Medium::Bench(loaded) = medium {
                    return bench.reload(slots, shift_um, loaded);
                }
                *medium = Medium::Bench(Box::new(bench.load(slots, shift_um)?));
                return Ok(());
            }
            Program::Layers(layers) => {
                if !matches!(medium, Medium::Layers(_)) {
                    *medium = Medium::Layers(Box::default());
                }
                let Medium::Layers(loaded) = medium else { unreachable!("just made") };
                layers.load(slots, shift_um, loaded);
                return Ok(());
            }
        };
        if let (Some((program, mine)), true) = (program.mesh(), direct) {
            if !matches!(medium, Medium::Mesh(_)) {
                *medium = Medium::Mesh(Box::default());
            }
            let Medium::Mesh(loaded) = medium else { unreachable!("just made") };
            program.load(&slots[mine], loaded, mesh);
            return Ok(());
        }
        if !matches!(medium, Medium::Matrix(_)) {
            *medium = Medium::default();
        }
        let Medium::Matrix(product) = medium else { unreachable!("just made") };
        let shape = program.shape();
        field.resize(shape.0 * shape.1, program.complex());
        program.fill(slots, shift_um, field)?;
        assemble(product, field, shape, self.encoder.pairs, &self.detector);
        Ok(())
    }

    /// Encodes all vectors of a batch, where that is the same for every call.
    pub fn encode_all<T: Element>(&self, x: &[T], keys: EncoderKeys, encoded: &mut Vec<T>, room: &mut Room<T>) {
        let Room { wide, encoder, .. } = room;
        encoded.resize(x.len() / self.encoder.width * self.encoder.sent, T::ZERO);
        self.encoder.encode_rows(T::wide(x, wide), Part::Whole, keys, (0, self.encoder.width), encoded, encoder);
    }

    /// Sends rows of a batch, the first of which is row `first` of the logical batch; `y` gets [rows, outputs].
    ///
    /// # Errors
    /// Light that is not finite.
    pub fn answer<T: Element>(
        &self,
        query: &Query<'_, T>,
        rows: Rows<'_, T>,
        first: u64,
        y: &mut [T],
        room: &mut Room<T>,
    ) -> Result<()> {
        let (width, d_out) = match query.medium {
            Medium::Matrix(m) if query.backward => (m.inputs(), m.outputs()),
            _ => (self.encoder.width, self.detector.width()),
        };
        if let Rows::Packed(packed) = rows {
            return self.read_packed(query, packed, (first, d_out), y, room);
        }
        let most = (CHUNK_READ / d_out.max(1)).clamp(1, CHUNK);
        for (chunk, y) in y.chunks_mut(most * d_out).enumerate() {
            let here = chunk * most..chunk * most + y.len() / d_out;
            let first = first + here.start as u64;
            match rows {
                Rows::Encoded(encoded) => {
                    let sent = self.encoder.sent;
                    self.pass(
                        query,
                        &encoded[here.start * sent..here.end * sent],
                        Part::Whole,
                        (first, d_out),
                        y,
                        room,
                    )?;
                }
                Rows::Packed(_) => unreachable!("read above"),
                Rows::Asked(x) => {
                    let x = &x[here.start * width..here.end * width];
                    for &part in self.encoder.parts() {
                        let mut encoded = std::mem::take(&mut room.encoded);
                        encoded.resize(here.len() * if query.backward { width } else { self.encoder.sent }, T::ZERO);
                        let wide = T::wide(x, &mut room.wide);
                        self.encoder.encode_rows(
                            wide,
                            part,
                            query.keys,
                            (first, width),
                            &mut encoded,
                            &mut room.encoder,
                        );
                        let done = self.pass(query, &encoded, part, (first, d_out), y, room);
                        room.encoded = encoded;
                        done?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Answers a packed batch as a whole: a network reads reals, one for one.
    fn read_packed<T: Element>(
        &self,
        query: &Query<'_, T>,
        packed: &Packed<T>,
        (first, d_out): (u64, usize),
        y: &mut [T],
        room: &mut Room<T>,
    ) -> Result<()> {
        let (Medium::Layers(loaded), Program::Layers(layers)) = (query.medium, &self.program) else {
            unreachable!("only the inputs of a network are packed")
        };
        layers.run(loaded, packed, y, &mut room.way.layers);
        debug_assert!(self.detector.copies() && self.detector.width() == d_out);
        if !self.detector.transparent(&query.detection) {
            self.detector.detect_here(y, query.detection, Part::Whole, first, &mut room.detector);
        }
        Ok(())
    }

    /// Packs a batch for all sets of a call, where it is the same for every call.
    pub fn pack_all<T: Element>(&self, encoded: &[T], packed: &mut Packed<T>) -> bool {
        let Program::Layers(layers) = &self.program else { return false };
        let copied = self.detector.copies();
        if copied {
            layers.pack(encoded, packed);
        }
        copied
    }

    /// Sends a chunk and reads it; the second vector of a differential input is taken away from the first.
    fn pass<T: Element>(
        &self,
        query: &Query<'_, T>,
        encoded: &[T],
        part: Part,
        (first, d_out): (u64, usize),
        y: &mut [T],
        room: &mut Room<T>,
    ) -> Result<()> {
        let Room { fields, second, detector, way, .. } = room;
        let rows = y.len() / d_out;
        if part == Part::Whole && !query.backward && self.detector.copies() {
            self.propagate(query.medium, encoded, y, way)?;
            if !self.detector.transparent(&query.detection) {
                self.detector.detect_here(y, query.detection, part, first, detector);
            }
            return Ok(());
        }
        fields.resize(rows * if query.backward { d_out } else { self.arriving() }, T::ZERO);
        self.propagate(query.medium, encoded, fields, way)?;
        let minus = part == Part::Minus;
        second.resize(if minus { y.len() } else { 0 }, T::ZERO);
        let target = if minus { &mut second[..] } else { &mut *y };
        if query.backward {
            target.copy_from_slice(fields);
            self.detector.read_rows(query.detection, part, (first, d_out), target, detector);
        } else {
            self.detector.detect_rows(fields, query.detection, part, first, target, detector);
        }
        if minus {
            y.iter_mut().zip(&*second).for_each(|(y, minus)| *y = T::from_f64(y.to_f64() - minus.to_f64()));
        }
        Ok(())
    }

    /// From encoded vectors to what arrives at the detectors.
    fn propagate<T: Element>(
        &self,
        medium: &Medium<T>,
        encoded: &[T],
        fields: &mut [T],
        Way { tile, bench: room, packed, layers: work }: &mut Way<T>,
    ) -> Result<()> {
        match (medium, &self.program) {
            (Medium::Matrix(product), _) => product.apply(Level::best(), encoded, fields),
            (Medium::Mesh(loaded), Program::Linear(program)) => {
                let (program, _) = program.mesh().expect("a mesh was loaded");
                let x = if self.encoder.pairs { mesh::Input::Complex(encoded) } else { mesh::Input::Real(encoded) };
                let part = match self.detector.takes() {
                    (true, true) => mesh::Part::Complex,
                    (true, false) => mesh::Part::Re,
                    _ => mesh::Part::Im,
                };
                loaded.apply(Level::best(), program.kernel(), x, (part, fields), tile);
            }
            (Medium::Bench(loaded), Program::Bench(bench)) => {
                bench.apply_rows(loaded, (encoded, self.encoder.pairs), fields, room)?;
            }
            (Medium::Layers(loaded), Program::Layers(layers)) => {
                layers.pack(encoded, packed);
                layers.run(loaded, packed, fields, work);
            }
            _ => unreachable!("what light meets is made by the program"),
        }
        Ok(())
    }

    /// Encoded reals as fields.
    pub fn complex_field(&self, encoded: &[f64]) -> Vec<Complex64> {
        if self.encoder.pairs {
            encoded.chunks_exact(2).map(|f| Complex64::new(f[0], f[1])).collect()
        } else {
            encoded.iter().map(|&f| Complex64::from(f)).collect()
        }
    }
}
