/* The packets of chosen connections as a pcap file with nanoseconds. */
#ifndef SYNFIN_CLI_PACKET_FILE_H
#define SYNFIN_CLI_PACKET_FILE_H

#include <stdbool.h>

#include "synfin/capture.h"
#include "synfin/output.h"

struct sf_packet_file {
    struct sf_output output;
    bool has_header;
    uint16_t linktype; /* of the first packet: a pcap file has one */
};

/* `path` as for sf_output_open(). 0, or -1 with *err. Disposed by the caller either way. */
int sf_packet_file_open(struct sf_packet_file *out, const char *path, struct sf_error *err);

/* 0, or -1 with *err: writing failed, or the packet's link type is not the first's. */
int sf_packet_file_add(struct sf_packet_file *out, const struct sf_packet *packet,
                       struct sf_error *err);

int sf_packet_file_finish(struct sf_packet_file *out, struct sf_error *err);

void sf_packet_file_dispose(struct sf_packet_file *out);

#endif
