/* A connection's diary: what may be noted, and that it comes back as it was. */
#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "diary.h"

enum { ENTRIES = 32, HEADERS = 52, MSS_1460 = 1460, FULL_SYN = 0x017 /* all its usual options */ };

static const sf_ns begin_ns = 1700000000 * SF_SEC;

/* The segments of a conversation, each made from the one before. */
struct talk {
    struct sf_segment segs[ENTRIES + 2];
    bool is_tested[ENTRIES + 2];
    size_t count;
    uint32_t next[SF_DIR_COUNT], ts_val[SF_DIR_COUNT];
};

static struct sf_segment *add(struct talk *talk, enum sf_dir dir, unsigned flags, uint32_t payload)
{
    enum sf_dir other = sf_dir_other(dir);
    size_t i = talk->count++;
    struct sf_segment *seg = &talk->segs[i];
    *seg = (struct sf_segment){.key = {.port = {80, 40000}, .scope = {.ip_version = 6}},
                               .dir = dir,
                               .hash = 77,
                               .packet = 1000 + 3 * i,
                               .ts_ns = begin_ns + (sf_ns)i * 12345678,
                               .seq = {talk->next[dir]},
                               .ack = {flags & SF_TH_ACK ? talk->next[other] : 0},
                               .flags = (uint16_t)flags,
                               .window = (uint16_t)(5000 + i),
                               .payload_len = payload,
                               .payload_cap = i % 4 == 3 ? payload : 0,
                               .ip_bytes = HEADERS + payload,
                               .ip_id = (uint16_t)(7 * i),
                               .checksum = (uint16_t)(0xfff0 + i),
                               .ttl = (uint8_t)(64 - dir),
                               .ip_ecn = i % 4,
                               .interface = 3,
                               .tcp_header_len = 20,
                               .vlan_count = 1,
                               .vlan = {12, 0}};
    seg->options.present = SF_OPT_HAS_TIMESTAMPS;
    seg->options.ts_val = talk->ts_val[dir] += 10 + (uint32_t)i;
    seg->options.ts_ecr = flags & SF_TH_ACK ? talk->ts_val[other] : 0;
    if (flags & SF_TH_SYN) {
        seg->options.present = FULL_SYN;
        seg->options.mss = (uint16_t)(MSS_1460 - dir);
        seg->options.wscale = (uint8_t)(7 + dir);
    }
    talk->is_tested[i] = i % 3 == 0;
    talk->next[dir] += sf_segment_seq_len(seg);
    return seg;
}

static struct talk begun(enum sf_dir opener)
{
    struct talk talk = {.next = {0xfffffff0, 0x7ffffffe}, .ts_val = {0xfffffffa, 5}};
    enum sf_dir other = sf_dir_other(opener);
    add(&talk, opener, SF_TH_SYN, 0);
    add(&talk, other, SF_TH_SYN | SF_TH_ACK, 0);
    add(&talk, opener, SF_TH_ACK, 0);
    add(&talk, opener, SF_TH_ACK | SF_TH_PSH, 300);
    add(&talk, other, SF_TH_ACK, 0);
    add(&talk, other, SF_TH_ACK | SF_TH_ECE, 1448);
    add(&talk, opener, SF_TH_ACK | SF_TH_CWR, 0);
    return talk;
}

struct written {
    struct sf_diary diary;
    struct sf_diary_entry entries[ENTRIES];
};

static struct sf_diary_before before_of(const struct talk *talk, size_t i)
{
    return (struct sf_diary_before){talk->segs[i - 1].ts_ns, talk->segs[i - 1].packet};
}

/* All of them must fit. */
static struct written written_of(const struct talk *talk)
{
    struct written w = {.diary = sf_diary_begun(&talk->segs[0], talk->is_tested[0])};
    for (size_t i = 1; i < talk->count; i++) {
        struct sf_diary_before before = before_of(talk, i);
        struct sf_diary_entry entry;
        assert_true(sf_diary_may_follow(&w.diary, &talk->segs[i], &before));
        bool is_entry =
            sf_diary_note(&w.diary, &talk->segs[i], &before, talk->is_tested[i], &entry);
        assert_int_equal(is_entry, i > 1);
        if (is_entry)
            w.entries[w.diary.count - 1] = entry;
    }
    return w;
}

static void expect_same(const struct sf_segment *got, const struct sf_segment *expected)
{
    struct sf_segment seg = *expected; /* whether the payload is there is all that is known */
    seg.payload_cap = seg.payload_cap >= seg.payload_len ? seg.payload_len : 0;
    assert_memory_equal(&got->key, &seg.key, sizeof seg.key);
    assert_int_equal(got->dir, seg.dir);
    assert_int_equal(got->hash, seg.hash);
    assert_int_equal(got->packet, seg.packet);
    assert_int_equal(got->ts_ns, seg.ts_ns);
    assert_int_equal(got->seq.n, seg.seq.n);
    assert_int_equal(got->ack.n, seg.ack.n);
    assert_int_equal(got->urgent, seg.urgent);
    assert_int_equal(got->checksum, seg.checksum);
    assert_int_equal(got->window, seg.window);
    assert_int_equal(got->flags, seg.flags);
    assert_int_equal(got->payload_len, seg.payload_len);
    assert_int_equal(got->payload_cap, seg.payload_cap);
    assert_int_equal(got->ip_bytes, seg.ip_bytes);
    assert_int_equal(got->ip_id, seg.ip_id);
    assert_int_equal(got->ttl, seg.ttl);
    assert_int_equal(got->ip_ecn, seg.ip_ecn);
    assert_int_equal(got->interface, seg.interface);
    assert_int_equal(got->tcp_header_len, seg.tcp_header_len);
    assert_int_equal(got->vlan_count, seg.vlan_count);
    assert_memory_equal(got->vlan, seg.vlan, sizeof seg.vlan);
    assert_memory_equal(&got->options, &seg.options, sizeof seg.options);
}

static void comes_back_from(enum sf_dir opener, bool is_closed)
{
    struct talk talk = begun(opener);
    if (is_closed) {
        add(&talk, sf_dir_other(opener), SF_TH_FIN | SF_TH_ACK, 17);
        add(&talk, opener, SF_TH_FIN | SF_TH_PSH | SF_TH_ACK, 0);
        add(&talk, sf_dir_other(opener), SF_TH_ACK, 0);
    }
    struct written w = written_of(&talk);
    struct sf_diary kept; /* of a closed one, only that much is kept */
    struct sf_diary_reader reader;
    assert_true(sf_diary_is_established(&w.diary));
    assert_int_equal(sf_diary_is_closed(&w.diary), is_closed);
    memset(&kept, 0xee, sizeof kept);
    memcpy(&kept, &w.diary, is_closed ? SF_DIARY_CLOSED : SF_DIARY_OPEN);
    sf_diary_read_first(&reader, &kept, (const uint8_t *)w.entries, &talk.segs[0].key, 77);
    for (size_t i = 0; i < talk.count; i++) {
        expect_same(&reader.seg, &talk.segs[i]);
        assert_int_equal(reader.is_tested, talk.is_tested[i]);
        assert_int_equal(sf_diary_read_next(&reader), i + 1 < talk.count);
    }
}

static void comes_back_as_it_was(void **state)
{
    (void)state;
    comes_back_from(SF_FROM_0, false);
    comes_back_from(SF_FROM_1, false);
    comes_back_from(SF_FROM_0, true);
    comes_back_from(SF_FROM_1, true);
}

#define FIELD(name) offsetof(struct sf_segment, name), sizeof(((struct sf_segment *)0)->name)
/* What makes a segment that would fit one that does not: a number is added to a field. */
static const struct unfit {
    const char *what;
    size_t at, octets;
    int64_t add;
} unfit[] = {
    {"RST", FIELD(flags), SF_TH_RST},
    {"no ACK", FIELD(flags), -SF_TH_ACK},
    {"URG", FIELD(flags), SF_TH_URG},
    {"SYN", FIELD(flags), SF_TH_SYN},
    {"an urgent pointer", FIELD(urgent), 1},
    {"SACK", FIELD(options.present), SF_OPT_HAS_SACK},
    {"MD5", FIELD(options.present), SF_OPT_HAS_MD5},
    {"an old TSval", FIELD(options.ts_val), -100},
    {"a TSecr that was not sent", FIELD(options.ts_ecr), 1},
    {"an octet missing before it", FIELD(seq.n), 1},
    {"an octet sent again", FIELD(seq.n), -1},
    {"an ACK of what was not sent", FIELD(ack.n), 1},
    {"an ACK of what was acknowledged", FIELD(ack.n), -2000},
    {"many octets", FIELD(payload_len), 70000},
    {"another TTL", FIELD(ttl), -1},
    {"other headers", FIELD(ip_bytes), 4},
    {"much later", FIELD(ts_ns), 1100 * SF_SEC},
    {"earlier", FIELD(ts_ns), -SF_SEC},
    {"far behind", FIELD(packet), 1 << 24},
    {"another interface", FIELD(interface), 1},
    {"another VLAN", FIELD(vlan[0]), 1},
    {"a VLAN more", FIELD(vlan_count), 1},
    {"a tunnel", FIELD(tunnel_count), 1},
    {"fragments", FIELD(from_fragments), 1},
    {"a guessed length", FIELD(length_guessed), 1},
    {"octets beyond the frame", FIELD(payload_beyond_frame), 1},
};

static void add_to(struct sf_segment *seg, const struct unfit *row)
{
    uint64_t number = 0;
    char *at = (char *)seg + row->at;
    size_t begin = BYTE_ORDER == LITTLE_ENDIAN ? 0 : sizeof number - row->octets;
    memcpy((char *)&number + begin, at, row->octets);
    number += (uint64_t)row->add;
    memcpy(at, (char *)&number + begin, row->octets);
}

static void what_is_unusual_does_not_fit(void **state)
{
    (void)state;
    struct talk talk = begun(SF_FROM_0);
    struct written w = written_of(&talk);
    struct sf_diary_before before = before_of(&talk, talk.count);
    const struct sf_segment usual = *add(&talk, SF_FROM_0, SF_TH_ACK, 100);
    assert_true(sf_diary_may_follow(&w.diary, &usual, &before));
    for (size_t i = 0; i < sizeof unfit / sizeof unfit[0]; i++) {
        struct sf_segment seg = usual;
        add_to(&seg, &unfit[i]);
        if (sf_diary_may_follow(&w.diary, &seg, &before))
            fail_msg("fits: %s", unfit[i].what);
    }
    talk.count--;
    talk.next[SF_FROM_0] -= usual.payload_len;
    assert_false(
        sf_diary_may_follow(&w.diary, add(&talk, SF_FROM_0, SF_TH_ACK, 0), &before)); /* a copy? */
}

static bool may_follow(const struct talk *talk, const struct written *w)
{
    struct sf_diary_before before = before_of(talk, talk->count - 1);
    return sf_diary_may_follow(&w->diary, &talk->segs[talk->count - 1], &before);
}

static void only_the_answer_opens(void **state)
{
    (void)state;
    struct talk talk = {0};
    add(&talk, SF_FROM_0, SF_TH_SYN, 0);
    const struct written syn = written_of(&talk);
    const struct talk alone = talk;
    add(&talk, SF_FROM_0, SF_TH_ACK, 0); /* nobody has answered */
    assert_false(may_follow(&talk, &syn));
    talk = alone;
    add(&talk, SF_FROM_1, SF_TH_ACK, 0);
    assert_false(may_follow(&talk, &syn));
    talk = alone;
    add(&talk, SF_FROM_1, SF_TH_SYN | SF_TH_ACK, 0)->ack.n++;
    assert_false(may_follow(&talk, &syn));
    talk = alone;
    add(&talk, SF_FROM_1, SF_TH_SYN | SF_TH_ACK, 1); /* with an octet */
    assert_false(may_follow(&talk, &syn));
    talk = alone;
    add(&talk, SF_FROM_1, SF_TH_SYN | SF_TH_ACK, 0);
    assert_true(may_follow(&talk, &syn));
    const struct written both = written_of(&talk);
    assert_false(sf_diary_is_established(&both.diary));
    const struct talk answered = talk;
    talk.next[SF_FROM_1]--;
    add(&talk, SF_FROM_1, SF_TH_SYN | SF_TH_ACK, 0); /* a second time */
    assert_false(may_follow(&talk, &both));
    talk = answered;
    add(&talk, SF_FROM_0, SF_TH_ACK, 5)->ack.n--; /* its peer's SYN is not acknowledged */
    assert_false(may_follow(&talk, &both));
}

static void each_fin_is_to_be_acknowledged(void **state)
{
    (void)state;
    for (int first = 0; first < SF_DIR_COUNT; first++) {
        struct talk talk = begun(SF_FROM_0);
        enum sf_dir dir = (enum sf_dir)first, other = sf_dir_other(dir);
        add(&talk, dir, SF_TH_FIN | SF_TH_ACK, 0);
        add(&talk, other, SF_TH_FIN | SF_TH_ACK, 0);
        const struct written both = written_of(&talk);
        assert_false(sf_diary_is_closed(&both.diary));
        add(&talk, dir, SF_TH_ACK, 0);
        const struct written closed = written_of(&talk);
        assert_true(sf_diary_is_closed(&closed.diary));
    }
}

static void fins_do_not_cross(void **state)
{
    (void)state;
    struct talk talk = begun(SF_FROM_0);
    add(&talk, SF_FROM_0, SF_TH_FIN | SF_TH_ACK, 0);
    const struct written w = written_of(&talk);
    const struct talk half = talk;
    add(&talk, SF_FROM_1, SF_TH_FIN | SF_TH_ACK, 0)->ack.n--;
    assert_false(may_follow(&talk, &w));
    talk = half;
    add(&talk, SF_FROM_0, SF_TH_ACK, 1); /* octets behind its FIN */
    assert_false(may_follow(&talk, &w));
    talk = half;
    add(&talk, SF_FROM_0, SF_TH_FIN | SF_TH_ACK, 0); /* a second FIN */
    assert_false(may_follow(&talk, &w));
    talk = half;
    add(&talk, SF_FROM_1, SF_TH_ACK, 700); /* half closed */
    assert_true(may_follow(&talk, &w));
    const struct written more = written_of(&talk);
    assert_false(sf_diary_is_closed(&more.diary));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_as_it_was),  cmocka_unit_test(what_is_unusual_does_not_fit),
        cmocka_unit_test(only_the_answer_opens), cmocka_unit_test(each_fin_is_to_be_acknowledged),
        cmocka_unit_test(fins_do_not_cross),
    };
    return cmocka_run_group_tests_name("diary", tests, NULL, NULL);
}
