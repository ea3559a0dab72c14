/* tshark never forgets a pair of addresses and ports: a segment that comes after a connection left
 * the table still belongs to the old stream. What that takes is kept for the latest tuples, a
 * bounded number of them: two that fall on one place leave the later. */
#include <stdlib.h>
#include <string.h>

#include "view_internal.h"

enum { PLACES = 1 << 15 };

struct sf_wire_past {
    struct sf_flow_key key;
    bool is_used;
    struct sf_wire_stream stream; /* without lists */
};

/* Not keyed: what is remembered must not depend on the run. */
static size_t place_of(const struct sf_flow_key *key)
{
    const uint8_t *octets = (const uint8_t *)key;
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (size_t i = 0; i < sizeof *key; i++)
        h = (h ^ octets[i]) * UINT64_C(0x100000001b3);
    return (size_t)(h ^ h >> 32) % PLACES;
}

void sf_wire_remember(struct sf_views *views, const struct sf_flow_key *key,
                      const struct sf_wire_stream *wire)
{
    if (wire->first_packet == 0)
        return;
    if (views->pasts == NULL)
        views->pasts = calloc(PLACES, sizeof *views->pasts);
    if (views->pasts == NULL)
        return;
    views->pasts[place_of(key)] =
        (struct sf_wire_past){.key = *key,
                              .is_used = true,
                              .stream = {.base = {wire->base[0], wire->base[1]},
                                         .has_base = {wire->has_base[0], wire->has_base[1]},
                                         .completeness = wire->completeness,
                                         .first_bits = wire->first_bits}};
}

bool sf_wire_recall(const struct sf_views *views, const struct sf_flow_key *key,
                    struct sf_wire_stream *wire)
{
    if (views->pasts == NULL)
        return false;
    const struct sf_wire_past *past = &views->pasts[place_of(key)];
    if (!past->is_used || memcmp(&past->key, key, sizeof *key) != 0)
        return false;
    *wire = past->stream;
    return true;
}
