/*
 * An instrument that speaks docs/scpi-protocol.md: commands, answers, and what its errors mean. A connection that is lost is
 * made again with the next command.
 */
#ifndef INSTRUMENT_H
#define INSTRUMENT_H

#include <blackbeam_driver.h>

#include "line.h"

/* What *OPT? lists. */
enum { OPTION_IDENTITY = 1, OPTION_STATE = 2, OPTION_READBACK = 4, OPTION_MATRIX = 8, OPTION_BACKWARD = 16, OPTION_RANGE = 32 };

/* Bytes that grow. */
struct bytes {
    char *data;
    size_t length, capacity;
};

struct instrument {
    struct line line;
    char address[256];
    unsigned baud;
    double timeout_s, busy_wait_s;
    int ascii; /* data in writing instead of blocks */
    unsigned options;
    char identity[384];
    uint64_t boot_id;
    int state_lost; /* it was switched off and on: its parameters are not those that were written */
    double range;   /* full scale that was set, 0 if none */
    uint64_t frame;
    struct bytes out, in; /* room for a message and for an answer */
};

/* A message is put together in `out`. */
int put(struct instrument *instrument, const char *format, ...);
int put_number(struct instrument *instrument, double value);
int put_bytes(struct instrument *instrument, const void *bytes, size_t length);
int put_data(struct instrument *instrument, const void *values, size_t count, int single);

/* Connects if it is not connected. */
bb_status connected(struct instrument *instrument, bb_error *error);
void disconnect(struct instrument *instrument);

/* Sends `out` and empties it. `flags` are those of the error if that fails. */
bb_status send_out(struct instrument *instrument, unsigned flags, bb_error *error);

/*
 * One answer, up to the end of its line: the text in `in`, ended by a zero byte. If it ends with a block, the bytes of the block
 * stand behind that: *block of them, from in.data + *text + 1. Without one *block is SIZE_MAX.
 */
bb_status receive(struct instrument *instrument, size_t *text, size_t *block, unsigned flags, bb_error *error);

/* Puts a query behind what is in `out`, sends all and receives the answer. An empty answer is the error that it stands for. */
bb_status ask(struct instrument *instrument, unsigned flags, bb_error *error, const char *query);

/*
 * The numbers of an answer that begin at `from` of its text, or are its block. A number that is missing or more is an error.
 */
bb_status take_data(struct instrument *instrument, size_t from, size_t block, void *values, size_t count, int single, bb_error *error);

/* The first entry of the error queue that has just been received, as a status; BB_OK if there is none. */
bb_status take_error(struct instrument *instrument, unsigned flags, bb_error *error);

/* A number in writing; SCPI's numbers for infinities and for none among them. Moves *at behind it and behind a comma. */
double take_number(const char **at);

void bytes_free(struct bytes *bytes);

#endif
