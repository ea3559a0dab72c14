/* The value of a field as plain text: what csv rows and chosen columns print. */
#ifndef SYNFIN_REPORT_FIELD_TEXT_H
#define SYNFIN_REPORT_FIELD_TEXT_H

#include "synfin/buffer.h"
#include "synfin/field.h"

/* Appends the value; nothing when it is null. Lists: ids and tunnels by ';', anomalies as
 * "name:count" by ';', timeline as "packet:end:STATE" by ';'. */
void sf_put_field_text(struct sf_buffer *buffer, const struct sf_field *field,
                       const struct sf_record *record);

#endif
