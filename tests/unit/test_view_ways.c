/* Ways through the views that must come to the same: with the short ways for what most segments do,
 * by the general rules alone, and with the slot packed between any two segments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "synfin/flow.h"
#include "synfin/pack.h"
#include "synfin/view.h"

enum { STORIES = 4000, SEGMENTS_MAX = 60, TOLD_MAX = 1 << 14, PARCEL_MAX = 4096 };

enum way { SHORT, GENERAL, PACKED, WAY_COUNT };

/* Numbers that differ from story to story and are the same in every run (splitmix64). */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

#define PICK(state, array) ((array)[next_random(state) % (sizeof(array) / sizeof *(array))])

struct story {
    uint64_t random;
    struct sf_views *views;
    void *slot;
    struct sf_flow_key key;
    uint64_t packets;
    sf_ns now_ns;
    uint32_t next[SF_DIR_COUNT]; /* where each end goes on */
    uint64_t first_packet;       /* of the present record */
    char *told;
};

static void put_count(struct story *story, const char *name, uint64_t count)
{
    sprintf(story->told + strlen(story->told), " %s %lld", name, (long long)count);
}

static void tell_rows(struct story *story)
{
    struct sf_zeek_row row;
    while (sf_views_zeek_row(story->views, &row)) {
        sprintf(story->told + strlen(story->told), "row %s %s", row.conn_state, row.history);
        put_count(story, "from", row.originator);
        put_count(story, "packet", row.first_packet);
        put_count(story, "start", (uint64_t)row.start_ns);
        put_count(story, "duration", (uint64_t)row.duration_ns);
        put_count(story, "removed", (uint64_t)row.removed_ns);
        put_count(story, "missed", row.missed_bytes);
        for (int dir = 0; dir < SF_DIR_COUNT; dir++) {
            put_count(story, "bytes", row.bytes[dir]);
            put_count(story, "packets", row.packets[dir]);
            put_count(story, "ip", row.ip_bytes[dir]);
        }
        strcat(story->told, "\n");
    }
}

static void tell_record(struct story *story, uint64_t next_packet)
{
    struct sf_record record = {.key = story->key,
                               .client = SF_FROM_0,
                               .first_packet = story->first_packet,
                               .view_next_packet = next_packet,
                               .view = story->slot};
    sf_views_record(story->views, &record);
    const struct sf_record_views *views = &record.views;
    sprintf(story->told + strlen(story->told), "record %s %s %s",
            views->zeek_conn_state != NULL ? views->zeek_conn_state : "-", views->zeek_history,
            views->zeek_originator != NULL ? views->zeek_originator : "-");
    put_count(story, "orig", views->zeek_orig_bytes);
    put_count(story, "resp", views->zeek_resp_bytes);
    put_count(story, "missed", views->zeek_missed_bytes);
    put_count(story, "rows", views->zeek_records);
    put_count(story, "completeness", views->wireshark_completeness);
    strcat(story->told, "\n");
    tell_rows(story);
    story->first_packet = next_packet;
}

/* What the next segment sends: mostly the usual. */
static struct sf_segment next_segment(struct story *story)
{
    static const uint16_t flags[] = {0x10, 0x10, 0x10, 0x18, 0x18, 0x18, 0x11, 0x02,
                                     0x12, 0x04, 0x14, 0x10, 0x10, 0x11, 0x00, 0x03,
                                     0x05, 0x13, 0x10, 0x18, 0x10, 0x18, 0x10, 0x18};
    static const uint32_t lengths[] = {0, 0, 0, 1, 100, 1448, 1448, 20000, 65535};
    static const int64_t astray[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, -1, 1000, -1000, 1 << 30};
    static const sf_ns pauses[] = {
        SF_MSEC,    SF_MSEC, 10 * SF_MSEC, SF_MSEC, SF_MSEC,     SF_SEC,       2 * SF_SEC, SF_MSEC,
        5 * SF_SEC, SF_MSEC, -SF_MSEC,     SF_MSEC, 61 * SF_SEC, 301 * SF_SEC, SF_MSEC,    SF_MSEC};
    uint64_t *random = &story->random;
    enum sf_dir dir = next_random(random) % 2 == 0 ? SF_FROM_0 : SF_FROM_1;
    if (story->packets < 3 && next_random(random) % 8 != 0)
        dir = story->packets % 2 == 0 ? SF_FROM_0 : SF_FROM_1;
    struct sf_segment seg = {.key = story->key, .dir = dir, .packet = ++story->packets};
    seg.flags = PICK(random, flags);
    seg.payload_len = PICK(random, lengths);
    if (story->packets <= 3 && next_random(random) % 8 != 0) {
        seg.flags = story->packets == 1 ? 0x02 : story->packets == 2 ? 0x12 : 0x10;
        seg.payload_len = 0;
    }
    story->now_ns += PICK(random, pauses);
    seg.ts_ns = story->now_ns;
    seg.seq = sf_seq_of(story->next[dir] + (uint32_t)PICK(random, astray));
    if (seg.flags & SF_TH_ACK)
        seg.ack = sf_seq_of(story->next[sf_dir_other(dir)] + (uint32_t)PICK(random, astray));
    seg.window = next_random(random) % 32 == 0 ? 0 : 1000;
    bool is_cut = next_random(random) % 16 == 0;
    seg.payload_cap = is_cut ? seg.payload_len / 2 : seg.payload_len;
    if (next_random(random) % 64 == 0)
        seg.payload_beyond_frame = seg.payload_len;
    seg.ip_bytes = 40 + seg.payload_len;
    uint32_t end = seg.seq.n + seg.payload_len + ((seg.flags & 3) != 0);
    if ((int32_t)(end - story->next[dir]) > 0)
        story->next[dir] = end;
    return seg;
}

static void pack_and_unpack(struct story *story)
{
    uint8_t octets[PARCEL_MAX];
    struct sf_packer packer = {octets, octets + sizeof octets, false};
    struct sf_slot_keeper keeper = sf_views_keeper(story->views);
    struct sf_flow flow = {.view = story->slot, .first_ns = SF_SEC, .last_ns = story->now_ns};
    if (story->slot == NULL || !keeper.pack(keeper.self, &flow, &packer))
        return;
    assert_false(packer.is_full);
    struct sf_unpacker unpacker = {octets};
    story->slot = keeper.unpack(keeper.self, &flow, &unpacker);
    assert_ptr_equal(unpacker.at, packer.at);
}

static void tell(uint64_t seed, enum way way, char told[TOLD_MAX])
{
    static const uint32_t isn[] = {0, 1, 1000, 0x7fffff00, 0x80000000, 0xfffff000, 0xffffffff};
    static const uint16_t ports[] = {40000, 50000, 22, 443, 80};
    struct sf_view_options options = {
        .zeek = true, .zeek_rows = true, .wireshark_labels = way == GENERAL};
    struct story story = {.random = seed,
                          .views = sf_views_new(&options),
                          .now_ns = 1000 * SF_SEC,
                          .first_packet = 1,
                          .told = told};
    assert_non_null(story.views);
    told[0] = '\0';
    story.key.scope.ip_version = 4;
    for (int dir = 0; dir < SF_DIR_COUNT; dir++) {
        story.key.addr[dir][3] = (uint8_t)(1 + dir);
        story.key.port[dir] = PICK(&story.random, ports);
        story.next[dir] = PICK(&story.random, isn);
    }
    uint64_t count = 1 + next_random(&story.random) % SEGMENTS_MAX;
    bool is_split = next_random(&story.random) % 4 == 0;
    for (uint64_t i = 0; i < count; i++) {
        struct sf_segment seg = next_segment(&story);
        if (is_split && i == count / 2)
            tell_record(&story, seg.packet);
        sf_views_segment(story.views, &seg, &story.slot);
        tell_rows(&story);
        if (way == PACKED)
            pack_and_unpack(&story);
    }
    tell_record(&story, 0);
    sf_views_free(story.views);
}

static void all_ways_come_to_the_same(void **state)
{
    (void)state;
    static char told[WAY_COUNT][TOLD_MAX];
    for (uint64_t seed = 1; seed <= STORIES; seed++) {
        for (int way = 0; way < WAY_COUNT; way++)
            tell(seed, (enum way)way, told[way]);
        if (strcmp(told[SHORT], told[GENERAL]) != 0 || strcmp(told[SHORT], told[PACKED]) != 0)
            print_error("story %llu\n", (unsigned long long)seed);
        assert_string_equal(told[SHORT], told[GENERAL]);
        assert_string_equal(told[SHORT], told[PACKED]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_ways_come_to_the_same)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
