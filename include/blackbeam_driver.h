/*
 * Helpers for device libraries in C and C++: errors with a message, texts, settings. Nothing of it is needed to write a
 * library; copy it, change it, leave it out.
 *
 * C99 and C++17.
 */
#ifndef BLACKBEAM_DRIVER_H
#define BLACKBEAM_DRIVER_H

#include "blackbeam_device.h"

#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What an error says beside its code: it may be sent again; the device holds what it held before. Add them up. */
#define BB_MAY_RETRY 1u
#define BB_STATE_KNOWN 2u

/* Cuts a text to `size` bytes at the beginning of a character, and ends it. `size` is at least 1. */
static inline void bb_cut(char *text, size_t size)
{
    size_t end = 0;
    while (end < size && text[end] != '\0')
        end++;
    if (end == size) {
        end--;
        while (end > 0 && ((unsigned char)text[end] & 0xC0u) == 0x80u)
            end--;
    }
    text[end] = '\0';
}

/* Copies a text into an array of `size` bytes, cut if it does not fit. */
static inline void bb_copy(char *to, size_t size, const char *from)
{
    size_t i = 0;
    for (; i < size && from[i] != '\0'; i++)
        to[i] = from[i];
    if (i < size)
        to[i] = '\0';
    bb_cut(to, size);
}

/* Fills `error` and returns `status`: `return bb_fail(error, BB_IO, BB_STATE_KNOWN, "no answer from %s", name);` */
#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
static inline bb_status
bb_fail(bb_error *error, bb_status status, unsigned flags, const char *format, ...)
{
    va_list arguments;
    error->retryable = (flags & BB_MAY_RETRY) != 0;
    error->state_known = (flags & BB_STATE_KNOWN) != 0;
    va_start(arguments, format);
    if (error->message_capacity > 0) {
        int length = vsnprintf(error->message, (size_t)error->message_capacity, format, arguments);
        if (length < 0)
            error->message[0] = '\0';
        else if ((uint64_t)length >= error->message_capacity)
            error->message[error->message_capacity - 1] = (char)0x80; /* so that a character cut in two goes too */
        bb_cut(error->message, (size_t)error->message_capacity);
    }
    va_end(arguments);
    return status;
}

/*
 * Settings: a JSON object that Blackbeam has checked against the schema of the library. Only its own keys are looked at, not
 * those of objects within it.
 */

static inline const char *bb_json_space(const char *at)
{
    while (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')
        at++;
    return at;
}

/* Behind the string that begins at `at`; NULL if it does not end. */
static inline const char *bb_json_string_end(const char *at)
{
    for (at++; *at != '\0'; at++) {
        if (*at == '"')
            return at + 1;
        if (*at == '\\' && *++at == '\0')
            return NULL;
    }
    return NULL;
}

/* Behind the value that begins at `at`; NULL if it does not end. */
static inline const char *bb_json_value_end(const char *at)
{
    int depth = 0;
    while (*at != '\0') {
        if (*at == '"') {
            at = bb_json_string_end(at);
            if (at == NULL || depth == 0)
                return at;
            continue;
        }
        if (*at == '{' || *at == '[')
            depth++;
        if (depth == 0 && (*at == ',' || *at == '}' || *at == ']'))
            return at;
        if ((*at == '}' || *at == ']') && --depth == 0)
            return at + 1;
        at++;
    }
    return NULL;
}

/* The value of a key; NULL if there is none. */
static inline const char *bb_setting(const char *settings, const char *key)
{
    size_t length = strlen(key);
    const char *at = bb_json_space(settings);
    if (*at++ != '{')
        return NULL;
    for (;;) {
        const char *begin = bb_json_space(at), *end;
        if (*begin != '"' || (end = bb_json_string_end(begin)) == NULL)
            return NULL;
        at = bb_json_space(end);
        if (*at++ != ':')
            return NULL;
        at = bb_json_space(at);
        if ((size_t)(end - begin) == length + 2 && memcmp(begin + 1, key, length) == 0)
            return at;
        if ((at = bb_json_value_end(at)) == NULL)
            return NULL;
        at = bb_json_space(at);
        if (*at++ != ',')
            return NULL;
    }
}

/*
 * A number that is written with a point, whatever the locale of the process, exactly as it was rounded. Moves *end behind
 * it, or to `text` if there is no number.
 */
static inline double bb_number(const char *text, const char **end)
{
    char copy[64];
    size_t n = strspn(text, "+-0123456789.eE");
    const struct lconv *locale = localeconv();
    char *point, *rest;
    double value;
    *end = text;
    if (n == 0 || n >= sizeof copy)
        return 0.0;
    memcpy(copy, text, n);
    copy[n] = '\0';
    point = strchr(copy, '.');
    if (point != NULL && locale->decimal_point[0] != '.' && locale->decimal_point[1] == '\0')
        *point = locale->decimal_point[0];
    value = strtod(copy, &rest);
    if (rest != copy)
        *end = text + (rest - copy);
    return value;
}

/* A number; `otherwise` if the key is not there. 0 if it is there and no number. */
static inline int bb_setting_number(const char *settings, const char *key, double otherwise, double *value)
{
    const char *at = bb_setting(settings, key), *end;
    *value = otherwise;
    if (at == NULL)
        return 1;
    *value = bb_number(at, &end);
    return end != at;
}

/* True or false; `otherwise` if the key is not there. 0 if it is there and neither. */
static inline int bb_setting_flag(const char *settings, const char *key, int otherwise, int *value)
{
    const char *at = bb_setting(settings, key);
    *value = otherwise;
    if (at == NULL)
        return 1;
    *value = strncmp(at, "true", 4) == 0;
    return *value || strncmp(at, "false", 5) == 0;
}

/* A text; `otherwise` if the key is not there. 0 if it is there and no text, does not fit, or has an escape other than
 * \" \\ and \/. */
static inline int bb_setting_text(const char *settings, const char *key, const char *otherwise, char *value, size_t size)
{
    const char *at = bb_setting(settings, key);
    size_t n = 0;
    if (at == NULL) {
        bb_copy(value, size, otherwise);
        return 1;
    }
    if (*at++ != '"')
        return 0;
    for (; *at != '"'; at++) {
        if (*at == '\\' && *++at != '"' && *at != '\\' && *at != '/')
            return 0;
        if (*at == '\0' || n + 1 >= size)
            return 0;
        value[n++] = *at;
    }
    value[n] = '\0';
    return 1;
}

#endif
