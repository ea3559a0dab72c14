/* Open connections, read and left as they are. */
#include "synfin/glance.h"

#include "track_internal.h"

static enum sf_severity worst_noted(const struct sf_flow *flow)
{
    unsigned worst = SF_SEVERITY_OK;
    for (size_t i = 0; i < flow->note_count; i++)
        worst = flow->notes[i].severity > worst ? flow->notes[i].severity : worst;
    return (enum sf_severity)worst;
}

static void fill(const struct sf_flow *flow, struct sf_glance *out)
{
    const struct sf_endpoint *client = &flow->ep[flow->client],
                             *server = &flow->ep[1 - flow->client];
    *out = (struct sf_glance){
        .key = flow->key,
        .hash = flow->hash,
        .id = flow->id,
        .client = (enum sf_dir)flow->client,
        .start_ns = flow->first_ns,
        .last_ns = flow->last_ns,
        .state = {(enum sf_tcp_state)client->state, (enum sf_tcp_state)server->state},
        .severity = worst_noted(flow),
        .rtt_ns = sf_flow_rtt(flow),
        .packets = client->packets + server->packets,
        .bytes = client->unique_bytes + server->unique_bytes,
        .resent = client->resent_packets + server->resent_packets,
    };
}

bool sf_tracker_glance(const struct sf_tracker *t, struct sf_flow_walk *walk, struct sf_glance *out)
{
    const struct sf_flow *flow;
    while ((flow = sf_flow_table_walk(t->table, walk)) != NULL) {
        if (flow->is_closed)
            continue;
        fill(flow, out);
        return true;
    }
    return false;
}

static struct sf_flow *find(const struct sf_tracker *t, const struct sf_glance *glance)
{
    struct sf_flow *flow = sf_flow_table_find(t->table, &glance->key, glance->hash);
    return flow != NULL && flow->id == glance->id ? flow : NULL;
}

bool sf_tracker_glance_again(const struct sf_tracker *t, struct sf_glance *glance)
{
    const struct sf_flow *flow = find(t, glance);
    if (flow == NULL || flow->is_closed)
        return false;
    fill(flow, glance);
    return true;
}

bool sf_tracker_peek(struct sf_tracker *t, const struct sf_glance *glance, struct sf_record *out)
{
    struct sf_flow *flow = find(t, glance);
    if (flow == NULL || flow->is_closed)
        return false;
    sf_record_fill_open(t, flow, out);
    return true;
}
