/* Blocks and rooms: none is handed out twice, each is aligned, memory comes back. */
#include "synfin/slab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LINE = 64, UNIT = _Alignof(max_align_t), HELD = 2000 };

static uint32_t next(uint32_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 17;
    *random ^= *random << 5;
    return *random;
}

/* What is held is filled to its last octet with what tells its place. */
struct held {
    uint8_t *at;
    size_t octets;
};

static void fill(struct held *held, size_t place)
{
    memset(held->at, (int)(place % 251), held->octets);
}

static void assert_filled(const struct held *held, size_t place)
{
    size_t right = 0;
    while (right < held->octets && held->at[right] == place % 251)
        right++;
    assert_int_equal(right, held->octets);
}

static void blocks_are_apart(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 40, 64, 65, 100000, SF_SLAB_ROOM};
    static struct held held[HELD];
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        struct sf_slab slab;
        uint32_t random = 1;
        size_t most = sizes[s] < 1000 ? HELD : 20;
        sf_slab_init(&slab, sizes[s]);
        for (size_t step = 0; step < 20 * most; step++) {
            size_t place = next(&random) % most;
            if (held[place].at != NULL) {
                assert_filled(&held[place], place);
                sf_slab_give(&slab, held[place].at);
                held[place].at = NULL;
                continue;
            }
            held[place] = (struct held){sf_slab_take(&slab), sizes[s]};
            assert_non_null(held[place].at);
            assert_int_equal((uintptr_t)held[place].at % (sizes[s] % LINE == 0 ? LINE : UNIT), 0);
            fill(&held[place], place);
        }
        for (size_t place = 0; place < most; place++)
            if (held[place].at != NULL) {
                assert_filled(&held[place], place);
                sf_slab_give(&slab, held[place].at);
                held[place].at = NULL;
            }
        assert_int_equal(slab.piece_count, 1);
        sf_slab_dispose(&slab);
        assert_int_equal(slab.piece_count, 0);
        assert_null(slab.roomy);
    }
}

/* What is not given back is a leak to the sanitizer. */
static void blocks_in_use_are_disposed_of(void **state)
{
    (void)state;
    enum { OCTETS = 100000, PIECES = 3 };
    struct sf_slab slab;
    for (int again = 0; again < 2; again++) {
        sf_slab_init(&slab, OCTETS);
        void *one = sf_slab_take(&slab);
        while (slab.piece_count < PIECES) /* the last has room, the others are full */
            assert_non_null(sf_slab_take(&slab));
        if (again)
            sf_slab_give(&slab, one);
        sf_slab_dispose(&slab);
        assert_int_equal(slab.piece_count, 0);
        assert_null(slab.roomy);
        assert_null(slab.full);
        assert_non_null(sf_slab_take(&slab));
        assert_int_equal(slab.piece_count, 1);
        sf_slab_dispose(&slab);
    }
}

static void rooms_of_any_size(void **state)
{
    (void)state;
    static struct held held[200];
    struct sf_rooms rooms;
    uint32_t random = 1;
    sf_rooms_init(&rooms);
    for (size_t step = 0; step < 4000; step++) {
        size_t place = next(&random) % 200;
        struct held *h = &held[place];
        if (h->at != NULL)
            assert_filled(h, place);
        sf_rooms_give(&rooms, h->at, h->octets);
        h->octets = next(&random) % ((size_t)1 << next(&random) % 15) + 1;
        h->at = sf_rooms_take(&rooms, h->octets);
        assert_non_null(h->at);
        assert_int_equal((uintptr_t)h->at % LINE, 0);
        fill(h, place);
    }
    for (size_t place = 0; place < 200; place++)
        sf_rooms_give(&rooms, held[place].at, held[place].octets);
    sf_rooms_dispose(&rooms);
}

static void a_room_grows(void **state)
{
    (void)state;
    struct sf_rooms rooms;
    sf_rooms_init(&rooms);
    size_t largest = (size_t)SF_ROOM_LEAST << (SF_ROOM_SIZES - 1);
    struct held held = {sf_rooms_move(&rooms, NULL, 0, 1), 1};
    fill(&held, 7);
    for (size_t more = 2; more <= largest; more *= 2) {
        held.at = sf_rooms_move(&rooms, held.at, held.octets, more);
        assert_non_null(held.at);
        assert_filled(&held, 7);
        held.octets = more;
        fill(&held, 7);
    }
    assert_null(sf_rooms_move(&rooms, held.at, largest, largest + 1));
    assert_filled(&held, 7);
    sf_rooms_give(&rooms, held.at, largest);
    sf_rooms_give(&rooms, NULL, 100);
    sf_rooms_dispose(&rooms);
}

static void large_memory_is_zero(void **state)
{
    (void)state;
    static const size_t sizes[] = {1,
                                   4096,
                                   SF_SLAB_PIECE / 4 - 1,
                                   SF_SLAB_PIECE / 4,
                                   SF_SLAB_PIECE - 1,
                                   SF_SLAB_PIECE,
                                   SF_SLAB_PIECE + 1};
    for (int again = 0; again < 2; again++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            uint8_t *memory = sf_large_take(sizes[s]);
            assert_non_null(memory);
            assert_filled(&(struct held){memory, sizes[s]}, 0);
            memset(memory, 1, sizes[s]);
            free(memory);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_apart),     cmocka_unit_test(blocks_in_use_are_disposed_of),
        cmocka_unit_test(rooms_of_any_size),    cmocka_unit_test(a_room_grows),
        cmocka_unit_test(large_memory_is_zero),
    };
    return cmocka_run_group_tests_name("slab", tests, NULL, NULL);
}
