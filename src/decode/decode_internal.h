/* What the files of the decoder share: the octets left, what was passed on the way, the steps. */
#ifndef SYNFIN_DECODE_INTERNAL_H
#define SYNFIN_DECODE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "synfin/bytes.h"
#include "synfin/decode.h"
#include "synfin/hash.h"
#include "synfin/hint.h"

/* The octets still to be read: `cap` of them were captured, `wire` were on the wire; cap <= wire.
 */
struct sf_cut {
    const uint8_t *at;
    uint32_t cap;
    uint32_t wire;
};

/* OK when n octets were captured; `damaged` when the wire had fewer than n, else TRUNCATED. */
static inline enum sf_verdict sf_cut_need(const struct sf_cut *cut, uint32_t n,
                                          enum sf_verdict damaged)
{
    if (cut->cap >= n)
        return SF_VERDICT_OK;
    return cut->wire < n ? damaged : SF_VERDICT_TRUNCATED;
}

/* Passes n octets, n <= cap. */
static inline void sf_cut_skip(struct sf_cut *cut, uint32_t n)
{
    cut->at += n;
    cut->cap -= n;
    cut->wire -= n;
}

/* What is left was n octets long on the wire, as a header says; the frame may have been shorter. */
static inline void sf_cut_resize(struct sf_cut *cut, uint32_t n)
{
    cut->cap = cut->cap < n ? cut->cap : n;
    cut->wire = n;
}

/* The same, believed only when it does not exceed what the frame has. */
static inline void sf_cut_trim(struct sf_cut *cut, uint32_t n)
{
    if (n < cut->wire)
        sf_cut_resize(cut, n);
}

/* Reading helper for the few link headers that are in little-endian order. */
static inline uint16_t sf_le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | (unsigned)p[1] << 8);
}

static inline uint32_t sf_le32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

enum sf_ip_protocol {
    SF_IPPROTO_HOP_BY_HOP = 0,
    SF_IPPROTO_ICMP = 1,
    SF_IPPROTO_IPIP = 4,
    SF_IPPROTO_TCP = 6,
    SF_IPPROTO_UDP = 17,
    SF_IPPROTO_IPV6 = 41,
    SF_IPPROTO_ROUTING = 43,
    SF_IPPROTO_FRAGMENT = 44,
    SF_IPPROTO_GRE = 47,
    SF_IPPROTO_AH = 51,
    SF_IPPROTO_ICMPV6 = 58,
    SF_IPPROTO_DESTINATION = 60,
    SF_IPPROTO_ETHERIP = 97,
    SF_IPPROTO_MOBILITY = 135,
    SF_IPPROTO_MPLS = 137,
    SF_IPPROTO_HIP = 139,
    SF_IPPROTO_SHIM6 = 140,
};

enum sf_ethertype {
    SF_ETHERTYPE_IPV4 = 0x0800,
    SF_ETHERTYPE_BRIDGED = 0x6558, /* Ethernet in GRE */
    SF_ETHERTYPE_VLAN = 0x8100,
    SF_ETHERTYPE_PPP = 0x880b,
    SF_ETHERTYPE_IPV6 = 0x86dd,
    SF_ETHERTYPE_MPLS = 0x8847,
    SF_ETHERTYPE_MIN = 0x0600, /* below, the field is a length: IEEE 802.3 §3.2.6 */
};

enum { SF_VLAN_ID = 0x0fff }; /* of a tag's first two octets: IEEE 802.1Q §9.6 */

/* One IP header, read. `src` and `dst` have 4 or 16 octets; dst is where a routing header leads. */
struct sf_ip {
    const uint8_t *at; /* the header */
    const uint8_t *src, *dst;
    uint32_t cap;          /* octets captured from `at` on, at most `bytes` */
    uint32_t bytes;        /* of the packet on the wire, header included */
    uint32_t id;           /* of fragments: 16 bits in IPv4, 32 in IPv6 */
    uint32_t offset;       /* of the fragment, octets */
    uint32_t beyond_frame; /* octets of the packet for which the frame on the wire had no room */
    bool is_fragment, more_fragments;
    bool length_guessed;
    bool checksum_wrong; /* only where asked to look */
    uint8_t version, ttl, ecn;
    uint8_t protocol; /* of what follows */
};

/* One packet on its way through the decoder. */
struct sf_walk {
    struct sf_decoder *decoder;
    const struct sf_packet *packet;
    struct sf_decoded *out;
    struct sf_cut rest;
    struct sf_ip ip;                   /* innermost so far */
    struct sf_scope scope;             /* without ip_version and vlan: sf_walk_key() adds them */
    uint32_t tunnel_id[SF_TUNNEL_MAX]; /* as on the wire; scope has those of the key */
    uint16_t vlan[SF_VLAN_MAX];
    uint8_t vlan_count;
    uint8_t depth;    /* of headers within headers, tunnels apart */
    uint16_t ifindex; /* of a cooked v2 header, or 0 */
    bool from_fragments;
    bool checksum_wrong;
    uint32_t datagram_bytes;    /* from_fragments: of the outermost reassembled IP payload */
    uint32_t datagram_captured; /* of them */
};

/* Room for a reassembled datagram's IP header and the head of its payload. */
enum { SF_IP_HEADER_MAX = 60, SF_DATAGRAM_HEAD = 256 };

struct sf_fragments;

struct sf_decoder {
    struct sf_decode_options options;
    struct sf_fragments *fragments; /* NULL until the first fragment */
    uint8_t rebuilt[SF_IP_HEADER_MAX + SF_DATAGRAM_HEAD];
    uint8_t rebuilt_src[16], rebuilt_dst[16];
};

/* The steps. Each reads its header at walk->rest, passes it and goes on with what it carries. */
enum sf_verdict sf_decode_link(struct sf_walk *walk, uint32_t linktype);
enum sf_verdict sf_decode_ethernet(struct sf_walk *walk);
enum sf_verdict sf_decode_ethertype(struct sf_walk *walk, uint16_t type);
enum sf_verdict sf_decode_llc(struct sf_walk *walk);
enum sf_verdict sf_decode_mpls(struct sf_walk *walk);
enum sf_verdict sf_decode_pppoe(struct sf_walk *walk);
enum sf_verdict sf_decode_ppp(struct sf_walk *walk);
enum sf_verdict sf_decode_wifi(struct sf_walk *walk);
enum sf_verdict sf_decode_capwap_wifi(struct sf_walk *walk);
enum sf_verdict sf_decode_radiotap(struct sf_walk *walk);
enum sf_verdict sf_decode_prism(struct sf_walk *walk);
enum sf_verdict sf_decode_avs(struct sf_walk *walk);
enum sf_verdict sf_decode_ip(struct sf_walk *walk);
enum sf_verdict sf_decode_ipip(struct sf_walk *walk);
enum sf_verdict sf_decode_gre(struct sf_walk *walk);
enum sf_verdict sf_decode_etherip(struct sf_walk *walk);
enum sf_verdict sf_decode_udp(struct sf_walk *walk);
enum sf_verdict sf_decode_tcp(struct sf_walk *walk);
enum sf_verdict sf_decode_icmp(struct sf_walk *walk);

/* Reads the IP header at *cut, IPv6 extension headers included, and leaves *cut at what it
 * carries. With a fragment, *cut is the fragment's part. verify: look at the IPv4 checksum. */
enum sf_verdict sf_ip_parse(struct sf_cut *cut, struct sf_ip *ip, bool verify);

/* Passes IPv6 extension headers from ip->protocol on, up to a fragment header's end. */
enum sf_verdict sf_ipv6_extensions(struct sf_cut *cut, struct sf_ip *ip);

/* Adds the fragment at walk->rest to its datagram. OK when it is complete: then walk->rest and
 * walk->ip are the whole datagram's, in the decoder. FRAGMENT when it is not. */
enum sf_verdict sf_fragment_add(struct sf_walk *walk);
void sf_fragments_free(struct sf_fragments *fragments);

/* Reads the options of a TCP header: `len` octets on the wire, `cap` of them captured; all flags
 * and counts are 0 before. */
void sf_tcp_options_read_list(struct sf_tcp_options *options, const uint8_t *at, uint32_t len,
                              uint32_t cap);

/* Nearly every segment of an established connection has none, or NOP, NOP, timestamps. */
SF_INLINE void sf_tcp_options_read(struct sf_tcp_options *options, const uint8_t *at, uint32_t len,
                                   uint32_t cap)
{
    enum { USUAL = 12, USUAL_BEGIN = 0x0101080a };
    options->present = options->mss = 0;
    options->wscale = options->sack_count = options->fast_open_len = 0;
    if (len == USUAL && cap >= USUAL && sf_be32(at) == USUAL_BEGIN) {
        options->ts_val = sf_be32(at + 4);
        options->ts_ecr = sf_be32(at + 8);
        options->present = SF_OPT_HAS_TIMESTAMPS;
    } else if (len > 0) {
        sf_tcp_options_read_list(options, at, len, cap);
    }
}

/* Notes a VLAN id. */
void sf_walk_vlan(struct sf_walk *walk, uint16_t tci);

/* Notes a tunnel: `id` is what the wire says, `key_id` what tells networks apart (0 where the two
 * directions differ). False when tunnels are nested too deep. */
bool sf_walk_enter(struct sf_walk *walk, enum sf_tunnel_kind kind, uint32_t id, uint32_t key_id);

/* False when headers are nested too deep; every cycle of the steps asks. */
static inline bool sf_walk_descend(struct sf_walk *walk)
{
    enum { DEPTH_MAX = 24 };
    return ++walk->depth <= DEPTH_MAX;
}

/* Builds the key of the pair and its hash; returns which end src is. */
enum sf_dir sf_walk_key(const struct sf_walk *walk, const struct sf_ip *ip, uint16_t src_port,
                        uint16_t dst_port, struct sf_flow_key *key, uint64_t *hash);

/* The same for the addresses at `addresses`, source first, of an IPv6 header outside of all tunnels
 * and of VLANs that count. */
enum sf_dir sf_key_ipv6(const uint8_t *addresses, uint16_t src_port, uint16_t dst_port,
                        uint64_t seed, struct sf_flow_key *key, uint64_t *hash);

/* The hash of an IPv4 key from its parts, each in the order of the key; the lower half of `ports`
 * holds what the scope says of tunnels. */
static inline uint64_t sf_key_hash_ipv4(uint64_t addresses, uint64_t ports, uint64_t ids,
                                        uint32_t vlans, uint64_t seed)
{
    const uint64_t words[] = {addresses, ports, ids, vlans};
    return (ids | vlans) == 0 ? sf_hash_2(words, seed) : sf_hash_4(words, seed);
}

static inline bool sf_is_of_others(const struct sf_decoder *decoder, uint32_t place)
{
    return place * decoder->options.shares >> SF_PLACE_BITS != decoder->options.share;
}

/* plain.c: the usual packet in one go; has_quote and is_of_others are false before. False when it
 * is another: then the walk must take it, and finds the same. The second one passes over what is of
 * a share that is not wanted. */
bool sf_decode_plain(const struct sf_decoder *decoder, const struct sf_packet *packet,
                     struct sf_decoded *out);
bool sf_decode_plain_share(const struct sf_decoder *decoder, const struct sf_packet *packet,
                           struct sf_decoded *out);

/* Ones' complement sum of octets in the machine's order, added to `sum`: RFC 1071. */
uint64_t sf_checksum_add(uint64_t sum, const uint8_t *octets, size_t len);
uint16_t sf_checksum_fold(uint64_t sum);

#endif
