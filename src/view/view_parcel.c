/* A slot as few octets, for a connection that nothing touches; and a lone SYN shown late. */
#include "synfin/flow.h"
#include "view_internal.h"

/* What has lists stays as it is. */
static bool has_lists(const struct sf_view_rare *rare)
{
    return rare != NULL &&
           (rare->labels != NULL || rare->wire_cuts != NULL || rare->zeek_cuts != NULL ||
            rare->zeek[0].ranges != NULL || rare->zeek[1].ranges != NULL);
}

/* Small for numbers near 0 on both sides. */
static uint32_t zigzag(uint32_t n)
{
    return n << 1 ^ (0 - (n >> 31));
}

static uint32_t unzigzag(uint32_t n)
{
    return n >> 1 ^ (0 - (n & 1));
}

/* What the tracker knows of the sender's numbers: those of the views are mostly the same. */
struct known {
    uint32_t start, last, ack, packets;
    uint64_t ip_bytes;
};

static struct known known_of(const struct sf_endpoint *ep)
{
    return (struct known){.start = ep->base.n,
                          .last = (uint32_t)ep->snd_nxt,
                          .ack = (uint32_t)ep->snd_una,
                          .packets = (uint32_t)ep->packets,
                          .ip_bytes = ep->ip_bytes};
}

static void shrink_end(struct sf_zeek_end *end, const struct sf_endpoint *ep)
{
    const struct known known = known_of(ep);
    uint32_t *low = end->low, fin = end->has_fin; /* its octet is none of the stream's */
    low[SF_ZEEK_LAST] -= end->start;
    low[SF_ZEEK_ACK] -= end->start;
    low[SF_ZEEK_DELIVERED] = zigzag(low[SF_ZEEK_LAST] - fin - low[SF_ZEEK_DELIVERED]);
    low[SF_ZEEK_TRIMMED] = zigzag(low[SF_ZEEK_ACK] - fin - low[SF_ZEEK_TRIMMED]);
    if (end->has_fin)
        low[SF_ZEEK_FIN] = zigzag(low[SF_ZEEK_LAST] - fin - low[SF_ZEEK_FIN]);
    low[SF_ZEEK_LAST] = zigzag(low[SF_ZEEK_LAST] - known.last);
    low[SF_ZEEK_ACK] = zigzag(low[SF_ZEEK_ACK] - known.ack);
    low[SF_ZEEK_PACKETS] -= known.packets;
    end->ip_bytes -= known.ip_bytes;
    end->start -= known.start;
}

static void grow_end(struct sf_zeek_end *end, const struct sf_endpoint *ep)
{
    const struct known known = known_of(ep);
    uint32_t *low = end->low, fin = end->has_fin; /* its octet is none of the stream's */
    end->start += known.start;
    end->ip_bytes += known.ip_bytes;
    low[SF_ZEEK_PACKETS] += known.packets;
    low[SF_ZEEK_ACK] = known.ack + unzigzag(low[SF_ZEEK_ACK]);
    low[SF_ZEEK_LAST] = known.last + unzigzag(low[SF_ZEEK_LAST]);
    if (end->has_fin)
        low[SF_ZEEK_FIN] = low[SF_ZEEK_LAST] - fin - unzigzag(low[SF_ZEEK_FIN]);
    low[SF_ZEEK_TRIMMED] = low[SF_ZEEK_ACK] - fin - unzigzag(low[SF_ZEEK_TRIMMED]);
    low[SF_ZEEK_DELIVERED] = low[SF_ZEEK_LAST] - fin - unzigzag(low[SF_ZEEK_DELIVERED]);
    low[SF_ZEEK_ACK] += end->start;
    low[SF_ZEEK_LAST] += end->start;
}

/* How a usual history goes: its own inverse. */
static void flip_history(struct sf_zeek_conn *conn)
{
    static const char usual[] = "ShADadFf";
    for (unsigned i = 0; i < conn->history_len && i < sizeof usual - 1; i++)
        conn->history[i] ^= usual[i];
}

/* What a timer that was set was set to, mostly. */
static sf_ns expected_due(const struct sf_zeek_conn *conn)
{
    uint64_t since = (uint64_t)(conn->is_complete ? conn->last_ns : conn->start_ns);
    sf_ns delay = conn->is_complete ? SF_ZEEK_CLOSE_DELAY : SF_ZEEK_ATTEMPT_DELAY;
    return (sf_ns)(since + (uint64_t)delay);
}

static void shrink(struct sf_view_slot *slot, const struct sf_flow *flow)
{
    struct sf_zeek_conn *conn = &slot->zeek;
    flip_history(conn);
    conn->due_ns = (sf_ns)sf_time_shrink(conn->due_ns, expected_due(conn));
    conn->start_ns = (sf_ns)sf_time_shrink(conn->start_ns, flow->first_ns);
    conn->last_ns = (sf_ns)sf_time_shrink(conn->last_ns, flow->last_ns);
    slot->wire.first_packet -= conn->first_packet;
    conn->first_packet -= flow->first_packet;
    for (int dir = 0; dir < SF_DIR_COUNT; dir++) {
        slot->wire.base[dir] -= conn->end[dir].start;
        shrink_end(&conn->end[dir], &flow->ep[dir]);
    }
}

static void grow(struct sf_view_slot *slot, const struct sf_flow *flow)
{
    struct sf_zeek_conn *conn = &slot->zeek;
    flip_history(conn);
    conn->start_ns = sf_time_grow((uint64_t)conn->start_ns, flow->first_ns);
    conn->last_ns = sf_time_grow((uint64_t)conn->last_ns, flow->last_ns);
    conn->due_ns = sf_time_grow((uint64_t)conn->due_ns, expected_due(conn));
    conn->first_packet += flow->first_packet;
    slot->wire.first_packet += conn->first_packet;
    for (int dir = 0; dir < SF_DIR_COUNT; dir++) {
        grow_end(&conn->end[dir], &flow->ep[dir]);
        slot->wire.base[dir] += conn->end[dir].start;
    }
}

#define SLOT(field) offsetof(struct sf_view_slot, field)

/* Words that are mostly not 0 after that. */
static const struct sf_low lows[] = {
    {SLOT(zeek.last_ns), 4},      {SLOT(zeek.missed_bytes), 3}, {SLOT(zeek.steady), 5},
    {SLOT(zeek.end[0].state), 5}, {SLOT(zeek.end[1].state), 5}, {SLOT(zeek.history), 8},
    {SLOT(zeek.history[8]), 3},   {SLOT(wire.has_base), 3},
};
/* The word of the last one and all that is packed end before `rare`. */
enum { LOW_COUNT = sizeof lows / sizeof *lows, FIXED = SLOT(rare) };
_Static_assert(SLOT(wire.has_base) + sizeof(uint64_t) <= FIXED, "no word holds the address");

static bool pack(void *self, const struct sf_flow *flow, struct sf_packer *packer)
{
    struct sf_views *views = self;
    struct sf_view_slot small = *(const struct sf_view_slot *)flow->view;
    struct sf_view_rare *rare = small.rare;
    if (has_lists(rare))
        return false;
    shrink(&small, flow);
    sf_pack_number(packer, rare != NULL);
    sf_pack_lows(packer, &small, lows, LOW_COUNT);
    sf_pack_struct(packer, &small, FIXED);
    if (rare != NULL) {
        sf_pack_struct(packer, rare, sizeof *rare);
        sf_slab_give(&views->rares, rare);
    }
    sf_slab_give(&views->slots, flow->view);
    return true;
}

static void *unpack(void *self, const struct sf_flow *flow, struct sf_unpacker *unpacker)
{
    struct sf_views *views = self;
    struct sf_view_slot *slot = sf_view_take(&views->slots);
    if (slot == NULL)
        return NULL;
    bool has_rare = sf_unpack_number(unpacker) != 0;
    struct sf_unpacker at_lows = *unpacker;
    unpacker->at += sf_lows_octets(lows, LOW_COUNT);
    sf_unpack_struct(unpacker, slot, FIXED);
    sf_unpack_lows(&at_lows, slot, lows, LOW_COUNT);
    grow(slot, flow);
    if (!has_rare)
        return slot;
    if (sf_view_take_rare(views, slot) != NULL) {
        sf_unpack_struct(unpacker, slot->rare, sizeof *slot->rare);
        return slot;
    }
    sf_slab_give(&views->slots, slot);
    return NULL;
}

/* Labels are wanted at once, checksums want the octets, and what is known of streams gone by may be
 * forgotten until then. */
static bool may_wait(const void *self, const struct sf_segment *seg)
{
    const struct sf_views *views = self;
    struct sf_wire_stream past;
    return !views->options.wireshark_labels && !views->options.zeek_checksums &&
           !sf_wire_recall(views, &seg->key, &past);
}

/* Rows come when their connection's next segment does. */
static bool may_follow(const void *self)
{
    const struct sf_views *views = self;
    return !views->options.zeek_rows;
}

static void show(void *self, const struct sf_segment *seg, void **slot)
{
    sf_views_segment(self, seg, slot);
}

struct sf_slot_keeper sf_views_keeper(struct sf_views *views)
{
    return (struct sf_slot_keeper){views, may_wait, may_follow, show, pack, unpack};
}
