/* synfin/capture.h: images of captures are built here, written to files and read back whole. */
#include "synfin/capture.h"

#include "config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>
#if SYNFIN_ZSTD
#include <zstd.h>
#endif
#if SYNFIN_LZ4
#include <lz4frame.h>
#endif

enum { FILES_MAX = 4, PACKETS_MAX = 4096 };

/* --- images --- */

struct image {
    uint8_t octets[1 << 16];
    size_t len;
    bool is_big_endian;
    size_t block; /* where the block being written begins */
};

static void put(struct image *image, uint64_t value, unsigned width)
{
    for (unsigned i = 0; i < width; i++) {
        unsigned shift = 8 * (image->is_big_endian ? width - 1 - i : i);
        image->octets[image->len++] = (uint8_t)(value >> shift);
    }
}

static void put_octets(struct image *image, const void *octets, size_t len)
{
    memcpy(image->octets + image->len, octets, len);
    image->len += len;
}

/* `len` octets of which the first is `first`. */
static void put_data(struct image *image, uint8_t first, size_t len)
{
    memset(image->octets + image->len, 0x5a, len);
    if (len > 0)
        image->octets[image->len] = first;
    image->len += len;
}

static void put_pcap_header(struct image *image, uint32_t magic, unsigned minor, uint32_t linktype)
{
    put(image, magic, 4);
    put(image, 2, 2);
    put(image, minor, 2);
    put(image, 0, 8);
    put(image, 65535, 4);
    put(image, linktype, 4);
}

static void put_pcap_packet(struct image *image, uint32_t seconds, uint32_t fraction,
                            uint32_t wirelen, uint8_t first, uint32_t caplen)
{
    put(image, seconds, 4);
    put(image, fraction, 4);
    put(image, caplen, 4);
    put(image, wirelen, 4);
    put_data(image, first, caplen);
}

static void begin_block(struct image *image, uint32_t type)
{
    image->block = image->len;
    put(image, type, 4);
    put(image, 0, 4);
}

static void end_block(struct image *image)
{
    put_data(image, 0, -image->len & 3u);
    size_t end = image->len;
    uint32_t len = (uint32_t)(end + 4 - image->block);
    image->len = image->block + 4;
    put(image, len, 4);
    image->len = end;
    put(image, len, 4);
}

static void put_section(struct image *image)
{
    begin_block(image, 0x0a0d0d0a);
    put(image, 0x1a2b3c4d, 4);
    put(image, 1, 2);
    put(image, 0, 2);
    put(image, UINT64_MAX, 8);
    end_block(image);
}

/* resolution 6 and offset 0 are the defaults and are left out. */
static void put_interface(struct image *image, uint16_t linktype, uint32_t snaplen,
                          uint8_t resolution, int64_t offset_s)
{
    begin_block(image, 1);
    put(image, linktype, 2);
    put(image, 0, 2);
    put(image, snaplen, 4);
    if (resolution != 6) {
        put(image, 9, 2);
        put(image, 1, 2);
        put_data(image, resolution, 1);
        put_data(image, 0, 3);
    }
    if (offset_s != 0) {
        put(image, 14, 2);
        put(image, 8, 2);
        put(image, (uint64_t)offset_s, 8);
    }
    end_block(image);
}

static void put_packet_block(struct image *image, uint32_t interface, uint64_t ticks,
                             uint32_t wirelen, uint8_t first, uint32_t caplen)
{
    begin_block(image, 6);
    put(image, interface, 4);
    put(image, ticks >> 32, 4);
    put(image, ticks & 0xffffffffu, 4);
    put(image, caplen, 4);
    put(image, wirelen, 4);
    put_data(image, first, caplen);
    end_block(image);
}

static void put_statistics(struct image *image, uint32_t interface, uint64_t ifdrop,
                           uint64_t osdrop)
{
    begin_block(image, 5);
    put(image, interface, 4);
    put(image, 0, 8);
    put(image, 5, 2);
    put(image, 8, 2);
    put(image, ifdrop, 8);
    put(image, 7, 2);
    put(image, 8, 2);
    put(image, osdrop, 8);
    put(image, 0, 4);
    end_block(image);
}

/* --- files --- */

static char *path_of(char path[32], int index)
{
    snprintf(path, 32, "/tmp/sf%ld-%d.cap", (long)getpid(), index);
    return path;
}

static void write_octets(int index, const void *octets, size_t len)
{
    char path[32];
    FILE *file = fopen(path_of(path, index), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(octets, 1, len, file), len);
    fclose(file);
}

static void write_image(int index, const struct image *image)
{
    write_octets(index, image->octets, image->len);
}

static int remove_files(void **state)
{
    (void)state;
    char path[32];
    for (int i = 0; i < FILES_MAX; i++)
        unlink(path_of(path, i));
    return 0;
}

/* --- whole results --- */

struct result {
    bool is_open;
    bool filter_bad;
    struct sf_error error;
    size_t count;
    struct sf_packet packets[PACKETS_MAX]; /* data is not valid any more: see first */
    uint8_t first[PACKETS_MAX];            /* octet of each packet */
    struct sf_capture_totals totals;
    struct sf_input_report reports[FILES_MAX];
};

struct request {
    size_t files;
    bool from_stdin;
    bool is_strict, reads_ahead;
    const char *filter;
    size_t capacity; /* of a batch; 0: 64 */
};

static void take_batch(struct result *result, const struct sf_packet *batch, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_true(result->count < PACKETS_MAX);
        unsigned sum = 0; /* touches every octet: sanitizers see what is not there */
        for (size_t k = 0; k < batch[i].caplen; k++)
            sum += batch[i].data[k];
        assert_true(sum <= 255u * batch[i].caplen);
        result->first[result->count] = batch[i].caplen > 0 ? batch[i].data[0] : 0;
        result->packets[result->count] = batch[i];
        result->packets[result->count++].data = NULL;
    }
}

static void read_all(struct result *result, const struct request *request)
{
    char paths[FILES_MAX][32];
    const char *files[FILES_MAX];
    struct sf_packet batch[64];
    struct sf_capture *capture = NULL;
    for (size_t i = 0; i < request->files; i++)
        files[i] = path_of(paths[i], (int)i);
    if (request->from_stdin)
        files[0] = "-";
    memset(result, 0, sizeof *result);
    struct sf_capture_options options = {.files = files,
                                         .file_count = request->files,
                                         .filter = request->filter,
                                         .strict = request->is_strict,
                                         .read_ahead = request->reads_ahead};
    if (sf_capture_open(&capture, &options, &result->filter_bad, &result->error) != 0)
        return;
    result->is_open = true;
    size_t count;
    while ((count = sf_capture_next(capture, batch, request->capacity ? request->capacity : 64)))
        take_batch(result, batch, count);
    assert_true(sf_capture_ended(capture));
    result->totals = sf_capture_totals(capture);
    const struct sf_input_report *reports = sf_capture_reports(capture, &count);
    assert_int_equal(count, request->files);
    memcpy(result->reports, reports, count * sizeof *reports);
    sf_capture_close(capture);
}

static struct result result; /* too large for the stack; each read_all() begins it anew */

static void read_one(const struct image *image)
{
    write_image(0, image);
    read_all(&result, &(struct request){.files = 1});
}

static void expect_same(const struct result *other)
{
    assert_int_equal(result.is_open, other->is_open);
    assert_int_equal(result.count, other->count);
    for (size_t i = 0; i < result.count; i++) {
        const struct sf_packet *a = &result.packets[i], *b = &other->packets[i];
        assert_true(a->number == b->number && a->ts_ns == b->ts_ns && a->caplen == b->caplen &&
                    a->wirelen == b->wirelen && a->linktype == b->linktype &&
                    a->interface == b->interface && result.first[i] == other->first[i]);
    }
    assert_string_equal(result.reports[0].error.text, other->reports[0].error.text);
    assert_int_equal(result.reports[0].damaged, other->reports[0].damaged);
    assert_int_equal(result.reports[0].packets, other->reports[0].packets);
}

struct expected {
    sf_ns ts_ns;
    uint32_t caplen, wirelen;
    uint16_t linktype, interface;
    uint8_t first;
    bool filtered;
};

static void expect_packets(const struct expected *expected, size_t count)
{
    assert_true(result.is_open);
    assert_int_equal(result.count, count);
    assert_int_equal(result.totals.packets, count);
    for (size_t i = 0; i < count; i++) {
        const struct sf_packet *got = &result.packets[i];
        assert_int_equal(got->number, i + 1);
        assert_int_equal(got->ts_ns, expected[i].ts_ns);
        assert_int_equal(got->caplen, expected[i].caplen);
        assert_int_equal(got->wirelen, expected[i].wirelen);
        assert_int_equal(got->linktype, expected[i].linktype);
        assert_int_equal(got->interface, expected[i].interface);
        assert_int_equal(result.first[i], expected[i].first);
        assert_int_equal(got->filtered, expected[i].filtered);
    }
}

#define EXPECT(...)                                                                                \
    expect_packets((const struct expected[]){__VA_ARGS__},                                         \
                   sizeof((const struct expected[]){__VA_ARGS__}) / sizeof(struct expected))

/* The report of input 0: sound when what is NULL, else damaged with that text after the path. */
static void expect_report(const char *format, const char *compression, const char *what)
{
    char text[600] = "";
    char path[32];
    if (what != NULL)
        snprintf(text, sizeof text, "%s: %s", path_of(path, 0), what);
    assert_string_equal(result.reports[0].error.text, text);
    assert_string_equal(result.reports[0].format, format);
    assert_int_equal(result.reports[0].damaged, what != NULL);
    assert_false(result.reports[0].unreadable);
    assert_int_equal(result.reports[0].packets, result.count);
    if (compression == NULL)
        assert_null(result.reports[0].compression);
    else
        assert_string_equal(result.reports[0].compression, compression);
}

static void expect_unreadable(const char *what)
{
    char text[600];
    char path[32];
    snprintf(text, sizeof text, "%s: %s", path_of(path, 0), what);
    assert_false(result.is_open);
    assert_false(result.filter_bad);
    assert_string_equal(result.error.text, text);
}

/* --- pcap --- */

static void pcap_in_every_order_and_precision(void **state)
{
    (void)state;
    static const struct {
        uint32_t magic;
        bool is_big_endian;
        sf_ns unit;
    } rows[] = {
        {0xa1b2c3d4, false, 1000},
        {0xa1b2c3d4, true, 1000},
        {0xa1b23c4d, false, 1},
        {0xa1b23c4d, true, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct image image = {.is_big_endian = rows[i].is_big_endian};
        put_pcap_header(&image, rows[i].magic, 4, 1);
        put_pcap_packet(&image, 0xffffffff, 999999, 1514, 7, 60);
        put_pcap_packet(&image, 1, 0, 3, 8, 5);
        read_one(&image);
        EXPECT({0xffffffff * SF_SEC + 999999 * rows[i].unit, 60, 1514, 1, 0, 7, false},
               {SF_SEC, 5, 5, 1, 0, 8, false}); /* wirelen is never below caplen */
        expect_report("pcap", NULL, NULL);
    }
}

static void pcap_without_packets(void **state)
{
    (void)state;
    struct image image = {0};
    put_pcap_header(&image, 0xa1b2c3d4, 4, 1);
    read_one(&image);
    assert_true(result.is_open);
    assert_int_equal(result.count, 0);
    expect_report("pcap", NULL, NULL);
}

static void pcap_with_longer_record_headers(void **state)
{
    (void)state;
    struct image image = {0};
    put_pcap_header(&image, 0xa1b2cd34, 4, 1);
    for (uint8_t i = 1; i <= 2; i++) {
        put(&image, i, 4);
        put(&image, 0, 4);
        put(&image, 10, 4);
        put(&image, 20, 4);
        put(&image, 0x0303030303030303, 8);
        put_data(&image, i, 10);
    }
    read_one(&image);
    EXPECT({1 * SF_SEC, 10, 20, 1, 0, 1, false}, {2 * SF_SEC, 10, 20, 1, 0, 2, false});
}

static void pcap_link_types(void **state)
{
    (void)state;
    static const struct {
        uint32_t in_file;
        uint16_t linktype;
        const char *why;
    } rows[] = {
        {1, 1, "as it is"},
        {12, 101, "DLT_RAW of most systems"},
        {14, 101, "DLT_RAW of OpenBSD"},
        {101, 101, "as registered"},
        {0x24000001, 1, "FCS length and its presence bit"},
        {276, 276, "more than one octet"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct image image = {0};
        put_pcap_header(&image, 0xa1b2c3d4, 4, rows[i].in_file);
        put_pcap_packet(&image, 1, 0, 4, 9, 4);
        read_one(&image);
        EXPECT({SF_SEC, 4, 4, rows[i].linktype, 0, 9, false});
    }
}

static void pcap_of_old_versions_swaps_lengths(void **state)
{
    (void)state;
    static const struct {
        unsigned minor;
        uint32_t first_length, second_length;
        const char *why;
    } rows[] = {
        {2, 60, 5, "always before 2.3"},
        {3, 60, 5, "2.3: the larger one was on the wire"},
        {3, 5, 60, "2.3 in order"},
        {4, 5, 60, "in order since 2.4"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct image image = {0};
        put_pcap_header(&image, 0xa1b2c3d4, rows[i].minor, 1);
        put(&image, 1, 4);
        put(&image, 0, 4);
        put(&image, rows[i].first_length, 4);
        put(&image, rows[i].second_length, 4);
        put_data(&image, 3, 5);
        read_one(&image);
        EXPECT({SF_SEC, 5, 60, 1, 0, 3, false});
    }
}

/* --- pcapng --- */

static void pcapng_interfaces_and_sections(void **state)
{
    (void)state;
    struct image image = {0};
    put_section(&image);
    put_interface(&image, 1, 0, 6, 0);
    put_interface(&image, 113, 96, 9, 100);
    put_packet_block(&image, 1, 5, 60, 1, 3);
    begin_block(&image, 0x0000000a); /* decryption secrets: not ours */
    put_data(&image, 0xff, 33);
    end_block(&image);
    put_packet_block(&image, 0, 0x100000000, 60, 2, 4);
    image.is_big_endian = true;
    put_section(&image);
    put_interface(&image, 101, 0, 0x80 | 1, 0);
    put_packet_block(&image, 0, 3, 60, 3, 5);
    read_one(&image);
    EXPECT({100 * SF_SEC + 5, 3, 60, 113, 1, 1, false},
           {0x100000000 * SF_USEC, 4, 60, 1, 0, 2, false},
           {SF_SEC + 500 * SF_MSEC, 5, 60, 101, 2, 3, false});
    expect_report("pcapng", NULL, NULL);
}

static void pcapng_simple_and_old_packets(void **state)
{
    (void)state;
    struct image image = {0};
    put_section(&image);
    put_interface(&image, 1, 4, 6, 0);
    begin_block(&image, 2); /* packet block: 16-bit interface, drop count */
    put(&image, 0, 2);
    put(&image, 0xffff, 2);
    put(&image, 0, 4);
    put(&image, 7, 4);
    put(&image, 4, 4);
    put(&image, 9, 4);
    put_data(&image, 1, 4);
    end_block(&image);
    begin_block(&image, 3);
    put(&image, 60, 4);
    put_data(&image, 2, 4);
    end_block(&image);
    begin_block(&image, 3);
    put(&image, 3, 4);
    put_data(&image, 3, 3);
    end_block(&image);
    read_one(&image);
    EXPECT({7 * SF_USEC, 4, 9, 1, 0, 1, false}, {7 * SF_USEC, 4, 60, 1, 0, 2, false},
           {7 * SF_USEC, 3, 3, 1, 0, 3, false});
}

static void pcapng_timestamps(void **state)
{
    (void)state;
    static const struct {
        uint8_t resolution;
        int64_t offset_s;
        uint64_t ticks;
        sf_ns ts_ns;
        const char *why;
    } rows[] = {
        {0, 0, 5, 5 * SF_SEC, "seconds"},
        {9, 0, 1700000000123456789, 1700000000123456789, "nanoseconds"},
        {9, -1700000000, 1700000000123456789, 123456789, "offset back"},
        {12, 0, 1234567890123456, 1234567890123, "picoseconds round down"},
        {19, 0, 12345678901234567890u, 1234567890, "the largest power in 64 bits"},
        {20, 0, UINT64_MAX, 184467440, "no second fits any more"},
        {28, 0, UINT64_MAX, 1, "hardly a nanosecond"},
        {29, 0, UINT64_MAX, 0, "not one nanosecond"},
        {127, 0, UINT64_MAX, 0, "the smallest power of ten"},
        {0x80, 0, 3, 3 * SF_SEC, "two to the zeroth"},
        {0x80 | 32, 0, 0x100000001, SF_SEC, "NTP fraction rounds down"},
        {0x80 | 33, 0, 0x300000000, SF_SEC + 500 * SF_MSEC, "past 32 bits"},
        {0x80 | 63, 0, UINT64_MAX, SF_SEC + 999999999, "63 bits"},
        {0x80 | 64, 0, 0x8000000000000000, 500 * SF_MSEC, "64 bits: no second"},
        {0x80 | 127, 0, UINT64_MAX, 0, "the smallest power of two"},
        {0, 0, UINT64_MAX, (sf_ns)1 << 62, "too late saturates"},
        {6, 0, UINT64_MAX, (sf_ns)1 << 62, "too late in microseconds"},
        {6, INT64_MAX, 1, (sf_ns)1 << 62, "offset too late"},
        {0, INT64_MAX, UINT64_MAX, (sf_ns)1 << 62, "both too late"},
        {6, INT64_MIN, 1, -((sf_ns)1 << 60), "too early is still known"},
        {6, -1, 0, -SF_SEC, "tick 0 has its offset"},
        {0x80 | 4, 9, 0, 9 * SF_SEC, "tick 0 on the slow path"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct image image = {0};
        put_section(&image);
        put_interface(&image, 1, 0, rows[i].resolution, rows[i].offset_s);
        put_packet_block(&image, 0, rows[i].ticks, 60, 1, 3);
        read_one(&image);
        EXPECT({rows[i].ts_ns, 3, 60, 1, 0, 1, false});
    }
}

static void pcapng_drops_are_the_last_count_of_each_interface(void **state)
{
    (void)state;
    struct image image = {0};
    put_section(&image);
    put_interface(&image, 1, 0, 6, 0);
    put_interface(&image, 1, 0, 6, 0);
    put_statistics(&image, 0, 5, 0);
    put_statistics(&image, 1, 100, 20);
    put_statistics(&image, 0, 7, 1);
    put_section(&image);
    put_interface(&image, 1, 0, 6, 0);
    put_statistics(&image, 0, 0, 1000);
    read_one(&image);
    assert_int_equal(result.totals.dropped, 8 + 120 + 1000);
    assert_true(result.totals.is_dropped_known);
    assert_int_equal(result.count, 0);
}

static void pcapng_none_dropped_is_known_from_its_statistics(void **state)
{
    (void)state;
    struct image image = {0};
    put_section(&image);
    put_interface(&image, 1, 0, 6, 0);
    read_one(&image);
    assert_false(result.totals.is_dropped_known);
    put_statistics(&image, 0, 0, 0);
    read_one(&image);
    assert_int_equal(result.totals.dropped, 0);
    assert_true(result.totals.is_dropped_known);
}

/* --- damage --- */

/* Three packets; boundaries[] are the lengths at which the image may end. */
static size_t three_packets(struct image *image, bool is_pcapng, size_t boundaries[8])
{
    size_t n = 0;
    if (is_pcapng) {
        put_section(image);
        boundaries[n++] = image->len;
        put_interface(image, 1, 0, 6, 0);
    } else {
        put_pcap_header(image, 0xa1b2c3d4, 4, 1);
    }
    boundaries[n++] = image->len;
    for (uint8_t i = 1; i <= 3; i++) {
        if (is_pcapng)
            put_packet_block(image, 0, i * 1000000u, 60, i, 10u * i);
        else
            put_pcap_packet(image, i, 0, 60, i, 10u * i);
        boundaries[n++] = image->len;
    }
    return n;
}

static void check_cut(bool is_pcapng, const size_t *boundaries, size_t n, size_t len)
{
    size_t reached = 0; /* boundaries at or before len */
    while (reached < n && boundaries[reached] <= len)
        reached++;
    if (reached == 0) {
        assert_false(result.is_open);
        assert_true(result.error.text[0] == '/');
        return;
    }
    size_t headers = is_pcapng ? 2 : 1;
    size_t packets = reached > headers ? reached - headers : 0;
    bool is_damaged = boundaries[reached - 1] != len;
    assert_true(result.is_open);
    assert_int_equal(result.count, packets);
    assert_int_equal(result.reports[0].damaged, is_damaged);
    char place[64] = "";
    if (is_damaged)
        snprintf(place, sizeof place, "(packet %zu, byte %zu)", packets + 1,
                 boundaries[reached - 1]);
    const char *found = strrchr(result.reports[0].error.text, '(');
    assert_string_equal(found != NULL ? found : "", place);
    for (size_t i = 0; i < packets; i++)
        assert_int_equal(result.first[i], i + 1);
}

static void cut_at_every_length(void **state)
{
    (void)state;
    for (int is_pcapng = 0; is_pcapng < 2; is_pcapng++) {
        struct image image = {0};
        size_t boundaries[8];
        size_t n = three_packets(&image, is_pcapng, boundaries);
        for (size_t len = 0; len <= image.len; len++) {
            write_octets(0, image.octets, len);
            read_all(&result, &(struct request){.files = 1});
            check_cut(is_pcapng, boundaries, n, len);
        }
    }
}

/* No octet of the image, changed to any of a few values, may crash the reader. */
static void every_octet_changed(void **state)
{
    (void)state;
    static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    for (int is_pcapng = 0; is_pcapng < 2; is_pcapng++) {
        struct image image = {0};
        size_t boundaries[8];
        three_packets(&image, is_pcapng, boundaries);
        for (size_t i = 0; i < image.len * sizeof values; i++) {
            struct image hostile = image;
            hostile.octets[i / sizeof values] = values[i % sizeof values];
            read_one(&hostile);
            assert_true(result.count <= 3);
        }
    }
}

/* Three packet blocks; the word at `at` of the second is another. */
static void read_with_word(bool is_big_endian, size_t at, uint32_t word)
{
    struct image image = {.is_big_endian = is_big_endian};
    put_section(&image);
    put_interface(&image, 1, 0, 6, 0);
    put_interface(&image, 101, 40, 9, -7);
    put_packet_block(&image, 0, 1000000, 60, 1, 11);
    put_packet_block(&image, 1, 2000000, 60, 2, 11);
    size_t end = image.len;
    image.len = image.block + at;
    put(&image, word, 4);
    image.len = end;
    put_packet_block(&image, 1, 3000000, 60, 3, 11);
    read_one(&image);
}

/* What is read in one go in this machine's byte order is read a block at a time in the other. */
static void packet_blocks_mean_the_same_in_both_orders(void **state)
{
    (void)state;
    static struct result other;
    /* not 2: in obsolete packet blocks what is a word here are two numbers */
    static const uint32_t words[] = {0,  1,  3,  5,      6,      11,         12,         13, 28,
                                     32, 40, 44, 262144, 262145, 0x0a0d0d0a, 0x7fffffff, ~0u};
    enum { HEADER = 8 + 20, DATA = 12 };
    for (size_t at = 0; at <= HEADER + DATA; at += at == HEADER - 4 ? 4 + DATA : 4)
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
            read_with_word(true, at, words[i]);
            other = result;
            read_with_word(false, at, words[i]);
            expect_same(&other);
        }
}

static void hostile_lengths(void **state)
{
    (void)state;
    static const struct {
        uint32_t caplen;
        const char *what;
    } rows[] = {
        {262145, "a packet of 262145 octets, more than the 262144 possible (packet 2, byte 44)"},
        {0xffffffff,
         "a packet of 4294967295 octets, more than the 262144 possible (packet 2, byte 44)"},
        {262144, "cut within a packet (packet 2, byte 44)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct image image = {0};
        put_pcap_header(&image, 0xa1b2c3d4, 4, 1);
        put_pcap_packet(&image, 1, 0, 60, 1, 4);
        put(&image, 2, 4);
        put(&image, 0, 4);
        put(&image, rows[i].caplen, 4);
        put(&image, 60, 4);
        put_data(&image, 2, 50);
        read_one(&image);
        EXPECT({SF_SEC, 4, 60, 1, 0, 1, false});
        expect_report("pcap", NULL, rows[i].what);
    }
}

static void hostile_block(struct image *image, const char *kind)
{
    if (strcmp(kind, "interface") == 0)
        put_packet_block(image, 1, 1, 60, 1, 4);
    if (strcmp(kind, "statistics") == 0)
        put_statistics(image, 7, 1, 1);
    if (strcmp(kind, "trailer") == 0) {
        put_packet_block(image, 0, 1, 60, 1, 4);
        image->octets[image->len - 4] ^= 4;
    }
    if (strcmp(kind, "odd") == 0) {
        put_packet_block(image, 0, 1, 60, 1, 4);
        image->octets[image->block + 4] = 37;
        image->len -= 4;
        put(image, 0, 1);
        put(image, 37, 4);
    }
    if (strcmp(kind, "zeros") == 0)
        put(image, 0, 8);
    if (strcmp(kind, "caplen") == 0) {
        put_packet_block(image, 0, 1, 60, 1, 4);
        image->octets[image->block + 20] = 9;
    }
    if (strcmp(kind, "section") == 0) {
        put_section(image);
        image->octets[image->block + 8] ^= 1;
    }
}

static void hostile_blocks(void **state)
{
    (void)state;
    static const struct {
        const char *kind;
        const char *what;
    } rows[] = {
        {"interface", "a packet of an interface that was not described (packet 2, byte 84)"},
        {"statistics", "statistics of an interface that was not described (packet 2, byte 84)"},
        {"trailer", "a block whose two lengths differ (packet 2, byte 84)"},
        {"odd", "a block of 37 octets, which cannot be (packet 2, byte 84)"},
        {"zeros", "a block of 0 octets, which cannot be (packet 2, byte 84)"},
        {"caplen", "a packet that is longer than its block (packet 2, byte 84)"},
        {"section", "a section of no known byte order (packet 2, byte 84)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct image image = {0};
        put_section(&image);
        put_interface(&image, 1, 0, 6, 0);
        put_packet_block(&image, 0, 9, 60, 1, 3);
        hostile_block(&image, rows[i].kind);
        read_one(&image);
        EXPECT({9 * SF_USEC, 3, 60, 1, 0, 1, false});
        expect_report("pcapng", NULL, rows[i].what);
    }
}

/* A block of its own length around `len` octets, all zero but what is given. */
static size_t put_long_block(uint8_t *out, uint32_t type, uint32_t caplen, size_t len)
{
    struct image ends = {0};
    put(&ends, type, 4);
    put(&ends, 8 + len + 4, 4);
    put(&ends, 0, 8);
    put(&ends, 0, 4);
    put(&ends, caplen, 4);
    put(&ends, caplen, 4);
    memset(out, 0, 8 + len + 4);
    memcpy(out, ends.octets, ends.len);
    memcpy(out + 8 + len, ends.octets + 4, 4);
    return 8 + len + 4;
}

/* After a longer block that holds no packet, so that both are in memory when they are looked at. */
static void pcapng_packet_longer_than_possible(void **state)
{
    (void)state;
    enum { MOST = 262144 };
    static uint8_t octets[4 * MOST];
    for (uint32_t beyond = 0; beyond <= 4; beyond += 4) {
        struct image image = {0};
        put_section(&image);
        put_interface(&image, 1, 0, 6, 0);
        size_t len = image.len;
        memcpy(octets, image.octets, len);
        len += put_long_block(octets + len, 0x0bad, 0, 2 * MOST);
        len += put_long_block(octets + len, 6, 4, 20 + 4);
        size_t at = len;
        len += put_long_block(octets + len, 6, MOST + beyond, 20 + MOST + beyond);
        write_octets(0, octets, len);
        read_all(&result, &(struct request){.files = 1});
        char what[128];
        snprintf(what, sizeof what,
                 "a packet of 262148 octets, more than the 262144 possible (packet 2, byte %zu)",
                 at);
        assert_int_equal(result.count, beyond > 0 ? 1 : 2);
        expect_report("pcapng", NULL, beyond > 0 ? what : NULL);
    }
}

static void what_is_not_a_capture(void **state)
{
    (void)state;
    remove_files(NULL);
    read_all(&result, &(struct request){.files = 1});
    expect_unreadable("No such file or directory");
    write_octets(0, "", 0);
    read_all(&result, &(struct request){.files = 1});
    expect_unreadable("not a capture (empty)");
    write_octets(0, "GET / HTTP/1.1\r\n", 16);
    read_all(&result, &(struct request){.files = 1});
    expect_unreadable("not a capture (magic 0x47455420)");

    const char *directory = "/tmp";
    struct sf_capture *capture;
    struct sf_error err;
    bool filter_bad;
    struct sf_capture_options options = {.files = &directory, .file_count = 1};
    assert_int_equal(sf_capture_open(&capture, &options, &filter_bad, &err), -1);
    assert_string_equal(err.text, "/tmp: Is a directory");
}

/* Opens a file of so many packets of 60 octets and takes the first of them. */
enum { RECORD_60 = 16 + 60 };

static struct sf_capture *open_many(char path[32], int packets)
{
    static struct image record;
    FILE *file = fopen(path_of(path, 0), "wb");
    record.len = 0;
    put_pcap_header(&record, 0xa1b2c3d4, 4, 1);
    fwrite(record.octets, 1, record.len, file);
    record.len = 0;
    put_pcap_packet(&record, 1, 0, 60, 1, 60);
    for (int i = 0; i < packets; i++)
        fwrite(record.octets, 1, record.len, file);
    fclose(file);

    const char *files[] = {path};
    struct sf_capture_options options = {.files = files, .file_count = 1};
    struct sf_capture *capture;
    struct sf_packet first;
    assert_int_equal(sf_capture_open(&capture, &options, NULL, NULL), 0);
    assert_int_equal(sf_capture_next(capture, &first, 1), 1);
    return capture;
}

static size_t count_rest(struct sf_capture *capture)
{
    struct sf_packet batch[64];
    size_t total = 0, count;
    while ((count = sf_capture_next(capture, batch, 64)) > 0) {
        total += count;
        for (size_t i = 0; i < count; i++)
            assert_int_equal(batch[i].caplen, 60);
    }
    return total;
}

/* The end of a file may come nearer while packets of it are in use. */
static void file_cut_while_it_is_read(void **state)
{
    (void)state;
    enum { KEPT = 1000 };
    char path[32];
    size_t count;
    struct sf_capture *capture = open_many(path, 100000);
    assert_int_equal(truncate(path, 24 + KEPT * RECORD_60 + 10), 0);
    assert_int_equal(count_rest(capture), KEPT - 1);
    const struct sf_input_report *report = sf_capture_reports(capture, &count);
    assert_true(report->damaged);
    assert_non_null(
        strstr(report->error.text, "the file was cut while it was read (packet 1001, "));
    sf_capture_close(capture);
}

/* What a writer adds meanwhile, perhaps half a packet, is not read: every reader finds one end. */
static void file_grows_while_it_is_read(void **state)
{
    (void)state;
    enum { PACKETS = 1000 };
    char path[32];
    size_t count;
    struct sf_capture *capture = open_many(path, PACKETS);
    assert_int_equal(truncate(path, 24 + 2 * PACKETS * RECORD_60 + 10), 0);
    assert_int_equal(count_rest(capture), PACKETS - 1);
    const struct sf_input_report *report = sf_capture_reports(capture, &count);
    assert_false(report->damaged);
    sf_capture_close(capture);
}

/* --- compression and standard input --- */

static size_t gzip(uint8_t *out, size_t capacity, const uint8_t *in, size_t len)
{
    z_stream z = {0};
    deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    z.next_in = (Bytef *)(uintptr_t)in;
    z.avail_in = (uInt)len;
    z.next_out = out;
    z.avail_out = (uInt)capacity;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t made = capacity - z.avail_out;
    deflateEnd(&z);
    return made;
}

#if SYNFIN_ZSTD
static size_t zstd(uint8_t *out, size_t capacity, const uint8_t *in, size_t len)
{
    return ZSTD_compress(out, capacity, in, len, 3);
}
#endif

#if SYNFIN_LZ4
static size_t lz4(uint8_t *out, size_t capacity, const uint8_t *in, size_t len)
{
    return LZ4F_compressFrame(out, capacity, in, len, NULL);
}
#endif

static const struct compressor {
    const char *name;
    size_t (*compress)(uint8_t *out, size_t capacity, const uint8_t *in, size_t len);
} compressors[] = {
    {"gzip", gzip},
#if SYNFIN_ZSTD
    {"zstd", zstd},
#endif
#if SYNFIN_LZ4
    {"lz4", lz4},
#endif
};

enum { COMPRESSORS = sizeof compressors / sizeof compressors[0] };

/* In two members or frames, the border in the middle of a packet. */
static size_t compress_twice(const struct compressor *c, uint8_t *out, const struct image *image)
{
    size_t half = image->len / 2;
    size_t len = c->compress(out, 4096, image->octets, half);
    return len + c->compress(out + len, 4096, image->octets + half, image->len - half);
}

static void compressed_in_several_members(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2u * COMPRESSORS; i++) {
        const struct compressor *c = &compressors[i / 2];
        struct image image = {0};
        size_t boundaries[8];
        uint8_t octets[8192];
        three_packets(&image, i % 2, boundaries);
        write_octets(0, octets, compress_twice(c, octets, &image));
        read_all(&result, &(struct request){.files = 1});
        EXPECT({1 * SF_SEC, 10, 60, 1, 0, 1, false}, {2 * SF_SEC, 20, 60, 1, 0, 2, false},
               {3 * SF_SEC, 30, 60, 1, 0, 3, false});
        expect_report(i % 2 ? "pcapng" : "pcap", c->name, NULL);
    }
}

static void compressed_and_cut_at_every_length(void **state)
{
    (void)state;
    for (size_t i = 0; i < COMPRESSORS; i++) {
        struct image image = {0};
        size_t boundaries[8];
        uint8_t octets[8192];
        three_packets(&image, false, boundaries);
        size_t whole = compress_twice(&compressors[i], octets, &image);
        size_t first =
            compressors[i].compress((uint8_t[4096]){0}, 4096, image.octets, image.len / 2);
        for (size_t len = 0; len < whole; len++) {
            write_octets(0, octets, len);
            read_all(&result, &(struct request){.files = 1});
            assert_true(result.count <= 3);
            if (result.is_open) /* the first member ends within a packet: damage there, too */
                assert_true(result.reports[0].damaged);
            else
                assert_true(len < first);
        }
    }
}

static void gzip_padded_with_zeros(void **state)
{
    (void)state;
    struct image image = {0};
    size_t boundaries[8];
    uint8_t octets[8192] = {0};
    three_packets(&image, false, boundaries);
    size_t len = gzip(octets, 4096, image.octets, image.len);
    write_octets(0, octets, len + 512);
    read_all(&result, &(struct request){.files = 1});
    assert_int_equal(result.count, 3);
    expect_report("pcap", "gzip", NULL);
    octets[len] = 'x';
    write_octets(0, octets, len + 512);
    read_all(&result, &(struct request){.files = 1});
    assert_int_equal(result.count, 3);
    assert_true(result.reports[0].damaged);
}

enum { LONG_PACKETS = 4000, LONG_CAPLEN = 1400 };

/* A capture whose packets hold noise: it stays long when it is compressed. With less than 8 bits an
 * octet, it is compressed indeed. */
static size_t long_capture(uint8_t *out, unsigned bits)
{
    struct image record = {0};
    uint32_t noise = 1;
    size_t len = 0;
    put_pcap_header(&record, 0xa1b2c3d4, 4, 1);
    for (uint32_t i = 0; i <= LONG_PACKETS; i++) {
        memcpy(out + len, record.octets, record.len);
        len += record.len;
        record.len = 0;
        put_pcap_packet(&record, i, 0, 1514, (uint8_t)i, LONG_CAPLEN);
        for (size_t k = 17; k < record.len; k++)
            record.octets[k] = (uint8_t)((noise = noise * 1664525 + 1013904223) >> (32 - bits));
    }
    return len;
}

/* With and without a thread that decompresses, all is the same. */
static void read_both_ways(void)
{
    static struct result other;
    read_all(&other, &(struct request){.files = 1});
    read_all(&result, &(struct request){.files = 1, .reads_ahead = true});
    expect_same(&other);
}

/* More than the buffer of a stream holds: batches end where it has to move. */
static void long_compressed_input(void **state)
{
    (void)state;
    static uint8_t plain[24 + LONG_PACKETS * (16 + LONG_CAPLEN)], octets[sizeof plain + 65536];
    size_t len = long_capture(plain, 8);
    for (size_t c = 0; c < COMPRESSORS; c++) {
        size_t whole = compressors[c].compress(octets, sizeof octets, plain, len);
        write_octets(0, octets, whole);
        read_both_ways();
        assert_int_equal(result.count, LONG_PACKETS);
        for (uint32_t i = 0; i < LONG_PACKETS; i++) {
            assert_int_equal(result.packets[i].ts_ns, i * SF_SEC);
            assert_int_equal(result.first[i], i & 0xff);
        }
        expect_report("pcap", compressors[c].name, NULL);
        write_octets(0, octets, whole * 2 / 3);
        read_both_ways();
        assert_true(result.count > LONG_PACKETS / 2 && result.reports[0].damaged);
        memset(octets + whole * 3 / 4, 0xff, 64); /* noise as well, where nothing was compressed */
        write_octets(0, octets, whole);
        read_both_ways();
    }
}

/* All before the damaged block is there, however much is asked for at once. */
static void long_compressed_input_is_damaged(void **state)
{
    (void)state;
    static uint8_t plain[24 + LONG_PACKETS * (16 + LONG_CAPLEN)], octets[sizeof plain + 65536];
    enum { WHERE = LONG_PACKETS * 3 / 4, BLOCK = 128 * 1024 / (16 + LONG_CAPLEN) };
    size_t len = long_capture(plain, 3);
    for (size_t c = 0; c < COMPRESSORS; c++) {
        size_t whole = compressors[c].compress(octets, sizeof octets, plain, len);
        memset(octets + whole * 3 / 4, 0xff, 64);
        write_octets(0, octets, whole);
        read_both_ways();
        assert_true(result.reports[0].damaged);
        assert_in_range(result.count, WHERE - BLOCK, WHERE + LONG_PACKETS / 100);
    }
}

/* Who stops early waits for nobody. */
static void long_compressed_input_is_left(void **state)
{
    (void)state;
    static uint8_t plain[24 + LONG_PACKETS * (16 + LONG_CAPLEN)], octets[sizeof plain + 65536];
    struct sf_packet batch[64];
    struct sf_capture *capture = NULL;
    struct sf_error err;
    char path[32];
    const char *file = path_of(path, 0);
    struct sf_capture_options options = {.files = &file, .file_count = 1, .read_ahead = true};
    write_octets(0, octets, gzip(octets, sizeof octets, plain, long_capture(plain, 8)));
    for (size_t batches = 0; batches < 40; batches += 13) {
        assert_int_equal(sf_capture_open(&capture, &options, NULL, &err), 0);
        for (size_t i = 0; i < batches; i++)
            assert_true(sf_capture_next(capture, batch, 64) > 0);
        sf_capture_close(capture);
    }
}

static void with_stdin(const struct image *image, bool is_pipe)
{
    int ends[2];
    int saved = dup(STDIN_FILENO);
    char path[32];
    write_image(0, image);
    if (is_pipe) {
        assert_int_equal(pipe(ends), 0);
        assert_int_equal(write(ends[1], image->octets, image->len), image->len);
        close(ends[1]);
    } else {
        ends[0] = open(path_of(path, 0), O_RDONLY);
    }
    dup2(ends[0], STDIN_FILENO);
    close(ends[0]);
    read_all(&result, &(struct request){.files = 1, .from_stdin = true});
    if (saved >= 0) {
        dup2(saved, STDIN_FILENO);
        close(saved);
    }
}

static void standard_input(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct image image = {0};
        size_t boundaries[8];
        three_packets(&image, i & 1, boundaries);
        image.len -= 1;
        with_stdin(&image, i & 2);
        assert_int_equal(result.count, 2);
        assert_string_equal(result.reports[0].name, "-");
        assert_true(result.reports[0].damaged);
        assert_memory_equal(result.reports[0].error.text, "standard input: cut within a ", 29);
    }
}

/* --- several inputs --- */

static void write_times(int index, uint8_t first, const uint32_t *seconds, size_t count)
{
    struct image image = {0};
    put_pcap_header(&image, 0xa1b2c3d4, 4, index == 0 ? 1 : 101);
    for (size_t i = 0; i < count; i++)
        put_pcap_packet(&image, seconds[i], 0, 60, (uint8_t)(first + i), 20);
    write_image(index, &image);
}

static void merged_by_time_ties_by_order(void **state)
{
    (void)state;
    write_times(0, 10, (const uint32_t[]){1, 5, 2, 9}, 4); /* 2 after 5: file order holds */
    write_times(1, 20, (const uint32_t[]){1, 3, 9}, 3);
    write_times(2, 30, (const uint32_t[]){0, 5}, 2);
    for (size_t capacity = 1; capacity <= 16; capacity++) {
        read_all(&result, &(struct request){.files = 3, .capacity = capacity});
        EXPECT({0 * SF_SEC, 20, 60, 101, 2, 30, false}, {1 * SF_SEC, 20, 60, 1, 0, 10, false},
               {1 * SF_SEC, 20, 60, 101, 1, 20, false}, {3 * SF_SEC, 20, 60, 101, 1, 21, false},
               {5 * SF_SEC, 20, 60, 1, 0, 11, false}, {2 * SF_SEC, 20, 60, 1, 0, 12, false},
               {5 * SF_SEC, 20, 60, 101, 2, 31, false}, {9 * SF_SEC, 20, 60, 1, 0, 13, false},
               {9 * SF_SEC, 20, 60, 101, 1, 22, false});
        assert_int_equal(result.reports[0].packets, 4);
        assert_int_equal(result.reports[1].packets, 3);
        assert_int_equal(result.reports[2].packets, 2);
    }
}

static void merged_streams_keep_their_heads(void **state)
{
    (void)state;
    enum { PACKETS = 1000, CAPLEN = 1400 };
    static uint8_t plain[24 + PACKETS * (16 + CAPLEN)];
    static uint8_t octets[sizeof plain];
    for (int file = 0; file < 2; file++) {
        struct image record = {0};
        size_t len = 0;
        put_pcap_header(&record, 0xa1b2c3d4, 4, 1);
        for (uint32_t i = 0; i <= PACKETS; i++) {
            memcpy(plain + len, record.octets, record.len);
            len += record.len;
            record.len = 0; /* the second input has bursts of 100 every 100 s */
            put_pcap_packet(&record, file ? i / 100 * 100 : i, 0, 1514, (uint8_t)(i % 250), CAPLEN);
        }
        write_octets(file, octets, gzip(octets, sizeof octets, plain, len));
    }
    read_all(&result, &(struct request){.files = 2});
    assert_int_equal(result.count, 2 * PACKETS);
    uint32_t next[2] = {0, 0};
    for (size_t i = 0; i < result.count; i++) {
        uint16_t file = result.packets[i].interface;
        assert_int_equal(result.first[i], next[file]++ % 250);
        assert_int_equal(result.packets[i].number, i + 1);
        assert_true(i == 0 || result.packets[i - 1].ts_ns <= result.packets[i].ts_ns);
    }
}

static void damage_ends_one_input_unless_strict(void **state)
{
    (void)state;
    write_times(0, 10, (const uint32_t[]){1, 2, 8}, 3);
    write_times(1, 20, (const uint32_t[]){3, 4, 5}, 3);
    char path[32];
    assert_int_equal(truncate(path_of(path, 0), 24 + 2 * 36 + 7), 0);
    read_all(&result, &(struct request){.files = 2});
    assert_int_equal(result.count, 5);
    expect_packets((const struct expected[]){{1 * SF_SEC, 20, 60, 1, 0, 10, false},
                                             {2 * SF_SEC, 20, 60, 1, 0, 11, false},
                                             {3 * SF_SEC, 20, 60, 101, 1, 20, false},
                                             {4 * SF_SEC, 20, 60, 101, 1, 21, false},
                                             {5 * SF_SEC, 20, 60, 101, 1, 22, false}},
                   5);
    assert_true(result.reports[0].damaged);
    assert_false(result.reports[1].damaged);
    read_all(&result, &(struct request){.files = 2, .is_strict = true});
    EXPECT({1 * SF_SEC, 20, 60, 1, 0, 10, false}, {2 * SF_SEC, 20, 60, 1, 0, 11, false});
    assert_true(result.reports[0].damaged);
}

static void unreadable_among_others(void **state)
{
    (void)state;
    write_octets(0, "neither", 7);
    write_times(1, 20, (const uint32_t[]){3}, 1);
    read_all(&result, &(struct request){.files = 2});
    EXPECT({3 * SF_SEC, 20, 60, 101, 0, 20, false});
    assert_true(result.reports[0].unreadable);
    assert_false(result.reports[1].unreadable);
    assert_non_null(strstr(result.reports[0].error.text, ": not a capture (magic 0x6e656974)"));
    read_all(&result, &(struct request){.files = 2, .is_strict = true});
    expect_unreadable("not a capture (magic 0x6e656974)");
}

/* --- filters --- */

/* An IPv4 packet of 20 octets, after an Ethernet header unless the link is raw. */
static void put_ip(struct image *image, bool is_raw, uint8_t protocol)
{
    static const uint8_t ethernet[14] = {[12] = 0x08, [13] = 0x00};
    uint8_t ip[20] = {0x45, [3] = 20, [8] = 64, [9] = protocol};
    uint32_t len = is_raw ? 20 : 34;
    begin_block(image, 6);
    put(image, is_raw, 4);
    put(image, 0, 4);
    put(image, 1, 4);
    put(image, len, 4);
    put(image, len, 4);
    put_octets(image, ethernet, len - 20);
    put_octets(image, ip, 20);
    end_block(image);
}

static void filtered_packets_are_counted(void **state)
{
    (void)state;
    struct image image = {0};
    put_section(&image);
    put_interface(&image, 1, 0, 6, 0);
    put_interface(&image, 101, 0, 6, 0);
    put_ip(&image, false, 6);
    put_ip(&image, true, 17);
    put_ip(&image, true, 6);
    put_ip(&image, false, 17);
    write_image(0, &image);
    read_all(&result, &(struct request){.files = 1, .filter = "tcp"});
    EXPECT({SF_USEC, 34, 34, 1, 0, 0, false}, {SF_USEC, 20, 20, 101, 1, 0x45, true},
           {SF_USEC, 20, 20, 101, 1, 0x45, false}, {SF_USEC, 34, 34, 1, 0, 0, true});
    assert_int_equal(result.totals.filtered, 2);
    expect_report("pcapng", NULL, NULL);

    read_all(&result, &(struct request){.files = 1, .filter = "ether broadcast or tcp"});
    assert_int_equal(result.count, 4); /* no Ethernet on raw IP: all of those are turned down */
    assert_int_equal(result.totals.filtered, 3);
    assert_false(result.reports[0].damaged);
    assert_non_null(strstr(result.reports[0].error.text, "packets of link type 101 are left out"));
}

static void bad_filter(void **state)
{
    (void)state;
    static const char *const rows[] = {"tcp port", "ether proto", "nonsense here"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        write_times(0, 1, (const uint32_t[]){1}, 1);
        read_all(&result, &(struct request){.files = 1, .filter = rows[i]});
        assert_false(result.is_open);
        assert_true(result.filter_bad);
        assert_memory_equal(result.error.text, "filter '", 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pcap_in_every_order_and_precision),
        cmocka_unit_test(pcap_without_packets),
        cmocka_unit_test(pcap_with_longer_record_headers),
        cmocka_unit_test(pcap_link_types),
        cmocka_unit_test(pcap_of_old_versions_swaps_lengths),
        cmocka_unit_test(pcapng_interfaces_and_sections),
        cmocka_unit_test(pcapng_simple_and_old_packets),
        cmocka_unit_test(pcapng_timestamps),
        cmocka_unit_test(pcapng_drops_are_the_last_count_of_each_interface),
        cmocka_unit_test(pcapng_none_dropped_is_known_from_its_statistics),
        cmocka_unit_test(cut_at_every_length),
        cmocka_unit_test(every_octet_changed),
        cmocka_unit_test(packet_blocks_mean_the_same_in_both_orders),
        cmocka_unit_test(hostile_lengths),
        cmocka_unit_test(hostile_blocks),
        cmocka_unit_test(pcapng_packet_longer_than_possible),
        cmocka_unit_test(what_is_not_a_capture),
        cmocka_unit_test(file_cut_while_it_is_read),
        cmocka_unit_test(file_grows_while_it_is_read),
        cmocka_unit_test(compressed_in_several_members),
        cmocka_unit_test(compressed_and_cut_at_every_length),
        cmocka_unit_test(gzip_padded_with_zeros),
        cmocka_unit_test(long_compressed_input),
        cmocka_unit_test(long_compressed_input_is_damaged),
        cmocka_unit_test(long_compressed_input_is_left),
        cmocka_unit_test(standard_input),
        cmocka_unit_test(merged_by_time_ties_by_order),
        cmocka_unit_test(merged_streams_keep_their_heads),
        cmocka_unit_test(damage_ends_one_input_unless_strict),
        cmocka_unit_test(unreadable_among_others),
        cmocka_unit_test(filtered_packets_are_counted),
        cmocka_unit_test(bad_filter),
    };
    return cmocka_run_group_tests(tests, NULL, remove_files);
}
