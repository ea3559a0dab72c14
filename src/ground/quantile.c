/* Few samples are kept exactly, many in a log-linear histogram: memory is bounded either way. */
#include "synfin/quantile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Cells: values below 2^5 ns each have their own; from there 32 cells an octave, 58 octaves. */
enum { CELLS_PER_OCTAVE = 32, OCTAVE_BITS = 5, CELLS = CELLS_PER_OCTAVE * 59 };

static unsigned cell_of(sf_ns value)
{
    uint64_t v = (uint64_t)value;
    if (v < CELLS_PER_OCTAVE)
        return (unsigned)v;
    unsigned top = 63u - (unsigned)__builtin_clzll(v);
    unsigned shift = top - OCTAVE_BITS;
    return (shift + 1) * CELLS_PER_OCTAVE + (unsigned)((v >> shift) - CELLS_PER_OCTAVE);
}

static sf_ns cell_middle(unsigned cell)
{
    if (cell < CELLS_PER_OCTAVE)
        return (sf_ns)cell;
    unsigned shift = cell / CELLS_PER_OCTAVE - 1;
    uint64_t low = (uint64_t)(cell % CELLS_PER_OCTAVE + CELLS_PER_OCTAVE) << shift;
    return (sf_ns)(low + ((uint64_t)1 << shift) / 2);
}

static bool is_histogram(const struct sf_samples *s)
{
    return s->count > SF_SAMPLES_EXACT;
}

/* Room for one more exact sample, or NULL. */
static sf_ns *grow(struct sf_samples *s)
{
    if (s->count < SF_SAMPLES_INLINE)
        return s->at.inside;
    if (s->count == SF_SAMPLES_INLINE) {
        sf_ns *exact = malloc(8 * sizeof *exact);
        if (exact == NULL)
            return NULL;
        memcpy(exact, s->at.inside, sizeof s->at.inside);
        s->at.exact = exact;
        s->capacity = 8;
    } else if (s->count == s->capacity) {
        sf_ns *exact = realloc(s->at.exact, 2u * s->capacity * sizeof *exact);
        if (exact == NULL)
            return NULL;
        s->at.exact = exact;
        s->capacity = (uint16_t)(2u * s->capacity);
    }
    return s->at.exact;
}

static void lose_quantiles(struct sf_samples *s)
{
    if (s->count > SF_SAMPLES_INLINE)
        free(s->at.exact);
    s->at.exact = NULL;
}

static void become_histogram(struct sf_samples *s)
{
    uint32_t *cells = s->at.exact == NULL ? NULL : calloc(CELLS, sizeof *cells);
    for (unsigned i = 0; cells != NULL && i < SF_SAMPLES_EXACT; i++)
        cells[cell_of(s->at.exact[i])]++;
    free(s->at.exact);
    s->at.histogram = cells;
}

void sf_samples_add(struct sf_samples *s, sf_ns value)
{
    if (value < 0)
        value = 0;
    if (s->count == 0 || value < s->min_ns)
        s->min_ns = value;
    if (value > s->max_ns)
        s->max_ns = value;
    s->sum_ns = value > INT64_MAX - s->sum_ns ? INT64_MAX : s->sum_ns + value; /* 292 years */
    double seconds = (double)value / (double)SF_SEC;
    s->sum_squares += seconds * seconds;

    if (s->count < SF_SAMPLES_EXACT) {
        bool lost = s->count > SF_SAMPLES_INLINE && s->at.exact == NULL;
        sf_ns *room = lost ? NULL : grow(s);
        if (room != NULL)
            room[s->count] = value;
        else
            lose_quantiles(s);
    } else {
        if (s->count == SF_SAMPLES_EXACT)
            become_histogram(s);
        if (s->at.histogram != NULL)
            s->at.histogram[cell_of(value)]++;
    }
    s->count++;
}

static uint64_t rank_of(const struct sf_samples *s, double part)
{
    uint64_t rank = (uint64_t)ceil(part * (double)s->count);
    return rank == 0 ? 1 : rank;
}

static sf_ns histogram_quantile(const struct sf_samples *s, uint64_t rank)
{
    uint64_t seen = 0;
    for (unsigned cell = 0; cell < CELLS; cell++) {
        seen += s->at.histogram[cell];
        if (seen >= rank) {
            sf_ns middle = cell_middle(cell);
            return middle < s->min_ns ? s->min_ns : middle > s->max_ns ? s->max_ns : middle;
        }
    }
    return s->max_ns;
}

/* Shell's: the arrays are short, and most are nearly sorted. */
static void sort(sf_ns *values, unsigned count)
{
    static const unsigned gaps[] = {57, 23, 10, 4, 1};
    for (unsigned g = 0; g < sizeof gaps / sizeof gaps[0]; g++)
        for (unsigned i = gaps[g]; i < count; i++) {
            sf_ns value = values[i];
            unsigned at = i;
            for (; at >= gaps[g] && values[at - gaps[g]] > value; at -= gaps[g])
                values[at] = values[at - gaps[g]];
            values[at] = value;
        }
}

const sf_ns *sf_samples_values(const struct sf_samples *s)
{
    if (s->count <= SF_SAMPLES_INLINE)
        return s->at.inside;
    return is_histogram(s) ? NULL : s->at.exact;
}

void sf_samples_quantiles(const struct sf_samples *s, const double *parts, sf_ns *out,
                          unsigned count)
{
    bool lost = s->count > SF_SAMPLES_INLINE && s->at.exact == NULL;
    sf_ns sorted[SF_SAMPLES_EXACT];
    if (s->count > 0 && !lost && !is_histogram(s)) {
        const sf_ns *from = s->count <= SF_SAMPLES_INLINE ? s->at.inside : s->at.exact;
        memcpy(sorted, from, s->count * sizeof *sorted);
        sort(sorted, (unsigned)s->count);
    }
    for (unsigned i = 0; i < count; i++) {
        uint64_t rank = rank_of(s, parts[i]);
        if (s->count == 0 || lost)
            out[i] = SF_NS_UNKNOWN;
        else
            out[i] = is_histogram(s) ? histogram_quantile(s, rank) : sorted[rank - 1];
    }
}

sf_ns sf_samples_mean(const struct sf_samples *s)
{
    return s->count == 0 ? SF_NS_UNKNOWN : s->sum_ns / (sf_ns)s->count;
}

sf_ns sf_samples_stdev(const struct sf_samples *s)
{
    if (s->count == 0)
        return SF_NS_UNKNOWN;
    if (s->count == 1)
        return 0;
    double n = (double)s->count;
    double sum = (double)s->sum_ns / (double)SF_SEC;
    double variance = (s->sum_squares - sum * sum / n) / (n - 1);
    return variance <= 0 ? 0 : (sf_ns)(sqrt(variance) * (double)SF_SEC + 0.5);
}

void sf_samples_dispose(struct sf_samples *s)
{
    if (s->count > SF_SAMPLES_INLINE)
        free(s->at.exact);
    *s = (struct sf_samples){0};
}
