/* Shows what the views say of a capture, without the tracker: one slot per key, for ever.
 *   run_views zeek FILE [-k]      rows as Zeek would write them; -k leaves bad checksums out
 *   run_views labels FILE         packet, tshark's labels of each TCP segment
 *   run_views completeness FILE   packet, final tcp.completeness of its stream */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "synfin/capture.h"
#include "synfin/decode.h"
#include "synfin/view.h"

enum { BUCKETS = 1 << 16, BATCH = 64 };

struct tuple {
    struct sf_flow_key key;
    void *view;
    uint64_t first_packet;
    struct tuple *next;       /* in its bucket */
    struct tuple *next_found; /* in order of first packet */
};

struct seen {
    uint64_t packet;
    struct tuple *tuple;
};

struct run {
    const char *mode;
    struct sf_views *views;
    struct tuple *buckets[BUCKETS];
    struct tuple *first, *last;
    struct seen *seen;
    size_t seen_count, seen_capacity;
};

static void *must(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

static struct tuple *find(struct run *run, const struct sf_segment *seg)
{
    struct tuple **bucket = &run->buckets[seg->hash % BUCKETS];
    for (struct tuple *t = *bucket; t != NULL; t = t->next) {
        if (memcmp(&t->key, &seg->key, sizeof t->key) == 0)
            return t;
    }
    struct tuple *t = must(calloc(1, sizeof *t));
    t->key = seg->key;
    t->first_packet = seg->packet;
    t->next = *bucket;
    *bucket = t;
    if (run->last != NULL)
        run->last->next_found = t;
    else
        run->first = t;
    run->last = t;
    return t;
}

static void print_labels(uint64_t packet, uint32_t labels)
{
    printf("%" PRIu64 "\t", packet);
    const char *separator = "";
    for (int i = 0; i < SF_LABEL_COUNT; i++) {
        if (!(labels & 1u << i))
            continue;
        printf("%s%s", separator, sf_label_name((enum sf_label)i));
        separator = ",";
    }
    putchar('\n');
}

static void print_address(const struct sf_flow_key *key, enum sf_dir dir)
{
    const uint8_t *a = key->addr[dir];
    if (key->scope.ip_version == 4)
        printf("%u.%u.%u.%u", a[0], a[1], a[2], a[3]);
    for (int i = 0; key->scope.ip_version == 6 && i < 16; i += 2)
        printf("%s%02x%02x", i != 0 ? ":" : "", a[i], a[i + 1]);
    printf("\t%u\t", key->port[dir]);
}

static void print_count(uint64_t count)
{
    if (count == SF_COUNT_UNKNOWN)
        printf("-\t");
    else
        printf("%" PRIu64 "\t", count);
}

static void print_time(sf_ns t)
{
    if (sf_ns_known(t))
        printf("%.6f\t", (double)t / (double)SF_SEC);
    else
        printf("-\t");
}

static void print_rows(struct sf_views *views)
{
    struct sf_zeek_row row;
    while (sf_views_zeek_row(views, &row)) {
        enum sf_dir orig = row.originator, resp = sf_dir_other(orig);
        printf("%" PRId64 ".%06" PRId64 "\t", row.start_ns / SF_SEC,
               row.start_ns % SF_SEC / SF_USEC);
        print_address(&row.key, orig);
        print_address(&row.key, resp);
        printf("%s\t%s\t", row.conn_state, row.history[0] != '\0' ? row.history : "-");
        print_count(row.missed_bytes);
        print_time(row.duration_ns);
        print_count(row.bytes[orig]);
        print_count(row.bytes[resp]);
        print_count(row.packets[orig]);
        print_count(row.ip_bytes[orig]);
        print_count(row.packets[resp]);
        printf("%" PRIu64 "\n", row.ip_bytes[resp]);
    }
}

static void remember(struct run *run, uint64_t packet, struct tuple *tuple)
{
    if (run->seen_count == run->seen_capacity) {
        run->seen_capacity = run->seen_capacity * 2 + 1024;
        run->seen = must(realloc(run->seen, run->seen_capacity * sizeof run->seen[0]));
    }
    run->seen[run->seen_count++] = (struct seen){packet, tuple};
}

static void show(struct run *run, const struct sf_segment *seg)
{
    struct tuple *tuple = find(run, seg);
    uint32_t labels = sf_views_segment(run->views, seg, &tuple->view);
    if (strcmp(run->mode, "labels") == 0)
        print_labels(seg->packet, labels);
    else if (strcmp(run->mode, "zeek") == 0)
        print_rows(run->views);
    else
        remember(run, seg->packet, tuple);
}

static void finish(struct run *run)
{
    for (size_t i = 0; i < run->seen_count; i++) {
        struct sf_record record = {.key = run->seen[i].tuple->key,
                                   .first_packet = run->seen[i].packet,
                                   .view_next_packet = run->seen[i].packet,
                                   .view = run->seen[i].tuple->view};
        sf_views_record(run->views, &record);
        printf("%" PRIu64 "\t%" PRIu64 "\n", record.first_packet,
               record.views.wireshark_completeness);
    }
    for (struct tuple *t = run->first; t != NULL;) {
        struct tuple *next = t->next_found;
        struct sf_record record = {.key = t->key, .first_packet = t->first_packet, .view = t->view};
        sf_views_record(run->views, &record);
        print_rows(run->views);
        free(t);
        t = next;
    }
    free(run->seen);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fputs("usage: run_views zeek|labels|completeness FILE [-k]\n", stderr);
        return 2;
    }
    bool labels = strcmp(argv[1], "labels") == 0;
    struct sf_view_options view_options = {.zeek = !labels,
                                           .zeek_checksums = argc > 3,
                                           .zeek_rows = strcmp(argv[1], "zeek") == 0,
                                           .wireshark_labels = labels};
    const char *files[] = {argv[2]};
    struct sf_capture_options options = {.files = files, .file_count = 1};
    struct sf_error err;
    struct sf_capture *capture;
    bool filter_bad = false;
    if (sf_capture_open(&capture, &options, &filter_bad, &err) != 0)
        return 1;
    struct sf_decode_options decode_options = {.hash_seed = 1};
    struct sf_decoder *decoder = must(sf_decoder_new(&decode_options));
    struct run *run = must(calloc(1, sizeof *run));
    run->mode = argv[1];
    run->views = must(sf_views_new(&view_options));
    struct sf_packet batch[BATCH];
    size_t count;
    while ((count = sf_capture_next(capture, batch, BATCH)) > 0) {
        for (size_t i = 0; i < count; i++) {
            struct sf_decoded decoded;
            if (sf_decode(decoder, &batch[i], &decoded) == SF_VERDICT_OK)
                show(run, &decoded.segment);
        }
    }
    finish(run);
    sf_views_free(run->views);
    sf_decoder_free(decoder);
    sf_capture_close(capture);
    free(run);
    return 0;
}
