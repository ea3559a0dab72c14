/* One segment through Zeek's TCP rules, in Zeek's order: positions, history, acknowledgements,
 * states, reassembly, close. No sequence number makes a FIN or RST invalid there. */
#include <string.h>

#include "view_internal.h"

/* TOO_LARGE_SEQ_DELTA: a SYN, RST or zero ACK farther off than this does not move a number. */
static const int32_t JUMP_LIMIT = 1048576;

/* scripts/base/init-bare.zeek: tcp_inactivity_timeout; base/protocols/conn/inactivity.zeek. */
static const sf_ns INACTIVITY = 300 * SF_SEC;
static const sf_ns SHELL_INACTIVITY = 3600 * SF_SEC;
static const sf_ns CLOSE_DELAY = 5 * SF_SEC;

/* Bits of sf_zeek_end.seen. */
enum {
    SEEN_SYN = 0x01,
    SEEN_FIN = 0x02,
    SEEN_RST = 0x04,
    SEEN_DATA = 0x08,
    SEEN_ACK = 0x10,
    SEEN_FIN_RST = 0x20,
    SEEN_MULTI_FLAG = 0x40,
};

/* One segment against its connection. The roles may flip while it is being looked at; some rules
 * go on with the sender's role from before. */
struct turn {
    struct sf_views *views;
    struct sf_zeek_conn *conn;
    const struct sf_segment *seg;
    struct sf_zeek_end *snd, *rcv;
    bool syn, fin, rst, ack;
    bool was_originator;
    bool wants_close;
    bool is_established_now; /* the responder's SYN came */
};

uint64_t sf_zeek_full_seq(uint32_t seq, uint32_t wraps)
{
    return (uint64_t)wraps << 32 | seq;
}

bool sf_zeek_nothing_acked(const struct sf_zeek_end *end)
{
    uint64_t ack = sf_zeek_full_seq(end->ack, end->ack_wraps);
    return ack == end->start || ack == (uint64_t)end->start + 1;
}

uint64_t sf_zeek_size(const struct sf_zeek_conn *conn, enum sf_dir dir)
{
    const struct sf_zeek_end *end = &conn->end[dir];
    const struct sf_zeek_end *peer = &conn->end[sf_dir_other(dir)];
    /* A half-open connection was found and aborted: the numbers mean nothing. */
    if (end->prev_state == SF_ZEEK_SYN_SENT && end->state == SF_ZEEK_RESET &&
        peer->state == SF_ZEEK_INACTIVE && !sf_zeek_nothing_acked(end))
        return 0;
    uint64_t last = sf_zeek_full_seq(end->last, end->last_wraps);
    uint64_t ack = sf_zeek_full_seq(end->ack, end->ack_wraps);
    uint64_t size = (last > ack ? last : ack) - end->start;
    if (size != 0)
        size--;
    if (end->has_fin && size != 0)
        size--;
    return size;
}

static void add_letter(struct sf_zeek_conn *conn, char letter)
{
    if (conn->history_len < SF_ZEEK_HISTORY - 1)
        conn->history[conn->history_len++] = letter;
}

void sf_zeek_history(struct sf_zeek_conn *conn, enum sf_dir dir, char letter)
{
    bool is_originator = conn->originator == dir;
    add_letter(conn, is_originator ? letter : (char)(letter - 'A' + 'a'));
}

void sf_zeek_scaled_history(struct sf_zeek_conn *conn, enum sf_dir dir, char letter,
                            uint32_t *count)
{
    uint32_t rest = ++*count;
    while (rest % 10 == 0)
        rest /= 10;
    if (rest == 1)
        sf_zeek_history(conn, dir, letter);
}

void sf_zeek_bad_checksum(struct sf_zeek_conn *conn, enum sf_dir dir)
{
    sf_zeek_scaled_history(conn, dir, 'C', &conn->rare[dir].bad_checksums);
}

void sf_zeek_flip(struct sf_zeek_conn *conn)
{
    conn->originator = !conn->originator;
    conn->is_partial = false;
    add_letter(conn, '^');
}

static void set_state(struct sf_zeek_conn *conn, struct sf_zeek_end *end, enum sf_zeek_state state)
{
    if (end->state == state)
        return;
    const struct sf_zeek_end *peer = &conn->end[end == &conn->end[0]];
    bool ends_handshake = state > SF_ZEEK_SYN_ACK_SENT && end->state <= SF_ZEEK_SYN_ACK_SENT &&
                          peer->state <= SF_ZEEK_SYN_ACK_SENT;
    if (ends_handshake)
        conn->idle_limit_ns = INACTIVITY;
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
    end->ack = start;
    end->last = last;
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

/* Position of seq in the stream of `end`, judged by the nearness to `near`. False when it lies
 * before the stream's start. */
static bool find_position(const struct sf_zeek_end *end, uint32_t seq, uint32_t near,
                          uint32_t wraps, uint64_t *out)
{
    int32_t delta = (int32_t)(seq - near);
    if (delta < 0 && wraps != 0 && seq > near)
        wraps--;
    else if (delta > 0 && seq < near)
        wraps++;
    if (wraps != 0) {
        *out = sf_zeek_full_seq(seq, wraps) - end->start;
        return true;
    }
    delta = (int32_t)(seq - end->start);
    *out = (uint64_t)(int64_t)delta;
    return delta >= 0;
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
        sf_zeek_flip(conn);
        add_letter(conn, 'h');
    }
    sf_zeek_history(conn, t->seg->dir, letter);
    return false;
}

static void repeat_letter(struct turn *t, uint8_t bit, char letter, uint64_t position,
                          uint64_t *last_position)
{
    if (seen_before(t, bit, letter) && position != *last_position)
        sf_zeek_history(t->conn, t->seg->dir, letter);
    *last_position = position;
}

static void note_history(struct turn *t, uint64_t position)
{
    struct sf_zeek_rare *rare = &t->conn->rare[t->seg->dir];
    uint32_t len = t->seg->payload_len;
    if (t->syn + t->fin + t->rst > 1) {
        if (t->fin && t->rst)
            seen_before(t, SEEN_FIN_RST, 'I');
        else
            seen_before(t, SEEN_MULTI_FLAG, 'Q');
    } else if (t->syn) {
        repeat_letter(t, SEEN_SYN, t->ack ? 'H' : 'S', position, &rare->last_syn);
    } else if (t->fin) {
        repeat_letter(t, SEEN_FIN, 'F', position + len, &rare->last_fin);
    } else if (t->rst) {
        repeat_letter(t, SEEN_RST, 'R', position, &rare->last_rst);
    } else if (len != 0) {
        seen_before(t, SEEN_DATA, 'D');
    } else if (t->ack) {
        seen_before(t, SEEN_ACK, 'A');
    }
    if (t->seg->window == 0 && !t->rst && t->rcv->state != SF_ZEEK_CLOSED &&
        t->snd->state != SF_ZEEK_RESET)
        sf_zeek_scaled_history(t->conn, t->seg->dir, 'W', &rare->zero_windows);
}

static void move_last(struct sf_zeek_end *end, uint32_t last)
{
    end->last_wraps += last < end->last;
    end->last = last;
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
    if (!find_position(rcv, ack, rcv->ack, rcv->ack_wraps, &position))
        return 0;
    int32_t delta = (int32_t)(ack - rcv->ack);
    if (!t->rst && delta > 0 && !(ack == 0 && delta > JUMP_LIMIT)) {
        rcv->ack_wraps += ack < rcv->ack;
        rcv->ack = ack;
    }
    return position;
}

static void note_last(struct turn *t)
{
    struct sf_zeek_end *snd = t->snd;
    uint32_t last = segment_end(t);
    int32_t delta = (int32_t)(last - snd->last);
    if ((t->syn || t->rst) && (delta > JUMP_LIMIT || delta < -JUMP_LIMIT))
        return;
    if (t->fin && snd->last == snd->start + 1)
        move_last(snd, last); /* of a long connection only SYN and FIN may have been captured */
    else if (snd->state == SF_ZEEK_RESET)
        return;
    else if (delta > 0)
        move_last(snd, last);
    else if (t->seg->payload_len > 0)
        sf_zeek_scaled_history(t->conn, t->seg->dir, 'T',
                               &t->conn->rare[t->seg->dir].retransmissions);
}

static void syn_from_responder(struct turn *t)
{
    bool is_reversed =
        !t->ack && t->rcv->state == SF_ZEEK_SYN_ACK_SENT && t->seg->seq.n == t->snd->start;
    if (is_reversed) {
        sf_zeek_flip(t->conn);
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

static void in_inactive(struct turn *t)
{
    if (t->syn && t->was_originator) {
        set_state(t->conn, t->snd, t->ack ? SF_ZEEK_SYN_ACK_SENT : SF_ZEEK_SYN_SENT);
        t->conn->attempt_ns = t->seg->ts_ns;
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

/* The end asks to close: at once, or later when octets are still expected. */
static void close_end(struct sf_zeek_conn *conn, enum sf_dir dir)
{
    struct sf_zeek_end *end = &conn->end[dir];
    const struct sf_zeek_end *peer = &conn->end[sf_dir_other(dir)];
    conn->close_deferred = sf_zeek_data_pending(conn, dir);
    if (conn->close_deferred || end->did_close)
        return;
    end->did_close = true;
    bool is_complete =
        end->state == SF_ZEEK_RESET || peer->did_close || peer->state == SF_ZEEK_INACTIVE;
    if (is_complete && !sf_ns_known(conn->delete_ns))
        conn->delete_ns = conn->last_ns + CLOSE_DELAY;
}

/* An end is at its stream's end once it sent FIN or RST and nothing is pending: a close that
 * waited for that happens now. */
static void check_end_of_stream(struct sf_zeek_conn *conn, enum sf_dir dir)
{
    struct sf_zeek_end *end = &conn->end[dir];
    bool may_end = end->has_fin || end->state == SF_ZEEK_CLOSED || end->state == SF_ZEEK_RESET;
    if (end->did_eof || !may_end || sf_zeek_data_pending(conn, dir))
        return;
    end->did_eof = true;
    if (!conn->close_deferred)
        return;
    close_end(conn, dir);
    conn->close_deferred = false;
}

static void note_first_packet(struct turn *t)
{
    /* By the role from before a flip within this packet, as Zeek does. */
    bool is_originator = t->conn->originator == t->seg->dir;
    struct sf_zeek_end *seen = is_originator == t->was_originator ? t->snd : t->rcv;
    seen->is_seen = true;
}

/* Port of a remote shell or FTP: of the responder, or of an originator that only answered. */
static bool is_shell_port(uint16_t port)
{
    return port == 21 || port == 22 || port == 23 || port == 513;
}

static void note_established(struct turn *t)
{
    const uint16_t *port = t->seg->key.port;
    enum sf_dir orig = (enum sf_dir)t->conn->originator;
    bool is_half_seen = t->conn->end[orig].state == SF_ZEEK_INACTIVE;
    if (is_shell_port(port[sf_dir_other(orig)]) || (is_half_seen && is_shell_port(port[orig])))
        t->conn->idle_limit_ns = SHELL_INACTIVITY;
}

static bool is_end_steady(const struct sf_zeek_end *end)
{
    return end->state == SF_ZEEK_ESTABLISHED && end->is_seen && !end->gave_up && !end->has_fin &&
           !end->did_close && end->ranges == NULL && (end->last_wraps | end->ack_wraps) == 0;
}

/* Whether the segment sends the next octets, or none, and acknowledges no less than before, all
 * within the first 2^31 numbers of both streams. */
static bool goes_on(const struct sf_zeek_end *snd, const struct sf_zeek_end *rcv,
                    const struct sf_segment *seg)
{
    uint32_t len = seg->payload_len, seq = seg->seq.n, ack = seg->ack.n;
    return seq == snd->last && seq >= snd->start && seq - snd->start <= INT32_MAX &&
           len <= UINT32_MAX - seq && ack >= rcv->ack && rcv->ack >= rcv->start &&
           ack - rcv->start <= INT32_MAX && (snd->seen & (len != 0 ? SEEN_DATA : SEEN_ACK));
}

bool sf_zeek_continue(struct sf_views *views, struct sf_zeek_conn *conn,
                      const struct sf_segment *seg)
{
    struct sf_zeek_end *snd = &conn->end[seg->dir], *rcv = &conn->end[sf_dir_other(seg->dir)];
    bool is_plain = (seg->flags & (SF_TH_SYN | SF_TH_FIN | SF_TH_RST | SF_TH_ACK)) == SF_TH_ACK;
    if (!is_plain || seg->window == 0 || !is_end_steady(snd) || !is_end_steady(rcv) ||
        !goes_on(snd, rcv, seg))
        return false;
    conn->last_ns = seg->ts_ns;
    rcv->ack = seg->ack.n;
    sf_zeek_acked(views, conn, sf_dir_other(seg->dir), rcv->ack - rcv->start);
    uint64_t position = seg->seq.n - snd->start;
    uint32_t len = seg->payload_len;
    snd->last += len;
    if (len > 0 && seg->payload_cap >= len)
        sf_zeek_data(views, conn, seg->dir, position, position + len);
    return true;
}

void sf_zeek_process(struct sf_views *views, struct sf_zeek_conn *conn,
                     const struct sf_segment *seg)
{
    enum sf_dir dir = seg->dir, other = sf_dir_other(seg->dir);
    struct turn t = {
        .views = views,
        .conn = conn,
        .seg = seg,
        .snd = &conn->end[dir],
        .rcv = &conn->end[other],
        .syn = (seg->flags & SF_TH_SYN) != 0,
        .fin = (seg->flags & SF_TH_FIN) != 0,
        .rst = (seg->flags & SF_TH_RST) != 0,
        .ack = (seg->flags & SF_TH_ACK) != 0,
        .was_originator = conn->originator == dir,
    };
    set_partial(&t);
    init_sender(&t);
    uint64_t position;
    bool in_stream = find_position(t.snd, seg->seq.n, t.snd->last, t.snd->last_wraps, &position);
    note_history(&t, position);
    if (!t.snd->did_close || !t.rcv->did_close)
        conn->last_ns = seg->ts_ns;
    if (t.fin) {
        t.snd->has_fin = true;
        t.snd->fin_end = position + (segment_end(&t) - seg->seq.n);
    }
    uint64_t acked = t.ack ? note_ack(&t) : 0;
    note_last(&t);
    change_state(&t);
    /* After the change of state: a gap that a FIN or RST reveals is judged by the new one. */
    if (t.ack && sf_zeek_acked(views, conn, other, acked))
        check_end_of_stream(conn, other);
    note_first_packet(&t);
    bool has_data = seg->payload_len > 0 && !t.rst && in_stream;
    if (has_data && seg->payload_cap >= seg->payload_len)
        sf_zeek_data(views, conn, dir, position + t.syn, position + t.syn + seg->payload_len);
    check_end_of_stream(conn, dir);
    if (t.wants_close)
        close_end(conn, dir);
    if (t.is_established_now)
        note_established(&t);
}
