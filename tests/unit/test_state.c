/* The transition table, whole, against RFC 9293 §3.3.2, Figure 5. The edges below are read from the
 * figure and from §3.10.7; no cell beside them may lead to another state. */
#include "synfin/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct edge {
    enum sf_tcp_state from;
    enum sf_stimulus stimulus;
    enum sf_tcp_state to;
    const char *why;
};

static const struct edge edges[] = {
    {SF_STATE_NONE, SF_SND_SYN, SF_SYN_SENT, "Figure 5: active OPEN, snd SYN"},
    {SF_STATE_NONE, SF_SND_SYN_ACK, SF_SYN_RECEIVED, "Figure 5: LISTEN rcv SYN, snd SYN,ACK"},
    {SF_STATE_NONE, SF_RCV_ACK_OF_SYN, SF_SYN_SENT, "the peer's ACK proves a SYN not captured"},
    {SF_STATE_NONE, SF_SND_RST, SF_CLOSED, "§3.5.2: no connection answers by RST"},
    {SF_SYN_SENT, SF_SND_SYN_ACK, SF_SYN_RECEIVED, "Figure 5: rcv SYN, snd SYN,ACK"},
    {SF_SYN_SENT, SF_RCV_SYN, SF_ESTABLISHED, "Figure 5: rcv SYN,ACK, snd ACK"},
    {SF_SYN_RECEIVED, SF_RCV_ACK_OF_SYN, SF_ESTABLISHED, "Figure 5: rcv ACK of SYN"},
    {SF_SYN_RECEIVED, SF_SND_AFTER_SYN, SF_ESTABLISHED, "only a synchronized end sends it"},
    {SF_SYN_RECEIVED, SF_SND_FIN, SF_FIN_WAIT_1, "Figure 5: CLOSE, snd FIN"},
    {SF_ESTABLISHED, SF_SND_FIN, SF_FIN_WAIT_1, "Figure 5: CLOSE, snd FIN"},
    {SF_ESTABLISHED, SF_RCV_FIN, SF_CLOSE_WAIT, "Figure 5: rcv FIN, snd ACK"},
    {SF_FIN_WAIT_1, SF_RCV_ACK_OF_FIN, SF_FIN_WAIT_2, "Figure 5: rcv ACK of FIN"},
    {SF_FIN_WAIT_1, SF_RCV_FIN, SF_CLOSING, "Figure 5: rcv FIN, snd ACK"},
    {SF_FIN_WAIT_2, SF_RCV_FIN, SF_TIME_WAIT, "Figure 5: rcv FIN, snd ACK"},
    {SF_CLOSE_WAIT, SF_SND_FIN, SF_LAST_ACK, "Figure 5: CLOSE, snd FIN"},
    {SF_CLOSING, SF_RCV_ACK_OF_FIN, SF_TIME_WAIT, "Figure 5: rcv ACK of FIN"},
    {SF_LAST_ACK, SF_RCV_ACK_OF_FIN, SF_CLOSED, "Figure 5: rcv ACK of FIN"},
};

/* §3.10.7.3, §3.10.7.4: an acceptable RST leads to CLOSED from every state; so does sending one. */
static bool is_reset(enum sf_stimulus stimulus)
{
    return stimulus == SF_SND_RST || stimulus == SF_RCV_RST;
}

static const struct edge *edge_of(enum sf_tcp_state from, enum sf_stimulus stimulus)
{
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++)
        if (edges[i].from == from && edges[i].stimulus == stimulus)
            return &edges[i];
    return NULL;
}

static void every_edge_of_the_figure(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++)
        if (sf_state_next(edges[i].from, edges[i].stimulus) != edges[i].to)
            fail_msg("stimulus %d leads elsewhere: %s", (int)edges[i].stimulus, edges[i].why);
}

static void a_reset_closes(void **state)
{
    (void)state;
    for (int from = SF_CLOSED; from < SF_STATE_COUNT; from++) {
        assert_int_equal(sf_state_next((enum sf_tcp_state)from, SF_SND_RST), SF_CLOSED);
        assert_int_equal(sf_state_next((enum sf_tcp_state)from, SF_RCV_RST), SF_CLOSED);
    }
}

static void no_other_edge(void **state)
{
    (void)state;
    for (int from = 0; from < SF_STATE_COUNT; from++)
        for (int stimulus = 0; stimulus < SF_STIMULUS_COUNT; stimulus++) {
            enum sf_tcp_state to =
                sf_state_next((enum sf_tcp_state)from, (enum sf_stimulus)stimulus);
            if (to == SF_STATE_NONE || (int)to == from || is_reset((enum sf_stimulus)stimulus))
                continue;
            if (edge_of((enum sf_tcp_state)from, (enum sf_stimulus)stimulus) == NULL)
                fail_msg("%s goes to %s by stimulus %d, which the figure does not know",
                         from == 0 ? "-" : sf_state_name((enum sf_tcp_state)from),
                         sf_state_name(to), stimulus);
        }
}

/* §3.5.2 group 3: "ESTABLISHED, FIN-WAIT-1, FIN-WAIT-2, CLOSE-WAIT, CLOSING, LAST-ACK, TIME-WAIT"
 */
static void synchronized_states(void **state)
{
    (void)state;
    static const enum sf_tcp_state not_synchronized[] = {SF_STATE_NONE, SF_CLOSED, SF_SYN_SENT,
                                                         SF_SYN_RECEIVED};
    unsigned count = 0;
    for (int s = 0; s < SF_STATE_COUNT; s++)
        count += sf_state_is_synchronized((enum sf_tcp_state)s);
    assert_int_equal(count, 7);
    for (size_t i = 0; i < sizeof not_synchronized / sizeof not_synchronized[0]; i++)
        assert_false(sf_state_is_synchronized(not_synchronized[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_edge_of_the_figure),
        cmocka_unit_test(a_reset_closes),
        cmocka_unit_test(no_other_edge),
        cmocka_unit_test(synchronized_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
