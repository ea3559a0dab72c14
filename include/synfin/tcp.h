/* The words of RFC 9293: control bits, states, and their names. */
#ifndef SYNFIN_TCP_H
#define SYNFIN_TCP_H

#include <stdint.h>

/* Control bits of the TCP header (RFC 9293 §3.1; AE and the ECN bits: RFC 3168, RFC 9768). */
enum sf_tcp_flag {
    SF_TH_FIN = 0x001,
    SF_TH_SYN = 0x002,
    SF_TH_RST = 0x004,
    SF_TH_PSH = 0x008,
    SF_TH_ACK = 0x010,
    SF_TH_URG = 0x020,
    SF_TH_ECE = 0x040,
    SF_TH_CWR = 0x080,
    SF_TH_AE = 0x100,
};

/* States of RFC 9293 §3.3.2. NONE: this end sent nothing and nothing is proved of it. LISTEN is
 * never inferred: at a tap it cannot be told from CLOSED. */
enum sf_tcp_state {
    SF_STATE_NONE,
    SF_CLOSED,
    SF_SYN_SENT,
    SF_SYN_RECEIVED,
    SF_ESTABLISHED,
    SF_FIN_WAIT_1,
    SF_FIN_WAIT_2,
    SF_CLOSE_WAIT,
    SF_CLOSING,
    SF_LAST_ACK,
    SF_TIME_WAIT,
    SF_STATE_COUNT,
};

/* The name as the RFC prints it ("FIN-WAIT-1"); NULL for SF_STATE_NONE. */
const char *sf_state_name(enum sf_tcp_state state);

/* Octets needed for sf_flags_text(). */
#define SF_FLAGS_TEXT 12

/* Writes the flags as tcpdump prints them ("S", "S.", "P.", "FP.", "R", "none") and returns out. */
const char *sf_flags_text(char out[SF_FLAGS_TEXT], unsigned flags);

#endif
