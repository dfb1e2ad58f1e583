//! A device that keeps to every rule, and lies about one of them when it is told to.

#![allow(missing_docs)]

use blackbeam_plugin::{
    Applied, ArrayView, ArrayViewMut, AtRange, Call, Code, Descriptor, Device, DevicePlugin, Dtype, Energy, Health,
    Kind, Limits, Manifest, Matrix, Open, Parameter, ParameterKind, ParameterSet, PluginError, Port, Result, SafeState,
    Timeouts, Timing, can, structure,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::sleep,
    time::{Duration, Instant},
};

pub const INPUTS: usize = 3;
pub const OUTPUTS: usize = 4;
const N: usize = INPUTS * OUTPUTS;
const LSB: f64 = 1.0 / 64.0;
const MAX_BATCH: usize = 40;
/// On every weight, so that no output has more power than the input.
const SCALE: f64 = 0.5;
const MAGIC: &[u8] = b"state of an honest device";

/// What it lies about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lie {
    Nothing,
    /// It does not lie, and is noisy.
    Noisy,
    /// It does not lie, and computes in 32 bits.
    Narrow,
    Ports,
    Names,
    Units,
    Promises,
    Times,
    Limits,
    Changes,
    AppliedOff,
    Creeps,
    NotClamped,
    Inverted,
    Dead,
    OddRows,
    Unrepeatable,
    RowsMix,
    NoiseDeclared,
    Affine,
    Saturates,
    Gain,
    Crosstalk,
    Frequency,
    NoPeriod,
    Signed,
    BackwardSign,
    Unpromised,
    ReadsAsked,
    MatrixSign,
    SetsOrder,
    ScalarsSign,
    AnyFullScale,
    VjpSign,
    StaleForEver,
    PanicsOnWidths,
    AnyWidth,
    AnyNumber,
    TakesNan,
    PanicsOnSets,
    AnyBatch,
    CodesWrap,
    Forgets,
    OtherInstance,
    AnyState,
    SlowHealth,
    NotReady,
    HealthMoves,
    SafeOnce,
    StaysDark,
    SafeSlow,
    Lags,
    Slow,
    ShortTimeouts,
    Busy,
    Hangs,
    Panics,
    NoOpen,
}

pub struct Liar {
    pub lie: Lie,
    pub opened: Arc<AtomicUsize>,
    pub dark: Arc<AtomicBool>,
}

impl Liar {
    pub fn new(lie: Lie) -> Self {
        Liar { lie, opened: Arc::default(), dark: Arc::default() }
    }
}

impl DevicePlugin for Liar {
    fn manifest(&self) -> Manifest {
        Manifest {
            name: "liar".into(),
            version: "1".into(),
            kind: Kind::Device,
            licence: "MIT".into(),
            summary: "".into(),
            capabilities: 0,
            needs: 0,
            requires: 0,
            settings_schema: "{}".into(),
        }
    }

    fn open(&self, _: &Open) -> Result<Box<dyn Device>> {
        if self.lie == Lie::NoOpen {
            return Err(PluginError::new(Code::IO, "nobody there"));
        }
        let instance = self.opened.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(Fake {
            lie: self.lie,
            instance,
            asked: vec![0.0; N],
            w: vec![0.0; N],
            before: vec![0.0; N],
            written: Instant::now(),
            full_scale: 1.0,
            calls: 0,
            writes: 0,
            dark: Arc::clone(&self.dark),
            safe_calls: 0,
        }))
    }
}

struct Fake {
    lie: Lie,
    instance: usize,
    asked: Vec<f64>,
    w: Vec<f64>,
    before: Vec<f64>,
    written: Instant,
    full_scale: f64,
    calls: u64,
    writes: u64,
    dark: Arc<AtomicBool>,
    safe_calls: usize,
}

fn refuse(code: Code, message: &str) -> PluginError {
    PluginError::new(code, message)
}

impl Fake {
    fn is(&self, lie: Lie) -> bool {
        self.lie == lie
    }

    fn deterministic(&self) -> bool {
        !self.is(Lie::Noisy)
    }

    fn round(&self, asked: f64) -> f64 {
        let clamped = if self.is(Lie::NotClamped) { asked } else { asked.clamp(-1.0, 1.0) };
        match self.lie {
            Lie::Creeps => LSB * (clamped / LSB - 1e-9).floor().max(-1.0 / LSB),
            Lie::Inverted => -LSB * (clamped / LSB).round(),
            _ => LSB * (clamped / LSB).round(),
        }
    }

    /// What a standard deviation of 0.01 makes of an answer.
    fn noise(&self, call: &Call, row: u64, output: usize) -> f64 {
        let key = blackbeam_plugin::Key::new(call.stream).with(call.step).with(u64::from(call.set));
        match self.lie {
            Lie::NoiseDeclared => 0.01 * key.with(call.first_row + row).normal(output as u64),
            Lie::Noisy => 0.01 * key.with(self.calls).with(row).normal(output as u64),
            Lie::Unrepeatable => 1e-12 * (self.calls % 2) as f64,
            _ => 0.0,
        }
    }

    fn weights(&self) -> Vec<f64> {
        match self.lie {
            Lie::Dead => vec![0.25; N],
            Lie::Lags if self.written.elapsed() < Duration::from_millis(10) => self.before.clone(),
            _ => self.w.clone(),
        }
    }

    fn row(&mut self, x: &[f64], call: &Call, row: u64) -> Vec<f64> {
        let w = self.weights();
        let scale = if self.is(Lie::Gain) { 3.0 } else { SCALE };
        let mut y: Vec<f64> = (0..OUTPUTS)
            .map(|o| {
                let sum = |(i, x): (usize, &f64)| {
                    let x = match self.lie {
                        Lie::CodesWrap => (x + 1.0).rem_euclid(2.000_001) - 1.0,
                        _ => x.clamp(-1.0, 1.0),
                    };
                    w[INPUTS * o + i] * x
                };
                let y = scale * x.iter().take(INPUTS).enumerate().map(sum).sum::<f64>();
                y + self.noise(call, row, o)
            })
            .collect();
        match self.lie {
            Lie::Affine => y.iter_mut().for_each(|y| *y += 0.02),
            Lie::Saturates => y.iter_mut().for_each(|y| *y = y.tanh()),
            Lie::Crosstalk => y[0] += 0.1 * y[1],
            Lie::Forgets => y[0] += 1e-3 * (self.writes % 7) as f64,
            Lie::OtherInstance => y[0] *= 1.0 + self.instance as f64,
            Lie::HealthMoves if self.safe_calls > 100 => y[0] += 0.1,
            _ => {}
        }
        if self.dark.load(Ordering::Relaxed) {
            y.fill(0.0);
        }
        y
    }

    fn answer(&mut self, x: &[f64], d_in: usize, call: &Call) -> Result<Vec<f64>> {
        self.calls += 1;
        let rows = x.len() / d_in.max(1);
        if !self.is(Lie::AnyBatch) && rows > MAX_BATCH {
            return Err(refuse(Code::SHAPE, "too many rows"));
        }
        if !self.is(Lie::TakesNan) && x.iter().any(|x| !x.is_finite()) {
            return Err(refuse(Code::NONFINITE, "an input is not finite"));
        }
        let mut y = Vec::new();
        for row in 0..rows {
            let from = if self.is(Lie::RowsMix) && rows > 1 { (row + 1) % rows } else { row };
            let x: Vec<f64> =
                x[from * d_in..(from + 1) * d_in].iter().map(|x| if x.is_nan() { 0.0 } else { *x }).collect();
            y.extend(self.row(&x, call, row as u64));
        }
        if self.is(Lie::OddRows) && rows == 7 {
            y.pop();
        }
        Ok(y)
    }

    fn matrix(&self) -> Matrix {
        Matrix::new(OUTPUTS, INPUTS, self.w.iter().map(|w| SCALE * w).collect())
    }
}

impl Device for Fake {
    fn descriptor(&self) -> Descriptor {
        let port = |width| Port { width, complex: false, min: -1.0, max: 1.0, bits: 0 };
        let parameter = |i: usize| Parameter {
            name: format!("w<{}>", if self.is(Lie::Names) { 0 } else { i }).into(),
            unit: if self.is(Lie::Units) { "degrees" } else { "1" }.into(),
            min: -1.0,
            max: 1.0,
            initial: [0.5, -0.25, 0.125][i % 3],
            resolution: LSB,
            period: if self.is(Lie::Frequency) { 2.0 } else { 0.0 },
            kind: if self.is(Lie::Units) { ParameterKind::Phase } else { ParameterKind::Level },
            at_range: AtRange::Clip,
            group: 0,
            row: (i / INPUTS) as u32,
            column: (i % INPUTS) as u32,
        };
        let mut able = can::QUERY_SETS | can::SPARSE | can::BLOCK | can::SCALARS | can::BACKWARD | can::READ_PARAMS;
        able |= can::FULL_SCALE | can::EXACT_VJP | can::CALIBRATE | can::READ_MATRIX;
        match self.lie {
            Lie::Unpromised => able &= !can::READ_MATRIX,
            Lie::Promises => able &= !can::QUERY_SETS,
            _ => {}
        }
        let mut known = structure::LINEAR_IN_X | structure::LOCAL | structure::PASSIVE;
        if self.deterministic() {
            known |= structure::DETERMINISTIC;
        }
        match self.lie {
            Lie::Signed => known |= structure::MAGNITUDE,
            Lie::Frequency | Lie::NoPeriod => known |= structure::SINGLE_FREQUENCY,
            _ => {}
        }
        let mut timeouts = Timeouts { open_s: 1.0, write_s: 1.0, query_s: 1.0, calibrate_s: 1.0 };
        match self.lie {
            Lie::ShortTimeouts => timeouts.query_s = 2e-3,
            Lie::Hangs => timeouts.query_s = 0.01,
            _ => {}
        }
        let mut limits = Limits { total_power_w: 12.0, channel_power_w: 1.0, unit_power_w: 1.0, ..Limits::default() };
        if self.is(Lie::Limits) {
            limits.unit_power_w = 0.0;
        }
        Descriptor {
            name: if self.is(Lie::Ports) { "" } else { "liar" }.into(),
            firmware: if self.is(Lie::Changes) { format!("opened {} times", self.instance) } else { "1".into() }.into(),
            calibration: "none".into(),
            input: port(INPUTS),
            output: Port { min: f64::NEG_INFINITY, max: f64::INFINITY, ..port(OUTPUTS) },
            parameters: (0..N).map(parameter).collect(),
            dtype: if self.is(Lie::Narrow) { Dtype::F32 } else { Dtype::F64 },
            structure: known,
            can: able,
            max_batch: MAX_BATCH,
            vectors_per_row: 1,
            noise: if self.is(Lie::Noisy) { -1.0 } else { 0.0 },
            timing: Timing { frame_vectors: 1, averages: 1, ..Timing::default() },
            energy: Energy { hold_w: if self.is(Lie::Times) { -1.0 } else { 0.0 }, ..Energy::default() },
            limits,
            timeouts,
        }
    }

    fn write_params(&mut self, params: &[f64], _: &Call) -> Result<Applied> {
        self.writes += 1;
        if params.len() != N && !self.is(Lie::AnyNumber) {
            return Err(refuse(Code::SHAPE, "a wrong number of parameters"));
        }
        if !self.is(Lie::TakesNan) && params.iter().any(|p| !p.is_finite()) {
            return Err(refuse(Code::NONFINITE, "a parameter is not finite"));
        }
        if self.is(Lie::Busy) && self.writes.is_multiple_of(20) {
            return Err(PluginError::retryable(Code::BUSY, "busy"));
        }
        self.before = self.w.clone();
        for (i, asked) in params.iter().take(N).enumerate() {
            self.asked[i] = *asked;
            self.w[i] = self.round(if asked.is_finite() { *asked } else { 0.0 });
        }
        self.written = Instant::now();
        if !self.is(Lie::StaysDark) {
            self.dark.store(false, Ordering::Relaxed);
        }
        let off = if self.is(Lie::AppliedOff) { 3.0 * LSB } else { 0.0 };
        Ok(Applied { values: self.w.iter().map(|w| w + off).collect() })
    }

    fn query(&mut self, x: ArrayView<'_>, mut y: ArrayViewMut<'_>, call: &Call) -> Result<()> {
        match self.lie {
            Lie::Hangs if self.calls > 30 => sleep(Duration::from_secs(30)),
            Lie::Slow => sleep(Duration::from_millis(12)),
            Lie::ShortTimeouts => sleep(Duration::from_millis(3)),
            Lie::Panics if self.calls == 50 => {
                self.calls += 1;
                panic!("asked to panic")
            }
            _ => {}
        }
        if x.dim(1) != INPUTS || y.dim(1) != OUTPUTS {
            match self.lie {
                Lie::PanicsOnWidths => panic!("a wrong width"),
                Lie::AnyWidth => {}
                _ => return Err(refuse(Code::SHAPE, "a wrong width")),
            }
        }
        let wide: Vec<f64> = match x.dtype() {
            Dtype::F64 => x.as_f64()?.to_vec(),
            Dtype::F32 => x.as_f32()?.iter().map(|x| f64::from(*x)).collect(),
        };
        let answer = self.answer(&wide, x.dim(1), call)?;
        match y.dtype() {
            Dtype::F64 => y
                .as_f64()?
                .iter_mut()
                .zip(answer.iter().chain(&vec![0.0; 99 * usize::from(self.is(Lie::AnyWidth))]))
                .for_each(|(y, a)| *y = *a),
            Dtype::F32 => y.as_f32()?.iter_mut().zip(answer).for_each(|(y, a)| *y = a as f32),
        }
        Ok(())
    }

    fn query_sets(
        &mut self,
        bases: [&[f64]; 2],
        sets: &[ParameterSet],
        calls: &[Call],
        x: ArrayView<'_>,
        mut y: ArrayViewMut<'_>,
        _: bool,
    ) -> Result<Vec<Applied>> {
        let mut applied = Vec::new();
        let mut answers: Vec<Vec<f64>> = Vec::new();
        if calls.len() != sets.len() && !self.is(Lie::PanicsOnSets) {
            return Err(refuse(Code::SHAPE, "sets and identities"));
        }
        let wide: Vec<f64> = match x.dtype() {
            Dtype::F64 => x.as_f64()?.to_vec(),
            Dtype::F32 => x.as_f32()?.iter().map(|x| f64::from(*x)).collect(),
        };
        for (i, set) in sets.iter().enumerate() {
            let mut params = bases[set.base as usize].to_vec();
            set.expand(&mut params)?;
            applied.push(self.write_params(&params, &calls[i])?);
            answers.push(self.answer(&wide, INPUTS, &calls[i])?);
        }
        if self.is(Lie::SetsOrder) {
            answers.reverse();
        }
        let all = answers.concat();
        match y.dtype() {
            Dtype::F64 => y.as_f64()?.copy_from_slice(&all),
            Dtype::F32 => y.as_f32()?.iter_mut().zip(all).for_each(|(y, a)| *y = a as f32),
        }
        Ok(applied)
    }

    fn query_scalars(
        &mut self,
        bases: [&[f64]; 2],
        sets: &[ParameterSet],
        calls: &[Call],
        x: ArrayView<'_>,
        cotangent: ArrayView<'_>,
        scalars: &mut [f64],
        _: bool,
    ) -> Result<Vec<Applied>> {
        let narrow = x.dtype() == Dtype::F32;
        let wide = |v: &ArrayView<'_>| -> Result<Vec<f64>> {
            Ok(if narrow { v.as_f32()?.iter().map(|x| f64::from(*x)).collect() } else { v.as_f64()?.to_vec() })
        };
        let (x, u) = (wide(&x)?, wide(&cotangent)?);
        let sign = if self.is(Lie::ScalarsSign) { -1.0 } else { 1.0 };
        for ((set, call), scalar) in sets.iter().zip(calls).zip(scalars) {
            let mut params = bases[set.base as usize].to_vec();
            set.expand(&mut params)?;
            self.write_params(&params, call)?;
            let y = self.answer(&x, INPUTS, call)?;
            *scalar = sign * y.iter().zip(&u).map(|(y, u)| y * u).sum::<f64>();
        }
        Ok(Vec::new())
    }

    fn query_backward(&mut self, y: ArrayView<'_>, mut x: ArrayViewMut<'_>, _: &Call) -> Result<()> {
        let sign = if self.is(Lie::BackwardSign) { -1.0 } else { 1.0 };
        let u: Vec<f64> = match y.dtype() {
            Dtype::F64 => y.as_f64()?.to_vec(),
            Dtype::F32 => y.as_f32()?.iter().map(|x| f64::from(*x)).collect(),
        };
        let a = self.matrix();
        let back = |k: usize| {
            let (row, i) = (k / INPUTS, k % INPUTS);
            sign * (0..OUTPUTS).map(|o| u[row * OUTPUTS + o] * a[(o, i)]).sum::<f64>()
        };
        match x.dtype() {
            Dtype::F64 => x.as_f64()?.iter_mut().enumerate().for_each(|(k, x)| *x = back(k)),
            Dtype::F32 => x.as_f32()?.iter_mut().enumerate().for_each(|(k, x)| *x = back(k) as f32),
        }
        Ok(())
    }

    fn read_matrix(&mut self, _: &Call) -> Result<Matrix> {
        let mut matrix = self.matrix();
        if self.is(Lie::MatrixSign) {
            matrix.data.iter_mut().for_each(|v| *v = -*v);
        }
        Ok(matrix)
    }

    fn exact_vjp(
        &mut self,
        _: ArrayView<'_>,
        dy: ArrayView<'_>,
        dx: ArrayViewMut<'_>,
        dparams: &mut [f64],
        call: &Call,
    ) -> Result<()> {
        dparams.fill(0.0);
        let lie = self.lie;
        // Of the two signs of what is sent backwards, this lie turns one.
        self.lie = if lie == Lie::VjpSign { Lie::BackwardSign } else { Lie::Nothing };
        let done = self.query_backward(dy, dx, call);
        self.lie = lie;
        done
    }

    fn read_params(&mut self) -> Result<Vec<f64>> {
        Ok(if self.is(Lie::ReadsAsked) { self.asked.clone() } else { self.w.clone() })
    }

    fn set_full_scale(&mut self, full_scale: f64) -> Result<()> {
        if !(self.is(Lie::AnyFullScale) || full_scale.is_finite() && full_scale > 0.0) {
            return Err(refuse(Code::RANGE, "a full scale above 0 is expected"));
        }
        self.full_scale = full_scale;
        Ok(())
    }

    fn safe_state(&mut self) -> Result<()> {
        self.safe_calls += 1;
        if self.is(Lie::SafeOnce) && self.safe_calls == 2 {
            return Err(refuse(Code::IO, "it is safe already"));
        }
        self.dark.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn safe_state_anywhere(&self) -> Option<SafeState> {
        let (dark, slow) = (Arc::clone(&self.dark), self.is(Lie::SafeSlow));
        Some(Arc::new(move || {
            if slow {
                sleep(Duration::from_millis(1100));
            }
            dark.store(true, Ordering::Relaxed);
            Ok(())
        }))
    }

    fn health(&mut self) -> Result<Health> {
        match self.lie {
            Lie::SlowHealth => sleep(Duration::from_millis(120)),
            Lie::HealthMoves => self.safe_calls = 1000,
            _ => {}
        }
        Ok(Health {
            ready: !self.is(Lie::NotReady),
            calibration_stale: self.is(Lie::StaleForEver),
            boot_id: 1,
            temperature_c: 20.0,
            note: "".into(),
        })
    }

    fn calibrate(&mut self) -> Result<()> {
        Ok(())
    }

    fn save_state(&self) -> Result<Vec<u8>> {
        Ok(MAGIC.to_vec())
    }

    fn restore_state(&mut self, state: &[u8]) -> Result<()> {
        if state == MAGIC || self.is(Lie::AnyState) {
            Ok(())
        } else {
            Err(refuse(Code::BAD_STATE, "no state of this device"))
        }
    }
}
