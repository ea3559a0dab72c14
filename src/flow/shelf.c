/* Parcels lie in chunks, in the order of their rows; a table of open addressing finds them. uthash
 * takes 56 octets for an entry and its chains a cache miss a link: here a parcel takes 8 to 16
 * octets in the table, and those that it does not find cost one miss. Chunks that many parcels have
 * left are joined with their neighbours, so that at least three eighths of the octets are in use;
 * in a loose row the next parcel of about that size takes a hole, and where holes add up to an
 * eighth the oldest chunk is cleared, so that at least seven eighths are. */
#include "synfin/shelf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "synfin/hint.h"
#include "synfin/pack.h"
#include "synfin/slab.h"

enum { UNIT = 4, PLACE_BITS = 14, REF_BITS = 36, FIRST_SLOTS = 64 };
/* So many chunks fill a piece of the slab. */
enum {
    PIECE_CHUNKS = 32,
    CHUNK_OCTETS = SF_SLAB_ROOM / PIECE_CHUNKS / SF_CACHE_LINE * SF_CACHE_LINE,
    CHUNK_HEAD = 32,
    CHUNK = CHUNK_OCTETS - CHUNK_HEAD - SF_PACK_SLACK, /* octets of parcels */
};
/* Of holes: their sizes are multiples of STEP octets, larger ones than LARGEST are not filled, and
 * a parcel looks at so many sizes from its own on; but once only, since then it counts as so large.
 */
enum { STEP = 16, LARGEST = 1024, SIZES = LARGEST / STEP + 1, SIZES_AROUND = 3 };
_Static_assert(CHUNK / UNIT <= 1 << PLACE_BITS, "a place within a chunk has so many bits");

/* Stands before the octets of a parcel; read and written by memcpy, since it is not aligned. */
struct head {
    uint64_t hash;
    uint64_t packet : 46, is_gone : 1, row : 3, units : 14; /* head included */
    sf_ns ns;
};
#define PACKET_MASK ((UINT64_C(1) << 46) - 1)
_Static_assert(sizeof(struct head) == 24, "a lone SYN is to fit in 64 octets");

struct chunk {
    struct chunk *older, *newer; /* of the same row */
    uint32_t used, live;         /* octets */
    uint32_t first;              /* all before it are gone */
    uint32_t index;              /* in sf_shelf.chunks */
    uint8_t octets[CHUNK + SF_PACK_SLACK];
};
_Static_assert(sizeof(struct chunk) <= CHUNK_OCTETS, "as planned");

struct row {
    struct chunk *oldest, *newest;
    sf_ns newest_ns;
    size_t count;
    bool is_loose;
    uint64_t used, hole_octets; /* of a loose row */
    uint64_t holes[SIZES];      /* the first hole of each size: a reference, 0: none */
};

/* Stands behind the head of a hole that may be filled. */
struct links {
    uint64_t next, previous; /* references, 0: none */
};

/* A slot: 28 bits of the hash, which also tell where it belongs, and a reference: index of the
 * chunk and place in it. 0 is empty: no chunk has index 0. */
typedef uint64_t slot;

struct sf_shelf {
    slot *slots;
    size_t slot_count, used_slots; /* slot_count is 0 or 2^n */
    struct row rows[SF_SHELF_ROW_COUNT];
    struct sf_slab slab;   /* of chunks */
    struct chunk **chunks; /* by index; free places hold NULL */
    size_t chunk_capacity;
    size_t free_index; /* no free place below it */
    uint64_t octets;   /* used in all chunks */
    bool is_settled, is_held;
};

/* The hash spreads connections over workers too: here other bits of it count. */
static uint64_t tag_of(uint64_t hash)
{
    return hash * UINT64_C(0x9e3779b97f4a7c15) >> REF_BITS;
}

static slot slot_of(uint64_t hash, uint64_t ref)
{
    return tag_of(hash) << REF_BITS | ref;
}

static uint64_t ref_of(slot s)
{
    return s & ((UINT64_C(1) << REF_BITS) - 1);
}

static size_t home_of(const struct sf_shelf *shelf, slot s)
{
    return (size_t)(s >> REF_BITS) & (shelf->slot_count - 1);
}

static uint64_t ref_at(const struct chunk *chunk, uint32_t offset)
{
    return (uint64_t)chunk->index << PLACE_BITS | offset / UNIT;
}

static struct chunk *chunk_of(const struct sf_shelf *shelf, uint64_t ref)
{
    return shelf->chunks[ref >> PLACE_BITS];
}

static uint32_t offset_of(uint64_t ref)
{
    return (uint32_t)(ref & ((1u << PLACE_BITS) - 1)) * UNIT;
}

static struct head head_at(const struct chunk *chunk, uint32_t offset)
{
    struct head head;
    memcpy(&head, chunk->octets + offset, sizeof head);
    return head;
}

static uint32_t octets_of(const struct head *head)
{
    return (uint32_t)head->units * UNIT;
}

struct sf_shelf *sf_shelf_new(unsigned loose_rows)
{
    struct sf_shelf *shelf = calloc(1, sizeof *shelf);
    if (shelf == NULL)
        return NULL;
    shelf->free_index = 1;
    sf_slab_init_cold(&shelf->slab, CHUNK_OCTETS);
    for (unsigned row = 0; row < SF_SHELF_ROW_COUNT; row++) {
        shelf->rows[row].newest_ns = SF_NS_UNKNOWN;
        shelf->rows[row].is_loose = loose_rows >> row & 1;
    }
    return shelf;
}

void sf_shelf_free(struct sf_shelf *shelf)
{
    if (shelf == NULL)
        return;
    sf_slab_dispose(&shelf->slab);
    free(shelf->chunks);
    free(shelf->slots);
    free(shelf);
}

/* --- the table ------------------------------------------------------------------------------- */

static void insert_slot(struct sf_shelf *shelf, slot s)
{
    size_t i = home_of(shelf, s);
    while (shelf->slots[i] != 0)
        i = (i + 1) & (shelf->slot_count - 1);
    shelf->slots[i] = s;
    shelf->used_slots++;
}

static size_t place_of_slot(const struct sf_shelf *shelf, slot s)
{
    size_t i = home_of(shelf, s);
    while (shelf->slots[i] != s)
        i = (i + 1) & (shelf->slot_count - 1);
    return i;
}

/* Those after it move up, as far as each may without standing before its home. */
static void remove_slot(struct sf_shelf *shelf, slot s)
{
    size_t mask = shelf->slot_count - 1, hole = place_of_slot(shelf, s);
    for (size_t i = (hole + 1) & mask; shelf->slots[i] != 0; i = (i + 1) & mask) {
        size_t home = home_of(shelf, shelf->slots[i]);
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        shelf->slots[hole] = shelf->slots[i];
        hole = i;
    }
    shelf->slots[hole] = 0;
    shelf->used_slots--;
}

/* Above three quarters, runs get long. */
static int grow_slots(struct sf_shelf *shelf)
{
    if (4 * (shelf->used_slots + 1) <= 3 * shelf->slot_count)
        return 0;
    size_t before = shelf->slot_count, count = before == 0 ? FIRST_SLOTS : 2 * before;
    slot *slots = sf_large_take(count * sizeof *slots), *old = shelf->slots;
    if (slots == NULL)
        return -1;
    shelf->slots = slots;
    shelf->slot_count = count;
    shelf->used_slots = 0;
    for (size_t i = 0; i < before; i++)
        if (old[i] != 0)
            insert_slot(shelf, old[i]);
    free(old);
    return 0;
}

void sf_shelf_prefetch(const struct sf_shelf *shelf, uint64_t hash)
{
    if (shelf->slot_count != 0)
        __builtin_prefetch(&shelf->slots[home_of(shelf, slot_of(hash, 0))]);
}

void sf_shelf_prefetch_at(const struct sf_shelf *shelf, uint64_t ref)
{
    enum { LINES = 6 * SF_CACHE_LINE }; /* of most parcels */
    sf_prefetch(chunk_of(shelf, ref)->octets + offset_of(ref), LINES);
}

void sf_shelf_prefetch_parcel(const struct sf_shelf *shelf, uint64_t hash)
{
    enum { PROBES = 4 }; /* further ones are seldom, and not fetched */
    slot like = slot_of(hash, 0), found = 0;
    if (shelf->slot_count == 0)
        return;
    for (size_t probe = 0; probe < PROBES; probe++) {
        found = shelf->slots[(home_of(shelf, like) + probe) & (shelf->slot_count - 1)];
        if (found == 0)
            return;
        if ((found ^ ref_of(found)) == like)
            break;
    }
    sf_shelf_prefetch_at(shelf, ref_of(found));
}

/* --- chunks ---------------------------------------------------------------------------------- */

static size_t find_index(struct sf_shelf *shelf)
{
    size_t i = shelf->free_index;
    while (i < shelf->chunk_capacity && shelf->chunks[i] != NULL)
        i++;
    if (i < shelf->chunk_capacity)
        return i;
    size_t capacity = shelf->chunk_capacity == 0 ? 16 : 2 * shelf->chunk_capacity;
    struct chunk **chunks = realloc(shelf->chunks, capacity * sizeof(*chunks));
    if (chunks == NULL)
        return 0;
    for (size_t k = shelf->chunk_capacity; k < capacity; k++)
        chunks[k] = NULL;
    shelf->chunks = chunks;
    shelf->chunk_capacity = capacity;
    return i == 0 ? 1 : i;
}

static struct chunk *add_chunk(struct sf_shelf *shelf, struct row *row)
{
    size_t index = find_index(shelf);
    struct chunk *chunk = index == 0 ? NULL : sf_slab_take(&shelf->slab);
    if (chunk == NULL)
        return NULL;
    chunk->older = row->newest;
    chunk->newer = NULL;
    chunk->used = chunk->live = chunk->first = 0;
    chunk->index = (uint32_t)index;
    shelf->chunks[index] = chunk;
    shelf->free_index = index + 1;
    if (row->newest != NULL)
        row->newest->newer = chunk;
    else
        row->oldest = chunk;
    row->newest = chunk;
    return chunk;
}

static void free_chunk(struct sf_shelf *shelf, struct row *row, struct chunk *chunk)
{
    *(chunk->older != NULL ? &chunk->older->newer : &row->oldest) = chunk->newer;
    *(chunk->newer != NULL ? &chunk->newer->older : &row->newest) = chunk->older;
    shelf->chunks[chunk->index] = NULL;
    if (chunk->index < shelf->free_index)
        shelf->free_index = chunk->index;
    shelf->octets -= chunk->used;
    sf_slab_give(&shelf->slab, chunk);
}

/* Moves what is left in `from` behind what is left in `to`, which may be `from` itself. */
static void move_parcels(struct sf_shelf *shelf, struct chunk *to, struct chunk *from)
{
    uint32_t end = from->used, at = from->first;
    if (to == from)
        to->used = 0;
    while (at < end) {
        struct head head = head_at(from, at);
        uint32_t octets = octets_of(&head), old = at;
        at += octets;
        if (head.is_gone)
            continue;
        size_t place = place_of_slot(shelf, slot_of(head.hash, ref_at(from, old)));
        memmove(to->octets + to->used, from->octets + old, octets);
        shelf->slots[place] = slot_of(head.hash, ref_at(to, to->used));
        to->used += octets;
    }
}

/* Joins two neighbours when three quarters of a chunk hold what is left of both. */
static bool join(struct sf_shelf *shelf, struct row *row, struct chunk *older)
{
    struct chunk *newer = older->newer;
    if (newer == NULL || newer == row->newest || older->live + newer->live > CHUNK / 4 * 3)
        return false;
    shelf->octets -= older->used - older->live;
    move_parcels(shelf, older, older);
    older->first = 0;
    move_parcels(shelf, older, newer);
    older->live = older->used;
    shelf->octets += newer->live;
    free_chunk(shelf, row, newer);
    return true;
}

/* --- holes of loose rows ---------------------------------------------------------------------- */

static struct links links_at(const struct sf_shelf *shelf, uint64_t ref)
{
    struct links links;
    memcpy(&links, chunk_of(shelf, ref)->octets + offset_of(ref) + sizeof(struct head),
           sizeof links);
    return links;
}

static void set_links(struct sf_shelf *shelf, uint64_t ref, const struct links *links)
{
    memcpy(chunk_of(shelf, ref)->octets + offset_of(ref) + sizeof(struct head), links,
           sizeof *links);
}

static void link_hole(struct sf_shelf *shelf, struct row *row, uint64_t ref, uint32_t octets)
{
    row->hole_octets += octets;
    if (octets > LARGEST)
        return;
    struct links links = {.next = row->holes[octets / STEP]};
    row->holes[octets / STEP] = ref;
    set_links(shelf, ref, &links);
    if (links.next == 0)
        return;
    struct links after = links_at(shelf, links.next);
    after.previous = ref;
    set_links(shelf, links.next, &after);
}

static void unlink_hole(struct sf_shelf *shelf, struct row *row, uint64_t ref, uint32_t octets)
{
    row->hole_octets -= octets;
    if (octets > LARGEST)
        return;
    const struct links links = links_at(shelf, ref);
    if (links.previous == 0) {
        row->holes[octets / STEP] = links.next;
    } else {
        struct links before = links_at(shelf, links.previous);
        before.next = links.next;
        set_links(shelf, links.previous, &before);
    }
    if (links.next == 0)
        return;
    struct links after = links_at(shelf, links.next);
    after.previous = links.previous;
    set_links(shelf, links.next, &after);
}

/* A place for so many octets, or somewhat more: then *octets says so. */
static struct chunk *take_hole(struct sf_shelf *shelf, struct row *row, unsigned sizes,
                               uint32_t *octets, uint32_t *at)
{
    for (uint32_t size = *octets; sizes > 0 && size <= LARGEST; size += STEP, sizes--) {
        uint64_t ref = row->holes[size / STEP];
        if (ref == 0)
            continue;
        struct chunk *chunk = chunk_of(shelf, ref);
        unlink_hole(shelf, row, ref, size);
        *octets = size;
        *at = offset_of(ref);
        return chunk;
    }
    return NULL;
}

/* --- parcels --------------------------------------------------------------------------------- */

static void describe(const struct chunk *chunk, uint32_t offset, struct sf_parcel *out)
{
    struct head head = head_at(chunk, offset);
    *out = (struct sf_parcel){.row = (enum sf_shelf_row)head.row,
                              .hash = head.hash,
                              .packet = head.packet,
                              .ns = head.ns,
                              .octets = chunk->octets + offset + sizeof head,
                              .len = octets_of(&head) - sizeof head,
                              .ref = ref_at(chunk, offset)};
}

/* At the newest end. */
static struct chunk *take_end(struct sf_shelf *shelf, struct row *row, uint32_t octets,
                              uint32_t *at)
{
    struct chunk *chunk = row->newest;
    if (chunk == NULL || CHUNK - chunk->used < octets)
        chunk = add_chunk(shelf, row);
    if (chunk == NULL)
        return NULL;
    *at = chunk->used;
    chunk->used += octets;
    shelf->octets += octets;
    row->used += octets;
    return chunk;
}

static uint32_t round_up(size_t octets, uint32_t to)
{
    return (uint32_t)((octets + to - 1) / to * to);
}

/* Of a loose row, a hole must have room for its links. */
static uint32_t octets_wanted(const struct row *row, size_t len)
{
    const size_t least = sizeof(struct head) + sizeof(struct links);
    size_t octets = sizeof(struct head) + len;
    if (!row->is_loose)
        return round_up(octets, UNIT);
    return round_up(octets < least ? least : octets, STEP);
}

/* In a loose row, it takes a hole of one of so many sizes. */
static int put(struct sf_shelf *shelf, const struct sf_parcel *parcel, unsigned sizes)
{
    struct row *row = &shelf->rows[parcel->row];
    uint32_t octets = octets_wanted(row, parcel->len), offset = 0;
    if (shelf->is_settled ? row->is_loose : grow_slots(shelf) != 0)
        return -1;
    struct chunk *chunk = row->is_loose ? take_hole(shelf, row, sizes, &octets, &offset) : NULL;
    if (chunk == NULL)
        chunk = take_end(shelf, row, octets, &offset);
    if (chunk == NULL)
        return -1;
    struct head head = {.hash = parcel->hash,
                        .packet = parcel->packet & PACKET_MASK,
                        .row = parcel->row,
                        .units = octets / UNIT & 0x3fff,
                        .ns = parcel->ns};
    uint8_t *at = chunk->octets + offset;
    memcpy(at, &head, sizeof head);
    memcpy(at + sizeof head, parcel->octets, parcel->len);
    if (!shelf->is_settled)
        insert_slot(shelf, slot_of(parcel->hash, ref_at(chunk, offset)));
    chunk->live += octets;
    row->newest_ns = parcel->ns;
    row->count++;
    return 0;
}

int sf_shelf_put(struct sf_shelf *shelf, const struct sf_parcel *parcel)
{
    assert(parcel->len <= SF_PARCEL_MAX);
    return put(shelf, parcel, SIZES_AROUND);
}

bool sf_shelf_find(const struct sf_shelf *shelf, uint64_t hash,
                   bool (*is)(const void *wanted, const struct sf_parcel *parcel),
                   const void *wanted, struct sf_parcel *out)
{
    if (shelf->slot_count == 0)
        return false;
    slot like = slot_of(hash, 0);
    for (size_t i = home_of(shelf, like); shelf->slots[i] != 0;
         i = (i + 1) & (shelf->slot_count - 1)) {
        uint64_t ref = ref_of(shelf->slots[i]);
        if ((shelf->slots[i] ^ ref) != like)
            continue;
        describe(chunk_of(shelf, ref), offset_of(ref), out);
        if (out->hash == hash && is(wanted, out))
            return true;
    }
    return false;
}

uint8_t *sf_shelf_renew(struct sf_shelf *shelf, const struct sf_parcel *parcel, uint64_t packet,
                        sf_ns ns)
{
    uint8_t *at = chunk_of(shelf, parcel->ref)->octets + offset_of(parcel->ref);
    struct head head;
    assert(shelf->rows[parcel->row].is_loose);
    memcpy(&head, at, sizeof head);
    head.packet = packet & PACKET_MASK;
    head.ns = ns;
    memcpy(at, &head, sizeof head);
    return at + sizeof head;
}

/* The holes of a chunk are no longer filled, or are again. */
static void for_each_hole(struct sf_shelf *shelf, struct row *row, struct chunk *chunk,
                          void (*change)(struct sf_shelf *, struct row *, uint64_t, uint32_t))
{
    for (uint32_t at = chunk->first; at < chunk->used;) {
        struct head head = head_at(chunk, at);
        if (head.is_gone)
            change(shelf, row, ref_at(chunk, at), octets_of(&head));
        at += octets_of(&head);
    }
}

/* Moves what is left in the oldest chunk of a loose row elsewhere. Without memory some of it
 * stays. */
static void clear_oldest(struct sf_shelf *shelf, struct row *row)
{
    struct chunk *chunk = row->oldest;
    for_each_hole(shelf, row, chunk, unlink_hole);
    while (chunk->first < chunk->used) {
        struct head head = head_at(chunk, chunk->first);
        struct sf_parcel parcel;
        describe(chunk, chunk->first, &parcel);
        if (!head.is_gone && put(shelf, &parcel, 1) != 0) {
            for_each_hole(shelf, row, chunk, link_hole);
            return;
        }
        if (!head.is_gone) {
            remove_slot(shelf, slot_of(parcel.hash, parcel.ref));
            row->count--;
            chunk->live -= octets_of(&head);
        }
        chunk->first += octets_of(&head);
    }
    row->used -= chunk->used;
    free_chunk(shelf, row, chunk);
}

static void leave_hole(struct sf_shelf *shelf, struct row *row, uint64_t ref, uint32_t octets)
{
    link_hole(shelf, row, ref, octets);
    if (row->hole_octets > CHUNK && row->hole_octets > row->used / 8 && row->oldest != row->newest)
        clear_oldest(shelf, row);
}

/* Of a row in order: what is left is joined with a neighbour, or nothing is. */
static void close_ranks(struct sf_shelf *shelf, struct row *row, struct chunk *chunk)
{
    if (chunk->live == 0) {
        free_chunk(shelf, row, chunk);
        return;
    }
    for (; chunk->first < chunk->used;) {
        struct head head = head_at(chunk, chunk->first);
        if (!head.is_gone)
            break;
        chunk->first += octets_of(&head);
    }
    if (!shelf->is_settled && !shelf->is_held && !join(shelf, row, chunk) && chunk->older != NULL)
        join(shelf, row, chunk->older);
}

void sf_shelf_take(struct sf_shelf *shelf, const struct sf_parcel *parcel)
{
    struct row *row = &shelf->rows[parcel->row];
    struct chunk *chunk = chunk_of(shelf, parcel->ref);
    uint32_t offset = offset_of(parcel->ref);
    struct head head = head_at(chunk, offset);
    if (!shelf->is_settled)
        remove_slot(shelf, slot_of(parcel->hash, parcel->ref));
    head.is_gone = 1;
    memcpy(chunk->octets + offset, &head, sizeof head);
    chunk->live -= octets_of(&head);
    row->count--;
    if (row->is_loose && !shelf->is_settled)
        leave_hole(shelf, row, parcel->ref, octets_of(&head));
    else
        close_ranks(shelf, row, chunk);
}

bool sf_shelf_oldest(const struct sf_shelf *shelf, enum sf_shelf_row row, struct sf_parcel *out)
{
    const struct chunk *chunk = shelf->rows[row].oldest;
    if (chunk == NULL)
        return false;
    describe(chunk, chunk->first, out);
    return !head_at(chunk, chunk->first).is_gone || sf_shelf_next(shelf, out, out);
}

bool sf_shelf_next(const struct sf_shelf *shelf, const struct sf_parcel *parcel,
                   struct sf_parcel *out)
{
    const struct chunk *chunk = chunk_of(shelf, parcel->ref);
    uint32_t at = offset_of(parcel->ref);
    for (;;) {
        struct head head = head_at(chunk, at);
        at += octets_of(&head);
        if (at == chunk->used) {
            chunk = chunk->newer;
            at = chunk == NULL ? 0 : chunk->first;
        }
        if (chunk == NULL)
            return false;
        head = head_at(chunk, at);
        if (!head.is_gone)
            break;
    }
    describe(chunk, at, out);
    return true;
}

void sf_shelf_at(const struct sf_shelf *shelf, uint64_t ref, struct sf_parcel *out)
{
    describe(chunk_of(shelf, ref), offset_of(ref), out);
}

void sf_shelf_settle(struct sf_shelf *shelf)
{
    shelf->is_settled = true;
    free(shelf->slots);
    shelf->slots = NULL;
    shelf->slot_count = 0;
}

void sf_shelf_hold(struct sf_shelf *shelf, bool is_held)
{
    shelf->is_held = is_held;
}

sf_ns sf_shelf_newest_ns(const struct sf_shelf *shelf, enum sf_shelf_row row)
{
    return shelf->rows[row].newest_ns;
}

size_t sf_shelf_count(const struct sf_shelf *shelf, enum sf_shelf_row row)
{
    return shelf->rows[row].count;
}

uint64_t sf_shelf_memory(const struct sf_shelf *shelf)
{
    uint64_t waiting = 0;
    for (int i = 0; i < SF_SHELF_ROW_COUNT; i++) {
        const struct chunk *oldest = shelf->rows[i].oldest;
        waiting += oldest == NULL ? 0 : oldest->used - oldest->live;
    }
    return shelf->octets - waiting + shelf->slot_count * sizeof(slot);
}
