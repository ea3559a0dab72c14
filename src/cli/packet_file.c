/* Writes pcap, the variant with nanoseconds, in the machine's byte order. */
#include "packet_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINKTYPE_ETHERNET = 1 };

static int fail_write(const struct sf_packet_file *out, struct sf_error *err)
{
    return sf_fail(err, "%s: %s", out->path, strerror(errno));
}

int sf_packet_file_open(struct sf_packet_file *out, const char *path, struct sf_error *err)
{
    *out = (struct sf_packet_file){.path = strdup(path)};
    if (out->path == NULL)
        return sf_fail(err, "out of memory");
    if (strcmp(path, "-") == 0) {
        out->file = stdout;
        return 0;
    }
    if (asprintf(&out->part, "%s.part", path) < 0) {
        out->part = NULL;
        return sf_fail(err, "out of memory");
    }
    out->file = fopen(out->part, "wb");
    return out->file != NULL ? 0 : fail_write(out, err);
}

static int put_header(struct sf_packet_file *out, uint16_t linktype, struct sf_error *err)
{
    struct {
        uint32_t magic;
        uint16_t major, minor;
        uint32_t zone, accuracy, snaplen, linktype;
    } header = {0xa1b23c4d, 2, 4, 0, 0, 262144, linktype};
    _Static_assert(sizeof header == 24, "the pcap file header has no padding");
    out->has_header = true;
    out->linktype = linktype;
    return fwrite(&header, sizeof header, 1, out->file) == 1 ? 0 : fail_write(out, err);
}

int sf_packet_file_add(struct sf_packet_file *out, const struct sf_packet *packet,
                       struct sf_error *err)
{
    if (!out->has_header && put_header(out, packet->linktype, err) != 0)
        return -1;
    if (packet->linktype != out->linktype)
        return sf_fail(err, "%s: packets of link types %u and %u do not fit into one pcap file",
                       out->path, (unsigned)out->linktype, (unsigned)packet->linktype);
    uint32_t head[4] = {(uint32_t)(packet->ts_ns / SF_SEC), (uint32_t)(packet->ts_ns % SF_SEC),
                        packet->caplen, packet->wirelen};
    if (fwrite(head, sizeof head, 1, out->file) != 1 ||
        fwrite(packet->data, 1, packet->caplen, out->file) != packet->caplen)
        return fail_write(out, err);
    return 0;
}

int sf_packet_file_finish(struct sf_packet_file *out, struct sf_error *err)
{
    if (!out->has_header && put_header(out, LINKTYPE_ETHERNET, err) != 0)
        return -1;
    FILE *file = out->file;
    out->file = NULL;
    if ((file == stdout ? fflush(file) : fclose(file)) != 0)
        return fail_write(out, err);
    if (out->part == NULL)
        return 0;
    if (rename(out->part, out->path) != 0)
        return fail_write(out, err);
    free(out->part);
    out->part = NULL;
    return 0;
}

void sf_packet_file_dispose(struct sf_packet_file *out)
{
    if (out->file != NULL && out->file != stdout)
        fclose(out->file);
    if (out->part != NULL)
        unlink(out->part);
    free(out->part);
    free(out->path);
    *out = (struct sf_packet_file){0};
}
