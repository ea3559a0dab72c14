/* A bitmap with sums: an eighth more than a bit for every packet of the input. */
#include "births.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { GROUP = 8 }; /* words */
_Static_assert(SF_EPOCH_WORDS % GROUP == 0, "an epoch ends with a group");

static int grow(struct sf_births *births, size_t words, struct sf_error *err)
{
    if (words > births->word_capacity) {
        size_t capacity = 2 * words;
        uint64_t *larger = realloc(births->words, capacity * sizeof *larger);
        if (larger != NULL)
            births->words = larger;
        uint64_t *sums = realloc(births->before, capacity / GROUP * sizeof *sums);
        if (sums != NULL)
            births->before = sums;
        if (larger == NULL || sums == NULL)
            return sf_fail(err, "out of memory");
        births->word_capacity = capacity;
    }
    memset(births->words + births->word_count, 0,
           (words - births->word_count) * sizeof *births->words);
    births->word_count = words;
    return 0;
}

int sf_births_add(struct sf_births *births, uint64_t epoch, const uint64_t bits[SF_EPOCH_WORDS],
                  struct sf_error *err)
{
    size_t begin = (size_t)epoch * SF_EPOCH_WORDS, end = begin + SF_EPOCH_WORDS;
    if (end > births->word_count && grow(births, end, err) != 0)
        return -1;
    for (size_t i = 0; i < SF_EPOCH_WORDS; i++)
        births->words[begin + i] |= bits[i];
    return 0;
}

void sf_births_sum(struct sf_births *births, uint64_t epochs)
{
    size_t groups = births->word_count / GROUP;
    if (epochs < groups / (SF_EPOCH_WORDS / GROUP))
        groups = (size_t)epochs * (SF_EPOCH_WORDS / GROUP);
    for (; births->summed < groups; births->summed++) {
        births->before[births->summed] = births->sum;
        for (size_t i = 0; i < GROUP; i++)
            births->sum +=
                (uint64_t)__builtin_popcountll(births->words[births->summed * GROUP + i]);
    }
}

uint64_t sf_births_id(const struct sf_births *births, uint64_t packet)
{
    uint64_t bit = packet - 1;
    size_t word = (size_t)(bit / 64), group = word / GROUP;
    assert(group < births->summed);
    uint64_t id = births->before[group];
    for (size_t i = group * GROUP; i < word; i++)
        id += (uint64_t)__builtin_popcountll(births->words[i]);
    uint64_t up_to = births->words[word] << (63 - bit % 64);
    return id + (uint64_t)__builtin_popcountll(up_to);
}

void sf_births_dispose(struct sf_births *births)
{
    free(births->words);
    free(births->before);
    *births = (struct sf_births){0};
}
