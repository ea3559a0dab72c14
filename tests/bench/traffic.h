/* What the parts of the traffic generator share: a connection, its next packets, what is known of
 * it. Sequence numbers are relative to the initial one (the SYN is 0) and never wrap; frame.c makes
 * them absolute. */
#ifndef BENCH_TRAFFIC_H
#define BENCH_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CLIENT, SERVER, END_COUNT };

enum { BENCH_MSS = 1448 }; /* octets in a full segment beside the timestamps option */

enum flag { FIN = 0x01, SYN = 0x02, RST = 0x04, PSH = 0x08, ACK = 0x10 };

/* How a connection lives. */
enum life {
    LIFE_TALK,       /* handshake, requests, responses, closing */
    LIFE_MIDSTREAM,  /* the same, begun before the capture */
    LIFE_REFUSED,    /* SYN, RST */
    LIFE_UNANSWERED, /* one to three SYNs */
    LIFE_SYN_SCAN,   /* SYN, SYN-ACK, RST */
    LIFE_EMBRYONIC,  /* SYN from a forged address, one to three SYN-ACKs */
    LIFE_FLOOD,      /* one SYN from a forged address */
    LIFE_COUNT,
};

/* How a LIFE_TALK or LIFE_MIDSTREAM ends. */
enum closing {
    CLOSING_CLIENT_FIRST,
    CLOSING_SERVER_FIRST,
    CLOSING_CROSSING,
    CLOSING_LAST_ACK_MISSING,
    CLOSING_CLIENT_RESET,
    CLOSING_SERVER_RESET,
    CLOSING_RESET_AFTER_FIN,
    CLOSING_HALF,
    CLOSING_SILENT,
    CLOSING_COUNT,
};

/* A range to draw from, both ends included. */
struct range {
    uint32_t low, high;
};

struct mix {
    const char *name, *text;
    uint64_t packets;    /* the size the figures below are meant for */
    uint32_t population; /* connections at once, at that size */
    uint32_t floods;     /* of them, slots that only ever live a LIFE_FLOOD */
    uint32_t tuples;     /* addresses and ports to go round in; 0: each connection has new ones */
    uint8_t lives[LIFE_COUNT], closings[CLOSING_COUNT]; /* weights */
    struct range requests;                              /* per connection */
    struct range response;                              /* segments, before the heavy tail */
    struct range think_us;                              /* before each request */
    struct range rtt_us;                                /* tap to an end and back */
    struct range rest_us;      /* between a connection and the next in its slot */
    uint32_t ramp_us;          /* the first connections begin within so long */
    uint32_t trouble_permille; /* of rounds with loss or reordering */
    uint32_t syn_lost_permille, ipv6_percent, clients, servers;
    bool full_payload; /* otherwise packets are cut behind their headers */
};

struct rng {
    uint64_t state;
};

/* splitmix64 */
static inline uint64_t rng_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline uint64_t rng_next(struct rng *rng)
{
    return rng_mix(rng->state += 0x9e3779b97f4a7c15u);
}

/* 0 .. n-1; n is not 0 */
static inline uint32_t rng_below(struct rng *rng, uint32_t n)
{
    return (uint32_t)(((rng_next(rng) >> 32) * n) >> 32);
}

static inline uint32_t rng_in(struct rng *rng, struct range range)
{
    return range.low + rng_below(rng, range.high - range.low + 1);
}

static inline bool rng_permille(struct rng *rng, uint32_t permille)
{
    return rng_below(rng, 1000) < permille;
}

/* One packet to come. */
struct step {
    uint32_t wait_us; /* after the packet before it */
    uint32_t seq, ack;
    uint32_t sack_from, sack_to; /* equal: no SACK option */
    uint16_t len;
    uint8_t flags, from;
};

enum stage { STAGE_OPEN, STAGE_REQUEST, STAGE_ROUND, STAGE_CLOSE, STAGE_OVER };

struct conn {
    uint64_t time_us;   /* of the next packet */
    struct step *steps; /* owned; grows, kept for the slot's next connection */
    uint16_t step_count, step_room, step_at;
    uint16_t port[END_COUNT], ip_id[END_COUNT];
    bool is_ipv6, is_plain; /* plain: SYNs with an MSS option only, no timestamps */
    uint32_t host[END_COUNT], isn[END_COUNT], ts_recent[END_COUNT];
    uint32_t tuple; /* number from which addresses and ports were made */
    /* the plan */
    uint8_t life, closing, stage;
    uint32_t next[END_COUNT], rtt_us[END_COUNT];
    uint32_t requests_left, segments_left, window, pause_us;
    /* the truth, of the packets already written */
    bool is_over_open; /* its addresses and ports carry a connection that was never closed */
    bool has_packet, has_syn, has_syn_ack, has_third, is_refused, is_reset, has_crossed;
    bool has_fin[END_COUNT], fin_acked[END_COUNT];
    uint32_t fin_end[END_COUNT];
};

/* life.c: plans a connection's next packets. False when its life is over. */
bool life_plan(struct conn *conn, const struct mix *mix, struct rng *rng);

/* frame.c: writes the step's frame, headers only, and returns their length. The payload is zeros,
 * so that it adds nothing to the checksum. */
enum { FRAME_HEADERS_MAX = 160 };
size_t frame_write(uint8_t *out, struct conn *conn, const struct step *step);

/* The timestamp an end would send now: one clock per host, milliseconds, so that a new connection's
 * stamps are later than an old one's. */
uint32_t frame_clock(const struct conn *conn, unsigned end);

/* truth.c: what a reader of the capture can know. */
enum open_how {
    OPEN_HANDSHAKE,
    OPEN_REFUSED,
    OPEN_INCOMPLETE,
    OPEN_UNANSWERED,
    OPEN_MIDSTREAM,
    OPEN_COUNT
};
enum close_how {
    CLOSE_FIN,
    CLOSE_SIMULTANEOUS,
    CLOSE_FIN_UNACKED,
    CLOSE_HALF_CLOSED,
    CLOSE_RESET,
    CLOSE_NONE,
    CLOSE_COUNT
};

struct truth {
    uint64_t packets, connections;
    uint64_t open[OPEN_COUNT], close[CLOSE_COUNT];
};

/* Takes a written packet into account. */
void truth_packet(struct conn *conn, const struct step *step);

/* Neither closed nor reset, as far as its packets tell. */
bool truth_is_open(const struct conn *conn);

/* Adds a connection of which no more packets come. */
void truth_retire(struct truth *truth, const struct conn *conn);

/* 0, or -1 with errno */
int truth_write(const struct truth *truth, const char *mix, uint64_t seed, const char *path);

#endif
