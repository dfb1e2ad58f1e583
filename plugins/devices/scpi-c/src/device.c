/*
 * A device library for instruments that speak docs/scpi-protocol.md over TCP or a serial line: `blackbeam serve-device` is one.
 *
 * What the instrument is it says itself when it is opened. A connection that breaks is made again with the next call; an
 * instrument that was switched off meanwhile is recognised by its boot id, and its parameters have to be written anew.
 */
#define _POSIX_C_SOURCE 200809L

#include "device.h"

#include <time.h>

/* How long safe_state waits for a call on another thread before it takes a line of its own. */
#define SAFE_WAIT_S 0.3
/* How long that line has. */
#define SAFE_TIMEOUT_S 0.5

static void device_close(bb_device *device)
{
    if (device->instrument.line.fd >= 0) {
        bb_error unheard = {sizeof(bb_error), 0, 0, NULL, 0};
        device->instrument.out.length = 0;
        if (put(&device->instrument, "SYST:LOCK:REL\n"))
            send_out(&device->instrument, 0, &unheard);
    }
    disconnect(&device->instrument);
    bytes_free(&device->instrument.in);
    bytes_free(&device->instrument.out);
    bytes_free(&device->state);
    pthread_mutex_destroy(&device->mutex);
    free(device->parameters);
    free(device);
}

static bb_status device_open(const bb_open *open, bb_device **device, bb_error *error)
{
    bb_device *made;
    bb_status status;
    if (open->flags & BB_OPEN_IDEAL)
        return bb_fail(error, BB_UNSUPPORTED, BB_STATE_KNOWN,
                       "an instrument cannot be made ideal from here (a served description can: serve-device --ideal)");
    made = (bb_device *)calloc(1, sizeof *made);
    if (made == NULL)
        return no_memory(error);
    pthread_mutex_init(&made->mutex, NULL);
    made->instrument.line.fd = -1;
    status = read_settings(&made->instrument, open->settings, error);
    if (status == BB_OK)
        status = read_device(made, error);
    if (status != BB_OK) {
        device_close(made);
        return status;
    }
    *device = made;
    return BB_OK;
}

/* Writes and queries */

/* What every write and query begins with: no old errors, and who asks. */
static int put_call(struct instrument *instrument, const bb_call *call)
{
    if (!put(instrument, "*CLS\n"))
        return 0;
    if (!(instrument->options & OPTION_IDENTITY))
        return 1;
    return put(instrument, "CALL:IDEN %llu,%llu,%lu,%lu,%lu,%llu,", (unsigned long long)call->stream,
               (unsigned long long)call->step, (unsigned long)call->purpose, (unsigned long)call->round,
               (unsigned long)call->set, (unsigned long long)call->first_row) &&
           put_number(instrument, call->time_s) && put(instrument, "\n");
}

static void rest(void)
{
    const struct timespec time = {0, 5000000};
    nanosleep(&time, NULL);
}

static bb_status write_once(bb_device *device, bb_write *write, bb_error *error)
{
    struct instrument *instrument = &device->instrument;
    size_t n = (size_t)write->n_params, text, block;
    bb_error told = *error;
    const char *at;
    bb_status status = connected(instrument, error), refused;
    if (status != BB_OK)
        return status;
    if (!put_call(instrument, write->call) || !put(instrument, "PAR:VAL ") || !put_data(instrument, write->params, n, 0) ||
        !put(instrument, "\nSYST:ERR?\nPAR:APPL?\n"))
        return no_memory(error);
    /* From here on it is not known what the instrument holds. */
    if ((status = send_out(instrument, 0, error)) != BB_OK || (status = receive(instrument, &text, &block, 0, error)) != BB_OK)
        return status;
    refused = take_error(instrument, 0, &told);
    if ((status = receive(instrument, &text, &block, 0, error)) != BB_OK)
        return status;
    if (refused != BB_OK) {
        *error = told;
        return refused;
    }
    at = instrument->in.data;
    write->settle_s = take_number(&at);
    status = take_data(instrument, (size_t)(at - instrument->in.data), block, write->applied, n, 0, error);
    if (status != BB_OK)
        return status;
    instrument->state_lost = 0;
    write->written = write->n_params;
    return BB_OK;
}

static bb_status device_write(bb_device *device, bb_write *write, bb_error *error)
{
    double until;
    bb_status status;
    pthread_mutex_lock(&device->mutex);
    until = line_now() + device->instrument.busy_wait_s;
    while ((status = write_once(device, write, error)) == BB_BUSY && line_now() < until)
        rest();
    pthread_mutex_unlock(&device->mutex);
    return status;
}

static bb_status query_once(bb_device *device, bb_query *query, const char *command, uint64_t from, uint64_t to, bb_error *error)
{
    /* A query changes nothing: whatever becomes of it, the instrument holds what it held. */
    const unsigned kept = BB_STATE_KNOWN;
    struct instrument *instrument = &device->instrument;
    size_t text, block;
    int single = device->size == 4;
    uint64_t frame;
    const char *at;
    bb_status status = connected(instrument, error);
    if (status != BB_OK)
        return status;
    if (instrument->state_lost)
        return bb_fail(error, BB_STATE_LOST, BB_MAY_RETRY,
                       "%s was switched off and on (boot id %llu): its parameters have to be written anew", instrument->address,
                       (unsigned long long)instrument->boot_id);
    frame = ++instrument->frame;
    if (!put_call(instrument, query->call) ||
        !put(instrument, "%s %llu,%llu,", command, (unsigned long long)frame, (unsigned long long)query->rows) ||
        !put_data(instrument, query->input, (size_t)(query->rows * from), single) || !put(instrument, "\n"))
        return no_memory(error);
    if ((status = send_out(instrument, kept, error)) != BB_OK ||
        (status = receive(instrument, &text, &block, kept, error)) != BB_OK)
        return status;
    if (text == 0) {
        /* It was refused. */
        if ((status = ask(instrument, kept, error, "SYST:ERR?")) != BB_OK)
            return status;
        status = take_error(instrument, kept, error);
        return status != BB_OK ? status : bb_fail(error, BB_IO, kept, "%s gave no answer and no error", instrument->address);
    }
    at = strchr(instrument->in.data, ',');
    if (at == NULL || strtoull(instrument->in.data, NULL, 10) != frame)
        return bb_fail(error, BB_FRAME_SLIP, kept | BB_MAY_RETRY, "%s gave frame %.20s, expected %llu", instrument->address,
                       instrument->in.data, (unsigned long long)frame);
    status = take_data(instrument, (size_t)(at + 1 - instrument->in.data), block, query->output, (size_t)(query->rows * to),
                       single, error);
    if (status == BB_OK)
        query->written = query->rows * to;
    return status;
}

static bb_status query_until(bb_device *device, bb_query *query, const char *command, uint64_t from, uint64_t to, bb_error *error)
{
    double until;
    bb_status status;
    pthread_mutex_lock(&device->mutex);
    until = line_now() + device->instrument.busy_wait_s;
    while ((status = query_once(device, query, command, from, to, error)) == BB_BUSY && line_now() < until)
        rest();
    pthread_mutex_unlock(&device->mutex);
    return status;
}

static bb_status device_query(bb_device *device, bb_query *query, bb_error *error)
{
    return query_until(device, query, "MEAS:VECT?", device->descriptor.input.width, device->descriptor.output.width, error);
}

static bb_status device_query_backward(bb_device *device, bb_query *query, bb_error *error)
{
    return query_until(device, query, "MEAS:BACK?", device->descriptor.output.width, device->descriptor.input.width, error);
}

/* Data that is asked for by a query of its own. `call` may be NULL. */
static bb_status read_data(bb_device *device, const bb_call *call, const char *query, double *values, uint64_t count, uint64_t *written, bb_error *error)
{
    struct instrument *instrument = &device->instrument;
    size_t text, block;
    bb_status status;
    pthread_mutex_lock(&device->mutex);
    status = connected(instrument, error);
    if (status == BB_OK && ((call != NULL && !put_call(instrument, call)) || !put(instrument, "%s\n", query)))
        status = no_memory(error);
    if (status == BB_OK)
        status = send_out(instrument, BB_STATE_KNOWN, error);
    if (status == BB_OK)
        status = receive(instrument, &text, &block, BB_STATE_KNOWN, error);
    if (status == BB_OK && text == 0 && block == SIZE_MAX) {
        status = ask(instrument, BB_STATE_KNOWN, error, "SYST:ERR?");
        if (status == BB_OK)
            status = take_error(instrument, BB_STATE_KNOWN, error);
        if (status == BB_OK)
            status = bb_fail(error, BB_IO, BB_STATE_KNOWN, "%s gave no answer and no error", instrument->address);
    } else if (status == BB_OK) {
        status = take_data(instrument, 0, block, values, (size_t)count, 0, error);
    }
    if (status == BB_OK)
        *written = count;
    pthread_mutex_unlock(&device->mutex);
    return status;
}

static bb_status device_read_params(bb_device *device, double *params, uint64_t capacity, uint64_t *written, bb_error *error)
{
    return read_data(device, NULL, "PAR:VAL?", params, capacity, written, error);
}

static bb_status device_read_matrix(bb_device *device, const bb_call *call, double *matrix, uint64_t capacity, uint64_t *written, bb_error *error)
{
    return read_data(device, call, "DIAG:MATR?", matrix, capacity, written, error);
}

/* Everything else */

static bb_status device_set_full_scale(bb_device *device, double full_scale, bb_error *error)
{
    struct instrument *instrument = &device->instrument;
    bb_status status;
    pthread_mutex_lock(&device->mutex);
    status = connected(instrument, error);
    if (status == BB_OK) {
        put(instrument, "*CLS\nSENS:RANG ");
        put_number(instrument, full_scale);
        put(instrument, "\n");
        status = ask(instrument, BB_STATE_KNOWN, error, "SYST:ERR?");
    }
    if (status == BB_OK)
        status = take_error(instrument, BB_STATE_KNOWN, error);
    if (status == BB_OK)
        instrument->range = full_scale; /* for the next connection */
    pthread_mutex_unlock(&device->mutex);
    return status;
}

static bb_status device_save_state(bb_device *device, bb_bytes *state, bb_error *error)
{
    struct instrument *instrument = &device->instrument;
    bb_status status = BB_OK;
    pthread_mutex_lock(&device->mutex);
    if (state->data == NULL) {
        /* The first of the two calls asks the instrument, the second gives what it said. */
        size_t text = 0, block = 0;
        status = connected(instrument, error);
        if (status == BB_OK && !put(instrument, "SYST:STAT?\n"))
            status = no_memory(error);
        if (status == BB_OK)
            status = send_out(instrument, BB_STATE_KNOWN, error);
        if (status == BB_OK)
            status = receive(instrument, &text, &block, BB_STATE_KNOWN, error);
        if (status == BB_OK && block == SIZE_MAX)
            status = bb_fail(error, BB_IO, BB_STATE_KNOWN, "%s gave no state", instrument->address);
        if (status == BB_OK) {
            bytes_free(&device->state);
            device->state.data = (char *)malloc(block + 1);
            if (device->state.data == NULL)
                status = no_memory(error);
        }
        if (status == BB_OK) {
            memcpy(device->state.data, instrument->in.data + text + 1, block);
            device->state.length = block;
        }
    } else {
        size_t length = device->state.length < state->capacity ? device->state.length : (size_t)state->capacity;
        memcpy(state->data, device->state.data, length);
    }
    state->length = device->state.length;
    pthread_mutex_unlock(&device->mutex);
    return status;
}

static bb_status device_restore_state(bb_device *device, const uint8_t *state, uint64_t length, bb_error *error)
{
    struct instrument *instrument = &device->instrument;
    char digits[24];
    bb_status status;
    pthread_mutex_lock(&device->mutex);
    status = connected(instrument, error);
    if (status == BB_OK) {
        snprintf(digits, sizeof digits, "%llu", (unsigned long long)length);
        put(instrument, "*CLS\nSYST:STAT #%zu%s", strlen(digits), digits);
        if (!put_bytes(instrument, state, (size_t)length) || !put(instrument, "\n"))
            status = no_memory(error);
        else
            status = ask(instrument, 0, error, "SYST:ERR?");
    }
    if (status == BB_OK)
        status = take_error(instrument, 0, error);
    pthread_mutex_unlock(&device->mutex);
    return status;
}

static bb_status device_health(bb_device *device, bb_health *health, bb_error *error)
{
    struct instrument *instrument = &device->instrument;
    bb_status status;
    pthread_mutex_lock(&device->mutex);
    status = connected(instrument, error);
    if (status == BB_OK)
        status = ask(instrument, BB_STATE_KNOWN, error, "SYST:BOOT?");
    if (status == BB_OK) {
        health->flags = BB_HEALTH_READY;
        health->boot_id = strtoull(instrument->in.data, NULL, 10);
        bb_copy(health->note, BB_NAME_SIZE, instrument->identity);
    }
    pthread_mutex_unlock(&device->mutex);
    return status;
}

/* Over a line that is open. */
static bb_status make_safe(struct instrument *instrument, bb_error *error)
{
    bb_status status;
    if (!put(instrument, "*CLS\nSYST:SAFE\n"))
        return no_memory(error);
    status = ask(instrument, 0, error, "SYST:ERR?");
    return status == BB_OK ? take_error(instrument, 0, error) : status;
}

/* By a line of its own, while another thread waits for an answer on the first one. */
static bb_status make_safe_apart(const bb_device *device, bb_error *error)
{
    char why[320] = "";
    bb_status status;
    struct instrument *apart = (struct instrument *)calloc(1, sizeof *apart);
    if (apart == NULL)
        return no_memory(error);
    bb_copy(apart->address, sizeof apart->address, device->instrument.address);
    apart->baud = device->instrument.baud;
    apart->timeout_s = SAFE_TIMEOUT_S;
    if (line_open(&apart->line, apart->address, apart->baud, SAFE_TIMEOUT_S, why, sizeof why) != LINE_OK)
        status = bb_fail(error, BB_IO, BB_MAY_RETRY, "the safe state cannot be asked for: %s", why);
    else
        status = make_safe(apart, error);
    disconnect(apart);
    bytes_free(&apart->in);
    bytes_free(&apart->out);
    free(apart);
    return status;
}

static bb_status device_safe_state(bb_device *device, bb_error *error)
{
    struct instrument *instrument = &device->instrument;
    double until = line_now() + SAFE_WAIT_S, timeout_s;
    bb_status status;
    while (pthread_mutex_trylock(&device->mutex) != 0) {
        if (line_now() >= until) {
            if (strncmp(instrument->address, "tcp:", 4) == 0)
                return make_safe_apart(device, error);
            return bb_fail(error, BB_BUSY, BB_MAY_RETRY, "another call is using %s", instrument->address);
        }
        rest();
    }
    timeout_s = instrument->timeout_s;
    if (instrument->timeout_s > SAFE_TIMEOUT_S)
        instrument->timeout_s = SAFE_TIMEOUT_S;
    instrument->out.length = 0;
    status = instrument->line.fd >= 0 ? make_safe(instrument, error) : make_safe_apart(device, error);
    instrument->timeout_s = timeout_s;
    pthread_mutex_unlock(&device->mutex);
    return status;
}

/* Says who answers at the address of the settings. */
static bb_status device_enumerate(const char *settings, bb_text *found, bb_error *error)
{
    char text[sizeof(((struct instrument *)0)->address) + sizeof(((struct instrument *)0)->identity) + 2];
    bb_status status;
    struct instrument *instrument = (struct instrument *)calloc(1, sizeof *instrument);
    if (instrument == NULL)
        return no_memory(error);
    status = read_settings(instrument, settings, error);
    if (status == BB_OK)
        status = connected(instrument, error);
    snprintf(text, sizeof text, "%s\t%s", instrument->address, instrument->identity);
    disconnect(instrument);
    bytes_free(&instrument->in);
    bytes_free(&instrument->out);
    free(instrument);
    if (status != BB_OK)
        return status;
    found->length = strlen(text);
    if (found->data != NULL)
        memcpy(found->data, text, found->length < found->capacity ? (size_t)found->length : (size_t)found->capacity);
    return BB_OK;
}

/* The table */

static const bb_ext_read_params read_params_extension = {sizeof(bb_ext_read_params), device_read_params};
static const bb_ext_matrix matrix_extension = {sizeof(bb_ext_matrix), device_read_matrix};
static const bb_ext_backward backward_extension = {sizeof(bb_ext_backward), device_query_backward};
static const bb_ext_full_scale full_scale_extension = {sizeof(bb_ext_full_scale), device_set_full_scale};
static const bb_ext_state state_extension = {sizeof(bb_ext_state), device_save_state, device_restore_state};

static const void *device_extension(uint32_t id)
{
    switch (id) {
    case BB_EXT_READ_PARAMS:
        return &read_params_extension;
    case BB_EXT_MATRIX:
        return &matrix_extension;
    case BB_EXT_BACKWARD:
        return &backward_extension;
    case BB_EXT_FULL_SCALE:
        return &full_scale_extension;
    case BB_EXT_STATE:
        return &state_extension;
    default:
        return NULL;
    }
}

static const bb_device_table table = {
    .struct_size = sizeof(bb_device_table),
    .abi_major = BB_ABI_MAJOR,
    .abi_minor = BB_ABI_MINOR,
    .name = "scpi",
    .version = "0.1.0",
    .licence = "MIT OR Apache-2.0",
    .summary = "An instrument behind a line protocol, over TCP or a serial line.",
    .settings_schema = settings_schema,
    .open = device_open,
    .describe = device_describe,
    .write_params = device_write,
    .query = device_query,
    .health = device_health,
    .safe_state = device_safe_state,
    .close = device_close,
    .get_extension = device_extension,
    .enumerate = device_enumerate,
};

BB_EXPORT const bb_device_table *blackbeam_device_table(void)
{
    return &table;
}
