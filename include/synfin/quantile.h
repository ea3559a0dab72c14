/* Samples of a span of time: count, extremes, mean, deviation and quantiles in bounded memory. */
#ifndef SYNFIN_QUANTILE_H
#define SYNFIN_QUANTILE_H

#include <stdint.h>

#include "synfin/time.h"

enum {
    SF_SAMPLES_INLINE = 2, /* kept inside the struct */
    SF_SAMPLES_EXACT =
        128, /* kept one by one; above, a histogram whose cells are 1/32 octave wide */
};

/* Zero is a valid empty value. */
struct sf_samples {
    uint64_t count;
    sf_ns min_ns, max_ns, sum_ns;
    double sum_squares; /* of seconds */
    union {
        sf_ns inside[SF_SAMPLES_INLINE];
        sf_ns *exact;        /* count > SF_SAMPLES_INLINE */
        uint32_t *histogram; /* count > SF_SAMPLES_EXACT */
    } at;
    uint16_t capacity; /* of exact */
};

/* Adds one sample (negative ones count as 0). When memory lacks, quantiles are lost, nothing else.
 */
void sf_samples_add(struct sf_samples *samples, sf_ns value_ns);

/* For each part q (0..1): the value that so large a part of the samples does not exceed, by the
 * nearest-rank rule: exact up to SF_SAMPLES_EXACT samples, then within 1.6 %. SF_NS_UNKNOWN without
 * samples. */
void sf_samples_quantiles(const struct sf_samples *samples, const double *parts, sf_ns *out,
                          unsigned count);

/* The samples themselves in the order in which they came, or NULL when they are too many or lost.
 */
const sf_ns *sf_samples_values(const struct sf_samples *samples);

sf_ns sf_samples_mean(const struct sf_samples *samples);

/* Sample deviation (n - 1); 0 for one sample, SF_NS_UNKNOWN for none. */
sf_ns sf_samples_stdev(const struct sf_samples *samples);

void sf_samples_dispose(struct sf_samples *samples);

#endif
