/* What the live screen gathers: the right rows among many, news, the closed, a ladder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "board.h"

static const sf_ns BEGIN = 1000 * SF_SEC;

struct bench {
    struct sf_tracker *tracker;
    struct sf_board *board;
    struct sf_board_totals totals;
    struct sf_panel_wish wish;
    struct sf_panel_view *view;
    struct sf_buffer story;
};

static int open_bench(void **state)
{
    struct sf_track_options options = {
        .linger_ns = 60 * SF_SEC, .report_after_ns = 1, .want_events = true};
    struct bench *bench = calloc(1, sizeof *bench);
    bench->tracker = sf_tracker_new(&options);
    bench->board = sf_board_new(BEGIN);
    bench->view = calloc(1, sizeof *bench->view);
    bench->totals.now_ns = BEGIN;
    bench->wish.least = SF_NOTE;
    *state = bench;
    return 0;
}

static int close_bench(void **state)
{
    struct bench *bench = *state;
    sf_tracker_free(bench->tracker);
    sf_board_free(bench->board);
    sf_buffer_dispose(&bench->story);
    free(bench->view);
    free(bench);
    return 0;
}

/* As a pass does: events, the segment, records. */
static void hear(struct bench *bench, const struct sf_segment *segment)
{
    struct sf_judgement judgement;
    struct sf_event event;
    struct sf_record record;
    sf_tracker_segment(bench->tracker, segment, &judgement);
    while (sf_tracker_event(bench->tracker, &event))
        sf_board_event(bench->board, &event);
    struct sf_segment_line line = {segment, &judgement, judgement.t_ns};
    sf_board_segment(bench->board, &line);
    while (sf_tracker_record(bench->tracker, &record))
        sf_board_record(bench->board, &record);
}

/* One segment of connection n, whose client is 10.x.y.z:1000, every microsecond. */
static void send(struct bench *bench, unsigned n, enum sf_dir dir, unsigned flags, uint32_t seq,
                 uint32_t ack, uint32_t len)
{
    struct sf_segment seg = {
        .key = {.addr = {{10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}, {99, 0, 0, 1}},
                .port = {1000, 80},
                .scope = {.ip_version = 4}},
        .hash = n * UINT64_C(0x9e3779b97f4a7c15),
        .dir = dir,
        .packet = ++bench->totals.packets,
        .ts_ns = bench->totals.now_ns += SF_USEC,
        .seq = sf_seq_of(seq),
        .ack = sf_seq_of(ack),
        .flags = (uint16_t)flags,
        .window = 1000,
        .payload_len = len,
        .ip_bytes = 40 + len,
        .tcp_header_len = 20,
    };
    hear(bench, &seg);
}

static void open_connection(struct bench *bench, unsigned n)
{
    send(bench, n, SF_FROM_0, SF_TH_SYN, 100, 0, 0);
    send(bench, n, SF_FROM_1, SF_TH_SYN | SF_TH_ACK, 500, 101, 0);
    send(bench, n, SF_FROM_0, SF_TH_ACK, 101, 501, 0);
}

static void look(struct bench *bench)
{
    static const struct sf_sink_options terminal = {.unicode = true};
    bench->wish.width = 80;
    sf_board_look(bench->board, bench->tracker, &bench->totals, &bench->wish, &terminal,
                  bench->view, &bench->story);
}

static bool has_row(const struct sf_panel_view *view, uint64_t id)
{
    for (size_t i = 0; i < view->row_count; i++)
        if (view->rows[i].id == id)
            return true;
    return false;
}

/* However many looks the round takes, the first in rank are there in the end, each once. */
static void first_of_many(void **state)
{
    struct bench *bench = *state;
    enum { MANY = 20000, DATA = 1000, LOOKS = 100000 };
    const uint64_t least = 10 + (MANY - (SF_PANEL_ROWS - 1) * (MANY / DATA)) / 100;
    for (unsigned n = 1; n <= MANY; n++)
        open_connection(bench, n);
    for (unsigned n = 7; n <= MANY; n += MANY / DATA)
        send(bench, n, SF_FROM_0, SF_TH_ACK, 101, 501, 10 + n / 100);
    bench->wish.sort = SF_PANEL_BY_BYTES;
    look(bench);
    const uint64_t *counted = &bench->view->states[SF_CLIENT][SF_ESTABLISHED];
    const struct sf_panel_row *last = &bench->view->rows[SF_PANEL_ROWS - 1];
    for (int i = 0; i < LOOKS && (*counted < MANY || last->bytes < least - 1); i++)
        look(bench);
    assert_int_equal(bench->view->open, MANY);
    assert_int_equal(bench->view->states[SF_CLIENT][SF_ESTABLISHED], MANY);
    assert_int_equal(bench->view->row_count, SF_PANEL_ROWS);
    for (size_t i = 0; i < SF_PANEL_ROWS; i++) {
        uint64_t n = bench->view->rows[i].id;
        assert_int_equal(bench->view->rows[i].bytes, 10 + n / 100);
        assert_int_equal((n - 7) % (MANY / DATA), 0);
        assert_true(i == 0 || bench->view->rows[i - 1].bytes >= bench->view->rows[i].bytes);
        assert_true(i == 0 || bench->view->rows[i - 1].id != n);
    }
    assert_string_equal(bench->view->rows[0].end[SF_SERVER].ip, "99.0.0.1");
    /* another filter begins anew, and finds what few fit */
    strcpy(bench->wish.filter, "client.ip == \"10.0.3.0/24\" and client.unique_bytes == 0");
    look(bench);
    for (int i = 0; i < LOOKS && bench->view->row_count < 244; i++)
        look(bench);
    assert_int_equal(bench->view->row_count, 244); /* 12 of the 256 have data */
    for (size_t i = 0; i < bench->view->row_count; i++)
        assert_int_equal(bench->view->rows[i].id >> 8, 3);
}

/* Closed connections stay for a minute, the worst first; what is open is told from it. */
static void closed_ones_stay_a_while(void **state)
{
    struct bench *bench = *state;
    open_connection(bench, 1);
    open_connection(bench, 2);
    send(bench, 1, SF_FROM_1, SF_TH_RST | SF_TH_ACK, 501, 101, 0);
    send(bench, 3, SF_FROM_0, SF_TH_SYN, 100, 0, 0); /* time moves on: the record comes */
    look(bench);
    assert_int_equal(bench->view->row_count, 3);
    assert_int_equal(bench->view->rows[0].id, 1);
    assert_string_equal(bench->view->rows[0].outcome, "reset");
    assert_null(bench->view->rows[1].outcome);
    assert_int_equal(bench->view->open, 2);
    assert_int_equal(bench->view->opening, 1);
    assert_int_equal(bench->view->states[SF_CLIENT][SF_SYN_SENT], 1);
    assert_int_equal(bench->view->states[SF_CLIENT][SF_ESTABLISHED], 1);
    strcpy(bench->wish.filter, "close.how == \"reset\"");
    look(bench);
    assert_int_equal(bench->view->row_count, 1);
    bench->totals.now_ns += 61 * SF_SEC;
    look(bench);
    assert_int_equal(bench->view->row_count, 0);
    bench->wish.filter[0] = '\0';
    look(bench);
    assert_int_equal(bench->view->row_count, 2);
    assert_false(has_row(bench->view, 1));
}

static void news_is_told_once(void **state)
{
    struct bench *bench = *state;
    open_connection(bench, 1);
    for (int i = 0; i < 5; i++)
        send(bench, 1, SF_FROM_0, SF_TH_SYN, 100, 0, 0);
    send(bench, 2, SF_FROM_0, SF_TH_SYN, 100, 0, 0);
    send(bench, 2, SF_FROM_1, SF_TH_RST | SF_TH_ACK, 0, 101, 0);
    look(bench);
    assert_in_range(bench->view->news_count, 2, 5);
    assert_int_equal(bench->view->news[0].conn, 2);
    assert_int_equal(bench->view->news[0].name, SF_ANOMALY_REFUSED);
    assert_int_equal(bench->view->news[0].ts_ns, BEGIN);
    assert_string_equal(bench->view->news[0].end[SF_CLIENT].ip, "10.0.0.2");
    bench->wish.least = SF_PROBLEM;
    look(bench);
    assert_int_equal(bench->view->news_count, 1);
}

static void a_ladder_of_what_is_remembered(void **state)
{
    struct bench *bench = *state;
    open_connection(bench, 1);
    bench->wish.story_id = 1;
    look(bench);
    sf_put_char(&bench->story, '\0');
    assert_false(bench->view->is_story_lost);
    assert_non_null(strstr(bench->story.data, "connection 1: client 10.0.0.1:1000"));
    assert_non_null(strstr(bench->story.data, "SYN-ACK"));
    assert_null(strstr(bench->story.data, "not shown"));
    for (int i = 0; i < SF_BOARD_SEGMENTS - 2; i++)
        send(bench, 2, SF_FROM_0, SF_TH_ACK, 1 + (uint32_t)i, 1, 1);
    look(bench);
    sf_put_char(&bench->story, '\0');
    assert_non_null(strstr(bench->story.data, "the first packet is not shown"));
    assert_null(strstr(bench->story.data, "SYN seq 0"));
    assert_non_null(strstr(bench->story.data, "SYN-ACK"));
    bench->wish.story_id = 99;
    look(bench);
    assert_true(bench->view->is_story_lost);
}

static void rates_are_of_the_last_seconds(void **state)
{
    struct bench *bench = *state;
    for (int i = 0; i < 12; i++) {
        bench->totals.packets += 100;
        bench->totals.dropped += 1;
        bench->totals.now_ns += SF_SEC / 4;
        look(bench);
    }
    assert_int_equal((int)bench->view->packet_rate, 400);
    assert_int_equal((int)bench->view->drop_rate, 4);
    assert_int_equal(bench->view->dropped, 12);
    for (int i = 0; i < 12; i++) {
        bench->totals.now_ns += SF_SEC / 4;
        look(bench);
    }
    assert_int_equal((int)bench->view->packet_rate, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)
    const struct CMUnitTest tests[] = {
        TEST(first_of_many),
        TEST(closed_ones_stay_a_while),
        TEST(news_is_told_once),
        TEST(a_ladder_of_what_is_remembered),
        TEST(rates_are_of_the_last_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
