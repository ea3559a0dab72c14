/* A script's packet as octets on the wire, and as the decoder would hand it on. */
#ifndef SYNFIN_TESTS_WIRE_H
#define SYNFIN_TESTS_WIRE_H

#include "script.h"
#include "synfin/decode.h"
#include "synfin/segment.h"

enum wire_link { WIRE_ETHERNET, WIRE_SLL2 };

enum { WIRE_MAX = 66000 };

struct wire_frame {
    uint32_t length; /* octets on the wire */
    uint32_t caplen; /* of them, captured */
    uint32_t ip;     /* offset of the IP header */
    uint32_t tcp;    /* offset of the TCP header from the IP header */
    uint8_t octets[WIRE_MAX];
};

/* Lays out the packet with valid checksums (unless it asks for a bad one). */
void wire_build(struct wire_frame *out, const struct script *script,
                const struct script_packet *packet, enum wire_link link);

/* The segment that decoding the frame gives; borrows from the frame. */
void wire_segment(struct sf_segment *out, const struct wire_frame *frame,
                  const struct script *script, const struct script_packet *packet, uint64_t number);

/* The same for an ICMP error. */
void wire_quote(struct sf_icmp_quote *out, const struct script *script,
                const struct script_packet *packet, uint64_t number);

#endif
