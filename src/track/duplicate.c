/* One packet captured more than once (mirror port, several interfaces, both sides of a router) is
 * told from a packet sent again: same numbers, same IP-ID or same octets and timestamps, within a
 * millisecond; what waited in a router's or a mirror's queue, sooner than it could be sent again.
 */
#include "track_internal.h"

#include <stdlib.h>
#include <string.h>

static const sf_ns DUPLICATE_NS = SF_MSEC, QUEUED_NS = 100 * SF_MSEC;

/* A print tells packets apart by their numbers; its lowest bits are 0. With it there is the place
 * where the packet was captured. A sighting is when that was, by the lowest bits of the clock, and
 * what a copy cannot have otherwise: checksum and TTL. */
enum { PLACE_BITS = 16, PLACE_MASK = (1 << PLACE_BITS) - 1, CHECKSUM_BITS = 16, TTL_BITS = 8 };
enum { REST_BITS = CHECKSUM_BITS + TTL_BITS };

static uint64_t place_of(const struct sf_segment *seg)
{
    enum { ODD = 0x9e35 }; /* interfaces and VLANs that make the same sum are not to be met with */
    return ((uint32_t)seg->interface * ODD + seg->vlan[0]) & PLACE_MASK;
}

static uint64_t sighting_of(const struct sf_segment *seg)
{
    return (uint64_t)seg->ts_ns << REST_BITS | (uint64_t)seg->checksum << TTL_BITS | seg->ttl;
}

/* Time from the sighting to the segment; it comes round in 18 minutes. */
static sf_ns gap_to(uint64_t sighting, const struct sf_segment *seg)
{
    uint64_t begin = sighting >> REST_BITS << REST_BITS;
    return (sf_ns)(((uint64_t)seg->ts_ns << REST_BITS) - begin) / (1 << REST_BITS);
}

static bool is_doubled(const struct sf_turn *turn)
{
    return turn->snd->capture_duplicates > 0 || turn->rcv->capture_duplicates > 0;
}

/* The sender's IP-ID is a count that has gone further. */
static bool is_behind(const struct sf_turn *turn)
{
    enum { NEAR = 1024 };
    uint16_t behind = (uint16_t)(turn->snd->last.ip_id - turn->seg->ip_id);
    return behind > 0 && behind < NEAR;
}

/* Whether a packet with that TTL, captured so long before, may be the same. A router, a mirror that
 * is known to copy, the network keep it for as long as their queues are, yet what is sent again by
 * timeout comes later (Linux TCP_RTO_MIN), and under an IP-ID of its own where they are counted;
 * without an IP-ID a host may have sent another one meanwhile. */
static bool is_soon(const struct sf_turn *turn, uint8_t ttl, sf_ns gap)
{
    const struct sf_segment *seg = turn->seg;
    bool is_old = seg->ttl < ttl || is_doubled(turn) || is_behind(turn);
    bool may_queue = seg->ip_id != 0 && gap > 0 && is_old;
    return gap >= -DUPLICATE_NS && gap <= (may_queue ? QUEUED_NS : DUPLICATE_NS);
}

/* With an IP-ID the sender would have numbered a new packet anew. Without, nothing of the peer may
 * lie between: then no sender repeats octets, a SYN or a FIN so soon. Bare ACKs and SYN-ACKs it may
 * repeat (duplicate ACKs; by timer and in answer): they are copies where others are known to be. */
static bool may_be_copy(const struct sf_turn *turn, unsigned place)
{
    const struct sf_segment *seg = turn->seg;
    uint64_t sighting = turn->snd->sightings[place];
    uint8_t ttl = (uint8_t)sighting;
    uint16_t checksum = (uint16_t)(sighting >> TTL_BITS);
    if ((turn->snd->prints[place] & PLACE_MASK) != place_of(seg))
        return true; /* the checksum may differ: a bridge completes it for a port without offload */
    if (seg->ttl > ttl || seg->checksum != checksum)
        return false;
    if (seg->ip_id != 0)
        return true;
    if (turn->flow->last_dir != turn->dir)
        return false;
    bool syn_ack = (seg->flags & (SF_TH_SYN | SF_TH_ACK)) == (SF_TH_SYN | SF_TH_ACK);
    return (sf_segment_seq_len(seg) > 0 && !syn_ack) || is_doubled(turn);
}

static void remember_copy(struct sf_turn *turn)
{
    struct sf_endpoint *snd = turn->snd;
    const struct sf_segment *seg = turn->seg;
    bool is_probe = snd->last.is_keep_alive || snd->last.is_probe; /* its octet was there before */
    if (seg->payload_len == 0 || !snd->has_base || is_probe)
        return;
    if (snd->copies == NULL)
        snd->copies = calloc(SF_COPIES_MAX, sizeof *snd->copies);
    if (snd->copies == NULL)
        return;
    sf_offset begin = sf_offset_of(snd, seg->seq, snd->snd_nxt) + ((seg->flags & SF_TH_SYN) != 0);
    snd->copies[snd->copy_next] = (struct sf_copy){.begin = begin,
                                                   .end = begin + seg->payload_len,
                                                   .ip_bytes = seg->ip_bytes,
                                                   .payload_len = seg->payload_len,
                                                   .flags = seg->flags,
                                                   .ts_ns = seg->ts_ns};
    snd->copy_next = (uint8_t)((snd->copy_next + 1u) % SF_COPIES_MAX);
}

/* The copy that a D-SACK tells of: its octets, captured just now. NULL: none. */
static struct sf_copy *find_copy(const struct sf_turn *turn, sf_offset begin, sf_offset end)
{
    for (size_t i = 0; turn->rcv->copies != NULL && i < SF_COPIES_MAX; i++) {
        struct sf_copy *copy = &turn->rcv->copies[i];
        if (copy->ip_bytes > 0 && copy->begin >= begin && copy->end <= end &&
            turn->seg->ts_ns - copy->ts_ns <= SF_SEC)
            return copy;
    }
    return NULL;
}

void sf_duplicate_on_network(struct sf_turn *turn, sf_offset begin, sf_offset end)
{
    struct sf_endpoint *rcv = turn->rcv;
    struct sf_copy *copy = find_copy(turn, begin, end);
    if (copy == NULL)
        return;
    rcv->capture_duplicates--;
    turn->tracker->totals.capture_duplicates--;
    rcv->packets++;
    rcv->ip_bytes += copy->ip_bytes;
    rcv->data_packets++;
    rcv->payload_bytes += copy->payload_len;
    rcv->without_ack += (copy->flags & SF_TH_ACK) == 0;
    rcv->pushes += (copy->flags & SF_TH_PSH) != 0;
    *copy = (struct sf_copy){0};
    int dir = (int)sf_dir_other(turn->dir);
    struct sf_noted *noted = sf_noted_find(turn->flow, SF_ANOMALY_CAPTURE_DUPLICATE, dir);
    if (noted != NULL && --noted->count == 0)
        sf_note_drop(turn->flow, SF_ANOMALY_CAPTURE_DUPLICATE, dir);
}

/* Eight or four octets of the segment from `at` on, as a number; their order does not count. */

static inline uint64_t eight_at(const struct sf_segment *seg, size_t at)
{
    uint64_t number;
    memcpy(&number, (const char *)seg + at, sizeof number);
    return number;
}

static inline uint32_t four_at(const struct sf_segment *seg, size_t at)
{
    uint32_t number;
    memcpy(&number, (const char *)seg + at, sizeof number);
    return number;
}

/* Words times odd numbers: no two packets of one sender meet by chance. */
uint64_t sf_duplicate_print(const struct sf_segment *seg)
{
    enum {
        NUMBERS = offsetof(struct sf_segment, ack),
        WINDOW = offsetof(struct sf_segment, window),
        TIMES = offsetof(struct sf_segment, options.ts_val),
    };
    _Static_assert(offsetof(struct sf_segment, seq) == NUMBERS + 4 &&
                       offsetof(struct sf_segment, flags) == WINDOW + 2 &&
                       offsetof(struct sf_segment, options.ts_ecr) == TIMES + 4,
                   "these are read two at once");
    uint64_t numbers = eight_at(seg, NUMBERS);
    uint64_t header = (uint64_t)four_at(seg, WINDOW) << 32 | seg->payload_len;
    uint64_t rest = (uint64_t)seg->ip_id << 32 | seg->options.present;
    uint64_t h = numbers * UINT64_C(0x9e3779b97f4a7c15) + header * UINT64_C(0xbf58476d1ce4e5b9) +
                 rest * UINT64_C(0x94d049bb133111eb);
    if (sf_segment_has(seg, SF_OPT_HAS_TIMESTAMPS))
        h += eight_at(seg, TIMES) * UINT64_C(0xff51afd7ed558ccd);
    return h & ~(uint64_t)PLACE_MASK;
}

void sf_duplicate_remember(struct sf_endpoint *snd, const struct sf_segment *seg, uint64_t print)
{
    unsigned at = snd->print_next;
    snd->prints[at] = print | place_of(seg);
    snd->sightings[at] = sighting_of(seg);
    snd->print_next = (uint8_t)((at + 1u) % SF_FINGERPRINTS);
}

void sf_duplicate_forget(struct sf_endpoint *ep)
{
    memset(ep->prints, 0, sizeof ep->prints);
    memset(ep->sightings, 0, sizeof ep->sightings);
}

static bool is_copy(const struct sf_turn *turn, unsigned place, uint64_t print)
{
    if ((turn->snd->prints[place] ^ print) > PLACE_MASK || turn->snd->packets == 0)
        return false;
    uint64_t sighting = turn->snd->sightings[place];
    return is_soon(turn, (uint8_t)sighting, gap_to(sighting, turn->seg)) &&
           may_be_copy(turn, place);
}

/* Octets that are acknowledged, from a sender that counts its IP-IDs and has come further: then it
 * is no new sending, and where its TTL is lower a router had it meanwhile. */
static bool is_routed_late(const struct sf_turn *turn)
{
    const struct sf_segment *seg = turn->seg;
    const struct sf_endpoint *snd = turn->snd;
    return is_behind(turn) && seg->ttl < snd->ttl_max && seg->ts_ns - snd->last_ns <= QUEUED_NS;
}

/* Behind more packets than leave prints: octets once more. */
static bool is_copy_of_older(const struct sf_turn *turn)
{
    const struct sf_segment *seg = turn->seg;
    const struct sf_endpoint *snd = turn->snd;
    if (seg->payload_len == 0 || seg->ip_id == 0 || !snd->has_base || (seg->flags & SF_TH_SYN))
        return false;
    sf_offset begin = sf_offset_of(snd, seg->seq, snd->snd_nxt);
    sf_offset end = begin + sf_segment_seq_len(seg);
    if (end <= snd->snd_una)
        return is_routed_late(turn);
    const struct sf_sent *sent = sf_sent_find(snd, begin, end);
    return sent != NULL && sent->ip_id == seg->ip_id && sent->checksum == seg->checksum &&
           seg->ttl <= sent->ttl && is_soon(turn, sent->ttl, seg->ts_ns - sent->ts_ns);
}

static void take_copy(struct sf_turn *turn)
{
    turn->snd->capture_duplicates++;
    remember_copy(turn);
    turn->tracker->totals.capture_duplicates++;
    turn->labels |= 1u << SF_LABEL_CAPTURE_DUPLICATE;
    sf_turn_note(turn, SF_ANOMALY_CAPTURE_DUPLICATE, 0);
}

bool sf_duplicate_is(const struct sf_segment *before, const struct sf_segment *seg)
{
    return sf_duplicate_print(before) == sf_duplicate_print(seg) &&
           seg->ts_ns - before->ts_ns <= DUPLICATE_NS;
}

bool sf_duplicate_check(struct sf_turn *turn)
{
    uint64_t print = sf_duplicate_print(turn->seg);
    bool is_any = false, is_in_reach = sf_duplicate_forget_far(turn->flow, turn->seg->packet);
    for (unsigned i = 0; !is_any && i < SF_FINGERPRINTS; i++)
        is_any = is_copy(turn, i, print);
    is_any = is_any || (is_in_reach && is_copy_of_older(turn));
    if (is_any)
        take_copy(turn);
    else
        sf_duplicate_remember(turn->snd, turn->seg, print);
    return is_any;
}
