/* Samples of a span of time: count, extremes, mean, deviation and quantiles in bounded memory. */
#ifndef SYNFIN_QUANTILE_H
#define SYNFIN_QUANTILE_H

#include <stdint.h>

#include "synfin/slab.h"
#include "synfin/time.h"

enum {
    SF_SAMPLES_INLINE = 2, /* kept inside the struct */
    SF_SAMPLES_EXACT =
        128, /* kept one by one; above, a histogram whose cells are 1/32 octave wide */
};

struct sf_histogram;

/* Zero is a valid empty value. A connection has four of these and mostly few samples: what follows
 * from the samples themselves is worked out when it is asked for. */
struct sf_samples {
    uint64_t count;
    union {
        sf_ns inside[SF_SAMPLES_INLINE];
        sf_ns *exact;                   /* count > SF_SAMPLES_INLINE: room for 8, 16 ... 128 */
        struct sf_histogram *histogram; /* count > SF_SAMPLES_EXACT */
    } at;
};

/* For sf_samples_add(): where there is no room in the struct. */
void sf_samples_add_outside(struct sf_rooms *rooms, struct sf_samples *samples, sf_ns value_ns);

/* Adds one sample (negative ones count as 0). One for which memory lacks is left out. `rooms` are
 * the same in all calls for these samples. */
static inline void sf_samples_add(struct sf_rooms *rooms, struct sf_samples *samples,
                                  sf_ns value_ns)
{
    value_ns = value_ns < 0 ? 0 : value_ns;
    if (samples->count < SF_SAMPLES_INLINE)
        samples->at.inside[samples->count++] = value_ns;
    else
        sf_samples_add_outside(rooms, samples, value_ns);
}

/* What samples come to: all but their number is SF_NS_UNKNOWN when there is none. */
struct sf_times {
    uint64_t samples;
    sf_ns min_ns, avg_ns, max_ns;
    sf_ns stdev_ns; /* of a sample (n - 1), 0 for a single one */
    /* The value that half, or 95 of 100 do not exceed, by the nearest-rank rule: exact up to
     * SF_SAMPLES_EXACT samples, then within 1.6 %. */
    sf_ns p50_ns, p95_ns;
};
struct sf_times sf_samples_times(const struct sf_samples *samples);

/* The samples themselves in the order in which they came, or NULL when they are too many. */
const sf_ns *sf_samples_values(const struct sf_samples *samples);

/* Makes of empty samples `count` ones, at most SF_SAMPLES_EXACT, that the caller fills in. NULL on
 * lack of memory: they stay empty, all of them are left out. */
sf_ns *sf_samples_make(struct sf_rooms *rooms, struct sf_samples *samples, uint64_t count);

void sf_samples_dispose(struct sf_rooms *rooms, struct sf_samples *samples);

#endif
