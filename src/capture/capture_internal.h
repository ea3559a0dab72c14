/* What the files of the capture layer share: octet streams, the byte window over them, the
 * state of one input, and the door to libpcap. */
#ifndef SYNFIN_CAPTURE_INTERNAL_H
#define SYNFIN_CAPTURE_INTERNAL_H

#include <stdatomic.h>
#include <sys/types.h>

#include "synfin/capture.h"

/* The longest block or packet that is believed; longer ones are damage. */
#define SF_BLOCK_MAX ((uint32_t)64 << 20)

/* --- stream.c: a file descriptor as plain octets, decompressed where its magic says so --- */

/* Octets that a magic number needs. */
#define SF_MAGIC_LEN 4

struct sf_stream;

/* The name of the compression that begins so, or NULL. */
const char *sf_stream_compression(const uint8_t magic[SF_MAGIC_LEN], size_t len);

/* Takes over fd, also on failure. *stop, when it becomes true, ends the reading. */
int sf_stream_open(struct sf_stream **out, int fd, const atomic_bool *stop, struct sf_error *err);
const char *sf_stream_format(const struct sf_stream *stream);
/* Returns the octets written into buf (at least one, at most len), 0 at the end, or -1. */
ssize_t sf_stream_read(struct sf_stream *stream, uint8_t *buf, size_t len, struct sf_error *err);
/* Octets taken from the file descriptor so far, before decompression. */
uint64_t sf_stream_consumed(const struct sf_stream *stream);
void sf_stream_close(struct sf_stream *stream);

/* --- ahead.c: a thread that decompresses --- */

struct sf_ahead;

/* Begins to read the stream, which is its own from now on until sf_ahead_end(). NULL: it cannot. */
struct sf_ahead *sf_ahead_start(struct sf_stream *stream);
/* As sf_stream_read() and sf_stream_consumed(). */
ssize_t sf_ahead_read(struct sf_ahead *ahead, uint8_t *buf, size_t len, struct sf_error *err);
uint64_t sf_ahead_consumed(const struct sf_ahead *ahead);
void sf_ahead_end(struct sf_ahead *ahead); /* may be NULL */

/* --- window.c: a stretch of octets that the parsers walk --- */

enum sf_fill {
    SF_FILL_READY, /* the octets are there */
    SF_FILL_SHORT, /* the input ends before */
    SF_FILL_LATER, /* more can be read only after the packets handed out are given back */
};

/* Octets [at, end) are readable. Closed when zeroed. */
struct sf_window {
    const uint8_t *at;
    const uint8_t *end;
    const uint8_t *base;   /* what `origin` is the offset of */
    uint64_t origin;       /* offset of base in the uncompressed input */
    bool is_pinned;        /* packets that point into it are in use: it must not move */
    struct sf_error fault; /* why the octets end, when it is not the end of the file */
    uint64_t file_size;    /* octets on disk, 0 when not known */
    uint64_t file_start;   /* where in the file the input begins */
    /* A file that is not compressed; anything else is a stream. */
    bool is_file;
    int fd;
    uint64_t file_at; /* where in it the next octets are read */
    struct sf_stream *stream;
    bool may_read_ahead;    /* a file that turns out to be long may have a thread of its own */
    struct sf_ahead *ahead; /* that it has, or NULL */
    uint8_t *buffer;
    size_t capacity;
};

/* Takes over fd, also on failure; of a file, what lies behind `size_max` is not there. */
int sf_window_open(struct sf_window *window, int fd, uint64_t size_max, const atomic_bool *stop,
                   struct sf_error *err);
const char *sf_window_compression(const struct sf_window *window);
enum sf_fill sf_window_fill(struct sf_window *window, size_t n);
/* Octets of the file consumed, before decompression. */
uint64_t sf_window_consumed(const struct sf_window *window);
/* Nothing more will be asked for: what has been read stays. */
void sf_window_end(struct sf_window *window);
void sf_window_close(struct sf_window *window);

static inline enum sf_fill sf_window_need(struct sf_window *window, size_t n)
{
    return (size_t)(window->end - window->at) >= n ? SF_FILL_READY : sf_window_fill(window, n);
}

static inline uint64_t sf_window_offset(const struct sf_window *window)
{
    return window->origin + (uint64_t)(window->at - window->base);
}

/* --- clock.c: ticks of a capture clock to nanoseconds --- */

/* if_tsresol of pcapng: negative power of ten, or of two with the highest bit set. */
#define SF_TSRESOL_USEC 6

struct sf_clock {
    uint64_t fast_limit; /* ticks below which multiplier and offset_ns cannot overflow */
    uint64_t multiplier; /* nanoseconds a tick, when a whole number */
    sf_ns offset_ns;
    int64_t offset_s;
    uint8_t resolution;
};

void sf_clock_init(struct sf_clock *clock, uint8_t resolution, int64_t offset_s);
/* Rounds down to a nanosecond and saturates at what sf_ns can hold. */
sf_ns sf_clock_ns_slow(const struct sf_clock *clock, uint64_t ticks);

static inline sf_ns sf_clock_ns(const struct sf_clock *clock, uint64_t ticks)
{
    if (ticks < clock->fast_limit)
        return (sf_ns)(ticks * clock->multiplier) + clock->offset_ns;
    return sf_clock_ns_slow(clock, ticks);
}

/* --- input.c, pcap_format.c, pcapng_format.c: one input and its two formats --- */

struct sf_interface {
    struct sf_clock clock;
    uint32_t snaplen; /* 0: no limit */
    uint16_t linktype;
    uint16_t number;
    uint64_t dropped; /* the last count its statistics gave */
};

struct sf_filter;

/* What the inputs of one capture share. */
struct sf_context {
    uint32_t interface_count;
    struct sf_filter *filter; /* NULL: none */
    atomic_bool stop;
};

enum sf_step {
    SF_STEP_PACKET,
    SF_STEP_LATER, /* see SF_FILL_LATER */
    SF_STEP_END,   /* of the input, whole or damaged */
};

struct sf_input {
    struct sf_window window;
    struct sf_context *context;
    struct sf_input_report *report;
    uint16_t index; /* of the report */
    enum sf_step (*next)(struct sf_input *input, struct sf_packet *out);
    /* Takes packets as long as they are ordinary and wholly in the window, and returns how many:
     * next() takes the one after. NULL: next() takes all. */
    size_t (*run)(struct sf_input *input, struct sf_packet *batch, size_t capacity);
    const char *name;                /* for messages */
    uint64_t parsed;                 /* packets */
    uint64_t record;                 /* offset of the record that is being read */
    bool is_swapped;                 /* numbers are in the other byte order than this machine's */
    bool is_open;                    /* more packets may come */
    struct sf_interface *interfaces; /* of the current section */
    size_t interface_count;
    size_t interface_capacity;
    uint64_t dropped; /* told by the sections before */
    bool tells_dropped;
    sf_ns last_ns;
    struct sf_packet head; /* the next packet, while merging */
    union {
        struct {
            uint32_t header_len; /* octets before each packet's data */
            uint32_t fraction_ns;
            uint32_t caplen_max;
            uint8_t length_order; /* enum of pcap_format.c */
        } pcap;
        struct {
            bool may_stop; /* after the first interface, while opening */
        } pcapng;
    } format;
};

/* Each reads the file header; 0, or -1 when there is nothing to read in it. */
int sf_pcap_open(struct sf_input *input, struct sf_error *err);
int sf_pcapng_open(struct sf_input *input, struct sf_error *err);
bool sf_pcap_knows(uint32_t magic);
bool sf_pcapng_knows(uint32_t magic);

/* Opens the file called path ("-": standard input) and finds out its format. */
int sf_input_open(struct sf_input *input, const char *path, struct sf_error *err);
/* Opens the file of another input once more, or takes over that it could not be read. */
int sf_input_open_twin(struct sf_input *input, const struct sf_input *like, struct sf_error *err);
/* Appends an interface to the current section; NULL when memory is short. The filter is compiled
 * for its link type; if it does not fit, the report says so. */
struct sf_interface *sf_input_add_interface(struct sf_input *input, uint32_t linktype);
/* Marks the input as damaged at the current record. Always SF_STEP_END. */
enum sf_step sf_input_damage(struct sf_input *input, const char *fmt, ...) SF_PRINTF(2, 3);
/* After a fill that is not READY: wait, end, or, when part of a record is there, damage. */
enum sf_step sf_input_stop(struct sf_input *input, enum sf_fill fill, const char *what);
/* Largest believable packet: libpcap's limit, or the file's own snapshot length. */
uint32_t sf_input_caplen_max(uint32_t snaplen);
uint64_t sf_input_dropped(const struct sf_input *input);
void sf_input_close(struct sf_input *input);

static inline uint16_t sf_input_u16(const struct sf_input *input, const uint8_t *p)
{
    uint16_t v;
    __builtin_memcpy(&v, p, sizeof v);
    return input->is_swapped ? __builtin_bswap16(v) : v;
}

static inline uint32_t sf_u32(const uint8_t *p, bool is_swapped)
{
    uint32_t v;
    __builtin_memcpy(&v, p, sizeof v);
    return is_swapped ? __builtin_bswap32(v) : v;
}

static inline uint32_t sf_input_u32(const struct sf_input *input, const uint8_t *p)
{
    return sf_u32(p, input->is_swapped);
}

static inline uint64_t sf_input_u64(const struct sf_input *input, const uint8_t *p)
{
    uint64_t v;
    __builtin_memcpy(&v, p, sizeof v);
    return input->is_swapped ? __builtin_bswap64(v) : v;
}

/* --- pcap_source.c: what libpcap does for us --- */

/* Never fails for a bad text: that shows when the first link type is learned. */
int sf_filter_open(struct sf_filter **out, const char *text, struct sf_error *err);
/* Compiles the filter for a link type, once. False with *err when it does not fit: all packets of
 * that link type count as turned down. */
bool sf_filter_learn(struct sf_filter *filter, uint16_t linktype, struct sf_error *err);
/* True when the filter fits the first link type it was given (Ethernet when none was). */
bool sf_filter_is_sound(struct sf_filter *filter, struct sf_error *err);
/* Marks the packets that are turned down and returns their number. */
size_t sf_filter_apply(struct sf_filter *filter, struct sf_packet *batch, size_t count);
void sf_filter_close(struct sf_filter *filter);

/* Packets in the order of one interface, copied, until they are handed out: [head, count). */
enum { SF_QUEUE_PACKETS = 256, SF_RING_TIMEOUT_MS = 100 };
struct sf_queue {
    struct sf_packet packets[SF_QUEUE_PACKETS];
    uint8_t *arena; /* snaplen octets for each */
    uint32_t snaplen;
    uint16_t number; /* of the interface */
    size_t head, count;
};

/* One interface's ring of packets, shared with the kernel. */
struct sf_ring;

/* `name` is borrowed. The kernel applies the filter: what it turns down is never counted here. */
int sf_ring_open(struct sf_ring **out, const char *name, const struct sf_capture_options *options,
                 bool *filter_bad, struct sf_error *err);
/* From now on the ring and `first`, of the same interface, and all others that have joined it share
 * the packets: both directions of a connection reach the same one, if the kernel finds its
 * addresses and ports. 0, or -1 with *err. */
int sf_ring_join(struct sf_ring *ring, struct sf_ring *first, struct sf_error *err);
bool sf_ring_is_shared(const struct sf_ring *ring);
/* Packets stamped before are passed over: rings got them that had not joined yet. */
void sf_ring_begin(struct sf_ring *ring, sf_ns begin_ns);
int sf_ring_fd(const struct sf_ring *ring);
/* Adds what the kernel has handed over, as far as there is room; never waits. The kernel hands over
 * SF_RING_TIMEOUT_MS after a packet at the latest. -1: the interface has failed. */
int sf_ring_drain(struct sf_ring *ring, struct sf_queue *queue, struct sf_error *err);
/* Packets dropped since it was opened, by the kernel and the card; to be asked for more often than
 * 2^31 of them take. */
uint64_t sf_ring_dropped(struct sf_ring *ring);
bool sf_ring_is_up(const struct sf_ring *ring);
void sf_ring_close(struct sf_ring *ring);

/* --- live.c: several interfaces as one timeline --- */

struct sf_live;

uint32_t sf_live_snaplen(const struct sf_capture_options *options);
/* Opens all interfaces of options; a report each. -1 when none is usable or the filter is bad. */
int sf_live_open(struct sf_live **out, const struct sf_capture_options *options,
                 struct sf_input_report *reports, bool *filter_bad, struct sf_error *err);
/* Opens a further ring for each interface that `like` has open, to share its packets. -1 when one
 * of them cannot be opened or shared. */
int sf_live_open_twin(struct sf_live **out, const struct sf_live *like,
                      const struct sf_capture_options *options, struct sf_input_report *reports,
                      struct sf_error *err);
/* See sf_capture_begin(), sf_capture_complete_until() and sf_capture_wait(). */
void sf_live_begin(struct sf_live *live, sf_ns begin_ns);
sf_ns sf_live_complete_until(const struct sf_live *live);
void sf_live_wait(struct sf_live *live, int wake_fd, bool is_short);
/* Waits for packets no longer than SF_RING_TIMEOUT_MS, then takes what is there, in order of time.
 * A packet of one interface waits until the others' rings cannot hold an earlier one. */
size_t sf_live_next(struct sf_live *live, struct sf_packet *batch, size_t capacity);
/* What was stamped until now is still handed out, then the capture ends. */
void sf_live_end(struct sf_live *live);
bool sf_live_has_ended(const struct sf_live *live);
uint64_t sf_live_dropped(struct sf_live *live);
/* Notes in the reports which interfaces went down or came up since. */
void sf_live_look(struct sf_live *live);
void sf_live_close(struct sf_live *live);

#endif
