/* Findings over many connections: which are listed, and in what order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "synfin/finding.h"

/* From 10.0.0.source to 192.0.2.target. */
static struct sf_attempt attempt(unsigned source, unsigned target, unsigned port, sf_ns start)
{
    return (struct sf_attempt){.ip_version = 4,
                               .port = (uint16_t)port,
                               .source = {10, 0, (uint8_t)(source >> 8), (uint8_t)source},
                               .target = {192, 0, 2, (uint8_t)target},
                               .start_ns = start,
                               .end_ns = start + SF_SEC};
}

static void scan_ports(struct sf_findings *findings, unsigned source, unsigned ports, sf_ns start)
{
    for (unsigned port = 1; port <= ports; port++) {
        struct sf_attempt one = attempt(source, 1, port, start + port);
        sf_findings_add(findings, &one);
        sf_findings_add(findings, &one); /* no other port */
    }
}

static void each_kind_says_who(void **state)
{
    (void)state;
    struct sf_findings *findings = sf_findings_new();
    scan_ports(findings, 1, 20, 1000);
    scan_ports(findings, 2, 19, 1000); /* one port short of a scan */
    for (unsigned host = 0; host < 30; host++) {
        struct sf_attempt one = attempt(3, host, 22, 500 + host);
        sf_findings_add(findings, &one);
    }
    for (unsigned i = 0; i < 100; i++) {
        struct sf_attempt one = attempt(256 + i, 7, 80, 100 + i);
        one.is_hanging = true;
        one.ip_version = 6;
        sf_findings_add(findings, &one);
    }
    size_t count;
    const struct sf_finding *list = sf_findings_list(findings, &count);
    assert_int_equal(count, 3);
    assert_string_equal(list[0].name, "syn_flood");
    assert_null(list[0].source);
    assert_string_equal(list[0].target, "[c000:207::]:80");
    assert_int_equal(list[0].connections, 100);
    assert_int_equal(list[0].first_ns, 100);
    assert_int_equal(list[0].last_ns, 199 + SF_SEC);
    assert_string_equal(list[0].detail, "100 connections never completed to [c000:207::]:80");
    assert_string_equal(list[1].name, "port_scan");
    assert_string_equal(list[1].source, "10.0.0.1");
    assert_string_equal(list[1].target, "192.0.2.1");
    assert_int_equal(list[1].connections, 40);
    assert_string_equal(list[1].detail, "10.0.0.1 tried 20 ports of 192.0.2.1 in vain");
    assert_string_equal(list[2].name, "host_scan");
    assert_string_equal(list[2].source, "10.0.0.3");
    assert_null(list[2].target);
    assert_int_equal(list[2].connections, 30);
    assert_string_equal(list[2].detail, "10.0.0.3 tried port 22 of 30 hosts in vain");
    sf_findings_free(findings);
}

/* Forged sources, each seen once: the set of ports and hosts would be full of them. */
static void a_flood_hides_no_scan(void **state)
{
    (void)state;
    enum { FORGED = 300000 };
    struct sf_findings *findings = sf_findings_new();
    for (unsigned i = 0; i < FORGED; i++) {
        struct sf_attempt one = attempt(i, 7, 80, 100 + i);
        one.source[0] = (uint8_t)(i >> 16);
        one.is_hanging = true;
        sf_findings_add(findings, &one);
    }
    scan_ports(findings, 1, 40, 1000);
    size_t count;
    const struct sf_finding *list = sf_findings_list(findings, &count);
    assert_int_equal(count, 2);
    assert_string_equal(list[0].name, "syn_flood");
    assert_int_equal(list[0].connections, FORGED);
    assert_string_equal(list[1].detail, "10.0.0.1 tried 40 ports of 192.0.2.1 in vain");
    sf_findings_free(findings);
}

static void of_equals_the_earlier_is_first(void **state)
{
    (void)state;
    struct sf_findings *findings = sf_findings_new();
    static const sf_ns starts[] = {3000, 1000, 2000};
    for (unsigned i = 0; i < 3; i++)
        scan_ports(findings, i + 1, 25, starts[i]);
    size_t count;
    const struct sf_finding *list = sf_findings_list(findings, &count);
    assert_int_equal(count, 3);
    assert_string_equal(list[0].source, "10.0.0.2");
    assert_string_equal(list[1].source, "10.0.0.3");
    assert_string_equal(list[2].source, "10.0.0.1");
    sf_findings_free(findings);
}

/* More than the list holds: those with the fewest connections are left out, wherever they stand. */
static void the_most_are_listed(void **state)
{
    (void)state;
    struct sf_findings *findings = sf_findings_new();
    for (unsigned source = 0; source < 200; source++)
        scan_ports(findings, source, 20 + source, 1000);
    size_t count;
    const struct sf_finding *list = sf_findings_list(findings, &count);
    assert_int_equal(count, 64);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(list[i].connections, 2 * (219 - i));
    sf_findings_free(findings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_says_who),
        cmocka_unit_test(a_flood_hides_no_scan),
        cmocka_unit_test(of_equals_the_earlier_is_first),
        cmocka_unit_test(the_most_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
