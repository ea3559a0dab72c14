/* Quantiles: exact while few, within a cell's width when many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "synfin/quantile.h"

static sf_ns quantile(const struct sf_samples *samples, double part)
{
    sf_ns value;
    sf_samples_quantiles(samples, &part, &value, 1);
    return value;
}

static void nothing_is_unknown(void **state)
{
    (void)state;
    struct sf_samples s = {0};
    assert_int_equal(quantile(&s, 0.5), SF_NS_UNKNOWN);
    assert_int_equal(sf_samples_mean(&s), SF_NS_UNKNOWN);
    assert_int_equal(sf_samples_stdev(&s), SF_NS_UNKNOWN);
    sf_samples_dispose(&s);
}

static void few_are_exact(void **state)
{
    (void)state;
    static const struct {
        int count;
        sf_ns p50, p95, mean, stdev;
    } cases[] = {
        {1, 1000, 1000, 1000, 0},           /* alone */
        {2, 1000, 2000, 1500, 707},         /* both inside the struct */
        {3, 2000, 3000, 2000, 1000},        /* first on the heap */
        {20, 10000, 19000, 10500, 5916},    /* nearest rank, not interpolated */
        {128, 64000, 122000, 64500, 37094}, /* the last exact one */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sf_samples s = {0};
        for (int n = cases[i].count; n >= 1; n--)
            sf_samples_add(&s, n * SF_USEC);
        assert_int_equal(quantile(&s, 0.50), cases[i].p50);
        assert_int_equal(quantile(&s, 0.95), cases[i].p95);
        assert_int_equal(sf_samples_mean(&s), cases[i].mean);
        assert_true(llabs((long long)(sf_samples_stdev(&s) - cases[i].stdev)) <= 1);
        assert_int_equal(s.min_ns, SF_USEC);
        assert_int_equal(s.max_ns, cases[i].count * SF_USEC);
        sf_samples_dispose(&s);
    }
}

static void many_are_near(void **state)
{
    (void)state;
    struct sf_samples s = {0};
    for (int n = 1; n <= 100000; n++)
        sf_samples_add(&s, n * SF_USEC);
    static const double parts[] = {0.01, 0.5, 0.95, 0.99};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        double exact = parts[i] * 100000 * (double)SF_USEC;
        double got = (double)quantile(&s, parts[i]);
        assert_true(got > exact * 0.984 && got < exact * 1.016);
    }
    assert_int_equal(s.count, 100000);
    sf_samples_dispose(&s);
}

static void extremes_have_a_cell(void **state)
{
    (void)state;
    struct sf_samples s = {0};
    for (int n = 0; n < 200; n++)
        sf_samples_add(&s, n % 2 == 0 ? INT64_MAX / 400 : -1);
    assert_int_equal(s.min_ns, 0);
    assert_int_equal(quantile(&s, 0.25), 0);
    assert_true(quantile(&s, 0.75) > INT64_MAX / 410);
    sf_samples_dispose(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_unknown),
        cmocka_unit_test(few_are_exact),
        cmocka_unit_test(many_are_near),
        cmocka_unit_test(extremes_have_a_cell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
