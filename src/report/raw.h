/* Values as text, to where there is room for the longest: a line of 170 values asks for room once.
 * Each writes at `at` and returns where its text ends; of its room any octet may be written to. */
#ifndef SYNFIN_REPORT_RAW_H
#define SYNFIN_REPORT_RAW_H

#include "synfin/buffer.h"
#include "synfin/digits.h"

/* Room for any of them but a string. */
enum { SF_RAW_ROOM = 40 };

/* Nanoseconds as seconds. */
static inline char *sf_raw_seconds(char *at, sf_ns ns)
{
    uint64_t n = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    *at = '-';
    at = sf_digits(at + (ns < 0), n / (uint64_t)SF_SEC);
    uint32_t rest = (uint32_t)(n % (uint64_t)SF_SEC);
    if (rest == 0)
        return at;
    uint64_t digits = sf_eight_digits(rest % 100000000);
    at[0] = '.';
    at[1] = (char)('0' + rest / 100000000);
    sf_store_digits(at + 2, digits);
    return at + 10 - (digits != 0 ? (unsigned)__builtin_clzll(digits) / 8 : 8);
}

/* A finite number with at most three decimals. */
char *sf_raw_real(char *at, double x);

/* RFC 3339, without quotes. `buffer` knows the day. */
char *sf_raw_time(struct sf_buffer *buffer, char *at, sf_ns t);

/* A JSON string of a text of `len` octets, for which there is room when it escapes every octet. */
char *sf_raw_json_string(char *at, const char *text, size_t len);
static inline size_t sf_raw_json_room(size_t len)
{
    return 6 * len + 16;
}

#endif
