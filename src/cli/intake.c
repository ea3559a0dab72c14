/* A batch is decoded as a whole before it is handed on: meanwhile the memory of its connections
 * comes into the cache. */
#include "intake.h"

#include <stdlib.h>

struct sf_intake_batch {
    struct sf_packet packets[SF_INTAKE_BATCH];
    struct sf_decoded decoded[SF_INTAKE_BATCH];
    enum sf_verdict verdicts[SF_INTAKE_BATCH];
    bool is_others[SF_INTAKE_BATCH];
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
                                       .hash_seed = hash_seed};
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

static void note_time(struct sf_intake *intake, sf_ns t)
{
    intake->latest_ns = t;
    if (!sf_ns_known(intake->first_ns) || t < intake->first_ns)
        intake->first_ns = t;
    if (!sf_ns_known(intake->last_ns) || t > intake->last_ns)
        intake->last_ns = t;
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

/* Both directions of a connection, and ICMP errors that quote it, are of one share. */
static bool is_of_others(const struct sf_intake *intake, const struct sf_flow_key *key)
{
    return sf_flow_key_place(key) * intake->shares >> SF_PLACE_BITS != intake->share;
}

static int take_decoded(struct sf_intake *intake, size_t at, struct sf_error *err)
{
    const struct sf_intake_batch *batch = intake->batch;
    const struct sf_taker *taker = &intake->taker;
    const struct sf_packet *packet = &batch->packets[at];
    const struct sf_decoded *decoded = &batch->decoded[at];
    enum sf_verdict verdict = batch->verdicts[at];
    bool is_segment = verdict == SF_VERDICT_OK;
    intake->tcp_packets += is_segment;
    intake->undecoded[verdict] += !is_segment; /* [OK] stays 0 */
    if (!is_segment && !decoded->has_quote)
        return 0;
    if (batch->is_others[at])
        return taker->other(taker->self, packet->number, packet->ts_ns, err);
    return is_segment ? taker->segment(taker->self, &decoded->segment, packet, err)
                      : taker->quote(taker->self, &decoded->quote, err);
}

/* Decodes from `begin` on. Returns where it stopped: a segment put together from fragments is
 * borrowed from the decoder and ends the stretch. */
static size_t decode_stretch(struct sf_intake *intake, size_t begin, size_t end)
{
    struct sf_intake_batch *batch = intake->batch;
    for (size_t i = begin; i < end; i++) {
        struct sf_decoded *decoded = &batch->decoded[i];
        batch->verdicts[i] = sf_decode(intake->decoder, &batch->packets[i], decoded);
        if (batch->verdicts[i] == SF_VERDICT_OK && decoded->segment.from_fragments)
            return i + 1;
    }
    return end;
}

/* Tells whose each segment is and fetches the memory of the own connections ahead. */
static void look_ahead(struct sf_intake *intake, size_t begin, size_t end)
{
    struct sf_intake_batch *batch = intake->batch;
    for (size_t i = begin; i < end; i++) {
        const struct sf_decoded *decoded = &batch->decoded[i];
        bool is_segment = batch->verdicts[i] == SF_VERDICT_OK;
        const struct sf_flow_key *key = is_segment ? &decoded->segment.key : &decoded->quote.key;
        bool is_any = is_segment || decoded->has_quote;
        batch->is_others[i] = is_any && intake->shares > 1 && is_of_others(intake, key);
        if (is_segment && !batch->is_others[i])
            sf_tracker_prefetch(intake->tracker, &decoded->segment, SF_PREFETCH_PLACE);
    }
}

static void prefetch(const struct sf_intake *intake, size_t i, size_t end,
                     enum sf_prefetch_step step)
{
    const struct sf_intake_batch *batch = intake->batch;
    if (i < end && batch->verdicts[i] == SF_VERDICT_OK && !batch->is_others[i])
        sf_tracker_prefetch(intake->tracker, &batch->decoded[i].segment, step);
}

static int take_stretch(struct sf_intake *intake, size_t begin, size_t end, struct sf_error *err)
{
    enum { FLOW_AHEAD = 8, PARTS_AHEAD = 4 }; /* packets */
    const struct sf_intake_batch *batch = intake->batch;
    for (size_t i = begin; i < begin + FLOW_AHEAD; i++)
        prefetch(intake, i, end, SF_PREFETCH_FLOW);
    for (size_t i = begin; i < end; i++) {
        const struct sf_packet *packet = &batch->packets[i];
        prefetch(intake, i + FLOW_AHEAD, end, SF_PREFETCH_FLOW);
        prefetch(intake, i + PARTS_AHEAD, end, SF_PREFETCH_PARTS);
        if (is_beyond(intake, packet)) {
            intake->is_over = true;
            return 0;
        }
        intake->packets_taken += !packet->filtered;
        note_time(intake, packet->ts_ns);
        if (take_decoded(intake, i, err) != 0)
            return -1;
    }
    return 0;
}

int sf_intake_take(struct sf_intake *intake, size_t capacity, size_t *count, struct sf_error *err)
{
    size_t most = capacity < SF_INTAKE_BATCH ? capacity : SF_INTAKE_BATCH;
    *count = sf_capture_next(intake->capture, intake->batch->packets, most);
    for (size_t begin = 0; begin < *count && !intake->is_over;) {
        size_t end = decode_stretch(intake, begin, *count);
        look_ahead(intake, begin, end);
        if (take_stretch(intake, begin, end, err) != 0)
            return -1;
        begin = end;
    }
    return 0;
}

uint64_t sf_intake_packets(const struct sf_intake *intake)
{
    uint64_t packets = intake->tcp_packets;
    for (unsigned v = 0; v < SF_VERDICT_COUNT; v++)
        packets += intake->undecoded[v];
    return packets;
}
