/* Parcels on the shelf against a plain list, and what packing gives back. */
#include "synfin/shelf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "synfin/pack.h"

enum { KEYS = 4000, STEPS = 200000 };

struct item {
    uint64_t key, order;
    size_t len;
    enum sf_shelf_row row;
    bool is_there;
};

static uint32_t next(uint32_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 17;
    *random ^= *random << 5;
    return *random;
}

/* Few hashes for many keys: collisions are part of the test. */
static uint64_t hash_of(uint64_t key)
{
    return (key % 1000) * UINT64_C(0x9e3779b97f4a7c15);
}

static bool is(const void *wanted, const struct sf_parcel *parcel)
{
    return memcmp(wanted, parcel->octets, sizeof(uint64_t)) == 0;
}

static void put(struct sf_shelf *shelf, struct item *item, uint32_t *random, uint64_t order)
{
    uint8_t octets[2048];
    item->row = (enum sf_shelf_row)(next(random) % SF_SHELF_ROW_COUNT);
    item->len = 8 + next(random) % 1000;
    item->order = order;
    item->is_there = true;
    memset(octets, (int)item->key, item->len);
    memcpy(octets, &item->key, sizeof item->key);
    struct sf_parcel parcel = {.row = item->row,
                               .hash = hash_of(item->key),
                               .packet = order,
                               .ns = (sf_ns)order,
                               .octets = octets,
                               .len = item->len};
    assert_int_equal(sf_shelf_put(shelf, &parcel), 0);
}

static void check_row(const struct sf_shelf *shelf, const struct item *items, int row,
                      bool is_ordered)
{
    const struct item *oldest = NULL;
    struct sf_parcel parcel;
    size_t count = 0;
    for (size_t i = 0; i < KEYS; i++) {
        if (!items[i].is_there || (int)items[i].row != row)
            continue;
        count++;
        if (oldest == NULL || items[i].order < oldest->order)
            oldest = &items[i];
    }
    assert_int_equal(sf_shelf_count(shelf, (enum sf_shelf_row)row), count);
    assert_int_equal(sf_shelf_oldest(shelf, (enum sf_shelf_row)row, &parcel), oldest != NULL);
    uint64_t last = 0;
    for (bool is_one = oldest != NULL; is_one; is_one = sf_shelf_next(shelf, &parcel, &parcel)) {
        assert_true(!is_ordered || last < parcel.packet);
        if (last == 0 && is_ordered)
            assert_int_equal(parcel.packet, oldest->order);
        last = parcel.packet;
        count--;
    }
    assert_int_equal(count, 0);
}

/* How many octets more than asked for a parcel of a row may come back with. */
static size_t slack(bool is_ordered)
{
    return is_ordered ? 4 : 64;
}

static void put_and_take(unsigned loose_rows)
{
    static struct item items[KEYS];
    memset(items, 0, sizeof items);
    struct sf_shelf *shelf = sf_shelf_new(loose_rows);
    uint32_t random = 1;
    for (uint64_t step = 1; step <= STEPS; step++) {
        struct item *item = &items[next(&random) % KEYS];
        item->key = (uint64_t)(item - items);
        struct sf_parcel parcel;
        bool is_found = sf_shelf_find(shelf, hash_of(item->key), is, &item->key, &parcel);
        assert_int_equal(is_found, item->is_there);
        if (!is_found) {
            put(shelf, item, &random, step);
            continue;
        }
        assert_int_equal(parcel.packet, item->order);
        bool is_ordered = !(loose_rows >> parcel.row & 1);
        assert_true(parcel.len >= item->len && parcel.len < item->len + slack(is_ordered));
        uint8_t last = item->len > 8 ? (uint8_t)item->key : ((uint8_t *)&item->key)[7];
        assert_int_equal(parcel.octets[item->len - 1], last);
        sf_shelf_take(shelf, &parcel);
        item->is_there = false;
        if (step % 5000 == 0)
            for (int row = 0; row < SF_SHELF_ROW_COUNT; row++)
                check_row(shelf, items, row, !(loose_rows >> row & 1));
    }
    uint64_t live = 0;
    for (size_t i = 0; i < KEYS; i++)
        live += items[i].is_there ? items[i].len + 24 : 0;
    assert_true(sf_shelf_memory(shelf) <
                (loose_rows >> SF_SHELF_SYNS & 1 ? 3 * live / 2 : 4 * live));
    for (size_t i = 0; i < KEYS; i++) {
        struct sf_parcel parcel;
        if (!items[i].is_there)
            continue;
        assert_true(sf_shelf_find(shelf, hash_of(i), is, &items[i].key, &parcel));
        sf_shelf_take(shelf, &parcel);
        items[i].is_there = false;
    }
    for (int row = 0; row < SF_SHELF_ROW_COUNT; row++)
        check_row(shelf, items, row, true);
    assert_true(sf_shelf_memory(shelf) < live / 2);
    sf_shelf_free(shelf);
}

static void found_ordered_and_joined(void **state)
{
    (void)state;
    put_and_take(0);
}

static void found_where_others_were(void **state)
{
    (void)state;
    put_and_take((1u << SF_SHELF_ROW_COUNT) - 1);
    put_and_take(1u << SF_SHELF_OPEN);
}

static void structs_and_times_come_back(void **state)
{
    (void)state;
    uint32_t random = 7;
    uint64_t words[100], back[100];
    uint8_t octets[4096];
    for (unsigned round = 0; round < 1000; round++) {
        for (size_t i = 0; i < 100; i++) {
            uint64_t any = (uint64_t)next(&random) << 32 | next(&random);
            words[i] = next(&random) % 4 == 0 ? any >> next(&random) % 64 : 0;
        }
        struct sf_packer packer = {octets, octets + sizeof octets, false};
        sf_pack_struct(&packer, words, sizeof words);
        sf_pack_number(&packer, words[0]);
        assert_false(packer.is_full);
        struct sf_unpacker unpacker = {octets};
        memset(back, 0, sizeof back);
        sf_unpack_struct(&unpacker, back, sizeof back);
        assert_memory_equal(words, back, sizeof words);
        assert_int_equal(sf_unpack_number(&unpacker), words[0]);
        assert_ptr_equal(unpacker.at, packer.at);
    }
    static const sf_ns times[] = {0, 1, 2, -1, -2, SF_NS_UNKNOWN, SF_NS_UNKNOWN + 1, INT64_MAX};
    for (size_t b = 0; b < 8; b++)
        for (size_t i = 0; i < 8; i++)
            assert_int_equal(sf_time_grow(sf_time_shrink(times[i], times[b]), times[b]), times[i]);
    assert_int_equal(sf_time_shrink(5, 7), 4);
    assert_true(sf_time_shrink(SF_NS_UNKNOWN, 1000) < 8 && sf_time_shrink(0, 1000) < 8);
}

static size_t number_octets(uint64_t n)
{
    uint8_t octets[64];
    struct sf_packer packer = {octets, octets + sizeof octets, false};
    struct sf_unpacker unpacker = {octets};
    memset(octets, 0xff, sizeof octets);
    sf_pack_number(&packer, n);
    assert_false(packer.is_full);
    assert_true(sf_unpack_number(&unpacker) == n);
    assert_ptr_equal(unpacker.at, packer.at);
    return (size_t)(packer.at - octets);
}

static void numbers_take_seven_bits_an_octet(void **state)
{
    (void)state;
    assert_int_equal(number_octets(0), 1);
    for (unsigned bits = 1; bits <= 64; bits++) {
        uint64_t most = UINT64_MAX >> (64 - bits), least = UINT64_C(1) << (bits - 1);
        size_t expected = bits > 56 ? 9 : (bits + 6) / 7;
        assert_int_equal(number_octets(most), expected);
        assert_int_equal(number_octets(least), expected);
    }
}

static void low_octets_leave_what_is_above(void **state)
{
    (void)state;
    static const struct sf_low lows[] = {{0, 1}, {16, 3}, {8, 8}, {24, 7}};
    const uint64_t words[] = {0x123, UINT64_MAX, 0x456789, UINT64_C(0xfedcba9876543210)};
    const uint64_t above[] = {0x1, 0, 0, 0xfe};
    uint64_t left[4];
    uint8_t octets[64];
    struct sf_packer packer = {octets, octets + sizeof octets, false};
    struct sf_packer full = {octets, octets + 8, false};
    struct sf_unpacker unpacker = {octets};
    memcpy(left, words, sizeof left);
    sf_pack_lows(&full, left, lows, 4);
    assert_true(full.is_full);
    assert_memory_equal(left, words, sizeof left);
    sf_pack_lows(&packer, left, lows, 4);
    assert_memory_equal(left, above, sizeof left);
    assert_int_equal(packer.at - octets, 1 + 3 + 8 + 7);
    assert_int_equal(sf_lows_octets(lows, 4), 1 + 3 + 8 + 7);
    sf_unpack_lows(&unpacker, left, lows, 4);
    assert_memory_equal(left, words, sizeof left);
    assert_ptr_equal(unpacker.at, packer.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_take_seven_bits_an_octet),
        cmocka_unit_test(low_octets_leave_what_is_above),
        cmocka_unit_test(found_ordered_and_joined),
        cmocka_unit_test(found_where_others_were),
        cmocka_unit_test(structs_and_times_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
