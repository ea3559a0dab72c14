/* What a worker hands to the writer: pieces of several streams, each under a key, and how those of
 * all workers become one. */
#ifndef SYNFIN_CLI_CHUNK_H
#define SYNFIN_CLI_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "outputs.h"
#include "synfin/buffer.h"

/* The order in which things are told: by the packet at which they became known, then by the packet
 * at which their connection began. No two workers have the same key. */
struct sf_key {
    uint64_t packet; /* UINT64_MAX: at the end of the input */
    uint64_t birth;  /* 0: before all connections of that packet */
};

static inline bool sf_key_before(struct sf_key a, struct sf_key b)
{
    return a.packet != b.packet ? a.packet < b.packet : a.birth < b.birth;
}

struct sf_piece {
    struct sf_key key;
    size_t end; /* in the stream's octets; it begins where the one before ends */
};

struct sf_stream {
    struct sf_buffer octets;
    struct sf_piece *pieces; /* in the order of their keys */
    size_t count, capacity;
    size_t merged; /* pieces */
};

enum { SF_STREAM_ATTEMPTS, SF_STREAM_ROWS, SF_STREAM_SINKS };
enum { SF_STREAM_COUNT = SF_STREAM_SINKS + SF_OUTPUTS_MAX };

/* Attempts (struct sf_attempt), rows (struct sf_zeek_row), then the lines for each output. Zero is
 * an empty chunk. */
struct sf_chunk {
    struct sf_stream streams[SF_STREAM_COUNT];
    struct sf_key reach; /* its worker has told all up to here */
};

/* The octets appended to `octets` since the last piece are one, under that key. `octets` is the
 * stream's buffer, or one that will take its place. 0, or -1 with *err. */
int sf_stream_end_piece(struct sf_stream *stream, const struct sf_buffer *octets, struct sf_key key,
                        struct sf_error *err);

/* Calls `take` for each piece of that stream in all chunks up to `limit`, in the order of their
 * keys; each piece once. 0, or the -1 of `take`. */
int sf_chunks_merge(struct sf_chunk *const *chunks, size_t count, size_t stream,
                    struct sf_key limit,
                    int (*take)(void *self, const char *octets, size_t len, struct sf_error *err),
                    void *self, struct sf_error *err);

/* Empties the chunk and keeps its memory. */
void sf_chunk_clear(struct sf_chunk *chunk);
void sf_chunk_dispose(struct sf_chunk *chunk);

#endif
