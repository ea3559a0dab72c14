/* Documents built as trees: the meta and end lines and the schema of all lines. The program's only
 * user of jansson. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "document.h"
#include "report_internal.h"
#include "synfin/finding.h"

/* File names may hold octets that are not UTF-8, which jansson refuses: cleaned as everywhere. */
static json_t *string_of(const char *text)
{
    if (text == NULL)
        return json_null();
    json_t *string = json_string(text);
    if (string != NULL)
        return string;
    struct sf_buffer buffer = {0};
    sf_put_json_string(&buffer, text);
    string = buffer.failed ? NULL : json_loadb(buffer.data, buffer.len, JSON_DECODE_ANY, NULL);
    sf_buffer_dispose(&buffer);
    return string;
}

static json_t *count_of(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *time_of(sf_ns t)
{
    char text[SF_TIME_TEXT];
    if (!sf_ns_known(t))
        return json_null();
    sf_time_rfc3339(text, t);
    return json_string(text);
}

/* Appends the tree as one line's text and gives it back. A tree that lacks memory is NULL. */
static int put_tree(struct sf_buffer *buffer, json_t *tree, size_t flags, struct sf_error *err)
{
    char *text = tree == NULL ? NULL : json_dumps(tree, flags);
    json_decref(tree);
    if (text == NULL)
        return sf_fail(err, "out of memory");
    sf_put_text(buffer, text);
    free(text);
    return sf_buffer_check(buffer, err);
}

static json_t *strings_of(const char *const *texts, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, string_of(texts[i]));
    return list;
}

/* "name=value" becomes a member; a value that is empty stands for true. */
static json_t *options_of(const struct sf_meta *meta)
{
    json_t *object = json_object();
    for (size_t i = 0; i < meta->option_count; i++) {
        const char *equals = strchr(meta->options[i], '=');
        size_t len = equals != NULL ? (size_t)(equals - meta->options[i]) : 0;
        char name[64];
        if (equals == NULL || len >= sizeof name)
            continue;
        memcpy(name, meta->options[i], len);
        name[len] = '\0';
        json_object_set_new(object, name, equals[1] == '\0' ? json_true() : string_of(equals + 1));
    }
    return object;
}

int sf_document_meta(struct sf_buffer *buffer, const struct sf_meta *meta, struct sf_error *err)
{
    json_t *tree =
        json_pack("{s:s, s:s, s:o, s:o, s:o}", "type", "meta", "schema", "synfin/1", "version",
                  string_of(meta->version), "inputs", strings_of(meta->inputs, meta->input_count),
                  "options", options_of(meta));
    return put_tree(buffer, tree, JSON_COMPACT, err);
}

static json_t *undecoded_of(const struct sf_summary *summary)
{
    json_t *object = json_object();
    for (unsigned v = SF_VERDICT_OK + 1; v < SF_VERDICT_COUNT; v++)
        json_object_set_new(object, sf_verdict_name((enum sf_verdict)v),
                            count_of(summary->undecoded[v]));
    return object;
}

static json_t *counts_of(const struct sf_name_count *counts)
{
    json_t *object = json_object();
    for (; counts != NULL && counts->name != NULL; counts++)
        json_object_set_new(object, counts->name, count_of(counts->count));
    return object;
}

static json_t *inputs_of(const struct sf_summary *summary)
{
    json_t *list = json_array();
    for (size_t i = 0; i < summary->input_count; i++) {
        const struct sf_input_report *in = &summary->inputs[i];
        bool has_error = in->damaged || in->unreadable;
        json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:o, s:b, s:b, s:o}", "name",
                                              string_of(in->name), "format", string_of(in->format),
                                              "compression", string_of(in->compression), "packets",
                                              count_of(in->packets), "damaged", in->damaged,
                                              "unreadable", in->unreadable, "error",
                                              string_of(has_error ? in->error.text : NULL)));
    }
    return list;
}

static json_t *findings_of(const struct sf_summary *summary)
{
    json_t *list = json_array();
    for (size_t i = 0; i < summary->finding_count; i++) {
        const struct sf_finding *f = &summary->findings[i];
        json_array_append_new(
            list, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "name", f->name, "source",
                            string_of(f->source), "target", string_of(f->target), "connections",
                            count_of(f->connections), "first_time", time_of(f->first_ns),
                            "last_time", time_of(f->last_ns), "detail", string_of(f->detail)));
    }
    return list;
}

static int set(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value);
}

int sf_document_end(struct sf_buffer *buffer, const struct sf_summary *summary,
                    struct sf_error *err)
{
    json_t *tree = json_object();
    int lost = set(tree, "type", json_string("end"));
    lost |= set(tree, "packets", count_of(summary->packets));
    lost |= set(tree, "tcp_packets", count_of(summary->tcp_packets));
    lost |= set(tree, "undecoded", undecoded_of(summary));
    lost |= set(tree, "connections", count_of(summary->connections));
    lost |= set(tree, "capture_duplicates", count_of(summary->capture_duplicates));
    json_t *dropped = summary->is_dropped_known ? count_of(summary->dropped) : json_null();
    lost |= set(tree, "dropped", dropped);
    lost |= set(tree, "evicted", count_of(summary->evicted));
    lost |= set(tree, "late_segments", count_of(summary->late_segments));
    lost |= set(tree, "truncated_input", json_boolean(summary->truncated_input));
    lost |= set(tree, "inputs", inputs_of(summary));
    lost |= set(tree, "first_time", time_of(summary->first_ns));
    lost |= set(tree, "last_time", time_of(summary->last_ns));
    lost |= set(tree, "open_how", counts_of(summary->open_how));
    lost |= set(tree, "close_how", counts_of(summary->close_how));
    lost |= set(tree, "anomalies", counts_of(summary->anomalies));
    lost |= set(tree, "findings", findings_of(summary));
    if (lost != 0) {
        json_decref(tree);
        return sf_fail(err, "out of memory");
    }
    return put_tree(buffer, tree, JSON_COMPACT, err);
}

/* Words separated by blanks as a list of strings; with null at the end when that is allowed. */
static json_t *words_of(const char *words, bool is_nullable)
{
    json_t *list = json_array();
    while (*words != '\0') {
        size_t len = strcspn(words, " ");
        json_array_append_new(list, json_stringn(words, len));
        words += len + (words[len] == ' ');
    }
    if (is_nullable)
        json_array_append_new(list, json_null());
    return list;
}

static json_t *enum_of(const char *words, bool is_nullable)
{
    return json_pack("{s:o}", "enum", words_of(words, is_nullable));
}

static json_t *type_of(const char *type, bool is_nullable)
{
    if (is_nullable)
        return json_pack("{s:[s,s]}", "type", type, "null");
    return json_pack("{s:s}", "type", type);
}

static json_t *count_type(bool is_nullable)
{
    json_t *schema = type_of("integer", is_nullable);
    set(schema, "minimum", json_integer(0));
    return schema;
}

static json_t *time_type(bool is_nullable)
{
    json_t *schema = type_of("string", is_nullable);
    set(schema, "pattern",
        json_string("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{9}Z$"));
    return schema;
}

static json_t *list_type(json_t *items)
{
    return json_pack("{s:s, s:o}", "type", "array", "items", items);
}

/* An object that has exactly the properties to be added, all required unless said otherwise. */
static json_t *object_type(void)
{
    return json_pack("{s:s, s:b, s:{}, s:[]}", "type", "object", "additionalProperties", 0,
                     "properties", "required");
}

static void add_optional(json_t *object, const char *name, json_t *schema)
{
    set(json_object_get(object, "properties"), name, schema);
}

static void add_property(json_t *object, const char *name, json_t *schema)
{
    add_optional(object, name, schema);
    json_array_append_new(json_object_get(object, "required"), json_string(name));
}

static const char roles[] = "client server";
static const char severities[] = "ok note warning problem";

static json_t *states_type(bool is_nullable)
{
    return enum_of(sf_field_find("client.state")->values, is_nullable);
}

static json_t *causes_type(void)
{
    json_t *names = json_array();
    for (unsigned i = 0; i < SF_CAUSE_COUNT; i++)
        json_array_append_new(names, json_string(sf_cause_name((enum sf_cause)i)));
    return json_pack("{s:o}", "enum", names);
}

static json_t *anomaly_names_type(void)
{
    json_t *names = json_array();
    for (unsigned i = 0; i < SF_ANOMALY_COUNT; i++)
        json_array_append_new(names, json_string(sf_anomaly_name((enum sf_anomaly)i)));
    return json_pack("{s:o}", "enum", names);
}

static json_t *labels_type(void)
{
    json_t *names = json_array();
    for (unsigned i = 0; i < SF_LABEL_COUNT; i++)
        json_array_append_new(names, json_string(sf_label_name((enum sf_label)i)));
    return list_type(json_pack("{s:o}", "enum", names));
}

/* {"from": ..., "to": ..., "proved": ..., "cause": ...} */
static void add_state_change(json_t *object)
{
    add_property(object, "from", states_type(true));
    add_property(object, "to", states_type(true));
    add_property(object, "proved", type_of("boolean", false));
    add_property(object, "cause", causes_type());
}

static json_t *timeline_type(void)
{
    json_t *entry = object_type();
    add_property(entry, "packet", count_type(false));
    add_property(entry, "t", type_of("number", false));
    add_property(entry, "end", enum_of(roles, false));
    add_state_change(entry);
    return list_type(entry);
}

static json_t *anomalies_type(void)
{
    json_t *entry = object_type();
    add_property(entry, "name", anomaly_names_type());
    add_property(entry, "end", enum_of(roles, true));
    add_property(entry, "severity", enum_of(severities, false));
    add_property(entry, "count", count_type(false));
    add_property(entry, "first_packet", count_type(false));
    add_property(entry, "last_packet", count_type(false));
    add_property(entry, "detail", type_of("string", false));
    return list_type(entry);
}

static json_t *tunnels_type(void)
{
    json_t *entry = object_type();
    add_property(entry, "type", type_of("string", false));
    add_property(entry, "id", count_type(false));
    return list_type(entry);
}

static json_t *value_type(const struct sf_field *field)
{
    switch (field->type) {
    case SF_FIELD_COUNT: return count_type(field->is_nullable);
    case SF_FIELD_REAL:
    case SF_FIELD_DURATION: return type_of("number", field->is_nullable);
    case SF_FIELD_TIME: return time_type(field->is_nullable);
    case SF_FIELD_NAME:
    case SF_FIELD_SEVERITY: return enum_of(field->values, field->is_nullable);
    case SF_FIELD_TEXT: return type_of("string", field->is_nullable);
    case SF_FIELD_CLAIM: return type_of("boolean", field->is_nullable);
    case SF_FIELD_VLANS: return list_type(count_type(false));
    case SF_FIELD_TUNNELS: return tunnels_type();
    case SF_FIELD_TIMELINE: return timeline_type();
    case SF_FIELD_ANOMALIES: return anomalies_type();
    }
    return NULL;
}

/* The object of that path inside `parent`, made when it is not there yet. */
static json_t *child_object(json_t *parent, const char *path, size_t begin, size_t len)
{
    char key[64], object_path[64];
    snprintf(object_path, sizeof object_path, "%.*s", (int)len, path);
    snprintf(key, sizeof key, "%s", object_path + begin);
    json_t *child = json_object_get(json_object_get(parent, "properties"), key);
    if (child != NULL)
        return child;
    child = object_type();
    if (sf_field_decides(object_path) != NULL)
        set(child, "type", json_pack("[s,s]", "object", "null"));
    add_property(parent, key, child);
    return child;
}

static void add_field(json_t *object, const struct sf_field *field)
{
    size_t begin = 0;
    const char *dot;
    while ((dot = strchr(field->path + begin, '.')) != NULL) {
        size_t len = (size_t)(dot - field->path);
        object = child_object(object, field->path, begin, len);
        begin = len + 1;
    }
    json_t *schema = value_type(field);
    set(schema, "description", json_string(field->text));
    if (field->type == SF_FIELD_VLANS || field->type == SF_FIELD_TUNNELS)
        add_optional(object, field->path + begin, schema);
    else
        add_property(object, field->path + begin, schema);
}

static json_t *line_type(const char *type)
{
    json_t *line = object_type();
    add_property(line, "type", json_pack("{s:s}", "const", type));
    return line;
}

static json_t *connection_type(const char *type)
{
    size_t count;
    const struct sf_field *fields = sf_fields(&count);
    json_t *line = line_type(type);
    for (size_t i = 0; i < count; i++)
        add_field(line, &fields[i]);
    return line;
}

/* The connection so far: whoever reads it must not take it for its end. */
static json_t *update_type(void)
{
    json_t *line = connection_type("connection.update");
    set(json_object_get(line, "properties"), "ended_by",
        json_pack("{s:s, s:s}", "type", "null", "description", "it is open"));
    return line;
}

static json_t *meta_type(void)
{
    json_t *line = line_type("meta");
    add_property(line, "schema", json_pack("{s:s}", "const", "synfin/1"));
    add_property(line, "version", type_of("string", false));
    add_property(line, "inputs", list_type(type_of("string", false)));
    add_property(line, "options",
                 json_pack("{s:s, s:{s:[s,s]}}", "type", "object", "additionalProperties", "type",
                           "string", "boolean"));
    return line;
}

/* Lines come with their packet; a SYN learnt later turns the roles of the record only. */
static json_t *role_so_far_type(void)
{
    json_t *type = enum_of(roles, true);
    set(type, "description",
        json_string("as known at this packet; the connection line has the roles as known at last"));
    return type;
}

static json_t *address_so_far_type(void)
{
    json_t *type = object_type();
    add_property(type, "ip", type_of("string", false));
    add_property(type, "port", count_type(false));
    set(type, "description", json_string("by the roles as known at this packet"));
    return type;
}

static json_t *event_type(const char *kind)
{
    json_t *line = line_type("event");
    add_property(line, "packet", count_type(false));
    add_property(line, "time", time_type(false));
    add_property(line, "t", type_of("number", false));
    add_property(line, "conn", count_type(false));
    add_property(line, "client", address_so_far_type());
    add_property(line, "server", address_so_far_type());
    add_property(line, "end", role_so_far_type());
    add_property(line, "kind", json_pack("{s:s}", "const", kind));
    return line;
}

static json_t *state_event_type(void)
{
    json_t *line = event_type("state");
    add_state_change(line);
    return line;
}

static json_t *anomaly_event_type(void)
{
    json_t *line = event_type("anomaly");
    add_property(line, "name", anomaly_names_type());
    add_property(line, "severity", enum_of(severities, false));
    add_property(line, "detail", type_of("string", false));
    return line;
}

static json_t *segment_type(void)
{
    json_t *line = line_type("segment");
    add_property(line, "packet", count_type(false));
    add_property(line, "t", type_of("number", false));
    add_property(line, "conn", count_type(false));
    add_property(line, "from", role_so_far_type());
    add_property(line, "flags", type_of("string", false));
    add_property(line, "seq", type_of("integer", false));
    add_property(line, "ack", type_of("integer", true));
    add_property(line, "len", count_type(false));
    add_property(line, "window", count_type(false));
    add_property(line, "labels", labels_type());
    add_property(line, "wireshark", labels_type());
    add_property(line, "rtt", type_of("number", true));
    add_property(line, "in_flight", count_type(false));
    return line;
}

static json_t *counts_type(const char *words)
{
    json_t *object = object_type();
    json_t *names = words_of(words, false);
    for (size_t i = 0; i < json_array_size(names); i++)
        add_property(object, json_string_value(json_array_get(names, i)), count_type(false));
    json_decref(names);
    return object;
}

static json_t *undecoded_type(void)
{
    json_t *object = object_type();
    for (unsigned v = SF_VERDICT_OK + 1; v < SF_VERDICT_COUNT; v++)
        add_property(object, sf_verdict_name((enum sf_verdict)v), count_type(false));
    return object;
}

static json_t *anomaly_counts_type(void)
{
    json_t *object = object_type();
    for (unsigned i = 0; i < SF_ANOMALY_COUNT; i++)
        add_property(object, sf_anomaly_name((enum sf_anomaly)i), count_type(false));
    return object;
}

static json_t *input_type(void)
{
    json_t *object = object_type();
    add_property(object, "name", type_of("string", false));
    add_property(object, "format", type_of("string", true));
    add_property(object, "compression", type_of("string", true));
    add_property(object, "packets", count_type(false));
    add_property(object, "damaged", type_of("boolean", false));
    add_property(object, "unreadable", type_of("boolean", false));
    add_property(object, "error", type_of("string", true));
    return object;
}

static json_t *finding_type(void)
{
    json_t *object = object_type();
    json_t *names = json_array();
    for (const struct sf_finding_kind *kind = sf_finding_kinds(); kind->name != NULL; kind++)
        json_array_append_new(names, json_string(kind->name));
    add_property(object, "name", json_pack("{s:o}", "enum", names));
    add_property(object, "source", type_of("string", true));
    add_property(object, "target", type_of("string", true));
    add_property(object, "connections", count_type(false));
    add_property(object, "first_time", time_type(true));
    add_property(object, "last_time", time_type(true));
    add_property(object, "detail", type_of("string", false));
    return object;
}

static json_t *end_type(void)
{
    static const char *const counts[] = {
        "packets", "tcp_packets", "connections",  "capture_duplicates",
        "dropped", "evicted",     "late_segments"};
    json_t *line = line_type("end");
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        add_property(line, counts[i], count_type(strcmp(counts[i], "dropped") == 0));
    add_property(line, "undecoded", undecoded_type());
    add_property(line, "truncated_input", type_of("boolean", false));
    add_property(line, "inputs", list_type(input_type()));
    add_property(line, "first_time", time_type(true));
    add_property(line, "last_time", time_type(true));
    add_property(line, "open_how", counts_type(sf_field_find("open.how")->values));
    add_property(line, "close_how", counts_type(sf_field_find("close.how")->values));
    add_property(line, "anomalies", anomaly_counts_type());
    add_property(line, "findings", list_type(finding_type()));
    return line;
}

int sf_document_schema(struct sf_buffer *buffer, struct sf_error *err)
{
    json_t *lines =
        json_pack("[o,o,o,o,o,o,o]", meta_type(), connection_type("connection"), update_type(),
                  state_event_type(), anomaly_event_type(), segment_type(), end_type());
    json_t *tree =
        json_pack("{s:s, s:s, s:s, s:o}", "$schema", "https://json-schema.org/draft/2020-12/schema",
                  "title", "synfin/1: one line of JSON output", "description",
                  "Every line without --fields; with it, connections hold only the "
                  "chosen fields.",
                  "oneOf", lines);
    if (put_tree(buffer, tree, JSON_INDENT(1), err) != 0)
        return -1;
    sf_put_char(buffer, '\n');
    return sf_buffer_check(buffer, err);
}
