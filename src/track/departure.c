/* The queues of connections that are reported. */
#include "track_internal.h"

void sf_departures_add(struct sf_departures *list, struct sf_flow *flow)
{
    flow->next_queued = NULL;
    if (list->last != NULL)
        list->last->next_queued = flow;
    else
        list->first = flow;
    list->last = flow;
}

struct sf_flow *sf_departures_take(struct sf_departures *list)
{
    struct sf_flow *flow = list->first;
    if (flow == NULL)
        return NULL;
    list->first = flow->next_queued;
    if (list->first == NULL)
        list->last = NULL;
    return flow;
}

/* Cuts the ascending run off that the list begins with; at most one flow of it is looked at that is
 * not in it. */
static struct sf_departures take_run(struct sf_departures *list)
{
    struct sf_departures run = {list->first, list->first};
    while (run.last->next_queued != NULL && run.last->next_queued->id > run.last->id)
        run.last = run.last->next_queued;
    list->first = run.last->next_queued;
    run.last->next_queued = NULL;
    return run;
}

static struct sf_departures merged(struct sf_departures a, struct sf_departures b)
{
    struct sf_departures out = {0};
    while (a.first != NULL && b.first != NULL)
        sf_departures_add(&out, sf_departures_take(a.first->id < b.first->id ? &a : &b));
    struct sf_departures *rest = a.first != NULL ? &a : &b;
    if (out.last == NULL || rest->first == NULL)
        return out.last == NULL ? *rest : out;
    out.last->next_queued = rest->first;
    out.last = rest->last;
    return out;
}

/* Mergesort over the runs that are there: place i holds 2^i runs merged, or none. */
void sf_departures_sort(struct sf_departures *list)
{
    struct sf_departures places[64] = {0};
    while (list->first != NULL) {
        struct sf_departures run = take_run(list);
        size_t i = 0;
        for (; places[i].first != NULL; i++) {
            run = merged(places[i], run);
            places[i] = (struct sf_departures){0};
        }
        places[i] = run;
    }
    struct sf_departures all = {0};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (places[i].first != NULL)
            all = merged(places[i], all);
    *list = all;
}
