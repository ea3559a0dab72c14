/* Numbers made small for a connection that rests, and back: any numbers, not only likely ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "parcel.h"

enum { ROUNDS = 20000, PACKED_MAX = 4096 };

static uint64_t next(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

/* What a number may be: unknown, 0, near a bound, small, anything. */
static uint64_t any_number(uint64_t *random)
{
    static const uint64_t odd[] = {
        0, 1, (uint64_t)SF_OFFSET_NONE, (uint64_t)SF_OFFSET_NONE + 1, UINT64_MAX, INT64_MAX};
    uint64_t n = next(random);
    return n % 4 == 0 ? odd[n / 4 % 6] : n % 4 == 1 ? n >> 40 : n >> n % 64;
}

static void make_samples(struct sf_samples *samples, uint64_t *random)
{
    for (uint64_t count = next(random) % 12; count > 0; count--)
        sf_samples_add(samples, (sf_ns)(next(random) >> 20));
}

#define FILL(at, field) ((at)->field = (__typeof__((at)->field))any_number(random))

static void fill_end(struct sf_endpoint *ep, uint64_t *random)
{
    FILL(ep, base.n), FILL(ep, mss), FILL(ep, state), FILL(ep, shift), FILL(ep, snd_nxt);
    FILL(ep, snd_una), FILL(ep, right_edge), FILL(ep, fin), FILL(ep, late_ns), FILL(ep, last_ns);
    FILL(ep, rtt_estimate.srtt_ns), FILL(ep, rtt_estimate.rttvar_ns), FILL(ep, ts_echoed);
    FILL(ep, ts_recent_ns), FILL(ep, last.flags), FILL(ep, last.window), FILL(ep, last.ack.n);
    FILL(ep, packets), FILL(ep, ip_bytes), FILL(ep, payload_bytes), FILL(ep, unique_bytes);
    FILL(ep, first_data_ns), FILL(ep, last_data_ns), FILL(ep, idle_max_ns), FILL(ep, window_now);
    FILL(ep, initial_window), FILL(ep, window_min), FILL(ep, window_max), FILL(ep, ttl_min);
    FILL(ep, ttl_max), FILL(ep, prints[1]), FILL(ep, sightings[1].ts_ns), FILL(ep, proof);
    FILL(ep, sack_high), FILL(ep, suspect), FILL(ep, probe_end), FILL(ep, syn_options);
    ep->is_window_scaled = next(random) & 1;
    ep->has_base = next(random) & 1;
    ep->saw_timestamps = next(random) & 1;
}

static void fill_flow(struct sf_flow *flow, uint64_t *random)
{
    memset(flow, 0, sizeof *flow);
    fill_end(&flow->ep[0], random);
    fill_end(&flow->ep[1], random);
    FILL(flow, first_ns), FILL(flow, last_ns), FILL(flow, syn_ns), FILL(flow, syn_ack_ns);
    FILL(flow, ack_ns), FILL(flow, fin_ns), FILL(flow, last_data_ns), FILL(flow, challenge_ns);
    FILL(flow, first_packet), FILL(flow, first_fin), FILL(flow, reset.ts_ns);
    flow->client = next(random) & 1;
    flow->last_data_dir = (int8_t)((int)(next(random) % 3) - 1);
    flow->is_scaled = next(random) & 1;
}

/* Returns how many octets it took. */
static size_t there_and_back(const struct sf_flow *flow, sf_ns base)
{
    static uint8_t octets[PACKED_MAX];
    struct sf_packer packer = {octets, octets + sizeof octets, false};
    struct sf_unpacker unpacker = {octets};
    struct sf_flow small = *flow, back = {0};
    for (int dir = 0; dir < SF_DIR_COUNT; dir++)
        small.ep[dir].rtt = (struct sf_samples){0};
    sf_numbers_pack(&packer, &small, flow, base);
    assert_false(packer.is_full);
    sf_numbers_unpack(&unpacker, &back);
    assert_ptr_equal(unpacker.at, packer.at);
    for (int dir = 0; dir < SF_DIR_COUNT; dir++)
        back.ep[dir].rtt = flow->ep[dir].rtt;
    sf_numbers_grow(&back, base);
    assert_memory_equal(&back, flow, sizeof back);
    return (size_t)(packer.at - octets);
}

static void any_numbers_come_back(void **state)
{
    (void)state;
    static struct sf_flow flow;
    uint64_t random = 1;
    for (int round = 0; round < ROUNDS; round++) {
        fill_flow(&flow, &random);
        make_samples(&flow.ep[0].rtt, &random);
        make_samples(&flow.ep[1].rtt, &random);
        there_and_back(&flow, (sf_ns)any_number(&random));
        sf_samples_dispose(&flow.ep[0].rtt);
        sf_samples_dispose(&flow.ep[1].rtt);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_numbers_come_back),
    };
    return cmocka_run_group_tests_name("parcel", tests, NULL, NULL);
}
