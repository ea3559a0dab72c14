/* Frames of any link type: the decoder reads nothing beyond what was captured, and a frame that is
 * cut shorter tells the same or less. Input: options (1 octet), link type (2), then frames, each
 * as captured length (2), octets cut off it (2) and the octets. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "invariant.h"
#include "synfin/bytes.h"
#include "synfin/decode.h"

enum { OPTION_VLAN_KEY = 1, OPTION_VERIFY = 2 };

static struct sf_decoder *decoder_of(uint8_t options)
{
    struct sf_decode_options chosen = {.vlan_key = options & OPTION_VLAN_KEY,
                                       .verify_checksums = options & OPTION_VERIFY,
                                       .hash_seed = 1};
    struct sf_decoder *decoder = sf_decoder_new(&chosen);
    if (decoder == NULL)
        abort();
    return decoder;
}

static void check_segment(const struct sf_segment *seg, const struct sf_packet *packet)
{
    const struct sf_flow_key *key = &seg->key;
    int order = memcmp(key->addr[0], key->addr[1], sizeof key->addr[0]);
    INVARIANT(order < 0 || (order == 0 && key->port[0] <= key->port[1]), "order of the key");
    INVARIANT(seg->dir == SF_FROM_0 || seg->dir == SF_FROM_1, "dir");
    INVARIANT(seg->payload_cap <= seg->payload_len, "payload");
    INVARIANT(seg->tcp_header_len >= 20 && seg->tcp_header_len <= 60, "header length");
    INVARIANT(seg->options.sack_count <= SF_SACK_MAX, "SACK blocks");
    INVARIANT(key->scope.ip_version == 4 || key->scope.ip_version == 6, "IP version");
    INVARIANT(seg->packet == packet->number && seg->ts_ns == packet->ts_ns, "packet");
    if (!seg->from_fragments)
        INVARIANT(seg->ip >= packet->data && seg->ip + seg->ip_cap <= packet->data + packet->caplen,
                  "the IP packet lies within what was captured");
    bool known = true;
    sf_segment_checksum_ok(seg, &known);
}

static enum sf_verdict decode(struct sf_decoder *decoder, const struct sf_packet *packet,
                              struct sf_decoded *out)
{
    enum sf_verdict verdict = sf_decode(decoder, packet, out);
    INVARIANT(verdict < SF_VERDICT_COUNT, "verdict");
    INVARIANT(!out->has_quote || verdict == SF_VERDICT_NOT_TCP, "an ICMP error is not TCP");
    if (verdict == SF_VERDICT_OK)
        check_segment(&out->segment, packet);
    return verdict;
}

/* What was captured of the frame, at exactly its size. */
static struct sf_packet packet_of(struct sf_reader frame, uint32_t wirelen, uint16_t linktype)
{
    uint32_t caplen = (uint32_t)sf_reader_left(&frame);
    uint8_t *octets = malloc(caplen > 0 ? caplen : 1);
    if (octets == NULL)
        abort();
    memcpy(octets, frame.at, caplen);
    return (struct sf_packet){.number = 1,
                              .ts_ns = SF_SEC,
                              .caplen = caplen,
                              .wirelen = wirelen,
                              .linktype = linktype,
                              .data = octets};
}

static void check_shorter(const struct sf_segment *whole, const struct sf_decoded *cut,
                          enum sf_verdict verdict)
{
    if (verdict != SF_VERDICT_OK)
        return;
    const struct sf_segment *seg = &cut->segment;
    INVARIANT(memcmp(&whole->key, &seg->key, sizeof seg->key) == 0, "the key of a cut frame");
    INVARIANT(sf_seq_equal(whole->seq, seg->seq), "the number of a cut frame");
    INVARIANT(whole->payload_len == seg->payload_len, "the octets of a cut frame");
    INVARIANT(whole->payload_cap >= seg->payload_cap, "captured octets of a cut frame");
}

/* The same frame with less of it captured. */
static void decode_cut(uint8_t options, const struct sf_packet *whole,
                       const struct sf_segment *segment, uint32_t caplen)
{
    struct sf_decoder *decoder = decoder_of(options);
    struct sf_packet packet =
        packet_of(sf_reader_of(whole->data, caplen), whole->wirelen, whole->linktype);
    struct sf_decoded out;
    enum sf_verdict verdict = decode(decoder, &packet, &out);
    /* Too little of a tunnel's header to know it makes its carrier an IP packet like any other. */
    bool is_expected = verdict == SF_VERDICT_OK || verdict == SF_VERDICT_TRUNCATED ||
                       (segment->tunnel_count > 0 && verdict == SF_VERDICT_NOT_TCP);
    INVARIANT(is_expected, sf_verdict_name(verdict));
    check_shorter(segment, &out, verdict);
    free((void *)packet.data);
    sf_decoder_free(decoder);
}

static void decode_frame(struct sf_decoder *decoder, uint8_t options, uint16_t linktype,
                         struct sf_reader frame, uint16_t cut)
{
    struct sf_packet packet = packet_of(frame, (uint32_t)sf_reader_left(&frame) + cut, linktype);
    struct sf_decoded out;
    enum sf_verdict verdict = decode(decoder, &packet, &out);
    bool may_be_cut = verdict == SF_VERDICT_OK && !out.segment.from_fragments &&
                      !out.segment.length_guessed && !(options & OPTION_VERIFY);
    for (uint32_t part = 1; may_be_cut && part < 8; part++)
        decode_cut(options, &packet, &out.segment, packet.caplen * part / 8);
    free((void *)packet.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sf_reader input = sf_reader_of(data, size), frame;
    uint8_t options;
    uint16_t linktype, caplen, cut;
    if (!sf_read_u8(&input, &options) || !sf_read_be16(&input, &linktype))
        return 0;
    struct sf_decoder *decoder = decoder_of(options);
    while (sf_read_be16(&input, &caplen) && sf_read_be16(&input, &cut)) {
        if (caplen > sf_reader_left(&input))
            caplen = (uint16_t)sf_reader_left(&input);
        sf_read_slice(&input, caplen, &frame);
        decode_frame(decoder, options, linktype, frame, cut);
    }
    sf_decoder_free(decoder);
    return 0;
}
