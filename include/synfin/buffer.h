/* Text that grows, and the writers of numbers, times and strings that every line is made of. */
#ifndef SYNFIN_BUFFER_H
#define SYNFIN_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "synfin/error.h"
#include "synfin/time.h"

/* Zero is an empty buffer. After a lack of memory `failed` is true and what follows is lost. */
struct sf_buffer {
    char *data;
    size_t len, capacity;
    bool failed;
    int64_t day;       /* of `day_text`, days since 1970, when that is not empty */
    char day_text[16]; /* "2026-11-21T": the calendar is worked out once a day */
};

/* Makes room for n more octets and returns where they go, or NULL when there is no memory. */
char *sf_buffer_grow(struct sf_buffer *buffer, size_t n);

/* The same, and cheap when there is room already. */
static inline char *sf_buffer_reserve(struct sf_buffer *buffer, size_t n)
{
    if (buffer->data != NULL && buffer->capacity - buffer->len >= n)
        return buffer->data + buffer->len;
    return sf_buffer_grow(buffer, n);
}

/* 0, or -1 with *err when something was lost for lack of memory. */
int sf_buffer_check(const struct sf_buffer *buffer, struct sf_error *err);

void sf_buffer_dispose(struct sf_buffer *buffer);

static inline void sf_buffer_clear(struct sf_buffer *buffer)
{
    buffer->len = 0;
}

static inline void sf_put(struct sf_buffer *buffer, const char *text, size_t len)
{
    char *at = sf_buffer_reserve(buffer, len);
    if (at == NULL)
        return;
    memcpy(at, text, len);
    buffer->len += len;
}

static inline void sf_put_text(struct sf_buffer *buffer, const char *text)
{
    sf_put(buffer, text, strlen(text));
}

static inline void sf_put_char(struct sf_buffer *buffer, char c)
{
    char *at = sf_buffer_reserve(buffer, 1);
    if (at == NULL)
        return;
    *at = c;
    buffer->len++;
}

void sf_put_format(struct sf_buffer *buffer, const char *fmt, ...) SF_PRINTF(2, 3);

/* Decimal, no sign. */
void sf_put_count(struct sf_buffer *buffer, uint64_t n);

void sf_put_signed(struct sf_buffer *buffer, int64_t n);

/* Nanoseconds as seconds, exact: "0", "1.5", "-0.000000001"; trailing zeros are left away. */
void sf_put_seconds(struct sf_buffer *buffer, sf_ns ns);

/* RFC 3339, UTC, nine decimals, without quotes. */
void sf_put_time(struct sf_buffer *buffer, sf_ns t);

/* A finite number with at most three decimals, trailing zeros left away. */
void sf_put_real(struct sf_buffer *buffer, double x);

/* The text as a JSON string with its quotes (RFC 8259): control characters escaped, octets that are
 * not UTF-8 replaced by U+FFFD. */
void sf_put_json_string(struct sf_buffer *buffer, const char *text);

/* The text for a terminal or a file of lines: control characters and octets that are not UTF-8
 * become '?'. */
void sf_put_plain(struct sf_buffer *buffer, const char *text);

#endif
