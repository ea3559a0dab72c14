/* Opens the inputs by kind, hands out batches, and merges several inputs into one timeline. */
#include "synfin/capture.h"

#include "capture_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

struct sf_capture {
    struct sf_context context;
    struct sf_capture_totals totals; /* dropped is counted when asked for */
    struct sf_input_report *reports;
    size_t report_count;
    bool is_strict;
    bool reads_ahead;
    bool has_ended;
    const struct sf_capture *like; /* while a twin of it is opened */
    struct sf_live *live;          /* NULL: offline */
    struct sf_input *inputs;       /* offline: one for each report */
    /* A binary heap of the open inputs whose head is known, the earliest first. */
    struct sf_input **heap;
    size_t heap_count;
    struct sf_input *drawn; /* its head was handed out: the next one is to be read */
};

/* --- the heap --- */

static bool comes_before(const struct sf_input *a, const struct sf_input *b)
{
    if (a->head.ts_ns != b->head.ts_ns)
        return a->head.ts_ns < b->head.ts_ns;
    return a < b; /* one array, in the order of the command line */
}

static void sift_down(struct sf_capture *capture, size_t at)
{
    struct sf_input **heap = capture->heap;
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++) {
            if (child < capture->heap_count && comes_before(heap[child], heap[least]))
                least = child;
        }
        if (least == at)
            return;
        struct sf_input *swap = heap[at];
        heap[at] = heap[least];
        heap[least] = swap;
        at = least;
    }
}

static void heapify(struct sf_capture *capture)
{
    for (size_t i = capture->heap_count / 2; i-- > 0;)
        sift_down(capture, i);
}

static void heap_drop_first(struct sf_capture *capture)
{
    capture->heap[0] = capture->heap[--capture->heap_count];
    sift_down(capture, 0);
}

/* --- packets --- */

static enum sf_step read_packet(struct sf_input *input, struct sf_packet *out)
{
    if (!input->is_open)
        return SF_STEP_END;
    enum sf_step step = input->next(input, out);
    input->parsed += step == SF_STEP_PACKET;
    return step;
}

/* Reads a head for each open input; those without one have ended. */
static void fill_heap(struct sf_capture *capture)
{
    for (size_t i = 0; i < capture->report_count; i++) {
        struct sf_input *input = &capture->inputs[i];
        if (read_packet(input, &input->head) == SF_STEP_PACKET)
            capture->heap[capture->heap_count++] = input;
    }
    heapify(capture);
}

/* Only one input is left, or there never was another: its packets go straight into the batch. */
static size_t take_single(struct sf_input *input, struct sf_packet *batch, size_t capacity)
{
    size_t count = 0;
    for (;;) {
        if (input->is_open && input->run != NULL)
            count += input->run(input, batch + count, capacity - count);
        input->window.is_pinned = count > 0;
        if (count == capacity || read_packet(input, &batch[count]) != SF_STEP_PACKET)
            break;
        count++;
    }
    input->report->packets += count;
    return count;
}

/* Puts the drawn input back into the heap with its next head. False: not before the next batch. */
static bool replace_drawn(struct sf_capture *capture)
{
    struct sf_input *input = capture->drawn;
    enum sf_step step = read_packet(input, &input->head);
    if (step == SF_STEP_LATER)
        return false;
    capture->drawn = NULL;
    if (step == SF_STEP_END)
        heap_drop_first(capture);
    else
        sift_down(capture, 0);
    return true;
}

static bool damage_ends_all(const struct sf_capture *capture)
{
    for (size_t i = 0; capture->is_strict && i < capture->report_count; i++) {
        if (capture->reports[i].damaged || capture->reports[i].unreadable)
            return true;
    }
    return false;
}

static size_t take_merged(struct sf_capture *capture, struct sf_packet *batch, size_t capacity)
{
    size_t count = 0;
    while (count < capacity) {
        if (capture->drawn != NULL && !replace_drawn(capture))
            break;
        if (capture->heap_count == 0 || damage_ends_all(capture))
            break;
        struct sf_input *first = capture->heap[0];
        batch[count++] = first->head;
        first->window.is_pinned = true;
        first->report->packets++;
        capture->drawn = first;
    }
    return count;
}

static size_t take_offline(struct sf_capture *capture, struct sf_packet *batch, size_t capacity)
{
    for (size_t i = 0; i < capture->report_count; i++) {
        capture->inputs[i].window.is_pinned = false;
        capture->inputs[i].window.may_read_ahead = capture->reads_ahead;
    }
    bool is_single = capture->report_count == 1;
    size_t count = is_single ? take_single(&capture->inputs[0], batch, capacity)
                             : take_merged(capture, batch, capacity);
    bool has_more = is_single ? capture->inputs[0].is_open : capture->heap_count > 0;
    capture->has_ended = !has_more || capture->context.stop || damage_ends_all(capture);
    return count;
}

static size_t take_live(struct sf_capture *capture, struct sf_packet *batch, size_t capacity)
{
    if (capture->context.stop)
        sf_live_end(capture->live);
    size_t count = sf_live_next(capture->live, batch, capacity);
    capture->has_ended = sf_live_has_ended(capture->live);
    return count;
}

size_t sf_capture_next(struct sf_capture *capture, struct sf_packet *batch, size_t capacity)
{
    if (capture->context.stop && capture->live == NULL)
        capture->has_ended = true;
    if (capture->has_ended || capacity == 0)
        return 0;
    size_t count = capture->live != NULL ? take_live(capture, batch, capacity)
                                         : take_offline(capture, batch, capacity);
    for (size_t i = 0; i < count; i++)
        batch[i].number = ++capture->totals.packets;
    if (capture->context.filter != NULL)
        capture->totals.filtered += sf_filter_apply(capture->context.filter, batch, count);
    return count;
}

void sf_capture_give_back(struct sf_capture *capture, const struct sf_packet *packets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        capture->reports[packets[i].input].packets--;
        capture->totals.filtered -= packets[i].filtered;
    }
    capture->totals.packets -= count;
}

bool sf_capture_ended(const struct sf_capture *capture)
{
    return capture->has_ended;
}

void sf_capture_stop(struct sf_capture *capture)
{
    capture->context.stop = true;
}

/* --- opening --- */

/* A day of rotated files may be more than the usual 1024 descriptors. */
static void allow_open_files(size_t count)
{
    struct rlimit limit;
    if (count < 512 || getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int open_input(struct sf_capture *capture, size_t index, bool *has_stdin,
                      struct sf_error *err)
{
    struct sf_input *input = &capture->inputs[index];
    struct sf_input_report *report = &capture->reports[index];
    bool is_stdin = strcmp(report->name, "-") == 0;
    input->context = &capture->context;
    input->report = report;
    input->index = (uint16_t)index;
    if (is_stdin && *has_stdin) {
        report->unreadable = true;
        sf_fail(&report->error, "standard input: named more than once");
        return sf_fail(err, "%s", report->error.text);
    }
    *has_stdin = *has_stdin || is_stdin;
    return capture->like != NULL ? sf_input_open_twin(input, &capture->like->inputs[index], err)
                                 : sf_input_open(input, report->name, err);
}

static int open_files(struct sf_capture *capture, struct sf_error *err)
{
    size_t usable = 0;
    bool has_stdin = false;
    allow_open_files(capture->report_count);
    for (size_t i = 0; i < capture->report_count; i++) {
        struct sf_error why;
        if (open_input(capture, i, &has_stdin, &why) == 0)
            usable++;
        else if (usable == 0 && i == 0 && err != NULL)
            *err = why;
        if (capture->is_strict && capture->reports[i].unreadable)
            return sf_fail(err, "%s", why.text);
    }
    if (usable == 0)
        return -1;
    if (capture->report_count > 1)
        fill_heap(capture);
    return 0;
}

static int open_offline(struct sf_capture *capture, const char *filter, bool *filter_bad,
                        struct sf_error *err)
{
    capture->inputs = calloc(capture->report_count, sizeof *capture->inputs);
    capture->heap = calloc(capture->report_count, sizeof(struct sf_input *));
    if (capture->inputs == NULL || capture->heap == NULL)
        return sf_fail(err, "out of memory");
    struct sf_context *context = &capture->context;
    if (filter != NULL && filter[0] != '\0' && sf_filter_open(&context->filter, filter, err) != 0)
        return -1;
    if (open_files(capture, err) != 0)
        return -1;
    *filter_bad = context->filter != NULL && !sf_filter_is_sound(context->filter, err);
    return *filter_bad ? -1 : 0;
}

static int open_inputs(struct sf_capture *capture, const struct sf_capture_options *options,
                       bool *filter_bad, struct sf_error *err)
{
    bool is_live = options->interface_count > 0;
    capture->is_strict = options->strict;
    capture->reads_ahead = options->read_ahead;
    capture->report_count = is_live ? options->interface_count : options->file_count;
    if (capture->report_count == 0)
        return sf_fail(err, "no input");
    if (capture->report_count > UINT16_MAX + 1)
        return sf_fail(err, "%zu inputs, more than the %d possible", capture->report_count,
                       UINT16_MAX + 1);
    capture->reports = calloc(capture->report_count, sizeof *capture->reports);
    if (capture->reports == NULL)
        return sf_fail(err, "out of memory");
    for (size_t i = 0; i < capture->report_count; i++)
        capture->reports[i].name = is_live ? options->interfaces[i] : options->files[i];
    if (!is_live)
        return open_offline(capture, options->filter, filter_bad, err);
    if (capture->like != NULL)
        return sf_live_open_twin(&capture->live, capture->like->live, options, capture->reports,
                                 err);
    return sf_live_open(&capture->live, options, capture->reports, filter_bad, err);
}

static int open_capture(struct sf_capture **out, const struct sf_capture *like,
                        const struct sf_capture_options *options, bool *filter_bad,
                        struct sf_error *err)
{
    bool is_bad = false;
    struct sf_capture *capture = calloc(1, sizeof *capture);
    if (capture == NULL)
        return sf_fail(err, "out of memory");
    capture->like = like;
    int rc = open_inputs(capture, options, &is_bad, err);
    capture->like = NULL;
    if (filter_bad != NULL)
        *filter_bad = is_bad;
    if (rc != 0) {
        sf_capture_close(capture);
        return -1;
    }
    *out = capture;
    return 0;
}

int sf_capture_open(struct sf_capture **out, const struct sf_capture_options *options,
                    bool *filter_bad, struct sf_error *err)
{
    return open_capture(out, NULL, options, filter_bad, err);
}

bool sf_capture_can_have_twins(const struct sf_capture *capture)
{
    for (size_t i = 0; i < capture->report_count; i++)
        if (capture->live != NULL ||
            (!capture->reports[i].unreadable && !capture->inputs[i].window.is_file))
            return false;
    return true;
}

int sf_capture_open_twin(struct sf_capture **out, const struct sf_capture *like,
                         const struct sf_capture_options *options, struct sf_error *err)
{
    return open_capture(out, like, options, NULL, err);
}

void sf_capture_begin(struct sf_capture *capture, sf_ns begin_ns)
{
    sf_live_begin(capture->live, begin_ns);
}

sf_ns sf_capture_complete_until(const struct sf_capture *capture)
{
    return capture->has_ended ? INT64_MAX : sf_live_complete_until(capture->live);
}

void sf_capture_wait(struct sf_capture *capture, int wake_fd, bool is_short)
{
    sf_live_wait(capture->live, wake_fd, is_short);
}

/* --- what became of it --- */

struct sf_capture_totals sf_capture_totals(struct sf_capture *capture)
{
    struct sf_capture_totals totals = capture->totals;
    bool is_silent = capture->live == NULL && capture->inputs == NULL;
    if (capture->live != NULL)
        totals.dropped = sf_live_dropped(capture->live);
    for (size_t i = 0; capture->inputs != NULL && i < capture->report_count; i++) {
        totals.dropped += sf_input_dropped(&capture->inputs[i]);
        is_silent = is_silent || !capture->inputs[i].tells_dropped;
    }
    totals.is_dropped_known = !is_silent || totals.dropped > 0;
    return totals;
}

const struct sf_input_report *sf_capture_reports(const struct sf_capture *capture, size_t *count)
{
    *count = capture->report_count;
    return capture->reports;
}

const struct sf_input_report *sf_capture_failed(struct sf_capture *capture)
{
    if (capture->live != NULL)
        sf_live_look(capture->live);
    for (size_t i = 0; i < capture->report_count; i++) {
        struct sf_input_report *report = &capture->reports[i];
        if (report->is_told || (!report->damaged && !report->unreadable))
            continue;
        report->is_told = true;
        return report;
    }
    return NULL;
}

uint64_t sf_capture_size(const struct sf_capture *capture)
{
    uint64_t size = 0;
    for (size_t i = 0; capture->inputs != NULL && i < capture->report_count; i++) {
        if (capture->reports[i].unreadable)
            continue;
        if (capture->inputs[i].window.file_size == 0)
            return 0;
        size += capture->inputs[i].window.file_size;
    }
    return size;
}

double sf_capture_progress(const struct sf_capture *capture)
{
    double consumed = 0;
    double size = (double)sf_capture_size(capture);
    for (size_t i = 0; capture->inputs != NULL && i < capture->report_count; i++) {
        const struct sf_input *input = &capture->inputs[i];
        if (capture->reports[i].unreadable)
            continue;
        consumed += input->is_open ? (double)sf_window_consumed(&input->window)
                                   : (double)input->window.file_size;
    }
    return size > 0 ? consumed / size : -1;
}

void sf_capture_close(struct sf_capture *capture)
{
    if (capture == NULL)
        return;
    for (size_t i = 0; capture->inputs != NULL && i < capture->report_count; i++) {
        if (capture->inputs[i].context != NULL)
            sf_input_close(&capture->inputs[i]);
    }
    if (capture->live != NULL)
        sf_live_close(capture->live);
    if (capture->context.filter != NULL)
        sf_filter_close(capture->context.filter);
    free(capture->heap);
    free(capture->inputs);
    free(capture->reports);
    free(capture);
}
