/* A bounded cursor over octets. Invariant: at <= end. Every read checks, none overruns. */
#ifndef SYNFIN_BYTES_H
#define SYNFIN_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sf_reader {
    const uint8_t *at;
    const uint8_t *end;
};

static inline struct sf_reader sf_reader_of(const uint8_t *data, size_t len)
{
    return (struct sf_reader){data, data + len};
}

static inline size_t sf_reader_left(const struct sf_reader *r)
{
    return (size_t)(r->end - r->at);
}

/* Octets to big-endian numbers at an address known to be readable. */
static inline uint16_t sf_be16(const uint8_t *p)
{
    return (uint16_t)((unsigned)p[0] << 8 | p[1]);
}

static inline uint32_t sf_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t sf_be64(const uint8_t *p)
{
    return (uint64_t)sf_be32(p) << 32 | sf_be32(p + 4);
}

/* Each returns false and moves nothing when fewer octets are left than it needs. */
static inline bool sf_read_skip(struct sf_reader *r, size_t n)
{
    if (sf_reader_left(r) < n)
        return false;
    r->at += n;
    return true;
}

static inline bool sf_read_u8(struct sf_reader *r, uint8_t *out)
{
    if (sf_reader_left(r) < 1)
        return false;
    *out = *r->at++;
    return true;
}

static inline bool sf_read_be16(struct sf_reader *r, uint16_t *out)
{
    if (sf_reader_left(r) < 2)
        return false;
    *out = sf_be16(r->at);
    r->at += 2;
    return true;
}

static inline bool sf_read_be32(struct sf_reader *r, uint32_t *out)
{
    if (sf_reader_left(r) < 4)
        return false;
    *out = sf_be32(r->at);
    r->at += 4;
    return true;
}

static inline bool sf_read_slice(struct sf_reader *r, size_t n, struct sf_reader *out)
{
    if (sf_reader_left(r) < n)
        return false;
    *out = sf_reader_of(r->at, n);
    r->at += n;
    return true;
}

#endif
