/* tshark never forgets a pair of addresses and ports: a segment that comes after a connection left
 * the table still belongs to the old stream. What that takes is kept for the latest tuples, a
 * bounded number of them: two that fall on one place leave the later. */
#include <stdlib.h>
#include <string.h>

#include "view_internal.h"

struct sf_wire_past {
    struct sf_flow_key key; /* its IP version is 0 in a place that is not used */
    uint32_t base[SF_DIR_COUNT];
    bool has_base[SF_DIR_COUNT];
    uint8_t completeness, first_bits;
};
_Static_assert(sizeof(struct sf_wire_past) == 64, "no padding");

void sf_wire_remember(struct sf_views *views, const struct sf_flow_key *key,
                      const struct sf_wire_stream *wire)
{
    if (wire->first_packet == 0)
        return;
    if (views->pasts == NULL)
        views->pasts = calloc(SF_PLACES, sizeof *views->pasts);
    if (views->pasts == NULL)
        return;
    views->pasts[sf_flow_key_place(key)] =
        (struct sf_wire_past){.key = *key,
                              .base = {wire->base[0], wire->base[1]},
                              .has_base = {wire->has_base[0], wire->has_base[1]},
                              .completeness = wire->completeness,
                              .first_bits = wire->first_bits};
}

bool sf_wire_recall(const struct sf_views *views, const struct sf_flow_key *key,
                    struct sf_wire_stream *wire)
{
    if (views->pasts == NULL)
        return false;
    const struct sf_wire_past *past = &views->pasts[sf_flow_key_place(key)];
    if (memcmp(&past->key, key, sizeof *key) != 0)
        return false;
    *wire = (struct sf_wire_stream){.base = {past->base[0], past->base[1]},
                                    .has_base = {past->has_base[0], past->has_base[1]},
                                    .completeness = past->completeness,
                                    .first_bits = past->first_bits};
    return true;
}
