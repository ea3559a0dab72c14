/* The decoder's doors: one packet in, one verdict out. */
#include "synfin/decode.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

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

static enum sf_verdict walk_packet(struct sf_decoder *decoder, const struct sf_packet *packet,
                                   struct sf_decoded *out)
{
    uint32_t cap = packet->caplen;
    uint32_t wire = packet->wirelen > cap ? packet->wirelen : cap;
    struct sf_walk walk; /* ip is set by the first IP header; zeroing it all costs too much here */
    walk.decoder = decoder;
    walk.packet = packet;
    walk.out = out;
    walk.rest = (struct sf_cut){packet->data, cap, wire};
    walk.scope = (struct sf_scope){0};
    memset(walk.tunnel_id, 0, sizeof(walk.tunnel_id));
    memset(walk.vlan, 0, sizeof(walk.vlan));
    walk.vlan_count = 0;
    walk.depth = 0;
    walk.ifindex = 0;
    walk.from_fragments = false;
    walk.checksum_wrong = false;
    walk.datagram_bytes = 0;
    walk.datagram_captured = 0;
    return sf_decode_link(&walk, packet->linktype);
}

static bool is_of_others(const struct sf_decoder *decoder, enum sf_verdict verdict,
                         const struct sf_decoded *decoded)
{
    if (verdict == SF_VERDICT_OK)
        return sf_is_of_others(decoder, sf_flow_key_place(&decoded->segment.key));
    return decoded->has_quote && sf_is_of_others(decoder, sf_flow_key_place(&decoded->quote.key));
}

/* What is of others is passed over as early as can be told. */
static enum sf_verdict decode_share(struct sf_decoder *decoder, const struct sf_packet *packet,
                                    struct sf_decoded *out)
{
    if (sf_decode_plain_share(decoder, packet, out))
        return SF_VERDICT_OK;
    enum sf_verdict verdict = walk_packet(decoder, packet, out);
    out->is_of_others = is_of_others(decoder, verdict, out);
    return verdict;
}

enum sf_verdict sf_decode(struct sf_decoder *decoder, const struct sf_packet *packet,
                          struct sf_decoded *out)
{
    out->has_quote = out->is_of_others = false;
    if (packet->filtered)
        return SF_VERDICT_FILTERED;
    if (decoder->options.shares > 1)
        return decode_share(decoder, packet, out);
    if (sf_decode_plain(decoder, packet, out))
        return SF_VERDICT_OK;
    return walk_packet(decoder, packet, out);
}
