/* A RST: why it was sent (kind), whether its receiver had to take it (validity, RFC 9293 §3.10.7,
 * RFC 5961 §3.2), and what came of it (effect). */
#include "track_internal.h"

/* Without a round-trip time: how long segments may still cross a RST. */
static const sf_ns CROSSING_UNKNOWN = 100 * SF_MSEC;
static const sf_ns CROSSING_SLACK = 10 * SF_MSEC;
/* What an answer may take beside ten round trips. */
static const sf_ns ANSWER_SLACK = 50 * SF_MSEC;

static const char *const kind_names[] = {
    [SF_RESET_REFUSED] = "refused",
    [SF_RESET_CHALLENGE_FOLLOW_UP] = "challenge_follow_up",
    [SF_RESET_LATE_DATA] = "late_data",
    [SF_RESET_AFTER_FIN] = "after_fin",
    [SF_RESET_NO_CONNECTION] = "no_connection",
    [SF_RESET_ABORT] = "abort",
    [SF_RESET_LONE] = "lone",
};
static const char *const validity_names[] = {
    [SF_RESET_EXACT] = "exact", [SF_RESET_IN_WINDOW] = "in_window", [SF_RESET_BELOW] = "below",
    [SF_RESET_ABOVE] = "above", [SF_RESET_UNKNOWN] = "unknown",
};
static const char *const effect_names[] = {
    [SF_EFFECT_UNKNOWN] = "unknown",
    [SF_EFFECT_EFFECTIVE] = "effective",
    [SF_EFFECT_IGNORED] = "ignored",
};

const char *sf_reset_kind_name(enum sf_reset_kind kind)
{
    return kind_names[kind];
}

const char *sf_reset_validity_name(enum sf_reset_validity validity)
{
    return validity_names[validity];
}

const char *sf_reset_effect_name(enum sf_reset_effect effect)
{
    return effect_names[effect];
}

/* The end of what the tap saw of the sender without a hole: the most its peer can hold. */
static sf_offset contiguous_end(const struct sf_endpoint *ep)
{
    for (size_t i = 0; i < ep->hole_count; i++)
        if (!sf_ns_known(sf_hole_at(ep, i)->acked_ns) && !sf_hole_at(ep, i)->is_before)
            return sf_hole_at(ep, i)->begin;
    return ep->snd_nxt;
}

/* RST's ACK field against the receiver's SYN: the test of SYN-SENT. */
static bool acknowledges_syn(const struct sf_turn *turn)
{
    const struct sf_endpoint *rcv = turn->rcv;
    if (!(turn->seg->flags & SF_TH_ACK) || !rcv->has_iss)
        return false;
    sf_offset ack = sf_offset_of(rcv, turn->seg->ack, rcv->snd_nxt);
    return ack > 0 && ack <= 1 + (sf_offset)rcv->syn_data;
}

static bool is_receiver_in_syn_sent(const struct sf_turn *turn)
{
    return turn->rcv->state == SF_SYN_SENT && !turn->snd->has_iss;
}

static enum sf_reset_validity judge_window(const struct sf_turn *turn, sf_offset seq)
{
    const struct sf_endpoint *snd = turn->snd, *rcv = turn->rcv;
    sf_offset low = snd->snd_una, high = contiguous_end(snd);
    bool after_fin = snd->fin != SF_OFFSET_NONE && high == snd->fin + 1;
    if (seq == low || seq == high || (after_fin && seq == high - 1) || seq == snd->sack_high)
        return SF_RESET_EXACT;
    if (seq > low && seq < high)
        return sf_sent_is_boundary(snd, seq) ? SF_RESET_EXACT : SF_RESET_IN_WINDOW;
    if (seq < low)
        return SF_RESET_BELOW;
    if (!rcv->has_window)
        return SF_RESET_UNKNOWN;
    if (seq < low + (sf_offset)rcv->window_now)
        return SF_RESET_IN_WINDOW;
    if (!sf_flow_is_scale_known(turn->flow) && seq < low + ((sf_offset)rcv->window_now << 14))
        return SF_RESET_UNKNOWN;
    return SF_RESET_ABOVE;
}

/* RFC 9293 §3.10.7.3: a RST that does not acknowledge the SYN is dropped. */
static enum sf_reset_validity judge_ack_in_syn_sent(const struct sf_turn *turn)
{
    const struct sf_endpoint *rcv = turn->rcv;
    bool above = (turn->seg->flags & SF_TH_ACK) &&
                 sf_offset_of(rcv, turn->seg->ack, rcv->snd_nxt) > rcv->snd_nxt;
    return above ? SF_RESET_ABOVE : SF_RESET_BELOW;
}

static enum sf_reset_validity judge_validity(const struct sf_turn *turn)
{
    const struct sf_endpoint *snd = turn->snd;
    if (is_receiver_in_syn_sent(turn) && turn->rcv->has_iss)
        return acknowledges_syn(turn) ? SF_RESET_EXACT : judge_ack_in_syn_sent(turn);
    if (!snd->has_base)
        return SF_RESET_UNKNOWN;
    return judge_window(turn, sf_offset_of(snd, turn->seg->seq, snd->snd_nxt));
}

/* It directly answers a segment of the peer and repeats that segment's ACK as its own number:
 * RFC 9293 §3.5.2, group 1: no such connection here. */
static bool answers_with_its_ack(const struct sf_turn *turn)
{
    return !(turn->seg->flags & SF_TH_ACK) && turn->flow->last_dir != turn->dir &&
           (turn->rcv->last.flags & SF_TH_ACK) && sf_seq_equal(turn->seg->seq, turn->rcv->last.ack);
}

static bool is_challenge_follow_up(const struct sf_turn *turn)
{
    const struct sf_flow *flow = turn->flow;
    return sf_ns_known(flow->challenge_ns) && flow->challenge_by == turn->dir &&
           answers_with_its_ack(turn);
}

static bool is_in_handshake(const struct sf_turn *turn)
{
    static const bool opening[SF_STATE_COUNT] = {[SF_SYN_SENT] = true, [SF_SYN_RECEIVED] = true};
    return opening[turn->snd->state] || opening[turn->rcv->state];
}

/* An end that spoke within a second and ten round trips has the connection; an answer comes within
 * ten round trips and a little, or a second where none is known. */
static bool seems_to_know_nothing(const struct sf_turn *turn)
{
    const struct sf_endpoint *snd = turn->snd;
    sf_ns rtt = sf_flow_rtt(turn->flow), waited = turn->seg->ts_ns - turn->rcv->last_ns;
    bool is_unheard = snd->packets == snd->rsts || turn->idle_ns > SF_SEC ||
                      (sf_ns_known(rtt) && turn->idle_ns / 10 > rtt);
    bool is_answer = sf_ns_known(rtt) ? (waited - ANSWER_SLACK) / 10 <= rtt : waited <= SF_SEC;
    return is_unheard && is_answer;
}

/* Octets that passed after its FIN and that it has not acknowledged. */
static bool answers_data(const struct sf_turn *turn)
{
    const struct sf_endpoint *rcv = turn->rcv;
    const struct sf_change *fin = sf_flow_change(turn->flow, SF_CAUSE_SENT_FIN, (int)turn->dir);
    return fin != NULL && rcv->data_packets > 0 && rcv->last_data_ns > fin->ts_ns &&
           sf_outstanding(rcv) > 0;
}

static enum sf_reset_kind judge_kind(const struct sf_turn *turn)
{
    const struct sf_endpoint *snd = turn->snd, *rcv = turn->rcv;
    if (is_receiver_in_syn_sent(turn) && acknowledges_syn(turn))
        return SF_RESET_REFUSED;
    if (is_challenge_follow_up(turn))
        return SF_RESET_CHALLENGE_FOLLOW_UP;
    if (snd->fin != SF_OFFSET_NONE)
        return answers_data(turn) ? SF_RESET_LATE_DATA : SF_RESET_AFTER_FIN;
    if (answers_with_its_ack(turn) && (is_in_handshake(turn) || seems_to_know_nothing(turn)))
        return SF_RESET_NO_CONNECTION;
    if (!snd->has_sent && rcv->packets == 0)
        return SF_RESET_LONE;
    return SF_RESET_ABORT;
}

static enum sf_severity reset_severity(uint64_t outstanding)
{
    return outstanding > 0 ? SF_PROBLEM : SF_WARNING;
}

static void note_reset(struct sf_turn *turn, enum sf_reset_kind kind, uint64_t outstanding)
{
    struct sf_tracker *t = turn->tracker;
    struct sf_flow *flow = turn->flow;
    uint64_t packet = turn->seg->packet;
    bool synchronized = sf_state_is_synchronized((enum sf_tcp_state)turn->rcv->state);
    if (kind == SF_RESET_REFUSED) {
        flow->is_refused = true;
        sf_turn_note(turn, SF_ANOMALY_REFUSED, 0);
    } else if (is_in_handshake(turn)) {
        sf_turn_note(turn, SF_ANOMALY_RESET_IN_HANDSHAKE, 0);
    } else if (kind == SF_RESET_NO_CONNECTION && synchronized) {
        sf_note_kind(t, flow, SF_ANOMALY_HALF_OPEN, (int)turn->dir, packet, 0,
                     flow->pending == NULL ? SF_KIND_DEAD_PEER : SF_KIND_REOPEN, SF_PROBLEM);
    } else if (kind == SF_RESET_AFTER_FIN || kind == SF_RESET_LATE_DATA) {
        sf_note_kind(t, flow, SF_ANOMALY_RESET_AFTER_FIN, (int)turn->dir, packet, outstanding,
                     SF_KIND_NONE, SF_NOTE);
    } else {
        sf_note_kind(t, flow, SF_ANOMALY_RESET, (int)turn->dir, packet, outstanding, SF_KIND_NONE,
                     reset_severity(outstanding));
    }
}

/* Of its receiver, so many octets are neither acknowledged before nor by the RST itself. */
static uint64_t outstanding_behind(const struct sf_turn *turn)
{
    const struct sf_endpoint *rcv = turn->rcv;
    uint64_t octets = sf_outstanding(rcv);
    if (!(turn->seg->flags & SF_TH_ACK) || !rcv->has_base)
        return octets;
    sf_offset ack = sf_offset_of(rcv, turn->seg->ack, rcv->snd_nxt);
    sf_offset una = rcv->snd_una < 1 ? 1 : rcv->snd_una;
    uint64_t acked = ack > una && ack <= rcv->snd_nxt ? (uint64_t)(ack - una) : 0;
    return acked < octets ? octets - acked : 0;
}

static void accept_reset(struct sf_turn *turn, enum sf_reset_kind kind,
                         enum sf_reset_validity validity)
{
    struct sf_flow *flow = turn->flow;
    uint64_t received = outstanding_behind(turn), sent = sf_outstanding(turn->snd);
    if (flow->is_closed && sf_flow_both_fins_acked(flow)) {
        sf_turn_note(turn, SF_ANOMALY_RESET_AFTER_FIN, 0);
        sf_life_reset(turn);
        return;
    }
    flow->reset = (struct sf_reset){.packet = turn->seg->packet,
                                    .ts_ns = turn->seg->ts_ns,
                                    .by = (uint8_t)turn->dir,
                                    .kind = (uint8_t)kind,
                                    .validity = (uint8_t)validity,
                                    .effect = SF_EFFECT_UNKNOWN,
                                    .snd_nxt = turn->snd->snd_nxt,
                                    .rtt_ns = turn->snd->rtt_estimate.srtt_ns};
    flow->reset.outstanding[turn->dir] = sent;
    flow->reset.outstanding[sf_dir_other(turn->dir)] = received;
    for (int dir = 0; dir < SF_DIR_COUNT; dir++) {
        flow->reset.state_before[dir] = flow->ep[dir].state;
        flow->reset.proved_before[dir] = flow->ep[dir].is_proved;
    }
    note_reset(turn, kind, sent + received);
    sf_life_reset(turn);
}

/* RFC 9293 §3.5.2 group 2, Figure 9: an end that has just sent its SYN answers an ACK of an older
 * connection. Its own opening goes on. */
static bool answers_old_connection(const struct sf_turn *turn)
{
    const struct sf_endpoint *snd = turn->snd;
    return snd->state == SF_SYN_SENT && snd->has_iss && answers_with_its_ack(turn) &&
           !sf_seq_equal(turn->seg->seq, sf_seq_add(snd->base, 1));
}

/* In SYN-SENT there is no window yet: RFC 9293 §3.10.7.3. */
static void note_invalid(struct sf_turn *turn)
{
    bool is_for_syn = is_receiver_in_syn_sent(turn) && turn->rcv->has_iss;
    sf_note_kind(turn->tracker, turn->flow, SF_ANOMALY_RESET_INVALID, (int)turn->dir,
                 turn->seg->packet, 0, is_for_syn ? SF_KIND_NOT_OF_SYN : SF_KIND_NONE,
                 sf_anomaly_severity(SF_ANOMALY_RESET_INVALID));
}

/* The client tried the SYN again that was refused (Windows does, twice), to no avail. */
static bool refuses_again(const struct sf_turn *turn)
{
    const struct sf_flow *flow = turn->flow;
    return flow->is_refused && flow->reset.by == turn->dir && is_receiver_in_syn_sent(turn) &&
           acknowledges_syn(turn);
}

void sf_reset_segment(struct sf_turn *turn)
{
    struct sf_flow *flow = turn->flow;
    if (answers_old_connection(turn)) {
        /* A SYN-ACK is of no connection yet, and TIME-WAIT ends so (Linux; RFC 6191). */
        if (!(turn->rcv->last.flags & SF_TH_SYN) && !flow->met_time_wait)
            sf_note_kind(turn->tracker, flow, SF_ANOMALY_HALF_OPEN, (int)turn->dir,
                         turn->seg->packet, 0, SF_KIND_REOPEN, SF_PROBLEM);
        sf_life_end_old(turn);
        return;
    }
    if (refuses_again(turn)) {
        sf_turn_note(turn, SF_ANOMALY_REFUSED, 0);
        sf_life_reset(turn);
        return;
    }
    if (sf_flow_has_reset(flow))
        return; /* it is over: further RSTs answer segments that still crossed */
    enum sf_reset_validity validity = judge_validity(turn);
    enum sf_reset_kind kind = judge_kind(turn);
    switch (validity) {
    case SF_RESET_EXACT:
    case SF_RESET_UNKNOWN: accept_reset(turn, kind, validity); break;
    case SF_RESET_IN_WINDOW:
        flow->challenge_ns = turn->seg->ts_ns;
        flow->challenge_packet = turn->seg->packet;
        flow->challenge_by = (uint8_t)turn->dir;
        break;
    case SF_RESET_BELOW:
    case SF_RESET_ABOVE: note_invalid(turn); break;
    }
}

/* --- afterwards --------------------------------------------------------------------------------
 */

/* An ACK that repeats what its sender said before: RFC 5961 §3.2's challenge. */
static bool is_challenge_ack(const struct sf_turn *turn)
{
    return turn->seg->payload_len == 0 && turn->has_ack && turn->begin == turn->snd->snd_nxt &&
           turn->ack == turn->una_before;
}

static void judge_challenge(struct sf_turn *turn)
{
    struct sf_flow *flow = turn->flow;
    if (flow->challenge_packet == 0 || turn->dir == flow->challenge_by)
        return;
    bool answered = is_challenge_ack(turn);
    sf_note(turn->tracker, flow, answered ? SF_ANOMALY_RESET_CHALLENGED : SF_ANOMALY_RESET_IGNORED,
            (int)flow->challenge_by, answered ? flow->challenge_packet : turn->seg->packet, 0);
    if (!answered)
        flow->challenge_ns = SF_NS_UNKNOWN;
    flow->challenge_packet = 0;
}

/* The time from the tap to the RST's receiver and back: what the octets of its sender took. Where
 * they tell nothing, the shortest round trip that is worth the name. */
static sf_ns crossing_time(const struct sf_flow *flow)
{
    sf_ns rtt = flow->reset.rtt_ns;
    if (sf_ns_known(rtt))
        return rtt > SF_MSEC ? rtt : SF_MSEC;
    rtt = sf_flow_rtt(flow);
    for (int dir = 0; dir < SF_DIR_COUNT; dir++) {
        sf_ns srtt = flow->ep[dir].rtt_estimate.srtt_ns;
        if (sf_ns_known(srtt) && srtt > SF_MSEC && srtt < rtt)
            rtt = srtt;
    }
    return rtt;
}

static bool is_crossing(const struct sf_turn *turn)
{
    const struct sf_reset *reset = &turn->flow->reset;
    if (turn->has_ack && turn->ack > reset->snd_nxt)
        return false; /* it has what was sent after the RST */
    sf_ns rtt = crossing_time(turn->flow);
    sf_ns limit = sf_ns_known(rtt) ? rtt + CROSSING_SLACK : CROSSING_UNKNOWN;
    return turn->seg->ts_ns - reset->ts_ns <= limit;
}

/* What was under way when the RST was captured had arrived before it did: it is not lost. */
static void take_crossing_ack(struct sf_turn *turn)
{
    struct sf_flow *flow = turn->flow;
    uint64_t *outstanding = &flow->reset.outstanding[flow->reset.by];
    uint64_t left = sf_outstanding(turn->rcv);
    if (!turn->has_ack || left >= *outstanding)
        return;
    struct sf_noted *noted = sf_noted_find(flow, SF_ANOMALY_RESET, flow->reset.by);
    if (noted != NULL) {
        noted->value -= *outstanding - left;
        noted->severity = (uint8_t)reset_severity(noted->value);
    }
    *outstanding = left;
}

static void take_ignored(struct sf_turn *turn)
{
    struct sf_flow *flow = turn->flow;
    enum sf_anomaly told[] = {SF_ANOMALY_RESET, SF_ANOMALY_REFUSED, SF_ANOMALY_RESET_IN_HANDSHAKE,
                              SF_ANOMALY_HALF_OPEN, SF_ANOMALY_RESET_AFTER_FIN};
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++)
        sf_note_drop(flow, told[i], flow->reset.by);
    flow->reset.effect = SF_EFFECT_IGNORED;
    flow->is_refused = false;
    sf_note(turn->tracker, flow, SF_ANOMALY_RESET_IGNORED, flow->reset.by, flow->reset.packet, 0);
    sf_life_restore(turn, turn->dir);
}

/* The client tried the SYN again that was refused, and now it is accepted. */
static void take_second_thought(struct sf_turn *turn)
{
    struct sf_flow *flow = turn->flow;
    sf_note_drop(flow, SF_ANOMALY_REFUSED, flow->reset.by);
    sf_note(turn->tracker, flow, SF_ANOMALY_RESET_IN_HANDSHAKE, flow->reset.by, flow->reset.packet,
            0);
    flow->is_refused = false;
    flow->reset = (struct sf_reset){0};
}

void sf_reset_aftermath(struct sf_turn *turn)
{
    struct sf_flow *flow = turn->flow;
    judge_challenge(turn);
    if (flow->reset.packet == 0)
        return;
    bool by_sender = turn->dir == flow->reset.by;
    if (flow->reset.effect == SF_EFFECT_IGNORED) {
        if (by_sender && turn->snd->state == SF_CLOSED &&
            flow->reset.state_before[turn->dir] != SF_CLOSED)
            sf_life_restore(turn, turn->dir); /* it never sent that RST */
        return;
    }
    if (by_sender && flow->reset.kind == SF_RESET_REFUSED && turn->snd->syn_acks > 0 &&
        (turn->seg->flags & SF_TH_SYN)) {
        take_second_thought(turn);
        return;
    }
    /* A refused client that tries the same SYN again keeps its story. */
    if (turn->seg->flags & SF_TH_SYN && flow->reset.kind == SF_RESET_REFUSED && !by_sender)
        return;
    if (by_sender)
        sf_turn_note(turn, SF_ANOMALY_SEGMENT_AFTER_RESET, 0);
    else if (is_crossing(turn))
        take_crossing_ack(turn);
    else
        take_ignored(turn);
}
