/* "Did you mean": the name nearest to a mistyped one. */
#ifndef SYNFIN_NEAR_H
#define SYNFIN_NEAR_H

#include <stddef.h>

struct sf_near {
    const char *word;
    size_t len;
    const char *best; /* NULL while nothing offered is near enough */
    size_t distance;
};

/* The search for a name near to the first `len` octets of `word`. */
struct sf_near sf_near_begin(const char *word, size_t len);

/* Offers a candidate; it stays in near->best while it is the nearest. Near enough is one edit for
 * each three letters, or that the word is the end of a dotted path. */
void sf_near_offer(struct sf_near *near, const char *candidate);

#endif
