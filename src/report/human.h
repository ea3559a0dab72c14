/* Quantities for a person's eye: three digits or so, with a unit. */
#ifndef SYNFIN_REPORT_HUMAN_H
#define SYNFIN_REPORT_HUMAN_H

#include "synfin/buffer.h"

/* "0", "999", "1.2 kB", "34 MB": powers of 1000. */
void sf_put_human_octets(struct sf_buffer *buffer, uint64_t octets);

/* "0 s", "85 us", "1.25 ms", "12.3 s", "3m08s", "2h05m", "3d04h". */
void sf_put_human_span(struct sf_buffer *buffer, sf_ns span);

/* "1 234 567": groups of three from five digits on. */
void sf_put_human_count(struct sf_buffer *buffer, uint64_t n);

/* Columns of a terminal that UTF-8 text of single-width characters takes. */
size_t sf_text_columns(const char *text, size_t len);

#endif
