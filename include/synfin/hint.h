/* Hints to the processor and to the compiler: they change what a program costs, not what it does.
 */
#ifndef SYNFIN_HINT_H
#define SYNFIN_HINT_H

#include <stddef.h>

enum { SF_CACHE_LINE = 64 };

/* So many octets will be read or written soon. */
static inline void sf_prefetch(const void *what, size_t octets)
{
    for (size_t at = 0; at < octets; at += SF_CACHE_LINE)
        __builtin_prefetch((const char *)what + at);
}

/* A function apart, so that its callers do not pay for what it keeps on the stack. */
#define SF_APART __attribute__((noinline))

/* A function made anew in each that calls it, so that a constant argument costs nothing. */
#define SF_INLINE static inline __attribute__((always_inline))

#endif
