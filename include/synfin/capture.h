/* Packets from files, standard input or an interface, as one timeline in batches. */
#ifndef SYNFIN_CAPTURE_H
#define SYNFIN_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "synfin/error.h"
#include "synfin/time.h"

/* One captured packet. `data` is borrowed: valid until the next sf_capture_next(). */
struct sf_packet {
    uint64_t number; /* counts every packet of the input from 1, before any filter */
    sf_ns ts_ns;
    uint32_t caplen;   /* octets at data */
    uint32_t wirelen;  /* octets on the wire, never below caplen */
    uint16_t linktype; /* LINKTYPE_ value as registered by tcpdump.org (1 Ethernet, 113 SLL, ...) */
    uint16_t interface; /* index of the interface within the whole input, from 0 */
    uint16_t input;     /* index of its input's report */
    bool filtered;      /* the BPF filter turned it down: only count it */
    const uint8_t *data;
};

enum { SF_BUFFER_MIB_DEFAULT = 64 };

struct sf_capture_options {
    const char *const *files; /* "-" is standard input */
    size_t file_count;
    /* Live when not empty; files and interfaces exclude each other. */
    const char *const *interfaces;
    size_t interface_count;
    /* BPF text, or NULL. Live the kernel applies it: what it turns down is not counted at all. */
    const char *filter;
    bool strict;     /* stop at the first damaged input */
    bool read_ahead; /* files: threads may decompress, begun by sf_capture_next() at the earliest */
    /* live only */
    uint32_t snaplen;    /* 0: default */
    uint32_t buffer_mib; /* 0: default */
    bool promiscuous;
};

/* What became of one input. */
struct sf_input_report {
    const char *name;        /* as the user gave it */
    const char *format;      /* "pcap", "pcapng", "live" */
    const char *compression; /* "gzip", "zstd", "lz4", or NULL */
    uint64_t packets;
    uint64_t dropped; /* live */
    bool damaged;     /* cut or damaged: all before the damage was delivered; live: it went down, or
                         away */
    bool unreadable;  /* could not be opened or is not a capture */
    bool is_told;     /* sf_capture_failed() has given it */
    /* "FILE: what happened (packet N, byte M)", when damaged or unreadable; with neither, empty, or
     * that the filter does not fit a later link type, whose packets count as filtered. */
    struct sf_error error;
};

struct sf_capture_totals {
    uint64_t packets;  /* handed out, filtered ones included */
    uint64_t filtered; /* of them, turned down by the filter */
    uint64_t dropped;  /* by the kernel: pcap_stats live, interface statistics blocks in pcapng */
    bool is_dropped_known; /* each input told it, or some dropped for certain; else dropped is 0 */
};

struct sf_capture;

/* Opens all inputs, at most 65536. Returns 0 when at least one is usable (others are in the
 * reports: partial input), -1 with *err when none is, or the filter does not compile, in which case
 * *filter_bad is true. On success the caller owns *out and closes it with sf_capture_close(). */
int sf_capture_open(struct sf_capture **out, const struct sf_capture_options *options,
                    bool *filter_bad, struct sf_error *err);

/* Whether every usable input is a file that is not compressed: each can be read several times at
 * once. */
bool sf_capture_can_have_twins(const struct sf_capture *capture);

/* Opens the same files once more, from their beginning and no longer than they were when
 * `like` was opened with these options, to be read by another thread. Of live interfaces it is
 * another ring each, and the kernel deals the packets out to all: see sf_ring_join(). 0, or -1 with
 * *err. */
int sf_capture_open_twin(struct sf_capture **out, const struct sf_capture *like,
                         const struct sf_capture_options *options, struct sf_error *err);

/* Live, what was stamped before is passed over; told when all that share are open. */
void sf_capture_begin(struct sf_capture *capture, sf_ns begin_ns);

/* Live: all that was stamped until then has been handed out; INT64_MAX: nothing more will come. */
sf_ns sf_capture_complete_until(const struct sf_capture *capture);

/* Live, from now on: the wait for packets also ends when `wake_fd` (eventfd(2), which is reset)
 * says so, and is short or as long as the kernel may hold packets back. */
void sf_capture_wait(struct sf_capture *capture, int wake_fd, bool is_short);

/* Fills at most `capacity` packets and returns how many, in order of time over all inputs (equal
 * times: the order of the inputs; within one input always the order of the file). 0 means the end
 * of all input; live it may also mean that the timeout passed without a packet, then
 * sf_capture_ended() is false. Damage ends that input only (see the reports), unless strict. */
size_t sf_capture_next(struct sf_capture *capture, struct sf_packet *batch, size_t capacity);

/* The last `count` packets of the batch are not wanted, nor any after them: they count as not
 * handed out. */
void sf_capture_give_back(struct sf_capture *capture, const struct sf_packet *packets,
                          size_t count);

/* True when no packet will come any more. */
bool sf_capture_ended(const struct sf_capture *capture);

/* Ends the capture: a file at once, live when all that was captured until then is handed out (a
 * tenth of a second). Async-signal-safe. */
void sf_capture_stop(struct sf_capture *capture);

struct sf_capture_totals sf_capture_totals(struct sf_capture *capture);

/* Reports in the order of the inputs; valid until close; complete once the capture has ended. */
const struct sf_input_report *sf_capture_reports(const struct sf_capture *capture, size_t *count);

/* The next input that was damaged or could not be read and was not given yet, or NULL. An interface
 * that goes down, comes back, or vanishes is given each time. */
const struct sf_input_report *sf_capture_failed(struct sf_capture *capture);

/* Octets of all usable files on disk, 0 when not known. */
uint64_t sf_capture_size(const struct sf_capture *capture);

/* Part of the input consumed, 0..1, or a negative number when its size is not known. */
double sf_capture_progress(const struct sf_capture *capture);

/* The interfaces and their state, a line each. 0, or -1 with *err. */
int sf_capture_list_interfaces(FILE *out, struct sf_error *err);

void sf_capture_close(struct sf_capture *capture);

#endif
