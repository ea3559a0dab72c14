/* A handshake in its usual form, of which most of Zeek's rules say nothing. */
#include "view_internal.h"

enum { CONTROL = SF_TH_SYN | SF_TH_FIN | SF_TH_RST | SF_TH_ACK };

static void begin_end(struct sf_zeek_end *end, const struct sf_segment *seg)
{
    end->start = seg->seq.n;
    end->low[SF_ZEEK_ACK] = seg->seq.n;
    end->low[SF_ZEEK_LAST] = seg->seq.n + 1;
    end->low[SF_ZEEK_PACKETS]++;
    end->ip_bytes += seg->ip_bytes;
    end->seen |= SF_ZEEK_SEEN_SYN;
    end->is_seen = true;
}

bool sf_zeek_plain_syn(struct sf_view_slot *slot, const struct sf_segment *seg)
{
    struct sf_zeek_conn *conn = &slot->zeek;
    struct sf_zeek_end *snd = &conn->end[seg->dir];
    if ((seg->flags & CONTROL) != SF_TH_SYN || seg->payload_len != 0 || seg->window == 0)
        return false;
    begin_end(snd, seg);
    snd->state = SF_ZEEK_SYN_SENT;
    conn->history[0] = 'S';
    conn->history_len = 1;
    conn->is_attempt = true;
    conn->due_ns = seg->ts_ns + SF_ZEEK_ATTEMPT_DELAY;
    return true;
}

/* Whether it begins the numbers of its sender and acknowledges the peer's SYN, and nothing did. */
static bool is_answer(const struct sf_view_slot *slot, const struct sf_segment *seg)
{
    const struct sf_zeek_conn *conn = &slot->zeek;
    const struct sf_zeek_end *snd = &conn->end[seg->dir], *rcv = &conn->end[SF_FROM_1 - seg->dir];
    return (seg->flags & CONTROL) == (SF_TH_SYN | SF_TH_ACK) && conn->originator != seg->dir &&
           snd->state == SF_ZEEK_INACTIVE && rcv->state == SF_ZEEK_SYN_SENT &&
           rcv->low[SF_ZEEK_ACK] == rcv->start && seg->ack.n == rcv->start + 1 && seg->ack.n != 0 &&
           seg->payload_len == 0 && seg->window != 0 && sf_zeek_are_small(slot);
}

bool sf_zeek_plain_syn_ack(struct sf_views *views, struct sf_view_slot *slot,
                           const struct sf_segment *seg)
{
    struct sf_zeek_conn *conn = &slot->zeek;
    struct sf_zeek_end *snd = &conn->end[seg->dir], *rcv = &conn->end[SF_FROM_1 - seg->dir];
    if (!is_answer(slot, seg))
        return false;
    begin_end(snd, seg);
    sf_zeek_history(views, slot, seg->dir, 'H');
    conn->last_ns = seg->ts_ns;
    rcv->low[SF_ZEEK_ACK] = seg->ack.n;
    rcv->prev_state = SF_ZEEK_SYN_SENT;
    rcv->state = snd->state = SF_ZEEK_ESTABLISHED;
    conn->patience =
        sf_zeek_is_shell(seg->key.port[seg->dir]) ? SF_ZEEK_SHELL : SF_ZEEK_AFTER_HANDSHAKE;
    return true;
}
