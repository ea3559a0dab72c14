/* A batch is decoded as a whole before it is handed on: meanwhile the memory of its connections
 * comes into the cache. */
#include "intake.h"

#include <stdlib.h>

/* What a packet turned out to be. */
enum kind { NOTHING, SEGMENT, QUOTE, OF_OTHERS, STRAY };

/* A packet that is handed on. */
struct item {
    uint8_t at;                 /* in the batch */
    uint8_t kind;               /* enum kind */
    sf_ns others_ns;            /* the latest of others' packets up to it that were passed over */
    const struct sf_flow *flow; /* of a SEGMENT, as prefetched */
};
_Static_assert(SF_INTAKE_BATCH <= UINT8_MAX + 1, "an item tells its place");

struct sf_intake_batch {
    struct sf_packet packets[SF_INTAKE_BATCH];
    /* Of the stretch at hand. */
    struct item items[SF_INTAKE_BATCH];
    struct sf_decoded decoded[SF_INTAKE_BATCH]; /* item by item */
};

static struct sf_capture_options capture_options(const struct sf_cli_options *options)
{
    return (struct sf_capture_options){
        .files = options->files.words,
        .file_count = options->files.count,
        .interfaces = options->interfaces.words,
        .interface_count = options->interfaces.count,
        .filter = options->filter,
        .strict = options->strict,
        .read_ahead = options->workers != 1,
        .snaplen = (uint32_t)options->snaplen,
        .buffer_mib = (uint32_t)options->buffer_mib,
        .promiscuous = options->promiscuous,
    };
}

int sf_intake_open_capture(struct sf_capture **out, const struct sf_cli_options *options,
                           bool *is_usage, struct sf_error *err)
{
    struct sf_capture_options capture = capture_options(options);
    return sf_capture_open(out, &capture, is_usage, err);
}

int sf_intake_open_twin(struct sf_capture **out, const struct sf_capture *like,
                        const struct sf_cli_options *options, struct sf_error *err)
{
    struct sf_capture_options capture = capture_options(options);
    return sf_capture_open_twin(out, like, &capture, err);
}

int sf_intake_begin(struct sf_intake *intake, uint64_t hash_seed, struct sf_error *err)
{
    struct sf_decode_options decode = {.vlan_key = intake->options->vlan_key,
                                       .verify_checksums = intake->options->verify_checksums,
                                       .hash_seed = hash_seed,
                                       .share = intake->share,
                                       .shares = intake->shares};
    intake->first_ns = intake->last_ns = SF_NS_UNKNOWN;
    intake->decoder = sf_decoder_new(&decode);
    intake->batch = malloc(sizeof *intake->batch);
    return intake->decoder != NULL && intake->batch != NULL ? 0 : sf_fail(err, "out of memory");
}

void sf_intake_dispose(struct sf_intake *intake)
{
    sf_decoder_free(intake->decoder);
    free(intake->batch);
    intake->decoder = NULL;
    intake->batch = NULL;
}

/* --- bounds --- */

static bool has_bounds(const struct sf_intake *intake)
{
    return intake->options->packet_limit != 0 || intake->options->duration_ns != 0;
}

/* Whether the packet lies beyond what -c or --duration allow. */
static bool is_beyond(const struct sf_intake *intake, const struct sf_packet *packet)
{
    const struct sf_cli_options *options = intake->options;
    if (sf_packets_left(options, intake->packets_taken, 1) == 0)
        return true;
    return options->duration_ns != 0 && sf_ns_known(intake->first_ns) &&
           packet->ts_ns - intake->first_ns > options->duration_ns;
}

static void note_times(struct sf_intake *intake, sf_ns earliest, sf_ns latest)
{
    if (!sf_ns_known(intake->first_ns) || earliest < intake->first_ns)
        intake->first_ns = earliest;
    if (!sf_ns_known(intake->last_ns) || latest > intake->last_ns)
        intake->last_ns = latest;
}

/* How many of the packets are within the bounds. When they are reached, that is over: the packet
 * behind the last one is not waited for. */
static size_t take_bounded(struct sf_intake *intake, size_t count)
{
    const struct sf_packet *packets = intake->batch->packets;
    size_t i = 0;
    if (intake->common != NULL)
        intake->packets_taken = atomic_fetch_add(&intake->common->taken, count);
    for (; i < count && !is_beyond(intake, &packets[i]); i++) {
        intake->packets_taken += !packets[i].filtered;
        note_times(intake, packets[i].ts_ns, packets[i].ts_ns);
    }
    if (i < count) {
        intake->is_over = true;
        sf_capture_give_back(intake->capture, packets + i, count - i);
    }
    uint64_t taken =
        intake->common != NULL ? atomic_load(&intake->common->taken) : intake->packets_taken;
    if (sf_packets_left(intake->options, taken, 1) == 0)
        intake->is_over = true;
    return i;
}

/* Notes when the packets came. Returns the latest, not necessarily the last one's. */
static sf_ns take_times(struct sf_intake *intake, size_t count)
{
    const struct sf_packet *packets = intake->batch->packets;
    sf_ns earliest = packets[0].ts_ns, latest = packets[0].ts_ns;
    for (size_t i = 1; i < count; i++) {
        sf_ns t = packets[i].ts_ns;
        earliest = t < earliest ? t : earliest;
        latest = t > latest ? t : latest;
    }
    note_times(intake, earliest, latest);
    intake->latest_ns = packets[count - 1].ts_ns;
    return latest;
}

/* --- a stretch of a batch --- */

/* Packets [at, end) of the batch are still to be decoded. */
struct stretch {
    size_t at, end;
    size_t count;    /* items */
    bool is_due;     /* others' packets may end connections: they are items, too */
    bool is_small;   /* connections are in the cache: no need to look ahead */
    sf_ns others_ns; /* the latest of those that are not */
    sf_ns told_ns;   /* of it, the tracker knows */
};

/* Others' packets, where only their time counts. */
static bool pass_over(struct stretch *stretch, sf_ns ts_ns)
{
    if (!stretch->is_due && ts_ns > stretch->others_ns)
        stretch->others_ns = ts_ns;
    return !stretch->is_due;
}

static enum kind kind_of(enum sf_verdict verdict, const struct sf_decoded *decoded)
{
    if (decoded->is_of_others)
        return OF_OTHERS;
    if (verdict == SF_VERDICT_OK)
        return SEGMENT;
    return decoded->has_quote ? QUOTE : NOTHING;
}

/* Makes items of packets. A segment put together from fragments is borrowed from the decoder and
 * ends the stretch. */
static void decode_stretch(struct sf_intake *intake, struct stretch *stretch)
{
    struct sf_intake_batch *batch = intake->batch;
    struct sf_decoder *decoder = intake->decoder;
    size_t at = stretch->at, end = stretch->end, count = 0;
    while (at < end) {
        const struct sf_packet *packet = &batch->packets[at];
        struct sf_decoded *decoded = &batch->decoded[count];
        enum sf_verdict verdict = sf_decode(decoder, packet, decoded);
        enum kind kind = kind_of(verdict, decoded);
        intake->verdicts[verdict]++;
        struct item *item = &batch->items[count];
        item->at = (uint8_t)at++;
        if (kind == NOTHING || (kind == OF_OTHERS && pass_over(stretch, packet->ts_ns)))
            continue;
        count++;
        item->kind = (uint8_t)kind;
        item->others_ns = stretch->others_ns;
        item->flow = NULL;
        if (kind != SEGMENT)
            continue;
        if (!stretch->is_small)
            sf_tracker_prefetch_place(intake->tracker, &decoded->segment);
        if (decoded->segment.from_fragments)
            break;
    }
    stretch->at = at;
    stretch->count = count;
}

/* The kernel looks at the outer addresses of some tunnels, at no ports of a fragment, and at those
 * of an ICMP error, not of what it quotes. */
static bool is_stray(const struct sf_intake_batch *batch, size_t i)
{
    const struct sf_segment *segment = &batch->decoded[i].segment;
    enum kind kind = (enum kind)batch->items[i].kind;
    return kind == QUOTE ||
           (kind == SEGMENT && (segment->tunnel_count > 0 || segment->from_fragments));
}

/* A segment that passes through several hands gets its number in the last one's: so they ascend in
 * each share. */
static bool is_counted_later(const struct sf_intake_batch *batch, size_t i)
{
    return batch->items[i].kind == SEGMENT && batch->decoded[i].segment.tunnel_count > 0;
}

static void number_item(struct sf_intake_batch *batch, size_t i, uint64_t number)
{
    batch->packets[batch->items[i].at].number = number;
    if (batch->items[i].kind == SEGMENT)
        batch->decoded[i].segment.packet = number;
    else if (batch->items[i].kind == QUOTE)
        batch->decoded[i].quote.packet = number;
}

/* Numbers the packets of the stretch, those that are handed on and those that are not. */
static void share_stretch(struct sf_intake *intake, const struct stretch *stretch, size_t begin)
{
    struct sf_intake_batch *batch = intake->batch;
    size_t later = 0;
    for (size_t i = 0; i < stretch->count; i++)
        later += is_counted_later(batch, i);
    intake->verdicts[SF_VERDICT_OK] -= later;
    uint64_t before = atomic_fetch_add(&intake->common->numbers, stretch->at - begin - later);
    later = 0;
    for (size_t i = 0; i < stretch->count; i++) {
        struct item *item = &batch->items[i];
        if (is_counted_later(batch, i))
            later++;
        else
            number_item(batch, i, before + 1 + item->at - begin - later);
        if (is_stray(batch, i))
            item->kind = STRAY;
    }
}

uint64_t sf_intake_accept(struct sf_intake *intake)
{
    intake->verdicts[SF_VERDICT_OK]++;
    return atomic_fetch_add(&intake->common->numbers, 1) + 1;
}

static inline void prefetch_flow(struct sf_intake *intake, size_t i)
{
    struct item *item = &intake->batch->items[i];
    if (item->kind == SEGMENT)
        item->flow = sf_tracker_prefetch_flow(intake->tracker, &intake->batch->decoded[i].segment);
}

static int tell_others(struct sf_intake *intake, struct stretch *stretch, sf_ns others_ns,
                       uint64_t packet, struct sf_error *err)
{
    const struct sf_taker *taker = &intake->taker;
    if (others_ns == stretch->told_ns)
        return 0;
    stretch->told_ns = others_ns;
    return taker->other(taker->self, packet, others_ns, err);
}

static int take_item(struct sf_intake *intake, struct stretch *stretch, size_t i,
                     struct sf_error *err)
{
    const struct sf_intake_batch *batch = intake->batch;
    const struct sf_taker *taker = &intake->taker;
    const struct item *item = &batch->items[i];
    const struct sf_packet *packet = &batch->packets[item->at];
    if (tell_others(intake, stretch, item->others_ns, packet->number, err) != 0)
        return -1;
    const struct sf_decoded *decoded = &batch->decoded[i];
    if (item->kind == SEGMENT)
        return taker->segment(taker->self, &decoded->segment, packet, err);
    if (item->kind == QUOTE)
        return taker->quote(taker->self, &decoded->quote, err);
    if (item->kind == STRAY)
        return taker->stray(taker->self, decoded, err);
    return taker->other(taker->self, packet->number, packet->ts_ns, err);
}

static int take_all(struct sf_intake *intake, struct stretch *stretch, struct sf_error *err)
{
    for (size_t i = 0; i < stretch->count; i++)
        if (take_item(intake, stretch, i, err) != 0)
            return -1;
    return 0;
}

static int take_looking_ahead(struct sf_intake *intake, struct stretch *stretch,
                              struct sf_error *err)
{
    enum { FLOW_AHEAD = 16, PARTS_AHEAD = 8 }; /* items */
    const struct item *items = intake->batch->items;
    size_t count = stretch->count;
    for (size_t i = 0; i < count && i < FLOW_AHEAD; i++)
        prefetch_flow(intake, i);
    for (size_t i = 0; i < count; i++) {
        if (i + FLOW_AHEAD < count)
            prefetch_flow(intake, i + FLOW_AHEAD);
        if (i + PARTS_AHEAD < count && items[i + PARTS_AHEAD].kind == SEGMENT)
            sf_tracker_prefetch_parts(intake->tracker, items[i + PARTS_AHEAD].flow,
                                      &intake->batch->decoded[i + PARTS_AHEAD].segment);
        if (take_item(intake, stretch, i, err) != 0)
            return -1;
    }
    return 0;
}

static int take_batch(struct sf_intake *intake, size_t count, struct sf_error *err)
{
    sf_ns latest = take_times(intake, count);
    struct stretch stretch = {.end = count,
                              .is_due = sf_tracker_is_due(intake->tracker, latest),
                              .is_small = sf_tracker_is_small(intake->tracker),
                              .others_ns = SF_NS_UNKNOWN,
                              .told_ns = SF_NS_UNKNOWN};
    while (stretch.at < stretch.end) {
        size_t begin = stretch.at;
        decode_stretch(intake, &stretch);
        if (intake->common != NULL)
            share_stretch(intake, &stretch, begin);
        if ((stretch.is_small ? take_all : take_looking_ahead)(intake, &stretch, err) != 0)
            return -1;
    }
    return tell_others(intake, &stretch, stretch.others_ns,
                       intake->batch->packets[count - 1].number, err);
}

/* The first of a batch are waited for, since nothing was decoded before them: the larger it is the
 * fewer these are. Where there is nothing to wait for, a small one stays in the first cache. */
static size_t batch_size(const struct sf_intake *intake)
{
    enum { SMALL = 64 };
    if (intake->options->duration_ns != 0) /* what is read beyond it is told: the same for any -j */
        return SMALL;
    return sf_tracker_is_small(intake->tracker) ? SMALL : SF_INTAKE_BATCH;
}

int sf_intake_take(struct sf_intake *intake, size_t capacity, size_t *count, struct sf_error *err)
{
    size_t batch = batch_size(intake), most = capacity < batch ? capacity : batch;
    if (intake->common == NULL) /* what lies behind the last one may be damaged */
        most = sf_packets_left(intake->options, intake->packets_taken, most);
    *count = sf_capture_next(intake->capture, intake->batch->packets, most);
    intake->is_full = *count == most;
    size_t within = has_bounds(intake) ? take_bounded(intake, *count) : *count;
    return within > 0 ? take_batch(intake, within, err) : 0;
}

uint64_t sf_intake_packets(const struct sf_intake *intake)
{
    uint64_t packets = 0;
    for (unsigned v = 0; v < SF_VERDICT_COUNT; v++)
        packets += intake->verdicts[v];
    return packets;
}
