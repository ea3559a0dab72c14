/* A connection as one JSON object: the fixed text between the values is worked out once. */
#ifndef SYNFIN_REPORT_JSON_SHAPE_H
#define SYNFIN_REPORT_JSON_SHAPE_H

#include "synfin/buffer.h"
#include "synfin/field.h"

struct sf_json_step;

/* A member with its comma, `,"end":"client"`. */
struct sf_json_word {
    char text[63];
    uint8_t len;
};

/* Zero until made. */
struct sf_json_shape {
    struct sf_json_step *steps;
    size_t step_count;
    size_t room;               /* for a line, but for the entries of its lists */
    struct sf_buffer literals; /* the steps' texts point into it */
    struct sf_json_word from[SF_STATE_COUNT], to[SF_STATE_COUNT], causes[SF_CAUSE_COUNT];
    struct sf_json_word ends[SF_ROLE_COUNT + 1]; /* from SF_ROLE_NONE on */
};

/* For `count` chosen fields, or all when fields is NULL; they stand in the order of the table
 * whatever order they were chosen in, since an object appears once. 0, or -1 with *err. */
int sf_json_shape_make(struct sf_json_shape *shape, const struct sf_field *const *fields,
                       size_t count, struct sf_error *err);

/* Appends the object {"type":type, ...} without a line end. */
void sf_json_shape_put(const struct sf_json_shape *shape, struct sf_buffer *buffer,
                       const char *type, const struct sf_record *record);

void sf_json_shape_dispose(struct sf_json_shape *shape);

/* "name" or null. */
void sf_put_json_name(struct sf_buffer *buffer, const char *name);

#endif
