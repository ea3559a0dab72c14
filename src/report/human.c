/* Rounds for reading; nothing here is parsed again. */
#include "human.h"

#include <inttypes.h>
#include <stdio.h>

/* Three significant digits: 1.25, 12.3, 123. */
static void put_three_digits(struct sf_buffer *buffer, double x)
{
    sf_put_format(buffer, x < 9.995 ? "%.2f" : x < 99.95 ? "%.1f" : "%.0f", x);
}

void sf_put_human_octets(struct sf_buffer *buffer, uint64_t octets)
{
    static const char *const units[] = {"", " kB", " MB", " GB", " TB", " PB", " EB"};
    double x = (double)octets;
    size_t unit = 0;
    while (x >= 999.5 && unit + 1 < sizeof units / sizeof units[0]) {
        x /= 1000;
        unit++;
    }
    sf_put_format(buffer, unit > 0 && x < 9.95 ? "%.1f%s" : "%.0f%s", x, units[unit]);
}

static void put_long_span(struct sf_buffer *buffer, int64_t seconds)
{
    if (seconds < 3600)
        sf_put_format(buffer, "%" PRId64 "m%02" PRId64 "s", seconds / 60, seconds % 60);
    else if (seconds < 86400)
        sf_put_format(buffer, "%" PRId64 "h%02" PRId64 "m", seconds / 3600, seconds / 60 % 60);
    else
        sf_put_format(buffer, "%" PRId64 "d%02" PRId64 "h", seconds / 86400, seconds / 3600 % 24);
}

void sf_put_human_span(struct sf_buffer *buffer, sf_ns span)
{
    static const struct {
        sf_ns below, unit;
        const char *name;
    } steps[] = {
        {SF_USEC, 1, " ns"},
        {SF_MSEC, SF_USEC, " us"},
        {SF_SEC, SF_MSEC, " ms"},
        {60 * SF_SEC, SF_SEC, " s"},
    };
    if (span <= 0) {
        sf_put_text(buffer, "0 s");
        return;
    }
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        if (span >= steps[i].below - steps[i].below / 2000)
            continue;
        put_three_digits(buffer, (double)span / (double)steps[i].unit);
        sf_put_text(buffer, steps[i].name);
        return;
    }
    put_long_span(buffer, (span + SF_SEC / 2) / SF_SEC);
}

void sf_put_human_count(struct sf_buffer *buffer, uint64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, n);
    for (int i = 0; i < len; i++) {
        if (i > 0 && len > 4 && (len - i) % 3 == 0)
            sf_put_char(buffer, ' ');
        sf_put_char(buffer, digits[i]);
    }
}

size_t sf_text_columns(const char *text, size_t len)
{
    size_t columns = 0;
    for (size_t i = 0; i < len; i++)
        columns += ((unsigned char)text[i] & 0xc0) != 0x80;
    return columns;
}
