/* A slot as few octets, for a connection that nothing touches; and a lone SYN shown late. */
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

/* Most numbers of an end are near another one. */
static void shrink_end(struct sf_zeek_end *end)
{
    uint32_t *low = end->low;
    low[SF_ZEEK_LAST] -= end->start;
    low[SF_ZEEK_ACK] -= end->start;
    low[SF_ZEEK_DELIVERED] = zigzag(low[SF_ZEEK_LAST] - low[SF_ZEEK_DELIVERED]);
    low[SF_ZEEK_TRIMMED] = zigzag(low[SF_ZEEK_ACK] - low[SF_ZEEK_TRIMMED]);
    if (end->has_fin)
        low[SF_ZEEK_FIN] = zigzag(low[SF_ZEEK_LAST] - low[SF_ZEEK_FIN]);
}

static void grow_end(struct sf_zeek_end *end)
{
    uint32_t *low = end->low;
    if (end->has_fin)
        low[SF_ZEEK_FIN] = low[SF_ZEEK_LAST] - unzigzag(low[SF_ZEEK_FIN]);
    low[SF_ZEEK_TRIMMED] = low[SF_ZEEK_ACK] - unzigzag(low[SF_ZEEK_TRIMMED]);
    low[SF_ZEEK_DELIVERED] = low[SF_ZEEK_LAST] - unzigzag(low[SF_ZEEK_DELIVERED]);
    low[SF_ZEEK_ACK] += end->start;
    low[SF_ZEEK_LAST] += end->start;
}

static void shrink(struct sf_view_slot *slot, sf_ns base)
{
    struct sf_zeek_conn *conn = &slot->zeek;
    conn->start_ns = (sf_ns)sf_time_shrink(conn->start_ns, base);
    conn->last_ns = (sf_ns)sf_time_shrink(conn->last_ns, base);
    conn->due_ns = (sf_ns)sf_time_shrink(conn->due_ns, base);
    slot->wire.first_packet -= conn->first_packet;
    for (int dir = 0; dir < SF_DIR_COUNT; dir++) {
        slot->wire.base[dir] -= conn->end[dir].start;
        shrink_end(&conn->end[dir]);
    }
}

static void grow(struct sf_view_slot *slot, sf_ns base)
{
    struct sf_zeek_conn *conn = &slot->zeek;
    conn->start_ns = sf_time_grow((uint64_t)conn->start_ns, base);
    conn->last_ns = sf_time_grow((uint64_t)conn->last_ns, base);
    conn->due_ns = sf_time_grow((uint64_t)conn->due_ns, base);
    slot->wire.first_packet += conn->first_packet;
    for (int dir = 0; dir < SF_DIR_COUNT; dir++) {
        slot->wire.base[dir] += conn->end[dir].start;
        grow_end(&conn->end[dir]);
    }
}

static bool pack(void *self, void *slot, sf_ns base, struct sf_packer *packer)
{
    struct sf_views *views = self;
    struct sf_view_slot small = *(const struct sf_view_slot *)slot;
    struct sf_view_rare *rare = small.rare;
    if (has_lists(rare))
        return false;
    shrink(&small, base);
    sf_pack_number(packer, rare != NULL);
    sf_pack_struct(packer, &small, offsetof(struct sf_view_slot, rare));
    if (rare != NULL) {
        sf_pack_struct(packer, rare, sizeof *rare);
        sf_pool_give(&views->rares, rare);
    }
    sf_pool_give(&views->slots, slot);
    return true;
}

static void *unpack(void *self, sf_ns base, struct sf_unpacker *unpacker)
{
    struct sf_views *views = self;
    struct sf_view_slot *slot = sf_pool_take(&views->slots);
    if (slot == NULL)
        return NULL;
    bool has_rare = sf_unpack_number(unpacker) != 0;
    sf_unpack_struct(unpacker, slot, offsetof(struct sf_view_slot, rare));
    grow(slot, base);
    if (!has_rare)
        return slot;
    if (sf_view_take_rare(views, slot) != NULL) {
        sf_unpack_struct(unpacker, slot->rare, sizeof *slot->rare);
        return slot;
    }
    sf_pool_give(&views->slots, slot);
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

static void show(void *self, const struct sf_segment *seg, struct sf_judgement *judgement)
{
    sf_views_segment(self, seg, judgement);
}

struct sf_slot_keeper sf_views_keeper(struct sf_views *views)
{
    return (struct sf_slot_keeper){views, may_wait, show, pack, unpack};
}
