/* The longer numbers, and the table behind the shorter ones. */
#include "synfin/digits.h"

const char sf_digit_pairs[200] = {"0001020304050607080910111213141516171819"
                                  "2021222324252627282930313233343536373839"
                                  "4041424344454647484950515253545556575859"
                                  "6061626364656667686970717273747576777879"
                                  "8081828384858687888990919293949596979899"};

char *sf_digits_long(char *at, uint64_t n)
{
    at = sf_digits(at, n / 100000000);
    sf_store_digits(at, sf_eight_digits((uint32_t)(n % 100000000)));
    return at + 8;
}
