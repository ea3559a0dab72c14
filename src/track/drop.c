/* When the kernel dropped packets of the capture: what a connection lacks may be among them. */
#include <string.h>

#include "track_internal.h"

void sf_tracker_dropped(struct sf_tracker *t, sf_ns begin_ns, sf_ns end_ns, uint64_t packets)
{
    struct sf_drops *drops = &t->drops;
    drops->is_told = true;
    if (packets == 0)
        return;
    if (drops->count == SF_DROP_SPANS) { /* the two oldest become one */
        drops->spans[1].begin_ns = drops->spans[0].begin_ns;
        drops->spans[1].packets += drops->spans[0].packets;
        drops->count--;
        memmove(drops->spans, drops->spans + 1, drops->count * sizeof drops->spans[0]);
    }
    drops->spans[drops->count++] = (struct sf_drop_span){begin_ns, end_ns, packets};
}

uint64_t sf_dropped_during(const struct sf_tracker *t, const struct sf_flow *flow)
{
    uint64_t packets = 0;
    sf_ns end_ns = flow->is_closed ? flow->last_ns : t->now_ns;
    for (size_t i = t->drops.count; i-- > 0;) {
        const struct sf_drop_span *span = &t->drops.spans[i];
        if (span->end_ns < flow->first_ns)
            break;
        if (span->begin_ns <= end_ns)
            packets += span->packets;
    }
    return packets;
}
