/* Words of 64 bits are packed in blocks of 8: a bit per block that holds anything, four bits for
 * the length of each word of such a block, then the words' octets, the lowest first. Within a block
 * nothing is branched on, which cannot be predicted: words are written and read whole, and their
 * lengths only move the place of the next. */
#include "synfin/pack.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

enum { BLOCK = 8, WORD = sizeof(uint64_t), LENGTHS = BLOCK / 2, BLOCK_OCTETS = BLOCK * WORD };
/* What a block takes at most: lengths, octets, and that a word is written whole. */
enum { BLOCK_PACKED_MAX = LENGTHS + BLOCK_OCTETS + WORD };
_Static_assert((size_t)SF_PACK_SLACK >= WORD, "a word is read whole");

static bool has_room(struct sf_packer *packer, size_t octets)
{
    if ((size_t)(packer->end - packer->at) < octets)
        packer->is_full = true;
    return !packer->is_full;
}

/* Up to the highest that is not 0. */
static unsigned octets_of(uint64_t word)
{
    return 8u - (unsigned)__builtin_clzll(word | 1) / 8u - (word == 0);
}

static bool is_zero(const uint64_t words[BLOCK])
{
    uint64_t any = 0;
    for (unsigned i = 0; i < BLOCK; i++)
        any |= words[i];
    return any == 0;
}

static uint8_t *pack_block(uint8_t *at, const uint64_t words[BLOCK])
{
    uint32_t lengths = 0;
    uint8_t *begin = at;
    at += LENGTHS;
    for (unsigned i = 0; i < BLOCK; i++) {
        uint64_t le = htole64(words[i]);
        unsigned octets = octets_of(words[i]);
        memcpy(at, &le, WORD);
        lengths |= octets << 4 * i;
        at += octets;
    }
    memcpy(begin, &lengths, LENGTHS);
    return at;
}

void sf_pack_struct(struct sf_packer *packer, const void *data, size_t len)
{
    size_t blocks = (len + BLOCK_OCTETS - 1) / BLOCK_OCTETS, bits = (blocks + 7) / 8;
    assert(len % WORD == 0);
    if (!has_room(packer, bits + blocks * BLOCK_PACKED_MAX))
        return;
    uint8_t *present = packer->at;
    memset(present, 0, bits);
    packer->at += bits;
    for (size_t i = 0; i < blocks; i++) {
        uint64_t words[BLOCK] = {0};
        size_t begin = i * BLOCK_OCTETS;
        if (len - begin >= BLOCK_OCTETS)
            memcpy(words, (const uint8_t *)data + begin, BLOCK_OCTETS);
        else
            memcpy(words, (const uint8_t *)data + begin, len - begin);
        if (is_zero(words))
            continue;
        present[i / 8] |= (uint8_t)(1u << i % 8);
        packer->at = pack_block(packer->at, words);
    }
}

static const uint8_t *unpack_block(const uint8_t *at, uint64_t words[BLOCK])
{
    static const uint64_t masks[] = {
        0,
        UINT64_MAX >> 56,
        UINT64_MAX >> 48,
        UINT64_MAX >> 40,
        UINT64_MAX >> 32,
        UINT64_MAX >> 24,
        UINT64_MAX >> 16,
        UINT64_MAX >> 8,
        UINT64_MAX,
    };
    uint32_t lengths;
    memcpy(&lengths, at, LENGTHS);
    at += LENGTHS;
    for (unsigned i = 0; i < BLOCK; i++, lengths >>= 4) {
        uint64_t le;
        memcpy(&le, at, WORD);
        words[i] = le64toh(le) & masks[lengths & 0xf];
        at += lengths & 0xf;
    }
    return at;
}

void sf_unpack_struct(struct sf_unpacker *unpacker, void *out, size_t len)
{
    size_t blocks = (len + BLOCK_OCTETS - 1) / BLOCK_OCTETS;
    const uint8_t *present = unpacker->at, *at = present + (blocks + 7) / 8;
    for (size_t i = 0; i < blocks; i++) {
        uint64_t words[BLOCK] = {0};
        size_t begin = i * BLOCK_OCTETS;
        if ((unsigned)present[i / 8] >> i % 8 & 1)
            at = unpack_block(at, words);
        if (len - begin >= BLOCK_OCTETS)
            memcpy((uint8_t *)out + begin, words, BLOCK_OCTETS);
        else
            memcpy((uint8_t *)out + begin, words, len - begin);
    }
    unpacker->at = at;
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

static const uint64_t FOR_UNKNOWN = (uint64_t)-1, FOR_ZERO = (uint64_t)-2;

uint64_t sf_time_shrink(sf_ns time, sf_ns base)
{
    uint64_t before = (uint64_t)base - (uint64_t)time;
    before = sf_swap(before, (uint64_t)base - (uint64_t)SF_NS_UNKNOWN, FOR_UNKNOWN);
    before = sf_swap(before, (uint64_t)base, FOR_ZERO);
    return sf_zigzag((int64_t)before);
}

sf_ns sf_time_grow(uint64_t small, sf_ns base)
{
    uint64_t before = sf_swap((uint64_t)sf_unzigzag(small), (uint64_t)base, FOR_ZERO);
    before = sf_swap(before, (uint64_t)base - (uint64_t)SF_NS_UNKNOWN, FOR_UNKNOWN);
    return (sf_ns)((uint64_t)base - before);
}
