/* The table of fields: paths that are whole, objects that stand together, memory that is the
 * field's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "synfin/field.h"

static void paths_are_unique_and_found(void **state)
{
    size_t count;
    const struct sf_field *fields = sf_fields(&count);
    (void)state;
    for (size_t i = 0; i < count; i++)
        assert_ptr_equal(sf_field_find(fields[i].path), &fields[i]);
    assert_null(sf_field_find("client"));
    assert_null(sf_field_find(""));
    assert_null(sf_field_find("client.packet"));
}

static size_t size_of(const struct sf_field *field)
{
    static const size_t sizes[] = {
        [SF_FIELD_COUNT] = sizeof(uint64_t),
        [SF_FIELD_REAL] = sizeof(double),
        [SF_FIELD_TIME] = sizeof(sf_ns),
        [SF_FIELD_DURATION] = sizeof(sf_ns),
        [SF_FIELD_NAME] = sizeof(const char *),
        [SF_FIELD_TEXT] = 1,
        [SF_FIELD_CLAIM] = sizeof(enum sf_tri),
        [SF_FIELD_SEVERITY] = sizeof(enum sf_severity),
        [SF_FIELD_VLANS] = sizeof(uint16_t) * SF_VLAN_MAX,
        [SF_FIELD_TUNNELS] = 1,
        [SF_FIELD_TIMELINE] = sizeof(void *),
        [SF_FIELD_ANOMALIES] = sizeof(void *),
    };
    return sizes[field->type];
}

static void no_two_fields_share_memory(void **state)
{
    static unsigned char owner[sizeof(struct sf_record)];
    size_t count;
    const struct sf_field *fields = sf_fields(&count);
    (void)state;
    memset(owner, 0, sizeof owner);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < size_of(&fields[i]); k++) {
            assert_int_equal(owner[fields[i].offset + k], 0);
            owner[fields[i].offset + k] = 1;
        }
}

static void both_ends_have_the_same_fields(void **state)
{
    size_t count, client = 0, server = 0;
    const struct sf_field *fields = sf_fields(&count);
    (void)state;
    for (size_t i = 0; i < count; i++) {
        server += strncmp(fields[i].path, "server.", 7) == 0;
        if (strncmp(fields[i].path, "client.", 7) != 0)
            continue;
        client++;
        char path[64];
        snprintf(path, sizeof path, "server.%s", fields[i].path + 7);
        const struct sf_field *twin = sf_field_find(path);
        assert_non_null(twin);
        assert_int_equal(twin->offset - fields[i].offset, sizeof(struct sf_record_end));
        assert_int_equal(twin->type, fields[i].type);
    }
    assert_int_equal(client, server);
    assert_true(client > 60);
}

/* Octets of the path up to its last dot. */
static size_t object_len(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot == NULL ? 0 : (size_t)(dot - path);
}

static bool is_inside(const char *path, const char *object, size_t len)
{
    return strncmp(path, object, len) == 0 && path[len] == '.';
}

/* An object that is left never comes again: one JSON object is written once. */
static void fields_of_an_object_stand_together(void **state)
{
    size_t count;
    const struct sf_field *fields = sf_fields(&count);
    (void)state;
    for (size_t i = 0; i + 1 < count; i++) {
        size_t len = object_len(fields[i].path);
        if (len == 0 || is_inside(fields[i + 1].path, fields[i].path, len))
            continue;
        for (size_t k = i + 1; k < count; k++)
            assert_false(is_inside(fields[k].path, fields[i].path, len));
    }
}

static void names_have_values_and_all_have_a_text(void **state)
{
    size_t count;
    const struct sf_field *fields = sf_fields(&count);
    (void)state;
    for (size_t i = 0; i < count; i++) {
        bool has_values = fields[i].type == SF_FIELD_NAME || fields[i].type == SF_FIELD_SEVERITY;
        assert_int_equal(fields[i].values != NULL, has_values);
        assert_true(strlen(fields[i].text) > 3);
        assert_non_null(fields[i].unit);
    }
}

static void deciders_belong_to_their_object(void **state)
{
    (void)state;
    assert_string_equal(sf_field_decides("close.reset")->path, "close.reset.by");
    assert_string_equal(sf_field_decides("zeek")->path, "zeek.conn_state");
    assert_null(sf_field_decides("close"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_unique_and_found),
        cmocka_unit_test(no_two_fields_share_memory),
        cmocka_unit_test(both_ends_have_the_same_fields),
        cmocka_unit_test(fields_of_an_object_stand_together),
        cmocka_unit_test(names_have_values_and_all_have_a_text),
        cmocka_unit_test(deciders_belong_to_their_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
