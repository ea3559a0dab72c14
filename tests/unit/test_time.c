/* Times as RFC 3339 texts. */
#include "synfin/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    sf_ns t;
    const char *text, *why;
} cases[] = {
    {0, "1970-01-01T00:00:00.000000000Z", "the epoch"},
    {1, "1970-01-01T00:00:00.000000001Z", "one nanosecond"},
    {-1, "1969-12-31T23:59:59.999999999Z", "one nanosecond before the epoch"},
    {-SF_SEC, "1969-12-31T23:59:59.000000000Z", "a whole second before the epoch"},
    {-86400 * SF_SEC, "1969-12-31T00:00:00.000000000Z", "a whole day before the epoch"},
    {951825600 * SF_SEC, "2000-02-29T12:00:00.000000000Z", "2000 is a leap year: 400 divides it"},
    {-2203891201 * SF_SEC, "1900-02-28T23:59:59.000000000Z", "1900 is none: 100 divides it"},
    {-2203891200 * SF_SEC, "1900-03-01T00:00:00.000000000Z", "the next second"},
    {4107542399 * SF_SEC, "2100-02-28T23:59:59.000000000Z", "2100 is none"},
    {4107542400 * SF_SEC, "2100-03-01T00:00:00.000000000Z", "the next second"},
    {1709164800 * SF_SEC, "2024-02-29T00:00:00.000000000Z", "2024 is a leap year"},
    {1735689599 * SF_SEC + 999999999, "2024-12-31T23:59:59.999999999Z", "its last nanosecond"},
    {1677628799 * SF_SEC, "2023-02-28T23:59:59.000000000Z", "a plain year"},
    {1677628800 * SF_SEC, "2023-03-01T00:00:00.000000000Z", "the next second"},
    {946684799 * SF_SEC + 1000, "1999-12-31T23:59:59.000001000Z", "microseconds keep their zeros"},
    {INT64_MAX, "2262-04-11T23:47:16.854775807Z", "the last time there is"},
    {INT64_MIN + 1, "1677-09-21T00:12:43.145224193Z", "the first: one below is 'not known'"},
};

static void prints_rfc_3339(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[SF_TIME_TEXT];
        unsigned length = sf_time_rfc3339(text, cases[i].t);
        if (strcmp(text, cases[i].text) != 0 || length != strlen(text))
            fail_msg("%s: %s, not %s", cases[i].why, text, cases[i].text);
    }
}

static void unknown_is_no_time(void **state)
{
    (void)state;
    assert_false(sf_ns_known(SF_NS_UNKNOWN));
    assert_true(sf_ns_known(0));
    assert_true(sf_ns_known(-1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_rfc_3339),
        cmocka_unit_test(unknown_is_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
