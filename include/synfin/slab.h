/* Memory in large pieces, which the kernel may back by huge pages: what connections hold is spread
 * wide, and touching a page for the first time costs more than all that a segment does in it. */
#ifndef SYNFIN_SLAB_H
#define SYNFIN_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As calloc() does, to be given back by free(). */
void *sf_large_take(size_t octets);

struct sf_slab_piece;

/* Blocks of one size. */
struct sf_slab {
    size_t block_octets, first_octets; /* of the first piece */
    struct sf_slab_piece *first;       /* NULL: there is none */
    struct sf_slab_piece *roomy;       /* pieces that have a block left */
    struct sf_slab_piece *full;        /* the others */
    struct sf_slab_piece *empty;       /* a roomy one with all blocks back, or NULL */
    size_t piece_count;
    bool is_cold; /* no huge pages */
};

enum {
    SF_SLAB_PIECE = 2 << 20, /* octets: a huge page of most processors */
    SF_SLAB_ROOM = SF_SLAB_PIECE - 64,
};

/* Makes an empty one of blocks of at least so many octets, at most SF_SLAB_ROOM. */
void sf_slab_init(struct sf_slab *slab, size_t octets);

/* The same of blocks that are written once and read once or twice, so that huge pages would save
 * nothing: touched for the first time they can cost several times what small ones do, where a
 * hypervisor has taken back what was free. */
void sf_slab_init_cold(struct sf_slab *slab, size_t octets);

/* A block of any content; NULL without memory. Blocks of whole cache lines begin at one, others are
 * aligned as by malloc(). */
void *sf_slab_take(struct sf_slab *slab);

/* Gives a block back. A piece all of whose blocks are back is freed, but for one. */
void sf_slab_give(struct sf_slab *slab, void *block);

/* Gives all memory back; blocks still in use become invalid. Leaves an empty slab. */
void sf_slab_dispose(struct sf_slab *slab);

enum { SF_ROOM_LEAST = 64, SF_ROOM_SIZES = 12 };

/* Arrays of any size: rooms of 64, 128 ... 131072 octets. */
struct sf_rooms {
    struct sf_slab slabs[SF_ROOM_SIZES];
};

void sf_rooms_init(struct sf_rooms *rooms);

/* All rooms must be back. */
void sf_rooms_dispose(struct sf_rooms *rooms);

/* A room of at least so many octets, aligned to a cache line, of any content. NULL without memory,
 * or when it would be larger than the largest. */
void *sf_rooms_take(struct sf_rooms *rooms, size_t octets);

/* Gives back a room that was taken for so many octets; NULL is none. */
void sf_rooms_give(struct sf_rooms *rooms, void *room, size_t octets);

/* Moves what is in a room that was taken for so many octets, or in none (NULL, 0), to one for more,
 * which is returned. NULL when there is none: then nothing has changed. */
void *sf_rooms_move(struct sf_rooms *rooms, void *room, size_t octets, size_t more_octets);

#endif
