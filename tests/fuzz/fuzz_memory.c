/* Fails the n-th allocation of a whole run, for every n: what is told may be less, the program goes
 * on. The linker sends the project's own calls here (--wrap). */
#include <stdio.h>
#include <stdlib.h>

#include "synfin/capture.h"
#include "synfin/decode.h"
#include "synfin/slab.h"
#include "synfin/view.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_sf_large_take(size_t octets);
void *__real_sf_slab_take(struct sf_slab *slab);
void *__real_sf_rooms_take(struct sf_rooms *rooms, size_t octets);
void *__real_sf_rooms_move(struct sf_rooms *rooms, void *room, size_t octets, size_t more_octets);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_sf_large_take(size_t octets);
void *__wrap_sf_slab_take(struct sf_slab *slab);
void *__wrap_sf_rooms_take(struct sf_rooms *rooms, size_t octets);
void *__wrap_sf_rooms_move(struct sf_rooms *rooms, void *room, size_t octets, size_t more_octets);

/* The wrapped functions have no argument of ours. */
static uint64_t calls, fails_at;

static bool is_to_fail(void)
{
    return ++calls == fails_at;
}

void *__wrap_malloc(size_t size)
{
    return is_to_fail() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return is_to_fail() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return is_to_fail() ? NULL : __real_realloc(memory, size);
}

void *__wrap_sf_large_take(size_t octets)
{
    return is_to_fail() ? NULL : __real_sf_large_take(octets);
}

void *__wrap_sf_slab_take(struct sf_slab *slab)
{
    return is_to_fail() ? NULL : __real_sf_slab_take(slab);
}

void *__wrap_sf_rooms_take(struct sf_rooms *rooms, size_t octets)
{
    return is_to_fail() ? NULL : __real_sf_rooms_take(rooms, octets);
}

void *__wrap_sf_rooms_move(struct sf_rooms *rooms, void *room, size_t octets, size_t more_octets)
{
    return is_to_fail() ? NULL : __real_sf_rooms_move(rooms, room, octets, more_octets);
}

struct run {
    struct sf_decoder *decoder;
    struct sf_tracker *tracker;
    struct sf_views *views;
};

static void fetch(struct run *run)
{
    struct sf_event event;
    while (sf_tracker_event(run->tracker, &event))
        continue;
    struct sf_record record;
    while (sf_tracker_record(run->tracker, &record))
        sf_views_record(run->views, &record);
    struct sf_zeek_row row;
    while (sf_views_zeek_row(run->views, &row))
        continue;
}

static void take(struct run *run, const struct sf_packet *packet)
{
    struct sf_decoded decoded;
    enum sf_verdict verdict = sf_decode(run->decoder, packet, &decoded);
    if (verdict == SF_VERDICT_OK) {
        struct sf_judgement judgement;
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
    struct sf_error err;
    bool filter_bad = false;
    if (sf_capture_open(&capture, &options, &filter_bad, &err) != 0)
        return;
    struct sf_packet packets[16];
    size_t count;
    while ((count = sf_capture_next(capture, packets, 16)) > 0)
        for (size_t i = 0; i < count; i++)
            take(run, &packets[i]);
    sf_capture_close(capture);
}

/* With all that can be told of each segment; or with every connection but one at rest. */
static void run_once(const char *path, bool is_packed)
{
    struct sf_decode_options decode_options = {.hash_seed = 1};
    struct sf_view_options view_options = {
        .zeek = true, .zeek_rows = true, .wireshark_labels = !is_packed};
    struct sf_track_options track_options = {
        .linger_ns = 60 * SF_SEC, .want_events = !is_packed, .unpacked_max = 1};
    struct run run = {.decoder = sf_decoder_new(&decode_options),
                      .views = sf_views_new(&view_options)};
    struct sf_slot_keeper slots;
    if (run.views != NULL) {
        slots = sf_views_keeper(run.views);
        track_options.slots = is_packed ? &slots : NULL;
        run.tracker = sf_tracker_new(&track_options);
    }
    if (run.decoder != NULL && run.tracker != NULL && run.views != NULL) {
        read_all(&run, path);
        sf_tracker_finish(run.tracker);
        fetch(&run);
    }
    sf_views_free(run.views);
    sf_tracker_free(run.tracker);
    sf_decoder_free(run.decoder);
}

/* Returns how many allocations there were to fail. */
static uint64_t fail_each(const char *path, bool is_packed)
{
    fprintf(stderr, "%s%s\n", path, is_packed ? ", packed" : ""); /* the last one is the culprit */
    for (fails_at = 1;; fails_at++) {
        calls = 0;
        run_once(path, is_packed);
        if (calls < fails_at)
            return fails_at - 1;
    }
}

int main(int argc, char **argv)
{
    uint64_t failed = 0;
    for (int i = 1; i < argc; i++)
        failed += fail_each(argv[i], false) + fail_each(argv[i], true);
    printf("%llu failed allocations\n", (unsigned long long)failed);
    return failed > 0 ? 0 : 1;
}
