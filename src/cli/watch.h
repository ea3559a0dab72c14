/* What a live capture needs besides its packets: the clock, interfaces that fail, drops. */
#ifndef SYNFIN_CLI_WATCH_H
#define SYNFIN_CLI_WATCH_H

#include "exchange.h"
#include "intake.h"

/* Live, a connection's record comes so long after its close: most late segments are in it. */
extern const sf_ns sf_watch_report_after;
/* A handshake takes no longer, or its first repetitions went unanswered as well (RFC 6298 §5). */
extern const sf_ns sf_watch_handshake_due;

struct sf_watch {
    const struct sf_cli_options *options;
    struct sf_capture *capture;
    struct sf_tracker *tracker;
    sf_ns begun_ns, looked_ns; /* of the machine's clock; looked: at drops and interfaces */
    uint64_t dropped;          /* told to the tracker */
    /* Of several workers, set before it begins: the others' drops count for each, and only one
     * tells of interfaces. */
    struct sf_exchange *exchange;
    uint64_t own_dropped;
    bool is_silent;
};

void sf_watch_begin(struct sf_watch *watch, const struct sf_cli_options *options,
                    struct sf_capture *capture, struct sf_tracker *tracker);

/* Tells the tracker of new drops and standard error of interfaces that failed since. */
void sf_watch_look(struct sf_watch *watch);

/* After each batch of `count` packets: looks now and then, and moves the tracker's time on: to the
 * last packet's, or while none comes with the clock. True when --duration has passed. */
bool sf_watch_moment(struct sf_watch *watch, const struct sf_intake *intake, size_t count);

#endif
