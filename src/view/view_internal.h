/* What the files of the view layer share: slots, the state of the two views. */
#ifndef SYNFIN_VIEW_INTERNAL_H
#define SYNFIN_VIEW_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "synfin/hint.h"
#include "synfin/slab.h"
#include "synfin/view.h"

/* Octets that were captured ahead of a hole: [begin, end), relative to the stream. */
struct sf_zeek_range {
    uint64_t begin, end;
    struct sf_zeek_range *next;
};

enum sf_zeek_state {
    SF_ZEEK_INACTIVE,
    SF_ZEEK_SYN_SENT,
    SF_ZEEK_SYN_ACK_SENT, /* a SYN-ACK from the originator */
    SF_ZEEK_PARTIAL,      /* data or ACK without a SYN */
    SF_ZEEK_ESTABLISHED,
    SF_ZEEK_CLOSED, /* sent a FIN */
    SF_ZEEK_RESET,  /* sent a RST */
};

/* Numbers of an end that seldom pass 2^32. Their low halves are in sf_zeek_end, the high ones in
 * sf_zeek_rare: sf_zeek_get() and sf_zeek_set(). */
enum sf_zeek_number {
    /* As on the wire; the high half is how often it has passed 2^32. */
    SF_ZEEK_LAST, /* end of the highest segment */
    SF_ZEEK_ACK,  /* highest acknowledgement by the peer */
    /* Positions: 0 is the SYN, 1 the first octet of payload. */
    SF_ZEEK_DELIVERED, /* next octet that a reader of the stream would get */
    SF_ZEEK_TRIMMED,   /* below it everything is acknowledged or given up */
    SF_ZEEK_FIN,       /* of the last FIN without SYN and RST */
    SF_ZEEK_RST,       /* of the last RST without SYN and FIN */
    SF_ZEEK_PACKETS,
    SF_ZEEK_NUMBERS
};

struct sf_zeek_end {
    uint32_t start; /* as on the wire */
    uint32_t low[SF_ZEEK_NUMBERS];
    uint8_t state, prev_state; /* enum sf_zeek_state */
    uint8_t seen;              /* letters of the history already written once */
    bool has_fin : 1;
    bool has_odd_fin : 1; /* the last FIN came with SYN or RST: see sf_zeek_rare.fin_end */
    bool did_close : 1;
    bool did_eof : 1;
    bool gave_up : 1; /* no reassembly any more */
    bool is_seen : 1; /* sent a packet in its present role */
    /* A segment without, with payload says nothing new to the history nor to completeness. */
    bool has_sent_ack : 1, has_sent_data : 1;
    uint32_t gaps;
    uint64_t ip_bytes;
};

/* Of an end, seldom needed. */
struct sf_zeek_rare {
    uint32_t high[SF_ZEEK_NUMBERS];
    uint32_t retransmissions, zero_windows, bad_checksums;
    uint64_t last_syn;            /* position, for the history */
    uint64_t fin_end;             /* position after the FIN, when has_odd_fin */
    uint64_t top;                 /* end of the last range, when there are any */
    struct sf_zeek_range *ranges; /* ahead of what was delivered, ascending, disjoint */
    uint32_t range_count;
};

/* How long it may be idle. */
enum sf_zeek_patience {
    SF_ZEEK_IN_HANDSHAKE,
    SF_ZEEK_AFTER_HANDSHAKE,
    SF_ZEEK_SHELL,
};

enum { SF_ZEEK_HISTORY_INLINE = 16 };

/* scripts/base/init-bare.zeek: tcp_max_initial_window, tcp_excessive_data_without_further_acks. */
enum { SF_ZEEK_INITIAL_WINDOW_MAX = 16384, SF_ZEEK_UNACKED_MAX = 10 * 1024 * 1024 };
/* The same: tcp_attempt_delay, tcp_close_delay. */
static const sf_ns SF_ZEEK_ATTEMPT_DELAY = 5 * SF_SEC, SF_ZEEK_CLOSE_DELAY = 5 * SF_SEC;

/* One connection as Zeek would have it in its table. */
struct sf_zeek_conn {
    sf_ns last_ns;
    uint64_t missed_bytes;
    uint8_t steady;     /* 0, or what view_steady.c needs to know */
    uint8_t originator; /* enum sf_dir */
    uint8_t patience;   /* enum sf_zeek_patience */
    uint8_t history_len;
    bool is_active : 1;
    bool is_partial : 1;
    bool close_deferred : 1;
    bool is_attempt : 1;  /* an unanswered SYN is given up at due_ns */
    bool is_complete : 1; /* closed, to be dropped at due_ns */
    struct sf_zeek_end end[SF_DIR_COUNT];
    uint64_t first_packet; /* 0: there is none */
    sf_ns start_ns;
    sf_ns due_ns;
    char history[SF_ZEEK_HISTORY_INLINE]; /* goes on in sf_view_rare */
};

/* A row that was cut off while the slot lives on. */
struct sf_zeek_cut {
    struct sf_zeek_row row;
    uint64_t more; /* rows after it that were let go because the list was full */
    struct sf_zeek_cut *next;
};

/* Payload as tshark has it: it believes the frame's length where IP's promises more. */
static inline uint32_t sf_wire_payload(const struct sf_segment *seg)
{
    return seg->payload_len - seg->payload_beyond_frame;
}

/* End of an un-acknowledged segment. */
struct sf_wire_unacked {
    uint32_t end;
    struct sf_wire_unacked *child[2];
};

struct sf_wire_end {
    uint32_t next_seq;   /* highest end of a segment; 0 is "unset", as in tshark */
    uint32_t contiguous; /* highest end without a hole before it; 0 is "unset" */
    uint32_t last_ack;   /* 0 is "unset" */
    uint32_t window;     /* raw, of its last packet */
    sf_ns next_seq_ns;   /* of the packet that set next_seq */
    sf_ns last_packet_ns;
    uint32_t duplicate_acks;
    int8_t scale;          /* shift, or enum below */
    bool awaits_first_ack; /* sent a SYN, and nothing but SYNs since */
    uint32_t last_labels;
    uint32_t unacked_count;
    struct sf_wire_unacked *unacked; /* a heap, the lowest end on top; NULL: none */
};
enum { SF_WIRE_SCALE_UNKNOWN = -1, SF_WIRE_SCALE_NONE = -2 };

/* Needed for labels only. */
struct sf_wire_labels {
    struct sf_wire_end end[SF_DIR_COUNT];
    sf_ns syn_ns; /* of the latest pure SYN; 0 is "unset", here and below */
    sf_ns initial_rtt_ns;
};

/* A stream that ended because the ports were used again. */
struct sf_wire_cut {
    uint64_t first_packet;
    uint8_t completeness;
    struct sf_wire_cut *next;
};

struct sf_wire_stream {
    uint64_t first_packet; /* 0: there is none */
    uint32_t base[SF_DIR_COUNT];
    bool has_base[SF_DIR_COUNT];
    uint8_t completeness;
    uint8_t first_bits; /* of the first packet, not in completeness before there is a second */
};

/* Bits of tcp.completeness. */
enum {
    SF_WIRE_HAS_SYN = 1,
    SF_WIRE_HAS_SYN_ACK = 2,
    SF_WIRE_HAS_ACK = 4,
    SF_WIRE_HAS_DATA = 8,
    SF_WIRE_HAS_FIN = 16,
    SF_WIRE_HAS_RST = 32,
};

/* What few connections need. */
struct sf_view_rare {
    struct sf_zeek_rare zeek[SF_DIR_COUNT];
    char history[SF_ZEEK_HISTORY - SF_ZEEK_HISTORY_INLINE];
    struct sf_zeek_cut *zeek_cuts, *last_zeek_cut; /* oldest first, like those below */
    struct sf_wire_cut *wire_cuts, *last_wire_cut;
    uint16_t zeek_cut_count, wire_cut_count;
    struct sf_wire_labels *labels;
};

/* All that the views keep for a pair of addresses and ports. */
struct sf_view_slot {
    struct sf_zeek_conn zeek;
    struct sf_wire_stream wire;
    /* NULL until the first need. It begins a word of 64 bits: see view_parcel.c. */
    _Alignas(sizeof(uint64_t)) struct sf_view_rare *rare;
};
_Static_assert(offsetof(struct sf_view_slot, zeek.first_packet) <= SF_VIEW_HOT,
               "all that a segment of an established connection touches");

/* A bound for the lists above: a tuple that is cut more often than this between two records keeps
 * the oldest cuts and the count. */
enum { SF_VIEW_CUTS_MAX = 1024 };

struct sf_zeek_row_node {
    struct sf_zeek_row row;
    struct sf_zeek_row_node *next;
};

struct sf_views {
    struct sf_view_options options;
    struct sf_slab slots, rares, ranges, zeek_cuts, wire_cuts, wire_labels, unacked, rows;
    struct sf_zeek_row_node *first_row, *last_row;
    struct sf_wire_past *pasts; /* of streams whose slots are gone; NULL until the first */
};

/* views.c: a zeroed block, or NULL on lack of memory. */
void *sf_view_take(struct sf_slab *slab);
/* NULL on lack of memory; then what would be noted there is forgotten. */
struct sf_view_rare *sf_view_take_rare(struct sf_views *views, struct sf_view_slot *slot);

/* view_steady.c: a segment that only goes on, on an established connection, or closes it in the
 * usual way; false when it is another: then nothing is touched. */
bool sf_view_continue(struct sf_views *views, struct sf_view_slot *slot,
                      const struct sf_segment *seg);
/* Finds out whether the next segment may be such a one. */
void sf_view_look_ahead(const struct sf_views *views, struct sf_view_slot *slot);

/* wireshark_past.c: a stream's numbers and bits outlive its slot. */
void sf_wire_remember(struct sf_views *views, const struct sf_flow_key *key,
                      const struct sf_wire_stream *wire);
/* True when the stream of that key is known: then *wire is as it was, but begins with no packet. */
bool sf_wire_recall(const struct sf_views *views, const struct sf_flow_key *key,
                    struct sf_wire_stream *wire);

/* zeek.c: the connection as a whole. */
void sf_zeek_segment(struct sf_views *views, struct sf_view_slot *slot,
                     const struct sf_segment *seg);
void sf_zeek_record(struct sf_views *views, struct sf_view_slot *slot, struct sf_record *record);
/* Lets every row of the slot go; queues the one in progress. */
void sf_zeek_dispose(struct sf_views *views, struct sf_view_slot *slot,
                     const struct sf_flow_key *key);

/* Bits of sf_zeek_end.seen. */
enum {
    SF_ZEEK_SEEN_SYN = 0x01,
    SF_ZEEK_SEEN_FIN = 0x02,
    SF_ZEEK_SEEN_RST = 0x04,
    SF_ZEEK_SEEN_DATA = 0x08,
    SF_ZEEK_SEEN_ACK = 0x10,
    SF_ZEEK_SEEN_FIN_RST = 0x20,
    SF_ZEEK_SEEN_MULTI_FLAG = 0x40,
};

/* zeek_number.c: numbers of 64 bits in two halves. */
static inline uint64_t sf_zeek_get(const struct sf_view_slot *slot, enum sf_dir dir,
                                   enum sf_zeek_number which)
{
    uint32_t low = slot->zeek.end[dir].low[which];
    if (slot->rare == NULL)
        return low;
    return (uint64_t)slot->rare->zeek[dir].high[which] << 32 | low;
}

void sf_zeek_set_high(struct sf_views *views, struct sf_view_slot *slot, enum sf_dir dir,
                      enum sf_zeek_number which, uint32_t high);
/* The low half has passed 2^32. */
void sf_zeek_carry(struct sf_views *views, struct sf_view_slot *slot, enum sf_dir dir,
                   enum sf_zeek_number which);

/* Whether the high halves of the numbers that count are 0, and no range waits. */
static inline bool sf_zeek_is_small(const struct sf_zeek_rare *rare)
{
    return (rare->high[SF_ZEEK_LAST] | rare->high[SF_ZEEK_ACK] | rare->high[SF_ZEEK_DELIVERED] |
            rare->high[SF_ZEEK_TRIMMED] | rare->high[SF_ZEEK_FIN]) == 0 &&
           rare->ranges == NULL;
}

static inline bool sf_zeek_are_small(const struct sf_view_slot *slot)
{
    return slot->rare == NULL ||
           (sf_zeek_is_small(&slot->rare->zeek[0]) && sf_zeek_is_small(&slot->rare->zeek[1]));
}

static inline void sf_zeek_set(struct sf_views *views, struct sf_view_slot *slot, enum sf_dir dir,
                               enum sf_zeek_number which, uint64_t value)
{
    slot->zeek.end[dir].low[which] = (uint32_t)value;
    if (slot->rare != NULL || value >> 32 != 0)
        sf_zeek_set_high(views, slot, dir, which, (uint32_t)(value >> 32));
}

/* Octets of sequence space that the end used, without SYN and FIN. */
uint64_t sf_zeek_size(const struct sf_view_slot *slot, enum sf_dir dir);
/* Of what the end sent: nothing, or only its SYN. */
static inline bool sf_zeek_nothing_acked(const struct sf_view_slot *slot, enum sf_dir dir)
{
    return sf_zeek_get(slot, dir, SF_ZEEK_ACK) - slot->zeek.end[dir].start <= 1;
}

/* zeek_history.c: writes `letter`, in lower case when end `dir` is the responder. */
void sf_zeek_history(struct sf_views *views, struct sf_view_slot *slot, enum sf_dir dir,
                     char letter);
/* Counts up and writes the letter at 1, 10, 100 ... */
void sf_zeek_scaled_history(struct sf_views *views, struct sf_view_slot *slot, enum sf_dir dir,
                            char letter, uint32_t *count);
void sf_zeek_flip(struct sf_views *views, struct sf_view_slot *slot);
void sf_zeek_history_text(const struct sf_view_slot *slot, char out[SF_ZEEK_HISTORY]);

/* Port of a remote shell or FTP: of the responder, or of an originator that only answered. */
static inline bool sf_zeek_is_shell(uint16_t port)
{
    return port == 21 || port == 22 || port == 23 || port == 513;
}

/* zeek_handshake.c: the plain SYN that begins a connection, and the SYN-ACK that answers it; false
 * when it is another segment: then nothing is touched. */
bool sf_zeek_plain_syn(struct sf_view_slot *slot, const struct sf_segment *seg);
bool sf_zeek_plain_syn_ack(struct sf_views *views, struct sf_view_slot *slot,
                           const struct sf_segment *seg);

/* zeek_close.c: an end has sent FIN or RST. It is at its stream's end when nothing is pending; a
 * close that waited for that happens then, and one that is wanted now may have to wait for it. */
void sf_zeek_end_stream(struct sf_zeek_conn *conn, enum sf_dir dir, bool wants_close,
                        bool is_pending);

/* zeek_segment.c: one segment changes the connection. */
void sf_zeek_process(struct sf_views *views, struct sf_view_slot *slot,
                     const struct sf_segment *seg);

/* zeek_reassembly.c: which octets were seen, which are missing. */
void sf_zeek_data(struct sf_views *views, struct sf_view_slot *slot, enum sf_dir dir,
                  uint64_t begin, uint64_t end);
/* True when the position is a new one. */
bool sf_zeek_acked(struct sf_views *views, struct sf_view_slot *slot, enum sf_dir dir,
                   uint64_t position);
/* Whether gaps count there: in other states they come from misread numbers. */
static inline bool sf_zeek_is_clean(const struct sf_zeek_end *end)
{
    return end->state == SF_ZEEK_ESTABLISHED ||
           (end->state == SF_ZEEK_CLOSED && end->prev_state == SF_ZEEK_ESTABLISHED);
}

bool sf_zeek_data_pending(const struct sf_view_slot *slot, enum sf_dir dir);
void sf_zeek_drop_ranges(struct sf_views *views, struct sf_view_slot *slot, enum sf_dir dir);

/* wireshark.c: bits of tcp.completeness that the segment adds. */
uint8_t sf_wire_bits(const struct sf_segment *seg);
/* Streams and completeness; returns the labels of the segment. */
uint32_t sf_wire_segment(struct sf_views *views, struct sf_view_slot *slot,
                         const struct sf_segment *seg);
void sf_wire_record(struct sf_views *views, struct sf_view_slot *slot, struct sf_record *record);
void sf_wire_dispose(struct sf_views *views, struct sf_view_slot *slot,
                     const struct sf_flow_key *key);

/* wireshark_labels.c: state for labels is made with labels_new, NULL on lack of memory. */
struct sf_wire_labels *sf_wire_labels_new(struct sf_views *views);
void sf_wire_labels_free(struct sf_views *views, struct sf_wire_labels *labels);
/* The sender opens the stream anew with the number it used before. */
void sf_wire_labels_same_syn(struct sf_wire_labels *labels, enum sf_dir dir);
uint32_t sf_wire_labels_segment(struct sf_views *views, struct sf_wire_labels *labels,
                                const struct sf_segment *seg);

#endif
