/* The words of the reports, printed from the tables that the program itself uses. */
#ifndef SYNFIN_VOCABULARY_H
#define SYNFIN_VOCABULARY_H

#include <stdio.h>

#include "synfin/error.h"

/* Every field of a connection: path, type, unit, values, meaning. */
void sf_vocabulary_fields(FILE *out);

/* Every anomaly: name, severity, definition. */
void sf_vocabulary_anomalies(FILE *out);

/* One anomaly by name; -1 with *err when there is none of that name. */
int sf_vocabulary_anomaly(FILE *out, const char *name, struct sf_error *err);

/* The JSON Schema (2020-12) of every line of the JSON output. 0, or -1 with *err. */
int sf_vocabulary_schema(FILE *out, struct sf_error *err);

#endif
