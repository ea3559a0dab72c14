/* What Zeek and tshark say, case by case: each case is a few packets and all that comes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "synfin/view.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

enum { TEXT_MAX = 2048, CUT_LIMIT = 1024 };

/* Initial sequence numbers near both edges, so that every case crosses a wrap or a sign. */
static const uint32_t isn[SF_DIR_COUNT] = {0xffffff00u, 0x7fffff00u};

struct bench {
    struct sf_views *views;
    void *slot;
    uint16_t port[SF_DIR_COUNT];
    sf_ns begin_ns;
    uint64_t packets;
};

static struct bench bench_open(struct sf_view_options options)
{
    struct bench bench = {
        .views = sf_views_new(&options), .port = {40000, 9000}, .begin_ns = 1000 * SF_SEC};
    assert_non_null(bench.views);
    return bench;
}

static struct sf_flow_key key_of(const struct bench *bench)
{
    struct sf_flow_key key = {.scope = {.ip_version = 4}};
    memcpy(key.port, bench->port, sizeof key.port);
    key.addr[0][3] = 1;
    key.addr[1][3] = 2;
    return key;
}

static uint16_t flags_of(const char *letters)
{
    static const char names[] = "FSRP.";
    uint16_t flags = 0;
    for (; *letters != '\0'; letters++)
        flags = (uint16_t)(flags | 1u << (strchr(names, *letters) - names));
    return flags;
}

/* One packet "SECONDS WHO FLAGS SEQ LEN ACK [WINDOW [SCALE [CAPTURED]]]"; who is c or s, numbers
 * are relative to the two initial ones, a negative scale is no option. */
static uint32_t show(struct bench *bench, const char *line)
{
    double seconds;
    char who, letters[8];
    int seq, len, ack, window = 1000, scale = -1, captured = -1;
    int fields = sscanf(line, "%lf %c %7s %d %d %d %d %d %d", &seconds, &who, letters, &seq, &len,
                        &ack, &window, &scale, &captured);
    assert_true(fields >= 6);
    enum sf_dir dir = who == 'c' ? SF_FROM_0 : SF_FROM_1;
    struct sf_segment seg = {
        .key = key_of(bench),
        .dir = dir,
        .packet = ++bench->packets,
        .ts_ns = bench->begin_ns + (sf_ns)(seconds * 1e6 + 0.5) * SF_USEC,
        .seq = sf_seq_of(isn[dir] + (uint32_t)seq),
        .flags = flags_of(letters),
        .window = (uint16_t)window,
        .payload_len = (uint32_t)len,
        .payload_cap = (uint32_t)(captured < 0 ? len : captured),
        .ip_bytes = 40 + (uint32_t)len,
    };
    if (seg.flags & SF_TH_ACK)
        seg.ack = sf_seq_of(isn[sf_dir_other(dir)] + (uint32_t)ack);
    if (scale >= 0) {
        seg.options.present = SF_OPT_HAS_WSCALE;
        seg.options.wscale = (uint8_t)scale;
    }
    return sf_views_segment(bench->views, &seg, &bench->slot);
}

static void show_all(struct bench *bench, const char *packets, char *labels)
{
    char line[128];
    for (const char *at = packets; *at != '\0';) {
        size_t len = strcspn(at, ";");
        assert_true(len < sizeof line);
        memcpy(line, at, len);
        line[len] = '\0';
        at += len + (at[len] == ';');
        uint32_t found = show(bench, line);
        for (int i = 0; i < SF_LABEL_COUNT; i++) {
            if (labels != NULL && found & 1u << i)
                sprintf(labels + strlen(labels), "%s%u:%s", *labels != '\0' ? " " : "",
                        (unsigned)bench->packets, sf_label_name((enum sf_label)i));
        }
    }
}

static struct sf_record take_record(struct bench *bench, uint64_t first, uint64_t next)
{
    struct sf_record record = {.key = key_of(bench),
                               .client = SF_FROM_0,
                               .first_packet = first,
                               .view_next_packet = next,
                               .view = bench->slot};
    sf_views_record(bench->views, &record);
    return record;
}

/* Tells apart what was found and expected of a case; all cases run before the test fails. */
static unsigned compare(const char *why, const char *found, const char *expected)
{
    if (strcmp(found, expected) == 0)
        return 0;
    print_error("%s:\n  found    %s\n  expected %s\n", why, found, expected);
    return 1;
}

static void put_count(char *out, uint64_t count)
{
    if (count == SF_COUNT_UNKNOWN)
        strcat(out, " -");
    else
        sprintf(out + strlen(out), " %llu", (unsigned long long)count);
}

/* "STATE HISTORY MISSED ORIG-BYTES RESP-BYTES DURATION PACKETS/PACKETS" of every row. */
static void put_rows(struct bench *bench, char *out)
{
    struct sf_zeek_row row;
    while (sf_views_zeek_row(bench->views, &row)) {
        enum sf_dir orig = row.originator, resp = sf_dir_other(orig);
        sprintf(out + strlen(out), "%s%s %s %llu", *out != '\0' ? "; " : "", row.conn_state,
                row.history, (unsigned long long)row.missed_bytes);
        put_count(out, row.bytes[orig]);
        put_count(out, row.bytes[resp]);
        if (sf_ns_known(row.duration_ns))
            sprintf(out + strlen(out), " %.6f", (double)row.duration_ns / 1e9);
        else
            strcat(out, " -");
        sprintf(out + strlen(out), " %llu/%llu", (unsigned long long)row.packets[orig],
                (unsigned long long)row.packets[resp]);
    }
}

#define HANDSHAKE    "0 c S 0 0 0;.1 s S. 0 0 1;.2 c . 1 0 1;"
#define FAST_SHAKE   "0 c S 0 0 0;.01 s S. 0 0 1;.02 c . 1 0 1;"
#define SCALED_SHAKE "0 c S 0 0 0 1000 2;.01 s S. 0 0 1 1000 2;.02 c . 1 0 1;"
#define BOTH_WAYS    HANDSHAKE ".3 c P. 1 100 1;.35 s . 1 0 101;.4 s P. 1 200 101;.5 c . 101 0 201;"
#define CLOSE        "1 c F. 101 0 201;1.1 s F. 201 0 102;1.2 c . 102 0 202;"
#define TEN_REPEATS                                                                                \
    ".31 c . 1 9 1;.32 c . 1 9 1;.33 c . 1 9 1;.34 c . 1 9 1;.35 c . 1 9 1;.36 c . 1 9 1;"         \
    ".37 c . 1 9 1;.38 c . 1 9 1;.39 c . 1 9 1;.4 c . 1 9 1;"

static const struct {
    const char *why;
    const char *packets;
    const char *rows;
    uint16_t client_port, server_port; /* 0: neither is known */
} zeek_cases[] = {
    {"a whole life", BOTH_WAYS CLOSE, "SF ShADadFf 0 100 200 1.100000 6/4", 0, 0},
    {"once both are closed, time stands still", BOTH_WAYS CLOSE "2 c . 102 0 202",
     "SF ShADadFf 0 100 200 1.100000 7/4", 0, 0},
    {"a client that retries is cut by the attempt timer, 5 s after the first SYN",
     "0 c S 0 0 0;1 c S 0 0 0;3 c S 0 0 0;7 c S 0 0 0", "S0 S 0 0 0 3.000000 3/0; S0 S 0 - - - 1/0",
     0, 0},
    {"the attempt timer fires before the packet at the same time",
     "0 c S 0 0 0;4.999999 c S 0 0 0;5 c S 0 0 0", "S0 S 0 0 0 4.999999 2/0; S0 S 0 - - - 1/0", 0,
     0},
    {"no final ACK is needed for S1", "0 c S 0 0 0;.1 s S. 0 0 1", "S1 Sh 0 0 0 0.100000 1/1", 0,
     0},
    {"refused", "0 c S 0 0 0;.1 s R. 0 0 1", "REJ Sr 0 0 0 0.100000 1/1", 0, 0},
    {"a SYN scan", "0 c S 0 0 0;.1 s S. 0 0 1;.2 c R 1 0 0", "RSTO ShR 0 0 0 0.200000 2/1", 0, 0},
    {"reset before the answer", "0 c S 0 0 0;.1 c R 1 0 0", "RSTOS0 SR 0 0 0 0.100000 2/0", 0, 0},
    {"a lone RST", "0 s R 1 0 0", "OTH R 0 - - - 1/0", 0, 0},
    {"the first packet comes from a server's port: roles are flipped", "0 s . 1 10 1;.1 c . 1 0 11",
     "OTH ^dA 0 0 10 0.100000 1/1", 40000, 443},
    {"both ports are a server's: the lower one is it", "0 s . 1 10 1", "OTH ^d 0 - - - 0/1", 8080,
     80},
    {"not for a SYN-ACK between two server's ports: that may be a scan", "0 s S. 0 0 1",
     "OTH H 0 - - - 1/0", 8080, 80},
    {"a SYN-ACK that is answered like one came from the responder",
     "0 s S. 0 0 1;.1 c . 1 0 1;.2 c P. 1 10 1;.3 s . 1 0 11", "OTH ^hADa 0 10 0 0.300000 2/2", 0,
     0},
    {"SYN and SYN-ACK captured in the wrong order", "0 s S. 0 0 1;.1 c S 0 0 0;.2 c . 1 0 1",
     "S1 Hs^A 0 0 0 0.200000 2/1", 0, 0},
    {"a new initial number is a new connection", "0 c S 0 0 0;.1 c S 500 0 0",
     "S0 S 0 - - - 1/0; S0 S 0 - - - 1/0", 0, 0},
    {"after a close any SYN is a new one", BOTH_WAYS CLOSE "3 c S 0 0 0",
     "SF ShADadFf 0 100 200 1.100000 6/4; S0 S 0 - - - 1/0", 0, 0},
    {"a RST removes the connection 5 s later, whatever follows",
     BOTH_WAYS "1 s R 201 0 0;5.9 s . 201 1 101;6.1 s . 202 1 101",
     "RSTR ShADadr 0 100 200 5.900000 4/5; OTH D 0 - - - 1/0", 0, 0},
    {"idle for five minutes", BOTH_WAYS "300.5 c . 101 1 201",
     "S1 ShADad 0 100 200 0.500000 4/3; OTH D 0 - - - 1/0", 0, 0},
    {"idle, but a shell: one hour", BOTH_WAYS "3600.4 c . 101 1 201",
     "S1 ShADad 0 101 200 3600.400000 5/3", 40000, 22},
    {"ports of no meaning: a half-closed connection outlives the timers",
     BOTH_WAYS "1 c F. 101 0 201;60 s . 201 50 102", "S2 ShADadF 0 100 250 60.000000 5/4", 0, 0},
    {"before the handshake ends, idle for one minute", "0 s S. 0 0 1;.1 c R 1 0 0;60.2 s . 1 1 1",
     "REJ Hr 0 0 0 0.100000 1/1; OTH D 0 - - - 1/0", 0, 0},
    {"octets acknowledged but never seen",
     HANDSHAKE ".3 c . 1 100 1;.4 c . 201 100 1;.5 s . 1 0 301", "S1 ShADaG 100 300 0 0.500000 4/2",
     0, 0},
    {"one letter and one gap per hole",
     HANDSHAKE ".3 c . 101 1 1;.4 c . 201 1 1;.5 s . 1 0 301;.6 s . 1 0 301",
     "S1 ShADaG 298 300 0 0.600000 4/3", 0, 0},
    {"the hole is filled before the ACK", HANDSHAKE ".3 c . 101 99 1;.4 c . 1 100 1;.5 s . 1 0 200",
     "S1 ShADTa 0 199 0 0.500000 4/2", 0, 0},
    {"an ACK before its octets is a gap for ever", HANDSHAKE ".3 s . 1 0 101;.4 c . 1 100 1",
     "S1 ShAaGD 100 100 0 0.400000 3/2", 0, 0},
    {"a gap is not judged where one side has no SYN", "0 c . 1 10 1;.1 s . 1 0 101",
     "OTH Da 0 100 0 0.100000 1/1", 0, 0},
    {"a segment cut by the snapshot length was never seen",
     HANDSHAKE ".3 c . 1 100 1 1000 -1 20;.4 s . 1 0 101", "S1 ShADaG 100 100 0 0.400000 3/2", 0,
     0},
    {"16 KiB above a hole and no ACK at all: that side is not captured",
     HANDSHAKE ".3 c . 101 9000 1;.4 c . 9101 9000 1;.5 s . 1 0 18101",
     "S1 ShADa 0 18100 0 0.500000 4/2", 0, 0},
    {"repeats are written at 1, 10, 100", HANDSHAKE ".3 c . 1 9 1;" TEN_REPEATS,
     "S1 ShADTT 0 9 0 0.400000 13/1", 0, 0},
    {"a SYN with octets counts as repeated", "0 c S 0 50 0;.1 s S. 0 0 51;.2 c . 51 0 1",
     "S1 SThA 0 50 0 0.200000 2/1", 0, 0},
    {"zero windows", HANDSHAKE ".3 s . 1 0 1 0;.4 s . 1 0 1 0", "S1 ShAaw 0 0 0 0.400000 2/3", 0,
     0},
    {"FIN and RST in one", BOTH_WAYS "1 s FR. 201 0 101", "RSTR ShADadi 0 100 200 1.000000 4/4", 0,
     0},
    {"FIN, RST, then the other FIN: a normal end after all",
     BOTH_WAYS "1 c F. 101 0 201;1.1 c R 102 0 0;1.2 s F. 201 0 102",
     "SF ShADadFRf 0 100 200 1.200000 6/4", 0, 0},
    {"one side only", "0 c S 0 0 0;.1 c . 1 0 1;.2 c P. 1 100 1;1 c F. 101 0 201",
     "SH SADF 0 100 0 1.000000 4/0", 0, 0},
};

static void zeek_rows(void **state)
{
    (void)state;
    unsigned failures = 0;
    for (size_t i = 0; i < LENGTH(zeek_cases); i++) {
        struct bench bench = bench_open((struct sf_view_options){.zeek = true, .zeek_rows = true});
        if (zeek_cases[i].client_port != 0) {
            bench.port[0] = zeek_cases[i].client_port;
            bench.port[1] = zeek_cases[i].server_port;
        }
        show_all(&bench, zeek_cases[i].packets, NULL);
        take_record(&bench, 1, 0);
        char rows[TEXT_MAX] = "";
        put_rows(&bench, rows);
        failures += compare(zeek_cases[i].why, rows, zeek_cases[i].rows);
        sf_views_free(bench.views);
    }
    assert_int_equal(failures, 0);
}

static const struct {
    const char *why;
    const char *packets;
    const char *labels;
    bool at_zero; /* the capture begins at 1970-01-01 */
} label_cases[] = {
    {"a whole life", BOTH_WAYS CLOSE, "", false},
    {"sent again after the initial RTT", FAST_SHAKE ".1 c . 1 10 1;.2 c . 11 10 1;.3 c . 1 10 1",
     "6:retransmission", false},
    {"the hole is filled within the initial RTT",
     FAST_SHAKE ".1 c . 1 10 1;.2 c . 21 10 1;.21 c . 11 10 1", "5:lost_segment;6:out_of_order",
     false},
    {"a copy of the tail is never out of order", FAST_SHAKE ".1 c . 1 10 1;.1001 c . 1 10 1",
     "5:retransmission", false},
    {"a step back in time is not a short time",
     FAST_SHAKE ".1 c . 1 10 1;.2 c . 21 10 1;.19 c . 11 10 1", "5:lost_segment;6:retransmission",
     false},
    {"a SYN at time zero is no SYN: 3 ms instead of the initial RTT",
     FAST_SHAKE ".1 c . 1 10 1;.2 c . 21 10 1;.21 c . 11 10 1", "5:lost_segment;6:retransmission",
     true},
    {"already acknowledged", FAST_SHAKE ".1 c . 1 10 1;.2 s . 1 0 11;.3 c . 1 10 1",
     "6:spurious_retransmission", false},
    {"two duplicate ACKs, then within 20 ms",
     FAST_SHAKE ".1 c . 1 10 1;.2 c . 11 10 1;.3 s . 1 0 1;.31 s . 1 0 1;.32 c . 1 10 1",
     "6:duplicate_ack;7:duplicate_ack;8:fast_retransmission", false},
    {"a repeated ACK with another window", FAST_SHAKE ".1 c . 1 0 1 2000", "4:window_update",
     false},
    {"an unseen segment counts as many duplicate ACKs",
     FAST_SHAKE ".1 c . 1 10 1;.2 s F. 1 0 11;.21 c . 11 10 1;.22 s F. 1 0 31",
     "7:fast_retransmission;7:ack_lost_segment", false},
    {"keep-alives", FAST_SHAKE ".1 c . 1 10 1;.2 s . 1 0 11;60 c . 10 0 1;60.1 s . 1 0 11",
     "6:keep_alive;7:keep_alive_ack", false},
    {"a zero window, its probe, the answer, the update",
     FAST_SHAKE ".1 c . 1 10 1;.2 s . 1 0 11 0;1 c . 11 1 1;1.1 s . 1 0 11 0;1.2 s . 1 0 11 500",
     "5:zero_window;6:zero_window_probe;7:zero_window 7:zero_window_probe_ack;8:window_update",
     false},
    {"the window is met exactly, scaled", SCALED_SHAKE ".1 s . 1 0 1 25;.2 c . 1 100 1",
     "4:window_update;5:window_full", false},
    {"without options a window is not scaled", FAST_SHAKE ".1 c . 1 1000 1", "4:window_full",
     false},
    {"midstream, nothing is known of the window", "0 s . 1 0 1;.1 c . 1 1000 1", "", false},
    {"a new initial number", BOTH_WAYS CLOSE "9 c S 500 0 0", "11:reused_ports", false},
    {"the same initial number is a repeat", FAST_SHAKE "9 c S 0 0 0", "4:retransmission", false},
};

static void wireshark_labels(void **state)
{
    (void)state;
    unsigned failures = 0;
    for (size_t i = 0; i < LENGTH(label_cases); i++) {
        struct bench bench = bench_open((struct sf_view_options){.wireshark_labels = true});
        if (label_cases[i].at_zero)
            bench.begin_ns = 0;
        char found[TEXT_MAX] = "", expected[TEXT_MAX];
        strcpy(expected, label_cases[i].labels);
        for (char *at = expected; (at = strchr(at, ';')) != NULL;)
            *at = ' ';
        show_all(&bench, label_cases[i].packets, found);
        failures += compare(label_cases[i].why, found, expected);
        take_record(&bench, 1, 0);
        sf_views_free(bench.views);
    }
    assert_int_equal(failures, 0);
}

static const struct {
    const char *why;
    const char *packets;
    uint64_t completeness;
} completeness_cases[] = {
    {"a whole life", BOTH_WAYS CLOSE, 31},
    {"SYN only", "0 c S 0 0 0", 1},
    {"refused", "0 c S 0 0 0;1 s R. 0 0 1", 37},
    {"a lone packet shows nothing of itself", "0 s R 1 0 0", 0},
    {"until there is a second one", "0 s S. 0 0 1;1 c R 1 0 0", 34},
    {"a SYN with octets", "0 c S 0 9 0", 9},
    {"a FIN without ACK does not count", HANDSHAKE "1 c F 1 0 0", 7},
    {"a SYN that comes late does not count", "0 s S. 0 0 1;1 c S 0 0 0;2 c . 1 0 1", 6},
};

static void wireshark_completeness(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(completeness_cases); i++) {
        struct bench bench = bench_open((struct sf_view_options){0});
        show_all(&bench, completeness_cases[i].packets, NULL);
        struct sf_record record = take_record(&bench, 1, 0);
        if (record.views.wireshark_completeness != completeness_cases[i].completeness)
            print_error("%s\n", completeness_cases[i].why);
        assert_int_equal(record.views.wireshark_completeness, completeness_cases[i].completeness);
        assert_null(record.views.zeek_conn_state);
        sf_views_free(bench.views);
    }
}

/* The slot is gone, the stream is not: a later connection of the same tuple goes on with it. */
static void tshark_never_forgets(void **state)
{
    (void)state;
    struct bench bench = bench_open((struct sf_view_options){.wireshark_labels = true});
    show_all(&bench, "0 s R 1 0 0", NULL);
    assert_int_equal(take_record(&bench, 1, 0).views.wireshark_completeness, 0);
    show_all(&bench, "900 s R 1 0 0", NULL);
    assert_int_equal(take_record(&bench, 2, 0).views.wireshark_completeness, 32);
    sf_views_free(bench.views);

    bench = bench_open((struct sf_view_options){.wireshark_labels = true});
    show_all(&bench, BOTH_WAYS CLOSE, NULL); /* 1-10 */
    assert_int_equal(take_record(&bench, 1, 0).views.wireshark_completeness, 31);
    assert_int_equal(show(&bench, "900 c S 5000 0 0"), 1u << SF_LABEL_REUSED_PORTS);
    assert_int_equal(take_record(&bench, 11, 0).views.wireshark_completeness, 1);
    sf_views_free(bench.views);
}

/* Each record gets the row and the stream that hold its first packet. */
static void records_of_one_slot(void **state)
{
    (void)state;
    struct bench bench = bench_open((struct sf_view_options){.zeek = true});
    show_all(&bench, BOTH_WAYS CLOSE, NULL);                       /* 1-10 */
    show_all(&bench, "9 c S 5000 0 0;9.1 s R. 5000 0 5001", NULL); /* 11-12 */
    struct sf_record first = take_record(&bench, 1, 11);
    assert_string_equal(first.views.zeek_conn_state, "SF");
    assert_string_equal(first.views.zeek_history, "ShADadFf");
    assert_string_equal(first.views.zeek_originator, "client");
    assert_int_equal(first.views.zeek_orig_bytes, 100);
    assert_int_equal(first.views.zeek_resp_bytes, 200);
    assert_int_equal(first.views.zeek_missed_bytes, 0);
    assert_int_equal(first.views.zeek_records, 1);
    assert_int_equal(first.views.wireshark_completeness, 31);
    struct sf_record second = take_record(&bench, 11, 0);
    assert_string_equal(second.views.zeek_conn_state, "REJ");
    assert_int_equal(second.views.zeek_records, 1);
    assert_int_equal(second.views.wireshark_completeness, 37);
    assert_null(second.view);
    sf_views_free(bench.views);
}

static void one_record_of_many_rows(void **state)
{
    (void)state;
    struct bench bench = bench_open((struct sf_view_options){.zeek = true});
    show_all(&bench, BOTH_WAYS "400 s . 201 10 101;800 c . 101 10 211", NULL);
    struct sf_record record = take_record(&bench, 1, 0);
    assert_string_equal(record.views.zeek_conn_state, "S1");
    assert_int_equal(record.views.zeek_records, 3);
    sf_views_free(bench.views);
}

static void originator_is_our_server(void **state)
{
    (void)state;
    struct bench bench = bench_open((struct sf_view_options){.zeek = true});
    show_all(&bench, "0 s . 1 10 1;1 c . 1 0 11", NULL);
    struct sf_record record = take_record(&bench, 1, 0);
    assert_string_equal(record.views.zeek_originator, "server");
    assert_int_equal(record.views.zeek_orig_bytes, 10);
    sf_views_free(bench.views);
}

static void nothing_shown_is_unknown(void **state)
{
    (void)state;
    struct bench bench = bench_open((struct sf_view_options){.zeek = true});
    struct sf_record record = take_record(&bench, 1, 0);
    assert_null(record.views.zeek_conn_state);
    assert_true(record.views.zeek_orig_bytes == SF_COUNT_UNKNOWN);
    assert_true(record.views.zeek_records == SF_COUNT_UNKNOWN);
    assert_true(record.views.wireshark_completeness == SF_COUNT_UNKNOWN);
    sf_views_free(bench.views);
}

/* SYN after SYN with new numbers: the list is bounded, the count is not. */
static void more_cuts_than_kept(void **state)
{
    (void)state;
    struct bench bench = bench_open((struct sf_view_options){.zeek = true});
    char line[64];
    for (int i = 0; i < 3 * CUT_LIMIT; i++) {
        sprintf(line, "%d c S %d 0 0", i, i);
        show(&bench, line);
    }
    struct sf_record record = take_record(&bench, 1, 0);
    assert_int_equal(record.views.zeek_records, 3 * CUT_LIMIT);
    assert_int_equal(record.views.wireshark_completeness, 1);
    sf_views_free(bench.views);
}

/* Hole after hole, each acknowledged data but the first octet: reassembly gives up, and so misses
 * nothing more. */
static void more_holes_than_kept(void **state)
{
    (void)state;
    struct bench bench = bench_open((struct sf_view_options){.zeek = true});
    show_all(&bench, HANDSHAKE ".3 c . 1 10 1;.4 s . 1 0 11", NULL);
    char line[64];
    for (int i = 0; i < 2000; i++) {
        sprintf(line, "%d c . %d 1 1", 1 + i / 100, 21 + 2 * i);
        show(&bench, line);
    }
    show(&bench, "30 s . 1 0 4021");
    struct sf_record record = take_record(&bench, 1, 0);
    assert_int_equal(record.views.zeek_missed_bytes, 0);
    assert_string_equal(record.views.zeek_conn_state, "S1");
    sf_views_free(bench.views);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeek_rows),
        cmocka_unit_test(wireshark_labels),
        cmocka_unit_test(wireshark_completeness),
        cmocka_unit_test(tshark_never_forgets),
        cmocka_unit_test(records_of_one_slot),
        cmocka_unit_test(one_record_of_many_rows),
        cmocka_unit_test(originator_is_our_server),
        cmocka_unit_test(nothing_shown_is_unknown),
        cmocka_unit_test(more_cuts_than_kept),
        cmocka_unit_test(more_holes_than_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
