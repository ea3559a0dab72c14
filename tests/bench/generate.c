/* Writes a capture of made-up traffic, always the same for the same arguments, and beside it what a
 * reader must find in it: generate MIX PACKETS OUT.pcap [TRUTH.json] */
#include "traffic.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct mix mixes[] = {
    {
        .name = "web",
        .text = "requests and responses, little loss",
        .packets = 5000000,
        .population = 3000,
        .lives = {[LIFE_TALK] = 80, [LIFE_MIDSTREAM] = 20},
        .closings = {[CLOSING_CLIENT_FIRST] = 50,
                     [CLOSING_SERVER_FIRST] = 35,
                     [CLOSING_CROSSING] = 1,
                     [CLOSING_CLIENT_RESET] = 8,
                     [CLOSING_SERVER_RESET] = 3,
                     [CLOSING_RESET_AFTER_FIN] = 3},
        .requests = {1, 4},
        .response = {2, 15},
        .think_us = {1000, 1500000},
        .rtt_us = {200, 60000},
        .rest_us = {0, 100000},
        .ramp_us = 3000000,
        .trouble_permille = 40,
        .syn_lost_permille = 5,
        .ipv6_percent = 10,
        .clients = 2000,
        .servers = 300,
    },
    {
        .name = "mixed",
        .text = "the same beside scans, SYN floods and much loss",
        .packets = 5000000,
        .population = 5000,
        .lives = {[LIFE_TALK] = 40,
                  [LIFE_MIDSTREAM] = 10,
                  [LIFE_REFUSED] = 15,
                  [LIFE_UNANSWERED] = 8,
                  [LIFE_SYN_SCAN] = 8,
                  [LIFE_EMBRYONIC] = 7,
                  [LIFE_FLOOD] = 12},
        .closings = {[CLOSING_CLIENT_FIRST] = 45,
                     [CLOSING_SERVER_FIRST] = 25,
                     [CLOSING_CROSSING] = 2,
                     [CLOSING_LAST_ACK_MISSING] = 3,
                     [CLOSING_CLIENT_RESET] = 8,
                     [CLOSING_SERVER_RESET] = 6,
                     [CLOSING_RESET_AFTER_FIN] = 4,
                     [CLOSING_HALF] = 3,
                     [CLOSING_SILENT] = 4},
        .requests = {1, 6},
        .response = {2, 19},
        .think_us = {1000, 2000000},
        .rtt_us = {200, 120000},
        .rest_us = {0, 100000},
        .ramp_us = 5000000,
        .trouble_permille = 150,
        .syn_lost_permille = 20,
        .ipv6_percent = 30,
        .clients = 3000,
        .servers = 500,
    },
    {
        .name = "small",
        .text = "half a million short connections at once",
        .packets = 10000000,
        .population = 520000,
        .lives = {[LIFE_TALK] = 100},
        .closings =
            {[CLOSING_CLIENT_FIRST] = 60, [CLOSING_SERVER_FIRST] = 35, [CLOSING_CLIENT_RESET] = 5},
        .requests = {1, 1},
        .response = {1, 1},
        .think_us = {5000000, 35000000},
        .rtt_us = {200, 60000},
        .rest_us = {0, 100000},
        .ramp_us = 20000000,
        .trouble_permille = 10,
        .ipv6_percent = 10,
        .clients = 20000,
        .servers = 200,
    },
    {
        .name = "bulk",
        .text = "eight transfers with every octet captured",
        .packets = 1000000,
        .population = 8,
        .lives = {[LIFE_TALK] = 100},
        .closings = {[CLOSING_CLIENT_FIRST] = 100},
        .requests = {1, 1},
        .response = {10000000, 10000000},
        .think_us = {1000, 100000},
        .rtt_us = {100, 2000},
        .ramp_us = 10000,
        .trouble_permille = 20,
        .clients = 8,
        .servers = 2,
        .full_payload = true,
    },
    {
        .name = "churn",
        .text = "the same addresses and ports again and again",
        .packets = 5000000,
        .population = 2000,
        .tuples = 3000,
        .lives = {[LIFE_TALK] = 88, [LIFE_REFUSED] = 12},
        .closings = {[CLOSING_CLIENT_FIRST] = 50,
                     [CLOSING_SERVER_FIRST] = 30,
                     [CLOSING_CLIENT_RESET] = 12,
                     [CLOSING_SERVER_RESET] = 4,
                     [CLOSING_SILENT] = 4},
        .requests = {1, 1},
        .response = {1, 2},
        .think_us = {1000, 200000},
        .rtt_us = {100, 20000},
        .rest_us = {1000, 50000},
        .ramp_us = 200000,
        .trouble_permille = 10,
        .ipv6_percent = 10,
        .clients = 4,
        .servers = 1,
    },
    {
        .name = "synflood",
        .text = "SYNs from forged addresses beside a thousand connections that go on",
        .packets = 5500000,
        .population = 1200,
        .floods = 200,
        .lives = {[LIFE_TALK] = 100},
        .closings = {[CLOSING_CLIENT_FIRST] = 100},
        .requests = {1000000, 1000000},
        .response = {1, 3},
        .think_us = {100000, 1100000},
        .rtt_us = {200, 60000},
        .rest_us = {0, 4000},
        .ramp_us = 1000000,
        .trouble_permille = 10,
        .clients = 500,
        .servers = 4,
    },
};

enum {
    SLOT_BITS = 20, /* low bits of a heap key; the rest is the time, microseconds */
    BUFFER = 1 << 22,
    RECORD_HEADER = 16,
    FRAME_MAX = FRAME_HEADERS_MAX + BENCH_MSS,
    FIRST_PORT = 32768,
    PORTS = 28232,
    PORT_STRIDE = 7919, /* prime, and no divisor of PORTS: all ports come before one comes again */
    SCANNERS = 4,
    SCANNED_PORTS = 1000,
    SERVER_PORTS = 4,
};

static const uint32_t start_seconds = 1704067200; /* 2024-01-01T00:00:00Z */
static const uint64_t seed = 1;

struct writer {
    const char *path;
    int fd;
    size_t used;
    uint8_t *buffer;
};

struct generator {
    const struct mix *mix;
    struct rng rng;
    struct writer out;
    struct truth truth;
    struct conn *conns;
    uint32_t population, floods;
    uint64_t *heap; /* time and slot of each connection's next packet, earliest first */
    uint32_t *free_tuples, tuple_count, tuple_at;
    bool *is_left_open;            /* by tuple: its last connection was never closed */
    uint32_t talks, scans, forged; /* counters that addresses are made from */
};

static void die(const char *what)
{
    fprintf(stderr, "generate: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL)
        die("memory");
    return memory;
}

static void writer_flush(struct writer *out)
{
    for (size_t done = 0; done < out->used;) {
        ssize_t n = write(out->fd, out->buffer + done, out->used - done);
        if (n < 0)
            die(out->path);
        done += (size_t)n;
    }
    out->used = 0;
}

static void writer_open(struct writer *out, const char *path)
{
    /* in this machine's byte order: magic, version 2.4, zone, accuracy, snap length, Ethernet */
    static const uint32_t header[6] = {0xa1b2c3d4, 0x00040002, 0, 0, 65535, 1};
    out->path = path;
    out->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (out->fd < 0)
        die(path);
    out->buffer = allocate(BUFFER, 1);
    memcpy(out->buffer, header, sizeof header);
    out->used = sizeof header;
}

static void writer_close(struct writer *out)
{
    writer_flush(out);
    if (close(out->fd) != 0)
        die(out->path);
    free(out->buffer);
}

static void write_packet(struct generator *g, struct conn *conn, const struct step *step)
{
    struct writer *out = &g->out;
    if (BUFFER - out->used < RECORD_HEADER + FRAME_MAX)
        writer_flush(out);
    uint8_t *record = out->buffer + out->used;
    uint8_t *frame = record + RECORD_HEADER;
    size_t headers = frame_write(frame, conn, step);
    size_t captured = headers;
    if (g->mix->full_payload) {
        memset(frame + headers, 0, step->len);
        captured += step->len;
    }
    uint32_t header[4] = {start_seconds + (uint32_t)(conn->time_us / 1000000),
                          (uint32_t)(conn->time_us % 1000000), (uint32_t)captured,
                          (uint32_t)headers + step->len};
    memcpy(record, header, sizeof header);
    out->used += RECORD_HEADER + captured;
}

static uint8_t pick(struct rng *rng, const uint8_t *weights, uint8_t count)
{
    uint32_t total = 0;
    for (uint8_t i = 0; i < count; i++)
        total += weights[i];
    uint32_t drawn = rng_below(rng, total);
    uint8_t i = 0;
    for (; drawn >= weights[i]; i++)
        drawn -= weights[i];
    return i;
}

/* A client port of `client` and a server: another pair for every number below clients x PORTS. */
static void address_talk(struct generator *g, struct conn *conn)
{
    const struct mix *mix = g->mix;
    uint32_t number = g->talks++;
    if (mix->tuples > 0) {
        number = g->free_tuples[g->tuple_at];
        conn->is_over_open = g->is_left_open[number];
        g->tuple_at = (g->tuple_at + 1) % g->tuple_count;
    }
    static const uint16_t server_ports[SERVER_PORTS] = {443, 443, 80, 8080};
    uint32_t client = number % mix->clients, turn = number / mix->clients;
    uint32_t server = (uint32_t)(rng_mix(number) % mix->servers);
    conn->tuple = number;
    conn->host[CLIENT] = 0x0a000100 + client;
    conn->host[SERVER] = 0x0a800100 + server;
    conn->port[CLIENT] = (uint16_t)(FIRST_PORT + (turn * PORT_STRIDE + client * 131) % PORTS);
    conn->port[SERVER] = server_ports[server % SERVER_PORTS];
    conn->is_ipv6 = rng_mix(client) % 100 < mix->ipv6_percent;
}

/* Scanners take target after target, of each the ports from 1 on. */
static void address_scan(struct generator *g, struct conn *conn)
{
    uint32_t number = g->scans++;
    uint32_t scanner = number % SCANNERS, probe = number / SCANNERS;
    conn->host[CLIENT] = 0x0a630001 + scanner;
    conn->host[SERVER] = 0x0a800100 + probe / SCANNED_PORTS;
    conn->port[CLIENT] = (uint16_t)(50000 + scanner);
    conn->port[SERVER] = (uint16_t)(1 + probe % SCANNED_PORTS);
    conn->is_plain = true;
}

static bool is_public(uint32_t host)
{
    uint32_t first = host >> 24;
    return first != 0 && first != 10 && first != 127 && first < 224;
}

/* Each number gives another source address: both steps can be undone. */
static void address_forged(struct generator *g, struct conn *conn)
{
    uint32_t host;
    do {
        host = g->forged++ * 0x9e3779b1u;
        host ^= host >> 15;
    } while (!is_public(host));
    conn->host[CLIENT] = host;
    conn->host[SERVER] = 0x0a800100;
    conn->port[CLIENT] = (uint16_t)(1024 + rng_below(&g->rng, 60000));
    conn->port[SERVER] = 443;
    conn->is_plain = true;
}

static void address(struct generator *g, struct conn *conn)
{
    static void (*const by_life[LIFE_COUNT])(struct generator *, struct conn *) = {
        [LIFE_TALK] = address_talk,     [LIFE_MIDSTREAM] = address_talk,
        [LIFE_REFUSED] = address_scan,  [LIFE_UNANSWERED] = address_scan,
        [LIFE_SYN_SCAN] = address_scan, [LIFE_EMBRYONIC] = address_forged,
        [LIFE_FLOOD] = address_forged,
    };
    if (g->mix->tuples > 0)
        address_talk(g, conn);
    else
        by_life[conn->life](g, conn);
    for (unsigned end = 0; end < END_COUNT; end++) {
        uint64_t secret = rng_mix((uint64_t)conn->host[end] << 32 | conn->host[!end]);
        /* RFC 6528 §3: a clock of 4 microseconds and a function of addresses and ports */
        conn->isn[end] = (uint32_t)(conn->time_us / 4) +
                         (uint32_t)rng_mix(secret ^ (uint64_t)conn->port[CLIENT] << 16 ^
                                           conn->port[SERVER] ^ (uint64_t)end << 40);
        conn->ip_id[end] = (uint16_t)rng_next(&g->rng);
        if (conn->life == LIFE_MIDSTREAM)
            conn->ts_recent[end] = frame_clock(conn, end);
    }
}

/* Begins the slot's next connection, at or after `time_us`. */
static void begin(struct generator *g, uint32_t slot, uint64_t time_us, bool is_first)
{
    struct conn *conn = &g->conns[slot];
    const struct mix *mix = g->mix;
    uint32_t rest_us = is_first ? rng_below(&g->rng, mix->ramp_us) : rng_in(&g->rng, mix->rest_us);
    *conn = (struct conn){
        .steps = conn->steps,
        .step_room = conn->step_room,
        .time_us = time_us + rest_us,
        .life = slot < g->floods ? (uint8_t)LIFE_FLOOD : pick(&g->rng, mix->lives, LIFE_COUNT),
        .closing = pick(&g->rng, mix->closings, CLOSING_COUNT),
        .rtt_us = {rng_in(&g->rng, mix->rtt_us), rng_in(&g->rng, mix->rtt_us)},
        .requests_left = rng_in(&g->rng, mix->requests),
    };
    if (conn->life == LIFE_MIDSTREAM && !is_first)
        conn->life = LIFE_TALK;
    address(g, conn);
    life_plan(conn, mix, &g->rng);
}

static void retire(struct generator *g, const struct conn *conn)
{
    truth_retire(&g->truth, conn);
    if (g->mix->tuples == 0)
        return;
    uint32_t taken = g->population; /* as many as there are connections, always */
    uint32_t back = (g->tuple_at + g->tuple_count - taken) % g->tuple_count;
    g->free_tuples[back] = conn->tuple;
    g->is_left_open[conn->tuple] = truth_is_open(conn);
}

static void sift_down(uint64_t *heap, uint32_t count, uint32_t at)
{
    uint64_t key = heap[at];
    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && heap[child + 1] < heap[child])
            child++;
        if (key <= heap[child])
            break;
        heap[at] = heap[child];
    }
    heap[at] = key;
}

static uint64_t heap_key(const struct conn *conn, uint32_t slot)
{
    return conn->time_us << SLOT_BITS | slot;
}

static void start(struct generator *g, uint64_t packets)
{
    const struct mix *mix = g->mix;
    double share = packets < mix->packets ? (double)packets / (double)mix->packets : 1;
    uint32_t population = (uint32_t)(mix->population * share);
    g->floods = (uint32_t)(mix->floods * share);
    g->population = population < 8 ? 8 : population;
    g->conns = allocate(g->population, sizeof *g->conns);
    g->heap = allocate(g->population, sizeof *g->heap);
    g->tuple_count = mix->tuples > 0 ? g->population * mix->tuples / mix->population : 0;
    g->free_tuples = allocate(g->tuple_count + 1, sizeof *g->free_tuples);
    g->is_left_open = allocate(g->tuple_count + 1, sizeof *g->is_left_open);
    for (uint32_t i = 0; i < g->tuple_count; i++)
        g->free_tuples[i] = i;
    for (uint32_t slot = 0; slot < g->population; slot++) {
        begin(g, slot, 0, true);
        g->heap[slot] = heap_key(&g->conns[slot], slot);
    }
    for (uint32_t i = g->population / 2; i-- > 0;)
        sift_down(g->heap, g->population, i);
}

/* Writes the earliest packet and plans what follows it in its slot. */
static void next_packet(struct generator *g)
{
    uint32_t slot = (uint32_t)(g->heap[0] & ((1u << SLOT_BITS) - 1));
    struct conn *conn = &g->conns[slot];
    const struct step *step = &conn->steps[conn->step_at++];
    write_packet(g, conn, step);
    truth_packet(conn, step);
    g->truth.packets++;
    if (conn->step_at == conn->step_count && !life_plan(conn, g->mix, &g->rng)) {
        retire(g, conn);
        begin(g, slot, conn->time_us, false);
    }
    conn->time_us += conn->steps[conn->step_at].wait_us;
    g->heap[0] = heap_key(conn, slot);
    sift_down(g->heap, g->population, 0);
}

static void finish(struct generator *g)
{
    for (uint32_t slot = 0; slot < g->population; slot++) {
        truth_retire(&g->truth, &g->conns[slot]);
        free(g->conns[slot].steps);
    }
    free(g->conns);
    free(g->heap);
    free(g->free_tuples);
    free(g->is_left_open);
    writer_close(&g->out);
}

static int usage(void)
{
    fputs("usage: generate MIX PACKETS OUT.pcap [TRUTH.json]   (PACKETS 0: the mix's own)\n",
          stderr);
    for (size_t i = 0; i < sizeof mixes / sizeof *mixes; i++)
        fprintf(stderr, "  %-9s %9" PRIu64 "  %s\n", mixes[i].name, mixes[i].packets,
                mixes[i].text);
    return 2;
}

static const struct mix *find_mix(const char *name)
{
    for (size_t i = 0; i < sizeof mixes / sizeof *mixes; i++)
        if (strcmp(mixes[i].name, name) == 0)
            return &mixes[i];
    return NULL;
}

int main(int argc, char **argv)
{
    const struct mix *mix = argc == 4 || argc == 5 ? find_mix(argv[1]) : NULL;
    if (mix == NULL)
        return usage();
    char *end;
    uint64_t packets = strtoull(argv[2], &end, 10);
    if (end == argv[2] || *end != '\0')
        return usage();
    if (packets == 0)
        packets = mix->packets;
    struct generator g = {.mix = mix, .rng = {seed}};
    writer_open(&g.out, argv[3]);
    start(&g, packets);
    while (g.truth.packets < packets)
        next_packet(&g);
    finish(&g);
    if (argc == 5 && truth_write(&g.truth, mix->name, seed, argv[4]) != 0)
        die(argv[4]);
    return 0;
}
