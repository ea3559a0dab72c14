/* Text into an array of bounded size. */
#include "synfin/writer.h"

#include <assert.h>

#include "synfin/digits.h"

struct sf_writer sf_writer_of(char *out, size_t size)
{
    assert(size > 0);
    *out = '\0';
    return (struct sf_writer){out, out + size - 1};
}

void sf_write_what_fits(struct sf_writer *writer, const char *octets)
{
    memcpy(writer->at, octets, (size_t)(writer->end - writer->at));
    writer->at = writer->end;
    *writer->at = '\0';
}

void sf_write_number(struct sf_writer *writer, uint64_t n)
{
    if (writer->end - writer->at >= SF_DIGITS_MAX) {
        writer->at = sf_digits(writer->at, n);
        *writer->at = '\0';
        return;
    }
    char digits[SF_DIGITS_MAX];
    sf_write_octets(writer, digits, (size_t)(sf_digits(digits, n) - digits));
}
