/* One TCP segment in host order, with the key of its connection and the key's hash. */
#ifndef SYNFIN_SEGMENT_H
#define SYNFIN_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "synfin/seq.h"
#include "synfin/tcp.h"
#include "synfin/time.h"

/* Which way a segment goes: from end 0 of the key to end 1, or back. Indexes every array of two
 * ends: ep[dir] is the sender. Not yet a role: see sf_flow.client. */
enum sf_dir { SF_FROM_0, SF_FROM_1, SF_DIR_COUNT };

static inline enum sf_dir sf_dir_other(enum sf_dir dir)
{
    return dir == SF_FROM_0 ? SF_FROM_1 : SF_FROM_0;
}

enum sf_tunnel_kind {
    SF_TUNNEL_NONE,
    SF_TUNNEL_IPIP,   /* IP in IP, any of the four combinations (6in4 ...) */
    SF_TUNNEL_GRE,    /* id: key, or 0; of PPTP the call, of EoIP the tunnel */
    SF_TUNNEL_VXLAN,  /* id: VNI */
    SF_TUNNEL_GENEVE, /* id: VNI */
    SF_TUNNEL_GTP_U,  /* id: TEID */
    SF_TUNNEL_OTHER,  /* ERSPAN, Teredo, L2TP, EtherIP, AYIYA, CAPWAP, MPLS in UDP */
};

/* "ipip" "gre" "vxlan" "geneve" "gtp_u" "other"; NULL for NONE. */
const char *sf_tunnel_name(enum sf_tunnel_kind kind);

enum { SF_TUNNEL_MAX = 2, SF_VLAN_MAX = 2, SF_SACK_MAX = 4 };

/* Where the addresses of a key live: equal addresses in different scopes are different hosts.
 * Tunnels outermost first; of a deeper nesting the further ids are folded into the last one.
 * An id counts here when it names a network. One that each direction chooses (GTP-U, PPTP, L2TP),
 * that names a mirror session (ERSPAN), or the entropy octet of NVGRE, is only in sf_segment. */
struct sf_scope {
    uint8_t ip_version; /* 4 or 6, of the innermost header */
    uint8_t tunnels;    /* how many headers of tunnels were passed */
    uint8_t tunnel_kind[SF_TUNNEL_MAX];
    uint32_t tunnel_id[SF_TUNNEL_MAX];
    uint16_t vlan[SF_VLAN_MAX]; /* 0 unless VLANs are part of the key */
};

/* Both ends, the smaller (address, port) first. No padding: compared and hashed as octets. IPv4
 * addresses stand in the first four octets, the rest is 0. */
struct sf_flow_key {
    uint8_t addr[SF_DIR_COUNT][16];
    uint16_t port[SF_DIR_COUNT];
    struct sf_scope scope;
};
_Static_assert(sizeof(struct sf_flow_key) == 52, "sf_flow_key is hashed as octets: no padding");

static inline uint64_t sf_flow_key_word(const struct sf_flow_key *key, size_t at)
{
    uint64_t word;
    memcpy(&word, (const char *)key + at, sizeof word);
    return word;
}

/* Whether it is the same. Nearly always it is: all words are looked at, without a branch for each;
 * the last one overlaps the one before. */
static inline bool sf_flow_key_is(const struct sf_flow_key *a, const struct sf_flow_key *b)
{
    enum { WORD = sizeof(uint64_t), LAST = sizeof *a - WORD };
    uint64_t differences = sf_flow_key_word(a, LAST) ^ sf_flow_key_word(b, LAST);
    for (size_t at = 0; at < LAST; at += WORD)
        differences |= sf_flow_key_word(a, at) ^ sf_flow_key_word(b, at);
    return differences == 0;
}

/* A place for the key, the same in every run and for both directions. What a bounded memory keeps
 * by place, and which worker a connection belongs to, must not depend on a seed. */
enum { SF_PLACE_BITS = 15, SF_PLACES = 1 << SF_PLACE_BITS };

/* Of the key's octets as words and what is left of them. */
static inline uint32_t sf_place_of(const uint64_t words[6], uint32_t last)
{
    static const uint64_t odd[] = {
        UINT64_C(0x9e3779b97f4a7c15), UINT64_C(0xbf58476d1ce4e5b9), UINT64_C(0x94d049bb133111eb),
        UINT64_C(0xff51afd7ed558ccd), UINT64_C(0xc4ceb9fe1a85ec53), UINT64_C(0xd6e8feb86659fd93),
    };
    uint64_t sum = last * UINT64_C(0x2545f4914f6cdd1d);
    for (unsigned i = 0; i < 6; i++)
        sum += (words[i] ^ words[i] >> 32) * odd[i];
    return (uint32_t)((sum ^ sum >> 29) * odd[0] >> (64 - SF_PLACE_BITS));
}

static inline uint32_t sf_flow_key_place(const struct sf_flow_key *key)
{
    uint64_t words[6];
    uint32_t last;
    memcpy(words, key, sizeof words);
    memcpy(&last, (const unsigned char *)key + sizeof words, sizeof last);
    return sf_place_of(words, last);
}

struct sf_sack_block {
    sf_seq begin, end; /* [begin, end) */
};

enum sf_option_flag {
    SF_OPT_HAS_MSS = 0x001,
    SF_OPT_HAS_WSCALE = 0x002,
    SF_OPT_HAS_SACK_PERMITTED = 0x004,
    SF_OPT_HAS_SACK = 0x008,
    SF_OPT_HAS_TIMESTAMPS = 0x010,
    SF_OPT_HAS_FAST_OPEN = 0x020, /* option 34, or 254 with magic 0xF989: RFC 7413 */
    SF_OPT_HAS_MPTCP = 0x040,     /* option 30: RFC 8684 */
    SF_OPT_HAS_MD5 = 0x080,       /* option 19 or 29: MD5, TCP-AO */
    SF_OPT_MALFORMED = 0x100,     /* the option list is damaged; those before the damage stand */
    SF_OPT_TRUNCATED = 0x200,     /* the option list is not wholly captured */
};

struct sf_tcp_options {
    uint16_t present; /* SF_OPT_ flags; a field below counts only when its flag is set */
    uint16_t mss;
    uint8_t wscale;        /* as sent, may exceed 14 */
    uint8_t sack_count;    /* blocks below, at most SF_SACK_MAX */
    uint8_t fast_open_len; /* octets of the cookie; 0 is a request for one */
    uint32_t ts_val, ts_ecr;
    struct sf_sack_block sack[SF_SACK_MAX];
};

/* In the order of use: the lines of a segment without SACK that are read are its first ones. */
struct sf_segment {
    struct sf_flow_key key;
    enum sf_dir dir;
    uint64_t hash; /* keyed, of the key: the same for both directions */

    uint64_t packet; /* number of the packet in the input, from 1 */
    sf_ns ts_ns;
    sf_seq ack, seq;   /* SEG.ACK (also when the ACK bit is off: then what stood there), SEG.SEQ */
    uint16_t urgent;   /* urgent pointer */
    uint16_t checksum; /* as sent */
    uint16_t window;   /* SEG.WND as sent, unscaled */
    uint16_t flags;    /* SF_TH_ bits */
    uint32_t payload_len; /* octets on the wire */
    uint32_t payload_cap; /* of them, captured */
    uint32_t ip_bytes;    /* octets of the innermost IP packet on the wire, header included */
    uint16_t ip_id;       /* 0 for IPv6 without fragment header */
    uint8_t ttl;          /* or hop limit */
    uint8_t ip_ecn;       /* the two ECN bits of the IP header; 3 is CE */
    uint16_t interface;   /* a number for each of the inputs' interfaces, those in `any` too */
    uint8_t tcp_header_len;

    /* Borrowed from the packet: the innermost IP header and what was captured from there on. */
    const uint8_t *ip;
    uint32_t ip_cap;
    uint32_t
        tcp_offset; /* of the TCP header from ip; its octets are contiguous unless from_fragments */

    /* What is 0 in nearly all segments. */
    uint32_t
        payload_beyond_frame; /* of payload_len, what IP's length promises beyond the frame's end */
    bool from_fragments;      /* put together from IP fragments */
    bool length_guessed;      /* IP total length was 0 (offload): lengths are the frame's */
    uint8_t vlan_count;       /* outer first; also when VLANs are not part of the key */
    uint8_t tunnel_count;
    struct {
        uint8_t kind; /* enum sf_tunnel_kind */
        uint32_t id;
    } tunnel[SF_TUNNEL_MAX]; /* outer first */
    uint16_t vlan[SF_VLAN_MAX];
    struct sf_tcp_options options;
};

/* Octets of sequence space: SYN and FIN take one each (RFC 9293 §3.4). */
static inline uint32_t sf_segment_seq_len(const struct sf_segment *seg)
{
    return seg->payload_len + !!(seg->flags & SF_TH_SYN) + !!(seg->flags & SF_TH_FIN);
}

static inline bool sf_segment_has(const struct sf_segment *seg, enum sf_option_flag option)
{
    return (seg->options.present & (unsigned)option) != 0;
}

#endif
