/* Lines are printed by the workers; under the lock they are only copied and written. */
#include "desk.h"

#include <stdlib.h>
#include <string.h>

int sf_desk_init(struct sf_desk *desk, struct sf_pass *pass, unsigned workers, struct sf_error *err)
{
    *desk = (struct sf_desk){.pass = pass, .count = workers};
    pthread_mutex_init(&desk->lock, NULL);
    pthread_cond_init(&desk->has_ended, NULL);
    sf_capture_reports(pass->intake.capture, &desk->input_count);
    desk->shares = calloc(workers, sizeof *desk->shares);
    desk->inputs = calloc((workers + 1) * desk->input_count, sizeof *desk->inputs);
    if (desk->shares == NULL || desk->inputs == NULL)
        return sf_fail(err, "out of memory");
    for (unsigned i = 0; i < workers; i++) {
        desk->shares[i].inputs = desk->inputs + (i + 1) * desk->input_count;
        desk->shares[i].first_ns = desk->shares[i].last_ns = SF_NS_UNKNOWN;
    }
    return 0;
}

void sf_desk_dispose(struct sf_desk *desk)
{
    free(desk->shares);
    free(desk->inputs);
    pthread_cond_destroy(&desk->has_ended);
    pthread_mutex_destroy(&desk->lock);
}

/* --- what was found --- */

static int take_record(struct sf_pass *pass, const struct sf_record *record, bool is_chosen,
                       struct sf_error *err)
{
    struct sf_attempt attempt;
    sf_tally_record(&pass->tally, record);
    if (sf_attempt_of(record, &attempt))
        sf_findings_add(pass->findings, &attempt);
    return is_chosen ? sf_outputs_record(pass->outputs, record, err) : 0;
}

int sf_desk_record(struct sf_desk *desk, const struct sf_record *record, bool is_chosen,
                   struct sf_error *err)
{
    struct sf_pass *pass = desk->pass;
    bool is_match = pass->fail_on != NULL && sf_where_holds(pass->fail_on, record);
    pthread_mutex_lock(&desk->lock);
    pass->has_failed_on = pass->has_failed_on || is_match;
    int result = take_record(pass, record, is_chosen, err);
    pthread_mutex_unlock(&desk->lock);
    return result;
}

int sf_desk_event(struct sf_desk *desk, const struct sf_event *event, struct sf_error *err)
{
    pthread_mutex_lock(&desk->lock);
    int result = sf_outputs_event(desk->pass->outputs, event, err);
    pthread_mutex_unlock(&desk->lock);
    return result;
}

int sf_desk_update(struct sf_desk *desk, const struct sf_record *record, struct sf_error *err)
{
    pthread_mutex_lock(&desk->lock);
    int result = sf_outputs_update(desk->pass->outputs, record, err);
    pthread_mutex_unlock(&desk->lock);
    return result;
}

int sf_desk_rows(struct sf_desk *desk, struct sf_views *views, struct sf_error *err)
{
    struct sf_zeek_row row;
    int result = 0;
    while (result == 0 && sf_views_zeek_row(views, &row)) {
        pthread_mutex_lock(&desk->lock);
        result = sf_outputs_zeek_row(desk->pass->outputs, &row, err);
        pthread_mutex_unlock(&desk->lock);
    }
    return result;
}

static int take_lines(struct sf_outputs *outputs, struct sf_sink *const forks[SF_OUTPUTS_MAX],
                      struct sf_error *err)
{
    for (size_t i = 0; i < outputs->count; i++) {
        struct sf_buffer *lines = forks[i] != NULL ? forks[i]->lines : NULL;
        if (lines == NULL)
            continue;
        if (sf_outputs_lines(outputs, i, lines->data, lines->len, err) != 0)
            return -1;
        sf_buffer_clear(lines);
    }
    return sf_outputs_flush(outputs, err);
}

int sf_desk_lines(struct sf_desk *desk, struct sf_sink *const forks[SF_OUTPUTS_MAX],
                  struct sf_error *err)
{
    pthread_mutex_lock(&desk->lock);
    int result = take_lines(desk->pass->outputs, forks, err);
    pthread_mutex_unlock(&desk->lock);
    return result;
}

/* --- what was counted --- */

void sf_desk_count(struct sf_desk *desk, unsigned worker, const struct sf_intake *intake,
                   const struct sf_tracker *tracker)
{
    size_t count;
    struct sf_share *share = &desk->shares[worker];
    uint64_t dropped = sf_capture_totals(intake->capture).dropped; /* the reports learn of it */
    const struct sf_input_report *inputs = sf_capture_reports(intake->capture, &count);
    pthread_mutex_lock(&desk->lock);
    memcpy(share->verdicts, intake->verdicts, sizeof share->verdicts);
    share->first_ns = intake->first_ns;
    share->last_ns = intake->last_ns;
    share->tracked = sf_tracker_totals(tracker);
    share->dropped = dropped;
    memcpy(share->inputs, inputs, count * sizeof *inputs);
    pthread_mutex_unlock(&desk->lock);
}

void sf_desk_leave(struct sf_desk *desk, const struct sf_error *err)
{
    pthread_mutex_lock(&desk->lock);
    if (err != NULL && !desk->has_failed) {
        desk->has_failed = true;
        desk->error = *err;
    }
    if (err != NULL)
        atomic_store(&desk->is_over, true);
    desk->working--;
    pthread_cond_signal(&desk->has_ended);
    pthread_mutex_unlock(&desk->lock);
}

static void add_counts(struct sf_intake *sum, const struct sf_share *share)
{
    for (unsigned v = 0; v < SF_VERDICT_COUNT; v++)
        sum->verdicts[v] += share->verdicts[v];
    if (!sf_ns_known(share->first_ns))
        return;
    if (!sf_ns_known(sum->first_ns) || share->first_ns < sum->first_ns)
        sum->first_ns = share->first_ns;
    if (!sf_ns_known(sum->last_ns) || share->last_ns > sum->last_ns)
        sum->last_ns = share->last_ns;
}

/* The first share's reports are told while it runs; what failed in another alone is told later. */
static void add_input(struct sf_input_report *sum, const struct sf_input_report *input)
{
    bool is_new = input->damaged && !sum->damaged;
    sum->packets += input->packets;
    sum->dropped += input->dropped;
    sum->damaged = sum->damaged || input->damaged;
    if (!is_new)
        return;
    sum->error = input->error;
    sum->is_told = false;
}

struct sf_ending sf_desk_sum(struct sf_desk *desk, struct sf_intake *intake)
{
    struct sf_ending ending = {.intake = intake,
                               .inputs = desk->inputs,
                               .input_count = desk->input_count,
                               .captured = {.is_dropped_known = true},
                               .tally = &desk->pass->tally,
                               .findings = desk->pass->findings};
    *intake = (struct sf_intake){.first_ns = SF_NS_UNKNOWN, .last_ns = SF_NS_UNKNOWN};
    for (unsigned i = 0; i < desk->count; i++) {
        const struct sf_share *share = &desk->shares[i];
        add_counts(intake, share);
        sf_track_totals_add(&ending.tracked, &share->tracked);
        ending.captured.dropped += share->dropped;
        for (size_t k = 0; k < desk->input_count; k++) {
            if (i == 0)
                desk->inputs[k] = share->inputs[k];
            else
                add_input(&desk->inputs[k], &share->inputs[k]);
        }
    }
    return ending;
}
