/* A process that puts the terminal right when this one dies, however it dies. */
#ifndef SYNFIN_CLI_SCREEN_GUARD_H
#define SYNFIN_CLI_SCREEN_GUARD_H

#include <sys/types.h>

/* Zero is no guard. */
struct sf_screen_guard {
    pid_t process;
    int alive; /* pipe to the guard: what it reads at our end tells how we ended */
    int said;  /* nameless file for what is said on standard error meanwhile */
};

/* Remembers how the terminal is set now. 0, or -1: also when TERM names none whose cursor can be
 * put anywhere ("dumb", unknown ones). */
int sf_screen_guard_start(struct sf_screen_guard *guard);

int sf_screen_guard_said(const struct sf_screen_guard *guard);

/* Copies all of the file to the descriptor. */
void sf_screen_guard_repeat(int said, int out);

/* The terminal is as it was: nothing need be done. */
void sf_screen_guard_end(struct sf_screen_guard *guard);

#endif
