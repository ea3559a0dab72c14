/* tshark's streams of a pair of addresses and ports, and how complete each is (tcp.completeness,
 * final value, Wireshark 4.0). Unlike tshark's, a slot knows tunnels and, on demand, VLANs. */
#include "view_internal.h"

/* Bits of tcp.completeness. */
enum {
    HAS_SYN = 1,
    HAS_SYN_ACK = 2,
    HAS_ACK = 4,
    HAS_DATA = 8,
    HAS_FIN = 16,
    HAS_RST = 32,
};

static bool is_pure_syn(const struct sf_segment *seg)
{
    return (seg->flags & (SF_TH_SYN | SF_TH_ACK)) == SF_TH_SYN;
}

static bool is_syn_ack(const struct sf_segment *seg)
{
    return (seg->flags & (SF_TH_SYN | SF_TH_ACK)) == (SF_TH_SYN | SF_TH_ACK);
}

static uint8_t completeness_of(const struct sf_segment *seg)
{
    bool has_syn = (seg->flags & SF_TH_SYN) != 0;
    bool has_ack = (seg->flags & SF_TH_ACK) != 0;
    unsigned bits = 0;
    if (has_syn && has_ack)
        bits |= HAS_SYN_ACK;
    if (!has_syn && has_ack)
        bits |= sf_wire_payload(seg) == 0 ? HAS_ACK : HAS_DATA;
    if (has_ack && (seg->flags & SF_TH_FIN))
        bits |= HAS_FIN;
    if (seg->flags & SF_TH_RST)
        bits |= HAS_RST;
    return (uint8_t)bits;
}

static void keep_cut(struct sf_views *views, struct sf_wire_stream *wire)
{
    bool is_full = wire->cut_count >= SF_VIEW_CUTS_MAX;
    struct sf_wire_cut *cut = is_full ? NULL : sf_pool_take(&views->wire_cuts);
    if (cut == NULL)
        return;
    cut->first_packet = wire->first_packet;
    cut->completeness = wire->completeness;
    if (wire->last_cut != NULL)
        wire->last_cut->next = cut;
    else
        wire->cuts = cut;
    wire->last_cut = cut;
    wire->cut_count++;
}

static void begin(struct sf_views *views, struct sf_wire_stream *wire, const struct sf_segment *seg)
{
    bool is_first = wire->first_packet == 0;
    if (!is_first)
        keep_cut(views, wire);
    wire->first_packet = seg->packet;
    wire->has_base[0] = wire->has_base[1] = false;
    wire->completeness = is_pure_syn(seg) ? HAS_SYN : 0;
    if (wire->completeness != 0 && is_first && sf_wire_payload(seg) > 0)
        wire->completeness |= HAS_DATA;
    wire->first_bits = completeness_of(seg);
    if (wire->labels != NULL)
        sf_wire_labels_free(views, wire->labels);
    wire->labels = views->options.wireshark_labels ? sf_wire_labels_new(views) : NULL;
}

/* The stream of an earlier connection goes on. */
static void resume(struct sf_views *views, struct sf_wire_stream *wire,
                   const struct sf_segment *seg)
{
    wire->first_packet = seg->packet;
    wire->labels = views->options.wireshark_labels ? sf_wire_labels_new(views) : NULL;
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
    bool is_plain = (seg->flags & (SF_TH_SYN | SF_TH_FIN | SF_TH_RST | SF_TH_ACK)) == SF_TH_ACK;
    if (is_plain && wire->labels == NULL && wire->first_packet != 0 && wire->has_base[0] &&
        wire->has_base[1]) {
        wire->completeness |= wire->first_bits | (sf_wire_payload(seg) == 0 ? HAS_ACK : HAS_DATA);
        return 0;
    }
    if (wire->first_packet == 0 && sf_wire_recall(views, &seg->key, wire))
        resume(views, wire, seg);
    bool is_other_number = wire->has_base[dir] && seg->seq.n != wire->base[dir];
    bool is_reused = is_other_number && (seg->flags & SF_TH_SYN);
    bool begins = wire->first_packet == 0 || (is_reused && is_pure_syn(seg));
    if (begins)
        begin(views, wire, seg);
    else if (is_reused && is_syn_ack(seg))
        wire->base[dir] = seg->seq.n; /* the stream goes on */
    else if (is_pure_syn(seg) && wire->has_base[dir] && wire->labels != NULL)
        sf_wire_labels_same_syn(wire->labels, dir);
    set_bases(wire, seg);
    /* tshark takes most bits of a stream's first packet in only when it reads the file a second
     * time, after it has shown that packet: a packet that stays alone shows none of them. */
    if (!begins)
        wire->completeness |= wire->first_bits | completeness_of(seg);
    if (wire->labels == NULL)
        return 0;
    uint32_t labels = sf_wire_labels_segment(views, wire->labels, seg);
    return is_reused ? labels | 1u << SF_LABEL_REUSED_PORTS : labels;
}

static void drop_old_cuts(struct sf_views *views, struct sf_wire_stream *wire, uint64_t next_packet)
{
    while (wire->cuts != NULL) {
        struct sf_wire_cut *cut = wire->cuts;
        uint64_t following = cut->next != NULL ? cut->next->first_packet : wire->first_packet;
        if (following > next_packet)
            return;
        wire->cuts = cut->next;
        if (wire->cuts == NULL)
            wire->last_cut = NULL;
        wire->cut_count--;
        sf_pool_give(&views->wire_cuts, cut);
    }
}

void sf_wire_record(struct sf_views *views, struct sf_view_slot *slot, struct sf_record *record)
{
    record->views.wireshark_completeness = SF_COUNT_UNKNOWN;
    if (slot == NULL)
        return;
    struct sf_wire_stream *wire = &slot->wire;
    record->views.wireshark_completeness = wire->completeness;
    const struct sf_wire_cut *cut = wire->cuts;
    if (wire->first_packet > record->first_packet && cut != NULL) {
        while (cut->next != NULL && cut->next->first_packet <= record->first_packet)
            cut = cut->next;
        record->views.wireshark_completeness = cut->completeness;
    }
    if (record->view_next_packet != 0)
        drop_old_cuts(views, wire, record->view_next_packet);
}

void sf_wire_dispose(struct sf_views *views, struct sf_view_slot *slot,
                     const struct sf_flow_key *key)
{
    sf_wire_remember(views, key, &slot->wire);
    drop_old_cuts(views, &slot->wire, UINT64_MAX);
    if (slot->wire.labels != NULL)
        sf_wire_labels_free(views, slot->wire.labels);
    slot->wire.labels = NULL;
}
