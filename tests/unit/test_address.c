/* Addresses as inet_ntop() writes them. */
#include "synfin/address.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void expect_same(const uint8_t *addr, unsigned version)
{
    char expected[SF_ADDRESS_TEXT], text[SF_ADDRESS_TEXT];
    inet_ntop(version == 6 ? AF_INET6 : AF_INET, addr, expected, sizeof expected);
    assert_string_equal(sf_address_text(text, addr, version), expected);
}

static void ipv4(void **state)
{
    (void)state;
    static const uint8_t addresses[][4] = {
        {0, 0, 0, 0}, {1, 2, 3, 4}, {10, 20, 100, 200}, {255, 255, 255, 255}, {192, 0, 2, 9}};
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++)
        expect_same(addresses[i], 4);
}

/* Every pattern of groups that are 0 or not, with groups of one to four digits. */
static void ipv6_with_zeros_anywhere(void **state)
{
    (void)state;
    static const uint16_t groups[] = {0x1, 0x20, 0xa00, 0xffff, 0xf, 0xbc, 0x2001, 0xdb8};
    for (unsigned mask = 0; mask < 256; mask++)
        for (unsigned turn = 0; turn < 8; turn++) {
            uint8_t addr[16] = {0};
            for (unsigned i = 0; i < 8; i++) {
                uint16_t group = mask >> i & 1 ? groups[(i + turn) % 8] : 0;
                addr[2 * i] = (uint8_t)(group >> 8);
                addr[2 * i + 1] = (uint8_t)group;
            }
            expect_same(addr, 6);
        }
}

static void ipv6_that_embeds_ipv4(void **state)
{
    (void)state;
    uint8_t addr[16] = {[12] = 192, [13] = 0, [14] = 2, [15] = 33};
    expect_same(addr, 6);
    addr[10] = addr[11] = 0xff;
    expect_same(addr, 6);
    addr[8] = addr[9] = 0xff;
    expect_same(addr, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4),
        cmocka_unit_test(ipv6_with_zeros_anywhere),
        cmocka_unit_test(ipv6_that_embeds_ipv4),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
