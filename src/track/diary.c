/* A segment of a usual connection is told by a few differences from those before it. Entries have
 * one form: what does not fit into it is not noted, and the connection is looked at in full. */
#include "diary.h"

#include <string.h>

#include "parcel.h"

enum marks { OPENER = 1, ANSWERED = 2, ESTABLISHED = 4, FIN_OF_0 = 8, FIN_OF_1 = 16 };

/* Beside the eight lowest flags. */
enum {
    FLAGS = 0xff,
    IS_FROM_1 = 0x100,
    IS_TESTED = 0x200,
    IS_CAPTURED = 0x400, /* its payload */
    HAS_TIMESTAMPS = 0x800,
    ECN_SHIFT = 12,
};

_Static_assert(SF_DIARY_OPEN == 112 && SF_DIARY_CLOSED == 84 && SF_DIARY_ENTRY == 24, "no padding");

static enum sf_dir opener_of(const struct sf_diary *diary)
{
    return diary->marks & OPENER ? SF_FROM_1 : SF_FROM_0;
}

static unsigned fin_of(enum sf_dir dir)
{
    return dir == SF_FROM_0 ? FIN_OF_0 : FIN_OF_1;
}

bool sf_diary_is_established(const struct sf_diary *diary)
{
    return diary->marks & ESTABLISHED;
}

bool sf_diary_is_closed(const struct sf_diary *diary)
{
    const unsigned both = FIN_OF_0 | FIN_OF_1;
    return (diary->marks & both) == both && diary->acked[0] == diary->next[1] &&
           diary->acked[1] == diary->next[0];
}

static uint32_t headers_of(const struct sf_segment *seg)
{
    return seg->ip_bytes - seg->payload_len;
}

static bool has_timestamps(const struct sf_segment *seg)
{
    return sf_segment_has(seg, SF_OPT_HAS_TIMESTAMPS);
}

/* How long after the one before a segment came, and how many packets: one number. */
enum { PACKET_BITS = 24, TIME_BITS = 40 };

static uint64_t gap_between(const struct sf_diary_before *before, const struct sf_segment *seg)
{
    uint64_t ns = (uint64_t)seg->ts_ns - (uint64_t)before->ts_ns;
    return ns << PACKET_BITS | (seg->packet - before->packet);
}

static bool fits_gap(const struct sf_diary_before *before, const struct sf_segment *seg)
{
    uint64_t ns = (uint64_t)seg->ts_ns - (uint64_t)before->ts_ns;
    return ns >> TIME_BITS == 0 && (seg->packet - before->packet) >> PACKET_BITS == 0;
}

/* Hardly anything of other connections was between. */
static bool is_right_after(const struct sf_diary_before *before, const struct sf_segment *seg)
{
    enum { NEAR = 64 };
    return seg->packet - before->packet < NEAR;
}

static void pass_gap(struct sf_segment *seg, uint64_t gap)
{
    seg->ts_ns += (sf_ns)(gap >> PACKET_BITS);
    seg->packet += gap & ((UINT64_C(1) << PACKET_BITS) - 1);
}

/* --- what may follow -------------------------------------------------------------------------- */

static bool is_plain(const struct sf_diary *diary, const struct sf_segment *seg)
{
    const unsigned flags = SF_TH_FIN | SF_TH_SYN | SF_TH_PSH | SF_TH_ACK | SF_TH_ECE | SF_TH_CWR;
    return (seg->flags & ~flags) == 0 && (seg->flags & SF_TH_ACK) && seg->urgent == 0 &&
           seg->payload_beyond_frame == 0 && !seg->from_fragments && !seg->length_guessed &&
           seg->tunnel_count == 0 && seg->interface == diary->interface &&
           seg->vlan_count == diary->vlan_count &&
           memcmp(seg->vlan, diary->vlan, sizeof seg->vlan) == 0;
}

static bool may_answer(const struct sf_diary *diary, const struct sf_segment *seg)
{
    return !(diary->marks & ANSWERED) && seg->dir != opener_of(diary) &&
           !(seg->flags & (SF_TH_FIN | SF_TH_PSH)) && seg->payload_len == 0 &&
           (seg->options.present & ~(unsigned)SF_SYN_OPTIONS) == 0 &&
           headers_of(seg) <= UINT8_MAX &&
           (!has_timestamps(seg) || seg->options.ts_ecr == diary->ts_val[opener_of(diary)]) &&
           seg->ack.n == diary->next[opener_of(diary)];
}

static bool fits_entry(const struct sf_diary *diary, const struct sf_segment *seg)
{
    enum sf_dir dir = seg->dir;
    uint32_t headers = headers_of(seg);
    bool fits_times = !has_timestamps(seg) ||
                      (seg->options.ts_val - diary->ts_val[dir] <= UINT16_MAX &&
                       diary->ts_val[sf_dir_other(dir)] - seg->options.ts_ecr <= UINT16_MAX);
    return fits_times && (seg->options.present & ~(unsigned)SF_OPT_HAS_TIMESTAMPS) == 0 &&
           seg->payload_len <= UINT16_MAX &&
           diary->next[sf_dir_other(dir)] - seg->ack.n <= UINT16_MAX &&
           seg->ttl == diary->syn[dir].ttl &&
           (diary->headers[dir] == 0 ? headers <= UINT8_MAX : headers == diary->headers[dir]);
}

/* The next octets or none, and an acknowledgement of what the peer has sent. What says nothing new
 * may be a copy, or ask for something. */
static bool may_go_on(const struct sf_diary *diary, const struct sf_segment *seg)
{
    enum sf_dir dir = seg->dir;
    uint32_t newly = seg->ack.n - diary->acked[dir];
    bool must_acknowledge = dir == opener_of(diary) && !sf_diary_is_established(diary);
    bool says_more = seg->payload_len > 0 || (seg->flags & SF_TH_FIN);
    return (diary->marks & ANSWERED) && seg->seq.n == diary->next[dir] &&
           newly <= diary->next[sf_dir_other(dir)] - diary->acked[dir] &&
           (newly > 0 || (says_more && !must_acknowledge));
}

/* FINs that do not cross, once each, with nothing behind them. */
static bool may_close(const struct sf_diary *diary, const struct sf_segment *seg)
{
    enum sf_dir dir = seg->dir, other = sf_dir_other(seg->dir);
    bool is_fin = seg->flags & SF_TH_FIN, has_fin = diary->marks & fin_of(dir);
    bool is_second = is_fin && (diary->marks & fin_of(other));
    return (!has_fin || (!is_fin && seg->payload_len == 0)) &&
           (!is_fin || sf_diary_is_established(diary)) &&
           (!is_second || seg->ack.n == diary->next[other]);
}

bool sf_diary_may_follow(const struct sf_diary *diary, const struct sf_segment *seg,
                         const struct sf_diary_before *before)
{
    if (!is_plain(diary, seg) || !fits_gap(before, seg))
        return false;
    if (seg->flags & SF_TH_SYN)
        return may_answer(diary, seg);
    return may_go_on(diary, seg) && fits_entry(diary, seg) && may_close(diary, seg);
}

/* --- writing ---------------------------------------------------------------------------------- */

static unsigned bits_of(const struct sf_segment *seg, bool is_tested)
{
    return seg->flags | (seg->dir == SF_FROM_1 ? IS_FROM_1 : 0u) | (is_tested ? IS_TESTED : 0u) |
           (seg->payload_cap >= seg->payload_len ? IS_CAPTURED : 0u) |
           (has_timestamps(seg) ? HAS_TIMESTAMPS : 0u) | (unsigned)seg->ip_ecn << ECN_SHIFT;
}

static void note_syn(struct sf_diary *diary, const struct sf_segment *seg, bool is_tested)
{
    enum sf_dir dir = seg->dir;
    diary->syn[dir] = (struct sf_diary_syn){.ts_val = seg->options.ts_val,
                                            .window = seg->window,
                                            .checksum = seg->checksum,
                                            .ip_id = seg->ip_id,
                                            .options = seg->options.present,
                                            .mss = seg->options.mss,
                                            .bits = (uint16_t)bits_of(seg, is_tested),
                                            .ttl = seg->ttl,
                                            .wscale = seg->options.wscale,
                                            .headers = (uint8_t)headers_of(seg)};
    diary->iss[dir] = diary->acked[sf_dir_other(dir)] = seg->seq.n;
    diary->next[dir] = seg->seq.n + 1;
    diary->ts_val[dir] = has_timestamps(seg) ? seg->options.ts_val : 0;
    diary->tested[dir] = is_tested;
}

struct sf_diary sf_diary_begun(const struct sf_segment *syn, bool is_tested)
{
    struct sf_diary diary = {.first_ns = syn->ts_ns,
                             .first_packet = syn->packet,
                             .interface = syn->interface,
                             .vlan = {syn->vlan[0], syn->vlan[1]},
                             .vlan_count = syn->vlan_count,
                             .marks = syn->dir == SF_FROM_1 ? OPENER : 0};
    note_syn(&diary, syn, is_tested);
    return diary;
}

static void go_on(struct sf_diary *diary, const struct sf_segment *seg, bool is_tested)
{
    enum sf_dir dir = seg->dir;
    diary->next[dir] = seg->seq.n + sf_segment_seq_len(seg);
    diary->acked[dir] = seg->ack.n;
    if (has_timestamps(seg))
        diary->ts_val[dir] = seg->options.ts_val;
    diary->headers[dir] = (uint8_t)headers_of(seg);
    diary->tested[dir] = (uint8_t)(diary->tested[dir] + is_tested);
    diary->marks |= (uint8_t)(seg->flags & SF_TH_FIN ? fin_of(dir) : 0);
    diary->marks |= dir == opener_of(diary) ? ESTABLISHED : 0;
    diary->count++;
}

bool sf_diary_note(struct sf_diary *diary, const struct sf_segment *seg,
                   const struct sf_diary_before *before, bool is_tested, struct sf_diary_entry *out)
{
    enum sf_dir dir = seg->dir, other = sf_dir_other(seg->dir);
    if (seg->flags & SF_TH_SYN) {
        diary->answer = gap_between(before, seg);
        note_syn(diary, seg, is_tested);
        diary->acked[dir] = seg->ack.n;
        diary->marks |= ANSWERED;
        return false;
    }
    *out = (struct sf_diary_entry){
        .gap = gap_between(before, seg),
        .payload_len = (uint16_t)seg->payload_len,
        .window = seg->window,
        .checksum = seg->checksum,
        .ip_id = seg->ip_id,
        .behind = (uint16_t)(diary->next[other] - seg->ack.n),
        .ts_val = (uint16_t)(seg->options.ts_val - diary->ts_val[dir]),
        .ts_ecr = (uint16_t)(diary->ts_val[other] - seg->options.ts_ecr),
        .bits = (uint16_t)bits_of(seg, is_tested),
    };
    go_on(diary, seg, is_tested);
    diary->in_a_row = (uint8_t)(diary->in_a_row + is_right_after(before, seg));
    return true;
}

/* --- reading ---------------------------------------------------------------------------------- */

static void read_bits(struct sf_diary_reader *reader, unsigned bits)
{
    struct sf_segment *seg = &reader->seg;
    seg->dir = bits & IS_FROM_1 ? SF_FROM_1 : SF_FROM_0;
    seg->flags = bits & FLAGS;
    seg->ip_ecn = bits >> ECN_SHIFT & 3;
    reader->is_tested = bits & IS_TESTED;
    reader->segments++;
}

/* What the next segments are told from. */
static void move_on(struct sf_diary_reader *reader)
{
    const struct sf_segment *seg = &reader->seg;
    reader->next[seg->dir] = seg->seq.n + sf_segment_seq_len(seg);
    if (has_timestamps(seg))
        reader->ts_val[seg->dir] = seg->options.ts_val;
}

static void read_syn(struct sf_diary_reader *reader, enum sf_dir dir)
{
    enum sf_dir other = sf_dir_other(dir);
    const struct sf_diary_syn *syn = &reader->diary->syn[dir];
    struct sf_segment *seg = &reader->seg;
    bool is_answer = syn->bits & SF_TH_ACK;
    read_bits(reader, syn->bits);
    seg->seq = sf_seq_of(reader->diary->iss[dir]);
    seg->ack = sf_seq_of(is_answer ? reader->next[other] : 0);
    seg->window = syn->window;
    seg->checksum = syn->checksum;
    seg->ip_id = syn->ip_id;
    seg->ttl = syn->ttl;
    seg->ip_bytes = syn->headers;
    seg->options = (struct sf_tcp_options){.present = syn->options,
                                           .mss = syn->mss,
                                           .wscale = syn->wscale,
                                           .ts_val = syn->ts_val,
                                           .ts_ecr = is_answer ? reader->ts_val[other] : 0};
    move_on(reader);
}

void sf_diary_read_first(struct sf_diary_reader *reader, const struct sf_diary *diary,
                         const uint8_t *entries, const struct sf_flow_key *key, uint64_t hash)
{
    enum { TCP_HEADER_MIN = 20 }; /* none of it is captured */
    *reader = (struct sf_diary_reader){.diary = diary,
                                       .at = entries,
                                       .seg = {.key = *key,
                                               .hash = hash,
                                               .ts_ns = diary->first_ns,
                                               .packet = diary->first_packet,
                                               .interface = diary->interface,
                                               .vlan = {diary->vlan[0], diary->vlan[1]},
                                               .vlan_count = diary->vlan_count,
                                               .tcp_header_len = TCP_HEADER_MIN}};
    read_syn(reader, opener_of(diary));
}

static void read_entry(struct sf_diary_reader *reader)
{
    struct sf_diary_entry entry;
    struct sf_segment *seg = &reader->seg;
    memcpy(&entry, reader->at, sizeof entry);
    reader->at += sizeof entry;
    pass_gap(seg, entry.gap);
    read_bits(reader, entry.bits);
    enum sf_dir dir = seg->dir, other = sf_dir_other(dir);
    bool has_times = entry.bits & HAS_TIMESTAMPS;
    seg->seq = sf_seq_of(reader->next[dir]);
    seg->ack = sf_seq_of(reader->next[other] - entry.behind);
    seg->payload_len = entry.payload_len;
    seg->payload_cap = entry.bits & IS_CAPTURED ? entry.payload_len : 0;
    seg->ip_bytes = (uint32_t)reader->diary->headers[dir] + entry.payload_len;
    seg->window = entry.window;
    seg->checksum = entry.checksum;
    seg->ip_id = entry.ip_id;
    seg->ttl = reader->diary->syn[dir].ttl;
    seg->options.present = has_times ? SF_OPT_HAS_TIMESTAMPS : 0;
    seg->options.ts_val = has_times ? reader->ts_val[dir] + entry.ts_val : 0;
    seg->options.ts_ecr = has_times ? reader->ts_val[other] - entry.ts_ecr : 0;
    seg->options.mss = 0;
    seg->options.wscale = 0;
    move_on(reader);
}

bool sf_diary_read_next(struct sf_diary_reader *reader)
{
    const struct sf_diary *diary = reader->diary;
    unsigned syns = diary->marks & ANSWERED ? 2 : 1;
    if (reader->segments >= syns + diary->count)
        return false;
    if (reader->segments >= syns) {
        read_entry(reader);
        return true;
    }
    pass_gap(&reader->seg, diary->answer);
    read_syn(reader, sf_dir_other(opener_of(diary)));
    return true;
}
