/* Who is the client: the sender of the SYN, the receiver of the SYN-ACK, else the likelier one. */
#include "synfin/port.h"
#include "track_internal.h"

static bool is_system_port(uint16_t port)
{
    return port < 1024;
}

static void set(struct sf_flow *flow, enum sf_dir client, enum sf_role_basis basis)
{
    flow->client = (uint8_t)client;
    flow->role_basis = (uint8_t)basis;
    flow->role_needs_data = false;
}

/* True when exactly one port is a server's by that rule; then the other end is the client. */
static bool by_port(struct sf_flow *flow, bool (*is_server)(uint16_t))
{
    bool zero = is_server(flow->key.port[0]);
    if (zero == is_server(flow->key.port[1]))
        return false;
    set(flow, zero ? SF_FROM_1 : SF_FROM_0, SF_ROLE_BY_PORT);
    return true;
}

void sf_role_begin(struct sf_flow *flow, const struct sf_segment *seg)
{
    enum sf_dir peer = sf_dir_other(seg->dir);
    bool rst = seg->flags & SF_TH_RST, ack = seg->flags & SF_TH_ACK;
    bool syn = (seg->flags & SF_TH_SYN) && !rst;
    if (syn && !ack) {
        set(flow, seg->dir, SF_ROLE_BY_SYN);
    } else if (syn) {
        set(flow, peer, SF_ROLE_BY_SYN_ACK);
    } else if (!by_port(flow, sf_port_is_likely_server) && !by_port(flow, is_system_port)) {
        /* A RST can only be an answer. */
        set(flow, rst ? peer : seg->dir, SF_ROLE_BY_FIRST_PACKET);
        flow->role_needs_data = !rst && seg->payload_len == 0;
    }
}

void sf_role_segment(struct sf_turn *turn)
{
    struct sf_flow *flow = turn->flow;
    const struct sf_segment *seg = turn->seg;
    if (flow->role_needs_data && seg->payload_len > 0 && !(seg->flags & SF_TH_RST))
        set(flow, turn->dir, SF_ROLE_BY_FIRST_PACKET);
    if (!(seg->flags & SF_TH_SYN) || (seg->flags & SF_TH_RST) || flow->role_basis == SF_ROLE_BY_SYN)
        return;
    if (seg->flags & SF_TH_ACK)
        set(flow, sf_dir_other(turn->dir), SF_ROLE_BY_SYN_ACK);
    else
        set(flow, turn->dir, SF_ROLE_BY_SYN);
}
