/* The order of the phases for one segment of a connection, and what is said of it. */
#include "track_internal.h"

static void take_response(struct sf_turn *turn)
{
    struct sf_flow *flow = turn->flow;
    if (turn->seg->payload_len == 0 || turn->is_keep_alive || turn->is_probe)
        return;
    if (turn->sends_new_data && flow->last_data_dir == (int8_t)sf_dir_other(turn->dir))
        sf_samples_add(turn->tracker->rooms, &turn->snd->response,
                       turn->seg->ts_ns - flow->last_data_ns);
    if (turn->sends_new_data) {
        flow->last_data_dir = (int8_t)turn->dir;
        flow->last_data_ns = turn->seg->ts_ns;
    }
}

static void remember_last(struct sf_turn *turn)
{
    struct sf_endpoint *snd = turn->snd;
    const struct sf_segment *seg = turn->seg;
    snd->last = (struct sf_last_packet){.ack = seg->ack,
                                        .flags = seg->flags,
                                        .window = seg->window,
                                        .ip_id = seg->ip_id,
                                        .is_keep_alive = turn->is_keep_alive,
                                        .is_probe = turn->is_probe};
    turn->flow->last_dir = (uint8_t)turn->dir;
}

static void process_segment(struct sf_turn *turn)
{
    sf_open_alternative(turn);
    sf_sequence_locate(turn);
    if (turn->is_stray) {
        sf_sequence_stray(turn);
        return;
    }
    sf_sequence_segment(turn);
    sf_ack_segment(turn);
    sf_open_segment(turn);
    sf_reset_aftermath(turn);
    sf_life_segment(turn);
    sf_window_segment(turn);
    sf_window_check(turn);
    take_response(turn);
    if (turn->snd->hole_count > 0 || turn->rcv->hole_count > 0)
        sf_ack_judge_losses(turn->tracker, turn->flow, turn->seg->ts_ns, false);
}

static bool is_opening(const struct sf_endpoint *ep)
{
    return ep->state == SF_SYN_SENT || ep->state == SF_SYN_RECEIVED;
}

void sf_flow_count_opening(struct sf_tracker *t, struct sf_flow *flow, bool now)
{
    t->totals.opening += (uint64_t)now - (uint64_t)flow->is_opening;
    flow->is_opening = now;
}

/* Without limits the order within a list counts for nothing. */
static void touch(struct sf_tracker *t, struct sf_flow *flow, enum sf_flow_list before)
{
    enum sf_flow_list list = sf_flow_list_of(flow);
    if (!flow->is_closed && (list != before || sf_track_has_limits(t)))
        sf_flow_touch(t, flow, list);
}

static void process(struct sf_turn *turn)
{
    struct sf_tracker *t = turn->tracker;
    struct sf_flow *flow = turn->flow;
    if (sf_duplicate_check(turn))
        return;
    sf_role_segment(turn);
    uint8_t before[SF_DIR_COUNT] = {flow->ep[0].state, flow->ep[1].state};
    enum sf_flow_list list_before = sf_flow_list_of(flow);
    sf_count_segment(turn);
    if (turn->seg->flags & SF_TH_RST)
        sf_reset_segment(turn);
    else
        process_segment(turn);
    remember_last(turn);
    bool is_moved = before[0] != flow->ep[0].state || before[1] != flow->ep[1].state;
    if (is_moved)
        sf_flow_count_opening(t, flow, is_opening(&flow->ep[0]) || is_opening(&flow->ep[1]));
    touch(t, flow, list_before);
    if (flow->is_closed || is_moved)
        sf_life_update_closed(t, flow);
    sf_steady_settle(flow);
}

void sf_turn_run(struct sf_turn *turn, struct sf_tracker *t, struct sf_flow *flow,
                 const struct sf_segment *seg, bool is_replay)
{
    sf_turn_begin(turn, t, flow, seg, is_replay);
    process(turn);
}

void sf_turn_judgement(const struct sf_turn *turn, struct sf_judgement *out)
{
    const struct sf_segment *seg = turn->seg;
    const struct sf_endpoint *snd = turn->snd, *rcv = turn->rcv;
    *out = (struct sf_judgement){
        .conn = turn->flow->id,
        .from = sf_role_of(turn->flow, (int)turn->dir),
        .seq = snd->has_base ? sf_offset_of(snd, seg->seq, snd->snd_nxt) : 0,
        .ack = (seg->flags & SF_TH_ACK) && rcv->has_base ? sf_offset_of(rcv, seg->ack, rcv->snd_nxt)
                                                         : 0,
        .window = sf_window_of(turn),
        .labels = turn->labels,
        .rtt_ns = turn->rtt_ns,
        .in_flight = sf_outstanding(snd),
        .t_ns = seg->ts_ns - turn->flow->first_ns};
}

void sf_flow_replay(struct sf_tracker *t, struct sf_flow *flow, const struct sf_segment *seg)
{
    struct sf_turn turn;
    if (!flow->is_steady || !sf_steady_again(t, flow, seg))
        sf_turn_run(&turn, t, flow, seg, false);
}
