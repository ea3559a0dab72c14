/* Zeek's reassembly without the octets: what was delivered, what waits behind a hole, what was
 * acknowledged but never seen. */
#include "view_internal.h"

/* scripts/base/init-bare.zeek: tcp_max_initial_window, tcp_max_above_hole_without_any_acks,
 * tcp_excessive_data_without_further_acks. */
static const uint64_t INITIAL_WINDOW_MAX = 16384;
static const uint64_t ABOVE_HOLE_MAX = 16384;
static const uint64_t UNACKED_MAX = UINT64_C(10) * 1024 * 1024;

/* Ours: holes remembered per direction; past it the direction is given up, as for UNACKED_MAX. */
enum { RANGES_MAX = 1024 };

void sf_zeek_drop_ranges(struct sf_views *views, struct sf_zeek_end *end)
{
    while (end->ranges != NULL) {
        struct sf_zeek_range *range = end->ranges;
        end->ranges = range->next;
        sf_pool_give(&views->ranges, range);
    }
    end->range_count = 0;
}

static void give_up(struct sf_views *views, struct sf_zeek_end *end)
{
    sf_zeek_drop_ranges(views, end);
    end->gave_up = true;
}

/* Delivers the ranges that are no longer behind a hole. */
static void deliver_ranges(struct sf_views *views, struct sf_zeek_end *end)
{
    while (end->ranges != NULL && end->ranges->begin <= end->delivered) {
        struct sf_zeek_range *range = end->ranges;
        if (range->end > end->delivered)
            end->delivered = range->end;
        end->ranges = range->next;
        end->range_count--;
        sf_pool_give(&views->ranges, range);
    }
}

/* Merges the ranges after `range` that it has grown into. */
static void merge_following(struct sf_views *views, struct sf_zeek_end *end,
                            struct sf_zeek_range *range)
{
    while (range->next != NULL && range->next->begin <= range->end) {
        struct sf_zeek_range *next = range->next;
        if (next->end > range->end)
            range->end = next->end;
        range->next = next->next;
        end->range_count--;
        sf_pool_give(&views->ranges, next);
    }
}

static void insert_range(struct sf_views *views, struct sf_zeek_end *end, uint64_t from,
                         uint64_t to)
{
    struct sf_zeek_range **at = &end->ranges;
    while (*at != NULL && (*at)->end < from)
        at = &(*at)->next;
    struct sf_zeek_range *range = *at;
    if (range == NULL || range->begin > to) {
        range = end->range_count < RANGES_MAX ? sf_pool_take(&views->ranges) : NULL;
        if (range == NULL) {
            give_up(views, end);
            return;
        }
        *range = (struct sf_zeek_range){from, to, *at};
        *at = range;
        end->range_count++;
        return;
    }
    if (from < range->begin)
        range->begin = from;
    if (to > range->end)
        range->end = to;
    merge_following(views, end, range);
}

static uint64_t buffered_octets(const struct sf_zeek_end *end)
{
    uint64_t octets = end->delivered > end->trimmed ? end->delivered - end->trimmed : 0;
    for (const struct sf_zeek_range *r = end->ranges; r != NULL; r = r->next)
        octets += r->end - r->begin;
    return octets;
}

static bool is_buffer_empty(const struct sf_zeek_end *end)
{
    return end->gave_up || end->top <= end->trimmed;
}

/* Whether [from, to) of the stream goes on where delivery stopped. */
static void buffer(struct sf_views *views, struct sf_zeek_conn *conn, enum sf_dir dir,
                   uint64_t from, uint64_t to)
{
    struct sf_zeek_end *end = &conn->end[dir];
    if (to > end->top)
        end->top = to;
    if (from > end->delivered) {
        insert_range(views, end, from, to);
        return;
    }
    if (to <= end->delivered)
        return;
    end->delivered = to;
    deliver_ranges(views, end);
    /* Nothing is acknowledged: that direction is probably not captured. Do not keep octets. */
    if (sf_zeek_nothing_acked(end) && sf_zeek_size(conn, dir) > INITIAL_WINDOW_MAX &&
        end->delivered > end->trimmed)
        end->trimmed = end->delivered;
}

void sf_zeek_data(struct sf_views *views, struct sf_zeek_conn *conn, enum sf_dir dir,
                  uint64_t begin, uint64_t to)
{
    struct sf_zeek_end *end = &conn->end[dir];
    if (end->gave_up)
        return;
    uint64_t acked = sf_zeek_full_seq(end->ack, end->ack_wraps) - end->start;
    if (begin < acked)
        begin = acked;
    if (begin < end->trimmed)
        begin = end->trimmed;
    if (to <= acked)
        return;
    if (begin < to)
        buffer(views, conn, dir, begin, to);
    if (end->gave_up)
        return;
    bool above_hole = !is_buffer_empty(end) && end->top > end->delivered &&
                      end->top - end->delivered > ABOVE_HOLE_MAX;
    if (above_hole && sf_zeek_nothing_acked(end))
        give_up(views, end);
    else if (end->top > end->trimmed && end->top - end->trimmed > UNACKED_MAX &&
             buffered_octets(end) > UNACKED_MAX)
        give_up(views, end);
}

static bool is_clean(const struct sf_zeek_end *end)
{
    return end->state == SF_ZEEK_ESTABLISHED ||
           (end->state == SF_ZEEK_CLOSED && end->prev_state == SF_ZEEK_ESTABLISHED);
}

static void note_gap(struct sf_zeek_conn *conn, enum sf_dir dir, uint64_t octets)
{
    /* In other states gaps come from misread numbers. */
    if (!is_clean(&conn->end[0]) || !is_clean(&conn->end[1]))
        return;
    sf_zeek_scaled_history(conn, dir, 'G', &conn->rare[dir].gaps);
    conn->missed_bytes += octets;
}

/* The peer acknowledged up to `position` what was never delivered: one gap per hole below it. */
static void skip_holes(struct sf_views *views, struct sf_zeek_conn *conn, enum sf_dir dir,
                       uint64_t position)
{
    struct sf_zeek_end *end = &conn->end[dir];
    /* The SYN of a partial connection is invented, and its first packet may be a keep-alive. */
    if (position <= 2 && conn->is_partial)
        return;
    while (!end->gave_up && end->ranges != NULL && end->ranges->begin < position) {
        note_gap(conn, dir, end->ranges->begin - end->delivered);
        end->delivered = end->ranges->begin;
        deliver_ranges(views, end);
    }
    if (position <= end->delivered)
        return;
    if (!end->gave_up)
        note_gap(conn, dir, position - end->delivered);
    end->delivered = position;
}

bool sf_zeek_acked(struct sf_views *views, struct sf_zeek_conn *conn, enum sf_dir dir,
                   uint64_t position)
{
    struct sf_zeek_end *end = &conn->end[dir];
    if (end->has_fin && position >= end->fin_end)
        position = end->fin_end - 1;
    if (position <= end->trimmed)
        return false;
    if (position > end->delivered)
        skip_holes(views, conn, dir, position);
    deliver_ranges(views, end);
    end->trimmed = position;
    return true;
}

bool sf_zeek_data_pending(const struct sf_zeek_conn *conn, enum sf_dir dir)
{
    const struct sf_zeek_end *end = &conn->end[dir];
    if (end->gave_up)
        return false;
    uint64_t delivered = end->start + end->delivered;
    uint64_t last = sf_zeek_full_seq(end->last, end->last_wraps);
    if (last < delivered)
        return false;
    /* A FIN takes one place of the sequence space, a RST none. */
    if (delivered != last - 1 && delivered != last)
        return true;
    return end->state != SF_ZEEK_RESET && !is_buffer_empty(&conn->end[sf_dir_other(dir)]);
}
