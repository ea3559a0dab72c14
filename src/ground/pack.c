/* Words are packed in groups of 16: a bit per group that holds anything, a bit per word of such a
 * group, two bits for the length of each word that is there, then the octets. */
#include "synfin/pack.h"

#include <string.h>

enum { GROUP = 16, WORD = sizeof(uint32_t), GROUP_OCTETS = GROUP * WORD };
/* What a group takes at most: mask, lengths, octets, and that a word is written whole. */
enum { GROUP_PACKED_MAX = 2 + GROUP / 4 + GROUP_OCTETS + WORD };

static bool has_room(struct sf_packer *packer, size_t octets)
{
    if ((size_t)(packer->end - packer->at) < octets)
        packer->is_full = true;
    return !packer->is_full;
}

static unsigned octets_of(uint32_t word)
{
    return 4u - (unsigned)__builtin_clz(word) / 8u;
}

static bool is_zero(const uint8_t *data, size_t len)
{
    uint32_t any = 0, word;
    for (size_t i = 0; i < len; i += WORD) {
        memcpy(&word, data + i, WORD);
        any |= word;
    }
    return any == 0;
}

static void put_le(uint8_t *at, uint32_t word)
{
    for (unsigned i = 0; i < WORD; i++)
        at[i] = (uint8_t)(word >> 8 * i);
}

static uint32_t get_le(const uint8_t *at, unsigned octets)
{
    uint32_t word = 0;
    for (unsigned i = 0; i < octets; i++)
        word |= (uint32_t)at[i] << 8 * i;
    return word;
}

static uint8_t *pack_group(uint8_t *at, const uint8_t *data, size_t len)
{
    uint32_t words[GROUP];
    unsigned mask = 0, count = 0;
    for (size_t i = 0; i < len / WORD; i++) {
        memcpy(&words[count], data + i * WORD, WORD);
        mask |= (unsigned)(words[count] != 0) << i;
        count += words[count] != 0;
    }
    *at++ = (uint8_t)mask;
    *at++ = (uint8_t)(mask >> 8);
    uint8_t *lengths = at;
    at += (count + 3) / 4;
    memset(lengths, 0, (size_t)(at - lengths));
    for (unsigned i = 0; i < count; i++) {
        unsigned octets = octets_of(words[i]);
        lengths[i / 4] |= (uint8_t)((octets - 1) << 2 * (i % 4));
        put_le(at, words[i]);
        at += octets;
    }
    return at;
}

void sf_pack_struct(struct sf_packer *packer, const void *data, size_t len)
{
    const uint8_t *from = data;
    size_t groups = (len + GROUP_OCTETS - 1) / GROUP_OCTETS, bits = (groups + 7) / 8;
    if (!has_room(packer, bits + groups * GROUP_PACKED_MAX))
        return;
    uint8_t *present = packer->at;
    memset(present, 0, bits);
    packer->at += bits;
    for (size_t g = 0; g < groups; g++) {
        size_t begin = g * GROUP_OCTETS;
        size_t octets = len - begin < GROUP_OCTETS ? len - begin : GROUP_OCTETS;
        if (is_zero(from + begin, octets))
            continue;
        present[g / 8] |= (uint8_t)(1u << g % 8);
        packer->at = pack_group(packer->at, from + begin, octets);
    }
}

static const uint8_t *unpack_group(const uint8_t *at, uint8_t *out)
{
    unsigned mask = at[0] | (unsigned)at[1] << 8, count = (unsigned)__builtin_popcount(mask);
    const uint8_t *lengths = at + 2;
    at = lengths + (count + 3) / 4;
    for (unsigned i = 0; mask != 0; mask &= mask - 1, i++) {
        unsigned octets = ((unsigned)lengths[i / 4] >> 2 * (i % 4) & 3) + 1;
        uint32_t word = get_le(at, octets);
        memcpy(out + (unsigned)__builtin_ctz(mask) * WORD, &word, WORD);
        at += octets;
    }
    return at;
}

void sf_unpack_struct(struct sf_unpacker *unpacker, void *out, size_t len)
{
    size_t groups = (len + GROUP_OCTETS - 1) / GROUP_OCTETS;
    const uint8_t *present = unpacker->at;
    unpacker->at += (groups + 7) / 8;
    memset(out, 0, len);
    for (size_t g = 0; g < groups; g++)
        if ((unsigned)present[g / 8] >> g % 8 & 1)
            unpacker->at = unpack_group(unpacker->at, (uint8_t *)out + g * GROUP_OCTETS);
}

void sf_pack_number(struct sf_packer *packer, uint64_t n)
{
    if (!has_room(packer, 10))
        return;
    for (; n >= 0x80; n >>= 7)
        *packer->at++ = (uint8_t)(n | 0x80);
    *packer->at++ = (uint8_t)n;
}

uint64_t sf_unpack_number(struct sf_unpacker *unpacker)
{
    uint64_t n = 0;
    unsigned shift = 0;
    for (; *unpacker->at & 0x80; shift += 7)
        n |= (uint64_t)(*unpacker->at++ & 0x7f) << shift;
    return n | (uint64_t)*unpacker->at++ << shift;
}

void sf_pack_octets(struct sf_packer *packer, const void *data, size_t len)
{
    if (!has_room(packer, len))
        return;
    memcpy(packer->at, data, len);
    packer->at += len;
}

void sf_unpack_octets(struct sf_unpacker *unpacker, void *out, size_t len)
{
    memcpy(out, unpacker->at, len);
    unpacker->at += len;
}

/* Two numbers change places: its own inverse. */
static uint64_t swap(uint64_t n, uint64_t a, uint64_t b)
{
    return n == a ? b : n == b ? a : n;
}

static const uint64_t FOR_UNKNOWN = (uint64_t)-1, FOR_ZERO = (uint64_t)-2;

uint64_t sf_time_shrink(sf_ns time, sf_ns base)
{
    uint64_t before = (uint64_t)base - (uint64_t)time;
    before = swap(before, (uint64_t)base - (uint64_t)SF_NS_UNKNOWN, FOR_UNKNOWN);
    before = swap(before, (uint64_t)base, FOR_ZERO);
    return sf_zigzag((int64_t)before);
}

sf_ns sf_time_grow(uint64_t small, sf_ns base)
{
    uint64_t before = swap((uint64_t)sf_unzigzag(small), (uint64_t)base, FOR_ZERO);
    before = swap(before, (uint64_t)base - (uint64_t)SF_NS_UNKNOWN, FOR_UNKNOWN);
    return (sf_ns)((uint64_t)base - before);
}
