/* The lives of the two ends: which stimuli a segment proves or lets assume, and the timeline. */
#include "track_internal.h"

enum { CHANGES_MAX = 4096 };

/* FINs further apart did not cross: one of them was lost. */
static const sf_ns CROSSING_MAX = SF_SEC;
/* How long an ACK may be on its way to a FIN's sender when no round-trip time is known; and how
 * much longer than one, as hosts need time. */
static const sf_ns ON_THE_WAY_UNKNOWN = 100 * SF_MSEC;
static const sf_ns ON_THE_WAY_SLACK = 10 * SF_MSEC;

static void add_change(struct sf_rooms *rooms, struct sf_flow *flow, const struct sf_change *change)
{
    if (flow->change_count == flow->change_capacity) {
        unsigned capacity = flow->change_capacity == 0 ? 10 : 2u * flow->change_capacity;
        if (capacity > CHANGES_MAX)
            return;
        size_t octets = flow->change_capacity * sizeof *flow->changes;
        struct sf_change *changes =
            sf_rooms_move(rooms, flow->changes, octets, capacity * sizeof *changes);
        if (changes == NULL)
            return;
        flow->changes = changes;
        flow->change_capacity = (uint16_t)capacity;
    }
    flow->changes[flow->change_count++] = *change;
}

const struct sf_change *sf_flow_change(const struct sf_flow *flow, enum sf_cause cause, int dir)
{
    for (unsigned i = 0; i < flow->change_count; i++)
        if (flow->changes[i].cause == (uint8_t)cause && flow->changes[i].dir == (uint8_t)dir)
            return &flow->changes[i];
    return NULL;
}

static void enter(struct sf_turn *turn, enum sf_dir dir, enum sf_tcp_state to, bool proved,
                  enum sf_cause cause)
{
    struct sf_flow *flow = turn->flow;
    struct sf_endpoint *ep = &flow->ep[dir];
    enum sf_tcp_state from = (enum sf_tcp_state)ep->state;
    if (from == to && ep->is_proved == proved)
        return;
    add_change(turn->tracker->rooms, flow,
               &(struct sf_change){turn->seg->packet, turn->seg->ts_ns, (uint8_t)dir, (uint8_t)from,
                                   (uint8_t)to, (uint8_t)cause, proved});
    ep->state = (uint8_t)to;
    ep->is_proved = proved;
    if (proved) {
        ep->proof = SF_OFFSET_NONE;
    } else {
        ep->assumed_from = (uint8_t)from;
        /* An ACK of data proves ESTABLISHED; other states an ACK of what was sent later. */
        const struct sf_endpoint *peer = &flow->ep[sf_dir_other(dir)];
        sf_offset sent = dir == turn->dir ? peer->snd_nxt : turn->snd_nxt_before;
        ep->proof = to == SF_ESTABLISHED ? 1 + (sf_offset)peer->syn_data : sent;
    }
    struct sf_event *event = sf_event_add(turn->tracker, flow, (int)dir);
    if (event == NULL)
        return;
    event->kind = SF_EVENT_STATE;
    event->from = from;
    event->to = to;
    event->proved = proved;
    event->cause = cause;
}

static bool apply(struct sf_turn *turn, enum sf_dir dir, enum sf_stimulus stimulus, bool proved,
                  enum sf_cause cause)
{
    struct sf_endpoint *ep = &turn->flow->ep[dir];
    enum sf_tcp_state to = sf_state_next((enum sf_tcp_state)ep->state, stimulus);
    if (to == SF_STATE_NONE || to == (enum sf_tcp_state)ep->state)
        return false;
    enter(turn, dir, to, proved, cause);
    return true;
}

/* The end sends again what it sent in the state that an assumption had left. */
static void retract(struct sf_turn *turn, enum sf_dir dir)
{
    const struct sf_endpoint *ep = &turn->flow->ep[dir];
    if (!ep->is_proved && ep->assumed_from != SF_STATE_NONE && ep->assumed_from != ep->state)
        enter(turn, dir, (enum sf_tcp_state)ep->assumed_from, true, SF_CAUSE_RETRACTED);
}

/* --- what the sender has provably received --------------------------------------------------- */

static void prove_syn_received(struct sf_turn *turn)
{
    struct sf_endpoint *snd = turn->snd, *rcv = turn->rcv;
    snd->acked_peer_syn = true;
    if (snd->state != SF_SYN_SENT || (turn->seg->flags & SF_TH_SYN))
        return;
    if (rcv->packets == 0) {
        /* one direction captured: the SYN-ACK is proved by this ACK */
        enter(turn, sf_dir_other(turn->dir), SF_SYN_RECEIVED, true, SF_CAUSE_SENT_SYN_ACK);
        snd->syn_is_acked = true;
    }
    if (snd->syn_is_acked)
        apply(turn, turn->dir, SF_RCV_SYN, true, SF_CAUSE_ACKED_SYN);
    else if (rcv->has_iss)
        enter(turn, turn->dir, SF_SYN_RECEIVED, true, SF_CAUSE_ACKED_SYN);
}

/* Whether the end's FIN, in each sending that passed, acknowledges the peer's. */
static bool fin_answers(const struct sf_endpoint *ep, const struct sf_endpoint *peer)
{
    return ep->has_fin_ack && ep->fin != SF_OFFSET_NONE && peer->fin != SF_OFFSET_NONE &&
           sf_offset_of(peer, ep->fin_ack, peer->snd_nxt) > peer->fin;
}

/* The end has acknowledged its peer's FIN, and with it the ACK of its own that this FIN carried.
 * One that passed on its own may not have come yet: then the end is in CLOSING. */
static void receive_fin(struct sf_turn *turn, enum sf_dir dir)
{
    struct sf_endpoint *ep = &turn->flow->ep[dir];
    bool has_ack = fin_answers(&turn->flow->ep[sf_dir_other(dir)], ep);
    if (has_ack && ep->state == SF_FIN_WAIT_1)
        apply(turn, dir, SF_RCV_ACK_OF_FIN, true, SF_CAUSE_FIN_ACKED);
    bool may_lack_ack = ep->state == SF_FIN_WAIT_2 && !ep->is_proved && !has_ack;
    apply(turn, dir, SF_RCV_FIN, !may_lack_ack, SF_CAUSE_ACKED_FIN);
    if (!may_lack_ack)
        return;
    ep->assumed_from = SF_CLOSING;
    ep->proof = SF_OFFSET_NONE;
}

static void prove_received(struct sf_turn *turn)
{
    struct sf_endpoint *snd = turn->snd, *rcv = turn->rcv;
    if (!turn->has_ack)
        return;
    if ((!snd->acked_peer_syn || snd->state == SF_SYN_SENT) && turn->ack >= 1 &&
        (rcv->has_iss || rcv->packets == 0))
        prove_syn_received(turn);
    if (rcv->fin != SF_OFFSET_NONE && turn->ack > rcv->fin && !snd->acked_peer_fin) {
        snd->acked_peer_fin = true;
        receive_fin(turn, turn->dir);
    }
}

static bool is_proof(const struct sf_turn *turn)
{
    const struct sf_endpoint *snd = turn->snd;
    if (snd->state == SF_CLOSED)
        return false;
    if (snd->proof != SF_OFFSET_NONE && turn->has_ack && turn->ack > snd->proof)
        return true;
    if (snd->state != SF_ESTABLISHED || turn->flow->is_fast_open || !turn->sends_new_data)
        return false;
    /* Midstream, data comes from ESTABLISHED or CLOSE-WAIT: proved once the peer sent data too. */
    return !turn->flow->is_midstream || (turn->rcv->data_packets > 0 && turn->has_ack);
}

/* What only a synchronized end sends: new data or an ACK of data; with crossed SYNs anything but a
 * SYN (RFC 9293 §3.5, Figure 7). */
static bool is_after_syn(const struct sf_turn *turn)
{
    const struct sf_flow *flow = turn->flow;
    if (turn->seg->flags & (SF_TH_SYN | SF_TH_RST))
        return false;
    if (flow->is_simultaneous)
        return true;
    bool acks_data = turn->has_ack && turn->ack > 1 + (sf_offset)turn->rcv->syn_data;
    return acks_data || (turn->sends_new_data && !flow->is_fast_open);
}

/* --- what it sends --------------------------------------------------------------------------- */

/* An end that is seen for the first time without a SYN. Its first SYN, should one follow, says
 * better: a bare ACK may precede it, or belong to an older connection. */
static void appear(struct sf_turn *turn)
{
    enter(turn, turn->dir, SF_ESTABLISHED, false, SF_CAUSE_SENT_SEGMENT);
    turn->snd->assumed_from = SF_STATE_NONE;
    turn->snd->proof = SF_OFFSET_NONE;
}

static bool has_only_appeared(const struct sf_endpoint *ep)
{
    return ep->state != SF_STATE_NONE && !ep->is_proved && ep->assumed_from == SF_STATE_NONE;
}

static void send_syn(struct sf_turn *turn)
{
    struct sf_endpoint *snd = turn->snd;
    bool ack = turn->seg->flags & SF_TH_ACK;
    if (turn->is_syn_again && (ack || snd->state == SF_CLOSED)) {
        retract(turn, turn->dir);
        return;
    }
    bool refused_before = snd->state == SF_CLOSED && !turn->is_syn_again;
    if (has_only_appeared(snd) || refused_before)
        enter(turn, turn->dir, ack ? SF_SYN_RECEIVED : SF_SYN_SENT, true,
              ack ? SF_CAUSE_SENT_SYN_ACK : SF_CAUSE_SENT_SYN);
    if (!ack) {
        apply(turn, turn->dir, SF_SND_SYN, true, SF_CAUSE_SENT_SYN);
        return;
    }
    apply(turn, turn->dir, SF_SND_SYN_ACK, true, SF_CAUSE_SENT_SYN_ACK);
    if (snd->syn_is_acked && turn->flow->is_simultaneous && turn->rcv->syn_acks > 0)
        apply(turn, turn->dir, SF_RCV_ACK_OF_SYN, false, SF_CAUSE_SYN_ACKED);
}

static bool is_after_fin(enum sf_tcp_state state)
{
    enum sf_tcp_state next = sf_state_next(state, SF_SND_FIN);
    return next == state || next == SF_STATE_NONE;
}

static void keep_fin_ack(struct sf_turn *turn)
{
    struct sf_endpoint *snd = turn->snd;
    sf_seq ack = turn->seg->ack;
    bool is_first = !turn->is_fin_again || !snd->has_fin_ack;
    if (!turn->has_ack || (!is_first && !sf_seq_before(ack, snd->fin_ack)))
        return;
    snd->has_fin_ack = true;
    snd->fin_ack = ack;
}

/* Neither end had the other's FIN when it sent its own. */
static void judge_crossing(struct sf_turn *turn)
{
    struct sf_flow *flow = turn->flow;
    const struct sf_endpoint *snd = turn->snd, *rcv = turn->rcv;
    bool soon = turn->seg->ts_ns - flow->fin_ns <= CROSSING_MAX;
    flow->fin_ns = turn->seg->ts_ns;
    bool had_it = fin_answers(snd, rcv) || (snd->acked_peer_fin && !turn->is_fin_late);
    if (!soon || rcv->fin == SF_OFFSET_NONE || had_it || fin_answers(rcv, snd) ||
        flow->fins_crossed)
        return;
    flow->fins_crossed = true;
    sf_note(turn->tracker, flow, SF_ANOMALY_SIMULTANEOUS_CLOSE, SF_EITHER_END, turn->seg->packet,
            0);
}

/* The peer's FIN passed first and acknowledges this one: it was taken for the first and came
 * second. */
static void put_second(struct sf_turn *turn)
{
    enum sf_dir peer = sf_dir_other(turn->dir);
    bool is_acked = turn->rcv->state == SF_FIN_WAIT_2;
    turn->flow->first_fin = (uint8_t)turn->dir;
    if (turn->rcv->state != SF_FIN_WAIT_1 && !is_acked)
        return;
    enter(turn, peer, SF_CLOSE_WAIT, true, SF_CAUSE_ACKED_FIN);
    enter(turn, peer, SF_LAST_ACK, true, SF_CAUSE_SENT_FIN);
    if (is_acked)
        apply(turn, peer, SF_RCV_ACK_OF_FIN, false, SF_CAUSE_FIN_ACKED);
}

/* Its FIN passes after what was sent later, or after the ACK of it. */
static void send_late_fin(struct sf_turn *turn)
{
    struct sf_endpoint *snd = turn->snd, *rcv = turn->rcv;
    bool crossed = snd->state == SF_CLOSE_WAIT && !fin_answers(snd, rcv);
    if (crossed)
        enter(turn, turn->dir, SF_CLOSING, true, SF_CAUSE_SENT_FIN);
    else
        apply(turn, turn->dir, SF_SND_FIN, true, SF_CAUSE_SENT_FIN);
    if (snd->snd_una <= snd->fin)
        return;
    rcv->acked_peer_fin = snd->fin_acked = true;
    if (fin_answers(rcv, snd))
        put_second(turn);
    else
        receive_fin(turn, sf_dir_other(turn->dir));
    /* Sent again, it tells that the ACK had not come. */
    bool has_ack_of_it = snd->acked_peer_fin && fin_answers(rcv, snd);
    if (!turn->is_fin_again || has_ack_of_it)
        apply(turn, turn->dir, SF_RCV_ACK_OF_FIN, has_ack_of_it, SF_CAUSE_FIN_ACKED);
}

/* The peer's ACK of it passed so lately that the FIN, sent again, may have crossed it: that the ACK
 * comes is not contradicted. */
static bool crosses_its_ack(const struct sf_turn *turn)
{
    const struct sf_endpoint *snd = turn->snd, *rcv = turn->rcv;
    if (rcv->packets == 0 || !(rcv->last.flags & SF_TH_ACK) ||
        sf_offset_of(snd, rcv->last.ack, snd->snd_nxt) <= snd->fin)
        return false;
    sf_ns rtt = sf_flow_rtt(turn->flow);
    sf_ns on_the_way = sf_ns_known(rtt) ? rtt + ON_THE_WAY_SLACK : ON_THE_WAY_UNKNOWN;
    return turn->seg->ts_ns - rcv->last_ns <= on_the_way;
}

/* After a RST it crossed that, or took no notice: see reset.c. */
static void send_fin_again(struct sf_turn *turn)
{
    if (!sf_flow_has_reset(turn->flow) && !crosses_its_ack(turn))
        retract(turn, turn->dir);
}

static void send_fin(struct sf_turn *turn)
{
    struct sf_flow *flow = turn->flow;
    keep_fin_ack(turn);
    if (flow->first_fin == SF_NO_FIN)
        flow->first_fin = (uint8_t)turn->dir;
    /* A FIN that fills a hole may be told as sent again though its first sending did not pass. */
    if (turn->is_fin_again && is_after_fin((enum sf_tcp_state)turn->snd->state)) {
        send_fin_again(turn);
        return;
    }
    judge_crossing(turn);
    if (turn->is_fin_late)
        send_late_fin(turn);
    else
        apply(turn, turn->dir, SF_SND_FIN, true, SF_CAUSE_SENT_FIN);
}

/* --- what its peer may now be assumed to have received --------------------------------------- */

static void assume_received(struct sf_turn *turn)
{
    struct sf_endpoint *rcv = turn->rcv;
    enum sf_dir peer = sf_dir_other(turn->dir);
    if (!turn->has_ack || turn->ack < 1)
        return;
    if (rcv->state == SF_STATE_NONE && (turn->seg->flags & SF_TH_SYN))
        apply(turn, peer, SF_RCV_ACK_OF_SYN, true, SF_CAUSE_SYN_ACKED);
    rcv->syn_is_acked = true;
    /* Its packets were not captured: only an end that has the SYN-ACK sends octets. */
    if (rcv->packets == 0 && rcv->state == SF_SYN_SENT && turn->snd->syn_acks > 0 &&
        !(turn->seg->flags & SF_TH_SYN) && turn->ack > 1 && !turn->flow->is_fast_open)
        enter(turn, peer, SF_ESTABLISHED, true, SF_CAUSE_ACKED_SYN);
    if (rcv->state == SF_SYN_RECEIVED)
        apply(turn, peer, SF_RCV_ACK_OF_SYN, false, SF_CAUSE_SYN_ACKED);
    if (rcv->fin == SF_OFFSET_NONE || turn->ack <= rcv->fin)
        return;
    rcv->fin_acked = true;
    if (sf_state_next((enum sf_tcp_state)rcv->state, SF_RCV_ACK_OF_FIN) != SF_STATE_NONE)
        apply(turn, peer, SF_RCV_ACK_OF_FIN, false, SF_CAUSE_FIN_ACKED);
}

void sf_life_segment(struct sf_turn *turn)
{
    struct sf_endpoint *snd = turn->snd;
    if (snd->state == SF_STATE_NONE && !(turn->seg->flags & SF_TH_SYN))
        appear(turn);
    if (snd->state == SF_CLOSED && turn->rcv->state == SF_SYN_SENT &&
        !(turn->seg->flags & SF_TH_SYN) && !sf_flow_has_reset(turn->flow))
        retract(turn, turn->dir); /* out of its older connection: the RST did not end it */
    prove_received(turn);
    if (!snd->is_proved && snd->state != SF_STATE_NONE && is_proof(turn))
        enter(turn, turn->dir, (enum sf_tcp_state)snd->state, true, SF_CAUSE_PROVED);
    if (snd->state == SF_SYN_RECEIVED && is_after_syn(turn))
        apply(turn, turn->dir, SF_SND_AFTER_SYN, true, SF_CAUSE_PROVED);
    if (turn->seg->flags & SF_TH_SYN)
        send_syn(turn);
    if (snd->state == SF_CLOSE_WAIT && turn->sends_new_data && !(turn->seg->flags & SF_TH_FIN) &&
        !sf_noted_any(turn->flow, SF_ANOMALY_HALF_CLOSED))
        sf_note(turn->tracker, turn->flow, SF_ANOMALY_HALF_CLOSED, (int)sf_dir_other(turn->dir),
                turn->seg->packet, 0);
    if (turn->seg->flags & SF_TH_FIN)
        send_fin(turn);
    assume_received(turn);
}

void sf_life_end_old(struct sf_turn *turn)
{
    apply(turn, sf_dir_other(turn->dir), SF_RCV_RST, false, SF_CAUSE_GOT_RST);
}

void sf_life_reset(struct sf_turn *turn)
{
    apply(turn, turn->dir, SF_SND_RST, true, SF_CAUSE_SENT_RST);
    sf_life_end_old(turn);
}

/* What was acknowledged meanwhile, while it was taken for closed, counts. */
void sf_life_restore(struct sf_turn *turn, enum sf_dir dir)
{
    const struct sf_reset *reset = &turn->flow->reset;
    const struct sf_endpoint *ep = &turn->flow->ep[dir];
    if (reset->state_before[dir] == SF_STATE_NONE)
        return;
    enter(turn, dir, (enum sf_tcp_state)reset->state_before[dir], reset->proved_before[dir],
          SF_CAUSE_RETRACTED);
    if (ep->fin_acked)
        apply(turn, dir, SF_RCV_ACK_OF_FIN, false, SF_CAUSE_FIN_ACKED);
    if (ep->acked_peer_fin)
        receive_fin(turn, dir);
}

bool sf_flow_both_fins_acked(const struct sf_flow *flow)
{
    return flow->ep[0].fin_acked && flow->ep[1].fin_acked;
}

static bool is_over(const struct sf_endpoint *ep)
{
    return ep->state == SF_CLOSED || ep->state == SF_TIME_WAIT || ep->state == SF_STATE_NONE;
}

void sf_life_update_closed(struct sf_tracker *t, struct sf_flow *flow)
{
    bool closed = is_over(&flow->ep[0]) && is_over(&flow->ep[1]) &&
                  (flow->ep[0].state != SF_STATE_NONE || flow->ep[1].state != SF_STATE_NONE);
    bool stays_closed = closed && flow->is_closed;
    bool is_any = closed || flow->is_closed;
    flow->is_closed = closed;
    if (stays_closed && t->options.report_after_ns != 0)
        return; /* the list is in the order of closing */
    if (is_any)
        sf_flow_touch(t, flow, closed ? SF_FLOWS_CLOSED : sf_flow_list_of(flow));
}
