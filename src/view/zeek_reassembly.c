/* Zeek's reassembly without the octets: what was delivered, what waits behind a hole, what was
 * acknowledged but never seen. */
#include "view_internal.h"

/* scripts/base/init-bare.zeek: tcp_max_above_hole_without_any_acks. */
static const uint64_t ABOVE_HOLE_MAX = 16384;

/* Ours: holes remembered per direction; past it the direction is given up, as for
 * SF_ZEEK_UNACKED_MAX. */
enum { RANGES_MAX = 1024 };

static struct sf_zeek_rare *with_ranges(const struct sf_view_slot *slot, enum sf_dir dir)
{
    struct sf_zeek_rare *rare = slot->rare != NULL ? &slot->rare->zeek[dir] : NULL;
    return rare != NULL && rare->ranges != NULL ? rare : NULL;
}

static void drop_first(struct sf_views *views, struct sf_zeek_rare *rare)
{
    struct sf_zeek_range *range = rare->ranges;
    rare->ranges = range->next;
    rare->range_count--;
    sf_slab_give(&views->ranges, range);
}

void sf_zeek_drop_ranges(struct sf_views *views, struct sf_view_slot *slot, enum sf_dir dir)
{
    struct sf_zeek_rare *rare = with_ranges(slot, dir);
    while (rare != NULL && rare->ranges != NULL)
        drop_first(views, rare);
}

static void give_up(struct sf_views *views, struct sf_view_slot *slot, enum sf_dir dir)
{
    sf_zeek_drop_ranges(views, slot, dir);
    slot->zeek.end[dir].gave_up = true;
}

/* Delivers the ranges that are no longer behind a hole. */
static void deliver_ranges(struct sf_views *views, struct sf_view_slot *slot, enum sf_dir dir)
{
    struct sf_zeek_rare *rare = with_ranges(slot, dir);
    if (rare == NULL)
        return;
    uint64_t delivered = sf_zeek_get(slot, dir, SF_ZEEK_DELIVERED);
    while (rare->ranges != NULL && rare->ranges->begin <= delivered) {
        if (rare->ranges->end > delivered)
            delivered = rare->ranges->end;
        drop_first(views, rare);
    }
    sf_zeek_set(views, slot, dir, SF_ZEEK_DELIVERED, delivered);
}

/* Merges the ranges after `range` that it has grown into. */
static void merge_following(struct sf_views *views, struct sf_zeek_rare *rare,
                            struct sf_zeek_range *range)
{
    while (range->next != NULL && range->next->begin <= range->end) {
        struct sf_zeek_range *next = range->next;
        if (next->end > range->end)
            range->end = next->end;
        range->next = next->next;
        rare->range_count--;
        sf_slab_give(&views->ranges, next);
    }
}

/* False when there are too many, or no memory. */
static bool insert_range(struct sf_views *views, struct sf_view_slot *slot, enum sf_dir dir,
                         uint64_t from, uint64_t to)
{
    struct sf_view_rare *rares = sf_view_take_rare(views, slot);
    if (rares == NULL)
        return false;
    struct sf_zeek_rare *rare = &rares->zeek[dir];
    if (rare->ranges == NULL || to > rare->top)
        rare->top = to;
    struct sf_zeek_range **at = &rare->ranges;
    while (*at != NULL && (*at)->end < from)
        at = &(*at)->next;
    struct sf_zeek_range *range = *at;
    if (range == NULL || range->begin > to) {
        range = rare->range_count < RANGES_MAX ? sf_view_take(&views->ranges) : NULL;
        if (range == NULL)
            return false;
        *range = (struct sf_zeek_range){from, to, *at};
        *at = range;
        rare->range_count++;
        return true;
    }
    if (from < range->begin)
        range->begin = from;
    if (to > range->end)
        range->end = to;
    merge_following(views, rare, range);
    return true;
}

/* End of the highest octets that are buffered, when any are. */
static uint64_t top_of(const struct sf_view_slot *slot, enum sf_dir dir)
{
    const struct sf_zeek_rare *rare = with_ranges(slot, dir);
    return rare != NULL ? rare->top : sf_zeek_get(slot, dir, SF_ZEEK_DELIVERED);
}

static uint64_t buffered_octets(const struct sf_view_slot *slot, enum sf_dir dir)
{
    uint64_t delivered = sf_zeek_get(slot, dir, SF_ZEEK_DELIVERED);
    uint64_t trimmed = sf_zeek_get(slot, dir, SF_ZEEK_TRIMMED);
    const struct sf_zeek_rare *rare = with_ranges(slot, dir);
    uint64_t octets = delivered > trimmed ? delivered - trimmed : 0;
    for (const struct sf_zeek_range *r = rare != NULL ? rare->ranges : NULL; r != NULL; r = r->next)
        octets += r->end - r->begin;
    return octets;
}

static bool is_buffer_empty(const struct sf_view_slot *slot, enum sf_dir dir)
{
    return slot->zeek.end[dir].gave_up ||
           top_of(slot, dir) <= sf_zeek_get(slot, dir, SF_ZEEK_TRIMMED);
}

/* Whether [from, to) of the stream goes on where delivery stopped. */
static void buffer(struct sf_views *views, struct sf_view_slot *slot, enum sf_dir dir,
                   uint64_t from, uint64_t to)
{
    uint64_t delivered = sf_zeek_get(slot, dir, SF_ZEEK_DELIVERED);
    if (from > delivered) {
        if (!insert_range(views, slot, dir, from, to))
            give_up(views, slot, dir);
        return;
    }
    if (to <= delivered)
        return;
    sf_zeek_set(views, slot, dir, SF_ZEEK_DELIVERED, to);
    deliver_ranges(views, slot, dir);
    /* Nothing is acknowledged: that direction is probably not captured. Do not keep octets. */
    if (!sf_zeek_nothing_acked(slot, dir) || sf_zeek_size(slot, dir) <= SF_ZEEK_INITIAL_WINDOW_MAX)
        return;
    delivered = sf_zeek_get(slot, dir, SF_ZEEK_DELIVERED);
    if (delivered > sf_zeek_get(slot, dir, SF_ZEEK_TRIMMED))
        sf_zeek_set(views, slot, dir, SF_ZEEK_TRIMMED, delivered);
}

void sf_zeek_data(struct sf_views *views, struct sf_view_slot *slot, enum sf_dir dir,
                  uint64_t begin, uint64_t to)
{
    const struct sf_zeek_end *end = &slot->zeek.end[dir];
    if (end->gave_up)
        return;
    uint64_t acked = sf_zeek_get(slot, dir, SF_ZEEK_ACK) - end->start;
    uint64_t trimmed = sf_zeek_get(slot, dir, SF_ZEEK_TRIMMED);
    if (begin < acked)
        begin = acked;
    if (begin < trimmed)
        begin = trimmed;
    if (to <= acked)
        return;
    if (begin < to)
        buffer(views, slot, dir, begin, to);
    if (end->gave_up)
        return;
    uint64_t top = top_of(slot, dir), delivered = sf_zeek_get(slot, dir, SF_ZEEK_DELIVERED);
    trimmed = sf_zeek_get(slot, dir, SF_ZEEK_TRIMMED);
    if (top <= trimmed)
        return;
    bool above_hole = top > delivered && top - delivered > ABOVE_HOLE_MAX;
    if ((above_hole && sf_zeek_nothing_acked(slot, dir)) ||
        (top - trimmed > SF_ZEEK_UNACKED_MAX && buffered_octets(slot, dir) > SF_ZEEK_UNACKED_MAX))
        give_up(views, slot, dir);
}

static void note_gap(struct sf_views *views, struct sf_view_slot *slot, enum sf_dir dir,
                     uint64_t octets)
{
    struct sf_zeek_conn *conn = &slot->zeek;
    if (!sf_zeek_is_clean(&conn->end[0]) || !sf_zeek_is_clean(&conn->end[1]))
        return;
    sf_zeek_scaled_history(views, slot, dir, 'G', &conn->end[dir].gaps);
    conn->missed_bytes += octets;
}

/* The peer acknowledged up to `position` what was never delivered: one gap per hole below it. */
static void skip_holes(struct sf_views *views, struct sf_view_slot *slot, enum sf_dir dir,
                       uint64_t position)
{
    /* The SYN of a partial connection is invented, and its first packet may be a keep-alive. */
    if (position <= 2 && slot->zeek.is_partial)
        return;
    const struct sf_zeek_rare *rare = with_ranges(slot, dir);
    uint64_t delivered = sf_zeek_get(slot, dir, SF_ZEEK_DELIVERED);
    while (rare != NULL && rare->ranges != NULL && rare->ranges->begin < position) {
        note_gap(views, slot, dir, rare->ranges->begin - delivered);
        sf_zeek_set(views, slot, dir, SF_ZEEK_DELIVERED, rare->ranges->begin);
        deliver_ranges(views, slot, dir);
        delivered = sf_zeek_get(slot, dir, SF_ZEEK_DELIVERED);
    }
    if (position <= delivered)
        return;
    if (!slot->zeek.end[dir].gave_up)
        note_gap(views, slot, dir, position - delivered);
    sf_zeek_set(views, slot, dir, SF_ZEEK_DELIVERED, position);
}

/* Position after the FIN. */
static uint64_t fin_end(const struct sf_view_slot *slot, enum sf_dir dir)
{
    return slot->zeek.end[dir].has_odd_fin ? slot->rare->zeek[dir].fin_end
                                           : sf_zeek_get(slot, dir, SF_ZEEK_FIN) + 1;
}

bool sf_zeek_acked(struct sf_views *views, struct sf_view_slot *slot, enum sf_dir dir,
                   uint64_t position)
{
    if (slot->zeek.end[dir].has_fin && position >= fin_end(slot, dir))
        position = fin_end(slot, dir) - 1;
    if (position <= sf_zeek_get(slot, dir, SF_ZEEK_TRIMMED))
        return false;
    if (position > sf_zeek_get(slot, dir, SF_ZEEK_DELIVERED))
        skip_holes(views, slot, dir, position);
    deliver_ranges(views, slot, dir);
    sf_zeek_set(views, slot, dir, SF_ZEEK_TRIMMED, position);
    return true;
}

bool sf_zeek_data_pending(const struct sf_view_slot *slot, enum sf_dir dir)
{
    const struct sf_zeek_end *end = &slot->zeek.end[dir];
    if (end->gave_up)
        return false;
    uint64_t delivered = end->start + sf_zeek_get(slot, dir, SF_ZEEK_DELIVERED);
    uint64_t last = sf_zeek_get(slot, dir, SF_ZEEK_LAST);
    if (last < delivered)
        return false;
    /* A FIN takes one place of the sequence space, a RST none. */
    if (delivered != last - 1 && delivered != last)
        return true;
    return end->state != SF_ZEEK_RESET && !is_buffer_empty(slot, sf_dir_other(dir));
}
