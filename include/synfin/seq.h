/* 32-bit sequence numbers, compared modulo 2^32: RFC 9293 §3.4. */
#ifndef SYNFIN_SEQ_H
#define SYNFIN_SEQ_H

#include <stdbool.h>
#include <stdint.h>

/* A struct, so that `<` does not compile. */
typedef struct {
    uint32_t n;
} sf_seq;

static inline sf_seq sf_seq_of(uint32_t n)
{
    return (sf_seq){n};
}

static inline sf_seq sf_seq_add(sf_seq a, uint32_t octets)
{
    return (sf_seq){a.n + octets};
}

/* How far b lies ahead of a, in [-2^31, 2^31). */
static inline int32_t sf_seq_distance(sf_seq a, sf_seq b)
{
    return (int32_t)(b.n - a.n);
}

static inline bool sf_seq_equal(sf_seq a, sf_seq b)
{
    return a.n == b.n;
}

static inline bool sf_seq_before(sf_seq a, sf_seq b)
{
    return sf_seq_distance(a, b) > 0;
}

#endif
