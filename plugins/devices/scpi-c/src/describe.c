/* What an instrument is, by its own account. */
#define _POSIX_C_SOURCE 200809L

#include "device.h"

/* Settings */

const char settings_schema[] =
    "{\"type\": \"object\", \"additionalProperties\": false, \"required\": [\"device\"], \"properties\": {"
    "\"device\": {\"type\": \"string\", \"description\": \"tcp:HOST:PORT or serial:PATH\"},"
    "\"baud\": {\"type\": \"integer\", \"minimum\": 1, \"description\": \"Speed of a serial line, bits per second.\"},"
    "\"timeout_s\": {\"type\": \"number\", \"exclusiveMinimum\": 0, \"description\": \"Longest time for an answer.\"},"
    "\"busy_wait_s\": {\"type\": \"number\", \"minimum\": 0, "
    "\"description\": \"How long an instrument that is busy is asked again.\"},"
    "\"ascii\": {\"type\": \"boolean\", \"description\": \"Send numbers in writing instead of blocks.\"}}}";

bb_status read_settings(struct instrument *instrument, const char *settings, bb_error *error)
{
    double baud;
    if (!bb_setting_text(settings, "device", "", instrument->address, sizeof instrument->address) ||
        instrument->address[0] == '\0')
        return bb_fail(error, BB_SETTINGS, BB_STATE_KNOWN, "the setting `device` is needed: tcp:HOST:PORT or serial:PATH");
    if (!bb_setting_number(settings, "baud", 115200.0, &baud) || !(baud >= 1.0 && baud <= 1e8))
        return bb_fail(error, BB_SETTINGS, BB_STATE_KNOWN, "baud must be a number of bits per second");
    if (!bb_setting_number(settings, "timeout_s", 5.0, &instrument->timeout_s) || !(instrument->timeout_s > 0.0))
        return bb_fail(error, BB_SETTINGS, BB_STATE_KNOWN, "timeout_s must be a number above 0");
    if (!bb_setting_number(settings, "busy_wait_s", 1.0, &instrument->busy_wait_s) || !(instrument->busy_wait_s >= 0.0))
        return bb_fail(error, BB_SETTINGS, BB_STATE_KNOWN, "busy_wait_s must be a number, 0 or more");
    if (!bb_setting_flag(settings, "ascii", 0, &instrument->ascii))
        return bb_fail(error, BB_SETTINGS, BB_STATE_KNOWN, "ascii must be true or false");
    instrument->baud = (unsigned)baud;
    instrument->line.fd = -1;
    return BB_OK;
}

/* What the instrument is */

static bb_status read_port(struct instrument *instrument, const char *query, bb_port *port, bb_error *error)
{
    bb_status status = ask(instrument, 0, error, query);
    const char *at = instrument->in.data;
    if (status != BB_OK)
        return status;
    port->width = (uint64_t)take_number(&at);
    port->min = take_number(&at);
    port->max = take_number(&at);
    port->bits = (uint32_t)take_number(&at);
    port->complex = (uint32_t)take_number(&at);
    return BB_OK;
}

/* A text in quotes, in which two quotes are one. Moves *at behind it and behind a comma. */
static void take_text(const char **at, char *to, size_t size)
{
    size_t n = 0;
    const char *from = *at;
    if (*from == '"') {
        for (from++; *from != '\0' && (*from != '"' || from[1] == '"'); from++) {
            if (*from == '"')
                from++;
            if (n + 1 < size)
                to[n++] = *from;
        }
        if (*from == '"')
            from++;
    }
    to[n] = '\0';
    *at = *from == ',' ? from + 1 : from;
}

static bb_status read_parameter(struct instrument *instrument, uint64_t i, bb_parameter *p, bb_error *error)
{
    char query[48];
    bb_status status;
    const char *at;
    snprintf(query, sizeof query, "PAR:DEF? %llu", (unsigned long long)i);
    status = ask(instrument, 0, error, query);
    if (status != BB_OK)
        return status;
    at = instrument->in.data;
    take_text(&at, p->name, BB_NAME_SIZE);
    take_text(&at, p->unit, BB_UNIT_SIZE);
    p->min = take_number(&at);
    p->max = take_number(&at);
    p->initial = take_number(&at);
    p->resolution = take_number(&at);
    p->period = take_number(&at);
    p->kind = (uint32_t)take_number(&at);
    p->at_range = (uint32_t)take_number(&at);
    p->group = (uint32_t)take_number(&at);
    p->row = (uint32_t)take_number(&at);
    p->column = (uint32_t)take_number(&at);
    return BB_OK;
}

static bb_status read_numbers(struct instrument *instrument, bb_descriptor *d, bb_error *error)
{
    bb_status status;
    const char *at;
    if ((status = read_port(instrument, "DEV:INP?", &d->input, error)) != BB_OK ||
        (status = read_port(instrument, "DEV:OUTP?", &d->output, error)) != BB_OK ||
        (status = ask(instrument, 0, error, "DEV:DATA?")) != BB_OK)
        return status;
    at = instrument->in.data;
    d->dtype = take_number(&at) == 32.0 ? BB_F32 : BB_F64;
    d->vectors_per_row = (uint32_t)take_number(&at);
    d->structure = (uint64_t)take_number(&at);
    d->max_batch = (uint64_t)take_number(&at);
    d->noise = take_number(&at);
    if ((status = ask(instrument, 0, error, "DEV:TIM?")) != BB_OK)
        return status;
    at = instrument->in.data;
    d->timing.write_fixed_s = take_number(&at);
    d->timing.write_each_s = take_number(&at);
    d->timing.settle_tau_s = take_number(&at);
    d->timing.settle_tolerance = take_number(&at);
    d->timing.trigger_s = take_number(&at);
    d->timing.frame_s = take_number(&at);
    d->timing.host_step_s = take_number(&at);
    d->timing.frame_vectors = (uint32_t)take_number(&at);
    d->timing.averages = (uint32_t)take_number(&at);
    if ((status = ask(instrument, 0, error, "DEV:ENER?")) != BB_OK)
        return status;
    at = instrument->in.data;
    d->energy.hold_w = take_number(&at);
    d->energy.write_j = take_number(&at);
    d->energy.vector_j = take_number(&at);
    if ((status = ask(instrument, 0, error, "DEV:CAL?")) != BB_OK)
        return status;
    at = instrument->in.data;
    take_text(&at, d->calibration, BB_NAME_SIZE);
    if ((status = ask(instrument, 0, error, "PAR:COUN?")) != BB_OK)
        return status;
    at = instrument->in.data;
    d->n_params = (uint64_t)take_number(&at);
    return BB_OK;
}

/* The parts of *IDN?: maker, model, serial number, firmware. */
static void read_identity(const char *identity, bb_descriptor *d)
{
    const char *model = strchr(identity, ','), *serial, *firmware;
    model = model != NULL ? model + 1 : identity;
    bb_copy(d->name, BB_NAME_SIZE, model);
    d->name[strcspn(d->name, ",")] = '\0';
    serial = strchr(model, ',');
    firmware = serial != NULL ? strchr(serial + 1, ',') : NULL;
    bb_copy(d->firmware, BB_NAME_SIZE, firmware != NULL ? firmware + 1 : "");
}

bb_status read_device(bb_device *device, bb_error *error)
{
    struct instrument *instrument = &device->instrument;
    bb_descriptor *d = &device->descriptor;
    uint64_t i;
    bb_status status = connected(instrument, error);
    if (status == BB_OK)
        status = read_numbers(instrument, d, error);
    if (status != BB_OK)
        return status;
    read_identity(instrument->identity, d);
    device->size = d->dtype == BB_F32 ? 4 : 8;
    if (d->n_params > 1u << 24)
        return bb_fail(error, BB_IO, 0, "%s says that it has %llu parameters", instrument->address,
                       (unsigned long long)d->n_params);
    d->can = (instrument->options & OPTION_READBACK ? BB_CAN_READ_PARAMS : 0) |
             (instrument->options & OPTION_MATRIX ? BB_CAN_READ_MATRIX : 0) |
             (instrument->options & OPTION_BACKWARD ? BB_CAN_BACKWARD : 0) |
             (instrument->options & OPTION_RANGE ? BB_CAN_FULL_SCALE : 0) |
             (instrument->options & OPTION_STATE ? BB_CAN_STATE : 0);
    device->parameters = (bb_parameter *)calloc((size_t)d->n_params + 1, sizeof(bb_parameter));
    if (device->parameters == NULL)
        return no_memory(error);
    for (i = 0; i < d->n_params && status == BB_OK; i++)
        status = read_parameter(instrument, i, &device->parameters[i], error);
    return status;
}

bb_status device_describe(bb_device *device, bb_descriptor *d, bb_error *error)
{
    const bb_descriptor *known = &device->descriptor;
    (void)error;
    memcpy(d->name, known->name, sizeof d->name);
    memcpy(d->firmware, known->firmware, sizeof d->firmware);
    memcpy(d->calibration, known->calibration, sizeof d->calibration);
    d->input = known->input;
    d->output = known->output;
    d->dtype = known->dtype;
    d->vectors_per_row = known->vectors_per_row;
    d->structure = known->structure;
    d->can = known->can;
    d->max_batch = known->max_batch;
    d->noise = known->noise;
    d->timing = known->timing;
    d->energy = known->energy;
    d->n_params = known->n_params;
    if (d->parameters != NULL && d->parameter_capacity >= d->n_params)
        memcpy(d->parameters, device->parameters, (size_t)d->n_params * sizeof(bb_parameter));
    if (BB_HAS(bb_descriptor, d, timeouts)) {
        double all = device->instrument.timeout_s + device->instrument.busy_wait_s;
        d->timeouts.open_s = 60.0 + all;
        d->timeouts.write_s = all;
        d->timeouts.query_s = all;
    }
    return BB_OK;
}
