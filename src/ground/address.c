/* IP addresses as text: two for every record, where inet_ntop() goes by way of printf. */
#include "synfin/address.h"

#include <stdbool.h>

#include "synfin/bytes.h"
#include "synfin/writer.h"

enum { GROUPS = 8 };

static void write_ipv4(struct sf_writer *w, const uint8_t *addr)
{
    for (int i = 0; i < 4; i++) {
        sf_write(w, i > 0 ? "." : "");
        sf_write_number(w, addr[i]);
    }
}

static void write_group(struct sf_writer *w, unsigned group)
{
    static const char digits[] = "0123456789abcdef";
    int shift = group > 0xfff ? 12 : group > 0xff ? 8 : group > 0xf ? 4 : 0;
    for (; shift >= 0; shift -= 4)
        sf_write_octets(w, &digits[group >> shift & 15], 1);
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

static void write_ipv6(struct sf_writer *w, const uint8_t *addr)
{
    uint16_t groups[GROUPS];
    int begin, end;
    for (int i = 0; i < GROUPS; i++)
        groups[i] = sf_be16(addr + 2 * i);
    find_zeros(groups, &begin, &end);
    bool is_dotted = embeds_ipv4(groups, begin, end);
    for (int i = 0; i < (is_dotted ? 6 : GROUPS); i++) {
        if (i == begin) {
            sf_write(w, ":");
            i = end - 1;
            continue;
        }
        sf_write(w, i > 0 ? ":" : "");
        write_group(w, groups[i]);
    }
    if (is_dotted || end == GROUPS)
        sf_write(w, begin < GROUPS || is_dotted ? ":" : "");
    if (is_dotted)
        write_ipv4(w, addr + 12);
}

const char *sf_address_text(char out[SF_ADDRESS_TEXT], const uint8_t *addr, unsigned ip_version)
{
    struct sf_writer w = sf_writer_of(out, SF_ADDRESS_TEXT);
    if (ip_version == 6)
        write_ipv6(&w, addr);
    else
        write_ipv4(&w, addr);
    return out;
}
