/* The only file that knows uthash. The hash is keyed and comes with the segment, so chosen
 * addresses cannot make chains long. */
#include "synfin/flow_table.h"

#include <stdlib.h>
#include <string.h>

#include "synfin/slab.h"

#define uthash_malloc(octets)                sf_large_take(octets)
#define uthash_free(memory, octets)          free(memory)
#define HASH_NONFATAL_OOM                    1
#define HASH_FUNCTION(keyptr, keylen, hashv) ((hashv) = 0) /* never used: see *_BYHASHVALUE */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include <uthash.h>

struct entry {
    UT_hash_handle hh;
    struct sf_flow flow;
    sf_ns due_ns;
    sf_ns placed_ns;                    /* touched_ns when it was put between */
    struct entry *due_next, **due_from; /* due_from: what points here, NULL: in no slot */
    uint8_t list;
    bool is_in;      /* the table; else unused, or removed and not yet released */
    bool is_between; /* on its list, but not chained */
};

/* A flow that came back and belongs before or between those of its list, when it was touched. */
struct between {
    sf_ns touched_ns;
    struct sf_flow *flow;
};

struct list {
    struct sf_flow *oldest, *newest;
    size_t count;
    struct between *between; /* in order of touching: to find the place in the chain would cost */
    size_t between_count, between_capacity;
};

enum { BLOCK_ENTRIES = 16, SLOTS = 64 };

struct block {
    struct block *next;
    struct entry entries[BLOCK_ENTRIES];
};

struct sf_flow_table {
    struct entry *entries; /* uthash's head */
    struct list lists[SF_FLOW_LIST_COUNT];
    struct sf_slab slab;   /* of blocks */
    struct sf_rooms rooms; /* of what flows hold outside themselves */
    struct block *blocks;
    struct sf_flow *unused; /* chained by `newer` */
    size_t block_count;

    /* A wheel of seconds: each slot is looked at when its second has passed, and holds what is due
     * then or some turns later. */
    struct entry *slots[SLOTS];
    struct entry *passed;  /* of slots whose second has passed, still to be looked at */
    int64_t passed_second; /* the last that has */
};

static struct entry *entry_of(const struct sf_flow *flow)
{
    return (struct entry *)((char *)(uintptr_t)flow - offsetof(struct entry, flow));
}

static void init(struct sf_flow_table *table)
{
    sf_slab_init(&table->slab, sizeof(struct block));
    sf_rooms_init(&table->rooms);
}

struct sf_flow_table *sf_flow_table_new(void)
{
    struct sf_flow_table *table = calloc(1, sizeof *table);
    if (table != NULL)
        init(table);
    return table;
}

struct sf_rooms *sf_flow_table_rooms(struct sf_flow_table *table)
{
    return &table->rooms;
}

static unsigned bucket_hash(uint64_t hash)
{
    return (unsigned)(hash ^ hash >> 32);
}

/* The table must not be empty. */
static const UT_hash_bucket *bucket_of(const struct sf_flow_table *table, uint64_t hash)
{
    const UT_hash_table *tbl = table->entries->hh.tbl;
    return &tbl->buckets[bucket_hash(hash) & (tbl->num_buckets - 1)];
}

static struct entry *entry_at(UT_hash_handle *hh)
{
    return (struct entry *)((char *)hh - offsetof(struct entry, hh));
}

struct sf_flow *sf_flow_table_find(const struct sf_flow_table *table, const struct sf_flow_key *key,
                                   uint64_t hash)
{
    UT_hash_handle *hh = table->entries == NULL ? NULL : bucket_of(table, hash)->hh_head;
    for (; hh != NULL; hh = hh->hh_next) {
        struct sf_flow *flow = &entry_at(hh)->flow;
        if (flow->hash == hash && sf_flow_key_is(&flow->key, key)) /* the handle is not touched */
            return flow;
    }
    return NULL;
}

void sf_flow_table_prefetch(const struct sf_flow_table *table, uint64_t hash)
{
    if (table->entries != NULL)
        __builtin_prefetch(bucket_of(table, hash));
}

const struct sf_flow *sf_flow_table_prefetch_flow(const struct sf_flow_table *table,
                                                  const struct sf_segment *seg)
{
    enum { HEAD = offsetof(struct sf_flow, ep) };
    UT_hash_handle *hh = table->entries == NULL ? NULL : bucket_of(table, seg->hash)->hh_head;
    if (hh == NULL)
        return NULL;
    const struct sf_flow *flow = &entry_at(hh)->flow;
    const struct sf_endpoint *snd = &flow->ep[seg->dir], *rcv = &flow->ep[sf_dir_other(seg->dir)];
    sf_prefetch(flow, HEAD);
    sf_prefetch(rcv, SF_ENDPOINT_RECEIVER);
    sf_prefetch(&snd->base, SF_ENDPOINT_SENDER);
    if (seg->payload_len > 0)
        __builtin_prefetch(&snd->payload_bytes);
    return flow;
}

static int add_block(struct sf_flow_table *table)
{
    struct block *block = sf_slab_take(&table->slab);
    if (block == NULL)
        return -1;
    memset(block, 0, sizeof *block);
    block->next = table->blocks;
    table->blocks = block;
    table->block_count++;
    for (size_t i = BLOCK_ENTRIES; i-- > 0;) {
        block->entries[i].flow.newer = table->unused;
        table->unused = &block->entries[i].flow;
    }
    return 0;
}

/* The first of those between that was touched later than then, or at that time. */
static size_t find_between(const struct list *list, sf_ns touched_ns)
{
    size_t low = 0, high = list->between_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (list->between[middle].touched_ns < touched_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void remove_between(struct list *list, const struct sf_flow *flow, sf_ns touched_ns)
{
    size_t i = find_between(list, touched_ns);
    while (list->between[i].flow != flow)
        i++;
    list->between_count--;
    memmove(list->between + i, list->between + i + 1,
            (list->between_count - i) * sizeof *list->between);
}

/* False on lack of memory. */
static bool add_between(struct list *list, struct sf_flow *flow)
{
    if (list->between_count == list->between_capacity) {
        size_t capacity = list->between_capacity == 0 ? 16 : 2 * list->between_capacity;
        struct between *more = realloc(list->between, capacity * sizeof *more);
        if (more == NULL)
            return false;
        list->between = more;
        list->between_capacity = capacity;
    }
    size_t i = find_between(list, flow->touched_ns);
    memmove(list->between + i + 1, list->between + i,
            (list->between_count - i) * sizeof *list->between);
    list->between[i] = (struct between){flow->touched_ns, flow};
    list->between_count++;
    return true;
}

static void chain_remove(struct list *list, struct sf_flow *flow)
{
    if (flow->older != NULL)
        flow->older->newer = flow->newer;
    else
        list->oldest = flow->newer;
    if (flow->newer != NULL)
        flow->newer->older = flow->older;
    else
        list->newest = flow->older;
}

static void list_remove(struct list *list, struct sf_flow *flow)
{
    struct entry *entry = entry_of(flow);
    if (entry->is_between)
        remove_between(list, flow, entry->placed_ns);
    else
        chain_remove(list, flow);
    entry->is_between = false;
    list->count--;
}

static void list_append(struct list *list, struct sf_flow *flow)
{
    flow->newer = NULL;
    flow->older = list->newest;
    if (list->newest != NULL)
        list->newest->newer = flow;
    else
        list->oldest = flow;
    list->newest = flow;
    list->count++;
}

/* The first of a bucket is to be the one that is looked for, mostly: that one is fetched before,
 * and a link of the chain is a cache miss. Without memory chains get longer. */
static void keep_sparse(struct sf_flow_table *table)
{
    enum { BUCKETS_A_FLOW = 4 };
    const UT_hash_table *tbl = table->entries->hh.tbl;
    bool lacks_memory = false;
    if (tbl->num_items > tbl->num_buckets / BUCKETS_A_FLOW)
        HASH_EXPAND_BUCKETS(hh, table->entries->hh.tbl, lacks_memory);
    (void)lacks_memory;
}

struct sf_flow *sf_flow_table_add_aside(struct sf_flow_table *table, const struct sf_flow_key *key,
                                        uint64_t hash)
{
    if (table->unused == NULL && add_block(table) != 0)
        return NULL;
    struct sf_flow *flow = table->unused;
    table->unused = flow->newer;
    flow->key = *key;
    flow->hash = hash;
    entry_of(flow)->list = SF_FLOWS_EMBRYONIC;
    list_append(&table->lists[SF_FLOWS_EMBRYONIC], flow);
    return flow;
}

struct sf_flow *sf_flow_table_add(struct sf_flow_table *table, const struct sf_flow_key *key,
                                  uint64_t hash)
{
    struct sf_flow *flow = sf_flow_table_add_aside(table, key, hash);
    if (flow == NULL)
        return NULL;
    struct entry *entry = entry_of(flow);
    memset(&entry->hh, 0, sizeof entry->hh);
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, table->entries, &flow->key, sizeof flow->key, bucket_hash(hash),
                                entry);
    if (entry->hh.tbl == NULL) {
        sf_flow_table_remove(table, flow);
        sf_flow_table_release(table, flow);
        return NULL;
    }
    keep_sparse(table);
    entry->is_in = true;
    return flow;
}

static void unschedule(struct entry *entry)
{
    if (entry->due_from == NULL)
        return;
    *entry->due_from = entry->due_next;
    if (entry->due_next != NULL)
        entry->due_next->due_from = entry->due_from;
    entry->due_from = NULL;
}

static void schedule(struct entry **slot, struct entry *entry)
{
    entry->due_next = *slot;
    entry->due_from = slot;
    if (*slot != NULL)
        (*slot)->due_from = &entry->due_next;
    *slot = entry;
}

static struct entry **slot_of(struct sf_flow_table *table, int64_t second)
{
    return &table->slots[(uint64_t)second % SLOTS];
}

void sf_flow_table_wake(struct sf_flow_table *table, struct sf_flow *flow, sf_ns due_ns)
{
    struct entry *entry = entry_of(flow);
    unschedule(entry);
    entry->due_ns = due_ns;
    schedule(slot_of(table, due_ns / SF_SEC), entry);
}

/* Moves the slots of the seconds before `second` to `passed`; one turn is all of them. */
static void pass_seconds(struct sf_flow_table *table, int64_t second)
{
    int64_t seconds = second - 1 - table->passed_second;
    if (seconds < 0 || seconds > SLOTS)
        seconds = SLOTS;
    for (int64_t s = second - seconds; s < second; s++)
        for (struct entry *entry; (entry = *slot_of(table, s)) != NULL;) {
            unschedule(entry);
            schedule(&table->passed, entry);
        }
    table->passed_second = second - 1;
}

struct sf_flow *sf_flow_table_due(struct sf_flow_table *table, sf_ns now_ns, sf_ns longest_ns)
{
    int64_t second = now_ns / SF_SEC;
    if (table->passed == NULL && table->passed_second != second - 1)
        pass_seconds(table, second);
    for (struct entry *entry; (entry = table->passed) != NULL;) {
        unschedule(entry);
        if (entry->due_ns <= now_ns || entry->due_ns - now_ns > longest_ns)
            return &entry->flow;
        schedule(slot_of(table, entry->due_ns / SF_SEC), entry);
    }
    return NULL;
}

void sf_flow_table_remove(struct sf_flow_table *table, struct sf_flow *flow)
{
    struct entry *entry = entry_of(flow);
    unschedule(entry);
    list_remove(&table->lists[entry->list], flow);
    if (entry->is_in)
        HASH_DELETE(hh, table->entries, entry);
    entry->is_in = false;
}

/* What the end holds outside itself: its fields tell no more of it. */
static void endpoint_dispose(struct sf_rooms *rooms, struct sf_endpoint *ep)
{
    free(ep->holes);
    free(ep->resent);
    free(ep->copies);
    sf_rooms_give(rooms, ep->sent, ep->sent_capacity * sizeof *ep->sent);
    sf_samples_dispose(rooms, &ep->rtt);
    sf_samples_dispose(rooms, &ep->response);
    ep->holes = NULL;
    ep->hole_count = ep->hole_capacity = ep->hole_head = 0;
    ep->sent = NULL;
    ep->sent_head = ep->sent_count = ep->sent_capacity = 0;
    ep->resent = NULL;
    ep->copies = NULL;
}

void sf_flow_table_trim(struct sf_flow_table *table, struct sf_flow *flow)
{
    struct sf_rooms *rooms = &table->rooms;
    endpoint_dispose(rooms, &flow->ep[0]);
    endpoint_dispose(rooms, &flow->ep[1]);
    sf_rooms_give(rooms, flow->changes, flow->change_capacity * sizeof *flow->changes);
    sf_rooms_give(rooms, flow->notes, flow->note_capacity * sizeof *flow->notes);
    if (flow->pending != NULL)
        free(flow->pending->segments);
    free(flow->pending);
    flow->changes = NULL;
    flow->notes = NULL;
    flow->change_count = flow->change_capacity = flow->note_count = flow->note_capacity = 0;
    flow->pending = NULL;
}

void sf_flow_table_clear(struct sf_flow_table *table, struct sf_flow *flow)
{
    struct sf_flow *older = flow->older, *newer = flow->newer;
    sf_flow_table_trim(table, flow);
    memset(flow, 0, sizeof *flow);
    flow->older = older;
    flow->newer = newer;
}

void sf_flow_table_release(struct sf_flow_table *table, struct sf_flow *flow)
{
    sf_flow_table_trim(table, flow);
    memset(flow, 0, sizeof *flow);
    flow->newer = table->unused;
    table->unused = flow;
}

void sf_flow_table_touch(struct sf_flow_table *table, struct sf_flow *flow, enum sf_flow_list list)
{
    struct entry *entry = entry_of(flow);
    list_remove(&table->lists[entry->list], flow);
    entry->list = (uint8_t)list;
    list_append(&table->lists[list], flow);
}

void sf_flow_table_place(struct sf_flow_table *table, struct sf_flow *flow, enum sf_flow_list to)
{
    struct entry *entry = entry_of(flow);
    struct list *list = &table->lists[to];
    list_remove(&table->lists[entry->list], flow);
    entry->list = (uint8_t)to;
    bool is_newest = list->newest == NULL || list->newest->touched_ns <= flow->touched_ns;
    if (is_newest || !add_between(list, flow)) {
        list_append(list, flow);
        return;
    }
    flow->older = flow->newer = NULL;
    entry->placed_ns = flow->touched_ns;
    entry->is_between = true;
    list->count++;
}

struct sf_flow *sf_flow_table_chained(const struct sf_flow_table *table, enum sf_flow_list list)
{
    return table->lists[list].oldest;
}

struct sf_flow *sf_flow_table_oldest(const struct sf_flow_table *table, enum sf_flow_list which)
{
    const struct list *list = &table->lists[which];
    if (list->between_count == 0)
        return list->oldest;
    struct sf_flow *between = list->between[0].flow;
    return list->oldest == NULL || between->touched_ns < list->oldest->touched_ns ? between
                                                                                  : list->oldest;
}

size_t sf_flow_table_count(const struct sf_flow_table *table)
{
    return HASH_COUNT(table->entries);
}

size_t sf_flow_table_listed(const struct sf_flow_table *table, enum sf_flow_list list)
{
    return table->lists[list].count;
}

uint64_t sf_flow_table_memory(const struct sf_flow_table *table)
{
    return table->block_count * sizeof(struct block) + HASH_OVERHEAD(hh, table->entries);
}

void sf_flow_table_all(const struct sf_flow_table *table, struct sf_flow **out)
{
    for (struct entry *e = table->entries; e != NULL; e = e->hh.next)
        *out++ = &e->flow;
}

const struct sf_flow *sf_flow_table_walk(const struct sf_flow_table *table,
                                         struct sf_flow_walk *walk)
{
    const struct block *block = walk->is_under_way ? walk->block : table->blocks;
    size_t at = walk->is_under_way ? walk->at : 0;
    for (; block != NULL; block = block->next, at = 0)
        for (; at < BLOCK_ENTRIES; at++) {
            if (!block->entries[at].is_in)
                continue;
            *walk = (struct sf_flow_walk){block, at + 1, true};
            return &block->entries[at].flow;
        }
    *walk = (struct sf_flow_walk){0};
    return NULL;
}

void sf_flow_table_free(struct sf_flow_table *table)
{
    if (table == NULL)
        return;
    struct entry *entry, *next;
    HASH_ITER(hh, table->entries, entry, next)
    {
        HASH_DELETE(hh, table->entries, entry);
        sf_flow_table_trim(table, &entry->flow);
    }
    for (int list = 0; list < SF_FLOW_LIST_COUNT; list++)
        free(table->lists[list].between);
    sf_slab_dispose(&table->slab);
    sf_rooms_dispose(&table->rooms);
    free(table);
}
#pragma GCC diagnostic pop
