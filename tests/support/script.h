/* A .seg script: what is on the wire, and on the same line what must be said of it. The language
 * is told in tests/scripts/README.md. */
#ifndef SYNFIN_TESTS_SCRIPT_H
#define SYNFIN_TESTS_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "synfin/error.h"
#include "synfin/record.h"
#include "synfin/segment.h"

/* The script's own ends, whatever roles the tracker gives them. */
enum script_who { SCRIPT_CLIENT, SCRIPT_SERVER, SCRIPT_WHO_COUNT, SCRIPT_NOBODY = -1 };

/* What a transform changes of every script without changing what must be said of it. */
struct script_transform {
    const char *name;
    bool ipv6;
    bool swap;     /* the client's address is the larger one */
    uint16_t vlan; /* 0: none */
    bool has_iss;
    uint32_t iss;     /* takes the place of both default initial sequence numbers */
    uint32_t snaplen; /* octets of an untagged Ethernet frame, 0: all */
};

/* NULL when there is no transform of that name; the first of the list is "plain". */
const struct script_transform *script_transform_find(const char *name);
const struct script_transform *script_transforms(size_t *count);

/* An end's state as a line expects it. */
struct script_state {
    bool is_given;
    bool is_any; /* '*': whatever it is, until said again */
    bool is_assumed, checks_proof;
    enum sf_tcp_state state;
};

struct script_anomaly {
    enum sf_anomaly name;
    enum script_who end; /* NOBODY: whoever's */
    char kind[40];       /* beginning of the detail ("kind=reopen"), or empty */
    unsigned record;     /* of `end` and `may`: the record's place, from 1 */
};

enum script_rtt { SCRIPT_RTT_FREE, SCRIPT_RTT_NONE, SCRIPT_RTT_IS };

enum { SCRIPT_ANOMALIES = 8, SCRIPT_OPTIONS = 40 };

struct script_packet {
    unsigned line;
    sf_ns t_ns;    /* since the epoch */
    unsigned flow; /* from 1 */
    enum script_who who;

    bool is_icmp;
    uint8_t icmp_type, icmp_code; /* of ICMPv4; the wire translates them for IPv6 */
    size_t quoted;                /* index of the packet that the ICMP error quotes */

    uint16_t port[SCRIPT_WHO_COUNT];
    uint8_t ttl, ecn;
    uint16_t ip_id, vlan;
    uint32_t snaplen;
    uint32_t seq, ack;
    uint16_t flags, window, urgent;
    uint32_t payload_len;
    bool has_bad_checksum;
    uint8_t option_len;
    uint8_t option[SCRIPT_OPTIONS]; /* as laid out in the header */
    struct sf_tcp_options options;  /* the same, read */

    struct script_state state[SCRIPT_WHO_COUNT];
    size_t anomaly_count;
    struct script_anomaly anomaly[SCRIPT_ANOMALIES];
    enum script_rtt rtt;
    sf_ns rtt_ns;
    uint32_t labels; /* bits of enum sf_label that must be among the line's */
    bool checks_window;
    uint32_t found_window; /* octets, as it must be told */
};

/* "=N path value": of the N-th record. */
struct script_result {
    unsigned line, record;
    char path[64], value[80];
};

/* "says [N] words": the N-th record's verdict has these words in this order, a blank between. */
struct script_saying {
    unsigned line, record;
    char text[200];
};

struct script {
    const char *path;
    struct script_transform transform;
    struct script_packet *packets;
    size_t packet_count;
    struct script_result *results;
    size_t result_count;
    struct script_saying *sayings;
    size_t saying_count;
    struct script_anomaly *at_end; /* `end`: must be in the record */
    size_t at_end_count;
    struct script_anomaly *allowed; /* `may`: may be */
    size_t allowed_count;
    unsigned connections; /* records that must come out */
    bool needs_ipv4;      /* tells something by the IP-ID, which IPv6 has not */
};

/* Reads a script under a transform. On failure -1 and "file:line: what"; nothing is owned then. On
 * success the caller gives it back with script_dispose(). `path` is borrowed. */
int script_read(struct script *out, const char *path, const struct script_transform *transform,
                struct sf_error *err);
void script_dispose(struct script *script);

#endif
