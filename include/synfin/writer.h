/* Text into an array of bounded size: what does not fit is left off. The sentences of a record are
 * made for every connection, where printf's generality would cost more than the analysis. */
#ifndef SYNFIN_WRITER_H
#define SYNFIN_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "synfin/error.h"

/* `end` is the place of the final NUL: at <= end, and *at is NUL after each call. */
struct sf_writer {
    char *at, *end;
};

/* An empty text in `out`, which holds `size` octets, at least 1. */
struct sf_writer sf_writer_of(char *out, size_t size);

void sf_write(struct sf_writer *writer, const char *text);
void sf_write_octets(struct sf_writer *writer, const char *octets, size_t len);
void sf_write_number(struct sf_writer *writer, uint64_t n);

/* printf with %s and %llu, no flags, no other conversions. */
void sf_write_format(struct sf_writer *writer, const char *fmt, ...) SF_PRINTF(2, 3);

#endif
