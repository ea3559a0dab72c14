/* Holes of one end's sequence space, sorted and disjoint, at most SF_HOLES_MAX: past that the
 * oldest is dropped and, if it was acknowledged, counted in holes_lost. */
#include "track_internal.h"

#include <stdlib.h>
#include <string.h>

static int grow(struct sf_endpoint *ep)
{
    if (ep->hole_count < ep->hole_capacity)
        return 0;
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
    memmove(&ep->holes[i], &ep->holes[i + 1], (ep->hole_count - i) * sizeof *ep->holes);
}

static void drop_lowest(struct sf_endpoint *ep)
{
    if (sf_ns_known(ep->holes[0].acked_ns) && !ep->holes[0].is_before)
        ep->holes_lost += (uint64_t)(ep->holes[0].end - ep->holes[0].begin);
    remove_at(ep, 0);
}

static void insert_at(struct sf_endpoint *ep, size_t i, const struct sf_hole *hole)
{
    memmove(&ep->holes[i + 1], &ep->holes[i], (ep->hole_count - i) * sizeof *ep->holes);
    ep->holes[i] = *hole;
    ep->hole_count++;
}

void sf_hole_add(struct sf_endpoint *ep, const struct sf_hole *hole)
{
    struct sf_hole *last = ep->hole_count > 0 ? &ep->holes[ep->hole_count - 1] : NULL;
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
    while (i > 0 && ep->holes[i - 1].begin > hole->begin)
        i--;
    insert_at(ep, i, hole);
}

/* First hole that ends after `begin`. */
static size_t first_after(const struct sf_endpoint *ep, sf_offset begin)
{
    size_t low = 0, high = ep->hole_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ep->holes[middle].end <= begin)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Takes [begin, end) out of hole i, which it overlaps; returns the next hole to look at. */
static size_t cut(struct sf_endpoint *ep, size_t i, sf_offset begin, sf_offset end)
{
    struct sf_hole *hole = &ep->holes[i];
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
    size_t i = first_after(ep, begin);
    while (i < ep->hole_count && ep->holes[i].begin < end) {
        const struct sf_hole *hole = &ep->holes[i];
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
    for (size_t i = 0; i < ep->hole_count && ep->holes[i].begin < ack; i++) {
        struct sf_hole *hole = &ep->holes[i];
        if (sf_ns_known(hole->acked_ns))
            continue;
        if (hole->end > ack) {
            struct sf_hole above = *hole;
            above.begin = ack;
            hole->end = ack;
            if (ep->hole_count < SF_HOLES_MAX && grow(ep) == 0) {
                insert_at(ep, i + 1, &above);
                hole = &ep->holes[i];
            }
        }
        hole->acked_ns = now_ns;
        hole->packet = packet;
    }
}

uint64_t sf_hole_missing(const struct sf_endpoint *ep)
{
    uint64_t octets = ep->holes_lost;
    for (size_t i = 0; i < ep->hole_count && ep->holes[i].begin < ep->snd_una; i++) {
        if (ep->holes[i].is_before)
            continue;
        sf_offset end = ep->holes[i].end < ep->snd_una ? ep->holes[i].end : ep->snd_una;
        octets += (uint64_t)(end - ep->holes[i].begin);
    }
    return octets;
}
