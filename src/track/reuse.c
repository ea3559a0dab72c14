/* A SYN on addresses and ports that carry a connection already: the same SYN again, a new
 * connection, or a question that only the answer decides (RFC 9293 §3.5.1, §3.6.1, RFC 6191). */
#include "track_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Linux sends a SYN eleven times (tcp_syn_linear_timeouts). */
enum { PENDING_MAX = 16 };

/* A SYN that nothing answered for so long was given up: Linux tries for 131 s. */
static const sf_ns SYN_GIVEN_UP = 131 * SF_SEC;
/* A refused SYN repeated so soon is the same attempt (Windows tries three times in 2 s). */
static const sf_ns REFUSED_AGAIN = 5 * SF_SEC;
/* On a closed connection, numbers so far off are another connection's. */
static const sf_offset FAR = 1 << 24;

static bool is_answer_to(const struct sf_segment *pending, const struct sf_segment *seg)
{
    uint32_t len = sf_segment_seq_len(pending);
    uint32_t ahead = seg->ack.n - pending->seq.n;
    return (seg->flags & SF_TH_ACK) && ahead >= 1 && ahead <= len;
}

static bool is_next_to(const struct sf_segment *pending, const struct sf_segment *seg)
{
    return sf_seq_distance(pending->seq, seg->seq) == (int32_t)sf_segment_seq_len(pending);
}

typedef bool sf_goes_with(const struct sf_segment *pending, const struct sf_segment *seg);

/* Those that wait may have several initial numbers. */
static bool goes_with_any(const struct sf_pending *pending, const struct sf_segment *seg,
                          sf_goes_with *goes_with)
{
    for (unsigned i = 0; i < pending->count; i++)
        if (goes_with(&pending->segments[i], seg))
            return true;
    return false;
}

/* A segment while SYNs wait. */
static enum sf_reuse judge_waiting(const struct sf_flow *flow, const struct sf_segment *seg)
{
    const struct sf_pending *pending = flow->pending;
    const struct sf_endpoint *rcv = &flow->ep[sf_dir_other(seg->dir)];
    bool syn = seg->flags & SF_TH_SYN, ack = seg->flags & SF_TH_ACK, rst = seg->flags & SF_TH_RST;
    if (seg->dir != (enum sf_dir)pending->dir)
        return goes_with_any(pending, seg, is_answer_to) ? SF_REUSE_DECIDED : SF_REUSE_NO;
    if (rst)
        return !ack && (rcv->last.flags & SF_TH_ACK) && sf_seq_equal(seg->seq, rcv->last.ack)
                   ? SF_REUSE_REOPEN
                   : SF_REUSE_NO;
    if (syn)
        return SF_REUSE_NO; /* as the first of them was judged */
    /* The opener sends on: from the new numbers, or from the old ones. */
    return goes_with_any(pending, seg, is_next_to) ? SF_REUSE_DECIDED : SF_REUSE_REFUSE;
}

static enum sf_reuse judge_same_iss(const struct sf_flow *flow, const struct sf_segment *seg)
{
    const struct sf_endpoint *snd = &flow->ep[seg->dir];
    if (!flow->is_closed)
        return SF_REUSE_NO;
    bool again = flow->is_refused && seg->ts_ns - snd->last_ns <= REFUSED_AGAIN;
    return again ? SF_REUSE_NO : SF_REUSE_NEW;
}

static bool is_given_up(const struct sf_endpoint *ep, const struct sf_segment *seg)
{
    return ep->state == SF_SYN_SENT && seg->ts_ns - ep->last_ns > SYN_GIVEN_UP;
}

static enum sf_reuse judge_syn(const struct sf_flow *flow, const struct sf_segment *seg)
{
    const struct sf_endpoint *snd = &flow->ep[seg->dir], *rcv = &flow->ep[sf_dir_other(seg->dir)];
    if (snd->has_iss && sf_seq_equal(snd->base, seg->seq))
        return judge_same_iss(flow, seg);
    if (flow->is_closed)
        return SF_REUSE_NEW;
    if (snd->state == SF_SYN_SENT && !snd->has_iss)
        /* only its peer's SYN-ACK was seen: is this the SYN that it answers? */
        return sf_seq_equal(snd->base, seg->seq) ? SF_REUSE_NO : SF_REUSE_NEW;
    if (snd->state == SF_SYN_SENT)
        return is_given_up(snd, seg) ? SF_REUSE_NEW : SF_REUSE_NO;
    if (!snd->has_iss && rcv->state == SF_SYN_SENT)
        return is_given_up(rcv, seg) ? SF_REUSE_NEW : SF_REUSE_NO;
    if (snd->state == SF_STATE_NONE && rcv->state == SF_STATE_NONE)
        return SF_REUSE_NO;
    return SF_REUSE_WAIT;
}

static enum sf_reuse judge_syn_ack(const struct sf_flow *flow, const struct sf_segment *seg)
{
    const struct sf_endpoint *snd = &flow->ep[seg->dir], *rcv = &flow->ep[sf_dir_other(seg->dir)];
    if (rcv->has_iss && sf_seq_equal(seg->ack, sf_seq_add(rcv->base, 1)) &&
        (!flow->is_closed || snd->has_iss))
        return SF_REUSE_NO; /* it answers this connection's SYN, whatever its number */
    if (!snd->has_base || (snd->has_iss && sf_seq_equal(snd->base, seg->seq)))
        return flow->is_closed && !snd->has_base ? SF_REUSE_NEW : SF_REUSE_NO;
    if (flow->is_closed)
        return SF_REUSE_NEW;
    bool opening = snd->state == SF_SYN_RECEIVED || snd->state == SF_SYN_SENT ||
                   snd->state == SF_STATE_NONE || rcv->state == SF_SYN_SENT;
    return opening ? SF_REUSE_NO : SF_REUSE_WAIT;
}

/* A segment on a closed connection whose numbers are another one's, the opening not captured. */
static bool is_another_midstream(const struct sf_flow *flow, const struct sf_segment *seg)
{
    const struct sf_endpoint *snd = &flow->ep[seg->dir], *rcv = &flow->ep[sf_dir_other(seg->dir)];
    if (!flow->is_closed || !snd->has_base || !rcv->has_base || (seg->flags & SF_TH_RST) ||
        !(seg->flags & SF_TH_ACK))
        return false;
    sf_offset begin = sf_offset_of(snd, seg->seq, snd->snd_nxt) - snd->snd_nxt;
    sf_offset ack = sf_offset_of(rcv, seg->ack, rcv->snd_nxt) - rcv->snd_nxt;
    return (begin > FAR || begin < -FAR) && (ack > FAR || ack < -FAR);
}

/* Those that wait were an attempt that failed, and this SYN is the next. */
static bool is_new_attempt(const struct sf_pending *pending, const struct sf_segment *seg)
{
    const struct sf_segment *last = &pending->segments[pending->count - 1];
    bool is_late = seg->ts_ns - last->ts_ns > SYN_GIVEN_UP && !sf_seq_equal(seg->seq, last->seq);
    return is_late || pending->count == PENDING_MAX;
}

static enum sf_reuse judge(const struct sf_flow *flow, const struct sf_segment *seg)
{
    bool syn = seg->flags & SF_TH_SYN, ack = seg->flags & SF_TH_ACK, rst = seg->flags & SF_TH_RST;
    if (flow->pending != NULL) {
        enum sf_reuse waiting = judge_waiting(flow, seg);
        if (waiting != SF_REUSE_NO)
            return waiting;
    }
    if (syn && !rst)
        return ack ? judge_syn_ack(flow, seg) : judge_syn(flow, seg);
    return is_another_midstream(flow, seg) ? SF_REUSE_NEW : SF_REUSE_NO;
}

enum sf_reuse sf_reuse_judge(const struct sf_flow *flow, const struct sf_segment *seg)
{
    enum sf_reuse verdict = judge(flow, seg);
    if (flow->pending == NULL)
        return verdict;
    if (verdict == SF_REUSE_NEW)
        return SF_REUSE_DECIDED;
    return verdict == SF_REUSE_WAIT && is_new_attempt(flow->pending, seg) ? SF_REUSE_SETTLE
                                                                          : verdict;
}

int sf_reuse_keep(struct sf_flow *flow, const struct sf_segment *seg, uint64_t id)
{
    struct sf_pending *pending = flow->pending;
    if (pending == NULL) {
        pending = calloc(1, sizeof *pending);
        if (pending == NULL)
            return -1;
        pending->segments = calloc(PENDING_MAX, sizeof *pending->segments);
        if (pending->segments == NULL) {
            free(pending);
            return -1;
        }
        pending->dir = (uint8_t)seg->dir;
        pending->id = id;
        flow->pending = pending;
    }
    assert(pending->count < PENDING_MAX); /* sf_reuse_judge() would have settled them */
    pending->segments[pending->count++] = *seg;
    return 0;
}

/* Sent again, or captured again. The last that waits is the segment itself. */
static uint32_t label_of(const struct sf_pending *pending, const struct sf_segment *seg)
{
    for (unsigned i = pending->count - 1u; i-- > 0;) {
        const struct sf_segment *before = &pending->segments[i];
        if (before->dir != seg->dir || !sf_seq_equal(before->seq, seg->seq))
            continue;
        return 1u << (sf_duplicate_is(before, seg) ? SF_LABEL_CAPTURE_DUPLICATE
                                                   : SF_LABEL_RETRANSMISSION);
    }
    return 0;
}

void sf_reuse_tell(const struct sf_pending *pending, const struct sf_segment *seg,
                   struct sf_judgement *out)
{
    bool is_answer = seg->flags & SF_TH_ACK;
    out->conn = pending->id;
    out->from = is_answer ? SF_SERVER : SF_CLIENT;
    out->t_ns = seg->ts_ns - pending->segments[0].ts_ns;
    out->seq = 0;
    out->ack = is_answer;
    out->labels = label_of(pending, seg);
    out->in_flight = 0;
}

/* The SYNs that waited opened nothing: they are stray packets of the connection. */
void sf_reuse_absorb(struct sf_tracker *t, struct sf_flow *flow)
{
    struct sf_pending *pending = flow->pending;
    flow->pending = NULL;
    for (unsigned i = 0; i < pending->count; i++) {
        const struct sf_segment *seg = &pending->segments[i];
        struct sf_turn turn;
        sf_turn_begin(&turn, t, flow, seg, true);
        uint64_t last = flow->last_packet;
        if (!sf_duplicate_check(&turn))
            sf_count_segment(&turn);
        if (last > flow->last_packet)
            flow->last_packet = last;
    }
    free(pending->segments);
    free(pending);
}
