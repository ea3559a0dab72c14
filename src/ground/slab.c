/* A piece is aligned to its size, so that a block's address tells its piece. */
#include "synfin/slab.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "synfin/hint.h"

/* At a piece's begin; its blocks follow. */
struct sf_slab_piece {
    _Alignas(SF_CACHE_LINE) struct sf_slab_piece *next; /* of those that have room */
    struct sf_slab_piece *previous;
    size_t taken;
    size_t cut;            /* blocks that have ever been taken: the others were never touched */
    struct given *given;   /* those that came back */
};
_Static_assert(sizeof(struct sf_slab_piece) == SF_SLAB_PIECE - SF_SLAB_ROOM, "the rest is blocks");

struct given {
    struct given *next;
};

static size_t stride_of(const struct sf_slab *slab)
{
    return (slab->block_octets + SF_CACHE_LINE - 1) / SF_CACHE_LINE * SF_CACHE_LINE;
}

static bool has_room(const struct sf_slab *slab, const struct sf_slab_piece *piece)
{
    return piece->taken < SF_SLAB_ROOM / stride_of(slab);
}

static void chain(struct sf_slab *slab, struct sf_slab_piece *piece)
{
    piece->previous = NULL;
    piece->next = slab->roomy;
    if (slab->roomy != NULL)
        slab->roomy->previous = piece;
    slab->roomy = piece;
}

static void unchain(struct sf_slab *slab, struct sf_slab_piece *piece)
{
    *(piece->previous != NULL ? &piece->previous->next : &slab->roomy) = piece->next;
    if (piece->next != NULL)
        piece->next->previous = piece->previous;
}

/* The first one stays as it is: of what little a small capture needs, a huge page would be most. */
static struct sf_slab_piece *add_piece(struct sf_slab *slab)
{
    struct sf_slab_piece *piece = aligned_alloc(SF_SLAB_PIECE, SF_SLAB_PIECE);
    if (piece == NULL)
        return NULL;
#ifdef MADV_HUGEPAGE
    if (slab->piece_count > 0)
        (void)madvise(piece, SF_SLAB_PIECE, MADV_HUGEPAGE); /* a wish */
#endif
    slab->piece_count++;
    piece->taken = piece->cut = 0;
    piece->given = NULL;
    chain(slab, piece);
    return piece;
}

static void free_piece(struct sf_slab *slab, struct sf_slab_piece *piece)
{
    unchain(slab, piece);
    slab->piece_count--;
    free(piece);
}

void *sf_slab_take(struct sf_slab *slab)
{
    assert(slab->block_octets > 0 && slab->block_octets <= SF_SLAB_ROOM);
    struct sf_slab_piece *piece = slab->roomy != NULL ? slab->roomy : add_piece(slab);
    if (piece == NULL)
        return NULL;
    void *block = piece->given;
    if (block != NULL)
        piece->given = piece->given->next;
    else
        block = (char *)(piece + 1) + piece->cut++ * stride_of(slab);
    piece->taken++;
    if (!has_room(slab, piece))
        unchain(slab, piece);
    return block;
}

void sf_slab_give(struct sf_slab *slab, void *block)
{
    struct sf_slab_piece *piece =
        (struct sf_slab_piece *)((uintptr_t)block & ~(uintptr_t)(SF_SLAB_PIECE - 1));
    if (!has_room(slab, piece))
        chain(slab, piece);
    piece->taken--;
    struct given *given = block;
    given->next = piece->given;
    piece->given = given;
    bool is_only = piece->next == NULL && piece->previous == NULL;
    if (piece->taken == 0 && !is_only)
        free_piece(slab, piece);
}

void sf_slab_dispose(struct sf_slab *slab)
{
    assert(slab->roomy == NULL || slab->roomy->taken == 0);
    if (slab->roomy != NULL)
        free_piece(slab, slab->roomy);
}
