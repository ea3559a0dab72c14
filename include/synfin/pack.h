/* Structs and numbers in few octets, for what is kept but not looked at. What is read back was
 * written by the same program: nothing is checked. */
#ifndef SYNFIN_PACK_H
#define SYNFIN_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* A struct of `len` octets, a multiple of 8: only the 64-bit words that are not 0, and of them only
 * the octets up to the highest that is not 0. */
void sf_pack_struct(struct sf_packer *packer, const void *data, size_t len);
void sf_unpack_struct(struct sf_unpacker *unpacker, void *out, size_t len);

/* Seven bits an octet, the lowest first. */
void sf_pack_number(struct sf_packer *packer, uint64_t n);
uint64_t sf_unpack_number(struct sf_unpacker *unpacker);

/* Octets as they are. */
void sf_pack_octets(struct sf_packer *packer, const void *data, size_t len);
void sf_unpack_octets(struct sf_unpacker *unpacker, void *out, size_t len);

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
