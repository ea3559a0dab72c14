/* The transition table. A cell that is absent is SF_STATE_NONE: stay, the stimulus has no place
 * there. Repetitions are cells that name their own state. */
#include "synfin/state.h"

static const enum sf_tcp_state next[SF_STATE_COUNT][SF_STIMULUS_COUNT] = {
    [SF_STATE_NONE] =
        {
            [SF_SND_SYN] = SF_SYN_SENT,
            [SF_SND_SYN_ACK] = SF_SYN_RECEIVED,
            [SF_SND_RST] = SF_CLOSED,
            /* the peer acknowledges a SYN that was never captured */
            [SF_RCV_ACK_OF_SYN] = SF_SYN_SENT,
        },
    [SF_CLOSED] =
        {
            [SF_SND_RST] = SF_CLOSED,
            [SF_RCV_RST] = SF_CLOSED,
        },
    [SF_SYN_SENT] =
        {
            [SF_SND_SYN] = SF_SYN_SENT,
            [SF_SND_SYN_ACK] = SF_SYN_RECEIVED, /* simultaneous open, RFC 9293 §3.5, Figure 7 */
            [SF_RCV_SYN] = SF_ESTABLISHED,      /* its ACK of the SYN-ACK */
            [SF_RCV_ACK_OF_SYN] = SF_SYN_SENT,  /* not enough without the peer's SYN */
            [SF_SND_RST] = SF_CLOSED,
            [SF_RCV_RST] = SF_CLOSED,
        },
    [SF_SYN_RECEIVED] =
        {
            [SF_SND_SYN] = SF_SYN_RECEIVED,
            [SF_SND_SYN_ACK] = SF_SYN_RECEIVED,
            [SF_RCV_SYN] = SF_SYN_RECEIVED,
            [SF_RCV_ACK_OF_SYN] = SF_ESTABLISHED,
            [SF_SND_AFTER_SYN] = SF_ESTABLISHED,
            [SF_SND_FIN] = SF_FIN_WAIT_1,
            [SF_SND_RST] = SF_CLOSED,
            [SF_RCV_RST] = SF_CLOSED, /* a passive opener returns to LISTEN: the same at a tap */
        },
    [SF_ESTABLISHED] =
        {
            [SF_SND_AFTER_SYN] = SF_ESTABLISHED,
            [SF_RCV_SYN] = SF_ESTABLISHED,
            [SF_RCV_ACK_OF_SYN] = SF_ESTABLISHED,
            [SF_SND_FIN] = SF_FIN_WAIT_1,
            [SF_RCV_FIN] = SF_CLOSE_WAIT,
            [SF_SND_RST] = SF_CLOSED,
            [SF_RCV_RST] = SF_CLOSED,
        },
    [SF_FIN_WAIT_1] =
        {
            [SF_SND_FIN] = SF_FIN_WAIT_1,
            [SF_RCV_ACK_OF_FIN] = SF_FIN_WAIT_2,
            [SF_RCV_FIN] = SF_CLOSING,
            [SF_SND_RST] = SF_CLOSED,
            [SF_RCV_RST] = SF_CLOSED,
        },
    [SF_FIN_WAIT_2] =
        {
            [SF_RCV_ACK_OF_FIN] = SF_FIN_WAIT_2,
            [SF_RCV_FIN] = SF_TIME_WAIT,
            [SF_SND_RST] = SF_CLOSED,
            [SF_RCV_RST] = SF_CLOSED,
        },
    [SF_CLOSE_WAIT] =
        {
            [SF_RCV_FIN] = SF_CLOSE_WAIT,
            [SF_SND_FIN] = SF_LAST_ACK,
            [SF_SND_RST] = SF_CLOSED,
            [SF_RCV_RST] = SF_CLOSED,
        },
    [SF_CLOSING] =
        {
            [SF_SND_FIN] = SF_CLOSING,
            [SF_RCV_FIN] = SF_CLOSING,
            [SF_RCV_ACK_OF_FIN] = SF_TIME_WAIT,
            [SF_SND_RST] = SF_CLOSED,
            [SF_RCV_RST] = SF_CLOSED,
        },
    [SF_LAST_ACK] =
        {
            [SF_SND_FIN] = SF_LAST_ACK,
            [SF_RCV_FIN] = SF_LAST_ACK,
            [SF_RCV_ACK_OF_FIN] = SF_CLOSED,
            [SF_SND_RST] = SF_CLOSED,
            [SF_RCV_RST] = SF_CLOSED,
        },
    [SF_TIME_WAIT] =
        {
            [SF_RCV_FIN] = SF_TIME_WAIT, /* the peer's FIN again, acknowledged again */
            [SF_RCV_ACK_OF_FIN] = SF_TIME_WAIT,
            [SF_SND_RST] = SF_CLOSED,
            [SF_RCV_RST] = SF_CLOSED, /* RFC 1337 would ignore it; real kernels do not by default */
        },
};

enum sf_tcp_state sf_state_next(enum sf_tcp_state state, enum sf_stimulus stimulus)
{
    return next[state][stimulus];
}

static const bool synchronized[SF_STATE_COUNT] = {
    [SF_ESTABLISHED] = true, [SF_FIN_WAIT_1] = true, [SF_FIN_WAIT_2] = true, [SF_CLOSE_WAIT] = true,
    [SF_CLOSING] = true,     [SF_LAST_ACK] = true,   [SF_TIME_WAIT] = true,
};

bool sf_state_is_synchronized(enum sf_tcp_state state)
{
    return synchronized[state];
}
