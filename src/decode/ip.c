/* IPv4, IPv6 and its extension headers, and what they carry. */
#include "decode_internal.h"

enum {
    IPV4_HEADER_MIN = 20,
    IPV6_HEADER = 40,
    OFFLOAD_MAX = 1 << 20, /* no card or kernel joins more into one packet */
};

/* With a source route not yet travelled to its end, the last address of the route is the
 * destination (RFC 791 §3.1) and the one in the TCP pseudo-header. */
static const uint8_t *ipv4_route_end(const uint8_t *header, uint32_t header_len)
{
    enum { EOL = 0, NOP = 1, LOOSE_ROUTE = 131, STRICT_ROUTE = 137, ROUTE_MIN = 7 };
    struct sf_reader r = sf_reader_of(header + IPV4_HEADER_MIN, header_len - IPV4_HEADER_MIN);
    uint8_t kind, len;
    while (sf_read_u8(&r, &kind) && kind != EOL) {
        struct sf_reader body;
        if (kind == NOP)
            continue;
        if (!sf_read_u8(&r, &len) || len < 2 || !sf_read_slice(&r, len - 2u, &body))
            break;
        bool is_route = kind == LOOSE_ROUTE || kind == STRICT_ROUTE;
        if (is_route && len >= ROUTE_MIN && body.at[0] <= len - 3)
            return body.end - 4;
    }
    return header + 16;
}

static bool ipv4_checksum_wrong(const uint8_t *header, uint32_t header_len)
{
    return sf_checksum_fold(sf_checksum_add(0, header, header_len)) != 0xffff;
}

static inline enum sf_verdict parse_ipv4(struct sf_cut *cut, struct sf_ip *ip, bool verify)
{
    enum sf_verdict verdict = sf_cut_need(cut, IPV4_HEADER_MIN, SF_VERDICT_MALFORMED_IP);
    if (verdict != SF_VERDICT_OK)
        return verdict;

    const uint8_t *header = cut->at;
    uint32_t header_len = (header[0] & 0x0fu) * 4;
    uint32_t total = sf_be16(header + 2);
    if (header_len < IPV4_HEADER_MIN || (total != 0 && total < header_len))
        return SF_VERDICT_MALFORMED_IP;
    verdict = sf_cut_need(cut, header_len, SF_VERDICT_MALFORMED_IP);
    if (verdict != SF_VERDICT_OK)
        return verdict;

    /* 0 is what a host writes that leaves segmentation to its network card. */
    ip->length_guessed = total == 0;
    ip->beyond_frame = total > cut->wire ? total - cut->wire : 0;
    if (total == 0 && cut->wire > OFFLOAD_MAX)
        sf_cut_resize(cut, cut->cap); /* the frame's length is nonsense, too */
    if (total != 0)
        sf_cut_resize(cut, total);
    uint16_t fragment = sf_be16(header + 6);
    ip->at = header;
    ip->src = header + 12;
    ip->dst = header_len > IPV4_HEADER_MIN ? ipv4_route_end(header, header_len) : header + 16;
    ip->cap = cut->cap;
    ip->bytes = cut->wire;
    ip->id = sf_be16(header + 4);
    ip->offset = (fragment & 0x1fffu) * 8;
    ip->more_fragments = (fragment & 0x2000) != 0;
    ip->is_fragment = (fragment & 0x3fff) != 0;
    ip->checksum_wrong = verify && ipv4_checksum_wrong(header, header_len);
    ip->version = 4;
    ip->ttl = header[8];
    ip->ecn = header[1] & 3;
    ip->protocol = header[9];
    sf_cut_skip(cut, header_len);
    return SF_VERDICT_OK;
}

/* RFC 6275 §6.3: the home address stands for the source. `len` octets at options are captured. */
static const uint8_t *home_address(const uint8_t *options, uint32_t len, const uint8_t *src)
{
    enum { PAD1 = 0, HOME_ADDRESS = 201 };
    struct sf_reader r = sf_reader_of(options, len);
    uint8_t kind, size;
    while (sf_read_u8(&r, &kind)) {
        struct sf_reader body;
        if (kind == PAD1)
            continue;
        if (!sf_read_u8(&r, &size) || !sf_read_slice(&r, size, &body))
            break;
        if (kind == HOME_ADDRESS && size == 16)
            return body.at;
    }
    return src;
}

/* The last stop of a routing header with segments left: types 0 and 2 list it last (RFC 2460
 * §4.4, RFC 6275 §6.4), a segment routing header first (RFC 8754 §2). */
static const uint8_t *ipv6_route_end(const uint8_t *header, uint32_t len, const uint8_t *dst)
{
    enum { SOURCE_ROUTE = 0, MOBILE = 2, SEGMENT_ROUTING = 4, FIXED = 8 };
    if (header[3] == 0 || len < FIXED + 16)
        return dst;
    if (header[2] == SEGMENT_ROUTING)
        return header + FIXED;
    if (header[2] == SOURCE_ROUTE || header[2] == MOBILE)
        return header + FIXED + (len - FIXED) / 16 * 16 - 16;
    return dst;
}

/* Reads the fragment header at `header`: RFC 8200 §4.5. */
static void read_fragment_header(const uint8_t *header, struct sf_ip *ip)
{
    uint16_t field = sf_be16(header + 2);
    ip->offset = field & 0xfff8u;
    ip->more_fragments = (field & 1) != 0;
    ip->is_fragment = ip->offset != 0 || ip->more_fragments; /* else atomic: RFC 6946 */
    ip->id = sf_be32(header + 4);
}

/* Extension headers: 8 octets and `unit` more for each count in the second octet. AH counts in
 * words of four (RFC 4302 §2.2), the fragment header has no length (RFC 8200 §4.5). */
static const struct {
    bool known;
    uint8_t unit;
} extensions[256] = {
    [SF_IPPROTO_HOP_BY_HOP] = {true, 8},  [SF_IPPROTO_ROUTING] = {true, 8},
    [SF_IPPROTO_FRAGMENT] = {true, 0},    [SF_IPPROTO_AH] = {true, 4},
    [SF_IPPROTO_DESTINATION] = {true, 8}, [SF_IPPROTO_MOBILITY] = {true, 8},
    [SF_IPPROTO_HIP] = {true, 8},         [SF_IPPROTO_SHIM6] = {true, 8},
};

/* Whether the extension header `protocol` at *cut is there as a whole; then *len has its octets. */
static enum sf_verdict need_extension(const struct sf_cut *cut, uint8_t protocol, uint32_t *len)
{
    enum sf_verdict verdict = sf_cut_need(cut, 8, SF_VERDICT_MALFORMED_IP);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    *len = 8 + (uint32_t)extensions[protocol].unit * cut->at[1];
    return sf_cut_need(cut, *len, SF_VERDICT_MALFORMED_IP);
}

enum sf_verdict sf_ipv6_extensions(struct sf_cut *cut, struct sf_ip *ip)
{
    enum { EXTENSIONS_MAX = 16 };
    for (int n = 0; n < EXTENSIONS_MAX; n++) {
        if (!extensions[ip->protocol].known)
            return SF_VERDICT_OK;
        uint32_t len;
        enum sf_verdict verdict = need_extension(cut, ip->protocol, &len);
        if (verdict != SF_VERDICT_OK)
            return verdict;

        const uint8_t *header = cut->at;
        if (ip->protocol == SF_IPPROTO_ROUTING)
            ip->dst = ipv6_route_end(header, len, ip->dst);
        else if (ip->protocol == SF_IPPROTO_DESTINATION)
            ip->src = home_address(header + 2, len - 2, ip->src);
        else if (ip->protocol == SF_IPPROTO_FRAGMENT)
            read_fragment_header(header, ip);
        ip->protocol = header[0];
        sf_cut_skip(cut, len);
        if (ip->is_fragment)
            return SF_VERDICT_OK;
    }
    return SF_VERDICT_MALFORMED_IP;
}

/* The length of a jumbogram (RFC 2675 §2) from the hop-by-hop header at *cut, or 0. */
static uint32_t jumbo_length(const struct sf_cut *cut)
{
    enum { PAD1 = 0, JUMBO = 0xc2 };
    if (cut->cap < 8)
        return 0;
    uint32_t len = (cut->at[1] + 1u) * 8;
    struct sf_reader r = sf_reader_of(cut->at + 2, (len < cut->cap ? len : cut->cap) - 2);
    uint8_t kind, size;
    while (sf_read_u8(&r, &kind)) {
        struct sf_reader body;
        if (kind == PAD1)
            continue;
        if (!sf_read_u8(&r, &size) || !sf_read_slice(&r, size, &body))
            return 0;
        if (kind == JUMBO && size == 4)
            return sf_be32(body.at);
    }
    return 0;
}

static enum sf_verdict parse_ipv6(struct sf_cut *cut, struct sf_ip *ip)
{
    enum sf_verdict verdict = sf_cut_need(cut, IPV6_HEADER, SF_VERDICT_MALFORMED_IP);
    if (verdict != SF_VERDICT_OK)
        return verdict;

    const uint8_t *header = cut->at;
    uint32_t cap = cut->cap;
    uint32_t payload = sf_be16(header + 4);
    ip->at = header;
    ip->src = header + 8;
    ip->dst = header + 24;
    ip->id = 0;
    ip->offset = 0;
    ip->more_fragments = false;
    ip->is_fragment = false;
    ip->checksum_wrong = false;
    ip->version = 6;
    ip->ttl = header[7];
    ip->ecn = header[1] >> 4 & 3;
    ip->protocol = header[6];
    sf_cut_skip(cut, IPV6_HEADER);

    if (payload == 0 && ip->protocol == SF_IPPROTO_HOP_BY_HOP)
        payload = jumbo_length(cut);
    /* A jumbogram longer than its frame is not believed: its length could be anything. */
    ip->length_guessed = payload == 0 || (payload > 0xffff && payload > cut->wire);
    bool beyond = !ip->length_guessed && payload > cut->wire;
    ip->beyond_frame = beyond ? payload - cut->wire : 0;
    if (!ip->length_guessed)
        sf_cut_resize(cut, payload);
    ip->bytes = IPV6_HEADER + cut->wire;
    ip->cap = cap < ip->bytes ? cap : ip->bytes;
    return sf_ipv6_extensions(cut, ip);
}

enum sf_verdict sf_ip_parse(struct sf_cut *cut, struct sf_ip *ip, bool verify)
{
    enum sf_verdict verdict = sf_cut_need(cut, 1, SF_VERDICT_MALFORMED_IP);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    uint8_t version = cut->at[0] >> 4;
    if (version == 4)
        return parse_ipv4(cut, ip, verify);
    if (version == 6)
        return parse_ipv6(cut, ip);
    return SF_VERDICT_MALFORMED_IP;
}

static enum sf_verdict decode_carried(struct sf_walk *walk);

/* An authentication header in IPv4; in IPv6 it is one of the extension headers. */
static enum sf_verdict decode_authenticated(struct sf_walk *walk)
{
    uint32_t len;
    if (!sf_walk_descend(walk))
        return SF_VERDICT_MALFORMED_IP;
    enum sf_verdict verdict = need_extension(&walk->rest, SF_IPPROTO_AH, &len);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    walk->ip.protocol = walk->rest.at[0];
    sf_cut_skip(&walk->rest, len);
    return decode_carried(walk);
}

static enum sf_verdict decode_carried(struct sf_walk *walk)
{
    switch (walk->ip.protocol) {
    case SF_IPPROTO_TCP: return sf_decode_tcp(walk);
    case SF_IPPROTO_UDP: return sf_decode_udp(walk);
    case SF_IPPROTO_ICMP:
    case SF_IPPROTO_ICMPV6: return sf_decode_icmp(walk);
    case SF_IPPROTO_IPIP:
    case SF_IPPROTO_IPV6: return sf_decode_ipip(walk);
    case SF_IPPROTO_GRE: return sf_decode_gre(walk);
    case SF_IPPROTO_ETHERIP: return sf_decode_etherip(walk);
    case SF_IPPROTO_MPLS: return sf_decode_mpls(walk);
    case SF_IPPROTO_AH: return decode_authenticated(walk);
    default: return SF_VERDICT_NOT_TCP;
    }
}

/* A fragment joins its datagram; the one that completes it goes on as the whole. */
static enum sf_verdict decode_fragment(struct sf_walk *walk)
{
    if (walk->ip.checksum_wrong)
        return SF_VERDICT_BAD_CHECKSUM;
    enum sf_verdict verdict = sf_fragment_add(walk);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    if (walk->ip.version == 6)
        verdict = sf_ipv6_extensions(&walk->rest, &walk->ip);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    /* A fragment header within a reassembled datagram is nobody's work. */
    return walk->ip.is_fragment ? SF_VERDICT_MALFORMED_IP : decode_carried(walk);
}

enum sf_verdict sf_decode_ip(struct sf_walk *walk)
{
    bool verify = walk->decoder->options.verify_checksums;
    enum sf_verdict verdict = sf_ip_parse(&walk->rest, &walk->ip, verify);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    if (walk->ip.is_fragment)
        return decode_fragment(walk);
    walk->checksum_wrong |= walk->ip.checksum_wrong;
    return decode_carried(walk);
}
