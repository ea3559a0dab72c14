/* Connections that nothing touches rest, packed, on the shelf: young ones as their segments
 * (young.c), others whole. What comes for one wakes it first, so that nobody else sees a
 * difference. Only the connections touched latest are in the table, unpacked. */
#include <string.h>

#include "parcel.h"
#include "young.h"

enum {
    UNPACKED_MAX = 8192,  /* what the third level of most processors' caches holds */
    UNPACKED_LEAST = 512, /* of each tracker: the second level */
    CLOSED_LEAST = 256,   /* of them closed: what still comes of a close comes soon */
    /* Octets of an unpacked connection besides its fixed part, on average: arrays, slot,
     * its part of the table. */
    FLOW_EXTRAS = 1300,
    /* Looked at in one go, so that a segment's cost has a bound; live, packed in one go, of so many
     * that are looked at a few times a second. */
    LOOKS_MAX = 8,
    LOOKS_IN_ALL = 1024,
};

static const sf_ns SILENT = 60 * SF_SEC;

static const enum sf_shelf_row row_of[] = {[SF_FLOWS_EMBRYONIC] = SF_SHELF_EMBRYONIC,
                                           [SF_FLOWS_OPEN] = SF_SHELF_OPEN,
                                           [SF_FLOWS_CLOSED] = SF_SHELF_CLOSED};
static const enum sf_flow_list list_of[] = {[SF_SHELF_SYNS] = SF_FLOWS_EMBRYONIC,
                                            [SF_SHELF_EMBRYONIC] = SF_FLOWS_EMBRYONIC,
                                            [SF_SHELF_OPEN] = SF_FLOWS_OPEN,
                                            [SF_SHELF_CLOSED] = SF_FLOWS_CLOSED,
                                            [SF_SHELF_CLOSED_AT_REST] = SF_FLOWS_CLOSED};

static size_t flow_octets(void)
{
    return sizeof(struct sf_flow) + FLOW_EXTRAS;
}

/* Lists are in the order of touching where that order counts. */
static bool is_in_order(const struct sf_tracker *t, enum sf_flow_list list)
{
    return list == SF_FLOWS_CLOSED || sf_track_has_limits(t);
}

/* Lone SYNs are in the order of their ids. */
static unsigned loose_rows(const struct sf_tracker *t)
{
    unsigned rows = 0;
    for (int list = SF_FLOWS_EMBRYONIC; list <= SF_FLOWS_CLOSED; list++)
        rows |= is_in_order(t, (enum sf_flow_list)list) ? 0u : 1u << row_of[list];
    return rows;
}

int sf_rest_init(struct sf_tracker *t)
{
    const struct sf_track_options *options = &t->options;
    t->shelf = sf_shelf_new(loose_rows(t));
    if (t->shelf == NULL)
        return -1;
    if (t->options.slots == NULL)
        return 0;
    /* Live, time alone changes a connection, until it has been silent for a while. */
    t->rests_when_silent = options->report_after_ns != 0 || options->handshake_due_ns != 0 ||
                           options->update_interval_ns != 0;
    if (t->rests_when_silent)
        return 0;
    t->keeps_diaries = !options->want_events && !sf_track_has_limits(t) &&
                       options->slots->may_follow(options->slots->self);
    size_t best = options->shares > 1 ? UNPACKED_MAX / options->shares : UNPACKED_MAX;
    best = best < UNPACKED_LEAST ? UNPACKED_LEAST : best;
    t->unpacked_max = options->unpacked_max != 0 ? options->unpacked_max : best;
    /* A quarter of what is granted: packed, they take a tenth. */
    uint64_t bound = options->max_memory / 4 / flow_octets();
    if (options->max_memory != 0 && bound < t->unpacked_max)
        t->unpacked_max = bound == 0 ? 1 : (size_t)bound;
    t->diaries_from = options->unpacked_max != 0 ? 0 : 2 * t->unpacked_max;
    return 0;
}

/* --- waking ---------------------------------------------------------------------------------- */

static struct sf_flow *wake_flow(struct sf_tracker *t, const struct sf_parcel *parcel,
                                 const struct sf_slot_keeper *slots, enum sf_wake what_for)
{
    struct sf_flow_key key = sf_parcel_key(parcel);
    struct sf_flow *flow = sf_flow_add(t, &key, parcel->hash, what_for);
    if (flow != NULL)
        sf_flow_unpack(parcel, t->rooms, flow, slots);
    sf_shelf_take(t->shelf, parcel);
    return flow;
}

static struct sf_flow *take_off(struct sf_tracker *t, const struct sf_parcel *parcel,
                                enum sf_wake what_for)
{
    struct sf_flow *flow = sf_young_is(parcel) ? sf_young_wake(t, parcel, what_for)
                                               : wake_flow(t, parcel, t->options.slots, what_for);
    if (flow != NULL)
        flow->touched_ns = parcel->ns;
    return flow;
}

static struct sf_flow *wake(struct sf_tracker *t, const struct sf_parcel *parcel)
{
    enum sf_flow_list list = list_of[parcel->row];
    struct sf_flow *flow = take_off(t, parcel, SF_WAKE_TO_STAY);
    if (flow == NULL)
        return NULL;
    if (t->rests_when_silent) {
        flow->told_packet = flow->last_packet;
        sf_track_wake_later(t, flow);
    }
    if (is_in_order(t, list))
        sf_flow_table_place(t->table, flow, list);
    else
        sf_flow_table_touch(t->table, flow, list);
    return flow;
}

static bool find(struct sf_tracker *t, const struct sf_flow_key *key, uint64_t hash,
                 struct sf_parcel *out)
{
    if (!sf_shelf_find(t->shelf, hash, sf_parcel_is, key, out))
        return false;
    if (!sf_leavers_have(t, out))
        return true;
    sf_leave_early(t, out);
    return false;
}

struct sf_flow *sf_rest_wake_key(struct sf_tracker *t, const struct sf_flow_key *key, uint64_t hash)
{
    struct sf_parcel parcel;
    return find(t, key, hash, &parcel) ? wake(t, &parcel) : NULL;
}

struct sf_flow *sf_rest_wake_for(struct sf_tracker *t, const struct sf_segment *seg, bool *is_noted)
{
    struct sf_parcel parcel;
    if (!find(t, &seg->key, seg->hash, &parcel))
        return NULL;
    if (is_noted != NULL && sf_young_follow(t, seg, &parcel)) {
        *is_noted = true;
        return NULL;
    }
    return wake(t, &parcel);
}

void sf_rest_dispose(struct sf_tracker *t)
{
    struct sf_parcel parcel;
    if (t->shelf == NULL)
        return;
    /* What a parcel holds by address is given back like that of any connection. */
    for (int row = SF_SHELF_EMBRYONIC; row < SF_SHELF_ROW_COUNT; row++)
        while (sf_shelf_oldest(t->shelf, (enum sf_shelf_row)row, &parcel)) {
            if (sf_young_is(&parcel)) {
                sf_shelf_take(t->shelf, &parcel);
                continue;
            }
            struct sf_flow *flow = wake_flow(t, &parcel, NULL, SF_WAKE_TO_LEAVE);
            if (flow == NULL)
                continue;
            sf_flow_table_remove(t->table, flow);
            sf_flow_table_release(t->table, flow);
        }
    sf_shelf_free(t->shelf);
}

/* --- going to rest --------------------------------------------------------------------------- */

/* Out of its order a parcel would be reported late: such a connection stays. */
static bool pack(struct sf_tracker *t, struct sf_flow *flow, enum sf_flow_list list)
{
    enum sf_shelf_row row = row_of[list];
    if (is_in_order(t, list) && flow->touched_ns < sf_shelf_newest_ns(t->shelf, row))
        return false;
    uint8_t octets[SF_PARCEL_MAX];
    struct sf_packer packer = {octets, octets + sizeof octets, false};
    struct sf_parcel parcel = {.row = row,
                               .hash = flow->hash,
                               .packet = flow->last_packet,
                               .ns = flow->touched_ns,
                               .octets = octets};
    sf_flow_pack(&packer, flow, t->now_packet, t->options.slots);
    parcel.len = (size_t)(packer.at - octets);
    if (sf_shelf_put(t->shelf, &parcel) != 0) {
        sf_flow_table_clear(t->table, flow);
        sf_flow_unpack(&parcel, t->rooms, flow, t->options.slots);
        return false;
    }
    t->has_packed_waiting |= sf_parcel_has_waiting(&parcel);
    sf_flow_table_remove(t->table, flow);
    sf_flow_table_release(t->table, flow);
    return true;
}

/* The list whose oldest connection was touched longest ago. */
static enum sf_flow_list coldest_list(const struct sf_tracker *t)
{
    enum sf_flow_list coldest = SF_FLOWS_CLOSED;
    sf_ns touched_ns = INT64_MAX;
    for (int list = SF_FLOWS_EMBRYONIC; list <= SF_FLOWS_CLOSED; list++) {
        const struct sf_flow *flow = sf_flow_table_chained(t->table, (enum sf_flow_list)list);
        if (flow == NULL || flow->touched_ns >= touched_ns)
            continue;
        coldest = (enum sf_flow_list)list;
        touched_ns = flow->touched_ns;
    }
    return coldest;
}

/* What will be read of the connections that are packed next, a segment or more from now: of the
 * first all that it has elsewhere, since it was fetched itself when it was the second. */
static void fetch_next(const struct sf_tracker *t, const struct sf_flow *next)
{
    if (next == NULL)
        return;
    enum { VIEW_LINES = 3 * SF_CACHE_LINE };
    if (next->view != NULL)
        sf_prefetch(next->view, VIEW_LINES);
    sf_prefetch(next->changes, next->change_count * sizeof *next->changes);
    sf_shelf_prefetch(t->shelf, next->hash);
    if (next->newer != NULL)
        sf_prefetch(next->newer, sizeof *next);
}

/* Those that are closed are seldom touched again: while most of the room is taken, it is for those
 * that are open, and new ones find memory that is still in the cache. */
static bool are_many_closed(const struct sf_tracker *t)
{
    return sf_flow_table_count(t->table) > t->unpacked_max / 2 &&
           sf_flow_table_listed(t->table, SF_FLOWS_CLOSED) > CLOSED_LEAST;
}

void sf_rest_pack(struct sf_tracker *t)
{
    if (t->unpacked_max == 0)
        return;
    bool is_for_open = are_many_closed(t);
    if (!is_for_open && sf_flow_table_count(t->table) <= t->unpacked_max)
        return;
    enum sf_flow_list list = is_for_open ? SF_FLOWS_CLOSED : coldest_list(t);
    struct sf_flow *flow = sf_flow_table_chained(t->table, list), *next;
    for (unsigned looks = 0; flow != NULL && looks < LOOKS_MAX; looks++, flow = next) {
        next = flow->newer;
        bool is_ordered = is_in_order(t, list);
        /* elsewhere, used since it was put on the list */
        bool is_used = !is_ordered && flow->last_ns > flow->touched_ns;
        if (!is_used && pack(t, flow, list)) {
            fetch_next(t, next);
            return;
        }
        if (!is_ordered)
            sf_flow_touch(t, flow, list);
    }
}

/* A record of it has been told since its last packet, and its handshake is not waited for. */
static bool is_silent(const struct sf_tracker *t, const struct sf_flow *flow)
{
    return t->now_ns - flow->last_ns >= SILENT &&
           t->now_ns - flow->first_ns >= t->options.handshake_due_ns && !flow->is_closed &&
           (t->options.update_interval_ns == 0 || flow->told_packet == flow->last_packet);
}

bool sf_rest_pack_silent(struct sf_tracker *t, struct sf_flow *flow)
{
    enum sf_flow_list list = sf_flow_list_of(flow);
    if (!t->rests_when_silent || is_in_order(t, list))
        return false;
    return is_silent(t, flow) && pack(t, flow, list);
}

void sf_rest_pack_oldest(struct sf_tracker *t)
{
    if (!t->rests_when_silent || !is_in_order(t, SF_FLOWS_OPEN))
        return;
    /* One that cannot be packed, since it was woken and not touched, holds up no other. */
    for (int list = SF_FLOWS_EMBRYONIC; list <= SF_FLOWS_OPEN; list++) {
        struct sf_flow *flow = sf_flow_table_chained(t->table, (enum sf_flow_list)list), *next;
        for (unsigned looks = 0, packed = 0;
             packed < LOOKS_MAX && looks < LOOKS_IN_ALL && flow != NULL && is_silent(t, flow);
             looks++, flow = next) {
            next = flow->newer;
            packed += pack(t, flow, (enum sf_flow_list)list);
        }
    }
}

/* --- the oldest ------------------------------------------------------------------------------ */

static void take_older(const struct sf_tracker *t, enum sf_shelf_row row, struct sf_oldest *out)
{
    struct sf_parcel parcel;
    if (!sf_shelf_oldest(t->shelf, row, &parcel) || parcel.ns >= out->touched_ns)
        return;
    *out = (struct sf_oldest){.parcel = parcel, .touched_ns = parcel.ns};
}

bool sf_rest_oldest(const struct sf_tracker *t, enum sf_flow_list list, struct sf_oldest *out)
{
    struct sf_flow *flow = sf_flow_table_oldest(t->table, list);
    *out = (struct sf_oldest){.touched_ns = INT64_MAX};
    if (flow != NULL)
        *out = (struct sf_oldest){.flow = flow, .touched_ns = flow->touched_ns};
    take_older(t, row_of[list], out);
    if (list == SF_FLOWS_EMBRYONIC)
        take_older(t, SF_SHELF_SYNS, out);
    if (list == SF_FLOWS_CLOSED)
        take_older(t, SF_SHELF_CLOSED_AT_REST, out);
    return out->touched_ns != INT64_MAX;
}

struct sf_flow *sf_rest_wake_parcel(struct sf_tracker *t, const struct sf_parcel *parcel)
{
    return take_off(t, parcel, SF_WAKE_TO_LEAVE);
}

struct sf_flow *sf_rest_wake(struct sf_tracker *t, const struct sf_oldest *oldest)
{
    return oldest->flow != NULL ? oldest->flow : sf_rest_wake_parcel(t, &oldest->parcel);
}

size_t sf_rest_embryonic_count(const struct sf_tracker *t)
{
    return sf_flow_table_listed(t->table, SF_FLOWS_EMBRYONIC) +
           sf_shelf_count(t->shelf, SF_SHELF_SYNS) + sf_shelf_count(t->shelf, SF_SHELF_EMBRYONIC);
}

size_t sf_rest_open_count(const struct sf_tracker *t)
{
    return sf_shelf_count(t->shelf, SF_SHELF_SYNS) + sf_shelf_count(t->shelf, SF_SHELF_EMBRYONIC) +
           sf_shelf_count(t->shelf, SF_SHELF_OPEN);
}

size_t sf_rest_count(const struct sf_tracker *t)
{
    size_t count = sf_flow_table_count(t->table);
    for (int row = 0; row < SF_SHELF_ROW_COUNT; row++)
        count += sf_shelf_count(t->shelf, (enum sf_shelf_row)row);
    return count;
}

uint64_t sf_rest_memory(const struct sf_tracker *t)
{
    return sf_flow_table_count(t->table) * flow_octets() + sf_shelf_memory(t->shelf);
}

/* --- the input is over ----------------------------------------------------------------------- */

void sf_rest_wake_waiting(struct sf_tracker *t)
{
    sf_shelf_settle(t->shelf);
    for (int row = SF_SHELF_EMBRYONIC; t->has_packed_waiting && row < SF_SHELF_ROW_COUNT; row++) {
        struct sf_parcel parcel, next;
        bool is_one = sf_shelf_oldest(t->shelf, (enum sf_shelf_row)row, &parcel);
        while (is_one) {
            is_one = sf_shelf_next(t->shelf, &parcel, &next);
            if (sf_parcel_has_waiting(&parcel))
                wake(t, &parcel);
            parcel = next;
        }
    }
}
