/*
 * The interface between Blackbeam and a device library.
 *
 * A device library is a shared library that exports one function, blackbeam_device_table, which returns a constant table.
 * It may be written in any language that speaks C. Times are seconds, phases radians; all texts are UTF-8; arrays lie row
 * by row without gaps.
 *
 * This file is generated from Blackbeam's sources. It is C99 and C++17 and needs nothing but this:
 */
#ifndef BLACKBEAM_DEVICE_H
#define BLACKBEAM_DEVICE_H

#include <stddef.h>
#include <stdint.h>

/* Before the definition of blackbeam_device_table: makes it visible, in C++ with the name that it has in C. */
#if defined(_WIN32)
#define BB_VISIBLE __declspec(dllexport)
#else
#define BB_VISIBLE __attribute__((visibility("default")))
#endif
#if defined(__cplusplus)
#define BB_EXPORT extern "C" BB_VISIBLE
#else
#define BB_EXPORT BB_VISIBLE
#endif

/* True if `field` lies within the struct that `pointer` points to, as its owner knows it. */
#define BB_HAS(type, pointer, field) \
    ((pointer)->struct_size >= offsetof(type, field) + sizeof(((type *)0)->field))

#if defined(__cplusplus)
extern "C" {
#endif

/* ---- Version ---- */

/** Version of this interface. */

/** Blackbeam refuses a library of another major version. */
#define BB_ABI_MAJOR 1u
/** Minor versions only append: fields at the end of tables and of structs that begin with struct_size, ids of
 * extensions, bits, status codes. Blackbeam loads libraries of older and of newer minor versions: what an
 * older one does not have is absent, what a newer one has more is not used.
 */
#define BB_ABI_MINOR 1u

/* ---- Status codes ---- */

/** What a function returns: BB_OK or one of the codes below. */
typedef int32_t bb_status;

/** Blackbeam takes a code that is not among these as an error of unknown kind, which it does not retry. */

/** Done. */
#define BB_OK 0
/** The device did not answer in time. */
#define BB_TIMEOUT 1
/** The device is doing something else; ask again. */
#define BB_BUSY 2
/** Transport failure. */
#define BB_IO 3
/** Another process holds the device. */
#define BB_IN_USE 4
/** Not initialised, warming up, or not calibrated yet. */
#define BB_NOT_READY 5
/** A laser or loop lost its lock. */
#define BB_UNLOCKED 6
/** A detector or converter saturated. */
#define BB_SATURATED 7
/** Too hot. */
#define BB_OVERTEMP 8
/** A power limit would be exceeded. */
#define BB_OVERPOWER 9
/** A safety interlock is open. */
#define BB_INTERLOCK 10
/** A number is out of its range. */
#define BB_RANGE 11
/** An array has the wrong shape. */
#define BB_SHAPE 12
/** The library does not do this. */
#define BB_UNSUPPORTED 13
/** The calibration is too old. */
#define BB_CAL_STALE 14
/** A result belongs to another query. */
#define BB_FRAME_SLIP 15
/** The device lost its state (power cycle). */
#define BB_STATE_LOST 16
/** A result holds NaN or an infinity. */
#define BB_NONFINITE 17
/** The library was built for another interface. */
#define BB_ABI_MISMATCH 18
/** Nothing more can be done with this instance. */
#define BB_FATAL 19
/** The library caught a panic or an exception of its own. */
#define BB_PANIC 20
/** A setting is wrong. */
#define BB_SETTINGS 21
/** A saved state cannot be read back. */
#define BB_BAD_STATE 22

/* ---- Errors ---- */

/** What a function says beside a status that is not BB_OK. The caller owns it and its buffer; both live until
 * the function returns. A function that returns BB_OK need not touch it.
 */
typedef struct bb_error {
    /** Size of this struct as the caller knows it, bytes. */
    uint64_t struct_size;
    /** Out: 1 if the same call may be sent again. 0 on entry, so that who says nothing promises nothing. Only
     * calls whose repetition does no harm may say 1.
     */
    uint32_t retryable;
    /** Out: 1 if the device holds what it held before the call. 0 on entry: Blackbeam then writes the
     * parameters anew before the next query, which after a time-out in a write is what has to be done.
     */
    uint32_t state_known;
    /** Out: for a person: what, where, what to do. UTF-8, ended by a zero byte; cut it to message_capacity.
     * Empty on entry.
     */
    char *message;
    /** Bytes of message, the zero byte among them; at least 256. */
    uint64_t message_capacity;
} bb_error;

/* ---- Calls ---- */

/** What a call is for: bb_call.purpose. */

/** The forward pass of training. */
#define BB_PURPOSE_FORWARD 0u
/** A probe of an estimator. */
#define BB_PURPOSE_PROBE 1u
/** A probe of a surrogate. */
#define BB_PURPOSE_SURROGATE 2u
/** Evaluation on held-out data. */
#define BB_PURPOSE_EVALUATION 3u
/** Noise and range estimates at the start of a run. */
#define BB_PURPOSE_CALIBRATION 4u
/** Measured for a person; never part of training. */
#define BB_PURPOSE_DIAGNOSTIC 5u

/** Identity of a call. Simulators key their noise by it, so that a call that is retried, split or regrouped
 * gives the same bits; hardware may ignore it. This struct never grows.
 */
typedef struct bb_call {
    /** Names the run and the device instance. */
    uint64_t stream;
    /** Training step. */
    uint64_t step;
    /** One of BB_PURPOSE_. */
    uint32_t purpose;
    /** Round within the step, or use of the device within the network. */
    uint32_t round;
    /** Parameter set within the round. */
    uint32_t set;
    /** 0. */
    uint32_t reserved;
    /** Row of the logical input batch that row 0 of this call is. */
    uint64_t first_row;
    /** Device time at the start of the logical group (one configuration x one input batch), seconds. */
    double time_s;
} bb_call;

/* ---- What a device says of itself ---- */

/** Sizes of texts, bytes, the zero byte at the end among them. Texts are UTF-8. */

/** Names, versions and notes. */
#define BB_NAME_SIZE 128u
/** Units. */
#define BB_UNIT_SIZE 16u

/** Element type of a device's vectors: bb_descriptor.dtype. Parameters are always double. */

/** 32-bit IEEE float. */
#define BB_F32 0u
/** 64-bit IEEE float. */
#define BB_F64 1u

/** Kind of a parameter: bb_parameter.kind. */

/** Optical phase, radians. */
#define BB_KIND_PHASE 0u
/** Volts. */
#define BB_KIND_VOLTAGE 1u
/** A level without unit (attenuation, a weight). */
#define BB_KIND_LEVEL 2u
/** 0 or 1. */
#define BB_KIND_BINARY 3u

/** What Blackbeam does with a parameter that an update carries out of its range: bb_parameter.at_range. */

/** It stops at the bound. */
#define BB_AT_RANGE_CLIP 0u
/** It comes in again at the other end (the range is a whole period). */
#define BB_AT_RANGE_WRAP 1u
/** It turns back at the bound. */
#define BB_AT_RANGE_REFLECT 2u

/** What is known of the function that the device computes: bits of bb_descriptor.structure. Say only what is
 * so: methods build on it.
 */

/** y is linear in x at fixed parameters (up to noise and converters). */
#define BB_LINEAR_IN_X UINT64_C(1)
/** Each parameter acts on one entry of the matrix only. */
#define BB_LOCAL UINT64_C(2)
/** Each parameter enters the field once as exp(i parameter). */
#define BB_SINGLE_FREQUENCY UINT64_C(4)
/** The device can be thought of with light sent backwards. */
#define BB_RECIPROCAL UINT64_C(8)
/** No output has more power than the input. */
#define BB_PASSIVE UINT64_C(16)
/** The same call gives the same bits. */
#define BB_DETERMINISTIC UINT64_C(32)
/** Each parameter enters the field as exp(i parameter) on some ways and exp(-i parameter) on others, never
 * twice on one way.
 */
#define BB_TWO_SIDED UINT64_C(64)
/** Outputs are magnitudes of fields: it is their squares that are trigonometric in phases. */
#define BB_MAGNITUDE UINT64_C(128)

/** What this device can beside what is required: bits of bb_descriptor.can. A bit needs the extension of that
 * name; an extension without its bit is not used with this device.
 */

/** bb_ext_query_sets. */
#define BB_CAN_QUERY_SETS UINT64_C(1)
/** bb_ext_backward. */
#define BB_CAN_BACKWARD UINT64_C(16)
/** bb_ext_matrix. */
#define BB_CAN_READ_MATRIX UINT64_C(32)
/** bb_ext_read_params. */
#define BB_CAN_READ_PARAMS UINT64_C(64)
/** bb_ext_full_scale. */
#define BB_CAN_FULL_SCALE UINT64_C(128)
/** bb_ext_calibrate. */
#define BB_CAN_CALIBRATE UINT64_C(4294967296)
/** bb_ext_state. */
#define BB_CAN_STATE UINT64_C(8589934592)

/** One parameter. This struct never grows. */
typedef struct bb_parameter {
    /** Unique name, such as "theta<3.1>". */
    char name[BB_NAME_SIZE];
    /** Unit, such as "rad". */
    char unit[BB_UNIT_SIZE];
    /** Lower bound; may be -INFINITY. */
    double min;
    /** Upper bound; may be INFINITY. */
    double max;
    /** Value at the start of a run, within the bounds. */
    double initial;
    /** Largest step over the range between two values that the device can hold (its LSB); 0 if continuous. A
     * probe shorter than half of it measures nothing.
     */
    double resolution;
    /** Period; 0 if there is none. */
    double period;
    /** One of BB_KIND_. */
    uint32_t kind;
    /** One of BB_AT_RANGE_. */
    uint32_t at_range;
    /** Parameters of one group belong together. */
    uint32_t group;
    /** Row (weight banks: output) or layer (meshes). */
    uint32_t row;
    /** Column (weight banks: input) or row within the layer (meshes). */
    uint32_t column;
    /** 0. */
    uint32_t reserved;
} bb_parameter;

/** The inputs or the outputs of a device. This struct never grows. */
typedef struct bb_port {
    /** Numbers in one vector: complex values are two, (re, im) one after the other. */
    uint64_t width;
    /** Lower end of the range; -INFINITY if there is none. Blackbeam scales and clips inputs to it. */
    double min;
    /** Upper end of the range; INFINITY if there is none. */
    double max;
    /** Bits of the converter; 0 if there is none. */
    uint32_t bits;
    /** 1 if the values are complex. */
    uint32_t complex;
} bb_port;

/** Times that Blackbeam's device clock charges, seconds. This struct never grows. */
typedef struct bb_timing {
    /** Each write, however many parameters change. */
    double write_fixed_s;
    /** Each parameter that a write changes. */
    double write_each_s;
    /** Time constant of the actuators. */
    double settle_tau_s;
    /** Residual, in the parameters' unit, at which they count as settled. */
    double settle_tolerance;
    /** Each query. */
    double trigger_s;
    /** Each frame. */
    double frame_s;
    /** Host time charged in each training step. */
    double host_step_s;
    /** Vectors in a frame, at least 1. */
    uint32_t frame_vectors;
    /** Readings averaged in each vector, at least 1. */
    uint32_t averages;
} bb_timing;

/** Energy that the ledger charges. This struct never grows. */
typedef struct bb_energy {
    /** Power while the device is in use (source, actuators at mid-range), watts. */
    double hold_w;
    /** Each parameter that a write changes, joules. */
    double write_j;
    /** Each vector, joules. */
    double vector_j;
} bb_energy;

/** What the hardware bears; 0 where there is no limit. This struct never grows. */
typedef struct bb_limits {
    /** All actuators together, watts. */
    double total_power_w;
    /** One actuator, watts. */
    double channel_power_w;
    /** Fastest change of a parameter, its unit per second. */
    double slew_per_s;
    /** Writes in the life of the device. */
    uint64_t writes;
} bb_limits;

/** How long calls may take until something is wrong, seconds; 0 where Blackbeam is to choose. This struct
 * never grows.
 */
typedef struct bb_timeouts {
    /** open. */
    double open_s;
    /** Each write. */
    double write_s;
    /** Each query. */
    double query_s;
    /** calibrate. */
    double calibrate_s;
} bb_timeouts;

/** What a device says of itself. It does not change while the device is open.
 *
 * On entry everything but struct_size, parameters and parameter_capacity is 0, noise is -1, frame_vectors,
 * averages and vectors_per_row are 1. Fill only fields that lie within struct_size (BB_HAS): a Blackbeam
 * older than your header knows fewer.
 */
typedef struct bb_descriptor {
    /** Size of this struct as the caller knows it, bytes. */
    uint64_t struct_size;
    /** Name of the device. */
    char name[BB_NAME_SIZE];
    /** Firmware or model version. */
    char firmware[BB_NAME_SIZE];
    /** Identifies the calibration in force. */
    char calibration[BB_NAME_SIZE];
    /** Inputs. */
    bb_port input;
    /** Outputs. */
    bb_port output;
    /** BB_F32 or BB_F64. */
    uint32_t dtype;
    /** Vectors of light that one row takes: 2 where signed inputs are sent as two unsigned vectors, else 1.
     * The ledger counts vectors of light.
     */
    uint32_t vectors_per_row;
    /** Bits BB_LINEAR_IN_X, ... */
    uint64_t structure;
    /** Bits BB_CAN_. */
    uint64_t can;
    /** Most rows in one call; 0 if there is no limit. */
    uint64_t max_batch;
    /** Standard deviation of the output noise relative to full scale; negative if not known. */
    double noise;
    /** Times. */
    bb_timing timing;
    /** Energy. */
    bb_energy energy;
    /** In: where the parameters go, in the order of the parameter vector. NULL in the first of the two calls. */
    bb_parameter *parameters;
    /** In: how many fit. */
    uint64_t parameter_capacity;
    /** Out: how many there are. It is said in both calls. */
    uint64_t n_params;
    /** What the hardware bears. Since 1.1. */
    bb_limits limits;
    /** How long calls may take. Since 1.1. */
    bb_timeouts timeouts;
    /** Power of one actuator where its parameter has the value 1, watts; 0 if not known. It grows with the
     * square of parameters of BB_KIND_VOLTAGE and in proportion to the magnitude of others (a heater's phase
     * is proportional to its power). The limits of power are kept by it. Since 1.1.
     */
    double unit_power_w;
} bb_descriptor;

/* ---- Requests ---- */

/** Bits of bb_open.flags. */

/** Simulators: every non-ideality is to be switched off. */
#define BB_OPEN_IDEAL 1u
/** No other process may use the device while it is open: BB_IN_USE if one does. */
#define BB_OPEN_EXCLUSIVE 2u

/** How a device is to be opened. */
typedef struct bb_open {
    /** Size of this struct as the caller knows it, bytes. */
    uint64_t struct_size;
    /** The settings: a JSON object that fits the table's settings_schema. UTF-8, ended by a zero byte. */
    const char *settings;
    /** Simulators: seed of everything that is drawn once per device. */
    uint64_t seed;
    /** Threads that one call may use, at least 1. */
    uint32_t threads;
    /** Bits BB_OPEN_. */
    uint32_t flags;
} bb_open;

/** Parameters to be written. */
typedef struct bb_write {
    /** Size of this struct as the caller knows it, bytes. */
    uint64_t struct_size;
    /** Identity of the write. */
    const bb_call *call;
    /** The nominal set-points, in the units of the descriptor. All are finite; they may be out of range. */
    const double *params;
    /** How many: n_params of the descriptor. */
    uint64_t n_params;
    /** Out: what was really applied, n_params values: clamped, rounded in drive units, mapped back by the
     * nominal curve (without offset, spread, crosstalk or drift, which no driver knows).
     */
    double *applied;
    /** Out: how many values of applied were filled; anything but n_params is an error. */
    uint64_t written;
    /** Out: time from the return of the function until the actuators have settled, seconds, at most 3600.
     * Blackbeam sends no query before. 0 if the function has waited itself.
     */
    double settle_s;
} bb_write;

/** Vectors to be sent. */
typedef struct bb_query {
    /** Size of this struct as the caller knows it, bytes. */
    uint64_t struct_size;
    /** Identity of the query. */
    const bb_call *call;
    /** Number of vectors, at least 1 and at most max_batch. */
    uint64_t rows;
    /** The vectors [rows, width of the input], row by row, of the descriptor's dtype. All numbers are finite. */
    const void *input;
    /** Out: the answers [rows, width of the output], row by row, of the same dtype. */
    void *output;
    /** Out: how many numbers of output were filled; anything but all of them is an error. */
    uint64_t written;
} bb_query;

/** The same vectors to be sent at several configurations. */
typedef struct bb_query_sets {
    /** Size of this struct as the caller knows it, bytes. */
    uint64_t struct_size;
    /** Number of configurations, at least 1. */
    uint64_t n_sets;
    /** Identity of each of the n_sets, for its write and its query. */
    const bb_call *calls;
    /** Parameters of each [n_sets, n_params]. */
    const double *params;
    /** Number of vectors, at least 1 and at most max_batch. */
    uint64_t rows;
    /** The vectors [rows, width of the input], of the descriptor's dtype. */
    const void *input;
    /** Out: the answers [n_sets, rows, width of the output], of the same dtype. */
    void *output;
    /** Out: what was applied [n_sets, n_params], or NULL if nobody wants to know. */
    double *applied;
    /** Out: how many numbers of output were filled; anything but all of them is an error. */
    uint64_t written;
} bb_query_sets;

/** A text that a function gives. Call twice: data may be NULL at first. */
typedef struct bb_text {
    /** Where it goes: as many bytes as fit, UTF-8 without a zero byte. */
    char *data;
    /** Bytes that fit. */
    uint64_t capacity;
    /** Out: bytes of the whole text. */
    uint64_t length;
} bb_text;

/** Bytes that a function gives. Call twice: data may be NULL at first. */
typedef struct bb_bytes {
    /** Where they go: as many as fit. */
    uint8_t *data;
    /** How many fit. */
    uint64_t capacity;
    /** Out: how many there are. */
    uint64_t length;
} bb_bytes;

/** Bits of bb_health.flags. */

/** Writes and queries can be sent. */
#define BB_HEALTH_READY UINT64_C(1)
/** The calibration in force is too old: bb_ext_calibrate makes a new one. */
#define BB_HEALTH_CAL_STALE UINT64_C(2)

/** How a device is. On entry everything but struct_size is 0, temperature_c is NaN. */
typedef struct bb_health {
    /** Size of this struct as the caller knows it, bytes. */
    uint64_t struct_size;
    /** Bits BB_HEALTH_. */
    uint64_t flags;
    /** Another number after every power cycle of the device, never 0; 0 if that cannot be told. */
    uint64_t boot_id;
    /** Temperature of the chip, degrees Celsius; NaN if it is not measured. */
    double temperature_c;
    /** For a person. UTF-8, ended by a zero byte. */
    char note[BB_NAME_SIZE];
} bb_health;

/* ---- The table ---- */

/** An open device. The library alone knows what is in it. */
typedef struct bb_device bb_device;

/** What a library exports: a constant that lives as long as the library, which is never unloaded.
 *
 * Threads: Blackbeam calls one instance from one thread at a time, not always the same thread; different
 * instances at the same time. safe_state alone may be called from any thread while another call of the
 * instance is running.
 *
 * Lifetimes: what a function is given by pointer belongs to the caller and is valid until the function
 * returns. The library keeps none of these pointers. Pointers are aligned for their type and never NULL
 * unless it is said.
 *
 * Errors: nothing may leave a function but its return: no exception, no longjmp, no exit. Numbers that are
 * not finite and results that are too short are errors, never data; Blackbeam looks for both.
 *
 * All functions up to get_extension are required.
 */
typedef struct bb_device_table {
    /** sizeof(bb_device_table), bytes: what an older Blackbeam does not know and what an older library does
     * not have are told by it.
     */
    uint64_t struct_size;
    /** BB_ABI_MAJOR. */
    uint32_t abi_major;
    /** BB_ABI_MINOR. */
    uint32_t abi_minor;
    /** Name by which experiments ask for the device: letters, digits, `_`, `-` and `.`. This and the next four
     * are UTF-8, ended by a zero byte, and live as long as the library.
     */
    const char *name;
    /** Version of the library. */
    const char *version;
    /** Licence, as an SPDX expression. */
    const char *licence;
    /** One sentence on what the device is. */
    const char *summary;
    /** JSON schema (draft 07) of the settings, an object with "additionalProperties": false. Blackbeam checks
     * settings by it before anything is loaded.
     */
    const char *settings_schema;
    /** Opens a device and puts a pointer to it in *device (not NULL). The hardware may be left as it is found:
     * Blackbeam writes all parameters before the first query. On an error nothing stays open. Any thread.
     */
    bb_status (*open)(const bb_open *open, bb_device **device, bb_error *error);
    /** Says what the device is. Called twice, so that the caller owns all memory: first with parameters NULL,
     * then with room for n_params of them.
     */
    bb_status (*describe)(bb_device *device, bb_descriptor *descriptor, bb_error *error);
    /** Programs all parameters and says what was really applied and when it has settled: methods divide by the
     * step that was applied, not by the one that was asked. An error in a write mostly leaves the state
     * unknown.
     */
    bb_status (*write_params)(bb_device *device, bb_write *write, bb_error *error);
    /** Sends vectors through the device as it is programmed. It changes nothing, so that it may be sent again
     * after an error that says retryable.
     */
    bb_status (*query)(bb_device *device, bb_query *query, bb_error *error);
    /** Says how the device is: asked between steps and after errors, when boot_id tells whether it was
     * restarted. It should take milliseconds and must change nothing.
     */
    bb_status (*health)(bb_device *device, bb_health *health, bb_error *error);
    /** Puts the hardware in a state in which it can be left alone: drives at rest, source off. Idempotent, any
     * thread, less than one second. Called at the end of every run and whenever something has gone wrong; a
     * later write_params must bring the device back into use.
     */
    bb_status (*safe_state)(bb_device *device, bb_error *error);
    /** Gives back everything that open took. The hardware stays in the state that it is in. The pointer is not
     * used again.
     */
    void (*close)(bb_device *device);
    /** The extension BB_EXT_ of that id: a constant struct that lives as long as the library, or NULL. Any
     * thread.
     */
    const void *(*get_extension)(uint32_t id);
    /** Finds the devices that can be opened: one on each line, what the setting `device` is to be for it, then
     * optionally a tab and a remark. `settings` as for open, UTF-8, ended by a zero byte. It must change
     * nothing on any device. Any thread. NULL if devices cannot be looked for. Since 1.1.
     */
    bb_status (*enumerate)(const char *settings, bb_text *found, bb_error *error);
} bb_device_table;

/* ---- Extensions ---- */

/** What get_extension is asked for. */

/** bb_ext_query_sets. */
#define BB_EXT_QUERY_SETS 1u
/** bb_ext_backward. */
#define BB_EXT_BACKWARD 2u
/** bb_ext_matrix. */
#define BB_EXT_MATRIX 3u
/** bb_ext_read_params. */
#define BB_EXT_READ_PARAMS 4u
/** bb_ext_full_scale. */
#define BB_EXT_FULL_SCALE 5u
/** bb_ext_state. */
#define BB_EXT_STATE 6u
/** bb_ext_calibrate. */
#define BB_EXT_CALIBRATE 7u

/** Several configurations in one call: for hardware that keeps patterns in its own memory. */
typedef struct bb_ext_query_sets {
    /** sizeof this struct, bytes. */
    uint64_t struct_size;
    /** As write_params (waiting until it has settled) and query, for each configuration in turn. The device
     * ends programmed with the last one. All answers or an error.
     */
    bb_status (*query_sets)(bb_device *device, bb_query_sets *query, bb_error *error);
} bb_ext_query_sets;

/** Light sent backwards: the transpose of the device's matrix of reals, by measurement. With complex ports (re
 * and im by turns) that is the conjugate transpose of the complex matrix; light gives the plain one, so that
 * what goes in and what comes out is conjugated.
 */
typedef struct bb_ext_backward {
    /** sizeof this struct, bytes. */
    uint64_t struct_size;
    /** As query, with input [rows, width of the output] and output [rows, width of the input]. */
    bb_status (*query_backward)(bb_device *device, bb_query *query, bb_error *error);
} bb_ext_backward;

/** The matrix of a device that knows it: a diagnostic, counted. */
typedef struct bb_ext_matrix {
    /** sizeof this struct, bytes. */
    uint64_t struct_size;
    /** Fills matrix [width of the output, width of the input] with the matrix at the programmed parameters,
     * without noise, and says in *written how many numbers it has filled; anything but all of them is an
     * error.
     */
    bb_status (*read_matrix)(bb_device *device, const bb_call *call, double *matrix, uint64_t capacity, uint64_t *written, bb_error *error);
} bb_ext_matrix;

/** Parameters read back. */
typedef struct bb_ext_read_params {
    /** sizeof this struct, bytes. */
    uint64_t struct_size;
    /** Fills params with what the device holds, as bb_write.applied; capacity is n_params. Says in *written
     * how many numbers it has filled; anything but all of them is an error.
     */
    bb_status (*read_params)(bb_device *device, double *params, uint64_t capacity, uint64_t *written, bb_error *error);
} bb_ext_read_params;

/** A read-out whose range can be set. */
typedef struct bb_ext_full_scale {
    /** sizeof this struct, bytes. */
    uint64_t struct_size;
    /** Sets the output value at which the read-out is full scale. */
    bb_status (*set_full_scale)(bb_device *device, double full_scale, bb_error *error);
} bb_ext_full_scale;

/** State beside the parameters that a resumed run needs. */
typedef struct bb_ext_state {
    /** sizeof this struct, bytes. */
    uint64_t struct_size;
    /** Gives the state. Changes nothing. */
    bb_status (*save_state)(bb_device *device, bb_bytes *state, bb_error *error);
    /** Takes back what save_state gave, maybe in another process; BB_BAD_STATE if the bytes are no such state.
     * The parameters are written anew after it.
     */
    bb_status (*restore_state)(bb_device *device, const uint8_t *state, uint64_t length, bb_error *error);
} bb_ext_state;

/** Calibration on request. */
typedef struct bb_ext_calibrate {
    /** sizeof this struct, bytes. */
    uint64_t struct_size;
    /** Calibrates the device, which may take long (bb_timeouts.calibrate_s). The parameters are written anew
     * after it.
     */
    bb_status (*calibrate)(bb_device *device, bb_error *error);
} bb_ext_calibrate;

/** The one symbol of a library. Called once, any thread; the table is constant. */
BB_VISIBLE const bb_device_table *blackbeam_device_table(void);

#if defined(__cplusplus)
}
#endif

#endif
