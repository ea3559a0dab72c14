/* One of several workers: reads the whole input and tracks its share of the connections. */
#ifndef SYNFIN_CLI_WORKER_H
#define SYNFIN_CLI_WORKER_H

#include "crew.h"
#include "pass.h"

struct sf_departure;
struct sf_dated_row;

struct sf_worker {
    /* Set by the caller, who owns them. */
    const struct sf_pass *pass; /* what is asked for */
    struct sf_crew *crew;
    unsigned index;
    void (*show)(struct sf_worker *worker); /* called per batch, or NULL */
    void *show_to;

    struct sf_intake intake; /* its capture is the caller's */
    struct sf_tracker *tracker;
    struct sf_views *views;
    struct sf_slot_keeper slots;
    struct sf_tally tally;
    bool has_zeek_rows;
    bool has_failed_on;
    struct sf_sink *forks[SF_OUTPUTS_MAX]; /* of the outputs that take records */

    uint64_t packets_read;
    uint64_t births[SF_EPOCH_WORDS]; /* of the epoch at hand */
    struct sf_record leaving;        /* only what the views need of it */
    /* Known and not yet told: what a connection is called must be known first. */
    struct sf_departure *departures;
    size_t departure_begin, departure_count, departure_capacity;
    struct sf_dated_row *rows;
    size_t row_begin, row_count, row_capacity;
    uint64_t told; /* epochs */
    struct sf_chunk *chunk;
};

/* 0, or -1 with *err. Disposed by the caller either way. */
int sf_worker_open(struct sf_worker *worker, uint64_t hash_seed, struct sf_error *err);

/* Reads to the end and sends all it finds; an error goes to the crew. */
void sf_worker_run(struct sf_worker *worker);

void sf_worker_dispose(struct sf_worker *worker);

#endif
