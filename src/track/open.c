/* The handshake's facts: what each SYN announced, which answers which, fast open, split and
 * simultaneous opens. */
#include "track_internal.h"

enum { WSCALE_MAX = 14 }; /* RFC 7323 §2.3: a larger shift counts as 14 */

static bool is_syn(const struct sf_segment *seg)
{
    return (seg->flags & (SF_TH_SYN | SF_TH_ACK)) == SF_TH_SYN;
}

static bool is_syn_ack(const struct sf_segment *seg)
{
    return (seg->flags & (SF_TH_SYN | SF_TH_ACK)) == (SF_TH_SYN | SF_TH_ACK);
}

void sf_open_alternative(struct sf_turn *turn)
{
    struct sf_flow *flow = turn->flow;
    struct sf_endpoint *rcv = turn->rcv;
    if (!flow->has_alternative || flow->alternative_dir == (uint8_t)turn->dir ||
        !(turn->seg->flags & SF_TH_ACK) || rcv->syn_acks == 0)
        return;
    if (sf_seq_equal(turn->seg->ack, sf_seq_add(rcv->base, 1))) {
        flow->has_alternative = false;
    } else if (sf_seq_equal(turn->seg->ack, sf_seq_add(flow->alternative_iss, 1))) {
        flow->has_alternative = false;
        rcv->base = flow->alternative_iss;
        rcv->sent_count = 0;
    }
}

static void take_syn_options(struct sf_turn *turn)
{
    struct sf_endpoint *snd = turn->snd;
    const struct sf_segment *seg = turn->seg;
    const struct sf_tcp_options *options = &seg->options;
    snd->syn_options = options->present;
    snd->syn_flags_ecn = (uint8_t)(seg->flags & (SF_TH_ECE | SF_TH_CWR));
    snd->mss = options->present & SF_OPT_HAS_MSS ? options->mss : 0;
    snd->has_wscale = options->present & SF_OPT_HAS_WSCALE;
    snd->wscale_sent = snd->has_wscale ? options->wscale : 0;
    snd->shift = snd->wscale_sent > WSCALE_MAX ? WSCALE_MAX : snd->wscale_sent;
    if ((options->present & SF_OPT_HAS_FAST_OPEN) && options->fast_open_len > 0)
        snd->saw_fast_open = true;
}

static void take_again(struct sf_turn *turn, enum sf_anomaly name)
{
    turn->is_syn_again = true;
    sf_count_repeat(turn->snd);
    if (!(turn->labels & 1u << SF_LABEL_RETRANSMISSION)) /* else its octets were counted */
        turn->snd->resent_packets++;
    turn->labels |= 1u << SF_LABEL_RETRANSMISSION;
    sf_sent_again(turn->snd, 0, 1, turn->seg);
    sf_turn_note(turn, name, 0);
}

static void take_syn(struct sf_turn *turn)
{
    struct sf_flow *flow = turn->flow;
    struct sf_endpoint *snd = turn->snd, *rcv = turn->rcv;
    bool first = snd->syns - snd->syn_acks == 1;
    if (!first && !turn->is_other_iss)
        take_again(turn, SF_ANOMALY_SYN_RETRANSMITTED);
    if (turn->seg->payload_len > 0 && !turn->is_syn_again)
        snd->syn_data = turn->seg->payload_len;
    if (flow->has_syn_ack && first && rcv->syn_acks > 0) {
        /* captured after the SYN-ACK that answers it */
        turn->labels |= 1u << SF_LABEL_TAP_REORDER;
        sf_turn_note(turn, SF_ANOMALY_TAP_REORDER, 0);
        return;
    }
    if (!flow->has_syn_ack)
        flow->syn_ns = turn->seg->ts_ns;
    if (first && rcv->syns > rcv->syn_acks)
        flow->is_simultaneous = true; /* or split: what the second SYN's sender does next tells */
}

static void forget_syn_data(struct sf_endpoint *ep)
{
    if (ep->syn_data == 0 || ep->snd_nxt > 1 + (sf_offset)ep->syn_data)
        return;
    /* Of a SYN sent again with octets, not all may have been counted. */
    ep->unique_bytes -= ep->unique_bytes < ep->syn_data ? ep->unique_bytes : ep->syn_data;
    ep->snd_nxt = 1;
    ep->sent_count = 0;
    ep->syn_data = 0;
}

static void take_syn_ack(struct sf_turn *turn)
{
    struct sf_flow *flow = turn->flow;
    struct sf_endpoint *snd = turn->snd, *rcv = turn->rcv;
    if (turn->is_stray)
        return;
    if (snd->syn_acks > 1 && !turn->is_other_iss) {
        take_again(turn, SF_ANOMALY_SYN_ACK_RETRANSMITTED);
        return;
    }
    if (rcv->has_iss && (!turn->has_ack || turn->ack < 1)) {
        sf_turn_note(turn, SF_ANOMALY_SYN_ACK_BAD_ACK, 0);
        return;
    }
    if (!flow->has_syn_ack)
        flow->syn_ack_ns = turn->seg->ts_ns;
    flow->has_syn_ack = true;
    if (flow->is_split && turn->dir != flow->client) { /* it was only overtaken by the ACK */
        flow->is_split = false;
        sf_note_drop(flow, SF_ANOMALY_SPLIT_HANDSHAKE, (int)turn->dir);
    }
    if (flow->is_simultaneous && snd->syns > snd->syn_acks && rcv->syns > rcv->syn_acks &&
        !sf_noted_any(flow, SF_ANOMALY_SIMULTANEOUS_OPEN) && rcv->syn_acks > 0)
        sf_note(turn->tracker, flow, SF_ANOMALY_SIMULTANEOUS_OPEN, SF_EITHER_END, turn->seg->packet,
                0);
    if (rcv->syn_data > 0 && turn->ack > 1) {
        flow->is_fast_open = true;
        sf_note(turn->tracker, flow, SF_ANOMALY_FAST_OPEN, (int)sf_dir_other(turn->dir),
                turn->seg->packet, (uint64_t)(turn->ack - 1));
    } else {
        forget_syn_data(rcv);
    }
}

/* The sender of the second SYN acknowledges without a SYN-ACK of its own. */
static void judge_split(struct sf_turn *turn)
{
    struct sf_flow *flow = turn->flow;
    struct sf_endpoint *snd = turn->snd;
    if (!flow->is_simultaneous || flow->is_split || turn->dir == flow->client ||
        snd->syn_acks > 0 || snd->syns == 0 || turn->rcv->syn_acks == 0)
        return;
    flow->is_split = true;
    sf_turn_note(turn, SF_ANOMALY_SPLIT_HANDSHAKE, 0);
}

static bool is_before_established(const struct sf_turn *turn)
{
    const struct sf_endpoint *snd = turn->snd;
    const struct sf_flow *flow = turn->flow;
    bool acks_syn = turn->has_ack && turn->ack >= 1;
    if (snd->state == SF_SYN_SENT)
        return !acks_syn && !snd->acked_peer_syn;
    return snd->state == SF_SYN_RECEIVED && !flow->is_fast_open && !flow->is_simultaneous &&
           !snd->syn_is_acked && turn->has_ack && turn->ack <= 1;
}

void sf_open_segment(struct sf_turn *turn)
{
    const struct sf_segment *seg = turn->seg;
    struct sf_flow *flow = turn->flow;
    if (seg->flags & SF_TH_SYN) {
        if (flow->is_midstream)
            sf_note_drop(flow, SF_ANOMALY_MIDSTREAM, SF_EITHER_END);
        flow->is_midstream = false;
        if (!turn->is_stray)
            take_syn_options(turn);
        if (is_syn(seg))
            take_syn(turn);
        else if (is_syn_ack(seg))
            take_syn_ack(turn);
        return;
    }
    if (turn->has_ack && turn->ack >= 1) {
        if (!sf_ns_known(flow->ack_ns) && flow->has_syn_ack && turn->rcv->syn_acks > 0)
            flow->ack_ns = seg->ts_ns;
        judge_split(turn);
    }
    if (seg->payload_len > 0 && is_before_established(turn))
        sf_turn_note(turn, SF_ANOMALY_DATA_BEFORE_ESTABLISHED, seg->payload_len);
}
