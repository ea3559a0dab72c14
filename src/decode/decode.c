/* The decoder's doors: one packet in, one verdict out. */
#include "synfin/decode.h"

#include <assert.h>
#include <stdlib.h>

#include "decode_internal.h"

static const char *const verdict_names[SF_VERDICT_COUNT] = {
#define X(id, name, text) [SF_VERDICT_##id] = name,
    SF_VERDICTS(X)
#undef X
};

static const char *const verdict_texts[SF_VERDICT_COUNT] = {
#define X(id, name, text) [SF_VERDICT_##id] = text,
    SF_VERDICTS(X)
#undef X
};

const char *sf_verdict_name(enum sf_verdict verdict)
{
    assert(verdict < SF_VERDICT_COUNT);
    return verdict_names[verdict];
}

const char *sf_verdict_text(enum sf_verdict verdict)
{
    assert(verdict < SF_VERDICT_COUNT);
    return verdict_texts[verdict];
}

struct sf_decoder *sf_decoder_new(const struct sf_decode_options *options)
{
    struct sf_decoder *decoder = calloc(1, sizeof(*decoder));
    if (decoder != NULL)
        decoder->options = *options;
    return decoder;
}

void sf_decoder_free(struct sf_decoder *decoder)
{
    if (decoder == NULL)
        return;
    sf_fragments_free(decoder->fragments);
    free(decoder);
}

enum sf_verdict sf_decode(struct sf_decoder *decoder, const struct sf_packet *packet,
                          struct sf_decoded *out)
{
    out->has_quote = false;
    if (packet->filtered)
        return SF_VERDICT_FILTERED;

    uint32_t cap = packet->caplen;
    uint32_t wire = packet->wirelen > cap ? packet->wirelen : cap;
    struct sf_walk walk = {
        .decoder = decoder,
        .packet = packet,
        .out = out,
        .rest = {.at = packet->data, .cap = cap, .wire = wire},
    };
    return sf_decode_link(&walk, packet->linktype);
}
