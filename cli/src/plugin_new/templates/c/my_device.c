/*
 * my_device: a device library for Blackbeam.
 *
 * It computes y = gain W x in memory, where W is 4 x 4 and its entries are the parameters, 8 bits each. Put your hardware in
 * its place: the functions to fill are those of the table at the end. include/blackbeam_device.h says what each must do.
 */
#include <math.h>
#include <pthread.h>

#include "blackbeam_driver.h"

#define N 4
#define N_PARAMS (N * N)
/* Largest step between two values that a parameter can have. */
#define LSB (2.0 / 255.0)

struct bb_device {
    /* safe_state may come from another thread while a call is running. */
    pthread_mutex_t mutex;
    double gain;
    double w[N_PARAMS];
};

static bb_status device_open(const bb_open *open, bb_device **device, bb_error *error)
{
    double gain;
    if (!bb_setting_number(open->settings, "gain", 1.0, &gain) || !(gain > 0.0))
        return bb_fail(error, BB_SETTINGS, BB_STATE_KNOWN, "gain must be a number above 0");
    /* Connect to the hardware here. */
    *device = (bb_device *)calloc(1, sizeof **device);
    if (*device == NULL)
        return bb_fail(error, BB_FATAL, 0, "out of memory");
    pthread_mutex_init(&(*device)->mutex, NULL);
    (*device)->gain = gain;
    return BB_OK;
}

static bb_status device_describe(bb_device *device, bb_descriptor *d, bb_error *error)
{
    uint64_t i;
    (void)device, (void)error;
    bb_copy(d->name, BB_NAME_SIZE, "my_device");
    bb_copy(d->firmware, BB_NAME_SIZE, "1");
    bb_copy(d->calibration, BB_NAME_SIZE, "none");
    d->input.width = d->output.width = N;
    d->input.min = -1.0;
    d->input.max = 1.0;
    d->output.min = -INFINITY;
    d->output.max = INFINITY;
    d->dtype = BB_F64;
    d->structure = BB_LINEAR_IN_X | BB_LOCAL | BB_DETERMINISTIC;
    d->noise = 0.0; /* relative to full scale; negative if you do not know */
    d->n_params = N_PARAMS;
    if (BB_HAS(bb_descriptor, d, timeouts)) {
        d->timeouts.open_s = 5.0;
        d->timeouts.write_s = 1.0;
        d->timeouts.query_s = 1.0;
    }
    if (d->parameters == NULL)
        return BB_OK;
    for (i = 0; i < N_PARAMS && i < d->parameter_capacity; i++) {
        bb_parameter *p = &d->parameters[i];
        snprintf(p->name, BB_NAME_SIZE, "w<%u.%u>", (unsigned)(i / N), (unsigned)(i % N));
        bb_copy(p->unit, BB_UNIT_SIZE, "1");
        p->min = -1.0;
        p->max = 1.0;
        p->initial = i / N == i % N ? 1.0 : 0.0;
        p->resolution = LSB;
        p->kind = BB_KIND_LEVEL;
        p->at_range = BB_AT_RANGE_CLIP;
        p->row = (uint32_t)(i / N);
        p->column = (uint32_t)(i % N);
    }
    return BB_OK;
}

static bb_status device_write(bb_device *device, bb_write *write, bb_error *error)
{
    uint64_t i;
    if (write->n_params != N_PARAMS)
        return bb_fail(error, BB_SHAPE, BB_STATE_KNOWN, "%d parameters are expected", N_PARAMS);
    pthread_mutex_lock(&device->mutex);
    for (i = 0; i < N_PARAMS; i++) {
        double clamped = fmin(1.0, fmax(-1.0, write->params[i]));
        device->w[i] = -1.0 + LSB * round((clamped + 1.0) / LSB);
        /* What the hardware holds now, not what was asked. */
        write->applied[i] = device->w[i];
    }
    pthread_mutex_unlock(&device->mutex);
    write->written = N_PARAMS;
    write->settle_s = 0.0;
    return BB_OK;
}

static bb_status device_query(bb_device *device, bb_query *query, bb_error *error)
{
    const double *x = (const double *)query->input;
    double *y = (double *)query->output;
    uint64_t row;
    int i, j;
    (void)error;
    pthread_mutex_lock(&device->mutex);
    for (row = 0; row < query->rows; row++)
        for (i = 0; i < N; i++) {
            double sum = 0.0;
            for (j = 0; j < N; j++)
                sum += device->w[N * i + j] * fmin(1.0, fmax(-1.0, x[N * row + (uint64_t)j]));
            y[N * row + (uint64_t)i] = device->gain * sum;
        }
    pthread_mutex_unlock(&device->mutex);
    query->written = N * query->rows;
    return BB_OK;
}

static bb_status device_health(bb_device *device, bb_health *health, bb_error *error)
{
    (void)device, (void)error;
    health->flags = BB_HEALTH_READY;
    return BB_OK;
}

static bb_status device_safe_state(bb_device *device, bb_error *error)
{
    int i;
    (void)error;
    /* Drives at rest, sources off. Any thread, less than a second, as often as somebody likes. */
    pthread_mutex_lock(&device->mutex);
    for (i = 0; i < N_PARAMS; i++)
        device->w[i] = 0.0;
    pthread_mutex_unlock(&device->mutex);
    return BB_OK;
}

static void device_close(bb_device *device)
{
    pthread_mutex_destroy(&device->mutex);
    free(device);
}

static const void *device_extension(uint32_t id)
{
    (void)id;
    return NULL;
}

static const bb_device_table table = {
    .struct_size = sizeof(bb_device_table),
    .abi_major = BB_ABI_MAJOR,
    .abi_minor = BB_ABI_MINOR,
    .name = "my_device",
    .version = "0.1.0",
    .licence = "MIT",
    .summary = "A 4 x 4 matrix in memory.",
    .settings_schema = "{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {"
                       "\"gain\": {\"type\": \"number\", \"exclusiveMinimum\": 0}}}",
    .open = device_open,
    .describe = device_describe,
    .write_params = device_write,
    .query = device_query,
    .health = device_health,
    .safe_state = device_safe_state,
    .close = device_close,
    .get_extension = device_extension,
};

BB_EXPORT const bb_device_table *blackbeam_device_table(void)
{
    return &table;
}
