/* Holes of a sequence space against a bitmap that is too simple to be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "track_internal.h"

enum { SPACE = 4096 };

struct model {
    bool seen[SPACE];
    sf_offset top; /* everything at or above is not yet sent */
    sf_offset acked;
};

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static uint64_t model_missing(const struct model *m, sf_offset begin, sf_offset end)
{
    uint64_t missing = 0;
    for (sf_offset i = begin; i < end; i++)
        missing += !m->seen[i];
    return missing;
}

static void model_see(struct model *m, sf_offset begin, sf_offset end)
{
    for (sf_offset i = begin; i < end; i++)
        m->seen[i] = true;
}

/* The list is sorted, disjoint, and holds what the bitmap lacks below the top. */
static void check_same(const struct sf_endpoint *ep, const struct model *m)
{
    uint64_t octets = 0;
    for (size_t i = 0; i < ep->hole_count; i++) {
        const struct sf_hole *hole = &ep->holes[ep->hole_head + i];
        assert_true(hole->begin < hole->end);
        assert_true(i == 0 || ep->holes[ep->hole_head + i - 1].end <= hole->begin);
        for (sf_offset at = hole->begin; at < hole->end; at++)
            assert_false(m->seen[at]);
        octets += (uint64_t)(hole->end - hole->begin);
    }
    assert_int_equal(octets, model_missing(m, 0, m->top));
    assert_int_equal(sf_hole_missing(ep), model_missing(m, 0, m->acked));
}

static void segment_ahead(struct sf_endpoint *ep, struct model *m, uint32_t *random)
{
    sf_offset begin = m->top + next_random(random) % 4;
    sf_offset end = begin + 1 + next_random(random) % 8;
    if (end >= SPACE)
        return;
    if (begin > m->top)
        sf_hole_add(ep,
                    &(struct sf_hole){.begin = m->top, .end = begin, .acked_ns = SF_NS_UNKNOWN});
    model_see(m, begin, end);
    m->top = end;
    ep->snd_nxt = end;
}

static void segment_behind(struct sf_endpoint *ep, struct model *m, uint32_t *random)
{
    if (m->top < 2)
        return;
    sf_offset begin = next_random(random) % (uint32_t)m->top;
    sf_offset end = begin + 1 + next_random(random) % 16;
    if (end > m->top)
        end = m->top;
    struct sf_fill fill = sf_hole_fill(ep, begin, end);
    assert_int_equal(fill.octets, model_missing(m, begin, end));
    model_see(m, begin, end);
}

static void acknowledge(struct sf_endpoint *ep, struct model *m, uint32_t *random)
{
    sf_offset to = m->acked + next_random(random) % 32;
    if (to > m->top)
        to = m->top;
    sf_hole_acknowledge(ep, to, 1, 1);
    m->acked = to;
    ep->snd_una = to;
}

static void same_as_a_bitmap(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 200; seed++) {
        uint32_t random = seed;
        struct sf_endpoint ep = {0};
        struct model m = {0};
        for (int step = 0; step < 150; step++) {
            switch (next_random(&random) % 4) {
            case 0: acknowledge(&ep, &m, &random); break;
            case 1: segment_behind(&ep, &m, &random); break;
            default: segment_ahead(&ep, &m, &random); break;
            }
            check_same(&ep, &m);
        }
        free(ep.holes);
    }
}

static void first_hole_touched_is_told(void **state)
{
    (void)state;
    struct sf_endpoint ep = {0};
    sf_hole_add(&ep,
                &(struct sf_hole){.begin = 10, .end = 20, .acked_ns = SF_NS_UNKNOWN, .packet = 7});
    sf_hole_add(&ep,
                &(struct sf_hole){.begin = 30, .end = 40, .acked_ns = SF_NS_UNKNOWN, .packet = 9});
    struct sf_fill fill = sf_hole_fill(&ep, 15, 35);
    assert_int_equal(fill.octets, 10);
    assert_int_equal(fill.first.packet, 7);
    assert_int_equal(ep.hole_count, 2);
    assert_int_equal(ep.holes[ep.hole_head].end, 15);
    assert_int_equal(ep.holes[ep.hole_head + 1].begin, 35);
    free(ep.holes);
}

/* Past the bound the lowest hole goes; what was acknowledged of it stays counted. */
static void bound_keeps_the_count_of_lost_octets(void **state)
{
    (void)state;
    struct sf_endpoint ep = {.snd_una = 10 * SF_HOLES_MAX};
    for (int i = 0; i < SF_HOLES_MAX + 5; i++)
        sf_hole_add(&ep, &(struct sf_hole){.begin = 4 * i, .end = 4 * i + 1, .acked_ns = 1});
    assert_int_equal(ep.hole_count, SF_HOLES_MAX);
    assert_int_equal(ep.holes_lost, 5);
    assert_int_equal(sf_hole_missing(&ep), SF_HOLES_MAX + 5);
    free(ep.holes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_as_a_bitmap),
        cmocka_unit_test(first_hole_touched_is_told),
        cmocka_unit_test(bound_keeps_the_count_of_lost_octets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
