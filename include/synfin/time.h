/* Nanoseconds, from packets only: the core has no wall clock. */
#ifndef SYNFIN_TIME_H
#define SYNFIN_TIME_H

#include <stdbool.h>
#include <stdint.h>

/* A point in time (nanoseconds since 1970-01-01T00:00:00Z) or a span of it. */
typedef int64_t sf_ns;

#define SF_USEC ((sf_ns)1000)
#define SF_MSEC ((sf_ns)1000000)
#define SF_SEC  ((sf_ns)1000000000)

/* "Not known": printed as null, never as 0. */
#define SF_NS_UNKNOWN INT64_MIN

static inline bool sf_ns_known(sf_ns t)
{
    return t != SF_NS_UNKNOWN;
}

/* Octets needed for sf_time_rfc3339(), with the final NUL. */
#define SF_TIME_TEXT 40

/* Writes "2026-11-21T06:28:02.000000001Z" (RFC 3339, UTC, nine decimals) and returns its length. */
unsigned sf_time_rfc3339(char out[SF_TIME_TEXT], sf_ns t);

#endif
