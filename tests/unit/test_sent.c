/* Outstanding segments against a plain list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chance.h"
#include "rooms.h"
#include "track_internal.h"

enum { PIECES_MAX = 4096 };

struct model {
    struct sf_sent pieces[PIECES_MAX];
    unsigned count;
    sf_offset next;
    sf_ns now_ns;
};

static const struct sf_sent *ring_at(const struct sf_endpoint *ep, unsigned i)
{
    return &ep->sent[(ep->sent_head + i) & (ep->sent_capacity - 1u)];
}

static void check_same(const struct sf_endpoint *ep, const struct model *m)
{
    assert_int_equal(ep->sent_count, m->count);
    for (unsigned i = 0; i < m->count; i++) {
        const struct sf_sent *is = ring_at(ep, i), *wanted = &m->pieces[i];
        assert_int_equal(is->begin, wanted->begin);
        assert_int_equal(is->end, wanted->end);
        assert_int_equal(is->times, wanted->times);
        assert_int_equal(is->ts_ns, wanted->ts_ns);
    }
}

static bool is_edge(const struct model *m, sf_offset offset)
{
    for (unsigned i = 0; i < m->count; i++)
        if (m->pieces[i].begin == offset || m->pieces[i].end == offset)
            return true;
    return false;
}

static void check_edges(const struct sf_endpoint *ep, const struct model *m)
{
    sf_offset low = m->count > 0 ? m->pieces[0].begin : m->next;
    for (sf_offset offset = low - 2; offset < m->next + 3; offset++)
        assert_int_equal(sf_sent_is_boundary(ep, offset), is_edge(m, offset));
    for (unsigned i = 0; i < m->count; i++) {
        const struct sf_sent *piece = &m->pieces[i];
        assert_ptr_equal(sf_sent_find(ep, piece->begin, piece->end), ring_at(ep, i));
        assert_null(sf_sent_find(ep, piece->begin, piece->end + 1));
        assert_null(sf_sent_find(ep, piece->begin - 1, piece->end));
    }
}

/* One more piece, perhaps beyond a hole. */
static void add(struct sf_endpoint *ep, struct model *m, uint64_t *random)
{
    struct sf_segment seg = {.ts_ns = ++m->now_ns};
    sf_offset begin = m->next + (sf_offset)(chance_next(random) % 4 / 3);
    m->next = begin + 1 + (sf_offset)(chance_next(random) % 3);
    m->pieces[m->count++] =
        (struct sf_sent){.begin = begin, .end = m->next, .times = 1, .ts_ns = seg.ts_ns};
    sf_sent_add(&test_rooms, ep, begin, m->next, &seg);
}

static void remove_pieces(struct model *m, unsigned first, unsigned past)
{
    memmove(m->pieces + first, m->pieces + past, (m->count - past) * sizeof m->pieces[0]);
    m->count -= past - first;
}

/* More than 32 pieces become one. */
static sf_ns model_again(struct model *m, sf_offset begin, sf_offset end)
{
    sf_ns before = SF_NS_UNKNOWN;
    unsigned first = 0, marked = 0;
    for (unsigned i = 0; i < m->count; i++) {
        struct sf_sent *piece = &m->pieces[i];
        if (piece->end <= begin || piece->begin >= end)
            continue;
        before = sf_ns_known(before) ? before : piece->ts_ns;
        first = marked++ == 0 ? i : first;
        piece->ts_ns = m->now_ns;
        piece->times++;
    }
    if (marked > 32) {
        m->pieces[first].end = m->pieces[first + marked - 1].end;
        remove_pieces(m, first + 1, first + marked);
    }
    return before;
}

static void again(struct sf_endpoint *ep, struct model *m, uint64_t *random, uint64_t longest)
{
    struct sf_segment seg = {.ts_ns = ++m->now_ns};
    sf_offset low = m->count > 0 ? m->pieces[0].begin : m->next;
    sf_offset begin = low + (sf_offset)(chance_next(random) % (uint64_t)(m->next - low + 1));
    sf_offset end = begin + 1 + (sf_offset)(chance_next(random) % longest);
    assert_int_equal(sf_sent_again(ep, begin, end, &seg), model_again(m, begin, end));
}

static void acknowledge(struct sf_endpoint *ep, struct model *m, uint64_t *random)
{
    sf_offset low = m->count > 0 ? m->pieces[0].begin : m->next;
    sf_offset ack = low + (sf_offset)(chance_next(random) % (uint64_t)(m->next - low + 1));
    sf_ns sample = SF_NS_UNKNOWN, latest = SF_NS_UNKNOWN;
    unsigned gone = 0;
    for (; gone < m->count && m->pieces[gone].end <= ack; gone++) {
        const struct sf_sent *piece = &m->pieces[gone];
        if (piece->end == ack && piece->times == 1 && piece->ts_ns >= latest)
            sample = m->now_ns - piece->ts_ns;
        latest = piece->ts_ns > latest ? piece->ts_ns : latest;
    }
    remove_pieces(m, 0, gone);
    if (m->count > 0 && m->pieces[0].begin < ack)
        m->pieces[0].begin = ack;
    assert_int_equal(sf_sent_acknowledge(ep, ack, m->now_ns), sample);
}

static void the_ring_is_a_list(void **state)
{
    (void)state;
    static struct model m;
    for (uint64_t round = 1; round <= 20; round++) {
        uint64_t random = round;
        struct sf_endpoint ep = {.late_ns = SF_NS_UNKNOWN};
        m = (struct model){.next = 1};
        for (int step = 0; step < 100; step++) {
            for (uint64_t n = chance_next(&random) % 40; n > 0 && m.count < PIECES_MAX; n--)
                add(&ep, &m, &random);
            again(&ep, &m, &random, chance_next(&random) % 2 == 0 ? 20 : 200);
            check_same(&ep, &m);
            if (chance_next(&random) % (1 + round) == 0)
                acknowledge(&ep, &m, &random);
            if (step % 10 == 0)
                check_edges(&ep, &m);
        }
        sf_rooms_give(&test_rooms, ep.sent, ep.sent_capacity * sizeof *ep.sent);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ring_is_a_list),
    };
    return cmocka_run_group_tests(tests, begin_rooms, end_rooms);
}
