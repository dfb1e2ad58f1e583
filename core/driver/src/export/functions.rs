//! The functions of the table of a device in Rust.
//!
//! Pointers are used as the table's documentation promises them: aligned, valid until the function returns, never null
//! unless it says so.

#![allow(unsafe_code)]

use crate::{
    convert::{call_from_c, put_text},
    table::*,
};
use blackbeam_plugin::{self as plugin, ArrayView, ArrayViewMut, Code, Dtype, ParameterSet, PluginError, Result, can};
use std::{
    ffi::{CStr, c_char, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::null,
    slice,
    sync::{Mutex, MutexGuard, PoisonError, TryLockError},
    thread,
    time::{Duration, Instant},
};

/// How long `safe_state` waits for a call on another thread to end.
const SAFE_STATE_WAIT: Duration = Duration::from_millis(800);

/// An open device.
struct Instance {
    device: Mutex<Box<dyn plugin::Device>>,
    descriptor: plugin::Descriptor,
}

pub(super) fn table(texts: [*const c_char; 5], open: super::OpenFn) -> DeviceTable {
    let [name, version, licence, summary, settings_schema] = texts;
    DeviceTable {
        struct_size: size_of::<DeviceTable>() as u64,
        abi_major: ABI_MAJOR,
        abi_minor: ABI_MINOR,
        name,
        version,
        licence,
        summary,
        settings_schema,
        open: Some(open),
        describe: Some(describe),
        write_params: Some(write_params),
        query: Some(query),
        health: Some(health),
        safe_state: Some(safe_state),
        close: Some(close),
        get_extension: Some(get_extension),
        enumerate: None,
    }
}

static QUERY_SETS: ExtQuerySets =
    ExtQuerySets { struct_size: size_of::<ExtQuerySets>() as u64, query_sets: Some(query_sets) };
static BACKWARD: ExtBackward =
    ExtBackward { struct_size: size_of::<ExtBackward>() as u64, query_backward: Some(query_backward) };
static MATRIX: ExtMatrix = ExtMatrix { struct_size: size_of::<ExtMatrix>() as u64, read_matrix: Some(read_matrix) };
static READ_PARAMS: ExtReadParams =
    ExtReadParams { struct_size: size_of::<ExtReadParams>() as u64, read_params: Some(read_params) };
static FULL_SCALE: ExtFullScale =
    ExtFullScale { struct_size: size_of::<ExtFullScale>() as u64, set_full_scale: Some(set_full_scale) };
static STATE: ExtState = ExtState {
    struct_size: size_of::<ExtState>() as u64,
    save_state: Some(save_state),
    restore_state: Some(restore_state),
};

static CALIBRATE: ExtCalibrate =
    ExtCalibrate { struct_size: size_of::<ExtCalibrate>() as u64, calibrate: Some(calibrate) };

unsafe extern "C-unwind" fn get_extension(id: u32) -> *const c_void {
    match id {
        EXT_QUERY_SETS => (&raw const QUERY_SETS).cast(),
        EXT_BACKWARD => (&raw const BACKWARD).cast(),
        EXT_MATRIX => (&raw const MATRIX).cast(),
        EXT_READ_PARAMS => (&raw const READ_PARAMS).cast(),
        EXT_FULL_SCALE => (&raw const FULL_SCALE).cast(),
        EXT_STATE => (&raw const STATE).cast(),
        EXT_CALIBRATE => (&raw const CALIBRATE).cast(),
        _ => null(),
    }
}

/// Runs `call`; what it fails with, a panic among it, goes into `error`.
unsafe fn answer(error: *mut Error, call: impl FnOnce() -> Result<()>) -> Status {
    let result = catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|payload| {
        // The payload's destructor may panic too.
        std::mem::forget(payload);
        Err(PluginError::new(Code::PANIC, "the driver panicked").with_unknown_state())
    });
    let Err(e) = result else { return OK };
    // SAFETY: the caller's own struct and buffer, which has the capacity that it says.
    unsafe {
        (*error).retryable = e.retryable.into();
        (*error).state_known = e.state_known.into();
        let room = (*error).message_capacity as usize;
        if room > 0 {
            let mut end = e.message.len().min(room - 1);
            while !e.message.is_char_boundary(end) {
                end -= 1;
            }
            std::ptr::copy_nonoverlapping(e.message.as_ptr(), (*error).message.cast(), end);
            *(*error).message.add(end) = 0;
        }
    }
    e.code.0 as Status
}

fn lock(instance: &Instance) -> MutexGuard<'_, Box<dyn plugin::Device>> {
    // A panic while it was held is the guard's to report.
    instance.device.lock().unwrap_or_else(PoisonError::into_inner)
}

unsafe fn instance<'a>(device: *mut Device) -> &'a Instance {
    // SAFETY: the pointer is one that `open` has given and `close` has not taken back.
    unsafe { &*device.cast::<Instance>() }
}

/// `length` numbers, given by the caller.
unsafe fn numbers<'a, T>(data: *const T, length: usize) -> &'a [T] {
    // SAFETY: the caller's array of that length.
    if length == 0 { &[] } else { unsafe { slice::from_raw_parts(data, length) } }
}

unsafe fn numbers_mut<'a, T>(data: *mut T, length: usize) -> &'a mut [T] {
    // SAFETY: the caller's array of that length, which nobody else uses meanwhile.
    if length == 0 { &mut [] } else { unsafe { slice::from_raw_parts_mut(data, length) } }
}

unsafe fn input<'a>(dtype: Dtype, data: *const c_void, shape: &[usize]) -> ArrayView<'a> {
    let length = shape.iter().product();
    // SAFETY: the caller's array of the descriptor's type and of this shape.
    unsafe {
        match dtype {
            Dtype::F64 => ArrayView::new(numbers(data.cast(), length), shape),
            Dtype::F32 => ArrayView::new_f32(numbers(data.cast(), length), shape),
        }
    }
}

unsafe fn output<'a>(dtype: Dtype, data: *mut c_void, shape: &[usize]) -> ArrayViewMut<'a> {
    let length = shape.iter().product();
    // SAFETY: as `input`.
    unsafe {
        match dtype {
            Dtype::F64 => ArrayViewMut::new(numbers_mut(data.cast(), length), shape),
            Dtype::F32 => ArrayViewMut::new_f32(numbers_mut(data.cast(), length), shape),
        }
    }
}

pub(super) unsafe fn open(
    plugin: Result<&dyn plugin::DevicePlugin>,
    open: *const Open,
    device: *mut *mut Device,
    error: *mut Error,
) -> Status {
    // SAFETY: the table's promises, here and in every function below.
    unsafe {
        answer(error, || {
            let settings = CStr::from_ptr((*open).settings).to_str();
            let settings = settings.map_err(|_| PluginError::settings("the settings are not UTF-8"))?;
            let open = plugin::Open {
                settings: settings.into(),
                seed: (*open).seed,
                threads: (*open).threads,
                ideal: (*open).flags & OPEN_IDEAL != 0,
            };
            let opened = plugin?.open(&open)?;
            let descriptor = opened.descriptor();
            let instance = Instance { device: Mutex::new(opened), descriptor };
            *device = Box::into_raw(Box::new(instance)).cast();
            Ok(())
        })
    }
}

unsafe extern "C-unwind" fn describe(device: *mut Device, to: *mut Descriptor, error: *mut Error) -> Status {
    // Fields up to n_params are there since 1.0.
    unsafe {
        answer(error, || {
            let from = &instance(device).descriptor;
            put_text(&mut (*to).name, "name of the device", &from.name)?;
            put_text(&mut (*to).firmware, "firmware version", &from.firmware)?;
            put_text(&mut (*to).calibration, "name of the calibration", &from.calibration)?;
            (*to).input = port(&from.input);
            (*to).output = port(&from.output);
            (*to).dtype = from.dtype as u32;
            (*to).vectors_per_row = from.vectors_per_row;
            (*to).structure = from.structure;
            let optional = can::BACKWARD | can::READ_MATRIX | can::READ_PARAMS | can::FULL_SCALE | can::CALIBRATE;
            let able = can::QUERY_SETS | optional;
            (*to).can = from.can & able | CAN_STATE;
            (*to).max_batch = from.max_batch as u64;
            (*to).noise = from.noise;
            (*to).timing = timing(&from.timing);
            let energy = &from.energy;
            (*to).energy = Energy { hold_w: energy.hold_w, write_j: energy.write_j, vector_j: energy.vector_j };
            (*to).n_params = from.n_params() as u64;
            if (*to).struct_size >= size_of::<Descriptor>() as u64 {
                limits(&mut *to, from);
            }
            if (*to).parameters.is_null() {
                return Ok(());
            }
            let room = numbers_mut((*to).parameters, (*to).parameter_capacity as usize);
            for (to, from) in room.iter_mut().zip(&from.parameters) {
                parameter(to, from)?;
            }
            Ok(())
        })
    }
}

fn limits(to: &mut Descriptor, from: &plugin::Descriptor) {
    let (limits, timeouts) = (&from.limits, &from.timeouts);
    to.limits = Limits {
        total_power_w: limits.total_power_w,
        channel_power_w: limits.channel_power_w,
        slew_per_s: limits.slew_per_s,
        writes: limits.writes,
    };
    to.timeouts = Timeouts {
        open_s: timeouts.open_s,
        write_s: timeouts.write_s,
        query_s: timeouts.query_s,
        calibrate_s: timeouts.calibrate_s,
    };
    to.unit_power_w = limits.unit_power_w;
}

fn port(p: &plugin::Port) -> Port {
    Port { width: p.width as u64, min: p.min, max: p.max, bits: p.bits, complex: p.complex.into() }
}

fn timing(t: &plugin::Timing) -> Timing {
    Timing {
        write_fixed_s: t.write_fixed_s,
        write_each_s: t.write_each_s,
        settle_tau_s: t.settle_tau_s,
        settle_tolerance: t.settle_tolerance,
        trigger_s: t.trigger_s,
        frame_s: t.frame_s,
        host_step_s: t.host_step_s,
        frame_vectors: t.frame_vectors.max(1),
        averages: t.averages.max(1),
    }
}

fn parameter(to: &mut Parameter, from: &plugin::Parameter) -> Result<()> {
    put_text(&mut to.name, "name of a parameter", &from.name)?;
    put_text(&mut to.unit, "unit of a parameter", &from.unit)?;
    (to.min, to.max, to.initial) = (from.min, from.max, from.initial);
    (to.resolution, to.period) = (from.resolution, from.period);
    (to.kind, to.at_range) = (from.kind as u32, from.at_range as u32);
    (to.group, to.row, to.column, to.reserved) = (from.group, from.row, from.column, 0);
    Ok(())
}

unsafe extern "C-unwind" fn write_params(device: *mut Device, write: *mut Write, error: *mut Error) -> Status {
    unsafe {
        answer(error, || {
            let n = (*write).n_params as usize;
            let params = numbers((*write).params, n);
            let applied = lock(instance(device)).write_params(params, &call_from_c(&*(*write).call)?)?;
            let values = &applied.values;
            numbers_mut((*write).applied, n).iter_mut().zip(values.iter()).for_each(|(to, from)| *to = *from);
            (*write).written = values.len() as u64;
            (*write).settle_s = 0.0;
            Ok(())
        })
    }
}

unsafe extern "C-unwind" fn query(device: *mut Device, query: *mut Query, error: *mut Error) -> Status {
    unsafe { ask(device, query, error, false) }
}

unsafe extern "C-unwind" fn query_backward(device: *mut Device, query: *mut Query, error: *mut Error) -> Status {
    unsafe { ask(device, query, error, true) }
}

unsafe fn ask(device: *mut Device, query: *mut Query, error: *mut Error, backward: bool) -> Status {
    unsafe {
        answer(error, || {
            let Instance { descriptor, .. } = instance(device);
            let (rows, widths) = ((*query).rows as usize, [descriptor.input.width, descriptor.output.width]);
            let [from, to] = if backward { [widths[1], widths[0]] } else { widths };
            let call = call_from_c(&*(*query).call)?;
            let x = input(descriptor.dtype, (*query).input, &[rows, from]);
            let y = output(descriptor.dtype, (*query).output, &[rows, to]);
            let mut device = lock(instance(device));
            if backward { device.query_backward(x, y, &call) } else { device.query(x, y, &call) }?;
            (*query).written = (rows * to) as u64;
            Ok(())
        })
    }
}

unsafe extern "C-unwind" fn query_sets(device: *mut Device, query: *mut QuerySets, error: *mut Error) -> Status {
    unsafe {
        answer(error, || {
            let Instance { descriptor, .. } = instance(device);
            let (sets, rows, n) = ((*query).n_sets as usize, (*query).rows as usize, descriptor.n_params());
            let params = numbers((*query).params, sets * n);
            let dense: Vec<ParameterSet> =
                (0..sets).map(|s| ParameterSet::dense(params[s * n..(s + 1) * n].to_vec())).collect();
            let calls: Result<Vec<plugin::Call>> = numbers((*query).calls, sets).iter().map(call_from_c).collect();
            let x = input(descriptor.dtype, (*query).input, &[rows, descriptor.input.width]);
            let shape = [sets, rows, descriptor.output.width];
            let y = output(descriptor.dtype, (*query).output, &shape);
            let wanted = !(*query).applied.is_null();
            // The sets are dense, so that what they would start from is not looked at; it must only have the right length.
            let base = numbers((*query).params, n);
            let applied = lock(instance(device)).query_sets([base, base], &dense, &calls?, x, y, wanted)?;
            if wanted {
                let room = numbers_mut((*query).applied, sets * n);
                for (to, from) in room.chunks_mut(n.max(1)).zip(&applied) {
                    to.iter_mut().zip(from.values.iter()).for_each(|(to, from)| *to = *from);
                }
            }
            (*query).written = shape.iter().product::<usize>() as u64;
            Ok(())
        })
    }
}

unsafe extern "C-unwind" fn read_matrix(
    device: *mut Device,
    call: *const Call,
    matrix: *mut f64,
    capacity: u64,
    written: *mut u64,
    error: *mut Error,
) -> Status {
    unsafe {
        answer(error, || {
            let read = lock(instance(device)).read_matrix(&call_from_c(&*call)?)?;
            let room = numbers_mut(matrix, capacity as usize);
            room.iter_mut().zip(read.data.iter()).for_each(|(to, from)| *to = *from);
            *written = read.data.len() as u64;
            Ok(())
        })
    }
}

unsafe extern "C-unwind" fn read_params(
    device: *mut Device,
    params: *mut f64,
    capacity: u64,
    written: *mut u64,
    error: *mut Error,
) -> Status {
    unsafe {
        answer(error, || {
            let read = lock(instance(device)).read_params()?;
            let room = numbers_mut(params, capacity as usize);
            room.iter_mut().zip(&read).for_each(|(to, from)| *to = *from);
            *written = read.len() as u64;
            Ok(())
        })
    }
}

unsafe extern "C-unwind" fn set_full_scale(device: *mut Device, full_scale: f64, error: *mut Error) -> Status {
    unsafe { answer(error, || lock(instance(device)).set_full_scale(full_scale)) }
}

unsafe extern "C-unwind" fn save_state(device: *mut Device, state: *mut Bytes, error: *mut Error) -> Status {
    unsafe {
        answer(error, || {
            let saved = lock(instance(device)).save_state()?;
            if !(*state).data.is_null() {
                let room = numbers_mut((*state).data, (*state).capacity as usize);
                room.iter_mut().zip(&saved).for_each(|(to, from)| *to = *from);
            }
            (*state).length = saved.len() as u64;
            Ok(())
        })
    }
}

unsafe extern "C-unwind" fn restore_state(
    device: *mut Device,
    state: *const u8,
    length: u64,
    error: *mut Error,
) -> Status {
    unsafe { answer(error, || lock(instance(device)).restore_state(numbers(state, length as usize))) }
}

unsafe extern "C-unwind" fn health(device: *mut Device, health: *mut Health, error: *mut Error) -> Status {
    unsafe {
        answer(error, || {
            let found = lock(instance(device)).health()?;
            let flags = [(found.ready, HEALTH_READY), (found.calibration_stale, HEALTH_CAL_STALE)];
            (*health).flags = flags.into_iter().filter(|(set, _)| *set).fold(0, |bits, (_, bit)| bits | bit);
            (*health).boot_id = found.boot_id;
            (*health).temperature_c = found.temperature_c;
            put_text(&mut (*health).note, "note on the health", &found.note)
        })
    }
}

unsafe extern "C-unwind" fn calibrate(device: *mut Device, error: *mut Error) -> Status {
    unsafe { answer(error, || lock(instance(device)).calibrate()) }
}

unsafe extern "C-unwind" fn safe_state(device: *mut Device, error: *mut Error) -> Status {
    unsafe {
        answer(error, || {
            let begun = Instant::now();
            loop {
                match instance(device).device.try_lock() {
                    Ok(mut device) => return device.safe_state(),
                    Err(TryLockError::Poisoned(held)) => return held.into_inner().safe_state(),
                    Err(TryLockError::WouldBlock) if begun.elapsed() < SAFE_STATE_WAIT => {
                        thread::sleep(Duration::from_millis(1));
                    }
                    Err(TryLockError::WouldBlock) => {
                        return Err(PluginError::retryable(Code::BUSY, "another call of this device is still running"));
                    }
                }
            }
        })
    }
}

unsafe extern "C-unwind" fn close(device: *mut Device) {
    // SAFETY: the pointer is one that `open` has given, and is not used again. The guard inside catches a destructor that
    // panics.
    drop(unsafe { Box::from_raw(device.cast::<Instance>()) });
}
