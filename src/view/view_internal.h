/* What the files of the view layer share: slots, pools, the state of the two views. */
#ifndef SYNFIN_VIEW_INTERNAL_H
#define SYNFIN_VIEW_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "synfin/view.h"

/* Items of one size, carved from chunks and reused through a free list. Zero plus item_size is a
 * valid empty pool. */
struct sf_pool {
    size_t item_size;
    void *free_items;
    void *chunks;
    size_t left_in_chunk;
};

/* A zeroed item, or NULL on lack of memory. */
void *sf_pool_take(struct sf_pool *pool);
void sf_pool_give(struct sf_pool *pool, void *item);
/* Gives all memory back; items still in use become invalid. */
void sf_pool_dispose(struct sf_pool *pool);

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

struct sf_zeek_end {
    /* Relative positions: 0 is the SYN, 1 the first octet of payload. */
    uint64_t delivered; /* next octet that a reader of the stream would get */
    uint64_t trimmed;   /* below it everything is acknowledged or given up */
    uint64_t top;       /* end of the highest octets ever buffered */
    uint64_t fin_end;   /* position after the FIN, when has_fin */
    uint64_t packets, ip_bytes;
    /* Numbers as on the wire, and how often they have passed 2^32. */
    uint32_t start, last, ack;
    uint32_t last_wraps, ack_wraps;
    uint8_t state, prev_state; /* enum sf_zeek_state */
    uint8_t seen;              /* letters of the history already written once */
    bool has_fin;
    bool did_close;
    bool did_eof;
    bool gave_up; /* no reassembly any more */
    bool is_seen; /* sent a packet in its present role */
    uint16_t range_count;
    struct sf_zeek_range *ranges; /* ahead of `delivered`, ascending, disjoint */
};

/* Of an end, seldom touched. */
struct sf_zeek_rare {
    uint64_t last_syn, last_fin, last_rst; /* positions, for the history */
    uint32_t retransmissions, zero_windows, gaps, bad_checksums;
};

/* One connection as Zeek would have it in its table. */
struct sf_zeek_conn {
    uint64_t first_packet; /* 0: there is none */
    sf_ns start_ns, last_ns;
    sf_ns attempt_ns; /* when an unanswered SYN is given up, or SF_NS_UNKNOWN */
    sf_ns delete_ns;  /* when it is dropped after its close, or SF_NS_UNKNOWN */
    sf_ns idle_limit_ns;
    uint64_t missed_bytes;
    uint8_t originator; /* enum sf_dir */
    bool is_active;
    bool is_partial;
    bool close_deferred;
    uint8_t history_len;
    struct sf_zeek_end end[SF_DIR_COUNT];
    struct sf_zeek_rare rare[SF_DIR_COUNT];
    char history[SF_ZEEK_HISTORY];
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
    struct sf_wire_unacked *next;
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
    uint32_t unacked_low; /* lowest end among them */
    struct sf_wire_unacked *unacked, **unacked_tail;
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
    uint16_t cut_count;
    struct sf_wire_cut *cuts, *last_cut; /* oldest first */
    struct sf_wire_labels *labels;
};

/* All that the views keep for a pair of addresses and ports. */
struct sf_view_slot {
    struct sf_wire_stream wire; /* first, so that what every segment touches lies together */
    struct sf_zeek_conn zeek;
    uint16_t cut_count;
    struct sf_zeek_cut *cuts, *last_cut; /* oldest first */
};

/* A bound for the lists above: a tuple that is cut more often than this between two records keeps
 * the oldest cuts and the count. */
enum { SF_VIEW_CUTS_MAX = 1024 };

struct sf_zeek_row_node {
    struct sf_zeek_row row;
    struct sf_zeek_row_node *next;
};

struct sf_views {
    struct sf_view_options options;
    struct sf_pool slots, ranges, zeek_cuts, wire_cuts, wire_labels, unacked, rows;
    struct sf_zeek_row_node *first_row, *last_row;
    struct sf_wire_past *pasts; /* of streams whose slots are gone; NULL until the first */
};

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

/* zeek_segment.c: one segment changes the connection. */
/* The same for a segment that only goes on, on an established connection; false when it is another:
 * then nothing is touched. */
bool sf_zeek_continue(struct sf_views *views, struct sf_zeek_conn *conn,
                      const struct sf_segment *seg);
void sf_zeek_process(struct sf_views *views, struct sf_zeek_conn *conn,
                     const struct sf_segment *seg);
void sf_zeek_bad_checksum(struct sf_zeek_conn *conn, enum sf_dir dir);
void sf_zeek_flip(struct sf_zeek_conn *conn);
/* Writes `letter`, in lower case when end `dir` is the responder. */
void sf_zeek_history(struct sf_zeek_conn *conn, enum sf_dir dir, char letter);
/* Counts up and writes the letter at 1, 10, 100 ... */
void sf_zeek_scaled_history(struct sf_zeek_conn *conn, enum sf_dir dir, char letter,
                            uint32_t *count);
/* Octets of sequence space that the end used, without SYN and FIN. */
uint64_t sf_zeek_size(const struct sf_zeek_conn *conn, enum sf_dir dir);
bool sf_zeek_nothing_acked(const struct sf_zeek_end *end);
uint64_t sf_zeek_full_seq(uint32_t seq, uint32_t wraps);

/* zeek_reassembly.c: which octets were seen, which are missing. */
void sf_zeek_data(struct sf_views *views, struct sf_zeek_conn *conn, enum sf_dir dir,
                  uint64_t begin, uint64_t end);
/* True when the position is a new one. */
bool sf_zeek_acked(struct sf_views *views, struct sf_zeek_conn *conn, enum sf_dir dir,
                   uint64_t position);
bool sf_zeek_data_pending(const struct sf_zeek_conn *conn, enum sf_dir dir);
void sf_zeek_drop_ranges(struct sf_views *views, struct sf_zeek_end *end);

/* wireshark.c: streams and completeness; returns the labels of the segment. */
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
