/* The packet that nearly every packet is: Ethernet, IPv4 without options, TCP, nothing in between.
 * What the walk does step by step is done here in one go; whatever looks different is its. */
#include <string.h>

#include "decode_internal.h"

enum { ETHERNET = 14, IPV4 = 20, TCP = 20, IPV4_NO_OPTIONS = 0x45 };

/* Offsets from the frame's begin. */
enum { AT_TYPE = 12, AT_IP = ETHERNET, AT_TCP = ETHERNET + IPV4, AT_OPTIONS = AT_TCP + TCP };

enum { LINKTYPE_ETHERNET = 1 };

static bool is_plain(const struct sf_packet *packet, uint32_t *total)
{
    const uint8_t *at = packet->data;
    if (packet->linktype != LINKTYPE_ETHERNET || packet->caplen < AT_OPTIONS ||
        sf_be16(at + AT_TYPE) != SF_ETHERTYPE_IPV4 || at[AT_IP] != IPV4_NO_OPTIONS ||
        at[AT_IP + 9] != SF_IPPROTO_TCP || (sf_be16(at + AT_IP + 6) & 0x3fff) != 0)
        return false;
    uint32_t header_len = (at[AT_TCP + 12] >> 4) * 4u;
    *total = sf_be16(at + AT_IP + 2);
    return header_len >= TCP && *total >= IPV4 + header_len &&
           *total <= packet->wirelen - ETHERNET && AT_TCP + header_len <= packet->caplen;
}

static void set_lengths(struct sf_segment *seg, uint32_t total, uint32_t cap)
{
    uint32_t headers = IPV4 + seg->tcp_header_len;
    seg->ip_bytes = total;
    seg->ip_cap = cap < total ? cap : total;
    seg->payload_len = total - headers;
    seg->payload_cap = seg->ip_cap - headers;
    seg->payload_beyond_frame = 0;
    seg->tcp_offset = IPV4;
}

static void set_tcp(struct sf_segment *seg, const uint8_t *tcp)
{
    uint16_t offset_and_flags = sf_be16(tcp + 12);
    seg->seq = sf_seq_of(sf_be32(tcp + 4));
    seg->ack = sf_seq_of(sf_be32(tcp + 8));
    seg->flags = offset_and_flags & 0x01ff;
    seg->tcp_header_len = (uint8_t)((offset_and_flags >> 12) * 4u);
    seg->window = sf_be16(tcp + 14);
    seg->checksum = sf_be16(tcp + 16);
    seg->urgent = sf_be16(tcp + 18);
}

static void set_place(struct sf_segment *seg, const struct sf_packet *packet)
{
    seg->packet = packet->number;
    seg->ts_ns = packet->ts_ns;
    seg->interface = packet->interface;
    seg->from_fragments = seg->length_guessed = false;
    seg->vlan_count = seg->tunnel_count = 0;
    memset(seg->vlan, 0, sizeof seg->vlan);
    memset(seg->tunnel, 0, sizeof seg->tunnel);
}

bool sf_decode_plain(const struct sf_decoder *decoder, const struct sf_packet *packet,
                     struct sf_segment *seg)
{
    uint32_t total;
    if (decoder->options.verify_checksums || !is_plain(packet, &total))
        return false;
    const uint8_t *ip = packet->data + AT_IP, *tcp = packet->data + AT_TCP;
    seg->dir = sf_key_ipv4(ip + 12, sf_be16(tcp), sf_be16(tcp + 2), decoder->options.hash_seed,
                           &seg->key, &seg->hash);
    set_tcp(seg, tcp);
    set_lengths(seg, total, packet->caplen - ETHERNET);
    set_place(seg, packet);
    seg->ip = ip;
    seg->ip_id = sf_be16(ip + 4);
    seg->ttl = ip[8];
    seg->ip_ecn = ip[1] & 3;
    uint32_t options = seg->tcp_header_len - TCP;
    sf_tcp_options_read(&seg->options, tcp + TCP, options, options);
    return true;
}
