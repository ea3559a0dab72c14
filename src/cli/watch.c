/* Drops are looked at ten times a second: the times between which they fell are told with them. */
#include "watch.h"

#include <time.h>

#include "ending.h"

const sf_ns sf_watch_report_after = 500 * SF_MSEC;
const sf_ns sf_watch_handshake_due = 5 * SF_SEC;

static const sf_ns LOOK_EVERY = 100 * SF_MSEC;

/* What came less than this ago may still lie in a block of the ring that is not handed out. */
static const sf_ns RING_DELAY = 200 * SF_MSEC;

static sf_ns machine_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now); /* the clock that stamps the packets */
    return (sf_ns)now.tv_sec * SF_SEC + now.tv_nsec;
}

void sf_watch_begin(struct sf_watch *watch, const struct sf_cli_options *options,
                    struct sf_capture *capture, struct sf_tracker *tracker)
{
    *watch = (struct sf_watch){.options = options,
                               .capture = capture,
                               .tracker = tracker,
                               .exchange = watch->exchange,
                               .is_silent = watch->is_silent};
    watch->begun_ns = watch->looked_ns = machine_time();
    sf_watch_look(watch);
}

void sf_watch_look(struct sf_watch *watch)
{
    sf_ns before = watch->looked_ns;
    watch->looked_ns = machine_time();
    uint64_t dropped = sf_capture_totals(watch->capture).dropped;
    uint64_t new_drops = dropped - watch->own_dropped;
    watch->own_dropped = dropped;
    if (watch->exchange != NULL)
        dropped = sf_exchange_drop(watch->exchange, new_drops);
    sf_tracker_dropped(watch->tracker, before < watch->looked_ns ? before : watch->looked_ns,
                       watch->looked_ns, dropped - watch->dropped);
    watch->dropped = dropped;
    if (!watch->is_silent)
        sf_ending_tell_failed(watch->capture, watch->options);
}

bool sf_watch_moment(struct sf_watch *watch, const struct sf_intake *intake, size_t count)
{
    sf_ns now = machine_time(), duration = watch->options->duration_ns;
    if (now - watch->looked_ns >= LOOK_EVERY || now < watch->looked_ns)
        sf_watch_look(watch);
    sf_tracker_tick(watch->tracker, count > 0 ? intake->latest_ns : now - RING_DELAY);
    return duration != 0 && now - watch->begun_ns > duration;
}
