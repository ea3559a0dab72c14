/* Names of states and flags. */
#include "synfin/tcp.h"

#include <stddef.h>
#include <string.h>

static const char *const state_names[SF_STATE_COUNT] = {
    [SF_STATE_NONE] = NULL,           [SF_CLOSED] = "CLOSED",
    [SF_SYN_SENT] = "SYN-SENT",       [SF_SYN_RECEIVED] = "SYN-RECEIVED",
    [SF_ESTABLISHED] = "ESTABLISHED", [SF_FIN_WAIT_1] = "FIN-WAIT-1",
    [SF_FIN_WAIT_2] = "FIN-WAIT-2",   [SF_CLOSE_WAIT] = "CLOSE-WAIT",
    [SF_CLOSING] = "CLOSING",         [SF_LAST_ACK] = "LAST-ACK",
    [SF_TIME_WAIT] = "TIME-WAIT",
};

const char *sf_state_name(enum sf_tcp_state state)
{
    return state_names[state];
}

/* tcpdump's letters in tcpdump's order; the dot is the ACK. */
static const struct {
    unsigned flag;
    char letter;
} flag_letters[] = {
    {SF_TH_FIN, 'F'}, {SF_TH_SYN, 'S'}, {SF_TH_RST, 'R'}, {SF_TH_PSH, 'P'}, {SF_TH_ACK, '.'},
    {SF_TH_URG, 'U'}, {SF_TH_ECE, 'E'}, {SF_TH_CWR, 'W'}, {SF_TH_AE, 'e'},
};

const char *sf_flags_text(char out[SF_FLAGS_TEXT], unsigned flags)
{
    size_t n = 0;
    for (size_t i = 0; i < sizeof flag_letters / sizeof flag_letters[0]; i++)
        if (flags & flag_letters[i].flag)
            out[n++] = flag_letters[i].letter;
    if (n == 0) {
        strcpy(out, "none");
        return out;
    }
    out[n] = '\0';
    return out;
}
