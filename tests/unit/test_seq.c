/* Sequence numbers around the wrap: RFC 9293 §3.4. */
#include "synfin/seq.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    uint32_t a, b;
    bool before;
    int32_t distance;
    const char *why;
} cases[] = {
    {7, 7, false, 0, "itself"},
    {0, 0, false, 0, "zero itself"},
    {1, 2, true, 1, "the plain case"},
    {2, 1, false, -1, "the plain case backwards"},
    {0xffffffff, 0, true, 1, "across the wrap"},
    {0, 0xffffffff, false, -1, "across the wrap backwards"},
    {0xfffffffe, 5, true, 7, "a segment that wraps"},
    {0x7fffffff, 0x80000000, true, 1, "across the sign"},
    {0x80000000, 0x7fffffff, false, -1, "across the sign backwards"},
    {0, 0x7fffffff, true, INT32_MAX, "farthest ahead"},
    {0x7fffffff, 0, false, -INT32_MAX, "farthest behind but one"},
    {0, 0x80000000, false, INT32_MIN, "half the space away is behind"},
    {0x80000000, 0, false, INT32_MIN, "half the space away is behind, from there too"},
    {0xffffff00, 0x000000ff, true, 511, "a window over the wrap"},
    {0xffffffff, 0x7ffffffe, true, INT32_MAX, "farthest ahead over the wrap"},
};

static void compares_modulo_2_32(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const sf_seq a = sf_seq_of(cases[i].a), b = sf_seq_of(cases[i].b);
        if (sf_seq_before(a, b) != cases[i].before || sf_seq_distance(a, b) != cases[i].distance ||
            sf_seq_equal(a, b) != (cases[i].a == cases[i].b))
            fail_msg("%s: %u and %u", cases[i].why, (unsigned)cases[i].a, (unsigned)cases[i].b);
    }
}

static void adding_wraps(void **state)
{
    (void)state;
    assert_int_equal(sf_seq_add(sf_seq_of(0xffffffff), 1).n, 0);
    assert_int_equal(sf_seq_add(sf_seq_of(0xfffffff0), 0x20).n, 0x10);
    assert_int_equal(sf_seq_add(sf_seq_of(5), 0).n, 5);
    assert_int_equal(sf_seq_add(sf_seq_of(5), 0xffffffff).n, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares_modulo_2_32),
        cmocka_unit_test(adding_wraps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
