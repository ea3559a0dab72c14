/* The numbers of a connection made small, and back: most are near another one that it holds, near
 * the time of its last segment, or what they usually are. Every step can be undone whatever the
 * numbers are; those that are not what is expected only take more octets. */
#include "parcel.h"

#include <string.h>

#define END(field)   offsetof(struct sf_endpoint, field)
#define FLOW(field)  offsetof(struct sf_flow, field)
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* A field that is not in these lists takes more octets, nothing else. */
static const uint16_t end_times[] = {END(last_ns), END(ts_recent_ns), END(first_data_ns),
                                     END(last_data_ns)};
static const uint16_t flow_times[] = {FLOW(first_ns), FLOW(last_ns), FLOW(syn_ns), FLOW(fin_ns)};
static const uint16_t flow_maybe[] = {FLOW(challenge_ns)};
static const uint16_t end_maybe[] = {END(fin),       END(sack_high), END(suspect),
                                     END(probe_end), END(proof),     END(late_ns)};
_Static_assert(SF_OFFSET_NONE == SF_NS_UNKNOWN, "one rule makes both small");

/* What the words that hold flags mostly say. */
static const struct sf_flow usual_flow = {
    .is_scaled = true, .is_scale_known = true, .role_basis = SF_ROLE_BY_SYN, .has_syn_ack = true};
static const struct sf_endpoint usual_end = {.mss = 1460,
                                             .shift = 7,
                                             .has_base = true,
                                             .has_iss = true,
                                             .is_proved = true,
                                             .acked_peer_syn = true,
                                             .syn_is_acked = true,
                                             .acks_beyond_syn = true,
                                             .has_ts_echoed = true,
                                             .saw_timestamps = true,
                                             .has_window = true,
                                             .has_wscale = true,
                                             .wscale_sent = 7,
                                             .syn_options = SF_OPT_HAS_MSS | SF_OPT_HAS_WSCALE |
                                                            SF_OPT_HAS_SACK_PERMITTED |
                                                            SF_OPT_HAS_TIMESTAMPS,
                                             .has_sent = true};
static const uint16_t flow_flags[] = {FLOW(client), FLOW(first_fin)};
static const uint16_t end_flags[] = {END(base), END(dup_acks_in_row), END(last.ip_id),
                                     END(zero_windows), END(assumed_from)};

/* A number is kept as how far it is above or below another one. */
struct difference {
    uint16_t field, from;
    bool is_below;
};
/* Each is taken from a number that is still as it was. */
static const struct difference end_differences[] = {
    {END(first_data_ns), END(last_data_ns), false},
    {END(initial_window), END(unique_bytes), true},
    {END(ts_recent_ns), END(last_ns), false},
    {END(right_edge), END(snd_una), false},
    {END(fin), END(snd_nxt), true},
    {END(snd_una), END(snd_nxt), true},
    {END(snd_nxt), END(unique_bytes), false},
    {END(unique_bytes), END(payload_bytes), true},
};
static const struct difference flow_differences[] = {
    {FLOW(syn_ns), FLOW(first_ns), true},
};

static uint64_t word_at(const void *at, size_t offset)
{
    uint64_t word;
    memcpy(&word, (const char *)at + offset, sizeof word);
    return word;
}

static void set_word(void *at, size_t offset, uint64_t word)
{
    memcpy((char *)at + offset, &word, sizeof word);
}

static void shrink_times(void *at, const uint16_t *fields, size_t count, sf_ns base)
{
    for (size_t i = 0; i < count; i++)
        set_word(at, fields[i], sf_time_shrink((sf_ns)word_at(at, fields[i]), base));
}

static void grow_times(void *at, const uint16_t *fields, size_t count, sf_ns base)
{
    for (size_t i = 0; i < count; i++)
        set_word(at, fields[i], (uint64_t)sf_time_grow(word_at(at, fields[i]), base));
}

static const uint64_t NONE = (uint64_t)SF_OFFSET_NONE;

/* "None" and 0 change places. */
static void swap_none(void *at, const uint16_t *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        set_word(at, fields[i], sf_swap(word_at(at, fields[i]), NONE, 0));
}

static void flip_usual(void *at, const void *usual, const uint16_t *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        set_word(at, fields[i], word_at(at, fields[i]) ^ word_at(usual, fields[i]));
}

/* How far a number is above another one; "none" stays what it is. */
static uint64_t above(uint64_t value, uint64_t from)
{
    return sf_swap(value - from, NONE - from, NONE);
}

static uint64_t from_above(uint64_t small, uint64_t from)
{
    return sf_swap(small, NONE - from, NONE) + from;
}

/* The same below it: its own inverse. */
static uint64_t below(uint64_t value, uint64_t from)
{
    return sf_swap(from - value, from - NONE, NONE);
}

static void subtract(void *at, const struct difference *d)
{
    uint64_t value = word_at(at, d->field), from = word_at(at, d->from);
    set_word(at, d->field, d->is_below ? below(value, from) : above(value, from));
}

static void add_again(void *at, const struct difference *d)
{
    uint64_t small = word_at(at, d->field), from = word_at(at, d->from);
    set_word(at, d->field, d->is_below ? below(small, from) : from_above(small, from));
}

/* What follows from the samples, when they are few, is left out: its own inverse. */
static void flip_rtt(struct sf_endpoint *ep, const struct sf_samples *rtt)
{
    enum { FEW = 8 };
    const sf_ns *values = rtt->count > FEW ? NULL : sf_samples_values(rtt);
    struct sf_rtt_estimate estimate = {SF_NS_UNKNOWN, 0};
    for (uint64_t i = 0; values != NULL && i < rtt->count; i++)
        sf_rtt_update(&estimate, values[i]);
    ep->rtt_estimate.srtt_ns ^= estimate.srtt_ns;
    ep->rtt_estimate.rttvar_ns ^= estimate.rttvar_ns;
}

/* Of the IP headers and of the TCP headers without options. */
static uint64_t octets_of_headers(const struct sf_endpoint *ep)
{
    enum { LEAST = 40 };
    return LEAST * ep->packets;
}

static void flip_windows(struct sf_endpoint *ep)
{
    ep->window_min ^= ep->window_now;
    ep->window_max ^= ep->window_now;
    ep->ttl_max ^= ep->ttl_min;
}

/* What the end sent last, by what it and its peer have told before. Both are as they were. */

static uint32_t expected_ack(const struct sf_endpoint *peer)
{
    return peer->base.n + (uint32_t)peer->snd_nxt;
}

static uint16_t expected_window(const struct sf_endpoint *ep)
{
    return (uint16_t)(ep->window_now >> (ep->is_window_scaled ? ep->shift & 0x1f : 0));
}

/* Windows of SYNs are not scaled. */
static bool expected_scaled(const struct sf_flow *flow, const struct sf_endpoint *ep)
{
    return flow->is_scaled && ep->packets > ep->syns;
}

static void shrink_last(struct sf_flow *small, const struct sf_flow *flow, int dir)
{
    const struct sf_endpoint *ep = &flow->ep[dir], *peer = &flow->ep[SF_FROM_1 - dir];
    struct sf_endpoint *out = &small->ep[dir];
    out->is_window_scaled ^= expected_scaled(flow, ep);
    out->last.ack.n -= expected_ack(peer);
    out->last.window ^= expected_window(ep);
    out->right_edge = (sf_offset)above((uint64_t)ep->right_edge, peer->window_now);
    out->fin_ack.n -= ep->has_fin_ack ? expected_ack(peer) : 0;
}

static void grow_last(struct sf_flow *flow, int dir)
{
    struct sf_endpoint *ep = &flow->ep[dir], *peer = &flow->ep[SF_FROM_1 - dir];
    ep->is_window_scaled ^= expected_scaled(flow, ep);
    ep->last.ack.n += expected_ack(peer);
    ep->last.window ^= expected_window(ep);
    ep->right_edge = (sf_offset)from_above((uint64_t)ep->right_edge, peer->window_now);
    ep->fin_ack.n += ep->has_fin_ack ? expected_ack(peer) : 0;
}

static void shrink_end(struct sf_endpoint *ep, const struct sf_samples *rtt, sf_ns base)
{
    flip_rtt(ep, rtt);
    flip_windows(ep);
    ep->ip_bytes -= octets_of_headers(ep) + ep->payload_bytes;
    shrink_times(ep, end_times, COUNT(end_times), base);
    for (size_t i = 0; i < COUNT(end_differences); i++)
        subtract(ep, &end_differences[i]);
    swap_none(ep, end_maybe, COUNT(end_maybe));
    flip_usual(ep, &usual_end, end_flags, COUNT(end_flags));
}

static void grow_end(struct sf_endpoint *ep, sf_ns base)
{
    flip_usual(ep, &usual_end, end_flags, COUNT(end_flags));
    swap_none(ep, end_maybe, COUNT(end_maybe));
    for (size_t i = COUNT(end_differences); i-- > 0;)
        add_again(ep, &end_differences[i]);
    grow_times(ep, end_times, COUNT(end_times), base);
    ep->ip_bytes += octets_of_headers(ep) + ep->payload_bytes;
    flip_windows(ep);
    flip_rtt(ep, &ep->rtt);
}

static sf_ns first_of(const struct sf_samples *samples)
{
    const sf_ns *values = sf_samples_values(samples);
    return values == NULL || samples->count == 0 ? 0 : values[0];
}

/* When the handshake went on: the first round trips of both ends tell. */
static uint64_t expected_syn_ack(const struct sf_flow *flow, const sf_ns first_rtts[SF_DIR_COUNT])
{
    return (uint64_t)flow->syn_ns + (uint64_t)first_rtts[flow->client];
}

static uint64_t expected_ack_of_it(const struct sf_flow *flow, const sf_ns first_rtts[SF_DIR_COUNT])
{
    return (uint64_t)flow->syn_ack_ns + (uint64_t)first_rtts[SF_FROM_1 - flow->client];
}

/* When data was sent last. */
static uint64_t expected_data(const struct sf_flow *flow)
{
    return flow->last_data_dir < 0 ? 0 : (uint64_t)flow->ep[flow->last_data_dir].last_data_ns;
}

static void shrink_moments(struct sf_flow *small, const struct sf_flow *flow)
{
    const sf_ns rtts[SF_DIR_COUNT] = {first_of(&flow->ep[0].rtt), first_of(&flow->ep[1].rtt)};
    small->syn_ack_ns = (sf_ns)above((uint64_t)flow->syn_ack_ns, expected_syn_ack(flow, rtts));
    small->ack_ns = (sf_ns)above((uint64_t)flow->ack_ns, expected_ack_of_it(flow, rtts));
    small->last_data_ns = (sf_ns)above((uint64_t)flow->last_data_ns, expected_data(flow));
}

/* Of a flow that is as it was but for these. */
static void grow_moments(struct sf_flow *flow, const sf_ns rtts[SF_DIR_COUNT])
{
    flow->last_data_ns = (sf_ns)from_above((uint64_t)flow->last_data_ns, expected_data(flow));
    flow->syn_ack_ns = (sf_ns)from_above((uint64_t)flow->syn_ack_ns, expected_syn_ack(flow, rtts));
    flow->ack_ns = (sf_ns)from_above((uint64_t)flow->ack_ns, expected_ack_of_it(flow, rtts));
}

static void shrink(struct sf_flow *small, const struct sf_flow *flow, sf_ns base)
{
    for (int dir = 0; dir < SF_DIR_COUNT; dir++)
        shrink_last(small, flow, dir);
    for (int dir = 0; dir < SF_DIR_COUNT; dir++)
        shrink_end(&small->ep[dir], &flow->ep[dir].rtt, base);
    shrink_moments(small, flow);
    shrink_times(small, flow_times, COUNT(flow_times), base);
    for (size_t i = 0; i < COUNT(flow_differences); i++)
        subtract(small, &flow_differences[i]);
    swap_none(small, flow_maybe, COUNT(flow_maybe));
    flip_usual(small, &usual_flow, flow_flags, COUNT(flow_flags));
}

void sf_numbers_grow(struct sf_flow *flow, const sf_ns first_rtts[SF_DIR_COUNT], sf_ns base)
{
    flip_usual(flow, &usual_flow, flow_flags, COUNT(flow_flags));
    swap_none(flow, flow_maybe, COUNT(flow_maybe));
    for (size_t i = COUNT(flow_differences); i-- > 0;)
        add_again(flow, &flow_differences[i]);
    grow_times(flow, flow_times, COUNT(flow_times), base);
    for (int dir = 0; dir < SF_DIR_COUNT; dir++)
        grow_end(&flow->ep[dir], base);
    for (int dir = 0; dir < SF_DIR_COUNT; dir++)
        grow_last(flow, dir);
    grow_moments(flow, first_rtts);
}

/* Words that are mostly not 0 after that: so many octets of each have their place, whatever they
 * hold. All else takes room only where there is anything. */
static const struct sf_low flow_lows[] = {
    {FLOW(client), 4}, {FLOW(first_ns), 5},  {FLOW(last_ns), 4},      {FLOW(first_packet), 3},
    {FLOW(fin_ns), 4}, {FLOW(first_fin), 2}, {FLOW(change_count), 5},
};
static const struct sf_low end_lows[] = {
    {END(base), 5},          {END(dup_acks_in_row), 7},
    {END(snd_nxt), 1},       {END(ts_echoed), 4},
    {END(last_ns), 4},       {END(idle_max_ns), 5},
    {END(packets), 1},       {END(ip_bytes), 2},
    {END(last), 1},          {END(last.ip_id), 2},
    {END(print_next), 7},    {END(payload_bytes), 2},
    {END(data_packets), 1},  {END(last_data_ns), 4},
    {END(in_flight_max), 2}, {END(segment_min), 2},
    {END(segment_max), 2},   {END(pushes), 1},
    {END(first_data_ns), 5}, {END(initial_window), 2},
    {END(other_packets), 1}, {END(fin), 1},
    {END(syns), 1},          {END(syn_acks), 1},
    {END(fins), 1},          {END(without_ack), 1},
    {END(assumed_from), 3},  {END(proof), 2},
};

void sf_numbers_pack(struct sf_packer *p, struct sf_flow *small, const struct sf_flow *flow,
                     sf_ns base)
{
    shrink(small, flow, base);
    sf_pack_lows(p, small, flow_lows, COUNT(flow_lows));
    for (int dir = 0; dir < SF_DIR_COUNT; dir++)
        sf_pack_lows(p, &small->ep[dir], end_lows, COUNT(end_lows));
    sf_pack_struct(p, small, sizeof *small);
}

void sf_numbers_unpack(struct sf_unpacker *u, struct sf_flow *flow)
{
    struct sf_unpacker at_lows = *u;
    u->at += sf_lows_octets(flow_lows, COUNT(flow_lows)) +
             SF_DIR_COUNT * sf_lows_octets(end_lows, COUNT(end_lows));
    sf_unpack_struct(u, flow, sizeof *flow);
    sf_unpack_lows(&at_lows, flow, flow_lows, COUNT(flow_lows));
    for (int dir = 0; dir < SF_DIR_COUNT; dir++)
        sf_unpack_lows(&at_lows, &flow->ep[dir], end_lows, COUNT(end_lows));
}
