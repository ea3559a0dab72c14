/* A connection as a parcel of octets for the shelf, and back. Most of a connection is zeros and
 * numbers that can be made small (small.c). What has no fixed size but is short goes along; what is
 * long or seldom stays where it is, and its address goes along like a number. */
#include "parcel.h"

#include <assert.h>
#include <string.h>

/* A first octet says what follows. */
enum { FORM_V4 = 4, FORM_V6 = 6, FORM_ANY = 0 };
/* Flags beside the form, of a lone SYN; the last two of any other connection. */
enum {
    HAS_TIMESTAMP = 0x10,
    IS_FROM_1 = 0x20,
    IS_TESTED = 0x40,   /* its checksum was looked at, and right */
    HAS_PLACE = 0x80,   /* interface and VLANs follow */
    HAS_WAITING = 0x10, /* SYNs wait for the answer that tells whose they are */
    IS_DIARY = 0x20,    /* neither a lone SYN nor packed: its segments */
    FORM_MASK = 0x0f,
};
enum { CHANGES_MAX = 64, NOTES_MAX = 32, SENT_MAX = 16 };

/* --- keys ------------------------------------------------------------------------------------ */

static unsigned form_of(const struct sf_flow_key *key)
{
    static const uint8_t nothing[sizeof key->scope - 1] = {0};
    bool is_plain = memcmp((const uint8_t *)&key->scope + 1, nothing, sizeof nothing) == 0;
    if (!is_plain)
        return FORM_ANY;
    return key->scope.ip_version == 4 ? FORM_V4 : FORM_V6;
}

static size_t key_octets(unsigned form)
{
    const struct sf_flow_key *key = NULL;
    size_t address = form == FORM_V4 ? 4 : 16;
    return 2 * address + sizeof key->port + (form == FORM_ANY ? sizeof key->scope : 0);
}

static void pack_key(struct sf_packer *p, const struct sf_flow_key *key, unsigned form)
{
    for (int dir = 0; dir < SF_DIR_COUNT; dir++)
        if (form == FORM_V4)
            sf_pack_octets(p, key->addr[dir], 4);
        else
            sf_pack_octets(p, key->addr[dir], 16);
    sf_pack_octets(p, key->port, sizeof key->port);
    if (form == FORM_ANY)
        sf_pack_octets(p, &key->scope, sizeof key->scope);
}

static inline void unpack_key(struct sf_unpacker *u, unsigned form, struct sf_flow_key *key)
{
    memset(key, 0, sizeof *key);
    for (int dir = 0; dir < SF_DIR_COUNT; dir++)
        if (form == FORM_V4)
            sf_unpack_octets(u, key->addr[dir], 4);
        else
            sf_unpack_octets(u, key->addr[dir], 16);
    sf_unpack_octets(u, key->port, sizeof key->port);
    key->scope.ip_version = (uint8_t)form;
    if (form == FORM_ANY)
        sf_unpack_octets(u, &key->scope, sizeof key->scope);
}

bool sf_parcel_is(const void *wanted, const struct sf_parcel *parcel)
{
    struct sf_flow_key key = sf_parcel_key(parcel);
    return sf_flow_key_is(&key, wanted);
}

uint64_t sf_parcel_id(const struct sf_parcel *parcel)
{
    struct sf_unpacker u = {parcel->octets + 1 + key_octets(parcel->octets[0] & FORM_MASK)};
    return sf_unpack_number(&u);
}

struct sf_flow_key sf_parcel_key(const struct sf_parcel *parcel)
{
    struct sf_flow_key key;
    struct sf_unpacker u = {parcel->octets + 1};
    unpack_key(&u, parcel->octets[0] & FORM_MASK, &key);
    return key;
}

bool sf_parcel_has_waiting(const struct sf_parcel *parcel)
{
    return parcel->octets[0] & HAS_WAITING;
}

bool sf_parcel_is_diary(const struct sf_parcel *parcel)
{
    return parcel->octets[0] & IS_DIARY;
}

void sf_parcel_head_pack(struct sf_packer *p, const struct sf_flow_key *key, uint64_t id)
{
    unsigned form = form_of(key);
    sf_pack_octets(p, &(uint8_t){(uint8_t)(form | IS_DIARY)}, 1);
    pack_key(p, key, form);
    sf_pack_number(p, id);
}

const uint8_t *sf_parcel_content(const struct sf_parcel *parcel)
{
    struct sf_unpacker u = {parcel->octets + 1 + key_octets(parcel->octets[0] & FORM_MASK)};
    sf_unpack_number(&u);
    return u.at;
}

/* --- lone SYNs ------------------------------------------------------------------------------- */

/* What is kept of a plain SYN besides key, number and time, without padding. */
struct syn {
    uint32_t seq;
    uint16_t window, ip_id, checksum, options, mss;
    uint8_t ecn; /* ECE and CWR, the two bits of the IP header */
    uint8_t ttl, ip_bytes, wscale;
};
enum { SYN_OCTETS = 18, ECN_IP_MASK = 0x03, TCP_HEADER_MIN = 20 };
_Static_assert(offsetof(struct syn, wscale) + 1 == SYN_OCTETS, "packed as octets");

/* Interface and VLANs of a packet. */
struct place {
    uint16_t interface;
    uint16_t vlan[SF_VLAN_MAX];
    uint16_t vlan_count;
};
_Static_assert(sizeof(struct place) == 8, "packed as octets");

bool sf_syn_is_plain(const struct sf_segment *seg)
{
    bool echoes_time = sf_segment_has(seg, SF_OPT_HAS_TIMESTAMPS) && seg->options.ts_ecr != 0;
    return (seg->flags & ~(unsigned)(SF_TH_ECE | SF_TH_CWR)) == SF_TH_SYN &&
           seg->payload_len == 0 && seg->payload_beyond_frame == 0 && !seg->from_fragments &&
           !seg->length_guessed && seg->tunnel_count == 0 && seg->urgent == 0 && seg->ack.n == 0 &&
           (seg->options.present & ~(unsigned)SF_SYN_OPTIONS) == 0 && !echoes_time &&
           seg->ip_bytes <= UINT8_MAX;
}

void sf_syn_pack(struct sf_packer *p, const struct sf_segment *seg, uint64_t id, sf_ns now,
                 bool is_tested)
{
    unsigned form = form_of(&seg->key), flags = form;
    const struct sf_tcp_options *options = &seg->options;
    struct syn syn = {.seq = seg->seq.n,
                      .window = seg->window,
                      .ip_id = seg->ip_id,
                      .checksum = seg->checksum,
                      .options = options->present,
                      .mss = options->mss,
                      .ecn = (uint8_t)((seg->flags & (SF_TH_ECE | SF_TH_CWR)) | seg->ip_ecn),
                      .ttl = seg->ttl,
                      .ip_bytes = (uint8_t)seg->ip_bytes,
                      .wscale = options->wscale};
    struct place place = {.interface = seg->interface,
                          .vlan = {seg->vlan[0], seg->vlan[1]},
                          .vlan_count = seg->vlan_count};
    bool has_place = seg->interface != 0 || seg->vlan_count != 0;
    flags |= options->present & SF_OPT_HAS_TIMESTAMPS ? HAS_TIMESTAMP : 0u;
    flags |= seg->dir == SF_FROM_1 ? IS_FROM_1 : 0u;
    flags |= is_tested ? IS_TESTED : 0u;
    flags |= has_place ? HAS_PLACE : 0u;
    sf_pack_octets(p, &(uint8_t){(uint8_t)flags}, 1);
    pack_key(p, &seg->key, form);
    sf_pack_number(p, id);
    sf_pack_number(p, (uint64_t)now - (uint64_t)seg->ts_ns); /* 0 but when time goes back */
    sf_pack_octets(p, &syn, SYN_OCTETS);
    if (flags & HAS_TIMESTAMP)
        sf_pack_octets(p, &options->ts_val, sizeof options->ts_val);
    if (has_place)
        sf_pack_octets(p, &place, sizeof place);
}

uint64_t sf_syn_unpack(const struct sf_parcel *parcel, struct sf_segment *seg, bool *is_tested)
{
    struct sf_unpacker u = {parcel->octets};
    unsigned flags = *u.at++;
    struct syn syn;
    struct place place = {0};
    *seg = (struct sf_segment){.hash = parcel->hash,
                               .packet = parcel->packet,
                               .tcp_header_len = TCP_HEADER_MIN}; /* none of it is captured */
    unpack_key(&u, flags & FORM_MASK, &seg->key);
    uint64_t id = sf_unpack_number(&u);
    seg->ts_ns = (sf_ns)((uint64_t)parcel->ns - sf_unpack_number(&u));
    sf_unpack_octets(&u, &syn, SYN_OCTETS);
    if (flags & HAS_TIMESTAMP)
        sf_unpack_octets(&u, &seg->options.ts_val, sizeof seg->options.ts_val);
    if (flags & HAS_PLACE)
        sf_unpack_octets(&u, &place, sizeof place);
    seg->dir = flags & IS_FROM_1 ? SF_FROM_1 : SF_FROM_0;
    seg->seq = sf_seq_of(syn.seq);
    seg->flags = (uint16_t)(SF_TH_SYN | (syn.ecn & (SF_TH_ECE | SF_TH_CWR)));
    seg->window = syn.window;
    seg->checksum = syn.checksum;
    seg->ip_bytes = syn.ip_bytes;
    seg->ip_id = syn.ip_id;
    seg->ttl = syn.ttl;
    seg->ip_ecn = syn.ecn & ECN_IP_MASK;
    seg->interface = place.interface;
    seg->vlan_count = (uint8_t)place.vlan_count;
    memcpy(seg->vlan, place.vlan, sizeof seg->vlan);
    seg->options.present = syn.options;
    seg->options.mss = syn.mss;
    seg->options.wscale = syn.wscale;
    *is_tested = (flags & IS_TESTED) != 0;
    return id;
}

/* --- what has no fixed size ------------------------------------------------------------------ */

/* States of a change in one octet, all else in another; packet and time, as spans since the change
 * before, only where they are other ones. */
enum { CAUSE_MASK = 0x1f, DIR_SHIFT = 5, IS_PROVED = 0x40, IS_ELSEWHERE = 0x80 };

static struct sf_change first_before(const struct sf_flow *flow)
{
    return (struct sf_change){.packet = flow->first_packet, .ts_ns = flow->first_ns};
}

static void pack_change(struct sf_packer *p, const struct sf_change *change,
                        const struct sf_change *before)
{
    bool is_elsewhere = change->packet != before->packet || change->ts_ns != before->ts_ns;
    unsigned rest = change->cause | (unsigned)change->dir << DIR_SHIFT |
                    (change->proved ? IS_PROVED : 0u) | (is_elsewhere ? IS_ELSEWHERE : 0u);
    const uint8_t octets[] = {(uint8_t)(change->from << 4 | change->to), (uint8_t)rest};
    sf_pack_octets(p, octets, sizeof octets);
    if (!is_elsewhere)
        return;
    sf_pack_number(p, sf_zigzag((int64_t)(change->packet - before->packet)));
    sf_pack_number(p, sf_zigzag((int64_t)((uint64_t)change->ts_ns - (uint64_t)before->ts_ns)));
}

static struct sf_change unpack_change(struct sf_unpacker *u, const struct sf_change *before)
{
    unsigned states = *u->at++, rest = *u->at++;
    struct sf_change change = {.packet = before->packet,
                               .ts_ns = before->ts_ns,
                               .dir = rest >> DIR_SHIFT & 1,
                               .from = (uint8_t)(states >> 4),
                               .to = states & 0x0f,
                               .cause = rest & CAUSE_MASK,
                               .proved = (rest & IS_PROVED) != 0};
    if (rest & IS_ELSEWHERE) {
        change.packet += (uint64_t)sf_unzigzag(sf_unpack_number(u));
        change.ts_ns = (sf_ns)((uint64_t)change.ts_ns + (uint64_t)sf_unzigzag(sf_unpack_number(u)));
    }
    return change;
}

static void pack_changes(struct sf_packer *p, const struct sf_flow *flow)
{
    const struct sf_change first = first_before(flow), *before = &first;
    for (unsigned i = 0; i < flow->change_count; before = &flow->changes[i++])
        pack_change(p, &flow->changes[i], before);
}

static void unpack_changes(struct sf_unpacker *u, const struct sf_flow *flow,
                           struct sf_change *changes)
{
    const struct sf_change first = first_before(flow), *before = &first;
    for (unsigned i = 0; i < flow->change_count; before = &changes[i++])
        changes[i] = unpack_change(u, before);
}
_Static_assert(SF_STATE_COUNT <= 16 && SF_CAUSE_COUNT <= CAUSE_MASK + 1, "two octets do");

/* IP-ID, checksum and TTL, as they lie. */
enum { SENT_TOLD = offsetof(struct sf_sent, ttl) + 1 - offsetof(struct sf_sent, ip_id) };

static void pack_sent(struct sf_packer *p, const struct sf_endpoint *ep, sf_ns base)
{
    for (unsigned i = 0; i < ep->sent_count; i++) {
        const struct sf_sent *sent = &ep->sent[(ep->sent_head + i) & (ep->sent_capacity - 1u)];
        sf_pack_number(p, sf_zigzag(sent->begin));
        sf_pack_number(p, sf_zigzag(sent->end - sent->begin));
        sf_pack_number(p, sf_time_shrink(sent->ts_ns, base));
        sf_pack_number(p, sent->times);
        sf_pack_octets(p, &sent->ip_id, SENT_TOLD);
    }
}

static void unpack_sent(struct sf_unpacker *u, struct sf_sent *out, unsigned count, sf_ns base)
{
    for (unsigned i = 0; i < count; i++) {
        struct sf_sent *sent = &out[i];
        sent->begin = sf_unzigzag(sf_unpack_number(u));
        sent->end = sent->begin + sf_unzigzag(sf_unpack_number(u));
        sent->ts_ns = sf_time_grow(sf_unpack_number(u), base);
        sent->times = (uint16_t)sf_unpack_number(u);
        sf_unpack_octets(u, &sent->ip_id, SENT_TOLD);
    }
}

/* All else that samples hold follows from the values in their order. */
static void pack_samples(struct sf_packer *p, const struct sf_samples *samples)
{
    const sf_ns *values = sf_samples_values(samples);
    sf_pack_number(p, values == NULL ? 0 : samples->count);
    for (uint64_t i = 0; values != NULL && i < samples->count; i++)
        sf_pack_number(p, (uint64_t)values[i]);
}

/* Returns the first one, 0 when there is none. */
static sf_ns unpack_samples(struct sf_unpacker *u, struct sf_rooms *rooms,
                            struct sf_samples *samples)
{
    sf_ns first = 0;
    uint64_t count = sf_unpack_number(u);
    sf_ns *values = count == 0 ? NULL : sf_samples_make(rooms, samples, count);
    for (uint64_t i = 0; i < count; i++) {
        sf_ns value = (sf_ns)sf_unpack_number(u);
        if (i == 0)
            first = value;
        if (values != NULL)
            values[i] = value;
    }
    return first;
}

enum { SLOT_NONE, SLOT_AT_ADDRESS, SLOT_PACKED };

static void pack_slot(struct sf_packer *p, const struct sf_flow *flow,
                      const struct sf_slot_keeper *keeper)
{
    uint8_t *kind = p->at;
    sf_pack_number(p, SLOT_PACKED);
    if (flow->view != NULL && keeper->pack(keeper->self, flow, p))
        return;
    p->at = kind;
    sf_pack_number(p, flow->view == NULL ? SLOT_NONE : SLOT_AT_ADDRESS);
    if (flow->view != NULL)
        sf_pack_octets(p, &flow->view, sizeof flow->view);
}

static void unpack_slot(struct sf_unpacker *u, struct sf_flow *flow,
                        const struct sf_slot_keeper *keeper)
{
    uint64_t kind = sf_unpack_number(u);
    if (kind == SLOT_AT_ADDRESS)
        sf_unpack_octets(u, &flow->view, sizeof flow->view);
    else if (kind == SLOT_PACKED)
        flow->view = keeper->unpack(keeper->self, flow, u);
}

_Static_assert(sizeof(struct sf_flow) <= SF_PACK_STRUCT_MAX, "packed whole");

/* --- the whole ------------------------------------------------------------------------------- */

static void cut_end(struct sf_endpoint *ep)
{
    if (ep->hole_count == 0) {
        ep->holes = NULL;
        ep->hole_capacity = ep->hole_head = 0;
    }
    if (ep->sent_count <= SENT_MAX) {
        ep->sent = NULL;
        ep->sent_head = ep->sent_capacity = 0;
    }
    if (sf_samples_values(&ep->rtt) != NULL)
        ep->rtt = (struct sf_samples){0};
    if (sf_samples_values(&ep->response) != NULL)
        ep->response = (struct sf_samples){0};
}

/* A copy of the flow without what is packed elsewhere. */
static void cut(const struct sf_flow *flow, uint64_t now_packet, struct sf_flow *out)
{
    *out = *flow;
    memset(&out->key, 0, sizeof out->key);
    out->hash = out->id = out->last_packet = 0;
    out->touched_ns = 0;
    out->view = NULL;
    out->older = out->newer = NULL;
    if (flow->change_count <= CHANGES_MAX) {
        out->changes = NULL;
        out->change_capacity = 0;
    }
    if (flow->note_count <= NOTES_MAX) {
        out->notes = NULL;
        out->note_capacity = 0;
    }
    for (int dir = 0; dir < SF_DIR_COUNT; dir++) {
        cut_end(&out->ep[dir]);
        if (flow->pending == NULL && sf_duplicate_is_out_of_reach(flow, now_packet))
            sf_duplicate_forget(&out->ep[dir]);
    }
}

/* What lies at an address belongs to the parcel from now on. */
static void disown(struct sf_flow *flow)
{
    for (int dir = 0; dir < SF_DIR_COUNT; dir++) {
        struct sf_endpoint *ep = &flow->ep[dir];
        ep->resent = NULL;
        ep->copies = NULL;
        if (ep->hole_count > 0)
            ep->holes = NULL;
        if (ep->sent_count > SENT_MAX)
            ep->sent = NULL;
        if (sf_samples_values(&ep->rtt) == NULL)
            ep->rtt = (struct sf_samples){0};
        if (sf_samples_values(&ep->response) == NULL)
            ep->response = (struct sf_samples){0};
    }
    flow->pending = NULL;
    if (flow->change_count > CHANGES_MAX)
        flow->changes = NULL;
    if (flow->note_count > NOTES_MAX)
        flow->notes = NULL;
}

void sf_flow_pack(struct sf_packer *p, struct sf_flow *flow, uint64_t now_packet,
                  const struct sf_slot_keeper *keeper)
{
    struct sf_flow small;
    cut(flow, now_packet, &small);
    unsigned form = form_of(&flow->key), waiting = flow->pending != NULL ? HAS_WAITING : 0;
    sf_pack_octets(p, &(uint8_t){(uint8_t)(form | waiting)}, 1);
    pack_key(p, &flow->key, form);
    sf_pack_number(p, flow->id);
    sf_numbers_pack(p, &small, flow, flow->touched_ns);
    for (int dir = 0; dir < SF_DIR_COUNT; dir++) {
        const struct sf_endpoint *ep = &flow->ep[dir];
        if (small.ep[dir].sent == NULL)
            pack_sent(p, ep, flow->touched_ns);
        pack_samples(p, &ep->rtt);
        pack_samples(p, &ep->response);
    }
    if (small.changes == NULL)
        pack_changes(p, flow);
    for (unsigned i = 0; small.notes == NULL && i < flow->note_count; i++)
        sf_pack_struct(p, &flow->notes[i], sizeof flow->notes[i]);
    pack_slot(p, flow, keeper);
    assert(!p->is_full);
    disown(flow);
}

/* An array as it was unpacked, with how many are in it, and what the flow says of its own. */
struct array {
    const void *items;
    size_t size; /* of an item */
    uint16_t *count, *capacity;
};

/* The flow's array. Without memory the connection forgets what it held. */
static void *restore(struct sf_rooms *rooms, const struct array *a)
{
    unsigned need = 2;
    while (need < *a->count)
        need *= 2;
    void *array = *a->count == 0 ? NULL : sf_rooms_take(rooms, need * a->size);
    *a->capacity = array == NULL ? 0 : (uint16_t)need;
    if (array == NULL)
        *a->count = 0;
    else
        memcpy(array, a->items, *a->count * a->size);
    return array;
}

static void grow_sent(struct sf_unpacker *u, struct sf_rooms *rooms, struct sf_endpoint *ep,
                      sf_ns base)
{
    struct sf_sent sent[SENT_MAX];
    if (ep->sent != NULL)
        return;
    unpack_sent(u, sent, ep->sent_count, base);
    ep->sent =
        restore(rooms, &(struct array){sent, sizeof *sent, &ep->sent_count, &ep->sent_capacity});
}

static void grow_changes(struct sf_unpacker *u, struct sf_rooms *rooms, struct sf_flow *flow)
{
    struct sf_change changes[CHANGES_MAX];
    if (flow->changes != NULL)
        return;
    unpack_changes(u, flow, changes);
    flow->changes = restore(rooms, &(struct array){changes, sizeof *changes, &flow->change_count,
                                                   &flow->change_capacity});
}

static void grow_notes(struct sf_unpacker *u, struct sf_rooms *rooms, struct sf_flow *flow)
{
    struct sf_noted notes[NOTES_MAX];
    if (flow->notes != NULL)
        return;
    memset(notes, 0, flow->note_count * sizeof *notes);
    for (unsigned i = 0; i < flow->note_count; i++)
        sf_unpack_struct(u, &notes[i], sizeof notes[i]);
    flow->notes = restore(
        rooms, &(struct array){notes, sizeof *notes, &flow->note_count, &flow->note_capacity});
}

void sf_flow_unpack(const struct sf_parcel *parcel, struct sf_rooms *rooms, struct sf_flow *flow,
                    const struct sf_slot_keeper *keeper)
{
    struct sf_unpacker u = {parcel->octets + 1};
    struct sf_flow *older = flow->older, *newer = flow->newer; /* its place in the table */
    struct sf_flow_key key;
    sf_ns first_rtts[SF_DIR_COUNT];
    unpack_key(&u, parcel->octets[0] & FORM_MASK, &key);
    uint64_t id = sf_unpack_number(&u);
    sf_numbers_unpack(&u, flow);
    flow->key = key;
    flow->hash = parcel->hash;
    flow->id = id;
    flow->last_packet = parcel->packet;
    flow->touched_ns = parcel->ns;
    flow->older = older;
    flow->newer = newer;
    for (int dir = 0; dir < SF_DIR_COUNT; dir++) {
        struct sf_endpoint *ep = &flow->ep[dir];
        grow_sent(&u, rooms, ep, parcel->ns);
        first_rtts[dir] = unpack_samples(&u, rooms, &ep->rtt);
        unpack_samples(&u, rooms, &ep->response);
    }
    sf_numbers_grow(flow, first_rtts, parcel->ns);
    grow_changes(&u, rooms, flow);
    grow_notes(&u, rooms, flow);
    if (keeper != NULL)
        unpack_slot(&u, flow, keeper);
}
