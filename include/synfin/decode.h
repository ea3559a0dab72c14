/* From an octet string to one TCP segment, or the reason why not. */
#ifndef SYNFIN_DECODE_H
#define SYNFIN_DECODE_H

#include <stdbool.h>
#include <stdint.h>

#include "synfin/capture.h"
#include "synfin/segment.h"

/* Every packet gets exactly one verdict. The names are the reasons of `end.undecoded`. */
#define SF_VERDICTS(X)                                                                             \
    X(OK, "ok", "a TCP segment")                                                                   \
    X(NOT_IP, "not_ip", "a frame that carries no IP packet")                                       \
    X(NOT_TCP, "not_tcp", "an IP packet that carries no TCP segment")                              \
    X(FRAGMENT, "fragment",                                                                        \
      "an IP fragment: the segment was counted with the fragment that "                            \
      "completed its header, or its first fragment never came")                                    \
    X(TRUNCATED, "truncated", "cut by the snapshot length before the TCP header's end")            \
    X(MALFORMED_LINK, "malformed_link", "a damaged link-layer or tunnel header")                   \
    X(MALFORMED_IP, "malformed_ip", "a damaged IP header")                                         \
    X(MALFORMED_TCP, "malformed_tcp", "a damaged TCP header")                                      \
    X(UNSUPPORTED_LINK, "unsupported_link", "a link type that is not read")                        \
    X(FILTERED, "filtered", "turned down by the capture filter")                                   \
    X(BAD_CHECKSUM, "bad_checksum", "a wrong checksum, where they are verified")

enum sf_verdict {
#define X(id, name, text) SF_VERDICT_##id,
    SF_VERDICTS(X)
#undef X
        SF_VERDICT_COUNT
};

const char *sf_verdict_name(enum sf_verdict verdict);
const char *sf_verdict_text(enum sf_verdict verdict);

/* An ICMP error that quotes the head of a TCP segment. The quoted segment's sender is told by dir.
 */
struct sf_icmp_quote {
    struct sf_flow_key key;
    uint64_t hash;
    enum sf_dir dir; /* of the quoted segment */
    sf_seq seq;      /* of the quoted segment */
    bool has_seq;    /* at least 8 octets of the TCP header were quoted */
    uint64_t packet;
    sf_ns ts_ns;
    uint8_t ip_version; /* of the ICMP message */
    uint8_t type, code;
    uint8_t sender[16]; /* who sent the ICMP message; IPv4 in the first four octets */
};

struct sf_decoded {
    bool has_quote;    /* verdict NOT_TCP: `quote` is valid */
    bool is_of_others; /* of a share that is not wanted: nothing below is valid */
    union {
        struct sf_segment segment; /* valid when the verdict is OK */
        struct sf_icmp_quote quote;
    };
};

struct sf_decoder;

struct sf_decode_options {
    bool vlan_key;         /* VLAN ids are part of the flow key */
    bool verify_checksums; /* leave segments with a wrong IPv4 or TCP checksum out */
    uint64_t hash_seed;    /* of the keyed hash: results never depend on it */
    /* The part of all connections that is wanted, of so many, 0: all. Both directions of a
     * connection, and ICMP errors that quote it, are of one share; see sf_flow_key_place(). */
    unsigned share, shares;
};

/* The decoder holds what fragments need (bounded) and nothing else. NULL on lack of memory. */
struct sf_decoder *sf_decoder_new(const struct sf_decode_options *options);
void sf_decoder_free(struct sf_decoder *decoder);

/* Walks link -> VLAN/MPLS/PPPoE -> tunnels -> IP -> TCP and stops at the first verdict that is not
 * OK. With OK, out->segment borrows from packet->data (from the decoder when from_fragments, until
 * the next call). Lengths are those on the wire, also where the capture is cut. Allocates only for
 * fragments. */
enum sf_verdict sf_decode(struct sf_decoder *decoder, const struct sf_packet *packet,
                          struct sf_decoded *out);

/* Whether the TCP checksum is right. False for `*known` when not all of the segment was captured,
 * the octets are not contiguous, or the length was guessed; then the result means nothing. */
bool sf_segment_checksum_ok(const struct sf_segment *seg, bool *known);

#endif
