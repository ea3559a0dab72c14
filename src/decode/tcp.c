/* The TCP header: lengths on the wire against what was captured, and the finished segment. */
#include "decode_internal.h"

#include <string.h>

enum { TCP_HEADER_MIN = 20 };

/* Octets of the payload that were captured; walk->rest is at the TCP header. */
static uint32_t payload_captured(const struct sf_walk *walk, uint32_t header_len)
{
    const struct sf_cut *rest = &walk->rest;
    uint32_t cap = rest->cap;
    if (walk->from_fragments) {
        /* What stands before the TCP header was captured, or we would not be here. */
        uint32_t all = walk->datagram_bytes;
        uint32_t before = rest->wire < all ? all - rest->wire : 0;
        cap = walk->datagram_captured > before ? walk->datagram_captured - before : 0;
        cap = cap < rest->wire ? cap : rest->wire;
    }
    return cap > header_len ? cap - header_len : 0;
}

static void set_header(struct sf_segment *seg, const uint8_t *tcp)
{
    seg->seq = sf_seq_of(sf_be32(tcp + 4));
    seg->ack = sf_seq_of(sf_be32(tcp + 8));
    seg->flags = sf_be16(tcp + 12) & 0x01ff;
    seg->window = sf_be16(tcp + 14);
    seg->checksum = sf_be16(tcp + 16);
    seg->urgent = sf_be16(tcp + 18);
}

static void set_place(struct sf_segment *seg, const struct sf_walk *walk)
{
    const struct sf_packet *packet = walk->packet;
    seg->packet = packet->number;
    seg->ts_ns = packet->ts_ns;
    enum { INPUTS_USUAL = 16 }; /* with more, two inputs' interfaces may get the same number */
    seg->interface = (uint16_t)(packet->interface + walk->ifindex * INPUTS_USUAL);
    seg->vlan_count = walk->vlan_count;
    memcpy(seg->vlan, walk->vlan, sizeof(seg->vlan));
    unsigned tunnels = walk->scope.tunnels;
    seg->tunnel_count = (uint8_t)(tunnels < SF_TUNNEL_MAX ? tunnels : SF_TUNNEL_MAX);
    for (unsigned i = 0; i < SF_TUNNEL_MAX; i++) {
        seg->tunnel[i].kind = walk->scope.tunnel_kind[i];
        seg->tunnel[i].id = walk->tunnel_id[i];
    }
}

static void set_ip(struct sf_segment *seg, const struct sf_walk *walk)
{
    const struct sf_ip *ip = &walk->ip;
    seg->ip_bytes = ip->bytes;
    seg->ip_id = (uint16_t)ip->id;
    seg->ttl = ip->ttl;
    seg->ip_ecn = ip->ecn;
    seg->from_fragments = walk->from_fragments;
    seg->length_guessed = ip->length_guessed;
    seg->ip = ip->at;
    seg->ip_cap = ip->cap;
    seg->tcp_offset = (uint32_t)(walk->rest.at - ip->at);
}

static bool checksum_wrong(const struct sf_walk *walk, const struct sf_segment *seg)
{
    bool known;
    return walk->checksum_wrong || (!sf_segment_checksum_ok(seg, &known) && known);
}

enum sf_verdict sf_decode_tcp(struct sf_walk *walk)
{
    const struct sf_cut *rest = &walk->rest;
    enum sf_verdict verdict = sf_cut_need(rest, TCP_HEADER_MIN, SF_VERDICT_MALFORMED_TCP);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    const uint8_t *tcp = rest->at;
    uint32_t header_len = (tcp[12] >> 4) * 4u;
    if (header_len < TCP_HEADER_MIN || header_len > rest->wire)
        return SF_VERDICT_MALFORMED_TCP;

    struct sf_segment *seg = &walk->out->segment;
    seg->dir = sf_walk_key(walk, &walk->ip, sf_be16(tcp), sf_be16(tcp + 2), &seg->key, &seg->hash);
    seg->tcp_header_len = (uint8_t)header_len;
    seg->payload_len = rest->wire - header_len;
    seg->payload_cap = payload_captured(walk, header_len);
    seg->payload_beyond_frame =
        walk->ip.beyond_frame < seg->payload_len ? walk->ip.beyond_frame : seg->payload_len;
    set_header(seg, tcp);
    set_place(seg, walk);
    set_ip(seg, walk);
    sf_tcp_options_read(&seg->options, tcp + TCP_HEADER_MIN, header_len - TCP_HEADER_MIN,
                        rest->cap - TCP_HEADER_MIN);
    if (walk->decoder->options.verify_checksums && checksum_wrong(walk, seg))
        return SF_VERDICT_BAD_CHECKSUM;
    return SF_VERDICT_OK;
}
