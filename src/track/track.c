/* Which connection a segment belongs to, and how connections come and follow each other. */
#include "synfin/track.h"

#include <stdlib.h>
#include <string.h>

#include "track_internal.h"
#include "young.h"

struct sf_tracker *sf_tracker_new(const struct sf_track_options *options)
{
    struct sf_tracker *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->options = *options;
    t->next_id = 1;
    t->now_ns = t->due_ns = SF_NS_UNKNOWN;
    t->table = sf_flow_table_new();
    if (t->table == NULL || sf_rest_init(t) != 0) {
        sf_tracker_free(t);
        return NULL;
    }
    t->rooms = sf_flow_table_rooms(t->table);
    return t;
}

void sf_tracker_free(struct sf_tracker *t)
{
    if (t == NULL)
        return;
    sf_leave_release(t);
    struct sf_flow *flow;
    while ((flow = sf_departures_take(&t->leaving)) != NULL)
        if (!flow->is_tomb)
            sf_flow_table_release(t->table, flow);
    sf_waiting_dispose(t);
    sf_leavers_dispose(t);
    sf_rest_dispose(t);
    sf_flow_table_free(t->table);
    free(t->events);
    free(t->timeline);
    free(t->anomalies);
    free(t);
}

void sf_tracker_prefetch_place(const struct sf_tracker *t, const struct sf_segment *seg)
{
    sf_flow_table_prefetch(t->table, seg->hash);
}

const struct sf_flow *sf_tracker_prefetch_flow(const struct sf_tracker *t,
                                               const struct sf_segment *seg)
{
    const struct sf_flow *flow = sf_flow_table_prefetch_flow(t->table, seg);
    if (flow == NULL)
        sf_shelf_prefetch(t->shelf, seg->hash);
    return flow;
}

/* Where the outstanding piece will be looked for that a segment acknowledges, or be added. */
static void prefetch_sent(const struct sf_endpoint *ep, unsigned place)
{
    if (ep->sent != NULL)
        __builtin_prefetch(&ep->sent[(ep->sent_head + place) & (ep->sent_capacity - 1u)]);
}

/* What handshake and close touch besides. */
static void prefetch_change(const struct sf_flow *flow)
{
    enum { OPENING = offsetof(struct sf_flow, reset.ts_ns) - offsetof(struct sf_flow, syn_ns) };
    sf_prefetch(&flow->syn_ns, OPENING);
    for (int dir = 0; dir < SF_DIR_COUNT; dir++)
        sf_prefetch(&flow->ep[dir], SF_ENDPOINT_CHANGE);
}

static void prefetch_data(const struct sf_flow *flow, enum sf_dir dir)
{
    const struct sf_endpoint *snd = &flow->ep[dir];
    prefetch_sent(snd, snd->sent_count);
    if (flow->last_data_dir != (int8_t)dir)
        sf_prefetch(&snd->response, SF_CACHE_LINE);
}

void sf_tracker_prefetch_parts(const struct sf_tracker *t, const struct sf_flow *flow,
                               const struct sf_segment *seg)
{
    enum { VIEW_HOT = 2 * SF_CACHE_LINE, VIEW = 3 * SF_CACHE_LINE }; /* of a slot of the views */
    if (flow == NULL || flow->hash != seg->hash) {
        sf_shelf_prefetch_parcel(t->shelf, seg->hash);
        return;
    }
    bool is_plain = (seg->flags & (SF_TH_SYN | SF_TH_FIN | SF_TH_RST)) == 0;
    if (flow->view != NULL)
        sf_prefetch(flow->view, is_plain ? VIEW_HOT : VIEW);
    prefetch_sent(&flow->ep[sf_dir_other(seg->dir)], 0);
    if (seg->payload_len > 0)
        prefetch_data(flow, seg->dir);
    else if (flow->ep[seg->dir].last.window != seg->window)
        __builtin_prefetch(&flow->ep[seg->dir].window_min);
    if (!is_plain)
        prefetch_change(flow);
}

bool sf_tracker_is_small(const struct sf_tracker *t)
{
    enum { FEW = 128 }; /* a quarter of a megabyte */
    return sf_rest_count(t) <= FEW;
}

/* --- connections come and go --------------------------------------------------------------- */

static void endpoint_init(struct sf_endpoint *ep)
{
    ep->fin = ep->right_edge = ep->sack_high = ep->suspect = ep->probe_end = SF_OFFSET_NONE;
    ep->proof = SF_OFFSET_NONE;
    ep->rtt_estimate.srtt_ns = ep->late_ns = SF_NS_UNKNOWN;
    ep->is_proved = true;
}

uint64_t sf_track_peek_id(struct sf_tracker *t)
{
    if (t->options.ids_by_packet)
        return t->now_packet;
    if (t->options.ids_given != NULL && !t->has_next_id) {
        t->next_id = atomic_fetch_add(t->options.ids_given, 1) + 1;
        t->has_next_id = true;
    }
    return t->next_id;
}

uint64_t sf_track_new_id(struct sf_tracker *t)
{
    uint64_t id = sf_track_peek_id(t);
    t->begun_packet = t->now_packet;
    t->next_id++;
    t->has_next_id = false;
    return id;
}

/* Live, without interim records too: a handshake may have come to a halt, or silence begun. */
static sf_ns looks_each(const struct sf_tracker *t)
{
    const sf_ns without = 60 * SF_SEC;
    sf_ns interval = t->options.update_interval_ns;
    return interval == 0 && t->options.handshake_due_ns != 0 ? without : interval;
}

/* When the handshake is due, then each interval after the first packet. */
void sf_track_wake_later(struct sf_tracker *t, struct sf_flow *flow)
{
    sf_ns interval = looks_each(t), due = t->options.handshake_due_ns;
    sf_ns age = t->now_ns - flow->first_ns;
    sf_ns next = interval != 0 ? (age / interval + 1) * interval : 0;
    if (due != 0 && age < due && (next == 0 || due < next))
        next = due;
    if (next != 0)
        sf_flow_table_wake(t->table, flow, flow->first_ns + next);
}

struct sf_flow *sf_flow_add(struct sf_tracker *t, const struct sf_flow_key *key, uint64_t hash,
                            enum sf_wake what_for)
{
    return what_for == SF_WAKE_TO_LEAVE ? sf_flow_table_add_aside(t->table, key, hash)
                                        : sf_flow_table_add(t->table, key, hash);
}

struct sf_flow *sf_flow_open(struct sf_tracker *t, const struct sf_segment *seg, uint64_t id,
                             enum sf_wake what_for)
{
    struct sf_flow *flow = sf_flow_add(t, &seg->key, seg->hash, what_for);
    if (flow == NULL)
        return NULL;
    flow->id = id;
    t->totals.opened++;
    endpoint_init(&flow->ep[0]);
    endpoint_init(&flow->ep[1]);
    flow->syn_ns = flow->syn_ack_ns = flow->ack_ns = flow->challenge_ns = SF_NS_UNKNOWN;
    flow->first_fin = SF_NO_FIN;
    flow->last_data_dir = -1;
    flow->last_dir = (uint8_t)seg->dir;
    flow->first_ns = flow->last_ns = seg->ts_ns;
    flow->touched_ns = t->now_ns;
    flow->vlan_count = seg->vlan_count;
    flow->tunnel_count = seg->tunnel_count;
    memcpy(flow->vlan, seg->vlan, sizeof flow->vlan);
    for (unsigned i = 0; i < SF_TUNNEL_MAX; i++) {
        flow->tunnel_kind[i] = seg->tunnel[i].kind;
        flow->tunnel_id[i] = seg->tunnel[i].id;
    }
    sf_role_begin(flow, seg);
    sf_track_wake_later(t, flow);
    if ((seg->flags & (SF_TH_SYN | SF_TH_RST)) == SF_TH_SYN)
        return flow;
    flow->is_midstream = true;
    sf_note(t, flow, SF_ANOMALY_MIDSTREAM, SF_EITHER_END, seg->packet, 0);
    return flow;
}

/* A connection that takes the place of another on the same key, beginning with `first`. */
static struct sf_flow *flow_succeed(struct sf_tracker *t, struct sf_flow *old,
                                    const struct sf_segment *first, uint64_t id)
{
    void *view = old->view;
    bool met_time_wait = old->ep[sf_dir_other(first->dir)].state == SF_TIME_WAIT;
    old->view_next_packet = first->packet;
    struct sf_pending *pending = old->pending;
    old->pending = NULL;
    /* closed before the new SYN came, or ended by it */
    if (old->is_tomb)
        sf_leave_forget_tomb(t, old);
    else
        sf_leave_finish(t, old,
                        pending == NULL && old->is_closed ? SF_ENDED_CLOSED : SF_ENDED_REUSED);
    struct sf_flow *flow = sf_flow_open(t, first, id, SF_WAKE_TO_STAY);
    if (flow == NULL) {
        if (pending != NULL)
            free(pending->segments);
        free(pending);
        return NULL;
    }
    flow->view = view;
    flow->met_time_wait = met_time_wait;
    sf_note(t, flow, SF_ANOMALY_PORT_REUSED, SF_EITHER_END, first->packet, 0);
    if (pending == NULL)
        return flow;
    struct sf_turn turn;
    for (unsigned i = 0; i < pending->count; i++)
        sf_turn_run(&turn, t, flow, &pending->segments[i], true);
    free(pending->segments);
    free(pending);
    return flow;
}

static struct sf_flow *flow_succeed_pending(struct sf_tracker *t, struct sf_flow *old)
{
    struct sf_segment first = old->pending->segments[0];
    return flow_succeed(t, old, &first, old->pending->id);
}

/* A host waits longer; a copy of a packet comes sooner. */
static bool is_repeated(const struct sf_pending *pending)
{
    const struct sf_segment *last = &pending->segments[pending->count - 1];
    return last->ts_ns - pending->segments[0].ts_ns > 100 * SF_MSEC;
}

/* SYNs that nothing answered: repeated into silence, or of an end that said nothing else, they were
 * an attempt of their own. Returns the connection on the key. */
static struct sf_flow *settle_pending(struct sf_tracker *t, struct sf_flow *flow)
{
    const struct sf_pending *pending = flow->pending;
    bool is_silent = flow->last_packet < pending->segments[0].packet;
    if ((is_silent && is_repeated(pending)) || flow->ep[pending->dir].packets == 0)
        return flow_succeed_pending(t, flow);
    sf_reuse_absorb(t, flow);
    return flow;
}

bool sf_track_has_limits(const struct sf_tracker *t)
{
    return t->options.idle_timeout_ns > 0 || t->options.max_memory > 0;
}

/* A connection on a key that is not in the table. The one before may have left the table just now,
 * its record not yet fetched: then the views' slot passes on. */
static struct sf_flow *flow_follow(struct sf_tracker *t, const struct sf_segment *seg)
{
    struct sf_flow *old = t->leaving.first;
    struct sf_flow *flow = sf_flow_open(t, seg, sf_track_new_id(t), SF_WAKE_TO_STAY);
    while (old != NULL && (old->view_next_packet != 0 || old->hash != seg->hash ||
                           memcmp(&old->key, &seg->key, sizeof old->key) != 0))
        old = old->next_queued;
    if (old == NULL || flow == NULL)
        return flow;
    flow->view = old->view;
    old->view_next_packet = seg->packet;
    return flow;
}

static bool keep_waiting(struct sf_tracker *t, struct sf_flow *flow, const struct sf_segment *seg)
{
    bool first = flow->pending == NULL;
    sf_duplicate_forget_far(flow, seg->packet); /* before last_packet moves over the SYN */
    if (sf_reuse_keep(flow, seg, first ? sf_track_peek_id(t) : 0) != 0)
        return false;
    if (first)
        sf_track_new_id(t);
    flow->is_steady = false;
    return true;
}

/* The connection to give the segment to; `flow` is the one on its key, or NULL. */
static struct sf_flow *flow_for(struct sf_tracker *t, struct sf_flow *flow,
                                const struct sf_segment *seg, bool *waits)
{
    if (flow == NULL)
        return flow_follow(t, seg);
    switch (sf_reuse_judge(flow, seg)) {
    case SF_REUSE_NO: return flow;
    case SF_REUSE_NEW: return flow_succeed(t, flow, seg, sf_track_new_id(t));
    case SF_REUSE_WAIT: *waits = keep_waiting(t, flow, seg); return flow;
    case SF_REUSE_DECIDED: return flow_succeed_pending(t, flow);
    case SF_REUSE_REOPEN: return flow; /* the RST first: see sf_tracker_segment() */
    case SF_REUSE_REFUSE: sf_reuse_absorb(t, flow); return flow;
    case SF_REUSE_SETTLE: return flow_for(t, settle_pending(t, flow), seg, waits);
    }
    return flow;
}

/* A lone SYN is what a connection begins with: nothing else can be said of it. */
static void judge_lone_syn(const struct sf_tracker *t, const struct sf_segment *seg,
                           struct sf_judgement *out)
{
    if (out == NULL)
        return;
    *out = (struct sf_judgement){.conn = t->options.ids_by_packet ? seg->packet : t->next_id - 1,
                                 .from = SF_CLIENT,
                                 .window = seg->window,
                                 .rtt_ns = SF_NS_UNKNOWN};
}

/* What the phases find for a segment of a connection that goes on, or is told and only lingers.
 * Returns where the slot of the views is, or NULL when they have told it. */
static void **take_turn(struct sf_tracker *t, struct sf_flow *flow, const struct sf_segment *seg,
                        bool waits, struct sf_judgement *out)
{
    struct sf_turn turn;
    void **slot = flow->is_tomb ? NULL : &flow->view;
    t->totals.late_segments += flow->is_tomb;
    if (waits || flow->is_tomb)
        sf_turn_begin(&turn, t, flow, seg, false);
    else
        sf_turn_run(&turn, t, flow, seg, false);
    if (out == NULL)
        return slot;
    sf_turn_judgement(&turn, out);
    if (waits)
        sf_reuse_tell(flow->pending, seg, out);
    return slot;
}

/* Any segment but a steady one; `flow` is the one on its key, or NULL. */
SF_APART static void **take_unsteady(struct sf_tracker *t, struct sf_flow *flow,
                                     const struct sf_segment *seg, struct sf_judgement *out)
{
    bool waits = false;
    if (flow == NULL && sf_young_wait(t, seg)) {
        judge_lone_syn(t, seg, out);
        sf_leave_evict(t);
        return NULL;
    }
    flow = flow_for(t, flow, seg, &waits);
    if (flow == NULL) {
        if (out != NULL)
            *out = (struct sf_judgement){.rtt_ns = SF_NS_UNKNOWN};
        return NULL;
    }
    bool reopens = flow->pending != NULL && !waits && (seg->flags & SF_TH_RST) &&
                   sf_reuse_judge(flow, seg) == SF_REUSE_REOPEN;
    void **slot = take_turn(t, flow, seg, waits, out);
    struct sf_flow *next = reopens ? flow_succeed_pending(t, flow) : NULL;
    sf_leave_evict(t);
    return next != NULL ? &next->view : slot;
}

void **sf_tracker_segment(struct sf_tracker *t, const struct sf_segment *seg,
                          struct sf_judgement *out)
{
    sf_leave_release(t);
    sf_rest_pack(t);
    t->now_packet = seg->packet;
    sf_leave_advance(t, seg->ts_ns);
    t->event_ns = seg->ts_ns;
    struct sf_flow *flow = sf_flow_table_find(t->table, &seg->key, seg->hash);
    if (flow == NULL) {
        bool is_noted = false;
        flow = sf_rest_wake_for(t, seg, out == NULL ? &is_noted : NULL);
        if (is_noted)
            return NULL;
    }
    if (flow == NULL || !flow->is_steady || !sf_steady_segment(t, flow, seg, out))
        return take_unsteady(t, flow, seg, out);
    if (sf_track_has_limits(t))
        sf_flow_touch(t, flow, SF_FLOWS_OPEN);
    return &flow->view;
}

bool sf_tracker_has_begun(const struct sf_tracker *t, uint64_t packet)
{
    return t->begun_packet == packet;
}

bool sf_tracker_knows(struct sf_tracker *t, const struct sf_segment *seg)
{
    sf_leave_release(t);
    return sf_rest_find(t, &seg->key, seg->hash) != NULL;
}

void sf_tracker_icmp(struct sf_tracker *t, const struct sf_icmp_quote *quote)
{
    sf_leave_release(t);
    t->now_packet = quote->packet;
    sf_leave_advance(t, quote->ts_ns);
    t->event_ns = quote->ts_ns;
    struct sf_flow *flow = sf_rest_find(t, &quote->key, quote->hash);
    if (flow == NULL || flow->is_tomb)
        return;
    struct sf_noted *noted = sf_noted_find(flow, SF_ANOMALY_ICMP_ERROR, (int)quote->dir);
    uint64_t code = (uint64_t)quote->type << 8 | quote->code;
    uint64_t add = noted == NULL ? code : code - noted->value; /* the last one's code stands */
    flow->icmp_sender = quote->sender;
    sf_note_kind(t, flow, SF_ANOMALY_ICMP_ERROR, (int)quote->dir, quote->packet, add,
                 (enum sf_note_kind)quote->ip_version, SF_WARNING);
    flow->icmp_sender = NULL;
}

bool sf_tracker_update(struct sf_tracker *t, struct sf_record *out)
{
    sf_ns interval = t->options.update_interval_ns, due = t->options.handshake_due_ns;
    sf_ns longest = looks_each(t) > due ? looks_each(t) : due;
    struct sf_flow *flow;
    sf_leave_release(t);
    while ((flow = sf_flow_table_due(t->table, t->now_ns, longest)) != NULL) {
        if (flow->is_tomb)
            continue;
        if (due != 0)
            sf_record_note_overdue(t, flow);
        if (sf_rest_pack_silent(t, flow))
            continue;
        sf_track_wake_later(t, flow);
        if (flow->is_closed || interval == 0 || t->now_ns - flow->first_ns < interval ||
            flow->told_packet == flow->last_packet)
            continue;
        flow->told_packet = flow->last_packet;
        sf_record_fill_open(t, flow, out);
        return true;
    }
    sf_rest_pack_oldest(t);
    return false;
}

/* --- the end, and what comes out -------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
    const struct sf_flow *x = *(struct sf_flow *const *)a, *y = *(struct sf_flow *const *)b;
    return (x->id > y->id) - (x->id < y->id);
}

static int settle_all(struct sf_tracker *t)
{
    sf_rest_wake_waiting(t);
    size_t count = sf_flow_table_count(t->table);
    struct sf_flow **flows = malloc((count + 1) * sizeof(*flows));
    if (flows == NULL)
        return -1;
    sf_flow_table_all(t->table, flows);
    qsort(flows, count, sizeof(*flows), by_id);
    for (size_t i = 0; i < count; i++)
        if (flows[i]->pending != NULL)
            settle_pending(t, flows[i]);
    free(flows);
    return 0;
}

/* Connections are woken as their records are fetched; but all events come before that. */
void sf_tracker_finish(struct sf_tracker *t)
{
    sf_leave_release(t);
    sf_leave_rest(t);
    sf_leave_forget_tombs(t);
    t->event_ns = t->now_ns;
    if (settle_all(t) != 0 || sf_leavers_begin_last(t) != 0) {
        sf_leave_unsorted(t);
        return;
    }
    if (t->options.want_events)
        sf_leave_rest(t);
}

bool sf_tracker_has_news(const struct sf_tracker *t)
{
    return t->event_head != t->event_count || t->leaving.first != NULL || t->leavers.are_under_way;
}

bool sf_tracker_event(struct sf_tracker *t, struct sf_event *out)
{
    if (t->event_head == t->event_count) {
        t->event_head = t->event_count = 0;
        return false;
    }
    *out = t->events[t->event_head++];
    return true;
}

struct sf_track_totals sf_tracker_totals(const struct sf_tracker *t)
{
    struct sf_track_totals totals = t->totals;
    totals.open = sf_flow_table_count(t->table) - sf_flow_table_listed(t->table, SF_FLOWS_CLOSED) -
                  sf_flow_table_listed(t->table, SF_FLOWS_REPORTED) + sf_rest_open_count(t);
    return totals;
}

void sf_track_totals_add(struct sf_track_totals *sum, const struct sf_track_totals *totals)
{
    sum->opened += totals->opened;
    sum->connections += totals->connections;
    sum->capture_duplicates += totals->capture_duplicates;
    sum->evicted += totals->evicted;
    sum->late_segments += totals->late_segments;
    sum->open += totals->open;
    sum->opening += totals->opening;
}
