/* Text that fits, text that does not, and numbers of every length. */
#include "synfin/writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void puts_one_after_the_other(void **state)
{
    (void)state;
    char out[64];
    memset(out, 'x', sizeof out);
    struct sf_writer w = sf_writer_of(out, sizeof out);
    assert_string_equal(out, "");
    sf_write(&w, "a SYN");
    sf_write_number(&w, 0);
    sf_write_octets(&w, ", two", 2);
    sf_write_number(&w, UINT64_MAX);
    assert_string_equal(out, "a SYN0, 18446744073709551615");
}

static void numbers_of_every_length(void **state)
{
    (void)state;
    uint64_t power = 1;
    for (int digits = 1; digits <= 20; digits++, power *= 10) {
        const uint64_t numbers[] = {power - 1, power, power + 1, power / 9 * 10};
        for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
            char out[32], wanted[32];
            struct sf_writer w = sf_writer_of(out, sizeof out);
            sf_write_number(&w, numbers[i]);
            snprintf(wanted, sizeof wanted, "%llu", (unsigned long long)numbers[i]);
            assert_string_equal(out, wanted);
        }
    }
}

static void leaves_off_what_does_not_fit(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 20; size++) {
        char out[32];
        memset(out, '#', sizeof out);
        struct sf_writer w = sf_writer_of(out, size);
        sf_write(&w, "packet (");
        sf_write_number(&w, 4711);
        sf_write(&w, ")");
        sf_write(&w, "!");
        char whole[] = "packet (4711)!";
        size_t len = strlen(whole) < size - 1 ? strlen(whole) : size - 1;
        whole[len] = '\0';
        assert_string_equal(out, whole);
        for (size_t i = size; i < sizeof out; i++)
            assert_int_equal(out[i], '#');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_one_after_the_other),
        cmocka_unit_test(numbers_of_every_length),
        cmocka_unit_test(leaves_off_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
