/* What a segment's acknowledgement says: of the peer's octets, of their round trip, of what the tap
 * did not see, and of the way (duplicate ACKs, SACK, D-SACK). */
#include "track_internal.h"

/* An ACK of octets never seen is believed so far beyond what was seen and granted. */
static const sf_offset AHEAD_SLACK = 1 << 20, AHEAD_UNKNOWN = 1 << 24;
static const sf_ns TAP_DELAY_MAX = 50 * SF_MSEC;
/* Ticks by which kernels let a timestamp be older (Linux TCP_PAWS_WINDOW). */
enum { PAWS_SLACK = 1 };

sf_ns sf_flow_rtt(const struct sf_flow *flow)
{
    if (sf_ns_known(flow->syn_ns) && sf_ns_known(flow->ack_ns) && flow->ack_ns > flow->syn_ns &&
        !sf_flow_syns_crossed(flow))
        return flow->ack_ns - flow->syn_ns;
    sf_ns a = flow->ep[0].rtt_estimate.srtt_ns, b = flow->ep[1].rtt_estimate.srtt_ns;
    return a > b ? a : b; /* UNKNOWN is the smallest */
}

sf_ns sf_flow_tap_delay(const struct sf_flow *flow)
{
    sf_ns rtt = sf_flow_rtt(flow);
    return sf_ns_known(rtt) && rtt < TAP_DELAY_MAX ? rtt : TAP_DELAY_MAX;
}

static void choose_peer_base(struct sf_turn *turn)
{
    struct sf_endpoint *rcv = turn->rcv;
    rcv->base = sf_seq_add(turn->seg->ack, (uint32_t)-1);
    rcv->has_base = true;
    rcv->snd_nxt = rcv->low = rcv->snd_una = 1;
}

/* The peer sent only its SYN: more than that cannot be acknowledged by what answers it. An ACK of
 * an older connection may be (RFC 9293 §3.5.1, Figure 9). */
static bool is_ack_of_syn_only(const struct sf_turn *turn)
{
    const struct sf_endpoint *rcv = turn->rcv;
    return rcv->has_iss && rcv->packets == rcv->syns &&
           ((turn->seg->flags & SF_TH_SYN) || !turn->snd->has_iss);
}

/* How far beyond what was seen an acknowledgement is believed: to the edge that the acknowledging
 * end granted, and further where the tap may have missed both the grant and the octets. */
static sf_offset ahead_limit(const struct sf_endpoint *ep)
{
    if (ep->right_edge == SF_OFFSET_NONE)
        return AHEAD_UNKNOWN;
    sf_offset granted = ep->right_edge > ep->snd_nxt ? ep->right_edge - ep->snd_nxt : 0;
    return ep->data_packets == 0 && ep->has_iss ? granted : granted + AHEAD_SLACK;
}

/* The peer has acknowledged octets that did not pass yet: lost by the tap, or only late. */
static bool take_ack_ahead(struct sf_turn *turn)
{
    struct sf_endpoint *rcv = turn->rcv;
    sf_offset limit = ahead_limit(rcv);
    if (turn->ack == rcv->probe_end) {
        rcv->snd_nxt = turn->ack; /* the probe's octet was taken */
        return true;
    }
    if (turn->ack > rcv->snd_nxt + limit || is_ack_of_syn_only(turn))
        return false;
    turn->labels |= 1u << SF_LABEL_ACK_LOST_SEGMENT;
    /* What is due is not to grow by what may only be late. */
    sf_ack_judge_losses(turn->tracker, turn->flow, turn->seg->ts_ns, false);
    sf_hole_add(rcv, &(struct sf_hole){.begin = rcv->snd_nxt,
                                       .end = turn->ack,
                                       .made_ns = turn->seg->ts_ns,
                                       .acked_ns = turn->seg->ts_ns,
                                       .packet = turn->seg->packet});
    rcv->snd_nxt = turn->ack;
    return true;
}

/* The resending was needless: the original arrived. */
static void take_spurious(struct sf_endpoint *ep, struct sf_resent *resent)
{
    resent->is_spurious = true;
    if (resent->cause == SF_RESEND_TIMEOUT)
        ep->recover = 0; /* RFC 5682, 3522: the sender takes the timeout back */
    if (resent->cause != SF_RESEND_OTHER)
        ep->resent_by[resent->cause]--;
    ep->resent_by[SF_RESEND_SPURIOUS]++;
}

/* RFC 3522 §3.2: the first ACK of resent octets echoes a timestamp older than the resending's. */
static void judge_echo(struct sf_turn *turn)
{
    struct sf_endpoint *rcv = turn->rcv;
    if (rcv->resent == NULL || !sf_segment_has(turn->seg, SF_OPT_HAS_TIMESTAMPS))
        return;
    for (size_t i = 0; i < SF_RESENT_MAX; i++) {
        struct sf_resent *resent = &rcv->resent[i];
        /* A cumulative ACK echoes the first of what it acknowledges (RFC 7323 §4.3): it tells
         * something of that one only. */
        bool first_ack = resent->packet != 0 && resent->end <= turn->ack &&
                         resent->end > turn->una_before && resent->begin <= turn->una_before;
        if (first_ack && !resent->is_spurious && resent->ts_val != 0 &&
            sf_seq_before(sf_seq_of(turn->seg->options.ts_ecr), sf_seq_of(resent->ts_val)))
            take_spurious(rcv, resent);
    }
}

static void take_new_ack(struct sf_turn *turn)
{
    struct sf_endpoint *rcv = turn->rcv;
    turn->rtt_ns = sf_sent_acknowledge(rcv, turn->ack, turn->seg->ts_ns);
    if (sf_ns_known(turn->rtt_ns)) {
        sf_samples_add(turn->tracker->rooms, &rcv->rtt, turn->rtt_ns);
        sf_rtt_update(&rcv->rtt_estimate, turn->rtt_ns);
    }
    if (rcv->hole_count > 0)
        sf_hole_acknowledge(rcv, turn->ack, turn->seg->ts_ns, turn->seg->packet);
    judge_echo(turn);
    rcv->snd_una = turn->ack;
    rcv->dup_acks_in_row = 0;
    sf_ack_end_initial(rcv, turn->ack);
}

/* RFC 5681 §2: outstanding data, no data, no SYN or FIN, same acknowledgement, same window. */
static bool is_duplicate_ack(const struct sf_turn *turn)
{
    const struct sf_segment *seg = turn->seg;
    const struct sf_endpoint *snd = turn->snd;
    return seg->payload_len == 0 && !(seg->flags & (SF_TH_SYN | SF_TH_FIN)) &&
           turn->ack == turn->rcv->snd_una && turn->rcv->snd_nxt > turn->rcv->snd_una &&
           (snd->last.flags & SF_TH_ACK) && sf_seq_equal(snd->last.ack, seg->ack) &&
           snd->last.window == seg->window && !(snd->last.flags & SF_TH_SYN) &&
           !turn->is_keep_alive && !turn->is_probe;
}

/* A bare ACK that repeats the last one and answers a probe. */
static void label_answer(struct sf_turn *turn)
{
    const struct sf_segment *seg = turn->seg;
    const struct sf_endpoint *snd = turn->snd, *rcv = turn->rcv;
    bool bare = seg->payload_len == 0 && !(seg->flags & (SF_TH_SYN | SF_TH_FIN)) &&
                (snd->last.flags & SF_TH_ACK) && sf_seq_equal(snd->last.ack, seg->ack);
    if (!bare || turn->is_keep_alive || turn->is_probe)
        return;
    if (rcv->last.is_keep_alive && snd->last.window == seg->window)
        turn->labels |= 1u << SF_LABEL_KEEP_ALIVE_ACK;
    else if (rcv->last.is_probe && seg->window == 0)
        turn->labels |= 1u << SF_LABEL_ZERO_WINDOW_PROBE_ACK;
    else if (snd->last.window != seg->window && seg->window != 0)
        turn->labels |= 1u << SF_LABEL_WINDOW_UPDATE;
}

static void take_duplicate_ack(struct sf_turn *turn)
{
    turn->snd->duplicate_acks++;
    if (turn->rcv->dup_acks_in_row < UINT8_MAX)
        turn->rcv->dup_acks_in_row++;
    turn->labels |= 1u << SF_LABEL_DUPLICATE_ACK;
    sf_turn_note(turn, SF_ANOMALY_DUPLICATE_ACKS, 0);
}

/* RFC 2883 §4: the first block lies below the ACK, or inside the second block. */
static bool is_dsack(const struct sf_turn *turn, sf_offset begin, sf_offset end)
{
    const struct sf_tcp_options *options = &turn->seg->options;
    if (end <= turn->ack)
        return true;
    if (options->sack_count < 2)
        return false;
    const struct sf_endpoint *rcv = turn->rcv;
    return begin >= sf_offset_of(rcv, options->sack[1].begin, rcv->snd_nxt) &&
           end <= sf_offset_of(rcv, options->sack[1].end, rcv->snd_nxt);
}

/* The latest resending of these octets, or NULL. */
static struct sf_resent *find_resent(const struct sf_endpoint *ep, sf_offset begin, sf_offset end)
{
    struct sf_resent *latest = NULL;
    for (size_t i = 0; ep->resent != NULL && i < SF_RESENT_MAX; i++) {
        struct sf_resent *resent = &ep->resent[i];
        bool fits = resent->packet != 0 && resent->begin < end && resent->end > begin;
        if (fits && (latest == NULL || resent->packet > latest->packet))
            latest = resent;
    }
    return latest;
}

/* The receiver had these octets twice: one resending of them was needless, the last. */
static void take_dsack(struct sf_turn *turn, sf_offset begin, sf_offset end)
{
    struct sf_endpoint *rcv = turn->rcv;
    struct sf_resent *resent = find_resent(rcv, begin, end);
    turn->snd->dsack_packets++;
    if (resent == NULL)
        sf_duplicate_on_network(turn, begin, end);
    else if (!resent->is_spurious)
        take_spurious(rcv, resent);
}

static void take_sack(struct sf_turn *turn)
{
    struct sf_endpoint *rcv = turn->rcv;
    const struct sf_tcp_options *options = &turn->seg->options;
    for (unsigned i = 0; i < options->sack_count; i++) {
        sf_offset begin = sf_offset_of(rcv, options->sack[i].begin, rcv->snd_nxt);
        sf_offset end = sf_offset_of(rcv, options->sack[i].end, rcv->snd_nxt);
        if (begin >= end || end > rcv->snd_nxt)
            continue;
        if (i == 0 && is_dsack(turn, begin, end))
            take_dsack(turn, begin, end);
        else if (end > rcv->sack_high)
            rcv->sack_high = end;
    }
}

static void take_timestamps(struct sf_turn *turn)
{
    const struct sf_tcp_options *options = &turn->seg->options;
    struct sf_endpoint *snd = turn->snd, *rcv = turn->rcv;
    if (!(options->present & SF_OPT_HAS_TIMESTAMPS))
        return;
    /* RFC 7323 §5.2: the peer echoed a newer value, so it holds that or a newer one. What it has
     * acknowledged before it was captured it has not dropped. */
    if (rcv->has_ts_echoed && sf_segment_seq_len(turn->seg) > 0 && !turn->is_syn_again &&
        !(turn->labels & 1u << SF_LABEL_TAP_REORDER) &&
        sf_seq_distance(sf_seq_of(rcv->ts_echoed), sf_seq_of(options->ts_val)) < -PAWS_SLACK &&
        turn->seg->ts_ns - snd->ts_recent_ns < 24 * 86400 * SF_SEC)
        sf_turn_note(turn, SF_ANOMALY_PAWS_VIOLATION, 0);
    snd->ts_recent_ns = turn->seg->ts_ns;
    if (!(turn->seg->flags & SF_TH_ACK) || options->ts_ecr == 0)
        return; /* 0 is what an end sends that has nothing to echo */
    if (!snd->has_ts_echoed ||
        sf_seq_distance(sf_seq_of(snd->ts_echoed), sf_seq_of(options->ts_ecr)) > 0)
        snd->ts_echoed = options->ts_ecr;
    snd->has_ts_echoed = true;
}

/* Midstream, what was captured first need not be the oldest that is outstanding. */
static bool is_first_ack_below(const struct sf_turn *turn)
{
    return turn->snd->packets == 1 && !turn->rcv->has_iss && turn->ack < turn->rcv->snd_una;
}

void sf_ack_segment(struct sf_turn *turn)
{
    const struct sf_segment *seg = turn->seg;
    struct sf_endpoint *rcv = turn->rcv;
    take_timestamps(turn);
    if (!(seg->flags & SF_TH_ACK))
        return;
    if (!rcv->has_base)
        choose_peer_base(turn);
    turn->ack = sf_offset_of(rcv, seg->ack, rcv->snd_nxt);
    if (turn->ack < rcv->snd_una - AHEAD_UNKNOWN)
        return;
    if (is_first_ack_below(turn))
        rcv->snd_una = turn->ack;
    turn->una_before = rcv->snd_una;
    if (turn->ack > rcv->snd_nxt && !take_ack_ahead(turn))
        return;
    turn->has_ack = true;
    if (turn->ack > rcv->snd_una)
        take_new_ack(turn);
    else if (is_duplicate_ack(turn))
        take_duplicate_ack(turn);
    label_answer(turn);
    if (seg->options.sack_count > 0 && sf_segment_has(seg, SF_OPT_HAS_SACK))
        take_sack(turn);
}

/* Holes are acknowledged in their order: behind the first that is not due none is. */
static bool is_due(const struct sf_hole *hole, sf_ns now, sf_ns delay)
{
    return sf_ns_known(hole->acked_ns) && now - hole->acked_ns > delay;
}

static void judge_hole(struct sf_tracker *t, struct sf_flow *flow, enum sf_dir dir,
                       struct sf_hole *hole)
{
    if (hole->is_judged || hole->is_before)
        return;
    hole->is_judged = true;
    sf_note(t, flow, SF_ANOMALY_CAPTURE_LOSS, (int)dir, hole->packet,
            (uint64_t)(hole->end - hole->begin));
}

static void judge_losses(struct sf_tracker *t, struct sf_flow *flow, enum sf_dir dir, sf_ns now)
{
    struct sf_endpoint *ep = &flow->ep[dir];
    sf_ns delay = sf_flow_tap_delay(flow);
    for (size_t i = sf_hole_after(ep, ep->judged_below); i < ep->hole_count; i++) {
        struct sf_hole *hole = sf_hole_at(ep, i);
        if (!hole->is_before && !is_due(hole, now, delay))
            return;
        judge_hole(t, flow, dir, hole);
        ep->judged_below = hole->end;
    }
}

/* What the capture dropped is not the network's loss, acknowledged or not. */
static void judge_last(struct sf_tracker *t, struct sf_flow *flow, enum sf_dir dir)
{
    struct sf_endpoint *ep = &flow->ep[dir];
    for (size_t i = 0; i < ep->hole_count; i++)
        if (sf_ns_known(sf_hole_at(ep, i)->acked_ns) || flow->dropped > 0)
            judge_hole(t, flow, dir, sf_hole_at(ep, i));
}

void sf_ack_judge_losses(struct sf_tracker *t, struct sf_flow *flow, sf_ns now, bool final)
{
    if (flow->ep[0].packets == 0 || flow->ep[1].packets == 0)
        return;
    /* The client's first: what is told must not depend on which address is the smaller one. */
    for (unsigned i = 0; i < SF_DIR_COUNT; i++) {
        enum sf_dir dir = (enum sf_dir)(flow->client ^ i);
        if (final)
            judge_last(t, flow, dir);
        else if (flow->ep[dir].hole_count > 0)
            judge_losses(t, flow, dir, now);
    }
}
