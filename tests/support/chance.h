/* Numbers that look random and are the same in each run. */
#ifndef SYNFIN_TESTS_CHANCE_H
#define SYNFIN_TESTS_CHANCE_H

#include <stdint.h>

/* Xorshift; `random` begins as anything but 0. */
static inline uint64_t chance_next(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

#endif
