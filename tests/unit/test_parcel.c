/* Numbers made small for a connection that rests, and back: any numbers, not only likely ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "chance.h"
#include "parcel.h"
#include "rooms.h"

enum { ROUNDS = 20000, PACKED_MAX = 4096 };

/* What a number may be: unknown, 0, near a bound, small, anything. */
static uint64_t any_number(uint64_t *random)
{
    static const uint64_t odd[] = {
        0, 1, (uint64_t)SF_OFFSET_NONE, (uint64_t)SF_OFFSET_NONE + 1, UINT64_MAX, INT64_MAX};
    uint64_t n = chance_next(random);
    return n % 4 == 0 ? odd[n / 4 % 6] : n % 4 == 1 ? n >> 40 : n >> n % 64;
}

static void make_samples(struct sf_samples *samples, uint64_t *random)
{
    *samples = (struct sf_samples){0};
    for (uint64_t count = chance_next(random) % 12; count > 0; count--)
        sf_samples_add(&test_rooms, samples, (sf_ns)(chance_next(random) >> 20));
}

/* Every word, then what no flow can do without. */
static void fill_flow(struct sf_flow *flow, uint64_t *random)
{
    for (size_t at = 0; at < sizeof *flow; at += sizeof(uint64_t)) {
        uint64_t n = any_number(random);
        memcpy((char *)flow + at, &n, sizeof n);
    }
    flow->client = chance_next(random) & 1;
    flow->last_data_dir = (int8_t)((int)(chance_next(random) % 3) - 1);
    flow->is_scaled = chance_next(random) & 1;
    for (int dir = 0; dir < SF_DIR_COUNT; dir++) {
        struct sf_endpoint *ep = &flow->ep[dir];
        make_samples(&ep->rtt, random);
        ep->is_window_scaled = chance_next(random) & 1;
        ep->has_fin_ack = chance_next(random) & 1;
        if (chance_next(random) & 1)
            memset(ep->prints, 0, sizeof ep->prints);
    }
}

static sf_ns first_rtt(const struct sf_endpoint *ep)
{
    return ep->rtt.count == 0 ? 0 : sf_samples_values(&ep->rtt)[0];
}

/* With no memory for the samples when it is unpacked, `back` goes without. */
static void there_and_back(const struct sf_flow *flow, sf_ns base, bool has_memory,
                           struct sf_flow *back)
{
    static uint8_t octets[PACKED_MAX];
    struct sf_packer packer = {octets, octets + sizeof octets, false};
    struct sf_unpacker unpacker = {octets};
    struct sf_flow small = *flow;
    const sf_ns first_rtts[SF_DIR_COUNT] = {first_rtt(&flow->ep[0]), first_rtt(&flow->ep[1])};
    small.ep[0].rtt = small.ep[1].rtt = (struct sf_samples){0};
    sf_numbers_pack(&packer, &small, flow, base);
    assert_false(packer.is_full);
    memset(back, 0, sizeof *back);
    sf_numbers_unpack(&unpacker, back);
    assert_ptr_equal(unpacker.at, packer.at);
    for (int dir = 0; has_memory && dir < SF_DIR_COUNT; dir++)
        back->ep[dir].rtt = flow->ep[dir].rtt;
    sf_numbers_grow(back, first_rtts, base);
}

static void any_numbers_come_back(void **state)
{
    (void)state;
    static struct sf_flow flow, back;
    uint64_t random = 1;
    for (int round = 0; round < ROUNDS; round++) {
        fill_flow(&flow, &random);
        there_and_back(&flow, (sf_ns)any_number(&random), true, &back);
        assert_memory_equal(&back, &flow, sizeof back);
        sf_samples_dispose(&test_rooms, &flow.ep[0].rtt);
        sf_samples_dispose(&test_rooms, &flow.ep[1].rtt);
    }
}

/* Then it has no samples and no estimate from them, but all moments are as they were. */
static void samples_without_memory_are_forgotten(void **state)
{
    (void)state;
    static struct sf_flow flow, back;
    const sf_ns base = 1000 * SF_SEC, there = 20 * SF_MSEC, here = 30 * SF_MSEC;
    memset(&flow, 0, sizeof flow);
    flow.syn_ns = flow.first_ns = base;
    flow.syn_ack_ns = base + there;
    flow.ack_ns = base + there + here;
    for (int dir = 0; dir < SF_DIR_COUNT; dir++) {
        struct sf_endpoint *ep = &flow.ep[dir];
        ep->rtt_estimate.srtt_ns = SF_NS_UNKNOWN;
        for (int i = 0; i < 3; i++) {
            sf_samples_add(&test_rooms, &ep->rtt, dir == 0 ? there : here);
            sf_rtt_update(&ep->rtt_estimate, dir == 0 ? there : here);
        }
    }
    there_and_back(&flow, base, false, &back);
    for (int dir = 0; dir < SF_DIR_COUNT; dir++) {
        sf_samples_dispose(&test_rooms, &flow.ep[dir].rtt);
        flow.ep[dir].rtt_estimate = (struct sf_rtt_estimate){SF_NS_UNKNOWN, 0};
    }
    assert_memory_equal(&back, &flow, sizeof back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_numbers_come_back),
        cmocka_unit_test(samples_without_memory_are_forgotten),
    };
    return cmocka_run_group_tests_name("parcel", tests, begin_rooms, end_rooms);
}
