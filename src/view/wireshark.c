/* tshark's streams of a pair of addresses and ports, and how complete each is (tcp.completeness,
 * final value, Wireshark 4.0). Unlike tshark's, a slot knows tunnels and, on demand, VLANs. */
#include "view_internal.h"

static bool is_pure_syn(const struct sf_segment *seg)
{
    return (seg->flags & (SF_TH_SYN | SF_TH_ACK)) == SF_TH_SYN;
}

static bool is_syn_ack(const struct sf_segment *seg)
{
    return (seg->flags & (SF_TH_SYN | SF_TH_ACK)) == (SF_TH_SYN | SF_TH_ACK);
}

uint8_t sf_wire_bits(const struct sf_segment *seg)
{
    unsigned flags = seg->flags, bits = flags & SF_TH_RST ? SF_WIRE_HAS_RST : 0;
    if (!(flags & SF_TH_ACK))
        return (uint8_t)bits;
    if (flags & SF_TH_FIN)
        bits |= SF_WIRE_HAS_FIN;
    if (flags & SF_TH_SYN)
        return (uint8_t)(bits | SF_WIRE_HAS_SYN_ACK);
    return (uint8_t)(bits | (sf_wire_payload(seg) == 0 ? SF_WIRE_HAS_ACK : SF_WIRE_HAS_DATA));
}

static void keep_cut(struct sf_views *views, struct sf_view_slot *slot)
{
    struct sf_view_rare *rare = sf_view_take_rare(views, slot);
    bool has_room = rare != NULL && rare->wire_cut_count < SF_VIEW_CUTS_MAX;
    struct sf_wire_cut *cut = has_room ? sf_view_take(&views->wire_cuts) : NULL;
    if (cut == NULL)
        return;
    cut->first_packet = slot->wire.first_packet;
    cut->completeness = slot->wire.completeness;
    if (rare->last_wire_cut != NULL)
        rare->last_wire_cut->next = cut;
    else
        rare->wire_cuts = cut;
    rare->last_wire_cut = cut;
    rare->wire_cut_count++;
}

static void drop_labels(struct sf_views *views, struct sf_view_slot *slot)
{
    if (slot->rare == NULL || slot->rare->labels == NULL)
        return;
    sf_wire_labels_free(views, slot->rare->labels);
    slot->rare->labels = NULL;
}

static void begin_labels(struct sf_views *views, struct sf_view_slot *slot)
{
    struct sf_view_rare *rare =
        views->options.wireshark_labels ? sf_view_take_rare(views, slot) : NULL;
    if (rare != NULL)
        rare->labels = sf_wire_labels_new(views);
}

static void begin(struct sf_views *views, struct sf_view_slot *slot, const struct sf_segment *seg)
{
    struct sf_wire_stream *wire = &slot->wire;
    bool is_first = wire->first_packet == 0;
    if (!is_first)
        keep_cut(views, slot);
    wire->first_packet = seg->packet;
    wire->has_base[0] = wire->has_base[1] = false;
    wire->completeness = is_pure_syn(seg) ? SF_WIRE_HAS_SYN : 0;
    if (wire->completeness != 0 && is_first && sf_wire_payload(seg) > 0)
        wire->completeness |= SF_WIRE_HAS_DATA;
    wire->first_bits = sf_wire_bits(seg);
    drop_labels(views, slot);
    begin_labels(views, slot);
}

/* The stream of an earlier connection goes on. */
static void resume(struct sf_views *views, struct sf_view_slot *slot, const struct sf_segment *seg)
{
    slot->wire.first_packet = seg->packet;
    begin_labels(views, slot);
}

static void set_bases(struct sf_wire_stream *wire, const struct sf_segment *seg)
{
    enum sf_dir dir = seg->dir, other = sf_dir_other(seg->dir);
    if (!wire->has_base[dir]) {
        wire->base[dir] = seg->flags & SF_TH_SYN ? seg->seq.n : seg->seq.n - 1;
        wire->has_base[dir] = true;
    }
    if (!wire->has_base[other] && (seg->flags & SF_TH_ACK)) {
        wire->base[other] = seg->ack.n - 1;
        wire->has_base[other] = true;
    }
}

uint32_t sf_wire_segment(struct sf_views *views, struct sf_view_slot *slot,
                         const struct sf_segment *seg)
{
    struct sf_wire_stream *wire = &slot->wire;
    enum sf_dir dir = seg->dir;
    if (wire->first_packet == 0 && sf_wire_recall(views, &seg->key, wire))
        resume(views, slot, seg);
    bool is_other_number = wire->has_base[dir] && seg->seq.n != wire->base[dir];
    bool is_reused = is_other_number && (seg->flags & SF_TH_SYN);
    bool begins = wire->first_packet == 0 || (is_reused && is_pure_syn(seg));
    if (begins)
        begin(views, slot, seg);
    struct sf_wire_labels *labels = slot->rare != NULL ? slot->rare->labels : NULL;
    if (!begins && is_reused && is_syn_ack(seg))
        wire->base[dir] = seg->seq.n; /* the stream goes on */
    else if (!begins && is_pure_syn(seg) && wire->has_base[dir] && labels != NULL)
        sf_wire_labels_same_syn(labels, dir);
    set_bases(wire, seg);
    /* tshark takes most bits of a stream's first packet in only when it reads the file a second
     * time, after it has shown that packet: a packet that stays alone shows none of them. */
    if (!begins)
        wire->completeness |= wire->first_bits | sf_wire_bits(seg);
    if (labels == NULL)
        return 0;
    uint32_t found = sf_wire_labels_segment(views, labels, seg);
    return is_reused ? found | 1u << SF_LABEL_REUSED_PORTS : found;
}

static void drop_old_cuts(struct sf_views *views, struct sf_view_slot *slot, uint64_t next_packet)
{
    struct sf_view_rare *rare = slot->rare;
    while (rare != NULL && rare->wire_cuts != NULL) {
        struct sf_wire_cut *cut = rare->wire_cuts;
        uint64_t following = cut->next != NULL ? cut->next->first_packet : slot->wire.first_packet;
        if (following > next_packet)
            return;
        rare->wire_cuts = cut->next;
        if (rare->wire_cuts == NULL)
            rare->last_wire_cut = NULL;
        rare->wire_cut_count--;
        sf_slab_give(&views->wire_cuts, cut);
    }
}

void sf_wire_record(struct sf_views *views, struct sf_view_slot *slot, struct sf_record *record)
{
    record->views.wireshark_completeness = SF_COUNT_UNKNOWN;
    if (slot == NULL)
        return;
    record->views.wireshark_completeness = slot->wire.completeness;
    const struct sf_wire_cut *cut = slot->rare != NULL ? slot->rare->wire_cuts : NULL;
    if (slot->wire.first_packet > record->first_packet && cut != NULL) {
        while (cut->next != NULL && cut->next->first_packet <= record->first_packet)
            cut = cut->next;
        record->views.wireshark_completeness = cut->completeness;
    }
    if (record->view_next_packet != 0)
        drop_old_cuts(views, slot, record->view_next_packet);
}

void sf_wire_dispose(struct sf_views *views, struct sf_view_slot *slot,
                     const struct sf_flow_key *key)
{
    sf_wire_remember(views, key, &slot->wire);
    drop_old_cuts(views, slot, UINT64_MAX);
    drop_labels(views, slot);
}
