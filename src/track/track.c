/* The order of the phases for one segment, and which connection a segment belongs to. */
#include "synfin/track.h"

#include <stdlib.h>
#include <string.h>

#include "track_internal.h"

/* Of --max-memory, for all that is not a connection: the program, the file's pages at hand, what
 * the views know of streams gone by. */
static const uint64_t BASE_MEMORY = 36 << 20;

/* A clock that goes back further was set; packets of several rings differ by less. */
static const sf_ns CLOCK_SET = 60 * SF_SEC;

struct sf_tracker *sf_tracker_new(const struct sf_track_options *options)
{
    struct sf_tracker *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->options = *options;
    t->next_id = 1;
    t->now_ns = SF_NS_UNKNOWN;
    t->table = sf_flow_table_new();
    if (t->table == NULL || sf_rest_init(t) != 0) {
        sf_tracker_free(t);
        return NULL;
    }
    return t;
}

static void release_handed_out(struct sf_tracker *t)
{
    struct sf_flow *flow = t->handed_out;
    t->handed_out = NULL;
    if (flow == NULL)
        return;
    flow->is_queued = false;
    if (!flow->is_tomb) {
        sf_flow_table_release(t->table, flow);
        return;
    }
    flow->view = NULL; /* the views have let go of it with the record */
    sf_flow_table_trim(flow);
}

static void conclude(struct sf_tracker *t, struct sf_flow *flow, enum sf_ended_by ended_by);

/* Several trackers may share the input: what leaves at one packet comes in an order that each can
 * tell by itself. Once the input is over, those that rest are woken one by one. */
static struct sf_flow *next_leaving(struct sf_tracker *t)
{
    if (t->is_leaving_unsorted)
        sf_departures_sort(&t->leaving);
    t->is_leaving_unsorted = false;
    uint64_t left = t->leaving.first == NULL ? UINT64_MAX : t->leaving.first->id;
    if (left < sf_rest_last_id(t))
        return sf_departures_take(&t->leaving);
    struct sf_flow *flow = sf_rest_last(t);
    if (flow == NULL)
        return NULL;
    conclude(t, flow, SF_ENDED_OPEN);
    sf_flow_table_remove(t->table, flow);
    return flow;
}

static struct sf_flow *next_finished(struct sf_tracker *t)
{
    struct sf_flow *flow = sf_departures_take(&t->finished);
    return flow != NULL ? flow : next_leaving(t);
}

void sf_tracker_free(struct sf_tracker *t)
{
    if (t == NULL)
        return;
    release_handed_out(t);
    struct sf_flow *flow;
    while ((flow = sf_departures_take(&t->finished)) != NULL ||
           (flow = sf_departures_take(&t->leaving)) != NULL)
        if (!flow->is_tomb)
            sf_flow_table_release(t->table, flow);
    sf_rest_dispose(t);
    sf_flow_table_free(t->table);
    free(t->events);
    free(t->timeline);
    free(t->anomalies);
    free(t);
}

static void prefetch_parts(const struct sf_flow *flow)
{
    enum { LINE = 64, VIEW_LINES = 6 * LINE };
    if (flow == NULL)
        return;
    for (unsigned at = 0; flow->view != NULL && at < VIEW_LINES; at += LINE)
        __builtin_prefetch((const char *)flow->view + at);
    __builtin_prefetch(flow->ep[0].sent);
    __builtin_prefetch(flow->ep[1].sent);
}

void sf_tracker_prefetch(const struct sf_tracker *t, const struct sf_segment *seg,
                         enum sf_prefetch_step step)
{
    switch (step) {
    case SF_PREFETCH_PLACE:
        sf_flow_table_prefetch(t->table, seg->hash);
        sf_shelf_prefetch(t->shelf, seg->hash);
        return;
    case SF_PREFETCH_FLOW: sf_flow_table_prefetch_flow(t->table, seg->hash); return;
    case SF_PREFETCH_PARTS: prefetch_parts(sf_flow_table_probable(t->table, seg->hash)); return;
    }
}

/* --- connections come and go --------------------------------------------------------------- */

static void endpoint_init(struct sf_endpoint *ep)
{
    ep->fin = ep->right_edge = ep->sack_high = ep->suspect = ep->probe_end = SF_OFFSET_NONE;
    ep->proof = SF_OFFSET_NONE;
    ep->srtt_ns = ep->late_ns = SF_NS_UNKNOWN;
    ep->is_proved = true;
}

uint64_t sf_track_peek_id(const struct sf_tracker *t)
{
    return t->options.ids_by_packet ? t->now_packet : t->next_id;
}

uint64_t sf_track_new_id(struct sf_tracker *t)
{
    uint64_t id = sf_track_peek_id(t);
    t->next_id++;
    return id;
}

/* When the handshake is due, then each interval after the first packet. */
static void wake_later(struct sf_tracker *t, struct sf_flow *flow)
{
    sf_ns interval = t->options.update_interval_ns, due = t->options.handshake_due_ns;
    sf_ns age = t->now_ns - flow->first_ns;
    sf_ns next = interval != 0 ? (age / interval + 1) * interval : 0;
    if (due != 0 && age < due && (next == 0 || due < next))
        next = due;
    if (next != 0)
        sf_flow_table_wake(t->table, flow, flow->first_ns + next);
}

struct sf_flow *sf_flow_open(struct sf_tracker *t, const struct sf_segment *seg, uint64_t id)
{
    struct sf_flow *flow = sf_flow_table_add(t->table, &seg->key, seg->hash);
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
    wake_later(t, flow);
    if ((seg->flags & (SF_TH_SYN | SF_TH_RST)) == SF_TH_SYN)
        return flow;
    flow->is_midstream = true;
    sf_note(t, flow, SF_ANOMALY_MIDSTREAM, SF_EITHER_END, seg->packet, 0);
    return flow;
}

/* The SYNs that waited opened nothing: they are stray packets of the connection. */
static void absorb_pending(struct sf_tracker *t, struct sf_flow *flow)
{
    struct sf_pending *pending = flow->pending;
    flow->pending = NULL;
    for (unsigned i = 0; i < pending->count; i++) {
        const struct sf_segment *seg = &pending->segments[i];
        struct sf_turn turn = {.tracker = t,
                               .flow = flow,
                               .seg = seg,
                               .snd = &flow->ep[seg->dir],
                               .rcv = &flow->ep[sf_dir_other(seg->dir)],
                               .dir = seg->dir,
                               .is_replay = true};
        uint64_t last = flow->last_packet;
        sf_count_segment(&turn);
        if (last > flow->last_packet)
            flow->last_packet = last;
    }
    free(pending->segments);
    free(pending);
}

static bool is_opening(const struct sf_endpoint *ep)
{
    return ep->state == SF_SYN_SENT || ep->state == SF_SYN_RECEIVED;
}

static void count_opening(struct sf_tracker *t, struct sf_flow *flow, bool now)
{
    t->totals.opening += (uint64_t)now - (uint64_t)flow->is_opening;
    flow->is_opening = now;
}

/* Ends the flow's story: its record can be made. */
static void conclude(struct sf_tracker *t, struct sf_flow *flow, enum sf_ended_by ended_by)
{
    bool closed = flow->is_closed && ended_by != SF_ENDED_REUSED;
    if (flow->pending != NULL)
        absorb_pending(t, flow);
    flow->ended_by = (uint8_t)(closed ? SF_ENDED_CLOSED : ended_by);
    sf_record_conclude(t, flow);
    count_opening(t, flow, false);
}

static void queue(struct sf_tracker *t, struct sf_flow *flow)
{
    flow->is_queued = true;
    if (t->leaving.last != NULL && t->leaving.last->id > flow->id)
        t->is_leaving_unsorted = true;
    sf_departures_add(&t->leaving, flow);
}

static void flow_finish(struct sf_tracker *t, struct sf_flow *flow, enum sf_ended_by ended_by)
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

static void forget_tomb(struct sf_tracker *t, struct sf_flow *flow)
{
    sf_flow_table_remove(t->table, flow);
    flow->is_tomb = false;
    if (!flow->is_queued)
        sf_flow_table_release(t->table, flow);
}

static void process(struct sf_turn *turn);

static void process_on(struct sf_turn *turn, struct sf_flow *flow, const struct sf_segment *seg,
                       bool is_replay)
{
    struct sf_tracker *t = turn->tracker;
    *turn = (struct sf_turn){.tracker = t,
                             .flow = flow,
                             .seg = seg,
                             .snd = &flow->ep[seg->dir],
                             .rcv = &flow->ep[sf_dir_other(seg->dir)],
                             .dir = seg->dir,
                             .is_replay = is_replay,
                             .rtt_ns = SF_NS_UNKNOWN};
    process(turn);
}

/* A connection that takes the place of another on the same key, beginning with `first`. */
static struct sf_flow *flow_succeed(struct sf_tracker *t, struct sf_flow *old,
                                    const struct sf_segment *first, uint64_t id)
{
    void *view = old->view;
    old->view_next_packet = first->packet;
    struct sf_pending *pending = old->pending;
    old->pending = NULL;
    /* closed before the new SYN came, or ended by it */
    if (old->is_tomb)
        forget_tomb(t, old);
    else
        flow_finish(t, old, pending == NULL && old->is_closed ? SF_ENDED_CLOSED : SF_ENDED_REUSED);
    struct sf_flow *flow = sf_flow_open(t, first, id);
    if (flow == NULL) {
        if (pending != NULL)
            free(pending->segments);
        free(pending);
        return NULL;
    }
    flow->view = view;
    sf_note(t, flow, SF_ANOMALY_PORT_REUSED, SF_EITHER_END, first->packet, 0);
    if (pending == NULL)
        return flow;
    struct sf_turn turn = {.tracker = t};
    for (unsigned i = 0; i < pending->count; i++)
        process_on(&turn, flow, &pending->segments[i], true);
    free(pending->segments);
    free(pending);
    return flow;
}

static struct sf_flow *flow_succeed_pending(struct sf_tracker *t, struct sf_flow *old)
{
    struct sf_segment first = old->pending->segments[0];
    return flow_succeed(t, old, &first, old->pending->id);
}

/* --- one segment ---------------------------------------------------------------------------- */

static void take_response(struct sf_turn *turn)
{
    struct sf_flow *flow = turn->flow;
    if (turn->seg->payload_len == 0 || turn->is_keep_alive || turn->is_probe)
        return;
    if (turn->sends_new_data && flow->last_data_dir == (int8_t)sf_dir_other(turn->dir))
        sf_samples_add(&turn->snd->response, turn->seg->ts_ns - flow->last_data_ns);
    if (turn->sends_new_data) {
        flow->last_data_dir = (int8_t)turn->dir;
        flow->last_data_ns = turn->seg->ts_ns;
    }
}

static void remember_last(struct sf_turn *turn)
{
    struct sf_endpoint *snd = turn->snd;
    const struct sf_segment *seg = turn->seg;
    snd->last_ack = seg->ack;
    snd->last_ip_id = seg->ip_id;
    snd->last_flags = seg->flags;
    snd->last_window = seg->window;
    snd->last_is_keep_alive = turn->is_keep_alive;
    snd->last_is_probe = turn->is_probe;
    turn->flow->last_dir = (uint8_t)turn->dir;
}

static void process_segment(struct sf_turn *turn)
{
    sf_open_alternative(turn);
    sf_sequence_locate(turn);
    if (turn->is_stray) {
        sf_sequence_stray(turn);
        return;
    }
    sf_sequence_segment(turn);
    sf_ack_segment(turn);
    sf_open_segment(turn);
    sf_reset_aftermath(turn);
    sf_life_segment(turn);
    sf_window_segment(turn);
    sf_window_check(turn);
    take_response(turn);
    if (turn->snd->hole_count > 0 || turn->rcv->hole_count > 0)
        sf_ack_judge_losses(turn->tracker, turn->flow, turn->seg->ts_ns, false);
}

bool sf_track_has_limits(const struct sf_tracker *t)
{
    return t->options.idle_timeout_ns > 0 || t->options.max_memory > 0;
}

static void process(struct sf_turn *turn)
{
    struct sf_tracker *t = turn->tracker;
    struct sf_flow *flow = turn->flow;
    if (!turn->is_replay && sf_duplicate_check(turn))
        return;
    sf_role_segment(turn);
    uint8_t before[SF_DIR_COUNT] = {flow->ep[0].state, flow->ep[1].state};
    bool one_spoke = turn->rcv->packets == 0 || turn->snd->packets == 0;
    sf_count_segment(turn);
    if (turn->seg->flags & SF_TH_RST)
        sf_reset_segment(turn);
    else
        process_segment(turn);
    remember_last(turn);
    if (sf_track_has_limits(t) || (one_spoke && turn->rcv->packets > 0))
        sf_flow_touch(t, flow, turn->rcv->packets > 0 ? SF_FLOWS_OPEN : SF_FLOWS_EMBRYONIC);
    bool is_moved = before[0] != flow->ep[0].state || before[1] != flow->ep[1].state;
    if (is_moved)
        count_opening(t, flow, is_opening(&flow->ep[0]) || is_opening(&flow->ep[1]));
    if (flow->is_closed || is_moved)
        sf_life_update_closed(t, flow);
    flow->is_steady = sf_steady_holds(flow);
}

static void fill_judgement(const struct sf_turn *turn, struct sf_judgement *out)
{
    const struct sf_segment *seg = turn->seg;
    const struct sf_endpoint *snd = turn->snd, *rcv = turn->rcv;
    *out = (struct sf_judgement){
        .conn = turn->flow->id,
        .from = sf_role_of(turn->flow, (int)turn->dir),
        .seq = snd->has_base ? sf_offset_of(snd, seg->seq, snd->snd_nxt) : 0,
        .ack = (seg->flags & SF_TH_ACK) && rcv->has_base ? sf_offset_of(rcv, seg->ack, rcv->snd_nxt)
                                                         : 0,
        .window = sf_window_of(turn),
        .labels = turn->labels,
        .rtt_ns = turn->rtt_ns,
        .in_flight = sf_outstanding(snd),
        .t_ns = seg->ts_ns - turn->flow->first_ns,
        .view = &turn->flow->view};
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
        forget_tomb(t, flow);
}

void sf_flow_replay(struct sf_tracker *t, struct sf_flow *flow, const struct sf_segment *seg,
                    struct sf_judgement *out)
{
    struct sf_turn turn = {.tracker = t};
    process_on(&turn, flow, seg, false);
    fill_judgement(&turn, out);
}

static void finish_oldest(struct sf_tracker *t, const struct sf_oldest *oldest,
                          enum sf_ended_by ended_by)
{
    struct sf_flow *flow = sf_rest_wake(t, oldest);
    if (flow != NULL)
        flow_finish(t, flow, ended_by);
}

static void expire(struct sf_tracker *t)
{
    struct sf_oldest oldest;
    if (t->options.report_after_ns != 0)
        expire_early(t);
    while (sf_rest_oldest(t, SF_FLOWS_CLOSED, &oldest) &&
           has_passed(t, oldest.touched_ns, t->options.linger_ns))
        finish_oldest(t, &oldest, SF_ENDED_CLOSED);
    if (t->options.idle_timeout_ns == 0)
        return;
    for (int list = SF_FLOWS_EMBRYONIC; list <= SF_FLOWS_OPEN; list++)
        while (sf_rest_oldest(t, (enum sf_flow_list)list, &oldest) &&
               t->now_ns - oldest.touched_ns > t->options.idle_timeout_ns)
            finish_oldest(t, &oldest, SF_ENDED_IDLE);
}

static bool forget_oldest_tomb(struct sf_tracker *t)
{
    struct sf_flow *tomb = sf_flow_table_oldest(t->table, SF_FLOWS_REPORTED);
    if (tomb != NULL)
        forget_tomb(t, tomb);
    return tomb != NULL;
}

/* What is reported goes first, then embryonic connections, then the longest idle. */
static void evict_one(struct sf_tracker *t)
{
    static const enum sf_flow_list order[] = {SF_FLOWS_EMBRYONIC, SF_FLOWS_CLOSED, SF_FLOWS_OPEN};
    struct sf_oldest oldest;
    size_t i = 0;
    while (!sf_rest_oldest(t, order[i], &oldest))
        i++;
    t->totals.evicted++;
    finish_oldest(t, &oldest, SF_ENDED_EVICTED);
}

static void evict(struct sf_tracker *t)
{
    uint64_t granted = t->options.max_memory;
    if (granted == 0)
        return;
    uint64_t bound = granted - (granted / 3 < BASE_MEMORY ? granted / 3 : BASE_MEMORY);
    while (sf_rest_memory(t) > bound && sf_rest_count(t) > 1)
        if (!forget_oldest_tomb(t))
            evict_one(t);
}

static void advance(struct sf_tracker *t, sf_ns now)
{
    if (now <= t->now_ns)
        return;
    t->now_ns = t->event_ns = now;
    expire(t);
}

void sf_tracker_pass(struct sf_tracker *t, uint64_t packet, sf_ns ts_ns)
{
    t->now_packet = packet;
    if (ts_ns <= t->now_ns)
        return;
    release_handed_out(t);
    advance(t, ts_ns);
}

void sf_tracker_tick(struct sf_tracker *t, sf_ns now_ns)
{
    release_handed_out(t);
    if (sf_ns_known(t->now_ns) && t->now_ns - now_ns > CLOCK_SET)
        t->now_ns = now_ns - 1;
    advance(t, now_ns);
}

/* A connection on a key that is not in the table. The one before may have left the table just now,
 * its record not yet fetched: then the views' slot passes on. */
static struct sf_flow *flow_follow(struct sf_tracker *t, const struct sf_segment *seg)
{
    struct sf_flow *old = t->leaving.first, *flow = sf_flow_open(t, seg, sf_track_new_id(t));
    while (old != NULL && (old->view_next_packet != 0 || old->hash != seg->hash ||
                           memcmp(&old->key, &seg->key, sizeof old->key) != 0))
        old = old->next_queued;
    if (old == NULL || flow == NULL)
        return flow;
    flow->view = old->view;
    old->view_next_packet = seg->packet;
    return flow;
}

/* What a waiting SYN is in the connection that it may open: its own times and numbers. */
static void judge_pending(const struct sf_pending *pending, const struct sf_segment *seg,
                          struct sf_judgement *out)
{
    const struct sf_segment *first = &pending->segments[0];
    out->conn = pending->id;
    out->from = SF_CLIENT;
    out->t_ns = seg->ts_ns - first->ts_ns;
    out->seq = sf_seq_distance(first->seq, seg->seq);
    out->in_flight = 0;
}

static bool keep_waiting(struct sf_tracker *t, struct sf_flow *flow, const struct sf_segment *seg)
{
    bool first = flow->pending == NULL;
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
    case SF_REUSE_REFUSE: absorb_pending(t, flow); return flow;
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

void sf_tracker_segment(struct sf_tracker *t, const struct sf_segment *seg,
                        struct sf_judgement *out)
{
    release_handed_out(t);
    sf_rest_pack(t);
    t->now_packet = seg->packet;
    advance(t, seg->ts_ns);
    t->event_ns = seg->ts_ns;
    struct sf_flow *flow = sf_rest_find(t, &seg->key, seg->hash);
    if (flow == NULL && sf_rest_wait(t, seg)) {
        judge_lone_syn(t, seg, out);
        evict(t);
        return;
    }
    if (flow != NULL && flow->is_steady && sf_steady_segment(t, flow, seg, out)) {
        if (sf_track_has_limits(t))
            sf_flow_touch(t, flow, SF_FLOWS_OPEN);
        return;
    }
    struct sf_turn turn = {.tracker = t, .rtt_ns = SF_NS_UNKNOWN};
    bool waits = false;
    flow = flow_for(t, flow, seg, &waits);
    if (flow == NULL) {
        if (out != NULL)
            *out = (struct sf_judgement){.rtt_ns = SF_NS_UNKNOWN};
        return;
    }
    bool reopens = flow->pending != NULL && !waits && (seg->flags & SF_TH_RST) &&
                   sf_reuse_judge(flow, seg) == SF_REUSE_REOPEN;
    bool is_late = flow->is_tomb;
    t->totals.late_segments += is_late;
    if (waits || is_late) {
        turn.flow = flow;
        turn.seg = seg;
        turn.dir = seg->dir;
        turn.snd = &flow->ep[seg->dir];
        turn.rcv = &flow->ep[sf_dir_other(seg->dir)];
    } else {
        process_on(&turn, flow, seg, false);
    }
    if (out != NULL)
        fill_judgement(&turn, out);
    if (is_late && out != NULL)
        out->view = NULL; /* the views have told this connection */
    if (reopens) {
        struct sf_flow *next = flow_succeed_pending(t, flow);
        if (out != NULL && next != NULL)
            out->view = &next->view;
    }
    if (waits && out != NULL)
        judge_pending(flow->pending, seg, out);
    evict(t);
}

void sf_tracker_icmp(struct sf_tracker *t, const struct sf_icmp_quote *quote)
{
    release_handed_out(t);
    t->now_packet = quote->packet;
    advance(t, quote->ts_ns);
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
    struct sf_flow *flow;
    release_handed_out(t);
    while ((flow = sf_flow_table_due(t->table, t->now_ns, interval > due ? interval : due)) !=
           NULL) {
        if (flow->is_tomb)
            continue;
        wake_later(t, flow);
        if (due != 0)
            sf_record_note_overdue(t, flow);
        if (flow->is_closed || interval == 0 || t->now_ns - flow->first_ns < interval ||
            flow->told_packet == flow->last_packet)
            continue;
        flow->told_packet = flow->last_packet;
        sf_record_fill_open(t, flow, out);
        return true;
    }
    return false;
}

/* --- the end, and what comes out -------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
    const struct sf_flow *x = *(struct sf_flow *const *)a, *y = *(struct sf_flow *const *)b;
    return (x->id > y->id) - (x->id < y->id);
}

/* SYNs still waiting: repeated into silence, or of an end that said nothing else, they were an
 * attempt of their own. */
static void settle_pending(struct sf_tracker *t, struct sf_flow *flow)
{
    const struct sf_pending *pending = flow->pending;
    bool silent_since = pending->count > 1 && flow->last_packet < pending->segments[0].packet;
    if (silent_since || flow->ep[pending->dir].packets == 0)
        flow_succeed_pending(t, flow);
    else
        absorb_pending(t, flow);
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

/* Without memory for the order of ids. */
static void finish_unsorted(struct sf_tracker *t)
{
    struct sf_oldest oldest;
    for (int list = SF_FLOWS_EMBRYONIC; list <= SF_FLOWS_CLOSED; list++)
        while (sf_rest_oldest(t, (enum sf_flow_list)list, &oldest))
            finish_oldest(t, &oldest, SF_ENDED_OPEN);
}

/* Connections are woken as their records are fetched; but all events come before that. */
void sf_tracker_finish(struct sf_tracker *t)
{
    release_handed_out(t);
    while (forget_oldest_tomb(t))
        continue;
    t->event_ns = t->now_ns;
    if (settle_all(t) != 0 || sf_rest_begin_last(t) != 0) {
        finish_unsorted(t);
        return;
    }
    struct sf_flow *flow;
    while (t->options.want_events && (flow = sf_rest_last(t)) != NULL)
        flow_finish(t, flow, SF_ENDED_OPEN);
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

bool sf_tracker_record(struct sf_tracker *t, struct sf_record *out)
{
    release_handed_out(t);
    struct sf_flow *flow = next_finished(t);
    if (flow == NULL)
        return false;
    t->handed_out = flow;
    t->totals.connections++;
    sf_record_fill(t, flow, out);
    return true;
}

bool sf_tracker_departed(struct sf_tracker *t, struct sf_record *out)
{
    struct sf_flow *flow = next_leaving(t);
    if (flow == NULL)
        return false;
    sf_departures_add(&t->finished, flow);
    sf_record_identify(flow, out);
    return true;
}

struct sf_track_totals sf_tracker_totals(const struct sf_tracker *t)
{
    struct sf_track_totals totals = t->totals;
    totals.open = sf_flow_table_count(t->table) - sf_flow_table_listed(t->table, SF_FLOWS_CLOSED) -
                  sf_flow_table_listed(t->table, SF_FLOWS_REPORTED) + sf_rest_open_count(t);
    return totals;
}
