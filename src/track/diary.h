/* A connection as its segments, a few octets each, while it does nothing but what nearly all do: it
 * is opened, both ends send their next octets and acknowledge, it is closed. What is found out of
 * that can be found out later. */
#ifndef SYNFIN_TRACK_DIARY_H
#define SYNFIN_TRACK_DIARY_H

#include "track_internal.h"

/* What only the SYN of an end says. */
struct sf_diary_syn {
    uint32_t ts_val;
    uint16_t window, checksum, ip_id, options, mss, bits;
    uint8_t ttl, wscale, headers;
    uint8_t unused; /* so that no octet is without a name */
};

/* An entry: any segment behind the two SYNs. */
struct sf_diary_entry {
    uint64_t gap; /* after the segment before */
    uint16_t payload_len, window, checksum, ip_id;
    uint16_t behind; /* SEG.ACK, what its peer has sent */
    uint16_t ts_val; /* above the end's latest */
    uint16_t ts_ecr; /* below its peer's latest TSval */
    uint16_t bits;
};

/* What the segments have come to; the entries follow it. */
struct sf_diary {
    /* for good */
    sf_ns first_ns;
    uint64_t first_packet;
    uint64_t answer;            /* the gap between the SYNs */
    uint32_t iss[SF_DIR_COUNT]; /* SEG.SEQ of the SYN */
    struct sf_diary_syn syn[SF_DIR_COUNT];
    uint16_t count; /* entries */
    uint16_t interface, vlan[SF_VLAN_MAX];
    uint8_t headers[SF_DIR_COUNT]; /* octets of IP's and TCP's behind the SYN, 0: none came */
    uint8_t vlan_count;
    uint8_t marks;

    /* while it is open */
    uint32_t next[SF_DIR_COUNT];  /* sequence number behind what the end has sent */
    uint32_t acked[SF_DIR_COUNT]; /* its latest SEG.ACK; before that, its peer's SYN */
    uint32_t ts_val[SF_DIR_COUNT];
    uint8_t tested[SF_DIR_COUNT]; /* segments whose checksum was right */
    uint8_t in_a_row;             /* entries that came right after the one before */
    uint8_t unused;
};

/* Octets, as they are kept: of a diary that is open, of one that is closed, of an entry. */
enum {
    SF_DIARY_OPEN = sizeof(struct sf_diary),
    SF_DIARY_CLOSED = offsetof(struct sf_diary, next),
    SF_DIARY_ENTRY = sizeof(struct sf_diary_entry),
};

/* When the segment before came, and as which packet. */
struct sf_diary_before {
    sf_ns ts_ns;
    uint64_t packet;
};

/* Begins with a plain SYN (parcel.h). `is_tested`, here and below: its checksum was right. */
struct sf_diary sf_diary_begun(const struct sf_segment *syn, bool is_tested);

/* Whether the segment is what can be noted, and surely neither a copy of one before nor anything
 * that must be judged at once. */
bool sf_diary_may_follow(const struct sf_diary *diary, const struct sf_segment *seg,
                         const struct sf_diary_before *before);

/* Notes it. True: it made an entry, which belongs behind those that are there. */
bool sf_diary_note(struct sf_diary *diary, const struct sf_segment *seg,
                   const struct sf_diary_before *before, bool is_tested,
                   struct sf_diary_entry *out);

/* A diary that is read, from its first segment on. */
struct sf_diary_reader {
    const struct sf_diary *diary;
    const uint8_t *at;     /* the next entry */
    unsigned segments;     /* read */
    struct sf_segment seg; /* the one read last, but for its octets */
    bool is_tested;
    uint32_t next[SF_DIR_COUNT], ts_val[SF_DIR_COUNT];
};

/* Reads the first segment. `seg`: key and hash. */
void sf_diary_read_first(struct sf_diary_reader *reader, const struct sf_diary *diary,
                         const uint8_t *entries, const struct sf_flow_key *key, uint64_t hash);
/* False: there is none. */
bool sf_diary_read_next(struct sf_diary_reader *reader);

/* Both ends have spoken, and the opener has acknowledged its peer's SYN. */
bool sf_diary_is_established(const struct sf_diary *diary);
/* Both FINs are acknowledged. */
bool sf_diary_is_closed(const struct sf_diary *diary);

#endif
