/* The live screen on the terminal: a thread draws and reads keys, the capture's thread looks. */
#ifndef SYNFIN_CLI_SCREEN_H
#define SYNFIN_CLI_SCREEN_H

#include "board.h"
#include "options.h"
#include "signals.h"

struct sf_screen;

/* A screen for this run, or NULL where none is fit: another input than an interface, an output that
 * the user chose, no terminal, one that cannot move its cursor, or no memory. Before anything else
 * is opened: a guard is started that puts the terminal right should this process die. */
struct sf_screen *sf_screen_open(const struct sf_cli_options *options);

/* What is to be told of segments, events and records. */
struct sf_board *sf_screen_board(struct sf_screen *screen);

/* Takes the terminal, and standard error where it is one: what is said there is shown and said
 * again at the end. Reads files (terminfo, the time zone). 0, or -1: then lines do. */
int sf_screen_take(struct sf_screen *screen);

/* Begins to draw. `signals` is told when the user wants to end. 0, or -1: then lines do. */
int sf_screen_start(struct sf_screen *screen, struct sf_signals *signals);

/* After each batch. Looks at most four times a second, or soon after a key. */
void sf_screen_moment(struct sf_screen *screen, struct sf_tracker *tracker, uint64_t packets,
                      uint64_t tcp_packets, uint64_t dropped);

/* Gives the terminal back. NULL is fine. */
void sf_screen_close(struct sf_screen *screen);

#endif
