/* Signals, taken by a thread of their own, so that nothing has to be done inside a handler. */
#ifndef SYNFIN_CLI_SIGNALS_H
#define SYNFIN_CLI_SIGNALS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "synfin/capture.h"

struct sf_signals {
    pthread_t thread;
    bool is_running;
    struct sf_capture *capture;
    atomic_bool stop;      /* INT or TERM came: end the capture, report, exit */
    atomic_bool want_line; /* USR1 came: print a line of statistics */
    bool reopens; /* set by the caller: HUP asks for new files, else it ends the capture as INT does
                   */
    atomic_bool want_files; /* it came */
    atomic_bool is_ending;  /* the thread has done its work */
};

/* INT, TERM and USR1 set the claims from now on (a second INT or TERM ends the process at once);
 * PIPE is ignored. An INT that was ignored at the start stays ignored. The capture, NULL: none, is
 * stopped, too. */
void sf_signals_start(struct sf_signals *signals, struct sf_capture *capture);

/* What a first INT does. */
void sf_signals_stop(struct sf_signals *signals);

/* Before the capture is closed. */
void sf_signals_end(struct sf_signals *signals);

#endif
