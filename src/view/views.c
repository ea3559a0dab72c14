/* The door of the views: slots, and which view sees what. */
#include "synfin/view.h"

#include <stdlib.h>
#include <string.h>

#include "view_internal.h"

struct sf_views *sf_views_new(const struct sf_view_options *options)
{
    struct sf_views *views = calloc(1, sizeof *views);
    if (views == NULL)
        return NULL;
    views->options = *options;
    sf_slab_init(&views->slots, sizeof(struct sf_view_slot));
    sf_slab_init(&views->rares, sizeof(struct sf_view_rare));
    sf_slab_init(&views->ranges, sizeof(struct sf_zeek_range));
    sf_slab_init(&views->zeek_cuts, sizeof(struct sf_zeek_cut));
    sf_slab_init(&views->wire_cuts, sizeof(struct sf_wire_cut));
    sf_slab_init(&views->wire_labels, sizeof(struct sf_wire_labels));
    sf_slab_init(&views->unacked, sizeof(struct sf_wire_unacked));
    sf_slab_init(&views->rows, sizeof(struct sf_zeek_row_node));
    return views;
}

void sf_views_free(struct sf_views *views)
{
    if (views == NULL)
        return;
    sf_slab_dispose(&views->slots);
    sf_slab_dispose(&views->rares);
    sf_slab_dispose(&views->ranges);
    sf_slab_dispose(&views->zeek_cuts);
    sf_slab_dispose(&views->wire_cuts);
    sf_slab_dispose(&views->wire_labels);
    sf_slab_dispose(&views->unacked);
    sf_slab_dispose(&views->rows);
    free(views->pasts);
    free(views);
}

void *sf_view_take(struct sf_slab *slab)
{
    void *block = sf_slab_take(slab);
    return block != NULL ? memset(block, 0, slab->block_octets) : NULL;
}

struct sf_view_rare *sf_view_take_rare(struct sf_views *views, struct sf_view_slot *slot)
{
    if (slot->rare == NULL)
        slot->rare = sf_view_take(&views->rares);
    return slot->rare;
}

SF_APART static uint32_t show(struct sf_views *views, void **view, const struct sf_segment *seg)
{
    if (*view == NULL)
        *view = sf_view_take(&views->slots);
    struct sf_view_slot *slot = *view;
    if (slot == NULL)
        return 0;
    if (views->options.zeek)
        sf_zeek_segment(views, slot, seg);
    uint32_t labels = sf_wire_segment(views, slot, seg);
    sf_view_look_ahead(views, slot);
    return labels;
}

uint32_t sf_views_segment(struct sf_views *views, const struct sf_segment *seg, void **slot)
{
    if (slot == NULL || (*slot != NULL && sf_view_continue(views, *slot, seg)))
        return 0;
    return show(views, slot, seg);
}

void sf_views_update(struct sf_views *views, struct sf_record *record)
{
    sf_zeek_record(views, record->view, record);
    sf_wire_record(views, record->view, record);
}

void sf_views_record(struct sf_views *views, struct sf_record *record)
{
    struct sf_view_slot *slot = record->view;
    sf_views_update(views, record);
    if (slot == NULL || record->view_next_packet != 0)
        return;
    sf_zeek_dispose(views, slot, &record->key);
    sf_wire_dispose(views, slot, &record->key);
    if (slot->rare != NULL)
        sf_slab_give(&views->rares, slot->rare);
    sf_slab_give(&views->slots, slot);
    record->view = NULL;
}

bool sf_views_zeek_row(struct sf_views *views, struct sf_zeek_row *out)
{
    struct sf_zeek_row_node *node = views->first_row;
    if (node == NULL)
        return false;
    *out = node->row;
    views->first_row = node->next;
    if (views->first_row == NULL)
        views->last_row = NULL;
    sf_slab_give(&views->rows, node);
    return true;
}
