/* The labels that tshark 4.0 gives a segment (tcp.analysis.*), in one pass. The rules are tshark's,
 * with their traps: 0 means "unset" in its numbers, and a window is full only when met exactly. */
#include "view_internal.h"

#define LABEL(name) (1u << SF_LABEL_##name)

enum { UNACKED_MAX = 10000 };
/* In sf_wire_end.duplicate_acks: an unseen segment was reported. It counts as very many. */
static const uint32_t UNSEEN_REPORTED = UINT32_MAX;
static const sf_ns FAST_RETRANSMISSION = 20 * SF_MSEC;
static const sf_ns OUT_OF_ORDER_WITHOUT_RTT = 3 * SF_MSEC;

/* One segment in the state it meets. */
struct look {
    const struct sf_segment *seg;
    const struct sf_wire_labels *stream;
    struct sf_wire_end *snd, *rcv;
    uint32_t seq, ack, len;
    bool takes_number; /* SYN or FIN */
    bool is_plain;     /* neither SYN, FIN nor RST */
};

static bool before(uint32_t a, uint32_t b)
{
    return sf_seq_before(sf_seq_of(a), sf_seq_of(b));
}

struct sf_wire_labels *sf_wire_labels_new(struct sf_views *views)
{
    struct sf_wire_labels *labels = sf_view_take(&views->wire_labels);
    if (labels == NULL)
        return NULL;
    for (int dir = 0; dir < SF_DIR_COUNT; dir++) {
        struct sf_wire_end *end = &labels->end[dir];
        end->window = UINT32_MAX;
        end->scale = SF_WIRE_SCALE_UNKNOWN;
    }
    return labels;
}

/* Un-acknowledged segments are a skew heap (Sleator and Tarjan, 1986), the lowest end on top: of n
 * of them one is added or taken in log n steps, averaged over them, in whatever order they came.
 * Ends 2^31 apart have no order; one may then stay longer than in tshark, and only counts. */
static struct sf_wire_unacked *meld(struct sf_wire_unacked *a, struct sf_wire_unacked *b)
{
    struct sf_wire_unacked *top, **at = &top;
    while (a != NULL && b != NULL) {
        struct sf_wire_unacked *low = before(b->end, a->end) ? b : a, *high = low == a ? b : a;
        *at = low;
        a = low->child[1];
        b = high;
        low->child[1] = low->child[0];
        at = &low->child[0];
    }
    *at = a != NULL ? a : b;
    return top;
}

static void drop_lowest(struct sf_views *views, struct sf_wire_end *end)
{
    struct sf_wire_unacked *lowest = end->unacked;
    end->unacked = meld(lowest->child[0], lowest->child[1]);
    end->unacked_count--;
    sf_slab_give(&views->unacked, lowest);
}

static void drop_acknowledged(struct sf_views *views, struct sf_wire_end *end, uint32_t ack)
{
    while (end->unacked != NULL && !before(ack, end->unacked->end))
        drop_lowest(views, end);
}

void sf_wire_labels_free(struct sf_views *views, struct sf_wire_labels *labels)
{
    for (int dir = 0; dir < SF_DIR_COUNT; dir++)
        while (labels->end[dir].unacked != NULL)
            drop_lowest(views, &labels->end[dir]);
    sf_slab_give(&views->wire_labels, labels);
}

void sf_wire_labels_same_syn(struct sf_wire_labels *labels, enum sf_dir dir)
{
    labels->end[dir].next_seq = labels->end[dir].contiguous;
}

static void learn_scale(struct look *l)
{
    if (!(l->seg->flags & SF_TH_SYN))
        return;
    l->snd->awaits_first_ack = true;
    bool is_answer = (l->seg->flags & SF_TH_ACK) != 0;
    if (!sf_segment_has(l->seg, SF_OPT_HAS_WSCALE)) {
        if (sf_segment_has(l->seg, SF_OPT_TRUNCATED))
            return; /* not captured: it stays unknown */
        l->snd->scale = l->rcv->scale = SF_WIRE_SCALE_NONE;
        return;
    }
    bool was_offered = !is_answer || l->rcv->scale != SF_WIRE_SCALE_NONE;
    l->snd->scale = was_offered ? (int8_t)l->seg->options.wscale : (int8_t)SF_WIRE_SCALE_NONE;
}

/* Right edge of the window that the peer last announced. */
static uint32_t window_edge(const struct sf_wire_end *rcv)
{
    unsigned shift = rcv->awaits_first_ack || rcv->scale < 0 ? 0 : (unsigned)rcv->scale & 31;
    return rcv->last_ack + (rcv->window << shift);
}

/* A repeated ACK of nothing new: the family of keep-alive ACK, probe ACK and duplicate ACK. */
static uint32_t repeated_ack_label(struct look *l)
{
    bool repeats = l->is_plain && l->len == 0 && l->seg->window == l->snd->window &&
                   l->seq == l->snd->next_seq && l->ack == l->snd->last_ack;
    if (!repeats)
        return 0;
    if (l->seg->window == 0)
        return l->rcv->last_labels & LABEL(ZERO_WINDOW_PROBE) ? LABEL(ZERO_WINDOW_PROBE_ACK) : 0;
    if (l->rcv->last_labels & LABEL(KEEP_ALIVE))
        return LABEL(KEEP_ALIVE_ACK);
    l->snd->duplicate_acks =
        l->snd->duplicate_acks == UNSEEN_REPORTED ? 1 : l->snd->duplicate_acks + 1;
    return LABEL(DUPLICATE_ACK);
}

static uint32_t forward_labels(struct look *l)
{
    const struct sf_wire_end *snd = l->snd, *rcv = l->rcv;
    uint16_t window = l->seg->window;
    if (l->len == 1 && l->seq == snd->next_seq && rcv->window == 0)
        return LABEL(ZERO_WINDOW_PROBE);
    uint32_t labels = 0;
    if (window == 0 && l->is_plain)
        labels |= LABEL(ZERO_WINDOW);
    if (snd->next_seq != 0 && before(snd->next_seq, l->seq) && !(l->seg->flags & SF_TH_RST))
        labels |= LABEL(LOST_SEGMENT);
    if (l->is_plain && l->len <= 1 && l->seq == snd->next_seq - 1)
        labels |= LABEL(KEEP_ALIVE);
    if (l->is_plain && l->len == 0 && window != 0 && window != snd->window &&
        l->seq == snd->next_seq && l->ack == snd->last_ack)
        labels |= LABEL(WINDOW_UPDATE);
    if (l->is_plain && l->len > 0 && rcv->scale != SF_WIRE_SCALE_UNKNOWN &&
        l->seq + l->len == window_edge(rcv))
        labels |= LABEL(WINDOW_FULL);
    return labels | repeated_ack_label(l);
}

static uint32_t ack_labels(struct look *l)
{
    struct sf_wire_end *rcv = l->rcv;
    bool is_ahead =
        (l->seg->flags & SF_TH_ACK) && rcv->contiguous != 0 && before(rcv->contiguous, l->ack);
    if (!is_ahead)
        return 0;
    if (before(rcv->contiguous, rcv->next_seq)) {
        rcv->contiguous = rcv->next_seq;
        return LABEL(ACK_LOST_SEGMENT);
    }
    bool is_first = rcv->duplicate_acks == 0;
    rcv->duplicate_acks = UNSEEN_REPORTED;
    return is_first ? LABEL(ACK_LOST_SEGMENT) : 0;
}

/* A step back in time is no short time: the span is unsigned there. */
static bool is_within(sf_ns span, sf_ns limit)
{
    return (uint64_t)span < (uint64_t)limit;
}

static bool is_out_of_order(const struct look *l)
{
    const struct sf_wire_end *snd = l->snd;
    sf_ns rtt = l->stream->initial_rtt_ns;
    uint32_t end = l->seq + l->len + l->takes_number;
    return is_within(l->seg->ts_ns - snd->next_seq_ns, rtt != 0 ? rtt : OUT_OF_ORDER_WITHOUT_RTT) &&
           snd->next_seq != end;
}

/* At most one kind of retransmission. */
static uint32_t repeat_label(const struct look *l, uint32_t labels)
{
    const struct sf_wire_end *snd = l->snd, *rcv = l->rcv;
    if ((l->len == 0 && !l->takes_number) || (labels & LABEL(KEEP_ALIVE)))
        return 0;
    bool repeats = snd->next_seq != 0 && before(l->seq, snd->next_seq);
    if (l->len > 1 && snd->next_seq - 1 == l->seq)
        repeats = false; /* data after a probe of one octet */
    if (l->len > 0 && rcv->last_ack != 0 && !before(rcv->last_ack, l->seq + l->len))
        return LABEL(SPURIOUS_RETRANSMISSION);
    if (!repeats)
        return 0;
    if (rcv->duplicate_acks >= 2 && rcv->last_ack == l->seq &&
        is_within(l->seg->ts_ns - rcv->last_packet_ns, FAST_RETRANSMISSION))
        return LABEL(FAST_RETRANSMISSION);
    return is_out_of_order(l) ? LABEL(OUT_OF_ORDER) : LABEL(RETRANSMISSION);
}

/* The end of the segment in sequence space; a full list forgets the number of a SYN or FIN. */
static uint32_t note_unacked(struct sf_views *views, struct look *l)
{
    uint32_t end = l->seq + l->len;
    if ((l->len == 0 && !l->takes_number) || l->snd->unacked_count >= UNACKED_MAX)
        return end;
    end += l->takes_number;
    struct sf_wire_unacked *segment = sf_view_take(&views->unacked);
    if (segment == NULL)
        return end;
    segment->end = end;
    l->snd->unacked = meld(l->snd->unacked, segment);
    l->snd->unacked_count++;
    return end;
}

static void move_on(struct sf_views *views, struct look *l, uint32_t labels)
{
    struct sf_wire_end *snd = l->snd;
    uint32_t end = note_unacked(views, l);
    bool is_probe = (labels & LABEL(ZERO_WINDOW_PROBE)) != 0;
    if ((snd->next_seq == 0 || before(snd->next_seq, end)) && !is_probe) {
        snd->next_seq = end;
        snd->next_seq_ns = l->seg->ts_ns;
    }
    if ((snd->contiguous == 0 || l->seq == snd->contiguous) && !is_probe)
        snd->contiguous = snd->next_seq;
    snd->window = l->seg->window;
    snd->last_ack = l->ack;
    snd->last_packet_ns = l->seg->ts_ns;
    snd->last_labels = labels;
    drop_acknowledged(views, l->rcv, l->ack);
}

/* From the latest SYN to the first ACK after it, whoever sent either. */
static void note_initial_rtt(struct sf_wire_labels *stream, const struct sf_segment *seg)
{
    bool has_syn = (seg->flags & SF_TH_SYN) != 0;
    bool has_ack = (seg->flags & SF_TH_ACK) != 0;
    if (has_syn && !has_ack)
        stream->syn_ns = seg->ts_ns;
    else if (!has_syn && has_ack && stream->syn_ns != 0 && stream->initial_rtt_ns == 0)
        stream->initial_rtt_ns = seg->ts_ns - stream->syn_ns;
}

uint32_t sf_wire_labels_segment(struct sf_views *views, struct sf_wire_labels *labels,
                                const struct sf_segment *seg)
{
    struct look l = {
        .seg = seg,
        .stream = labels,
        .snd = &labels->end[seg->dir],
        .rcv = &labels->end[sf_dir_other(seg->dir)],
        .seq = seg->seq.n,
        .ack = seg->ack.n,
        .len = sf_wire_payload(seg),
        .takes_number = (seg->flags & (SF_TH_SYN | SF_TH_FIN)) != 0,
        .is_plain = (seg->flags & (SF_TH_SYN | SF_TH_FIN | SF_TH_RST)) == 0,
    };
    learn_scale(&l);
    note_initial_rtt(labels, seg);
    uint32_t found = forward_labels(&l);
    if (l.ack != l.snd->last_ack)
        l.snd->duplicate_acks = 0;
    found |= ack_labels(&l);
    found |= repeat_label(&l, found);
    move_on(views, &l, found);
    if (!(seg->flags & SF_TH_SYN) && (seg->flags & SF_TH_ACK))
        l.snd->awaits_first_ack = false;
    return found;
}
