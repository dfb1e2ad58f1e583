//! The C interface: the table that a library exports, and everything that crosses it.
//!
//! This file is the source of `include/blackbeam_device.h`. What stands in the documentation of the types is what an author
//! in C reads, so that it speaks of names in C.

use crate::declare::interface;
use std::ffi::{c_char, c_void};

interface! {
    section "Version";

    /// Version of this interface.
    constants u32 {
        /// Blackbeam refuses a library of another major version.
        ABI_MAJOR = 1,
        /// Minor versions only append: fields at the end of tables and of structs that begin with struct_size, ids of
        /// extensions, bits, status codes. Blackbeam loads libraries of older and of newer minor versions: what an older
        /// one does not have is absent, what a newer one has more is not used.
        ABI_MINOR = 1,
    }

    section "Status codes";

    /// What a function returns: BB_OK or one of the codes below.
    alias Status(bb_status) = i32;

    /// Blackbeam takes a code that is not among these as an error of unknown kind, which it does not retry.
    constants i32 {
        /// Done.
        OK = 0,
        /// The device did not answer in time.
        TIMEOUT = 1,
        /// The device is doing something else; ask again.
        BUSY = 2,
        /// Transport failure.
        IO = 3,
        /// Another process holds the device.
        IN_USE = 4,
        /// Not initialised, warming up, or not calibrated yet.
        NOT_READY = 5,
        /// A laser or loop lost its lock.
        UNLOCKED = 6,
        /// A detector or converter saturated.
        SATURATED = 7,
        /// Too hot.
        OVERTEMP = 8,
        /// A power limit would be exceeded.
        OVERPOWER = 9,
        /// A safety interlock is open.
        INTERLOCK = 10,
        /// A number is out of its range.
        RANGE = 11,
        /// An array has the wrong shape.
        SHAPE = 12,
        /// The library does not do this.
        UNSUPPORTED = 13,
        /// The calibration is too old.
        CAL_STALE = 14,
        /// A result belongs to another query.
        FRAME_SLIP = 15,
        /// The device lost its state (power cycle).
        STATE_LOST = 16,
        /// A result holds NaN or an infinity.
        NONFINITE = 17,
        /// The library was built for another interface.
        ABI_MISMATCH = 18,
        /// Nothing more can be done with this instance.
        FATAL = 19,
        /// The library caught a panic or an exception of its own.
        PANIC = 20,
        /// A setting is wrong.
        SETTINGS = 21,
        /// A saved state cannot be read back.
        BAD_STATE = 22,
    }

    section "Errors";

    /// What a function says beside a status that is not BB_OK. The caller owns it and its buffer; both live until the
    /// function returns. A function that returns BB_OK need not touch it.
    struct Error(bb_error) {
        /// Size of this struct as the caller knows it, bytes.
        struct_size: u64,
        /// Out: 1 if the same call may be sent again. 0 on entry, so that who says nothing promises nothing. Only calls whose
        /// repetition does no harm may say 1.
        retryable: u32,
        /// Out: 1 if the device holds what it held before the call. 0 on entry: Blackbeam then writes the parameters anew
        /// before the next query, which after a time-out in a write is what has to be done.
        state_known: u32,
        /// Out: for a person: what, where, what to do. UTF-8, ended by a zero byte; cut it to message_capacity. Empty on
        /// entry.
        message: *mut c_char,
        /// Bytes of message, the zero byte among them; at least 256.
        message_capacity: u64,
    }

    section "Calls";

    /// What a call is for: bb_call.purpose.
    constants u32 {
        /// The forward pass of training.
        PURPOSE_FORWARD = 0,
        /// A probe of an estimator.
        PURPOSE_PROBE = 1,
        /// A probe of a surrogate.
        PURPOSE_SURROGATE = 2,
        /// Evaluation on held-out data.
        PURPOSE_EVALUATION = 3,
        /// Noise and range estimates at the start of a run.
        PURPOSE_CALIBRATION = 4,
        /// Measured for a person; never part of training.
        PURPOSE_DIAGNOSTIC = 5,
    }

    /// Identity of a call. Simulators key their noise by it, so that a call that is retried, split or regrouped gives the
    /// same bits; hardware may ignore it. This struct never grows.
    struct Call(bb_call) {
        /// Names the run and the device instance.
        stream: u64,
        /// Training step.
        step: u64,
        /// One of BB_PURPOSE_.
        purpose: u32,
        /// Round within the step, or use of the device within the network.
        round: u32,
        /// Parameter set within the round.
        set: u32,
        /// 0.
        reserved: u32,
        /// Row of the logical input batch that row 0 of this call is.
        first_row: u64,
        /// Device time at the start of the logical group (one configuration x one input batch), seconds.
        time_s: f64,
    }

    section "What a device says of itself";

    /// Sizes of texts, bytes, the zero byte at the end among them. Texts are UTF-8.
    constants u32 {
        /// Names, versions and notes.
        NAME_SIZE = 128,
        /// Units.
        UNIT_SIZE = 16,
    }

    /// Element type of a device's vectors: bb_descriptor.dtype. Parameters are always double.
    constants u32 {
        /// 32-bit IEEE float.
        F32 = 0,
        /// 64-bit IEEE float.
        F64 = 1,
    }

    /// Kind of a parameter: bb_parameter.kind.
    constants u32 {
        /// Optical phase, radians.
        KIND_PHASE = 0,
        /// Volts.
        KIND_VOLTAGE = 1,
        /// A level without unit (attenuation, a weight).
        KIND_LEVEL = 2,
        /// 0 or 1.
        KIND_BINARY = 3,
    }

    /// What Blackbeam does with a parameter that an update carries out of its range: bb_parameter.at_range.
    constants u32 {
        /// It stops at the bound.
        AT_RANGE_CLIP = 0,
        /// It comes in again at the other end (the range is a whole period).
        AT_RANGE_WRAP = 1,
        /// It turns back at the bound.
        AT_RANGE_REFLECT = 2,
    }

    /// What is known of the function that the device computes: bits of bb_descriptor.structure. Say only what is so:
    /// methods build on it.
    constants u64 {
        /// y is linear in x at fixed parameters (up to noise and converters).
        LINEAR_IN_X = 1,
        /// Each parameter acts on one entry of the matrix only.
        LOCAL = 2,
        /// Each parameter enters the field once as exp(i parameter).
        SINGLE_FREQUENCY = 4,
        /// The device can be thought of with light sent backwards.
        RECIPROCAL = 8,
        /// No output has more power than the input.
        PASSIVE = 16,
        /// The same call gives the same bits.
        DETERMINISTIC = 32,
        /// Each parameter enters the field as exp(i parameter) on some ways and exp(-i parameter) on others, never twice on
        /// one way.
        TWO_SIDED = 64,
        /// Outputs are magnitudes of fields: it is their squares that are trigonometric in phases.
        MAGNITUDE = 128,
    }

    /// What this device can beside what is required: bits of bb_descriptor.can. A bit needs the extension of that name; an
    /// extension without its bit is not used with this device.
    constants u64 {
        /// bb_ext_query_sets.
        CAN_QUERY_SETS = 1,
        /// bb_ext_backward.
        CAN_BACKWARD = 16,
        /// bb_ext_matrix.
        CAN_READ_MATRIX = 32,
        /// bb_ext_read_params.
        CAN_READ_PARAMS = 64,
        /// bb_ext_full_scale.
        CAN_FULL_SCALE = 128,
        /// bb_ext_calibrate.
        CAN_CALIBRATE = 0x1_0000_0000,
        /// bb_ext_state.
        CAN_STATE = 0x2_0000_0000,
    }

    /// One parameter. This struct never grows.
    struct Parameter(bb_parameter) {
        /// Unique name, such as "theta<3.1>".
        name: [c_char; NAME_SIZE as usize],
        /// Unit, such as "rad".
        unit: [c_char; UNIT_SIZE as usize],
        /// Lower bound; may be -INFINITY.
        min: f64,
        /// Upper bound; may be INFINITY.
        max: f64,
        /// Value at the start of a run, within the bounds.
        initial: f64,
        /// Largest step over the range between two values that the device can hold (its LSB); 0 if continuous. A probe
        /// shorter than half of it measures nothing.
        resolution: f64,
        /// Period; 0 if there is none.
        period: f64,
        /// One of BB_KIND_.
        kind: u32,
        /// One of BB_AT_RANGE_.
        at_range: u32,
        /// Parameters of one group belong together.
        group: u32,
        /// Row (weight banks: output) or layer (meshes).
        row: u32,
        /// Column (weight banks: input) or row within the layer (meshes).
        column: u32,
        /// 0.
        reserved: u32,
    }

    /// The inputs or the outputs of a device. This struct never grows.
    struct Port(bb_port) {
        /// Numbers in one vector: complex values are two, (re, im) one after the other.
        width: u64,
        /// Lower end of the range; -INFINITY if there is none. Blackbeam scales and clips inputs to it.
        min: f64,
        /// Upper end of the range; INFINITY if there is none.
        max: f64,
        /// Bits of the converter; 0 if there is none.
        bits: u32,
        /// 1 if the values are complex.
        complex: u32,
    }

    /// Times that Blackbeam's device clock charges, seconds. This struct never grows.
    struct Timing(bb_timing) {
        /// Each write, however many parameters change.
        write_fixed_s: f64,
        /// Each parameter that a write changes.
        write_each_s: f64,
        /// Time constant of the actuators.
        settle_tau_s: f64,
        /// Residual, in the parameters' unit, at which they count as settled.
        settle_tolerance: f64,
        /// Each query.
        trigger_s: f64,
        /// Each frame.
        frame_s: f64,
        /// Host time charged in each training step.
        host_step_s: f64,
        /// Vectors in a frame, at least 1.
        frame_vectors: u32,
        /// Readings averaged in each vector, at least 1.
        averages: u32,
    }

    /// Energy that the ledger charges. This struct never grows.
    struct Energy(bb_energy) {
        /// Power while the device is in use (source, actuators at mid-range), watts.
        hold_w: f64,
        /// Each parameter that a write changes, joules.
        write_j: f64,
        /// Each vector, joules.
        vector_j: f64,
    }

    /// What the hardware bears; 0 where there is no limit. This struct never grows.
    struct Limits(bb_limits) {
        /// All actuators together, watts.
        total_power_w: f64,
        /// One actuator, watts.
        channel_power_w: f64,
        /// Fastest change of a parameter, its unit per second.
        slew_per_s: f64,
        /// Writes in the life of the device.
        writes: u64,
    }

    /// How long calls may take until something is wrong, seconds; 0 where Blackbeam is to choose. This struct never grows.
    struct Timeouts(bb_timeouts) {
        /// open.
        open_s: f64,
        /// Each write.
        write_s: f64,
        /// Each query.
        query_s: f64,
        /// calibrate.
        calibrate_s: f64,
    }

    /// What a device says of itself. It does not change while the device is open.
    ///
    /// On entry everything but struct_size, parameters and parameter_capacity is 0, noise is -1, frame_vectors, averages
    /// and vectors_per_row are 1. Fill only fields that lie within struct_size (BB_HAS): a Blackbeam older than your
    /// header knows fewer.
    struct Descriptor(bb_descriptor) {
        /// Size of this struct as the caller knows it, bytes.
        struct_size: u64,
        /// Name of the device.
        name: [c_char; NAME_SIZE as usize],
        /// Firmware or model version.
        firmware: [c_char; NAME_SIZE as usize],
        /// Identifies the calibration in force.
        calibration: [c_char; NAME_SIZE as usize],
        /// Inputs.
        input: Port,
        /// Outputs.
        output: Port,
        /// BB_F32 or BB_F64.
        dtype: u32,
        /// Vectors of light that one row takes: 2 where signed inputs are sent as two unsigned vectors, else 1. The ledger
        /// counts vectors of light.
        vectors_per_row: u32,
        /// Bits BB_LINEAR_IN_X, ...
        structure: u64,
        /// Bits BB_CAN_.
        can: u64,
        /// Most rows in one call; 0 if there is no limit.
        max_batch: u64,
        /// Standard deviation of the output noise relative to full scale; negative if not known.
        noise: f64,
        /// Times.
        timing: Timing,
        /// Energy.
        energy: Energy,
        /// In: where the parameters go, in the order of the parameter vector. NULL in the first of the two calls.
        parameters: *mut Parameter,
        /// In: how many fit.
        parameter_capacity: u64,
        /// Out: how many there are. It is said in both calls.
        n_params: u64,
        /// What the hardware bears. Since 1.1.
        limits: Limits,
        /// How long calls may take. Since 1.1.
        timeouts: Timeouts,
        /// Power of one actuator where its parameter has the value 1, watts; 0 if not known. It grows with the square of
        /// parameters of BB_KIND_VOLTAGE and in proportion to the magnitude of others (a heater's phase is proportional to its
        /// power). The limits of power are kept by it. Since 1.1.
        unit_power_w: f64,
    }

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

    /// Light sent backwards: the transpose of the device's matrix, by measurement.
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

/// Name of the one symbol that a library exports: a function without arguments that returns a pointer to its
/// [`DeviceTable`].
pub const SYMBOL: &str = "blackbeam_device_table";

/// Type of the function [`SYMBOL`].
pub type TableFn = unsafe extern "C-unwind" fn() -> *const DeviceTable;

// SAFETY: a table is constant and holds pointers to functions and constant texts only.
#[allow(unsafe_code)]
unsafe impl Sync for DeviceTable {}
