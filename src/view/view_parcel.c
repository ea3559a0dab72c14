/* A slot as few octets, for a connection that nothing touches; and a lone SYN shown late. */
#include "view_internal.h"

/* What has lists stays as it is. */
static bool has_lists(const struct sf_view_slot *slot)
{
    return slot->wire.labels != NULL || slot->wire.cuts != NULL || slot->cuts != NULL ||
           slot->zeek.end[0].ranges != NULL || slot->zeek.end[1].ranges != NULL;
}

static void shrink(struct sf_zeek_conn *conn, sf_ns base)
{
    conn->start_ns = (sf_ns)sf_time_shrink(conn->start_ns, base);
    conn->last_ns = (sf_ns)sf_time_shrink(conn->last_ns, base);
    conn->attempt_ns = (sf_ns)sf_time_shrink(conn->attempt_ns, base);
    conn->delete_ns = (sf_ns)sf_time_shrink(conn->delete_ns, base);
}

static void grow(struct sf_zeek_conn *conn, sf_ns base)
{
    conn->start_ns = sf_time_grow((uint64_t)conn->start_ns, base);
    conn->last_ns = sf_time_grow((uint64_t)conn->last_ns, base);
    conn->attempt_ns = sf_time_grow((uint64_t)conn->attempt_ns, base);
    conn->delete_ns = sf_time_grow((uint64_t)conn->delete_ns, base);
}

static bool pack(void *self, void *slot, sf_ns base, struct sf_packer *packer)
{
    struct sf_views *views = self;
    struct sf_view_slot small = *(const struct sf_view_slot *)slot;
    if (has_lists(&small))
        return false;
    shrink(&small.zeek, base);
    sf_pack_struct(packer, &small, sizeof small);
    sf_pool_give(&views->slots, slot);
    return true;
}

static void *unpack(void *self, sf_ns base, struct sf_unpacker *unpacker)
{
    struct sf_views *views = self;
    struct sf_view_slot *slot = sf_pool_take(&views->slots);
    if (slot == NULL)
        return NULL;
    sf_unpack_struct(unpacker, slot, sizeof *slot);
    grow(&slot->zeek, base);
    return slot;
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
