/* Connections that left and whose records are fetched later, when all workers have read as far:
 * first in, first out. Of an epoch of ordinary traffic few leave; of many, after a pause of the
 * input, those beyond the first are packed meanwhile. */
#include "parcel.h"

enum { UNPACKED_MAX = 4096 };

/* The shelf's row: its names are those of the lists, of which this is none. */
static const enum sf_shelf_row ROW = SF_SHELF_CLOSED;

/* Nothing is looked for on this shelf. */
static struct sf_shelf *shelf_of(struct sf_waiting *waiting)
{
    if (waiting->shelf == NULL)
        waiting->shelf = sf_shelf_new(0);
    if (waiting->shelf != NULL)
        sf_shelf_settle(waiting->shelf);
    return waiting->shelf;
}

/* Behind those that are packed. Without memory it stays as it is. */
static void pack_first(struct sf_tracker *t, struct sf_waiting *waiting)
{
    struct sf_flow *flow = waiting->after.first;
    struct sf_shelf *shelf = shelf_of(waiting);
    uint8_t octets[SF_PARCEL_MAX];
    struct sf_packer packer = {octets, octets + sizeof octets, false};
    struct sf_parcel parcel = {
        .row = ROW, .hash = flow->hash, .packet = flow->last_packet, .octets = octets};
    if (shelf == NULL)
        return;
    sf_departures_take(&waiting->after);
    parcel.ns = flow->touched_ns;
    flow->next_queued = NULL;
    flow->view = NULL; /* the views have let go of it when it left */
    sf_flow_pack(&packer, flow, t->now_packet, NULL);
    parcel.len = (size_t)(packer.at - octets);
    if (sf_shelf_put(shelf, &parcel) == 0) {
        sf_flow_table_release(t->table, flow);
        return;
    }
    sf_flow_table_clear(t->table, flow);
    sf_flow_unpack(&parcel, t->rooms, flow, NULL);
    flow->next_queued = waiting->after.first;
    waiting->after.first = flow;
    waiting->after.last = waiting->after.last != NULL ? waiting->after.last : flow;
}

void sf_waiting_add(struct sf_tracker *t, struct sf_flow *flow)
{
    struct sf_waiting *waiting = &t->finished;
    if (waiting->after.first == NULL && waiting->before_count < UNPACKED_MAX) {
        sf_departures_add(&waiting->before, flow);
        waiting->before_count++;
        return;
    }
    if (waiting->after.first != NULL)
        pack_first(t, waiting); /* the newest is still with the views */
    sf_departures_add(&waiting->after, flow);
}

static struct sf_flow *unpack_oldest(struct sf_tracker *t, struct sf_shelf *shelf)
{
    struct sf_parcel parcel;
    if (shelf == NULL || !sf_shelf_oldest(shelf, ROW, &parcel))
        return NULL;
    struct sf_flow_key key = sf_parcel_key(&parcel);
    struct sf_flow *flow = sf_flow_add(t, &key, parcel.hash, SF_WAKE_TO_LEAVE);
    if (flow == NULL)
        return NULL;
    sf_flow_unpack(&parcel, t->rooms, flow, NULL);
    sf_shelf_take(shelf, &parcel);
    sf_flow_table_remove(t->table, flow);
    return flow;
}

struct sf_flow *sf_waiting_take(struct sf_tracker *t)
{
    struct sf_waiting *waiting = &t->finished;
    struct sf_flow *flow = sf_departures_take(&waiting->before);
    if (flow != NULL) {
        waiting->before_count--;
        return flow;
    }
    flow = unpack_oldest(t, waiting->shelf);
    return flow != NULL ? flow : sf_departures_take(&waiting->after);
}

void sf_waiting_dispose(struct sf_tracker *t)
{
    struct sf_flow *flow;
    while ((flow = sf_waiting_take(t)) != NULL)
        if (!flow->is_tomb)
            sf_flow_table_release(t->table, flow);
    sf_shelf_free(t->finished.shelf);
}
