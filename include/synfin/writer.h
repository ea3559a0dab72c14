/* Text into an array of bounded size: what does not fit is left off. The sentences of a record are
 * made for every connection, where printf's generality would cost more than the analysis. */
#ifndef SYNFIN_WRITER_H
#define SYNFIN_WRITER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* `end` is the place of the final NUL: at <= end, and *at is NUL after each call. */
struct sf_writer {
    char *at, *end;
};

/* An empty text in `out`, which holds `size` octets, at least 1. */
struct sf_writer sf_writer_of(char *out, size_t size);

/* For sf_write_octets(): as many of the octets as there is room for. */
void sf_write_what_fits(struct sf_writer *writer, const char *octets);

static inline void sf_write_octets(struct sf_writer *writer, const char *octets, size_t len)
{
    if ((size_t)(writer->end - writer->at) < len) {
        sf_write_what_fits(writer, octets);
        return;
    }
    memcpy(writer->at, octets, len);
    writer->at += len;
    *writer->at = '\0';
}

/* Inline: of a text that the compiler knows it knows the length, too. */
static inline void sf_write(struct sf_writer *writer, const char *text)
{
    sf_write_octets(writer, text, strlen(text));
}

void sf_write_number(struct sf_writer *writer, uint64_t n);

#endif
