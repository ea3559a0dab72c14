/* Several trackers over one input: what one of them tells depends on nothing that it passes over,
 * and comes in an order that all share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "synfin/tcp.h"
#include "synfin/track.h"

static const enum sf_dir C = SF_FROM_0, S = SF_FROM_1;

static const sf_ns BEGIN = 1700000000 * SF_SEC;

/* One tracker that takes all, one for each port. */
enum { ALL, PORTS = 3, TRACKERS };

struct bench {
    struct sf_tracker *trackers[TRACKERS];
    uint64_t packet;
    struct sf_judgement last[TRACKERS];
};

static struct bench bench_open(void)
{
    struct bench bench = {.packet = 0};
    for (int i = 0; i < TRACKERS; i++) {
        struct sf_track_options options = {.linger_ns = 60 * SF_SEC, .ids_by_packet = i != ALL};
        bench.trackers[i] = sf_tracker_new(&options);
        assert_non_null(bench.trackers[i]);
    }
    return bench;
}

static void bench_close(struct bench *bench)
{
    for (int i = 0; i < TRACKERS; i++)
        sf_tracker_free(bench->trackers[i]);
}

static void sends(struct bench *bench, uint16_t port, sf_ns t, enum sf_dir dir, uint16_t flags,
                  uint32_t seq, uint32_t ack)
{
    struct sf_segment seg = {
        .key = {.port = {port, 80}, .scope = {.ip_version = 4}},
        .hash = port,
        .dir = dir,
        .packet = ++bench->packet,
        .ts_ns = BEGIN + t,
        .seq = sf_seq_of(seq),
        .ack = sf_seq_of(ack),
        .flags = flags,
        .window = 65535,
        .ip_bytes = 40,
        .ip_id = (uint16_t)bench->packet,
        .ttl = 64,
        .tcp_header_len = 20,
    };
    memcpy(seg.key.addr[0], (const uint8_t[]){10, 0, 0, 1}, 4);
    memcpy(seg.key.addr[1], (const uint8_t[]){10, 0, 0, 2}, 4);
    for (int i = 0; i < TRACKERS; i++) {
        if (i == ALL || i == port)
            sf_tracker_segment(bench->trackers[i], &seg, &bench->last[i]);
        else
            sf_tracker_pass(bench->trackers[i], seg.packet, seg.ts_ns);
    }
}

static void opens(struct bench *bench, uint16_t port, sf_ns t)
{
    sends(bench, port, t, C, SF_TH_SYN, 99, 0);
    sends(bench, port, t + SF_MSEC, S, SF_TH_SYN | SF_TH_ACK, 499, 100);
    sends(bench, port, t + 2 * SF_MSEC, C, SF_TH_ACK, 100, 500);
}

static void closes(struct bench *bench, uint16_t port, sf_ns t)
{
    sends(bench, port, t, C, SF_TH_FIN | SF_TH_ACK, 100, 500);
    sends(bench, port, t + SF_MSEC, S, SF_TH_FIN | SF_TH_ACK, 500, 101);
    sends(bench, port, t + 2 * SF_MSEC, C, SF_TH_ACK, 101, 501);
}

static void expect(struct bench *bench, int tracker, uint64_t id, uint64_t first_packet)
{
    struct sf_record record;
    assert_true(sf_tracker_record(bench->trackers[tracker], &record));
    assert_int_equal(record.id, id);
    assert_int_equal(record.first_packet, first_packet);
}

static void expect_none(struct bench *bench)
{
    struct sf_record record;
    for (int i = 0; i < TRACKERS; i++)
        assert_false(sf_tracker_record(bench->trackers[i], &record));
}

static void ids_are_given_or_first_packets(void **state)
{
    (void)state;
    struct bench bench = bench_open();
    opens(&bench, 1, 0);
    opens(&bench, 2, SF_SEC);
    assert_int_equal(bench.last[ALL].conn, 2);
    assert_int_equal(bench.last[1].conn, 1);
    assert_int_equal(bench.last[2].conn, 4);
    bench_close(&bench);
}

static void what_one_packet_ends_comes_by_id(void **state)
{
    (void)state;
    struct bench bench = bench_open();
    for (uint16_t port = 1; port <= PORTS; port++)
        opens(&bench, port, port * SF_SEC);
    closes(&bench, 3, 10 * SF_SEC);
    closes(&bench, 1, 11 * SF_SEC);
    closes(&bench, 2, 12 * SF_SEC);
    expect_none(&bench);
    opens(&bench, 1, 100 * SF_SEC);
    expect(&bench, ALL, 1, 1);
    expect(&bench, ALL, 2, 4);
    expect(&bench, ALL, 3, 7);
    expect(&bench, 1, 1, 1);
    expect(&bench, 2, 4, 4);
    expect(&bench, 3, 7, 7);
    expect_none(&bench);
    bench_close(&bench);
}

/* A packet with an earlier time closes connection 2 after connection 1: it expires neither with 1,
 * nor, alone, sooner than beside 1. */
static void expiry_depends_on_no_other(void **state)
{
    (void)state;
    struct bench bench = bench_open();
    opens(&bench, 1, 0);
    opens(&bench, 2, SF_SEC);
    opens(&bench, 3, 2 * SF_SEC);
    closes(&bench, 1, 10 * SF_SEC);
    closes(&bench, 2, 5 * SF_SEC);
    sends(&bench, 3, 69 * SF_SEC, C, SF_TH_ACK, 100, 500);
    expect_none(&bench);
    sends(&bench, 3, 71 * SF_SEC, C, SF_TH_ACK, 100, 500);
    expect(&bench, ALL, 1, 1);
    expect(&bench, ALL, 2, 4);
    expect(&bench, 1, 1, 1);
    expect(&bench, 2, 4, 4);
    expect_none(&bench);
    bench_close(&bench);
}

/* SYNs still wait on connection 2 when the input ends: it was settled, and told, before 1. */
static void the_end_comes_by_id(void **state)
{
    (void)state;
    struct bench bench = bench_open();
    opens(&bench, 1, 0);
    opens(&bench, 2, SF_SEC);
    sends(&bench, 2, 200 * SF_SEC, C, SF_TH_SYN, 900000, 0);
    sends(&bench, 2, 201 * SF_SEC, C, SF_TH_SYN, 900000, 0);
    for (int i = 0; i < TRACKERS; i++)
        sf_tracker_finish(bench.trackers[i]);
    expect(&bench, ALL, 1, 1);
    expect(&bench, ALL, 2, 4);
    expect(&bench, ALL, 3, 7);
    expect(&bench, 1, 1, 1);
    expect(&bench, 2, 4, 4);
    expect(&bench, 2, 7, 7);
    expect_none(&bench);
    bench_close(&bench);
}

static void records_can_wait_for_those_who_left(void **state)
{
    (void)state;
    struct bench bench = bench_open();
    struct sf_record record;
    struct sf_tracker *tracker = bench.trackers[ALL];
    opens(&bench, 1, 0);
    closes(&bench, 1, SF_SEC);
    opens(&bench, 2, 2 * SF_SEC);
    closes(&bench, 2, 3 * SF_SEC);
    sends(&bench, 3, 62 * SF_SEC, C, SF_TH_SYN, 99, 0);
    assert_true(sf_tracker_departed(tracker, &record));
    assert_int_equal(record.id, 1);
    assert_int_equal(record.first_packet, 1);
    assert_false(sf_tracker_departed(tracker, &record));
    sends(&bench, 3, 64 * SF_SEC, C, SF_TH_SYN, 99, 0);
    assert_true(sf_tracker_departed(tracker, &record));
    assert_int_equal(record.id, 2);
    expect(&bench, ALL, 1, 1);
    expect(&bench, ALL, 2, 7);
    assert_false(sf_tracker_record(tracker, &record));
    bench_close(&bench);
}

static void nothing_ends_before_it_is_due(void **state)
{
    (void)state;
    struct bench bench = bench_open();
    struct sf_record record;
    struct sf_tracker *tracker = bench.trackers[1];
    int ended_s = 0;
    opens(&bench, 1, 0);
    closes(&bench, 1, 10 * SF_SEC);
    for (int s = 11; s < 80; s++) {
        bool is_due = sf_tracker_is_due(tracker, BEGIN + s * SF_SEC);
        sf_tracker_pass(tracker, ++bench.packet, BEGIN + s * SF_SEC);
        bool has_news = sf_tracker_has_news(tracker);
        assert_true(is_due || !has_news);
        assert_int_equal(sf_tracker_record(tracker, &record), has_news);
        ended_s = has_news ? s : ended_s;
    }
    assert_int_equal(ended_s, 71);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_given_or_first_packets),
        cmocka_unit_test(what_one_packet_ends_comes_by_id),
        cmocka_unit_test(expiry_depends_on_no_other),
        cmocka_unit_test(the_end_comes_by_id),
        cmocka_unit_test(records_can_wait_for_those_who_left),
        cmocka_unit_test(nothing_ends_before_it_is_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
