/* Quantiles: exact while few, within a cell's width when many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rooms.h"
#include "synfin/quantile.h"

static void assert_times(const struct sf_times *got, const struct sf_times *wanted)
{
    assert_int_equal(got->samples, wanted->samples);
    assert_int_equal(got->min_ns, wanted->min_ns);
    assert_int_equal(got->avg_ns, wanted->avg_ns);
    assert_int_equal(got->max_ns, wanted->max_ns);
    assert_int_equal(got->stdev_ns, wanted->stdev_ns);
    assert_int_equal(got->p50_ns, wanted->p50_ns);
    assert_int_equal(got->p95_ns, wanted->p95_ns);
}

static const sf_ns UNKNOWN = SF_NS_UNKNOWN;

static void nothing_is_unknown(void **state)
{
    (void)state;
    struct sf_samples s = {0};
    struct sf_times times = sf_samples_times(&s);
    assert_times(&times,
                 &(struct sf_times){0, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN});
    sf_samples_dispose(&test_rooms, &s);
}

/* n, n - 1 ... 1 microseconds, n samples. */
static void few_are_exact(void **state)
{
    (void)state;
    static const struct sf_times cases[] = {
        {1, 1000, 1000, 1000, 0, 1000, 1000},             /* alone */
        {2, 1000, 1500, 2000, 707, 1000, 2000},           /* both inside the struct */
        {3, 1000, 2000, 3000, 1000, 2000, 3000},          /* the first outside */
        {8, 1000, 4500, 8000, 2449, 4000, 8000},          /* the room is full */
        {9, 1000, 5000, 9000, 2739, 5000, 9000},          /* and twice as large */
        {20, 1000, 10500, 20000, 5916, 10000, 19000},     /* nearest rank, not interpolated */
        {21, 1000, 11000, 21000, 6205, 11000, 20000},     /* 95 of 100 are 19.95 */
        {128, 1000, 64500, 128000, 37094, 64000, 122000}, /* the last exact one */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sf_samples s = {0};
        for (int n = (int)cases[i].samples; n >= 1; n--)
            sf_samples_add(&test_rooms, &s, n * SF_USEC);
        struct sf_times times = sf_samples_times(&s);
        assert_times(&times, &cases[i]);
        const sf_ns *values = sf_samples_values(&s);
        for (uint64_t n = 0; n < cases[i].samples; n++)
            assert_int_equal(values[n], (sf_ns)(cases[i].samples - n) * SF_USEC);
        sf_samples_dispose(&test_rooms, &s);
    }
}

static void many_are_near(void **state)
{
    (void)state;
    static const struct sf_times cases[] = {
        {129, 1000, 65000, 129000, 37383, 65024, 123904}, /* the first in cells */
        {100000, 1000, 50000500, 100000000, 28867658, 49807360, 95420416},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sf_samples s = {0};
        for (int n = 1; n <= (int)cases[i].samples; n++)
            sf_samples_add(&test_rooms, &s, n * SF_USEC);
        struct sf_times times = sf_samples_times(&s);
        assert_times(&times, &cases[i]);
        assert_null(sf_samples_values(&s));
        sf_samples_dispose(&test_rooms, &s);
    }
}

static void extremes_have_a_cell(void **state)
{
    (void)state;
    struct sf_samples s = {0};
    for (int n = 0; n < 200; n++)
        sf_samples_add(&test_rooms, &s, n % 2 == 0 ? INT64_MAX / 100 : -1);
    struct sf_times times = sf_samples_times(&s);
    assert_int_equal(s.count, 200);
    assert_int_equal(times.min_ns, 0);
    assert_int_equal(times.p50_ns, 0);
    assert_int_equal(times.max_ns, INT64_MAX / 100);
    assert_int_equal(times.avg_ns, INT64_MAX / 200); /* the sum ends at 292 years */
    assert_true(times.p95_ns > INT64_MAX / 102);
    sf_samples_dispose(&test_rooms, &s);
}

/* Samples made at once are those added one by one, and go on like them. */
static void made_at_once_go_on(void **state)
{
    (void)state;
    for (uint64_t count = 1; count <= SF_SAMPLES_EXACT; count++) {
        struct sf_samples made = {0}, added = {0};
        sf_ns *values = sf_samples_make(&test_rooms, &made, count);
        assert_non_null(values);
        for (uint64_t i = 0; i < count; i++) {
            values[i] = (sf_ns)(i * 7 % 31);
            sf_samples_add(&test_rooms, &added, values[i]);
        }
        for (sf_ns more = 100; more < 120; more++) {
            sf_samples_add(&test_rooms, &made, more);
            sf_samples_add(&test_rooms, &added, more);
        }
        struct sf_times got = sf_samples_times(&made), wanted = sf_samples_times(&added);
        assert_times(&got, &wanted);
        sf_samples_dispose(&test_rooms, &made);
        sf_samples_dispose(&test_rooms, &added);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_unknown), cmocka_unit_test(few_are_exact),
        cmocka_unit_test(many_are_near),      cmocka_unit_test(extremes_have_a_cell),
        cmocka_unit_test(made_at_once_go_on),
    };
    return cmocka_run_group_tests(tests, begin_rooms, end_rooms);
}
