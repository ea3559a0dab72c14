/* Whether captures are told the same when all connections rest as soon as they can, as segments or
 * packed, and when none does.
 *   at_rest [FILE|FOLDER...]   without, of $SYNFIN_CAPTURES; exits with 77 when that is not set */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "synfin/capture.h"
#include "synfin/decode.h"
#include "synfin/view.h"
#include "told.h"

enum { BATCH = 64, PACKETS_MAX = 300000, SKIPPED = 77 };

/* nftw() passes nothing on. */
static struct totals {
    unsigned captures, others, noted;
    bool differ;
} totals;

struct run {
    struct sf_tracker *tracker;
    struct sf_views *views;
    struct sf_buffer told;
    unsigned noted; /* segments, for later */
};

static void tell(struct sf_buffer *told, const struct sf_record *record)
{
    size_t count;
    const struct sf_field *fields = sf_fields(&count);
    for (size_t i = 0; i < count; i++)
        told_field(told, &fields[i], record);
    told_lists(told, record);
}

static void fetch(struct run *run)
{
    struct sf_record record;
    while (sf_tracker_record(run->tracker, &record)) {
        sf_views_record(run->views, &record);
        tell(&run->told, &record);
    }
}

static void take(struct run *run, struct sf_decoder *decoder, const struct sf_packet *packet)
{
    struct sf_decoded decoded;
    if (sf_decode(decoder, packet, &decoded) == SF_VERDICT_OK) {
        void **slot = sf_tracker_segment(run->tracker, &decoded.segment, NULL);
        run->noted += slot == NULL;
        sf_views_segment(run->views, &decoded.segment, slot);
    } else if (decoded.has_quote) {
        sf_tracker_icmp(run->tracker, &decoded.quote);
    }
    fetch(run);
}

static void read_all(struct run *run, struct sf_capture *capture, bool vlan_key)
{
    struct sf_decode_options options = {.hash_seed = 1, .vlan_key = vlan_key};
    struct sf_decoder *decoder = sf_decoder_new(&options);
    struct sf_packet batch[BATCH];
    size_t count, packets = 0;
    while (packets < PACKETS_MAX && (count = sf_capture_next(capture, batch, BATCH)) > 0) {
        for (size_t i = 0; i < count; i++)
            take(run, decoder, &batch[i]);
        packets += count;
    }
    sf_decoder_free(decoder);
}

/* False: it is no capture. What was told is to be disposed of. */
static bool run_capture(const char *path, bool at_rest, bool vlan_key, struct run *run)
{
    struct sf_capture_options capture_options = {.files = &path, .file_count = 1};
    struct sf_view_options view_options = {.zeek = true};
    struct sf_capture *capture;
    struct sf_error err = {0};
    bool is_usage = false;
    *run = (struct run){.views = sf_views_new(&view_options)};
    struct sf_slot_keeper slots = sf_views_keeper(run->views);
    struct sf_track_options track_options = {
        .linger_ns = 60 * SF_SEC, .slots = at_rest ? &slots : NULL, .unpacked_max = 1};
    run->tracker = sf_tracker_new(&track_options);
    bool is_capture = sf_capture_open(&capture, &capture_options, &is_usage, &err) == 0;
    if (is_capture) {
        read_all(run, capture, vlan_key);
        sf_capture_close(capture);
    }
    sf_tracker_finish(run->tracker);
    fetch(run);
    sf_tracker_free(run->tracker);
    sf_views_free(run->views);
    sf_put_char(&run->told, '\0');
    return is_capture;
}

static bool run_both(const char *path, bool vlan_key)
{
    struct run plain, rested;
    bool is_capture = run_capture(path, false, vlan_key, &plain);
    if (is_capture) {
        run_capture(path, true, vlan_key, &rested);
        totals.noted += rested.noted;
        totals.differ |= !told_same(&plain.told, "in the table", &rested.told, path);
        sf_buffer_dispose(&rested.told);
    }
    sf_buffer_dispose(&plain.told);
    return is_capture;
}

static int visit(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)ftw;
    if (kind != FTW_F)
        return 0;
    bool is_capture = run_both(path, false) && run_both(path, true);
    totals.captures += is_capture;
    totals.others += !is_capture;
    return 0;
}

static int visit_all(const char *path)
{
    enum { OPEN_FOLDERS = 16 };
    if (nftw(path, visit, OPEN_FOLDERS, FTW_PHYS) == 0)
        return 0;
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return 1;
}

int main(int argc, char **argv)
{
    const char *folder = getenv("SYNFIN_CAPTURES");
    int result = 0;
    if (argc < 2 && folder == NULL)
        return SKIPPED;
    if (argc < 2)
        result = visit_all(folder);
    for (int i = 1; i < argc; i++)
        result |= visit_all(argv[i]);
    printf("%u captures, %u other files, %u segments were noted for later\n", totals.captures,
           totals.others, totals.noted);
    return result != 0 || totals.differ || totals.noted == 0;
}
