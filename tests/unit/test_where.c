/* Expressions: what holds, what null does, and where the caret of an error stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "synfin/where.h"

static const struct sf_anomaly_entry anomalies[] = {
    {.name = SF_ANOMALY_ZERO_WINDOW, .end = SF_CLIENT, .count = 2},
    {.name = SF_ANOMALY_ZERO_WINDOW, .end = SF_SERVER, .count = 3},
};

static struct sf_record sample(void)
{
    struct sf_record record;
    memset(&record, 0, sizeof record);
    record.id = 7;
    record.start_ns = 1700000000 * SF_SEC; /* 2023-11-14T22:13:20Z */
    record.duration_ns = 1500 * SF_MSEC;
    record.open_how = "handshake";
    record.open_rtt_ns = SF_NS_UNKNOWN;
    record.close_how = "reset";
    record.reset_by = "server";
    record.ended_by = "closed";
    record.severity = SF_WARNING;
    strcpy(record.verdict, "Server reset the connection.");
    strcpy(record.end[SF_CLIENT].ip, "10.1.2.3");
    strcpy(record.end[SF_SERVER].ip, "2001:db8::1");
    record.end[SF_CLIENT].packets = 5;
    record.end[SF_SERVER].packets = UINT64_MAX - 1;
    record.end[SF_CLIENT].unique_bytes = 2048;
    record.end[SF_CLIENT].mss = SF_COUNT_UNKNOWN;
    record.end[SF_CLIENT].throughput = 12.5;
    record.end[SF_CLIENT].segment_avg = 157 / 5.0;
    record.end[SF_CLIENT].idle_max_ns = SF_MSEC;
    record.end[SF_SERVER].idle_max_ns = 16575260 * SF_USEC;
    record.end[SF_SERVER].throughput = (double)NAN;
    record.end[SF_CLIENT].sack_permitted = SF_TRI_TRUE;
    record.end[SF_SERVER].sack_permitted = SF_TRI_FALSE;
    record.end[SF_CLIENT].timestamps = SF_TRI_UNKNOWN;
    record.anomalies = anomalies;
    record.anomaly_count = 2;
    return record;
}

/* valgrind computes long double in 53 bits, and some processors have no more. */
static bool has_64_bit_mantissa(void)
{
    volatile uint64_t large = UINT64_MAX - 1;
    volatile long double real = (long double)large;
    return (uint64_t)real == large && real != (long double)UINT64_MAX;
}

static void expressions_hold_or_not(void **state)
{
    static const struct {
        const char *text;
        bool holds;
        const char *why;
    } cases[] = {
        {"id == 7", true, "equality"},
        {"id != 7", false, "inequality"},
        {"id >= 7 and id <= 7 and not id < 7 and not id > 7", true, "order"},
        {"server.packets == 18446744073709551614", true, "64 bits are exact"},
        {"server.packets == 18446744073709551613", false, "64 bits are exact"},
        {"duration > 1", true, "seconds without unit"},
        {"duration == 1500ms", true, "milliseconds"},
        {"duration == 1.5 and duration < 1m and duration < 1h", true, "units of time"},
        {"duration == 1500000us", true, "microseconds"},
        {"client.unique_bytes == 2KiB", true, "size with binary unit"},
        {"client.unique_bytes > 2k", true, "k is 1000"},
        {"client.throughput > 12.4 and client.throughput < 12.6", true, "reals"},
        {"client.throughput > -1", true, "a sign"},
        {"close.how == \"reset\"", true, "names"},
        {"close.how != 'reset'", false, "single quotes"},
        {"close.how in (\"fin\", \"reset\")", true, "a list"},
        {"id in (1, 2, 3)", false, "not in a list"},
        {"duration in (1.5)", true, "units fit in lists too"},
        {"close.how ~ \"es\"", true, "a part"},
        {"verdict ~ \"Server*\"", true, "a pattern matches the whole"},
        {"verdict ~ \"*Server\"", false, "a pattern matches the whole"},
        {"severity >= \"warning\"", true, "severities have an order"},
        {"severity > \"warning\"", false, "severities have an order"},
        {"severity == \"warning\"", true, "severity by name"},
        {"severity", true, "not ok is true"},
        {"client.sack_permitted", true, "a claim"},
        {"server.sack_permitted", false, "a claim that is false"},
        {"client.timestamps", false, "an unknown claim"},
        {"client.timestamps == false", false, "unknown is not false"},
        {"not client.timestamps", true, "not of unknown"},
        {"server.sack_permitted == false", true, "false is false"},
        {"client.mss == null", true, "null"},
        {"client.mss != null", false, "null"},
        {"null == client.mss", true, "null on the left"},
        {"client.mss == 0 or client.mss != 0", false, "comparing null is false"},
        {"client.mss < 1 or client.mss >= 1", false, "comparing null is false"},
        {"open.rtt > 0 or open.rtt <= 0", false, "unknown span"},
        {"server.throughput == null", true, "NAN"},
        {"close.reset.by == \"server\"", true, "a deep field"},
        {"has(\"zero_window\")", true, "an anomaly"},
        {"has(reset)", false, "an anomaly without quotes"},
        {"anomaly(\"zero_window\") == 5", true, "both ends are counted"},
        {"anomalies == 2", true, "how many entries"},
        {"client.ip == \"10.0.0.0/8\"", true, "a network"},
        {"client.ip == \"10.1.2.3\"", true, "an address"},
        {"\"10.1.2.0/31\" == client.ip", false, "a network on the left"},
        {"client.ip != \"11.0.0.0/8\"", true, "not in a network"},
        {"server.ip == \"2001:db8::/32\"", true, "IPv6"},
        {"server.ip == \"10.0.0.0/8\"", false, "of the other family"},
        {"client.ip ~ \"10.1.\"", true, "text of an address"},
        {"client.ip in (\"192.168.0.0/16\", \"10.0.0.0/8\")", true, "networks in a list"},
        {"start > \"2023-11-14\"", true, "a date"},
        {"start == \"2023-11-14T22:13:20Z\"", true, "a time"},
        {"start < \"2023-11-14T22:13:20.5Z\"", true, "a fraction"},
        {"start >= \"2024-02-29\"", false, "a leap day"},
        {"client.packets < server.packets", true, "field with field"},
        {"id == 1 or id == 2 and id == 3 or id == 7", true, "and binds before or"},
        {"(id == 7 or id == 2) and id == 3", false, "parentheses"},
        {"!(id == 1) && (id == 7 || id == 1)", true, "C's words"},
        {"not not id == 7", true, "twice not"},
        {"true and not false", true, "constants"},
        {"client.idle_max == 0.001 and client.idle_max <= 0.001", true, "a decimal of seconds"},
        {"server.idle_max == 16.57526 and server.idle_max >= 16.57526s", true, "another"},
        {"start == \"2023-11-14T22:13:19.999999999Z\"", false, "64 bits: a nanosecond off"},
        {"client.segment.avg == 31.4", true, "a decimal as it is printed"},
        {"7 in (id, duration)", true, "each of a list has its own type"},
        {"\"10.1.2.3\" in (uid)", false, "a text"},
        {"\"10.9.9.9\" in (uid, client.ip)", false, "a text, and an address"},
    };
    struct sf_record record = sample();
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sf_error err;
        if (strstr(cases[i].why, "64 bits") != NULL && !has_64_bit_mantissa())
            continue;
        struct sf_where *where = sf_where_compile(cases[i].text, &err);
        if (where == NULL)
            fail_msg("%s (%s): %s", cases[i].text, cases[i].why, err.text);
        if (sf_where_holds(where, &record) != cases[i].holds)
            fail_msg("%s (%s)", cases[i].text, cases[i].why);
        sf_where_free(where);
    }
}

static void errors_point_at_the_place(void **state)
{
    static const struct {
        const char *text;
        size_t caret;
        const char *says;
    } cases[] = {
        {"clent.packets > 3", 0, "did you mean client.packets"},
        {"id == 3 and packets > 3", 12, "did you mean client.packets"},
        {"zzzzzzzz", 0, "unknown field"},
        {"close.how == \"rest\"", 14, "did you mean \"reset\""},
        {"close.how == reset", 13, "quotation marks"},
        {"severity > \"worst\"", 12, "one of"},
        {"id == \"a\"", 7, "a number is compared with a text"},
        {"id == 1s", 6, "no time"},
        {"duration > 3k", 11, "a size"},
        {"id == 3x", 7, "unknown unit"},
        {"id > 0.0000000000000000000000000000000000000000000000000000000000000001", 5, "too long"},
        {"id = 3", 3, "=="},
        {"id ==", 5, "wanted"},
        {"id == 3 id", 8, "\"and\" or \"or\""},
        {"(id == 3", 8, ") is wanted"},
        {"has(\"zero_windw\")", 5, "did you mean \"zero_window\""},
        {"has zero_window", 4, "( is wanted"},
        {"close.how < \"fin\"", 10, "no order"},
        {"client.mss > null", 11, "null"},
        {"client.ip == \"10.0.0.0/33\"", 14, "network"},
        {"client.ip == \"10.0.0\"", 14, "network"},
        {"start > \"yesterday\"", 9, "a time looks like"},
        {"verdict == \"open", 11, "not closed"},
        {"id == 1 # 2", 8, "not understood"},
        {"3", 1, "comparison"},
        {"", 0, "wanted"},
        {"id ~ 3", 3, "~ compares"},
        {"id == -nan", 6, ""},
        {"start > \"2020-01-01T99:00:00\"", 9, "a time looks like"},
        {"start > \"2020-01-01T00:60:00\"", 9, "a time looks like"},
        {"start > \"2020-01-01T00:00:nan\"", 9, "a time looks like"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sf_error err = {0};
        assert_null(sf_where_compile(cases[i].text, &err));
        if (strstr(err.text, cases[i].says) == NULL)
            fail_msg("%s: %s", cases[i].text, err.text);
        const char *last = strrchr(err.text, '\n');
        assert_non_null(last);
        if (strlen(last + 1) != cases[i].caret + 3)
            fail_msg("%s: %s", cases[i].text, err.text);
    }
}

static void depth_and_length_are_bounded(void **state)
{
    char deep[4096] = "";
    struct sf_error err;
    (void)state;
    memset(deep, '(', sizeof deep - 1);
    assert_null(sf_where_compile(deep, &err));
    assert_non_null(strstr(err.text, "nested"));
    char *longer = malloc(1 << 16);
    assert_non_null(longer);
    strcpy(longer, "id == 1");
    char *end = longer + strlen(longer);
    for (int i = 0; i < 4000; i++)
        end = stpcpy(end, " or id == 1");
    assert_null(sf_where_compile(longer, &err));
    assert_non_null(strstr(err.text, "too long"));
    free(longer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expressions_hold_or_not),
        cmocka_unit_test(errors_point_at_the_place),
        cmocka_unit_test(depth_and_length_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
