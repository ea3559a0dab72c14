/* Open connections as they stand: each is handed out once a round, whatever happens meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "synfin/address.h"
#include "synfin/glance.h"

enum { CONNECTIONS = 200 }; /* more than a block of the table */

struct bench {
    struct sf_tracker *tracker;
    uint64_t packets;
};

static struct bench bench_open(void)
{
    struct sf_track_options options = {.linger_ns = SF_SEC, .want_events = true};
    struct bench bench = {.tracker = sf_tracker_new(&options)};
    assert_non_null(bench.tracker);
    return bench;
}

/* One segment of connection n, whose client is 10.0.0.1:1000+n, every 10 ms. */
static void send(struct bench *bench, unsigned n, enum sf_dir dir, unsigned flags, uint32_t seq,
                 uint32_t ack)
{
    struct sf_segment seg = {
        .key = {.addr = {{10, 0, 0, 1}, {10, 0, 0, 2}},
                .port = {(uint16_t)(1000 + n), 80},
                .scope = {.ip_version = 4}},
        .hash = n % 7,
        .dir = dir,
        .packet = ++bench->packets,
        .ts_ns = 1000 * SF_SEC + (sf_ns)bench->packets * 10 * SF_MSEC,
        .seq = sf_seq_of(seq),
        .ack = sf_seq_of(ack),
        .flags = (uint16_t)flags,
        .window = 1000,
        .ip_bytes = 40,
        .tcp_header_len = 20, /* none of it captured: no checksum to test */
    };
    sf_tracker_segment(bench->tracker, &seg, NULL);
}

static void open_connection(struct bench *bench, unsigned n)
{
    send(bench, n, SF_FROM_0, SF_TH_SYN, 100, 0);
    send(bench, n, SF_FROM_1, SF_TH_SYN | SF_TH_ACK, 500, 101);
    send(bench, n, SF_FROM_0, SF_TH_ACK, 101, 501);
}

static void every_open_one_once(void **state)
{
    struct bench bench = bench_open();
    struct sf_flow_walk walk = {0};
    struct sf_glance glance;
    unsigned seen[CONNECTIONS + 1] = {0}, count = 0;
    (void)state;
    for (unsigned n = 1; n <= CONNECTIONS; n++)
        open_connection(&bench, n);
    while (sf_tracker_glance(bench.tracker, &walk, &glance)) {
        assert_in_range(glance.id, 1, CONNECTIONS);
        seen[glance.id]++;
        if (++count == CONNECTIONS / 2) /* those that a reset closes are handed out no more */
            for (unsigned n = 1; n <= CONNECTIONS; n++)
                send(&bench, n, SF_FROM_1, SF_TH_RST | SF_TH_ACK, 501, 101);
    }
    assert_int_equal(count, CONNECTIONS / 2);
    for (unsigned n = 1; n <= CONNECTIONS; n++)
        assert_in_range(seen[n], 0, 1);
    assert_false(walk.is_under_way);
    assert_int_equal(sf_tracker_totals(bench.tracker).open, 0);
    sf_tracker_free(bench.tracker);
}

static void tells_how_it_stands(void **state)
{
    struct bench bench = bench_open();
    struct sf_flow_walk walk = {0};
    struct sf_glance glance;
    char ip[48];
    (void)state;
    send(&bench, 1, SF_FROM_0, SF_TH_SYN, 100, 0);
    assert_true(sf_tracker_glance(bench.tracker, &walk, &glance));
    assert_int_equal(glance.state[SF_CLIENT], SF_SYN_SENT);
    assert_int_equal(glance.state[SF_SERVER], SF_STATE_NONE);
    assert_int_equal(glance.severity, SF_SEVERITY_OK);
    assert_int_equal(glance.rtt_ns, SF_NS_UNKNOWN);
    assert_int_equal(sf_tracker_totals(bench.tracker).opening, 1);
    send(&bench, 1, SF_FROM_0, SF_TH_SYN, 100, 0);
    send(&bench, 1, SF_FROM_1, SF_TH_SYN | SF_TH_ACK, 500, 101);
    send(&bench, 1, SF_FROM_0, SF_TH_ACK, 101, 501);
    assert_true(sf_tracker_glance_again(bench.tracker, &glance));
    assert_int_equal(glance.state[SF_CLIENT], SF_ESTABLISHED);
    assert_int_equal(glance.state[SF_SERVER], SF_ESTABLISHED);
    assert_int_equal(glance.severity, SF_WARNING); /* the SYN was sent twice */
    assert_int_equal(glance.resent, 1);
    assert_int_equal(glance.packets, 4);
    assert_int_equal(glance.rtt_ns, 20 * SF_MSEC);
    assert_int_equal(glance.last_ns - glance.start_ns, 30 * SF_MSEC);
    assert_string_equal(sf_address_text(ip, glance.key.addr[glance.client], 4), "10.0.0.1");
    assert_int_equal(sf_tracker_totals(bench.tracker).opening, 0);
    assert_int_equal(sf_tracker_totals(bench.tracker).opened, 1);
    sf_tracker_free(bench.tracker);
}

static void a_record_before_the_end(void **state)
{
    struct bench bench = bench_open();
    struct sf_flow_walk walk = {0};
    struct sf_glance glance;
    struct sf_record record;
    (void)state;
    open_connection(&bench, 1);
    assert_true(sf_tracker_glance(bench.tracker, &walk, &glance));
    assert_true(sf_tracker_peek(bench.tracker, &glance, &record));
    assert_int_equal(record.id, 1);
    assert_string_equal(record.open_how, "handshake");
    assert_string_equal(record.close_how, "none");
    assert_null(record.ended_by);
    assert_int_equal(record.timeline_count, 4);
    assert_int_equal(record.end[SF_CLIENT].packets, 2);
    sf_tracker_finish(bench.tracker);
    assert_false(sf_tracker_peek(bench.tracker, &glance, &record));
    assert_true(sf_tracker_record(bench.tracker, &record));
    assert_string_equal(record.ended_by, "capture_end");
    sf_tracker_free(bench.tracker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_open_one_once),
        cmocka_unit_test(tells_how_it_stands),
        cmocka_unit_test(a_record_before_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
