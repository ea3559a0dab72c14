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
static inline void set_rest(struct sf_segment *seg, const struct sf_packet *packet,
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

static inline void set_key(struct sf_segment *seg, const struct ends *ends, uint64_t seed)
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

static inline bool is_ipv4(const struct sf_packet *packet, const uint8_t *ip,
                           struct datagram *datagram)
{
    uint32_t link = (uint32_t)(ip - packet->data), bytes = sf_be16(ip + 2);
    *datagram = datagram_at(ip, IPV4, bytes, packet->caplen - link);
    return (sf_be32(ip + 6) & FRAGMENT_AND_PROTOCOL) == SF_IPPROTO_TCP &&
           fits(datagram, packet->wirelen - link);
}

static inline bool take_ipv4(const struct sf_decoder *decoder, const struct sf_packet *packet,
                             const uint8_t *ip, struct sf_segment *seg)
{
    struct datagram datagram;
    if (!is_ipv4(packet, ip, &datagram))
        return false;
    const struct ends ends = order(ip + 12, ip + IPV4);
    set_key(seg, &ends, decoder->options.hash_seed);
    seg->ip_id = sf_be16(ip + 4);
    seg->ttl = ip[8];
    seg->ip_ecn = ip[1] & 3;
    set_rest(seg, packet, &datagram);
    return true;
}

static bool take_ipv6(const struct sf_decoder *decoder, const struct sf_packet *packet,
                      const uint8_t *ip, struct sf_segment *seg)
{
    uint32_t link = (uint32_t)(ip - packet->data), payload = sf_be16(ip + 4);
    uint32_t cap = packet->caplen - link;
    if (cap < IPV6 + TCP || ip[6] != SF_IPPROTO_TCP || payload == 0)
        return false;
    const struct datagram datagram = datagram_at(ip, IPV6, IPV6 + payload, cap);
    if (!fits(&datagram, packet->wirelen - link))
        return false;
    seg->dir = sf_key_ipv6(ip + 8, sf_be16(ip + IPV6), sf_be16(ip + IPV6 + 2),
                           decoder->options.hash_seed, &seg->key, &seg->hash);
    seg->ip_id = 0;
    seg->ttl = ip[7];
    seg->ip_ecn = ip[1] >> 4 & 3;
    set_rest(seg, packet, &datagram);
    return true;
}

static bool take_tagged(const struct sf_decoder *decoder, const struct sf_packet *packet,
                        struct sf_segment *seg)
{
    const uint8_t *ip = packet->data + ETHERNET + TAG;
    if (decoder->options.vlan_key || packet->caplen < ETHERNET + TAG + IPV4 + TCP)
        return false;
    uint32_t type = sf_be32(ip - 2);
    bool is_taken = (type >> 8 == TYPE_AND_IPV4 && take_ipv4(decoder, packet, ip, seg)) ||
                    (type >> 12 == TYPE_AND_IPV6 && take_ipv6(decoder, packet, ip, seg));
    if (!is_taken)
        return false;
    seg->vlan_count = 1;
    seg->vlan[0] = sf_be16(ip - 4) & SF_VLAN_ID;
    return true;
}

static inline bool may_be_plain(const struct sf_decoder *decoder, const struct sf_packet *packet)
{
    return packet->linktype == LINKTYPE_ETHERNET && packet->caplen >= ETHERNET + IPV4 + TCP &&
           !decoder->options.verify_checksums;
}

bool sf_decode_plain(const struct sf_decoder *decoder, const struct sf_packet *packet,
                     struct sf_segment *seg)
{
    if (!may_be_plain(decoder, packet))
        return false;
    const uint8_t *ip = packet->data + ETHERNET;
    uint32_t type = sf_be32(ip - 2);
    if (type >> 8 == TYPE_AND_IPV4)
        return take_ipv4(decoder, packet, ip, seg);
    if (type >> 12 == TYPE_AND_IPV6)
        return take_ipv6(decoder, packet, ip, seg);
    return type >> 16 == SF_ETHERTYPE_VLAN && take_tagged(decoder, packet, seg);
}

/* The eight octets of a key that begin with an IPv4 address, as a word. */
static inline uint64_t address_word(uint32_t address)
{
    return htole64(le32toh(htobe32(address)));
}

/* sf_flow_key_place() of a key that need not be built. */
static inline uint32_t place_of(const struct ends *ends)
{
    const struct sf_flow_key key = {.port = {(uint16_t)(ends->ports >> 16), (uint16_t)ends->ports},
                                    .scope.ip_version = 4};
    uint64_t words[6] = {address_word((uint32_t)(ends->addresses >> 32)), 0,
                         address_word((uint32_t)ends->addresses)};
    memcpy(&words[4], (const char *)&key + offsetof(struct sf_flow_key, port), sizeof words[4]);
    return sf_place_of(words, 0);
}

bool sf_plain_is_of_others(const struct sf_decoder *decoder, const struct sf_packet *packet)
{
    struct datagram datagram;
    const uint8_t *ip = packet->data + ETHERNET;
    if (!may_be_plain(decoder, packet) || sf_be32(ip - 2) >> 8 != TYPE_AND_IPV4 ||
        !is_ipv4(packet, ip, &datagram))
        return false;
    const struct ends ends = order(ip + 12, ip + IPV4);
    return sf_is_of_others(decoder, place_of(&ends));
}
