/* ICMP errors that quote the head of a TCP segment: RFC 792, RFC 4443 §2.4. */
#include "decode_internal.h"

#include <string.h>

/* Bit n is set when type n is an error message that quotes a packet. */
enum {
    ICMP_ERRORS = 1 << 3 | 1 << 4 | 1 << 5 | 1 << 11 | 1 << 12,
    ICMPV6_ERRORS = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4,
};

static bool is_error(const struct sf_walk *walk, uint8_t type)
{
    unsigned errors = walk->ip.protocol == SF_IPPROTO_ICMP ? ICMP_ERRORS : ICMPV6_ERRORS;
    return type < 32 && (errors >> type & 1) != 0;
}

/* Reads the packet quoted at `cut`; true when it is the head of a TCP segment. */
static bool read_quote(const struct sf_walk *walk, struct sf_cut cut, struct sf_icmp_quote *quote)
{
    enum { PORTS = 4, PORTS_AND_SEQ = 8 };
    struct sf_ip ip = {0};
    if (sf_ip_parse(&cut, &ip, false) != SF_VERDICT_OK || ip.protocol != SF_IPPROTO_TCP)
        return false;
    if (ip.offset != 0 || cut.cap < PORTS)
        return false;
    quote->dir =
        sf_walk_key(walk, &ip, sf_be16(cut.at), sf_be16(cut.at + 2), &quote->key, &quote->hash);
    quote->has_seq = cut.cap >= PORTS_AND_SEQ;
    quote->seq = sf_seq_of(quote->has_seq ? sf_be32(cut.at + 4) : 0);
    return true;
}

enum sf_verdict sf_decode_icmp(struct sf_walk *walk)
{
    enum { HEADER = 8 };
    struct sf_cut rest = walk->rest;
    struct sf_icmp_quote *quote = &walk->out->quote;
    if (rest.cap < HEADER || !is_error(walk, rest.at[0]))
        return SF_VERDICT_NOT_TCP;
    quote->type = rest.at[0];
    quote->code = rest.at[1];
    sf_cut_skip(&rest, HEADER);
    if (!read_quote(walk, rest, quote))
        return SF_VERDICT_NOT_TCP;

    quote->packet = walk->packet->number;
    quote->ts_ns = walk->packet->ts_ns;
    quote->ip_version = walk->ip.version;
    memset(quote->sender, 0, sizeof(quote->sender));
    memcpy(quote->sender, walk->ip.src, walk->ip.version == 4 ? 4 : 16);
    walk->out->has_quote = true;
    return SF_VERDICT_NOT_TCP;
}
