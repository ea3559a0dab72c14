/* Growing text, and exact decimal writers: printf is too slow for a line of 170 values. */
#include "synfin/buffer.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

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

/* Writes n right-aligned before `end` and returns where it begins. */
static char *digits_before(char *end, uint64_t n)
{
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233"
        "34353637383940414243444546474849505152535455565758596061626364656667"
        "6869707172737475767778798081828384858687888990919293949596979899";
    while (n >= 100) {
        end -= 2;
        memcpy(end, pairs + n % 100 * 2, 2);
        n /= 100;
    }
    if (n >= 10) {
        end -= 2;
        memcpy(end, pairs + n * 2, 2);
        return end;
    }
    *--end = (char)('0' + n);
    return end;
}

void sf_put_count(struct sf_buffer *buffer, uint64_t n)
{
    if (n < 10) {
        sf_put_char(buffer, (char)('0' + n));
        return;
    }
    char text[20];
    char *begin = digits_before(text + sizeof text, n);
    sf_put(buffer, begin, (size_t)(text + sizeof text - begin));
}

void sf_put_signed(struct sf_buffer *buffer, int64_t n)
{
    if (n < 0)
        sf_put_char(buffer, '-');
    sf_put_count(buffer, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}

/* value / unit, a power of ten known to the compiler; trailing zeros left away. */
static inline void put_fixed(struct sf_buffer *buffer, bool negative, uint64_t value, uint64_t unit)
{
    if (negative && value != 0)
        sf_put_char(buffer, '-');
    sf_put_count(buffer, value / unit);
    if (value % unit == 0)
        return;
    char text[21];
    /* The unit in front keeps the leading zeros; its own digit becomes the point. */
    char *end = text + sizeof text;
    char *begin = digits_before(end, unit + value % unit);
    *begin = '.';
    while (end[-1] == '0')
        end--;
    sf_put(buffer, begin, (size_t)(end - begin));
}

void sf_put_seconds(struct sf_buffer *buffer, sf_ns ns)
{
    put_fixed(buffer, ns < 0, ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns, UINT64_C(1000000000));
}

void sf_put_real(struct sf_buffer *buffer, double x)
{
    if (fabs(x) < 1e15)
        put_fixed(buffer, x < 0, (uint64_t)llround(fabs(x) * 1000), 1000);
    else
        sf_put_format(buffer, "%.17g", x);
}

void sf_put_time(struct sf_buffer *buffer, sf_ns t)
{
    static const sf_ns day_ns = 86400 * SF_SEC;
    int64_t day = t / day_ns - (t % day_ns < 0);
    if (buffer->day_text[0] == '\0' || buffer->day != day) {
        char text[SF_TIME_TEXT];
        sf_time_rfc3339(text, t);
        memcpy(buffer->day_text, text, 11);
        buffer->day = day;
    }
    uint64_t rest = (uint64_t)(t % day_ns + (t % day_ns < 0 ? day_ns : 0));
    uint64_t second = rest / (uint64_t)SF_SEC;
    uint64_t clock = 1000000 + second / 3600 * 10000 + second / 60 % 60 * 100 + second % 60;
    char text[30];
    char *end = text + sizeof text;
    char digits[8];
    digits_before(digits + 7, clock);
    char *nanos = digits_before(end - 1, (uint64_t)SF_SEC + rest % (uint64_t)SF_SEC);
    *nanos = '.';
    end[-1] = 'Z';
    char hms[8] = {digits[1], digits[2], ':', digits[3], digits[4], ':', digits[5], digits[6]};
    sf_put(buffer, buffer->day_text, 11);
    sf_put(buffer, hms, 8);
    sf_put(buffer, nanos, (size_t)(end - nanos));
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

static bool is_plain_json(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void put_json_escape(struct sf_buffer *buffer, unsigned char c)
{
    static const char shorts[256] = {
        ['"'] = '"', ['\\'] = '\\', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    if (shorts[c] != '\0') {
        char text[2] = {'\\', shorts[c]};
        sf_put(buffer, text, 2);
        return;
    }
    static const char hex[] = "0123456789abcdef";
    char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    sf_put(buffer, text, 6);
}

void sf_put_json_string(struct sf_buffer *buffer, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    sf_put_char(buffer, '"');
    while (*p != '\0') {
        const unsigned char *begin = p;
        while (is_plain_json(*p))
            p++;
        sf_put(buffer, (const char *)begin, (size_t)(p - begin));
        if (*p == '\0')
            break;
        size_t length = utf8_length(p);
        if (length == 0)
            sf_put_text(buffer, "\xef\xbf\xbd");
        else if (length == 1)
            put_json_escape(buffer, *p);
        else
            sf_put(buffer, (const char *)p, length);
        p += length == 0 ? 1 : length;
    }
    sf_put_char(buffer, '"');
}

void sf_put_plain(struct sf_buffer *buffer, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0';) {
        size_t length = utf8_length(p);
        if (length == 0 || *p < 0x20 || *p == 0x7f)
            sf_put_char(buffer, '?');
        else
            sf_put(buffer, (const char *)p, length);
        p += length == 0 ? 1 : length;
    }
}
