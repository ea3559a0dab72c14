/* Blocks of one size, cut from pieces of two megabytes that the kernel may back by huge pages: the
 * first touch of a page costs more than what a connection does in it. */
#ifndef SYNFIN_SLAB_H
#define SYNFIN_SLAB_H

#include <stddef.h>

struct sf_slab_piece;

/* All zero but for block_octets is an empty one. */
struct sf_slab {
    size_t block_octets;         /* of a block: at most SF_SLAB_ROOM */
    struct sf_slab_piece *roomy; /* pieces that have a block left */
    size_t piece_count;
};

enum {
    SF_SLAB_PIECE = 2 << 20, /* octets: a huge page of most processors */
    SF_SLAB_ROOM = SF_SLAB_PIECE - 64,
};

/* A block, aligned to a cache line, of any content; NULL without memory. */
void *sf_slab_take(struct sf_slab *slab);

/* Gives a block back. A piece all of whose blocks are back is freed, unless no other has room. */
void sf_slab_give(struct sf_slab *slab, void *block);

/* All blocks must be back. Leaves an empty one. */
void sf_slab_dispose(struct sf_slab *slab);

#endif
