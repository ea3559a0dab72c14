/* Ids from a bitmap of first packets, beside counting one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "births.h"

enum { EPOCHS = 5, WORKERS = 3 };

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

static const struct {
    unsigned one_in; /* packets begins a connection */
    const char *why;
} cases[] = {
    {1, "a flood: every packet"},
    {2, "every other"},
    {70, "usual"},
    {100000, "hardly any: whole epochs without"},
};

static void ids_count_over_all_workers(void **state)
{
    static uint64_t bits[EPOCHS][WORKERS][SF_EPOCH_WORDS];
    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct sf_births births = {0};
        uint32_t random = 1;
        memset(bits, 0, sizeof bits);
        for (uint64_t i = 0; i < (uint64_t)EPOCHS * SF_EPOCH_PACKETS; i++)
            if (next_random(&random) % cases[c].one_in == 0)
                bits[i / SF_EPOCH_PACKETS][next_random(&random) % WORKERS]
                    [i % SF_EPOCH_PACKETS / 64] |= UINT64_C(1) << i % 64;
        /* One worker is two epochs ahead of the others. */
        for (uint64_t epoch = 0; epoch < EPOCHS + 2; epoch++) {
            if (epoch < EPOCHS)
                assert_int_equal(sf_births_add(&births, epoch, bits[epoch][0], NULL), 0);
            for (unsigned w = 1; w < WORKERS && epoch >= 2; w++)
                assert_int_equal(sf_births_add(&births, epoch - 2, bits[epoch - 2][w], NULL), 0);
            if (epoch >= 2)
                sf_births_sum(&births, epoch - 1);
        }
        uint64_t id = 0;
        for (uint64_t i = 0; i < (uint64_t)EPOCHS * SF_EPOCH_PACKETS; i++) {
            for (unsigned w = 0; w < WORKERS; w++)
                id += bits[i / SF_EPOCH_PACKETS][w][i % SF_EPOCH_PACKETS / 64] >> i % 64 & 1;
            if (sf_births_id(&births, i + 1) != id)
                print_error("%s: packet %u\n", cases[c].why, (unsigned)i + 1);
            assert_int_equal(sf_births_id(&births, i + 1), id);
        }
        sf_births_dispose(&births);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ids_count_over_all_workers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
