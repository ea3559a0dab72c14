/* Each interface fills its own ring, whose blocks are handed over at times of their own: merged
 * here into one timeline. */
#include "capture_internal.h"

#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SNAPLEN_DEFAULT 256 /* headers and options of any tunnelled TCP segment */

/* What was stamped so long ago has been handed over: the ring's timeout and its timer's slack. */
static const sf_ns HAND_OVER = (SF_RING_TIMEOUT_MS + 20) * SF_MSEC;

/* A stamp that lies further ahead is of before the clock was set back, and holds nobody up. */
static const sf_ns AHEAD = SF_SEC;

struct source {
    struct sf_ring *ring; /* NULL: not opened, or failed since */
    struct sf_input_report *report;
    bool is_down;
    bool is_lent;         /* packets of the queue are in the present batch */
    sf_ns complete_until; /* all that was stamped until then has been taken from the ring */
    sf_ns taken_ns;       /* of the packet handed out last */
    struct sf_queue queue;
};

struct sf_live {
    struct source *sources;
    struct pollfd *fds; /* the sources', then the waker's */
    size_t count;
    int wake_fd; /* -1: none */
    bool waits_short;
    sf_ns until_ns; /* the capture ends there; SF_NS_UNKNOWN: it goes on */
    bool has_ended;
};

uint32_t sf_live_snaplen(const struct sf_capture_options *options)
{
    return options->snaplen != 0 ? options->snaplen : SNAPLEN_DEFAULT;
}

static sf_ns machine_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now); /* the clock that stamps packets */
    return (sf_ns)now.tv_sec * SF_SEC + now.tv_nsec;
}

/* --- opening --- */

static int open_source(struct source *source, const struct sf_capture_options *options,
                       bool *filter_bad, struct sf_error *err)
{
    source->report->format = "live";
    source->queue.arena = malloc((size_t)SF_QUEUE_PACKETS * source->queue.snaplen);
    if (source->queue.arena == NULL)
        return sf_fail(err, "out of memory");
    return sf_ring_open(&source->ring, source->report->name, options, filter_bad, err);
}

static void prepare(struct source *source, struct sf_input_report *report,
                    const struct sf_capture_options *options, size_t number)
{
    source->report = report;
    source->queue.snaplen = sf_live_snaplen(options);
    source->queue.number = (uint16_t)number;
}

static int open_sources(struct sf_live *live, const struct sf_capture_options *options,
                        struct sf_input_report *reports, bool *filter_bad, struct sf_error *err)
{
    size_t usable = 0;
    for (size_t i = 0; i < live->count; i++) {
        struct source *source = &live->sources[i];
        prepare(source, &reports[i], options, i);
        if (open_source(source, options, filter_bad, &reports[i].error) == 0) {
            usable++;
            continue;
        }
        reports[i].unreadable = true;
        if (*filter_bad || options->strict || i == 0)
            sf_fail(err, "%s", reports[i].error.text);
        if (*filter_bad || options->strict)
            return -1;
    }
    return usable > 0 ? 0 : -1;
}

static struct sf_live *new_live(size_t count, struct sf_error *err)
{
    struct sf_live *live = calloc(1, sizeof *live);
    if (live != NULL) {
        live->until_ns = SF_NS_UNKNOWN;
        live->wake_fd = -1;
        live->count = count;
        live->sources = calloc(count, sizeof *live->sources);
        live->fds = calloc(count + 1, sizeof *live->fds);
    }
    if (live != NULL && live->sources != NULL && live->fds != NULL)
        return live;
    if (live != NULL)
        sf_live_close(live);
    sf_fail(err, "out of memory");
    return NULL;
}

int sf_live_open(struct sf_live **out, const struct sf_capture_options *options,
                 struct sf_input_report *reports, bool *filter_bad, struct sf_error *err)
{
    struct sf_live *live = new_live(options->interface_count, err);
    if (live == NULL)
        return -1;
    if (open_sources(live, options, reports, filter_bad, err) != 0) {
        sf_live_close(live);
        return -1;
    }
    *out = live;
    return 0;
}

static int open_twins(struct sf_live *live, const struct sf_live *like,
                      const struct sf_capture_options *options, struct sf_input_report *reports,
                      struct sf_error *err)
{
    for (size_t i = 0; i < live->count; i++) {
        struct source *source = &live->sources[i];
        bool filter_bad;
        prepare(source, &reports[i], options, i);
        if (like->sources[i].ring == NULL)
            continue;
        if (open_source(source, options, &filter_bad, err) != 0 ||
            sf_ring_join(source->ring, like->sources[i].ring, err) != 0)
            return -1;
    }
    return 0;
}

int sf_live_open_twin(struct sf_live **out, const struct sf_live *like,
                      const struct sf_capture_options *options, struct sf_input_report *reports,
                      struct sf_error *err)
{
    struct sf_live *live = new_live(like->count, err);
    if (live == NULL)
        return -1;
    if (open_twins(live, like, options, reports, err) != 0) {
        sf_live_close(live);
        return -1;
    }
    *out = live;
    return 0;
}

void sf_live_begin(struct sf_live *live, sf_ns begin_ns)
{
    for (size_t i = 0; i < live->count; i++)
        if (live->sources[i].ring != NULL)
            sf_ring_begin(live->sources[i].ring, begin_ns);
}

void sf_live_wait(struct sf_live *live, int wake_fd, bool is_short)
{
    live->wake_fd = wake_fd;
    live->waits_short = is_short;
}

/* --- packets --- */

static bool is_empty(const struct source *source)
{
    return source->queue.head == source->queue.count;
}

static const struct sf_packet *front(const struct source *source)
{
    return &source->queue.packets[source->queue.head];
}

/* Of packets that are shared out nobody here knows the number. */
static void complain(struct source *source, const char *what)
{
    struct sf_input_report *report = source->report;
    uint64_t packets = report->packets + source->queue.count - source->queue.head;
    report->damaged = true;
    report->is_told = false;
    if (sf_ring_is_shared(source->ring))
        sf_fail(&report->error, "%.300s", what);
    else
        sf_fail(&report->error, "%.300s (after packet %llu)", what, (unsigned long long)packets);
}

static void lose(struct source *source, const struct sf_error *why)
{
    complain(source, why->text);
    struct sf_input_report *report = source->report;
    report->dropped = sf_ring_dropped(source->ring);
    sf_ring_close(source->ring);
    source->ring = NULL;
}

static void refill(struct source *source, sf_ns now)
{
    struct sf_error why;
    source->is_lent = false;
    if (source->ring == NULL || !is_empty(source))
        return;
    source->queue.head = source->queue.count = 0;
    if (sf_ring_drain(source->ring, &source->queue, &why) != 0)
        lose(source, &why);
    source->complete_until = now - HAND_OVER;
}

/* Nothing of the source will come any more: it failed, or has passed the end. */
static bool is_over(const struct sf_live *live, const struct source *source, sf_ns now)
{
    if (!sf_ns_known(live->until_ns))
        return source->ring == NULL && is_empty(source);
    if (!is_empty(source))
        return front(source)->ts_ns > live->until_ns;
    return source->ring == NULL || source->complete_until >= live->until_ns || now < live->until_ns;
}

static void refill_all(struct sf_live *live)
{
    sf_ns now = machine_time(); /* before the rings are looked into */
    live->has_ended = true;
    for (size_t i = 0; i < live->count; i++) {
        refill(&live->sources[i], now);
        live->has_ended = live->has_ended && is_over(live, &live->sources[i], now);
    }
}

static struct source *earliest(const struct sf_live *live)
{
    struct source *first = NULL;
    for (size_t i = 0; i < live->count; i++) {
        struct source *source = &live->sources[i];
        if (!is_empty(source) && (first == NULL || front(source)->ts_ns < front(first)->ts_ns))
            first = source;
    }
    return first;
}

/* Whether a source whose queue is empty may still give a packet from before `t`. */
static bool is_waited_for(const struct source *source, sf_ns t)
{
    if (!is_empty(source) || source->ring == NULL)
        return false;
    bool is_ahead = t - source->complete_until > HAND_OVER + AHEAD;
    return source->is_lent || (t > source->complete_until && !is_ahead);
}

static bool may_go(const struct sf_live *live, const struct source *first)
{
    sf_ns t = front(first)->ts_ns;
    if (sf_ns_known(live->until_ns) && t > live->until_ns)
        return false;
    for (size_t i = 0; i < live->count; i++)
        if (&live->sources[i] != first && is_waited_for(&live->sources[i], t))
            return false;
    return true;
}

static size_t take(struct sf_live *live, struct sf_packet *batch, size_t capacity)
{
    size_t count = 0;
    struct source *first;
    refill_all(live);
    while (count < capacity && (first = earliest(live)) != NULL && may_go(live, first)) {
        batch[count++] = *front(first);
        first->taken_ns = front(first)->ts_ns;
        first->queue.head++;
        first->is_lent = true;
        first->report->packets++;
    }
    return count;
}

/* Until a ring has something, or what is held back may go. */
static void wait_for_packets(struct sf_live *live)
{
    bool is_held = false;
    for (size_t i = 0; i < live->count; i++) {
        const struct source *source = &live->sources[i];
        bool is_asked = is_empty(source) && source->ring != NULL;
        is_held = is_held || !is_empty(source);
        live->fds[i] =
            (struct pollfd){.fd = is_asked ? sf_ring_fd(source->ring) : -1, .events = POLLIN};
    }
    enum { HELD_MS = 10 };
    struct pollfd *waker = &live->fds[live->count];
    bool is_short = is_held || live->waits_short || sf_ns_known(live->until_ns);
    *waker = (struct pollfd){.fd = live->wake_fd, .events = POLLIN};
    poll(live->fds, (nfds_t)live->count + 1, is_short ? HELD_MS : SF_RING_TIMEOUT_MS);
    uint64_t calls;
    if ((waker->revents & POLLIN) != 0 && read(live->wake_fd, &calls, sizeof calls) < 0)
        live->wake_fd = -1;
}

size_t sf_live_next(struct sf_live *live, struct sf_packet *batch, size_t capacity)
{
    size_t count = take(live, batch, capacity); /* what the rings still hold needs no waiting */
    if (count > 0 || live->has_ended)
        return count;
    wait_for_packets(live);
    return take(live, batch, capacity);
}

/* A queue that was emptied just now may have left more in the ring. */
static sf_ns complete_until(const struct source *source)
{
    if (!is_empty(source))
        return front(source)->ts_ns - 1;
    return source->is_lent ? source->taken_ns : source->complete_until;
}

sf_ns sf_live_complete_until(const struct sf_live *live)
{
    sf_ns until = INT64_MAX;
    for (size_t i = 0; i < live->count; i++) {
        const struct source *source = &live->sources[i];
        bool is_over = is_empty(source) && source->ring == NULL;
        sf_ns own = is_over ? INT64_MAX : complete_until(source);
        until = own < until ? own : until;
    }
    return until;
}

void sf_live_end(struct sf_live *live)
{
    if (!sf_ns_known(live->until_ns))
        live->until_ns = machine_time();
}

bool sf_live_has_ended(const struct sf_live *live)
{
    return live->has_ended;
}

/* --- what became of it --- */

uint64_t sf_live_dropped(struct sf_live *live)
{
    uint64_t dropped = 0;
    for (size_t i = 0; i < live->count; i++) {
        struct source *source = &live->sources[i];
        if (source->ring != NULL)
            source->report->dropped = sf_ring_dropped(source->ring);
        dropped += source->report->dropped;
    }
    return dropped;
}

static void look(struct source *source)
{
    struct sf_error what;
    bool is_down = source->ring != NULL && !sf_ring_is_up(source->ring);
    if (is_down == source->is_down || source->ring == NULL)
        return;
    source->is_down = is_down;
    sf_fail(&what, "%s: the interface %s", source->report->name,
            is_down ? "is down" : "is up again");
    complain(source, what.text);
}

void sf_live_look(struct sf_live *live)
{
    for (size_t i = 0; i < live->count; i++)
        look(&live->sources[i]);
}

void sf_live_close(struct sf_live *live)
{
    for (size_t i = 0; live->sources != NULL && i < live->count; i++) {
        sf_ring_close(live->sources[i].ring);
        free(live->sources[i].queue.arena);
    }
    free(live->sources);
    free(live->fds);
    free(live);
}
