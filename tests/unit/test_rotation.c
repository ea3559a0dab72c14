/* The names of rotated files, whole sequences of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "rotation.h"

static const sf_ns BEGIN = 1700000000 * SF_SEC; /* 2023-11-14 22:13:20 UTC */

enum { STEPS = 5 };

/* Full files are of 2 megabytes; none: by time only. */
static const struct {
    const char *why, *pattern;
    struct sf_cli_options options;
    struct {
        int64_t second;
        uint64_t octets;
        const char *path; /* of the next file, NULL: the same goes on; "end": -W allows none */
    } step[STEPS];
    const char *first;
} cases[] = {
    {.why = "neither: one file",
     .pattern = "out",
     .first = "out",
     .step = {{1, 1 << 30, NULL}, {1 << 20, 0, NULL}}},
    {.why = "by size: the first without a number",
     .pattern = "out.json",
     .options = {.rotate_megabytes = 2},
     .first = "out.json",
     .step = {{0, 1999999, NULL}, {0, 2000000, "out.json1"}, {9, 3000000, "out.json2"}}},
    {.why = "by size, three files in turn",
     .pattern = "a%H",
     .options = {.rotate_megabytes = 2, .rotate_files = 3},
     .first = "a%H0",
     .step = {{0, 2000000, "a%H1"}, {0, 2000000, "a%H2"}, {0, 2000000, "a%H0"}}},
    {.why = "names sort when eleven files take turns",
     .pattern = "a",
     .options = {.rotate_megabytes = 2, .rotate_files = 11},
     .first = "a00",
     .step = {{0, 2000000, "a01"}}},
    {.why = "by time, without drift",
     .pattern = "%H%M%S.log",
     .options = {.rotate_ns = 10 * SF_SEC},
     .first = "221320.log",
     .step =
         {{9, 1 << 30, NULL}, {12, 0, "221330.log"}, {20, 0, "221340.log"}, {45, 0, "221400.log"}}},
    {.why = "by time, two periods",
     .pattern = "%S",
     .options = {.rotate_ns = 10 * SF_SEC, .rotate_files = 2},
     .first = "20",
     .step = {{10, 0, "30"}, {19, 0, NULL}, {20, 0, "end"}}},
    {.why = "both: numbers begin anew, -W bounds nothing",
     .pattern = "%S-",
     .options = {.rotate_ns = 10 * SF_SEC, .rotate_megabytes = 2, .rotate_files = 2},
     .first = "20-0",
     .step = {{1, 2000000, "20-1"},
              {2, 2000000, "20-2"},
              {10, 0, "30-0"},
              {20, 0, "40-0"},
              {30, 0, "50-0"}}},
    {.why = "a clock set back",
     .pattern = "%S",
     .options = {.rotate_ns = 10 * SF_SEC},
     .first = "20",
     .step = {{-5, 0, NULL}, {-15, 0, "05"}, {-6, 0, NULL}, {-5, 0, "15"}}},
};

static void take_steps(size_t n)
{
    struct sf_rotation rotation;
    struct sf_error err;
    assert_int_equal(sf_rotation_begin(&rotation, &cases[n].options, cases[n].pattern, BEGIN, &err),
                     0);
    assert_string_equal(rotation.path, cases[n].first);
    for (size_t i = 0; i < STEPS; i++) {
        sf_ns now = BEGIN + cases[n].step[i].second * SF_SEC;
        const char *path = cases[n].step[i].path;
        if (path == NULL && cases[n].step[i].second == 0 && cases[n].step[i].octets == 0)
            break;
        bool is_due = sf_rotation_is_due(&rotation, now, cases[n].step[i].octets);
        bool is_end = path != NULL && strcmp(path, "end") == 0;
        if (is_due != (path != NULL))
            fail_msg("%s: step %zu", cases[n].why, i);
        assert_int_equal(sf_rotation_is_last(&rotation, now), is_end);
        if (path == NULL || is_end)
            continue;
        assert_int_equal(sf_rotation_next(&rotation, now, &err), 0);
        assert_string_equal(rotation.path, path);
    }
    sf_rotation_dispose(&rotation);
}

static void names_come_in_turn(void **state)
{
    (void)state;
    setenv("TZ", "UTC", 1);
    tzset();
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++)
        take_steps(n);
}

static void an_empty_name_is_refused(void **state)
{
    (void)state;
    static const struct sf_cli_options options = {.rotate_ns = SF_SEC};
    struct sf_rotation rotation;
    struct sf_error err;
    assert_int_equal(sf_rotation_begin(&rotation, &options, "", BEGIN, &err), -1);
    sf_rotation_dispose(&rotation);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_come_in_turn),
        cmocka_unit_test(an_empty_name_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
