/* An open device. */
#ifndef DEVICE_H
#define DEVICE_H

#include "instrument.h"

#include <pthread.h>

struct bb_device {
    pthread_mutex_t mutex;
    struct instrument instrument;
    bb_descriptor descriptor;
    bb_parameter *parameters;
    size_t size; /* bytes of one number of the descriptor's dtype: 8 or 4 */
    struct bytes state;
};

static inline bb_status no_memory(bb_error *error)
{
    return bb_fail(error, BB_FATAL, 0, "out of memory");
}

/* JSON schema of the settings. */
extern const char settings_schema[];

bb_status read_settings(struct instrument *instrument, const char *settings, bb_error *error);

/* Connects, and asks everything that describes the device. */
bb_status read_device(bb_device *device, bb_error *error);

/* The table's function `describe`. */
bb_status device_describe(bb_device *device, bb_descriptor *d, bb_error *error);

#endif
