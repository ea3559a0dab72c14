/* A segment against its sender's sequence space: new, sent again, out of order, past a hole, a
 * keep-alive, a window probe, or too far off to be believed. */
#include "track_internal.h"

#include <stdlib.h>

/* Jumps are believed up to the peer's window and this slack; without a window, up to the second. */
static const sf_offset JUMP_SLACK = 1 << 20, JUMP_UNKNOWN = 1 << 24;
/* "Same flight" when no round-trip time is known: Wireshark's value. */
static const sf_ns FLIGHT_UNKNOWN = 3 * SF_MSEC;
/* A later IP-ID proves a later sending only where the sender counts: then it lies near. */
static const int IP_ID_NEAR = 1024;
/* Kernels wait at least this long before a retransmission timeout (Linux TCP_RTO_MIN). */
static const sf_ns RTO_MIN = 200 * SF_MSEC;
/* Nor longer (Linux TCP_RTO_MAX; RFC 6298 §2.5): stamps of a damaged file may say anything. */
static const sf_ns RTO_MAX = 120 * SF_SEC;
/* Until then what is under way is acknowledged or goes again (RFC 6298 §2.1). */
static const sf_ns UNDER_WAY_NS = SF_SEC;

static void choose_base(struct sf_endpoint *ep, sf_seq base, bool is_iss)
{
    ep->base = base;
    ep->has_base = true;
    ep->has_iss = is_iss;
    ep->snd_nxt = ep->low = ep->snd_una = is_iss ? 0 : 1;
    ep->fin = ep->suspect = ep->sack_high = ep->probe_end = SF_OFFSET_NONE;
    ep->has_fin_ack = false;
    ep->hole_count = ep->hole_head = 0;
    ep->judged_below = 0;
    ep->sent_count = 0;
}

static bool is_plain(const struct sf_segment *seg)
{
    return !(seg->flags & (SF_TH_SYN | SF_TH_FIN | SF_TH_RST));
}

static void shift_offset(sf_offset *offset, sf_offset by)
{
    if (*offset != SF_OFFSET_NONE)
        *offset += by;
}

/* The SYN came after segments that let its number be guessed: all offsets move to the right zero. A
 * guess too far off came from another connection's numbers (RFC 9293 §3.5.1, Figure 9). */
static void rebase(struct sf_endpoint *ep, sf_seq iss)
{
    sf_offset by = sf_seq_distance(iss, ep->base);
    if (by < -1 || by > JUMP_SLACK) {
        choose_base(ep, iss, true);
        return;
    }
    sf_offset *const offsets[] = {&ep->low,        &ep->snd_nxt, &ep->snd_una,   &ep->fin,
                                  &ep->right_edge, &ep->suspect, &ep->sack_high, &ep->probe_end};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++)
        shift_offset(offsets[i], by);
    for (size_t i = 0; i < ep->hole_count; i++) {
        sf_hole_at(ep, i)->begin += by;
        sf_hole_at(ep, i)->end += by;
    }
    ep->judged_below += by;
    ep->sent_count = 0;
    ep->base = iss;
    ep->has_iss = true;
    if (ep->low > 0)
        ep->low = 0;
}

static bool is_too_far(const struct sf_turn *turn)
{
    const struct sf_endpoint *snd = turn->snd;
    sf_offset limit = JUMP_UNKNOWN;
    if (snd->right_edge != SF_OFFSET_NONE)
        limit = JUMP_SLACK + (snd->right_edge > snd->snd_nxt ? snd->right_edge - snd->snd_nxt : 0);
    return turn->begin > snd->snd_nxt + limit || turn->begin < snd->snd_una - JUMP_UNKNOWN;
}

/* A lone segment far off moves nothing; a second one that continues it is believed. */
static bool is_stray(struct sf_turn *turn)
{
    struct sf_endpoint *snd = turn->snd;
    if (!is_too_far(turn))
        return false;
    bool continues = snd->suspect != SF_OFFSET_NONE && turn->begin >= snd->suspect &&
                     turn->begin <= snd->suspect + JUMP_SLACK;
    snd->suspect = turn->end;
    return !continues || turn->begin < snd->snd_nxt;
}

/* A SYN with another number than this end's first one. A client that repeats an unanswered SYN so
 * starts over; of two SYN-ACKs the one counts that the client acknowledges (open.c). */
static void take_other_iss(struct sf_turn *turn)
{
    bool answers = turn->flow->has_syn_ack; /* the first SYN-ACK fitted the SYN */
    if ((turn->seg->flags & SF_TH_ACK) && answers) {
        turn->flow->has_alternative = true;
        turn->flow->alternative_dir = (uint8_t)turn->dir;
        turn->flow->alternative_iss = turn->seg->seq;
        turn->is_stray = true;
        sf_turn_note(turn, SF_ANOMALY_SYN_ACK_ISN_CHANGED, 0);
        return;
    }
    choose_base(turn->snd, turn->seg->seq, true);
    turn->is_other_iss = true;
    sf_turn_note(turn,
                 turn->seg->flags & SF_TH_ACK ? SF_ANOMALY_SYN_ACK_ISN_CHANGED
                                              : SF_ANOMALY_SYN_ISN_CHANGED,
                 0);
}

/* Numbers chosen anew have no FIN yet. */
static void forget_first_fin(struct sf_turn *turn)
{
    struct sf_flow *flow = turn->flow;
    if (turn->snd->fin != SF_OFFSET_NONE || flow->first_fin != (uint8_t)turn->dir)
        return;
    bool peer_closed = turn->rcv->fin != SF_OFFSET_NONE;
    flow->first_fin = peer_closed ? (uint8_t)sf_dir_other(turn->dir) : SF_NO_FIN;
}

/* Midstream, the very first segment was a keep-alive if its answer acknowledges one number more
 * than it has sent (RFC 9293 §3.8.4): it repeated a number that was acknowledged long ago. */
static bool answers_first_keep_alive(const struct sf_turn *turn)
{
    const struct sf_segment *seg = turn->seg;
    const struct sf_endpoint *snd = turn->snd, *rcv = turn->rcv;
    return turn->flow->is_midstream && snd->packets == 1 && rcv->packets == 1 &&
           rcv->state == SF_ESTABLISHED && rcv->data_packets == 0 && rcv->fin == SF_OFFSET_NONE &&
           (rcv->last.flags & SF_TH_ACK) && seg->payload_len == 0 && is_plain(seg) &&
           (seg->flags & SF_TH_ACK) && seg->window != 0 && seg->ts_ns - rcv->last_ns <= SF_SEC &&
           sf_seq_equal(seg->seq, rcv->last.ack) &&
           sf_seq_equal(seg->ack, sf_seq_add(rcv->base, 2));
}

static void take_first_keep_alive(struct sf_turn *turn)
{
    struct sf_endpoint *rcv = turn->rcv;
    rcv->low = rcv->snd_nxt = rcv->snd_una = 2;
    rcv->keep_alives = 1;
    rcv->last.is_keep_alive = true;
    rcv->keep_alive_packet = turn->flow->first_packet;
    sf_note(turn->tracker, turn->flow, SF_ANOMALY_KEEP_ALIVE, (int)sf_dir_other(turn->dir),
            turn->flow->first_packet, 0);
}

void sf_sequence_locate(struct sf_turn *turn)
{
    struct sf_endpoint *snd = turn->snd;
    const struct sf_segment *seg = turn->seg;
    bool syn = seg->flags & SF_TH_SYN;
    if (seg->flags & SF_TH_RST)
        return; /* a RST's number is judged, never believed: reset.c */
    if (answers_first_keep_alive(turn))
        take_first_keep_alive(turn);
    if (!snd->has_base)
        choose_base(snd, syn ? seg->seq : sf_seq_add(seg->seq, (uint32_t)-1), syn);
    else if (syn && !snd->has_iss)
        rebase(snd, seg->seq);
    else if (syn && !sf_seq_equal(seg->seq, snd->base))
        take_other_iss(turn);
    forget_first_fin(turn);
    if (turn->is_stray)
        return;
    turn->begin = sf_offset_of(snd, seg->seq, snd->snd_nxt);
    turn->data_begin = turn->begin + syn;
    turn->data_end = turn->data_begin + seg->payload_len;
    turn->end = turn->data_end + !!(seg->flags & SF_TH_FIN);
    if (!syn && is_too_far(turn) && !snd->has_sent) {
        /* The base was only guessed from the peer's ACK: its own number counts more. */
        choose_base(snd, sf_seq_add(seg->seq, (uint32_t)-1), false);
        turn->data_begin = turn->begin = 1;
        turn->data_end = turn->begin + seg->payload_len;
        turn->end = turn->data_end + !!(seg->flags & SF_TH_FIN);
    }
    turn->is_stray = !syn && is_stray(turn);
    turn->snd_nxt_before = snd->snd_nxt;
    snd->has_sent = true;
}

/* What was acknowledged just now and is not captured yet may come late. */
static bool is_last_octet_late(const struct sf_turn *turn)
{
    const struct sf_endpoint *snd = turn->snd;
    if (snd->hole_count == 0)
        return false;
    const struct sf_hole *last = sf_hole_at(snd, snd->hole_count - 1u);
    return last->end == snd->snd_nxt && sf_ns_known(last->acked_ns) &&
           turn->seg->ts_ns - last->acked_ns <= sf_flow_tap_delay(turn->flow);
}

/* Its peer's window opened less than a round trip ago: the sender may not know it yet. */
static bool has_just_opened(const struct sf_turn *turn)
{
    return turn->rcv->zero_windows > 0 && !turn->rcv->is_window_zero &&
           turn->seg->ts_ns - turn->rcv->window_turn_ns <= sf_flow_rtt(turn->flow);
}

/* RFC 9293 §3.8.6.1; Linux probes with no octet at SND.NXT-1, others with one at SND.NXT. */
static bool is_window_probe(const struct sf_turn *turn)
{
    const struct sf_endpoint *snd = turn->snd;
    if (!is_plain(turn->seg) || turn->seg->payload_len > 1)
        return false;
    if (turn->begin == snd->snd_nxt - 1)
        return turn->rcv->is_window_zero || (has_just_opened(turn) && !is_last_octet_late(turn));
    return turn->rcv->is_window_zero && turn->seg->payload_len == 1 && turn->begin == snd->snd_nxt;
}

/* One octet may be sent again while its ACK is under way; the number of a FIN is that of the ACK
 * before it, too, which the tap may have seen late. */
static bool is_after_idleness(const struct sf_turn *turn)
{
    sf_ns rtt = sf_flow_rtt(turn->flow);
    if (turn->snd->fin != SF_OFFSET_NONE && turn->idle_ns < SF_SEC)
        return false;
    return turn->seg->payload_len == 0 || turn->snd->data_packets == 0 ||
           turn->seg->ts_ns - turn->rcv->last_ns > (sf_ns_known(rtt) ? rtt : SF_SEC);
}

/* RFC 9293 §3.8.4: SEG.SEQ = SND.NXT-1, nothing outstanding, none or one garbage octet. */
static bool is_keep_alive(const struct sf_turn *turn)
{
    const struct sf_endpoint *snd = turn->snd;
    return turn->begin == snd->snd_nxt - 1 && turn->seg->payload_len <= 1 && is_plain(turn->seg) &&
           snd->snd_una == snd->snd_nxt && snd->packets > 1 && (turn->seg->flags & SF_TH_ACK) &&
           turn->rcv->packets > 0 && !is_last_octet_late(turn) && is_after_idleness(turn);
}

static void take_probe(struct sf_turn *turn)
{
    turn->is_probe = true;
    turn->snd->window_probes++;
    sf_count_repeat(turn->snd);
    if (turn->end > turn->snd->snd_nxt)
        turn->snd->probe_end = turn->end;
    turn->labels |= 1u << SF_LABEL_ZERO_WINDOW_PROBE;
    sf_turn_note(turn, SF_ANOMALY_ZERO_WINDOW_PROBE, 0);
}

static void take_keep_alive(struct sf_turn *turn)
{
    struct sf_endpoint *snd = turn->snd;
    turn->is_keep_alive = true;
    snd->keep_alives++;
    sf_count_repeat(snd);
    if (snd->unheard.keep_alives++ > 0)
        sf_note(turn->tracker, turn->flow, SF_ANOMALY_KEEP_ALIVE_UNANSWERED, (int)turn->dir,
                snd->keep_alive_packet, 0);
    snd->keep_alive_packet = turn->seg->packet;
    turn->labels |= 1u << SF_LABEL_KEEP_ALIVE;
    sf_turn_note(turn, SF_ANOMALY_KEEP_ALIVE, 0);
}

static bool is_later_sending(const struct sf_segment *seg, const struct sf_hole *hole)
{
    if (sf_segment_has(seg, SF_OPT_HAS_TIMESTAMPS) && hole->ts_val != 0 &&
        sf_seq_distance(sf_seq_of(hole->ts_val), sf_seq_of(seg->options.ts_val)) > 0)
        return true;
    int ahead = (int16_t)(uint16_t)(seg->ip_id - hole->ip_id);
    return seg->ip_id != 0 && hole->ip_id != 0 && ahead > 0 && ahead < IP_ID_NEAR;
}

/* Numbered after the packet before the hole and before the one that made it: an original. */
static bool is_earlier_sending(const struct sf_segment *seg, const struct sf_hole *hole)
{
    if (seg->ip_id == 0 || hole->ip_id == 0 || hole->ip_id_before == 0)
        return false;
    uint16_t span = (uint16_t)(hole->ip_id - hole->ip_id_before);
    uint16_t at = (uint16_t)(seg->ip_id - hole->ip_id_before);
    return span < IP_ID_NEAR && at > 0 && at < span && seg->ts_ns - hole->made_ns < SF_SEC;
}

enum fill_kind { FILL_TAP_REORDER, FILL_OUT_OF_ORDER, FILL_RETRANSMISSION };

static enum fill_kind judge_fill(const struct sf_turn *turn, const struct sf_hole *hole)
{
    const struct sf_segment *seg = turn->seg;
    if (is_later_sending(seg, hole))
        return FILL_RETRANSMISSION;
    if (sf_ns_known(hole->acked_ns))
        return seg->ts_ns - hole->acked_ns <= sf_flow_tap_delay(turn->flow) ? FILL_TAP_REORDER
                                                                            : FILL_RETRANSMISSION;
    if (is_earlier_sending(seg, hole))
        return FILL_OUT_OF_ORDER;
    sf_ns flight = sf_flow_rtt(turn->flow);
    if (!sf_ns_known(flight))
        flight = FLIGHT_UNKNOWN;
    return seg->ts_ns - hole->made_ns <= flight ? FILL_OUT_OF_ORDER : FILL_RETRANSMISSION;
}

static bool has_loss_evidence(const struct sf_turn *turn)
{
    const struct sf_endpoint *snd = turn->snd;
    return (snd->dup_acks_in_row >= 3 && turn->data_begin <= snd->snd_una) ||
           (snd->sack_high != SF_OFFSET_NONE && snd->sack_high >= turn->data_end);
}

/* RFC 6298 §2 with the least variance term that kernels use, a tenth less for the tap's place. */
static sf_ns timeout_after(sf_ns rtt, sf_ns var)
{
    if (!sf_ns_known(rtt))
        return RTO_MIN;
    if (rtt > RTO_MAX || var > RTO_MAX)
        return RTO_MAX;
    sf_ns rto = rtt + (4 * var > RTO_MIN ? 4 * var : RTO_MIN);
    return rto - rto / 10;
}

static bool is_recovering(const struct sf_endpoint *snd, enum sf_resend_cause cause)
{
    return snd->recovery == cause && snd->snd_una < snd->recover;
}

/* RFC 6582 §3.2: an ACK that comes short of what was outstanding when the recovery began has the
 * next missing octets sent again at once. */
static bool is_after_partial_ack(const struct sf_turn *turn)
{
    const struct sf_endpoint *snd = turn->snd;
    return is_recovering(snd, SF_RESEND_FAST) && turn->data_begin == snd->snd_una;
}

/* How long the timer may have run: a bare ACK sets it anew, RFC 6298 §5.3. Where the peer's last
 * packet had octets its ACK need not tell anything new. */
static sf_ns waited(const struct sf_turn *turn, sf_ns since_ns)
{
    const struct sf_endpoint *rcv = turn->rcv;
    sf_ns quiet = turn->seg->ts_ns - rcv->last_ns;
    bool is_bare = rcv->packets > 0 && (rcv->data_packets == 0 || rcv->last_data_ns < rcv->last_ns);
    return is_bare && quiet < since_ns ? quiet : since_ns;
}

/* Why it was sent again. `since_ns` is the time since its last sending. The tap sees a part of the
 * round trip of an end's octets, the handshake the whole. */
static enum sf_resend_cause resend_cause(const struct sf_turn *turn, sf_ns since_ns)
{
    const struct sf_endpoint *snd = turn->snd;
    if (turn->data_end <= snd->snd_una)
        return SF_RESEND_SPURIOUS; /* the peer had acknowledged it */
    if (is_recovering(snd, SF_RESEND_TIMEOUT) && turn->data_begin < snd->recover)
        return SF_RESEND_TIMEOUT; /* all that was out goes again, RFC 5681 §3.1 */
    const struct sf_rtt_estimate *own = &snd->rtt_estimate;
    sf_ns whole = sf_flow_rtt(turn->flow);
    sf_ns rtt = own->srtt_ns > whole ? own->srtt_ns : whole; /* unknown is the least */
    sf_ns rto = timeout_after(rtt, sf_ns_known(own->srtt_ns) ? own->rttvar_ns : 0);
    sf_ns waited_ns = waited(turn, since_ns);
    if ((has_loss_evidence(turn) || is_after_partial_ack(turn)) && waited_ns < rto)
        return SF_RESEND_FAST;
    bool is_tail = turn->data_end == snd->snd_nxt && sf_ns_known(rtt);
    if (is_tail && waited_ns >= rtt + rtt / 2 && since_ns < rto)
        return SF_RESEND_TAIL_PROBE;
    return since_ns >= RTO_MIN ? SF_RESEND_TIMEOUT : SF_RESEND_OTHER;
}

static void note_recovery(struct sf_endpoint *snd, enum sf_resend_cause cause)
{
    bool recovers = cause == SF_RESEND_FAST || cause == SF_RESEND_TIMEOUT;
    if (!recovers || is_recovering(snd, cause))
        return;
    snd->recovery = (uint8_t)cause;
    snd->recover = snd->snd_nxt;
}

static void remember_resent(struct sf_turn *turn, sf_offset end, enum sf_resend_cause cause)
{
    struct sf_endpoint *snd = turn->snd;
    if (snd->resent == NULL)
        snd->resent = calloc(SF_RESENT_MAX, sizeof *snd->resent);
    if (snd->resent == NULL)
        return;
    snd->resent[snd->resent_next] = (struct sf_resent){
        .begin = turn->data_begin,
        .end = end,
        .packet = turn->seg->packet,
        .ts_val = sf_segment_has(turn->seg, SF_OPT_HAS_TIMESTAMPS) ? turn->seg->options.ts_val : 0,
        .cause = (uint8_t)cause,
        .is_spurious = cause == SF_RESEND_SPURIOUS};
    if (end > snd->resent_high)
        snd->resent_high = end;
    snd->resent_next = (uint8_t)((snd->resent_next + 1u) % SF_RESENT_MAX);
}

static void take_resent(struct sf_turn *turn, sf_offset end, sf_ns since_ns)
{
    static const uint32_t labels[] = {
        [SF_RESEND_TIMEOUT] = 0,    [SF_RESEND_FAST] = 1u << SF_LABEL_FAST_RETRANSMISSION,
        [SF_RESEND_TAIL_PROBE] = 0, [SF_RESEND_SPURIOUS] = 1u << SF_LABEL_SPURIOUS_RETRANSMISSION,
        [SF_RESEND_OTHER] = 0,
    };
    struct sf_endpoint *snd = turn->snd;
    uint64_t octets = (uint64_t)(end - turn->data_begin);
    enum sf_resend_cause cause = resend_cause(turn, since_ns);
    snd->resent_packets++;
    snd->resent_bytes += octets;
    sf_count_repeat(snd);
    if (cause != SF_RESEND_OTHER)
        snd->resent_by[cause]++;
    remember_resent(turn, end, cause);
    note_recovery(snd, cause);
    turn->labels |= 1u << SF_LABEL_RETRANSMISSION | labels[cause];
    sf_turn_note(turn, SF_ANOMALY_RETRANSMISSION, octets);
}

static void take_filled(struct sf_turn *turn, sf_offset end, const struct sf_hole *hole)
{
    switch (judge_fill(turn, hole)) {
    case FILL_TAP_REORDER:
        turn->labels |= 1u << SF_LABEL_TAP_REORDER;
        sf_turn_note(turn, SF_ANOMALY_TAP_REORDER, 0);
        break;
    case FILL_OUT_OF_ORDER:
        turn->snd->out_of_order++;
        turn->labels |= 1u << SF_LABEL_OUT_OF_ORDER;
        sf_turn_note(turn, SF_ANOMALY_OUT_OF_ORDER, 0);
        break;
    case FILL_RETRANSMISSION: take_resent(turn, end, turn->seg->ts_ns - hole->made_ns); break;
    }
}

/* Octets below the first one seen: they fill a hole without an edge. What they leave open up to
 * that one stays a hole. */
static void take_before_first(struct sf_turn *turn, sf_offset end, struct sf_fill *fill)
{
    struct sf_endpoint *snd = turn->snd;
    sf_offset edge = end < snd->low ? end : snd->low;
    const struct sf_last_packet *last = &turn->rcv->last; /* snd_una begins at the first octet */
    bool is_acked = turn->rcv->packets > 0 && (last->flags & SF_TH_ACK) &&
                    sf_offset_of(snd, last->ack, snd->snd_nxt) >= edge;
    struct sf_hole before = {.begin = edge,
                             .end = snd->low,
                             .made_ns = turn->flow->first_ns,
                             .acked_ns = is_acked ? turn->flow->first_ns : SF_NS_UNKNOWN,
                             .is_before = true};
    if (fill->octets == 0)
        fill->first = before;
    fill->octets += (uint64_t)(edge - turn->data_begin);
    if (before.begin < before.end)
        sf_hole_add(snd, &before);
    snd->low = turn->data_begin;
}

/* Octets below the highest seen: sent again, or the missing piece of a hole. */
static void take_old_data(struct sf_turn *turn)
{
    struct sf_endpoint *snd = turn->snd;
    sf_offset end = turn->data_end < snd->snd_nxt ? turn->data_end : snd->snd_nxt;
    struct sf_fill fill = sf_hole_fill(snd, turn->data_begin, end);
    if (turn->data_begin < snd->low)
        take_before_first(turn, end, &fill);
    snd->unique_bytes += fill.octets;
    if (fill.octets > 0) {
        bool waits = sf_ns_known(snd->late_ns) && snd->late_begin >= snd->snd_una;
        snd->late_ns = turn->seg->ts_ns;
        if (!waits || turn->data_begin < snd->late_begin)
            snd->late_begin = turn->data_begin;
    }
    uint64_t seen = (uint64_t)(end - turn->data_begin) - fill.octets;
    sf_ns before = sf_sent_again(snd, turn->data_begin, end, turn->seg);
    if (seen > 0)
        take_resent(turn, end,
                    sf_ns_known(before) ? turn->seg->ts_ns - before
                                        : turn->seg->ts_ns - snd->last_data_ns);
    else
        take_filled(turn, end, &fill.first);
}

static void take_new_data(struct sf_turn *turn)
{
    struct sf_endpoint *snd = turn->snd;
    sf_offset begin = turn->data_begin > snd->snd_nxt ? turn->data_begin : snd->snd_nxt;
    uint64_t octets = (uint64_t)(turn->data_end - begin);
    snd->unique_bytes += octets;
    turn->sends_new_data = true;
}

static void count_payload(struct sf_turn *turn)
{
    struct sf_endpoint *snd = turn->snd;
    uint32_t len = turn->seg->payload_len;
    snd->payload_bytes += len;
    if (snd->data_packets == 0 || len < snd->segment_min)
        snd->segment_min = len;
    if (len > snd->segment_max)
        snd->segment_max = len;
    snd->other_packets--;
    if (snd->data_packets++ == 0)
        snd->first_data_ns = turn->seg->ts_ns;
}

static void note_offload(struct sf_turn *turn)
{
    if ((turn->rcv->mss != 0 && turn->seg->payload_len > turn->rcv->mss) ||
        turn->seg->length_guessed)
        sf_turn_note(turn, SF_ANOMALY_OFFLOADED_SEGMENTS, 0);
}

static void take_data(struct sf_turn *turn)
{
    struct sf_endpoint *snd = turn->snd;
    count_payload(turn);
    note_offload(turn);
    if (snd->fin != SF_OFFSET_NONE && turn->data_end > snd->fin + 1)
        sf_turn_note(turn, SF_ANOMALY_DATA_AFTER_FIN, (uint64_t)(turn->data_end - snd->fin - 1));
    if (turn->data_begin < snd->snd_nxt)
        take_old_data(turn);
    if (turn->data_end > snd->snd_nxt)
        take_new_data(turn);
    snd->last_data_ns = turn->seg->ts_ns;
}

/* Midstream, the peer's ACK alone told where the stream was: what lies between that and the first
 * octet captured was under way before the capture began, unless that is too long ago. */
static bool is_first_after_ack(const struct sf_turn *turn)
{
    return turn->snd->packets == 1 && !turn->snd->has_iss && !turn->rcv->has_iss &&
           turn->seg->ts_ns - turn->flow->first_ns < UNDER_WAY_NS;
}

static void add_hole(struct sf_turn *turn)
{
    struct sf_endpoint *snd = turn->snd;
    const struct sf_segment *seg = turn->seg;
    bool is_before = is_first_after_ack(turn);
    if (!is_before)
        turn->labels |= 1u << SF_LABEL_LOST_SEGMENT;
    sf_hole_add(snd, &(struct sf_hole){.begin = snd->snd_nxt,
                                       .end = turn->begin,
                                       .made_ns = seg->ts_ns,
                                       .acked_ns = SF_NS_UNKNOWN,
                                       .packet = seg->packet,
                                       .ts_val = sf_segment_has(seg, SF_OPT_HAS_TIMESTAMPS)
                                                     ? seg->options.ts_val
                                                     : 0,
                                       .ip_id = seg->ip_id,
                                       .ip_id_before = snd->last.ip_id,
                                       .is_before = is_before});
    snd->snd_nxt = turn->begin;
}

static void take_fin_again(struct sf_turn *turn)
{
    struct sf_endpoint *snd = turn->snd;
    turn->is_fin_again = true;
    sf_count_repeat(snd);
    sf_turn_note(turn, SF_ANOMALY_FIN_RETRANSMITTED, 0);
    sf_sent_again(snd, turn->data_end, turn->end, turn->seg);
    if (!(turn->labels & 1u << SF_LABEL_RETRANSMISSION))
        snd->resent_packets++;
    turn->labels |= 1u << SF_LABEL_RETRANSMISSION;
}

static void take_fin(struct sf_turn *turn)
{
    struct sf_endpoint *snd = turn->snd;
    if (snd->fin == turn->data_end) {
        take_fin_again(turn);
        return;
    }
    struct sf_fill fill = sf_hole_fill(snd, turn->data_end, turn->end);
    snd->fin = turn->data_end;
    turn->is_fin_late = fill.octets > 0;
    if (fill.octets == 0 || turn->seg->payload_len > 0)
        return;
    /* The peer acknowledged a FIN that the tap had not seen. */
    if (judge_fill(turn, &fill.first) == FILL_RETRANSMISSION)
        take_fin_again(turn);
    else
        take_filled(turn, turn->data_end, &fill.first);
}

void sf_sequence_stray(struct sf_turn *turn)
{
    struct sf_endpoint *snd = turn->snd;
    if (turn->seg->payload_len == 0)
        return;
    count_payload(turn);
    snd->last_data_ns = turn->seg->ts_ns;
    if (snd->right_edge != SF_OFFSET_NONE && turn->data_end > snd->right_edge)
        sf_window_note_beyond(turn);
}

void sf_sequence_segment(struct sf_turn *turn)
{
    struct sf_endpoint *snd = turn->snd;
    if (is_window_probe(turn)) {
        take_probe(turn);
        return;
    }
    if (is_keep_alive(turn)) {
        take_keep_alive(turn);
        return;
    }
    if (turn->begin > snd->snd_nxt)
        add_hole(turn);
    if (turn->seg->payload_len > 0)
        take_data(turn);
    if (turn->seg->flags & SF_TH_FIN)
        take_fin(turn);
    if (turn->end > snd->snd_nxt) {
        sf_offset begin = turn->begin > snd->snd_nxt ? turn->begin : snd->snd_nxt;
        sf_sent_add(turn->tracker->rooms, snd, begin, turn->end, turn->seg);
        snd->unheard.is_first = true;
        snd->unheard.sendings = 0;
        snd->snd_nxt = turn->end;
    }
    uint64_t in_flight = sf_outstanding(snd);
    if (turn->seg->payload_len > 0 && in_flight > snd->in_flight_max)
        snd->in_flight_max = in_flight;
}
