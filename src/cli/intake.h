/* From the inputs to decoded packets: batches, bounds, counts. */
#ifndef SYNFIN_CLI_INTAKE_H
#define SYNFIN_CLI_INTAKE_H

#include <stdatomic.h>

#include "options.h"
#include "synfin/capture.h"
#include "synfin/decode.h"
#include "synfin/track.h"

struct sf_intake_batch;

/* Who gets what was decoded. Each returns 0, or -1 with *err, which ends the batch. */
struct sf_taker {
    int (*segment)(void *self, const struct sf_segment *segment, const struct sf_packet *packet,
                   struct sf_error *err);
    int (*quote)(void *self, const struct sf_icmp_quote *quote, struct sf_error *err);
    /* A segment or quote of another's share; NULL where there is only one. */
    int (*other)(void *self, uint64_t packet, sf_ns ts_ns, struct sf_error *err);
    /* Where the kernel deals the packets out: what it may have dealt to the wrong one. A segment in
     * a tunnel is not yet counted, nor has it a number: see sf_intake_accept(). */
    int (*stray)(void *self, const struct sf_decoded *decoded, struct sf_error *err);
    void *self;
};

/* Live, what several count together: packets read, and numbers given. */
struct sf_intake_common {
    _Atomic uint64_t taken, numbers;
};

struct sf_intake {
    const struct sf_cli_options *options;
    const struct sf_tracker *tracker; /* whose memory is fetched ahead */
    struct sf_capture *capture;
    struct sf_taker taker;
    unsigned share, shares; /* the part of all connections to hand on, of so many; shares 0: all */
    struct sf_intake_common *common; /* NULL: it counts by itself */
    struct sf_decoder *decoder;
    struct sf_intake_batch *batch;

    uint64_t verdicts[SF_VERDICT_COUNT]; /* packets, handed on or not; OK: TCP segments */
    sf_ns first_ns,
        last_ns;     /* the earliest and the latest; SF_NS_UNKNOWN before the first packet */
    sf_ns latest_ns; /* of the packet handed on last */
    uint64_t packets_taken;
    bool is_full; /* the last batch was: there may be more at once */
    bool is_over; /* a bound of the user's was reached, or nobody listens */
};

/* A capture of what the options name; *is_usage tells a bad filter from a bad file. 0, or -1 with
 * *err. */
int sf_intake_open_capture(struct sf_capture **out, const struct sf_cli_options *options,
                           bool *is_usage, struct sf_error *err);

/* The same files once more, to be read by another thread. 0, or -1 with *err. */
int sf_intake_open_twin(struct sf_capture **out, const struct sf_capture *like,
                        const struct sf_cli_options *options, struct sf_error *err);

/* `options`, `tracker`, `capture`, `taker` and the share are set by the caller and stay its own. 0,
 * or -1 with *err. Disposed by the caller either way. */
int sf_intake_begin(struct sf_intake *intake, uint64_t hash_seed, struct sf_error *err);

/* Hands on at most `capacity` packets, or SF_INTAKE_BATCH, as many as there are; *count says how
 * many were read. None: see sf_capture_ended(). 0, or -1 with *err. */
enum { SF_INTAKE_BATCH = 256 };
int sf_intake_take(struct sf_intake *intake, size_t capacity, size_t *count, struct sf_error *err);

/* Counts a segment that was a stray and is handed on here; its number. */
uint64_t sf_intake_accept(struct sf_intake *intake);

/* Packets of all verdicts. */
uint64_t sf_intake_packets(const struct sf_intake *intake);

void sf_intake_dispose(struct sf_intake *intake);

#endif
