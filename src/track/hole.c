/* Holes of one end's sequence space, sorted and disjoint, at most SF_HOLES_MAX: past that the
 * oldest is dropped and, if it was acknowledged, counted in holes_lost. */
#include "track_internal.h"

#include <stdlib.h>
#include <string.h>

/* Room for one more at the end. What was removed at the head leaves room: with twice as many places
 * as holes a segment moves no more of them than one, on average. */
static int grow(struct sf_endpoint *ep)
{
    unsigned end = (unsigned)ep->hole_head + ep->hole_count;
    if (end < ep->hole_capacity)
        return 0;
    if (ep->hole_head >= ep->hole_count && ep->hole_head > 0) {
        memmove(ep->holes, sf_hole_at(ep, 0), ep->hole_count * sizeof *ep->holes);
        ep->hole_head = 0;
        return 0;
    }
    unsigned capacity = ep->hole_capacity == 0 ? 4 : 2u * ep->hole_capacity;
    struct sf_hole *holes = realloc(ep->holes, capacity * sizeof *holes);
    if (holes == NULL)
        return -1;
    ep->holes = holes;
    ep->hole_capacity = (uint16_t)capacity;
    return 0;
}

static void remove_at(struct sf_endpoint *ep, size_t i)
{
    ep->hole_count--;
    if (i == 0)
        ep->hole_head = ep->hole_count == 0 ? 0 : (uint16_t)(ep->hole_head + 1u);
    else
        memmove(sf_hole_at(ep, i), sf_hole_at(ep, i + 1), (ep->hole_count - i) * sizeof *ep->holes);
}

static void drop_lowest(struct sf_endpoint *ep)
{
    const struct sf_hole *lowest = sf_hole_at(ep, 0);
    if (sf_ns_known(lowest->acked_ns) && !lowest->is_before)
        ep->holes_lost += (uint64_t)(lowest->end - lowest->begin);
    remove_at(ep, 0);
}

static void insert_at(struct sf_endpoint *ep, size_t i, const struct sf_hole *hole)
{
    memmove(sf_hole_at(ep, i + 1), sf_hole_at(ep, i), (ep->hole_count - i) * sizeof *ep->holes);
    *sf_hole_at(ep, i) = *hole;
    ep->hole_count++;
}

void sf_hole_add(struct sf_endpoint *ep, const struct sf_hole *hole)
{
    struct sf_hole *last = ep->hole_count > 0 ? sf_hole_at(ep, ep->hole_count - 1u) : NULL;
    if (last != NULL && last->end == hole->begin && !last->is_judged && !last->is_before &&
        sf_ns_known(last->acked_ns) && sf_ns_known(hole->acked_ns)) {
        last->end = hole->end;
        return;
    }
    if (ep->hole_count == SF_HOLES_MAX)
        drop_lowest(ep);
    if (grow(ep) != 0)
        return;
    size_t i = ep->hole_count;
    while (i > 0 && sf_hole_at(ep, i - 1)->begin > hole->begin)
        i--;
    insert_at(ep, i, hole);
}

size_t sf_hole_after(const struct sf_endpoint *ep, sf_offset offset)
{
    size_t low = 0, high = ep->hole_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (sf_hole_at(ep, middle)->end <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Takes [begin, end) out of hole i, which it overlaps; returns the next hole to look at. */
static size_t cut(struct sf_endpoint *ep, size_t i, sf_offset begin, sf_offset end)
{
    struct sf_hole *hole = sf_hole_at(ep, i);
    if (begin <= hole->begin && end >= hole->end) {
        remove_at(ep, i);
        return i;
    }
    if (begin > hole->begin && end < hole->end) {
        struct sf_hole right = *hole;
        right.begin = end;
        hole->end = begin;
        if (ep->hole_count < SF_HOLES_MAX && grow(ep) == 0)
            insert_at(ep, i + 1, &right);
        return i + 2;
    }
    if (begin <= hole->begin)
        hole->begin = end;
    else
        hole->end = begin;
    return i + 1;
}

struct sf_fill sf_hole_fill(struct sf_endpoint *ep, sf_offset begin, sf_offset end)
{
    struct sf_fill fill = {0};
    size_t i = sf_hole_after(ep, begin);
    while (i < ep->hole_count && sf_hole_at(ep, i)->begin < end) {
        const struct sf_hole *hole = sf_hole_at(ep, i);
        if (fill.octets == 0)
            fill.first = *hole;
        sf_offset from = begin > hole->begin ? begin : hole->begin;
        sf_offset to = end < hole->end ? end : hole->end;
        fill.octets += (uint64_t)(to - from);
        i = cut(ep, i, begin, end);
    }
    return fill;
}

void sf_hole_acknowledge(struct sf_endpoint *ep, sf_offset ack, sf_ns now_ns, uint64_t packet)
{
    /* What lies below the acknowledgement before this one is marked, but for what lies before the
     * first octet seen. */
    bool is_whole = ep->hole_count > 0 && sf_hole_at(ep, 0)->is_before;
    size_t i = is_whole ? 0 : sf_hole_after(ep, ep->snd_una);
    for (; i < ep->hole_count && sf_hole_at(ep, i)->begin < ack; i++) {
        struct sf_hole *hole = sf_hole_at(ep, i);
        if (sf_ns_known(hole->acked_ns))
            continue;
        if (hole->end > ack) {
            struct sf_hole above = *hole;
            above.begin = ack;
            hole->end = ack;
            if (ep->hole_count < SF_HOLES_MAX && grow(ep) == 0) {
                insert_at(ep, i + 1, &above);
                hole = sf_hole_at(ep, i);
            }
        }
        hole->acked_ns = now_ns;
        hole->packet = packet;
    }
}

uint64_t sf_hole_missing(const struct sf_endpoint *ep)
{
    uint64_t octets = ep->holes_lost;
    for (size_t i = 0; i < ep->hole_count && sf_hole_at(ep, i)->begin < ep->snd_una; i++) {
        if (sf_hole_at(ep, i)->is_before)
            continue;
        sf_offset end = sf_hole_at(ep, i)->end < ep->snd_una ? sf_hole_at(ep, i)->end : ep->snd_una;
        octets += (uint64_t)(end - sf_hole_at(ep, i)->begin);
    }
    return octets;
}
