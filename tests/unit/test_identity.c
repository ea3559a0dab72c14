/* Community ID v1 against the vectors of its specification, and uid against its promises. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "track_internal.h"

static struct sf_flow_key key_of(const char *a, uint16_t a_port, const char *b, uint16_t b_port)
{
    struct sf_flow_key key = {.port = {a_port, b_port}};
    bool v6 = strchr(a, ':') != NULL;
    key.scope.ip_version = v6 ? 6 : 4;
    assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, a, key.addr[0]), 1);
    assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, b, key.addr[1]), 1);
    return key;
}

static void community_id_vectors(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        uint16_t a_port, b_port;
        const char *id;
    } cases[] = {
        {"1.2.3.4", "5.6.7.8", 1122, 3344, "1:wCb3OG7yAFWelaUydu0D+125CLM="},
        {"66.35.250.204", "128.232.110.120", 80, 34855, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
        {"2001:470:e5bf:dead:4957:2174:e82c:4887", "2607:f8b0:400c:c03::1a", 63943, 25,
         "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="},
        {"10.0.0.1", "10.0.0.1", 80, 5000, "1:LD76GfTIBU2lu/ZefEgEGuuBPew="},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sf_flow_key key = key_of(cases[i].a, cases[i].a_port, cases[i].b, cases[i].b_port);
        char id[40];
        sf_record_community_id(&key, id);
        assert_string_equal(id, cases[i].id);
    }
}

/* The same connection has the same uid whatever slot it lay in; another start, ISN, port or tunnel
 * gives another. */
static void uid_tells_connections_apart(void **state)
{
    (void)state;
    struct sf_flow flow = {.key = key_of("10.0.0.1", 4000, "10.0.0.2", 80), .first_ns = 1000};
    flow.ep[0].has_iss = true;
    flow.ep[0].base = sf_seq_of(7);
    char first[24], again[24], other[24];
    sf_record_uid(&flow, first);
    flow.id = 99;
    flow.hash = 5;
    sf_record_uid(&flow, again);
    assert_string_equal(first, again);
    struct sf_flow changed = flow;
    changed.first_ns = 1001;
    sf_record_uid(&changed, other);
    assert_string_not_equal(first, other);
    changed = flow;
    changed.ep[0].base = sf_seq_of(8);
    sf_record_uid(&changed, other);
    assert_string_not_equal(first, other);
    changed = flow;
    changed.key.scope.tunnel_kind[0] = SF_TUNNEL_VXLAN;
    sf_record_uid(&changed, other);
    assert_string_not_equal(first, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(community_id_vectors),
        cmocka_unit_test(uid_tells_connections_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
