/* IP addresses as text: two for every record, where inet_ntop() goes by way of printf. */
#include "synfin/address.h"

#include <stdbool.h>
#include <string.h>

#include "synfin/bytes.h"
#include "synfin/digits.h"

enum { GROUPS = 8 };

/* Each returns where the text ends. */
static char *put_ipv4(char *at, const uint8_t *addr)
{
    for (int i = 0; i < 4; i++) {
        unsigned n = addr[i];
        if (n >= 100)
            *at++ = (char)('0' + n / 100);
        if (n >= 10) {
            memcpy(at, sf_digit_pairs + n % 100 * 2, 2);
            at += 2;
        } else {
            *at++ = (char)('0' + n);
        }
        *at++ = '.';
    }
    return at - 1;
}

static char *put_group(char *at, unsigned group)
{
    static const char digits[] = "0123456789abcdef";
    int shift = group > 0xfff ? 12 : group > 0xff ? 8 : group > 0xf ? 4 : 0;
    for (; shift >= 0; shift -= 4)
        *at++ = digits[group >> shift & 15];
    return at;
}

/* The first of the longest runs of two or more groups that are 0: RFC 5952 §4.2. */
static void find_zeros(const uint16_t groups[GROUPS], int *begin, int *end)
{
    *begin = *end = GROUPS;
    for (int i = 0; i < GROUPS; i++) {
        int after = i;
        while (after < GROUPS && groups[after] == 0)
            after++;
        if (after - i >= 2 && after - i > *end - *begin) {
            *begin = i;
            *end = after;
        }
        i = after;
    }
}

/* ::192.0.2.1 and ::ffff:192.0.2.1 */
static bool embeds_ipv4(const uint16_t groups[GROUPS], int begin, int end)
{
    return begin == 0 && (end == 6 || (end == 5 && groups[5] == 0xffff));
}

static char *put_ipv6(char *at, const uint8_t *addr)
{
    uint16_t groups[GROUPS];
    int begin, end;
    for (int i = 0; i < GROUPS; i++)
        groups[i] = sf_be16(addr + 2 * i);
    find_zeros(groups, &begin, &end);
    bool is_dotted = embeds_ipv4(groups, begin, end);
    for (int i = 0; i < (is_dotted ? 6 : GROUPS); i++) {
        if (i == begin) {
            *at++ = ':';
            i = end - 1;
            continue;
        }
        if (i > 0)
            *at++ = ':';
        at = put_group(at, groups[i]);
    }
    if (is_dotted || (end == GROUPS && begin < GROUPS))
        *at++ = ':';
    return is_dotted ? put_ipv4(at, addr + 12) : at;
}

const char *sf_address_text(char out[SF_ADDRESS_TEXT], const uint8_t *addr, unsigned ip_version)
{
    char *end = ip_version == 6 ? put_ipv6(out, addr) : put_ipv4(out, addr);
    *end = '\0';
    return out;
}
