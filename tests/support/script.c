/* Reads .seg scripts: lines to words, words to packets and expectations. */
#include "script.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode_internal.h"
#include "synfin/track.h"

enum { WORDS_MAX = 96, LINE_MAX_LENGTH = 1024, FLOWS_MAX = 64 };

static const uint32_t default_iss[SCRIPT_WHO_COUNT] = {0xffffff00u, 0x7fffff00u};
static const sf_ns start_ns = 1767225600 * SF_SEC; /* 2026-01-01T00:00:00Z */

static const struct script_transform transforms[] = {
    {.name = "plain"},
    {.name = "ipv6", .ipv6 = true},
    {.name = "vlan", .vlan = 42},
    {.name = "swap", .swap = true},
    {.name = "iss0", .has_iss = true, .iss = 0},
    {.name = "iss1", .has_iss = true, .iss = 1},
    {.name = "iss7fffffff", .has_iss = true, .iss = 0x7fffffffu},
    {.name = "issfffffffe", .has_iss = true, .iss = 0xfffffffeu},
    {.name = "snap96", .snaplen = 96},
};

const struct script_transform *script_transforms(size_t *count)
{
    *count = sizeof transforms / sizeof transforms[0];
    return transforms;
}

const struct script_transform *script_transform_find(const char *name)
{
    for (size_t i = 0; i < sizeof transforms / sizeof transforms[0]; i++)
        if (strcmp(transforms[i].name, name) == 0)
            return &transforms[i];
    return NULL;
}

struct flow {
    uint32_t iss[SCRIPT_WHO_COUNT];
    uint32_t ts_val[SCRIPT_WHO_COUNT];
    bool has_timestamps;
    uint16_t port[SCRIPT_WHO_COUNT];
};

struct parser {
    struct script *script;
    struct sf_error *err;
    unsigned line;
    char *word[WORDS_MAX];
    size_t words, at;
    sf_ns now_ns;
    unsigned flow;
    struct flow flows[FLOWS_MAX];
    uint16_t ip_id[SCRIPT_WHO_COUNT];
    uint16_t vlan;
    uint32_t snaplen;
    bool next_is_lost;
    size_t last_of[SCRIPT_WHO_COUNT]; /* 1 + index of that end's latest packet */
};

static int fail(struct parser *p, const char *what, const char *word)
{
    return sf_fail(p->err, "%s:%u: %s '%s'", p->script->path, p->line, what,
                   word != NULL ? word : "end of line");
}

static const char *peek(const struct parser *p)
{
    return p->at < p->words ? p->word[p->at] : NULL;
}

static char *take(struct parser *p)
{
    return p->at < p->words ? p->word[p->at++] : NULL;
}

static bool take_word(struct parser *p, const char *word)
{
    if (peek(p) == NULL || strcmp(peek(p), word) != 0)
        return false;
    p->at++;
    return true;
}

static bool parse_number(const char *text, uint32_t *out)
{
    if (text == NULL || !isdigit((unsigned char)*text))
        return false;
    char *end;
    unsigned long long n = strtoull(text, &end, 0);
    if (*end != '\0' || n > UINT32_MAX)
        return false;
    *out = (uint32_t)n;
    return true;
}

static int take_number(struct parser *p, uint32_t max, uint32_t *out)
{
    const char *word = take(p);
    uint32_t n = 0;
    if (!parse_number(word, &n) || n > max)
        return fail(p, "not a number that fits here:", word);
    *out = n;
    return 0;
}

/* Seconds with up to nine decimals, a sign before them or not. */
static bool parse_seconds(const char *text, sf_ns *out)
{
    bool negative = *text == '-';
    const char *at = text + negative;
    sf_ns value = 0, unit = SF_SEC;
    if (*at == '\0')
        return false;
    for (; isdigit((unsigned char)*at); at++)
        value = value * 10 + (*at - '0') * SF_SEC;
    if (*at == '.')
        for (at++; isdigit((unsigned char)*at); at++)
            value += (*at - '0') * (unit /= 10);
    *out = negative ? -value : value;
    return *at == '\0';
}

static bool parse_who(const char *word, enum script_who *out)
{
    if (word == NULL || (strcmp(word, "c") != 0 && strcmp(word, "s") != 0))
        return false;
    *out = *word == 'c' ? SCRIPT_CLIENT : SCRIPT_SERVER;
    return true;
}

static struct flow *current(struct parser *p)
{
    return &p->flows[p->flow];
}

/* "17" is relative to the end's initial sequence number, "@17" stands for itself. */
static bool parse_seq(const struct parser *p, enum script_who of, const char *text, uint32_t *out)
{
    if (*text == '@')
        return parse_number(text + 1, out);
    bool negative = *text == '-';
    uint32_t n = 0;
    if (!parse_number(text + negative, &n))
        return false;
    *out = p->flows[p->flow].iss[of] + (negative ? 0u - n : n);
    return true;
}

/* "1:301(300)" or "1(300)" */
static int take_span(struct parser *p, struct script_packet *packet)
{
    char *word = take(p);
    char copy[64];
    if (word == NULL || strlen(word) >= sizeof copy)
        return fail(p, "a segment needs seq:seq(len), not", word);
    strcpy(copy, word);
    char *open = strchr(copy, '('), *colon = strchr(copy, ':');
    size_t length = strlen(copy);
    if (open == NULL || copy[length - 1] != ')')
        return fail(p, "a segment needs seq:seq(len), not", word);
    copy[length - 1] = '\0';
    *open = '\0';
    if (colon != NULL)
        *colon = '\0';
    uint32_t end;
    if (!parse_number(open + 1, &packet->payload_len) || packet->payload_len > 65000 ||
        !parse_seq(p, packet->who, copy, &packet->seq))
        return fail(p, "a segment needs seq:seq(len), not", word);
    if (colon != NULL &&
        (!parse_seq(p, packet->who, colon + 1, &end) || end - packet->seq != packet->payload_len))
        return fail(p, "the length is not the distance of the numbers in", word);
    return 0;
}

static const struct {
    char letter;
    uint16_t flag;
} flag_letters[] = {
    {'F', SF_TH_FIN}, {'S', SF_TH_SYN}, {'R', SF_TH_RST}, {'P', SF_TH_PSH}, {'.', SF_TH_ACK},
    {'U', SF_TH_URG}, {'E', SF_TH_ECE}, {'W', SF_TH_CWR}, {'e', SF_TH_AE},
};

static bool parse_flags(const char *text, uint16_t *out)
{
    uint16_t flags = 0;
    if (strcmp(text, "none") == 0)
        text = "";
    for (; *text != '\0'; text++) {
        size_t i = 0, n = sizeof flag_letters / sizeof flag_letters[0];
        while (i < n && flag_letters[i].letter != *text)
            i++;
        if (i == n)
            return false;
        flags |= flag_letters[i].flag;
    }
    *out = flags;
    return true;
}

/* The option list as it is laid out, and as it will be read. */
struct options {
    struct parser *parser;
    struct script_packet *packet;
    char *state; /* of strtok_r */
    bool is_full;
};

static void put(struct options *o, uint32_t value, unsigned octets)
{
    struct script_packet *packet = o->packet;
    if (packet->option_len + octets > SCRIPT_OPTIONS) {
        o->is_full = true;
        return;
    }
    for (unsigned i = octets; i-- > 0;)
        packet->option[packet->option_len++] = (uint8_t)(value >> (8 * i));
}

static bool put_number(struct options *o, uint32_t header, char *text, unsigned octets,
                       uint32_t *value)
{
    if (!parse_number(text, value))
        return false;
    put(o, header, 2);
    put(o, *value, octets);
    return true;
}

static bool put_mss(struct options *o, char **words)
{
    uint32_t n = 0;
    if (!put_number(o, 0x0204, words[1], 2, &n) || n > 0xffff)
        return false;
    o->packet->options.mss = (uint16_t)n;
    return true;
}

static bool put_wscale(struct options *o, char **words)
{
    uint32_t n = 0;
    put(o, 1, 1);
    if (!put_number(o, 0x0303, words[1], 1, &n) || n > 255)
        return false;
    o->packet->options.wscale = (uint8_t)n;
    return true;
}

static bool put_sack_permitted(struct options *o, char **words)
{
    (void)words;
    put(o, 0x01010402, 4);
    return true;
}

static bool put_sack(struct options *o, char **words)
{
    struct sf_tcp_options *read = &o->packet->options;
    enum script_who peer = (enum script_who) !o->packet->who;
    unsigned count = 0;
    while (words[count + 1] != NULL)
        count++;
    if (count < 1 || count > SF_SACK_MAX)
        return false;
    put(o, 0x01010500u + 2 + 8 * count, 4);
    for (unsigned i = 0; i < count; i++) {
        uint32_t begin, end;
        char *colon = strchr(words[i + 1], ':');
        if (colon == NULL)
            return false;
        *colon = '\0';
        if (!parse_seq(o->parser, peer, words[i + 1], &begin) ||
            !parse_seq(o->parser, peer, colon + 1, &end))
            return false;
        put(o, begin, 4);
        put(o, end, 4);
        read->sack[i] = (struct sf_sack_block){sf_seq_of(begin), sf_seq_of(end)};
    }
    read->sack_count = (uint8_t)count;
    return true;
}

/* Without numbers: a clock of milliseconds, echoing the peer's latest. */
static void clock_timestamps(const struct options *o)
{
    static const uint32_t base[SCRIPT_WHO_COUNT] = {1847362011u, 3920117348u};
    struct flow *flow = &o->parser->flows[o->parser->flow];
    const enum script_who who = o->packet->who;
    const sf_ns since = o->packet->t_ns - start_ns;
    o->packet->options.ts_val = base[who] + (uint32_t)(since / SF_MSEC);
    if (flow->ts_val[!who] == 0)
        flow->ts_val[!who] = base[!who];
    o->packet->options.ts_ecr = o->packet->flags & SF_TH_ACK ? flow->ts_val[!who] : 0;
    flow->ts_val[who] = o->packet->options.ts_val;
}

static bool put_timestamps(struct options *o, char **words)
{
    struct sf_tcp_options *read = &o->packet->options;
    if (words[1] == NULL)
        clock_timestamps(o);
    else if (words[2] == NULL || words[3] == NULL || words[4] == NULL ||
             strcmp(words[1], "val") != 0 || strcmp(words[3], "ecr") != 0 ||
             !parse_number(words[2], &read->ts_val) || !parse_number(words[4], &read->ts_ecr))
        return false;
    put(o, 0x0101080a, 4);
    put(o, read->ts_val, 4);
    put(o, read->ts_ecr, 4);
    return true;
}

static bool put_hex(struct options *o, const char *hex)
{
    for (; hex[0] != '\0' && hex[1] != '\0'; hex += 2) {
        unsigned octet;
        if (sscanf(hex, "%2x", &octet) != 1)
            return false;
        put(o, octet, 1);
    }
    return *hex == '\0';
}

static bool put_fast_open(struct options *o, char **words)
{
    const char *cookie = words[1] != NULL ? words[1] : "";
    size_t octets = strlen(cookie) / 2;
    put(o, 0x2200u + 2 + (uint32_t)octets, 2);
    o->packet->options.fast_open_len = (uint8_t)octets;
    return put_hex(o, cookie);
}

/* Octets as they are: for what the reader skips or finds damaged, and for Multipath TCP. */
static bool put_raw(struct options *o, char **words)
{
    return words[1] != NULL && put_hex(o, words[1]);
}

static const struct {
    const char *name;
    bool (*put)(struct options *o, char **words);
    uint16_t present;
} option_kinds[] = {
    {"mss", put_mss, SF_OPT_HAS_MSS},
    {"wscale", put_wscale, SF_OPT_HAS_WSCALE},
    {"sackOK", put_sack_permitted, SF_OPT_HAS_SACK_PERMITTED},
    {"sack", put_sack, SF_OPT_HAS_SACK},
    {"TS", put_timestamps, SF_OPT_HAS_TIMESTAMPS},
    {"fastopen", put_fast_open, SF_OPT_HAS_FAST_OPEN},
    {"mptcp", put_raw, SF_OPT_HAS_MPTCP},
    {"raw", put_raw, 0},
};

static bool put_option(struct options *o, char *text)
{
    char *words[8] = {NULL}, *state = NULL;
    size_t n = 0;
    for (char *word = strtok_r(text, " ", &state); word != NULL && n < 7;
         word = strtok_r(NULL, " ", &state))
        words[n++] = word;
    for (size_t i = 0; n > 0 && i < sizeof option_kinds / sizeof option_kinds[0]; i++)
        if (strcmp(option_kinds[i].name, words[0]) == 0) {
            o->packet->options.present |= option_kinds[i].present;
            return option_kinds[i].put(o, words) && !o->is_full;
        }
    return false;
}

/* `text` is "<...>" */
static int read_options(struct parser *p, struct script_packet *packet, const char *text)
{
    char copy[256];
    struct options o = {.parser = p, .packet = packet};
    size_t length = strlen(text);
    if (length < 2 || length >= sizeof copy || text[length - 1] != '>')
        return fail(p, "not an option list:", text);
    memcpy(copy, text + 1, length - 2);
    copy[length - 2] = '\0';
    for (char *word = strtok_r(copy, ",", &o.state); word != NULL;
         word = strtok_r(NULL, ",", &o.state))
        if (!put_option(&o, word))
            return fail(p, "not an option, or no room for it, in", text);
    while (packet->option_len % 4 != 0)
        packet->option[packet->option_len++] = 0;
    return 0;
}

static bool find_anomaly(const char *name, enum sf_anomaly *out)
{
    for (int i = 0; name != NULL && i < SF_ANOMALY_COUNT; i++)
        if (strcmp(sf_anomaly_name((enum sf_anomaly)i), name) == 0) {
            *out = (enum sf_anomaly)i;
            return true;
        }
    return false;
}

/* After "!": name [c|s] [begin:end] [kind=x|stage=x]. The span is for the reader. */
static int take_anomaly(struct parser *p, struct script_anomaly *out)
{
    const char *name = take(p);
    *out = (struct script_anomaly){.end = SCRIPT_NOBODY, .record = 1};
    if (!find_anomaly(name, &out->name))
        return fail(p, "not an anomaly:", name);
    if (parse_who(peek(p), &out->end))
        p->at++;
    if (peek(p) != NULL && isdigit((unsigned char)*peek(p)) && strchr(peek(p), ':') != NULL)
        p->at++;
    if (peek(p) != NULL && strchr(peek(p), '=') != NULL && *peek(p) != '=') {
        const char *kind = take(p);
        if (strlen(kind) >= sizeof out->kind)
            return fail(p, "too long:", kind);
        strcpy(out->kind, kind);
    }
    return 0;
}

/* After ";": { who STATE [?|*] }: assumed, or either; STATE may be "-" (nothing known) or "*"
 * (any). */
static int take_states(struct parser *p, struct script_packet *packet)
{
    enum script_who who;
    while (parse_who(peek(p), &who)) {
        p->at++;
        struct script_state *state = &packet->state[who];
        const char *name = take(p);
        *state = (struct script_state){.is_given = true, .checks_proof = true};
        if (name == NULL)
            return fail(p, "a state is missing at", name);
        state->is_any = strcmp(name, "*") == 0;
        int found = strcmp(name, "-") == 0 || state->is_any ? SF_STATE_NONE : SF_STATE_COUNT;
        for (int i = 1; i < SF_STATE_COUNT; i++)
            if (strcmp(sf_state_name((enum sf_tcp_state)i), name) == 0)
                found = i;
        if (found == SF_STATE_COUNT)
            return fail(p, "not a state:", name);
        state->state = (enum sf_tcp_state)found;
        state->is_assumed = take_word(p, "?");
        if (take_word(p, "*"))
            state->checks_proof = false;
        if (found == SF_STATE_NONE)
            state->checks_proof = false;
    }
    return 0;
}

static int take_label(struct parser *p, struct script_packet *packet)
{
    const char *name = take(p);
    for (int i = 0; name != NULL && i < SF_LABEL_COUNT; i++)
        if (strcmp(sf_label_name((enum sf_label)i), name) == 0) {
            packet->labels |= 1u << i;
            return 0;
        }
    return fail(p, "not a label:", name);
}

/* After "~": rtt seconds | rtt none | label name | window octets */
static int take_finding(struct parser *p, struct script_packet *packet)
{
    if (take_word(p, "label"))
        return take_label(p, packet);
    if (take_word(p, "window")) {
        packet->checks_window = true;
        return take_number(p, UINT32_MAX, &packet->found_window);
    }
    if (!take_word(p, "rtt"))
        return fail(p, "expected 'rtt', 'label' or 'window', not", peek(p));
    packet->rtt = SCRIPT_RTT_NONE;
    if (take_word(p, "none"))
        return 0;
    packet->rtt = SCRIPT_RTT_IS;
    const char *word = take(p);
    if (word == NULL || !parse_seconds(word, &packet->rtt_ns))
        return fail(p, "not a time:", word);
    return 0;
}

static int take_expectations(struct parser *p, struct script_packet *packet)
{
    while (peek(p) != NULL) {
        int status;
        if (take_word(p, ";")) {
            status = take_states(p, packet);
        } else if (take_word(p, "~")) {
            status = take_finding(p, packet);
        } else if (take_word(p, "!") && packet->anomaly_count < SCRIPT_ANOMALIES) {
            status = take_anomaly(p, &packet->anomaly[packet->anomaly_count++]);
        } else {
            return fail(p, "not understood:", peek(p));
        }
        if (status != 0)
            return -1;
    }
    return 0;
}

static struct script_packet *new_packet(struct parser *p)
{
    struct script *script = p->script;
    size_t size = (script->packet_count + 1) * sizeof *script->packets;
    script->packets = realloc(script->packets, size);
    if (script->packets == NULL)
        abort();
    struct script_packet *packet = &script->packets[script->packet_count++];
    *packet = (struct script_packet){
        .line = p->line,
        .t_ns = p->now_ns,
        .flow = p->flow + 1,
        .port = {current(p)->port[0], current(p)->port[1]},
        .ttl = 64,
        .window = 65535,
        .vlan = p->vlan,
        .snaplen = p->snaplen,
    };
    return packet;
}

/* The words between the span and the expectations. */
static int take_attributes(struct parser *p, struct script_packet *packet)
{
    bool has_ack = false;
    uint32_t n = 0;
    while (peek(p) != NULL && strchr(";!~", *peek(p)) == NULL) {
        const char *word = take(p);
        if (*word == '<') {
            if (read_options(p, packet, word) != 0)
                return -1;
            continue;
        }
        if (strcmp(word, "badsum") == 0) {
            packet->has_bad_checksum = true;
            continue;
        }
        if (strcmp(word, "ack") == 0) {
            const char *value = take(p);
            has_ack =
                value != NULL && parse_seq(p, (enum script_who) !packet->who, value, &packet->ack);
            if (!has_ack)
                return fail(p, "not a number:", value);
            continue;
        }
        if (take_number(p, 65535, &n) != 0)
            return -1;
        if (strcmp(word, "win") == 0)
            packet->window = (uint16_t)n;
        else if (strcmp(word, "ttl") == 0)
            packet->ttl = (uint8_t)n;
        else if (strcmp(word, "ipid") == 0)
            packet->ip_id = (uint16_t)n;
        else if (strcmp(word, "urg") == 0)
            packet->urgent = (uint16_t)n;
        else if (strcmp(word, "ecn") == 0)
            packet->ecn = (uint8_t)n & 3;
        else
            return fail(p, "not understood:", word);
    }
    if ((packet->flags & SF_TH_ACK) && !has_ack)
        return fail(p, "a segment with the ACK bit needs 'ack', has", peek(p));
    /* RFC 7323 §3.2: on every segment but a RST, once negotiated. */
    if (current(p)->has_timestamps && packet->option_len == 0 &&
        (packet->flags & (SF_TH_SYN | SF_TH_RST)) == 0)
        return read_options(p, packet, "<TS>");
    return 0;
}

/* What the snapshot length leaves of the options. */
static void cut_options(const struct parser *p, struct script_packet *packet)
{
    enum { ETHERNET = 14, IPV4 = 20, IPV6 = 40, TCP = 20 };
    uint32_t before = ETHERNET + (p->script->transform.ipv6 ? IPV6 : IPV4) + TCP;
    if (packet->snaplen == 0 || packet->snaplen >= before + packet->option_len)
        return;
    packet->options = (struct sf_tcp_options){0};
    sf_tcp_options_read_list(&packet->options, packet->option, packet->option_len,
                             packet->snaplen > before ? packet->snaplen - before : 0);
}

static int take_segment(struct parser *p)
{
    struct script_packet *packet = new_packet(p);
    const char *who = take(p);
    if (!parse_who(who, &packet->who))
        return fail(p, "the sender is 'c' or 's', not", who);
    packet->ip_id = ++p->ip_id[packet->who];
    const char *flags = take(p);
    if (flags == NULL || !parse_flags(flags, &packet->flags))
        return fail(p, "not flags:", flags);
    if (take_span(p, packet) != 0 || take_attributes(p, packet) != 0 ||
        take_expectations(p, packet) != 0)
        return -1;
    cut_options(p, packet);
    if (p->next_is_lost)
        p->script->packet_count--;
    else
        p->last_of[packet->who] = p->script->packet_count;
    p->next_is_lost = false;
    return 0;
}

/* "dup [ttl n] [vlan n] [badsum]": the packet before, captured once more. */
static int take_duplicate(struct parser *p)
{
    if (p->script->packet_count == 0)
        return fail(p, "nothing to duplicate before", "dup");
    struct script_packet *packet = new_packet(p);
    struct script_packet copy = packet[-1];
    uint32_t ttl = copy.ttl, vlan = copy.vlan;
    copy.line = p->line;
    copy.t_ns = p->now_ns;
    copy.anomaly_count = 0;
    copy.labels = 0;
    copy.rtt = SCRIPT_RTT_FREE;
    copy.checks_window = false;
    memset(copy.state, 0, sizeof copy.state);
    if (take_word(p, "ttl") && take_number(p, 255, &ttl) != 0)
        return -1;
    if (take_word(p, "vlan") && take_number(p, 4094, &vlan) != 0)
        return -1;
    copy.has_bad_checksum |= take_word(p, "badsum");
    copy.ttl = (uint8_t)ttl;
    copy.vlan = (uint16_t)vlan;
    *packet = copy;
    return take_expectations(p, packet);
}

/* "icmp TYPE/CODE who": an ICMP error that quotes that end's latest segment. */
static int take_icmp(struct parser *p)
{
    struct script_packet *packet = new_packet(p);
    const char *word = take(p), *who = NULL;
    unsigned type, code;
    if (word == NULL || sscanf(word, "%u/%u", &type, &code) != 2)
        return fail(p, "not an ICMP type/code:", word);
    who = take(p);
    if (!parse_who(who, &packet->who) || p->last_of[packet->who] == 0)
        return fail(p, "no segment to quote of", who);
    packet->is_icmp = true;
    packet->icmp_type = (uint8_t)type;
    packet->icmp_code = (uint8_t)code;
    packet->quoted = p->last_of[packet->who] - 1;
    packet->ip_id = 1;
    return take_expectations(p, packet);
}

static int take_packet(struct parser *p, const char *delay)
{
    sf_ns ns;
    if (!parse_seconds(delay, &ns) || ns % SF_USEC != 0)
        return fail(p, "not a time in whole microseconds:", delay);
    p->now_ns += ns;
    if (take_word(p, "dup"))
        return take_duplicate(p);
    if (take_word(p, "icmp"))
        return take_icmp(p);
    return take_segment(p);
}

static int set_iss(struct parser *p)
{
    enum script_who who;
    uint32_t n = 0;
    const char *word = take(p);
    if (!parse_who(word, &who))
        return fail(p, "the end is 'c' or 's', not", word);
    if (take_number(p, UINT32_MAX, &n) != 0)
        return -1;
    const struct script_transform *t = &p->script->transform;
    current(p)->iss[who] = n + (t->has_iss ? t->iss - default_iss[who] : 0);
    return 0;
}

static int set_port(struct parser *p)
{
    enum script_who who;
    uint32_t n = 0;
    const char *word = take(p);
    if (!parse_who(word, &who))
        return fail(p, "the end is 'c' or 's', not", word);
    if (take_number(p, 65535, &n) != 0)
        return -1;
    current(p)->port[who] = (uint16_t)n;
    return 0;
}

static int set_flow(struct parser *p)
{
    uint32_t n = 0;
    if (take_number(p, FLOWS_MAX, &n) != 0)
        return -1;
    if (n == 0)
        return fail(p, "flows are numbered from", "1");
    p->flow = n - 1;
    return 0;
}

static int set_lost(struct parser *p)
{
    p->next_is_lost = true;
    return 0;
}

static int set_vlan(struct parser *p)
{
    uint32_t n = 0;
    if (take_number(p, 4094, &n) != 0)
        return -1;
    p->vlan = (uint16_t)n;
    return 0;
}

static int set_timestamps(struct parser *p)
{
    current(p)->has_timestamps = true;
    return 0;
}

static int set_snaplen(struct parser *p)
{
    return take_number(p, 262144, &p->snaplen);
}

static int set_ip6(struct parser *p)
{
    p->script->transform.ipv6 = true;
    return 0;
}

static int set_ip4(struct parser *p)
{
    p->script->needs_ipv4 = true;
    return 0;
}

static struct script_anomaly *grow(struct script_anomaly **list, size_t *count)
{
    *list = realloc(*list, (*count + 1) * sizeof **list);
    if (*list == NULL)
        abort();
    return &(*list)[(*count)++];
}

static void note_record(struct parser *p, unsigned record)
{
    if (record > p->script->connections)
        p->script->connections = record;
}

/* "end [N] ! name ..." and "may [N] ! name ...": of the N-th record, the first when not said. */
static int take_record_anomalies(struct parser *p, struct script_anomaly **list, size_t *count)
{
    uint32_t record = 1;
    if (peek(p) != NULL && isdigit((unsigned char)*peek(p)) && take_number(p, 1000, &record) != 0)
        return -1;
    note_record(p, record);
    do {
        struct script_anomaly anomaly;
        if (!take_word(p, "!"))
            return fail(p, "expected '!', not", peek(p));
        if (take_anomaly(p, &anomaly) != 0)
            return -1;
        anomaly.record = record;
        *grow(list, count) = anomaly;
    } while (peek(p) != NULL);
    return 0;
}

static int take_end(struct parser *p)
{
    return take_record_anomalies(p, &p->script->at_end, &p->script->at_end_count);
}

static int take_may(struct parser *p)
{
    return take_record_anomalies(p, &p->script->allowed, &p->script->allowed_count);
}

static int set_connections(struct parser *p)
{
    uint32_t n = 0;
    if (take_number(p, 100000, &n) != 0)
        return -1;
    p->script->connections = n;
    return 0;
}

/* "= path value ..." of the first record, "=2 path value ..." of the second. */
static int take_result(struct parser *p, const char *word)
{
    uint32_t record = 1;
    if (word[1] != '\0' && !parse_number(word + 1, &record))
        return fail(p, "not a record's place:", word);
    note_record(p, record);
    while (peek(p) != NULL) {
        struct script *script = p->script;
        const char *path = take(p), *value = take(p);
        size_t size = (script->result_count + 1) * sizeof *script->results;
        script->results = realloc(script->results, size);
        if (script->results == NULL)
            abort();
        struct script_result *result = &script->results[script->result_count];
        *result = (struct script_result){.line = p->line, .record = record};
        if (value == NULL || strlen(path) >= sizeof result->path ||
            strlen(value) >= sizeof result->value)
            return fail(p, "a field needs a value:", path);
        strcpy(result->path, path);
        strcpy(result->value, value);
        script->result_count++;
    }
    return 0;
}

static int take_saying(struct parser *p)
{
    struct script *script = p->script;
    uint32_t record = 1;
    if (peek(p) != NULL && isdigit((unsigned char)*peek(p)) && take_number(p, 1000, &record) != 0)
        return -1;
    note_record(p, record);
    size_t size = (script->saying_count + 1) * sizeof *script->sayings;
    script->sayings = realloc(script->sayings, size);
    if (script->sayings == NULL)
        abort();
    struct script_saying *saying = &script->sayings[script->saying_count++];
    *saying = (struct script_saying){.line = p->line, .record = record};
    while (peek(p) != NULL) {
        const char *word = take(p);
        size_t length = strlen(saying->text), room = sizeof saying->text - length;
        int written = snprintf(saying->text + length, room, "%s%s", length > 0 ? " " : "", word);
        if (written < 0 || (size_t)written >= room)
            return fail(p, "too long:", saying->text);
    }
    return saying->text[0] != '\0' ? 0 : fail(p, "nothing is said", NULL);
}

static const struct {
    const char *word;
    int (*take)(struct parser *p);
} line_kinds[] = {
    {"iss", set_iss},
    {"port", set_port},
    {"flow", set_flow},
    {"lost", set_lost},
    {"vlan", set_vlan},
    {"snaplen", set_snaplen},
    {"ip6", set_ip6},
    {"ip4", set_ip4},
    {"connections", set_connections},
    {"timestamps", set_timestamps},
    {"end", take_end},
    {"may", take_may},
    {"says", take_saying},
};

static int take_line(struct parser *p)
{
    while (peek(p) != NULL) {
        const char *word = take(p);
        size_t i = 0, n = sizeof line_kinds / sizeof line_kinds[0];
        if (*word == '+')
            return take_packet(p, word + 1);
        if (*word == '=')
            return take_result(p, word);
        while (i < n && strcmp(line_kinds[i].word, word) != 0)
            i++;
        if (i == n)
            return fail(p, "not understood:", word);
        if (line_kinds[i].take(p) != 0)
            return -1;
    }
    return 0;
}

/* Words are separated by blanks; "<...>" is one word, and ; ! ~ ? stand alone. */
static int split_words(struct parser *p, char *text)
{
    char *at = text;
    p->words = p->at = 0;
    for (;;) {
        at += strspn(at, " \t\r\n");
        if (*at == '\0' || *at == '#')
            return 0;
        if (p->words == WORDS_MAX)
            return fail(p, "too many words before", at);
        p->word[p->words++] = at;
        at += *at == '<' ? strcspn(at, ">\n") : strcspn(at, " \t\r\n#");
        if (*at == '>')
            at++;
        if (*at == '#') {
            *at = '\0';
            return 0;
        }
        if (*at != '\0')
            *at++ = '\0';
    }
}

static void begin(struct parser *p)
{
    const struct script_transform *t = &p->script->transform;
    p->now_ns = start_ns;
    p->ip_id[SCRIPT_CLIENT] = 1000;
    p->ip_id[SCRIPT_SERVER] = 5000;
    for (unsigned i = 0; i < FLOWS_MAX; i++) {
        for (int who = 0; who < SCRIPT_WHO_COUNT; who++)
            p->flows[i].iss[who] = t->has_iss ? t->iss : default_iss[who];
        p->flows[i].port[SCRIPT_CLIENT] = (uint16_t)(40000 + i);
        p->flows[i].port[SCRIPT_SERVER] = 9000;
    }
}

static int read_lines(struct parser *p, FILE *file)
{
    char text[LINE_MAX_LENGTH];
    while (fgets(text, sizeof text, file) != NULL) {
        p->line++;
        if (strchr(text, '\n') == NULL && !feof(file))
            return fail(p, "line too long:", "...");
        if (split_words(p, text) != 0 || take_line(p) != 0)
            return -1;
    }
    if (p->script->packet_count == 0)
        return fail(p, "no segment in", p->script->path);
    return 0;
}

int script_read(struct script *out, const char *path, const struct script_transform *transform,
                struct sf_error *err)
{
    struct script script = {.path = path, .transform = *transform, .connections = 1};
    struct parser parser = {.script = &script, .err = err};
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return sf_fail(err, "%s: cannot be opened", path);
    begin(&parser);
    int status = read_lines(&parser, file);
    fclose(file);
    if (status != 0) {
        script_dispose(&script);
        return -1;
    }
    *out = script;
    return 0;
}

void script_dispose(struct script *script)
{
    free(script->packets);
    free(script->results);
    free(script->sayings);
    free(script->at_end);
    free(script->allowed);
    *script = (struct script){0};
}
