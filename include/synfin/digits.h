/* Numbers in decimal, eight digits at a time and without a branch for each. */
#ifndef SYNFIN_DIGITS_H
#define SYNFIN_DIGITS_H

#include <stdint.h>
#include <string.h>

enum { SF_DIGITS_MAX = 20 }; /* of 2^64 - 1 */

/* "00" "01" ... "99" */
extern const char sf_digit_pairs[200];

/* For sf_digits(): numbers of more than eight digits. */
char *sf_digits_long(char *at, uint64_t n);

/* The digits of n < 10^8 as numbers 0 to 9, the first in the lowest octet: divided by 10 000, then
 * in two places at once by 100, then in four by 10. */
static inline uint64_t sf_eight_digits(uint32_t n)
{
    uint64_t fours = n / 10000 | (uint64_t)(n % 10000) << 32;
    uint64_t hundreds = fours * 5243 >> 19 & UINT64_C(0x0000007f0000007f);
    uint64_t twos = hundreds | (fours - hundreds * 100) << 16;
    uint64_t tens = twos * 103 >> 10 & UINT64_C(0x000f000f000f000f);
    return tens | (twos - tens * 10) << 8;
}

/* Writes such digits as characters, the lowest octet first. */
static inline void sf_store_digits(char *at, uint64_t digits)
{
    digits |= UINT64_C(0x3030303030303030);
    for (int i = 0; i < 8; i++)
        at[i] = (char)(digits >> 8 * i);
}

/* Writes n and returns where it ends; of SF_DIGITS_MAX octets any may be written to. */
static inline char *sf_digits(char *at, uint64_t n)
{
    if (n >= 100000000)
        return sf_digits_long(at, n);
    uint64_t digits = sf_eight_digits((uint32_t)n);
    unsigned zeros = (unsigned)__builtin_ctzll(digits | UINT64_C(1) << 56) / 8; /* one 0 stays */
    sf_store_digits(at, (digits | UINT64_C(0x3030303030303030)) >> 8 * zeros);
    return at + 8 - zeros;
}

#endif
