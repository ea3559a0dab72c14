/* Octets as a short program of segments between a few pairs of ends. Input: options and numbers
 * (4 octets), then steps: who and what, sequence number, acknowledgement, length and window, time
 * and options, variation (6 octets each). */
#include "program.h"

#include <string.h>

#include "synfin/bytes.h"

enum { HISTORY = 32, BURST = 8, MSS = 1460, CLIENT_PORT = 40000, SERVER_PORT = 40001 };

/* What a step does. More than 32 would not fit: 3 bits of its octet tell who. */
enum move {
    SYN,
    SYN_ACK,
    ACK,
    ACK_ALL, /* of all that the peer sent */
    DATA,
    DATA_PUSH,
    DATA_LOST, /* sent, never captured */
    DATA_LATE, /* captured after the sender's next packet of any kind */
    DATA_BURST,
    FIN,
    FIN_DATA,
    RST,
    RST_ACK,
    RST_EXACT,
    SYN_NEW, /* another initial number */
    SYN_ACK_NEW,
    SYN_DATA,
    SYN_FIN,
    AGAIN_SAME, /* the last packet, its IP-ID too */
    AGAIN_NEW,  /* with another IP-ID */
    AGAIN_OLD,  /* one of the last packets of either end */
    ACK_SACK,
    ACK_DSACK,
    ACK_ZERO_WINDOW,
    KEEP_ALIVE,
    WINDOW_PROBE,
    URGENT,
    ICMP,
    TICK,
    ANY_FLAGS,
    HANDSHAKE, /* three packets */
    CLOSE,     /* four packets */
};

struct end {
    uint32_t iss, nxt, una; /* relative numbers */
    uint32_t last_ack;
    uint16_t ip_id;
    uint32_t ts_val, ts_sent; /* the next, the latest */
};

struct flow_model {
    struct end end[SF_DIR_COUNT];
    bool has_late;
    struct sf_segment late;
    struct sf_segment history[HISTORY];
    unsigned history_count;
};

struct writer {
    struct program *out;
    struct flow_model flows[PROGRAM_FLOWS];
    uint8_t ip_version;
    sf_ns now_ns;
};

/* One step's octets. */
struct choice {
    uint8_t who, seq, ack, length, time, more;
};

static const uint32_t deltas[16] = {
    0,        0,        0,   0,     1,        (uint32_t)-1,    10,
    MSS,      0u - MSS, 100, 65535, 1u << 20, 0u - (1u << 20), (1u << 24) + 5,
    1u << 31, 3 * MSS,
};
static const uint32_t lengths[16] = {0,    1,    1,     10,    100, 536, MSS,  MSS,
                                     1448, 2920, 14600, 65000, 3,   512, 1000, 1};
static const uint16_t windows[16] = {65535, 0,   0,   1,     1460, 2920, 8192, 29200,
                                     64240, 512, 100, 65535, 1000, 3000, 5,    300};
static const sf_ns times[16] = {
    0,
    SF_USEC,
    100 * SF_USEC,
    500 * SF_USEC,
    SF_MSEC,
    1100 * SF_USEC,
    10 * SF_MSEC,
    50 * SF_MSEC,
    200 * SF_MSEC,
    210 * SF_MSEC,
    SF_SEC,
    3 * SF_SEC,
    16 * SF_SEC,
    61 * SF_SEC,
    200 * SF_SEC,
    -5 * SF_MSEC,
};

/* --- numbers ---------------------------------------------------------------------------------- */

static uint32_t sequence_of(const struct end *snd, uint8_t chosen)
{
    const uint32_t near[16] = {snd->nxt,     snd->nxt, snd->nxt,     snd->nxt,
                               snd->nxt,     snd->nxt, snd->iss,     snd->iss + 1,
                               snd->una,     snd->una, snd->nxt - 1, snd->nxt + MSS,
                               snd->una - 1, snd->nxt, snd->nxt,     snd->una + MSS};
    return near[chosen & 15] + deltas[chosen >> 4];
}

static uint32_t acknowledgement_of(const struct end *snd, const struct end *rcv, uint8_t chosen)
{
    const uint32_t near[16] = {rcv->nxt,       rcv->nxt,     rcv->nxt,       rcv->nxt,
                               rcv->nxt,       rcv->una,     rcv->una,       snd->last_ack,
                               snd->last_ack,  rcv->iss + 1, rcv->una + MSS, rcv->nxt - 1,
                               rcv->nxt - MSS, rcv->nxt,     rcv->una + 1,   0};
    return near[chosen & 15] + deltas[chosen >> 4];
}

/* --- packets ---------------------------------------------------------------------------------- */

static void set_key(const struct writer *w, unsigned flow, struct sf_flow_key *key)
{
    memset(key, 0, sizeof *key);
    key->addr[0][0] = key->addr[1][0] = 10;
    key->addr[0][3] = 1;
    key->addr[1][3] = 2;
    key->port[0] = (uint16_t)(CLIENT_PORT + 2 * flow);
    key->port[1] = SERVER_PORT;
    key->scope.ip_version = w->ip_version;
}

static void set_options(struct sf_segment *seg, struct end *snd, const struct end *rcv,
                        uint8_t chosen)
{
    struct sf_tcp_options *options = &seg->options;
    static const uint8_t scales[4] = {0, 2, 14, 15};
    bool has_timestamps = chosen & 0x80;
    if (has_timestamps) {
        options->present |= SF_OPT_HAS_TIMESTAMPS;
        options->ts_val = snd->ts_val + ((chosen & 0x40) ? (uint32_t)-10 : 0);
        options->ts_ecr = program_is_lone_syn(seg->flags) ? 0 : rcv->ts_sent;
        snd->ts_sent = options->ts_val;
        snd->ts_val += 1 + (chosen & 3u);
    }
    if (!(seg->flags & SF_TH_SYN))
        return;
    options->present |= SF_OPT_HAS_MSS | SF_OPT_HAS_SACK_PERMITTED;
    options->mss = chosen & 0x20 ? 536 : MSS;
    if (chosen & 0x10) {
        options->present |= SF_OPT_HAS_WSCALE;
        options->wscale = scales[chosen >> 2 & 3];
    }
    if (chosen & 0x02)
        options->present |= SF_OPT_HAS_FAST_OPEN;
}

static struct sf_segment segment_of(struct writer *w, const struct choice *c, unsigned flow,
                                    unsigned flags, uint32_t payload)
{
    struct flow_model *model = &w->flows[flow];
    enum sf_dir dir = c->who & 1 ? SF_FROM_1 : SF_FROM_0;
    struct end *snd = &model->end[dir], *rcv = &model->end[sf_dir_other(dir)];
    uint32_t ack = program_is_lone_syn(flags) ? 0 : acknowledgement_of(snd, rcv, c->ack);
    struct sf_segment seg = {.dir = dir,
                             .hash = flow,
                             .ts_ns = w->now_ns,
                             .seq = sf_seq_of(sequence_of(snd, c->seq)),
                             .ack = sf_seq_of(ack),
                             .flags = (uint16_t)flags,
                             .window = windows[c->length >> 4],
                             .payload_len = payload,
                             .payload_cap = payload,
                             .ip_id = c->more & 1 ? 0 : ++snd->ip_id,
                             .ttl = 64,
                             .tcp_header_len = 20};
    set_key(w, flow, &seg.key);
    set_options(&seg, snd, rcv, c->more);
    seg.ip_bytes = 40 + seg.payload_len;
    return seg;
}

/* The ends' numbers after it, captured or not. */
static void learn(struct writer *w, const struct sf_segment *seg, unsigned flow)
{
    struct end *snd = &w->flows[flow].end[seg->dir];
    struct end *rcv = &w->flows[flow].end[sf_dir_other(seg->dir)];
    uint32_t end = seg->seq.n + sf_segment_seq_len(seg);
    if (seg->flags & SF_TH_SYN) {
        snd->iss = snd->una = seg->seq.n;
        snd->nxt = end;
    }
    if (end - snd->nxt < 1u << 28)
        snd->nxt = end;
    if (!(seg->flags & SF_TH_ACK))
        return;
    snd->last_ack = seg->ack.n;
    if (seg->ack.n - rcv->una < 1u << 28)
        rcv->una = seg->ack.n;
}

static struct program_step *step_add(struct writer *w, enum program_kind kind, unsigned flow)
{
    struct program *out = w->out;
    if (out->count == PROGRAM_STEPS)
        return NULL;
    struct program_step *step = &out->steps[out->count++];
    *step = (struct program_step){.kind = kind, .flow = (uint8_t)flow, .now_ns = w->now_ns};
    return step;
}

static void capture(struct writer *w, const struct sf_segment *seg, unsigned flow)
{
    struct flow_model *model = &w->flows[flow];
    struct program_step *step = step_add(w, PROGRAM_SEGMENT, flow);
    if (step == NULL)
        return;
    step->segment = *seg;
    step->segment.ts_ns = w->now_ns;
    step->segment.packet = w->out->count;
    model->history[model->history_count++ % HISTORY] = *seg;
}

static void send(struct writer *w, const struct sf_segment *seg, unsigned flow)
{
    struct flow_model *model = &w->flows[flow];
    learn(w, seg, flow);
    capture(w, seg, flow);
    if (!model->has_late)
        return;
    model->has_late = false;
    capture(w, &model->late, flow);
}

/* --- moves ------------------------------------------------------------------------------------ */

static void send_flags(struct writer *w, const struct choice *c, unsigned flow, unsigned flags,
                       uint32_t payload)
{
    struct sf_segment seg = segment_of(w, c, flow, flags, payload);
    send(w, &seg, flow);
}

static void send_lost(struct writer *w, const struct choice *c, unsigned flow, bool is_late)
{
    struct sf_segment seg = segment_of(w, c, flow, SF_TH_ACK, lengths[c->length & 15]);
    learn(w, &seg, flow);
    w->flows[flow].has_late = is_late;
    w->flows[flow].late = seg;
}

static void send_new_iss(struct writer *w, const struct choice *c, unsigned flow, unsigned flags)
{
    struct sf_segment seg = segment_of(w, c, flow, flags, 0);
    seg.seq.n += 0x01234567u * (1u + (c->more & 15u));
    send(w, &seg, flow);
}

static void send_again(struct writer *w, const struct choice *c, unsigned flow, unsigned back,
                       bool is_new)
{
    struct flow_model *model = &w->flows[flow];
    if (model->history_count == 0)
        return;
    unsigned kept = model->history_count < HISTORY ? model->history_count : HISTORY;
    struct sf_segment seg = model->history[(model->history_count - 1 - back % kept) % HISTORY];
    if (is_new && seg.ip_id != 0)
        seg.ip_id = ++model->end[seg.dir].ip_id;
    seg.interface = c->more >> 1 & 1;
    seg.ttl = (uint8_t)(64 - (c->more >> 2 & 1));
    send(w, &seg, flow);
}

static void send_sack(struct writer *w, const struct choice *c, unsigned flow, bool is_dsack)
{
    struct sf_segment seg = segment_of(w, c, flow, SF_TH_ACK, 0);
    struct end *rcv = &w->flows[flow].end[sf_dir_other(seg.dir)];
    uint32_t length = 1 + lengths[c->length & 15];
    uint32_t begin = is_dsack ? seg.ack.n - length : rcv->nxt - length;
    seg.options.present |= SF_OPT_HAS_SACK;
    seg.options.sack_count = (uint8_t)(1 + (c->more & 1));
    seg.options.sack[0] = (struct sf_sack_block){sf_seq_of(begin), sf_seq_of(begin + length)};
    seg.options.sack[1] =
        (struct sf_sack_block){sf_seq_of(begin - MSS), sf_seq_of(begin + length + MSS)};
    send(w, &seg, flow);
}

static void send_probe(struct writer *w, const struct choice *c, unsigned flow, uint32_t payload,
                       uint32_t below)
{
    struct sf_segment seg = segment_of(w, c, flow, SF_TH_ACK, payload);
    seg.seq.n = w->flows[flow].end[seg.dir].nxt - below;
    send(w, &seg, flow);
}

static void send_exact_reset(struct writer *w, const struct choice *c, unsigned flow)
{
    struct sf_segment seg = segment_of(w, c, flow, SF_TH_RST, 0);
    seg.seq.n = w->flows[flow].end[sf_dir_other(seg.dir)].last_ack;
    send(w, &seg, flow);
}

static void send_icmp(struct writer *w, const struct choice *c, unsigned flow)
{
    struct program_step *step = step_add(w, PROGRAM_ICMP, flow);
    if (step == NULL)
        return;
    set_key(w, flow, &step->quote.key);
    step->quote.hash = flow;
    step->quote.dir = c->who & 1 ? SF_FROM_1 : SF_FROM_0;
    step->quote.seq = sf_seq_of(sequence_of(&w->flows[flow].end[step->quote.dir], c->seq));
    step->quote.has_seq = c->more & 1;
    step->quote.packet = w->out->count;
    step->quote.ts_ns = w->now_ns;
    step->quote.ip_version = w->ip_version;
    step->quote.type = 3;
    step->quote.code = c->length & 15;
}

static void send_handshake(struct writer *w, const struct choice *c, unsigned flow)
{
    struct choice next = {.who = c->who, .seq = c->seq, .length = c->length, .more = c->more};
    send_flags(w, &next, flow, SF_TH_SYN, 0);
    next.who ^= 1;
    w->now_ns += SF_MSEC;
    send_flags(w, &next, flow, SF_TH_SYN | SF_TH_ACK, 0);
    next.who ^= 1;
    next.seq = 0;
    w->now_ns += SF_MSEC;
    send_flags(w, &next, flow, SF_TH_ACK, 0);
}

static void send_close(struct writer *w, const struct choice *c, unsigned flow)
{
    static const unsigned flags[] = {SF_TH_FIN | SF_TH_ACK, SF_TH_ACK, SF_TH_FIN | SF_TH_ACK,
                                     SF_TH_ACK};
    struct choice next = {.who = c->who, .length = c->length, .more = c->more};
    for (unsigned i = 0; i < 4; i++) {
        send_flags(w, &next, flow, flags[i], 0);
        next.who ^= i != 1;
        w->now_ns += SF_MSEC;
    }
}

static void send_burst(struct writer *w, const struct choice *c, unsigned flow)
{
    for (unsigned i = 0; i < BURST; i++)
        send_flags(w, c, flow, SF_TH_ACK, lengths[c->length & 15]);
}

static void move(struct writer *w, const struct choice *c, unsigned flow)
{
    uint32_t length = lengths[c->length & 15];
    struct choice zero = *c, exact = *c;
    zero.length = 0x10; /* a window of 0 */
    exact.ack = 0;
    switch ((enum move)(c->who >> 3)) {
    case SYN: send_flags(w, c, flow, SF_TH_SYN, 0); break;
    case SYN_ACK: send_flags(w, c, flow, SF_TH_SYN | SF_TH_ACK, 0); break;
    case ACK: send_flags(w, c, flow, SF_TH_ACK, 0); break;
    case ACK_ALL: send_flags(w, &exact, flow, SF_TH_ACK, 0); break;
    case DATA: send_flags(w, c, flow, SF_TH_ACK, length); break;
    case DATA_PUSH: send_flags(w, &exact, flow, SF_TH_ACK | SF_TH_PSH, length); break;
    case DATA_LOST: send_lost(w, c, flow, false); break;
    case DATA_LATE: send_lost(w, c, flow, true); break;
    case DATA_BURST: send_burst(w, c, flow); break;
    case FIN: send_flags(w, c, flow, SF_TH_FIN | SF_TH_ACK, 0); break;
    case FIN_DATA: send_flags(w, c, flow, SF_TH_FIN | SF_TH_PSH | SF_TH_ACK, length); break;
    case RST: send_flags(w, c, flow, SF_TH_RST, c->more & 1 ? length : 0); break;
    case RST_ACK: send_flags(w, c, flow, SF_TH_RST | SF_TH_ACK, 0); break;
    case RST_EXACT: send_exact_reset(w, c, flow); break;
    case SYN_NEW: send_new_iss(w, c, flow, SF_TH_SYN); break;
    case SYN_ACK_NEW: send_new_iss(w, c, flow, SF_TH_SYN | SF_TH_ACK); break;
    case SYN_DATA: send_flags(w, c, flow, SF_TH_SYN, length); break;
    case SYN_FIN: send_flags(w, c, flow, SF_TH_SYN | SF_TH_FIN, 0); break;
    case AGAIN_SAME: send_again(w, c, flow, 0, false); break;
    case AGAIN_NEW: send_again(w, c, flow, 0, true); break;
    case AGAIN_OLD: send_again(w, c, flow, c->seq, c->more & 1); break;
    case ACK_SACK: send_sack(w, c, flow, false); break;
    case ACK_DSACK: send_sack(w, c, flow, true); break;
    case ACK_ZERO_WINDOW: send_flags(w, &zero, flow, SF_TH_ACK, 0); break;
    case KEEP_ALIVE: send_probe(w, c, flow, c->more & 1, 1); break;
    case WINDOW_PROBE: send_probe(w, c, flow, 1, 0); break;
    case URGENT: send_flags(w, c, flow, SF_TH_ACK | SF_TH_URG, length); break;
    case ICMP: send_icmp(w, c, flow); break;
    case TICK: step_add(w, PROGRAM_TICK, flow); break;
    case ANY_FLAGS: send_flags(w, c, flow, c->more, length); break;
    case HANDSHAKE: send_handshake(w, c, flow); break;
    case CLOSE: send_close(w, c, flow); break;
    }
}

/* --- the whole -------------------------------------------------------------------------------- */

static void read_head(struct writer *w, uint8_t options, uint8_t low, uint8_t high)
{
    static const uint32_t bases[16] = {
        0,    1,          0xffffffff, 0xffffff00, 0x7fffffff, 0x7fffff00, 0x80000000, 0xfffffffe,
        1000, 0x12345678, 0xfffff000, 0x7ffff000, 0xff000000, 0x01000000, 2,          0xdeadbeef};
    struct program *out = w->out;
    out->options = (struct sf_track_options){.linger_ns = (options & 1 ? 1 : 60) * SF_SEC,
                                             .idle_timeout_ns = options & 2 ? 2 * SF_SEC : 0,
                                             /* room for one connection, or for a few */
                                             .max_memory = options & 4 ? 4096 : 0,
                                             .want_events = true};
    out->bases[0][0] = bases[low & 15];
    out->bases[0][1] = bases[low >> 4];
    out->bases[1][0] = bases[high & 15];
    out->bases[1][1] = bases[high >> 4];
    w->ip_version = options & 8 ? 6 : 4;
}

void program_read(struct program *out, const uint8_t *data, size_t size)
{
    struct writer w = {.out = out, .now_ns = 1700000000 * SF_SEC};
    struct sf_reader input = sf_reader_of(data, size);
    uint8_t options, low, high;
    struct choice c;
    out->count = 0;
    for (unsigned i = 0; i < PROGRAM_FLOWS; i++)
        w.flows[i].end[0].ts_val = w.flows[i].end[1].ts_val = 1000;
    if (!sf_read_u8(&input, &options) || !sf_read_u8(&input, &low) || !sf_read_u8(&input, &high))
        return;
    read_head(&w, options, low, high);
    while (sf_read_u8(&input, &c.who) && sf_read_u8(&input, &c.seq) && sf_read_u8(&input, &c.ack) &&
           sf_read_u8(&input, &c.length) && sf_read_u8(&input, &c.time) &&
           sf_read_u8(&input, &c.more)) {
        w.now_ns += times[c.time & 15];
        move(&w, &c, c.who >> 1 & (PROGRAM_FLOWS - 1));
    }
}
