/* The tracker of a live capture: early records and what comes after them, interim records, overdue
 * handshakes, drops. What it makes of segments is told by the scripts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "src/report/field_text.h"
#include "synfin/shelf.h"
#include "synfin/tcp.h"
#include "synfin/track.h"
#include "track_internal.h"

static const enum sf_dir C = SF_FROM_0, S = SF_FROM_1;

static const sf_ns BEGIN = 1700000000 * SF_SEC;

struct live {
    struct sf_tracker *tracker;
    uint64_t packet;
    struct sf_judgement last;
    void **slot; /* of the views */
};

static struct live live_open(void)
{
    struct sf_track_options options = {.linger_ns = 60 * SF_SEC,
                                       .report_after_ns = SF_SEC / 2,
                                       .update_interval_ns = 10 * SF_SEC,
                                       .handshake_due_ns = 5 * SF_SEC,
                                       .want_events = true};
    struct live live = {.tracker = sf_tracker_new(&options)};
    assert_non_null(live.tracker);
    return live;
}

static void sends_from(struct live *live, uint16_t port, sf_ns t, enum sf_dir dir, uint16_t flags,
                       uint32_t seq, uint32_t ack, uint32_t len)
{
    struct sf_segment seg = {
        .key = {.port = {port, 80}, .scope = {.ip_version = 4}},
        .hash = port,
        .dir = dir,
        .packet = ++live->packet,
        .ts_ns = BEGIN + t,
        .seq = sf_seq_of(seq),
        .ack = sf_seq_of(ack),
        .flags = flags,
        .window = 65535,
        .payload_len = len,
        .payload_cap = len,
        .ip_bytes = 40 + len,
        .ip_id = (uint16_t)live->packet,
        .ttl = 64,
        .tcp_header_len = 20,
    };
    memcpy(seg.key.addr[0], (const uint8_t[]){10, 0, 0, 1}, 4);
    memcpy(seg.key.addr[1], (const uint8_t[]){10, 0, 0, 2}, 4);
    live->slot = sf_tracker_segment(live->tracker, &seg, &live->last);
}

static void sends(struct live *live, sf_ns t, enum sf_dir dir, uint16_t flags, uint32_t seq,
                  uint32_t ack)
{
    sends_from(live, 4000, t, dir, flags, seq, ack, 0);
}

static void opens(struct live *live, sf_ns t)
{
    sends(live, t, C, SF_TH_SYN, 99, 0);
    sends(live, t + SF_MSEC, S, SF_TH_SYN | SF_TH_ACK, 499, 100);
    sends(live, t + 2 * SF_MSEC, C, SF_TH_ACK, 100, 500);
}

static void closes(struct live *live, sf_ns t)
{
    sends(live, t, C, SF_TH_FIN | SF_TH_ACK, 100, 500);
    sends(live, t + SF_MSEC, S, SF_TH_FIN | SF_TH_ACK, 500, 101);
    sends(live, t + 2 * SF_MSEC, C, SF_TH_ACK, 101, 501);
}

static void ticks(struct live *live, sf_ns t)
{
    sf_tracker_tick(live->tracker, BEGIN + t);
}

/* How many anomaly events of that name wait; all events are taken. */
static unsigned take_events(struct live *live, enum sf_anomaly name)
{
    struct sf_event event;
    unsigned count = 0;
    while (sf_tracker_event(live->tracker, &event))
        count += event.kind == SF_EVENT_ANOMALY && event.anomaly == name;
    return count;
}

static bool has_anomaly(const struct sf_record *record, enum sf_anomaly name)
{
    for (size_t i = 0; i < record->anomaly_count; i++)
        if (record->anomalies[i].name == name)
            return true;
    return false;
}

static void expect_none(struct live *live)
{
    struct sf_record record;
    assert_false(sf_tracker_record(live->tracker, &record));
}

static struct sf_record expect_record(struct live *live, uint64_t id, const char *ended_by)
{
    struct sf_record record;
    assert_true(sf_tracker_record(live->tracker, &record));
    assert_int_equal(record.id, id);
    assert_string_equal(record.ended_by, ended_by);
    return record;
}

static void expect_late(const struct live *live, uint64_t segments)
{
    assert_int_equal(sf_tracker_totals(live->tracker).late_segments, segments);
}

static void closed_is_reported_soon_and_then_absorbs(void **state)
{
    (void)state;
    struct live live = live_open();
    opens(&live, 0);
    closes(&live, SF_SEC);
    ticks(&live, SF_SEC + 450 * SF_MSEC);
    expect_none(&live);
    ticks(&live, SF_SEC + 550 * SF_MSEC);
    struct sf_record record = expect_record(&live, 1, "closed");
    assert_int_equal(record.end[SF_CLIENT].packets, 4);
    expect_none(&live);

    sends(&live, 2 * SF_SEC, S, SF_TH_FIN | SF_TH_ACK, 500, 101);
    assert_int_equal(live.last.conn, 1);
    assert_null(live.slot);
    assert_int_equal(live.last.seq, 1);
    expect_late(&live, 1);
    take_events(&live, SF_ANOMALY_COUNT);
    expect_none(&live);

    ticks(&live, 62 * SF_SEC);
    sends_from(&live, 4000, 63 * SF_SEC, S, SF_TH_ACK, 501, 101, 7);
    assert_int_equal(live.last.conn, 2);
    expect_late(&live, 1);
    sf_tracker_finish(live.tracker);
    record = expect_record(&live, 2, "capture_end");
    assert_string_equal(record.open_how, "midstream");
    expect_none(&live);
    sf_tracker_free(live.tracker);
}

static void the_segment_that_makes_the_record_due_may_be_late_itself(void **state)
{
    (void)state;
    struct live live = live_open();
    opens(&live, 0);
    closes(&live, SF_SEC);
    sends(&live, 2 * SF_SEC, S, SF_TH_FIN | SF_TH_ACK, 500, 101);
    expect_late(&live, 1);
    struct sf_record record = expect_record(&live, 1, "closed");
    assert_int_equal(record.end[SF_SERVER].packets, 2);
    sf_tracker_finish(live.tracker);
    expect_none(&live);
    sf_tracker_free(live.tracker);
}

static void a_syn_after_the_record_opens_anew(void **state)
{
    (void)state;
    struct live live = live_open();
    opens(&live, 0);
    closes(&live, SF_SEC);
    ticks(&live, 2 * SF_SEC);
    expect_record(&live, 1, "closed");
    sends(&live, 3 * SF_SEC, C, SF_TH_SYN, 70099, 0);
    assert_int_equal(live.last.conn, 2);
    assert_non_null(live.slot);
    expect_late(&live, 0);
    sf_tracker_finish(live.tracker);
    struct sf_record record = expect_record(&live, 2, "capture_end");
    assert_true(has_anomaly(&record, SF_ANOMALY_PORT_REUSED));
    expect_none(&live);
    sf_tracker_free(live.tracker);
}

/* The SYN that it answers was not captured; on the connection that lives, it waits. */
static void a_syn_ack_that_waits_is_the_servers(void **state)
{
    (void)state;
    struct live live = live_open();
    const struct sf_judgement *last = &live.last;
    opens(&live, 0);
    sends(&live, 20 * SF_SEC, S, SF_TH_SYN | SF_TH_ACK, 70000, 90000);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(last->conn, 2);
        assert_int_equal(last->from, SF_SERVER);
        assert_int_equal(last->seq, 0);
        assert_int_equal(last->ack, 1);
        assert_int_equal(last->t_ns, i * SF_SEC);
        assert_int_equal(last->labels, (uint32_t)i << SF_LABEL_RETRANSMISSION);
        sends(&live, 21 * SF_SEC, S, SF_TH_SYN | SF_TH_ACK, 70000, 90000);
    }
    sf_tracker_free(live.tracker);
}

static void a_clock_set_back_holds_no_record(void **state)
{
    (void)state;
    struct live live = live_open();
    opens(&live, 0);
    closes(&live, SF_SEC);
    ticks(&live, -3600 * SF_SEC);
    expect_record(&live, 1, "closed");
    sf_tracker_free(live.tracker);
}

static void overdue_handshakes_are_noted_without_a_packet(void **state)
{
    (void)state;
    struct live live = live_open();
    struct sf_record record;
    sends_from(&live, 4001, 0, C, SF_TH_SYN, 99, 0, 0);
    sends_from(&live, 4002, 0, C, SF_TH_SYN, 99, 0, 0);
    sends_from(&live, 4002, SF_MSEC, S, SF_TH_SYN | SF_TH_ACK, 499, 100, 0);
    take_events(&live, SF_ANOMALY_COUNT);
    ticks(&live, 4 * SF_SEC);
    assert_false(sf_tracker_update(live.tracker, &record));
    assert_int_equal(take_events(&live, SF_ANOMALY_COUNT), 0);
    ticks(&live, 6 * SF_SEC);
    assert_false(sf_tracker_update(live.tracker, &record));
    struct sf_event event;
    for (int i = 0; i < 2; i++) {
        assert_true(sf_tracker_event(live.tracker, &event));
        assert_int_equal(event.kind, SF_EVENT_ANOMALY);
        assert_int_equal(event.anomaly,
                         event.conn == 1 ? SF_ANOMALY_UNANSWERED : SF_ANOMALY_EMBRYONIC);
    }
    assert_false(sf_tracker_event(live.tracker, &event));

    /* One is opened after all, the other never: told once. */
    sends_from(&live, 4002, 7 * SF_SEC, C, SF_TH_ACK, 100, 500, 10);
    sf_tracker_finish(live.tracker);
    assert_int_equal(take_events(&live, SF_ANOMALY_UNANSWERED), 0);
    record = expect_record(&live, 1, "capture_end");
    assert_true(has_anomaly(&record, SF_ANOMALY_UNANSWERED));
    assert_int_equal(record.anomalies[0].count, 1);
    record = expect_record(&live, 2, "capture_end");
    assert_false(has_anomaly(&record, SF_ANOMALY_EMBRYONIC));
    assert_string_equal(record.open_how, "handshake");
    sf_tracker_free(live.tracker);
}

static void open_connections_are_told_of_each_interval(void **state)
{
    (void)state;
    struct live live = live_open();
    struct sf_record record;
    opens(&live, 0);
    ticks(&live, 9 * SF_SEC);
    assert_false(sf_tracker_update(live.tracker, &record));
    for (uint32_t i = 1; i <= 3; i++) {
        sends_from(&live, 4000, i * 10 * SF_SEC, C, SF_TH_ACK | SF_TH_PSH, 90 + i * 10, 500, 10);
        ticks(&live, (i * 10 + 2) * SF_SEC);
        assert_true(sf_tracker_update(live.tracker, &record));
        assert_int_equal(record.id, 1);
        assert_null(record.ended_by);
        assert_int_equal(record.end[SF_CLIENT].unique_bytes, 10 * i);
        assert_false(sf_tracker_update(live.tracker, &record));
    }
    ticks(&live, 42 * SF_SEC); /* nothing came since */
    assert_false(sf_tracker_update(live.tracker, &record));
    sends(&live, 43 * SF_SEC, S, SF_TH_RST | SF_TH_ACK, 500, 130);
    ticks(&live, 100 * SF_SEC);
    assert_false(sf_tracker_update(live.tracker, &record));
    record = expect_record(&live, 1, "closed");
    assert_int_equal(record.end[SF_CLIENT].unique_bytes, 30);
    sf_tracker_free(live.tracker);
}

static void drops_are_told_to_those_who_were_open(void **state)
{
    (void)state;
    struct live live = live_open();
    opens(&live, 0);
    closes(&live, SF_SEC);
    ticks(&live, 2 * SF_SEC);
    assert_int_equal(expect_record(&live, 1, "closed").dropped_during, SF_COUNT_UNKNOWN);
    sf_tracker_dropped(live.tracker, BEGIN, BEGIN, 0);
    for (uint16_t port = 5001; port <= 5003; port++)
        sends_from(&live, port, port * SF_SEC, C, SF_TH_SYN, 99, 0, 0);
    sf_tracker_dropped(live.tracker, BEGIN + 5001 * SF_SEC, BEGIN + 5002 * SF_SEC - 1, 7);
    sf_tracker_dropped(live.tracker, BEGIN + 5002 * SF_SEC, BEGIN + 5002 * SF_SEC + 1, 3);
    sf_tracker_finish(live.tracker);
    assert_int_equal(expect_record(&live, 2, "capture_end").dropped_during, 10);
    assert_int_equal(expect_record(&live, 3, "capture_end").dropped_during, 3);
    assert_int_equal(expect_record(&live, 4, "capture_end").dropped_during, 0);
    sf_tracker_free(live.tracker);
}

/* Octets that nobody acknowledged and that the kernel may have dropped are the capture's loss. */
static void gaps_beside_drops_are_capture_loss(void **state)
{
    (void)state;
    struct live live = live_open();
    opens(&live, 0);
    sends_from(&live, 4000, SF_SEC, C, SF_TH_ACK, 100, 500, 10);
    sends_from(&live, 4000, SF_SEC + 1, C, SF_TH_ACK, 200, 500, 10);
    sf_tracker_dropped(live.tracker, BEGIN + SF_SEC, BEGIN + SF_SEC, 1);
    sf_tracker_finish(live.tracker);
    struct sf_record record = expect_record(&live, 1, "capture_end");
    assert_int_equal(record.anomaly_count, 1);
    assert_int_equal(record.anomalies[0].name, SF_ANOMALY_CAPTURE_LOSS);
    assert_string_equal(record.anomalies[0].detail,
                        "90 octets were never captured; the capture dropped 1 packet meanwhile");
    assert_non_null(strstr(record.verdict, "The capture dropped 1 packet meanwhile"));
    sf_tracker_free(live.tracker);
}

static void many_drops_are_kept_within_bounds(void **state)
{
    (void)state;
    struct live live = live_open();
    opens(&live, 0);
    for (int i = 0; i < 1000; i++)
        sf_tracker_dropped(live.tracker, BEGIN + i * SF_SEC, BEGIN + i * SF_SEC + 1, 2);
    ticks(&live, 1001 * SF_SEC);
    sf_tracker_finish(live.tracker);
    assert_int_equal(expect_record(&live, 1, "capture_end").dropped_during, 2000);
    sf_tracker_free(live.tracker);
}

/* Every field of the next record, made where `octet` stood before. */
static void put_next_record(struct live *live, int octet, struct sf_buffer *out)
{
    struct sf_record record;
    memset(&record, octet, sizeof record);
    assert_true(sf_tracker_record(live->tracker, &record));
    size_t count;
    const struct sf_field *fields = sf_fields(&count);
    for (size_t i = 0; i < count; i++) {
        sf_put_field_text(out, &fields[i], &record);
        sf_put_char(out, '\n');
    }
    assert_string_equal(record.open_how, sf_opening_name(record.opening));
    assert_string_equal(record.close_how, sf_closing_name(record.closing));
    sf_put_count(out, record.view_next_packet);
    sf_put_char(out, record.view == NULL ? '-' : '+');
}

static void a_record_says_nothing_of_what_stood_there_before(void **state)
{
    (void)state;
    static const int octets[] = {0x00, 0xff, 0x5a};
    struct sf_buffer texts[3] = {0};
    for (size_t i = 0; i < 3; i++) {
        struct live live = live_open();
        sends_from(&live, 3999, 0, C, SF_TH_SYN, 99, 0, 0);
        opens(&live, SF_SEC);
        sends_from(&live, 4000, 2 * SF_SEC, C, SF_TH_ACK | SF_TH_PSH, 100, 500, 10);
        sends(&live, 3 * SF_SEC, S, SF_TH_RST | SF_TH_ACK, 500, 110);
        sends_from(&live, 4001, 4 * SF_SEC, S, SF_TH_ACK, 1, 1, 7);
        sf_tracker_finish(live.tracker);
        for (int k = 0; k < 3; k++)
            put_next_record(&live, octets[i], &texts[i]);
        expect_none(&live);
        sf_tracker_free(live.tracker);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(texts[i].len, texts[0].len);
        assert_memory_equal(texts[i].data, texts[0].data, texts[0].len);
    }
    sf_put_char(&texts[0], '\0');
    assert_non_null(strstr(texts[0].data, "Server reset the connection"));
    for (size_t i = 0; i < 3; i++)
        sf_buffer_dispose(&texts[i]);
}

/* --- connections that rest --- */

static bool keep_nothing(const void *self, const struct sf_segment *seg)
{
    (void)self;
    (void)seg;
    return true;
}

/* Without views there are no slots to pack. */
static const struct sf_slot_keeper no_views = {.may_wait = keep_nothing};

static bool next_update(struct live *live, struct sf_record *out)
{
    return sf_tracker_update(live->tracker, out);
}

static bool next_record(struct live *live, struct sf_record *out)
{
    return sf_tracker_record(live->tracker, out);
}

static void expect_same_record(const struct sf_record *a, const struct sf_record *b)
{
    assert_string_equal(a->verdict, b->verdict);
    assert_int_equal(a->last_packet, b->last_packet);
    assert_int_equal(a->timeline_count, b->timeline_count);
    assert_int_equal(a->anomaly_count, b->anomaly_count);
    for (size_t i = 0; i < a->timeline_count; i++) {
        assert_int_equal(a->timeline[i].packet, b->timeline[i].packet);
        assert_int_equal(a->timeline[i].to, b->timeline[i].to);
    }
    for (size_t i = 0; i < a->anomaly_count; i++) {
        assert_int_equal(a->anomalies[i].name, b->anomalies[i].name);
        assert_int_equal(a->anomalies[i].first_packet, b->anomalies[i].first_packet);
        assert_string_equal(a->anomalies[i].detail, b->anomalies[i].detail);
    }
    for (int end = 0; end < SF_ROLE_COUNT; end++) {
        assert_int_equal(a->end[end].packets, b->end[end].packets);
        assert_int_equal(a->end[end].unique_bytes, b->end[end].unique_bytes);
        assert_int_equal(a->end[end].idle_max_ns, b->end[end].idle_max_ns);
    }
}

static void expect_same_records(struct live *a, struct live *b,
                                bool (*next)(struct live *live, struct sf_record *out))
{
    struct sf_record records[2] = {0};
    for (;;) {
        bool is_there = next(a, &records[0]);
        assert_int_equal(next(b, &records[1]), is_there);
        if (!is_there)
            return;
        expect_same_record(&records[0], &records[1]);
    }
}

static void expect_same_events(struct live *a, struct live *b)
{
    struct sf_event events[2] = {0};
    for (;;) {
        bool is_there = sf_tracker_event(a->tracker, &events[0]);
        assert_int_equal(sf_tracker_event(b->tracker, &events[1]), is_there);
        if (!is_there)
            return;
        assert_int_equal(events[0].packet, events[1].packet);
        assert_int_equal(events[0].time_ns, events[1].time_ns);
        assert_int_equal(events[0].conn, events[1].conn);
        assert_int_equal(events[0].kind, events[1].kind);
    }
}

/* One is silent after a few octets, one never answered, one goes on, until all say something again.
 */
static void tell(struct live *live, unsigned second)
{
    sf_ns t = second * SF_SEC;
    if (second == 1)
        opens(live, t);
    if (second == 2)
        sends_from(live, 4001, t, C, SF_TH_SYN, 99, 0, 0);
    if (second == 20)
        sends_from(live, 4000, t, S, SF_TH_ACK, 500, 100, 300);
    if (second % 10 == 3)
        sends_from(live, 4002, t, C, SF_TH_ACK, 100 + second, 500, 10);
    if (second == 300)
        sends_from(live, 4001, t, S, SF_TH_SYN | SF_TH_ACK, 499, 100, 0);
    if (second == 301)
        sends_from(live, 4000, t, S, SF_TH_ACK, 500, 100, 300);
    if (second == 302)
        closes(live, t);
    ticks(live, t + SF_SEC / 2);
}

static struct live live_with(sf_ns update_interval_ns, sf_ns idle_timeout_ns, bool may_rest)
{
    struct sf_track_options options = {.linger_ns = 60 * SF_SEC,
                                       .report_after_ns = SF_SEC / 2,
                                       .update_interval_ns = update_interval_ns,
                                       .idle_timeout_ns = idle_timeout_ns,
                                       .handshake_due_ns = 5 * SF_SEC,
                                       .want_events = true,
                                       .slots = may_rest ? &no_views : NULL};
    struct live live = {.tracker = sf_tracker_new(&options)};
    assert_non_null(live.tracker);
    return live;
}

static size_t count_resting(const struct live *live)
{
    return sf_shelf_count(live->tracker->shelf, SF_SHELF_OPEN) +
           sf_shelf_count(live->tracker->shelf, SF_SHELF_EMBRYONIC);
}

static void expect_rest(sf_ns update_interval_ns, sf_ns idle_timeout_ns)
{
    struct live resting = live_with(update_interval_ns, idle_timeout_ns, true);
    struct live awake = live_with(update_interval_ns, idle_timeout_ns, false);
    for (unsigned second = 0; second < 1000; second++) {
        tell(&resting, second);
        tell(&awake, second);
        expect_same_events(&resting, &awake);
        expect_same_records(&resting, &awake, next_record);
        expect_same_records(&resting, &awake, next_update);
        expect_same_events(&resting, &awake);
        if (second == 290)
            assert_int_equal(count_resting(&resting), 2);
        assert_int_equal(sf_tracker_totals(resting.tracker).open,
                         sf_tracker_totals(awake.tracker).open);
        assert_int_equal(sf_tracker_totals(resting.tracker).opening,
                         sf_tracker_totals(awake.tracker).opening);
    }
    sf_tracker_finish(resting.tracker);
    sf_tracker_finish(awake.tracker);
    expect_same_events(&resting, &awake);
    expect_same_records(&resting, &awake, next_record);
    sf_tracker_free(resting.tracker);
    sf_tracker_free(awake.tracker);
}

static void what_is_silent_rests_and_nobody_notices(void **state)
{
    (void)state;
    expect_rest(10 * SF_SEC, 0);
    expect_rest(0, 0);
    expect_rest(10 * SF_SEC, 400 * SF_SEC);
    expect_rest(60 * SF_SEC, 3600 * SF_SEC);
}

/* A router says that what the client sent on that port does not arrive. */
static void quotes_from(struct live *live, uint16_t port, sf_ns t)
{
    struct sf_icmp_quote quote = {.key = {.port = {port, 80}, .scope = {.ip_version = 4}},
                                  .hash = port,
                                  .dir = C,
                                  .packet = ++live->packet,
                                  .ts_ns = BEGIN + t,
                                  .ip_version = 4,
                                  .type = 3};
    memcpy(quote.key.addr[0], (const uint8_t[]){10, 0, 0, 1}, 4);
    memcpy(quote.key.addr[1], (const uint8_t[]){10, 0, 0, 2}, 4);
    sf_tracker_icmp(live->tracker, &quote);
}

/* Where the order counts: a SYN that nothing answers waits on one, others are woken by ICMP errors,
 * and all rest in the end. */
static void what_cannot_rest_holds_up_no_other(void **state)
{
    (void)state;
    enum { OPEN = 200, SECONDS = 400 };
    struct live live = live_with(0, 3600 * SF_SEC, true);
    for (uint16_t port = 1; port <= OPEN; port++) {
        sends_from(&live, port, port, C, SF_TH_ACK, 100, 500, 10);
        sends_from(&live, port, port, S, SF_TH_ACK, 500, 110, 10);
    }
    sends_from(&live, 1, SF_SEC, C, SF_TH_SYN, 70000, 0, 0);
    for (sf_ns second = 2; second < SECONDS; second++) {
        if (second == 150)
            quotes_from(&live, OPEN / 2, second * SF_SEC);
        if (second == 160) /* another comes to rest behind it */
            sends_from(&live, OPEN, second * SF_SEC, C, SF_TH_ACK, 110, 510, 10);
        ticks(&live, second * SF_SEC);
        while (sf_tracker_update(live.tracker, &(struct sf_record){0}))
            continue;
        if (second == 140)
            assert_int_equal(sf_flow_table_count(live.tracker->table), 0);
    }
    assert_in_range(sf_flow_table_count(live.tracker->table), 0, 1);
    sf_tracker_free(live.tracker);
}

/* --- there are many --- */

static void what_is_closed_rests_first(void **state)
{
    (void)state;
    enum { MAX = 1024, OPEN = 200, CLOSED = 600 };
    struct sf_track_options options = {
        .linger_ns = 60 * SF_SEC, .want_events = true, .slots = &no_views, .unpacked_max = MAX};
    struct live live = {.tracker = sf_tracker_new(&options)};
    for (uint16_t port = 1; port <= OPEN; port++) {
        sends_from(&live, port, 0, C, SF_TH_SYN, 99, 0, 0);
        sends_from(&live, port, 1, S, SF_TH_SYN | SF_TH_ACK, 499, 100, 0);
    }
    for (uint16_t port = OPEN + 1; port <= OPEN + CLOSED; port++) {
        sends_from(&live, port, 2, C, SF_TH_SYN, 99, 0, 0);
        sends_from(&live, port, 3, S, SF_TH_RST | SF_TH_ACK, 0, 100, 0);
    }
    const struct sf_tracker *t = live.tracker;
    assert_int_equal(sf_flow_table_listed(t->table, SF_FLOWS_EMBRYONIC), OPEN);
    assert_int_equal(sf_flow_table_listed(t->table, SF_FLOWS_CLOSED), MAX / 2 - OPEN);
    assert_int_equal(sf_shelf_count(t->shelf, SF_SHELF_CLOSED), OPEN + CLOSED - MAX / 2);
    /* What comes late for one is still its own. */
    sends_from(&live, OPEN + 1, 4, S, SF_TH_RST | SF_TH_ACK, 0, 100, 0);
    assert_int_equal(live.last.conn, OPEN + 1);
    assert_int_equal(sf_tracker_totals(t).open, OPEN);
    sf_tracker_free(live.tracker);
}

/* Connections that closed long ago are woken; packing must not stop at those. */
static void what_is_woken_late_stops_nothing(void **state)
{
    (void)state;
    enum { MAX = 1024, CLOSED = 2000, WOKEN = 20 };
    struct sf_track_options options = {
        .linger_ns = 60 * SF_SEC, .want_events = true, .slots = &no_views, .unpacked_max = MAX};
    struct live live = {.tracker = sf_tracker_new(&options)};
    for (uint16_t port = 1; port <= CLOSED; port++) {
        sends_from(&live, port, port * SF_MSEC, C, SF_TH_SYN, 99, 0, 0);
        sends_from(&live, port, port * SF_MSEC, S, SF_TH_RST | SF_TH_ACK, 0, 100, 0);
        for (uint16_t woken = WOKEN; port == CLOSED / 2 && woken > 0; woken--)
            quotes_from(&live, woken, port * SF_MSEC);
    }
    assert_int_equal(sf_flow_table_count(live.tracker->table), MAX / 2);
    assert_int_equal(sf_shelf_count(live.tracker->shelf, SF_SHELF_CLOSED), CLOSED - MAX / 2);
    sf_tracker_free(live.tracker);
}

/* A SYN that waits on an open connection, repeated into silence, while others come. */
static void tell_of_waiting(struct live *live)
{
    opens(live, 0);
    sends(live, 10, C, SF_TH_SYN, 70000, 0);
    sends(live, SF_SEC, C, SF_TH_SYN, 70000, 0);
    for (uint16_t port = 1; port <= 8; port++)
        sends_from(live, port, (1 + port) * SF_SEC, C, SF_TH_ACK, 100, 500, 10);
}

static void what_waits_is_found_though_it_rests(void **state)
{
    (void)state;
    struct sf_track_options options = {
        .linger_ns = 60 * SF_SEC, .want_events = true, .unpacked_max = 1};
    struct live awake = {.tracker = sf_tracker_new(&options)};
    options.slots = &no_views;
    struct live resting = {.tracker = sf_tracker_new(&options)};
    tell_of_waiting(&awake);
    tell_of_waiting(&resting);
    assert_int_equal(sf_shelf_count(resting.tracker->shelf, SF_SHELF_OPEN), 1);
    sf_tracker_finish(awake.tracker);
    sf_tracker_finish(resting.tracker);
    assert_int_equal(sf_tracker_totals(awake.tracker).opened, 10); /* the attempt is its own */
    expect_same_events(&awake, &resting);
    expect_same_records(&awake, &resting, next_record);
    sf_tracker_free(awake.tracker);
    sf_tracker_free(resting.tracker);
}

/* --- there is no memory for more --- */

/* SYNs that are answered so, or by a RST, and nobody goes on; a connection opens among them. */
static void flood(struct live *live, uint16_t answer)
{
    enum { FLOOD = 1000, FIRST = 1000, HONEST = 500, BEGIN_AT = FLOOD / 2, STEP = 10 };
    for (uint16_t i = 0; i < FLOOD; i++) {
        sf_ns t = SF_SEC + i * SF_MSEC;
        sends_from(live, FIRST + i, t, C, SF_TH_SYN, 99, 0, 0);
        sends_from(live, FIRST + i, t, S, answer, 499, 100, 0);
        if (i == BEGIN_AT)
            sends_from(live, HONEST, t, C, SF_TH_SYN, 99, 0, 0);
        if (i == BEGIN_AT + STEP)
            sends_from(live, HONEST, t, S, SF_TH_SYN | SF_TH_ACK, 499, 100, 0);
        if (i == BEGIN_AT + 2 * STEP)
            sends_from(live, HONEST, t, C, SF_TH_ACK, 100, 500, 0);
    }
    const struct sf_judgement *last = &live->last;
    sends_from(live, HONEST, 3 * SF_SEC, C, SF_TH_ACK, 100, 500, 10);
    assert_int_equal(last->seq, 1); /* its SYN is known */
    assert_int_equal(last->t_ns, 3 * SF_SEC - SF_SEC - BEGIN_AT * SF_MSEC);
}

static void a_flood_evicts_itself(void **state)
{
    (void)state;
    enum { ESTABLISHED = 20 };
    static const uint16_t answers[] = {SF_TH_SYN | SF_TH_ACK, SF_TH_RST | SF_TH_ACK};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct sf_track_options options = {.linger_ns = 60 * SF_SEC, .max_memory = 1 << 20};
        struct live live = {.tracker = sf_tracker_new(&options)};
        for (uint16_t port = 1; port <= ESTABLISHED; port++) {
            sends_from(&live, port, 0, C, SF_TH_SYN, 99, 0, 0);
            sends_from(&live, port, 1, S, SF_TH_SYN | SF_TH_ACK, 499, 100, 0);
            sends_from(&live, port, 2, C, SF_TH_ACK, 100, 500, 0);
        }
        flood(&live, answers[i]);
        for (uint16_t port = 1; port <= ESTABLISHED; port++) {
            sends_from(&live, port, 4 * SF_SEC, C, SF_TH_ACK, 100, 500, 10);
            assert_int_equal(live.last.conn, port);
        }
        assert_in_range(sf_tracker_totals(live.tracker).evicted, 500, 1000);
        sf_tracker_free(live.tracker);
    }
}

/* --- numbers that several count together --- */

static void ids_are_counted_over_all_trackers(void **state)
{
    (void)state;
    _Atomic uint64_t given = 0;
    struct sf_track_options options = {.linger_ns = 60 * SF_SEC, .ids_given = &given};
    struct live a = {.tracker = sf_tracker_new(&options)};
    struct live b = {.tracker = sf_tracker_new(&options)};
    sends_from(&a, 4000, 0, C, SF_TH_SYN, 99, 0, 0);
    assert_int_equal(a.last.conn, 1);
    sends_from(&b, 4001, 1, C, SF_TH_SYN, 99, 0, 0);
    assert_int_equal(b.last.conn, 2);
    sends_from(&a, 4000, 2, S, SF_TH_SYN | SF_TH_ACK, 499, 100, 0);
    assert_int_equal(a.last.conn, 1);
    sends_from(&a, 4002, 3, C, SF_TH_SYN, 99, 0, 0);
    assert_int_equal(a.last.conn, 3);
    sf_tracker_free(a.tracker);
    sf_tracker_free(b.tracker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed_is_reported_soon_and_then_absorbs),
        cmocka_unit_test(a_record_says_nothing_of_what_stood_there_before),
        cmocka_unit_test(the_segment_that_makes_the_record_due_may_be_late_itself),
        cmocka_unit_test(a_syn_after_the_record_opens_anew),
        cmocka_unit_test(a_syn_ack_that_waits_is_the_servers),
        cmocka_unit_test(a_clock_set_back_holds_no_record),
        cmocka_unit_test(overdue_handshakes_are_noted_without_a_packet),
        cmocka_unit_test(open_connections_are_told_of_each_interval),
        cmocka_unit_test(drops_are_told_to_those_who_were_open),
        cmocka_unit_test(gaps_beside_drops_are_capture_loss),
        cmocka_unit_test(many_drops_are_kept_within_bounds),
        cmocka_unit_test(what_is_silent_rests_and_nobody_notices),
        cmocka_unit_test(what_cannot_rest_holds_up_no_other),
        cmocka_unit_test(what_is_closed_rests_first),
        cmocka_unit_test(what_is_woken_late_stops_nothing),
        cmocka_unit_test(what_waits_is_found_though_it_rests),
        cmocka_unit_test(a_flood_evicts_itself),
        cmocka_unit_test(ids_are_counted_over_all_trackers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
