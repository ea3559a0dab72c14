/* Numbers of an end in two halves: the high ones are seldom other than 0, and lie apart. */
#include "view_internal.h"

void sf_zeek_set_high(struct sf_views *views, struct sf_view_slot *slot, enum sf_dir dir,
                      enum sf_zeek_number which, uint32_t high)
{
    struct sf_view_rare *rare = sf_view_take_rare(views, slot);
    if (rare != NULL)
        rare->zeek[dir].high[which] = high;
}

void sf_zeek_carry(struct sf_views *views, struct sf_view_slot *slot, enum sf_dir dir,
                   enum sf_zeek_number which)
{
    struct sf_view_rare *rare = sf_view_take_rare(views, slot);
    if (rare != NULL)
        rare->zeek[dir].high[which]++;
}

uint64_t sf_zeek_size(const struct sf_view_slot *slot, enum sf_dir dir)
{
    const struct sf_zeek_end *end = &slot->zeek.end[dir];
    const struct sf_zeek_end *peer = &slot->zeek.end[sf_dir_other(dir)];
    /* A half-open connection was found and aborted: the numbers mean nothing. */
    if (end->prev_state == SF_ZEEK_SYN_SENT && end->state == SF_ZEEK_RESET &&
        peer->state == SF_ZEEK_INACTIVE && !sf_zeek_nothing_acked(slot, dir))
        return 0;
    uint64_t last = sf_zeek_get(slot, dir, SF_ZEEK_LAST);
    uint64_t ack = sf_zeek_get(slot, dir, SF_ZEEK_ACK);
    uint64_t size = (last > ack ? last : ack) - end->start;
    if (size != 0)
        size--;
    if (end->has_fin && size != 0)
        size--;
    return size;
}
