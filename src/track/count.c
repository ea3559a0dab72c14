/* What is counted of a segment without any judgement: packets, flags, options, times, TTL. */
#include "track_internal.h"

static void count_flags(struct sf_endpoint *snd, const struct sf_segment *seg)
{
    unsigned flags = seg->flags;
    bool syn = (flags & (SF_TH_SYN | SF_TH_RST)) == SF_TH_SYN; /* with RST it opens nothing */
    snd->syns += syn;
    snd->syn_acks += syn && (flags & SF_TH_ACK);
    snd->fins += (flags & SF_TH_FIN) != 0;
    snd->rsts += (flags & SF_TH_RST) != 0;
    snd->pushes += (flags & SF_TH_PSH) != 0;
    snd->urgents += (flags & SF_TH_URG) != 0;
    snd->without_ack += (flags & SF_TH_ACK) == 0;
    bool plain = (flags & (SF_TH_SYN | SF_TH_FIN | SF_TH_RST | SF_TH_ACK)) == SF_TH_ACK;
    snd->other_packets += !plain || seg->payload_len > 0; /* until it proves to be data */
    snd->ecn_ce += seg->ip_ecn == 3;
    /* In SYNs the bits negotiate (RFC 3168 §6.1.1), they signal nothing. */
    snd->ecn_ece += (flags & (SF_TH_ECE | SF_TH_SYN)) == SF_TH_ECE;
    snd->ecn_cwr += (flags & (SF_TH_CWR | SF_TH_SYN)) == SF_TH_CWR;
}

static void count_options(struct sf_turn *turn)
{
    struct sf_endpoint *snd = turn->snd;
    const struct sf_tcp_options *options = &turn->seg->options;
    snd->saw_mptcp |= (options->present & SF_OPT_HAS_MPTCP) != 0;
    if (options->present & SF_OPT_HAS_TIMESTAMPS)
        snd->saw_timestamps = true;
    if (options->present & SF_OPT_HAS_SACK)
        snd->sack_packets += !(turn->seg->flags & SF_TH_RST);
}

enum sf_checksum sf_count_test_now(const struct sf_segment *seg)
{
    bool known, ok = sf_segment_checksum_ok(seg, &known);
    return !known ? SF_CHECKSUM_UNTESTED : ok ? SF_CHECKSUM_RIGHT : SF_CHECKSUM_WRONG;
}

void sf_count_tested(struct sf_tracker *t, struct sf_flow *flow, const struct sf_segment *seg,
                     enum sf_checksum checksum)
{
    flow->ep[seg->dir].checksums_tested++;
    if (checksum == SF_CHECKSUM_WRONG)
        sf_note(t, flow, SF_ANOMALY_BAD_CHECKSUM, (int)seg->dir, seg->packet, 0);
}

void sf_count_time(struct sf_flow *flow, struct sf_endpoint *snd, const struct sf_segment *seg)
{
    sf_ns now = seg->ts_ns;
    if (snd->packets > 0 && now - snd->last_ns > snd->idle_max_ns)
        snd->idle_max_ns = now - snd->last_ns;
    snd->last_ns = now;
    if (flow->first_packet == 0 || now < flow->first_ns)
        flow->first_ns = now;
    if (now > flow->last_ns)
        flow->last_ns = now;
    if (flow->first_packet == 0)
        flow->first_packet = seg->packet;
    flow->last_packet = seg->packet;
}

void sf_count_repeat(struct sf_endpoint *snd)
{
    if (snd->unheard.sendings == UINT16_MAX)
        return;
    snd->unheard.sendings++;
    if (snd->unheard.is_first)
        snd->unheard.sendings++;
    snd->unheard.is_first = false;
}

void sf_count_segment(struct sf_turn *turn)
{
    struct sf_endpoint *snd = turn->snd;
    const struct sf_segment *seg = turn->seg;
    turn->idle_ns = snd->packets > 0 ? seg->ts_ns - snd->last_ns : 0;
    sf_count_time(turn->flow, snd, seg);
    if (snd->packets == 0 || seg->ttl < snd->ttl_min)
        snd->ttl_min = seg->ttl;
    if (seg->ttl > snd->ttl_max)
        snd->ttl_max = seg->ttl;
    snd->packets++;
    snd->ip_bytes += seg->ip_bytes;
    count_flags(snd, seg);
    count_options(turn);
    if (!turn->is_replay)
        sf_count_checksum(turn->tracker, turn->flow, seg);
    if (seg->flags & SF_TH_URG)
        sf_turn_note(turn, SF_ANOMALY_URGENT, 0);
    /* The peer is heard: what was sent into silence before is answered. */
    turn->rcv->unheard = (struct sf_unheard){0};
}
