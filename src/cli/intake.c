/* A batch is decoded as a whole before it is handed on: meanwhile the memory of its connections
 * comes into the cache. */
#include "intake.h"

#include <stdlib.h>

/* What a packet turned out to be. */
enum kind { NOTHING, SEGMENT, QUOTE, OF_OTHERS, STRAY };

struct sf_intake_batch {
    struct sf_packet packets[SF_INTAKE_BATCH];
    uint8_t kinds[SF_INTAKE_BATCH];               /* enum kind */
    const struct sf_flow *flows[SF_INTAKE_BATCH]; /* of a SEGMENT, as prefetched */
    struct sf_decoded decoded[SF_INTAKE_BATCH];
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
    if (options->packet_limit != 0 && intake->packets_taken >= options->packet_limit)
        return true;
    return options->duration_ns != 0 && sf_ns_known(intake->first_ns) &&
           packet->ts_ns - intake->first_ns > options->duration_ns;
}

static void note_time(struct sf_intake *intake, sf_ns t)
{
    if (!sf_ns_known(intake->first_ns) || t < intake->first_ns)
        intake->first_ns = t;
    if (!sf_ns_known(intake->last_ns) || t > intake->last_ns)
        intake->last_ns = t;
}

/* How many of the packets are within the bounds: then that is over. Notes what the bounds and the
 * end ask for. */
static size_t take_bounded(struct sf_intake *intake, size_t count)
{
    const struct sf_packet *packets = intake->batch->packets;
    bool is_bounded = has_bounds(intake);
    size_t i = 0;
    if (intake->common != NULL)
        intake->packets_taken = atomic_fetch_add(&intake->common->taken, count);
    for (; i < count; i++) {
        if (is_bounded && is_beyond(intake, &packets[i])) {
            intake->is_over = true;
            break;
        }
        intake->packets_taken += !packets[i].filtered;
        note_time(intake, packets[i].ts_ns);
    }
    if (i > 0)
        intake->latest_ns = packets[i - 1].ts_ns;
    return i;
}

/* --- a stretch of a batch --- */

static enum kind kind_of(enum sf_verdict verdict, const struct sf_decoded *decoded)
{
    if (decoded->is_of_others)
        return OF_OTHERS;
    if (verdict == SF_VERDICT_OK)
        return SEGMENT;
    return decoded->has_quote ? QUOTE : NOTHING;
}

/* Decodes from `begin` on. Returns where it stopped: a segment put together from fragments is
 * borrowed from the decoder and ends the stretch. */
static size_t decode_stretch(struct sf_intake *intake, size_t begin, size_t end)
{
    struct sf_intake_batch *batch = intake->batch;
    for (size_t i = begin; i < end; i++) {
        struct sf_decoded *decoded = &batch->decoded[i];
        enum sf_verdict verdict = sf_decode(intake->decoder, &batch->packets[i], decoded);
        intake->verdicts[verdict]++;
        enum kind kind = kind_of(verdict, decoded);
        batch->kinds[i] = (uint8_t)kind;
        if (kind != SEGMENT)
            continue;
        sf_tracker_prefetch_place(intake->tracker, &decoded->segment);
        if (decoded->segment.from_fragments)
            return i + 1;
    }
    return end;
}

/* The kernel looks at the outer addresses of some tunnels, at no ports of a fragment, and at those
 * of an ICMP error, not of what it quotes. */
static bool is_stray(const struct sf_intake_batch *batch, size_t i)
{
    const struct sf_segment *segment = &batch->decoded[i].segment;
    return batch->kinds[i] == QUOTE ||
           (batch->kinds[i] == SEGMENT && (segment->tunnel_count > 0 || segment->from_fragments));
}

/* A segment that passes through several hands gets its number in the last one's: so they ascend in
 * each share. */
static bool is_counted_later(const struct sf_intake_batch *batch, size_t i)
{
    return batch->kinds[i] == SEGMENT && batch->decoded[i].segment.tunnel_count > 0;
}

static void number_packet(struct sf_intake_batch *batch, size_t i, uint64_t number)
{
    batch->packets[i].number = number;
    if (batch->kinds[i] == SEGMENT)
        batch->decoded[i].segment.packet = number;
    else if (batch->kinds[i] == QUOTE)
        batch->decoded[i].quote.packet = number;
}

static void share_stretch(struct sf_intake *intake, size_t begin, size_t end)
{
    struct sf_intake_batch *batch = intake->batch;
    uint64_t count = end - begin;
    for (size_t i = begin; i < end; i++)
        count -= is_counted_later(batch, i);
    uint64_t number = atomic_fetch_add(&intake->common->numbers, count);
    for (size_t i = begin; i < end; i++) {
        bool is_later = is_counted_later(batch, i);
        intake->verdicts[SF_VERDICT_OK] -= is_later;
        if (!is_later)
            number_packet(batch, i, ++number);
        if (is_stray(batch, i))
            batch->kinds[i] = STRAY;
    }
}

uint64_t sf_intake_accept(struct sf_intake *intake)
{
    intake->verdicts[SF_VERDICT_OK]++;
    return atomic_fetch_add(&intake->common->numbers, 1) + 1;
}

static inline void prefetch_flow(struct sf_intake *intake, size_t i)
{
    struct sf_intake_batch *batch = intake->batch;
    batch->flows[i] = batch->kinds[i] != SEGMENT
                          ? NULL
                          : sf_tracker_prefetch_flow(intake->tracker, &batch->decoded[i].segment);
}

static int take_decoded(struct sf_intake *intake, size_t at, struct sf_error *err)
{
    const struct sf_intake_batch *batch = intake->batch;
    const struct sf_taker *taker = &intake->taker;
    const struct sf_packet *packet = &batch->packets[at];
    const struct sf_decoded *decoded = &batch->decoded[at];
    switch ((enum kind)batch->kinds[at]) {
    case NOTHING: return 0;
    case SEGMENT: return taker->segment(taker->self, &decoded->segment, packet, err);
    case QUOTE: return taker->quote(taker->self, &decoded->quote, err);
    case STRAY: return taker->stray(taker->self, decoded, err);
    case OF_OTHERS: return taker->other(taker->self, packet->number, packet->ts_ns, err);
    }
    return 0;
}

static int take_stretch(struct sf_intake *intake, size_t begin, size_t end, struct sf_error *err)
{
    enum { FLOW_AHEAD = 8, PARTS_AHEAD = 4 }; /* packets */
    const struct sf_intake_batch *batch = intake->batch;
    for (size_t i = begin; i < end && i < begin + FLOW_AHEAD; i++)
        prefetch_flow(intake, i);
    for (size_t i = begin; i < end; i++) {
        if (i + FLOW_AHEAD < end)
            prefetch_flow(intake, i + FLOW_AHEAD);
        if (i + PARTS_AHEAD < end && batch->flows[i + PARTS_AHEAD] != NULL)
            sf_tracker_prefetch_parts(batch->flows[i + PARTS_AHEAD]);
        if (take_decoded(intake, i, err) != 0)
            return -1;
    }
    return 0;
}

int sf_intake_take(struct sf_intake *intake, size_t capacity, size_t *count, struct sf_error *err)
{
    size_t most = capacity < SF_INTAKE_BATCH ? capacity : SF_INTAKE_BATCH;
    *count = sf_capture_next(intake->capture, intake->batch->packets, most);
    size_t within = take_bounded(intake, *count);
    for (size_t begin = 0; begin < within;) {
        size_t end = decode_stretch(intake, begin, within);
        if (intake->common != NULL)
            share_stretch(intake, begin, end);
        if (take_stretch(intake, begin, end, err) != 0)
            return -1;
        begin = end;
    }
    return 0;
}

uint64_t sf_intake_packets(const struct sf_intake *intake)
{
    uint64_t packets = 0;
    for (unsigned v = 0; v < SF_VERDICT_COUNT; v++)
        packets += intake->verdicts[v];
    return packets;
}
