/* Which packets began connections: their ids are counted over all workers. */
#ifndef SYNFIN_CLI_BIRTHS_H
#define SYNFIN_CLI_BIRTHS_H

#include <stddef.h>
#include <stdint.h>

#include "synfin/error.h"

/* Packets that all workers read before they tell each other what they found. Nothing that is
 * printed depends on it. */
enum { SF_EPOCH_PACKETS = 16384, SF_EPOCH_WORDS = SF_EPOCH_PACKETS / 64 };

/* One bit a packet, and sums so that no more than a few words have to be counted. Zero is empty. */
struct sf_births {
    uint64_t *words;
    uint64_t *before; /* of each group of words: bits set in all groups before */
    size_t word_count, word_capacity;
    size_t summed; /* groups */
    uint64_t sum;
};

/* Adds what one worker found in an epoch, from 0: bit 0 is the epoch's first packet. 0, or -1 with
 * *err on lack of memory. */
int sf_births_add(struct sf_births *births, uint64_t epoch, const uint64_t bits[SF_EPOCH_WORDS],
                  struct sf_error *err);

/* All workers have told what they found in the first `epochs` epochs. */
void sf_births_sum(struct sf_births *births, uint64_t epochs);

/* How many connections began up to that packet, it included; its epoch was summed. */
uint64_t sf_births_id(const struct sf_births *births, uint64_t packet);

void sf_births_dispose(struct sf_births *births);

#endif
