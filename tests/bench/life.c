/* How a connection goes on: its next packets, a handshake, a request, a flight or a closing at a
 * time. */
#include "traffic.h"

#include <assert.h>
#include <stdlib.h>

enum {
    GAP_US = 12,          /* a full frame at 1 Gbit/s */
    SYN_RTO_US = 1000000, /* RFC 6298 §2 */
    RTO_US = 220000,
    FIRST_FLIGHT = 10, /* segments, RFC 6928 */
    FLIGHT_MAX = 64,
    DUPLICATES_FOR_FAST = 3, /* RFC 5681 §3.2 */
};

static struct step *add(struct conn *conn, uint32_t wait_us, unsigned from, unsigned flags)
{
    if (conn->step_count == conn->step_room) {
        conn->step_room = (uint16_t)(conn->step_room > 0 ? 2 * conn->step_room : 4);
        conn->steps = realloc(conn->steps, conn->step_room * sizeof *conn->steps);
        if (conn->steps == NULL)
            abort();
    }
    struct step *step = &conn->steps[conn->step_count++];
    *step = (struct step){
        .wait_us = wait_us,
        .seq = conn->next[from],
        .ack = flags & ACK ? conn->next[!from] : 0,
        .flags = (uint8_t)flags,
        .from = (uint8_t)from,
    };
    return step;
}

/* The next octets of an end, or a control bit; it has received all that the peer has sent. */
static void say(struct conn *conn, uint32_t wait_us, unsigned from, unsigned flags, uint32_t len)
{
    add(conn, wait_us, from, flags)->len = (uint16_t)len;
    conn->next[from] += len + !!(flags & SYN) + !!(flags & FIN);
}

static void plan_refused(struct conn *conn)
{
    say(conn, 0, CLIENT, SYN, 0);
    say(conn, conn->rtt_us[SERVER], SERVER, RST | ACK, 0);
}

static void repeat_last(struct conn *conn, uint32_t times)
{
    uint32_t wait_us = SYN_RTO_US;
    for (uint32_t i = 0; i < times; i++) {
        struct step last = conn->steps[conn->step_count - 1];
        struct step *step = add(conn, 0, last.from, last.flags);
        *step = last;
        step->wait_us = wait_us;
        wait_us *= 2;
    }
}

static void plan_handshake(struct conn *conn, const struct mix *mix, struct rng *rng)
{
    say(conn, 0, CLIENT, SYN, 0);
    if (rng_permille(rng, mix->syn_lost_permille))
        repeat_last(conn, 1);
    say(conn, conn->rtt_us[SERVER], SERVER, SYN | ACK, 0);
    say(conn, conn->rtt_us[CLIENT], CLIENT, ACK, 0);
}

static void plan_open(struct conn *conn, const struct mix *mix, struct rng *rng)
{
    conn->stage = STAGE_OVER;
    switch ((enum life)conn->life) {
    case LIFE_TALK:
        plan_handshake(conn, mix, rng);
        conn->stage = STAGE_REQUEST;
        break;
    case LIFE_MIDSTREAM:
        conn->next[CLIENT] = conn->next[SERVER] = 1 + rng_below(rng, 1000000);
        say(conn, 0, CLIENT, ACK | PSH, 100 + rng_below(rng, 500));
        say(conn, conn->rtt_us[SERVER], SERVER, ACK | PSH, 100 + rng_below(rng, 1300));
        say(conn, conn->rtt_us[CLIENT], CLIENT, ACK, 0);
        conn->stage = STAGE_REQUEST;
        break;
    case LIFE_REFUSED: plan_refused(conn); break;
    case LIFE_UNANSWERED:
        say(conn, 0, CLIENT, SYN, 0);
        repeat_last(conn, rng_below(rng, 3));
        break;
    case LIFE_SYN_SCAN:
        say(conn, 0, CLIENT, SYN, 0);
        say(conn, conn->rtt_us[SERVER], SERVER, SYN | ACK, 0);
        say(conn, conn->rtt_us[CLIENT], CLIENT, RST, 0);
        break;
    case LIFE_EMBRYONIC:
        say(conn, 0, CLIENT, SYN, 0);
        say(conn, conn->rtt_us[SERVER], SERVER, SYN | ACK, 0);
        repeat_last(conn, rng_below(rng, 3));
        break;
    case LIFE_FLOOD: say(conn, 0, CLIENT, SYN, 0); break;
    case LIFE_COUNT: assert(false);
    }
}

/* Segments of a response: mostly few, one in sixteen eight times as many. */
static uint32_t draw_response(const struct mix *mix, struct rng *rng)
{
    uint32_t segments = rng_in(rng, mix->response);
    return rng_below(rng, 16) == 0 ? 8 * segments : segments;
}

static void plan_request(struct conn *conn, const struct mix *mix, struct rng *rng)
{
    say(conn, rng_in(rng, mix->think_us), CLIENT, ACK | PSH, 80 + rng_below(rng, 1200));
    if (rng_below(rng, 2) == 0)
        say(conn, conn->rtt_us[SERVER] / 2, SERVER, ACK, 0);
    conn->segments_left = draw_response(mix, rng);
    conn->window = FIRST_FLIGHT;
    conn->pause_us = conn->rtt_us[SERVER] + rng_below(rng, 30000);
    conn->stage = STAGE_ROUND;
}

/* A flight of full segments (the last may be shorter) and its acknowledgements. */
struct flight {
    struct conn *conn;
    uint32_t base, count, last_len;
};

static uint32_t flight_len(const struct flight *f, uint32_t i)
{
    return i + 1 == f->count ? f->last_len : BENCH_MSS;
}

/* Relative sequence number behind segment i-1. */
static uint32_t flight_at(const struct flight *f, uint32_t i)
{
    return i == f->count ? f->base + (i - 1) * BENCH_MSS + f->last_len : f->base + i * BENCH_MSS;
}

static void send_segment(const struct flight *f, uint32_t i, uint32_t wait_us)
{
    struct step *step = add(f->conn, wait_us, SERVER, i + 1 == f->count ? ACK | PSH : ACK);
    step->seq = flight_at(f, i);
    step->len = (uint16_t)flight_len(f, i);
}

/* Acknowledges segments [from, to) of the flight, each second one and the last. */
static void send_acks(const struct flight *f, uint32_t from, uint32_t to, uint32_t wait_us)
{
    for (uint32_t i = from; i < to; i += 2) {
        uint32_t upto = i + 2 < to ? i + 2 : to;
        add(f->conn, wait_us, CLIENT, ACK)->ack = flight_at(f, upto);
        wait_us = 2 * GAP_US;
    }
}

/* A duplicate acknowledgement at the hole `hole`, saying that [hole + 1, upto) has arrived. */
static void send_duplicate(const struct flight *f, uint32_t hole, uint32_t upto, uint32_t wait_us)
{
    struct step *step = add(f->conn, wait_us, CLIENT, ACK);
    step->ack = flight_at(f, hole);
    step->sack_from = flight_at(f, hole + 1);
    step->sack_to = flight_at(f, upto);
}

static void plan_smooth(const struct flight *f, uint32_t wait_us)
{
    for (uint32_t i = 0; i < f->count; i++)
        send_segment(f, i, i == 0 ? wait_us : GAP_US);
    send_acks(f, 0, f->count, f->conn->rtt_us[CLIENT]);
}

static void plan_reordered(const struct flight *f, uint32_t wait_us, uint32_t late)
{
    for (uint32_t i = 0; i < f->count; i++) {
        uint32_t sent = i == late ? late + 1 : i == late + 1 ? late : i;
        send_segment(f, sent, i == 0 ? wait_us : GAP_US);
    }
    uint32_t rtt_us = f->conn->rtt_us[CLIENT];
    send_acks(f, 0, late, rtt_us);
    send_duplicate(f, late, late + 2, late == 0 ? rtt_us : GAP_US);
    send_acks(f, late, f->count, GAP_US);
}

/* One segment is lost, behind the tap (then it is captured twice) or before it. */
static void plan_lost(const struct flight *f, uint32_t wait_us, uint32_t lost, bool is_captured)
{
    struct conn *conn = f->conn;
    uint32_t duplicates = 0, ack_wait_us = conn->rtt_us[CLIENT];
    for (uint32_t i = 0; i < f->count; i++) {
        if (i == lost && !is_captured)
            continue;
        send_segment(f, i, wait_us);
        wait_us = GAP_US;
    }
    send_acks(f, 0, lost, ack_wait_us);
    for (uint32_t i = lost + 1; i < f->count; i++) {
        send_duplicate(f, lost, i + 1, i == 1 ? ack_wait_us : GAP_US);
        duplicates++;
    }
    bool is_fast = duplicates >= DUPLICATES_FOR_FAST;
    send_segment(f, lost, (is_fast ? 0 : RTO_US) + conn->rtt_us[SERVER]);
    add(conn, conn->rtt_us[CLIENT], CLIENT, ACK)->ack = flight_at(f, f->count);
}

static void plan_round(struct conn *conn, const struct mix *mix, struct rng *rng)
{
    uint32_t count = conn->segments_left < conn->window ? conn->segments_left : conn->window;
    bool is_last = count == conn->segments_left;
    struct flight f = {conn, conn->next[SERVER], count,
                       is_last ? 1 + rng_below(rng, BENCH_MSS) : BENCH_MSS};
    uint32_t where = rng_below(rng, count);
    if (count < 2 || !rng_permille(rng, mix->trouble_permille))
        plan_smooth(&f, conn->pause_us);
    else if (rng_below(rng, 3) == 0)
        plan_reordered(&f, conn->pause_us, where + 1 < count ? where : count - 2);
    else
        plan_lost(&f, conn->pause_us, where, rng_below(rng, 2) == 0);
    conn->next[SERVER] = flight_at(&f, count);
    conn->segments_left -= count;
    conn->window = conn->window < FLIGHT_MAX / 2 ? 2 * conn->window : FLIGHT_MAX;
    conn->pause_us = conn->rtt_us[SERVER];
    if (!is_last)
        return;
    conn->requests_left--;
    conn->stage = conn->requests_left > 0 ? STAGE_REQUEST : STAGE_CLOSE;
}

static void plan_fins(struct conn *conn, unsigned first, bool is_joined)
{
    unsigned second = !first;
    say(conn, conn->rtt_us[first], first, FIN | ACK, 0);
    if (!is_joined)
        say(conn, conn->rtt_us[second], second, ACK, 0);
    say(conn, is_joined ? conn->rtt_us[second] : 2000, second, FIN | ACK, 0);
}

static void plan_crossing(struct conn *conn)
{
    uint32_t server_next = conn->next[SERVER];
    say(conn, 1000, CLIENT, FIN | ACK, 0);
    struct step *fin = add(conn, 10, SERVER, FIN | ACK);
    fin->seq = server_next;
    fin->ack--;
    conn->next[SERVER]++;
    say(conn, conn->rtt_us[SERVER], SERVER, ACK, 0);
    say(conn, conn->rtt_us[CLIENT], CLIENT, ACK, 0);
}

static void plan_close(struct conn *conn, struct rng *rng)
{
    bool is_joined = rng_below(rng, 2) == 0;
    conn->stage = STAGE_OVER;
    switch ((enum closing)conn->closing) {
    case CLOSING_CLIENT_FIRST:
        plan_fins(conn, CLIENT, is_joined);
        say(conn, conn->rtt_us[CLIENT], CLIENT, ACK, 0);
        break;
    case CLOSING_SERVER_FIRST:
        plan_fins(conn, SERVER, is_joined);
        say(conn, conn->rtt_us[SERVER], SERVER, ACK, 0);
        break;
    case CLOSING_CROSSING: plan_crossing(conn); break;
    case CLOSING_LAST_ACK_MISSING: plan_fins(conn, CLIENT, is_joined); break;
    case CLOSING_CLIENT_RESET: say(conn, conn->rtt_us[CLIENT], CLIENT, RST | ACK, 0); break;
    case CLOSING_SERVER_RESET: say(conn, conn->rtt_us[SERVER], SERVER, RST | ACK, 0); break;
    case CLOSING_RESET_AFTER_FIN:
        say(conn, conn->rtt_us[CLIENT], CLIENT, FIN | ACK, 0);
        say(conn, conn->rtt_us[SERVER], SERVER, ACK | PSH, 200);
        say(conn, conn->rtt_us[CLIENT], CLIENT, RST, 0);
        break;
    case CLOSING_HALF:
        say(conn, conn->rtt_us[CLIENT], CLIENT, FIN | ACK, 0);
        say(conn, conn->rtt_us[SERVER], SERVER, ACK, 0);
        break;
    case CLOSING_SILENT:
    case CLOSING_COUNT: break;
    }
}

bool life_plan(struct conn *conn, const struct mix *mix, struct rng *rng)
{
    conn->step_count = conn->step_at = 0;
    switch ((enum stage)conn->stage) {
    case STAGE_OPEN: plan_open(conn, mix, rng); break;
    case STAGE_REQUEST: plan_request(conn, mix, rng); break;
    case STAGE_ROUND: plan_round(conn, mix, rng); break;
    case STAGE_CLOSE: plan_close(conn, rng); break;
    case STAGE_OVER: return false;
    }
    return conn->step_count > 0;
}
