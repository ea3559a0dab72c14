/* The state machine of RFC 9293 §3.3.2, Figure 5, as a tap may apply it to one end. */
#ifndef SYNFIN_STATE_H
#define SYNFIN_STATE_H

#include <stdbool.h>

#include "synfin/tcp.h"

/* What happened to an end. SND: it sent this. RCV: it has received this, proved by what it
 * acknowledges, or assumed where nothing acknowledges it (ACK of SYN, ACK of FIN, RST). */
enum sf_stimulus {
    SF_SND_SYN,
    SF_SND_SYN_ACK,
    SF_SND_FIN,
    SF_SND_RST,
    SF_SND_AFTER_SYN, /* what only a synchronized end sends: new data, an ACK of data */
    SF_RCV_SYN,       /* it acknowledged the peer's SYN */
    SF_RCV_FIN,       /* it acknowledged the peer's FIN */
    SF_RCV_ACK_OF_SYN,
    SF_RCV_ACK_OF_FIN,
    SF_RCV_RST,
    SF_STIMULUS_COUNT,
};

/* The state after the stimulus; the same state when the stimulus is a repetition that changes
 * nothing; SF_STATE_NONE when it has no place in this state (then the end stays as it is). */
enum sf_tcp_state sf_state_next(enum sf_tcp_state state, enum sf_stimulus stimulus);

/* True for ESTABLISHED and the states after it but CLOSED: RFC 9293 §3.5.2's "synchronized". */
bool sf_state_is_synchronized(enum sf_tcp_state state);

#endif
