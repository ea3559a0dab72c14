/* Few samples are kept exactly, many in a log-linear histogram: memory is bounded either way. */
#include "synfin/quantile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Cells: values below 2^5 ns each have their own; from there 32 cells an octave, 58 octaves. */
enum { CELLS_PER_OCTAVE = 32, OCTAVE_BITS = 5, CELLS = CELLS_PER_OCTAVE * 59 };

/* Added up in the order of the samples. */
struct sums {
    sf_ns min_ns, max_ns, sum_ns;
    double squares; /* of seconds */
};

struct sf_histogram {
    struct sums sums;
    uint32_t cells[CELLS];
};

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

static void add_up(struct sums *sums, sf_ns value)
{
    if (value < sums->min_ns)
        sums->min_ns = value;
    if (value > sums->max_ns)
        sums->max_ns = value;
    if (__builtin_add_overflow(sums->sum_ns, value, &sums->sum_ns))
        sums->sum_ns = INT64_MAX; /* 292 years */
    double seconds = (double)value / (double)SF_SEC;
    sums->squares += seconds * seconds;
}

static const struct sums no_sums = {.min_ns = INT64_MAX};

static struct sums sums_of(const sf_ns *values, uint64_t count)
{
    struct sums sums = no_sums;
    for (uint64_t i = 0; i < count; i++)
        add_up(&sums, values[i]);
    return sums;
}

static bool is_histogram(const struct sf_samples *s)
{
    return s->count > SF_SAMPLES_EXACT;
}

enum { FIRST_ROOM = 8 };

/* Octets of the array that holds so many, more than fit inside. */
static size_t octets_for(uint64_t count)
{
    size_t room = FIRST_ROOM;
    while (room < count)
        room *= 2;
    return room * sizeof(sf_ns);
}

/* Moves the samples to where there is room for more. False when memory lacks. */
static bool grow(struct sf_rooms *rooms, struct sf_samples *s)
{
    bool is_inside = s->count == SF_SAMPLES_INLINE;
    size_t content = (size_t)s->count * sizeof(sf_ns), more = octets_for(s->count + 1);
    sf_ns *exact =
        is_inside ? sf_rooms_take(rooms, more) : sf_rooms_move(rooms, s->at.exact, content, more);
    if (exact == NULL)
        return false;
    if (is_inside)
        memcpy(exact, s->at.inside, sizeof s->at.inside);
    s->at.exact = exact;
    return true;
}

static bool is_full(const struct sf_samples *s)
{
    return s->count == SF_SAMPLES_INLINE ||
           (s->count >= FIRST_ROOM && (s->count & (s->count - 1)) == 0);
}

sf_ns *sf_samples_make(struct sf_rooms *rooms, struct sf_samples *s, uint64_t count)
{
    sf_ns *exact = s->at.inside;
    if (count > SF_SAMPLES_INLINE) {
        exact = sf_rooms_take(rooms, octets_for(count));
        if (exact == NULL)
            return NULL;
        s->at.exact = exact;
    }
    s->count = count;
    return exact;
}

static void become_histogram(struct sf_rooms *rooms, struct sf_samples *s, sf_ns value)
{
    struct sf_histogram *histogram = calloc(1, sizeof *histogram);
    if (histogram == NULL)
        return;
    histogram->sums = sums_of(s->at.exact, s->count);
    for (unsigned i = 0; i < SF_SAMPLES_EXACT; i++)
        histogram->cells[cell_of(s->at.exact[i])]++;
    sf_rooms_give(rooms, s->at.exact, octets_for(s->count));
    s->at.histogram = histogram;
    s->count++;
    add_up(&histogram->sums, value);
    histogram->cells[cell_of(value)]++;
}

void sf_samples_add_outside(struct sf_rooms *rooms, struct sf_samples *s, sf_ns value)
{
    if (s->count < SF_SAMPLES_EXACT) {
        if (!is_full(s) || grow(rooms, s))
            s->at.exact[s->count++] = value;
    } else if (s->count == SF_SAMPLES_EXACT) {
        become_histogram(rooms, s, value);
    } else {
        add_up(&s->at.histogram->sums, value);
        s->at.histogram->cells[cell_of(value)]++;
        s->count++;
    }
}

const sf_ns *sf_samples_values(const struct sf_samples *s)
{
    if (s->count <= SF_SAMPLES_INLINE)
        return s->at.inside;
    return is_histogram(s) ? NULL : s->at.exact;
}

static sf_ns histogram_quantile(const struct sf_histogram *histogram, uint64_t rank)
{
    uint64_t seen = histogram->cells[0];
    unsigned cell = 0;
    while (seen < rank && cell + 1 < CELLS)
        seen += histogram->cells[++cell];
    sf_ns middle = cell_middle(cell), min = histogram->sums.min_ns, max = histogram->sums.max_ns;
    return middle < min ? min : middle > max ? max : middle;
}

/* Moves the value to place k that stands there when all are sorted, with no larger one before it
 * and no smaller one behind it, and returns it (Hoare's FIND). */
static sf_ns select_rank(sf_ns *values, int begin, int end, int k)
{
    for (int low = begin, high = end - 1; low < high;) {
        sf_ns pivot = values[k];
        int i = low, j = high;
        while (i <= j) {
            while (values[i] < pivot)
                i++;
            while (values[j] > pivot)
                j--;
            if (i > j)
                break;
            sf_ns value = values[i];
            values[i++] = values[j];
            values[j--] = value;
        }
        if (j < k)
            low = i;
        if (k < i)
            high = j;
    }
    return values[k];
}

static void find_quantiles(const struct sf_samples *s, struct sf_times *out)
{
    uint64_t half = (s->count + 1) / 2, most = s->count - s->count / 20; /* ceilings */
    if (is_histogram(s)) {
        out->p50_ns = histogram_quantile(s->at.histogram, half);
        out->p95_ns = histogram_quantile(s->at.histogram, most);
        return;
    }
    sf_ns values[SF_SAMPLES_EXACT];
    int count = (int)s->count;
    memcpy(values, sf_samples_values(s), (size_t)count * sizeof *values);
    out->p50_ns = select_rank(values, 0, count, (int)half - 1);
    out->p95_ns =
        most == s->count ? out->max_ns : select_rank(values, (int)half - 1, count, (int)most - 1);
}

static sf_ns deviation(const struct sums *sums, uint64_t count)
{
    if (count == 1)
        return 0;
    double n = (double)count;
    double sum = (double)sums->sum_ns / (double)SF_SEC;
    double variance = (sums->squares - sum * sum / n) / (n - 1);
    return variance <= 0 ? 0 : (sf_ns)(sqrt(variance) * (double)SF_SEC + 0.5);
}

struct sf_times sf_samples_times(const struct sf_samples *s)
{
    if (s->count == 0)
        return (struct sf_times){0,
                                 SF_NS_UNKNOWN,
                                 SF_NS_UNKNOWN,
                                 SF_NS_UNKNOWN,
                                 SF_NS_UNKNOWN,
                                 SF_NS_UNKNOWN,
                                 SF_NS_UNKNOWN};
    struct sums sums =
        is_histogram(s) ? s->at.histogram->sums : sums_of(sf_samples_values(s), s->count);
    struct sf_times times = {.samples = s->count,
                             .min_ns = sums.min_ns,
                             .avg_ns = sums.sum_ns / (sf_ns)s->count,
                             .max_ns = sums.max_ns,
                             .stdev_ns = deviation(&sums, s->count)};
    find_quantiles(s, &times);
    return times;
}

void sf_samples_dispose(struct sf_rooms *rooms, struct sf_samples *s)
{
    if (is_histogram(s))
        free(s->at.histogram);
    else if (s->count > SF_SAMPLES_INLINE)
        sf_rooms_give(rooms, s->at.exact, octets_for(s->count));
    *s = (struct sf_samples){0};
}
