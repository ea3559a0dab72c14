/* One segment through Zeek's TCP rules, in Zeek's order: positions, history, acknowledgements,
 * states, reassembly, close. No sequence number makes a FIN or RST invalid there. */
#include "view_internal.h"

/* TOO_LARGE_SEQ_DELTA: a SYN, RST or zero ACK farther off than this does not move a number. */
static const int32_t JUMP_LIMIT = 1048576;

/* One segment against its connection. The roles may flip while it is being looked at; some rules
 * go on with the sender's role from before. */
struct turn {
    struct sf_views *views;
    struct sf_view_slot *slot;
    struct sf_zeek_conn *conn;
    const struct sf_segment *seg;
    struct sf_zeek_end *snd, *rcv;
    enum sf_dir dir, other;
    bool syn, fin, rst, ack;
    bool was_originator;
    bool wants_close;
    bool is_established_now; /* the responder's SYN came */
};

static void set_state(struct sf_zeek_conn *conn, struct sf_zeek_end *end, enum sf_zeek_state state)
{
    if (end->state == state)
        return;
    const struct sf_zeek_end *peer = &conn->end[end == &conn->end[0]];
    bool ends_handshake = state > SF_ZEEK_SYN_ACK_SENT && end->state <= SF_ZEEK_SYN_ACK_SENT &&
                          peer->state <= SF_ZEEK_SYN_ACK_SENT;
    if (ends_handshake)
        conn->patience = SF_ZEEK_AFTER_HANDSHAKE;
    end->prev_state = end->state;
    end->state = (uint8_t)state;
}

static void set_partial(struct turn *t)
{
    if (t->snd->is_seen)
        return;
    if (t->was_originator)
        t->conn->is_partial = !t->syn || t->ack;
    else if (!t->conn->is_partial)
        t->conn->is_partial = !t->syn;
}

static uint32_t segment_end(const struct turn *t)
{
    uint32_t payload = t->rst ? 0 : t->seg->payload_len;
    return t->seg->seq.n + payload + t->syn + t->fin;
}

static void start_numbers(struct sf_zeek_end *end, uint32_t start, uint32_t last)
{
    end->start = start;
    end->low[SF_ZEEK_ACK] = start;
    end->low[SF_ZEEK_LAST] = last;
}

static void init_sender(struct turn *t)
{
    struct sf_zeek_end *snd = t->snd;
    uint32_t seq = t->seg->seq.n;
    switch ((enum sf_zeek_state)snd->state) {
    case SF_ZEEK_INACTIVE:
        if (t->syn)
            start_numbers(snd, seq, segment_end(t));
        else /* as if a SYN had stood before it */
            start_numbers(snd, seq - 1, seq);
        return;
    case SF_ZEEK_SYN_SENT:
    case SF_ZEEK_SYN_ACK_SENT:
        if (t->syn && seq != snd->start)
            start_numbers(snd, seq, segment_end(t));
        return;
    case SF_ZEEK_ESTABLISHED:
    case SF_ZEEK_PARTIAL:
        if (t->syn)
            start_numbers(snd, seq, segment_end(t));
        return;
    case SF_ZEEK_RESET:
        if (t->syn && snd->prev_state == SF_ZEEK_INACTIVE)
            start_numbers(snd, seq, segment_end(t));
        return;
    case SF_ZEEK_CLOSED: return;
    }
}

/* Position of seq in the stream of the end, judged by the nearness to one of its numbers. False
 * when it lies before the stream's start. */
static bool find_position(const struct turn *t, enum sf_dir dir, uint32_t seq,
                          enum sf_zeek_number near, uint64_t *out)
{
    uint64_t number = sf_zeek_get(t->slot, dir, near);
    uint32_t start = t->conn->end[dir].start, wraps = (uint32_t)(number >> 32);
    int32_t delta = (int32_t)(seq - (uint32_t)number);
    if (delta < 0 && wraps != 0 && seq > (uint32_t)number)
        wraps--;
    else if (delta > 0 && seq < (uint32_t)number)
        wraps++;
    if (wraps != 0) {
        *out = ((uint64_t)wraps << 32 | seq) - start;
        return true;
    }
    delta = (int32_t)(seq - start);
    *out = (uint64_t)(int64_t)delta;
    return delta >= 0;
}

/* The number has grown, or is to be taken for grown. */
static void move_number(struct turn *t, enum sf_dir dir, enum sf_zeek_number which, uint32_t number)
{
    uint32_t *low = &t->conn->end[dir].low[which];
    bool has_wrapped = number < *low;
    *low = number;
    if (has_wrapped)
        sf_zeek_carry(t->views, t->slot, dir, which);
}

/* Writes the letter the first time. True when it had been written before. */
static bool seen_before(struct turn *t, uint8_t bit, char letter)
{
    struct sf_zeek_conn *conn = t->conn;
    if (t->snd->seen & bit)
        return true;
    t->snd->seen |= bit;
    /* A SYN-ACK that is answered like one was no scan: its sender is the responder. */
    if ((letter == 'A' || letter == 'D') && conn->history_len == 1 && conn->history[0] == 'H') {
        conn->history_len = 0;
        sf_zeek_flip(t->views, t->slot);
        sf_zeek_history(t->views, t->slot, sf_dir_other((enum sf_dir)conn->originator), 'H');
    }
    sf_zeek_history(t->views, t->slot, t->dir, letter);
    return false;
}

static void repeat_letter(struct turn *t, uint8_t bit, char letter, uint64_t position,
                          enum sf_zeek_number last)
{
    if (seen_before(t, bit, letter) && position != sf_zeek_get(t->slot, t->dir, last))
        sf_zeek_history(t->views, t->slot, t->dir, letter);
    sf_zeek_set(t->views, t->slot, t->dir, last, position);
}

/* The same for a SYN, whose position is 0 nearly always. */
static void repeat_syn(struct turn *t, uint64_t position)
{
    struct sf_view_rare *rare =
        position != 0 ? sf_view_take_rare(t->views, t->slot) : t->slot->rare;
    uint64_t last = rare != NULL ? rare->zeek[t->dir].last_syn : 0;
    char letter = t->ack ? 'H' : 'S';
    if (seen_before(t, SF_ZEEK_SEEN_SYN, letter) && position != last)
        sf_zeek_history(t->views, t->slot, t->dir, letter);
    if (rare != NULL)
        rare->zeek[t->dir].last_syn = position;
}

static void note_history(struct turn *t, uint64_t position)
{
    uint32_t len = t->seg->payload_len;
    if (t->syn + t->fin + t->rst > 1) {
        if (t->fin && t->rst)
            seen_before(t, SF_ZEEK_SEEN_FIN_RST, 'I');
        else
            seen_before(t, SF_ZEEK_SEEN_MULTI_FLAG, 'Q');
    } else if (t->syn) {
        repeat_syn(t, position);
    } else if (t->fin) {
        repeat_letter(t, SF_ZEEK_SEEN_FIN, 'F', position + len, SF_ZEEK_FIN);
    } else if (t->rst) {
        repeat_letter(t, SF_ZEEK_SEEN_RST, 'R', position, SF_ZEEK_RST);
    } else if (len != 0) {
        seen_before(t, SF_ZEEK_SEEN_DATA, 'D');
    } else if (t->ack) {
        seen_before(t, SF_ZEEK_SEEN_ACK, 'A');
    }
}

static void note_zero_window(struct turn *t)
{
    if (t->rst || t->rcv->state == SF_ZEEK_CLOSED || t->snd->state == SF_ZEEK_RESET)
        return;
    struct sf_view_rare *rare = sf_view_take_rare(t->views, t->slot);
    if (rare != NULL)
        sf_zeek_scaled_history(t->views, t->slot, t->dir, 'W', &rare->zeek[t->dir].zero_windows);
}

static void note_retransmission(struct turn *t)
{
    struct sf_view_rare *rare = sf_view_take_rare(t->views, t->slot);
    if (rare != NULL)
        sf_zeek_scaled_history(t->views, t->slot, t->dir, 'T', &rare->zeek[t->dir].retransmissions);
}

static void note_fin(struct turn *t, uint64_t position)
{
    t->snd->has_odd_fin = t->syn || t->rst;
    if (!t->snd->has_odd_fin) {
        t->snd->has_fin = true;
        return;
    }
    struct sf_view_rare *rare = sf_view_take_rare(t->views, t->slot);
    t->snd->has_fin = t->snd->has_odd_fin = rare != NULL;
    if (rare != NULL)
        rare->zeek[t->dir].fin_end = position + (segment_end(t) - t->seg->seq.n);
}

/* Notes what the segment acknowledges; returns its position in the peer's stream. */
static uint64_t note_ack(struct turn *t)
{
    struct sf_zeek_end *rcv = t->rcv;
    uint32_t ack = t->seg->ack.n;
    if (rcv->state == SF_ZEEK_INACTIVE) {
        start_numbers(rcv, ack - 1, ack - 1);
        return 1;
    }
    uint64_t position;
    if (!find_position(t, t->other, ack, SF_ZEEK_ACK, &position))
        return 0;
    int32_t delta = (int32_t)(ack - rcv->low[SF_ZEEK_ACK]);
    if (!t->rst && delta > 0 && !(ack == 0 && delta > JUMP_LIMIT))
        move_number(t, t->other, SF_ZEEK_ACK, ack);
    return position;
}

static void note_last(struct turn *t)
{
    struct sf_zeek_end *snd = t->snd;
    uint32_t last = segment_end(t);
    int32_t delta = (int32_t)(last - snd->low[SF_ZEEK_LAST]);
    if ((t->syn || t->rst) && (delta > JUMP_LIMIT || delta < -JUMP_LIMIT))
        return;
    /* Of a long connection only SYN and FIN may have been captured. */
    bool is_only_fin = t->fin && snd->low[SF_ZEEK_LAST] == snd->start + 1;
    if (!is_only_fin && snd->state == SF_ZEEK_RESET)
        return;
    if (is_only_fin || delta > 0)
        move_number(t, t->dir, SF_ZEEK_LAST, last);
    else if (t->seg->payload_len > 0)
        note_retransmission(t);
}

static void syn_from_responder(struct turn *t)
{
    bool is_reversed =
        !t->ack && t->rcv->state == SF_ZEEK_SYN_ACK_SENT && t->seg->seq.n == t->snd->start;
    if (is_reversed) {
        sf_zeek_flip(t->views, t->slot);
        set_state(t->conn, t->rcv, SF_ZEEK_ESTABLISHED);
        t->snd->is_seen = true;
    }
    if (t->rcv->state == SF_ZEEK_SYN_SENT)
        set_state(t->conn, t->rcv, SF_ZEEK_ESTABLISHED);
    set_state(t->conn, t->snd, SF_ZEEK_ESTABLISHED);
    t->is_established_now = t->rcv->state != SF_ZEEK_PARTIAL;
}

/* The first segment of an end that is none of SYN, FIN, RST. */
static void start_without_syn(struct turn *t)
{
    const struct sf_zeek_end *orig = &t->conn->end[t->conn->originator];
    if (!t->was_originator && t->seg->payload_len == 0 && orig->state == SF_ZEEK_SYN_SENT)
        return; /* some ACK the SYN before they answer it */
    if (t->ack && t->rcv->state == SF_ZEEK_ESTABLISHED) {
        set_state(t->conn, t->snd, SF_ZEEK_ESTABLISHED);
        t->conn->is_partial = false;
        t->snd->is_seen = true;
        return;
    }
    set_state(t->conn, t->snd, SF_ZEEK_PARTIAL);
}

/* An unanswered SYN is given up some day. */
static void await_answer(struct turn *t)
{
    if (t->conn->is_complete)
        return; /* the close has cancelled all timers but its own */
    t->conn->is_attempt = true;
    t->conn->due_ns = t->seg->ts_ns + SF_ZEEK_ATTEMPT_DELAY;
}

static void in_inactive(struct turn *t)
{
    if (t->syn && t->was_originator) {
        set_state(t->conn, t->snd, t->ack ? SF_ZEEK_SYN_ACK_SENT : SF_ZEEK_SYN_SENT);
        await_answer(t);
    } else if (t->syn) {
        syn_from_responder(t);
    }
    if (t->fin)
        set_state(t->conn, t->snd, SF_ZEEK_CLOSED);
    if (t->rst)
        set_state(t->conn, t->snd, SF_ZEEK_RESET);
    t->wants_close = t->fin || t->rst;
    if (t->snd->state == SF_ZEEK_INACTIVE)
        start_without_syn(t);
}

static void in_syn_sent(struct turn *t)
{
    if (t->fin)
        set_state(t->conn, t->snd, SF_ZEEK_CLOSED);
    if (t->rst) {
        set_state(t->conn, t->snd, SF_ZEEK_RESET);
        t->conn->is_active = false;
    }
    t->wants_close = t->fin || t->rst;
}

static void in_established(struct turn *t)
{
    struct sf_zeek_end *snd = t->snd, *rcv = t->rcv;
    if (t->syn && !t->ack && snd->state == SF_ZEEK_PARTIAL && rcv->state == SF_ZEEK_INACTIVE)
        set_state(t->conn, snd, SF_ZEEK_SYN_SENT);
    if (t->fin && !t->rst) {
        set_state(t->conn, snd, SF_ZEEK_CLOSED);
        /* The peer's FIN, then RST, then our FIN: a normal end after all. */
        if (rcv->state == SF_ZEEK_RESET && rcv->prev_state == SF_ZEEK_CLOSED)
            set_state(t->conn, rcv, SF_ZEEK_CLOSED);
    }
    if (t->rst) {
        set_state(t->conn, snd, SF_ZEEK_RESET);
        if (rcv->state != SF_ZEEK_RESET || rcv->prev_state != SF_ZEEK_ESTABLISHED)
            t->conn->is_active = false;
    }
    t->wants_close = t->fin || t->rst;
}

static void in_closed(struct turn *t)
{
    if (!t->rst || t->rcv->state == SF_ZEEK_CLOSED)
        return;
    set_state(t->conn, t->snd, SF_ZEEK_RESET);
    t->wants_close = !t->snd->did_close;
}

static void change_state(struct turn *t)
{
    switch ((enum sf_zeek_state)t->snd->state) {
    case SF_ZEEK_INACTIVE: in_inactive(t); return;
    case SF_ZEEK_SYN_SENT:
    case SF_ZEEK_SYN_ACK_SENT: in_syn_sent(t); return;
    case SF_ZEEK_ESTABLISHED:
    case SF_ZEEK_PARTIAL: in_established(t); return;
    case SF_ZEEK_CLOSED: in_closed(t); return;
    case SF_ZEEK_RESET: return;
    }
}

static void check_end(struct sf_view_slot *slot, enum sf_dir dir, bool wants_close)
{
    const struct sf_zeek_end *end = &slot->zeek.end[dir];
    bool may_end = end->has_fin || end->state == SF_ZEEK_CLOSED || end->state == SF_ZEEK_RESET;
    if ((may_end && !end->did_eof) || wants_close)
        sf_zeek_end_stream(&slot->zeek, dir, wants_close, sf_zeek_data_pending(slot, dir));
}

static void note_first_packet(struct turn *t)
{
    /* By the role from before a flip within this packet, as Zeek does. */
    bool is_originator = t->conn->originator == t->seg->dir;
    struct sf_zeek_end *seen = is_originator == t->was_originator ? t->snd : t->rcv;
    seen->is_seen = true;
}

static void note_established(struct turn *t)
{
    const uint16_t *port = t->seg->key.port;
    enum sf_dir orig = (enum sf_dir)t->conn->originator;
    bool is_half_seen = t->conn->end[orig].state == SF_ZEEK_INACTIVE;
    if (sf_zeek_is_shell(port[sf_dir_other(orig)]) ||
        (is_half_seen && sf_zeek_is_shell(port[orig])))
        t->conn->patience = SF_ZEEK_SHELL;
}

void sf_zeek_process(struct sf_views *views, struct sf_view_slot *slot,
                     const struct sf_segment *seg)
{
    struct sf_zeek_conn *conn = &slot->zeek;
    enum sf_dir dir = seg->dir, other = sf_dir_other(seg->dir);
    struct turn t = {
        .views = views,
        .slot = slot,
        .conn = conn,
        .seg = seg,
        .snd = &conn->end[dir],
        .rcv = &conn->end[other],
        .dir = dir,
        .other = other,
        .syn = (seg->flags & SF_TH_SYN) != 0,
        .fin = (seg->flags & SF_TH_FIN) != 0,
        .rst = (seg->flags & SF_TH_RST) != 0,
        .ack = (seg->flags & SF_TH_ACK) != 0,
        .was_originator = conn->originator == dir,
    };
    set_partial(&t);
    init_sender(&t);
    uint64_t position;
    bool in_stream = find_position(&t, dir, seg->seq.n, SF_ZEEK_LAST, &position);
    note_history(&t, position);
    if (seg->window == 0)
        note_zero_window(&t);
    if (!t.snd->did_close || !t.rcv->did_close)
        conn->last_ns = seg->ts_ns;
    if (t.fin)
        note_fin(&t, position);
    uint64_t acked = t.ack ? note_ack(&t) : 0;
    note_last(&t);
    change_state(&t);
    /* After the change of state: a gap that a FIN or RST reveals is judged by the new one. */
    if (t.ack && sf_zeek_acked(views, slot, other, acked))
        check_end(slot, other, false);
    note_first_packet(&t);
    bool has_data = seg->payload_len > 0 && !t.rst && in_stream;
    if (has_data && seg->payload_cap >= seg->payload_len)
        sf_zeek_data(views, slot, dir, position + t.syn, position + t.syn + seg->payload_len);
    check_end(slot, dir, t.wants_close);
    if (t.is_established_now)
        note_established(&t);
    move_number(&t, dir, SF_ZEEK_PACKETS, t.snd->low[SF_ZEEK_PACKETS] + 1);
    t.snd->ip_bytes += seg->ip_bytes;
}
