/* The packets that nearly all packets are: Ethernet, perhaps a VLAN tag, IPv4 without options or
 * IPv6 without extension headers, TCP, nothing in between. What the walk does step by step is done
 * here in one go; whatever looks different is its. */
#include <endian.h>
#include <string.h>

#include "decode_internal.h"

enum { LINKTYPE_ETHERNET = 1 };
enum { ETHERNET = 14, TAG = 4, IPV4 = 20, IPV6 = 40, TCP = 20 };

/* The Ethernet type and what IP's first octets begin with. */
enum { TYPE_AND_IPV4 = 0x080045, TYPE_AND_IPV6 = 0x86dd6 };

/* Of the IPv4 header's octets 6 to 9: more fragments, offset, protocol. */
enum { FRAGMENT_AND_PROTOCOL = 0x3fff00ff };

/* An IP packet that carries TCP. */
struct datagram {
    const uint8_t *ip;
    uint32_t ip_header, tcp_header; /* octets */
    uint32_t bytes;                 /* of the packet on the wire, headers included */
    uint32_t have;                  /* of them, captured */
};

static inline uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* `cap` octets are captured from `ip` on, at least 20 of them TCP's. */
static inline struct datagram datagram_at(const uint8_t *ip, uint32_t ip_header, uint32_t bytes,
                                          uint32_t cap)
{
    uint32_t tcp_header = ip[ip_header + 12] / 4u & 0x3c; /* a nibble counts, in words of four */
    return (struct datagram){ip, ip_header, tcp_header, bytes, least(bytes, cap)};
}

/* Whether all of the TCP header is there. */
static inline bool fits(const struct datagram *datagram, uint32_t wire)
{
    return datagram->bytes <= wire && datagram->tcp_header >= TCP &&
           datagram->ip_header + datagram->tcp_header <= datagram->have;
}

/* Each half of the header that is read is one number, swapped and stored as a whole. */
static inline void set_tcp(struct sf_segment *seg, const uint8_t *tcp)
{
    uint64_t numbers = sf_be64(tcp + 4), rest = sf_be64(tcp + 12);
    uint64_t flags_and_on = rest & UINT64_C(0x01ffffffffffffff);
    seg->ack = sf_seq_of((uint32_t)numbers);
    seg->seq = sf_seq_of((uint32_t)(numbers >> 32));
    seg->urgent = (uint16_t)flags_and_on;
    seg->checksum = (uint16_t)(flags_and_on >> 16);
    seg->window = (uint16_t)(flags_and_on >> 32);
    seg->flags = (uint16_t)(flags_and_on >> 48);
}

/* Everything but the key and what IPv4 and IPv6 tell in different places. */
SF_INLINE void set_rest(struct sf_segment *seg, const struct sf_packet *packet,
                        const struct datagram *datagram)
{
    const uint8_t *tcp = datagram->ip + datagram->ip_header;
    uint32_t headers = datagram->ip_header + datagram->tcp_header;
    uint32_t options = datagram->tcp_header - TCP;
    set_tcp(seg, tcp);
    seg->tcp_header_len = (uint8_t)datagram->tcp_header;
    seg->packet = packet->number;
    seg->ts_ns = packet->ts_ns;
    seg->interface = packet->interface;
    seg->ip = datagram->ip;
    seg->ip_bytes = datagram->bytes;
    seg->ip_cap = datagram->have;
    seg->payload_len = datagram->bytes - headers;
    seg->payload_cap = datagram->have - headers;
    seg->payload_beyond_frame = 0;
    seg->tcp_offset = datagram->ip_header;
    seg->from_fragments = seg->length_guessed = false;
    seg->vlan_count = seg->tunnel_count = 0;
    memset(seg->vlan, 0, sizeof seg->vlan);
    memset(seg->tunnel, 0, sizeof seg->tunnel);
    sf_tcp_options_read(&seg->options, tcp + TCP, options, options);
}

/* Two IPv4 ends in the order of the key, as numbers. */
struct ends {
    uint64_t addresses; /* the first one is the upper half */
    uint32_t ports;
    enum sf_dir dir; /* of the one whose address was given first */
};

/* Computed, not branched on: which way a segment goes cannot be predicted. */
static inline struct ends order(const uint8_t *addresses, const uint8_t *ports)
{
    uint64_t there = sf_be64(addresses), back = there << 32 | there >> 32;
    uint32_t ports_there = sf_be32(ports), ports_back = ports_there << 16 | ports_there >> 16;
    bool is_back = (there > back) | ((there == back) & (ports_there > ports_back));
    return (struct ends){is_back ? back : there, is_back ? ports_back : ports_there,
                         (enum sf_dir)is_back};
}

SF_INLINE void set_key(struct sf_segment *seg, const struct ends *ends, uint64_t seed)
{
    const uint32_t octets[] = {htobe32((uint32_t)(ends->addresses >> 32)),
                               htobe32((uint32_t)ends->addresses)};
    memset(seg->key.addr, 0, sizeof seg->key.addr);
    memcpy(seg->key.addr[0], &octets[0], 4);
    memcpy(seg->key.addr[1], &octets[1], 4);
    seg->key.port[0] = (uint16_t)(ends->ports >> 16);
    seg->key.port[1] = (uint16_t)ends->ports;
    seg->key.scope = (struct sf_scope){.ip_version = 4};
    seg->dir = ends->dir;
    seg->hash = sf_key_hash_ipv4(ends->addresses, (uint64_t)ends->ports << 32, 0, 0, seed);
}

/* The eight octets of a key that begin with an IPv4 address, as a word. */
static inline uint64_t address_word(uint32_t address)
{
    return htole64(le32toh(htobe32(address)));
}

/* Those from the ports on: two ports, the IP version, zeros. */
static inline uint64_t ports_word(uint32_t ports)
{
    enum { VERSION = 4, IS_LITTLE = BYTE_ORDER == LITTLE_ENDIAN };
    return IS_LITTLE ? (ports << 16 | ports >> 16) | (uint64_t)VERSION << 32
                     : (uint64_t)ports << 32 | (uint64_t)VERSION << 24;
}

/* sf_flow_key_place() of a key that is not built. */
static inline uint32_t place_of(const struct ends *ends)
{
    const uint64_t words[6] = {
        [0] = address_word((uint32_t)(ends->addresses >> 32)),
        [2] = address_word((uint32_t)ends->addresses),
        [4] = ports_word(ends->ports),
    };
    return sf_place_of(words, 0);
}

/* Each of the following is made anew for each caller: where all connections are wanted, nothing is
 * spent on the question whose this one is. True: *out tells it, or that it is of others. */

SF_INLINE bool take_ipv4(const struct sf_decoder *decoder, const struct sf_packet *packet,
                         const uint8_t *ip, struct sf_decoded *out, bool has_shares)
{
    uint32_t link = (uint32_t)(ip - packet->data);
    const struct datagram datagram = datagram_at(ip, IPV4, sf_be16(ip + 2), packet->caplen - link);
    if ((sf_be32(ip + 6) & FRAGMENT_AND_PROTOCOL) != SF_IPPROTO_TCP ||
        !fits(&datagram, packet->wirelen - link))
        return false;
    const struct ends ends = order(ip + 12, ip + IPV4);
    if (has_shares && sf_is_of_others(decoder, place_of(&ends))) {
        out->is_of_others = true;
        return true;
    }
    struct sf_segment *seg = &out->segment;
    set_key(seg, &ends, decoder->options.hash_seed);
    seg->ip_id = sf_be16(ip + 4);
    seg->ttl = ip[8];
    seg->ip_ecn = ip[1] & 3;
    set_rest(seg, packet, &datagram);
    return true;
}

SF_INLINE bool take_ipv6(const struct sf_decoder *decoder, const struct sf_packet *packet,
                         const uint8_t *ip, struct sf_decoded *out, bool has_shares)
{
    uint32_t link = (uint32_t)(ip - packet->data), payload = sf_be16(ip + 4);
    uint32_t cap = packet->caplen - link;
    if (cap < IPV6 + TCP || ip[6] != SF_IPPROTO_TCP || payload == 0)
        return false;
    const struct datagram datagram = datagram_at(ip, IPV6, IPV6 + payload, cap);
    if (!fits(&datagram, packet->wirelen - link))
        return false;
    struct sf_segment *seg = &out->segment;
    seg->dir = sf_key_ipv6(ip + 8, sf_be16(ip + IPV6), sf_be16(ip + IPV6 + 2),
                           decoder->options.hash_seed, &seg->key, &seg->hash);
    if (has_shares && sf_is_of_others(decoder, sf_flow_key_place(&seg->key))) {
        out->is_of_others = true;
        return true;
    }
    seg->ip_id = 0;
    seg->ttl = ip[7];
    seg->ip_ecn = ip[1] >> 4 & 3;
    set_rest(seg, packet, &datagram);
    return true;
}

/* `type` is the Ethernet type and IP's first two octets. */
SF_INLINE bool take_ip(const struct sf_decoder *decoder, const struct sf_packet *packet,
                       uint32_t type, const uint8_t *ip, struct sf_decoded *out, bool has_shares)
{
    if (type >> 8 == TYPE_AND_IPV4)
        return take_ipv4(decoder, packet, ip, out, has_shares);
    return type >> 12 == TYPE_AND_IPV6 && take_ipv6(decoder, packet, ip, out, has_shares);
}

static bool take_tagged(const struct sf_decoder *decoder, const struct sf_packet *packet,
                        struct sf_decoded *out)
{
    const uint8_t *ip = packet->data + ETHERNET + TAG;
    if (decoder->options.vlan_key || packet->caplen < ETHERNET + TAG + IPV4 + TCP ||
        !take_ip(decoder, packet, sf_be32(ip - 2), ip, out, decoder->options.shares > 1))
        return false;
    out->segment.vlan_count = 1;
    out->segment.vlan[0] = sf_be16(ip - 4) & SF_VLAN_ID;
    return true;
}

SF_INLINE bool take(const struct sf_decoder *decoder, const struct sf_packet *packet,
                    struct sf_decoded *out, bool has_shares)
{
    if (packet->linktype != LINKTYPE_ETHERNET || packet->caplen < ETHERNET + IPV4 + TCP ||
        decoder->options.verify_checksums)
        return false;
    const uint8_t *ip = packet->data + ETHERNET;
    uint32_t type = sf_be32(ip - 2);
    if (type >> 16 == SF_ETHERTYPE_VLAN)
        return take_tagged(decoder, packet, out);
    return take_ip(decoder, packet, type, ip, out, has_shares);
}

bool sf_decode_plain(const struct sf_decoder *decoder, const struct sf_packet *packet,
                     struct sf_decoded *out)
{
    return take(decoder, packet, out, false);
}

bool sf_decode_plain_share(const struct sf_decoder *decoder, const struct sf_packet *packet,
                           struct sf_decoded *out)
{
    return take(decoder, packet, out, true);
}
