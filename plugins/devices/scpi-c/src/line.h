/* A line to an instrument: a TCP connection or a serial line. Every call ends by a deadline. */
#ifndef LINE_H
#define LINE_H

#include <stddef.h>

enum line_result {
    LINE_OK = 0,
    LINE_TIMEOUT,
    LINE_LOST, /* refused, closed or broken */
    LINE_WRONG /* an address that is none */
};

struct line {
    int fd; /* -1 when it is not open */
    int socket;
    double deadline; /* as line_now */
    size_t begin, end;
    char buffer[1 << 16];
};

/* Seconds on a clock that nobody sets. */
double line_now(void);

/*
 * Opens `tcp:HOST:PORT` or `serial:PATH` (8 data bits, no parity, no flow control). On an error `why` says what was wrong.
 */
enum line_result line_open(struct line *line, const char *address, unsigned baud, double timeout_s, char *why, size_t size);
void line_close(struct line *line);

/* All of the bytes, by the deadline. */
enum line_result line_send(struct line *line, const void *bytes, size_t length);
enum line_result line_receive(struct line *line, void *bytes, size_t length);
enum line_result line_byte(struct line *line, char *byte);

#endif
