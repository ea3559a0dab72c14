/* Where the workers meet: which epochs all have read, the ids that follow, chunks on their way to
 * the writer, and the first error. Every function may be called by any thread. */
#ifndef SYNFIN_CLI_CREW_H
#define SYNFIN_CLI_CREW_H

#include "births.h"
#include "chunk.h"

enum { SF_CREW_MAX = 64 };

struct sf_crew;

/* NULL on lack of memory. */
struct sf_crew *sf_crew_new(unsigned workers);
void sf_crew_free(struct sf_crew *crew);

/* The worker has read one more epoch, perhaps its last, in which connections began at the packets
 * of `births`. True when it must not begin another: that was its last one, or the crew was stopped
 * and nobody went further. */
bool sf_crew_tell(struct sf_crew *crew, unsigned worker, const uint64_t births[SF_EPOCH_WORDS],
                  bool is_last);

/* How many epochs all have read; SF_CREW_ALL once each has read its last one. Waits when there is
 * no more than `known` as long as the worker is far ahead of others, or has read its last epoch;
 * to wait for others it must have sent what it knows of the `known` ones. False: the crew failed.
 */
#define SF_CREW_ALL UINT64_MAX
bool sf_crew_wait(struct sf_crew *crew, unsigned worker, uint64_t known, uint64_t *complete);

/* The id of the connection that began at the packet, of an epoch that all have read: asked for once
 * for each record. */
uint64_t sf_crew_id(struct sf_crew *crew, uint64_t packet);

/* Records that had their ids so far. */
uint64_t sf_crew_records(struct sf_crew *crew);

/* An empty chunk for the worker to fill; waits for the writer when there is none. NULL: the crew
 * failed. */
struct sf_chunk *sf_crew_chunk(struct sf_crew *crew, unsigned worker);

/* Hands the chunk to the writer; `is_last`: no other will follow. */
void sf_crew_send(struct sf_crew *crew, unsigned worker, bool is_last);

/* Waits until each worker has sent a chunk, or its last one was taken, and lists the chunks at
 * hand. How many; 0: there will be no more, or the crew failed. */
size_t sf_crew_receive(struct sf_crew *crew, struct sf_chunk *chunks[SF_CREW_MAX]);

/* Chunks that reach no further than `limit` have been read. */
void sf_crew_release(struct sf_crew *crew, struct sf_key limit);

/* All workers end after the epoch that the foremost has begun. */
void sf_crew_stop(struct sf_crew *crew);

/* Ends all waiting; the first error stands. */
void sf_crew_fail(struct sf_crew *crew, const struct sf_error *err);

/* 0, or -1 with *err when the crew failed. */
int sf_crew_check(struct sf_crew *crew, struct sf_error *err);

#endif
