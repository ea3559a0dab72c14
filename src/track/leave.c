/* How connections leave the table -- closed and lingered, idle, evicted, reused, at the end -- and
 * come out as records. */
#include "track_internal.h"

/* A clock that goes back further was set; packets of several rings differ by less. */
static const sf_ns CLOCK_SET = 60 * SF_SEC;
/* Of --max-memory, for all that is not a connection: the program, the file's pages at hand, what
 * the views know of streams gone by. */
static const uint64_t BASE_MEMORY = 40 << 20;

/* Ends the flow's story: its record can be made. */
static void conclude(struct sf_tracker *t, struct sf_flow *flow, enum sf_ended_by ended_by)
{
    bool closed = flow->is_closed && ended_by != SF_ENDED_REUSED;
    if (flow->pending != NULL)
        sf_reuse_absorb(t, flow);
    flow->ended_by = (uint8_t)(closed ? SF_ENDED_CLOSED : ended_by);
    sf_record_conclude(t, flow);
    sf_flow_count_opening(t, flow, false);
}

static void queue(struct sf_tracker *t, struct sf_flow *flow)
{
    flow->is_queued = true;
    if (t->leaving.last != NULL && t->leaving.last->id > flow->id)
        t->is_leaving_unsorted = true;
    sf_departures_add(&t->leaving, flow);
}

void sf_leave_finish(struct sf_tracker *t, struct sf_flow *flow, enum sf_ended_by ended_by)
{
    conclude(t, flow, ended_by);
    queue(t, flow);
    sf_flow_table_remove(t->table, flow);
}

/* The record comes out, the flow stays to recognise late segments. */
static void bury(struct sf_tracker *t, struct sf_flow *flow)
{
    conclude(t, flow, SF_ENDED_CLOSED);
    queue(t, flow);
    flow->is_tomb = true;
    flow->is_steady = false;
    sf_flow_touch(t, flow, SF_FLOWS_REPORTED);
}

void sf_leave_forget_tomb(struct sf_tracker *t, struct sf_flow *flow)
{
    sf_flow_table_remove(t->table, flow);
    flow->is_tomb = false;
    if (!flow->is_queued)
        sf_flow_table_release(t->table, flow);
}

static bool has_passed(const struct sf_tracker *t, sf_ns since, sf_ns wait)
{
    return t->now_ns - since > wait || since - t->now_ns > CLOCK_SET;
}

/* Live: both lists are in the order of closing. */
static void expire_early(struct sf_tracker *t)
{
    struct sf_flow *flow;
    sf_ns linger = t->options.linger_ns, wait = t->options.report_after_ns;
    wait = wait < linger ? wait : linger;
    while ((flow = sf_flow_table_oldest(t->table, SF_FLOWS_CLOSED)) != NULL &&
           has_passed(t, flow->touched_ns, wait))
        bury(t, flow);
    while ((flow = sf_flow_table_oldest(t->table, SF_FLOWS_REPORTED)) != NULL &&
           has_passed(t, flow->touched_ns, linger - wait))
        sf_leave_forget_tomb(t, flow);
}

static void finish_oldest(struct sf_tracker *t, const struct sf_oldest *oldest,
                          enum sf_ended_by ended_by)
{
    struct sf_flow *flow = sf_rest_wake(t, oldest);
    if (flow != NULL)
        sf_leave_finish(t, flow, ended_by);
}

static sf_ns after(sf_ns since, sf_ns wait)
{
    sf_ns sum;
    return __builtin_add_overflow(since, wait, &sum) ? INT64_MAX : sum;
}

/* When the first of the list may leave. One that is touched later than now leaves no sooner. */
static sf_ns due_in(const struct sf_tracker *t, enum sf_flow_list list, sf_ns wait)
{
    struct sf_oldest oldest;
    return after(sf_rest_oldest(t, list, &oldest) ? oldest.touched_ns : t->now_ns, wait);
}

static sf_ns next_due(const struct sf_tracker *t)
{
    sf_ns due = due_in(t, SF_FLOWS_CLOSED, t->options.linger_ns);
    for (int list = SF_FLOWS_EMBRYONIC; t->options.idle_timeout_ns != 0 && list <= SF_FLOWS_OPEN;
         list++) {
        sf_ns idle = due_in(t, (enum sf_flow_list)list, t->options.idle_timeout_ns);
        due = idle < due ? idle : due;
    }
    return due;
}

static bool is_due(const struct sf_tracker *t, enum sf_flow_list list, sf_ns touched_ns)
{
    sf_ns idle_timeout = t->options.idle_timeout_ns;
    if (list == SF_FLOWS_CLOSED)
        return has_passed(t, touched_ns, t->options.linger_ns);
    return idle_timeout != 0 && t->now_ns - touched_ns > idle_timeout;
}

/* What is closed goes first. */
static const enum sf_flow_list expiring[] = {SF_FLOWS_CLOSED, SF_FLOWS_EMBRYONIC, SF_FLOWS_OPEN};
enum { EXPIRING = sizeof expiring / sizeof *expiring };

/* Events say in which order time ended them, whether they rested or not. */
static void expire_at_once(struct sf_tracker *t)
{
    struct sf_oldest oldest;
    for (size_t i = 0; i < EXPIRING; i++)
        while (sf_rest_oldest(t, expiring[i], &oldest) && is_due(t, expiring[i], oldest.touched_ns))
            finish_oldest(t, &oldest, SF_ENDED_IDLE);
}

/* After a pause of the input all may be due: those that rest do so until their records are fetched.
 */
static void expire_in_turn(struct sf_tracker *t)
{
    struct sf_flow *flow;
    for (size_t i = 0; i < EXPIRING; i++)
        while ((flow = sf_flow_table_oldest(t->table, expiring[i])) != NULL &&
               is_due(t, expiring[i], flow->touched_ns))
            sf_leave_finish(t, flow, SF_ENDED_IDLE);
    sf_leavers_begin(t, is_due);
}

static void expire(struct sf_tracker *t)
{
    if (t->options.report_after_ns != 0)
        expire_early(t);
    if (t->options.want_events)
        expire_at_once(t);
    else
        expire_in_turn(t);
}

void sf_leave_early(struct sf_tracker *t, const struct sf_parcel *parcel)
{
    struct sf_flow *flow = sf_leavers_pull(t, parcel);
    if (flow != NULL)
        sf_leave_finish(t, flow, t->leavers.by);
}

void sf_leave_rest(struct sf_tracker *t)
{
    struct sf_flow *flow;
    while ((flow = sf_leavers_next(t)) != NULL)
        sf_leave_finish(t, flow, t->leavers.by);
    sf_leavers_end(t);
}

static bool forget_oldest_tomb(struct sf_tracker *t)
{
    struct sf_flow *tomb = sf_flow_table_oldest(t->table, SF_FLOWS_REPORTED);
    if (tomb != NULL)
        sf_leave_forget_tomb(t, tomb);
    return tomb != NULL;
}

void sf_leave_forget_tombs(struct sf_tracker *t)
{
    while (forget_oldest_tomb(t))
        continue;
}

void sf_leave_unsorted(struct sf_tracker *t)
{
    struct sf_oldest oldest;
    for (int list = SF_FLOWS_EMBRYONIC; list <= SF_FLOWS_CLOSED; list++)
        while (sf_rest_oldest(t, (enum sf_flow_list)list, &oldest))
            finish_oldest(t, &oldest, SF_ENDED_OPEN);
}

/* Of the embryonic and the closed connections the one that nothing has touched for longest; but a
 * few embryonic ones stay: of each that has just begun nothing else can be known. */
static bool find_spare(const struct sf_tracker *t, struct sf_oldest *out)
{
    enum { EMBRYONIC_LEAST = 64 };
    struct sf_oldest closed;
    bool is_closed = sf_rest_oldest(t, SF_FLOWS_CLOSED, &closed);
    bool is_one =
        sf_rest_embryonic_count(t) > EMBRYONIC_LEAST && sf_rest_oldest(t, SF_FLOWS_EMBRYONIC, out);
    if (is_closed && (!is_one || closed.touched_ns < out->touched_ns))
        *out = closed;
    return is_closed || is_one;
}

/* What is reported goes first, then embryonic and closed connections, then the longest idle. */
static void evict_one(struct sf_tracker *t)
{
    struct sf_oldest oldest;
    if (!find_spare(t, &oldest) && !sf_rest_oldest(t, SF_FLOWS_OPEN, &oldest))
        sf_rest_oldest(t, SF_FLOWS_EMBRYONIC, &oldest);
    t->totals.evicted++;
    finish_oldest(t, &oldest, SF_ENDED_EVICTED);
}

void sf_leave_evict(struct sf_tracker *t)
{
    uint64_t granted = t->options.max_memory;
    if (granted == 0 || t->leavers.are_under_way) /* they are about to go */
        return;
    uint64_t bound = granted - (granted / 3 < BASE_MEMORY ? granted / 3 : BASE_MEMORY);
    while (sf_rest_memory(t) > bound && sf_rest_count(t) > 1)
        if (!forget_oldest_tomb(t))
            evict_one(t);
}

void sf_leave_advance(struct sf_tracker *t, sf_ns now)
{
    if (now <= t->now_ns)
        return;
    t->now_ns = t->event_ns = now;
    if (now <= t->due_ns && t->options.report_after_ns == 0)
        return; /* nearly every packet: nothing is due yet */
    sf_leave_rest(t);
    expire(t);
    t->due_ns = t->leavers.are_under_way ? SF_NS_UNKNOWN : next_due(t);
}

void sf_leave_release_now(struct sf_tracker *t)
{
    struct sf_flow *flow = t->handed_out;
    t->handed_out = NULL;
    flow->is_queued = false;
    if (!flow->is_tomb) {
        sf_flow_table_release(t->table, flow);
        return;
    }
    flow->view = NULL; /* the views have let go of it with the record */
    sf_flow_table_trim(t->table, flow);
}

static void end_leavers(struct sf_tracker *t)
{
    sf_leavers_end(t);
    t->due_ns = next_due(t);
}

/* Several trackers may share the input: what leaves at one packet comes in an order that each can
 * tell by itself. Those that rest are woken one by one. */
static struct sf_flow *next_leaving(struct sf_tracker *t)
{
    if (t->is_leaving_unsorted)
        sf_departures_sort(&t->leaving);
    t->is_leaving_unsorted = false;
    uint64_t left = t->leaving.first == NULL ? UINT64_MAX : t->leaving.first->id;
    if (left < sf_leavers_next_id(t))
        return sf_departures_take(&t->leaving);
    struct sf_flow *flow = sf_leavers_next(t);
    if (flow == NULL) {
        if (t->leavers.are_under_way)
            end_leavers(t);
        return NULL;
    }
    conclude(t, flow, t->leavers.by);
    sf_flow_table_remove(t->table, flow);
    return flow;
}

/* After nearly every packet there is none. */
static bool is_any_finished(const struct sf_tracker *t)
{
    return t->finished.before.first != NULL || t->finished.after.first != NULL ||
           t->leaving.first != NULL || t->leavers.are_under_way;
}

static struct sf_flow *next_finished(struct sf_tracker *t)
{
    struct sf_flow *flow = sf_waiting_take(t);
    return flow != NULL ? flow : next_leaving(t);
}

bool sf_tracker_record(struct sf_tracker *t, struct sf_record *out)
{
    sf_leave_release(t);
    struct sf_flow *flow = is_any_finished(t) ? next_finished(t) : NULL;
    if (flow == NULL)
        return false;
    t->handed_out = flow;
    t->totals.connections++;
    sf_record_fill(t, flow, out);
    return true;
}

bool sf_tracker_departed(struct sf_tracker *t, struct sf_record *out)
{
    struct sf_flow *flow = is_any_finished(t) ? next_leaving(t) : NULL;
    if (flow == NULL)
        return false;
    sf_waiting_add(t, flow);
    sf_record_identify(flow, out);
    return true;
}

void sf_tracker_pass(struct sf_tracker *t, uint64_t packet, sf_ns ts_ns)
{
    t->now_packet = packet;
    if (ts_ns <= t->now_ns)
        return;
    sf_leave_release(t);
    sf_leave_advance(t, ts_ns);
}

bool sf_tracker_is_due(const struct sf_tracker *t, sf_ns ts_ns)
{
    return ts_ns > t->due_ns || t->options.report_after_ns != 0;
}

void sf_tracker_tick(struct sf_tracker *t, sf_ns now_ns)
{
    sf_leave_release(t);
    if (sf_ns_known(t->now_ns) && t->now_ns - now_ns > CLOCK_SET) {
        t->now_ns = now_ns - 1;
        t->due_ns = SF_NS_UNKNOWN;
    }
    sf_leave_advance(t, now_ns);
}
