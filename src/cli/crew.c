/* One lock: it is taken a few times an epoch, and once for an id. */
#include "crew.h"

#include <pthread.h>
#include <stdlib.h>

enum {
    AHEAD = 4,  /* epochs that a worker may be ahead of the last */
    CHUNKS = 3, /* of each worker, on their way and being filled */
};

struct member {
    uint64_t epochs; /* told */
    bool has_ended;
    struct sf_chunk chunks[CHUNKS];
    uint64_t sent, taken; /* the next one to fill is [sent % CHUNKS] */
    bool has_sent_last;
};

struct sf_crew {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct sf_births births;
    uint64_t complete;
    uint64_t records;
    uint64_t end; /* nobody begins this epoch or a later one */
    bool is_stopping, has_failed;
    struct sf_error error;
    unsigned count;
    struct member members[];
};

struct sf_crew *sf_crew_new(unsigned workers)
{
    struct sf_crew *crew = calloc(1, sizeof *crew + workers * sizeof crew->members[0]);
    if (crew == NULL)
        return NULL;
    crew->count = workers;
    crew->end = SF_CREW_ALL;
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->changed, NULL);
    return crew;
}

void sf_crew_free(struct sf_crew *crew)
{
    if (crew == NULL)
        return;
    for (unsigned i = 0; i < crew->count; i++)
        for (unsigned k = 0; k < CHUNKS; k++)
            sf_chunk_dispose(&crew->members[i].chunks[k]);
    sf_births_dispose(&crew->births);
    pthread_cond_destroy(&crew->changed);
    pthread_mutex_destroy(&crew->lock);
    free(crew);
}

static void fail_locked(struct sf_crew *crew, const struct sf_error *err)
{
    if (!crew->has_failed)
        crew->error = *err;
    crew->has_failed = true;
    pthread_cond_broadcast(&crew->changed);
}

/* --- epochs --- */

static void count_complete(struct sf_crew *crew)
{
    uint64_t least = SF_CREW_ALL;
    for (unsigned i = 0; i < crew->count; i++)
        if (!crew->members[i].has_ended && crew->members[i].epochs < least)
            least = crew->members[i].epochs;
    if (least == crew->complete)
        return;
    crew->complete = least;
    sf_births_sum(&crew->births, least);
    pthread_cond_broadcast(&crew->changed);
}

/* Whoever has told n epochs may be reading the one after. */
static void settle_end(struct sf_crew *crew)
{
    crew->end = 0;
    for (unsigned i = 0; i < crew->count; i++)
        if (crew->members[i].epochs >= crew->end)
            crew->end = crew->members[i].epochs + 1;
}

bool sf_crew_tell(struct sf_crew *crew, unsigned worker, const uint64_t births[SF_EPOCH_WORDS],
                  bool is_last)
{
    struct sf_error err;
    struct member *member = &crew->members[worker];
    pthread_mutex_lock(&crew->lock);
    if (sf_births_add(&crew->births, member->epochs, births, &err) != 0)
        fail_locked(crew, &err);
    member->epochs++;
    if (crew->is_stopping && crew->end == SF_CREW_ALL)
        settle_end(crew);
    member->has_ended = is_last || member->epochs >= crew->end;
    bool has_ended = member->has_ended;
    count_complete(crew);
    pthread_mutex_unlock(&crew->lock);
    return has_ended;
}

static bool must_wait(const struct sf_crew *crew, const struct member *member, uint64_t known)
{
    if (crew->has_failed || crew->complete != known || known == SF_CREW_ALL)
        return false;
    return member->has_ended || member->epochs - crew->complete > AHEAD;
}

bool sf_crew_wait(struct sf_crew *crew, unsigned worker, uint64_t known, uint64_t *complete)
{
    pthread_mutex_lock(&crew->lock);
    while (must_wait(crew, &crew->members[worker], known))
        pthread_cond_wait(&crew->changed, &crew->lock);
    *complete = crew->complete;
    bool is_well = !crew->has_failed;
    pthread_mutex_unlock(&crew->lock);
    return is_well;
}

uint64_t sf_crew_id(struct sf_crew *crew, uint64_t packet)
{
    pthread_mutex_lock(&crew->lock);
    uint64_t id = sf_births_id(&crew->births, packet);
    crew->records++;
    pthread_mutex_unlock(&crew->lock);
    return id;
}

uint64_t sf_crew_records(struct sf_crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    uint64_t records = crew->records;
    pthread_mutex_unlock(&crew->lock);
    return records;
}

/* --- chunks --- */

struct sf_chunk *sf_crew_chunk(struct sf_crew *crew, unsigned worker)
{
    struct member *member = &crew->members[worker];
    pthread_mutex_lock(&crew->lock);
    while (!crew->has_failed && member->sent - member->taken == CHUNKS)
        pthread_cond_wait(&crew->changed, &crew->lock);
    bool is_well = !crew->has_failed;
    pthread_mutex_unlock(&crew->lock);
    return is_well ? &member->chunks[member->sent % CHUNKS] : NULL;
}

void sf_crew_send(struct sf_crew *crew, unsigned worker, bool is_last)
{
    pthread_mutex_lock(&crew->lock);
    crew->members[worker].sent++;
    crew->members[worker].has_sent_last = is_last;
    pthread_cond_broadcast(&crew->changed);
    pthread_mutex_unlock(&crew->lock);
}

static bool is_awaited(const struct sf_crew *crew)
{
    for (unsigned i = 0; i < crew->count; i++)
        if (crew->members[i].sent == crew->members[i].taken && !crew->members[i].has_sent_last)
            return true;
    return false;
}

size_t sf_crew_receive(struct sf_crew *crew, struct sf_chunk *chunks[SF_CREW_MAX])
{
    size_t count = 0;
    pthread_mutex_lock(&crew->lock);
    while (!crew->has_failed && is_awaited(crew))
        pthread_cond_wait(&crew->changed, &crew->lock);
    for (unsigned i = 0; i < crew->count && !crew->has_failed; i++) {
        struct member *member = &crew->members[i];
        if (member->sent > member->taken)
            chunks[count++] = &member->chunks[member->taken % CHUNKS];
    }
    pthread_mutex_unlock(&crew->lock);
    return count;
}

void sf_crew_release(struct sf_crew *crew, struct sf_key limit)
{
    pthread_mutex_lock(&crew->lock);
    for (unsigned i = 0; i < crew->count; i++) {
        struct member *member = &crew->members[i];
        struct sf_chunk *chunk = &member->chunks[member->taken % CHUNKS];
        if (member->sent == member->taken || sf_key_before(limit, chunk->reach))
            continue;
        sf_chunk_clear(chunk);
        member->taken++;
    }
    pthread_cond_broadcast(&crew->changed);
    pthread_mutex_unlock(&crew->lock);
}

/* --- the end --- */

void sf_crew_stop(struct sf_crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    crew->is_stopping = true;
    pthread_mutex_unlock(&crew->lock);
}

void sf_crew_fail(struct sf_crew *crew, const struct sf_error *err)
{
    pthread_mutex_lock(&crew->lock);
    fail_locked(crew, err);
    pthread_mutex_unlock(&crew->lock);
}

int sf_crew_check(struct sf_crew *crew, struct sf_error *err)
{
    pthread_mutex_lock(&crew->lock);
    int result = crew->has_failed ? sf_fail(err, "%s", crew->error.text) : 0;
    pthread_mutex_unlock(&crew->lock);
    return result;
}
