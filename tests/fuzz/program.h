/* Octets as a short program of segments between a few pairs of ends: each octet chooses among
 * values that lie near numbers of the connection, so that nearly every input is a story. */
#ifndef SYNFIN_TESTS_PROGRAM_H
#define SYNFIN_TESTS_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "synfin/decode.h"
#include "synfin/track.h"

enum { PROGRAM_FLOWS = 2, PROGRAM_STEPS = 256 };

enum program_kind { PROGRAM_SEGMENT, PROGRAM_ICMP, PROGRAM_TICK };

struct program_step {
    enum program_kind kind;
    uint8_t flow;
    /* Sequence numbers are relative: to be moved by a number for each end. */
    struct sf_segment segment;
    struct sf_icmp_quote quote;
    sf_ns now_ns;
};

struct program {
    struct sf_track_options options;
    uint32_t bases[PROGRAM_FLOWS][SF_DIR_COUNT];
    size_t count;
    struct program_step steps[PROGRAM_STEPS];
};

/* A SYN that answers nothing: what it would acknowledge or echo is 0, as it is everywhere. */
static inline bool program_is_lone_syn(unsigned flags)
{
    return (flags & (SF_TH_SYN | SF_TH_ACK)) == SF_TH_SYN;
}

void program_read(struct program *out, const uint8_t *data, size_t size);

#endif
