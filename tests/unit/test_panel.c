/* The live screen without a terminal: what stands on its lines, and what keys do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "synfin/panel.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

struct bench {
    struct sf_panel panel;
    struct sf_panel_view *view;
    struct sf_buffer story, out;
};

static int open_bench(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    bench->view = calloc(1, sizeof *bench->view);
    bench->panel = (struct sf_panel){.width = 80, .height = 24, .unicode = true};
    bench->panel.wish.least = SF_WARNING;
    bench->view->source = "eth0";
    bench->view->begin_ns = 1000 * SF_SEC;
    bench->view->now_ns = 1075 * SF_SEC;
    *state = bench;
    return setenv("TZ", "UTC", 1);
}

static int close_bench(void **state)
{
    struct bench *bench = *state;
    sf_buffer_dispose(&bench->story);
    sf_buffer_dispose(&bench->out);
    free(bench->view);
    free(bench);
    return 0;
}

static void set_end(struct sf_panel_end *end, const char *ip, uint16_t port)
{
    snprintf(end->ip, sizeof end->ip, "%s", ip);
    end->port = port;
}

/* Three connections: one refused, one closing, one of which only a SYN was seen. */
static void fill_rows(struct sf_panel_view *view)
{
    view->row_count = 3;
    view->rows[0] = (struct sf_panel_row){.id = 7,
                                          .outcome = "refused",
                                          .severity = SF_PROBLEM,
                                          .start_ns = 1070 * SF_SEC,
                                          .end_ns = 1070 * SF_SEC,
                                          .rtt_ns = SF_NS_UNKNOWN};
    view->rows[1] = (struct sf_panel_row){.id = 3,
                                          .state = {SF_FIN_WAIT_2, SF_CLOSE_WAIT},
                                          .severity = SF_WARNING,
                                          .start_ns = 1012 * SF_SEC,
                                          .rtt_ns = 23900 * SF_USEC,
                                          .resent = 4,
                                          .bytes = 19000};
    view->rows[2] = (struct sf_panel_row){.id = 9,
                                          .state = {SF_SYN_SENT, SF_STATE_NONE},
                                          .start_ns = 900 * SF_SEC,
                                          .rtt_ns = SF_NS_UNKNOWN};
    set_end(&view->rows[0].end[SF_CLIENT], "10.0.0.1", 58001);
    set_end(&view->rows[0].end[SF_SERVER], "10.0.0.2", 80);
    set_end(&view->rows[1].end[SF_CLIENT], "2001:db8::1:2:3:4", 37162);
    set_end(&view->rows[1].end[SF_SERVER], "2001:db8::2", 443);
    set_end(&view->rows[2].end[SF_CLIENT], "10.0.0.1", 58002);
    set_end(&view->rows[2].end[SF_SERVER], "192.168.100.200", 65535);
}

static void fill_news(struct sf_panel_view *view)
{
    view->news_count = 1;
    view->news[0] = (struct sf_panel_news){.conn = 3,
                                           .ts_ns = 3661 * SF_SEC,
                                           .name = SF_ANOMALY_RETRANSMISSION,
                                           .severity = SF_WARNING,
                                           .whose = SF_SERVER,
                                           .count = 4,
                                           .detail = "4 segments"};
    set_end(&view->news[0].end[SF_CLIENT], "10.0.0.1", 1);
    set_end(&view->news[0].end[SF_SERVER], "10.0.0.2", 2);
}

/* The lines, trailing blanks left away, without styles unless they are asked for. */
static const char *drawn(struct bench *bench, bool has_styles)
{
    static const char escape = '\033';
    struct sf_buffer *out = &bench->out;
    size_t to = 0;
    sf_buffer_clear(out);
    sf_panel_draw(&bench->panel, bench->view, &bench->story, out);
    sf_put(out, "\n", 2);
    for (size_t from = 0; from < out->len; from++) {
        if (!has_styles && out->data[from] == escape) {
            from += strcspn(out->data + from, "m");
            continue;
        }
        while (out->data[from] == '\n' && to > 0 && out->data[to - 1] == ' ')
            to--;
        out->data[to++] = out->data[from];
    }
    return out->data;
}

static void press(struct bench *bench, const char *keys)
{
    for (; *keys != '\0'; keys++)
        assert_false(sf_panel_key(&bench->panel, bench->view, *keys));
}

static void shows_all_parts(void **state)
{
    struct bench *bench = *state;
    struct sf_panel_view *view = bench->view;
    view->packets = 88412;
    view->tcp_packets = 88020;
    view->packet_rate = 212.6;
    view->bit_rate = 1849000;
    view->opened = 16020;
    view->open_rate = 3.25;
    view->open = 18;
    view->opening = 2;
    view->reported = 16002;
    view->states[SF_CLIENT][SF_SYN_SENT] = 2;
    view->states[SF_CLIENT][SF_ESTABLISHED] = 1234567;
    view->states[SF_SERVER][SF_TIME_WAIT] = 999999;
    fill_rows(view);
    fill_news(view);
    bench->panel.height = 20;
    assert_string_equal(
        drawn(bench, false),
        "synfin  eth0  1m15s                                               h help  q quit\n"
        "packets 88 412  213/s   dropped 0   TCP 88 020  1.8 Mbit/s\n"
        "connections 16 020  3.2/s   open 18   in handshake 2   reported 16 002\n"
        "ends   SYN-SNT SYN-RCV   ESTAB  FIN-W1  FIN-W2 CLOSE-W CLOSING LAST-AC  TIME-W\n"
        "client       2       0   1.2 M       0       0       0       0       0       0\n"
        "server       0       0       0       0       0       0       0       0  999999\n"
        "connections by severity                                                 1-3 of 3\n"
        "  client             server             state          rtt again  bytes    age\n"
        "✗ 10.0.0.1:58001     10.0.0.2:80        refused          -     0      0  < 1 s\n"
        "! …8::1:2:3:4]:37162 [2001:db8::2]:443  FW2/CW     23.9 ms     4  19 kB  1m03s\n"
        "  10.0.0.1:58002     …168.100.200:65535 SYN-SENT         -     0      0  2m55s\n"
        "\n\n\n\n"
        "newest warnings and problems\n"
        "01:01:01 ! retransmission ×4 (server)  10.0.0.1:1 → 10.0.0.2:2  4 segments\n"
        "\n\n"
        "s sort  a anomalies  / filter  p pause  Enter ladder  Tab other part\n");
}

/* Whatever the size: so many lines, none too wide. */
static void fits_any_size(void **state)
{
    struct bench *bench = *state;
    fill_rows(bench->view);
    fill_news(bench->view);
    for (unsigned height = 1; height <= 60; height++)
        for (unsigned width = 20; width <= 200; width += 9) {
            bench->panel.height = height;
            bench->panel.width = width;
            const char *at = drawn(bench, false);
            for (unsigned line = 0; line < height; line++) {
                size_t len = strcspn(at, "\n"), columns = 0;
                for (size_t i = 0; i < len; i++)
                    columns += ((unsigned char)at[i] & 0xc0) != 0x80;
                assert_in_range(columns, 0, width);
                at += len + 1;
            }
            assert_string_equal(at, "");
        }
}

static void colours_only_where_wanted(void **state)
{
    struct bench *bench = *state;
    fill_rows(bench->view);
    bench->view->dropped = 5;
    bench->panel.is_in_news = true; /* no row is reversed */
    bench->panel.color = true;
    assert_non_null(strstr(drawn(bench, true), "\033[31mpackets 0"));
    assert_non_null(strstr(bench->out.data, "\033[31m✗ 10.0.0.1:58001"));
    assert_non_null(strstr(bench->out.data, "\033[33m! "));
    bench->panel.color = false;
    assert_null(strstr(drawn(bench, true), "\033[3"));
    assert_non_null(strstr(bench->out.data, "\033[7msynfin"));
    bench->panel.unicode = false;
    drawn(bench, true);
    for (const char *c = bench->out.data; *c != '\0'; c++)
        assert_in_range((unsigned char)*c, 1, 127);
}

/* A row keeps its light while others come and go before it. */
static void selection_follows_the_connection(void **state)
{
    struct bench *bench = *state;
    fill_rows(bench->view);
    sf_panel_key(&bench->panel, bench->view, SF_KEY_DOWN);
    assert_int_equal(bench->panel.selected_id, 3);
    bench->view->rows[2] = bench->view->rows[1];
    bench->view->rows[1].id = 11;
    drawn(bench, false);
    assert_int_equal(bench->panel.row_at, 2);
    sf_panel_key(&bench->panel, bench->view, SF_KEY_ENTER);
    assert_int_equal(bench->panel.wish.story_id, 3);
    assert_int_equal(bench->panel.mode, SF_PANEL_STORY);
    press(bench, "q");
    assert_int_equal(bench->panel.wish.story_id, 0);
    assert_true(sf_panel_key(&bench->panel, bench->view, 'q'));
}

static void scrolls(void **state)
{
    struct bench *bench = *state;
    bench->view->row_count = 40;
    for (size_t i = 0; i < 40; i++)
        bench->view->rows[i] = (struct sf_panel_row){.id = i + 1, .outcome = "fin"};
    static const struct {
        int key;
        size_t at, top;
    } steps[] = {
        {SF_KEY_PAGE_DOWN, 9, 0}, {SF_KEY_PAGE_DOWN, 18, 9}, {SF_KEY_UP, 17, 9},
        {SF_KEY_END, 39, 30},     {SF_KEY_DOWN, 39, 30},     {SF_KEY_PAGE_UP, 30, 30},
        {SF_KEY_PAGE_UP, 21, 21}, {SF_KEY_HOME, 0, 0},       {SF_KEY_UP, 0, 0},
    };
    for (size_t i = 0; i < LENGTH(steps); i++) {
        sf_panel_key(&bench->panel, bench->view, steps[i].key);
        drawn(bench, false);
        assert_int_equal(bench->panel.row_at, steps[i].at);
        assert_int_equal(bench->panel.row_top, steps[i].top);
    }
    bench->view->row_count = 5; /* the rest went away */
    sf_panel_key(&bench->panel, bench->view, SF_KEY_END);
    drawn(bench, false);
    assert_int_equal(bench->panel.row_at, 4);
    assert_int_equal(bench->panel.row_top, 0);
}

static void an_expression_is_taken_when_it_compiles(void **state)
{
    struct bench *bench = *state;
    press(bench, "/server.port = 1");
    sf_panel_key(&bench->panel, bench->view, SF_KEY_ENTER);
    assert_int_equal(bench->panel.mode, SF_PANEL_EDIT);
    assert_string_equal(bench->panel.wish.filter, "");
    assert_non_null(strstr(bench->panel.error, ": = 1"));
    const char *foot = strstr(drawn(bench, false), bench->panel.error);
    assert_non_null(foot);
    assert_string_equal(foot + strlen(bench->panel.error), "\nwhere: server.port = 1_\n");
    for (int i = 0; i < 3; i++)
        sf_panel_key(&bench->panel, bench->view, SF_KEY_BACKSPACE);
    press(bench, "== 1");
    sf_panel_key(&bench->panel, bench->view, SF_KEY_ENTER);
    assert_int_equal(bench->panel.mode, SF_PANEL_TABLE);
    assert_string_equal(bench->panel.wish.filter, "server.port == 1");
    assert_string_equal(bench->panel.error, "");
    assert_non_null(strstr(drawn(bench, false), "connections by severity  where server.port == 1"));
    assert_non_null(strstr(bench->out.data, "\n  none fits\n"));
    press(bench, "/xyz");
    sf_panel_key(&bench->panel, bench->view, SF_KEY_ESCAPE); /* as if nothing had been written */
    assert_string_equal(bench->panel.wish.filter, "server.port == 1");
    assert_int_equal(bench->panel.mode, SF_PANEL_TABLE);
}

static void a_long_expression_ends(void **state)
{
    struct bench *bench = *state;
    press(bench, "/");
    for (int i = 0; i < 2 * SF_PANEL_FILTER; i++)
        press(bench, "x");
    assert_int_equal(strlen(bench->panel.edit), SF_PANEL_FILTER - 1);
    drawn(bench, false);
    sf_panel_key(&bench->panel, bench->view, SF_KEY_ENTER);
    assert_string_not_equal(bench->panel.error, "");
}

static void every_order_has_its_turn(void **state)
{
    struct bench *bench = *state;
    static const char *const names[] = {"retransmissions", "round trip", "bytes",
                                        "oldest",          "newest",     "severity"};
    for (size_t i = 0; i < LENGTH(names); i++) {
        press(bench, "s");
        assert_string_equal(sf_panel_sort_name(bench->panel.wish.sort), names[i]);
    }
    static const enum sf_severity least[] = {SF_PROBLEM, SF_NOTE, SF_WARNING};
    for (size_t i = 0; i < LENGTH(least); i++) {
        press(bench, "a");
        assert_int_equal(bench->panel.wish.least, least[i]);
    }
}

static void the_ladder_is_shown_from_its_first_line(void **state)
{
    struct bench *bench = *state;
    fill_rows(bench->view);
    sf_panel_key(&bench->panel, bench->view, SF_KEY_ENTER);
    bench->panel.height = 4;
    sf_put_text(&bench->story, "one\ntwo\nthree\nfour\nfive\n");
    assert_null(strstr(drawn(bench, false), "one")); /* it is of an earlier wish */
    bench->view->wish = bench->panel.wish;
    assert_non_null(strstr(drawn(bench, false), "\none\ntwo\nthree\n"));
    sf_panel_key(&bench->panel, bench->view, SF_KEY_END);
    assert_non_null(strstr(drawn(bench, false), "\nthree\nfour\nfive\n"));
    sf_panel_key(&bench->panel, bench->view, SF_KEY_UP);
    assert_non_null(strstr(drawn(bench, false), "\ntwo\nthree\nfour\n"));
    bench->view->is_story_lost = true;
    assert_non_null(strstr(drawn(bench, false), "not remembered"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)
    const struct CMUnitTest tests[] = {
        TEST(shows_all_parts),
        TEST(fits_any_size),
        TEST(colours_only_where_wanted),
        TEST(selection_follows_the_connection),
        TEST(scrolls),
        TEST(an_expression_is_taken_when_it_compiles),
        TEST(a_long_expression_ends),
        TEST(every_order_has_its_turn),
        TEST(the_ladder_is_shown_from_its_first_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
