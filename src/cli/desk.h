/* Where live workers hand in what they found: one lock around the outputs and what is counted over
 * all connections, and the signs by which they stop together. */
#ifndef SYNFIN_CLI_DESK_H
#define SYNFIN_CLI_DESK_H

#include <pthread.h>
#include <stdatomic.h>

#include "ending.h"
#include "pass.h"

/* What one worker has counted up to now. */
struct sf_share {
    uint64_t verdicts[SF_VERDICT_COUNT];
    sf_ns first_ns, last_ns;
    struct sf_track_totals tracked;
    uint64_t dropped;
    struct sf_input_report *inputs;
};

struct sf_desk {
    struct sf_pass *pass; /* its outputs, tally and findings are used under the lock */
    pthread_mutex_t lock;
    pthread_cond_t has_ended; /* one more worker */
    unsigned working;
    atomic_bool is_stopping; /* what was captured until now is read, then it ends */
    atomic_bool is_over;     /* it ends at once */
    bool has_failed;
    struct sf_error error; /* the first */
    unsigned count;
    size_t input_count;
    struct sf_share *shares;
    struct sf_input_report *inputs; /* of all shares together */
};

/* 0, or -1 with *err; disposed by the caller either way. */
int sf_desk_init(struct sf_desk *desk, struct sf_pass *pass, unsigned workers,
                 struct sf_error *err);
void sf_desk_dispose(struct sf_desk *desk);

/* Counts a connection, and gives it to outputs that are not forked. `is_chosen`: --where holds. */
int sf_desk_record(struct sf_desk *desk, const struct sf_record *record, bool is_chosen,
                   struct sf_error *err);
/* The same for what only outputs take. */
int sf_desk_event(struct sf_desk *desk, const struct sf_event *event, struct sf_error *err);
int sf_desk_update(struct sf_desk *desk, const struct sf_record *record, struct sf_error *err);
int sf_desk_rows(struct sf_desk *desk, struct sf_views *views, struct sf_error *err);

/* Takes the lines that the forks hold, and writes what waits. */
int sf_desk_lines(struct sf_desk *desk, struct sf_sink *const forks[SF_OUTPUTS_MAX],
                  struct sf_error *err);

/* Tells what a worker has counted. */
void sf_desk_count(struct sf_desk *desk, unsigned worker, const struct sf_intake *intake,
                   const struct sf_tracker *tracker);

/* The worker has ended, with *err or NULL: the first error ends all. */
void sf_desk_leave(struct sf_desk *desk, const struct sf_error *err);

/* The sum of all shares; under the lock, or when all have ended. `intake` holds the counts. */
struct sf_ending sf_desk_sum(struct sf_desk *desk, struct sf_intake *intake);

#endif
