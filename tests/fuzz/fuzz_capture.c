/* A whole file of any kind, through capture, decoder, tracker and views to records. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "invariant.h"
#include "synfin/capture.h"
#include "synfin/decode.h"
#include "synfin/view.h"

/* Compressed input may grow without end: past this it tells nothing new. */
enum { BATCH = 16, PACKETS_MAX = 5000 };

struct run {
    struct sf_decoder *decoder;
    struct sf_tracker *tracker;
    struct sf_views *views;
    struct invariant_run invariants;
    uint64_t packets;
};

static void fetch(struct run *run)
{
    struct sf_event event;
    while (sf_tracker_event(run->tracker, &event))
        invariant_run_event(&run->invariants, &event);
    struct sf_record record;
    while (sf_tracker_record(run->tracker, &record)) {
        sf_views_record(run->views, &record);
        invariant_run_record(&run->invariants, &record, true);
    }
    struct sf_zeek_row row;
    while (sf_views_zeek_row(run->views, &row))
        INVARIANT(row.conn_state != NULL, "zeek row");
}

static void take(struct run *run, const struct sf_packet *packet)
{
    INVARIANT(packet->number == ++run->packets, "packet numbers");
    INVARIANT(packet->caplen <= packet->wirelen, "packet lengths");
    struct sf_decoded decoded;
    enum sf_verdict verdict = sf_decode(run->decoder, packet, &decoded);
    if (verdict == SF_VERDICT_OK) {
        struct sf_judgement judgement;
        run->invariants.segments++;
        sf_tracker_prefetch_place(run->tracker, &decoded.segment);
        const struct sf_flow *flow = sf_tracker_prefetch_flow(run->tracker, &decoded.segment);
        sf_tracker_prefetch_parts(run->tracker, flow, &decoded.segment);
        void **slot = sf_tracker_segment(run->tracker, &decoded.segment, &judgement);
        judgement.wireshark = sf_views_segment(run->views, &decoded.segment, slot);
    } else if (decoded.has_quote) {
        sf_tracker_icmp(run->tracker, &decoded.quote);
    }
    fetch(run);
}

static void read_all(struct run *run, const char *path)
{
    struct sf_capture_options options = {.files = &path, .file_count = 1};
    struct sf_capture *capture;
    struct sf_error err = {0};
    bool filter_bad = false;
    if (sf_capture_open(&capture, &options, &filter_bad, &err) != 0) {
        INVARIANT(err.text[0] != '\0', "an error without a sentence");
        return;
    }
    struct sf_packet batch[BATCH];
    size_t count;
    while (run->packets < PACKETS_MAX && (count = sf_capture_next(capture, batch, BATCH)) > 0)
        for (size_t i = 0; i < count; i++)
            take(run, &batch[i]);
    size_t reports;
    const struct sf_input_report *report = sf_capture_reports(capture, &reports);
    INVARIANT(reports == 1, "reports");
    INVARIANT(!report->damaged || report->error.text[0] != '\0', "damage without a sentence");
    sf_capture_close(capture);
}

static int file_of(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz_capture", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = file_of(data, size);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct sf_decode_options decode_options = {.hash_seed = 1};
    struct sf_track_options track_options = {.linger_ns = 60 * SF_SEC, .want_events = true};
    struct sf_view_options view_options = {
        .zeek = true, .zeek_rows = true, .wireshark_labels = true};
    struct run run = {.decoder = sf_decoder_new(&decode_options),
                      .tracker = sf_tracker_new(&track_options),
                      .views = sf_views_new(&view_options)};
    if (run.decoder == NULL || run.tracker == NULL || run.views == NULL)
        abort();
    read_all(&run, path);
    close(fd);
    sf_tracker_finish(run.tracker);
    fetch(&run);
    struct sf_track_totals totals = sf_tracker_totals(run.tracker);
    invariant_run_end(&run.invariants, &totals);
    sf_views_free(run.views);
    sf_tracker_free(run.tracker);
    sf_decoder_free(run.decoder);
    return 0;
}
