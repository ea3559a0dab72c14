/* conn.log as Zeek 8 writes it, TSV or JSON: one line per row of the zeek view. What only Zeek can
 * know (service, local nets, tunnel parents) is unset. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "raw.h"
#include "report_internal.h"
#include "synfin/address.h"
#include "synfin/bytes.h"
#include "synfin/output.h"

/* In the order of the log; TYPE as its header names it. */
#define ZEEK_COLUMNS(X)                                                                            \
    X("ts", "time")                                                                                \
    X("uid", "string")                                                                             \
    X("id.orig_h", "addr")                                                                         \
    X("id.orig_p", "port")                                                                         \
    X("id.resp_h", "addr")                                                                         \
    X("id.resp_p", "port")                                                                         \
    X("proto", "enum")                                                                             \
    X("service", "string")                                                                         \
    X("duration", "interval")                                                                      \
    X("orig_bytes", "count")                                                                       \
    X("resp_bytes", "count")                                                                       \
    X("conn_state", "string")                                                                      \
    X("local_orig", "bool")                                                                        \
    X("local_resp", "bool")                                                                        \
    X("missed_bytes", "count")                                                                     \
    X("history", "string")                                                                         \
    X("orig_pkts", "count")                                                                        \
    X("orig_ip_bytes", "count")                                                                    \
    X("resp_pkts", "count")                                                                        \
    X("resp_ip_bytes", "count")                                                                    \
    X("tunnel_parents", "set[string]")                                                             \
    X("ip_proto", "count")

#define COLUMN_NAME(name, type) "\t" name
#define COLUMN_TYPE(name, type) "\t" type
static const char column_names[] = "#fields" ZEEK_COLUMNS(COLUMN_NAME) "\n";
static const char column_types[] = "#types" ZEEK_COLUMNS(COLUMN_TYPE) "\n";

struct zeek_sink {
    struct sf_sink sink;
    struct sf_output output;
    bool is_json;
    bool has_header;
    sf_ns closed_ns; /* of the last row: when it was over */
};

/* A row as the texts of its columns; NULL is unset. */
struct cells {
    char ts[32], uid[20], address[SF_DIR_COUNT][SF_ADDRESS_TEXT], duration[32];
    char port[SF_DIR_COUNT][24], bytes[SF_DIR_COUNT][24], missed[24], packets[SF_DIR_COUNT][24],
        ip_bytes[SF_DIR_COUNT][24];
};

static struct zeek_sink *zeek_of(struct sf_sink *sink)
{
    return (struct zeek_sink *)sink;
}

static int end_line(struct zeek_sink *zeek, struct sf_error *err)
{
    int result = sf_output_line(&zeek->output, err);
    zeek->sink.gone = zeek->output.gone;
    return result;
}

/* "2020-03-14-11-51-42", of the capture and not of this run: the same input gives the same log. */
static void put_log_time(struct sf_buffer *out, const char *name, sf_ns t)
{
    char text[SF_TIME_TEXT]; /* not by libc: its time_t may have 32 bits */
    sf_time_rfc3339(text, sf_ns_known(t) ? t / SF_SEC * SF_SEC : 0);
    text[strcspn(text, ".")] = '\0';
    for (char *at = text; (at = strpbrk(at, "T:")) != NULL;)
        *at = '-';
    sf_put_format(out, "#%s\t%s\n", name, text);
}

static void put_header(struct zeek_sink *zeek, sf_ns opened_ns)
{
    if (zeek->has_header || zeek->is_json)
        return;
    zeek->has_header = true;
    struct sf_buffer *out = &zeek->output.buffer;
    sf_put_text(out, "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n"
                     "#unset_field\t-\n#path\tconn\n");
    put_log_time(out, "open", opened_ns);
    sf_put_text(out, column_names);
    sf_put_text(out, column_types);
}

/* splitmix64's finalizer over what was mixed before and the next word. */
static uint64_t mix(uint64_t state, uint64_t word)
{
    state = (state ^ word) + UINT64_C(0x9e3779b97f4a7c15);
    state = (state ^ state >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    state = (state ^ state >> 27) * UINT64_C(0x94d049bb133111eb);
    return state ^ state >> 31;
}

static uint64_t mix_row(uint64_t state, const struct sf_zeek_row *row)
{
    const struct sf_flow_key *key = &row->key;
    for (int i = 0; i < SF_DIR_COUNT; i++) {
        for (int octet = 0; octet < 16; octet += 4)
            state = mix(state, sf_be32(&key->addr[i][octet]));
        state = mix(state, key->port[i]);
    }
    for (int i = 0; i < SF_TUNNEL_MAX; i++)
        state = mix(state, (uint64_t)key->scope.tunnel_kind[i] << 32 | key->scope.tunnel_id[i]);
    state = mix(state, (uint64_t)row->start_ns);
    return mix(state, row->first_packet);
}

/* Like Zeek's: C and seventeen of [0-9A-Za-z]; unlike Zeek's, the same in every run. */
static void make_uid(char out[20], const struct sf_zeek_row *row)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    uint64_t words[2] = {mix_row(1, row), mix_row(2, row)};
    out[0] = 'C';
    for (int i = 1; i < 18; i++) {
        uint64_t *word = &words[i & 1];
        out[i] = digits[*word % 62];
        *word /= 62;
    }
    out[18] = '\0';
}

static void make_count(char out[24], uint64_t count)
{
    char *end = count == SF_COUNT_UNKNOWN ? out : sf_digits(out, count);
    *end = '\0';
}

static void make_seconds(char out[32], int64_t microseconds)
{
    uint64_t n = microseconds < 0 ? 0 - (uint64_t)microseconds : (uint64_t)microseconds;
    *out = '-';
    char *at = sf_digits(out + (microseconds < 0), n / 1000000);
    sf_store_digits(at, sf_eight_digits((uint32_t)(n % 1000000) * 100)); /* six, and two zeros */
    memmove(at + 1, at, 6);
    at[0] = '.';
    at[7] = '\0';
}

static void make_cells(struct cells *cells, const struct sf_zeek_row *row)
{
    int64_t begin = row->start_ns / SF_USEC;
    make_seconds(cells->ts, begin);
    make_uid(cells->uid, row);
    cells->duration[0] = '\0';
    if (sf_ns_known(row->duration_ns))
        make_seconds(cells->duration, (row->start_ns + row->duration_ns) / SF_USEC - begin);
    make_count(cells->missed, row->missed_bytes);
    for (int i = 0; i < SF_DIR_COUNT; i++) {
        sf_address_text(cells->address[i], row->key.addr[i], row->key.scope.ip_version);
        make_count(cells->port[i], row->key.port[i]);
        make_count(cells->bytes[i], row->bytes[i]);
        make_count(cells->packets[i], row->packets[i]);
        make_count(cells->ip_bytes[i], row->ip_bytes[i]);
    }
}

/* Texts and names are quoted in JSON, numbers are not. */
static bool is_quoted(const char *type)
{
    return strcmp(type, "string") == 0 || strcmp(type, "addr") == 0 || strcmp(type, "enum") == 0;
}

static void put_json(struct sf_buffer *out, const char *const *texts)
{
    static const struct {
        const char *key, *type;
    } columns[] = {
#define X(name, type) {"\"" name "\":", type},
        ZEEK_COLUMNS(X)
#undef X
    };
    char separator = '{';
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        if (texts[i] == NULL || texts[i][0] == '\0')
            continue;
        const char *quote = is_quoted(columns[i].type) ? "\"" : "";
        sf_put_char(out, separator);
        sf_put_text(out, columns[i].key);
        sf_put_text(out, quote);
        sf_put_text(out, texts[i]);
        sf_put_text(out, quote);
        separator = ',';
    }
    sf_put_text(out, "}\n");
}

#define COUNT_COLUMN(name, type) +1
enum { COLUMN_COUNT = 0 ZEEK_COLUMNS(COUNT_COLUMN) };

static void put_tsv(struct sf_buffer *out, const char *const *texts)
{
    for (int i = 0; i < COLUMN_COUNT; i++) {
        if (i != 0)
            sf_put_char(out, '\t');
        sf_put_text(out, texts[i] != NULL && texts[i][0] != '\0' ? texts[i] : "-");
    }
    sf_put_char(out, '\n');
}

static int put_row(struct sf_sink *sink, const struct sf_zeek_row *row, struct sf_error *err)
{
    struct zeek_sink *zeek = zeek_of(sink);
    enum sf_dir orig = row->originator, resp = sf_dir_other(row->originator);
    struct cells cells;
    make_cells(&cells, row);
    const char *const texts[COLUMN_COUNT] = {
        cells.ts,
        cells.uid,
        cells.address[orig],
        cells.port[orig],
        cells.address[resp],
        cells.port[resp],
        "tcp",
        NULL, /* service */
        cells.duration,
        cells.bytes[orig],
        cells.bytes[resp],
        row->conn_state,
        NULL, /* local_orig */
        NULL, /* local_resp */
        cells.missed,
        row->history,
        cells.packets[orig],
        cells.ip_bytes[orig],
        cells.packets[resp],
        cells.ip_bytes[resp],
        NULL, /* tunnel_parents */
        "6",
    };
    put_header(zeek, row->start_ns);
    sf_ns row_end_ns =
        sf_ns_known(row->duration_ns) ? row->start_ns + row->duration_ns : row->start_ns;
    if (!sf_ns_known(zeek->closed_ns) || row_end_ns > zeek->closed_ns)
        zeek->closed_ns = row_end_ns;
    if (zeek->is_json)
        put_json(&zeek->output.buffer, texts);
    else
        put_tsv(&zeek->output.buffer, texts);
    return end_line(zeek, err);
}

static int finish(struct sf_sink *sink, const struct sf_summary *summary, struct sf_error *err)
{
    struct zeek_sink *zeek = zeek_of(sink);
    put_header(zeek, summary->first_ns);
    if (!zeek->is_json)
        put_log_time(&zeek->output.buffer, "close", summary->last_ns);
    return sf_output_finish(&zeek->output, err);
}

static int next_file(struct sf_sink *sink, const char *path, struct sf_error *err)
{
    struct zeek_sink *zeek = zeek_of(sink);
    put_header(zeek, zeek->closed_ns);
    if (!zeek->is_json)
        put_log_time(&zeek->output.buffer, "close", zeek->closed_ns);
    zeek->has_header = false;
    return sf_output_next(&zeek->output, path, err);
}

static void close_zeek(struct sf_sink *sink)
{
    struct zeek_sink *zeek = zeek_of(sink);
    sf_output_dispose(&zeek->output);
    free(zeek);
}

static struct sf_sink *open_zeek(const char *name, const char *path,
                                 const struct sf_sink_options *options, struct sf_error *err)
{
    struct zeek_sink *zeek = calloc(1, sizeof *zeek);
    if (zeek == NULL) {
        sf_fail(err, "out of memory");
        return NULL;
    }
    zeek->closed_ns = SF_NS_UNKNOWN;
    zeek->sink = (struct sf_sink){.name = name,
                                  .zeek_row = put_row,
                                  .next_file = next_file,
                                  .finish = finish,
                                  .close = close_zeek,
                                  .output = &zeek->output};
    if (sf_lines_open(&zeek->output, path, options, err) == 0)
        return &zeek->sink;
    close_zeek(&zeek->sink);
    return NULL;
}

struct sf_sink *sf_zeek_open(const char *path, const struct sf_sink_options *options,
                             struct sf_error *err)
{
    return open_zeek("zeek", path, options, err);
}

struct sf_sink *sf_zeek_json_open(const char *path, const struct sf_sink_options *options,
                                  struct sf_error *err)
{
    struct sf_sink *sink = open_zeek("zeek-json", path, options, err);
    if (sink != NULL)
        zeek_of(sink)->is_json = true;
    return sink;
}
