/* What a record tells, as text to be compared. */
#ifndef SYNFIN_TESTS_TOLD_H
#define SYNFIN_TESTS_TOLD_H

#include <stdbool.h>

#include "synfin/buffer.h"
#include "synfin/field.h"

/* A line: the field's path and its value. */
void told_field(struct sf_buffer *told, const struct sf_field *field,
                const struct sf_record *record);

/* A line for each entry of the timeline and for each anomaly. */
void told_lists(struct sf_buffer *told, const struct sf_record *record);

/* Whether the texts, both ended by a zero octet, are the same; otherwise the first lines that are
 * not are printed. */
bool told_same(const struct sf_buffer *first, const char *first_name, const struct sf_buffer *other,
               const char *other_name);

#endif
