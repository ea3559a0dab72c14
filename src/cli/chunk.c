/* Each worker's pieces are in order already: merging takes the least of the first ones. */
#include "chunk.h"

#include <stdlib.h>

int sf_stream_end_piece(struct sf_stream *stream, const struct sf_buffer *octets, struct sf_key key,
                        struct sf_error *err)
{
    size_t begin = stream->count > 0 ? stream->pieces[stream->count - 1].end : 0;
    if (sf_buffer_check(octets, err) != 0)
        return -1;
    if (octets->len == begin)
        return 0;
    if (stream->count == stream->capacity) {
        size_t capacity = stream->capacity == 0 ? 64 : 2 * stream->capacity;
        struct sf_piece *pieces = realloc(stream->pieces, capacity * sizeof *pieces);
        if (pieces == NULL)
            return sf_fail(err, "out of memory");
        stream->pieces = pieces;
        stream->capacity = capacity;
    }
    stream->pieces[stream->count++] = (struct sf_piece){key, octets->len};
    return 0;
}

static const struct sf_piece *next_piece(const struct sf_stream *stream)
{
    return stream->merged < stream->count ? &stream->pieces[stream->merged] : NULL;
}

/* The stream whose next piece comes first, or NULL when none is left up to the limit. */
static struct sf_stream *first_stream(struct sf_chunk *const *chunks, size_t count, size_t at,
                                      struct sf_key limit)
{
    struct sf_stream *first = NULL;
    for (size_t i = 0; i < count; i++) {
        struct sf_stream *stream = &chunks[i]->streams[at];
        const struct sf_piece *piece = next_piece(stream);
        if (piece == NULL || sf_key_before(limit, piece->key))
            continue;
        if (first == NULL || sf_key_before(piece->key, next_piece(first)->key))
            first = stream;
    }
    return first;
}

int sf_chunks_merge(struct sf_chunk *const *chunks, size_t count, size_t stream,
                    struct sf_key limit,
                    int (*take)(void *self, const char *octets, size_t len, struct sf_error *err),
                    void *self, struct sf_error *err)
{
    struct sf_stream *first;
    while ((first = first_stream(chunks, count, stream, limit)) != NULL) {
        size_t begin = first->merged > 0 ? first->pieces[first->merged - 1].end : 0;
        size_t end = first->pieces[first->merged++].end;
        if (take(self, first->octets.data + begin, end - begin, err) != 0)
            return -1;
    }
    return 0;
}

void sf_chunk_clear(struct sf_chunk *chunk)
{
    for (size_t i = 0; i < SF_STREAM_COUNT; i++) {
        struct sf_stream *stream = &chunk->streams[i];
        sf_buffer_clear(&stream->octets);
        stream->count = stream->merged = 0;
    }
}

void sf_chunk_dispose(struct sf_chunk *chunk)
{
    for (size_t i = 0; i < SF_STREAM_COUNT; i++) {
        sf_buffer_dispose(&chunk->streams[i].octets);
        free(chunk->streams[i].pieces);
    }
    *chunk = (struct sf_chunk){0};
}
