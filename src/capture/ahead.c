/* A stream that a thread of its own decompresses, some blocks ahead of who reads them. */
#include "capture_internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 4, BLOCK_OCTETS = 256 * 1024 };

/* What one sf_stream_read() came to. */
struct block {
    ssize_t len;
    struct sf_error error; /* when len is -1 */
    uint64_t consumed;     /* of the file, then */
    uint8_t octets[BLOCK_OCTETS];
};

struct sf_ahead {
    struct sf_stream *stream;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_stopping;
    uint64_t made, taken; /* blocks: [taken, made) wait in blocks[n % BLOCKS] */
    size_t at;            /* octets taken of the first of them */
    uint64_t consumed;
    struct block blocks[BLOCKS];
};

static struct block *block_of(struct sf_ahead *ahead, uint64_t n)
{
    return &ahead->blocks[n % BLOCKS];
}

/* Waits until there is room for a block. False: no more are wanted. */
static bool wait_for_room(struct sf_ahead *ahead)
{
    pthread_mutex_lock(&ahead->lock);
    while (!ahead->is_stopping && ahead->made - ahead->taken == BLOCKS)
        pthread_cond_wait(&ahead->changed, &ahead->lock);
    bool is_wanted = !ahead->is_stopping;
    pthread_mutex_unlock(&ahead->lock);
    return is_wanted;
}

static void hand_over(struct sf_ahead *ahead)
{
    pthread_mutex_lock(&ahead->lock);
    ahead->made++;
    pthread_cond_signal(&ahead->changed);
    pthread_mutex_unlock(&ahead->lock);
}

static void *run(void *argument)
{
    struct sf_ahead *ahead = argument;
    ssize_t len = 1;
    while (len > 0 && wait_for_room(ahead)) {
        struct block *block = block_of(ahead, ahead->made);
        len = sf_stream_read(ahead->stream, block->octets, BLOCK_OCTETS, &block->error);
        block->len = len;
        block->consumed = sf_stream_consumed(ahead->stream);
        hand_over(ahead);
    }
    return NULL;
}

struct sf_ahead *sf_ahead_start(struct sf_stream *stream)
{
    struct sf_ahead *ahead = malloc(sizeof *ahead); /* a block is not touched before it is needed */
    if (ahead == NULL)
        return NULL;
    ahead->stream = stream;
    ahead->is_stopping = false;
    ahead->made = ahead->taken = 0;
    ahead->at = 0;
    ahead->consumed = sf_stream_consumed(stream);
    pthread_mutex_init(&ahead->lock, NULL);
    pthread_cond_init(&ahead->changed, NULL);
    if (pthread_create(&ahead->thread, NULL, run, ahead) == 0)
        return ahead;
    pthread_cond_destroy(&ahead->changed);
    pthread_mutex_destroy(&ahead->lock);
    free(ahead);
    return NULL;
}

/* The first block that is not wholly taken; waits for it. */
static struct block *first_block(struct sf_ahead *ahead)
{
    pthread_mutex_lock(&ahead->lock);
    while (ahead->made == ahead->taken)
        pthread_cond_wait(&ahead->changed, &ahead->lock);
    pthread_mutex_unlock(&ahead->lock);
    return block_of(ahead, ahead->taken);
}

static void give_back(struct sf_ahead *ahead)
{
    pthread_mutex_lock(&ahead->lock);
    ahead->taken++;
    pthread_cond_signal(&ahead->changed);
    pthread_mutex_unlock(&ahead->lock);
    ahead->at = 0;
}

ssize_t sf_ahead_read(struct sf_ahead *ahead, uint8_t *buf, size_t len, struct sf_error *err)
{
    const struct block *block = first_block(ahead);
    ahead->consumed = block->consumed;
    if (block->len <= 0) {
        if (block->len < 0)
            *err = block->error;
        return block->len; /* the last one */
    }
    size_t left = (size_t)block->len - ahead->at, count = left < len ? left : len;
    memcpy(buf, block->octets + ahead->at, count);
    ahead->at += count;
    if (count == left)
        give_back(ahead);
    return (ssize_t)count;
}

uint64_t sf_ahead_consumed(const struct sf_ahead *ahead)
{
    return ahead->consumed;
}

void sf_ahead_end(struct sf_ahead *ahead)
{
    if (ahead == NULL)
        return;
    pthread_mutex_lock(&ahead->lock);
    ahead->is_stopping = true;
    pthread_cond_signal(&ahead->changed);
    pthread_mutex_unlock(&ahead->lock);
    pthread_join(ahead->thread, NULL);
    pthread_cond_destroy(&ahead->changed);
    pthread_mutex_destroy(&ahead->lock);
    free(ahead);
}
