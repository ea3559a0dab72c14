/* Outstanding segments of one end, oldest first in a ring, and the round-trip samples their
 * acknowledgements give: Karn's rule, RFC 6298 §3. */
#include "track_internal.h"

static struct sf_sent *at(const struct sf_endpoint *ep, unsigned i)
{
    return &ep->sent[(ep->sent_head + i) & (ep->sent_capacity - 1u)];
}

static int grow(struct sf_rooms *rooms, struct sf_endpoint *ep)
{
    unsigned capacity = ep->sent_capacity == 0 ? 4 : 2u * ep->sent_capacity;
    if (capacity > SF_SENT_MAX)
        return -1;
    struct sf_sent *sent = sf_rooms_take(rooms, capacity * sizeof *sent);
    if (sent == NULL)
        return -1;
    for (unsigned i = 0; i < ep->sent_count; i++)
        sent[i] = *at(ep, i);
    sf_rooms_give(rooms, ep->sent, ep->sent_capacity * sizeof *ep->sent);
    ep->sent = sent;
    ep->sent_head = 0;
    ep->sent_capacity = (uint16_t)capacity;
    return 0;
}

static void mark(struct sf_sent *sent, const struct sf_segment *seg)
{
    sent->ts_ns = seg->ts_ns;
    sent->ip_id = seg->ip_id;
    sent->checksum = seg->checksum;
    sent->ttl = seg->ttl;
}

void sf_sent_add(struct sf_rooms *rooms, struct sf_endpoint *ep, sf_offset begin, sf_offset end,
                 const struct sf_segment *seg)
{
    if (ep->sent_count == ep->sent_capacity && grow(rooms, ep) != 0) {
        /* No room: the newest entry grows and, sent twice on paper, gives no sample. */
        struct sf_sent *last = ep->sent_count > 0 ? at(ep, ep->sent_count - 1u) : NULL;
        if (last != NULL) {
            last->end = end;
            last->times = 2;
        }
        return;
    }
    struct sf_sent *sent = at(ep, ep->sent_count);
    *sent = (struct sf_sent){.begin = begin, .end = end, .times = 1};
    mark(sent, seg);
    ep->sent_count++;
}

/* First piece that ends after `offset`: one that is sent again among thousands is found soon. */
static unsigned first_after(const struct sf_endpoint *ep, sf_offset offset)
{
    unsigned low = 0, high = ep->sent_count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (at(ep, middle)->end <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct sf_sent *sf_sent_find(const struct sf_endpoint *ep, sf_offset begin, sf_offset end)
{
    unsigned i = first_after(ep, begin);
    const struct sf_sent *sent = i < ep->sent_count ? at(ep, i) : NULL;
    return sent != NULL && sent->begin == begin && sent->end == end ? sent : NULL;
}

/* Takes the pieces [first, past) out; the fewer of those on either side move. */
static void take_out(struct sf_endpoint *ep, unsigned first, unsigned past)
{
    unsigned gone = past - first;
    if (ep->sent_count - past <= first) {
        for (unsigned i = past; i < ep->sent_count; i++)
            *at(ep, i - gone) = *at(ep, i);
    } else {
        for (unsigned i = first; i-- > 0;)
            *at(ep, i + gone) = *at(ep, i);
        ep->sent_head = (uint16_t)((ep->sent_head + gone) & (ep->sent_capacity - 1u));
    }
    ep->sent_count = (uint16_t)(ep->sent_count - gone);
}

/* Pieces that went again as one are one when they are many: to mark thousands each time would be
 * too dear. They give no samples; few stay, as copies and RSTs are known by the edges. */
static void merge_many(struct sf_endpoint *ep, unsigned first, unsigned past)
{
    enum { FEW = 32 };
    if (past - first <= FEW)
        return;
    at(ep, first)->end = at(ep, past - 1)->end;
    take_out(ep, first + 1, past);
}

sf_ns sf_sent_again(struct sf_endpoint *ep, sf_offset begin, sf_offset end,
                    const struct sf_segment *seg)
{
    unsigned first = first_after(ep, begin), past = first;
    sf_ns before = SF_NS_UNKNOWN;
    for (; past < ep->sent_count && at(ep, past)->begin < end; past++) {
        struct sf_sent *sent = at(ep, past);
        if (!sf_ns_known(before))
            before = sent->ts_ns;
        mark(sent, seg);
        if (sent->times < UINT16_MAX)
            sent->times++;
    }
    merge_many(ep, first, past);
    return before;
}

sf_ns sf_sent_acknowledge(struct sf_endpoint *ep, sf_offset ack, sf_ns now_ns)
{
    sf_ns sample = SF_NS_UNKNOWN;
    sf_ns latest = SF_NS_UNKNOWN; /* sending of an earlier piece: was it what the ACK waited for? */
    while (ep->sent_count > 0 && at(ep, 0)->end <= ack) {
        const struct sf_sent *sent = at(ep, 0);
        bool waited = sent->ts_ns < ep->late_ns && sent->begin >= ep->late_begin;
        if (sent->end == ack && sent->times == 1 && sent->ts_ns >= latest && !waited)
            sample = now_ns - sent->ts_ns;
        if (sent->ts_ns > latest)
            latest = sent->ts_ns;
        ep->sent_head = (uint16_t)((ep->sent_head + 1u) & (ep->sent_capacity - 1u));
        ep->sent_count--;
    }
    if (ep->sent_count > 0 && at(ep, 0)->begin < ack)
        at(ep, 0)->begin = ack;
    return sample >= 0 ? sample : SF_NS_UNKNOWN;
}

bool sf_sent_is_boundary(const struct sf_endpoint *ep, sf_offset offset)
{
    unsigned i = first_after(ep, offset); /* the one before it may end there */
    return (i < ep->sent_count && at(ep, i)->begin == offset) ||
           (i > 0 && at(ep, i - 1)->end == offset);
}

void sf_rtt_update(struct sf_rtt_estimate *estimate, sf_ns sample_ns)
{
    if (!sf_ns_known(estimate->srtt_ns)) {
        *estimate = (struct sf_rtt_estimate){sample_ns, sample_ns / 2};
        return;
    }
    sf_ns above = sample_ns - estimate->srtt_ns, error = above > 0 ? above : -above;
    estimate->rttvar_ns += (error - estimate->rttvar_ns) / 4;
    estimate->srtt_ns += above / 8;
}
