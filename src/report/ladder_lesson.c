/* What each step means, for somebody who sees TCP for the first time: tables of sentences.
 *
 * In a sentence $s is the end that sent the segment and $r the one it goes to ($S, $R begin a
 * sentence); $a is the ACK number, $b the octet before it, $f the number of the FIN, $i the first
 * number as it stands in the packet, $l the length, $o the octets carried, $x the next one, $w the
 * window. */
#include <inttypes.h>
#include <string.h>

#include "human.h"
#include "ladder_internal.h"

static void put_octet_span(struct sf_buffer *out, const struct ladder_step *step)
{
    if (step->len == 1)
        sf_put_format(out, "octet %" PRId64, step->seq);
    else
        sf_put_format(out, "octets %" PRId64 " to %" PRId64, step->seq, step->seq + step->len - 1);
}

static void put_end_name(struct sf_buffer *out, enum sf_role end, bool begins)
{
    sf_put_text(out, begins ? "The " : "the ");
    sf_put_text(out, sf_role_name(end));
}

static void put_word(struct sf_buffer *out, const struct ladder_step *step, char word)
{
    enum sf_role peer = step->from == SF_CLIENT ? SF_SERVER : SF_CLIENT;
    switch (word) {
    case 'S':
    case 's': put_end_name(out, step->from, word == 'S'); break;
    case 'R':
    case 'r': put_end_name(out, peer, word == 'R'); break;
    case 'a': sf_put_signed(out, step->ack); break;
    case 'b': sf_put_signed(out, step->ack - 1); break;
    case 'f': sf_put_signed(out, step->seq + step->len); break;
    case 'x': sf_put_signed(out, step->seq + step->len); break;
    case 'i': sf_put_format(out, "%" PRIu32, step->raw_seq); break;
    case 'l':
        sf_put_format(out, "%" PRIu32 " octet%s", step->len, step->len == 1 ? "" : "s");
        break;
    case 'o': put_octet_span(out, step); break;
    case 'w': sf_put_human_count(out, step->window); break;
    default: break;
    }
}

/* Sentences in one paragraph: a blank between them. */
static void put_sentence(struct sf_buffer *out, const struct ladder_step *step, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    if (out->len > 0)
        sf_put_char(out, ' ');
    for (; *text != '\0'; text++) {
        if (*text == '$' && text[1] != '\0')
            put_word(out, step, *++text);
        else if (*text == ' ' && text[1] == '(' && text[2] == '?')
            sf_put_char(out, SF_PAGE_JOINT);
        else
            sf_put_char(out, *text);
    }
}

/* Whose state changes: the end that sent the segment, or the one it goes to. */
enum side { SENDER, RECEIVER };

enum { ANY = SF_STATE_COUNT };

struct change {
    enum side side;
    enum sf_cause cause;
    unsigned from, to, other; /* enum sf_tcp_state or ANY; `other`: the peer's before the segment */
    unsigned flags;           /* bits that the segment has besides */
    const char *text;
    const char *sender_knows, *receiver_knows; /* NULL: nothing new */
};

/* The first row that fits tells. */
static const struct change changes[] = {
    /* Opening: RFC 9293 §3.5. */
    {SENDER, SF_CAUSE_SENT_SYN, SF_STATE_NONE, SF_SYN_SENT, SF_SYN_SENT, 0,
     "$S sends a SYN of its own in place of a SYN-ACK: it asks to open, too, and acknowledges "
     "nothing.",
     "nothing more yet", "that $s wants to open as well, and its first number"},
    {SENDER, SF_CAUSE_SENT_SYN, ANY, SF_SYN_SENT, ANY, 0,
     "$S asks to open. It counts its octets from a number of its own choice ($i), shown here as 0. "
     "The SYN takes that number: the first octet of data will be 1.",
     "nothing yet of $r", "that $s wants to open, and its first number"},
    {SENDER, SF_CAUSE_SENT_SYN_ACK, SF_SYN_SENT, SF_SYN_RECEIVED, SF_SYN_RECEIVED, 0,
     "$S acknowledges the other SYN, too, and sends its own again with it.",
     "$r's number, and that $r got its own", "that $s got its number"},
    {SENDER, SF_CAUSE_SENT_SYN_ACK, SF_SYN_SENT, SF_SYN_RECEIVED, ANY, 0,
     "$S acknowledges the other SYN and sends its own again with it: it has the peer's number and "
     "waits until its own is acknowledged.",
     "$r's number, not yet whether $r got its own", "that $s got its number"},
    {SENDER, SF_CAUSE_SENT_SYN_ACK, ANY, SF_SYN_RECEIVED, ANY, 0,
     "$S acknowledges the SYN (ack $a: it waits for octet $a) and names its own first number ($i) "
     "in the same segment. $R stays SYN-SENT until its own ACK shows that this arrived: the "
     "capture "
     "sees what is sent, not what is received.",
     "$r's number, not yet whether $r got its own",
     "that $s is there and got its number, and the other one"},
    {RECEIVER, SF_CAUSE_SENT_SYN_ACK, ANY, SF_SYN_RECEIVED, ANY, 0,
     "$R's SYN-ACK was not captured: this ACK proves that it was sent.", NULL, NULL},
    {RECEIVER, SF_CAUSE_SENT_SYN, ANY, ANY, ANY, 0,
     "$R's SYN was not captured: this segment proves that it was sent.", NULL, NULL},
    {RECEIVER, SF_CAUSE_SYN_ACKED, SF_STATE_NONE, SF_SYN_SENT, ANY, 0,
     "$R's SYN was not captured: this ACK proves that it was sent.", NULL, NULL},
    {SENDER, SF_CAUSE_ACKED_SYN, SF_SYN_SENT, SF_ESTABLISHED, ANY, 0,
     "The third step. Two would not do: only this ACK tells $r that its own number arrived and "
     "that the SYN was meant now, not an old one that strayed in the network. $S may send at once.",
     "both first numbers", "that $s got its number"},
    {RECEIVER, SF_CAUSE_SYN_ACKED, ANY, SF_ESTABLISHED, ANY, 0,
     "$R is ESTABLISHED when this arrives; until it shows that, it is assumed (?).", NULL, NULL},
    {SENDER, SF_CAUSE_SYN_ACKED, ANY, SF_ESTABLISHED, ANY, 0,
     "Its own is acknowledged already: $s is ESTABLISHED if that arrived (?).", NULL, NULL},
    {SENDER, SF_CAUSE_ACKED_SYN, ANY, ANY, ANY, 0, "$S acknowledges the SYN: it is ESTABLISHED.",
     "both numbers", "that $s got its number"},
    {SENDER, SF_CAUSE_SENT_SEGMENT, SF_STATE_NONE, ANY, SF_ESTABLISHED, 0,
     "$S, too, is taken to be ESTABLISHED (?), its numbers counted from here.", NULL, NULL},
    {SENDER, SF_CAUSE_SENT_SEGMENT, SF_STATE_NONE, ANY, ANY, 0,
     "First seen in the middle of its life: $s is taken to be ESTABLISHED (?). Its numbers are "
     "counted from here, for its first one is not known.",
     NULL, NULL},
    {SENDER, SF_CAUSE_PROVED, SF_FIN_WAIT_2, ANY, ANY, 0,
     "Proved now: $s has the ACK of its FIN, for it acknowledges what was sent behind "
     "that.",
     NULL, NULL},
    {SENDER, SF_CAUSE_PROVED, ANY, SF_ESTABLISHED, ANY, 0,
     "Proved now that $s is ESTABLISHED: only then does it send this.", NULL, NULL},
    {SENDER, SF_CAUSE_PROVED, ANY, ANY, ANY, 0, "What was assumed of $s is proved by this.", NULL,
     NULL},

    /* Closing: RFC 9293 §3.6. */
    {SENDER, SF_CAUSE_SENT_FIN, SF_CLOSE_WAIT, ANY, ANY, 0,
     "$S has nothing more to send either: its FIN, number $f. It waits for one thing only, the "
     "ACK of it.",
     "that both directions end; not yet that its FIN arrived", "where $s's octets end"},
    {SENDER, SF_CAUSE_SENT_FIN, ANY, SF_FIN_WAIT_1, SF_FIN_WAIT_1, 0,
     "$S sends its FIN (number $f) without having $r's: each closes before it hears of the other.",
     "that it has said all; not yet that it arrived", "where $s's octets end"},
    {SENDER, SF_CAUSE_SENT_FIN, ANY, ANY, ANY, 0,
     "$S has nothing more to send: its FIN closes this direction only, $r may go on. It takes a "
     "number ($f) like an octet, so that it is acknowledged, and sent again when it is lost.",
     "that it has said all; not yet that it arrived", "where $s's octets end"},
    {SENDER, SF_CAUSE_ACKED_FIN, SF_ESTABLISHED, SF_CLOSE_WAIT, ANY, SF_TH_FIN,
     "$S acknowledges the FIN (ack $a lies behind it) and closes its own direction with the same "
     "segment: four steps in three.",
     NULL, NULL},
    {SENDER, SF_CAUSE_ACKED_FIN, SF_ESTABLISHED, SF_CLOSE_WAIT, ANY, 0,
     "$S acknowledges the FIN: ack $a lies behind it. Nothing more will come from $r, yet $s may "
     "send until it closes, too.",
     "where $r's octets end", "that all it sent was received"},
    {SENDER, SF_CAUSE_ACKED_FIN, ANY, SF_CLOSING, ANY, 0,
     "$S got the other FIN before an ACK of its own: it acknowledges that and waits for its own.",
     "where $r's octets end", "that all it sent was received"},
    {SENDER, SF_CAUSE_ACKED_FIN, ANY, SF_TIME_WAIT, SF_CLOSING, 0,
     "$S acknowledges the other FIN, and its own is acknowledged already: it waits for 2 MSL (4 "
     "minutes in RFC 9293, 60 s in Linux), to answer should the FIN come again.",
     "that both directions are complete", "that all it sent was received"},
    {SENDER, SF_CAUSE_ACKED_FIN, ANY, SF_TIME_WAIT, ANY, 0,
     "The last ACK. Nobody acknowledges it, so $s waits for 2 MSL (4 minutes in RFC 9293, 60 s "
     "in Linux): long enough to answer should the FIN come again, and for old segments to die "
     "before these ports are used anew.",
     "that both directions are complete", "that all it sent was received, and may forget"},
    {SENDER, SF_CAUSE_ACKED_FIN, ANY, ANY, ANY, 0,
     "$S acknowledges the FIN: ack $a lies behind it.", "where $r's octets end",
     "that all it sent was received"},
    {RECEIVER, SF_CAUSE_FIN_ACKED, ANY, SF_FIN_WAIT_2, ANY, 0,
     "$R goes on to FIN-WAIT-2 when this arrives, which nothing proves yet (?).", NULL, NULL},
    {RECEIVER, SF_CAUSE_FIN_ACKED, ANY, SF_TIME_WAIT, ANY, 0,
     "$R has now what it waited for (?): after a simultaneous close both ends wait for 2 MSL.",
     NULL, NULL},
    {RECEIVER, SF_CAUSE_FIN_ACKED, ANY, SF_CLOSED, ANY, 0,
     "$R is CLOSED when it arrives (?): who closes second is done first.", NULL, NULL},

    /* Resets: the sender's part is told by kind, below. */
    {RECEIVER, SF_CAUSE_GOT_RST, ANY, ANY, ANY, 0,
     "$R is CLOSED when it arrives; nothing acknowledges a RST, so that is assumed (?).", NULL,
     NULL},

    /* Assumptions that were wrong. */
    {SENDER, SF_CAUSE_RETRACTED, ANY, SF_SYN_RECEIVED, ANY, 0,
     "$S sends its SYN-ACK again: the ACK did not reach it, or found no room. What was assumed of "
     "it is taken back.",
     NULL, NULL},
    {SENDER, SF_CAUSE_RETRACTED, SF_CLOSED, SF_LAST_ACK, ANY, 0,
     "$S sends its FIN again: the last ACK did not reach it. For this the other end waits in "
     "TIME-WAIT.",
     NULL, NULL},
    {SENDER, SF_CAUSE_RETRACTED, SF_CLOSED, SF_SYN_SENT, ANY, SF_TH_SYN,
     "$S tries the same SYN once more, refused or not: Windows does so twice, half a second apart.",
     NULL, NULL},
    {SENDER, SF_CAUSE_RETRACTED, SF_CLOSED, ANY, ANY, 0,
     "$S goes on: it did not take the RST. What was assumed of it is taken back.", NULL, NULL},
    {SENDER, SF_CAUSE_RETRACTED, ANY, ANY, ANY, 0,
     "$S sends its FIN again: the ACK of it did not arrive. What was assumed of it is taken back.",
     NULL, NULL},
};

static bool fits(unsigned wanted, enum sf_tcp_state state)
{
    return wanted == ANY || wanted == (unsigned)state;
}

static bool opened_so(const struct sf_record *record, const char *how)
{
    return record->open_how != NULL && strcmp(record->open_how, how) == 0;
}

/* The ACK that ends a split handshake is its fourth segment, not the third step. */
static const struct change split_ack = {
    SENDER,
    SF_CAUSE_ACKED_SYN,
    SF_SYN_SENT,
    SF_ESTABLISHED,
    ANY,
    0,
    "$S acknowledges that SYN: each has its ACK now, in four segments where three would do.",
    "both first numbers",
    "that $s got its number"};

static const struct change *find_change(const struct ladder_context *context,
                                        const struct sf_timeline_entry *entry)
{
    const struct ladder_step *step = context->step;
    enum side side = entry->end == step->from ? SENDER : RECEIVER;
    enum sf_role other = entry->end == SF_CLIENT ? SF_SERVER : SF_CLIENT;
    if (side == SENDER && entry->cause == SF_CAUSE_ACKED_SYN && opened_so(context->record, "split"))
        return &split_ack;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        const struct change *change = &changes[i];
        if (change->side == side && change->cause == entry->cause &&
            fits(change->from, entry->from) && fits(change->to, entry->to) &&
            fits(change->other, context->before[other]) &&
            (step->flags & change->flags) == change->flags)
            return change;
    }
    return NULL;
}

static const struct {
    const char *kind, *text;
} reset_kinds[] = {
    {"refused", "Nobody listens on that port, or a firewall says so: the SYN is answered by RST, "
                "whose ack of the SYN proves that it belongs to it."},
    {"no_connection", "$S knows of no such connection: it answers by RST and takes its number from "
                      "the ack of the segment it answers."},
    {"abort", "$S gives up instead of closing: RST. What was not delivered by now is thrown away, "
              "at both ends."},
    {"after_fin",
     "$S had sent its FIN already; now it drops the connection whole: what $r may have "
     "sent since is thrown away."},
    {"late_data", "$S had closed and nobody reads there any more: data came, so it answers by "
                  "RST."},
    {"challenge_follow_up", "The RST again, now with the number that the challenge ACK named."},
    {"lone", "Nothing else was captured of the connection that this RST ends."},
};

static const struct {
    const char *validity, *text;
} reset_validities[] = {
    {"exact", "Its number is the very one that is due, so it must be taken."},
    {"in_window", "Its number lies in the window but is not the one due: RFC 5961 wants a "
                  "challenge ACK in answer."},
    {"below", "Its number is an old one: it must be ignored."},
    {"above", "Its number lies beyond the window: it must be ignored."},
};

static void put_reset(struct sf_buffer *out, const struct ladder_context *context)
{
    const struct sf_record *record = context->record;
    const struct ladder_step *step = context->step;
    bool is_the_one = record->reset_kind != NULL && record->reset_packet == step->packet;
    if (!is_the_one) {
        put_sentence(out, step, "$S gives up at once: RST.");
        return;
    }
    for (size_t i = 0; i < sizeof reset_kinds / sizeof reset_kinds[0]; i++)
        if (strcmp(reset_kinds[i].kind, record->reset_kind) == 0)
            put_sentence(out, step, reset_kinds[i].text);
    enum sf_role peer = step->from == SF_CLIENT ? SF_SERVER : SF_CLIENT;
    if (record->reset_validity == NULL || strcmp(record->reset_kind, "refused") == 0 ||
        context->before[peer] == SF_STATE_NONE)
        return;
    for (size_t i = 0; i < sizeof reset_validities / sizeof reset_validities[0]; i++)
        if (strcmp(reset_validities[i].validity, record->reset_validity) == 0)
            put_sentence(out, step, reset_validities[i].text);
}

void sf_ladder_tell_change(struct sf_buffer *out, const struct ladder_context *context,
                           const struct sf_timeline_entry *entry)
{
    if (entry->cause == SF_CAUSE_SENT_RST && entry->end == context->step->from) {
        put_reset(out, context);
        return;
    }
    const struct change *change = find_change(context, entry);
    if (change != NULL)
        put_sentence(out, context->step, change->text);
}

void sf_ladder_tell_reset(struct sf_buffer *out, const struct ladder_context *context,
                          size_t change_count)
{
    const struct ladder_step *step = context->step;
    enum sf_role peer = step->from == SF_CLIENT ? SF_SERVER : SF_CLIENT;
    if (context->record->reset_kind != NULL && context->record->reset_packet == step->packet)
        put_reset(out, context);
    else if (context->before[step->from] == SF_CLOSED)
        put_sentence(out, step, "$S has no connection any more and says so.");
    else if (change_count == 0 && context->before[peer] == SF_SYN_SENT)
        put_sentence(out, step, "$R must not take this RST: its ack is not of the SYN.");
    else if (change_count == 0)
        put_sentence(out, step,
                     "$R must not take this RST: its number is not the one that is due.");
}

void sf_ladder_tell_knowledge(struct sf_buffer *out, const struct ladder_context *context,
                              const struct sf_timeline_entry *entry, bool is_sender)
{
    const struct change *change = find_change(context, entry);
    if (change != NULL)
        put_sentence(out, context->step, is_sender ? change->sender_knows : change->receiver_knows);
}

void sf_ladder_tell_moments(struct sf_buffer *out, const struct ladder_context *context)
{
    static const char *const texts[LADDER_MOMENTS] = {
        "The first data of $s: $o. $R will acknowledge by naming the octet it waits for next: $x.",
        "ack $a: $s has every octet up to $b and waits for number $a.",
        "$S has room again, for $w octets: $r may go on.",
        "This SYN carries $l: the ack of the answer will tell whether $r takes them at once.",
    };
    static const char later_data[] = "The first data captured of $s. $R will acknowledge by naming "
                                     "the octet it waits for next: $x.";
    bool is_midstream = opened_so(context->record, "midstream");
    for (unsigned i = 0; i < LADDER_MOMENTS; i++)
        if ((context->step->moments >> i & 1) != 0)
            put_sentence(out, context->step,
                         is_midstream && 1u << i == LADDER_FIRST_DATA ? later_data : texts[i]);
}

/* Cause and consequence, where the detail does not say them. */
static const char *const lessons[SF_ANOMALY_COUNT] = {
    [SF_ANOMALY_SYN_RETRANSMITTED] =
        "No answer came in time: the SYN or its answer was lost, or dropped on purpose; or it was "
        "refused, and tried once more. The wait grows from try to try.",
    [SF_ANOMALY_SYN_ACK_RETRANSMITTED] =
        "The ACK that completes the handshake is missing: lost on the way, never sent, or refused "
        "because the queue of new connections is full.",
    [SF_ANOMALY_UNANSWERED] =
        "A host that is there answers even without a listener, by RST. Silence means: dropped by a "
        "firewall, lost, or no such host; or the capture ended before the answer.",
    [SF_ANOMALY_REFUSED] = "The host is there; the service is not, or something in between "
                           "answers for it.",
    [SF_ANOMALY_EMBRYONIC] =
        "The server holds a place for a client that does not come back: a SYN flood with false "
        "addresses, a scan, or a way back that is broken.",
    [SF_ANOMALY_RESET_IN_HANDSHAKE] =
        "Typical of a scanner, of a host that never sent that SYN, and of a program that gave up.",
    [SF_ANOMALY_SYN_ISN_CHANGED] = "It is a new attempt from the same port, or a host in between "
                                   "that rewrites numbers.",
    [SF_ANOMALY_SYN_ACK_ISN_CHANGED] =
        "Two hosts answer for one address, or the first answer was forgotten. The one that the "
        "client acknowledges counts.",
    [SF_ANOMALY_SYN_ACK_BAD_ACK] = "It answers some other, older SYN: the client answers by RST.",
    [SF_ANOMALY_SIMULTANEOUS_OPEN] = "Both ends took the active part and become one connection, "
                                     "not two: rare, and legal.",
    [SF_ANOMALY_SPLIT_HANDSHAKE] = "Some filters that watch for a SYN-ACK are passed by this.",
    [SF_ANOMALY_FAST_OPEN] = "A cookie from an earlier visit lets the server trust the address: "
                             "data flows one round trip earlier.",
    [SF_ANOMALY_DATA_BEFORE_ESTABLISHED] = "The receiver keeps such data until it is ESTABLISHED, "
                                           "or drops it; it may not deliver it sooner.",
    [SF_ANOMALY_MIDSTREAM] = "Who opened, the first numbers, and the scale of the windows are not "
                             "known.",
    [SF_ANOMALY_ONE_SIDED] = "The other direction takes another way. What it did is known only as "
                             "far as this one acknowledges it.",
    [SF_ANOMALY_ICMP_ERROR] = "A router or host on the way could not deliver the segment.",
    [SF_ANOMALY_RETRANSMISSION] =
        "The octets, or the ACK of them, were lost or late. The receiver drops what it has "
        "already.",
    [SF_ANOMALY_OUT_OF_ORDER] = "The receiver keeps the later segment and waits for the gap to "
                                "close: nothing is lost.",
    [SF_ANOMALY_DUPLICATE_ACKS] =
        "Something behind a gap arrived: the receiver names the missing octet again. Three of "
        "them make the sender repeat it without waiting.",
    [SF_ANOMALY_CAPTURE_LOSS] = "The ends are well: it is the capture that is incomplete.",
    [SF_ANOMALY_TAP_REORDER] = "The ends saw another order than the capture shows.",
    [SF_ANOMALY_CAPTURE_DUPLICATE] = "The capture has it twice, the network had it once: it is "
                                     "not counted.",
    [SF_ANOMALY_BEYOND_WINDOW] = "The receiver has promised no room for that and may drop it.",
    [SF_ANOMALY_ZERO_WINDOW] =
        "Its application does not read: the buffer is full and the peer must stop until room is "
        "announced.",
    [SF_ANOMALY_WINDOW_FULL] = "The sender may not send more until the receiver makes room: the "
                               "receiver is the slower one.",
    [SF_ANOMALY_ZERO_WINDOW_PROBE] =
        "The sender asks now and then whether there is room again: the news of it may have been "
        "lost.",
    [SF_ANOMALY_KEEP_ALIVE] =
        "An old number is sent on purpose: whoever has the connection must answer it by an ACK.",
    [SF_ANOMALY_KEEP_ALIVE_UNANSWERED] = "The peer is gone, cut off, or a box in between forgot "
                                         "the connection.",
    [SF_ANOMALY_PAWS_VIOLATION] = "The receiver takes it for an old segment and drops it.",
    [SF_ANOMALY_PEER_SILENT] = "Gone, cut off, or the way back is broken; nobody says which.",
    [SF_ANOMALY_RESET] = NULL,
    [SF_ANOMALY_RESET_INVALID] = "It may be forged, or belong to an older connection.",
    [SF_ANOMALY_RESET_CHALLENGED] =
        "The challenge ACK asks: a peer that means it answers with the exact number, a forger "
        "cannot know it. Until then "
        "the connection lives on.",
    [SF_ANOMALY_RESET_IGNORED] = "It was lost, or not for this connection, or forged.",
    [SF_ANOMALY_SEGMENT_AFTER_RESET] = "An end that sends RST forgets the connection: either this "
                                       "was under way already or the RST was not its own.",
    [SF_ANOMALY_HALF_OPEN] = "A crash or restart, a timeout, or a box in between: one end forgot "
                             "and could not say so.",
    [SF_ANOMALY_HALF_CLOSED] = "This is legal: each direction closes on its own.",
    [SF_ANOMALY_SIMULTANEOUS_CLOSE] = "Neither is the first: both go through CLOSING.",
    [SF_ANOMALY_FIN_RETRANSMITTED] = "Its ACK did not come in time; a FIN is repeated like data.",
    [SF_ANOMALY_FIN_UNACKNOWLEDGED] = "Whether the peer knows of the end cannot be told.",
    [SF_ANOMALY_LAST_ACK_MISSING] = "Lost, or later than the capture's end: the end that sent "
                                    "the FIN waits for it, and sends it again.",
    [SF_ANOMALY_DATA_AFTER_FIN] = "A FIN says that nothing follows: this stack is broken, or "
                                  "somebody else writes.",
    [SF_ANOMALY_PORT_REUSED] = "Numbers and timestamps keep the old connection's segments apart.",
};

void sf_ladder_tell_anomaly(struct sf_buffer *out, enum sf_anomaly anomaly)
{
    if (lessons[anomaly] == NULL)
        return;
    if (out->len > 0)
        sf_put_text(out, ". ");
    sf_put_text(out, lessons[anomaly]);
}

/* In the order in which one of several is named on the arrow. */
static const struct {
    enum sf_label label;
    const char *tag, *one, *many; /* `many` with a count; NULL: not counted */
} label_words[] = {
    {SF_LABEL_CAPTURE_DUPLICATE, "captured again", "captured again", "captured again"},
    {SF_LABEL_KEEP_ALIVE, "keep-alive", "keep-alive", "keep-alives"},
    {SF_LABEL_KEEP_ALIVE_ACK, "answer to keep-alive", NULL, NULL},
    {SF_LABEL_ZERO_WINDOW_PROBE, "window probe", "window probe", "window probes"},
    {SF_LABEL_ZERO_WINDOW_PROBE_ACK, "answer to probe", NULL, NULL},
    {SF_LABEL_RETRANSMISSION, "sent again", "sent again", "sent again"},
    {SF_LABEL_OUT_OF_ORDER, "out of order", "out of order", "out of order"},
    {SF_LABEL_TAP_REORDER, "captured late", NULL, NULL},
    {SF_LABEL_ZERO_WINDOW, "window 0", "window of 0", "windows of 0"},
    {SF_LABEL_DUPLICATE_ACK, "duplicate", "duplicate ACK", "duplicate ACKs"},
    {SF_LABEL_WINDOW_FULL, "fills the window", NULL, NULL},
    {SF_LABEL_WINDOW_UPDATE, "new window", NULL, NULL},
};

const char *sf_ladder_tag(uint32_t labels)
{
    for (size_t i = 0; i < sizeof label_words / sizeof label_words[0]; i++)
        if ((labels >> label_words[i].label & 1) != 0)
            return label_words[i].tag;
    return NULL;
}

void sf_ladder_tell_labels(struct sf_buffer *out, const uint64_t labels[SF_LABEL_COUNT])
{
    for (size_t i = 0; i < sizeof label_words / sizeof label_words[0]; i++) {
        uint64_t n = labels[label_words[i].label];
        if (n == 0 || label_words[i].one == NULL)
            continue;
        sf_put_text(out, ", ");
        sf_put_human_count(out, n);
        sf_put_char(out, ' ');
        sf_put_text(out, n == 1 ? label_words[i].one : label_words[i].many);
    }
}
