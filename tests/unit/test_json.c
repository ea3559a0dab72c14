/* Every line of the JSON sink, read again with jansson and compared with what went in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "synfin/field.h"
#include "synfin/sink.h"

enum filling { ALL_UNKNOWN, ALL_LARGEST, ALL_ZERO };

static void fill_field(struct sf_record *record, const struct sf_field *field, enum filling how)
{
    void *at = (char *)record + field->offset;
    switch (field->type) {
    case SF_FIELD_COUNT:
        *(uint64_t *)at = how == ALL_UNKNOWN   ? SF_COUNT_UNKNOWN
                          : how == ALL_LARGEST ? (uint64_t)INT64_MAX
                                               : 0;
        return;
    case SF_FIELD_REAL:
        *(double *)at = how == ALL_UNKNOWN ? (double)NAN : how == ALL_LARGEST ? 1e300 : 0;
        return;
    case SF_FIELD_TIME:
        *(sf_ns *)at = how == ALL_LARGEST ? INT64_MAX : how == ALL_ZERO ? 0 : SF_NS_UNKNOWN;
        return;
    case SF_FIELD_DURATION:
        *(sf_ns *)at = how == ALL_LARGEST ? 123456789012345678
                       : how == ALL_ZERO  ? 0
                                          : SF_NS_UNKNOWN;
        return;
    case SF_FIELD_NAME: *(const char **)at = how == ALL_UNKNOWN ? NULL : "name"; return;
    case SF_FIELD_TEXT: strcpy(at, how == ALL_UNKNOWN ? "" : "x"); return;
    case SF_FIELD_CLAIM:
        *(enum sf_tri *)at = how == ALL_UNKNOWN   ? SF_TRI_UNKNOWN
                             : how == ALL_LARGEST ? SF_TRI_TRUE
                                                  : SF_TRI_FALSE;
        return;
    case SF_FIELD_SEVERITY:
        *(enum sf_severity *)at = how == ALL_LARGEST ? SF_PROBLEM : SF_SEVERITY_OK;
        return;
    case SF_FIELD_VLANS:
    case SF_FIELD_TUNNELS:
    case SF_FIELD_TIMELINE:
    case SF_FIELD_ANOMALIES: return;
    }
}

static struct sf_record record_of(enum filling how)
{
    struct sf_record record;
    memset(&record, 0, sizeof record);
    size_t count;
    const struct sf_field *fields = sf_fields(&count);
    for (size_t i = 0; i < count; i++)
        fill_field(&record, &fields[i], how);
    return record;
}

/* Writes through a sink of that argument's format into a file and returns the file's text. */
static char *written(const struct sf_sink_options *options, const struct sf_record *records,
                     size_t count)
{
    char path[] = "/tmp/synfin-test-XXXXXX", argument[64];
    struct sf_error err;
    bool usage;
    close(mkstemp(path));
    snprintf(argument, sizeof argument, "json:%s", path);
    struct sf_sink *sink = sf_sink_open(argument, options, &usage, &err);
    assert_non_null(sink);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(sink->record(sink, &records[i], &err), 0);
    static const struct sf_name_count none = {0};
    struct sf_summary summary = {.first_ns = SF_NS_UNKNOWN,
                                 .last_ns = SF_NS_UNKNOWN,
                                 .open_how = &none,
                                 .close_how = &none,
                                 .anomalies = &none};
    assert_int_equal(sink->finish(sink, &summary, &err), 0);
    sink->close(sink);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    static const size_t room = 1 << 20;
    char *text = calloc(1, room);
    assert_non_null(text);
    assert_true(fread(text, 1, room - 1, file) > 0);
    fclose(file);
    unlink(path);
    return text;
}

static json_t *line_of(const struct sf_record *record)
{
    static const struct sf_sink_options options = {0};
    char *text = written(&options, record, 1);
    *strchr(text, '\n') = '\0';
    json_error_t error;
    json_t *line = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (line == NULL)
        fail_msg("%s in %s", error.text, text);
    free(text);
    return line;
}

/* The value at a dotted path; NULL when it or an object above it is absent, null when one is null.
 */
static json_t *at_path(json_t *line, const char *path)
{
    char key[64];
    for (;; path++) {
        size_t len = strcspn(path, ".");
        memcpy(key, path, len);
        key[len] = '\0';
        line = json_object_get(line, key);
        path += len;
        if (*path == '\0' || line == NULL || json_is_null(line))
            return line;
    }
}

static void assert_value(const struct sf_field *field, json_t *value,
                         const struct sf_record *record)
{
    const void *at = sf_field_at(field, record);
    switch (field->type) {
    case SF_FIELD_COUNT: assert_int_equal(json_integer_value(value), *(const uint64_t *)at); return;
    case SF_FIELD_REAL: assert_true(json_number_value(value) == *(const double *)at); return;
    case SF_FIELD_DURATION:
        assert_true(fabs(json_number_value(value) - (double)*(const sf_ns *)at / 1e9) < 1e-7);
        return;
    case SF_FIELD_NAME:
        assert_string_equal(json_string_value(value), *(const char *const *)at);
        return;
    case SF_FIELD_TEXT: assert_string_equal(json_string_value(value), (const char *)at); return;
    case SF_FIELD_CLAIM:
        assert_int_equal(json_is_true(value), *(const enum sf_tri *)at == SF_TRI_TRUE);
        assert_true(json_is_boolean(value));
        return;
    case SF_FIELD_TIME: assert_true(json_is_string(value)); return;
    case SF_FIELD_SEVERITY:
        assert_string_equal(json_string_value(value),
                            sf_severity_name(*(const enum sf_severity *)at));
        return;
    case SF_FIELD_TIMELINE:
    case SF_FIELD_ANOMALIES: assert_true(json_is_array(value)); return;
    case SF_FIELD_VLANS:
    case SF_FIELD_TUNNELS: assert_null(value); return;
    }
}

static void every_field_stands_at_its_path(void **state)
{
    (void)state;
    size_t count;
    const struct sf_field *fields = sf_fields(&count);
    for (enum filling how = ALL_LARGEST; how <= ALL_ZERO; how++) {
        struct sf_record record = record_of(how);
        json_t *line = line_of(&record);
        assert_string_equal(json_string_value(json_object_get(line, "type")), "connection");
        for (size_t i = 0; i < count; i++)
            assert_value(&fields[i], at_path(line, fields[i].path), &record);
        json_decref(line);
    }
}

static void unknown_is_null_and_never_zero(void **state)
{
    (void)state;
    struct sf_record record = record_of(ALL_UNKNOWN);
    json_t *line = line_of(&record);
    size_t count;
    const struct sf_field *fields = sf_fields(&count);
    for (size_t i = 0; i < count; i++) {
        json_t *value = at_path(line, fields[i].path);
        if (fields[i].type == SF_FIELD_SEVERITY || fields[i].type == SF_FIELD_TIMELINE ||
            fields[i].type == SF_FIELD_ANOMALIES)
            continue;
        if (fields[i].type == SF_FIELD_VLANS || fields[i].type == SF_FIELD_TUNNELS)
            assert_null(value);
        else
            assert_true(json_is_null(value));
    }
    assert_true(json_is_null(at_path(line, "close.reset")));
    assert_true(json_is_null(at_path(line, "zeek")));
    json_decref(line);
}

static void text_is_escaped_and_made_utf8(void **state)
{
    static const struct {
        const char *in, *out, *why;
    } cases[] = {
        {"a\"b\\c/\n\r\t", "a\"b\\c/\n\r\t", "what JSON escapes"},
        {"\x01\x1f\x7f", "\x01\x1f\x7f", "control characters"},
        {"h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
         "UTF-8 of two, three, four octets"},
        {"\xff", "\xef\xbf\xbd", "never in UTF-8"},
        {"\xc3", "\xef\xbf\xbd", "cut"},
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd", "overlong"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", "a surrogate"},
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", "beyond U+10FFFF"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sf_record record = record_of(ALL_ZERO);
        strcpy(record.verdict, cases[i].in);
        json_t *line = line_of(&record);
        assert_string_equal(json_string_value(at_path(line, "verdict")), cases[i].out);
        json_decref(line);
    }
}

static void spans_and_times_are_exact(void **state)
{
    static const struct {
        sf_ns ns;
        const char *text;
    } cases[] = {
        {0, ":0,"},
        {1, ":0.000000001,"},
        {-1, ":-0.000000001,"},
        {1500000000, ":1.5,"},
        {INT64_MAX, ":9223372036.854775807,"},
        {-INT64_MAX, ":-9223372036.854775807,"},
        {999999999, ":0.999999999,"},
        {10 * SF_SEC, ":10,"},
    };
    static const struct sf_sink_options options = {0};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sf_record record = record_of(ALL_ZERO);
        char wanted[64];
        record.duration_ns = cases[i].ns;
        record.start_ns = cases[i].ns;
        char *text = written(&options, &record, 1);
        snprintf(wanted, sizeof wanted, "\"duration\"%s", cases[i].text);
        assert_non_null(strstr(text, wanted));
        char stamp[SF_TIME_TEXT];
        sf_time_rfc3339(stamp, cases[i].ns);
        snprintf(wanted, sizeof wanted, "\"start\":\"%s\"", stamp);
        assert_non_null(strstr(text, wanted));
        free(text);
    }
}

static void objects_that_are_null_leave_the_line_whole(void **state)
{
    (void)state;
    for (unsigned mask = 0; mask < 4; mask++) {
        struct sf_record record = record_of(ALL_ZERO);
        record.reset_by = mask & 1 ? "client" : NULL;
        record.views.zeek_conn_state = mask & 2 ? "SF" : NULL;
        record.vlan_count = (uint8_t)(mask & 1);
        record.vlan[0] = 7;
        json_t *line = line_of(&record);
        assert_int_equal(json_is_null(at_path(line, "close.reset")), !(mask & 1));
        assert_int_equal(json_is_null(at_path(line, "zeek")), !(mask & 2));
        assert_int_equal(json_array_size(at_path(line, "vlan")), mask & 1);
        assert_non_null(at_path(line, "ended_by"));
        assert_non_null(at_path(line, "wireshark.completeness"));
        json_decref(line);
    }
}

static void lists_hold_what_the_record_holds(void **state)
{
    static const struct sf_timeline_entry timeline[] = {
        {1, 0, SF_CLIENT, SF_STATE_NONE, SF_SYN_SENT, true, SF_CAUSE_SENT_SYN},
        {2, 5 * SF_MSEC, SF_SERVER, SF_SYN_RECEIVED, SF_ESTABLISHED, false, SF_CAUSE_SYN_ACKED},
    };
    static const struct sf_anomaly_entry anomalies[] = {
        {SF_ANOMALY_RESET, SF_ROLE_NONE, SF_PROBLEM, 3, 4, 5, "kind=x: \"quoted\""}};
    (void)state;
    struct sf_record record = record_of(ALL_ZERO);
    record.timeline = timeline;
    record.timeline_count = 2;
    record.anomalies = anomalies;
    record.anomaly_count = 1;
    json_t *line = line_of(&record);
    char *text = json_dumps(json_object_get(line, "timeline"), JSON_COMPACT);
    assert_string_equal(text,
                        "[{\"packet\":1,\"t\":0,\"end\":\"client\",\"from\":null,\"to\":"
                        "\"SYN-SENT\",\"proved\":true,\"cause\":\"sent SYN\"},"
                        "{\"packet\":2,\"t\":0.0050000000000000001,\"end\":\"server\",\"from\":"
                        "\"SYN-RECEIVED\",\"to\":\"ESTABLISHED\",\"proved\":false,\"cause\":"
                        "\"its SYN was acknowledged\"}]");
    free(text);
    text = json_dumps(json_object_get(line, "anomalies"), JSON_COMPACT);
    assert_string_equal(text,
                        "[{\"name\":\"reset\",\"end\":null,\"severity\":\"problem\",\"count\":3,"
                        "\"first_packet\":4,\"last_packet\":5,\"detail\":\"kind=x: "
                        "\\\"quoted\\\"\"}]");
    free(text);
    json_decref(line);
}

static void chosen_fields_keep_their_objects(void **state)
{
    (void)state;
    const struct sf_field *fields[] = {sf_field_find("server.port"), sf_field_find("id"),
                                       sf_field_find("close.reset.kind"),
                                       sf_field_find("client.rtt.p95")};
    struct sf_sink_options options = {.fields = fields, .field_count = 4};
    struct sf_record record = record_of(ALL_ZERO);
    record.reset_by = NULL;
    char *text = written(&options, &record, 1);
    *strchr(text, '\n') = '\0';
    assert_string_equal(text, "{\"type\":\"connection\",\"id\":0,\"close\":{\"reset\":null},"
                              "\"client\":{\"rtt\":{\"p95\":0}},\"server\":{\"port\":0}}");
    free(text);
}

static void order_and_bound_are_kept(void **state)
{
    static const struct {
        const char *field;
        bool descending;
        uint64_t top;
        const char *ids;
    } cases[] = {
        {"client.packets", true, 0, "24310"}, {"client.packets", false, 2, "13"},
        {"client.packets", true, 3, "243"},   {"open.rtt", false, 0, "13420"},
        {"client.ip", false, 0, "43210"},     {"client.ip", true, 1, "0"},
        {"server.ip", false, 0, "32014"},     {NULL, false, 2, "31"},
    };
    static const uint64_t packets[] = {SF_COUNT_UNKNOWN, 1, 9, 5, 7};
    static const sf_ns rtt[] = {SF_NS_UNKNOWN, -5, 30, 0, 20};
    static const char *const ip[] = {"10.0.0.10", "10.0.0.9", "10.0.0.8", "9.1.1.1", "9.0.0.0"};
    static const char *const peer[] = {"2001:db8::9", "2001:db8:1::", "::1", "10.0.0.10",
                                       "fe80::1"};
    (void)state;
    struct sf_record records[5];
    for (size_t i = 0; i < 5; i++) {
        records[i] = record_of(ALL_ZERO);
        records[i].id = i;
        records[i].end[SF_CLIENT].packets = packets[i];
        records[i].open_rtt_ns = rtt[i];
        strcpy(records[i].end[SF_CLIENT].ip, ip[i]);
        strcpy(records[i].end[SF_SERVER].ip, peer[i]);
    }
    records[3].severity = SF_PROBLEM;
    records[1].severity = SF_WARNING;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct sf_field *id = sf_field_find("id");
        struct sf_sink_options options = {.fields = &id,
                                          .field_count = 1,
                                          .sort_descending = cases[i].descending,
                                          .top = cases[i].top};
        options.sort = cases[i].field != NULL ? sf_field_find(cases[i].field) : NULL;
        char *text = written(&options, records, 5);
        char ids[8] = "";
        size_t n = 0;
        for (const char *at = text; (at = strstr(at, "\"id\":")) != NULL && n < 7; at += 5)
            ids[n++] = at[5];
        assert_string_equal(ids, cases[i].ids);
        free(text);
    }
}

static void unknown_formats_are_usage_errors(void **state)
{
    static const struct {
        const char *argument;
        bool usage;
    } cases[] = {
        {"nonsense", true}, {"nonsense:x", true},           {"x.nonsense", true},
        {"json:", true},    {"json:/nonexistent/x", false},
    };
    static const struct sf_sink_options options = {0};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool usage = !cases[i].usage;
        struct sf_error err = {0};
        if (sf_sink_open(cases[i].argument, &options, &usage, &err) != NULL)
            fail_msg("%s opens", cases[i].argument);
        assert_int_equal(usage, cases[i].usage);
        assert_true(err.text[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_stands_at_its_path),
        cmocka_unit_test(unknown_is_null_and_never_zero),
        cmocka_unit_test(text_is_escaped_and_made_utf8),
        cmocka_unit_test(spans_and_times_are_exact),
        cmocka_unit_test(objects_that_are_null_leave_the_line_whole),
        cmocka_unit_test(lists_hold_what_the_record_holds),
        cmocka_unit_test(chosen_fields_keep_their_objects),
        cmocka_unit_test(order_and_bound_are_kept),
        cmocka_unit_test(unknown_formats_are_usage_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
