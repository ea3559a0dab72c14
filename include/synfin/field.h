/* The one table of a connection record's fields: every format, expression, schema and help text
 * walks it. */
#ifndef SYNFIN_FIELD_H
#define SYNFIN_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "synfin/record.h"

enum sf_field_type {
    SF_FIELD_COUNT,     /* uint64_t, SF_COUNT_UNKNOWN is null */
    SF_FIELD_REAL,      /* double, NAN is null */
    SF_FIELD_TIME,      /* sf_ns since the epoch, RFC 3339 */
    SF_FIELD_DURATION,  /* sf_ns, printed in seconds */
    SF_FIELD_NAME,      /* const char *, one of `values`, NULL is null */
    SF_FIELD_TEXT,      /* char[], empty is null */
    SF_FIELD_CLAIM,     /* enum sf_tri */
    SF_FIELD_SEVERITY,  /* enum sf_severity, by name; compares by rank in expressions */
    SF_FIELD_VLANS,     /* list, absent when empty */
    SF_FIELD_TUNNELS,   /* list, absent when empty */
    SF_FIELD_TIMELINE,  /* list of objects */
    SF_FIELD_ANOMALIES, /* list of objects */
};

struct sf_field {
    const char *path; /* "client.rtt.p95": objects by dots */
    enum sf_field_type type;
    uint32_t offset, size; /* of the member in struct sf_record */
    bool is_nullable;
    const char *unit;   /* "s" "octets" "packets" ... or "" */
    const char *values; /* of a NAME: "fin simultaneous ..." separated by blanks, or NULL */
    const char *text;   /* one line for a person */
};

/* All fields in the order of the JSON line (the fields of `client`, then of `server`, stand in
 * their place). */
const struct sf_field *sf_fields(size_t *count);

/* The field of that path, or NULL. */
const struct sf_field *sf_field_find(const char *path);

/* Objects that are null as a whole when the field of that path is null: "close.reset" by
 * "close.reset.by". Returns the deciding field or NULL. */
const struct sf_field *sf_field_decides(const char *object_path);

/* Access to the value in a record. */
static inline const void *sf_field_at(const struct sf_field *field, const struct sf_record *record)
{
    return (const char *)record + field->offset;
}

#endif
