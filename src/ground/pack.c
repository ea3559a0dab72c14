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
enum {
    BLOCK_PACKED_MAX = LENGTHS + BLOCK_OCTETS + WORD,
    BLOCKS_MAX = SF_PACK_STRUCT_MAX / BLOCK_OCTETS
};
_Static_assert(BLOCKS_MAX <= 64, "a bit each");
_Static_assert((size_t)SF_PACK_SLACK >= WORD, "a word is read whole");

/* Up to the highest that is not 0. */
static unsigned octets_of(uint64_t word)
{
    return 8u - (unsigned)__builtin_clzll(word | 1) / 8u - (word == 0);
}

static inline uint64_t word_of(const uint8_t *block, unsigned i)
{
    uint64_t word;
    memcpy(&word, block + (size_t)i * WORD, WORD);
    return word;
}

static inline bool is_zero(const uint8_t *block)
{
    uint64_t any = 0;
    for (unsigned i = 0; i < BLOCK; i++)
        any |= word_of(block, i);
    return any == 0;
}

static uint8_t *pack_block(uint8_t *at, const uint8_t *block)
{
    uint32_t lengths = 0;
    uint8_t *begin = at;
    at += LENGTHS;
    for (unsigned i = 0; i < BLOCK; i++) {
        uint64_t word = word_of(block, i), le = htole64(word);
        unsigned octets = octets_of(word);
        memcpy(at, &le, WORD);
        lengths |= octets << 4 * i;
        at += octets;
    }
    memcpy(begin, &lengths, LENGTHS);
    return at;
}

void sf_pack_struct(struct sf_packer *packer, const void *data, size_t len)
{
    size_t whole = len / BLOCK_OCTETS, rest = len % BLOCK_OCTETS;
    size_t blocks = whole + (rest > 0), bits = (blocks + 7) / 8;
    uint8_t last[BLOCK_OCTETS] = {0};
    uint64_t present = 0;
    assert(blocks <= BLOCKS_MAX);
    if (!sf_pack_has_room(packer, bits + blocks * BLOCK_PACKED_MAX))
        return;
    uint8_t *begin = packer->at, *at = begin + bits;
    memcpy(last, (const uint8_t *)data + whole * BLOCK_OCTETS, rest);
    for (size_t i = 0; i < blocks; i++) {
        const uint8_t *block = i < whole ? (const uint8_t *)data + i * BLOCK_OCTETS : last;
        if (is_zero(block))
            continue;
        present |= UINT64_C(1) << i;
        at = pack_block(at, block);
    }
    present = htole64(present);
    memcpy(begin, &present, bits);
    packer->at = at;
}

static const uint8_t *unpack_block(const uint8_t *at, uint8_t *block)
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
        uint64_t word = le64toh(le) & masks[lengths & 0xf];
        memcpy(block + (size_t)i * WORD, &word, WORD);
        at += lengths & 0xf;
    }
    return at;
}

void sf_unpack_struct(struct sf_unpacker *unpacker, void *out, size_t len)
{
    size_t whole = len / BLOCK_OCTETS, rest = len % BLOCK_OCTETS;
    size_t bits = (whole + (rest > 0) + 7) / 8;
    uint64_t present = 0;
    memcpy(&present, unpacker->at, bits);
    const uint8_t *at = unpacker->at + bits;
    for (present = le64toh(present); present != 0; present &= present - 1) {
        size_t i = (size_t)__builtin_ctzll(present);
        uint8_t last[BLOCK_OCTETS], *block = (uint8_t *)out + i * BLOCK_OCTETS;
        at = unpack_block(at, i < whole ? block : last);
        if (i == whole)
            memcpy(block, last, rest);
    }
    unpacker->at = at;
}

/* Seven bits an octet, whose number the zeros below the lowest bit that is set tell: so all are
 * written and read as one word. Numbers of more than 56 bits follow a 0 as they are. */
enum { NUMBER_ROOM = 2 * WORD, WORD_BITS = 64 };

void sf_pack_number(struct sf_packer *packer, uint64_t n)
{
    if (!sf_pack_has_room(packer, NUMBER_ROOM))
        return;
    unsigned bits = WORD_BITS - (unsigned)__builtin_clzll(n | 1), octets = (bits + 6) / 7;
    if (octets > WORD) {
        uint64_t le = htole64(n);
        *packer->at++ = 0;
        sf_pack_octets(packer, &le, WORD);
        return;
    }
    uint64_t le = htole64((n << 1 | 1) << (octets - 1));
    memcpy(packer->at, &le, WORD);
    packer->at += octets;
}

uint64_t sf_unpack_number(struct sf_unpacker *unpacker)
{
    uint64_t word;
    if (*unpacker->at == 0) {
        unpacker->at++;
        sf_unpack_octets(unpacker, &word, WORD);
        return le64toh(word);
    }
    memcpy(&word, unpacker->at, WORD);
    word = le64toh(word);
    unsigned octets = (unsigned)__builtin_ctzll(word) + 1;
    unpacker->at += octets;
    return (word & UINT64_MAX >> (WORD_BITS - 8 * octets)) >> octets;
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
