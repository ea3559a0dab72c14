/* One line, redrawn in place: part read, packets a second, time left. */
#include "progress.h"

#include <inttypes.h>
#include <time.h>

static sf_ns machine_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (sf_ns)now.tv_sec * SF_SEC + now.tv_nsec;
}

void sf_progress_begin(struct sf_progress *progress, const struct sf_cli_options *options)
{
    bool is_possible = options->interfaces.count == 0 && !options->quiet;
    *progress =
        (struct sf_progress){.is_shown = is_possible && sf_when_holds(options->progress, stderr)};
    progress->begin_ns = progress->shown_ns = machine_time();
}

void sf_progress_show(struct sf_progress *progress, const struct sf_capture *capture,
                      uint64_t packets)
{
    enum { BATCHES = 64 };
    if (!progress->is_shown || ++progress->skipped < BATCHES)
        return;
    progress->skipped = 0;
    sf_ns now = machine_time();
    if (now - progress->shown_ns < SF_SEC / 5)
        return;
    progress->shown_ns = now;
    progress->has_line = true;
    double elapsed = (double)(now - progress->begin_ns) / 1e9;
    double part = sf_capture_progress(capture);
    fprintf(stderr, "\r\033[K%" PRIu64 " packets, %.1f M/s", packets,
            (double)packets / elapsed / 1e6);
    if (part > 0)
        fprintf(stderr, ", %.0f %%, %.0f s left", part * 100, elapsed / part - elapsed);
    fflush(stderr);
}

void sf_progress_end(struct sf_progress *progress)
{
    if (progress->has_line)
        fputs("\r\033[K", stderr);
    progress->has_line = false;
}
