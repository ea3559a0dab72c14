/* Words of 64 bits are packed in blocks of 8: a bit per word that is not 0, four bits for the
 * length of each of those, then their octets, the lowest first. Whole words are written and read,
 * so that nothing depends on a length but where the next one begins. */
#include "synfin/pack.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

enum { BLOCK = 8, WORD = sizeof(uint64_t) };
/* What a block takes at most: mask, lengths, octets, and that a word is written whole. */
enum { BLOCK_PACKED_MAX = 1 + BLOCK / 2 + BLOCK * WORD + WORD };
_Static_assert((size_t)SF_PACK_SLACK >= WORD, "a word is read whole");

static bool has_room(struct sf_packer *packer, size_t octets)
{
    if ((size_t)(packer->end - packer->at) < octets)
        packer->is_full = true;
    return !packer->is_full;
}

static unsigned octets_of(uint64_t word)
{
    return 8u - (unsigned)__builtin_clzll(word) / 8u;
}

static size_t lengths_octets(unsigned count)
{
    return (count + 1) / 2;
}

/* __builtin_popcount() is a call where the processor need not have the instruction. */
static unsigned bits_in(unsigned mask)
{
    mask -= mask >> 1 & 0x55;
    mask = (mask & 0x33) + (mask >> 2 & 0x33);
    return (mask + (mask >> 4)) & 0x0f;
}

static void put_word(uint8_t *at, uint64_t word)
{
    uint64_t le = htole64(word);
    memcpy(at, &le, WORD);
}

static uint64_t get_word(const uint8_t *at)
{
    uint64_t le;
    memcpy(&le, at, WORD);
    return le64toh(le);
}

static bool is_zero(const uint64_t words[BLOCK])
{
    uint64_t any = 0;
    for (unsigned i = 0; i < BLOCK; i++)
        any |= words[i];
    return any == 0;
}

/* Puts the words that are not 0 first and returns which they were. */
static unsigned gather(uint64_t words[BLOCK])
{
    unsigned mask = 0, count = 0;
    for (unsigned i = 0; i < BLOCK; i++) {
        uint64_t word = words[i];
        words[count] = word;
        mask |= (unsigned)(word != 0) << i;
        count += word != 0;
    }
    return mask;
}

static uint8_t *pack_block(uint8_t *at, uint64_t words[BLOCK])
{
    if (is_zero(words)) {
        *at = 0;
        return at + 1;
    }
    unsigned mask = gather(words), count = bits_in(mask);
    uint64_t lengths = 0;
    for (unsigned i = 0; i < count; i++)
        lengths |= (uint64_t)octets_of(words[i]) << 4 * i;
    *at = (uint8_t)mask;
    put_word(at + 1, lengths);
    at += 1 + lengths_octets(count);
    for (unsigned i = 0; i < count; i++, lengths >>= 4) {
        put_word(at, words[i]);
        at += lengths & 0xf;
    }
    return at;
}

void sf_pack_struct(struct sf_packer *packer, const void *data, size_t len)
{
    const uint8_t *from = data;
    size_t blocks = (len + BLOCK * WORD - 1) / (BLOCK * WORD), left = len;
    assert(len % WORD == 0);
    if (!has_room(packer, blocks * BLOCK_PACKED_MAX))
        return;
    for (uint64_t words[BLOCK]; left >= sizeof words; left -= sizeof words, from += sizeof words) {
        memcpy(words, from, sizeof words);
        packer->at = pack_block(packer->at, words);
    }
    if (left == 0)
        return;
    uint64_t rest[BLOCK] = {0};
    memcpy(rest, from, left);
    packer->at = pack_block(packer->at, rest);
}

static const uint8_t *unpack_block(const uint8_t *at, uint8_t *out)
{
    unsigned mask = *at++;
    if (mask == 0)
        return at;
    uint64_t lengths = get_word(at);
    at += lengths_octets(bits_in(mask));
    for (; mask != 0; mask &= mask - 1, lengths >>= 4) {
        unsigned octets = lengths & 0xf;
        uint64_t word = get_word(at) & (UINT64_MAX >> (64 - 8 * octets));
        memcpy(out + (unsigned)__builtin_ctz(mask) * WORD, &word, WORD);
        at += octets;
    }
    return at;
}

void sf_unpack_struct(struct sf_unpacker *unpacker, void *out, size_t len)
{
    memset(out, 0, len);
    for (size_t at = 0; at < len; at += BLOCK * WORD)
        unpacker->at = unpack_block(unpacker->at, (uint8_t *)out + at);
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
