/* Writes pcap, the variant with nanoseconds, in the machine's byte order. */
#include "packet_file.h"

enum { LINKTYPE_ETHERNET = 1 };

int sf_packet_file_open(struct sf_packet_file *out, const char *path, struct sf_error *err)
{
    *out = (struct sf_packet_file){0};
    return sf_output_open(&out->output, path, false, err);
}

static void put_header(struct sf_packet_file *out, uint16_t linktype)
{
    struct {
        uint32_t magic;
        uint16_t major, minor;
        uint32_t zone, accuracy, snaplen, linktype;
    } header = {0xa1b23c4d, 2, 4, 0, 0, 262144, linktype};
    _Static_assert(sizeof header == 24, "the pcap file header has no padding");
    out->has_header = true;
    out->linktype = linktype;
    sf_put(&out->output.buffer, (const char *)&header, sizeof header);
}

int sf_packet_file_add(struct sf_packet_file *out, const struct sf_packet *packet,
                       struct sf_error *err)
{
    if (!out->has_header)
        put_header(out, packet->linktype);
    if (packet->linktype != out->linktype)
        return sf_fail(err, "%s: packets of link types %u and %u do not fit into one pcap file",
                       out->output.path != NULL ? out->output.path : "standard output",
                       (unsigned)out->linktype, (unsigned)packet->linktype);
    uint32_t head[4] = {(uint32_t)(packet->ts_ns / SF_SEC), (uint32_t)(packet->ts_ns % SF_SEC),
                        packet->caplen, packet->wirelen};
    sf_put(&out->output.buffer, (const char *)head, sizeof head);
    sf_put(&out->output.buffer, (const char *)packet->data, packet->caplen);
    return sf_output_line(&out->output, err);
}

int sf_packet_file_finish(struct sf_packet_file *out, struct sf_error *err)
{
    if (!out->has_header)
        put_header(out, LINKTYPE_ETHERNET);
    return sf_output_finish(&out->output, err);
}

void sf_packet_file_dispose(struct sf_packet_file *out)
{
    sf_output_dispose(&out->output);
}
