/* Rows of the zeek view as conn.log, TSV and JSON, whole files compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "synfin/sink.h"

enum { FILE_MAX = 4096, UID_LEN = 18 };

static const sf_ns BEGIN = 1700000001 * SF_SEC + 123456 * SF_USEC + 789;

static struct sf_zeek_row full_row(void)
{
    struct sf_zeek_row row = {
        .key = {.port = {80, 40000}, .scope = {.ip_version = 4}},
        .originator = SF_FROM_1,
        .first_packet = 7,
        .start_ns = BEGIN,
        .duration_ns = 1200000 * SF_USEC + 300,
        .conn_state = "SF",
        .history = "ShADadFf",
        .bytes = {200, 100},
        .missed_bytes = 5,
        .packets = {5, 6},
        .ip_bytes = {400, 340},
    };
    memcpy(row.key.addr[0], (const uint8_t[]){10, 0, 0, 1}, 4);
    memcpy(row.key.addr[1], (const uint8_t[]){192, 0, 2, 2}, 4);
    return row;
}

/* One packet of IPv6: no duration, hence no counts; no letter in the history. */
static struct sf_zeek_row bare_row(void)
{
    struct sf_zeek_row row = {
        .key = {.port = {1, 65535}, .scope = {.ip_version = 6}},
        .originator = SF_FROM_0,
        .first_packet = 8,
        .start_ns = BEGIN + SF_SEC,
        .duration_ns = SF_NS_UNKNOWN,
        .conn_state = "OTH",
        .bytes = {SF_COUNT_UNKNOWN, SF_COUNT_UNKNOWN},
        .packets = {1, 0},
        .ip_bytes = {60, 0},
    };
    memcpy(row.key.addr[0], (const uint8_t[]){0x20, 0x01, 0x0d, 0xb8}, 4);
    memcpy(row.key.addr[1], (const uint8_t[]){0x20, 0x01, 0x0d, 0xb9}, 4);
    return row;
}

/* Both rows through the format, as text; uids are shown as "UID" after a check of their form. */
static void write_rows(const char *format, char text[FILE_MAX])
{
    char path[] = "/tmp/synfin-zeek-XXXXXX", argument[64];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    snprintf(argument, sizeof argument, "%s:%s", format, path);
    bool usage = false;
    struct sf_error err;
    struct sf_sink_options options = {0};
    struct sf_sink *sink = sf_sink_open(argument, &options, &usage, &err);
    assert_non_null(sink);
    struct sf_zeek_row rows[] = {full_row(), bare_row()};
    for (int i = 0; i < 2; i++)
        assert_int_equal(sink->zeek_row(sink, &rows[i], &err), 0);
    struct sf_summary summary = {.first_ns = BEGIN, .last_ns = BEGIN + 61 * SF_SEC};
    assert_int_equal(sink->finish(sink, &summary, &err), 0);
    sink->close(sink);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t len = fread(text, 1, FILE_MAX - 1, file);
    text[len] = '\0';
    fclose(file);
    unlink(path);
}

static void hide_uids(char *text, const char *before)
{
    for (char *at = text; (at = strstr(at, before)) != NULL;) {
        at += strlen(before);
        assert_int_equal(*at, 'C');
        assert_int_equal(
            strspn(at, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"), UID_LEN);
        memmove(at + 3, at + UID_LEN, strlen(at + UID_LEN) + 1);
        memcpy(at, "UID", 3);
    }
}

static void tsv(void **state)
{
    (void)state;
    char text[FILE_MAX];
    write_rows("zeek", text);
    hide_uids(text, ".123456\t");
    assert_string_equal(
        text,
        "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n"
        "#path\tconn\n#open\t2023-11-14-22-13-21\n"
        "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\t"
        "orig_bytes\tresp_bytes\tconn_state\tlocal_orig\tlocal_resp\tmissed_bytes\thistory\t"
        "orig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\ttunnel_parents\tip_proto\n"
        "#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tcount\tcount\t"
        "string\tbool\tbool\tcount\tstring\tcount\tcount\tcount\tcount\tset[string]\tcount\n"
        "1700000001.123456\tUID\t192.0.2.2\t40000\t10.0.0.1\t80\ttcp\t-\t1.200001\t100\t200\tSF\t-"
        "\t-\t5\tShADadFf\t6\t340\t5\t400\t-\t6\n"
        "1700000002.123456\tUID\t2001:db8::\t1\t2001:db9::\t65535\ttcp\t-\t-\t-\t-\tOTH\t-\t-\t0\t"
        "-\t1\t60\t0\t0\t-\t6\n"
        "#close\t2023-11-14-22-14-22\n");
}

static void json(void **state)
{
    (void)state;
    char text[FILE_MAX];
    write_rows("zeek-json", text);
    hide_uids(text, "\"uid\":\"");
    assert_string_equal(
        text,
        "{\"ts\":1700000001.123456,\"uid\":\"UID\",\"id.orig_h\":\"192.0.2.2\",\"id.orig_p\":40000,"
        "\"id.resp_h\":\"10.0.0.1\",\"id.resp_p\":80,\"proto\":\"tcp\",\"duration\":1.200001,"
        "\"orig_bytes\":100,\"resp_bytes\":200,\"conn_state\":\"SF\",\"missed_bytes\":5,"
        "\"history\":\"ShADadFf\",\"orig_pkts\":6,\"orig_ip_bytes\":340,\"resp_pkts\":5,"
        "\"resp_ip_bytes\":400,\"ip_proto\":6}\n"
        "{\"ts\":1700000002.123456,\"uid\":\"UID\",\"id.orig_h\":\"2001:db8::\",\"id.orig_p\":1,"
        "\"id.resp_h\":\"2001:db9::\",\"id.resp_p\":65535,\"proto\":\"tcp\",\"conn_state\":\"OTH\","
        "\"missed_bytes\":0,\"orig_pkts\":1,\"orig_ip_bytes\":60,\"resp_pkts\":0,"
        "\"resp_ip_bytes\":0,\"ip_proto\":6}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tsv), cmocka_unit_test(json)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
