/* Numbers in decimal, written where they are to stand. */
#ifndef SYNFIN_DIGITS_H
#define SYNFIN_DIGITS_H

#include <stdint.h>
#include <string.h>

enum { SF_DIGITS_MAX = 20 }; /* of 2^64 - 1 */

/* "00" "01" ... "99", and the powers of ten from 10 on, with 0 in place of 1. */
extern const char sf_digit_pairs[200];
extern const uint64_t sf_powers_of_ten[SF_DIGITS_MAX];

static inline unsigned sf_digit_count(uint64_t n)
{
    unsigned bits = 64u - (unsigned)__builtin_clzll(n | 1);
    unsigned fewest = bits * 1233 >> 12; /* log10(2) is 1233/4096, near enough for 64 bits */
    return fewest + (n >= sf_powers_of_ten[fewest]);
}

/* Writes n right-aligned before `end` and returns where it begins. */
static inline char *sf_digits_before(char *end, uint64_t n)
{
    for (; n >= 100; n /= 100)
        memcpy(end -= 2, sf_digit_pairs + n % 100 * 2, 2);
    if (n >= 10)
        return memcpy(end - 2, sf_digit_pairs + n * 2, 2);
    *--end = (char)('0' + n);
    return end;
}

/* Writes n and returns where it ends. */
static inline char *sf_digits(char *at, uint64_t n)
{
    char *end = at + sf_digit_count(n);
    sf_digits_before(end, n);
    return end;
}

#endif
