/* A piece, but for the first, is aligned to its size, so that a block's address tells its piece. */
#include "synfin/slab.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "synfin/hint.h"

/* A wish: where there are no huge pages small ones do. */
static void prefer_huge_pages(void *memory, size_t octets)
{
#ifdef MADV_HUGEPAGE
    (void)madvise(memory, octets, MADV_HUGEPAGE);
#else
    (void)memory;
    (void)octets;
#endif
}

static size_t rounded_up(size_t octets, size_t unit)
{
    return (octets + unit - 1) / unit * unit;
}

void *sf_large_take(size_t octets)
{
    enum { WORTH = SF_SLAB_PIECE / 4 }; /* less would leave most of a huge page unused */
    if (octets < WORTH)
        return calloc(1, octets);
    size_t whole = rounded_up(octets, SF_SLAB_PIECE);
    void *memory = aligned_alloc(SF_SLAB_PIECE, whole);
    if (memory == NULL)
        return NULL;
    prefer_huge_pages(memory, whole);
    return memset(memory, 0, octets);
}

/* --- blocks of one size ----------------------------------------------------------------------- */

/* At a piece's begin; its blocks follow. */
struct sf_slab_piece {
    _Alignas(SF_CACHE_LINE) struct sf_slab_piece *next; /* of the roomy ones, or of the full */
    struct sf_slab_piece *previous;
    size_t blocks, taken;
    size_t cut;          /* blocks that have ever been taken: the others were never touched */
    struct given *given; /* those that came back */
};
_Static_assert(sizeof(struct sf_slab_piece) == SF_SLAB_PIECE - SF_SLAB_ROOM, "the rest is blocks");

struct given {
    struct given *next;
};

void sf_slab_init(struct sf_slab *slab, size_t octets)
{
    enum { LEAST = 1 << 16, BLOCKS = 4 }; /* of the first piece */
    size_t unit = octets % SF_CACHE_LINE == 0 ? SF_CACHE_LINE : _Alignof(max_align_t);
    assert(octets > 0 && octets <= SF_SLAB_ROOM);
    *slab = (struct sf_slab){.block_octets = rounded_up(octets, unit)};
    size_t blocks = LEAST / slab->block_octets;
    blocks = blocks > BLOCKS ? blocks : BLOCKS;
    slab->first_octets = /* aligned_alloc() wants whole lines */
        rounded_up(sizeof(struct sf_slab_piece) + blocks * slab->block_octets, SF_CACHE_LINE);
}

void sf_slab_init_cold(struct sf_slab *slab, size_t octets)
{
    sf_slab_init(slab, octets);
    slab->is_cold = true;
}

static void chain(struct sf_slab_piece **list, struct sf_slab_piece *piece)
{
    piece->previous = NULL;
    piece->next = *list;
    if (*list != NULL)
        (*list)->previous = piece;
    *list = piece;
}

static void unchain(struct sf_slab_piece **list, struct sf_slab_piece *piece)
{
    *(piece->previous != NULL ? &piece->previous->next : list) = piece->next;
    if (piece->next != NULL)
        piece->next->previous = piece->previous;
}

/* The first one is small: of what little a small capture needs, huge pages would be most. */
static struct sf_slab_piece *add_piece(struct sf_slab *slab)
{
    bool is_first = slab->first == NULL;
    size_t octets = is_first ? slab->first_octets : SF_SLAB_PIECE;
    struct sf_slab_piece *piece = aligned_alloc(is_first ? SF_CACHE_LINE : SF_SLAB_PIECE, octets);
    if (piece == NULL)
        return NULL;
    if (is_first)
        slab->first = piece;
    else if (!slab->is_cold)
        prefer_huge_pages(piece, octets); /* before it is touched: then it is too late */
    *piece = (struct sf_slab_piece){.blocks = (octets - sizeof *piece) / slab->block_octets};
    slab->piece_count++;
    chain(&slab->roomy, piece);
    return piece;
}

static struct sf_slab_piece *piece_of(const struct sf_slab *slab, void *block)
{
    uintptr_t at = (uintptr_t)block, first = (uintptr_t)slab->first;
    if (at - first < slab->first_octets)
        return slab->first;
    return (struct sf_slab_piece *)(at & ~(uintptr_t)(SF_SLAB_PIECE - 1));
}

static void free_piece(struct sf_slab *slab, struct sf_slab_piece **list,
                       struct sf_slab_piece *piece)
{
    if (piece == slab->first)
        slab->first = NULL;
    unchain(list, piece);
    slab->piece_count--;
    free(piece);
}

void *sf_slab_take(struct sf_slab *slab)
{
    struct sf_slab_piece *piece = slab->roomy != NULL ? slab->roomy : add_piece(slab);
    if (piece == NULL)
        return NULL;
    if (piece == slab->empty)
        slab->empty = NULL;
    void *block = piece->given;
    if (block != NULL)
        piece->given = piece->given->next;
    else
        block = (char *)(piece + 1) + piece->cut++ * slab->block_octets;
    if (++piece->taken == piece->blocks) {
        unchain(&slab->roomy, piece);
        chain(&slab->full, piece);
    }
    return block;
}

void sf_slab_give(struct sf_slab *slab, void *block)
{
    struct sf_slab_piece *piece = piece_of(slab, block);
    struct given *given = block;
    given->next = piece->given;
    piece->given = given;
    if (piece->taken-- == piece->blocks) {
        unchain(&slab->full, piece);
        chain(&slab->roomy, piece);
    }
    if (piece->taken > 0)
        return;
    if (slab->empty == NULL)
        slab->empty = piece;
    else
        free_piece(slab, &slab->roomy, piece);
}

void sf_slab_dispose(struct sf_slab *slab)
{
    while (slab->roomy != NULL)
        free_piece(slab, &slab->roomy, slab->roomy);
    while (slab->full != NULL)
        free_piece(slab, &slab->full, slab->full);
    slab->empty = NULL;
}

/* --- arrays ----------------------------------------------------------------------------------- */

void sf_rooms_init(struct sf_rooms *rooms)
{
    for (unsigned size = 0; size < SF_ROOM_SIZES; size++)
        sf_slab_init(&rooms->slabs[size], (size_t)SF_ROOM_LEAST << size);
}

void sf_rooms_dispose(struct sf_rooms *rooms)
{
    for (unsigned size = 0; size < SF_ROOM_SIZES; size++) {
        struct sf_slab *slab = &rooms->slabs[size];
        assert(slab->piece_count == (slab->empty != NULL ? 1 : 0));
        sf_slab_dispose(slab);
    }
}

/* 2^6 times 2^size octets are enough for so many. */
static unsigned size_of(size_t octets)
{
    size_t lines = (octets + SF_ROOM_LEAST - 1) / SF_ROOM_LEAST;
    return lines <= 1 ? 0 : 64u - (unsigned)__builtin_clzll(lines - 1);
}

void *sf_rooms_take(struct sf_rooms *rooms, size_t octets)
{
    unsigned size = size_of(octets);
    return size < SF_ROOM_SIZES ? sf_slab_take(&rooms->slabs[size]) : NULL;
}

void sf_rooms_give(struct sf_rooms *rooms, void *room, size_t octets)
{
    if (room != NULL)
        sf_slab_give(&rooms->slabs[size_of(octets)], room);
}

void *sf_rooms_move(struct sf_rooms *rooms, void *room, size_t octets, size_t more_octets)
{
    void *larger = sf_rooms_take(rooms, more_octets);
    if (larger == NULL)
        return NULL;
    if (room != NULL)
        memcpy(larger, room, octets);
    sf_rooms_give(rooms, room, octets);
    return larger;
}
