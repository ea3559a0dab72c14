/* Growing text, and exact decimal writers: printf is too slow for a line of 170 values. */
#include "synfin/buffer.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "raw.h"

char *sf_buffer_grow(struct sf_buffer *buffer, size_t n)
{
    size_t wanted = buffer->capacity < 4096 ? 4096 : buffer->capacity * 2;
    if (wanted < buffer->len + n)
        wanted = buffer->len + n;
    char *data = realloc(buffer->data, wanted);
    if (data == NULL) {
        buffer->failed = true;
        return NULL;
    }
    buffer->data = data;
    buffer->capacity = wanted;
    return data + buffer->len;
}

int sf_buffer_check(const struct sf_buffer *buffer, struct sf_error *err)
{
    return buffer->failed ? sf_fail(err, "out of memory") : 0;
}

void sf_buffer_dispose(struct sf_buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct sf_buffer){0};
}

void sf_put_format(struct sf_buffer *buffer, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = NULL;
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    if (len < 0) {
        buffer->failed = true;
        return;
    }
    sf_put(buffer, text, (size_t)len);
    free(text);
}

static void put_to(struct sf_buffer *buffer, const char *end)
{
    buffer->len = (size_t)(end - buffer->data);
}

void sf_put_count(struct sf_buffer *buffer, uint64_t n)
{
    char *at = sf_buffer_reserve(buffer, SF_RAW_ROOM);
    if (at != NULL)
        put_to(buffer, sf_digits(at, n));
}

void sf_put_signed(struct sf_buffer *buffer, int64_t n)
{
    if (n < 0)
        sf_put_char(buffer, '-');
    sf_put_count(buffer, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}

void sf_put_seconds(struct sf_buffer *buffer, sf_ns ns)
{
    char *at = sf_buffer_reserve(buffer, SF_RAW_ROOM);
    if (at != NULL)
        put_to(buffer, sf_raw_seconds(at, ns));
}

char *sf_raw_real(char *at, double x)
{
    if (!(fabs(x) < 1e15))
        return at + snprintf(at, SF_RAW_ROOM, "%.17g", x);
    uint64_t thousandths = (uint64_t)llround(fabs(x) * 1000);
    unsigned rest = (unsigned)(thousandths % 1000);
    *at = '-';
    at = sf_digits(at + (x < 0 && thousandths != 0), thousandths / 1000);
    if (rest == 0)
        return at;
    *at++ = '.';
    *at++ = (char)('0' + rest / 100);
    memcpy(at, sf_digit_pairs + rest % 100 * 2, 2);
    return at + (rest % 100 == 0 ? 0 : rest % 10 == 0 ? 1 : 2);
}

void sf_put_real(struct sf_buffer *buffer, double x)
{
    char *at = sf_buffer_reserve(buffer, SF_RAW_ROOM);
    if (at != NULL)
        put_to(buffer, sf_raw_real(at, x));
}

static char *put_pair(char *at, unsigned n, char after)
{
    memcpy(at, sf_digit_pairs + n * 2, 2);
    at[2] = after;
    return at + 3;
}

char *sf_raw_time(struct sf_buffer *buffer, char *at, sf_ns t)
{
    static const sf_ns day_ns = 86400 * SF_SEC;
    sf_ns rest = t % day_ns;
    int64_t day = t / day_ns - (rest < 0);
    if (rest < 0)
        rest += day_ns;
    if (buffer->day_text[0] == '\0' || buffer->day != day) {
        char text[SF_TIME_TEXT];
        sf_time_rfc3339(text, t);
        memcpy(buffer->day_text, text, 11);
        buffer->day = day;
    }
    unsigned second = (unsigned)(rest / SF_SEC), nanos = (unsigned)(rest % SF_SEC);
    memcpy(at, buffer->day_text, 11);
    at = put_pair(at + 11, second / 3600, ':');
    at = put_pair(at, second / 60 % 60, ':');
    at = put_pair(at, second % 60, '.');
    *at = (char)('0' + nanos / 100000000);
    sf_store_digits(at + 1, sf_eight_digits(nanos % 100000000));
    at[9] = 'Z';
    return at + 10;
}

void sf_put_time(struct sf_buffer *buffer, sf_ns t)
{
    char *at = sf_buffer_reserve(buffer, SF_RAW_ROOM);
    if (at != NULL)
        put_to(buffer, sf_raw_time(buffer, at, t));
}

/* Octets of the UTF-8 character at p, or 0 when there is none (RFC 3629: no surrogates, nothing
 * overlong, nothing beyond U+10FFFF). The text ends with NUL, which is never a continuation. */
static size_t utf8_length(const unsigned char *p)
{
    static const struct {
        unsigned char first_low, first_high, second_low, second_high, length;
    } forms[] = {
        {0x01, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (p[0] < forms[i].first_low || p[0] > forms[i].first_high)
            continue;
        if (forms[i].length == 1)
            return 1;
        if (p[1] < forms[i].second_low || p[1] > forms[i].second_high)
            return 0;
        for (size_t k = 2; k < forms[i].length; k++)
            if ((p[k] & 0xc0) != 0x80)
                return 0;
        return forms[i].length;
    }
    return 0;
}

static bool is_plain(unsigned char c, bool for_json)
{
    return c >= 0x20 && c < 0x7f && !(for_json && (c == '"' || c == '\\'));
}

static const uint64_t ONES = UINT64_C(0x0101010101010101), HIGH = UINT64_C(0x8080808080808080);

/* Octets of the word, as 1 in the high bit of each, that are control characters or not ASCII; above
 * the first it may be wrong. */
static uint64_t find_strange(uint64_t word)
{
    return ((word - 0x20 * ONES) | (word + ONES) | word) & HIGH;
}

/* The same for what JSON escapes besides. */
static uint64_t find_escaped(uint64_t word)
{
    uint64_t quote = word ^ '"' * ONES, backslash = word ^ '\\' * ONES;
    return ((quote - ONES) | (backslash - ONES)) & HIGH;
}

/* Copies from the text's beginning as long as it is plain, eight octets at a time, and returns how
 * many it copied. */
static inline size_t copy_plain(char *at, const unsigned char *text, size_t len, bool for_json)
{
    size_t done = 0;
    uint64_t word;
    for (; len - done >= sizeof word; done += sizeof word) {
        memcpy(&word, text + done, sizeof word);
        if (find_strange(word) != 0 || (for_json && find_escaped(word) != 0))
            break;
        memcpy(at + done, &word, sizeof word);
    }
    for (; done < len && is_plain(text[done], for_json); done++)
        at[done] = (char)text[done];
    return done;
}

static char *put_json_escape(char *at, unsigned char c)
{
    static const char shorts[256] = {
        ['"'] = '"', ['\\'] = '\\', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    *at++ = '\\';
    if (shorts[c] != '\0') {
        *at++ = shorts[c];
        return at;
    }
    static const char hex[] = "0123456789abcdef";
    memcpy(at, "u00", 3);
    at[3] = hex[c >> 4];
    at[4] = hex[c & 15];
    return at + 5;
}

char *sf_raw_json_string(char *at, const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text, *end = p + len;
    *at++ = '"';
    for (;;) {
        size_t plain = copy_plain(at, p, (size_t)(end - p), true);
        at += plain;
        p += plain;
        if (p == end)
            break;
        size_t length = utf8_length(p);
        if (length == 1) {
            at = put_json_escape(at, *p);
        } else {
            memcpy(at, length == 0 ? "\xef\xbf\xbd" : (const char *)p, length == 0 ? 3 : length);
            at += length == 0 ? 3 : length;
        }
        p += length == 0 ? 1 : length;
    }
    *at++ = '"';
    return at;
}

void sf_put_json_string(struct sf_buffer *buffer, const char *text)
{
    size_t len = strlen(text);
    char *at = sf_buffer_reserve(buffer, sf_raw_json_room(len));
    if (at != NULL)
        put_to(buffer, sf_raw_json_string(at, text, len));
}

void sf_put_plain(struct sf_buffer *buffer, const char *text)
{
    const unsigned char *p = (const unsigned char *)text, *end = p + strlen(text);
    char *at = sf_buffer_reserve(buffer, (size_t)(end - p) + 1);
    if (at == NULL)
        return;
    for (;;) {
        size_t plain = copy_plain(at, p, (size_t)(end - p), false);
        at += plain;
        p += plain;
        if (p == end)
            break;
        size_t length = *p < 0x80 ? 0 : utf8_length(p); /* a control character is none */
        if (length == 0)
            *at++ = '?';
        memcpy(at, p, length);
        at += length;
        p += length == 0 ? 1 : length;
    }
    put_to(buffer, at);
}
