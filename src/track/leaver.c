/* Connections that leave together: after a pause of the input all that are closed may be due at one
 * packet, and at its end all leave. Unpacked at once they would take several times what they take
 * at rest, so they are woken one by one: until then each is known by its id and where it lies. */
#include <stdlib.h>
#include <string.h>

#include "parcel.h"

/* Lone SYNs are not among them: their row is in order of id. */
struct sf_leaver {
    uint64_t id;
    uint64_t place; /* a flow's address, or where a parcel lies: then the lowest bit is set */
};

static struct sf_leaver leaver_of_flow(const struct sf_flow *flow)
{
    return (struct sf_leaver){flow->id, (uintptr_t)flow};
}

static struct sf_leaver leaver_of_parcel(const struct sf_parcel *parcel)
{
    return (struct sf_leaver){sf_parcel_id(parcel), parcel->ref << 1 | 1};
}

static bool is_resting(const struct sf_leaver *leaver)
{
    return leaver->place & 1;
}

static struct sf_flow *flow_of(struct sf_tracker *t, const struct sf_leaver *leaver)
{
    struct sf_parcel parcel;
    if (!is_resting(leaver))
        return (struct sf_flow *)(uintptr_t)leaver->place;
    sf_shelf_at(t->shelf, leaver->place >> 1, &parcel);
    return sf_rest_wake_parcel(t, &parcel);
}

/* --- their order ----------------------------------------------------------------------------- */

/* By id, in place: qsort() would take as much memory again just when most is in use. Those with
 * `bit` go behind those without, then each part is sorted by the bits below it. */
static void sort_by_bit(struct sf_leaver *items, size_t count, uint64_t bit)
{
    size_t low = 0, high = count;
    if (count < 2 || bit == 0)
        return;
    while (low < high) {
        struct sf_leaver at_low = items[low];
        if (!(at_low.id & bit)) {
            low++;
            continue;
        }
        items[low] = items[--high];
        items[high] = at_low;
    }
    sort_by_bit(items, low, bit >> 1);
    sort_by_bit(items + low, count - low, bit >> 1);
}

static void sort(struct sf_leaver *items, size_t count)
{
    uint64_t any = 0;
    for (size_t i = 0; i < count; i++)
        any |= items[i].id;
    if (any != 0)
        sort_by_bit(items, count, UINT64_C(1) << (63 - __builtin_clzll(any)));
}

/* The place of the first that has that id or a larger one. */
static size_t place_of(const struct sf_leavers *leavers, uint64_t id)
{
    size_t low = leavers->at, high = leavers->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (leavers->items[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* --- who they are ---------------------------------------------------------------------------- */

/* Nearly always they are one. */
static bool add(struct sf_leavers *leavers, struct sf_leaver leaver)
{
    enum { FIRST = 64 };
    if (leavers->count == leavers->capacity) {
        size_t capacity = leavers->capacity == 0 ? FIRST : 2 * leavers->capacity;
        struct sf_leaver *more = realloc(leavers->items, capacity * sizeof *more);
        if (more == NULL)
            return false;
        leavers->items = more;
        leavers->capacity = capacity;
    }
    leavers->items[leavers->count++] = leaver;
    return true;
}

/* In the order of the lists. */
static const struct {
    enum sf_shelf_row row;
    enum sf_flow_list list;
} rows[] = {{SF_SHELF_CLOSED, SF_FLOWS_CLOSED},
            {SF_SHELF_CLOSED_AT_REST, SF_FLOWS_CLOSED},
            {SF_SHELF_SYNS, SF_FLOWS_EMBRYONIC},
            {SF_SHELF_EMBRYONIC, SF_FLOWS_EMBRYONIC},
            {SF_SHELF_OPEN, SF_FLOWS_OPEN}};
enum { ROWS = sizeof rows / sizeof *rows };

/* SYNs need not be kept one by one. */
static bool take_note(struct sf_leavers *leavers, const struct sf_parcel *parcel)
{
    if (parcel->row != SF_SHELF_SYNS)
        return add(leavers, leaver_of_parcel(parcel));
    leavers->last_syn = sf_parcel_id(parcel);
    return true;
}

static void begin_row(struct sf_tracker *t, size_t which, sf_is_due *is_due)
{
    struct sf_parcel parcel;
    bool is_one = sf_shelf_oldest(t->shelf, rows[which].row, &parcel);
    for (; is_one && is_due(t, rows[which].list, parcel.ns);
         is_one = sf_shelf_next(t->shelf, &parcel, &parcel)) {
        if (!take_note(&t->leavers, &parcel))
            return;
        t->leavers.are_under_way = true;
    }
}

void sf_leavers_begin(struct sf_tracker *t, sf_is_due *is_due)
{
    t->leavers.by = SF_ENDED_IDLE;
    for (size_t i = 0; i < ROWS; i++)
        begin_row(t, i, is_due);
    if (!t->leavers.are_under_way)
        return;
    sort(t->leavers.items, t->leavers.count);
    sf_shelf_hold(t->shelf, true);
}

static size_t list_resting(const struct sf_tracker *t, struct sf_leaver *out)
{
    size_t count = 0;
    for (int row = SF_SHELF_EMBRYONIC; row < SF_SHELF_ROW_COUNT; row++) {
        struct sf_parcel parcel;
        bool is_one = sf_shelf_oldest(t->shelf, (enum sf_shelf_row)row, &parcel);
        for (; is_one; is_one = sf_shelf_next(t->shelf, &parcel, &parcel))
            out[count++] = leaver_of_parcel(&parcel);
    }
    return count;
}

int sf_leavers_begin_last(struct sf_tracker *t)
{
    size_t unpacked = sf_flow_table_count(t->table);
    size_t count = sf_rest_count(t) - sf_shelf_count(t->shelf, SF_SHELF_SYNS);
    struct sf_flow **flows = malloc((unpacked + 1) * sizeof(*flows));
    struct sf_leaver *items = malloc((count + 1) * sizeof *items);
    if (flows == NULL || items == NULL) {
        free(flows);
        free(items);
        return -1;
    }
    sf_flow_table_all(t->table, flows);
    for (size_t i = 0; i < unpacked; i++)
        items[i] = leaver_of_flow(flows[i]);
    free(flows);
    list_resting(t, items + unpacked);
    sort(items, count);
    free(t->leavers.items);
    t->leavers = (struct sf_leavers){.items = items,
                                     .count = count,
                                     .capacity = count,
                                     .last_syn = UINT64_MAX,
                                     .are_under_way = true,
                                     .by = SF_ENDED_OPEN};
    sf_shelf_settle(t->shelf);
    return 0;
}

bool sf_leavers_have(const struct sf_tracker *t, const struct sf_parcel *parcel)
{
    const struct sf_leavers *leavers = &t->leavers;
    if (!leavers->are_under_way)
        return false;
    uint64_t id = sf_parcel_id(parcel);
    if (parcel->row == SF_SHELF_SYNS)
        return id <= leavers->last_syn;
    size_t place = place_of(leavers, id);
    return place < leavers->count && leavers->items[place].id == id;
}

/* --- they go --------------------------------------------------------------------------------- */

static bool next_syn(const struct sf_tracker *t, struct sf_parcel *out)
{
    return t->leavers.last_syn != 0 && sf_shelf_oldest(t->shelf, SF_SHELF_SYNS, out) &&
           sf_parcel_id(out) <= t->leavers.last_syn;
}

uint64_t sf_leavers_next_id(const struct sf_tracker *t)
{
    const struct sf_leavers *leavers = &t->leavers;
    struct sf_parcel syn;
    uint64_t id = leavers->at < leavers->count ? leavers->items[leavers->at].id : UINT64_MAX;
    if (!next_syn(t, &syn))
        return id;
    uint64_t syn_id = sf_parcel_id(&syn);
    return syn_id < id ? syn_id : id;
}

static struct sf_flow *wake_next(struct sf_tracker *t)
{
    enum { AHEAD = 2 };
    struct sf_leavers *leavers = &t->leavers;
    struct sf_parcel syn;
    const struct sf_leaver *leaver =
        leavers->at < leavers->count ? &leavers->items[leavers->at] : NULL;
    if (next_syn(t, &syn) && (leaver == NULL || sf_parcel_id(&syn) < leaver->id))
        return sf_rest_wake_parcel(t, &syn);
    if (leavers->at + AHEAD < leavers->count && is_resting(&leaver[AHEAD]))
        sf_shelf_prefetch_at(t->shelf, leaver[AHEAD].place >> 1);
    leavers->at++;
    return flow_of(t, leaver);
}

struct sf_flow *sf_leavers_next(struct sf_tracker *t)
{
    struct sf_flow *flow = NULL;
    while (flow == NULL && sf_leavers_next_id(t) != UINT64_MAX)
        flow = wake_next(t);
    return flow;
}

struct sf_flow *sf_leavers_pull(struct sf_tracker *t, const struct sf_parcel *parcel)
{
    struct sf_leavers *leavers = &t->leavers;
    if (parcel->row != SF_SHELF_SYNS) {
        size_t place = place_of(leavers, sf_parcel_id(parcel));
        leavers->count--;
        memmove(leavers->items + place, leavers->items + place + 1,
                (leavers->count - place) * sizeof *leavers->items);
    }
    return sf_rest_wake_parcel(t, parcel);
}

void sf_leavers_end(struct sf_tracker *t)
{
    enum { FEW = 1024 }; /* room for so many is kept */
    struct sf_leavers *leavers = &t->leavers;
    if (!leavers->are_under_way)
        return;
    leavers->at = leavers->count = 0;
    leavers->last_syn = 0;
    leavers->are_under_way = false;
    if (leavers->capacity > FEW)
        sf_leavers_dispose(t);
    sf_shelf_hold(t->shelf, false);
}

void sf_leavers_dispose(struct sf_tracker *t)
{
    free(t->leavers.items);
    t->leavers.items = NULL;
    t->leavers.capacity = 0;
}
