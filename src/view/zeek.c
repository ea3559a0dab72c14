/* When Zeek's connections begin and end, and the row of conn.log that each becomes. Timers run on
 * packet time; only the tuple's own packets change what they look at, so they are asked late. */
#include <string.h>

#include "synfin/bytes.h"
#include "synfin/port.h"
#include "view_internal.h"

/* scripts/base/init-bare.zeek: tcp_SYN_timeout, tcp_session_timer, tcp_connection_linger. */
static const sf_ns FIRST_EXPIRE_CHECK = 5 * SF_SEC;
static const sf_ns EXPIRE_CHECK_PERIOD = 6 * SF_SEC;
static const sf_ns CONNECTION_LINGER = 5 * SF_SEC;

/* scripts/base/init-bare.zeek: a connection starts with udp_inactivity_timeout, then comes
 * tcp_inactivity_timeout; base/protocols/conn/inactivity.zeek. */
static const sf_ns idle_limits[] = {
    [SF_ZEEK_IN_HANDSHAKE] = 60 * SF_SEC,
    [SF_ZEEK_AFTER_HANDSHAKE] = 300 * SF_SEC,
    [SF_ZEEK_SHELL] = 3600 * SF_SEC,
};

static bool is_broadcast(const struct sf_flow_key *key, enum sf_dir dir)
{
    static const uint8_t broadcast[4] = {255, 255, 255, 255};
    return key->scope.ip_version == 4 && memcmp(key->addr[dir], broadcast, sizeof broadcast) == 0;
}

/* Whether the first packet's receiver, not its sender, is taken for the originator. */
static bool starts_flipped(const struct sf_segment *seg)
{
    bool has_syn = (seg->flags & SF_TH_SYN) != 0;
    if (has_syn && !(seg->flags & SF_TH_ACK))
        return false;
    uint16_t source = seg->key.port[seg->dir];
    uint16_t destination = seg->key.port[sf_dir_other(seg->dir)];
    if (!sf_port_is_likely_server(source) || is_broadcast(&seg->key, sf_dir_other(seg->dir)))
        return false;
    return !sf_port_is_likely_server(destination) || (!has_syn && source < destination);
}

static void begin(struct sf_views *views, struct sf_view_slot *slot, const struct sf_segment *seg)
{
    struct sf_zeek_conn *conn = &slot->zeek;
    conn->first_packet = seg->packet;
    conn->start_ns = conn->last_ns = seg->ts_ns;
    conn->originator = (uint8_t)seg->dir;
    conn->is_active = true;
    for (int dir = 0; dir < SF_DIR_COUNT; dir++) {
        conn->end[dir].low[SF_ZEEK_DELIVERED] = 1;
        conn->end[dir].low[SF_ZEEK_TRIMMED] = 1;
    }
    if (starts_flipped(seg))
        sf_zeek_flip(views, slot);
}

static bool is_closed(const struct sf_zeek_conn *conn)
{
    return conn->end[0].did_close || conn->end[1].did_close;
}

static bool any_in_state(const struct sf_zeek_conn *conn, enum sf_zeek_state state)
{
    return conn->end[0].state == state || conn->end[1].state == state;
}

/* Whether the segment belongs to a new connection of the same addresses and ports. */
static bool is_reuse(const struct sf_zeek_conn *conn, const struct sf_segment *seg)
{
    if (!(seg->flags & SF_TH_SYN))
        return false;
    const struct sf_zeek_end *orig = &conn->end[conn->originator];
    const struct sf_zeek_end *resp = &conn->end[!conn->originator];
    const struct sf_zeek_end *compared = orig;
    if (seg->flags & SF_TH_ACK) {
        if (orig->state != SF_ZEEK_INACTIVE)
            return false;
        compared = resp;
    }
    if (is_closed(conn))
        return true;
    if (seg->seq.n == compared->start)
        return false;
    /* SYN and SYN-ACK in the wrong order. */
    return (seg->flags & SF_TH_ACK) || orig->state != SF_ZEEK_SYN_ACK_SENT ||
           resp->state != SF_ZEEK_INACTIVE || seg->seq.n != resp->start;
}

/* When the periodic check would find nothing left to wait for; SF_NS_UNKNOWN: never. */
static sf_ns expire_check_ns(const struct sf_zeek_conn *conn)
{
    bool both_closed = conn->end[0].did_close && conn->end[1].did_close;
    bool both_inactive =
        conn->end[0].state == SF_ZEEK_INACTIVE && conn->end[1].state == SF_ZEEK_INACTIVE;
    bool is_over = is_closed(conn) && (both_closed || any_in_state(conn, SF_ZEEK_RESET) ||
                                       any_in_state(conn, SF_ZEEK_INACTIVE));
    if (!conn->is_active || (!is_over && !both_inactive))
        return SF_NS_UNKNOWN;
    sf_ns first = conn->start_ns + FIRST_EXPIRE_CHECK;
    sf_ns after = conn->last_ns + CONNECTION_LINGER;
    if (first > after)
        return first;
    return first + ((after - first) / EXPIRE_CHECK_PERIOD + 1) * EXPIRE_CHECK_PERIOD;
}

static bool is_unanswered(const struct sf_zeek_conn *conn)
{
    uint8_t orig = conn->end[conn->originator].state;
    return conn->is_active && (orig == SF_ZEEK_SYN_SENT || orig == SF_ZEEK_SYN_ACK_SENT) &&
           conn->end[!conn->originator].state == SF_ZEEK_INACTIVE;
}

static sf_ns earlier(sf_ns a, sf_ns b)
{
    return sf_ns_known(b) && b < a ? b : a;
}

/* When Zeek drops the connection if none of its packets comes any more. */
static sf_ns removal_ns(const struct sf_zeek_conn *conn)
{
    sf_ns removal = conn->last_ns + idle_limits[conn->patience];
    if (conn->is_complete)
        return earlier(removal, conn->due_ns); /* the close cancelled the other timers */
    if (conn->is_attempt && is_unanswered(conn))
        removal = earlier(removal, conn->due_ns);
    return earlier(removal, expire_check_ns(conn));
}

/* Whether it was dropped before the segment came. */
static bool is_removed(const struct sf_zeek_conn *conn, const struct sf_segment *seg)
{
    bool has_timer = conn->is_attempt || conn->is_complete;
    bool is_soon = seg->ts_ns - conn->last_ns < CONNECTION_LINGER;
    if (is_soon && !(has_timer && conn->due_ns <= seg->ts_ns))
        return false; /* no other timer is that short */
    return removal_ns(conn) <= seg->ts_ns;
}

/* The history of a SYN scan that its sender reset: ^?S, none of HAFGIQ, R. */
static bool is_reset_attempt(const char *history)
{
    if (*history == '^')
        history++;
    return *history == 'S' && history[1 + strcspn(history + 1, "HAFGIQR")] == 'R';
}

static bool is_inactive(uint8_t state)
{
    return state == SF_ZEEK_INACTIVE || state == SF_ZEEK_PARTIAL;
}

static const char *state_with_reset(const struct sf_view_slot *slot, uint8_t orig, uint8_t resp,
                                    const char *history)
{
    if (resp == SF_ZEEK_RESET) {
        bool is_empty = sf_zeek_size(slot, SF_FROM_0) == 0 && sf_zeek_size(slot, SF_FROM_1) == 0;
        if (orig == SF_ZEEK_SYN_SENT || orig == SF_ZEEK_SYN_ACK_SENT ||
            (orig == SF_ZEEK_RESET && is_empty))
            return "REJ";
        return is_inactive(orig) ? "RSTRH" : "RSTR";
    }
    if (!is_inactive(resp))
        return "RSTO";
    return is_reset_attempt(history) ? "RSTOS0" : "OTH";
}

/* conn_state of scripts/base/protocols/conn/main.zeek. */
static const char *conn_state(const struct sf_view_slot *slot, const char *history)
{
    const struct sf_zeek_conn *conn = &slot->zeek;
    uint8_t orig = conn->end[conn->originator].state;
    uint8_t resp = conn->end[!conn->originator].state;
    if (orig == SF_ZEEK_RESET || resp == SF_ZEEK_RESET)
        return state_with_reset(slot, orig, resp, history);
    if (orig == SF_ZEEK_CLOSED && resp == SF_ZEEK_CLOSED)
        return "SF";
    if (orig == SF_ZEEK_CLOSED)
        return is_inactive(resp) ? "SH" : "S2";
    if (resp == SF_ZEEK_CLOSED)
        return is_inactive(orig) ? "SHR" : "S3";
    if (orig == SF_ZEEK_SYN_SENT && resp == SF_ZEEK_INACTIVE)
        return "S0";
    if (orig == SF_ZEEK_ESTABLISHED && resp == SF_ZEEK_ESTABLISHED)
        return "S1";
    return "OTH";
}

/* Zeek's clock has microseconds, and it fills the counts only together with the duration. */
static bool has_duration(const struct sf_zeek_conn *conn)
{
    return conn->last_ns / SF_USEC != conn->start_ns / SF_USEC;
}

static uint64_t size_of(const struct sf_view_slot *slot, enum sf_dir dir)
{
    return has_duration(&slot->zeek) ? sf_zeek_size(slot, dir) : SF_COUNT_UNKNOWN;
}

static void fill_row(const struct sf_view_slot *slot, const struct sf_flow_key *key,
                     sf_ns removed_ns, struct sf_zeek_row *row)
{
    const struct sf_zeek_conn *conn = &slot->zeek;
    *row = (struct sf_zeek_row){
        .key = *key,
        .originator = (enum sf_dir)conn->originator,
        .first_packet = conn->first_packet,
        .start_ns = conn->start_ns,
        .duration_ns = has_duration(conn) ? conn->last_ns - conn->start_ns : SF_NS_UNKNOWN,
        .removed_ns = removed_ns,
        .missed_bytes = conn->missed_bytes,
    };
    sf_zeek_history_text(slot, row->history);
    row->conn_state = conn_state(slot, row->history);
    for (int i = 0; i < SF_DIR_COUNT; i++) {
        row->bytes[i] = size_of(slot, (enum sf_dir)i);
        row->packets[i] = sf_zeek_get(slot, (enum sf_dir)i, SF_ZEEK_PACKETS);
        row->ip_bytes[i] = conn->end[i].ip_bytes;
    }
}

static void queue_row(struct sf_views *views, const struct sf_zeek_row *row)
{
    struct sf_zeek_row_node *node = sf_view_take(&views->rows);
    if (node == NULL)
        return;
    node->row = *row;
    if (views->last_row != NULL)
        views->last_row->next = node;
    else
        views->first_row = node;
    views->last_row = node;
}

static void keep_cut(struct sf_views *views, struct sf_view_slot *slot,
                     const struct sf_zeek_row *row)
{
    struct sf_view_rare *rare = sf_view_take_rare(views, slot);
    if (rare == NULL)
        return;
    bool is_full = rare->zeek_cut_count >= SF_VIEW_CUTS_MAX;
    struct sf_zeek_cut *cut = is_full ? NULL : sf_view_take(&views->zeek_cuts);
    if (cut == NULL) {
        if (rare->last_zeek_cut != NULL)
            rare->last_zeek_cut->more++;
        return;
    }
    cut->row = *row;
    if (rare->last_zeek_cut != NULL)
        rare->last_zeek_cut->next = cut;
    else
        rare->zeek_cuts = cut;
    rare->last_zeek_cut = cut;
    rare->zeek_cut_count++;
}

/* Ends the connection in progress: then there is none. */
static void finish(struct sf_views *views, struct sf_view_slot *slot, const struct sf_flow_key *key,
                   sf_ns removed_ns, bool keep)
{
    struct sf_zeek_row row;
    if (keep || views->options.zeek_rows)
        fill_row(slot, key, removed_ns, &row);
    if (views->options.zeek_rows)
        queue_row(views, &row);
    if (keep)
        keep_cut(views, slot, &row);
    sf_zeek_drop_ranges(views, slot, SF_FROM_0);
    sf_zeek_drop_ranges(views, slot, SF_FROM_1);
    slot->zeek = (struct sf_zeek_conn){0};
    if (slot->rare == NULL)
        return;
    memset(slot->rare->zeek, 0, sizeof slot->rare->zeek);
    memset(slot->rare->history, 0, sizeof slot->rare->history);
}

/* Zeek drops a packet with a damaged IPv4 header before it looks for a connection. RFC 1071. */
static bool has_bad_ip_checksum(const struct sf_segment *seg)
{
    if (seg->key.scope.ip_version != 4 || seg->from_fragments || seg->ip_cap < 20)
        return false;
    uint32_t header_len = (seg->ip[0] & 0x0fu) * 4;
    if (header_len > seg->ip_cap)
        return false;
    uint32_t sum = 0;
    for (uint32_t i = 0; i + 1 < header_len; i += 2)
        sum += sf_be16(seg->ip + i);
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum != 0xffff;
}

static bool has_bad_tcp_checksum(const struct sf_segment *seg)
{
    bool is_known;
    bool is_right = sf_segment_checksum_ok(seg, &is_known);
    return is_known && !is_right;
}

static void note_bad_checksum(struct sf_views *views, struct sf_view_slot *slot, enum sf_dir dir)
{
    struct sf_view_rare *rare = sf_view_take_rare(views, slot);
    if (rare != NULL)
        sf_zeek_scaled_history(views, slot, dir, 'C', &rare->zeek[dir].bad_checksums);
}

void sf_zeek_segment(struct sf_views *views, struct sf_view_slot *slot,
                     const struct sf_segment *seg)
{
    struct sf_zeek_conn *conn = &slot->zeek;
    if (views->options.zeek_checksums && has_bad_ip_checksum(seg))
        return;
    if (conn->first_packet != 0 && is_removed(conn, seg))
        finish(views, slot, &seg->key, removal_ns(conn), true);
    else if (conn->first_packet != 0 && is_reuse(conn, seg))
        finish(views, slot, &seg->key, seg->ts_ns, true);
    bool begins = conn->first_packet == 0;
    if (begins)
        begin(views, slot, seg);
    if (views->options.zeek_checksums && has_bad_tcp_checksum(seg))
        note_bad_checksum(views, slot, seg->dir);
    else if (begins ? !sf_zeek_plain_syn(slot, seg) : !sf_zeek_plain_syn_ack(views, slot, seg))
        sf_zeek_process(views, slot, seg);
}

/* What a record says of Zeek's connection. */
static void tell(struct sf_record *record, const struct sf_zeek_row *row)
{
    struct sf_record_views *views = &record->views;
    enum sf_dir orig = row->originator;
    views->zeek_conn_state = row->conn_state;
    _Static_assert(sizeof views->zeek_history == sizeof row->history, "copied whole");
    memcpy(views->zeek_history, row->history, sizeof views->zeek_history);
    views->zeek_orig_bytes = row->bytes[orig];
    views->zeek_resp_bytes = row->bytes[sf_dir_other(orig)];
    views->zeek_missed_bytes = row->missed_bytes;
    views->zeek_originator = orig == record->client ? "client" : "server";
}

/* The same of the one in progress, without a row. */
static void tell_current(struct sf_record *record, const struct sf_view_slot *slot)
{
    struct sf_record_views *views = &record->views;
    enum sf_dir orig = (enum sf_dir)slot->zeek.originator;
    sf_zeek_history_text(slot, views->zeek_history);
    views->zeek_conn_state = conn_state(slot, views->zeek_history);
    views->zeek_orig_bytes = size_of(slot, orig);
    views->zeek_resp_bytes = size_of(slot, sf_dir_other(orig));
    views->zeek_missed_bytes = slot->zeek.missed_bytes;
    views->zeek_originator = orig == record->client ? "client" : "server";
}

static void drop_first_cut(struct sf_views *views, struct sf_view_rare *rare)
{
    struct sf_zeek_cut *cut = rare->zeek_cuts;
    rare->zeek_cuts = cut->next;
    if (rare->zeek_cuts == NULL)
        rare->last_zeek_cut = NULL;
    rare->zeek_cut_count--;
    sf_slab_give(&views->zeek_cuts, cut);
}

/* Rows that no later record can ask for: all but the one that holds the next record's first
 * packet and those after it. */
static void drop_old_cuts(struct sf_views *views, struct sf_view_slot *slot, uint64_t next_packet)
{
    struct sf_view_rare *rare = slot->rare;
    while (rare != NULL && rare->zeek_cuts != NULL) {
        const struct sf_zeek_cut *next = rare->zeek_cuts->next;
        uint64_t following = next != NULL ? next->row.first_packet : slot->zeek.first_packet;
        if (following == 0 || following > next_packet)
            return;
        drop_first_cut(views, rare);
    }
}

void sf_zeek_record(struct sf_views *views, struct sf_view_slot *slot, struct sf_record *record)
{
    record->views.zeek_conn_state = NULL;
    record->views.zeek_history[0] = '\0';
    record->views.zeek_orig_bytes = record->views.zeek_resp_bytes = SF_COUNT_UNKNOWN;
    record->views.zeek_missed_bytes = record->views.zeek_records = SF_COUNT_UNKNOWN;
    record->views.zeek_originator = NULL;
    if (!views->options.zeek || slot == NULL)
        return;
    uint64_t begin = record->first_packet, current = slot->zeek.first_packet;
    uint64_t end = record->view_next_packet != 0 ? record->view_next_packet : UINT64_MAX;
    uint64_t rows = 0;
    const struct sf_zeek_row *found = NULL;
    const struct sf_zeek_cut *cut = slot->rare != NULL ? slot->rare->zeek_cuts : NULL;
    for (; cut != NULL; cut = cut->next) {
        if (cut->row.first_packet <= begin || found == NULL)
            found = &cut->row;
        if (cut->row.first_packet >= begin && cut->row.first_packet < end)
            rows += 1 + cut->more;
    }
    bool is_current = current != 0 && current < end && (found == NULL || current <= begin);
    if (current != 0 && current < end)
        rows += current >= begin;
    if (is_current)
        tell_current(record, slot);
    else if (found != NULL)
        tell(record, found);
    if (is_current || found != NULL)
        record->views.zeek_records = rows != 0 ? rows : 1;
    if (record->view_next_packet != 0)
        drop_old_cuts(views, slot, record->view_next_packet);
}

void sf_zeek_dispose(struct sf_views *views, struct sf_view_slot *slot,
                     const struct sf_flow_key *key)
{
    bool has_row = slot->zeek.first_packet != 0;
    if (has_row && (views->options.zeek_rows || slot->rare != NULL))
        finish(views, slot, key, removal_ns(&slot->zeek), false);
    while (slot->rare != NULL && slot->rare->zeek_cuts != NULL)
        drop_first_cut(views, slot->rare);
}
