/* Items of one size from chunks: no allocation per packet, one call to give all back. */
#include "view_internal.h"

#include <assert.h>
#include <string.h>

enum { ITEMS_PER_CHUNK = 64 };

/* Stands before the items of a chunk, and in a free item. */
struct link {
    struct link *next;
};

/* Items of whole cache lines begin at one. */
static size_t unit_of(const struct sf_pool *pool)
{
    return pool->item_size % SF_CACHE_LINE == 0 ? SF_CACHE_LINE : _Alignof(max_align_t);
}

static size_t padded(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

static void *carve(struct sf_pool *pool)
{
    size_t unit = unit_of(pool), size = padded(pool->item_size, unit);
    size_t head = padded(sizeof(struct link), unit);
    if (pool->left_in_chunk == 0) {
        if (pool->chunks == NULL)
            sf_slab_init(&pool->slab, head + ITEMS_PER_CHUNK * size);
        struct link *chunk = sf_slab_take(&pool->slab);
        if (chunk == NULL)
            return NULL;
        chunk->next = pool->chunks;
        pool->chunks = chunk;
        pool->left_in_chunk = ITEMS_PER_CHUNK;
    }
    unsigned char *items = (unsigned char *)pool->chunks + head;
    return items + --pool->left_in_chunk * size;
}

void *sf_pool_take(struct sf_pool *pool)
{
    assert(pool->item_size >= sizeof(struct link));
    struct link *item = pool->free_items;
    if (item != NULL)
        pool->free_items = item->next;
    else
        item = carve(pool);
    if (item != NULL)
        memset(item, 0, pool->item_size);
    return item;
}

void sf_pool_give(struct sf_pool *pool, void *item)
{
    struct link *head = item;
    head->next = pool->free_items;
    pool->free_items = head;
}

void sf_pool_dispose(struct sf_pool *pool)
{
    struct link *chunk = pool->chunks;
    while (chunk != NULL) {
        struct link *next = chunk->next;
        sf_slab_give(&pool->slab, chunk);
        chunk = next;
    }
    sf_slab_dispose(&pool->slab);
    *pool = (struct sf_pool){.item_size = pool->item_size};
}
