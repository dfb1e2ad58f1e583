//! Requests and answers, the table of functions, extensions.

use super::description::*;
use crate::declare::interface;
use std::ffi::{c_char, c_void};

interface! {
    section "Requests";

    /// Bits of bb_open.flags.
    constants u32 {
        /// Simulators: every non-ideality is to be switched off.
        OPEN_IDEAL = 1,
        /// No other process may use the device while it is open: BB_IN_USE if one does.
        OPEN_EXCLUSIVE = 2,
    }

    /// How a device is to be opened.
    struct Open(bb_open) {
        /// Size of this struct as the caller knows it, bytes.
        struct_size: u64,
        /// The settings: a JSON object that fits the table's settings_schema. UTF-8, ended by a zero byte.
        settings: *const c_char,
        /// Simulators: seed of everything that is drawn once per device.
        seed: u64,
        /// Threads that one call may use, at least 1.
        threads: u32,
        /// Bits BB_OPEN_.
        flags: u32,
    }

    /// Parameters to be written.
    struct Write(bb_write) {
        /// Size of this struct as the caller knows it, bytes.
        struct_size: u64,
        /// Identity of the write.
        call: *const Call,
        /// The nominal set-points, in the units of the descriptor. All are finite; they may be out of range.
        params: *const f64,
        /// How many: n_params of the descriptor.
        n_params: u64,
        /// Out: what was really applied, n_params values: clamped, rounded in drive units, mapped back by the nominal curve
        /// (without offset, spread, crosstalk or drift, which no driver knows).
        applied: *mut f64,
        /// Out: how many values of applied were filled; anything but n_params is an error.
        written: u64,
        /// Out: time from the return of the function until the actuators have settled, seconds, at most 3600. Blackbeam sends
        /// no query before. 0 if the function has waited itself.
        settle_s: f64,
    }

    /// Vectors to be sent.
    struct Query(bb_query) {
        /// Size of this struct as the caller knows it, bytes.
        struct_size: u64,
        /// Identity of the query.
        call: *const Call,
        /// Number of vectors, at least 1 and at most max_batch.
        rows: u64,
        /// The vectors [rows, width of the input], row by row, of the descriptor's dtype. All numbers are finite.
        input: *const c_void,
        /// Out: the answers [rows, width of the output], row by row, of the same dtype.
        output: *mut c_void,
        /// Out: how many numbers of output were filled; anything but all of them is an error.
        written: u64,
    }

    /// The same vectors to be sent at several configurations.
    struct QuerySets(bb_query_sets) {
        /// Size of this struct as the caller knows it, bytes.
        struct_size: u64,
        /// Number of configurations, at least 1.
        n_sets: u64,
        /// Identity of each of the n_sets, for its write and its query.
        calls: *const Call,
        /// Parameters of each [n_sets, n_params].
        params: *const f64,
        /// Number of vectors, at least 1 and at most max_batch.
        rows: u64,
        /// The vectors [rows, width of the input], of the descriptor's dtype.
        input: *const c_void,
        /// Out: the answers [n_sets, rows, width of the output], of the same dtype.
        output: *mut c_void,
        /// Out: what was applied [n_sets, n_params], or NULL if nobody wants to know.
        applied: *mut f64,
        /// Out: how many numbers of output were filled; anything but all of them is an error.
        written: u64,
    }

    /// A text that a function gives. Call twice: data may be NULL at first.
    struct Text(bb_text) {
        /// Where it goes: as many bytes as fit, UTF-8 without a zero byte.
        data: *mut c_char,
        /// Bytes that fit.
        capacity: u64,
        /// Out: bytes of the whole text.
        length: u64,
    }

    /// Bytes that a function gives. Call twice: data may be NULL at first.
    struct Bytes(bb_bytes) {
        /// Where they go: as many as fit.
        data: *mut u8,
        /// How many fit.
        capacity: u64,
        /// Out: how many there are.
        length: u64,
    }

    /// Bits of bb_health.flags.
    constants u64 {
        /// Writes and queries can be sent.
        HEALTH_READY = 1,
        /// The calibration in force is too old: bb_ext_calibrate makes a new one.
        HEALTH_CAL_STALE = 2,
    }

    /// How a device is. On entry everything but struct_size is 0, temperature_c is NaN.
    struct Health(bb_health) {
        /// Size of this struct as the caller knows it, bytes.
        struct_size: u64,
        /// Bits BB_HEALTH_.
        flags: u64,
        /// Another number after every power cycle of the device, never 0; 0 if that cannot be told.
        boot_id: u64,
        /// Temperature of the chip, degrees Celsius; NaN if it is not measured.
        temperature_c: f64,
        /// For a person. UTF-8, ended by a zero byte.
        note: [c_char; NAME_SIZE as usize],
    }

    section "The table";

    /// An open device. The library alone knows what is in it.
    opaque Device(bb_device);

    /// What a library exports: a constant that lives as long as the library, which is never unloaded.
    ///
    /// Threads: Blackbeam calls one instance from one thread at a time, not always the same thread; different instances at the
    /// same time. safe_state alone may be called from any thread while another call of the instance is running.
    ///
    /// Lifetimes: what a function is given by pointer belongs to the caller and is valid until the function returns. The
    /// library keeps none of these pointers. Pointers are aligned for their type and never NULL unless it is said.
    ///
    /// Errors: nothing may leave a function but its return: no exception, no longjmp, no exit. Numbers that are not finite
    /// and results that are too short are errors, never data; Blackbeam looks for both.
    ///
    /// All functions up to get_extension are required.
    struct DeviceTable(bb_device_table) {
        /// sizeof(bb_device_table), bytes: what an older Blackbeam does not know and what an older library does not have are
        /// told by it.
        struct_size: u64,
        /// BB_ABI_MAJOR.
        abi_major: u32,
        /// BB_ABI_MINOR.
        abi_minor: u32,
        /// Name by which experiments ask for the device: letters, digits, `_`, `-` and `.`. This and the next four are
        /// UTF-8, ended by a zero byte, and live as long as the library.
        name: *const c_char,
        /// Version of the library.
        version: *const c_char,
        /// Licence, as an SPDX expression.
        licence: *const c_char,
        /// One sentence on what the device is.
        summary: *const c_char,
        /// JSON schema (draft 07) of the settings, an object with "additionalProperties": false. Blackbeam checks settings
        /// by it before anything is loaded.
        settings_schema: *const c_char,
        /// Opens a device and puts a pointer to it in *device (not NULL). The hardware may be left as it is found: Blackbeam
        /// writes all parameters before the first query. On an error nothing stays open. Any thread.
        open: Option<unsafe extern "C-unwind" fn(open: *const Open, device: *mut *mut Device, error: *mut Error) -> Status>,
        /// Says what the device is. Called twice, so that the caller owns all memory: first with parameters NULL, then with
        /// room for n_params of them.
        describe: Option<unsafe extern "C-unwind" fn(device: *mut Device, descriptor: *mut Descriptor, error: *mut Error) -> Status>,
        /// Programs all parameters and says what was really applied and when it has settled: methods divide by the step that
        /// was applied, not by the one that was asked. An error in a write mostly leaves the state unknown.
        write_params: Option<unsafe extern "C-unwind" fn(device: *mut Device, write: *mut Write, error: *mut Error) -> Status>,
        /// Sends vectors through the device as it is programmed. It changes nothing, so that it may be sent again after an
        /// error that says retryable.
        query: Option<unsafe extern "C-unwind" fn(device: *mut Device, query: *mut Query, error: *mut Error) -> Status>,
        /// Says how the device is: asked between steps and after errors, when boot_id tells whether it was restarted. It
        /// should take milliseconds and must change nothing.
        health: Option<unsafe extern "C-unwind" fn(device: *mut Device, health: *mut Health, error: *mut Error) -> Status>,
        /// Puts the hardware in a state in which it can be left alone: drives at rest, source off. Idempotent, any thread, less
        /// than one second. Called at the end of every run and whenever something has gone wrong; a later write_params must
        /// bring the device back into use.
        safe_state: Option<unsafe extern "C-unwind" fn(device: *mut Device, error: *mut Error) -> Status>,
        /// Gives back everything that open took. The hardware stays in the state that it is in. The pointer is not used
        /// again.
        close: Option<unsafe extern "C-unwind" fn(device: *mut Device)>,
        /// The extension BB_EXT_ of that id: a constant struct that lives as long as the library, or NULL. Any thread.
        get_extension: Option<unsafe extern "C-unwind" fn(id: u32) -> *const c_void>,
        /// Finds the devices that can be opened: one on each line, what the setting `device` is to be for it, then
        /// optionally a tab and a remark. `settings` as for open, UTF-8, ended by a zero byte. It must change nothing on any
        /// device. Any thread. NULL if devices cannot be looked for. Since 1.1.
        enumerate: Option<unsafe extern "C-unwind" fn(settings: *const c_char, found: *mut Text, error: *mut Error) -> Status>,
    }

    section "Extensions";

    /// What get_extension is asked for.
    constants u32 {
        /// bb_ext_query_sets.
        EXT_QUERY_SETS = 1,
        /// bb_ext_backward.
        EXT_BACKWARD = 2,
        /// bb_ext_matrix.
        EXT_MATRIX = 3,
        /// bb_ext_read_params.
        EXT_READ_PARAMS = 4,
        /// bb_ext_full_scale.
        EXT_FULL_SCALE = 5,
        /// bb_ext_state.
        EXT_STATE = 6,
        /// bb_ext_calibrate.
        EXT_CALIBRATE = 7,
    }

    /// Several configurations in one call: for hardware that keeps patterns in its own memory.
    struct ExtQuerySets(bb_ext_query_sets) {
        /// sizeof this struct, bytes.
        struct_size: u64,
        /// As write_params (waiting until it has settled) and query, for each configuration in turn. The device ends
        /// programmed with the last one. All answers or an error.
        query_sets: Option<unsafe extern "C-unwind" fn(device: *mut Device, query: *mut QuerySets, error: *mut Error) -> Status>,
    }

    /// Light sent backwards: the transpose of the device's matrix of reals, by measurement. With complex ports (re and im by turns) that is
    /// the conjugate transpose of the complex matrix; light gives the plain one, so that what goes in and what comes out is conjugated.
    struct ExtBackward(bb_ext_backward) {
        /// sizeof this struct, bytes.
        struct_size: u64,
        /// As query, with input [rows, width of the output] and output [rows, width of the input].
        query_backward: Option<unsafe extern "C-unwind" fn(device: *mut Device, query: *mut Query, error: *mut Error) -> Status>,
    }

    /// The matrix of a device that knows it: a diagnostic, counted.
    struct ExtMatrix(bb_ext_matrix) {
        /// sizeof this struct, bytes.
        struct_size: u64,
        /// Fills matrix [width of the output, width of the input] with the matrix at the programmed parameters, without noise,
        /// and says in *written how many numbers it has filled; anything but all of them is an error.
        read_matrix: Option<unsafe extern "C-unwind" fn(device: *mut Device, call: *const Call, matrix: *mut f64, capacity: u64, written: *mut u64, error: *mut Error) -> Status>,
    }

    /// Parameters read back.
    struct ExtReadParams(bb_ext_read_params) {
        /// sizeof this struct, bytes.
        struct_size: u64,
        /// Fills params with what the device holds, as bb_write.applied; capacity is n_params. Says in *written how many numbers
        /// it has filled; anything but all of them is an error.
        read_params: Option<unsafe extern "C-unwind" fn(device: *mut Device, params: *mut f64, capacity: u64, written: *mut u64, error: *mut Error) -> Status>,
    }

    /// A read-out whose range can be set.
    struct ExtFullScale(bb_ext_full_scale) {
        /// sizeof this struct, bytes.
        struct_size: u64,
        /// Sets the output value at which the read-out is full scale.
        set_full_scale: Option<unsafe extern "C-unwind" fn(device: *mut Device, full_scale: f64, error: *mut Error) -> Status>,
    }

    /// State beside the parameters that a resumed run needs.
    struct ExtState(bb_ext_state) {
        /// sizeof this struct, bytes.
        struct_size: u64,
        /// Gives the state. Changes nothing.
        save_state: Option<unsafe extern "C-unwind" fn(device: *mut Device, state: *mut Bytes, error: *mut Error) -> Status>,
        /// Takes back what save_state gave, maybe in another process; BB_BAD_STATE if the bytes are no such state. The parameters
        /// are written anew after it.
        restore_state: Option<unsafe extern "C-unwind" fn(device: *mut Device, state: *const u8, length: u64, error: *mut Error) -> Status>,
    }

    /// Calibration on request.
    struct ExtCalibrate(bb_ext_calibrate) {
        /// sizeof this struct, bytes.
        struct_size: u64,
        /// Calibrates the device, which may take long (bb_timeouts.calibrate_s). The parameters are written anew after it.
        calibrate: Option<unsafe extern "C-unwind" fn(device: *mut Device, error: *mut Error) -> Status>,
    }
}
