/* Reads a capture as far as the stage that is named, which tells what each stage costs and what the
 * least is that the one before leaves for it: stages read|decode|count|states|track|view FILE. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "synfin/capture.h"
#include "synfin/decode.h"
#include "synfin/hint.h"
#include "synfin/state.h"
#include "synfin/view.h"

/* 64 as in synfin; places of the tables of `count` and `states`. */
enum { BATCH = 64, PLACES = 1 << 16 };

enum stage { READ, DECODE, COUNT, STATES, TRACK, VIEW };
static const char *const names[] = {"read", "decode", "count", "states", "track", "view"};

/* The least that tells connections apart: its packets and octets each way. */
struct counted {
    uint64_t hash;
    uint64_t packets[SF_DIR_COUNT], octets[SF_DIR_COUNT];
    sf_ns first_ns, last_ns;
    uint64_t unused;
};
_Static_assert(sizeof(struct counted) == SF_CACHE_LINE, "one cache line");

/* The least that follows both ends: their states, and how far each has sent and was acknowledged.
 */
struct followed {
    struct counted counted;
    struct followed_end {
        uint32_t next, acked, window, again; /* again: segments that send nothing new */
        uint8_t state;                       /* enum sf_tcp_state */
        bool has_next;
    } end[SF_DIR_COUNT];
};
enum { FOLLOWED_OCTETS = 2 * SF_CACHE_LINE };
_Static_assert(sizeof(struct followed) <= FOLLOWED_OCTETS, "two cache lines");

struct run {
    enum stage stage;
    struct sf_decoder *decoder;
    struct sf_tracker *tracker;
    struct sf_views *views;
    struct sf_slot_keeper slots;
    char *table; /* PLACES of place_octets() */
    struct sf_decoded decoded[BATCH];
    uint64_t told; /* so that nothing of it can be left out */
};

static size_t place_octets(enum stage stage)
{
    return stage == COUNT ? sizeof(struct counted) : FOLLOWED_OCTETS;
}

static void *place_of(const struct run *run, const struct sf_segment *segment)
{
    return run->table + segment->hash % PLACES * place_octets(run->stage);
}

/* Two connections may share a place: for the cost that makes no difference. True: a new one. */
static bool count(struct counted *counted, const struct sf_segment *segment)
{
    bool is_new = counted->hash != segment->hash;
    if (is_new)
        *counted = (struct counted){.hash = segment->hash, .first_ns = segment->ts_ns};
    counted->packets[segment->dir]++;
    counted->octets[segment->dir] += segment->ip_bytes;
    counted->last_ns = segment->ts_ns;
    return is_new;
}

static void enter(struct followed_end *end, enum sf_stimulus stimulus)
{
    enum sf_tcp_state to = sf_state_next((enum sf_tcp_state)end->state, stimulus);
    if (to != SF_STATE_NONE)
        end->state = (uint8_t)to;
}

static void take_ack(struct followed_end *snd, struct followed_end *rcv, uint32_t ack)
{
    if ((int32_t)(ack - rcv->acked) <= 0)
        return;
    rcv->acked = ack;
    if (snd->state == SF_SYN_SENT)
        enter(snd, SF_RCV_SYN);
    if (rcv->state == SF_SYN_RECEIVED || rcv->state == SF_SYN_SENT)
        enter(rcv, SF_RCV_ACK_OF_SYN);
    if (ack == rcv->next && rcv->state != SF_ESTABLISHED) {
        enter(rcv, SF_RCV_ACK_OF_FIN);
        enter(snd, SF_RCV_FIN);
    }
}

static void follow(struct followed *followed, const struct sf_segment *segment)
{
    struct followed_end *snd = &followed->end[segment->dir];
    struct followed_end *rcv = &followed->end[sf_dir_other(segment->dir)];
    uint32_t len = sf_segment_seq_len(segment), end = segment->seq.n + len;
    unsigned flags = segment->flags;
    if (count(&followed->counted, segment))
        *snd = *rcv = (struct followed_end){0};
    if (!snd->has_next)
        snd->next = snd->acked = segment->seq.n;
    snd->has_next = true;
    if (flags & SF_TH_SYN)
        enter(snd, flags & SF_TH_ACK ? SF_SND_SYN_ACK : SF_SND_SYN);
    if (flags & SF_TH_FIN)
        enter(snd, SF_SND_FIN);
    if (flags & SF_TH_RST) {
        enter(snd, SF_SND_RST);
        enter(rcv, SF_RCV_RST);
    }
    if ((int32_t)(end - snd->next) > 0)
        snd->next = end;
    else
        snd->again += len > 0;
    if (flags & SF_TH_ACK)
        take_ack(snd, rcv, segment->ack.n);
    snd->window = segment->window;
}

static void fetch(struct run *run)
{
    struct sf_record record;
    while (sf_tracker_record(run->tracker, &record)) {
        if (run->stage == VIEW)
            sf_views_record(run->views, &record);
        run->told += record.id;
    }
}

static void look_ahead(struct run *run, const struct sf_segment *segment)
{
    if (run->stage == COUNT || run->stage == STATES)
        sf_prefetch(place_of(run, segment), place_octets(run->stage));
    else if (run->stage >= TRACK)
        sf_tracker_prefetch_place(run->tracker, segment);
}

static void take(struct run *run, const struct sf_segment *segment)
{
    if (run->stage == COUNT)
        count(place_of(run, segment), segment);
    else if (run->stage == STATES)
        follow(place_of(run, segment), segment);
    if (run->stage < TRACK)
        return;
    void **slot = sf_tracker_segment(run->tracker, segment, NULL);
    if (run->stage == VIEW)
        sf_views_segment(run->views, segment, slot);
    if (sf_tracker_has_news(run->tracker))
        fetch(run);
}

/* Like src/cli/intake.c: a batch is decoded, then handed on, its connections fetched ahead. */
static void take_batch(struct run *run, const struct sf_packet *packets, size_t many)
{
    enum { FLOW_AHEAD = 16, PARTS_AHEAD = 8 };
    const struct sf_flow *flows[BATCH] = {0};
    size_t segments = 0;
    for (size_t i = 0; i < many; i++) {
        struct sf_decoded *decoded = &run->decoded[segments];
        run->told += packets[i].caplen;
        if (run->stage < DECODE || sf_decode(run->decoder, &packets[i], decoded) != SF_VERDICT_OK)
            continue;
        look_ahead(run, &decoded->segment);
        segments++;
    }
    for (size_t i = 0; run->stage >= TRACK && i < FLOW_AHEAD && i < segments; i++)
        flows[i] = sf_tracker_prefetch_flow(run->tracker, &run->decoded[i].segment);
    for (size_t i = 0; i < segments; i++) {
        size_t flow = i + FLOW_AHEAD, parts = i + PARTS_AHEAD;
        if (run->stage >= TRACK && flow < segments)
            flows[flow] = sf_tracker_prefetch_flow(run->tracker, &run->decoded[flow].segment);
        if (run->stage >= TRACK && parts < segments)
            sf_tracker_prefetch_parts(run->tracker, flows[parts], &run->decoded[parts].segment);
        take(run, &run->decoded[i].segment);
    }
}

static int read_file(struct run *run, const char *path)
{
    struct sf_capture_options options = {.files = &path, .file_count = 1};
    struct sf_packet batch[BATCH];
    struct sf_capture *capture;
    struct sf_error err;
    size_t many;
    if (sf_capture_open(&capture, &options, NULL, &err) != 0) {
        fprintf(stderr, "stages: %s\n", err.text);
        return -1;
    }
    while ((many = sf_capture_next(capture, batch, BATCH)) > 0)
        take_batch(run, batch, many);
    if (run->stage >= TRACK) {
        sf_tracker_finish(run->tracker);
        fetch(run);
    }
    sf_capture_close(capture);
    return 0;
}

static int begin(struct run *run)
{
    const struct sf_decode_options decode = {.hash_seed = 1};
    const struct sf_view_options view = {.zeek = true};
    run->decoder = sf_decoder_new(&decode);
    run->views = sf_views_new(&view);
    run->table = aligned_alloc(SF_CACHE_LINE, PLACES * place_octets(run->stage));
    if (run->decoder == NULL || run->views == NULL || run->table == NULL)
        return -1;
    memset(run->table, 0, PLACES * place_octets(run->stage));
    run->slots = sf_views_keeper(run->views);
    const struct sf_track_options track = {.linger_ns = 60 * SF_SEC, .slots = &run->slots};
    run->tracker = sf_tracker_new(&track);
    return run->tracker != NULL ? 0 : -1;
}

static void end(struct run *run)
{
    sf_tracker_free(run->tracker);
    sf_views_free(run->views);
    sf_decoder_free(run->decoder);
    free(run->table);
}

int main(int argc, char **argv)
{
    static struct run run;
    size_t stage = 0;
    while (argc == 3 && stage < sizeof names / sizeof *names && strcmp(argv[1], names[stage]) != 0)
        stage++;
    if (argc != 3 || stage == sizeof names / sizeof *names) {
        fputs("usage: stages read|decode|count|states|track|view FILE\n", stderr);
        return 2;
    }
    run.stage = (enum stage)stage;
    if (begin(&run) != 0 || read_file(&run, argv[2]) != 0)
        return 1;
    printf("%" PRIu64 "\n", run.told);
    end(&run);
    return 0;
}
