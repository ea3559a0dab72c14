/* Lists of flows in the order of touching, with flows that come back between others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "chance.h"
#include "synfin/flow_table.h"

enum { FLOWS = 300, STEPS = 20000 };

static struct sf_flow_key key_of(uint16_t i)
{
    return (struct sf_flow_key){.port = {i, 80}, .scope = {.ip_version = 4}};
}

static uint64_t hash_of(uint16_t i)
{
    return i * UINT64_C(0x9e3779b97f4a7c15);
}

static struct sf_flow *add(struct sf_flow_table *table, uint16_t i)
{
    const struct sf_flow_key key = key_of(i);
    struct sf_flow *flow = sf_flow_table_add(table, &key, hash_of(i));
    assert_non_null(flow);
    return flow;
}

/* What the list must say is oldest, of those that are on it. */
static sf_ns oldest_of(struct sf_flow *const *flows, const bool *is_closed, size_t *count)
{
    sf_ns oldest = INT64_MAX;
    *count = 0;
    for (size_t i = 0; i < FLOWS; i++) {
        if (flows[i] == NULL || !is_closed[i])
            continue;
        (*count)++;
        oldest = flows[i]->touched_ns < oldest ? flows[i]->touched_ns : oldest;
    }
    return oldest;
}

static void check(const struct sf_flow_table *table, struct sf_flow *const *flows,
                  const bool *is_closed)
{
    size_t count;
    sf_ns expected = oldest_of(flows, is_closed, &count);
    const struct sf_flow *oldest = sf_flow_table_oldest(table, SF_FLOWS_CLOSED);
    assert_int_equal(sf_flow_table_listed(table, SF_FLOWS_CLOSED), count);
    assert_int_equal(oldest == NULL ? INT64_MAX : oldest->touched_ns, expected);
    const struct sf_flow *flow = sf_flow_table_chained(table, SF_FLOWS_CLOSED);
    for (; flow != NULL && flow->newer != NULL; flow = flow->newer)
        assert_true(flow->touched_ns <= flow->newer->touched_ns);
}

/* One comes, leaves, is touched now, or comes back as of an earlier time. */
static void step(struct sf_flow_table *table, struct sf_flow **flows, bool *is_closed, sf_ns now,
                 uint64_t *random)
{
    uint64_t n = chance_next(random);
    size_t i = (size_t)(n % FLOWS);
    if (flows[i] == NULL) {
        flows[i] = add(table, (uint16_t)i);
        is_closed[i] = false;
    }
    switch (n >> 32 & 3) {
    case 0:
        flows[i]->touched_ns = now;
        sf_flow_table_touch(table, flows[i], SF_FLOWS_CLOSED);
        is_closed[i] = true;
        break;
    case 1:
        flows[i]->touched_ns = now - (sf_ns)(n >> 40 & 0x3ff);
        sf_flow_table_place(table, flows[i], SF_FLOWS_CLOSED);
        is_closed[i] = true;
        break;
    case 2:
        flows[i]->touched_ns = now;
        sf_flow_table_touch(table, flows[i], SF_FLOWS_OPEN);
        is_closed[i] = false;
        break;
    default:
        sf_flow_table_remove(table, flows[i]);
        sf_flow_table_release(table, flows[i]);
        flows[i] = NULL;
    }
}

static void the_oldest_is_found(void **state)
{
    (void)state;
    static struct sf_flow *flows[FLOWS];
    static bool is_closed[FLOWS];
    struct sf_flow_table *table = sf_flow_table_new();
    uint64_t random = 1;
    assert_non_null(table);
    for (sf_ns now = 1; now <= STEPS; now++) {
        step(table, flows, is_closed, now / 2, &random); /* times that are the same, too */
        check(table, flows, is_closed);
    }
    struct sf_flow *oldest;
    for (sf_ns before = INT64_MIN; (oldest = sf_flow_table_oldest(table, SF_FLOWS_CLOSED)) != NULL;
         before = oldest->touched_ns) {
        assert_true(before <= oldest->touched_ns);
        sf_flow_table_touch(table, oldest, SF_FLOWS_OPEN);
    }
    sf_flow_table_free(table);
}

static void what_is_aside_is_not_found(void **state)
{
    (void)state;
    struct sf_flow_table *table = sf_flow_table_new();
    const struct sf_flow_key key = key_of(2);
    struct sf_flow *one = add(table, 1);
    struct sf_flow *aside = sf_flow_table_add_aside(table, &key, hash_of(2));
    assert_non_null(aside);
    assert_true(sf_flow_key_is(&aside->key, &key));
    assert_null(sf_flow_table_find(table, &key, hash_of(2)));
    assert_int_equal(sf_flow_table_count(table), 1);
    struct sf_flow *two = add(table, 2);
    sf_flow_table_touch(table, aside, SF_FLOWS_CLOSED);
    assert_int_equal(sf_flow_table_listed(table, SF_FLOWS_CLOSED), 1);
    sf_flow_table_remove(table, aside);
    sf_flow_table_release(table, aside);
    assert_ptr_equal(sf_flow_table_find(table, &key, hash_of(2)), two);
    assert_int_equal(sf_flow_table_count(table), 2);
    assert_null(sf_flow_table_oldest(table, SF_FLOWS_CLOSED));
    assert_ptr_equal(sf_flow_table_oldest(table, SF_FLOWS_EMBRYONIC), one);
    sf_flow_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_oldest_is_found),
                                       cmocka_unit_test(what_is_aside_is_not_found)};
    return cmocka_run_group_tests_name("flow_table", tests, NULL, NULL);
}
