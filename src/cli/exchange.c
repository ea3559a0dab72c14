/* A mailbox is a list that posters append to, under its lock, and a heap of what its owner has
 * fetched from there. Cells are used again. */
#include "exchange.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { FULL = 1 << 16 }; /* cells, 40 MiB */

/* A stamp that lies further ahead is of before the clock was set back. */
static const sf_ns AHEAD = SF_SEC;

struct cell {
    struct sf_mail mail;
    uint64_t order; /* of arrival */
    struct cell *next;
    uint8_t octets[SF_MAIL_OCTETS];
};

struct mailbox {
    pthread_mutex_t lock;
    struct cell *first, *last; /* arrived */
    struct cell *unused;
    int wake_fd;
    _Atomic sf_ns reached_ns; /* by its owner, as a reader */
    /* The owner's alone. */
    struct cell **heap; /* the earliest first */
    size_t count, capacity;
    uint64_t arrivals;
    struct cell *taken; /* lent to the owner */
};

struct sf_exchange {
    struct sf_intake_common common;
    _Atomic uint64_t ids, dropped, waiting;
    unsigned count;
    struct mailbox boxes[];
};

struct sf_exchange *sf_exchange_new(unsigned workers, struct sf_error *err)
{
    struct sf_exchange *exchange = calloc(1, sizeof *exchange + workers * sizeof(struct mailbox));
    if (exchange == NULL) {
        sf_fail(err, "out of memory");
        return NULL;
    }
    for (unsigned i = 0; i < workers; i++) {
        struct mailbox *box = &exchange->boxes[i];
        pthread_mutex_init(&box->lock, NULL);
        atomic_init(&box->reached_ns, INT64_MIN);
        box->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        exchange->count++;
        if (box->wake_fd >= 0)
            continue;
        sf_fail(err, "eventfd: %s", strerror(errno));
        sf_exchange_free(exchange);
        return NULL;
    }
    return exchange;
}

static void free_cells(struct cell *cell)
{
    while (cell != NULL) {
        struct cell *next = cell->next;
        free(cell);
        cell = next;
    }
}

void sf_exchange_free(struct sf_exchange *exchange)
{
    if (exchange == NULL)
        return;
    for (unsigned i = 0; i < exchange->count; i++) {
        struct mailbox *box = &exchange->boxes[i];
        for (size_t k = 0; k < box->count; k++)
            free(box->heap[k]);
        free_cells(box->first);
        free_cells(box->unused);
        free(box->taken);
        free(box->heap);
        if (box->wake_fd >= 0)
            close(box->wake_fd);
        pthread_mutex_destroy(&box->lock);
    }
    free(exchange);
}

/* --- what all count together --- */

struct sf_intake_common *sf_exchange_common(struct sf_exchange *exchange)
{
    return &exchange->common;
}

_Atomic uint64_t *sf_exchange_ids(struct sf_exchange *exchange)
{
    return &exchange->ids;
}

uint64_t sf_exchange_drop(struct sf_exchange *exchange, uint64_t dropped)
{
    return atomic_fetch_add(&exchange->dropped, dropped) + dropped;
}

void sf_exchange_reach(struct sf_exchange *exchange, unsigned worker, sf_ns until_ns)
{
    atomic_store(&exchange->boxes[worker].reached_ns, until_ns);
}

sf_ns sf_exchange_all_reached(const struct sf_exchange *exchange)
{
    sf_ns least = INT64_MAX;
    for (unsigned i = 0; i < exchange->count; i++) {
        sf_ns reached = atomic_load(&exchange->boxes[i].reached_ns);
        least = reached < least ? reached : least;
    }
    return least;
}

bool sf_exchange_is_busy(const struct sf_exchange *exchange)
{
    return atomic_load(&exchange->waiting) > 0;
}

bool sf_exchange_is_full(const struct sf_exchange *exchange)
{
    return atomic_load(&exchange->waiting) > FULL;
}

/* --- posting --- */

int sf_exchange_wake_fd(const struct sf_exchange *exchange, unsigned worker)
{
    return exchange->boxes[worker].wake_fd;
}

/* Mail waits until all have read as far as it, so that none may sleep long. */
static void wake_all(const struct sf_exchange *exchange)
{
    const uint64_t one = 1;
    for (unsigned i = 0; i < exchange->count; i++)
        if (write(exchange->boxes[i].wake_fd, &one, sizeof one) < 0)
            continue; /* its count is full: it is awake */
}

static struct cell *unused_cell(struct mailbox *box)
{
    struct cell *cell = box->unused;
    if (cell == NULL)
        return malloc(sizeof *cell);
    box->unused = cell->next;
    return cell;
}

/* The octets that a segment points to come along. */
static void fill(struct cell *cell, const struct sf_mail *mail)
{
    cell->mail = *mail;
    cell->next = NULL;
    if (mail->kind == SF_MAIL_QUOTE)
        return;
    struct sf_segment *segment = &cell->mail.segment;
    if (segment->ip_cap > SF_MAIL_OCTETS)
        segment->ip_cap = SF_MAIL_OCTETS;
    memcpy(cell->octets, segment->ip, segment->ip_cap);
    segment->ip = cell->octets;
}

int sf_exchange_post(struct sf_exchange *exchange, unsigned to, const struct sf_mail *mail,
                     struct sf_error *err)
{
    struct mailbox *box = &exchange->boxes[to];
    pthread_mutex_lock(&box->lock);
    struct cell *cell = unused_cell(box);
    if (cell != NULL) {
        fill(cell, mail);
        if (box->last != NULL)
            box->last->next = cell;
        else
            box->first = cell;
        box->last = cell;
    }
    pthread_mutex_unlock(&box->lock);
    if (cell == NULL)
        return sf_fail(err, "out of memory");
    if (atomic_fetch_add(&exchange->waiting, 1) == 0)
        wake_all(exchange);
    return 0;
}

/* --- taking --- */

static bool comes_before(const struct cell *a, const struct cell *b)
{
    return a->mail.ts_ns != b->mail.ts_ns ? a->mail.ts_ns < b->mail.ts_ns : a->order < b->order;
}

static void heap_add(struct mailbox *box, struct cell *cell)
{
    size_t at = box->count++;
    for (size_t parent; at > 0 && comes_before(cell, box->heap[parent = (at - 1) / 2]); at = parent)
        box->heap[at] = box->heap[parent];
    box->heap[at] = cell;
}

static struct cell *heap_take(struct mailbox *box)
{
    struct cell *first = box->heap[0], *moved = box->heap[--box->count];
    size_t at = 0, child;
    while ((child = 2 * at + 1) < box->count) {
        child += child + 1 < box->count && comes_before(box->heap[child + 1], box->heap[child]);
        if (!comes_before(box->heap[child], moved))
            break;
        box->heap[at] = box->heap[child];
        at = child;
    }
    box->heap[at] = moved;
    return first;
}

static bool has_room(struct mailbox *box)
{
    if (box->count < box->capacity)
        return true;
    size_t capacity = 2 * box->capacity + 64;
    struct cell **heap = realloc(box->heap, capacity * sizeof *heap);
    if (heap == NULL)
        return false;
    box->heap = heap;
    box->capacity = capacity;
    return true;
}

/* What finds no memory stays in the list until the next call. */
static void fetch(struct mailbox *box)
{
    pthread_mutex_lock(&box->lock);
    if (box->taken != NULL) {
        box->taken->next = box->unused;
        box->unused = box->taken;
        box->taken = NULL;
    }
    while (box->first != NULL && has_room(box)) {
        struct cell *cell = box->first;
        box->first = cell->next;
        cell->order = box->arrivals++;
        heap_add(box, cell);
    }
    if (box->first == NULL)
        box->last = NULL;
    pthread_mutex_unlock(&box->lock);
}

/* Before anything was read no time is known, and nothing is ahead of it. */
static bool is_ahead(sf_ns ts_ns, sf_ns now_ns)
{
    return sf_ns_known(now_ns) && ts_ns > now_ns &&
           (uint64_t)ts_ns - (uint64_t)now_ns >= (uint64_t)AHEAD;
}

const struct sf_mail *sf_exchange_take(struct sf_exchange *exchange, unsigned worker,
                                       sf_ns until_ns, sf_ns now_ns)
{
    struct mailbox *box = &exchange->boxes[worker];
    fetch(box);
    if (box->count == 0)
        return NULL;
    sf_ns ts_ns = box->heap[0]->mail.ts_ns;
    if (ts_ns > until_ns && !is_ahead(ts_ns, now_ns))
        return NULL;
    box->taken = heap_take(box);
    atomic_fetch_sub(&exchange->waiting, 1);
    return &box->taken->mail;
}
