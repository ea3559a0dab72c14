/* What most segments do, and nothing else: on an established connection they send the next octets,
 * or none, or a FIN, and acknowledge no less than before. Every view's rules for that, together. */
#include "view_internal.h"

/* Bits of sf_zeek_conn.steady. */
enum {
    IS_OPEN = 0x01,    /* no FIN was seen */
    IS_CLOSING = 0x02, /* one was, or both */
    HAS_GAPS = 0x04,   /* beside these: what is acknowledged and was not seen counts as missed */
};
enum { CONTROL = SF_TH_SYN | SF_TH_FIN | SF_TH_RST | SF_TH_ACK };

/* Shorter than any of Zeek's timers, without and after a FIN. */
static const sf_ns OPEN_PAUSE = 60 * SF_SEC, CLOSING_PAUSE = 5 * SF_SEC;

/* A segment between its sender and the other end. All that is looked at lies within the first 2^31
 * numbers of both streams. */
struct step {
    const struct sf_segment *seg;
    struct sf_zeek_end *snd, *rcv;
};

static inline struct step step_of(struct sf_view_slot *slot, const struct sf_segment *seg)
{
    struct sf_zeek_end *end = slot->zeek.end;
    return (struct step){seg, &end[seg->dir], &end[SF_FROM_1 - seg->dir]};
}

/* Positions of what it sends and of what it acknowledges. */
static inline uint32_t begin_of(const struct step *s)
{
    return s->seg->seq.n - s->snd->start;
}

static inline uint32_t acked_by(const struct step *s)
{
    return s->seg->ack.n - s->rcv->start;
}

/* Whether the segment, of `len` octets with a FIN, stands where its sender stopped. */
static inline bool is_next(const struct step *s, uint32_t len)
{
    uint32_t seq = s->seg->seq.n, start = s->snd->start, end = seq + len;
    return seq == s->snd->low[SF_ZEEK_LAST] && (int32_t)len >= 0 && end >= start &&
           (int32_t)(end - start) >= 0 && s->seg->ack.n >= s->rcv->low[SF_ZEEK_ACK] &&
           (int32_t)acked_by(s) >= 0 && s->seg->window != 0 && s->seg->payload_beyond_frame == 0;
}

/* Whether there are octets, and all of them were captured. */
static inline bool is_captured(const struct sf_segment *seg)
{
    return seg->payload_len != 0 && seg->payload_cap >= seg->payload_len;
}

/* Whether captured octets only move on what was delivered, and no limit is met. */
static inline bool is_deliverable(const struct step *s)
{
    const struct sf_zeek_end *snd = s->snd;
    uint32_t begin = begin_of(s), trimmed = snd->low[SF_ZEEK_TRIMMED];
    uint32_t end = begin + s->seg->payload_len;
    bool anything_acked = snd->low[SF_ZEEK_ACK] - snd->start > 1;
    return begin == snd->low[SF_ZEEK_DELIVERED] && begin >= trimmed &&
           end - trimmed <= SF_ZEEK_UNACKED_MAX &&
           (anything_acked || end <= SF_ZEEK_INITIAL_WINDOW_MAX);
}

/* The first of its kind from this end. */
SF_APART static void note_kind(struct sf_views *views, struct sf_view_slot *slot,
                               const struct sf_segment *seg)
{
    struct sf_zeek_end *snd = &slot->zeek.end[seg->dir];
    bool has_data = seg->payload_len != 0;
    uint8_t bit = has_data ? SF_ZEEK_SEEN_DATA : SF_ZEEK_SEEN_ACK;
    if (!(snd->seen & bit))
        sf_zeek_history(views, slot, seg->dir, has_data ? 'D' : 'A');
    snd->seen |= bit;
    snd->has_sent_data |= has_data;
    snd->has_sent_ack |= !has_data;
    slot->wire.completeness |= sf_wire_bits(seg);
}

static inline bool is_kind_new(const struct sf_zeek_end *snd, uint32_t len)
{
    return (len != 0 && !snd->has_sent_data) || (len == 0 && !snd->has_sent_ack);
}

static inline void count(struct sf_views *views, struct sf_view_slot *slot, const struct step *s)
{
    s->snd->ip_bytes += s->seg->ip_bytes;
    if (++s->snd->low[SF_ZEEK_PACKETS] == 0)
        sf_zeek_carry(views, slot, s->seg->dir, SF_ZEEK_PACKETS);
}

/* The peer acknowledges what was not seen of this end. */
SF_APART static void take_gap(struct sf_views *views, struct sf_view_slot *slot, enum sf_dir dir,
                              uint32_t acked)
{
    struct sf_zeek_end *end = &slot->zeek.end[dir];
    if (slot->zeek.steady & HAS_GAPS) {
        slot->zeek.missed_bytes += acked - end->low[SF_ZEEK_DELIVERED];
        sf_zeek_scaled_history(views, slot, dir, 'G', &end->gaps);
    }
    end->low[SF_ZEEK_DELIVERED] = acked;
}

/* What the segment acknowledges, up to `acked`. True when that is new. */
static inline bool take_ack(struct sf_views *views, struct sf_view_slot *slot, const struct step *s,
                            uint32_t acked)
{
    struct sf_zeek_end *rcv = s->rcv;
    rcv->low[SF_ZEEK_ACK] = s->seg->ack.n;
    if (acked <= rcv->low[SF_ZEEK_TRIMMED])
        return false;
    rcv->low[SF_ZEEK_TRIMMED] = acked;
    if (acked > rcv->low[SF_ZEEK_DELIVERED])
        take_gap(views, slot, sf_dir_other(s->seg->dir), acked);
    return true;
}

static inline bool go_on(struct sf_views *views, struct sf_view_slot *slot,
                         const struct sf_segment *seg)
{
    struct step s = step_of(slot, seg);
    uint32_t len = seg->payload_len;
    if (seg->ts_ns - slot->zeek.last_ns >= OPEN_PAUSE || !is_next(&s, len))
        return false;
    if (is_captured(seg)) {
        if (!is_deliverable(&s))
            return false;
        s.snd->low[SF_ZEEK_DELIVERED] += len;
    }
    slot->zeek.last_ns = seg->ts_ns;
    s.snd->low[SF_ZEEK_LAST] += len;
    count(views, slot, &s);
    if (is_kind_new(s.snd, len))
        note_kind(views, slot, seg);
    take_ack(views, slot, &s, acked_by(&s));
    return true;
}

/* Whether a timer may have run out, be it the one that a SYN has left behind. */
static bool may_be_removed(const struct sf_zeek_conn *conn, const struct sf_segment *seg)
{
    return seg->ts_ns - conn->last_ns >= CLOSING_PAUSE ||
           ((conn->is_attempt || conn->is_complete) && seg->ts_ns >= conn->due_ns);
}

static void take_fin(struct sf_views *views, struct sf_view_slot *slot, const struct step *s)
{
    enum sf_dir dir = s->seg->dir;
    sf_zeek_history(views, slot, dir, 'F');
    sf_zeek_set(views, slot, dir, SF_ZEEK_FIN, begin_of(s) + s->seg->payload_len);
    s->snd->seen |= SF_ZEEK_SEEN_FIN;
    s->snd->has_fin = true;
    s->snd->prev_state = s->snd->state;
    s->snd->state = SF_ZEEK_CLOSED;
    slot->zeek.steady = (uint8_t)(IS_CLOSING | (slot->zeek.steady & HAS_GAPS));
    slot->wire.completeness |= sf_wire_bits(s->seg);
}

/* Position up to which the peer acknowledges octets: a FIN is none. */
static uint32_t octets_acked_by(const struct step *s)
{
    uint32_t acked = acked_by(s), fin = s->rcv->low[SF_ZEEK_FIN];
    return s->rcv->has_fin && acked > fin ? fin : acked;
}

/* The end is at its stream's end, unless octets are missing, or those of the peer unacknowledged;
 * as sf_zeek_data_pending() has it. */
static void end_stream(struct sf_zeek_conn *conn, enum sf_dir dir, bool wants_close)
{
    const struct sf_zeek_end *end = &conn->end[dir], *peer = &conn->end[SF_FROM_1 - dir];
    uint32_t last = end->low[SF_ZEEK_LAST] - end->start, delivered = end->low[SF_ZEEK_DELIVERED];
    if (!wants_close && (!end->has_fin || end->did_eof))
        return;
    bool is_missing = last > delivered && last - 1 != delivered;
    bool is_pending = is_missing || (last >= delivered &&
                                     peer->low[SF_ZEEK_DELIVERED] > peer->low[SF_ZEEK_TRIMMED]);
    sf_zeek_end_stream(conn, dir, wants_close, is_pending);
}

/* A FIN, or a segment after one. */
SF_APART static bool go_on_closing(struct sf_views *views, struct sf_view_slot *slot,
                                   const struct sf_segment *seg)
{
    struct step s = step_of(slot, seg);
    struct sf_zeek_conn *conn = &slot->zeek;
    uint32_t fin = seg->flags & SF_TH_FIN ? 1 : 0, len = seg->payload_len;
    bool is_over = s.snd->has_fin || (s.snd->seen & SF_ZEEK_SEEN_FIN);
    if (may_be_removed(conn, seg) || !is_next(&s, len + fin) || (is_over && len + fin != 0) ||
        (is_captured(seg) && !is_deliverable(&s)))
        return false;
    if (!s.snd->did_close || !s.rcv->did_close)
        conn->last_ns = seg->ts_ns;
    s.snd->low[SF_ZEEK_LAST] += len + fin;
    count(views, slot, &s);
    if (fin != 0)
        take_fin(views, slot, &s);
    else if (is_kind_new(s.snd, len))
        note_kind(views, slot, seg);
    if (take_ack(views, slot, &s, octets_acked_by(&s)))
        end_stream(conn, sf_dir_other(seg->dir), false);
    if (is_captured(seg))
        s.snd->low[SF_ZEEK_DELIVERED] += len;
    end_stream(conn, seg->dir, fin != 0);
    return true;
}

bool sf_view_continue(struct sf_views *views, struct sf_view_slot *slot,
                      const struct sf_segment *seg)
{
    unsigned steady = slot->zeek.steady, control = seg->flags & CONTROL;
    if ((steady & IS_OPEN) && control == SF_TH_ACK)
        return go_on(views, slot, seg);
    if (steady != 0 && (control & ~(unsigned)SF_TH_FIN) == SF_TH_ACK)
        return go_on_closing(views, slot, seg);
    return false;
}

static inline bool is_end_steady(const struct sf_zeek_end *end)
{
    bool is_alive = end->is_seen && !end->gave_up && !end->has_odd_fin;
    bool is_open = end->state == SF_ZEEK_ESTABLISHED || end->state == SF_ZEEK_PARTIAL;
    return is_alive && (end->has_fin ? end->state == SF_ZEEK_CLOSED : is_open) &&
           end->low[SF_ZEEK_LAST] >= end->start && end->low[SF_ZEEK_ACK] >= end->start;
}

/* Whether an acknowledgement of an invented SYN, or of what may be a keep-alive, may still come. */
static bool may_be_invented(const struct sf_zeek_conn *conn)
{
    return conn->is_partial &&
           (conn->end[0].low[SF_ZEEK_DELIVERED] < 2 || conn->end[1].low[SF_ZEEK_DELIVERED] < 2);
}

static inline bool is_steady(const struct sf_views *views, const struct sf_view_slot *slot)
{
    const struct sf_zeek_conn *conn = &slot->zeek;
    const struct sf_wire_stream *wire = &slot->wire;
    return is_end_steady(&conn->end[0]) && is_end_steady(&conn->end[1]) && conn->history_len > 1 &&
           !may_be_invented(conn) && wire->has_base[0] && wire->has_base[1] &&
           (wire->first_bits & ~wire->completeness) == 0 && sf_zeek_are_small(slot) &&
           !views->options.wireshark_labels && !views->options.zeek_checksums;
}

void sf_view_look_ahead(const struct sf_views *views, struct sf_view_slot *slot)
{
    struct sf_zeek_end *end = slot->zeek.end;
    slot->zeek.steady = 0;
    if (!is_steady(views, slot))
        return;
    unsigned has_gaps = sf_zeek_is_clean(&end[0]) && sf_zeek_is_clean(&end[1]) ? HAS_GAPS : 0;
    bool is_closing = end[0].has_fin || end[1].has_fin;
    slot->zeek.steady = (uint8_t)((is_closing ? IS_CLOSING : IS_OPEN) | has_gaps);
    end[0].has_sent_ack = end[0].has_sent_data = false;
    end[1].has_sent_ack = end[1].has_sent_data = false;
}
