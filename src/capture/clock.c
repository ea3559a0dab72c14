/* Ticks of a capture clock to nanoseconds, for every resolution pcapng can state. */
#include "capture_internal.h"

static const uint64_t powers_of_ten[] = {
    1ULL,
    10ULL,
    100ULL,
    1000ULL,
    10000ULL,
    100000ULL,
    1000000ULL,
    10000000ULL,
    100000000ULL,
    1000000000ULL,
    10000000000ULL,
    100000000000ULL,
    1000000000000ULL,
    10000000000000ULL,
    100000000000000ULL,
    1000000000000000ULL,
    10000000000000000ULL,
    100000000000000000ULL,
    1000000000000000000ULL,
    10000000000000000000ULL,
};

enum { POWERS = sizeof powers_of_ten / sizeof powers_of_ten[0] };

#define TSRESOL_BINARY 0x80

/* Whole seconds and the nanoseconds [0, 1e9) after them. */
struct split {
    uint64_t seconds;
    uint64_t ns;
};

static struct split split_decimal(uint64_t ticks, unsigned digits)
{
    if (digits <= 9) {
        uint64_t a_second = powers_of_ten[digits];
        return (struct split){ticks / a_second, ticks % a_second * powers_of_ten[9 - digits]};
    }
    struct split s = {0, ticks};
    if (digits < POWERS) {
        s.seconds = ticks / powers_of_ten[digits];
        s.ns = ticks % powers_of_ten[digits];
    }
    s.ns = digits - 9 < POWERS ? s.ns / powers_of_ten[digits - 9] : 0;
    return s;
}

static struct split split_binary(uint64_t ticks, unsigned bits)
{
    struct split s = {0, ticks};
    if (bits < 64) {
        s.seconds = ticks >> bits;
        s.ns = ticks & ((1ULL << bits) - 1);
    }
    if (bits <= 32) {
        s.ns = s.ns * 1000000000u >> bits;
        return s;
    }
    /* ticks * 1e9 needs 94 bits: first its upper part (divided by 2^32), then the rest. */
    uint64_t upper = (s.ns >> 32) * 1000000000u + ((s.ns & 0xffffffffu) * 1000000000u >> 32);
    s.ns = bits - 32 < 64 ? upper >> (bits - 32) : 0;
    return s;
}

static sf_ns saturated(int64_t seconds, uint64_t ns)
{
    const int64_t max_s = INT64_MAX / SF_SEC - 1;
    if (seconds > max_s)
        return INT64_MAX;
    if (seconds < -max_s) /* INT64_MIN itself would mean "not known" */
        return -INT64_MAX;
    return seconds * SF_SEC + (sf_ns)ns;
}

sf_ns sf_clock_ns_slow(const struct sf_clock *clock, uint64_t ticks)
{
    unsigned exponent = clock->resolution & 0x7fu;
    struct split s = clock->resolution & TSRESOL_BINARY ? split_binary(ticks, exponent)
                                                        : split_decimal(ticks, exponent);
    if (s.seconds > INT64_MAX)
        s.seconds = INT64_MAX;
    int64_t seconds = (int64_t)s.seconds; /* >= 0: only a positive offset can overflow */
    if (clock->offset_s > 0 && seconds > INT64_MAX - clock->offset_s)
        return INT64_MAX;
    return saturated(seconds + clock->offset_s, s.ns);
}

void sf_clock_init(struct sf_clock *clock, uint8_t resolution, int64_t offset_s)
{
    const int64_t fast_offset = INT64_MAX / 2 / SF_SEC;
    *clock = (struct sf_clock){.resolution = resolution, .offset_s = offset_s};
    if (resolution > 9 || offset_s > fast_offset || offset_s < -fast_offset)
        return; /* fast_limit 0: every tick takes the slow path */
    clock->multiplier = powers_of_ten[9 - resolution];
    clock->fast_limit = (uint64_t)INT64_MAX / 2 / clock->multiplier;
    clock->offset_ns = offset_s * SF_SEC;
}
