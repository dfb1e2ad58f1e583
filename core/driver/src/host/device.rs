//! A device behind a table.

#![allow(unsafe_code)]

use super::{
    descriptor,
    functions::{Fenced, Functions, call},
};
use crate::{
    convert::{call_to_c, get_text},
    table::{self, Bytes, NAME_SIZE, UNIT_SIZE},
};
use blackbeam_plugin::{
    Applied, ArrayView, ArrayViewMut, Base, Call, Code, Descriptor, Device, Dtype, Health, Matrix, ParameterSet,
    PluginError, Result, SafeState, can,
};
use std::{
    ffi::c_void,
    ptr::{null, null_mut},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// Most parameters that are believed.
const MAX_PARAMS: u64 = 1 << 24;
/// Largest state that is believed, bytes.
const MAX_STATE: u64 = 1 << 30;
/// Longest settling that is believed, seconds.
const MAX_SETTLE_S: f64 = 3600.0;

/// An open device of a library.
pub struct CDevice {
    functions: Functions,
    device: *mut table::Device,
    descriptor: Descriptor,
    /// It has state beside the parameters.
    state: bool,
    /// When the actuators have settled.
    settled: Option<Instant>,
}

// SAFETY: the header lets an instance be called from any thread, one at a time; `CDevice` is not `Sync`.
unsafe impl Send for CDevice {}

impl CDevice {
    /// Takes over a device that was just opened, and asks what it is. It is closed when that cannot be told.
    ///
    /// # Safety
    /// `device` must have been opened by `functions`, and nobody else may use it.
    pub(super) unsafe fn adopt(functions: Functions, device: *mut table::Device) -> Result<Self> {
        let close = Closing { functions, device };
        let mut all = Vec::new();
        let first = describe(&functions, device, &mut all)?;
        if first.n_params > MAX_PARAMS {
            return Err(shape(format!("{} parameters, at most {MAX_PARAMS} are believed", first.n_params)));
        }
        all = vec![EMPTY_PARAMETER; first.n_params as usize];
        let filled = describe(&functions, device, &mut all)?;
        if filled.n_params != first.n_params {
            return Err(shape(format!("{} parameters when asked again, {} before", filled.n_params, first.n_params)));
        }
        let able = [
            (functions.query_sets.is_some(), table::CAN_QUERY_SETS),
            (functions.query_backward.is_some(), table::CAN_BACKWARD),
            (functions.read_matrix.is_some(), table::CAN_READ_MATRIX),
            (functions.read_params.is_some(), table::CAN_READ_PARAMS),
            (functions.set_full_scale.is_some(), table::CAN_FULL_SCALE),
            (functions.state.is_some(), table::CAN_STATE),
            (functions.calibrate.is_some(), table::CAN_CALIBRATE),
        ];
        let able = able.into_iter().filter(|(there, _)| *there).fold(0, |bits, (_, bit)| bits | bit);
        let descriptor = descriptor::read(&filled, &all, able)?;
        std::mem::forget(close);
        let state = filled.can & table::CAN_STATE != 0;
        Ok(CDevice { functions, device, descriptor, state, settled: None })
    }

    /// Waits until the actuators have settled.
    fn settle(&mut self) {
        if let Some(rest) = self.settled.take().and_then(|at| at.checked_duration_since(Instant::now())) {
            thread::sleep(rest);
        }
    }

    /// The header promises libraries between one row and max_batch.
    fn rows_fit(&self, rows: usize) -> Result<()> {
        let most = self.descriptor.max_batch;
        if rows > 0 && (most == 0 || rows <= most) {
            return Ok(());
        }
        let most = if most == 0 { String::new() } else { format!(" to {most}") };
        Err(shape(format!("{rows} rows in one call, expected 1{most}")))
    }

    fn ask(&mut self, x: ArrayView<'_>, mut y: ArrayViewMut<'_>, of: &Call, backward: bool) -> Result<()> {
        let widths = [self.descriptor.input.width, self.descriptor.output.width];
        let [from, to] = if backward { [widths[1], widths[0]] } else { widths };
        let rows = x.dim(0);
        fits(x.shape(), &[rows, from])?;
        fits(y.shape(), &[rows, to])?;
        self.rows_fit(rows)?;
        sent_finite(&x)?;
        let function = match backward {
            true => self.functions.query_backward.ok_or_else(|| absent("query_backward"))?,
            false => self.functions.query,
        };
        self.settle();
        let of = call_to_c(of);
        let mut query = table::Query {
            struct_size: size_of::<table::Query>() as u64,
            call: &raw const of,
            rows: rows as u64,
            input: source(&x, self.descriptor.dtype)?,
            output: sink(&mut y, self.descriptor.dtype)?,
            written: 0,
        };
        let what = if backward { "query_backward" } else { "query" };
        // SAFETY: as above.
        call(what, |error| unsafe { function(self.device, &raw mut query, error) })?;
        whole(what, query.written, rows * to)?;
        finite(what, &mut y)
    }
}

impl Device for CDevice {
    fn descriptor(&self) -> Descriptor {
        self.descriptor.clone()
    }

    fn write_params(&mut self, params: &[f64], of: &Call) -> Result<Applied> {
        fits(&[params.len()], &[self.descriptor.n_params()])?;
        if let Some(i) = params.iter().position(|v| !v.is_finite()) {
            // Never sent: what hardware makes of it nobody knows.
            let message = format!("parameter {i} is {}, expected a finite number", params[i]);
            return Err(PluginError::new(Code::NONFINITE, message));
        }
        let of = call_to_c(of);
        let mut applied = vec![f64::NAN; params.len()];
        let mut write = table::Write {
            struct_size: size_of::<table::Write>() as u64,
            call: &raw const of,
            params: params.as_ptr(),
            n_params: params.len() as u64,
            applied: applied.as_mut_ptr(),
            written: 0,
            settle_s: 0.0,
        };
        // SAFETY: as above.
        call("write_params", |error| unsafe { (self.functions.write_params)(self.device, &raw mut write, error) })?;
        let unknown = |error: PluginError| error.with_unknown_state();
        whole("write_params", write.written, params.len()).map_err(unknown)?;
        if let Some(i) = applied.iter().position(|v| !v.is_finite()) {
            let message = format!("write_params says that {} was applied to parameter {i}", applied[i]);
            return Err(PluginError::new(Code::NONFINITE, message).with_unknown_state());
        }
        if !(0.0..=MAX_SETTLE_S).contains(&write.settle_s) {
            let message =
                format!("write_params says that it settles in {} s, expected 0 to {MAX_SETTLE_S}", write.settle_s);
            return Err(PluginError::new(Code::RANGE, message));
        }
        self.settled = Some(Instant::now() + Duration::from_secs_f64(write.settle_s));
        Ok(Applied { values: applied.into() })
    }

    fn query(&mut self, x: ArrayView<'_>, y: ArrayViewMut<'_>, of: &Call) -> Result<()> {
        self.ask(x, y, of, false)
    }

    fn query_backward(&mut self, y: ArrayView<'_>, x: ArrayViewMut<'_>, of: &Call) -> Result<()> {
        self.ask(y, x, of, true)
    }

    fn query_sets(
        &mut self,
        bases: [&[f64]; 2],
        sets: &[ParameterSet],
        calls: &[Call],
        x: ArrayView<'_>,
        mut y: ArrayViewMut<'_>,
        want_applied: bool,
    ) -> Result<Vec<Applied>> {
        let function = self.functions.query_sets.ok_or_else(|| absent("query_sets"))?;
        let (n, rows, d_out) = (self.descriptor.n_params(), x.dim(0), self.descriptor.output.width);
        fits(x.shape(), &[rows, self.descriptor.input.width])?;
        fits(y.shape(), &[sets.len(), rows, d_out])?;
        fits(&[calls.len()], &[sets.len()])?;
        self.rows_fit(rows)?;
        sent_finite(&x)?;
        let mut params = Vec::with_capacity(sets.len() * n);
        for set in sets {
            let mut one = bases[usize::from(set.base == Base::Previous)].to_vec();
            set.expand(&mut one)?;
            fits(&[one.len()], &[n])?;
            if let Some(i) = one.iter().position(|v| !v.is_finite()) {
                let message = format!("parameter {i} of a set is {}, expected a finite number", one[i]);
                return Err(PluginError::new(Code::NONFINITE, message));
            }
            params.extend_from_slice(&one);
        }
        let calls: Vec<table::Call> = calls.iter().map(call_to_c).collect();
        let mut applied = vec![f64::NAN; if want_applied { sets.len() * n } else { 0 }];
        self.settle();
        let mut query = table::QuerySets {
            struct_size: size_of::<table::QuerySets>() as u64,
            n_sets: sets.len() as u64,
            calls: calls.as_ptr(),
            params: params.as_ptr(),
            rows: rows as u64,
            input: source(&x, self.descriptor.dtype)?,
            output: sink(&mut y, self.descriptor.dtype)?,
            applied: if want_applied { applied.as_mut_ptr() } else { null_mut() },
            written: 0,
        };
        // SAFETY: as above.
        call("query_sets", |error| unsafe { function(self.device, &raw mut query, error) })?;
        whole("query_sets", query.written, sets.len() * rows * d_out)?;
        finite("query_sets", &mut y)?;
        if let Some(i) = applied.iter().position(|v| !v.is_finite()) {
            let message =
                format!("query_sets says that {} was applied to parameter {} of set {}", applied[i], i % n, i / n);
            return Err(PluginError::new(Code::NONFINITE, message));
        }
        Ok(applied.chunks(n.max(1)).map(|values| Applied { values: values.to_vec().into() }).collect())
    }

    fn read_matrix(&mut self, of: &Call) -> Result<Matrix> {
        let function = self.functions.read_matrix.ok_or_else(|| absent("read_matrix"))?;
        self.settle();
        let mut matrix = Matrix::zeros(self.descriptor.output.width, self.descriptor.input.width);
        let capacity = matrix.data.len();
        let (of, mut written) = (call_to_c(of), 0);
        call("read_matrix", |error| {
            let (data, capacity) = (matrix.data.as_mut_ptr(), capacity as u64);
            // SAFETY: as above.
            unsafe { function(self.device, &raw const of, data, capacity, &raw mut written, error) }
        })?;
        whole("read_matrix", written, capacity)?;
        finite("read_matrix", &mut matrix.view_mut())?;
        Ok(matrix)
    }

    fn read_params(&mut self) -> Result<Vec<f64>> {
        let function = self.functions.read_params.ok_or_else(|| absent("read_params"))?;
        let mut params = vec![f64::NAN; self.descriptor.n_params()];
        let (capacity, mut written) = (params.len(), 0);
        call("read_params", |error| {
            // SAFETY: as above.
            unsafe { function(self.device, params.as_mut_ptr(), capacity as u64, &raw mut written, error) }
        })?;
        whole("read_params", written, capacity)?;
        finite("read_params", &mut ArrayViewMut::new(&mut params, &[capacity]))?;
        Ok(params)
    }

    fn set_full_scale(&mut self, full_scale: f64) -> Result<()> {
        let function = self.functions.set_full_scale.ok_or_else(|| absent("set_full_scale"))?;
        // SAFETY: as above.
        call("set_full_scale", |error| unsafe { function(self.device, full_scale, error) })
    }

    fn safe_state(&mut self) -> Result<()> {
        // SAFETY: as above.
        call("safe_state", |error| unsafe { (self.functions.safe_state)(self.device, error) })
    }

    fn safe_state_anywhere(&self) -> Option<SafeState> {
        let at = Anywhere { functions: self.functions, device: self.device };
        Some(Arc::new(move || at.safe_state()))
    }

    fn settling(&self) -> Duration {
        self.settled.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()))
    }

    fn health(&mut self) -> Result<Health> {
        let mut health = Fenced::new(table::Health {
            struct_size: size_of::<table::Health>() as u64,
            flags: 0,
            boot_id: 0,
            temperature_c: f64::NAN,
            note: [0; NAME_SIZE as usize],
        });
        // SAFETY: as above.
        call("health", |error| unsafe { (self.functions.health)(self.device, health.pointer(), error) })?;
        let health = health.filled("bb_health")?;
        Ok(Health {
            ready: health.flags & table::HEALTH_READY != 0,
            calibration_stale: health.flags & table::HEALTH_CAL_STALE != 0,
            boot_id: health.boot_id,
            temperature_c: if health.temperature_c.is_finite() { health.temperature_c } else { f64::NAN },
            note: get_text(&health.note, "note on the health")?.into(),
        })
    }

    fn calibrate(&mut self) -> Result<()> {
        let calibrate = self.functions.calibrate.filter(|_| self.descriptor.can(can::CALIBRATE));
        let calibrate = calibrate.ok_or_else(|| absent("calibrate"))?;
        // SAFETY: as above.
        call("calibrate", |error| unsafe { calibrate(self.device, error) })
    }

    fn save_state(&self) -> Result<Vec<u8>> {
        let Some((save, _)) = self.functions.state.filter(|_| self.state) else { return Ok(Vec::new()) };
        let ask = |data: *mut u8, capacity: usize| {
            let mut bytes = Bytes { data, capacity: capacity as u64, length: 0 };
            // SAFETY: as above; `CDevice` is not `Sync`, so that no other thread is in a call.
            call("save_state", |error| unsafe { save(self.device, &raw mut bytes, error) })?;
            Ok::<u64, PluginError>(bytes.length)
        };
        let length = ask(null_mut(), 0)?;
        if length > MAX_STATE {
            return Err(shape(format!("a state of {length} bytes, at most {MAX_STATE} are believed")));
        }
        let mut state = vec![0; length as usize];
        whole("save_state", ask(state.as_mut_ptr(), state.len())?, state.len())?;
        Ok(state)
    }

    fn restore_state(&mut self, state: &[u8]) -> Result<()> {
        match self.functions.state.filter(|_| self.state) {
            None if state.is_empty() => Ok(()),
            None => Err(PluginError::new(Code::BAD_STATE, "this device has no state")),
            // SAFETY: as above.
            Some((_, restore)) => call("restore_state", |error| unsafe {
                restore(self.device, state.as_ptr(), state.len() as u64, error)
            }),
        }
    }
}

impl Drop for CDevice {
    fn drop(&mut self) {
        drop(Closing { functions: self.functions, device: self.device });
    }
}

/// A device for `safe_state` alone.
struct Anywhere {
    functions: Functions,
    device: *mut table::Device,
}

// SAFETY: the header lets safe_state be called from any thread while another call of the instance is running; nothing else
// is called through this.
unsafe impl Send for Anywhere {}
// SAFETY: as above.
unsafe impl Sync for Anywhere {}

impl Anywhere {
    fn safe_state(&self) -> Result<()> {
        // SAFETY: as the header says; who holds this gives it up before the device is dropped, as
        // `Device::safe_state_anywhere` demands.
        call("safe_state", |error| unsafe { (self.functions.safe_state)(self.device, error) })
    }
}

/// Closes a device when it is dropped.
struct Closing {
    functions: Functions,
    device: *mut table::Device,
}

impl Drop for Closing {
    fn drop(&mut self) {
        // SAFETY: the device is open, and its owner is gone.
        unsafe { (self.functions.close)(self.device) }
    }
}

const EMPTY_PARAMETER: table::Parameter = table::Parameter {
    name: [0; NAME_SIZE as usize],
    unit: [0; UNIT_SIZE as usize],
    min: 0.0,
    max: 0.0,
    initial: 0.0,
    resolution: 0.0,
    period: 0.0,
    kind: 0,
    at_range: 0,
    group: 0,
    row: 0,
    column: 0,
    reserved: 0,
};

/// Asks for the descriptor, with room for as many parameters as `all` has.
fn describe(
    functions: &Functions,
    device: *mut table::Device,
    all: &mut [table::Parameter],
) -> Result<table::Descriptor> {
    let port = table::Port { width: 0, min: 0.0, max: 0.0, bits: 0, complex: 0 };
    let timing = table::Timing {
        write_fixed_s: 0.0,
        write_each_s: 0.0,
        settle_tau_s: 0.0,
        settle_tolerance: 0.0,
        trigger_s: 0.0,
        frame_s: 0.0,
        host_step_s: 0.0,
        frame_vectors: 1,
        averages: 1,
    };
    let mut descriptor = Fenced::new(table::Descriptor {
        struct_size: size_of::<table::Descriptor>() as u64,
        name: [0; NAME_SIZE as usize],
        firmware: [0; NAME_SIZE as usize],
        calibration: [0; NAME_SIZE as usize],
        input: port,
        output: port,
        dtype: 0,
        vectors_per_row: 1,
        structure: 0,
        can: 0,
        max_batch: 0,
        noise: -1.0,
        timing,
        energy: table::Energy { hold_w: 0.0, write_j: 0.0, vector_j: 0.0 },
        parameters: if all.is_empty() { null_mut() } else { all.as_mut_ptr() },
        parameter_capacity: all.len() as u64,
        n_params: 0,
        limits: table::Limits { total_power_w: 0.0, channel_power_w: 0.0, slew_per_s: 0.0, writes: 0 },
        timeouts: table::Timeouts { open_s: 0.0, write_s: 0.0, query_s: 0.0, calibrate_s: 0.0 },
        unit_power_w: 0.0,
    });
    // SAFETY: as the header says; everything given lives until the call returns.
    call("describe", |error| unsafe { (functions.describe)(device, descriptor.pointer(), error) })?;
    descriptor.filled("bb_descriptor")
}

/// Where the elements of an array of the descriptor's type are.
fn source(x: &ArrayView<'_>, dtype: Dtype) -> Result<*const c_void> {
    if x.is_empty() {
        return Ok(null());
    }
    match dtype {
        Dtype::F64 => x.as_f64().map(|x| x.as_ptr().cast()),
        Dtype::F32 => x.as_f32().map(|x| x.as_ptr().cast()),
    }
}

fn sink(y: &mut ArrayViewMut<'_>, dtype: Dtype) -> Result<*mut c_void> {
    match dtype {
        Dtype::F64 => y.as_f64().map(|y| y.as_mut_ptr().cast()),
        Dtype::F32 => y.as_f32().map(|y| y.as_mut_ptr().cast()),
    }
}

fn whole(what: &str, written: u64, expected: usize) -> Result<()> {
    if written == expected as u64 {
        return Ok(());
    }
    Err(shape(format!(
        "{what} says that it filled {written} numbers of {expected}: a short or broken answer is not data"
    )))
}

/// What is not finite is never sent: a driver that clamps would make a number of it.
fn sent_finite(x: &ArrayView<'_>) -> Result<()> {
    let bad = match x.dtype() {
        Dtype::F64 => x.as_f64()?.iter().position(|v| !v.is_finite()),
        Dtype::F32 => x.as_f32()?.iter().position(|v| !v.is_finite()),
    };
    let message = |i| format!("element {i} of {} that is to be sent is not finite", x.len());
    bad.map_or(Ok(()), |i| Err(PluginError::new(Code::NONFINITE, message(i))))
}

fn finite(what: &str, y: &mut ArrayViewMut<'_>) -> Result<()> {
    let bad = match y.dtype() {
        Dtype::F64 => y.as_f64()?.iter().position(|v| !v.is_finite()),
        Dtype::F32 => y.as_f32()?.iter().position(|v| !v.is_finite()),
    };
    match bad {
        None => Ok(()),
        Some(i) => {
            Err(PluginError::new(Code::NONFINITE, format!("element {i} of {} that {what} gave is not finite", y.len())))
        }
    }
}

fn fits(found: &[usize], expected: &[usize]) -> Result<()> {
    if found == expected { Ok(()) } else { Err(shape(format!("an array {found:?}, expected {expected:?}"))) }
}

fn shape(message: String) -> PluginError {
    PluginError::new(Code::SHAPE, message)
}

fn absent(what: &str) -> PluginError {
    PluginError::new(Code::UNSUPPORTED, format!("the device has no {what}"))
}
