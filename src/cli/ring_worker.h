/* One of several live workers: reads its part of the packets from rings of its own and tracks the
 * connections in it. */
#ifndef SYNFIN_CLI_RING_WORKER_H
#define SYNFIN_CLI_RING_WORKER_H

#include "desk.h"
#include "exchange.h"
#include "watch.h"

struct sf_ring_worker {
    /* Set by the caller, who owns them. */
    struct sf_desk *desk;
    struct sf_exchange *exchange;
    unsigned index, count;

    struct sf_intake intake; /* its capture is the caller's */
    struct sf_tracker *tracker;
    struct sf_views *views;
    struct sf_slot_keeper slots;
    struct sf_watch watch;
    struct sf_sink *forks[SF_OUTPUTS_MAX]; /* of the outputs whose lines workers print */
    bool has_direct_events, has_direct_updates;
    bool is_stopping; /* the capture was told */
    sf_ns told_ns;    /* when lines and counts were handed in, by the machine's clock */
};

/* 0, or -1 with *err. Disposed by the caller either way. */
int sf_ring_worker_open(struct sf_ring_worker *worker, uint64_t hash_seed, struct sf_error *err);

/* Reads to the end; what is open then stays in the tracker. Leaves the desk. */
void sf_ring_worker_run(struct sf_ring_worker *worker);

/* The next of the connections that were left, all workers having run; false: no more. */
bool sf_ring_worker_rest(struct sf_ring_worker *worker, struct sf_record *record);

void sf_ring_worker_dispose(struct sf_ring_worker *worker);

#endif
