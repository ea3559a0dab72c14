/* The window an end grants (RFC 9293 §3.8.6, RFC 7323 §2) and whether its peer keeps to it. */
#include "track_internal.h"

uint32_t sf_window_of(const struct sf_turn *turn)
{
    const struct sf_segment *seg = turn->seg;
    if (seg->flags & SF_TH_SYN || !turn->snd->has_wscale || !turn->rcv->has_wscale)
        return seg->window;
    return (uint32_t)seg->window << turn->snd->shift;
}

static void take_zero(struct sf_turn *turn)
{
    struct sf_endpoint *snd = turn->snd;
    snd->zero_windows++;
    turn->labels |= 1u << SF_LABEL_ZERO_WINDOW;
    sf_turn_note(turn, SF_ANOMALY_ZERO_WINDOW, 0);
    if (snd->is_window_zero)
        return;
    snd->is_window_zero = true;
    snd->window_turn_ns = turn->seg->ts_ns;
}

static void take_open(struct sf_turn *turn)
{
    struct sf_endpoint *snd = turn->snd;
    if (!snd->is_window_zero)
        return;
    snd->is_window_zero = false;
    if (turn->seg->ts_ns > snd->window_turn_ns) /* time may go back */
        snd->zero_time_ns += turn->seg->ts_ns - snd->window_turn_ns;
    snd->window_turn_ns = turn->seg->ts_ns;
}

void sf_window_extremes(struct sf_endpoint *snd, uint32_t window, bool is_scaled)
{
    bool first = !snd->has_window || (is_scaled && !snd->is_window_scaled);
    snd->is_window_scaled |= is_scaled;
    if (first)
        snd->window_min = snd->window_max = window;
    if (is_scaled != snd->is_window_scaled)
        return;
    if (window < snd->window_min)
        snd->window_min = window;
    if (window > snd->window_max)
        snd->window_max = window;
}

void sf_window_segment(struct sf_turn *turn)
{
    const struct sf_segment *seg = turn->seg;
    struct sf_endpoint *snd = turn->snd, *rcv = turn->rcv;
    if (!(seg->flags & (SF_TH_ACK | SF_TH_SYN)))
        return;
    bool syn = seg->flags & SF_TH_SYN;
    uint32_t window = sf_window_of(turn);
    sf_window_extremes(snd, window, !syn && snd->has_wscale && rcv->has_wscale);
    snd->window_now = window;
    snd->has_window = true;
    /* A SYN-ACK's too: SYN proxies hold data back so. */
    if (window == 0 && (seg->flags & SF_TH_ACK))
        take_zero(turn);
    else if (window > 0)
        take_open(turn);
    if (!syn && !sf_flow_is_scale_known(turn->flow)) {
        rcv->right_edge = SF_OFFSET_NONE; /* what a SYN granted is over */
        return;
    }
    sf_offset acked = turn->has_ack ? turn->ack : 1;
    if (syn && !(seg->flags & SF_TH_ACK) && rcv->has_base && rcv->snd_una > 1)
        return;
    if (rcv->right_edge == SF_OFFSET_NONE || acked + window > rcv->right_edge)
        rcv->right_edge = acked + window;
}

/* The largest excess is what counts: those of one flight overlap. */
void sf_window_note_beyond(struct sf_turn *turn)
{
    uint64_t excess = (uint64_t)(turn->data_end - turn->snd->right_edge);
    const struct sf_noted *noted =
        sf_noted_find(turn->flow, SF_ANOMALY_BEYOND_WINDOW, (int)turn->dir);
    uint64_t known = noted == NULL ? 0 : noted->value;
    sf_turn_note(turn, SF_ANOMALY_BEYOND_WINDOW, excess > known ? excess - known : 0);
}

void sf_window_check(struct sf_turn *turn)
{
    struct sf_endpoint *snd = turn->snd;
    if (!turn->sends_new_data || snd->right_edge == SF_OFFSET_NONE || turn->is_probe ||
        (turn->seg->flags & SF_TH_SYN))
        return;
    if (turn->data_end == snd->right_edge) {
        snd->window_full++;
        turn->labels |= 1u << SF_LABEL_WINDOW_FULL;
        sf_turn_note(turn, SF_ANOMALY_WINDOW_FULL, 0);
    } else if (turn->data_end > snd->right_edge) {
        sf_window_note_beyond(turn);
    }
}
