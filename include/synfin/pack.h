/* Structs and numbers in few octets, for what is kept but not looked at. What is read back was
 * written by the same program: nothing is checked. */
#ifndef SYNFIN_PACK_H
#define SYNFIN_PACK_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "synfin/hint.h"
#include "synfin/time.h"

struct sf_packer {
    uint8_t *at, *end;
    bool is_full; /* something did not fit: what was written is useless */
};

/* So many octets behind what was packed must be readable, whatever they hold. */
enum { SF_PACK_SLACK = 8 };

struct sf_unpacker {
    const uint8_t *at;
};

enum { SF_PACK_STRUCT_MAX = 4096 };

/* A struct of `len` octets, at most SF_PACK_STRUCT_MAX: only the 64-bit words that are not 0, and
 * of them only the octets up to the highest that is not 0. It is unpacked onto zeros. */
void sf_pack_struct(struct sf_packer *packer, const void *data, size_t len);
void sf_unpack_struct(struct sf_unpacker *unpacker, void *out, size_t len);

/* Of a word of a struct its lowest octets, 1 to 8: as many as it mostly takes. */
struct sf_low {
    uint16_t at; /* offset of the word */
    uint8_t octets;
};

/* The lowest octets of the word at `place`: they go to `to`, what is above them stays. */
SF_INLINE void sf_pack_low(uint8_t *to, void *place, unsigned octets)
{
    uint64_t word, le;
    memcpy(&word, place, sizeof word);
    le = htole64(word);
    memcpy(to, &le, sizeof le);
    word = octets < 8 ? word >> (8 * octets & 63) : 0;
    memcpy(place, &word, sizeof word);
}

SF_INLINE void sf_unpack_low(const uint8_t *from, void *place, unsigned octets)
{
    uint64_t above, le;
    memcpy(&le, from, sizeof le);
    memcpy(&above, place, sizeof above);
    above = octets < 8 ? above << (8 * octets & 63) : 0;
    above |= le64toh(le) & (UINT64_MAX >> (64 - 8 * octets));
    memcpy(place, &above, sizeof above);
}

/* Those octets of all `lows`, one after another; what is above them is for sf_pack_struct().
 * Constant lists become a few instructions a word. */
SF_INLINE void sf_pack_lows(struct sf_packer *packer, void *at, const struct sf_low *lows,
                            size_t count)
{
    if ((size_t)(packer->end - packer->at) < count * sizeof(uint64_t)) {
        packer->is_full = true;
        return;
    }
#pragma GCC unroll 64
    for (size_t i = 0; i < count; packer->at += lows[i++].octets)
        sf_pack_low(packer->at, (char *)at + lows[i].at, lows[i].octets);
}

SF_INLINE size_t sf_lows_octets(const struct sf_low *lows, size_t count)
{
    size_t sum = 0;
#pragma GCC unroll 64
    for (size_t i = 0; i < count; i++)
        sum += lows[i].octets;
    return sum;
}

/* Into a struct that sf_unpack_struct() has filled. */
SF_INLINE void sf_unpack_lows(struct sf_unpacker *unpacker, void *at, const struct sf_low *lows,
                              size_t count)
{
#pragma GCC unroll 64
    for (size_t i = 0; i < count; unpacker->at += lows[i++].octets)
        sf_unpack_low(unpacker->at, (char *)at + lows[i].at, lows[i].octets);
}

/* Seven bits an octet; 57 bits and more take nine. */
void sf_pack_number(struct sf_packer *packer, uint64_t n);
uint64_t sf_unpack_number(struct sf_unpacker *unpacker);

/* Whether so many octets fit behind what was packed. */
static inline bool sf_pack_has_room(struct sf_packer *packer, size_t octets)
{
    if ((size_t)(packer->end - packer->at) < octets)
        packer->is_full = true;
    return !packer->is_full;
}

/* Octets as they are. */
static inline void sf_pack_octets(struct sf_packer *packer, const void *data, size_t len)
{
    if (!sf_pack_has_room(packer, len))
        return;
    memcpy(packer->at, data, len);
    packer->at += len;
}

static inline void sf_unpack_octets(struct sf_unpacker *unpacker, void *out, size_t len)
{
    memcpy(out, unpacker->at, len);
    unpacker->at += len;
}

/* Small for times shortly before `base`, for 0 and SF_NS_UNKNOWN; no two times give the same. */
uint64_t sf_time_shrink(sf_ns time, sf_ns base);
sf_ns sf_time_grow(uint64_t small, sf_ns base);

/* Two numbers change places, all others stay: its own inverse. */
static inline uint64_t sf_swap(uint64_t n, uint64_t a, uint64_t b)
{
    return n == a ? b : n == b ? a : n;
}

/* Small for numbers near 0 on both sides. */
static inline uint64_t sf_zigzag(int64_t n)
{
    return (uint64_t)n << 1 ^ (uint64_t)(n >> 63);
}

static inline int64_t sf_unzigzag(uint64_t n)
{
    return (int64_t)(n >> 1 ^ (0 - (n & 1)));
}

#endif
