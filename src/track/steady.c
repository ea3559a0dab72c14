/* What nearly every segment does: both ends are established, it sends the next octets or none,
 * acknowledges what its peer sent, and says nothing else. Then the phases of track.c come down to
 * counting, done here in one go; where anything is unusual nothing is touched and they do it. */
#include "track_internal.h"

static bool is_end_steady(const struct sf_endpoint *ep, const struct sf_endpoint *peer)
{
    return ep->state == SF_ESTABLISHED && ep->is_proved && ep->has_base && ep->has_sent &&
           ep->packets > 0 && ep->has_window && !ep->is_window_zero && ep->syn_is_acked &&
           (ep->acked_peer_syn || !peer->has_iss) && ep->fin == SF_OFFSET_NONE &&
           ep->hole_count == 0;
}

static bool holds(const struct sf_flow *flow)
{
    bool is_open = sf_ns_known(flow->ack_ns) || !flow->has_syn_ack;
    bool is_plain = !flow->is_simultaneous && !flow->has_alternative && !flow->role_needs_data;
    bool goes_on = !flow->is_closed && flow->reset.packet == 0 && flow->challenge_packet == 0 &&
                   flow->first_fin == SF_NO_FIN && flow->pending == NULL;
    return is_open && is_plain && goes_on && is_end_steady(&flow->ep[0], &flow->ep[1]) &&
           is_end_steady(&flow->ep[1], &flow->ep[0]);
}

void sf_steady_settle(struct sf_flow *flow)
{
    flow->is_steady = holds(flow);
    flow->is_scaled = flow->ep[0].has_wscale && flow->ep[1].has_wscale;
    flow->is_scale_known = sf_flow_is_scale_known(flow);
}

/* One steady segment; offsets as in struct sf_turn. */
struct step {
    struct sf_tracker *tracker;
    const struct sf_segment *seg;
    struct sf_flow *flow;
    struct sf_endpoint *snd, *rcv;
    sf_offset ack, end;
    uint32_t window; /* scaled */
    bool has_timestamps;
};

/* Whether it says nothing but its octets, its ACK and its timestamps. */
static bool says_nothing_else(const struct sf_segment *seg)
{
    unsigned may_be = seg->payload_len > 0 ? SF_TH_PSH : 0u;
    return (seg->flags & ~may_be) == SF_TH_ACK && seg->window != 0 &&
           (seg->options.present & ~(unsigned)SF_OPT_HAS_TIMESTAMPS) == 0 && seg->ip_ecn != 3 &&
           !seg->length_guessed;
}

/* RFC 7323 §5.2: a TSval older than what the peer has echoed is judged elsewhere. */
static bool has_fresh_timestamps(const struct step *step)
{
    return !step->rcv->has_ts_echoed || step->seg->payload_len == 0 ||
           sf_seq_distance(sf_seq_of(step->rcv->ts_echoed), sf_seq_of(step->seg->options.ts_val)) >=
               0;
}

/* Its ACK may be the first one of resent octets, which tells whether the resending was needed. */
static bool may_judge_resent(const struct step *step)
{
    return step->rcv->resent != NULL && step->rcv->snd_una < step->rcv->resent_high;
}

static bool fits_data(const struct step *step)
{
    return step->snd->right_edge == SF_OFFSET_NONE || step->end < step->snd->right_edge;
}

/* A bare ACK that moves something: those that repeat one have their own meanings. */
static bool fits_ack(const struct step *step)
{
    return step->ack > step->rcv->snd_una && !sf_seq_equal(step->seg->ack, step->snd->last.ack);
}

/* Locates the segment. False when the phases must look at it. One that was captured before does not
 * come so far: its octets, or what it acknowledges, are not new. */
static bool begin(struct step *step)
{
    const struct sf_segment *seg = step->seg;
    const struct sf_endpoint *snd = step->snd, *rcv = step->rcv;
    if (!says_nothing_else(seg) || !sf_seq_equal(seg->seq, sf_seq_at(snd, snd->snd_nxt)))
        return false;
    step->ack = sf_offset_of(rcv, seg->ack, rcv->snd_nxt);
    step->end = snd->snd_nxt + seg->payload_len;
    if (step->ack > rcv->snd_nxt || step->ack < rcv->snd_una)
        return false;
    step->has_timestamps = sf_segment_has(seg, SF_OPT_HAS_TIMESTAMPS);
    if (step->has_timestamps && (may_judge_resent(step) || !has_fresh_timestamps(step)))
        return false;
    step->window = (uint32_t)seg->window << (step->flow->is_scaled ? snd->shift : 0);
    return seg->payload_len > 0 ? fits_data(step) : fits_ack(step);
}

/* sf_outstanding() while no FIN was seen. */
static uint64_t outstanding(const struct sf_endpoint *snd)
{
    sf_offset una = snd->snd_una < 1 ? 1 : snd->snd_una;
    return snd->snd_nxt > una ? (uint64_t)(snd->snd_nxt - una) : 0;
}

static void take_data(struct step *step)
{
    const struct sf_segment *seg = step->seg;
    struct sf_flow *flow = step->flow;
    struct sf_endpoint *snd = step->snd;
    uint32_t len = seg->payload_len;
    if (snd->data_packets == 0 || len < snd->segment_min)
        snd->segment_min = len;
    if (len > snd->segment_max)
        snd->segment_max = len;
    if (snd->data_packets++ == 0)
        snd->first_data_ns = seg->ts_ns;
    snd->last_data_ns = seg->ts_ns;
    snd->payload_bytes += len;
    if (step->rcv->mss != 0 && len > step->rcv->mss)
        sf_note(step->tracker, flow, SF_ANOMALY_OFFLOADED_SEGMENTS, (int)seg->dir, seg->packet, 0);
    snd->unique_bytes += len;
    snd->pushes += (seg->flags & SF_TH_PSH) != 0;
    sf_sent_add(step->tracker->rooms, snd, snd->snd_nxt, step->end, seg);
    snd->unheard.is_first = true;
    snd->unheard.sendings = 0;
    snd->snd_nxt = step->end;
    uint64_t in_flight = outstanding(snd);
    if (in_flight > snd->in_flight_max)
        snd->in_flight_max = in_flight;
    if (flow->last_data_dir == (int8_t)sf_dir_other(seg->dir))
        sf_samples_add(step->tracker->rooms, &snd->response, seg->ts_ns - flow->last_data_ns);
    flow->last_data_dir = (int8_t)seg->dir;
    flow->last_data_ns = seg->ts_ns;
}

/* Returns the round-trip sample that the ACK gives, or SF_NS_UNKNOWN. */
static sf_ns take_ack(struct step *step)
{
    struct sf_endpoint *rcv = step->rcv;
    sf_ns rtt = sf_sent_acknowledge(rcv, step->ack, step->seg->ts_ns);
    if (sf_ns_known(rtt)) {
        sf_samples_add(step->tracker->rooms, &rcv->rtt, rtt);
        sf_rtt_update(&rcv->rtt_estimate, rtt);
    }
    rcv->snd_una = step->ack;
    rcv->dup_acks_in_row = 0;
    sf_ack_end_initial(rcv, step->ack);
    return rtt;
}

static void take_timestamps(struct step *step)
{
    struct sf_endpoint *snd = step->snd;
    uint32_t echoed = step->seg->options.ts_ecr;
    snd->saw_timestamps = true;
    snd->ts_recent_ns = step->seg->ts_ns;
    if (echoed == 0)
        return;
    if (!snd->has_ts_echoed || sf_seq_before(sf_seq_of(snd->ts_echoed), sf_seq_of(echoed)))
        snd->ts_echoed = echoed;
    snd->has_ts_echoed = true;
}

static void take_window(struct step *step)
{
    struct sf_endpoint *snd = step->snd, *rcv = step->rcv;
    bool is_other =
        step->window != snd->window_now || step->flow->is_scaled != snd->is_window_scaled;
    if (is_other)
        sf_window_extremes(snd, step->window, step->flow->is_scaled);
    snd->window_now = step->window;
    sf_offset edge = step->ack + step->window;
    if (step->flow->is_scale_known && edge > rcv->right_edge) /* NONE is the smallest */
        rcv->right_edge = edge;
}

static void count(struct step *step)
{
    const struct sf_segment *seg = step->seg;
    struct sf_endpoint *snd = step->snd, *rcv = step->rcv;
    sf_count_time(step->flow, snd, seg);
    if (seg->ttl < snd->ttl_min)
        snd->ttl_min = seg->ttl;
    if (seg->ttl > snd->ttl_max)
        snd->ttl_max = seg->ttl;
    snd->packets++;
    snd->ip_bytes += seg->ip_bytes;
    rcv->unheard = (struct sf_unheard){0};
}

static void remember(struct step *step)
{
    const struct sf_segment *seg = step->seg;
    struct sf_endpoint *snd = step->snd;
    snd->last.flags = seg->flags;
    snd->last.window = seg->window;
    snd->last.ack = seg->ack;
    snd->last.ip_id = seg->ip_id;
    snd->last.is_keep_alive = snd->last.is_probe = false;
    step->flow->last_dir = (uint8_t)seg->dir;
}

/* Made twice: what each packet goes through becomes a part of its only caller. */
SF_INLINE bool take(struct sf_tracker *t, struct sf_flow *flow, const struct sf_segment *seg,
                    struct sf_judgement *out)
{
    struct step step = {.tracker = t,
                        .seg = seg,
                        .flow = flow,
                        .snd = &flow->ep[seg->dir],
                        .rcv = &flow->ep[sf_dir_other(seg->dir)]};
    if (!begin(&step))
        return false;
    sf_offset at = step.snd->snd_nxt;
    sf_duplicate_forget_far(flow, seg->packet);
    sf_duplicate_remember(step.snd, seg, sf_duplicate_print(seg));
    count(&step);
    sf_count_checksum(t, flow, seg);
    if (seg->payload_len > 0)
        take_data(&step);
    if (step.has_timestamps)
        take_timestamps(&step);
    sf_ns rtt = step.ack > step.rcv->snd_una ? take_ack(&step) : SF_NS_UNKNOWN;
    take_window(&step);
    remember(&step);
    if (out != NULL)
        *out = (struct sf_judgement){.conn = flow->id,
                                     .from = sf_role_of(flow, (int)seg->dir),
                                     .seq = at,
                                     .ack = step.ack,
                                     .window = step.window,
                                     .rtt_ns = rtt,
                                     .in_flight = outstanding(step.snd),
                                     .t_ns = seg->ts_ns - flow->first_ns};
    return true;
}

bool sf_steady_segment(struct sf_tracker *t, struct sf_flow *flow, const struct sf_segment *seg,
                       struct sf_judgement *out)
{
    return take(t, flow, seg, out);
}

SF_APART bool sf_steady_again(struct sf_tracker *t, struct sf_flow *flow,
                              const struct sf_segment *seg)
{
    return take(t, flow, seg, NULL);
}
