/* The longer numbers, and the table behind the shorter ones. */
#include "synfin/digits.h"

const char sf_digit_pairs[200] = {
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748"
    "4950515253545556575859606162636465666768697071727374757677787980818283848586878889909192939495"
    "96979899"};

char *sf_digits_long(char *at, uint64_t n)
{
    at = sf_digits(at, n / 100000000);
    sf_store_digits(at, sf_eight_digits((uint32_t)(n % 100000000)));
    return at + 8;
}
