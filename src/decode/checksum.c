/* The Internet checksum (RFC 1071) of TCP segments and IPv4 headers. */
#include "decode_internal.h"

#include <string.h>

static inline uint64_t add(uint64_t sum, uint64_t word)
{
    sum += word;
    return sum + (sum < word);
}

uint64_t sf_checksum_add(uint64_t sum, const uint8_t *octets, size_t len)
{
    uint64_t word;
    /* Words of 64 bits with the carry added again are congruent to the sum of those of 16 bits. */
    for (; len >= sizeof word; octets += sizeof word, len -= sizeof word) {
        memcpy(&word, octets, sizeof word);
        sum = add(sum, word);
    }
    if (len >= 4) {
        uint32_t half;
        memcpy(&half, octets, 4);
        sum = add(sum, half);
        octets += 4;
        len -= 4;
    }
    if (len > 0) {
        word = 0;
        memcpy(&word, octets, len);
        sum = add(sum, word);
    }
    return sum;
}

uint16_t sf_checksum_fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* RFC 9293 §3.1: addresses, zero, protocol and TCP length; RFC 8200 §8.1 adds up to the same. */
static uint64_t pseudo_header(const struct sf_segment *seg, uint32_t tcp_len)
{
    size_t addr_len = seg->key.scope.ip_version == 4 ? 4 : 16;
    uint8_t tail[8] = {
        (uint8_t)(tcp_len >> 24), (uint8_t)(tcp_len >> 16), (uint8_t)(tcp_len >> 8),
        (uint8_t)tcp_len,         [7] = SF_IPPROTO_TCP,
    };
    uint64_t sum = sf_checksum_add(0, tail, sizeof(tail));
    sum = sf_checksum_add(sum, seg->key.addr[0], addr_len);
    return sf_checksum_add(sum, seg->key.addr[1], addr_len);
}

bool sf_segment_checksum_ok(const struct sf_segment *seg, bool *known)
{
    uint32_t tcp_len = seg->tcp_header_len + seg->payload_len;
    *known = !seg->from_fragments && !seg->length_guessed && seg->tcp_offset <= seg->ip_cap &&
             seg->ip_cap - seg->tcp_offset >= tcp_len;
    if (!*known)
        return false;
    uint64_t sum = pseudo_header(seg, tcp_len);
    return sf_checksum_fold(sf_checksum_add(sum, seg->ip + seg->tcp_offset, tcp_len)) == 0xffff;
}
