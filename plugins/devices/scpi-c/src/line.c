#define _POSIX_C_SOURCE 200809L

#include "line.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* macOS: SO_NOSIGPIPE below */
#endif

double line_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Waits until the line can be read or written. */
static enum line_result ready(struct line *line, short events)
{
    for (;;) {
        double rest = line->deadline - line_now();
        struct pollfd wanted = {line->fd, events, 0};
        int found;
        if (rest < 0.0)
            rest = 0.0;
        if (rest > 1e6)
            rest = 1e6;
        /* Rounded up, so that the last fraction of a millisecond is not spent in turning round. */
        found = poll(&wanted, 1, (int)(rest * 1e3) + 1);
        if (found > 0)
            return LINE_OK; /* or an error, which the call that follows will meet */
        if (found < 0 && errno != EINTR)
            return LINE_LOST;
        if (line_now() >= line->deadline)
            return LINE_TIMEOUT;
    }
}

/* Connects to one address, without waiting beyond the deadline. */
static enum line_result connect_to(struct line *line, const struct addrinfo *to)
{
    int error = 0, on = 1;
    socklen_t size = sizeof error;
    enum line_result result;
    line->fd = socket(to->ai_family, to->ai_socktype, to->ai_protocol);
    if (line->fd < 0)
        return LINE_LOST;
    fcntl(line->fd, F_SETFD, FD_CLOEXEC);
    fcntl(line->fd, F_SETFL, O_NONBLOCK);
    setsockopt(line->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
#ifdef SO_NOSIGPIPE
    setsockopt(line->fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
    if (connect(line->fd, to->ai_addr, to->ai_addrlen) == 0)
        return LINE_OK;
    if (errno != EINPROGRESS)
        return LINE_LOST;
    result = ready(line, POLLOUT);
    if (result != LINE_OK)
        return result;
    if (getsockopt(line->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
        errno = error;
        return LINE_LOST;
    }
    return LINE_OK;
}

static enum line_result open_tcp(struct line *line, const char *place, char *why, size_t size)
{
    struct addrinfo hints, *all, *one;
    char host[256];
    const char *colon = strrchr(place, ':'), *begin = place;
    size_t length;
    enum line_result result = LINE_LOST;
    int found;
    if (colon == NULL || colon == place || colon[1] == '\0' || (size_t)(colon - place) >= sizeof host) {
        snprintf(why, size, "the address tcp:%s is not tcp:HOST:PORT", place);
        return LINE_WRONG;
    }
    length = (size_t)(colon - place);
    /* An address of version 6 stands in brackets. */
    if (place[0] == '[' && colon[-1] == ']') {
        begin++;
        length -= 2;
    }
    memcpy(host, begin, length);
    host[length] = '\0';
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    found = getaddrinfo(host, colon + 1, &hints, &all);
    if (found != 0) {
        snprintf(why, size, "%s: %s", place, gai_strerror(found));
        return LINE_LOST;
    }
    for (one = all; one != NULL; one = one->ai_next) {
        result = connect_to(line, one);
        if (result == LINE_OK)
            break;
        snprintf(why, size, "%s: %s", place, result == LINE_TIMEOUT ? "no answer in time" : strerror(errno));
        line_close(line);
    }
    freeaddrinfo(all);
    line->socket = 1;
    return result;
}

static speed_t speed_of(unsigned baud)
{
    static const struct {
        unsigned baud;
        speed_t speed;
    } speeds[] = {
        {9600, B9600}, {19200, B19200}, {38400, B38400},
#ifdef B57600
        {57600, B57600},
#endif
#ifdef B115200
        {115200, B115200},
#endif
#ifdef B230400
        {230400, B230400},
#endif
#ifdef B921600
        {921600, B921600},
#endif
    };
    size_t i;
    for (i = 0; i < sizeof speeds / sizeof speeds[0]; i++)
        if (speeds[i].baud == baud)
            return speeds[i].speed;
    return B0;
}

static enum line_result open_serial(struct line *line, const char *path, unsigned baud, char *why, size_t size)
{
    struct termios settings;
    speed_t speed = speed_of(baud);
    if (speed == B0) {
        snprintf(why, size, "a serial line cannot be set to %u bits per second", baud);
        return LINE_WRONG;
    }
    line->socket = 0;
    line->fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (line->fd < 0 || tcgetattr(line->fd, &settings) != 0) {
        snprintf(why, size, "%s: %s", path, strerror(errno));
        line_close(line);
        return LINE_LOST;
    }
    settings.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON | IXOFF);
    settings.c_oflag &= ~(tcflag_t)OPOST;
    settings.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    settings.c_cflag &= ~(tcflag_t)(CSIZE | PARENB | CSTOPB);
    settings.c_cflag |= CS8 | CREAD | CLOCAL;
    settings.c_cc[VMIN] = 0;
    settings.c_cc[VTIME] = 0;
    cfsetispeed(&settings, speed);
    cfsetospeed(&settings, speed);
    if (tcsetattr(line->fd, TCSAFLUSH, &settings) != 0) {
        snprintf(why, size, "%s: %s", path, strerror(errno));
        line_close(line);
        return LINE_LOST;
    }
    return LINE_OK;
}

enum line_result line_open(struct line *line, const char *address, unsigned baud, double timeout_s, char *why, size_t size)
{
    line->fd = -1;
    line->begin = line->end = 0;
    line->deadline = line_now() + timeout_s;
    if (strncmp(address, "tcp:", 4) == 0)
        return open_tcp(line, address + 4, why, size);
    if (strncmp(address, "serial:", 7) == 0)
        return open_serial(line, address + 7, baud, why, size);
    snprintf(why, size, "the address %s is neither tcp:HOST:PORT nor serial:PATH", address);
    return LINE_WRONG;
}

void line_close(struct line *line)
{
    if (line->fd >= 0)
        close(line->fd);
    line->fd = -1;
    line->begin = line->end = 0;
}

enum line_result line_send(struct line *line, const void *bytes, size_t length)
{
    const char *at = (const char *)bytes;
    while (length > 0) {
        enum line_result result = ready(line, POLLOUT);
        ssize_t sent;
        if (result != LINE_OK)
            return result;
        sent = line->socket ? send(line->fd, at, length, MSG_NOSIGNAL) : write(line->fd, at, length);
        if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            return LINE_LOST;
        if (sent > 0) {
            at += sent;
            length -= (size_t)sent;
        }
    }
    return LINE_OK;
}

/* Gets at least one byte more into the buffer. */
static enum line_result fill(struct line *line)
{
    for (;;) {
        enum line_result result = ready(line, POLLIN);
        ssize_t got;
        if (result != LINE_OK)
            return result;
        got = read(line->fd, line->buffer, sizeof line->buffer);
        if (got > 0) {
            line->begin = 0;
            line->end = (size_t)got;
            return LINE_OK;
        }
        if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
            return LINE_LOST;
    }
}

enum line_result line_byte(struct line *line, char *byte)
{
    if (line->begin == line->end) {
        enum line_result result = fill(line);
        if (result != LINE_OK)
            return result;
    }
    *byte = line->buffer[line->begin++];
    return LINE_OK;
}

enum line_result line_receive(struct line *line, void *bytes, size_t length)
{
    char *to = (char *)bytes;
    while (length > 0) {
        size_t part = line->end - line->begin;
        if (part == 0) {
            enum line_result result = fill(line);
            if (result != LINE_OK)
                return result;
            continue;
        }
        if (part > length)
            part = length;
        memcpy(to, line->buffer + line->begin, part);
        line->begin += part;
        to += part;
        length -= part;
    }
    return LINE_OK;
}
