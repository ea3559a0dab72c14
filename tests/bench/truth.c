/* What a reader of the whole capture can know of its connections, counted while they are written.
 */
#include "traffic.h"

#include <inttypes.h>
#include <stdio.h>

static void note_reset(struct conn *conn, const struct step *step)
{
    if (conn->fin_acked[CLIENT] && conn->fin_acked[SERVER])
        return;
    conn->is_reset = true;
    if (step->from == SERVER && conn->has_syn && !conn->has_syn_ack)
        conn->is_refused = true;
}

static void note_fin(struct conn *conn, const struct step *step)
{
    unsigned peer = !step->from;
    if (conn->has_fin[step->from])
        return;
    conn->has_fin[step->from] = true;
    conn->fin_end[step->from] = step->seq + step->len + 1;
    if (conn->has_fin[peer] && step->ack < conn->fin_end[peer])
        conn->has_crossed = true;
}

void truth_packet(struct conn *conn, const struct step *step)
{
    unsigned peer = !step->from;
    conn->has_packet = true;
    if (step->flags & RST) {
        note_reset(conn, step);
        return;
    }
    if (step->flags & SYN) {
        if (step->flags & ACK)
            conn->has_syn_ack = true;
        else
            conn->has_syn = true;
        return;
    }
    if (step->from == CLIENT && conn->has_syn_ack)
        conn->has_third = true;
    if (step->flags & FIN)
        note_fin(conn, step);
    if (conn->has_fin[peer] && step->ack >= conn->fin_end[peer])
        conn->fin_acked[peer] = true;
}

static enum open_how open_of(const struct conn *conn)
{
    if (!conn->has_syn)
        return OPEN_MIDSTREAM;
    if (conn->is_refused)
        return OPEN_REFUSED;
    if (!conn->has_syn_ack)
        return OPEN_UNANSWERED;
    return conn->has_third ? OPEN_HANDSHAKE : OPEN_INCOMPLETE;
}

static enum close_how close_of(const struct conn *conn)
{
    if (conn->is_reset)
        return CLOSE_RESET;
    if (!conn->has_fin[CLIENT] && !conn->has_fin[SERVER])
        return CLOSE_NONE;
    if (!conn->has_fin[CLIENT] || !conn->has_fin[SERVER])
        return CLOSE_HALF_CLOSED;
    if (!conn->fin_acked[CLIENT] || !conn->fin_acked[SERVER])
        return CLOSE_FIN_UNACKED;
    return conn->has_crossed ? CLOSE_SIMULTANEOUS : CLOSE_FIN;
}

bool truth_is_open(const struct conn *conn)
{
    return !conn->is_reset && !(conn->fin_acked[CLIENT] && conn->fin_acked[SERVER]);
}

void truth_retire(struct truth *truth, const struct conn *conn)
{
    /* Only the answer would tell a new connection from an old duplicate: RFC 9293 §3.5.1. */
    bool is_undecided = conn->is_over_open && !conn->has_syn_ack && !conn->is_refused;
    if (!conn->has_packet || is_undecided)
        return;
    truth->connections++;
    truth->open[open_of(conn)]++;
    truth->close[close_of(conn)]++;
}

static void write_counts(FILE *out, const char *key, const char *const *names,
                         const uint64_t *counts, size_t n)
{
    fprintf(out, ",\"%s\":{", key);
    for (size_t i = 0; i < n; i++)
        fprintf(out, "%s\"%s\":%" PRIu64, i > 0 ? "," : "", names[i], counts[i]);
    fputc('}', out);
}

int truth_write(const struct truth *truth, const char *mix, uint64_t seed, const char *path)
{
    static const char *const open_names[OPEN_COUNT] = {
        [OPEN_HANDSHAKE] = "handshake",   [OPEN_REFUSED] = "refused",
        [OPEN_INCOMPLETE] = "incomplete", [OPEN_UNANSWERED] = "unanswered",
        [OPEN_MIDSTREAM] = "midstream",
    };
    static const char *const close_names[CLOSE_COUNT] = {
        [CLOSE_FIN] = "fin",
        [CLOSE_SIMULTANEOUS] = "simultaneous",
        [CLOSE_FIN_UNACKED] = "fin_unacked",
        [CLOSE_HALF_CLOSED] = "half_closed",
        [CLOSE_RESET] = "reset",
        [CLOSE_NONE] = "none",
    };
    FILE *out = fopen(path, "w");
    if (out == NULL)
        return -1;
    fprintf(out, "{\"mix\":\"%s\",\"seed\":%" PRIu64 ",\"packets\":%" PRIu64, mix, seed,
            truth->packets);
    fprintf(out, ",\"connections\":%" PRIu64, truth->connections);
    write_counts(out, "open_how", open_names, truth->open, OPEN_COUNT);
    write_counts(out, "close_how", close_names, truth->close, CLOSE_COUNT);
    fputs("}\n", out);
    bool failed = ferror(out) != 0;
    return fclose(out) != 0 || failed ? -1 : 0;
}
