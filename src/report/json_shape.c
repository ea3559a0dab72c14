/* From the field table to a program of steps: fixed text, value, fixed text. One step per field,
 * and one before and one after each object that may be null as a whole. */
#include "json_shape.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "raw.h"

enum { DEPTH_MAX = 4 };

/* What stands between two values, and what kind of value follows. */
struct sf_json_step {
    uint32_t before; /* in the literals */
    uint8_t before_len;
    uint8_t kind;    /* enum sf_field_type, or a kind of step */
    uint32_t offset; /* of the field in the record */
    size_t next;     /* of a group: the step after it */
};

enum {
    STEP_GROUP = 0x40, /* an object that is null when the name at `offset` is NULL */
    STEP_TEXT,         /* no value follows */
};

/* Literals are copied so many octets at once, whatever stands behind them: every line has that much
 * room to spare, and so have the literals. */
enum { LITERAL_MAX = 32, SPARE = 64 };

static char *put(char *at, const char *text, size_t len)
{
    memcpy(at, text, len);
    return at + len;
}

#define PUT(at, literal) put(at, literal, sizeof(literal) - 1)

/* --- words that stand in many lines: quoted once -----------------------------------------------
 */

static void make_word(struct sf_json_word *word, const char *key, const char *name,
                      const char *after)
{
    int len = snprintf(word->text, sizeof word->text,
                       name == NULL ? ",\"%s\":null%s%s" : ",\"%s\":\"%s\"%s", key,
                       name == NULL ? "" : name, after);
    assert(len > 0 && (size_t)len < sizeof word->text);
    word->len = (uint8_t)len;
}

static void make_words(struct sf_json_shape *shape)
{
    for (int i = 0; i < SF_STATE_COUNT; i++) {
        const char *name = sf_state_name((enum sf_tcp_state)i);
        make_word(&shape->from[i], "from", name, "");
        make_word(&shape->to[i], "to", name, "");
    }
    for (int i = 0; i < SF_CAUSE_COUNT; i++)
        make_word(&shape->causes[i], "cause", sf_cause_name((enum sf_cause)i), "}");
    for (int i = 0; i <= SF_ROLE_COUNT; i++)
        make_word(&shape->ends[i], "end", sf_role_name((enum sf_role)(i - 1)), "");
}

static inline char *put_word(char *at, const struct sf_json_word *word)
{
    memcpy(at, word->text, sizeof word->text);
    return at + word->len;
}

/* --- values ------------------------------------------------------------------------------------
 */

static char *put_null(char *at)
{
    return PUT(at, "null");
}

/* Names are short. */
static char *put_name(char *at, const char *name)
{
    if (name == NULL)
        return put_null(at);
    *at++ = '"';
    while (*name != '\0')
        *at++ = *name++;
    *at++ = '"';
    return at;
}

void sf_put_json_name(struct sf_buffer *buffer, const char *name)
{
    size_t len = name == NULL ? 0 : strlen(name);
    char *at = sf_buffer_reserve(buffer, len + 4);
    if (at != NULL)
        buffer->len = (size_t)(put_name(at, name) - buffer->data);
}

static char *put_claim(char *at, enum sf_tri claim)
{
    switch (claim) {
    case SF_TRI_FALSE: return PUT(at, "false");
    case SF_TRI_TRUE: return PUT(at, "true");
    case SF_TRI_UNKNOWN: break;
    }
    return put_null(at);
}

enum { TIMELINE_ENTRY_ROOM = 32 + 2 * SF_RAW_ROOM + 5 * sizeof(struct sf_json_word) };

static char *put_timeline(char *at, const struct sf_json_shape *shape,
                          const struct sf_record *record)
{
    *at++ = '[';
    for (size_t i = 0; i < record->timeline_count; i++) {
        const struct sf_timeline_entry *entry = &record->timeline[i];
        if (i > 0)
            *at++ = ',';
        at = sf_digits(PUT(at, "{\"packet\":"), entry->packet);
        at = sf_raw_seconds(PUT(at, ",\"t\":"), entry->t_ns);
        at = put_word(at, &shape->ends[entry->end + 1]);
        at = put_word(at, &shape->from[entry->from]);
        at = put_word(at, &shape->to[entry->to]);
        at = entry->proved ? PUT(at, ",\"proved\":true") : PUT(at, ",\"proved\":false");
        at = put_word(at, &shape->causes[entry->cause]);
    }
    *at++ = ']';
    return at;
}

enum { ANOMALY_ROOM = 256 + 3 * SF_RAW_ROOM + 6 * SF_DETAIL_TEXT };

static char *put_anomalies(char *at, const struct sf_json_shape *shape,
                           const struct sf_record *record)
{
    *at++ = '[';
    for (size_t i = 0; i < record->anomaly_count; i++) {
        const struct sf_anomaly_entry *entry = &record->anomalies[i];
        if (i > 0)
            *at++ = ',';
        at = put_name(PUT(at, "{\"name\":"), sf_anomaly_name(entry->name));
        at = put_word(at, &shape->ends[entry->end + 1]);
        at = put_name(PUT(at, ",\"severity\":"), sf_severity_name(entry->severity));
        at = sf_digits(PUT(at, ",\"count\":"), entry->count);
        at = sf_digits(PUT(at, ",\"first_packet\":"), entry->first_packet);
        at = sf_digits(PUT(at, ",\"last_packet\":"), entry->last_packet);
        at = sf_raw_json_string(PUT(at, ",\"detail\":"), entry->detail, strlen(entry->detail));
        *at++ = '}';
    }
    *at++ = ']';
    return at;
}

static char *put_vlans(char *at, const struct sf_record *record)
{
    for (size_t i = 0; i < record->vlan_count; i++) {
        *at++ = i == 0 ? '[' : ',';
        at = sf_digits(at, record->vlan[i]);
    }
    *at++ = ']';
    return at;
}

static char *put_tunnels(char *at, const struct sf_record *record)
{
    for (size_t i = 0; i < record->tunnel_count; i++) {
        *at++ = i == 0 ? '[' : ',';
        at = put_name(PUT(at, "{\"type\":"), record->tunnel[i].type);
        at = sf_digits(PUT(at, ",\"id\":"), record->tunnel[i].id);
        *at++ = '}';
    }
    *at++ = ']';
    return at;
}

static char *put_text(char *at, const char *text)
{
    size_t len = strlen(text);
    return len == 0 ? put_null(at) : sf_raw_json_string(at, text, len);
}

static char *put_time(struct sf_buffer *buffer, char *at, sf_ns t)
{
    if (!sf_ns_known(t))
        return put_null(at);
    *at = '"';
    at = sf_raw_time(buffer, at + 1, t);
    *at = '"';
    return at + 1;
}

static inline char *put_count(char *at, uint64_t n)
{
    if (n < 10) {
        *at = (char)('0' + n);
        return at + 1;
    }
    return n == SF_COUNT_UNKNOWN ? put_null(at) : sf_digits(at, n);
}

static char *put_value(char *at, const struct sf_json_shape *shape, struct sf_buffer *buffer,
                       const struct sf_json_step *step, const struct sf_record *record)
{
    const void *value = (const char *)record + step->offset;
    switch ((enum sf_field_type)step->kind) {
    case SF_FIELD_COUNT: return put_count(at, *(const uint64_t *)value);
    case SF_FIELD_REAL: {
        double x = *(const double *)value;
        return isfinite(x) ? sf_raw_real(at, x) : put_null(at);
    }
    case SF_FIELD_TIME: return put_time(buffer, at, *(const sf_ns *)value);
    case SF_FIELD_DURATION: {
        sf_ns span = *(const sf_ns *)value;
        return sf_ns_known(span) ? sf_raw_seconds(at, span) : put_null(at);
    }
    case SF_FIELD_NAME: return put_name(at, *(const char *const *)value);
    case SF_FIELD_TEXT: return put_text(at, value);
    case SF_FIELD_CLAIM: return put_claim(at, *(const enum sf_tri *)value);
    case SF_FIELD_SEVERITY: return put_name(at, sf_severity_name(*(const enum sf_severity *)value));
    case SF_FIELD_VLANS: return put_vlans(at, record);
    case SF_FIELD_TUNNELS: return put_tunnels(at, record);
    case SF_FIELD_TIMELINE: return put_timeline(at, shape, record);
    case SF_FIELD_ANOMALIES: return put_anomalies(at, shape, record);
    }
    return at;
}

/* Room for a field's value, but for what lists need for each entry. */
static size_t value_room(const struct sf_field *field)
{
    switch (field->type) {
    case SF_FIELD_TEXT: return sf_raw_json_room(field->size);
    case SF_FIELD_TUNNELS: return SF_TUNNEL_MAX * 3 * SF_RAW_ROOM;
    case SF_FIELD_VLANS:
    case SF_FIELD_COUNT:
    case SF_FIELD_REAL:
    case SF_FIELD_TIME:
    case SF_FIELD_DURATION:
    case SF_FIELD_NAME:
    case SF_FIELD_CLAIM:
    case SF_FIELD_SEVERITY:
    case SF_FIELD_TIMELINE:
    case SF_FIELD_ANOMALIES: break;
    }
    return SF_RAW_ROOM;
}

/* --- a line ------------------------------------------------------------------------------------
 */

static bool is_absent(const struct sf_json_step *step, const struct sf_record *record)
{
    return (step->kind == SF_FIELD_VLANS && record->vlan_count == 0) ||
           (step->kind == SF_FIELD_TUNNELS && record->tunnel_count == 0);
}

/* Opens the object, or prints it as null. Returns the step to go on with. */
static const struct sf_json_step *put_group(char **at, const struct sf_json_shape *shape,
                                            const struct sf_json_step *step,
                                            const struct sf_record *record)
{
    if (*(const char *const *)((const char *)record + step->offset) == NULL) {
        *at = put_null(*at);
        return shape->steps + step->next;
    }
    *(*at)++ = '{';
    return step + 1;
}

static char *put_steps(char *at, const struct sf_json_shape *shape, struct sf_buffer *buffer,
                       const struct sf_record *record)
{
    const char *literals = shape->literals.data;
    const struct sf_json_step *step = shape->steps, *end = step + shape->step_count;
    while (step < end) {
        memcpy(at, literals + step->before, LITERAL_MAX);
        if (step->kind == SF_FIELD_COUNT) { /* two thirds of the fields */
            const char *value = (const char *)record + step->offset;
            at = put_count(at + step->before_len, *(const uint64_t *)value);
        } else if (step->kind == STEP_TEXT) {
            at += step->before_len;
        } else if (step->kind == STEP_GROUP) {
            at += step->before_len;
            step = put_group(&at, shape, step, record);
            continue;
        } else if (!is_absent(step, record)) {
            at = put_value(at + step->before_len, shape, buffer, step, record);
        }
        step++;
    }
    return at;
}

void sf_json_shape_put(const struct sf_json_shape *shape, struct sf_buffer *buffer,
                       const char *type, const struct sf_record *record)
{
    size_t room = shape->room + strlen(type) + record->timeline_count * TIMELINE_ENTRY_ROOM +
                  record->anomaly_count * ANOMALY_ROOM;
    char *at = sf_buffer_reserve(buffer, room);
    if (at == NULL)
        return;
    at = put_name(PUT(at, "{\"type\":"), type);
    at = put_steps(at, shape, buffer, record);
    buffer->len = (size_t)(at - buffer->data);
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

static struct sf_json_step *add_one_step(struct making *m, uint8_t kind, size_t len)
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
    *step = (struct sf_json_step){
        .before = (uint32_t)m->literal, .before_len = (uint8_t)len, .kind = kind};
    m->literal += len;
    return step;
}

/* Adds a step after the literal at hand; a long one goes in pieces before. */
static struct sf_json_step *add_step(struct making *m, uint8_t kind)
{
    while (m->shape->literals.len - m->literal > LITERAL_MAX)
        if (add_one_step(m, STEP_TEXT, LITERAL_MAX) == NULL)
            return NULL;
    return add_one_step(m, kind, m->shape->literals.len - m->literal);
}

/* Closes open objects down to `depth`. What ends a group is a step of its own, which is left out
 * when the group is null. */
static int close_objects(struct making *m, size_t depth)
{
    struct sf_json_shape *shape = m->shape;
    while (m->depth > depth) {
        sf_put_char(&shape->literals, '}');
        size_t group = m->open[--m->depth].group;
        if (group == 0)
            continue;
        if (add_step(m, STEP_TEXT) == NULL)
            return -1;
        shape->steps[group - 1].next = shape->step_count;
    }
    return 0;
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
        struct sf_json_step *step = add_step(m, STEP_GROUP);
        if (step == NULL)
            return -1;
        step->offset = decides->offset;
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
    bool may_be_absent = field->type == SF_FIELD_VLANS || field->type == SF_FIELD_TUNNELS;
    if (close_objects(m, shared) != 0)
        return -1;
    if (may_be_absent && add_step(m, STEP_TEXT) == NULL) /* closing braces are no part of it */
        return -1;
    size_t begin = shared == 0 ? 0 : m->open[shared - 1].len + 1;
    const char *dot;
    while ((dot = strchr(field->path + begin, '.')) != NULL) {
        size_t len = (size_t)(dot - field->path);
        if (open_object(m, field->path, begin, len) != 0)
            return -1;
        begin = len + 1;
    }
    put_key(m, field->path + begin, strlen(field->path + begin));
    struct sf_json_step *step = add_step(m, (uint8_t)field->type);
    if (step == NULL)
        return -1;
    step->offset = field->offset;
    m->shape->room += value_room(field);
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
    int closed = close_objects(&m, 0);
    sf_put_char(&shape->literals, '}');
    if (closed != 0 || add_step(&m, STEP_TEXT) == NULL)
        return sf_fail(err, "out of memory");
    make_words(shape);
    shape->room += shape->literals.len + shape->step_count * sizeof "null" + SPARE;
    char *spare = sf_buffer_reserve(&shape->literals, LITERAL_MAX);
    if (spare != NULL)
        memset(spare, 0, LITERAL_MAX);
    return sf_buffer_check(&shape->literals, err);
}

void sf_json_shape_dispose(struct sf_json_shape *shape)
{
    free(shape->steps);
    sf_buffer_dispose(&shape->literals);
    *shape = (struct sf_json_shape){0};
}
