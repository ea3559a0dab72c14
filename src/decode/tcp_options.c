/* TCP options: RFC 9293 §3.1, RFC 7323, RFC 2018, RFC 7413, RFC 8684, RFC 2385, RFC 5925. */
#include "decode_internal.h"

enum {
    KIND_EOL = 0,
    KIND_NOP = 1,
    KIND_MSS = 2,
    KIND_WSCALE = 3,
    KIND_SACK_PERMITTED = 4,
    KIND_SACK = 5,
    KIND_TIMESTAMPS = 8,
    KIND_MD5 = 19,
    KIND_AO = 29,
    KIND_MPTCP = 30,
    KIND_FAST_OPEN = 34,
    KIND_EXPERIMENT = 254,
};

/* A reader sets its fields and returns the flag, 0 to pass over the option, or MALFORMED. */
typedef unsigned option_reader(struct sf_tcp_options *options, struct sf_reader body);

static unsigned read_mss(struct sf_tcp_options *options, struct sf_reader body)
{
    options->mss = sf_be16(body.at);
    return SF_OPT_HAS_MSS;
}

static unsigned read_wscale(struct sf_tcp_options *options, struct sf_reader body)
{
    options->wscale = body.at[0];
    return SF_OPT_HAS_WSCALE;
}

static unsigned read_sack_permitted(struct sf_tcp_options *options, struct sf_reader body)
{
    (void)options;
    (void)body;
    return SF_OPT_HAS_SACK_PERMITTED;
}

static unsigned read_sack(struct sf_tcp_options *options, struct sf_reader body)
{
    uint32_t begin, end;
    if (sf_reader_left(&body) % 8 != 0)
        return SF_OPT_MALFORMED;
    options->sack_count = 0;
    while (options->sack_count < SF_SACK_MAX && sf_read_be32(&body, &begin) &&
           sf_read_be32(&body, &end))
        options->sack[options->sack_count++] =
            (struct sf_sack_block){sf_seq_of(begin), sf_seq_of(end)};
    return SF_OPT_HAS_SACK;
}

static unsigned read_timestamps(struct sf_tcp_options *options, struct sf_reader body)
{
    options->ts_val = sf_be32(body.at);
    options->ts_ecr = sf_be32(body.at + 4);
    return SF_OPT_HAS_TIMESTAMPS;
}

static unsigned read_digest(struct sf_tcp_options *options, struct sf_reader body)
{
    (void)options;
    (void)body;
    return SF_OPT_HAS_MD5;
}

static unsigned read_mptcp(struct sf_tcp_options *options, struct sf_reader body)
{
    (void)options;
    (void)body;
    return SF_OPT_HAS_MPTCP;
}

/* RFC 7413 §4.1.1: a cookie has 4 to 16 octets, an even number; others are ignored. */
static unsigned read_fast_open(struct sf_tcp_options *options, struct sf_reader body)
{
    size_t len = sf_reader_left(&body);
    if (len != 0 && (len < 4 || len > 16 || len % 2 != 0))
        return 0;
    options->fast_open_len = (uint8_t)len;
    return SF_OPT_HAS_FAST_OPEN;
}

/* RFC 6994: experiments share a kind and are told apart by a magic number. */
static unsigned read_experiment(struct sf_tcp_options *options, struct sf_reader body)
{
    enum { FAST_OPEN_MAGIC = 0xf989 };
    uint16_t magic;
    if (!sf_read_be16(&body, &magic) || magic != FAST_OPEN_MAGIC)
        return 0;
    return read_fast_open(options, body);
}

/* Lengths are those of the option's body: its own length less kind and length octets. */
static const struct {
    option_reader *read;
    uint8_t min, max;
} kinds[256] = {
    [KIND_MSS] = {read_mss, 2, 2},
    [KIND_WSCALE] = {read_wscale, 1, 1},
    [KIND_SACK_PERMITTED] = {read_sack_permitted, 0, 0},
    [KIND_SACK] = {read_sack, 8, 32},
    [KIND_TIMESTAMPS] = {read_timestamps, 8, 8},
    [KIND_MD5] = {read_digest, 16, 16},
    [KIND_AO] = {read_digest, 2, 38},
    [KIND_MPTCP] = {read_mptcp, 1, 38},
    [KIND_FAST_OPEN] = {read_fast_open, 0, 38},
    [KIND_EXPERIMENT] = {read_experiment, 0, 38},
};

static unsigned read_option(struct sf_tcp_options *options, uint8_t kind, struct sf_reader body)
{
    if (kinds[kind].read == NULL) /* unknown kinds are skipped: RFC 9293 §3.1, MUST-6 */
        return 0;
    size_t len = sf_reader_left(&body);
    if (len < kinds[kind].min || len > kinds[kind].max)
        return SF_OPT_MALFORMED;
    return kinds[kind].read(options, body);
}

/* Reads the options in r; `missing` more octets were on the wire. Returns the SF_OPT_ flags. */
static unsigned read_list(struct sf_tcp_options *options, struct sf_reader r, uint32_t missing)
{
    unsigned present = 0;
    unsigned cut = missing > 0 ? SF_OPT_TRUNCATED : 0;
    uint8_t kind, len;
    while (sf_read_u8(&r, &kind)) {
        struct sf_reader body;
        if (kind == KIND_EOL)
            return present | cut;
        if (kind == KIND_NOP)
            continue;
        if (!sf_read_u8(&r, &len))
            return present | (cut ? cut : SF_OPT_MALFORMED);
        if (len < 2 || len - 2u > sf_reader_left(&r) + missing)
            return present | cut | SF_OPT_MALFORMED;
        if (!sf_read_slice(&r, len - 2u, &body))
            return present | cut;
        present |= read_option(options, kind, body);
        if (present & SF_OPT_MALFORMED)
            return present | cut;
    }
    return present | cut;
}

void sf_tcp_options_read_list(struct sf_tcp_options *options, const uint8_t *at, uint32_t len,
                              uint32_t cap)
{
    uint32_t have = cap < len ? cap : len;
    options->present = (uint16_t)read_list(options, sf_reader_of(at, have), len - have);
}
