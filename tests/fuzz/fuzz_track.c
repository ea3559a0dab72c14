/* Stories of a few connections through the tracker and the views. What is told of them may not
 * depend on the ends' first numbers, on which address is the smaller one, on when the capture was
 * taken, on ticks of the clock, on whether events are asked for, or on what is packed meanwhile. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "invariant.h"
#include "program.h"
#include "synfin/view.h"
#include "told.h"

/* What was told. Ticks may end a connection earlier, so records stand apart from segments. */
enum stream { RECORDS, SEGMENTS, VIEWS, LABELS, STREAM_COUNT };

struct story {
    struct sf_buffer told[STREAM_COUNT];
};

/* A way to tell the same story. */
struct variant {
    const char *name;
    uint32_t add[PROGRAM_FLOWS][SF_DIR_COUNT]; /* to the ends' numbers */
    bool is_swapped;                           /* each end takes the other's place in the key */
    sf_ns later_ns;
    bool has_ticks, has_events;
    bool is_packed;    /* what nothing touches is packed at once, in place of after thousands */
    bool is_told_late; /* nobody asks what is found of a segment: it may be noted for later */
    unsigned ignored;  /* streams, 1 << enum stream */
};

static const struct variant variants[] = {
    {.name = "as it is", .has_events = true},
    {.name = "other numbers",
     .add = {{0x9e3779b9, 0x7f4a7c15}, {0x80000000, 0x00ffffff}},
     /* tshark and Zeek judge by numbers as sent: 0 is none, half the space ahead is behind. */
     .ignored = 1u << VIEWS | 1u << LABELS,
     .has_events = true},
    {.name = "ends swapped", .is_swapped = true, .has_events = true},
    {.name = "later, with ticks, without events",
     .later_ns = 12345 * SF_SEC + 678,
     .has_ticks = true,
     /* The views forget a connection that has left the table; ticks let it leave earlier. */
     .ignored = 1u << VIEWS | 1u << LABELS},
    {.name = "packed", .is_packed = true, .has_events = true},
    /* Lone SYNs wait as well: neither events nor labels are to be told at once. */
    {.name = "packed, without events", .is_packed = true, .ignored = 1u << LABELS},
    {.name = "as diaries",
     .is_packed = true,
     .is_told_late = true,
     .ignored = 1u << LABELS | 1u << SEGMENTS},
};

/* --- what is told of a connection ------------------------------------------------------------- */

/* Fields that tell numbers or times as they were, or are made from them or from the key. */
static bool is_of_variant(const struct sf_field *field)
{
    static const char *const paths[] = {"uid", "community_id", "start",
                                        "end", "client.isn",   "server.isn"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (strcmp(field->path, paths[i]) == 0)
            return true;
    return false;
}

/* What is told of one connection: those that leave at one packet come by id, and a tick before the
 * packet may let some of them leave earlier. Hence all are put in order of id in the end. */
struct piece {
    uint64_t id;
    struct {
        size_t begin, end;
    } of[2]; /* RECORDS, VIEWS */
};
static const enum stream piece_streams[2] = {RECORDS, VIEWS};

static int by_id(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static void put_in_order(struct story *story, struct piece *pieces, size_t count)
{
    qsort(pieces, count, sizeof *pieces, by_id);
    for (size_t s = 0; s < 2; s++) {
        struct sf_buffer ordered = {0}, *told = &story->told[piece_streams[s]];
        for (size_t i = 0; i < count; i++)
            sf_put(&ordered, told->data + pieces[i].of[s].begin,
                   pieces[i].of[s].end - pieces[i].of[s].begin);
        sf_buffer_dispose(told);
        *told = ordered;
    }
}

static void tell(struct story *story, const struct sf_record *record)
{
    size_t count;
    const struct sf_field *fields = sf_fields(&count);
    for (size_t i = 0; i < count; i++) {
        if (is_of_variant(&fields[i]))
            continue;
        bool is_of_view = strncmp(fields[i].path, "wireshark.", 10) == 0 ||
                          strncmp(fields[i].path, "zeek.", 5) == 0;
        struct sf_buffer *told = &story->told[is_of_view ? VIEWS : RECORDS];
        told_field(told, &fields[i], record);
    }
    told_lists(&story->told[RECORDS], record);
}

/* --- one run ---------------------------------------------------------------------------------- */

struct run {
    sf_ns latest_ns; /* of the program's steps so far */
    const struct variant *variant;
    struct sf_tracker *tracker;
    struct sf_views *views;
    struct invariant_run invariants;
    struct story story;
    struct piece pieces[PROGRAM_STEPS]; /* a step opens one connection at most */
    size_t piece_count;
};

static void tell_piece(struct run *run, const struct sf_record *record)
{
    assert(run->piece_count < PROGRAM_STEPS);
    struct piece *piece = &run->pieces[run->piece_count++];
    piece->id = record->id;
    for (size_t s = 0; s < 2; s++)
        piece->of[s].begin = run->story.told[piece_streams[s]].len;
    tell(&run->story, record);
    for (size_t s = 0; s < 2; s++)
        piece->of[s].end = run->story.told[piece_streams[s]].len;
}

static void fetch(struct run *run)
{
    struct sf_event event;
    while (sf_tracker_event(run->tracker, &event))
        invariant_run_event(&run->invariants, &event);
    struct sf_record record;
    while (sf_tracker_record(run->tracker, &record)) {
        sf_views_record(run->views, &record);
        invariant_run_record(&run->invariants, &record, run->variant->has_events);
        tell_piece(run, &record);
    }
    struct sf_zeek_row row;
    while (sf_views_zeek_row(run->views, &row))
        INVARIANT(row.conn_state != NULL, "zeek row");
}

static void swap_key(struct sf_flow_key *key)
{
    struct sf_flow_key other = *key;
    memcpy(key->addr[0], other.addr[1], sizeof key->addr[0]);
    memcpy(key->addr[1], other.addr[0], sizeof key->addr[1]);
    key->port[0] = other.port[1];
    key->port[1] = other.port[0];
}

static struct sf_segment vary(const struct run *run, const struct program *program,
                              const struct program_step *step)
{
    const struct variant *variant = run->variant;
    struct sf_segment seg = step->segment;
    enum sf_dir from = seg.dir, to = sf_dir_other(seg.dir);
    uint32_t snd = program->bases[step->flow][from] + variant->add[step->flow][from];
    uint32_t rcv = program->bases[step->flow][to] + variant->add[step->flow][to];
    seg.seq.n += snd;
    if (!program_is_lone_syn(seg.flags))
        seg.ack.n += rcv;
    for (unsigned i = 0; i < seg.options.sack_count; i++) {
        seg.options.sack[i].begin.n += rcv;
        seg.options.sack[i].end.n += rcv;
    }
    seg.ts_ns += variant->later_ns;
    if (variant->is_swapped) {
        swap_key(&seg.key);
        seg.dir = to;
    }
    return seg;
}

static void take_segment(struct run *run, const struct sf_segment *seg)
{
    struct sf_judgement judgement;
    run->invariants.segments++;
    sf_tracker_prefetch_place(run->tracker, seg);
    const struct sf_flow *flow = sf_tracker_prefetch_flow(run->tracker, seg);
    sf_tracker_prefetch_parts(run->tracker, flow, seg);
    if (run->variant->is_told_late) {
        sf_views_segment(run->views, seg, sf_tracker_segment(run->tracker, seg, NULL));
        return;
    }
    void **slot = sf_tracker_segment(run->tracker, seg, &judgement);
    INVARIANT(judgement.conn >= 1, "judgement");
    /* A lone SYN that waits is shown to the views later. */
    INVARIANT(slot != NULL || run->variant->is_packed, "judgement");
    judgement.wireshark = sf_views_segment(run->views, seg, slot);
    INVARIANT(judgement.labels < 1u << SF_LABEL_COUNT, "labels");
    sf_put_format(&run->story.told[SEGMENTS], "%d %lld %lld %llu %x %lld %llu %lld\n",
                  (int)judgement.from, (long long)judgement.seq, (long long)judgement.ack,
                  (unsigned long long)judgement.window, (unsigned)judgement.labels,
                  (long long)judgement.rtt_ns, (unsigned long long)judgement.in_flight,
                  (long long)judgement.t_ns);
    sf_put_format(&run->story.told[LABELS], "%x\n", (unsigned)judgement.wireshark);
}

static void take_step(struct run *run, const struct program *program,
                      const struct program_step *step)
{
    const struct variant *variant = run->variant;
    /* A tick that goes back says that the clock was set; one more that goes on says nothing. */
    bool goes_on = step->now_ns >= run->latest_ns;
    if (goes_on)
        run->latest_ns = step->now_ns;
    if ((variant->has_ticks && goes_on) || step->kind == PROGRAM_TICK)
        sf_tracker_tick(run->tracker, step->now_ns + variant->later_ns);
    fetch(run);
    if (step->kind == PROGRAM_SEGMENT) {
        struct sf_segment seg = vary(run, program, step);
        take_segment(run, &seg);
    } else if (step->kind == PROGRAM_ICMP) {
        struct sf_icmp_quote quote = step->quote;
        quote.ts_ns += variant->later_ns;
        if (variant->is_swapped) {
            swap_key(&quote.key);
            quote.dir = sf_dir_other(quote.dir);
        }
        sf_tracker_icmp(run->tracker, &quote);
    }
    fetch(run);
}

static struct story run_variant(const struct program *program, const struct variant *variant)
{
    struct sf_track_options options = program->options;
    options.want_events = variant->has_events;
    struct sf_view_options view_options = {.zeek = true,
                                           .zeek_rows = !variant->is_told_late,
                                           .wireshark_labels = !(variant->ignored & 1u << LABELS)};
    struct sf_views *views = sf_views_new(&view_options);
    if (views == NULL)
        abort();
    struct sf_slot_keeper slots = sf_views_keeper(views);
    options.slots = variant->is_packed ? &slots : NULL;
    options.unpacked_max = 1;
    struct run run = {.latest_ns = INT64_MIN,
                      .variant = variant,
                      .tracker = sf_tracker_new(&options),
                      .views = views};
    if (run.tracker == NULL)
        abort();
    for (size_t i = 0; i < program->count; i++)
        take_step(&run, program, &program->steps[i]);
    sf_tracker_finish(run.tracker);
    fetch(&run);
    struct sf_track_totals totals = sf_tracker_totals(run.tracker);
    invariant_run_end(&run.invariants, &totals);
    put_in_order(&run.story, run.pieces, run.piece_count);
    sf_views_free(run.views);
    sf_tracker_free(run.tracker);
    for (int i = 0; i < STREAM_COUNT; i++)
        sf_put_char(&run.story.told[i], '\0');
    return run.story;
}

/* --- the same story told twice ---------------------------------------------------------------- */

static void compare_stories(const struct story *first, const struct story *other,
                            const struct variant *variant)
{
    for (int i = 0; i < STREAM_COUNT; i++)
        if (!(variant->ignored & 1u << i) &&
            !told_same(&first->told[i], variants[0].name, &other->told[i], variant->name))
            abort();
}

/* Packed, more of them have room, and what was captured a tenth of a second ago is not expected to
 * be captured once more: a clock that is set back so far may make it look so (parcel.c). */
static bool may_be_packed(const struct program *program)
{
    sf_ns latest_ns = 0;
    for (size_t i = 0; i < program->count; i++) {
        sf_ns now_ns = program->steps[i].now_ns;
        if (now_ns < latest_ns - 90 * SF_MSEC)
            return false;
        latest_ns = now_ns > latest_ns ? now_ns : latest_ns;
    }
    return program->options.max_memory == 0;
}

static void story_dispose(struct story *story)
{
    for (int i = 0; i < STREAM_COUNT; i++)
        sf_buffer_dispose(&story->told[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct program *program = malloc(sizeof *program);
    if (program == NULL)
        abort();
    program_read(program, data, size);
    struct story first = run_variant(program, &variants[0]);
    for (size_t i = 1; i < sizeof variants / sizeof variants[0]; i++) {
        if (variants[i].is_packed && !may_be_packed(program))
            continue;
        struct story other = run_variant(program, &variants[i]);
        compare_stories(&first, &other, &variants[i]);
        story_dispose(&other);
    }
    story_dispose(&first);
    free(program);
    return 0;
}
