/* From the field table to a program of steps: fixed text, value, fixed text. One step per field,
 * and one before each object that may be null as a whole. */
#include "json_shape.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum { DEPTH_MAX = 4 };

struct sf_json_step {
    const struct sf_field *field; /* of a group: the field that decides whether it is null */
    bool is_group;
    bool may_be_absent;
    uint32_t before, before_len; /* in the literals */
    uint32_t after_len;          /* closing braces */
    size_t next;                 /* of a group: the step after its last */
};

static const char braces[] = "}}}}";
_Static_assert(sizeof braces > DEPTH_MAX, "closing braces for the deepest object");

static void put_null(struct sf_buffer *buffer)
{
    sf_put(buffer, "null", 4);
}

void sf_put_json_name(struct sf_buffer *buffer, const char *name)
{
    if (name == NULL) {
        put_null(buffer);
        return;
    }
    size_t len = strlen(name);
    char *at = sf_buffer_reserve(buffer, len + 2);
    if (at == NULL)
        return;
    at[0] = '"';
    memcpy(at + 1, name, len);
    at[len + 1] = '"';
    buffer->len += len + 2;
}

static void put_claim(struct sf_buffer *buffer, enum sf_tri claim)
{
    switch (claim) {
    case SF_TRI_FALSE: sf_put(buffer, "false", 5); return;
    case SF_TRI_TRUE: sf_put(buffer, "true", 4); return;
    case SF_TRI_UNKNOWN: put_null(buffer); return;
    }
}

#define PUT(buffer, literal) sf_put(buffer, literal, sizeof(literal) - 1)

static void put_timeline(struct sf_buffer *buffer, const struct sf_record *record)
{
    sf_put_char(buffer, '[');
    for (size_t i = 0; i < record->timeline_count; i++) {
        const struct sf_timeline_entry *entry = &record->timeline[i];
        if (i > 0)
            sf_put_char(buffer, ',');
        PUT(buffer, "{\"packet\":");
        sf_put_count(buffer, entry->packet);
        PUT(buffer, ",\"t\":");
        sf_put_seconds(buffer, entry->t_ns);
        PUT(buffer, ",\"end\":");
        sf_put_json_name(buffer, sf_role_name(entry->end));
        PUT(buffer, ",\"from\":");
        sf_put_json_name(buffer, sf_state_name(entry->from));
        PUT(buffer, ",\"to\":");
        sf_put_json_name(buffer, sf_state_name(entry->to));
        PUT(buffer, ",\"proved\":");
        put_claim(buffer, entry->proved ? SF_TRI_TRUE : SF_TRI_FALSE);
        PUT(buffer, ",\"cause\":");
        sf_put_json_name(buffer, sf_cause_name(entry->cause));
        sf_put_char(buffer, '}');
    }
    sf_put_char(buffer, ']');
}

static void put_anomalies(struct sf_buffer *buffer, const struct sf_record *record)
{
    sf_put_char(buffer, '[');
    for (size_t i = 0; i < record->anomaly_count; i++) {
        const struct sf_anomaly_entry *entry = &record->anomalies[i];
        if (i > 0)
            sf_put_char(buffer, ',');
        PUT(buffer, "{\"name\":");
        sf_put_json_name(buffer, sf_anomaly_name(entry->name));
        PUT(buffer, ",\"end\":");
        sf_put_json_name(buffer, sf_role_name(entry->end));
        PUT(buffer, ",\"severity\":");
        sf_put_json_name(buffer, sf_severity_name(entry->severity));
        PUT(buffer, ",\"count\":");
        sf_put_count(buffer, entry->count);
        PUT(buffer, ",\"first_packet\":");
        sf_put_count(buffer, entry->first_packet);
        PUT(buffer, ",\"last_packet\":");
        sf_put_count(buffer, entry->last_packet);
        PUT(buffer, ",\"detail\":");
        sf_put_json_string(buffer, entry->detail);
        sf_put_char(buffer, '}');
    }
    sf_put_char(buffer, ']');
}

static void put_vlans(struct sf_buffer *buffer, const struct sf_record *record)
{
    for (size_t i = 0; i < record->vlan_count; i++) {
        sf_put_char(buffer, i == 0 ? '[' : ',');
        sf_put_count(buffer, record->vlan[i]);
    }
    sf_put_char(buffer, ']');
}

static void put_tunnels(struct sf_buffer *buffer, const struct sf_record *record)
{
    for (size_t i = 0; i < record->tunnel_count; i++) {
        sf_put_char(buffer, i == 0 ? '[' : ',');
        PUT(buffer, "{\"type\":");
        sf_put_json_name(buffer, record->tunnel[i].type);
        PUT(buffer, ",\"id\":");
        sf_put_count(buffer, record->tunnel[i].id);
        sf_put_char(buffer, '}');
    }
    sf_put_char(buffer, ']');
}

static void put_text(struct sf_buffer *buffer, const char *text)
{
    if (text[0] == '\0')
        put_null(buffer);
    else
        sf_put_json_string(buffer, text);
}

static void put_span(struct sf_buffer *buffer, sf_ns span)
{
    if (sf_ns_known(span))
        sf_put_seconds(buffer, span);
    else
        put_null(buffer);
}

static void put_time(struct sf_buffer *buffer, sf_ns t)
{
    if (!sf_ns_known(t)) {
        put_null(buffer);
        return;
    }
    sf_put_char(buffer, '"');
    sf_put_time(buffer, t);
    sf_put_char(buffer, '"');
}

static void put_count(struct sf_buffer *buffer, uint64_t n)
{
    if (n == SF_COUNT_UNKNOWN)
        put_null(buffer);
    else
        sf_put_count(buffer, n);
}

static void put_real(struct sf_buffer *buffer, double x)
{
    if (isfinite(x))
        sf_put_real(buffer, x);
    else
        put_null(buffer);
}

static void put_value(struct sf_buffer *buffer, const struct sf_field *field,
                      const struct sf_record *record)
{
    const void *at = sf_field_at(field, record);
    switch (field->type) {
    case SF_FIELD_COUNT: put_count(buffer, *(const uint64_t *)at); return;
    case SF_FIELD_REAL: put_real(buffer, *(const double *)at); return;
    case SF_FIELD_TIME: put_time(buffer, *(const sf_ns *)at); return;
    case SF_FIELD_DURATION: put_span(buffer, *(const sf_ns *)at); return;
    case SF_FIELD_NAME: sf_put_json_name(buffer, *(const char *const *)at); return;
    case SF_FIELD_TEXT: put_text(buffer, at); return;
    case SF_FIELD_CLAIM: put_claim(buffer, *(const enum sf_tri *)at); return;
    case SF_FIELD_SEVERITY:
        sf_put_json_name(buffer, sf_severity_name(*(const enum sf_severity *)at));
        return;
    case SF_FIELD_VLANS: put_vlans(buffer, record); return;
    case SF_FIELD_TUNNELS: put_tunnels(buffer, record); return;
    case SF_FIELD_TIMELINE: put_timeline(buffer, record); return;
    case SF_FIELD_ANOMALIES: put_anomalies(buffer, record); return;
    }
}

static bool is_absent(const struct sf_field *field, const struct sf_record *record)
{
    return (field->type == SF_FIELD_VLANS && record->vlan_count == 0) ||
           (field->type == SF_FIELD_TUNNELS && record->tunnel_count == 0);
}

/* Literals are short: so many octets are copied in one go, whatever stands behind the literal. The
 * literals end with as many octets to spare. */
enum { LITERAL_COPY = 32 };

static void put_literal(struct sf_buffer *buffer, const char *literal, size_t len)
{
    char *at = len <= LITERAL_COPY ? sf_buffer_reserve(buffer, LITERAL_COPY) : NULL;
    if (at == NULL) {
        sf_put(buffer, literal, len);
        return;
    }
    memcpy(at, literal, LITERAL_COPY);
    buffer->len += len;
}

/* Two thirds of the fields are counts, most of them one digit. */
static void put_count_field(struct sf_buffer *buffer, const char *literal, size_t len, uint64_t n)
{
    char *at = n < 10 && len <= LITERAL_COPY ? sf_buffer_reserve(buffer, LITERAL_COPY + 1) : NULL;
    if (at == NULL) {
        put_literal(buffer, literal, len);
        put_count(buffer, n);
        return;
    }
    memcpy(at, literal, LITERAL_COPY);
    at[len] = (char)('0' + n);
    buffer->len += len + 1;
}

static void put_field(const struct sf_json_shape *shape, struct sf_buffer *buffer,
                      const struct sf_json_step *step, const struct sf_record *record)
{
    const struct sf_field *field = step->field;
    const char *before = shape->literals.data + step->before;
    if (step->may_be_absent && is_absent(field, record))
        return;
    if (field->type == SF_FIELD_COUNT) {
        put_count_field(buffer, before, step->before_len,
                        *(const uint64_t *)sf_field_at(field, record));
    } else {
        put_literal(buffer, before, step->before_len);
        put_value(buffer, field, record);
    }
    if (step->after_len > 0)
        sf_put(buffer, braces, step->after_len);
}

/* Opens the object, or prints it as null. Returns the step to go on with. */
static size_t put_group(const struct sf_json_shape *shape, struct sf_buffer *buffer, size_t at,
                        const struct sf_record *record)
{
    const struct sf_json_step *step = &shape->steps[at];
    sf_put(buffer, shape->literals.data + step->before, step->before_len);
    if (*(const char *const *)sf_field_at(step->field, record) != NULL) {
        sf_put_char(buffer, '{');
        return at + 1;
    }
    put_null(buffer);
    sf_put(buffer, braces, step->after_len);
    return step->next;
}

void sf_json_shape_put(const struct sf_json_shape *shape, struct sf_buffer *buffer,
                       const char *type, const struct sf_record *record)
{
    PUT(buffer, "{\"type\":");
    sf_put_json_name(buffer, type);
    for (size_t i = 0; i < shape->step_count;) {
        if (shape->steps[i].is_group)
            i = put_group(shape, buffer, i, record);
        else
            put_field(shape, buffer, &shape->steps[i++], record);
    }
    sf_put_char(buffer, '}');
}

/* Where the shape stands while it is made: the objects that are open. */
struct making {
    struct sf_json_shape *shape;
    size_t capacity;
    size_t depth;
    struct {
        const char *path; /* the field path that opened it; its first `len` octets name it */
        size_t len;
        size_t group; /* 1 + index of its group step, 0: never null as a whole */
    } open[DEPTH_MAX];
    bool is_first;  /* no comma is due */
    size_t literal; /* where the literal of the step at hand begins */
};

static struct sf_json_step *add_step(struct making *m, const struct sf_field *field)
{
    struct sf_json_shape *shape = m->shape;
    if (shape->step_count == m->capacity) {
        size_t capacity = m->capacity == 0 ? 256 : m->capacity * 2;
        struct sf_json_step *steps = realloc(shape->steps, capacity * sizeof *steps);
        if (steps == NULL)
            return NULL;
        shape->steps = steps;
        m->capacity = capacity;
    }
    struct sf_json_step *step = &shape->steps[shape->step_count++];
    *step = (struct sf_json_step){.field = field,
                                  .before = (uint32_t)m->literal,
                                  .before_len = (uint32_t)(shape->literals.len - m->literal)};
    m->literal = shape->literals.len;
    return step;
}

/* Closes open objects down to `depth`: braces after the last step, and after the null of a group.
 */
static void close_objects(struct making *m, size_t depth)
{
    struct sf_json_shape *shape = m->shape;
    if (m->depth > depth)
        shape->steps[shape->step_count - 1].after_len = (uint32_t)(m->depth - depth);
    while (m->depth > depth) {
        m->depth--;
        size_t group = m->open[m->depth].group;
        if (group == 0)
            continue;
        shape->steps[group - 1].next = shape->step_count;
        shape->steps[group - 1].after_len = (uint32_t)(m->depth - depth);
    }
}

static void put_key(struct making *m, const char *key, size_t len)
{
    struct sf_buffer *literals = &m->shape->literals;
    if (!m->is_first)
        sf_put_char(literals, ',');
    sf_put_char(literals, '"');
    sf_put(literals, key, len);
    sf_put(literals, "\":", 2);
    m->is_first = false;
}

static int open_object(struct making *m, const char *path, size_t begin, size_t len)
{
    char object[64];
    assert(m->depth < DEPTH_MAX && len < sizeof object);
    memcpy(object, path, len);
    object[len] = '\0';
    put_key(m, path + begin, len - begin);
    const struct sf_field *decides = sf_field_decides(object);
    m->open[m->depth].path = path;
    m->open[m->depth].len = len;
    m->open[m->depth].group = 0;
    if (decides != NULL) {
        struct sf_json_step *step = add_step(m, decides);
        if (step == NULL)
            return -1;
        step->is_group = true;
        m->open[m->depth].group = m->shape->step_count;
    } else {
        sf_put_char(&m->shape->literals, '{');
    }
    m->depth++;
    m->is_first = true;
    return 0;
}

/* How many of the open objects also hold this field. */
static size_t shared_depth(const struct making *m, const char *path)
{
    size_t depth = 0;
    while (depth < m->depth && strncmp(m->open[depth].path, path, m->open[depth].len) == 0 &&
           path[m->open[depth].len] == '.')
        depth++;
    return depth;
}

static int add_field(struct making *m, const struct sf_field *field)
{
    size_t shared = shared_depth(m, field->path);
    close_objects(m, shared);
    size_t begin = shared == 0 ? 0 : m->open[shared - 1].len + 1;
    const char *dot;
    while ((dot = strchr(field->path + begin, '.')) != NULL) {
        size_t len = (size_t)(dot - field->path);
        if (open_object(m, field->path, begin, len) != 0)
            return -1;
        begin = len + 1;
    }
    put_key(m, field->path + begin, strlen(field->path + begin));
    struct sf_json_step *step = add_step(m, field);
    if (step == NULL)
        return -1;
    step->may_be_absent = field->type == SF_FIELD_VLANS || field->type == SF_FIELD_TUNNELS;
    return 0;
}

static bool is_chosen(const struct sf_field *field, const struct sf_field *const *fields,
                      size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fields[i] == field)
            return true;
    return fields == NULL;
}

int sf_json_shape_make(struct sf_json_shape *shape, const struct sf_field *const *fields,
                       size_t count, struct sf_error *err)
{
    *shape = (struct sf_json_shape){0};
    struct making m = {.shape = shape};
    size_t field_count;
    const struct sf_field *table = sf_fields(&field_count);
    for (size_t i = 0; i < field_count; i++)
        if (is_chosen(&table[i], fields, fields == NULL ? 0 : count) &&
            add_field(&m, &table[i]) != 0)
            return sf_fail(err, "out of memory");
    close_objects(&m, 0);
    char *spare = sf_buffer_reserve(&shape->literals, LITERAL_COPY);
    if (spare != NULL)
        memset(spare, 0, LITERAL_COPY);
    return sf_buffer_check(&shape->literals, err);
}

void sf_json_shape_dispose(struct sf_json_shape *shape)
{
    free(shape->steps);
    sf_buffer_dispose(&shape->literals);
    *shape = (struct sf_json_shape){0};
}
