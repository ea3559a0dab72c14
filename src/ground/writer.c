/* Text into an array of bounded size. */
#include "synfin/writer.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

enum { DIGITS_MAX = 20 }; /* of 2^64 - 1 */

struct sf_writer sf_writer_of(char *out, size_t size)
{
    assert(size > 0);
    *out = '\0';
    return (struct sf_writer){out, out + size - 1};
}

void sf_write_octets(struct sf_writer *writer, const char *octets, size_t len)
{
    size_t room = (size_t)(writer->end - writer->at);
    len = len < room ? len : room;
    memcpy(writer->at, octets, len);
    writer->at += len;
    *writer->at = '\0';
}

void sf_write(struct sf_writer *writer, const char *text)
{
    sf_write_octets(writer, text, strlen(text));
}

void sf_write_number(struct sf_writer *writer, uint64_t n)
{
    char digits[DIGITS_MAX];
    size_t at = DIGITS_MAX;
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    sf_write_octets(writer, digits + at, DIGITS_MAX - at);
}

void sf_write_format(struct sf_writer *writer, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    for (;;) {
        size_t plain = strcspn(fmt, "%");
        sf_write_octets(writer, fmt, plain);
        fmt += plain;
        if (*fmt == '\0')
            break;
        if (fmt[1] == 's') {
            sf_write(writer, va_arg(args, const char *));
            fmt += 2;
        } else {
            assert(strncmp(fmt, "%llu", 4) == 0);
            sf_write_number(writer, va_arg(args, unsigned long long));
            fmt += 4;
        }
    }
    va_end(args);
}
