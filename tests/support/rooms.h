/* Rooms for a test: begin_rooms and end_rooms before and after it. */
#ifndef SYNFIN_TESTS_ROOMS_H
#define SYNFIN_TESTS_ROOMS_H

#include "synfin/slab.h"

static struct sf_rooms test_rooms;

static int begin_rooms(void **state)
{
    (void)state;
    sf_rooms_init(&test_rooms);
    return 0;
}

static int end_rooms(void **state)
{
    (void)state;
    sf_rooms_dispose(&test_rooms); /* aborts when a room is not back */
    return 0;
}

#endif
