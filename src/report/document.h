/* JSON documents that are not one line per connection, event or segment. */
#ifndef SYNFIN_REPORT_DOCUMENT_H
#define SYNFIN_REPORT_DOCUMENT_H

#include "synfin/buffer.h"

/* Appends the JSON Schema (2020-12) of every line. 0, or -1 with *err. */
int sf_document_schema(struct sf_buffer *buffer, struct sf_error *err);

#endif
