//! Libraries that break the rules: each way is an error that says what is wrong.

use crate::round_trip::{call, settings, table};
use blackbeam_driver::{
    host::{AbiVersion, Library, Refusal},
    table::*,
};
use blackbeam_plugin::{self as plugin, Code, DevicePlugin as _, Matrix, PluginError};
use std::{
    ffi::{c_char, c_void},
    ptr::null,
    sync::atomic::{AtomicU64, Ordering},
};

fn refused(change: impl FnOnce(&mut DeviceTable)) -> Refusal {
    let mut changed = table();
    change(&mut changed);
    // SAFETY: the table is read while it is there, and nothing of it is kept.
    unsafe { Library::read(&raw const changed) }.err().unwrap()
}

fn broken(words: &str, change: impl FnOnce(&mut DeviceTable)) {
    let refusal = refused(change);
    assert!(matches!(&refusal, Refusal::Broken(what) if what.contains(words)), "{words}: {refusal:?}");
}

#[test]
fn a_table_that_is_none_is_refused() {
    // SAFETY: null is allowed.
    let refusal = unsafe { Library::read(null()) }.err().unwrap();
    assert_eq!(refusal, Refusal::Broken("the table is NULL".into()));
    let two = |t: &mut DeviceTable| (t.abi_major, t.abi_minor) = (2, 9);
    assert_eq!(refused(two), Refusal::Version(AbiVersion { major: 2, minor: 9 }));
    broken("struct_size is 0", |t| t.struct_size = 0);
    broken("struct_size is 40", |t| t.struct_size = 40);
    broken("struct_size is 18446744073709551615", |t| t.struct_size = u64::MAX);
    broken("function query is NULL", |t| t.query = None);
    broken("function safe_state is NULL", |t| t.safe_state = None);
    broken("function get_extension is NULL", |t| t.get_extension = None);
    broken("name is NULL", |t| t.name = null());
    broken("summary is not UTF-8", |t| t.summary = c"\xff".as_ptr());
    static ENDLESS: [u8; (1 << 20) + 1] = [b'x'; (1 << 20) + 1];
    broken("version does not end", |t| t.version = ENDLESS.as_ptr().cast());
    // What is there may be smaller than what it should be.
    static SHORT: ExtMatrix = ExtMatrix { struct_size: 8, read_matrix: None };
    unsafe extern "C-unwind" fn short(id: u32) -> *const c_void {
        if id == EXT_MATRIX { (&raw const SHORT).cast() } else { null() }
    }
    broken("bb_ext_matrix says that its struct_size is 8", |t| t.get_extension = Some(short));
    static HOLLOW: ExtBackward = ExtBackward { struct_size: 16, query_backward: None };
    unsafe extern "C-unwind" fn hollow(id: u32) -> *const c_void {
        if id == EXT_BACKWARD { (&raw const HOLLOW).cast() } else { null() }
    }
    broken("function query_backward is NULL", |t| t.get_extension = Some(hollow));
}

/// A library with another function in one place.
fn library(change: impl FnOnce(&mut DeviceTable)) -> Library {
    let mut changed = table();
    change(&mut changed);
    // SAFETY: functions and texts of the table live for ever; the table itself is not kept.
    unsafe { Library::read(&raw const changed) }.unwrap()
}

fn describing(
    describe: unsafe extern "C-unwind" fn(*mut Device, *mut Descriptor, *mut Error) -> Status,
) -> PluginError {
    let changed =
        library(|t| (t.describe, t.get_extension) = (Some(describe), Some(without_calibrate as GetExtension)));
    changed.open(&settings("")).err().unwrap()
}

type GetExtension = unsafe extern "C-unwind" fn(u32) -> *const c_void;

unsafe extern "C-unwind" fn without_calibrate(id: u32) -> *const c_void {
    // SAFETY: as the header says.
    if id == EXT_CALIBRATE { null() } else { unsafe { table().get_extension.unwrap()(id) } }
}

type Change = fn(&mut Descriptor);

/// Tells `describe` below which of [`LIES`] it is to tell.
static LIE: AtomicU64 = AtomicU64::new(0);

const LIES: &[(&str, Change)] = &[
    ("not ended by a zero byte", |d| d.name = [b'x' as c_char; NAME_SIZE as usize]),
    ("not UTF-8", |d| d.firmware[0] = 0xffu8 as c_char),
    ("the input is 0 numbers wide", |d| d.input.width = 0),
    ("the output is 18446744073709551615 numbers wide", |d| d.output.width = u64::MAX),
    ("the input goes from 1 to 1", |d| (d.input.min, d.input.max) = (1.0, 1.0)),
    ("dtype 7", |d| d.dtype = 7),
    ("noise is NaN", |d| d.noise = f64::NAN),
    ("timing.frame_s is -1", |d| d.timing.frame_s = -1.0),
    ("energy.hold_w is NaN", |d| d.energy.hold_w = f64::NAN),
    ("limits.slew_per_s is inf", |d| d.limits.slew_per_s = f64::INFINITY),
    ("it can", |d| d.can = CAN_CALIBRATE),
    ("99999999 parameters, at most", |d| d.n_params = 99_999_999),
    ("7 parameters when asked again, 6 before", |d| d.n_params += u64::from(!d.parameters.is_null())),
    ("its range is 2 to 1", |d| parameter(d, |p| (p.min, p.max) = (2.0, 1.0))),
    ("its initial value 2 is not within", |d| parameter(d, |p| p.initial = 2.0)),
    ("its resolution is NaN", |d| parameter(d, |p| p.resolution = f64::NAN)),
    ("kind 4", |d| parameter(d, |p| p.kind = 4)),
    ("at_range 3", |d| parameter(d, |p| p.at_range = 3)),
    ("it has no name", |d| parameter(d, |p| p.name[0] = 0)),
    ("two parameters are called `b`", |d| parameter(d, |p| p.name[0] = b'b' as c_char)),
    ("unit of a parameter is not ended", |d| parameter(d, |p| p.unit = [b'x' as c_char; UNIT_SIZE as usize])),
    ("wrote past the end of the bb_descriptor", |d| {
        // SAFETY: the host has put memory behind it, to find this out.
        unsafe { (&raw mut *d).add(1).cast::<u64>().write(1) }
    }),
];

/// Changes the first parameter, where there is room for them.
fn parameter(d: &mut Descriptor, change: impl FnOnce(&mut Parameter)) {
    if !d.parameters.is_null() {
        // SAFETY: there is room for at least one.
        change(unsafe { &mut *d.parameters });
    }
}

unsafe extern "C-unwind" fn lying(device: *mut Device, d: *mut Descriptor, error: *mut Error) -> Status {
    // SAFETY: as the header says.
    unsafe {
        let status = table().describe.unwrap()(device, d, error);
        LIES[LIE.load(Ordering::Relaxed) as usize].1(&mut *d);
        status
    }
}

#[test]
fn a_descriptor_that_cannot_be_is_refused() {
    for (i, (words, _)) in LIES.iter().enumerate() {
        LIE.store(i as u64, Ordering::Relaxed);
        let error = describing(lying);
        assert!(error.message.contains(words), "{words}: {error}");
        assert!(!error.retryable, "{error}");
    }
}

#[test]
fn open_without_a_device_is_an_error() {
    unsafe extern "C-unwind" fn nothing(_: *const Open, _: *mut *mut Device, _: *mut Error) -> Status {
        OK
    }
    let error = library(|t| t.open = Some(nothing)).open(&settings("")).err().unwrap();
    assert_eq!(error.code, Code::ABI_MISMATCH);
}

/// What `query` below does: the status that it returns and what it says of itself.
type Answering = fn(&mut Query, &mut Error) -> Status;

const ANSWERS: &[(&str, Code, Answering)] = &[
    ("returned status 77", Code::FATAL, |_, _| 77),
    ("returned status -3", Code::FATAL, |_, e| {
        (e.retryable, e.state_known) = (1, 1);
        -3
    }),
    ("does not say why", Code::IO, |_, _| IO),
    ("message of this error is not UTF-8", Code::IO, |_, e| {
        // SAFETY: the message has at least 256 bytes.
        unsafe { *e.message = 0xffu8 as c_char };
        IO
    }),
    ("message of this error is not ended", Code::TIMEOUT, |_, e| {
        // SAFETY: so many bytes are there.
        unsafe { std::ptr::write_bytes(e.message, b'x', e.message_capacity as usize) };
        TIMEOUT
    }),
    ("filled 0 numbers of 2", Code::SHAPE, |_, _| OK),
    ("filled 1 numbers of 2", Code::SHAPE, |q, _| {
        q.written = 1;
        OK
    }),
    ("filled 18446744073709551615 numbers", Code::SHAPE, |q, _| {
        q.written = u64::MAX;
        OK
    }),
    ("element 1 of 2 that query gave is not finite", Code::NONFINITE, |q, _| {
        q.written = 2;
        // SAFETY: the output holds two numbers.
        unsafe { q.output.cast::<f64>().add(1).write(f64::NAN) };
        OK
    }),
];

static ANSWER: AtomicU64 = AtomicU64::new(0);

unsafe extern "C-unwind" fn answering(_: *mut Device, query: *mut Query, error: *mut Error) -> Status {
    // SAFETY: as the header says.
    unsafe { ANSWERS[ANSWER.load(Ordering::Relaxed) as usize].2(&mut *query, &mut *error) }
}

#[test]
fn an_answer_that_breaks_the_rules_is_an_error() {
    for (i, (words, code, _)) in ANSWERS.iter().enumerate() {
        ANSWER.store(i as u64, Ordering::Relaxed);
        let mut device = library(|t| t.query = Some(answering)).open(&settings("")).unwrap();
        let mut y = Matrix::zeros(1, 2);
        let error = device.query(Matrix::zeros(1, 3).view(), y.view_mut(), &call(0)).unwrap_err();
        assert_eq!(error.code, *code, "{error}");
        assert!(error.message.contains(words), "{words}: {error}");
        assert!(!error.retryable, "{error}");
    }
}

#[test]
fn a_write_that_breaks_the_rules_leaves_the_state_unknown() {
    let write = |function| {
        let mut device = library(|t| t.write_params = Some(function)).open(&settings("")).unwrap();
        device.write_params(&[0.0; 6], &call(0)).unwrap_err()
    };
    unsafe extern "C-unwind" fn short(_: *mut Device, w: *mut Write, _: *mut Error) -> Status {
        // SAFETY: as the header says, here and below.
        unsafe { (*w).written = 5 };
        OK
    }
    unsafe extern "C-unwind" fn unfilled(_: *mut Device, w: *mut Write, _: *mut Error) -> Status {
        unsafe { (*w).written = 6 };
        OK
    }
    unsafe extern "C-unwind" fn never(_: *mut Device, w: *mut Write, _: *mut Error) -> Status {
        unsafe {
            std::slice::from_raw_parts_mut((*w).applied, 6).fill(0.0);
            ((*w).written, (*w).settle_s) = (6, 1e9);
        }
        OK
    }
    let error = write(short);
    assert_eq!((error.code, error.state_known), (Code::SHAPE, false), "{error}");
    let error = write(unfilled);
    assert_eq!((error.code, error.state_known), (Code::NONFINITE, false), "{error}");
    let error = write(never);
    assert!(error.message.contains("settles in 1000000000 s"), "{error}");
}

/// Nothing is queried before the actuators have settled.
#[test]
fn queries_wait_until_the_device_has_settled() {
    unsafe extern "C-unwind" fn slow(device: *mut Device, w: *mut Write, e: *mut Error) -> Status {
        // SAFETY: as the header says.
        unsafe {
            let status = table().write_params.unwrap()(device, w, e);
            (*w).settle_s = 0.2;
            status
        }
    }
    let mut device = library(|t| t.write_params = Some(slow)).open(&settings("")).unwrap();
    let begun = std::time::Instant::now();
    device.write_params(&[0.0; 6], &call(0)).unwrap();
    let mut y = Matrix::zeros(1, 2);
    device.query(Matrix::zeros(1, 3).view(), y.view_mut(), &call(0)).unwrap();
    assert!(begun.elapsed().as_secs_f64() >= 0.2, "it waited");
}

#[test]
fn arrays_that_do_not_fit_are_refused_before_the_call() {
    let mut device = library(|_| {}).open(&settings("")).unwrap();
    let mut y = Matrix::zeros(1, 2);
    for x in [Matrix::zeros(1, 4), Matrix::zeros(2, 3)] {
        assert_eq!(device.query(x.view(), y.view_mut(), &call(0)).unwrap_err().code, Code::SHAPE);
    }
    assert_eq!(device.write_params(&[0.0; 5], &call(0)).unwrap_err().code, Code::SHAPE);
    let narrow = [0f32; 3];
    let x = plugin::ArrayView::new_f32(&narrow, &[1, 3]);
    assert_eq!(device.query(x, y.view_mut(), &call(0)).unwrap_err().code, Code::UNSUPPORTED);
}
