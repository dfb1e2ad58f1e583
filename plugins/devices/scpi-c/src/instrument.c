#define _POSIX_C_SOURCE 200809L

#include "instrument.h"

#include <math.h>
#include <time.h>

/* Longest answer that is believed. */
#define MAX_ANSWER ((size_t)1 << 30)

static int room(struct bytes *bytes, size_t more)
{
    size_t capacity = bytes->capacity < 256 ? 256 : bytes->capacity;
    char *data;
    if (more > MAX_ANSWER || bytes->length > MAX_ANSWER)
        return 0;
    while (capacity < bytes->length + more)
        capacity *= 2;
    if (capacity == bytes->capacity)
        return 1;
    data = (char *)realloc(bytes->data, capacity);
    if (data == NULL)
        return 0;
    bytes->data = data;
    bytes->capacity = capacity;
    return 1;
}

void bytes_free(struct bytes *bytes)
{
    free(bytes->data);
    bytes->data = NULL;
    bytes->length = bytes->capacity = 0;
}

int put(struct instrument *instrument, const char *format, ...)
{
    va_list arguments;
    int length;
    if (!room(&instrument->out, 512))
        return 0;
    va_start(arguments, format);
    length = vsnprintf(instrument->out.data + instrument->out.length, 512, format, arguments);
    va_end(arguments);
    if (length < 0 || length >= 512)
        return 0;
    instrument->out.length += (size_t)length;
    return 1;
}

int put_number(struct instrument *instrument, double value)
{
    struct bytes *out = &instrument->out;
    size_t before = out->length, i;
    if (!put(instrument, "%.17g", value))
        return 0;
    /* The locale of the process may write another point. */
    for (i = before; i < out->length; i++)
        if (out->data[i] == ',')
            out->data[i] = '.';
    return 1;
}

int put_bytes(struct instrument *instrument, const void *bytes, size_t length)
{
    struct bytes *out = &instrument->out;
    if (!room(out, length))
        return 0;
    if (length > 0)
        memcpy(out->data + out->length, bytes, length);
    out->length += length;
    return 1;
}

static double value_at(const void *values, size_t i, int single)
{
    return single ? (double)((const float *)values)[i] : ((const double *)values)[i];
}

/* Numbers: as a block of doubles, the lowest byte first, or in writing with 17 digits, which are exact. */
int put_data(struct instrument *instrument, const void *values, size_t count, int single)
{
    struct bytes *out = &instrument->out;
    char length[24];
    size_t i;
    int b;
    if (instrument->ascii) {
        for (i = 0; i < count; i++)
            if ((i > 0 && !put(instrument, ",")) || !put_number(instrument, value_at(values, i, single)))
                return 0;
        return 1;
    }
    snprintf(length, sizeof length, "%zu", 8 * count);
    if (!put(instrument, "#%zu%s", strlen(length), length) || !room(out, 8 * count))
        return 0;
    for (i = 0; i < count; i++) {
        double value = value_at(values, i, single);
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        for (b = 0; b < 8; b++)
            out->data[out->length++] = (char)(unsigned char)(bits >> (8 * b));
    }
    return 1;
}

/* What became of the line, as an error. The connection is not to be used any more: a late answer would belong to another
 * query. */
static bb_status broken(struct instrument *instrument, enum line_result result, unsigned flags, bb_error *error)
{
    disconnect(instrument);
    if (result == LINE_TIMEOUT)
        return bb_fail(error, BB_TIMEOUT, flags | BB_MAY_RETRY, "no answer from %s within %g s", instrument->address,
                       instrument->timeout_s);
    return bb_fail(error, BB_IO, flags | BB_MAY_RETRY, "the connection to %s was lost", instrument->address);
}

static bb_status garbled(struct instrument *instrument, unsigned flags, bb_error *error, const char *what)
{
    disconnect(instrument);
    return bb_fail(error, BB_IO, flags | BB_MAY_RETRY, "%s gave an answer that cannot be read: %s", instrument->address, what);
}

static bb_status exhausted(unsigned flags, bb_error *error)
{
    return bb_fail(error, BB_FATAL, flags, "out of memory");
}

void disconnect(struct instrument *instrument)
{
    line_close(&instrument->line);
}

bb_status send_out(struct instrument *instrument, unsigned flags, bb_error *error)
{
    enum line_result result;
    instrument->line.deadline = line_now() + instrument->timeout_s;
    result = line_send(&instrument->line, instrument->out.data, instrument->out.length);
    instrument->out.length = 0;
    return result == LINE_OK ? BB_OK : broken(instrument, result, flags, error);
}

/* The bytes of a block, whose first character has been read. */
static enum line_result receive_block(struct instrument *instrument, size_t *block)
{
    struct bytes *in = &instrument->in;
    char digit, digits[10] = "";
    enum line_result result = line_byte(&instrument->line, &digit);
    if (result != LINE_OK)
        return result;
    if (digit < '1' || digit > '9')
        return LINE_WRONG;
    result = line_receive(&instrument->line, digits, (size_t)(digit - '0'));
    if (result != LINE_OK)
        return result;
    *block = (size_t)strtoul(digits, NULL, 10);
    if (!room(in, *block + 2))
        return LINE_WRONG;
    result = line_receive(&instrument->line, in->data + in->length, *block);
    in->length += *block;
    return result;
}

bb_status receive(struct instrument *instrument, size_t *text, size_t *block, unsigned flags, bb_error *error)
{
    struct bytes *in = &instrument->in;
    int quoted = 0;
    *block = SIZE_MAX;
    in->length = 0;
    for (;;) {
        char byte;
        enum line_result result = line_byte(&instrument->line, &byte);
        if (result == LINE_OK && byte == '#' && !quoted && *block == SIZE_MAX) {
            *text = in->length;
            if (!room(in, 2))
                return exhausted(flags, error);
            in->data[in->length++] = '\0';
            result = receive_block(instrument, block);
            if (result == LINE_WRONG)
                return garbled(instrument, flags, error, "a block without its length");
            if (result == LINE_OK)
                result = line_byte(&instrument->line, &byte);
            if (result == LINE_OK && byte == '\r')
                result = line_byte(&instrument->line, &byte);
            if (result == LINE_OK && byte == '\n')
                return BB_OK;
            if (result == LINE_OK)
                return garbled(instrument, flags, error, "a block that does not end where it should");
        }
        if (result != LINE_OK)
            return broken(instrument, result, flags, error);
        if (!room(in, 2))
            return exhausted(flags, error);
        if (byte == '\n' && !quoted)
            break;
        if (byte == '"')
            quoted = !quoted;
        in->data[in->length++] = byte;
    }
    while (in->length > 0 && (in->data[in->length - 1] == '\r' || in->data[in->length - 1] == ' '))
        in->length--;
    in->data[in->length] = '\0';
    *text = in->length;
    return BB_OK;
}

bb_status ask(struct instrument *instrument, unsigned flags, bb_error *error, const char *query)
{
    size_t text, block;
    bb_status status;
    if (!put(instrument, "%s\n", query))
        return exhausted(flags, error);
    status = send_out(instrument, flags, error);
    if (status == BB_OK)
        status = receive(instrument, &text, &block, flags, error);
    if (status == BB_OK && text == 0 && strcmp(query, "SYST:ERR?") != 0) {
        /* It was refused. */
        status = ask(instrument, flags, error, "SYST:ERR?");
        if (status == BB_OK)
            status = take_error(instrument, flags, error);
        if (status == BB_OK)
            status = garbled(instrument, flags, error, "an empty line");
    }
    return status;
}

double take_number(const char **at)
{
    const char *end;
    double value = bb_number(*at, &end);
    *at = *end == ',' ? end + 1 : end;
    if (value == 9.91e37)
        return NAN;
    if (fabs(value) == 9.9e37)
        return value > 0.0 ? INFINITY : -INFINITY;
    return value;
}

bb_status take_data(struct instrument *instrument, size_t from, size_t block, void *values, size_t count, int single, bb_error *error)
{
    struct bytes *in = &instrument->in;
    const char *at = in->data + from;
    size_t i, text = strlen(in->data);
    int b;
    if (block != SIZE_MAX && block != 8 * count)
        return bb_fail(error, BB_SHAPE, BB_STATE_KNOWN, "%s gave %zu bytes of data, expected %zu", instrument->address, block,
                       8 * count);
    for (i = 0; i < count; i++) {
        double value;
        if (block != SIZE_MAX) {
            const unsigned char *bytes = (const unsigned char *)in->data + text + 1 + 8 * i;
            uint64_t bits = 0;
            for (b = 0; b < 8; b++)
                bits |= (uint64_t)bytes[b] << (8 * b);
            memcpy(&value, &bits, sizeof value);
        } else {
            const char *before = at;
            value = take_number(&at);
            if (at == before)
                return bb_fail(error, BB_SHAPE, BB_STATE_KNOWN, "%s gave %zu numbers, expected %zu", instrument->address, i,
                               count);
        }
        if (single)
            ((float *)values)[i] = (float)value;
        else
            ((double *)values)[i] = value;
    }
    if (block == SIZE_MAX && *at != '\0')
        return bb_fail(error, BB_SHAPE, BB_STATE_KNOWN, "%s gave more numbers than %zu", instrument->address, count);
    return BB_OK;
}

bb_status take_error(struct instrument *instrument, unsigned flags, bb_error *error)
{
    const char *at = instrument->in.data;
    int number = (int)strtol(at, NULL, 10);
    const char *text = strchr(at, '"');
    bb_status status;
    if (number == 0)
        return BB_OK;
    switch (number) {
    case -113:
        status = BB_UNSUPPORTED;
        break;
    case -108:
    case -109:
        status = BB_SHAPE;
        break;
    case -203:
        status = BB_IN_USE;
        break;
    case -222:
        status = BB_RANGE;
        break;
    case -365:
        status = BB_TIMEOUT;
        break;
    case -310:
        status = BB_FATAL;
        break;
    default:
        /* What SCPI has no number for is told by the codes of this interface. */
        status = number > 200 && number <= 200 + BB_BAD_STATE ? number - 200 : BB_IO;
    }
    if (status == BB_BUSY || status == BB_TIMEOUT || status == BB_FRAME_SLIP)
        flags |= BB_MAY_RETRY;
    /* It was refused before anything was done. */
    if (status == BB_BUSY || status == BB_SHAPE || status == BB_RANGE || status == BB_IN_USE || status == BB_UNSUPPORTED)
        flags |= BB_STATE_KNOWN;
    return bb_fail(error, status, flags, "%s says %d, %s", instrument->address, number, text != NULL ? text : at);
}

static void wait_a_little(void)
{
    const struct timespec time = {0, 5000000};
    nanosleep(&time, NULL);
}

/* A new connection: who is there, and whether it is still what it was. */
static bb_status greet(struct instrument *instrument, bb_error *error)
{
    static const struct {
        const char *name;
        unsigned bit;
    } options[] = {{"IDENTITY", OPTION_IDENTITY}, {"STATE", OPTION_STATE},       {"READBACK", OPTION_READBACK},
                   {"MATRIX", OPTION_MATRIX},     {"BACKWARD", OPTION_BACKWARD}, {"RANGE", OPTION_RANGE}};
    double until = line_now() + instrument->timeout_s;
    bb_status status = ask(instrument, 0, error, "*IDN?");
    uint64_t boot_id;
    size_t i;
    if (status != BB_OK)
        return status;
    bb_copy(instrument->identity, sizeof instrument->identity, instrument->in.data);
    /* A connection that was lost just now may still be locked until the instrument has seen that it is gone. */
    while ((status = ask(instrument, 0, error, "SYST:LOCK:REQ?")) == BB_OK && instrument->in.data[0] != '1') {
        if (line_now() >= until)
            return bb_fail(error, BB_IN_USE, 0, "%s is locked by another client", instrument->address);
        wait_a_little();
    }
    if (status == BB_OK)
        status = ask(instrument, 0, error, "*OPT?");
    if (status != BB_OK)
        return status;
    instrument->options = 0;
    for (i = 0; i < sizeof options / sizeof options[0]; i++)
        if (strstr(instrument->in.data, options[i].name) != NULL)
            instrument->options |= options[i].bit;
    status = ask(instrument, 0, error, "SYST:BOOT?");
    if (status != BB_OK)
        return status;
    boot_id = strtoull(instrument->in.data, NULL, 10);
    if (instrument->boot_id != 0 && boot_id != instrument->boot_id)
        instrument->state_lost = 1;
    instrument->boot_id = boot_id;
    put(instrument, instrument->ascii ? "FORM ASC\n" : "FORM REAL,64\n");
    if (instrument->range > 0.0) {
        put(instrument, "SENS:RANG ");
        put_number(instrument, instrument->range);
        put(instrument, "\n");
    }
    status = ask(instrument, 0, error, "SYST:ERR?");
    return status == BB_OK ? take_error(instrument, 0, error) : status;
}

bb_status connected(struct instrument *instrument, bb_error *error)
{
    char why[320] = "";
    enum line_result result;
    bb_status status;
    instrument->out.length = 0;
    if (instrument->line.fd >= 0)
        return BB_OK;
    result = line_open(&instrument->line, instrument->address, instrument->baud, instrument->timeout_s, why, sizeof why);
    if (result == LINE_WRONG)
        return bb_fail(error, BB_SETTINGS, BB_STATE_KNOWN, "%s", why);
    if (result != LINE_OK)
        return bb_fail(error, result == LINE_TIMEOUT ? BB_TIMEOUT : BB_IO, BB_MAY_RETRY, "cannot connect to %s", why);
    status = greet(instrument, error);
    if (status != BB_OK)
        disconnect(instrument);
    return status;
}
